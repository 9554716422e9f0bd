//! Ordered deadlines. Every small machine has at most one deadline; its owner files it again after each touch,
//! so that a stale timer cannot exist and nothing is ever cancelled.

use super::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub struct Timers<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Timers { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Sets, moves or (with None) forgets the deadline of `key`.
    pub fn file(&mut self, key: K, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, key));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key));
        }
    }

    pub fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest key that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }

    /// Keys due up to and including `until`, earliest first, left in place.
    pub fn until(&self, until: Instant) -> impl Iterator<Item = (Instant, K)> + '_ {
        self.by_time.iter().take_while(move |(at, _)| *at <= until).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_deadline() {
        let mut t = Timers::default();
        t.file(1, Some(Instant(10)));
        t.file(2, Some(Instant(5)));
        t.file(1, Some(Instant(3)));
        assert_eq!(t.first(), Some(Instant(3)));
        assert_eq!(t.pop_due(Instant(4)), Some(1));
        assert_eq!(t.pop_due(Instant(4)), None);
        t.file(2, None);
        assert_eq!(t.first(), None);
    }
}
