//! `holdfast check` and `holdfast config`: what is wrong with files, and what a file means.

use crate::config::diagnostic::{gathered, Level, Style};
use crate::config::json::{self, Count};
use crate::config::loader::{self, Loaded};
use crate::config::peer::{self, PeerFinding};
use crate::config::write;
use crate::daemon::load;
use crate::daemon::options::DEFAULT_CONFIG;
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

const CHECK_HELP: &str = "\
holdfast check [OPTIONS] [FILE...] [--peer FILE...]
  Says everything that is wrong with a configuration, and what to do about it.
  FILE                 a configuration; else /etc/keepalived/keepalived.conf
  --peer FILE...       the other routers of the same VRRP domain: what they do not agree on
  --strict             warnings count as errors
  --other-host         the file is for another machine: its interfaces, scripts and users are not looked for here
  --json               the findings as one JSON object
  --colour WHEN        auto (on a terminal), always or never; --color is the same
  -i, --config-id ID   the name that lines with @ID are for; else the host name up to its first dot
Exit status: 0 nothing, or hints; 1 warnings; 2 errors.
";

const CONFIG_HELP: &str = "\
holdfast config [OPTIONS] [FILE]
  Prints what the configuration means: includes and definitions put in, defaults filled in, passwords masked.
  FILE                 the configuration; else /etc/keepalived/keepalived.conf
  --secrets            passwords and keys as they are
  --other-host         the file is for another machine
  -i, --config-id ID   the name that lines with @ID are for
Exit status: 0, or 2 when nothing can start with this file.
";

/// Errors, a wrong command line among them.
const WRONG: u8 = 2;

#[derive(Default)]
struct Wanted {
    files: Vec<PathBuf>,
    peers: Vec<PathBuf>,
    strict: bool,
    other_host: bool,
    json: bool,
    secrets: bool,
    colour: Option<bool>,
    config_id: Option<String>,
    help: bool,
}

fn parse(args: Vec<OsString>, check: bool) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut parser = Parser::from_args(args);
    let mut peers = false;
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Arg::Long("peer") if check => {
                peers = true;
                wanted.peers.push(parser.value().map_err(|e| e.to_string())?.into());
            }
            Arg::Long("strict") if check => wanted.strict = true,
            Arg::Long("json") if check => wanted.json = true,
            Arg::Long("colour" | "color") if check => {
                let when = parser.value().map_err(|e| e.to_string())?;
                wanted.colour = match when.to_str() {
                    Some("always") => Some(true),
                    Some("never") => Some(false),
                    Some("auto") => None,
                    _ => return Err("--colour is auto, always or never".into()),
                };
            }
            Arg::Long("secrets") if !check => wanted.secrets = true,
            Arg::Long("other-host") => wanted.other_host = true,
            Arg::Short('i') | Arg::Long("config-id") => {
                wanted.config_id = Some(parser.value().and_then(|v| v.string()).map_err(|e| e.to_string())?);
            }
            Arg::Short('h') | Arg::Long("help") => wanted.help = true,
            // All files behind --peer are peers.
            Arg::Value(file) if peers => wanted.peers.push(file.into()),
            Arg::Value(file) => wanted.files.push(file.into()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if wanted.files.is_empty() {
        wanted.files.push(DEFAULT_CONFIG.into());
    }
    if !check && wanted.files.len() > 1 {
        return Err("only one FILE is printed at a time".into());
    }
    Ok(wanted)
}

/// None: an answer was given already.
fn begin(name: &str, args: Vec<OsString>, check: bool) -> Result<Wanted, u8> {
    match parse(args, check) {
        Ok(wanted) if wanted.help => {
            say(&mut io::stdout(), if check { CHECK_HELP } else { CONFIG_HELP });
            Err(0)
        }
        Ok(wanted) => Ok(wanted),
        Err(text) => {
            say(&mut io::stderr(), &format!("holdfast {name}: {text}; see holdfast {name} --help\n"));
            Err(WRONG)
        }
    }
}

/// The terminal shows no colours, or nobody wants them (https://no-color.org).
fn plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) || std::env::var_os("TERM").is_some_and(|t| t == "dumb")
}

