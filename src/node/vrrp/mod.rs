//! The instances of a node: routes packets and news to them, keeps sync groups together, says what MASTERs hold.

pub mod announce;
mod block;
pub mod instance;
pub mod packet;
mod signing;
mod speak;
pub mod vlink;

use super::effect::Effect;
use super::links::Links;
use super::note::{BackupWhy, Note};
use super::table::Change;
use super::{objects, statics, tell, track};
use super::{Ctx, Owner, Timer};
use crate::base::addr::{Family, IfName, IpNet};
use crate::base::time::Instant;
use crate::config::model::{self, Config};
use crate::limits;
use crate::wire::ip::Head;
use crate::wire::link::LinkKey;
use crate::wire::op::{AddressKey, Key, SocketKey, SyncRole, Value};
use crate::wire::vrrp::{self, Bad, Rule, PRIORITY_STOP};
use instance::{Instance, Reaction, State, SAID_CLOCK, SAID_CONTENDER, SAID_INTERVAL, SAID_LIST, SAID_LOWER};
use packet::{send, socket, Checked};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Default)]
pub struct Vrrp {
    pub instances: Vec<Instance>,
    /// Which instance an advert is for.
    by_wire: BTreeMap<(SocketKey, u8), usize>,
    /// Adverts of routers that are not ours (they may well live on this segment), and packets that are none.
    pub foreign: u32,
    pub garbage: [u32; Bad::COUNT],
    /// Sockets that the kernel refused: who needs one is deaf and must not take part.
    deaf: BTreeSet<SocketKey>,
    /// Families whose addresses cannot be blocked, and why: the errno.
    unguarded: BTreeMap<Family, i32>,
    pub speaker: speak::Speaker,
    /// Virtual links that the kernel refused.
    unmade: BTreeSet<LinkKey>,
    running: bool,
    /// vrrp_startup_delay: until then every instance is in INIT, and no packet counts.
    begin_at: Option<Instant>,
    /// Unknown virtual routers that were said, by interface.
    unknown: BTreeSet<(u32, u8)>,
}

impl Vrrp {
    /// The links are known: every instance begins to listen.
    pub fn start(&mut self, ctx: &mut Ctx) {
        self.instances = ctx.conf.instances.iter().map(|_| Instance::default()).collect();
        vlink::assign(&mut self.instances, ctx.conf, ctx.links);
        self.running = true;
        // The daemon's instants count from the boot.
        let delays = &ctx.conf.global.vrrp;
        let at = (ctx.now + delays.startup_delay).max(Instant(0) + delays.delay_after_boot);
        if at > ctx.now && !self.instances.is_empty() {
            self.begin_at = Some(at);
            ctx.timers.file(Timer::Begin, Some(at));
            ctx.told.push(Effect::Note(Note::Delayed { time: at.since(ctx.now) }));
        }
        let all: Vec<usize> = (0..self.instances.len()).collect();
        self.begin(&all, ctx);
    }

    pub fn delay_over(&mut self, ctx: &mut Ctx) {
        self.begin_at = None;
        if self.running {
            self.begin_freed(ctx);
        }
    }

    /// Instances that are new enter BACKUP, or FAULT.
    fn begin(&mut self, new: &[usize], ctx: &mut Ctx) {
        for &i in new {
            self.locate(i, ctx);
        }
        if self.begin_at.is_some() {
            ctx.dirty.extend(new.iter().map(|i| Owner::Instance(*i)));
            return self.index(ctx);
        }
        // At start a group is told before its members, later after them: keepalived's order.
        let mut told = BTreeSet::new();
        for &i in new {
            let Some(g) = ctx.conf.instances.get(i).and_then(|c| c.group).filter(|g| told.insert(*g)) else { continue };
            if self.waits(i, ctx.conf) && self.fault_of_group(i, ctx.conf).is_none() {
                continue;
            }
            if ctx.conf.groups.get(g).is_some_and(|g| g.members.iter().all(|m| new.contains(m))) {
                let state = if self.fault_of_group(i, ctx.conf).is_some() { "FAULT" } else { "BACKUP" };
                self.tell_group(i, state, ctx);
            }
        }
        for &i in new {
            if self.instances.get(i).is_none_or(|n| n.state != State::Init) {
                continue;
            }
            match self.fault_of_group(i, ctx.conf) {
                Some(why) => self.enter_fault(i, why, ctx),
                None if self.waits(i, ctx.conf) => drop(ctx.dirty.insert(Owner::Instance(i))),
                None => self.enter_backup(i, BackupWhy::Start, ctx),
            }
        }
        self.index(ctx);
    }

