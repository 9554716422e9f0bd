//! vrrp_instance and vrrp_sync_group: what they say, then what they mean together.

use super::context::{Context, Seen};
use super::diagnostic::{meant, Code, Level};
use super::global::{at_least, GarpDraft, GlobalDraft};
use super::hmac::HmacDraft;
use super::keywords::{Block, Keyword, State, Takes};
use super::lexer::Span;
use super::model::{
    Auth, Config, Deleted, ExtraGarp, Group, HmacMode, Identity, Instance, Ipvlan, Notify, Route, Rule, Script,
    SyncDaemon, Vip, Vmac,
};
use super::protocol::{self, ProtocolDraft};
use super::script;
use super::track;
use super::tree::{Arg, Node};
use super::vlink;
use super::words::{self, Place};
use super::write::quote;
use super::{address, route, rule};
use crate::base::addr::{Family, IfName};
use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
enum AuthType {
    Pass,
    Ah,
}

/// Among the keywords that were given: use_ipvlan had an address, if a wrong one.
const ITS_ADDRESS: &str = "use_ipvlan ADDRESS";

/// A vrrp_instance as it was read: what may come from elsewhere is still open.
#[derive(Default)]
pub struct InstanceDraft {
    name: Box<str>,
    span: Span,
    path: Box<str>,
    seen: Seen,
    auth_seen: Seen,
    master: Option<bool>,
    interface: Option<IfName>,
    vrid: Option<(u8, Span)>,
    /// An interface or VRID was given and was wrong, which was said: the instance goes without another word.
    bad: bool,
    priority: Option<u8>,
    advert_int: Option<(Duration, Span)>,
    auth_type: Option<AuthType>,
    auth_pass: Option<[u8; 8]>,
    auth_span: Option<Span>,
    nopreempt: Option<Span>,
    preempt_delay: Option<(Duration, Span)>,
    mcast_src_ip: Option<IpAddr>,
    mcast_span: Span,
    dont_track_primary: bool,
    no_vips: bool,
    /// Addresses were given, whether they were right or not.
    tried_vips: bool,
    too_many_vips: bool,
    vips: Vec<Vip>,
    excluded: Vec<Vip>,
    known_vips: HashMap<(IpAddr, Option<IfName>), Span>,
    routes: Vec<Route>,
    refused_routes: Vec<Box<str>>,
    rules: Vec<(Rule, Span)>,
    hmac: Option<HmacDraft>,
    /// Keywords that were given, and where: for what does not fit together.
    given: Vec<(&'static str, Span)>,
    accept: Option<bool>,
    track_src_ip: bool,
    owner_ignore_adverts: Option<bool>,
    timer_expired_backup: Option<u8>,
    notify_deleted: Deleted,
    notify_lower: Option<Script>,
    notify_priority_changes: Option<bool>,
    garp_extra_if: Option<Option<ExtraGarp>>,
    vmac: Option<Box<Vmac>>,
    vmac_xmit_base: bool,
    vmac_addr: bool,
    ipvlan: Option<Box<Ipvlan>>,
    vrf: Option<IfName>,
    promote_secondaries: bool,
    linkbeat_polling: bool,
    debug: u8,
    kernel_rx_buf_size: Option<u32>,
    garp: GarpDraft,
    notify: Notify,
    smtp_alert: Option<bool>,
    track: track::Lines,
    held: Option<Box<str>>,
    protocol: ProtocolDraft,
    strict: Option<bool>,
    lower_prio_no_advert: Option<bool>,
    higher_prio_send_advert: Option<bool>,
    skip_check_adv_addr: Option<bool>,
    down_timer_adverts: Option<u8>,
    sync: Option<(IfName, Span)>,
}

impl InstanceDraft {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The block is read: there may be thousands of them.
    pub fn close(&mut self) {
        self.vips.shrink_to_fit();
        self.excluded.shrink_to_fit();
        self.known_vips.shrink_to_fit();
        self.given.shrink_to_fit();
    }

