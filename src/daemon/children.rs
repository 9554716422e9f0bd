//! Programs that run for us: notify scripts, one after another for each target, script checks, and tracked scripts.

use super::fifo::Reader;
use super::trust;
use crate::base::time::Instant;
use crate::base::verdict::{Reason, Verdict};
use crate::config::loader::ScriptFile;
use crate::config::model::{Misc, OnceScript, Script, ScriptRules};
use crate::limits;
use crate::linux::ipvs;
use crate::linux::process::{self, Exit};
use crate::linux::sys::{kill_group, Identity};
use crate::node::effect::{Run, Spawn};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use std::{fs, io};

/// A script may take this long once another of its target waits behind it.
const PATIENCE: Duration = Duration::from_secs(60);
/// For a reader, once its FIFO is closed.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Between two looks at a script that is waited for.
const NAP: Duration = Duration::from_millis(5);
const ITS_END: &str = "the program to end";
/// Between asking a program to end and ending it.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct Children {
    /// Scripts that wait, in the order of their events.
    scripts: VecDeque<Spawn>,
    checks: VecDeque<(u32, Box<Misc>)>,
    /// Tracked scripts that wait for their start.
    runs: VecDeque<Run>,
    /// What tracked scripts came to: number, result, and whether the program is gone.
    pub ran: Vec<(u32, Verdict, bool)>,
    running: Vec<Running>,
    /// Things to say: the loop hands them to the log.
    pub said: Vec<String>,
    rules: ScriptRules,
    /// Programs that were refused for that, said once.
    refused: BTreeSet<Box<str>>,
}

struct Running {
    pid: i32,
    what: What,
    deadline: Option<Instant>,
    started: Instant,
    asked: bool,
}

enum What {
    Script(Box<str>),
    Check {
        id: u32,
        dynamic: bool,
    },
    /// A tracked script. There is at most one child for each in the configuration.
    Run(u32),
    /// Reads a FIFO as long as it likes.
    Reader(Box<str>),
    /// A reader whose FIFO is closed.
    Dismissed,
    /// modprobe, or a check whose verdict nobody wants any more.
    Nobody,
}

impl Children {
    /// The rules of a configuration that begins to act.
    pub fn obey(&mut self, rules: &ScriptRules) {
        self.rules = rules.clone();
        self.refused.clear();
    }

    pub fn queue(&mut self, spawn: Spawn) {
        let waiting = self.scripts.iter().filter(|s| s.target == spawn.target).count();
        if waiting >= limits::NOTIFY_QUEUE {
            let target = &spawn.target;
            self.said
                .push(format!("{target}: {waiting} events wait already, this one is lost: its script is too slow"));
            return;
        }
        self.scripts.push_back(spawn);
    }

    pub fn check(&mut self, id: u32, misc: &Misc) {
        self.checks.push_back((id, Box::new(misc.clone())));
    }

    /// Loads IPVS, without waiting for it.
    pub fn modprobe(&mut self) {
        let busy = self.running.iter().any(|c| matches!(c.what, What::Nobody));
        if let (false, Ok(child)) = (busy, process::spawn(&ipvs::LOAD_MODULE, None, &[])) {
            let running =
                Running { pid: child.pid, what: What::Nobody, deadline: None, started: Instant(0), asked: false };
            self.running.push(running);
        }
    }

    pub fn abandon(&mut self, id: u32) {
        self.checks.retain(|(waiting, _)| *waiting != id);
        for child in &mut self.running {
            if matches!(child.what, What::Check { id: of, .. } if of == id) {
                child.what = What::Nobody;
                let _ = kill_group(child.pid, libc::SIGKILL);
            }
        }
    }

    pub fn run(&mut self, run: Run) {
        self.runs.push_back(run);
    }

    pub fn stop_run(&mut self, id: u32) {
        self.runs.retain(|waiting| waiting.id != id);
        for child in &mut self.running {
            if matches!(child.what, What::Run(of) if of == id) {
                child.what = What::Nobody;
                let _ = kill_group(child.pid, libc::SIGKILL);
            }
        }
    }

    /// Starts what may start, a few in one turn. True if more could start at once.
    pub fn start(&mut self, now: Instant, out: &mut Vec<(u32, Verdict)>) -> bool {
        for _ in 0..limits::SPAWNS_PER_TURN {
            // An election may hang on these: nobody's place is taken by other programs.
            if let Some(run) = self.runs.pop_front() {
                self.begin_run(run, now);
                continue;
            }
            if self.is_full() {
                return false;
            }
            if let Some((id, misc)) = self.checks.pop_front() {
                match self.launch(&misc.script, &[]) {
                    Ok(pid) => {
                        let what = What::Check { id, dynamic: misc.dynamic };
                        let deadline = Some(now + misc.timeout);
                        self.running.push(Running { pid, what, deadline, started: now, asked: false });
                    }
                    Err(e) => out.push((id, not_started(&e))),
                }
            } else if let Some(spawn) = self.next_script().and_then(|at| self.scripts.remove(at)) {
                let target = spawn.target.clone();
                match self.launch(&spawn.script, &spawn.args) {
                    Ok(pid) => {
                        let what = What::Script(target);
                        self.running.push(Running { pid, what, deadline: None, started: now, asked: false });
                    }
                    Err(e) => {
                        let program = spawn.script.words.first().map(|w| w.as_ref()).unwrap_or_default();
                        self.said.push(format!("{target}: {program} could not be started: {e}"));
                    }
                }
            } else {
                break;
            }
        }
        self.set_patience(now);
        self.wants_start()
    }

