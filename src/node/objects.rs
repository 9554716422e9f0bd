//! Addresses, routes and rules of the configuration as objects of the kernel, and the interfaces that they need.

use super::links::Links;
use crate::base::addr::{Family, IfName, IpNet};
use crate::config::model::{self, Instance, RuleAction, Vip};
use crate::wire::op::{
    AddressKey, AddressMore, AddressValue, Create, Key, Leg, Lifetime, RouteKey, RouteValue, RuleKey, RuleValue, Value,
};
use crate::wire::{route as form, rule as actions};

const IFA_F_HOMEADDRESS: u32 = 0x10;
const IFA_F_MANAGETEMPADDR: u32 = 0x100;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;
const IFA_F_MCAUTOJOIN: u32 = 0x400;
/// What the kernel gives an IPv6 route that asks for none.
const IPV6_METRIC: u32 = 1024;

/// The prefix length of a point-to-point link stands behind the other end.
pub fn net(vip: &Vip) -> IpNet {
    IpNet { addr: vip.net.addr, len: vip.peer.map_or(vip.net.len, |peer| peer.len) }
}

pub fn address(vip: &Vip, ifindex: u32) -> (Key, Value) {
    let flags = [
        (vip.home, IFA_F_HOMEADDRESS),
        (vip.mngtmpaddr, IFA_F_MANAGETEMPADDR),
        (vip.noprefixroute, IFA_F_NOPREFIXROUTE),
        (vip.autojoin, IFA_F_MCAUTOJOIN),
    ];
    let lifetime = match vip.preferred_lft {
        same if same == Vip::preferred(vip.net) => Lifetime::Usual,
        None => Lifetime::Ever,
        Some(n) => Lifetime::Seconds(n),
    };
    let more = AddressMore {
        peer: vip.peer.map(|peer| peer.addr),
        dad: vip.dad,
        flags: flags.iter().filter(|(on, _)| *on).fold(0, |all, (_, flag)| all | flag),
        lifetime,
        loose: vip.no_track,
    };
    let more = (more != AddressMore::default()).then(|| Box::new(more));
    let value = AddressValue { broadcast: vip.broadcast, label: vip.label.clone(), scope: vip.scope, more };
    (Key::Address(AddressKey { ifindex, net: net(vip) }), Value::Address(value))
}

/// None: an interface of it is not there.
pub fn route(route: &model::Route, links: &Links) -> Option<(Key, Value)> {
    let family = route.dst.family();
    let index = |dev: &Option<IfName>| match dev {
        None => Some(None),
        Some(name) => links.get(name).map(|link| Some(link.ifindex)),
    };
    let none = model::RouteMore::default();
    let more = route.more.as_deref().unwrap_or(&none);
    let mut value = RouteValue {
        via: route.via,
        ifindex: index(&route.dev)?,
        src: route.src,
        // IPv6 knows no scopes of routes.
        scope: if family == Family::V4 { route.scope } else { 0 },
        kind: route.kind,
        protocol: more.protocol.unwrap_or(0),
        onlink: route.onlink,
        from: more.from,
        expires: more.expires,
        realms: more.realms,
        pref: more.pref,
        ttl_propagate: more.ttl_propagate,
        congctl: more.congctl.as_ref().map(|(name, _)| name.clone()),
        create: match route.create {
            model::Create::Add => Create::Add,
            model::Create::Prepend => Create::Prepend,
            model::Create::Append => Create::Append,
        },
        loose: route.no_track,
        ..RouteValue::default()
    };
    value.metrics = metrics(more);
    for leg in &route.nexthops {
        let ifindex = index(&leg.dev)?;
        value.legs.push(Leg { via: leg.via, ifindex, weight: leg.weight, onlink: leg.onlink });
    }
    if let [only] = value.legs.as_slice() {
        (value.via, value.onlink) = (only.via, only.onlink || value.onlink);
        value.ifindex = only.ifindex.or(value.ifindex);
        value.legs.clear();
    }
    if value.legs.len() > 1 {
        value.ifindex = None;
    }
    let table = match &more.vrf {
        None => route.table,
        Some(name) => links.get(name).map(|link| link.more.vrf_table).filter(|table| *table > 0)?,
    };
    let metric = if family == Family::V6 && route.metric == 0 { IPV6_METRIC } else { route.metric };
    let key = RouteKey { table, dst: route.dst, metric, tos: more.tos, way: value.way() };
    Some((Key::Route(key), Value::Route(Box::new(value))))
}

