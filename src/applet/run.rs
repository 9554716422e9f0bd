//! The daemon applet: options, configuration, pid files, then the loop; or one of the short answers (-t, -v, -h, --signum).

use crate::config::dump;
use crate::daemon::logger::{self, Idents, Logger};
use crate::daemon::options::{self, Action, Facility, Options};
use crate::daemon::owned;
use crate::daemon::{load, pidfile, signals, Daemon, Start};
use crate::linux::connector::Connector;
use crate::linux::sys;
use log::LevelFilter;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// keepalived's exit statuses.
const OK: u8 = 0;
const FATAL: u8 = 1;

/// Beside the model of such a file every page counts, and the time that small pieces take does not.
const LARGE_FILE: u64 = 4 << 20;

pub fn run(name: &str, args: Vec<OsString>) -> u8 {
    let options = match options::parse(args) {
        Ok(options) => options,
        Err(text) => {
            tell(&mut io::stderr(), &format!("{name}: {text}"));
            return FATAL;
        }
    };
    match &options.action {
        Action::Version => tell(&mut io::stdout(), &version()),
        Action::Help => tell(&mut io::stdout(), options::HELP.trim_end()),
        Action::Signum(n) => tell(&mut io::stdout(), &n.to_string()),
        Action::Test(file) => return test(name, &options, file.as_deref()),
        Action::Genhash(_) => {
            tell(&mut io::stderr(), &format!("{name}: genhash is not in this version"));
            return FATAL;
        }
        Action::Run => return daemon(name, options),
    }
    OK
}

fn version() -> String {
    let tls = if cfg!(feature = "tls") { "TLS" } else { "no TLS" };
    format!("holdfast v{} (VRRPv2, VRRPv3, IPVS, {tls}; takes keepalived.conf)", env!("CARGO_PKG_VERSION"))
}

/// A closed pipe is no reason to panic.
fn tell(out: &mut dyn Write, text: &str) {
    let _ = writeln!(out, "{text}");
}

/// -t: every finding on stderr (or into the file), and the status that keepalived would give.
fn test(name: &str, options: &Options, file: Option<&Path>) -> u8 {
    let mut out: Box<dyn Write> = match file.map(File::create) {
        None => Box::new(io::stderr()),
        Some(Ok(file)) => Box::new(file),
        Some(Err(e)) => {
            let file = file.unwrap_or(Path::new("")).display();
            tell(&mut io::stderr(), &format!("{name}: cannot write {file}: {e}"));
            return FATAL;
        }
    };
    if let Err(text) = enter_namespace(options) {
        tell(&mut *out, &text);
        return FATAL;
    }
    // What only the start of a program touches is not needed beside a large file, nor what lies around the rest.
    let large = std::fs::metadata(load::path(options)).is_ok_and(|file| file.len() > LARGE_FILE);
    sys::trim(&sys::program_text(), if large { sys::SMALL_PIECE } else { sys::LARGE_PIECE });
    match load::whole(options, true) {
        Err(unreadable) => {
            tell(&mut *out, &unreadable.text);
            unreadable.status
        }
        Ok(loaded) => {
            let mut text = String::new();
            let _ = loaded.report(&mut text);
            let _ = out.write_all(text.as_bytes());
            let status = loaded.status;
            // The end of the process gives its memory back faster than we can.
            std::mem::forget(loaded);
            status
        }
    }
}

/// The network namespace of `-s` or `net_namespace`; a test of the configuration looks at its interfaces too.
fn enter_namespace(options: &Options) -> Result<(), String> {
    let Some(space) = &options.namespace else { return Ok(()) };
    if !pidfile::is_plain(space) {
        return Err(format!("'{space}' is no name of a network namespace"));
    }
    let enter = File::open(format!("/run/netns/{space}")).and_then(|f| sys::enter_network_namespace(f.as_fd()));
    enter.map_err(|e| format!("cannot enter network namespace {space}: {e}"))
}

fn daemon(name: &str, options: Options) -> u8 {
    let console = options.console;
    let fail = |text: &str| {
        log::error!("{text}");
        // With -l the log is on stderr already.
        if !console || log::max_level() == LevelFilter::Off {
            tell(&mut io::stderr(), &format!("{name}: {text}"));
        }
        FATAL
    };
    if let Some(mask) = options.umask {
        sys::umask(mask);
    }
    let before = Before { connector: Connector::open().ok(), space: File::open("/proc/self/ns/net").ok() };
    if let Err(text) = enter_namespace(&options) {
        return fail(&text);
    }
    let logger = match Logger::install(log_options(name, &options)) {
        Ok(logger) => logger,
        Err(e) => return fail(&e.to_string()),
    };
    let status = start(options, logger, before, &fail);
    logger.flush(crate::base::time::Instant(sys::monotonic_micros()));
    status
}

