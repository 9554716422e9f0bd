//! Hands out announcements, one after another, as fast as their interfaces allow: the instances take turns, and what is
//! next follows from their counts. No more are under way at a time than the shell sends in one turn of its loop.

use super::announce::Kind;
use super::instance::{Instance, State};
use super::{vlink, Vrrp};
use crate::base::addr::{Family, IfName};
use crate::base::time::Instant;
use crate::config::model::{self, Config, Vip};
use crate::limits;
use crate::node::effect::Effect;
use crate::node::links::Links;
use crate::node::Ctx;
use crate::wire::op::Link;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

/// Interfaces that keep a distance together: a garp_group, or one alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Lane {
    Group(usize),
    Link(u32),
}

#[derive(Clone, Copy, Debug)]
enum Pause {
    /// One was handed out: the pause begins when it was sent.
    Sending(Duration),
    Until(Instant),
}

#[derive(Debug, Default)]
pub struct Speaker {
    /// Instances that may have something to announce.
    talkers: BTreeSet<usize>,
    /// Whose turn it is, or the next one's after that.
    turn: usize,
    under_way: usize,
    pauses: BTreeMap<(Lane, Kind), Pause>,
    /// When to look again.
    at: Option<Instant>,
}

enum Turn {
    Spoke,
    /// Its interfaces have a pause; until when, if that is known.
    Waits(Option<Instant>),
    Silent,
}

impl Speaker {
    pub fn deadline(&self) -> Option<Instant> {
        self.at
    }

    /// Something was handed out, and the shell has not said yet that it is sent.
    pub fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// All that was handed out is sent.
    fn sent(&mut self, now: Instant) {
        self.under_way = 0;
        self.pauses.retain(|_, pause| !matches!(pause, Pause::Until(at) if *at <= now));
        for pause in self.pauses.values_mut() {
            if let Pause::Sending(long) = *pause {
                *pause = Pause::Until(now + long);
            }
        }
        self.at = Some(now);
    }

    fn next_talker(&self) -> Option<usize> {
        self.talkers.range(self.turn..).next().or(self.talkers.first()).copied()
    }
}

impl Vrrp {
    pub fn announcements_sent(&mut self, ctx: &mut Ctx) {
        self.speaker.sent(ctx.now);
    }

    /// All addresses, so many rounds.
    pub(super) fn announce(&mut self, i: usize, rounds: u32, ctx: &mut Ctx) {
        let all = ctx.conf.instances.get(i).map_or(0, |conf| conf.vips.len() + conf.excluded.len());
        self.announce_part(i, rounds, 0..all, ctx);
    }

    /// Some of the addresses: their places in the list of both kinds.
    pub(super) fn announce_part(&mut self, i: usize, rounds: u32, part: Range<usize>, ctx: &mut Ctx) {
        if let Some(n) = self.instances.get_mut(i) {
            n.announce.ask(rounds, part);
            self.speaker.talkers.insert(i);
            self.speaker.at = Some(ctx.now);
        }
    }

