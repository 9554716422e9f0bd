//! rtnetlink (rtnetlink(7), linux/rtnetlink.h, linux/if_addr.h): links, addresses and routes.

use super::link::{self, RTM_DELLINK, RTM_NEWLINK};
use super::netlink::{
    attributes, Body, Message, Writer, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
};
use super::op::{AddressKey, AddressValue, Key, Link, News, Op, RouteKey, RouteValue, Value};
use crate::base::addr::{Family, IfName, IpNet, Mac};
use crate::base::bytes::{Reader, Writer as Bytes};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// RTPROT_KEEPALIVED: marks what is ours (routes always, addresses from Linux 5.18 on).
pub const PROTOCOL: u8 = 18;

const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

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
const IFA_F_NODAD: u8 = 0x02;
const IFA_F_OPTIMISTIC: u32 = 0x04;
const IFA_F_TENTATIVE: u32 = 0x40;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RT_SCOPE_NOWHERE: u8 = 255;
const RTN_UNICAST: u8 = 1;

/// A number of requests that one operation needs: the answer to the last one counts.
pub const REQUESTS_PER_OP: u32 = 2;

/// Appends the requests of `op`; the last one has the sequence number `seq`, one before it (if any) `seq - 1`.
/// False (and nothing written) if rtnetlink is not the place for it.
///
/// Adding never touches an object that is there already: the kernel says EEXIST, and a route of the administrator
/// with the same key lives on.
pub fn request(w: &mut Writer, op: &Op, seq: u32) -> bool {
    if link::request(w, op, seq) {
        return true;
    }
    match op {
        Op::Add(Key::Address(key), Value::Address(value)) => add_address(w, key, value, seq),
        Op::Remove(Key::Address(key), _) => delete_address(w, key, seq),
        // The label and broadcast address of an IPv4 address cannot be changed in place.
        Op::Set(Key::Address(key), Value::Address(value)) => {
            delete_address(w, key, seq.wrapping_sub(1));
            add_address(w, key, value, seq);
        }
        Op::Add(Key::Route(key), Value::Route(value)) => new_route(w, key, value, NLM_F_CREATE | NLM_F_EXCL, seq),
        Op::Set(Key::Route(key), Value::Route(value)) => new_route(w, key, value, NLM_F_CREATE | NLM_F_REPLACE, seq),
        Op::Remove(Key::Route(key), Value::Route(value)) => delete_route(w, key, value, seq),
        _ => return false,
    }
    true
}

fn add_address(w: &mut Writer, key: &AddressKey, value: &AddressValue, seq: u32) {
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    w.message(RTM_NEWADDR, flags, seq, |m| {
        address_key(m, key, value.scope);
        if let Some(broadcast) = value.broadcast {
            m.attribute(IFA_BROADCAST, &broadcast.octets());
        }
        if let Some(label) = &value.label {
            m.attribute(IFA_LABEL, &c_string(label.as_str()));
        }
        m.attribute(IFA_PROTO, &[PROTOCOL]);
        if matches!(key.net, IpNet { addr: IpAddr::V6(_), len: 128 }) {
            // Preferred for 0 s, valid for ever: not to be chosen as the source of new connections.
            let mut cache = Bytes::new();
            cache.u32_ne(0);
            cache.u32_ne(u32::MAX);
            cache.zeros(8);
            m.attribute(IFA_CACHEINFO, &cache.bytes);
        }
    });
}

fn delete_address(w: &mut Writer, key: &AddressKey, seq: u32) {
    w.message(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, seq, |m| address_key(m, key, 0));
}

fn address_key(m: &mut Body<'_>, key: &AddressKey, scope: u8) {
    let (family, flags) = match key.net.family() {
        Family::V4 => (AF_INET, 0),
        // A take-over cannot wait a second for duplicate address detection, and the old holder may still answer.
        Family::V6 => (AF_INET6, IFA_F_NODAD),
    };
    let mut head = Bytes::new();
    head.put(&[family, key.net.len, flags, scope]);
    head.u32_ne(key.ifindex);
    m.fixed(&head.bytes);
    address(m, IFA_LOCAL, &key.net.addr);
    address(m, IFA_ADDRESS, &key.net.addr);
}

