//! The structures of the IPVS sockopt interface (linux/ip_vs.h), IPv4 only. Host order, but for addresses and ports.
//!
//! ```text
//! service: protocol u16, pad 2, address, port, pad 2, mark u32, scheduler [16], flags u32, timeout u32, netmask     44
//! dest:    address, port, pad 2, flags u32, weight i32, upper u32, lower u32                                        24
//! daemon:  state i32, interface [16], sync id i32                                                                  24
//! ```
//! Entries that the kernel gives hold counters of 64 bits: their place depends on how this machine aligns a u64.

use super::op::{DestValue, Forward, Protocol, Scheduler, ServiceKey, ServiceValue, SyncRole};
use crate::base::addr::{Endpoint, Family, IfName};
use crate::base::bytes::{Reader, Writer};
use std::net::{IpAddr, Ipv4Addr};

const BASE: i32 = 64 + 1024 + 64;
pub const SET_ADD: i32 = BASE + 2;
pub const SET_EDIT: i32 = BASE + 3;
pub const SET_DEL: i32 = BASE + 4;
pub const SET_ADDDEST: i32 = BASE + 7;
pub const SET_DELDEST: i32 = BASE + 8;
pub const SET_EDITDEST: i32 = BASE + 9;
pub const SET_STARTDAEMON: i32 = BASE + 11;
pub const SET_STOPDAEMON: i32 = BASE + 12;
pub const GET_INFO: i32 = BASE + 1;
pub const GET_SERVICES: i32 = BASE + 2;
pub const GET_DESTS: i32 = BASE + 4;
pub const GET_TIMEOUT: i32 = BASE + 6;
pub const GET_DAEMON: i32 = BASE + 7;

const F_PERSISTENT: u32 = 0x1;
const F_ONEPACKET: u32 = 0x4;
/// IP_VS_SVC_F_SCHED1 to 3.
const F_SCHED_SHIFT: u32 = 3;
const CONN_F_FWD_MASK: u32 = 0x7;

const NAME: usize = 16;
/// Size of ip_vs_getinfo: version, size of the connection table, number of services.
pub const INFO: usize = 12;
/// Both sync daemons.
pub const DAEMONS: usize = 2 * 24;

const ALIGN: usize = align_of::<u64>();
const STATS: usize = aligned(aligned(12) + 16 + 20);
const SERVICE_ENTRY: usize = aligned(48) + STATS;
const DEST_ENTRY: usize = aligned(36) + STATS;
const SERVICES_HEAD: usize = aligned(4);
const DESTS_HEAD: usize = aligned(20);
/// More than any kernel holds; keeps a lying count from asking for all memory.
const ENTRIES: u32 = 1 << 20;

const fn aligned(n: usize) -> usize {
    n.div_ceil(ALIGN) * ALIGN
}

/// The service that is meant, without details; None if this interface cannot name it (IPv6).
fn put_key(w: &mut Writer, key: &ServiceKey) -> Option<()> {
    let (protocol, ip, port, mark) = match *key {
        ServiceKey::Address(protocol, Endpoint { ip: IpAddr::V4(ip), port }) => (protocol, ip, port, 0),
        // A mark stands for all protocols, but the kernel insists on one.
        ServiceKey::Mark(Family::V4, mark) => (Protocol::Tcp, Ipv4Addr::UNSPECIFIED, 0, mark),
        _ => return None,
    };
    w.u16_ne(u16::from(protocol.number()));
    w.zeros(2);
    w.put(&ip.octets());
    w.u16(port);
    w.zeros(2);
    w.u32_ne(mark);
    Some(())
}

fn read_key(r: &mut Reader<'_>) -> Option<ServiceKey> {
    let protocol = r.u16_ne()?;
    r.take(2)?;
    let ip = IpAddr::from(r.array::<4>()?);
    let port = r.u16()?;
    r.take(2)?;
    let protocol = match (protocol, r.u32_ne()?) {
        (6, 0) => Protocol::Tcp,
        (17, 0) => Protocol::Udp,
        (_, 0) => return None,
        (_, mark) => return Some(ServiceKey::Mark(Family::V4, mark)),
    };
    Some(ServiceKey::Address(protocol, Endpoint { ip, port }))
}

