//! Addresses, routes and rules in one line each, as keepalived's dumps have them. What another program reads there is
//! matched by word and by order, so both are kept even where they look odd.

use super::vrrp::instance::Instance;
use super::vrrp::vlink;
use crate::base::addr::{Family, IfName, IpNet};
use crate::config::model::{self, Create, Nexthop, Route, RouteMore, Rule, RuleAction, Vip};
use std::fmt::{Display, Write};
use std::net::IpAddr;

const MAIN_TABLE: u32 = 254;
const PROTOCOL_KEEPALIVED: u8 = 18;
const UNICAST: u8 = 1;
/// RTAX_* in the order of the dump, and how many of the kernel's units a millisecond has, for times.
const METRICS: [(u8, &str, u32); 14] = [
    (4, "rtt", 8),
    (5, "rttvar", 4),
    (13, "rto_min", 1),
    (2, "mtu", 0),
    (3, "window", 0),
    (6, "ssthresh", 0),
    (7, "cwnd", 0),
    (8, "advmss", 0),
    (9, "reordering", 0),
    (10, "hoplimit", 0),
    (11, "initcwnd", 0),
    (14, "initrwnd", 0),
    (15, "quickack", 0),
    (17, "fastopen_no_cookie", 0),
];
const FEATURES: u8 = 12;

/// Words with blanks between them.
#[derive(Default)]
struct Line {
    text: String,
}

impl Line {
    fn word(&mut self, word: impl Display) {
        let blank = if self.text.is_empty() { "" } else { " " };
        // A String takes all.
        let _ = write!(self.text, "{blank}{word}");
    }

    fn flag(&mut self, word: &str, on: bool) {
        if on {
            self.word(word);
        }
    }

    fn option(&mut self, word: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.word(format_args!("{word} {value}"));
        }
    }
}

/// `set`: the kernel has it.
pub fn address(n: &Instance, conf: &model::Instance, vip: &Vip, set: bool) -> String {
    let mut line = Line::default();
    line.word(net(&vip.net));
    line.option("brd", vip.broadcast);
    let own = vip.dev.as_ref().unwrap_or(&conf.interface);
    match vlink::interface_of(n, conf, vip) {
        link if link != own => line.option("dev", Some(format_args!("{link}@{own}"))),
        own => line.option("dev", Some(own)),
    }
    line.flag("use_vmac", vip.use_vmac);
    line.option("scope", Some(scope(vip.scope)));
    line.option("label", vip.label.as_ref());
    line.option("peer", vip.peer);
    line.flag("home", vip.home);
    line.flag("-nodad", vip.dad);
    line.flag("mngtmpaddr", vip.mngtmpaddr);
    line.flag("noprefixroute", vip.noprefixroute);
    line.flag("autojoin", vip.autojoin);
    line.flag("no_track", vip.no_track);
    match (vip.net.family(), vip.preferred_lft) {
        (Family::V4, _) => {}
        (Family::V6, None) => line.word("preferred_lft forever"),
        (Family::V6, Some(0)) => line.word("deprecated"),
        (Family::V6, Some(n)) => line.option("preferred_lft", Some(n)),
    }
    line.flag("set", set);
    line.text
}

/// The name of the instance's macvlan or ipvlan link.
pub fn virtual_link<'a>(n: &'a Instance, conf: &model::Instance) -> Option<&'a IfName> {
    let main = conf.vmac.is_some() || conf.ipvlan.is_some();
    n.vlinks.first().filter(|_| main).map(|link| &link.name)
}

pub fn route(route: &Route) -> String {
    let none = RouteMore::default();
    let more = route.more.as_deref().unwrap_or(&none);
    let mut line = Line::default();
    line.word(match (route.kind, route.create) {
        (UNICAST, Create::Prepend) => "prepend",
        (UNICAST, Create::Append) => "append",
        _ => "add",
    });
    if let Some(kind) = kind(route.kind) {
        line.word(kind);
    }
    line.word(if route.dst.len == 0 { route.dst.to_string() } else { net(&route.dst) });
    line.option("from", more.from.as_ref().map(net));
    line.option("src", route.src);
    line.option("tos", (more.tos != 0).then_some(more.tos));
    line.option("via", route.via.as_ref().map(via));
    line.option("dev", route.dev.as_ref());
    line.option("table", (route.table != MAIN_TABLE).then_some(route.table));
    // keepalived leaves its own out where no_track is given, and not where it follows from a route without interface.
    let given = route.no_track && (route.dev.is_some() || !route.nexthops.is_empty());
    line.option("proto", more.protocol.or((!given).then_some(PROTOCOL_KEEPALIVED)));
    line.option("scope", (route.scope != 0).then_some(route.scope));
    line.option("metric", (route.metric != 0).then_some(route.metric));
    line.option("expires", more.expires.map(|n| format!("{n}sec")));
    line.flag("onlink", route.onlink);
    match more.realms.map(|n| (n >> 16, n & 0xffff)) {
        Some((0, to)) => line.option("realm", Some(to)),
        Some((from, to)) => line.option("realms", Some(format_args!("{from}/{to}"))),
        None => {}
    }
    metrics(&mut line, more);
    line.option(
        "pref",
        more.pref.map(|n| ["medium", "high", "medium", "low"].get(usize::from(n)).copied().unwrap_or("?")),
    );
    line.option("ttl-propagate", more.ttl_propagate.map(|on| if on { "enabled" } else { "disabled" }));
    for hop in &route.nexthops {
        nexthop(&mut line, hop);
    }
    line.flag("no_track", route.no_track || route.dev.is_none());
    line.text
}

