//! The checker blocks of a real_server.

use super::context::{Context, Seen};
use super::diagnostic::{closest, meant, Code};
use super::global::{value, GlobalDraft};
use super::keywords::{Block, Keyword};
use super::lexer::Span;
use super::model::{
    Check, CheckKind, Dns, DnsType, FileCheck, Http, HttpProtocol, Misc, Regex, Script, Udp, Url, REGEX_OPTIONS,
};
use super::script;
use super::tree::{Arg, Node};
use crate::base::addr::{Family, IfName};
use std::collections::HashSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// What service, server and check may all say.
#[derive(Clone, PartialEq, Default)]
pub struct Timing {
    delay_loop: Option<Duration>,
    retry: Option<u32>,
    delay_before_retry: Option<Duration>,
    warmup: Option<Duration>,
    timeout: Option<Duration>,
}

impl Timing {
    /// True if the keyword was one of these.
    pub fn take(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) -> bool {
        let to = match keyword.word {
            "delay_loop" => &mut self.delay_loop,
            "delay_before_retry" => &mut self.delay_before_retry,
            "warmup" => &mut self.warmup,
            "connect_timeout" => &mut self.timeout,
            "retry" => {
                self.retry = cx.int_u32(node, keyword).or(self.retry);
                return true;
            }
            _ => return false,
        };
        *to = cx.dec(node, keyword).or(*to);
        true
    }

    /// What was not given is taken from above.
    pub fn inherit(&mut self, above: &Timing) {
        self.delay_loop = self.delay_loop.or(above.delay_loop);
        self.retry = self.retry.or(above.retry);
        self.delay_before_retry = self.delay_before_retry.or(above.delay_before_retry);
        self.warmup = self.warmup.or(above.warmup);
        self.timeout = self.timeout.or(above.timeout);
    }
}

/// Where a check connects, as far as it is given.
#[derive(Clone, PartialEq, Default)]
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
            "bindto" => self.bind = self.source(cx, node, arg),
            "bind_port" => self.bind_port = port(cx.int(node, keyword), self.bind_port),
            "bind_if" => self.bind_if = cx.silently(|cx| cx.interface(arg)).or(self.bind_if.take()),
            "fwmark" => self.fwmark = cx.int_u32(node, keyword).or(self.fwmark),
            _ => return false,
        }
        true
    }

    fn source(&self, cx: &mut Context, node: Node, arg: Arg) -> Option<IpAddr> {
        let ip = cx.ip(node, arg)?;
        if self.ip.is_some_and(|to| Family::of(&to) != Family::of(&ip)) {
            let text = format!("'bindto' {ip} and 'connect_ip' are of two address families");
            cx.bad(Code::Conflict, arg, text).help("the line is not used");
            return self.bind;
        }
        Some(ip)
    }
}

/// A checker block as it was read.
#[derive(Clone, PartialEq)]
pub struct CheckDraft {
    timing: Timing,
    connect: Connect,
    alpha: Option<bool>,
    log_all_failures: Option<bool>,
    misc_timeout: Option<Duration>,
    kind: CheckKind,
}

/// What a check takes from its server and its service.
pub struct Above<'a> {
    pub timing: &'a Timing,
    pub alpha: Option<bool>,
    pub virtualhost: &'a Option<Box<str>>,
}

impl CheckDraft {
    pub fn inherit(&mut self, above: &Above) {
        self.timing.inherit(above.timing);
        self.alpha = self.alpha.or(above.alpha);
        if let (CheckKind::Http(http), Some(name)) = (&mut self.kind, above.virtualhost) {
            http.virtualhost.get_or_insert_with(|| name.clone());
        }
    }

