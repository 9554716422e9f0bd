//! Each `config/*.conf` is loaded; what was found and what was understood stands in the `.out` beside it.
//! `BLESS=1 cargo test --test config` rewrites those files: read the difference before it is committed.

use holdfast::base::addr::IfName;
use holdfast::config::diagnostic::{Code, Diagnostic, Level};
use holdfast::config::dump::dump;
use holdfast::config::loader::{load, read_file, Host, Insecure, Loaded, Loader, Progress, ScriptFile};
use holdfast::config::model::Config;
use holdfast::config::write::write;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config"))
        .expect("tests/config is there")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "conf"))
        .collect();
    files.sort();
    files
}

fn host() -> Host {
    let interfaces = ["eth0", "eth1"].iter().filter_map(|n| n.parse::<IfName>().ok()).collect();
    Host {
        hostname: "director".into(),
        config_id: "director".into(),
        interfaces: Some(interfaces),
        script: Some(script),
        user: Some(|u| u == "root" || u == "nobody"),
        table: Some(|t| (t == "red").then_some(100)),
        group: Some(|g| g == "root" || g == "nogroup"),
        key: Some(key),
        environment: Some(|name| (name == "SITE").then(|| "north".into())),
        files: true,
        all_files: false,
        seed: 1,
    }
}

/// /keys/short holds too little of one.
fn key(path: &str) -> Result<Vec<u8>, String> {
    match path {
        "/gone/key" => Err(format!("the key cannot be read from {path}")),
        "/keys/short" => Ok(b"short\n".to_vec()),
        _ => Ok(vec![b'k'; 32]),
    }
}

fn script(path: &str) -> ScriptFile {
    let insecure = || Insecure { what: "everybody can write to /open".into(), mend: "chmod o-w /open".into() };
    match path.split('/').nth(1) {
        Some("gone") => ScriptFile::Missing,
        Some("text") => ScriptFile::NotExecutable,
        Some("open") => ScriptFile::Insecure(insecure()),
        _ => ScriptFile::Fine,
    }
}

fn output(loaded: &Loaded) -> String {
    let mut out = format!("status {}\n", loaded.status);
    loaded.report(&mut out).expect("a string takes all");
    match &loaded.config {
        Some(config) => dump(config, &mut |line| writeln!(out, "{line}").expect("a string takes all")),
        None => out.push_str("nothing starts\n"),
    }
    out
}

#[test]
fn each_file_is_understood_as_written_down() {
    let files = files();
    assert!(files.len() >= 10);
    let mut wrong = Vec::new();
    for path in files {
        let name = path.file_name().and_then(|n| n.to_str()).expect("a plain name");
        let shown = format!("tests/config/{name}");
        let loaded = load(&shown, read_file(&path).expect("readable"), host());
        let out = output(&loaded);
        let expected = path.with_extension("out");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, out).expect("writable");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != out {
            wrong.push(format!("{name}:\n{out}"));
        }
    }
    assert!(wrong.is_empty(), "these differ (BLESS=1 rewrites):\n{}", wrong.join("\n"));
}

/// The mistakes are marked in the files themselves, by `WRONG column` at the end of the line.
#[test]
fn ten_mistakes_are_ten_findings() {
    let files = files().into_iter().filter_map(|p| Some(p.file_name()?.to_str()?.to_string()));
    let files: Vec<String> = files.filter(|name| name.starts_with("ten-")).collect();
    assert!(files.len() >= 10);
    for name in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(&name);
        let text = read_file(&path).expect("readable");
        let mut wanted = Vec::new();
        for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            if let Some((_, column)) = line.split_once("WRONG ") {
                // A definition goes on behind the mark.
                wanted.push(format!("{}:{}", number + 1, column.trim_end_matches('\\').trim()));
            }
        }
        assert_eq!(wanted.len(), 10, "{name}");
        let loaded = load("f", text, host());
        let mut report = String::new();
        loaded.report(&mut report).expect("a string takes all");
        let found: Vec<String> = report
            .lines()
            .filter_map(|l| l.strip_prefix("f:"))
            .map(|l| l.splitn(3, ':').take(2).collect::<Vec<_>>().join(":"))
            .collect();
        assert_eq!(found, wanted, "{name}:\n{report}");
    }
}

/// Where the findings of a file are.
fn places(text: &str) -> Vec<String> {
    let mut report = String::new();
    load("f", text.as_bytes().to_vec(), host()).report(&mut report).expect("a string takes all");
    let heads = report.lines().filter_map(|l| l.strip_prefix("f:"));
    heads.map(|l| l.splitn(3, ':').take(2).collect::<Vec<_>>().join(":")).collect()
}

