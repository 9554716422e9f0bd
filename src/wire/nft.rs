//! nf_tables over netlink (linux/netfilter/nf_tables.h): the table that keeps traffic away from virtual addresses.
//!
//! ```text
//! table ip NAME                          table ip6 NAME
//!   set vips                               set vips, vips_link_local (address and interface), neighbor-discovery
//!   chain out (hook output):               chain out: neighbour discovery accept;
//!     ip saddr @vips drop                    ip6 saddr fe80::/10 goto out_link_local; ip6 saddr @vips drop
//!   chain in (hook input):                 chain in: the same with daddr
//!     ip daddr @vips drop                  chain in_link_local: ip6 daddr . iif @vips_link_local drop
//! ```
//! keepalived's names and order, so that what people know of `nft list ruleset` stays so. Numbers are in network order
//! here, unlike in the rest of netlink.

use super::netlink::{attributes, Body, Message, Writer, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST};
use super::op::{BlockedKey, Firewall, Key, Op, Value};
use crate::base::addr::Family;
use crate::base::bytes::Writer as Bytes;
use std::net::IpAddr;

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// NFNL_SUBSYS_NFTABLES
const NFTABLES: u16 = 10;
const SUBSYSTEM: u16 = NFTABLES << 8;

const NEWTABLE: u16 = 0;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const NEWRULE: u16 = 6;
const NEWSET: u16 = 9;
const NEWSETELEM: u16 = 12;
const DELSETELEM: u16 = 14;

const NLM_F_APPEND: u16 = 0x800;

const AF_UNSPEC: u8 = 0;
/// NFPROTO_IPV4, NFPROTO_IPV6.
const INET4: u8 = 2;
const INET6: u8 = 10;

const HOOK_IN: u32 = 1;
const HOOK_OUT: u32 = 3;
const ACCEPT: u32 = 1;
const DROP: u32 = 0;
const GOTO: u32 = -4i32 as u32;

const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_L4PROTO: u32 = 16;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const ICMPV6: u8 = 58;
/// Neighbour solicitation and advertisement (RFC 4861).
const NEIGHBOUR: [u8; 2] = [135, 136];

const SET_CONSTANT: u32 = 2;
/// nft's own numbers of data types; the concatenation is ipv6_addr . iface_index.
const TYPE_IPV4: u32 = 7;
const TYPE_IPV6: u32 = 8;
const TYPE_ICMPV6: u32 = 29;
const TYPE_IPV6_IFINDEX: u32 = 8 << 6 | 20;

const VIPS: &str = "vips";
const LINK_LOCAL: &str = "vips_link_local";
const DISCOVERY: &str = "neighbor-discovery";
const IN: &str = "in";
const OUT: &str = "out";

