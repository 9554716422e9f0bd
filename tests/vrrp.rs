//! Rules of VRRP, one by one: routers on a wire of their own, each a whole `Node` made from a configuration text.

use holdfast::base::addr::{IfName, Mac};
use holdfast::base::bytes::Writer;
use holdfast::base::time::Instant;
use holdfast::config::loader::{load, Host};
use holdfast::config::model::Config;
use holdfast::node::effect::Effect;
use holdfast::node::event::Event;
use holdfast::node::status;
use holdfast::node::vrrp::instance::State;
use holdfast::node::Node;
use holdfast::wire::ip::Head;
use holdfast::wire::op::{AddressKey, AddressValue, Key, Link, News};
use holdfast::wire::vrrp::{Advert, Auth, Bad, Ends, Outgoing, Rule};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

const SECOND: u64 = 1_000_000;
/// The time of day at instant 0.
const EPOCH: u64 = 1_800_000_000 * SECOND;
const KEY: &str = "key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER_KEY: &str = "key 2 hex:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn config(text: &str) -> Config {
    let host = Host { hostname: "desk".into(), config_id: "desk".into(), ..Host::default() };
    let loaded = load("test.conf", text.as_bytes().to_vec(), host);
    let mut said = String::new();
    loaded.report(&mut said).unwrap();
    loaded.config.unwrap_or_else(|| panic!("{said}"))
}

struct Router {
    node: Node,
    /// All that it ever said.
    said: Vec<String>,
    /// Its adverts since they were last asked for, and when it sent them.
    sent: Vec<(Instant, Vec<u8>)>,
}

/// Routers 10.0.0.1, .2, .. (fe80::1, ..), each on its eth0, which is interface 2.
struct Wire {
    routers: Vec<Router>,
    now: Instant,
    /// Who hears nobody and is heard by nobody.
    cut: Vec<usize>,
}

impl Wire {
    fn new(texts: &[&str]) -> Wire {
        let routers = texts.iter().map(|text| Router {
            node: Node::new(Rc::new(config(text))),
            said: Vec::new(),
            sent: Vec::new(),
        });
        let mut wire = Wire { routers: routers.collect(), now: Instant(SECOND), cut: Vec::new() };
        for r in 0..texts.len() {
            wire.step(r, Event::Clock { epoch: EPOCH });
            wire.step(r, Event::Start { seed: 1, owned: Vec::new() });
            let name: IfName = "eth0".parse().unwrap();
            let mac = Mac([2, 0, 0, 0, 0, r as u8]);
            let link = Link { ifindex: 2, name, up: true, mac, mtu: 1500, no_arp: false, more: Default::default() };
            let (v4, v6) = (format!("10.0.0.{}/24", r + 1), format!("fe80::{}/64", r + 1));
            for news in [News::DumpBegin, News::Link(link), address(&v4), address(&v6), News::DumpDone] {
                wire.step(r, Event::Kernel(news));
            }
        }
        wire
    }

    fn step(&mut self, r: usize, event: Event) {
        let mut out = Vec::new();
        self.routers[r].node.step(self.now, event, &mut out);
        let mut frames = Vec::new();
        for effect in out {
            match effect {
                Effect::Send { bytes, .. } => {
                    self.routers[r].sent.push((self.now, bytes.clone()));
                    frames.push(bytes);
                }
                Effect::Note(note) => self.routers[r].said.push(note.to_string()),
                _ => {}
            }
        }
        if self.cut.contains(&r) {
            return;
        }
        for bytes in frames {
            let to = Head::parse(&bytes).unwrap().0.dst;
            for other in (0..self.routers.len()).filter(|o| *o != r) {
                if !self.cut.contains(&other) && (to.is_multicast() || is_of(other, to)) {
                    self.hear(other, &bytes);
                }
            }
        }
    }

    fn hear(&mut self, r: usize, bytes: &[u8]) {
        self.step(r, Event::Packet { ifindex: 2, bytes });
    }

    fn pass(&mut self, seconds: f64) {
        let end = Instant(self.now.0 + (seconds * 1e6) as u64);
        loop {
            let due = self.routers.iter().map(|r| r.node.deadline()).enumerate();
            let Some((at, r)) = due.filter_map(|(r, at)| Some((at?, r))).min().filter(|(at, _)| *at <= end) else {
                break;
            };
            self.now = at.max(self.now);
            self.step(r, Event::Due);
        }
        self.now = end;
    }

    fn state(&self, r: usize) -> State {
        self.routers[r].node.vrrp.instances[0].state
    }

