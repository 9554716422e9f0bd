//! The virtual servers of a node: checks in time, verdicts to servers, servers to quorum, all of it to IPVS.

pub mod checker;
pub mod service;

use super::effect::Effect;
use super::note::Note;
use super::{tell, Ctx, Owner, Timer};
use crate::base::addr::Endpoint;
use crate::base::verdict::Verdict;
use crate::config::model::{Check, Config, Server, Service};
use crate::wire::op::{Key, ServiceKey, Value};
use checker::{Checker, News};
use service::{Quorum, ServerState, ServiceState};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Lvs {
    pub services: Vec<ServiceState>,
    /// By check id; a hole is an id that is free.
    checkers: Vec<Option<Checker>>,
    free: Vec<u32>,
    /// Where the next check begins within its warm-up.
    spread: u32,
    running: bool,
}

/// 2^32 / golden ratio: steps of this size fill a period evenly, however many there are.
const GOLDEN: u32 = 2_654_435_769;

impl Lvs {
    pub fn start(&mut self, seed: u32, ctx: &mut Ctx) {
        self.spread = seed;
        self.running = true;
        for (s, conf) in ctx.conf.services.iter().enumerate() {
            if !conf.is_served() {
                self.services.push(ServiceState::default());
                continue;
            }
            let mut state =
                ServiceState { servers: vec![ServerState::default(); conf.servers.len()], ..Default::default() };
            for (r, (server, state_of)) in conf.servers.iter().zip(&mut state.servers).enumerate() {
                for (k, check) in made(server) {
                    self.begin_check((s, r, k), check, state_of, ctx);
                }
            }
            tell_first(&state, conf, |_| true, ctx);
            self.first_quorum(&mut state, conf, ctx);
            self.services.push(state);
            ctx.dirty.insert(Owner::Service(s));
        }
    }

    fn first_quorum(&self, state: &mut ServiceState, conf: &Service, ctx: &mut Ctx) {
        match state.evaluate(conf) {
            Quorum::Gained => {
                let (service, quorum, sum) = (conf.key, conf.quorum, state.sum(conf));
                ctx.told.push(Effect::Note(Note::QuorumUp { service, quorum, sum, first: true }));
                tell::quorum(conf, true, ctx);
            }
            _ if conf.sorry.is_some() => {
                tell::quorum(conf, false, ctx);
            }
            _ => {}
        }
    }

    /// A check that is new, with its place in the warm-up.
    fn begin_check(&mut self, place: (usize, usize, usize), conf: &Check, server: &mut ServerState, ctx: &mut Ctx) {
        self.spread = self.spread.wrapping_add(GOLDEN);
        let checker = Checker::new(place, conf, ctx.now, self.spread);
        server.failed += u16::from(checker.failed);
        self.keep(checker, ctx);
    }

    fn keep(&mut self, checker: Checker, ctx: &mut Ctx) {
        let deadline = checker.deadline;
        let id = self.free.pop().unwrap_or_else(|| {
            self.checkers.push(None);
            (self.checkers.len() - 1) as u32
        });
        if let Some(slot) = self.checkers.get_mut(id as usize) {
            *slot = Some(checker);
        }
        ctx.timers.file(Timer::Check(id), deadline);
    }