    /// Compares by what makes a virtual router (VRID, interface, ..): the same ones keep their state, new ones begin, old ones give up.
    pub fn reload(&mut self, old: &Config, ctx: &mut Ctx) {
        // A queue, since a router that is given twice is in the file twice (the second one is held in FAULT).
        let mut before: BTreeMap<_, VecDeque<(usize, Instance)>> = BTreeMap::new();
        for (o, state) in std::mem::take(&mut self.instances).into_iter().enumerate() {
            if let Some(was) = old.instances.get(o) {
                before.entry(was.identity()).or_default().push_back((o, state));
            }
        }
        let mut new = Vec::new();
        let mut kept = Vec::new();
        for (i, conf) in ctx.conf.instances.iter().enumerate() {
            let found = before.get_mut(&conf.identity()).and_then(|same| same.pop_front());
            let was = found.as_ref().and_then(|(o, _)| old.instances.get(*o));
            match (&found, was) {
                (Some(_), Some(was)) => kept.push((i, was)),
                _ => new.push(i),
            }
            self.instances.push(found.map(|(_, state)| state).unwrap_or_default());
        }
        vlink::assign(&mut self.instances, ctx.conf, ctx.links);
        // What is left is wanted no more. That is told after what became of the others: keepalived's order.
        let mut deleted = Vec::new();
        for (o, mut gone) in before.into_values().flatten() {
            if let Some(was) = old.instances.get(o) {
                if gone.state == State::Master {
                    send(&mut gone, was, PRIORITY_STOP, ctx);
                    ctx.told.push(Effect::Note(Note::SentZero { name: was.name.clone() }));
                }
                deleted.push((was, gone.priority));
                ctx.table.claim(&mut gone.claims, Vec::new());
            }
        }
        ctx.timers_of_vrrp_are_stale();
        for (i, was) in kept {
            let Some(conf) = ctx.conf.instances.get(i) else { continue };
            let Some(n) = self.instances.get_mut(i) else { continue };
            if n.state == State::Backup {
                let p = n.priority;
                let (then, now) = (n.master_down(was, p), n.master_down(conf, p));
                n.deadline = n.deadline.map(|at| (at + now) - then);
            }
            if n.state == State::Master {
                n.announce.keep_extra(ctx.now, conf.garp_extra_if.map(|e| e.every));
            }
            if n.state == State::Master && (&conf.vips, &conf.excluded) != (&was.vips, &was.excluded) {
                self.announce(i, conf.garp.repeat, ctx);
            }
            self.refile(i, ctx);
            ctx.dirty.insert(Owner::Instance(i));
            self.locate(i, ctx);
        }
        for (was, priority) in deleted {
            tell::deleted(was, priority, ctx);
        }
        if ctx.conf.global.fifos.states_on_reload {
            self.tell_again(ctx);
        }
        self.find_talkers(ctx);
        self.begin(&new, ctx);
        self.begin_freed(ctx);
        for i in 0..self.instances.len() {
            self.obey_faults(i, ctx);
            // A group that was put together of a MASTER and a BACKUP.
            let fellows = self.fellows(i, ctx.conf);
            let is = |m: usize, state| self.instances.get(m).is_some_and(|n| n.state == state);
            if is(i, State::Master) && fellows.iter().any(|m| is(*m, State::Backup)) {
                self.enter_backup(i, BackupWhy::Group, ctx);
            }
        }
    }

    /// Adverts of priority 0 from every MASTER; afterwards nobody holds anything.
    pub fn stop(&mut self, ctx: &mut Ctx) {
        for i in 0..self.instances.len() {
            let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { continue };
            if n.state == State::Master {
                send(n, conf, PRIORITY_STOP, ctx);
                ctx.told.push(Effect::Note(Note::SentZero { name: conf.name.clone() }));
            }
            n.state = State::Init;
            n.deadline = None;
            n.announce.stop();
            let scripts = (conf.notify.stop.as_ref(), conf.notify.any.as_ref());
            tell::state(("INSTANCE", &conf.name), "STOP", n.priority, scripts, ctx);
            self.refile(i, ctx);
            ctx.dirty.insert(Owner::Instance(i));
        }
        for group in &ctx.conf.groups {
            let scripts = (group.notify.stop.as_ref(), group.notify.any.as_ref());
            tell::state(("GROUP", &group.name), "STOP", 0, scripts, ctx);
        }
        self.running = false;
    }

    // ---- news ------------------------------------------------------------------------------------------------

    /// Interfaces of these names have changed in some way.
    pub fn links_changed(&mut self, names: &[IfName], ctx: &mut Ctx) {
        if !self.running {
            return;
        }
        for i in 0..self.instances.len() {
            let Some(conf) = ctx.conf.instances.get(i) else { continue };
            let on_link = |name| self.instances.get(i).is_some_and(|n| n.vlinks.iter().any(|l| on(l, name)));
            let theirs = |n: &IfName| track::watches(i, n, ctx.conf) || statics::watches(i, n, ctx.conf);
            if names.iter().any(|n| watches(conf, n) || on_link(n) || theirs(n)) {
                self.locate(i, ctx);
                ctx.dirty.insert(Owner::Instance(i));
            }
        }
        self.index(ctx);
        self.obey_all(ctx);
    }

    /// What some instances track is another now.
    pub fn trackers_changed(&mut self, ctx: &mut Ctx) {
        if !self.running {
            return;
        }
        for i in 0..self.instances.len() {
            if track::tracks_of(i, ctx.conf).any(|t| *t != model::Tracks::default()) {
                self.locate(i, ctx);
            }
        }
        self.obey_all(ctx);
    }

    fn obey_all(&mut self, ctx: &mut Ctx) {
        self.begin_freed(ctx);
        for i in 0..self.instances.len() {
            self.obey_faults(i, ctx);
        }
    }

    /// Those that waited for a script and need not any more.
    fn begin_freed(&mut self, ctx: &mut Ctx) {
        let init = |i: &usize| self.instances.get(*i).is_some_and(|n| n.state == State::Init);
        let free = |i: &usize| self.fault_of_group(*i, ctx.conf).is_some() || !self.waits(*i, ctx.conf);
        let freed: Vec<usize> = (0..self.instances.len()).filter(init).filter(free).collect();
        if !freed.is_empty() && self.begin_at.is_none() {
            self.begin(&freed, ctx);
        }
    }

