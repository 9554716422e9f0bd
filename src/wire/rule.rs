//! Rules of the routing policy in rtnetlink (linux/fib_rules.h).

use super::netlink::{attributes, Body, Writer, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use super::op::{RuleKey, RuleValue};
use super::rtnl::{address, c_string, family_number, ip, text, AF_INET, AF_INET6};
use crate::base::addr::{Family, IpNet};
use crate::base::bytes::{Reader, Writer as Bytes};

pub const RTM_NEWRULE: u16 = 32;
pub const RTM_DELRULE: u16 = 33;

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;

/// FR_ACT_*.
pub const TO_TABLE: u8 = 1;
pub const GOTO: u8 = 2;
pub const NOP: u8 = 3;
pub const BLACKHOLE: u8 = 6;
pub const UNREACHABLE: u8 = 7;
pub const PROHIBIT: u8 = 8;

const INVERT: u32 = 2;
const RT_TABLE_UNSPEC: u8 = 0;
/// A suppression that is none: the kernel tells it all the same.
const NO_SUPPRESSION: u32 = u32::MAX;

pub fn add(w: &mut Writer, key: &RuleKey, value: &RuleValue, seq: u32) {
    let how = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    w.message(RTM_NEWRULE, how, seq, |m| rule(m, key, value));
}

pub fn delete(w: &mut Writer, key: &RuleKey, value: &RuleValue, seq: u32) {
    w.message(RTM_DELRULE, NLM_F_REQUEST | NLM_F_ACK, seq, |m| rule(m, key, value));
}

fn rule(m: &mut Body<'_>, key: &RuleKey, value: &RuleValue) {
    let len = |net: Option<IpNet>| net.map_or(0, |net| net.len);
    let table = u8::try_from(value.table).unwrap_or(RT_TABLE_UNSPEC);
    let mut head = Bytes::new();
    head.put(&[family_number(key.family), len(value.to), len(value.from), value.tos, table, 0, 0, value.action]);
    head.u32_ne(if value.invert { INVERT } else { 0 });
    m.fixed(&head.bytes);
    m.u32(FRA_PRIORITY, key.preference);
    if let Some(net) = value.from.filter(|net| net.len > 0) {
        address(m, FRA_SRC, &net.addr);
    }
    if let Some(net) = value.to.filter(|net| net.len > 0) {
        address(m, FRA_DST, &net.addr);
    }
    if value.table > 0 {
        m.u32(FRA_TABLE, value.table);
    }
    if let Some((mark, mask)) = value.fwmark {
        m.u32(FRA_FWMARK, mark);
        m.u32(FRA_FWMASK, mask);
    }
    let numbers = [
        (FRA_GOTO, value.goto),
        (FRA_FLOW, value.realms),
        (FRA_SUPPRESS_PREFIXLEN, value.suppress_prefixlength),
        (FRA_SUPPRESS_IFGROUP, value.suppress_ifgroup),
    ];
    for (kind, number) in numbers {
        if let Some(number) = number {
            m.u32(kind, number);
        }
    }
    for (kind, name) in [(FRA_IIFNAME, &value.iif), (FRA_OIFNAME, &value.oif)] {
        if let Some(name) = name {
            m.attribute(kind, &c_string(name.as_str()));
        }
    }
    if let Some(id) = value.tunnel_id {
        m.attribute(FRA_TUN_ID, &id.to_be_bytes());
    }
    if let Some((low, high)) = value.uidrange {
        m.attribute(FRA_UID_RANGE, &[low.to_ne_bytes(), high.to_ne_bytes()].concat());
    }
    // One that anybody may remove is nobody's, as keepalived has it.
    let protocol = if value.loose { value.protocol } else { value.protocol() };
    m.attribute(FRA_PROTOCOL, &[protocol]);
    if value.l3mdev {
        m.attribute(FRA_L3MDEV, &[1]);
    }
    if let Some(number) = value.ipproto {
        m.attribute(FRA_IP_PROTO, &[number]);
    }
    for (kind, ports) in [(FRA_SPORT_RANGE, value.sport), (FRA_DPORT_RANGE, value.dport)] {
        if let Some((low, high)) = ports {
            m.attribute(kind, &[low.to_ne_bytes(), high.to_ne_bytes()].concat());
        }
    }
}

/// fib_rule_hdr: family, destination length, source length, tos, table, two reserved, action, flags u32.
pub fn parse(body: &[u8]) -> Option<(RuleKey, RuleValue)> {
    let mut r = Reader::new(body);
    let [number, to, from, tos, table, _, _, action] = r.array()?;
    let flags = r.u32_ne()?;
    let family = match number {
        AF_INET => Family::V4,
        AF_INET6 => Family::V6,
        _ => return None,
    };
    let mut preference = 0;
    let mut value = RuleValue { action, tos, table: table.into(), invert: flags & INVERT != 0, ..RuleValue::default() };
    let (mut mark, mut mask) = (None, u32::MAX);
    for (kind, payload) in attributes(r.rest()) {
        let mut r = Reader::new(payload);
        match kind {
            FRA_PRIORITY => preference = r.u32_ne()?,
            FRA_SRC => value.from = IpNet::new(ip(number, payload)?, from),
            FRA_DST => value.to = IpNet::new(ip(number, payload)?, to),
            FRA_IIFNAME => value.iif = text(payload).and_then(|s| s.parse().ok()),
            FRA_OIFNAME => value.oif = text(payload).and_then(|s| s.parse().ok()),
            FRA_TABLE => value.table = r.u32_ne()?,
            FRA_GOTO => value.goto = Some(r.u32_ne()?),
            FRA_FWMARK => mark = Some(r.u32_ne()?),
            FRA_FWMASK => mask = r.u32_ne()?,
            FRA_FLOW => value.realms = Some(r.u32_ne()?),
            FRA_SUPPRESS_PREFIXLEN => value.suppress_prefixlength = r.u32_ne().filter(|n| *n != NO_SUPPRESSION),
            FRA_SUPPRESS_IFGROUP => value.suppress_ifgroup = r.u32_ne().filter(|n| *n != NO_SUPPRESSION),
            FRA_TUN_ID => value.tunnel_id = r.array().map(u64::from_be_bytes),
            FRA_UID_RANGE => value.uidrange = Some((r.u32_ne()?, r.u32_ne()?)),
            FRA_PROTOCOL => value.protocol = r.u8()?,
            FRA_L3MDEV => value.l3mdev = r.u8()? != 0,
            FRA_IP_PROTO => value.ipproto = r.u8(),
            FRA_SPORT_RANGE => value.sport = Some((r.u16_ne()?, r.u16_ne()?)),
            FRA_DPORT_RANGE => value.dport = Some((r.u16_ne()?, r.u16_ne()?)),
            _ => {}
        }
    }
    value.fwmark = mark.map(|mark| (mark, mask));
    let way = value.way();
    Some((RuleKey { family, preference, way }, value))
}
