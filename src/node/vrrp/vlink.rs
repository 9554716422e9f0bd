//! The links that a virtual router brings with it (use_vmac, use_vmac_addr, use_ipvlan): how they are called, what
//! stands on them, and what the kernel should hold for them.
//!
//! Adverts are heard on the interface below, and leave it in frames of our own making; what the link takes away from it
//! (see `ear`) is heard there without a membership. For a membership is told to the LAN, with the virtual MAC address as
//! its source, and switches would send to a BACKUP what is for the MASTER.

use super::instance::{Instance, State};
use super::packet;
use crate::base::addr::{Family, IfName, IpNet, Mac};
use crate::config::model::{self, Config, IpvlanMode, Vip};
use crate::node::links::Links;
use crate::wire::link::{IpvlanFlag, LinkKey, LinkKind, LinkValue, Stack, Sysctl, SysctlKey, SysctlValue};
use crate::wire::op::{AddressKey, AddressMore, AddressValue, Key, Lifetime, Link, SocketKey, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A link of an instance. The first one may be its main one (use_vmac, use_ipvlan), the others carry addresses only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VirtualLink {
    pub parent: IfName,
    pub family: Family,
    pub name: IfName,
    /// What the file says.
    given: Option<IfName>,
    /// Its number, while it is there.
    pub ifindex: Option<u32>,
}

/// RFC 9568, section 7.3.
pub fn mac(conf: &model::Instance, family: Family) -> Mac {
    let own = conf.vmac.as_ref().and_then(|v| v.mac).filter(|_| family == conf.wire.family);
    let kind = if family == Family::V4 { 1 } else { 2 };
    own.unwrap_or(Mac([0, 0, 0x5e, 0, kind, conf.vrid]))
}

fn has_main(conf: &model::Instance) -> bool {
    conf.vmac.is_some() || conf.ipvlan.is_some()
}

/// Do adverts come from the virtual MAC address? Unicast goes through tables of neighbours, who know the other one.
pub fn advert_mac(conf: &model::Instance) -> Option<Mac> {
    let own = conf.vmac.is_some() && !conf.vmac_xmit_base && conf.wire.unicast.is_none();
    own.then(|| mac(conf, conf.wire.family))
}

/// The link whose address every advert bears: switches learn it without more. None: that of a virtual link is in none.
pub fn advert_link<'a>(n: &'a Instance, conf: &'a model::Instance) -> Option<&'a IfName> {
    match (advert_mac(conf), &conf.vmac) {
        (Some(_), _) => n.vlinks.iter().find(|l| is_main(conf, &l.parent, l.family)).map(|l| &l.name),
        (None, Some(_)) => None,
        (None, None) => Some(&conf.interface),
    }
}

/// The interface below the address, and whether it stands on a virtual link there.
pub fn place<'a>(conf: &'a model::Instance, vip: &'a Vip) -> (&'a IfName, bool) {
    let dev = vip.dev.as_ref().unwrap_or(&conf.interface);
    let at_home = *dev == conf.interface && vip.net.family() == conf.wire.family;
    (dev, (at_home && has_main(conf)) || vip.use_vmac || (conf.vmac_addr && !at_home))
}

/// Parent, family and given name of each link that the instance asks for.
fn wanted(conf: &model::Instance) -> Vec<(&IfName, Family, Option<&IfName>)> {
    let mut all = Vec::new();
    if has_main(conf) {
        let name = conf.vmac.as_ref().map_or_else(|| conf.ipvlan.as_ref()?.name.as_ref(), |v| v.name.as_ref());
        all.push((&conf.interface, conf.wire.family, name));
    }
    for vip in conf.vips.iter().chain(&conf.excluded) {
        let (parent, true) = place(conf, vip) else { continue };
        let family = vip.net.family();
        if !all.iter().any(|(p, f, _)| *p == parent && *f == family) {
            all.push((parent, family, None));
        }
    }
    all
}

fn is_main(conf: &model::Instance, parent: &IfName, family: Family) -> bool {
    has_main(conf) && *parent == conf.interface && family == conf.wire.family
}

