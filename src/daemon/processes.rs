//! Tracked processes: counted by going through /proc, some of it in a turn. The kernel's process connector tells when
//! it is time to; where it is silent (another network namespace, a container) that is every second.

use crate::base::time::Instant;
use crate::config::model::{Config, ParamMatch, TrackProcess};
use crate::limits;
use crate::linux::connector::Connector;
use crate::linux::netlink::NewsEnd;
use crate::wire::connector::Event;
use std::collections::BTreeSet;
use std::fs::{self, ReadDir};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// The kernel keeps so much of a process's name.
const COMM: usize = 15;

pub struct Processes {
    root: PathBuf,
    wanted: Vec<TrackProcess>,
    going: Option<ReadDir>,
    counts: Vec<u32>,
    next: Option<Instant>,
    /// The tracked ones that the last time through has found, and those that this one has found so far.
    known: BTreeSet<u32>,
    found: BTreeSet<u32>,
    connector: Option<Connector>,
    /// It has answered: news will come.
    told: bool,
    /// Something happened while we were going through.
    again: bool,
}

impl Default for Processes {
    fn default() -> Self {
        Processes {
            root: "/proc".into(),
            wanted: Vec::new(),
            going: None,
            counts: Vec::new(),
            next: None,
            known: BTreeSet::new(),
            found: BTreeSet::new(),
            connector: None,
            told: false,
            again: false,
        }
    }
}

impl Processes {
    pub fn new(connector: Option<Connector>) -> Processes {
        Processes { connector, ..Processes::default() }
    }

    pub fn follow(&mut self, config: &Config, now: Instant) {
        let lines = config.instances.iter().map(|i| &i.track).chain(config.groups.iter().map(|g| &g.track));
        let tracked = lines.into_iter().any(|t| !t.processes.is_empty());
        self.wanted = if tracked { config.processes.clone() } else { Vec::new() };
        self.going = None;
        self.next = tracked.then_some(now);
        if let Some(connector) = &mut self.connector {
            if connector.listen(tracked).is_err() {
                self.connector = None;
            }
        }
    }

    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.connector.as_ref().map(Connector::fd)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// The kernel has news. True: there may be more.
    pub fn ready(&mut self, now: Instant) -> bool {
        let Some(connector) = self.connector.take() else { return false };
        let mut matters = false;
        let end = connector.read(limits::PROCESS_NEWS_PER_TURN, &mut |event| matters |= self.matters(event));
        self.connector = Some(connector);
        if matters || end == NewsEnd::Overrun {
            self.count_soon(now);
        }
        end != NewsEnd::Drained
    }

    fn count_soon(&mut self, now: Instant) {
        let Some(next) = self.next else { return };
        if self.going.is_some() {
            self.again = true;
        } else {
            self.next = Some(next.min(now + limits::PROCESS_NEWS_DELAY));
        }
    }

    /// Whether the counts may be others now.
    fn matters(&mut self, event: Event) -> bool {
        let known = |pid: &u32| self.known.contains(pid) || self.known.len() >= limits::PROCESSES_KNOWN;
        match event {
            Event::Answer(0) => {
                self.told = true;
                false
            }
            Event::Answer(_) => false,
            Event::Fork { parent: pid } | Event::Exit(pid) => known(&pid),
            Event::Changed(pid) => {
                let mut counts = vec![0; self.wanted.len()];
                known(&pid) || look(&self.root.join(pid.to_string()), &self.wanted, &mut counts)
            }
        }
    }

    /// Looks at some processes; the counts, once it has been through all of them.
    pub fn step(&mut self, now: Instant, budget: usize) -> Option<Vec<u32>> {
        self.next.filter(|at| *at <= now)?;
        if self.going.is_none() {
            self.counts = vec![0; self.wanted.len()];
            self.found.clear();
            match fs::read_dir(&self.root) {
                Ok(dir) => self.going = Some(dir),
                Err(_) => {
                    self.next = Some(now + limits::PROCESS_PERIOD);
                    return None;
                }
            }
        }
        let dir = self.going.as_mut()?;
        for _ in 0..budget {
            let Some(entry) = dir.next() else {
                self.going = None;
                self.known = std::mem::take(&mut self.found);
                let pause = match (std::mem::take(&mut self.again), self.told) {
                    (true, _) => limits::PROCESS_NEWS_DELAY,
                    (false, true) => limits::PROCESS_PERIOD_TOLD,
                    (false, false) => limits::PROCESS_PERIOD,
                };
                self.next = Some(now + pause);
                return Some(std::mem::take(&mut self.counts));
            };
            let Ok(entry) = entry else { continue };
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if look(&entry.path(), &self.wanted, &mut self.counts) && self.found.len() < limits::PROCESSES_KNOWN {
                self.found.insert(pid);
            }
        }
        None
    }

    /// All at once, for the start.
    pub fn all(&mut self, now: Instant) -> Option<Vec<u32>> {
        self.step(now, usize::MAX)
    }
}

/// Counts a process for each that is meant; whether it is meant at all.
fn look(process: &Path, wanted: &[TrackProcess], counts: &mut [u32]) -> bool {
    // It may have ended by now.
    let Ok(stat) = fs::read(process.join("stat")) else { return false };
    let Some(comm) = comm(&stat) else { return false };
    let command = wanted.iter().any(by_command).then(|| fs::read(process.join("cmdline")).unwrap_or_default());
    let mut meant = false;
    for (wanted, count) in wanted.iter().zip(counts) {
        let is = matches(wanted, comm, command.as_deref().unwrap_or_default());
        *count += u32::from(is);
        meant |= is;
    }
    meant
}

