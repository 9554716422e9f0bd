//! IP authentication header (RFC 2402) with HMAC-MD5-96 (RFC 2403), as VRRP version 2 over IPv4 uses it (RFC 2338 5.3.6).
//!
//! ```text
//!  0                   1                   2                   3
//!  |  Next Header  |  Payload Len  |          Reserved             |
//!  |              Security Parameters Index: the source address    |
//!  |                        Sequence Number                        |
//!  |              Integrity Check Value (12 bytes)                 |
//! ```

use crate::base::bytes::{Reader, Writer};
use md5::{Digest, Md5};
use std::net::Ipv4Addr;

pub const PROTOCOL: u8 = 51;
pub const LEN: usize = 24;
/// In units of four bytes, less two.
const PAYLOAD_LEN: u8 = (LEN / 4 - 2) as u8;
const ICV_LEN: usize = 12;
const BLOCK: usize = 64;

/// A header whose check value is still to be filled in, by `seal`.
pub fn emit(inner: u8, src: Ipv4Addr, sequence: u32, out: &mut Writer) {
    out.u8(inner);
    out.u8(PAYLOAD_LEN);
    out.u16(0);
    out.put(&src.octets());
    out.u32(sequence);
    out.zeros(ICV_LEN);
}

/// Fills in the check value of a whole packet: an IPv4 header without options, this header, the message.
pub fn seal(key: &[u8; 8], packet: &mut Writer) {
    let icv = icv(key, &packet.bytes, super::ipv4::HEADER_LEN);
    packet.patch(super::ipv4::HEADER_LEN + LEN - ICV_LEN, &icv);
}

/// What a sealed packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened<'a> {
    pub sequence: u32,
    pub inner: u8,
    pub message: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Malformed,
    /// Key or contents are others.
    Forged,
}

/// Takes the message out of a packet (its IPv4 header included) whose check value is right.
pub fn open<'a>(key: &[u8; 8], packet: &'a [u8]) -> Result<Opened<'a>, Fault> {
    let header_len = usize::from(packet.first().ok_or(Fault::Malformed)? & 15) * 4;
    let mut r = Reader::new(packet.get(header_len..).ok_or(Fault::Malformed)?);
    let mut fields = || {
        let (inner, payload_len) = (r.u8()?, r.u8()?);
        r.take(6)?;
        let sequence = r.u32()?;
        let theirs: [u8; ICV_LEN] = r.array()?;
        (payload_len == PAYLOAD_LEN).then_some((inner, sequence, theirs))
    };
    let (inner, sequence, theirs) = fields().ok_or(Fault::Malformed)?;
    let ours = icv(key, packet, header_len);
    // Without telling by the time taken where they differ.
    if ours.iter().zip(&theirs).fold(0, |d, (x, y)| d | (x ^ y)) != 0 {
        return Err(Fault::Forged);
    }
    Ok(Opened { sequence, inner, message: r.rest() })
}

/// Over the whole packet, with zeros for what changes on the way and for the value itself. The TTL of a multicast packet
/// does not change, and keepalived counts it.
fn icv(key: &[u8; 8], packet: &[u8], header_len: usize) -> [u8; ICV_LEN] {
    let mut head = Writer { bytes: packet.get(..header_len + LEN).unwrap_or_default().to_vec() };
    head.patch(1, &[0]);
    head.patch(6, &[0, 0]);
    if !super::ip::destination(packet).is_some_and(|to| to.is_multicast()) {
        head.patch(8, &[0]);
    }
    head.patch(10, &[0, 0]);
    head.patch(header_len + LEN - ICV_LEN, &[0; ICV_LEN]);
    let all = hmac_md5(key, &[&head.bytes, packet.get(header_len + LEN..).unwrap_or_default()]);
    let mut out = [0; ICV_LEN];
    for (to, from) in out.iter_mut().zip(all) {
        *to = from;
    }
    out
}

