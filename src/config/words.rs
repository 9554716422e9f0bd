//! What lines of addresses, routes and rules have in common: options from the table of keywords, numbers, tables.

use super::context::{expected, Context};
use super::diagnostic::{Code, Level};
use super::keywords::{Block, Keyword, Takes};
use super::lexer::Span;
use super::tree::{Arg, Node};
use crate::base::addr::{Family, IpNet};
use std::net::IpAddr;

/// Of an instance, or there as long as the daemon runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Virtual,
    Static,
}

/// A name that is looked up when all is read.
pub type Name = (Box<str>, Span);

pub fn name(arg: Arg) -> Name {
    (arg.str().as_ref().into(), arg.span())
}

/// The words of one line, one after the other.
pub struct Words<'t> {
    all: Vec<Arg<'t>>,
    at: usize,
    block: Block,
    /// "an address"
    what: &'static str,
    place: Place,
    /// A quote of the line is not closed.
    broken: bool,
    /// An option keeps its instance out of MASTER.
    pub held: Option<&'static str>,
}

/// More words than any sensible line has.
const MOST: usize = 1024;

impl<'t> Words<'t> {
    pub fn new(line: Node<'t>, block: Block, what: &'static str, place: Place) -> Words<'t> {
        Words { all: line.all().take(MOST).collect(), at: 0, block, what, place, broken: line.is_broken(), held: None }
    }

    pub fn next(&mut self) -> Option<Arg<'t>> {
        let arg = self.all.get(self.at).copied();
        self.at += 1;
        arg
    }

    /// Nothing stands behind the word that was given last.
    pub fn at_end(&self) -> bool {
        self.at >= self.all.len() && !self.broken
    }

    /// The rows that the words that follow stand in.
    pub fn options(&mut self, block: Block) {
        self.block = block;
    }

    /// The row of a word, with what there is to say about it.
    pub fn option(&mut self, cx: &mut Context, arg: Arg) -> Option<&'static Keyword> {
        let keyword = cx.option(self.block, arg)?;
        if keyword.word == "track_group" && self.place == Place::Virtual
            || keyword.word == "use_vmac" && self.place == Place::Static
        {
            return None;
        }
        if cx.option_state(keyword, arg, self.what) {
            self.held = Some(keyword.word);
        }
        Some(keyword)
    }

    pub fn unknown(&mut self, cx: &mut Context, arg: Arg, used: &str) {
        let Some(keyword) = cx.option(self.block, arg) else {
            cx.no_option(self.block, arg, self.what, used);
            self.skip_values(cx);
            return;
        };
        if keyword.takes != Takes::No {
            self.skip_values(cx);
        }
        let only = match self.place {
            Place::Virtual => "only what is static has it",
            Place::Static => "nothing static has it",
        };
        cx.bad(Code::Value, arg, format!("'{}' of {} stands in another place", keyword.word, self.what))
            .help(format!("{only}; {used}"));
    }

    /// What stands behind a wrong option belongs to it, up to the next option, or what is meant for one.
    fn skip_values(&mut self, cx: &mut Context) {
        // What is like an option is looked for among the first few only: that takes its time.
        let few = self.at + 4;
        while let Some(arg) = self.all.get(self.at).copied() {
            let ends =
                if self.at < few { cx.like_option(self.block, arg) } else { cx.option(self.block, arg).is_some() };
            if ends {
                return;
            }
            self.at += 1;
        }
    }

    /// The word behind an option. None: there is none, which is said.
    pub fn value(&mut self, cx: &mut Context, keyword: &'static Keyword, arg: Arg) -> Option<Arg<'t>> {
        let value = self.next();
        if value.is_none() && !self.broken {
            let word = arg.str();
            let text = format!("'{word}' has no argument");
            if keyword.needs {
                cx.found.stopped = true;
                cx.say(Level::Error, Code::Argument, arg.span(), &word, text, 2)
                    .help(format!("nothing starts with this; write {}", expected(keyword)));
            } else {
                cx.bad(Code::Argument, arg, text).help("it is not used");
            }
        }
        value
    }
}

/// Decimal, or hexadecimal with 0x.
pub fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x").or(word.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None if word.starts_with('+') => None,
        None => word.parse().ok(),
    }
}

/// A whole number in the option's range.
pub fn int(cx: &mut Context, keyword: &Keyword, arg: Arg, used: &str) -> Option<u32> {
    let Takes::Int(low, high) = keyword.takes else { return None };
    range(cx, keyword.word, arg, low, high, used).and_then(|n| u32::try_from(n).ok())
}

pub fn range(cx: &mut Context, option: &str, arg: Arg, low: i64, high: i64, used: &str) -> Option<u64> {
    let word = arg.str();
    let n = number(&word);
    if let Some(n) = n.filter(|n| i64::try_from(*n).is_ok_and(|n| (low..=high).contains(&n))) {
        return Some(n);
    }
    let code = if n.is_some() { Code::Range } else { Code::Value };
    cx.bad(code, arg, format!("'{option}' takes a whole number from {low} to {high}, not '{word}'")).help(used);
    None
}

/// `A-B`, or `A` alone.
pub fn span_of(cx: &mut Context, option: &str, arg: Arg, most: u32, used: &str) -> Option<(u32, u32)> {
    let word = arg.str();
    let (low, high) = word.split_once('-').unwrap_or((&word, &word));
    let read = |w: &str| number(w).and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= most);
    match (read(low), read(high)) {
        (Some(low), Some(high)) if low <= high => Some((low, high)),
        _ => {
            cx.bad(Code::Value, arg, format!("'{option}' takes FROM-TO, numbers up to {most}, not '{word}'"))
                .help(used);
            None
        }
    }
}

