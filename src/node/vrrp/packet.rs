//! Adverts as packets: what an instance's look like, to whom they go, and which of those that come in count.

use super::instance::Instance;
use super::{signing, vlink, Ctx};
use crate::base::bytes::Writer;
use crate::config::model::{self, HmacMode, OldChecksum, Unicast};
use crate::limits;
use crate::node::effect::Effect;
use crate::wire::ah;
use crate::wire::hmac::{self, Stamp};
use crate::wire::ip::{ethernet_to_group, Head};
use crate::wire::op::SocketKey;
pub use crate::wire::vrrp::Bad;
use crate::wire::vrrp::{self, Advert, Auth, Ends, Outgoing, Rule, PRIORITY_OWNER, PRIORITY_STOP};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The one socket that an instance hears and sends by. Unicast needs a source address to have one.
pub fn socket(n: &Instance, conf: &model::Instance) -> Option<SocketKey> {
    let address = match conf.wire.unicast {
        Some(_) => n.source.or(n.last_source)?,
        None => conf.wire.group,
    };
    Some(SocketKey { ifindex: n.ifindex?, protocol: protocol(conf), address })
}

fn protocol(conf: &model::Instance) -> u8 {
    match conf.auth {
        model::Auth::Ah(_) => ah::PROTOCOL,
        _ => vrrp::PROTOCOL,
    }
}

/// Which socket a packet came by, and for which virtual router it is: both stand in the packet.
pub fn addressee(ifindex: u32, head: &Head, payload: &[u8]) -> Option<(SocketKey, u8)> {
    let message = match head.protocol {
        vrrp::PROTOCOL => payload,
        ah::PROTOCOL => payload.get(ah::LEN..)?,
        _ => return None,
    };
    let key = SocketKey { ifindex, protocol: head.protocol, address: head.dst };
    Some((key, vrrp::peek_vrid(message)?))
}

/// An advert that counts.
pub struct Checked<'a> {
    pub advert: Advert<'a>,
    /// Of AH.
    pub sequence: Option<u32>,
    /// Of auth_hmac.
    pub stamp: Option<Stamp>,
    /// Its checksum is not ours, and that is forgiven.
    pub forgiven: Option<Bad>,
    /// The sender's clock is that many seconds from ours, which is far.
    pub clock: Option<i32>,
}

/// The order of the checks is keepalived's, so that a packet with two faults is counted alike.
pub fn check<'a>(
    n: &Instance,
    conf: &model::Instance,
    head: &Head,
    packet: &'a [u8],
    payload: &'a [u8],
    wall: u64,
) -> Result<Checked<'a>, Bad> {
    if conf.wire.unicast.is_none() && head.ttl != vrrp::TTL {
        return Err(Bad::Ttl(head.ttl));
    }
    if head.src.is_unspecified()
        || head.src.is_loopback()
        || head.src.is_multicast()
        || head.src == IpAddr::V4(Ipv4Addr::BROADCAST)
    {
        return Err(Bad::Source(head.src));
    }
    let (message, sequence) = match &conf.auth {
        model::Auth::Ah(key) => {
            let opened = ah::open(key, packet).map_err(|fault| match fault {
                ah::Fault::Malformed => Bad::Short(payload.len()),
                ah::Fault::Forged => Bad::AuthFailure,
            })?;
            (opened.message, Some(opened.sequence))
        }
        _ => (payload, None),
    };
    let wire = &conf.wire;
    let ends = Ends { src: head.src, dst: head.dst };
    let (mut unsigned, mut stamp) = (message, None);
    if let Some(hmac) = &conf.hmac {
        let (advert, trailer) = vrrp::split(message, wire.version, wire.family);
        // What is no advert at all is that first of all.
        if trailer.is_none() {
            Advert::parse(message, wire.version, ends, &Rule::ALL)?;
        }
        stamp = signing::check(n.signing.as_deref(), hmac, wire.unicast.as_ref(), head.src, advert, trailer, wall)?;
        unsigned = advert;
    }
    let covered = if head.src.is_ipv6() { message } else { unsigned };
    let (advert, forgiven) = match Advert::parse_summed(unsigned, covered, wire.version, ends, accepted(wire)) {
        Err(bad @ Bad::Checksum(..)) if forgives(wire) => {
            (Advert::read(unsigned, wire.version, wire.family)?.0, Some(bad))
        }
        other => (other?, None),
    };
    authenticate(&conf.auth, advert.auth)?;
    let sane = match wire.version {
        2 => advert.interval == conf.advert_int,
        // It is learned, so it may be any that takes time.
        _ => !advert.interval.is_zero(),
    };
    if !sane {
        return Err(Bad::Interval(advert.interval));
    }
    if let Some(unicast) = &wire.unicast {
        check_peer(unicast, head)?;
    }
    // RFC 9568, erratum 8299. Two routers without addresses may well elect one of them.
    if advert.addresses().len() == 0 && !conf.vips.is_empty() {
        return Err(Bad::Empty);
    }
    if n.source == Some(head.src) && advert.priority == n.priority {
        return Err(Bad::Own);
    }
    if conf.owner_ignore_adverts && conf.priority == PRIORITY_OWNER {
        return Err(Bad::ToOwner);
    }
    // Last, for it changes what is taken next.
    match sequence {
        Some(number) if n.sequence.is_used(head.src, number) => Err(Bad::Sequence(number)),
        _ => {
            let clock = conf.hmac.as_ref().zip(stamp).and_then(|(hmac, stamp)| signing::skew(hmac, stamp, wall));
            Ok(Checked { advert, sequence, stamp, forgiven, clock })
        }
    }
}

