//! virtual_server and real_server. The checks of a server are in `check.rs`.

use super::check::{self, Above, CheckDraft, Lists, Timing};
use super::context::{Context, Seen};
use super::diagnostic::{close_value, meant, Code, Level};
use super::global::{value, GlobalDraft};
use super::keywords::{Block, Keyword};
use super::lexer::Span;
use super::model::{Check, Checksum, Member, Script, Server, ServerGroup, ServerMore, Service, Sorry, Tunnel};
use super::script;
use super::server_group::{Names, Other, Taken};
use super::tree::{Arg, Node};
use crate::base::addr::{Endpoint, Family};
use crate::wire::op::{Forward, Protocol, Scheduler, ServiceKey};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// What a server left to its service, until that is known. One for each server: it has to be small.
#[derive(Clone, Copy)]
struct Left {
    start: u32,
    /// In `Lists`.
    checks: u32,
    len: u8,
    bits: u8,
}

impl Left {
    const FORWARD: u8 = 1;
    const WEIGHT: u8 = 2;
    const INHIBIT: u8 = 4;
    const SMTP_ALERT: u8 = 8;
    const ALPHA: u8 = 16;

    fn new(span: Span) -> Left {
        let len = u8::try_from(span.end.saturating_sub(span.start)).unwrap_or(u8::MAX);
        Left { start: span.start, checks: 0, len, bits: u8::MAX }
    }

    fn span(&self) -> Span {
        Span { start: self.start, end: self.start.saturating_add(self.len.into()) }
    }

    fn has(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }
}

/// Finds a server by its place: open addressing over the servers' numbers.
#[derive(Default)]
struct Known {
    slots: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl Known {
    fn slot(&self, at: &Endpoint, servers: &[Server]) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(at) & mask;
        loop {
            match self.slots.get(slot) {
                Some(&number) if servers.get(number as usize).is_some_and(|s| s.at != *at) => slot = (slot + 1) & mask,
                _ => return Some(slot),
            }
        }
    }

    /// The number of the server that is there; None: there was none, and the next one is.
    fn insert(&mut self, at: &Endpoint, servers: &[Server]) -> Option<usize> {
        if servers.len() * 4 >= self.slots.len() * 3 {
            self.slots = Vec::new();
            self.slots.resize((servers.len() * 2).next_power_of_two().max(16), FREE);
            for (number, server) in servers.iter().enumerate() {
                let slot = self.slot(&server.at, servers).and_then(|slot| self.slots.get_mut(slot));
                slot.into_iter().for_each(|slot| *slot = number as u32);
            }
        }
        let slot = self.slot(at, servers).and_then(|slot| self.slots.get_mut(slot))?;
        if *slot != FREE {
            return Some(*slot as usize);
        }
        *slot = servers.len() as u32;
        None
    }
}

