//! The command line: every option that keepalived has, by its short and long name. What has no meaning here is taken all
//! the same and said once, so that no start script has to change.

use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    pub action: Action,
    /// -f; None: `DEFAULT_CONFIG`, and a missing file is said with another word.
    pub config: Option<PathBuf>,
    /// Which halves of the file are run: -P leaves only VRRP, -C only LVS; both or none of them mean both.
    pub vrrp: bool,
    pub lvs: bool,
    /// -n
    pub foreground: bool,
    /// -l
    pub console: bool,
    /// How often -D was given.
    pub detail: u8,
    /// -d
    pub dump: bool,
    /// -S
    pub facility: Facility,
    /// Off with -G.
    pub syslog: bool,
    /// -g; --flush-log-file
    pub log_file: Option<PathBuf>,
    pub flush_log_file: bool,
    /// -p, -r, -c, -b
    pub pid: Option<PathBuf>,
    pub vrrp_pid: Option<PathBuf>,
    pub checkers_pid: Option<PathBuf>,
    pub bfd_pid: Option<PathBuf>,
    /// -i; None: the host's name.
    pub config_id: Option<String>,
    /// -s
    pub namespace: Option<String>,
    /// -u
    pub umask: Option<u32>,
    /// -V and -I: what stays when the program stops.
    pub keep_vips: bool,
    pub keep_ipvs: bool,
    /// -R. One process has no child to start again; a supervisor does that.
    pub no_respawn: bool,
    /// -e: an included file that is missing is an error.
    pub all_config: bool,
    /// -a
    pub log_addresses: bool,
    /// --ignore-sigint
    pub ignore_sigint: bool,
    /// Sentences for the log, one for each option (or value) that changes nothing.
    pub ignored: Vec<String>,
}