    fn states(&self) -> Vec<State> {
        (0..self.routers.len()).map(|r| self.state(r)).collect()
    }

    fn dropped(&self, r: usize, bad: Bad) -> u32 {
        self.routers[r].node.vrrp.instances[0].counters.dropped[bad.index()]
    }

    fn said(&self, r: usize, words: &str) -> usize {
        self.routers[r].said.iter().filter(|line| line.contains(words)).count()
    }

    /// The adverts sent since the last time.
    fn sent(&mut self, r: usize) -> Vec<Vec<u8>> {
        self.routers[r].sent.drain(..).map(|(_, bytes)| bytes).collect()
    }

    fn reload(&mut self, r: usize, text: &str) {
        self.step(r, Event::Reload(Rc::new(config(text))));
    }
}

fn is_of(r: usize, ip: IpAddr) -> bool {
    [format!("10.0.0.{}", r + 1), format!("fe80::{}", r + 1)].contains(&ip.to_string())
}

fn address(net: &str) -> News {
    let key = AddressKey { ifindex: 2, net: net.parse().unwrap() };
    News::Address { key, value: AddressValue::default(), primary: true }
}

fn gone(net: &str) -> News {
    News::AddressGone { key: AddressKey { ifindex: 2, net: net.parse().unwrap() } }
}

/// A virtual router 51 on eth0, with lines of its own.
fn router(priority: u8, lines: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n priority {priority}\n {lines}\n\
         virtual_ipaddress {{\n 10.0.0.100\n }}\n}}\n"
    )
}

/// The priorities of packets over IPv4.
fn priorities(packets: &[Vec<u8>]) -> Vec<u8> {
    packets.iter().map(|bytes| bytes[22]).collect()
}

/// An advert for router 51, of version 2 with a second or of version 3 with so many centiseconds.
fn advert(version: u8, from: &str, to: &str, priority: u8, centiseconds: u64, vips: &[&str]) -> Vec<u8> {
    let ends = Ends { src: from.parse().unwrap(), dst: to.parse().unwrap() };
    let rule = if version == 2 && ends.dst.is_ipv4() { Rule::Plain } else { Rule::Pseudo };
    let interval = Duration::from_millis(centiseconds * 10);
    let advert = Outgoing { version, vrid: 51, priority, interval, auth: Auth::None, rule, ends };
    let mut w = Writer::new();
    Head { src: ends.src, dst: ends.dst, ttl: 255, protocol: 112 }.emit(1, advert.size(vips.len()), &mut w);
    advert.emit(vips.iter().map(|v| v.parse().unwrap()), &mut w);
    w.bytes
}

/// Version 2, of a router that is not on the wire.
fn plain(from: &str, priority: u8) -> Vec<u8> {
    advert(2, from, "224.0.0.18", priority, 100, &["10.0.0.100"])
}

// ---- signed adverts (auth_hmac) --------------------------------------------------------------------------------

fn signed(lines: &str) -> String {
    format!("version 3\n auth_hmac {{\n {lines}\n }}")
}

#[test]
fn two_routers_that_sign_with_one_key_hear_each_other() {
    let unicast = |peer: u8| format!("unicast_peer {{\n 10.0.0.{peer}\n }}\n");
    let forms: [(&str, [String; 2]); 5] = [
        ("version 3", [signed(KEY), signed(KEY)]),
        ("version 2", [signed(KEY).replace("version 3", "version 2"), signed(KEY).replace("version 3", "version 2")]),
        ("monotonic", [0, 1].map(|_| signed(&format!("{KEY}\n anti_replay monotonic")))),
        ("unicast", [unicast(2) + &signed(KEY), unicast(1) + &signed(KEY)]),
        ("IPv6", [0, 1].map(|_| signed(KEY))),
    ];
    for (form, [one, two]) in forms {
        let vip = if form == "IPv6" { "fe80::51" } else { "10.0.0.100" };
        let text = |priority: u8, lines: &str| router(priority, lines).replace("10.0.0.100", vip);
        let mut w = Wire::new(&[&text(100, &one), &text(200, &two)]);
        w.pass(30.0);
        assert_eq!(w.states(), [State::Backup, State::Master], "{form}");
        w.cut.push(1);
        w.pass(5.0);
        assert_eq!(w.states(), [State::Master, State::Master], "{form}");
        w.cut.clear();
        w.pass(5.0);
        assert_eq!(w.states(), [State::Backup, State::Master], "{form}");
        for r in [0, 1] {
            let n = &w.routers[r].node.vrrp.instances[0];
            assert_eq!(n.counters.dropped, [0; Bad::COUNT], "{form}");
            assert_eq!((w.said(r, "dropped"), w.said(r, "clock")), (0, 0), "{form}");
        }
        // What the others do not check: nothing but the trailer makes it longer, and the kernel could sum it.
        let packet = w.sent(1).pop().unwrap();
        let (head, message) = Head::parse(&packet).unwrap();
        let (ends, version) = (Ends { src: head.src, dst: head.dst }, message[0] >> 4);
        let unsigned = &message[..message.len() - 28];
        let (covered, rule) = match (head.src.is_ipv6(), version) {
            (true, _) => (message, Rule::Pseudo),
            (false, 2) => (unsigned, Rule::Plain),
            (false, _) => (unsigned, Rule::Pseudo),
        };
        assert!(Advert::parse_summed(unsigned, covered, version, ends, &[rule]).is_ok(), "{form}");
    }
}

