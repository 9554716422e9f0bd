//! One virtual router: the state table of RFC 3768 section 6.4, timers in microseconds.
//!
//! ```text
//!            fault gone            master down timer
//!   FAULT ---------------> BACKUP -----------------> MASTER
//!     ^                      |  ^                      |
//!     +----------------------+  +----------------------+ better advert
//!     +------------------------------------------------+ fault
//! ```

use super::announce::Announce;
use super::packet::interval;
use super::signing::Signing;
use super::vlink::VirtualLink;
use crate::base::time::Instant;
use crate::config::model;
use crate::limits;
use crate::wire::op::Key;
use crate::wire::vrrp::{Advert, Bad, PRIORITY_OWNER, PRIORITY_STOP};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Init,
    Backup,
    Master,
    Fault,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Init => "INIT",
            State::Backup => "BACKUP",
            State::Master => "MASTER",
            State::Fault => "FAULT",
        }
    }
}

/// The last advert that counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    pub from: IpAddr,
    pub priority: u8,
    pub at: Instant,
}

#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub advert_rcvd: u32,
    pub advert_sent: u32,
    pub become_master: u32,
    pub release_master: u32,
    pub zero_rcvd: u32,
    pub zero_sent: u32,
    pub address_list: u32,
    /// Of the drops for the authentication type: those whose type nobody knows.
    pub auth_unknown: u32,
    /// By `Bad::index`.
    pub dropped: [u32; Bad::COUNT],
}

/// The numbers of AH.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    /// The highest one that anybody used for this router: who speaks next goes on from there, since keepalived takes
    /// only what rises, whoever sends it.
    highest: u32,
    /// The last one of each sender, the last sender first.
    heard: Vec<(IpAddr, u32)>,
}

impl Sequence {
    /// A new MASTER: the one before may have sent some that nobody heard (its link was down).
    pub fn leap(&mut self) {
        self.highest = self.highest.saturating_add(8);
    }

    pub fn take(&mut self) -> u32 {
        self.highest = self.highest.saturating_add(1);
        self.highest
    }

    /// Was that number, or a higher one, heard of that sender before?
    pub fn is_used(&self, from: IpAddr, number: u32) -> bool {
        self.heard.iter().any(|(who, last)| *who == from && number <= *last)
    }

    pub fn heard(&mut self, from: IpAddr, number: u32) {
        self.highest = self.highest.max(number);
        self.heard.retain(|(who, _)| *who != from);
        self.heard.truncate(limits::AH_SENDERS - 1);
        self.heard.insert(0, (from, number));
    }
}

#[derive(Debug)]
pub struct Instance {
    pub state: State,
    /// When this state began.
    pub changed: Instant,
    /// BACKUP: when the master counts as dead. MASTER: when the next advert is due.
    pub deadline: Option<Instant>,
    /// A member of a sync group whose deadline has passed: waits for the others.
    pub wants_master: bool,
    /// The effective one: the configured one and what the trackers make of it. 0: not known yet.
    pub priority: u8,
    /// A tracked script has not reported yet; it is waited for, in silence.
    pub waits: bool,
    /// Why this instance may not take part, in words.
    pub fault: Option<Box<str>>,
    pub ifindex: Option<u32>,
    pub source: Option<IpAddr>,
    /// The last one there was: the farewell of a router that lost its address still comes from it.
    pub last_source: Option<IpAddr>,
    pub heard: Option<Heard>,
    /// Version 3: the interval of the master that was heard last.
    pub learned: Option<Duration>,
    pub sequence: Sequence,
    /// Of auth_hmac.
    pub signing: Option<Box<Signing>>,
    /// A unicast peer sums as old ones do.
    pub old_peer: bool,
    /// MASTER with priority 255: another one claims that too, and may go on until then.
    pub rival: Option<Instant>,
    /// Priority 255 that runs at 254 as long as this router claims 255.
    pub gives_way: Option<Box<IpAddr>>,
    /// When the first of an unbroken run of lower adverts came (preempt_delay).
    pub lower_since: Option<Instant>,
    pub announce: Announce,
    /// An address of ours is taken away again and again: FAULT until then.
    pub stolen_until: Option<Instant>,
    pub counters: Counters,
    pub claims: Vec<Key>,
    /// Its own links.
    pub vlinks: Vec<VirtualLink>,
    /// What was said about packets since the last change of state or master: a bit for each kind.
    pub said: u32,
    ip_id: u16,
}

