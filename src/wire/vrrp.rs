//! VRRP advertisements: version 2 (RFC 3768 section 5.1) and version 3 (RFC 9568 section 5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
//!  |   Auth Type   |   Adver Int   |          Checksum             |   version 2, seconds
//!  | Reserved  |    Max Adver Int  |          Checksum             |   version 3, 12 bits of centiseconds
//!  |                     IP Address (1) ... (n)                    |
//!  |                     Authentication Data (1)                   |   version 2 over IPv4 only
//!  |                     Authentication Data (2)                   |
//! ```

use super::checksum::checksum_after;
use super::hmac;
use super::ip::pseudo_header;
use crate::base::addr::{Family, VRRP_GROUP_V4};
use crate::base::bytes::{Reader, Writer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

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
const AUTH_AH: u8 = 2;
/// The longest interval that version 3 can say, in centiseconds.
pub const MOST_CENTISECONDS: u64 = 0xfff;
/// The highest type that has a meaning (2: IPsec AH).
pub const AUTH_KNOWN: u8 = 2;

/// The authentication block of an advert (RFC 2338 5.3.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    None,
    Pass([u8; 8]),
    /// In a header around the advert: see `ah`.
    Ah,
    /// A type that nobody uses: its number.
    Other(u8),
}

/// What the checksum covers besides the message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rule {
    /// Nothing: version 2, and version 3 as some take it.
    Plain,
    /// The pseudo-header: version 3, and all of IPv6.
    Pseudo,
    /// A pseudo-header with the multicast group although the packet is unicast: keepalived up to 1.3.
    PseudoGroup,
}

impl Rule {
    pub const ALL: [Rule; 3] = [Rule::Plain, Rule::Pseudo, Rule::PseudoGroup];

    fn sum(self, ends: Ends, message: &[u8]) -> u16 {
        let pseudo = |dst| pseudo_header(ends.src, dst, PROTOCOL, message.len());
        match (self, ends.dst) {
            (Rule::Plain, _) => checksum_after(&[], message),
            (Rule::PseudoGroup, IpAddr::V4(_)) => checksum_after(&pseudo(VRRP_GROUP_V4.into()), message),
            _ => checksum_after(&pseudo(ends.dst), message),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::Plain => "without a pseudo-header (the sender sums as with v3_checksum_as_v2)",
            Rule::Pseudo => "with a pseudo-header (the sender sums as without v3_checksum_as_v2)",
            Rule::PseudoGroup => {
                "with the multicast group in the pseudo-header (the sender sums as with old_unicast_checksum)"
            }
        })
    }
}

/// Where a packet comes from and goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    pub src: IpAddr,
    pub dst: IpAddr,
}

/// What an advert says. The addresses stay as bytes: `addresses()` walks them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advert<'a> {
    pub vrid: u8,
    pub priority: u8,
    pub interval: Duration,
    pub auth: Auth,
    /// How its checksum was made; None: it is wrong.
    pub rule: Option<Rule>,
    family: Family,
    addresses: &'a [u8],
}

/// Why a packet is no advert for us; one variant for each drop counter, with the value that offended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bad {
    Ip,
    Short(usize),
    Ttl(u8),
    Version {
        ours: u8,
        theirs: u8,
    },
    Type(u8),
    Length {
        want: usize,
        got: usize,
    },
    /// The rule by which it would be right, if there is one.
    Checksum(u16, Option<Rule>),
    AuthType(u8),
    AuthFailure,
    Interval(Duration),
    /// Source address 0.0.0.0 or a multicast one.
    Source(IpAddr),
    /// Of AH: one that was used already.
    Sequence(u32),
    /// None of the unicast peers.
    Stranger,
    /// A peer's TTL out of the bounds given for it.
    PeerTtl(u8),
    /// Of auth_hmac: no signature; what is none; too far from our clock, in seconds; a key that we have not; not made
    /// with that key; one that was used already.
    Unsigned,
    Trailer,
    Stale(i32),
    UnknownKey(u8),
    Forged,
    Replayed,
    /// It names no address.
    Empty,
    /// Our own address and priority: one of ours that came back, or a router with our address.
    Own,
    /// We own the addresses, and are to hear nobody (owner_ignore_adverts).
    ToOwner,
}

