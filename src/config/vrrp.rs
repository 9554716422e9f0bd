//! vrrp_instance and vrrp_sync_group: what they say, then what they mean together.

use super::context::{Context, Seen};
use super::diagnostic::{Code, Level};
use super::global::{GarpDraft, GlobalDraft};
use super::keywords::{Block, State};
use super::lexer::Span;
use super::model::{Auth, Config, Group, Instance, Notify, Route, Script, SyncDaemon, Vip};
use super::script;
use super::track::Tracked;
use super::tree::{Arg, Node};
use crate::base::addr::{Family, IfName, IpNet};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
enum AuthType {
    Pass,
    Ah,
}

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
    dont_track_primary: bool,
    no_vips: bool,
    /// Addresses were given, whether they were right or not.
    tried_vips: bool,
    too_many_vips: bool,
    vips: Vec<Vip>,
    excluded: Vec<Vip>,
    known_vips: HashSet<(IpAddr, Option<IfName>)>,
    routes: Vec<Route>,
    garp: GarpDraft,
    notify: Notify,
    smtp_alert: Option<bool>,
    tracks: Vec<IfName>,
    held: Option<Box<str>>,
    version3: Option<bool>,
    strict: Option<bool>,
    lower_prio_no_advert: Option<bool>,
    higher_prio_send_advert: Option<bool>,
    skip_check_adv_addr: Option<bool>,
    down_timer_adverts: Option<u8>,
    sync: Option<(IfName, Span)>,
}

