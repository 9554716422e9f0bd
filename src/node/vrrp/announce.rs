//! When to announce the addresses of a MASTER: at once, again after a delay, then at each refresh.

use crate::base::time::Instant;
use crate::config::model::Garp;

#[derive(Clone, Debug, Default)]
pub struct Announce {
    /// The burst to come, and its rounds.
    burst: Option<(Instant, u32)>,
    refresh: Option<Instant>,
}

impl Announce {
    /// Became MASTER: a burst now, one after the delay, the first refresh one period after that.
    /// The caller sends the first burst; its rounds are returned.
    pub fn start(&mut self, now: Instant, garp: &Garp) -> u32 {
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
        match (self.burst, self.refresh) {
            (Some((b, _)), Some(r)) => Some(b.min(r)),
            (Some((b, _)), None) => Some(b),
            (None, r) => r,
        }
    }

    /// The rounds to send now, if any are due.
    pub fn due(&mut self, now: Instant, garp: &Garp) -> u32 {
        let mut rounds = 0;
        if let Some((at, n)) = self.burst {
            if at <= now {
                self.burst = None;
                rounds = n;
            }
        }
        if let (Some(at), Some(every)) = (self.refresh, garp.refresh) {
            if at <= now {
                self.refresh = Some(now + every);
                rounds = rounds.max(garp.refresh_repeat);
            }
        }
        rounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn bursts_and_refreshes() {
        let garp = Garp { refresh: Some(Duration::from_secs(60)), ..Garp::default() };
        let mut a = Announce::default();
        assert_eq!(a.start(Instant(0), &garp), 5);
        assert_eq!(a.deadline(), Some(Instant(5_000_000)));
        assert_eq!(a.due(Instant(4_999_999), &garp), 0);
        assert_eq!(a.due(Instant(5_000_000), &garp), 5);
        assert_eq!(a.deadline(), Some(Instant(65_000_000)));
        assert_eq!(a.due(Instant(65_000_000), &garp), 1);
        assert_eq!(a.deadline(), Some(Instant(125_000_000)));
        a.stop();
        assert_eq!(a.deadline(), None);
    }
}
