//! Groups of virtual servers, virtual servers, real servers, checks.

use super::{command, quote, Writer};
use crate::base::addr::{Endpoint, Family};
use crate::config::model::{
    Check, CheckKind, Checksum, Config, Http, HttpProtocol, Member, Misc, Regex, Server, ServerGroup, Service, Sorry,
    Tunnel, Udp, Url,
};
use crate::wire::op::{Forward, ServiceKey};
use std::fmt::Write;

pub fn write(out: &mut Writer, config: &Config) {
    for g in &config.server_groups {
        group(out, g);
    }
    for s in &config.services {
        service(out, s, s.group.and_then(|n| config.server_groups.get(n)));
    }
}

fn place(at: Endpoint) -> String {
    format!("{} {}", at.ip, at.port)
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}

fn group(out: &mut Writer, group: &ServerGroup) {
    out.block(format_args!("virtual_server_group {}", quote(&group.name)), |out| {
        for member in &group.members {
            match *member {
                Member::Range { first, last, port } if first == last => out.line(format_args!("{first} {port}")),
                Member::Range { first, last, port } => out.line(format_args!("{first}-{last} {port}")),
                Member::Mark(mark, None) => out.value("fwmark", mark),
                Member::Mark(mark, Some(of)) => out.line(format_args!("fwmark {mark} {}", family(of))),
            }
        }
    });
}

fn service(out: &mut Writer, s: &Service, group: Option<&ServerGroup>) {
    let header = match (group, s.key) {
        (Some(group), _) => format!("virtual_server group {}", quote(&group.name)),
        (None, ServiceKey::Address(_, at)) => format!("virtual_server {}", place(at)),
        (None, ServiceKey::Mark(_, mark)) => format!("virtual_server fwmark {mark}"),
    };
    out.block(header, |out| {
        match s.key {
            ServiceKey::Address(protocol, _) => out.value("protocol", protocol.name()),
            ServiceKey::Mark(of, _) => out.value("ip_family", family(of)),
        }
        out.value("lb_algo", s.scheduler.name());
        for bit in 0..3 {
            out.flag(&format!("flag-{}", bit + 1), s.scheduler_flags >> bit & 1 != 0);
        }
        out.flag("hashed", s.hashed);
        out.flag("ops", s.one_packet);
        if let Some(first) = s.servers.first() {
            method(out, "lb_kind", first.forward, first.tunnel());
        }
        if s.persistence.is_some() {
            out.option("persistence_timeout", s.persistence);
            out.value("persistence_granularity", s.granularity);
        }
        out.option("persistence_engine", s.engine.as_deref().map(quote));
        out.option("virtualhost", s.virtualhost.as_deref().map(quote));
        out.value("quorum", s.quorum);
        out.value("hysteresis", s.hysteresis);
        out.script("quorum_up", &s.quorum_up);
        out.script("quorum_down", &s.quorum_down);
        out.switch("alpha", s.alpha);
        out.flag("omega", s.omega);
        out.flag("ha_suspend", s.ha_suspend);
        out.switch("smtp_alert", s.smtp_alert);
        if let Some(sorry) = &s.sorry {
            sorry_server(out, sorry);
        }
        for r in &s.servers {
            server(out, r);
        }
    });
}

fn method(out: &mut Writer, word: &str, forward: Forward, tunnel: Option<Tunnel>) {
    let mut line = forward.name().to_string();
    if let Some(tunnel) = tunnel {
        // A String takes all.
        let _ = match tunnel.gue {
            Some(port) => write!(line, " type gue port {port}"),
            None => write!(line, " type gre"),
        };
        line.push_str(match tunnel.checksum {
            Checksum::No => " nocsum",
            Checksum::Yes => " csum",
            Checksum::Remote => " remcsum",
        });
    }
    out.value(word, line);
}

fn sorry_server(out: &mut Writer, sorry: &Sorry) {
    out.value("sorry_server", place(sorry.at));
    method(out, "sorry_server_lvs_method", sorry.forward, sorry.tunnel);
    out.flag("sorry_server_inhibit", sorry.inhibit);
}

fn server(out: &mut Writer, server: &Server) {
    out.block(format_args!("real_server {}", place(server.at)), |out| {
        out.value("weight", server.weight);
        method(out, "lvs_method", server.forward, server.tunnel());
        out.switch("inhibit_on_failure", server.inhibit);
        out.switch("alpha", server.alpha);
        out.switch("smtp_alert", server.smtp_alert);
        out.value("uthreshold", server.upper_threshold());
        out.value("lthreshold", server.lower_threshold());
        if let Some(more) = &server.more {
            out.script("notify_up", &more.notify_up);
            out.script("notify_down", &more.notify_down);
        }
        for c in server.checks.iter() {
            check(out, c);
        }
    });
}