    /// Once for each start or reload; the path is its last argument.
    pub fn read(&mut self, reader: &Reader, now: Instant) {
        let Reader { keyword, script, path } = *reader;
        match self.launch(script, &[path.into()]) {
            Ok(pid) => {
                let what = What::Reader(keyword.into());
                self.running.push(Running { pid, what, deadline: None, started: now, asked: false });
            }
            Err(e) => self.said.push(format!("{keyword}_script could not be started: {e}")),
        }
    }

    /// Their FIFOs are closed: readers have a moment for what is left there, then they are ended. At once where the FIFO
    /// stays: there they would take the lines of the next one.
    pub fn dismiss_readers(&mut self, kept: &[&str], now: Instant) {
        for child in &mut self.running {
            if let What::Reader(keyword) = &child.what {
                let at_once = kept.iter().any(|k| *k == keyword.as_ref());
                child.deadline = Some(if at_once { now } else { now + LAST_LINES });
                child.what = What::Dismissed;
            }
        }
    }

    /// startup_script, shutdown_script: nothing else happens meanwhile.
    pub fn once(&mut self, keyword: &str, conf: &OnceScript) {
        let Some(script) = &conf.script else { return };
        let begin = std::time::Instant::now();
        let pid = match self.launch(script, &[]) {
            Ok(pid) => pid,
            Err(e) => return self.said.push(format!("{keyword} could not be started: {e}")),
        };
        let (mut limit, mut signal) = (conf.timeout, libc::SIGTERM);
        let exit = loop {
            match process::reap(pid) {
                Some(exit) => break exit,
                None if begin.elapsed() >= limit => {
                    let _ = kill_group(pid, signal);
                    (limit, signal) = (begin.elapsed() + GRACE, libc::SIGKILL);
                }
                None => std::thread::sleep(NAP),
            }
        };
        match exit {
            _ if signal == libc::SIGKILL => {
                self.said.push(format!("{keyword}: out of time ({} s), ended", conf.timeout.as_secs()))
            }
            Exit::Status(0) => {}
            Exit::Status(n) => self.said.push(format!("{keyword} ended with status {n}")),
            Exit::Signal(n) => self.said.push(format!("{keyword} was ended by signal {n}")),
        }
    }

    fn begin_run(&mut self, run: Run, now: Instant) {
        match self.launch(&run.script, &[]) {
            Ok(pid) => {
                let (what, deadline) = (What::Run(run.id), Some(now + run.timeout));
                self.running.push(Running { pid, what, deadline, started: now, asked: false });
            }
            Err(e) => self.ran.push((run.id, not_started(&e), true)),
        }
    }

