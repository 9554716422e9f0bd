//! Configurations, packets and news of the kernel with bytes flipped, cut, spliced and repeated: whatever comes, a load ends
//! in a verdict, a packet is counted or heard, and nothing panics.

use holdfast::base::addr::Family;
use holdfast::config::dump::dump;
use holdfast::config::loader::{load, Host, ScriptFile};
use std::net::IpAddr;
use std::time::Duration;

/// xorshift64*: the same rounds each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// HOLDFAST_MANGLE=n does n times as many.
fn rounds(usually: usize) -> usize {
    let times = std::env::var("HOLDFAST_MANGLE").ok().and_then(|n| n.parse().ok());
    usually * times.unwrap_or(1)
}

fn texts() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config"))
        .expect("tests/config is there")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "conf"))
        .collect();
    paths.sort();
    paths.iter().map(|p| std::fs::read(p).expect("readable")).collect()
}

const BYTES: &[u8] = b"{}\"\\\n\r\t !#'\0\xa0\xc2\xff\xef0-./:@$~9";

fn mangle(random: &mut Random, texts: &[Vec<u8>]) -> Vec<u8> {
    let mut text = texts[random.below(texts.len())].clone();
    for _ in 0..1 + random.below(8) {
        let at = random.below(text.len());
        let len = random.below(60).min(text.len() - at);
        match random.below(7) {
            0 if !text.is_empty() => text[at] = random.next() as u8,
            1 if !text.is_empty() => text[at] = BYTES[random.below(BYTES.len())],
            2 => text.insert(at, BYTES[random.below(BYTES.len())]),
            3 => drop(text.drain(at..at + len)),
            4 => {
                let part = text[at..at + len].to_vec();
                for _ in 0..random.below(20) {
                    text.splice(at..at, part.iter().copied());
                }
            }
            5 => {
                let other = &texts[random.below(texts.len())];
                let from = random.below(other.len());
                let part = &other[from..(from + random.below(200)).min(other.len())];
                text.splice(at..at, part.iter().copied());
            }
            _ => text.truncate(at),
        }
    }
    text
}

#[test]
fn mangled_files_end_in_a_verdict() {
    let texts = texts();
    let host = Host {
        interfaces: Some("eth0".parse().into_iter().collect()),
        script: Some(|p| if p.len() % 2 == 0 { ScriptFile::Missing } else { ScriptFile::Fine }),
        user: Some(|u| u.len() % 2 == 0),
        ..Host::default()
    };
    let mut random = Random(20_020_912);
    let mut configs = 0;
    let rounds = rounds(6000);
    for _ in 0..rounds {
        let text = mangle(&mut random, &texts);
        let loaded = load("f", text, host.clone());
        assert!(matches!(loaded.status, 0 | 2 | 4 | 5 | 6), "{}", loaded.status);
        let mut out = String::new();
        loaded.report(&mut out).expect("a string takes all");
        if let Some(config) = &loaded.config {
            configs += 1;
            check(config);
            dump(config, &mut |line| assert!(!line.contains('\n')));
        }
    }
    assert!(configs > rounds / 2, "{configs}");
}