impl InstanceDraft {
    pub fn new(cx: &Context, name: Arg) -> InstanceDraft {
        InstanceDraft { name: name.str().as_ref().into(), span: name.span(), path: cx.path(), ..Default::default() }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::Instance, &mut self.seen) else { return };
        let first = node.arg(0);
        match keyword.word {
            "state" => self.state(cx, first),
            "interface" => {
                if let Some(arg) = first {
                    self.interface = cx.interface(arg);
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
                    let route = route(cx, line, &mut self.held);
                    self.routes.extend(route);
                }
            }
            "authentication" => self.authentication(cx, node),
            "nopreempt" => self.nopreempt = Some(node.word().span()),
            "preempt" => self.nopreempt = None,
            "preempt_delay" => self.preempt_delay = cx.dec(node, keyword).map(|d| (d, node.word().span())),
            "mcast_src_ip" => {
                if let Some(arg) = first {
                    self.mcast_src_ip = cx.ip(node, arg).or(self.mcast_src_ip);
                }
            }
            "track_interface" => self.track_interface(cx, node),
            "dont_track_primary" => self.dont_track_primary = true,
            "notify_master" => notify(cx, node, &mut self.notify.master),
            "notify_backup" => notify(cx, node, &mut self.notify.backup),
            "notify_fault" => notify(cx, node, &mut self.notify.fault),
            "notify_stop" => notify(cx, node, &mut self.notify.stop),
            "notify" => notify(cx, node, &mut self.notify.any),
            "smtp_alert" => self.smtp_alert = cx.flag(node).or(self.smtp_alert),
            "version" => self.version3 = cx.int(node, keyword).map(|n| n == 3).or(self.version3),
            "accept" => {}
            "strict_mode" => self.strict = cx.flag(node).or(self.strict),
            "skip_check_adv_addr" => self.skip_check_adv_addr = cx.flag(node).or(self.skip_check_adv_addr),
            "garp_master_delay" => set(&mut self.garp.delay, cx.int_u32(node, keyword)),
            "garp_master_repeat" => set(&mut self.garp.repeat, cx.int_u32(node, keyword)),
            "garp_master_refresh" => set(&mut self.garp.refresh, cx.int_u32(node, keyword)),
            "garp_master_refresh_repeat" => set(&mut self.garp.refresh_repeat, cx.int_u32(node, keyword)),
            "garp_lower_prio_delay" => set(&mut self.garp.lower_delay, cx.int_u32(node, keyword)),
            "garp_lower_prio_repeat" => set(&mut self.garp.lower_repeat, cx.int_u32(node, keyword)),
            "lower_prio_no_advert" => self.lower_prio_no_advert = cx.flag(node).or(self.lower_prio_no_advert),
            "higher_prio_send_advert" => self.higher_prio_send_advert = cx.flag(node).or(self.higher_prio_send_advert),
            "down_timer_adverts" => {
                set(&mut self.down_timer_adverts, cx.int(node, keyword).and_then(|n| u8::try_from(n).ok()))
            }
            "lvs_sync_daemon_interface" | "lvs_sync_daemon_inteface" => {
                if let Some(arg) = first {
                    self.sync = cx.interface(arg).map(|i| (i, arg.span()));
                }
            }
            word => {
                cx.unread(node, keyword);
                track_scripts(cx, node);
                if let State::Guard(_) = keyword.state {
                    hold(&mut self.held, format!("'{word}' is not in this version"));
                }
            }
        }
    }

    fn state(&mut self, cx: &mut Context, arg: Option<Arg>) {
        let Some(arg) = arg else { return };
        self.master = Some(match arg.str().as_ref() {
            "MASTER" => true,
            "BACKUP" => false,
            other => {
                cx.bad(Code::Value, arg, format!("'state' is MASTER or BACKUP, not '{other}'")).help("BACKUP is used");
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
                "auth_type" => match arg.str().as_ref() {
                    "PASS" => self.auth_type = Some(AuthType::Pass),
                    "AH" => {
                        self.auth_type = Some(AuthType::Ah);
                        cx.warn(
                            Code::Safeguard,
                            arg.span(),
                            "AH",
                            "authentication by AH is not in this version".into(),
                        )
                        .help("the instance is kept out of MASTER");
                        hold(&mut self.held, "authentication by AH is not in this version".into());
                    }
                    other => cx
                        .bad(Code::Value, arg, format!("'auth_type' is PASS or AH, not '{other}'"))
                        .help("the line is not used"),
                },
                "auth_pass" => self.auth_pass = Some(password(cx, arg)),
                _ => {}
            }
        }
        cx.leave(mark);
    }

    fn track_interface(&mut self, cx: &mut Context, node: Node) {
        for line in list(cx, node) {
            let Some(name) = cx.interface(line.word()) else { continue };
            let mut weight = false;
            let mut at = 0;
            while let Some(arg) = line.arg(at) {
                at += 1;
                match arg.str().as_ref() {
                    "weight" => {
                        let number = line.arg(at).map(|a| (a, a.str().parse::<i64>()));
                        match number {
                            Some((_, Ok(n))) if (-253..=253).contains(&n) => weight = n != 0,
                            _ => cx
                                .bad(Code::Range, arg, "a weight is a whole number from -253 to 253".into())
                                .help("no weight is used: the instance is in FAULT while the link is down"),
                        }
                        at += 1;
                    }
                    "reverse" | "noreverse" => {}
                    other => {
                        cx.bad(Code::Value, arg, format!("a tracked interface has no option '{other}'"))
                            .help("it is not used");
                    }
                }
            }
            if weight {
                let what = format!("a weight for interface '{name}' is not in this version");
                cx.warn(Code::Safeguard, line.word().span(), name.as_str(), what.clone())
                    .help("the instance is kept out of MASTER");
                hold(&mut self.held, what);
            } else if !self.tracks.contains(&name) {
                self.tracks.push(name);
            }
        }
    }

    fn vip(&mut self, cx: &mut Context, line: Node, mut excluded: bool) {
        let arg = line.word();
        self.tried_vips |= !excluded;
        let Some(vip) = address(cx, line) else { return };
        let family = vip.net.family();
        if !excluded && self.vips.first().is_some_and(|first| first.net.family() != family) {
            let first = self.vips.first().map(|v| v.net.to_string()).unwrap_or_default();
            cx.bad(Code::Conflict, arg, format!("{} is of another address family than {first}", arg.str()))
                .help("it is not used; write it into virtual_ipaddress_excluded");
            return;
        }
        if !self.known_vips.insert((vip.net.addr, vip.dev.clone())) {
            cx.warn(Code::Duplicate, arg.span(), &arg.str(), format!("{} is given twice in this instance", arg.str()))
                .help("the second one is not used");
            return;
        }
        if family == Family::V6 {
            if self.held.is_none() {
                cx.warn(Code::Safeguard, arg.span(), &arg.str(), "IPv6 addresses are not in this version".into())
                    .help("the instance is kept out of MASTER");
            }
            hold(&mut self.held, "IPv6 addresses are not in this version".into());
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

fn hold(held: &mut Option<Box<str>>, reason: String) {
    held.get_or_insert(reason.into());
}

fn set<T>(to: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *to = value;
    }
}

/// The lines of a block of values.
fn list<'t>(cx: &mut Context, node: Node<'t>) -> super::tree::Children<'t> {
    if let (Some(arg), true) = (node.arg(0), node.body()) {
        let text = format!("'{}' takes its values in the block, not before it", node.word().str());
        cx.bad(Code::Extra, arg, text).help("it is not used");
    }
    node.children()
}

