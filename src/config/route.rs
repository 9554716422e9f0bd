//! Lines of virtual_routes and static_routes: `[TYPE] [to] DEST [option..] [nexthop ..]`.

use super::context::Context;
use super::diagnostic::{closest, Code, Level};
use super::keywords::{Block, Keyword, Takes};
use super::lexer::Span;
use super::model::{Create, Metric, Nexthop, Route, RouteMore};
use super::tree::{Arg, Node};
use super::words::{self, Families, Name, Place, Words};
use crate::base::addr::{Family, IfName, IpNet};
use crate::wire::op::OUR_PROTOCOL;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A route and the track_group that it names.
pub struct Line {
    pub route: Route,
    pub group: Option<Name>,
}

/// RTN_*.
pub const KINDS: &[(&str, u8)] = &[
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
    ("throw", 9),
    ("nat", 10),
    ("xresolve", 11),
];

/// RTAX_*, and how many of the kernel's units a millisecond has, for times.
pub const METRICS: &[(&str, u8, u32)] = &[
    ("mtu", 2, 0),
    ("window", 3, 0),
    ("rtt", 4, 8),
    ("rttvar", 5, 4),
    ("ssthresh", 6, 0),
    ("cwnd", 7, 0),
    ("advmss", 8, 0),
    ("reordering", 9, 0),
    ("hoplimit", 10, 0),
    ("initcwnd", 11, 0),
    ("features", FEATURES, 0),
    ("rto_min", 13, 1),
    ("initrwnd", 14, 0),
    ("quickack", 15, 0),
    ("fastopen_no_cookie", 17, 0),
];

/// The one feature: RTAX_FEATURE_ECN.
const FEATURES: u8 = 12;
const ECN: u32 = 1;

/// ICMPV6_ROUTER_PREF_*.
pub const PREFERENCES: &[(&str, u8)] = &[("medium", 0), ("high", 1), ("low", 3)];

const NOT_USED: &str = "the route is not used";

/// A line half read.
#[derive(Default)]
struct Draft<'t> {
    kind: Option<u8>,
    dst: Option<Arg<'t>>,
    via: Option<(IpAddr, Span)>,
    /// The second gateway of the old form with `or`.
    or: Vec<IpAddr>,
    dev: Option<IfName>,
    src: Option<IpAddr>,
    table: Option<u32>,
    metric: u32,
    scope: Option<u8>,
    onlink: bool,
    /// None: not said.
    create: Option<Create>,
    nexthops: Vec<Nexthop>,
    more: RouteMore,
    /// Options that only IPv6 routes have.
    six: Vec<Arg<'t>>,
    no_track: bool,
    group: Option<Name>,
    family: Families,
}

/// `held`: why the instance stays out of MASTER.
pub fn read(cx: &mut Context, line: Node, place: Place, held: &mut Option<Box<str>>) -> Option<Line> {
    cx.settled();
    let mut words = Words::new(line, Block::Route, "a route", place);
    let mut draft = Draft::default();
    let whole = draft.words(cx, &mut words);
    if let Some(option) = words.held {
        held.get_or_insert(format!("'{option}' of a route is not in this version").into());
    }
    whole?;
    draft.finish(cx, line.word())
}

impl<'t> Draft<'t> {
    fn words(&mut self, cx: &mut Context, words: &mut Words<'t>) -> Option<()> {
        while let Some(arg) = words.next() {
            let Some(keyword) = words.option(cx, arg) else {
                if self.dst.is_none() && looks_like_a_place(&arg.str()) {
                    self.dst = Some(arg);
                    if let Ok(net) = arg.str().parse::<IpNet>() {
                        self.family.add(cx, net.family(), arg, NOT_USED)?;
                    }
                    continue;
                }
                if self.dst.is_none() && closest(&arg.str(), ["default"].into_iter()).is_some() {
                    cx.bad(Code::Value, arg, format!("'{}' is not a destination", arg.str()))
                        .help(format!("did you mean 'default'? {NOT_USED}"));
                } else {
                    words.unknown(cx, arg, NOT_USED);
                }
                return None;
            };
            if keyword.word == "nexthop" {
                self.legs(cx, words);
                return Some(());
            }
            let value = match keyword.takes {
                Takes::No => arg,
                _ => words.value(cx, keyword, arg)?,
            };
            self.option(cx, words, keyword, arg, value)?;
        }
        Some(())
    }