/// What the engines rely on.
fn check(config: &holdfast::config::model::Config) {
    for i in &config.instances {
        assert!(i.vrid > 0 && i.priority > 0);
        assert!(i.advert_int >= Duration::from_millis(10) && i.down_timer_adverts > 0);
        assert!(i.vips.len() <= 255 && i.vips.iter().all(|v| v.net.family() == i.wire.family));
        assert!(match i.wire.version {
            2 => i.advert_int.subsec_nanos() == 0 && i.advert_int <= Duration::from_secs(255),
            v =>
                v == 3 && i.advert_int <= Duration::from_millis(40_950) && i.auth == holdfast::config::model::Auth::None,
        });
        let other = |ip: &IpAddr| Family::of(ip) != i.wire.family;
        let peers = i.wire.unicast.iter().flat_map(|u| &u.peers).map(|p| p.ip);
        assert!(!peers.chain([i.wire.group]).chain(i.wire.unicast_src_ip).any(|ip| other(&ip)));
        assert!(!i.interface.as_str().is_empty() || i.vips.iter().chain(&i.excluded).all(|v| v.dev.is_some()));
        assert!(i.group.is_none_or(|g| g < config.groups.len()));
        assert!(i.garp.repeat > 0 && i.garp.refresh_repeat > 0);
    }
    for (n, g) in config.groups.iter().enumerate() {
        assert!(!g.members.is_empty());
        assert!(g.members.iter().all(|m| config.instances.get(*m).is_some_and(|i| i.group == Some(n))));
    }
    let routes = config.instances.iter().flat_map(|i| &i.routes).chain(&config.statics.routes);
    assert!(routes.flat_map(|r| &r.nexthops).all(|leg| (1..=256).contains(&leg.weight)));
    let statics = config.statics.addresses.iter().map(|v| v.track_group);
    let statics = statics.chain(config.statics.routes.iter().map(|r| r.track_group));
    for group in statics.chain(config.statics.rules.iter().map(|r| r.track_group)).flatten() {
        assert!(group < config.track_groups.len());
    }
    for h in config.instances.iter().filter_map(|i| i.hmac.as_ref()) {
        assert!(h.keys.iter().any(|key| key.id == h.active));
    }
    if let Some(sync) = &config.sync_daemon {
        assert!(sync.instance.is_none_or(|n| n < config.instances.len()));
    }
    for s in &config.services {
        assert!(!s.servers.is_empty() && s.quorum > 0 && s.hysteresis < s.quorum);
        for c in s.servers.iter().flat_map(|r| r.checks.iter()) {
            let most = Duration::from_secs(u32::MAX.into());
            for d in [c.delay_loop, c.delay_before_retry, c.warmup, c.timeout] {
                assert!(d <= most, "a value was not filled in");
            }
            assert!(c.retry != u32::MAX && !c.delay_loop.is_zero());
        }
    }
}