    /// With each type's own values for what nobody gave.
    fn settle(self, global: &GlobalDraft) -> Check {
        let CheckDraft { mut timing, connect, mut kind, .. } = self;
        match &kind {
            // They wait for news of others.
            CheckKind::Bfd(_) | CheckKind::File(_) => timing = Timing::default(),
            CheckKind::Misc(_) => timing.timeout = None,
            _ => {}
        }
        let delay_loop = timing.delay_loop.unwrap_or(Duration::from_secs(60));
        let (retry, pause) = match &kind {
            CheckKind::Http(_) => (1, Duration::from_secs(3)),
            CheckKind::Misc(_) => (0, Duration::from_secs(1)),
            CheckKind::Dns(_) => (3, delay_loop),
            _ => (1, Duration::from_secs(1)),
        };
        if let CheckKind::Misc(misc) = &mut kind {
            misc.timeout = self.misc_timeout.unwrap_or(delay_loop);
            script::default_user(Some(&mut misc.script), &global.script_user);
        }
        Check {
            delay_loop,
            retry: timing.retry.unwrap_or(retry),
            delay_before_retry: timing.delay_before_retry.unwrap_or(pause),
            warmup: timing.warmup.unwrap_or(delay_loop),
            alpha: self.alpha.unwrap_or(false),
            log_all_failures: self.log_all_failures.unwrap_or(false),
            timeout: timing.timeout.unwrap_or(Duration::from_secs(5)),
            connect_ip: connect.ip,
            connect_port: connect.port,
            bind: connect.bind,
            bind_port: connect.bind_port,
            bind_if: connect.bind_if,
            fwmark: connect.fwmark,
            kind,
        }
    }
}

/// The checks of one server, which most servers have alike.
enum List {
    Draft(Rc<[CheckDraft]>),
    Settled(Rc<[Check]>),
}

/// The different lists of checks of a service.
#[derive(Default)]
pub struct Lists(Vec<List>);

/// Equal lists are looked for among so many of the last ones.
const LOOK_BACK: usize = 8;

/// The last few lists, of whatever service: equal ones are kept once.
pub struct Recent<T> {
    lists: [Option<Rc<[T]>>; LOOK_BACK],
    next: usize,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Recent { lists: Default::default(), next: 0 }
    }
}

impl<T: PartialEq> Recent<T> {
    fn share(&mut self, list: &mut Vec<T>) -> Rc<[T]> {
        let known = self.lists.iter().flatten().find(|known| known.as_ref() == list.as_slice());
        if let Some(known) = known.cloned() {
            list.clear();
            return known;
        }
        let shared: Rc<[T]> = list.drain(..).collect();
        if let Some(place) = self.lists.get_mut(self.next % LOOK_BACK) {
            *place = Some(shared.clone());
        }
        self.next += 1;
        shared
    }
}

impl Lists {
    /// The number of the list that is like this one, which is empty then.
    pub fn intern(&mut self, checks: &mut Vec<CheckDraft>, recent: &mut Recent<CheckDraft>) -> u32 {
        let list = recent.share(checks);
        let from = self.0.len().saturating_sub(LOOK_BACK);
        let mut last = self.0.iter().enumerate().skip(from);
        let same = |known: &List| matches!(known, List::Draft(known) if Rc::ptr_eq(known, &list));
        if let Some((number, _)) = last.find(|(_, known)| same(known)) {
            return number as u32;
        }
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(self.0.len() / 2 + 2);
        }
        self.0.push(List::Draft(list));
        (self.0.len() - 1) as u32
    }

    /// A list with all its values: computed when it is asked for first.
    pub fn settled(
        &mut self,
        number: u32,
        above: &Above,
        global: &GlobalDraft,
        recent: &mut Recent<Check>,
    ) -> Rc<[Check]> {
        let Some(list) = self.0.get_mut(number as usize) else { return Rc::from([]) };
        if let List::Draft(drafts) = list {
            let settle = |draft: &CheckDraft| {
                let mut draft = draft.clone();
                draft.inherit(above);
                draft.settle(global)
            };
            *list = List::Settled(recent.share(&mut drafts.iter().map(settle).collect()));
        }
        match list {
            List::Settled(checks) => checks.clone(),
            List::Draft(_) => Rc::from([]),
        }
    }

    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}

/// A name that a check uses, to be found when all is read.
pub struct Reference {
    of: Block,
    name: Box<str>,
    span: Span,
    path: Box<str>,
}

