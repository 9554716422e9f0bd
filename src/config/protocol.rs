//! The lines of a vrrp_instance about what adverts look like and where they go: version, family, group, peers.

use super::context::Context;
use super::diagnostic::{Code, Level};
use super::global::GlobalDraft;
use super::keywords::Keyword;
use super::lexer::Span;
use super::model::{OldChecksum, Peer, Unicast, Wire};
use super::tree::{Arg, Node};
use crate::base::addr::Family;
use crate::wire::vrrp::MOST_CENTISECONDS;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// The keywords that `ProtocolDraft::entry` takes.
pub const WORDS: &[&str] = &[
    "version",
    "native_ipv6",
    "mcast_dst_ip",
    "unicast_peer",
    "unicast_src_ip",
    "unicast_ttl",
    "unicast_fault_no_peer",
    "check_unicast_src",
    "old_unicast_checksum",
    "v3_checksum_as_v2",
];

#[derive(Default)]
pub struct ProtocolDraft {
    version: Option<(u8, Span)>,
    native_ipv6: Option<Span>,
    group: Option<(IpAddr, Span)>,
    peers: Option<Vec<(Peer, Span)>>,
    known_peers: HashMap<IpAddr, Span>,
    peers_word: Span,
    /// A line of them was wrong, which was said.
    bad_peers: bool,
    src: Option<(IpAddr, Span)>,
    ttl: Option<u8>,
    fault_no_peer: bool,
    check_src: Option<bool>,
    old_checksum: OldChecksum,
    as_v2: Option<bool>,
    /// The strict rules are in force.
    pub strict: bool,
    /// The first unicast keyword that means nothing without peers.
    lonely: Option<(Span, &'static str)>,
}

impl ProtocolDraft {
    pub fn entry(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        let first = node.arg(0);
        let at = first.unwrap_or(node.word()).span();
        match keyword.word {
            "version" => {
                let version = cx.int(node, keyword).and_then(|n| u8::try_from(n).ok());
                self.version = version.map(|n| (n, at)).or(self.version);
            }
            "native_ipv6" => self.native_ipv6 = Some(at),
            "mcast_dst_ip" => {
                let Some(arg) = first else { return };
                match cx.ip(node, arg) {
                    Some(ip) if ip.is_multicast() => self.group = Some((ip, at)),
                    Some(ip) => cx
                        .bad(Code::Value, arg, format!("{ip} is not a multicast address"))
                        .help("the usual group is used"),
                    None => {}
                }
            }
            "unicast_peer" => self.peers(cx, node),
            "unicast_src_ip" => {
                let Some(arg) = first else { return };
                let src = cx.ip(node, arg).map(|ip| (ip, at));
                self.alone(src.is_some(), at, keyword.word);
                self.src = src.or(self.src);
            }
            "unicast_ttl" => {
                let ttl = cx.int(node, keyword).and_then(|n| u8::try_from(n).ok());
                self.alone(ttl.is_some(), at, keyword.word);
                self.ttl = ttl.or(self.ttl);
            }
            "unicast_fault_no_peer" => {
                self.fault_no_peer = true;
                self.alone(true, at, keyword.word);
            }
            "check_unicast_src" => {
                let check = cx.flag(node);
                self.alone(check.is_some(), at, keyword.word);
                self.check_src = check.or(self.check_src);
            }
            "old_unicast_checksum" => {
                self.old_checksum = match first {
                    None => OldChecksum::Always,
                    Some(arg) if arg.str() == "never" => OldChecksum::Never,
                    Some(arg) => {
                        let text = format!("'old_unicast_checksum' takes 'never' or nothing, not '{}'", arg.str());
                        cx.bad(Code::Value, arg, text).help("the line is not used");
                        return;
                    }
                };
                self.alone(true, at, keyword.word);
            }
            "v3_checksum_as_v2" => self.as_v2 = cx.flag(node).or(self.as_v2),
            _ => {}
        }
    }

    /// A line that needs peers. One that is wrong has its finding already.
    fn alone(&mut self, right: bool, at: Span, word: &'static str) {
        if right {
            self.lonely.get_or_insert((at, word));
        }
    }