impl Options {
    /// The daemon in the background works in the root directory: its files are still those meant at the start.
    pub fn make_absolute(&mut self) {
        let files = [&mut self.config, &mut self.pid, &mut self.vrrp_pid, &mut self.checkers_pid, &mut self.bfd_pid];
        for path in files.into_iter().flatten() {
            if let Ok(absolute) = std::path::absolute(&*path) {
                *path = absolute;
            }
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    Run,
    /// -t: check the configuration, say what is wrong on stderr or into this file.
    Test(Option<PathBuf>),
    Version,
    Help,
    /// --signum: this number is printed.
    Signum(i32),
    /// -T: what follows are genhash's arguments.
    Genhash(Vec<OsString>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Facility {
    User,
    Daemon,
    Local(u8),
}

pub const DEFAULT_CONFIG: &str = "/etc/keepalived/keepalived.conf";

/// Long name, short name, where its value stands. The order is that of the help text.
const TABLE: [(&str, char, Value); 36] = [
    ("use-file", 'f', Value::Needed),
    ("vrrp", 'P', Value::None),
    ("check", 'C', Value::None),
    ("no_bfd", 'B', Value::None),
    ("all", NO_SHORT, Value::None),
    ("log-console", 'l', Value::None),
    ("log-detail", 'D', Value::None),
    ("log-facility", 'S', Value::Needed),
    ("log-file", 'g', Value::Joined),
    ("flush-log-file", NO_SHORT, Value::None),
    ("no-syslog", 'G', Value::None),
    ("umask", 'u', Value::Needed),
    ("release-vips", 'X', Value::None),
    ("dont-release-vrrp", 'V', Value::None),
    ("dont-release-ipvs", 'I', Value::None),
    ("dont-respawn", 'R', Value::None),
    ("dont-fork", 'n', Value::None),
    ("dump-conf", 'd', Value::None),
    ("pid", 'p', Value::Needed),
    ("vrrp_pid", 'r', Value::Needed),
    ("checkers_pid", 'c', Value::Needed),
    ("bfd_pid", 'b', Value::Needed),
    ("genhash", 'T', Value::Rest),
    ("address-monitoring", 'a', Value::None),
    ("namespace", 's', Value::Needed),
    ("config-id", 'i', Value::Needed),
    ("snmp", 'x', Value::None),
    ("snmp-agent-socket", 'A', Value::Needed),
    ("core-dump", 'm', Value::None),
    ("core-dump-pattern", 'M', Value::Joined),
    ("all-config", 'e', Value::None),
    ("signum", NO_SHORT, Value::Needed),
    ("config-test", 't', Value::Joined),
    ("ignore-sigint", NO_SHORT, Value::None),
    ("version", 'v', Value::None),
    ("help", 'h', Value::None),
];

/// Of keepalived's own innards, in whatever build.
const INNARDS: [(&str, char, Value); 6] = [
    ("config-fd", NO_SHORT, Value::Needed),
    ("perf", NO_SHORT, Value::Joined),
    ("debug", NO_SHORT, Value::Joined),
    ("no-mem-check", NO_SHORT, Value::None),
    ("mem-check-log", 'L', Value::None),
    ("mem-err-debug", 'O', Value::None),
];

const NO_SHORT: char = '\0';

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value {
    None,
    Needed,
    /// `-tFILE` or `--config-test=FILE`, never the next word.
    Joined,
    /// Everything that follows.
    Rest,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            action: Action::Run,
            config: None,
            vrrp: true,
            lvs: true,
            foreground: false,
            console: false,
            detail: 0,
            dump: false,
            facility: Facility::Daemon,
            syslog: true,
            log_file: None,
            flush_log_file: false,
            pid: None,
            vrrp_pid: None,
            checkers_pid: None,
            bfd_pid: None,
            config_id: None,
            namespace: None,
            umask: None,
            keep_vips: false,
            keep_ipvs: false,
            no_respawn: false,
            all_config: false,
            log_addresses: false,
            ignore_sigint: false,
            ignored: Vec::new(),
        }
    }
}

/// `args` without the program's name. The error is one line for stderr; the exit status is then 1.
/// -h, -v and --signum end the reading, as they do in keepalived.
pub fn parse<I>(args: I) -> Result<Options, String>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = Parser::from_args(args);
    let mut options = Options::default();
    let (mut only_vrrp, mut only_lvs) = (false, false);
    loop {
        let (name, short, kind) = match parser.next().map_err(|e| e.to_string())? {
            None => break,
            Some(Arg::Value(word)) => {
                options.ignore(format!("unexpected argument {word:?} is ignored"));
                continue;
            }
            Some(Arg::Short(c)) => by_short(c)?,
            Some(Arg::Long(name)) => by_long(name)?,
        };
        let value = match kind {
            Value::None => None,
            Value::Needed => Some(parser.value().map_err(|_| format!("option --{name} needs a value"))?),
            Value::Joined => parser.optional_value(),
            Value::Rest => {
                let rest = parser.raw_args().map_err(|e| e.to_string())?;
                options.action = Action::Genhash(rest.collect());
                return Ok(options);
            }
        };
        let path = || value.clone().map(PathBuf::from);
        match name {
            "use-file" => options.config = path(),
            "vrrp" => only_vrrp = true,
            "check" => only_lvs = true,
            "log-console" => options.console = true,
            "log-detail" => options.detail = options.detail.saturating_add(1),
            "log-facility" => options.log_facility(&text(value)?),
            "log-file" => {
                options.log_file = Some(path().unwrap_or_else(|| DEFAULT_LOG.into()));
                options.not_yet(name, short);
            }
            "flush-log-file" => options.flush_log_file = true,
            "no-syslog" => options.syslog = false,
            "umask" => options.set_umask(&text(value)?),
            "dont-release-vrrp" => {
                options.keep_vips = true;
                options.not_yet(name, short);
            }
            "dont-release-ipvs" => {
                options.keep_ipvs = true;
                options.not_yet(name, short);
            }
            "dont-respawn" => options.no_respawn = true,
            "dont-fork" => options.foreground = true,
            "dump-conf" => options.dump = true,
            "pid" => options.pid = path(),
            "vrrp_pid" => options.vrrp_pid = path(),
            "checkers_pid" => options.checkers_pid = path(),
            "bfd_pid" => {
                options.bfd_pid = path();
                options.not_yet(name, short);
            }
            "address-monitoring" => {
                options.log_addresses = true;
                options.not_yet(name, short);
            }
            "namespace" => options.namespace = Some(text(value)?),
            "config-id" => options.config_id = Some(text(value)?),
            "all-config" => options.all_config = true,
            "ignore-sigint" => options.ignore_sigint = true,
            "config-test" => options.action = Action::Test(path()),
            "signum" => {
                options.action = Action::Signum(signum(&text(value)?)?);
                return Ok(options);
            }
            "version" => {
                options.action = Action::Version;
                return Ok(options);
            }
            "help" => {
                options.action = Action::Help;
                return Ok(options);
            }
            "no_bfd" => options.nothing(name, short, "there is no BFD to leave out"),
            "all" => options.nothing(name, short, "one process runs whatever is configured"),
            "release-vips" => options.nothing(name, short, "addresses are removed at every stop"),
            "snmp" | "snmp-agent-socket" => options.nothing(name, short, "there is no SNMP"),
            "core-dump" | "core-dump-pattern" => options.nothing(name, short, "core dumps are the system's affair"),
            _ => options.nothing(name, short, "it is about keepalived's own inside"),
        }
    }
    if only_vrrp != only_lvs {
        (options.vrrp, options.lvs) = (only_vrrp, only_lvs);
    }
    Ok(options)
}

impl Options {
    fn ignore(&mut self, sentence: String) {
        if !self.ignored.contains(&sentence) {
            self.ignored.push(sentence);
        }
    }

    fn nothing(&mut self, name: &str, short: char, why: &str) {
        let spelled = if short == NO_SHORT { format!("--{name}") } else { format!("-{short} (--{name})") };
        self.ignore(format!("option {spelled} is ignored: {why}"));
    }