impl Reference {
    fn new(cx: &Context, of: Block, arg: Arg) -> Reference {
        Reference { of, name: arg.str().as_ref().into(), span: arg.span(), path: cx.path() }
    }
}

/// Once the file is read: what checks name must be there.
pub fn references(cx: &mut Context) {
    let (references, blocks) = (std::mem::take(&mut cx.references), std::mem::take(&mut cx.blocks));
    let known: HashSet<_> = blocks.iter().map(|(block, name)| (*block, name.as_ref())).collect();
    for r in &references {
        if known.contains(&(r.of, r.name.as_ref())) {
            continue;
        }
        let names = blocks.iter().filter(|(block, _)| *block == r.of).map(|(_, name)| name.as_ref());
        cx.return_to(&r.path);
        let what = if r.of == Block::TrackFile { "track_file" } else { "bfd_instance" };
        let help = cx.closest(&r.name, names).map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
        let text = match r.of == Block::BfdInstance && cx.defined.has_bfd(&r.name) {
            true => format!("the bfd_instance '{}' tells only instances: it has 'vrrp' and no 'checker'", r.name),
            false => format!("there is no {what} '{}'", r.name),
        };
        cx.error(Code::Reference, r.span, &r.name, text).help(format!("{help}the server is not checked by it"));
    }
    cx.return_to("");
}

/// The lines of a checker block that not all kinds have.
struct Draft {
    http: Http,
    enable_sni: bool,
    sni_name: Option<Box<str>>,
    tls_compliant: bool,
    /// What each URL says itself.
    urls_compliant: Vec<Option<bool>>,
    helo: Option<Box<str>>,
    hosts: Vec<(Connect, Option<Duration>)>,
    words: Option<Vec<Box<str>>>,
    user: (Option<Box<str>>, Option<Box<str>>),
    /// There is none of this name, which was said.
    bad_user: bool,
    dynamic: bool,
    dns: (DnsType, Box<str>),
    udp: Udp,
    reply_span: Span,
    /// track_file, or name of BFD_CHECK.
    name: Option<Box<str>>,
    weight: (Option<i32>, bool),
}

impl Draft {
    fn new(tls: bool) -> Draft {
        Draft {
            http: Http {
                tls,
                virtualhost: None,
                protocol: HttpProtocol::V1_0,
                sni: None,
                fast_recovery: false,
                urls: Vec::new(),
            },
            enable_sni: false,
            sni_name: None,
            tls_compliant: false,
            urls_compliant: Vec::new(),
            helo: None,
            hosts: Vec::new(),
            words: None,
            user: (None, None),
            bad_user: false,
            dynamic: false,
            dns: (DnsType::Soa, "".into()),
            udp: Udp { payload: None, reply: None, min_reply: 0, max_reply: 255 },
            reply_span: Span::NOWHERE,
            name: None,
            weight: (None, false),
        }
    }

    fn http(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        let http = &mut self.http;
        if matches!(keyword.word, "enable_sni" | "sni_name" | "tls_compliant") && !http.tls {
            let text = format!("'{}' is of SSL_GET; HTTP_GET speaks no TLS", keyword.word);
            cx.warn(Code::Conflict, node.word().span(), keyword.word, text).help("the line is not used");
            return;
        }
        match keyword.word {
            "virtualhost" => http.virtualhost = value(cx, node).or(http.virtualhost.take()),
            "http_protocol" => {
                let Some(arg) = node.arg(0) else { return drop(value(cx, node)) };
                match arg.str().as_ref() {
                    "1.0" => http.protocol = HttpProtocol::V1_0,
                    "1.0C" | "1.0c" => http.protocol = HttpProtocol::V1_0Close,
                    "1.1" => http.protocol = HttpProtocol::V1_1,
                    other => cx
                        .bad(Code::Value, arg, format!("'http_protocol' is 1.0, 1.0C or 1.1, not '{other}'"))
                        .help(meant(other, &["1.0", "1.0C", "1.1"], "1.0 is used")),
                }
            }
            "enable_sni" => self.enable_sni = cx.flag(node).unwrap_or(self.enable_sni),
            "sni_name" => self.sni_name = value(cx, node).or(self.sni_name.take()),
            "tls_compliant" => self.tls_compliant = cx.flag(node).unwrap_or(self.tls_compliant),
            "fast_recovery" => http.fast_recovery = cx.flag(node).unwrap_or(http.fast_recovery),
            "url" => {
                if let Some((url, compliant)) = url(cx, node, http.tls) {
                    http.urls.push(url);
                    self.urls_compliant.push(compliant);
                }
            }
            _ => cx.unread(node, keyword),
        }
    }

