//! global_defs and SSL.

use super::context::{Context, Seen};
use super::diagnostic::{closest, Code, Level};
use super::keywords::{Block, Keyword};
use super::lexer::Span;
use super::model::{
    Dynamic, ExtraGarp, Fifo, FlushOnStop, Garp, Global, IncludeCheck, IpvsNamespace, OnceScript, Process,
    ReceiveBuffer, ReloadFile, Script, Ssl, SyncOptions,
};
use super::script;
use super::tree::{Arg, Node};
use crate::base::addr::IfName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Gratuitous ARP settings as given: global_defs and the instances have the same six.
#[derive(Default)]
pub struct GarpDraft {
    pub delay: Option<u32>,
    pub repeat: Option<u32>,
    pub refresh: Option<u32>,
    pub refresh_repeat: Option<u32>,
    pub lower_delay: Option<u32>,
    pub lower_repeat: Option<u32>,
}

impl GarpDraft {
    pub fn over(&self, base: Garp) -> Garp {
        let seconds = |n: u32| Duration::from_secs(n.into());
        Garp {
            delay: self.delay.map_or(base.delay, seconds),
            repeat: self.repeat.map_or(base.repeat, |n| n.max(1)),
            refresh: self.refresh.map_or(base.refresh, |n| (n > 0).then(|| seconds(n))),
            refresh_repeat: self.refresh_repeat.map_or(base.refresh_repeat, |n| n.max(1)),
            lower_delay: self.lower_delay.map(seconds).or(base.lower_delay),
            lower_repeat: self.lower_repeat.or(base.lower_repeat),
        }
    }
}

/// `lvs_sync_daemon IF INSTANCE ..`, its instance not yet found.
pub struct SyncDraft {
    pub interface: IfName,
    pub instance: Box<str>,
    pub id: Option<u8>,
    pub options: SyncOptions,
    pub span: Span,
    pub path: Box<str>,
}

#[derive(Default)]
pub struct GlobalDraft {
    pub global: Global,
    pub garp: GarpDraft,
    pub sync: Option<SyncDraft>,
    pub version3: bool,
    pub check_unicast_src: bool,
    pub checksum_as_v2: bool,
    pub strict: bool,
    pub strict_span: Option<Span>,
    /// script_user names a user or a group that there is not, which was said.
    pub bad_user: bool,
    pub smtp_alert: Option<bool>,
    pub smtp_alert_vrrp: Option<bool>,
    pub smtp_alert_checker: Option<bool>,
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    pub skip_check_adv_addr: bool,
    pub down_timer_adverts: Option<u8>,
    pub script_security: bool,
    pub script_user: Option<(Box<str>, Option<Box<str>>)>,
    pub seen: Seen,
    /// There is a block that is probably meant for this one.
    pub misspelt: bool,
}

