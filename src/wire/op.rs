//! The objects that the kernel holds for us, and the operations on them. `node` asks in these words,
//! `linux` (or the simulated kernel) carries them out.

use super::link::{LinkKey, LinkMore, LinkValue, Sysctl, SysctlKey, SysctlValue};
use crate::base::addr::{Endpoint, Family, IfName, IpNet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// What an object is, without its details. Two objects with one key cannot exist at one time.
/// The order of the variants is the order of putting up; taking down goes the other way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    /// A macvlan or ipvlan link of a virtual router.
    Link(LinkKey),
    Sysctl(SysctlKey),
    /// A link of ours is up; by its interface number.
    Up(u32),
    Socket(SocketKey),
    /// A packet socket that hears what comes to a group by a virtual link, without being a member of it there.
    Ear(SocketKey),
    /// The table that keeps traffic from addresses; it goes with all that is in it.
    Firewall(Family),
    Blocked(BlockedKey),
    Address(AddressKey),
    Route(RouteKey),
    Rule(RuleKey),
    SyncDaemon(SyncRole),
    Service(ServiceKey),
    Dest(ServiceKey, Endpoint),
}

/// A raw socket that hears what comes to one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketKey {
    /// 0: on any interface (unicast of an instance without one).
    pub ifindex: u32,
    /// IP protocol number: 112 VRRP, 51 AH.
    pub protocol: u8,
    /// A multicast group, joined on that interface, or (unicast) an address of this machine.
    pub address: IpAddr,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AddressKey {
    pub ifindex: u32,
    pub net: IpNet,
}

/// An address that takes and sends no traffic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockedKey {
    pub address: IpAddr,
    /// A link-local address is blocked on its interface only; 0: on all.
    pub ifindex: u32,
}

/// What tells one route from another for the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RouteKey {
    pub table: u32,
    pub dst: IpNet,
    /// The kernel's: IPv6 has 1024 where none is given.
    pub metric: u32,
    pub tos: u8,
    /// `RouteValue::way`: beside a route of the administrator's to the same place there may be one of ours.
    pub way: u32,
}

/// What tells one rule from another for the kernel: all of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleKey {
    pub family: Family,
    pub preference: u32,
    /// `RuleValue::way`.
    pub way: u32,
}

/// Connection synchronisation (ipvsadm --start-daemon): the kernel runs at most one of each role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SyncRole {
    Master,
    Backup,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ServiceKey {
    Address(Protocol, Endpoint),
    Mark(Family, u32),
}

/// The details of an object. The variant always fits the key's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Link(LinkValue),
    Sysctl(SysctlValue),
    Up,
    Socket,
    Firewall(Rc<Firewall>),
    /// In which table it is blocked.
    Blocked(Rc<Firewall>),
    Address(AddressValue),
    Route(Box<RouteValue>),
    Rule(Box<RuleValue>),
    SyncDaemon {
        interface: IfName,
        id: u8,
    },
    Service(ServiceValue),
    Dest(DestValue),
}

/// The nftables table of one family, and the details of its rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Firewall {
    pub table: Box<str>,
    pub priority: i32,
    pub counters: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AddressValue {
    pub broadcast: Option<Ipv4Addr>,
    pub label: Option<IfName>,
    /// RT_SCOPE_*: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// What few addresses have.
    pub more: Option<Box<AddressMore>>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AddressMore {
    /// The other end of a point-to-point link; the key's prefix length is its.
    pub peer: Option<IpAddr>,
    /// IPv6: the kernel looks whether somebody else has the address before it is used.
    pub dad: bool,
    /// IFA_F_HOMEADDRESS, _MANAGETEMPADDR, _NOPREFIXROUTE, _MCAUTOJOIN.
    pub flags: u32,
    pub lifetime: Lifetime,
    /// Who removes it may do so.
    pub loose: bool,
}

/// How long new connections may begin from an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lifetime {
    /// For ever, but from an IPv6 address without a network not at all.
    #[default]
    Usual,
    Ever,
    Seconds(u32),
}

