# Shared by every lab script (bash): hosts as network namespaces, LANs as bridges, daemons, watchers, and how a check is told.
#
#   ok - TEXT / not ok - TEXT / skip - TEXT      one line for each check; lines with # are details
#
# Everything made here is named hfPID-..., lives in namespaces, and is removed at exit. Only our own processes are ended, by pid.
# shellcheck shell=bash
set -u
export LC_ALL=C
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$LAB/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
HOLDFAST=${HOLDFAST:-${CARGO_TARGET_DIR:-$ROOT/target}/release/holdfast}
KEEPALIVED=${KEEPALIVED:-keepalived}
PYTHON=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1
LAB_ID=hf$$
HOSTS=()           # every namespace made, in order
ROUTERS=()         # those asked who holds an address
SPAWNED=()         # pids to end at exit
declare -A PID=()  # host -> pid of its daemon
FAILED=0
TMP=$(mktemp -d)

# --- telling ---------------------------------------------------------------------------------------------------------------
CASE=${CASE:-$(basename "$0")}
ok() { echo "ok - $CASE: $1"; }
skip() { echo "skip - $CASE: $1 # $2"; }
no() { # TEXT [DETAIL...]
  FAILED=$((FAILED + 1))
  echo "not ok - $CASE: $1"; shift
  [ $# -gt 0 ] && printf '#   %s\n' "$@"
  return 1
}
# check TEXT COMMAND...: what the command prints is the detail of a failure
# (locals of what runs a caller's command begin with _, since the command sees them)
check() { local _t=$1 _out; shift; if _out=$("$@" 2>&1); then ok "$_t"; else no "$_t" "${_out:-$* failed}"; fi; }
same() { [ "$1" = "$2" ] || { echo "wanted '$1', found '$2'"; return 1; }; }
# in_range TEXT LOW HIGH VALUE: a measured time; says it in any case
in_range() {
  if awk -v l="$2" -v h="$3" -v v="$4" 'BEGIN { exit !(v != "" && v >= l && v <= h) }'; then ok "$1: $4 s"
  else no "$1" "measured '${4}' s, wanted $2 to $3"; fi
}
calc() { awk "BEGIN { printf \"%.3f\", $* }"; }
since() { calc "$EPOCHREALTIME - $1"; }
# within SECONDS COMMAND...: tries until it succeeds; TOOK is the time it needed
within() {
  local _limit=$1 _start=$EPOCHREALTIME; shift
  while :; do
    "$@" >/dev/null 2>&1 && { TOOK=$(since "$_start"); return 0; }
    TOOK=$(since "$_start")
    awk "BEGIN { exit !($TOOK > $_limit) }" && return 1
    sleep 0.05
  done
}
# soon TEXT SECONDS COMMAND...: a check that something comes true in time; the last try's words are the detail
soon() {
  local _t=$1 _limit=$2 _said; shift 2
  if within "$_limit" "$@"; then ok "$_t ($TOOK s)"; return; fi
  _said=$("$@" 2>&1); no "$_t" "not within $_limit s" ${_said:+"$_said"}
}
finish() { # end of a case: logs where something failed, status
  if [ $FAILED -gt 0 ] || [ "${LAB_LOGS:-0}" = 1 ]; then
    local f; for f in "$TMP"/*/log; do [ -s "$f" ] && { echo "# --- $(basename "$(dirname "$f")")"; tail -40 "$f" | sed 's/^/# /'; }; done
  fi
  [ $FAILED -eq 0 ]; exit
}

# --- hosts and wires -------------------------------------------------------------------------------------------------------
on() { local h=$1; shift; nsenter --net="/run/netns/$LAB_ID-$h" -- "$@"; }
ipn() { local h=$1; shift; ip -n "$LAB_ID-$h" "$@"; }
host() { # NAME...
  local h; for h; do
    ip netns add "$LAB_ID-$h" || { echo "Bail out: no network namespaces here"; exit 2; }
    HOSTS+=("$h"); ipn "$h" link set lo up; mkdir -p "$TMP/$h/run"
  done
}
lan() { # NAME...: a switch
  local l; for l; do host "$l"; ipn "$l" link add br0 type bridge mcast_snooping 0; ipn "$l" link set br0 up; done
}
plug() { # HOST INTERFACE LAN [ADDRESS/LEN]
  ipn "$3" link add "$1.$2" type veth peer name "$2" netns "$LAB_ID-$1"
  ipn "$3" link set "$1.$2" master br0 up
  [ $# -gt 3 ] && ipn "$1" addr add "$4" dev "$2"
  ipn "$1" link set "$2" up
}
cable() { ipn "$3" link set "$1.$2" "$4"; } # HOST INTERFACE LAN up|down: at the switch, so only this host loses its carrier
forwards() { local h; for h; do on "$h" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'; done; }

lab_end() {
  local p h
  [ "$BASHPID" = $$ ] || return # a child that a signal met between its birth and its exec
  for h in "${!PID[@]}"; do tree_kill "${PID[$h]}"; done
  for p in "${SPAWNED[@]}"; do kill -KILL "$p" 2>/dev/null; done
  for h in "${HOSTS[@]}"; do ip netns del "$LAB_ID-$h" 2>/dev/null; done
  [ "${LAB_KEEP:-0}" = 1 ] && echo "# kept: $TMP" || rm -rf "$TMP"
}
trap lab_end EXIT
trap 'trap "" INT TERM; exit 130' INT TERM HUP PIPE # once: timeout tells both the script and its group
# spawn HOST COMMAND...: in the background, ended at exit; its pid is ${SPAWNED[-1]}
spawn() { nsenter --net="/run/netns/$LAB_ID-$1" -- "${@:2}" & SPAWNED+=($!); disown $!; }

# --- daemons ---------------------------------------------------------------------------------------------------------------
# start HOST holdfast|keepalived CONFIG [OPTION...]: with a /run of the host's own, which outlives the daemon as a real one does
start() {
  local h=$1 bin=$HOLDFAST conf=$3; [ "$2" = keepalived ] && bin=$KEEPALIVED
  shift 3
  ip netns exec "$LAB_ID-$h" sh -c '
    mount --bind "$1/run" /run
    [ -d "$1/dev" ] && mount --rbind "$1/dev" /dev
    shift; exec "$@"' sh "$TMP/$h" "$bin" -n ${LOG_TO--l} -D -f "$conf" \
    -p /run/main.pid -r /run/vrrp.pid -c /run/checkers.pid "$@" >>"$TMP/$h/log" 2>&1 </dev/null &
  PID[$h]=$!
}
gone() { ! kill -0 "$1" 2>/dev/null; }
running() { kill -0 "${PID[$1]}" 2>/dev/null; }
# stop HOST: TERM; STATUS is what the daemon ended with; no success when it had to be killed
stop() {
  local p=${PID[$1]:-} r=0; [ -n "$p" ] || return 0
  kill -TERM "$p" 2>/dev/null
  within 8 gone "$p" || { tree_kill "$p"; r=1; }
  wait "$p" 2>/dev/null; STATUS=$?
  unset "PID[$1]"
  return $r
}
tree() { local c; echo "$1"; for c in $(pgrep -P "$1"); do tree "$c"; done; }
# KILL to a daemon with all its children at once: stopped first, so that none of them has time for a farewell
# and waited for, since a keepalived takes a dead one that nobody has waited for yet as running
tree_kill() {
  local t p; t=$(tree "$1")
  { kill -STOP $t; kill -KILL $t; wait "$1"; } 2>/dev/null
  for p in $t; do within 3 gone "$p"; done
}
crash() { tree_kill "${PID[$1]}"; unset "PID[$1]"; }

has() { ipn "$1" -o addr show to "$2/32" 2>/dev/null | grep -q .; }
holds() { local h=$1 a; shift; for a; do has "$h" "$a" || return 1; done; }  # HOST ADDRESS...: has each of them
lacks() { local h=$1 a; shift; for a; do has "$h" "$a" && return 1; done; :; } # has none of them
holders() { local r w=; for r in "${ROUTERS[@]}"; do has "$r" "$1" && w="$w $r"; done; echo "${w# }"; } # of an address
held_by() { same "$2" "$(holders "$1")"; } # VIP "ROUTER..."

# --- watching a LAN --------------------------------------------------------------------------------------------------------
# watch LAN: from now on every advert and gratuitous ARP on it is a line of $TMP/LAN.seen (see watch.py)
watch() {
  local l; for l; do
    spawn "$l" $PYTHON "$LAB/watch.py" br0 "$TMP/$l.seen"
    within 10 test -s "$TMP/$l.seen" || no "watch on $l did not start"
  done
}
settle() { sleep 0.2; } # what is on the wire now is in the file after that
# adverts LAN FROM [TO]: time source vrid priority ... of each advert in that time
adverts() { awk -v f="$2" -v t="${3:-9e99}" '$2 == "advert" && $1 >= f && $1 <= t' "$TMP/$1.seen"; }
first_advert() { adverts "$1" "$3" | awk -v s="$2" '$3 == s && $6 > 0 { print $1; exit }'; }            # LAN SOURCE FROM
last_advert() { adverts "$1" 0 "${3:-9e99}" | awk -v s="$2" '$3 == s && $6 > 0 { t = $1 } END { print t }'; } # LAN SOURCE [TO]
farewell() { adverts "$1" "$3" | awk -v s="$2" '$3 == s && $6 == 0 { print $1; exit }'; }               # LAN SOURCE FROM
sources() { adverts "$@" | awk '{ print $3 }' | sort -u | paste -sd' '; }
# silence LAN SOURCE FROM [TO]: the longest time without an advert of that source, up to TO or now
silence() {
  settle
  local to=${4:-$EPOCHREALTIME}
  adverts "$1" "$3" "$to" | awk -v s="$2" -v p="$3" -v t="$to" '
    $3 == s { if ($1 - p > m) m = $1 - p; p = $1 } END { if (t - p > m) m = t - p; printf "%.3f", m }'
}
arps() { awk -v f="$2" -v v="$3" '$2 == "garp" && $1 >= f && $3 == v' "$TMP/$1.seen"; } # LAN FROM VIP
# alone LAN SOURCE: listens for two intervals and more; one source, and at least two adverts
alone() {
  local f=$EPOCHREALTIME; sleep 2.3; settle
  same "$2" "$(sources "$1" "$f")" && [ "$(adverts "$1" "$f" | wc -l)" -ge 2 ]
}

# well_formed [OPTION...]: tshark, another decoder, finds nothing wrong with the adverts of $TMP/net.pcap; its options are
# for what it cannot know: -o vrrp.v3_checksum_as_in_v2:TRUE; UNSUMMED=1: it takes the checksum for one of the signature too
well_formed() {
  command -v tshark >/dev/null || { skip "tshark reads the adverts" "there is no tshark"; return; }
  read_by() { tshark -n -r "$TMP/net.pcap" -o ip.check_checksum:TRUE "${@:2}" -Y "$1" 2>&1 | grep -v '^Running as user'; }
  check "tshark reads adverts" test "$(read_by vrrp "$@" | grep -c VRRP)" -gt 5
  check "tshark finds no malformed one" same "" "$(read_by '(vrrp || ah) && (_ws.malformed || _ws.short)' "$@" | head -3)"
  [ "${UNSUMMED:-0}" = 1 ] && return
  check "tshark finds no wrong checksum" same "" "$(read_by '(vrrp && vrrp.checksum.status == 0) || ip.checksum.status == 0' "$@" | head -3)"
}

# --- services and those who ask for them -------------------------------------------------------------------------------------
declare -A SERVER=()
serve() { # HOST PORT...: a server that answers with the host's name
  local h=$1; shift
  spawn "$h" $PYTHON "$LAB/server.py" "$h" "$@"; SERVER[$h]=${SPAWNED[-1]}
}
unserve() { kill -KILL "${SERVER[$1]}"; within 3 gone "${SERVER[$1]}"; }
# ask HOST ADDRESS PORT [INTERVAL]: from now on; who answered, and when, is in $TMP/ask.ADDRESS:PORT (see client.py)
ask() { spawn "$1" $PYTHON "$LAB/client.py" "$2" "$3" "${4:-0.25}" "$TMP/ask.$2:$3"; }
asked() { awk -v f="$2" -v t="${3:-9e99}" '$1 >= f && $1 <= t' "$TMP/ask.$1" 2>/dev/null; } # ADDRESS:PORT FROM [TO]
who() { asked "$@" | awk '{ print $2 }' | sort -u | paste -sd' '; }                          # `-` stands for no answer
answered() { asked "$1" "$2" | grep -q " $3 "; }                                            # ADDRESS:PORT FROM NAME
unanswered() { asked "$1" "$2" | grep -q " - "; }
# outage ADDRESS:PORT FROM TO: longest time without an answer, and how many requests were lost in all
outage() {
  awk -v f="$2" -v t="$3" '$1 < f - 3 || $1 > t { next }
    $2 == "-" { lost++; next } { if (p && $1 - p > m) m = $1 - p; p = $1 } END { printf "%.2f s, %d requests lost in all\n", m, lost }' "$TMP/ask.$1"
}
# in_turn ADDRESS:PORT FROM COUNT NAME...: the last COUNT answers since then take turns, nobody twice running
in_turn() {
  local a=$1 f=$2 n=$3 last; shift 3
  last=$(asked "$a" "$f" | tail -n "$n" | awk '{ print $2 }')
  [ "$(echo "$last" | wc -l)" -ge "$n" ] || { echo "only $(echo "$last" | wc -l) answers"; return 1; }
  same "$*" "$(echo "$last" | sort -u | paste -sd' ')" || return 1
  [ $# = 1 ] || [ -z "$(echo "$last" | uniq -d)" ] || { echo "not in turn: $last"; return 1; }
}
ipvs() { on "$1" ipvsadm -Sn | sort; }                         # HOST: its table
ipvs_is() { same "$(printf '%s\n' "${@:2}" | sort)" "$(ipvs "$1")"; } # HOST LINE...
lists() { on "$1" ipvsadm -Sn | grep -q -- "$2"; }             # HOST WORDS
lists_not() { ! lists "$@"; }

need_root() { [ "$(id -u)" = 0 ] || { skip "everything" "needs root"; exit 0; }; }
need_root
[ -x "$(command -v "$HOLDFAST")" ] || { no "there is a binary to test" "no $HOLDFAST: run make build, or set HOLDFAST"; exit 1; }
