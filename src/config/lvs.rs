//! virtual_server, real_server and the checks.

use super::context::{Context, Seen};
use super::diagnostic::Code;
use super::global::{value, GlobalDraft};
use super::keywords::{Block, Keyword};
use super::lexer::Span;
use super::model::{Check, CheckKind, Http, HttpProtocol, Misc, Script, Server, Service, Sorry, Url};
use super::script;
use super::tree::Node;
use crate::base::addr::{Endpoint, Family, IfName};
use crate::wire::op::{Forward, Protocol, Scheduler, ServiceKey};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// "Not given": filled in from above when all is read.
const UNSET: Duration = Duration::MAX;
const UNSET_NUMBER: u32 = u32::MAX;

/// What service, server and check may all say.
#[derive(Clone, Copy)]
struct Timing {
    delay_loop: Duration,
    retry: u32,
    delay_before_retry: Duration,
    warmup: Duration,
    timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing { delay_loop: UNSET, retry: UNSET_NUMBER, delay_before_retry: UNSET, warmup: UNSET, timeout: UNSET }
    }
}

impl Timing {
    /// True if the keyword was one of these.
    fn take(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let to = match keyword.word {
            "delay_loop" => &mut self.delay_loop,
            "delay_before_retry" => &mut self.delay_before_retry,
            "warmup" => &mut self.warmup,
            "connect_timeout" => &mut self.timeout,
            "retry" => {
                self.retry = cx.int(node, keyword).and_then(|n| u32::try_from(n).ok()).unwrap_or(self.retry);
                return true;
            }
            _ => return false,
        };
        *to = cx.dec(node, keyword).unwrap_or(*to);
        true
    }

    fn fill(&self, check: &mut Check) {
        let or = |to: &mut Duration, from: Duration| {
            if *to == UNSET {
                *to = from;
            }
        };
        or(&mut check.delay_loop, self.delay_loop);
        or(&mut check.delay_before_retry, self.delay_before_retry);
        or(&mut check.warmup, self.warmup);
        or(&mut check.timeout, self.timeout);
        if check.retry == UNSET_NUMBER {
            check.retry = self.retry;
        }
    }
}

/// What a server left to its service, until that is known.
#[derive(Clone, Copy)]
struct Left {
    span: Span,
    forward: bool,
    weight: bool,
    inhibit: bool,
    smtp_alert: bool,
    alpha: bool,
    /// One bit for each of the first 32 checks: its alpha is open.
    check_alpha: u32,
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
    /// The protocol was wrong or is not in this version: the service is not used.
    unusable: bool,
    scheduler: Option<Scheduler>,
    forward: Option<Forward>,
    family: Option<Family>,
    weight: Option<u32>,
    inhibit: bool,
    smtp_alert: Option<bool>,
    quorum_span: Span,
    hysteresis_span: Span,
    ops_span: Span,
    sorry_forward: Option<Forward>,
    left: Vec<Left>,
    known: HashSet<Endpoint>,
}

#[derive(Clone, Copy)]
enum Header {
    At(IpAddr, u16),
    Mark(u32),
}

impl ServiceDraft {
    /// None: the header says nothing that can be served; the block is skipped.
    pub fn new(cx: &mut Context, node: Node) -> Option<ServiceDraft> {
        let first = node.arg(0)?;
        let mut unusable = false;
        let header = match first.str().as_ref() {
            "fwmark" => {
                let arg = node.arg(1).unwrap_or(first);
                match arg.str().parse() {
                    Ok(n) if n > 0 => Header::Mark(n),
                    _ => {
                        cx.bad(Code::Value, arg, "'fwmark' takes a whole number above 0".into())
                            .help("the virtual server is not used");
                        return None;
                    }
                }
            }
            "group" => {
                let text = "groups of virtual servers are not in this version".into();
                cx.warn(Code::NotYet, first.span(), "group", text).help("this virtual server is not served");
                unusable = true;
                Header::Mark(0)
            }
            _ => {
                let (ip, port) = endpoint(cx, node, 0, 0)?;
                Header::At(ip, port)
            }
        };
        let service = Service {
            key: ServiceKey::Mark(Family::V4, 0),
            scheduler: Scheduler::Wlc,
            scheduler_flags: 0,
            one_packet: false,
            persistence: None,
            granularity: 0,
            quorum: 1,
            hysteresis: 0,
            quorum_up: None,
            quorum_down: None,
            alpha: false,
            omega: false,
            smtp_alert: false,
            virtualhost: None,
            sorry: None,
            servers: Vec::new(),
        };
        Some(ServiceDraft {
            service,
            header,
            span: first.span(),
            path: cx.path(),
            seen: Seen::default(),
            timing: Timing::default(),
            protocol: None,
            unusable,
            scheduler: None,
            forward: None,
            family: None,
            weight: None,
            inhibit: false,
            smtp_alert: None,
            quorum_span: Span::NOWHERE,
            hysteresis_span: Span::NOWHERE,
            ops_span: Span::NOWHERE,
            sorry_forward: None,
            left: Vec::new(),
            known: HashSet::new(),
        })
    }