    /// `IP [min_ttl N] [max_ttl N]` each line. A second block adds to the first.
    fn peers(&mut self, cx: &mut Context, node: Node) {
        self.peers_word = node.word().span();
        self.bad_peers |= !node.body() || node.arg(0).is_some();
        let mut peers = self.peers.take().unwrap_or_default();
        for line in super::vrrp::list(cx, node) {
            let Some(peer) = peer(cx, line) else {
                self.bad_peers = true;
                continue;
            };
            let span = line.word().span();
            if let Some(first) = self.known_peers.get(&peer.ip) {
                let said = cx.warn(Code::Duplicate, span, &line.word().str(), format!("{} is given twice", peer.ip));
                said.see(*first, "the first one").help("the second one is not used");
                continue;
            }
            self.known_peers.insert(peer.ip, span);
            peers.push((peer, span));
        }
        self.peers = Some(peers);
    }

    /// The peers are written, under another word.
    pub fn not_alone(&mut self) {
        self.lonely = None;
    }

    /// What decides the family, without a word about what contradicts it. `vips`: that of the advertised addresses.
    pub fn family(&self, vips: Option<Family>) -> Family {
        let peer = self.peers.iter().flatten().map(|(p, _)| Family::of(&p.ip)).next();
        let native = self.native_ipv6.map(|_| Family::V6);
        vips.or(native).or(peer).or(self.src.map(|(ip, _)| Family::of(&ip))).unwrap_or(Family::V4)
    }

    pub fn is_unicast(&self) -> bool {
        self.peers.is_some()
    }

    pub fn source(&self) -> Option<IpAddr> {
        self.src.map(|(ip, _)| ip)
    }

    /// 2 or 3: as told, else 3 for IPv6.
    pub fn version(&self, family: Family, global: &GlobalDraft) -> u8 {
        match (self.version, family) {
            (Some((version, _)), _) => version,
            (None, Family::V6) => 3,
            (None, Family::V4) => 2 + u8::from(global.version3),
        }
    }

