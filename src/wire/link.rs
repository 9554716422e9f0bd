//! Virtual links (macvlan, ipvlan), what is set for an interface under /proc/sys/net, and both as the kernel tells of
//! them (linux/if_link.h).

use super::netlink::{attributes, Writer, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use super::op::{Key, Op, Value};
use crate::base::addr::{IfName, Mac};
use crate::base::bytes::{Reader, Writer as Bytes};
use std::net::IpAddr;

pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;

const IFF_UP: u32 = 0x1;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_GROUP: u16 = 27;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
/// Nothing passes between the links of one parent.
const MACVLAN_MODE_PRIVATE: u32 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IPVLAN_MODE_L2: u16 = 0;

/// A parent carries one link with that address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkKey {
    pub parent: u32,
    /// Of an ipvlan link, which has its parent's: the one that the virtual router would have.
    pub mac: Mac,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkValue {
    pub name: IfName,
    pub kind: LinkKind,
    pub group: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkKind {
    Macvlan,
    Ipvlan(IpvlanFlag),
}

/// IPVLAN_F_*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IpvlanFlag {
    Bridge,
    Private,
    Vepa,
}

/// What the kernel tells of a link beyond its name and state.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkMore {
    /// IFF_UP alone: somebody wants it up.
    pub wanted_up: bool,
    pub group: u32,
    /// A macvlan or ipvlan link: the number of its parent, and which of the two.
    pub on: Option<(u32, Stack)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stack {
    Macvlan,
    Ipvlan,
}

impl LinkKind {
    pub fn stack(self) -> Stack {
        match self {
            LinkKind::Macvlan => Stack::Macvlan,
            LinkKind::Ipvlan(_) => Stack::Ipvlan,
        }
    }
}

/// A setting of one interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SysctlKey {
    pub ifindex: u32,
    pub which: Sysctl,
}

/// What is to be written, and, once it was, what stood there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SysctlValue {
    pub value: i32,
    pub was: Option<i32>,
}

macro_rules! sysctls {
    ($($variant:ident $family:literal $name:literal),* $(,)?) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Sysctl { $($variant),* }

        impl Sysctl {
            pub const ALL: &'static [Sysctl] = &[$(Sysctl::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Sysctl::$variant => $name),* }
            }

            /// The folder of /proc/sys/net that has it.
            pub fn family(self) -> &'static str {
                match self { $(Sysctl::$variant => $family),* }
            }
        }
    };
}
sysctls!(
    ArpIgnore "ipv4" "arp_ignore",
    ArpFilter "ipv4" "arp_filter",
    ArpAnnounce "ipv4" "arp_announce",
    RpFilter "ipv4" "rp_filter",
    AcceptLocal "ipv4" "accept_local",
    PromoteSecondaries "ipv4" "promote_secondaries",
    AddrGenMode "ipv6" "addr_gen_mode",
    DisableIpv6 "ipv6" "disable_ipv6",
);

impl Sysctl {
    pub fn from_name(name: &str) -> Option<Sysctl> {
        Sysctl::ALL.iter().copied().find(|s| s.name() == name)
    }

    pub fn path(self, interface: &IfName) -> String {
        format!("/proc/sys/net/{}/conf/{interface}/{}", self.family(), self.name())
    }
}

/// A filter (bpf, linux/filter.h) for packets without their link header: those of one protocol to one group. What else
/// comes to the addresses of a link would wake us for each packet.
pub fn filter(group: IpAddr, protocol: u8) -> Vec<u8> {
    // Where the protocol stands, and the last four bytes of the destination.
    let (protocol_at, tail_at, tail) = match group {
        IpAddr::V4(ip) => (9, 16, u32::from(ip)),
        IpAddr::V6(ip) => (6, 36, (u128::from(ip) & u128::from(u32::MAX)) as u32),
    };
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_WORD: u16 = 0x20;
    const JUMP_UNLESS: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let program = [
        (LOAD_BYTE, 0, protocol_at),
        (JUMP_UNLESS, 3, u32::from(protocol)),
        (LOAD_WORD, 0, tail_at),
        (JUMP_UNLESS, 1, tail),
        (RETURN, 0, u32::MAX),
        (RETURN, 0, 0),
    ];
    let mut w = Bytes::new();
    for (code, skip, value) in program {
        w.u16_ne(code);
        w.put(&[0, skip]);
        w.u32_ne(value);
    }
    w.bytes
}

