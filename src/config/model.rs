//! What a configuration means: plain data, defaults filled in, names resolved to indices. The engines read this and
//! nothing else; two configurations can be compared field by field.

use crate::base::addr::{Endpoint, Family, IfName, IpNet, Mac};
use crate::wire::op::{Forward, Scheduler, ServiceKey};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    pub global: Global,
    pub instances: Vec<Instance>,
    pub groups: Vec<Group>,
    pub services: Vec<Service>,
    /// The one connection sync daemon that the kernel can run.
    pub sync_daemon: Option<SyncDaemon>,
    pub statics: Statics,
    pub track_groups: Vec<TrackGroup>,
    pub garp_groups: Vec<GarpGroup>,
    pub link_delays: Vec<LinkDelay>,
    pub linkbeat: Vec<Linkbeat>,
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
    pub interface: IfName,
    pub vrid: u8,
    /// 1 to 255; 255 owns the addresses.
    pub priority: u8,
    pub advert_int: Duration,
    pub auth: Auth,
    pub nopreempt: bool,
    pub preempt_delay: Duration,
    pub mcast_src_ip: Option<IpAddr>,
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
    pub hmac: Option<Box<Hmac>>,
    pub rules: Vec<Rule>,
    /// Traffic to the addresses is answered; no_accept and the strict rules forbid it to all but their owner.
    pub accept: bool,
    pub strict: bool,
    /// FAULT when the source address is gone.
    pub track_src_ip: bool,
    pub owner_ignore_adverts: bool,
    /// timer_expired_backup: step back when a timer comes too late; 0 when no number was given.
    pub timer_expired_backup: Option<u8>,
    pub notify_deleted: Deleted,
    /// notify_master_rx_lower_pri.
    pub notify_lower: Option<Script>,
    pub notify_priority_changes: bool,
    pub garp_extra_if: Option<ExtraGarp>,
    pub vmac: Option<Box<Vmac>>,
    /// Adverts leave from the interface below the virtual link.
    pub vmac_xmit_base: bool,
    /// use_vmac_addr: addresses on other interfaces get a virtual link there.
    pub vmac_addr: bool,
    pub ipvlan: Option<Box<Ipvlan>>,
    pub vrf: Option<IfName>,
    pub promote_secondaries: bool,
    /// 0 to 4.
    pub debug: u8,
    pub kernel_rx_buf_size: Option<u32>,
}

impl Instance {
    /// One of which nothing else was said.
    pub fn new(name: &str, interface: IfName, vrid: u8) -> Instance {
        Instance {
            name: name.into(),
            want_master: false,
            interface,
            vrid,
            priority: 100,
            advert_int: Duration::from_secs(1),
            auth: Auth::None,
            nopreempt: false,
            preempt_delay: Duration::ZERO,
            mcast_src_ip: None,
            dont_track_primary: false,
            vips: Vec::new(),
            excluded: Vec::new(),
            routes: Vec::new(),
            garp: Garp::default(),
            notify: Notify::default(),
            smtp_alert: false,
            track_interfaces: Vec::new(),
            group: None,
            held: None,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            skip_check_adv_addr: false,
            down_timer_adverts: 3,
            hmac: None,
            rules: Vec::new(),
            accept: true,
            strict: false,
            track_src_ip: false,
            owner_ignore_adverts: false,
            timer_expired_backup: None,
            notify_deleted: Deleted::Fault,
            notify_lower: None,
            notify_priority_changes: false,
            garp_extra_if: None,
            vmac: None,
            vmac_xmit_base: false,
            vmac_addr: false,
            ipvlan: None,
            vrf: None,
            promote_secondaries: false,
            debug: 0,
            kernel_rx_buf_size: None,
        }
    }
}

/// VRRPv2 authentication (RFC 2338 5.3.6).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Auth {
    #[default]
    None,
    /// Eight bytes, padded with zeros.
    Pass([u8; 8]),
}

