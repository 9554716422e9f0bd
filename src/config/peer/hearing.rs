//! Whether the routers hear each other, and understand what they hear: in the order in which an advert is checked.

use super::super::diagnostic::Level;
use super::super::lexer::Span;
use super::view::{Auth, Hmac, HmacMode, Place, Virtual};
use super::{and, classes, masters, places, routers_of, said, title, Found};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub fn check(set: &[&Virtual], found: &mut Found) {
    vrid(set, found);
    if version(set, found) {
        authentication(set, found);
        hmac(set, found);
        interval(set, found);
    }
    ways(set, found);
    virtual_addresses(set, found);
    accepting(set, found);
}

fn vrid(set: &[&Virtual], found: &mut Found) {
    let classes = classes(set, |v| v.conf.vrid.to_string());
    if classes.len() > 1 {
        let text = format!("virtual_router_id of {} differs: {}", title(set), said(&classes));
        let help = format!("each hears only its own VRID: {}", masters(set));
        found.say(Level::Error, "peer-vrid", text, help, places(&classes, &["virtual_router_id"]));
    }
}

/// True: they speak the same.
fn version(set: &[&Virtual], found: &mut Found) -> bool {
    let classes = classes(set, |v| v.version.to_string());
    if classes.len() > 1 {
        let text = format!("VRRP version of {} differs: {}", title(set), said(&classes));
        let help = format!("adverts of another version are dropped: {}", masters(set));
        found.say(Level::Error, "peer-version", text, help, places(&classes, &["version", "vrrp_version"]));
    }
    classes.len() == 1
}

fn interval(set: &[&Virtual], found: &mut Found) {
    let v2 = set.iter().all(|v| v.is_v2());
    // Version 3 sends hundredths of a second.
    let interval = |v: &Virtual| match v.is_v2() {
        true => v.conf.advert_int.as_secs() as f64,
        false => v.conf.advert_int.as_millis().div_euclid(10) as f64 / 100.0,
    };
    let classes = classes(set, |v| format!("{} s", interval(v)));
    if classes.len() < 2 {
        return;
    }
    let text = format!("advert_int of {} differs: {}", title(set), said(&classes));
    let places = places(&classes, &["advert_int"]);
    if v2 {
        let help = format!("version 2 drops adverts of another interval: {}", masters(set));
        found.say(Level::Error, "peer-advert-int", text, help, places);
    } else {
        let help = "version 3 takes the interval of whoever is master: a takeover takes longer or shorter by turns";
        found.say(Level::Warning, "peer-advert-int", text, help, places);
    }
}

fn authentication(set: &[&Virtual], found: &mut Found) {
    let plain = |v: &&Virtual| v.hmac.is_none() && !v.hmac_unclear && v.is_v2() && !v.strict;
    if !set.iter().all(plain) {
        return;
    }
    let kinds = classes(set, |v| {
        let kind = match v.auth {
            Auth::None => "nothing",
            Auth::Pass(_) => "PASS",
            Auth::Ah(_) => "AH",
        };
        kind.to_string()
    });
    let drops = |what: &str| format!("{what}: {}", masters(set));
    if kinds.len() > 1 {
        let text = format!("authentication of {} differs: {}", title(set), said(&kinds));
        let help = drops("adverts with another kind of authentication are dropped");
        let places = places(&kinds, &["auth_type", "authentication"]);
        found.secret(Level::Error, "peer-auth", text, &help, places);
        return;
    }
    let here = |what: &str| set.iter().map(|v| v.place(&["auth_pass", "authentication"], what)).collect();
    let keys = classes(set, |v| v.auth);
    if keys.len() > 1 {
        let who: Vec<String> = keys.iter().map(|(_, set)| routers_of(set)).collect();
        let text = format!("auth_pass of {} is not the same in {}", title(set), and(&who));
        let help = drops("adverts with another password are dropped");
        found.secret(Level::Error, "peer-auth", text, &help, here("another password"));
        return;
    }
    let words = classes(set, |v| v.marks.last(&["auth_pass"]).and_then(|m| m.first()).map(str::to_string));
    if words.len() > 1 && set.iter().all(|v| v.auth != Auth::None) {
        let text = format!("passwords of {} are the same only in their first 8 bytes", title(set));
        let help = "only these count, so the routers hear each other; write the same 8 bytes everywhere";
        found.secret(Level::Warning, "peer-auth", text, help, here("a password that is cut"));
    }
}

