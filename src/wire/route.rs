//! Routes in rtnetlink (linux/rtnetlink.h): requests, and what the kernel tells of them.

use super::netlink::{attributes, Body, Writer, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use super::op::{Create, Leg, RouteKey, RouteValue, OUR_PROTOCOL};
use super::rtnl::{address, c_string, family_number, ip, text, AF_INET, AF_INET6};
use crate::base::addr::{Family, IpNet};
use crate::base::bytes::{Reader, Writer as Bytes};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const RTM_NEWROUTE: u16 = 24;
pub const RTM_DELROUTE: u16 = 25;

const NLM_F_APPEND: u16 = 0x800;

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_EXPIRES: u16 = 23;
const RTA_TTL_PROPAGATE: u16 = 26;
const NLA_F_NESTED: u16 = 0x8000;

/// RTAX_LOCK: a bit for each metric that path MTU discovery and its like leave alone.
pub const LOCK: u16 = 1;
const CC_ALGO: u16 = 16;
const RTNH_F_ONLINK: u8 = 4;
const RT_SCOPE_NOWHERE: u8 = 255;

/// Puts it beside what is there.
pub fn add(w: &mut Writer, key: &RouteKey, value: &RouteValue, seq: u32) {
    let how = match value.create {
        Create::Add => NLM_F_CREATE | NLM_F_EXCL,
        Create::Prepend => NLM_F_CREATE,
        Create::Append => NLM_F_CREATE | NLM_F_APPEND,
    };
    w.message(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | how, seq, |m| {
        head(m, key, value, value.scope);
        if let Some(src) = value.src {
            address(m, RTA_PREFSRC, &src);
        }
        metrics(m, value);
        if let Some(seconds) = value.expires {
            m.u32(RTA_EXPIRES, seconds);
        }
        if let Some(pref) = value.pref {
            m.attribute(RTA_PREF, &[pref]);
        }
        if let Some(on) = value.ttl_propagate {
            m.attribute(RTA_TTL_PROPAGATE, &[on.into()]);
        }
        ways(m, key, value);
    });
}

/// Found by its place, kind, protocol and gateways: no other than ours.
pub fn delete(w: &mut Writer, key: &RouteKey, value: &RouteValue, seq: u32) {
    let scope = if key.dst.family() == Family::V4 { RT_SCOPE_NOWHERE } else { 0 };
    w.message(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, seq, |m| {
        head(m, key, value, scope);
        ways(m, key, value);
    });
}

fn head(m: &mut Body<'_>, key: &RouteKey, value: &RouteValue, scope: u8) {
    let family = family_number(key.dst.family());
    // A table above 255 goes into its attribute alone.
    let table = u8::try_from(key.table).unwrap_or(0);
    let from = value.from.map_or(0, |net| net.len);
    let mut head = Bytes::new();
    head.put(&[family, key.dst.len, from, key.tos, table, value.protocol(), scope, value.kind()]);
    head.u32_ne(onlink_flag(value.onlink).into());
    m.fixed(&head.bytes);
    m.u32(RTA_TABLE, key.table);
    if key.dst.len > 0 {
        address(m, RTA_DST, &key.dst.addr);
    }
    if let Some(net) = value.from.filter(|net| net.len > 0) {
        address(m, RTA_SRC, &net.addr);
    }
    if key.metric > 0 {
        m.u32(RTA_PRIORITY, key.metric);
    }
    if let Some(realms) = value.realms {
        m.u32(RTA_FLOW, realms);
    }
}

fn onlink_flag(on: bool) -> u8 {
    if on {
        RTNH_F_ONLINK
    } else {
        0
    }
}

fn ways(m: &mut Body<'_>, key: &RouteKey, value: &RouteValue) {
    let family = key.dst.family();
    gateway(m, family, value.via);
    if let Some(ifindex) = value.ifindex {
        m.u32(RTA_OIF, ifindex);
    }
    if !value.legs.is_empty() {
        m.nest(RTA_MULTIPATH, |m| value.legs.iter().for_each(|leg| self::leg(m, family, leg)));
    }
}

/// struct rtnexthop: length u16, flags, weight less one, interface i32; then its attributes.
fn leg(m: &mut Body<'_>, family: Family, leg: &Leg) {
    let weight = u8::try_from(leg.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    m.sized(|m| {
        let mut head = Bytes::new();
        head.put(&[onlink_flag(leg.onlink), weight]);
        head.u32_ne(leg.ifindex.unwrap_or(0));
        m.raw(&head.bytes);
        gateway(m, family, leg.via);
    });
}

fn gateway(m: &mut Body<'_>, family: Family, via: Option<IpAddr>) {
    match via {
        Some(via) if Family::of(&via) == family => address(m, RTA_GATEWAY, &via),
        Some(IpAddr::V6(via)) => {
            let mut bytes = Bytes::new();
            bytes.u16_ne(u16::from(AF_INET6));
            bytes.put(&via.octets());
            m.attribute(RTA_VIA, &bytes.bytes);
        }
        // An IPv4 gateway of an IPv6 route does not exist.
        _ => {}
    }
}

fn metrics(m: &mut Body<'_>, value: &RouteValue) {
    if value.metrics.is_empty() && value.congctl.is_none() {
        return;
    }
    m.nest(RTA_METRICS | NLA_F_NESTED, |m| {
        value.metrics.iter().for_each(|(number, n)| m.u32(*number, *n));
        if let Some(name) = &value.congctl {
            m.attribute(CC_ALGO, &c_string(name));
        }
    });
}

/// rtmsg: family, destination length, source length, tos, table, protocol, scope, type, flags u32.
pub fn parse(body: &[u8]) -> Option<(RouteKey, RouteValue)> {
    let mut r = Reader::new(body);
    let [family, len, from_len, tos, table, protocol, scope, kind] = r.array()?;
    let flags = r.u32_ne()?;
    // A router may hold a million routes of others.
    if protocol != OUR_PROTOCOL {
        return None;
    }
    let any = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let onlink = flags & u32::from(RTNH_F_ONLINK) != 0;
    let mut value = RouteValue { scope, kind, protocol, onlink, ..RouteValue::default() };
    let (mut dst, mut table, mut metric) = (any, u32::from(table), 0);
    for (kind, payload) in attributes(r.rest()) {
        let mut r = Reader::new(payload);
        match kind {
            RTA_DST => dst = ip(family, payload)?,
            RTA_SRC => value.from = IpNet::new(ip(family, payload)?, from_len),
            RTA_TABLE => table = r.u32_ne()?,
            RTA_PRIORITY => metric = r.u32_ne()?,
            RTA_GATEWAY | RTA_VIA => value.via = read_gateway(family, kind, payload),
            RTA_OIF => value.ifindex = Some(r.u32_ne()?),
            RTA_PREFSRC => value.src = ip(family, payload),
            RTA_FLOW => value.realms = Some(r.u32_ne()?),
            RTA_PREF => value.pref = r.u8(),
            RTA_TTL_PROPAGATE => value.ttl_propagate = r.u8().map(|on| on != 0),
            RTA_METRICS => read_metrics(payload, &mut value),
            RTA_MULTIPATH => value.legs = read_legs(family, payload),
            _ => {}
        }
    }
    Some((RouteKey { table, dst: IpNet::new(dst, len)?, metric, tos, way: value.way() }, value))
}

fn read_gateway(family: u8, kind: u16, payload: &[u8]) -> Option<IpAddr> {
    if kind == RTA_GATEWAY {
        return ip(family, payload);
    }
    let mut r = Reader::new(payload);
    ip(u8::try_from(r.u16_ne()?).ok()?, r.rest())
}

fn read_metrics(payload: &[u8], value: &mut RouteValue) {
    for (number, payload) in attributes(payload) {
        match number {
            CC_ALGO => value.congctl = text(payload).map(Into::into),
            _ => value.metrics.extend(Reader::new(payload).u32_ne().map(|n| (number, n))),
        }
    }
    value.metrics.sort_unstable();
}

fn read_legs(family: u8, payload: &[u8]) -> Vec<Leg> {
    let mut legs = Vec::new();
    let mut r = Reader::new(payload);
    while let Some(leg) = read_leg(family, &mut r) {
        legs.push(leg);
    }
    legs
}

fn read_leg(family: u8, all: &mut Reader<'_>) -> Option<Leg> {
    let mut r = *all;
    let len = usize::from(r.u16_ne()?);
    let mut r = Reader::new(all.take(len)?);
    all.take((len.wrapping_neg() % 4).min(all.rest().len()))?;
    r.take(2)?;
    let (flags, weight) = (r.u8()?, r.u8()?);
    let ifindex = Some(r.u32_ne()?).filter(|i| *i > 0);
    let via = attributes(r.rest())
        .filter(|(kind, _)| matches!(*kind, RTA_GATEWAY | RTA_VIA))
        .find_map(|(kind, payload)| read_gateway(family, kind, payload));
    Some(Leg { via, ifindex, weight: u16::from(weight) + 1, onlink: flags & RTNH_F_ONLINK != 0 })
}

/// Is what the kernel tells of a route what was asked for? It fills in interfaces and defaults of its own.
pub fn is_same(want: &RouteValue, have: &RouteValue) -> bool {
    let place = |want: Option<u32>, have: Option<u32>| want.is_none() || want == have;
    let leg = |(want, have): (&Leg, &Leg)| {
        (want.via, want.weight, want.onlink) == (have.via, have.weight, have.onlink)
            && place(want.ifindex, have.ifindex)
    };
    let legs = want.legs.len() == have.legs.len() && want.legs.iter().zip(&have.legs).all(leg);
    let details = |v: &RouteValue| {
        (v.kind(), v.protocol(), v.scope, v.src, v.from, v.realms, v.pref.unwrap_or(0), v.ttl_propagate, v.onlink)
    };
    details(want) == details(have)
        && want.via == have.via
        && place(want.ifindex, have.ifindex)
        && legs
        && want.metrics == have.metrics
        && want.congctl == have.congctl
}
