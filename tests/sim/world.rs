//! The world of a seed: a virtual clock, two segments, routers with their kernels, faults; and what must hold after
//! every single step.

use crate::kernel::Kernel;
use crate::oracle::{self, Heard, Last, Oracle};
use crate::rng::Rng;
use crate::setup::{self, Plan, SEGMENTS};
use holdfast::base::addr::Family;
use holdfast::base::time::Instant;
use holdfast::base::verdict::{Reason, Verdict};
use holdfast::node::effect::Effect;
use holdfast::node::event::Event;
use holdfast::node::vrrp::instance::{Instance, State};
use holdfast::node::Node;
use holdfast::wire::ip::Head;
use holdfast::wire::op::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

pub const SECOND: u64 = 1_000_000;

pub struct World {
    pub now: Instant,
    pub rng: Rng,
    pub plan: Plan,
    pub routers: Vec<Router>,
    /// reach[segment][a][b]: frames of a arrive at b.
    pub reach: [Vec<Vec<bool>>; 2],
    oracle: Oracle,
    /// The last advert of each virtual router, and who sent it.
    pub last_advert: Vec<Option<(usize, Instant)>>,
    /// The first one of somebody else after that, with the two times, while it is looked for.
    pub took_over: Vec<Option<(usize, u64)>>,
    queue: BinaryHeap<Reverse<(Instant, u64, What)>>,
    seq: u64,
    /// News under way, by their number in the queue; the flag: a foreign hand's doing.
    mail: BTreeMap<u64, (News, bool)>,
    /// What follows from the effects of a step: answers of the kernel, tables that were read.
    todo: VecDeque<Event<'static>>,
    /// Last octets of the real servers that do not answer.
    pub dead_servers: Vec<u8>,
    /// Routers whose tracked script fails.
    pub sick: Vec<usize>,
    /// Who the hosts of a segment believe to hold an address.
    pub arp: [BTreeMap<IpAddr, usize>; 2],
    pub faults_on: bool,
    pub trace: bool,
    pub measured: Measured,
    busy: u32,
    effects: Vec<Effect>,
}

#[derive(Default, Clone)]
pub struct Measured {
    pub steps: u64,
    pub adverts: u64,
    /// Virtual seconds.
    pub seconds: u64,
    /// When a master died: from its last advert to the first of the next, and that one's Master_Down_Interval; in
    /// microseconds, alone and in a sync group.
    pub takeovers: [Vec<(u64, u64)>; 2],
    /// Microseconds with two MASTERs, while an advert between them was on its way, and after one was lost. There is no
    /// other time with two MASTERs: the oracle sees to that.
    pub two_flies: u64,
    pub two_lost: u64,
    /// Seeds at whose end the hosts of a link believed somebody else to have an address.
    pub told_wrong: Vec<u64>,
}

impl Measured {
    pub fn add(&mut self, other: Measured) {
        self.steps += other.steps;
        self.adverts += other.adverts;
        self.seconds += other.seconds;
        for (all, more) in self.takeovers.iter_mut().zip(other.takeovers) {
            all.extend(more);
        }
        self.two_flies += other.two_flies;
        self.two_lost += other.two_lost;
        self.told_wrong.extend(other.told_wrong);
    }
}

pub struct Router {
    pub node: Option<Node>,
    pub kernel: Kernel,
    pub variant: bool,
    epoch: u64,
    /// The ownership record.
    owned: BTreeMap<OwnedKey, Option<Value>>,
    /// News under way, and those of foreign hands among them, by key.
    foreign: BTreeMap<Key, u32>,
    last_news: BTreeMap<Option<Key>, Instant>,
    probes: BTreeMap<u32, u64>,
    /// The run of the tracked script that is under way.
    run: Option<(u32, u64)>,
    /// What its file and its processes say.
    pub file: i64,
    pub processes: u32,
    /// When its node wants to be called, by the world's clock.
    due: Option<Instant>,
    /// What the node's wishes depend on, when they were last looked at.
    looked_at: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Frame { to: usize, from: usize, v: usize, number: u64, bytes: Rc<[u8]> },
    Spoilt { to: usize, v: usize, bytes: Rc<[u8]> },
    News { to: usize, epoch: u64, index: u64 },
    Verdict { to: usize, id: u32, seq: u64 },
    Ran { to: usize, id: u32, seq: u64 },
}