    /// Services are compared by what they stand for, servers by address and port, checks by their settings: what is
    /// the same goes on as it was.
    pub fn reload(&mut self, old: &Config, ctx: &mut Ctx) {
        type Place = (ServiceKey, Endpoint);
        let place = |conf: &Config, c: &Checker| -> Option<Place> {
            let service = conf.services.get(c.service as usize)?;
            Some((service.key, service.servers.get(c.server as usize)?.at))
        };
        // Checks by the server they belong to.
        let mut checks: BTreeMap<Place, Vec<u32>> = BTreeMap::new();
        for (id, c) in self.checkers.iter().enumerate() {
            if let Some(at) = c.as_ref().and_then(|c| place(old, c)) {
                checks.entry(at).or_default().push(id as u32);
            }
        }
        let states = std::mem::take(&mut self.services);
        let mut before: BTreeMap<ServiceKey, (ServiceState, &Service)> = states
            .into_iter()
            .zip(&old.services)
            .filter(|(_, c)| c.is_served())
            .map(|(s, c)| (c.key, (s, c)))
            .collect();
        for (s, conf) in ctx.conf.services.iter().enumerate() {
            if !conf.is_served() {
                self.services.push(ServiceState::default());
                continue;
            }
            let was = before.remove(&conf.key);
            let (mut state, fresh) = match &was {
                Some((w, _)) => {
                    (ServiceState { quorum_up: w.quorum_up, claims: w.claims.clone(), ..Default::default() }, false)
                }
                None => (ServiceState::default(), true),
            };
            let mut weights: BTreeMap<Endpoint, Option<u32>> = BTreeMap::new();
            if let Some((w, c)) = &was {
                weights = w.servers.iter().zip(&c.servers).map(|(s, c)| (c.at, s.weight)).collect();
            }
            for (r, server) in conf.servers.iter().enumerate() {
                let weight = weights.get(&server.at).copied().flatten();
                state.servers.push(ServerState { failed: 0, weight });
                let mut ids = checks.remove(&(conf.key, server.at)).unwrap_or_default();
                let was_check = |c: &Checker| -> Option<&Check> {
                    let service = old.services.get(c.service as usize)?;
                    service.servers.get(c.server as usize)?.checks.get(usize::from(c.check))
                };
                for (k, check) in made(server) {
                    let checkers = &self.checkers;
                    let same = ids.iter().position(|id| {
                        checkers.get(*id as usize).and_then(|c| c.as_ref()).and_then(was_check) == Some(check)
                    });
                    match same.map(|n| ids.swap_remove(n)) {
                        Some(id) => {
                            if let Some(Some(c)) = self.checkers.get_mut(id as usize) {
                                (c.service, c.server, c.check) = (s as u32, r as u32, k as u16);
                                if let Some(server) = state.servers.last_mut().filter(|_| c.failed) {
                                    server.failed += 1;
                                }
                            }
                        }
                        None => {
                            if let Some(server) = state.servers.last_mut() {
                                self.begin_check((s, r, k), check, server, ctx);
                            }
                        }
                    }
                }
                for id in ids {
                    self.drop_check(id, ctx);
                }
            }
            tell_first(&state, conf, |at| !weights.contains_key(&at), ctx);
            if fresh {
                self.first_quorum(&mut state, conf, ctx);
            }
            self.services.push(state);
            ctx.dirty.insert(Owner::Service(s));
            if !fresh {
                self.settle_quorum(s, ctx);
            }
        }
        for (mut gone, _) in before.into_values() {
            ctx.table.claim(&mut gone.claims, Vec::new());
        }
        for id in checks.into_values().flatten() {
            self.drop_check(id, ctx);
        }
    }

    fn drop_check(&mut self, id: u32, ctx: &mut Ctx) {
        if let Some(c) = self.checkers.get_mut(id as usize).and_then(|slot| slot.take()) {
            if c.running {
                ctx.out.push(Effect::Abandon(id));
            }
            ctx.timers.file(Timer::Check(id), None);
            self.free.push(id);
        }
    }

    pub fn stop(&mut self, ctx: &mut Ctx) {
        self.running = false;
        for id in 0..self.checkers.len() {
            self.drop_check(id as u32, ctx);
        }
        for (s, (state, conf)) in self.services.iter().zip(&ctx.conf.services).enumerate() {
            if conf.omega {
                for (_, c) in state.servers.iter().zip(&conf.servers).filter(|(server, _)| server.alive()) {
                    tell::server(conf, c.at, c.notify_down(), false, ctx);
                }
                if state.quorum_up {
                    tell::quorum(conf, false, ctx);
                }
            }
            ctx.dirty.insert(Owner::Service(s));
        }
    }

    pub fn due(&mut self, id: u32, ctx: &mut Ctx) {
        if let Some(Some(c)) = self.checkers.get_mut(id as usize) {
            c.start(ctx.now);
            ctx.out.push(Effect::Probe { id, url: usize::from(c.url) });
        }
    }

