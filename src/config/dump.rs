//! The configuration as understood, line by line, for `-d`: the sections that keepalived has had since 2002.
//! Secrets are masked.

use super::model::{
    Auth, Check, CheckKind, Config, Global, Group, Http, Instance, Member, Notify, OldChecksum, Route, Script,
    ServerGroup, Service, Tracks, Tunnel, Url, Vip, Wire,
};
use crate::base::addr::Family;
use crate::wire::op::ServiceKey;
use std::time::Duration;

const MASK: &str = "********";

/// Calls `line` for each line; none holds a line's end.
pub fn dump(config: &Config, line: &mut dyn FnMut(&str)) {
    line("------< Global definitions >------");
    global(&config.global, line);
    line("------< SSL definitions >------");
    ssl(&config.global, line);
    line("------< VRRP Topology >------");
    for i in &config.instances {
        instance(i, config, line);
    }
    tracked(config, line);
    line("------< VRRP Sync groups >------");
    for g in &config.groups {
        group(g, config, line);
    }
    line("------< LVS Topology >------");
    if let Some(sync) = &config.sync_daemon {
        let tied = sync.instance.and_then(|n| config.instances.get(n));
        let tied = tied.map_or(String::new(), |i| format!(", VRRP Instance = {}", i.name));
        line(&format!(" Connection sync daemon = {}, id = {}{tied}", sync.interface, sync.id));
    }
    for g in &config.server_groups {
        server_group(g, line);
    }
    for s in &config.services {
        let group = s.group.and_then(|n| config.server_groups.get(n));
        service(s, group, line);
    }
    line("------< Health checkers >------");
    for s in &config.services {
        for r in &s.servers {
            for c in r.checks.iter() {
                check(r.at, c, line);
            }
        }
    }
}

/// Seconds as people write them.
struct Secs(Duration);

impl std::fmt::Display for Secs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.subsec_nanos() {
            0 => write!(f, "{}", self.0.as_secs()),
            _ => write!(f, "{}", self.0.as_secs_f64()),
        }
    }
}

fn command(s: &Script) -> String {
    let mut text = String::new();
    for (i, word) in s.words.iter().enumerate() {
        if i > 0 {
            text.push(' ');
        }
        if word.is_empty() || word.contains(char::is_whitespace) {
            text.push_str(&format!("{word:?}"));
        } else {
            text.push_str(word);
        }
    }
    if let Some(user) = &s.user {
        text.push_str(&format!(", user {user}"));
    }
    if let Some(group) = &s.group {
        text.push_str(&format!(":{group}"));
    }
    text
}

fn global(g: &Global, line: &mut dyn FnMut(&str)) {
    line(&format!(" LVS ID = {}", g.router_id));
    if let Some((server, port)) = &g.smtp_server {
        match port {
            25 => line(&format!(" Smtp server = {server}")),
            _ => line(&format!(" Smtp server = {server}, port = {port}")),
        }
    }
    line(&format!(" Smtp server connection timeout = {}", Secs(g.smtp_connect_timeout)));
    if let Some(from) = &g.notification_email_from {
        line(&format!(" Email notification from = {from}"));
    }
    for to in &g.notification_email {
        line(&format!(" Email notification = {to}"));
    }
    line(&format!(" VRRP IPv4 multicast group = {}", g.mcast_group4));
    line(&format!(" VRRP IPv6 multicast group = {}", g.mcast_group6));
}

fn ssl(g: &Global, line: &mut dyn FnMut(&str)) {
    let Some(s) = &g.ssl else { return line(" Using autogen SSL context") };
    if s.password.is_some() {
        line(&format!(" Password = {MASK}"));
    }
    for (name, value) in [("CA-file", &s.ca), ("Certificate file", &s.certificate), ("Key file", &s.key)] {
        if let Some(value) = value {
            line(&format!(" {name} = {value}"));
        }
    }
}