impl Bad {
    /// Index of the drop counter.
    pub const COUNT: usize = 23;

    pub fn index(self) -> usize {
        match self {
            Bad::Ip => 0,
            Bad::Short(_) => 1,
            Bad::Ttl(_) => 2,
            Bad::Version { .. } => 3,
            Bad::Type(_) => 4,
            Bad::Length { .. } => 5,
            Bad::Checksum(..) => 6,
            Bad::AuthType(_) => 7,
            Bad::AuthFailure => 8,
            Bad::Interval(_) => 9,
            Bad::Source(_) => 10,
            Bad::Sequence(_) => 11,
            Bad::Stranger => 12,
            Bad::PeerTtl(_) => 13,
            Bad::Unsigned => 14,
            Bad::Trailer => 15,
            Bad::Stale(_) => 16,
            Bad::UnknownKey(_) => 17,
            Bad::Forged => 18,
            Bad::Replayed => 19,
            Bad::Empty => 20,
            Bad::Own => 21,
            Bad::ToOwner => 22,
        }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Ip => f.write_str("IP header is malformed"),
            Bad::Short(n) => write!(f, "only {n} bytes, a VRRP header has 8"),
            Bad::Ttl(n) => write!(f, "TTL {n}, must be 255: it came through a router"),
            Bad::Version { ours, theirs } => write!(f, "VRRP version {theirs}, ours is {ours}"),
            Bad::Type(n) => write!(f, "VRRP type {n}, must be 1 (advertisement)"),
            Bad::Length { want, got } if *got == want + hmac::LEN => {
                f.write_str("it is signed, and there is no auth_hmac here")
            }
            Bad::Length { want, got } => write!(f, "{got} bytes where its address count asks for {want}"),
            Bad::Checksum(n, None) => write!(f, "checksum {n:04x} is wrong"),
            Bad::Checksum(n, Some(rule)) => write!(f, "checksum {n:04x} is not made by our rule; it is right {rule}"),
            Bad::AuthType(n) => write!(f, "authentication type {n}, ours is another"),
            Bad::AuthFailure => f.write_str("password differs from ours"),
            Bad::Interval(d) => write!(f, "advert interval {} s, ours is another", d.as_secs_f64()),
            Bad::Source(a) => write!(f, "source address {a}"),
            Bad::Sequence(n) => write!(f, "sequence number {n} was used already"),
            Bad::Stranger => f.write_str("it is none of our unicast peers"),
            Bad::PeerTtl(n) => write!(f, "TTL {n} is not what is allowed of this peer"),
            Bad::Unsigned => f.write_str("it is not signed (auth_hmac)"),
            Bad::Trailer => f.write_str("what stands behind it is no signature"),
            Bad::Stale(n) => {
                let which = if *n < 0 { "behind" } else { "ahead of" };
                write!(f, "its clock is {} s {which} ours, or it is an old one: set both clocks", n.unsigned_abs())
            }
            Bad::UnknownKey(n) => write!(f, "it is signed with key {n}, which is not here"),
            Bad::Forged => f.write_str("its signature is not made with our key of that number"),
            Bad::Replayed => f.write_str("its number was used already: somebody sends it again"),
            Bad::Empty => f.write_str("it names no virtual address"),
            Bad::Own => f.write_str("it has our own address and priority"),
            Bad::ToOwner => f.write_str("we own the addresses (priority 255, owner_ignore_adverts)"),
        }
    }
}

/// The virtual router ID, readable even in an advert that is wrong otherwise.
pub fn peek_vrid(payload: &[u8]) -> Option<u8> {
    payload.get(1).copied()
}

/// An advert of our version and the signature behind it, told apart by the length alone.
pub fn split(message: &[u8], version: u8, family: Family) -> (&[u8], Option<&[u8]>) {
    let count = usize::from(message.get(3).copied().unwrap_or(0));
    let want = size(version, family, count);
    match message.split_at_checked(want) {
        Some((advert, trailer)) if trailer.len() == hmac::LEN && message.first().is_some_and(|b| b >> 4 == version) => {
            (advert, Some(trailer))
        }
        _ => (message, None),
    }
}