    /// garp_extra_if: an address of each link that no advert leaves by, so that switches know where its address is.
    pub(super) fn announce_extra(&mut self, i: usize, ctx: &mut Ctx) {
        if let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) {
            let places = extra_places(n, conf);
            n.announce.ask_extra(places);
            self.speaker.talkers.insert(i);
            self.speaker.at = Some(ctx.now);
        }
    }

    /// After a reload the numbers of the instances mean others.
    pub(super) fn find_talkers(&mut self, ctx: &mut Ctx) {
        let talks = |(i, n): (usize, &Instance)| (!n.announce.is_silent()).then_some(i);
        self.speaker.talkers = self.instances.iter().enumerate().filter_map(talks).collect();
        self.speaker.at = Some(ctx.now);
    }

    /// Hands out what may be sent now.
    pub fn speak(&mut self, ctx: &mut Ctx) {
        if self.speaker.at.is_none_or(|at| at > ctx.now) {
            return;
        }
        self.speaker.at = None;
        let (mut waiting, mut soonest) = (0, None);
        while let Some(i) = self.speaker.next_talker() {
            // The rest follows when these are sent.
            if self.speaker.under_way >= limits::ANNOUNCEMENTS_PER_TURN {
                return;
            }
            if waiting >= self.speaker.talkers.len() {
                break;
            }
            self.speaker.turn = i + 1;
            match self.turn(i, ctx) {
                Turn::Spoke => (waiting, soonest) = (0, None),
                Turn::Waits(until) => {
                    waiting += 1;
                    soonest = [soonest, until].into_iter().flatten().min();
                }
                Turn::Silent => drop(self.speaker.talkers.remove(&i)),
            }
        }
        self.speaker.at = soonest;
    }

    fn turn(&mut self, i: usize, ctx: &mut Ctx) -> Turn {
        let (Some(n), Some(conf)) = (self.instances.get_mut(i), ctx.conf.instances.get(i)) else { return Turn::Silent };
        if n.state != State::Master {
            return Turn::Silent;
        }
        let mut announce = std::mem::take(&mut n.announce);
        let choice = announce.next(|at| Some(kind(link(n, conf, at, ctx.links)?.0)));
        while announce.next_extra().is_some_and(|at| link(n, conf, at, ctx.links).is_none()) {
            announce.extra_done();
        }
        let extra = announce.next_extra().and_then(|at| Some((kind(link(n, conf, at, ctx.links)?.0), at, true)));
        n.announce = announce;
        let mut waits = None;
        let usual = choice.into_iter().flatten().map(|(kind, at)| (kind, at, false));
        for (kind, at, is_extra) in usual.chain(extra) {
            let Some((vip, link)) = link(n, conf, at, ctx.links) else { continue };
            let (lane, pause) = lane(link, kind, ctx.conf);
            match self.speaker.pauses.get(&(lane, kind)) {
                Some(Pause::Until(until)) if *until > ctx.now => {
                    waits = [waits, Some(*until)].into_iter().flatten().min();
                    continue;
                }
                Some(Pause::Sending(_)) => continue,
                _ => {}
            }
            if !pause.is_zero() {
                self.speaker.pauses.insert((lane, kind), Pause::Sending(pause));
            }
            ctx.calls.push(Effect::Announce { ifindex: link.ifindex, mac: link.mac, ip: vip.net.addr });
            self.speaker.under_way += 1;
            match is_extra {
                true => n.announce.extra_done(),
                false => n.announce.sent(kind, at),
            }
            return Turn::Spoke;
        }
        if n.announce.is_silent() {
            Turn::Silent
        } else {
            Turn::Waits(waits)
        }
    }
}

fn kind(vip: &Vip) -> Kind {
    match vip.net.family() {
        Family::V4 => Kind::Arp,
        Family::V6 => Kind::Na,
    }
}

/// The address at that place and where it is announced.
fn link<'a>(n: &Instance, conf: &'a model::Instance, at: usize, links: &'a Links) -> Option<(&'a Vip, &'a Link)> {
    let vip = conf.vips.get(at).or_else(|| conf.excluded.get(at.checked_sub(conf.vips.len())?))?;
    let link = links.get(vlink::interface_of(n, conf, vip))?;
    (!link.no_arp).then_some((vip, link))
}

/// The first address on each link that garp_extra_if is about: not the one that adverts leave by, and without `all`
/// only virtual ones.
fn extra_places(n: &Instance, conf: &model::Instance) -> Vec<usize> {
    let Some(extra) = conf.garp_extra_if else { return Vec::new() };
    let mut seen: BTreeSet<&IfName> = vlink::advert_link(n, conf).into_iter().collect();
    let mut places = Vec::new();
    for (at, vip) in conf.vips.iter().chain(&conf.excluded).enumerate() {
        let counts = extra.all || vlink::place(conf, vip).1;
        if counts && seen.insert(vlink::interface_of(n, conf, vip)) {
            places.push(at);
        }
    }
    places
}

/// With whom it shares a distance, and how long that is.
fn lane(link: &Link, kind: Kind, config: &Config) -> (Lane, Duration) {
    let group = config.garp_groups.iter().enumerate().find(|(_, g)| g.interfaces.contains(&link.name));
    let (lane, arp, na) = match group {
        Some((g, group)) => (Lane::Group(g), group.garp_interval, group.gna_interval),
        None => (Lane::Link(link.ifindex), config.global.vrrp.garp_interval, config.global.vrrp.gna_interval),
    };
    (lane, if kind == Kind::Arp { arp } else { na })
}