/// What belongs to the network namespace of the start.
struct Before {
    connector: Option<Connector>,
    space: Option<File>,
}

fn start(mut options: Options, logger: &'static Logger, before: Before, fail: &dyn Fn(&str) -> u8) -> u8 {
    // Whoever ends us while we begin is obeyed in the loop, which puts right what a crash left. (In the background the
    // parent still has to die of its signals.)
    let early = options.foreground.then(signals);
    let mut read = load::whole(&options, true);
    let named = read.as_ref().ok().and_then(|l| l.config.as_ref()?.global.namespace.name.clone());
    if let (Some(space), None) = (named, &options.namespace) {
        options.namespace = Some(space.into());
        if let Err(text) = enter_namespace(&options) {
            return fail(&text);
        }
        // Its interfaces are others.
        read = load::whole(&options, true);
    }
    let mut loaded = match read {
        Ok(loaded) => loaded,
        Err(unreadable) => {
            fail(&unreadable.text);
            return unreadable.status;
        }
    };
    let Some(config) = loaded.config.take() else {
        load::log_findings(&loaded);
        if !options.console {
            let mut text = String::new();
            let _ = loaded.report(&mut text);
            let _ = io::stderr().write_all(text.as_bytes());
        }
        fail(&format!("{} cannot run", loaded.file()));
        return loaded.status;
    };
    if let Err(text) = pidfile::place(&mut options, &config.global) {
        return fail(&text);
    }
    match pidfile::running(&pidfile::paths(&options, false, false)[0]) {
        Ok(None) => {}
        Ok(Some(pid)) => {
            return fail(&format!("already running with pid {pid}: stop that one first, or name another file by -p"))
        }
        Err(text) => return fail(&text),
    }
    if let Some(rival) = owned::rival(Path::new(owned::DIR), &owned::claims(&config)) {
        return fail(&format!("{rival}: stop that one first, or leave this out of the configuration"));
    }
    // Whoever started us waits until we are ready, or have failed.
    let mut ready = None;
    if !options.foreground {
        options.make_absolute();
        match sys::daemonise() {
            Ok(pipe) => ready = Some(pipe),
            Err(e) => return fail(&format!("cannot go into the background: {e}")),
        }
        logger.process_changed();
    }
    log::info!("Starting {}, configuration {}", version(), loaded.file());
    for text in &options.ignored {
        log::warn!("{text}");
    }
    load::log_findings(&loaded);
    let known_errors = load::errors(&loaded);
    drop(loaded);
    if options.dump {
        dump::dump(&config, &mut |line| log::info!("{line}"));
    }
    if config.global.smtp_server.is_some() && !config.global.notification_email.is_empty() {
        log::warn!("mail alerts are configured, but this version sends no mail");
    }
    let signals = match early.unwrap_or_else(signals) {
        Ok(signals) => signals,
        Err(e) => return fail(&format!("cannot start: {e}")),
    };
    let Before { connector, space } = before;
    let started_in = space.filter(|_| options.namespace.is_some());
    let (vrrp, lvs) = (!config.instances.is_empty(), config.serves());
    let pids = match pidfile::PidFiles::claim(&pidfile::paths(&options, vrrp, lvs)) {
        Ok(pids) => pids,
        Err(text) => return fail(&text),
    };
    let console = options.console;
    match Daemon::new(Start { options, config, known_errors, pids, logger, signals, connector, started_in }) {
        Ok(mut daemon) => {
            if let Some(pipe) = ready.take() {
                // Only now, so that what stands in the way of the start was still seen.
                if let Err(e) = sys::detach(console) {
                    log::warn!("cannot let go of the terminal: {e}");
                }
                let _ = sys::write(pipe.as_fd(), &[OK]);
            }
            match daemon.run() {
                Ok(()) => OK,
                Err(e) => fail(&format!("the event loop failed: {e}")),
            }
        }
        Err(e) if e.raw_os_error() == Some(libc::EPERM) => {
            fail("not permitted: start it as root, or with CAP_NET_ADMIN and CAP_NET_RAW")
        }
        Err(e) => fail(&format!("cannot start: {e}")),
    }
}

fn log_options(name: &str, options: &Options) -> logger::Options {
    let facility = match options.facility {
        Facility::User => syslog::Facility::LOG_USER,
        Facility::Daemon => syslog::Facility::LOG_DAEMON,
        Facility::Local(n) => logger::local_facility(n).unwrap_or(syslog::Facility::LOG_DAEMON),
    };
    logger::Options {
        level: if options.detail > 0 { LevelFilter::Debug } else { LevelFilter::Info },
        // -l takes the place of the system's log.
        syslog: (options.syslog && !options.console).then_some(facility),
        stderr: options.console,
        idents: if name == "keepalived" { Idents::Keepalived } else { Idents::Holdfast },
        ..logger::Options::default()
    }
}
