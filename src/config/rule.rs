//! Lines of virtual_rules and static_rules: selectors and what is done, as `ip rule` has them.

use super::context::Context;
use super::diagnostic::{Code, Level};
use super::keywords::{Block, Keyword, Takes};
use super::lexer::Span;
use super::model::{Rule, RuleAction};
use super::tree::{Arg, Node};
use super::words::{self, Families, Name, Place, Words};
use crate::base::addr::{Family, IpNet};

/// A rule, where it stands, and the track_group that it names.
pub struct Line {
    pub rule: Rule,
    pub span: Span,
    pub group: Option<Name>,
}

const NOT_USED: &str = "the rule is not used";

/// IP protocols by the names that are usual in rules.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("sctp", 132),
    ("udplite", 136),
];

struct Draft {
    rule: Rule,
    preference: Option<u32>,
    action: Option<(RuleAction, Span)>,
    family: Families,
    group: Option<Name>,
}

pub fn read(cx: &mut Context, line: Node, place: Place) -> Option<Line> {
    cx.settled();
    let mut words = Words::new(line, Block::Rule, "a rule", place);
    let mut draft = Draft { rule: empty(), preference: None, action: None, family: Families::default(), group: None };
    while let Some(arg) = words.next() {
        let Some(keyword) = words.option(cx, arg) else {
            words.unknown(cx, arg, NOT_USED);
            return None;
        };
        let value = match keyword.takes {
            Takes::No => arg,
            _ => words.value(cx, keyword, arg)?,
        };
        draft.option(cx, keyword, arg, value)?;
    }
    draft.finish(cx, line.word())
}

fn empty() -> Rule {
    Rule {
        family: Family::V4,
        preference: 0,
        action: RuleAction::Nop,
        not: false,
        from: None,
        to: None,
        iif: None,
        oif: None,
        tos: 0,
        fwmark: None,
        realms: None,
        suppress_prefixlength: None,
        suppress_ifgroup: None,
        tunnel_id: None,
        uidrange: None,
        protocol: None,
        ipproto: None,
        sport: None,
        dport: None,
        no_track: false,
        track_group: None,
    }
}

impl Draft {
    fn option(&mut self, cx: &mut Context, keyword: &'static Keyword, arg: Arg, value: Arg) -> Option<()> {
        let text = value.str();
        let int = |cx: &mut Context| words::int(cx, keyword, value, NOT_USED);
        match keyword.word {
            "not" => self.rule.not = true,
            "from" => self.rule.from = self.selector(cx, value)?,
            "to" => self.rule.to = self.selector(cx, value)?,
            "table" | "lookup" => {
                let table = words::table(cx, value, NOT_USED)?;
                self.action(cx, RuleAction::Table(table), arg)?;
            }
            "preference" | "order" | "priority" => self.preference = Some(int(cx)?),
            "dev" | "iif" => self.rule.iif = Some(cx.interface(value)?),
            "oif" => self.rule.oif = Some(cx.interface(value)?),
            "tos" | "dsfield" => self.rule.tos = words::tos(cx, value, NOT_USED)?,
            "fwmark" => self.rule.fwmark = Some(mark(cx, value)?),
            "realms" => self.rule.realms = Some(words::realms(cx, value, NOT_USED)?),
            "suppress_prefixlength" | "sup_pl" => self.rule.suppress_prefixlength = Some(int(cx)?),
            "suppress_ifgroup" | "sup_group" => self.rule.suppress_ifgroup = Some(int(cx)?),
            "tunnel-id" => self.rule.tunnel_id = Some(words::range(cx, "tunnel-id", value, 0, i64::MAX, NOT_USED)?),
            "uidrange" => self.rule.uidrange = Some(words::span_of(cx, "uidrange", value, u32::MAX, NOT_USED)?),
            "l3mdev" => self.action(cx, RuleAction::L3mdev, arg)?,
            "protocol" => self.rule.protocol = Some(words::protocol(cx, value, NOT_USED)?),
            "ipproto" => self.rule.ipproto = Some(ipproto(cx, value)?),
            "sport" => self.rule.sport = Some(ports(cx, "sport", value)?),
            "dport" => self.rule.dport = Some(ports(cx, "dport", value)?),
            "goto" => {
                let target = int(cx)?;
                self.action(cx, RuleAction::Goto(target), arg)?;
            }
            "nop" => self.action(cx, RuleAction::Nop, arg)?,
            "blackhole" | "unreachable" | "prohibit" | "unicast" => self.kind(cx, keyword.word, arg)?,
            "type" => self.kind(cx, &text, value)?,
            "inet" => self.family.add(cx, Family::V4, arg, NOT_USED)?,
            "inet6" => self.family.add(cx, Family::V6, arg, NOT_USED)?,
            "no_track" => self.rule.no_track = true,
            "track_group" => self.group = Some(words::name(value)),
            _ => {}
        }
        Some(())
    }

