//! What a node can tell of itself: the JSON dump, in keepalived's form, field for field. Pure: the caller has the clock
//! and the file.
//!
//! Times of transitions are given as time of day: `epoch` is the microseconds of 1970 at the node's instant 0.

use super::describe;
use super::vrrp::instance::{Counters, Instance, State};
use super::vrrp::packet;
use super::vrrp::vlink;
use super::Node;
use crate::base::time::Instant;
use crate::config::model::{self, Auth, Deleted, ParamMatch, Script, Tracks, Vip};
use crate::wire::op::{AddressKey, Key};
use crate::wire::vrrp::Bad;
use std::fmt::{Display, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Version 1 is an array of the instances; version 2 has them beside the tracked processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    V1,
    V2,
}

/// The whole file, its line end included.
pub fn json(node: &Node, layout: Layout, epoch: u64) -> String {
    let mut out = Json::default();
    match layout {
        Layout::V1 => out.array(|out| instances(out, node, layout, epoch)),
        Layout::V2 => out.object(|out| {
            out.key("vrrp");
            out.array(|out| instances(out, node, layout, epoch));
            out.key("track_process");
            out.array(|out| processes(out, node));
        }),
    }
    out.text.push('\n');
    out.text
}

/// The instances for people, in the words of keepalived's data dump, as far as programs look for them there.
pub fn data(node: &Node, epoch: u64) -> String {
    let mut text = String::from("------< VRRP Topology >------\n");
    for (n, conf) in node.vrrp.instances.iter().zip(&node.config.instances) {
        topology(&mut text, node, n, conf, epoch);
    }
    text
}

fn topology(text: &mut String, node: &Node, n: &Instance, conf: &model::Instance, epoch: u64) {
    // A String takes all.
    let _ = writeln!(text, " VRRP Instance = {}", conf.name);
    let mut line = |word: &str, value: &dyn Display| {
        let _ = writeln!(text, "   {word} = {value}");
    };
    let able = |on: bool| if on { "enabled" } else { "disabled" };
    line("VRRP Version", &conf.wire.version);
    if let Some(group) = conf.group.and_then(|g| node.config.groups.get(g)) {
        line("Sync group", &group.name);
    }
    line("State", &n.state.name());
    if let Some(fault) = &n.fault {
        line("Fault", fault);
    }
    line("Wantstate", &wanted(n, conf).name());
    line("Last transition", &time_of_day(epoch, n.changed));
    if let Some(heard) = &n.heard {
        line("Master router", &heard.from);
        line("Master priority", &heard.priority);
    }
    line("Interface", &conf.interface);
    if let Some(source) = n.source {
        line("Using src_ip", &source);
    }
    line("Gratuitous ARP delay", &conf.garp.delay.as_secs());
    line("Gratuitous ARP repeat", &conf.garp.repeat);
    line("Gratuitous ARP refresh", &conf.garp.refresh.unwrap_or_default().as_secs());
    line("Gratuitous ARP refresh repeat", &conf.garp.refresh_repeat);
    line("Gratuitous ARP lower priority delay", &conf.garp.lower_delay.unwrap_or(conf.garp.delay).as_secs());
    line("Gratuitous ARP lower priority repeat", &conf.garp.lower_repeat.unwrap_or(conf.garp.repeat));
    line("Down timer adverts", &conf.down_timer_adverts);
    line("Send advert after receive lower priority advert", &!conf.lower_prio_no_advert);
    line("Send advert after receive higher priority advert", &conf.higher_prio_send_advert);
    line("Virtual Router ID", &conf.vrid);
    line("Priority", &conf.priority);
    line("Effective priority", &n.priority);
    line("Advert interval", &format_args!("{} sec", seconds(conf.advert_int)));
    line("Accept", &able(conf.accept));
    line("Preempt", &able(!conf.nopreempt));
    line("Promote_secondaries", &able(conf.promote_secondaries));
    let auth = match conf.auth {
        Auth::None => "none",
        Auth::Pass(_) => "SIMPLE_PASSWORD",
        Auth::Ah(_) => "IPSEC_AH",
    };
    line("Authentication type", &auth);
    if let Some(hmac) = &conf.hmac {
        line("Authentication extension", &hmac.describe());
    }
    let addresses = |vips: &[Vip]| vips.iter().map(|vip| address(node, n, conf, vip)).collect::<Vec<_>>();
    section(text, &format!("Virtual IP ({})", conf.vips.len()), addresses(&conf.vips));
    section(text, "Virtual IP Excluded ", addresses(&conf.excluded));
    section(text, "Virtual Routes ", conf.routes.iter().map(describe::route).collect());
    section(text, "Virtual Rules ", conf.rules.iter().map(describe::rule).collect());
    tracks(text, node, &conf.track);
    let _ = writeln!(text, "   Using smtp notification = {}", if conf.smtp_alert { "yes" } else { "no" });
    let notify = &conf.notify;
    let kinds = [
        ("Backup", &notify.backup),
        ("Master", &notify.master),
        ("Fault", &notify.fault),
        ("Stop", &notify.stop),
        ("Generic", &notify.any),
    ];
    for (kind, script) in kinds.into_iter().filter_map(|(kind, script)| Some((kind, script.as_ref()?))) {
        let _ = writeln!(text, "   {kind} state transition script = {}", command(script));
    }
}