fn hash(at: &Endpoint) -> usize {
    let ip = match at.ip {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        IpAddr::V6(ip) => {
            let bits = u128::from(ip);
            (bits >> 64) as u64 ^ bits as u64
        }
    };
    ((ip ^ u64::from(at.port) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

/// Room for more, a half of what is there: doubling wastes much where there are thousands.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 2 + 8);
    }
    list.push(item);
}

/// A virtual_server as it was read.
pub struct ServiceDraft {
    service: Service,
    header: Header,
    span: Span,
    path: Box<str>,
    seen: Seen,
    timing: Timing,
    protocol: Option<Protocol>,
    scheduler: Option<Scheduler>,
    forward: Option<(Forward, Option<Tunnel>)>,
    family: Option<Family>,
    weight: Option<u32>,
    alpha: Option<bool>,
    inhibit: bool,
    smtp_alert: Option<bool>,
    protocol_span: Span,
    family_span: Span,
    quorum_span: Span,
    hysteresis_span: Span,
    ops_span: Span,
    suspend_span: Span,
    sorry_span: Span,
    sorry_forward: Option<(Forward, Option<Tunnel>)>,
    /// A server was not as it should be, which was said.
    bad_server: bool,
    left: Vec<Left>,
    lists: Lists,
    known: Known,
    /// The checks of the server that is being read.
    checks: Vec<CheckDraft>,
}

enum Header {
    At(IpAddr, u16),
    Mark(u32),
    Group(Box<str>, Span),
    /// It says nothing that can be served, which was said.
    Wrong,
}

impl Header {
    /// None: it says nothing that can be served.
    fn new(cx: &mut Context, node: Node) -> Option<Header> {
        let first = node.arg(0)?;
        match first.str().as_ref() {
            "fwmark" => {
                let arg = node.arg(1).unwrap_or(first);
                match arg.str().parse() {
                    Ok(n) if n > 0 => Some(Header::Mark(n)),
                    _ => {
                        cx.bad(Code::Value, arg, "'fwmark' takes a whole number above 0".into())
                            .help("the virtual server is not used");
                        None
                    }
                }
            }
            "group" => match node.arg(1) {
                Some(name) => Some(Header::Group(name.str().as_ref().into(), name.span())),
                None => {
                    cx.bad(Code::Argument, first, "'group' has no name behind it".into())
                        .help("write the name of a virtual_server_group; the virtual server is not used");
                    None
                }
            },
            _ => endpoint(cx, node, 0, 0).map(|(ip, port)| Header::At(ip, port)),
        }
    }
}

impl ServiceDraft {
    /// None: there is no header.
    pub fn new(cx: &mut Context, node: Node) -> Option<ServiceDraft> {
        node.arg(0)?;
        let header = Header::new(cx, node).unwrap_or(Header::Wrong);
        let service = Service {
            key: ServiceKey::Mark(Family::V4, 0),
            group: None,
            held: None,
            scheduler: Scheduler::Wlc,
            scheduler_flags: 0,
            hashed: false,
            one_packet: false,
            persistence: None,
            granularity: 0,
            engine: None,
            quorum: 1,
            hysteresis: 0,
            quorum_up: None,
            quorum_down: None,
            alpha: false,
            omega: false,
            ha_suspend: false,
            smtp_alert: false,
            virtualhost: None,
            sorry: None,
            servers: Vec::new(),
        };
        Some(ServiceDraft {
            service,
            header,
            span: node.arg(0)?.span(),
            path: cx.path(),
            seen: Seen::default(),
            timing: Timing::default(),
            protocol: None,
            scheduler: None,
            forward: None,
            family: None,
            weight: None,
            alpha: None,
            inhibit: false,
            smtp_alert: None,
            protocol_span: Span::NOWHERE,
            family_span: Span::NOWHERE,
            quorum_span: Span::NOWHERE,
            hysteresis_span: Span::NOWHERE,
            ops_span: Span::NOWHERE,
            suspend_span: Span::NOWHERE,
            sorry_span: Span::NOWHERE,
            sorry_forward: None,
            bad_server: false,
            left: Vec::new(),
            lists: Lists::default(),
            known: Known::default(),
            checks: Vec::new(),
        })
    }

    fn port(&self) -> u16 {
        match self.header {
            Header::At(_, port) => port,
            _ => 0,
        }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::Service, &mut self.seen) else { return };
        if keyword.child == Block::Server {
            return self.server(cx, node);
        }
        if self.timing.take(cx, node, keyword) || self.balancing(cx, node, keyword) || self.sorry(cx, node, keyword) {
            return;
        }
        let s = &mut self.service;
        match keyword.word {
            "protocol" => self.protocol(cx, node),
            "ops" => {
                s.one_packet = true;
                self.ops_span = node.word().span();
            }
            "ip_family" => self.ip_family(cx, node),
            "virtualhost" => s.virtualhost = value(cx, node).or(s.virtualhost.take()),
            "alpha" => self.alpha = cx.silently(|cx| cx.flag(node)).or(self.alpha),
            "omega" => s.omega = true,
            "ha_suspend" => {
                s.ha_suspend = true;
                self.suspend_span = node.word().span();
            }
            "quorum" => {
                self.quorum_span = first_span(node);
                s.quorum = cx.int_u32(node, keyword).unwrap_or(s.quorum);
            }
            "hysteresis" => {
                self.hysteresis_span = first_span(node);
                s.hysteresis = cx.int_u32(node, keyword).unwrap_or(s.hysteresis);
            }
            "quorum_up" => once(cx, node, &mut s.quorum_up),
            "quorum_down" => once(cx, node, &mut s.quorum_down),
            "inhibit_on_failure" => self.inhibit = cx.silently(|cx| cx.flag(node)).unwrap_or(self.inhibit),
            "weight" => self.weight = cx.int_u32(node, keyword).or(self.weight),
            "smtp_alert" => self.smtp_alert = cx.flag(node).or(self.smtp_alert),
            _ => cx.unread(node, keyword),
        }
    }

    /// How connections are shared out, and kept together. True if the keyword was one of these.
    fn balancing(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let s = &mut self.service;
        match keyword.word {
            "lb_algo" | "lvs_sched" => self.scheduler(cx, node),
            "lb_kind" | "lvs_method" => {
                let forward = forward(cx, node, "NAT is used");
                self.forward = forward.or(self.forward).or(Some((Forward::Nat, None)));
            }
            "persistence_timeout" => match node.arg(0).map(|a| (a, a.str().parse::<u32>())) {
                None => s.persistence = Some(360),
                Some((_, Ok(n))) if (1..=2_678_400).contains(&n) => s.persistence = Some(n),
                Some((arg, _)) => {
                    let text = format!("'persistence_timeout' takes seconds from 1 to 2678400, not '{}'", arg.str());
                    cx.bad(Code::Range, arg, text).help("there is no persistence; remove the line if that is meant");
                }
            },
            "persistence_granularity" => {
                let Some(arg) = node.arg(0) else { return true };
                match granularity(&arg.str()) {
                    Some(n) => s.granularity = n,
                    None => cx
                        .bad(Code::Value, arg, format!("'{}' is neither a netmask nor a prefix length", arg.str()))
                        .help("the line is not used"),
                }
            }
            "persistence_engine" => {
                let Some(arg) = node.arg(0) else { return true };
                match arg.str().as_ref() {
                    "sip" => s.engine = Some("sip".into()),
                    other => cx
                        .warn(Code::Value, arg.span(), other, format!("there is no persistence engine '{other}'"))
                        .help("the only one is 'sip'; the line is not used"),
                }
            }
            "hashed" => match self.scheduler {
                Some(Scheduler::Sh | Scheduler::Mh) => s.hashed = true,
                _ => self.scheduler_flag(cx, node, Scheduler::Sh, 0),
            },
            "flag-1" => s.scheduler_flags |= 1,
            "flag-2" => s.scheduler_flags |= 2,
            "flag-3" => s.scheduler_flags |= 4,
            "sh-fallback" => self.scheduler_flag(cx, node, Scheduler::Sh, 1),
            "sh-port" => self.scheduler_flag(cx, node, Scheduler::Sh, 2),
            "mh-fallback" => self.scheduler_flag(cx, node, Scheduler::Mh, 1),
            "mh-port" => self.scheduler_flag(cx, node, Scheduler::Mh, 2),
            _ => return false,
        }
        true
    }

    fn scheduler(&mut self, cx: &mut Context, node: Node) {
        let Some(arg) = node.arg(0) else { return };
        let word = arg.str();
        match Scheduler::from_name(&word) {
            Some(found) => self.scheduler = Some(found),
            None => {
                let close = close_value(&word, Scheduler::ALL.iter().map(|s| s.name()));
                let all: Vec<_> = Scheduler::ALL.iter().map(|s| s.name()).collect();
                let help = match close {
                    Some(close) => format!("did you mean '{close}'? "),
                    None => format!("it is one of {}; ", all.join(" ")),
                };
                cx.bad(Code::Value, arg, format!("there is no scheduler '{word}'")).help(format!("{help}wlc is used"));
                self.scheduler.get_or_insert(Scheduler::Wlc);
            }
        }
    }

    fn scheduler_flag(&mut self, cx: &mut Context, node: Node, of: Scheduler, bit: u8) {
        // The two know each other's flags by the same bits.
        if matches!(self.scheduler, Some(Scheduler::Sh | Scheduler::Mh)) {
            self.service.scheduler_flags |= bit;
            return;
        }
        let word = node.word();
        let text = format!("'{}' is of the scheduler {}", word.str(), of.name());
        let help = format!("write it behind 'lb_algo {}'; it is not used", of.name());
        cx.bad(Code::Conflict, word, text).help(help);
    }

    fn protocol(&mut self, cx: &mut Context, node: Node) {
        let Some(arg) = node.arg(0) else { return };
        self.protocol_span = arg.span();
        match arg.str().to_ascii_uppercase().as_str() {
            "TCP" => self.protocol = Some(Protocol::Tcp),
            "UDP" => self.protocol = Some(Protocol::Udp),
            "SCTP" => self.protocol = Some(Protocol::Sctp),
            _ => {
                let text = format!("'protocol' is TCP, UDP or SCTP, not '{}'", arg.str());
                cx.bad(Code::Value, arg, text).help(meant(&arg.str(), &["TCP", "UDP", "SCTP"], "UDP is used"));
                self.protocol.get_or_insert(Protocol::Udp);
            }
        }
    }

    fn ip_family(&mut self, cx: &mut Context, node: Node) {
        let Some(arg) = node.arg(0) else { return };
        self.family_span = arg.span();
        match arg.str().as_ref() {
            "inet" => self.family = Some(Family::V4),
            "inet6" => self.family = Some(Family::V6),
            other => cx.bad(Code::Value, arg, format!("'ip_family' is inet or inet6, not '{other}'")).help(meant(
                other,
                &["inet", "inet6"],
                "it is taken from the first real server",
            )),
        }
    }

    /// True if the keyword was about the sorry server.
    fn sorry(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let before = |cx: &mut Context| {
            let text = format!("'{}' stands before 'sorry_server'", keyword.word);
            cx.bad(Code::Missing, node.word(), text).help("write it after sorry_server; it is not used");
        };
        match keyword.word {
            "sorry_server" => {
                if let Some((ip, port)) = endpoint(cx, node, 0, self.port()) {
                    let at = Endpoint { ip, port };
                    self.sorry_span = first_span(node);
                    self.service.sorry = Some(Sorry { at, forward: Forward::Nat, tunnel: None, inhibit: false });
                }
            }
            "sorry_server_inhibit" => match &mut self.service.sorry {
                Some(sorry) => sorry.inhibit = true,
                None => before(cx),
            },
            "sorry_server_lvs_method" => match &self.service.sorry {
                Some(_) => self.sorry_forward = forward(cx, node, "lb_kind is used").or(self.sorry_forward),
                None => before(cx),
            },
            _ => return false,
        }
        true
    }

    fn server(&mut self, cx: &mut Context, node: Node) {
        let Some((ip, port)) = endpoint(cx, node, 0, self.port()) else {
            self.bad_server = true;
            return;
        };
        let first = self.service.servers.is_empty();
        if let (Header::Mark(_), Some(arg)) = (&self.header, node.arg(1).filter(|_| port > 0 && first)) {
            let text = format!("a server behind a mark has no port of its own, and this one has {port}");
            cx.say(Level::Warning, Code::Conflict, arg.span(), &arg.str(), text, 5)
                .help("packets keep the port that they came for; write 0 here, and connect_port into checks");
        }
        let at = Endpoint { ip, port };
        let mut left = Left::new(first_span(node));
        if let Some(number) = self.known.insert(&at, &self.service.servers) {
            let first = self.left.get(number).map_or(Span::NOWHERE, Left::span);
            if let Some(arg) = node.arg(0) {
                cx.bad(Code::Duplicate, arg, format!("the real server {at} is given twice"))
                    .see(first, "the first one")
                    .help("the second one is not used");
            }
            return;
        }
        let mark = cx.enter(node);
        let mut draft = ServerDraft::new(at);
        let mut seen = Seen::default();
        for child in node.children() {
            if let Some(keyword) = cx.known(child, Block::Server, &mut seen) {
                draft.entry(cx, child, keyword, &mut left, &mut self.checks);
            }
        }
        cx.leave(mark);
        let alpha = (!left.has(Left::ALPHA)).then_some(draft.server.alpha);
        let above = Above { timing: &draft.timing, alpha, virtualhost: &draft.virtualhost };
        for check in &mut self.checks {
            check.inherit(&above);
        }
        left.checks = self.lists.intern(&mut self.checks, &mut cx.drafts);
        push(&mut self.service.servers, draft.finish(cx));
        push(&mut self.left, left);
    }

    /// The block is read: only what `settle` needs stays.
    pub fn close(&mut self) {
        self.known = Known::default();
        self.checks = Vec::new();
        self.service.servers.shrink_to_fit();
        self.left.shrink_to_fit();
        self.lists.shrink();
    }
}

