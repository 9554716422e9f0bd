//! global_defs and SSL.

use super::context::{Context, Seen};
use super::diagnostic::Code;
use super::keywords::Block;
use super::lexer::Span;
use super::model::{Garp, Global, Ssl};
use super::tree::Node;
use crate::base::addr::IfName;
use std::net::{Ipv4Addr, Ipv6Addr};
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
}

impl GlobalDraft {
    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::Global, &mut self.seen) else { return };
        let on = |given: Option<bool>, was: bool| given.unwrap_or(was);
        match keyword.word {
            "notification_email" => self.emails(cx, node),
            "notification_email_from" => {
                self.global.notification_email_from = value(cx, node).or(self.global.notification_email_from.take())
            }
            "smtp_server" => self.smtp_server(cx, node),
            "smtp_connect_timeout" => {
                if let Some(n) = cx.int(node, keyword) {
                    self.global.smtp_connect_timeout = Duration::from_secs(n.max(1).unsigned_abs());
                }
            }
            "router_id" | "lvs_id" => {
                if let Some(name) = value(cx, node) {
                    self.global.router_id = name;
                }
            }
            "smtp_alert" => self.smtp_alert = cx.flag(node).or(self.smtp_alert),
            "smtp_alert_vrrp" => self.smtp_alert_vrrp = cx.flag(node).or(self.smtp_alert_vrrp),
            "smtp_alert_checker" => self.smtp_alert_checker = cx.flag(node).or(self.smtp_alert_checker),
            "enable_script_security" => self.script_security = true,
            "script_user" => self.user(cx, node),
            // Here an interface may always come later.
            "dynamic_interfaces" => {}
            "lvs_sync_daemon" => self.sync_daemon(cx, node),
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
            "v3_checksum_as_v2" => self.checksum_as_v2 = on(cx.flag(node), self.checksum_as_v2),
            "vrrp_version" => self.version3 = cx.int(node, keyword).map_or(self.version3, |n| n == 3),
            "vrrp_garp_master_delay" => set(&mut self.garp.delay, cx.int_u32(node, keyword)),
            "vrrp_garp_master_repeat" => set(&mut self.garp.repeat, cx.int_u32(node, keyword)),
            "vrrp_garp_master_refresh" => set(&mut self.garp.refresh, cx.int_u32(node, keyword)),
            "vrrp_garp_master_refresh_repeat" => set(&mut self.garp.refresh_repeat, cx.int_u32(node, keyword)),
            "vrrp_garp_lower_prio_delay" => set(&mut self.garp.lower_delay, cx.int_u32(node, keyword)),
            "vrrp_garp_lower_prio_repeat" => set(&mut self.garp.lower_repeat, cx.int_u32(node, keyword)),
            "vrrp_lower_prio_no_advert" => self.lower_prio_no_advert = on(cx.flag(node), self.lower_prio_no_advert),
            "vrrp_higher_prio_send_advert" => {
                self.higher_prio_send_advert = on(cx.flag(node), self.higher_prio_send_advert)
            }
            "vrrp_down_timer_adverts" => {
                set(&mut self.down_timer_adverts, cx.int(node, keyword).and_then(|n| u8::try_from(n).ok()))
            }
            "vrrp_skip_check_adv_addr" => self.skip_check_adv_addr = on(cx.flag(node), self.skip_check_adv_addr),
            "vrrp_strict" => self.strict = cx.flag(node).unwrap_or(self.strict),
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
        self.global.smtp_server = Some((server.str().as_ref().into(), port));
    }

    fn user(&mut self, cx: &mut Context, node: Node) {
        let Some(user) = node.arg(0) else {
            cx.bad(Code::Argument, node.word(), "'script_user' has no argument".into())
                .help("write 'script_user' and a user");
            return;
        };
        let name = user.str();
        if cx.host.user.is_some_and(|known| !known(&name)) {
            cx.bad(Code::Script, user, format!("there is no user '{name}'"))
                .help("scripts without a user of their own are not run");
            return;
        }
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
        let Some(interface) = cx.interface(first) else { return };
        let mut draft = SyncDraft { interface, instance: "".into(), id: None, span: first.span(), path: cx.path() };
        let mut at = 1;
        while let Some(arg) = node.arg(at) {
            at += 1;
            let word = arg.str();
            match word.as_ref() {
                "inst" => {
                    draft.instance = node.arg(at).map(|a| a.str().as_ref().into()).unwrap_or_default();
                    at += 1;
                }
                "id" => {
                    draft.id = node.arg(at).and_then(|a| sync_id(cx, a));
                    at += 1;
                }
                "maxlen" | "port" | "ttl" | "group" => {
                    cx.warn(
                        Code::NotYet,
                        arg.span(),
                        &word,
                        format!("'{word}' of the sync daemon is not in this version"),
                    )
                    .help("the kernel's default is used");
                    at += 1;
                }
                _ if draft.instance.is_empty() => {
                    draft.instance = word.as_ref().into();
                    draft.span = arg.span();
                }
                _ if draft.id.is_none() && word.bytes().all(|b| b.is_ascii_digit()) => draft.id = sync_id(cx, arg),
                _ => cx.bad(Code::Value, arg, format!("the sync daemon has no option '{word}'")).help("it is not used"),
            }
        }
        self.sync = Some(draft);
    }
}

fn sync_id(cx: &mut Context, arg: super::tree::Arg) -> Option<u8> {
    let id = arg.str().parse().ok();
    if id.is_none() {
        cx.bad(Code::Range, arg, format!("a sync id is a whole number from 0 to 255, not '{}'", arg.str()))
            .help("the instance's virtual_router_id is used");
    }
    id
}

fn set<T>(to: &mut Option<T>, value: Option<T>) {
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
pub fn ssl(cx: &mut Context, ssl: &mut Ssl, seen: &mut Seen, node: Node) {
    let Some(keyword) = cx.known(node, Block::Ssl, seen) else { return };
    let Some(text) = value(cx, node) else { return };
    match keyword.word {
        "password" => ssl.password = Some(text),
        "ca" => ssl.ca = Some(text),
        "certificate" => ssl.certificate = Some(text),
        "key" => ssl.key = Some(text),
        _ => {}
    }
}
