//! When to announce the addresses of a MASTER: at once, again after a delay, then at each refresh. And how fast: what is
//! still to be sent is a count of rounds and a place in the list of addresses, however many there are. Nothing is queued.

use crate::base::time::Instant;
use crate::config::model::Garp;
use std::cmp::Ordering;
use std::ops::Range;
use std::time::Duration;

/// Gratuitous ARP and neighbour advertisements have paces of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Arp,
    Na,
}

#[derive(Clone, Debug, Default)]
pub struct Announce {
    /// The burst to come, and its rounds.
    burst: Option<(Instant, u32)>,
    refresh: Option<Instant>,
    /// garp_extra_if.
    extra_at: Option<Instant>,
    /// The addresses that it wants now, the next one last: one for each link.
    extra: Vec<usize>,
    arp: Rounds,
    na: Rounds,
}

/// What is to be sent of one kind: rounds over a part of the addresses, A B C A B C, so that each is told early.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// The one that is under way included.
    left: u32,
    /// The next address.
    at: usize,
    part: Range<usize>,
}

impl Rounds {
    fn ask(&mut self, rounds: u32, part: &Range<usize>) {
        if self.left == 0 {
            (self.at, self.part) = (part.start, part.clone());
        } else {
            self.part = self.part.start.min(part.start)..self.part.end.max(part.end);
        }
        // What comes faster than it can be sent does not pile up.
        let both = self.left.saturating_add(rounds).min(rounds.saturating_mul(2));
        self.left = both.max(self.left);
    }

    /// The first address from here on that `fits`: its place. None: there is nothing to send.
    fn next(&mut self, fits: impl Fn(usize) -> bool) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        // Twice: to the end of this round, and a whole one.
        for _ in 0..2 {
            if let Some(at) = (self.at..self.part.end).find(|at| fits(*at)) {
                self.at = at;
                return Some(at);
            }
            self.step_over();
            if self.left == 0 {
                return None;
            }
        }
        self.left = 0;
        None
    }

    fn step_over(&mut self) {
        self.at = self.part.start;
        self.left = self.left.saturating_sub(1);
    }

    /// The address at `at` was sent.
    fn sent(&mut self, at: usize) {
        self.at = at + 1;
        if self.at >= self.part.end {
            self.step_over();
        }
    }
}

impl Announce {
    /// Became MASTER: a burst now, one after the delay, the first refresh one period after that.
    /// The caller begins the first burst; its rounds are returned. `extra`: garp_extra_if.
    pub fn start(&mut self, now: Instant, garp: &Garp, extra: Option<Duration>) -> u32 {
        self.extra_at = extra.map(|every| now + garp.delay + every);
        self.burst = (!garp.delay.is_zero()).then(|| (now + garp.delay, garp.repeat));
        self.refresh = garp.refresh.map(|every| now + garp.delay + every);
        garp.repeat
    }

    /// Heard a lower advert: some hosts may believe that router; a burst now and one after the delay.
    pub fn again(&mut self, now: Instant, garp: &Garp) -> u32 {
        let rounds = garp.lower_repeat.unwrap_or(garp.repeat);
        let delay = garp.lower_delay.unwrap_or(garp.delay);
        if rounds > 0 && !delay.is_zero() && self.burst.is_none_or(|(at, _)| at > now + delay) {
            self.burst = Some((now + delay, rounds));
        }
        rounds
    }

    pub fn stop(&mut self) {
        *self = Announce::default();
    }

    pub fn deadline(&self) -> Option<Instant> {
        [self.burst.map(|(at, _)| at), self.refresh, self.extra_at].into_iter().flatten().min()
    }

    /// The rounds to begin now, if any are due.
    pub fn due(&mut self, now: Instant, garp: &Garp) -> u32 {
        let mut rounds = 0;
        if let Some((at, n)) = self.burst {
            if at <= now {
                self.burst = None;
                rounds = n;
            }
        }
        if self.refresh.is_some_and(|at| at <= now) {
            // A reload may have ended it.
            self.refresh = garp.refresh.map(|every| now + every);
            rounds = rounds.max(garp.refresh.map_or(0, |_| garp.refresh_repeat));
        }
        rounds
    }

    /// Is garp_extra_if due?
    pub fn extra_due(&mut self, now: Instant, extra: Option<Duration>) -> bool {
        let due = self.extra_at.is_some_and(|at| at <= now);
        if due {
            self.extra_at = extra.map(|every| now + every);
        }
        due && extra.is_some()
    }

    /// After a reload, of a MASTER.
    pub fn keep_extra(&mut self, now: Instant, extra: Option<Duration>) {
        self.extra_at = extra.map(|every| self.extra_at.map_or(now + every, |at| at.min(now + every)));
    }

    /// One announcement of each of these places. What was asked before and is not sent yet is so all the same.
    pub fn ask_extra(&mut self, mut places: Vec<usize>) {
        places.reverse();
        self.extra = places;
    }

    pub fn next_extra(&self) -> Option<usize> {
        self.extra.last().copied()
    }

    /// The next of these was sent, or is nowhere any more.
    pub fn extra_done(&mut self) {
        self.extra.pop();
    }

    /// So many rounds over these addresses are wanted.
    pub fn ask(&mut self, rounds: u32, part: Range<usize>) {
        if rounds > 0 && !part.is_empty() {
            self.arp.ask(rounds, &part);
            self.na.ask(rounds, &part);
        }
    }

    pub fn is_silent(&self) -> bool {
        self.arp.left == 0 && self.na.left == 0 && self.extra.is_empty()
    }

