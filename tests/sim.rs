//! The same `Node` as in the daemon, under a virtual clock, on a virtual LAN, over a virtual kernel.
//!
//! `make sim SEED=n` replays one seed with its trace; `make soak MINUTES=n` goes on with seeds from the clock.

#[path = "sim/kernel.rs"]
mod kernel;
#[path = "sim/oracle.rs"]
mod oracle;
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
use setup::{Plan, SEGMENTS};
use std::panic::{catch_unwind, AssertUnwindSafe};
use world::{Measured, World, SECOND};

/// `HOLDFAST_SEEDS=n` runs others than these many.
const SEEDS: u64 = 2_000;
/// Virtual seconds of trouble, and of quiet after it (a minute of patience with thieves is part of it).
const TROUBLE: u64 = 60;
const QUIET: u64 = 30;
const QUIET_AFTER_THIEVES: u64 = 90;

#[test]
fn seeds() {
    let seeds = number("HOLDFAST_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut all = Measured::default();
    let part = |n: u64| (1..=seeds).filter(move |s| s % threads == n).map(one).fold(Measured::default(), sum);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || part(n))).collect();
        for thread in running {
            all.add(thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        }
    });
    report(seeds, &mut all);
}

fn sum(mut all: Measured, more: Measured) -> Measured {
    all.add(more);
    all
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
    println!(
        "{seeds} seeds, {} virtual days, {} steps, {} adverts: {:.2} a second",
        all.seconds / 86_400,
        all.steps,
        all.adverts,
        all.adverts as f64 / all.seconds.max(1) as f64
    );
    println!(
        "two masters: {} s while an advert was on its way, {} s after one was lost, no other",
        all.two_flies / SECOND,
        all.two_lost / SECOND
    );
    println!("seeds at whose end hosts believe another router to have an address: {:?}", all.told_wrong);
    for (name, list) in ["alone", "in a sync group"].iter().zip(&mut all.takeovers) {
        let mut beyond: Vec<i64> = list.iter().map(|(took, down)| *took as i64 - *down as i64).collect();
        beyond.sort_unstable();
        let mut share: Vec<u64> = list.iter().map(|(took, down)| took * 1000 / down.max(&1)).collect();
        share.sort_unstable();
        let at = |p: usize| (list.len().saturating_sub(1)) * p / 100;
        let ms = |p: usize| beyond.get(at(p)).copied().unwrap_or(0) as f64 / 1000.0;
        let part = |p: usize| share.get(at(p)).copied().unwrap_or(0) as f64 / 1000.0;
        println!(
            "{} take-overs {name} after a KILL: beyond Master_Down_Interval p50 {:.1} p99 {:.1} max {:.1} ms; \
             parts of it p50 {:.3} p99 {:.3} max {:.3}",
            list.len(),
            ms(50),
            ms(99),
            ms(100),
            part(50),
            part(99),
            part(100)
        );
    }
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
    let quiet = if plan.theft { QUIET_AFTER_THIEVES } else { QUIET + plan.preempt_delay };
    w.run_until(Instant(w.now.0 + quiet * SECOND));
    check_quiet(&w, &plan);
    for r in 0..plan.routers {
        w.reload_same(r);
    }
    if !plan.nopreempt {
        reload_there_and_back(&mut w, &plan);
    }
    if !take_over(&mut w, &plan) {
        w.measured.told_wrong.push(seed);
    }
    for r in 0..plan.routers {
        w.stop(r);
        w.start(r);
        w.stop(r);
    }
    let after: Vec<_> = w.routers.iter().map(|r| r.kernel.visible()).collect();
    assert_eq!(before, after, "something was left behind or taken along");
    w.measured()
}

