//! The node by itself, made from a configuration text: what it does with packets, verdicts and stops, step by step.

use holdfast::base::addr::{Family, IfName, IpNet, Mac};
use holdfast::base::bytes::Writer;
use holdfast::base::time::Instant;
use holdfast::base::verdict::{Reason, Verdict};
use holdfast::config::loader::{load, Host};
use holdfast::node::effect::Effect;
use holdfast::node::event::{Event, Outcome};
use holdfast::node::note::Note;
use holdfast::node::status::{self, Layout};
use holdfast::node::vrrp::instance::State;
use holdfast::node::Node;
use holdfast::wire::ah;
use holdfast::wire::ip::Head;
use holdfast::wire::ipv4::Ipv4;
use holdfast::wire::link::{LinkMore, Stack, Sysctl};
use holdfast::wire::op::{AddressKey, AddressValue, BlockedKey, Key, Link, News, Op, RouteValue, Value};
use holdfast::wire::vrrp;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

const SECOND: u64 = 1_000_000;
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

struct Desk {
    node: Node,
    now: Instant,
    /// Running checks.
    probes: Vec<u32>,
    /// Runs of tracked scripts: number, and the last word of the command.
    runs: Vec<(u32, String)>,
}

impl Desk {
    /// One interface, eth0 with 10.0.0.1/24 and fe80::1/64.
    fn new(text: &str) -> Desk {
        let host = Host { hostname: "desk".into(), config_id: "desk".into(), ..Host::default() };
        let loaded = load("test.conf", text.as_bytes().to_vec(), host);
        let mut said = String::new();
        loaded.report(&mut said).unwrap();
        let config = loaded.config.unwrap_or_else(|| panic!("{said}"));
        let mut desk =
            Desk { node: Node::new(Rc::new(config)), now: Instant(SECOND), probes: Vec::new(), runs: Vec::new() };
        desk.step(Event::Start { seed: 1, owned: Vec::new() });
        let name: IfName = "eth0".parse().unwrap();
        let link = Link {
            ifindex: 2,
            name,
            up: true,
            mac: Mac([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            no_arp: false,
            more: LinkMore { wanted_up: true, ..LinkMore::default() },
        };
        let address = |net: &str| {
            let key = AddressKey { ifindex: 2, net: net.parse::<IpNet>().unwrap() };
            News::Address { key, value: AddressValue::default(), primary: true }
        };
        let (v4, v6) = (address("10.0.0.1/24"), address("fe80::1/64"));
        for news in [News::DumpBegin, News::Link(link), v4, v6, News::DumpDone] {
            desk.step(Event::Kernel(news));
        }
        desk
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        self.node.step(self.now, event, &mut out);
        if out.contains(&Effect::OpenIpvs) {
            self.node.step(self.now, Event::Kernel(News::IpvsReady), &mut out);
        }
        while self.node.is_announcing() {
            self.node.step(self.now, Event::Announced, &mut out);
        }
        for effect in &out {
            if let Effect::Probe { id, .. } = effect {
                self.probes.push(*id);
            }
            if let Effect::Run(run) = effect {
                self.runs.push((run.id, run.script.words.last().map(|w| w.to_string()).unwrap_or_default()));
            }
        }
        out
    }

    fn pass(&mut self, seconds: f64) -> Vec<Effect> {
        let end = Instant(self.now.0 + (seconds * 1e6) as u64);
        let mut all = Vec::new();
        while let Some(at) = self.node.deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            all.extend(self.step(Event::Due));
        }
        self.now = end;
        all
    }

    fn hear(&mut self, from: Ipv4Addr, priority: u8) -> Vec<Effect> {
        let bytes = advert(from, 51, priority, None);
        self.step(Event::Packet { ifindex: 2, bytes: &bytes })
    }

    fn state(&self) -> State {
        self.node.vrrp.instances[0].state
    }
}

fn advert(from: Ipv4Addr, vrid: u8, priority: u8, pass: Option<&[u8; 8]>) -> Vec<u8> {
    let mut w = Writer::new();
    let vip = Ipv4Addr::new(10, 0, 0, 100);
    let dst = Ipv4Addr::new(224, 0, 0, 18);
    Ipv4 { id: 1, ttl: 255, protocol: 112, src: from, dst }.emit(20, &mut w);
    let auth = pass.map_or(vrrp::Auth::None, |pass| vrrp::Auth::Pass(*pass));
    let ends = vrrp::Ends { src: from.into(), dst: dst.into() };
    let interval = Duration::from_secs(1);
    let advert = vrrp::Outgoing { version: 2, vrid, priority, interval, auth, rule: vrrp::Rule::Plain, ends };
    advert.emit(std::iter::once(vip.into()), &mut w);
    w.bytes
}

fn instance(more: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n priority 100\n advert_int 1\n {more}\n\
         virtual_ipaddress {{\n 10.0.0.100\n }}\n}}\n"
    )
}

fn priorities(effects: &[Effect]) -> Vec<u8> {
    let sent = |e: &Effect| match e {
        Effect::Send { bytes, .. } => Some(bytes[22]),
        _ => None,
    };
    effects.iter().filter_map(sent).collect()
}

