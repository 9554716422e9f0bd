//! bfd_instance: a session with a neighbour that instances, groups and BFD_CHECKs can watch.

use super::context::{seconds, Context};
use super::diagnostic::Code;
use super::keywords::Block;
use super::lexer::Span;
use super::model::Bfd;
use super::track::Head;
use super::tree::{Arg, Node};
use crate::base::addr::Family;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Longest name, in bytes.
const NAME: usize = 31;
const WEIGHT: i32 = 253;
/// Most of all times, in milliseconds.
const LONGEST: u64 = 4_294_967;

/// A bfd_instance as it was read.
pub struct BfdDraft {
    pub head: Head,
    neighbor: Option<(IpAddr, Span)>,
    source: Option<(IpAddr, Span)>,
    /// The name or the neighbour is wrong, which was said: it goes without another word.
    bad: bool,
    min_rx: Duration,
    min_tx: Duration,
    idle_tx: Duration,
    multiplier: u8,
    passive: bool,
    ttl: Option<u8>,
    max_hops: (i16, Span),
    multihop: bool,
    vrrp: bool,
    checker: bool,
}

impl BfdDraft {
    pub fn new(cx: &mut Context, name: Arg) -> BfdDraft {
        let bad = name.bytes().len() > NAME;
        if bad {
            let text = format!("the name of a bfd_instance has at most {NAME} bytes");
            cx.bad(Code::Value, name, text).help("the whole block is not used");
        }
        BfdDraft {
            head: Head::new(cx, name, 0),
            neighbor: None,
            source: None,
            bad,
            min_rx: Duration::from_millis(10),
            min_tx: Duration::from_millis(10),
            idle_tx: Duration::from_secs(1),
            multiplier: 5,
            passive: false,
            ttl: None,
            max_hops: (0, Span::NOWHERE),
            multihop: false,
            vrrp: false,
            checker: false,
        }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::BfdInstance, &mut self.head.seen) else { return };
        match keyword.word {
            "neighbor_ip" | "neighbour_ip" => {
                self.neighbor = address(cx, node);
                self.bad |= self.neighbor.is_none();
            }
            "source_ip" => self.source = address(cx, node).or(self.source),
            "min_rx" => self.min_rx = millis(cx, node, 1).unwrap_or(self.min_rx),
            "min_tx" => self.min_tx = millis(cx, node, 1).unwrap_or(self.min_tx),
            "idle_tx" => self.idle_tx = millis(cx, node, 1000).unwrap_or(self.idle_tx),
            "multiplier" => {
                self.multiplier = cx.int(node, keyword).and_then(|n| u8::try_from(n).ok()).unwrap_or(self.multiplier)
            }
            "ttl" | "hoplimit" => self.ttl = cx.int(node, keyword).and_then(|n| u8::try_from(n).ok()).or(self.ttl),
            "max_hops" => {
                if let Some(n) = cx.int(node, keyword).and_then(|n| i16::try_from(n).ok()) {
                    self.max_hops = (n, node.arg(0).map_or(Span::NOWHERE, |a| a.span()));
                }
            }
            "weight" => self.head.weigh(cx, node, WEIGHT),
            "passive" => self.passive = true,
            "multihop" => self.multihop = cx.flag(node).unwrap_or(self.multihop),
            "vrrp" => self.vrrp = true,
            "checker" => self.checker = true,
            _ => cx.unread(node, keyword),
        }
    }

    /// None: it cannot be used, which is said.
    pub fn finish(&self, cx: &mut Context, known: &mut Known) -> Option<Bfd> {
        let head = &self.head;
        if self.bad {
            return None;
        }
        let Some((neighbor, span)) = self.neighbor else {
            if !head.seen.has(Block::BfdInstance, &["neighbor_ip", "neighbour_ip"]) {
                head.missing(cx, "bfd_instance", "neighbor_ip");
            }
            return None;
        };
        if let Some((source, at)) = self.source.filter(|(ip, _)| Family::of(ip) != Family::of(&neighbor)) {
            let text = format!("{source} is not of the address family of the neighbour {neighbor}");
            cx.error(Code::Conflict, at, &source.to_string(), text)
                .see(span, "the neighbour")
                .help("the session is not used");
            return None;
        }
        let source = self.source.map(|(ip, _)| ip);
        if let Some((name, first)) = known.session(neighbor, source) {
            let text = format!("'{name}' is a session with {neighbor} already");
            cx.error(Code::Duplicate, span, &neighbor.to_string(), text)
                .see(*first, "the first one")
                .help("the second one is not used; give each a source_ip of its own");
            return None;
        }
        known.add(neighbor, source, &head.name, span);
        let v4 = matches!(neighbor, IpAddr::V4(_));
        let ttl = self.ttl.unwrap_or(if v4 { 255 } else { 64 });
        let (mut max_hops, at) = self.max_hops;
        if max_hops > i16::from(ttl) && max_hops != 255 {
            let text = format!("'max_hops' is more than the ttl of {ttl}");
            cx.error(Code::Conflict, at, &max_hops.to_string(), text).help(format!("{ttl} is used"));
            max_hops = ttl.into();
        }
        // Neither is both.
        let both = self.vrrp == self.checker;
        Some(Bfd {
            name: head.name.clone(),
            neighbor,
            source,
            min_rx: self.min_rx,
            min_tx: self.min_tx,
            idle_tx: self.idle_tx,
            multiplier: self.multiplier,
            passive: self.passive,
            ttl,
            max_hops,
            multihop: self.multihop,
            weight: head.weight,
            reverse: head.reverse,
            vrrp: both || self.vrrp,
            checker: both || self.checker,
        })
    }

    /// Checks hear of it.
    pub fn is_for_checks(&self) -> bool {
        self.checker || !self.vrrp
    }
}

