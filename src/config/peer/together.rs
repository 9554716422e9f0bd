//! What binds several instances: sync groups, and the connection sync daemon.

use super::super::diagnostic::Level;
use super::super::keywords::Block;
use super::super::lexer::Span;
use super::view::{Place, Router, Virtual};
use super::{and, Found};
use std::collections::BTreeSet;

/// The number of the set that an instance of a router is in.
fn set_of(sets: &[Vec<&Virtual>], file: usize, index: usize) -> Option<usize> {
    sets.iter().position(|s| s.iter().any(|v| v.file == file && v.index == index))
}

/// A router's groups as sets of virtual routers.
fn groups(router: &Router, sets: &[Vec<&Virtual>]) -> Vec<BTreeSet<usize>> {
    let of = |members: &[usize]| members.iter().filter_map(|n| set_of(sets, router.file, *n)).collect();
    router.config.groups.iter().map(|g| of(&g.members)).collect()
}

/// Each chain of groups that overlap is compared by itself, among the routers that have all its virtual routers.
pub fn sync_groups(routers: &[Router], sets: &[Vec<&Virtual>], found: &mut Found) {
    let all: Vec<(&Router, Vec<BTreeSet<usize>>)> = routers.iter().map(|r| (r, groups(r, sets))).collect();
    let shared = |n: &usize| sets.get(*n).is_some_and(|s| s.len() > 1);
    let mut chains: Vec<BTreeSet<usize>> = Vec::new();
    for group in all.iter().flat_map(|(_, g)| g) {
        let mut chain: BTreeSet<usize> = group.iter().copied().filter(shared).collect();
        chains.retain(|c| {
            let apart = c.is_disjoint(&chain);
            if !apart {
                chain.extend(c);
            }
            apart
        });
        if chain.len() > 1 {
            chains.push(chain);
        }
    }
    for chain in &chains {
        let has = |file: usize, n: &usize| sets.get(*n).is_some_and(|s| s.iter().any(|v| v.file == file));
        let able: Vec<&(&Router, Vec<BTreeSet<usize>>)> =
            all.iter().filter(|(r, _)| chain.iter().all(|n| has(r.file, n))).collect();
        differing_groups(&able, chain, sets, found);
        fighting_priorities(&able, sets, chain, found);
    }
}

fn differing_groups(
    able: &[&(&Router, Vec<BTreeSet<usize>>)],
    chain: &BTreeSet<usize>,
    sets: &[Vec<&Virtual>],
    found: &mut Found,
) {
    // What holds together, by router; a group of one holds nothing.
    let mut values: Vec<(Vec<BTreeSet<usize>>, Vec<&Router>)> = Vec::new();
    for (router, groups) in able {
        let parts = groups.iter().map(|g| g.intersection(chain).copied().collect::<BTreeSet<usize>>());
        let mut value: Vec<BTreeSet<usize>> = parts.filter(|g| g.len() > 1).collect();
        value.sort();
        match values.iter_mut().find(|v| v.0 == value) {
            Some(same) => same.1.push(router),
            None => values.push((value, vec![router])),
        }
    }
    if values.len() < 2 {
        return;
    }
    let mut parts = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for (value, routers) in &values {
        for router in routers {
            places.extend(place(router, value, chain, sets));
        }
        let names: Vec<&str> = routers.iter().map(|r| r.name).collect();
        let file = routers.first().map_or(0, |r| r.file);
        let what: Vec<String> = value.iter().map(|g| and(&members(g, file, sets))).collect();
        let verb = if names.len() == 1 { "keeps" } else { "keep" };
        match what.is_empty() {
            true => parts.push(format!("{} {verb} none of them together", and(&names))),
            false => parts.push(format!("{} {verb} {} together", and(&names), what.join("; "))),
        }
    }
    places.sort_by_key(|p| p.0);
    let text = format!("sync groups differ: {}", parts.join(", "));
    let help = "the group splits: one router moves together what another one moves apart";
    found.say(Level::Error, "peer-sync-group", text, help, places);
}

/// The names that a router has for virtual routers.
fn members(group: &BTreeSet<usize>, file: usize, sets: &[Vec<&Virtual>]) -> Vec<String> {
    let of = |n: &usize| sets.get(*n).and_then(|s| s.iter().find(|v| v.file == file));
    group.iter().filter_map(of).map(|v| format!("'{}'", v.conf.name)).collect()
}

/// The group's block, else the first instance that is in none.
fn place(router: &Router, value: &[BTreeSet<usize>], chain: &BTreeSet<usize>, sets: &[Vec<&Virtual>]) -> Option<Place> {
    let first = chain.first().and_then(|n| sets.get(*n)).and_then(|s| s.iter().find(|v| v.file == router.file))?;
    let group = value.first().and_then(|wanted| {
        let config = router.config.groups.iter();
        let is = |members: &[usize]| {
            members.iter().filter_map(|n| set_of(sets, router.file, *n)).any(|n| wanted.contains(&n))
        };
        let group = config.clone().find(|g| is(&g.members))?;
        let block = router.marks.named(Block::Group, &group.name)?;
        Some((router.file, block.span, format!("group '{}'", group.name).into()))
    });
    Some(group.unwrap_or_else(|| (router.file, first.marks.span, "in no such group".into())))
}

