//! What the other routers of a domain see of each one: from the model, and from the marks beside it.

use super::super::keywords::Block;
use super::super::lexer::Span;
use super::super::loader::Loaded;
use super::super::marks::{Mark, Marked, Marks};
use super::super::model::{self, Config, Instance};
use crate::base::addr::Family;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A place, and what stands there.
pub type Place = (usize, Span, Box<str>);

/// The file of one router that could be loaded.
pub struct Router<'l> {
    /// Its number among all that were given.
    pub file: usize,
    pub name: &'l str,
    pub config: &'l Config,
    pub marks: &'l Marks,
    pub instances: Vec<Virtual<'l>>,
    /// Instances that are written there and, being wrong, not used.
    pub unused: Vec<&'l Marked>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    None,
    Pass([u8; 8]),
    Ah([u8; 8]),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum HmacMode {
    Enforce,
    Permissive,
    ReceiveOnly,
}

/// auth_hmac.
pub struct Hmac {
    /// Id and key; None: it stands in another file.
    pub keys: Vec<(u8, Option<Vec<u8>>)>,
    /// It signs with this one.
    pub active: (u8, Option<Vec<u8>>),
    pub mode: HmacMode,
}

/// Effective priorities that trackers with a weight can make of the base.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Everything that is tracked is well.
    pub good: u8,
    /// Nothing is.
    pub bad: u8,
    pub lowest: u8,
    pub highest: u8,
    pub weights: usize,
}

/// One instance of one router.
pub struct Virtual<'l> {
    pub file: usize,
    pub router: &'l str,
    /// In Config::instances.
    pub index: usize,
    pub conf: &'l Instance,
    pub marks: &'l Marked,
    /// Those of the whole file.
    pub all: &'l Marks,
    pub family: Family,
    pub version: u8,
    pub strict: bool,
    pub accept: bool,
    pub auth: Auth,
    /// What signs and checks; None also if it cannot be known.
    pub hmac: Option<Hmac>,
    /// There is an auth_hmac that could not be understood.
    pub hmac_unclear: bool,
    /// Of unicast.
    pub peers: Option<Vec<(IpAddr, Span)>>,
    /// A line of unicast_peer is no address.
    pub peers_unclear: bool,
    /// unicast_src_ip, mcast_src_ip: None: the interface's address.
    pub source: Option<IpAddr>,
    /// Where multicast adverts go.
    pub group: IpAddr,
    /// None: it cannot be known.
    pub reach: Option<Reach>,
}

impl Virtual<'_> {
    /// Where one of these statements stands, in the instance or in global_defs, else the instance's name.
    pub fn at(&self, words: &[&str]) -> Span {
        let global = || words.iter().find_map(|w| self.all.global(w));
        self.marks.last(words).or_else(global).map_or(self.marks.span, |m| m.span)
    }

    pub fn place(&self, words: &[&str], what: impl Into<Box<str>>) -> Place {
        (self.file, self.at(words), what.into())
    }

    pub fn is_v2(&self) -> bool {
        self.version == 2
    }

    pub fn has_nopreempt_line(&self) -> bool {
        self.marks.last(&["nopreempt", "preempt"]).is_some_and(|m| m.word == "nopreempt")
    }
}

pub fn routers(loaded: &[Loaded]) -> Vec<Router<'_>> {
    let usable = loaded.iter().enumerate().filter_map(|(file, l)| Some((file, l, l.config.as_ref()?)));
    usable
        .map(|(file, l, config)| {
            let mut blocks: BTreeMap<&str, &Marked> = l.marks.blocks(Block::Instance).map(|b| (&*b.name, b)).collect();
            let instances = config.instances.iter().enumerate();
            let instances =
                instances.filter_map(|(n, i)| Some(instance(file, l, config, (n, i, blocks.remove(&*i.name)?))));
            let instances = instances.collect();
            Router { file, name: l.file(), config, marks: &l.marks, instances, unused: blocks.into_values().collect() }
        })
        .collect()
}