    fn misc(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        match keyword.word {
            "misc_path" => match node.arg(0) {
                Some(_) => {
                    self.words = script::program(cx, node);
                    script::beyond(cx, node);
                }
                None => drop(value(cx, node)),
            },
            "misc_dynamic" => self.dynamic = true,
            "user" if unknown_user(cx, node) => self.bad_user = true,
            "user" => self.user = (value(cx, node), node.arg(1).map(|g| g.str().as_ref().into())),
            _ => cx.unread(node, keyword),
        }
    }

    fn dns(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        let Some(arg) = node.arg(0) else { return };
        let word = arg.str();
        match keyword.word {
            "type" => match DnsType::ALL.iter().find(|t| t.name().eq_ignore_ascii_case(&word)) {
                Some(found) => self.dns.0 = *found,
                None => {
                    let all: Vec<_> = DnsType::ALL.iter().map(|t| t.name()).collect();
                    let text = format!("'type' is one of {}, not '{word}'", all.join(", "));
                    cx.bad(Code::Value, arg, text).help("SOA is asked for");
                }
            },
            "name" => match domain(&word) {
                Ok(name) => self.dns.1 = name.into(),
                Err(wrong) => cx
                    .bad(Code::Value, arg, format!("'{word}' is no domain name: {wrong}"))
                    .help("the root '.' is asked for"),
            },
            _ => cx.unread(node, keyword),
        }
    }

    fn udp(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        match keyword.word {
            "payload" if node.count() == 0 => cx
                .bad(Code::Argument, node.word(), "'payload' has no bytes".into())
                .help("write hexadecimal digits; a text of its own is sent"),
            "payload" => {
                if let Some(bytes) = hex(cx, node, false) {
                    self.udp.payload = Some(bytes.into_iter().map(|(byte, _)| byte).collect());
                }
            }
            "require_reply" => self.udp.reply = hex(cx, node, true).or(self.udp.reply.take()),
            "min_reply_length" | "max_reply_length" => {
                let Some(n) = cx.int(node, keyword).and_then(|n| u16::try_from(n).ok()) else { return };
                self.reply_span = node.arg(0).map_or(Span::NOWHERE, |a| a.span());
                if keyword.word == "min_reply_length" {
                    self.udp.min_reply = n;
                } else {
                    self.udp.max_reply = n;
                }
            }
            _ => cx.unread(node, keyword),
        }
    }

    fn file(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        let Some(arg) = node.arg(0) else { return drop(value(cx, node)) };
        if keyword.word == "track_file" {
            self.name = Some(arg.str().as_ref().into());
            cx.references.push(Reference::new(cx, Block::TrackFile, arg));
            return;
        }
        let word = arg.str();
        let Some(weight) = word.parse::<i32>().ok().filter(|n| *n != i32::MIN) else {
            let text = format!("'weight' takes a whole number from -2147483647 to 2147483647, not '{word}'");
            cx.bad(Code::Range, arg, text).help("the file's own weight is used");
            return;
        };
        self.weight = (Some(weight), false);
        let Some(option) = node.arg(1) else { return };
        match option.str().as_ref() {
            "reverse" => self.weight.1 = true,
            "noreverse" => {}
            other => cx
                .bad(Code::Extra, option, format!("behind a weight stands 'reverse' or 'noreverse', not '{other}'"))
                .help("it is not used"),
        }
    }