    /// A socket could not be made, or may be tried again.
    pub fn socket_refused(&mut self, key: SocketKey, refused: bool, ctx: &mut Ctx) {
        let changed = if refused { self.deaf.insert(key) } else { self.deaf.remove(&key) };
        if changed && key.ifindex == 0 {
            self.links_changed(&[IfName::default()], ctx);
        }
        if let (true, Some(name)) = (changed, ctx.links.name(key.ifindex)) {
            let name = name.clone();
            self.links_changed(&[name], ctx);
        }
    }

    /// A virtual link could not be made; it is tried again.
    pub fn link_refused(&mut self, key: LinkKey, ctx: &mut Ctx) {
        if self.unmade.insert(key) {
            let of = |l: &vlink::VirtualLink, conf| vlink::key(conf, l, ctx.links) == Some(key);
            let all = self.instances.iter().zip(&ctx.conf.instances);
            let names = all.flat_map(|(n, conf)| n.vlinks.iter().filter(move |l| of(l, conf)).map(|l| l.name.clone()));
            let names: Vec<IfName> = names.collect();
            self.links_changed(&names, ctx);
        }
    }

    pub fn deaf(&self) -> Vec<SocketKey> {
        self.deaf.iter().copied().collect()
    }

    /// Something static that these instances track is taken away again and again.
    pub fn robbed(&mut self, members: &[usize], until: Instant, ctx: &mut Ctx) {
        for &i in members {
            if let Some(n) = self.instances.get_mut(i) {
                n.stolen_until = Some(until);
                ctx.timers.file(Timer::Stolen(i), Some(until));
                self.locate(i, ctx);
                self.obey_faults(i, ctx);
            }
        }
    }

    /// Somebody removed an address, route or rule that a MASTER holds: who it was taken from tells its hosts again.
    pub fn taken(
        &mut self,
        key: &Key,
        change: Change,
        too_often: Option<Instant>,
        note: &dyn Fn(Box<str>) -> Note,
        ctx: &mut Ctx,
    ) {
        for i in 0..self.instances.len() {
            let Some(n) = self.instances.get_mut(i) else { continue };
            let Some(conf) = ctx.conf.instances.get(i) else { continue };
            if !n.claims.contains(key) {
                continue;
            }
            ctx.told.push(Effect::Note(note(conf.name.clone())));
            match (too_often, key) {
                (Some(until), _) => {
                    n.stolen_until = Some(until);
                    ctx.timers.file(Timer::Stolen(i), Some(until));
                    self.locate(i, ctx);
                    self.obey_faults(i, ctx);
                }
                (None, Key::Address(a)) if change != Change::Left => {
                    let mut vips = conf.vips.iter().chain(&conf.excluded);
                    if let Some(at) = vips.position(|v| v.net == a.net) {
                        self.announce_part(i, conf.garp.repeat, at..at + 1, ctx);
                    }
                }
                (None, _) => {}
            }
        }
    }

    // ---- packets ---------------------------------------------------------------------------------------------

    pub fn packet(&mut self, ifindex: u32, bytes: &[u8], ctx: &mut Ctx) {
        if !self.running {
            return;
        }
        let Some((head, payload)) = Head::parse(bytes) else { return self.drop_packet(None, None, Bad::Ip, ctx) };
        let router = packet::addressee(ifindex, &head, payload);
        let Some(i) = router.and_then(|router| self.by_wire.get(&router).copied()) else {
            self.foreign = self.foreign.wrapping_add(1);
            return self.unknown(router, head.src, ctx);
        };
        if self.begin_at.is_some() {
            return;
        }
        let (Some(n), Some(conf)) = (self.instances.get(i), ctx.conf.instances.get(i)) else { return };
        match packet::check(n, conf, &head, bytes, payload, ctx.wall()) {
            Ok(checked) => self.hear(i, head.src, &checked, ctx),
            Err(bad) => self.drop_packet(Some(i), Some(head.src), bad, ctx),
        }
    }

    fn unknown(&mut self, router: Option<(SocketKey, u8)>, from: IpAddr, ctx: &mut Ctx) {
        let Some((socket, vrid)) = router.filter(|_| ctx.conf.global.vrrp.log_unknown_vrids) else { return };
        let interface = ctx.links.name(socket.ifindex).cloned().unwrap_or_default();
        if self.unknown.len() < limits::UNKNOWN_ROUTERS && self.unknown.insert((socket.ifindex, vrid)) {
            ctx.told.push(Effect::Note(Note::UnknownRouter { vrid, interface, from }));
        }
    }

    fn drop_packet(&mut self, i: Option<usize>, from: Option<IpAddr>, bad: Bad, ctx: &mut Ctx) {
        let found = i.and_then(|i| Some((self.instances.get_mut(i)?, ctx.conf.instances.get(i)?)));
        let Some((n, conf)) = found else {
            if let Some(count) = self.garbage.get_mut(bad.index()) {
                *count = count.wrapping_add(1);
            }
            return;
        };
        count_drop(n, bad);
        if matches!(bad, Bad::AuthType(kind) if kind > vrrp::AUTH_KNOWN) {
            n.counters.auth_unknown = n.counters.auth_unknown.wrapping_add(1);
        }
        if n.say_once(1 << bad.index()) {
            let name = conf.name.clone();
            ctx.told.push(Effect::Note(match (bad, from) {
                (Bad::Own, Some(from)) => Note::SameAddress { name, from },
                _ => Note::Dropped { name, from, bad },
            }));
        }
    }