/// What an advert makes of us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaction {
    Accepted,
    /// BACKUP: the master gives up, our turn after the skew.
    MasterGivesUp,
    /// BACKUP: a lower advert, our timer runs on.
    Lower,
    /// MASTER: answer priority 0 with an advert.
    AnswerZero,
    /// MASTER: somebody lower believes to be MASTER.
    Contender,
    /// MASTER: a better one is there.
    StepDown,
    /// MASTER with 255: another one with 255, whose address is lower. It should hear us and go.
    Rival,
    /// It does not go.
    GiveWay,
    Ignored,
}

/// Bits of `said` beyond those of `Bad::index`.
pub const SAID_LIST: u32 = 1 << 31;
pub const SAID_LOWER: u32 = 1 << 30;
pub const SAID_CONTENDER: u32 = 1 << 29;
pub const SAID_INTERVAL: u32 = 1 << 28;
pub const SAID_CLOCK: u32 = 1 << 27;
const _: () = assert!(Bad::COUNT <= 27);

impl Default for Instance {
    fn default() -> Self {
        Instance {
            state: State::Init,
            changed: Instant(0),
            deadline: None,
            wants_master: false,
            priority: 0,
            waits: false,
            fault: None,
            ifindex: None,
            source: None,
            last_source: None,
            heard: None,
            learned: None,
            sequence: Sequence::default(),
            signing: None,
            old_peer: false,
            rival: None,
            gives_way: None,
            lower_since: None,
            announce: Announce::default(),
            stolen_until: None,
            counters: Counters::default(),
            claims: Vec::new(),
            vlinks: Vec::new(),
            said: 0,
            ip_id: 0,
        }
    }
}

impl Instance {
    /// True the first time since the last change of state or master.
    pub fn say_once(&mut self, bit: u32) -> bool {
        let first = self.said & bit == 0;
        self.said |= bit;
        first
    }

    /// IP identification: counts up, never 0 (the kernel would fill one in).
    pub fn next_ip_id(&mut self) -> u16 {
        self.ip_id = self.ip_id.checked_add(1).unwrap_or(1);
        self.ip_id
    }

    /// Skew_Time, by the master's interval where that is known.
    pub fn skew(&self, conf: &model::Instance, priority: u8) -> Duration {
        skew(priority, conf.wire.version, interval(conf, self.learned))
    }

    /// Master_Down_Interval, by the master's interval where that is known.
    pub fn master_down(&self, conf: &model::Instance, priority: u8) -> Duration {
        interval(conf, self.learned) * u32::from(conf.down_timer_adverts) + self.skew(conf, priority)
    }

    /// Takes in a valid advert (section 6.4.2 and 6.4.3). Changes timers and memory, never the state.
    pub fn hear(&mut self, conf: &model::Instance, now: Instant, from: IpAddr, advert: &Advert) -> Reaction {
        self.counters.advert_rcvd = self.counters.advert_rcvd.wrapping_add(1);
        if advert.priority == PRIORITY_STOP {
            self.counters.zero_rcvd = self.counters.zero_rcvd.wrapping_add(1);
        }
        let theirs = advert.priority;
        let ours = self.priority;
        match self.state {
            State::Init | State::Fault => Reaction::Ignored,
            State::Backup if theirs == PRIORITY_STOP => {
                self.deadline = Some(now + self.skew(conf, ours));
                Reaction::MasterGivesUp
            }
            State::Backup => {
                let waits = match (theirs < ours, conf.preempt_delay.is_zero()) {
                    (true, false) => now.since(*self.lower_since.get_or_insert(now)) < conf.preempt_delay,
                    (true, true) => false,
                    (false, _) => {
                        self.lower_since = None;
                        false
                    }
                };
                if theirs < ours && !conf.nopreempt && !waits {
                    return Reaction::Lower;
                }
                if self.heard.is_none_or(|h| h.from != from) {
                    self.said = 0;
                }
                self.heard = Some(Heard { from, priority: theirs, at: now });
                self.learned = Some(advert.interval);
                self.wants_master = false;
                self.deadline = Some(now + self.master_down(conf, ours));
                Reaction::Accepted
            }
            State::Master if theirs == PRIORITY_STOP => Reaction::AnswerZero,
            State::Master => {
                let source = self.source.unwrap_or(IpAddr::from([0, 0, 0, 0]));
                if theirs == PRIORITY_OWNER && ours == PRIORITY_OWNER && from < source {
                    self.rival(conf, now, from, advert.interval)
                } else if theirs > ours || (theirs == ours && from > source) {
                    self.heard = Some(Heard { from, priority: theirs, at: now });
                    self.learned = Some(advert.interval);
                    Reaction::StepDown
                } else {
                    Reaction::Contender
                }
            }
        }
    }
}