    /// `groups`: of the two families.
    pub fn finish(self, cx: &mut Context, global: &GlobalDraft, groups: [IpAddr; 2], vips: Option<Family>) -> Wire {
        let family = self.family(vips);
        let mut version = self.version(family, global);
        if let (Some(span), Family::V4) = (self.native_ipv6, family) {
            cx.error(Code::Conflict, span, "native_ipv6", "'native_ipv6' of an instance with IPv4 addresses".into())
                .help("it speaks IPv4; write the addresses into virtual_ipaddress_excluded if it is to speak IPv6");
        }
        if let (Some((2, span)), Family::V6) = (self.version, family) {
            let text = "VRRP version 2 knows no IPv6".into();
            if self.strict {
                cx.error(Code::Conflict, span, "2", text).help("version 3 is used, as the strict rules have it");
                version = 3;
            } else {
                cx.warn(Code::Conflict, span, "2", text)
                    .help("adverts are sent as keepalived does; write version 3 on all routers");
            }
        }
        let [v4, v6] = groups;
        let group = if family == Family::V4 { v4 } else { v6 };
        let fits = |cx: &mut Context, given: Option<(IpAddr, Span)>| match given {
            Some((ip, span)) if Family::of(&ip) != family => {
                cx.error(
                    Code::Conflict,
                    span,
                    &ip.to_string(),
                    format!("{ip} is not of the instance's address family"),
                )
                .help("it is not used");
                None
            }
            other => other.map(|(ip, _)| ip),
        };
        let source = fits(cx, self.src);
        if let (Some((ip, span)), true) = (self.group, self.peers.is_some()) {
            cx.error(Code::Conflict, span, &ip.to_string(), "'mcast_dst_ip' beside 'unicast_peer'".into())
                .help("adverts go to the peers, not to the group");
        }
        let group = fits(cx, self.group.filter(|_| self.peers.is_none())).unwrap_or(group);
        let unicast = match self.peers {
            None => {
                if let Some((span, word)) = self.lonely {
                    let text = format!("'{word}' without 'unicast_peer'");
                    // Of this one keepalived says nothing.
                    let status = if word == "unicast_fault_no_peer" { 0 } else { 5 };
                    cx.say(Level::Warning, Code::Missing, span, word, text, status)
                        .help("adverts go to the multicast group; write unicast_peer { PEER }");
                }
                None
            }
            Some(given) => {
                let mut peers = Vec::new();
                let mut bad = self.bad_peers;
                for (peer, span) in given {
                    if fits(cx, Some((peer.ip, span))).is_none() {
                        bad = true;
                        continue;
                    }
                    if Some(peer.ip) == source {
                        let text = format!("the peer {} is this router itself", peer.ip);
                        cx.warn(Code::Conflict, span, &peer.ip.to_string(), text).help("nothing is sent to it");
                        bad = true;
                        continue;
                    }
                    peers.push(peer);
                }
                if peers.is_empty() && !bad {
                    let span = self.peers_word;
                    let help = match self.fault_no_peer {
                        true => "the instance stays in FAULT, as 'unicast_fault_no_peer' has it",
                        false => "adverts go to nobody, and several routers may be MASTER at one time",
                    };
                    cx.say(Level::Warning, Code::Empty, span, "unicast_peer", "there is no unicast peer".into(), 5)
                        .help(help);
                }
                Some(Unicast {
                    peers,
                    // The usual one of IPv6 is the kernel's, which is this unless somebody changed it.
                    ttl: self.ttl.unwrap_or(if family == Family::V4 { 255 } else { 64 }),
                    check_src: self.check_src.unwrap_or(global.check_unicast_src),
                    fault_no_peer: self.fault_no_peer,
                    old_checksum: self.old_checksum,
                })
            }
        };
        let checksum_as_v2 = self.as_v2.unwrap_or(global.checksum_as_v2);
        Wire { family, version, group, unicast, unicast_src_ip: source, checksum_as_v2 }
    }
}

fn peer(cx: &mut Context, line: Node) -> Option<Peer> {
    let arg = line.word();
    let Ok(ip) = arg.str().parse::<IpAddr>() else {
        cx.bad(Code::Value, arg, format!("'{}' is not the address of a peer", arg.str())).help("the line is not used");
        return None;
    };
    if ip.is_multicast() || ip.is_unspecified() {
        cx.bad(Code::Value, arg, format!("{ip} cannot be a peer")).help("the line is not used");
        return None;
    }
    let mut peer = Peer { ip, min_ttl: 0, max_ttl: 255 };
    let mut at = 0;
    while let Some(option) = line.arg(at) {
        let to = match option.str().as_ref() {
            "min_ttl" => &mut peer.min_ttl,
            "max_ttl" => &mut peer.max_ttl,
            other => {
                cx.bad(Code::Value, option, format!("a peer has no option '{other}'"))
                    .help("the rest of the line is not used; there are min_ttl and max_ttl");
                break;
            }
        };
        at += 2;
        match line.arg(at - 1) {
            Some(value) => *to = ttl(cx, option, value).unwrap_or(*to),
            None => {
                cx.bad(Code::Argument, option, format!("'{}' has no argument", option.str())).help("it is not used")
            }
        }
    }
    if peer.min_ttl > peer.max_ttl {
        cx.bad(Code::Range, arg, format!("min_ttl {} is above max_ttl {}", peer.min_ttl, peer.max_ttl))
            .help("no advert of this peer is taken");
    }
    Some(peer)
}

fn ttl(cx: &mut Context, option: Arg, value: Arg) -> Option<u8> {
    let ttl = value.str().parse().ok();
    if ttl.is_none() {
        let text = format!("'{}' takes a whole number from 0 to 255, not '{}'", option.str(), value.str());
        cx.bad(Code::Range, value, text).help("it is not used");
    }
    ttl
}

/// The interval in the unit of the version, in its range.
pub fn interval(cx: &mut Context, given: Option<(Duration, Span)>, version: u8) -> Duration {
    let Some((d, span)) = given else { return Duration::from_secs(1) };
    if version == 2 {
        if d.subsec_nanos() == 0 {
            return d;
        }
        let whole = Duration::from_secs(((d.as_millis() as u64 + 500) / 1000).clamp(1, 255));
        let text = format!("version 2 sends adverts each whole number of seconds, not {}", d.as_secs_f64());
        cx.error(Code::Rounded, span, "advert_int", text).help(format!("{} is used", whole.as_secs()));
        return whole;
    }
    let centiseconds = ((d.as_micros() as u64 + 5_000) / 10_000).clamp(1, MOST_CENTISECONDS);
    let used = Duration::from_millis(centiseconds * 10);
    if used != d {
        let text =
            format!("version 3 sends adverts each 0.01 to 40.95 seconds, in steps of 0.01, not {}", d.as_secs_f64());
        cx.error(Code::Rounded, span, "advert_int", text).help(format!("{} is used", used.as_secs_f64()));
    }
    used
}