/// A real_server while it is read.
struct ServerDraft {
    server: Server,
    more: ServerMore,
    timing: Timing,
    virtualhost: Option<Box<str>>,
    low_span: Span,
}

thread_local! {
    /// A list for those that have none yet: it costs nothing to share.
    static NO_CHECKS: Rc<[Check]> = Rc::from([]);
}

impl ServerDraft {
    fn new(at: Endpoint) -> ServerDraft {
        let server = Server {
            at,
            weight: 1,
            forward: Forward::Nat,
            inhibit: false,
            alpha: false,
            smtp_alert: false,
            checks: NO_CHECKS.with(Rc::clone),
            more: None,
        };
        ServerDraft {
            server,
            more: ServerMore::default(),
            timing: Timing::default(),
            virtualhost: None,
            low_span: Span::NOWHERE,
        }
    }

    fn entry(
        &mut self,
        cx: &mut Context,
        node: Node,
        keyword: &'static Keyword,
        left: &mut Left,
        checks: &mut Vec<CheckDraft>,
    ) {
        let (server, more) = (&mut self.server, &mut self.more);
        let mut given = |bit: u8| left.bits &= !bit;
        match keyword.word {
            "TCP_CHECK" | "HTTP_GET" | "SSL_GET" | "SMTP_CHECK" | "MISC_CHECK" | "DNS_CHECK" | "PING_CHECK"
            | "UDP_CHECK" | "BFD_CHECK" | "FILE_CHECK" => check::read(cx, node, server.at.port, checks),
            "weight" => {
                if let Some(n) = cx.int_u32(node, keyword) {
                    server.weight = n;
                    given(Left::WEIGHT);
                }
            }
            "inhibit_on_failure" => {
                if let Some(on) = cx.flag(node) {
                    server.inhibit = on;
                    given(Left::INHIBIT);
                }
            }
            "alpha" => {
                if let Some(on) = cx.flag(node) {
                    server.alpha = on;
                    given(Left::ALPHA);
                }
            }
            "smtp_alert" => {
                if let Some(on) = cx.flag(node) {
                    server.smtp_alert = on;
                    given(Left::SMTP_ALERT);
                }
            }
            "lvs_method" => {
                if let Some((forward, tunnel)) = forward(cx, node, "the virtual server's is used") {
                    (server.forward, more.tunnel) = (forward, tunnel);
                    given(Left::FORWARD);
                }
            }
            "notify_up" => once(cx, node, &mut more.notify_up),
            "notify_down" => once(cx, node, &mut more.notify_down),
            "uthreshold" => more.upper_threshold = cx.int_u32(node, keyword).unwrap_or(more.upper_threshold),
            "lthreshold" => {
                self.low_span = first_span(node);
                more.lower_threshold = cx.int_u32(node, keyword).unwrap_or(more.lower_threshold);
            }
            "virtualhost" => self.virtualhost = value(cx, node).or(self.virtualhost.take()),
            _ if self.timing.take(cx, node, keyword) => {}
            _ => cx.unread(node, keyword),
        }
    }