/// Where addresses stand in their headers.
const SOURCE_V4: u32 = 12;
const DESTINATION_V4: u32 = 16;
const SOURCE_V6: u32 = 8;
const DESTINATION_V6: u32 = 24;
/// fe80::/10
const LINK_LOCAL_PREFIX: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const LINK_LOCAL_MASK: [u8; 16] = [0xff, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// NFTA_TABLE_NAME
const TABLE_NAME: u16 = 1;
/// NLA_F_NESTED: this family insists on it.
const NESTED: u16 = 0x8000;

/// One transaction: all of it happens, or nothing. Only the last message of each operation is answered when it goes
/// well, with the sequence number `seq`. False if that operation is none of the firewall.
pub fn transaction(w: &mut Writer, ops: &[Op], seq: u32) -> bool {
    batch(w, BATCH_BEGIN, seq);
    let known = ops.iter().all(|op| request(w, op, seq));
    batch(w, BATCH_END, seq);
    known
}

/// The table that this message says is gone.
pub fn table_gone(m: &Message<'_>) -> Option<(Family, Box<str>)> {
    if m.kind != SUBSYSTEM | DELTABLE {
        return None;
    }
    let family = match *m.body.first()? {
        INET4 => Family::V4,
        INET6 => Family::V6,
        _ => return None,
    };
    let (_, name) = attributes(m.body.get(4..)?).find(|(kind, _)| *kind == TABLE_NAME)?;
    let name = std::str::from_utf8(name.strip_suffix(&[0])?).ok()?;
    Some((family, name.into()))
}

fn batch(w: &mut Writer, kind: u16, seq: u32) {
    w.message(kind, NLM_F_REQUEST, seq, |m| {
        // The number of the subsystem stands in network order.
        let [high, low] = NFTABLES.to_be_bytes();
        m.fixed(&[AF_UNSPEC, 0, high, low]);
    });
}

fn request(w: &mut Writer, op: &Op, seq: u32) -> bool {
    match op {
        Op::Add(Key::Firewall(family), Value::Firewall(f)) | Op::Set(Key::Firewall(family), Value::Firewall(f)) => {
            add_table(w, *family, f, seq)
        }
        Op::Remove(Key::Firewall(family), Value::Firewall(f)) => remove_table(w, *family, f, NLM_F_ACK, seq),
        Op::Add(Key::Blocked(key), Value::Blocked(f)) => element(w, NEWSETELEM, NLM_F_CREATE, key, f, seq),
        Op::Remove(Key::Blocked(key), Value::Blocked(f)) => element(w, DELSETELEM, 0, key, f, seq),
        _ => return false,
    }
    true
}

fn message(w: &mut Writer, kind: u16, flags: u16, family: Family, seq: u32, body: impl FnOnce(&mut Body<'_>)) {
    let family = match family {
        Family::V4 => INET4,
        Family::V6 => INET6,
    };
    w.message(SUBSYSTEM | kind, NLM_F_REQUEST | flags, seq, |m| {
        m.fixed(&[family, 0, 0, 0]);
        body(m);
    });
}

/// A table of that name that is there already (a crash left it) goes first, and naming it makes sure that it is there.
fn add_table(w: &mut Writer, family: Family, f: &Firewall, seq: u32) {
    remove_table(w, family, f, 0, seq);
    message(w, NEWTABLE, NLM_F_CREATE, family, seq, |m| m.attribute(TABLE_NAME, &c_string(&f.table)));
    let mut t = Table { w, family, f, seq };
    match family {
        Family::V4 => {
            t.set(VIPS, TYPE_IPV4, 4);
            for (chain, hook, offset) in [(OUT, HOOK_OUT, SOURCE_V4), (IN, HOOK_IN, DESTINATION_V4)] {
                t.chain(chain, Some(hook));
                t.drop_virtual(chain, offset, 4);
            }
        }
        Family::V6 => {
            t.set(VIPS, TYPE_IPV6, 16);
            t.set(DISCOVERY, TYPE_ICMPV6, 1);
            t.elements(DISCOVERY, &NEIGHBOUR.map(|kind| [kind]));
            t.set(LINK_LOCAL, TYPE_IPV6_IFINDEX, 20);
            t.chains_v6((OUT, HOOK_OUT), "out_link_local", META_OIF, SOURCE_V6);
            t.chains_v6((IN, HOOK_IN), "in_link_local", META_IIF, DESTINATION_V6);
        }
    }
    // The answer to the last message is that to all.
    message(w, NEWTABLE, NLM_F_ACK, family, seq, |m| m.attribute(TABLE_NAME, &c_string(&f.table)));
}

/// With all that is in it. A table that is not there is made first: to delete it then is no fault.
fn remove_table(w: &mut Writer, family: Family, f: &Firewall, ack: u16, seq: u32) {
    let name = c_string(&f.table);
    message(w, NEWTABLE, NLM_F_CREATE, family, seq, |m| m.attribute(TABLE_NAME, &name));
    message(w, DELTABLE, ack, family, seq, |m| m.attribute(TABLE_NAME, &name));
}

fn element(w: &mut Writer, kind: u16, flags: u16, key: &BlockedKey, f: &Firewall, seq: u32) {
    let mut data = Bytes::new();
    let (family, mut set) = (Family::of(&key.address), VIPS);
    match key.address {
        IpAddr::V4(ip) => data.put(&ip.octets()),
        IpAddr::V6(ip) => data.put(&ip.octets()),
    }
    if key.ifindex > 0 {
        set = LINK_LOCAL;
        data.u32_ne(key.ifindex);
    }
    message(w, kind, flags | NLM_F_ACK, family, seq, |m| elements(m, &f.table, set, &[data.bytes]));
}

/// NFTA_SET_ELEM_LIST_TABLE, _SET, _ELEMENTS; within these NFTA_SET_ELEM_KEY and NFTA_DATA_VALUE.
fn elements<E: AsRef<[u8]>>(m: &mut Body<'_>, table: &str, set: &str, all: &[E]) {
    m.attribute(1, &c_string(table));
    m.attribute(2, &c_string(set));
    m.nest(3 | NESTED, |list| {
        for (data, place) in all.iter().zip(1..) {
            list.nest(place | NESTED, |e| e.nest(1 | NESTED, |k| k.attribute(1, data.as_ref())));
        }
    });
}

/// A table that is being made.
struct Table<'a> {
    w: &'a mut Writer,
    family: Family,
    f: &'a Firewall,
    seq: u32,
}

impl Table<'_> {
    /// NFTA_SET_TABLE, _NAME, _FLAGS, _KEY_TYPE, _KEY_LEN, _ID; a constant set says how many elements it has (_DESC).
    fn set(&mut self, name: &str, kind: u32, len: u32) {
        message(self.w, NEWSET, NLM_F_CREATE, self.family, self.seq, |m| {
            m.attribute(1, &c_string(&self.f.table));
            m.attribute(2, &c_string(name));
            let constant = name == DISCOVERY;
            number(m, 3, if constant { SET_CONSTANT } else { 0 });
            number(m, 4, kind);
            number(m, 5, len);
            number(m, 10, set_id(name));
            if constant {
                m.nest(9 | NESTED, |desc| number(desc, 1, 2));
            }
        });
    }

    fn elements<const N: usize>(&mut self, set: &str, all: &[[u8; N]]) {
        let table = &self.f.table;
        message(self.w, NEWSETELEM, NLM_F_CREATE, self.family, self.seq, |m| elements(m, table, set, all));
    }

    /// NFTA_CHAIN_TABLE, _NAME, _TYPE, _POLICY, _HOOK (NFTA_HOOK_HOOKNUM, _PRIORITY).
    fn chain(&mut self, name: &str, hook: Option<u32>) {
        message(self.w, NEWCHAIN, NLM_F_CREATE, self.family, self.seq, |m| {
            m.attribute(1, &c_string(&self.f.table));
            m.attribute(3, &c_string(name));
            if let Some(hook) = hook {
                m.attribute(7, &c_string("filter"));
                number(m, 5, ACCEPT);
                m.nest(4 | NESTED, |h| {
                    number(h, 1, hook);
                    h.attribute(2, &self.f.priority.to_be_bytes());
                });
            }
        });
    }

    /// Neighbour discovery passes, so that others learn where the addresses are; link-local addresses are blocked on
    /// their own interface only.
    fn chains_v6(&mut self, (chain, hook): (&str, u32), local: &str, interface: u32, offset: u32) {
        self.chain(local, None);
        self.rule(local, DROP, None, |e| {
            payload(e, NETWORK_HEADER, offset, 16);
            meta(e, interface, 2);
            lookup(e, LINK_LOCAL);
        });
        self.chain(chain, Some(hook));
        self.rule(chain, ACCEPT, None, |e| {
            meta(e, META_L4PROTO, 1);
            equals(e, &[ICMPV6]);
            payload(e, TRANSPORT_HEADER, 0, 1);
            lookup(e, DISCOVERY);
        });
        self.rule(chain, GOTO, Some(local), |e| {
            payload(e, NETWORK_HEADER, offset, 16);
            masked(e, &LINK_LOCAL_MASK);
            equals(e, &LINK_LOCAL_PREFIX);
        });
        self.drop_virtual(chain, offset, 16);
    }

    fn drop_virtual(&mut self, chain: &str, offset: u32, len: u32) {
        self.rule(chain, DROP, None, |e| {
            payload(e, NETWORK_HEADER, offset, len);
            lookup(e, VIPS);
        });
    }

    /// NFTA_RULE_TABLE, _CHAIN, _EXPRESSIONS. The verdict comes last, the counter before it.
    fn rule(&mut self, chain: &str, verdict: u32, to: Option<&str>, conditions: impl FnOnce(&mut Body<'_>)) {
        message(self.w, NEWRULE, NLM_F_CREATE | NLM_F_APPEND, self.family, self.seq, |m| {
            m.attribute(1, &c_string(&self.f.table));
            m.attribute(2, &c_string(chain));
            m.nest(4 | NESTED, |e| {
                conditions(e);
                if self.f.counters {
                    expression(e, "counter", |_| {});
                }
                // NFTA_IMMEDIATE_DREG (0: the verdict), _DATA; NFTA_DATA_VERDICT; NFTA_VERDICT_CODE, _CHAIN.
                expression(e, "immediate", |i| {
                    number(i, 1, 0);
                    i.nest(2 | NESTED, |data| {
                        data.nest(2 | NESTED, |v| {
                            number(v, 1, verdict);
                            to.iter().for_each(|chain| v.attribute(2, &c_string(chain)));
                        });
                    });
                });
            });
        });
    }
}

/// NFTA_LIST_ELEM; NFTA_EXPR_NAME, _DATA.
fn expression(list: &mut Body<'_>, name: &str, inside: impl FnOnce(&mut Body<'_>)) {
    list.nest(1 | NESTED, |e| {
        e.attribute(1, &c_string(name));
        e.nest(2 | NESTED, inside);
    });
}