impl GlobalDraft {
    /// It is written, rightly or wrongly, or may stand where it was not read.
    pub fn tried(&self, word: &str) -> bool {
        self.misspelt || self.seen.has(Block::Global, &[word])
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::Global, &mut self.seen) else {
            if node.keyword().is_some_and(|k| k.word == "vrrp_iptables") {
                chains(cx, node);
            }
            if node.keyword().is_some_and(|k| k.word.ends_with("process_name")) {
                process_name(cx, node);
            }
            return;
        };
        if !(self.common(cx, node, keyword)
            || self.vrrp(cx, node, keyword)
            || self.lvs(cx, node, keyword)
            || self.process(cx, node, keyword)
            || self.files(cx, node, keyword))
        {
            cx.unread(node, keyword);
        }
        self.fill();
    }

    /// What the drafts of instances and services ask for stands in the model too.
    fn fill(&mut self) {
        let vrrp = &mut self.global.vrrp;
        vrrp.strict = self.strict;
        vrrp.lower_prio_no_advert = self.lower_prio_no_advert;
        vrrp.higher_prio_send_advert = self.higher_prio_send_advert;
        vrrp.skip_check_adv_addr = self.skip_check_adv_addr;
        vrrp.down_timer_adverts = self.down_timer_adverts.unwrap_or(3);
        let mail = &mut self.global.mail;
        (mail.alert, mail.alert_vrrp, mail.alert_checker) =
            (self.smtp_alert, self.smtp_alert_vrrp, self.smtp_alert_checker);
        self.global.scripts.security = self.script_security;
        self.global.scripts.user.clone_from(&self.script_user);
    }

    /// Mail, scripts, and what belongs to neither half. True: it was one of these.
    fn common(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let g = &mut self.global;
        match keyword.word {
            "notification_email" => self.emails(cx, node),
            "notification_email_from" => put(&mut g.notification_email_from, value(cx, node)),
            "smtp_server" => self.smtp_server(cx, node),
            "smtp_connect_timeout" => {
                if let Some(n) = at_least(cx, node, keyword, 1) {
                    g.smtp_connect_timeout = Duration::from_secs(n.into());
                }
            }
            // Without a name keepalived says nothing.
            "smtp_helo_name" => {
                put(&mut g.mail.helo, node.arg(0).map(|a| a.str().as_ref().into()));
                if node.count() == 0 {
                    cx.warn(
                        Code::Argument,
                        node.word().span(),
                        keyword.word,
                        "'smtp_helo_name' has no argument".into(),
                    )
                    .help("the host name is used");
                }
            }
            "router_id" | "lvs_id" => {
                if let Some(name) = value(cx, node) {
                    g.router_id = name;
                }
            }
            "smtp_alert" => put(&mut self.smtp_alert, cx.flag(node)),
            "smtp_alert_vrrp" => put(&mut self.smtp_alert_vrrp, cx.flag(node)),
            "smtp_alert_checker" => put(&mut self.smtp_alert_checker, cx.flag(node)),
            "no_email_faults" => g.mail.no_faults = true,
            "no_checker_emails" => flag(&mut g.mail.no_checkers, cx.flag(node)),
            "enable_script_security" => self.script_security = true,
            "script_user" => self.user(cx, node),
            "use_symlink_paths" => flag(&mut g.scripts.use_symlink_paths, cx.flag(node)),
            "set_supplementary_groups" => flag(&mut g.scripts.supplementary_groups, cx.flag(node)),
            "dynamic_interfaces" => match node.arg(0) {
                None => g.dynamic_interfaces = Some(Dynamic::Absent),
                Some(arg) if arg.str() == "allow_if_changes" => g.dynamic_interfaces = Some(Dynamic::MayChange),
                Some(arg) => other_word(cx, keyword, arg, &["allow_if_changes"]),
            },
            "default_interface" => {
                let arg = needed(cx, node);
                put_plain(&mut g.default_interface, arg.and_then(|arg| plain_interface(cx, arg)));
            }
            "notify_fifo" => fifo(cx, node, &mut g.fifos.all),
            "vrrp_notify_fifo" => fifo(cx, node, &mut g.fifos.vrrp),
            "lvs_notify_fifo" => fifo(cx, node, &mut g.fifos.lvs),
            "notify_fifo_script" => once(cx, node, &mut g.fifos.all.script),
            "vrrp_notify_fifo_script" => once(cx, node, &mut g.fifos.vrrp.script),
            "lvs_notify_fifo_script" => once(cx, node, &mut g.fifos.lvs.script),
            "fifo_write_vrrp_states_on_reload" => g.fifos.states_on_reload = true,
            "startup_script" => once(cx, node, &mut g.startup.script),
            "shutdown_script" => once(cx, node, &mut g.shutdown.script),
            "startup_script_timeout" => patience(cx, node, keyword, &mut g.startup),
            "shutdown_script_timeout" => patience(cx, node, keyword, &mut g.shutdown),
            _ => return false,
        }
        true
    }

    fn vrrp(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let v = &mut self.global.vrrp;
        match keyword.word {
            "vrrp_mcast_group4" => {
                if let Some(arg) = node.arg(0) {
                    match arg.str().parse::<Ipv4Addr>() {
                        Ok(ip) if ip.is_multicast() => self.global.mcast_group4 = ip,
                        _ => cx
                            .bad(Code::Value, arg, format!("'{}' is not an IPv4 multicast address", arg.str()))
                            .help("224.0.0.18 is used"),
                    }
                }
            }
            "vrrp_mcast_group6" => {
                if let Some(arg) = node.arg(0) {
                    match arg.str().parse::<Ipv6Addr>() {
                        Ok(ip) if ip.is_multicast() => self.global.mcast_group6 = ip,
                        _ => cx
                            .bad(Code::Value, arg, format!("'{}' is not an IPv6 multicast address", arg.str()))
                            .help("ff02::12 is used"),
                    }
                }
            }
            "vrrp_check_unicast_src" => self.check_unicast_src = true,
            "v3_checksum_as_v2" => flag(&mut self.checksum_as_v2, cx.flag(node)),
            "vrrp_version" => self.version3 = cx.int(node, keyword).map_or(self.version3, |n| n == 3),
            "vrrp_garp_master_delay" => put(&mut self.garp.delay, cx.int_u32(node, keyword)),
            "vrrp_garp_master_repeat" => put(&mut self.garp.repeat, at_least(cx, node, keyword, 1)),
            "vrrp_garp_master_refresh" => put(&mut self.garp.refresh, cx.int_u32(node, keyword)),
            "vrrp_garp_master_refresh_repeat" => put(&mut self.garp.refresh_repeat, at_least(cx, node, keyword, 1)),
            "vrrp_garp_lower_prio_delay" => put(&mut self.garp.lower_delay, cx.int_u32(node, keyword)),
            "vrrp_garp_lower_prio_repeat" => put(&mut self.garp.lower_repeat, cx.int_u32(node, keyword)),
            "vrrp_garp_interval" => time(&mut v.garp_interval, cx.dec(node, keyword)),
            "vrrp_gna_interval" => time(&mut v.gna_interval, cx.dec(node, keyword)),
            "vrrp_min_garp" => flag(&mut v.min_garp, cx.flag(node)),
            "vrrp_garp_extra_if" => put(&mut v.garp_extra_if, extra_garp(cx, node)),
            "vrrp_owner_ignore_adverts" => put(&mut v.owner_ignore_adverts, cx.flag(node)),
            "vrrp_notify_priority_changes" => flag(&mut v.notify_priority_changes, cx.flag(node)),
            "vrrp_lower_prio_no_advert" => flag(&mut self.lower_prio_no_advert, cx.flag(node)),
            "vrrp_higher_prio_send_advert" => flag(&mut self.higher_prio_send_advert, cx.flag(node)),
            "vrrp_down_timer_adverts" => put(&mut self.down_timer_adverts, narrow(cx.int(node, keyword))),
            "vrrp_skip_check_adv_addr" => flag(&mut self.skip_check_adv_addr, cx.flag(node)),
            "vrrp_strict" => {
                flag(&mut self.strict, cx.flag(node));
                self.strict_span = Some(node.word().span());
            }
            "vrrp_startup_delay" => time(&mut v.startup_delay, cx.dec(node, keyword)),
            "vrrp_delay_after_boot" => {
                if needed(cx, node).is_some() {
                    time(&mut v.delay_after_boot, cx.dec(node, keyword));
                }
            }
            "log_unknown_vrids" => v.log_unknown_vrids = true,
            "disable_local_igmp" => v.disable_local_igmp = true,
            "vmac_prefix" => {
                if let Some(prefix) = link_prefix(cx, node) {
                    v.vmac_prefix = prefix;
                }
            }
            "vmac_addr_prefix" => put(&mut v.vmac_addr_prefix, link_prefix(cx, node)),
            "vrrp_rx_bufs_policy" => put_plain(&mut v.receive, receive(cx, node)),
            "vrrp_rx_bufs_multiplier" => {
                if needed(cx, node).is_some() {
                    put_plain(&mut v.receive_times, cx.int_u32(node, keyword));
                }
            }
            _ => return self.nftables(cx, node, keyword),
        }
        true
    }

    fn nftables(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let n = &mut self.global.nftables;
        match keyword.word {
            "nftables" => table(cx, node, &mut n.table),
            "nftables_ipvs" => table(cx, node, &mut n.ipvs_table),
            "nftables_priority" => put_plain(&mut n.priority, narrow(cx.int(node, keyword))),
            "nftables_ipvs_priority" => put_plain(&mut n.ipvs_priority, narrow(cx.int(node, keyword))),
            "nftables_ipvs_start_fwmark" => put_plain(&mut n.ipvs_first_mark, cx.int_u32(node, keyword)),
            "nftables_ifindex" => n.ifindex = true,
            "nftables_counters" => n.counters = true,
            _ => return false,
        }
        true
    }

    fn lvs(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        match keyword.word {
            "lvs_sync_daemon" => self.sync_daemon(cx, node),
            "lvs_timeouts" => self.timeouts(cx, node),
            "lvs_flush" => self.global.lvs.flush = true,
            "lvs_flush_on_stop" => match node.arg(0) {
                None => self.global.lvs.flush_on_stop = FlushOnStop::All,
                Some(arg) if arg.str() == "VS" => self.global.lvs.flush_on_stop = FlushOnStop::Services,
                Some(arg) => other_word(cx, keyword, arg, &["VS"]),
            },
            "rs_init_notifies" => flag(&mut self.global.lvs.init_notifies, cx.flag(node)),
            "checker_log_all_failures" => flag(&mut self.global.lvs.log_all_failures, cx.flag(node)),
            _ => return false,
        }
        true
    }

    fn process(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let processes = &mut self.global.process;
        match keyword.word {
            // Without a number as high as it may be.
            "max_auto_priority" => {
                let most = if node.count() == 0 { Some(99) } else { narrow(cx.int(node, keyword)) };
                put_plain(&mut processes.max_auto, most);
                return true;
            }
            "min_auto_priority_delay" => {
                if needed(cx, node).is_some() {
                    time(&mut processes.auto_delay, micros(cx.int_u32(node, keyword)));
                }
                return true;
            }
            _ => {}
        }
        let Some((which, what)) = keyword.word.split_once('_') else { return false };
        let process = match which {
            "vrrp" => &mut processes.vrrp,
            "checker" => &mut processes.checker,
            "bfd" => &mut processes.bfd,
            _ => return false,
        };
        one_process(cx, node, keyword, what, process)
    }

    fn files(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let (f, r) = (&mut self.global.files, &mut self.global.reload);
        let text = |node: Node| node.arg(0).map(|a| Box::from(a.str().as_ref()));
        match keyword.word {
            "umask" => put_plain(&mut f.umask, umask(cx, node)),
            "random_seed" => put(&mut self.global.random_seed, cx.int_u32(node, keyword)),
            "reload_check_config" => {
                r.check = true;
                put(&mut r.check_log, text(node));
            }
            "reload_time_file" => put(&mut r.time_file, path(cx, node)),
            "reload_repeat" => r.repeat = true,
            "reload_file" => {
                let file = node.arg(0).map_or(Some(ReloadFile::Usual), |_| path(cx, node).map(ReloadFile::At));
                put(&mut r.file, file);
            }
            "include_check" => include_check(cx, node, &mut self.global.include_check),
            "config_save_dir" => put(&mut f.config_save_dir, path(cx, node)),
            "data_use_instance" => flag(&mut f.data_use_instance, cx.flag(node)),
            "json_version" => {
                if needed(cx, node).is_some() {
                    put_plain(&mut f.json_version, narrow(cx.int(node, keyword)));
                }
            }
            "iproute_usr_dir" => put_plain(&mut f.iproute_usr, path(cx, node)),
            "iproute_etc_dir" => put_plain(&mut f.iproute_etc, path(cx, node)),
            "state_dump_file" => put(&mut f.state_dump, path(cx, node)),
            _ => return false,
        }
        true
    }

    /// A single line at top level.
    pub fn top(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        let g = &mut self.global;
        match keyword.word {
            "net_namespace" => first(cx, node, &mut g.namespace.name),
            "net_namespace_ipvs" => {
                g.namespace.ipvs = match node.arg(0) {
                    None => IpvsNamespace::Started,
                    Some(arg) => IpvsNamespace::Named(arg.str().as_ref().into()),
                }
            }
            "use_pid_dir" => g.files.pid_dir = true,
            "instance" => first(cx, node, &mut g.instance),
            // Where it begins a line it was followed already.
            word if word.starts_with("include") => cx
                .bad(Code::Brace, node.word(), format!("'{word}' does not begin its line"))
                .help("the files that it names are not read; write it on a line of its own"),
            "child_wait_time" => time(&mut g.child_wait_time, seconds(cx.int_u32(node, keyword))),
            _ => cx.unread(node, keyword),
        }
    }

    fn emails(&mut self, cx: &mut Context, node: Node) {
        if let (Some(arg), true) = (node.arg(0), node.body()) {
            cx.bad(Code::Extra, arg, "the addresses of 'notification_email' stand in its block".into())
                .help("write notification_email { ADDRESS }");
        }
        let before = self.global.notification_email.len();
        for line in node.children() {
            self.global.notification_email.extend(line.all().map(|a| Box::from(a.str().as_ref())));
        }
        if node.body() && self.global.notification_email.len() == before {
            let word = node.word();
            cx.bad(Code::Empty, word, "this block names no address".into()).help("no mail is sent because of it");
        }
    }

    fn smtp_server(&mut self, cx: &mut Context, node: Node) {
        let Some(server) = node.arg(0) else { return };
        let mut port = 25;
        if let Some(arg) = node.arg(1) {
            match arg.str().parse::<u16>() {
                Ok(n) if n > 0 => port = n,
                _ => cx
                    .bad(Code::Range, arg, format!("a port is a whole number from 1 to 65535, not '{}'", arg.str()))
                    .help("port 25 is used"),
            }
        }
        let name = server.str();
        let mark = |b: u8| !(b.is_ascii_alphanumeric() || b"-_.:%".contains(&b));
        let number =
            name.bytes().all(|b| b.is_ascii_digit() || b == b'.') || name.contains(':') || name.bytes().any(mark);
        if number && name.parse::<IpAddr>().is_err() {
            cx.bad(Code::Value, server, format!("'{name}' is neither an address nor a name")).help("no mail is sent");
            return;
        }
        self.global.smtp_server = Some((server.str().as_ref().into(), port));
    }

    fn user(&mut self, cx: &mut Context, node: Node) {
        let Some(user) = node.arg(0) else {
            self.bad_user = true;
            cx.bad(Code::Argument, node.word(), "'script_user' has no argument".into())
                .help("write 'script_user' and a user");
            return;
        };
        let name = user.str();
        self.bad_user = true;
        if cx.host.user.is_some_and(|known| !known(&name)) {
            cx.bad(Code::Script, user, format!("there is no user '{name}'"))
                .help("scripts without a user of their own are not run");
            return;
        }
        if let Some(group) = node.arg(1).filter(|g| cx.host.group.is_some_and(|known| !known(&g.str()))) {
            cx.bad(Code::Script, group, format!("there is no group '{}'", group.str()))
                .help("scripts without a user of their own are not run");
            return;
        }
        self.bad_user = false;
        self.script_user = Some((name.as_ref().into(), node.arg(1).map(|g| g.str().as_ref().into())));
    }

    /// `IF [inst] INSTANCE [id N] [maxlen N] [port N] [ttl N] [group ADDR]`; the old form `IF INSTANCE [ID]`.
    fn sync_daemon(&mut self, cx: &mut Context, node: Node) {
        let Some(first) = node.arg(0) else {
            cx.bad(Code::Argument, node.word(), "'lvs_sync_daemon' names no interface".into())
                .help("write lvs_sync_daemon INTERFACE INSTANCE");
            return;
        };
        if self.sync.is_some() {
            cx.bad(Code::Duplicate, node.word(), "the connection sync daemon is defined twice".into())
                .help("the first one counts");
            return;
        }
        // keepalived does not look for it before it starts.
        let Some(interface) = cx.silently(|cx| cx.interface(first)) else { return };
        let mut draft = SyncDraft {
            interface,
            instance: "".into(),
            id: None,
            options: SyncOptions::default(),
            span: first.span(),
            path: cx.path(),
        };
        let mut at = 1;
        while let Some(arg) = node.arg(at) {
            at += 1;
            let word = arg.str();
            if SYNC_OPTIONS.contains(&word.as_ref()) {
                let Some(value) = node.arg(at) else {
                    cx.bad(Code::Argument, arg, format!("'{word}' has no value")).help("it is not used");
                    break;
                };
                at += 1;
                draft.option(cx, &word, value);
                continue;
            }
            match word.as_ref() {
                _ if draft.instance.is_empty() => {
                    draft.instance = word.as_ref().into();
                    draft.span = arg.span();
                }
                _ if draft.id.is_none() && word.bytes().all(|b| b.is_ascii_digit()) => {
                    draft.id = number(cx, arg, "a sync id", 0..=255, "the instance's virtual_router_id is used");
                    if draft.id.is_some() {
                        cx.say(
                            Level::Hint,
                            Code::Renamed,
                            arg.span(),
                            &word,
                            format!("'{word}' as sync id without 'id' is the old form"),
                            5,
                        )
                        .help(format!("write 'id {word}'"));
                    }
                }
                other => {
                    // What belongs to it is no mistake of its own.
                    at += usize::from(node.arg(at).is_some_and(|a| !SYNC_OPTIONS.contains(&a.str().as_ref())));
                    let close = closest(other, SYNC_OPTIONS.into_iter());
                    let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                    cx.bad(Code::Value, arg, format!("the sync daemon has no option '{word}'"))
                        .help(format!("{help}it is not used"));
                }
            }
        }
        self.sync = Some(draft);
    }

    /// `tcp N tcpfin N udp N`, any of them.
    fn timeouts(&mut self, cx: &mut Context, node: Node) {
        let timeouts = &mut self.global.lvs.timeouts;
        if node.count() < 2 {
            cx.bad(Code::Argument, node.word(), "'lvs_timeouts' has no time".into())
                .help("write lvs_timeouts with any of: tcp SECONDS, tcpfin SECONDS, udp SECONDS");
            return;
        }
        let mut at = 0;
        while let Some(arg) = node.arg(at) {
            let word = arg.str();
            let to = match word.as_ref() {
                "tcp" => &mut timeouts.tcp,
                "tcpfin" => &mut timeouts.tcpfin,
                "udp" => &mut timeouts.udp,
                _ => {
                    cx.bad(Code::Value, arg, format!("'lvs_timeouts' has tcp, tcpfin and udp, not '{word}'"))
                        .help("it is not used");
                    // What belongs to it is no mistake of its own.
                    at += if node.arg(at + 1).is_some_and(|a| a.str().parse::<u32>().is_ok()) { 2 } else { 1 };
                    continue;
                }
            };
            match node.arg(at + 1) {
                Some(value) => {
                    put(to, number(cx, value, "a timeout in seconds", 0..=2_678_400, "the kernel's timeout stays"))
                }
                None => cx.bad(Code::Argument, arg, format!("'{word}' has no time")).help("the kernel's timeout stays"),
            }
            at += 2;
        }
    }
}

