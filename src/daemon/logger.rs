//! The backend of the `log` crate: the system's log daemon, standard error, or both. It never blocks: what cannot be
//! written waits in a short queue; what finds no place there is counted, and the number is said once it flows again.

use crate::base::time::Instant;
use crate::limits;
use crate::linux::sys;
use log::{Level, LevelFilter, Log, Metadata, SetLoggerError};
use std::collections::VecDeque;
use std::fmt::{Display, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use syslog::{Facility, LogFormat, LoggerBackend, Severity};

#[derive(Clone, Debug)]
pub struct Options {
    pub level: LevelFilter,
    pub syslog: Option<Facility>,
    pub stderr: bool,
    pub idents: Idents,
    /// The log daemon's socket.
    pub path: PathBuf,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            level: LevelFilter::Info,
            syslog: Some(Facility::LOG_DAEMON),
            stderr: false,
            idents: Idents::Holdfast,
            path: "/dev/log".into(),
        }
    }
}

/// `local0` to `local7` by number.
pub fn local_facility(n: u8) -> Option<Facility> {
    format!("local{n}").parse().ok().filter(|_| n < 8)
}

/// The name that a log line carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idents {
    Holdfast,
    /// Under the name of the program that we stand in for: log filters look for its three names.
    Keepalived,
}

impl Idents {
    fn of(self, target: &str) -> &'static str {
        match (self, target) {
            (Idents::Holdfast, _) => "holdfast",
            (Idents::Keepalived, "vrrp") => "Keepalived_vrrp",
            (Idents::Keepalived, "checkers") => "Keepalived_healthcheckers",
            (Idents::Keepalived, _) => "Keepalived",
        }
    }
}

#[derive(Debug)]
pub struct Logger {
    level: LevelFilter,
    idents: Idents,
    sinks: Mutex<Vec<Sink>>,
}

impl Logger {
    pub fn new(options: Options) -> Logger {
        let mut sinks = Vec::new();
        if let Some(facility) = options.syslog {
            sinks.push(Sink::new(Out::Syslog(Syslog::new(options.path, facility))));
        }
        if options.stderr {
            sinks.push(Sink::new(Out::Stderr(Stderr::open())));
        }
        Logger { level: options.level, idents: options.idents, sinks: Mutex::new(sinks) }
    }

    /// Makes it the program's logger, once.
    pub fn install(options: Options) -> Result<&'static Logger, SetLoggerError> {
        let level = options.level;
        // It lives as long as the program.
        let logger: &'static Logger = Box::leak(Box::new(Logger::new(options)));
        log::set_logger(logger)?;
        log::set_max_level(level);
        Ok(logger)
    }

    /// Writes what waits, as far as it goes now. To be called in each turn of the loop, and last of all.
    pub fn flush(&self, now: Instant) {
        let ident = self.idents.of("");
        self.lock().iter_mut().for_each(|sink| sink.flush(now, ident));
    }

    /// When something waits: how soon `flush` is worth calling again.
    pub fn wants_flush(&self) -> Option<Duration> {
        let waits = |sink: &&Sink| !sink.queue.is_empty() || sink.lost > 0;
        let soon = |sink: &Sink| match &sink.out {
            Out::Syslog(syslog) if syslog.backend.is_none() => limits::LOG_RECONNECT,
            _ => limits::LOG_RETRY,
        };
        self.lock().iter().filter(waits).map(soon).min()
    }

    /// After the fork into the background: lines carry the number of the new process, and what stderr has become is looked at anew.
    pub fn process_changed(&self) {
        for sink in self.lock().iter_mut() {
            match &mut sink.out {
                Out::Syslog(syslog) => syslog.format.pid = std::process::id(),
                Out::Stderr(stderr) => *stderr = Stderr::open(),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sink>> {
        // A panic ends the program, so a poisoned lock is not to be seen; if it is, the queue is still whole.
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let ident = self.idents.of(record.target());
        let text = escaped(&record.args().to_string());
        for sink in self.lock().iter_mut() {
            split(&text).for_each(|line| sink.say(record.level(), ident, line));
        }
    }

    fn flush(&self) {
        // Needs the time: see `Logger::flush`.
    }
}

/// Control characters come as `\n`, `\u{1b}`: nobody's text makes a second line or moves the reader's cursor.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push('\t'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Pieces that fit into a line, cut between words where there are any.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let all = rest?;
        if all.len() <= limits::LOG_LINE {
            return rest.take();
        }
        let mut end = limits::LOG_LINE;
        while !all.is_char_boundary(end) {
            end -= 1;
        }
        let head = all.get(..end)?;
        // A blank at the cut goes; one further back has to leave a piece worth a line.
        let cut = match all.get(end..) {
            Some(tail) if tail.starts_with(' ') => end,
            _ => head.rfind(' ').filter(|at| *at > end / 2).unwrap_or(end),
        };
        let (line, tail) = all.split_at_checked(cut)?;
        rest = Some(tail.strip_prefix(' ').unwrap_or(tail));
        Some(line)
    })
}

