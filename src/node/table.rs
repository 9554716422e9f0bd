//! What the kernel should hold and what it holds, and the operations that make the second like the first.
//!
//! Everything that moves state into the kernel goes through here: take-over, falling back, a check's verdict, reload,
//! stop, leftovers of a crash, repair of what somebody else removed. Keys have owners that are counted, so that one
//! instance or service can be settled without a look at the others.

use crate::base::addr::IfName;
use crate::base::time::Instant;
use crate::limits;
use crate::wire::link::{LinkKey, LinkValue};
use crate::wire::op::{Key, Op, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Default)]
pub struct Table {
    /// In boxes: a tree that grows in order is half empty.
    slots: BTreeMap<Key, Box<Slot>>,
    /// Keys whose two sides may differ.
    unsettled: BTreeSet<Key>,
    parked: BTreeSet<(Instant, Key)>,
    /// IPVS operations wait until its table was read.
    pub ipvs_ready: bool,
}

#[derive(Default)]
struct Slot {
    owners: u16,
    /// Its place in its owner's list.
    place: u32,
    want: Option<Value>,
    have: Option<Value>,
    /// What was there before us: comes back when nobody wants the key any more.
    found: Option<Box<Value>>,
    /// News of our own operations still to come.
    echo_add: u8,
    echo_gone: u8,
    parked: Option<Instant>,
    /// The object is there, but a change of its details was refused.
    stale: bool,
    /// The last attempt was refused, and that was said.
    refused: bool,
    /// Put-backs in the minute that began at `.0`.
    put_backs: (Instant, u32),
}

/// What news of an object meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Our own doing, or nothing new.
    None,
    /// Somebody removed what we want: it will be put back, that many times in this minute.
    Taken(u32),
    /// ... too often: not put back until a minute has passed.
    TooOften,
}

impl Table {
    /// An owner says what it wants now; `claims` remembers its keys for the next time.
    pub fn claim(&mut self, claims: &mut Vec<Key>, wanted: Vec<(Key, Value)>) {
        let mut wanted: Vec<_> = (0u32..).zip(wanted).map(|(place, (key, value))| (key, value, place)).collect();
        wanted.sort_by_key(|(key, ..)| *key);
        wanted.dedup_by_key(|(key, ..)| *key);
        let mut old = std::mem::take(claims).into_iter().peekable();
        claims.reserve_exact(wanted.len());
        for (key, value, place) in wanted {
            while let Some(gone) = old.next_if(|k| *k < key) {
                self.release(gone);
            }
            let known = old.next_if_eq(&key).is_some();
            let slot = self.slots.entry(key).or_default();
            if !known {
                slot.owners += 1;
            }
            slot.place = place;
            if slot.want.as_ref() != Some(&value) {
                slot.want = Some(value);
                self.unsettled.insert(key);
            }
            claims.push(key);
        }
        for gone in old {
            self.release(gone);
        }
    }

