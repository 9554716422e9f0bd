//! Unsolicited neighbour advertisement (RFC 4861 4.4, 7.2.6): tells a segment which hardware address holds an IPv6
//! address now.

use super::checksum::checksum_after;
use super::ip::{pseudo_header, V6_HEADER_LEN};
use crate::base::addr::Mac;
use crate::base::bytes::Writer;
use std::net::Ipv6Addr;

const ICMPV6: u8 = 58;
const BODY: usize = 32;
/// Ethernet, IPv6 and ICMPv6.
pub const LEN: usize = 14 + V6_HEADER_LEN + BODY;

const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const ROUTER: u32 = 1 << 31;
const OVERRIDE: u32 = 1 << 29;
const TARGET_ADDRESS: u8 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// To all nodes, from and about `ip`: what was known before is overridden. `router`: this machine forwards.
pub fn unsolicited(mac: Mac, ip: Ipv6Addr, router: bool) -> Vec<u8> {
    let mut w = Writer { bytes: Vec::with_capacity(LEN) };
    w.put(&[0x33, 0x33, 0, 0, 0, 1]);
    w.put(&mac.0);
    w.u16(0x86dd);
    w.u32(6 << 28);
    w.u16(BODY as u16);
    w.u8(ICMPV6);
    w.u8(255); // RFC 4861 7.1.2: less has crossed a router
    w.put(&ip.octets());
    w.put(&ALL_NODES.octets());
    let body = w.len();
    w.u8(NEIGHBOUR_ADVERTISEMENT);
    w.u8(0);
    w.u16(0);
    w.u32(OVERRIDE | if router { ROUTER } else { 0 });
    w.put(&ip.octets());
    w.u8(TARGET_ADDRESS);
    w.u8(1); // eight bytes
    w.put(&mac.0);
    let pseudo = pseudo_header(ip.into(), ALL_NODES.into(), ICMPV6, BODY);
    let sum = checksum_after(&pseudo, w.bytes.get(body..).unwrap_or_default());
    w.patch(body + 2, &sum.to_be_bytes());
    w.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_seen_on_the_wire() {
        let ip: Ipv6Addr = "fd00::9".parse().unwrap();
        let mac = Mac([0x42, 0x86, 0xca, 0xea, 0x12, 0xaa]);
        let text: String = unsolicited(mac, ip, false).iter().map(|b| format!("{b:02x}")).collect();
        let seen = "333300000001 4286caea12aa 86dd 60000000 0020 3a ff fd000000000000000000000000000009
            ff020000000000000000000000000001 8800 3c71 20000000 fd000000000000000000000000000009 0201 4286caea12aa";
        assert_eq!(text, seen.split_whitespace().collect::<String>());
        let router = unsolicited(mac, ip, true);
        assert_eq!((router.len(), router.get(58)), (LEN, Some(&0xa0)));
    }
}