const SYNC_OPTIONS: [&str; 6] = ["inst", "id", "maxlen", "port", "ttl", "group"];

impl SyncDraft {
    fn option(&mut self, cx: &mut Context, word: &str, value: Arg) {
        let kernel = "the kernel's default is used";
        let options = &mut self.options;
        match word {
            "inst" => {
                self.instance = value.str().as_ref().into();
                self.span = value.span();
            }
            "id" => self.id = number(cx, value, "a sync id", 0..=255, "the instance's virtual_router_id is used"),
            "maxlen" => put(&mut options.maxlen, number(cx, value, "maxlen in bytes", 1..=65507, kernel)),
            "port" => put(&mut options.port, number(cx, value, "a port", 1..=65535, kernel)),
            "ttl" => put(&mut options.ttl, number(cx, value, "ttl", 1..=255, kernel)),
            _ => match value.str().parse::<IpAddr>() {
                Ok(ip) if ip.is_multicast() => options.group = Some(ip),
                _ => {
                    let text = format!("'group' takes a multicast address, not '{}'", value.str());
                    cx.bad(Code::Value, value, text).help(kernel);
                }
            },
        }
    }
}

/// `PATH [USER [GROUP]]`: the first one counts.
fn fifo(cx: &mut Context, node: Node, to: &mut Fifo) {
    let Some(path) = path(cx, node) else { return };
    let word = node.word();
    if to.path.is_some() {
        cx.bad(Code::Repeated, word, format!("'{}' was given before in this block", word.str()))
            .help("the first one counts");
        return;
    }
    to.path = Some(path);
    for (arg, to, what, look) in
        [(node.arg(1), &mut to.user, "user", cx.host.user), (node.arg(2), &mut to.group, "group", cx.host.group)]
    {
        let Some(arg) = arg else { continue };
        let name = arg.str();
        if look.is_some_and(|known| !known(&name)) {
            cx.warn(Code::Script, arg.span(), &name, format!("there is no {what} '{name}'"))
                .help("the FIFO belongs to root");
            return;
        }
        *to = Some(name.as_ref().into());
    }
}