    fn finish(self, cx: &mut Context) -> Server {
        let (mut server, more) = (self.server, self.more);
        if more == ServerMore::default() {
            return server;
        }
        let (low, high) = (more.lower_threshold, more.upper_threshold);
        if low > high {
            let text = match high {
                0 => format!("this real server has the lower threshold {low}, and no upper one"),
                _ => format!("the lower threshold {low} of this real server is above the upper one {high}"),
            };
            cx.warn(Code::Conflict, self.low_span, "lthreshold", text).help("write uthreshold above lthreshold");
        }
        server.more = Some(Box::new(more));
        server
    }
}

fn first_span(node: Node) -> Span {
    node.arg(0).map_or(Span::NOWHERE, |a| a.span())
}

/// `IP [PORT]` from the argument `at` on.
fn endpoint(cx: &mut Context, node: Node, at: usize, port: u16) -> Option<(IpAddr, u16)> {
    let arg = node.arg(at)?;
    let word = arg.str();
    let unused = if node.body() { "the whole block is not used" } else { "the line is not used" };
    let Ok(ip) = word.parse() else {
        let text = format!("'{}' takes an address and a port, not '{word}'", node.word().str());
        let help = match word.rsplit_once(':').filter(|(ip, port)| ip.parse::<IpAddr>().is_ok() && !port.is_empty()) {
            Some((ip, port)) => format!("write {ip} {port}; {unused}"),
            None if word.starts_with(|c: char| c.is_ascii_alphabetic()) && !word.contains(':') => {
                format!("write the address of the host, not its name; {unused}")
            }
            None => unused.into(),
        };
        cx.bad(Code::Value, arg, text).help(help);
        return None;
    };
    let Some(arg) = node.arg(at + 1) else { return Some((ip, port)) };
    match arg.str().parse() {
        Ok(port) => Some((ip, port)),
        Err(_) => {
            cx.bad(Code::Range, arg, format!("a port is a whole number from 1 to 65535, not '{}'", arg.str()))
                .help(unused);
            None
        }
    }
}

fn forward(cx: &mut Context, node: Node, instead: &'static str) -> Option<(Forward, Option<Tunnel>)> {
    let arg = node.arg(0)?;
    let found =
        match arg.str().as_ref() {
            "NAT" => Forward::Nat,
            "DR" => Forward::Direct,
            "TUN" => return Some((Forward::Tunnel, tunnel(cx, node))),
            other => {
                cx.bad(Code::Value, arg, format!("'{}' is NAT, DR or TUN, not '{other}'", node.word().str()))
                    .help(meant(other, &["NAT", "DR", "TUN"], instead));
                return None;
            }
        };
    if let Some(option) = node.arg(1) {
        let word = option.str();
        let text = format!("'{word}' belongs to TUN, not to {}", arg.str());
        cx.say(Level::Warning, Code::Extra, option.span(), &word, text, 5).help("it is not used");
    }
    Some((found, None))
}