/// One line of virtual_ipaddress, virtual_ipaddress_excluded or static_ipaddress.
#[derive(Clone, PartialEq, Debug)]
pub struct Vip {
    pub net: IpNet,
    /// None: the instance's interface; default_interface for a static address.
    pub dev: Option<IfName>,
    pub broadcast: Option<Ipv4Addr>,
    pub scope: u8,
    pub label: Option<IfName>,
    /// The other end of a point-to-point link. `net` is a whole address then.
    pub peer: Option<IpNet>,
    /// `-nodad`: IPv6 addresses are added without duplicate address detection unless this asks for it.
    pub dad: bool,
    pub home: bool,
    pub mngtmpaddr: bool,
    pub noprefixroute: bool,
    pub autojoin: bool,
    /// Its interface, and its removal by others, do not matter.
    pub no_track: bool,
    /// Seconds, 0 to 2^32-2; None: for ever.
    pub preferred_lft: Option<u32>,
    /// On a virtual MAC link of its own. Not for static addresses.
    pub use_vmac: bool,
    /// Static addresses only: index into Config::track_groups.
    pub track_group: Option<usize>,
}

impl Vip {
    /// An address of which nothing else was said.
    pub fn new(net: IpNet) -> Vip {
        Vip {
            net,
            dev: None,
            broadcast: None,
            scope: 0,
            label: None,
            peer: None,
            dad: false,
            home: false,
            mngtmpaddr: false,
            noprefixroute: false,
            autojoin: false,
            no_track: false,
            preferred_lft: Vip::preferred(net),
            use_vmac: false,
            track_group: None,
        }
    }

    /// No connection of our own shall begin from an IPv6 address without a network: it is deprecated from the start.
    pub fn preferred(net: IpNet) -> Option<u32> {
        (net.family() == Family::V6 && net.len == 128).then_some(0)
    }
}

/// One line of virtual_routes or static_routes.
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
    /// RTN_*: 1 unicast, 6 blackhole, 7 unreachable, 8 prohibit, 9 throw.
    pub kind: u8,
    /// The gateway counts as reachable on `dev` whatever its addresses are.
    pub onlink: bool,
    pub create: Create,
    /// More than one way: `via` and `dev` are not given then.
    pub nexthops: Vec<Nexthop>,
    /// What few routes have.
    pub more: Option<Box<RouteMore>>,
    pub no_track: bool,
    /// Static routes only: index into Config::track_groups.
    pub track_group: Option<usize>,
}

/// How a route is put beside those that are there (flags of RTM_NEWROUTE).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Create {
    /// NLM_F_CREATE | NLM_F_EXCL
    Add,
    /// NLM_F_CREATE
    #[default]
    Prepend,
    /// NLM_F_CREATE | NLM_F_APPEND
    Append,
}

/// A leg of a route with several ways (RTA_MULTIPATH).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nexthop {
    /// It may be of the other family than the destination (RTA_VIA).
    pub via: Option<IpAddr>,
    pub dev: Option<IfName>,
    /// 1 to 256; the kernel takes one less.
    pub weight: u16,
    pub onlink: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteMore {
    /// RTA_SRC, IPv6 only.
    pub from: Option<IpNet>,
    pub tos: u8,
    /// RTPROT_*; None: 18, ours.
    pub protocol: Option<u8>,
    /// RTA_EXPIRES in seconds, IPv6 only.
    pub expires: Option<u32>,
    /// RTA_FLOW: the source's realm in the upper half.
    pub realms: Option<u32>,
    /// RTA_PREF: 0 medium, 1 high, 3 low. IPv6 only.
    pub pref: Option<u8>,
    /// RTA_TTL_PROPAGATE.
    pub ttl_propagate: Option<bool>,
    /// The table is that of this VRF.
    pub vrf: Option<IfName>,
    /// RTA_METRICS in the order of their numbers, each at most once.
    pub metrics: Vec<Metric>,
    /// RTAX_CC_ALGO, and whether it is locked.
    pub congctl: Option<(Box<str>, bool)>,
}

/// One of RTA_METRICS, in the kernel's unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Metric {
    /// RTAX_*.
    pub number: u8,
    pub value: u32,
    /// Its bit in RTAX_LOCK.
    pub lock: bool,
}