    fn port(&self) -> u16 {
        match self.header {
            Header::At(_, port) => port,
            Header::Mark(_) => 0,
        }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::Service, &mut self.seen) else { return };
        if self.timing.take(cx, node, keyword) {
            return;
        }
        let s = &mut self.service;
        match keyword.word {
            "lb_algo" | "lvs_sched" => {
                if let Some(arg) = node.arg(0) {
                    let word = arg.str();
                    match Scheduler::from_name(&word) {
                        Some(found) => self.scheduler = Some(found),
                        None => {
                            let close = super::diagnostic::closest(&word, Scheduler::ALL.iter().map(|s| s.name()));
                            let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                            cx.bad(Code::Value, arg, format!("there is no scheduler '{word}'"))
                                .help(format!("{help}wlc is used"));
                            self.scheduler.get_or_insert(Scheduler::Wlc);
                        }
                    }
                }
            }
            "lb_kind" | "lvs_method" => {
                let forward = forward(cx, node, "NAT is used");
                self.forward = forward.or(self.forward).or(Some(Forward::Nat));
            }
            "protocol" => {
                if let Some(arg) = node.arg(0) {
                    match arg.str().to_ascii_uppercase().as_str() {
                        "TCP" => self.protocol = Some(Protocol::Tcp),
                        "UDP" => self.protocol = Some(Protocol::Udp),
                        "SCTP" => {
                            self.unusable = true;
                            cx.warn(Code::NotYet, arg.span(), "SCTP", "SCTP is not in this version".into())
                                .help("this virtual server is not served");
                        }
                        _ => {
                            let text = format!("'protocol' is TCP or UDP, not '{}'", arg.str());
                            cx.bad(Code::Value, arg, text).help("UDP is used");
                            self.protocol.get_or_insert(Protocol::Udp);
                        }
                    }
                }
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
                if let Some(arg) = node.arg(0) {
                    match granularity(&arg.str()) {
                        Some(n) => s.granularity = n,
                        None => cx
                            .bad(Code::Value, arg, format!("'{}' is neither a netmask nor a prefix length", arg.str()))
                            .help("the line is not used"),
                    }
                }
            }
            "ops" => {
                s.one_packet = true;
                self.ops_span = node.word().span();
            }
            "hashed" => {}
            "flag-1" | "sh-fallback" | "mh-fallback" => s.scheduler_flags |= 1,
            "flag-2" | "sh-port" | "mh-port" => s.scheduler_flags |= 2,
            "flag-3" => s.scheduler_flags |= 4,
            "ip_family" => {
                if let Some(arg) = node.arg(0) {
                    match arg.str().as_ref() {
                        "inet" => self.family = Some(Family::V4),
                        "inet6" => self.family = Some(Family::V6),
                        other => cx
                            .bad(Code::Value, arg, format!("'ip_family' is inet or inet6, not '{other}'"))
                            .help("it is taken from the first real server"),
                    }
                }
            }
            "virtualhost" => s.virtualhost = value(cx, node).or(s.virtualhost.take()),
            "alpha" => s.alpha = cx.flag(node).unwrap_or(s.alpha),
            "omega" => s.omega = true,
            "quorum" => {
                self.quorum_span = node.arg(0).map_or(Span::NOWHERE, |a| a.span());
                s.quorum = cx.int_u32(node, keyword).unwrap_or(s.quorum);
            }
            "hysteresis" => {
                self.hysteresis_span = node.arg(0).map_or(Span::NOWHERE, |a| a.span());
                s.hysteresis = cx.int_u32(node, keyword).unwrap_or(s.hysteresis);
            }
            "quorum_up" => once(cx, node, &mut s.quorum_up),
            "quorum_down" => once(cx, node, &mut s.quorum_down),
            "sorry_server" => {
                let port = self.port();
                if let Some((ip, port)) = endpoint(cx, node, 0, port) {
                    self.service.sorry =
                        Some(Sorry { at: Endpoint { ip, port }, forward: Forward::Nat, inhibit: false });
                }
            }
            "sorry_server_inhibit" => match &mut s.sorry {
                Some(sorry) => sorry.inhibit = true,
                None => cx
                    .bad(Code::Missing, node.word(), "'sorry_server_inhibit' stands before 'sorry_server'".into())
                    .help("write it after sorry_server; it is not used"),
            },
            "sorry_server_lvs_method" => match &s.sorry {
                Some(_) => self.sorry_forward = forward(cx, node, "lb_kind is used").or(self.sorry_forward),
                None => cx
                    .bad(Code::Missing, node.word(), "'sorry_server_lvs_method' stands before 'sorry_server'".into())
                    .help("write it after sorry_server; it is not used"),
            },
            "inhibit_on_failure" => self.inhibit = cx.flag(node).unwrap_or(self.inhibit),
            "weight" => self.weight = cx.int_u32(node, keyword).or(self.weight),
            "smtp_alert" => self.smtp_alert = cx.flag(node).or(self.smtp_alert),
            "real_server" => self.server(cx, node),
            _ => cx.unread(node, keyword),
        }
    }

    fn server(&mut self, cx: &mut Context, node: Node) {
        let Some((ip, port)) = endpoint(cx, node, 0, self.port()) else { return };
        let at = Endpoint { ip, port };
        if !self.known.insert(at) {
            if let Some(arg) = node.arg(0) {
                cx.bad(Code::Duplicate, arg, format!("the real server {at} is given twice"))
                    .help("the second one is not used");
            }
            return;
        }
        let mark = cx.enter(node);
        let mut left = Left {
            span: node.arg(0).map_or(Span::NOWHERE, |a| a.span()),
            forward: true,
            weight: true,
            inhibit: true,
            smtp_alert: true,
            alpha: true,
            check_alpha: 0,
        };
        let mut server = Server {
            at,
            forward: Forward::Nat,
            weight: 1,
            inhibit: false,
            alpha: false,
            upper_threshold: 0,
            lower_threshold: 0,
            smtp_alert: false,
            notify_up: None,
            notify_down: None,
            checks: Vec::new(),
        };
        let mut timing = Timing::default();
        let mut virtualhost = None;
        let mut seen = Seen::default();
        for child in node.children() {
            let Some(keyword) = cx.known(child, Block::Server, &mut seen) else { continue };
            if timing.take(cx, child, keyword) {
                continue;
            }
            match keyword.word {
                "weight" => {
                    if let Some(n) = cx.int_u32(child, keyword) {
                        (server.weight, left.weight) = (n, false);
                    }
                }
                "inhibit_on_failure" => {
                    if let Some(on) = cx.flag(child) {
                        (server.inhibit, left.inhibit) = (on, false);
                    }
                }
                "notify_up" => once(cx, child, &mut server.notify_up),
                "notify_down" => once(cx, child, &mut server.notify_down),
                "lvs_method" => {
                    if let Some(forward) = forward(cx, child, "the virtual server's is used") {
                        (server.forward, left.forward) = (forward, false);
                    }
                }
                "uthreshold" => server.upper_threshold = cx.int_u32(child, keyword).unwrap_or(0),
                "lthreshold" => server.lower_threshold = cx.int_u32(child, keyword).unwrap_or(0),
                "alpha" => {
                    if let Some(on) = cx.flag(child) {
                        (server.alpha, left.alpha) = (on, false);
                    }
                }
                "smtp_alert" => {
                    if let Some(on) = cx.flag(child) {
                        (server.smtp_alert, left.smtp_alert) = (on, false);
                    }
                }
                "virtualhost" => virtualhost = value(cx, child).or(virtualhost),
                "TCP_CHECK" | "HTTP_GET" | "SSL_GET" | "SMTP_CHECK" | "MISC_CHECK" => {
                    check(cx, child, at, &mut server.checks, &mut left)
                }
                _ => cx.unread(child, keyword),
            }
        }
        for (number, check) in server.checks.iter_mut().enumerate() {
            timing.fill(check);
            if !left.alpha && bit(left.check_alpha, number) {
                check.alpha = server.alpha;
            }
            if let (CheckKind::Http(http), Some(name)) = (&mut check.kind, &virtualhost) {
                http.virtualhost.get_or_insert_with(|| name.clone());
            }
        }
        if !left.alpha {
            left.check_alpha = 0;
        }
        cx.leave(mark);
        self.service.servers.push(server);
        self.left.push(left);
    }

    /// The block is read: only what `settle` needs stays.
    pub fn close(&mut self) {
        self.known = HashSet::new();
        self.service.servers.shrink_to_fit();
        self.left.shrink_to_fit();
    }
}