/// ip_vs_service_user. Without a value it only names the service (to delete it, to change its destinations).
pub fn service(key: &ServiceKey, value: Option<&ServiceValue>) -> Option<Vec<u8>> {
    let mut w = Writer::new();
    put_key(&mut w, key)?;
    let Some(v) = value else {
        w.zeros(NAME + 12);
        return Some(w.bytes);
    };
    put_name(&mut w, v.scheduler.name());
    let mut flags = u32::from(v.scheduler_flags & 7) << F_SCHED_SHIFT;
    if v.persistence.is_some() {
        flags |= F_PERSISTENT;
    }
    if v.one_packet {
        flags |= F_ONEPACKET;
    }
    w.u32_ne(flags);
    w.u32_ne(v.persistence.unwrap_or(0));
    let zeros = 32 - u32::from(v.granularity.min(32));
    w.u32(u32::MAX.checked_shl(zeros).unwrap_or(0));
    Some(w.bytes)
}

/// ip_vs_service_user and ip_vs_dest_user.
pub fn dest(key: &ServiceKey, at: &Endpoint, value: Option<&DestValue>) -> Option<Vec<u8>> {
    let IpAddr::V4(ip) = at.ip else { return None };
    let mut w = Writer { bytes: service(key, None)? };
    w.put(&ip.octets());
    w.u16(at.port);
    w.zeros(2);
    match value {
        None => w.zeros(16),
        Some(v) => {
            w.u32_ne(v.forward.flags());
            w.i32_ne(i32::try_from(v.weight).unwrap_or(i32::MAX));
            w.u32_ne(v.upper_threshold);
            w.u32_ne(v.lower_threshold);
        }
    }
    Some(w.bytes)
}

/// ip_vs_daemon_user.
pub fn daemon(role: SyncRole, interface: &IfName, id: u8) -> Vec<u8> {
    let mut w = Writer::new();
    w.i32_ne(state(role));
    put_name(&mut w, interface.as_str());
    w.i32_ne(i32::from(id));
    w.bytes
}

fn state(role: SyncRole) -> i32 {
    match role {
        SyncRole::Master => 1,
        SyncRole::Backup => 2,
    }
}

fn put_name(w: &mut Writer, name: &str) {
    let mut field = [0; NAME];
    // The last byte stays the end mark.
    for (to, from) in field.iter_mut().take(NAME - 1).zip(name.bytes()) {
        *to = from;
    }
    w.put(&field);
}

fn read_name<'a>(r: &mut Reader<'a>) -> Option<&'a str> {
    let field = r.take(NAME)?;
    let end = field.iter().position(|b| *b == 0)?;
    std::str::from_utf8(field.get(..end)?).ok()
}

/// The number of services, from ip_vs_getinfo.
pub fn service_count(info: &[u8]) -> Option<u32> {
    let mut r = Reader::new(info);
    r.take(8)?;
    r.u32_ne().map(|n| n.min(ENTRIES))
}

/// ip_vs_get_services with room for the entries: the kernel wants exactly the size that fits the number.
pub fn services_request(count: u32) -> Vec<u8> {
    let mut w = Writer::new();
    w.u32_ne(count);
    w.zeros(SERVICES_HEAD - 4 + SERVICE_ENTRY * count as usize);
    w.bytes
}

/// Services and the numbers of their destinations. Those of kinds that we do not know are left out.
pub fn services(reply: &[u8]) -> impl Iterator<Item = (ServiceKey, ServiceValue, u32)> + '_ {
    entries::<SERVICE_ENTRY>(reply, SERVICES_HEAD).filter_map(|entry| {
        let mut r = Reader::new(entry);
        let key = read_key(&mut r)?;
        let scheduler = Scheduler::from_name(read_name(&mut r)?)?;
        let (flags, timeout, netmask, dests) = (r.u32_ne()?, r.u32_ne()?, r.u32()?, r.u32_ne()?);
        let value = ServiceValue {
            scheduler,
            persistence: (flags & F_PERSISTENT != 0).then_some(timeout),
            granularity: u8::try_from(netmask.leading_ones()).unwrap_or(32),
            one_packet: flags & F_ONEPACKET != 0,
            scheduler_flags: u8::try_from(flags >> F_SCHED_SHIFT & 7).unwrap_or(0),
        };
        Some((key, value, dests.min(ENTRIES)))
    })
}

/// ip_vs_get_dests with room for the entries.
pub fn dests_request(key: &ServiceKey, count: u32) -> Option<Vec<u8>> {
    let mut w = Writer::new();
    put_key(&mut w, key)?;
    w.u32_ne(count);
    w.zeros(DESTS_HEAD - 20 + DEST_ENTRY * count as usize);
    Some(w.bytes)
}