/// One place that lines go to.
#[derive(Debug)]
struct Sink {
    out: Out,
    queue: VecDeque<Vec<u8>>,
    /// Lines that found no place since the last one that did.
    lost: usize,
}

#[derive(Debug)]
enum Out {
    Syslog(Syslog),
    Stderr(Stderr),
}

impl Sink {
    fn new(out: Out) -> Sink {
        Sink { out, queue: VecDeque::new(), lost: 0 }
    }

    fn say(&mut self, level: Level, ident: &str, text: &str) {
        self.drain();
        // The loss is said in the place where the lines are missing.
        if self.lost > 0 && self.queue.len() + 1 < limits::LOG_QUEUE {
            self.queue_loss(ident);
        }
        if self.queue.len() >= limits::LOG_QUEUE || self.lost > 0 {
            self.lost += 1;
            return;
        }
        let line = self.format(level, ident, text);
        self.queue.push_back(line);
        self.drain();
    }

    fn queue_loss(&mut self, ident: &str) {
        let line = self.format(Level::Warn, ident, &format!("{} log lines lost", self.lost));
        self.queue.push_back(line);
        self.lost = 0;
    }

    fn flush(&mut self, now: Instant, ident: &str) {
        if let Out::Syslog(syslog) = &mut self.out {
            if syslog.wants_connection(now) {
                syslog.connect();
            }
        }
        self.drain();
        if self.lost > 0 && self.queue.is_empty() {
            self.queue_loss(ident);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(line) = self.queue.front_mut() {
            let written = match &mut self.out {
                Out::Syslog(syslog) => syslog.write(line),
                Out::Stderr(stderr) => stderr.write(line),
            };
            match written {
                Written::Whole => drop(self.queue.pop_front()),
                // A terminal takes what it has room for.
                Written::Part(n) => drop(line.drain(..n.min(line.len()))),
                Written::Never => {
                    self.queue.pop_front();
                    self.lost += 1;
                }
                Written::NotNow => break,
            }
        }
    }

    fn format(&self, level: Level, ident: &str, text: &str) -> Vec<u8> {
        match &self.out {
            Out::Syslog(syslog) => syslog.format.line(level, ident, text),
            Out::Stderr(_) => {
                let now = sys::realtime_micros();
                let t = sys::local_time(now / 1_000_000);
                let mut line = String::with_capacity(text.len() + 32);
                let _ = writeln!(
                    line,
                    "{}-{:02}-{:02} {:02}:{:02}:{:02}.{:06} {text}",
                    t.year,
                    t.month,
                    t.day,
                    t.hour,
                    t.minute,
                    t.second,
                    now % 1_000_000
                );
                line.into_bytes()
            }
        }
    }
}

enum Written {
    Whole,
    Part(usize),
    NotNow,
    /// This line cannot be written at all.
    Never,
}

#[derive(Debug)]
struct Syslog {
    backend: Option<Backend>,
    path: PathBuf,
    /// When it was last tried to connect; None: as soon as possible.
    tried: Option<Instant>,
    format: Rfc3164,
}

struct Backend(LoggerBackend);

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

impl Syslog {
    fn new(path: PathBuf, facility: Facility) -> Syslog {
        let format = Rfc3164 { facility, pid: std::process::id() };
        let mut syslog = Syslog { backend: None, path, tried: None, format };
        syslog.connect();
        syslog
    }

