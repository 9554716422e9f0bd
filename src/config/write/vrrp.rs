//! Virtual routers and their groups, and what is static.

use super::{quote, seconds, Writer};
use crate::config::model::{
    AntiReplay, Auth, Config, Create, Deleted, Garp, Group, Hmac, HmacMode, HmacSecret, Instance, Ipvlan, IpvlanMode,
    LinkbeatWay, Nexthop, Notify, Route, RouteMore, Rule, RuleAction, Vip, Vmac,
};
use crate::config::route::{KINDS, METRICS, PREFERENCES};
use std::fmt::{Display, Write};

pub fn write(out: &mut Writer, config: &Config) {
    statics(out, config);
    for i in &config.instances {
        out.block(format_args!("vrrp_instance {}", quote(&i.name)), |out| instance(out, i, config));
    }
    for g in &config.groups {
        out.block(format_args!("vrrp_sync_group {}", quote(&g.name)), |out| group(out, g, config));
    }
}

fn statics(out: &mut Writer, config: &Config) {
    for group in &config.track_groups {
        out.block(format_args!("track_group {}", quote(&group.name)), |out| members(out, &group.members, config));
    }
    let s = &config.statics;
    let of = |group: Option<usize>| group.and_then(|n| config.track_groups.get(n)).map(|g| g.name.as_ref());
    list(out, "static_ipaddress", &s.addresses, |v| vip(v, of(v.track_group)));
    list(out, "static_routes", &s.routes, |r| route(r, of(r.track_group)));
    list(out, "static_rules", &s.rules, |r| rule(r, of(r.track_group)));
    for group in &config.garp_groups {
        out.block("garp_group", |out| {
            for (word, value) in [("garp_interval", group.garp_interval), ("gna_interval", group.gna_interval)] {
                if !value.is_zero() {
                    out.seconds(word, value);
                }
            }
            list(out, "interfaces", &group.interfaces, |name| quote(name.as_str()));
        });
    }
    list(out, "interface_up_down_delays", &config.link_delays, |delay| {
        format!("{} {} {}", quote(delay.interface.as_str()), seconds(delay.down), seconds(delay.up))
    });
    list(out, "linkbeat_interfaces", &config.linkbeat, |linkbeat| {
        let way = match linkbeat.way {
            None => "",
            Some(LinkbeatWay::Mii) => " MII",
            Some(LinkbeatWay::Ethtool) => " ETHTOOL",
            Some(LinkbeatWay::Ioctl) => " IOCTL",
        };
        format!("{}{way}", quote(linkbeat.interface.as_str()))
    });
}

/// A block of lines; none if it would be empty.
fn list<T>(out: &mut Writer, word: &str, items: &[T], line: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    out.block(word, |out| {
        for item in items {
            out.line(line(item));
        }
    });
}

fn members(out: &mut Writer, members: &[usize], config: &Config) {
    let names: Vec<&str> = members.iter().filter_map(|n| config.instances.get(*n)).map(|i| i.name.as_ref()).collect();
    out.block("group", |out| {
        for name in names {
            out.line(quote(name));
        }
    });
}

fn group(out: &mut Writer, g: &Group, config: &Config) {
    members(out, &g.members, config);
    super::track::lists(out, config, &g.track);
    out.flag("sync_group_tracking_weight", g.tracking_weight);
    notify(out, &g.notify);
    out.switch("smtp_alert", g.smtp_alert);
    out.switch("notify_priority_changes", g.notify_priority_changes);
}

fn notify(out: &mut Writer, n: &Notify) {
    out.script("notify_master", &n.master);
    out.script("notify_backup", &n.backup);
    out.script("notify_fault", &n.fault);
    out.script("notify_stop", &n.stop);
    out.script("notify", &n.any);
}

