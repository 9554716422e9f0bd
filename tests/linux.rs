//! The Linux layer against this machine's kernel, in network namespaces of its own. Needs root and `ip`.

use holdfast::base::addr::{Endpoint, Family, IfName, IpNet};
use holdfast::linux::ipvs::Ipvs;
use holdfast::linux::netlink::{NewsEnd, Rtnl};
use holdfast::linux::process::{self, Exit};
use holdfast::linux::{socket, sys, Done};
use holdfast::wire::ip::Head;
use holdfast::wire::op::{
    AddressKey, AddressValue, Create, DestValue, Forward, Key, Leg, Link, News, Op, Protocol, RouteKey, RouteValue,
    RuleKey, RuleValue, Scheduler, ServiceKey, ServiceValue, SocketKey, SyncRole, Value,
};
use holdfast::wire::route::is_same;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

/// Puts this test's thread into a fresh network namespace; false (and said) where that is not possible.
fn alone() -> bool {
    if sys::effective_uid() != 0 {
        println!("skipped: needs root");
        return false;
    }
    if let Err(e) = sys::new_network_namespace() {
        println!("skipped: needs root with network namespaces ({e})");
        return false;
    }
    true
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().expect("ip");
    assert!(status.success(), "ip {words}");
}

fn name(s: &str) -> IfName {
    s.parse().unwrap()
}

fn net(s: &str) -> IpNet {
    s.parse().unwrap()
}

fn address(ifindex: u32, net: IpNet) -> Op {
    Op::Add(Key::Address(AddressKey { ifindex, net }), Value::Address(AddressValue::default()))
}

fn removal(op: &Op) -> Op {
    match op {
        Op::Add(k, v) | Op::Set(k, v) | Op::Remove(k, v) => Op::Remove(*k, v.clone()),
    }
}

fn apply(rtnl: &mut Rtnl, ops: &[Op]) -> Vec<Done> {
    let mut all = Vec::new();
    rtnl.apply(ops, &mut |_, done| all.push(done));
    all
}

fn dump(rtnl: &mut Rtnl) -> Vec<News> {
    let mut all = Vec::new();
    rtnl.dump(&mut |n| all.push(n)).unwrap();
    assert_eq!(all.first(), Some(&News::DumpBegin));
    assert_eq!(all.last(), Some(&News::DumpDone));
    all
}

fn news(rtnl: &mut Rtnl) -> Vec<News> {
    let mut all = Vec::new();
    assert_eq!(rtnl.read_news(100_000, &mut |n| all.push(n)).unwrap(), NewsEnd::Drained);
    all
}