fn check(out: &mut Writer, c: &Check) {
    out.block(c.kind.name(), |out| {
        if let CheckKind::Bfd(name) = &c.kind {
            out.value("name", quote(name));
            out.switch("alpha", c.alpha);
            return;
        }
        if let CheckKind::File(file) = &c.kind {
            out.value("track_file", quote(&file.track_file));
            if let Some(weight) = file.weight {
                out.line(format_args!("weight {weight} {}", if file.reverse { "reverse" } else { "noreverse" }));
            }
            return;
        }
        if !matches!(c.kind, CheckKind::Misc(_)) {
            connect(out, c);
        }
        out.seconds("delay_loop", c.delay_loop);
        out.value("retry", c.retry);
        out.seconds("delay_before_retry", c.delay_before_retry);
        out.seconds("warmup", c.warmup);
        out.switch("alpha", c.alpha);
        out.switch("log_all_failures", c.log_all_failures);
        match &c.kind {
            CheckKind::Http(h) => http(out, h),
            CheckKind::Smtp { helo } => out.value("helo_name", quote(helo)),
            CheckKind::Misc(m) => misc(out, m),
            CheckKind::Dns(dns) => {
                out.value("type", dns.kind.name());
                out.value("name", quote(if dns.name.is_empty() { "." } else { &dns.name }));
            }
            CheckKind::Udp(u) => udp(out, u),
            CheckKind::Tcp | CheckKind::Ping | CheckKind::Bfd(_) | CheckKind::File(_) => {}
        }
    });
}

fn connect(out: &mut Writer, c: &Check) {
    out.option("connect_ip", c.connect_ip);
    out.option("connect_port", c.connect_port);
    out.seconds("connect_timeout", c.timeout);
    out.option("bindto", c.bind);
    out.option("bind_port", c.bind_port);
    out.option("bind_if", c.bind_if.as_ref().map(|name| quote(name.as_str())));
    out.option("fwmark", c.fwmark);
}

fn http(out: &mut Writer, http: &Http) {
    out.option("virtualhost", http.virtualhost.as_deref().map(quote));
    let protocol = match http.protocol {
        HttpProtocol::V1_0 => "1.0",
        HttpProtocol::V1_0Close => "1.0C",
        HttpProtocol::V1_1 => "1.1",
    };
    out.value("http_protocol", protocol);
    if let Some(name) = &http.sni {
        out.switch("enable_sni", true);
        out.value("sni_name", quote(name));
    }
    out.switch("fast_recovery", http.fast_recovery);
    for u in &http.urls {
        out.block("url", |out| url(out, u, http.tls));
    }
}

fn url(out: &mut Writer, url: &Url, tls: bool) {
    out.value("path", quote(&url.path));
    out.option("digest", url.digest.map(|d| format!("{:032x}", u128::from_be_bytes(d))));
    if !url.status.is_empty() {
        let ranges: Vec<_> = url.status.iter().map(|(low, high)| format!("{low}-{high}")).collect();
        out.value("status_code", ranges.join(" "));
    }
    out.option("virtualhost", url.virtualhost.as_deref().map(quote));
    if tls {
        out.switch("tls_compliant", url.tls_compliant);
    }
    if let Some(r) = &url.regex {
        regex(out, r);
    }
}

fn regex(out: &mut Writer, regex: &Regex) {
    out.value("regex", quote(&regex.pattern));
    out.flag("regex_no_match", regex.no_match);
    if !regex.options.is_empty() {
        out.value("regex_options", regex.options.join(" "));
    }
    out.value("regex_min_offset", regex.min_offset);
    out.option("regex_max_offset", regex.max_offset);
    out.option("regex_stack", regex.stack.map(|(start, most)| format!("{start} {most}")));
}

fn misc(out: &mut Writer, misc: &Misc) {
    // Always in quotes: a command of one bare word may hold what a word alone may not.
    out.value("misc_path", quote(&command(&misc.script.words)));
    out.value("misc_timeout", misc.timeout.as_secs());
    out.flag("misc_dynamic", misc.dynamic);
    if let Some(user) = &misc.script.user {
        let group = misc.script.group.as_deref().map(|g| format!(" {}", quote(g))).unwrap_or_default();
        out.line(format_args!("user {}{group}", quote(user)));
    }
}

fn udp(out: &mut Writer, udp: &Udp) {
    if let Some(payload) = &udp.payload {
        out.value("payload", digits(payload.iter().map(|byte| (*byte, 0xff))));
    }
    if let Some(reply) = &udp.reply {
        out.value("require_reply", digits(reply.iter().copied()));
    }
    out.value("min_reply_length", udp.min_reply);
    out.value("max_reply_length", udp.max_reply);
}

/// Two digits for each byte; x for four bits that do not count.
fn digits(bytes: impl Iterator<Item = (u8, u8)>) -> String {
    let mut text = String::new();
    for (value, mask) in bytes {
        for (value, mask) in [(value >> 4, mask >> 4), (value & 0xf, mask & 0xf)] {
            text.push(if mask == 0 { 'x' } else { char::from_digit(value.into(), 16).unwrap_or('0') });
        }
    }
    text
}
