//! What the kernel tells: any bytes as a buffer of netlink messages, as an answer of IPVS, as news of directories and
//! firewalls; and what is understood is told to a running node.
#![no_main]

use holdfast::base::bytes::Reader;
use holdfast::base::time::Instant;
use holdfast::config::loader::{load, Host};
use holdfast::config::model::Config;
use holdfast::node::event::Event;
use holdfast::node::Node;
use holdfast::wire::op::News;
use holdfast::wire::{inotify, ipvs, netlink, nft, rtnl};
use libfuzzer_sys::fuzz_target;
use std::rc::Rc;

/// Something of each kind that the kernel holds for us.
const CONFIG: &str = "
global_defs {\n router_id a\n}
static_ipaddress {\n 192.0.2.7/24 dev lo\n}
static_routes {\n 198.51.100.0/24 dev eth0\n}
static_rules {\n from 192.0.2.0/24 table 10 priority 100\n}
vrrp_instance A {\n interface eth0\n virtual_router_id 51\n track_interface {\n lo weight -5\n}
 virtual_ipaddress {\n 10.0.0.100/24\n 10.0.0.101/32 dev lo\n}
 virtual_routes {\n 203.0.113.0/24 via 10.0.0.9\n}
 virtual_rules {\n to 203.0.113.0/24 table 5 priority 200\n}\n}
vrrp_instance B {\n interface eth0\n virtual_router_id 52\n use_vmac\n virtual_ipaddress {\n fe80::51\n}\n}
virtual_server 10.0.0.100 80 {\n real_server 10.0.0.8 80 {\n}\n}
";

thread_local! {
    static PARSED: Rc<Config> =
        Rc::new(load("f", CONFIG.into(), Host::default()).config.expect("a good file"));
}

/// As the loop does it: the dump, what comes later, and all that is due in some seconds.
fn tell(news: Vec<News>) {
    let (mut node, mut now, mut out) = (Node::new(PARSED.with(Rc::clone)), Instant(1_000_000), Vec::new());
    node.step(now, Event::Start { seed: 1, owned: Vec::new() }, &mut out);
    node.step(now, Event::Kernel(News::DumpBegin), &mut out);
    let half = news.len() / 2;
    for (n, news) in news.into_iter().enumerate() {
        if n == half {
            node.step(now, Event::Kernel(News::DumpDone), &mut out);
        }
        node.step(now, Event::Kernel(news), &mut out);
        out.clear();
    }
    node.step(now, Event::Kernel(News::DumpDone), &mut out);
    for _ in 0..40 {
        let Some(at) = node.deadline().filter(|at| *at < Instant(9_000_000)) else { break };
        now = at.max(now);
        node.step(now, Event::Due, &mut out);
        out.clear();
    }
    node.step(now, Event::Stop, &mut out);
}

fuzz_target!(|bytes: &[u8]| {
    let mut news = Vec::new();
    for message in netlink::messages(bytes) {
        let _ = (message.answer(), message.dump_end());
        news.extend(rtnl::parse(&message));
        news.extend(nft::table_gone(&message).map(|(family, table)| News::FirewallGone(family, table)));
    }
    let _ = netlink::attributes(bytes).count();
    let services: Vec<_> = ipvs::services(bytes).collect();
    for (key, value, _) in services {
        news.extend(ipvs::dests(bytes).map(|(at, value)| News::Dest { service: key.clone(), at, value }));
        news.push(News::Service { key, value });
    }
    let _ = (ipvs::dests(bytes).count(), ipvs::service_count(bytes));
    news.extend(ipvs::daemons(bytes).map(|(role, interface, id)| News::SyncDaemon { role, interface, id }));
    let mut r = Reader::new(bytes);
    while inotify::next(&mut r).is_some() {}
    if !news.is_empty() {
        tell(news);
    }
});