/// What follows from a mistake is not said beside it. The first line of each instance is line 1.
#[test]
fn one_mistake_is_one_finding() {
    let instance = |lines: &str| {
        let given = |word: &str| lines.split('\n').any(|l| l.starts_with(word));
        let mut text = String::from("vrrp_instance A {\n");
        text += lines;
        for (word, line) in [
            ("interface", "\ninterface eth0"),
            ("virtual_router_id", "\nvirtual_router_id 5"),
            ("virtual_ip", "\nvirtual_ipaddress {\n192.0.2.1/24\n}"),
        ] {
            if !given(word) {
                text += line;
            }
        }
        text + "\n}\n"
    };
    let service = |lines: &str, server: &str| {
        format!(
            "virtual_server 192.0.2.1 80 {{\n{lines}\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n\
             real_server 192.0.2.2 80 {{\n{server}\n}}\n}}\n"
        )
    };
    let cases = [
        (instance("strict_mode maybe"), "2:13"),
        (instance("unicast_src_ip foo"), "2:16"),
        (instance("unicast_ttl 300"), "2:13"),
        (instance("virtual_ipaddress {\n192.0.2.1/24 lable eth0:1\n}"), "3:14"),
        (instance("virtual_ipaddress {\n192.0.2.1/24 192.0.2.2/24\n}"), "3:14"),
        (instance("virtual_ipaddress {\n}"), "1:15"),
        (instance("virtual_ipaddress 192.0.2.1"), "2:1"),
        (instance("virtual_ipadress {\n192.0.2.1/24\n}"), "2:1"),
        (instance("authentication {\nauth_type PASS\n}\nauth_pass abc\n}"), "4:1"),
        (instance("authentication\nadvert_int 1"), "2:1"),
        (instance("unicast_peer\nadvert_int 1"), "2:1"),
        (instance("unicast_peer {\nrouter2\n}"), "3:1"),
        (instance("unicast_src_ip 192.0.2.9\nuncast_peer {\n192.0.2.8\n}"), "3:1"),
        (instance("{\nadvert_int 1"), "2:1"),
        (instance("nopreempt\npreempt_delay 5"), "3:1"),
        (instance("garp_master_repeat 0"), "2:20"),
        (instance("track_interface {\neth1 weigth 20\n}"), "3:6"),
        (instance("interface = eth0"), "2:11"),
        (instance("router_id = x"), "2:1"),
        ("include {x,y}\n".to_string() + &instance(""), "1:9"),
        ("vrrp_script {\nscript \"/bin/true\"\n}\n".to_string() + &instance("track_script {\nchk\n}"), "1:1"),
        ("vrrp_scrpt chk {\nscript \"/bin/true\"\n}\n".to_string() + &instance("track_script {\nchk\n}"), "1:1"),
        ("vrrp_sync_group G {\nA\nB\n}\n".to_string() + &instance(""), "2:1"),
        ("vrrp_sync_group G {\ngroup\n}\n".to_string() + &instance(""), "2:1"),
        ("global_defs {\nrouter_id = x\n}\n".to_string() + &instance(""), "2:11"),
        (service("real_server", ""), "2:1"),
        (service("hashed", ""), "2:1"),
        (service("quorum 9\nhysteresis 3", ""), "2:8"),
        (service("", "HTTP_GET {\nurl {\n}\n}"), "8:1"),
        (service("", "HTTP_GET {\nurl\n}"), "8:1"),
        (service("", "HTTP_GET {\nurl {\npath\n}\n}"), "9:1"),
        (service("", "HTTP_GET {\nurl {\npath /\n}\nstatus_code 200\n}\n}"), "10:1"),
        (service("", "HTTP_GET {\nurl {\npath /\nstatus_code\n}\n}"), "10:1"),
        (service("", "HTTP_GET {\nurl {\npath /\nstatus_code 200\nstatus_code 404\n}\n}"), "11:1"),
        (service("", "TCP_CHECK {\nconnect_port 80\n"), "1:1"),
        (service("", "").replace(".1 80", ".1:80"), "1:16"),
        (service("", "").replace(".2 80", ".2:80"), "6:13"),
    ];
    for (text, place) in cases {
        assert_eq!(places(&text), [place], "{text}");
    }
    assert_eq!(places(&instance("")), Vec::<String>::new());
    assert_eq!(places(&service("", "")), Vec::<String>::new());
}