impl AddressValue {
    /// Nobody but its owner cares when it is gone.
    pub fn is_loose(&self) -> bool {
        self.more.as_ref().is_some_and(|m| m.loose)
    }
}

/// In the kernel's form: a route with several gateways has them all in `legs`, one with a single gateway has none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteValue {
    pub via: Option<IpAddr>,
    pub ifindex: Option<u32>,
    pub src: Option<IpAddr>,
    pub scope: u8,
    /// RTN_*: 1 unicast, 6 blackhole, 7 unreachable, 8 prohibit.
    pub kind: u8,
    /// RTPROT_*; 0: ours.
    pub protocol: u8,
    pub onlink: bool,
    pub legs: Vec<Leg>,
    /// RTA_SRC, IPv6 only.
    pub from: Option<IpNet>,
    pub expires: Option<u32>,
    pub realms: Option<u32>,
    pub pref: Option<u8>,
    pub ttl_propagate: Option<bool>,
    /// RTA_METRICS by RTAX_*, in the order of their numbers; the locked ones as bits of RTAX_LOCK.
    pub metrics: Vec<(u16, u32)>,
    pub congctl: Option<Box<str>>,
    pub create: Create,
    /// Who removes it may do so.
    pub loose: bool,
}

/// How a route is put beside those that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Create {
    /// Only if there is none.
    Add,
    #[default]
    Prepend,
    Append,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Leg {
    pub via: Option<IpAddr>,
    pub ifindex: Option<u32>,
    /// 1 to 256.
    pub weight: u16,
    pub onlink: bool,
}

/// Ours, where a route says nothing else.
pub const OUR_PROTOCOL: u8 = 18;
const RTN_UNICAST: u8 = 1;

impl RouteValue {
    pub fn protocol(&self) -> u8 {
        if self.protocol == 0 {
            OUR_PROTOCOL
        } else {
            self.protocol
        }
    }

    pub fn kind(&self) -> u8 {
        if self.kind == 0 {
            RTN_UNICAST
        } else {
            self.kind
        }
    }

    /// Which of several routes to one place it is. The kernel fills in the interface of a gateway, so that counts only
    /// where it is all there is.
    pub fn way(&self) -> u32 {
        let first = self.legs.first();
        let via = self.via.or(first.and_then(|leg| leg.via));
        let ifindex = self.ifindex.or(first.and_then(|leg| leg.ifindex));
        let local = matches!(via, Some(IpAddr::V6(ip)) if ip.is_unicast_link_local());
        // What goes nowhere is at the loopback interface, for IPv6.
        let ifindex = ifindex.filter(|_| (via.is_none() || local) && !matches!(self.kind(), 6..=9));
        digest(&(self.kind(), self.protocol(), self.from, via, ifindex))
    }

    /// The interfaces that it needs.
    pub fn uses(&self, ifindex: u32) -> bool {
        self.ifindex == Some(ifindex) || self.legs.iter().any(|leg| leg.ifindex == Some(ifindex))
    }
}

/// A rule of the routing policy.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct RuleValue {
    /// FR_ACT_*.
    pub action: u8,
    pub table: u32,
    pub goto: Option<u32>,
    pub invert: bool,
    pub from: Option<IpNet>,
    pub to: Option<IpNet>,
    pub iif: Option<IfName>,
    pub oif: Option<IfName>,
    pub tos: u8,
    /// Value and mask.
    pub fwmark: Option<(u32, u32)>,
    pub realms: Option<u32>,
    pub suppress_prefixlength: Option<u32>,
    pub suppress_ifgroup: Option<u32>,
    pub tunnel_id: Option<u64>,
    pub uidrange: Option<(u32, u32)>,
    /// RTPROT_*; 0: ours.
    pub protocol: u8,
    pub l3mdev: bool,
    pub ipproto: Option<u8>,
    pub sport: Option<(u16, u16)>,
    pub dport: Option<(u16, u16)>,
    /// Who removes it may do so.
    pub loose: bool,
}