/// A command: the first one counts.
fn once(cx: &mut Context, node: Node, to: &mut Option<Script>) {
    let word = node.word();
    if needed(cx, node).is_none() {
        return;
    }
    if to.is_some() {
        cx.bad(Code::Repeated, word, format!("'{}' was given before in this block", word.str()))
            .help("the first one counts");
        return;
    }
    *to = script::command_of(cx, node, (Level::Error, 5));
}

fn patience(cx: &mut Context, node: Node, keyword: &'static Keyword, to: &mut OnceScript) {
    if needed(cx, node).is_some() {
        time(&mut to.timeout, seconds(cx.int_u32(node, keyword)));
    }
}

/// What `vrrp_`, `checker_` and `bfd_` have alike.
fn one_process(cx: &mut Context, node: Node, keyword: &'static Keyword, what: &str, to: &mut Process) -> bool {
    match what {
        "no_swap" => to.no_swap = true,
        "cpu_affinity" => put_plain(&mut to.cpus, cpus(cx, node)),
        "rlimit_rttime" => time(&mut to.rttime, micros(cx.int_u32(node, keyword))),
        "priority" | "rt_priority" => {
            if needed(cx, node).is_none() {
                return true;
            }
            if what == "priority" {
                put_plain(&mut to.nice, narrow(cx.int(node, keyword)));
            } else {
                put(&mut to.real_time, narrow(cx.int(node, keyword)));
            }
        }
        _ => return false,
    }
    true
}