    fn bfd(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        if keyword.word != "name" {
            cx.flag(node);
            return;
        }
        let Some(arg) = node.arg(0) else { return drop(value(cx, node)) };
        if let Some(more) = node.arg(1) {
            cx.bad(Code::Extra, more, format!("'name' takes one name, not '{}' too", more.str()))
                .help("the server is not checked by it");
            return;
        }
        self.name = Some(arg.str().as_ref().into());
        cx.references.push(Reference::new(cx, Block::BfdInstance, arg));
    }

    /// None: without a line that it must have, which was said.
    fn kind(mut self, cx: &mut Context, node: Node, seen: &Seen) -> Option<CheckKind> {
        let name = node.word().str();
        let lacks = |cx: &mut Context, text: String, write: &str| {
            cx.bad(Code::Missing, node.word(), text).help(format!("{write}the server is not checked by it"));
            None
        };
        Some(match node.block() {
            Block::Tcp => CheckKind::Tcp,
            Block::Ping => CheckKind::Ping,
            Block::Http => {
                if self.enable_sni {
                    self.http.sni = self.sni_name.or_else(|| self.http.virtualhost.clone());
                }
                if self.http.urls.is_empty() {
                    // A wrong one was said.
                    if seen.has(Block::Http, &["url"]) {
                        return None;
                    }
                    return lacks(cx, format!("'{name}' has no url"), "write url { path /PATH }; ");
                }
                for (url, given) in self.http.urls.iter_mut().zip(self.urls_compliant) {
                    url.tls_compliant = given.unwrap_or(self.tls_compliant);
                }
                CheckKind::Http(Box::new(self.http))
            }
            Block::Smtp => CheckKind::Smtp { helo: self.helo.unwrap_or_else(|| "smtpchecker.keepalived.org".into()) },
            Block::Misc if self.bad_user => return None,
            Block::Misc => match self.words {
                Some(words) => {
                    if let Some(line) = node.children().filter(|c| c.word().str() == "misc_path").last() {
                        script::runs_as(cx, line, &self.user.0);
                    }
                    let script = Script { words, user: self.user.0, group: self.user.1 };
                    CheckKind::Misc(Box::new(Misc { script, timeout: Duration::ZERO, dynamic: self.dynamic }))
                }
                // A wrong one was said.
                None if seen.has(Block::Misc, &["misc_path"]) => return None,
                None => return lacks(cx, "'MISC_CHECK' has no misc_path".into(), ""),
            },
            Block::Dns => CheckKind::Dns(Box::new(Dns { kind: self.dns.0, name: self.dns.1 })),
            Block::Udp => {
                let (min, max) = (self.udp.min_reply, self.udp.max_reply);
                if min > max {
                    let text = format!("a reply cannot have at least {min} and at most {max} bytes");
                    cx.error(Code::Conflict, self.reply_span, "UDP_CHECK", text).help("the check would always fail");
                }
                CheckKind::Udp(Box::new(self.udp))
            }
            Block::File => match self.name {
                Some(track_file) => {
                    let (weight, reverse) = self.weight;
                    CheckKind::File(Box::new(FileCheck { track_file, weight, reverse }))
                }
                None if seen.has(Block::File, &["track_file"]) => return None,
                None => return lacks(cx, "'FILE_CHECK' has no track_file".into(), "write track_file NAME; "),
            },
            Block::Bfd => match self.name {
                Some(name) => CheckKind::Bfd(name),
                None if seen.has(Block::Bfd, &["name"]) => return None,
                None => return lacks(cx, "'BFD_CHECK' has no name".into(), "write name BFD_INSTANCE; "),
            },
            _ => return None,
        })
    }
}

fn unknown_user(cx: &mut Context, node: Node) -> bool {
    let Some(arg) = node.arg(0) else { return false };
    let name = arg.str();
    let unknown = cx.host.user.is_some_and(|known| !known(&name));
    if unknown {
        cx.bad(Code::Script, arg, format!("there is no user '{name}'")).help("the server is not checked by it");
    }
    unknown
}