fn instance(i: &Instance, config: &Config, line: &mut dyn FnMut(&str)) {
    line(&format!(" VRRP Instance = {}", i.name));
    if let Some(reason) = &i.held {
        line(&format!("   Kept in FAULT: {reason}"));
    }
    line(&format!("   Want State = {}", if i.want_master { "MASTER" } else { "BACKUP" }));
    if !i.interface.as_str().is_empty() {
        line(&format!("   Running on device = {}", i.interface));
    }
    tracks(&i.track, config, line);
    if i.dont_track_primary {
        line("   The device's own state is ignored");
    }
    if let Some(ip) = i.mcast_src_ip {
        line(&format!("   Using src_ip = {ip}"));
    }
    line(&format!("   Virtual Router ID = {}", i.vrid));
    line(&format!("   Priority = {}", i.priority));
    line(&format!("   Advert interval = {}sec", Secs(i.advert_int)));
    let g = &i.garp;
    line(&format!("   Gratuitous ARP delay = {}, repeat = {}", Secs(g.delay), g.repeat));
    if let Some(refresh) = g.refresh {
        line(&format!("   Gratuitous ARP refresh = {}, repeat = {}", Secs(refresh), g.refresh_repeat));
    }
    line(if i.nopreempt { "   Preempt Inactive" } else { "   Preempt Active" });
    if !i.preempt_delay.is_zero() {
        line(&format!("   Preempt delay = {}", Secs(i.preempt_delay)));
    }
    match i.auth {
        Auth::None => {}
        Auth::Pass(_) => {
            line("   Authentication type = SIMPLE_PASSWORD");
            line(&format!("   Password = {MASK}"));
        }
        Auth::Ah(_) => {
            line("   Authentication type = IPSEC_AH");
            line(&format!("   Password = {MASK}"));
        }
    }
    if let Some(hmac) = i.hmac.as_ref().filter(|h| !h.keys.is_empty()) {
        line(&format!("   Authentication extension = {}", hmac.describe()));
    }
    wire(&i.wire, line);
    if i.smtp_alert {
        line("   Mail alerts active");
    }
    line(&format!("   VIP count = {}", i.vips.len()));
    for (n, v) in i.vips.iter().enumerate() {
        vip(&format!("VIP{}", n + 1), v, line);
    }
    for (n, v) in i.excluded.iter().enumerate() {
        vip(&format!("Excluded VIP{}", n + 1), v, line);
    }
    for r in &i.routes {
        route(r, line);
    }
    notify(&i.notify, line);
}

fn wire(w: &Wire, line: &mut dyn FnMut(&str)) {
    line(&format!("   VRRP Version = {}", w.version));
    if let Some(ip) = w.unicast_src_ip {
        line(&format!("   Using unicast src_ip = {ip}"));
    }
    if w.version == 3 && w.checksum_as_v2 {
        line("   Checksum without pseudo-header");
    }
    let Some(u) = &w.unicast else { return line(&format!("   Multicast address = {}", w.group)) };
    line(&format!("   Unicast TTL = {}, Check unicast src = {}", u.ttl, if u.check_src { "yes" } else { "no" }));
    for p in &u.peers {
        line(&format!("   Unicast Peer = {} min_ttl {} max_ttl {}", p.ip, p.min_ttl, p.max_ttl));
    }
    match u.old_checksum {
        OldChecksum::Detect => {}
        OldChecksum::Always => line("   Old unicast checksum"),
        OldChecksum::Never => line("   Old unicast checksum = never"),
    }
}

fn tracks(t: &Tracks, config: &Config, line: &mut dyn FnMut(&str)) {
    let weigh = |weight: i32, reverse: bool| match (weight, reverse) {
        (0, false) => String::new(),
        (w, false) => format!(", weight {w}"),
        (w, true) => format!(", weight {w} reverse"),
    };
    for t in &t.interfaces {
        line(&format!("   Tracked interface = {}{}", t.name, weigh(t.weight, t.reverse)));
    }
    let scripts = t.scripts.iter().map(|t| ("script", t, config.scripts.get(t.target).map(|s| &s.name)));
    let files = t.files.iter().map(|t| ("file", t, config.files.get(t.target).map(|f| &f.name)));
    let processes = t.processes.iter().map(|t| ("process", t, config.processes.get(t.target).map(|p| &p.name)));
    let bfd = t.bfd.iter().map(|t| ("BFD session", t, config.bfd.get(t.target).map(|b| &b.name)));
    for (what, track, name) in scripts.chain(files).chain(processes).chain(bfd) {
        let name = name.map_or("", |n| n.as_ref());
        line(&format!("   Tracked {what} = {name}{}", weigh(track.weight, track.reverse)));
    }
}