fn tracks(text: &mut String, node: &Node, tracks: &Tracks) {
    let weight = |weight: i32, reverse: bool| format!("weight {weight}{}", if reverse { " reverse" } else { "" });
    let interfaces = tracks.interfaces.iter().map(|t| format!("{} {}", t.name, weight(t.weight, t.reverse)));
    section(text, "Tracked interfaces ", interfaces.collect());
    let config = &node.config;
    let scripts = tracks.scripts.iter().filter_map(|t| Some((config.scripts.get(t.target)?.name.as_ref(), t)));
    let files = tracks.files.iter().filter_map(|t| Some((config.files.get(t.target)?.name.as_ref(), t)));
    let processes = tracks.processes.iter().filter_map(|t| Some((config.processes.get(t.target)?.name.as_ref(), t)));
    let told = |(name, t): (&str, &model::Track)| format!("{name} {}", weight(t.weight, t.reverse));
    section(text, "Tracked scripts", scripts.map(told).collect());
    section(text, "Tracked files", files.map(told).collect());
    section(text, "Tracked processes", processes.map(told).collect());
}

/// Left out when it is empty.
fn section(text: &mut String, title: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        let _ = writeln!(text, "   {title}:");
    }
    for line in lines {
        let _ = writeln!(text, "     {line}");
    }
}

fn time_of_day(epoch: u64, at: Instant) -> String {
    let at = epoch.saturating_add(at.0);
    format!("{}.{:06}", at / 1_000_000, at % 1_000_000)
}

/// Counters, one block for each instance.
pub fn stats(node: &Node) -> String {
    let mut text = String::new();
    for (n, conf) in node.vrrp.instances.iter().zip(&node.config.instances) {
        let c = Count::of(&n.counters);
        let [missing, malformed, unknown, invalid, stale, replay] = c.extension;
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  Released master: \
             {}\n  Packet Errors:\n    Length: {}\n    TTL: {}\n    Invalid Type: {}\n    Advertisement Interval: {}\n    \
             Address List: {}\n  Authentication Errors:\n    Invalid Type: {}\n    Type Mismatch: {}\n    Failure: {}\n  \
             Authentication Extension Errors:\n    Missing: {}\n    Malformed: {}\n    Unknown Key: {}\n    Invalid \
             HMAC: {}\n    Stale: {}\n    Replay: {}\n  Priority Zero:\n    Received: {}\n    Sent: {}\n",
            conf.name,
            n.counters.advert_rcvd,
            n.counters.advert_sent,
            n.counters.become_master,
            n.counters.release_master,
            c.length,
            c.ttl,
            c.kind,
            c.interval,
            n.counters.address_list,
            n.counters.auth_unknown,
            c.auth_mismatch,
            c.auth_failure,
            missing,
            malformed,
            unknown,
            invalid,
            stale,
            replay,
            n.counters.zero_rcvd,
            n.counters.zero_sent,
        );
        others(&mut text, &n.counters);
    }
    let malformed = node.vrrp.garbage.iter().fold(0, |sum: u32, n| sum.wrapping_add(*n));
    let _ = write!(text, "Other Routers: {}\nNo IP Packet: {malformed}\n", node.vrrp.foreign);
    text
}