/// Bytes of an advert with so many addresses.
fn size(version: u8, family: Family, addresses: usize) -> usize {
    let auth = if has_auth(version, family) { AUTH_LEN } else { 0 };
    HEADER_LEN + addresses * address_len(family) + auth
}

impl<'a> Advert<'a> {
    /// `version`: ours. `rules`: those by which the checksum may be made.
    pub fn parse(payload: &'a [u8], version: u8, ends: Ends, rules: &[Rule]) -> Result<Advert<'a>, Bad> {
        Advert::parse_summed(payload, payload, version, ends, rules)
    }

    /// `covered`: what the checksum is made of. The advert, and over IPv6 what stands behind it.
    pub fn parse_summed(
        payload: &'a [u8],
        covered: &[u8],
        version: u8,
        ends: Ends,
        rules: &[Rule],
    ) -> Result<Advert<'a>, Bad> {
        let (advert, sum) = Advert::read(payload, version, Family::of(&ends.dst))?;
        let right = |rule: &&Rule| rule.sum(ends, covered) == 0;
        match rules.iter().find(right) {
            Some(rule) => Ok(Advert { rule: Some(*rule), ..advert }),
            None => Err(Bad::Checksum(sum, Rule::ALL.iter().find(right).copied())),
        }
    }

    /// Whatever its checksum may be, which is returned.
    pub fn read(payload: &'a [u8], version: u8, family: Family) -> Result<(Advert<'a>, u16), Bad> {
        let mut r = Reader::new(payload);
        let short = Bad::Short(payload.len());
        let first = r.u8().ok_or(short)?;
        let (vrid, priority) = (r.u8().ok_or(short)?, r.u8().ok_or(short)?);
        let count = usize::from(r.u8().ok_or(short)?);
        let (high, low) = (r.u8().ok_or(short)?, r.u8().ok_or(short)?);
        let sum = r.u16().ok_or(short)?;
        if first >> 4 != version {
            return Err(Bad::Version { ours: version, theirs: first >> 4 });
        }
        if first & 15 != TYPE_ADVERT {
            return Err(Bad::Type(first & 15));
        }
        let auth_len = if has_auth(version, family) { AUTH_LEN } else { 0 };
        let want = size(version, family, count);
        let length = Bad::Length { want, got: payload.len() };
        let addresses = r.take(count * address_len(family)).ok_or(length)?;
        let data = r.take(auth_len).ok_or(length)?;
        if !r.is_empty() {
            return Err(length);
        }
        let (interval, auth) = match version {
            2 => (Duration::from_secs(low.into()), auth(high, data)),
            // Four reserved bits, to be ignored (RFC 9568 5.2.6).
            _ => (Duration::from_millis(10 * (u64::from(high & 15) << 8 | u64::from(low))), Auth::None),
        };
        Ok((Advert { vrid, priority, interval, auth, rule: None, family, addresses }, sum))
    }

    pub fn addresses(&self) -> impl ExactSizeIterator<Item = IpAddr> + 'a {
        self.addresses.chunks_exact(address_len(self.family)).map(|c| match c {
            [a, b, c, d] => Ipv4Addr::new(*a, *b, *c, *d).into(),
            _ => <[u8; 16]>::try_from(c).map_or(Ipv4Addr::UNSPECIFIED.into(), IpAddr::from),
        })
    }
}

fn address_len(family: Family) -> usize {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}

/// Version 2 over IPv6 was never written down; keepalived sends it without authentication data.
fn has_auth(version: u8, family: Family) -> bool {
    version == 2 && family == Family::V4
}

fn auth(kind: u8, data: &[u8]) -> Auth {
    match (kind, data.try_into()) {
        (AUTH_NONE, _) => Auth::None,
        (AUTH_PASS, Ok(data)) => Auth::Pass(data),
        (AUTH_AH, _) => Auth::Ah,
        (other, _) => Auth::Other(other),
    }
}