    fn option(
        &mut self,
        cx: &mut Context,
        words: &mut Words<'t>,
        keyword: &'static Keyword,
        arg: Arg<'t>,
        value: Arg<'t>,
    ) -> Option<()> {
        let text = value.str();
        match keyword.word {
            "to" => self.dst = Some(value),
            "via" | "gw" => {
                let value = self.family_word(cx, words, keyword, value)?;
                self.via = Some((self.ip(cx, value)?, value.span()));
            }
            "or" => {
                cx.say(
                    Level::Hint,
                    Code::Renamed,
                    arg.span(),
                    "or",
                    "'or' is the old way to give a second gateway".into(),
                    5,
                )
                .help("write nexthop via ADDR nexthop via ADDR");
                let ip = self.ip(cx, value)?;
                self.or.push(ip);
            }
            "dev" | "oif" => self.dev = cx.interface(value),
            "src" => self.src = Some(self.ip(cx, value)?),
            "table" => self.table = Some(words::table(cx, value, NOT_USED)?),
            "metric" | "priority" | "preference" => self.metric = words::int(cx, keyword, value, NOT_USED)?,
            "scope" => {
                self.scope = words::scope(&text);
                if self.scope.is_none() {
                    cx.bad(Code::Value, value, format!("'{text}' is not a scope")).help("it is not used");
                }
            }
            "onlink" => self.onlink = true,
            "inet" => self.family.add(cx, Family::V4, arg, NOT_USED)?,
            "inet6" => self.family.add(cx, Family::V6, arg, NOT_USED)?,
            "from" => {
                self.six.push(arg);
                self.more.from = Some(net(cx, value)?);
            }
            "tos" | "dsfield" => self.more.tos = words::tos(cx, value, NOT_USED)?,
            "protocol" => self.more.protocol = Some(words::protocol(cx, value, NOT_USED)?),
            // What follows belongs to it, and has the names of other options.
            "encap" => return None,
            "as" => {
                if text == "to" {
                    words.next();
                }
            }
            "expires" => {
                self.six.push(arg);
                self.more.expires = Some(words::int(cx, keyword, value, NOT_USED)?);
            }
            "realms" => self.more.realms = Some(words::realms(cx, value, NOT_USED)?),
            "pref" => {
                self.six.push(arg);
                let Some((_, n)) = PREFERENCES.iter().find(|(name, _)| *name == text) else {
                    cx.bad(Code::Value, value, format!("'pref' is low, medium or high, not '{text}'")).help(NOT_USED);
                    return None;
                };
                self.more.pref = Some(*n);
            }
            "ttl-propagate" => {
                self.more.ttl_propagate = match text.as_ref() {
                    "enabled" => Some(true),
                    "disabled" => Some(false),
                    _ => {
                        cx.bad(Code::Value, value, format!("'ttl-propagate' is enabled or disabled, not '{text}'"))
                            .help(NOT_USED);
                        return None;
                    }
                }
            }
            "ecn" => self.more.metrics.push(Metric { number: FEATURES, value: ECN, lock: false }),
            "vrf" => self.more.vrf = Some(cx.interface(value)?),
            "congctl" => {
                let lock = text == "lock";
                let name = if lock { words.value(cx, keyword, value)? } else { value };
                self.more.congctl = Some((name.str().as_ref().into(), lock));
            }
            "add" => self.create = Some(Create::Add),
            "prepend" => self.create = Some(Create::Prepend),
            "append" => self.create = Some(Create::Append),
            "no_track" => self.no_track = true,
            "track_group" => self.group = Some(words::name(value)),
            word => {
                if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == word) {
                    if self.dst.is_some() || words.at_end() {
                        misplaced(cx, word, arg, words.at_end());
                        return None;
                    }
                    self.kind = Some(*kind);
                } else if let Some((_, number, unit)) = METRICS.iter().find(|(name, ..)| *name == word) {
                    let metric = metric(cx, words, keyword, value, *number, *unit)?;
                    self.more.metrics.retain(|m| m.number != *number);
                    self.more.metrics.push(metric);
                }
            }
        }
        Some(())
    }

    /// `via inet6 ADDR`.
    fn family_word(
        &mut self,
        cx: &mut Context,
        words: &mut Words<'t>,
        keyword: &'static Keyword,
        value: Arg<'t>,
    ) -> Option<Arg<'t>> {
        let family = match value.str().as_ref() {
            "inet" => Family::V4,
            "inet6" => Family::V6,
            _ => return Some(value),
        };
        self.family.add(cx, family, value, NOT_USED)?;
        words.value(cx, keyword, value)
    }

    fn ip(&mut self, cx: &mut Context, arg: Arg) -> Option<IpAddr> {
        let ip = ip(cx, arg, NOT_USED)?;
        self.family.add(cx, Family::of(&ip), arg, NOT_USED)?;
        Some(ip)
    }

    /// `via ADDR dev IF weight N onlink`, each behind its `nexthop`, up to the end of the line.
    fn legs(&mut self, cx: &mut Context, words: &mut Words<'t>) {
        const LEG: &str = "this gateway is not used";
        words.options(Block::Nexthop);
        let mut leg = Nexthop { via: None, dev: None, weight: 1, onlink: false };
        let mut good = true;
        while let Some(arg) = words.next() {
            if arg.str() == "nexthop" {
                let new = Nexthop { via: None, dev: None, weight: 1, onlink: false };
                self.leg(std::mem::replace(&mut leg, new), std::mem::replace(&mut good, true));
                continue;
            }
            let Some(keyword) = words.option(cx, arg) else {
                let word = arg.str();
                let help = match cx.option(Block::Route, arg) {
                    Some(_) => {
                        "options of the whole route stand before the first nexthop; this and what follows is not used"
                    }
                    None => "this and what follows is not used",
                };
                cx.bad(Code::Value, arg, format!("a nexthop has no option '{word}'")).help(help);
                break;
            };
            let value = match keyword.takes {
                Takes::No => arg,
                _ => match words.value(cx, keyword, arg) {
                    Some(value) => value,
                    None => return,
                },
            };
            match keyword.word {
                "via" => {
                    let value = self.family_word(cx, words, keyword, value);
                    let ip = value.and_then(|v| ip(cx, v, LEG).map(|ip| (ip, v)));
                    good &= ip.is_some_and(|(ip, v)| self.family.add(cx, Family::of(&ip), v, LEG).is_some());
                    leg.via = ip.map(|(ip, _)| ip);
                }
                "dev" | "oif" => leg.dev = cx.interface(value),
                "weight" => {
                    if let Some(n) = words::int(cx, keyword, value, "1 is used") {
                        leg.weight = u16::try_from(n).unwrap_or(1);
                    }
                }
                "onlink" => leg.onlink = true,
                // Its words are not known.
                _ => {
                    good = false;
                    break;
                }
            }
        }
        self.leg(leg, good);
    }

    fn leg(&mut self, leg: Nexthop, good: bool) {
        if good && (leg.via.is_some() || leg.dev.is_some()) {
            self.nexthops.push(leg);
        }
    }

    fn finish(mut self, cx: &mut Context, line: Arg) -> Option<Line> {
        let Some(to) = self.dst else {
            cx.bad(Code::Missing, line, "the route has no destination".into())
                .help("write DEST via GATEWAY dev INTERFACE");
            return None;
        };
        let dst = match to.str().as_ref() {
            "default" | "any" | "all" => match self.family.of() {
                Some(Family::V6) => IpNet { addr: Ipv6Addr::UNSPECIFIED.into(), len: 0 },
                _ => IpNet { addr: Ipv4Addr::UNSPECIFIED.into(), len: 0 },
            },
            _ => words::prefix(cx, to)?,
        };
        self.family.add(cx, dst.family(), to, NOT_USED)?;
        if let (Some(option), Family::V4) = (self.six.first(), dst.family()) {
            let text = format!("'{}' is for IPv6 routes", option.str());
            cx.bad(Code::Conflict, *option, text).help(NOT_USED);
            return None;
        }
        self.gateways(cx);
        self.hints(cx, dst, to);
        let kind = self.kind.unwrap_or(1);
        let gateway = self.via.is_some() || self.nexthops.iter().any(|leg| leg.via.is_some());
        let scope = self.scope.unwrap_or(match kind {
            1 if !gateway => 253,
            2 => 254,
            3..=5 => 253,
            _ => 0,
        });
        self.more.metrics.sort();
        let more = (self.more != RouteMore::default()).then(|| Box::new(self.more));
        let route = Route {
            dst,
            via: self.via.map(|(ip, _)| ip),
            dev: self.dev,
            src: self.src,
            table: self.table.unwrap_or(254),
            metric: self.metric,
            scope,
            kind,
            onlink: self.onlink,
            // One whose type is written stands alone, as keepalived has it.
            create: self.create.unwrap_or(if self.kind.is_some() { Create::Add } else { Create::Prepend }),
            nexthops: self.nexthops,
            more,
            no_track: self.no_track,
            track_group: None,
        };
        Some(Line { route, group: self.group })
    }

    /// Several of them are all legs.
    fn gateways(&mut self, cx: &mut Context) {
        let leg = |via, dev: &Option<IfName>| Nexthop { via: Some(via), dev: dev.clone(), weight: 1, onlink: false };
        if !self.or.is_empty() {
            let first = self.via.take().map(|(ip, _)| ip);
            self.nexthops = first.into_iter().chain(self.or.drain(..)).map(|ip| leg(ip, &self.dev)).collect();
        }
        if let (Some((ip, span)), false) = (self.via, self.nexthops.is_empty()) {
            cx.warn(Code::Conflict, span, &ip.to_string(), "a route has either 'via' or 'nexthop'".into())
                .help("the gateways behind 'nexthop' count");
            self.via = None;
        }
    }

    /// What the kernel would not take, or keepalived would mention.
    fn hints(&mut self, cx: &mut Context, dst: IpNet, to: Arg) {
        let network = network(dst);
        if network != dst {
            cx.warn(Code::Value, to.span(), &to.str(), format!("{dst} has bits behind its prefix length"))
                .help(format!("the kernel refuses such a route; write {network}"));
        }
        if self.dev.is_none() && !self.no_track {
            let text = format!("the route to {} names no interface, so none is tracked for it", to.str());
            // Those that end on this router have none: blackhole, unreachable, prohibit, throw.
            let none = matches!(self.kind, Some(6..=9));
            let help = if none { "write no_track behind it" } else { "write dev INTERFACE, or no_track" };
            cx.say(Level::Warning, Code::Missing, to.span(), &to.str(), text, 5).help(help);
        }
        if self.more.protocol.is_some_and(|p| p != OUR_PROTOCOL) && !self.no_track {
            let text = "a route of another protocol cannot be tracked".into();
            cx.say(Level::Warning, Code::Conflict, to.span(), "protocol", text, 5)
                .help("18 is used; write no_track as well");
            self.more.protocol = None;
        }
    }
}