    fn not_yet(&mut self, name: &str, short: char) {
        self.nothing(name, short, "not done yet");
    }

    fn log_facility(&mut self, value: &str) {
        let number = value.strip_prefix("local").unwrap_or(value);
        self.facility = match (value, number.as_bytes()) {
            ("user", _) => Facility::User,
            ("daemon", _) => Facility::Daemon,
            (_, [digit @ b'0'..=b'7']) => Facility::Local(digit - b'0'),
            _ => return self.ignore(format!("log facility {value:?} is none of 0-7, local0-local7, user, daemon")),
        };
    }

    /// Written as for C: 077 is octal, 0x3f hexadecimal, 63 decimal.
    fn set_umask(&mut self, value: &str) {
        let (digits, radix) = match value.strip_prefix("0x").or(value.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None if value.starts_with('0') => (value, 8),
            None => (value, 10),
        };
        match u32::from_str_radix(digits, radix) {
            Ok(umask @ 0..=0o777) if !digits.starts_with('+') => self.umask = Some(umask),
            _ => self.ignore(format!("umask {value:?} is not a number from 0 to 0777")),
        }
    }
}

fn by_short(c: char) -> Result<(&'static str, char, Value), String> {
    let mut all = TABLE.iter().chain(&INNARDS);
    all.find(|(_, short, _)| *short == c && c != NO_SHORT).copied().ok_or_else(|| unknown(&format!("-{c}")))
}

/// A long name may be cut as long as it fits only one option, as everywhere on Linux.
fn by_long(given: &str) -> Result<(&'static str, char, Value), String> {
    let all = || TABLE.iter().chain(&INNARDS);
    if let Some(exact) = all().find(|(name, _, _)| *name == given) {
        return Ok(*exact);
    }
    let mut fitting = all().filter(|(name, _, _)| name.starts_with(given) && !given.is_empty());
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(*one),
        (Some((one, ..)), Some((two, ..))) => Err(format!("option --{given} may be --{one} or --{two}")),
        _ => Err(unknown(&format!("--{given}"))),
    }
}

fn unknown(option: &str) -> String {
    format!("unknown option {option}; --help lists those that there are")
}

fn text(value: Option<OsString>) -> Result<String, String> {
    value.unwrap_or_default().string().map_err(|e| e.to_string())
}

/// For `kill -s $(holdfast --signum=STOP)`. JSON is the number that glibc's keepalived has, wherever this is built.
pub fn signum(name: &str) -> Result<i32, String> {
    match name {
        "STOP" => Ok(libc::SIGTERM),
        "RELOAD" => Ok(libc::SIGHUP),
        "DATA" => Ok(libc::SIGUSR1),
        "STATS" => Ok(libc::SIGUSR2),
        "STATS_CLEAR" => Ok(libc::SIGRTMAX() - 1),
        "JSON" => Ok(36),
        _ => Err(format!("unknown signal name {name:?}: one of STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON")),
    }
}

pub const HELP: &str = "\
Usage: holdfast [OPTION...]        (the same by the name keepalived)
       holdfast check [FILE...]    what is wrong with it, or between the files of several routers
       holdfast config [FILE]      what it means, as a file
       holdfast keywords [WORD]    every keyword; check, config and keywords have their own --help

What to run
  -f, --use-file=FILE        configuration; default /etc/keepalived/keepalived.conf
  -P, --vrrp                 run only the VRRP half of it
  -C, --check                run only the LVS half (virtual servers and their checks)
  -i, --config-id=ID         lines marked @ID are read, @^ID left out; default: the host's name
  -e, --all-config           an include that finds no file is an error
  -t, --config-test[=FILE]   check the configuration and end; findings to stderr or FILE
                             (exit status 0 good, 4 cannot run, 5 runs with errors, 6 script security)

How to run
  -s, --namespace=NAME       in this network namespace (ip netns)
  -u, --umask=MASK           umask of the files that are written
  -n, --dont-fork            stay in the foreground
  -R, --dont-respawn         taken; one process has no children to restart
  -p, --pid=FILE             pid file; default /run/keepalived.pid
  -r, --vrrp_pid=FILE        ... when VRRP is configured; default /run/vrrp.pid
  -c, --checkers_pid=FILE    ... when LVS is configured; default /run/checkers.pid

What it says
  -l, --log-console          log to stderr
  -D, --log-detail           more detail; twice for still more
  -S, --log-facility=NAME    0-7 or local0-local7, user, daemon; default daemon
  -G, --no-syslog            nothing to syslog
  -d, --dump-conf            write the configuration as understood to the log and go on

Answers
      --signum=NAME          number of the signal for STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON
  -v, --version              version
  -h, --help                 this text

Signals: TERM and INT stop, HUP reads the configuration again.
All other options of keepalived are taken and named in the log as ignored.
";

const DEFAULT_LOG: &str = "/tmp/keepalived.log";