fn hmac(set: &[&Virtual], found: &mut Found) {
    if set.iter().any(|v| v.hmac_unclear) {
        return;
    }
    let signing: Vec<(&Virtual, &Hmac)> = set.iter().filter_map(|v| Some((*v, v.hmac.as_ref()?))).collect();
    for (hearer, own) in &signing {
        let unsigned: Vec<&Virtual> = set.iter().copied().filter(|v| !signs(v)).collect();
        if own.mode == HmacMode::Enforce && !unsigned.is_empty() {
            let names = routers_of(&unsigned);
            let text = format!("{} takes only signed adverts of {}; {names} sends none", hearer.router, title(set));
            let help = format!(
                "it drops what is not signed, and becomes master beside {names}; write mode permissive until all sign"
            );
            let mut places = vec![hearer.place(&["mode", "auth_hmac"], "signed only")];
            places.extend(unsigned.iter().map(|v| v.place(&["mode", "auth_hmac"], "not signed")));
            found.secret(Level::Error, "peer-auth-hmac", text, &help, places);
        }
    }
    // One key with two values is one mistake, and not two.
    let mut told: Vec<(u8, usize, usize)> = Vec::new();
    for (sender, own) in signing.iter().filter(|(_, h)| h.mode != HmacMode::ReceiveOnly) {
        let (id, key) = &own.active;
        let deaf = signing.iter().filter(|(v, other)| {
            !knows(other, *id, key) && !told.contains(&(*id, sender.file.min(v.file), sender.file.max(v.file)))
        });
        let deaf: Vec<&Virtual> = deaf.map(|(v, _)| *v).collect();
        told.extend(deaf.iter().map(|v| (*id, sender.file.min(v.file), sender.file.max(v.file))));
        if deaf.is_empty() {
            continue;
        }
        let text = format!(
            "{} signs adverts of {} with key {id}, which {} has not, or with another value",
            sender.router,
            title(set),
            routers_of(&deaf)
        );
        let mut places = vec![sender.place(&["active_key", "key", "auth_hmac"], "it signs with this")];
        places.extend(deaf.iter().map(|v| v.place(&["key", "auth_hmac"], "the keys here")));
        let help = format!(
            "what cannot be verified is dropped: {} becomes master beside {}",
            routers_of(&deaf),
            sender.router
        );
        found.secret(Level::Error, "peer-auth-hmac", text, &help, places);
    }
}

fn signs(v: &Virtual) -> bool {
    v.hmac.as_ref().is_some_and(|h| h.mode != HmacMode::ReceiveOnly)
}

/// A key in another file cannot be compared: taken as the same.
fn knows(hmac: &Hmac, id: u8, key: &Option<Vec<u8>>) -> bool {
    hmac.keys.iter().any(|(other, value)| *other == id && (value.is_none() || key.is_none() || value == key))
}

/// Multicast or unicast, and whether the one goes where the other listens.
fn ways(set: &[&Virtual], found: &mut Found) {
    let ways = classes(set, |v| if v.peers.is_some() { "unicast" } else { "multicast" }.to_string());
    if ways.len() > 1 {
        let text = format!("{} uses unicast on one side only: {}", title(set), said(&ways));
        let help = format!("each drops what comes the other way: {}", masters(set));
        found.say(Level::Error, "peer-unicast", text, help, places(&ways, &["unicast_peer"]));
        return;
    }
    same_source(set, found);
    if set.iter().all(|v| v.peers.is_some()) {
        reciprocal(set, found);
        return;
    }
    let groups = classes(set, |v| v.group.to_string());
    if groups.len() > 1 {
        let text = format!("multicast group of {} differs: {}", title(set), said(&groups));
        let help = format!("each listens to its own group: {}", masters(set));
        found.say(
            Level::Error,
            "peer-mcast-group",
            text,
            help,
            places(&groups, &["mcast_dst_ip", "vrrp_mcast_group4", "vrrp_mcast_group6"]),
        );
    }
}

const SOURCE: &[&str] = &["unicast_src_ip", "mcast_src_ip"];

fn same_source(set: &[&Virtual], found: &mut Found) {
    for (source, same) in classes(set, |v| v.source) {
        let (Some(ip), true) = (source, same.len() > 1) else { continue };
        let text = format!("{} send adverts of {} from the same address {ip}", routers_of(&same), title(set));
        let help = "an address belongs to one router: write each one's own";
        let places = same.iter().map(|v| v.place(SOURCE, ip.to_string())).collect();
        // With unicast it cannot work at all.
        let level = if same.iter().any(|v| v.peers.is_some()) { Level::Error } else { Level::Warning };
        found.say(level, "peer-source", text, help, places);
    }
}