/// Carrier is told by a worker of the kernel, up to a second later.
fn wait_for_link(rtnl: &mut Rtnl, wanted: &str, up: bool) -> Link {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        for n in news(rtnl) {
            match n {
                News::Link(l) if l.name.as_str() == wanted && l.up == up => return l,
                _ => {}
            }
        }
        assert!(Instant::now() < end, "link {wanted} does not come to be up = {up}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn link(all: &[News], wanted: &str) -> Link {
    let find = |n: &News| match n {
        News::Link(l) if l.name.as_str() == wanted => Some(l.clone()),
        _ => None,
    };
    all.iter().rev().find_map(find).unwrap_or_else(|| panic!("no link {wanted}"))
}

#[test]
fn links_and_their_news() {
    if !alone() {
        return;
    }
    let mut rtnl = Rtnl::open().unwrap();
    let all = dump(&mut rtnl);
    let lo = link(&all, "lo");
    assert!(!lo.up && lo.no_arp && lo.mtu > 0, "{lo:?}");
    ip("link set lo up");
    ip("link add va address 02:00:00:00:00:0a type veth peer name vb");
    ip("link set va up");
    let all = news(&mut rtnl);
    assert!(link(&all, "lo").up);
    let va = link(&all, "va");
    assert_eq!((va.mac.to_string(), va.mtu, va.no_arp), ("02:00:00:00:00:0a".into(), 1500, false));
    ip("link set vb up");
    wait_for_link(&mut rtnl, "va", true);
    ip("link set vb down");
    wait_for_link(&mut rtnl, "va", false);
    // Leaving a bridge is told as RTM_DELLINK too, of family AF_BRIDGE: the link is not gone.
    ip("link add br0 type bridge");
    ip("link set va master br0");
    ip("link set va nomaster");
    let gone = |all: &[News]| all.contains(&News::LinkGone { ifindex: va.ifindex });
    assert!(!gone(&news(&mut rtnl)));
    ip("link del va");
    assert!(gone(&news(&mut rtnl)));
    assert!(!dump(&mut rtnl).iter().any(|n| matches!(n, News::Link(l) if l.name.as_str() == "va")));
}

#[test]
fn addresses_in_a_batch() {
    if !alone() {
        return;
    }
    ip("link set lo up");
    let mut rtnl = Rtnl::open().unwrap();
    dump(&mut rtnl);
    let ops: Vec<Op> = (0..1000u32).map(|i| address(1, IpNet::host(Ipv4Addr::from(0x0a01_0000 + i).into()))).collect();
    let start = Instant::now();
    let done = apply(&mut rtnl, &ops);
    println!("1,000 addresses added in {:?}", start.elapsed());
    assert_eq!(done, vec![Done::Applied; 1000]);
    // Each comes back as news, in order, without a label (the kernel says the link's name) and as a primary one.
    let echoes: Vec<News> = news(&mut rtnl).into_iter().filter(|n| matches!(n, News::Address { .. })).collect();
    let expected = ops.iter().map(|op| match op.key() {
        Key::Address(key) => News::Address { key, value: AddressValue::default(), primary: true },
        _ => unreachable!(),
    });
    assert!(echoes.iter().cloned().eq(expected.clone()), "{:?}", echoes.first());
    // Added again: success, nothing changes, no news.
    assert_eq!(apply(&mut rtnl, &ops), vec![Done::WasThere; 1000]);
    assert_eq!(news(&mut rtnl), []);
    let there = dump(&mut rtnl);
    assert!(expected.clone().all(|n| there.contains(&n)));
    let removals: Vec<Op> = ops.iter().map(removal).collect();
    let start = Instant::now();
    assert_eq!(apply(&mut rtnl, &removals), vec![Done::Applied; 1000]);
    println!("1,000 addresses removed in {:?}", start.elapsed());
    let gone = news(&mut rtnl).into_iter().filter(|n| matches!(n, News::AddressGone { .. })).count();
    assert_eq!(gone, 1000);
    assert_eq!(apply(&mut rtnl, &removals), vec![Done::WasThere; 1000]);
}

#[test]
fn each_operation_gets_its_own_answer() {
    if !alone() {
        return;
    }
    ip("link set lo up");
    ip("link add va type veth peer name vb");
    ip("link set va up");
    ip("link set vb up");
    let mut rtnl = Rtnl::open().unwrap();
    let va = link(&dump(&mut rtnl), "va").ifindex;
    let full = AddressValue {
        broadcast: Some(Ipv4Addr::new(10, 0, 0, 255)),
        label: IfName::label("va:7"),
        ..AddressValue::default()
    };
    let key = AddressKey { ifindex: va, net: net("10.0.0.7/24") };
    let second = AddressKey { ifindex: va, net: net("10.0.0.8/24") };
    let six = AddressKey { ifindex: va, net: net("fd00::7/128") };
    let ops = [
        Op::Add(Key::Address(key), Value::Address(full.clone())),
        address(4_000_000, net("10.0.0.9/32")),
        address(va, second.net),
        address(va, second.net),
        Op::Add(Key::Socket(SocketKey { ifindex: va, protocol: 112, address: [224, 0, 0, 18].into() }), Value::Socket),
        address(va, six.net),
    ];
    let done = apply(&mut rtnl, &ops);
    let expected = [
        Done::Applied,
        Done::Refused(libc::ENODEV),
        Done::Applied,
        Done::WasThere,
        Done::Refused(libc::EOPNOTSUPP),
        Done::Applied,
    ];
    assert_eq!(done, expected);
    let mut all = news(&mut rtnl);
    // The kernel tells of an IPv6 address later, from a worker.
    let end = Instant::now() + Duration::from_secs(5);
    while !all.iter().any(|n| matches!(n, News::Address { key, .. } if *key == six)) {
        assert!(Instant::now() < end, "{all:?}");
        std::thread::sleep(Duration::from_millis(2));
        all.extend(news(&mut rtnl));
    }
    assert!(all.contains(&News::Address { key, value: full.clone(), primary: true }), "{all:?}");
    assert!(
        all.contains(&News::Address { key: second, value: AddressValue::default(), primary: true })
            || all.contains(&News::Address { key: second, value: AddressValue::default(), primary: false })
    );
    // Another label in place of the old one.
    let other = AddressValue { label: IfName::label("va:8"), ..full };
    assert_eq!(apply(&mut rtnl, &[Op::Set(Key::Address(key), Value::Address(other.clone()))]), [Done::Applied]);
    let all = dump(&mut rtnl);
    let now: Vec<_> = all.iter().filter(|n| matches!(n, News::Address { key: k, .. } if *k == key)).collect();
    assert!(matches!(now[..], [News::Address { value, .. }] if *value == other), "{now:?}");
}

#[test]
fn routes_of_ours_only() {
    if !alone() {
        return;
    }
    ip("link set lo up");
    ip("link add va type veth peer name vb");
    ip("link set va up");
    ip("link set vb up");
    ip("addr add 10.0.0.1/24 dev va");
    ip("route add 10.9.0.0/16 via 10.0.0.3");
    let mut rtnl = Rtnl::open().unwrap();
    let all = dump(&mut rtnl);
    let va = link(&all, "va").ifindex;
    assert!(!all.iter().any(|n| matches!(n, News::Route { .. })), "not ours: {all:?}");
    let route = |dst: &str, table, via: Option<[u8; 4]>, kind| {
        let ifindex = (kind == 1).then_some(va);
        let scope = if kind == 1 && via.is_none() { 253 } else { 0 };
        let value =
            RouteValue { via: via.map(Into::into), ifindex, scope, kind, protocol: 18, ..RouteValue::default() };
        (RouteKey { table, dst: net(dst), metric: 50, tos: 0, way: value.way() }, value)
    };
    let boxed = |v: &RouteValue| Value::Route(Box::new(v.clone()));
    let routes = [
        route("10.1.0.0/16", 254, Some([10, 0, 0, 2]), 1),
        route("10.2.0.0/16", 4242, None, 1),
        route("0.0.0.0/0", 254, Some([10, 0, 0, 2]), 1),
        route("10.3.0.0/16", 254, None, 6),
    ];
    let ops: Vec<Op> = routes.iter().map(|(k, v)| Op::Add(Key::Route(*k), boxed(v))).collect();
    assert_eq!(apply(&mut rtnl, &ops), [Done::Applied; 4]);
    let told = |all: &[News]| -> Vec<(RouteKey, RouteValue)> {
        let of = |n: &News| match n {
            News::Route { key, value } => Some((*key, value.clone())),
            _ => None,
        };
        all.iter().filter_map(of).collect()
    };
    assert_eq!(told(&news(&mut rtnl)), routes);
    let mut dumped = told(&dump(&mut rtnl));
    dumped.sort_by_key(|(k, _)| routes.iter().position(|(other, _)| other == k));
    assert_eq!(dumped, routes);
    assert_eq!(apply(&mut rtnl, &ops), [Done::WasThere; 4]);
    // Another MTU in place.
    let (key, changed) = route("10.1.0.0/16", 254, Some([10, 0, 0, 2]), 1);
    let changed = RouteValue { metrics: vec![(2, 1400)], ..changed };
    assert_eq!(apply(&mut rtnl, &[Op::Set(Key::Route(key), boxed(&changed))]), [Done::Applied]);
    assert_eq!(told(&news(&mut rtnl)), [(key, changed.clone())]);
    let removals: Vec<Op> = dumped
        .iter()
        .map(|(k, v)| if *k == key { (k, &changed) } else { (k, v) })
        .map(|(k, v)| Op::Remove(Key::Route(*k), boxed(v)))
        .collect();
    assert_eq!(apply(&mut rtnl, &removals), [Done::Applied; 4]);
    assert_eq!(apply(&mut rtnl, &removals), [Done::WasThere; 4]);
    assert_eq!(told(&dump(&mut rtnl)), []);
    // A route of somebody else with that key is not touched by a removal.
    let theirs = RouteKey { table: 254, dst: net("10.9.0.0/16"), metric: 0, tos: 0, way: 0 };
    let value = RouteValue { ifindex: Some(va), kind: 1, ..RouteValue::default() };
    assert_eq!(apply(&mut rtnl, &[Op::Remove(Key::Route(theirs), boxed(&value))]), [Done::WasThere]);
    let shown = Command::new("ip").args(["route", "show", "10.9.0.0/16"]).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("via 10.0.0.3"));
}