fn operations(effects: &[Effect]) -> Vec<String> {
    let text = |e: &Effect| match e {
        Effect::Kernel(Op::Add(Key::Socket(_), _) | Op::Remove(Key::Socket(_), _)) => None,
        Effect::Kernel(Op::Add(key, _)) => Some(format!("add {key}")),
        Effect::Kernel(Op::Set(key, value)) => Some(format!("set {key} {value:?}")),
        Effect::Kernel(Op::Remove(key, _)) => Some(format!("remove {key}")),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

fn link(ifindex: u32, name: &str, up: bool) -> Event<'static> {
    let (name, mac) = (name.parse().unwrap(), Mac([2, 0, 0, 0, 0, ifindex as u8]));
    Event::Kernel(News::Link(Link { ifindex, name, up, mac, mtu: 1500, no_arp: false, more: Default::default() }))
}

/// The kernel's news of what these effects did, and of its removal by somebody else.
fn echo(d: &mut Desk, effects: &[Effect]) {
    for e in effects {
        let news = match e {
            Effect::Kernel(Op::Add(Key::Address(key), Value::Address(value))) => {
                News::Address { key: *key, value: value.clone(), primary: true }
            }
            Effect::Kernel(Op::Add(Key::Route(key), Value::Route(value))) => {
                News::Route { key: *key, value: *value.clone() }
            }
            Effect::Kernel(Op::Add(Key::Rule(key), Value::Rule(value))) => {
                News::Rule { key: *key, value: *value.clone() }
            }
            _ => continue,
        };
        d.step(Event::Kernel(news));
    }
}

fn steal(d: &mut Desk, key: Key) -> Vec<Effect> {
    let news = match key {
        Key::Address(key) => News::AddressGone { key },
        Key::Route(key) => News::RouteGone { key, value: RouteValue::default() },
        Key::Rule(key) => News::RuleGone { key },
        _ => unreachable!(),
    };
    let effects = d.step(Event::Kernel(news));
    echo(d, &effects);
    effects
}

/// The keys of what these effects put up, sockets aside.
fn added(effects: &[Effect]) -> Vec<Key> {
    let key = |e: &Effect| match e {
        Effect::Kernel(Op::Add(key, _)) if !matches!(key, Key::Socket(_)) => Some(*key),
        _ => None,
    };
    effects.iter().filter_map(key).collect()
}

// ---- what is held ----------------------------------------------------------------------------------------------

const STATICS: &str = "track_group TG {\n group {\n VI_1\n }\n}\n\
    static_ipaddress {\n 10.5.0.1/24 dev eth1\n}\n\
    static_routes {\n 10.6.0.0/16 via 10.5.0.2 dev eth1 src 10.5.0.1\n}\n\
    static_rules {\n from 10.5.0.0/24 table 9 preference 5 track_group TG\n}\n";
const RULES: &str =
    "virtual_routes {\n 10.7.0.0/16 via 10.0.0.9 dev eth0\n 10.8.0.0/16 via 10.0.0.9 dev eth0 no_track\n }\n\
    virtual_rules {\n from 10.0.0.0/24 table 9 preference 6\n }";

#[test]
fn static_things_come_with_their_links_and_go_at_the_end() {
    let mut d = Desk::new(&format!("{STATICS}{}", instance("")));
    assert_eq!(d.state(), State::Backup);
    let effects = d.step(link(3, "eth1", true));
    let wanted = ["add address 10.5.0.1/24 on interface 3", "add route to 10.6.0.0/16 in table 254"];
    assert_eq!(operations(&effects), wanted, "addresses before routes");
    echo(&mut d, &effects);
    let effects = d.step(Event::Kernel(News::LinkGone { ifindex: 3 }));
    assert_eq!(operations(&effects).len(), 0, "the kernel took them away: {effects:?}");
    let effects = d.step(link(4, "eth1", true));
    assert_eq!(operations(&effects).len(), 2, "on the new link: {effects:?}");
    echo(&mut d, &effects);
    let effects = d.step(Event::Stop);
    let wanted = [
        "remove IPv4 rule with preference 5",
        "remove route to 10.6.0.0/16 in table 254",
        "remove address 10.5.0.1/24 on interface 4",
    ];
    assert_eq!(operations(&effects), wanted, "the other way round");
}

#[test]
fn routes_and_rules_that_somebody_removes_are_put_back() {
    let mut d = Desk::new(&instance(RULES));
    let effects = d.pass(4.0);
    let keys = added(&effects);
    let [_, route, loose, rule] = keys[..] else { panic!("{keys:?}") };
    echo(&mut d, &effects);
    assert_eq!(added(&steal(&mut d, route)), [route]);
    assert_eq!(added(&steal(&mut d, loose)), [], "no_track");
    for _ in 0..20 {
        assert_eq!(added(&steal(&mut d, rule)), [rule]);
        assert_eq!(d.state(), State::Master);
    }
    let effects = steal(&mut d, rule);
    assert_eq!((d.state(), priorities(&effects)), (State::Fault, vec![0]), "too often");
    d.pass(56.0);
    assert_eq!(d.state(), State::Fault);
    // The next time that it is MASTER, all is there again.
    let effects = d.pass(9.0);
    assert_eq!(added(&effects), keys);
}

#[test]
fn static_things_stolen_again_and_again_are_the_fault_of_who_tracks_them() {
    let mut d = Desk::new(&format!("{STATICS}{}", instance("")));
    echo_all_statics(&mut d);
    let Some(rule) = d.node.table().wanted().map(|(k, _)| *k).find(|k| matches!(k, Key::Rule(_))) else { panic!() };
    let Some(route) = d.node.table().wanted().map(|(k, _)| *k).find(|k| matches!(k, Key::Route(_))) else { panic!() };
    for _ in 0..30 {
        steal(&mut d, route);
    }
    assert_eq!(d.state(), State::Backup, "nobody tracks it");
    for _ in 0..20 {
        assert_eq!(added(&steal(&mut d, rule)), [rule]);
    }
    assert_eq!(added(&steal(&mut d, rule)), []);
    assert_eq!(d.state(), State::Fault);
}

/// The link of the static things comes, and the kernel tells of all of them.
fn echo_all_statics(d: &mut Desk) {
    let effects = d.step(link(3, "eth1", true));
    echo(d, &effects);
    let rules: Vec<_> = d.node.table().wanted().map(|(k, v)| (*k, v.clone())).collect();
    for (key, value) in rules {
        if let (Key::Rule(key), Value::Rule(value)) = (key, value) {
            d.step(Event::Kernel(News::Rule { key, value: *value }));
        }
    }
}

/// The kernel takes routes away without a word when the address that is their source goes.
#[test]
fn a_route_goes_with_its_source_and_comes_back_with_it() {
    let mut d = Desk::new(&format!("{STATICS}{}", instance("")));
    echo_all_statics(&mut d);
    let Some(address) = d.node.table().wanted().map(|(k, _)| *k).find(|k| matches!(k, Key::Address(_))) else {
        panic!()
    };
    let put_back = added(&steal(&mut d, address));
    assert!(matches!(put_back[..], [Key::Address(_), Key::Route(_)]), "{put_back:?}");
}

#[test]
fn short_changes_of_a_link_with_delays_do_not_count() {
    let mut d = Desk::new(&format!("interface_up_down_delays {{\n eth0 2 1\n}}\n{}", instance("")));
    d.pass(4.0);
    assert_eq!(d.state(), State::Master);
    d.step(link(2, "eth0", false));
    d.pass(1.9);
    d.step(link(2, "eth0", true));
    d.pass(5.0);
    assert_eq!(d.state(), State::Master);
    d.step(link(2, "eth0", false));
    d.pass(1.9);
    assert_eq!(d.state(), State::Master);
    // The first moment counts, whatever else is told of the link meanwhile.
    d.step(link(2, "eth0", false));
    d.pass(0.2);
    assert_eq!(d.state(), State::Fault);
    d.step(link(2, "eth0", true));
    d.pass(0.9);
    assert_eq!(d.state(), State::Fault);
    d.pass(0.2);
    assert_eq!(d.state(), State::Backup);
}

#[test]
fn polled_links_are_as_their_hardware_says() {
    let mut d = Desk::new(&format!("linkbeat_interfaces {{\n eth0 MII\n}}\n{}", instance("")));
    let beat = |up| Event::Kernel(News::Beat { ifindex: 2, up });
    assert_eq!(d.node.polled().len(), 1);
    d.step(beat(false));
    assert_eq!(d.state(), State::Fault);
    d.step(link(2, "eth0", false));
    d.step(link(2, "eth0", true));
    assert_eq!(d.state(), State::Fault, "the kernel's word does not count");
    d.step(beat(true));
    assert_eq!(d.state(), State::Backup);
}

#[test]
fn a_route_needs_its_links_unless_it_is_not_tracked() {
    let route = |more| {
        format!(
            "virtual_routes {{\n 10.7.0.0/16 nexthop via 10.0.0.9 dev eth0 nexthop via 10.5.0.9 dev eth1\n {more} }}"
        )
    };
    let d = Desk::new(&instance(&route("")));
    assert_eq!(d.state(), State::Fault, "there is no eth1");
    let mut d = Desk::new(&instance("virtual_routes {\n 10.7.0.0/16 via 10.5.0.9 dev eth1 no_track\n }"));
    assert_eq!(d.state(), State::Backup);
    let effects = d.pass(4.0);
    assert_eq!(operations(&effects).len(), 1, "the address alone: {effects:?}");
    assert_eq!(operations(&d.step(link(3, "eth1", true))), ["add route to 10.7.0.0/16 in table 254"]);
}

// ---- VRRP ------------------------------------------------------------------------------------------------------

#[test]
fn alone_it_becomes_master_after_the_interval_and_not_before() {
    let mut d = Desk::new(&instance("state MASTER"));
    // 3 s and a skew of 156/256 s.
    d.pass(3.609_374);
    assert_eq!(d.state(), State::Backup);
    let effects = d.pass(0.000_002);
    assert_eq!(d.state(), State::Master);
    assert_eq!(priorities(&effects), [100]);
    assert_eq!(operations(&effects), ["add address 10.0.0.100/32 on interface 2"]);
    let announced = effects.iter().filter(|e| matches!(e, Effect::Announce { .. })).count();
    assert_eq!(announced, 5, "first burst");
    let later = d.pass(5.5);
    assert_eq!(priorities(&later), [100; 5]);
    assert_eq!(later.iter().filter(|e| matches!(e, Effect::Announce { .. })).count(), 5, "second burst");
}

#[test]
fn the_election() {
    let mut d = Desk::new(&instance(""));
    // A better, then an equal one hold it back; a lower one does not.
    for _ in 0..4 {
        d.pass(3.0);
        d.hear(OTHER, 150);
    }
    d.pass(3.0);
    d.hear(OTHER, 100);
    for _ in 0..4 {
        d.pass(0.9);
        assert_eq!(d.state(), State::Backup);
        d.hear(OTHER, 50);
    }
    d.pass(0.1);
    assert_eq!(d.state(), State::Master);
    // MASTER answers a lower one, and an equal one whose address is lower.
    assert_eq!(priorities(&d.hear(OTHER, 50)), [100]);
    assert_eq!(priorities(&d.hear(Ipv4Addr::new(10, 0, 0, 0), 100)), [100]);
    assert_eq!(d.state(), State::Master);
    // An equal one whose address is higher wins, and is obeyed without a word.
    let effects = d.hear(OTHER, 100);
    assert_eq!((priorities(&effects), d.state()), (vec![], State::Backup));
    assert_eq!(operations(&effects), ["remove address 10.0.0.100/32 on interface 2"]);
}

#[test]
fn priority_zero() {
    let mut d = Desk::new(&instance(""));
    d.hear(OTHER, 150);
    d.hear(OTHER, 0);
    d.pass(0.609_374);
    assert_eq!(d.state(), State::Backup);
    d.pass(0.000_002);
    assert_eq!(d.state(), State::Master, "after the skew");
    assert_eq!(priorities(&d.hear(OTHER, 0)), [100], "MASTER answers it at once");
    let effects = d.step(Event::Stop);
    assert_eq!(priorities(&effects), [0]);
    let sent = effects.iter().position(|e| matches!(e, Effect::Send { .. }));
    let removed = effects.iter().position(|e| matches!(e, Effect::Kernel(_)));
    assert!(sent < removed, "first the others are told");
    assert!(d.node.is_stopped());
}

#[test]
fn an_owners_address_is_its_own() {
    let vip = "priority 255\n state MASTER\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n";
    let mut d = Desk::new(&format!("vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n {vip}"));
    let effects = d.pass(3.5);
    assert_eq!((d.state(), priorities(&effects), operations(&effects)), (State::Master, vec![255; 4], vec![]));
    let effects = d.step(Event::Stop);
    let gone = operations(&effects);
    assert!(
        priorities(&effects) == [0] && !gone.iter().any(|o| o.contains("address")),
        "it was there before us: {gone:?}"
    );
}

#[test]
fn without_its_address_a_master_says_farewell() {
    let mut d = Desk::new(&instance(""));
    d.pass(4.0);
    assert_eq!(d.state(), State::Master);
    let key = AddressKey { ifindex: 2, net: "10.0.0.1/24".parse().unwrap() };
    let effects = d.step(Event::Kernel(News::AddressGone { key }));
    assert_eq!((d.state(), priorities(&effects)), (State::Fault, vec![0]));
    assert_eq!(operations(&effects), ["remove address 10.0.0.100/32 on interface 2"]);
}

#[test]
fn a_reload_that_joins_a_backup_and_a_master() {
    let two = |more: &str| {
        let b =
            "vrrp_instance VI_2 {\n interface eth0\n virtual_router_id 52\n virtual_ipaddress {\n 10.0.0.101\n }\n}\n";
        format!("{}{b}{more}", instance(""))
    };
    let mut d = Desk::new(&two(""));
    let beside = |d: &mut Desk| {
        let bytes = advert(OTHER, 52, 200, None);
        d.pass(1.0);
        d.step(Event::Packet { ifindex: 2, bytes: &bytes })
    };
    (0..5).for_each(|_| drop(beside(&mut d)));
    assert_eq!((d.state(), d.node.vrrp.instances[1].state), (State::Master, State::Backup));
    let host = Host { hostname: "desk".into(), config_id: "desk".into(), ..Host::default() };
    let text = two("vrrp_sync_group G {\n group {\n VI_1\n VI_2\n }\n}\n");
    let config = load("test.conf", text.into_bytes(), host).config.unwrap();
    d.step(Event::Reload(Rc::new(config)));
    beside(&mut d);
    assert_eq!((d.state(), d.node.vrrp.instances[1].state), (State::Backup, State::Backup));
    (0..5).for_each(|_| drop(beside(&mut d)));
    assert_eq!(d.state(), State::Backup, "it stays with the other");
}

#[test]
fn nopreempt_and_preempt_delay() {
    let mut d = Desk::new(&instance("state BACKUP\n nopreempt"));
    for _ in 0..10 {
        d.pass(1.0);
        d.hear(OTHER, 50);
    }
    assert_eq!(d.state(), State::Backup);
    d.pass(3.7);
    assert_eq!(d.state(), State::Master, "with nobody there it takes over");

    let mut d = Desk::new(&instance("state BACKUP\n preempt_delay 10"));
    for _ in 0..10 {
        d.pass(1.0);
        d.hear(OTHER, 50);
        assert_eq!(d.state(), State::Backup);
    }
    // The delay has run from the first lower advert; then the interval runs out.
    for _ in 0..5 {
        d.pass(1.0);
        d.hear(OTHER, 50);
    }
    assert_eq!(d.state(), State::Master);
}

#[test]
fn foreign_and_broken_packets_change_nothing() {
    let mut d = Desk::new(&instance("authentication {\n auth_type PASS\n auth_pass example\n }"));
    d.pass(4.0);
    assert_eq!(d.state(), State::Master);
    let good = advert(OTHER, 51, 200, Some(b"example\0"));
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n as u64) as usize
    };
    let mut valid = 0;
    for _ in 0..200_000 {
        let mut bytes = good.clone();
        for _ in 0..=random(3) {
            match random(4) {
                0 => bytes.truncate(random(bytes.len() + 1)),
                1 => bytes.extend((0..random(40)).map(|i| i as u8)),
                _ if !bytes.is_empty() => {
                    let at = random(bytes.len());
                    bytes[at] = random(256) as u8;
                }
                _ => {}
            }
        }
        // Bytes that only the kernel looks at may change in a good packet, and two changes may even out in the sum.
        let harmless = Ipv4::parse(&bytes).is_ok_and(|(ip, payload)| {
            let second = Duration::from_secs(1);
            let valid =
                |a: vrrp::Advert| a.vrid == 51 && a.interval == second && a.auth == vrrp::Auth::Pass(*b"example\0");
            let ends = vrrp::Ends { src: ip.src.into(), dst: ip.dst.into() };
            let group = Ipv4Addr::new(224, 0, 0, 18);
            let parsed = vrrp::Advert::parse(payload, 2, ends, &[vrrp::Rule::Plain]);
            ip.ttl == 255 && ip.protocol == 112 && ip.dst == group && parsed.is_ok_and(valid)
        });
        if harmless {
            valid += 1;
            continue;
        }
        let effects = d.step(Event::Packet { ifindex: 2, bytes: &bytes });
        assert_eq!(d.state(), State::Master, "{bytes:02x?}");
        assert!(!effects.iter().any(|e| !matches!(e, Effect::Note(_))), "{effects:?} for {bytes:02x?}");
    }
    assert!(valid < 100_000);
    let n = &d.node.vrrp.instances[0];
    assert!(n.counters.dropped.iter().filter(|c| **c > 0).count() >= 6, "{:?}", n.counters);
    assert_eq!(n.counters.advert_rcvd, 0);
    d.step(Event::Packet { ifindex: 2, bytes: &good });
    assert_eq!(d.state(), State::Backup, "the good one counts");
}

