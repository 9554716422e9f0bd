//! IPv4 header (RFC 791), as far as we send and check it.
//!
//! ```text
//!  0                   1                   2                   3
//!  |Version|  IHL  |Type of Service|          Total Length         |
//!  |         Identification        |Flags|      Fragment Offset    |
//!  |  Time to Live |    Protocol   |         Header Checksum       |
//!  |                       Source Address                          |
//!  |                    Destination Address                        |
//! ```

use super::checksum::checksum;
use crate::base::bytes::{Reader, Writer};
use std::net::Ipv4Addr;

pub const HEADER_LEN: usize = 20;
/// Precedence 6, internetwork control: what routing protocols use.
pub const TOS_CONTROL: u8 = 0xc0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4 {
    pub id: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bad {
    Short,
    Version(u8),
    HeaderLength(u8),
    TotalLength(u16),
}

impl Ipv4 {
    /// Writes a header without options for a payload of that many bytes.
    pub fn emit(&self, payload_len: usize, out: &mut Writer) {
        let start = out.len();
        let total = u16::try_from(HEADER_LEN + payload_len).unwrap_or(u16::MAX);
        out.u8(0x45);
        out.u8(TOS_CONTROL);
        out.u16(total);
        out.u16(self.id);
        out.u16(0); // no fragment flags
        out.u8(self.ttl);
        out.u8(self.protocol);
        out.u16(0);
        out.put(&self.src.octets());
        out.put(&self.dst.octets());
        let sum = checksum(out.bytes.get(start..).unwrap_or_default());
        out.patch(start + 10, &sum.to_be_bytes());
    }

    /// The header and its payload. The kernel has checked the header's checksum before a raw socket sees the packet.
    pub fn parse(bytes: &[u8]) -> Result<(Ipv4, &[u8]), Bad> {
        let mut r = Reader::new(bytes);
        let mut fields = || -> Option<(u8, u16, Ipv4)> {
            let first = r.u8()?;
            r.u8()?;
            let total = r.u16()?;
            let id = r.u16()?;
            r.u16()?;
            let (ttl, protocol) = (r.u8()?, r.u8()?);
            r.u16()?;
            let (src, dst) = (Ipv4Addr::from(r.array()?), Ipv4Addr::from(r.array()?));
            Some((first, total, Ipv4 { id, ttl, protocol, src, dst }))
        };
        let (first, total, header) = fields().ok_or(Bad::Short)?;
        if first >> 4 != 4 {
            return Err(Bad::Version(first >> 4));
        }
        let header_len = usize::from(first & 15) * 4;
        if header_len < HEADER_LEN {
            return Err(Bad::HeaderLength(first & 15));
        }
        // Ethernet pads short frames: what lies behind the total length is not ours.
        let payload = bytes.get(header_len..usize::from(total)).ok_or(Bad::TotalLength(total))?;
        Ok((header, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let ip = Ipv4 { id: 7, ttl: 255, protocol: 112, src: [10, 0, 0, 1].into(), dst: [224, 0, 0, 18].into() };
        let mut w = Writer::new();
        ip.emit(3, &mut w);
        w.put(&[1, 2, 3]);
        assert_eq!(w.bytes.get(..10), Some(&[0x45, 0xc0, 0, 23, 0, 7, 0, 0, 255, 112][..]));
        assert_eq!(checksum(w.bytes.get(..20).unwrap_or_default()), 0);
        w.put(&[0; 20]); // padding
        assert_eq!(Ipv4::parse(&w.bytes), Ok((ip, &[1, 2, 3][..])));
        assert_eq!(Ipv4::parse(&w.bytes[..22]), Err(Bad::TotalLength(23)));
        assert_eq!(Ipv4::parse(&[0x45, 0]), Err(Bad::Short));
        assert_eq!(Ipv4::parse(&[0x60; 40]), Err(Bad::Version(6)));
        assert_eq!(Ipv4::parse(&[0x44; 40]), Err(Bad::HeaderLength(4)));
    }
}
