//! The same `Node` as in the daemon, under a virtual clock, on a virtual LAN, over a virtual kernel.
//!
//! `make sim SEED=n` replays one seed with its trace; `make soak MINUTES=n` goes on with seeds from the clock.

#[path = "sim/kernel.rs"]
mod kernel;
#[path = "sim/rng.rs"]
mod rng;
#[path = "sim/setup.rs"]
mod setup;
#[path = "sim/world.rs"]
mod world;

use holdfast::base::time::Instant;
use holdfast::node::vrrp::instance::State;
use holdfast::wire::op::{AddressKey, Key};
use rng::Rng;
use setup::Plan;
use std::panic::{catch_unwind, AssertUnwindSafe};
use world::{Measured, World, SECOND};

const SEEDS: u64 = 2_000;
/// Virtual seconds of trouble, and of quiet after it (a minute of patience with thieves is part of it).
const TROUBLE: u64 = 60;
const QUIET: u64 = 90;

#[test]
fn seeds() {
    let first: u64 = 1;
    let mut all = Measured::default();
    for seed in first..first + SEEDS {
        all.add(one(seed));
    }
    report(SEEDS, &mut all);
}

/// `HOLDFAST_SEED=n`: one seed with its story told.
#[test]
fn replay() {
    if let Some(seed) = number("HOLDFAST_SEED") {
        let got = story(seed, true);
        println!("seed {seed} holds: {} steps, {} adverts", got.steps, got.adverts);
    }
}