/// Each option: the kernel takes it, and tells of the same thing, so that it is known when somebody removes it.
#[test]
fn routes_and_rules_with_all_their_options() {
    if !alone() {
        return;
    }
    ip("link set lo up");
    ip("link add va type veth peer name vb");
    ip("link set va up");
    ip("link set vb up");
    ip("addr add 10.0.0.1/24 dev va");
    ip("addr add fd00::1/64 dev va nodad");
    let mut rtnl = Rtnl::open().unwrap();
    let va = link(&dump(&mut rtnl), "va").ifindex;
    let four: Option<IpAddr> = Some([10, 0, 0, 2].into());
    let six: Option<IpAddr> = "fd00::2".parse().ok();
    let leg = |via: &str, weight| Leg { via: via.parse().ok(), ifindex: Some(va), weight, onlink: false };
    let plain = RouteValue { kind: 1, ..RouteValue::default() };
    let routes = [
        (
            "10.1.0.0/16",
            0x10,
            7,
            RouteValue { via: four, src: Some([10, 0, 0, 1].into()), realms: Some(9), ..plain.clone() },
        ),
        (
            "10.2.0.0/16",
            0,
            0,
            RouteValue { via: Some([10, 9, 9, 9].into()), ifindex: Some(va), onlink: true, ..plain.clone() },
        ),
        ("10.3.0.0/16", 0, 0, RouteValue { legs: vec![leg("10.0.0.2", 3), leg("10.0.0.3", 1)], ..plain.clone() }),
        (
            "10.4.0.0/16",
            0,
            0,
            RouteValue {
                via: four,
                metrics: vec![(1, 1 << 2), (2, 1400), (10, 9)],
                congctl: Some("reno".into()),
                ..plain.clone()
            },
        ),
        ("10.5.0.0/16", 0, 0, RouteValue { via: "fe80::1".parse().ok(), ifindex: Some(va), ..plain.clone() }),
        ("10.6.0.0/16", 0, 0, RouteValue { kind: 9, ..plain.clone() }),
        // A second way to one place.
        ("10.6.0.0/16", 0, 0, RouteValue { via: four, create: Create::Append, ..plain.clone() }),
        ("fd01::/64", 0, 1024, RouteValue { via: six, pref: Some(1), ..plain.clone() }),
        ("fd02::/64", 0, 1024, RouteValue { legs: vec![leg("fd00::2", 1), leg("fd00::3", 2)], ..plain.clone() }),
        ("fd03::/64", 0, 5, RouteValue { kind: 6, ..plain.clone() }),
        ("fd04::/64", 0, 1024, RouteValue { via: "fe80::9".parse().ok(), ifindex: Some(va), ..plain.clone() }),
    ];
    let object = |(dst, tos, metric, value): &(&str, u8, u32, RouteValue)| {
        let key = RouteKey { table: 254, dst: net(dst), metric: *metric, tos: *tos, way: value.way() };
        (Key::Route(key), Value::Route(Box::new(value.clone())))
    };
    let rule = RuleValue { action: 1, table: 100, ..RuleValue::default() };
    let rules = [
        (
            Family::V4,
            RuleValue { from: Some(net("10.0.0.0/8")), to: Some(net("11.0.0.0/8")), tos: 0x10, ..rule.clone() },
        ),
        (Family::V4, RuleValue { iif: Some(name("va")), oif: Some(name("nothere")), table: 70_000, ..rule.clone() }),
        (Family::V4, RuleValue { fwmark: Some((5, 0xff)), realms: Some(3 << 16 | 4), invert: true, ..rule.clone() }),
        (Family::V4, RuleValue { suppress_prefixlength: Some(8), suppress_ifgroup: Some(2), ..rule.clone() }),
        (Family::V6, RuleValue { tunnel_id: Some(77), uidrange: Some((10, 20)), protocol: 12, ..rule.clone() }),
        (Family::V6, RuleValue { ipproto: Some(6), sport: Some((1, 9)), dport: Some((80, 80)), ..rule.clone() }),
        (Family::V6, RuleValue { table: 0, action: 2, goto: Some(40_000), ..rule.clone() }),
        (Family::V4, RuleValue { table: 0, l3mdev: true, ..rule.clone() }),
        (Family::V4, RuleValue { table: 0, action: 7, ..rule }),
    ];
    let policy = |(at, (family, value)): (u32, &(Family, RuleValue))| {
        let key = RuleKey { family: *family, preference: 20_000 + at, way: value.way() };
        (Key::Rule(key), Value::Rule(Box::new(value.clone())))
    };
    let objects: Vec<(Key, Value)> = routes.iter().map(object).chain((0..).zip(&rules).map(policy)).collect();
    let adds: Vec<Op> = objects.iter().map(|(k, v)| Op::Add(*k, v.clone())).collect();
    let none = vec![Done::Applied; objects.len()];
    let done = apply(&mut rtnl, &adds);
    assert_eq!(done, none, "{:?}", adds.iter().zip(&done).filter(|(_, d)| **d != Done::Applied).collect::<Vec<_>>());
    let there = |all: Vec<News>| -> Vec<(Key, Value)> {
        let of = |n| match n {
            News::Route { key, value } => Some((Key::Route(key), Value::Route(Box::new(value)))),
            News::Rule { key, value } => Some((Key::Rule(key), Value::Rule(Box::new(value)))),
            _ => None,
        };
        all.into_iter().filter_map(of).collect()
    };
    for told in [there(news(&mut rtnl)), there(dump(&mut rtnl))] {
        for (key, want) in &objects {
            let Some((_, have)) = told.iter().find(|(k, _)| k == key) else { panic!("{want:?} is not in {told:?}") };
            match (want, have) {
                (Value::Route(want), Value::Route(have)) => assert!(is_same(want, have), "{want:?} is not {have:?}"),
                (Value::Rule(want), Value::Rule(have)) => assert_eq!(want.way(), have.way()),
                _ => unreachable!(),
            }
        }
    }
    let removals: Vec<Op> = adds.iter().map(removal).collect();
    assert_eq!(apply(&mut rtnl, &removals), none);
    let mut gone: Vec<Key> = Vec::new();
    for n in news(&mut rtnl) {
        match n {
            News::RouteGone { key, .. } => gone.push(Key::Route(key)),
            News::RuleGone { key } => gone.push(Key::Rule(key)),
            _ => {}
        }
    }
    assert!(objects.iter().all(|(key, _)| gone.contains(key)), "{gone:?}");
    let left = there(dump(&mut rtnl));
    assert!(objects.iter().all(|(key, _)| !left.iter().any(|(k, _)| k == key)), "{left:?}");
    assert_eq!(apply(&mut rtnl, &removals), vec![Done::WasThere; objects.len()]);
}

#[test]
fn lost_news_are_known() {
    if !alone() {
        return;
    }
    ip("link set lo up");
    let mut rtnl = Rtnl::open().unwrap();
    dump(&mut rtnl);
    let small = 1i32.to_ne_bytes();
    sys::set_option(rtnl.news_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &small).unwrap();
    let ops: Vec<Op> = (0..200u32).map(|i| address(1, IpNet::host(Ipv4Addr::from(0x0a01_0000 + i).into()))).collect();
    // The answers come whole although the news do not.
    assert_eq!(apply(&mut rtnl, &ops), vec![Done::Applied; 200]);
    let mut heard = 0;
    let end = rtnl.read_news(100_000, &mut |_| heard += 1).unwrap();
    assert_eq!(end, NewsEnd::Overrun, "{heard} heard");
    assert!(heard < 200);
    let there = dump(&mut rtnl).iter().filter(|n| matches!(n, News::Address { key, .. } if key.net.len == 32)).count();
    assert_eq!(there, 200);
    assert_eq!(rtnl.read_news(10, &mut |_| ()).unwrap(), NewsEnd::Drained);
}