/// `[type ipip|gue|gre] [port N] [nocsum|csum|remcsum]` behind TUN. None: IP in IP.
fn tunnel(cx: &mut Context, node: Node) -> Option<Tunnel> {
    const INSTEAD: &str = "a plain IP-in-IP tunnel is used";
    let bad = |cx: &mut Context, code: Code, arg: Arg, text: String| cx.bad(code, arg, text).help(INSTEAD);
    let (mut kind, mut port, mut checksum) = ("ipip", None, None);
    let mut place = node.word();
    let mut at = 1;
    while let Some(option) = node.arg(at) {
        let (word, next) = (option.str(), node.arg(at + 1));
        at += 1;
        match (word.as_ref(), next) {
            ("type" | "port", None) => {
                bad(cx, Code::Argument, option, format!("'{word}' has nothing behind it"));
                return None;
            }
            ("type", Some(next)) => {
                at += 1;
                place = next;
                kind = match next.str().as_ref() {
                    "ipip" => "ipip",
                    "gue" => "gue",
                    "gre" => "gre",
                    other => {
                        bad(cx, Code::Value, next, format!("the type of a tunnel is ipip, gue or gre, not '{other}'"));
                        return None;
                    }
                };
            }
            ("port", Some(next)) => {
                at += 1;
                port = next.str().parse::<u16>().ok().filter(|n| *n > 0).map(|n| (n, option));
                if port.is_none() {
                    let text = format!("a port is a whole number from 1 to 65535, not '{}'", next.str());
                    bad(cx, Code::Range, next, text);
                    return None;
                }
            }
            ("nocsum", _) => checksum = Some((Checksum::No, option)),
            ("csum", _) => checksum = Some((Checksum::Yes, option)),
            ("remcsum", _) => checksum = Some((Checksum::Remote, option)),
            _ => {
                bad(cx, Code::Value, option, format!("'{word}' is no option of a tunnel"));
                return None;
            }
        }
    }
    let sum = checksum.map_or(Checksum::No, |(sum, _)| sum);
    match (kind, port, checksum) {
        ("gue", Some((port, _)), _) => return Some(Tunnel { gue: Some(port), checksum: sum }),
        ("gue", None, _) => bad(cx, Code::Missing, place, "a gue tunnel needs 'port' and a number".into()),
        (_, Some((_, option)), _) => bad(cx, Code::Conflict, option, format!("a tunnel of type {kind} has no port")),
        ("gre", None, _) => return Some(Tunnel { gue: None, checksum: sum }),
        (_, None, Some((_, option))) => bad(cx, Code::Conflict, option, "an ipip tunnel has no checksum".into()),
        (_, None, None) => {}
    }
    None
}

fn granularity(word: &str) -> Option<u8> {
    if let Ok(mask) = word.parse::<Ipv4Addr>() {
        let bits = u32::from(mask);
        return (bits.leading_ones() + bits.trailing_zeros() >= 32 && bits != 0).then_some(bits.leading_ones() as u8);
    }
    word.parse().ok().filter(|n| (1..=128).contains(n))
}

/// The first one counts.
fn once(cx: &mut Context, node: Node, to: &mut Option<impl From<Script>>) {
    if to.is_some() {
        let word = node.word();
        cx.bad(Code::Repeated, word, format!("'{}' was given before in this block", word.str()))
            .help("the first one counts");
        return;
    }
    *to = script::command(cx, node).map(Into::into);
}

/// A service whose file is read whole: gets its values from above, a few servers at a time.
pub struct Settling {
    draft: ServiceDraft,
    next: usize,
    /// Servers before this one stay.
    kept: usize,
    total: u64,
    /// A service of a group: the ports of its addresses.
    ports: Vec<u16>,
    /// A group of both address families: servers of either belong to it.
    mixed: bool,
    /// Why it is not served, and where that stands.
    held: Option<(&'static str, Span)>,
    /// The checks of the last server whose port was not its service's: their list, that port.
    moved: Option<(u32, u16, Rc<[Check]>)>,
    said_port: bool,
}

impl Settling {
    /// None: the service is not used, which was said.
    pub fn new(
        cx: &mut Context,
        global: &GlobalDraft,
        mut draft: ServiceDraft,
        taken: &mut Taken,
        groups: (&Names, &[ServerGroup]),
    ) -> Option<Settling> {
        cx.return_to(&draft.path);
        let token = draft.path.clone();
        let group = draft.group(cx, groups)?;
        if draft.service.servers.is_empty() {
            draft.empty(cx);
            return None;
        }
        let marks = match &draft.header {
            Header::At(..) => false,
            Header::Mark(_) | Header::Wrong => true,
            Header::Group(..) => group.is_some_and(|g| g.members.iter().all(|m| matches!(m, Member::Mark(..)))),
        };
        let protocol = draft.balanced(cx, marks);
        let first = draft.service.servers.first().map_or(Family::V4, |r| Family::of(&r.at.ip));
        let family = draft.family.unwrap_or(first);
        let s = &mut draft.service;
        s.key = match (&draft.header, group) {
            (Header::At(ip, port), _) => ServiceKey::Address(protocol, Endpoint { ip: *ip, port: *port }),
            (Header::Mark(mark), _) => ServiceKey::Mark(family, *mark),
            (Header::Group(..), group) => key(group?, protocol, family)?,
            (Header::Wrong, _) => return None,
        };
        let other = match group {
            None => taken.alone(s.key, draft.span),
            Some(group) => {
                let mut others = group.members.iter().filter_map(|m| taken.member(protocol, family, m, draft.span));
                others.next().map(Other::Overlaps)
            }
        };
        match other {
            None => {}
            Some(Other::Same(first)) => {
                let text = format!("the virtual server {} is given twice", s.key);
                // keepalived is silent, and the second one stays without effect.
                cx.say(Level::Error, Code::Duplicate, draft.span, &token, text, 0)
                    .see(first, "the first one")
                    .help("the second one is not used");
                return None;
            }
            Some(Other::Overlaps(other)) => {
                let text =
                    "this virtual server and another one, of a group, have an address or a mark in common".into();
                cx.warn(Code::Clash, draft.span, &token, text)
                    .see(other, "the other one")
                    .help("IPVS has each only once");
            }
        }
        let mut settling = Settling {
            draft,
            next: 0,
            kept: 0,
            total: 0,
            ports: Vec::new(),
            mixed: false,
            held: None,
            moved: None,
            said_port: false,
        };
        settling.ports = ports(&settling.draft.header, group);
        settling.mixed = group.is_some_and(|g| g.has(Family::V4) && g.has(Family::V6));
        settling.service(cx, global, protocol, marks);
        Some(settling)
    }