#[test]
fn a_kind_of_fault_is_said_once() {
    let mut d = Desk::new(&instance(""));
    let wrong = advert(OTHER, 51, 200, Some(b"example\0"));
    let notes = |effects: Vec<Effect>| effects.iter().filter(|e| matches!(e, Effect::Note(_))).count();
    assert_eq!(notes(d.step(Event::Packet { ifindex: 2, bytes: &wrong })), 1);
    for _ in 0..100 {
        assert_eq!(notes(d.step(Event::Packet { ifindex: 2, bytes: &wrong })), 0);
    }
    assert_eq!(d.node.vrrp.instances[0].counters.dropped.iter().sum::<u32>(), 101);
}

#[test]
fn a_router_given_twice_survives_reloads() {
    let text = instance("") + &instance("").replace("VI_1", "VI_2");
    let mut d = Desk::new(&text);
    d.pass(4.0);
    let states = |d: &Desk| d.node.vrrp.instances.iter().map(|n| n.state).collect::<Vec<_>>();
    assert_eq!(states(&d), [State::Master, State::Fault]);
    for _ in 0..3 {
        let config = d.node.config().clone();
        assert!(d.step(Event::Reload(config)).is_empty());
        assert_eq!(states(&d), [State::Master, State::Fault]);
    }
    d.step(Event::Stop);
    assert!(d.node.is_stopped() && d.node.table().is_empty_handed());
}

// ---- the forms of adverts --------------------------------------------------------------------------------------

/// An advert of version 3 for router 51.
fn advert3(src: &str, dst: &str, ttl: u8, priority: u8, centiseconds: u64, rule: vrrp::Rule) -> Vec<u8> {
    let ends = vrrp::Ends { src: src.parse().unwrap(), dst: dst.parse().unwrap() };
    let interval = Duration::from_millis(10 * centiseconds);
    let auth = vrrp::Auth::None;
    let advert = vrrp::Outgoing { version: 3, vrid: 51, priority, interval, auth, rule, ends };
    let mut w = Writer::new();
    let vip: IpAddr = if ends.dst.is_ipv4() { [10, 0, 0, 100].into() } else { "fe80::51".parse().unwrap() };
    Head { src: ends.src, dst: ends.dst, ttl, protocol: 112 }.emit(1, advert.size(1), &mut w);
    advert.emit(std::iter::once(vip), &mut w);
    w.bytes
}

fn heads(effects: &[Effect]) -> Vec<Head> {
    let head = |e: &Effect| match e {
        Effect::Send { bytes, .. } => Head::parse(bytes).map(|(head, _)| head),
        _ => None,
    };
    effects.iter().filter_map(head).collect()
}

fn sockets(d: &Desk) -> Vec<String> {
    let wanted = d.node.table().wanted().filter(|(k, _)| matches!(k, Key::Socket(_)));
    wanted.map(|(k, _)| k.to_string()).collect()
}

#[test]
fn unicast_goes_to_each_peer_and_to_nobody_else() {
    let mut d = Desk::new(&instance(
        "version 3\n check_unicast_src\n unicast_ttl 9\n unicast_peer {\n 10.0.0.2\n 10.9.0.3 min_ttl 60 max_ttl 64\n }",
    ));
    assert_eq!(sockets(&d), ["socket for protocol 112 on interface 2, address 10.0.0.1"]);
    let all = heads(&d.pass(4.0));
    let to: Vec<String> = all.iter().map(|h| format!("{} {}", h.dst, h.ttl)).collect();
    assert_eq!(to, ["10.0.0.2 9", "10.9.0.3 9"]);
    assert!(all.iter().all(|h| h.src.to_string() == "10.0.0.1"));
    // Who is no peer, and who comes from too near or too far, is not heard; nor is the group.
    let pseudo = vrrp::Rule::Pseudo;
    for bytes in [
        advert3("10.0.0.4", "10.0.0.1", 255, 200, 100, pseudo),
        advert3("10.9.0.3", "10.0.0.1", 59, 200, 100, pseudo),
        advert3("10.9.0.3", "10.0.0.1", 65, 200, 100, pseudo),
        advert3("10.0.0.2", "224.0.0.18", 255, 200, 100, pseudo),
    ] {
        d.step(Event::Packet { ifindex: 2, bytes: &bytes });
        assert_eq!(d.state(), State::Master, "{bytes:02x?}");
    }
    let (stranger, ttl) = (vrrp::Bad::Stranger.index(), vrrp::Bad::PeerTtl(0).index());
    let dropped = d.node.vrrp.instances[0].counters.dropped;
    assert_eq!((dropped[stranger], dropped[ttl]), (1, 2));
    let bytes = advert3("10.9.0.3", "10.0.0.1", 60, 200, 100, pseudo);
    d.step(Event::Packet { ifindex: 2, bytes: &bytes });
    assert_eq!(d.state(), State::Backup);
    assert_eq!(heads(&d.step(Event::Stop)), []);
}

