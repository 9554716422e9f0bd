//! What instances track: scripts, files, processes and links, and what their state means for a priority. The sum is
//! computed anew each time, never counted up and down.

use super::effect::{Effect, Run};
use super::links::Links;
use super::note::Note;
use super::Timer;
use crate::base::addr::IfName;
use crate::base::time::Instant;
use crate::base::timers::Timers;
use crate::base::verdict::{Reason, Verdict};
use crate::config::model::{Config, Track, TrackProcess, Tracks, VrrpScript};
use crate::wire::vrrp::PRIORITY_OWNER;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Tracking {
    scripts: Vec<ScriptState>,
    processes: Vec<ProcessState>,
    /// What stands in the files, by path, as the shell read it; none: 0.
    files: BTreeMap<Box<str>, i64>,
    last_run: u32,
}

/// A vrrp_script.
#[derive(Clone, Debug, Default)]
struct ScriptState {
    /// 0 to rise + fall - 1; good from `rise` on. A success in between is one step, and so is a failure.
    count: u32,
    /// No result yet.
    pending: bool,
    /// ... and an instance that would be in FAULT by it waits for the first one.
    holds: bool,
    run: Option<u32>,
    /// The result of that run is in, though the program may not have ended.
    counted: bool,
    /// What the last run ended with.
    last: Option<Verdict>,
    deadline: Option<Instant>,
}

/// A vrrp_track_process.
#[derive(Clone, Debug, Default)]
struct ProcessState {
    /// None: not looked for yet.
    count: Option<u32>,
    good: bool,
    /// When what is so now begins to count.
    deadline: Option<Instant>,
}

/// A tracked process: how many run, whether they are enough, and whether that is about to change.
#[derive(Default)]
pub struct Seen {
    pub count: u32,
    pub good: bool,
    pub waits: bool,
}

/// What all trackers of an instance come to.
#[derive(Default)]
pub struct Sum {
    pub weight: i32,
    pub fault: Option<Box<str>>,
    /// A script whose failure would be FAULT has not reported yet.
    pub waits: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Unknown { holds: bool },
    Good,
    Bad,
}

/// Within 1 to 254; the owner of the addresses keeps 255.
pub fn effective(base: u8, weight: i32) -> u8 {
    if base == PRIORITY_OWNER {
        return base;
    }
    i32::from(base).saturating_add(weight).clamp(1, 254) as u8
}

impl Sum {
    fn add(&mut self, weight: i32, reverse: bool, standing: Standing, why: impl FnOnce() -> String) {
        let good = match standing {
            Standing::Unknown { holds } => {
                self.waits |= holds && weight == 0;
                return;
            }
            // `reverse` turns what is a fault; with a weight it turns only the direction.
            other => (other == Standing::Good) != (reverse && weight == 0),
        };
        match (weight, good) {
            (0, true) => {}
            (0, false) => drop(self.fault.get_or_insert_with(|| why().into())),
            (1.., true) | (..0, false) => {
                let weight = if reverse { weight.saturating_neg() } else { weight };
                self.weight = self.weight.saturating_add(weight);
            }
            _ => {}
        }
    }

    /// The number in a file, times the weight.
    fn add_file(&mut self, value: i64, weight: i32, reverse: bool, why: impl FnOnce() -> String) {
        let sign = if reverse { -1 } else { 1 };
        let product = value.saturating_mul(i64::from(weight)).saturating_mul(sign).clamp(-254, 253) as i32;
        let fault = if weight == 0 { (value != 0) != reverse } else { product == -254 };
        if fault {
            self.fault.get_or_insert_with(|| why().into());
        } else {
            self.weight = self.weight.saturating_add(product);
        }
    }
}

impl ScriptState {
    fn new(conf: &VrrpScript, at_start: bool) -> ScriptState {
        let pending = !conf.init_fail;
        // One success is enough then, and one failure too.
        let count = if pending { conf.rise.saturating_sub(1) } else { 0 };
        ScriptState { count, pending, holds: pending && at_start, ..ScriptState::default() }
    }