/// keepalived's packet: router 53, priority 150, 1 s, from 10.0.0.1, at that time of day.
#[test]
fn the_packet_is_keepalives_to_the_byte() {
    let text = router(150, &signed(KEY)).replace("_id 51", "_id 53");
    let mut w = Wire::new(&[&text]);
    w.pass(3.0);
    // The first advert leaves 3.414062 s after the start at 1 s.
    let at = 0x6b03_0789 * SECOND + 287_400;
    w.step(0, Event::Clock { epoch: at - 4_414_062 });
    w.pass(0.5);
    let packet = w.sent(0).swap_remove(0);
    let hex: String = packet[20..].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "31359601006443710a000064010100006b030789499300007a85260fb5da28483941fa73d74b2be8");
}

#[test]
fn another_key_leaves_two_masters_and_says_why() {
    for (two, bad, text) in [
        (KEY.replace("hex:00", "hex:01"), Bad::Forged, "not made with our key"),
        (OTHER_KEY.to_string(), Bad::UnknownKey(0), "key 2, which is not here"),
    ] {
        let mut w = Wire::new(&[&router(100, &signed(KEY)), &router(200, &signed(&two))]);
        w.pass(20.0);
        assert_eq!(w.states(), [State::Master, State::Master]);
        assert!(w.dropped(0, bad) > 10);
        assert_eq!(w.said(0, text), 2, "{:?}: once as BACKUP, once as MASTER", w.routers[0].said);
        assert!(w.routers.iter().all(|r| !r.said.concat().contains("0001020304")));
    }
}

#[test]
fn unsigned_and_signed_ones_do_not_hear_each_other() {
    let mut w = Wire::new(&[&router(100, &signed(KEY)), &router(200, "version 3")]);
    w.pass(20.0);
    assert_eq!(w.states(), [State::Master, State::Master]);
    assert!(w.dropped(0, Bad::Unsigned) > 10 && w.dropped(1, Bad::Length { want: 0, got: 0 }) > 10);
    assert_eq!(w.said(1, "it is signed, and there is no auth_hmac here"), 1, "{:?}", w.routers[1].said);
    let stats = status::stats(&w.routers[0].node);
    let errors = stats.split("Extension Errors:").nth(1).unwrap();
    assert!(!errors.starts_with("\n    Missing: 0\n") && errors.contains("    Replay: 0\n"), "{stats}");
}

/// From no signature to signatures that are demanded, and on to another key, without a moment of two masters.
#[test]
fn keys_are_rolled_out_and_changed_without_a_gap() {
    let with = |lines: String| [router(100, &signed(&lines)), router(200, &signed(&lines))];
    let both = format!("{KEY}\n {OTHER_KEY}\n active_key");
    let steps = [
        [router(100, "version 3"), router(200, "version 3")],
        with(format!("{KEY}\n mode receive-only")),
        with(format!("{KEY}\n mode permissive")),
        with(format!("{KEY}\n mode enforce")),
        with(format!("{both} 1")),
        with(format!("{both} 2")),
        with(OTHER_KEY.into()),
    ];
    let [one, two] = &steps[0];
    let mut w = Wire::new(&[one, two]);
    w.pass(10.0);
    assert_eq!(w.states(), [State::Backup, State::Master]);
    for (n, [one, two]) in steps.iter().enumerate().skip(1) {
        // The one first in one step, the other in the next: in whichever order, always one is a step behind.
        for r in if n % 2 == 0 { [0, 1] } else { [1, 0] } {
            w.reload(r, [one, two][r]);
            for _ in 0..50 {
                w.pass(0.1);
                assert_eq!(w.states(), [State::Backup, State::Master], "step {n}, router {r}");
            }
        }
    }
    assert_eq!((w.dropped(0, Bad::Unsigned), w.dropped(0, Bad::Forged)), (0, 0));
    let sizes: Vec<usize> = w.sent(1).iter().map(Vec::len).collect();
    assert!(sizes.first() == Some(&32) && sizes.last() == Some(&60), "{sizes:?}");
}