/// Numbers of CPUs; one that is none makes the line void.
fn cpus(cx: &mut Context, node: Node) -> Option<Vec<u16>> {
    needed(cx, node)?;
    let mut all = Vec::new();
    for arg in node.args() {
        all.push(number(cx, arg, "a CPU", 0..=MOST_CPUS, "the line is not used")?);
    }
    Some(all)
}

/// As many as the kernel can be built for.
const MOST_CPUS: i64 = 8191;

/// `[all] SECONDS`
fn extra_garp(cx: &mut Context, node: Node) -> Option<ExtraGarp> {
    let first = needed(cx, node)?;
    let all = first.str() == "all";
    let Some(arg) = node.arg(usize::from(all)) else {
        cx.bad(Code::Argument, first, "'all' has no time behind it".into()).help("the line is not used");
        return None;
    };
    let n: u32 = number(cx, arg, "a time in seconds", 1..=86400, "the line is not used")?;
    Some(ExtraGarp { every: Duration::from_secs(n.into()), all })
}

fn receive(cx: &mut Context, node: Node) -> Option<ReceiveBuffer> {
    let arg = needed(cx, node)?;
    let word = arg.str();
    if word.eq_ignore_ascii_case("MTU") {
        return Some(ReceiveBuffer::Mtu);
    }
    if word.eq_ignore_ascii_case("ADVERT") {
        return Some(ReceiveBuffer::Advert);
    }
    match word.parse() {
        Ok(n) => Some(ReceiveBuffer::Bytes(n)),
        Err(_) => {
            let text = format!("'vrrp_rx_bufs_policy' takes MTU, ADVERT or a number of bytes, not '{word}'");
            cx.bad(Code::Value, arg, text).help("the kernel's size is used");
            None
        }
    }
}

