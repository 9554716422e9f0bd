//! Who wins, and whether the rules about it do anything.

use super::super::diagnostic::Level;
use super::view::{Reach, Virtual};
use super::{classes, routers_of, title, Found};

const PRIORITY: &[&str] = &["priority", "state"];

pub fn check(set: &[&Virtual], found: &mut Found) {
    owners(set, found);
    ties(set, found);
    states(set, found);
    nopreempt_and_state(set, found);
    without_effect(set, found);
    weights(set, found);
}

/// The priority while all is well, else as written.
fn rest(v: &Virtual) -> u8 {
    v.reach.map_or(v.conf.priority, |r| r.good)
}

fn written(v: &Virtual) -> String {
    match v.reach {
        Some(Reach { good, .. }) if good != v.conf.priority => format!("{}, with weights {good}", v.conf.priority),
        _ if v.marks.last(&["priority"]).is_none() => format!("{} by default", v.conf.priority),
        _ => v.conf.priority.to_string(),
    }
}

fn owners(set: &[&Virtual], found: &mut Found) {
    let owners: Vec<&Virtual> = set.iter().copied().filter(|v| v.conf.priority == 255).collect();
    if owners.len() > 1 {
        let text = format!("{} has {} owners: {} have priority 255", title(set), owners.len(), routers_of(&owners));
        let default = owners.iter().any(|v| v.marks.last(&["priority"]).is_none());
        let why = if default { "'state MASTER' without 'priority' is 255; " } else { "" };
        let help = format!("{why}one router at most is owner; the others begin as master beside it: write 1 to 254");
        let places = owners.iter().map(|v| v.place(PRIORITY, written(v))).collect();
        found.say(Level::Error, "peer-owners", text, help, places);
    }
}

fn ties(set: &[&Virtual], found: &mut Found) {
    if set.iter().any(|v| v.reach.is_none()) {
        return;
    }
    for (priority, same) in classes(set, rest) {
        if same.len() < 2 || same.iter().all(|v| v.conf.priority == 255) {
            continue;
        }
        let text = format!("{} have the same priority {priority} for {}", routers_of(&same), title(set));
        let known: Option<Vec<_>> = same.iter().map(|v| Some((v.source?, v.router))).collect();
        let winner = match known.and_then(|k| k.into_iter().max()) {
            Some((ip, router)) => format!("{router} wins by its higher address {ip}"),
            None => "the higher address of the interfaces wins".to_string(),
        };
        let help = format!("when they begin at once {winner}; give each its own priority");
        // With nopreempt everywhere this is a usual way to have no favourite.
        let level = if same.iter().all(|v| v.conf.nopreempt) { Level::Hint } else { Level::Warning };
        let places = same.iter().map(|v| v.place(PRIORITY, written(v))).collect();
        found.say(level, "peer-priority", text, help, places);
    }
}

/// The one with the highest priority while all is well, if it is alone.
fn favourite<'v>(set: &[&'v Virtual<'v>]) -> Option<&'v Virtual<'v>> {
    if set.iter().any(|v| v.reach.is_none()) {
        return None;
    }
    let best = set.iter().map(|v| rest(v)).max()?;
    match set.iter().filter(|v| rest(v) == best).collect::<Vec<_>>().as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

fn states(set: &[&Virtual], found: &mut Found) {
    let wanting: Vec<&Virtual> = set.iter().copied().filter(|v| v.conf.want_master).collect();
    if wanting.len() > 1 && wanting.iter().any(|v| v.conf.priority != 255) {
        let text = format!("{} have 'state MASTER' for {}", routers_of(&wanting), title(set));
        let places = wanting.iter().map(|v| v.place(&["state"], "MASTER")).collect();
        found.say(Level::Hint, "peer-state", text, "the priority alone decides who is master", places);
        return;
    }
    let (Some(best), [one]) = (favourite(set), wanting.as_slice()) else { return };
    if one.file != best.file && !best.conf.nopreempt {
        let (name, better) = (one.router, best.router);
        let text = format!("'state MASTER' of {} stands in {name}, yet {better} has the higher priority", title(set));
        let help = format!("the priority decides: {better} becomes master");
        let priorities = [*one, best].map(|v| v.place(PRIORITY, format!("priority {}", written(v))));
        let places = [one.place(&["state"], "MASTER")].into_iter().chain(priorities).collect();
        found.say(Level::Warning, "peer-state", text, help, places);
    }
}