/// Names the links of all instances: old ones keep theirs, new ones take what is free.
pub fn assign(instances: &mut [Instance], config: &Config, links: &Links) {
    let mut taken = BTreeSet::new();
    // Two instances with one VRID may meet on an interface: it carries one link of that address, for both.
    let mut made: BTreeMap<(IfName, Mac), IfName> = BTreeMap::new();
    for (n, conf) in instances.iter_mut().zip(&config.instances) {
        let wanted = wanted(conf);
        n.vlinks.retain(|l| {
            let same = |name: &Option<&IfName>| l.given.as_ref() == *name;
            wanted.iter().any(|(parent, family, name)| **parent == l.parent && *family == l.family && same(name))
        });
        taken.extend(n.vlinks.iter().map(|l| l.name.clone()));
        made.extend(n.vlinks.iter().map(|l| ((l.parent.clone(), mac(conf, l.family)), l.name.clone())));
        taken.extend(wanted.iter().filter_map(|(.., name)| name.cloned()));
    }
    for (n, conf) in instances.iter_mut().zip(&config.instances) {
        for (at, (parent, family, name)) in wanted(conf).into_iter().enumerate() {
            if n.vlinks.iter().any(|l| l.parent == *parent && l.family == family) {
                continue;
            }
            let global = &config.global.vrrp;
            let prefix = match is_main(conf, parent, family) {
                true => &global.vmac_prefix,
                false => global.vmac_addr_prefix.as_ref().unwrap_or(&global.vmac_prefix),
            };
            let free = |name: &IfName| !taken.contains(name) && links.get(name).is_none();
            let given = name.cloned();
            // One that somebody else has is not to be had.
            let name = name.filter(|name| links.get(name).is_none());
            let place = (parent.clone(), mac(conf, family));
            let shared = made.get(&place).cloned();
            let name = shared.or_else(|| name.cloned()).or_else(|| choose(prefix, conf.vrid, family, free));
            let Some(name) = name else { continue };
            taken.insert(name.clone());
            made.insert(place, name.clone());
            let link = VirtualLink { parent: parent.clone(), family, name, given, ifindex: None };
            n.vlinks.insert(at.min(n.vlinks.len()), link);
        }
    }
}

/// `vrrp.51`; where that is taken `vrrp6.51` (IPv6), then `vrrp1.51`, and so on.
fn choose(prefix: &str, vrid: u8, family: Family, free: impl Fn(&IfName) -> bool) -> Option<IfName> {
    let plain = format!("{prefix}.{vrid}");
    let six = (family == Family::V6).then(|| format!("{prefix}6.{vrid}"));
    let more = (1..=255u8).map(|n| format!("{prefix}{n}.{vrid}"));
    std::iter::once(plain).chain(six).chain(more).filter_map(|name| name.parse().ok()).find(|name| free(name))
}

/// Where an address of the instance stands: the name of the interface.
pub fn interface_of<'a>(n: &'a Instance, conf: &'a model::Instance, vip: &'a Vip) -> &'a IfName {
    let (parent, on_link) = place(conf, vip);
    let family = vip.net.family();
    let link = n.vlinks.iter().find(|l| on_link && l.parent == *parent && l.family == family);
    link.map_or(parent, |l| &l.name)
}

fn kind(conf: &model::Instance, link: &VirtualLink) -> LinkKind {
    match (&conf.ipvlan, is_main(conf, &link.parent, link.family)) {
        (Some(ipvlan), true) => LinkKind::Ipvlan(match ipvlan.mode {
            IpvlanMode::Bridge => IpvlanFlag::Bridge,
            IpvlanMode::Private => IpvlanFlag::Private,
            IpvlanMode::Vepa => IpvlanFlag::Vepa,
        }),
        _ => LinkKind::Macvlan,
    }
}

/// The link as the kernel has it, once it has.
pub fn there<'a>(conf: &model::Instance, link: &VirtualLink, links: &'a Links) -> Option<&'a Link> {
    let parent = links.get(&link.parent)?;
    links.stacked(&link.name, parent.ifindex, kind(conf, link).stack())
}

pub fn key(conf: &model::Instance, link: &VirtualLink, links: &Links) -> Option<LinkKey> {
    Some(LinkKey { parent: links.get(&link.parent)?.ifindex, mac: mac(conf, link.family) })
}

/// The number of the interface that an address goes to; None while its link is not there.
pub fn ifindex_of(n: &Instance, conf: &model::Instance, vip: &Vip, links: &Links) -> Option<u32> {
    let (parent, on_link) = place(conf, vip);
    if !on_link {
        return links.get(parent).map(|l| l.ifindex);
    }
    let link = n.vlinks.iter().find(|l| l.parent == *parent && l.family == vip.net.family())?;
    there(conf, link, links).map(|l| l.ifindex)
}

/// Where the adverts of a router with our own virtual MAC address come in: a macvlan link in private mode takes what
/// bears its address as the source, and the interface below does not see it.
pub fn ear(n: &Instance, conf: &model::Instance, links: &Links) -> Option<SocketKey> {
    let (None, heard) = (&conf.wire.unicast, packet::socket(n, conf)?) else { return None };
    let family = conf.wire.family;
    let link = n.vlinks.iter().find(|l| l.parent == conf.interface && l.family == family)?;
    let ifindex = there(conf, link, links).filter(|_| kind(conf, link) == LinkKind::Macvlan)?.ifindex;
    Some(SocketKey { ifindex, ..heard })
}

