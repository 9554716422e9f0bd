//! How the process is scheduled: nice, real time, CPUs, a lock on its memory.
//!
//! keepalived has a process for each half. In this one process the words of VRRP count, if there are instances, else those
//! of the checks. Programs that it starts have none of it.

use crate::config::model::{Config, Process, Processes};
use crate::linux::sys;
use std::io;
use std::time::Duration;

/// Real-time priorities end there.
const HIGHEST: u8 = 99;
/// Beyond rlimit_rttime: one turn of the loop does what three processes of keepalived do, and must not be the last one.
const GRACE: Duration = Duration::from_secs(1);

/// What of it is asked for; empty: all is as it was found.
#[derive(Clone, PartialEq, Debug, Default)]
struct Wanted {
    nice: Option<i8>,
    real_time: Option<u8>,
    /// Goes with real time.
    limit: Duration,
    cpus: Vec<u16>,
    locked: bool,
}

#[derive(Default)]
pub struct Scheduling {
    /// What was done, or refused by the kernel.
    now: Wanted,
    /// How far, and from how late on, the real-time priority rises by itself; with the silence about it.
    most: u8,
    late: Duration,
    quiet: bool,
    said: bool,
}

impl Scheduling {
    /// The configuration's wish, compared with what is. What could not be done, for the log.
    pub fn follow(&mut self, config: &Config) -> Vec<String> {
        let processes = &config.global.process;
        self.most = u8::try_from(processes.max_auto).unwrap_or(0);
        self.quiet = processes.max_auto < 0;
        self.late = processes.auto_delay;
        self.said = false;
        let process = which(processes, !config.instances.is_empty());
        self.become_so(wanted(process))
    }

    /// As it was found.
    pub fn give_back(&mut self) {
        self.become_so(Wanted::default());
    }

    fn become_so(&mut self, wanted: Wanted) -> Vec<String> {
        let was = std::mem::replace(&mut self.now, wanted);
        let now = &self.now;
        let mut faults = Vec::new();
        let mut tell = |what: &str, done: io::Result<()>| faults.extend(done.err().map(|e| format!("{what}: {e}")));
        if now.cpus != was.cpus {
            tell("the process cannot be kept to the CPUs of cpu_affinity", sys::schedule_cpus(&now.cpus));
        }
        if now.nice != was.nice {
            tell("the priority of the process is not changed", sys::schedule_nice(now.nice));
        }
        let limited = |w: &Wanted| w.real_time.map(|_| w.limit);
        // The limit comes first and goes last.
        let limit = now.real_time.map(|_| micros(now.limit.saturating_add(GRACE)));
        if limited(now) != limited(&was) && limit.is_some() {
            tell("no limit is set for the time on the CPU (rlimit_rttime)", sys::schedule_limit(limit));
        }
        if now.real_time != was.real_time {
            tell("the process has no real-time priority", sys::schedule_real_time(now.real_time));
        }
        if limited(now) != limited(&was) && limit.is_none() {
            tell("the limit for the time on the CPU stays", sys::schedule_limit(None));
        }
        if now.locked != was.locked {
            tell("the process may be swapped", sys::lock_memory(now.locked));
        }
        faults
    }

    /// Nothing of the program may be given back.
    pub fn is_locked(&self) -> bool {
        self.now.locked
    }

    /// The kernel ends what runs without a pause: then there must be pauses.
    pub fn needs_pauses(&self) -> bool {
        self.now.real_time.is_some()
    }

    /// The loop woke up so late: a line for the log, if there is something to say.
    pub fn woke_late(&mut self, by: Duration) -> Option<String> {
        if by <= self.late {
            return None;
        }
        let late = by.as_micros();
        let at = self.now.real_time.unwrap_or(0);
        if at < self.most.min(HIGHEST) {
            let mut wanted = self.now.clone();
            wanted.real_time = Some(at + 1);
            let faults = self.become_so(wanted);
            let done = format!("the process ran {late} us late: its real-time priority is now {}", at + 1);
            return Some(faults.into_iter().next().map_or(done, |fault| format!("{fault} ({late} us late)")));
        }
        // Said once: on a machine that is this busy the log is no help either.
        let silent = self.quiet || std::mem::replace(&mut self.said, true);
        (!silent).then(|| format!("the process ran {late} us late: see max_auto_priority and vrrp_rt_priority"))
    }
}

fn which(processes: &Processes, vrrp: bool) -> &Process {
    if vrrp {
        &processes.vrrp
    } else {
        &processes.checker
    }
}

fn wanted(process: &Process) -> Wanted {
    Wanted {
        nice: (process.nice != 0).then_some(process.nice),
        real_time: process.real_time,
        limit: process.rttime,
        cpus: process.cpus.clone(),
        locked: process.no_swap,
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_words_of_vrrp_if_there_are_instances() {
        let mut all = Processes::default();
        (all.vrrp.nice, all.checker.nice, all.checker.real_time) = (-5, 3, Some(9));
        assert_eq!(wanted(which(&all, true)).nice, Some(-5));
        assert_eq!(wanted(which(&all, true)).real_time, None);
        assert_eq!((wanted(which(&all, false)).nice, wanted(which(&all, false)).real_time), (Some(3), Some(9)));
        assert_eq!(wanted(&Process::default()), Wanted { limit: Duration::from_millis(10), ..Wanted::default() });
    }

    #[test]
    fn being_late_is_said_once_or_not_at_all() {
        let mut s = Scheduling { late: Duration::from_micros(100), ..Scheduling::default() };
        assert_eq!(s.woke_late(Duration::from_micros(100)), None);
        assert!(s.woke_late(Duration::from_micros(101)).is_some_and(|line| line.contains("101 us late")));
        assert_eq!(s.woke_late(Duration::from_micros(500)), None);
        (s.said, s.quiet) = (false, true);
        assert_eq!(s.woke_late(Duration::from_micros(500)), None);
    }
}