#[test]
fn steps_of_any_size_give_the_same() {
    for path in files() {
        let text = read_file(&path).expect("readable");
        let whole = load("f", text.clone(), host());
        let mut loader = Loader::new("f", text, host());
        while loader.step(1) == Progress::More {}
        let stepped = loader.finish();
        assert_eq!(output(&whole), output(&stepped), "{}", path.display());
        assert!(whole.config == stepped.config);
    }
}

/// A configuration without what is not written: why something is held back follows from the rest, or is said again.
fn without_reasons(mut config: Config) -> Config {
    config.instances.iter_mut().for_each(|i| i.held = i.held.take().map(|_| "held".into()));
    config
}

/// Passwords and keys as they are shown to others.
fn masked(mut config: Config) -> Config {
    use holdfast::config::model::{Auth, HmacSecret};
    let mask = [b'*'; 8];
    for i in &mut config.instances {
        match &mut i.auth {
            Auth::None => {}
            Auth::Pass(key) | Auth::Ah(key) => *key = mask,
        }
        for key in i.hmac.iter_mut().flat_map(|h| h.keys.iter_mut()) {
            key.secret = HmacSecret::Bytes(Box::from(*b"********"));
        }
    }
    if let Some(password) = config.global.ssl.as_mut().and_then(|s| s.password.as_mut()) {
        *password = "********".into();
    }
    config
}

/// The whole configuration, written as a file and read again, is the same; with masked secrets it is but for these.
#[test]
fn what_is_written_reads_the_same() {
    let mut compared = 0;
    let mut wrong = Vec::new();
    for path in files() {
        let name = path.file_name().and_then(|n| n.to_str()).expect("a plain name");
        let shown = format!("tests/config/{name}");
        let loaded = load(&shown, read_file(&path).expect("readable"), host());
        let Some(config) = loaded.config else { continue };
        let config = without_reasons(config);
        let text = write(&config, true);
        let again = load("written", text.clone().into_bytes(), host());
        let mut report = String::new();
        again.report(&mut report).expect("a string takes all");
        // What cannot be put right is said again.
        let stays = |d: &&Diagnostic| {
            matches!(d.code, Code::Interface | Code::Clash | Code::Conflict | Code::Reference | Code::Insecure)
                || &*d.token == "virtual_ipaddress"
        };
        let errors = again.diagnostics.iter().filter(|d| d.level == Level::Error && !stays(d));
        if errors.count() > 0 {
            wrong.push(format!("{name} is wrong when it is written:\n{report}"));
        }
        compared += 1;
        let again = without_reasons(again.config.expect("what was written starts"));
        if config != again {
            wrong.push(format!("{name}:\n{}", difference(&config, &again)));
        }
        let open = write(&config, false);
        assert!(!open.contains("a secret"), "{name}:\n{open}");
        let again = load("masked", open.clone().into_bytes(), host()).config.expect("what was written starts");
        let (first, again) = (masked(config), masked(without_reasons(again)));
        if first != again {
            wrong.push(format!("{name}, masked:\n{}", difference(&first, &again)));
        }
        let expected = path.with_extension("written");
        if expected.exists() {
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&expected, &text).expect("writable");
            }
            assert_eq!(std::fs::read_to_string(&expected).expect("readable"), text, "{name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 10);
}

/// The lines in which two configurations differ.
fn difference(a: &Config, b: &Config) -> String {
    let (a, b) = (format!("{a:#?}"), format!("{b:#?}"));
    let lines = a.lines().zip(b.lines()).enumerate();
    lines.filter(|(_, (a, b))| a != b).take(20).map(|(n, (a, b))| format!("{n}: {a} | {b}\n")).collect()
}

/// The same text with other blanks: CR LF, a byte-order mark, no-break spaces (also as Latin-1) mean the same.
#[test]
fn blanks_of_other_systems_change_nothing() {
    for path in files() {
        let text = read_file(&path).expect("readable");
        // Long passwords and quoted blanks are values, and stay.
        let plain = String::from_utf8_lossy(&text).replace('\r', "").replace(['\u{a0}', '\u{feff}'], " ");
        let config = load("f", plain.clone().into_bytes(), host()).config;
        let mut latin = Vec::new();
        let mut continued = false;
        for line in plain.lines() {
            let rest = if continued { line } else { line.trim_start_matches(' ') };
            continued = line.ends_with('\\');
            latin.extend(std::iter::repeat_n(0xa0, line.len() - rest.len()));
            latin.extend(rest.as_bytes());
            latin.push(b'\n');
        }
        assert!(load("f", latin, host()).config == config, "{}", path.display());
        let windows = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
        let loaded = load("f", windows.into_bytes(), host());
        assert!(loaded.config == config, "{}", path.display());
        assert!(loaded.diagnostics.iter().any(|d| d.code.name() == "blanks"));
    }
}

/// A finding keeps its identity when lines move: a reload compares by it.
#[test]
fn identity_is_not_position() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 3\n prioritty 5\n virtual_ipaddress {\n 10.0.0.1\n }\n}\n";
    let first = load("f", text.as_bytes().to_vec(), host());
    let moved = load("f", format!("! a line\n\n{text}").into_bytes(), host());
    let ids = |l: &Loaded| l.diagnostics.iter().map(|d| format!("{:?}", d.identity())).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&moved));
    assert_eq!(ids(&first), ["(Unknown, \"vrrp_instance A\", \"prioritty\")"]);
    assert!(first.diagnostics[0].span != moved.diagnostics[0].span);
}

