//! Configurations of the simulated routers: the HOWTO's pair and its relatives, drawn by the seed.

use crate::rng::Rng;
use holdfast::base::addr::{Endpoint, IpNet};
use holdfast::config::model::*;
use holdfast::wire::op::*;
use std::net::IpAddr;
use std::time::Duration;

/// What one seed is about: which faults there are, and what the routers are like.
#[derive(Clone, Debug)]
pub struct Plan {
    pub routers: usize,
    pub grouped: bool,
    pub nopreempt: bool,
    pub preempt_delay: u64,
    pub equal_priorities: bool,
    pub advert_int: u64,
    pub pass: bool,
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
}

impl Plan {
    /// Swarm style: each seed switches whole kinds of faults on or off.
    pub fn draw(rng: &mut Rng) -> Plan {
        let nopreempt = rng.one_in(4);
        Plan {
            routers: rng.between(2, 3) as usize,
            grouped: !rng.one_in(3),
            nopreempt,
            preempt_delay: if !nopreempt && rng.one_in(4) { rng.between(1, 12) } else { 0 },
            equal_priorities: rng.one_in(6),
            advert_int: if rng.one_in(4) { 2 } else { 1 },
            pass: rng.one_in(2),
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
        }
    }
}

pub fn outside(router: usize) -> IpNet {
    IpNet::new(IpAddr::from([192, 168, 1, 9 + router as u8]), 24).unwrap()
}

pub fn inside(router: usize) -> IpNet {
    IpNet::new(IpAddr::from([10, 20, 40, 2 + router as u8]), 24).unwrap()
}

pub fn vip(instance: usize) -> IpNet {
    IpNet::host(if instance == 0 { IpAddr::from([192, 168, 1, 111]) } else { IpAddr::from([10, 20, 40, 1]) })
}

/// `variant` 1 is what a reload brings: one address more, another weight, a server less.
pub fn config(plan: &Plan, router: usize, variant: bool) -> Config {
    let priority = if plan.equal_priorities { 100 } else { 150 - 25 * router as u8 };
    let vip_line = Vip::new;
    let instance = |name: &str, interface: &str, vrid: u8, vips: Vec<Vip>| Instance {
        want_master: router == 0 && !plan.nopreempt,
        priority,
        advert_int: Duration::from_secs(plan.advert_int),
        auth: if plan.pass { Auth::Pass(*b"example\0") } else { Auth::None },
        nopreempt: plan.nopreempt,
        preempt_delay: Duration::from_secs(plan.preempt_delay),
        vips,
        group: plan.grouped.then_some(0),
        ..Instance::new(name, interface.parse().unwrap(), vrid)
    };
    let mut first = vec![vip_line(vip(0))];
    if variant {
        first.push(vip_line(IpNet::host(IpAddr::from([192, 168, 1, 112]))));
    }
    let at = |last: u8| Endpoint { ip: IpAddr::from([10, 20, 40, last]), port: 22 };
    let check = |last: u8| Check {
        delay_loop: Duration::from_secs(6),
        retry: 1,
        delay_before_retry: Duration::from_secs(1),
        warmup: Duration::from_secs(6),
        alpha: false,
        timeout: Duration::from_secs(3),
        to: at(last),
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
        upper_threshold: 0,
        lower_threshold: 0,
        smtp_alert: true,
        notify_up: None,
        notify_down: None,
        checks: vec![check(last)],
    };
    let service = Service {
        key: ServiceKey::Address(Protocol::Tcp, Endpoint { ip: vip(0).addr, port: 22 }),
        scheduler: Scheduler::Rr,
        scheduler_flags: 0,
        one_packet: false,
        persistence: None,
        granularity: 32,
        quorum: 1,
        hysteresis: 0,
        quorum_up: None,
        quorum_down: None,
        alpha: false,
        omega: false,
        smtp_alert: false,
        virtualhost: None,
        sorry: plan.sorry.then(|| Sorry { at: at(99), forward: Forward::Nat, inhibit: false }),
        servers: if variant { vec![server(10), server(12)] } else { vec![server(10), server(11), server(12)] },
    };
    let members = vec![0, 1];
    let group = Group {
        name: "VG1".into(),
        members,
        notify: Notify::default(),
        smtp_alert: false,
        notify_priority_changes: false,
    };
    Config {
        global: Global::default(),
        instances: vec![
            instance("VI_1", "eth0", 51, first),
            instance("VI_GATEWAY", "eth1", 52, vec![vip_line(vip(1))]),
        ],
        groups: if plan.grouped { vec![group] } else { vec![] },
        services: vec![service],
        sync_daemon: Some(SyncDaemon { interface: "eth0".parse().unwrap(), instance: Some(0), id: 51 }),
        ..Config::default()
    }
}
