//! no_accept: a MASTER's addresses take no traffic for this machine itself. Tables stand as long as an instance may need
//! them, so that a kernel which cannot do it is known before anybody relies on it; addresses are in them while MASTER.

use super::instance::{Instance, State};
use super::{vlink, Vrrp};
use crate::base::addr::Family;
use crate::config::model::{self, Config};
use crate::node::links::Links;
use crate::node::Ctx;
use crate::wire::op::{BlockedKey, Firewall, Key, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

pub fn desired(n: &Instance, conf: &model::Instance, config: &Config, links: &Links, want: &mut Vec<(Key, Value)>) {
    if conf.accept || conf.held.is_some() {
        return;
    }
    let nft = &config.global.nftables;
    let firewall = Rc::new(Firewall { table: nft.table.clone(), priority: nft.priority, counters: nft.counters });
    for family in [Family::V4, Family::V6] {
        if blocks(conf, family) {
            want.push((Key::Firewall(family), Value::Firewall(firewall.clone())));
        }
    }
    for vip in conf.vips.iter().chain(&conf.excluded).filter(|_| n.state == State::Master) {
        // The same link-local address may live on each link.
        let local = matches!(vip.net.addr, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let ifindex = if local { vlink::ifindex_of(n, conf, vip, links) } else { Some(0) };
        if let Some(ifindex) = ifindex {
            let key = BlockedKey { address: vip.net.addr, ifindex };
            want.push((Key::Blocked(key), Value::Blocked(firewall.clone())));
        }
    }
}

fn blocks(conf: &model::Instance, family: Family) -> bool {
    !conf.accept && conf.vips.iter().chain(&conf.excluded).any(|v| v.net.family() == family)
}

/// Who is to accept no traffic, and cannot see to it, must not be MASTER.
pub fn fault(conf: &model::Instance, unguarded: &BTreeMap<Family, i32>) -> Option<Box<str>> {
    let (_, errno) = unguarded.iter().find(|(family, _)| blocks(conf, **family))?;
    let why = std::io::Error::from_raw_os_error(*errno);
    Some(format!("no_accept needs nftables, and the kernel refused it: {why}").into())
}

impl Vrrp {
    /// Addresses of that family cannot be blocked, or can be again.
    pub fn firewall(&mut self, family: Family, refused: Option<i32>, ctx: &mut Ctx) {
        let before = match refused {
            Some(errno) => self.unguarded.insert(family, errno),
            None => self.unguarded.remove(&family),
        };
        if !self.running || before == refused {
            return;
        }
        for i in 0..self.instances.len() {
            if ctx.conf.instances.get(i).is_some_and(|conf| blocks(conf, family)) {
                self.locate(i, ctx);
            }
        }
        self.obey_all(ctx);
    }
}