/// The drops that keepalived does not count, those that there were.
fn others(text: &mut String, c: &Counters) {
    let kinds = [
        ("Version", Bad::Version { ours: 0, theirs: 0 }),
        ("Checksum", Bad::Checksum(0, None)),
        ("Source address", Bad::Source(Ipv4Addr::UNSPECIFIED.into())),
        ("AH number used before", Bad::Sequence(0)),
        ("No unicast peer", Bad::Stranger),
        ("TTL of a peer", Bad::PeerTtl(0)),
        ("No address named", Bad::Empty),
        ("Own address and priority", Bad::Own),
        ("Owner ignores adverts", Bad::ToOwner),
    ];
    let seen = |(word, bad): (&'static str, Bad)| Some((word, c.dropped.get(bad.index()).filter(|n| **n > 0)?));
    for (i, (word, count)) in kinds.into_iter().filter_map(seen).enumerate() {
        // A String takes all.
        let title = if i == 0 { "  Other Packet Errors:\n" } else { "" };
        let _ = writeln!(text, "{title}    {word}: {count}");
    }
}

/// The drops as keepalived sorts them.
struct Count {
    length: u32,
    interval: u32,
    ttl: u32,
    kind: u32,
    auth_mismatch: u32,
    auth_failure: u32,
    /// auth_hmac: missing, malformed, unknown key, invalid, stale, replay.
    extension: [u32; 6],
}

impl Count {
    fn of(c: &Counters) -> Count {
        let dropped = |bad: Bad| c.dropped.get(bad.index()).copied().unwrap_or(0);
        let lengths = [Bad::Ip, Bad::Short(0), Bad::Length { want: 0, got: 0 }];
        Count {
            length: lengths.into_iter().map(dropped).fold(0, u32::wrapping_add),
            interval: dropped(Bad::Interval(Duration::ZERO)),
            ttl: dropped(Bad::Ttl(0)),
            kind: dropped(Bad::Type(0)),
            auth_mismatch: dropped(Bad::AuthType(0)).wrapping_sub(c.auth_unknown),
            auth_failure: dropped(Bad::AuthFailure),
            extension: [Bad::Unsigned, Bad::Trailer, Bad::UnknownKey(0), Bad::Forged, Bad::Stale(0), Bad::Replayed]
                .map(dropped),
        }
    }
}

fn instances(out: &mut Json, node: &Node, layout: Layout, epoch: u64) {
    for (n, conf) in node.vrrp.instances.iter().zip(&node.config.instances) {
        out.object(|out| {
            out.key("data");
            out.object(|out| instance(out, node, n, conf, layout, epoch));
            out.key("stats");
            out.object(|out| counters(out, &n.counters));
        });
    }
}

fn instance(out: &mut Json, node: &Node, n: &Instance, conf: &model::Instance, layout: Layout, epoch: u64) {
    out.text("iname", &conf.name);
    out.flag("dont_track_primary", conf.dont_track_primary);
    out.flag("skip_check_adv_addr", conf.skip_check_adv_addr);
    out.flag("strict_mode", conf.strict);
    let link = describe::virtual_link(n, conf);
    out.text("vmac_ifname", link.map_or("", |l| l.as_str()));
    out.text("ifp_ifname", link.unwrap_or(&conf.interface).as_str());
    out.value("master_priority", n.heard.map_or(0, |h| h.priority));
    out.value("last_transition", time_of_day(epoch, n.changed));
    let garp = &conf.garp;
    out.value("garp_delay", garp.delay.as_secs());
    out.value("garp_refresh", garp.refresh.unwrap_or_default().as_secs());
    out.value("garp_rep", garp.repeat);
    out.value("garp_refresh_rep", garp.refresh_repeat);
    out.value("garp_lower_prio_delay", garp.lower_delay.unwrap_or(garp.delay).as_secs());
    out.value("garp_lower_prio_rep", garp.lower_repeat.unwrap_or(garp.repeat));
    out.flag("lower_prio_no_advert", conf.lower_prio_no_advert);
    out.flag("higher_prio_send_advert", conf.higher_prio_send_advert);
    out.value("vrid", conf.vrid);
    out.value("base_priority", conf.priority);
    out.value("effective_priority", n.priority);
    out.value("vipset", n.state == State::Master);
    out.value("promote_secondaries", conf.promote_secondaries);
    out.value("adver_int", seconds(conf.advert_int));
    out.value("master_adver_int", seconds(packet::interval(conf, n.learned)));
    out.flag("accept", conf.accept);
    out.value("nopreempt", conf.nopreempt);
    out.value("preempt_delay", conf.preempt_delay.as_secs());
    out.value("state", number(n.state));
    out.value("wantstate", number(wanted(n, conf)));
    out.value("version", conf.wire.version);
    out.value("smtp_alert", conf.smtp_alert);
    out.value("notify_deleted", *conf.notify_deleted != Deleted::Fault);
    let notify = &conf.notify;
    out.script("script_backup", &notify.backup);
    out.script("script_master", &notify.master);
    out.script("script_fault", &notify.fault);
    out.script("script_stop", &notify.stop);
    if let Deleted::Script(script) = &*conf.notify_deleted {
        out.text("script_deleted", &command(script));
    }
    out.script("script", &notify.any);
    out.script("script_master_rx_lower_pri", &conf.notify_lower);
    let addresses = |vips: &[Vip]| vips.iter().map(|vip| address(node, n, conf, vip)).collect::<Vec<_>>();
    out.list("vips", &addresses(&conf.vips));
    out.list("evips", &addresses(&conf.excluded));
    out.list("vroutes", &conf.routes.iter().map(describe::route).collect::<Vec<_>>());
    out.list("vrules", &conf.rules.iter().map(describe::rule).collect::<Vec<_>>());
    // Its own interface is watched anyway.
    let tracked = conf.track.interfaces.iter().filter(|t| t.name != conf.interface);
    out.list("track_ifp", &tracked.map(|t| t.name.to_string()).collect::<Vec<_>>());
    // What a group tracks is not told of its members.
    let scripts = conf.track.scripts.iter().filter_map(|t| node.config.scripts.get(t.target));
    out.list("track_script", &scripts.map(|s| command(&s.script)).collect::<Vec<_>>());
    if layout == Layout::V2 {
        let processes = conf.track.processes.iter().filter_map(|t| node.config.processes.get(t.target));
        out.list("track_process", &processes.map(|p| p.name.to_string()).collect::<Vec<_>>());
    }
    match &conf.auth {
        Auth::None => out.value("auth_type", 0),
        auth => {
            out.value("auth_type", if matches!(auth, Auth::Ah(_)) { 2 } else { 1 });
            out.text("auth_data", "********");
        }
    }
}

fn processes(out: &mut Json, node: &Node) {
    for (i, conf) in node.config.processes.iter().enumerate() {
        let seen = node.track.seen(i);
        out.object(|out| {
            out.text("process", &conf.program);
            if !conf.params.is_empty() {
                out.text("parameters", &conf.params.join(" "));
            }
            out.text(
                "param_match",
                match conf.param_match {
                    None => "none",
                    Some(ParamMatch::Exact) => "exact",
                    Some(ParamMatch::Partial) => "partial",
                    Some(ParamMatch::Initial) => "initial",
                },
            );
            out.value("min_processes", conf.quorum);
            out.value("max_processes", conf.quorum_max.unwrap_or(u32::MAX));
            out.value("current_processes", seen.count);
            out.value("have_quorum", seen.good);
            out.value("weight", if conf.reverse { -conf.weight } else { conf.weight });
            out.value("terminate_delay", seconds(conf.terminate_delay));
            out.value("fork_delay", seconds(conf.fork_delay));
            out.value("fork_delay_timer_running", seen.waits && !seen.good);
            out.value("terminate_delay_timer_running", seen.waits && seen.good);
            out.value("full_command", conf.full_command);
        });
    }
}

fn counters(out: &mut Json, counters: &Counters) {
    let c = Count::of(counters);
    out.value("advert_rcvd", counters.advert_rcvd);
    out.value("advert_sent", counters.advert_sent);
    out.value("become_master", counters.become_master);
    out.value("release_master", counters.release_master);
    out.value("packet_len_err", c.length);
    out.value("advert_interval_err", c.interval);
    out.value("ip_ttl_err", c.ttl);
    out.value("invalid_type_rcvd", c.kind);
    out.value("addr_list_err", counters.address_list);
    out.value("invalid_authtype", counters.auth_unknown);
    out.value("authtype_mismatch", c.auth_mismatch);
    out.value("auth_failure", c.auth_failure);
    let words = ["missing", "malformed", "unknown_key", "invalid_hmac", "stale", "replay"];
    for (word, count) in words.into_iter().zip(c.extension) {
        out.value(&format!("auth_ext_{word}"), count);
    }
    out.value("pri_zero_rcvd", counters.zero_rcvd);
    out.value("pri_zero_sent", counters.zero_sent);
}

/// keepalived's numbers.
fn number(state: State) -> u8 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
    }
}

