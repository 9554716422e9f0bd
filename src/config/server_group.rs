//! virtual_server_group: addresses, ranges of them, and marks.

use super::context::Context;
use super::diagnostic::Code;
use super::keywords::Block;
use super::lexer::Span;
use super::model::{Member, ServerGroup};
use super::tree::{Arg, Node};
use crate::base::addr::{Endpoint, Family, IpNet};
use crate::wire::op::{Protocol, ServiceKey};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who stands at which addresses and marks.
#[derive(Default)]
pub struct Taken {
    /// Of services without a group.
    alone: BTreeMap<ServiceKey, Span>,
    /// Of groups, by protocol, port and first address: the last one.
    ranges: BTreeMap<(Protocol, u16, IpAddr), (IpAddr, Span)>,
    marks: BTreeMap<(u32, Family), Span>,
}

/// Another service that stands there.
#[derive(PartialEq, Debug)]
pub enum Other {
    /// For the very same.
    Same(Span),
    /// A group, or a service that some of the group is of.
    Overlaps(Span),
}

impl Taken {
    /// A service without a group.
    pub fn alone(&mut self, key: ServiceKey, span: Span) -> Option<Other> {
        if let Some(first) = self.alone.get(&key) {
            return Some(Other::Same(*first));
        }
        self.alone.insert(key, span);
        let group = match key {
            ServiceKey::Address(protocol, at) => self.range(protocol, at.port, at.ip, at.ip),
            ServiceKey::Mark(family, mark) => self.marks.get(&(mark, family)).copied(),
        };
        group.map(Other::Overlaps)
    }

    /// One member of a service's group.
    pub fn member(&mut self, protocol: Protocol, family: Family, member: &Member, span: Span) -> Option<Span> {
        match *member {
            Member::Mark(mark, own) => {
                let family = own.unwrap_or(family);
                let alone = self.alone.get(&ServiceKey::Mark(family, mark)).copied();
                let before = alone.or_else(|| self.marks.get(&(mark, family)).copied());
                self.marks.entry((mark, family)).or_insert(span);
                before
            }
            Member::Range { first, last, port } => {
                let key = |ip, port| ServiceKey::Address(protocol, Endpoint { ip, port });
                let mut alone = self.alone.range(key(first, 0)..=key(last, u16::MAX));
                let same_port = |k: &ServiceKey| matches!(k, ServiceKey::Address(_, at) if at.port == port);
                let alone = alone.find(|(k, _)| same_port(k)).map(|(_, span)| *span);
                let group = self.range(protocol, port, first, last);
                if group.is_none() {
                    self.ranges.insert((protocol, port, first), (last, span));
                }
                alone.or(group)
            }
        }
    }

    /// The group that has some of this. Its ranges do not overlap, so only the last one that begins before our end can.
    fn range(&self, protocol: Protocol, port: u16, first: IpAddr, last: IpAddr) -> Option<Span> {
        let ((p, n, _), (end, span)) = self.ranges.range(..=(protocol, port, last)).next_back()?;
        (*p == protocol && *n == port && *end >= first).then_some(*span)
    }
}

/// The number and the place of each group.
pub type Names = HashMap<Box<str>, (usize, Span)>;

/// A virtual_server_group as it was read.
pub struct ServerGroupDraft {
    group: ServerGroup,
    span: Span,
    /// A line was wrong, which was said.
    bad: bool,
    /// Within the group.
    taken: Taken,
}

impl ServerGroupDraft {
    /// None: there is one of that name, or it has no name.
    pub fn new(cx: &mut Context, node: Node, known: &Names) -> Option<ServerGroupDraft> {
        let arg = node.arg(0)?;
        let name: Box<str> = arg.str().as_ref().into();
        if let Some((_, first)) = known.get(&name) {
            cx.warn(Code::Duplicate, arg.span(), &name, format!("there is a virtual_server_group '{name}' already"))
                .see(*first, "the first one")
                .help("the second one is not used");
            return None;
        }
        let group = ServerGroup { name, members: Vec::new() };
        Some(ServerGroupDraft { group, span: arg.span(), bad: false, taken: Taken::default() })
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let word = node.word();
        let (member, words) = if word.str() == "fwmark" {
            (mark(cx, node), if node.arg(1).is_some() { 3 } else { 2 })
        } else {
            (addresses(cx, node), 2)
        };
        if let Some(extra) = node.all().nth(words) {
            let text = format!("'{}' is too much in this line", extra.str());
            cx.warn(Code::Extra, extra.span(), &extra.str(), text).help("it is not used");
        }
        let Some(member) = member else {
            self.bad = true;
            return;
        };
        if let Some(first) = self.taken.member(Protocol::Tcp, Family::V4, &member, word.span()) {
            let text = "some of this is in the group already".into();
            cx.warn(Code::Duplicate, word.span(), &word.str(), text).see(first, "here").help("the line is not used");
            return;
        }
        self.group.members.push(member);
    }