/// The first word that is no option may be the destination, but a typo should be told as one.
fn looks_like_a_place(word: &str) -> bool {
    matches!(word, "default" | "any" | "all")
        || word.contains(['.', ':', '/'])
        || !word.contains(|c: char| c.is_alphabetic())
}

fn network(net: IpNet) -> IpNet {
    let addr = match net.addr {
        IpAddr::V4(ip) => {
            let host = u32::MAX.checked_shr(net.len.into()).unwrap_or(0);
            Ipv4Addr::from(u32::from(ip) & !host).into()
        }
        IpAddr::V6(ip) => {
            let host = u128::MAX.checked_shr(net.len.into()).unwrap_or(0);
            Ipv6Addr::from(u128::from(ip) & !host).into()
        }
    };
    IpNet { addr, len: net.len }
}

fn net(cx: &mut Context, arg: Arg) -> Option<IpNet> {
    let net = arg.str().parse().ok();
    if net.is_none() {
        cx.bad(Code::Value, arg, format!("'{}' is not an address", arg.str())).help(NOT_USED);
    }
    net
}

fn ip(cx: &mut Context, arg: Arg, used: &str) -> Option<IpAddr> {
    let word = arg.str();
    if let Some((ip, len)) = word.split_once('/') {
        // An address with a length is seen in real files.
        if let Ok(ip) = ip.parse() {
            cx.bad(Code::Value, arg, format!("'{word}' is one address, so it has no prefix length"))
                .help(format!("/{len} is not used"));
            return Some(ip);
        }
    }
    let ip = word.parse().ok();
    if ip.is_none() {
        cx.bad(Code::Value, arg, format!("'{word}' is not an address")).help(used);
    }
    ip
}