/// The sessions before: name and place, by neighbour and source. A session without a source takes all of its neighbour.
#[derive(Default)]
pub struct Known {
    sessions: HashMap<(IpAddr, Option<IpAddr>), (Box<str>, Span)>,
    /// The first one of each neighbour.
    first: HashMap<IpAddr, Option<IpAddr>>,
}

impl Known {
    /// The one that this would be, or be in the way of.
    fn session(&self, neighbor: IpAddr, source: Option<IpAddr>) -> Option<&(Box<str>, Span)> {
        let first = *self.first.get(&neighbor)?;
        let same = self.sessions.get(&(neighbor, source));
        same.or_else(|| (source.is_none() || first.is_none()).then(|| self.sessions.get(&(neighbor, first)))?)
    }

    fn add(&mut self, neighbor: IpAddr, source: Option<IpAddr>, name: &str, span: Span) {
        self.first.entry(neighbor).or_insert(source);
        self.sessions.insert((neighbor, source), (name.into(), span));
    }
}

fn address(cx: &mut Context, node: Node) -> Option<(IpAddr, Span)> {
    let arg = node.arg(0)?;
    cx.ip(node, arg).map(|ip| (ip, arg.span()))
}

/// Milliseconds with decimals.
fn millis(cx: &mut Context, node: Node, low: u64) -> Option<Duration> {
    let arg = node.arg(0)?;
    let word = arg.str();
    // A thousandth of as many seconds.
    let parsed = seconds(&word);
    let micros = parsed.map(|(m, _)| m / 1000);
    let time = micros.filter(|m| (low * 1000..=LONGEST * 1000).contains(m)).map(Duration::from_micros);
    if time.is_none() {
        let code = if micros.is_some() { Code::Range } else { Code::Value };
        let name = node.word().str();
        cx.bad(code, arg, format!("'{name}' takes milliseconds from {low} to {LONGEST}, not '{word}'"))
            .help("the line is not used");
    }
    if time.is_some() && parsed.is_some_and(|(m, rounded)| rounded || m % 1000 != 0) {
        cx.bad(Code::Rounded, arg, format!("'{word}' is finer than a microsecond")).help("what is finer is cut");
    }
    time
}