/// Deep nesting, endless words, endless lists: a shape that costs the square of its length never ends here.
#[test]
fn no_shape_is_endless() {
    let shapes = [
        "vrrp_instance a {".repeat(20_000),
        "{".repeat(200_000),
        "}".repeat(200_000),
        "virtual_server 1.1.1.1 1 { real_server 1.1.1.1 1 { TCP_CHECK { ".repeat(20_000),
        format!("vrrp_instance a {{ virtual_ipaddress {{ {} }} }}", "10.0.0.1\n".repeat(50_000)),
        "\"".repeat(200_000),
        "a\\\n".repeat(100_000),
        format!("vrrp_instance {}", "x".repeat(2_000_000)),
        format!("vrrp_instance a {{ interface {} }}", "y ".repeat(500_000)),
        "vrrp_instanc {\n}\n".repeat(20_000),
        "foo {".repeat(100_000),
        (0..20_000).map(|n| format!("vrrp_sync_group g{n} {{ group {{ i{n}\n}} }}\n")).collect(),
        // Many definitions, each used once; one used often; those that refer to themselves and to each other.
        (0..20_000).map(|n| format!("$D{n}=value\nfoo $D{n}\n")).collect(),
        (0..20_000).map(|n| format!("foo $E{n}\n")).collect(),
        format!("$A=$A$A $A\n{}", "foo $A\n".repeat(5_000)),
        format!("$A=$B $B\n$B=$A $A\n{}", "foo ${A}\n".repeat(5_000)),
        format!("$A=\\\n$A\\\n$A\n{}", "$A\n".repeat(5_000)),
        // Repetitions, one inside the other.
        "~SEQ(a, 1, 100000) foo $a\n".repeat(20),
        "~SEQ(a, 1, 1000) ~SEQ(b, 1, 1000) ~SEQ(c, 1, 1000) foo $a $b $c\n".into(),
        format!("~LST(a, {}) foo $a\n", "x, ".repeat(50_000)),
        format!("~LST({{a, b}}, {}) foo $a\n", "{x, y}, ".repeat(20_000)),
        "~SEQ(a, 9223372036854775806, 9223372036854775807) foo $a\n".into(),
        // Names that are looked for among many.
        format!("vrrp_instance a {{ track_interface {{ {} }} }}", numbered(20_000, "e{}\n")),
        format!("vrrp_sync_group g {{ group {{ {} }} }}", numbered(20_000, "e{}\n")),
        format!("interface_up_down_delays {{ {} }}", numbered(20_000, "e{} 1\n")),
        format!("linkbeat_interfaces {{ {} }}", numbered(20_000, "e{}\n")),
        format!("static_ipaddress {{ {} }}", numbered(20_000, "10.0.0.1 track_group g{}\n")),
        numbered(20_000, "virtual_server_group g{} { 10.0.0.1 80\n}\n"),
        numbered(20_000, "vrrp_script s{} { script /x\n}\n"),
        numbered(20_000, "bfd_instance b{} { neighbor_ip ::{}\n}\n"),
        numbered(20_000, "virtual_server_group g{} { 10.0.0.1 80\n}\nvirtual_server group g{} {\n}\n"),
        format!("vrrp_instance a {{ track_script {{ {} }} }}", numbered(20_000, "s{}\n")),
        format!("vrrp_instance a {{ unicast_peer {{ {} }} }}", numbered(20_000, "::{}\n")),
        "vrrp_instance a { interface e\nvirtual_router_id 1\nvirtual_ipaddress { ::1\n } }\n".to_string()
            + &numbered(
                20_000,
                "vrrp_instance i{} { interface e{}\nvirtual_router_id 1\nvirtual_ipaddress { ::1 dev e\n } }\n",
            ),
        numbered(20_000, "$D{}=1\n") + &numbered(20_000, "foo ${E{}}\n"),
    ];
    for shape in shapes {
        let loaded = load("f", shape.into_bytes(), Host::default());
        let mut out = String::new();
        loaded.report(&mut out).expect("a string takes all");
    }
}

fn findings(text: Vec<u8>) -> (Vec<(&'static str, String)>, usize, u8) {
    let loaded = load("f", text, Host::default());
    let mut out = String::new();
    loaded.report(&mut out).expect("a string takes all");
    let found = loaded.diagnostics.iter().map(|d| (d.code.name(), d.text.to_string())).collect();
    (found, loaded.dropped, loaded.status)
}

/// A program, an archive, another encoding: one finding, with its place.
#[test]
fn what_is_no_text_is_one_finding() {
    let mut random = Random(7);
    let noise: Vec<u8> = (0..5000).map(|_| random.next() as u8).collect();
    let text = "global_defs {\n router_id x\n}\n".repeat(50);
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut program = std::fs::read("/proc/self/exe").expect("this test");
    // With all that a debugger needs it is longer than any configuration may be.
    program.truncate(1 << 20);
    let packed = [&b"\x1f\x8b\x08\0\0\0\0\0"[..], &noise].concat();
    for bytes in [noise, wide, program, packed] {
        let (found, dropped, status) = findings(bytes);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, dropped, status), ("not-text", 0, 5));
    }
    // Text at first: as far as it goes.
    let (found, ..) = findings(["# nothing\n".repeat(10_000).as_bytes(), &b"\0\n".repeat(5000)].concat());
    assert_eq!(found.iter().filter(|f| f.0 == "not-text").count(), 1);
    assert!(found.len() < 20, "{found:?}");
    // Other alphabets in comments and strings are nobody's business.
    let latin = b"! caf\xe9 \x93x\x94\nglobal_defs {\n router_id \"\xe9\xe8\"\n}\n";
    assert_eq!(findings(latin.to_vec()), (Vec::new(), 0, 0));
    assert_eq!(findings("! Привет\nglobal_defs {\n router_id \"é→\"\n}\n".into()), (Vec::new(), 0, 0));
}