fn instance(out: &mut Writer, i: &Instance, config: &Config) {
    out.value("state", if i.want_master { "MASTER" } else { "BACKUP" });
    if !i.interface.as_str().is_empty() {
        out.value("interface", quote(i.interface.as_str()));
    }
    out.value("virtual_router_id", i.vrid);
    out.value("priority", i.priority);
    out.seconds("advert_int", i.advert_int);
    super::protocol::protocol(out, i);
    link(out, i);
    auth(out, i);
    election(out, i);
    out.option("mcast_src_ip", i.mcast_src_ip);
    out.flag("track_src_ip", i.track_src_ip);
    out.flag("dont_track_primary", i.dont_track_primary);
    super::track::lists(out, config, &i.track);
    garp(out, &i.garp);
    match i.garp_extra_if {
        Some(extra) => {
            out.value(
                "garp_extra_if",
                format_args!("{}{}", if extra.all { "all " } else { "" }, extra.every.as_secs()),
            );
        }
        None => out.value("garp_extra_if", 0),
    }
    notify(out, &i.notify);
    match &*i.notify_deleted {
        Deleted::Fault => {}
        Deleted::Event => out.line("notify_deleted"),
        Deleted::Script(script) => out.script("notify_deleted", &Some(script.clone())),
    }
    out.script("notify_master_rx_lower_pri", &i.notify_lower);
    out.switch("notify_priority_changes", i.notify_priority_changes);
    out.switch("smtp_alert", i.smtp_alert);
    if i.debug != 0 {
        out.value("debug", i.debug);
    }
    out.option("kernel_rx_buf_size", i.kernel_rx_buf_size);
    out.flag("no_virtual_ipaddress", i.vips.is_empty());
    list(out, "virtual_ipaddress", &i.vips, |v| vip(v, None));
    list(out, "virtual_ipaddress_excluded", &i.excluded, |v| vip(v, None));
    let refused = i.refused_routes.iter().map(|line| line.to_string());
    let routes: Vec<String> = i.routes.iter().map(|r| route(r, None)).chain(refused).collect();
    list(out, "virtual_routes", &routes, String::clone);
    list(out, "virtual_rules", &i.rules, |r| rule(r, None));
}

/// Who becomes master, and what it hears.
fn election(out: &mut Writer, i: &Instance) {
    out.flag("nopreempt", i.nopreempt);
    if !i.preempt_delay.is_zero() {
        out.seconds("preempt_delay", i.preempt_delay);
    }
    if out.strict || i.strict {
        out.switch("strict_mode", i.strict);
    }
    // The owner accepts in any case.
    if i.priority != 255 && i.accept == i.strict {
        out.line(if i.accept { "accept" } else { "no_accept" });
    }
    if out.skip_check || i.skip_check_adv_addr {
        out.switch("skip_check_adv_addr", i.skip_check_adv_addr);
    }
    out.switch("lower_prio_no_advert", i.lower_prio_no_advert);
    out.switch("higher_prio_send_advert", i.higher_prio_send_advert);
    out.switch("owner_ignore_adverts", i.owner_ignore_adverts);
    out.value("down_timer_adverts", i.down_timer_adverts);
    match i.timer_expired_backup {
        None => {}
        Some(0) => out.line("timer_expired_backup"),
        Some(n) => out.value("timer_expired_backup", n),
    }
}

fn link(out: &mut Writer, i: &Instance) {
    if let Some(v) = &i.vmac {
        out.line(vmac(v));
    }
    if let Some(v) = &i.ipvlan {
        out.line(ipvlan(v));
    }
    out.flag("vmac_xmit_base", i.vmac_xmit_base);
    out.flag("use_vmac_addr", i.vmac_addr);
    out.option("vrf", i.vrf.as_ref().map(|name| quote(name.as_str())));
    out.flag("promote_secondaries", i.promote_secondaries);
    out.flag("linkbeat_use_polling", i.linkbeat_polling);
}

fn vmac(v: &Vmac) -> String {
    let mut line = Line::new("use_vmac");
    line.word(v.name.as_ref().map(|name| quote(name.as_str())));
    line.word(v.mac);
    line.flag("netlink_notify_msg", v.netlink_notify_msg);
    line.option("group", v.group);
    line.0
}

fn ipvlan(v: &Ipvlan) -> String {
    let mut line = Line::new("use_ipvlan");
    line.word(v.name.as_ref().map(|name| quote(name.as_str())));
    line.word(v.address);
    line.word(Some(match v.mode {
        IpvlanMode::Bridge => "bridge",
        IpvlanMode::Private => "private",
        IpvlanMode::Vepa => "vepa",
    }));
    line.0
}