    /// What may be sent next of each kind, in the order of the addresses: the place of each. `kind` says what an
    /// address needs, None if it is announced nowhere.
    pub fn next(&mut self, kind: impl Fn(usize) -> Option<Kind>) -> [Option<(Kind, usize)>; 2] {
        let arp = self.arp.next(|at| kind(at) == Some(Kind::Arp)).map(|at| (Kind::Arp, at));
        let na = self.na.next(|at| kind(at) == Some(Kind::Na)).map(|at| (Kind::Na, at));
        // Without pauses both go through the list together.
        let arp_first = match self.arp.left.cmp(&self.na.left) {
            Ordering::Equal => self.arp.at < self.na.at,
            more => more == Ordering::Greater,
        };
        if arp_first {
            [arp, na]
        } else {
            [na, arp]
        }
    }

    pub fn sent(&mut self, kind: Kind, at: usize) {
        match kind {
            Kind::Arp => self.arp.sent(at),
            Kind::Na => self.na.sent(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_for_each_extra_link_after_the_delay_and_a_period() {
        let (garp, every) = (Garp { delay: Duration::from_secs(2), ..Garp::default() }, Duration::from_secs(1));
        let mut a = Announce::default();
        a.start(Instant(0), &garp, Some(every));
        assert_eq!(a.due(Instant(2_000_000), &garp), 5);
        assert_eq!(a.deadline(), Some(Instant(3_000_000)));
        assert!(!a.extra_due(Instant(2_999_999), Some(every)));
        assert!(a.extra_due(Instant(3_000_000), Some(every)));
        assert_eq!(a.deadline(), Some(Instant(4_000_000)));
        a.ask_extra(vec![1, 4]);
        let mut sent = Vec::new();
        while let Some(at) = a.next_extra() {
            assert!(!a.is_silent());
            sent.push(at);
            a.extra_done();
        }
        assert!(sent == [1, 4] && a.is_silent());
        a.keep_extra(Instant(3_500_000), None);
        assert_eq!(a.deadline(), None, "a reload has ended it");
        a.keep_extra(Instant(3_500_000), Some(every));
        assert_eq!(a.deadline(), Some(Instant(4_500_000)), "or has begun it");
    }

    #[test]
    fn a_refresh_that_a_reload_ends_does_not_stay_due() {
        let garp = Garp { refresh: Some(Duration::from_secs(60)), delay: Duration::ZERO, ..Garp::default() };
        let mut a = Announce::default();
        a.start(Instant(0), &garp, None);
        assert_eq!(a.due(Instant(60_000_000), &Garp { refresh: None, ..garp }), 0);
        assert_eq!(a.deadline(), None);
    }

    #[test]
    fn bursts_and_refreshes() {
        let garp = Garp { refresh: Some(Duration::from_secs(60)), ..Garp::default() };
        let mut a = Announce::default();
        assert_eq!(a.start(Instant(0), &garp, None), 5);
        assert_eq!(a.deadline(), Some(Instant(5_000_000)));
        assert_eq!(a.due(Instant(4_999_999), &garp), 0);
        assert_eq!(a.due(Instant(5_000_000), &garp), 5);
        assert_eq!(a.deadline(), Some(Instant(65_000_000)));
        assert_eq!(a.due(Instant(65_000_000), &garp), 1);
        assert_eq!(a.deadline(), Some(Instant(125_000_000)));
        a.stop();
        assert_eq!(a.deadline(), None);
    }

    /// Addresses as letters: capitals by ARP, small ones by NA, a dot nowhere. All that is sent, first choice first.
    fn all(a: &mut Announce, addresses: &str) -> String {
        let letter = |at: usize| addresses.chars().nth(at).filter(|c| *c != '.');
        let kind = |at: usize| letter(at).map(|c| if c.is_uppercase() { Kind::Arp } else { Kind::Na });
        let mut out = String::new();
        while let Some((kind, at)) = a.next(kind).into_iter().flatten().next() {
            out.extend(letter(at));
            a.sent(kind, at);
            assert!(out.len() < 1000);
        }
        assert!(a.is_silent());
        out
    }

    #[test]
    fn rounds_in_the_order_of_the_list() {
        let asked = |rounds, part: Range<usize>| {
            let mut a = Announce::default();
            a.ask(rounds, part);
            a
        };
        for (addresses, rounds, sent) in [
            ("ABCDe", 3, "ABCDeABCDeABCDe"),
            ("aBcD", 2, "aBcDaBcD"),
            ("A.B", 2, "ABAB"),
            ("..b", 2, "bb"),
            ("A", 3, "AAA"),
            ("...", 5, ""),
            ("", 5, ""),
        ] {
            assert_eq!(all(&mut asked(rounds, 0..addresses.len()), addresses), sent, "{addresses}");
        }
        assert_eq!(all(&mut asked(2, 1..3), "ABcD"), "BcBc", "a part");
        assert_eq!(all(&mut asked(2, 1..9), "AB"), "BB", "a list that has become shorter");
    }

    #[test]
    fn one_burst_upon_another_adds_up_and_has_a_bound() {
        let mut a = Announce::default();
        a.ask(2, 0..2);
        a.ask(2, 0..2);
        assert_eq!(all(&mut a, "AB"), "ABABABAB");
        for _ in 0..1000 {
            a.ask(2, 0..2);
        }
        assert_eq!(all(&mut a, "AB"), "ABABABAB");
        a.ask(5, 0..2);
        a.ask(1, 0..2);
        assert_eq!(all(&mut a, "AB"), "ABABABABAB", "a small one does not shorten a large one");
        a.ask(1, 0..1);
        a.ask(1, 2..3);
        assert_eq!(all(&mut a, "ABC"), "ABCABC");
    }
}