impl World {
    pub fn new(mut rng: Rng, plan: Plan, trace: bool) -> World {
        let n = plan.routers;
        let router = |r: usize| Router {
            node: None,
            kernel: Kernel::new(&[("eth0", &setup::nets(r, 0)), ("eth1", &setup::nets(r, 1))], r as u8),
            variant: false,
            epoch: 0,
            owned: BTreeMap::new(),
            foreign: BTreeMap::new(),
            last_news: BTreeMap::new(),
            probes: BTreeMap::new(),
            run: None,
            file: 0,
            processes: 1,
            due: None,
            looked_at: 0,
        };
        let seq = rng.below(1000);
        World {
            now: Instant(SECOND),
            rng,
            oracle: Oracle::new(plan.virtuals.len(), n),
            last_advert: vec![None; plan.virtuals.len()],
            took_over: vec![None; plan.virtuals.len()],
            plan,
            routers: (0..n).map(router).collect(),
            reach: [vec![vec![true; n]; n], vec![vec![true; n]; n]],
            queue: BinaryHeap::new(),
            seq,
            mail: BTreeMap::new(),
            todo: VecDeque::new(),
            dead_servers: Vec::new(),
            sick: Vec::new(),
            arp: Default::default(),
            faults_on: true,
            trace,
            measured: Measured::default(),
            busy: 0,
            effects: Vec::new(),
        }
    }