    /// The path may have changed since the configuration was read: it is looked at before each start.
    fn launch(&mut self, script: &Script, args: &[Box<str>]) -> io::Result<i32> {
        let who: Option<Identity> = match &script.user {
            Some(user) => {
                let mut who = process::identity(user, script.group.as_deref())?;
                if !self.rules.supplementary_groups {
                    who.groups.truncate(1);
                }
                Some(who)
            }
            None => None,
        };
        let words: Vec<&str> = script.words.iter().chain(args).map(|w| w.as_ref()).collect();
        if let (true, true, Some(program)) =
            (self.rules.security, who.as_ref().is_none_or(|w| w.uid == 0), words.first())
        {
            if let ScriptFile::Insecure(why) = trust::script(program) {
                if self.refused.insert(Box::from(*program)) {
                    self.said.push(format!(
                        "{program} is not run as root: {} (enable_script_security); mend it with: {}",
                        why.what, why.mend
                    ));
                }
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "enable_script_security forbids it"));
            }
        }
        // Programs of many names (busybox) still find theirs in the first word.
        let program = words.first().copied().unwrap_or_default();
        let real = (!self.rules.use_symlink_paths && program.contains('/')).then(|| fs::canonicalize(program).ok());
        let file = real.flatten().unwrap_or_else(|| program.into());
        process::spawn_file(file.as_os_str(), &words, who.as_ref(), &[]).map(|child| child.pid)
    }

    fn is_full(&self) -> bool {
        self.running.iter().filter(|c| !matches!(c.what, What::Run(_) | What::Reader(_) | What::Dismissed)).count()
            >= limits::CHILDREN
    }

    /// True if a child could be started at once.
    pub fn wants_start(&self) -> bool {
        !self.runs.is_empty() || !self.is_full() && (!self.checks.is_empty() || self.next_script().is_some())
    }

    /// The first whose target's script before it has ended.
    fn next_script(&self) -> Option<usize> {
        let busy = |t: &str| self.running.iter().any(|c| matches!(&c.what, What::Script(of) if of.as_ref() == t));
        self.scripts.iter().position(|s| !busy(&s.target))
    }

    /// A script has time without end until something waits behind it.
    fn set_patience(&mut self, now: Instant) {
        for child in &mut self.running {
            if let What::Script(target) = &child.what {
                if child.deadline.is_none() && self.scripts.iter().any(|s| s.target == *target) {
                    let at = child.started + PATIENCE;
                    child.deadline = Some(if at > now { at } else { now });
                }
            }
        }
    }

    /// Some child ended (SIGCHLD tells no more than that).
    pub fn reap(&mut self, out: &mut Vec<(u32, Verdict)>) {
        let (mut said, mut ran) = (Vec::new(), Vec::new());
        self.running.retain(|child| {
            let Some(exit) = process::reap(child.pid) else { return true };
            match &child.what {
                What::Script(target) => match exit {
                    Exit::Status(0) => {}
                    Exit::Status(n) => said.push(format!("{target}: script ended with status {n}")),
                    Exit::Signal(n) => said.push(format!("{target}: script was ended by signal {n}")),
                },
                What::Check { id, dynamic } => out.push((*id, verdict(exit, *dynamic, child.asked))),
                What::Reader(keyword) => said.push(format!("{keyword}_script: the reader has ended ({exit:?})")),
                What::Run(id) => ran.push((*id, verdict(exit, false, child.asked), true)),
                What::Dismissed | What::Nobody => {}
            }
            false
        });
        self.said.append(&mut said);
        self.ran.append(&mut ran);
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.running.iter().filter_map(|c| c.deadline).min()
    }

    /// Ends what has run out of time: TERM to its process group, KILL a little later.
    pub fn due(&mut self, now: Instant) {
        for child in &mut self.running {
            if child.deadline.is_some_and(|at| at <= now) {
                let signal = if child.asked { libc::SIGKILL } else { libc::SIGTERM };
                let _ = kill_group(child.pid, signal);
                if let (true, What::Run(id)) = (child.asked, &child.what) {
                    // It may hang in the kernel, and never end.
                    self.ran.push((*id, Verdict::Down(Reason::Timeout(ITS_END)), false));
                }
                child.deadline = (!child.asked).then_some(now + GRACE);
                child.asked = true;
            }
        }
    }

    /// What still runs at our end has no master any more. (The signal for orphans does not reach what got root's rights
    /// back at exec.)
    pub fn end_all(&mut self) {
        for child in self.running.drain(..).filter(|c| !matches!(c.what, What::Nobody)) {
            let _ = kill_group(child.pid, libc::SIGTERM);
        }
    }

    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.checks.is_empty() && self.scripts.is_empty() && self.runs.is_empty()
    }
}

fn not_started(e: &io::Error) -> Verdict {
    match e.raw_os_error() {
        Some(errno @ (libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE)) => Verdict::NotTried(errno),
        // Forbidden by ourselves: nothing was learned of what it looks at.
        None if e.kind() == io::ErrorKind::PermissionDenied => Verdict::NotTried(libc::EPERM),
        other => Verdict::Down(Reason::Spawn(other.unwrap_or(libc::EINVAL))),
    }
}

fn verdict(exit: Exit, dynamic: bool, timed_out: bool) -> Verdict {
    match exit {
        _ if timed_out => Verdict::Down(Reason::Timeout(ITS_END)),
        Exit::Status(0) => Verdict::Up,
        Exit::Status(n @ 2..=255) if dynamic => Verdict::Weight((n - 2) as u32),
        Exit::Status(n) => Verdict::Down(Reason::Exit(n)),
        Exit::Signal(n) => Verdict::Down(Reason::Signal(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses() {
        assert_eq!(verdict(Exit::Status(0), true, false), Verdict::Up);
        assert_eq!(verdict(Exit::Status(1), true, false), Verdict::Down(Reason::Exit(1)));
        assert_eq!(verdict(Exit::Status(2), true, false), Verdict::Weight(0));
        assert_eq!(verdict(Exit::Status(255), true, false), Verdict::Weight(253));
        assert_eq!(verdict(Exit::Status(2), false, false), Verdict::Down(Reason::Exit(2)));
        assert_eq!(verdict(Exit::Signal(9), false, true), Verdict::Down(Reason::Timeout(ITS_END)));
    }
}