    fn release(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.owners = slot.owners.saturating_sub(1);
            if slot.owners == 0 {
                slot.want = slot.found.as_deref().cloned();
                self.unsettled.insert(key);
            }
        }
    }

    /// An object that is there although this run did not put it there, and that is ours by record or configuration.
    pub fn adopt(&mut self, key: Key, have: Value, found: Option<Value>) {
        let slot = self.slots.entry(key).or_default();
        slot.have = Some(have);
        slot.found = found.map(Box::new);
        if slot.owners == 0 {
            slot.want = slot.found.as_deref().cloned();
        }
        self.unsettled.insert(key);
    }

    pub fn knows(&self, key: &Key) -> bool {
        self.slots.contains_key(key)
    }

    /// The kernel says that the object is there now.
    pub fn appeared(&mut self, key: Key, value: Value) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        if slot.echo_add > 0 {
            slot.echo_add -= 1;
            slot.refused = false;
            return;
        }
        slot.have = Some(value);
        self.unsettled.insert(key);
    }

    /// The kernel says that the object is gone.
    pub fn vanished(&mut self, now: Instant, key: Key) -> Change {
        let Some(slot) = self.slots.get_mut(&key) else { return Change::None };
        if slot.echo_gone > 0 {
            slot.echo_gone -= 1;
            self.unsettled.insert(key); // the slot may be of no use any more
            return Change::None;
        }
        if slot.have.take().is_none() || slot.want.is_none() {
            self.unsettled.insert(key);
            return Change::None;
        }
        if now.since(slot.put_backs.0) >= Duration::from_secs(60) {
            slot.put_backs = (now, 0);
        }
        slot.put_backs.1 += 1;
        if slot.put_backs.1 > limits::PUT_BACKS_PER_MINUTE {
            let until = slot.put_backs.0 + Duration::from_secs(60);
            self.park(key, until);
            return Change::TooOften;
        }
        let count = slot.put_backs.1;
        self.unsettled.insert(key);
        Change::Taken(count)
    }

    /// An object is gone, and nobody is to blame.
    pub fn lost(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.have = None;
            self.unsettled.insert(key);
        }
    }

    /// An interface is gone, and with it all that was on it.
    pub fn link_gone(&mut self, ifindex: u32) {
        for (key, slot) in &mut self.slots {
            if interface(key) == Some(ifindex) {
                (slot.have, slot.echo_add, slot.echo_gone) = (None, 0, 0);
                self.unsettled.insert(*key);
            }
        }
    }

    /// A dump of addresses and routes begins: whatever it does not name is not there.
    pub fn forget_news(&mut self) -> BTreeSet<Key> {
        let mut before = BTreeSet::new();
        for (key, slot) in &mut self.slots {
            if echoes(key) {
                (slot.echo_add, slot.echo_gone) = (0, 0);
                if slot.have.is_some() {
                    before.insert(*key);
                }
            }
        }
        before
    }

    /// The operation was not carried out in the usual way. True if that is to be said: a refusal that is new.
    pub fn answered(&mut self, now: Instant, op: &Op, was_there: bool) -> bool {
        let key = op.key();
        // A slot of which nothing was left may be gone: what could not be removed is there again.
        let slot = self.slots.entry(key).or_default();
        match op {
            Op::Add(..) | Op::Set(..) => {
                if echoes(&key) {
                    slot.echo_add = slot.echo_add.saturating_sub(1);
                }
                if matches!(op, Op::Set(..)) {
                    slot.stale = !was_there; // it is there, with details of before
                } else if !was_there {
                    slot.have = None;
                }
            }
            Op::Remove(_, value) => {
                if echoes(&key) {
                    slot.echo_gone = slot.echo_gone.saturating_sub(1);
                }
                if !was_there {
                    slot.have = Some(value.clone());
                }
            }
        }
        if was_there {
            slot.refused = false;
            self.unsettled.insert(key);
            return false;
        }
        let new = !std::mem::replace(&mut slot.refused, true);
        self.park(key, now + limits::REFUSED_RETRY);
        // Without their service destinations are refused as well: that goes without saying.
        new && !matches!(key, Key::Dest(service, _) if self.is_parked(&Key::Service(service)))
    }

    fn park(&mut self, key: Key, until: Instant) {
        if let Some(slot) = self.slots.get_mut(&key) {
            if let Some(old) = slot.parked.replace(until) {
                self.parked.remove(&(old, key));
            }
            self.parked.insert((until, key));
            self.unsettled.remove(&key);
        }
    }

    /// Tries again what was refused on that interface (None: whatever is due).
    pub fn unpark(&mut self, now: Instant, ifindex: Option<u32>) {
        let due: Vec<_> = match ifindex {
            None => self.parked.iter().take_while(|(at, _)| *at <= now).copied().collect(),
            Some(_) => self.parked.iter().filter(|(_, key)| interface(key) == ifindex).copied().collect(),
        };
        for (at, key) in due {
            self.parked.remove(&(at, key));
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.parked = None;
            }
            self.unsettled.insert(key);
        }
    }

    pub fn retry_at(&self) -> Option<Instant> {
        self.parked.first().map(|(at, _)| *at)
    }

    /// IPVS was found missing or was reopened: nothing of it is known to be there.
    pub fn forget_ipvs(&mut self) {
        for (key, slot) in &mut self.slots {
            if is_ipvs(key) {
                (slot.have, slot.found) = (None, None);
                self.unsettled.insert(*key);
            }
        }
    }

    /// The operations that bring the kernel to what is wanted: first what goes, the last object first; then what
    /// comes or changes, the first object first. They count as done; `answered` says otherwise.
    pub fn settle(&mut self, out: &mut Vec<Op>) {
        if self.unsettled.is_empty() {
            return;
        }
        let mut unsettled: Vec<Key> = std::mem::take(&mut self.unsettled).into_iter().collect();
        unsettled.sort_by_key(|key| self.rank(key));
        let mut adds = Vec::new();
        for key in unsettled.iter().rev() {
            if is_ipvs(key) && !self.ipvs_ready {
                match self.slots.get(key) {
                    Some(slot) if slot.want.is_some() || slot.have.is_some() => drop(self.unsettled.insert(*key)),
                    _ => drop(self.slots.remove(key)),
                }
                continue;
            }
            let service_goes = self.service_goes(key);
            let Some(slot) = self.slots.get_mut(key) else { continue };
            if slot.parked.is_some() {
                continue;
            }
            match (&slot.want, &slot.have) {
                (None, Some(_)) if service_goes => slot.have = None,
                (None, Some(have)) => {
                    out.push(Op::Remove(*key, have.clone()));
                    slot.have = None;
                    slot.echo_gone += u8::from(echoes(key));
                }
                // Neither its name nor its kind can be changed while it is up.
                (Some(want), Some(have)) if matches!(key, Key::Link(_)) && want != have => {
                    out.push(Op::Remove(*key, have.clone()));
                    adds.push(Op::Add(*key, want.clone()));
                    slot.have = Some(want.clone());
                }
                (Some(want), None) => {
                    adds.push(Op::Add(*key, want.clone()));
                    slot.have = Some(want.clone());
                    slot.echo_add += u8::from(echoes(key));
                }
                (Some(want), Some(have)) if slot.stale || !same(want, have) => {
                    adds.push(Op::Set(*key, want.clone()));
                    slot.stale = false;
                    slot.have = Some(want.clone());
                    slot.echo_add += u8::from(echoes(key));
                }
                _ => slot.refused = false,
            }
            if slot.want.is_none() && slot.have.is_none() && slot.echo_add == 0 && slot.echo_gone == 0 {
                self.slots.remove(key);
            }
        }
        out.extend(adds.into_iter().rev());
    }

    /// Addresses and routes in the order of the file: the first address of a subnet becomes its primary one, and a route's
    /// gateway may be reached by the route before it. All others by key.
    fn rank(&self, key: &Key) -> (u8, u32) {
        let place = || self.slots.get(key).map_or(0, |slot| slot.place);
        match key {
            Key::Link(_) => (0, 0),
            // A link goes up only when it is set up.
            Key::Sysctl(_) => (1, 0),
            Key::Up(_) => (2, 0),
            Key::Socket(_) | Key::Ear(_) => (3, 0),
            Key::Address(_) => (4, place()),
            Key::Route(_) => (5, place()),
            Key::SyncDaemon(_) | Key::Service(_) | Key::Dest(..) => (6, 0),
        }
    }

    /// Deleting a service deletes its destinations with it.
    fn service_goes(&self, key: &Key) -> bool {
        let Key::Dest(service, _) = key else { return false };
        self.slots.get(&Key::Service(*service)).is_some_and(|s| s.want.is_none() && s.have.is_some())
    }

    /// For the checkers of a simulation and for status: what should be there, by key.
    pub fn wanted(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.slots.iter().filter_map(|(key, slot)| Some((key, slot.want.as_ref()?)))
    }

    /// What was there before us, for the record.
    pub fn found(&self, key: &Key) -> Option<&Value> {
        self.slots.get(key).and_then(|s| s.found.as_deref())
    }

    /// Nothing of ours is in the kernel.
    pub fn is_empty_handed(&self) -> bool {
        self.slots.values().all(|s| s.have.as_ref() == s.found.as_deref())
    }

    /// The link of ours with that name, as far as it is known to be there.
    pub fn link_named(&self, name: &IfName) -> Option<(LinkKey, &LinkValue)> {
        // Links are the first keys.
        let links = self.slots.iter().map_while(|(key, slot)| match key {
            Key::Link(key) => Some((*key, slot)),
            _ => None,
        });
        let mut there = links.filter_map(|(key, slot)| match &slot.have {
            Some(Value::Link(value)) => Some((key, value)),
            _ => None,
        });
        there.find(|(_, value)| value.name == *name)
    }

    pub fn is_parked(&self, key: &Key) -> bool {
        self.slots.get(key).is_some_and(|s| s.parked.is_some())
    }

    /// Nothing is left to be done but what the kernel refuses.
    pub fn is_settled(&self) -> bool {
        self.unsettled.iter().all(|key| is_ipvs(key) && !self.ipvs_ready)
    }
}