fn auth(out: &mut Writer, i: &Instance) {
    let (kind, word) = match &i.auth {
        Auth::None => ("", None),
        Auth::Pass(pass) => ("PASS", Some(pass)),
        Auth::Ah(key) => ("AH", Some(key)),
    };
    if let Some(pass) = word {
        let len = pass.iter().rposition(|b| *b != 0).map_or(0, |n| n + 1);
        let text = String::from_utf8_lossy(pass.get(..len).unwrap_or_default());
        out.block("authentication", |out| {
            out.value("auth_type", kind);
            out.secret("auth_pass", &text);
        });
    }
    if i.hmac_lacks_key {
        out.block("auth_hmac", |out| out.value("active_key", 1));
    }
    if let Some(h) = &i.hmac {
        out.block("auth_hmac", |out| hmac(out, h));
    }
}

fn hmac(out: &mut Writer, h: &Hmac) {
    for key in &h.keys {
        let word = format!("key {}", key.id);
        match &key.secret {
            HmacSecret::File(path, _) => out.value(&word, quote(&format!("file:{path}"))),
            // As long as a key has to be.
            HmacSecret::Bytes(_) if !out.secrets => out.value(&word, "*".repeat(32)),
            HmacSecret::Bytes(bytes) => {
                let mut text = String::from("hex:");
                for byte in bytes {
                    // A String takes all.
                    let _ = write!(text, "{byte:02x}");
                }
                out.value(&word, text);
            }
        }
    }
    out.value("active_key", h.active);
    out.value("time_window", h.time_window.as_secs());
    out.value(
        "anti_replay",
        match h.anti_replay {
            AntiReplay::Time => "time",
            AntiReplay::Monotonic => "monotonic",
        },
    );
    out.value(
        "mode",
        match h.mode {
            HmacMode::Enforce => "enforce",
            HmacMode::Permissive => "permissive",
            HmacMode::ReceiveOnly => "receive-only",
        },
    );
}

fn garp(out: &mut Writer, g: &Garp) {
    out.value("garp_master_delay", g.delay.as_secs());
    out.value("garp_master_repeat", g.repeat);
    out.value("garp_master_refresh", g.refresh.unwrap_or_default().as_secs());
    out.value("garp_master_refresh_repeat", g.refresh_repeat);
    out.option("garp_lower_prio_delay", g.lower_delay.map(|d| d.as_secs()));
    out.option("garp_lower_prio_repeat", g.lower_repeat);
}

/// Words with a blank between them.
struct Line(String);

impl Line {
    fn new(first: impl Display) -> Line {
        Line(first.to_string())
    }

    fn word(&mut self, word: Option<impl Display>) {
        if let Some(word) = word {
            if !self.0.is_empty() {
                self.0.push(' ');
            }
            // A String takes all.
            let _ = write!(self.0, "{word}");
        }
    }

    fn option(&mut self, word: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.word(Some(format_args!("{word} {value}")));
        }
    }

    fn flag(&mut self, word: &str, on: bool) {
        self.word(on.then_some(word));
    }
}

fn vip(v: &Vip, group: Option<&str>) -> String {
    let mut line = match v.peer {
        // The length stands behind the peer's address.
        Some(_) => Line::new(v.net.addr),
        None => Line::new(v.net),
    };
    line.option("peer", v.peer);
    line.option("dev", v.dev.as_ref().map(|name| quote(name.as_str())));
    line.option("brd", v.broadcast);
    line.option("scope", (v.scope != 0).then_some(v.scope));
    line.option("label", v.label.as_ref().map(|name| quote(name.as_str())));
    line.flag("home", v.home);
    line.flag("-nodad", v.dad);
    line.flag("mngtmpaddr", v.mngtmpaddr);
    line.flag("noprefixroute", v.noprefixroute);
    line.flag("autojoin", v.autojoin);
    line.flag("no_track", v.no_track);
    if v.preferred_lft != Vip::preferred(v.net) {
        line.option("preferred_lft", Some(v.preferred_lft.map_or("forever".to_string(), |n| n.to_string())));
    }
    line.flag("use_vmac", v.use_vmac);
    line.option("track_group", group.map(quote));
    line.0
}