/// The kernel keeps so many bytes of a process's name.
const PROCESS_NAME: usize = 15;

/// It is not used, yet must be one.
fn process_name(cx: &mut Context, node: Node) {
    let Some(arg) = node.arg(0).filter(|arg| arg.bytes().len() > PROCESS_NAME) else { return };
    let text = format!("the name of a process has at most {PROCESS_NAME} bytes, and '{}' has more", arg.str());
    cx.bad(Code::Range, arg, text).help("it is not used in any case: there is one process");
}

/// vrrp_iptables: its names are not used, yet must make sense.
fn chains(cx: &mut Context, node: Node) {
    if let (Some(input), Some(output)) = (node.arg(0), node.arg(1)) {
        if input.str() == output.str() {
            cx.bad(Code::Conflict, output, "the two chains of 'vrrp_iptables' must differ".into())
                .see(input.span(), "the first one")
                .help("neither is used");
        }
    }
}

fn table(cx: &mut Context, node: Node, to: &mut Box<str>) {
    let Some(arg) = node.arg(0) else { return };
    let name = arg.str();
    if name.is_empty() || name.len() > 64 || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        cx.warn(Code::Value, arg.span(), &name, format!("'{name}' cannot be the name of a table"))
            .help(format!("'{to}' is used"));
        return;
    }
    *to = name.as_ref().into();
}