    /// The block is read. None: it is of no use, which was said.
    pub fn close(self, cx: &mut Context) -> Option<(ServerGroup, Span)> {
        let name = &self.group.name;
        if self.group.members.is_empty() && self.bad {
            cx.nameless.push(Block::List);
            return None;
        }
        if self.group.members.is_empty() {
            cx.error(Code::Empty, self.span, name, format!("the virtual_server_group '{name}' is empty"))
                .help("it is not used");
            return None;
        }
        let open = self.group.members.iter().any(|m| matches!(m, Member::Mark(_, None)));
        if open && self.group.has(Family::V4) && self.group.has(Family::V6) {
            let text = format!("'{name}' has IPv4 and IPv6 addresses, and a mark without a family");
            cx.error(Code::Conflict, self.span, name, text)
                .help("write inet or inet6 behind it; the group is not used");
            return None;
        }
        Some((self.group, self.span))
    }
}

/// `fwmark N [inet|inet6]`
fn mark(cx: &mut Context, node: Node) -> Option<Member> {
    let Some(arg) = node.arg(0) else {
        let word = node.word();
        // keepalived ends at once.
        cx.found.stopped = true;
        cx.bad(Code::Argument, word, "'fwmark' has no argument".into())
            .help("nothing starts with this; write 'fwmark' and a whole number from 1 to 4294967295");
        return None;
    };
    let word = arg.str();
    let number = match word.parse::<u32>() {
        Ok(0) => {
            cx.warn(Code::Range, arg.span(), "0", "the mark 0 is that of all packets without a mark".into())
                .help("the line is not used");
            return None;
        }
        Ok(number) => number,
        Err(_) => {
            let text = format!("'fwmark' takes a whole number from 1 to 4294967295, not '{word}'");
            cx.bad(Code::Value, arg, text).help("the line is not used");
            return None;
        }
    };
    let Some(arg) = node.arg(1) else { return Some(Member::Mark(number, None)) };
    match arg.str().as_ref() {
        "inet" => Some(Member::Mark(number, Some(Family::V4))),
        "inet6" => Some(Member::Mark(number, Some(Family::V6))),
        other => {
            let text = format!("the family of a mark is inet or inet6, not '{other}'");
            cx.bad(Code::Value, arg, text).help("the line is not used");
            None
        }
    }
}

/// `ADDRESSES [PORT]`
fn addresses(cx: &mut Context, node: Node) -> Option<Member> {
    let word = node.word();
    let (first, last) = match range(&word.str()) {
        Ok(range) => range,
        Err(wrong) => {
            let text = format!("'{}' is no address and no range of addresses: {wrong}", word.str());
            cx.bad(Code::Value, word, text).help("the line is not used");
            return None;
        }
    };
    let port = node.arg(0).map_or(Some(0), |arg| port(cx, arg))?;
    Some(Member::Range { first, last, port })
}

fn port(cx: &mut Context, arg: Arg) -> Option<u16> {
    let port = arg.str().parse().ok();
    if port.is_none() {
        cx.bad(Code::Range, arg, format!("a port is a whole number from 0 to 65535, not '{}'", arg.str()))
            .help("the line is not used");
    }
    port
}

