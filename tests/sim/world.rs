//! The world of a seed: a virtual clock, two segments, routers with their kernels, faults; and what must hold after
//! every single step.

use crate::kernel::Kernel;
use crate::rng::Rng;
use crate::setup::{self, Plan};
use holdfast::base::addr::Family;
use holdfast::base::time::Instant;
use holdfast::base::verdict::{Reason, Verdict};
use holdfast::node::effect::Effect;
use holdfast::node::event::Event;
use holdfast::node::vrrp::instance::State;
use holdfast::node::Node;
use holdfast::wire::ip::Head;
use holdfast::wire::op::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

pub const SECOND: u64 = 1_000_000;
const SEGMENTS: [&str; 2] = ["eth0", "eth1"];

pub struct World {
    pub now: Instant,
    pub rng: Rng,
    pub plan: Plan,
    pub routers: Vec<Router>,
    /// reach[a][b]: frames of a arrive at b.
    pub reach: Vec<Vec<bool>>,
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
}

#[derive(Default, Clone)]
pub struct Measured {
    pub steps: u64,
    pub adverts: u64,
    /// Microseconds from the last advert of a master to the first of the next, when a master died.
    pub takeovers: Vec<u64>,
    /// Microseconds with two MASTERs of VI_1 while everybody could hear everybody and no advert was lost.
    pub two_masters: u64,
    pub announced_wrong: u64,
}

impl Measured {
    pub fn add(&mut self, other: Measured) {
        self.steps += other.steps;
        self.adverts += other.adverts;
        self.takeovers.extend(other.takeovers);
        self.two_masters += other.two_masters;
        self.announced_wrong += other.announced_wrong;
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
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Frame { to: usize, segment: usize, bytes: Vec<u8> },
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
        };
        let seq = rng.below(1000);
        World {
            now: Instant(SECOND),
            rng,
            plan,
            routers: (0..n).map(router).collect(),
            reach: vec![vec![true; n]; n],
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
        }
    }

    pub fn say(&self, r: usize, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>12.6}  router {r}  {}", (self.now.0 - SECOND) as f64 / 1e6, text());
        }
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
        let seed = self.rng.next() as u32;
        self.step(r, Event::Start { seed, owned });
        self.dump(r);
    }

    /// SIGKILL: the kernel keeps what it has.
    pub fn crash(&mut self, r: usize) {
        if self.routers[r].node.take().is_some() {
            self.say(r, || "is killed".into());
            self.forget_news(r);
            self.routers[r].probes.clear();
            self.routers[r].run = None;
            self.routers[r].kernel.close_sockets();
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
        let Some(node) = self.routers[r].node.as_mut() else { return };
        let mut out = Vec::new();
        node.step(self.now, Event::Reload(config), &mut out);
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
            let deadlines =
                self.routers.iter().enumerate().filter_map(|(r, x)| Some((x.node.as_ref()?.deadline()?, r)));
            let due = deadlines.min();
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
        let all_hear = self.reach.iter().flatten().all(|x| *x) && self.plan.loss.is_none() && !self.plan.refusals;
        if all_hear && self.masters(0).len() > 1 {
            self.measured.two_masters += to.since(self.now).as_micros() as u64;
        }
        self.now = to;
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Frame { to, segment, bytes } => {
                let router = &self.routers[to];
                let Some(ifindex) = router.kernel.index(SEGMENTS[segment]) else { return };
                let (head, _) = Head::parse(&bytes).expect("a packet");
                let hears = |k: &Key| matches!(k, Key::Socket(s) if (s.ifindex, s.protocol, s.address) == (ifindex, head.protocol, head.dst));
                let up = router.kernel.links.get(&ifindex).is_some_and(|l| l.up);
                if up && router.node.is_some() && router.kernel.objects.keys().any(hears) {
                    self.step(to, Event::Packet { ifindex, bytes: &bytes });
                }
            }
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
        let was_due = matches!(event, Event::Due);
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
        self.check_kernel(r);
        if was_due {
            let Some(node) = self.routers[r].node.as_ref() else { return };
            let next = node.deadline();
            assert!(next.is_none_or(|at| at > self.now || at == Instant(0)), "due again at once: {next:?}");
        }
    }

    fn one(&mut self, r: usize, event: Event) {
        let mut effects = Vec::new();
        let Some(node) = self.routers[r].node.as_mut() else { return };
        node.step(self.now, event, &mut effects);
        self.measured.steps += 1;
        let mut rank = 0;
        for effect in effects {
            let this = match &effect {
                Effect::Send { .. }
                | Effect::Frame { .. }
                | Effect::Probe { .. }
                | Effect::Abandon(_)
                | Effect::OpenIpvs => 0,
                Effect::Run(_) | Effect::StopRun(_) => 0,
                Effect::Kernel(_) => 1,
                Effect::Announce { .. } => 2,
                Effect::Spawn(_) | Effect::Note(_) => 3,
            };
            assert!(this >= rank, "out of order: {effect:?}");
            rank = this;
            self.apply(r, effect);
        }
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
            Effect::Spawn(_) => {}
            Effect::Note(note) => self.say(r, || format!("says: {note}")),
        }
    }

    fn send(&mut self, r: usize, socket: SocketKey, bytes: Vec<u8>) {
        let router = &self.routers[r];
        let (head, payload) = Head::parse(&bytes).expect("a packet");
        let message = if head.protocol == 51 { &payload[24..] } else { payload };
        let (vrid, priority) = (message[1], message[2]);
        let node = router.node.as_ref().unwrap();
        let i = node.config().instances.iter().position(|c| c.vrid == vrid).unwrap();
        let state = node.vrrp.instances[i].state;
        assert!(priority == 0 || state == State::Master, "an advert of priority {priority} in state {state:?}");
        self.measured.adverts += 1;
        let Some(link) = router.kernel.links.get(&socket.ifindex).filter(|l| l.up) else { return };
        if !router.kernel.objects.contains_key(&Key::Socket(socket)) {
            return;
        }
        let segment = SEGMENTS.iter().position(|s| *s == link.name.as_str()).unwrap();
        for to in 0..self.routers.len() {
            if to == r || !self.reach[r][to] {
                continue;
            }
            if self.faults_on && self.plan.loss.is_some_and(|n| self.rng.one_in(n)) {
                continue;
            }
            let copies = if self.faults_on && self.plan.duplicates && self.rng.one_in(20) { 2 } else { 1 };
            for _ in 0..copies {
                let most = if self.faults_on { self.plan.delay_us } else { 900 };
                let takes = self.rng.between(50, most);
                self.later(takes, What::Frame { to, segment, bytes: bytes.clone() });
            }
        }
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
        for key in router.kernel.objects.keys() {
            let own = matches!(key, Key::Address(a) if [setup::outside(r), setup::inside(r), setup::link_local(r)].contains(&a.net));
            assert!(own || desired.contains_key(key) || excused(key), "router {r} holds {key:?} for nothing");
        }
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
        _ => None,
    }
}