fn route(r: &Route, group: Option<&str>) -> String {
    let kind = KINDS.iter().find(|(_, n)| *n == r.kind && r.kind != 1).map(|(word, _)| *word);
    let mut line = Line(String::new());
    line.word(kind);
    // Without `to`: keepalived does not take it behind a type.
    line.word(Some(r.dst));
    line.option("via", r.via);
    line.option("dev", r.dev.as_ref().map(|name| quote(name.as_str())));
    line.option("src", r.src);
    line.option("table", Some(r.table));
    line.option("metric", Some(r.metric));
    line.option("scope", Some(r.scope));
    line.flag("onlink", r.onlink);
    match r.create {
        Create::Add => line.flag("add", true),
        // What one without a type is anyway.
        Create::Prepend => line.flag("prepend", r.kind != 1),
        Create::Append => line.flag("append", true),
    }
    if let Some(more) = &r.more {
        route_more(&mut line, more);
    }
    line.flag("no_track", r.no_track);
    line.option("track_group", group.map(quote));
    for leg in &r.nexthops {
        nexthop(&mut line, leg);
    }
    line.0
}

fn route_more(line: &mut Line, m: &RouteMore) {
    line.option("from", m.from);
    line.option("tos", (m.tos != 0).then_some(format_args!("0x{:02x}", m.tos)));
    line.option("protocol", m.protocol);
    line.option("expires", m.expires);
    line.option("realms", m.realms.map(realms));
    let pref = m.pref.and_then(|n| PREFERENCES.iter().find(|(_, number)| *number == n));
    line.option("pref", pref.map(|(word, _)| word));
    line.option("ttl-propagate", m.ttl_propagate.map(|on| if on { "enabled" } else { "disabled" }));
    line.option("vrf", m.vrf.as_ref().map(|name| quote(name.as_str())));
    for metric in &m.metrics {
        let Some((word, ..)) = METRICS.iter().find(|(_, number, _)| *number == metric.number) else { continue };
        match *word {
            "features" => line.flag("features ecn", true),
            // Locked in any case.
            "rto_min" => line.option(word, Some(metric.value)),
            _ if metric.lock => line.option(word, Some(format_args!("lock {}", metric.value))),
            _ => line.option(word, Some(metric.value)),
        }
    }
    if let Some((name, lock)) = &m.congctl {
        line.word(Some(format_args!("congctl {}{}", if *lock { "lock " } else { "" }, quote(name))));
    }
}

fn nexthop(line: &mut Line, leg: &Nexthop) {
    line.flag("nexthop", true);
    line.option("via", leg.via);
    line.option("dev", leg.dev.as_ref().map(|name| quote(name.as_str())));
    line.option("weight", Some(leg.weight));
    line.flag("onlink", leg.onlink);
}

fn realms(n: u32) -> String {
    format!("{}/{}", n >> 16, n & 0xffff)
}

fn rule(r: &Rule, group: Option<&str>) -> String {
    let mut line = Line(String::new());
    if r.from.is_none() && r.to.is_none() {
        line.word(Some(match r.family {
            crate::base::addr::Family::V4 => "inet",
            crate::base::addr::Family::V6 => "inet6",
        }));
    }
    line.flag("not", r.not);
    line.option("from", r.from);
    line.option("to", r.to);
    line.option("iif", r.iif.as_ref().map(|name| quote(name.as_str())));
    line.option("oif", r.oif.as_ref().map(|name| quote(name.as_str())));
    line.option("tos", (r.tos != 0).then_some(format_args!("0x{:02x}", r.tos)));
    line.option("fwmark", r.fwmark.map(|(value, mask)| format!("{value:#x}/{mask:#x}")));
    line.option("realms", r.realms.map(realms));
    line.option("suppress_prefixlength", r.suppress_prefixlength);
    line.option("suppress_ifgroup", r.suppress_ifgroup);
    line.option("tunnel-id", r.tunnel_id);
    line.option("uidrange", r.uidrange.map(|(low, high)| format!("{low}-{high}")));
    line.option("protocol", r.protocol);
    line.option("ipproto", r.ipproto);
    line.option("sport", r.sport.map(|(low, high)| format!("{low}-{high}")));
    line.option("dport", r.dport.map(|(low, high)| format!("{low}-{high}")));
    line.option("preference", Some(r.preference));
    match r.action {
        RuleAction::Table(table) => line.option("table", Some(table)),
        RuleAction::L3mdev => line.flag("l3mdev", true),
        RuleAction::Goto(target) => line.option("goto", Some(target)),
        RuleAction::Nop => line.flag("nop", true),
        RuleAction::Blackhole => line.flag("blackhole", true),
        RuleAction::Unreachable => line.flag("unreachable", true),
        RuleAction::Prohibit => line.flag("prohibit", true),
    }
    line.flag("no_track", r.no_track);
    line.option("track_group", group.map(quote));
    line.0
}