/// RFC 2104. Keys up to one block.
fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        for (b, k) in block.iter_mut().zip(key) {
            *b ^= k;
        }
        block
    };
    let mut inner = Md5::new();
    inner.update(pad(0x36));
    for part in parts {
        inner.update(part);
    }
    let mut outer = Md5::new();
    outer.update(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::wire::ipv4::Ipv4;

    /// A packet of keepalived's: router 51, priority 150, key 12345678, 10.0.0.100 and 10.0.0.101.
    pub const VECTOR: [u8; 68] = [
        0x45, 0xc0, 0x00, 0x44, 0x00, 0x01, 0x00, 0x00, 0xff, 0x33, 0xd0, 0xb2, 0x0a, 0x00, 0x00, 0x01, 0xe0, 0x00,
        0x00, 0x12, 0x70, 0x04, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x4d, 0x13, 0x91, 0x35,
        0xf5, 0xe8, 0x1c, 0x10, 0x8a, 0xb0, 0x8a, 0x6d, 0x21, 0x33, 0x96, 0x02, 0x02, 0x01, 0x32, 0x00, 0x0a, 0x00,
        0x00, 0x64, 0x0a, 0x00, 0x00, 0x65, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn rfc_2202_cases() {
        let hex = |bytes: [u8; 16]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(hmac_md5(&[0x0b; 16], &[b"Hi ", b"There"])), "9294727a3638bb1c13f48ef8158bfc9d");
        assert_eq!(hex(hmac_md5(b"Jefe", &[b"what do ya want for nothing?"])), "750c783e6ab0b503eaa86e310a5db738");
    }

    #[test]
    fn keepalived_vector_both_ways() {
        let opened = open(b"12345678", &VECTOR).unwrap();
        assert_eq!((opened.sequence, opened.inner, opened.message), (1, 112, &VECTOR[44..]));
        let mut w = Writer::new();
        let (src, dst) = ([10, 0, 0, 1].into(), [224, 0, 0, 18].into());
        Ipv4 { id: 1, ttl: 255, protocol: PROTOCOL, src, dst }.emit(48, &mut w);
        emit(112, src, 1, &mut w);
        w.put(&VECTOR[44..]);
        seal(b"12345678", &mut w);
        assert_eq!(w.bytes, VECTOR);
    }

    #[test]
    fn cuts_and_changes_are_found() {
        assert_eq!(open(b"12345679", &VECTOR), Err(Fault::Forged));
        for n in 0..VECTOR.len() {
            assert!(open(b"12345678", &VECTOR[..n]).is_err(), "cut to {n}");
        }
        for at in 0..VECTOR.len() {
            let mut v = VECTOR;
            v[at] ^= 4;
            // Type of service, fragment and checksum may change on the way.
            assert_eq!(open(b"12345678", &v).is_ok(), matches!(at, 1 | 6 | 7 | 10 | 11), "byte {at}");
        }
    }

    #[test]
    fn the_ttl_of_unicast_may_change() {
        let mut w = Writer::new();
        let src = [10, 0, 0, 1].into();
        Ipv4 { id: 1, ttl: 255, protocol: PROTOCOL, src, dst: [10, 0, 0, 2].into() }.emit(48, &mut w);
        emit(112, src, 1, &mut w);
        w.put(&VECTOR[44..]);
        seal(b"12345678", &mut w);
        w.patch(8, &[61]);
        assert!(open(b"12345678", &w.bytes).is_ok());
    }

    /// Neither this nor what is inside panics, whatever the bytes; nor does the header of either family.
    #[test]
    fn broken_packets_do_no_harm() {
        use crate::wire::ip::Head;
        use crate::wire::vrrp::{Advert, Ends, Rule};
        let mut six = Writer::new();
        let (src, dst) = ("fe80::1".parse().unwrap(), "ff02::12".parse().unwrap());
        Head { src, dst, ttl: 255, protocol: 112 }.emit(0, 24, &mut six);
        six.put(&VECTOR[44..]);
        let (mut heads, mut right) = (0, 0);
        crate::wire::mangled(&[VECTOR.to_vec(), six.bytes], 100_000, |bytes| {
            let Some((head, payload)) = Head::parse(bytes) else { return };
            heads += 1;
            let message = open(b"12345678", bytes).map_or(payload, |opened| opened.message);
            let ends = Ends { src: head.src, dst: head.dst };
            for version in [2, 3] {
                right += Advert::parse(message, version, ends, &Rule::ALL).map_or(0, |a| a.addresses().count());
            }
        });
        // Some only lost what does not count: the parsers were really reached.
        assert!(heads > 50_000 && right > 0, "{heads} {right}");
    }
}