#[test]
fn what_was_heard_once_is_not_heard_again() {
    for (lines, late) in [("", Bad::Stale(0)), ("anti_replay monotonic", Bad::Replayed)] {
        let one = signed(&format!("{KEY}\n time_window 20\n {lines}"));
        let mut w = Wire::new(&[&router(100, &one), &router(200, &one)]);
        w.pass(10.0);
        let packets = w.sent(1);
        w.cut.push(1);
        // Somebody sends the dead master's adverts again, to keep the other from taking over.
        for _ in 0..10 {
            packets.iter().for_each(|bytes| w.hear(0, bytes));
            w.pass(0.5);
        }
        assert_eq!(w.state(0), State::Master, "{lines}");
        assert_eq!(w.dropped(0, Bad::Replayed), 10 * packets.len() as u32);
        // Nor later, as MASTER.
        w.pass(60.0);
        packets.iter().for_each(|bytes| w.hear(0, bytes));
        assert_eq!(w.state(0), State::Master);
        assert!(w.dropped(0, late) >= packets.len() as u32, "{lines}");
    }
}

#[test]
fn clocks_that_differ_are_told_of_in_time() {
    let one = signed(&format!("{KEY}\n time_window 10"));
    for (off, states, skewed, stale) in [
        (4, [State::Backup, State::Master], 0, false),
        (6, [State::Backup, State::Master], 1, false),
        (12, [State::Master, State::Master], 0, true),
    ] {
        let mut w = Wire::new(&[&router(100, &one), &router(200, &one)]);
        w.step(1, Event::Clock { epoch: EPOCH + off * SECOND });
        w.pass(20.0);
        assert_eq!(w.states(), states, "{off}");
        assert_eq!(w.said(0, "the clock of 10.0.0.2 is 6 s ahead of ours"), skewed, "{:?}", w.routers[0].said);
        assert_eq!(w.dropped(0, Bad::Stale(0)) > 0, stale);
    }
    // With rising numbers alone, clocks do not matter.
    let one = signed(&format!("{KEY}\n anti_replay monotonic"));
    let mut w = Wire::new(&[&router(100, &one), &router(200, &one)]);
    w.step(1, Event::Clock { epoch: 0 });
    w.pass(20.0);
    assert_eq!(w.states(), [State::Backup, State::Master]);
}

#[test]
fn without_a_key_it_stays_out_of_it() {
    let mut w = Wire::new(&[&router(100, &signed("key 1 short"))]);
    w.pass(10.0);
    assert_eq!((w.state(0), w.sent(0).len()), (State::Fault, 0));
    assert_eq!(w.said(0, "there is no key for that"), 1);
}

// ---- owners (priority 255) -------------------------------------------------------------------------------------

/// The owner's own address is the virtual one.
fn owner(lines: &str) -> String {
    router(255, &format!("state MASTER\n {lines}"))
}

#[test]
fn an_owner_is_master_at_once() {
    let mut w = Wire::new(&[&router(100, ""), &owner("")]);
    w.pass(0.01);
    assert_eq!(w.states(), [State::Backup, State::Master]);
    // Nobody outranks it, and a fault does not make it wait either.
    w.hear(1, &plain("10.0.0.9", 254));
    assert_eq!(w.state(1), State::Master);
}

#[test]
fn of_two_owners_the_one_with_the_lower_address_goes() {
    let mut w = Wire::new(&[&owner(""), &owner("")]);
    w.cut.push(1);
    w.pass(5.0);
    assert_eq!(w.states(), [State::Master, State::Master]);
    w.cut.clear();
    w.pass(30.0);
    assert_eq!(w.states(), [State::Backup, State::Master]);
    assert!(w.routers[1].node.vrrp.instances[0].priority == 255);
}