fn bit(bits: u32, number: usize) -> bool {
    u32::try_from(number).ok().and_then(|n| bits.checked_shr(n)).is_some_and(|b| b & 1 != 0)
}

/// `IP [PORT]` from the argument `at` on.
fn endpoint(cx: &mut Context, node: Node, at: usize, port: u16) -> Option<(IpAddr, u16)> {
    let arg = node.arg(at)?;
    let word = arg.str();
    let Ok(ip) = word.parse() else {
        let text = format!("'{}' takes an address and a port, not '{word}'", node.word().str());
        cx.bad(Code::Value, arg, text).help(if node.body() {
            "the whole block is not used"
        } else {
            "the line is not used"
        });
        return None;
    };
    let Some(arg) = node.arg(at + 1) else { return Some((ip, port)) };
    match arg.str().parse() {
        Ok(port) => Some((ip, port)),
        Err(_) => {
            cx.bad(Code::Range, arg, format!("a port is a whole number from 0 to 65535, not '{}'", arg.str()))
                .help(if node.body() { "the whole block is not used" } else { "the line is not used" });
            None
        }
    }
}

fn forward(cx: &mut Context, node: Node, instead: &'static str) -> Option<Forward> {
    let arg = node.arg(0)?;
    let found = match arg.str().as_ref() {
        "NAT" => Forward::Nat,
        "DR" => Forward::Direct,
        "TUN" => Forward::Tunnel,
        other => {
            cx.bad(Code::Value, arg, format!("'{}' is NAT, DR or TUN, not '{other}'", node.word().str())).help(instead);
            return None;
        }
    };
    if let Some(option) = node.arg(1) {
        if found == Forward::Tunnel
            && !matches!((option.str().as_ref(), node.arg(2)), ("type", Some(t)) if t.str() == "ipip")
        {
            let text = format!("'{}' of a tunnel is not in this version", option.str());
            cx.warn(Code::NotYet, option.span(), &option.str(), text).help("a plain IP-in-IP tunnel is used");
        }
    }
    Some(found)
}