#[test]
fn adverts_cross_a_veth() {
    if !alone() {
        return;
    }
    ip("link add va type veth peer name vb");
    ip("link add vc type veth peer name vd");
    let mut rtnl = Rtnl::open().unwrap();
    for (i, dev) in ["va", "vb", "vc", "vd"].iter().enumerate() {
        ip(&format!("addr add 10.0.{i}.1/24 dev {dev}"));
        ip(&format!("link set {dev} up"));
    }
    wait_for_link(&mut rtnl, "va", true);
    let all = dump(&mut rtnl);
    let open = |dev: &str| {
        let key = SocketKey { ifindex: link(&all, dev).ifindex, protocol: 112, address: [224, 0, 0, 18].into() };
        (socket::vrrp(&key, Some(&name(dev))).unwrap(), key)
    };
    let ((a, _), (b, key_b), (d, _)) = (open("va"), open("vb"), open("vd"));
    let group = IpAddr::from([224, 0, 0, 18]);
    let packets: Vec<Vec<u8>> = (0..150u8)
        .map(|i| {
            // IPv4, no options, TTL 255, protocol 112; the kernel fills in length, id and checksum.
            let mut p = vec![0x45, 0xc0, 0, 0, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 1, 99, 224, 0, 0, 18];
            p.extend([0x21, i, 100, 0]);
            p
        })
        .collect();
    let batch: Vec<(IpAddr, &[u8])> = packets.iter().map(|p| (group, p.as_slice())).collect();
    let (sent, fault) = socket::send_batch(a.as_fd(), &batch);
    assert!(fault.is_none(), "{fault:?}");
    assert_eq!(sent, 150);
    std::thread::sleep(Duration::from_millis(50));
    let mut buf = [0; 2048];
    for (i, p) in packets.iter().enumerate() {
        let len = socket::recv(b.as_fd(), Family::V4, &mut buf).unwrap_or_else(|e| panic!("packet {i}: {e}"));
        assert_eq!(len, 24);
        assert_eq!((buf[8], buf[9], &buf[12..16], &buf[20..24]), (255, 112, &[10, 0, 1, 99][..], &p[20..]));
    }
    let nothing = |fd: &std::os::fd::OwnedFd| {
        let e = socket::recv(fd.as_fd(), Family::V4, &mut [0; 64]).unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock);
    };
    nothing(&b);
    // Not our own, and not those of another interface.
    nothing(&a);
    nothing(&d);
    // One that cannot be sent does not hold up the others.
    let mixed = [batch[0], (IpAddr::from([192, 0, 2, 1]), &[0u8; 3][..]), batch[1]];
    let (sent, fault) = socket::send_batch(a.as_fd(), &mixed);
    assert_eq!((sent, fault.map(|e| e.raw_os_error().is_some())), (2, Some(true)));
    std::thread::sleep(Duration::from_millis(20));
    for p in &packets[..2] {
        assert_eq!(socket::recv(b.as_fd(), Family::V4, &mut buf).map(|n| buf[20..n].to_vec()).unwrap(), p[20..]);
    }
    // A packet to this host itself is for the socket of that address, and only on its interface.
    let frames = socket::packet().unwrap();
    let (va, vb) = (link(&all, "va"), link(&all, "vb"));
    let own = |dev: &str, last: u8| {
        let ifindex = if dev.is_empty() { 0 } else { link(&all, dev).ifindex };
        let key = SocketKey { ifindex, protocol: 112, address: [10, 0, 1, last].into() };
        socket::vrrp(&key, (!dev.is_empty()).then(|| name(dev)).as_ref())
    };
    let (here, anywhere, elsewhere) = (own("vb", 1).unwrap(), own("", 1).unwrap(), own("vd", 1).unwrap());
    assert_eq!(own("vb", 77).unwrap_err().raw_os_error(), Some(libc::EADDRNOTAVAIL));
    let mut head = [0x45, 0, 0, 24, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 1, 99, 10, 0, 1, 1];
    let sum: u32 = head.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(c[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    head[10..12].copy_from_slice(&sum.to_be_bytes());
    let frame = [&vb.mac.0[..], &va.mac.0, &[8, 0], &head, &[0x21, 9, 9, 9]].concat();
    socket::send_frame(frames.as_fd(), va.ifindex, &frame).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    for fd in [&here, &anywhere] {
        assert_eq!(
            socket::recv(fd.as_fd(), Family::V4, &mut buf).map(|n| buf[20..n].to_vec()).unwrap(),
            [0x21, 9, 9, 9]
        );
        nothing(fd);
    }
    nothing(&b);
    nothing(&d);
    nothing(&elsewhere);
    // ARP goes out on an interface by its number: a socket that hears only what comes in has it, on the other end.
    let protocol = i32::from(0x0806u16.to_be());
    let ears = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, protocol).unwrap();
    let arp = [&[0xff; 6][..], &va.mac.0, &[8, 6], &[0; 28]].concat();
    socket::send_frame(frames.as_fd(), va.ifindex, &arp).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let mut from = [0; 20];
    let got = sys::receive_from(ears.as_fd(), &mut buf, &mut from).unwrap();
    assert_eq!(buf[..got.len], arp);
    // sockaddr_ll: the interface at 4.
    assert_eq!(from[4..8], vb.ifindex.to_ne_bytes());
    nothing(&frames);
    assert!(socket::vrrp(&SocketKey { ifindex: 999, ..key_b }, Some(&name("nosuch"))).is_err());
}

/// `ipvsadm -Sn`, sorted; newer ones say the tunnel type, older ones do not.
#[test]
fn adverts_cross_a_veth_over_ipv6() {
    if !alone() {
        return;
    }
    ip("link add va type veth peer name vb");
    let mut rtnl = Rtnl::open().unwrap();
    for (dev, last) in [("va", "a"), ("vb", "b")] {
        ip(&format!("link set {dev} up"));
        ip(&format!("-6 addr add fe80::{last}/64 dev {dev} nodad"));
    }
    wait_for_link(&mut rtnl, "va", true);
    let all = dump(&mut rtnl);
    let open = |dev: &str, address: &str| {
        let address = address.parse().unwrap();
        socket::vrrp(&SocketKey { ifindex: link(&all, dev).ifindex, protocol: 112, address }, Some(&name(dev))).unwrap()
    };
    let (a, b, b_own) = (open("va", "ff02::12"), open("vb", "ff02::12"), open("vb", "fe80::b"));
    let packet = |dst: &str, ttl: u8| {
        let (src, dst) = ("fe80::a".parse().unwrap(), dst.parse().unwrap());
        let mut w = holdfast::base::bytes::Writer::new();
        Head { src, dst, ttl, protocol: 112 }.emit(1, 8, &mut w);
        w.put(&[0x31, 7, 100, 0, 0, 100, 0x12, 0x34]);
        (dst, w.bytes)
    };
    let packets = [packet("ff02::12", 255), packet("fe80::b", 64)];
    let batch: Vec<(IpAddr, &[u8])> = packets.iter().map(|(to, bytes)| (*to, bytes.as_slice())).collect();
    let (sent, fault) = socket::send_batch(a.as_fd(), &batch);
    assert_eq!((sent, fault.map(|e| e.to_string())), (2, None));
    std::thread::sleep(Duration::from_millis(50));
    let mut buf = [0; 2048];
    for (fd, (_, sent)) in [&b, &b_own].into_iter().zip(&packets) {
        let got = socket::recv(fd.as_fd(), Family::V6, &mut buf).map(|n| buf[..n].to_vec()).unwrap();
        assert_eq!(Head::parse(&got), Head::parse(sent));
    }
    for fd in [&a, &b, &b_own] {
        let e = socket::recv(fd.as_fd(), Family::V6, &mut buf).unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock);
    }
}