    fn good(&self, conf: &VrrpScript) -> bool {
        self.count >= conf.rise
    }

    fn standing(&self, conf: &VrrpScript) -> Standing {
        match self.pending {
            true => Standing::Unknown { holds: self.holds },
            false if self.good(conf) => Standing::Good,
            false => Standing::Bad,
        }
    }

    /// Takes in a result; true if it makes the script good, or bad.
    fn count(&mut self, conf: &VrrpScript, success: bool) -> bool {
        let (was_pending, was_good) = (self.pending, self.good(conf));
        (self.pending, self.holds) = (false, false);
        self.count = match success {
            true if self.count.saturating_add(1) < conf.rise => self.count + 1,
            true => conf.rise.saturating_add(conf.fall).saturating_sub(1),
            false if self.count > conf.rise => self.count - 1,
            false => 0,
        };
        was_pending || self.good(conf) != was_good
    }

    /// After a reload: as good or bad as before, by the new measure.
    fn follow(&mut self, old: &VrrpScript, new: &VrrpScript) {
        if self.pending {
            self.count = new.rise.saturating_sub(1);
        } else if self.good(old) {
            self.count = new.rise.saturating_add(new.fall).saturating_sub(1);
        } else {
            self.count = self.count.min(new.rise.saturating_sub(1));
        }
    }
}

impl ProcessState {
    fn enough(conf: &TrackProcess, count: u32) -> bool {
        count >= conf.quorum && conf.quorum_max.is_none_or(|most| count <= most)
    }

    fn standing(&self) -> Standing {
        match self.count {
            None => Standing::Unknown { holds: false },
            Some(_) if self.good => Standing::Good,
            Some(_) => Standing::Bad,
        }
    }
}

impl Tracking {
    /// All scripts that somebody tracks begin to run.
    pub fn start(&mut self, now: Instant, conf: &Config) {
        self.scripts = conf.scripts.iter().map(|s| ScriptState::new(s, true)).collect();
        // What the shell has counted already stays.
        self.processes.resize(conf.processes.len(), ProcessState::default());
        for (i, state) in self.scripts.iter_mut().enumerate() {
            state.deadline = used(conf, i).then_some(now);
        }
    }

    pub fn file_timers(&self, timers: &mut Timers<Timer>) {
        for (i, state) in self.scripts.iter().enumerate() {
            timers.file(Timer::Script(i), state.deadline);
        }
        for (i, state) in self.processes.iter().enumerate() {
            timers.file(Timer::Process(i), state.deadline);
        }
    }

    /// Before a reload: the numbers will mean others.
    pub fn forget_timers(&self, timers: &mut Timers<Timer>) {
        (0..self.scripts.len()).for_each(|i| timers.file(Timer::Script(i), None));
        (0..self.processes.len()).for_each(|i| timers.file(Timer::Process(i), None));
    }

    /// What has the same name and command goes on where it is.
    pub fn reload(&mut self, old: &Config, now: Instant, conf: &Config, out: &mut Vec<Effect>) {
        let mut before: BTreeMap<&str, (ScriptState, &VrrpScript)> = std::mem::take(&mut self.scripts)
            .into_iter()
            .zip(&old.scripts)
            .map(|(state, was)| (was.name.as_ref(), (state, was)))
            .collect();
        for (i, script) in conf.scripts.iter().enumerate() {
            let same = before.get(script.name.as_ref()).is_some_and(|(_, was)| was.script == script.script);
            let kept = if same { before.remove(script.name.as_ref()) } else { None };
            let mut state = match kept {
                Some((mut state, was)) => {
                    state.follow(was, script);
                    state
                }
                None => ScriptState::new(script, false),
            };
            match (used(conf, i), state.deadline) {
                (true, None) => state.deadline = Some(now),
                (true, Some(at)) => state.deadline = Some(at.min(now + script.interval)),
                (false, _) => {
                    state.deadline = None;
                    out.extend(state.run.take().map(Effect::StopRun));
                }
            }
            self.scripts.push(state);
        }
        out.extend(before.into_values().filter_map(|(state, _)| state.run).map(Effect::StopRun));
        let mut before: BTreeMap<&str, ProcessState> = std::mem::take(&mut self.processes)
            .into_iter()
            .zip(&old.processes)
            .filter(|(_, was)| conf.processes.contains(was))
            .map(|(state, was)| (was.name.as_ref(), state))
            .collect();
        self.processes = conf.processes.iter().map(|p| before.remove(p.name.as_ref()).unwrap_or_default()).collect();
        self.files.retain(|path, _| conf.files.iter().any(|f| f.path == *path));
    }

