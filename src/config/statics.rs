//! What stands beside the virtual routers: static addresses, routes and rules with their track_groups, garp_group, and
//! how links are watched.

use super::address;
use super::context::{seconds, Context, Seen};
use super::diagnostic::{Code, Level};
use super::global::GlobalDraft;
use super::keywords::Block;
use super::lexer::Span;
use super::model::{Config, GarpGroup, LinkDelay, Linkbeat, LinkbeatWay, TrackGroup};
use super::route;
use super::rule;
use super::tree::{Arg, Node};
use super::words::{self, Name, Place};
use crate::base::addr::IfName;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Lines of these blocks, until all names are known.
#[derive(Default)]
pub struct StaticsDraft {
    addresses: Vec<address::Line>,
    routes: Vec<route::Line>,
    rules: Vec<rule::Line>,
    groups: Vec<TrackGroupDraft>,
    /// Interfaces of garp_groups and where they stand.
    garp_taken: HashMap<IfName, Span>,
    garp: Vec<GarpGroup>,
    delays: Vec<LinkDelay>,
    delays_known: HashMap<IfName, (usize, Span)>,
    linkbeat: Vec<Linkbeat>,
    linkbeat_known: HashMap<IfName, Span>,
}

/// The blocks that hold such lines.
#[derive(Clone, Copy)]
pub enum Lines {
    Addresses,
    Routes,
    Rules,
    Delays,
    Linkbeat,
}

impl Lines {
    pub fn of(word: &str) -> Option<Lines> {
        match word {
            "static_ipaddress" => Some(Lines::Addresses),
            "static_routes" => Some(Lines::Routes),
            "static_rules" => Some(Lines::Rules),
            "interface_up_down_delays" => Some(Lines::Delays),
            "linkbeat_interfaces" => Some(Lines::Linkbeat),
            _ => None,
        }
    }
}

pub struct TrackGroupDraft {
    name: Box<str>,
    span: Span,
    path: Box<str>,
    seen: Seen,
    members: Vec<Name>,
    /// Their block was not as it should be, which was said.
    bad_members: bool,
}

pub struct GarpGroupDraft {
    span: Span,
    seen: Seen,
    garp: Option<Duration>,
    gna: Option<Duration>,
    interfaces: Vec<(IfName, Span)>,
}

impl TrackGroupDraft {
    pub fn new(cx: &Context, name: Arg) -> TrackGroupDraft {
        TrackGroupDraft {
            name: name.str().as_ref().into(),
            span: name.span(),
            path: cx.path(),
            seen: Seen::default(),
            members: Vec::new(),
            bad_members: false,
        }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        if cx.known(node, Block::TrackGroup, &mut self.seen).is_some() {
            // `group` is its only keyword.
            self.bad_members |= !node.body() || node.count() > 0;
            self.members.extend(super::vrrp::list(cx, node).flat_map(|line| line.all()).map(words::name));
        }
    }
}

impl GarpGroupDraft {
    pub fn new(node: Node) -> GarpGroupDraft {
        let span = node.word().span();
        GarpGroupDraft { span, seen: Seen::default(), garp: None, gna: None, interfaces: Vec::new() }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::GarpGroup, &mut self.seen) else { return };
        match keyword.word {
            "garp_interval" => self.garp = cx.dec(node, keyword).or(self.garp),
            "gna_interval" => self.gna = cx.dec(node, keyword).or(self.gna),
            "interface" => {
                if let Some(arg) = node.arg(0) {
                    self.interfaces.extend(cx.interface(arg).map(|name| (name, arg.span())));
                }
            }
            "interfaces" => {
                if node.body() && node.children().next().is_none() {
                    cx.bad(Code::Empty, node.word(), "this block names no interface".into())
                        .help("write their names into it, or interface IF instead");
                }
                for arg in node.children().flat_map(|line| line.all()) {
                    self.interfaces.extend(cx.interface(arg).map(|name| (name, arg.span())));
                }
            }
            _ => cx.unread(node, keyword),
        }
    }
}

impl StaticsDraft {
    pub fn line(&mut self, cx: &mut Context, lines: Lines, node: Node) {
        match lines {
            Lines::Addresses => self.addresses.extend(address::read(cx, node, Place::Static)),
            Lines::Routes => self.routes.extend(route::read(cx, node, Place::Static, &mut None)),
            Lines::Rules => self.rules.extend(rule::read(cx, node, Place::Static)),
            Lines::Delays => self.delay(cx, node),
            Lines::Linkbeat => self.linkbeat(cx, node),
        }
    }

    pub fn track_group(&mut self, draft: TrackGroupDraft) {
        self.groups.push(draft);
    }