fn ipvsadm() -> Vec<String> {
    let out = Command::new("ipvsadm").args(["-S", "-n"]).output().expect("ipvsadm");
    let mut lines: Vec<String> = String::from_utf8_lossy(&out.stdout)
        .lines()
        .map(|l| l.replace("--tun-type ipip", "").split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

fn sorted(lines: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|l| l.to_string()).collect();
    lines.sort();
    lines
}

/// The table of IPVS, as `ipvsadm` and as our own dump see it.
#[test]
fn ipvs_table() {
    if !alone() {
        return;
    }
    let mut ipvs = match Ipvs::open() {
        Ok(ipvs) => ipvs,
        Err(e) => {
            println!("skipped: needs a kernel with IPVS ({e})");
            return;
        }
    };
    let at = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
    let plain = |scheduler| ServiceValue {
        scheduler,
        persistence: None,
        granularity: 32,
        one_packet: false,
        scheduler_flags: 0,
    };
    let real = |forward, weight| DestValue { forward, weight, upper_threshold: 0, lower_threshold: 0 };
    let add_service = |k: ServiceKey, v: &ServiceValue| Op::Add(Key::Service(k), Value::Service(v.clone()));
    let add_dest = |k: ServiceKey, at, v: &DestValue| Op::Add(Key::Dest(k, at), Value::Dest(v.clone()));
    let dump = |ipvs: &mut Ipvs| {
        let mut all = Vec::new();
        ipvs.dump(&mut |n| all.push(n)).unwrap();
        all
    };
    // Without any local address the kernel takes no destination at all.
    ip("link set lo up");
    assert_eq!(dump(&mut ipvs), [News::IpvsReady]);
    assert_eq!(ipvsadm(), [""; 0]);

    // Every scheduler that this kernel has, TCP and UDP.
    let mut lines = Vec::new();
    let mut told = Vec::new();
    for (i, &scheduler) in Scheduler::ALL.iter().enumerate() {
        let protocol = if i % 2 == 0 { Protocol::Tcp } else { Protocol::Udp };
        let key = ServiceKey::Address(protocol, at("10.0.0.1", 1000 + i as u16));
        let done = ipvs.apply(&add_service(key, &plain(scheduler)));
        if scheduler == Scheduler::Twos && done == Done::Refused(libc::ENOENT) {
            println!("this kernel has no twos");
            continue;
        }
        assert_eq!(done, Done::Applied, "{}", scheduler.name());
        let (letter, port) = (if i % 2 == 0 { "t" } else { "u" }, 1000 + i);
        lines.push(format!("-A -{letter} 10.0.0.1:{port} -s {}", scheduler.name()));
        told.push(News::Service { key, value: plain(scheduler) });
        for (forward, mode) in [(Forward::Nat, "m"), (Forward::Tunnel, "i"), (Forward::Direct, "g")] {
            let to = at(&format!("10.1.{i}.{}", forward.flags() + 1), 80);
            let value = real(forward, 5);
            assert_eq!(ipvs.apply(&add_dest(key, to, &value)), Done::Applied, "{key} {to}");
            lines.push(format!("-a -{letter} 10.0.0.1:{port} -r {}:{} -{mode} -w 5", to.ip, to.port));
            told.push(News::Dest { service: key, at: to, value });
        }
    }
    lines.sort();
    assert_eq!(ipvsadm(), lines);
    let all = dump(&mut ipvs);
    assert_eq!(all.last(), Some(&News::IpvsReady));
    assert_eq!(all.len(), told.len() + 1);
    assert!(told.iter().all(|n| all.contains(n)), "{all:?}");
    for n in &told {
        if let News::Service { key, value } = n {
            let op = Op::Remove(Key::Service(*key), Value::Service(value.clone()));
            assert_eq!(ipvs.apply(&op), Done::Applied);
            assert_eq!(ipvs.apply(&op), Done::WasThere);
        }
    }
    assert_eq!(ipvsadm(), [""; 0]);

    // Details, changes in place, marks.
    let web = ServiceKey::Address(Protocol::Tcp, at("10.0.0.1", 80));
    let mark = ServiceKey::Mark(Family::V4, 7);
    let dns = ServiceKey::Address(Protocol::Udp, at("10.0.0.1", 53));
    let sticky = ServiceValue { persistence: Some(360), granularity: 24, ..plain(Scheduler::Wlc) };
    assert_eq!(ipvs.apply(&add_service(web, &sticky)), Done::Applied);
    assert_eq!(
        ipvs.apply(&add_service(mark, &ServiceValue { scheduler_flags: 0b11, ..plain(Scheduler::Sh) })),
        Done::Applied
    );
    assert_eq!(
        ipvs.apply(&add_service(dns, &ServiceValue { one_packet: true, ..plain(Scheduler::Rr) })),
        Done::Applied
    );
    let limits = DestValue { upper_threshold: 100, lower_threshold: 50, ..real(Forward::Nat, 0) };
    assert_eq!(ipvs.apply(&add_dest(web, at("10.1.0.1", 8080), &limits)), Done::Applied);
    assert_eq!(ipvs.apply(&add_dest(mark, at("10.1.0.1", 0), &real(Forward::Direct, 65535))), Done::Applied);
    assert_eq!(
        ipvsadm(),
        sorted(&[
            "-A -t 10.0.0.1:80 -s wlc -p 360 -M 255.255.255.0",
            "-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 0",
            "-A -u 10.0.0.1:53 -s rr -o",
            "-A -f 7 -s sh -b sh-fallback,sh-port",
            "-a -f 7 -r 10.1.0.1:0 -g -w 65535",
        ])
    );
    // Saving leaves the thresholds out, listing has them.
    let out = Command::new("ipvsadm").args(["-L", "-n", "--thresholds"]).output().unwrap();
    let listed = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = listed.lines().find(|l| l.contains("10.1.0.1:8080")).unwrap_or_default();
    assert!(line.split_whitespace().collect::<Vec<_>>().starts_with(&["->", "10.1.0.1:8080", "100", "50"]), "{listed}");
    let all = dump(&mut ipvs);
    assert!(all.contains(&News::Service { key: web, value: sticky.clone() }), "{all:?}");
    assert!(all.contains(&News::Dest { service: web, at: at("10.1.0.1", 8080), value: limits.clone() }));
    assert!(all.contains(&News::Dest { service: mark, at: at("10.1.0.1", 0), value: real(Forward::Direct, 65535) }));

    // Adding what exists brings it up to date; setting what is missing adds it.
    assert_eq!(ipvs.apply(&add_service(web, &plain(Scheduler::Rr))), Done::WasThere);
    assert_eq!(ipvs.apply(&add_dest(web, at("10.1.0.1", 8080), &real(Forward::Nat, 3))), Done::WasThere);
    let set = Op::Set(Key::Dest(web, at("10.1.0.2", 8080)), Value::Dest(real(Forward::Nat, 4)));
    assert_eq!(ipvs.apply(&set), Done::Applied);
    let set = Op::Set(Key::Service(mark), Value::Service(plain(Scheduler::Wrr)));
    assert_eq!(ipvs.apply(&set), Done::Applied);
    let fresh = ServiceKey::Address(Protocol::Tcp, at("10.0.0.1", 81));
    assert_eq!(ipvs.apply(&Op::Set(Key::Service(fresh), Value::Service(plain(Scheduler::Lc)))), Done::Applied);
    assert_eq!(
        ipvsadm(),
        sorted(&[
            "-A -t 10.0.0.1:80 -s rr",
            "-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 3",
            "-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 4",
            "-A -t 10.0.0.1:81 -s lc",
            "-A -u 10.0.0.1:53 -s rr -o",
            "-A -f 7 -s wrr",
            "-a -f 7 -r 10.1.0.1:0 -g -w 65535",
        ])
    );

    // Refusals, each with its errno.
    let six = ServiceKey::Address(Protocol::Tcp, at("fd00::1", 80));
    assert_eq!(ipvs.apply(&add_service(six, &plain(Scheduler::Rr))), Done::Refused(libc::EAFNOSUPPORT));
    assert_eq!(
        ipvs.apply(&add_dest(web, at("fd00::2", 80), &real(Forward::Nat, 1))),
        Done::Refused(libc::EAFNOSUPPORT)
    );
    let missing = ServiceKey::Address(Protocol::Tcp, at("10.0.0.9", 80));
    assert_eq!(ipvs.apply(&add_dest(missing, at("10.1.0.1", 80), &real(Forward::Nat, 1))), Done::Refused(libc::ESRCH));
    assert_eq!(ipvs.apply(&address(1, net("10.0.0.1/32"))), Done::Refused(libc::EOPNOTSUPP));
    let gone = Op::Remove(Key::Dest(web, at("10.1.0.77", 80)), Value::Dest(real(Forward::Nat, 1)));
    assert_eq!(ipvs.apply(&gone), Done::WasThere);
    let remove = Op::Remove(Key::Dest(web, at("10.1.0.2", 8080)), Value::Dest(real(Forward::Nat, 4)));
    assert_eq!(ipvs.apply(&remove), Done::Applied);

    // The connection sync daemons.
    ip("link add va type veth peer name vb");
    ip("addr add 10.0.0.1/24 dev va");
    ip("link set va up");
    ip("link set vb up");
    let daemon = |id| (Key::SyncDaemon(SyncRole::Master), Value::SyncDaemon { interface: name("va"), id });
    let add = |id| Op::Add(daemon(id).0, daemon(id).1);
    assert_eq!(ipvs.apply(&add(5)), Done::Applied);
    assert_eq!(ipvs.apply(&add(5)), Done::WasThere);
    assert_eq!(ipvs.apply(&add(6)), Done::Applied);
    let backup = Value::SyncDaemon { interface: name("va"), id: 9 };
    assert_eq!(ipvs.apply(&Op::Add(Key::SyncDaemon(SyncRole::Backup), backup.clone())), Done::Applied);
    let all = dump(&mut ipvs);
    assert!(all.contains(&News::SyncDaemon { role: SyncRole::Master, interface: name("va"), id: 6 }), "{all:?}");
    assert!(all.contains(&News::SyncDaemon { role: SyncRole::Backup, interface: name("va"), id: 9 }), "{all:?}");
    let bad = Value::SyncDaemon { interface: name("nosuch"), id: 1 };
    assert!(matches!(ipvs.apply(&Op::Add(Key::SyncDaemon(SyncRole::Master), bad)), Done::Refused(_)));
    assert_eq!(ipvs.apply(&Op::Remove(Key::SyncDaemon(SyncRole::Backup), backup.clone())), Done::Applied);
    assert_eq!(ipvs.apply(&Op::Remove(Key::SyncDaemon(SyncRole::Backup), backup)), Done::WasThere);
    assert_eq!(ipvs.apply(&Op::Remove(daemon(6).0, daemon(6).1)), Done::Applied);
    assert!(!dump(&mut ipvs).iter().any(|n| matches!(n, News::SyncDaemon { .. })));

    // A table of the size of a large site.
    let start = Instant::now();
    let mut count = 0;
    for i in 0..300u32 {
        let key = ServiceKey::Address(Protocol::Tcp, Endpoint { ip: Ipv4Addr::from(0x0a05_0000 + i).into(), port: 80 });
        assert_eq!(ipvs.apply(&add_service(key, &plain(Scheduler::Rr))), Done::Applied);
        for r in 1..=10u32 {
            let to = Endpoint { ip: Ipv4Addr::from(0x0a06_0000 + r).into(), port: 80 };
            assert_eq!(ipvs.apply(&add_dest(key, to, &real(Forward::Nat, 1))), Done::Applied);
            count += 1;
        }
    }
    println!("300 services x 10 destinations in {:?}", start.elapsed());
    let start = Instant::now();
    let dests = dump(&mut ipvs).iter().filter(|n| matches!(n, News::Dest { .. })).count();
    println!("dumped in {:?}", start.elapsed());
    // Two were there before.
    assert_eq!(dests, count + 2);
}

/// Waits for a child's end.
fn end_of(child: &process::Child) -> Exit {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(exit) = process::reap(child.pid) {
            return exit;
        }
        assert!(Instant::now() < end, "child {} does not end", child.pid);
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn scratch(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("holdfast-linux-{}-{name}", std::process::id()))
}

/// Runs a shell script as a child and gives what it wrote to its file `$OUT`.
fn script(name: &str, text: &str, who: Option<&sys::Identity>) -> (Exit, String) {
    let out = scratch(name);
    std::fs::write(&out, "").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&out, open).unwrap();
    let child = process::spawn(&["/bin/sh", "-c", text], who, &[("OUT", out.to_str().unwrap())]).unwrap();
    let exit = end_of(&child);
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    (exit, text)
}

