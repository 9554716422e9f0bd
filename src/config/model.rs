//! What a configuration means: plain data, defaults filled in, names resolved to indices. The engines read this and
//! nothing else; two configurations can be compared field by field.

use crate::base::addr::{Endpoint, Family, IfName, IpNet};
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
}

/// VRRPv2 authentication (RFC 2338 5.3.6).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Auth {
    #[default]
    None,
    /// Eight bytes, padded with zeros.
    Pass([u8; 8]),
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