/// Into register 1: NFTA_PAYLOAD_DREG, _BASE, _OFFSET, _LEN.
fn payload(e: &mut Body<'_>, base: u32, offset: u32, len: u32) {
    expression(e, "payload", |p| {
        number(p, 1, 1);
        number(p, 2, base);
        number(p, 3, offset);
        number(p, 4, len);
    });
}

/// NFTA_META_KEY, _DREG.
fn meta(e: &mut Body<'_>, key: u32, register: u32) {
    expression(e, "meta", |m| {
        number(m, 2, key);
        number(m, 1, register);
    });
}

/// Register 1: NFTA_CMP_SREG, _OP (equal), _DATA.
fn equals(e: &mut Body<'_>, data: &[u8]) {
    expression(e, "cmp", |c| {
        number(c, 1, 1);
        number(c, 2, 0);
        c.nest(3 | NESTED, |d| d.attribute(1, data));
    });
}

/// Register 1 AND a mask, in place: NFTA_BITWISE_SREG, _DREG, _LEN, _MASK, _XOR.
fn masked(e: &mut Body<'_>, mask: &[u8; 16]) {
    expression(e, "bitwise", |b| {
        number(b, 1, 1);
        number(b, 2, 1);
        number(b, 3, 16);
        b.nest(4 | NESTED, |d| d.attribute(1, mask));
        b.nest(5 | NESTED, |d| d.attribute(1, &[0; 16]));
    });
}

