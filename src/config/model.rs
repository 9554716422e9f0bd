//! What a configuration means: plain data, defaults filled in, names resolved to indices. The engines read this and
//! nothing else; two configurations can be compared field by field.

use crate::base::addr::{Endpoint, Family, IfName, IpNet, Mac};
use crate::base::rare::{Rare, Usual};
use crate::wire::op::{Forward, Scheduler, ServiceKey};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    pub global: Global,
    pub instances: Vec<Instance>,
    pub groups: Vec<Group>,
    /// What instances, groups and FILE_CHECKs can track.
    pub scripts: Vec<VrrpScript>,
    pub files: Vec<TrackFile>,
    pub processes: Vec<TrackProcess>,
    pub bfd: Vec<Bfd>,
    pub server_groups: Vec<ServerGroup>,
    pub services: Vec<Service>,
    /// The one connection sync daemon that the kernel can run.
    pub sync_daemon: Option<SyncDaemon>,
    pub statics: Statics,
    pub track_groups: Vec<TrackGroup>,
    pub garp_groups: Vec<GarpGroup>,
    pub link_delays: Vec<LinkDelay>,
    pub linkbeat: Vec<Linkbeat>,
}

impl Config {
    /// It has a virtual server that is not held back.
    pub fn serves(&self) -> bool {
        self.services.iter().any(Service::is_served)
    }

    /// Some link is polled instead of being heard of.
    pub fn polls(&self) -> bool {
        self.global.linkbeat_polling || !self.linkbeat.is_empty() || self.instances.iter().any(|i| i.linkbeat_polling)
    }
}

/// global_defs, SSL, and the single lines at top level.
#[derive(Clone, PartialEq, Debug)]
pub struct Global {
    /// Host name when not given. `lvs_id` is its name of 2002.
    pub router_id: Box<str>,
    pub mail: Mail,
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
    pub vrrp: VrrpGlobal,
    pub lvs: LvsGlobal,
    pub nftables: Nftables,
    pub scripts: ScriptRules,
    pub fifos: Fifos,
    pub startup: OnceScript,
    pub shutdown: OnceScript,
    pub process: Processes,
    pub reload: Reload,
    pub files: Files,
    pub namespace: Namespace,
    /// `dynamic_interfaces`: None: every interface should be there at start.
    pub dynamic_interfaces: Option<Dynamic>,
    /// `linkbeat_use_polling`: each interface is polled.
    pub linkbeat_polling: bool,
    /// For static addresses without `dev`.
    pub default_interface: IfName,
    /// `random_seed`: None: drawn at start.
    pub random_seed: Option<u32>,
    /// How strict `include` is.
    pub include_check: IncludeCheck,
    /// `instance`: the name of this copy of the daemon.
    pub instance: Option<Box<str>>,
    /// How long a stop waits for what still runs.
    pub child_wait_time: Duration,
}

impl Default for Global {
    fn default() -> Self {
        Global {
            router_id: "".into(),
            mail: Mail::default(),
            notification_email: Vec::new(),
            notification_email_from: None,
            smtp_server: None,
            smtp_connect_timeout: Duration::from_secs(30),
            mcast_group4: crate::base::addr::VRRP_GROUP_V4,
            mcast_group6: crate::base::addr::VRRP_GROUP_V6,
            garp: Garp::default(),
            ssl: None,
            vrrp: VrrpGlobal::default(),
            lvs: LvsGlobal::default(),
            nftables: Nftables::default(),
            scripts: ScriptRules::default(),
            fifos: Fifos::default(),
            startup: OnceScript::default(),
            shutdown: OnceScript::default(),
            process: Processes::default(),
            reload: Reload::default(),
            files: Files::default(),
            namespace: Namespace::default(),
            dynamic_interfaces: None,
            linkbeat_polling: false,
            default_interface: "eth0".parse().unwrap_or_default(),
            random_seed: None,
            include_check: IncludeCheck::default(),
            instance: None,
            child_wait_time: Duration::from_secs(5),
        }
    }
}

/// What mail is sent, apart from where to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Mail {
    /// None: the host name.
    pub helo: Option<Box<str>>,
    pub alert: Option<bool>,
    pub alert_vrrp: Option<bool>,
    pub alert_checker: Option<bool>,
    /// `no_email_faults`: none when an instance enters FAULT.
    pub no_faults: bool,
    /// `no_checker_emails`: only when a server comes or goes, not for each check.
    pub no_checkers: bool,
}

