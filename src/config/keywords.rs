//! Every keyword of the language, in one table: where it stands, what it takes, and what this version does with it.

use super::refused::Refusal;

/// The kinds of block. `List` holds lines that are values, not keywords.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Block {
    /// Not a block: the keyword takes none.
    None,
    Top,
    Global,
    Group,
    Instance,
    Auth,
    AuthHmac,
    Script,
    TrackProcess,
    TrackFile,
    TrackGroup,
    GarpGroup,
    BfdInstance,
    Ssl,
    Service,
    Server,
    Tcp,
    Http,
    Url,
    Smtp,
    SmtpHost,
    Misc,
    Dns,
    Ping,
    Udp,
    Bfd,
    File,
    List,
    /// Of an unknown keyword: skipped whole.
    Unknown,
}

/// What follows the keyword. Durations in microseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Takes {
    No,
    /// on, off or nothing.
    Flag,
    Any,
    Int(i64, i64),
    Dec(u64, u64),
    /// -n to n, then perhaps `reverse`.
    Weight(i64),
}

/// What this version does with it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum State {
    Done,
    /// In the model, yet nothing acts on it in this version: what happens without (empty: its block says so already).
    Idle(&'static str),
    /// The same, and its absence could hurt, so what asks for it stays out of MASTER.
    Guard(&'static str),
    /// A check that is in the model, yet is not made in this version.
    NoCheck,
    /// Not done here, for good: see `refused.rs`.
    Refused(&'static Refusal),
    /// The old name of a keyword.
    Renamed(&'static str),
    /// keepalived knows it no more; what it means now, if anything.
    Dead(&'static str),
    /// Part of the language, not in this version.
    Later,
}

#[derive(Debug)]
pub struct Keyword {
    pub block: Block,
    pub word: &'static str,
    /// Without an argument nothing starts (status 2), as keepalived has it.
    pub needs: bool,
    pub takes: Takes,
    /// What holds when it is not given, as it would be written; empty: nothing, or "off" for what takes no argument.
    pub default: &'static str,
    pub child: Block,
    pub state: State,
}

const fn row(
    block: Block,
    word: &'static str,
    needs: bool,
    takes: Takes,
    default: &'static str,
    child: Block,
    state: State,
) -> Keyword {
    Keyword { block, word, needs, takes, default, child, state }
}

/// Finds keywords: open addressing over the table's indices.
pub struct Index {
    slots: Vec<u16>,
}

const SLOTS: usize = 2048;
const FREE: u16 = u16::MAX;

fn hash(block: Block, word: &[u8]) -> usize {
    let start = 0xcbf2_9ce4_u32 ^ (block as u32).wrapping_mul(0x9e37_79b9);
    word.iter().fold(start, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193)) as usize
}

impl Default for Index {
    fn default() -> Self {
        Index::new()
    }
}

impl Index {
    pub fn new() -> Index {
        let mut slots = vec![FREE; SLOTS];
        for (number, k) in KEYWORDS.iter().enumerate() {
            let mut at = hash(k.block, k.word.as_bytes());
            loop {
                match slots.get_mut(at % SLOTS) {
                    Some(slot) if *slot == FREE => {
                        *slot = number as u16;
                        break;
                    }
                    _ => at += 1,
                }
            }
        }
        Index { slots }
    }

    pub fn find(&self, block: Block, word: &[u8]) -> Option<&'static Keyword> {
        let mut at = hash(block, word);
        loop {
            let number = *self.slots.get(at % SLOTS)?;
            let k = KEYWORDS.get(number as usize)?;
            if k.block == block && k.word.as_bytes() == word {
                return Some(k);
            }
            at += 1;
        }
    }
}

/// The words that one kind of block knows.
pub fn words(block: Block) -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().filter(move |k| k.block == block && !matches!(k.state, State::Dead(_))).map(|k| k.word)
}

const U32: i64 = u32::MAX as i64;
const I32: i64 = i32::MAX as i64;
/// Longest time in seconds that fits 32 bits of microseconds, as keepalived has it.
const U32S: u64 = u32::MAX as u64;

use State::{Dead, Done, Guard, Idle, Later, NoCheck, Renamed};
use Takes::{Any, Dec, Flag, Int, No, Weight};

#[rustfmt::skip]
pub static KEYWORDS: &[Keyword] = &[
    // Top
    row(Block::Top, "global_defs", false, Any, "", Block::Global, Done),
    row(Block::Top, "vrrp_sync_group", false, Any, "", Block::Group, Done),
    row(Block::Top, "vrrp_instance", false, Any, "", Block::Instance, Done),
    row(Block::Top, "vrrp_script", true, Any, "", Block::Script, Idle("an instance that tracks it stays out of MASTER")),
    row(Block::Top, "virtual_server", true, Any, "", Block::Service, Done),
    row(Block::Top, "virtual_server_group", true, Any, "", Block::List, Idle("the virtual servers of this group are not served")),
    row(Block::Top, "static_ipaddress", false, Any, "", Block::List, Idle("these addresses are not set")),
    row(Block::Top, "static_routes", false, Any, "", Block::List, Idle("these routes are not set")),
    row(Block::Top, "static_rules", false, Any, "", Block::List, Idle("these rules are not set")),
    row(Block::Top, "track_file", true, Any, "", Block::TrackFile, Idle("an instance that tracks it stays out of MASTER")),
    row(Block::Top, "vrrp_track_file", true, Any, "", Block::TrackFile, Renamed("track_file")),
    row(Block::Top, "vrrp_track_process", true, Any, "", Block::TrackProcess, Idle("an instance that tracks it stays out of MASTER")),
    row(Block::Top, "track_group", false, Any, "", Block::TrackGroup, Idle("it only concerns static addresses and routes")),
    row(Block::Top, "garp_group", false, Any, "", Block::GarpGroup, Idle("gratuitous ARP leaves without pauses")),
    row(Block::Top, "bfd_instance", false, Any, "", Block::BfdInstance, Idle("an instance that tracks it stays out of MASTER")),
    row(Block::Top, "SSL", false, Any, "", Block::Ssl, Done),
    row(Block::Top, "interface_up_down_delays", false, Any, "", Block::List, Idle("link changes act at once")),
    row(Block::Top, "linkbeat_interfaces", false, Any, "", Block::List, Idle("link changes are heard from the kernel")),
    row(Block::Top, "linkbeat_use_polling", false, No, "", Block::None, Idle("link changes are heard from the kernel")),
    row(Block::Top, "net_namespace", false, Any, "", Block::None, Idle("everything runs in the network namespace of this process; start it with `ip netns exec`")),
    row(Block::Top, "net_namespace_ipvs", false, Any, "", Block::None, Idle("IPVS is used in the network namespace of this process")),
    row(Block::Top, "namespace_with_ipsets", false, No, "", Block::None, Idle("no ipset is used")),
    row(Block::Top, "use_pid_dir", false, No, "", Block::None, Idle("pid files are where they always are")),
    row(Block::Top, "instance", false, Any, "", Block::None, Idle("give it with -i on the command line")),
    row(Block::Top, "child_wait_time", true, Int(0, U32), "", Block::None, Idle("there is no child to wait for")),
    row(Block::Top, "include", false, Any, "", Block::None, Later),
    row(Block::Top, "includer", false, Any, "", Block::None, Later),
    row(Block::Top, "includem", false, Any, "", Block::None, Later),
    row(Block::Top, "includew", false, Any, "", Block::None, Later),
    row(Block::Top, "includeb", false, Any, "", Block::None, Later),
    row(Block::Top, "includea", false, Any, "", Block::None, Later),
    // Global
    row(Block::Global, "notification_email", false, Any, "", Block::List, Done),
    row(Block::Global, "notification_email_from", false, Any, "", Block::None, Done),
    row(Block::Global, "smtp_server", true, Any, "", Block::None, Done),
    row(Block::Global, "smtp_connect_timeout", true, Int(0, U32), "", Block::None, Done),
    row(Block::Global, "smtp_helo_name", false, Any, "", Block::None, Idle("the host name is used")),
    row(Block::Global, "router_id", false, Any, "", Block::None, Done),
    row(Block::Global, "smtp_alert", false, Flag, "", Block::None, Done),
    row(Block::Global, "smtp_alert_vrrp", false, Flag, "", Block::None, Done),
    row(Block::Global, "smtp_alert_checker", false, Flag, "", Block::None, Done),
    row(Block::Global, "no_email_faults", false, Flag, "", Block::None, Idle("there is more mail and fewer log lines")),
    row(Block::Global, "no_checker_emails", false, Flag, "", Block::None, Idle("there is more mail and fewer log lines")),
    row(Block::Global, "checker_log_all_failures", false, Flag, "", Block::None, Idle("there is more mail and fewer log lines")),
    row(Block::Global, "enable_script_security", false, No, "", Block::None, Done),
    row(Block::Global, "script_user", false, Any, "", Block::None, Done),
    row(Block::Global, "dynamic_interfaces", false, Any, "", Block::None, Idle("interfaces may come and go in any case")),
    row(Block::Global, "default_interface", false, Any, "", Block::None, Idle("only static addresses need it")),
    row(Block::Global, "lvs_sync_daemon", false, Any, "", Block::None, Done),
    row(Block::Global, "lvs_timeouts", false, Any, "", Block::None, Idle("the kernel keeps its timeouts")),
    row(Block::Global, "lvs_flush", false, No, "", Block::None, Idle("foreign services stay in the IPVS table")),
    row(Block::Global, "lvs_flush_on_stop", false, Any, "", Block::None, Idle("each service is removed by itself at stop")),
    row(Block::Global, "lvs_flush_onstop", false, Any, "", Block::None, Renamed("lvs_flush_on_stop")),
    row(Block::Global, "vrrp_mcast_group4", true, Any, "", Block::None, Done),
    row(Block::Global, "vrrp_mcast_group6", true, Any, "ff02::12", Block::None, Done),
    row(Block::Global, "vrrp_version", true, Int(2, 3), "2", Block::None, Done),
    row(Block::Global, "vrrp_garp_master_delay", true, Int(0, U32), "", Block::None, Done),
    row(Block::Global, "vrrp_garp_master_repeat", true, Int(0, U32), "", Block::None, Done),
    row(Block::Global, "vrrp_garp_master_refresh", true, Int(0, U32), "", Block::None, Done),
    row(Block::Global, "vrrp_garp_master_refresh_repeat", true, Int(0, U32), "", Block::None, Done),
    row(Block::Global, "vrrp_garp_lower_prio_delay", true, Int(0, U32), "", Block::None, Done),
    row(Block::Global, "vrrp_garp_lower_prio_repeat", true, Int(0, U32), "", Block::None, Done),
    row(Block::Global, "vrrp_garp_interval", true, Dec(1, U32S), "", Block::None, Idle("gratuitous ARP leaves without pauses")),
    row(Block::Global, "vrrp_gna_interval", true, Dec(1, U32S), "", Block::None, Idle("gratuitous ARP leaves without pauses")),
    row(Block::Global, "vrrp_min_garp", false, Flag, "", Block::None, Idle("the full bursts are sent")),
    row(Block::Global, "vrrp_garp_extra_if", false, Any, "", Block::None, Idle("there are no extra interfaces")),
    row(Block::Global, "vrrp_vmac_garp_intvl", false, Any, "", Block::None, Renamed("vrrp_garp_extra_if")),
    row(Block::Global, "vrrp_lower_prio_no_advert", false, Flag, "", Block::None, Done),
    row(Block::Global, "vrrp_higher_prio_send_advert", false, Flag, "", Block::None, Done),
    row(Block::Global, "vrrp_down_timer_adverts", true, Int(1, 100), "", Block::None, Done),
    row(Block::Global, "vrrp_owner_ignore_adverts", false, Flag, "", Block::None, Idle("an owner listens to adverts as others do")),
    row(Block::Global, "vrrp_notify_priority_changes", false, Flag, "", Block::None, Idle("there is no such event")),
    row(Block::Global, "vrrp_check_unicast_src", false, No, "", Block::None, Done),
    row(Block::Global, "vrrp_skip_check_adv_addr", false, Flag, "", Block::None, Done),
    row(Block::Global, "vrrp_strict", false, Flag, "", Block::None, Guard("the strict rules are not enforced")),
    row(Block::Global, "vrrp_iptables", false, Any, "", Block::None, Idle("it only serves no_accept")),
    row(Block::Global, "vrrp_ipsets", false, Any, "", Block::None, Idle("it only serves no_accept")),
    row(Block::Global, "nftables", false, Any, "", Block::None, Idle("it only serves no_accept")),
    row(Block::Global, "nftables_priority", true, Any, "", Block::None, Idle("it only serves no_accept and groups of services")),
    row(Block::Global, "nftables_ipvs_priority", true, Any, "", Block::None, Idle("it only serves no_accept and groups of services")),
    row(Block::Global, "nftables_ipvs_start_fwmark", true, Any, "", Block::None, Idle("it only serves no_accept and groups of services")),
    row(Block::Global, "nftables_ifindex", false, No, "", Block::None, Idle("it only serves no_accept")),
    row(Block::Global, "nftables_counters", false, No, "", Block::None, Idle("it only serves no_accept")),
    row(Block::Global, "nftables_ipvs", false, Any, "", Block::None, Idle("it only serves groups of services")),
    row(Block::Global, "notify_fifo", false, Any, "", Block::None, Idle("nothing is written there")),
    row(Block::Global, "vrrp_notify_fifo", false, Any, "", Block::None, Idle("nothing is written there")),
    row(Block::Global, "lvs_notify_fifo", false, Any, "", Block::None, Idle("nothing is written there")),
    row(Block::Global, "notify_fifo_script", false, Any, "", Block::None, Idle("it is not started")),
    row(Block::Global, "vrrp_notify_fifo_script", false, Any, "", Block::None, Idle("it is not started")),
    row(Block::Global, "lvs_notify_fifo_script", false, Any, "", Block::None, Idle("it is not started")),
    row(Block::Global, "fifo_write_vrrp_states_on_reload", false, No, "", Block::None, Idle("there is no FIFO")),
    row(Block::Global, "startup_script", false, Any, "", Block::None, Idle("it is not run")),
    row(Block::Global, "shutdown_script", false, Any, "", Block::None, Idle("it is not run")),
    row(Block::Global, "startup_script_timeout", false, Int(1, 1000), "", Block::None, Idle("the script is not run")),
    row(Block::Global, "shutdown_script_timeout", false, Int(1, 1000), "", Block::None, Idle("the script is not run")),
    row(Block::Global, "vrrp_startup_delay", true, Dec(1000, U32S), "", Block::None, Idle("instances begin at once")),
    row(Block::Global, "vrrp_delay_after_boot", false, Dec(0, U32S), "", Block::None, Idle("instances begin at once")),
    row(Block::Global, "log_unknown_vrids", false, No, "", Block::None, Idle("nothing else changes")),
    row(Block::Global, "disable_local_igmp", false, No, "", Block::None, Idle("nothing else changes")),
    row(Block::Global, "v3_checksum_as_v2", false, Flag, "off", Block::None, Done),
    row(Block::Global, "vrrp_priority", false, Int(-20, 19), "", Block::None, Idle("the process keeps its priority")),
    row(Block::Global, "checker_priority", false, Int(-20, 19), "", Block::None, Idle("the process keeps its priority")),
    row(Block::Global, "bfd_priority", false, Int(-20, 19), "", Block::None, Idle("the process keeps its priority")),
    row(Block::Global, "vrrp_no_swap", false, No, "", Block::None, Idle("the process may be swapped")),
    row(Block::Global, "checker_no_swap", false, No, "", Block::None, Idle("the process may be swapped")),
    row(Block::Global, "bfd_no_swap", false, No, "", Block::None, Idle("the process may be swapped")),
    row(Block::Global, "vrrp_rt_priority", false, Int(1, 99), "", Block::None, Idle("the process is scheduled as others are")),
    row(Block::Global, "checker_rt_priority", false, Int(1, 99), "", Block::None, Idle("the process is scheduled as others are")),
    row(Block::Global, "bfd_rt_priority", false, Int(1, 99), "", Block::None, Idle("the process is scheduled as others are")),
    row(Block::Global, "vrrp_cpu_affinity", false, Any, "", Block::None, Idle("any CPU is used")),
    row(Block::Global, "checker_cpu_affinity", false, Any, "", Block::None, Idle("any CPU is used")),
    row(Block::Global, "bfd_cpu_affinity", false, Any, "", Block::None, Idle("any CPU is used")),
    row(Block::Global, "vrrp_rlimit_rttime", true, Int(1, U32), "", Block::None, Idle("no such limit is set")),
    row(Block::Global, "checker_rlimit_rttime", true, Int(1, U32), "", Block::None, Idle("no such limit is set")),
    row(Block::Global, "bfd_rlimit_rttime", true, Int(1, U32), "", Block::None, Idle("no such limit is set")),
    row(Block::Global, "vrrp_rlimit_rtime", true, Int(1, U32), "", Block::None, Renamed("vrrp_rlimit_rttime")),
    row(Block::Global, "checker_rlimit_rtime", true, Int(1, U32), "", Block::None, Renamed("checker_rlimit_rttime")),
    row(Block::Global, "bfd_rlimit_rtime", true, Int(1, U32), "", Block::None, Renamed("bfd_rlimit_rttime")),
    row(Block::Global, "max_auto_priority", false, Any, "", Block::None, Idle("the priority of the process is not raised")),
    row(Block::Global, "min_auto_priority_delay", false, Any, "", Block::None, Idle("the priority of the process is not raised")),
    row(Block::Global, "process_names", false, No, "", Block::None, Idle("there is one process")),
    row(Block::Global, "process_name", true, Any, "", Block::None, Idle("there is one process")),
    row(Block::Global, "vrrp_process_name", true, Any, "", Block::None, Idle("there is one process")),
    row(Block::Global, "checker_process_name", true, Any, "", Block::None, Idle("there is one process")),
    row(Block::Global, "bfd_process_name", true, Any, "", Block::None, Idle("there is one process")),
    row(Block::Global, "lvs_process_name", true, Any, "", Block::None, Renamed("checker_process_name")),
    row(Block::Global, "use_symlink_paths", false, Flag, "", Block::None, Idle("scripts run by the path written, with the groups of their user")),
    row(Block::Global, "set_supplementary_groups", false, Flag, "", Block::None, Idle("scripts run by the path written, with the groups of their user")),
    row(Block::Global, "snmp_socket", false, Any, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "enable_traps", false, No, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "enable_snmp_vrrp", false, No, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "enable_snmp_checker", false, No, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "enable_snmp_rfc", false, No, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "enable_snmp_rfcv2", false, No, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "enable_snmp_rfcv3", false, No, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "enable_snmp_keepalived", false, No, "", Block::None, Renamed("enable_snmp_vrrp")),
    row(Block::Global, "snmp_vs_stats_update_interval", false, Any, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "snmp_rs_stats_update_interval", false, Any, "", Block::None, Idle("there is no SNMP")),
    row(Block::Global, "enable_dbus", false, No, "", Block::None, Idle("there is no D-Bus")),
    row(Block::Global, "dbus_service_name", false, Any, "", Block::None, Idle("there is no D-Bus")),
    row(Block::Global, "dbus_no_interface_name", false, Any, "", Block::None, Idle("there is no D-Bus")),
    row(Block::Global, "vrrp_netlink_cmd_rcv_bufs", false, Any, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "vrrp_netlink_monitor_rcv_bufs", false, Any, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "lvs_netlink_cmd_rcv_bufs", false, Any, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "lvs_netlink_monitor_rcv_bufs", false, Any, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "process_monitor_rcv_bufs", false, Any, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "vrrp_netlink_cmd_rcv_bufs_force", false, Flag, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "vrrp_netlink_monitor_rcv_bufs_force", false, Flag, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "lvs_netlink_cmd_rcv_bufs_force", false, Flag, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "lvs_netlink_monitor_rcv_bufs_force", false, Flag, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "process_monitor_rcv_bufs_force", false, Flag, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "vrrp_rx_bufs_policy", false, Any, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "vrrp_rx_bufs_multiplier", false, Any, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Global, "rs_init_notifies", false, Flag, "", Block::None, Idle("notify_up is not run for the first state")),
    row(Block::Global, "vmac_prefix", true, Any, "", Block::None, Idle("there are no virtual MAC links")),
    row(Block::Global, "vmac_addr_prefix", true, Any, "", Block::None, Idle("there are no virtual MAC links")),
    row(Block::Global, "umask", true, Any, "", Block::None, Idle("files are written with 0600")),
    row(Block::Global, "random_seed", true, Any, "", Block::None, Idle("it is drawn at start")),
    row(Block::Global, "reload_check_config", false, Any, "", Block::None, Idle("HUP loads the file, after a full check")),
    row(Block::Global, "reload_time_file", false, Any, "", Block::None, Idle("HUP loads the file, after a full check")),
    row(Block::Global, "reload_file", false, Any, "", Block::None, Idle("HUP loads the file, after a full check")),
    row(Block::Global, "reload_repeat", false, No, "", Block::None, Idle("HUP loads the file")),
    row(Block::Global, "include_check", false, Any, "", Block::None, Idle("files are included without such checks")),
    row(Block::Global, "config_save_dir", true, Any, "", Block::None, Idle("no copy of the configuration is kept")),
    row(Block::Global, "tmp_config_directory", false, Any, "", Block::None, Idle("no copy of the configuration is kept")),
    row(Block::Global, "data_use_instance", false, Flag, "", Block::None, Idle("dump files carry no instance name")),
    row(Block::Global, "json_version", false, Int(1, 2), "", Block::None, Idle("the JSON dump has version 2")),
    row(Block::Global, "iproute_usr_dir", false, Any, "", Block::None, Idle("names of tables are read from the usual places")),
    row(Block::Global, "iproute_etc_dir", false, Any, "", Block::None, Idle("names of tables are read from the usual places")),
    row(Block::Global, "state_dump_file", false, Any, "", Block::None, Idle("dumps go to the usual places")),
    row(Block::Global, "stats_dump_file", false, Any, "", Block::None, Idle("dumps go to the usual places")),
    row(Block::Global, "json_dump_file", false, Any, "", Block::None, Idle("dumps go to the usual places")),
    row(Block::Global, "linkbeat_use_polling", false, No, "", Block::None, Idle("link changes are heard from the kernel")),
    row(Block::Global, "lvs_id", false, Any, "", Block::None, Dead("router_id")),
    row(Block::Global, "email_faults", false, Any, "", Block::None, Dead("")),
    row(Block::Global, "plugin_dir", false, Any, "", Block::None, Dead("")),
    row(Block::Global, "glob_strict", false, Any, "", Block::None, Dead("")),
    row(Block::Global, "config_directory", false, Any, "", Block::None, Dead("")),
    // Group
    row(Block::Group, "group", false, Any, "", Block::List, Done),
    row(Block::Group, "notify_master", true, Any, "", Block::None, Done),
    row(Block::Group, "notify_backup", true, Any, "", Block::None, Done),
    row(Block::Group, "notify_fault", true, Any, "", Block::None, Done),
    row(Block::Group, "notify_stop", true, Any, "", Block::None, Done),
    row(Block::Group, "notify", true, Any, "", Block::None, Done),
    row(Block::Group, "smtp_alert", false, Flag, "", Block::None, Done),
    row(Block::Group, "track_interface", false, Any, "", Block::List, Guard("a tracked link that is down is not seen")),
    row(Block::Group, "track_script", false, Any, "", Block::List, Guard("what it tracks is not watched")),
    row(Block::Group, "track_file", false, Any, "", Block::List, Guard("what it tracks is not watched")),
    row(Block::Group, "track_process", false, Any, "", Block::List, Guard("what it tracks is not watched")),
    row(Block::Group, "track_bfd", false, Any, "", Block::List, Guard("what it tracks is not watched")),
    row(Block::Group, "sync_group_tracking_weight", false, No, "", Block::None, Idle("there are no weights")),
    row(Block::Group, "global_tracking", false, No, "", Block::None, Dead("")),
    row(Block::Group, "notify_priority_changes", false, Flag, "", Block::None, Idle("there is no such event")),
    // Instance
    row(Block::Instance, "state", true, Any, "", Block::None, Done),
    row(Block::Instance, "interface", true, Any, "", Block::None, Done),
    row(Block::Instance, "virtual_router_id", true, Int(1, 255), "", Block::None, Done),
    row(Block::Instance, "priority", true, Int(1, 255), "", Block::None, Done),
    row(Block::Instance, "advert_int", true, Dec(10_000, 255_000_000), "", Block::None, Done),
    row(Block::Instance, "virtual_ipaddress", false, Any, "", Block::List, Done),
    row(Block::Instance, "virtual_ipaddress_excluded", false, Any, "", Block::List, Done),
    row(Block::Instance, "no_virtual_ipaddress", false, No, "", Block::None, Done),
    row(Block::Instance, "virtual_routes", false, Any, "", Block::List, Done),
    row(Block::Instance, "virtual_rules", false, Any, "", Block::List, Guard("these rules would not be set")),
    row(Block::Instance, "authentication", false, Any, "", Block::Auth, Done),
    row(Block::Instance, "auth_hmac", false, Any, "", Block::AuthHmac, Guard("adverts would not be authenticated")),
    row(Block::Instance, "nopreempt", false, No, "", Block::None, Done),
    row(Block::Instance, "preempt", false, No, "", Block::None, Done),
    row(Block::Instance, "preempt_delay", true, Dec(0, 1_000_000_000), "", Block::None, Done),
    row(Block::Instance, "unicast_peer", false, Any, "", Block::List, Done),
    row(Block::Instance, "unicast_src_ip", true, Any, "", Block::None, Done),
    row(Block::Instance, "unicast_ttl", true, Int(0, 255), "255", Block::None, Done),
    row(Block::Instance, "unicast_fault_no_peer", false, No, "", Block::None, Done),
    row(Block::Instance, "check_unicast_src", false, Flag, "off", Block::None, Done),
    row(Block::Instance, "old_unicast_checksum", false, Any, "", Block::None, Done),
    row(Block::Instance, "mcast_src_ip", true, Any, "", Block::None, Done),
    row(Block::Instance, "mcast_dst_ip", true, Any, "224.0.0.18", Block::None, Done),
    row(Block::Instance, "track_src_ip", false, No, "", Block::None, Idle("an instance whose source address vanishes is not put into FAULT by this")),
    row(Block::Instance, "track_interface", false, Any, "", Block::List, Done),
    row(Block::Instance, "track_script", false, Any, "", Block::List, Guard("what it tracks is not watched")),
    row(Block::Instance, "track_file", false, Any, "", Block::List, Guard("what it tracks is not watched")),
    row(Block::Instance, "track_process", false, Any, "", Block::List, Guard("what it tracks is not watched")),
    row(Block::Instance, "track_bfd", false, Any, "", Block::List, Guard("what it tracks is not watched")),
    row(Block::Instance, "dont_track_primary", false, No, "", Block::None, Done),
    row(Block::Instance, "notify_master", true, Any, "", Block::None, Done),
    row(Block::Instance, "notify_backup", true, Any, "", Block::None, Done),
    row(Block::Instance, "notify_fault", true, Any, "", Block::None, Done),
    row(Block::Instance, "notify_stop", true, Any, "", Block::None, Done),
    row(Block::Instance, "notify", true, Any, "", Block::None, Done),
    row(Block::Instance, "notify_deleted", false, Any, "", Block::None, Idle("it is not run")),
    row(Block::Instance, "notify_master_rx_lower_pri", true, Any, "", Block::None, Idle("it is not run")),
    row(Block::Instance, "notify_priority_changes", false, Flag, "", Block::None, Idle("there is no such event")),
    row(Block::Instance, "smtp_alert", false, Flag, "", Block::None, Done),
    row(Block::Instance, "version", true, Int(2, 3), "2", Block::None, Done),
    row(Block::Instance, "native_ipv6", false, No, "", Block::None, Done),
    row(Block::Instance, "accept", false, No, "", Block::None, Done),
    row(Block::Instance, "no_accept", false, No, "", Block::None, Guard("traffic to the addresses would not be dropped")),
    row(Block::Instance, "strict_mode", false, Flag, "", Block::None, Guard("the strict rules are not enforced")),
    row(Block::Instance, "skip_check_adv_addr", false, Flag, "", Block::None, Done),
    row(Block::Instance, "garp_master_delay", true, Int(0, U32), "", Block::None, Done),
    row(Block::Instance, "garp_master_repeat", true, Int(0, U32), "", Block::None, Done),
    row(Block::Instance, "garp_master_refresh", true, Int(0, U32), "", Block::None, Done),
    row(Block::Instance, "garp_master_refresh_repeat", true, Int(0, U32), "", Block::None, Done),
    row(Block::Instance, "garp_lower_prio_delay", true, Int(0, U32), "", Block::None, Done),
    row(Block::Instance, "garp_lower_prio_repeat", true, Int(0, U32), "", Block::None, Done),
    row(Block::Instance, "garp_extra_if", false, Any, "", Block::None, Idle("there are no extra interfaces")),
    row(Block::Instance, "vmac_garp_intvl", false, Any, "", Block::None, Renamed("garp_extra_if")),
    row(Block::Instance, "lower_prio_no_advert", false, Flag, "", Block::None, Done),
    row(Block::Instance, "higher_prio_send_advert", false, Flag, "", Block::None, Done),
    row(Block::Instance, "owner_ignore_adverts", false, Flag, "", Block::None, Idle("an owner listens to adverts as others do")),
    row(Block::Instance, "down_timer_adverts", true, Int(1, 100), "", Block::None, Done),
    row(Block::Instance, "timer_expired_backup", false, Any, "", Block::None, Idle("a late timer is said in the log")),
    row(Block::Instance, "thread_timer_expired", false, Any, "", Block::None, Idle("a late timer is said in the log")),
    row(Block::Instance, "use_vmac", false, Any, "", Block::None, Guard("the addresses would not have the virtual MAC address")),
    row(Block::Instance, "vmac_xmit_base", false, No, "", Block::None, Idle("there are no virtual MAC links")),
    row(Block::Instance, "use_vmac_addr", false, No, "", Block::None, Idle("there are no virtual MAC links")),
    row(Block::Instance, "use_ipvlan", false, Any, "", Block::None, Guard("the addresses would not be on an ipvlan link")),
    row(Block::Instance, "vrf", true, Any, "", Block::None, Idle("there are no virtual MAC links")),
    row(Block::Instance, "promote_secondaries", false, No, "", Block::None, Idle("set net.ipv4.conf.IF.promote_secondaries yourself")),
    row(Block::Instance, "v3_checksum_as_v2", false, Flag, "off", Block::None, Done),
    row(Block::Instance, "debug", true, Int(0, 4), "", Block::None, Idle("the log has one level for all")),
    row(Block::Instance, "kernel_rx_buf_size", false, Any, "", Block::None, Idle("socket buffers are sized by this program")),
    row(Block::Instance, "linkbeat_use_polling", false, No, "", Block::None, Idle("link changes are heard from the kernel")),
    row(Block::Instance, "lvs_sync_daemon_interface", true, Any, "", Block::None, Renamed("lvs_sync_daemon in global_defs")),
    row(Block::Instance, "lvs_sync_daemon_inteface", true, Any, "", Block::None, Dead("lvs_sync_daemon in global_defs")),
    row(Block::Instance, "sync_instance", false, Any, "", Block::None, Dead("")),
    // Auth
    row(Block::Auth, "auth_type", true, Any, "", Block::None, Done),
    row(Block::Auth, "auth_pass", true, Any, "", Block::None, Done),
    // AuthHmac
    row(Block::AuthHmac, "key", false, Any, "", Block::None, Idle("see auth_hmac")),
    row(Block::AuthHmac, "active_key", false, Any, "", Block::None, Idle("see auth_hmac")),
    row(Block::AuthHmac, "mode", false, Any, "", Block::None, Idle("see auth_hmac")),
    row(Block::AuthHmac, "anti_replay", false, Any, "", Block::None, Idle("see auth_hmac")),
    row(Block::AuthHmac, "time_window", false, Int(1, 300), "", Block::None, Idle("see auth_hmac")),
    // Script
    row(Block::Script, "script", false, Any, "", Block::None, Idle("")),
    row(Block::Script, "interval", true, Dec(0, U32S), "", Block::None, Idle("")),
    row(Block::Script, "timeout", true, Dec(0, U32S), "", Block::None, Idle("")),
    row(Block::Script, "weight", true, Weight(253), "", Block::None, Idle("")),
    row(Block::Script, "rise", true, Int(1, U32), "", Block::None, Idle("")),
    row(Block::Script, "fall", true, Int(1, U32), "", Block::None, Idle("")),
    row(Block::Script, "user", true, Any, "", Block::None, Idle("")),
    row(Block::Script, "init_fail", false, No, "", Block::None, Idle("")),
    // TrackProcess
    row(Block::TrackProcess, "process", true, Any, "", Block::None, Idle("")),
    row(Block::TrackProcess, "param_match", false, Any, "", Block::None, Idle("")),
    row(Block::TrackProcess, "weight", false, Weight(254), "", Block::None, Idle("")),
    row(Block::TrackProcess, "quorum", true, Int(1, 65535), "", Block::None, Idle("")),
    row(Block::TrackProcess, "quorum_max", true, Int(0, 65535), "", Block::None, Idle("")),
    row(Block::TrackProcess, "delay", true, Dec(1, 3_600_000_000), "", Block::None, Idle("")),
    row(Block::TrackProcess, "terminate_delay", true, Dec(1, 3_600_000_000), "", Block::None, Idle("")),
    row(Block::TrackProcess, "fork_delay", true, Dec(1, 3_600_000_000), "", Block::None, Idle("")),
    row(Block::TrackProcess, "full_command", false, No, "", Block::None, Idle("")),
    // TrackFile
    row(Block::TrackFile, "file", false, Any, "", Block::None, Idle("")),
    row(Block::TrackFile, "weight", false, Weight(254), "", Block::None, Idle("")),
    row(Block::TrackFile, "init_file", false, Any, "", Block::None, Idle("")),
    // TrackGroup
    row(Block::TrackGroup, "group", false, Any, "", Block::List, Idle("")),
    // GarpGroup
    row(Block::GarpGroup, "garp_interval", true, Dec(1, U32S), "", Block::None, Idle("")),
    row(Block::GarpGroup, "gna_interval", true, Dec(1, U32S), "", Block::None, Idle("")),
    row(Block::GarpGroup, "interface", true, Any, "", Block::None, Idle("")),
    row(Block::GarpGroup, "interfaces", false, Any, "", Block::List, Idle("")),
    // BfdInstance
    row(Block::BfdInstance, "neighbor_ip", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "neighbour_ip", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "source_ip", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "min_rx", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "min_tx", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "idle_tx", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "multiplier", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "ttl", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "hoplimit", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "max_hops", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "weight", false, Any, "", Block::None, Idle("")),
    row(Block::BfdInstance, "passive", false, No, "", Block::None, Idle("")),
    row(Block::BfdInstance, "multihop", false, Flag, "", Block::None, Idle("")),
    row(Block::BfdInstance, "vrrp", false, No, "", Block::None, Idle("")),
    row(Block::BfdInstance, "checker", false, No, "", Block::None, Idle("")),
    // Ssl
    row(Block::Ssl, "password", false, Any, "", Block::None, Done),
    row(Block::Ssl, "ca", false, Any, "", Block::None, Done),
    row(Block::Ssl, "certificate", false, Any, "", Block::None, Done),
    row(Block::Ssl, "key", false, Any, "", Block::None, Done),
    // Service
    row(Block::Service, "delay_loop", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Service, "lb_algo", true, Any, "", Block::None, Done),
    row(Block::Service, "lvs_sched", true, Any, "", Block::None, Done),
    row(Block::Service, "lb_kind", true, Any, "", Block::None, Done),
    row(Block::Service, "lvs_method", true, Any, "", Block::None, Done),
    row(Block::Service, "protocol", true, Any, "", Block::None, Done),
    row(Block::Service, "persistence_timeout", false, Any, "", Block::None, Done),
    row(Block::Service, "persistence_granularity", true, Any, "", Block::None, Done),
    row(Block::Service, "persistence_engine", true, Any, "", Block::None, Idle("persistence is by client address")),
    row(Block::Service, "ops", false, No, "", Block::None, Done),
    row(Block::Service, "hashed", false, No, "", Block::None, Done),
    row(Block::Service, "flag-1", false, No, "", Block::None, Done),
    row(Block::Service, "flag-2", false, No, "", Block::None, Done),
    row(Block::Service, "flag-3", false, No, "", Block::None, Done),
    row(Block::Service, "sh-port", false, No, "", Block::None, Done),
    row(Block::Service, "sh-fallback", false, No, "", Block::None, Done),
    row(Block::Service, "mh-port", false, No, "", Block::None, Done),
    row(Block::Service, "mh-fallback", false, No, "", Block::None, Done),
    row(Block::Service, "ip_family", true, Any, "", Block::None, Done),
    row(Block::Service, "virtualhost", false, Any, "", Block::None, Done),
    row(Block::Service, "alpha", false, Flag, "", Block::None, Done),
    row(Block::Service, "omega", false, No, "", Block::None, Done),
    row(Block::Service, "quorum", true, Int(1, U32), "", Block::None, Done),
    row(Block::Service, "hysteresis", true, Int(0, U32), "", Block::None, Done),
    row(Block::Service, "quorum_up", true, Any, "", Block::None, Done),
    row(Block::Service, "quorum_down", true, Any, "", Block::None, Done),
    row(Block::Service, "sorry_server", true, Any, "", Block::None, Done),
    row(Block::Service, "sorry_server_inhibit", false, No, "", Block::None, Done),
    row(Block::Service, "sorry_server_lvs_method", true, Any, "", Block::None, Done),
    row(Block::Service, "ha_suspend", false, No, "", Block::None, Idle("the checks run on a backup router too")),
    row(Block::Service, "inhibit_on_failure", false, Flag, "", Block::None, Done),
    row(Block::Service, "weight", true, Int(1, I32), "", Block::None, Done),
    row(Block::Service, "retry", true, Int(1, U32), "", Block::None, Done),
    row(Block::Service, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Service, "warmup", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Service, "connect_timeout", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Service, "smtp_alert", false, Flag, "", Block::None, Done),
    row(Block::Service, "snmp_name", false, Any, "", Block::None, Idle("there is no SNMP")),
    row(Block::Service, "real_server", true, Any, "", Block::Server, Done),
    row(Block::Service, "nat_mask", false, Any, "", Block::None, Dead("")),
    row(Block::Service, "lb_flags", false, Any, "", Block::None, Dead("")),
    row(Block::Service, "real_group", false, Any, "", Block::None, Dead("")),
    row(Block::Service, "real_server_group", false, Any, "", Block::None, Dead("")),
    row(Block::Service, "lvs_weight", false, Any, "", Block::None, Dead("")),
    row(Block::Service, "quorum_weight", false, Any, "", Block::None, Dead("")),
    row(Block::Service, "checker_shutdown_vs_only", false, Any, "", Block::None, Dead("")),
    // Server
    row(Block::Server, "weight", true, Int(0, I32), "", Block::None, Done),
    row(Block::Server, "inhibit_on_failure", false, Flag, "", Block::None, Done),
    row(Block::Server, "notify_up", true, Any, "", Block::None, Done),
    row(Block::Server, "notify_down", true, Any, "", Block::None, Done),
    row(Block::Server, "lvs_method", true, Any, "", Block::None, Done),
    row(Block::Server, "uthreshold", true, Int(0, U32), "", Block::None, Done),
    row(Block::Server, "lthreshold", true, Int(0, U32), "", Block::None, Done),
    row(Block::Server, "alpha", false, Flag, "", Block::None, Done),
    row(Block::Server, "retry", true, Int(1, U32), "", Block::None, Done),
    row(Block::Server, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Server, "warmup", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Server, "connect_timeout", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Server, "delay_loop", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Server, "smtp_alert", false, Flag, "", Block::None, Done),
    row(Block::Server, "virtualhost", false, Any, "", Block::None, Done),
    row(Block::Server, "snmp_name", false, Any, "", Block::None, Idle("there is no SNMP")),
    row(Block::Server, "TCP_CHECK", false, Any, "", Block::Tcp, Done),
    row(Block::Server, "HTTP_GET", false, Any, "", Block::Http, Done),
    row(Block::Server, "SSL_GET", false, Any, "", Block::Http, Done),
    row(Block::Server, "SMTP_CHECK", false, Any, "", Block::Smtp, Done),
    row(Block::Server, "MISC_CHECK", false, Any, "", Block::Misc, Done),
    row(Block::Server, "DNS_CHECK", false, Any, "", Block::Dns, NoCheck),
    row(Block::Server, "PING_CHECK", false, Any, "", Block::Ping, NoCheck),
    row(Block::Server, "UDP_CHECK", false, Any, "", Block::Udp, NoCheck),
    row(Block::Server, "BFD_CHECK", false, Any, "", Block::Bfd, NoCheck),
    row(Block::Server, "FILE_CHECK", false, Any, "", Block::File, NoCheck),
    // Tcp
    row(Block::Tcp, "connect_ip", true, Any, "", Block::None, Done),
    row(Block::Tcp, "connect_port", true, Int(1, 65535), "", Block::None, Done),
    row(Block::Tcp, "connect_timeout", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Tcp, "bindto", true, Any, "", Block::None, Done),
    row(Block::Tcp, "bind_port", true, Int(1, 65535), "", Block::None, Done),
    row(Block::Tcp, "bind_if", true, Any, "", Block::None, Done),
    row(Block::Tcp, "fwmark", true, Int(0, U32), "", Block::None, Done),
    row(Block::Tcp, "retry", true, Int(0, U32), "", Block::None, Done),
    row(Block::Tcp, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Tcp, "delay_loop", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Tcp, "warmup", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Tcp, "alpha", false, Flag, "", Block::None, Done),
    row(Block::Tcp, "log_all_failures", false, Flag, "", Block::None, Idle("the last failure is logged")),
    // Http
    row(Block::Http, "connect_ip", true, Any, "", Block::None, Done),
    row(Block::Http, "connect_port", true, Int(1, 65535), "", Block::None, Done),
    row(Block::Http, "connect_timeout", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Http, "bindto", true, Any, "", Block::None, Done),
    row(Block::Http, "bind_port", true, Int(1, 65535), "", Block::None, Done),
    row(Block::Http, "bind_if", true, Any, "", Block::None, Done),
    row(Block::Http, "fwmark", true, Int(0, U32), "", Block::None, Done),
    row(Block::Http, "retry", true, Int(0, U32), "", Block::None, Done),
    row(Block::Http, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Http, "delay_loop", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Http, "warmup", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Http, "alpha", false, Flag, "", Block::None, Done),
    row(Block::Http, "log_all_failures", false, Flag, "", Block::None, Idle("the last failure is logged")),
    row(Block::Http, "nb_get_retry", true, Int(0, U32), "", Block::None, Renamed("retry")),
    row(Block::Http, "virtualhost", false, Any, "", Block::None, Done),
    row(Block::Http, "http_protocol", false, Any, "", Block::None, Done),
    row(Block::Http, "enable_sni", false, Flag, "", Block::None, Done),
    row(Block::Http, "sni_name", false, Any, "", Block::None, Done),
    row(Block::Http, "fast_recovery", false, Flag, "", Block::None, Idle("each URL is checked in its turn")),
    row(Block::Http, "tls_compliant", false, Flag, "", Block::None, Idle("a server that ends without close_notify passes")),
    row(Block::Http, "url", false, Any, "", Block::Url, Done),
    // Url
    row(Block::Url, "path", false, Any, "", Block::None, Done),
    row(Block::Url, "digest", false, Any, "", Block::None, Done),
    row(Block::Url, "status_code", false, Any, "", Block::None, Done),
    row(Block::Url, "virtualhost", false, Any, "", Block::None, Done),
    row(Block::Url, "regex", false, Any, "", Block::None, Idle("the answer is not searched, so a server may pass that should not")),
    row(Block::Url, "regex_no_match", false, No, "", Block::None, Idle("see regex")),
    row(Block::Url, "regex_options", false, Any, "", Block::None, Idle("see regex")),
    row(Block::Url, "regex_min_offset", false, Any, "", Block::None, Idle("see regex")),
    row(Block::Url, "regex_max_offset", false, Any, "", Block::None, Idle("see regex")),
    row(Block::Url, "regex_stack", false, Any, "", Block::None, Idle("see regex")),
    row(Block::Url, "tls_compliant", false, Flag, "", Block::None, Idle("a server that ends without close_notify passes")),
    // Smtp
    row(Block::Smtp, "connect_ip", true, Any, "", Block::None, Done),
    row(Block::Smtp, "connect_port", true, Int(1, 65535), "", Block::None, Done),
    row(Block::Smtp, "connect_timeout", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Smtp, "bindto", true, Any, "", Block::None, Done),
    row(Block::Smtp, "bind_port", true, Int(1, 65535), "", Block::None, Done),
    row(Block::Smtp, "bind_if", true, Any, "", Block::None, Done),
    row(Block::Smtp, "fwmark", true, Int(0, U32), "", Block::None, Done),
    row(Block::Smtp, "retry", true, Int(0, U32), "", Block::None, Done),
    row(Block::Smtp, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Smtp, "delay_loop", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Smtp, "warmup", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Smtp, "alpha", false, Flag, "", Block::None, Done),
    row(Block::Smtp, "log_all_failures", false, Flag, "", Block::None, Idle("the last failure is logged")),
    row(Block::Smtp, "helo_name", false, Any, "", Block::None, Done),
    row(Block::Smtp, "host", false, Any, "", Block::SmtpHost, Done),
    // SmtpHost
    row(Block::SmtpHost, "connect_ip", true, Any, "", Block::None, Done),
    row(Block::SmtpHost, "connect_port", true, Int(1, 65535), "", Block::None, Done),
    row(Block::SmtpHost, "connect_timeout", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::SmtpHost, "bindto", true, Any, "", Block::None, Done),
    row(Block::SmtpHost, "bind_port", true, Int(1, 65535), "", Block::None, Done),
    row(Block::SmtpHost, "bind_if", true, Any, "", Block::None, Done),
    row(Block::SmtpHost, "fwmark", true, Int(0, U32), "", Block::None, Done),
    // Misc
    row(Block::Misc, "retry", true, Int(0, U32), "", Block::None, Done),
    row(Block::Misc, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Misc, "delay_loop", true, Dec(1, U32S), "", Block::None, Done),
    row(Block::Misc, "warmup", true, Dec(0, U32S), "", Block::None, Done),
    row(Block::Misc, "alpha", false, Flag, "", Block::None, Done),
    row(Block::Misc, "log_all_failures", false, Flag, "", Block::None, Idle("the last failure is logged")),
    row(Block::Misc, "misc_path", false, Any, "", Block::None, Done),
    row(Block::Misc, "misc_timeout", true, Int(0, U32), "", Block::None, Done),
    row(Block::Misc, "misc_dynamic", false, No, "", Block::None, Done),
    row(Block::Misc, "user", false, Any, "", Block::None, Done),
    // Dns
    row(Block::Dns, "connect_ip", true, Any, "", Block::None, Idle("")),
    row(Block::Dns, "connect_port", true, Int(1, 65535), "", Block::None, Idle("")),
    row(Block::Dns, "connect_timeout", true, Dec(1, U32S), "", Block::None, Idle("")),
    row(Block::Dns, "bindto", true, Any, "", Block::None, Idle("")),
    row(Block::Dns, "bind_port", true, Int(1, 65535), "", Block::None, Idle("")),
    row(Block::Dns, "bind_if", true, Any, "", Block::None, Idle("")),
    row(Block::Dns, "fwmark", true, Int(0, U32), "", Block::None, Idle("")),
    row(Block::Dns, "retry", true, Int(0, U32), "", Block::None, Idle("")),
    row(Block::Dns, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Idle("")),
    row(Block::Dns, "delay_loop", true, Dec(1, U32S), "", Block::None, Idle("")),
    row(Block::Dns, "warmup", true, Dec(0, U32S), "", Block::None, Idle("")),
    row(Block::Dns, "alpha", false, Flag, "", Block::None, Idle("")),
    row(Block::Dns, "log_all_failures", false, Flag, "", Block::None, Idle("")),
    row(Block::Dns, "type", true, Any, "", Block::None, Idle("")),
    row(Block::Dns, "name", true, Any, "", Block::None, Idle("")),
    // Ping
    row(Block::Ping, "connect_ip", true, Any, "", Block::None, Idle("")),
    row(Block::Ping, "connect_port", true, Int(1, 65535), "", Block::None, Idle("")),
    row(Block::Ping, "connect_timeout", true, Dec(1, U32S), "", Block::None, Idle("")),
    row(Block::Ping, "bindto", true, Any, "", Block::None, Idle("")),
    row(Block::Ping, "bind_port", true, Int(1, 65535), "", Block::None, Idle("")),
    row(Block::Ping, "bind_if", true, Any, "", Block::None, Idle("")),
    row(Block::Ping, "fwmark", true, Int(0, U32), "", Block::None, Idle("")),
    row(Block::Ping, "retry", true, Int(0, U32), "", Block::None, Idle("")),
    row(Block::Ping, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Idle("")),
    row(Block::Ping, "delay_loop", true, Dec(1, U32S), "", Block::None, Idle("")),
    row(Block::Ping, "warmup", true, Dec(0, U32S), "", Block::None, Idle("")),
    row(Block::Ping, "alpha", false, Flag, "", Block::None, Idle("")),
    row(Block::Ping, "log_all_failures", false, Flag, "", Block::None, Idle("")),
    // Udp
    row(Block::Udp, "connect_ip", true, Any, "", Block::None, Idle("")),
    row(Block::Udp, "connect_port", true, Int(1, 65535), "", Block::None, Idle("")),
    row(Block::Udp, "connect_timeout", true, Dec(1, U32S), "", Block::None, Idle("")),
    row(Block::Udp, "bindto", true, Any, "", Block::None, Idle("")),
    row(Block::Udp, "bind_port", true, Int(1, 65535), "", Block::None, Idle("")),
    row(Block::Udp, "bind_if", true, Any, "", Block::None, Idle("")),
    row(Block::Udp, "fwmark", true, Int(0, U32), "", Block::None, Idle("")),
    row(Block::Udp, "retry", true, Int(0, U32), "", Block::None, Idle("")),
    row(Block::Udp, "delay_before_retry", true, Dec(0, U32S), "", Block::None, Idle("")),
    row(Block::Udp, "delay_loop", true, Dec(1, U32S), "", Block::None, Idle("")),
    row(Block::Udp, "warmup", true, Dec(0, U32S), "", Block::None, Idle("")),
    row(Block::Udp, "alpha", false, Flag, "", Block::None, Idle("")),
    row(Block::Udp, "log_all_failures", false, Flag, "", Block::None, Idle("")),
    row(Block::Udp, "payload", false, Any, "", Block::None, Idle("")),
    row(Block::Udp, "require_reply", false, Any, "", Block::None, Idle("")),
    row(Block::Udp, "min_reply_length", true, Int(0, 65535), "", Block::None, Idle("")),
    row(Block::Udp, "max_reply_length", true, Int(0, 65535), "", Block::None, Idle("")),
    // Bfd
    row(Block::Bfd, "name", false, Any, "", Block::None, Idle("")),
    row(Block::Bfd, "alpha", false, Flag, "", Block::None, Idle("")),
    // File
    row(Block::File, "track_file", true, Any, "", Block::None, Idle("")),
    row(Block::File, "weight", false, Any, "", Block::None, Idle("")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_keyword_is_found_and_stands_once() {
        let index = Index::new();
        for k in KEYWORDS {
            let found = index.find(k.block, k.word.as_bytes());
            assert!(found.is_some_and(|f| std::ptr::eq(f, k)), "{:?} {}", k.block, k.word);
        }
        assert!(index.find(Block::Top, b"priority").is_none());
        assert!(index.find(Block::List, b"").is_none());
        assert!(KEYWORDS.len() * 2 < SLOTS);
    }
}
