//! rtnetlink (rtnetlink(7), linux/rtnetlink.h, linux/if_addr.h): links and addresses; routes and rules stand in files of
//! their own.

use super::link::{self, RTM_DELLINK, RTM_NEWLINK};
use super::netlink::{
    attributes, Body, Message, Writer, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST,
};
use super::op::{AddressKey, AddressMore, AddressValue, Key, Lifetime, Link, News, Op, Value, OUR_PROTOCOL};
use super::route::{self, RTM_DELROUTE, RTM_NEWROUTE};
use super::rule::{self, RTM_DELRULE, RTM_NEWRULE};
use crate::base::addr::{Family, IfName, IpNet, Mac};
use crate::base::bytes::{Reader, Writer as Bytes};
use std::net::{IpAddr, Ipv4Addr};

/// RTPROT_KEEPALIVED: marks what is ours (routes and rules always, addresses from Linux 5.18 on).
pub const PROTOCOL: u8 = OUR_PROTOCOL;

const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETRULE: u16 = 34;

const AF_UNSPEC: u8 = 0;
pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 10;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_EXT_MASK: u16 = 29;
/// Counters of each link are most of a dump and of no use here.
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_SECONDARY: u32 = 0x01;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_OPTIMISTIC: u32 = 0x04;
const IFA_F_TENTATIVE: u32 = 0x40;

/// A number of requests that one operation needs: the answer to the last one counts.
pub const REQUESTS_PER_OP: u32 = 2;

/// Appends the requests of `op`; the last one has the sequence number `seq`, one before it (if any) `seq - 1`.
/// False (and nothing written) if rtnetlink is not the place for it.
///
/// Adding an address never touches one that is there already: the kernel says EEXIST.
pub fn request(w: &mut Writer, op: &Op, seq: u32) -> bool {
    if link::request(w, op, seq) {
        return true;
    }
    match op {
        Op::Add(Key::Address(key), Value::Address(value)) => add_address(w, key, value, seq),
        Op::Remove(Key::Address(key), Value::Address(value)) => delete_address(w, key, value, seq),
        // Details cannot be changed in place: of an address the kernel has no way, of a route the wrong one might be hit.
        Op::Set(Key::Address(key), Value::Address(value)) => {
            delete_address(w, key, value, seq.wrapping_sub(1));
            add_address(w, key, value, seq);
        }
        Op::Add(Key::Route(key), Value::Route(value)) => route::add(w, key, value, seq),
        Op::Remove(Key::Route(key), Value::Route(value)) => route::delete(w, key, value, seq),
        Op::Set(Key::Route(key), Value::Route(value)) => {
            route::delete(w, key, value, seq.wrapping_sub(1));
            route::add(w, key, value, seq);
        }
        Op::Add(Key::Rule(key), Value::Rule(value)) => rule::add(w, key, value, seq),
        Op::Remove(Key::Rule(key), Value::Rule(value)) => rule::delete(w, key, value, seq),
        _ => return false,
    }
    true
}

fn add_address(w: &mut Writer, key: &AddressKey, value: &AddressValue, seq: u32) {
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    let six = key.net.family() == Family::V6;
    let none = AddressMore::default();
    let more = value.more.as_deref().unwrap_or(&none);
    w.message(RTM_NEWADDR, flags, seq, |m| {
        // A take-over cannot wait a second for duplicate address detection, and the old holder may still answer.
        let all = if six && !more.dad { more.flags | IFA_F_NODAD } else { more.flags };
        address_key(m, key, value, (all & 0xff) as u8);
        if let Some(broadcast) = value.broadcast {
            m.attribute(IFA_BROADCAST, &broadcast.octets());
        }
        if let Some(label) = &value.label {
            m.attribute(IFA_LABEL, &c_string(label.as_str()));
        }
        if all > 0xff {
            m.u32(IFA_FLAGS, all);
        }
        m.attribute(IFA_PROTO, &[PROTOCOL]);
        let preferred = match more.lifetime {
            Lifetime::Usual => (six && key.net.len == 128).then_some(0),
            Lifetime::Ever => None,
            Lifetime::Seconds(n) => Some(n),
        };
        if let Some(seconds) = preferred {
            // Preferred that long, valid for ever. With 0 it is not chosen as the source of new connections.
            let mut cache = Bytes::new();
            cache.u32_ne(seconds);
            cache.u32_ne(u32::MAX);
            cache.zeros(8);
            m.attribute(IFA_CACHEINFO, &cache.bytes);
        }
    });
}