/// Room that the kernel did not fill (IPv6 destinations are counted, but not shown here) is left out.
pub fn dests(reply: &[u8]) -> impl Iterator<Item = (Endpoint, DestValue)> + '_ {
    entries::<DEST_ENTRY>(reply, DESTS_HEAD).filter_map(|entry| {
        let mut r = Reader::new(entry);
        let ip = Ipv4Addr::from(r.array::<4>()?);
        let port = r.u16()?;
        r.take(2)?;
        let (flags, weight) = (r.u32_ne()?, r.i32_ne()?);
        let forward = match flags & CONN_F_FWD_MASK {
            0 => Forward::Nat,
            2 => Forward::Tunnel,
            // Old kernels turn a destination that is this host itself into "local node".
            1 | 3 => Forward::Direct,
            _ => return None,
        };
        let (upper_threshold, lower_threshold) = (r.u32_ne()?, r.u32_ne()?);
        let value = DestValue { forward, weight: u32::try_from(weight).unwrap_or(0), upper_threshold, lower_threshold };
        (!ip.is_unspecified()).then_some((Endpoint { ip: ip.into(), port }, value))
    })
}

fn entries<const SIZE: usize>(reply: &[u8], head: usize) -> impl Iterator<Item = &[u8]> {
    reply.get(head..).unwrap_or_default().chunks_exact(SIZE)
}

/// The sync daemons that run, from two ip_vs_daemon_user.
pub fn daemons(reply: &[u8]) -> impl Iterator<Item = (SyncRole, IfName, u8)> + '_ {
    reply.chunks_exact(DAEMONS / 2).filter_map(|entry| {
        let mut r = Reader::new(entry);
        let role = match r.i32_ne()? {
            1 => SyncRole::Master,
            2 => SyncRole::Backup,
            _ => return None,
        };
        let interface = read_name(&mut r)?.parse().ok()?;
        Some((role, interface, u8::try_from(r.i32_ne()?).ok()?))
    })
}