fn instance<'l>(
    file: usize,
    loaded: &'l Loaded,
    config: &'l Config,
    (index, conf, marks): (usize, &'l Instance, &'l Marked),
) -> Virtual<'l> {
    let family = match conf.vips.first() {
        Some(vip) => vip.net.family(),
        None if marks.last(&["native_ipv6"]).is_some() => Family::V6,
        None => Family::V4,
    };
    let global = &loaded.marks;
    let version = version(marks, global, family);
    let flag = |mark: Option<&Mark>| mark.and_then(switch);
    let strict = flag(marks.last(&["strict_mode"])).or(flag(global.global("vrrp_strict"))).unwrap_or(false);
    let accept = match marks.last(&["accept", "no_accept"]) {
        _ if conf.priority == 255 => true,
        Some(mark) => mark.word == "accept",
        None => !strict,
    };
    let has_hmac = marks.last(&["auth_hmac"]).is_some();
    let hmac = if has_hmac { hmac(marks) } else { None };
    let legacy = version == 2 && family == Family::V4 && !strict && !has_hmac;
    let auth = if legacy { auth(conf, marks) } else { Auth::None };
    let peers: Option<Vec<(IpAddr, Span)>> = marks.last(&["unicast_peer"]).map(|_| {
        let lines = marks.lines("unicast_peer");
        lines.filter_map(|m| Some((m.first()?.parse().ok()?, m.span))).collect()
    });
    let peers_unclear = peers.as_ref().is_some_and(|p| p.len() != marks.lines("unicast_peer").count());
    let ip = |word: &str| marks.last(&[word]).and_then(Mark::first).and_then(|w| w.parse().ok());
    let source = match peers {
        Some(_) => ip("unicast_src_ip"),
        None => conf.mcast_src_ip.or(ip("mcast_src_ip")),
    };
    let group = ip("mcast_dst_ip").unwrap_or(match family {
        Family::V4 => config.global.mcast_group4.into(),
        Family::V6 => {
            let word = global.global("vrrp_mcast_group6").and_then(Mark::first);
            word.and_then(|w| w.parse().ok()).unwrap_or(IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]))
        }
    });
    let reach = weights(conf, config, marks, global).map(|w| reach(conf.priority, &w));
    Virtual {
        file,
        router: loaded.file(),
        index,
        conf,
        marks,
        all: global,
        family,
        version,
        strict,
        accept,
        auth,
        hmac_unclear: has_hmac && hmac.is_none(),
        hmac,
        peers,
        peers_unclear,
        source,
        group,
        reach,
    }
}

/// IPv6 is version 3 unless the instance itself asks for 2.
fn version(marks: &Marked, global: &Marks, family: Family) -> u8 {
    let number = |m: &Mark| m.first().and_then(|w| w.parse::<u8>().ok()).filter(|n| (2..=3).contains(n));
    match marks.last(&["version"]).and_then(number) {
        Some(n) => n,
        None if family == Family::V6 => 3,
        None => global.global("vrrp_version").and_then(number).unwrap_or(2),
    }
}

fn switch(mark: &Mark) -> Option<bool> {
    match mark.first() {
        None | Some("on" | "true" | "yes") => Some(true),
        Some("off" | "false" | "no") => Some(false),
        _ => None,
    }
}

fn auth(conf: &Instance, marks: &Marked) -> Auth {
    let word = |w: &str| marks.last(&[w]).and_then(Mark::first);
    match (word("auth_type"), word("auth_pass")) {
        (Some("AH"), Some(pass)) => {
            let mut key = [0; 8];
            for (to, from) in key.iter_mut().zip(pass.bytes()) {
                *to = from;
            }
            Auth::Ah(key)
        }
        _ => match conf.auth {
            model::Auth::Pass(pass) => Auth::Pass(pass),
            _ => Auth::None,
        },
    }
}

fn hmac(marks: &Marked) -> Option<Hmac> {
    let mut keys = Vec::new();
    for mark in marks.all("key") {
        let id: u8 = mark.first()?.parse().ok().filter(|n| *n > 0)?;
        let value = mark.words.get(1)?;
        let key = match (value.strip_prefix("hex:"), value.strip_prefix("file:")) {
            (Some(hex), _) => Some(unhex(hex)?),
            (_, Some(_)) => None,
            _ => Some(value.as_bytes().to_vec()),
        };
        if key.as_ref().is_some_and(|k| !(32..=64).contains(&k.len())) {
            return None;
        }
        keys.push((id, key));
    }
    let active = match (marks.last(&["active_key"]), keys.as_slice()) {
        (Some(mark), _) => {
            let id: u8 = mark.first()?.parse().ok()?;
            keys.iter().find(|k| k.0 == id)?.clone()
        }
        (None, [one]) => one.clone(),
        _ => return None,
    };
    let mode = match marks.last(&["mode"]).map(|m| m.first()) {
        None | Some(Some("enforce")) => HmacMode::Enforce,
        Some(Some("permissive")) => HmacMode::Permissive,
        Some(Some("receive-only")) => HmacMode::ReceiveOnly,
        _ => return None,
    };
    Some(Hmac { keys, active, mode })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).map(|d| d as u8);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [a, b] => Some(digit(a)? << 4 | digit(b)?),
            _ => None,
        })
        .collect()
}