/// The request for a link, or for its state. False if it is about something else.
pub(super) fn request(w: &mut Writer, op: &Op, seq: u32) -> bool {
    match op {
        Op::Add(Key::Link(key), Value::Link(value)) => create(w, key, value, seq),
        Op::Remove(Key::Link(_), Value::Link(value)) => {
            w.message(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, seq, |m| {
                m.fixed(&head(0, 0, 0));
                m.attribute(IFLA_IFNAME, &name(&value.name));
            });
        }
        Op::Add(Key::Up(ifindex), _) | Op::Set(Key::Up(ifindex), _) => set_up(w, *ifindex, IFF_UP, seq),
        Op::Remove(Key::Up(ifindex), _) => set_up(w, *ifindex, 0, seq),
        _ => return false,
    }
    true
}

/// Down, so that nothing leaves it before its settings are made. The MTU is the parent's.
fn create(w: &mut Writer, key: &LinkKey, value: &LinkValue, seq: u32) {
    w.message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, seq, |m| {
        m.fixed(&head(0, 0, 0));
        m.attribute(IFLA_IFNAME, &name(&value.name));
        m.u32(IFLA_LINK, key.parent);
        if value.group != 0 {
            m.u32(IFLA_GROUP, value.group);
        }
        match value.kind {
            LinkKind::Macvlan => {
                m.attribute(IFLA_ADDRESS, &key.mac.0);
                m.nest(IFLA_LINKINFO, |info| {
                    info.attribute(IFLA_INFO_KIND, b"macvlan");
                    info.nest(IFLA_INFO_DATA, |data| data.u32(IFLA_MACVLAN_MODE, MACVLAN_MODE_PRIVATE));
                });
            }
            LinkKind::Ipvlan(flag) => m.nest(IFLA_LINKINFO, |info| {
                info.attribute(IFLA_INFO_KIND, b"ipvlan");
                info.nest(IFLA_INFO_DATA, |data| {
                    data.attribute(IFLA_IPVLAN_MODE, &IPVLAN_MODE_L2.to_ne_bytes());
                    // A kernel before 4.15 knows no other than the bridge, and nothing of the attribute.
                    let number: u16 = match flag {
                        IpvlanFlag::Bridge => return,
                        IpvlanFlag::Private => 1,
                        IpvlanFlag::Vepa => 2,
                    };
                    data.attribute(IFLA_IPVLAN_FLAGS, &number.to_ne_bytes());
                });
            }),
        }
    });
}

fn set_up(w: &mut Writer, ifindex: u32, flags: u32, seq: u32) {
    w.message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, seq, |m| m.fixed(&head(ifindex, flags, IFF_UP)));
}

/// ifinfomsg: family, pad, type u16, index, flags, change.
fn head(ifindex: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut w = Bytes::new();
    w.zeros(4);
    w.u32_ne(ifindex);
    w.u32_ne(flags);
    w.u32_ne(change);
    w.bytes
}

fn name(name: &IfName) -> Vec<u8> {
    [name.as_str().as_bytes(), &[0]].concat()
}