/// vrrp_* of global_defs that are no default of an instance's own keyword, or are one that nothing takes yet.
#[derive(Clone, PartialEq, Debug)]
pub struct VrrpGlobal {
    /// Between two gratuitous ARPs, and between two unsolicited neighbour advertisements.
    pub garp_interval: Duration,
    pub gna_interval: Duration,
    /// One gratuitous ARP for each address, no second burst, no refresh.
    pub min_garp: bool,
    pub garp_extra_if: Option<ExtraGarp>,
    /// None: as strict.
    pub owner_ignore_adverts: Option<bool>,
    pub notify_priority_changes: bool,
    pub strict: bool,
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    pub skip_check_adv_addr: bool,
    pub down_timer_adverts: u8,
    /// Instances stay in INIT so long after the start, or after the boot of the machine; the later end counts.
    pub startup_delay: Duration,
    pub delay_after_boot: Duration,
    pub log_unknown_vrids: bool,
    pub disable_local_igmp: bool,
    pub vmac_prefix: Box<str>,
    /// None: as vmac_prefix.
    pub vmac_addr_prefix: Option<Box<str>>,
    pub receive: ReceiveBuffer,
    /// How many times the size that `receive` gives.
    pub receive_times: u32,
}

impl Default for VrrpGlobal {
    fn default() -> Self {
        VrrpGlobal {
            garp_interval: Duration::ZERO,
            gna_interval: Duration::ZERO,
            min_garp: false,
            garp_extra_if: None,
            owner_ignore_adverts: None,
            notify_priority_changes: false,
            strict: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            skip_check_adv_addr: false,
            down_timer_adverts: 3,
            startup_delay: Duration::ZERO,
            delay_after_boot: Duration::ZERO,
            log_unknown_vrids: false,
            disable_local_igmp: false,
            vmac_prefix: "vrrp".into(),
            vmac_addr_prefix: None,
            receive: ReceiveBuffer::Kernel,
            receive_times: 3,
        }
    }
}

/// vrrp_garp_extra_if, garp_extra_if.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ExtraGarp {
    pub every: Duration,
    /// On all interfaces that belong to it.
    pub all: bool,
}

/// vrrp_rx_bufs_policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiveBuffer {
    Kernel,
    /// The interface's MTU, or the longest advert: times `receive_times`.
    Mtu,
    Advert,
    Bytes(u32),
}

/// What concerns all virtual servers.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LvsGlobal {
    pub timeouts: LvsTimeouts,
    /// At start the whole IPVS table is emptied.
    pub flush: bool,
    pub flush_on_stop: FlushOnStop,
    /// notify_up and notify_down run for the first state too.
    pub init_notifies: bool,
    pub log_all_failures: bool,
}

/// lvs_timeouts, in seconds. None: the kernel's.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct LvsTimeouts {
    pub tcp: Option<u32>,
    pub tcpfin: Option<u32>,
    pub udp: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FlushOnStop {
    /// Each server, then its service, one by one.
    #[default]
    No,
    /// The whole table.
    All,
    /// Our services, with their servers in them.
    Services,
}

/// nftables_*.
#[derive(Clone, PartialEq, Debug)]
pub struct Nftables {
    pub table: Box<str>,
    pub priority: i32,
    pub ifindex: bool,
    pub counters: bool,
    pub ipvs_table: Box<str>,
    pub ipvs_priority: i32,
    /// First mark for groups of services.
    pub ipvs_first_mark: u32,
}

impl Default for Nftables {
    fn default() -> Self {
        Nftables {
            table: "keepalived".into(),
            priority: -1,
            ifindex: false,
            counters: false,
            ipvs_table: "keepalived_ipvs".into(),
            ipvs_priority: 0,
            ipvs_first_mark: 1000,
        }
    }
}

/// As whom scripts run, and which may.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ScriptRules {
    /// enable_script_security: nothing runs as root that somebody else can change.
    pub security: bool,
    /// script_user: None: `keepalived_script` if there is such a user, else root.
    pub user: Option<(Box<str>, Option<Box<str>>)>,
    pub use_symlink_paths: bool,
    pub supplementary_groups: bool,
}