    pub fn say(&self, r: usize, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>12.6}  router {r}  {}", (self.now.0 - SECOND) as f64 / 1e6, text());
        }
    }

    /// A router's own clock.
    fn clock(&self, r: usize) -> Instant {
        let now = self.now.0 as i64;
        Instant((now + now * self.plan.drift[r] / 1_000_000) as u64)
    }

    /// The first moment at which its clock shows that.
    fn when(&self, r: usize, clock: Instant) -> Instant {
        let drift = self.plan.drift[r];
        let shows = |at: i64| at + at * drift / 1_000_000;
        let mut at = clock.0 as i64 * 1_000_000 / (1_000_000 + drift);
        while shows(at) < clock.0 as i64 {
            at += 1;
        }
        while at > 0 && shows(at - 1) >= clock.0 as i64 {
            at -= 1;
        }
        Instant(at as u64)
    }

    // ---- what happens to routers ----------------------------------------------------------------------------

    pub fn start(&mut self, r: usize) {
        if self.routers[r].node.is_some() {
            return;
        }
        self.say(r, || "starts".into());
        let config = Rc::new(setup::config(&self.plan, r, self.routers[r].variant));
        let owned = self.routers[r].owned.iter().map(|(k, f)| Owned { key: k.clone(), found: f.clone() }).collect();
        self.routers[r].node = Some(Node::new(config));
        self.oracle.reborn(r);
        let seed = self.rng.next() as u32;
        self.step(r, Event::Start { seed, owned });
        let value = self.routers[r].file;
        self.step(r, Event::File { path: setup::FILE, value });
        self.dump(r);
        self.tell_trackers(r);
    }

    /// What the tracked file and processes say now.
    pub fn tell_trackers(&mut self, r: usize) {
        let (value, count) = (self.routers[r].file, self.routers[r].processes);
        self.step(r, Event::File { path: setup::FILE, value });
        if self.plan.tracks_process.is_some() {
            self.step(r, Event::Processes(&[count]));
        }
    }

    /// SIGKILL: the kernel keeps what it has.
    pub fn crash(&mut self, r: usize) {
        if self.routers[r].node.take().is_some() {
            self.say(r, || "is killed".into());
            self.forget_news(r);
            self.routers[r].probes.clear();
            self.routers[r].run = None;
            self.routers[r].kernel.close_sockets();
            self.routers[r].due = None;
            self.oracle.gone(r);
        }
    }

    pub fn stop(&mut self, r: usize) {
        if self.routers[r].node.is_none() {
            return;
        }
        self.say(r, || "is told to stop".into());
        self.step(r, Event::Stop);
        for _ in 0..100 {
            if self.routers[r].node.as_ref().is_some_and(|n| n.is_stopped()) {
                break;
            }
            self.step(r, Event::Due);
        }
        assert!(self.routers[r].node.as_ref().unwrap().is_stopped(), "router {r} does not come to an end");
        self.routers[r].node = None;
        self.routers[r].due = None;
        self.oracle.gone(r);
        self.forget_news(r);
        self.routers[r].probes.clear();
        self.routers[r].run = None;
        self.routers[r].kernel.close_sockets();
    }

    pub fn reload(&mut self, r: usize, variant: bool) {
        if self.routers[r].node.is_some() {
            self.say(r, || format!("reloads variant {variant}"));
            self.routers[r].variant = variant;
            let config = Rc::new(setup::config(&self.plan, r, variant));
            self.step(r, Event::Reload(config));
        }
    }

    /// Reloads what it runs already; nothing may come of it.
    pub fn reload_same(&mut self, r: usize) {
        let config = Rc::new(setup::config(&self.plan, r, self.routers[r].variant));
        let now = self.clock(r);
        let Some(node) = self.routers[r].node.as_mut() else { return };
        let mut out = Vec::new();
        node.step(now, Event::Reload(config), &mut out);
        assert!(out.is_empty(), "reload of the same configuration did {out:?}");
    }

    /// The news socket overflowed: everything under way is lost, the tables are read anew.
    pub fn overrun(&mut self, r: usize) {
        if self.routers[r].node.is_some() {
            self.say(r, || "loses netlink news (ENOBUFS)".into());
            self.dump(r);
        }
    }

    fn forget_news(&mut self, r: usize) {
        let router = &mut self.routers[r];
        router.epoch += 1;
        router.foreign.clear();
        router.kernel.news.clear();
    }

    fn dump(&mut self, r: usize) {
        self.forget_news(r);
        for news in self.routers[r].kernel.dump() {
            self.step(r, Event::Kernel(news));
        }
    }

    /// A change made by somebody else's hand.
    pub fn foreign_hand(&mut self, r: usize, hand: impl FnOnce(&mut Kernel)) {
        hand(&mut self.routers[r].kernel);
        self.post_news(r, true);
    }

    // ---- the course of things ------------------------------------------------------------------------------

    pub fn run_until(&mut self, end: Instant) {
        loop {
            let frame = self.queue.peek().map(|Reverse((at, ..))| *at);
            let due = self.routers.iter().enumerate().filter_map(|(r, x)| Some((x.due?, r))).min();
            let at = match (frame, due) {
                (Some(f), Some((d, _))) => f.min(d),
                (Some(f), None) => f,
                (None, Some((d, _))) => d,
                (None, None) => end,
            };
            if at >= end {
                self.pass(end);
                return;
            }
            let at = at.max(self.now);
            self.busy = if at == self.now { self.busy + 1 } else { 0 };
            assert!(self.busy < 20_000, "the clock stands still");
            self.pass(at);
            match due {
                Some((d, r)) if d <= at => self.step(r, Event::Due),
                _ => {
                    let Some(Reverse((_, _, what))) = self.queue.pop() else { continue };
                    self.happen(what);
                }
            }
        }
    }

    fn pass(&mut self, to: Instant) {
        self.oracle.pass(to.since(self.now).as_micros() as u64);
        self.now = to;
    }

    /// A packet comes in, if there is a link and a socket for it.
    fn frame(&mut self, to: usize, from: usize, v: usize, number: u64, bytes: &[u8]) {
        let router = &self.routers[to];
        let Some(ifindex) = router.kernel.index(SEGMENTS[self.plan.virtuals[v].segment]) else {
            return self.oracle.in_vain(v, from, to, number);
        };
        let (head, payload) = Head::parse(bytes).expect("a packet");
        let key = SocketKey { ifindex, protocol: head.protocol, address: head.dst };
        let up = router.kernel.links.get(&ifindex).is_some_and(|l| l.up);
        let hears = up && router.kernel.objects.contains_key(&Key::Socket(key));
        let counted = |w: &World| w.instance(to, v).map(|n| n.counters.advert_rcvd);
        let before = counted(self);
        if !hears || before.is_none() {
            return self.oracle.in_vain(v, from, to, number);
        }
        let priority = payload[if head.protocol == 51 { 26 } else { 2 }];
        self.step_packet(to, ifindex, bytes);
        if counted(self) == before {
            return self.oracle.in_vain(v, from, to, number);
        }
        let now = self.clock(to);
        let Some(n) = self.instance(to, v) else { return };
        let (state, own) = (n.state, n.source);
        let heard = Heard { v, from, source: head.src, priority };
        self.oracle.heard(&self.plan, &heard, to, own, state, now);
        self.look(to);
    }

    /// One bit of the message is another: that must do nothing at all.
    fn spoilt(&mut self, to: usize, v: usize, bytes: &[u8]) {
        let Some(ifindex) = self.routers[to].kernel.index(SEGMENTS[self.plan.virtuals[v].segment]) else { return };
        let mut bytes = bytes.to_vec();
        let head = Head::parse(&bytes).map_or(20, |(h, _)| h.size());
        let bit = self.rng.between(8 * head as u64, 8 * bytes.len() as u64 - 1) as usize;
        bytes[bit / 8] ^= 1 << (bit % 8);
        let counted = |w: &World| -> Vec<u32> {
            let node = w.routers[to].node.as_ref();
            node.map(|n| n.vrrp.instances.iter().map(|n| n.counters.advert_rcvd).collect()).unwrap_or_default()
        };
        let before = counted(self);
        self.step(to, Event::Packet { ifindex, bytes: &bytes });
        assert_eq!(before, counted(self), "a packet with a wrong bit counts");
    }

    /// The instance of a virtual router: a reload may have taken it away.
    pub fn instance(&self, r: usize, v: usize) -> Option<&Instance> {
        self.routers[r].node.as_ref()?.vrrp.instances.get(v)
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Frame { to, from, v, number, bytes } => self.frame(to, from, v, number, &bytes),
            What::Spoilt { to, v, bytes } => self.spoilt(to, v, &bytes),
            What::News { to, epoch, index } => {
                let Some((news, foreign)) = self.mail.remove(&index) else { return };
                if self.routers[to].epoch != epoch {
                    return;
                }
                if let (true, Some(key)) = (foreign, news_key(&news)) {
                    if let Some(n) = self.routers[to].foreign.get_mut(&key) {
                        *n -= 1;
                        if *n == 0 {
                            self.routers[to].foreign.remove(&key);
                        }
                    }
                }
                self.say(to, || format!("hears of {news:?}"));
                self.step(to, Event::Kernel(news));
            }
            What::Verdict { to, id, seq } => {
                if self.routers[to].probes.get(&id) != Some(&seq) {
                    return;
                }
                self.routers[to].probes.remove(&id);
                let Some(node) = &self.routers[to].node else { return };
                let (server, check) = node.check(id).expect("a check that runs has settings");
                let IpAddr::V4(ip) = check.to(server).ip else { return };
                let dead = self.dead_servers.contains(&ip.octets()[3]);
                let verdict = if dead { Verdict::Down(Reason::Connect(111)) } else { Verdict::Up };
                self.step(to, Event::Verdict(id, verdict));
            }
            What::Ran { to, id, seq } => {
                if self.routers[to].run == Some((id, seq)) {
                    self.routers[to].run = None;
                    let sick = self.sick.contains(&to);
                    let verdict = if sick { Verdict::Down(Reason::Exit(1)) } else { Verdict::Up };
                    self.step(to, Event::Ran { id, verdict, ended: true });
                }
            }
        }
    }

    fn later(&mut self, after_us: u64, what: What) {
        self.seq += 1;
        self.queue.push(Reverse((Instant(self.now.0 + after_us), self.seq, what)));
    }

    fn step(&mut self, r: usize, event: Event) {
        self.steps(r, event);
        self.look(r);
    }

    /// The oracle looks when it knows what was heard.
    fn step_packet(&mut self, r: usize, ifindex: u32, bytes: &[u8]) {
        self.steps(r, Event::Packet { ifindex, bytes });
    }

    fn steps(&mut self, r: usize, event: Event) {
        let was_due = matches!(event, Event::Due);
        // What comes by time or by a packet changes wishes through the state alone.
        let plain = was_due || matches!(event, Event::Packet { .. });
        self.one(r, event);
        loop {
            while let Some(event) = self.todo.pop_front() {
                self.one(r, event);
            }
            // What was announced is sent at once here.
            if !self.routers[r].node.as_ref().is_some_and(|n| n.is_announcing()) {
                break;
            }
            self.one(r, Event::Announced);
        }
        let at = self.fingerprint(r);
        if !plain || at != self.routers[r].looked_at || self.measured.steps.is_multiple_of(16) {
            self.check_kernel(r);
            self.routers[r].looked_at = at;
        }
        let next = self.routers[r].node.as_ref().and_then(|n| n.deadline());
        if was_due {
            let now = self.clock(r);
            assert!(next.is_none_or(|at| at > now || at == Instant(0)), "due again at once: {next:?}");
        }
        self.routers[r].due = next.map(|at| self.when(r, at));
    }

    fn fingerprint(&self, r: usize) -> u64 {
        let Some(node) = &self.routers[r].node else { return 0 };
        let mix = |all: u64, n: &Instance| {
            all.wrapping_mul(31).wrapping_add(n.state as u64 + 8 * u64::from(n.ifindex.unwrap_or(0)))
        };
        node.vrrp.instances.iter().fold(1, mix)
    }

    fn look(&mut self, r: usize) {
        let now = self.clock(r);
        for v in 0..self.plan.virtuals.len() {
            let (state, priority) = self.instance(r, v).map_or((State::Init, 0), |n| (n.state, n.priority));
            self.oracle.look(&self.plan, v, r, state, priority, now);
        }
        let state = |v| self.instance(r, v).map(|n| n.state);
        assert!(!self.plan.grouped || state(0) == state(1), "a group falls apart: {:?} {:?}", state(0), state(1));
    }

    fn one(&mut self, r: usize, event: Event) {
        let mut effects = std::mem::take(&mut self.effects);
        let now = self.clock(r);
        let Some(node) = self.routers[r].node.as_mut() else { return };
        node.step(now, event, &mut effects);
        self.measured.steps += 1;
        let mut rank = 0;
        for effect in effects.drain(..) {
            let this = match &effect {
                Effect::Send { .. }
                | Effect::Frame { .. }
                | Effect::Probe { .. }
                | Effect::Abandon(_)
                | Effect::OpenIpvs => 0,
                Effect::Run(_) | Effect::StopRun(_) => 0,
                Effect::Kernel(_) => 1,
                Effect::Announce { .. } => 2,
                Effect::Spawn(_) | Effect::Fifo(_) | Effect::Note(_) => 3,
            };
            assert!(this >= rank, "out of order: {effect:?}");
            rank = this;
            self.apply(r, effect);
        }
        self.effects = effects;
    }

    fn apply(&mut self, r: usize, effect: Effect) {
        match effect {
            // No file of the simulation asks for a link.
            Effect::Frame { .. } => {}
            Effect::Send { socket, bytes } => self.send(r, socket, bytes),
            Effect::Kernel(op) => {
                let refuse = self.faults_on && self.plan.refusals && self.rng.one_in(12);
                self.say(r, || format!("{op:?}{}", if refuse { "  (refused)" } else { "" }));
                let router = &mut self.routers[r];
                // Write-ahead: recorded before it is done.
                if let (Some(key), Some(node)) = (router.kernel.owned_key(&op.key()), &router.node) {
                    let found = node.table().found(&op.key()).cloned();
                    router.owned.entry(key).or_insert(found);
                }
                let outcome = router.kernel.apply(&op, refuse);
                self.post_news(r, false);
                match outcome {
                    Some(outcome) => self.todo.push_back(Event::Answer(op, outcome)),
                    None => {
                        if let Op::Add(Key::Firewall(family), _) | Op::Set(Key::Firewall(family), _) = op {
                            self.todo.push_back(Event::Kernel(News::FirewallReady(family)));
                        }
                        if let (Op::Remove(key, _), router) = (&op, &mut self.routers[r]) {
                            if let Key::Service(gone) = key {
                                router.owned.retain(|k, _| !matches!(k, OwnedKey::Dest(s, _) if s == gone));
                            }
                            if let Some(key) = router.kernel.owned_key(key) {
                                router.owned.remove(&key);
                            }
                        }
                    }
                }
            }
            Effect::Announce { ifindex, ip, .. } => {
                let link = self.routers[r].kernel.links.get(&ifindex);
                if let Some(link) = link.filter(|l| l.up) {
                    let segment = SEGMENTS.iter().position(|s| *s == link.name.as_str()).unwrap();
                    self.arp[segment].insert(ip, r);
                }
            }
            Effect::OpenIpvs => {
                self.todo.extend(self.routers[r].kernel.dump_ipvs().into_iter().map(Event::Kernel));
            }
            Effect::Probe { id, .. } => {
                self.seq += 1;
                let seq = self.seq;
                assert!(self.routers[r].probes.insert(id, seq).is_none(), "check {id} runs twice");
                let takes = self.rng.between(100, 5_000);
                self.later(takes, What::Verdict { to: r, id, seq });
            }
            Effect::Abandon(id) => {
                assert!(self.routers[r].probes.remove(&id).is_some(), "check {id} does not run");
            }
            Effect::Run(run) => {
                self.seq += 1;
                let seq = self.seq;
                let before = self.routers[r].run.replace((run.id, seq));
                assert!(before.is_none(), "the tracked script runs twice");
                let takes = self.rng.between(100, 1_500_000);
                self.later(takes, What::Ran { to: r, id: run.id, seq });
            }
            Effect::StopRun(id) => {
                assert!(self.routers[r].run.take().is_some_and(|(of, _)| of == id), "run {id} is not under way");
            }
            Effect::Spawn(_) | Effect::Fifo(_) => {}
            Effect::Note(note) => self.say(r, || format!("says: {note}")),
        }
    }

    fn send(&mut self, r: usize, socket: SocketKey, bytes: Vec<u8>) {
        let router = &self.routers[r];
        let (head, payload) = Head::parse(&bytes).expect("a packet");
        let message = if head.protocol == 51 { &payload[24..] } else { payload };
        let (vrid, priority) = (message[1], message[2]);
        let Some(name) = router.kernel.name(socket.ifindex) else { return };
        let segment = SEGMENTS.iter().position(|s| *s == name.as_str()).unwrap();
        let same = |x: &setup::Virtual| (x.segment, x.vrid, x.six) == (segment, vrid, head.src.is_ipv6());
        let v = self.plan.virtuals.iter().position(same).expect("one of ours");
        let state = self.instance(r, v).map(|n| n.state);
        assert!(priority == 0 || state == Some(State::Master), "an advert of priority {priority} in state {state:?}");
        self.measured.adverts += 1;
        self.seq += 1;
        let number = self.seq;
        let up = router.kernel.links.get(&socket.ifindex).is_some_and(|l| l.up);
        let sends = up && router.kernel.objects.contains_key(&Key::Socket(socket));
        if sends && priority > 0 {
            match self.last_advert[v] {
                Some((before, at)) if before != r && self.took_over[v].is_none() => {
                    self.took_over[v] = Some((r, self.now.since(at).as_micros() as u64));
                }
                _ => {}
            }
            self.last_advert[v] = Some((r, self.now));
        }
        let bytes: Rc<[u8]> = bytes.into();
        for to in 0..self.routers.len() {
            // Unicast goes to one of them.
            let theirs = [setup::nets(to, segment)[0].addr, setup::link_local(to).addr];
            if to == r || (!head.dst.is_multicast() && !theirs.contains(&head.dst)) {
                continue;
            }
            let lost = !sends
                || !self.reach[segment][r][to]
                || (self.faults_on && self.plan.loss.is_some_and(|n| self.rng.one_in(n)));
            self.oracle.sent(v, r, to, if lost { Last::Lost } else { Last::Flies(number) });
            if lost {
                continue;
            }
            if self.faults_on && self.plan.spoils && self.rng.one_in(8) {
                self.later_spoilt(to, v, bytes.clone());
            }
            let copies = if self.faults_on && self.plan.duplicates && self.rng.one_in(20) { 2 } else { 1 };
            for _ in 0..copies {
                let most = if self.faults_on { self.plan.delay_us } else { 900 };
                let takes = self.rng.between(50, most);
                self.later(takes, What::Frame { to, from: r, v, number, bytes: bytes.clone() });
            }
        }
    }

    fn later_spoilt(&mut self, to: usize, v: usize, bytes: Rc<[u8]>) {
        let takes = self.rng.between(50, 900);
        self.later(takes, What::Spoilt { to, v, bytes });
    }

    /// News come late, and those of different objects in any order.
    fn post_news(&mut self, r: usize, foreign: bool) {
        for news in std::mem::take(&mut self.routers[r].kernel.news) {
            let takes = self.rng.between(10, if self.faults_on { 20_000 } else { 200 });
            let key = news_key(&news);
            let router = &mut self.routers[r];
            if router.node.is_none() {
                continue;
            }
            if let (true, Some(key)) = (foreign, key) {
                *router.foreign.entry(key).or_default() += 1;
            }
            let at = Instant(self.now.0 + takes);
            // Links before and after their addresses: those keep their order among themselves.
            let last = router.last_news.values().max().copied().filter(|_| key.is_none());
            let at = at.max(router.last_news.get(&key).copied().unwrap_or_default()).max(last.unwrap_or_default());
            let at = at.max(router.last_news.get(&None).copied().unwrap_or_default());
            router.last_news.insert(key, at);
            self.seq += 1;
            let (index, epoch) = (self.seq, router.epoch);
            self.mail.insert(index, (news, foreign));
            self.queue.push(Reverse((at, index, What::News { to: r, epoch, index })));
        }
    }

    // ---- what must hold ------------------------------------------------------------------------------------

    /// The kernel holds what the node wants, and nothing else of ours.
    fn check_kernel(&self, r: usize) {
        let router = &self.routers[r];
        let Some(node) = &router.node else { return };
        let Some(desired) = node.desired_anew() else { return };
        let excused = |key: &Key| {
            let ipvs = matches!(key, Key::Service(_) | Key::Dest(..) | Key::SyncDaemon(_));
            let gone = |i: u32| !router.kernel.links.contains_key(&i);
            let link = match key {
                Key::Address(a) => gone(a.ifindex),
                Key::Socket(s) => gone(s.ifindex),
                _ => false,
            };
            link || node.table().is_parked(key)
                || router.foreign.contains_key(key)
                || (ipvs && !node.table().ipvs_ready)
                || matches!(key, Key::Blocked(b) if node.table().is_parked(&Key::Firewall(Family::of(&b.address))))
                || matches!(key, Key::Dest(s, _) if node.table().is_parked(&Key::Service(*s)))
        };
        for (key, value) in &desired {
            let have = router.kernel.objects.get(key);
            let same = match (have, value) {
                (Some(Value::Address(_)), Value::Address(_)) => true,
                (Some(have), want) => have == want,
                (None, _) => false,
            };
            assert!(same || excused(key), "router {r} lacks {key:?}: has {have:?}, wants {value:?}");
        }
        // Whatever is wished: only a MASTER has the address.
        for v in 0..self.plan.virtuals.len() {
            let state = self.instance(r, v).map(|n| n.state);
            let ifindex = router.kernel.index(SEGMENTS[self.plan.virtuals[v].segment]);
            let key = ifindex.map(|ifindex| Key::Address(AddressKey { ifindex, net: setup::vip(v) }));
            if let Some(key) = key.filter(|k| state != Some(State::Master) && !excused(k)) {
                assert!(!router.kernel.objects.contains_key(&key), "router {r} holds {key} in {state:?}");
            }
        }
        for key in router.kernel.objects.keys() {
            let own = matches!(key, Key::Address(a) if [setup::outside(r), setup::inside(r), setup::link_local(r)].contains(&a.net));
            assert!(own || desired.contains_key(key) || excused(key), "router {r} holds {key:?} for nothing");
        }
    }

    /// What the oracle has measured so far.
    pub fn measured(mut self) -> Measured {
        (self.measured.two_flies, self.measured.two_lost) = (self.oracle.flies, self.oracle.lost);
        self.measured.seconds = self.now.0 / SECOND;
        self.measured
    }

    /// Master_Down_Interval of a router that is not disturbed.
    pub fn down(&self, r: usize, v: usize) -> u64 {
        self.instance(r, v).map_or(0, |n| oracle::down(&self.plan, v, n.priority))
    }

    pub fn masters(&self, instance: usize) -> Vec<usize> {
        let master = |x: &&Router| {
            x.node.as_ref().is_some_and(|n| n.vrrp.instances.get(instance).is_some_and(|n| n.state == State::Master))
        };
        (0..self.routers.len()).filter(|r| self.routers.get(*r).as_ref().is_some_and(master)).collect()
    }

    pub fn holders(&self, instance: usize) -> Vec<usize> {
        let net = setup::vip(instance);
        let holds = |r: &Router| r.kernel.objects.keys().any(|k| matches!(k, Key::Address(a) if a.net == net));
        (0..self.routers.len()).filter(|r| holds(&self.routers[*r])).collect()
    }

    pub fn dump_states(&self) -> String {
        let mut text = String::new();
        for (r, router) in self.routers.iter().enumerate() {
            match &router.node {
                None => text += &format!("router {r}: dead\n"),
                Some(node) => {
                    for (i, n) in node.vrrp.instances.iter().enumerate() {
                        text += &format!(
                            "router {r} instance {i}: {:?} priority {} fault {:?} heard {:?} deadline {:?}\n",
                            n.state, n.priority, n.fault, n.heard, n.deadline
                        );
                    }
                }
            }
        }
        text
    }
}

fn news_key(news: &News) -> Option<Key> {
    match news {
        News::Address { key, .. } | News::AddressGone { key } => Some(Key::Address(*key)),
        News::Route { key, .. } | News::RouteGone { key, .. } => Some(Key::Route(*key)),
        News::Rule { key, .. } | News::RuleGone { key } => Some(Key::Rule(*key)),
        _ => None,
    }
}
