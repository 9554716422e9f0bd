//! Words that people write for keywords and values: other programs' names, and what they would be if they were regular.

use super::keywords::{self, Block};

/// The keyword of a block that such a word stands for.
pub fn keyword(block: Block, word: &str) -> Option<&'static str> {
    let bare = plain(word);
    if let Some(same) = keywords::words(block).find(|k| plain(k) == bare) {
        return Some(same);
    }
    let rows = of(block).iter().flat_map(|rows| rows.iter());
    let (right, _) = rows.into_iter().find(|(_, wrong)| wrong.split(' ').any(|w| plain(w) == bare))?;
    keywords::words(block).find(|k| k == right)
}

/// The value, among those that are known, that such a word stands for.
pub fn value<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let bare = plain(word);
    let known: Vec<&str> = known.collect();
    let mut rows = VALUES.iter().filter(|(right, _)| known.contains(right));
    let (right, _) = rows.find(|(_, wrong)| wrong.split(' ').any(|w| plain(w) == bare))?;
    known.into_iter().find(|k| k == right)
}

/// Without what joins the words of a name, and in small letters.
fn plain(word: &str) -> String {
    word.chars().take(64).filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

/// What is right, and words that are written for it.
type Row = (&'static str, &'static str);

fn of(block: Block) -> &'static [&'static [Row]] {
    match block {
        Block::Top => &[TOP],
        Block::Global => &[GLOBAL],
        Block::Group => &[NOTIFY, GROUP],
        Block::Instance => &[INSTANCE, NOTIFY],
        Block::Auth => &[AUTH],
        Block::Script => &[SCRIPT],
        Block::TrackProcess => &[PROCESS],
        Block::TrackFile => &[FILE],
        Block::BfdInstance => &[BFD],
        Block::Service => &[SERVICE],
        Block::Server => &[SERVER],
        Block::Misc => &[MISC, CHECK],
        Block::Dns => &[DNS, CHECK],
        Block::Tcp | Block::Http | Block::Smtp | Block::SmtpHost | Block::Ping | Block::Udp => &[CHECK],
        Block::Url => &[URL],
        Block::Address => &[ADDRESS],
        Block::Route | Block::Nexthop | Block::Rule => &[ROUTE],
        _ => &[],
    }
}

const TOP: &[Row] = &[
    ("global_defs", "global globals global_def global_config global_settings globaldefinitions"),
    ("vrrp_instance", "vrrp vrrp_instances vrrp_router vrrp_interface instance_vrrp"),
    ("vrrp_sync_group", "sync_group vrrp_group vrrp_sync sync_groups"),
    ("vrrp_script", "script check_script vrrp_check_script vrrp_scripts vrrp_check health_check"),
    ("virtual_server", "virtual_servers vserver virtual_service lvs_server lvs service"),
    ("virtual_server_group", "server_group virtual_group vs_group"),
    ("vrrp_track_process", "track_process track_processes process"),
    ("track_file", "track_files vrrp_track_files"),
    ("static_ipaddress", "static_address static_addresses static_ip static_ipaddresses"),
    ("static_routes", "static_route routes"),
    ("static_rules", "static_rule rules"),
    ("bfd_instance", "bfd bfd_session bfd_neighbor"),
];

const GLOBAL: &[Row] = &[
    ("notification_email", "email emails notify_email notification_emails notification_mail email_to mail_to"),
    ("notification_email_from", "email_from mail_from notification_from from"),
    ("smtp_server", "smtp smtp_host mail_server smtp_address mailhost"),
    ("smtp_connect_timeout", "smtp_timeout"),
    ("router_id", "routerid id hostname router_name host_id"),
    ("enable_script_security", "script_security enable_scripts_security script_secure"),
    ("script_user", "user run_as scripts_user script_username"),
    ("vrrp_version", "version"),
    ("vrrp_strict", "strict strict_mode vrrp_strict_mode"),
    ("vrrp_mcast_group4", "mcast_group4 vrrp_mcast_group vrrp_multicast_group"),
    ("vrrp_mcast_group6", "mcast_group6"),
    ("lvs_sync_daemon", "sync_daemon lvs_sync_daemon_interface"),
];

