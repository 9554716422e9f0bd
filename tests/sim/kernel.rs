//! A kernel that holds what a real one would, refuses what a real one refuses, and tells its news late.

use holdfast::base::addr::{Family, IfName, IpNet, Mac};
use holdfast::node::event::Outcome;
use holdfast::wire::op::*;
use std::collections::{BTreeMap, BTreeSet};

pub struct Kernel {
    pub links: BTreeMap<u32, Link>,
    pub objects: BTreeMap<Key, Value>,
    /// News that were not fetched yet, oldest first.
    pub news: Vec<News>,
    next_index: u32,
    pub has_ipvs: bool,
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const ENODEV: i32 = 19;

impl Kernel {
    /// Interfaces of these names with their addresses.
    pub fn new(names: &[(&str, &[IpNet])], host: u8) -> Kernel {
        let mut k = Kernel {
            links: BTreeMap::new(),
            objects: BTreeMap::new(),
            news: Vec::new(),
            next_index: 2,
            has_ipvs: true,
        };
        for (name, nets) in names {
            k.create(name, nets, host);
        }
        k.news.clear();
        k
    }

    pub fn create(&mut self, name: &str, nets: &[IpNet], host: u8) {
        let ifindex = self.next_index;
        self.next_index += 1;
        let mac = Mac([2, 0, 0, 0, host, ifindex as u8]);
        let name: IfName = name.parse().unwrap();
        let link = Link { ifindex, name, up: true, mac, mtu: 1500, no_arp: false, more: Default::default() };
        self.links.insert(ifindex, link.clone());
        self.news.push(News::Link(link));
        for net in nets {
            self.add_address(ifindex, *net);
        }
    }

    pub fn add_address(&mut self, ifindex: u32, net: IpNet) {
        let (key, value) = (AddressKey { ifindex, net }, AddressValue::default());
        self.objects.insert(Key::Address(key), Value::Address(value.clone()));
        self.news.push(News::Address { key, value, primary: true });
    }

    pub fn index(&self, name: &str) -> Option<u32> {
        self.links.values().find(|l| l.name.as_str() == name).map(|l| l.ifindex)
    }

    pub fn name(&self, ifindex: u32) -> Option<IfName> {
        self.links.get(&ifindex).map(|l| l.name.clone())
    }

    pub fn set_up(&mut self, name: &str, up: bool) {
        if let Some(link) = self.links.values_mut().find(|l| l.name.as_str() == name && l.up != up) {
            link.up = up;
            self.news.push(News::Link(link.clone()));
        }
    }

    /// The interface goes, and all that was on it.
    pub fn delete(&mut self, name: &str) {
        let Some(ifindex) = self.index(name) else { return };
        let on_it: Vec<Key> = self.objects.keys().filter(|k| on(k) == Some(ifindex)).copied().collect();
        for key in on_it {
            self.objects.remove(&key);
            if let Key::Address(key) = key {
                self.news.push(News::AddressGone { key });
            }
        }
        self.links.remove(&ifindex);
        self.news.push(News::LinkGone { ifindex });
    }

    /// An operator's `ip addr del`.
    pub fn steal(&mut self, key: Key) -> bool {
        let was = self.objects.remove(&key);
        let there = was.is_some();
        self.tell_gone(key, was);
        there
    }

    fn tell_gone(&mut self, key: Key, was: Option<Value>) {
        self.news.extend(match (key, was) {
            (Key::Address(key), Some(_)) => Some(News::AddressGone { key }),
            (Key::Route(key), Some(Value::Route(value))) => Some(News::RouteGone { key, value: *value }),
            (Key::Rule(key), Some(_)) => Some(News::RuleGone { key }),
            _ => None,
        });
    }

    pub fn routes_and_rules(&self) -> impl Iterator<Item = Key> + '_ {
        self.objects.keys().filter(|k| matches!(k, Key::Route(_) | Key::Rule(_))).copied()
    }