fn tracked(config: &Config, line: &mut dyn FnMut(&str)) {
    let reverse = |on: bool| if on { " reverse" } else { "" };
    for s in &config.scripts {
        line(&format!(" VRRP Script = {}", s.name));
        line(&format!("   Command = {}", command(&s.script)));
        line(&format!("   Interval = {} sec, timeout = {} sec", Secs(s.interval), Secs(s.timeout)));
        line(&format!("   Weight = {}{}, rise = {}, fall = {}", s.weight, reverse(s.reverse), s.rise, s.fall));
        if s.init_fail {
            line("   Failed until it has succeeded");
        }
    }
    for f in &config.files {
        line(&format!(" VRRP Track file = {}", f.name));
        line(&format!("   File = {}, weight = {}{}", f.path, f.weight, reverse(f.reverse)));
        if let Some(init) = f.init {
            line(&format!("   Initial value = {}{}", init.value, if init.overwrite { ", overwrites" } else { "" }));
        }
    }
    for p in &config.processes {
        let max = p.quorum_max.map_or(String::new(), |n| format!(" to {n}"));
        line(&format!(" VRRP Track process = {}", p.name));
        let params: String = p.params.iter().map(|w| format!(" {w}")).collect();
        line(&format!("   Process = {}{params}, quorum = {}{max}", p.program, p.quorum));
        line(&format!("   Weight = {}{}", p.weight, reverse(p.reverse)));
    }
    for b in &config.bfd {
        line(&format!(" BFD session = {}", b.name));
        line(&format!("   Neighbour = {}, weight = {}{}", b.neighbor, b.weight, reverse(b.reverse)));
    }
}

fn vip(name: &str, v: &Vip, line: &mut dyn FnMut(&str)) {
    let mut text = format!("     {name} = {}", v.net);
    if let Some(dev) = &v.dev {
        text.push_str(&format!(" dev {dev}"));
    }
    if let Some(brd) = v.broadcast {
        text.push_str(&format!(" brd {brd}"));
    }
    if v.scope != 0 {
        text.push_str(&format!(" scope {}", v.scope));
    }
    if let Some(label) = &v.label {
        text.push_str(&format!(" label {label}"));
    }
    line(&text);
}

fn route(r: &Route, line: &mut dyn FnMut(&str)) {
    let kind = match r.kind {
        1 => "",
        6 => "blackhole ",
        7 => "unreachable ",
        8 => "prohibit ",
        9 => "throw ",
        _ => "other ",
    };
    let mut text = format!("     VROUTE = {kind}{}", r.dst);
    if let Some(via) = r.via {
        text.push_str(&format!(" via {via}"));
    }
    if let Some(dev) = &r.dev {
        text.push_str(&format!(" dev {dev}"));
    }
    if let Some(src) = r.src {
        text.push_str(&format!(" src {src}"));
    }
    if r.table != 254 {
        text.push_str(&format!(" table {}", r.table));
    }
    if r.metric != 0 {
        text.push_str(&format!(" metric {}", r.metric));
    }
    line(&text);
}

fn notify(n: &Notify, line: &mut dyn FnMut(&str)) {
    let all =
        [("Master", &n.master), ("Backup", &n.backup), ("Fault", &n.fault), ("Stop", &n.stop), ("Generic", &n.any)];
    for (name, script) in all {
        if let Some(script) = script {
            line(&format!("   {name} state transition script = {}", command(script)));
        }
    }
}

fn group(g: &Group, config: &Config, line: &mut dyn FnMut(&str)) {
    let mut members = g.members.iter().filter_map(|m| config.instances.get(*m)).peekable();
    let master = members.peek().is_some_and(|i| i.want_master);
    line(&format!(" VRRP Sync Group = {}, {}", g.name, if master { "MASTER" } else { "BACKUP" }));
    for i in members {
        line(&format!("   monitor = {}", i.name));
    }
    tracks(&g.track, config, line);
    if g.tracking_weight {
        line("   Members keep their weights");
    }
    if g.smtp_alert {
        line("   Mail alerts active");
    }
    notify(&g.notify, line);
}

fn server_group(g: &ServerGroup, line: &mut dyn FnMut(&str)) {
    line(&format!(" Virtual Server Group = {}", g.name));
    for member in &g.members {
        line(&match *member {
            Member::Range { first, last, port } if first == last => format!("   VIP = {first}, VPORT = {port}"),
            Member::Range { first, last, port } => format!("   VIP = {first} to {last}, VPORT = {port}"),
            Member::Mark(mark, None) => format!("   VIP FWMARK = {mark}"),
            Member::Mark(mark, Some(family)) => format!("   VIP FWMARK = {mark}, IPv{}", family_number(family)),
        });
    }
}

fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

/// Behind the name of the method.
fn tunnel(t: Option<Tunnel>) -> String {
    match t {
        None => String::new(),
        Some(Tunnel { gue: Some(port), checksum }) => format!(" type gue, port = {port}, checksum = {checksum:?}"),
        Some(Tunnel { gue: None, checksum }) => format!(" type gre, checksum = {checksum:?}"),
    }
}

fn service(s: &Service, group: Option<&ServerGroup>, line: &mut dyn FnMut(&str)) {
    match s.key {
        _ if group.is_some() => line(&format!(" VIP group = {}", group.map_or("", |g| &g.name))),
        ServiceKey::Address(_, at) => line(&format!(" VIP = {}, VPORT = {}", at.ip, at.port)),
        ServiceKey::Mark(_, mark) => line(&format!(" VIP FWMARK = {mark}")),
    }
    if let Some(reason) = &s.held {
        line(&format!("   Not served: {reason}"));
    }
    if let Some(name) = &s.virtualhost {
        line(&format!("   VirtualHost = {name}"));
    }
    // One delay for the service, as its checks have it.
    let delay = s.servers.iter().flat_map(|r| r.checks.iter()).map(|c| c.delay_loop).next();
    match delay {
        Some(delay) => line(&format!("   delay_loop = {}, lb_algo = {}", Secs(delay), s.scheduler.name())),
        None => line(&format!("   lb_algo = {}", s.scheduler.name())),
    }
    if s.scheduler_flags != 0 {
        let flags: Vec<_> =
            (1..=3).filter(|n| s.scheduler_flags >> (n - 1) & 1 != 0).map(|n| format!("flag-{n}")).collect();
        line(&format!("   scheduler flags = {}", flags.join(" ")));
    }
    if let Some(seconds) = s.persistence {
        line(&format!("   persistence timeout = {seconds}"));
        if s.granularity != s.family().max_len() {
            line(&format!("   persistence granularity = {}", s.granularity));
        }
    }
    if let Some(engine) = &s.engine {
        line(&format!("   persistence engine = {engine}"));
    }
    if s.hashed {
        line("   hashed");
    }
    if s.one_packet {
        line("   one packet scheduling");
    }
    if let ServiceKey::Address(protocol, _) = s.key {
        line(&format!("   protocol = {}", protocol.name()));
    }
    if s.alpha {
        line("   alpha: servers begin down");
    }
    if s.omega {
        line("   omega: scripts run at stop");
    }
    if s.ha_suspend {
        line("   ha_suspend: checks rest while its address is not here");
    }
    if s.quorum != 1 || s.hysteresis != 0 {
        line(&format!("   quorum = {}, hysteresis = {}", s.quorum, s.hysteresis));
    }
    for (name, script) in [("quorum up", &s.quorum_up), ("quorum down", &s.quorum_down)] {
        if let Some(script) = script {
            line(&format!("   {name} script = {}", command(script)));
        }
    }
    // The service has no method of its own: that of its first server.
    if let Some(first) = s.servers.first() {
        line(&format!("   lb_kind = {}{}", first.forward.name(), tunnel(first.tunnel())));
    }
    if let Some(sorry) = &s.sorry {
        let inhibit = if sorry.inhibit { ", inhibit" } else { "" };
        let (kind, tunnel) = (sorry.forward.name(), tunnel(sorry.tunnel));
        line(&format!("   sorry server = {}, lb_kind = {kind}{tunnel}{inhibit}", sorry.at));
    }
    let kind = s.servers.first().map(|r| (r.forward, r.tunnel()));
    for r in &s.servers {
        line(&format!("   RIP = {}, RPORT = {}, WEIGHT = {}", r.at.ip, r.at.port, r.weight));
        if Some((r.forward, r.tunnel())) != kind {
            line(&format!("     lb_kind = {}{}", r.forward.name(), tunnel(r.tunnel())));
        }
        if r.inhibit {
            line("     inhibit on failure");
        }
        if r.alpha && !s.alpha {
            line("     alpha: begins down");
        }
        let (low, high) = (r.lower_threshold(), r.upper_threshold());
        if low != 0 || high != 0 {
            line(&format!("     thresholds = {low} to {high} connections"));
        }
        for (name, script) in [("UP", r.notify_up()), ("DOWN", r.notify_down())] {
            if let Some(script) = script {
                line(&format!("     script {name} = {}", command(script)));
            }
        }
    }
}