fn new_route(w: &mut Writer, key: &RouteKey, value: &RouteValue, how: u16, seq: u32) {
    w.message(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | how, seq, |m| route(m, key, value, value.scope));
}

fn delete_route(w: &mut Writer, key: &RouteKey, value: &RouteValue, seq: u32) {
    let scope = if key.dst.family() == Family::V4 { RT_SCOPE_NOWHERE } else { 0 };
    w.message(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, seq, |m| route(m, key, value, scope));
}

fn route(m: &mut Body<'_>, key: &RouteKey, value: &RouteValue, scope: u8) {
    let family = family_number(key.dst.family());
    let kind = if value.kind == 0 { RTN_UNICAST } else { value.kind };
    // A table above 255 goes into its attribute alone.
    let table = u8::try_from(key.table).unwrap_or(0);
    m.fixed(&[family, key.dst.len, 0, 0, table, PROTOCOL, scope, kind, 0, 0, 0, 0]);
    m.u32(RTA_TABLE, key.table);
    if key.dst.len > 0 {
        address(m, RTA_DST, &key.dst.addr);
    }
    if key.metric > 0 {
        m.u32(RTA_PRIORITY, key.metric);
    }
    match value.via {
        Some(via) if Family::of(&via) == key.dst.family() => address(m, RTA_GATEWAY, &via),
        Some(IpAddr::V6(via)) => {
            let mut bytes = Bytes::new();
            bytes.u16_ne(u16::from(AF_INET6));
            bytes.put(&via.octets());
            m.attribute(RTA_VIA, &bytes.bytes);
        }
        // An IPv4 gateway of an IPv6 route does not exist.
        Some(IpAddr::V4(_)) | None => {}
    }
    if let Some(ifindex) = value.ifindex {
        m.u32(RTA_OIF, ifindex);
    }
    if let Some(src) = value.src {
        address(m, RTA_PREFSRC, &src);
    }
}

fn address(m: &mut Body<'_>, kind: u16, ip: &IpAddr) {
    match ip {
        IpAddr::V4(ip) => m.attribute(kind, &ip.octets()),
        IpAddr::V6(ip) => m.attribute(kind, &ip.octets()),
    }
}

fn c_string(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn family_number(family: Family) -> u8 {
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
}

impl Dump {
    pub const ALL: [Dump; 5] = [
        Dump::Links,
        Dump::Addresses(Family::V4),
        Dump::Addresses(Family::V6),
        Dump::Routes(Family::V4),
        Dump::Routes(Family::V6),
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
            usable.then_some(News::Address { key, value, primary: flags & IFA_F_SECONDARY == 0 })
        }
        RTM_DELADDR => parse_address(message.body).map(|(key, ..)| News::AddressGone { key }),
        RTM_NEWROUTE => parse_route(message.body).map(|(key, value)| News::Route { key, value }),
        RTM_DELROUTE => parse_route(message.body).map(|(key, value)| News::RouteGone { key, value }),
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
    Some((AddressKey { ifindex, net }, value, flags))
}

/// rtmsg: family, destination length, source length, tos, table, protocol, scope, type, flags u32.
fn parse_route(body: &[u8]) -> Option<(RouteKey, RouteValue)> {
    let mut r = Reader::new(body);
    let [family, len, _, _, table, protocol, scope, kind] = r.array()?;
    r.take(4)?;
    if protocol != PROTOCOL {
        return None;
    }
    let any = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let mut value = RouteValue { scope, kind, ..RouteValue::default() };
    let (mut dst, mut table, mut metric) = (any, u32::from(table), 0);
    for (kind, payload) in attributes(r.rest()) {
        let mut r = Reader::new(payload);
        match kind {
            RTA_DST => dst = ip(family, payload)?,
            RTA_TABLE => table = r.u32_ne()?,
            RTA_PRIORITY => metric = r.u32_ne()?,
            RTA_GATEWAY => value.via = ip(family, payload),
            RTA_VIA => value.via = ip(u8::try_from(r.u16_ne()?).ok()?, r.rest()),
            RTA_OIF => value.ifindex = Some(r.u32_ne()?),
            RTA_PREFSRC => value.src = ip(family, payload),
            _ => {}
        }
    }
    Some((RouteKey { table, dst: IpNet::new(dst, len)?, metric }, value))
}

fn ip(family: u8, payload: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(payload).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(payload).ok().map(IpAddr::from),
        _ => None,
    }
}