fn accepted(wire: &model::Wire) -> &'static [Rule] {
    let old = wire.unicast.as_ref().is_some_and(|u| u.old_checksum != OldChecksum::Never);
    match (wire.version, wire.family) {
        (_, crate::base::addr::Family::V6) => &[Rule::Pseudo],
        (2, _) => &[Rule::Plain],
        _ if wire.checksum_as_v2 => &[Rule::Plain],
        _ if old => &[Rule::Pseudo, Rule::PseudoGroup],
        _ => &[Rule::Pseudo],
    }
}

/// v3_checksum_as_v2: a wrong checksum is no reason to drop an advert, as in keepalived.
fn forgives(wire: &model::Wire) -> bool {
    wire.checksum_as_v2 && wire.version == 3 && wire.family == crate::base::addr::Family::V4
}

/// How what we send is summed; an old peer is answered in its own way once it was heard.
fn rule(n: &Instance, wire: &model::Wire) -> Rule {
    let old = wire.unicast.as_ref().map(|u| u.old_checksum);
    match (wire.version, wire.family) {
        (_, crate::base::addr::Family::V6) => Rule::Pseudo,
        (2, _) => Rule::Plain,
        _ if wire.checksum_as_v2 => Rule::Plain,
        _ if old == Some(OldChecksum::Always) => Rule::PseudoGroup,
        _ if old == Some(OldChecksum::Detect) && n.old_peer => Rule::PseudoGroup,
        _ => Rule::Pseudo,
    }
}

fn authenticate(ours: &model::Auth, theirs: Auth) -> Result<(), Bad> {
    match (ours, theirs) {
        (model::Auth::None, Auth::None) | (model::Auth::Ah(_), Auth::Ah) => Ok(()),
        (model::Auth::Pass(ours), Auth::Pass(theirs)) if vrrp::same_secret(ours, &theirs) => Ok(()),
        (model::Auth::Pass(_), Auth::Pass(_)) => Err(Bad::AuthFailure),
        (_, Auth::None) => Err(Bad::AuthType(0)),
        (_, Auth::Pass(_)) => Err(Bad::AuthType(1)),
        (_, Auth::Ah) => Err(Bad::AuthType(2)),
        (_, Auth::Other(kind)) => Err(Bad::AuthType(kind)),
    }
}

