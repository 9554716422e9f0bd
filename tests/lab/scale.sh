# The section `vrrp` of scripts/bench: a thousand virtual routers on five links between two hosts, at 0.1 s. What an advert
# costs, how late a take-over of all of them is, memory, start; each beside keepalived and beside the bare system calls of the
# same run. Sourced; see scale.c for the words.
# shellcheck shell=bash disable=SC2154
LINKS=5
EACH=200
SECONDS_OF_LOAD=${BENCH_SECONDS:-20}

vrrp_setup() {
  cc -O2 -o "$TMP/scale" tests/lab/scale.c && cc -O2 -o "$TMP/timer" tests/lab/timer.c || return 1
  host sp sq
  local i h n
  for ((i = 0; i < LINKS; i++)); do
    ipn sp link add v$i type veth peer name v$i netns "$LAB_ID-sq"
    n=1; for h in sp sq; do ipn $h addr add 10.$((100 + i)).0.$n/16 dev v$i; ipn $h link set v$i up; n=2; done
  done
}
scale() { local h=$1; shift; on "$h" "$TMP/scale" "$@"; }
# routers LINKS EACH PRIORITY: a configuration of that many instances for each link
routers() {
  awk -v links="$1" -v each="$2" -v priority="$3" 'BEGIN {
    print "global_defs {\n    vrrp_version 3\n}"
    for (i = 0; i < links; i++) for (j = 1; j <= each; j++) {
      printf "vrrp_instance V%d_%d {\n    state BACKUP\n    interface v%d\n    virtual_router_id %d\n", i, j, i, j
      printf "    priority %d\n    advert_int 0.1\n    virtual_ipaddress {\n        10.%d.1.%d\n    }\n}\n", priority, 100 + i, j
    }
  }'
}
holding() { [ "$(ipn "$1" -4 -o addr show | grep -c ' 10\.[0-9]*\.1\.')" -ge "$2" ]; } # HOST COUNT: of virtual addresses
packets() { # HOST tx|rx: of all links
  local i; for ((i = 0; i < LINKS; i++)); do on "$1" ip -s -j link show v$i; done |
    grep -o "\"$2\":{[^}]*" | grep -o '"packets":[0-9]*' | awk -F: '{ n += $2 } END { print n }'
}
# cost HOST tx|rx: CPU us of the host's daemon for each packet of the next seconds
cost() {
  local before us
  before=$(packets "$1" "$2")
  us=$(scale "$1" cpu "$SECONDS_OF_LOAD" $(tree "${PID[$1]}"))
  calc "$us / ($(packets "$1" "$2") - $before)"
}
vrrp_cpu() { # KIND: sets ALONE, SENT and HEARD
  start sp "$1" "$TMP/scale.high" -P; within 60 holding sp 1000 || return 1
  sleep 8 # until the second burst of gratuitous ARP is over
  ALONE=$(cost sp tx)
  start sq "$1" "$TMP/scale.low" -P; sleep 3
  cost sq rx >"$TMP/heard" & local child=$!
  SENT=$(cost sp tx); wait $child; HEARD=$(cat "$TMP/heard")
  stop sq; stop sp; sleep 1
}
vrrp_takeovers() { # KIND: what was seen of one take-over after KILL, in $TMP/seen.KIND.N
  local n
  for ((n = 1; n <= ${BENCH_SCALE_TRIALS:-3}; n++)); do
    clean_sp; start sp "$1" "$TMP/scale.high" -P; within 60 holding sp 1000 || return 1
    start sq "$1" "$TMP/scale.low" -P; sleep 8.5
    : >"$TMP/seen.$1.$n"
    spawn sq nice -n -5 "$TMP/scale" watch $LINKS "$TMP/seen.$1.$n"; local watcher=${SPAWNED[-1]}
    sleep "$(calc "1 + $((RANDOM % 100)) / 1000")"
    crash sp
    within 60 holding sq 1000; sleep 7 # the second burst is in it
    kill "$watcher"; within 3 gone "$watcher"; stop sq
  done
}
vrrp_ready() { # KIND COMMAND...: least and median of 20 starts, ms
  local kind=$1 n; shift
  for n in $(seq 20); do scale sq ready "Entering BACKUP" "$@"; rm -f "$TMP"/ready.*pid; done | sort -n |
    awk '{ v[NR] = $1 } END { if (NR) printf "%.1f %.1f\n", v[1], v[int((NR + 1) / 2)]; else print "- -" }'
}
vrrp_pss() { # KIND FILE: kB of the whole tree 10 s after the start
  local p sum=0
  start sp "$1" "$2" -P; within 60 holding sp "$3" || return 1
  sleep 10
  for p in $(tree "${PID[sp]}"); do sum=$((sum + $(awk '$1 == "Pss:" { print $2 }' "/proc/$p/smaps_rollup"))); done
  stop sp
  echo $sum
}
over() { [ "$(calc "int($1 <= $2)")" = 1.000 ] && echo within || { echo "OVER THE LIMIT"; return 1; }; } # VALUE LIMIT