impl RuleValue {
    pub fn protocol(&self) -> u8 {
        if self.protocol == 0 {
            OUR_PROTOCOL
        } else {
            self.protocol
        }
    }

    /// Which of several rules of one preference it is.
    pub fn way(&self) -> u32 {
        digest(&RuleValue { protocol: self.protocol(), loose: false, ..self.clone() })
    }
}

/// FNV-1a: the same in every run, as the ownership record needs it.
struct Fnv(u32);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u32::from(*b)).wrapping_mul(0x0100_0193);
        }
    }

    fn finish(&self) -> u64 {
        self.0.into()
    }
}

fn digest(of: &impl Hash) -> u32 {
    let mut hasher = Fnv(0x811c_9dc5);
    of.hash(&mut hasher);
    hasher.0
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceValue {
    pub scheduler: Scheduler,
    /// Seconds of persistence; None is off.
    pub persistence: Option<u32>,
    /// Persistence granularity as a prefix length (32 or 128: each client).
    pub granularity: u8,
    /// One-packet scheduling (UDP).
    pub one_packet: bool,
    /// IP_VS_SVC_F_SCHED1..3 as bits 0..2.
    pub scheduler_flags: u8,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DestValue {
    pub forward: Forward,
    pub weight: u32,
    pub upper_threshold: u32,
    pub lower_threshold: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Forward {
    Nat,
    Tunnel,
    Direct,
}

impl Forward {
    /// IP_VS_CONN_F_MASQ, _TUNNEL, _DROUTE.
    pub fn flags(self) -> u32 {
        match self {
            Forward::Nat => 0,
            Forward::Tunnel => 2,
            Forward::Direct => 3,
        }
    }

    /// The word of `lb_kind`.
    pub fn name(self) -> &'static str {
        match self {
            Forward::Nat => "NAT",
            Forward::Tunnel => "TUN",
            Forward::Direct => "DR",
        }
    }
}

macro_rules! schedulers {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// The IPVS schedulers, by their module names.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Scheduler { $($variant),* }

        impl Scheduler {
            pub const ALL: &'static [Scheduler] = &[$(Scheduler::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Scheduler::$variant => $name),* }
            }

            pub fn from_name(name: &str) -> Option<Scheduler> {
                match name { $($name => Some(Scheduler::$variant),)* _ => None }
            }
        }
    };
}
schedulers!(Rr "rr", Wrr "wrr", Lc "lc", Wlc "wlc", Lblc "lblc", Lblcr "lblcr", Sh "sh", Mh "mh",
    Dh "dh", Fo "fo", Ovf "ovf", Sed "sed", Nq "nq", Twos "twos");

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    Add(Key, Value),
    /// Changes the details in place: connections and counters live on.
    Set(Key, Value),
    /// The value is the one that is there (a route or sync daemon needs it to be found).
    Remove(Key, Value),
}