/// What one tracker adds to the priority.
struct Weight {
    good: i32,
    bad: i32,
}

/// Weights of all that the instance tracks; those of weight 0 are faults and not here. None: not to be known.
///
/// They come from the marks: a script that is not on this machine is not in the model, yet it may be on the other.
fn weights(conf: &Instance, config: &Config, marks: &Marked, all: &Marks) -> Option<Vec<Weight>> {
    // Weights of a member's own scripts and files do not count then.
    let mut blind = false;
    if let Some(group) = conf.group.and_then(|n| config.groups.get(n)) {
        let group = all.named(Block::Group, &group.name)?;
        blind = group.last(&["sync_group_tracking_weight"]).is_none();
        let lists = ["track_interface", "track_script", "track_file", "track_process", "track_bfd"];
        if group.last(&lists).is_some() {
            return None;
        }
    }
    let mut found = Vec::new();
    let lists = [
        ("track_interface", None),
        ("track_script", Some(Block::Script)),
        ("track_process", Some(Block::TrackProcess)),
        ("track_bfd", Some(Block::BfdInstance)),
    ];
    for (word, block) in
        lists.into_iter().filter(|(word, _)| !blind || matches!(*word, "track_interface" | "track_process"))
    {
        for line in marks.lines(word) {
            let default = match block {
                None => (0, false),
                Some(block) => default_weight(all.named(block, line.first()?)?)?,
            };
            found.extend(weight(line.words.get(1..)?, default)?);
        }
    }
    for line in marks.lines("track_file").filter(|_| !blind) {
        // The file's number times the weight: anything.
        if weight(line.words.get(1..)?, (1, false))?.is_some() {
            return None;
        }
    }
    Some(found)
}

fn default_weight(block: &Marked) -> Option<(i32, bool)> {
    let Some(mark) = block.last(&["weight"]) else { return Some((0, false)) };
    match mark.words.iter().map(|w| w.as_ref()).collect::<Vec<_>>().as_slice() {
        [number] => Some((number.parse().ok()?, false)),
        [number, "reverse"] => Some((number.parse().ok()?, true)),
        _ => None,
    }
}

/// `[weight N] [reverse]` after the name. The inner None: a fault, no weight; the outer: not understood.
fn weight(words: &[Box<str>], default: (i32, bool)) -> Option<Option<Weight>> {
    let (mut number, mut reverse) = default;
    let mut words = words.iter().map(|w| w.as_ref());
    while let Some(word) = words.next() {
        match word {
            "weight" => number = words.next()?.parse().ok().filter(|n| (-254..=254).contains(n))?,
            "reverse" => reverse = true,
            "noreverse" => reverse = false,
            _ => return None,
        }
    }
    let (good, bad) = if number > 0 { (number, 0) } else { (0, number) };
    // What would be added is taken off, and the other way round.
    let sign = if reverse { -1 } else { 1 };
    let weight = Weight { good: good * sign, bad: bad * sign };
    Some((number != 0).then_some(weight))
}

fn reach(base: u8, weights: &[Weight]) -> Reach {
    let with = |part: fn(&Weight) -> i32| {
        if base == 255 {
            return 255;
        }
        let sum = weights.iter().map(part).fold(i32::from(base), i32::saturating_add);
        u8::try_from(sum.clamp(1, 254)).unwrap_or(1)
    };
    Reach {
        good: with(|w| w.good),
        bad: with(|w| w.bad),
        lowest: with(|w| w.good.min(w.bad)),
        highest: with(|w| w.good.max(w.bad)),
        weights: weights.len(),
    }
}
