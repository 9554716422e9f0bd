//! Gratuitous ARP (RFC 826, RFC 5227 section 3): tells a segment which hardware address holds an IPv4 address now.

use crate::base::addr::Mac;
use crate::base::bytes::Writer;
use std::net::Ipv4Addr;

/// Ethernet header and ARP body.
pub const LEN: usize = 14 + 28;

/// A broadcast ARP request with sender and target address both `ip`, as keepalived sends it.
pub fn gratuitous(mac: Mac, ip: Ipv4Addr) -> [u8; LEN] {
    let mut w = Writer::new();
    w.put(&[0xff; 6]);
    w.put(&mac.0);
    w.u16(0x0806);
    w.u16(1); // Ethernet
    w.u16(0x0800);
    w.u8(6);
    w.u8(4);
    w.u16(1); // request
    w.put(&mac.0);
    w.put(&ip.octets());
    w.put(&[0xff; 6]);
    w.put(&ip.octets());
    w.bytes.try_into().unwrap_or([0; LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_seen_on_the_wire() {
        let frame = gratuitous(Mac([2, 0, 0, 0, 0, 1]), [10, 0, 0, 100].into());
        let text: String = frame.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            text,
            "ffffffffffff0200000000010806000108000604000102000000000 10a000064ffffffffffff0a000064".replace(' ', "")
        );
    }
}
