//! The pure machine. **Read this first**: `Node::step` is the only way anything ever changes, `Node::deadline` says when
//! the node next wants to be called. No clock, no socket, no file, no chance: the daemon and the simulation run the very
//! same value.
//!
//! State goes to the kernel by difference (`table`), moments by effect (`effect`).

pub mod describe;
pub mod effect;
pub mod event;
pub mod links;
pub mod lvs;
pub mod note;
pub mod objects;
pub mod statics;
pub mod status;
pub mod table;
mod tell;
pub mod track;
pub mod vrrp;

use crate::base::addr::{Endpoint, IfName, IpNet, Mac};
use crate::base::time::Instant;
use crate::base::timers::Timers;
use crate::config::model::{Check, Config, LinkbeatWay};
use crate::limits;
use crate::wire::link::{LinkKey, LinkKind, LinkValue, SysctlKey};
use crate::wire::op::{Firewall, Key, Link, News, Op, OwnedKey, RouteValue, Value, OUR_PROTOCOL};
use effect::Effect;
use event::{Event, Outcome};
use links::Links;
use note::Note;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use table::{Change, Table};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// An instance's master-down timer.
    Instance(usize),
    Announce(usize),
    /// Addresses of that instance were taken away too often; it may try again.
    Stolen(usize),
    Check(u32),
    /// The end of vrrp_startup_delay.
    Begin,
    /// The next run of a tracked script.
    Script(usize),
    /// The delay of a tracked process.
    Process(usize),
    /// Look for IPVS again.
    Ipvs,
    /// A change of that interface has lasted long enough to count.
    Link(u32),
}

/// Who wants something of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    Statics,
    Instance(usize),
    Service(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The kernel's links are not known yet: silence.
    Waiting,
    Running,
    Stopping,
}

/// The same number on every Linux.
const ENODEV: i32 = 19;
/// How often IPVS is looked for while it is missing.
const IPVS_RETRY: Duration = Duration::from_secs(30);

pub struct Node {
    config: Rc<Config>,
    phase: Phase,
    seed: u32,
    links: Links,
    table: Table,
    pub vrrp: vrrp::Vrrp,
    pub lvs: lvs::Lvs,
    statics: statics::Statics,
    track: track::Tracking,
    timers: Timers<Timer>,
    /// Of the MASTERs, apart from the rest: they may leave a little early, together.
    adverts: Timers<usize>,
    dirty: BTreeSet<Owner>,
    /// Steps since the last settling while owners waited for one.
    unsettled_for: u32,
    /// What a run before this one left, until the kernel confirms it.
    left: BTreeMap<OwnedKey, Option<Value>>,
    /// The addresses that the configuration names: at start they are ours wherever they are found.
    named: BTreeSet<(IfName, IpNet)>,
    virtual_ips: BTreeSet<IpAddr>,
    /// Links that go, by our own hand: whatever the kernel still tells of them.
    doomed: BTreeSet<u32>,
    /// One of the instances owns its addresses.
    has_owner: bool,
    /// During a dump: what we believed to be there and has not been told yet.
    unseen: BTreeSet<Key>,
    dumping: bool,
    ipvs_said: bool,
    /// Entries of IPVS that a run before this one left.
    adopted: u32,
    /// Time of day at instant 0.
    epoch: u64,
    signs: bool,
}

/// What the engines work with during one step.
pub struct Ctx<'a> {
    pub now: Instant,
    pub epoch: u64,
    pub conf: &'a Config,
    pub links: &'a Links,
    pub virtual_ips: &'a BTreeSet<IpAddr>,
    pub track: &'a track::Tracking,
    pub table: &'a mut Table,
    pub timers: &'a mut Timers<Timer>,
    pub adverts: &'a mut Timers<usize>,
    pub dirty: &'a mut BTreeSet<Owner>,
    /// Adverts and probes.
    pub out: &'a mut Vec<Effect>,
    /// Announcements: after the kernel operations.
    pub calls: &'a mut Vec<Effect>,
    /// Notes and programs: last.
    pub told: &'a mut Vec<Effect>,
}

impl Ctx<'_> {
    /// The time of day: microseconds since 1970.
    fn wall(&self) -> u64 {
        self.epoch.saturating_add(self.now.0)
    }

    /// After a reload the numbers of the instances mean others.
    fn timers_of_vrrp_are_stale(&mut self) {
        let mine = |t: &Timer| matches!(t, Timer::Instance(_) | Timer::Announce(_) | Timer::Stolen(_));
        let stale: Vec<Timer> = self.timers.until(Instant(u64::MAX)).map(|(_, t)| t).filter(mine).collect();
        for t in stale {
            self.timers.file(t, None);
        }
        *self.adverts = Timers::default();
    }
}