/// `ADDR`, `ADDR-END` (END: an address, or the last part of one), `ADDR/LEN`.
fn range(word: &str) -> Result<(IpAddr, IpAddr), &'static str> {
    const FORMS: &str = "write ADDRESS, FIRST-LAST or ADDRESS/LENGTH";
    if word.contains('/') {
        return word.parse::<IpNet>().map(prefix).map_err(|()| FORMS);
    }
    let Some((from, to)) = word.split_once('-') else {
        return word.parse().map(|ip| (ip, ip)).map_err(|_| FORMS);
    };
    let first: IpAddr = from.parse().map_err(|_| FORMS)?;
    let last = match to.parse() {
        Ok(last) => last,
        Err(_) => with_end(first, to).ok_or("its end is too large, or no number")?,
    };
    if Family::of(&first) != Family::of(&last) {
        return Err("its ends are of two address families");
    }
    if last <= first {
        return Err("its end is not above its beginning");
    }
    Ok((first, last))
}

/// The address with another last byte (IPv4), or last 16 bits (IPv6).
fn with_end(ip: IpAddr, end: &str) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            Some(Ipv4Addr::new(a, b, c, end.parse().ok()?).into())
        }
        IpAddr::V6(ip) => {
            let low = u16::from_str_radix(end, 16).ok().filter(|_| !end.starts_with('+'))?;
            Some(Ipv6Addr::from(u128::from(ip) & !0xffff | u128::from(low)).into())
        }
    }
}

fn prefix(net: IpNet) -> (IpAddr, IpAddr) {
    match net.addr {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shr(net.len.into()).unwrap_or(0);
            (Ipv4Addr::from(u32::from(ip) & !mask).into(), Ipv4Addr::from(u32::from(ip) | mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shr(net.len.into()).unwrap_or(0);
            (Ipv6Addr::from(u128::from(ip) & !mask).into(), Ipv6Addr::from(u128::from(ip) | mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_all_forms() {
        let is = |word: &str, first: &str, last: &str| {
            assert_eq!(range(word), Ok((first.parse().unwrap(), last.parse().unwrap())), "{word}");
        };
        is("10.0.0.1", "10.0.0.1", "10.0.0.1");
        is("10.0.0.10-20", "10.0.0.10", "10.0.0.20");
        is("10.0.0.250-10.0.1.10", "10.0.0.250", "10.0.1.10");
        is("192.168.202.8/29", "192.168.202.8", "192.168.202.15");
        is("10.0.0.9/32", "10.0.0.9", "10.0.0.9");
        is("0.0.0.0/0", "0.0.0.0", "255.255.255.255");
        is("2001:db8::1-20", "2001:db8::1", "2001:db8::20");
        is("2001:db8::/112", "2001:db8::", "2001:db8::ffff");
        for bad in ["10.0.0.1-300", "10.0.0.20-10", "10.0.0.5-5", "10.0.0.300", "10.0.0.1/33", "x", "10.0.0.1-::1", "-"]
        {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn overlaps_are_found() {
        let mut taken = Taken::default();
        let mut take = |from: u8, to: u8, port| {
            let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
            let member = Member::Range { first: ip(from), last: ip(to), port };
            taken.member(Protocol::Tcp, Family::V4, &member, Span::new(from.into(), to.into())).map(|s| s.start)
        };
        assert_eq!(take(10, 20, 80), None);
        assert_eq!(take(30, 40, 80), None);
        assert_eq!(take(20, 25, 80), Some(10));
        assert_eq!(take(5, 10, 80), Some(10));
        assert_eq!(take(12, 12, 80), Some(10));
        assert_eq!(take(1, 100, 80), Some(30));
        assert_eq!(take(10, 20, 443), None);
        assert_eq!(take(21, 29, 80), None);
        let key = |last: u8| ServiceKey::Address(Protocol::Tcp, Endpoint { ip: [10, 0, 0, last].into(), port: 80 });
        assert_eq!(taken.alone(key(15), Span::new(1, 2)), Some(Other::Overlaps(Span::new(10, 20))));
        assert_eq!(taken.alone(key(15), Span::new(3, 4)), Some(Other::Same(Span::new(1, 2))));
        assert_eq!(taken.alone(key(99), Span::new(5, 6)), None);
        let member = Member::Range { first: [10, 0, 0, 90].into(), last: [10, 0, 0, 99].into(), port: 80 };
        assert_eq!(taken.member(Protocol::Tcp, Family::V4, &member, Span::new(7, 8)), Some(Span::new(5, 6)));
    }
}