    fn wants_connection(&mut self, now: Instant) -> bool {
        if self.backend.is_some() || self.tried.is_some_and(|at| now.since(at) < limits::LOG_RECONNECT) {
            return false;
        }
        self.tried = Some(now);
        true
    }

    /// A socket of our own making: the crate's own would block, about ten lines after the daemon stops reading.
    fn connect(&mut self) {
        let connected = || -> io::Result<UnixDatagram> {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.connect(&self.path)?;
            Ok(socket)
        };
        self.backend = connected().ok().map(|socket| Backend(LoggerBackend::Unix(socket)));
    }

    fn write(&mut self, line: &[u8]) -> Written {
        let Some(Backend(backend)) = &mut self.backend else { return Written::NotNow };
        match backend.write(line) {
            Ok(_) => Written::Whole,
            Err(e) if e.kind() == ErrorKind::Interrupted || e.kind() == ErrorKind::WouldBlock => Written::NotNow,
            Err(e) => match e.raw_os_error() {
                Some(libc::ENOBUFS | libc::ENOMEM) => Written::NotNow,
                Some(libc::EMSGSIZE) => Written::Never,
                // The daemon has gone: a new one makes a new socket.
                _ => {
                    self.backend = None;
                    Written::NotNow
                }
            },
        }
    }
}

/// `<30>Nov 22 20:38:01 holdfast[123]: text`, in local time as every log daemon expects (the crate's own formatter
/// gives UTC).
#[derive(Debug)]
struct Rfc3164 {
    facility: Facility,
    pid: u32,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Rfc3164 {
    fn line(&self, level: Level, ident: &str, text: &str) -> Vec<u8> {
        let severity = match level {
            Level::Error => Severity::LOG_ERR,
            Level::Warn => Severity::LOG_WARNING,
            Level::Info => Severity::LOG_INFO,
            Level::Debug | Level::Trace => Severity::LOG_DEBUG,
        };
        let mut line = Vec::with_capacity(text.len() + 64);
        // A Vec takes everything.
        let _ = self.format(&mut line, severity, format_args!("{ident}[{}]: {text}", self.pid));
        line
    }
}

impl<T: Display> LogFormat<T> for Rfc3164 {
    fn format<W: Write>(&self, w: &mut W, severity: Severity, message: T) -> syslog::Result<()> {
        let t = sys::local_time(sys::realtime_micros() / 1_000_000);
        let month = MONTHS.get(usize::from(t.month).wrapping_sub(1)).unwrap_or(&"Jan");
        let priority = self.facility as u8 | severity as u8;
        write!(w, "<{priority}>{month} {:2} {:02}:{:02}:{:02} {message}", t.day, t.hour, t.minute, t.second)
            .map_err(syslog::Error::Write)
    }
}

#[derive(Debug)]
enum Stderr {
    /// The same terminal or pipe, opened once more without blocking: the flag belongs to the opening, and ours is shared.
    Reopened(File),
    /// Never blocks (a file), or cannot be opened again (a socket): asked before each write.
    Shared,
}

impl Stderr {
    fn open() -> Stderr {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        let blocks = std::fs::metadata("/proc/self/fd/2")
            .is_ok_and(|m| m.file_type().is_fifo() || m.file_type().is_char_device());
        let file = blocks.then(|| OpenOptions::new().write(true).custom_flags(flags).open("/proc/self/fd/2"));
        match file {
            Some(Ok(file)) => Stderr::Reopened(file),
            _ => Stderr::Shared,
        }
    }