    /// No script runs any more.
    pub fn stop(&mut self, out: &mut Vec<Effect>) {
        for state in &mut self.scripts {
            state.deadline = None;
            out.extend(state.run.take().map(Effect::StopRun));
        }
        self.processes.iter_mut().for_each(|p| p.deadline = None);
    }

    // ---- scripts ---------------------------------------------------------------------------------------------

    /// The next run, unless the last one has not ended.
    pub fn script_due(&mut self, i: usize, now: Instant, conf: &Config) -> Option<Run> {
        let (state, conf) = (self.scripts.get_mut(i)?, conf.scripts.get(i)?);
        let at = state.deadline.filter(|at| *at <= now)?;
        let next = at + conf.interval;
        state.deadline = Some(if next > now { next } else { now + conf.interval });
        if state.run.is_some() {
            return None;
        }
        self.last_run = self.last_run.wrapping_add(1);
        (state.run, state.counted) = (Some(self.last_run), false);
        Some(Run { id: self.last_run, script: conf.script.clone(), timeout: conf.timeout })
    }

    /// A run has a result; `ended`: and the program is gone. True if that changes anything for who tracks it.
    pub fn ran(&mut self, id: u32, verdict: Verdict, ended: bool, conf: &Config) -> (bool, Option<Note>) {
        let found = self.scripts.iter_mut().zip(&conf.scripts).find(|(s, _)| s.run == Some(id));
        let Some((state, conf)) = found else { return (false, None) };
        if ended {
            state.run = None;
        }
        if std::mem::replace(&mut state.counted, true) || matches!(verdict, Verdict::NotTried(_)) {
            return (false, None);
        }
        let name = conf.name.clone();
        let news = state.last.as_ref() != Some(&verdict);
        let (changed, note) = match &verdict {
            // A program that cannot be started says nothing about what it looks at.
            Verdict::Down(Reason::Spawn(errno)) => {
                let note = Note::ScriptNotStarted { name, errno: *errno };
                (std::mem::take(&mut state.holds), news.then_some(note))
            }
            Verdict::Down(reason) => match (state.count(conf, false), reason) {
                (true, _) => (true, Some(Note::ScriptBad { name, reason: reason.clone() })),
                (false, Reason::Exit(n)) if news => (false, Some(Note::ScriptReturns { name, status: *n })),
                (false, _) => (false, None),
            },
            _ => match state.count(conf, true) {
                true => (true, Some(Note::ScriptGood { name })),
                false => (false, news.then_some(Note::ScriptReturns { name, status: 0 })),
            },
        };
        state.last = Some(verdict);
        (changed, note)
    }

    // ---- files and processes ---------------------------------------------------------------------------------

    /// What stands in a file now; true if that is new.
    pub fn file(&mut self, path: &str, value: i64) -> bool {
        self.files.insert(path.into(), value).unwrap_or(0) != value
    }

    pub fn file_value(&self, path: &str) -> i64 {
        self.files.get(path).copied().unwrap_or(0)
    }

