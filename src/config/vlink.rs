//! The links that a virtual router can bring with it: use_vmac and use_ipvlan.

use super::context::Context;
use super::diagnostic::Code;
use super::keywords::Block;
use super::model::{Ipvlan, IpvlanMode, Vmac};
use super::tree::{Arg, Node};
use super::words;
use crate::base::addr::{IfName, IpNet, Mac};

const NOT_USED: &str = "it is not used";

/// `use_vmac [NAME] [MAC] [netlink_notify_msg] [group NUMBER]`
pub fn vmac(cx: &mut Context, node: Node) -> Vmac {
    let mut vmac = Vmac::default();
    let mut at = 0;
    while let Some(arg) = node.arg(at) {
        at += 1;
        let word = arg.str();
        match cx.option(Block::Vmac, arg).map(|k| (k, k.word)) {
            Some((keyword, "group")) => {
                match node.arg(at) {
                    Some(value) => vmac.group = words::int(cx, keyword, value, NOT_USED),
                    None => cx.bad(Code::Argument, arg, "'group' has no argument".into()).help(NOT_USED),
                }
                at += 1;
            }
            Some(_) => vmac.netlink_notify_msg = true,
            None if word.contains(':') => match mac(&word) {
                Some(Mac([0, 0, 0x5e, 0, 1 | 2, _])) => {
                    cx.bad(Code::Value, arg, format!("{word} is what RFC 5798 gives a virtual router"))
                        .help("leave it away: it is made from the VRID; it is not used");
                }
                Some(mac) => vmac.mac = Some(mac),
                None => cx.bad(Code::Value, arg, format!("'{word}' is not a MAC address")).help(NOT_USED),
            },
            None => link_name(cx, arg, &mut vmac.name),
        }
    }
    vmac
}

/// `use_ipvlan [NAME] [ADDR[/LEN]] [bridge|private|vepa]`
pub fn ipvlan(cx: &mut Context, node: Node) -> Ipvlan {
    let mut ipvlan = Ipvlan::default();
    let mut mode = None;
    for arg in node.args() {
        let word = arg.str();
        if let Some(keyword) = cx.option(Block::Ipvlan, arg) {
            if let Some(first) = mode.replace(arg.span()) {
                cx.bad(Code::Repeated, arg, "an ipvlan link has one mode".into())
                    .see(first, "the first one")
                    .help("the first one counts");
                mode = Some(first);
                continue;
            }
            ipvlan.mode = match keyword.word {
                "private" => IpvlanMode::Private,
                "vepa" => IpvlanMode::Vepa,
                _ => IpvlanMode::Bridge,
            };
        } else if let Ok(net) = word.parse::<IpNet>() {
            ipvlan.address = Some(net);
        } else {
            link_name(cx, arg, &mut ipvlan.name);
        }
    }
    ipvlan
}

fn link_name(cx: &mut Context, arg: Arg, to: &mut Option<IfName>) {
    let word = arg.str();
    match (word.parse::<IfName>(), &to) {
        (Ok(_), Some(first)) => {
            let text = format!("the link is called '{first}' already");
            cx.bad(Code::Repeated, arg, text).help(NOT_USED);
        }
        (Ok(name), None) => *to = Some(name),
        (Err(()), _) => cx
            .bad(Code::Value, arg, format!("'{word}' cannot be the name of an interface"))
            .help("a name has 1 to 15 characters, no blank, '/' or ':'"),
    }
}

fn mac(word: &str) -> Option<Mac> {
    let mut bytes = [0; 6];
    let mut parts = word.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|p| p.len() <= 2 && !p.starts_with('+'))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(Mac(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses() {
        assert_eq!(mac("00:00:5e:00:01:7").map(|m| m.to_string()), Some("00:00:5e:00:01:07".into()));
        for bad in ["00:00:5e:00:01", "00:00:5e:00:01:02:03", "0:0:0:0:0:100", "0:0:0:0:0:+1", ":::::", "x"] {
            assert_eq!(mac(bad), None, "{bad}");
        }
    }
}