/// What is far beyond any configuration is one error that names the limit.
#[test]
fn what_has_no_end_is_one_error() {
    let lines = "10.0.0.1\n".repeat(100_000);
    let blocks = [
        format!("virtual_server_group g {{\n{}}}\nglobal_defs {{\n}}\n", numbered(100_000, "fwmark 1{}\n")),
        "static_routes {\n~SEQ(i, 0, 99) ~SEQ(j, 0, 999) ::${i}:${j} dev e\n}\n".to_string(),
        format!("vrrp_instance a {{\ninterface e\nvirtual_ipaddress {{\n{lines}}}\n}}\n"),
        numbered(100_000, "vrrp_script s{} {\nscript /x\n}\n"),
        format!("global_defs {{\nrouter_id {}\n}}\n", "x ".repeat(20_000)),
    ];
    for text in blocks {
        let head = text.get(..30).unwrap_or_default().to_string();
        let (found, ..) = findings(text.into_bytes());
        let limits = found.iter().filter(|f| f.1.contains(" has more than ")).count();
        assert_eq!(limits, 1, "{head}: {found:?}");
    }
}

fn numbered(count: usize, line: &str) -> String {
    (0..count).map(|n| line.replace("{}", &n.to_string())).collect()
}

/// Files that include others, themselves, each other, and what is no file.
#[test]
fn includes_end() {
    let dir = std::env::temp_dir().join(format!("holdfast-mangle-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let put = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    put("self.conf", "include self.conf\ninclude *.conf\n");
    put("a.conf", &"include b.conf\n".repeat(50));
    put("b.conf", &"include a.conf\ninclude c.conf\n".repeat(50));
    put("c.conf", "$X=include c.conf\n$X\n~SEQ(i, 1, 50) include c.conf\n");
    put("open.conf", "vrrp_instance a {\n \"\n");
    std::os::unix::fs::symlink("loop", dir.join("loop")).expect("a link");
    let host = Host { files: true, ..Host::default() };
    let main = dir.join("main");
    for name in
        ["self.conf", "a.conf", "open.conf", "*", "loop", "loop/x", "/dev/zero", "/dev/stdin", ".", "/proc/self/mem"]
    {
        let text = format!("include {name}\n").repeat(20) + "vrrp_instance z {\n}\n";
        let loaded = load(&main.display().to_string(), text.into_bytes(), host.clone());
        let mut out = String::new();
        loaded.report(&mut out).expect("a string takes all");
        assert!(!out.is_empty(), "{name}");
    }
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// The files of hexadecimal digits that the fuzzer begins with, too.
fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(format!("{}/tests/fuzz/{folder}", env!("CARGO_MANIFEST_DIR")))
        .expect("seeds are there")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .collect();
    paths.sort();
    let bytes = |text: &str| {
        let digits = text.trim().as_bytes();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    paths.iter().map(|p| bytes(&std::fs::read_to_string(p).expect("readable"))).collect()
}

fn damage(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_within(at..),
            2 => bytes.iter_mut().skip(at).take(2).for_each(|b| *b = 0xff),
            3 => bytes.iter_mut().skip(at).take(4).for_each(|b| *b = 0),
            4 => {
                let other = &seeds[random.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len())..]);
            }
            _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = random.next() as u8),
        }
    }
    bytes
}

