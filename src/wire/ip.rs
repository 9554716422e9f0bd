//! The IP header of an advert, of either family, and the pseudo-header of checksums. IPv6 (RFC 8200) is here, IPv4 in
//! `ipv4`.
//!
//! ```text
//!  0                   1                   2                   3
//!  |Version| Traffic Class |           Flow Label                  |
//!  |         Payload Length        |  Next Header  |   Hop Limit   |
//!  |                   Source Address (16 bytes)                   |
//!  |                 Destination Address (16 bytes)                |
//! ```

use super::ipv4::{self, Ipv4};
use crate::base::addr::{Family, Mac};
use crate::base::bytes::{Reader, Writer};
use std::net::{IpAddr, Ipv6Addr};

pub const V6_HEADER_LEN: usize = 40;
/// The same precedence as with IPv4: internetwork control.
pub const V6_CLASS_CONTROL: u8 = ipv4::TOS_CONTROL;

/// The Ethernet header (RFC 894, RFC 2464) of a packet to a multicast group.
pub fn ethernet_to_group(group: IpAddr, from: Mac, out: &mut Writer) {
    match group {
        // RFC 1112 6.4: the low 23 bits.
        IpAddr::V4(ip) => {
            let [_, b, c, d] = ip.octets();
            out.put(&[0x01, 0x00, 0x5e, b & 0x7f, c, d]);
        }
        IpAddr::V6(ip) => {
            let [.., a, b, c, d] = ip.octets();
            out.put(&[0x33, 0x33, a, b, c, d]);
        }
    }
    out.put(&from.0);
    out.u16(if group.is_ipv4() { 0x0800 } else { 0x86dd });
}

/// What both families say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub src: IpAddr,
    pub dst: IpAddr,
    /// TTL, or hop limit.
    pub ttl: u8,
    /// Or next header.
    pub protocol: u8,
}

impl Head {
    pub fn family(&self) -> Family {
        Family::of(&self.dst)
    }

    /// Bytes of the header.
    pub fn size(&self) -> usize {
        match self.family() {
            Family::V4 => ipv4::HEADER_LEN,
            Family::V6 => V6_HEADER_LEN,
        }
    }

    /// Writes the header of a payload of that many bytes; `id` is for IPv4. Addresses of two families: nothing.
    pub fn emit(&self, id: u16, payload_len: usize, out: &mut Writer) {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                Ipv4 { id, ttl: self.ttl, protocol: self.protocol, src, dst }.emit(payload_len, out)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => v6(self, src, dst, payload_len, out),
            _ => {}
        }
    }

    /// The header and its payload; None if it is malformed. IPv6 extension headers are no part of an advert.
    pub fn parse(bytes: &[u8]) -> Option<(Head, &[u8])> {
        if bytes.first().is_some_and(|b| b >> 4 == 6) {
            return parse_v6(bytes);
        }
        let (ip, payload) = Ipv4::parse(bytes).ok()?;
        Some((Head { src: ip.src.into(), dst: ip.dst.into(), ttl: ip.ttl, protocol: ip.protocol }, payload))
    }
}

fn v6(head: &Head, src: Ipv6Addr, dst: Ipv6Addr, payload_len: usize, out: &mut Writer) {
    out.u32(6 << 28 | u32::from(V6_CLASS_CONTROL) << 20);
    out.u16(u16::try_from(payload_len).unwrap_or(u16::MAX));
    out.u8(head.protocol);
    out.u8(head.ttl);
    out.put(&src.octets());
    out.put(&dst.octets());
}

fn parse_v6(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let mut r = Reader::new(bytes);
    r.u32()?;
    let len = usize::from(r.u16()?);
    let (protocol, ttl) = (r.u8()?, r.u8()?);
    let (src, dst): ([u8; 16], [u8; 16]) = (r.array()?, r.array()?);
    let payload = r.take(len)?;
    Some((Head { src: src.into(), dst: dst.into(), ttl, protocol }, payload))
}

/// The destination of a packet, without looking at anything else of it.
pub fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => packet.get(16..20).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(IpAddr::from),
        6 => packet.get(24..40).and_then(|b| <[u8; 16]>::try_from(b).ok()).map(IpAddr::from),
        _ => None,
    }
}

/// What a checksum covers before the message itself (RFC 9293 3.1 for IPv4, RFC 8200 8.1).
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, len: usize) -> heapless::Vec<u8, 40> {
    let mut out = heapless::Vec::new();
    let len = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    // It holds all there is: 12 or 40 bytes.
    let mut put = |bytes: &[u8]| drop(out.extend_from_slice(bytes));
    for ip in [src, dst] {
        match ip {
            IpAddr::V4(ip) => put(&ip.octets()),
            IpAddr::V6(ip) => put(&ip.octets()),
        }
    }
    match dst {
        IpAddr::V4(_) => {
            put(&[0, protocol]);
            put(&len);
        }
        IpAddr::V6(_) => {
            put(&[0, 0]);
            put(&len);
            put(&[0, 0, 0, protocol]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (src, dst, len) in [("10.0.0.1", "224.0.0.18", 20), ("fe80::1", "ff02::12", 40)] {
            let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
            let head = Head { src, dst, ttl: 255, protocol: 112 };
            let mut w = Writer::new();
            head.emit(1, 3, &mut w);
            assert_eq!((w.len(), head.size()), (len, len));
            w.put(&[1, 2, 3]);
            assert_eq!(destination(&w.bytes), Some(dst));
            w.put(&[0; 7]);
            assert_eq!(Head::parse(&w.bytes), Some((head, &[1, 2, 3][..])));
            for n in 0..len + 3 {
                assert_eq!(Head::parse(&w.bytes[..n]), None, "cut to {n}");
            }
        }
        assert_eq!(pseudo_header([10, 0, 0, 1].into(), [224, 0, 0, 18].into(), 112, 12)[8..], [0, 112, 0, 12]);
    }
}
