//! Configurations of the simulated routers: the HOWTO's pair and its relatives, drawn by the seed.

use crate::rng::Rng;
use holdfast::base::addr::{Endpoint, Family, IpNet, VRRP_GROUP_V4, VRRP_GROUP_V6};
use holdfast::config::model::*;
use holdfast::wire::op::*;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// What one seed is about: which faults there are, and what the routers are like.
#[derive(Clone, Debug)]
pub struct Plan {
    pub routers: usize,
    pub grouped: bool,
    pub nopreempt: bool,
    pub preempt_delay: u64,
    pub equal_priorities: bool,
    pub advert_ms: u64,
    /// 2 or 3.
    pub version: u8,
    pub unicast: bool,
    /// Adverts over IPv6; the addresses are IPv4 ones all the same, as excluded ones may be.
    pub six: bool,
    pub auth: Auth,
    pub sorry: bool,
    pub loss: Option<u64>,
    pub delay_us: u64,
    pub duplicates: bool,
    pub partitions: bool,
    pub one_way: bool,
    pub flaps: bool,
    pub crashes: bool,
    pub theft: bool,
    pub overruns: bool,
    pub refusals: bool,
    pub reloads: bool,
    pub new_index: bool,
    pub servers_fail: bool,
    /// A script that all instances track, by this weight; 0 is FAULT.
    pub tracks: Option<i32>,
    /// no_accept: the addresses are blocked while MASTER.
    pub guarded: bool,
}

impl Plan {
    /// Swarm style: each seed switches whole kinds of faults on or off.
    pub fn draw(rng: &mut Rng) -> Plan {
        let nopreempt = rng.one_in(4);
        let version = if rng.one_in(3) { 3 } else { 2 };
        let auth = match rng.below(4) {
            _ if version == 3 => Auth::None,
            0 => Auth::Ah(*b"12345678"),
            1 => Auth::Pass(*b"example\0"),
            _ => Auth::None,
        };
        Plan {
            routers: rng.between(2, 3) as usize,
            grouped: !rng.one_in(3),
            nopreempt,
            preempt_delay: if !nopreempt && rng.one_in(4) { rng.between(1, 12) } else { 0 },
            equal_priorities: rng.one_in(6),
            advert_ms: match rng.below(4) {
                0 if version == 3 => 300,
                1 if version == 3 => 50,
                0 => 2000,
                _ => 1000,
            },
            version,
            unicast: rng.one_in(3),
            six: version == 3 && rng.one_in(2),
            auth,
            sorry: rng.one_in(2),
            loss: rng.one_in(2).then(|| rng.between(3, 30)),
            delay_us: if rng.one_in(3) { 80_000 } else { 900 },
            duplicates: rng.one_in(3),
            partitions: rng.one_in(2),
            one_way: rng.one_in(3),
            flaps: rng.one_in(2),
            crashes: rng.one_in(2),
            theft: rng.one_in(3),
            overruns: rng.one_in(4),
            refusals: rng.one_in(4),
            reloads: rng.one_in(3),
            new_index: rng.one_in(4),
            servers_fail: rng.one_in(2),
            tracks: rng.one_in(2).then(|| if rng.one_in(2) { 0 } else { -60 }),
            guarded: rng.one_in(3),
        }
    }
}

pub fn outside(router: usize) -> IpNet {
    IpNet::new(IpAddr::from([192, 168, 1, 9 + router as u8]), 24).unwrap()
}

pub fn inside(router: usize) -> IpNet {
    IpNet::new(IpAddr::from([10, 20, 40, 2 + router as u8]), 24).unwrap()
}

/// The same on both interfaces.
pub fn link_local(router: usize) -> IpNet {
    let ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9 + router as u16);
    IpNet::new(ip.into(), 64).unwrap()
}

/// The addresses of a router's interface.
pub fn nets(router: usize, segment: usize) -> [IpNet; 2] {
    [if segment == 0 { outside(router) } else { inside(router) }, link_local(router)]
}

pub fn vip(instance: usize) -> IpNet {
    IpNet::host(if instance == 0 { IpAddr::from([192, 168, 1, 111]) } else { IpAddr::from([10, 20, 40, 1]) })
}

fn unicast(plan: &Plan, router: usize, interface: &str) -> Option<Unicast> {
    let address = |r: usize| match interface {
        _ if plan.six => link_local(r).addr,
        "eth0" => outside(r).addr,
        _ => inside(r).addr,
    };
    let others = (0..plan.routers).filter(|r| *r != router);
    let peers = others.map(|r| Peer { ip: address(r), min_ttl: 255, max_ttl: 255 }).collect();
    let old_checksum = OldChecksum::Detect;
    plan.unicast.then_some(Unicast { peers, ttl: 255, check_src: true, fault_no_peer: true, old_checksum })
}