/// A closed pipe is no reason to panic.
fn say(out: &mut dyn Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn load(path: &Path, wanted: &Wanted) -> Result<Loaded, String> {
    let text = loader::read_file(path)?;
    let host = load::host(wanted.config_id.as_deref(), !wanted.other_host);
    Ok(loader::load(&path.display().to_string(), text, host))
}

pub fn check(name: &str, args: Vec<OsString>) -> u8 {
    let wanted = match begin(name, args, true) {
        Ok(wanted) => wanted,
        Err(status) => return status,
    };
    let mut unreadable = Vec::new();
    let mut loaded = Vec::new();
    // The peers are other machines.
    let peer = Wanted { other_host: true, ..Wanted::default() };
    let files = wanted.files.iter().map(|f| (f, &wanted)).chain(wanted.peers.iter().map(|f| (f, &peer)));
    for (path, how) in files {
        match load(path, how) {
            Ok(one) => loaded.push(one),
            Err(text) => unreadable.push((path.display().to_string(), text)),
        }
    }
    let between = if wanted.peers.is_empty() { Vec::new() } else { peer::compare(&loaded) };
    let count = count(&unreadable, &loaded, &between);
    let exit = match count {
        Count { errors: 1.., .. } => WRONG,
        Count { warnings: 1.., .. } if wanted.strict => WRONG,
        Count { warnings: 1.., .. } => 1,
        _ => 0,
    };
    let text = if wanted.json {
        json::findings(&unreadable, &loaded, &between, count, exit) + "\n"
    } else {
        let colour = wanted.colour.unwrap_or_else(|| io::stdout().is_terminal() && !plain());
        report(&unreadable, &loaded, &between, count, if colour { &Style::COLOUR } else { &Style::PLAIN })
    };
    say(&mut io::stdout(), &text);
    exit
}

fn count(unreadable: &[(String, String)], loaded: &[Loaded], between: &[PeerFinding]) -> Count {
    let mut count = Count { errors: unreadable.len(), ..Count::default() };
    for one in loaded {
        gathered(&one.source, &one.diagnostics).iter().for_each(|found| count.add(found.first.level));
        // Those beyond the limit are not known one by one.
        count.errors += one.dropped;
    }
    between.iter().for_each(|found| count.add(found.level));
    count
}

fn report(
    unreadable: &[(String, String)],
    loaded: &[Loaded],
    between: &[PeerFinding],
    count: Count,
    style: &Style,
) -> String {
    let mut out = String::new();
    for (_, text) in unreadable {
        out.push_str(text);
        out.push('\n');
    }
    // A String takes all.
    for one in loaded {
        let _ = one.report_in(&mut out, style);
    }
    let _ = peer::report_in(&mut out, loaded, between, style);
    let Count { errors, warnings, hints } = count;
    let mut parts = Vec::new();
    for (n, what) in [(errors, "error"), (warnings, "warning"), (hints, "hint")] {
        if n > 0 {
            parts.push(format!("{n} {what}{}", if n == 1 { "" } else { "s" }));
        }
    }
    let result = if parts.is_empty() { "nothing to say".to_string() } else { parts.join(", ") };
    out + &format!("{result}\n")
}

pub fn config(name: &str, args: Vec<OsString>) -> u8 {
    let wanted = match begin(name, args, false) {
        Ok(wanted) => wanted,
        Err(status) => return status,
    };
    let Some(file) = wanted.files.first() else { return WRONG };
    let loaded = match load(file, &wanted) {
        Ok(loaded) => loaded,
        Err(text) => {
            say(&mut io::stderr(), &format!("{text}\n"));
            return WRONG;
        }
    };
    let mut findings = String::new();
    if loaded.diagnostics.iter().any(|d| d.level == Level::Error) {
        let _ = loaded.report(&mut findings);
        say(&mut io::stderr(), &findings);
    }
    match &loaded.config {
        Some(config) => {
            let mut out = io::stdout();
            let text = write::write(config, wanted.secrets);
            match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                    say(&mut io::stderr(), &format!("holdfast {name}: cannot write: {e}\n"));
                    WRONG
                }
                _ => 0,
            }
        }
        None => WRONG,
    }
}