    fn hear(&mut self, i: usize, from: IpAddr, checked: &Checked, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        let advert = &checked.advert;
        if let Some(number) = checked.sequence {
            n.sequence.heard(from, number);
        }
        if let Some(stamp) = checked.stamp {
            n.signing.get_or_insert_default().heard(conf.wire.unicast.as_ref(), from, stamp);
        }
        n.old_peer = advert.rule == Some(Rule::PseudoGroup);
        if n.gives_way.as_deref() == Some(&from) && advert.priority != vrrp::PRIORITY_OWNER {
            self.claim_again(i, ctx);
        }
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        let (name, known) = (|| conf.name.clone(), n.heard.is_some_and(|h| h.from == from));
        let (theirs, ours) = (advert.priority, n.priority);
        // A new master begins anew with what is said of it: first that, then the words.
        let reaction = n.hear(conf, ctx.now, from, advert);
        let before = n.said;
        if let Some(bad) = checked.forgiven {
            count_drop(n, bad);
            if n.say_once(1 << bad.index()) {
                ctx.told.push(Effect::Note(Note::Forgiven { name: name(), from, bad }));
            }
        }
        if advert.interval != conf.advert_int && n.state == State::Backup && n.say_once(SAID_INTERVAL) {
            let (theirs, ours) = (advert.interval, conf.advert_int);
            ctx.told.push(Effect::Note(Note::OtherInterval { name: conf.name.clone(), from, theirs, ours }));
        }
        let listed = advert.addresses().len() == conf.vips.len()
            && advert.addresses().all(|a| conf.vips.iter().any(|v| v.net.addr == a));
        if n.state != State::Fault && !listed && !(conf.skip_check_adv_addr && known) {
            n.counters.address_list = n.counters.address_list.wrapping_add(1);
            if n.say_once(SAID_LIST) {
                ctx.told.push(Effect::Note(Note::AddressList { name: conf.name.clone(), from }));
            }
        }
        let said = n.said & !before;
        match reaction {
            Reaction::Accepted => {
                self.refile(i, ctx);
                // A reload may have put a BACKUP beside a MASTER: one member's better router is that of all.
                if self.group_steps_down(i, ctx) {
                    self.tell_group(i, "BACKUP", ctx);
                }
            }
            Reaction::MasterGivesUp => {
                ctx.told.push(Effect::Note(Note::HeardZero { name: name(), from }));
                self.refile(i, ctx);
            }
            Reaction::Lower => {
                if n.say_once(SAID_LOWER) {
                    ctx.told.push(Effect::Note(Note::LowerIgnored { name: name(), from, theirs }));
                }
            }
            Reaction::AnswerZero => {
                ctx.told.push(Effect::Note(Note::HeardZero { name: name(), from }));
                self.advertise(i, ctx);
            }
            Reaction::Contender => {
                if n.say_once(SAID_CONTENDER) {
                    ctx.told.push(Effect::Note(Note::HeardLower { name: name(), from, theirs, ours }));
                }
                tell::lower(conf, ours, ctx);
                if !conf.lower_prio_no_advert {
                    self.advertise(i, ctx);
                }
                for m in self.fellows(i, ctx.conf) {
                    self.announce_again(m, ctx);
                }
            }
            Reaction::StepDown => {
                if conf.higher_prio_send_advert {
                    self.advertise(i, ctx);
                }
                self.enter_backup(i, BackupWhy::Higher { from, theirs, ours }, ctx);
                self.group_steps_down(i, ctx);
                self.tell_group(i, "BACKUP", ctx);
            }
            Reaction::Rival => {
                ctx.told.push(Effect::Note(Note::Rival { name: name(), from }));
                self.advertise(i, ctx);
                self.advertise(i, ctx);
            }
            Reaction::GiveWay => {
                ctx.told.push(Effect::Note(Note::GivesWay { name: name(), to: from }));
                self.set_priority(i, vrrp::PRIORITY_OWNER - 1, ctx);
            }
            Reaction::Ignored => {}
        }
        // A step down forgets what was said, yet this was said of the new master.
        if let Some(n) = self.instances.get_mut(i) {
            n.said |= said;
        }
        if let (Some(seconds), Some(n)) = (checked.clock, self.instances.get_mut(i)) {
            if n.say_once(SAID_CLOCK) {
                ctx.told.push(Effect::Note(Note::ClockSkew { name: name(), from, seconds }));
            }
        }
    }

    /// An owner to which nobody else claims to be one any more.
    fn claim_again(&mut self, i: usize, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        if n.gives_way.take().is_some() {
            self.set_priority(i, conf.priority, ctx);
        }
    }

    /// Every other MASTER of the group falls back with this member; false if there was none.
    fn group_steps_down(&mut self, i: usize, ctx: &mut Ctx) -> bool {
        let mut left = false;
        for m in self.fellows(i, ctx.conf) {
            if self.instances.get(m).is_some_and(|n| n.state == State::Master) {
                left = true;
                self.enter_backup(m, BackupWhy::Group, ctx);
            }
        }
        let group = ctx.conf.instances.get(i).and_then(|c| c.group).and_then(|g| ctx.conf.groups.get(g));
        if let (true, Some(group)) = (left, group) {
            ctx.told.push(Effect::Note(Note::GroupSync { name: group.name.clone(), state: "BACKUP" }));
        }
        left
    }

