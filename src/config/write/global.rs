//! global_defs, the single lines of top level and SSL.

use super::{quote, Writer};
use crate::config::model::{
    Config, Dynamic, Fifo, FlushOnStop, Garp, Global, IpvsNamespace, Process, ReceiveBuffer, ReloadFile, Ssl,
    SyncDaemon, VrrpGlobal,
};
use std::time::Duration;

pub fn write(out: &mut Writer, config: &Config) {
    let g = &config.global;
    top(out, g);
    out.block("global_defs", |out| {
        mail(out, g);
        scripts(out, g);
        match g.dynamic_interfaces {
            Some(Dynamic::Absent) => out.line("dynamic_interfaces"),
            Some(Dynamic::MayChange) => out.line("dynamic_interfaces allow_if_changes"),
            None => {}
        }
        out.value("default_interface", quote(g.default_interface.as_str()));
        vrrp(out, g);
        lvs(out, config);
        nftables(out, g);
        for (name, p) in [("vrrp", &g.process.vrrp), ("checker", &g.process.checker)] {
            process(out, name, p);
        }
        out.value("max_auto_priority", g.process.max_auto);
        out.value("min_auto_priority_delay", g.process.auto_delay.as_micros());
        files(out, g);
    });
    if let Some(s) = &g.ssl {
        out.block("SSL", |out| ssl(out, s));
    }
}

fn text(out: &mut Writer, word: &str, value: &Option<Box<str>>) {
    out.option(word, value.as_ref().map(|v| quote(v)));
}

fn top(out: &mut Writer, g: &Global) {
    text(out, "instance", &g.instance);
    text(out, "net_namespace", &g.namespace.name);
    match &g.namespace.ipvs {
        IpvsNamespace::Same => {}
        IpvsNamespace::Started => out.line("net_namespace_ipvs"),
        IpvsNamespace::Named(name) => out.value("net_namespace_ipvs", quote(name)),
    }
    out.flag("use_pid_dir", g.files.pid_dir);
    out.flag("linkbeat_use_polling", g.linkbeat_polling);
}

fn mail(out: &mut Writer, g: &Global) {
    if !g.router_id.is_empty() {
        out.value("router_id", quote(&g.router_id));
    }
    if !g.notification_email.is_empty() {
        out.block("notification_email", |out| {
            for to in &g.notification_email {
                out.line(quote(to));
            }
        });
    }
    text(out, "notification_email_from", &g.notification_email_from);
    if let Some((server, port)) = &g.smtp_server {
        out.value("smtp_server", format_args!("{} {port}", quote(server)));
    }
    out.seconds("smtp_connect_timeout", g.smtp_connect_timeout);
    text(out, "smtp_helo_name", &g.mail.helo);
    for (word, value) in [
        ("smtp_alert", g.mail.alert),
        ("smtp_alert_vrrp", g.mail.alert_vrrp),
        ("smtp_alert_checker", g.mail.alert_checker),
    ] {
        if let Some(on) = value {
            out.switch(word, on);
        }
    }
    out.flag("no_email_faults", g.mail.no_faults);
    out.switch("no_checker_emails", g.mail.no_checkers);
}

fn scripts(out: &mut Writer, g: &Global) {
    out.flag("enable_script_security", g.scripts.security);
    if let Some((user, group)) = &g.scripts.user {
        let group = group.as_ref().map(|g| format!(" {}", quote(g))).unwrap_or_default();
        out.value("script_user", format_args!("{}{group}", quote(user)));
    }
    out.switch("use_symlink_paths", g.scripts.use_symlink_paths);
    out.switch("set_supplementary_groups", g.scripts.supplementary_groups);
    let fifos = &g.fifos;
    fifo(out, "notify_fifo", &fifos.all);
    fifo(out, "vrrp_notify_fifo", &fifos.vrrp);
    fifo(out, "lvs_notify_fifo", &fifos.lvs);
    out.flag("fifo_write_vrrp_states_on_reload", fifos.states_on_reload);
    out.script("startup_script", &g.startup.script);
    out.seconds("startup_script_timeout", g.startup.timeout);
    out.script("shutdown_script", &g.shutdown.script);
    out.seconds("shutdown_script_timeout", g.shutdown.timeout);
}