fn text(payload: &[u8]) -> Option<&str> {
    let end = payload.iter().position(|b| *b == 0).unwrap_or(payload.len());
    std::str::from_utf8(payload.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::netlink::{messages, Writer, NLMSG_DONE};
    use super::super::op::SyncRole;
    use super::*;

    fn net(s: &str) -> IpNet {
        s.parse().unwrap()
    }

    fn address(net: IpNet, value: AddressValue) -> (Key, Value) {
        (Key::Address(AddressKey { ifindex: 0x0102_0304, net }), Value::Address(value))
    }

    fn route(table: u32, dst: &str, metric: u32, value: RouteValue) -> (Key, Value) {
        (Key::Route(RouteKey { table, dst: net(dst), metric }), Value::Route(value))
    }

    fn objects() -> Vec<(Key, Value)> {
        let full =
            AddressValue { broadcast: Some(Ipv4Addr::new(10, 0, 0, 255)), label: IfName::label("eth0:1"), scope: 253 };
        let unicast = RouteValue { kind: RTN_UNICAST, ..RouteValue::default() };
        vec![
            address(net("10.0.0.1/32"), AddressValue::default()),
            address(net("10.0.0.1/24"), full),
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
            route(254, "fd00::/16", 0, RouteValue { via: "fe80::1".parse().ok(), ifindex: Some(3), ..unicast }),
            route(254, "10.1.0.0/16", 0, RouteValue { kind: 6, scope: 0, ..RouteValue::default() }),
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
                    (News::Route { key, value: value.clone() }, News::RouteGone { key, value })
                }
                _ => unreachable!(),
            };
            assert_eq!(told(&Op::Add(key, value.clone())), std::slice::from_ref(&there));
            let set = told(&Op::Set(key, value.clone()));
            assert_eq!(set.last(), Some(&there));
            match told(&Op::Remove(key, value)).as_slice() {
                // An IPv4 route is found without its scope.
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
        let (a, r) = (&all[0], &all[4]);
        // REQUEST 1, ACK 4, REPLACE 0x100, EXCL 0x200, CREATE 0x400.
        assert_eq!(flags(&Op::Add(a.0, a.1.clone())), [(20, 0x605, 9)]);
        assert_eq!(flags(&Op::Set(a.0, a.1.clone())), [(21, 5, 8), (20, 0x605, 9)]);
        assert_eq!(flags(&Op::Remove(a.0, a.1.clone())), [(21, 5, 9)]);
        assert_eq!(flags(&Op::Add(r.0, r.1.clone())), [(24, 0x605, 9)]);
        assert_eq!(flags(&Op::Set(r.0, r.1.clone())), [(24, 0x505, 9)]);
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
        w.message(RTM_NEWROUTE, 0, 0, |m| m.fixed(&[AF_INET, 8, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]));
        w.message(RTM_NEWROUTE, 0, 0, |m| m.fixed(&[AF_INET, 33, 0, 0, 254, PROTOCOL, 0, 1, 0, 0, 0, 0]));
        w.message(NLMSG_DONE, 0, 0, |m| m.fixed(&[0; 4]));
        let all: Vec<News> = messages(w.bytes()).filter_map(|m| parse(&m)).collect();
        let [News::Address { key, primary, .. }] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((key.net, *primary), (net("10.0.0.1/32"), false));
    }

    #[test]
    fn broken_messages_do_no_harm() {
        let mut seeds: Vec<Vec<u8>> = Vec::new();
        for (key, value) in objects() {
            seeds.push(requests(&Op::Set(key, value)).bytes().to_vec());
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
