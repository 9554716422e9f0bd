//! Configurations of the simulated routers: the HOWTO's pair and its relatives, drawn by the seed.

use crate::rng::Rng;
use holdfast::base::addr::{Endpoint, Family, IpNet, VRRP_GROUP_V4, VRRP_GROUP_V6};
use holdfast::config::model::*;
use holdfast::wire::op::*;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

/// A virtual router: an instance on each router.
#[derive(Clone, Copy, Debug)]
pub struct Virtual {
    pub segment: usize,
    pub vrid: u8,
    /// Adverts over IPv6.
    pub six: bool,
}

/// What one seed is about: which faults there are, and what the routers are like.
#[derive(Clone, Debug)]
pub struct Plan {
    pub routers: usize,
    /// The HOWTO's two, then others that are in no group: beside one of them on its link, with the same VRID on another
    /// link, with the same VRID over the other family.
    pub virtuals: Vec<Virtual>,
    /// How much faster each router's clock runs, in millionths.
    pub drift: Vec<i64>,
    pub grouped: bool,
    pub nopreempt: bool,
    pub preempt_delay: u64,
    pub equal_priorities: bool,
    pub advert_ms: u64,
    /// 2 or 3.
    pub version: u8,
    pub unicast: bool,
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
    /// A packet may come in with one bit changed.
    pub spoils: bool,
    /// Somebody takes away the address that a router sends from, and gives it back.
    pub homeless: bool,
    /// What all instances track, each by its weight; 0 is FAULT.
    pub tracks: Option<i32>,
    pub tracks_file: Option<i32>,
    pub tracks_process: Option<i32>,
    pub tracks_link: Option<i32>,
    /// no_accept: the addresses are blocked while MASTER.
    pub guarded: bool,
    /// Virtual routes and rules, and static addresses, routes and rules.
    pub objects: bool,
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
        let six = version == 3 && rng.one_in(2);
        let fast = version == 3 && rng.one_in(12);
        let most = if fast { 2 } else { 5 };
        let routers = [2, 2, 2, 3, 3, 4, 5][rng.below(7) as usize].min(most + 1);
        let mut virtuals = vec![(0, 51, six), (1, 52, six)];
        for more in [(0, 53, six), (1, 51, six), (0, 51, !six)] {
            if !fast && rng.one_in(4) {
                virtuals.push(more);
            }
        }
        let drifts = rng.one_in(2);
        let mut weight = |n: u64| rng.one_in(n).then(|| if rng.one_in(2) { 0 } else { -60 });
        let (tracks, tracks_file, tracks_process, tracks_link) = (weight(2), weight(4), weight(4), weight(4));
        Plan {
            routers,
            virtuals: virtuals.into_iter().map(|(segment, vrid, six)| Virtual { segment, vrid, six }).collect(),
            drift: (0..routers).map(|_| if drifts { rng.between(0, 1000) as i64 - 500 } else { 0 }).collect(),
            grouped: !rng.one_in(3),
            nopreempt,
            preempt_delay: if !nopreempt && rng.one_in(4) { rng.between(1, 12) } else { 0 },
            equal_priorities: rng.one_in(6),
            advert_ms: match rng.below(4) {
                _ if fast => 50,
                0 if version == 3 => 300,
                0 => 2000,
                _ => 1000,
            },
            version,
            unicast: rng.one_in(3),
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
            spoils: rng.one_in(4),
            homeless: rng.one_in(5),
            tracks,
            tracks_file,
            tracks_process,
            tracks_link,
            guarded: rng.one_in(3),
            objects: rng.one_in(3),
        }
    }

    /// IPv6 is version 3 always.
    pub fn version(&self, v: usize) -> u8 {
        if self.virtuals[v].six {
            3
        } else {
            self.version
        }
    }
}

pub const SEGMENTS: [&str; 2] = ["eth0", "eth1"];
pub const FILE: &str = "/tmp/f";

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
    IpNet::host(match instance {
        0 => IpAddr::from([192, 168, 1, 111]),
        1 => IpAddr::from([10, 20, 40, 1]),
        n => IpAddr::from([192, 168, 1, 120 + n as u8]),
    })
}

/// A route to nowhere, which needs no interface.
fn route(third: u8) -> Route {
    Route {
        dst: IpNet::new(IpAddr::from([10, 99, third, 0]), 24).unwrap(),
        via: None,
        dev: None,
        src: None,
        table: 254,
        metric: 0,
        scope: 0,
        kind: 6,
        onlink: false,
        create: holdfast::config::model::Create::Add,
        nexthops: Vec::new(),
        more: None,
        no_track: false,
        track_group: None,
    }
}

fn rule(preference: u8) -> Rule {
    Rule {
        family: Family::V4,
        preference: preference.into(),
        action: RuleAction::Table(100),
        not: false,
        from: Some(IpNet::host(IpAddr::from([10, 98, 0, preference]))),
        to: None,
        iif: None,
        oif: None,
        tos: 0,
        fwmark: None,
        realms: None,
        suppress_prefixlength: None,
        suppress_ifgroup: None,
        tunnel_id: None,
        uidrange: None,
        protocol: None,
        ipproto: None,
        sport: None,
        dport: None,
        no_track: false,
        track_group: None,
    }
}