/// A type stands before the destination: keepalived takes what follows it for that, and ends if nothing does.
fn misplaced(cx: &mut Context, word: &str, arg: Arg, last: bool) {
    let text = format!("'{word}' stands before the destination of a route");
    let said = match last {
        true => cx.say(Level::Error, Code::Argument, arg.span(), word, text, 2),
        false => cx.bad(Code::Argument, arg, text),
    };
    said.help(format!("write {word} DESTINATION; {}", if last { "nothing starts with this" } else { NOT_USED }));
    cx.found.stopped |= last;
}

/// `[lock] VALUE`; times may carry their unit.
fn metric<'t>(
    cx: &mut Context,
    words: &mut Words<'t>,
    keyword: &'static Keyword,
    mut value: Arg<'t>,
    number: u8,
    unit: u32,
) -> Option<Metric> {
    let mut lock = false;
    let lockable = !matches!(
        keyword.word,
        "features" | "quickack" | "initcwnd" | "initrwnd" | "fastopen_no_cookie" | "window" | "hoplimit"
    );
    if lockable && value.str() == "lock" {
        lock = true;
        value = words.value(cx, keyword, value)?;
    }
    let word = value.str();
    let number_of = match (keyword.word, unit) {
        ("features", _) if word == "ecn" => Some(ECN),
        ("features", _) => {
            cx.bad(Code::Value, value, format!("the one feature of a route is ecn, not '{word}'")).help(NOT_USED);
            None
        }
        (_, 0) => words::int(cx, keyword, value, NOT_USED),
        _ => {
            let time = time(&word, unit);
            if time.is_none() {
                let text = format!("'{}' takes a time as 100ms or 0.5s, not '{word}'", keyword.word);
                cx.bad(Code::Value, value, text).help(NOT_USED);
            }
            time
        }
    };
    // The kernel would work out its own otherwise.
    lock |= keyword.word == "rto_min";
    Some(Metric { number, value: number_of?, lock })
}