impl Instance {
    /// Another owner: it may go on for 1.2 intervals, then it does not hear us, and one of us has to go.
    fn rival(&mut self, conf: &model::Instance, now: Instant, from: IpAddr, interval: Duration) -> Reaction {
        let wait = interval.max(conf.advert_int) * 6 / 5;
        match self.rival {
            Some(until) if now < until => Reaction::Ignored,
            // One that was silent for long begins anew.
            Some(until) if now.since(until) < self.master_down(conf, self.priority) => {
                (self.rival, self.gives_way) = (None, Some(Box::new(from)));
                Reaction::GiveWay
            }
            _ => {
                self.rival = Some(now + wait);
                Reaction::Rival
            }
        }
    }

    /// What the trackers leave of the priority; an owner's moves only for another owner.
    pub fn effective(&self, conf: &model::Instance, weight: i32) -> u8 {
        match self.gives_way {
            Some(_) if conf.priority == PRIORITY_OWNER => PRIORITY_OWNER - 1,
            _ => crate::node::track::effective(conf.priority, weight),
        }
    }

    /// timer_expired_backup: MASTER comes so late with its advert that others have a new one, which nopreempt forbids to
    /// disturb.
    pub fn is_overdue(&self, conf: &model::Instance, now: Instant) -> bool {
        let others = conf.timer_expired_backup.map(|p| if p == 0 { PRIORITY_OWNER - 1 } else { p });
        let sent = self.deadline.map(|due| due - conf.advert_int);
        match (others, sent) {
            (Some(others), Some(sent)) if conf.nopreempt => now.since(sent) > self.master_down(conf, others),
            _ => false,
        }
    }
}

/// (256 - priority) / 256 seconds, in microseconds (RFC 3768 6.1); in version 3 that share of the interval, which is
/// whole centiseconds (RFC 9568 6.1).
pub fn skew(priority: u8, version: u8, interval: Duration) -> Duration {
    let share = 256 - u64::from(priority);
    Duration::from_micros(match version {
        2 => share * 1_000_000 / 256,
        _ => share * (interval.as_millis() as u64 / 10) * 625 / 16,
    })
}

/// Master_Down_Interval while no master was heard: three intervals and the skew (RFC 3768 6.1).
pub fn master_down(conf: &model::Instance, priority: u8) -> Duration {
    Instance::default().master_down(conf, priority)
}

/// An owner that wants it is MASTER at once; everybody else listens first.
pub fn acts_at_once(conf: &model::Instance) -> bool {
    conf.priority == PRIORITY_OWNER && conf.want_master
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_in_microseconds() {
        let second = Duration::from_secs(1);
        for version in [2, 3] {
            assert_eq!(skew(150, version, second), Duration::from_micros(414_062));
            assert_eq!(skew(254, version, second), Duration::from_micros(7_812));
            assert_eq!(skew(1, version, second), Duration::from_micros(996_093));
        }
        assert_eq!(skew(150, 3, second / 2), Duration::from_micros(207_031));
        assert_eq!(skew(150, 3, second / 100), Duration::from_micros(4_140));
    }

    #[test]
    fn ip_id_never_zero() {
        let mut i = Instance { ip_id: u16::MAX, ..Instance::default() };
        assert_eq!(i.next_ip_id(), 1);
        assert_eq!(i.next_ip_id(), 2);
    }
}