    /// An interface is in one group.
    pub fn garp_group(&mut self, cx: &mut Context, draft: GarpGroupDraft) {
        if draft.garp.is_none() && draft.gna.is_none() {
            if !draft.seen.has(Block::GarpGroup, &["garp_interval", "gna_interval"]) {
                cx.error(Code::Missing, draft.span, "garp_group", "this garp_group has no interval".into())
                    .help("write garp_interval or gna_interval; the group is not used");
            }
            return;
        }
        let mut interfaces = Vec::new();
        let tried = draft.seen.has(Block::GarpGroup, &["interface", "interfaces"]);
        for (name, span) in draft.interfaces {
            if let Some(first) = self.garp_taken.get(&name) {
                let text = format!("'{name}' is in a garp_group already");
                cx.error(Code::Duplicate, span, name.as_str(), text)
                    .see(*first, "the first one")
                    .help("it is not used here");
                continue;
            }
            self.garp_taken.insert(name.clone(), span);
            interfaces.push(name);
        }
        if interfaces.is_empty() {
            if !tried {
                cx.warn(Code::Empty, draft.span, "garp_group", "this garp_group names no interface".into())
                    .help("it does nothing; write interface IF");
            }
            return;
        }
        let (garp_interval, gna_interval) = (draft.garp.unwrap_or_default(), draft.gna.unwrap_or_default());
        self.garp.push(GarpGroup { garp_interval, gna_interval, interfaces });
    }

    /// `IF DOWN [UP]`
    fn delay(&mut self, cx: &mut Context, line: Node) {
        let first = line.word();
        let Some(interface) = cx.interface(first) else { return };
        let known = self.delays_known.get(&interface).copied();
        if let Some((_, span)) = known {
            cx.warn(Code::Duplicate, first.span(), interface.as_str(), format!("'{interface}' has its delays already"))
                .see(span, "the first line")
                .help("the last one counts");
        }
        let Some(down) = line.arg(0) else {
            cx.warn(Code::Argument, first.span(), interface.as_str(), "the line has no delay".into())
                .help("write INTERFACE DOWN UP, in seconds; it is not used");
            return;
        };
        let Some(down) = delay(cx, down) else { return };
        let up = match line.arg(1) {
            Some(up) => delay(cx, up),
            None => Some(Duration::ZERO),
        };
        let Some(up) = up else { return };
        rest(cx, line, 2);
        let number = known.map_or(self.delays.len(), |(number, _)| number);
        self.delays_known.insert(interface.clone(), (number, first.span()));
        let delay = LinkDelay { interface, down, up };
        match self.delays.get_mut(number) {
            Some(known) => *known = delay,
            None => self.delays.push(delay),
        }
    }

    /// `IF [MII|ETHTOOL|IOCTL]`
    fn linkbeat(&mut self, cx: &mut Context, line: Node) {
        let first = line.word();
        let Some(interface) = cx.interface(first) else { return };
        let mut way = None;
        if let Some(arg) = line.arg(0) {
            way = match cx.option(Block::Linkbeat, arg).map(|k| k.word) {
                Some("MII") => Some(LinkbeatWay::Mii),
                Some("ETHTOOL") => Some(LinkbeatWay::Ethtool),
                Some(_) => Some(LinkbeatWay::Ioctl),
                None => {
                    cx.no_option(Block::Linkbeat, arg, "linkbeat", "write MII, ETHTOOL or IOCTL; it is not used");
                    None
                }
            };
        }
        rest(cx, line, 1);
        if let Some(span) = self.linkbeat_known.get(&interface) {
            cx.warn(Code::Duplicate, first.span(), interface.as_str(), format!("'{interface}' is given twice"))
                .see(*span, "the first line")
                .help("the first one counts");
            return;
        }
        self.linkbeat_known.insert(interface.clone(), first.span());
        self.linkbeat.push(Linkbeat { interface, way });
    }

    /// Once the instances are there, a line at a time.
    pub fn settle(self, cx: &Context, global: &GlobalDraft, config: &mut Config) -> Settling {
        config.garp_groups = self.garp;
        config.link_delays = self.delays;
        config.linkbeat = self.linkbeat;
        Settling {
            groups: self.groups.into_iter(),
            addresses: self.addresses.into_iter(),
            routes: self.routes.into_iter(),
            rules: self.rules.into_iter(),
            names: HashMap::new(),
            no_default: no_default(cx, global),
        }
    }
}