    pub fn new(cx: &Context, name: Arg) -> InstanceDraft {
        InstanceDraft { name: name.str().as_ref().into(), span: name.span(), path: cx.path(), ..Default::default() }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::Instance, &mut self.seen) else { return };
        self.given.push((keyword.word, node.word().span()));
        // A flag may be off; what it is in the end is looked at later.
        // The owner accepts in any case.
        let idle = keyword.word == "no_accept" && self.priority == Some(255);
        if let (State::Guard(_) | State::Refused(_), true) = (keyword.state, keyword.takes != Takes::Flag && !idle) {
            hold(&mut self.held, format!("'{}' is not in this version", keyword.word));
        }
        let first = node.arg(0);
        match keyword.word {
            "state" => self.state(cx, first),
            "interface" => {
                if let Some(arg) = first {
                    self.interface = cx.interface(arg).filter(|name| {
                        let loopback = name.as_str() == "lo";
                        if loopback {
                            let text = "the loopback 'lo' reaches no other router".into();
                            cx.bad(Code::Value, arg, text).help("name a link of a LAN; the instance is not used");
                        }
                        !loopback
                    });
                    self.bad |= self.interface.is_none();
                }
            }
            "virtual_router_id" => {
                self.vrid = cx.int(node, keyword).and_then(|n| u8::try_from(n).ok()).map(|n| (n, span(node)));
                self.bad |= self.vrid.is_none();
            }
            "priority" => {
                // keepalived's default, not the value before.
                self.priority = Some(cx.int(node, keyword).and_then(|n| u8::try_from(n).ok()).unwrap_or(100));
            }
            "advert_int" => self.advert_int = cx.dec(node, keyword).map(|d| (d, span(node))).or(self.advert_int),
            "virtual_ipaddress" => {
                self.tried_vips |= !node.body() || node.count() > 0;
                for line in list(cx, node) {
                    self.vip(cx, line, false);
                }
            }
            "virtual_ipaddress_excluded" => {
                for line in list(cx, node) {
                    self.vip(cx, line, true);
                }
            }
            "no_virtual_ipaddress" => self.no_vips = true,
            "virtual_routes" => {
                for line in list(cx, node) {
                    let mut refused = None;
                    let route = route::read(cx, line, Place::Virtual, &mut refused);
                    if let Some(why) = refused {
                        self.held.get_or_insert(why);
                        self.refused_routes.push(as_written(line));
                    } else {
                        self.routes.extend(route.map(|line| line.route));
                    }
                }
            }
            "virtual_rules" => {
                for line in list(cx, node) {
                    let rule = rule::read(cx, line, Place::Virtual);
                    self.rules.extend(rule.map(|line| (line.rule, line.span)));
                }
            }
            // Without its block it was said already.
            "auth_hmac" | "authentication" if !node.body() => {}
            "auth_hmac" => self.hmac = Some(HmacDraft::read(cx, node)),
            "authentication" => self.authentication(cx, node),
            "nopreempt" => self.nopreempt = Some(node.word().span()),
            "preempt" => self.nopreempt = None,
            "preempt_delay" => self.preempt_delay = cx.dec(node, keyword).map(|d| (d, node.word().span())),
            "mcast_src_ip" => {
                if let Some(arg) = first {
                    self.mcast_src_ip = cx.ip(node, arg).or(self.mcast_src_ip);
                    self.mcast_span = arg.span();
                }
            }
            "track_interface" | "track_script" | "track_file" | "track_process" | "track_bfd" => {
                self.track.read(cx, node, keyword.word);
                guard(&mut self.held, keyword);
            }
            "dont_track_primary" => self.dont_track_primary = true,
            "notify_master" => notify(cx, node, &mut self.notify.master),
            "notify_backup" => notify(cx, node, &mut self.notify.backup),
            "notify_fault" => notify(cx, node, &mut self.notify.fault),
            "notify_stop" => notify(cx, node, &mut self.notify.stop),
            "notify" => notify(cx, node, &mut self.notify.any),
            "notify_deleted" if node.count() == 0 => self.notify_deleted = Deleted::Event,
            "notify_deleted" => {
                let mut first = match std::mem::take(&mut self.notify_deleted) {
                    Deleted::Script(script) => Some(script),
                    _ => None,
                };
                notify(cx, node, &mut first);
                self.notify_deleted = first.map_or(Deleted::Fault, Deleted::Script);
            }
            "notify_master_rx_lower_pri" => notify(cx, node, &mut self.notify_lower),
            "notify_priority_changes" => self.notify_priority_changes = cx.flag(node).or(self.notify_priority_changes),
            "smtp_alert" => self.smtp_alert = cx.flag(node).or(self.smtp_alert),
            word if protocol::WORDS.contains(&word) => self.protocol.entry(cx, node, keyword),
            "accept" => self.accept = Some(true),
            "no_accept" => self.accept = Some(false),
            "strict_mode" => self.strict = cx.flag(node).or(self.strict),
            "skip_check_adv_addr" => self.skip_check_adv_addr = cx.flag(node).or(self.skip_check_adv_addr),
            "garp_master_delay" => set(&mut self.garp.delay, cx.int_u32(node, keyword)),
            "garp_master_repeat" => set(&mut self.garp.repeat, at_least(cx, node, keyword, 1)),
            "garp_master_refresh" => set(&mut self.garp.refresh, cx.int_u32(node, keyword)),
            "garp_master_refresh_repeat" => set(&mut self.garp.refresh_repeat, at_least(cx, node, keyword, 1)),
            "garp_lower_prio_delay" => set(&mut self.garp.lower_delay, cx.int_u32(node, keyword)),
            "garp_lower_prio_repeat" => set(&mut self.garp.lower_repeat, cx.int_u32(node, keyword)),
            "lower_prio_no_advert" => self.lower_prio_no_advert = cx.flag(node).or(self.lower_prio_no_advert),
            "higher_prio_send_advert" => self.higher_prio_send_advert = cx.flag(node).or(self.higher_prio_send_advert),
            "down_timer_adverts" => {
                set(&mut self.down_timer_adverts, cx.int(node, keyword).and_then(|n| u8::try_from(n).ok()))
            }
            "track_src_ip" => self.track_src_ip = true,
            "owner_ignore_adverts" => self.owner_ignore_adverts = cx.flag(node).or(self.owner_ignore_adverts),
            "timer_expired_backup" | "thread_timer_expired" => {
                self.timer_expired_backup = match first {
                    None => Some(0),
                    Some(arg) => words::range(cx, keyword.word, arg, 1, 254, "the line is not used")
                        .and_then(|n| u8::try_from(n).ok())
                        .or(self.timer_expired_backup),
                }
            }
            "garp_extra_if" => self.garp_extra_if = extra_garp(cx, node).or(self.garp_extra_if),
            "use_vmac" => self.use_vmac(cx, node),
            "vmac_xmit_base" => self.vmac_xmit_base = true,
            "use_vmac_addr" => self.vmac_addr = true,
            "use_ipvlan" => {
                let (ipvlan, tried) = vlink::ipvlan(cx, node);
                self.ipvlan = Some(Box::new(ipvlan));
                self.given.extend(tried.then(|| (ITS_ADDRESS, node.word().span())));
            }
            "vrf" => set(&mut self.vrf, first.and_then(|arg| cx.interface(arg))),
            "promote_secondaries" => self.promote_secondaries = true,
            "linkbeat_use_polling" => {
                self.linkbeat_polling = true;
                let text = "'linkbeat_use_polling' of an instance is the old form".into();
                cx.say(Level::Hint, Code::Renamed, node.word().span(), keyword.word, text, 5)
                    .help("write linkbeat_interfaces { INTERFACE }");
            }
            "debug" => self.debug = cx.int(node, keyword).and_then(|n| u8::try_from(n).ok()).unwrap_or(self.debug),
            "kernel_rx_buf_size" => match first {
                Some(arg) => {
                    let most = i64::from(i32::MAX);
                    let size = words::range(cx, keyword.word, arg, 0, most, "the line is not used");
                    set(&mut self.kernel_rx_buf_size, size.and_then(|n| u32::try_from(n).ok()));
                }
                None => cx
                    .bad(Code::Argument, node.word(), "'kernel_rx_buf_size' has no argument".into())
                    .help("write a number of bytes; the line is not used"),
            },
            "lvs_sync_daemon_interface" | "lvs_sync_daemon_inteface" => {
                if let Some(arg) = first {
                    self.sync = cx.interface(arg).map(|i| (i, arg.span()));
                }
            }
            _ => {
                cx.unread(node, keyword);
            }
        }
    }

    fn at(&self, word: &str) -> Option<Span> {
        self.given.iter().rev().find(|(given, _)| *given == word).map(|(_, span)| *span)
    }

    fn state(&mut self, cx: &mut Context, arg: Option<Arg>) {
        let Some(arg) = arg else { return };
        self.master = Some(match arg.str().as_ref() {
            "MASTER" => true,
            "BACKUP" => false,
            other => {
                cx.bad(Code::Value, arg, format!("'state' is MASTER or BACKUP, not '{other}'")).help(meant(
                    other,
                    &["MASTER", "BACKUP"],
                    "BACKUP is used",
                ));
                false
            }
        });
    }

    fn authentication(&mut self, cx: &mut Context, node: Node) {
        let mark = cx.enter(node);
        self.auth_span = Some(node.word().span());
        for child in node.children() {
            let Some(keyword) = cx.known(child, Block::Auth, &mut self.auth_seen) else { continue };
            let Some(arg) = child.arg(0) else { continue };
            match keyword.word {
                "auth_type" => {
                    match arg.str().as_ref() {
                        "PASS" => self.auth_type = Some(AuthType::Pass),
                        "AH" => self.auth_type = Some(AuthType::Ah),
                        other => cx
                            .bad(Code::Value, arg, format!("'auth_type' is PASS or AH, not '{other}'"))
                            .help(meant(other, &["PASS", "AH"], "the line is not used")),
                    }
                }
                "auth_pass" => self.auth_pass = Some(password(cx, arg)),
                _ => {}
            }
        }
        cx.excuse(node, &mut self.auth_seen);
        cx.leave(mark);
    }