    /// The settings of a check that is due, and where its server is.
    pub fn check<'a>(&self, id: u32, config: &'a Config) -> Option<(Endpoint, &'a Check)> {
        let c = self.checkers.get(id as usize)?.as_ref()?;
        let server = config.services.get(c.service as usize)?.servers.get(c.server as usize)?;
        Some((server.at, server.checks.get(usize::from(c.check))?))
    }

    pub fn verdict(&mut self, id: u32, verdict: Verdict, ctx: &mut Ctx) {
        let Some(Some(c)) = self.checkers.get_mut(id as usize) else { return };
        let (s, r) = (c.service as usize, c.server as usize);
        let Some(service) = ctx.conf.services.get(s) else { return };
        let Some(server) = service.servers.get(r) else { return };
        let Some(conf) = server.checks.get(usize::from(c.check)) else { return };
        if !c.running {
            return;
        }
        let news = c.verdict(conf, ctx.now, verdict);
        let (deadline, weight) = (c.deadline, c.weight);
        ctx.timers.file(Timer::Check(id), deadline);
        let Some(state) = self.services.get_mut(s).and_then(|x| x.servers.get_mut(r)) else { return };
        let check = conf.kind.name();
        let at = server.at;
        match news {
            News::Same => return,
            News::Try(reason, left) => {
                ctx.told.push(Effect::Note(Note::CheckFailed {
                    server: at,
                    service: service.key,
                    check,
                    reason,
                    left,
                }));
                return;
            }
            News::Weight => state.weight = weight,
            News::Failed(reason, tries) => {
                state.failed += 1;
                if state.failed == 1 {
                    ctx.told.push(Effect::Note(Note::ServerDown {
                        server: at,
                        service: service.key,
                        check,
                        reason,
                        tries,
                    }));
                    tell::server(service, at, server.notify_down(), false, ctx);
                }
            }
            News::Good => {
                state.failed = state.failed.saturating_sub(1);
                state.weight = weight;
                if state.failed == 0 {
                    ctx.told.push(Effect::Note(Note::ServerUp { server: at, service: service.key, check }));
                    tell::server(service, at, server.notify_up(), true, ctx);
                }
            }
        }
        ctx.dirty.insert(Owner::Service(s));
        self.settle_quorum(s, ctx);
    }

    fn settle_quorum(&mut self, s: usize, ctx: &mut Ctx) {
        let (Some(state), Some(conf)) = (self.services.get_mut(s), ctx.conf.services.get(s)) else { return };
        let (service, quorum) = (conf.key, conf.quorum);
        let (sum, change) = (state.sum(conf), state.evaluate(conf));
        let sorry = |used| conf.sorry.as_ref().map(|s| Effect::Note(Note::Sorry { service, server: s.at, used }));
        match change {
            Quorum::Same => {}
            Quorum::Gained => {
                ctx.told.push(Effect::Note(Note::QuorumUp { service, quorum, sum, first: false }));
                ctx.told.extend(sorry(false));
                tell::quorum(conf, true, ctx);
            }
            Quorum::Lost => {
                ctx.told.push(Effect::Note(Note::QuorumDown { service, quorum, sum }));
                ctx.told.extend(sorry(true));
                tell::quorum(conf, false, ctx);
            }
        }
    }

    pub fn desired(&self, s: usize, config: &Config) -> Vec<(Key, Value)> {
        match (self.services.get(s), config.services.get(s)) {
            (Some(state), Some(conf)) if self.running && conf.is_served() => state.desired(conf),
            _ => Vec::new(),
        }
    }

    pub fn server_alive(&self, s: usize, r: usize) -> Option<bool> {
        self.services.get(s)?.servers.get(r).map(|s| s.alive())
    }
}

/// The checks of a server that are made, with their places.
fn made(server: &Server) -> impl Iterator<Item = (usize, &Check)> {
    server.checks.iter().enumerate().filter(|(_, check)| check.kind.is_made())
}

/// Does the configuration name that server of that service?
pub fn names(config: &Service, at: Endpoint) -> bool {
    config.servers.iter().any(|s: &Server| s.at == at) || config.sorry.as_ref().is_some_and(|s| s.at == at)
}

/// rs_init_notifies: that a new server is in use at once is told, too.
fn tell_first(state: &ServiceState, conf: &Service, is_new: impl Fn(Endpoint) -> bool, ctx: &mut Ctx) {
    if !ctx.conf.global.lvs.init_notifies {
        return;
    }
    for (_, c) in state.servers.iter().zip(&conf.servers).filter(|(s, c)| s.alive() && is_new(c.at)) {
        tell::server(conf, c.at, c.notify_up(), true, ctx);
    }
}