fn fifo(out: &mut Writer, word: &str, f: &Fifo) {
    if let Some(path) = &f.path {
        let mut line = quote(path);
        for name in [&f.user, &f.group].into_iter().flatten() {
            line.push(' ');
            line.push_str(&quote(name));
        }
        out.value(word, line);
    }
    out.script(&format!("{word}_script"), &f.script);
}

fn vrrp(out: &mut Writer, g: &Global) {
    let v = &g.vrrp;
    out.value("vrrp_mcast_group4", g.mcast_group4);
    out.value("vrrp_mcast_group6", g.mcast_group6);
    garp(out, &g.garp);
    // Zero is what holds without the line, and is not taken on it.
    later(out, "vrrp_garp_interval", v.garp_interval);
    later(out, "vrrp_gna_interval", v.gna_interval);
    out.switch("vrrp_min_garp", v.min_garp);
    if let Some(extra) = v.garp_extra_if {
        let all = if extra.all { "all " } else { "" };
        out.value("vrrp_garp_extra_if", format_args!("{all}{}", extra.every.as_secs()));
    }
    out.switch("vrrp_lower_prio_no_advert", v.lower_prio_no_advert);
    out.switch("vrrp_higher_prio_send_advert", v.higher_prio_send_advert);
    out.value("vrrp_down_timer_adverts", v.down_timer_adverts);
    if let Some(on) = v.owner_ignore_adverts {
        out.switch("vrrp_owner_ignore_adverts", on);
    }
    out.switch("vrrp_notify_priority_changes", v.notify_priority_changes);
    // keepalived takes these two as on, even with `off` behind them.
    out.flag("vrrp_skip_check_adv_addr", v.skip_check_adv_addr);
    out.flag("vrrp_strict", v.strict);
    later(out, "vrrp_startup_delay", v.startup_delay);
    later(out, "vrrp_delay_after_boot", v.delay_after_boot);
    out.flag("log_unknown_vrids", v.log_unknown_vrids);
    out.flag("disable_local_igmp", v.disable_local_igmp);
    out.value("vmac_prefix", quote(&v.vmac_prefix));
    text(out, "vmac_addr_prefix", &v.vmac_addr_prefix);
    receive(out, v);
}

fn later(out: &mut Writer, word: &str, value: Duration) {
    if !value.is_zero() {
        out.seconds(word, value);
    }
}

fn garp(out: &mut Writer, g: &Garp) {
    out.seconds("vrrp_garp_master_delay", g.delay);
    out.value("vrrp_garp_master_repeat", g.repeat);
    out.seconds("vrrp_garp_master_refresh", g.refresh.unwrap_or_default());
    out.value("vrrp_garp_master_refresh_repeat", g.refresh_repeat);
    if let Some(delay) = g.lower_delay {
        out.seconds("vrrp_garp_lower_prio_delay", delay);
    }
    out.option("vrrp_garp_lower_prio_repeat", g.lower_repeat);
}

fn receive(out: &mut Writer, v: &VrrpGlobal) {
    match v.receive {
        ReceiveBuffer::Kernel => {}
        ReceiveBuffer::Mtu => out.line("vrrp_rx_bufs_policy MTU"),
        ReceiveBuffer::Advert => out.line("vrrp_rx_bufs_policy ADVERT"),
        ReceiveBuffer::Bytes(n) => out.value("vrrp_rx_bufs_policy", n),
    }
    out.value("vrrp_rx_bufs_multiplier", v.receive_times);
}

fn lvs(out: &mut Writer, config: &Config) {
    let l = &config.global.lvs;
    if let Some(sync) = &config.sync_daemon {
        sync_daemon(out, config, sync);
    }
    let t = l.timeouts;
    let times: String = [("tcp", t.tcp), ("tcpfin", t.tcpfin), ("udp", t.udp)]
        .into_iter()
        .filter_map(|(word, time)| time.map(|n| format!(" {word} {n}")))
        .collect();
    if !times.is_empty() {
        out.line(format_args!("lvs_timeouts{times}"));
    }
    out.flag("lvs_flush", l.flush);
    match l.flush_on_stop {
        FlushOnStop::No => {}
        FlushOnStop::All => out.line("lvs_flush_on_stop"),
        FlushOnStop::Services => out.line("lvs_flush_on_stop VS"),
    }
    out.switch("rs_init_notifies", l.init_notifies);
    out.switch("checker_log_all_failures", l.log_all_failures);
}