#[test]
fn children_start_clean() {
    for bad in ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"] {
        std::env::set_var(bad, "");
    }
    // What we block, ignore and leave open must not reach them. The mask is this thread's own.
    let _signals = sys::signal_fd(&[libc::SIGUSR1, libc::SIGTERM]).unwrap();
    let open = sys::duplicate_inheritable(std::fs::File::open("/proc/self/maps").unwrap().as_fd()).unwrap();
    let text = "{ env; cat /proc/self/status; ls -l /proc/$$/fd; cut -d' ' -f5 /proc/$$/stat; echo $$; } >$OUT; exit 3";
    let (exit, out) = script("clean", text, None);
    drop(open);
    assert_eq!(exit, Exit::Status(3));
    for bad in ["IFS=", "LD_PRELOAD=", "LD_LIBRARY_PATH="] {
        assert!(!out.lines().any(|l| l.starts_with(bad)), "{bad}");
    }
    let status = |name: &str| out.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_string();
    assert_eq!(status("SigBlk:"), "0000000000000000");
    // 32 and 33 belong to the C library, which lets nobody change them.
    let ignored = u64::from_str_radix(&status("SigIgn:"), 16).unwrap();
    assert_eq!(ignored & !(3 << 31), 0, "{ignored:x}");
    let fds: Vec<&str> = out.lines().filter(|l| l.contains(" -> ")).collect();
    // The shell may keep one of its own at 10 or above for the redirection.
    assert!(fds.iter().all(|l| l.contains("/dev/null") || l.contains("holdfast-linux-")), "{fds:?}");
    let last: Vec<&str> = out.lines().rev().take(2).collect();
    assert_eq!(last[0], last[1], "a process group of its own");
}