    fn vip(&mut self, cx: &mut Context, line: Node, mut excluded: bool) {
        let arg = line.word();
        self.tried_vips |= !excluded;
        let Some(address::Line { vip, .. }) = address::read(cx, line, Place::Virtual) else { return };
        let family = vip.net.family();
        if let (false, Some(first)) = (excluded, self.vips.first().filter(|v| v.net.family() != family)) {
            let place = self.known_vips.get(&(first.net.addr, first.dev.clone())).copied().unwrap_or(arg.span());
            let text = format!("{} is of another address family than {}", arg.str(), first.net);
            cx.bad(Code::Conflict, arg, text)
                .see(place, "the first address")
                .help("it is not used; write it into virtual_ipaddress_excluded");
            return;
        }
        let key = (vip.net.addr, vip.dev.clone());
        if let Some(first) = self.known_vips.get(&key) {
            cx.warn(Code::Duplicate, arg.span(), &arg.str(), format!("{} is given twice in this instance", arg.str()))
                .see(*first, "the first one")
                .help("the second one is not used");
            return;
        }
        self.known_vips.insert(key, arg.span());
        if let (IpAddr::V6(ip), false, true) = (vip.net.addr, excluded, self.vips.is_empty()) {
            if !ip.is_unicast_link_local() {
                let text = "the first IPv6 address of a virtual router should be link-local".into();
                cx.say(Level::Hint, Code::Value, arg.span(), &arg.str(), text, 0)
                    .help("write one of fe80::/64 first (RFC 9568 5.2.9); it works without");
            }
        }
        if !excluded && self.vips.len() >= crate::limits::ADVERT_ADDRESSES {
            if !std::mem::replace(&mut self.too_many_vips, true) {
                cx.bad(Code::Range, arg, "an instance advertises at most 255 addresses".into()).help(
                    "this one and those that follow are used, but not advertised, as in virtual_ipaddress_excluded",
                );
            }
            excluded = true;
        }
        if excluded {
            self.excluded.push(vip);
        } else {
            self.vips.push(vip);
        }
    }
}

fn span(node: Node) -> Span {
    node.arg(0).map_or(node.word().span(), |a| a.span())
}

/// A line of a list as it may be written again.
fn as_written(line: Node) -> Box<str> {
    let words: Vec<String> = std::iter::once(line.word()).chain(line.args()).map(|w| quote(&w.str())).collect();
    words.join(" ").into()
}

fn hold(held: &mut Option<Box<str>>, reason: String) {
    held.get_or_insert(reason.into());
}

fn set<T>(to: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *to = value;
    }
}

/// The lines of a block of values.
pub(super) fn list<'t>(cx: &mut Context, node: Node<'t>) -> super::tree::Children<'t> {
    if let (Some(arg), true) = (node.arg(0), node.body()) {
        let text = format!("'{}' takes its values in the block, not before it", node.word().str());
        cx.bad(Code::Extra, arg, text).help("it is not used");
    }
    node.children()
}

/// What is asked for and not there must not be overlooked.
fn guard(held: &mut Option<Box<str>>, keyword: &Keyword) {
    if let State::Guard(_) = keyword.state {
        hold(held, format!("'{}' is not in this version", keyword.word));
    }
}

/// The first one counts.
fn notify(cx: &mut Context, node: Node, to: &mut Option<Script>) {
    if to.is_some() {
        let word = node.word();
        cx.bad(Code::Repeated, word, format!("'{}' was given before in this block", word.str()))
            .help("the first one counts");
        return;
    }
    *to = script::command(cx, node);
}

/// `[all] SECONDS`; none turns off what global_defs says.
fn extra_garp(cx: &mut Context, node: Node) -> Option<Option<ExtraGarp>> {
    let all = node.arg(0).is_some_and(|arg| arg.str() == "all");
    let Some(arg) = node.arg(usize::from(all)) else {
        cx.bad(Code::Argument, node.word(), "'garp_extra_if' has no time".into())
            .help("write garp_extra_if [all] SECONDS; the line is not used");
        return None;
    };
    let seconds = words::range(cx, "garp_extra_if", arg, 0, 86400, "the line is not used")?;
    Some((seconds > 0).then(|| ExtraGarp { every: Duration::from_secs(seconds), all }))
}

impl InstanceDraft {
    /// Given again, all but the name counts.
    fn use_vmac(&mut self, cx: &mut Context, node: Node) {
        let mut vmac = vlink::vmac(cx, node);
        if let (Some(first), Some(_)) = (self.vmac.as_mut().and_then(|v| v.name.take()), &vmac.name) {
            cx.bad(Code::Value, node.word(), "the link of 'use_vmac' has a name already".into())
                .help(format!("'{}' is used; remove one of the two", first.as_str()));
            vmac.name = Some(first);
        }
        self.vmac = Some(Box::new(vmac));
    }
}

fn password(cx: &mut Context, arg: Arg) -> [u8; 8] {
    let bytes = arg.bytes();
    if bytes.len() > 8 {
        // Not the password itself into a log.
        cx.error(Code::Range, arg.span(), "auth_pass", format!("the password has {} bytes; 8 count", bytes.len()))
            .help("it is cut; the peers that do not cut it will not be heard");
    }
    let mut pass = [0; 8];
    for (to, from) in pass.iter_mut().zip(bytes.iter()) {
        *to = *from;
    }
    pass
}

/// A vrrp_sync_group as it was read: members are names.
#[derive(Default)]
pub struct GroupDraft {
    name: Box<str>,
    span: Span,
    path: Box<str>,
    seen: Seen,
    members: Vec<(Box<str>, Span)>,
    /// Their block was not as it should be, which was said.
    bad_members: bool,
    /// They stand without a block.
    bare: bool,
    notify: Notify,
    smtp_alert: Option<bool>,
    notify_priority_changes: Option<bool>,
    held: Option<Box<str>>,
    track: track::Lines,
    tracking_weight: bool,
}