/// A time in the kernel's unit, of which `unit` are a millisecond; a bare number is one already.
fn time(word: &str, unit: u32) -> Option<u32> {
    let at = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (digits, name) = word.split_at(at);
    let scale = match name {
        "" => return digits.parse().ok(),
        "s" | "sec" | "secs" => 1,
        "ms" | "msec" | "msecs" => 1000,
        _ => return None,
    };
    let (micros, _) = super::context::seconds(digits)?;
    let units = micros.checked_mul(u64::from(unit))?.div_ceil(scale * 1000);
    u32::try_from(units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keywords::KEYWORDS;

    #[test]
    fn times_in_the_kernels_units() {
        assert_eq!(time("100ms", 8), Some(800));
        assert_eq!(time("2s", 4), Some(8000));
        assert_eq!(time("0.5s", 1), Some(500));
        assert_eq!(time("33", 8), Some(33));
        for bad in ["", "ms", "1.5", "1m", "-1s", "99999999s"] {
            assert_eq!(time(bad, 8), None, "{bad}");
        }
    }

    #[test]
    fn each_type_and_metric_is_an_option() {
        let known = |word: &str| KEYWORDS.iter().any(|k| k.block == Block::Route && k.word == word);
        assert!(KINDS.iter().all(|(word, _)| known(word)));
        assert!(METRICS.iter().all(|(word, ..)| known(word)));
    }

    #[test]
    fn networks() {
        let of = |s: &str| s.parse().map(|n: IpNet| network(n).to_string());
        assert_eq!(of("10.1.2.3/16"), Ok("10.1.0.0/16".into()));
        assert_eq!(of("10.1.2.3"), Ok("10.1.2.3/32".into()));
        assert_eq!(of("10.1.2.3/0"), Ok("0.0.0.0/0".into()));
        assert_eq!(of("2001:db8::1/32"), Ok("2001:db8::/32".into()));
    }
}