/// The name in /proc/PID/stat: `PID (NAME) STATE ...`; None for what has ended and was not fetched yet.
pub fn comm(stat: &[u8]) -> Option<&[u8]> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let state = stat.get(close + 2)?;
    stat.get(open + 1..close).filter(|_| !matches!(state, b'Z' | b'X'))
}

fn by_command(wanted: &TrackProcess) -> bool {
    wanted.full_command || wanted.param_match.is_some()
}

/// By the kernel's name, or by the command line: words that end in a zero byte.
pub fn matches(wanted: &TrackProcess, comm: &[u8], command: &[u8]) -> bool {
    let program = wanted.program.as_bytes();
    if !by_command(wanted) {
        return comm == program.get(..COMM).unwrap_or(program);
    }
    let mut words = command.strip_suffix(&[0]).unwrap_or(command).split(|b| *b == 0);
    // A program may be called by its path, and known by its name.
    let called = words.next().unwrap_or_default();
    let name = called.rsplit(|b| *b == b'/').next().unwrap_or_default();
    if called != program && (wanted.full_command || name != program) {
        return false;
    }
    let Some(how) = wanted.param_match else { return true };
    let mut params = wanted.params.iter().map(|p| p.as_bytes()).peekable();
    while let Some(param) = params.next() {
        let Some(word) = words.next() else { return false };
        let may_go_on = how == ParamMatch::Initial && params.peek().is_none();
        if word != param && !(may_go_on && word.starts_with(param)) {
            return false;
        }
    }
    // Without parameters it must have none, whatever the word.
    (how != ParamMatch::Exact && !wanted.params.is_empty()) || words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wanted(program: &str, params: &[&str], param_match: Option<ParamMatch>) -> TrackProcess {
        TrackProcess {
            name: "p".into(),
            program: program.into(),
            params: params.iter().map(|p| Box::from(*p)).collect(),
            param_match,
            weight: 0,
            reverse: false,
            quorum: 1,
            quorum_max: None,
            terminate_delay: Duration::ZERO,
            fork_delay: Duration::ZERO,
            full_command: false,
        }
    }

    #[test]
    fn what_is_meant() {
        use ParamMatch::{Exact, Initial, Partial};
        assert_eq!(comm(b"12 (a) b) S 1"), Some(&b"a) b"[..]));
        assert_eq!(comm(b"12 (a) Z 1"), None);
        assert_eq!(comm(b"nonsense"), None);
        let by_name = |p: &str, name: &str| matches(&wanted(p, &[], None), name.as_bytes(), b"");
        assert!(by_name("haproxy", "haproxy") && !by_name("haproxy", "haprox"));
        assert!(by_name("a-name-that-is-long", "a-name-that-is-"));
        let line = b"/usr/bin/w\0--one\0two\0";
        let by_line = |p: &str, params: &[&str], how| matches(&wanted(p, params, Some(how)), b"", line);
        assert!(by_line("w", &["--one", "two"], Exact) && by_line("/usr/bin/w", &["--one", "two"], Exact));
        assert!(!by_line("v", &["--one", "two"], Exact) && !by_line("w", &["--one"], Exact));
        assert!(by_line("w", &["--one"], Partial) && !by_line("w", &["--on"], Partial));
        assert!(by_line("w", &["--on"], Initial) && by_line("w", &["--one", "t"], Initial));
        assert!(!by_line("w", &["--o", "two"], Initial) && !by_line("w", &["--one", "two", "three"], Initial));
        assert!(!by_line("w", &[], Exact) && !by_line("w", &[], Initial));
        assert!(matches(&wanted("w", &[], Some(Exact)), b"", b"w\0"));
        let full = TrackProcess { full_command: true, ..wanted("/usr/bin/w", &[], None) };
        assert!(matches(&full, b"w", line) && !matches(&full, b"w", b"w\0"));
    }

    #[test]
    fn processes_are_counted_in_slices() {
        let root = std::env::temp_dir().join(format!("holdfast-proc-{}", std::process::id()));
        for (pid, name, state) in [(1, "init", 'S'), (20, "w", 'R'), (21, "w", 'S'), (22, "w", 'Z')] {
            fs::create_dir_all(root.join(pid.to_string())).unwrap();
            fs::write(root.join(format!("{pid}/stat")), format!("{pid} ({name}) {state} 1 1")).unwrap();
        }
        fs::create_dir_all(root.join("self")).unwrap();
        let mut p = Processes { root: root.clone(), wanted: vec![wanted("w", &[], None)], ..Processes::default() };
        assert_eq!((p.step(Instant(0), 1), p.deadline()), (None, None), "nobody wants it");
        p.next = Some(Instant(5));
        assert_eq!(p.step(Instant(4), 100), None);
        let mut turns = 0;
        let counts = loop {
            turns += 1;
            if let Some(counts) = p.step(Instant(5), 1) {
                break counts;
            }
        };
        assert_eq!((counts, turns), (vec![2], 6));
        assert_eq!(p.deadline(), Some(Instant(5) + limits::PROCESS_PERIOD));
        fs::remove_dir_all(&root).unwrap();
    }
}