#[test]
fn an_old_unicast_peer_is_answered_in_its_own_way() {
    for (more, old_is_heard) in [("", true), ("old_unicast_checksum never", false)] {
        let mut d = Desk::new(&instance(&format!("version 3\n unicast_peer {{\n 10.0.0.2\n }}\n {more}")));
        d.pass(4.0);
        let bytes = advert3("10.0.0.2", "10.0.0.1", 255, 50, 100, vrrp::Rule::PseudoGroup);
        let effects = d.step(Event::Packet { ifindex: 2, bytes: &bytes });
        let sent = effects.iter().find_map(|e| match e {
            Effect::Send { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        assert_eq!(sent.is_some(), old_is_heard);
        if let Some(sent) = sent {
            let (head, payload) = Head::parse(&sent).unwrap();
            let ends = vrrp::Ends { src: head.src, dst: head.dst };
            assert!(vrrp::Advert::parse(payload, 3, ends, &[vrrp::Rule::PseudoGroup]).is_ok());
        }
    }
}

#[test]
fn without_an_interface_the_source_address_is_enough() {
    let text =
        "vrrp_instance VI_1 {\n virtual_router_id 51\n unicast_src_ip 10.0.0.1\n unicast_peer {\n 10.0.0.2\n }\n\
                virtual_ipaddress {\n 10.0.0.100 dev eth0\n }\n}\n";
    let mut d = Desk::new(text);
    assert_eq!(sockets(&d), ["socket for protocol 112 on interface 0, address 10.0.0.1"]);
    let effects = d.pass(4.0);
    assert_eq!(operations(&effects), ["add address 10.0.0.100/32 on interface 2"]);
    // What the kernel refuses is tried again.
    let key = d.node.table().wanted().map(|(k, _)| *k).find(|k| matches!(k, Key::Socket(_))).unwrap();
    d.step(Event::Answer(Op::Add(key, holdfast::wire::op::Value::Socket), Outcome::Refused(99)));
    assert_eq!(d.state(), State::Fault);
    d.pass(5.1);
    assert_eq!(d.state(), State::Backup);
    // Without that address it waits until the address is there, on whatever interface.
    let mut d = Desk::new(&text.replace("10.0.0.1\n", "10.0.0.44\n"));
    assert_eq!((d.state(), sockets(&d).len()), (State::Fault, 0));
    d.pass(20.0);
    assert_eq!(d.state(), State::Fault);
    let key = AddressKey { ifindex: 2, net: "10.0.0.44/32".parse().unwrap() };
    d.step(Event::Kernel(News::Address { key, value: AddressValue::default(), primary: true }));
    assert_eq!((d.state(), sockets(&d).len()), (State::Backup, 1));
}

#[test]
fn unicast_without_peers_is_a_fault_if_it_is_to_be() {
    let mut d = Desk::new(&instance("unicast_peer {\n }"));
    assert!(priorities(&d.pass(4.0)).is_empty());
    assert_eq!(d.state(), State::Master);
    let d = Desk::new(&instance("unicast_fault_no_peer\n unicast_peer {\n }"));
    assert_eq!(d.state(), State::Fault);
}

#[test]
fn version_3_goes_by_the_masters_interval() {
    let mut d = Desk::new(&instance("version 3").replace("advert_int 1", "advert_int 0.05"));
    // 150 ms and a skew of 156/256 of 50 ms.
    d.pass(0.180_4);
    assert_eq!(d.state(), State::Backup);
    d.pass(0.000_1);
    assert_eq!(d.state(), State::Master);
    assert_eq!(priorities(&d.pass(0.5)).len(), 10);
    let slow = advert3("10.0.0.2", "224.0.0.18", 255, 200, 200, vrrp::Rule::Pseudo);
    d.step(Event::Packet { ifindex: 2, bytes: &slow });
    assert_eq!(d.state(), State::Backup);
    // 6 s and a skew of 156/256 of 2 s.
    d.pass(7.218);
    assert_eq!(d.state(), State::Backup);
    d.pass(0.001);
    assert_eq!(d.state(), State::Master);
    // As MASTER it goes by its own again, and no time at all is no interval.
    let never = advert3("10.0.0.2", "224.0.0.18", 255, 200, 0, vrrp::Rule::Pseudo);
    d.step(Event::Packet { ifindex: 2, bytes: &never });
    assert_eq!(d.state(), State::Master);
}

#[test]
fn version_3_without_a_pseudo_header() {
    let plain = advert3("10.0.0.2", "224.0.0.18", 255, 200, 100, vrrp::Rule::Plain);
    let mut d = Desk::new(&instance("version 3"));
    d.pass(4.0);
    let effects = d.step(Event::Packet { ifindex: 2, bytes: &plain });
    let text: Vec<String> =
        effects.iter().map(|e| if let Effect::Note(n) = e { n.to_string() } else { String::new() }).collect();
    assert!(text.len() == 1 && text[0].contains("v3_checksum_as_v2"), "{text:?}");
    let mut d = Desk::new(&instance("version 3\n v3_checksum_as_v2"));
    d.pass(4.0);
    d.step(Event::Packet { ifindex: 2, bytes: &plain });
    assert_eq!(d.state(), State::Backup);
    // Any other counts as well, and what is wrong with it is said once.
    d.pass(4.0);
    assert_eq!(d.state(), State::Master);
    let pseudo = advert3("10.0.0.2", "224.0.0.18", 255, 200, 100, vrrp::Rule::Pseudo);
    let mut said = Vec::new();
    for _ in 0..3 {
        said.extend(d.step(Event::Packet { ifindex: 2, bytes: &pseudo }).into_iter().filter_map(|e| match e {
            Effect::Note(note @ Note::Forgiven { .. }) => Some(note.to_string()),
            _ => None,
        }));
    }
    assert!(said.len() == 1 && said[0].contains("without v3_checksum_as_v2"), "{said:?}");
    let n = &d.node.vrrp.instances[0];
    assert_eq!((n.state, n.counters.dropped[vrrp::Bad::Checksum(0, None).index()]), (State::Backup, 3));
}

fn plug(d: &mut Desk, ifindex: u32, name: &str) {
    let more = LinkMore { wanted_up: true, ..LinkMore::default() };
    let mac = Mac([2, 0, 0, 0, 0, ifindex as u8]);
    let link = Link { ifindex, name: name.parse().unwrap(), up: true, mac, mtu: 1500, no_arp: false, more };
    d.step(Event::Kernel(News::Link(link)));
}

#[test]
fn unicast_without_an_interface_is_heard_in_its_vrf() {
    let mut d = Desk::new(
        "vrrp_instance VI_1 {\n virtual_router_id 51\n vrf red\n unicast_src_ip 10.0.0.1\n\
         unicast_peer {\n 10.0.0.2\n }\n virtual_ipaddress {\n 10.0.0.100 dev eth0\n }\n}\n",
    );
    assert_eq!(d.state(), State::Fault);
    plug(&mut d, 7, "red");
    assert_eq!(d.state(), State::Backup);
    let sockets: Vec<u32> = d
        .node
        .table()
        .wanted()
        .filter_map(|(k, _)| if let Key::Socket(s) = k { Some(s.ifindex) } else { None })
        .collect();
    assert_eq!(sockets, [7]);
}

#[test]
fn links_without_adverts_are_told_of_now_and_then() {
    let elsewhere = "virtual_ipaddress_excluded {\n 10.78.0.1/24 dev eth1\n 10.78.0.2/24 dev eth1\n }";
    for (extra, wanted) in [("garp_extra_if all 2", 1), ("garp_extra_if 2", 0), ("", 0)] {
        let garp = "garp_master_delay 1\n garp_master_repeat 1";
        let mut d = Desk::new(&instance(&format!("{extra}\n {garp}\n {elsewhere}")));
        plug(&mut d, 5, "eth1");
        d.pass(3.7);
        assert_eq!(d.state(), State::Master);
        d.pass(1.0);
        let mut told = |seconds| -> Vec<(u32, String)> {
            let all = d.pass(seconds).into_iter();
            all.filter_map(|e| match e {
                Effect::Announce { ifindex, ip, .. } => Some((ifindex, ip.to_string())),
                _ => None,
            })
            .collect()
        };
        assert_eq!(told(1.8), []);
        assert_eq!(told(0.2), vec![(5, "10.78.0.1".to_string()); wanted], "{extra}");
        assert_eq!(told(4.0), vec![(5, "10.78.0.1".to_string()); 2 * wanted], "{extra}");
    }
}

/// keepalived's packet number 1 of router 51, priority 150, for 10.0.0.100 and .101, key 12345678, from 10.0.0.1.
const SEALED: &str = "45c0004400010000ff33d0b20a000001e0000012700400000a000001000000014d139135f5e81c108ab08a6d\
                      21339602020132000a0000640a0000650000000000000000";

#[test]
fn sealed_adverts_count_once() {
    let bytes: Vec<u8> =
        (0..SEALED.len() / 2).map(|i| u8::from_str_radix(&SEALED[2 * i..2 * i + 2], 16).unwrap()).collect();
    let auth = |key: &str| format!("mcast_src_ip 10.0.0.7\n authentication {{\n auth_type AH\n auth_pass {key}\n }}");
    let mut d = Desk::new(&instance(&auth("12345678")));
    assert_eq!(sockets(&d), ["socket for protocol 51 on interface 2, group 224.0.0.18"]);
    d.pass(4.0);
    d.step(Event::Packet { ifindex: 2, bytes: &bytes });
    assert_eq!(d.state(), State::Backup);
    d.pass(4.0);
    assert_eq!(d.state(), State::Master);
    d.step(Event::Packet { ifindex: 2, bytes: &bytes });
    assert_eq!(d.state(), State::Master, "somebody sends it again");
    assert_eq!(d.node.vrrp.instances[0].counters.dropped[vrrp::Bad::Sequence(0).index()], 1);
    let numbers: Vec<u32> = d
        .pass(3.0)
        .iter()
        .filter_map(|e| match e {
            Effect::Send { bytes, .. } => ah::open(b"12345678", bytes).ok().map(|o| o.sequence),
            _ => None,
        })
        .collect();
    assert!(numbers.len() == 3 && numbers[0] > 1 && numbers.windows(2).all(|n| n[0] < n[1]), "{numbers:?}");
    let mut d = Desk::new(&instance(&auth("12345679")));
    d.pass(4.0);
    d.step(Event::Packet { ifindex: 2, bytes: &bytes });
    assert_eq!(d.state(), State::Master, "another key");
}

#[test]
fn ipv6_speaks_from_its_link_local_address() {
    let text = "vrrp_instance VI_6 {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n fe80::51\n fd00::1/64\n }\n\
                virtual_ipaddress_excluded {\n 10.0.0.200\n }\n}\n";
    let mut d = Desk::new(&(text.to_string() + &instance("")));
    assert_eq!(
        sockets(&d),
        [
            "socket for protocol 112 on interface 2, group 224.0.0.18",
            "socket for protocol 112 on interface 2, group ff02::12"
        ]
    );
    let effects = d.pass(4.0);
    let six: Vec<Head> = heads(&effects).into_iter().filter(|h| h.dst.is_ipv6()).collect();
    let (src, dst) = ("fe80::1".parse().unwrap(), "ff02::12".parse().unwrap());
    assert_eq!(six, [Head { src, dst, ttl: 255, protocol: 112 }]);
    let added = operations(&effects);
    for address in ["fe80::51/128", "fd00::1/64", "10.0.0.200/32", "10.0.0.100/32"] {
        assert!(added.contains(&format!("add address {address} on interface 2")), "{address}: {added:?}");
    }
    let told = effects.iter().filter(|e| matches!(e, Effect::Announce { ip, .. } if ip.is_ipv6())).count();
    assert_eq!(told, 10, "two addresses, five rounds");
    // The same VRID of the other family is another router.
    let better = advert3("fe80::2", "ff02::12", 255, 200, 100, vrrp::Rule::Pseudo);
    d.step(Event::Packet { ifindex: 2, bytes: &better });
    let states: Vec<State> = d.node.vrrp.instances.iter().map(|n| n.state).collect();
    assert_eq!(states, [State::Backup, State::Master]);
}

// ---- trackers --------------------------------------------------------------------------------------------------

/// Ends every run that is under way, now.
fn end(d: &mut Desk, verdict: Verdict) -> Vec<Effect> {
    d.pass(0.0);
    let runs = std::mem::take(&mut d.runs);
    assert!(!runs.is_empty(), "nothing runs");
    runs.into_iter().flat_map(|(id, _)| d.step(Event::Ran { id, verdict: verdict.clone(), ended: true })).collect()
}

fn bad() -> Verdict {
    Verdict::Down(Reason::Exit(1))
}

fn notes(effects: &[Effect]) -> Vec<String> {
    let text = |e: &Effect| match e {
        Effect::Note(note) => Some(note.to_string()),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

/// A script of that weight, and an instance that tracks it.
fn tracked(script: &str, more: &str) -> String {
    format!(
        "vrrp_script chk {{\n script \"/bin/chk\"\n {script}\n}}\n{}",
        instance(&format!("track_script {{\n chk\n }}\n{more}"))
    )
}

#[test]
fn a_failing_script_lowers_the_priority_and_the_instance_yields() {
    let mut d = Desk::new(&tracked("weight -20", ""));
    end(&mut d, Verdict::Up);
    for _ in 0..5 {
        d.pass(1.0);
        end(&mut d, Verdict::Up);
    }
    assert_eq!(d.state(), State::Master);
    // Somebody with 90 is not obeyed...
    assert_eq!(priorities(&d.hear(OTHER, 90)), [100]);
    d.pass(1.0);
    let effects = end(&mut d, bad());
    assert_eq!(
        notes(&effects),
        ["VRRP_Script(chk) failed (exited with status 1)", "(VI_1) Changing effective priority from 100 to 80"]
    );
    assert_eq!(priorities(&d.pass(1.0)), [80]);
    // ... until the script fails.
    d.hear(OTHER, 90);
    assert_eq!(d.state(), State::Backup);
    // And the other way round: the running timer moves, and the lower one is heard no more.
    let before = d.node.vrrp.instances[0].deadline.unwrap();
    let effects = end(&mut d, Verdict::Up);
    assert_eq!(notes(&effects), ["VRRP_Script(chk) succeeded", "(VI_1) Changing effective priority from 80 to 100"]);
    let moved = before.since(d.node.vrrp.instances[0].deadline.unwrap()).as_micros();
    assert_eq!(moved, 20 * 1_000_000 / 256, "by the difference of the skews");
    for _ in 0..4 {
        d.pass(0.9);
        d.hear(OTHER, 90);
    }
    d.pass(0.1);
    assert_eq!(d.state(), State::Master);
}

#[test]
fn weight_zero_is_fault_and_the_first_result_is_waited_for() {
    let mut d = Desk::new(&tracked("interval 10\n timeout 5", "notify /bin/told"));
    let effects = d.pass(9.0);
    assert_eq!(
        (d.state(), effects.len(), d.runs.len()),
        (State::Init, 1, 1),
        "it runs, and nothing else happens: {effects:?}"
    );
    let spawned = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Spawn(_))).count();
    let effects = end(&mut d, Verdict::Up);
    assert_eq!((d.state(), spawned(&effects)), (State::Backup, 1));
    d.pass(3.7);
    assert_eq!(d.state(), State::Master);
    let effects = end(&mut d, bad());
    assert_eq!((d.state(), priorities(&effects), spawned(&effects)), (State::Fault, vec![0], 1));
    assert!(notes(&effects).contains(&"(VI_1) Entering FAULT STATE: script chk fails".to_string()));
    d.pass(10.0);
    end(&mut d, Verdict::Up);
    assert_eq!(d.state(), State::Backup);
    d.pass(3.7);
    assert_eq!(d.state(), State::Master);

    let mut d = Desk::new(&tracked("", ""));
    end(&mut d, bad());
    assert_eq!(d.state(), State::Fault, "the first result says so");
    let d = Desk::new(&tracked("init_fail", ""));
    assert_eq!(d.state(), State::Fault, "assumed to fail");
    let d = Desk::new(&tracked("weight 10", ""));
    assert_eq!(d.state(), State::Backup, "a weight is not waited for");
    assert_eq!(d.node.vrrp.instances[0].priority, 100);
}

#[test]
fn rise_and_fall() {
    let mut d = Desk::new(&tracked("weight 10\n rise 2\n fall 3", ""));
    let mut story = |verdicts: &[bool]| -> Vec<u8> {
        let mut result = |good: &bool| {
            end(&mut d, if *good { Verdict::Up } else { bad() });
            d.pass(1.0);
            d.node.vrrp.instances[0].priority
        };
        verdicts.iter().map(&mut result).collect()
    };
    assert_eq!(story(&[true, false, false, true, false, false, false]), [110, 110, 110, 110, 110, 110, 100]);
    assert_eq!(story(&[true, false, true, true]), [100, 100, 100, 110]);
}

#[test]
fn a_script_runs_by_its_interval_and_never_twice_at_once() {
    let mut d = Desk::new(&tracked("interval 2\n weight 10", ""));
    d.pass(0.0);
    assert_eq!(d.runs.len(), 1, "at once");
    d.pass(7.0);
    assert_eq!(d.runs.len(), 1, "it has not ended");
    let (id, _) = d.runs[0];
    // It hangs even when it is killed: that counts once, and it still does not run twice.
    let hangs = || Verdict::Down(Reason::Timeout("the program to end"));
    let effects = d.step(Event::Ran { id, verdict: hangs(), ended: false });
    assert_eq!(notes(&effects), ["VRRP_Script(chk) timed_out"]);
    d.pass(4.0);
    assert_eq!(d.runs.len(), 1);
    assert!(d.step(Event::Ran { id, verdict: hangs(), ended: true }).is_empty());
    d.pass(0.9);
    assert_eq!(d.runs.len(), 1);
    d.pass(0.1);
    assert_eq!(d.runs.len(), 2, "from start to start");
    // What could not be started says nothing.
    d.runs.remove(0);
    end(&mut d, Verdict::Up);
    d.pass(2.0);
    let effects = end(&mut d, Verdict::Down(Reason::Spawn(2)));
    assert_eq!((notes(&effects).len(), d.node.vrrp.instances[0].priority), (1, 110));
    let run = d.pass(2.0);
    assert!(run.iter().any(|e| matches!(e, Effect::Run(_))));
    let effects = d.step(Event::Stop);
    assert!(matches!(effects[0], Effect::StopRun(_)), "{effects:?}");
    assert!(d.node.is_stopped() && d.node.deadline().is_none());
}

fn two_in_a_group(script: &str, group: &str, first: &str) -> String {
    let second =
        "vrrp_instance VI_2 {\n interface eth0\n virtual_router_id 52\n virtual_ipaddress {\n 10.0.0.101\n }\n}\n";
    let group = format!("vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n {group}\n}}\n");
    format!("vrrp_script chk {{\n script \"/bin/chk\"\n {script}\n}}\n{}{second}{group}", instance(first))
}

#[test]
fn trackers_of_a_group_are_those_of_its_members() {
    let states = |d: &Desk| d.node.vrrp.instances.iter().map(|n| n.state).collect::<Vec<_>>();
    let priorities = |d: &Desk| d.node.vrrp.instances.iter().map(|n| n.priority).collect::<Vec<_>>();
    let track = "track_script {\n chk\n }";
    let mut d = Desk::new(&two_in_a_group("", track, ""));
    assert_eq!(states(&d), [State::Init, State::Init]);
    end(&mut d, Verdict::Up);
    assert_eq!(states(&d), [State::Backup, State::Backup]);
    d.pass(5.0);
    assert_eq!(states(&d), [State::Master, State::Master]);
    end(&mut d, bad());
    assert_eq!((states(&d), priorities(&d)), (vec![State::Fault, State::Fault], vec![100, 100]));
    // A member's own script holds all of them, and is the fault of all of them.
    let mut d = Desk::new(&two_in_a_group("", "", track));
    assert_eq!(states(&d), [State::Init, State::Init]);
    end(&mut d, bad());
    assert_eq!(states(&d), [State::Fault, State::Fault]);
    d.pass(1.0);
    end(&mut d, Verdict::Up);
    assert_eq!(states(&d), [State::Backup, State::Backup]);
    // With weights.
    let mut d = Desk::new(&two_in_a_group("weight -20", track, ""));
    end(&mut d, bad());
    assert_eq!((states(&d), priorities(&d)), (vec![State::Backup, State::Backup], vec![80, 80]));
    // That of a member alone is not used, unless it is asked for.
    let d = Desk::new(&two_in_a_group("weight -20", "", track));
    assert!(d.runs.is_empty());
    let mut d = Desk::new(&two_in_a_group("weight -20", "sync_group_tracking_weight", track));
    end(&mut d, bad());
    assert_eq!((states(&d), priorities(&d)), (vec![State::Backup, State::Backup], vec![80, 100]));
    // A member's own interface is watched anyway.
    let d = Desk::new(&two_in_a_group("", "track_interface {\n eth0 weight 9\n }", ""));
    assert_eq!(priorities(&d), [100, 100]);
}

#[test]
fn links_files_and_processes() {
    let more = "track_interface {\n eth1 weight -30\n eth2 weight 5 reverse\n }\n track_file {\n f\n }\n track_process {\n p\n }";
    let defined = "track_file f {\n file /f\n weight 2\n}\nvrrp_track_process p {\n process x\n weight 10\n quorum 2\n fork_delay 3\n}\n";
    let mut d = Desk::new(&format!("{defined}{}", instance(more)));
    let p = |d: &Desk| d.node.vrrp.instances[0].priority;
    assert_eq!(p(&d), 70, "neither link is there");
    let link = |up| {
        let name: IfName = "eth1".parse().unwrap();
        let mac = Mac([2, 0, 0, 0, 0, 2]);
        Event::Kernel(News::Link(Link {
            ifindex: 3,
            name,
            up,
            mac,
            mtu: 1500,
            no_arp: false,
            more: Default::default(),
        }))
    };
    d.step(link(true));
    assert_eq!(p(&d), 100);
    d.step(Event::File { path: "/f", value: -20 });
    assert_eq!(p(&d), 60);
    d.step(Event::File { path: "/f", value: -200 });
    assert_eq!(d.state(), State::Fault, "-254 and less");
    d.step(Event::File { path: "/f", value: 0 });
    assert_eq!((p(&d), d.state()), (100, State::Backup));
    d.step(Event::Processes(&[2]));
    assert_eq!(p(&d), 110, "the first count is believed at once");
    d.step(Event::Processes(&[1]));
    d.pass(0.0);
    assert_eq!(p(&d), 100, "no terminate_delay");
    d.step(Event::Processes(&[2]));
    d.pass(2.9);
    assert_eq!(p(&d), 100);
    d.pass(0.2);
    assert_eq!(p(&d), 110, "after fork_delay");
    d.step(link(false));
    assert_eq!(p(&d), 80);
}

#[test]
fn a_reload_keeps_what_the_scripts_said() {
    let mut d = Desk::new(&tracked("weight -20\n fall 2", ""));
    end(&mut d, Verdict::Up);
    d.pass(5.0);
    let reload = |d: &mut Desk, text: &str| {
        let host = Host { hostname: "desk".into(), config_id: "desk".into(), ..Host::default() };
        let config = load("test.conf", text.as_bytes().to_vec(), host).config.unwrap();
        d.step(Event::Reload(Rc::new(config)))
    };
    let same = tracked("weight -20\n fall 2", "");
    assert!(reload(&mut d, &same).is_empty());
    // Another one with weight 0 does not hold the instance.
    let other = "vrrp_script other {\n script \"/bin/other\"\n}\n";
    let both = format!("{other}{}", same.replace("chk\n }", "chk\n other\n }"));
    reload(&mut d, &both);
    assert_eq!(d.state(), State::Master);
    d.pass(0.0);
    assert_eq!(d.runs.iter().map(|(_, w)| w.as_str()).collect::<Vec<_>>(), ["/bin/chk", "/bin/other"]);
    // A run that is under way belongs to its script, whose number is another now.
    let (chk, _) = d.runs.remove(0);
    for _ in 0..2 {
        d.step(Event::Ran { id: chk, verdict: bad(), ended: true });
        d.pass(1.0);
    }
    assert_eq!(d.node.vrrp.instances[0].priority, 100, "one run counts once");
    let effects = reload(&mut d, &instance(""));
    assert_eq!(effects.iter().filter(|e| matches!(e, Effect::StopRun(_))).count(), 2);
    assert_eq!(d.state(), State::Master);
}

// ---- LVS -------------------------------------------------------------------------------------------------------

const SERVICE: &str =
    "virtual_server 10.0.0.100 80 {\n delay_loop 6\n lb_algo rr\n lb_kind NAT\n protocol TCP\n QUORUM\n\
    sorry_server 10.0.0.99 80\n\
    real_server 10.0.0.11 80 {\n weight 2\n INHIBIT\n TCP_CHECK {\n connect_timeout 3\n }\n }\n\
    real_server 10.0.0.12 80 {\n weight 3\n TCP_CHECK {\n connect_timeout 3\n }\n }\n}\n";

/// Lets every check run once and answers it; by server, in the order of the file.
fn answer(d: &mut Desk, verdicts: [Verdict; 2]) -> Vec<Effect> {
    d.probes.clear();
    let mut all = Vec::new();
    while d.probes.len() < 2 {
        all.extend(d.pass(1.0));
        assert!(d.now < Instant(1000 * SECOND), "the checks do not run");
    }
    d.probes.sort_unstable();
    d.probes.dedup();
    for (id, verdict) in d.probes.clone().into_iter().zip(verdicts) {
        all.extend(d.step(Event::Verdict(id, verdict)));
    }
    all
}

fn down() -> Verdict {
    Verdict::Down(Reason::Connect(111))
}

#[test]
fn servers_quorum_and_sorry_server() {
    let mut d = Desk::new(&SERVICE.replace("QUORUM", "").replace("INHIBIT", ""));
    // At the first failure of a fresh server it goes; the last one takes the quorum with it.
    let first = operations(&answer(&mut d, [down(), Verdict::Up]));
    assert_eq!(first, ["remove real server [10.0.0.11]:80 of virtual server [10.0.0.100]:tcp:80"]);
    answer(&mut d, [down(), down()]); // one try is forgiven
    let second = operations(&answer(&mut d, [down(), down()]));
    assert_eq!(
        second,
        [
            "remove real server [10.0.0.12]:80 of virtual server [10.0.0.100]:tcp:80",
            "add real server [10.0.0.99]:80 of virtual server [10.0.0.100]:tcp:80"
        ]
    );
    let third = operations(&answer(&mut d, [Verdict::Up, down()]));
    assert_eq!(
        third,
        [
            "remove real server [10.0.0.99]:80 of virtual server [10.0.0.100]:tcp:80",
            "add real server [10.0.0.11]:80 of virtual server [10.0.0.100]:tcp:80"
        ]
    );
    let stop = operations(&d.step(Event::Stop));
    assert_eq!(stop, ["remove virtual server [10.0.0.100]:tcp:80"], "its servers go with it");
    assert!(d.node.is_stopped());
}

#[test]
fn quorum_with_hysteresis() {
    // Weights 2 and 3: up from 5, down below 3.
    let mut d = Desk::new(&SERVICE.replace("QUORUM", "quorum 4\n hysteresis 1").replace("INHIBIT", ""));
    let one_gone = operations(&answer(&mut d, [down(), Verdict::Up]));
    assert_eq!(one_gone.len(), 1, "3 is enough to stay up: {one_gone:?}");
    // Back, then the heavier one goes: 2 is not enough, and the sorry server stands in alone.
    answer(&mut d, [Verdict::Up, Verdict::Up]);
    answer(&mut d, [Verdict::Up, down()]);
    let lost = operations(&answer(&mut d, [Verdict::Up, down()]));
    assert_eq!(lost.len(), 3, "{lost:?}");
    assert!(lost[2].starts_with("add real server [10.0.0.99]:80"));
    let back = operations(&answer(&mut d, [Verdict::Up, Verdict::Up]));
    assert_eq!(back.len(), 3, "{back:?}");
    assert!(back[0].starts_with("remove real server [10.0.0.99]:80"));
}

#[test]
fn inhibited_servers_stay_with_weight_zero() {
    let mut d = Desk::new(&SERVICE.replace("QUORUM", "").replace("INHIBIT", "inhibit_on_failure"));
    let first = operations(&answer(&mut d, [down(), Verdict::Up]));
    assert_eq!(first.len(), 1);
    assert!(first[0].starts_with("set real server [10.0.0.11]:80") && first[0].contains("weight: 0"), "{first:?}");
    let back = operations(&answer(&mut d, [Verdict::Up, Verdict::Up]));
    assert!(back[0].contains("weight: 2"), "{back:?}");
}

#[test]
fn a_local_want_takes_no_server_down() {
    let mut d = Desk::new(&SERVICE.replace("QUORUM", "").replace("INHIBIT", ""));
    assert!(operations(&answer(&mut d, [Verdict::NotTried(24), Verdict::Up])).is_empty());
    assert_eq!(d.node.lvs.server_alive(0, 0), Some(true));
}

/// A virtual server that is held back, and a check that is not made: as if they were not there, also through reloads.
#[test]
fn what_is_held_back_does_nothing() {
    let text = SERVICE.replace("QUORUM", "").replace("INHIBIT", "PING_CHECK {\n }");
    let held = text.replace("lb_kind NAT", "lb_kind TUN type gre");
    let config = |text: &str| {
        let host = Host { hostname: "here".into(), ..Host::default() };
        Rc::new(load("test.conf", text.as_bytes().to_vec(), host).config.expect("a configuration"))
    };
    let mut d = Desk::new(&held);
    assert!(d.node.config().services[0].held.is_some());
    assert!(operations(&d.pass(20.0)).is_empty());
    assert!(d.probes.is_empty() && d.node.table().is_empty_handed());
    let served = d.step(Event::Reload(config(&text)));
    assert_eq!(operations(&served).len(), 3);
    answer(&mut d, [Verdict::Up, Verdict::Up]);
    assert_eq!(d.probes.len(), 2, "one check for each server");
    let gone = d.step(Event::Reload(config(&held)));
    assert_eq!(operations(&gone), ["remove virtual server [10.0.0.100]:tcp:80"]);
    d.probes.clear();
    d.pass(20.0);
    assert!(d.probes.is_empty() && d.node.table().is_empty_handed());
}

/// Word for word what keepalived 2.2.7 wrote for the same file, but for the password, which later ones mask.
#[test]
fn the_json_dump_is_that_of_keepalived() {
    let more = "state MASTER\n authentication {\n auth_type PASS\n auth_pass 1111\n }\n\
        notify_master \"/etc/up 'a b' c\"\n notify /etc/any\n smtp_alert\n garp_master_refresh 60\n\
        virtual_ipaddress_excluded {\n 10.1.0.1/24 brd + label eth0:1\n }\n\
        virtual_routes {\n 10.2.0.0/16 via 10.0.0.254 dev eth0 metric 5 table 100\n blackhole 10.3.0.0/16\n }\n";
    let mut desk = Desk::new(&instance(more));
    let data = |state: u8, set: &str, time: &str, version: &str| {
        format!(
            "{{\"data\":{{\"iname\":\"VI_1\",\"dont_track_primary\":0,\"skip_check_adv_addr\":0,\"strict_mode\":0,\
             \"vmac_ifname\":\"\",\"ifp_ifname\":\"eth0\",\"master_priority\":0,\"last_transition\":{time},\
             \"garp_delay\":5,\"garp_refresh\":60,\"garp_rep\":5,\"garp_refresh_rep\":1,\"garp_lower_prio_delay\":5,\
             \"garp_lower_prio_rep\":5,\"lower_prio_no_advert\":0,\"higher_prio_send_advert\":0,\"vrid\":51,\
             \"base_priority\":100,\"effective_priority\":100,\"vipset\":{},\"promote_secondaries\":false,\
             \"adver_int\":1,\"master_adver_int\":1,\"accept\":1,\"nopreempt\":false,\"preempt_delay\":0,\
             \"state\":{state},\"wantstate\":2,\"version\":{version},\"smtp_alert\":true,\"notify_deleted\":false,\
             \"script_master\":\"'\\/etc\\/up' 'a b' 'c'\",\"script\":\"'\\/etc\\/any'\",\
             \"vips\":[\"10.0.0.100 dev eth0 scope global{set}\"],\
             \"evips\":[\"10.1.0.1\\/24 brd 10.1.0.255 dev eth0 scope global label eth0:1{set}\"],\
             \"vroutes\":[\"prepend 10.2.0.0\\/16 via inet 10.0.0.254 dev eth0 table 100 proto 18 metric 5\",\
             \"add blackhole 10.3.0.0\\/16 proto 18 no_track\"],\"auth_type\":1,\"auth_data\":\"********\"}},\"stats\":{{",
            state == 2
        )
    };
    let stats = |sent: u32, master: u32| {
        format!(
            "\"advert_rcvd\":0,\"advert_sent\":{sent},\"become_master\":{master},\"release_master\":0,\"packet_len_err\":0,\
             \"advert_interval_err\":0,\"ip_ttl_err\":0,\"invalid_type_rcvd\":0,\"addr_list_err\":0,\"invalid_authtype\":0,\
             \"authtype_mismatch\":0,\"auth_failure\":0,\"auth_ext_missing\":0,\"auth_ext_malformed\":0,\"auth_ext_unknown_key\":0,\
             \"auth_ext_invalid_hmac\":0,\"auth_ext_stale\":0,\"auth_ext_replay\":0,\"pri_zero_rcvd\":0,\"pri_zero_sent\":0}}}}"
        )
    };
    let epoch = 1_700_000_000_000_000;
    let json = |desk: &Desk, layout| status::json(&desk.node, layout, epoch);
    let backup = data(1, "", "1700000001.000000", "2") + &stats(0, 0);
    assert_eq!(json(&desk, Layout::V1), format!("[{backup}]\n"));
    desk.pass(5.0);
    let master = data(2, " set", "1700000004.609375", "2") + &stats(2, 1);
    assert_eq!(json(&desk, Layout::V1), format!("[{master}]\n"));
    assert_eq!(json(&desk, Layout::V2), format!("{{\"vrrp\":[{master}],\"track_process\":[]}}\n"));
}

#[test]
fn dropped_packets_are_sorted_as_keepalived_does() {
    let mut desk = Desk::new(&instance("authentication {\n auth_type PASS\n auth_pass 1111\n }\n"));
    let kinds = [(0u8, "authtype_mismatch"), (2, "authtype_mismatch"), (3, "invalid_authtype"), (1, "auth_failure")];
    for (kind, _) in kinds {
        let mut bytes = advert(OTHER, 51, 120, Some(b"2222\0\0\0\0"));
        bytes[24] = kind;
        fix_checksum(&mut bytes);
        desk.step(Event::Packet { ifindex: 2, bytes: &bytes });
    }
    let ttl = |bytes: &mut Vec<u8>| bytes[8] = 254;
    let mut bytes = advert(OTHER, 51, 120, Some(b"1111\0\0\0\0"));
    ttl(&mut bytes);
    desk.step(Event::Packet { ifindex: 2, bytes: &bytes });
    let json = status::json(&desk.node, Layout::V1, 0);
    for want in ["\"authtype_mismatch\":2,", "\"invalid_authtype\":1,", "\"auth_failure\":1,", "\"advert_rcvd\":0,"] {
        assert!(json.contains(want), "{want}: {json}");
    }
    assert!(json.contains("\"ip_ttl_err\":1,"), "{json}");
    let text = status::stats(&desk.node);
    assert!(text.contains("    Type Mismatch: 2\n    Failure: 1\n"), "{text}");
    desk.node.clear_counters();
    assert!(status::stats(&desk.node).contains("    Type Mismatch: 0\n"));
}

/// Of the VRRP part, which begins behind the IP header.
fn fix_checksum(bytes: &mut [u8]) {
    bytes[26] = 0;
    bytes[27] = 0;
    let sum = holdfast::wire::checksum::checksum(&bytes[20..]);
    bytes[26..28].copy_from_slice(&sum.to_be_bytes());
}

/// The first address of a subnet is the primary one, and a gateway may be reached by the route before it.
#[test]
fn addresses_and_routes_come_in_the_order_of_the_file() {
    let mut desk = Desk::new(
        "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n priority 100\n\
         virtual_ipaddress {\n 10.0.0.9/24\n 10.0.0.8/24\n }\n\
         virtual_routes {\n 10.9.0.0/16 dev eth0\n 10.8.0.0/16 via 10.9.0.1 dev eth0\n }\n}\n",
    );
    let order = |effects: &[Effect]| -> Vec<String> {
        let texts = operations(effects).join("; ");
        let mut found: Vec<_> =
            ["10.0.0.9", "10.0.0.8", "10.9.0.0", "10.8.0.0"].map(|ip| (texts.find(ip), ip.to_string())).to_vec();
        found.sort();
        found.into_iter().map(|(_, ip)| ip).collect()
    };
    let up = desk.pass(4.0);
    assert_eq!(order(&up), ["10.0.0.9", "10.0.0.8", "10.9.0.0", "10.8.0.0"]);
    let down = desk.step(Event::Stop);
    assert_eq!(order(&down), ["10.8.0.0", "10.9.0.0", "10.0.0.8", "10.0.0.9"]);
}

/// What is blocked, and whether the table is wanted.
fn blocked(d: &Desk) -> (bool, Vec<String>) {
    let wanted: Vec<Key> = d.node.table().wanted().map(|(k, _)| *k).collect();
    let table = wanted.contains(&Key::Firewall(Family::V4));
    let of = |k: &Key| if let Key::Blocked(b) = k { Some(format!("{}%{}", b.address, b.ifindex)) } else { None };
    (table, wanted.iter().filter_map(of).collect())
}

#[test]
fn no_accept_blocks_the_addresses_of_a_master() {
    let excluded = "no_accept\n virtual_ipaddress_excluded {\n fe80::7\n fd00::7\n }";
    let mut d = Desk::new(&instance(excluded));
    assert_eq!(blocked(&d), (true, vec![]), "the table is there before it is needed");
    d.pass(4.0);
    assert_eq!(d.state(), State::Master);
    let vips = ["10.0.0.100%0", "fd00::7%0", "fe80::7%2"];
    assert_eq!(blocked(&d), (true, vips.map(String::from).to_vec()));
    d.hear(OTHER, 200);
    assert_eq!(blocked(&d), (true, vec![]));
    let effects = d.step(Event::Stop);
    let removed = |e: &&Effect| matches!(e, Effect::Kernel(Op::Remove(Key::Firewall(_), _)));
    assert_eq!(effects.iter().filter(removed).count(), 2, "both families");
    assert!(d.node.is_stopped());
    assert_eq!(blocked(&Desk::new(&instance(""))), (false, vec![]));
}

#[test]
fn what_cannot_be_blocked_is_not_held() {
    let mut d = Desk::new(&instance("no_accept"));
    let wanted = |d: &Desk, key: Key| d.node.table().wanted().find(|(k, _)| **k == key).map(|(_, v)| v.clone());
    let table = Key::Firewall(Family::V4);
    let op = Op::Add(table, wanted(&d, table).unwrap());
    let effects = d.step(Event::Answer(op.clone(), Outcome::Refused(95)));
    assert_eq!(d.state(), State::Fault);
    assert!(notes(&effects).iter().any(|n| n.contains("no_accept needs nftables")), "{:?}", notes(&effects));
    // It is tried again, in silence, and nobody is MASTER for it.
    let effects = d.pass(6.0);
    assert_eq!((d.state(), notes(&effects).len()), (State::Fault, 0), "{:?}", notes(&effects));
    assert!(effects.contains(&Effect::Kernel(op.clone())));
    let effects = d.step(Event::Answer(op, Outcome::Refused(95)));
    assert_eq!((d.state(), notes(&effects).len()), (State::Fault, 0));
    d.pass(6.0);
    d.step(Event::Kernel(News::FirewallReady(Family::V4)));
    assert_eq!(d.state(), State::Backup);
    d.pass(4.0);
    assert_eq!(d.state(), State::Master);
    // An element that is refused takes the trust from the whole table.
    let key = Key::Blocked(BlockedKey { address: [10, 0, 0, 100].into(), ifindex: 0 });
    let op = Op::Add(key, wanted(&d, key).unwrap());
    d.step(Event::Answer(op, Outcome::Refused(12)));
    assert_eq!(d.state(), State::Fault);
    let effects = d.pass(6.0);
    assert!(
        effects.iter().any(|e| matches!(e, Effect::Kernel(Op::Set(k, _)) if *k == table)),
        "made anew: {effects:?}"
    );
}

#[test]
fn a_table_that_somebody_removes_is_made_again_with_its_elements() {
    let mut d = Desk::new(&instance("no_accept"));
    d.pass(4.0);
    let other = d.step(Event::Kernel(News::FirewallGone(Family::V4, "theirs".into())));
    assert_eq!(other, []);
    let effects = d.step(Event::Kernel(News::FirewallGone(Family::V4, "keepalived".into())));
    let added: Vec<Key> =
        effects.iter().filter_map(|e| if let Effect::Kernel(Op::Add(k, _)) = e { Some(*k) } else { None }).collect();
    let element = Key::Blocked(BlockedKey { address: [10, 0, 0, 100].into(), ifindex: 0 });
    assert_eq!(added, [Key::Firewall(Family::V4), element]);
    assert_eq!(d.state(), State::Master);
}

#[test]
fn announcements_keep_their_distance_and_need_no_queue() {
    let text = format!(
        "global_defs {{\n vrrp_garp_interval 0.1\n }}\n{}",
        instance("garp_master_repeat 2\n garp_master_delay 0")
    );
    let mut d = Desk::new(&text);
    d.pass(3.7);
    assert_eq!(d.state(), State::Master);
    let mut times = vec![];
    let end = d.now + Duration::from_secs(1);
    while let Some(at) = d.node.deadline().filter(|at| *at <= end) {
        d.now = at.max(d.now);
        times.extend(d.step(Event::Due).iter().filter(|e| matches!(e, Effect::Announce { .. })).map(|_| d.now.0));
    }
    assert!(times.windows(2).all(|w| w[1] - w[0] >= 100_000), "{times:?}");
    // Many at once: no more than one turn sends, until the shell says that they are sent.
    let vips: String = (1..=200).map(|n| format!("10.1.0.{n}\n")).collect();
    let text = instance(&format!("virtual_ipaddress_excluded {{\n{vips}}}\n garp_master_repeat 5"));
    let mut d = Desk::new(&text);
    let (mut counts, mut out) = (vec![], vec![]);
    while d.state() != State::Master {
        d.now = d.node.deadline().unwrap().max(d.now);
        out.clear();
        d.node.step(d.now, Event::Due, &mut out);
    }
    loop {
        counts.push(out.iter().filter(|e| matches!(e, Effect::Announce { .. })).count());
        if !d.node.is_announcing() {
            break;
        }
        out.clear();
        d.node.step(d.now, Event::Announced, &mut out);
    }
    assert!(counts.iter().all(|n| *n <= 64), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), 5 * 201);
}

/// The kernel tells of the virtual link number 9 on eth0.
fn vmac_link(name: &str, kind: u8, up: bool) -> News {
    let more = LinkMore { wanted_up: up, group: 0, on: Some((2, Stack::Macvlan)), vrf_table: 0 };
    let mac = Mac([0, 0, 0x5e, 0, kind, 51]);
    News::Link(Link { ifindex: 9, name: name.parse().unwrap(), up, mac, mtu: 1500, no_arp: false, more })
}

/// Operations on links and addresses, in order.
fn on_links(effects: &[Effect]) -> Vec<&'static str> {
    let word = |e: &Effect| match e {
        Effect::Kernel(Op::Add(Key::Link(_), _)) => Some("make"),
        Effect::Kernel(Op::Remove(Key::Link(_), _)) => Some("take away"),
        Effect::Kernel(Op::Add(Key::Up(9), _)) => Some("up"),
        Effect::Kernel(Op::Remove(Key::Up(9), _)) => Some("down"),
        Effect::Kernel(Op::Add(Key::Sysctl(s), _)) if s.ifindex == 9 && s.which == Sysctl::DisableIpv6 => Some("set"),
        Effect::Kernel(Op::Add(Key::Ear(s), _)) if s.ifindex == 9 => Some("listen"),
        Effect::Kernel(Op::Add(Key::Address(a), _)) if a.ifindex == 9 => Some("address"),
        Effect::Kernel(Op::Remove(Key::Address(a), _)) if a.ifindex == 9 => Some("no address"),
        Effect::Announce { ifindex: 9, mac: Mac([0, 0, 0x5e, 0, ..]), .. } => Some("tell"),
        _ => None,
    };
    let mut all: Vec<_> = effects.iter().filter_map(word).collect();
    all.dedup();
    all
}

#[test]
fn a_virtual_link_carries_the_addresses_and_frames_the_adverts() {
    let mut d = Desk::new(&instance("use_vmac"));
    let out = d.step(Event::Kernel(vmac_link("vrrp.51", 1, false)));
    assert_eq!(on_links(&out), ["set", "up", "listen"]);
    d.step(Event::Kernel(vmac_link("vrrp.51", 1, true)));
    let out = d.pass(4.0);
    assert_eq!(on_links(&out), ["address", "tell"]);
    let frame = out.iter().find_map(|e| match e {
        Effect::Frame { ifindex: 2, bytes } => Some(bytes),
        _ => None,
    });
    assert_eq!(frame.unwrap()[..14], [1, 0, 0x5e, 0, 0, 18, 0, 0, 0x5e, 0, 1, 51, 8, 0]);
    // A better router with the same virtual address is heard by the link.
    let bytes = advert(OTHER, 51, 200, None);
    let out = d.step(Event::Packet { ifindex: 9, bytes: &bytes });
    assert_eq!((d.state(), on_links(&out)), (State::Backup, vec!["no address"]));
    assert_eq!(on_links(&d.step(Event::Stop)), ["down", "take away"]);
}

#[test]
fn a_virtual_link_that_somebody_removes_is_made_again() {
    let mut d = Desk::new(&instance("use_vmac"));
    d.step(Event::Kernel(vmac_link("vrrp.51", 1, false)));
    d.step(Event::Kernel(vmac_link("vrrp.51", 1, true)));
    d.pass(4.0);
    let out = d.step(Event::Kernel(vmac_link("vrrp.51", 1, false)));
    assert_eq!((d.state(), on_links(&out)), (State::Master, vec!["up"]));
    let out = d.step(Event::Kernel(News::LinkGone { ifindex: 9 }));
    assert_eq!((d.state(), on_links(&out)), (State::Master, vec!["make"]));
    let Some(News::Link(link)) = Some(vmac_link("vrrp.51", 1, false)) else { unreachable!() };
    let out = d.step(Event::Kernel(News::Link(link)));
    assert_eq!(on_links(&out), ["set", "up", "listen", "address", "tell"]);
}

#[test]
fn a_virtual_link_that_the_kernel_refuses_is_a_fault() {
    let mut d = Desk::new(&instance("use_vmac vip0"));
    let made = d.node.table().wanted().find(|(key, _)| matches!(key, Key::Link(_)));
    let (key, value) = made.map(|(key, value)| (*key, value.clone())).unwrap();
    d.step(Event::Answer(Op::Add(key, value), Outcome::Refused(95)));
    assert_eq!(d.state(), State::Fault);
    assert!(d.node.vrrp.instances[0].fault.as_deref().unwrap().contains("refuses the virtual link vip0"));
    assert_eq!(on_links(&d.pass(6.0)), ["make"], "it is tried again");
    d.step(Event::Kernel(vmac_link("vip0", 1, false)));
    assert_eq!(d.state(), State::Fault, "it may still be refused to go up");
    d.step(Event::Kernel(vmac_link("vip0", 1, true)));
    assert_eq!(d.state(), State::Backup);
}

#[test]
fn a_virtual_link_left_by_a_crash_is_made_anew() {
    let text = instance("use_vmac");
    let host = Host { hostname: "desk".into(), config_id: "desk".into(), ..Host::default() };
    let config = load("test.conf", text.as_bytes().to_vec(), host).config.unwrap();
    let mut node = Node::new(Rc::new(config));
    let mut out = Vec::new();
    let base = Link {
        ifindex: 2,
        name: "eth0".parse().unwrap(),
        up: true,
        mac: Mac([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        no_arp: false,
        more: LinkMore { wanted_up: true, ..LinkMore::default() },
    };
    let key = AddressKey { ifindex: 9, net: "10.0.0.100/32".parse().unwrap() };
    let left = News::Address { key, value: AddressValue::default(), primary: true };
    node.step(Instant(SECOND), Event::Start { seed: 1, owned: Vec::new() }, &mut out);
    let dump = [News::DumpBegin, News::Link(base), vmac_link("vrrp.51", 1, true), left, News::DumpDone];
    for news in dump {
        node.step(Instant(SECOND), Event::Kernel(news), &mut out);
    }
    assert_eq!(on_links(&out), ["take away", "make"]);
    // What is still told of the old one concerns nobody.
    out.clear();
    node.step(Instant(SECOND), Event::Kernel(vmac_link("vrrp.51", 1, false)), &mut out);
    node.step(Instant(SECOND), Event::Kernel(News::LinkGone { ifindex: 9 }), &mut out);
    assert_eq!(on_links(&out), Vec::<&str>::new());
}

// ---- what scripts and FIFOs are told -----------------------------------------------------------------------------

const FIFOS: &str = "global_defs {\n notify_fifo /run/all\n MORE\n}\n";

/// Lines and scripts (their last word, and what is appended), in order.
fn told(effects: &[Effect]) -> Vec<String> {
    let one = |e: &Effect| match e {
        Effect::Fifo(line) => Some(line.text.to_string()),
        Effect::Spawn(spawn) => {
            let words = spawn.script.words.last().into_iter().chain(&spawn.args);
            Some(words.map(|w| w.as_ref()).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    effects.iter().filter_map(one).collect()
}

fn reload(d: &mut Desk, text: &str) -> Vec<Effect> {
    d.step(Event::Reload(Rc::new(config(text))))
}

fn fifos(more: &str, rest: &str) -> String {
    FIFOS.replace("MORE", more) + rest
}

#[test]
fn a_transition_is_told_to_its_script_then_to_notify_then_to_the_fifo() {
    let group = "vrrp_sync_group G {\n group {\n VI_1\n }\n notify_master /bin/g\n notify /bin/gn\n}\n";
    let text = fifos("", &(group.to_string() + &instance("notify_master /bin/m\n notify /bin/n")));
    let mut d = Desk::new(&text);
    assert_eq!(
        told(&d.pass(3.7)),
        [
            "/bin/m",
            "/bin/n INSTANCE VI_1 MASTER 100",
            "INSTANCE \"VI_1\" MASTER 100\n",
            "/bin/g",
            "/bin/gn GROUP G MASTER 0",
            "GROUP \"G\" MASTER 0\n"
        ]
    );
    let effects = d.hear(OTHER, 200);
    let lines: Vec<String> = told(&effects).into_iter().filter(|l| l.contains('"')).collect();
    assert_eq!(lines, ["INSTANCE \"VI_1\" BACKUP 100\n", "GROUP \"G\" BACKUP 0\n"]);
    let lines = told(&d.step(Event::Stop));
    assert_eq!(
        lines,
        [
            "/bin/n INSTANCE VI_1 STOP 100",
            "INSTANCE \"VI_1\" STOP 100\n",
            "/bin/gn GROUP G STOP 0",
            "GROUP \"G\" STOP 0\n"
        ]
    );
}

#[test]
fn who_is_lower_is_told_each_time_to_its_own_script_only() {
    let text = fifos("", &instance("notify /bin/n\n notify_master_rx_lower_pri /bin/low"));
    let mut d = Desk::new(&text);
    d.pass(3.7);
    for _ in 0..2 {
        assert_eq!(told(&d.hear(OTHER, 50)), ["/bin/low", "INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 100\n"]);
    }
}

#[test]
fn what_a_reload_takes_away_is_deleted_or_in_fault() {
    for (more, wanted) in [
        ("notify_deleted", &["/bin/n INSTANCE VI_1 DELETED 100", "INSTANCE \"VI_1\" DELETED 100\n"][..]),
        ("notify_deleted /bin/d", &["/bin/d", "/bin/n INSTANCE VI_1 DELETED 100", "INSTANCE \"VI_1\" DELETED 100\n"]),
        ("notify_fault /bin/f", &["/bin/n INSTANCE VI_1 FAULT 100", "INSTANCE \"VI_1\" FAULT 100\n"]),
    ] {
        let mut d = Desk::new(&fifos("", &instance(&format!("notify /bin/n\n {more}"))));
        let other = instance("").replace("51", "52").replace("VI_1", "VI_2");
        let effects = reload(&mut d, &fifos("", &other));
        let (gone, new): (Vec<String>, Vec<String>) =
            told(&effects).into_iter().partition(|l| l.contains("VI_1") || l.starts_with("/bin/d"));
        assert_eq!(gone, wanted, "{more}");
        assert_eq!(new, ["INSTANCE \"VI_2\" BACKUP 100\n"]);
    }
}

#[test]
fn other_priorities_and_the_same_states_are_told_where_that_is_asked_for() {
    let weighs = |more: &str, global: &str| fifos(global, &tracked("weight 10", more));
    for (more, global, count) in [
        ("", "", 0),
        ("notify_priority_changes", "", 1),
        ("", "vrrp_notify_priority_changes", 1),
        ("notify_priority_changes off", "vrrp_notify_priority_changes", 0),
    ] {
        let mut d = Desk::new(&weighs(more, global));
        let lines = told(&end(&mut d, Verdict::Up));
        assert_eq!(lines, vec!["INSTANCE \"VI_1\" BACKUP_PRIORITY 110\n"; count], "{more} {global}");
    }
    for (global, wanted) in [("", vec![]), ("fifo_write_vrrp_states_on_reload", vec!["INSTANCE \"VI_1\" MASTER 100\n"])]
    {
        let text = fifos(global, &instance(""));
        let mut d = Desk::new(&text);
        d.pass(3.7);
        assert_eq!(told(&reload(&mut d, &text)), wanted);
    }
    let group = "vrrp_sync_group G {\n group {\n VI_1\n }\n notify_priority_changes\n}\n".to_string();
    let conf = |priority: &str| fifos("", &(group.clone() + &instance("").replace("priority 100", priority)));
    let mut d = Desk::new(&conf("priority 100"));
    d.pass(3.7);
    assert_eq!(told(&reload(&mut d, &conf("priority 90"))), ["INSTANCE \"VI_1\" MASTER_PRIORITY 90\n"]);
}

#[test]
fn servers_and_quorum_are_told_with_a_nul_at_the_end() {
    let text =
        |global: &str| fifos(global, &SERVICE.replace("QUORUM", "omega").replace("INHIBIT", "notify_down /bin/d"));
    let start = |global: &str| {
        let mut d = Desk {
            node: Node::new(Rc::new(config(&text(global)))),
            now: Instant(SECOND),
            probes: Vec::new(),
            runs: Vec::new(),
        };
        let mut all = d.step(Event::Start { seed: 1, owned: Vec::new() });
        all.extend([News::DumpBegin, News::DumpDone].into_iter().flat_map(|news| d.step(Event::Kernel(news))));
        (d, told(&all))
    };
    let up = "VS [10.0.0.100]:tcp:80 UP\n\0".to_string();
    let server = |n: u8, state: &str| format!("RS [10.0.0.{n}]:tcp:80 [10.0.0.100]:tcp:80 {state}\n\0");
    assert_eq!(start("rs_init_notifies").1, [server(11, "UP"), server(12, "UP"), up.clone()]);
    let (mut d, first) = start("");
    assert_eq!(first, [up]);
    let lines = told(&answer(&mut d, [down(), Verdict::Up]));
    assert_eq!(lines, ["/bin/d".to_string(), server(11, "DOWN")]);
    answer(&mut d, [down(), down()]);
    let lines = told(&answer(&mut d, [down(), down()]));
    assert_eq!(lines, [server(12, "DOWN"), "VS [10.0.0.100]:tcp:80 DOWN\n\0".into()]);
    let lines = told(&answer(&mut d, [Verdict::Up, down()]));
    assert_eq!(lines, [server(11, "UP"), "VS [10.0.0.100]:tcp:80 UP\n\0".into()]);
    let lines = told(&d.step(Event::Stop));
    assert_eq!(lines, ["/bin/d".to_string(), server(11, "DOWN"), "VS [10.0.0.100]:tcp:80 DOWN\n\0".into()]);
}

fn config(text: &str) -> holdfast::config::model::Config {
    let host = Host { hostname: "desk".into(), config_id: "desk".into(), ..Host::default() };
    load("test.conf", text.as_bytes().to_vec(), host).config.expect("a configuration")
}

#[test]
fn nothing_is_said_where_nobody_listens() {
    let mut d = Desk::new(&instance(""));
    assert!(told(&d.pass(3.7)).is_empty());
    let mut d = Desk::new(&instance("").replacen("", "global_defs {\n lvs_notify_fifo /run/lvs\n}\n", 1));
    assert!(told(&d.pass(3.7)).is_empty());
}
