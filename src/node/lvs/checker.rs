//! The schedule of one check: when it runs, how often it may fail, what its verdict means for the server.

use crate::base::time::Instant;
use crate::base::verdict::{Reason, Verdict};
use crate::config::model::{Check, CheckKind};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Checker {
    /// Indices into Config::services, its servers, their checks.
    pub service: u32,
    pub server: u32,
    pub check: u16,
    /// Counts against the server.
    pub failed: bool,
    pub running: bool,
    started: Instant,
    pub deadline: Option<Instant>,
    /// Failures in a row that are still forgiven.
    forgiven: u32,
    tries: u32,
    /// HTTP: which URL is due, and how many in a row were good since the check failed.
    pub url: u16,
    good_urls: u16,
    /// misc_dynamic: the weight that the program asked for.
    pub weight: Option<u32>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum News {
    /// Nothing for the server.
    Same,
    /// Failed, but some tries are left.
    Try(Reason, u32),
    /// The check counts as failed now, after that many tries.
    Failed(Reason, u32),
    Good,
    Weight,
}

/// After start checks wait this long, and then up to their warm-up (behaviour of keepalived).
const FIRST: Duration = Duration::from_secs(1);
/// When our own side could not try.
const LOCAL_RETRY: Duration = Duration::from_secs(1);

impl Checker {
    /// The place: indices of service, server and check. `spread` (a fraction of 2^32) says where in the warm-up this one begins, so that a thousand do not begin together.
    pub fn new((service, server, check): (usize, usize, usize), conf: &Check, now: Instant, spread: u32) -> Checker {
        let warmup = conf.warmup.as_micros() as u64;
        let offset = Duration::from_micros(((u128::from(warmup) * u128::from(spread)) >> 32) as u64);
        Checker {
            service: service as u32,
            server: server as u32,
            check: check as u16,
            failed: conf.alpha,
            running: false,
            started: now,
            deadline: Some(now + FIRST + offset),
            // The first failure of a fresh server takes it out at once.
            forgiven: 0,
            tries: 0,
            url: 0,
            good_urls: 0,
            weight: None,
        }
    }

    pub fn start(&mut self, now: Instant) {
        self.running = true;
        self.started = now;
        self.deadline = None;
    }

    pub fn verdict(&mut self, conf: &Check, now: Instant, verdict: Verdict) -> News {
        self.running = false;
        let again = |at: Instant| Some(if at > now { at } else { now });
        match verdict {
            Verdict::NotTried(_) => {
                self.deadline = Some(now + LOCAL_RETRY);
                News::Same
            }
            Verdict::Up | Verdict::Weight(_) => {
                let weight = match verdict {
                    Verdict::Weight(w) => Some(w),
                    _ => None,
                };
                let changed = self.weight != weight;
                self.weight = weight;
                (self.forgiven, self.tries) = (conf.retry, 0);
                self.deadline = again(self.started + conf.delay_loop);
                let urls = match &conf.kind {
                    CheckKind::Http(http) => u16::try_from(http.urls.len()).unwrap_or(u16::MAX).max(1),
                    _ => 1,
                };
                self.url = (self.url + 1) % urls;
                if self.failed {
                    self.good_urls += 1;
                    if self.good_urls < urls {
                        // Every URL must be good before the server is trusted again.
                        self.deadline = Some(now);
                        return News::Same;
                    }
                    (self.failed, self.good_urls) = (false, 0);
                    return News::Good;
                }
                if changed {
                    News::Weight
                } else {
                    News::Same
                }
            }
            Verdict::Down(reason) => {
                self.good_urls = 0;
                self.tries = self.tries.saturating_add(1);
                if self.failed {
                    self.deadline = again(self.started + conf.delay_loop);
                    return News::Same;
                }
                if self.forgiven > 0 {
                    self.forgiven -= 1;
                    self.deadline = Some(now + conf.delay_before_retry);
                    return News::Try(reason, self.forgiven + 1);
                }
                self.failed = true;
                self.weight = None;
                self.deadline = again(self.started + conf.delay_loop);
                News::Failed(reason, self.tries)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf() -> Check {
        Check {
            delay_loop: Duration::from_secs(6),
            retry: 2,
            delay_before_retry: Duration::from_secs(1),
            warmup: Duration::from_secs(6),
            alpha: false,
            timeout: Duration::from_secs(5),
            log_all_failures: false,
            connect_ip: None,
            connect_port: None,
            bind: None,
            bind_port: None,
            bind_if: None,
            fwmark: None,
            kind: CheckKind::Tcp,
        }
    }

    #[test]
    fn first_failure_at_once_then_retries() {
        let conf = conf();
        let at = |s: u64| Instant(s * 1_000_000);
        let down = || Verdict::Down(Reason::Connect(111));
        let mut c = Checker::new((0, 0, 0), &conf, at(0), 1 << 31);
        assert_eq!(c.deadline, Some(at(4)));
        c.start(at(4));
        assert_eq!(c.verdict(&conf, at(4), down()), News::Failed(Reason::Connect(111), 1));
        assert_eq!(c.deadline, Some(at(10)));
        c.start(at(10));
        assert_eq!(c.verdict(&conf, at(10), Verdict::Up), News::Good);
        c.start(at(16));
        assert_eq!(c.verdict(&conf, at(16), down()), News::Try(Reason::Connect(111), 2));
        assert_eq!(c.deadline, Some(at(17)));
        c.start(at(17));
        assert_eq!(c.verdict(&conf, at(17), down()), News::Try(Reason::Connect(111), 1));
        c.start(at(18));
        assert_eq!(c.verdict(&conf, at(18), down()), News::Failed(Reason::Connect(111), 3));
        c.start(at(24));
        assert_eq!(c.verdict(&conf, at(24), Verdict::NotTried(24)), News::Same);
        assert!(c.failed);
    }
}
