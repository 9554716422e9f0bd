//! Packets of strangers: any bytes at the sockets of a running node, in each form that adverts have. No panic; and what is
//! not signed with our key makes no MASTER step down.
#![no_main]

use holdfast::base::addr::{IfName, Mac};
use holdfast::base::time::Instant;
use holdfast::config::loader::{load, Host};
use holdfast::config::model::Config;
use holdfast::node::event::Event;
use holdfast::node::vrrp::instance::State;
use holdfast::node::Node;
use holdfast::wire::op::{AddressKey, AddressValue, Link, News};
use holdfast::wire::{ah, arp, hmac, na, vrrp};
use libfuzzer_sys::fuzz_target;
use std::rc::Rc;

/// The first byte chooses one.
const FORMS: [&str; 6] = [
    "",
    "version 3",
    // Not the key of the seed, which is right.
    "authentication {\n auth_type AH\n auth_pass 12345679\n}",
    "authentication {\n auth_type PASS\n auth_pass example\n}",
    "version 3\n unicast_peer {\n 10.0.0.2\n}\n auth_hmac {\n key 1 0123456789012345678901234567890123\n}",
    "version 3\n auth_hmac {\n key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n}",
];
/// Those that nobody can please without the key.
const SEALED: [usize; 3] = [2, 4, 5];

thread_local! {
    static CONFIGS: [Rc<Config>; FORMS.len()] = FORMS.map(config);
}

fn config(lines: &str) -> Rc<Config> {
    let text = format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 51\n {lines}\n virtual_ipaddress {{\n 10.0.0.100\n }}\n}}\n\
         vrrp_instance B {{\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {{\n fe80::51\n }}\n}}\n"
    );
    Rc::new(load("f", text.into_bytes(), Host::default()).config.expect("a good file"))
}

/// A MASTER.
fn node(form: usize) -> (Node, Instant) {
    let config = CONFIGS.with(|configs| Rc::clone(&configs[form]));
    let (mut node, mut now, mut out) = (Node::new(config), Instant(1_000_000), Vec::new());
    node.step(now, Event::Start { seed: 1, owned: Vec::new() }, &mut out);
    let name: IfName = "eth0".parse().expect("a name");
    let (mac, more) = (Mac([2; 6]), Default::default());
    let link = Link { ifindex: 2, name, up: true, mac, mtu: 1500, no_arp: false, more };
    let address = |net: &str| {
        let key = AddressKey { ifindex: 2, net: net.parse().expect("an address") };
        News::Address { key, value: AddressValue::default(), primary: true }
    };
    for news in [News::DumpBegin, News::Link(link), address("10.0.0.1/24"), address("fe80::1/64"), News::DumpDone] {
        node.step(now, Event::Kernel(news), &mut out);
    }
    while let Some(at) = node.deadline().filter(|at| *at < Instant(6_000_000)) {
        now = at.max(now);
        node.step(now, Event::Due, &mut out);
    }
    (node, now)
}

fuzz_target!(|input: &[u8]| {
    let Some((form, bytes)) = input.split_first() else { return };
    let form = usize::from(*form) % FORMS.len();
    let (mut node, now) = node(form);
    let master = |node: &Node| node.vrrp.instances[0].state == State::Master;
    assert!(master(&node));
    let mut out = Vec::new();
    // Once more: a replay.
    for _ in 0..2 {
        node.step(now, Event::Packet { ifindex: 2, bytes }, &mut out);
    }
    assert!(master(&node) || !SEALED.contains(&form));
    // The parsers by themselves, and what is made of any address.
    let _ = ah::open(b"12345678", bytes);
    let _ = hmac::Trailer::parse(bytes).map(|t| t.is_of(&[7; 32], [10, 0, 0, 2].into(), bytes));
    for version in [2, 3] {
        for (src, dst) in [("10.0.0.2", "224.0.0.18"), ("fe80::2", "ff02::12")] {
            let ends = vrrp::Ends { src: src.parse().expect("an address"), dst: dst.parse().expect("an address") };
            let family = holdfast::base::addr::Family::of(&ends.dst);
            let (advert, trailer) = vrrp::split(bytes, version, family);
            assert_eq!(advert.len() + trailer.map_or(0, <[u8]>::len), bytes.len());
            let parsed = vrrp::Advert::parse_summed(advert, bytes, version, ends, &vrrp::Rule::ALL);
            let _ = parsed.map(|advert| advert.addresses().count());
        }
    }
    if let Some((mac, ip)) =
        bytes.split_first_chunk::<6>().and_then(|(mac, rest)| Some((mac, rest.first_chunk::<16>()?)))
    {
        arp::gratuitous(Mac(*mac), <[u8; 4]>::try_from(&ip[..4]).expect("four bytes").into());
        na::unsolicited(Mac(*mac), (*ip).into(), false);
    }
});