fn delete_address(w: &mut Writer, key: &AddressKey, value: &AddressValue, seq: u32) {
    w.message(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, seq, |m| address_key(m, key, value, 0));
}

fn address_key(m: &mut Body<'_>, key: &AddressKey, value: &AddressValue, flags: u8) {
    let mut head = Bytes::new();
    head.put(&[family_number(key.net.family()), key.net.len, flags, value.scope]);
    head.u32_ne(key.ifindex);
    m.fixed(&head.bytes);
    address(m, IFA_LOCAL, &key.net.addr);
    let peer = value.more.as_ref().and_then(|more| more.peer);
    address(m, IFA_ADDRESS, &peer.unwrap_or(key.net.addr));
}

pub fn address(m: &mut Body<'_>, kind: u16, ip: &IpAddr) {
    match ip {
        IpAddr::V4(ip) => m.attribute(kind, &ip.octets()),
        IpAddr::V6(ip) => m.attribute(kind, &ip.octets()),
    }
}

pub fn c_string(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

pub fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

/// The tables that are asked for at start and after an overrun, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dump {
    Links,
    Addresses(Family),
    Routes(Family),
    Rules(Family),
}

impl Dump {
    pub const ALL: [Dump; 7] = [
        Dump::Links,
        Dump::Addresses(Family::V4),
        Dump::Addresses(Family::V6),
        Dump::Routes(Family::V4),
        Dump::Routes(Family::V6),
        Dump::Rules(Family::V4),
        Dump::Rules(Family::V6),
    ];

    pub fn request(self, w: &mut Writer, seq: u32) {
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        match self {
            Dump::Links => w.message(RTM_GETLINK, flags, seq, |m| {
                m.fixed(&[0; 16]);
                m.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
            }),
            Dump::Addresses(family) => {
                w.message(RTM_GETADDR, flags, seq, |m| m.fixed(&[family_number(family), 0, 0, 0, 0, 0, 0, 0]))
            }
            // Kernels that look at more than the family (strict checking) leave out the routes of others by themselves:
            // a router may hold a million of them.
            Dump::Routes(family) => w.message(RTM_GETROUTE, flags, seq, |m| {
                m.fixed(&[family_number(family), 0, 0, 0, 0, PROTOCOL, 0, 0, 0, 0, 0, 0])
            }),
            Dump::Rules(family) => w.message(RTM_GETRULE, flags, seq, |m| {
                m.fixed(&[family_number(family), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            }),
        }
    }
}

/// What a message of the kernel says; None if it is none of our business or malformed.
pub fn parse(message: &Message<'_>) -> Option<News> {
    match message.kind {
        RTM_NEWLINK => link(message.body).map(News::Link),
        RTM_DELLINK => link_gone(message.body),
        RTM_NEWADDR => {
            let (key, value, flags) = parse_address(message.body)?;
            // While IPv6 looks for a duplicate nothing can be sent from an address; it is told of again after that.
            let usable = flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC) != IFA_F_TENTATIVE;
            Some(match usable {
                true => News::Address { key, value, primary: flags & IFA_F_SECONDARY == 0 },
                false => News::Tentative { key, value },
            })
        }
        RTM_DELADDR => parse_address(message.body).map(|(key, ..)| News::AddressGone { key }),
        RTM_NEWROUTE => route::parse(message.body).map(|(key, value)| News::Route { key, value }),
        RTM_DELROUTE => route::parse(message.body).map(|(key, value)| News::RouteGone { key, value }),
        RTM_NEWRULE => rule::parse(message.body).map(|(key, value)| News::Rule { key, value }),
        RTM_DELRULE => rule::parse(message.body).map(|(key, _)| News::RuleGone { key }),
        _ => None,
    }
}

/// ifinfomsg: family, pad, type u16, index i32, flags u32, change u32.
fn link_head<'a>(r: &mut Reader<'a>) -> Option<(u32, u32, &'a [u8])> {
    let family = r.u8()?;
    r.take(3)?;
    let ifindex = u32::try_from(r.i32_ne()?).ok()?;
    let flags = r.u32_ne()?;
    r.take(4)?;
    // A bridge tells of its ports in the same group, with family AF_BRIDGE: leaving a bridge is not vanishing.
    (family == AF_UNSPEC && ifindex > 0).then_some((ifindex, flags, r.rest()))
}