/// What is there whatever the states are. A reload takes an address away and brings a rule.
fn statics(plan: &Plan, variant: bool) -> Statics {
    if !plan.objects {
        return Statics::default();
    }
    let address = |last: u8| Vip { dev: Some("eth1".parse().unwrap()), ..Vip::new(static_address(last)) };
    Statics {
        addresses: if variant { vec![address(1)] } else { vec![address(1), address(2)] },
        routes: vec![route(200)],
        rules: if variant { vec![rule(200), rule(201)] } else { vec![rule(200)] },
    }
}

pub fn static_address(last: u8) -> IpNet {
    IpNet::host(IpAddr::from([10, 97, 0, last]))
}

fn unicast(plan: &Plan, router: usize, v: Virtual) -> Option<Unicast> {
    let address = |r: usize| match v.segment {
        _ if v.six => link_local(r).addr,
        0 => outside(r).addr,
        _ => inside(r).addr,
    };
    let others = (0..plan.routers).filter(|r| *r != router);
    let peers = others.map(|r| Peer { ip: address(r), min_ttl: 255, max_ttl: 255 }).collect();
    let old_checksum = OldChecksum::Detect;
    plan.unicast.then_some(Unicast { peers, ttl: 255, check_src: true, fault_no_peer: true, old_checksum })
}

/// `variant` 1 is what a reload brings: one address more, another weight, a server less, perhaps an instance less.
pub fn config(plan: &Plan, router: usize, variant: bool) -> Config {
    let priority = if plan.equal_priorities { 100 } else { 180 - 25 * router as u8 };
    let tracked = |weight: Option<i32>| -> Vec<Track> {
        weight.iter().map(|w| Track { target: 0, weight: *w, reverse: false }).collect()
    };
    let track = Tracks {
        scripts: tracked(plan.tracks),
        files: tracked(plan.tracks_file),
        processes: tracked(plan.tracks_process),
        interfaces: plan
            .tracks_link
            .iter()
            .map(|w| TrackInterface { name: "eth1".parse().unwrap(), weight: *w, reverse: false })
            .collect(),
        ..Tracks::default()
    };
    let file = TrackFile { name: "f".into(), path: FILE.into(), weight: 0, reverse: false, init: None };
    let process = TrackProcess {
        name: "p".into(),
        program: "p".into(),
        params: Vec::new(),
        param_match: None,
        weight: 0,
        reverse: false,
        quorum: 1,
        quorum_max: None,
        terminate_delay: Duration::ZERO,
        fork_delay: Duration::from_millis(500),
        full_command: false,
    };
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
    let instance = |(v, at): (usize, &Virtual)| {
        let mut vips = vec![Vip::new(vip(v))];
        if v == 0 && variant {
            vips.push(Vip::new(IpNet::host(IpAddr::from([192, 168, 1, 112]))));
        }
        Instance {
            want_master: router == 0 && !plan.nopreempt,
            priority,
            advert_int: Duration::from_millis(plan.advert_ms),
            auth: if plan.version(v) == 2 { plan.auth.clone() } else { Auth::None },
            nopreempt: plan.nopreempt,
            preempt_delay: Duration::from_secs(plan.preempt_delay),
            wire: Rc::new(Wire {
                version: plan.version(v),
                unicast: unicast(plan, router, *at),
                family: if at.six { Family::V6 } else { Family::V4 },
                group: if at.six { VRRP_GROUP_V6.into() } else { VRRP_GROUP_V4.into() },
                ..Wire::default()
            }),
            // Over IPv6 the addresses are IPv4 ones all the same, as excluded ones may be.
            vips: if at.six { Vec::new() } else { vips.clone() },
            excluded: if at.six { vips } else { Vec::new() }.into(),
            routes: if plan.objects { vec![route(v as u8)] } else { Vec::new() }.into(),
            rules: if plan.objects { vec![rule(1 + v as u8)] } else { Vec::new() }.into(),
            track: track.clone().into(),
            group: (plan.grouped && v < 2).then_some(0),
            accept: !plan.guarded,
            ..Instance::new(&format!("VI_{v}"), SEGMENTS[at.segment].parse().unwrap(), at.vrid)
        }
    };
    // The one beyond the HOWTO's two that a reload takes away.
    let less = variant && !plan.equal_priorities && plan.virtuals.len() > 2;
    let virtuals = plan.virtuals.len() - usize::from(less);
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
        instances: plan.virtuals.iter().enumerate().take(virtuals).map(instance).collect(),
        groups: if plan.grouped { vec![group] } else { vec![] },
        scripts: plan.tracks.map(|_| script).into_iter().collect(),
        files: plan.tracks_file.map(|_| file).into_iter().collect(),
        processes: plan.tracks_process.map(|_| process).into_iter().collect(),
        services: vec![service],
        statics: statics(plan, variant),
        sync_daemon: Some(SyncDaemon {
            interface: "eth0".parse().unwrap(),
            instance: Some(0),
            id: 51,
            options: Default::default(),
        }),
        ..Config::default()
    }
}
