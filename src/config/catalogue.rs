//! The table of all keywords, for people: `holdfast keywords`, and `keywords.md` beside this file.

use super::diagnostic::closest;
use super::keywords::{Block, Keyword, State, Takes, KEYWORDS};
use super::write::seconds;
use std::fmt::Write;
use std::time::Duration;

/// What stands above the keywords of each kind of block, in the order of the table.
const TITLES: &[(&str, &str)] = &[
    ("Language", "The language itself"),
    ("Top", "Top level"),
    ("Global", "global_defs"),
    ("SyncDaemon", "Options of lvs_sync_daemon"),
    ("LvsTimeouts", "Options of lvs_timeouts"),
    ("Address", "Options of an address: static_ipaddress, virtual_ipaddress, virtual_ipaddress_excluded"),
    ("Route", "Options of a route: static_routes, virtual_routes"),
    ("Nexthop", "Options of a route's leg, behind nexthop"),
    ("Rule", "Options of a rule: static_rules, virtual_rules"),
    ("Group", "vrrp_sync_group"),
    ("Instance", "vrrp_instance"),
    ("Auth", "authentication"),
    ("AuthHmac", "auth_hmac"),
    ("PeerLine", "Options of a line of unicast_peer"),
    ("Vmac", "Options of use_vmac"),
    ("Ipvlan", "Options of use_ipvlan"),
    ("TrackLine", "Options of a line of track_interface, track_script, track_file, track_process, track_bfd"),
    ("Script", "vrrp_script"),
    ("TrackProcess", "vrrp_track_process"),
    ("TrackFile", "track_file"),
    ("TrackGroup", "track_group"),
    ("GarpGroup", "garp_group"),
    ("Linkbeat", "Options of a line of linkbeat_interfaces"),
    ("ServiceHeader", "Words behind virtual_server, and in virtual_server_group"),
    ("Service", "virtual_server"),
    ("Server", "real_server"),
    ("Tcp", "TCP_CHECK"),
    ("Http", "HTTP_GET, SSL_GET"),
    ("Url", "url"),
    ("Smtp", "SMTP_CHECK"),
    ("SmtpHost", "host of SMTP_CHECK"),
    ("Misc", "MISC_CHECK"),
    ("Dns", "DNS_CHECK"),
    ("Ping", "PING_CHECK"),
    ("Udp", "UDP_CHECK"),
    ("Bfd", "BFD_CHECK"),
    ("File", "FILE_CHECK"),
    ("Ssl", "SSL"),
    ("BfdInstance", "bfd_instance"),
];

fn place(block: Block) -> usize {
    let name = format!("{block:?}");
    TITLES.iter().position(|(n, _)| *n == name).unwrap_or(TITLES.len())
}

fn title(block: Block) -> String {
    let name = format!("{block:?}");
    TITLES.iter().find(|(n, _)| *n == name).map_or(name, |(_, title)| title.to_string())
}

/// Each kind of block with its keywords.
fn blocks() -> Vec<(Block, Vec<&'static Keyword>)> {
    let mut all: Vec<(Block, Vec<&'static Keyword>)> = Vec::new();
    for k in KEYWORDS {
        match all.iter_mut().find(|(block, _)| *block == k.block) {
            Some((_, words)) => words.push(k),
            None => all.push((k.block, vec![k])),
        }
    }
    all.sort_by_key(|(block, _)| place(*block));
    all
}

/// What stands behind the keyword.
pub fn argument(k: &Keyword) -> String {
    let time = |micros| seconds(Duration::from_micros(micros));
    let value = match k.takes {
        Takes::No => String::new(),
        Takes::Flag => "[on|off]".into(),
        Takes::Any if k.child != Block::None => String::new(),
        Takes::Any if k.needs => "VALUE".into(),
        Takes::Any => "[VALUE]".into(),
        Takes::Form(form) => form.into(),
        Takes::Weight(most) => format!("-{most} to {most} [reverse]"),
        Takes::Dec(low, high) => format!("{} to {} seconds", time(low), time(high)),
        takes => {
            let (low, high) = takes.whole().unwrap_or_default();
            format!("{low} to {high} {}", takes.unit()).trim_end().to_string()
        }
    };
    match (k.child, value.is_empty()) {
        (Block::None, _) => value,
        (_, true) => "{ .. }".into(),
        (_, false) => format!("{value} {{ .. }}"),
    }
}

/// What holds without the line.
pub fn default(k: &Keyword) -> &'static str {
    let switch = matches!(k.takes, Takes::No | Takes::Flag) && k.child == Block::None;
    let acts = matches!(k.state, State::Done | State::Idle(_) | State::Guard(_));
    match k.default {
        "" if switch && acts && k.block != Block::Language => "off",
        default => default,
    }
}