#[test]
fn children_run_as_others() {
    if sys::effective_uid() != 0 {
        println!("skipped: needs root");
        return;
    }
    let nobody = process::identity("nobody", None).unwrap();
    assert!(nobody.uid != 0 && nobody.groups == [nobody.gid]);
    let who = sys::Identity { groups: vec![nobody.gid, 4242], ..nobody.clone() };
    let (exit, out) = script("who", "{ id -ru; id -u; id -g; id -G; grep ^Cap /proc/$$/status; } >$OUT", Some(&who));
    assert_eq!(exit, Exit::Status(0));
    let lines: Vec<&str> = out.lines().collect();
    let (uid, gid) = (nobody.uid.to_string(), nobody.gid.to_string());
    assert_eq!(lines[..4], [&uid, &uid, &gid, &format!("{gid} 4242")]);
    for line in &lines[4..] {
        assert!(line.starts_with("CapBnd") || line.ends_with("\t0000000000000000"), "{line}");
    }
}

#[test]
fn a_group_is_killed_whole() {
    let pids = scratch("group");
    let text = format!("sleep 60 & echo $! >{0}; sleep 60 & echo $! >>{0}; wait", pids.display());
    let child = process::spawn(&["sh", "-c", &text], None, &[]).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let sleepers = loop {
        let text = std::fs::read_to_string(&pids).unwrap_or_default();
        if text.lines().count() == 2 {
            break text;
        }
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(2));
    };
    assert_eq!(process::reap(child.pid), None);
    process::kill_group(child.pid, libc::SIGTERM).unwrap();
    assert_eq!(end_of(&child), Exit::Signal(libc::SIGTERM));
    for pid in sleepers.lines() {
        let pid = pid.parse().unwrap();
        let gone = || {
            !sys::process_alive(pid)
                || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |s| s.contains(") Z "))
        };
        while !gone() {
            assert!(Instant::now() < end, "{pid} lives on");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let _ = std::fs::remove_file(&pids);
    // Numbers that would mean everybody are refused.
    for group in [-1, 0, 1] {
        assert!(process::kill_group(group, libc::SIGTERM).is_err());
        assert!(sys::kill(group, libc::SIGTERM).is_err());
    }
    let missing = process::spawn(&["/nonexistent/program"], None, &[]).unwrap_err();
    assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    assert!(process::spawn::<&str>(&[], None, &[]).is_err());
}

#[test]
fn timers_fire_at_their_microsecond() {
    let fd = sys::timer().unwrap();
    let wait = || while !sys::timer_read(fd.as_fd()) {};
    let mut early = 0;
    for after in [0, 1, 300, 2500] {
        let at = sys::monotonic_micros() + after;
        sys::timer_set(fd.as_fd(), Some(at)).unwrap();
        wait();
        early += u32::from(sys::monotonic_micros() < at);
    }
    assert_eq!(early, 0);
    // The past fires at once; None and a later time take back what has fired.
    sys::timer_set(fd.as_fd(), Some(0)).unwrap();
    wait();
    sys::timer_set(fd.as_fd(), Some(1)).unwrap();
    sys::timer_set(fd.as_fd(), None).unwrap();
    assert!(!sys::timer_read(fd.as_fd()));
    sys::timer_set(fd.as_fd(), Some(1)).unwrap();
    sys::timer_set(fd.as_fd(), Some(sys::monotonic_micros() + 60_000_000)).unwrap();
    assert!(!sys::timer_read(fd.as_fd()));
}

#[test]
fn signals_come_by_descriptor() {
    let fd = sys::signal_fd(&[libc::SIGUSR2]).unwrap();
    assert_eq!(sys::signal_read(fd.as_fd()), None);
    // To this very thread: others of the test program do not block it.
    sys::signal_own_thread(libc::SIGUSR2);
    assert_eq!(sys::signal_read(fd.as_fd()), Some((libc::SIGUSR2, std::process::id())));
    assert_eq!(sys::signal_read(fd.as_fd()), None);
}

#[test]
fn capabilities_are_given_up() {
    if sys::effective_uid() != 0 {
        println!("skipped: needs root");
        return;
    }
    // Of this thread only.
    sys::keep_capabilities(&[sys::CAP_NET_ADMIN, sys::CAP_NET_RAW, sys::CAP_KILL]).unwrap();
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_string();
    let kept = format!("{:016x}", 1u64 << 12 | 1 << 13 | 1 << 5);
    assert_eq!((line("CapEff:"), line("CapPrm:"), line("CapInh:")), (kept.clone(), kept, "0".repeat(16)));
    Rtnl::open().unwrap();
    // A program that root starts has its rights back.
    let (_, out) = script("caps", "grep ^CapEff /proc/$$/status >$OUT", None);
    let effective = out.split_whitespace().nth(1).unwrap().to_string();
    assert_eq!(effective, line("CapBnd:"));
}

/// The test program once more, as a process of its own that plays this part (forks and stderr are a whole process's).
fn part(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("HOLDFAST_PART", test);
    command
}