/// From the attributes of a link message.
pub(super) fn more(flags: u32, rest: &[u8]) -> LinkMore {
    let mut more = LinkMore { wanted_up: flags & IFF_UP != 0, ..LinkMore::default() };
    let (mut parent, mut stack) = (None, None);
    for (kind, payload) in attributes(rest) {
        match kind {
            IFLA_GROUP => more.group = Reader::new(payload).u32_ne().unwrap_or(0),
            // Of a veth it is the other end.
            IFLA_LINK => parent = Reader::new(payload).u32_ne(),
            IFLA_LINKINFO => {
                let word = attributes(payload).find(|(kind, _)| *kind == IFLA_INFO_KIND).map(|(_, word)| word);
                stack = match word {
                    Some(b"macvlan" | b"macvlan\0") => Some(Stack::Macvlan),
                    Some(b"ipvlan" | b"ipvlan\0") => Some(Stack::Ipvlan),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    more.on = parent.zip(stack);
    more
}

#[cfg(test)]
mod tests {
    use super::super::netlink::messages;
    use super::super::op::News;
    use super::super::rtnl;
    use super::*;

    fn key() -> Key {
        Key::Link(LinkKey { parent: 2, mac: Mac([0, 0, 0x5e, 0, 1, 51]) })
    }

    fn value(kind: LinkKind, group: u32) -> Value {
        Value::Link(LinkValue { name: "vrrp.51".parse().unwrap(), kind, group })
    }

    fn bytes(op: &Op) -> Vec<u8> {
        let mut w = Writer::new();
        assert!(rtnl::request(&mut w, op, 9), "{op:?}");
        w.bytes().to_vec()
    }

    /// Laid out by hand from linux/if_link.h.
    #[test]
    #[cfg(target_endian = "little")]
    fn the_bytes_of_a_macvlan_link() {
        #[rustfmt::skip]
        let expected = [
            92, 0, 0, 0,  16, 0, 5, 6,  9, 0, 0, 0,  0, 0, 0, 0,
            0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
            12, 0, 3, 0,  b'v', b'r', b'r', b'p', b'.', b'5', b'1', 0,
            8, 0, 5, 0,  2, 0, 0, 0,
            10, 0, 1, 0,  0, 0, 0x5e, 0, 1, 51, 0, 0,
            28, 0, 18, 0,
            11, 0, 1, 0,  b'm', b'a', b'c', b'v', b'l', b'a', b'n', 0,
            12, 0, 2, 0,  8, 0, 1, 0,  1, 0, 0, 0,
        ];
        let got = bytes(&Op::Add(key(), value(LinkKind::Macvlan, 0)));
        assert_eq!(got, expected);
    }

    #[test]
    fn an_ipvlan_link_has_no_address_and_its_mode() {
        for (flag, expected) in
            [(IpvlanFlag::Bridge, None), (IpvlanFlag::Private, Some(1u16)), (IpvlanFlag::Vepa, Some(2))]
        {
            let bytes = bytes(&Op::Add(key(), value(LinkKind::Ipvlan(flag), 7)));
            let message = messages(&bytes).next().unwrap();
            let all: Vec<_> = attributes(&message.body[16..]).collect();
            let get = |kind| all.iter().find(|(k, _)| *k == kind).map(|(_, v)| *v);
            assert_eq!((get(IFLA_ADDRESS), get(IFLA_GROUP)), (None, Some(7u32.to_ne_bytes().as_slice())));
            let info: Vec<_> = attributes(get(IFLA_LINKINFO).unwrap()).collect();
            assert_eq!(info[0], (IFLA_INFO_KIND, b"ipvlan".as_slice()));
            let data: Vec<_> = attributes(info[1].1).collect();
            assert_eq!(data[0], (IFLA_IPVLAN_MODE, [0, 0].as_slice()));
            let flag = data.get(1).map(|(kind, v)| (*kind, u16::from_ne_bytes([v[0], v[1]])));
            assert_eq!(flag, expected.map(|n| (IFLA_IPVLAN_FLAGS, n)));
        }
    }

    /// A request to make a link has the form in which the kernel tells of it.
    #[test]
    fn read_back() {
        // The number, which only the kernel knows.
        let mut told = bytes(&Op::Add(key(), value(LinkKind::Macvlan, 3)));
        told[20..24].copy_from_slice(&7u32.to_ne_bytes());
        told[24..28].copy_from_slice(&1u32.to_ne_bytes());
        match messages(&told).find_map(|m| rtnl::parse(&m)) {
            Some(News::Link(link)) => {
                assert_eq!((link.ifindex, link.name.as_str(), link.mac), (7, "vrrp.51", Mac([0, 0, 0x5e, 0, 1, 51])));
                assert_eq!(link.more, LinkMore { wanted_up: true, group: 3, on: Some((2, Stack::Macvlan)) });
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn up_and_down_and_gone() {
        let kinds = |op: &Op| messages(&bytes(op)).map(|m| (m.kind, m.flags, m.seq)).collect::<Vec<_>>();
        assert_eq!(kinds(&Op::Remove(key(), value(LinkKind::Macvlan, 0))), [(RTM_DELLINK, 5, 9)]);
        assert_eq!(kinds(&Op::Add(Key::Up(4), Value::Up)), [(RTM_NEWLINK, 5, 9)]);
        let flags = |op: &Op| bytes(op)[20..32].to_vec();
        let words = |a: u32, b: u32, c: u32| [a, b, c].map(u32::to_ne_bytes).concat();
        assert_eq!(flags(&Op::Add(Key::Up(4), Value::Up)), words(4, 1, 1));
        assert_eq!(flags(&Op::Remove(Key::Up(4), Value::Up)), words(4, 0, 1));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_filter() {
        #[rustfmt::skip]
        let expected = [
            0x30, 0, 0, 0,  9, 0, 0, 0,
            0x15, 0, 0, 3,  112, 0, 0, 0,
            0x20, 0, 0, 0,  16, 0, 0, 0,
            0x15, 0, 0, 1,  18, 0, 0, 224,
            0x06, 0, 0, 0,  0xff, 0xff, 0xff, 0xff,
            0x06, 0, 0, 0,  0, 0, 0, 0,
        ];
        assert_eq!(filter("224.0.0.18".parse().unwrap(), 112), expected);
        assert_eq!(filter("ff02::12".parse().unwrap(), 112)[28..32], [0x12, 0, 0, 0]);
    }

    #[test]
    fn settings_have_names_both_ways() {
        for which in Sysctl::ALL {
            assert_eq!(Sysctl::from_name(which.name()), Some(*which));
        }
        let path = Sysctl::DisableIpv6.path(&"vrrp.51".parse().unwrap());
        assert_eq!(path, "/proc/sys/net/ipv6/conf/vrrp.51/disable_ipv6");
    }
}