/// One fault of those that this seed has.
fn trouble(w: &mut World, plan: &Plan) {
    let r = w.rng.below(plan.routers as u64) as usize;
    let on = w.rng.below(2) as usize;
    let segment = SEGMENTS[on];
    match w.rng.below(15) {
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
            let open = !w.reach[on][r][other];
            w.say(r, || format!("and {other} {} hear each other on {segment}", if open { "can" } else { "cannot" }));
            w.reach[on][r][other] = open;
            w.reach[on][other][r] = open;
        }
        3 if plan.one_way => {
            let other = (r + 1) % plan.routers;
            let open = !w.reach[on][r][other];
            w.say(r, || format!("{} heard by {other} on {segment}", if open { "is" } else { "is not" }));
            w.reach[on][r][other] = open;
        }
        4 if plan.theft => {
            for _ in 0..w.rng.between(1, 30) {
                let held: Vec<Key> = (0..plan.virtuals.len())
                    .filter_map(|i| {
                        let ifindex = w.routers[r].kernel.index(SEGMENTS[plan.virtuals[i].segment])?;
                        Some(Key::Address(AddressKey { ifindex, net: setup::vip(i) }))
                    })
                    .filter(|k| w.routers[r].kernel.objects.contains_key(k))
                    .chain(w.routers[r].kernel.routes_and_rules())
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
            let nets = setup::nets(r, on);
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
        12 if plan.tracks_file.is_some() => {
            w.routers[r].file = [0, 1, 3][w.rng.below(3) as usize];
            w.say(r, || format!("its file says {}", w.routers[r].file));
            w.tell_trackers(r);
        }
        13 if plan.tracks_process.is_some() => {
            w.routers[r].processes ^= 1;
            w.say(r, || format!("runs {} processes", w.routers[r].processes));
            w.tell_trackers(r);
        }
        14 if plan.homeless => {
            let net = setup::nets(r, on)[w.rng.below(2) as usize];
            w.say(r, || format!("has no {net} on {segment} for a while"));
            if let Some(ifindex) = w.routers[r].kernel.index(segment) {
                w.foreign_hand(r, |k| {
                    k.steal(Key::Address(AddressKey { ifindex, net }));
                });
            }
            let pause = w.rng.between(0, 5 * SECOND);
            w.run_until(Instant(w.now.0 + pause));
            give_home(w, r);
        }
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

/// The addresses that a router has of its own are there.
fn give_home(w: &mut World, r: usize) {
    for (on, name) in SEGMENTS.iter().enumerate() {
        for net in setup::nets(r, on) {
            w.foreign_hand(r, |k| {
                let Some(ifindex) = k.index(name) else { return };
                if !k.objects.contains_key(&Key::Address(AddressKey { ifindex, net })) {
                    k.add_address(ifindex, net);
                }
            });
        }
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
        give_home(w, r);
        for to in w.reach.iter_mut().flat_map(|on| on[r].iter_mut()) {
            *to = true;
        }
    }
    w.dead_servers.clear();
    w.sick.clear();
    for r in 0..w.routers.len() {
        (w.routers[r].file, w.routers[r].processes) = (0, 1);
        w.tell_trackers(r);
        w.start(r);
        w.reload(r, false);
    }
}

/// After quiet time: one MASTER, the one that VRRP elects, and it alone holds the addresses.
fn check_quiet(w: &World, plan: &Plan) {
    for instance in 0..plan.virtuals.len() {
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
            let states: Vec<State> = node.vrrp.instances.iter().take(2).map(|n| n.state).collect();
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
    w.run_until(Instant(w.now.0 + (10 + plan.preempt_delay) * SECOND));
    let after: Vec<_> = w.routers.iter().map(|r| r.kernel.visible()).collect();
    assert_eq!(before, after, "reload there and back changed the kernel");
}

/// KILL of the master: the next one takes over, never early (the oracle sees to that), and soon. True: in the end the
/// hosts know who has which address.
fn take_over(w: &mut World, plan: &Plan) -> bool {
    let [master] = w.masters(0)[..] else { panic!("no single master") };
    let orphans: Vec<usize> = (0..plan.virtuals.len()).filter(|v| w.masters(*v) == [master]).collect();
    w.took_over.fill(None);
    w.crash(master);
    // The others of a group may be behind by an interval and more.
    w.run_until(Instant(w.now.0 + plan.advert_ms * 6_000 + 2 * SECOND + plan.preempt_delay * SECOND));
    for v in orphans {
        let [next] = w.masters(v)[..] else { panic!("masters of {v}: {:?}\n{}", w.masters(v), w.dump_states()) };
        let (first, took) = w.took_over[v].expect("somebody took over");
        let grouped = plan.grouped && v < 2;
        w.measured.takeovers[usize::from(grouped)].push((took, w.down(first, v)));
        assert!(plan.equal_priorities || first == next, "{first} was MASTER of {v} before {next}");
    }
    let [next] = w.masters(0)[..] else { panic!("nobody took over\n{}", w.dump_states()) };
    assert!(!plan.grouped || w.masters(1) == [next], "the other instance did not follow\n{}", w.dump_states());
    w.start(master);
    w.run_until(Instant(w.now.0 + (15 + plan.preempt_delay) * SECOND));
    if !plan.nopreempt && !plan.equal_priorities {
        assert_eq!(w.masters(0), [master], "the better router did not come back\n{}", w.dump_states());
    }
    (0..plan.virtuals.len()).all(|v| {
        assert_eq!(w.masters(v).len(), 1, "masters of {v}\n{}", w.dump_states());
        w.arp[plan.virtuals[v].segment].get(&setup::vip(v).addr) == w.masters(v).first()
    })
}
