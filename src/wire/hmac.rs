//! The signature that `auth_hmac` puts behind an advert (keepalived 2.4.2 and later), of either version and family.
//!
//! ```text
//!  0                   1                   2                   3
//!  |   Type (1)    |    Key ID     |         Reserved (0)          |
//!  |                     Seconds, of Unix time                     |   the number: these eight
//!  |    Seconds / 65536            |            Counter            |   bytes as one, always rising
//!  |               HMAC-SHA256, its first 16 bytes                 |
//! ```
//!
//! The HMAC covers a block of its own (family, version, VRID, source), the advert with its checksum as zeros, and the
//! trailer with its HMAC as zeros. The destination is not in it: one signature serves the group and each unicast peer.

use crate::base::bytes::{Reader, Writer};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;

/// Bytes of the trailer.
pub const LEN: usize = 28;
const MAC_LEN: usize = 16;
const TYPE: u8 = 1;
/// Where an advert has its checksum.
const CHECKSUM: usize = 6;

/// The number that rises with each advert of a sender: when it was made, and a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp(pub u64);

impl Stamp {
    /// Of a time in microseconds since 1970.
    pub fn at(unix: u64) -> Stamp {
        let (seconds, rest) = (unix / 1_000_000, unix % 1_000_000);
        // The low 32 bits of the seconds: they wrap in 2106.
        Stamp(seconds << 32 | (rest * 65_536 / 1_000_000) << 16)
    }

    pub fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Serial arithmetic (RFC 1982): true half the circle ahead.
    pub fn is_after(self, other: Stamp) -> bool {
        (self.0.wrapping_sub(other.0) as i64) > 0
    }

    pub fn next(self) -> Stamp {
        Stamp(self.0.wrapping_add(1))
    }

    /// By how many seconds this is ahead of another, or behind it.
    pub fn ahead_of(self, other: Stamp) -> i32 {
        self.seconds().wrapping_sub(other.seconds()) as i32
    }
}

/// A trailer, of which nothing was verified yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trailer<'a> {
    pub key: u8,
    pub stamp: Stamp,
    head: &'a [u8],
    mac: &'a [u8],
}