/// One router is better in one member, another one in another: no router can win the whole group.
fn fighting_priorities(
    able: &[&(&Router, Vec<BTreeSet<usize>>)],
    sets: &[Vec<&Virtual>],
    chain: &BTreeSet<usize>,
    found: &mut Found,
) {
    let together = |groups: &[BTreeSet<usize>]| groups.iter().any(|g| chain.is_subset(g));
    if able.len() < 2 || !able.iter().all(|(_, groups)| together(groups)) {
        return;
    }
    let of = |n: &usize, file: usize| sets.get(*n).and_then(|s| s.iter().find(|v| v.file == file).copied());
    for (at, (a, _)) in able.iter().enumerate() {
        for (b, _) in able.iter().skip(at + 1) {
            let pairs: Vec<(&Virtual, &Virtual)> =
                chain.iter().filter_map(|n| Some((of(n, a.file)?, of(n, b.file)?))).collect();
            let better =
                |x: &Virtual, y: &Virtual| matches!((x.reach, y.reach), (Some(x), Some(y)) if x.lowest > y.highest);
            let first = pairs.iter().find(|(x, y)| better(x, y));
            let second = pairs.iter().find(|(x, y)| better(y, x));
            let (Some((a1, b1)), Some((a2, b2))) = (first, second) else { continue };
            let text = format!(
                "{} has the higher priority for '{}', {} for '{}', and both are in one sync group",
                a.name, a1.conf.name, b.name, b2.conf.name
            );
            let help = "no router can win the whole group: give one of them the higher priority in all";
            let each = [a1, a2, b1, b2];
            let places =
                each.iter().map(|v| v.place(&["priority", "state"], format!("priority {}", v.conf.priority))).collect();
            found.say(Level::Error, "peer-sync-group", text, help, places);
        }
    }
}

const SYNC_DAEMON: &[&str] = &["lvs_sync_daemon_interface", "lvs_sync_daemon_inteface"];

fn sync_daemon_at(router: &Router) -> Span {
    if let Some(mark) = router.marks.global("lvs_sync_daemon") {
        return mark.span;
    }
    let mark = router.marks.blocks(Block::Instance).find_map(|b| b.last(SYNC_DAEMON));
    mark.map_or(Span::NOWHERE, |m| m.span)
}

pub fn sync_daemon(routers: &[Router], sets: &[Vec<&Virtual>], found: &mut Found) {
    let with: Vec<(&Router, _)> = routers.iter().filter_map(|r| Some((r, r.config.sync_daemon.as_ref()?))).collect();
    let (Some((first, own)), true) = (with.first(), with.len() > 1) else {
        if let Some((only, _)) = with.first() {
            alone(only, routers, found);
        }
        return;
    };
    let follows = |r: &Router, instance: Option<usize>| instance.and_then(|n| set_of(sets, r.file, n));
    let places = |what: &dyn Fn(&Router) -> String| -> Vec<Place> {
        with.iter().map(|(r, _)| (r.file, sync_daemon_at(r), what(r).into())).collect()
    };
    let id = |r: &Router| r.config.sync_daemon.as_ref().map_or(0, |d| d.id);
    // An id that comes from a VRID that differs: that was said.
    let from_vrid = |r: &Router| {
        let instance = r.config.sync_daemon.as_ref().and_then(|d| d.instance);
        instance.and_then(|n| r.config.instances.get(n)).is_some_and(|i| i.vrid == id(r))
    };
    let same_set = with.iter().all(|(r, d)| follows(r, d.instance) == follows(first, own.instance));
    if with.iter().any(|(_, d)| d.id != own.id) && !(same_set && with.iter().all(|(r, _)| from_vrid(r))) {
        let each: Vec<String> = with.iter().map(|(r, d)| format!("{} has {}", r.name, d.id)).collect();
        let text = format!("the id of lvs_sync_daemon differs: {}", each.join(", "));
        let help = "what has another id is not taken: connections are not known after a takeover";
        found.say(Level::Error, "peer-sync-daemon", text, help, places(&|r| format!("id {}", id(r))));
    }
    let known = with.iter().all(|(r, d)| d.instance.is_none() || follows(r, d.instance).is_some());
    if known && !same_set {
        let name = |r: &Router| {
            let instance = r.config.sync_daemon.as_ref().and_then(|d| d.instance);
            instance.and_then(|n| r.config.instances.get(n)).map_or("no instance".into(), |i| format!("'{}'", i.name))
        };
        let each: Vec<String> = with.iter().map(|(r, _)| format!("{} by {}", r.name, name(r))).collect();
        let text = format!("lvs_sync_daemon does not go by the same instance: {}", each.join(", "));
        let help = "two may send, or none: the roles are right only if one instance decides on all routers";
        found.say(Level::Warning, "peer-sync-daemon", text, help, places(&|r| name(r)));
    }
}

fn alone(only: &Router, routers: &[Router], found: &mut Found) {
    let others: Vec<&str> = routers.iter().filter(|r| r.file != only.file).map(|r| r.name).collect();
    let verb = if others.len() == 1 { "has" } else { "have" };
    let text = format!("{} has lvs_sync_daemon, {} {verb} none", only.name, and(&others));
    let places = vec![(only.file, sync_daemon_at(only), "the only one".into())];
    let help = "connections are sent to nobody: they are not known after a takeover";
    found.say(Level::Warning, "peer-sync-daemon", text, help, places);
}