    /// What concerns the service alone.
    fn service(&mut self, cx: &mut Context, global: &GlobalDraft, protocol: Protocol, marks: bool) {
        let draft = &mut self.draft;
        let token = draft.path.clone();
        let s = &mut draft.service;
        self.held = match (&draft.header, protocol, s.family()) {
            (Header::Group(..), ..) => Some(("groups of virtual servers are not in this version", draft.span)),
            (_, Protocol::Sctp, _) if !marks => Some(("SCTP is not in this version", draft.protocol_span)),
            (.., Family::V6) => Some(("IPv6 virtual servers are not in this version", draft.span)),
            _ => None,
        };
        if let (Header::At(ip, _), Some(family)) = (&draft.header, draft.family) {
            if Family::of(ip) != family {
                let text = "'ip_family' is not the family of the virtual server's address".into();
                cx.error(Code::Conflict, draft.family_span, "ip_family", text).help("remove the line; it is not used");
            }
        }
        if matches!(draft.header, Header::Mark(_)) && draft.protocol_span != Span::NOWHERE {
            let text = "a mark stands for all protocols".into();
            cx.error(Code::Conflict, draft.protocol_span, "protocol", text).help("remove the line; it is not used");
        }
        if matches!(draft.header, Header::Mark(_)) && s.ha_suspend {
            let text = "a mark has no address whose absence could suspend the checks".into();
            cx.error(Code::Conflict, draft.suspend_span, "ha_suspend", text).help("remove the line; it is not used");
            s.ha_suspend = false;
        }
        if s.granularity > 0 && s.persistence.is_none() {
            s.persistence = Some(360);
        }
        let most = s.family().max_len();
        s.granularity = if s.granularity == 0 { most } else { s.granularity.min(most) };
        if self.ports.contains(&0) && s.persistence.is_none() {
            cx.error(Code::Conflict, draft.span, &token, "port 0 needs persistence".into())
                .help("persistence_timeout 360 is used");
            s.persistence = Some(360);
        }
        if s.one_packet && protocol != Protocol::Udp && !marks {
            cx.error(Code::Conflict, draft.ops_span, "ops", "'ops' needs protocol UDP".into()).help("it is not used");
            s.one_packet = false;
        }
        s.alpha = draft.alpha.unwrap_or(false);
        s.smtp_alert = draft.smtp_alert.or(global.smtp_alert_checker).or(global.smtp_alert).unwrap_or(false);
        script::default_user(s.quorum_up.as_deref_mut(), &global.script_user);
        script::default_user(s.quorum_down.as_deref_mut(), &global.script_user);
        self.sorry(cx);
    }

    fn sorry(&mut self, cx: &mut Context) {
        let draft = &mut self.draft;
        let family = draft.service.family();
        let Some(sorry) = &mut draft.service.sorry else { return };
        (sorry.forward, sorry.tunnel) = draft.sorry_forward.or(draft.forward).unwrap_or((Forward::Nat, None));
        if Family::of(&sorry.at.ip) != family && !self.mixed {
            if sorry.forward != Forward::Tunnel {
                let text = "the sorry server is of another address family than its virtual server".into();
                cx.error(Code::Conflict, draft.sorry_span, "sorry_server", text)
                    .help("only a tunnel (TUN) can do that; there is no sorry server");
                draft.service.sorry = None;
                return;
            }
            self.held.get_or_insert((OTHER_FAMILY, draft.sorry_span));
        }
        if sorry.tunnel.is_some() {
            self.held.get_or_insert((TUNNEL, draft.sorry_span));
        }
        if let Header::At(_, port) = draft.header {
            if sorry.forward != Forward::Nat && sorry.at.port != port {
                let text =
                    format!("{} needs the virtual server's port {port}, not {}", sorry.forward.name(), sorry.at.port);
                cx.error(Code::Conflict, draft.sorry_span, "sorry_server", text).help(format!("port {port} is used"));
                sorry.at.port = port;
            }
        }
    }

    /// Settles servers while there is budget. True: all are.
    pub fn step(&mut self, cx: &mut Context, global: &GlobalDraft, budget: &mut usize) -> bool {
        let smtp = self.draft.smtp_alert.or(global.smtp_alert_checker).or(global.smtp_alert).unwrap_or(true);
        while let Some(left) = self.draft.left.get(self.next).copied() {
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            let number = self.next;
            self.next += 1;
            if !self.inherit(number, left, smtp) || !self.fits(cx, number, left) {
                continue;
            }
            self.checks(cx, number, left, global);
            self.draft.service.servers.swap(self.kept, number);
            self.kept += 1;
        }
        true
    }