impl GroupDraft {
    pub fn new(cx: &Context, name: Arg) -> GroupDraft {
        GroupDraft { name: name.str().as_ref().into(), span: name.span(), path: cx.path(), ..Default::default() }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        if node.keyword().is_none() && self.bare_member(cx, node) {
            return;
        }
        let Some(keyword) = cx.known(node, Block::Group, &mut self.seen) else { return };
        match keyword.word {
            "group" if !self.members.is_empty() => {
                let word = node.word();
                cx.bad(Code::Repeated, word, "'group' was given before in this block".into())
                    .help("the first one counts");
            }
            "group" => {
                self.bad_members |= !node.body() || node.count() > 0;
                for line in list(cx, node) {
                    self.members.extend(line.all().map(|a| (a.str().as_ref().into(), a.span())));
                }
            }
            "notify_master" => notify(cx, node, &mut self.notify.master),
            "notify_backup" => notify(cx, node, &mut self.notify.backup),
            "notify_fault" => notify(cx, node, &mut self.notify.fault),
            "notify_stop" => notify(cx, node, &mut self.notify.stop),
            "notify" => notify(cx, node, &mut self.notify.any),
            "smtp_alert" => self.smtp_alert = cx.flag(node).or(self.smtp_alert),
            "track_interface" | "track_script" | "track_file" | "track_process" | "track_bfd" => {
                self.track.read(cx, node, keyword.word);
                guard(&mut self.held, keyword);
            }
            "sync_group_tracking_weight" => self.tracking_weight = true,
            "notify_priority_changes" => self.notify_priority_changes = cx.flag(node).or(self.notify_priority_changes),
            word => {
                cx.unread(node, keyword);
                if let State::Guard(_) | State::Refused(_) = keyword.state {
                    hold(&mut self.held, format!("'{word}' of its group is not in this version"));
                }
            }
        }
    }

    /// A name alone on its line, where `group { }` should be around it. True: that is said, once for all of them.
    fn bare_member(&mut self, cx: &mut Context, node: Node) -> bool {
        let word = node.word();
        if self.bare && node.count() == 0 && !node.body() {
            return true;
        }
        if node.count() > 0
            || node.body()
            || self.seen.has(Block::Group, &["group"])
            || cx.like_option(Block::Group, word)
        {
            return false;
        }
        self.bare = true;
        if !std::mem::replace(&mut self.bad_members, true) {
            let text = format!("'{}' is no keyword; members stand in a block of their own", word.str());
            cx.bad(Code::Unknown, word, text).help("write group { INSTANCE INSTANCE }; they are not used");
        }
        true
    }
}

/// Once the whole file is read: instances, groups and the sync daemon, with names resolved, one at a time.
pub struct Settling {
    drafts: std::vec::IntoIter<InstanceDraft>,
    groups: std::vec::IntoIter<GroupDraft>,
    mcast: [IpAddr; 2],
    /// The names of all instances, and where each is in the configuration; beyond its end is one that is not used.
    pub names: HashMap<Box<str>, usize>,
    taken: HashMap<Identity, (Box<str>, Span)>,
    syncs: Vec<(IfName, Span, usize, Box<str>)>,
    tracks: Vec<track::Lines>,
    group_tracks: Vec<track::Lines>,
    across: Across,
    /// The instances that are in groups, and where that stands.
    grouped: HashMap<usize, Span>,
    resolving: Option<track::Resolving>,
}

impl Settling {
    pub fn new(
        global: &GlobalDraft,
        drafts: Vec<InstanceDraft>,
        groups: Vec<GroupDraft>,
        config: &mut Config,
    ) -> Settling {
        let mut garp = global.garp.over(config.global.garp);
        // One announcement for each address, but for what is asked for by its own line; refreshes never.
        if config.global.vrrp.min_garp {
            garp.refresh = None;
            garp.repeat = global.garp.repeat.map_or(1, |_| garp.repeat);
            garp.delay = global.garp.delay.map_or(Duration::ZERO, |_| garp.delay);
        }
        // Answers to lower adverts follow the global values, not an instance's own garp_master_delay and repeat.
        garp.lower_delay.get_or_insert(garp.delay);
        garp.lower_repeat.get_or_insert(garp.repeat);
        config.global.garp = garp;
        config.instances.reserve_exact(drafts.len());
        config.groups.reserve_exact(groups.len());
        Settling {
            drafts: drafts.into_iter(),
            groups: groups.into_iter(),
            mcast: [config.global.mcast_group4.into(), config.global.mcast_group6.into()],
            names: HashMap::new(),
            taken: HashMap::new(),
            syncs: Vec::new(),
            tracks: Vec::new(),
            group_tracks: Vec::new(),
            across: Across::default(),
            grouped: HashMap::new(),
            resolving: None,
        }
    }

    /// True: all is settled.
    pub fn step(&mut self, cx: &mut Context, global: &mut GlobalDraft, config: &mut Config) -> bool {
        if let Some(resolving) = &mut self.resolving {
            if !resolving.step(cx, config) {
                return false;
            }
            sync_daemon(cx, global, std::mem::take(&mut self.syncs), &self.names, config);
            cx.return_to("");
            return true;
        }
        if let Some(draft) = self.drafts.next() {
            self.instance(cx, global, draft, config);
        } else if let Some(mut draft) = self.groups.next() {
            cx.return_to(&draft.path);
            let lines = std::mem::take(&mut draft.track);
            let before = config.groups.len();
            draft.finish(cx, &self.names, &mut self.grouped, global, config);
            self.group_tracks.extend((config.groups.len() > before).then_some(lines));
        } else {
            std::mem::take(&mut self.across).conclude(cx, config);
            let (tracks, group_tracks) = (std::mem::take(&mut self.tracks), std::mem::take(&mut self.group_tracks));
            self.resolving = Some(track::Resolving::new(tracks, group_tracks));
        }
        false
    }

    fn instance(&mut self, cx: &mut Context, global: &GlobalDraft, mut draft: InstanceDraft, config: &mut Config) {
        cx.return_to(&draft.path);
        // Unicast that knows its source needs none.
        let none =
            (draft.protocol.is_unicast() && draft.protocol.source().is_some() && !draft.bad).then(IfName::default);
        let interface = draft.interface.take().or(none);
        let (Some(interface), Some((vrid, vrid_span))) = (interface.clone(), draft.vrid) else {
            let what = if draft.vrid.is_none() { "virtual_router_id" } else { "interface" };
            if !draft.bad && !draft.seen.has(Block::Instance, &[what]) {
                let text = format!("the instance '{}' has no '{what}'", draft.name);
                cx.error(Code::Missing, draft.span, &draft.name, text).help("the instance is not used");
            }
            // Its name is known all the same: a group that names it is not wrong twice.
            self.names.insert(draft.name.clone(), usize::MAX);
            // And what else is wrong with it is said.
            std::mem::take(&mut draft.track).look(cx, config);
            if let Some(interface) = interface {
                drop(draft.finish(cx, global, &config.global, self.mcast, interface, 1));
            }
            return;
        };
        let number = config.instances.len();
        self.across.look(cx, &mut draft, &interface, number);
        self.across.links(cx, &mut draft);
        if let Some((interface, span)) = draft.sync.take() {
            self.syncs.push((interface, span, number, draft.path.clone()));
        }
        self.names.insert(draft.name.clone(), number);
        self.tracks.push(std::mem::take(&mut draft.track));
        let mut instance = draft.finish(cx, global, &config.global, self.mcast, interface, vrid);
        if let Some(last) = config.instances.last() {
            share(&mut instance.garp, &last.garp);
            share(&mut instance.wire, &last.wire);
        }
        match self.taken.entry(instance.identity()) {
            Entry::Vacant(place) => drop(place.insert((instance.name.clone(), vrid_span))),
            Entry::Occupied(other) => {
                let (name, (other, first), on) = (&instance.name, other.get(), &instance.interface);
                let text = format!("'{name}' and '{other}' both use virtual_router_id {vrid} on {on}");
                let said = cx.error(Code::Clash, vrid_span, name, text);
                said.see(*first, "the first one").help("the second one is kept in FAULT");
                instance
                    .held
                    .get_or_insert(format!("virtual_router_id {vrid} on {on} belongs to '{other}' already").into());
            }
        }
        config.instances.push(instance);
    }
}

