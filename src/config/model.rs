//! What a configuration means: plain data, defaults filled in, names resolved to indices. The engines read this and
//! nothing else; two configurations can be compared field by field.

use crate::base::addr::{Endpoint, Family, IfName, IpNet};
use crate::wire::op::{Forward, Scheduler, ServiceKey};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    pub global: Global,
    pub instances: Vec<Instance>,
    pub groups: Vec<Group>,
    pub services: Vec<Service>,
    /// The one connection sync daemon that the kernel can run.
    pub sync_daemon: Option<SyncDaemon>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Global {
    /// Host name when not given. `lvs_id` is its name of 2002.
    pub router_id: Box<str>,
    pub notification_email: Vec<Box<str>>,
    pub notification_email_from: Option<Box<str>>,
    /// As written: an address or a name, and the port (25).
    pub smtp_server: Option<(Box<str>, u16)>,
    pub smtp_connect_timeout: Duration,
    pub mcast_group4: Ipv4Addr,
    pub mcast_group6: Ipv6Addr,
    /// Gratuitous ARP: defaults for the instances.
    pub garp: Garp,
    /// SSL block: files and passphrase for SSL_GET, as written.
    pub ssl: Option<Ssl>,
}

impl Default for Global {
    fn default() -> Self {
        Global {
            router_id: "".into(),
            notification_email: Vec::new(),
            notification_email_from: None,
            smtp_server: None,
            smtp_connect_timeout: Duration::from_secs(30),
            mcast_group4: crate::base::addr::VRRP_GROUP_V4,
            mcast_group6: crate::base::addr::VRRP_GROUP_V6,
            garp: Garp::default(),
            ssl: None,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ssl {
    pub password: Option<Box<str>>,
    pub ca: Option<Box<str>>,
    pub certificate: Option<Box<str>>,
    pub key: Option<Box<str>>,
}

/// vrrp_garp_master_*, garp_master_*.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Garp {
    pub delay: Duration,
    pub repeat: u32,
    /// None: never.
    pub refresh: Option<Duration>,
    pub refresh_repeat: u32,
    /// After an advert of lower priority: None takes `delay` and `repeat`.
    pub lower_delay: Option<Duration>,
    pub lower_repeat: Option<u32>,
}

impl Default for Garp {
    fn default() -> Self {
        Garp {
            delay: Duration::from_secs(5),
            repeat: 5,
            refresh: None,
            refresh_repeat: 1,
            lower_delay: None,
            lower_repeat: None,
        }
    }
}

/// A program with its arguments, split into words already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    pub words: Vec<Box<str>>,
    /// None: as the daemon.
    pub user: Option<Box<str>>,
    pub group: Option<Box<str>>,
}

/// notify_master, notify_backup, notify_fault, notify_stop, notify.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Notify {
    pub master: Option<Script>,
    pub backup: Option<Script>,
    pub fault: Option<Script>,
    pub stop: Option<Script>,
    pub any: Option<Script>,
}

/// vrrp_instance.
#[derive(Clone, PartialEq, Debug)]
pub struct Instance {
    pub name: Box<str>,
    /// `state MASTER`: wanted, yet elected all the same.
    pub want_master: bool,
    /// Empty: there is none (unicast with a source address of its own).
    pub interface: IfName,
    pub vrid: u8,
    /// 1 to 255; 255 owns the addresses.
    pub priority: u8,
    pub advert_int: Duration,
    pub auth: Auth,
    pub nopreempt: bool,
    pub preempt_delay: Duration,
    pub mcast_src_ip: Option<IpAddr>,
    pub wire: Wire,
    pub dont_track_primary: bool,
    pub vips: Vec<Vip>,
    /// virtual_ipaddress_excluded: held, but not named in adverts.
    pub excluded: Vec<Vip>,
    pub routes: Vec<Route>,
    pub garp: Garp,
    pub notify: Notify,
    pub smtp_alert: bool,
    /// track_interface without weight: FAULT when one of them is down.
    pub track_interfaces: Vec<IfName>,
    /// Index into Config::groups.
    pub group: Option<usize>,
    /// A fault of the configuration that forbids MASTER (a VRID used twice, a safeguard that is not there): said, and kept in FAULT.
    pub held: Option<Box<str>>,
    /// vrrp_garp_lower..: see Garp. Answer to a lower advert is off with lower_prio_no_advert.
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    pub skip_check_adv_addr: bool,
    pub down_timer_adverts: u8,
}

impl Instance {
    /// What makes it the same virtual router after a reload, and what no two may share: the interface (unicast without
    /// one: the source address), VRID, family, and whether it is unicast.
    pub fn identity(&self) -> (IfName, u8, Family, Option<Option<IpAddr>>) {
        let unicast = self.wire.unicast.is_some().then_some(self.wire.unicast_src_ip);
        (self.interface.clone(), self.vrid, self.wire.family, unicast)
    }
}

/// VRRPv2 authentication (RFC 2338 5.3.6).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Auth {
    #[default]
    None,
    /// Eight bytes, padded with zeros.
    Pass([u8; 8]),
    /// Their key, over all of a packet.
    Ah([u8; 8]),
}

/// What an instance's adverts look like and where they go.
#[derive(Clone, PartialEq, Debug)]
pub struct Wire {
    pub family: Family,
    /// 2 or 3.
    pub version: u8,
    /// vrrp_mcast_group4, vrrp_mcast_group6, mcast_dst_ip; not used when there are peers.
    pub group: IpAddr,
    /// unicast_peer; None: multicast.
    pub unicast: Option<Unicast>,
    pub unicast_src_ip: Option<IpAddr>,
    /// v3_checksum_as_v2
    pub checksum_as_v2: bool,
}