/// What is done with it.
pub fn state(k: &Keyword) -> String {
    let yet = "understood, not acted on yet";
    match k.state {
        State::Done => "done".into(),
        State::Idle("") => yet.into(),
        State::Idle(without) => format!("{yet}: {without}"),
        State::Guard(without) => format!("{yet}: {without}; what asks for it stays out of MASTER"),
        State::NoCheck => format!("{yet}: the check is not made"),
        State::Refused(r) if r.safeguard => {
            format!("not done: {}; {}; what asks for it stays out of MASTER", r.why, r.without)
        }
        State::Refused(r) => format!("not done: {}; {}", r.why, r.without),
        State::Renamed(to) => format!("old name of '{to}'"),
        State::Dead("") => "no longer a keyword".into(),
        State::Dead(to) => format!("no longer a keyword; taken as '{to}'"),
    }
}

/// All of them, block by block.
pub fn text() -> String {
    let mut out = String::new();
    for (block, words) in blocks() {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}{}", title(block));
        let width = words.iter().map(|k| k.word.len()).max().unwrap_or(0);
        for k in words {
            let default = Some(default(k)).filter(|d| !d.is_empty()).map(|d| format!("default {d}"));
            let parts = [Some(argument(k)).filter(|a| !a.is_empty()), default, Some(state(k))];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            let _ = writeln!(out, "    {:width$}  {}", k.word, parts.join(" | "));
        }
    }
    out
}

/// One word, wherever it may stand; the error says what else might be meant.
pub fn word(word: &str) -> Result<String, String> {
    let mut out = String::new();
    for k in KEYWORDS.iter().filter(|k| k.word == word) {
        let _ = writeln!(out, "{word}: {}", title(k.block));
        let rows = [
            ("argument", argument(k)),
            ("default", default(k).to_string()),
            ("without it", if k.needs { "nothing starts (status 2)".into() } else { String::new() }),
            ("state", state(k)),
        ];
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            let name = if *name == "without it" { "without an argument" } else { name };
            let _ = writeln!(out, "    {name}: {value}");
        }
    }
    if !out.is_empty() {
        return Ok(out);
    }
    let close = closest(word, KEYWORDS.iter().map(|k| k.word));
    let close = close.map(|c| format!("; did you mean '{c}'?")).unwrap_or_default();
    Err(format!("there is no keyword '{word}'{close}"))
}

/// The whole table, as `keywords.md` has it.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Keywords\n\nMade by `holdfast keywords --markdown`; `BLESS=1 cargo test --test keywords` writes it anew.\n\
         Brackets: may be left out.\n",
    );
    for (block, words) in blocks() {
        let _ = write!(
            out,
            "\n## {}\n\n| Keyword | Argument | Default | State |\n| --- | --- | --- | --- |\n",
            title(block)
        );
        for k in words {
            let cell = |text: &str| match text {
                "" => String::new(),
                text => format!(" {}", text.replace('|', "\\|")),
            };
            let (argument, state) = (cell(&argument(k)), cell(&state(k)));
            let _ = writeln!(out, "| `{}` |{argument} |{} |{state} |", k.word.replace('|', "\\|"), cell(default(k)));
        }
    }
    out
}