fn granularity(word: &str) -> Option<u8> {
    if let Ok(mask) = word.parse::<Ipv4Addr>() {
        let bits = u32::from(mask);
        return (bits.leading_ones() + bits.trailing_zeros() >= 32 && bits != 0).then_some(bits.leading_ones() as u8);
    }
    word.parse().ok().filter(|n| (1..=128).contains(n))
}

/// The first one counts.
fn once(cx: &mut Context, node: Node, to: &mut Option<Script>) {
    if to.is_some() {
        let word = node.word();
        cx.bad(Code::Repeated, word, format!("'{}' was given before in this block", word.str()))
            .help("the first one counts");
        return;
    }
    *to = script::command(cx, node);
}

/// Where a check connects, as far as it is given.
#[derive(Default, Clone)]
struct Connect {
    ip: Option<IpAddr>,
    port: Option<u16>,
    bind: Option<IpAddr>,
    bind_port: Option<u16>,
    bind_if: Option<IfName>,
    fwmark: Option<u32>,
}

impl Connect {
    fn take(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let Some(arg) = node.arg(0) else { return false };
        let port = |n: Option<i64>, was| n.and_then(|n| u16::try_from(n).ok()).or(was);
        match keyword.word {
            "connect_ip" => self.ip = cx.ip(node, arg).or(self.ip),
            "connect_port" => self.port = port(cx.int(node, keyword), self.port),
            "bindto" => self.bind = cx.ip(node, arg).or(self.bind),
            "bind_port" => self.bind_port = port(cx.int(node, keyword), self.bind_port),
            "bind_if" => self.bind_if = cx.interface(arg).or(self.bind_if.take()),
            "fwmark" => self.fwmark = cx.int_u32(node, keyword).or(self.fwmark),
            _ => return false,
        }
        true
    }
}