    // ---- time ------------------------------------------------------------------------------------------------

    /// The deadline of an instance that is not MASTER.
    pub fn due(&mut self, i: usize, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        if n.state != State::Backup || n.deadline.is_none_or(|at| at > ctx.now) {
            return self.refile(i, ctx);
        }
        let Some(group) = conf.group.and_then(|g| ctx.conf.groups.get(g)) else {
            return self.enter_master(i, ctx);
        };
        n.wants_master = true;
        let ready = |m: &usize| self.instances.get(*m).is_some_and(|n| n.wants_master || n.state == State::Master);
        if group.members.iter().all(ready) {
            ctx.told.push(Effect::Note(Note::GroupSync { name: group.name.clone(), state: "MASTER" }));
            for &m in &group.members {
                if self.instances.get(m).is_some_and(|n| n.state != State::Master) {
                    self.enter_master(m, ctx);
                }
            }
            self.tell_group(i, "MASTER", ctx);
        } else {
            // The others have masters yet, or their turn comes a little later.
            let skew = |m: &usize| {
                let (n, conf) = (self.instances.get(*m)?, ctx.conf.instances.get(*m)?);
                Some(n.skew(conf, n.priority))
            };
            let smallest = group.members.iter().filter_map(skew).min();
            if let Some(n) = self.instances.get_mut(i) {
                n.deadline = Some(ctx.now + conf.advert_int + smallest.unwrap_or_default());
            }
            self.refile(i, ctx);
        }
    }

    /// Adverts that are due, and those that are so nearly due that they may leave with them.
    pub fn adverts_due(&mut self, ctx: &mut Ctx) {
        if ctx.adverts.first().is_none_or(|at| at > ctx.now) {
            return;
        }
        let near = ctx.adverts.until(ctx.now + limits::ADVERT_SLACK).take(limits::DUE_AT_ONCE);
        let near: heapless::Vec<(Instant, usize), { limits::DUE_AT_ONCE }> = near.collect();
        let mut late = Vec::new();
        for (at, i) in near {
            let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { continue };
            let slack = limits::ADVERT_SLACK.min(conf.advert_int / limits::ADVERT_SLACK_DIVISOR);
            if at > ctx.now + slack {
                continue;
            }
            if n.is_overdue(conf, ctx.now) {
                late.push(i);
                continue;
            }
            // The phase is kept: an early or late one does not move those after it.
            let next = at + conf.advert_int;
            n.deadline = Some(if next > ctx.now { next } else { ctx.now + conf.advert_int });
            send(n, conf, n.priority, ctx);
            ctx.adverts.file(i, n.deadline);
        }
        for i in late {
            if self.instances.get(i).is_some_and(|n| n.state == State::Master) {
                self.enter_backup(i, BackupWhy::Late, ctx);
                self.group_steps_down(i, ctx);
                self.tell_group(i, "BACKUP", ctx);
            }
        }
    }

    pub fn announce_due(&mut self, i: usize, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        let rounds = n.announce.due(ctx.now, &conf.garp);
        let extra = n.announce.extra_due(ctx.now, conf.garp_extra_if.map(|e| e.every));
        ctx.timers.file(Timer::Announce(i), n.announce.deadline());
        self.announce(i, rounds, ctx);
        if extra {
            self.announce_extra(i, ctx);
        }
    }

    pub fn stolen_due(&mut self, i: usize, ctx: &mut Ctx) {
        if let Some(n) = self.instances.get_mut(i) {
            n.stolen_until = None;
        }
        self.locate(i, ctx);
        self.obey_faults(i, ctx);
    }

    // ---- transitions -----------------------------------------------------------------------------------------

    fn enter_master(&mut self, i: usize, ctx: &mut Ctx) {
        self.claim_again(i, ctx);
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        n.state = State::Master;
        (n.wants_master, n.lower_since, n.said, n.learned) = (false, None, 0, None);
        n.counters.become_master = n.counters.become_master.wrapping_add(1);
        n.sequence.leap();
        n.deadline = Some(ctx.now + conf.advert_int);
        send(n, conf, n.priority, ctx);
        let rounds = n.announce.start(ctx.now, &conf.garp, conf.garp_extra_if.map(|e| e.every));
        self.changed(i, Note::Master { name: conf.name.clone() }, "MASTER", ctx);
        self.announce(i, rounds, ctx);
    }

    fn enter_backup(&mut self, i: usize, why: BackupWhy, ctx: &mut Ctx) {
        let Some(conf) = ctx.conf.instances.get(i) else { return };
        self.release(i);
        let Some(n) = self.instances.get_mut(i) else { return };
        let fresh = matches!(why, BackupWhy::Start | BackupWhy::FaultGone);
        if fresh {
            n.learned = None;
        }
        let at_once = fresh && instance::acts_at_once(conf);
        let wait = if at_once { Duration::ZERO } else { n.master_down(conf, n.priority) };
        n.deadline = Some(ctx.now + wait);
        n.state = State::Backup;
        n.announce.stop();
        self.changed(i, Note::Backup { name: conf.name.clone(), why }, "BACKUP", ctx);
    }