fn sync_daemon(out: &mut Writer, config: &Config, sync: &SyncDaemon) {
    let mut line = quote(sync.interface.as_str());
    if let Some(instance) = sync.instance.and_then(|n| config.instances.get(n)) {
        line.push_str(&format!(" inst {}", quote(&instance.name)));
    }
    line.push_str(&format!(" id {}", sync.id));
    let o = &sync.options;
    let numbers = [("maxlen", o.maxlen), ("port", o.port), ("ttl", o.ttl.map(u16::from))];
    for (word, value) in numbers {
        if let Some(n) = value {
            line.push_str(&format!(" {word} {n}"));
        }
    }
    if let Some(group) = o.group {
        line.push_str(&format!(" group {group}"));
    }
    out.value("lvs_sync_daemon", line);
}

fn nftables(out: &mut Writer, g: &Global) {
    let n = &g.nftables;
    // To name the table asks for it.
    if *n == Default::default() {
        return;
    }
    out.value("nftables", quote(&n.table));
    out.value("nftables_priority", n.priority);
    out.flag("nftables_ifindex", n.ifindex);
    out.flag("nftables_counters", n.counters);
    out.value("nftables_ipvs", quote(&n.ipvs_table));
    out.value("nftables_ipvs_priority", n.ipvs_priority);
    out.value("nftables_ipvs_start_fwmark", n.ipvs_first_mark);
}

fn process(out: &mut Writer, name: &str, p: &Process) {
    out.value(&format!("{name}_priority"), p.nice);
    out.flag(&format!("{name}_no_swap"), p.no_swap);
    out.option(&format!("{name}_rt_priority"), p.real_time);
    if !p.cpus.is_empty() {
        let cpus: Vec<String> = p.cpus.iter().map(u16::to_string).collect();
        out.value(&format!("{name}_cpu_affinity"), cpus.join(" "));
    }
    out.value(&format!("{name}_rlimit_rttime"), p.rttime.as_micros());
}

fn files(out: &mut Writer, g: &Global) {
    let (f, r) = (&g.files, &g.reload);
    out.value("umask", format_args!("{:#04o}", f.umask).to_string().replace("0o", "0"));
    out.option("random_seed", g.random_seed);
    if r.check {
        let log = r.check_log.as_ref().map(|l| format!(" {}", quote(l))).unwrap_or_default();
        out.line(format_args!("reload_check_config{log}"));
    }
    text(out, "reload_time_file", &r.time_file);
    out.flag("reload_repeat", r.repeat);
    match &r.file {
        None => {}
        Some(ReloadFile::Usual) => out.line("reload_file"),
        Some(ReloadFile::At(path)) => out.value("reload_file", quote(path)),
    }
    let c = &g.include_check;
    let checks: Vec<&str> =
        [("read", c.read), ("match", c.matched), ("wildcard_match", c.wildcard), ("brace_match", c.brace)]
            .into_iter()
            .filter_map(|(word, on)| on.then_some(word))
            .collect();
    if !checks.is_empty() {
        out.value("include_check", checks.join(" "));
    }
    text(out, "config_save_dir", &f.config_save_dir);
    out.switch("data_use_instance", f.data_use_instance);
    out.value("json_version", f.json_version);
    out.value("iproute_usr_dir", quote(&f.iproute_usr));
    out.value("iproute_etc_dir", quote(&f.iproute_etc));
    text(out, "state_dump_file", &f.state_dump);
}

fn ssl(out: &mut Writer, s: &Ssl) {
    if let Some(password) = &s.password {
        out.secret("password", password);
    }
    text(out, "ca", &s.ca);
    text(out, "certificate", &s.certificate);
    text(out, "key", &s.key);
}