fn check(cx: &mut Context, node: Node, at: Endpoint, checks: &mut Vec<Check>, left: &mut Left) {
    if !node.body() {
        // Without its block it was said already, and keepalived does not check.
        return;
    }
    let mark = cx.enter(node);
    let mut timing = Timing::default();
    let mut connect = Connect::default();
    let mut alpha = None;
    let mut seen = Seen::default();
    let mut http = Http {
        tls: node.word().str() == "SSL_GET",
        virtualhost: None,
        protocol: HttpProtocol::V1_0,
        sni: None,
        urls: Vec::new(),
    };
    let (mut enable_sni, mut sni_name) = (false, None);
    let mut helo: Option<Box<str>> = None;
    let mut hosts: Vec<(Connect, Duration)> = Vec::new();
    let (mut words, mut command) = (None, None);
    let mut user = (None, None);
    let (mut misc_timeout, mut dynamic) = (UNSET, false);
    for child in node.children() {
        let Some(keyword) = cx.known(child, node.block(), &mut seen) else { continue };
        if timing.take(cx, child, keyword) || connect.take(cx, child, keyword) {
            continue;
        }
        match keyword.word {
            "alpha" => alpha = cx.flag(child).or(alpha),
            // HTTP_GET, SSL_GET
            "virtualhost" => http.virtualhost = value(cx, child).or(http.virtualhost.take()),
            "http_protocol" => {
                if let Some(arg) = child.arg(0) {
                    match arg.str().as_ref() {
                        "1.0" => http.protocol = HttpProtocol::V1_0,
                        "1.0C" | "1.0c" => http.protocol = HttpProtocol::V1_0Close,
                        "1.1" => http.protocol = HttpProtocol::V1_1,
                        other => cx
                            .bad(Code::Value, arg, format!("'http_protocol' is 1.0, 1.0C or 1.1, not '{other}'"))
                            .help("1.0 is used"),
                    }
                }
            }
            "enable_sni" => enable_sni = cx.flag(child).unwrap_or(enable_sni),
            "sni_name" => sni_name = value(cx, child).or(sni_name),
            "url" => {
                let url = url(cx, child);
                http.urls.extend(url);
            }
            // SMTP_CHECK
            "helo_name" => helo = value(cx, child).or(helo),
            "host" => hosts.push(smtp_host(cx, child)),
            // MISC_CHECK
            "misc_path" => match child.arg(0) {
                Some(_) => (words, command) = (script::program(cx, child), Some(child)),
                None => drop(value(cx, child)),
            },
            "misc_timeout" => {
                misc_timeout = cx.int_u32(child, keyword).map_or(misc_timeout, |n| Duration::from_secs(n.into()))
            }
            "misc_dynamic" => dynamic = true,
            "user" => user = (value(cx, child), child.arg(1).map(|g| g.str().as_ref().into())),
            _ => cx.unread(child, keyword),
        }
    }
    let name = node.word().str().into_owned();
    if http.tls && connect.port == Some(80) && at.port != 80 {
        // The HOWTO of 2002 has it so; its own listing shows that the server's port was meant.
        let text = "'SSL_GET' to port 80, where servers do not speak TLS".into();
        cx.warn(Code::Conflict, node.word().span(), &name, text).help("the server's own port is used");
        connect.port = None;
    }
    let kind = match node.block() {
        Block::Tcp => Some(CheckKind::Tcp),
        Block::Http => {
            if enable_sni {
                http.sni = sni_name.or_else(|| http.virtualhost.clone());
            }
            if http.urls.is_empty() {
                cx.bad(Code::Missing, node.word(), format!("'{name}' has no url"))
                    .help("write url { path /PATH }; the server is not checked by it");
                None
            } else {
                Some(CheckKind::Http(Box::new(http)))
            }
        }
        Block::Smtp => Some(CheckKind::Smtp { helo: helo.unwrap_or_else(|| "smtpchecker.keepalived.org".into()) }),
        Block::Misc => match words {
            Some(words) => {
                if let Some(line) = command {
                    script::runs_as(cx, line, &user.0);
                }
                let script = Script { words, user: user.0, group: user.1 };
                Some(CheckKind::Misc(Box::new(Misc { script, timeout: misc_timeout, dynamic })))
            }
            None => {
                if !node.children().any(|c| c.word().str() == "misc_path") {
                    cx.bad(Code::Missing, node.word(), "'MISC_CHECK' has no misc_path".into())
                        .help("the server is not checked by it");
                }
                None
            }
        },
        _ => None,
    };
    cx.leave(mark);
    let Some(kind) = kind else { return };
    if hosts.is_empty() {
        hosts.push((connect, timing.timeout));
    }
    checks.reserve_exact(hosts.len());
    for (to, timeout) in hosts {
        if alpha.is_none() {
            left.check_alpha |= u32::try_from(checks.len()).ok().and_then(|n| 1u32.checked_shl(n)).unwrap_or(0);
        }
        checks.push(Check {
            delay_loop: timing.delay_loop,
            retry: timing.retry,
            delay_before_retry: timing.delay_before_retry,
            warmup: timing.warmup,
            alpha: alpha.unwrap_or(false),
            timeout,
            to: Endpoint { ip: to.ip.unwrap_or(at.ip), port: to.port.unwrap_or(at.port) },
            bind: to.bind,
            bind_port: to.bind_port,
            bind_if: to.bind_if,
            fwmark: to.fwmark,
            kind: kind.clone(),
        });
    }
}