/// What two instances should not share.
#[derive(Default)]
struct Across {
    vips: HashMap<(IpAddr, IfName), (usize, Span)>,
    shared: Vec<Shared>,
    rules: HashMap<(Family, u32), Span>,
    /// The names of virtual links.
    links: HashMap<IfName, Span>,
}

/// An address of two instances.
struct Shared {
    first: (usize, Span),
    second: (usize, Span),
    path: Box<str>,
    ip: IpAddr,
    dev: IfName,
}

impl Across {
    /// A link belongs to one instance; two of one name would be taken for each other.
    fn links(&mut self, cx: &mut Context, draft: &mut InstanceDraft) {
        let (vmac, ipvlan) = (draft.at("use_vmac"), draft.at("use_ipvlan"));
        let vmac = draft.vmac.as_mut().zip(vmac).map(|(v, span)| (&mut v.name, span));
        let ipvlan = draft.ipvlan.as_mut().zip(ipvlan).map(|(i, span)| (&mut i.name, span));
        for (name, span) in [vmac, ipvlan].into_iter().flatten() {
            let Some(link) = name.clone() else { continue };
            match self.links.entry(link) {
                Entry::Vacant(place) => drop(place.insert(span)),
                Entry::Occupied(other) => {
                    let link = other.key().as_str();
                    cx.error(Code::Duplicate, span, link, format!("the link '{link}' is another instance's already"))
                        .see(*other.get(), "the first one")
                        .help("this one gets the usual name");
                    *name = None;
                }
            }
        }
    }

    /// Once the groups are known: a word for each two instances. Those of one group hold an address together.
    fn conclude(self, cx: &mut Context, config: &Config) {
        let mut counts: HashMap<(usize, usize), usize> = HashMap::new();
        for one in &self.shared {
            *counts.entry((one.first.0, one.second.0)).or_default() += 1;
        }
        let identity = |n: usize| config.instances.get(n).map(|i| i.identity());
        let group = |n: usize| config.instances.get(n).and_then(|i| i.group);
        for one in &self.shared {
            let pair = (one.first.0, one.second.0);
            // Said with the first of their addresses.
            let Some(count) = counts.remove(&pair) else { continue };
            let together = group(pair.0).is_some() && group(pair.0) == group(pair.1);
            // Of two with one VRID that was said, and one of them stays in FAULT.
            if together || identity(pair.0) == identity(pair.1) {
                continue;
            }
            let other = config.instances.get(pair.0).map_or("", |i| &i.name);
            let more = if count > 1 { format!(", and {} more of its addresses", count - 1) } else { String::new() };
            let text = format!("{} on {} is an address of '{other}' too{more}", one.ip, one.dev);
            cx.return_to(&one.path);
            cx.warn(Code::Duplicate, one.second.1, &one.ip.to_string(), text)
                .see(one.first.1, "the first one")
                .help("two virtual routers would hold it, each when it likes; give it to one of them");
        }
    }

    fn look(&mut self, cx: &mut Context, draft: &mut InstanceDraft, interface: &IfName, number: usize) {
        let mut vips: Vec<_> = std::mem::take(&mut draft.known_vips).into_iter().collect();
        vips.sort_by_key(|(_, span)| span.start);
        for ((ip, dev), span) in vips {
            let dev = dev.unwrap_or_else(|| interface.clone());
            if let Some((other, place)) = self.vips.get(&(ip, dev.clone())) {
                let (first, second) = ((*other, *place), (number, span));
                if *other == number {
                    let text = format!("{ip} on {dev} is given twice in this instance");
                    cx.warn(Code::Duplicate, span, &ip.to_string(), text)
                        .see(*place, "the first one")
                        .help("once is enough");
                } else {
                    self.shared.push(Shared { first, second, path: draft.path.clone(), ip, dev });
                }
                continue;
            }
            self.vips.insert((ip, dev), (number, span));
        }
        for (rule, span) in &draft.rules {
            let key = (rule.family, rule.preference);
            if let Some(place) = self.rules.get(&key) {
                let text = format!("two rules have the preference {}", rule.preference);
                cx.warn(Code::Duplicate, *span, &rule.preference.to_string(), text)
                    .see(*place, "the first one")
                    .help("which of them is asked first is left to chance");
                continue;
            }
            self.rules.insert(key, *span);
        }
    }
}