    /// What the server left to its service.
    fn inherit(&mut self, number: usize, left: Left, smtp_alert: bool) -> bool {
        let draft = &mut self.draft;
        let Some(server) = draft.service.servers.get_mut(number) else { return false };
        if left.has(Left::FORWARD) {
            let (forward, tunnel) = draft.forward.unwrap_or((Forward::Nat, None));
            server.forward = forward;
            if tunnel.is_some() {
                server.more.get_or_insert_with(Box::default).tunnel = tunnel;
            }
        }
        if left.has(Left::WEIGHT) {
            server.weight = draft.weight.unwrap_or(1);
        }
        if left.has(Left::INHIBIT) {
            server.inhibit = draft.inhibit;
        }
        if left.has(Left::SMTP_ALERT) {
            server.smtp_alert = smtp_alert;
        }
        if left.has(Left::ALPHA) {
            server.alpha = draft.service.alpha;
        }
        true
    }

    /// False: the server cannot belong to this service, which was said.
    fn fits(&mut self, cx: &mut Context, number: usize, left: Left) -> bool {
        let family = self.draft.service.family();
        let Some(server) = self.draft.service.servers.get(number) else { return false };
        if Family::of(&server.at.ip) != family && !self.mixed {
            if server.forward != Forward::Tunnel {
                cx.return_to(&self.draft.path);
                let text =
                    format!("the real server {} is of another address family than its virtual server", server.at);
                cx.error(Code::Conflict, left.span(), &server.at.to_string(), text)
                    .help("only a tunnel (TUN) can do that; it is not used");
                self.draft.bad_server = true;
                return false;
            }
            self.held.get_or_insert((OTHER_FAMILY, left.span()));
        }
        if server.tunnel().is_some() {
            self.held.get_or_insert((TUNNEL, left.span()));
        }
        if self.draft.service.sorry.as_ref().is_some_and(|sorry| sorry.at == server.at) {
            cx.return_to(&self.draft.path);
            let text = format!("{} is a real server and the sorry server", server.at);
            cx.warn(Code::Duplicate, left.span(), &server.at.to_string(), text)
                .see(self.draft.sorry_span, "the sorry server")
                .help("when it is down, nothing takes its place");
        }
        true
    }

    /// Its port, its checks, its scripts.
    fn checks(&mut self, cx: &mut Context, number: usize, left: Left, global: &GlobalDraft) {
        let draft = &mut self.draft;
        let Some(server) = draft.service.servers.get_mut(number) else { return };
        let above = Above { timing: &draft.timing, alpha: draft.alpha, virtualhost: &draft.service.virtualhost };
        server.checks = draft.lists.settled(left.checks, &above, global, &mut cx.checks);
        let own = server.at.port;
        match draft.header {
            Header::At(_, port) if server.forward != Forward::Nat && own != port => {
                cx.return_to(&draft.path);
                let text = format!("{} needs the virtual server's port {port}, not {own}", server.forward.name());
                cx.error(Code::Conflict, left.span(), &server.at.to_string(), text)
                    .help(format!("port {port} is used"));
                server.at.port = port;
                // The checks ask where they would have asked.
                let moved = self.moved.take().filter(|(list, at, _)| (*list, *at) == (left.checks, own));
                let (.., checks) =
                    self.moved.insert(moved.unwrap_or_else(|| (left.checks, own, to_port(&server.checks, own))));
                server.checks = checks.clone();
            }
            Header::Group(..) if server.forward != Forward::Nat && !self.said_port => {
                if let Some(port) = self.ports.iter().find(|port| **port != own) {
                    self.said_port = true;
                    cx.return_to(&draft.path);
                    let name = server.forward.name();
                    let text = format!("{name} needs the port of the group's addresses, and one has {port}, not {own}");
                    // Of a server without a port keepalived says nothing.
                    let (level, status) = if own == 0 { (Level::Warning, 0) } else { (Level::Error, 5) };
                    cx.say(level, Code::Conflict, left.span(), &server.at.to_string(), text, status)
                        .help("with DR and TUN all have one port");
                }
            }
            _ => {}
        }
        let no_port = |check: &Check| check.kind.has_port() && check.connect_port.is_none();
        if own == 0 && !self.said_port && server.checks.iter().any(no_port) {
            self.said_port = true;
            cx.return_to(&draft.path);
            let text = format!("the real server {} has port 0, and a check without 'connect_port'", server.at);
            cx.warn(Code::Missing, left.span(), &server.at.to_string(), text)
                .help("write connect_port, or the check asks port 0 and always fails");
        }
        if let Some(more) = &mut server.more {
            script::default_user(more.notify_up.as_mut(), &global.script_user);
            script::default_user(more.notify_down.as_mut(), &global.script_user);
        }
        self.total += u64::from(server.weight);
    }

    /// None: nothing is left of it.
    pub fn finish(mut self, cx: &mut Context) -> Option<Service> {
        cx.return_to(&self.draft.path);
        self.draft.service.servers.truncate(self.kept);
        if self.kept == 0 {
            self.draft.empty(cx);
            return None;
        }
        self.quorum(cx);
        if let Some((why, span)) = self.held {
            let token = self.draft.path.clone();
            cx.warn(Code::NotYet, span, &token, why.into()).help("this virtual server is not served");
            self.draft.service.held = Some(why.into());
        }
        Some(self.draft.service)
    }