fn smtp_host(cx: &mut Context, node: Node) -> (Connect, Duration) {
    let mark = cx.enter(node);
    let mut connect = Connect::default();
    let mut timing = Timing::default();
    let mut seen = Seen::default();
    for child in node.children() {
        if let Some(keyword) = cx.known(child, Block::SmtpHost, &mut seen) {
            let _ = timing.take(cx, child, keyword) || connect.take(cx, child, keyword);
        }
    }
    cx.leave(mark);
    (connect, timing.timeout)
}

fn url(cx: &mut Context, node: Node) -> Option<Url> {
    let mark = cx.enter(node);
    let mut seen = Seen::default();
    let mut path = None;
    let mut url = Url { path: "".into(), virtualhost: None, digest: None, status: Vec::new() };
    for child in node.children() {
        let Some(keyword) = cx.known(child, Block::Url, &mut seen) else { continue };
        match keyword.word {
            "path" => path = value(cx, child).or(path),
            "digest" => {
                if let Some(arg) = child.arg(0) {
                    url.digest = digest(&arg.str());
                    if url.digest.is_none() {
                        cx.bad(Code::Value, arg, "a digest is 32 hexadecimal digits".into())
                            .help("the body is not compared");
                    }
                }
            }
            "status_code" => {
                for arg in child.args() {
                    match statuses(&arg.str()) {
                        Some(range) => url.status.push(range),
                        None => cx
                            .bad(
                                Code::Range,
                                arg,
                                format!("'{}' is not a status from 100 to 599 or a range of them", arg.str()),
                            )
                            .help("it is not used"),
                    }
                }
            }
            "virtualhost" => url.virtualhost = value(cx, child).or(url.virtualhost.take()),
            _ => cx.unread(child, keyword),
        }
    }
    cx.leave(mark);
    match path {
        Some(path) => url.path = path,
        None => {
            cx.bad(Code::Missing, node.word(), "this url has no path".into())
                .help("write path /PATH; the url is not used");
            return None;
        }
    }
    Some(url)
}

fn digest(word: &str) -> Option<[u8; 16]> {
    if word.len() != 32 || !word.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(word, 16).ok().map(u128::to_be_bytes)
}

fn statuses(word: &str) -> Option<(u16, u16)> {
    let (low, high) = word.split_once('-').unwrap_or((word, word));
    let range: (u16, u16) = (low.parse().ok()?, high.parse().ok()?);
    (range.0 >= 100 && range.1 <= 599 && range.0 <= range.1).then_some(range)
}