/// notify_fifo and its kind.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Fifos {
    pub all: Fifo,
    pub vrrp: Fifo,
    pub lvs: Fifo,
    /// All states are written after a reload.
    pub states_on_reload: bool,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Fifo {
    pub path: Option<Box<str>>,
    /// Whom it belongs to.
    pub user: Option<Box<str>>,
    pub group: Option<Box<str>>,
    /// Started by the daemon, with the path as its last argument.
    pub script: Option<Script>,
}

/// startup_script, shutdown_script.
#[derive(Clone, PartialEq, Debug)]
pub struct OnceScript {
    pub script: Option<Script>,
    pub timeout: Duration,
}

impl Default for OnceScript {
    fn default() -> Self {
        OnceScript { script: None, timeout: Duration::from_secs(10) }
    }
}

/// How the process is scheduled. keepalived has three; in our one that of vrrp counts.
#[derive(Clone, PartialEq, Debug)]
pub struct Processes {
    pub vrrp: Process,
    pub checker: Process,
    pub bfd: Process,
    /// How far the real-time priority rises by itself: 0 not at all, -1 neither and nothing is said of it.
    pub max_auto: i8,
    /// Being so late raises it.
    pub auto_delay: Duration,
}

impl Default for Processes {
    fn default() -> Self {
        Processes {
            vrrp: Process::default(),
            checker: Process::default(),
            bfd: Process::default(),
            max_auto: 0,
            auto_delay: Duration::from_secs(1),
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Process {
    /// -20 to 19.
    pub nice: i8,
    pub no_swap: bool,
    /// SCHED_RR, 1 to 99.
    pub real_time: Option<u8>,
    /// Empty: all.
    pub cpus: Vec<u16>,
    /// Longest time on the CPU without a pause while it has real-time priority.
    pub rttime: Duration,
}

impl Default for Process {
    fn default() -> Self {
        Process { nice: 0, no_swap: false, real_time: None, cpus: Vec::new(), rttime: Duration::from_millis(10) }
    }
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reload {
    /// reload_check_config: the file is tested first.
    pub check: bool,
    /// Where what the test says goes.
    pub check_log: Option<Box<str>>,
    pub time_file: Option<Box<str>>,
    pub repeat: bool,
    pub file: Option<ReloadFile>,
}

/// reload_file: there while the configuration is being read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReloadFile {
    /// keepalived.reload beside the pid file.
    Usual,
    At(Box<str>),
}

/// Files that are written, and directories that are read.
#[derive(Clone, PartialEq, Debug)]
pub struct Files {
    pub umask: u16,
    pub config_save_dir: Option<Box<str>>,
    pub data_use_instance: bool,
    pub json_version: u8,
    pub iproute_usr: Box<str>,
    pub iproute_etc: Box<str>,
    pub state_dump: Option<Box<str>>,
    /// Pid files have a directory of their own.
    pub pid_dir: bool,
}

impl Default for Files {
    fn default() -> Self {
        Files {
            umask: 0o177,
            config_save_dir: None,
            data_use_instance: false,
            json_version: 1,
            iproute_usr: "/usr/lib/iproute2".into(),
            iproute_etc: "/etc/iproute2".into(),
            state_dump: None,
            pid_dir: false,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Namespace {
    pub name: Option<Box<str>>,
    pub ipvs: IpvsNamespace,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum IpvsNamespace {
    /// As net_namespace.
    #[default]
    Same,
    /// That in which the process was started.
    Started,
    Named(Box<str>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dynamic {
    /// They may be absent at start.
    Absent,
    /// And may come back as another kind of link.
    MayChange,
}

/// include_check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IncludeCheck {
    /// A file that matches can be read, and is a file.
    pub read: bool,
    /// A name without wildcards is there.
    pub matched: bool,
    /// A pattern matches something.
    pub wildcard: bool,
    /// Each of `{a,b}` does.
    pub brace: bool,
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

impl Usual for Notify {
    const USUAL: &'static Notify = &Notify { master: None, backup: None, fault: None, stop: None, any: None };
}

impl Usual for Option<Script> {
    const USUAL: &'static Option<Script> = &None;
}

/// vrrp_instance. There may be a thousand of them, so what few of them have is `Rare`.
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
    /// Mostly that of others too.
    pub wire: Rc<Wire>,
    pub dont_track_primary: bool,
    pub vips: Vec<Vip>,
    /// virtual_ipaddress_excluded: held, but not named in adverts.
    pub excluded: Rare<Vec<Vip>>,
    pub routes: Rare<Vec<Route>>,
    /// Lines of virtual_routes with what is never done here: they hold the instance, and are written as they were.
    pub refused_routes: Rare<Vec<Box<str>>>,
    /// Mostly that of others too.
    pub garp: Rc<Garp>,
    pub notify: Rare<Notify>,
    pub smtp_alert: bool,
    pub track: Rare<Tracks>,
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
    /// auth_hmac is asked for and has no key that signs: the instance is held.
    pub hmac_lacks_key: bool,
    pub rules: Rare<Vec<Rule>>,
    /// Traffic to the addresses is answered; no_accept and the strict rules forbid it to all but their owner.
    pub accept: bool,
    pub strict: bool,
    /// FAULT when the source address is gone.
    pub track_src_ip: bool,
    pub owner_ignore_adverts: bool,
    /// timer_expired_backup: step back when a timer comes too late; 0 when no number was given.
    pub timer_expired_backup: Option<u8>,
    pub notify_deleted: Rare<Deleted>,
    /// notify_master_rx_lower_pri.
    pub notify_lower: Rare<Option<Script>>,
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
    /// Its interface is polled.
    pub linkbeat_polling: bool,
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
            wire: Rc::default(),
            dont_track_primary: false,
            vips: Vec::new(),
            excluded: Rare::default(),
            routes: Rare::default(),
            refused_routes: Rare::default(),
            garp: Rc::default(),
            notify: Rare::default(),
            smtp_alert: false,
            track: Rare::default(),
            group: None,
            held: None,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            skip_check_adv_addr: false,
            down_timer_adverts: 3,
            hmac: None,
            hmac_lacks_key: false,
            rules: Rare::default(),
            accept: true,
            strict: false,
            track_src_ip: false,
            owner_ignore_adverts: false,
            timer_expired_backup: None,
            notify_deleted: Rare::default(),
            notify_lower: Rare::default(),
            notify_priority_changes: false,
            garp_extra_if: None,
            vmac: None,
            vmac_xmit_base: false,
            vmac_addr: false,
            ipvlan: None,
            vrf: None,
            promote_secondaries: false,
            linkbeat_polling: false,
            debug: 0,
            kernel_rx_buf_size: None,
        }
    }
}

/// Interface, VRID, family, and the source of unicast.
pub type Identity = (IfName, u8, Family, Option<Option<IpAddr>>);

impl Instance {
    /// What makes it the same virtual router after a reload, and what no two may share: the interface (unicast without
    /// one: the source address), VRID, family, and whether it is unicast.
    pub fn identity(&self) -> Identity {
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

impl Hmac {
    /// For people; without the keys themselves.
    pub fn describe(&self) -> String {
        let mode = match self.mode {
            HmacMode::Enforce => "enforce",
            HmacMode::Permissive => "permissive",
            HmacMode::ReceiveOnly => "receive-only",
        };
        let window = match self.anti_replay {
            AntiReplay::Time => format!("within {} s", self.time_window.as_secs()),
            AntiReplay::Monotonic => "rising numbers".into(),
        };
        let keys: Vec<String> = self.keys.iter().map(|key| key.id.to_string()).collect();
        let keys = keys.join(" ");
        format!("HMAC-SHA256, mode {mode}, {window}, keys {keys}, key {} signs", self.active)
    }

    /// The key of that number.
    pub fn key(&self, id: u8) -> Option<&[u8]> {
        match &self.keys.iter().find(|key| key.id == id)?.secret {
            HmacSecret::Bytes(bytes) => Some(bytes),
            HmacSecret::File(_, bytes) => bytes.as_deref(),
        }
    }
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
    /// The file that holds it, and its key; None: the file is on another machine.
    File(Box<str>, Option<Box<[u8]>>),
}

impl std::fmt::Debug for HmacSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HmacSecret::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            HmacSecret::File(path, _) => write!(f, "file {path}"),
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

impl Usual for Deleted {
    const USUAL: &'static Deleted = &Deleted::Fault;
}

/// vrrp_sync_group. Members are indices into Config::instances.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    pub name: Box<str>,
    pub members: Vec<usize>,
    pub notify: Rare<Notify>,
    pub smtp_alert: bool,
    pub notify_priority_changes: bool,
    /// What all members track besides their own.
    pub track: Rare<Tracks>,
    /// sync_group_tracking_weight. Without it the members do not track scripts and files with a weight.
    pub tracking_weight: bool,
}

/// track_interface, track_script, track_file, track_process: weights are filled in, and what never counts is left out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tracks {
    pub interfaces: Vec<TrackInterface>,
    /// Indices into Config::scripts.
    pub scripts: Vec<Track>,
    /// Indices into Config::files.
    pub files: Vec<Track>,
    /// Indices into Config::processes.
    pub processes: Vec<Track>,
    /// Indices into Config::bfd; what has one is held, since no session runs.
    pub bfd: Vec<Track>,
}

impl Usual for Tracks {
    const USUAL: &'static Tracks = &Tracks {
        interfaces: Vec::new(),
        scripts: Vec::new(),
        files: Vec::new(),
        processes: Vec::new(),
        bfd: Vec::new(),
    };
}

/// A BFD session with a neighbour.
#[derive(Clone, PartialEq, Debug)]
pub struct Bfd {
    pub name: Box<str>,
    pub neighbor: IpAddr,
    /// None: as the kernel chooses.
    pub source: Option<IpAddr>,
    pub min_rx: Duration,
    pub min_tx: Duration,
    pub idle_tx: Duration,
    pub multiplier: u8,
    /// It waits for the neighbour to begin.
    pub passive: bool,
    pub ttl: u8,
    /// Between the neighbour and us; -1 and 255: not looked at.
    pub max_hops: i16,
    /// Port 4784 instead of 3784.
    pub multihop: bool,
    pub weight: i32,
    pub reverse: bool,
    /// Who hears of it.
    pub vrrp: bool,
    pub checker: bool,
}

/// Weight 0: FAULT while it is bad. More: added while it is good. Less: taken off while it is bad.
/// `reverse`: FAULT while it is good; taken off while it is good; added while it is bad.
#[derive(Clone, PartialEq, Debug)]
pub struct Track {
    pub target: usize,
    pub weight: i32,
    pub reverse: bool,
}

/// The same for a link.
#[derive(Clone, PartialEq, Debug)]
pub struct TrackInterface {
    pub name: IfName,
    pub weight: i32,
    pub reverse: bool,
}

/// vrrp_script.
#[derive(Clone, PartialEq, Debug)]
pub struct VrrpScript {
    pub name: Box<str>,
    pub script: Script,
    /// From start to start.
    pub interval: Duration,
    pub timeout: Duration,
    /// For lines that give none.
    pub weight: i32,
    pub reverse: bool,
    pub rise: u32,
    pub fall: u32,
    /// Bad until it has succeeded.
    pub init_fail: bool,
}

/// track_file.
#[derive(Clone, PartialEq, Debug)]
pub struct TrackFile {
    pub name: Box<str>,
    pub path: Box<str>,
    /// Times the number in the file.
    pub weight: i32,
    pub reverse: bool,
    pub init: Option<FileInit>,
}

/// init_file: written at start if the file is not there, or in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileInit {
    pub value: i32,
    pub overwrite: bool,
}

/// vrrp_track_process.
#[derive(Clone, PartialEq, Debug)]
pub struct TrackProcess {
    pub name: Box<str>,
    pub program: Box<str>,
    pub params: Vec<Box<str>>,
    /// None: the parameters do not matter.
    pub param_match: Option<ParamMatch>,
    pub weight: i32,
    pub reverse: bool,
    /// Good with at least so many, and at most so many.
    pub quorum: u32,
    pub quorum_max: Option<u32>,
    pub terminate_delay: Duration,
    pub fork_delay: Duration,
    /// By its command line, not by the name that the kernel gives it.
    pub full_command: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamMatch {
    Exact,
    /// The first ones are these.
    Partial,
    /// The same, and the last of these may be longer.
    Initial,
}

/// lvs_sync_daemon, or lvs_sync_daemon_inteface in an instance.
#[derive(Clone, PartialEq, Debug)]
pub struct SyncDaemon {
    pub interface: IfName,
    /// The instance whose state decides the role; None: both roles always.
    pub instance: Option<usize>,
    pub id: u8,
    pub options: SyncOptions,
}

/// None: the kernel's: from the MTU, 8848, 1, 224.0.0.81.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SyncOptions {
    /// Most bytes of a message.
    pub maxlen: Option<u16>,
    pub port: Option<u16>,
    pub ttl: Option<u8>,
    pub group: Option<IpAddr>,
}

/// virtual_server_group: the addresses and marks of one service.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerGroup {
    pub name: Box<str>,
    pub members: Vec<Member>,
}

impl ServerGroup {
    /// It holds an address of that family.
    pub fn has(&self, family: Family) -> bool {
        self.members.iter().any(|m| matches!(m, Member::Range { first, .. } if Family::of(first) == family))
    }
}

/// One line of a virtual_server_group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Member {
    /// Each address from the first to the last.
    Range { first: IpAddr, last: IpAddr, port: u16 },
    /// Without a family: that of the first real server.
    Mark(u32, Option<Family>),
}

/// virtual_server.
#[derive(Clone, PartialEq, Debug)]
pub struct Service {
    /// Of a group: its first address, else its first mark.
    pub key: ServiceKey,
    /// Index into Config::server_groups: it stands at all of that group's members.
    pub group: Option<usize>,
    /// Why it is not served (something that it asks for is not in this version): said, and left out by the engine.
    pub held: Option<Box<str>>,
    pub scheduler: Scheduler,
    /// Bits 0..2: flag-1..flag-3.
    pub scheduler_flags: u8,
    pub hashed: bool,
    pub one_packet: bool,
    pub persistence: Option<u32>,
    pub granularity: u8,
    /// persistence_engine: a module's name (sip).
    pub engine: Option<Box<str>>,
    pub quorum: u32,
    pub hysteresis: u32,
    pub quorum_up: Option<Box<Script>>,
    pub quorum_down: Option<Box<Script>>,
    pub alpha: bool,
    pub omega: bool,
    /// Checks rest while none of its addresses is here.
    pub ha_suspend: bool,
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

    pub fn is_served(&self) -> bool {
        self.held.is_none()
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Sorry {
    pub at: Endpoint,
    pub forward: Forward,
    pub tunnel: Option<Tunnel>,
    pub inhibit: bool,
}

/// A tunnel that is not plain IP in IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tunnel {
    /// GUE to this port; None: GRE.
    pub gue: Option<u16>,
    pub checksum: Checksum,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    No,
    Yes,
    Remote,
}

/// real_server. There may be tens of thousands, so it holds only what each has; see `ServerMore`.
#[derive(Clone, PartialEq, Debug)]
pub struct Server {
    pub at: Endpoint,
    pub weight: u32,
    pub forward: Forward,
    pub inhibit: bool,
    pub alpha: bool,
    pub smtp_alert: bool,
    /// Servers with the same checks share them.
    pub checks: Rc<[Check]>,
    pub more: Option<Box<ServerMore>>,
}

/// What few servers have.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ServerMore {
    pub upper_threshold: u32,
    pub lower_threshold: u32,
    pub tunnel: Option<Tunnel>,
    pub notify_up: Option<Script>,
    pub notify_down: Option<Script>,
}

impl Server {
    pub fn upper_threshold(&self) -> u32 {
        self.more.as_ref().map_or(0, |m| m.upper_threshold)
    }

    pub fn lower_threshold(&self) -> u32 {
        self.more.as_ref().map_or(0, |m| m.lower_threshold)
    }

    pub fn tunnel(&self) -> Option<Tunnel> {
        self.more.as_ref().and_then(|m| m.tunnel)
    }

    pub fn notify_up(&self) -> Option<&Script> {
        self.more.as_ref().and_then(|m| m.notify_up.as_ref())
    }

    pub fn notify_down(&self) -> Option<&Script> {
        self.more.as_ref().and_then(|m| m.notify_down.as_ref())
    }
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
    pub log_all_failures: bool,
    /// Of connecting, and of each step after it.
    pub timeout: Duration,
    /// None: the server's.
    pub connect_ip: Option<IpAddr>,
    pub connect_port: Option<u16>,
    pub bind: Option<IpAddr>,
    pub bind_port: Option<u16>,
    pub bind_if: Option<IfName>,
    pub fwmark: Option<u32>,
    pub kind: CheckKind,
}

impl Check {
    /// Where it connects, for a server at that place.
    pub fn to(&self, server: Endpoint) -> Endpoint {
        Endpoint { ip: self.connect_ip.unwrap_or(server.ip), port: self.connect_port.unwrap_or(server.port) }
    }
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
    Dns(Box<Dns>),
    Ping,
    Udp(Box<Udp>),
    /// The name of a bfd_instance.
    Bfd(Box<str>),
    File(Box<FileCheck>),
}

impl CheckKind {
    pub fn name(&self) -> &'static str {
        match self {
            CheckKind::Tcp => "TCP_CHECK",
            CheckKind::Http(h) if h.tls => "SSL_GET",
            CheckKind::Http(_) => "HTTP_GET",
            CheckKind::Smtp { .. } => "SMTP_CHECK",
            CheckKind::Misc(_) => "MISC_CHECK",
            CheckKind::Dns(_) => "DNS_CHECK",
            CheckKind::Ping => "PING_CHECK",
            CheckKind::Udp(_) => "UDP_CHECK",
            CheckKind::Bfd(_) => "BFD_CHECK",
            CheckKind::File(_) => "FILE_CHECK",
        }
    }

    /// It goes to a port of the server.
    pub fn has_port(&self) -> bool {
        !matches!(self, CheckKind::Misc(_) | CheckKind::Ping | CheckKind::Bfd(_) | CheckKind::File(_))
    }

    /// False: not made in this version, as if it were not there.
    pub fn is_made(&self) -> bool {
        matches!(self, CheckKind::Tcp | CheckKind::Http(_) | CheckKind::Smtp { .. } | CheckKind::Misc(_))
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
    /// One good URL is enough to come back.
    pub fast_recovery: bool,
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
    pub regex: Option<Box<Regex>>,
    /// The end must be a close_notify.
    pub tls_compliant: bool,
}

/// What a body is searched for.
#[derive(Clone, PartialEq, Debug)]
pub struct Regex {
    pub pattern: Box<str>,
    /// Success is that it is not found.
    pub no_match: bool,
    /// Words of regex_options, in the order of `REGEX_OPTIONS`, each once.
    pub options: Vec<&'static str>,
    pub min_offset: u32,
    pub max_offset: Option<u32>,
    /// First and largest size of the matcher's stack in bytes.
    pub stack: Option<(u32, u32)>,
}

/// PCRE2's options, by the names that a file has for them.
pub const REGEX_OPTIONS: &[&str] = &[
    "allow_empty_class",
    "alt_bsux",
    "alt_circumflex",
    "alt_verbnames",
    "auto_callout",
    "caseless",
    "dollar_endonly",
    "dotall",
    "dupnames",
    "extended",
    "firstline",
    "match_unset_backref",
    "multiline",
    "never_backslash_c",
    "never_ucp",
    "never_utf",
    "no_auto_capture",
    "no_auto_possess",
    "no_dotstar_anchor",
    "no_start_optimize",
    "ucp",
    "ungreedy",
    "use_offset_limit",
    "utf",
];

#[derive(Clone, PartialEq, Debug)]
pub struct Misc {
    pub script: Script,
    pub timeout: Duration,
    /// misc_dynamic: exit status 2..255 sets the weight.
    pub dynamic: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Dns {
    pub kind: DnsType,
    /// Without the dot at its end; empty is the root.
    pub name: Box<str>,
}

macro_rules! dns_types {
    ($($variant:ident $name:literal $number:literal),* $(,)?) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum DnsType { $($variant),* }

        impl DnsType {
            pub const ALL: &'static [DnsType] = &[$(DnsType::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(DnsType::$variant => $name),* }
            }

            /// As it goes into a query (RFC 1035, section 3.2.2 and later).
            pub fn number(self) -> u16 {
                match self { $(DnsType::$variant => $number),* }
            }
        }
    };
}
dns_types!(A "A" 1, Ns "NS" 2, Cname "CNAME" 5, Soa "SOA" 6, Mx "MX" 15, Txt "TXT" 16, Aaaa "AAAA" 28,
    Rrsig "RRSIG" 46, Dnskey "DNSKEY" 48);

#[derive(Clone, PartialEq, Debug)]
pub struct Udp {
    /// None: any text.
    pub payload: Option<Box<[u8]>>,
    /// Some: there must be a reply. Each byte has its value and the bits that count.
    pub reply: Option<Vec<(u8, u8)>>,
    pub min_reply: u16,
    pub max_reply: u16,
}

#[derive(Clone, PartialEq, Debug)]
pub struct FileCheck {
    pub track_file: Box<str>,
    /// None: the file's own.
    pub weight: Option<i32>,
    pub reverse: bool,
}