impl Node {
    pub fn new(config: Rc<Config>) -> Node {
        let mut node = Node {
            config,
            phase: Phase::Waiting,
            seed: 0,
            links: Links::default(),
            table: Table::default(),
            vrrp: vrrp::Vrrp::default(),
            lvs: lvs::Lvs::default(),
            statics: statics::Statics::default(),
            track: track::Tracking::default(),
            timers: Timers::default(),
            adverts: Timers::default(),
            dirty: BTreeSet::new(),
            unsettled_for: 0,
            left: BTreeMap::new(),
            named: BTreeSet::new(),
            virtual_ips: BTreeSet::new(),
            doomed: BTreeSet::new(),
            has_owner: false,
            unseen: BTreeSet::new(),
            dumping: false,
            ipvs_said: false,
            adopted: 0,
            epoch: 0,
            signs: false,
        };
        node.name_addresses();
        node
    }

    /// Takes in one thing that happened; what is to be done about it is appended to `out`.
    pub fn step(&mut self, now: Instant, event: Event, out: &mut Vec<Effect>) {
        let (mut calls, mut told) = (Vec::new(), Vec::new());
        // A start, news or a packet may ask for what the next advert needs.
        let by_time = matches!(event, Event::Due);
        match event {
            Event::Start { seed, owned } => {
                self.seed = seed;
                self.left = owned.into_iter().map(|o| (o.key, o.found)).collect();
            }
            Event::Reload(config) => self.reload(now, config, out, &mut calls, &mut told),
            Event::Stop => {
                self.phase = Phase::Stopping;
                self.dirty.insert(Owner::Statics);
                self.track.stop(out);
                self.track.file_timers(&mut self.timers);
                let (vrrp, lvs, mut ctx) = self.split(now, out, &mut calls, &mut told);
                vrrp.stop(&mut ctx);
                lvs.stop(&mut ctx);
                self.timers.file(Timer::Ipvs, None);
            }
            Event::Clock { epoch } => self.epoch = epoch,
            Event::Due => self.due(now, out, &mut calls, &mut told),
            Event::Announced => {
                let (vrrp, _, mut ctx) = self.split(now, out, &mut calls, &mut told);
                vrrp.announcements_sent(&mut ctx);
            }
            Event::Packet { ifindex, bytes } => {
                let (vrrp, _, mut ctx) = self.split(now, out, &mut calls, &mut told);
                vrrp.packet(ifindex, bytes, &mut ctx);
            }
            Event::Kernel(news) => self.news(now, news, out, &mut calls, &mut told),
            Event::Answer(op, outcome) => self.answer(now, op, outcome, out, &mut calls, &mut told),
            Event::Verdict(id, verdict) => {
                let (_, lvs, mut ctx) = self.split(now, out, &mut calls, &mut told);
                lvs.verdict(id, verdict, &mut ctx);
            }
            Event::Ran { id, verdict, ended } => {
                let (changed, note) = self.track.ran(id, verdict, ended, &self.config);
                told.extend(note.map(Effect::Note));
                self.trackers_changed(changed, now, out, &mut calls, &mut told);
            }
            Event::File { path, value } => {
                let changed = self.track.file(path, value);
                self.trackers_changed(changed, now, out, &mut calls, &mut told);
            }
            Event::Processes(counts) => {
                let changed = self.track.processes(counts, now, &self.config);
                self.track.file_timers(&mut self.timers);
                self.trackers_changed(changed, now, out, &mut calls, &mut told);
            }
        }
        // Adverts first: while more of them are due, the kernel waits a little.
        let more = by_time && !self.dirty.is_empty() && self.is_due(now) && self.unsettled_for < limits::SETTLE_AFTER;
        self.unsettled_for = if more { self.unsettled_for + 1 } else { 0 };
        if !more {
            self.settle(out);
        }
        // Announced is what is there: not before its owner was asked.
        if self.dirty.is_empty() {
            let (vrrp, _, mut ctx) = self.split(now, out, &mut calls, &mut told);
            vrrp.speak(&mut ctx);
        }
        out.append(&mut calls);
        out.append(&mut told);
    }