/// A service whose file is read whole: gets its values from above, a few servers at a time.
pub struct Settling {
    draft: ServiceDraft,
    next: usize,
    total: u64,
}

impl Settling {
    /// None: the service is not used, which was said.
    pub fn new(
        cx: &mut Context,
        global: &GlobalDraft,
        mut draft: ServiceDraft,
        taken: &mut HashSet<ServiceKey>,
    ) -> Option<Settling> {
        cx.return_to(&draft.path);
        let token = draft.path.clone();
        if draft.unusable {
            return None;
        }
        if draft.service.servers.is_empty() {
            cx.error(Code::Empty, draft.span, &token, "this virtual server has no real server".into())
                .help("it is not used");
            return None;
        }
        let marked = matches!(draft.header, Header::Mark(_));
        let protocol = match draft.protocol {
            Some(p) => p,
            None if marked => Protocol::Tcp,
            None if draft.seen.has(Block::Service, &["protocol"]) => Protocol::Udp,
            None => {
                cx.error(Code::Missing, draft.span, &token, "this virtual server has no 'protocol'".into())
                    .help("UDP is used; write protocol TCP or protocol UDP");
                Protocol::Udp
            }
        };
        if draft.forward.is_none() && !draft.seen.has(Block::Service, &["lb_kind", "lvs_method"]) {
            cx.error(Code::Missing, draft.span, &token, "this virtual server has no 'lb_kind'".into())
                .help("NAT is used");
            draft.forward = Some(Forward::Nat);
        }
        if draft.scheduler.is_none() && !draft.seen.has(Block::Service, &["lb_algo", "lvs_sched"]) {
            cx.error(Code::Missing, draft.span, &token, "this virtual server has no 'lb_algo'".into())
                .help("wlc is used");
        }
        let s = &mut draft.service;
        s.scheduler = draft.scheduler.unwrap_or(Scheduler::Wlc);
        s.key = match draft.header {
            Header::At(ip, port) => ServiceKey::Address(protocol, Endpoint { ip, port }),
            Header::Mark(mark) => {
                let first = s.servers.first().map_or(Family::V4, |r| Family::of(&r.at.ip));
                ServiceKey::Mark(draft.family.unwrap_or(first), mark)
            }
        };
        if s.family() == Family::V6 {
            cx.warn(Code::NotYet, draft.span, &token, "IPv6 virtual servers are not in this version".into())
                .help("this virtual server is not served");
            return None;
        }
        if !taken.insert(s.key) {
            cx.error(Code::Duplicate, draft.span, &token, format!("the virtual server {} is given twice", s.key))
                .help("the second one is not used");
            return None;
        }
        if s.granularity > 0 && s.persistence.is_none() {
            s.persistence = Some(360);
        }
        let most = s.family().max_len();
        s.granularity = if s.granularity == 0 { most } else { s.granularity.min(most) };
        if let (Header::At(_, 0), None) = (draft.header, s.persistence) {
            cx.error(Code::Conflict, draft.span, &token, "port 0 needs persistence".into())
                .help("persistence_timeout 360 is used");
            s.persistence = Some(360);
        }
        if s.one_packet && protocol != Protocol::Udp && !marked {
            cx.error(Code::Conflict, draft.ops_span, "ops", "'ops' needs protocol UDP".into()).help("it is not used");
            s.one_packet = false;
        }
        if let Some(sorry) = &mut s.sorry {
            sorry.forward = draft.sorry_forward.or(draft.forward).unwrap_or(Forward::Nat);
        }
        s.smtp_alert = draft.smtp_alert.or(global.smtp_alert_checker).or(global.smtp_alert).unwrap_or(false);
        script::default_user(s.quorum_up.as_mut(), &global.script_user);
        script::default_user(s.quorum_down.as_mut(), &global.script_user);
        Some(Settling { draft, next: 0, total: 0 })
    }