/// What of the static things is not in the model yet.
pub struct Settling {
    groups: std::vec::IntoIter<TrackGroupDraft>,
    addresses: std::vec::IntoIter<address::Line>,
    routes: std::vec::IntoIter<route::Line>,
    rules: std::vec::IntoIter<rule::Line>,
    /// Of the groups.
    names: HashMap<Box<str>, usize>,
    /// An address without an interface has none.
    no_default: bool,
}

impl Settling {
    /// True: all is settled. `instances`: those that were read, and where they are in `config`.
    pub fn step(&mut self, cx: &mut Context, instances: &HashMap<Box<str>, usize>, config: &mut Config) -> bool {
        if let Some(draft) = self.groups.next() {
            self.names.insert(draft.name.clone(), config.track_groups.len());
            let group = draft.finish(cx, instances, config.instances.len());
            config.track_groups.push(group);
        } else if let Some(line) = self.addresses.next() {
            cx.return_to("static_ipaddress");
            self.address(cx, line, config);
        } else if let Some(mut line) = self.routes.next() {
            cx.return_to("static_routes");
            line.route.track_group = find(cx, &self.names, line.group);
            config.statics.routes.push(line.route);
        } else if let Some(mut line) = self.rules.next() {
            cx.return_to("static_rules");
            line.rule.track_group = find(cx, &self.names, line.group);
            config.statics.rules.push(line.rule);
        } else {
            cx.return_to("");
            return true;
        }
        false
    }

    fn address(&self, cx: &mut Context, mut line: address::Line, config: &mut Config) {
        line.vip.track_group = find(cx, &self.names, line.group);
        if line.vip.dev.is_none() && self.no_default {
            let text = format!("{} has no interface, and there is no eth0, the default", line.vip.net.addr);
            let token = line.vip.net.to_string();
            cx.error(Code::Missing, line.span, &token, text)
                .help("write dev INTERFACE, or default_interface in global_defs; it is not used");
            return;
        }
        config.statics.addresses.push(line.vip);
    }
}

impl TrackGroupDraft {
    fn finish(self, cx: &mut Context, names: &HashMap<Box<str>, usize>, instances: usize) -> TrackGroup {
        cx.return_to(&self.path);
        let mut members = Vec::new();
        let mut known = HashSet::new();
        for (name, span) in &self.members {
            match names.get(name) {
                // One that was read and is not used was spoken of.
                Some(n) if *n >= instances => {}
                Some(n) if !known.insert(*n) => cx
                    .warn(Code::Duplicate, *span, name, format!("'{name}' is in this group twice"))
                    .help("the second is not used"),
                Some(n) => members.push(*n),
                None => {
                    let close = cx.closest(name, names.keys().map(|k| k.as_ref()));
                    let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                    cx.warn(Code::Reference, *span, name, format!("there is no vrrp_instance '{name}'"))
                        .help(format!("{help}it is not used"));
                }
            }
        }
        if self.members.is_empty() && !self.bad_members {
            let text = format!("the track_group '{}' has no member", self.name);
            cx.say(Level::Warning, Code::Empty, self.span, &self.name, text, 5).help("write group { INSTANCE }");
        }
        TrackGroup { name: self.name, members }
    }
}

fn find(cx: &mut Context, groups: &HashMap<Box<str>, usize>, name: Option<Name>) -> Option<usize> {
    let (name, span) = name?;
    let found = groups.get(&name).copied();
    if found.is_none() {
        let close = cx.closest(&name, groups.keys().map(|k| k.as_ref()));
        let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
        cx.error(Code::Reference, span, &name, format!("there is no track_group '{name}'"))
            .help(format!("{help}it is not used"));
    }
    found
}

/// Neither was one chosen nor is there the one that is taken then.
fn no_default(cx: &Context, global: &GlobalDraft) -> bool {
    !global.seen.has(Block::Global, &["default_interface"])
        && cx.host.interfaces.as_ref().is_some_and(|list| !list.iter().any(|name| name.as_str() == "eth0"))
}

/// Seconds from 0 to 255.
fn delay(cx: &mut Context, arg: Arg) -> Option<Duration> {
    const MOST: u64 = 255_000_000;
    let word = arg.str();
    match seconds(&word) {
        Some((micros, _)) if micros <= MOST => Some(Duration::from_micros(micros)),
        parsed => {
            let code = if parsed.is_some() { Code::Range } else { Code::Value };
            cx.bad(code, arg, format!("a delay is 0 to 255 seconds, not '{word}'")).help("the line is not used");
            None
        }
    }
}

/// Words beyond those that a line has.
fn rest(cx: &mut Context, line: Node, from: usize) {
    if let Some(arg) = line.arg(from) {
        let text = format!("this line does not take '{}'", arg.str());
        cx.warn(Code::Extra, arg.span(), &arg.str(), text).help("it is not used");
    }
}