#[test]
fn an_owner_that_is_not_heard_by_another_gives_way_to_it() {
    let mut w = Wire::new(&[&owner("")]);
    w.pass(3.0);
    w.sent(0);
    // 10.0.0.0 is below 10.0.0.1, yet it does not go: it is told twice, at once.
    w.hear(0, &plain("10.0.0.0", 255));
    assert_eq!((w.state(0), priorities(&w.sent(0))), (State::Master, vec![255, 255]));
    w.pass(1.1);
    w.hear(0, &plain("10.0.0.0", 255));
    assert_eq!((w.state(0), w.routers[0].node.vrrp.instances[0].priority), (State::Master, 255), "not yet 1.2 s");
    w.pass(0.2);
    w.hear(0, &plain("10.0.0.0", 255));
    assert_eq!(w.routers[0].node.vrrp.instances[0].priority, 254);
    w.hear(0, &plain("10.0.0.0", 255));
    assert_eq!(w.state(0), State::Backup);
    // It claims no more what is ours: 255 again, and MASTER when its adverts have not counted long enough.
    w.pass(1.0);
    w.hear(0, &plain("10.0.0.0", 200));
    assert_eq!(w.routers[0].node.vrrp.instances[0].priority, 255);
    w.pass(3.1);
    assert_eq!(w.state(0), State::Master);
    assert_eq!(
        (w.said(0, "claims priority 255 too"), w.said(0, "ours is 254 until")),
        (1, 1),
        "{:?}",
        w.routers[0].said
    );
    // The same if it just falls silent.
    for wait in [1.3, 0.0, 0.0] {
        w.hear(0, &plain("10.0.0.0", 255));
        w.pass(wait);
    }
    assert_eq!(w.state(0), State::Backup);
    w.pass(3.2);
    w.sent(0);
    w.pass(1.0);
    assert_eq!((w.state(0), priorities(&w.sent(0))), (State::Master, vec![255]));
}

#[test]
fn an_owner_may_ignore_all_adverts() {
    for lines in ["owner_ignore_adverts", "strict_mode\n version 3"] {
        let mut w = Wire::new(&[&owner(lines)]);
        w.pass(3.0);
        let version = if lines.contains("version 3") { 3 } else { 2 };
        for _ in 0..5 {
            w.hear(0, &advert(version, "10.0.0.9", "224.0.0.18", 255, 100, &["10.0.0.100"]));
            w.pass(1.0);
        }
        assert_eq!(w.state(0), State::Master);
        assert_eq!((w.dropped(0, Bad::ToOwner), w.said(0, "owner_ignore_adverts")), (5, 1));
    }
    // It is a rule for owners only.
    let mut w = Wire::new(&[&router(100, "owner_ignore_adverts")]);
    w.pass(4.0);
    w.hear(0, &plain("10.0.0.9", 200));
    assert_eq!(w.state(0), State::Backup);
}

// ---- strict mode -----------------------------------------------------------------------------------------------

#[test]
fn strict_routers_take_part_and_answer_no_lower_advert() {
    let mut w = Wire::new(&[&router(100, "strict_mode"), &router(200, "strict_mode")]);
    w.pass(10.0);
    assert_eq!(w.states(), [State::Backup, State::Master]);
    w.sent(1);
    w.hear(1, &plain("10.0.0.9", 50));
    assert_eq!((w.state(1), w.sent(1).len()), (State::Master, 0));
    assert!(!w.routers[1].node.config().instances[0].accept);
}

// ---- timers ----------------------------------------------------------------------------------------------------

#[test]
fn nothing_happens_during_the_startup_delay() {
    let delays = [("vrrp_startup_delay 5.5", 5.5), ("vrrp_delay_after_boot 9", 8.0)];
    for (line, seconds) in delays {
        let text = format!("global_defs {{\n {line}\n}}\n{}", router(100, ""));
        let mut w = Wire::new(&[&text]);
        w.pass(seconds - 0.1);
        w.hear(0, &plain("10.0.0.9", 200));
        w.step(0, Event::Kernel(gone("10.0.0.1/24")));
        w.step(0, Event::Kernel(address("10.0.0.1/24")));
        w.reload(0, &text);
        let n = &w.routers[0].node.vrrp.instances[0];
        assert_eq!((n.state, n.counters.advert_rcvd), (State::Init, 0), "{line}");
        w.pass(0.1);
        assert_eq!(w.state(0), State::Backup, "{line}");
        // Then it waits as ever.
        w.pass(3.609);
        assert_eq!(w.state(0), State::Backup);
        w.pass(0.001);
        assert_eq!(w.state(0), State::Master);
        assert_eq!(w.said(0, "Delaying startup"), 1);
    }
    // An owner waits as well, and the longer one counts.
    let text = format!("global_defs {{\n vrrp_startup_delay 2\n vrrp_delay_after_boot 4\n}}\n{}", owner(""));
    let mut w = Wire::new(&[&text]);
    w.pass(2.99);
    assert_eq!((w.state(0), w.sent(0).len()), (State::Init, 0));
    w.pass(0.02);
    assert_eq!(w.state(0), State::Master);
    w.step(0, Event::Stop);
    assert!(w.routers[0].node.is_stopped());
}