const NOTIFY: &[Row] = &[
    ("notify_master", "on_master master_script notify_to_master notify_primary master_notify"),
    ("notify_backup", "on_backup backup_script notify_to_backup notify_slave backup_notify"),
    ("notify_fault", "on_fault fault_script notify_failed notify_failure fault_notify"),
    ("notify_stop", "on_stop stop_script notify_down notify_shutdown"),
    ("notify", "notify_script notify_all notify_any on_change notify_state"),
    ("smtp_alert", "email_alert mail_alert smtp_alerts alert"),
    ("track_script", "track_scripts check_script scripts vrrp_scripts trackscript vrrp_script"),
    ("track_interface", "track_interfaces monitor_interface track_if track_int"),
    ("track_file", "track_files"),
    ("track_process", "track_processes vrrp_track_process"),
    ("track_bfd", "bfd track_bfds bfd_instance"),
];

const GROUP: &[Row] = &[("group", "groups members member instances vrrp_instances vrrp_instance instance")];

const INSTANCE: &[Row] = &[
    ("virtual_router_id", "vrid router_id virtual_id vrouter_id vr_id vrrp_id virtual_routerid vhid"),
    (
        "virtual_ipaddress",
        "virtual_address virtual_addresses virtual_ip virtual_ips virtual_ipaddresses virtual_ip_addresses vip vips \
         ip_address ipaddress ipaddresses addresses address virtual_ipaddr",
    ),
    ("virtual_ipaddress_excluded", "virtual_ip_excluded excluded excluded_ipaddress virtual_address_excluded"),
    ("virtual_routes", "virtual_route routes"),
    ("virtual_rules", "virtual_rule rules"),
    ("interface", "interface_name iface if dev device nic int network_interface"),
    ("priority", "prio preference"),
    ("state", "initial_state role mode status init_state"),
    (
        "advert_int",
        "advert_interval advertisement_interval advert_time interval hello_interval advertisement_int advert",
    ),
    ("authentication", "auth authentification authenticate"),
    ("unicast_src_ip", "unicast_source_ip unicast_ip src_ip source_ip unicast_src unicast_source local_ip"),
    ("unicast_peer", "unicast_peers peers peer unicast_peer_ip unicast_dst_ip unicast"),
    ("mcast_src_ip", "mcast_source_ip multicast_src_ip mcast_src"),
    ("mcast_dst_ip", "mcast_group multicast_group mcast_dst"),
    ("nopreempt", "non_preempt preempt_off preempt_disable disable_preempt nonpreempt"),
    ("preempt_delay", "preemption_delay preempt_time preempt_timeout"),
    ("use_vmac", "vmac virtual_mac"),
    ("version", "vrrp_version"),
    ("strict_mode", "vrrp_strict strict"),
    ("garp_master_delay", "vrrp_garp_master_delay garp_delay"),
    ("garp_master_repeat", "vrrp_garp_master_repeat garp_repeat"),
    ("garp_master_refresh", "vrrp_garp_master_refresh garp_refresh"),
    ("lvs_sync_daemon_interface", "lvs_sync_daemon lvs_sync_interface"),
];

const AUTH: &[Row] = &[
    ("auth_type", "type authentication_type auth_method auth_mode"),
    ("auth_pass", "pass password auth_password key auth_key passwd auth_passwd secret"),
];

const SCRIPT: &[Row] = &[
    ("script", "command cmd path check program exec script_path file"),
    ("interval", "check_interval period frequency delay every"),
    ("weight", "weight_up weight_down priority"),
    ("fall", "retries down fails failures fall_count unhealthy"),
    ("rise", "up successes rise_count healthy"),
    ("user", "username script_user run_as"),
    ("timeout", "script_timeout"),
    ("init_fail", "initial_fail init_failed"),
];