/// An advert to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    pub version: u8,
    pub vrid: u8,
    pub priority: u8,
    pub interval: Duration,
    pub auth: Auth,
    pub rule: Rule,
    pub ends: Ends,
}

impl Outgoing {
    /// Bytes of it with so many addresses. At most 255 are named (the count is one byte).
    pub fn size(&self, addresses: usize) -> usize {
        size(self.version, Family::of(&self.ends.dst), addresses.min(crate::limits::ADVERT_ADDRESSES))
    }

    /// The checksum once more, when something was put behind an advert that began at `start`: over IPv6 it covers that.
    pub fn sum_again(&self, start: usize, out: &mut Writer) {
        if self.ends.dst.is_ipv6() {
            out.patch(start + 6, &[0, 0]);
            let sum = self.rule.sum(self.ends, out.bytes.get(start..).unwrap_or_default());
            out.patch(start + 6, &sum.to_be_bytes());
        }
    }

    /// Writes it. Addresses are all of the packet's family.
    pub fn emit(&self, addresses: impl Iterator<Item = IpAddr>, out: &mut Writer) {
        let start = out.len();
        out.u8(self.version << 4 | TYPE_ADVERT);
        out.u8(self.vrid);
        out.u8(self.priority);
        out.u8(0);
        match self.version {
            2 => {
                out.u8(match self.auth {
                    Auth::None => AUTH_NONE,
                    Auth::Pass(_) => AUTH_PASS,
                    Auth::Ah => AUTH_AH,
                    Auth::Other(kind) => kind,
                });
                out.u8(u8::try_from(self.interval.as_secs()).unwrap_or(u8::MAX));
            }
            _ => {
                let centiseconds = (self.interval.as_millis() / 10).min(MOST_CENTISECONDS.into());
                out.u16(centiseconds as u16);
            }
        }
        out.u16(0);
        let mut count = 0u8;
        for address in addresses.take(crate::limits::ADVERT_ADDRESSES) {
            match address {
                IpAddr::V4(ip) => out.put(&ip.octets()),
                IpAddr::V6(ip) => out.put(&ip.octets()),
            }
            count += 1;
        }
        out.patch(start + 3, &[count]);
        if has_auth(self.version, Family::of(&self.ends.dst)) {
            match self.auth {
                Auth::Pass(pass) => out.put(&pass),
                _ => out.zeros(AUTH_LEN),
            }
        }
        let sum = self.rule.sum(self.ends, out.bytes.get(start..).unwrap_or_default());
        out.patch(start + 6, &sum.to_be_bytes());
    }
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
    const VECTOR3: [u8; 12] = [0x31, 0x34, 0x96, 0x01, 0x00, 0x32, 0x43, 0xa4, 0x0a, 0x00, 0x00, 0x64];

    fn ends() -> Ends {
        Ends { src: [10, 0, 0, 1].into(), dst: [224, 0, 0, 18].into() }
    }