fn reciprocal(set: &[&Virtual], found: &mut Found) {
    for v in set {
        let Some(source) = v.source else { continue };
        let lists = |other: &Virtual| other.peers.iter().flatten().find(|(ip, _)| *ip == source).map(|(_, at)| *at);
        if let Some(at) = lists(v) {
            let text = format!("{} lists itself as a peer of '{}'", v.router, v.conf.name);
            let places = vec![(v.file, at, source.to_string().into()), v.place(&["unicast_src_ip"], "its own source")];
            found.say(Level::Warning, "peer-unicast", text, "it sends adverts to itself; remove the line", places);
        }
        let silent = |o: &&Virtual| o.file != v.file && !o.peers_unclear && lists(o).is_none();
        let silent: Vec<&Virtual> = set.iter().copied().filter(silent).collect();
        if silent.is_empty() || same_as_another(v, set) {
            continue;
        }
        let who = if silent.len() + 1 == set.len() && set.len() > 2 { "none".into() } else { routers_of(&silent) };
        let does = match (who.as_str(), silent.len()) {
            ("none", _) => "no other router lists it",
            (_, 1) => "does not list it",
            _ => "do not list it",
        };
        let subject = if who == "none" { String::new() } else { format!("{who} ") };
        let text = format!("{} sends adverts of {} from {source}, yet {subject}{does}", v.router, title(set));
        let mut places: Vec<Place> = vec![v.place(&["unicast_src_ip"], source.to_string())];
        places.extend(silent.iter().map(|o| o.place(&["unicast_peer"], format!("peers without {source}"))));
        let others = routers_of(&silent);
        let help = format!("{} does not hear {others} as master, and becomes master beside it", v.router);
        found.say(Level::Error, "peer-unicast", text, help, places);
    }
}

/// That was said, and says more.
fn same_as_another(v: &Virtual, set: &[&Virtual]) -> bool {
    set.iter().any(|o| o.file != v.file && o.source == v.source)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Advertised(u8),
    Excluded(u8),
}

fn held(v: &Virtual) -> BTreeMap<IpAddr, Held> {
    let excluded = v.conf.excluded.iter().map(|vip| (vip.net.addr, Held::Excluded(vip.net.len)));
    excluded.chain(v.conf.vips.iter().map(|vip| (vip.net.addr, Held::Advertised(vip.net.len)))).collect()
}

const VIPS: [&str; 2] = ["virtual_ipaddress", "virtual_ipaddress_excluded"];

/// The line of an address.
fn line(v: &Virtual, ip: IpAddr) -> Option<Span> {
    let same = |word: &str| word.split('/').next().and_then(|w| w.parse::<IpAddr>().ok()) == Some(ip);
    VIPS.iter().find_map(|list| v.marks.lines(list).find(|m| m.first().is_some_and(same)).map(|m| m.span))
}

fn at_line(v: &Virtual, ip: IpAddr, what: String) -> Place {
    (v.file, line(v, ip).unwrap_or(v.at(&VIPS)), what.into())
}

/// The same addresses, listed in another order.
fn order(set: &[&Virtual], found: &mut Found) {
    let list = |v: &Virtual| v.conf.vips.iter().map(|vip| vip.net.addr.to_string()).collect::<Vec<_>>().join(" ");
    let sorted = |v: &Virtual| {
        let mut all: Vec<IpAddr> = v.conf.vips.iter().map(|vip| vip.net.addr).collect();
        all.sort();
        all
    };
    let mut sets = set.iter().map(|v| sorted(v));
    let first = sets.next();
    if !sets.all(|s| Some(&s) == first.as_ref()) {
        return;
    }
    let classes = classes(set, list);
    if classes.len() > 1 {
        let text = format!("addresses of {} stand in another order: {}", title(set), said(&classes));
        let help = "the first address of a subnet is the one that connections of the router itself come from, so \
                    that changes with the master; some other routers take adverts with another order for wrong";
        found.say(Level::Hint, "peer-address-order", text, help, places(&classes, &VIPS));
    }
}

