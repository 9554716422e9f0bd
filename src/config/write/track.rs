//! What can be tracked, and the lines that track it.

use super::{command, quote, Writer};
use crate::config::model::{Bfd, Config, ParamMatch, Track, TrackFile, TrackProcess, Tracks, VrrpScript};

pub fn write(out: &mut Writer, config: &Config) {
    for script in &config.scripts {
        out.block(format_args!("vrrp_script {}", quote(&script.name)), |out| self::script(out, script));
    }
    for file in &config.files {
        out.block(format_args!("track_file {}", quote(&file.name)), |out| self::file(out, file));
    }
    for process in &config.processes {
        out.block(format_args!("vrrp_track_process {}", quote(&process.name)), |out| self::process(out, process));
    }
    for bfd in &config.bfd {
        out.block(format_args!("bfd_instance {}", quote(&bfd.name)), |out| self::bfd(out, bfd));
    }
}

fn script(out: &mut Writer, s: &VrrpScript) {
    out.value("script", quote(&command(&s.script.words)));
    if let Some(user) = &s.script.user {
        let group = s.script.group.as_ref().map_or(String::new(), |g| format!(" {}", quote(g)));
        out.value("user", format_args!("{}{group}", quote(user)));
    }
    out.seconds("interval", s.interval);
    out.seconds("timeout", s.timeout);
    out.value("weight", weight(s.weight, s.reverse));
    out.value("rise", s.rise);
    out.value("fall", s.fall);
    out.flag("init_fail", s.init_fail);
}

fn file(out: &mut Writer, f: &TrackFile) {
    out.value("file", quote(&f.path));
    out.value("weight", weight(f.weight, f.reverse));
    if let Some(init) = f.init {
        out.value("init_file", format_args!("{}{}", init.value, if init.overwrite { " overwrite" } else { "" }));
    }
}

fn process(out: &mut Writer, p: &TrackProcess) {
    let words: Vec<String> = std::iter::once(&p.program).chain(&p.params).map(|w| quote(w)).collect();
    out.value("process", words.join(" "));
    match p.param_match {
        Some(ParamMatch::Initial) => out.value("param_match", "initial"),
        Some(ParamMatch::Partial) => out.value("param_match", "partial"),
        // Without parameters the bare word stands for none at all.
        Some(ParamMatch::Exact) if p.params.is_empty() => out.line("param_match"),
        Some(ParamMatch::Exact) | None => {}
    }
    out.value("weight", weight(p.weight, p.reverse));
    // 0 only comes with quorum_max 0, which says it all.
    out.option("quorum", (p.quorum > 0).then_some(p.quorum));
    out.option("quorum_max", p.quorum_max);
    for (word, delay) in [("terminate_delay", p.terminate_delay), ("fork_delay", p.fork_delay)] {
        if !delay.is_zero() {
            out.seconds(word, delay);
        }
    }
    out.flag("full_command", p.full_command);
}

fn bfd(out: &mut Writer, b: &Bfd) {
    out.value("neighbor_ip", b.neighbor);
    out.option("source_ip", b.source);
    for (word, time) in [("min_rx", b.min_rx), ("min_tx", b.min_tx), ("idle_tx", b.idle_tx)] {
        // As many seconds as there are milliseconds.
        out.seconds(word, time * 1000);
    }
    out.value("multiplier", b.multiplier);
    out.flag("passive", b.passive);
    out.value("ttl", b.ttl);
    out.value("max_hops", b.max_hops);
    out.switch("multihop", b.multihop);
    out.value("weight", weight(b.weight, b.reverse));
    out.flag("vrrp", b.vrrp);
    out.flag("checker", b.checker);
}

fn weight(weight: i32, reverse: bool) -> String {
    format!("{weight}{}", if reverse { " reverse" } else { "" })
}

/// The blocks of an instance or a group.
pub fn lists(out: &mut Writer, config: &Config, tracks: &Tracks) {
    let line = |name: &str, w: i32, reverse: bool| {
        format!("{} weight {w} {}", quote(name), if reverse { "reverse" } else { "noreverse" })
    };
    let lines = |tracks: &[Track], name: &dyn Fn(usize) -> Option<Box<str>>| -> Vec<String> {
        tracks.iter().filter_map(|t| Some(line(&name(t.target)?, t.weight, t.reverse))).collect()
    };
    let interfaces = tracks.interfaces.iter().map(|t| line(t.name.as_str(), t.weight, t.reverse)).collect();
    let all = [
        ("track_interface", interfaces),
        ("track_script", lines(&tracks.scripts, &|n| config.scripts.get(n).map(|s| s.name.clone()))),
        ("track_file", lines(&tracks.files, &|n| config.files.get(n).map(|f| f.name.clone()))),
        ("track_process", lines(&tracks.processes, &|n| config.processes.get(n).map(|p| p.name.clone()))),
        ("track_bfd", lines(&tracks.bfd, &|n| config.bfd.get(n).map(|b| b.name.clone()))),
    ];
    for (block, lines) in all.iter().filter(|(_, lines)| !lines.is_empty()) {
        out.block(block, |out| lines.iter().for_each(|l| out.line(l)));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::loader::{load, Host};

    const TEXT: &str = r#"
vrrp_script full {
    script "/bin/check 'a b' c"
    user ana ops
    interval 2.5
    timeout 1
    weight -20 reverse
    rise 3
    fall 2
    init_fail
}
vrrp_script opens {
    script "</run/pid"
}
track_file number {
    file "/etc/a number"
    weight 5 reverse
    init_file -3 overwrite
}
vrrp_track_process any {
    process w
}
vrrp_track_process exact {
    process "/bin/w x" --one "two words"
    quorum 2
    quorum_max 4
    delay 0.5
    full_command
}
vrrp_track_process none {
    process w
    param_match
    quorum_max 0
}
vrrp_track_process initial {
    process w --o
    param_match initial
}
vrrp_instance A {
    interface eth0
    virtual_router_id 1
    track_interface {
        eth1 weight -5
        eth2
    }
    track_script {
        full
        opens weight 7
    }
    track_file { number }
    track_process {
        any weight 3 reverse
    }
    virtual_ipaddress { 192.0.2.1 }
}
"#;

    #[test]
    fn what_is_tracked_reads_the_same_again() {
        let read = |text: &str| load("f", text.as_bytes().to_vec(), Host::default());
        let first = read(TEXT).config.unwrap();
        assert_eq!((first.scripts.len(), first.files.len(), first.processes.len()), (2, 1, 4));
        let text = super::super::write(&first, true);
        let again = read(&text);
        assert!(again.diagnostics.is_empty(), "{text}\n{:?}", again.diagnostics);
        assert_eq!(again.config.unwrap(), first, "{text}");
    }
}