fn nopreempt_and_state(set: &[&Virtual], found: &mut Found) {
    for v in set.iter().filter(|v| v.conf.want_master && v.conf.priority != 255 && v.has_nopreempt_line()) {
        let lower: Vec<&Virtual> = set.iter().copied().filter(|o| certainly_below(o, v)).collect();
        if lower.is_empty() {
            continue;
        }
        let text =
            format!("{} takes '{}' back from {} in spite of 'nopreempt'", v.router, v.conf.name, routers_of(&lower));
        let places = vec![v.place(&["nopreempt"], "not used"), v.place(&["state"], "because of this")];
        found.say(Level::Warning, "peer-nopreempt", text, "write 'state BACKUP' on all routers", places);
    }
}

fn certainly_below(low: &Virtual, high: &Virtual) -> bool {
    matches!((low.reach, high.reach), (Some(l), Some(h)) if l.highest < h.lowest)
}

/// nopreempt and preempt_delay on a router that can preempt nobody, while one above it goes without.
fn without_effect(set: &[&Virtual], found: &mut Found) {
    for word in ["nopreempt", "preempt_delay"] {
        let has = |v: &Virtual| match word {
            "nopreempt" => v.conf.nopreempt,
            _ => !v.conf.preempt_delay.is_zero(),
        };
        for v in set.iter().filter(|v| has(v)) {
            let others: Vec<&Virtual> = set.iter().copied().filter(|o| o.file != v.file).collect();
            if !others.iter().all(|o| certainly_below(v, o)) || others.iter().any(|o| has(o) || o.has_nopreempt_line())
            {
                continue;
            }
            let text = format!(
                "'{word}' of '{}' has no effect in {}: {} higher",
                v.conf.name,
                v.router,
                match others.as_slice() {
                    [one] => format!("{} is always", one.router),
                    _ => "all the others are always".into(),
                }
            );
            let help =
                format!("it is for the router that comes back with the higher priority: {}", routers_of(&others));
            let mut places = vec![v.place(&[word], word)];
            places.extend(others.iter().map(|o| o.place(PRIORITY, format!("priority {}", written(o)))));
            found.say(Level::Warning, "peer-preempt", text, help, places);
        }
    }
}

/// Weights that lower the master, and yet nobody takes over.
fn weights(set: &[&Virtual], found: &mut Found) {
    let known: Option<Vec<(&Virtual, Reach)>> = set.iter().map(|v| Some((*v, v.reach?))).collect();
    let Some(known) = known else { return };
    let top = known.iter().map(|(_, r)| r.good).max();
    for (master, reach) in known.iter().filter(|(_, r)| Some(r.good) == top && r.weights > 0) {
        // With all that is tracked failing it is as low as it ever gets; an equal one does not take over.
        if reach.bad != reach.lowest {
            continue;
        }
        let others = || known.iter().filter(|(o, _)| o.file != master.file);
        let above: Vec<&Virtual> = others().filter(|(_, r)| r.highest > reach.bad).map(|(o, _)| *o).collect();
        let base = master.conf.priority;
        let mut places = vec![master.place(PRIORITY, format!("{base}; {} when all that it tracks fails", reach.bad))];
        if above.is_empty() {
            let best = others().map(|(_, r)| r.highest).max().unwrap_or(0);
            places.extend(others().map(|(o, _)| o.place(PRIORITY, written(o))));
            let text = format!(
                "weights of {} cannot bring {} below the others: {} at the lowest, they have at most {best}",
                title(&[*master]),
                master.router,
                reach.bad
            );
            let help = match base {
                255 => "what it tracks with a weight may fail, and it stays master: priority 255 never changes",
                _ => {
                    "what it tracks with a weight may fail, and it stays master: give larger weights, or priorities \
                     nearer to each other"
                }
            };
            found.say(Level::Warning, "peer-weight", text, help, places);
        } else if above.iter().all(|o| o.conf.nopreempt) {
            let text = format!(
                "weights of {} bring {} down to {}, yet 'nopreempt' keeps {} from taking over",
                title(&[*master]),
                master.router,
                reach.bad,
                routers_of(&above)
            );
            places.extend(above.iter().map(|o| o.place(&["nopreempt"], "it waits while any master sends")));
            let help = "what it tracks with a weight may fail, and it stays master: give no weight (a failure is \
                        FAULT then), or no nopreempt";
            found.say(Level::Warning, "peer-weight", text, help, places);
        }
    }
}
