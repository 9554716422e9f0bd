//! VRRP version 2 advertisement (RFC 3768 section 5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
//!  |   Auth Type   |   Adver Int   |          Checksum             |
//!  |                     IP Address (1) ... (n)                    |
//!  |                     Authentication Data (1)                   |
//!  |                     Authentication Data (2)                   |
//! ```

use super::checksum::checksum;
use crate::base::bytes::{Reader, Writer};
use std::fmt;
use std::net::Ipv4Addr;

pub const PROTOCOL: u8 = 112;
/// IP TTL of a multicast advert: one that crossed a router is not ours (RFC 3768 5.2.3).
pub const TTL: u8 = 255;
pub const PRIORITY_OWNER: u8 = 255;
/// "I give up now" (RFC 3768 5.3.4).
pub const PRIORITY_STOP: u8 = 0;

const HEADER_LEN: usize = 8;
const AUTH_LEN: usize = 8;
const TYPE_ADVERT: u8 = 1;
const AUTH_NONE: u8 = 0;
const AUTH_PASS: u8 = 1;
/// The highest type that has a meaning (2: IPsec AH).
pub const AUTH_KNOWN: u8 = 2;

/// The authentication block of an advert (RFC 2338 5.3.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    None,
    Pass([u8; 8]),
    /// A type that this instance does not use: its number.
    Other(u8),
}

/// What an advert says. The addresses stay as bytes: `addresses()` walks them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advert<'a> {
    pub vrid: u8,
    pub priority: u8,
    /// Whole seconds.
    pub interval: u8,
    pub auth: Auth,
    addresses: &'a [u8],
}

/// Why a packet is no advert for us; one variant for each drop counter, with the value that offended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bad {
    Ip,
    Short(usize),
    Ttl(u8),
    Version(u8),
    Type(u8),
    Length {
        want: usize,
        got: usize,
    },
    Checksum(u16),
    AuthType(u8),
    AuthFailure,
    Interval(u8),
    /// Source address 0.0.0.0 or a multicast one.
    Source(Ipv4Addr),
}

impl Bad {
    /// Index of the drop counter.
    pub const COUNT: usize = 11;

    pub fn index(self) -> usize {
        match self {
            Bad::Ip => 0,
            Bad::Short(_) => 1,
            Bad::Ttl(_) => 2,
            Bad::Version(_) => 3,
            Bad::Type(_) => 4,
            Bad::Length { .. } => 5,
            Bad::Checksum(_) => 6,
            Bad::AuthType(_) => 7,
            Bad::AuthFailure => 8,
            Bad::Interval(_) => 9,
            Bad::Source(_) => 10,
        }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Ip => f.write_str("IP header is malformed"),
            Bad::Short(n) => write!(f, "only {n} bytes, a VRRP header has 8"),
            Bad::Ttl(n) => write!(f, "TTL {n}, must be 255: it came through a router"),
            Bad::Version(n) => write!(f, "VRRP version {n}, ours is 2"),
            Bad::Type(n) => write!(f, "VRRP type {n}, must be 1 (advertisement)"),
            Bad::Length { want, got } => write!(f, "{got} bytes where its address count asks for {want}"),
            Bad::Checksum(n) => write!(f, "checksum {n:04x} is wrong"),
            Bad::AuthType(n) => write!(f, "authentication type {n}, ours is another"),
            Bad::AuthFailure => f.write_str("password differs from ours"),
            Bad::Interval(n) => write!(f, "advert interval {n} s, ours is another"),
            Bad::Source(a) => write!(f, "source address {a}"),
        }
    }
}

/// The virtual router ID, readable even in an advert that is wrong otherwise.
pub fn peek_vrid(payload: &[u8]) -> Option<u8> {
    payload.get(1).copied()
}