fn plays(test: &str) -> bool {
    std::env::var("HOLDFAST_PART").is_ok_and(|p| p == test)
}

#[test]
fn children_end_with_us() {
    let test = "children_end_with_us";
    let file = scratch("orphan");
    if plays(test) {
        let child = process::spawn(&["sleep", "60"], None, &[]).unwrap();
        std::fs::write(std::env::var("OUT").unwrap(), child.pid.to_string()).unwrap();
        // Killed before it gets to the end.
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let mut parent = part(test).env("OUT", &file).stdout(std::process::Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let pid = loop {
        match std::fs::read_to_string(&file).unwrap_or_default().parse() {
            Ok(pid) => break pid,
            Err(_) => assert!(Instant::now() < end),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(sys::process_alive(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |s| s.contains(") Z "))
    };
    while !gone() {
        assert!(Instant::now() < end, "{pid} lives on");
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = std::fs::remove_file(&file);
}

#[test]
fn into_the_background() {
    let test = "into_the_background";
    let file = scratch("daemon");
    if plays(test) {
        let ready = sys::daemonise().unwrap();
        sys::detach(false).unwrap();
        sys::write(ready.as_fd(), &[0]).unwrap();
        sys::umask(0o22);
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fds: Vec<String> =
            (0..3).map(|n| std::fs::read_link(format!("/proc/self/fd/{n}")).unwrap().display().to_string()).collect();
        let out = std::env::var("OUT").unwrap();
        std::fs::write(format!("{out}.new"), format!("{}|{stat}|{}", std::process::id(), fds.join(" "))).unwrap();
        std::fs::rename(format!("{out}.new"), out).unwrap();
        return;
    }
    let start = part(test).env("OUT", &file).output().unwrap();
    assert!(start.status.success(), "the starter ends well: {start:?}");
    let end = Instant::now() + Duration::from_secs(10);
    let text = loop {
        match std::fs::read_to_string(&file) {
            Ok(text) => break text,
            Err(_) => assert!(Instant::now() < end, "nobody in the background"),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let _ = std::fs::remove_file(&file);
    let parts: Vec<&str> = text.split('|').collect();
    let stat: Vec<&str> = parts[1].rsplit(')').next().unwrap().split_whitespace().collect();
    // After the name: state, parent, process group, session, terminal.
    let (group, session, terminal) = (stat[2], stat[3], stat[4]);
    assert_eq!((group, terminal), (session, "0"));
    // Not the leader of its session: it can never get a terminal again.
    assert_ne!(session, parts[0]);
    assert_ne!(
        session,
        std::fs::read_to_string("/proc/self/stat")
            .unwrap()
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(3)
            .unwrap()
    );
    assert_eq!(parts[2], "/dev/null /dev/null /dev/null");
}

/// A pipe as standard error that nobody reads: the log goes on, and the pipe stays as it was for those who share it.
#[test]
fn a_full_stderr_holds_nobody_up() {
    use holdfast::base::time::Instant as Moment;
    use holdfast::daemon::logger::{Logger, Options};
    use std::io::Read;
    let test = "a_full_stderr_holds_nobody_up";
    let out = scratch("stderr");
    if plays(test) {
        let logger = Logger::install(Options { syslog: None, stderr: true, ..Options::default() }).unwrap();
        let start = Instant::now();
        for i in 0..5000 {
            log::info!("a line of some length, so that the pipe is full soon: {i}");
        }
        std::fs::write(std::env::var("OUT").unwrap(), start.elapsed().as_micros().to_string()).unwrap();
        while logger.wants_flush().is_some() {
            logger.flush(Moment(0));
            std::thread::sleep(Duration::from_millis(1));
        }
        log::info!("the end");
        return;
    }
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = part(test)
        .env("OUT", &out)
        .stdout(std::process::Stdio::null())
        .stderr(writer.try_clone().unwrap())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let took: u64 = loop {
        match std::fs::read_to_string(&out).unwrap_or_default().parse() {
            Ok(took) => break took,
            Err(_) => assert!(Instant::now() < end, "it waits for us"),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    println!("5,000 lines to a pipe that nobody reads: {took} us");
    let flags =
        std::fs::read_to_string(format!("/proc/self/fdinfo/{}", std::os::fd::AsRawFd::as_raw_fd(&writer))).unwrap();
    let flags = flags.lines().find_map(|l| l.strip_prefix("flags:")).unwrap().trim();
    assert_eq!(u32::from_str_radix(flags, 8).unwrap() & libc::O_NONBLOCK as u32, 0, "the shared opening is untouched");
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let _ = std::fs::remove_file(&out);
    let ours: Vec<&str> = text
        .lines()
        .filter(|l| l.contains("a line of some length") || l.contains("lost") || l.contains("the end"))
        .collect();
    let kept = ours.iter().filter(|l| l.contains("a line of some length")).count();
    let lost: usize =
        ours.iter().find_map(|l| l.strip_suffix(" log lines lost")?.rsplit(' ').next()?.parse().ok()).unwrap();
    assert_eq!(kept + lost, 5000);
    assert!(ours.last().unwrap().ends_with("the end"), "{:?}", ours.last());
}

/// Anybody may write to a netlink socket: only the kernel is believed.
#[test]
fn forged_news_are_not_believed() {
    use holdfast::wire::netlink::Writer;
    use holdfast::wire::rtnl;
    if !alone() {
        return;
    }
    ip("link set lo up");
    let mut rtnl = Rtnl::open().unwrap();
    dump(&mut rtnl);
    let op = address(1, net("10.6.6.6/32"));
    let mut forged = Writer::new();
    assert!(rtnl::request(&mut forged, &op, 1));
    // An acknowledgement for any sequence number that may be next.
    let mut ack = Writer::new();
    (0..64).for_each(|seq| ack.message(2, 0, seq, |m| m.fixed(&[0; 20])));
    let table = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    // Columns: address, protocol, port, groups, ...; the kernel's own port is 0.
    let ports: Vec<u32> = table
        .lines()
        .skip(1)
        .map(|l| l.split_whitespace().collect::<Vec<_>>())
        .filter(|f| f[1] == "0" && f[2] != "0")
        .map(|f| f[2].parse().unwrap())
        .collect();
    assert_eq!(ports.len(), 2, "{table}");
    let enemy = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).unwrap();
    for port in ports {
        let to = [16u16.to_ne_bytes().as_slice(), &[0; 2], &port.to_ne_bytes(), &[0; 4]].concat();
        sys::send_to(enemy.as_fd(), forged.bytes(), &to).unwrap();
        sys::send_to(enemy.as_fd(), ack.bytes(), &to).unwrap();
    }
    assert_eq!(news(&mut rtnl), []);
    let done = apply(&mut rtnl, &[address(4_000_000, net("10.0.0.9/32"))]);
    assert_eq!(done, [Done::Refused(libc::ENODEV)]);
}