#[test]
fn a_stop_during_the_startup_delay_is_the_end() {
    let text = format!("global_defs {{\n vrrp_startup_delay 5\n}}\n{}", router(100, ""));
    let mut w = Wire::new(&[&text]);
    w.pass(1.0);
    w.step(0, Event::Stop);
    w.pass(20.0);
    assert!(w.routers[0].node.is_stopped() && w.sent(0).is_empty());
}

#[test]
fn a_master_that_was_stopped_too_long_steps_back_if_it_may_not_preempt() {
    let late = |lines: &str, seconds: u64| {
        let mut w = Wire::new(&[&router(100, lines)]);
        w.pass(5.0);
        assert_eq!(w.state(0), State::Master);
        // The machine stands still.
        w.now = Instant(w.now.0 + seconds * SECOND);
        w.step(0, Event::Due);
        w.state(0)
    };
    assert_eq!(late("nopreempt", 30), State::Master);
    assert_eq!(late("timer_expired_backup", 30), State::Master, "it may preempt");
    assert_eq!(late("nopreempt\n timer_expired_backup", 2), State::Master);
    assert_eq!(late("nopreempt\n timer_expired_backup", 4), State::Backup);
    // Others of priority 1 would wait for 3.996 s.
    assert_eq!(late("nopreempt\n timer_expired_backup 1", 3), State::Master);
}

#[test]
fn ten_milliseconds() {
    let lines = "version 3\n advert_int 0.01";
    let mut w = Wire::new(&[&router(100, lines), &router(254, lines)]);
    w.pass(1.0);
    assert_eq!(w.states(), [State::Backup, State::Master]);
    w.sent(1);
    w.pass(1.0);
    assert_eq!(w.routers[1].sent.len(), 100);
    // 30 ms and 156/256 of 10 ms.
    let last = w.routers[1].sent.last().unwrap().0;
    w.cut.push(1);
    w.pass(0.1);
    let first = w.routers[0].sent.first().unwrap().0;
    assert_eq!(first.since(last), Duration::from_micros(36_093));
}

#[test]
fn fewer_adverts_missed_are_enough_if_told_so() {
    let mut w = Wire::new(&[&router(100, "down_timer_adverts 1")]);
    w.pass(1.609);
    assert_eq!(w.state(0), State::Backup);
    w.pass(0.001);
    assert_eq!(w.state(0), State::Master);
}

#[test]
fn preempt_delay_counts_from_the_first_lower_advert_in_a_row() {
    let mut w = Wire::new(&[&router(100, "preempt_delay 5")]);
    let hear = |w: &mut Wire, priority: u8, times: usize| {
        for _ in 0..times {
            w.hear(0, &plain("10.0.0.9", priority));
            w.pass(1.0);
        }
    };
    hear(&mut w, 50, 4);
    // An equal one starts it anew.
    hear(&mut w, 100, 1);
    hear(&mut w, 50, 5);
    assert_eq!(w.state(0), State::Backup);
    // The last one that held us back was that at 4 s.
    hear(&mut w, 50, 2);
    assert_eq!(w.state(0), State::Backup);
    hear(&mut w, 50, 1);
    assert_eq!(w.state(0), State::Master);
    // Where there is no master nothing is preempted, and nothing delayed.
    let mut w = Wire::new(&[&router(100, "preempt_delay 500")]);
    w.pass(3.7);
    assert_eq!(w.state(0), State::Master);
}

// ---- adverts of others -----------------------------------------------------------------------------------------

#[test]
fn answers_to_lower_and_higher_adverts() {
    for (lines, lower, higher) in
        [("", 1, 0), ("lower_prio_no_advert", 0, 0), ("higher_prio_send_advert", 1, 1), ("strict_mode", 0, 0)]
    {
        let mut w = Wire::new(&[&router(100, lines)]);
        w.pass(4.5);
        w.sent(0);
        w.hear(0, &plain("10.0.0.9", 50));
        assert_eq!((w.state(0), w.sent(0).len()), (State::Master, lower), "{lines}");
        w.hear(0, &plain("10.0.0.9", 150));
        assert_eq!((w.state(0), w.sent(0).len()), (State::Backup, higher), "{lines}");
    }
}