/// From register 1 on: NFTA_LOOKUP_SREG, _SET, _SET_ID.
fn lookup(e: &mut Body<'_>, set: &str) {
    expression(e, "lookup", |l| {
        number(l, 2, 1);
        l.attribute(1, &c_string(set));
        number(l, 4, set_id(set));
    });
}

/// What names a set within its transaction.
fn set_id(name: &str) -> u32 {
    match name {
        VIPS => 1,
        LINK_LOCAL => 2,
        _ => 3,
    }
}

fn number(m: &mut Body<'_>, kind: u16, value: u32) {
    m.attribute(kind, &value.to_be_bytes());
}

fn c_string(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::netlink::messages;
    use std::rc::Rc;

    fn firewall() -> Rc<Firewall> {
        Rc::new(Firewall { table: "keepalived".into(), priority: -1, counters: true })
    }

    fn sent(ops: &[Op]) -> Vec<(u16, u16, Vec<u8>)> {
        let mut w = Writer::new();
        assert!(transaction(&mut w, ops, 7));
        messages(w.bytes()).map(|m| (m.kind, m.flags, m.body.to_vec())).collect()
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
    }

    const NAME: &str = "0f000100 6b656570616c6976656400 00";

    /// What nft 1.0.6 sends for the same set, chain and rule (strace, on a little-endian machine); its elements carry the
    /// number of their set as well, which is made in the same transaction there.
    #[test]
    #[cfg(target_endian = "little")]
    fn as_nft_sends_it() {
        let all = sent(&[Op::Add(Key::Firewall(Family::V4), Value::Firewall(firewall()))]);
        let kinds: Vec<u16> = all.iter().map(|(kind, ..)| *kind).collect();
        let table = [0xa00, 0xa02, 0xa00];
        let inside = [0xa09, 0xa03, 0xa06, 0xa03, 0xa06];
        assert_eq!(kinds, [&[0x10][..], &table, &inside, &[0xa00, 0x11]].concat());
        assert_eq!(all[0].2, [0, 0, 0, 10]);
        let set = format!(
            "02000000 {NAME} 09000200 7669707300 000000 08000300 00000000 08000400 00000007 08000500 00000004
             08000a00 00000001"
        );
        assert_eq!(all[4], (0xa09, 0x401, hex(&set)));
        let chain = format!(
            "02000000 {NAME} 07000300 696e00 00 0b000700 66696c74657200 00 08000500 00000001
             14000480 08000100 00000001 08000200 ffffffff"
        );
        assert_eq!(all[7], (0xa03, 0x401, hex(&chain)));
        let rule = format!(
            "02000000 {NAME} 07000200 696e00 00 ac000480
             34000180 0c000100 7061796c6f616400 24000280 08000100 00000001 08000200 00000001 08000300 00000010
               08000400 00000004
             30000180 0b000100 6c6f6f6b757000 00 20000280 08000200 00000001 09000100 7669707300 000000
               08000400 00000001
             14000180 0c000100 636f756e74657200 04000280
             30000180 0e000100 696d6d65646961746500 0000 1c000280 08000100 00000000 10000280 0c000280
               08000100 00000000"
        );
        let rule = (0xa06, 0xc01, hex(&rule));
        assert_eq!(all[8].2.len(), rule.2.len());
        assert_eq!(all[8], rule);
        let key = BlockedKey { address: "10.77.0.100".parse().unwrap(), ifindex: 0 };
        let element =
            format!("02000000 {NAME} 09000200 7669707300 000000 14000380 10000180 0c000180 08000100 0a4d0064");
        let all = sent(&[Op::Add(Key::Blocked(key), Value::Blocked(firewall()))]);
        assert_eq!(all[1], (0xa0c, 0x405, hex(&element)));
        let all = sent(&[Op::Remove(Key::Blocked(key), Value::Blocked(firewall()))]);
        assert_eq!(all[1], (0xa0e, 0x005, hex(&element)));
        let key = BlockedKey { address: "fe80::77".parse().unwrap(), ifindex: 1 };
        let element = format!(
            "0a000000 {NAME} 14000200 766970735f6c696e6b5f6c6f63616c00 24000380 20000180 1c000180
             18000100 fe800000000000000000000000000077 01000000"
        );
        let all = sent(&[Op::Add(Key::Blocked(key), Value::Blocked(firewall()))]);
        assert_eq!(all[1], (0xa0c, 0x405, hex(&element)));
    }

    #[test]
    fn a_table_goes_even_if_it_is_not_there() {
        let all = sent(&[Op::Remove(Key::Firewall(Family::V6), Value::Firewall(firewall()))]);
        let kinds: Vec<(u16, u16)> = all.iter().map(|(kind, flags, _)| (*kind, *flags)).collect();
        assert_eq!(kinds, [(0x10, 1), (0xa00, 0x401), (0xa02, 5), (0x11, 1)]);
        let mut w = Writer::new();
        let key = crate::wire::op::RouteKey { table: 1, dst: "10.0.0.0/8".parse().unwrap(), metric: 0, tos: 0, way: 0 };
        assert!(!transaction(&mut w, &[Op::Remove(Key::Route(key), Value::Socket)], 1));
    }

    #[test]
    fn a_table_that_is_gone_has_its_name() {
        let mut w = Writer::new();
        remove_table(&mut w, Family::V6, &firewall(), 0, 1);
        let gone: Vec<_> = messages(w.bytes()).filter_map(|m| table_gone(&m)).collect();
        assert_eq!(gone, [(Family::V6, "keepalived".into())]);
        let seeds = [w.bytes().to_vec()];
        crate::wire::mangled(&seeds, 5_000, |bytes| messages(bytes).for_each(|m| drop(table_gone(&m))));
    }
}