/// Reads one checker block; SMTP_CHECK gives one check for each of its hosts.
pub fn read(cx: &mut Context, node: Node, server_port: u16, checks: &mut Vec<CheckDraft>) {
    if !node.body() {
        // Without its block it was said already, and keepalived does not check.
        return;
    }
    let mark = cx.enter(node);
    let mut timing = Timing::default();
    let mut connect = Connect::default();
    let (mut alpha, mut log_all_failures, mut misc_timeout) = (None, None, None);
    let mut seen = Seen::default();
    let block = node.block();
    let plain = matches!(block, Block::Tcp | Block::Ping);
    let tls = block == Block::Http && node.word().str() == "SSL_GET";
    let mut draft = if plain { None } else { Some(Draft::new(tls)) };
    let runs = cx.script;
    for child in node.children() {
        let Some(keyword) = cx.known(child, block, &mut seen) else { continue };
        if timing.take(cx, child, keyword) || connect.take(cx, child, keyword) {
            continue;
        }
        match (keyword.word, &mut draft) {
            ("alpha", _) => alpha = cx.flag(child).or(alpha),
            ("log_all_failures", _) => log_all_failures = cx.flag(child).or(log_all_failures),
            ("helo_name", Some(draft)) => draft.helo = value(cx, child).or(draft.helo.take()),
            ("host", Some(draft)) => draft.hosts.push(smtp_host(cx, child)),
            ("misc_timeout", _) => {
                misc_timeout = cx.int_u32(child, keyword).map(|n| Duration::from_secs(n.into())).or(misc_timeout)
            }
            (_, Some(draft)) => match block {
                Block::Http => draft.http(cx, child, keyword),
                Block::Misc => draft.misc(cx, child, keyword),
                Block::Dns => draft.dns(cx, child, keyword),
                Block::Udp => draft.udp(cx, child, keyword),
                Block::File => draft.file(cx, child, keyword),
                Block::Bfd => draft.bfd(cx, child, keyword),
                _ => cx.unread(child, keyword),
            },
            _ => cx.unread(child, keyword),
        }
    }
    if tls && connect.port == Some(80) && server_port != 80 {
        // The HOWTO of 2002 has it so; its own listing shows that the server's port was meant.
        let text = "'SSL_GET' to port 80, where servers do not speak TLS".into();
        cx.warn(Code::Conflict, node.word().span(), "SSL_GET", text).help("the server's own port is used");
        connect.port = None;
    }
    cx.excuse(node, &mut seen);
    if draft.as_ref().is_some_and(|d| d.bad_user) {
        // Its script is not run.
        cx.script = runs;
    }
    let hosts = draft.as_mut().map(|d| std::mem::take(&mut d.hosts)).unwrap_or_default();
    let kind = match (draft, block) {
        (Some(draft), _) => draft.kind(cx, node, &seen),
        (None, Block::Ping) => Some(CheckKind::Ping),
        (None, _) => Some(CheckKind::Tcp),
    };
    cx.leave(mark);
    let Some(kind) = kind else { return };
    for (connect, timeout) in &hosts {
        let timing = Timing { timeout: *timeout, ..timing.clone() };
        let (connect, kind) = (connect.clone(), kind.clone());
        checks.push(CheckDraft { timing, connect, alpha, log_all_failures, misc_timeout, kind });
    }
    if hosts.is_empty() {
        if let CheckKind::Bfd(name) = &kind {
            if checks.iter().any(|c| matches!(&c.kind, CheckKind::Bfd(known) if known == name)) {
                cx.bad(
                    Code::Duplicate,
                    node.word(),
                    format!("the BFD session '{name}' is watched for this server already"),
                )
                .help("the second BFD_CHECK is not used");
                return;
            }
        }
        checks.push(CheckDraft { timing, connect, alpha, log_all_failures, misc_timeout, kind });
    }
}