/// `variant` 1 is what a reload brings: one address more, another weight, a server less.
pub fn config(plan: &Plan, router: usize, variant: bool) -> Config {
    let priority = if plan.equal_priorities { 100 } else { 150 - 25 * router as u8 };
    let vip_line = Vip::new;
    let tracked: Vec<Track> = plan.tracks.iter().map(|w| Track { target: 0, weight: *w, reverse: false }).collect();
    let script = VrrpScript {
        name: "chk".into(),
        script: Script { words: vec!["/bin/chk".into()], user: None, group: None },
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(2),
        weight: 0,
        reverse: false,
        rise: 2,
        fall: 2,
        init_fail: false,
    };
    let instance = |name: &str, interface: &str, vrid: u8, vips: Vec<Vip>| Instance {
        want_master: router == 0 && !plan.nopreempt,
        priority,
        advert_int: Duration::from_millis(plan.advert_ms),
        auth: plan.auth.clone(),
        nopreempt: plan.nopreempt,
        preempt_delay: Duration::from_secs(plan.preempt_delay),
        wire: Wire {
            version: plan.version,
            unicast: unicast(plan, router, interface),
            family: if plan.six { Family::V6 } else { Family::V4 },
            group: if plan.six { VRRP_GROUP_V6.into() } else { VRRP_GROUP_V4.into() },
            ..Wire::default()
        },
        vips: if plan.six { Vec::new() } else { vips.clone() },
        excluded: if plan.six { vips } else { Vec::new() },
        track: Tracks { scripts: tracked.clone(), ..Tracks::default() }.into(),
        group: plan.grouped.then_some(0),
        accept: !plan.guarded,
        ..Instance::new(name, interface.parse().unwrap(), vrid)
    };
    let mut first = vec![vip_line(vip(0))];
    if variant {
        first.push(vip_line(IpNet::host(IpAddr::from([192, 168, 1, 112]))));
    }
    let at = |last: u8| Endpoint { ip: IpAddr::from([10, 20, 40, last]), port: 22 };
    let check = || Check {
        delay_loop: Duration::from_secs(6),
        retry: 1,
        delay_before_retry: Duration::from_secs(1),
        warmup: Duration::from_secs(6),
        alpha: false,
        timeout: Duration::from_secs(3),
        log_all_failures: false,
        connect_ip: None,
        connect_port: None,
        bind: None,
        bind_port: None,
        bind_if: None,
        fwmark: None,
        kind: CheckKind::Tcp,
    };
    let server = |last: u8| Server {
        at: at(last),
        forward: Forward::Nat,
        weight: if variant { 3 } else { 1 },
        inhibit: last == 12,
        alpha: false,
        smtp_alert: true,
        checks: [check()].into(),
        more: None,
    };
    let service = Service {
        key: ServiceKey::Address(Protocol::Tcp, Endpoint { ip: vip(0).addr, port: 22 }),
        group: None,
        held: None,
        scheduler: Scheduler::Rr,
        scheduler_flags: 0,
        hashed: false,
        one_packet: false,
        persistence: None,
        granularity: 32,
        engine: None,
        quorum: 1,
        hysteresis: 0,
        quorum_up: None,
        quorum_down: None,
        alpha: false,
        omega: false,
        ha_suspend: false,
        smtp_alert: false,
        virtualhost: None,
        sorry: plan.sorry.then(|| Sorry { at: at(99), forward: Forward::Nat, tunnel: None, inhibit: false }),
        servers: if variant { vec![server(10), server(12)] } else { vec![server(10), server(11), server(12)] },
    };
    let members = vec![0, 1];
    let group = Group {
        name: "VG1".into(),
        members,
        notify: Default::default(),
        smtp_alert: false,
        track: Default::default(),
        tracking_weight: true,
        notify_priority_changes: false,
    };
    Config {
        // Other rules: the table is made anew.
        global: Global { nftables: Nftables { counters: variant, ..Nftables::default() }, ..Global::default() },
        instances: vec![
            instance("VI_1", "eth0", 51, first),
            instance("VI_GATEWAY", "eth1", 52, vec![vip_line(vip(1))]),
        ],
        groups: if plan.grouped { vec![group] } else { vec![] },
        scripts: plan.tracks.map(|_| script).into_iter().collect(),
        services: vec![service],
        sync_daemon: Some(SyncDaemon {
            interface: "eth0".parse().unwrap(),
            instance: Some(0),
            id: 51,
            options: Default::default(),
        }),
        ..Config::default()
    }
}