    /// Settles servers while there is budget. True: all are.
    pub fn step(&mut self, cx: &mut Context, global: &GlobalDraft, budget: &mut usize) -> bool {
        let draft = &mut self.draft;
        let forward = draft.forward.unwrap_or(Forward::Nat);
        let port = draft.port();
        let smtp = draft.smtp_alert.or(global.smtp_alert_checker).or(global.smtp_alert).unwrap_or(true);
        while let (Some(server), Some(left)) = (draft.service.servers.get_mut(self.next), draft.left.get(self.next)) {
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            self.next += 1;
            if left.forward {
                server.forward = forward;
            }
            if left.weight {
                server.weight = draft.weight.unwrap_or(1);
            }
            if left.inhibit {
                server.inhibit = draft.inhibit;
            }
            if left.smtp_alert {
                server.smtp_alert = smtp;
            }
            if left.alpha {
                server.alpha = draft.service.alpha;
            }
            let at_service = matches!(draft.header, Header::At(..));
            if at_service && server.forward != Forward::Nat && server.at.port != port {
                cx.return_to(&draft.path);
                let text =
                    format!("{} needs the virtual server's port {port}, not {}", server.forward.name(), server.at.port);
                cx.error(Code::Conflict, left.span, &server.at.to_string(), text).help(format!("port {port} is used"));
                server.at.port = port;
            }
            script::default_user(server.notify_up.as_mut(), &global.script_user);
            script::default_user(server.notify_down.as_mut(), &global.script_user);
            for (number, check) in server.checks.iter_mut().enumerate() {
                draft.timing.fill(check);
                if left.alpha && bit(left.check_alpha, number) {
                    check.alpha = draft.service.alpha;
                }
                defaults(check, &draft.service.virtualhost, global);
            }
            self.total += u64::from(server.weight);
        }
        true
    }

    pub fn finish(self, cx: &mut Context) -> Service {
        let mut s = self.draft.service;
        cx.return_to(&self.draft.path);
        if u64::from(s.quorum) > self.total {
            let total = u32::try_from(self.total).unwrap_or(u32::MAX).max(1);
            if self.draft.quorum_span != Span::NOWHERE {
                let text = format!("the quorum {} is above the weights' sum {}", s.quorum, self.total);
                cx.error(Code::Conflict, self.draft.quorum_span, "quorum", text).help(format!("{total} is used"));
            }
            s.quorum = total;
        }
        if s.hysteresis >= s.quorum {
            let text = format!("the hysteresis {} is not below the quorum {}", s.hysteresis, s.quorum);
            cx.error(Code::Conflict, self.draft.hysteresis_span, "hysteresis", text)
                .help(format!("{} is used", s.quorum - 1));
            s.hysteresis = s.quorum - 1;
        }
        s
    }
}

/// What nobody gave: each type's own.
fn defaults(check: &mut Check, virtualhost: &Option<Box<str>>, global: &GlobalDraft) {
    let or = |to: &mut Duration, default: Duration| {
        if *to == UNSET {
            *to = default;
        }
    };
    let (retry, pause) = match &check.kind {
        CheckKind::Http(_) => (1, 3),
        CheckKind::Misc(_) => (0, 1),
        CheckKind::Tcp | CheckKind::Smtp { .. } => (1, 1),
    };
    or(&mut check.delay_loop, Duration::from_secs(60));
    or(&mut check.delay_before_retry, Duration::from_secs(pause));
    let delay_loop = check.delay_loop;
    or(&mut check.warmup, delay_loop);
    or(&mut check.timeout, Duration::from_secs(5));
    if check.retry == UNSET_NUMBER {
        check.retry = retry;
    }
    match &mut check.kind {
        CheckKind::Http(http) => {
            if http.virtualhost.is_none() {
                http.virtualhost.clone_from(virtualhost);
            }
        }
        CheckKind::Misc(misc) => {
            or(&mut misc.timeout, delay_loop);
            let mut script = Some(&mut misc.script);
            script::default_user(script.take(), &global.script_user);
        }
        CheckKind::Tcp | CheckKind::Smtp { .. } => {}
    }
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
        assert_eq!(statuses("200-299"), Some((200, 299)));
        assert_eq!(statuses("404"), Some((404, 404)));
        assert_eq!(statuses("99"), None);
        assert_eq!(digest("422834d1d2b972eee9e5b875e4bd8c33").map(|d| d[0]), Some(0x42));
        assert_eq!(digest("+22834d1d2b972eee9e5b875e4bd8c33"), None);
    }
}