    /// None: done. `refuse`: the kernel is out of memory or permission.
    pub fn apply(&mut self, op: &Op, refuse: bool) -> Option<Outcome> {
        if refuse {
            return Some(Outcome::Refused(EPERM));
        }
        let key = op.key();
        if on(&key).is_some_and(|i| !self.links.contains_key(&i)) {
            return Some(match op {
                Op::Remove(..) => Outcome::WasThere,
                _ => Outcome::Refused(ENODEV),
            });
        }
        match op {
            Op::Add(_, value) | Op::Set(_, value) => {
                if let Key::Dest(service, _) = key {
                    if !self.objects.contains_key(&Key::Service(service)) {
                        return Some(Outcome::Refused(ESRCH));
                    }
                }
                if let Key::Blocked(b) = key {
                    if !self.objects.contains_key(&Key::Firewall(Family::of(&b.address))) {
                        return Some(Outcome::Refused(ENOENT));
                    }
                }
                self.unblock(&key);
                let was = self.objects.insert(key, value.clone());
                match (key, value) {
                    (Key::Address(_) | Key::Route(_) | Key::Rule(_), _) if was.is_some() => {
                        return Some(Outcome::WasThere)
                    }
                    (Key::Address(key), Value::Address(value)) => {
                        self.news.push(News::Address { key, value: value.clone(), primary: true });
                    }
                    (Key::Route(key), Value::Route(value)) => {
                        self.news.push(News::Route { key, value: (**value).clone() });
                    }
                    (Key::Rule(key), Value::Rule(value)) => {
                        self.news.push(News::Rule { key, value: (**value).clone() });
                    }
                    _ => {}
                }
            }
            Op::Remove(..) => {
                self.unblock(&key);
                let was = self.objects.remove(&key);
                if was.is_none() && !matches!(key, Key::Firewall(_)) {
                    return Some(Outcome::WasThere);
                }
                self.tell_gone(key, was);
                if let Key::Service(gone) = key {
                    self.objects.retain(|k, _| !matches!(k, Key::Dest(s, _) if *s == gone));
                }
            }
        }
        None
    }

    /// A table comes without elements, and takes its own with it.
    fn unblock(&mut self, key: &Key) {
        if let Key::Firewall(family) = key {
            self.objects.retain(|k, _| !matches!(k, Key::Blocked(b) if Family::of(&b.address) == *family));
        }
    }

    pub fn dump(&self) -> Vec<News> {
        let mut all = vec![News::DumpBegin];
        all.extend(self.links.values().cloned().map(News::Link));
        for (key, value) in &self.objects {
            match (key, value.clone()) {
                (Key::Address(key), Value::Address(value)) => {
                    all.push(News::Address { key: *key, value, primary: true });
                }
                (Key::Route(key), Value::Route(value)) => all.push(News::Route { key: *key, value: *value }),
                (Key::Rule(key), Value::Rule(value)) => all.push(News::Rule { key: *key, value: *value }),
                _ => {}
            }
        }
        all.push(News::DumpDone);
        all
    }

    pub fn dump_ipvs(&self) -> Vec<News> {
        if !self.has_ipvs {
            return vec![News::IpvsMissing];
        }
        let mut all = Vec::new();
        for (key, value) in &self.objects {
            match (key, value.clone()) {
                (Key::Service(key), Value::Service(value)) => all.push(News::Service { key: *key, value }),
                (Key::Dest(service, at), Value::Dest(value)) => {
                    all.push(News::Dest { service: *service, at: *at, value })
                }
                (Key::SyncDaemon(role), Value::SyncDaemon { interface, id }) => {
                    all.push(News::SyncDaemon { role: *role, interface, id });
                }
                _ => {}
            }
        }
        all.push(News::IpvsReady);
        all
    }

    pub fn owned_key(&self, key: &Key) -> Option<OwnedKey> {
        Some(match key {
            Key::Address(a) => OwnedKey::Address { interface: self.name(a.ifindex)?, net: a.net },
            Key::Route(r) => OwnedKey::Route(*r, OUR_PROTOCOL),
            Key::Rule(r) => OwnedKey::Rule(*r),
            Key::SyncDaemon(role) => OwnedKey::SyncDaemon(*role),
            Key::Service(s) => OwnedKey::Service(*s),
            Key::Dest(s, d) => OwnedKey::Dest(*s, *d),
            Key::Socket(_) | Key::Ear(_) | Key::Link(_) | Key::Sysctl(_) | Key::Up(_) => return None,
            Key::Firewall(family) => OwnedKey::Firewall { family: *family, table: "keepalived".into() },
            Key::Blocked(_) => return None,
        })
    }

    /// A process that dies takes its sockets with it.
    pub fn close_sockets(&mut self) {
        self.objects.retain(|k, _| !matches!(k, Key::Socket(_)));
    }

    /// All but the sockets: what a person would see.
    pub fn visible(&self) -> BTreeSet<(IfName, String)> {
        let of = |k: &Key| on(k).and_then(|i| self.name(i)).unwrap_or_default();
        let text = |k: &Key| match k {
            Key::Address(a) => a.net.to_string(),
            other => format!("{other:?}"),
        };
        self.objects.keys().filter(|k| !matches!(k, Key::Socket(_))).map(|k| (of(k), text(k))).collect()
    }
}

fn on(key: &Key) -> Option<u32> {
    match key {
        Key::Socket(s) => Some(s.ifindex),
        Key::Address(a) => Some(a.ifindex),
        _ => None,
    }
}