fn smtp_host(cx: &mut Context, node: Node) -> (Connect, Option<Duration>) {
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

/// regex and what belongs to it, in any order.
#[derive(Default)]
struct RegexDraft {
    pattern: Option<Box<str>>,
    no_match: bool,
    options: Vec<&'static str>,
    min_offset: u32,
    max_offset: Option<u32>,
    stack: Option<(u32, u32)>,
    /// The first line that needs a pattern.
    needs: Option<Span>,
    offset_span: Span,
}

impl RegexDraft {
    fn entry(&mut self, cx: &mut Context, node: Node, keyword: &'static Keyword) {
        if keyword.word == "regex" {
            self.pattern = value(cx, node).or(self.pattern.take());
            return;
        }
        self.needs.get_or_insert(node.word().span());
        match keyword.word {
            "regex_no_match" => self.no_match = true,
            "regex_options" => self.option_words(cx, node),
            "regex_stack" => {
                let start = bytes(cx, node, 0);
                if let (Some(start), Some(most)) = (start, start.and_then(|_| bytes(cx, node, 1))) {
                    self.stack = Some((start, most));
                }
            }
            word => {
                let Some(n) = bytes(cx, node, 0) else { return };
                self.offset_span = node.arg(0).map_or(Span::NOWHERE, |a| a.span());
                if word == "regex_min_offset" {
                    self.min_offset = n;
                } else {
                    self.max_offset = Some(n);
                }
            }
        }
    }

    fn option_words(&mut self, cx: &mut Context, node: Node) {
        for arg in node.args() {
            let word = arg.str();
            match REGEX_OPTIONS.iter().find(|o| **o == word) {
                Some(option) if !self.options.contains(option) => self.options.push(option),
                Some(_) => {}
                None => {
                    let close = closest(&word, REGEX_OPTIONS.iter().copied());
                    let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                    cx.warn(Code::Value, arg.span(), &word, format!("there is no option '{word}' of a regex"))
                        .help(format!("{help}it is not used"));
                }
            }
        }
        self.options.sort_unstable();
    }

    fn finish(self, cx: &mut Context) -> Option<Box<Regex>> {
        let Some(pattern) = self.pattern else {
            if let Some(span) = self.needs {
                cx.warn(Code::Missing, span, "regex", "this url has no 'regex' to which this belongs".into())
                    .help("the line is not used");
            }
            return None;
        };
        if let Some(max) = self.max_offset.filter(|max| *max <= self.min_offset) {
            let text = format!("nothing lies between regex_min_offset {} and regex_max_offset {max}", self.min_offset);
            cx.warn(Code::Conflict, self.offset_span, "regex", text).help("the regex is never found");
        }
        Some(Box::new(Regex {
            pattern,
            no_match: self.no_match,
            options: self.options,
            min_offset: self.min_offset,
            max_offset: self.max_offset,
            stack: self.stack,
        }))
    }
}

/// A number of bytes as the argument of that place.
fn bytes(cx: &mut Context, node: Node, at: usize) -> Option<u32> {
    let name = node.word();
    let Some(arg) = node.arg(at) else {
        let text = format!("'{}' lacks a number of bytes", name.str());
        cx.warn(Code::Argument, name.span(), &name.str(), text).help("the line is not used");
        return None;
    };
    let word = arg.str();
    let number = word.parse().ok();
    if number.is_none() {
        let text = format!("'{}' takes a number of bytes from 0 to 4294967295, not '{word}'", name.str());
        cx.warn(Code::Value, arg.span(), &word, text).help("the line is not used");
    }
    number
}

/// And what it says of tls_compliant.
fn url(cx: &mut Context, node: Node, tls: bool) -> Option<(Url, Option<bool>)> {
    let mark = cx.enter(node);
    let mut seen = Seen::default();
    let mut path = None;
    let mut regex = RegexDraft::default();
    let mut compliant = None;
    let mut url =
        Url { path: "".into(), virtualhost: None, digest: None, status: Vec::new(), regex: None, tls_compliant: false };
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
            "status_code" => status_codes(cx, child, &mut url.status),
            "virtualhost" => url.virtualhost = value(cx, child).or(url.virtualhost.take()),
            "tls_compliant" => compliant = cx.flag(child).filter(|_| tls).or(compliant),
            "regex" | "regex_no_match" | "regex_options" | "regex_stack" | "regex_min_offset" | "regex_max_offset" => {
                regex.entry(cx, child, keyword)
            }
            _ => cx.unread(child, keyword),
        }
    }
    cx.excuse(node, &mut seen);
    url.regex = regex.finish(cx);
    cx.leave(mark);
    match path {
        Some(path) => url.path = path,
        // What is wrong with it was said.
        None if !node.body() || seen.has(Block::Url, &["path"]) => return None,
        None => {
            cx.bad(Code::Missing, node.word(), "this url has no path".into())
                .help("write path /PATH; the url is not used");
            return None;
        }
    }
    Some((url, compliant))
}