/// It may come later: nothing is said when it is not there.
fn plain_interface(cx: &mut Context, arg: Arg) -> Option<IfName> {
    let word = arg.str();
    let name = word.parse().ok();
    if name.is_none() {
        cx.warn(Code::Value, arg.span(), &word, format!("'{word}' cannot be the name of an interface"))
            .help("the line is not used; a name has 1 to 15 characters, no blank, '/' or ':'");
    }
    name
}

/// A prefix of interface names: a number goes behind it.
fn link_prefix(cx: &mut Context, node: Node) -> Option<Box<str>> {
    let arg = node.arg(0)?;
    let word = arg.str();
    if word.parse::<IfName>().is_err() {
        cx.warn(Code::Value, arg.span(), &word, format!("'{word}' cannot begin the name of an interface"))
            .help("the line is not used; a name has at most 15 characters, no blank, '/' or ':'");
        return None;
    }
    Some(word.as_ref().into())
}

/// A number as C has it, or names of bits: `IRUSR|IWGRP`.
fn umask(cx: &mut Context, node: Node) -> Option<u16> {
    let arg = node.arg(0)?;
    let word = arg.str();
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        let number = match word.as_bytes() {
            [b'0', b'x' | b'X', ..] => u16::from_str_radix(word.get(2..).unwrap_or_default(), 16),
            [b'0', _, ..] => u16::from_str_radix(word.get(1..).unwrap_or_default(), 8),
            _ => word.parse(),
        };
        let mask = number.ok().filter(|n| *n <= 0o777);
        if mask.is_none() {
            cx.bad(Code::Range, arg, format!("'umask' takes a number from 0 to 0777, not '{word}'"))
                .help("0177 is used");
        }
        if let Some(more) = node.arg(1) {
            cx.bad(Code::Extra, more, format!("'umask' with a number does not take '{}'", more.str()))
                .help("it is not used");
        }
        return mask;
    }
    let mut mask = 0;
    for arg in node.args() {
        for name in arg.str().split('|').filter(|n| !n.is_empty()) {
            match BITS.iter().find(|(bit, _)| *bit == name) {
                Some((_, value)) => mask |= value,
                None => {
                    let close = closest(name, BITS.iter().map(|(bit, _)| *bit));
                    let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                    cx.bad(Code::Value, arg, format!("'umask' knows no bit '{name}'"))
                        .help(format!("{help}0177 is used; the bits are IRUSR, IWUSR, IXUSR, IRGRP .. IXOTH"));
                    return None;
                }
            }
        }
    }
    Some(mask)
}

const BITS: [(&str, u16); 9] = [
    ("IRUSR", 0o400),
    ("IWUSR", 0o200),
    ("IXUSR", 0o100),
    ("IRGRP", 0o040),
    ("IWGRP", 0o020),
    ("IXGRP", 0o010),
    ("IROTH", 0o004),
    ("IWOTH", 0o002),
    ("IXOTH", 0o001),
];

/// Words with `+`, `-` or nothing before them; words without a sign begin anew.
fn include_check(cx: &mut Context, node: Node, check: &mut IncludeCheck) {
    let words = ["read", "match", "wildcard_match", "brace_match"];
    let signed = |arg: &Arg| arg.str().starts_with(['+', '-']);
    let plain: Vec<Arg> = node.args().filter(|a| !signed(a)).collect();
    if !plain.is_empty() || node.count() == 0 {
        *check = IncludeCheck::default();
    }
    for arg in plain.into_iter().chain(node.args().filter(signed)) {
        let word = arg.str();
        let on = !word.starts_with('-');
        match word.trim_start_matches(['+', '-']) {
            "read" => check.read = on,
            "match" => check.matched = on,
            "wildcard_match" => check.wildcard = on,
            "brace_match" => check.brace = on,
            other => {
                let help =
                    closest(other, words.into_iter()).map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                cx.bad(Code::Value, arg, format!("'include_check' has no '{other}'"))
                    .help(format!("{help}it is not used; write read, match, wildcard_match or brace_match"));
            }
        }
    }
}

