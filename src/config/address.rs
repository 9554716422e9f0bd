//! Lines of virtual_ipaddress, virtual_ipaddress_excluded and static_ipaddress: `ADDR[/LEN] [option..]`.

use super::context::Context;
use super::diagnostic::Code;
use super::keywords::{Block, Takes};
use super::lexer::Span;
use super::model::Vip;
use super::tree::{Arg, Node};
use super::words::{self, Name, Place, Words};
use crate::base::addr::{Family, IfName, IpNet};
use std::net::{IpAddr, Ipv4Addr};

/// An address, where it stands, and the track_group that it names.
pub struct Line {
    pub vip: Vip,
    pub span: Span,
    pub group: Option<Name>,
}

pub fn read(cx: &mut Context, line: Node, place: Place) -> Option<Line> {
    cx.settled();
    let mut words = Words::new(line, Block::Address, "an address", place);
    let first = words.next()?;
    let another = |arg: &Arg| is_address(arg) || arg.str() == ",";
    let many = line.arg(0).filter(another);
    let text = || "one line holds one address".to_string();
    if many.is_some() && first.str().ends_with(',') {
        cx.bad(Code::Value, first, text()).help("write the others on lines of their own; the line is not used");
        return None;
    }
    let net = words::prefix(cx, first)?;
    if let Some(second) = many {
        cx.bad(Code::Value, second, text()).help("write the others on lines of their own; only the first is used");
    }
    let mut read = Line { vip: Vip::new(net), span: first.span(), group: None };
    let vip = &mut read.vip;
    let v6 = net.family() == Family::V6;
    let mut peer = None;
    while let Some(option) = words.next() {
        if many.is_some() && another(&option) {
            continue;
        }
        if !v6 && matches!(option.str().as_ref(), "home" | "-nodad" | "mngtmpaddr") {
            let word = option.str();
            cx.warn(Code::Conflict, option.span(), &word, format!("'{word}' is for IPv6 addresses"))
                .help("it is not used");
            continue;
        }
        let Some(keyword) = words.option(cx, option) else {
            words.unknown(cx, option, "it is not used");
            continue;
        };
        let value = match keyword.takes {
            Takes::No => option,
            _ => match words.value(cx, keyword, option) {
                Some(value) => value,
                None => break,
            },
        };
        let text = value.str();
        match keyword.word {
            "dev" => vip.dev = cx.interface(value),
            "brd" | "broadcast" | "scope" | "label" if v6 => {
                let what = match keyword.word {
                    "scope" => "the scope of an IPv6 address cannot be chosen",
                    "label" => "an IPv6 address has no label",
                    _ => "an IPv6 address has no broadcast address",
                };
                cx.bad(Code::Conflict, option, what.into()).help("it is not used");
            }
            "brd" | "broadcast" => match broadcast(net, &text) {
                Some(ip) => vip.broadcast = Some(ip),
                None => {
                    cx.bad(Code::Value, value, format!("'{text}' is not an IPv4 broadcast address"))
                        .help("the address is not used");
                    return None;
                }
            },
            "scope" => match words::scope(&text) {
                Some(n) => vip.scope = n,
                None => cx
                    .bad(Code::Value, value, format!("'{text}' is not a scope"))
                    .help("write global, site, link, host or a number up to 255"),
            },
            "label" => match IfName::label(&text) {
                Some(label) => vip.label = Some(label),
                None => {
                    cx.bad(Code::Range, value, format!("the label '{text}' is not 1 to 15 characters without blanks"))
                        .help("the address is not used");
                    return None;
                }
            },
            "peer" => peer = Some(value),
            "home" => vip.home = true,
            "-nodad" => vip.dad = true,
            "mngtmpaddr" => vip.mngtmpaddr = true,
            "noprefixroute" => vip.noprefixroute = true,
            "autojoin" => vip.autojoin = true,
            "no_track" => vip.no_track = true,
            "use_vmac" => vip.use_vmac = true,
            "preferred_lft" if text == "forever" => vip.preferred_lft = None,
            "preferred_lft" => {
                let most = i64::from(u32::MAX) - 1;
                if let Some(n) =
                    words::range(cx, "preferred_lft", value, 0, most, "it is not used; write seconds or forever")
                {
                    vip.preferred_lft = u32::try_from(n).ok();
                }
            }
            "track_group" => read.group = Some(words::name(value)),
            _ => {}
        }
    }
    if let Some(arg) = peer {
        let given = first.str().contains('/');
        vip.peer = self::peer(cx, net, arg);
        if vip.peer.is_some() {
            if given {
                cx.bad(Code::Conflict, first, "the prefix length stands behind the peer's address".into())
                    .help(format!("it is not used here; write {} peer ADDR/LEN", net.addr));
            }
            vip.net = IpNet::host(net.addr);
        }
    }
    Some(read)
}

fn is_address(arg: &Arg) -> bool {
    let word = arg.str();
    word.contains(['.', ':']) && word.trim_end_matches(',').parse::<IpNet>().is_ok()
}

fn peer(cx: &mut Context, net: IpNet, arg: Arg) -> Option<IpNet> {
    let word = arg.str();
    match word.parse::<IpNet>() {
        Ok(peer) if peer.family() == net.family() => Some(peer),
        Ok(_) => {
            cx.bad(Code::Conflict, arg, format!("the peer {word} is of another address family than {}", net.addr))
                .help("it is not used");
            None
        }
        Err(()) => {
            cx.bad(Code::Value, arg, format!("'{word}' is not a peer's address")).help("it is not used");
            None
        }
    }
}

fn broadcast(net: IpNet, word: &str) -> Option<Ipv4Addr> {
    let IpAddr::V4(ip) = net.addr else { return None };
    let host = u32::MAX.checked_shr(net.len.into()).unwrap_or(0);
    match word {
        "+" => Some(Ipv4Addr::from(u32::from(ip) | host)),
        "-" => Some(Ipv4Addr::from(u32::from(ip) & !host)),
        _ => word.parse().ok(),
    }
}