fn link_gone(body: &[u8]) -> Option<News> {
    let (ifindex, ..) = link_head(&mut Reader::new(body))?;
    Some(News::LinkGone { ifindex })
}

fn link(body: &[u8]) -> Option<Link> {
    let (ifindex, flags, rest) = link_head(&mut Reader::new(body))?;
    let (mut name, mut mac, mut mtu) = (None, Mac::default(), 0);
    for (kind, payload) in attributes(rest) {
        match kind {
            IFLA_IFNAME => name = text(payload).and_then(|s| s.parse().ok()),
            // InfiniBand and tunnels have other lengths: no MAC then.
            IFLA_ADDRESS => mac = payload.try_into().map(Mac).unwrap_or_default(),
            IFLA_MTU => mtu = Reader::new(payload).u32_ne()?,
            _ => {}
        }
    }
    let up = flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING;
    let more = link::more(flags, rest);
    Some(Link { ifindex, name: name?, up, mac, mtu, no_arp: flags & (IFF_NOARP | IFF_LOOPBACK) != 0, more })
}

/// ifaddrmsg: family, prefix length, flags, scope, index u32.
fn parse_address(body: &[u8]) -> Option<(AddressKey, AddressValue, u32)> {
    let mut r = Reader::new(body);
    let (family, len, short_flags, scope) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
    let ifindex = r.u32_ne()?;
    let mut flags = u32::from(short_flags);
    let (mut local, mut addr) = (None, None);
    let mut value = AddressValue { scope, ..AddressValue::default() };
    for (kind, payload) in attributes(r.rest()) {
        match kind {
            IFA_LOCAL => local = ip(family, payload),
            IFA_ADDRESS => addr = ip(family, payload),
            IFA_BROADCAST => value.broadcast = <[u8; 4]>::try_from(payload).ok().map(Ipv4Addr::from),
            IFA_LABEL => value.label = text(payload).and_then(IfName::label),
            IFA_FLAGS => flags = Reader::new(payload).u32_ne()?,
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the peer's; IPv6 gives IFA_LOCAL only then.
    let net = IpNet::new(local.or(addr)?, len)?;
    let peer = addr.filter(|ip| local.is_some_and(|local| local != *ip));
    value.more = peer.map(|peer| Box::new(AddressMore { peer: Some(peer), ..AddressMore::default() }));
    Some((AddressKey { ifindex, net }, value, flags))
}

pub fn ip(family: u8, payload: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(payload).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(payload).ok().map(IpAddr::from),
        _ => None,
    }
}

pub fn text(payload: &[u8]) -> Option<&str> {
    let end = payload.iter().position(|b| *b == 0).unwrap_or(payload.len());
    std::str::from_utf8(payload.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::netlink::{messages, Writer, NLMSG_DONE};
    use super::super::op::{Leg, RouteKey, RouteValue, RuleKey, RuleValue, SyncRole};
    use super::*;

    fn net(s: &str) -> IpNet {
        s.parse().unwrap()
    }

    fn address(net: IpNet, value: AddressValue) -> (Key, Value) {
        (Key::Address(AddressKey { ifindex: 0x0102_0304, net }), Value::Address(value))
    }

    fn route(table: u32, dst: &str, metric: u32, value: RouteValue) -> (Key, Value) {
        let key = RouteKey { table, dst: net(dst), metric, tos: 0, way: value.way() };
        (Key::Route(key), Value::Route(Box::new(value)))
    }

    fn rule(value: RuleValue) -> (Key, Value) {
        let key = RuleKey { family: Family::V6, preference: 9, way: value.way() };
        (Key::Rule(key), Value::Rule(Box::new(value)))
    }

    fn objects() -> Vec<(Key, Value)> {
        let full = AddressValue {
            broadcast: Some(Ipv4Addr::new(10, 0, 0, 255)),
            label: IfName::label("eth0:1"),
            scope: 253,
            more: None,
        };
        let unicast = RouteValue { kind: 1, protocol: PROTOCOL, ..RouteValue::default() };
        let leg = |via: &str, weight| Leg { via: via.parse().ok(), ifindex: Some(4), weight, onlink: weight > 1 };
        let more = RouteValue {
            realms: Some(5),
            metrics: vec![(2, 1400), (10, 64)],
            congctl: Some("reno".into()),
            ttl_propagate: Some(true),
            onlink: true,
            ..unicast.clone()
        };
        let peer = AddressMore { peer: Some([10, 7, 0, 1].into()), ..AddressMore::default() };
        vec![
            address(net("10.0.0.1/32"), AddressValue::default()),
            address(net("10.0.0.1/24"), full),
            address(net("10.0.0.1/30"), AddressValue { more: Some(Box::new(peer)), ..AddressValue::default() }),
            address(net("fd00::1/64"), AddressValue::default()),
            address(net("fd00::1/128"), AddressValue::default()),
            route(254, "10.0.0.0/8", 5, RouteValue { via: Some([10, 0, 0, 2].into()), ..unicast.clone() }),
            route(
                70_000,
                "0.0.0.0/0",
                0,
                RouteValue { ifindex: Some(3), src: Some([10, 0, 0, 1].into()), ..unicast.clone() },
            ),
            route(
                254,
                "10.0.0.0/8",
                0,
                RouteValue { via: "fe80::1".parse().ok(), ifindex: Some(3), ..unicast.clone() },
            ),
            route(254, "fd00::/16", 0, RouteValue { via: "fe80::1".parse().ok(), ifindex: Some(3), ..unicast.clone() }),
            route(254, "10.1.0.0/16", 0, RouteValue { kind: 6, protocol: PROTOCOL, ..RouteValue::default() }),
            route(
                254,
                "10.2.0.0/16",
                0,
                RouteValue { legs: vec![leg("10.0.0.2", 1), leg("fe80::1", 256)], ..more.clone() },
            ),
            route(254, "fd01::/16", 9, RouteValue { from: Some(net("fd02::/32")), pref: Some(3), ..more }),
            rule(RuleValue { action: 1, table: 254, protocol: PROTOCOL, ..RuleValue::default() }),
            rule(RuleValue {
                action: 2,
                goto: Some(7),
                invert: true,
                from: Some(net("fd00::/16")),
                to: Some(net("fd01::1/128")),
                iif: "eth0".parse().ok(),
                oif: "eth1".parse().ok(),
                tos: 8,
                fwmark: Some((1, 2)),
                realms: Some(3),
                suppress_prefixlength: Some(4),
                suppress_ifgroup: Some(5),
                tunnel_id: Some(6),
                uidrange: Some((7, 8)),
                protocol: 9,
                l3mdev: true,
                ipproto: Some(10),
                sport: Some((11, 12)),
                dport: Some((13, 14)),
                ..RuleValue::default()
            }),
        ]
    }

    fn requests(op: &Op) -> Writer {
        let mut w = Writer::new();
        assert!(request(&mut w, op, 9), "{op:?}");
        w
    }

    fn told(op: &Op) -> Vec<News> {
        messages(requests(op).bytes()).filter_map(|m| parse(&m)).collect()
    }

    /// What we ask for has the form in which the kernel tells of it.
    #[test]
    fn requests_read_back() {
        for (key, value) in objects() {
            let (there, gone) = match (key, value.clone()) {
                (Key::Address(key), Value::Address(value)) => {
                    (News::Address { key, value, primary: true }, News::AddressGone { key })
                }
                (Key::Route(key), Value::Route(value)) => {
                    (News::Route { key, value: *value.clone() }, News::RouteGone { key, value: *value })
                }
                (Key::Rule(key), Value::Rule(value)) => (News::Rule { key, value: *value }, News::RuleGone { key }),
                _ => unreachable!(),
            };
            assert_eq!(told(&Op::Add(key, value.clone())), std::slice::from_ref(&there));
            if !matches!(key, Key::Rule(_)) {
                let set = told(&Op::Set(key, value.clone()));
                assert_eq!(set.last(), Some(&there));
            }
            match told(&Op::Remove(key, value)).as_slice() {
                // A route is found without its scope and metrics.
                [News::RouteGone { key: k, .. }] => assert_eq!(Key::Route(*k), key),
                other => assert_eq!(other, [gone]),
            }
        }
    }

    #[test]
    fn the_kinds_of_requests() {
        let flags = |op: &Op| -> Vec<(u16, u16, u32)> {
            messages(requests(op).bytes()).map(|m| (m.kind, m.flags, m.seq)).collect()
        };
        let all = objects();
        let (a, r) = (&all[0], &all[5]);
        // REQUEST 1, ACK 4, REPLACE 0x100, EXCL 0x200, CREATE 0x400.
        assert_eq!(flags(&Op::Add(a.0, a.1.clone())), [(20, 0x605, 9)]);
        assert_eq!(flags(&Op::Set(a.0, a.1.clone())), [(21, 5, 8), (20, 0x605, 9)]);
        assert_eq!(flags(&Op::Remove(a.0, a.1.clone())), [(21, 5, 9)]);
        assert_eq!(flags(&Op::Add(r.0, r.1.clone())), [(24, 0x405, 9)]);
        assert_eq!(flags(&Op::Set(r.0, r.1.clone())), [(25, 5, 8), (24, 0x405, 9)]);
        assert_eq!(flags(&Op::Remove(r.0, r.1.clone())), [(25, 5, 9)]);
        let sync = Value::SyncDaemon { interface: IfName::default(), id: 1 };
        let mut w = Writer::new();
        assert!(!request(&mut w, &Op::Add(Key::SyncDaemon(SyncRole::Master), sync), 1));
        assert!(w.is_empty());
    }

    /// Laid out by hand from rtnetlink(7).
    #[test]
    #[cfg(target_endian = "little")]
    fn the_bytes_of_an_address() {
        let key = Key::Address(AddressKey { ifindex: 3, net: net("10.0.0.1/24") });
        let bytes = requests(&Op::Add(key, Value::Address(AddressValue::default()))).bytes().to_vec();
        #[rustfmt::skip]
        let expected = [
            48, 0, 0, 0,  20, 0, 5, 6,  9, 0, 0, 0,  0, 0, 0, 0,
            2, 24, 0, 0,  3, 0, 0, 0,
            8, 0, 2, 0,  10, 0, 0, 1,
            8, 0, 1, 0,  10, 0, 0, 1,
            5, 0, 11, 0,  18, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
    }

    fn link_message(kind: u16, family: u8, flags: u32, mac: &[u8]) -> Writer {
        let mut w = Writer::new();
        w.message(kind, 0, 0, |m| {
            let mut head = Bytes::new();
            head.put(&[family, 0, 1, 0]);
            head.u32_ne(5);
            head.u32_ne(flags);
            head.u32_ne(0);
            m.fixed(&head.bytes);
            m.attribute(IFLA_IFNAME, b"eth0\0");
            m.u32(IFLA_MTU, 1500);
            m.attribute(IFLA_ADDRESS, mac);
            m.nest(40, |n| n.u32(1, 2));
        });
        w
    }

    #[test]
    fn links() {
        let read = |w: &Writer| messages(w.bytes()).filter_map(|m| parse(&m)).next();
        let link = |flags, mac: &[u8]| match read(&link_message(RTM_NEWLINK, 0, flags, mac)) {
            Some(News::Link(link)) => link,
            other => panic!("{other:?}"),
        };
        let mac = [2, 0, 0, 0, 0, 1];
        let up = link(IFF_UP | IFF_RUNNING, &mac);
        assert_eq!(
            (up.ifindex, up.name.as_str(), up.up, up.mac, up.mtu, up.no_arp),
            (5, "eth0", true, Mac(mac), 1500, false)
        );
        assert!(!link(IFF_UP, &mac).up);
        assert!(!link(IFF_RUNNING, &mac).up);
        assert!(link(IFF_UP | IFF_RUNNING | IFF_NOARP, &mac).no_arp);
        assert!(link(IFF_LOOPBACK, &mac).no_arp);
        assert_eq!(link(0, &[1; 20]).mac, Mac::default());
        assert_eq!(read(&link_message(RTM_DELLINK, 0, 0, &mac)), Some(News::LinkGone { ifindex: 5 }));
        // Family 7, AF_BRIDGE: a port of a bridge, not the link.
        assert_eq!(read(&link_message(RTM_DELLINK, 7, 0, &mac)), None);
        assert_eq!(read(&link_message(RTM_NEWLINK, 7, IFF_UP, &mac)), None);
    }

    #[test]
    fn secondary_addresses_and_foreign_routes() {
        let mut w = Writer::new();
        // The long flags win over the short ones; on a point-to-point link the address is the peer's.
        w.message(RTM_NEWADDR, 0, 0, |m| {
            m.fixed(&[AF_INET, 32, 0, 0, 7, 7, 7, 7]);
            m.attribute(IFA_ADDRESS, &[10, 0, 0, 2]);
            m.attribute(IFA_LOCAL, &[10, 0, 0, 1]);
            m.u32(IFA_FLAGS, IFA_F_SECONDARY | 0x80);
        });
        w.message(RTM_NEWADDR, 0, 0, |m| {
            m.fixed(&[AF_INET6, 64, IFA_F_TENTATIVE as u8, 0, 7, 7, 7, 7]);
            m.attribute(IFA_ADDRESS, &[0xfe; 16]);
        });
        // 24 is RTM_NEWROUTE.
        w.message(RTM_NEWROUTE, 0, 0, |m| m.fixed(&[AF_INET, 8, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]));
        w.message(RTM_NEWROUTE, 0, 0, |m| m.fixed(&[AF_INET, 33, 0, 0, 254, PROTOCOL, 0, 1, 0, 0, 0, 0]));
        w.message(NLMSG_DONE, 0, 0, |m| m.fixed(&[0; 4]));
        let all: Vec<News> = messages(w.bytes()).filter_map(|m| parse(&m)).collect();
        let [News::Address { key, primary, .. }, News::Tentative { .. }] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((key.net, *primary), (net("10.0.0.1/32"), false));
    }

    #[test]
    fn broken_messages_do_no_harm() {
        let mut seeds: Vec<Vec<u8>> = Vec::new();
        for (key, value) in objects() {
            seeds.push(requests(&Op::Add(key, value)).bytes().to_vec());
        }
        seeds.push(link_message(RTM_NEWLINK, 0, IFF_UP, &[1; 6]).bytes().to_vec());
        for table in Dump::ALL {
            let mut w = Writer::new();
            table.request(&mut w, 1);
            seeds.push(w.bytes().to_vec());
        }
        let mut read = 0;
        crate::wire::mangled(&seeds, 200_000, |bytes| {
            for m in messages(bytes) {
                let _ = (m.answer(), m.dump_end());
                read += usize::from(parse(&m).is_some());
            }
        });
        // Most of the damage leaves something that can be read: the parsers were really reached.
        assert!(read > 50_000, "{read}");
    }
}