    /// How many of each kind run, in the order of the configuration. True if that is the first that is known of one.
    pub fn processes(&mut self, counts: &[u32], now: Instant, conf: &Config) -> bool {
        let mut first = false;
        self.processes.resize(conf.processes.len(), ProcessState::default());
        for ((state, conf), count) in self.processes.iter_mut().zip(&conf.processes).zip(counts) {
            let before = state.count.replace(*count);
            let enough = ProcessState::enough(conf, *count);
            match before {
                None => (state.good, first) = (enough, true),
                Some(_) if enough == state.good => state.deadline = None,
                Some(before) if state.deadline.is_none() => {
                    let delay = if *count > before { conf.fork_delay } else { conf.terminate_delay };
                    state.deadline = Some(now + delay);
                }
                Some(_) => {}
            }
        }
        first
    }

    /// What is known of a tracked process.
    pub fn seen(&self, i: usize) -> Seen {
        let Some(state) = self.processes.get(i) else { return Seen::default() };
        Seen { count: state.count.unwrap_or(0), good: state.good, waits: state.deadline.is_some() }
    }

    /// The delay has passed, and it is still so: what to say of it.
    pub fn process_due(&mut self, i: usize, now: Instant, conf: &Config) -> Option<Note> {
        let (state, conf) = (self.processes.get_mut(i)?, conf.processes.get(i)?);
        state.deadline.take_if(|at| *at <= now)?;
        let enough = state.count.is_some_and(|count| ProcessState::enough(conf, count));
        let changed = std::mem::replace(&mut state.good, enough) != enough;
        changed.then(|| Note::Processes { name: conf.name.clone(), enough })
    }

    // ---- what it comes to ------------------------------------------------------------------------------------

    /// All trackers of an instance, and those of its group.
    pub fn sum(&self, instance: usize, conf: &Config, links: &Links) -> Sum {
        let mut sum = Sum::default();
        // It is watched anyway, also where a group tracks it.
        let own = conf.instances.get(instance).filter(|i| !i.dont_track_primary).map(|i| &i.interface);
        for tracks in tracks_of(instance, conf) {
            self.add(tracks, own, conf, links, &mut sum);
        }
        sum
    }

    fn add(&self, tracks: &Tracks, own: Option<&IfName>, conf: &Config, links: &Links, sum: &mut Sum) {
        for t in tracks.interfaces.iter().filter(|t| Some(&t.name) != own) {
            let link = links.get(&t.name);
            let standing = if link.is_some_and(|l| l.up) { Standing::Good } else { Standing::Bad };
            let state = link.map_or("does not exist", |l| if l.up { "is up" } else { "is down" });
            sum.add(t.weight, t.reverse, standing, || format!("interface {} {state}", t.name));
        }
        for Track { target, weight, reverse } in &tracks.scripts {
            let (Some(state), Some(script)) = (self.scripts.get(*target), conf.scripts.get(*target)) else { continue };
            let does = if *reverse { "succeeds" } else { "fails" };
            sum.add(*weight, *reverse, state.standing(script), || format!("script {} {does}", script.name));
        }
        for Track { target, weight, reverse } in &tracks.files {
            let Some(file) = conf.files.get(*target) else { continue };
            let value = self.file_value(&file.path);
            sum.add_file(value, *weight, *reverse, || format!("file {} says {value}", file.path));
        }
        for Track { target, weight, reverse } in &tracks.processes {
            let (Some(state), Some(p)) = (self.processes.get(*target), conf.processes.get(*target)) else { continue };
            let count = state.count.unwrap_or(0);
            sum.add(*weight, *reverse, state.standing(), || format!("{count} processes {} run", p.program));
        }
    }
}

/// Its own lines, then its group's.
pub fn tracks_of(instance: usize, conf: &Config) -> impl Iterator<Item = &Tracks> {
    let own = conf.instances.get(instance);
    let group = own.and_then(|i| i.group).and_then(|g| conf.groups.get(g));
    own.map(|i| &*i.track).into_iter().chain(group.map(|g| &*g.track))
}

/// Does the instance, or its group, track that link?
pub fn watches(instance: usize, name: &IfName, conf: &Config) -> bool {
    tracks_of(instance, conf).any(|t| t.interfaces.iter().any(|i| i.name == *name))
}

