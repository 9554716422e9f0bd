//! What we know of the machine's interfaces and their addresses, fed by the kernel's news.

use crate::base::addr::{Family, IfName, IpNet};
use crate::wire::link::Stack;
use crate::wire::op::Link;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Default)]
pub struct Links {
    by_index: BTreeMap<u32, Known>,
    by_name: BTreeMap<IfName, u32>,
}

struct Known {
    link: Link,
    /// In the kernel's order; the flag: not a secondary address.
    addresses: Vec<(IpNet, bool)>,
    /// IPv6 addresses for which the kernel looks for a duplicate.
    tentative: Vec<IpNet>,
    /// Not told yet by the dump that runs.
    stale: bool,
    /// The state that counts once it has lasted.
    pending: Option<bool>,
    /// What polling says.
    beat: Option<bool>,
    /// What the kernel said last.
    told_up: bool,
}

impl Links {
    pub fn get(&self, name: &IfName) -> Option<&Link> {
        self.by_name.get(name).and_then(|i| self.by_index.get(i)).map(|k| &k.link)
    }

    pub fn all(&self) -> impl Iterator<Item = &Link> {
        self.by_index.values().map(|known| &known.link)
    }

    pub fn by_index(&self, ifindex: u32) -> Option<&Link> {
        self.by_index.get(&ifindex).map(|k| &k.link)
    }

    pub fn name(&self, ifindex: u32) -> Option<&IfName> {
        self.by_index.get(&ifindex).map(|k| &k.link.name)
    }

    /// Takes in what the kernel says; the names whose state is another now (two if it was renamed).
    pub fn set(&mut self, link: Link) -> Vec<IfName> {
        let mut changed = Vec::new();
        match self.by_index.get_mut(&link.ifindex) {
            Some(known) => {
                known.stale = false;
                if known.link == link {
                    return changed;
                }
                if known.link.name != link.name {
                    self.by_name.remove(&known.link.name);
                    changed.push(known.link.name.clone());
                    self.by_name.insert(link.name.clone(), link.ifindex);
                }
                changed.push(link.name.clone());
                known.link = link;
            }
            None => {
                self.by_name.insert(link.name.clone(), link.ifindex);
                changed.push(link.name.clone());
                let told_up = link.up;
                let (addresses, tentative) = (Vec::new(), Vec::new());
                let known = Known { link, addresses, tentative, stale: false, pending: None, beat: None, told_up };
                self.by_index.insert(known.link.ifindex, known);
            }
        }
        changed
    }

    /// What counts of a link's state: what the kernel says, or where it is polled what its hardware says.
    pub fn hears(&mut self, link: &Link, polled: bool) -> bool {
        let Some(known) = self.by_index.get_mut(&link.ifindex) else { return link.up };
        known.told_up = link.up;
        match known.beat {
            Some(up) if polled => up,
            _ => link.up,
        }
    }

    /// What polling found; the link with it, if that is news.
    pub fn beat(&mut self, ifindex: u32, up: bool) -> Option<Link> {
        let known = self.by_index.get_mut(&ifindex)?;
        let news = known.beat.replace(up) != Some(up);
        news.then(|| Link { up: known.told_up, ..known.link.clone() })
    }

    pub fn is_pending(&self, ifindex: u32) -> bool {
        self.by_index.get(&ifindex).is_some_and(|known| known.pending.is_some())
    }

    pub fn set_pending(&mut self, ifindex: u32, up: Option<bool>) {
        if let Some(known) = self.by_index.get_mut(&ifindex) {
            known.pending = up;
        }
    }

    /// The link with the state that has lasted.
    pub fn take_pending(&mut self, ifindex: u32) -> Option<Link> {
        let known = self.by_index.get_mut(&ifindex)?;
        let up = known.pending.take()?;
        Some(Link { up, ..known.link.clone() })
    }

    /// It has no address of that family.
    pub fn is_bare(&self, ifindex: u32, family: Family) -> bool {
        self.by_index.get(&ifindex).is_none_or(|known| known.addresses.iter().all(|(net, _)| net.family() != family))
    }

    pub fn remove(&mut self, ifindex: u32) -> Option<IfName> {
        let known = self.by_index.remove(&ifindex)?;
        // A new interface may bear the name by now.
        if self.by_name.get(&known.link.name) == Some(&ifindex) {
            self.by_name.remove(&known.link.name);
        }
        Some(known.link.name)
    }

    pub fn add_address(&mut self, ifindex: u32, net: IpNet, primary: bool) {
        if let Some(known) = self.by_index.get_mut(&ifindex) {
            known.tentative.retain(|n| *n != net);
            match known.addresses.iter_mut().find(|(n, _)| *n == net) {
                Some(there) => there.1 = primary,
                None => known.addresses.push((net, primary)),
            }
        }
    }

    /// The link of that name, if it stands on that parent.
    pub fn stacked(&self, name: &IfName, parent: u32, stack: Stack) -> Option<&Link> {
        self.get(name).filter(|link| link.more.on == Some((parent, stack)))
    }

    pub fn remove_address(&mut self, ifindex: u32, net: IpNet) {
        if let Some(known) = self.by_index.get_mut(&ifindex) {
            known.addresses.retain(|(n, _)| *n != net);
            known.tentative.retain(|n| *n != net);
        }
    }

    /// The kernel looks whether somebody else has that address; it cannot be used until then.
    pub fn try_address(&mut self, ifindex: u32, net: IpNet) {
        if let Some(known) = self.by_index.get_mut(&ifindex).filter(|known| !known.tentative.contains(&net)) {
            known.tentative.push(net);
        }
    }

    /// Is an address that adverts could leave from being looked at?
    pub fn tries_link_local(&self, name: &IfName) -> bool {
        let known = self.by_name.get(name).and_then(|i| self.by_index.get(i));
        let local = |net: &IpNet| matches!(net.addr, IpAddr::V6(ip) if ip.is_unicast_link_local());
        known.is_some_and(|known| known.tentative.iter().any(local))
    }

    /// Addresses of an interface, primary ones first.
    pub fn addresses(&self, name: &IfName, family: Family) -> impl Iterator<Item = IpNet> + Clone + '_ {
        let known = self.by_name.get(name).and_then(|i| self.by_index.get(i));
        let all = known.map(|k| k.addresses.as_slice()).unwrap_or_default();
        let of = move |want: bool| {
            all.iter().filter(move |(n, primary)| *primary == want && n.family() == family).map(|(n, _)| *n)
        };
        of(true).chain(of(false))
    }

    /// Is that an address of this machine, on whatever interface?
    pub fn has(&self, ip: IpAddr) -> bool {
        self.by_index.values().flat_map(|k| &k.addresses).any(|(net, _)| net.addr == ip)
    }

    /// A dump begins: what it does not name is gone. Addresses are told anew.
    pub fn dump_begins(&mut self) {
        for known in self.by_index.values_mut() {
            known.stale = true;
            known.addresses.clear();
            known.tentative.clear();
        }
    }

    /// The interfaces that the dump did not name.
    pub fn stale(&self) -> Vec<u32> {
        self.by_index.iter().filter(|(_, k)| k.stale).map(|(i, _)| *i).collect()
    }
}