impl InstanceDraft {
    fn finish(
        mut self,
        cx: &mut Context,
        global: &GlobalDraft,
        defaults: &super::model::Global,
        mcast: [IpAddr; 2],
        interface: IfName,
        vrid: u8,
    ) -> Instance {
        let state_master = self.master == Some(true);
        let priority = self.priority.unwrap_or(if state_master { 255 } else { 100 });
        // The owner of the addresses is MASTER unless the file says otherwise.
        let mut want_master = self.master.unwrap_or(priority == 255);
        let mut held = self.held.take();
        let no_effect = state_master || priority == 255;
        let owner = move |what: &str| {
            if state_master {
                (format!("'{what}' has no effect with 'state MASTER'"), "write 'state BACKUP' on all routers")
            } else {
                (format!("'{what}' has no effect with priority 255"), "the owner of the addresses always preempts")
            }
        };
        let mut nopreempt = self.nopreempt.is_some();
        if let (Some(span), true) = (self.nopreempt, no_effect) {
            let (text, help) = owner("nopreempt");
            cx.error(Code::Conflict, span, "nopreempt", text).help(help);
            nopreempt = false;
        }
        let mut preempt_delay = self.preempt_delay.map_or(Duration::ZERO, |(d, _)| d);
        if let (Some((delay, span)), true) = (self.preempt_delay, no_effect) {
            if !delay.is_zero() {
                let (text, help) = owner("preempt_delay");
                cx.error(Code::Conflict, span, "preempt_delay", text).help(help);
                preempt_delay = Duration::ZERO;
            }
        }
        if nopreempt {
            if let Some((_, span)) = self.preempt_delay.filter(|(delay, _)| !delay.is_zero()) {
                let text = "'preempt_delay' has no effect with 'nopreempt'".into();
                cx.error(Code::Conflict, span, "preempt_delay", text)
                    .see(self.nopreempt.unwrap_or(span), "'nopreempt'")
                    .help("it is not used: nothing is preempted, sooner or later");
            }
            preempt_delay = Duration::ZERO;
        }
        let vips = self.vips.first().map(|v| v.net.family());
        if self.seen.was_meant(Block::Instance, "unicast_peer") {
            self.protocol.not_alone();
        }
        let strict = self.strict.unwrap_or(global.strict);
        self.protocol.strict = strict;
        let wire = std::mem::take(&mut self.protocol).finish(cx, global, mcast, vips);
        if let Some(ip) = self.mcast_src_ip.filter(|ip| Family::of(ip) != wire.family) {
            let span = self.mcast_span;
            let text = format!("{ip} is not of the instance's address family");
            cx.error(Code::Conflict, span, &ip.to_string(), text).help("it is not used");
            self.mcast_src_ip = None;
        }
        let advert_int = protocol::interval(cx, self.advert_int, wire.version);
        let mut auth = Auth::None;
        let old = wire.version == 2 && wire.family == Family::V4;
        match (self.auth_span, self.auth_type, self.auth_pass) {
            (None, ..) => {}
            (Some(span), Some(_), _) if !old => {
                // keepalived says nothing of version 2 over IPv6.
                let (level, status) = if wire.version == 2 { (Level::Warning, 0) } else { (Level::Error, 5) };
                let text = "only version 2 over IPv4 knows authentication".into();
                cx.say(level, Code::Conflict, span, "authentication", text, status)
                    .help("adverts are not authenticated");
            }
            (Some(_), Some(AuthType::Ah), Some(key)) => auth = Auth::Ah(key),
            (Some(_), Some(AuthType::Pass), Some(pass)) => auth = Auth::Pass(pass),
            (Some(span), Some(_), None) if !self.auth_seen.has(Block::Auth, &["auth_pass"]) => {
                cx.error(Code::Missing, span, "auth_pass", "'authentication' has no 'auth_pass'".into())
                    .help("adverts are not authenticated");
            }
            (Some(_), Some(_), None) => {}
            // A wrong one was said.
            (Some(_), None, _) if self.auth_seen.has(Block::Auth, &["auth_type"]) => {}
            (Some(span), None, _) => {
                // keepalived says nothing and does not authenticate.
                cx.warn(Code::Missing, span, "auth_type", "'authentication' has no 'auth_type'".into())
                    .help("adverts are not authenticated; write auth_type PASS");
            }
        }
        if want_master && priority != 255 && matches!(auth, Auth::Ah(_)) {
            let span = self.at("state").unwrap_or(self.span);
            cx.error(Code::Conflict, span, "state", "'state MASTER' does not go with authentication by AH".into())
                .see(self.auth_span.unwrap_or(span), "the authentication")
                .help("BACKUP is used: numbers of the packets before must be heard first");
            want_master = false;
        }
        if let (Some(_), false) = (&self.vrf, interface.as_str().is_empty()) {
            let span = self.at("vrf").unwrap_or(self.span);
            cx.error(Code::Conflict, span, "vrf", "'vrf' is for unicast without an interface".into())
                .see(self.at("interface").unwrap_or(span), "the interface")
                .help("the line is not used");
            self.vrf = None;
        }
        if interface.as_str().is_empty() {
            let lost: Vec<_> = self.vips.iter().chain(&self.excluded).filter(|v| v.dev.is_none()).collect();
            for vip in &lost {
                let text = format!("{} has no 'dev', and its instance no 'interface'", vip.net);
                cx.error(Code::Missing, self.span, &vip.net.to_string(), text).help("it is not used");
            }
            self.vips.retain(|v| v.dev.is_some());
            self.excluded.retain(|v| v.dev.is_some());
        }
        let tried = self.tried_vips || self.seen.was_meant(Block::Instance, "virtual_ipaddress");
        if !tried && !self.no_vips {
            cx.say(
                Level::Warning,
                Code::Empty,
                self.span,
                &self.name,
                format!("'{}' advertises no address", self.name),
                5,
            )
            .help("write at least one into virtual_ipaddress");
        }
        let mut notify = std::mem::take(&mut self.notify);
        let user = &global.script_user;
        for script in [&mut notify.master, &mut notify.backup, &mut notify.fault, &mut notify.stop, &mut notify.any] {
            script::default_user(script.as_mut(), user);
        }
        let mut notify_lower = self.notify_lower.take();
        script::default_user(notify_lower.as_mut(), user);
        let mut notify_deleted = std::mem::take(&mut self.notify_deleted);
        if let Deleted::Script(script) = &mut notify_deleted {
            script::default_user(Some(script), user);
        }
        self.virtual_link(cx, &mut held);
        let hmac = self.hmac(cx, advert_int, &mut auth);
        let hmac_lacks_key = hmac.is_none() && self.at("auth_hmac").is_some();
        if hmac_lacks_key {
            hold(&mut held, "its adverts are to be signed (auth_hmac), and there is no key for that".into());
        }
        let owner = priority == 255;
        let mut instance = Instance {
            name: std::mem::take(&mut self.name),
            want_master,
            interface,
            vrid,
            priority,
            advert_int,
            auth,
            nopreempt,
            preempt_delay,
            mcast_src_ip: self.mcast_src_ip,
            wire: wire.into(),
            dont_track_primary: self.dont_track_primary,
            vips: exact(&mut self.vips),
            excluded: exact(&mut self.excluded).into(),
            routes: exact(&mut self.routes).into(),
            refused_routes: exact(&mut self.refused_routes).into(),
            garp: self.garp.over(defaults.garp).into(),
            notify: notify.into(),
            smtp_alert: self.smtp_alert.or(global.smtp_alert_vrrp).or(global.smtp_alert).unwrap_or(false),
            track: Default::default(),
            group: None,
            held,
            lower_prio_no_advert: self.lower_prio_no_advert.unwrap_or(global.lower_prio_no_advert),
            higher_prio_send_advert: self.higher_prio_send_advert.unwrap_or(global.higher_prio_send_advert),
            skip_check_adv_addr: self.skip_check_adv_addr.unwrap_or(global.skip_check_adv_addr),
            down_timer_adverts: self.down_timer_adverts.or(global.down_timer_adverts).unwrap_or(3),
            hmac,
            hmac_lacks_key,
            rules: std::mem::take(&mut self.rules).into_iter().map(|(rule, _)| rule).collect::<Vec<_>>().into(),
            accept: owner || self.accept.unwrap_or(!strict),
            strict,
            track_src_ip: self.track_src_ip,
            owner_ignore_adverts: self.owner_ignore_adverts.or(defaults.vrrp.owner_ignore_adverts).unwrap_or(false),
            timer_expired_backup: self.timer_expired_backup,
            notify_deleted: notify_deleted.into(),
            notify_lower: notify_lower.into(),
            notify_priority_changes: self.notify_priority_changes.unwrap_or(defaults.vrrp.notify_priority_changes),
            garp_extra_if: self.garp_extra_if.unwrap_or(defaults.vrrp.garp_extra_if),
            vmac: self.vmac.take(),
            vmac_xmit_base: self.vmac_xmit_base,
            vmac_addr: self.vmac_addr,
            ipvlan: self.ipvlan.take(),
            vrf: self.vrf.take(),
            promote_secondaries: self.promote_secondaries,
            linkbeat_polling: self.linkbeat_polling,
            debug: self.debug,
            kernel_rx_buf_size: self.kernel_rx_buf_size,
        };
        if strict {
            self.strict_rules(cx, &mut instance, global.strict_span);
        }
        instance
    }