fn track_scripts(cx: &mut Context, node: Node) {
    if node.word().str() == "track_script" {
        let lines = node.children().map(|line| Tracked::new(cx, line.word()));
        let lines: Vec<Tracked> = lines.collect();
        cx.tracked.extend(lines);
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

/// `ADDR[/LEN] [option..]`
fn address(cx: &mut Context, line: Node) -> Option<Vip> {
    let arg = line.word();
    let net = prefix(cx, arg)?;
    let mut vip = Vip { net, dev: None, broadcast: None, scope: 0, label: None };
    let v6 = net.family() == Family::V6;
    let mut at = 0;
    while let Some(option) = line.arg(at) {
        at += 1;
        let word = option.str();
        let value = match word.as_ref() {
            "dev" | "brd" | "broadcast" | "scope" | "label" | "peer" | "preferred_lft" | "track_group" => {
                let Some(value) = line.arg(at) else {
                    cx.bad(Code::Argument, option, format!("'{word}' has no argument")).help("it is not used");
                    break;
                };
                at += 1;
                value
            }
            _ => option,
        };
        let text = value.str();
        match word.as_ref() {
            "dev" => vip.dev = cx.interface(value),
            "brd" | "broadcast" if v6 => {
                cx.bad(Code::Conflict, option, "an IPv6 address has no broadcast address".into()).help("it is not used")
            }
            "brd" | "broadcast" => match broadcast(net, &text) {
                Some(ip) => vip.broadcast = Some(ip),
                None => {
                    cx.bad(Code::Value, value, format!("'{text}' is not an IPv4 broadcast address"))
                        .help("the address is not used");
                    return None;
                }
            },
            "scope" if v6 => cx
                .bad(Code::Conflict, option, "the scope of an IPv6 address cannot be chosen".into())
                .help("it is not used"),
            "scope" => match scope(&text) {
                Some(n) => vip.scope = n,
                None => cx
                    .bad(Code::Value, value, format!("'{text}' is not a scope"))
                    .help("write global, site, link, host or a number up to 255"),
            },
            "label" => match IfName::label(&text) {
                Some(label) => vip.label = Some(label),
                None => {
                    cx.bad(Code::Range, value, format!("the label '{text}' is not 1 to 15 characters without blanks"))
                        .help("the address is not used");
                    return None;
                }
            },
            "peer" | "preferred_lft" | "track_group" | "home" | "-nodad" | "mngtmpaddr" | "noprefixroute"
            | "autojoin" | "no_track" | "use_vmac" => cx
                .warn(Code::NotYet, option.span(), &word, format!("'{word}' of an address is not in this version"))
                .help("the address is set without it"),
            _ => cx.bad(Code::Value, option, format!("an address has no option '{word}'")).help("it is not used"),
        }
    }
    Some(vip)
}

fn prefix(cx: &mut Context, arg: Arg) -> Option<IpNet> {
    let word = arg.str();
    if let Ok(net) = word.parse() {
        return Some(net);
    }
    let (ip, len) = word.split_once('/').unwrap_or((&word, ""));
    match ip.parse::<IpAddr>() {
        Ok(ip) => {
            let net = IpNet::host(ip);
            cx.bad(Code::Range, arg, format!("a prefix length is a whole number from 0 to {}, not '{len}'", net.len))
                .help(format!("/{} is used", net.len));
            Some(net)
        }
        Err(_) => {
            cx.bad(Code::Value, arg, format!("'{word}' is not an address")).help("the line is not used");
            None
        }
    }
}

fn broadcast(net: IpNet, word: &str) -> Option<Ipv4Addr> {
    let IpAddr::V4(ip) = net.addr else { return None };
    let host = u32::MAX.checked_shr(net.len.into()).unwrap_or(0);
    match word {
        "+" => Some(Ipv4Addr::from(u32::from(ip) | host)),
        "-" => Some(Ipv4Addr::from(u32::from(ip) & !host)),
        _ => word.parse().ok(),
    }
}

fn scope(word: &str) -> Option<u8> {
    match word {
        "global" | "universe" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        _ => word.parse().ok(),
    }
}

/// `[TYPE] [to] DEST [option..]`
fn route(cx: &mut Context, line: Node, held: &mut Option<Box<str>>) -> Option<Route> {
    let mut kind = 1;
    let mut dst = None;
    let (mut via, mut dev, mut src, mut table, mut metric, mut given) = (None, None, None, 254, 0, None);
    let words: Vec<Arg> = line.all().take(256).collect();
    let mut at = 0;
    while let Some(&arg) = words.get(at) {
        at += 1;
        let word = arg.str();
        let takes = matches!(
            word.as_ref(),
            "to" | "via" | "gw" | "dev" | "oif" | "src" | "table" | "metric" | "priority" | "preference" | "scope"
        ) || OPTIONS.contains(&word.as_ref());
        let value = match (takes, words.get(at)) {
            (false, _) => arg,
            (true, Some(value)) => {
                at += 1;
                *value
            }
            (true, None) => {
                cx.bad(Code::Argument, arg, format!("'{word}' has no argument")).help("it is not used");
                break;
            }
        };
        let text = value.str();
        match word.as_ref() {
            "to" => dst = Some(value),
            "via" | "gw" => {
                if word == "gw" {
                    cx.say(Level::Hint, Code::Renamed, arg.span(), "gw", "'gw' is the old name of 'via'".into(), 5)
                        .help("write 'via'");
                }
                via = Some(route_ip(cx, value)?);
            }
            "dev" | "oif" => dev = cx.interface(value),
            "src" => src = Some(route_ip(cx, value)?),
            "table" => match (text.as_ref(), text.parse()) {
                ("main", _) => table = 254,
                ("local", _) => table = 255,
                ("default", _) => table = 253,
                (_, Ok(n)) => table = n,
                _ => {
                    cx.bad(Code::Value, value, format!("'{text}' is not a table"))
                        .help("write its number; the route is not used");
                    return None;
                }
            },
            "metric" | "priority" | "preference" => match text.parse() {
                Ok(n) => metric = n,
                Err(_) => {
                    cx.bad(Code::Value, value, format!("'{text}' is not a metric"))
                        .help("write a whole number; the route is not used");
                    return None;
                }
            },
            "scope" => {
                given = scope(&text);
                if given.is_none() {
                    cx.bad(Code::Value, value, format!("'{text}' is not a scope")).help("it is not used");
                }
            }
            "inet" | "inet6" | "no_track" | "add" | "prepend" | "append" => {}
            "nexthop" | "or" => {
                cx.warn(
                    Code::Safeguard,
                    arg.span(),
                    &word,
                    "routes with several gateways are not in this version".into(),
                )
                .help("the route is not set and the instance is kept out of MASTER");
                hold(held, "routes with several gateways are not in this version".into());
                return None;
            }
            "onlink" => drop(cx.warn(Code::NotYet, arg.span(), &word, "'onlink' is not in this version".into())),
            option if OPTIONS.contains(&option) => cx
                .warn(Code::NotYet, arg.span(), option, format!("'{option}' of a route is not in this version"))
                .help("the route is set without it"),
            word => match KINDS.iter().find(|(name, _)| *name == word) {
                Some((_, n)) => kind = *n,
                None if dst.is_none() => dst = Some(arg),
                None => {
                    cx.bad(Code::Value, arg, format!("a route has no option '{word}'")).help("the route is not used");
                    return None;
                }
            },
        }
    }
    let Some(to) = dst else {
        cx.bad(Code::Missing, line.word(), "the route has no destination".into())
            .help("write DEST via GATEWAY dev INTERFACE");
        return None;
    };
    let v6 = via.or(src).is_some_and(|ip: IpAddr| ip.is_ipv6());
    let dst = match to.str().as_ref() {
        "default" | "any" if v6 => IpNet { addr: Ipv6Addr::UNSPECIFIED.into(), len: 0 },
        "default" | "any" => IpNet { addr: Ipv4Addr::UNSPECIFIED.into(), len: 0 },
        _ => prefix(cx, to)?,
    };
    let scope = given.unwrap_or(match kind {
        1 if via.is_none() => 253,
        2 => 254,
        3..=5 => 253,
        _ => 0,
    });
    Some(Route { dst, via, dev, src, table, metric, scope, kind })
}

fn route_ip(cx: &mut Context, arg: Arg) -> Option<IpAddr> {
    let word = arg.str();
    // An address with a length is seen in real files.
    let ip = word.split('/').next().unwrap_or_default().parse().ok();
    if ip.is_none() {
        cx.bad(Code::Value, arg, format!("'{word}' is not an address")).help("the route is not used");
    }
    ip
}

/// Options of a route that take one argument and are not in this version.
const OPTIONS: &[&str] = &[
    "from",
    "tos",
    "dsfield",
    "protocol",
    "encap",
    "expires",
    "mtu",
    "hoplimit",
    "advmss",
    "rtt",
    "rttvar",
    "reordering",
    "window",
    "cwnd",
    "ssthresh",
    "realms",
    "rto_min",
    "initcwnd",
    "initrwnd",
    "features",
    "quickack",
    "congctl",
    "pref",
    "ttl-propagate",
    "fastopen_no_cookie",
    "as",
    "vrf",
    "track_group",
    "weight",
];

/// RTN_*.
const KINDS: &[(&str, u8)] = &[
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
    ("throw", 9),
    ("nat", 10),
    ("xresolve", 11),
];

/// A vrrp_sync_group as it was read: members are names.
#[derive(Default)]
pub struct GroupDraft {
    name: Box<str>,
    span: Span,
    path: Box<str>,
    seen: Seen,
    members: Vec<(Box<str>, Span)>,
    notify: Notify,
    smtp_alert: Option<bool>,
    held: Option<Box<str>>,
}

impl GroupDraft {
    pub fn new(cx: &Context, name: Arg) -> GroupDraft {
        GroupDraft { name: name.str().as_ref().into(), span: name.span(), path: cx.path(), ..Default::default() }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::Group, &mut self.seen) else { return };
        match keyword.word {
            "group" if !self.members.is_empty() => {
                let word = node.word();
                cx.bad(Code::Repeated, word, "'group' was given before in this block".into())
                    .help("the first one counts");
            }
            "group" => {
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
            word => {
                cx.unread(node, keyword);
                track_scripts(cx, node);
                if let State::Guard(_) = keyword.state {
                    hold(&mut self.held, format!("'{word}' of its group is not in this version"));
                }
            }
        }
    }
}

/// Once the whole file is read: instances, groups and the sync daemon, with names resolved.
pub fn settle(
    cx: &mut Context,
    global: &mut GlobalDraft,
    drafts: Vec<InstanceDraft>,
    groups: Vec<GroupDraft>,
    config: &mut Config,
) {
    let mut garp = global.garp.over(config.global.garp);
    // Answers to lower adverts follow the global values, not an instance's own garp_master_delay and repeat.
    garp.lower_delay.get_or_insert(garp.delay);
    garp.lower_repeat.get_or_insert(garp.repeat);
    config.global.garp = garp;
    let mut names: HashMap<Box<str>, usize> = HashMap::new();
    let mut taken: HashMap<(IfName, u8), (Box<str>, Span)> = HashMap::new();
    let mut syncs: Vec<(IfName, Span, usize, Box<str>)> = Vec::new();
    for mut draft in drafts {
        cx.return_to(&draft.path);
        let (Some(interface), Some((vrid, vrid_span))) = (draft.interface.take(), draft.vrid) else {
            let what = if draft.vrid.is_none() { "virtual_router_id" } else { "interface" };
            if !draft.bad && !draft.seen.has(Block::Instance, &[what]) {
                let text = format!("the instance '{}' has no '{what}'", draft.name);
                cx.error(Code::Missing, draft.span, &draft.name, text).help("the instance is not used");
            }
            // Its name is known all the same: a group that names it is not wrong twice.
            names.insert(draft.name, usize::MAX);
            continue;
        };
        if let Some((other, _)) = taken.get(&(interface.clone(), vrid)) {
            let text = format!("'{}' and '{other}' both use virtual_router_id {vrid} on {interface}", draft.name);
            cx.error(Code::Clash, vrid_span, &draft.name, text).help("the second one is kept in FAULT");
            hold(&mut draft.held, format!("virtual_router_id {vrid} on {interface} belongs to '{other}' already"));
        } else {
            taken.insert((interface.clone(), vrid), (draft.name.clone(), vrid_span));
        }
        let number = config.instances.len();
        if let Some((interface, span)) = draft.sync.take() {
            syncs.push((interface, span, number, draft.path.clone()));
        }
        names.insert(draft.name.clone(), number);
        config.instances.push(draft.finish(cx, global, garp, interface, vrid));
    }
    for draft in groups {
        cx.return_to(&draft.path);
        draft.finish(cx, &names, global, config);
    }
    sync_daemon(cx, global, syncs, &names, config);
    cx.return_to("");
}

impl InstanceDraft {
    fn finish(
        self,
        cx: &mut Context,
        global: &GlobalDraft,
        garp: super::model::Garp,
        interface: IfName,
        vrid: u8,
    ) -> Instance {
        let want_master = self.master.unwrap_or(false);
        let priority = self.priority.unwrap_or(if want_master { 255 } else { 100 });
        let mut held = self.held;
        let owner = |what: &str| {
            if want_master {
                (format!("'{what}' has no effect with 'state MASTER'"), "write 'state BACKUP' on all routers")
            } else {
                (format!("'{what}' has no effect with priority 255"), "the owner of the addresses always preempts")
            }
        };
        let no_effect = want_master || priority == 255;
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
            // Nothing is preempted, sooner or later.
            preempt_delay = Duration::ZERO;
        }
        let version3 = self.version3.unwrap_or(global.version3);
        if version3 {
            cx.warn(
                Code::Safeguard,
                self.span,
                &self.name,
                format!("'{}' uses VRRP version 3, which is not in this version", self.name),
            )
            .help("the instance is kept out of MASTER");
            hold(&mut held, "VRRP version 3 is not in this version".into());
        }
        if self.strict.unwrap_or(global.strict) {
            hold(&mut held, "the strict rules are not in this version".into());
        }
        let advert_int = match self.advert_int {
            None => Duration::from_secs(1),
            Some((d, _)) if version3 || d.subsec_nanos() == 0 => d,
            Some((d, span)) => {
                let whole = Duration::from_secs(((d.as_millis() as u64 + 500) / 1000).clamp(1, 255));
                let text = format!("version 2 sends adverts each whole number of seconds, not {}", d.as_secs_f64());
                cx.error(Code::Rounded, span, "advert_int", text).help(format!("{} is used", whole.as_secs()));
                whole
            }
        };
        let mut auth = Auth::None;
        match (self.auth_span, self.auth_type, self.auth_pass) {
            (None, ..) | (_, Some(AuthType::Ah), _) => {}
            (Some(_), Some(AuthType::Pass), Some(pass)) => auth = Auth::Pass(pass),
            (Some(span), Some(AuthType::Pass), None) if !self.auth_seen.has(Block::Auth, &["auth_pass"]) => {
                cx.error(Code::Missing, span, "auth_pass", "'authentication' has no 'auth_pass'".into())
                    .help("adverts are not authenticated");
            }
            (Some(_), Some(AuthType::Pass), None) => {}
            (Some(span), None, _) => {
                // keepalived says nothing and does not authenticate.
                cx.warn(Code::Missing, span, "auth_type", "'authentication' has no 'auth_type'".into())
                    .help("adverts are not authenticated; write auth_type PASS");
            }
        }
        if !self.tried_vips && !self.no_vips {
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
        let mut notify = self.notify;
        let user = &global.script_user;
        for script in [&mut notify.master, &mut notify.backup, &mut notify.fault, &mut notify.stop, &mut notify.any] {
            script::default_user(script.as_mut(), user);
        }
        Instance {
            name: self.name,
            want_master,
            interface,
            vrid,
            priority,
            advert_int,
            auth,
            nopreempt,
            preempt_delay,
            mcast_src_ip: self.mcast_src_ip,
            dont_track_primary: self.dont_track_primary,
            vips: self.vips,
            excluded: self.excluded,
            routes: self.routes,
            garp: self.garp.over(garp),
            notify,
            smtp_alert: self.smtp_alert.or(global.smtp_alert_vrrp).or(global.smtp_alert).unwrap_or(false),
            track_interfaces: self.tracks,
            group: None,
            held,
            lower_prio_no_advert: self.lower_prio_no_advert.unwrap_or(global.lower_prio_no_advert),
            higher_prio_send_advert: self.higher_prio_send_advert.unwrap_or(global.higher_prio_send_advert),
            skip_check_adv_addr: self.skip_check_adv_addr.unwrap_or(global.skip_check_adv_addr),
            down_timer_adverts: self.down_timer_adverts.or(global.down_timer_adverts).unwrap_or(3),
        }
    }
}

impl GroupDraft {
    fn finish(self, cx: &mut Context, names: &HashMap<Box<str>, usize>, global: &GlobalDraft, config: &mut Config) {
        let number = config.groups.len();
        let mut members = Vec::new();
        let mut said = false;
        for (name, span) in &self.members {
            let Some(instance) = names.get(name).copied() else {
                let close = super::diagnostic::closest(name, names.keys().map(|k| k.as_ref()));
                let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                cx.error(Code::Reference, *span, name, format!("there is no vrrp_instance '{name}'"))
                    .help(format!("{help}it is not used"));
                said = true;
                continue;
            };
            let Some(found) = config.instances.get_mut(instance) else {
                said = true;
                continue;
            };
            if members.contains(&instance) {
                cx.warn(Code::Duplicate, *span, name, format!("'{name}' is in this group twice"))
                    .help("the second is not used");
                continue;
            }
            if found.group.is_some() {
                said = true;
                cx.error(Code::Conflict, *span, name, format!("'{name}' is in another vrrp_sync_group already"))
                    .help("it is not used here");
                continue;
            }
            found.group = Some(number);
            if let Some(reason) = &self.held {
                found.held.get_or_insert(reason.clone());
            }
            members.push(instance);
        }
        if members.is_empty() {
            if !said || self.members.is_empty() {
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
        config.groups.push(Group { name: self.name, members, notify, smtp_alert });
    }
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
            cx.error(Code::Reference, sync.span, &sync.instance, text)
                .help("the connection sync daemon is not started");
        } else {
            let vrid = instance.and_then(|n| config.instances.get(n)).map_or(0, |i| i.vrid);
            config.sync_daemon = Some(SyncDaemon { interface: sync.interface, instance, id: sync.id.unwrap_or(vrid) });
        }
    }
    for (interface, span, instance, path) in syncs {
        match &config.sync_daemon {
            None => {
                let id = config.instances.get(instance).map_or(0, |i| i.vrid);
                config.sync_daemon = Some(SyncDaemon { interface, instance: Some(instance), id });
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
