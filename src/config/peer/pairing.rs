//! Which instances of several routers are one virtual router.

use super::view::{Router, Virtual};
use crate::base::addr::{Family, IpNet};
use crate::limits;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

#[derive(PartialEq, Eq, Hash)]
enum Trait<'l> {
    Vrid(Family, u8),
    Name(&'l str),
    Address(IpAddr),
}

/// Each instance is in one of the sets, which have at most one of each router, in the order of the files.
pub fn sets<'r>(routers: &'r [Router<'r>]) -> Vec<Vec<&'r Virtual<'r>>> {
    let all: Vec<&Virtual> = routers.iter().flat_map(|r| &r.instances).collect();
    let mut pairs: Vec<(u32, usize, usize)> =
        candidates(&all).into_iter().filter_map(|(a, b)| Some((likeness(all.get(a)?, all.get(b)?)?, a, b))).collect();
    // The best first; then as they stand in the files.
    pairs.sort_by_key(|(likeness, a, b)| (u32::MAX - likeness, *a, *b));
    let mut sets: Vec<BTreeSet<usize>> = (0..all.len()).map(|n| BTreeSet::from([n])).collect();
    let mut set_of: Vec<usize> = (0..all.len()).collect();
    let file = |n: usize| all.get(n).map(|v| v.file);
    for (_, a, b) in pairs {
        let (Some(&to), Some(&from)) = (set_of.get(a), set_of.get(b)) else { continue };
        let (Some(here), Some(there)) = (sets.get(to), sets.get(from)) else { continue };
        if to == from || here.iter().any(|x| there.iter().any(|y| file(*x) == file(*y))) {
            continue;
        }
        let moved = sets.get_mut(from).map(std::mem::take).unwrap_or_default();
        for n in &moved {
            if let Some(set) = set_of.get_mut(*n) {
                *set = to;
            }
        }
        if let Some(set) = sets.get_mut(to) {
            set.extend(moved);
        }
    }
    sets.retain(|s| !s.is_empty());
    sets.sort();
    sets.into_iter().map(|set| set.into_iter().filter_map(|n| all.get(n).copied()).collect()).collect()
}

/// Pairs that have anything in common.
fn candidates(all: &[&Virtual]) -> BTreeSet<(usize, usize)> {
    let mut having: HashMap<Trait, Vec<usize>> = HashMap::new();
    for (n, v) in all.iter().enumerate() {
        having.entry(Trait::Vrid(v.family, v.conf.vrid)).or_default().push(n);
        having.entry(Trait::Name(&v.conf.name)).or_default().push(n);
        for ip in addresses(v) {
            having.entry(Trait::Address(ip)).or_default().push(n);
        }
    }
    let mut pairs = BTreeSet::new();
    for same in having.values().filter(|same| same.len() <= limits::PEER_CANDIDATES) {
        for (at, a) in same.iter().enumerate() {
            for b in same.iter().skip(at + 1) {
                let files = (all.get(*a).map(|v| v.file), all.get(*b).map(|v| v.file));
                if files.0 != files.1 {
                    pairs.insert((*a.min(b), *a.max(b)));
                }
            }
        }
    }
    pairs
}

fn addresses<'v>(v: &'v Virtual) -> impl Iterator<Item = IpAddr> + 'v {
    v.conf.vips.iter().chain(&v.conf.excluded).map(|vip| vip.net.addr)
}

/// None: nothing says that they belong together. A VRID alone says nothing: each segment has its own.
fn likeness(a: &Virtual, b: &Virtual) -> Option<u32> {
    if a.family != b.family {
        return None;
    }
    let vrid = a.conf.vrid == b.conf.vrid;
    let name = a.conf.name == b.conf.name;
    let interface = a.conf.interface == b.conf.interface;
    let address = addresses(a).any(|x| addresses(b).any(|y| x == y));
    let network = same_network(a, b);
    let belongs = match vrid {
        true => name || interface || address || network,
        false => address || name && (interface || network),
    };
    let points = [(vrid, 8), (address, 6), (name, 4), (interface, 2), (network, 1)];
    belongs.then(|| points.iter().filter(|(is, _)| *is).map(|(_, n)| n).sum())
}

fn same_network(a: &Virtual, b: &Virtual) -> bool {
    // Some of them tell enough.
    let nets = |v: &Virtual| v.conf.vips.iter().take(8).filter_map(|vip| network(vip.net)).collect::<Vec<_>>();
    let of_b = nets(b);
    nets(a).iter().any(|n| of_b.contains(n))
}

fn network(net: IpNet) -> Option<(Family, u128, u8)> {
    let (bits, most) = match net.addr {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32u8),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let host = u32::from(most.checked_sub(net.len)?);
    (net.len > 0 && net.len < most).then(|| (net.family(), bits.checked_shr(host).unwrap_or(0), net.len))
}