/// One line of virtual_rules or static_rules.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    pub family: Family,
    pub preference: u32,
    pub action: RuleAction,
    /// FIB_RULE_INVERT.
    pub not: bool,
    pub from: Option<IpNet>,
    pub to: Option<IpNet>,
    pub iif: Option<IfName>,
    pub oif: Option<IfName>,
    pub tos: u8,
    /// Value and mask.
    pub fwmark: Option<(u32, u32)>,
    /// FRA_FLOW: the source's realm in the upper half.
    pub realms: Option<u32>,
    pub suppress_prefixlength: Option<u32>,
    pub suppress_ifgroup: Option<u32>,
    pub tunnel_id: Option<u64>,
    pub uidrange: Option<(u32, u32)>,
    /// RTPROT_*; None: 18, ours.
    pub protocol: Option<u8>,
    pub ipproto: Option<u8>,
    pub sport: Option<(u16, u16)>,
    pub dport: Option<(u16, u16)>,
    pub no_track: bool,
    /// Static rules only: index into Config::track_groups.
    pub track_group: Option<usize>,
}

/// FR_ACT_*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleAction {
    Table(u32),
    /// The table of the link's own VRF.
    L3mdev,
    Goto(u32),
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
}

/// What is there as long as the daemon runs.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Statics {
    pub addresses: Vec<Vip>,
    pub routes: Vec<Route>,
    pub rules: Vec<Rule>,
}

/// track_group: its instances are indices into Config::instances. What is static and names it is put back with them.
#[derive(Clone, PartialEq, Debug)]
pub struct TrackGroup {
    pub name: Box<str>,
    pub members: Vec<usize>,
}

/// garp_group: pauses between gratuitous ARPs and neighbour advertisements on its interfaces together.
#[derive(Clone, PartialEq, Debug)]
pub struct GarpGroup {
    pub garp_interval: Duration,
    pub gna_interval: Duration,
    pub interfaces: Vec<IfName>,
}

/// One line of interface_up_down_delays: how long a change must last to count.
#[derive(Clone, PartialEq, Debug)]
pub struct LinkDelay {
    pub interface: IfName,
    pub down: Duration,
    pub up: Duration,
}

/// One line of linkbeat_interfaces.
#[derive(Clone, PartialEq, Debug)]
pub struct Linkbeat {
    pub interface: IfName,
    /// None: what the link understands, ETHTOOL, MII or IOCTL.
    pub way: Option<LinkbeatWay>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkbeatWay {
    Mii,
    Ethtool,
    Ioctl,
}

/// auth_hmac: a signature behind each advert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hmac {
    /// In the order of the file; a number stands once.
    pub keys: Vec<HmacKey>,
    /// The number of the key that signs.
    pub active: u8,
    /// How far a sender's clock may be off.
    pub time_window: Duration,
    pub anti_replay: AntiReplay,
    pub mode: HmacMode,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HmacKey {
    pub id: u8,
    pub secret: HmacSecret,
}

#[derive(Clone, PartialEq, Eq)]
pub enum HmacSecret {
    /// 32 to 64 bytes.
    Bytes(Box<[u8]>),
    /// The file that holds it.
    File(Box<str>),
}

impl std::fmt::Debug for HmacSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HmacSecret::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            HmacSecret::File(path) => write!(f, "file {path}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AntiReplay {
    #[default]
    Time,
    Monotonic,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HmacMode {
    /// Signed both ways.
    #[default]
    Enforce,
    /// Unsigned adverts are heard too.
    Permissive,
    /// The same, and ours are sent unsigned.
    ReceiveOnly,
}

/// use_vmac: a macvlan link with the virtual router's own MAC address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vmac {
    /// None: `vrrp.VRID`, or the global prefix.
    pub name: Option<IfName>,
    /// None: 00:00:5e:00:01:VRID, or 02 for IPv6.
    pub mac: Option<Mac>,
    pub netlink_notify_msg: bool,
    pub group: Option<u32>,
}

/// use_ipvlan.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ipvlan {
    pub name: Option<IfName>,
    pub address: Option<IpNet>,
    pub mode: IpvlanMode,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IpvlanMode {
    #[default]
    Bridge,
    Private,
    Vepa,
}

/// What is run when a reload takes an instance away.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Deleted {
    /// The script of FAULT.
    #[default]
    Fault,
    /// `notify` and its kin hear of DELETED.
    Event,
    Script(Script),
}

/// vrrp_garp_extra_if, garp_extra_if.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtraGarp {
    pub every: Duration,
    pub all: bool,
}

/// vrrp_sync_group. Members are indices into Config::instances.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    pub name: Box<str>,
    pub members: Vec<usize>,
    pub notify: Notify,
    pub smtp_alert: bool,
    pub notify_priority_changes: bool,
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