vrrp_bench() {
  vrrp_setup || return 1
  routers $LINKS $EACH 200 >"$TMP/scale.high"; routers $LINKS $EACH 100 >"$TMP/scale.low"; routers 1 1 200 >"$TMP/scale.one"
  local part alone sent heard kind what file count
  for part in ${BENCH_PARTS:-cpu takeover ready memory}; do "vrrp_$part"_table; done
}
vrrp_cpu_table() {
  echo; echo "CPU us for each advert, 1,000 instances at 0.1 s, version 3, $SECONDS_OF_LOAD s: sent with nobody who listens; sent to and heard by another"
  printf '%-24s%10s%10s%10s\n' "" alone sent heard
  local alone sent heard kind
  alone=$(scale sp send $LINKS $EACH 100 "$SECONDS_OF_LOAD")
  scale sq hear $LINKS "$(calc "$SECONDS_OF_LOAD + 1")" >"$TMP/heard" & local child=$!
  sleep 0.5; sent=$(scale sp send $LINKS $EACH 100 "$SECONDS_OF_LOAD"); wait $child; heard=$(cat "$TMP/heard")
  printf '%-24s%10.2f%10.2f%10.2f\n' "bare system calls" "$alone" "$sent" "$heard"
  for kind in ${BENCH_KINDS:-holdfast keepalived}; do
    vrrp_cpu "$kind" || { no "CPU of $kind"; continue; }
    printf '%-24s%10.2f%10.2f%10.2f\n' "$kind" "$ALONE" "$SENT" "$HEARD"
    [ $kind = keepalived ] || printf 'holdfast: limit 8 for each sent %s, 5 for each heard %s\n' "$(over "$SENT" 8)" "$(over "$HEARD" 5)"
    [ $kind = keepalived ] || { over "$SENT" 8 && over "$HEARD" 5; } >/dev/null || FAILED=1
  done
}
vrrp_takeover_table() {
  local kind bare
  clean_sp; bare=$(scale sp add $LINKS $EACH)
  spawn sq "$TMP/timer" 0.3 100000 >"$TMP/late.scale"; local timer=${SPAWNED[-1]}
  for kind in ${BENCH_KINDS:-holdfast keepalived}; do vrrp_takeovers $kind || no "take-over of 1,000 by $kind"; done
  echo; echo "Take-over of 1,000 after KILL, ms, ${BENCH_SCALE_TRIALS:-3} times: after each instance's own Master_Down_Interval"
  echo "(bare rtnetlink adds 1,000 addresses in $bare ms)"
  kill "$timer"; within 3 gone "$timer"
  $PYTHON tests/lab/scale.py "$TMP" ${BENCH_KINDS:-holdfast keepalived} || FAILED=1
}
clean_sp() { # of what a crash left there
  local i; for ((i = 0; i < LINKS; i++)); do ipn sp addr flush dev v$i; ipn sp addr add 10.$((100 + i)).0.1/16 dev v$i; done
}
vrrp_ready_table() {
  echo; echo "Start to ready (the first instance in BACKUP), 20 starts, 1 instance, ms; limit 10 beyond a bare start"
  printf '%-24s%10s%10s\n' "" least median
  local kind least median bin bare
  read -r least bare < <(vrrp_ready bare sh -c 'echo Entering BACKUP; exec sleep 9')
  printf '%-24s%10s%10s\n' "bare start of a shell" "$least" "$bare"
  for kind in ${BENCH_KINDS:-holdfast keepalived}; do
    bin=$HOLDFAST; [ $kind = keepalived ] && bin=$KEEPALIVED
    read -r least median < <(vrrp_ready $kind "$bin" -n -l -D -P -f "$TMP/scale.one" -p "$TMP/ready.pid" -r "$TMP/ready.vpid" -c "$TMP/ready.cpid")
    printf '%-24s%10s%10s\n' $kind "$least" "$median"
    [ $kind = keepalived ] || over "$(calc "$median - $bare")" 10 || FAILED=1
  done
}
vrrp_memory_table() {
  echo; echo "Memory (Pss of all processes), 10 s after ready, kB: 1 instance (limit 1536), 1,000 instances (limit 2560)"
  local kind one all was=$HOLDFAST
  for kind in ${BENCH_KINDS:-static holdfast keepalived}; do
    HOLDFAST=$was
    if [ "$kind" = static ]; then
      HOLDFAST=${HOLDFAST_STATIC:-${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-musl/release/holdfast}
      [ -x "$HOLDFAST" ] || { echo "no static binary: cargo build --release --target x86_64-unknown-linux-musl, or HOLDFAST_STATIC="; continue; }
    fi
    one=$(vrrp_pss "$kind" "$TMP/scale.one" 1) && all=$(vrrp_pss "$kind" "$TMP/scale.high" 1000) || { no "memory of $kind"; continue; }
    printf '%-24s%10d%10d\n' "$kind" "$one" "$all"
    [ "$kind" != static ] || { over "$one" 1536 && over "$all" 2560; } || FAILED=1
  done
  HOLDFAST=$was
}