/// Does anybody track that script?
fn used(conf: &Config, script: usize) -> bool {
    let mut all = (0..conf.instances.len()).flat_map(|i| tracks_of(i, conf));
    all.any(|t| t.scripts.iter().any(|s| s.target == script))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Script;
    use std::time::Duration;

    fn script(rise: u32, fall: u32) -> VrrpScript {
        VrrpScript {
            name: "s".into(),
            script: Script { words: vec!["/bin/true".into()], user: None, group: None },
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            weight: 0,
            reverse: false,
            rise,
            fall,
            init_fail: false,
        }
    }

    #[test]
    fn the_first_result_counts_at_once_then_rise_and_fall() {
        let conf = script(3, 2);
        let mut good = ScriptState::new(&conf, true);
        assert!(good.standing(&conf) == Standing::Unknown { holds: true });
        let story = [true, false, true, false, false, true, true, false, true, true, true];
        let states: Vec<bool> = story
            .map(|success| {
                good.count(&conf, success);
                good.good(&conf)
            })
            .to_vec();
        assert_eq!(states, [true, true, true, true, false, false, false, false, false, false, true]);
        let mut bad = ScriptState::new(&conf, true);
        assert!(bad.count(&conf, false) && bad.standing(&conf) == Standing::Bad, "it was not known before");
        let failing = ScriptState::new(&VrrpScript { init_fail: true, ..conf.clone() }, true);
        assert!(failing.standing(&conf) == Standing::Bad);
    }

    #[test]
    fn weights() {
        let sum = |weight, reverse, standing| {
            let mut sum = Sum::default();
            sum.add(weight, reverse, standing, || "why".into());
            (sum.weight, sum.fault.is_some(), sum.waits)
        };
        assert_eq!(sum(10, false, Standing::Good), (10, false, false));
        assert_eq!(sum(10, false, Standing::Bad), (0, false, false));
        assert_eq!(sum(10, true, Standing::Good), (-10, false, false));
        assert_eq!(sum(10, true, Standing::Bad), (0, false, false));
        assert_eq!(sum(-10, false, Standing::Good), (0, false, false));
        assert_eq!(sum(-10, false, Standing::Bad), (-10, false, false));
        assert_eq!(sum(-10, true, Standing::Good), (0, false, false));
        assert_eq!(sum(-10, true, Standing::Bad), (10, false, false));
        assert_eq!(sum(0, false, Standing::Bad), (0, true, false));
        assert_eq!(sum(0, true, Standing::Good), (0, true, false));
        assert_eq!(sum(0, true, Standing::Bad), (0, false, false));
        assert_eq!(sum(0, false, Standing::Unknown { holds: true }), (0, false, true));
        assert_eq!(sum(-10, false, Standing::Unknown { holds: true }), (0, false, false));
        let file = |value, weight, reverse| {
            let mut sum = Sum::default();
            sum.add_file(value, weight, reverse, || "why".into());
            (sum.weight, sum.fault.is_some())
        };
        assert_eq!(file(5, 2, false), (10, false));
        assert_eq!(file(5, 2, true), (-10, false));
        assert_eq!(file(-300, 1, false), (0, true));
        assert_eq!(file(-253, 1, false), (-253, false));
        assert_eq!(file(i64::MAX, 254, false), (253, false));
        assert_eq!(file(i64::MIN, 254, true), (253, false));
        assert_eq!((file(0, 0, false), file(1, 0, false)), ((0, false), (0, true)));
        assert_eq!((file(0, 0, true), file(1, 0, true)), ((0, true), (0, false)));
    }

    #[test]
    fn the_priority_stays_in_its_range() {
        assert_eq!(effective(100, 20), 120);
        assert_eq!(effective(100, 500), 254);
        assert_eq!(effective(100, -500), 1);
        assert_eq!(effective(255, -500), 255);
    }
}