    /// Signatures and the old authentication exclude each other.
    fn hmac(&mut self, cx: &mut Context, advert_int: Duration, auth: &mut Auth) -> Option<Box<super::model::Hmac>> {
        let draft = self.hmac.take()?;
        if let Some(span) = self.auth_span {
            cx.error(
                Code::Conflict,
                span,
                "authentication",
                "'authentication' and 'auth_hmac' exclude each other".into(),
            )
            .see(draft.span, "adverts are signed here")
            .help("'authentication' is not used");
            *auth = Auth::None;
        }
        draft.finish(cx, advert_int).map(Box::new)
    }

    fn virtual_link(&mut self, cx: &mut Context, held: &mut Option<Box<str>>) {
        if let (Some(span), Some(_)) = (self.at("promote_secondaries"), &self.vmac) {
            let text = "'promote_secondaries' beside 'use_vmac'".into();
            cx.say(Level::Warning, Code::Conflict, span, "promote_secondaries", text, 5)
                .help("it is set on a virtual link anyway; the line is not used");
            self.promote_secondaries = false;
        }
        if let (Some(span), None) = (self.at("vmac_xmit_base"), &self.vmac) {
            cx.error(Code::Conflict, span, "vmac_xmit_base", "'vmac_xmit_base' without a virtual MAC address".into())
                .help("write use_vmac; the line is not used");
            self.vmac_xmit_base = false;
        }
        if let (Some(span), Some(first), Some(_), Some(_)) =
            (self.at("use_ipvlan"), self.at("use_vmac"), &self.vmac, &self.ipvlan)
        {
            cx.error(Code::Conflict, span, "use_ipvlan", "an instance has either a VMAC or an ipvlan link".into())
                .see(first, "the VMAC")
                .help("the ipvlan link is not used");
            self.ipvlan = None;
        }
        if let (Some(span), Some(_)) = (self.at("unicast_peer"), &self.vmac) {
            if !self.vmac_xmit_base {
                let text = "unicast from a virtual MAC address is not possible".into();
                let first = self.at("use_vmac").unwrap_or(span);
                cx.say(Level::Warning, Code::Conflict, span, "unicast_peer", text, 5)
                    .see(first, "the virtual MAC address")
                    .help("adverts leave from the interface below; write vmac_xmit_base");
            }
            self.vmac_xmit_base = true;
        }
        let name = self.vmac.as_ref().and_then(|v| v.name.as_ref());
        if let (Some(span), Some(name)) =
            (self.at("use_vmac"), name.filter(|name| self.interface.as_ref() == Some(*name)))
        {
            let text = format!("the link cannot be called '{name}', which is the interface below it");
            cx.error(Code::Conflict, span, name.as_str(), text).help("it gets the usual name");
            self.vmac.iter_mut().for_each(|v| v.name = None);
        }
        if let (Some(span), Some(ipvlan)) = (self.at("use_ipvlan"), &self.ipvlan) {
            let v4 = self.vips.first().is_none_or(|vip| vip.net.family() == Family::V4);
            if v4 && ipvlan.address.is_none() && self.at(ITS_ADDRESS).is_some() {
                hold(held, "its ipvlan link has no address".into());
            } else if v4 && ipvlan.address.is_none() {
                cx.error(
                    Code::Missing,
                    span,
                    "use_ipvlan",
                    "an ipvlan link for IPv4 needs an address of its own".into(),
                )
                .help("write use_ipvlan NAME ADDR/LEN; the instance stays in FAULT");
                hold(held, "its ipvlan link has no address".into());
            }
        }
    }

    /// What a strict instance may not have is said, and put right.
    fn strict_rules(&mut self, cx: &mut Context, instance: &mut Instance, global: Option<Span>) {
        let (by, place) = match self.strict {
            Some(_) => ("strict_mode", self.at("strict_mode")),
            None => ("vrrp_strict", global),
        };
        let owner = instance.priority == 255;
        let name = self.span;
        let mut say = |word: &str, span: Option<Span>, text: &str, used: &str| {
            let text = format!("with '{by}' {text}");
            let said = cx.error(Code::Conflict, span.unwrap_or(name), word, text);
            match place {
                Some(place) => said.see(place, format!("'{by}'")).help(used),
                None => said.help(used),
            }
        };
        if let Some(span) = self.auth_span.filter(|_| self.at("auth_hmac").is_none()) {
            say("authentication", Some(span), "there is no 'authentication'", "adverts are not authenticated");
            instance.auth = Auth::None;
        }
        if let Some(hmac) = instance.hmac.as_mut().filter(|h| h.mode != HmacMode::Enforce) {
            say("auth_hmac", self.at("auth_hmac"), "the mode of 'auth_hmac' is enforce", "enforce is used");
            hmac.mode = HmacMode::Enforce;
        }
        if let Some(vmac) = instance.vmac.as_mut().filter(|v| v.mac.is_some()) {
            say(
                "use_vmac",
                self.at("use_vmac"),
                "a VMAC has no other address than that of its VRID",
                "that one is used",
            );
            vmac.mac = None;
        }
        if instance.vmac_xmit_base {
            say("vmac_xmit_base", self.at("vmac_xmit_base"), "adverts leave from the VMAC", "the line is not used");
            instance.vmac_xmit_base = false;
        }
        if !instance.preempt_delay.is_zero() {
            say("preempt_delay", self.at("preempt_delay"), "there is no 'preempt_delay'", "the line is not used");
            instance.preempt_delay = Duration::ZERO;
        }
        if instance.down_timer_adverts != 3 {
            say("down_timer_adverts", self.at("down_timer_adverts"), "'down_timer_adverts' is 3", "3 is used");
            instance.down_timer_adverts = 3;
        }
        if !owner && instance.wire.version == 2 && self.accept == Some(true) {
            say("accept", self.at("accept"), "version 2 accepts traffic only as the owner", "the line is not used");
            instance.accept = false;
        }
        if self.garp.lower_delay.is_some_and(|n| n != 0) || self.garp.lower_repeat.is_some_and(|n| n != 0) {
            let span = self.at("garp_lower_prio_repeat").or(self.at("garp_lower_prio_delay"));
            say("garp_lower_prio_repeat", span, "a lower advert is not answered with gratuitous ARP", "0 is used");
        }
        let garp = Rc::make_mut(&mut instance.garp);
        garp.lower_delay = Some(Duration::ZERO);
        garp.lower_repeat = Some(0);
        if self.lower_prio_no_advert == Some(false) {
            say(
                "lower_prio_no_advert",
                self.at("lower_prio_no_advert"),
                "a lower advert is not answered",
                "on is used",
            );
        }
        instance.lower_prio_no_advert = true;
        if instance.higher_prio_send_advert {
            let span = self.at("higher_prio_send_advert");
            say("higher_prio_send_advert", span, "a higher advert is not answered", "off is used");
            instance.higher_prio_send_advert = false;
        }
        if owner && self.owner_ignore_adverts == Some(false) {
            let span = self.at("owner_ignore_adverts");
            say("owner_ignore_adverts", span, "an owner listens to nobody", "on is used");
        }
        instance.owner_ignore_adverts |= owner;
        if instance.wire.unicast.is_some() && !instance.interface.as_str().is_empty() {
            let span = self.at("unicast_peer");
            say("unicast_peer", span, "adverts go to the multicast group", "they go to the peers all the same");
        }
        if self.no_vips {
            let span = self.at("no_virtual_ipaddress");
            say("no_virtual_ipaddress", span, "a virtual router has addresses", "write one into virtual_ipaddress");
        }
        let first = instance.vips.first().map(|vip| vip.net.addr);
        if first.is_some_and(|ip| matches!(ip, IpAddr::V6(ip) if !ip.is_unicast_link_local())) {
            let span = self.at("virtual_ipaddress");
            say(
                "virtual_ipaddress",
                span,
                "the first IPv6 address is link-local",
                "write an address of fe80::/10 first",
            );
        }
        if self.master.is_some_and(|master| master != owner) {
            say(
                "state",
                self.at("state"),
                "the owner of the addresses, and nobody else, has 'state MASTER'",
                "so it is",
            );
            instance.want_master = owner;
        }
    }
}