impl<'a> Trailer<'a> {
    /// None if it is none: another length or type, or reserved bits.
    pub fn parse(bytes: &'a [u8]) -> Option<Trailer<'a>> {
        let mut r = Reader::new(bytes);
        let (kind, key, reserved) = (r.u8()?, r.u8()?, r.u16()?);
        let (high, low) = (r.u32()?, r.u32()?);
        let (head, mac) = bytes.split_at_checked(LEN - MAC_LEN)?;
        let right = kind == TYPE && reserved == 0 && mac.len() == MAC_LEN;
        right.then_some(Trailer { key, stamp: Stamp(u64::from(high) << 32 | u64::from(low)), head, mac })
    }

    /// Did somebody with that key sign this advert of that source?
    pub fn is_of(&self, key: &[u8], src: IpAddr, advert: &[u8]) -> bool {
        start(key, src, advert, self.head).is_some_and(|mac| mac.verify_truncated_left(self.mac).is_ok())
    }
}

/// Signs the advert that begins at `start` and is whole but for its checksum.
pub fn sign(key: &[u8], id: u8, stamp: Stamp, src: IpAddr, begin: usize, out: &mut Writer) {
    let mut head = Writer { bytes: Vec::with_capacity(LEN - MAC_LEN) };
    head.u8(TYPE);
    head.u8(id);
    head.u16(0);
    head.put(&stamp.0.to_be_bytes());
    let mac = start(key, src, out.bytes.get(begin..).unwrap_or_default(), &head.bytes).map(|mac| mac.finalize());
    out.put(&head.bytes);
    match &mac {
        Some(mac) => out.put(mac.as_bytes().get(..MAC_LEN).unwrap_or_default()),
        // An advert too short to be one.
        None => out.zeros(MAC_LEN),
    }
}

fn start(key: &[u8], src: IpAddr, advert: &[u8], head: &[u8]) -> Option<Hmac<Sha256>> {
    let (first, vrid) = (advert.first()?, advert.get(1)?);
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    let mut block = Writer { bytes: Vec::with_capacity(20) };
    block.u8(if src.is_ipv4() { 4 } else { 6 });
    block.u8(first >> 4);
    block.u8(*vrid);
    block.u8(0);
    match src {
        IpAddr::V4(ip) => {
            block.put(&ip.octets());
            block.zeros(12);
        }
        IpAddr::V6(ip) => block.put(&ip.octets()),
    }
    mac.update(&block.bytes);
    mac.update(advert.get(..CHECKSUM)?);
    mac.update(&[0, 0]);
    mac.update(advert.get(CHECKSUM + 2..)?);
    mac.update(head);
    mac.update(&[0; MAC_LEN]);
    Some(mac)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// keepalived's: version 3, router 53, priority 150, 1 s, 10.0.0.100; from 10.0.0.1, key 1: the bytes 0 to 31.
    pub const VECTOR: [u8; 40] = [
        0x31, 0x35, 0x96, 0x01, 0x00, 0x64, 0x43, 0x71, 0x0a, 0x00, 0x00, 0x64, 0x01, 0x01, 0x00, 0x00, 0x6b, 0x03,
        0x07, 0x89, 0x49, 0x93, 0x00, 0x00, 0x7a, 0x85, 0x26, 0x0f, 0xb5, 0xda, 0x28, 0x48, 0x39, 0x41, 0xfa, 0x73,
        0xd7, 0x4b, 0x2b, 0xe8,
    ];
    const ADVERT: usize = 12;

    fn key() -> Vec<u8> {
        (0..32).collect()
    }

    fn src() -> IpAddr {
        [10, 0, 0, 1].into()
    }

    /// RFC 4231, cases 1 and 2: that hmac and sha2 go together as they should.
    #[test]
    fn rfc_4231_cases() {
        let sum = |key: &[u8], text: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(text);
            mac.finalize().as_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>()
        };
        let first = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(sum(&[0x0b; 20], b"Hi There"), first);
        let second = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sum(b"Jefe", b"what do ya want for nothing?"), second);
    }

    #[test]
    fn keepalived_vector_both_ways() {
        let trailer = Trailer::parse(&VECTOR[ADVERT..]).unwrap();
        assert_eq!((trailer.key, trailer.stamp), (1, Stamp(0x6b03_0789_4993_0000)));
        assert!(trailer.is_of(&key(), src(), &VECTOR[..ADVERT]));
        let mut w = Writer { bytes: VECTOR[..ADVERT].to_vec() };
        sign(&key(), 1, trailer.stamp, src(), 0, &mut w);
        assert_eq!(w.bytes, VECTOR);
    }

    #[test]
    fn whatever_counts_is_signed() {
        let known = |bytes: &[u8], key: &[u8], src: IpAddr| {
            let Some((advert, rest)) = bytes.split_at_checked(ADVERT) else { return false };
            Trailer::parse(rest).is_some_and(|t| t.is_of(key, src, advert))
        };
        assert!(known(&VECTOR, &key(), src()));
        assert!(!known(&VECTOR, &[0; 32], src()), "another key");
        assert!(!known(&VECTOR, &key(), [10, 0, 0, 2].into()), "another sender");
        for n in 0..VECTOR.len() {
            assert!(!known(&VECTOR[..n], &key(), src()), "cut to {n}");
        }
        assert!(!known(&[&VECTOR[..], &[0]].concat(), &key(), src()), "a byte more");
        for bit in 0..VECTOR.len() * 8 {
            let mut v = VECTOR;
            v[bit / 8] ^= 1 << (bit % 8);
            // The type of an advert is in its first byte, of which the version alone is in the block, but the whole is
            // in the advert.
            let checksum = bit / 8 == 6 || bit / 8 == 7;
            assert_eq!(known(&v, &key(), src()), checksum, "bit {bit}");
        }
    }

    #[test]
    fn stamps_rise_and_wrap() {
        let stamp = Stamp::at(1_795_360_649_287_399);
        assert_eq!((stamp.seconds(), stamp.0 & 0xffff), (1_795_360_649, 0));
        assert_eq!(stamp.0 >> 16 & 0xffff, 287_399 * 65_536 / 1_000_000);
        assert!(stamp.next().is_after(stamp) && !stamp.is_after(stamp) && !stamp.is_after(stamp.next()));
        let last = Stamp(u64::MAX);
        assert!(last.next().is_after(last) && last.next() == Stamp(0));
        assert_eq!(Stamp(5 << 32).ahead_of(Stamp(7 << 32)), -2);
        assert_eq!(Stamp(1 << 32).ahead_of(last), 2, "the year 2106");
        // Seconds beyond 32 bits lose their high ones.
        assert_eq!(Stamp::at(((1 << 32) + 9) * 1_000_000).seconds(), 9);
    }
}