/// What the instance would be if it were alone.
fn wanted(n: &Instance, conf: &model::Instance) -> State {
    let untried = n.heard.is_none() && n.counters.become_master == 0;
    match n.state {
        State::Backup if n.wants_master || (conf.want_master && untried) => State::Master,
        state => state,
    }
}

fn address(node: &Node, n: &Instance, conf: &model::Instance, vip: &Vip) -> String {
    let ifindex = vlink::ifindex_of(n, conf, vip, &node.links);
    let key = ifindex.map(|ifindex| Key::Address(AddressKey { ifindex, net: vip.net }));
    let set = key.is_some_and(|key| node.table.knows(&key) && !node.table.is_parked(&key));
    describe::address(n, conf, vip, set)
}

/// Seconds as JSON has them: no decimals that are zero.
fn seconds(value: Duration) -> String {
    let text = format!("{}.{:06}", value.as_secs(), value.subsec_micros());
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A command as keepalived tells it: each word in single quotes.
fn command(script: &Script) -> String {
    script.words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

/// A writer of JSON without blanks, `/` escaped.
#[derive(Default)]
struct Json {
    text: String,
}

impl Json {
    fn object(&mut self, inside: impl FnOnce(&mut Json)) {
        self.separate();
        self.text.push('{');
        inside(self);
        self.text.push('}');
    }

    fn array(&mut self, inside: impl FnOnce(&mut Json)) {
        self.separate();
        self.text.push('[');
        inside(self);
        self.text.push(']');
    }

    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    fn key(&mut self, key: &str) {
        self.separate();
        self.string(key);
        self.text.push(':');
    }

    fn value(&mut self, key: &str, value: impl Display) {
        self.key(key);
        let _ = write!(self.text, "{value}");
    }

    /// The older flags are numbers.
    fn flag(&mut self, key: &str, on: bool) {
        self.value(key, u8::from(on));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    /// Left out when there is none.
    fn script(&mut self, key: &str, script: &Option<Script>) {
        if let Some(script) = script {
            self.text(key, &command(script));
        }
    }

    /// Left out when it is empty.
    fn list(&mut self, key: &str, all: &[String]) {
        if all.is_empty() {
            return;
        }
        self.key(key);
        self.array(|out| {
            for text in all {
                out.separate();
                out.string(text);
            }
        });
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' | '/' => {
                    self.text.push('\\');
                    self.text.push(c);
                }
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                c if c < ' ' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(c));
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }
}