    fn write(&self, line: &[u8]) -> Written {
        let stderr = io::stderr();
        let fd: BorrowedFd<'_> = match self {
            Stderr::Reopened(file) => file.as_fd(),
            Stderr::Shared => stderr.as_fd(),
        };
        write_without_waiting(fd, line)
    }
}

fn write_without_waiting(fd: BorrowedFd<'_>, line: &[u8]) -> Written {
    if !sys::writable(fd) {
        return Written::NotNow;
    }
    match sys::write(fd, line) {
        Ok(n) if n < line.len() => Written::Part(n),
        Ok(_) => Written::Whole,
        Err(e) if e.kind() == ErrorKind::WouldBlock => Written::NotNow,
        // The reader has gone: there is nobody to tell of losses.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EPIPE | libc::EIO | libc::EBADF)) => Written::Whole,
        // The disk is full.
        Err(_) => Written::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Instant as Clock;

    struct Daemon {
        path: PathBuf,
        socket: UnixDatagram,
    }

    impl Daemon {
        fn start(name: &str) -> Daemon {
            let path = std::env::temp_dir().join(format!("holdfast-log-{}-{name}", std::process::id()));
            let _ = fs::remove_file(&path);
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            Daemon { path, socket }
        }

        fn read(&self) -> Vec<String> {
            let mut buf = [0; 4096];
            std::iter::from_fn(|| {
                self.socket.recv(&mut buf).ok().map(|n| String::from_utf8(buf[..n].to_vec()).unwrap())
            })
            .collect()
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn logger(daemon: &Daemon, idents: Idents) -> Logger {
        Logger::new(Options { path: daemon.path.clone(), idents, ..Options::default() })
    }

    fn say(logger: &Logger, level: Level, target: &str, text: &str) {
        logger.log(&log::Record::builder().level(level).target(target).args(format_args!("{text}")).build());
    }

    /// The text of a line after its head.
    fn text(line: &str) -> &str {
        line.split_once("]: ").unwrap().1
    }

    #[test]
    fn the_form_of_a_line() {
        let daemon = Daemon::start("form");
        let log = logger(&daemon, Idents::Keepalived);
        say(&log, Level::Info, "vrrp", "(VI_1) Entering MASTER STATE");
        say(&log, Level::Warn, "checkers", "b");
        say(&log, Level::Error, "holdfast::daemon", "c");
        say(&log, Level::Debug, "vrrp", "beyond the level");
        let pid = std::process::id();
        let lines = daemon.read();
        let (head, time) = lines[0].split_at(4);
        assert_eq!(head, "<30>");
        // `Nov 22 20:38:01 `
        let form: String = time[..16].chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert!(form.ends_with(" 00:00:00 ") && MONTHS.contains(&&form[..3]), "{form}");
        assert_eq!(time[16..], format!("Keepalived_vrrp[{pid}]: (VI_1) Entering MASTER STATE"));
        assert!(lines[1].starts_with("<28>") && lines[1].ends_with(&format!("Keepalived_healthcheckers[{pid}]: b")));
        assert!(lines[2].starts_with("<27>") && lines[2].ends_with(&format!(" Keepalived[{pid}]: c")));
        assert_eq!(lines.len(), 3);
        assert_eq!(log.wants_flush(), None);
        let log = logger(&daemon, Idents::Holdfast);
        say(&log, Level::Info, "vrrp", "one\ntwo\x1b[2J\u{85}");
        assert!(daemon.read()[0].ends_with(&format!(" holdfast[{pid}]: one\\ntwo\\u{{1b}}[2J\\u{{85}}")));
        assert_eq!(local_facility(7).map(|f| f as u8), Some(23 << 3));
        assert!(local_facility(8).is_none());
    }

    #[test]
    fn long_lines_are_cut_between_words() {
        let words: String = (0..600).map(|i| format!("w{i} ")).collect();
        let lines: Vec<&str> = split(words.trim_end()).collect();
        assert!(lines.len() >= 3 && lines.iter().all(|l| l.len() <= limits::LOG_LINE), "{lines:?}");
        assert_eq!(lines.join(" "), words.trim_end());
        // No blank at all, and characters of several bytes across the cut.
        let solid = "x".to_string() + &"\u{20ac}".repeat(1000);
        let lines: Vec<&str> = split(&solid).collect();
        assert!(lines.iter().all(|l| l.len() <= limits::LOG_LINE));
        assert_eq!(lines.concat(), solid);
        assert_eq!(split("").collect::<Vec<_>>(), [""]);
        let exact = "y".repeat(limits::LOG_LINE);
        assert_eq!(split(&format!("{exact} z")).collect::<Vec<_>>(), [&exact, "z"]);
    }

    #[test]
    fn a_daemon_that_does_not_read_holds_nobody_up() {
        let daemon = Daemon::start("stopped");
        let log = logger(&daemon, Idents::Holdfast);
        let start = Clock::now();
        for i in 0..2000 {
            say(&log, Level::Info, "vrrp", &format!("line {i}"));
        }
        let took = start.elapsed();
        println!("2,000 lines to a log daemon that does not read: {took:?}");
        assert!(took < Duration::from_millis(500), "{took:?}");
        assert_eq!(log.wants_flush(), Some(limits::LOG_RETRY));
        // It reads again: what the socket and the queue held comes, then the number of the lost ones, then what is new.
        let mut lines = Vec::new();
        for _ in 0..2000 {
            lines.extend(daemon.read());
            log.flush(Instant(0));
        }
        say(&log, Level::Info, "vrrp", "after");
        lines.extend(daemon.read());
        assert_eq!(log.wants_flush(), None);
        let (last, before) = lines.split_last().unwrap();
        let (loss, kept) = before.split_last().unwrap();
        assert_eq!(text(last), "after");
        let lost: usize =
            text(loss).strip_suffix(" log lines lost").unwrap_or_else(|| panic!("{loss}")).parse().unwrap();
        assert!(kept.iter().enumerate().all(|(i, l)| text(l) == format!("line {i}")));
        assert_eq!(kept.len() + lost, 2000);
        assert!(kept.len() >= limits::LOG_QUEUE && lost > 0, "{}", kept.len());
    }

    #[test]
    fn lines_come_in_order_around_a_loss() {
        let daemon = Daemon::start("order");
        let log = logger(&daemon, Idents::Holdfast);
        let mut lines = Vec::new();
        for i in 0..3000 {
            say(&log, Level::Info, "vrrp", &format!("line {i}"));
            // A slow reader: it takes one line for every three.
            if i % 3 == 0 {
                let mut buf = [0; 4096];
                let n = daemon.socket.recv(&mut buf).unwrap();
                lines.push(String::from_utf8(buf[..n].to_vec()).unwrap());
            }
        }
        for _ in 0..1000 {
            log.flush(Instant(0));
            lines.extend(daemon.read());
        }
        let mut next = 0;
        for line in lines.iter().map(|l| text(l)) {
            match line.strip_suffix(" log lines lost") {
                Some(n) => next += n.parse::<usize>().unwrap(),
                None => {
                    assert_eq!(line, format!("line {next}"));
                    next += 1;
                }
            }
        }
        assert_eq!(next, 3000);
    }

    #[test]
    fn a_new_daemon_is_found() {
        let daemon = Daemon::start("restart");
        let path = daemon.path.clone();
        let log = logger(&daemon, Idents::Holdfast);
        drop(daemon);
        say(&log, Level::Info, "vrrp", "nobody hears");
        log.flush(Instant(5_000_000));
        assert_eq!(log.wants_flush(), Some(limits::LOG_RECONNECT));
        let daemon = Daemon::start("restart");
        assert_eq!(daemon.path, path);
        // Not sooner than a second after the last try.
        log.flush(Instant(5_900_000));
        assert_eq!(daemon.read(), [""; 0]);
        log.flush(Instant(6_000_000));
        assert_eq!(daemon.read().iter().map(|l| text(l)).collect::<Vec<_>>(), ["nobody hears"]);
        assert_eq!(log.wants_flush(), None);
    }

    #[test]
    fn a_full_pipe_is_not_waited_for() {
        use std::io::Read;
        let (mut reader, writer) = io::pipe().unwrap();
        let line = [b'x'; 1000];
        let mut whole = 0;
        // The pipe itself stays a blocking one: only the question before each write keeps us from waiting.
        while let Written::Whole = write_without_waiting(writer.as_fd(), &line) {
            whole += 1;
            assert!(whole < 10_000);
        }
        assert!(whole > 10);
        let mut buf = vec![0; 8192];
        let n = reader.read(&mut buf).unwrap();
        assert!(n > 4096);
        assert!(matches!(write_without_waiting(writer.as_fd(), &line), Written::Whole));
        drop(reader);
        let gone = write_without_waiting(writer.as_fd(), &line);
        assert!(!matches!(gone, Written::Part(_) | Written::Never));
    }
}