    fn enter_fault(&mut self, i: usize, why: Box<str>, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        if n.state == State::Master {
            send(n, conf, PRIORITY_STOP, ctx);
            ctx.told.push(Effect::Note(Note::SentZero { name: conf.name.clone() }));
        }
        n.deadline = None;
        n.announce.stop();
        self.release(i);
        if let Some(n) = self.instances.get_mut(i) {
            n.state = State::Fault;
        }
        self.changed(i, Note::Fault { name: conf.name.clone(), why }, "FAULT", ctx);
    }

    /// What BACKUP and FAULT have in common.
    fn release(&mut self, i: usize) {
        if let Some(n) = self.instances.get_mut(i) {
            if n.state == State::Master {
                n.counters.release_master = n.counters.release_master.wrapping_add(1);
            }
            (n.wants_master, n.lower_since, n.rival, n.said) = (false, None, None, 0);
        }
    }

    fn changed(&mut self, i: usize, note: Note, state: &'static str, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        n.changed = ctx.now;
        ctx.dirty.insert(Owner::Instance(i));
        ctx.told.push(Effect::Note(note));
        let script = match state {
            "MASTER" => &conf.notify.master,
            "BACKUP" => &conf.notify.backup,
            _ => &conf.notify.fault,
        };
        let scripts = (script.as_ref(), conf.notify.any.as_ref());
        tell::state(("INSTANCE", &conf.name), state, n.priority, scripts, ctx);
        self.refile(i, ctx);
    }

    fn tell_group(&self, i: usize, state: &'static str, ctx: &mut Ctx) {
        let group = ctx.conf.instances.get(i).and_then(|c| c.group).and_then(|g| ctx.conf.groups.get(g));
        let Some(group) = group else { return };
        let script = match state {
            "MASTER" => &group.notify.master,
            "BACKUP" => &group.notify.backup,
            _ => &group.notify.fault,
        };
        tell::state(("GROUP", &group.name), state, 0, (script.as_ref(), group.notify.any.as_ref()), ctx);
    }

    /// The states that a reload did not change: groups first, as at start.
    fn tell_again(&self, ctx: &mut Ctx) {
        let state = |i: &usize| self.instances.get(*i).map(|n| n.state).filter(|s| *s != State::Init);
        let conf = ctx.conf;
        for group in &conf.groups {
            if let Some(state) = group.members.iter().find_map(state) {
                tell::again_group(group, state, ctx);
            }
        }
        for (n, conf) in self.instances.iter().zip(&conf.instances).filter(|(n, _)| n.state != State::Init) {
            tell::again(conf, n.state, n.priority, ctx);
        }
    }

    // ---- faults ----------------------------------------------------------------------------------------------

    /// Finds the instance's interface and source address, and what is wrong with them.
    fn locate(&mut self, i: usize, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        n.ifindex = match has_interface(conf) {
            true => ctx.links.get(&conf.interface).map(|l| l.ifindex),
            // Unicast: any, or those of a VRF.
            false => match &conf.vrf {
                Some(vrf) => ctx.links.get(vrf).map(|l| l.ifindex),
                None => Some(0),
            },
        };
        let came = n.vlinks.iter_mut().fold(false, |came, link| {
            let known = vlink::there(conf, link, ctx.links);
            let there = known.map(|l| l.ifindex);
            let before = std::mem::replace(&mut link.ifindex, there);
            let works = known.is_some_and(|l| l.more.wanted_up);
            if let Some(key) = vlink::key(conf, link, ctx.links).filter(|_| works) {
                self.unmade.remove(&key);
            }
            came | (there.is_some() && there != before)
        });
        n.source = source(conf, ctx);
        n.last_source = n.source.or(n.last_source);
        let sum = ctx.track.sum(i, ctx.conf, ctx.links);
        n.fault = fault(n, conf, ctx.links, &self.deaf)
            .or_else(|| no_link(n, conf, ctx.links, &self.unmade))
            .or_else(|| block::fault(conf, &self.unguarded))
            .or(sum.fault);
        n.fault = n.fault.take().or_else(|| statics::fault(i, ctx.conf, ctx.links));
        n.waits = sum.waits;
        let priority = n.effective(conf, sum.weight);
        if came && n.state == State::Master {
            self.announce(i, conf.garp.repeat, ctx);
        }
        self.set_priority(i, priority, ctx);
    }

    /// What the trackers make of the priority; a running master-down timer moves with it.
    fn set_priority(&mut self, i: usize, priority: u8, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        let before = if n.priority == 0 { conf.priority } else { n.priority };
        n.priority = priority;
        if before == priority {
            return;
        }
        ctx.told.push(Effect::Note(Note::Priority { name: conf.name.clone(), from: before, to: priority }));
        tell::priority(conf, n.state, priority, ctx);
        if n.state == State::Backup {
            let (then, now) = (n.master_down(conf, before), n.master_down(conf, priority));
            n.deadline = n.deadline.map(|at| (at + now) - then);
            self.refile(i, ctx);
        }
    }

    /// Does the instance, or a member of its group, wait for the first result of a script?
    fn waits(&self, i: usize, conf: &Config) -> bool {
        self.fellows(i, conf).iter().any(|m| self.instances.get(*m).is_some_and(|n| n.waits))
    }