impl GroupDraft {
    fn finish(
        self,
        cx: &mut Context,
        names: &HashMap<Box<str>, usize>,
        grouped: &mut HashMap<usize, Span>,
        global: &GlobalDraft,
        config: &mut Config,
    ) {
        let number = config.groups.len();
        let mut members = Vec::new();
        let mut first = None;
        let mut said = false;
        for (name, span) in &self.members {
            let Some(instance) = names.get(name).copied() else {
                said = true;
                if cx.nameless.contains(&Block::Instance) {
                    continue;
                }
                let close = cx.closest(name, names.keys().map(|k| k.as_ref()));
                let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                cx.error(Code::Reference, *span, name, format!("there is no vrrp_instance '{name}'"))
                    .help(format!("{help}it is not used"));
                continue;
            };
            let Some(found) = config.instances.get_mut(instance) else {
                said = true;
                continue;
            };
            if found.group == Some(number) {
                cx.warn(Code::Duplicate, *span, name, format!("'{name}' is in this group twice"))
                    .help("the second is not used");
                continue;
            }
            if found.group.is_some() {
                said = true;
                let place = grouped.get(&instance).copied().unwrap_or(*span);
                cx.error(Code::Conflict, *span, name, format!("'{name}' is in another vrrp_sync_group already"))
                    .see(place, "it is a member here")
                    .help("it is not used here");
                continue;
            }
            found.group = Some(number);
            grouped.insert(instance, *span);
            let (state, priority) = (found.want_master, found.priority);
            let (first_state, first_priority, place) = *first.get_or_insert((state, priority, *span));
            if state != first_state || priority != first_priority {
                let what = if state != first_state { "state" } else { "priority" };
                cx.warn(
                    Code::Conflict,
                    *span,
                    name,
                    format!("'{name}' has another {what} than the group's first member"),
                )
                .see(place, "the first member")
                .help("a group moves as one: with the same order on all routers it does so without a struggle");
            }
            if let Some(reason) = &self.held {
                found.held.get_or_insert(reason.clone());
            }
            members.push(instance);
        }
        if members.is_empty() {
            if !said && !self.bad_members && !self.seen.was_meant(Block::Group, "group") {
                cx.error(Code::Empty, self.span, &self.name, format!("the group '{}' has no member", self.name))
                    .help("the group is not used");
            }
            return;
        }
        if members.len() == 1 && !said {
            cx.say(
                Level::Warning,
                Code::Empty,
                self.span,
                &self.name,
                format!("the group '{}' has one member", self.name),
                5,
            )
            .help("a group keeps several instances together; this one does nothing");
        }
        let smtp_alert = self.smtp_alert.or(global.smtp_alert_vrrp).or(global.smtp_alert).unwrap_or(false);
        let mut notify = self.notify;
        for script in [&mut notify.master, &mut notify.backup, &mut notify.fault, &mut notify.stop, &mut notify.any] {
            script::default_user(script.as_mut(), &global.script_user);
        }
        let given = self.notify_priority_changes;
        let notify_priority_changes = given.unwrap_or(config.global.vrrp.notify_priority_changes);
        config.groups.push(Group {
            name: self.name,
            members,
            notify: notify.into(),
            smtp_alert,
            notify_priority_changes,
            track: Default::default(),
            tracking_weight: self.tracking_weight,
        });
    }
}

/// One of two that say the same is enough.
fn share<T: PartialEq>(new: &mut Rc<T>, other: &Rc<T>) {
    if new == other {
        *new = other.clone();
    }
}

/// A list that grows no more, without room for growth.
fn exact<T>(list: &mut Vec<T>) -> Vec<T> {
    let mut list = std::mem::take(list);
    list.shrink_to_fit();
    list
}

/// The kernel runs one: that of global_defs, else the first instance's.
fn sync_daemon(
    cx: &mut Context,
    global: &mut GlobalDraft,
    syncs: Vec<(IfName, Span, usize, Box<str>)>,
    names: &HashMap<Box<str>, usize>,
    config: &mut Config,
) {
    if let Some(sync) = global.sync.take() {
        cx.return_to(&sync.path);
        let instance = names.get(&sync.instance).copied().filter(|n| *n < config.instances.len());
        if instance.is_none() && !sync.instance.is_empty() {
            let text = format!("there is no vrrp_instance '{}'", sync.instance);
            cx.say(Level::Error, Code::Reference, sync.span, &sync.instance, text, 0)
                .help("the connection sync daemon is not started");
        } else {
            let vrid = instance.and_then(|n| config.instances.get(n)).map_or(0, |i| i.vrid);
            let (id, options) = (sync.id.unwrap_or(vrid), sync.options);
            config.sync_daemon = Some(SyncDaemon { interface: sync.interface, instance, id, options });
        }
    }
    for (interface, span, instance, path) in syncs {
        match &config.sync_daemon {
            None => {
                let id = config.instances.get(instance).map_or(0, |i| i.vrid);
                let options = Default::default();
                config.sync_daemon = Some(SyncDaemon { interface, instance: Some(instance), id, options });
            }
            Some(first) if first.interface != interface => {
                let owner = first.instance.and_then(|n| config.instances.get(n)).map_or("INSTANCE", |i| &i.name);
                let help =
                    format!("this one is not used; write in global_defs: lvs_sync_daemon {} {owner}", first.interface);
                let text = format!("the kernel runs one connection sync daemon, on {} already", first.interface);
                cx.return_to(&path);
                cx.warn(Code::Conflict, span, interface.as_str(), text).help(help);
            }
            Some(_) => {}
        }
    }
}