fn check_peer(unicast: &Unicast, head: &Head) -> Result<(), Bad> {
    match unicast.peers.iter().find(|p| p.ip == head.src) {
        Some(peer) if !(peer.min_ttl..=peer.max_ttl).contains(&head.ttl) => Err(Bad::PeerTtl(head.ttl)),
        None if unicast.check_src => Err(Bad::Stranger),
        _ => Ok(()),
    }
}

/// One advert: to the group, or to each peer.
pub fn send(n: &mut Instance, conf: &model::Instance, priority: u8, ctx: &mut Ctx) {
    let Some(src) = n.last_source else { return };
    let counter = if priority == PRIORITY_STOP { &mut n.counters.zero_sent } else { &mut n.counters.advert_sent };
    *counter = counter.wrapping_add(1);
    let signs = conf.hmac.as_ref().filter(|h| h.mode != HmacMode::ReceiveOnly);
    let stamp = signs.map(|h| n.signing.get_or_insert_default().take(h, ctx.wall()));
    match &conf.wire.unicast {
        None => send_to(n, conf, priority, stamp, Ends { src, dst: conf.wire.group }, ctx),
        Some(unicast) => {
            for peer in &unicast.peers {
                send_to(n, conf, priority, stamp, Ends { src, dst: peer.ip }, ctx);
            }
        }
    }
}

fn send_to(n: &mut Instance, conf: &model::Instance, priority: u8, stamp: Option<Stamp>, ends: Ends, ctx: &mut Ctx) {
    let Some(socket) = socket(n, conf) else { return };
    let ttl = conf.wire.unicast.as_ref().map_or(vrrp::TTL, |u| u.ttl);
    let head = Head { src: ends.src, dst: ends.dst, ttl, protocol: socket.protocol };
    let advert = Outgoing {
        version: conf.wire.version,
        vrid: conf.vrid,
        priority,
        interval: conf.advert_int,
        auth: match conf.auth {
            model::Auth::None => Auth::None,
            model::Auth::Pass(pass) => Auth::Pass(pass),
            model::Auth::Ah(_) => Auth::Ah,
        },
        rule: rule(n, &conf.wire),
        ends,
    };
    let addresses = conf.vips.iter().map(|v| v.net.addr);
    let size = advert.size(addresses.len().min(limits::ADVERT_ADDRESSES));
    let mut w = Writer { bytes: Vec::with_capacity(head.size() + ah::LEN + size + hmac::LEN) };
    let signature = conf.hmac.as_ref().zip(stamp).and_then(|(h, stamp)| Some((h.active, h.key(h.active)?, stamp)));
    match (&conf.auth, ends.src) {
        (model::Auth::Ah(key), IpAddr::V4(src)) => {
            head.emit(n.next_ip_id(), ah::LEN + size, &mut w);
            ah::emit(vrrp::PROTOCOL, src, n.sequence.take(), &mut w);
            advert.emit(addresses, &mut w);
            ah::seal(key, &mut w);
        }
        _ => {
            head.emit(n.next_ip_id(), size + signature.map_or(0, |_| hmac::LEN), &mut w);
            let start = w.len();
            advert.emit(addresses, &mut w);
            if let Some((id, key, stamp)) = signature {
                hmac::sign(key, id, stamp, ends.src, start, &mut w);
                advert.sum_again(start, &mut w);
            }
        }
    }
    let Some(mac) = vlink::advert_mac(conf) else {
        return ctx.out.push(Effect::Send { socket, bytes: w.bytes });
    };
    let mut frame = Writer::new();
    ethernet_to_group(ends.dst, mac, &mut frame);
    frame.put(&w.bytes);
    ctx.out.push(Effect::Frame { ifindex: socket.ifindex, bytes: frame.bytes });
}

/// The interval that counts for the time until a master is dead: version 3 takes the master's own (RFC 9568 6.1).
pub fn interval(conf: &model::Instance, learned: Option<Duration>) -> Duration {
    match conf.wire.version {
        2 => conf.advert_int,
        _ => learned.unwrap_or(conf.advert_int),
    }
}