/// A name of which the first one counts.
fn first(cx: &mut Context, node: Node, to: &mut Option<Box<str>>) {
    let Some(name) = value(cx, node) else { return };
    if to.is_none() {
        *to = Some(name);
        return;
    }
    let word = node.word();
    cx.bad(Code::Duplicate, word, format!("'{}' was given before", word.str())).help("the first one counts");
}

fn other_word(cx: &mut Context, keyword: &Keyword, arg: Arg, known: &[&'static str]) {
    let word = arg.str();
    let close = closest(&word, known.iter().copied()).map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
    cx.bad(Code::Value, arg, format!("'{}' takes {} or nothing, not '{word}'", keyword.word, known.join(" or ")))
        .help(format!("{close}the line is not used"));
}

/// A file or a directory: from the root, since nobody knows where a daemon stands.
fn path(cx: &mut Context, node: Node) -> Option<Box<str>> {
    let arg = needed(cx, node)?;
    let word = arg.str();
    if !word.starts_with('/') {
        cx.warn(Code::Value, arg.span(), &word, format!("'{word}' is not a full path"))
            .help("it is taken from the directory in which the daemon starts; write it with '/' in front");
    }
    Some(word.as_ref().into())
}

/// The first argument; keepalived goes on without it, and so do we.
fn needed<'t>(cx: &mut Context, node: Node<'t>) -> Option<Arg<'t>> {
    if node.count() == 0 {
        value(cx, node);
    }
    node.arg(0)
}

/// A whole number in a range; `used` is what holds without it.
fn number<T: TryFrom<i64>>(
    cx: &mut Context,
    arg: Arg,
    what: &str,
    range: RangeInclusive<i64>,
    used: &str,
) -> Option<T> {
    let word = arg.str();
    let n = word.parse::<i64>();
    if let Some(n) = n.as_ref().ok().filter(|n| range.contains(n)) {
        return T::try_from(*n).ok();
    }
    let code = if n.is_ok() { Code::Range } else { Code::Value };
    let text = format!("{what} is a whole number from {} to {}, not '{word}'", range.start(), range.end());
    cx.bad(code, arg, text).help(used);
    None
}

/// A number that may be given too low: then the lowest is used.
pub(super) fn at_least(cx: &mut Context, node: Node, keyword: &'static Keyword, low: u32) -> Option<u32> {
    let n = cx.int_u32(node, keyword)?;
    if let Some(arg) = node.arg(0).filter(|_| n < low) {
        cx.bad(Code::Range, arg, format!("'{}' takes at least {low}", keyword.word)).help(format!("{low} is used"));
    }
    Some(n.max(low))
}

fn narrow<T: TryFrom<i64>>(n: Option<i64>) -> Option<T> {
    n.and_then(|n| T::try_from(n).ok())
}

fn seconds(n: Option<u32>) -> Option<Duration> {
    n.map(|n| Duration::from_secs(n.into()))
}

fn micros(n: Option<u32>) -> Option<Duration> {
    n.map(|n| Duration::from_micros(n.into()))
}

fn flag(to: &mut bool, value: Option<bool>) {
    put_plain(to, value);
}

fn time(to: &mut Duration, value: Option<Duration>) {
    put_plain(to, value);
}

fn put_plain<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

fn put<T>(to: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *to = value;
    }
}

/// The first argument as text; without one, keepalived goes on and so do we.
pub fn value(cx: &mut Context, node: Node) -> Option<Box<str>> {
    match node.arg(0) {
        Some(arg) => Some(arg.str().as_ref().into()),
        None => {
            let word = node.word();
            let text = format!("'{}' has no argument", word.str());
            cx.bad(Code::Argument, word, text).help("the line is not used");
            None
        }
    }
}

/// SSL: a second block replaces the first.
pub fn second_ssl(cx: &mut Context, node: Node, before: &Option<Ssl>) {
    if before.is_some() {
        cx.bad(Code::Duplicate, node.word(), "there is a block 'SSL' already".into()).help("this one takes its place");
    }
}

pub fn ssl(cx: &mut Context, ssl: &mut Ssl, seen: &mut Seen, node: Node) {
    let Some(keyword) = cx.known(node, Block::Ssl, seen) else { return };
    match keyword.word {
        "password" => put(&mut ssl.password, value(cx, node)),
        "ca" => put(&mut ssl.ca, path(cx, node)),
        "certificate" => put(&mut ssl.certificate, path(cx, node)),
        "key" => put(&mut ssl.key, path(cx, node)),
        _ => cx.unread(node, keyword),
    }
}