    fn fault_of_group(&self, i: usize, conf: &Config) -> Option<Box<str>> {
        let own = self.instances.get(i)?.fault.clone();
        if own.is_some() {
            return own;
        }
        let group = conf.groups.get(conf.instances.get(i)?.group?)?;
        let sick = |m: &&usize| self.instances.get(**m).is_some_and(|n| n.fault.is_some());
        let member = group.members.iter().find(sick).and_then(|m| conf.instances.get(*m))?;
        Some(format!("{} of its sync group {} is in FAULT", member.name, group.name).into())
    }

    /// Makes the state agree with the faults: FAULT of one member is FAULT of all.
    fn obey_faults(&mut self, i: usize, ctx: &mut Ctx) {
        let Some(n) = self.instances.get(i) else { return };
        let (state, why) = (n.state, self.fault_of_group(i, ctx.conf));
        match (state, why) {
            (State::Backup | State::Master, Some(why)) => {
                self.enter_fault(i, why, ctx);
                for m in self.fellows(i, ctx.conf) {
                    let Some(why) = self.fault_of_group(m, ctx.conf) else { continue };
                    if self.instances.get(m).is_some_and(|n| n.state != State::Fault) {
                        self.enter_fault(m, why, ctx);
                    }
                }
                self.tell_group(i, "FAULT", ctx);
            }
            (State::Fault, None) if !self.waits(i, ctx.conf) => {
                self.enter_backup(i, BackupWhy::FaultGone, ctx);
                self.announce_source(i, ctx);
                for m in self.fellows(i, ctx.conf) {
                    if self.instances.get(m).is_some_and(|n| n.state == State::Fault) {
                        self.enter_backup(m, BackupWhy::FaultGone, ctx);
                    }
                }
                self.tell_group(i, "BACKUP", ctx);
            }
            _ => {}
        }
    }

    /// The members of an instance's sync group, itself included.
    fn fellows(&self, i: usize, conf: &Config) -> Vec<usize> {
        let group = conf.instances.get(i).and_then(|c| c.group).and_then(|g| conf.groups.get(g));
        group.map_or_else(|| vec![i], |g| g.members.clone())
    }

    fn index(&mut self, ctx: &Ctx) {
        self.by_wire.clear();
        for (i, (n, conf)) in self.instances.iter().zip(&ctx.conf.instances).enumerate() {
            let ways = [socket(n, conf), vlink::ear(n, conf, ctx.links)];
            self.by_wire.extend(ways.into_iter().flatten().map(|key| ((key, conf.vrid), i)));
        }
    }

    // ---- output ----------------------------------------------------------------------------------------------

    fn refile(&self, i: usize, ctx: &mut Ctx) {
        let Some(n) = self.instances.get(i) else { return };
        let master = n.state == State::Master;
        ctx.adverts.file(i, n.deadline.filter(|_| master));
        ctx.timers.file(Timer::Instance(i), n.deadline.filter(|_| !master));
        ctx.timers.file(Timer::Announce(i), n.announce.deadline());
        ctx.timers.file(Timer::Stolen(i), n.stolen_until);
    }

    /// An advert out of turn; the next regular one follows an interval later.
    fn advertise(&mut self, i: usize, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        send(n, conf, n.priority, ctx);
        n.deadline = Some(ctx.now + conf.advert_int);
        ctx.adverts.file(i, n.deadline);
    }

    fn announce_again(&mut self, i: usize, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return };
        if n.state == State::Master {
            let rounds = n.announce.again(ctx.now, &conf.garp);
            ctx.timers.file(Timer::Announce(i), n.announce.deadline());
            self.announce(i, rounds, ctx);
        }
    }

    /// Unicast goes through tables of neighbours: after a fault they hear where our own address is.
    fn announce_source(&self, i: usize, ctx: &mut Ctx) {
        let (Some(n), Some(conf)) = (self.instances.get(i), ctx.conf.instances.get(i)) else { return };
        let link = ctx.links.get(&conf.interface).filter(|l| conf.wire.unicast.is_some() && !l.no_arp);
        if let (Some(link), Some(ip)) = (link, n.source) {
            ctx.calls.push(Effect::Announce { ifindex: link.ifindex, mac: link.mac, ip });
        }
    }

    /// What the kernel should hold for this instance in its present state.
    pub fn desired(&self, i: usize, config: &Config, links: &Links) -> Vec<(Key, Value)> {
        let (Some(n), Some(conf)) = (self.instances.get(i), config.instances.get(i)) else { return Vec::new() };
        let mut want = Vec::new();
        if !self.running {
            return want;
        }
        if let Some(key) = socket(n, conf) {
            want.push((Key::Socket(key), Value::Socket));
        }
        if conf.held.is_none() {
            vlink::desired(n, conf, links, &mut want);
        }
        if let Some(daemon) = config.sync_daemon.as_ref().filter(|d| d.instance == Some(i)) {
            let role = if n.state == State::Master { SyncRole::Master } else { SyncRole::Backup };
            let value = Value::SyncDaemon { interface: daemon.interface.clone(), id: daemon.id };
            want.push((Key::SyncDaemon(role), value));
        }
        block::desired(n, conf, config, links, &mut want);
        if n.state != State::Master {
            return want;
        }
        for vip in conf.vips.iter().chain(&conf.excluded) {
            if let Some(ifindex) = vlink::ifindex_of(n, conf, vip, links) {
                want.push(objects::address(vip, ifindex));
            }
        }
        want.extend(conf.routes.iter().filter_map(|route| objects::route(route, links)));
        want.extend(conf.rules.iter().map(objects::rule));
        want
    }
}