impl<'a> Advert<'a> {
    pub fn parse(payload: &'a [u8]) -> Result<Advert<'a>, Bad> {
        let mut r = Reader::new(payload);
        let short = Bad::Short(payload.len());
        let first = r.u8().ok_or(short)?;
        let (vrid, priority) = (r.u8().ok_or(short)?, r.u8().ok_or(short)?);
        let count = usize::from(r.u8().ok_or(short)?);
        let (auth_type, interval) = (r.u8().ok_or(short)?, r.u8().ok_or(short)?);
        let sum = r.u16().ok_or(short)?;
        if first >> 4 != 2 {
            return Err(Bad::Version(first >> 4));
        }
        if first & 15 != TYPE_ADVERT {
            return Err(Bad::Type(first & 15));
        }
        let want = HEADER_LEN + count * 4 + AUTH_LEN;
        let length = Bad::Length { want, got: payload.len() };
        let addresses = r.take(count * 4).ok_or(length)?;
        let data: [u8; 8] = r.array().ok_or(length)?;
        if !r.is_empty() {
            return Err(length);
        }
        if checksum(payload) != 0 {
            return Err(Bad::Checksum(sum));
        }
        let auth = match auth_type {
            AUTH_NONE => Auth::None,
            AUTH_PASS => Auth::Pass(data),
            other => Auth::Other(other),
        };
        Ok(Advert { vrid, priority, interval, auth, addresses })
    }

    pub fn addresses(&self) -> impl ExactSizeIterator<Item = Ipv4Addr> + 'a {
        self.addresses.chunks_exact(4).map(|c| match c {
            [a, b, c, d] => Ipv4Addr::new(*a, *b, *c, *d),
            _ => Ipv4Addr::UNSPECIFIED,
        })
    }
}

/// Writes an advert. At most 255 addresses are named (the count is one byte).
pub fn emit(
    vrid: u8,
    priority: u8,
    interval: u8,
    pass: Option<&[u8; 8]>,
    addresses: impl Iterator<Item = Ipv4Addr>,
    out: &mut Writer,
) {
    let start = out.len();
    out.u8(2 << 4 | TYPE_ADVERT);
    out.u8(vrid);
    out.u8(priority);
    out.u8(0);
    out.u8(if pass.is_some() { AUTH_PASS } else { AUTH_NONE });
    out.u8(interval);
    out.u16(0);
    let mut count = 0u8;
    for address in addresses.take(crate::limits::ADVERT_ADDRESSES) {
        out.put(&address.octets());
        count += 1;
    }
    out.patch(start + 3, &[count]);
    out.put(pass.unwrap_or(&[0; 8]));
    let sum = checksum(out.bytes.get(start..).unwrap_or_default());
    out.patch(start + 6, &sum.to_be_bytes());
}

/// Compares passwords without telling by the time taken where they differ.
pub fn same_secret(a: &[u8; 8], b: &[u8; 8]) -> bool {
    a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: [u8; 24] = [
        0x21, 0x33, 0x96, 0x02, 0x01, 0x01, 0x86, 0x52, 0x0a, 0x00, 0x00, 0x64, 0x0a, 0x00, 0x00, 0x65, 0x73, 0x65,
        0x63, 0x72, 0x65, 0x74, 0x70, 0x61,
    ];

    #[test]
    fn keepalived_vector_both_ways() {
        let mut w = Writer::new();
        let vips = [Ipv4Addr::new(10, 0, 0, 100), Ipv4Addr::new(10, 0, 0, 101)];
        emit(51, 150, 1, Some(b"secretpa"), vips.into_iter(), &mut w);
        assert_eq!(w.bytes, VECTOR);
        let advert = Advert::parse(&VECTOR).unwrap();
        assert_eq!((advert.vrid, advert.priority, advert.interval), (51, 150, 1));
        assert_eq!(advert.auth, Auth::Pass(*b"secretpa"));
        assert!(advert.addresses().eq(vips));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        for n in 0..VECTOR.len() {
            assert!(Advert::parse(&VECTOR[..n]).is_err(), "cut to {n}");
        }
        for bit in 0..VECTOR.len() * 8 {
            let mut v = VECTOR;
            v[bit / 8] ^= 1 << (bit % 8);
            assert!(Advert::parse(&v).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn reasons() {
        let bad = |at: usize, byte: u8| {
            let mut v = VECTOR;
            v[at] = byte;
            Advert::parse(&v).unwrap_err()
        };
        assert_eq!(bad(0, 0x31), Bad::Version(3));
        assert_eq!(bad(0, 0x22), Bad::Type(2));
        assert_eq!(bad(3, 3), Bad::Length { want: 28, got: 24 });
        assert_eq!(bad(6, 0), Bad::Checksum(0x0052));
    }
}