    fn parse(bytes: &[u8]) -> Result<Advert<'_>, Bad> {
        Advert::parse(bytes, 2, ends(), &[Rule::Plain])
    }

    fn parse3(bytes: &[u8]) -> Result<Advert<'_>, Bad> {
        Advert::parse(bytes, 3, ends(), &[Rule::Pseudo])
    }

    fn outgoing(version: u8, vrid: u8, interval: u64, rule: Rule) -> Outgoing {
        let (auth, interval) = (Auth::None, Duration::from_millis(interval));
        Outgoing { version, vrid, priority: 150, interval, auth, rule, ends: ends() }
    }

    #[test]
    fn keepalived_vector_both_ways() {
        let mut w = Writer::new();
        let vips: [IpAddr; 2] = [[10, 0, 0, 100].into(), [10, 0, 0, 101].into()];
        let out = Outgoing { auth: Auth::Pass(*b"secretpa"), ..outgoing(2, 51, 1000, Rule::Plain) };
        out.emit(vips.into_iter(), &mut w);
        assert_eq!(w.bytes, VECTOR);
        assert_eq!(out.size(2), VECTOR.len());
        let advert = parse(&VECTOR).unwrap();
        assert_eq!((advert.vrid, advert.priority, advert.interval), (51, 150, Duration::from_secs(1)));
        assert_eq!(advert.auth, Auth::Pass(*b"secretpa"));
        assert!(advert.addresses().eq(vips));
    }

    #[test]
    fn keepalived_vector_of_version_3_both_ways() {
        let mut w = Writer::new();
        let out = outgoing(3, 52, 500, Rule::Pseudo);
        out.emit(std::iter::once([10, 0, 0, 100].into()), &mut w);
        assert_eq!(w.bytes, VECTOR3);
        assert_eq!(out.size(1), VECTOR3.len());
        let advert = parse3(&VECTOR3).unwrap();
        assert_eq!((advert.vrid, advert.priority, advert.interval), (52, 150, Duration::from_millis(500)));
        assert!(advert.addresses().eq([IpAddr::from([10, 0, 0, 100])]));
    }

    /// Version 3 over IPv6, sent by keepalived: router 5, priority 200, 1 s, fd00::9 and fd00::8.
    #[test]
    fn ipv6_both_ways() {
        let vips: Vec<IpAddr> = vec!["fd00::9".parse().unwrap(), "fd00::8".parse().unwrap()];
        let ends = Ends { src: "fe80::4086:caff:feea:12aa".parse().unwrap(), dst: "ff02::12".parse().unwrap() };
        for (version, interval, first) in [(3, 1000, 0x0064), (2, 1000, 0x0001)] {
            let out = Outgoing { ends, priority: 200, ..outgoing(version, 5, interval, Rule::Pseudo) };
            let mut w = Writer::new();
            out.emit(vips.iter().copied(), &mut w);
            assert_eq!((w.len(), out.size(2)), (40, 40));
            assert_eq!(w.bytes.get(4..6), Some(&u16::to_be_bytes(first)[..]));
            if version == 3 {
                assert_eq!(w.bytes.get(6..8), Some(&SUM6[..]));
            }
            let advert = Advert::parse(&w.bytes, version, ends, &[Rule::Pseudo]).unwrap();
            assert_eq!((advert.interval, advert.auth), (Duration::from_secs(1), Auth::None));
            assert!(advert.addresses().eq(vips.iter().copied()));
        }
    }
    const SUM6: [u8; 2] = [0xf1, 0x37];

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        for n in 0..VECTOR.len() {
            assert!(parse(&VECTOR[..n]).is_err(), "cut to {n}");
        }
        for bit in 0..VECTOR.len() * 8 {
            let mut v = VECTOR;
            v[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&v).is_err(), "bit {bit}");
        }
        for bit in 0..VECTOR3.len() * 8 {
            let mut v = VECTOR3;
            v[bit / 8] ^= 1 << (bit % 8);
            assert!(parse3(&v).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn reasons() {
        let bad = |at: usize, byte: u8| {
            let mut v = VECTOR;
            v[at] = byte;
            parse(&v).unwrap_err()
        };
        assert_eq!(bad(0, 0x31), Bad::Version { ours: 2, theirs: 3 });
        assert_eq!(bad(0, 0x22), Bad::Type(2));
        assert_eq!(bad(3, 3), Bad::Length { want: 28, got: 24 });
        assert_eq!(bad(6, 0), Bad::Checksum(0x0052, None));
    }

    #[test]
    fn a_wrong_checksum_is_told_its_rule() {
        let to = Ends { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into() };
        for made in Rule::ALL {
            let mut w = Writer::new();
            Outgoing { ends: to, ..outgoing(3, 52, 500, made) }.emit(std::iter::empty(), &mut w);
            for known in Rule::ALL {
                let got = Advert::parse(&w.bytes, 3, to, &[known]);
                match got {
                    Ok(advert) => assert_eq!((advert.rule, known), (Some(made), made)),
                    Err(Bad::Checksum(_, rule)) => assert!(rule == Some(made) && known != made),
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }
}