fn check(at: crate::base::addr::Endpoint, c: &Check, line: &mut dyn FnMut(&str)) {
    line(&format!(" {}:{}", at.ip, at.port));
    line(&format!("   Keepalive method = {}", c.kind.name()));
    if !c.kind.is_made() {
        line("   Not made");
    }
    if !matches!(c.kind, CheckKind::Misc(_) | CheckKind::Bfd(_) | CheckKind::File(_)) {
        let to = c.to(at);
        line(&format!("   Connection port = {}", to.port));
        if to.ip != at.ip {
            line(&format!("   Connection address = {}", to.ip));
        }
        line(&format!("   Connection timeout = {}", Secs(c.timeout)));
        if let Some(ip) = c.bind {
            line(&format!("   Bind address = {ip}"));
        }
        if let Some(port) = c.bind_port {
            line(&format!("   Bind port = {port}"));
        }
        if let Some(name) = &c.bind_if {
            line(&format!("   Bind device = {name}"));
        }
        if let Some(mark) = c.fwmark {
            line(&format!("   Firewall mark = {mark}"));
        }
    }
    line(&format!("   Delay loop = {}, warm-up = {}", Secs(c.delay_loop), Secs(c.warmup)));
    line(&format!("   Nb get retry = {}", c.retry));
    line(&format!("   Delay before retry = {}", Secs(c.delay_before_retry)));
    if c.alpha {
        line("   Alpha: begins down");
    }
    if c.log_all_failures {
        line("   Each failure is logged");
    }
    kind(&c.kind, line);
}

fn kind(kind: &CheckKind, line: &mut dyn FnMut(&str)) {
    match kind {
        CheckKind::Tcp | CheckKind::Ping => {}
        CheckKind::Http(http) => http_get(http, line),
        CheckKind::Smtp { helo } => line(&format!("   HELO name = {helo}")),
        CheckKind::Misc(misc) => {
            line(&format!("   Script = {}", command(&misc.script)));
            line(&format!("   Script timeout = {}", Secs(misc.timeout)));
            if misc.dynamic {
                line("   Its exit status sets the weight");
            }
        }
        CheckKind::Dns(dns) => line(&format!("   Query = {} {}.", dns.kind.name(), dns.name)),
        CheckKind::Udp(udp) => {
            if let Some(payload) = &udp.payload {
                line(&format!("   Payload = {} bytes", payload.len()));
            }
            if let Some(reply) = &udp.reply {
                line(&format!("   Reply = {} to {} bytes, {} looked at", udp.min_reply, udp.max_reply, reply.len()));
            }
        }
        CheckKind::Bfd(name) => line(&format!("   BFD session = {name}")),
        CheckKind::File(file) => {
            let weight = file.weight.map_or(String::new(), |w| format!(", weight = {w}"));
            let reverse = if file.reverse { ", reverse" } else { "" };
            line(&format!("   Tracked file = {}{weight}{reverse}", file.track_file));
        }
    }
}

fn http_get(http: &Http, line: &mut dyn FnMut(&str)) {
    if let Some(name) = &http.virtualhost {
        line(&format!("   VirtualHost = {name}"));
    }
    if http.fast_recovery {
        line("   Fast recovery");
    }
    for u in &http.urls {
        url(u, line);
    }
}

fn url(url: &Url, line: &mut dyn FnMut(&str)) {
    let mut text = format!("   Checked url = {}", url.path);
    if let Some(digest) = url.digest {
        text.push_str(", digest = ");
        for byte in digest {
            text.push_str(&format!("{byte:02x}"));
        }
    }
    for (low, high) in &url.status {
        text.push_str(&if low == high { format!(", status = {low}") } else { format!(", status = {low}-{high}") });
    }
    if let Some(name) = &url.virtualhost {
        text.push_str(&format!(", virtualhost = {name}"));
    }
    if let Some(regex) = &url.regex {
        let not = if regex.no_match { "no " } else { "" };
        text.push_str(&format!(", {not}regex = {:?}", regex.pattern));
    }
    line(&text);
}
