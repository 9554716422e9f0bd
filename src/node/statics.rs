//! What is there as long as the daemon runs, whoever is MASTER: static_ipaddress, static_routes, static_rules.

use super::links::Links;
use super::objects;
use crate::base::addr::IfName;
use crate::config::model::{Config, Vip};
use crate::wire::op::{Key, Value};

#[derive(Default)]
pub struct Statics {
    pub claims: Vec<Key>,
}

/// What the kernel should hold.
pub fn desired(conf: &Config, links: &Links) -> Vec<(Key, Value)> {
    let statics = &conf.statics;
    let address = |vip: &Vip| links.get(dev(vip, conf)).map(|link| objects::address(vip, link.ifindex));
    let addresses = statics.addresses.iter().filter_map(address);
    let routes = statics.routes.iter().filter_map(|route| objects::route(route, links));
    addresses.chain(routes).chain(statics.rules.iter().map(objects::rule)).collect()
}

pub fn dev<'a>(vip: &'a Vip, conf: &'a Config) -> &'a IfName {
    vip.dev.as_ref().unwrap_or(&conf.global.default_interface)
}

/// Does anything static need one of these interfaces?
pub fn uses(conf: &Config, names: &[IfName]) -> bool {
    let statics = &conf.statics;
    let routes = statics.routes.iter().flat_map(objects::links_of_route);
    let mut all = statics.addresses.iter().map(|vip| dev(vip, conf)).chain(routes);
    all.any(|name| names.contains(name))
}

/// The interfaces of static things whose track_group has that instance.
fn tracked(instance: usize, conf: &Config) -> impl Iterator<Item = &IfName> {
    let member = move |group: Option<usize>| {
        group.and_then(|g| conf.track_groups.get(g)).is_some_and(|g| g.members.contains(&instance))
    };
    let statics = &conf.statics;
    let addresses = statics.addresses.iter().filter(move |v| !v.no_track && member(v.track_group));
    let routes = statics.routes.iter().filter(move |r| !r.no_track && member(r.track_group));
    let rules = statics.rules.iter().filter(move |r| !r.no_track && member(r.track_group));
    let links = routes.flat_map(objects::links_of_route).chain(rules.flat_map(objects::links_of_rule));
    addresses.map(|vip| dev(vip, conf)).chain(links)
}

/// Does the instance track something static on that interface?
pub fn watches(instance: usize, name: &IfName, conf: &Config) -> bool {
    !conf.track_groups.is_empty() && tracked(instance, conf).any(|n| n == name)
}

/// Why the instance cannot take part, if something static that it tracks is the reason.
pub fn fault(instance: usize, conf: &Config, links: &Links) -> Option<Box<str>> {
    if conf.track_groups.is_empty() {
        return None;
    }
    tracked(instance, conf).find_map(|name| match links.get(name) {
        None => Some(format!("interface {name} does not exist").into()),
        Some(link) if !link.up => Some(format!("interface {name} is down").into()),
        Some(_) => None,
    })
}

/// Who minds that this is taken away again and again.
pub fn members(key: &Key, conf: &Config, links: &Links) -> Vec<usize> {
    let statics = &conf.statics;
    let is = |object: Option<(Key, Value)>| object.is_some_and(|(k, _)| k == *key);
    let address = |vip: &&Vip| is(links.get(dev(vip, conf)).map(|link| objects::address(vip, link.ifindex)));
    let group = match key {
        Key::Address(_) => statics.addresses.iter().find(address).and_then(|v| v.track_group),
        Key::Route(_) => statics.routes.iter().find(|r| is(objects::route(r, links))).and_then(|r| r.track_group),
        Key::Rule(_) => statics.rules.iter().find(|r| is(Some(objects::rule(r)))).and_then(|r| r.track_group),
        _ => None,
    };
    group.and_then(|g| conf.track_groups.get(g)).map(|g| g.members.clone()).unwrap_or_default()
}
