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
    /// Not told yet by the dump that runs.
    stale: bool,
}

impl Links {
    pub fn get(&self, name: &IfName) -> Option<&Link> {
        self.by_name.get(name).and_then(|i| self.by_index.get(i)).map(|k| &k.link)
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
                self.by_index.insert(link.ifindex, Known { link, addresses: Vec::new(), stale: false });
            }
        }
        changed
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
        }
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
        }
    }

    /// The interfaces that the dump did not name.
    pub fn stale(&self) -> Vec<u32> {
        self.by_index.iter().filter(|(_, k)| k.stale).map(|(i, _)| *i).collect()
    }
}