const PROCESS: &[Row] = &[
    ("process", "command name program process_name cmd"),
    ("quorum", "min minimum count"),
    ("quorum_max", "max maximum"),
];

const FILE: &[Row] = &[("file", "path filename file_name name"), ("init_file", "init")];

const BFD: &[Row] = &[
    ("neighbor_ip", "neighbor neighbour peer remote peer_ip remote_ip"),
    ("source_ip", "source local local_ip src_ip"),
    ("multiplier", "detect_mult detect_multiplier mult"),
    ("min_tx", "tx min_tx_interval desired_min_tx"),
    ("min_rx", "rx min_rx_interval required_min_rx"),
];

const SERVICE: &[Row] = &[
    ("lb_algo", "scheduler lvs_scheduler lb_algorithm algorithm balance algo lb_scheduler sched lb_sched lvs_algo"),
    ("lb_kind", "lb_method method lvs_kind forwarding kind lb_type forward"),
    ("protocol", "proto"),
    ("persistence_timeout", "persistence persistent_timeout sticky persistent persistance_timeout"),
    ("persistence_granularity", "netmask persistence_mask persistence_netmask"),
    ("delay_loop", "check_interval delay interval loop_delay check_delay"),
    ("real_server", "real_servers server backend rip member node"),
    ("sorry_server", "backup_server fallback fallback_server"),
    ("virtualhost", "vhost host"),
    ("retry", "retries nb_get_retry nb_retry"),
    ("connect_timeout", "timeout"),
];

const SERVER: &[Row] = &[
    ("HTTP_GET", "HTTP_CHECK HTTP"),
    ("SSL_GET", "SSL_CHECK HTTPS_GET HTTPS_CHECK HTTPS SSL TLS_CHECK TLS_GET"),
    ("TCP_CHECK", "TCP_CONNECT TCP"),
    ("SMTP_CHECK", "SMTP_GET SMTP"),
    ("MISC_CHECK", "SCRIPT_CHECK EXTERNAL_CHECK script EXEC_CHECK"),
    ("DNS_CHECK", "DNS DNS_GET"),
    ("UDP_CHECK", "UDP"),
    ("PING_CHECK", "PING ICMP_CHECK"),
    ("lvs_method", "lb_kind lb_method method forwarding"),
    ("inhibit_on_failure", "inhibit inhibit_on_fail"),
    ("weight", "lvs_weight wt"),
    ("delay_loop", "check_interval interval delay"),
    ("retry", "retries nb_get_retry nb_retry"),
    ("connect_timeout", "timeout"),
    ("notify_up", "on_up notify_master up_script"),
    ("notify_down", "on_down notify_backup notify_fault down_script"),
];

const CHECK: &[Row] = &[
    ("connect_port", "port check_port dport"),
    ("connect_ip", "ip address connect_host check_ip"),
    ("connect_timeout", "timeout check_timeout conn_timeout connection_timeout"),
    ("retry", "retries nb_retry num_retries nb_get_retries attempts"),
    ("delay_before_retry", "retry_delay delay_between_retry retry_interval delay_after_retry delay_before_retries"),
    ("delay_loop", "interval check_interval"),
    ("bindto", "bind bind_ip source_ip src_ip"),
    ("bind_port", "source_port src_port"),
    ("virtualhost", "vhost host hostname"),
    ("http_protocol", "http_version"),
    ("url", "urls uri"),
    ("helo_name", "helo hello"),
    ("enable_sni", "sni"),
];

const MISC: &[Row] = &[
    ("misc_path", "script command path misc_script cmd misc_command"),
    ("misc_timeout", "timeout connect_timeout"),
    ("misc_dynamic", "dynamic"),
];

const DNS: &[Row] = &[("name", "domain query host"), ("type", "query_type record qtype")];