/// `HOLDFAST_SOAK_MINUTES=n`: seeds from the clock, until the time is up.
#[test]
fn soak() {
    let Some(minutes) = number("HOLDFAST_SOAK_MINUTES") else { return };
    let start = std::time::Instant::now();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut seed = clock.map(|d| d.as_secs()).unwrap_or(1) * 1_000_000;
    let (mut all, mut seeds) = (Measured::default(), 0);
    while start.elapsed().as_secs() < minutes * 60 {
        all.add(one(seed));
        (seed, seeds) = (seed + 1, seeds + 1);
    }
    report(seeds, &mut all);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn report(seeds: u64, all: &mut Measured) {
    all.takeovers.sort_unstable();
    let at = |p: usize| all.takeovers.get((all.takeovers.len().saturating_sub(1)) * p / 100).copied().unwrap_or(0);
    println!(
        "{seeds} seeds, {} steps, {} adverts; {} take-overs after a KILL on a quiet LAN: p50 {} ms, p99 {} ms; \
         two masters although all could hear each other (the moments after a partition healed): {} ms; hosts told wrong: {}",
        all.steps,
        all.adverts,
        all.takeovers.len(),
        at(50) / 1000,
        at(99) / 1000,
        all.two_masters / 1000,
        all.announced_wrong
    );
}

/// Runs a seed; one that fails says how to see it again.
fn one(seed: u64) -> Measured {
    match catch_unwind(AssertUnwindSafe(|| story(seed, false))) {
        Ok(measured) => measured,
        Err(cause) => {
            eprintln!("seed {seed} fails: see it with `make sim SEED={seed}`");
            std::panic::resume_unwind(cause)
        }
    }
}

fn story(seed: u64, trace: bool) -> Measured {
    let mut rng = Rng::new(seed);
    let plan = Plan::draw(&mut rng);
    if trace {
        eprintln!("{plan:?}");
    }
    let mut w = World::new(rng, plan.clone(), trace);
    let before: Vec<_> = w.routers.iter().map(|r| r.kernel.visible()).collect();
    for r in 0..plan.routers {
        if !w.rng.one_in(5) {
            w.start(r);
        }
    }
    let end = Instant(w.now.0 + TROUBLE * SECOND);
    while w.now < end {
        let pause = w.rng.between(100_000, 6 * SECOND);
        w.run_until(Instant(w.now.0 + pause));
        trouble(&mut w, &plan);
    }
    heal(&mut w);
    w.run_until(Instant(w.now.0 + QUIET * SECOND));
    check_quiet(&w, &plan);
    for r in 0..plan.routers {
        w.reload_same(r);
    }
    if !plan.nopreempt {
        reload_there_and_back(&mut w, &plan);
    }
    take_over(&mut w, &plan);
    for r in 0..plan.routers {
        w.stop(r);
        w.start(r);
        w.stop(r);
    }
    let after: Vec<_> = w.routers.iter().map(|r| r.kernel.visible()).collect();
    assert_eq!(before, after, "something was left behind or taken along");
    w.measured
}

/// One fault of those that this seed has.
fn trouble(w: &mut World, plan: &Plan) {
    let r = w.rng.below(plan.routers as u64) as usize;
    let segment = ["eth0", "eth1"][w.rng.below(2) as usize];
    match w.rng.below(12) {
        0 if plan.flaps => {
            let up = w.rng.one_in(2);
            w.say(r, || format!("link {segment} goes {}", if up { "up" } else { "down" }));
            w.foreign_hand(r, |k| k.set_up(segment, up));
        }
        1 if plan.crashes => {
            if w.routers[r].node.is_some() {
                w.crash(r);
            } else {
                w.start(r);
            }
        }
        2 if plan.partitions => {
            let other = (r + 1) % plan.routers;
            let open = !w.reach[r][other];
            w.say(r, || format!("and {other} {} hear each other", if open { "can" } else { "cannot" }));
            w.reach[r][other] = open;
            w.reach[other][r] = open;
        }
        3 if plan.one_way => {
            let other = (r + 1) % plan.routers;
            w.reach[r][other] = !w.reach[r][other];
        }
        4 if plan.theft => {
            for _ in 0..w.rng.between(1, 30) {
                let held: Vec<Key> = (0..2)
                    .filter_map(|i| {
                        let ifindex = w.routers[r].kernel.index(["eth0", "eth1"][i])?;
                        Some(Key::Address(AddressKey { ifindex, net: setup::vip(i) }))
                    })
                    .filter(|k| w.routers[r].kernel.objects.contains_key(k))
                    .collect();
                let Some(key) = held.get(w.rng.below(held.len() as u64) as usize).copied() else { break };
                w.say(r, || format!("somebody removes {key}"));
                w.foreign_hand(r, |k| {
                    k.steal(key);
                });
                w.run_until(Instant(w.now.0 + 30_000));
            }
        }
        5 if plan.overruns => w.overrun(r),
        6 if plan.reloads => {
            let variant = !w.routers[r].variant;
            w.reload(r, variant);
        }
        7 if plan.new_index => {
            w.say(r, || format!("{segment} is deleted"));
            w.foreign_hand(r, |k| k.delete(segment));
            let pause = w.rng.between(0, 3 * SECOND);
            w.run_until(Instant(w.now.0 + pause));
            let nets = setup::nets(r, usize::from(segment == "eth1"));
            w.foreign_hand(r, |k| {
                if k.index(segment).is_none() {
                    k.create(segment, &nets, r as u8);
                }
            });
        }
        8 | 9 if plan.servers_fail => {
            let server = w.rng.between(10, 12) as u8;
            match w.dead_servers.iter().position(|s| *s == server) {
                Some(n) => drop(w.dead_servers.remove(n)),
                None => w.dead_servers.push(server),
            }
        }
        11 if plan.tracks.is_some() => match w.sick.iter().position(|s| *s == r) {
            Some(n) => {
                w.say(r, || "its script succeeds from now on".into());
                w.sick.remove(n);
            }
            None => {
                w.say(r, || "its script fails from now on".into());
                w.sick.push(r);
            }
        },
        10 => {
            if w.routers[r].node.is_some() && w.rng.one_in(3) {
                w.stop(r);
            } else {
                w.start(r);
            }
        }
        _ => {}
    }
}

fn heal(w: &mut World) {
    w.faults_on = false;
    for r in 0..w.routers.len() {
        for (name, nets) in [("eth0", setup::nets(r, 0)), ("eth1", setup::nets(r, 1))] {
            w.foreign_hand(r, |k| {
                if k.index(name).is_none() {
                    k.create(name, &nets, r as u8);
                }
                k.set_up(name, true);
            });
        }
        for to in w.reach[r].iter_mut() {
            *to = true;
        }
    }
    w.dead_servers.clear();
    w.sick.clear();
    for r in 0..w.routers.len() {
        w.start(r);
        w.reload(r, false);
    }
}

/// After quiet time: one MASTER, the one that VRRP elects, and it alone holds the addresses.
fn check_quiet(w: &World, plan: &Plan) {
    for instance in 0..2 {
        let masters = w.masters(instance);
        assert_eq!(masters.len(), 1, "masters of instance {instance}: {masters:?}\n{}", w.dump_states());
        let best = if plan.equal_priorities { plan.routers - 1 } else { 0 };
        if !plan.nopreempt && !plan.equal_priorities {
            assert_eq!(masters, [best], "not the best router is MASTER\n{}", w.dump_states());
        }
        assert_eq!(w.holders(instance), masters, "who holds the address of instance {instance}");
    }
    if plan.grouped {
        for router in &w.routers {
            let node = router.node.as_ref().unwrap();
            let states: Vec<State> = node.vrrp.instances.iter().map(|n| n.state).collect();
            assert!(states.windows(2).all(|s| s[0] == s[1]), "members of a group disagree: {states:?}");
        }
    }
    for router in &w.routers {
        let node = router.node.as_ref().unwrap();
        for (n, conf) in node.vrrp.instances.iter().zip(&node.config().instances) {
            assert_eq!(n.priority, conf.priority, "no script fails, yet the priority is another");
        }
        for r in 0..3 {
            assert_eq!(node.lvs.server_alive(0, r), Some(true), "a server that answers is not in service");
        }
    }
}

/// Reload to the other configuration and back leaves the kernel as it was.
fn reload_there_and_back(w: &mut World, plan: &Plan) {
    let before: Vec<_> = w.routers.iter().map(|r| r.kernel.visible()).collect();
    for variant in [true, false] {
        for r in 0..plan.routers {
            w.reload(r, variant);
        }
        w.run_until(Instant(w.now.0 + 5 * SECOND));
    }
    w.run_until(Instant(w.now.0 + 10 * SECOND));
    let after: Vec<_> = w.routers.iter().map(|r| r.kernel.visible()).collect();
    assert_eq!(before, after, "reload there and back changed the kernel");
}

/// KILL of the master: the next one takes over, never early, and soon.
fn take_over(w: &mut World, plan: &Plan) {
    let [master] = w.masters(0)[..] else { panic!("no single master") };
    let last = w.now;
    w.crash(master);
    let limit = Instant(w.now.0 + plan.advert_ms * 5_000 + plan.preempt_delay * SECOND);
    while w.masters(0).is_empty() && w.now < limit {
        w.run_until(Instant(w.now.0 + 1_000));
    }
    let took = w.now.since(last);
    // Equal priorities act at one time; the higher address stays.
    w.run_until(Instant(w.now.0 + 5_000));
    let [next] = w.masters(0)[..] else { panic!("nobody took over\n{}", w.dump_states()) };
    let conf = setup::config(plan, next, false);
    let down = holdfast::node::vrrp::instance::master_down(&conf.instances[0], conf.instances[0].priority);
    let interval = conf.instances[0].advert_int;
    assert!(took + interval >= down, "took over early: after {took:?}, interval is {down:?}");
    w.measured.takeovers.push(took.as_micros() as u64);
    w.run_until(Instant(w.now.0 + 12 * SECOND));
    assert!(!plan.grouped || w.masters(1) == [next], "the other instance did not follow\n{}", w.dump_states());
    w.start(master);
    w.run_until(Instant(w.now.0 + (30 + plan.preempt_delay) * SECOND));
    if !plan.nopreempt && !plan.equal_priorities {
        assert_eq!(w.masters(0), [master], "the better router did not come back\n{}", w.dump_states());
    }
    assert_eq!(w.masters(0).len(), 1);
    for (segment, arp) in w.arp.iter().enumerate() {
        if arp.get(&setup::vip(segment).addr) != w.masters(segment).first() {
            w.measured.announced_wrong += 1;
        }
    }
}