    /// What is done: one of several words.
    fn kind(&mut self, cx: &mut Context, word: &str, arg: Arg) -> Option<()> {
        let action = match word {
            "blackhole" => RuleAction::Blackhole,
            "unreachable" => RuleAction::Unreachable,
            "prohibit" => RuleAction::Prohibit,
            "nop" => RuleAction::Nop,
            // What a table does in any case.
            "unicast" => return Some(()),
            _ => {
                let text = format!("a rule's type is unicast, blackhole, unreachable or prohibit, not '{word}'");
                cx.bad(Code::Value, arg, text).help(NOT_USED);
                return None;
            }
        };
        self.action(cx, action, arg)
    }

    fn action(&mut self, cx: &mut Context, action: RuleAction, arg: Arg) -> Option<()> {
        if let Some((_, span)) = self.action {
            cx.bad(Code::Conflict, arg, "a rule does one thing".into())
                .see(span, "this is done already")
                .help(NOT_USED);
            return None;
        }
        self.action = Some((action, arg.span()));
        Some(())
    }

    /// None inside: all.
    fn selector(&mut self, cx: &mut Context, arg: Arg) -> Option<Option<IpNet>> {
        let word = arg.str();
        if matches!(word.as_ref(), "all" | "any" | "default") {
            return Some(None);
        }
        let Ok(net) = word.parse::<IpNet>() else {
            cx.bad(Code::Value, arg, format!("'{word}' is not an address with its prefix length")).help(NOT_USED);
            return None;
        };
        self.family.add(cx, net.family(), arg, NOT_USED)?;
        Some(Some(net))
    }

    fn finish(mut self, cx: &mut Context, line: Arg) -> Option<Line> {
        let Some((action, span)) = self.action else {
            cx.bad(Code::Missing, line, "the rule says not what to do".into())
                .help("write table TABLE, goto, nop, blackhole, unreachable or prohibit; it is not used");
            return None;
        };
        if let RuleAction::Goto(target) = action {
            if self.preference.is_none_or(|p| p >= target) {
                let text = format!("'goto {target}' leads only to a rule behind this one");
                cx.error(Code::Conflict, span, "goto", text)
                    .help("write a preference below the target; the rule is not used");
                return None;
            }
        }
        self.rule.preference = match self.preference {
            Some(n) => n,
            None => {
                let n = cx.preference;
                cx.preference = n.saturating_sub(1);
                let text = "the rule has no preference".into();
                cx.say(Level::Warning, Code::Missing, line.span(), &line.str(), text, 5)
                    .help(format!("{n} is used, and less for those that follow; write preference NUMBER"));
                n
            }
        };
        self.rule.family = self.family.of().unwrap_or(Family::V4);
        self.rule.action = action;
        Some(Line { rule: self.rule, span: line.span(), group: self.group })
    }
}

/// `VALUE[/MASK]`.
fn mark(cx: &mut Context, arg: Arg) -> Option<(u32, u32)> {
    let word = arg.str();
    let (value, mask) = word.split_once('/').unwrap_or((&word, "0xffffffff"));
    let read = |w: &str| words::number(w).and_then(|n| u32::try_from(n).ok());
    match (read(value), read(mask)) {
        (Some(value), Some(mask)) => Some((value, mask)),
        _ => {
            cx.bad(Code::Value, arg, format!("'{word}' is not a mark, VALUE or VALUE/MASK")).help(NOT_USED);
            None
        }
    }
}

fn ipproto(cx: &mut Context, arg: Arg) -> Option<u8> {
    let word = arg.str();
    let named = PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, n)| *n);
    let found = named.or_else(|| words::number(&word).and_then(|n| u8::try_from(n).ok()));
    if found.is_none() {
        cx.bad(Code::Value, arg, format!("'{word}' is not an IP protocol"))
            .help(format!("write its number; {NOT_USED}"));
    }
    found
}

fn ports(cx: &mut Context, option: &str, arg: Arg) -> Option<(u16, u16)> {
    let (low, high) = words::span_of(cx, option, arg, 65535, NOT_USED)?;
    Some((u16::try_from(low).ok()?, u16::try_from(high).ok()?))
}