fn metrics(line: &mut Line, more: &RouteMore) {
    if let Some((name, lock)) = &more.congctl {
        line.option("congctl", Some(format_args!("{}{name}", if *lock { "lock " } else { "" })));
    }
    for (number, word, unit) in METRICS {
        if number == 2 && more.metrics.iter().any(|m| m.number == FEATURES) {
            line.word("features ecn");
        }
        let Some(metric) = more.metrics.iter().find(|m| m.number == number) else { continue };
        let lock = if metric.lock { "lock " } else { "" };
        match metric.value.checked_div(unit) {
            Some(ms) => line.option(word, Some(format_args!("{lock}{ms}ms"))),
            None => line.option(word, Some(format_args!("{lock}{}", metric.value))),
        }
    }
}

fn nexthop(line: &mut Line, hop: &Nexthop) {
    line.word("nexthop");
    line.option("via", hop.via.as_ref().map(via));
    line.option("dev", hop.dev.as_ref());
    line.option("weight", (hop.weight > 1).then_some(hop.weight));
    line.flag("onlink", hop.onlink);
}

pub fn rule(rule: &Rule) -> String {
    let mut line = Line::default();
    line.flag("not", rule.not);
    line.option("from", Some(rule.from.as_ref().map_or_else(|| "all".into(), net)));
    line.option("to", rule.to.as_ref().map(net));
    line.option("priority", Some(rule.preference));
    line.word(format_args!("tos {:#x}", rule.tos));
    match rule.fwmark {
        Some((mark, u32::MAX)) => line.word(format_args!("fwmark {mark:#x}")),
        Some((mark, mask)) => line.word(format_args!("fwmark {mark:#x}/{mask:#x}")),
        None => {}
    }
    line.option("iif", rule.iif.as_ref());
    line.option("oif", rule.oif.as_ref());
    line.option("suppress_prefixlen", rule.suppress_prefixlength);
    line.option("suppress_ifgroup", rule.suppress_ifgroup);
    line.option("tunnel-id", rule.tunnel_id);
    line.option("uidrange", rule.uidrange.map(|(from, to)| format!("{from}-{to}")));
    line.flag("l3mdev", rule.action == RuleAction::L3mdev);
    line.option("protocol", rule.protocol.or((!rule.no_track).then_some(PROTOCOL_KEEPALIVED)));
    line.option("ipproto", rule.ipproto);
    line.option("sport", rule.sport.map(|(from, to)| format!("{from}-{to}")));
    line.option("dport", rule.dport.map(|(from, to)| format!("{from}-{to}")));
    line.option("realms", rule.realms.map(|n| format!("{}/{}", n >> 16, n & 0xffff)));
    match rule.action {
        RuleAction::Table(table) => line.option("lookup", Some(table)),
        RuleAction::L3mdev => line.word("lookup 0"),
        RuleAction::Goto(to) => line.option("goto", Some(to)),
        RuleAction::Nop => line.word("nop"),
        RuleAction::Blackhole => line.word("type blackhole"),
        RuleAction::Unreachable => line.word("type unreachable"),
        RuleAction::Prohibit => line.word("type prohibit"),
    }
    line.flag("no_track", rule.no_track);
    line.text
}

fn via(ip: &IpAddr) -> String {
    format!("{} {ip}", if ip.is_ipv4() { "inet" } else { "inet6" })
}

fn kind(kind: u8) -> Option<&'static str> {
    Some(match kind {
        2 => "local",
        3 => "broadcast",
        4 => "anycast",
        5 => "multicast",
        6 => "blackhole",
        7 => "unreachable",
        8 => "prohibit",
        9 => "throw",
        10 => "nat",
        _ => return None,
    })
}

fn scope(scope: u8) -> String {
    match scope {
        0 => "global".into(),
        200 => "site".into(),
        253 => "link".into(),
        254 => "host".into(),
        255 => "nowhere".into(),
        n => n.to_string(),
    }
}

/// Without the length of a single address.
fn net(net: &IpNet) -> String {
    if net.len == net.family().max_len() {
        return net.addr.to_string();
    }
    format!("{}/{}", net.addr, net.len)
}