#[test]
fn a_source_address_that_is_tracked_has_to_be_there() {
    let lines = "mcast_src_ip 10.0.0.77\n track_src_ip";
    let mut w = Wire::new(&[&router(100, lines)]);
    assert_eq!(w.state(0), State::Fault);
    assert_eq!(w.said(0, "its source address 10.0.0.77 is not on this machine"), 1);
    w.step(0, Event::Kernel(address("10.0.0.77/24")));
    w.pass(4.0);
    assert_eq!(w.state(0), State::Master);
    w.sent(0);
    w.step(0, Event::Kernel(gone("10.0.0.77/24")));
    assert_eq!((w.state(0), priorities(&w.sent(0))), (State::Fault, vec![0]));
    // Otherwise it is only what stands in the packets.
    let mut w = Wire::new(&[&router(100, "mcast_src_ip 10.0.0.77")]);
    w.pass(4.0);
    assert_eq!(w.state(0), State::Master);
}

#[test]
fn unknown_routers_are_told_of_once_each_if_wanted() {
    let mut w = Wire::new(&[&format!("global_defs {{\n log_unknown_vrids\n}}\n{}", router(100, ""))]);
    let with = |vrid: u8| {
        let mut bytes = plain("10.0.0.9", 150);
        bytes[21] = vrid;
        bytes
    };
    for _ in 0..3 {
        (0..=255).filter(|v| *v != 51).for_each(|v| w.hear(0, &with(v)));
    }
    assert_eq!(w.said(0, "10.0.0.9 sends adverts of virtual router 7 on eth0, which is not configured here"), 1);
    assert_eq!(w.said(0, "which is not configured here"), 64, "not more than is bearable");
    assert_eq!(w.routers[0].node.vrrp.foreign, 3 * 255);
    let mut w = Wire::new(&[&router(100, "")]);
    w.hear(0, &with(7));
    assert_eq!((w.routers[0].said.len(), w.routers[0].node.vrrp.foreign), (1, 1));
}

// ---- bad input -------------------------------------------------------------------------------------------------

/// Each would take the mastership if it were heard: dropped, counted by its reason, said once.
#[test]
fn what_is_wrong_with_a_packet_is_counted_and_changes_nothing() {
    let vip = ["10.0.0.100"];
    let group = "224.0.0.18";
    let three =
        |from: &str, priority, centiseconds, vips: &[&str]| advert(3, from, group, priority, centiseconds, vips);
    let good = three("10.0.0.9", 200, 100, &vip);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let cases = [
        ("zero interval", three("10.0.0.9", 200, 0, &vip), Bad::Interval(Duration::ZERO)),
        ("no address", three("10.0.0.9", 200, 100, &[]), Bad::Empty),
        ("source of nobody", three("0.0.0.0", 200, 100, &vip), Bad::Source([0, 0, 0, 0].into())),
        ("source of all", three("255.255.255.255", 200, 100, &vip), Bad::Source([0, 0, 0, 0].into())),
        ("source of a group", three("224.0.0.9", 200, 100, &vip), Bad::Source([0, 0, 0, 0].into())),
        ("source of the loopback", three("127.0.0.1", 200, 100, &vip), Bad::Source([0, 0, 0, 0].into())),
        ("our own, sent back", three("10.0.0.1", 100, 100, &vip), Bad::Own),
        ("through a router", with(8, 254), Bad::Ttl(0)),
        ("version", with(20, 0x21), Bad::Version { ours: 3, theirs: 2 }),
        ("type", with(20, 0x32), Bad::Type(2)),
        ("count", with(23, 2), Bad::Length { want: 0, got: 0 }),
        ("checksum", with(26, 0), Bad::Checksum(0, None)),
    ];
    for (what, bytes, bad) in cases {
        for master in [false, true] {
            let mut w = Wire::new(&[&router(100, "version 3")]);
            w.pass(if master { 5.0 } else { 1.0 });
            let (before, deadline) = (w.state(0), w.routers[0].node.vrrp.instances[0].deadline);
            w.sent(0);
            (0..10).for_each(|_| w.hear(0, &bytes));
            assert_eq!((w.state(0), w.sent(0).len()), (before, 0), "{what}");
            let n = &w.routers[0].node.vrrp.instances[0];
            assert_eq!((n.deadline, n.counters.advert_rcvd), (deadline, 0), "{what}");
            assert_eq!((w.dropped(0, bad), n.counters.dropped.iter().sum()), (10, 10), "{what}");
            let count = w.routers[0].said.iter().filter(|l| l.contains("dropped") || l.contains("not heard")).count();
            assert_eq!(count, 1, "{what}: {:?}", w.routers[0].said);
        }
    }
    let mut w = Wire::new(&[&router(100, "version 3")]);
    w.hear(0, &good);
    assert_eq!(w.routers[0].node.vrrp.instances[0].counters.advert_rcvd, 1, "the good one");
}