/// What the kernel should hold for the links themselves.
pub fn desired(n: &Instance, conf: &model::Instance, links: &Links, want: &mut Vec<(Key, Value)>) {
    want.extend(ear(n, conf, links).map(|key| (Key::Ear(key), Value::Socket)));
    let set = |want: &mut Vec<(Key, Value)>, ifindex, which, value| {
        let key = SysctlKey { ifindex, which };
        want.push((Key::Sysctl(key), Value::Sysctl(SysctlValue { value, was: None })));
    };
    if let Some(base) = links.get(&conf.interface).filter(|_| conf.promote_secondaries) {
        set(want, base.ifindex, Sysctl::PromoteSecondaries, 1);
    }
    for vlink in &n.vlinks {
        let (Some(parent), Some(key)) = (links.get(&vlink.parent), key(conf, vlink, links)) else { continue };
        let main = is_main(conf, &vlink.parent, vlink.family);
        let group = conf.vmac.as_ref().filter(|_| main).and_then(|v| v.group).unwrap_or(parent.more.group);
        let value = LinkValue { name: vlink.name.clone(), kind: kind(conf, vlink), group };
        want.push((Key::Link(key), Value::Link(value)));
        let Some(link) = there(conf, vlink, links) else { continue };
        let on = link.ifindex;
        set(want, on, Sysctl::AddrGenMode, 1);
        let master = n.state == State::Master;
        match vlink.family {
            Family::V4 => {
                // Who asks below for an address of the link gets no answer from there: it would be the other MAC.
                set(want, parent.ifindex, Sysctl::ArpIgnore, 1);
                set(want, parent.ifindex, Sysctl::ArpFilter, 1);
                // Nor does a question of our own go out from there with such an address as its sender.
                set(want, parent.ifindex, Sysctl::ArpAnnounce, 2);
                set(want, on, Sysctl::ArpIgnore, 1);
                set(want, on, Sysctl::ArpFilter, 0);
                set(want, on, Sysctl::AcceptLocal, 1);
                // The way back is another interface. Loose, since the kernel takes the higher of this and `all`.
                set(want, on, Sysctl::RpFilter, 2);
                set(want, on, Sysctl::PromoteSecondaries, 1);
                set(want, on, Sysctl::DisableIpv6, 1);
            }
            // Off while it has no addresses: leaving their groups must not tell of the virtual MAC address.
            Family::V6 => set(want, on, Sysctl::DisableIpv6, i32::from(!master)),
        }
        want.push((Key::Up(on), Value::Up));
        let source = match &conf.ipvlan {
            Some(ipvlan) if main => ipvlan.address,
            _ => None,
        };
        let own = source.or_else(|| link_local(conf, vlink, links).filter(|_| master));
        if let Some(net) = own {
            let scope = if net.addr.is_ipv6() && source.is_none() { 253 } else { 0 };
            // The interface below has it too: new connections should begin there.
            let lifetime = if scope == 253 { Lifetime::Seconds(0) } else { Lifetime::Usual };
            let more = AddressMore { lifetime, ..AddressMore::default() };
            let more = (more != AddressMore::default()).then(|| Box::new(more));
            let value = AddressValue { scope, more, ..AddressValue::default() };
            want.push((Key::Address(AddressKey { ifindex: on, net }), Value::Address(value)));
        }
    }
}

/// The link-local address of the interface below: neighbours know the router by it.
fn link_local(conf: &model::Instance, vlink: &VirtualLink, links: &Links) -> Option<IpNet> {
    let local = |net: &IpNet| matches!(net.addr, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let virtual_one = |net: &IpNet| conf.vips.iter().chain(&conf.excluded).any(|v| v.net.addr == net.addr);
    links.addresses(&vlink.parent, vlink.family).find(|net| local(net) && !virtual_one(net))
}

/// Does the configuration ask for that link, which is there before anybody has made it? Then a run before this one,
/// whose record is lost, or keepalived has left it.
pub fn is_left_over(config: &Config, link: &Link) -> bool {
    let Some((_, Stack::Macvlan)) = link.more.on else { return false };
    config.instances.iter().any(|conf| {
        wanted(conf).iter().any(|(_, family, name)| {
            let prefix = config.global.vrrp.vmac_prefix.as_ref();
            let addr_prefix = config.global.vrrp.vmac_addr_prefix.as_deref().unwrap_or(prefix);
            let usual = |p: &str| {
                let rest =
                    link.name.as_str().strip_prefix(p).and_then(|rest| rest.strip_suffix(&format!(".{}", conf.vrid)));
                rest.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
            };
            let named = name.map_or_else(|| usual(prefix) || usual(addr_prefix), |name| *name == link.name);
            named && link.mac == mac(conf, *family)
        })
    })
}