impl Default for Wire {
    fn default() -> Self {
        Wire {
            family: Family::V4,
            version: 2,
            group: crate::base::addr::VRRP_GROUP_V4.into(),
            unicast: None,
            unicast_src_ip: None,
            checksum_as_v2: false,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Unicast {
    pub peers: Vec<Peer>,
    pub ttl: u8,
    /// check_unicast_src: adverts of others than the peers are dropped.
    pub check_src: bool,
    /// unicast_fault_no_peer
    pub fault_no_peer: bool,
    pub old_checksum: OldChecksum,
}

/// A line of unicast_peer. The bounds are those of the TTL of what it sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    pub ip: IpAddr,
    pub min_ttl: u8,
    pub max_ttl: u8,
}

/// old_unicast_checksum: version 3 summed with the multicast group in the pseudo-header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OldChecksum {
    /// When a peer does so.
    #[default]
    Detect,
    Always,
    Never,
}

/// One line of virtual_ipaddress.
#[derive(Clone, PartialEq, Debug)]
pub struct Vip {
    pub net: IpNet,
    /// None: the instance's interface.
    pub dev: Option<IfName>,
    pub broadcast: Option<Ipv4Addr>,
    pub scope: u8,
    pub label: Option<IfName>,
}

/// One line of virtual_routes.
#[derive(Clone, PartialEq, Debug)]
pub struct Route {
    pub dst: IpNet,
    pub via: Option<IpAddr>,
    pub dev: Option<IfName>,
    pub src: Option<IpAddr>,
    /// 254 is main.
    pub table: u32,
    pub metric: u32,
    pub scope: u8,
    pub kind: u8,
}

/// vrrp_sync_group. Members are indices into Config::instances.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    pub name: Box<str>,
    pub members: Vec<usize>,
    pub notify: Notify,
    pub smtp_alert: bool,
}

/// lvs_sync_daemon, or lvs_sync_daemon_inteface in an instance.
#[derive(Clone, PartialEq, Debug)]
pub struct SyncDaemon {
    pub interface: IfName,
    /// The instance whose state decides the role; None: both roles always.
    pub instance: Option<usize>,
    pub id: u8,
}

/// virtual_server.
#[derive(Clone, PartialEq, Debug)]
pub struct Service {
    pub key: ServiceKey,
    pub scheduler: Scheduler,
    /// Bits 0..2: flag-1..flag-3.
    pub scheduler_flags: u8,
    pub one_packet: bool,
    pub persistence: Option<u32>,
    pub granularity: u8,
    pub quorum: u32,
    pub hysteresis: u32,
    pub quorum_up: Option<Script>,
    pub quorum_down: Option<Script>,
    pub alpha: bool,
    pub omega: bool,
    pub smtp_alert: bool,
    pub virtualhost: Option<Box<str>>,
    pub sorry: Option<Sorry>,
    pub servers: Vec<Server>,
}

impl Service {
    pub fn family(&self) -> Family {
        match self.key {
            ServiceKey::Address(_, at) => Family::of(&at.ip),
            ServiceKey::Mark(family, _) => family,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Sorry {
    pub at: Endpoint,
    pub forward: Forward,
    pub inhibit: bool,
}

/// real_server.
#[derive(Clone, PartialEq, Debug)]
pub struct Server {
    pub at: Endpoint,
    pub forward: Forward,
    pub weight: u32,
    pub inhibit: bool,
    pub alpha: bool,
    pub upper_threshold: u32,
    pub lower_threshold: u32,
    pub smtp_alert: bool,
    pub notify_up: Option<Script>,
    pub notify_down: Option<Script>,
    pub checks: Vec<Check>,
}

/// One checker block with its inherited values filled in (checker, server, service, then the type's own default).
#[derive(Clone, PartialEq, Debug)]
pub struct Check {
    pub delay_loop: Duration,
    pub retry: u32,
    pub delay_before_retry: Duration,
    pub warmup: Duration,
    /// Starts as failed until it has succeeded once.
    pub alpha: bool,
    /// Of connecting, and of each step after it.
    pub timeout: Duration,
    /// connect_ip and connect_port, else the server's.
    pub to: Endpoint,
    pub bind: Option<IpAddr>,
    pub bind_port: Option<u16>,
    pub bind_if: Option<IfName>,
    pub fwmark: Option<u32>,
    pub kind: CheckKind,
}

#[derive(Clone, PartialEq, Debug)]
pub enum CheckKind {
    Tcp,
    /// HTTP_GET, or SSL_GET with `tls`.
    Http(Box<Http>),
    Smtp {
        helo: Box<str>,
    },
    Misc(Box<Misc>),
}

impl CheckKind {
    pub fn name(&self) -> &'static str {
        match self {
            CheckKind::Tcp => "TCP_CHECK",
            CheckKind::Http(h) if h.tls => "SSL_GET",
            CheckKind::Http(_) => "HTTP_GET",
            CheckKind::Smtp { .. } => "SMTP_CHECK",
            CheckKind::Misc(_) => "MISC_CHECK",
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Http {
    pub tls: bool,
    /// What goes into Host: (virtualhost of checker, server or service); None: address and port.
    pub virtualhost: Option<Box<str>>,
    pub protocol: HttpProtocol,
    /// Server name indication: the name to send, if any.
    pub sni: Option<Box<str>>,
    pub urls: Vec<Url>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpProtocol {
    V1_0,
    /// HTTP/1.0 with `Connection: close`.
    V1_0Close,
    V1_1,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Url {
    pub path: Box<str>,
    pub virtualhost: Option<Box<str>>,
    /// MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// Inclusive ranges; empty: 200-299.
    pub status: Vec<(u16, u16)>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Misc {
    pub script: Script,
    pub timeout: Duration,
    /// misc_dynamic: exit status 2..255 sets the weight.
    pub dynamic: bool,
}