#[test]
fn routers_without_addresses_may_elect_one_of_them() {
    let text = "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n no_virtual_ipaddress\n}\n";
    let mut w = Wire::new(&[text, &text.replace("no_virtual", "priority 200\n no_virtual")]);
    w.pass(10.0);
    assert_eq!(w.states(), [State::Backup, State::Master]);
}

#[test]
fn a_peer_is_who_is_configured_and_near_enough() {
    let text = router(100, "version 3\n check_unicast_src\n unicast_peer {\n 10.0.0.9 min_ttl 254\n }");
    let mut w = Wire::new(&[&text]);
    w.pass(5.0);
    let mut far = advert(3, "10.0.0.9", "10.0.0.1", 200, 100, &["10.0.0.100"]);
    far[8] = 200;
    w.hear(0, &far);
    w.hear(0, &advert(3, "10.0.0.8", "10.0.0.1", 200, 100, &["10.0.0.100"]));
    assert_eq!((w.state(0), w.dropped(0, Bad::PeerTtl(0)), w.dropped(0, Bad::Stranger)), (State::Master, 1, 1));
    w.hear(0, &advert(3, "10.0.0.9", "10.0.0.1", 200, 100, &["10.0.0.100"]));
    assert_eq!(w.state(0), State::Backup);
}

/// Any bytes, and damaged packets of each form: no panic, no effect but by a packet that is right.
#[test]
fn damage_to_signed_packets_has_no_effect() {
    let unicast = |peer: u8| format!("{}\n unicast_peer {{\n 10.0.0.{peer}\n }}", signed(KEY));
    let monotonic = signed(&format!("{KEY}\n anti_replay monotonic"));
    for [one, two] in [[signed(KEY), signed(KEY)], [unicast(2), unicast(1)], [monotonic.clone(), monotonic]] {
        let mut w = Wire::new(&[&router(100, &one), &router(200, &two)]);
        w.pass(10.0);
        w.cut.push(1);
        w.sent(1);
        w.pass(1.0);
        let good = w.sent(1).pop().unwrap();
        w.pass(4.0);
        assert_eq!(w.state(0), State::Master);
        let mut seed = 0x2545_f491_4f6c_dd1du64;
        let mut random = move |n: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % n.max(1) as u64) as usize
        };
        for _ in 0..50_000 {
            let mut bytes = good.clone();
            // What the kernel alone looks at may differ; from the payload on nothing may.
            match random(4) {
                0 => bytes.truncate(random(bytes.len())),
                1 => bytes[2..4].copy_from_slice(&(random(70) as u16).to_be_bytes()),
                _ => {
                    let at = 20 + random(bytes.len() - 20);
                    let was = bytes[at];
                    bytes[at] = random(256) as u8;
                    // The checksum is not signed: its bytes count by themselves.
                    if bytes[at] == was {
                        continue;
                    }
                }
            }
            if bytes == good {
                continue;
            }
            w.hear(0, &bytes);
            assert_eq!(w.state(0), State::Master, "{bytes:02x?}");
        }
        assert!(w.dropped(0, Bad::Forged) > 1000 && w.dropped(0, Bad::Trailer) > 100);
        w.hear(0, &good);
        assert_eq!(w.state(0), State::Backup, "the good one counts");
    }
}

#[test]
fn kernel_state_follows_the_rules_of_owners() {
    // An owner that gives way lets go of its address, and takes it again.
    let mut w = Wire::new(&[&owner("")]);
    w.pass(1.0);
    let holds = |w: &Wire| w.routers[0].node.table().wanted().any(|(k, _)| matches!(k, Key::Address(_)));
    assert!(holds(&w));
    for wait in [1.3, 0.0] {
        w.hear(0, &plain("10.0.0.0", 255));
        w.pass(wait);
    }
    w.hear(0, &plain("10.0.0.0", 255));
    assert!(!holds(&w));
    w.pass(3.1);
    assert!(holds(&w));
}