fn count_drop(n: &mut Instance, bad: Bad) {
    if let Some(count) = n.counters.dropped.get_mut(bad.index()) {
        *count = count.wrapping_add(1);
    }
}

fn on(link: &vlink::VirtualLink, name: &IfName) -> bool {
    link.name == *name || link.parent == *name
}

/// A MASTER whose link cannot be made would hold no addresses.
fn no_link(n: &Instance, conf: &model::Instance, links: &Links, unmade: &BTreeSet<LinkKey>) -> Option<Box<str>> {
    let refused = |l: &&vlink::VirtualLink| vlink::key(conf, l, links).is_some_and(|key| unmade.contains(&key));
    let link = n.vlinks.iter().find(refused)?;
    Some(format!("the kernel refuses the virtual link {} on {}", link.name, link.parent).into())
}

/// Is the instance in any way concerned with that interface?
fn watches(conf: &model::Instance, name: &IfName) -> bool {
    // The source address of unicast may be on any interface.
    let bound = conf.wire.unicast.is_some() || conf.track_src_ip;
    let source = bound && conf.wire.unicast_src_ip.or(conf.mcast_src_ip).is_some();
    source
        || conf.interface == *name
        || conf.vrf.as_ref() == Some(name)
        || objects::links_of(conf, true).any(|n| n == name)
}

fn has_interface(conf: &model::Instance) -> bool {
    !conf.interface.as_str().is_empty()
}

/// unicast_src_ip or mcast_src_ip, else the first address of the interface (IPv6: link-local) that is not a virtual one
/// of ours. An owner's only address may be the virtual one: then one that was there before us, since ours come and go
/// with the state.
fn source(conf: &model::Instance, ctx: &Ctx) -> Option<IpAddr> {
    let family = conf.wire.family;
    if let Some(src) = conf.wire.unicast_src_ip.or(conf.mcast_src_ip).filter(|ip| Family::of(ip) == family) {
        // Unicast is heard on that address, so it has to be there.
        let any = conf.wire.unicast.is_none() && !conf.track_src_ip;
        return (any || ctx.links.has(src)).then_some(src);
    }
    if let Some(net) = conf.ipvlan.as_ref().and_then(|v| v.address).filter(|net| net.family() == family) {
        return Some(net.addr);
    }
    let fits = |net: &IpNet| match net.addr {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let mut addresses = ctx.links.addresses(&conf.interface, family).filter(fits);
    let ifindex = ctx.links.get(&conf.interface)?.ifindex;
    let put_up = |net: &IpNet| {
        let key = Key::Address(AddressKey { ifindex, net: *net });
        ctx.table.knows(&key) && ctx.table.found(&key).is_none()
    };
    // One of static_ipaddress only where there is no other: it is there as long as we are, the router's own one before.
    let mut own = addresses.clone().filter(|net| !ctx.virtual_ips.contains(&net.addr));
    let own = own.clone().find(|net| !put_up(net)).or_else(|| own.next());
    let owner = conf.priority == vrrp::PRIORITY_OWNER;
    own.or_else(|| addresses.find(|net| owner && !put_up(net))).map(|net| net.addr)
}

/// Why an instance cannot take part, if it cannot.
fn fault(n: &Instance, conf: &model::Instance, links: &Links, deaf: &BTreeSet<SocketKey>) -> Option<Box<str>> {
    if let Some(why) = &conf.held {
        return Some(why.clone());
    }
    if n.stolen_until.is_some() {
        return Some("what it holds is removed by somebody else again and again".into());
    }
    let down = |name: &IfName| -> Option<Box<str>> {
        match links.get(name) {
            None => Some(format!("interface {name} does not exist").into()),
            Some(link) if !link.up => Some(format!("interface {name} is down").into()),
            Some(_) => None,
        }
    };
    if has_interface(conf) && links.get(&conf.interface).is_none() {
        return down(&conf.interface);
    }
    if conf.wire.unicast.as_ref().is_some_and(|u| u.fault_no_peer && u.peers.is_empty()) {
        return Some("it has no unicast peer".into());
    }
    let own = (!conf.dont_track_primary && has_interface(conf)).then_some(&conf.interface);
    let watched = own.into_iter().chain(&conf.vrf).chain(objects::links_of(conf, false));
    if let Some(why) = watched.filter(|name| own.is_some() || **name != conf.interface).find_map(down) {
        return Some(why);
    }
    if let (None, Some(src)) = (n.source, conf.wire.unicast_src_ip.or(conf.mcast_src_ip)) {
        return Some(format!("its source address {src} is not on this machine").into());
    }
    if n.source.is_none() && conf.wire.family == Family::V6 && links.tries_link_local(&conf.interface) {
        let text = "the kernel still looks whether the link-local IPv6 address of interface";
        return Some(format!("{text} {} is used by somebody else", conf.interface).into());
    }
    if n.source.is_none() {
        let what = match conf.wire.family {
            Family::V4 => "IPv4",
            Family::V6 => "link-local IPv6",
        };
        return Some(format!("interface {} has no {what} address to send from", conf.interface).into());
    }
    let ways = [socket(n, conf), vlink::ear(n, conf, links)];
    let key = ways.into_iter().flatten().find(|key| deaf.contains(key))?;
    Some(match conf.wire.unicast {
        Some(_) => format!("there is no VRRP socket for the source address {}", key.address).into(),
        None => format!("no VRRP socket on interface {}", conf.interface).into(),
    })
}