#[test]
fn what_is_no_file_is_said() {
    let dir = std::env::temp_dir().join(format!("holdfast-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("temporary directory");
    let fifo = dir.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().is_ok_and(|s| s.success());
    assert!(read_file(&dir).is_err_and(|e| e.ends_with("is a directory, not a configuration file")));
    assert!(read_file(&dir.join("none")).is_err_and(|e| e.ends_with("there is no such file")));
    if made {
        assert!(read_file(&fifo).is_err_and(|e| e.ends_with("is not a regular file")));
    }
    let huge = dir.join("huge");
    std::fs::File::create(&huge).and_then(|f| f.set_len(holdfast::limits::CONFIG_BYTES + 1)).expect("sparse file");
    assert!(read_file(&huge).is_err_and(|e| e.contains("is larger than")));
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// Findings have a limit, and a wrong file ends soon.
#[test]
fn a_file_that_is_no_configuration() {
    let text = "no such word\n".repeat(50_000);
    let loaded = load("f", text.into_bytes(), host());
    assert_eq!(loaded.diagnostics.len(), holdfast::limits::DIAGNOSTICS);
    assert_eq!(loaded.dropped, 50_000 - holdfast::limits::DIAGNOSTICS);
    assert_eq!(loaded.status, 5);
}

/// What -t of keepalived 2.2.7 and 2.3.4 exits with, where a.conf is there and what begins with z is not.
#[test]
fn each_include_is_as_strict_as_its_letter() {
    let dir = std::env::temp_dir().join(format!("holdfast-include-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("a.conf"), "router_id x\n").expect("a file");
    let plain = ["z.conf", "{z}.conf", "{z,zz}.conf", "{a,z}.conf", "z*.conf", "{z*,zz*}.conf", "{z,zz*}.conf"];
    for (letter, statuses) in [
        ("", [0, 0, 0, 0, 0, 0, 0]),
        ("r", [0, 0, 0, 0, 0, 0, 0]),
        ("m", [6, 0, 0, 0, 0, 0, 0]),
        ("w", [6, 0, 0, 0, 6, 6, 0]),
        ("b", [0, 6, 6, 6, 0, 0, 6]),
        ("a", [6, 6, 6, 6, 6, 6, 6]),
    ] {
        for (pattern, status) in plain.iter().zip(statuses) {
            let text = format!("global_defs {{\n include{letter} {pattern}\n}}\n");
            let loaded = load(&dir.join("main").display().to_string(), text.into_bytes(), host());
            assert_eq!(loaded.status, status, "include{letter} {pattern}");
        }
        // A pattern that finds nothing beside one that does.
        let text = format!("global_defs {{\n include{letter} {{a,z*}}.conf\n}}\n");
        assert_eq!(load(&dir.join("main").display().to_string(), text.into_bytes(), host()).status, 0, "{letter}");
    }
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// As keepalived, which takes the first: one finding for the line, however many follow.
#[test]
fn of_several_addresses_on_one_line_the_first_is_used() {
    let text = "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n\
                10.0.1.1 10.0.1.2 10.0.1.3 dev eth1\n10.0.1.4\n }\n}\n";
    let loaded = load("f", text.into(), host());
    assert_eq!(loaded.diagnostics.len(), 1, "{:?}", loaded.diagnostics);
    assert_eq!(loaded.status, 5);
    let config = loaded.config.expect("it starts");
    let vips: Vec<String> = config.instances[0].vips.iter().map(|v| format!("{} {:?}", v.net, v.dev)).collect();
    assert_eq!(vips.len(), 2, "{vips:?}");
    assert!(vips[0].starts_with("10.0.1.1/32") && vips[0].contains("eth1"), "{vips:?}");
}
