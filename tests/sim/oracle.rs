//! What RFC 3768 and RFC 9568 say about an election, computed beside the node and from other things: from what was sent
//! and heard. It knows when a BACKUP may take over, who must obey whom, and for how long two routers were MASTER.

use crate::setup::Plan;
use holdfast::base::time::Instant;
use holdfast::node::vrrp::instance::State;
use std::net::IpAddr;

/// What became of the last advert of one router to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Last {
    #[default]
    None,
    /// On its way: the number of the sending.
    Flies(u64),
    Lost,
    Heard,
}

/// One virtual router on one router. Times are by that router's own clock.
#[derive(Clone, Debug)]
struct Seat {
    state: State,
    priority: u8,
    /// The highest since the timer was set: a sync group may go by what was so before.
    highest: u8,
    /// When Master_Down_Interval began.
    armed: Instant,
    /// Priority 0 was heard after that.
    farewell: Option<Instant>,
    /// ... and when for the first time: a member of a sync group that is ready by that stays ready.
    first_farewell: Option<Instant>,
    /// The priority changed, and the timer with it.
    moved: Instant,
    /// Lower adverts may have restarted the timer (preempt_delay).
    loose: bool,
}

pub struct Oracle {
    /// [virtual router][router]
    seats: Vec<Vec<Seat>>,
    /// [virtual router][from][to]
    last: Vec<Vec<Vec<Last>>>,
    pub flies: u64,
    pub lost: u64,
}

/// An advert as the oracle sees it.
pub struct Heard {
    pub v: usize,
    pub from: usize,
    pub source: IpAddr,
    pub priority: u8,
}

impl Oracle {
    pub fn new(virtuals: usize, routers: usize) -> Oracle {
        let seat = Seat {
            state: State::Init,
            priority: 0,
            highest: 0,
            armed: Instant(0),
            farewell: None,
            first_farewell: None,
            moved: Instant(0),
            loose: false,
        };
        Oracle {
            seats: vec![vec![seat; routers]; virtuals],
            last: vec![vec![vec![Last::None; routers]; routers]; virtuals],
            flies: 0,
            lost: 0,
        }
    }

    /// A new life begins.
    pub fn reborn(&mut self, r: usize) {
        for (seats, last) in self.seats.iter_mut().zip(&mut self.last) {
            seats[r].state = State::Init;
            last[r].fill(Last::None);
            last.iter_mut().for_each(|to| to[r] = Last::None);
        }
    }

    pub fn sent(&mut self, v: usize, from: usize, to: usize, fate: Last) {
        self.last[v][from][to] = fate;
    }

    /// A packet that did not count; an older copy changes nothing.
    pub fn in_vain(&mut self, v: usize, from: usize, to: usize, number: u64) {
        if self.last[v][from][to] == Last::Flies(number) {
            self.last[v][from][to] = Last::Lost;
        }
    }

    /// An advert counted. `own`: the receiver's address; `after`: what it is now.
    pub fn heard(&mut self, plan: &Plan, heard: &Heard, r: usize, own: Option<IpAddr>, after: State, now: Instant) {
        self.last[heard.v][heard.from][r] = Last::Heard;
        let seat = &mut self.seats[heard.v][r];
        let (theirs, ours) = (heard.priority, seat.priority);
        match seat.state {
            State::Backup if theirs == 0 => {
                seat.farewell = Some(now);
                seat.first_farewell.get_or_insert(now);
            }
            State::Backup if theirs >= ours || plan.nopreempt => {
                (seat.armed, seat.farewell, seat.highest, seat.loose) = (now, None, ours, false);
                seat.first_farewell = None;
            }
            State::Backup => seat.loose |= plan.preempt_delay > 0,
            State::Master if theirs > ours || (theirs == ours && Some(heard.source) > own) => {
                assert!(after != State::Master, "router {r} does not obey {theirs}, having {ours} itself");
            }
            _ => {}
        }
    }

    /// After each step. True: it has taken over.
    pub fn look(&mut self, plan: &Plan, v: usize, r: usize, state: State, priority: u8, now: Instant) -> bool {
        let seat = &mut self.seats[v][r];
        if priority != seat.priority {
            (seat.priority, seat.moved) = (priority, now);
            seat.highest = seat.highest.max(priority);
        }
        let before = std::mem::replace(&mut seat.state, state);
        if before == state {
            return false;
        }
        if state == State::Backup {
            (seat.armed, seat.farewell, seat.highest, seat.loose) = (now, None, priority, false);
            seat.first_farewell = None;
        }
        if state != State::Master {
            return false;
        }
        let grouped = plan.grouped && v < 2;
        let due = |priority: u8| match seat.farewell {
            Some(at) => at.0 + skew(plan, v, priority),
            None => seat.armed.0 + down(plan, v, priority),
        };
        // A member whose timer has run out waits for the others, whatever it hears of who gives up.
        let waited = seat.armed.0 + down(plan, v, seat.highest);
        let first = seat.first_farewell.map_or(waited, |at| at.0 + skew(plan, v, seat.highest));
        let early = if grouped { due(seat.highest).min(waited).min(first) } else { due(priority) };
        assert!(now.0 >= early, "router {r} takes over {v} early, by {} us: {seat:?}", early - now.0);
        let late = due(priority).max(seat.moved.0) + 2;
        assert!(grouped || seat.loose || now.0 <= late, "router {r} takes over {v} late: {late} {now:?} {seat:?}");
        true
    }

    /// Time goes on. Two MASTERs are right only as long as they have not heard of each other.
    pub fn pass(&mut self, micros: u64) {
        for (v, seats) in self.seats.iter().enumerate() {
            if seats.iter().filter(|s| s.state == State::Master).count() < 2 {
                continue;
            }
            let masters: Vec<usize> = (0..seats.len()).filter(|r| seats[*r].state == State::Master).collect();
            for (n, a) in masters.iter().enumerate() {
                for b in &masters[n + 1..] {
                    match (self.last[v][*a][*b], self.last[v][*b][*a]) {
                        (Last::Flies(_), _) | (_, Last::Flies(_)) => self.flies += micros,
                        (Last::Heard, Last::Heard) => {
                            assert!(micros == 0, "{a} and {b} are both MASTER of {v}, and have heard each other")
                        }
                        _ => self.lost += micros,
                    }
                }
            }
        }
    }

    pub fn gone(&mut self, r: usize) {
        self.seats.iter_mut().for_each(|seats| seats[r].state = State::Init);
    }
}

/// Skew_Time in microseconds: RFC 3768 6.1, RFC 9568 6.1.
pub fn skew(plan: &Plan, v: usize, priority: u8) -> u64 {
    let share = 256 - u64::from(priority);
    match plan.version(v) {
        2 => share * 1_000_000 / 256,
        _ => share * plan.advert_ms * 1_000 / 256,
    }
}

/// Master_Down_Interval in microseconds.
pub fn down(plan: &Plan, v: usize, priority: u8) -> u64 {
    3 * plan.advert_ms * 1_000 + skew(plan, v, priority)
}
