//! What the kernel should hold and what it holds, and the operations that make the second like the first.
//!
//! Everything that moves state into the kernel goes through here: take-over, falling back, a check's verdict, reload,
//! stop, leftovers of a crash, repair of what somebody else removed. Keys have owners that are counted, so that one
//! instance or service can be settled without a look at the others.

use crate::base::addr::{Family, IfName, IpNet};
use crate::base::time::Instant;
use crate::limits;
use crate::wire::link::{LinkKey, LinkValue};
use crate::wire::op::{AddressMore, AddressValue, Key, Op, RouteKey, RouteValue, Value, OUR_PROTOCOL};
use crate::wire::route;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
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
    /// The object is there, but with details of before.
    stale: bool,
    /// Somebody removed it, and may do so: it comes back when it is claimed anew.
    left_alone: bool,
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
    /// Somebody removed what nobody minds to lose.
    Left,
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
            slot.left_alone &= known;
            if slot.want.as_ref() != Some(&value) {
                // The kernel fills in details of an address, so what it has is compared with what was asked for.
                let changed = slot.want.as_ref().is_some_and(|was| renews(was, &value));
                slot.stale |= changed && slot.have.is_some() && slot.found.is_none();
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
        slot.stale = false;
        if slot.want.as_ref().is_some_and(is_loose) {
            slot.left_alone = true;
            self.unsettled.insert(key);
            return Change::Left;
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
        // One with other gateways lives on at those, for IPv6: it is taken away.
        self.doubt(|route| route.legs.is_empty() && route.uses(ifindex));
    }

    /// The kernel takes routes away without a word when what they need goes: these are put up again, which changes nothing
    /// where they are still there.
    pub fn doubt(&mut self, which: impl Fn(&RouteValue) -> bool) {
        for (key, slot) in self.slots.range_mut(first_route()..).take_while(|(key, _)| matches!(key, Key::Route(_))) {
            if matches!(&slot.have, Some(Value::Route(route)) if which(route)) && slot.want.is_some() {
                slot.have = None;
                self.unsettled.insert(*key);
            }
        }
    }

    /// Something came that routes which were refused may have waited for.
    pub fn retry_routes(&mut self) {
        let waiting: Vec<_> = self.parked.iter().filter(|(_, key)| matches!(key, Key::Route(_))).copied().collect();
        for (at, key) in waiting {
            // Those that somebody takes away again and again keep waiting.
            if self.slots.get(&key).is_some_and(|slot| slot.refused) {
                self.release_parked(at, key);
            }
        }
    }

    /// A dump of addresses and routes begins: whatever it does not name is not there.
    pub fn forget_news(&mut self) -> BTreeSet<Key> {
        let mut before = BTreeSet::new();
        for (key, slot) in &mut self.slots {
            let told = |value: &Option<Value>| value.as_ref().is_some_and(echoes);
            if told(&slot.have) || told(&slot.want) {
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
            Op::Add(_, value) | Op::Set(_, value) => {
                if echoes(value) {
                    slot.echo_add = slot.echo_add.saturating_sub(1);
                }
                if matches!(op, Op::Set(..)) {
                    slot.stale = !was_there; // it is there, with details of before
                } else if !was_there {
                    slot.have = None;
                }
            }
            Op::Remove(_, value) => {
                if echoes(value) {
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
        // Without their service, or table, they are refused as well: that goes without saying.
        let parent = match key {
            Key::Dest(service, _) => self.is_parked(&Key::Service(service)),
            Key::Blocked(b) => self.is_parked(&Key::Firewall(Family::of(&b.address))),
            _ => false,
        };
        new && !parent
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
            self.release_parked(at, key);
        }
    }

    fn release_parked(&mut self, at: Instant, key: Key) {
        self.parked.remove(&(at, key));
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.parked = None;
        }
        self.unsettled.insert(key);
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
        unsettled.extend(self.firewalls_change(&unsettled));
        unsettled.sort_by_key(|key| (self.rank(key), *key));
        unsettled.dedup();
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
            let firewall = self.firewall_of(key);
            let Some(slot) = self.slots.get_mut(key) else { continue };
            if slot.parked.is_some() {
                continue;
            }
            match (&slot.want, &slot.have) {
                (None, Some(_)) if service_goes => slot.have = None,
                (None, Some(have)) => {
                    out.push(Op::Remove(*key, have.clone()));
                    slot.echo_gone = slot.echo_gone.saturating_add(echoes(have).into());
                    slot.have = None;
                }
                // Neither its name nor its kind can be changed while it is up.
                (Some(want), Some(have)) if matches!(key, Key::Link(_)) && want != have => {
                    out.push(Op::Remove(*key, have.clone()));
                    adds.push(Op::Add(*key, want.clone()));
                    slot.have = Some(want.clone());
                }
                (Some(_), None) if slot.left_alone => {}
                (Some(want), None) => {
                    let want = firewall.as_ref().unwrap_or(want);
                    adds.push(Op::Add(*key, want.clone()));
                    slot.have = Some(want.clone());
                    slot.echo_add = slot.echo_add.saturating_add(echoes(want).into());
                }
                // The kernel cannot change them in place.
                (Some(want), Some(have)) if !is_plain(key) && (slot.stale || !same(want, have)) => {
                    out.push(Op::Remove(*key, have.clone()));
                    adds.push(Op::Add(*key, want.clone()));
                    slot.stale = false;
                    slot.echo_add = slot.echo_add.saturating_add(echoes(want).into());
                    slot.echo_gone = slot.echo_gone.saturating_add(echoes(have).into());
                    slot.have = Some(want.clone());
                }
                // One of another name.
                (Some(want), Some(have)) if other_table(want, have) => {
                    out.push(Op::Remove(*key, have.clone()));
                    adds.push(Op::Add(*key, want.clone()));
                    slot.have = Some(want.clone());
                }
                (Some(want), Some(have)) if slot.stale || !same(want, have) => {
                    adds.push(Op::Set(*key, want.clone()));
                    slot.stale = false;
                    slot.have = Some(want.clone());
                }
                _ => slot.refused = false,
            }
            if slot.want.is_none() && slot.have.is_none() && slot.echo_add == 0 && slot.echo_gone == 0 {
                self.slots.remove(key);
            }
        }
        out.extend(adds.into_iter().rev());
    }

    /// Addresses, routes and rules in the order of the file: the first address of a subnet becomes its primary one, and a
    /// route's gateway may be reached by the route before it. All others by key.
    fn rank(&self, key: &Key) -> (u8, u32) {
        let place = || self.slots.get(key).map_or(0, |slot| slot.place);
        match key {
            Key::Link(_) => (0, 0),
            // A link goes up only when it is set up.
            Key::Sysctl(_) => (1, 0),
            Key::Up(_) => (2, 0),
            Key::Socket(_) | Key::Ear(_) => (3, 0),
            Key::Firewall(_) | Key::Blocked(_) => (4, 0),
            Key::Address(_) => (5, place()),
            Key::Route(_) => (6, place()),
            Key::Rule(_) => (7, place()),
            Key::SyncDaemon(_) | Key::Service(_) | Key::Dest(..) => (8, 0),
        }
    }

    /// A table that goes or comes takes its elements with it, and begins without any: those that are to be there again.
    fn firewalls_change(&mut self, unsettled: &[Key]) -> Vec<Key> {
        let changes = |key: &&Key| self.slots.get(key).is_some_and(|slot| slot.stale || slot.want != slot.have);
        let family = |key: &Key| if let Key::Firewall(family) = key { Some(*family) } else { None };
        let families: Vec<Family> = unsettled.iter().filter(changes).filter_map(family).collect();
        families.into_iter().flat_map(|family| self.forget_blocked(family)).collect()
    }

    /// In which table an address is blocked now: its owner may not have been asked since a reload.
    fn firewall_of(&self, key: &Key) -> Option<Value> {
        let Key::Blocked(b) = key else { return None };
        match &self.slots.get(&Key::Firewall(Family::of(&b.address)))?.want {
            Some(Value::Firewall(f)) => Some(Value::Blocked(f.clone())),
            _ => None,
        }
    }

    fn forget_blocked(&mut self, family: Family) -> Vec<Key> {
        let mut lost = Vec::new();
        for (key, slot) in &mut self.slots {
            if matches!(key, Key::Blocked(b) if Family::of(&b.address) == family) && slot.have.take().is_some() {
                lost.push(*key);
            }
        }
        lost
    }

    /// Somebody removed the table.
    pub fn firewall_gone(&mut self, now: Instant, family: Family, name: &str) -> Change {
        let have = self.slots.get(&Key::Firewall(family)).and_then(|slot| slot.have.as_ref());
        if !matches!(have, Some(Value::Firewall(f)) if *f.table == *name) {
            return Change::None;
        }
        let lost = self.forget_blocked(family);
        self.unsettled.extend(lost);
        self.vanished(now, Key::Firewall(family))
    }

    /// A block was refused: its table is made anew when its time comes.
    pub fn mistrust_firewall(&mut self, now: Instant, family: Family) {
        if let Some(slot) = self.slots.get_mut(&Key::Firewall(family)) {
            slot.stale = true;
            self.park(Key::Firewall(family), now + limits::REFUSED_RETRY);
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

    /// Does the object need a link of which that is so?
    pub fn needs(&self, key: &Key, is_so: impl Fn(u32) -> bool) -> bool {
        match (key, self.slots.get(key).and_then(|slot| slot.want.as_ref())) {
            (Key::Address(a), _) => is_so(a.ifindex),
            (_, Some(Value::Route(route))) => {
                route.ifindex.into_iter().chain(route.legs.iter().filter_map(|leg| leg.ifindex)).any(is_so)
            }
            _ => false,
        }
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
        (Value::Route(want), Value::Route(have)) => route::is_same(want, have),
        // Its key says all of it.
        (Value::Rule(_), Value::Rule(_)) => true,
        // A table that changes is made anew, and its elements with it.
        (Value::Blocked(_), Value::Blocked(_)) => true,
        (Value::Sysctl(want), Value::Sysctl(have)) => want.value == have.value,
        _ => want == have,
    }
}

fn other_table(want: &Value, have: &Value) -> bool {
    matches!((want, have), (Value::Firewall(want), Value::Firewall(have)) if want.table != have.table)
}

/// Does a changed wish mean another object, with the same key?
fn renews(was: &Value, now: &Value) -> bool {
    match (was, now) {
        (Value::Address(was), Value::Address(now)) => {
            let plain = |v: &AddressValue| {
                let more = v.more.as_deref().map(|m| AddressMore { loose: false, ..m.clone() }).unwrap_or_default();
                AddressValue { more: Some(Box::new(more)), ..v.clone() }
            };
            plain(was) != plain(now)
        }
        (Value::Route(was), Value::Route(now)) => was.expires != now.expires,
        _ => false,
    }
}

fn is_loose(value: &Value) -> bool {
    match value {
        Value::Address(v) => v.is_loose(),
        Value::Route(v) => v.loose || v.expires.is_some(),
        Value::Rule(v) => v.loose,
        _ => false,
    }
}

/// The least of all routes' keys.
fn first_route() -> Key {
    let dst = IpNet { addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED), len: 0 };
    Key::Route(RouteKey { table: 0, dst, metric: 0, tos: 0, way: 0 })
}

/// Does the kernel tell of changes of such an object? (Of routes: of those that carry our protocol number.)
fn echoes(value: &Value) -> bool {
    match value {
        Value::Address(_) | Value::Rule(_) => true,
        Value::Route(route) => route.protocol() == OUR_PROTOCOL,
        _ => false,
    }
}

/// Its details can be changed while it lives.
fn is_plain(key: &Key) -> bool {
    !matches!(key, Key::Address(_) | Key::Route(_) | Key::Rule(_))
}

fn is_ipvs(key: &Key) -> bool {
    matches!(key, Key::Service(_) | Key::Dest(..) | Key::SyncDaemon(_))
}

/// Whose table a key is about.
pub fn firewall_family(key: &Key) -> Option<Family> {
    match key {
        Key::Firewall(family) => Some(*family),
        Key::Blocked(b) => Some(Family::of(&b.address)),
        _ => None,
    }
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