/// Only the existence of an address or a socket counts: the kernel fills in labels and flags of its own.
fn same(want: &Value, have: &Value) -> bool {
    match (want, have) {
        (Value::Address(_), Value::Address(_)) | (Value::Socket, Value::Socket) => true,
        (Value::Sysctl(want), Value::Sysctl(have)) => want.value == have.value,
        _ => want == have,
    }
}

/// Does the kernel tell of changes of such an object?
fn echoes(key: &Key) -> bool {
    matches!(key, Key::Address(_) | Key::Route(_))
}

fn is_ipvs(key: &Key) -> bool {
    matches!(key, Key::Service(_) | Key::Dest(..) | Key::SyncDaemon(_))
}

fn interface(key: &Key) -> Option<u32> {
    match key {
        Key::Socket(s) | Key::Ear(s) => Some(s.ifindex),
        Key::Address(a) => Some(a.ifindex),
        Key::Sysctl(s) => Some(s.ifindex),
        Key::Up(ifindex) => Some(*ifindex),
        // It goes with its parent.
        Key::Link(l) => Some(l.parent),
        _ => None,
    }
}

/// The interface's name for a text about that key.
pub fn interface_name<'a>(key: &Key, name_of: impl Fn(u32) -> Option<&'a IfName>) -> Option<&'a IfName> {
    interface(key).and_then(name_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::op::{AddressKey, AddressValue};

    fn address(last: u8) -> (Key, Value) {
        let net = crate::base::addr::IpNet::host([10, 0, 0, last].into());
        (Key::Address(AddressKey { ifindex: 2, net }), Value::Address(AddressValue::default()))
    }

    fn settle(t: &mut Table) -> Vec<Op> {
        let mut ops = Vec::new();
        t.settle(&mut ops);
        ops
    }

    #[test]
    fn an_address_of_two_owners_goes_with_the_last() {
        let (mut t, mut a, mut b) = (Table::default(), Vec::new(), Vec::new());
        t.claim(&mut a, vec![address(1)]);
        t.claim(&mut b, vec![address(1), address(2)]);
        assert_eq!(settle(&mut t).len(), 2);
        t.claim(&mut b, vec![]);
        assert_eq!(settle(&mut t), vec![Op::Remove(address(2).0, address(2).1)]);
        t.claim(&mut a, vec![]);
        assert_eq!(settle(&mut t), vec![Op::Remove(address(1).0, address(1).1)]);
        assert!(t.is_settled());
    }

    #[test]
    fn echoes_are_told_from_foreign_hands() {
        let (mut t, mut a) = (Table::default(), Vec::new());
        let (key, value) = address(1);
        t.claim(&mut a, vec![address(1)]);
        settle(&mut t);
        t.claim(&mut a, vec![]);
        settle(&mut t);
        t.claim(&mut a, vec![address(1)]);
        assert_eq!(settle(&mut t).len(), 1);
        // The three echoes of what we did change nothing ...
        t.appeared(key, value.clone());
        assert_eq!(t.vanished(Instant(1), key), Change::None);
        t.appeared(key, value.clone());
        assert_eq!(settle(&mut t), vec![]);
        // ... and what comes then is somebody else's doing.
        assert_eq!(t.vanished(Instant(2), key), Change::Taken(1));
        assert_eq!(settle(&mut t), vec![Op::Add(key, value)]);
    }

    #[test]
    fn put_backs_have_a_limit() {
        let (mut t, mut a) = (Table::default(), Vec::new());
        let (key, value) = address(1);
        t.claim(&mut a, vec![address(1)]);
        for n in 1..=limits::PUT_BACKS_PER_MINUTE {
            settle(&mut t);
            t.appeared(key, value.clone());
            assert_eq!(t.vanished(Instant(0), key), Change::Taken(n));
        }
        settle(&mut t);
        t.appeared(key, value.clone());
        assert_eq!(t.vanished(Instant(0), key), Change::TooOften);
        assert_eq!(settle(&mut t), vec![]);
        t.unpark(Instant(60_000_000), None);
        assert_eq!(settle(&mut t).len(), 1);
    }

    #[test]
    fn what_was_found_comes_back() {
        let (mut t, mut a) = (Table::default(), Vec::new());
        let key = Key::SyncDaemon(crate::wire::op::SyncRole::Master);
        let daemon = |id| Value::SyncDaemon { interface: "eth0".parse().unwrap(), id };
        t.ipvs_ready = true;
        t.claim(&mut a, vec![(key, daemon(1))]);
        t.adopt(key, daemon(9), Some(daemon(9)));
        assert_eq!(settle(&mut t), vec![Op::Set(key, daemon(1))]);
        t.claim(&mut a, vec![]);
        assert_eq!(settle(&mut t), vec![Op::Set(key, daemon(9))]);
    }
}