/// An address with its length; without one it is whole.
pub fn prefix(cx: &mut Context, arg: Arg) -> Option<IpNet> {
    let word = arg.str();
    if let Ok(net) = word.parse() {
        return Some(net);
    }
    let (ip, len) = word.split_once('/').unwrap_or((&word, ""));
    match ip.parse::<IpAddr>() {
        Ok(ip) => {
            let net = IpNet::host(ip);
            let text = format!("a prefix length is a whole number from 0 to {}, not '{len}'", net.len);
            let used = format!("/{} is used", net.len);
            let help = match netmask(len) {
                Some(bits) => format!("write /{bits}; {used}"),
                None => used,
            };
            // Only what stands behind the '/'.
            let (span, from) = (arg.span(), word.len() - len.len());
            let part = if arg.raw() == word.as_bytes() {
                Span::new(span.start as usize + from, span.end as usize)
            } else {
                span
            };
            let part = if len.is_empty() { span } else { part };
            cx.error(Code::Range, part, &word, text).hint(&word).help(help);
            Some(net)
        }
        Err(_) => {
            cx.bad(Code::Value, arg, format!("'{word}' is not an address")).help("the line is not used");
            None
        }
    }
}

/// The length that a netmask stands for.
fn netmask(word: &str) -> Option<u32> {
    let bits = u32::from(word.parse::<std::net::Ipv4Addr>().ok()?);
    (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| bits.leading_ones())
}

/// RT_SCOPE_*.
pub fn scope(word: &str) -> Option<u8> {
    match word {
        "global" | "universe" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        _ => word.parse().ok(),
    }
}

/// A routing table by number or name.
pub fn table(cx: &mut Context, arg: Arg, used: &str) -> Option<u32> {
    let word = arg.str();
    let named = match word.as_ref() {
        "main" => Some(254),
        "local" => Some(255),
        "default" => Some(253),
        _ => None,
    };
    let numbered = || number(&word).and_then(|n| u32::try_from(n).ok());
    let table = named.or_else(numbered).or_else(|| cx.host.table.and_then(|look| look(&word)));
    if table.is_none_or(|n| n == 0) {
        cx.bad(Code::Value, arg, format!("'{word}' is not a table")).help(format!("write its number; {used}"));
        return None;
    }
    table
}

/// RTPROT_*.
pub fn protocol(cx: &mut Context, arg: Arg, used: &str) -> Option<u8> {
    const NAMES: &[(&str, u8)] = &[
        ("redirect", 1),
        ("kernel", 2),
        ("boot", 3),
        ("static", 4),
        ("gated", 8),
        ("ra", 9),
        ("mrt", 10),
        ("zebra", 11),
        ("bird", 12),
        ("dnrouted", 13),
        ("xorp", 14),
        ("ntk", 15),
        ("dhcp", 16),
        ("mrouted", 17),
        ("keepalived", 18),
        ("babel", 42),
        ("bgp", 186),
        ("isis", 187),
        ("ospf", 188),
        ("rip", 189),
        ("eigrp", 192),
    ];
    let word = arg.str();
    let named = NAMES.iter().find(|(name, _)| *name == word).map(|(_, n)| *n);
    let found = named.or_else(|| number(&word).and_then(|n| u8::try_from(n).ok()));
    if found.is_none() {
        cx.bad(Code::Value, arg, format!("'{word}' is not a routing protocol"))
            .help(format!("write its number; {used}"));
    }
    found
}

/// A type of service: hexadecimal, as `ip` has it.
pub fn tos(cx: &mut Context, arg: Arg, used: &str) -> Option<u8> {
    let word = arg.str();
    let digits = word.strip_prefix("0x").unwrap_or(&word);
    let tos = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
    if tos.is_none() {
        cx.bad(Code::Value, arg, format!("'{word}' is not a type of service, 0x00 to 0xff")).help(used);
    }
    tos
}

/// `[FROM/]TO`.
pub fn realms(cx: &mut Context, arg: Arg, used: &str) -> Option<u32> {
    let word = arg.str();
    let (from, to) = word.split_once('/').unwrap_or(("0", &word));
    match (from.parse::<u16>(), to.parse::<u16>()) {
        (Ok(from), Ok(to)) => Some(u32::from(from) << 16 | u32::from(to)),
        _ => {
            cx.bad(Code::Value, arg, format!("'{word}' is not [FROM/]TO, two numbers up to 65535")).help(used);
            None
        }
    }
}

/// All addresses of a line are of one family. The first one that was given decides.
#[derive(Default)]
pub struct Families(Option<(Family, Span)>);

impl Families {
    pub fn of(&self) -> Option<Family> {
        self.0.map(|(family, _)| family)
    }

    /// None: it is of another family, which is said.
    pub fn add(&mut self, cx: &mut Context, family: Family, arg: Arg, used: &str) -> Option<()> {
        let (first, span) = *self.0.get_or_insert((family, arg.span()));
        if first == family {
            return Some(());
        }
        let text = format!("IPv4 and IPv6 in one line: {} is {}", arg.str(), label(family));
        cx.bad(Code::Conflict, arg, text).see(span, format!("this is {}", label(first))).help(used);
        None
    }
}

fn label(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("10"), Some(10));
        assert_eq!(number("0xff"), Some(255));
        for bad in ["", "+1", "-1", "0x", "0x+1", "1x"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