/// RTA_METRICS, with the locked ones as a set of their own.
fn metrics(more: &model::RouteMore) -> Vec<(u16, u32)> {
    const CC_ALGO: u32 = 16;
    let bit = |number: u32| 1u32.checked_shl(number).unwrap_or(0);
    let mut lock: u32 =
        more.metrics.iter().filter(|m| m.lock).map(|m| bit(m.number.into())).fold(0, |all, bit| all | bit);
    if more.congctl.as_ref().is_some_and(|(_, lock)| *lock) {
        lock |= bit(CC_ALGO);
    }
    let locked = (lock > 0).then_some((form::LOCK, lock));
    let mut all: Vec<(u16, u32)> = more.metrics.iter().map(|m| (m.number.into(), m.value)).chain(locked).collect();
    all.sort_unstable();
    all
}

pub fn rule(rule: &model::Rule) -> (Key, Value) {
    let (action, table, goto) = match rule.action {
        RuleAction::Table(table) => (actions::TO_TABLE, table, None),
        RuleAction::L3mdev => (actions::TO_TABLE, 0, None),
        RuleAction::Goto(target) => (actions::GOTO, 0, Some(target)),
        RuleAction::Nop => (actions::NOP, 0, None),
        RuleAction::Blackhole => (actions::BLACKHOLE, 0, None),
        RuleAction::Unreachable => (actions::UNREACHABLE, 0, None),
        RuleAction::Prohibit => (actions::PROHIBIT, 0, None),
    };
    let value = RuleValue {
        action,
        table,
        goto,
        invert: rule.not,
        from: rule.from.filter(|net| net.len > 0),
        to: rule.to.filter(|net| net.len > 0),
        iif: rule.iif.clone(),
        oif: rule.oif.clone(),
        tos: rule.tos,
        fwmark: rule.fwmark,
        realms: rule.realms,
        suppress_prefixlength: rule.suppress_prefixlength,
        suppress_ifgroup: rule.suppress_ifgroup,
        tunnel_id: rule.tunnel_id,
        uidrange: rule.uidrange,
        protocol: rule.protocol.unwrap_or(0),
        l3mdev: rule.action == RuleAction::L3mdev,
        ipproto: rule.ipproto,
        sport: rule.sport,
        dport: rule.dport,
        loose: rule.no_track,
    };
    let key = RuleKey { family: rule.family, preference: rule.preference, way: value.way() };
    (Key::Rule(key), Value::Rule(Box::new(value)))
}

/// The interfaces that a route names.
pub fn links_of_route(route: &model::Route) -> impl Iterator<Item = &IfName> {
    let vrf = route.more.iter().filter_map(|more| more.vrf.as_ref());
    route.dev.iter().chain(route.nexthops.iter().filter_map(|leg| leg.dev.as_ref())).chain(vrf)
}

pub fn links_of_rule(rule: &model::Rule) -> impl Iterator<Item = &IfName> {
    rule.iif.iter().chain(&rule.oif)
}

/// The interfaces that an instance needs for what it holds, beside its own; `all`: those without consequence too.
pub fn links_of(conf: &Instance, all: bool) -> impl Iterator<Item = &IfName> {
    let vips =
        conf.vips.iter().chain(&conf.excluded).filter(move |v| all || !v.no_track).filter_map(|v| v.dev.as_ref());
    let routes = conf.routes.iter().filter(move |r| all || !r.no_track).flat_map(links_of_route);
    let rules = conf.rules.iter().filter(move |r| all || !r.no_track).flat_map(links_of_rule);
    vips.chain(routes).chain(rules)
}