/// The module that holds a scheduler; the kernel loads it by itself.
pub fn module(scheduler: Scheduler) -> String {
    format!("ip_vs_{}", scheduler.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ip: &str, port: u16) -> Endpoint {
        Endpoint { ip: ip.parse().unwrap(), port }
    }

    fn table() -> Vec<(ServiceKey, ServiceValue)> {
        let plain = |scheduler| ServiceValue {
            scheduler,
            persistence: None,
            granularity: 32,
            one_packet: false,
            scheduler_flags: 0,
        };
        let mut all: Vec<_> = Scheduler::ALL
            .iter()
            .zip(1..)
            .map(|(s, port)| (ServiceKey::Address(Protocol::Tcp, at("192.168.1.11", port)), plain(*s)))
            .collect();
        let web = ServiceKey::Address(Protocol::Tcp, at("10.0.0.1", 80));
        all.push((web, ServiceValue { persistence: Some(360), granularity: 24, ..plain(Scheduler::Wlc) }));
        all.push((web, ServiceValue { persistence: Some(0), granularity: 0, ..plain(Scheduler::Wlc) }));
        let dns = ServiceKey::Address(Protocol::Udp, at("10.0.0.1", 53));
        all.push((dns, ServiceValue { one_packet: true, scheduler_flags: 0b101, ..plain(Scheduler::Mh) }));
        all.push((ServiceKey::Mark(Family::V4, 0x0102_0304), plain(Scheduler::Rr)));
        all
    }

    fn real() -> Vec<(Endpoint, DestValue)> {
        let value = |forward, weight| DestValue { forward, weight, upper_threshold: 0, lower_threshold: 0 };
        vec![
            (at("10.1.0.1", 8080), value(Forward::Nat, 1)),
            (at("10.1.0.2", 80), value(Forward::Tunnel, 0)),
            (at("10.1.0.3", 0), DestValue { upper_threshold: 9, lower_threshold: 7, ..value(Forward::Direct, 65535) }),
        ]
    }

    /// A reply as the kernel would write it into the room of our request.
    fn services_reply() -> Vec<u8> {
        let all = table();
        let mut bytes = services_request(all.len() as u32 + 1);
        for (i, (key, value)) in all.iter().enumerate() {
            let start = SERVICES_HEAD + i * SERVICE_ENTRY;
            let entry = [service(key, Some(value)).unwrap(), (i as u32).to_ne_bytes().to_vec()].concat();
            bytes[start..start + 48].copy_from_slice(&entry);
        }
        bytes
    }

    fn dests_reply(key: &ServiceKey) -> Vec<u8> {
        let mut bytes = dests_request(key, 5).unwrap();
        for (i, (to, value)) in real().iter().enumerate() {
            let start = DESTS_HEAD + i * DEST_ENTRY;
            bytes[start..start + 24].copy_from_slice(&dest(key, to, Some(value)).unwrap()[44..]);
        }
        bytes
    }

    #[test]
    fn both_ways() {
        let all = table();
        let read: Vec<_> = services(&services_reply()).collect();
        assert_eq!(read.len(), all.len());
        for (i, (key, value)) in all.iter().enumerate() {
            assert_eq!(read[i], (*key, value.clone(), i as u32));
            assert_eq!(dests(&dests_reply(key)).collect::<Vec<_>>(), real());
        }
        let bytes = [
            daemon(SyncRole::Master, &"eth0".parse().unwrap(), 51),
            daemon(SyncRole::Backup, &"a23456789012345".parse().unwrap(), 255),
        ]
        .concat();
        assert_eq!(bytes.len(), DAEMONS);
        let read: Vec<_> = daemons(&bytes).map(|(role, name, id)| (role, name.to_string(), id)).collect();
        assert_eq!(read, [(SyncRole::Master, "eth0".into(), 51), (SyncRole::Backup, "a23456789012345".into(), 255)]);
        assert_eq!(daemons(&[0; DAEMONS]).count(), 0);
    }

    #[test]
    fn the_bytes_of_a_service_and_its_destination() {
        let key = ServiceKey::Address(Protocol::Udp, at("10.0.0.1", 0x1234));
        let value = ServiceValue {
            scheduler: Scheduler::Sh,
            persistence: Some(50),
            granularity: 24,
            one_packet: true,
            scheduler_flags: 0b11,
        };
        let bytes = service(&key, Some(&value)).unwrap();
        assert_eq!(bytes.len(), 44);
        assert_eq!(bytes[..2], 17u16.to_ne_bytes());
        assert_eq!(bytes[4..10], [10, 0, 0, 1, 0x12, 0x34]);
        assert_eq!(bytes[12..16], [0; 4]);
        assert_eq!(bytes[16..32], *b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(bytes[32..36], 0x1du32.to_ne_bytes());
        assert_eq!(bytes[36..40], 50u32.to_ne_bytes());
        assert_eq!(bytes[40..44], [255, 255, 255, 0]);
        let to = DestValue { forward: Forward::Direct, weight: u32::MAX, upper_threshold: 2, lower_threshold: 1 };
        let bytes = dest(&key, &at("10.1.0.1", 80), Some(&to)).unwrap();
        assert_eq!(bytes.len(), 68);
        assert_eq!(bytes[44..50], [10, 1, 0, 1, 0, 80]);
        assert_eq!(bytes[52..56], 3u32.to_ne_bytes());
        assert_eq!(bytes[56..60], i32::MAX.to_ne_bytes());
        assert_eq!(service(&key, None).unwrap().len(), 44);
        assert_eq!(dest(&key, &at("10.1.0.1", 80), None).unwrap().len(), 68);
        // Sizes that the kernel insists on.
        if ALIGN == 8 {
            assert_eq!((services_request(2).len(), dests_request(&key, 2).unwrap().len()), (8 + 2 * 104, 24 + 2 * 96));
        } else {
            assert_eq!((services_request(2).len(), dests_request(&key, 2).unwrap().len()), (4 + 2 * 96, 20 + 2 * 84));
        }
        assert_eq!(module(Scheduler::Lblcr), "ip_vs_lblcr");
    }

    #[test]
    fn what_it_cannot_say() {
        let six = ServiceKey::Address(Protocol::Tcp, at("fd00::1", 80));
        let four = ServiceKey::Address(Protocol::Tcp, at("10.0.0.1", 80));
        assert_eq!(service(&six, None), None);
        assert_eq!(service(&ServiceKey::Mark(Family::V6, 1), None), None);
        assert_eq!(dests_request(&six, 1), None);
        assert_eq!(dest(&six, &at("10.0.0.1", 80), None), None);
        assert_eq!(dest(&four, &at("fd00::1", 80), None), None);
    }

    #[test]
    fn broken_replies_do_no_harm() {
        let key = ServiceKey::Mark(Family::V4, 7);
        let running = daemon(SyncRole::Master, &"eth0".parse().unwrap(), 1);
        let seeds = [services_reply(), dests_reply(&key), [running.clone(), running].concat()];
        let mut read = 0;
        crate::wire::mangled(&seeds, 100_000, |bytes| {
            let _ = service_count(bytes);
            read += services(bytes).count() + dests(bytes).count() + daemons(bytes).count();
        });
        assert!(read > 100_000, "{read}");
        // A count that lies does not ask for all memory.
        assert_eq!(service_count(&[0xff; INFO]), Some(ENTRIES));
    }
}