    /// When `step(Due)` is wanted next.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.dirty.is_empty() {
            return Some(Instant(0));
        }
        let all = [self.adverts.first(), self.timers.first(), self.table.retry_at(), self.vrrp.speaker.deadline()];
        all.into_iter().flatten().min()
    }

    /// Announcements were handed out: more may follow when the shell says that these are sent.
    pub fn is_announcing(&self) -> bool {
        self.vrrp.speaker.is_under_way()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.adverts.first().is_some_and(|at| at <= now) || self.timers.first().is_some_and(|at| at <= now)
    }

    /// Everything is given back that the kernel would take back.
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopping && self.dirty.is_empty() && self.table.is_settled()
    }

    pub fn config(&self) -> &Rc<Config> {
        &self.config
    }

    /// What has happened is counted anew from here.
    pub fn clear_counters(&mut self) {
        for instance in &mut self.vrrp.instances {
            instance.counters = vrrp::instance::Counters::default();
        }
    }

    /// Does any instance sign its adverts, or look at signatures?
    pub fn wants_clock(&self) -> bool {
        self.signs
    }

    /// The settings of a check and where its server is, for the shell that carries it out.
    pub fn check(&self, id: u32) -> Option<(Endpoint, &Check)> {
        self.lvs.check(id, &self.config)
    }

    pub fn mtu(&self, ifindex: u32) -> Option<u32> {
        self.links.by_index(ifindex).map(|link| link.mtu)
    }

    pub fn interface_name(&self, ifindex: u32) -> Option<&IfName> {
        self.links.name(ifindex)
    }

    /// The links that are polled, and how.
    pub fn polled(&self) -> Vec<(u32, IfName, Option<LinkbeatWay>)> {
        let way = |name: &IfName| self.config.linkbeat.iter().find(|l| l.interface == *name).and_then(|l| l.way);
        let all = self.links.all().filter(|link| linkbeat(&self.config, &link.name));
        all.map(|link| (link.ifindex, link.name.clone(), way(&link.name))).collect()
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The engines, and what they work with.
    fn split<'a>(
        &'a mut self,
        now: Instant,
        out: &'a mut Vec<Effect>,
        calls: &'a mut Vec<Effect>,
        told: &'a mut Vec<Effect>,
    ) -> (&'a mut vrrp::Vrrp, &'a mut lvs::Lvs, Ctx<'a>) {
        let Node { config, links, table, vrrp, lvs, track, timers, adverts, dirty, virtual_ips, epoch, .. } = self;
        let (conf, epoch): (&Config, u64) = (config, *epoch);
        (
            vrrp,
            lvs,
            Ctx { now, epoch, conf, links, virtual_ips, track, table, timers, adverts, dirty, out, calls, told },
        )
    }

    fn due(&mut self, now: Instant, out: &mut Vec<Effect>, calls: &mut Vec<Effect>, told: &mut Vec<Effect>) {
        let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
        vrrp.adverts_due(&mut ctx);
        // Twice, for a priority that rises may move a timer into the past.
        for _ in 0..2 {
            let rest = self.timers_due(now, out, calls, told);
            if rest.is_empty() {
                break;
            }
            for timer in &rest {
                if let Timer::Link(ifindex) = timer {
                    self.link_settled(now, *ifindex, out, calls, told);
                }
            }
            self.trackers_due(&rest, now, out, calls, told);
        }
        if self.table.retry_at().is_some_and(|at| at <= now) {
            self.table.unpark(now, None);
            let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
            for key in vrrp.deaf() {
                vrrp.socket_refused(key, false, &mut ctx);
            }
        }
    }

    /// What is due but trackers and links, which are returned: they need more than the engines.
    fn timers_due(
        &mut self,
        now: Instant,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) -> Vec<Timer> {
        let (vrrp, lvs, mut ctx) = self.split(now, out, calls, told);
        let mut rest = Vec::new();
        for _ in 0..limits::DUE_AT_ONCE {
            let Some(timer) = ctx.timers.pop_due(now) else { break };
            match timer {
                Timer::Instance(i) => vrrp.due(i, &mut ctx),
                Timer::Announce(i) => vrrp.announce_due(i, &mut ctx),
                Timer::Stolen(i) => vrrp.stolen_due(i, &mut ctx),
                Timer::Begin => vrrp.delay_over(&mut ctx),
                Timer::Check(id) => lvs.due(id, &mut ctx),
                Timer::Script(_) | Timer::Process(_) | Timer::Link(_) => rest.push(timer),
                Timer::Ipvs => ctx.out.push(Effect::OpenIpvs),
            }
        }
        rest
    }

    fn trackers_due(
        &mut self,
        due: &[Timer],
        now: Instant,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        let before = told.len();
        for timer in due {
            match *timer {
                Timer::Script(i) => out.extend(self.track.script_due(i, now, &self.config).map(Effect::Run)),
                Timer::Process(i) => told.extend(self.track.process_due(i, now, &self.config).map(Effect::Note)),
                _ => {}
            }
        }
        if !due.is_empty() {
            self.track.file_timers(&mut self.timers);
            self.trackers_changed(told.len() > before, now, out, calls, told);
        }
    }

    fn trackers_changed(
        &mut self,
        changed: bool,
        now: Instant,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        if changed {
            let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
            vrrp.trackers_changed(&mut ctx);
        }
    }

    fn reload(
        &mut self,
        now: Instant,
        config: Rc<Config>,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        let old = std::mem::replace(&mut self.config, config);
        self.name_addresses();
        if self.phase != Phase::Running {
            return;
        }
        self.track.forget_timers(&mut self.timers);
        self.track.reload(&old, now, &self.config, out);
        self.track.file_timers(&mut self.timers);
        self.dirty.insert(Owner::Statics);
        let (vrrp, lvs, mut ctx) = self.split(now, out, calls, told);
        vrrp.reload(&old, &mut ctx);
        lvs.reload(&old, &mut ctx);
        self.want_ipvs(out);
    }

    // ---- the kernel ------------------------------------------------------------------------------------------

    fn name_addresses(&mut self) {
        let all = &self.config.instances;
        let vips = all.iter().flat_map(|c| c.vips.iter().chain(&c.excluded).map(move |vip| (c, vip)));
        // Collected as a whole: trees that grow in order are half empty.
        self.virtual_ips = vips.clone().map(|(_, vip)| vip.net.addr).collect();
        self.signs = all.iter().any(|c| c.hmac.is_some());
        self.has_owner = all.iter().any(|c| c.priority == crate::wire::vrrp::PRIORITY_OWNER);
        // Asked for at the start only.
        self.named = match self.phase {
            Phase::Waiting => vips
                .filter_map(|(c, v)| match vrrp::vlink::place(c, v) {
                    (dev, false) => Some((dev.clone(), objects::net(v))),
                    _ => None,
                })
                .collect(),
            _ => BTreeSet::new(),
        };
    }

    fn news(
        &mut self,
        now: Instant,
        news: News,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        match news {
            News::DumpBegin => {
                self.dumping = true;
                self.unseen = self.table.forget_news();
                self.links.dump_begins();
            }
            News::DumpDone => self.dump_done(now, out, calls, told),
            News::Link(link) => self.link(now, link, out, calls, told),
            News::LinkGone { ifindex } => self.link_gone(now, ifindex, out, calls, told),
            News::Tentative { key, value } => {
                self.links.try_address(key.ifindex, key.net);
                self.object_there(Key::Address(key), Value::Address(value), told);
            }
            News::Address { key, value, primary } => {
                self.links.add_address(key.ifindex, key.net, primary);
                self.table.retry_routes();
                self.object_there(Key::Address(key), Value::Address(value), told);
                self.addresses_changed(now, key.ifindex, key.net, out, calls, told);
            }
            News::AddressGone { key } => {
                self.links.remove_address(key.ifindex, key.net);
                self.object_gone(now, Key::Address(key), out, calls, told);
                self.addresses_changed(now, key.ifindex, key.net, out, calls, told);
            }
            News::Route { key, value } => self.object_there(Key::Route(key), Value::Route(Box::new(value)), told),
            News::RouteGone { key, .. } => self.object_gone(now, Key::Route(key), out, calls, told),
            News::Rule { key, value } => self.object_there(Key::Rule(key), Value::Rule(Box::new(value)), told),
            News::RuleGone { key } => self.object_gone(now, Key::Rule(key), out, calls, told),
            News::Beat { ifindex, up } => {
                if let Some(link) = self.links.beat(ifindex, up) {
                    self.link(now, link, out, calls, told);
                }
            }
            News::Service { key, value } => self.ipvs_there(Key::Service(key), Value::Service(value)),
            News::Dest { service, at, value } => {
                self.ipvs_there(Key::Dest(service, at), Value::Dest(value));
            }
            News::SyncDaemon { role, interface, id } => {
                self.ipvs_there(Key::SyncDaemon(role), Value::SyncDaemon { interface, id });
            }
            News::FirewallReady(family) => {
                let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
                vrrp.firewall(family, None, &mut ctx);
            }
            News::FirewallGone(family, name) => {
                let change = self.table.firewall_gone(now, family, &name);
                self.say_taken(now, Key::Firewall(family), change, out, calls, told);
            }
            News::IpvsReady => {
                self.table.ipvs_ready = true;
                self.left.clear();
                if self.adopted > 0 {
                    let what = format!("{} entries of the IPVS table", std::mem::take(&mut self.adopted)).into();
                    told.push(Effect::Note(Note::Leftover { what }));
                }
                if std::mem::take(&mut self.ipvs_said) {
                    told.push(Effect::Note(Note::IpvsReady));
                }
            }
            News::IpvsMissing => {
                self.table.ipvs_ready = false;
                self.table.forget_ipvs();
                if !std::mem::replace(&mut self.ipvs_said, true) {
                    told.push(Effect::Note(Note::IpvsMissing));
                }
                if self.phase != Phase::Stopping {
                    self.timers.file(Timer::Ipvs, Some(now + IPVS_RETRY));
                }
            }
        }
    }

    fn link(
        &mut self,
        now: Instant,
        mut link: Link,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        let ifindex = link.ifindex;
        let was_up = self.links.name(ifindex).and_then(|n| self.links.get(n)).map(|l| l.up);
        link.up = self.links.hears(&link, linkbeat(&self.config, &link.name));
        if let Some(was) = was_up.filter(|_| self.phase == Phase::Running) {
            link.up = self.debounce(now, &link, was);
        }
        self.link_is(now, link, out, calls, told);
    }

    /// interface_up_down_delays: a change counts when it has lasted. What holds until then.
    fn debounce(&mut self, now: Instant, link: &Link, was: bool) -> bool {
        let timer = Timer::Link(link.ifindex);
        let delay = self.config.link_delays.iter().find(|delay| delay.interface == link.name);
        let wait = delay.map_or(Duration::ZERO, |delay| if link.up { delay.up } else { delay.down });
        if link.up == was || wait.is_zero() {
            self.timers.file(timer, None);
            self.links.set_pending(link.ifindex, None);
            return link.up;
        }
        if !self.links.is_pending(link.ifindex) {
            self.timers.file(timer, Some(now + wait));
        }
        self.links.set_pending(link.ifindex, Some(link.up));
        was
    }

    fn link_settled(
        &mut self,
        now: Instant,
        ifindex: u32,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        if let Some(link) = self.links.take_pending(ifindex) {
            self.link_is(now, link, out, calls, told);
        }
    }

    fn link_is(
        &mut self,
        now: Instant,
        link: Link,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        let (ifindex, up, wanted_up) = (link.ifindex, link.up, link.more.wanted_up);
        if self.doomed.contains(&ifindex) || self.adopts_link(&link, told) {
            return;
        }
        if let Some((key, _)) = self.table.link_named(&link.name) {
            self.unseen.remove(&Key::Link(key));
        }
        let before = self.links.name(ifindex).and_then(|n| self.links.get(n));
        let own = self.table.link_named(&link.name).is_some();
        // A link of ours is down until it is set up.
        let (was_up, was_wanted) = match before {
            Some(l) => (Some(l.up), l.more.wanted_up),
            None => (own.then_some(false), false),
        };
        let changed = self.links.set(link);
        if was_wanted && !wanted_up {
            match self.stands_on_nothing(ifindex) {
                true => self.table.lost(Key::Up(ifindex)),
                false => self.object_gone(now, Key::Up(ifindex), out, calls, told),
            }
        }
        if changed.is_empty() {
            return;
        }
        if let (Some(name), true) = (self.links.name(ifindex), self.phase == Phase::Running && was_up != Some(up)) {
            told.push(Effect::Note(Note::Link { name: name.clone(), up }));
        }
        self.table.unpark(now, Some(ifindex));
        if up && was_up != Some(true) {
            self.table.doubt(|route| route.uses(ifindex));
            self.table.retry_routes();
        }
        self.statics_on(&changed);
        if !self.dumping {
            let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
            for key in vrrp.deaf().into_iter().filter(|k| k.ifindex == ifindex) {
                vrrp.socket_refused(key, false, &mut ctx);
            }
            vrrp.links_changed(&changed, &mut ctx);
        }
    }

    fn link_gone(
        &mut self,
        now: Instant,
        ifindex: u32,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        if self.doomed.remove(&ifindex) {
            return;
        }
        self.table.link_gone(ifindex);
        self.timers.file(Timer::Link(ifindex), None);
        if let Some(name) = self.links.remove(ifindex) {
            if let Some((key, _)) = self.table.link_named(&name) {
                // The interface below, if that is what goes, was taken down before.
                match self.links.by_index(key.parent).is_some_and(|parent| parent.more.wanted_up) {
                    true => self.object_gone(now, Key::Link(key), out, calls, told),
                    false => self.table.lost(Key::Link(key)),
                }
            }
            if self.phase == Phase::Running {
                told.push(Effect::Note(Note::LinkGone { name: name.clone() }));
            }
            self.statics_on(std::slice::from_ref(&name));
            let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
            vrrp.links_changed(&[name], &mut ctx);
        }
    }

    /// Is something static on one of these?
    fn statics_on(&mut self, names: &[IfName]) {
        if statics::uses(&self.config, names) {
            self.dirty.insert(Owner::Statics);
        }
    }

    /// The interface below a virtual link is taken down before it goes, and then nobody is to blame for what was on it.
    fn stands_on_nothing(&self, ifindex: u32) -> bool {
        let parent = self.links.by_index(ifindex).and_then(|link| link.more.on).map(|(parent, _)| parent);
        parent.is_some_and(|parent| self.links.by_index(parent).is_none_or(|l| !l.more.wanted_up))
    }

    /// A virtual link that a run before this one left: it goes, with all that is on it, and is made anew if need be.
    fn adopts_link(&mut self, link: &Link, told: &mut Vec<Effect>) -> bool {
        let (Phase::Waiting, Some((parent, _))) = (self.phase, link.more.on) else { return false };
        let recorded = self.left.remove(&OwnedKey::Link { name: link.name.clone() }).is_some();
        if !recorded && !vrrp::vlink::is_left_over(&self.config, link) {
            return false;
        }
        // Ipvlan links all have their parent's address: a key that no wanted one has.
        let [a, b, c, d] = link.ifindex.to_be_bytes();
        let key = Key::Link(LinkKey { parent, mac: Mac([0xff, 0xff, a, b, c, d]) });
        let value = LinkValue { name: link.name.clone(), kind: LinkKind::Macvlan, group: 0 };
        told.push(Effect::Note(Note::Leftover { what: format!("virtual link {}", link.name).into() }));
        self.table.adopt(key, Value::Link(value), None);
        self.doomed.insert(link.ifindex);
        true
    }

    /// What a run before this one has set and not put back.
    fn adopt_settings(&mut self) {
        for (key, found) in &self.left {
            let (OwnedKey::Sysctl { interface, which }, Some(value)) = (key, found) else { continue };
            if let Some(link) = self.links.get(interface) {
                let key = SysctlKey { ifindex: link.ifindex, which: *which };
                self.table.adopt(Key::Sysctl(key), value.clone(), None);
            }
        }
    }

    /// A link that we take away ourselves is of no use to anybody from here on.
    fn doom(&mut self, ops: &[Op]) {
        for op in ops {
            let Op::Remove(Key::Link(key), Value::Link(value)) = op else { continue };
            let Some(link) = self.links.stacked(&value.name, key.parent, value.kind.stack()) else { continue };
            let ifindex = link.ifindex;
            self.doomed.insert(ifindex);
            self.links.remove(ifindex);
            self.table.link_gone(ifindex);
            for (i, n) in self.vrrp.instances.iter_mut().enumerate() {
                for link in n.vlinks.iter_mut().filter(|l| l.ifindex == Some(ifindex)) {
                    link.ifindex = None;
                    self.dirty.insert(Owner::Instance(i));
                }
            }
        }
    }

    fn addresses_changed(
        &mut self,
        now: Instant,
        ifindex: u32,
        net: IpNet,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        // A virtual address is no source: its coming and going concerns nobody's faults.
        if self.dumping || (!self.has_owner && self.virtual_ips.contains(&net.addr)) {
            return;
        }
        if let Some(name) = self.links.name(ifindex).cloned() {
            let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
            vrrp.links_changed(&[name], &mut ctx);
        }
    }

    fn dump_done(&mut self, now: Instant, out: &mut Vec<Effect>, calls: &mut Vec<Effect>, told: &mut Vec<Effect>) {
        for ifindex in self.links.stale() {
            self.link_gone(now, ifindex, out, calls, told);
        }
        for key in std::mem::take(&mut self.unseen) {
            self.object_gone(now, key, out, calls, told);
        }
        self.dumping = false;
        match self.phase {
            Phase::Waiting => {
                self.phase = Phase::Running;
                let firewalls = self.left_firewalls(told);
                self.named = BTreeSet::new();
                // What was left and is not there is done with: later somebody else may put up the same.
                let untold = |key: &OwnedKey| matches!(key, OwnedKey::Route(_, p) if *p != OUR_PROTOCOL);
                for (key, _) in self.left.iter().filter(|(key, _)| untold(key)) {
                    let OwnedKey::Route(key, protocol) = *key else { continue };
                    let value = RouteValue { protocol, ..RouteValue::default() };
                    self.table.adopt(Key::Route(key), Value::Route(Box::new(value)), None);
                }
                self.dirty.insert(Owner::Statics);
                self.adopt_settings();
                let of_ipvs =
                    |k: &OwnedKey| matches!(k, OwnedKey::Service(_) | OwnedKey::Dest(..) | OwnedKey::SyncDaemon(_));
                self.left.retain(|key, _| of_ipvs(key));
                let seed = self.seed;
                self.track.start(now, &self.config);
                self.track.file_timers(&mut self.timers);
                let (vrrp, lvs, mut ctx) = self.split(now, out, calls, told);
                vrrp.start(&mut ctx);
                lvs.start(seed, &mut ctx);
                self.want_ipvs(out);
                out.extend(firewalls);
            }
            Phase::Running => {
                // Whatever was missed meanwhile, every instance looks again.
                let names: BTreeSet<IfName> = self.config.instances.iter().map(|c| c.interface.clone()).collect();
                let names: Vec<IfName> = names.into_iter().collect();
                let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
                vrrp.links_changed(&names, &mut ctx);
            }
            Phase::Stopping => {}
        }
    }

    /// Nobody knows what a run before this one had blocked: its tables go whole.
    fn left_firewalls(&mut self, told: &mut Vec<Effect>) -> Vec<Effect> {
        let mut all = Vec::new();
        for owned in self.left.keys() {
            let OwnedKey::Firewall { family, table } = owned else { continue };
            let key = Key::Firewall(*family);
            told.push(Effect::Note(Note::Leftover { what: note::describe(&key, None) }));
            // Like none that a configuration asks for: where it cannot be removed, it is made anew.
            let left = Firewall { table: table.clone(), priority: i32::MIN, counters: false };
            all.push(Effect::Kernel(Op::Remove(key, Value::Firewall(Rc::new(left)))));
        }
        all
    }

    fn want_ipvs(&mut self, out: &mut Vec<Effect>) {
        let left = |k: &OwnedKey| matches!(k, OwnedKey::Service(_) | OwnedKey::Dest(..) | OwnedKey::SyncDaemon(_));
        let wanted = self.config.serves() || self.config.sync_daemon.is_some() || self.left.keys().any(left);
        if wanted && !self.table.ipvs_ready && self.phase == Phase::Running {
            out.push(Effect::OpenIpvs);
        }
    }

    /// An address or a route is there.
    fn object_there(&mut self, key: Key, value: Value, told: &mut Vec<Effect>) {
        self.unseen.remove(&key);
        if self.table.knows(&key) {
            return self.table.appeared(key, value);
        }
        let (owned, named) = match &key {
            Key::Address(a) => match self.links.name(a.ifindex) {
                Some(name) => (
                    self.left.remove(&OwnedKey::Address { interface: name.clone(), net: a.net }).is_some(),
                    self.phase == Phase::Waiting && self.named.contains(&(name.clone(), a.net)),
                ),
                None => return,
            },
            Key::Route(r) => (self.left.remove(&OwnedKey::Route(*r, OUR_PROTOCOL)).is_some(), false),
            Key::Rule(r) => (self.left.remove(&OwnedKey::Rule(*r)).is_some(), false),
            _ => return,
        };
        if !owned && named && self.is_of_an_owner(&key) {
            // The router's own address, and it stays that when we end.
            return self.table.adopt(key, value.clone(), Some(value));
        }
        if owned || named {
            let name = table::interface_name(&key, |i| self.links.name(i));
            told.push(Effect::Note(Note::Leftover { what: note::describe(&key, name) }));
            self.table.adopt(key, value, None);
        }
    }

    /// Is that a virtual address of a router that has it anyway (priority 255)?
    fn is_of_an_owner(&self, key: &Key) -> bool {
        let Key::Address(a) = key else { return false };
        let Some(name) = self.links.name(a.ifindex) else { return false };
        let owners = self.config.instances.iter().filter(|c| c.priority == crate::wire::vrrp::PRIORITY_OWNER);
        let mut vips =
            owners.flat_map(|c| c.vips.iter().map(|v| (v.dev.as_ref().unwrap_or(&c.interface), objects::net(v))));
        vips.any(|(dev, net)| dev == name && net == a.net)
    }

    fn object_gone(
        &mut self,
        now: Instant,
        key: Key,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        let change = self.table.vanished(now, key);
        if let Key::Address(a) = &key {
            // Routes with it as their source, or all of an interface whose last address it was, go without a word.
            let (ifindex, ip) = (a.ifindex, a.net.addr);
            let last = self.links.is_bare(ifindex, a.net.family());
            self.table.doubt(|route| route.src == Some(ip) || (last && route.uses(ifindex)));
        }
        self.say_taken(now, key, change, out, calls, told);
    }

    fn say_taken(
        &mut self,
        now: Instant,
        key: Key,
        change: Change,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        if change == Change::None || self.phase != Phase::Running {
            return;
        }
        // What the kernel takes off a link that is down comes back without a word.
        let is_down = |i| self.links.name(i).and_then(|name| self.links.get(name)).is_some_and(|link| !link.up);
        if matches!(change, Change::Taken(_)) && self.table.needs(&key, is_down) {
            return;
        }
        let name = table::interface_name(&key, |i| self.links.name(i));
        let what = note::describe(&key, name);
        let note = move |name: Box<str>| match change {
            Change::Taken(count) => Note::PutBack { name, what: what.clone(), count },
            Change::Left => Note::LeftAlone { name, what: what.clone() },
            _ => Note::Stolen { name, what: what.clone() },
        };
        let until = (change == Change::TooOften).then_some(now + Duration::from_secs(60));
        let is_static = self.statics.claims.binary_search(&key).is_ok();
        let members = match until {
            Some(_) if is_static => statics::members(&key, &self.config, &self.links),
            _ => Vec::new(),
        };
        let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
        if is_static {
            ctx.told.push(Effect::Note(note("static".into())));
        }
        vrrp.taken(&key, change, until, &note, &mut ctx);
        if let Some(until) = until {
            vrrp.robbed(&members, until, &mut ctx);
        }
    }

    /// An entry that IPVS holds already: ours if the record says so (then nothing was there before), else if the
    /// configuration names it (then it is put back at the end).
    fn ipvs_there(&mut self, key: Key, value: Value) {
        let owned = match &key {
            Key::Service(s) => OwnedKey::Service(*s),
            Key::Dest(s, d) => OwnedKey::Dest(*s, *d),
            Key::SyncDaemon(role) => OwnedKey::SyncDaemon(*role),
            _ => return,
        };
        let served = || self.config.services.iter().filter(|s| s.is_served());
        let named = match &key {
            Key::Service(k) => served().any(|s| s.key == *k),
            Key::Dest(k, at) => served().any(|s| s.key == *k && lvs::names(s, *at)),
            _ => self.config.sync_daemon.is_some(),
        };
        match self.left.remove(&owned) {
            Some(found) => {
                self.adopted += 1;
                self.table.adopt(key, value, found);
            }
            None if named => self.table.adopt(key, value.clone(), Some(value)),
            None => {}
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        op: Op,
        outcome: Outcome,
        out: &mut Vec<Effect>,
        calls: &mut Vec<Effect>,
        told: &mut Vec<Effect>,
    ) {
        let say = self.table.answered(now, &op, outcome == Outcome::WasThere);
        let Outcome::Refused(errno) = outcome else { return };
        let key = op.key();
        // It, or its parent, has just gone; that will be told.
        if let (Key::Link(_) | Key::Up(_) | Key::Sysctl(_), ENODEV) = (key, errno) {
            return;
        }
        if say {
            let name = table::interface_name(&key, |i| self.links.name(i));
            told.push(Effect::Note(Note::Refused { what: note::describe(&key, name), errno }));
        }
        let link = match key {
            Key::Link(link) => Some(link),
            // Two links with one address on a parent are refused only when they go up.
            Key::Up(ifindex) => {
                self.links.name(ifindex).and_then(|name| self.table.link_named(name)).map(|(key, _)| key)
            }
            _ => None,
        };
        if let (Some(link), Op::Add(..)) = (link, &op) {
            let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
            vrrp.link_refused(link, &mut ctx);
        }
        if let (Some(family), Op::Add(..) | Op::Set(..)) = (table::firewall_family(&key), &op) {
            if matches!(key, Key::Blocked(_)) {
                self.table.mistrust_firewall(now, family);
            }
            let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
            vrrp.firewall(family, Some(errno), &mut ctx);
        }
        if let (Key::Socket(socket) | Key::Ear(socket), Op::Add(..)) = (key, &op) {
            let (vrrp, _, mut ctx) = self.split(now, out, calls, told);
            vrrp.socket_refused(socket, true, &mut ctx);
        }
    }

    /// The difference: what owners that changed want now, then what the kernel lacks.
    fn settle(&mut self, out: &mut Vec<Effect>) {
        if self.phase == Phase::Waiting {
            return;
        }
        for _ in 0..limits::SETTLE_OWNERS {
            let Some(owner) = self.dirty.pop_first() else { break };
            match owner {
                Owner::Statics => {
                    let want = self.desired_statics();
                    self.table.claim(&mut self.statics.claims, want);
                }
                Owner::Instance(i) => {
                    let want = self.vrrp.desired(i, &self.config, &self.links);
                    if let Some(n) = self.vrrp.instances.get_mut(i) {
                        self.table.claim(&mut n.claims, want);
                    }
                }
                Owner::Service(s) => {
                    let want = self.lvs.desired(s, &self.config);
                    if let Some(state) = self.lvs.services.get_mut(s) {
                        self.table.claim(&mut state.claims, want);
                    }
                }
            }
        }
        let mut ops: Vec<Op> = Vec::new();
        self.table.settle(&mut ops);
        self.doom(&ops);
        out.extend(ops.into_iter().map(Effect::Kernel));
    }

    fn desired_statics(&self) -> Vec<(Key, Value)> {
        match self.phase {
            Phase::Running => statics::desired(&self.config, &self.links),
            _ => Vec::new(),
        }
    }

    /// What the kernel should hold, computed from nothing: the oracle of the simulation. None while owners wait
    /// to be settled.
    pub fn desired_anew(&self) -> Option<BTreeMap<Key, Value>> {
        if self.phase == Phase::Waiting || !self.dirty.is_empty() {
            return None;
        }
        let instances = (0..self.config.instances.len()).flat_map(|i| self.vrrp.desired(i, &self.config, &self.links));
        let services = (0..self.config.services.len()).flat_map(|s| self.lvs.desired(s, &self.config));
        Some(self.desired_statics().into_iter().chain(instances).chain(services).collect())
    }
}

/// Is that link polled instead of being heard of?
fn linkbeat(config: &Config, name: &IfName) -> bool {
    config.global.linkbeat_polling
        || config.linkbeat.iter().any(|l| l.interface == *name)
        || config.instances.iter().any(|i| i.linkbeat_polling && i.interface == *name)
}