fn status_codes(cx: &mut Context, node: Node, to: &mut Vec<(u16, u16)>) {
    let word = node.word();
    if node.count() == 0 {
        cx.warn(Code::Argument, word.span(), "status_code", "'status_code' has no argument".into())
            .help("write status_code 200, or a range as 200-299; the line is not used");
    }
    if !to.is_empty() {
        cx.warn(Code::Repeated, word.span(), "status_code", "'status_code' was given before in this block".into())
            .help("all of them pass; one line can hold them: status_code 200 301 400-404");
    }
    for arg in node.args() {
        match statuses(&arg.str()) {
            Some(range) => to.push(range),
            None => cx
                .bad(Code::Range, arg, format!("'{}' is not a status from 100 to 599 or a range of them", arg.str()))
                .help("it is not used"),
        }
    }
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

/// The labels of a name, without the dot at its end (RFC 1035, section 2.3.4).
fn domain(word: &str) -> Result<&str, &'static str> {
    let name = word.strip_suffix('.').unwrap_or(word);
    if name.is_empty() {
        return Ok(name);
    }
    if name.len() > 253 {
        return Err("it is longer than 253 characters");
    }
    match name.split('.').map(str::len).find(|len| !(1..=63).contains(len)) {
        Some(0) => Err("it has an empty label"),
        Some(_) => Err("a label is longer than 63 characters"),
        None => Ok(name),
    }
}

/// Bytes in hexadecimal, as freely written as keepalived has it: each word in pairs of digits, a last single digit is a
/// byte of its own. With `wild` an x stands for four bits that do not count.
fn hex(cx: &mut Context, node: Node, wild: bool) -> Option<Vec<(u8, u8)>> {
    let mut out = Vec::new();
    for arg in node.args() {
        for word in arg.str().split_whitespace() {
            for pair in word.as_bytes().chunks(2) {
                let (mut value, mut mask) = (0, 0);
                for digit in pair {
                    let (v, m) = match (*digit as char).to_digit(16) {
                        Some(v) => (v as u8, 0xf),
                        None if wild && matches!(digit, b'x' | b'X') => (0, 0),
                        None => {
                            let text = format!("'{}' is not made of hexadecimal digits", arg.str());
                            let help = if wild {
                                "digits, or x for any; the line is not used"
                            } else {
                                "the line is not used"
                            };
                            cx.bad(Code::Value, arg, text).help(help);
                            return None;
                        }
                    };
                    (value, mask) = (value << 4 | v, mask << 4 | m);
                }
                if pair.len() == 1 {
                    mask |= 0xf0;
                }
                out.push((value, mask));
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_their_own_shape() {
        assert_eq!(statuses("200-299"), Some((200, 299)));
        assert_eq!(statuses("404"), Some((404, 404)));
        assert_eq!(statuses("99"), None);
        assert_eq!(digest("422834d1d2b972eee9e5b875e4bd8c33").map(|d| d[0]), Some(0x42));
        assert_eq!(digest("+22834d1d2b972eee9e5b875e4bd8c33"), None);
    }

    #[test]
    fn domain_names() {
        assert_eq!(domain("."), Ok(""));
        assert_eq!(domain("example.com."), Ok("example.com"));
        assert!(domain("a..b").is_err());
        assert!(domain(&"a".repeat(64)).is_err());
        assert!(domain(&"a.".repeat(127)).is_ok());
        assert!(domain(&"a.".repeat(128)).is_err());
    }
}