impl Op {
    pub fn key(&self) -> Key {
        match self {
            Op::Add(k, _) | Op::Set(k, _) | Op::Remove(k, _) => *k,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address(p, at) => write!(f, "[{}]:{}:{}", at.ip, p.name().to_lowercase(), at.port),
            ServiceKey::Mark(_, mark) => write!(f, "FWM {mark}"),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Link(l) => write!(f, "link with address {} on interface {}", l.mac, l.parent),
            Key::Sysctl(s) => write!(f, "{} of interface {}", s.which.name(), s.ifindex),
            Key::Up(ifindex) => write!(f, "state UP of interface {ifindex}"),
            Key::Socket(s) => {
                let what = if s.address.is_multicast() { "group" } else { "address" };
                write!(f, "socket for protocol {} on interface {}, {what} {}", s.protocol, s.ifindex, s.address)
            }
            Key::Firewall(Family::V4) => f.write_str("nftables table for IPv4"),
            Key::Firewall(Family::V6) => f.write_str("nftables table for IPv6"),
            Key::Blocked(b) => write!(f, "nftables element for {}", b.address),
            Key::Ear(s) => write!(f, "packet socket for {} on interface {}", s.address, s.ifindex),
            Key::Address(a) => write!(f, "address {} on interface {}", a.net, a.ifindex),
            Key::Route(r) => write!(f, "route to {} in table {}", r.dst, r.table),
            Key::Rule(r) => {
                let family = if r.family == Family::V4 { "IPv4" } else { "IPv6" };
                write!(f, "{family} rule with preference {}", r.preference)
            }
            Key::SyncDaemon(SyncRole::Master) => f.write_str("connection sync daemon (master)"),
            Key::SyncDaemon(SyncRole::Backup) => f.write_str("connection sync daemon (backup)"),
            Key::Service(s) => write!(f, "virtual server {s}"),
            Key::Dest(s, d) => write!(f, "real server {d} of virtual server {s}"),
        }
    }
}

/// What the kernel says by itself or in a dump (rtnetlink).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// The kernel's tables are about to be told anew: what is not told until `DumpDone` does not exist.
    DumpBegin,
    DumpDone,
    Link(Link),
    LinkGone {
        ifindex: u32,
    },
    Address {
        key: AddressKey,
        value: AddressValue,
        primary: bool,
    },
    AddressGone {
        key: AddressKey,
    },
    /// A route that carries our protocol number (18).
    Route {
        key: RouteKey,
        value: RouteValue,
    },
    RouteGone {
        key: RouteKey,
        value: RouteValue,
    },
    /// An address that cannot be used yet: IPv6 looks for a duplicate.
    Tentative {
        key: AddressKey,
        value: AddressValue,
    },
    /// A rule that carries our protocol number.
    Rule {
        key: RuleKey,
        value: RuleValue,
    },
    RuleGone {
        key: RuleKey,
    },
    /// A link that is polled: what its hardware says of it.
    Beat {
        ifindex: u32,
        up: bool,
    },
    /// An IPVS entry found by a dump (IPVS sends no news of its own).
    Service {
        key: ServiceKey,
        value: ServiceValue,
    },
    Dest {
        service: ServiceKey,
        at: Endpoint,
        value: DestValue,
    },
    SyncDaemon {
        role: SyncRole,
        interface: IfName,
        id: u8,
    },
    /// The firewall's table of that family stands.
    FirewallReady(Family),
    /// Somebody took it away, with all that was in it.
    FirewallGone(Family, Box<str>),
    /// The table of IPVS was read whole, or it is missing: the reason and what to do.
    IpvsReady,
    IpvsMissing,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    pub ifindex: u32,
    pub name: IfName,
    /// IFF_UP and IFF_RUNNING both.
    pub up: bool,
    pub mac: crate::base::addr::Mac,
    pub mtu: u32,
    /// IFF_NOARP or a loopback: nothing to announce there.
    pub no_arp: bool,
    pub more: LinkMore,
}

/// An object as the ownership record names it: interfaces by name, for their numbers change when a machine starts anew.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum OwnedKey {
    Firewall {
        family: Family,
        table: Box<str>,
    },
    Link {
        name: IfName,
    },
    Sysctl {
        interface: IfName,
        which: Sysctl,
    },
    Address {
        interface: IfName,
        net: IpNet,
    },
    /// The protocol number too: the kernel tells only of those with ours.
    Route(RouteKey, u8),
    Rule(RuleKey),
    SyncDaemon(SyncRole),
    Service(ServiceKey),
    Dest(ServiceKey, Endpoint),
}

/// An object that a run of ours has put up or changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owned {
    pub key: OwnedKey,
    /// What was there before us; None: nothing. (A route's interface is not kept.)
    pub found: Option<Value>,
}