fn virtual_addresses(set: &[&Virtual], found: &mut Found) {
    let tables: Vec<(&Virtual, BTreeMap<IpAddr, Held>)> = set.iter().map(|v| (*v, held(v))).collect();
    let mut all: Vec<IpAddr> = tables.iter().flat_map(|(_, t)| t.keys().copied()).collect();
    all.sort();
    all.dedup();
    // Addresses by the routers that lack them.
    let mut lacking: Vec<(Vec<usize>, Vec<IpAddr>)> = Vec::new();
    for ip in all {
        let absent: Vec<usize> = tables.iter().filter(|(_, t)| !t.contains_key(&ip)).map(|(v, _)| v.file).collect();
        if absent.is_empty() {
            lists_and_lengths(&tables, ip, set, found);
            continue;
        }
        match lacking.iter_mut().find(|(files, _)| *files == absent) {
            Some((_, list)) => list.push(ip),
            None => lacking.push((absent, vec![ip])),
        }
    }
    if lacking.is_empty() {
        return order(set, found);
    }
    let mut parts = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for (files, list) in &lacking {
        let absent: Vec<&Virtual> = set.iter().copied().filter(|v| files.contains(&v.file)).collect();
        let verb = if list.len() == 1 { "is" } else { "are" };
        parts.push(format!("{} {verb} missing in {}", some(list), routers_of(&absent)));
        if let (Some(ip), Some(has)) = (list.first(), set.iter().find(|v| !files.contains(&v.file))) {
            places.push(at_line(has, *ip, format!("{ip} is here")));
        }
        places.extend(absent.iter().map(|v| v.place(&VIPS, format!("without {}", some(list)))));
    }
    let advertised = |ip: &IpAddr| tables.iter().any(|(_, t)| matches!(t.get(ip), Some(Held::Advertised(_))));
    let in_adverts = lacking.iter().flat_map(|(_, list)| list).any(advertised);
    let level = if in_adverts { Level::Error } else { Level::Warning };
    let text = format!("addresses of {} differ: {}", title(set), parts.join(", "));
    let help = "nobody holds an address while a router without it is master";
    found.say(level, "peer-addresses", text, help, places);
}

/// An address that all have.
fn lists_and_lengths(tables: &[(&Virtual, BTreeMap<IpAddr, Held>)], ip: IpAddr, set: &[&Virtual], found: &mut Found) {
    let of = |v: &Virtual| tables.iter().find(|(o, _)| o.file == v.file).and_then(|(_, t)| t.get(&ip).copied());
    let lengths = classes(set, |v| match of(v) {
        Some(Held::Advertised(len) | Held::Excluded(len)) => format!("/{len}"),
        None => String::new(),
    });
    let places = |classes: &[(String, Vec<&Virtual>)]| {
        let each = classes.iter().flat_map(|(value, set)| set.iter().map(|v| at_line(v, ip, value.clone())));
        let mut places: Vec<Place> = each.collect();
        places.sort_by_key(|p| p.0);
        places
    };
    if lengths.len() > 1 {
        let text = format!("prefix length of {ip} in {} differs: {}", title(set), said(&lengths));
        let help = "the network of this address on the interface depends on who is master; write it the same";
        found.say(Level::Warning, "peer-prefix", text, help, places(&lengths));
    }
    let lists = classes(set, |v| {
        let word = match of(v) {
            Some(Held::Excluded(_)) => "virtual_ipaddress_excluded",
            _ => "virtual_ipaddress",
        };
        word.to_string()
    });
    if lists.len() > 1 {
        let text = format!("{ip} of {} is not in the same list: {}", title(set), said(&lists));
        let help = "it moves with the master, yet the address lists in adverts differ, which is logged";
        found.say(Level::Warning, "peer-addresses", text, help, places(&lists));
    }
}

/// Not more than a line of them.
fn some(list: &[IpAddr]) -> String {
    let mut words: Vec<String> = list.iter().take(4).map(|ip| ip.to_string()).collect();
    if list.len() > 4 {
        words.push(format!("{} more", list.len() - 4));
    }
    and(&words)
}

fn accepting(set: &[&Virtual], found: &mut Found) {
    let strict = classes(set, |v| if v.strict { "on" } else { "off" }.to_string());
    if strict.len() > 1 {
        let text = format!("strict rules of {} are not the same: {}", title(set), said(&strict));
        let help = "what the strict one refuses the other one does; write vrrp_strict or strict_mode the same";
        found.say(Level::Warning, "peer-strict", text, help, places(&strict, &["strict_mode", "vrrp_strict"]));
        return;
    }
    // An owner accepts in any case.
    let others: Vec<&Virtual> = set.iter().copied().filter(|v| v.conf.priority != 255).collect();
    let accept = classes(&others, |v| if v.accept { "accept" } else { "no_accept" }.to_string());
    if accept.len() > 1 {
        let text = format!("{} does not answer the same on its addresses: {}", title(set), said(&accept));
        let help = "whether packets to the addresses themselves are taken depends on who is master";
        found.say(Level::Warning, "peer-accept", text, help, places(&accept, &["accept", "no_accept"]));
    }
}
