//! The objects that the kernel holds for us, and the operations on them. `node` asks in these words,
//! `linux` (or the simulated kernel) carries them out.

use super::link::{LinkKey, LinkMore, LinkValue, Sysctl, SysctlKey, SysctlValue};
use crate::base::addr::{Endpoint, Family, IfName, IpNet};
use std::fmt;
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
    pub metric: u32,
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
    Route(RouteValue),
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
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteValue {
    pub via: Option<IpAddr>,
    pub ifindex: Option<u32>,
    pub src: Option<IpAddr>,
    pub scope: u8,
    /// RTN_*: 1 unicast, 6 blackhole, 7 unreachable, 8 prohibit.
    pub kind: u8,
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
    /// Its protocol number (18) and these suffice to remove it.
    Route(RouteKey),
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