const URL: &[Row] = &[
    ("path", "url uri location"),
    ("status_code", "status code expect http_code expected_status response_code return_code"),
    ("digest", "md5 checksum hash md5sum"),
    ("virtualhost", "vhost host"),
];

const ADDRESS: &[Row] = &[("dev", "device interface iface nic"), ("label", "alias name"), ("brd", "bcast")];

const ROUTE: &[Row] = &[
    ("via", "gw gateway nexthop"),
    ("dev", "device interface iface"),
    ("metric", "prio cost distance"),
    ("src", "source from src_ip"),
    ("preference", "pref prio"),
    ("table", "tbl"),
];

const VALUES: &[Row] = &[
    ("MASTER", "active primary leader main"),
    ("BACKUP", "slave standby secondary passive fallback"),
    ("PASS", "password simple plain text passwd plaintext"),
    ("AH", "ipsec"),
    ("NAT", "masq masquerade masquerading"),
    ("DR", "droute direct direct_routing gate gateway dsr route"),
    ("TUN", "tunnel tunneling ipip"),
    ("rr", "round_robin roundrobin"),
    ("wrr", "weighted_round_robin weighted_rr"),
    ("lc", "least_conn leastconn least_connection least_connections"),
    ("wlc", "weighted_least_conn weighted_least_connection weighted_least_connections wleastconn"),
    ("sh", "source_hash source_hashing source ip_hash src_hash"),
    ("dh", "destination_hash dest_hash destination_hashing"),
    ("mh", "maglev maglev_hash"),
    ("sed", "shortest_expected_delay"),
    ("nq", "never_queue"),
    ("on", "enable enabled 1 y"),
    ("off", "disable disabled 0 n none"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_elsewhere_find_their_keyword() {
        let find = |block, word| keyword(block, word).unwrap_or("nothing");
        assert_eq!(find(Block::Instance, "vrid"), "virtual_router_id");
        assert_eq!(find(Block::Instance, "virtual-router-id"), "virtual_router_id");
        assert_eq!(find(Block::Instance, "Virtual_IPAddress"), "virtual_ipaddress");
        assert_eq!(find(Block::Service, "scheduler"), "lb_algo");
        assert_eq!(find(Block::Misc, "timeout"), "misc_timeout");
        assert_eq!(find(Block::Tcp, "timeout"), "connect_timeout");
        assert_eq!(find(Block::Tcp, "misc_path"), "nothing");
        assert_eq!(value("round-robin", ["rr", "wrr"].into_iter()), Some("rr"));
        assert_eq!(value("SLAVE", ["MASTER", "BACKUP"].into_iter()), Some("BACKUP"));
        assert_eq!(value("SLAVE", ["on", "off"].into_iter()), None);
    }

    /// What is right is a keyword, and what is wrong is none.
    #[test]
    fn each_row_leads_somewhere() {
        let blocks = [
            (Block::Top, TOP),
            (Block::Global, GLOBAL),
            (Block::Group, GROUP),
            (Block::Group, NOTIFY),
            (Block::Instance, INSTANCE),
            (Block::Instance, NOTIFY),
            (Block::Auth, AUTH),
            (Block::Script, SCRIPT),
            (Block::TrackProcess, PROCESS),
            (Block::TrackFile, FILE),
            (Block::BfdInstance, BFD),
            (Block::Service, SERVICE),
            (Block::Server, SERVER),
            (Block::Misc, MISC),
            (Block::Dns, DNS),
            (Block::Url, URL),
        ];
        for (block, rows) in blocks {
            for (right, wrong) in rows {
                assert!(keywords::words(block).any(|k| k == *right), "{block:?} {right}");
                for word in wrong.split(' ').filter(|w| !w.is_empty()) {
                    assert!(!keywords::words(block).any(|k| k == word), "{block:?} {word} is a keyword");
                }
            }
        }
    }
}