    fn quorum(&mut self, cx: &mut Context) {
        let (draft, total) = (&mut self.draft, self.total);
        let s = &mut draft.service;
        if total == 0 {
            let text = "the weights of all its real servers are 0".into();
            cx.error(Code::Conflict, draft.span, &draft.path, text).help("no connection is given to any of them");
        }
        let given = s.quorum;
        if u64::from(s.quorum) > total {
            let most = u32::try_from(total).unwrap_or(u32::MAX).max(1);
            if draft.quorum_span != Span::NOWHERE && total > 0 {
                let text = format!("the quorum {} is above the weights' sum {total}", s.quorum);
                cx.error(Code::Conflict, draft.quorum_span, "quorum", text).help(format!("{most} is used"));
            }
            s.quorum = most;
        }
        if s.hysteresis >= s.quorum && s.hysteresis < given {
            // It was below the quorum that was given, and that was said.
            s.hysteresis = s.quorum - 1;
        } else if s.hysteresis >= s.quorum {
            let text = format!("the hysteresis {} is not below the quorum {}", s.hysteresis, s.quorum);
            cx.error(Code::Conflict, draft.hysteresis_span, "hysteresis", text)
                .help(format!("{} is used", s.quorum - 1));
            s.hysteresis = s.quorum - 1;
        } else if s.hysteresis > 0 && u64::from(s.quorum) + u64::from(s.hysteresis) > total {
            let text = format!(
                "quorum {} and hysteresis {} are together above the weights' sum {total}",
                s.quorum, s.hysteresis
            );
            cx.warn(Code::Conflict, draft.hysteresis_span, "hysteresis", text).help("the quorum is never reached");
        }
    }
}

const OTHER_FAMILY: &str = "a tunnel from IPv4 to IPv6 or back is not in this version";
const TUNNEL: &str = "tunnels of type gue and gre are not in this version";

impl ServiceDraft {
    fn empty(&self, cx: &mut Context) {
        let given = self.seen.has(Block::Service, &["real_server"]) && self.service.servers.is_empty();
        if self.bad_server || given || matches!(self.header, Header::Wrong) {
            return;
        }
        cx.error(Code::Empty, self.span, &self.path, "this virtual server has no real server".into())
            .help("it is not used");
    }

    /// Its group, if it has one. None: there is none of that name, which is said.
    fn group<'g>(
        &mut self,
        cx: &mut Context,
        (names, groups): (&Names, &'g [ServerGroup]),
    ) -> Option<Option<&'g ServerGroup>> {
        let Header::Group(name, span) = &self.header else { return Some(None) };
        let span = *span;
        self.service.group = names.get(name).map(|(number, _)| *number);
        let found = self.service.group.and_then(|n| groups.get(n));
        if found.is_none() && !cx.nameless.contains(&Block::List) {
            let close = cx.closest(name, groups.iter().map(|g| g.name.as_ref()));
            let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
            cx.warn(Code::Reference, span, name, format!("there is no virtual_server_group '{name}'"))
                .help(format!("{help}the virtual server is not used"));
        }
        found.map(Some)
    }

    /// Protocol, method and scheduler, which a service must have.
    fn balanced(&mut self, cx: &mut Context, marks: bool) -> Protocol {
        let token = &self.path;
        let protocol = match self.protocol {
            Some(p) => p,
            None if marks => Protocol::Tcp,
            None if self.seen.has(Block::Service, &["protocol"]) => Protocol::Udp,
            None => {
                cx.error(Code::Missing, self.span, token, "this virtual server has no 'protocol'".into())
                    .help("UDP is used; write protocol TCP or protocol UDP");
                Protocol::Udp
            }
        };
        if self.forward.is_none() && !self.seen.has(Block::Service, &["lb_kind", "lvs_method"]) {
            cx.error(Code::Missing, self.span, token, "this virtual server has no 'lb_kind'".into())
                .help("NAT is used");
            self.forward = Some((Forward::Nat, None));
        }
        if self.scheduler.is_none() && !self.seen.has(Block::Service, &["lb_algo", "lvs_sched"]) {
            cx.error(Code::Missing, self.span, token, "this virtual server has no 'lb_algo'".into())
                .help("wlc is used");
        }
        self.service.scheduler = self.scheduler.unwrap_or(Scheduler::Wlc);
        protocol
    }
}

/// The first address of a group, else its first mark.
fn key(group: &ServerGroup, protocol: Protocol, family: Family) -> Option<ServiceKey> {
    let address = group.members.iter().find_map(|m| match *m {
        Member::Range { first, port, .. } => Some(ServiceKey::Address(protocol, Endpoint { ip: first, port })),
        Member::Mark(..) => None,
    });
    address.or_else(|| match *group.members.first()? {
        Member::Mark(mark, own) => Some(ServiceKey::Mark(own.unwrap_or(family), mark)),
        Member::Range { .. } => None,
    })
}

/// The ports of the addresses that a service stands at.
fn ports(header: &Header, group: Option<&ServerGroup>) -> Vec<u16> {
    let port = |member: &Member| match *member {
        Member::Range { port, .. } => Some(port),
        Member::Mark(..) => None,
    };
    match header {
        Header::At(_, port) => vec![*port],
        _ => group.map(|g| g.members.iter().filter_map(port).collect()).unwrap_or_default(),
    }
}

/// The same checks, asking a port of the server that is the server's no more.
fn to_port(checks: &[Check], port: u16) -> Rc<[Check]> {
    let to = |check: &Check| Check { connect_port: check.connect_port.or(Some(port)), ..check.clone() };
    checks.iter().map(to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_their_own_shape() {
        assert_eq!(granularity("255.255.255.0"), Some(24));
        assert_eq!(granularity("255.0.255.0"), None);
        assert_eq!(granularity("64"), Some(64));
        assert_eq!(granularity("0"), None);
    }

    /// Tens of thousands are held: what each has is counted in bytes.
    #[test]
    fn a_server_is_small() {
        assert!(size_of::<Server>() <= 56, "{}", size_of::<Server>());
        assert!(size_of::<Left>() <= 12);
    }

    #[test]
    fn a_server_is_found_among_many() {
        let mut known = Known::default();
        let mut servers: Vec<Server> = Vec::new();
        let at = |n: u32| Endpoint { ip: Ipv4Addr::from(n / 3).into(), port: (n % 3) as u16 };
        for n in 0..5000 {
            assert_eq!(known.insert(&at(n), &servers), None, "{n}");
            servers.push(ServerDraft::new(at(n)).server);
        }
        for n in (0..5000).step_by(7) {
            assert_eq!(known.insert(&at(n), &servers), Some(n as usize));
        }
    }
}