/// Damaged adverts of each form at a MASTER's socket: each is heard, or counted for one reason; and without the key, none
/// moves an instance that has one.
#[test]
fn damaged_packets_are_counted() {
    use holdfast::node::event::Event;
    use holdfast::node::vrrp::instance::State;
    use holdfast::wire::op::{AddressKey, AddressValue, Link, News};
    let seeds: Vec<Vec<u8>> = seeds("packets").into_iter().map(|mut bytes| bytes.split_off(1)).collect();
    let hmac = "auth_hmac {\n key 1 0123456789012345678901234567890123\n}";
    let forms = [
        String::new(),
        "version 3".into(),
        "authentication {\n auth_type AH\n auth_pass 12345679\n}".into(),
        format!("version 3\n {hmac}"),
        format!("version 3\n {hmac}\n unicast_peer {{\n 10.0.0.2\n}}"),
        hmac.into(),
    ];
    for (form, lines) in forms.iter().enumerate() {
        let text = format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 51\n {lines}\n virtual_ipaddress {{\n 10.0.0.100\n }}\n}}\n\
             vrrp_instance B {{\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {{\n fe80::51\n }}\n}}\n"
        );
        let config = load("f", text.into_bytes(), Host::default()).config.expect("a good file");
        let mut node = holdfast::node::Node::new(std::rc::Rc::new(config));
        let (mut now, mut out) = (holdfast::base::time::Instant(1_000_000), Vec::new());
        node.step(now, Event::Start { seed: 1, owned: Vec::new() }, &mut out);
        let (mac, more) = (holdfast::base::addr::Mac([2; 6]), Default::default());
        let name = "eth0".parse().unwrap();
        let link = Link { ifindex: 2, name, up: true, mac, mtu: 1500, no_arp: false, more };
        let address = |net: &str| {
            let key = AddressKey { ifindex: 2, net: net.parse().unwrap() };
            News::Address { key, value: AddressValue::default(), primary: true }
        };
        let addresses = [address("10.0.0.1/24"), address("fe80::1/64")];
        for news in [News::DumpBegin, News::Link(link)].into_iter().chain(addresses).chain([News::DumpDone]) {
            node.step(now, Event::Kernel(news), &mut out);
        }
        let mut random = Random(0x5eed + form as u64);
        let counted = |node: &holdfast::node::Node| -> u64 {
            let all = node.vrrp.instances.iter().map(|n| &n.counters);
            let known: u64 =
                all.map(|c| u64::from(c.advert_rcvd) + c.dropped.iter().map(|n| u64::from(*n)).sum::<u64>()).sum();
            known + u64::from(node.vrrp.foreign) + node.vrrp.garbage.iter().map(|n| u64::from(*n)).sum::<u64>()
        };
        for round in 0..rounds(20_000) as u64 {
            if round % 1000 == 0 {
                while let Some(at) = node.deadline().filter(|at| at.0 < 9_000_000 * (1 + round / 1000)) {
                    now = at.max(now);
                    node.step(now, Event::Due, &mut out);
                }
            }
            let before = counted(&node);
            let bytes = damage(&mut random, &seeds);
            node.step(now, Event::Packet { ifindex: 2, bytes: &bytes }, &mut out);
            assert_eq!(counted(&node), before + 1, "{bytes:02x?}");
            let sealed = form >= 2;
            assert!(!sealed || node.vrrp.instances[0].state == State::Master, "form {form}: {bytes:02x?}");
            out.clear();
        }
    }
}

/// What the kernel says, damaged: read to its end, or as far as it makes sense.
#[test]
fn damaged_news_end() {
    use holdfast::wire::{connector, inotify, ipvs, netlink, nft, rtnl};
    let messages = seeds("messages");
    let others: Vec<_> = ["tables", "entries", "processes"].into_iter().flat_map(seeds).collect();
    let mut random = Random(18);
    let mut told = 0;
    let rounds = rounds(50_000);
    let mut read = |bytes: &[u8]| {
        for message in netlink::messages(bytes) {
            told += usize::from(rtnl::parse(&message).is_some());
            let _ = (message.answer(), message.dump_end(), nft::table_gone(&message));
        }
        let _ = (netlink::attributes(bytes).count(), connector::events(bytes).count());
        let _ = (ipvs::services(bytes).count(), ipvs::dests(bytes).count(), ipvs::daemons(bytes).count());
        let mut events = holdfast::base::bytes::Reader::new(bytes);
        while inotify::next(&mut events).is_some() {}
    };
    for _ in 0..rounds {
        read(&damage(&mut random, &messages));
    }
    for _ in 0..rounds {
        read(&damage(&mut random, &others));
    }
    assert!(told > rounds / 5 * 2, "{told}");
}
