//! Raw sockets: one for each (interface, protocol, group) to hear and send adverts, one to send ARP and
//! neighbour advertisements.

use super::sys;
use crate::base::addr::{Endpoint, Family, IfName};
use crate::base::bytes::{Reader, Writer};
use crate::wire::op::SocketKey;
use crate::wire::{ip, link, vrrp};
use std::io::{self, Error};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// TC_PRIO_INTERACTIVE: before bulk traffic in the interface's queue.
const PRIORITY: i32 = 6;
/// A thousand routers on one link may all send at once; the usual 208 KiB hold about 250 of their packets.
pub const RECEIVE_BUFFER: i32 = 2 << 20;
/// Not in libc for every target; the same number on all.
const IPV6_MULTICAST_ALL: i32 = 29;
const ON: [u8; 4] = 1i32.to_ne_bytes();
const OFF: [u8; 4] = 0i32.to_ne_bytes();

/// Hears what comes to the key's address, a group that is joined or one of ours, and sends; on one interface if the key
/// has one. Packets go out as given, with their IP header; what is received (see `recv`) begins with one too.
pub fn vrrp(key: &SocketKey, ifname: Option<&IfName>) -> io::Result<OwnedFd> {
    let family = match key.address {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    let fd = sys::socket(family, libc::SOCK_RAW, i32::from(key.protocol))?;
    let sock = |name, value: &[u8]| sys::set_option(fd.as_fd(), libc::SOL_SOCKET, name, value);
    // First of all: until this is set, packets of every interface come in.
    if let Some(name) = ifname {
        sock(libc::SO_BINDTODEVICE, name.as_str().as_bytes())?;
    }
    match key.address {
        IpAddr::V4(address) => v4(fd.as_fd(), address, key.ifindex)?,
        IpAddr::V6(address) => v6(fd.as_fd(), address, key.ifindex)?,
    }
    // What goes to other addresses is for other sockets.
    sys::bind(fd.as_fd(), sockaddr_scoped(key.address, key.ifindex).as_ref())?;
    sock(libc::SO_PRIORITY, &PRIORITY.to_ne_bytes())?;
    receive_buffer(fd.as_fd(), RECEIVE_BUFFER)?;
    Ok(fd)
}

/// Without the right to exceed it, the kernel's own maximum bounds it.
pub fn receive_buffer(fd: BorrowedFd<'_>, bytes: i32) -> io::Result<()> {
    let sock = |name| sys::set_option(fd, libc::SOL_SOCKET, name, &bytes.to_ne_bytes());
    sock(libc::SO_RCVBUFFORCE).or_else(|_| sock(libc::SO_RCVBUF))
}

fn v4(fd: BorrowedFd<'_>, address: Ipv4Addr, ifindex: u32) -> io::Result<()> {
    let ip = |name, value: &[u8]| sys::set_option(fd, libc::IPPROTO_IP, name, value);
    ip(libc::IP_HDRINCL, &ON)?;
    // Only the group joined here, not those that other sockets joined.
    ip(libc::IP_MULTICAST_ALL, &OFF)?;
    if address.is_multicast() {
        let member = membership(address, ifindex);
        ip(libc::IP_MULTICAST_IF, &member)?;
        ip(libc::IP_MULTICAST_LOOP, &OFF)?;
        ip(libc::IP_ADD_MEMBERSHIP, &member)?;
    }
    Ok(())
}

fn v6(fd: BorrowedFd<'_>, address: Ipv6Addr, ifindex: u32) -> io::Result<()> {
    let ip = |name, value: &[u8]| sys::set_option(fd, libc::IPPROTO_IPV6, name, value);
    ip(libc::IPV6_HDRINCL, &ON)?;
    // A raw socket does not get the IPv6 header: this is told beside the packet.
    ip(libc::IPV6_RECVPKTINFO, &ON)?;
    ip(libc::IPV6_RECVHOPLIMIT, &ON)?;
    // As with IPv4. Kernels before 4.20 cannot.
    let _ = ip(IPV6_MULTICAST_ALL, &OFF);
    if address.is_multicast() {
        ip(libc::IPV6_MULTICAST_IF, &ifindex.to_ne_bytes())?;
        ip(libc::IPV6_MULTICAST_LOOP, &OFF)?;
        // ipv6_mreq: group, interface number.
        let mut member = Writer::new();
        member.put(&address.octets());
        member.u32_ne(ifindex);
        ip(libc::IPV6_ADD_MEMBERSHIP, &member.bytes)?;
    }
    Ok(())
}

/// ip_mreqn: group, local address, interface number.
fn membership(group: Ipv4Addr, ifindex: u32) -> Vec<u8> {
    let mut w = Writer::new();
    w.put(&group.octets());
    w.zeros(4);
    w.u32_ne(ifindex);
    w.bytes
}

/// One packet, from its IP header on. WouldBlock when none waits.
pub fn recv(fd: BorrowedFd<'_>, family: Family, buf: &mut [u8]) -> io::Result<usize> {
    match family {
        Family::V4 => sys::receive(fd, buf),
        Family::V6 => recv_v6(fd, buf),
    }
}

/// Makes the header anew of what the kernel tells beside the packet.
fn recv_v6(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    let Some((header, message)) = buf.split_at_mut_checked(ip::V6_HEADER_LEN) else {
        return Err(Error::from_raw_os_error(libc::EINVAL));
    };
    let (mut name, mut control) = ([0; 28], [0; 128]);
    let (got, told) = sys::receive_with(fd, message, &mut name, &mut control)?;
    // sockaddr_in6: the address at 8.
    let src: [u8; 16] = name.get(8..24).and_then(|b| b.try_into().ok()).unwrap_or_default();
    let (mut dst, mut hops) = ([0; 16], 0);
    for (kind, value) in control_messages(control.get(..told).unwrap_or_default()) {
        match kind {
            // in6_pktinfo: the address, then the interface.
            libc::IPV6_PKTINFO => dst = value.get(..16).and_then(|b| b.try_into().ok()).unwrap_or_default(),
            libc::IPV6_HOPLIMIT => hops = Reader::new(value).i32_ne().and_then(|n| u8::try_from(n).ok()).unwrap_or(0),
            _ => {}
        }
    }
    let mut w = Writer::new();
    let head = ip::Head { src: src.into(), dst: dst.into(), ttl: hops, protocol: vrrp::PROTOCOL };
    head.emit(0, got.len, &mut w);
    header.copy_from_slice(w.bytes.get(..ip::V6_HEADER_LEN).unwrap_or(&[0; ip::V6_HEADER_LEN]));
    Ok(ip::V6_HEADER_LEN + got.len)
}

/// The IPv6 ones among cmsghdr (length usize, level i32, kind i32, value; aligned to usize).
fn control_messages(bytes: &[u8]) -> Vec<(i32, &[u8])> {
    const WORD: usize = size_of::<usize>();
    let mut found = Vec::new();
    let mut rest = bytes;
    loop {
        let mut r = Reader::new(rest);
        let Some(len) = r.array::<WORD>().map(usize::from_ne_bytes) else { break };
        let (Some(level), Some(kind)) = (r.i32_ne(), r.i32_ne()) else { break };
        let Some(value) = rest.get(WORD + 8..len) else { break };
        if level == libc::IPPROTO_IPV6 {
            found.push((kind, value));
        }
        rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or_default();
    }
    found
}

/// Sends each packet (with its IP header) to its destination, in few system calls. A packet that is refused does not
/// hold up the others; a full queue does. How many went out, and the first fault. All are of one family.
pub fn send_batch(fd: BorrowedFd<'_>, packets: &[(IpAddr, &[u8])]) -> (usize, Option<Error>) {
    let (mut sent, mut fault) = (0, None);
    let batch: Vec<(SockAddr, &[u8])> = packets.iter().map(|(to, bytes)| (sockaddr_scoped(*to, 0), *bytes)).collect();
    let mut rest = batch.as_slice();
    while !rest.is_empty() {
        let skip = match sys::send_many(fd, rest) {
            Ok(n) => {
                sent += n;
                n.max(1)
            }
            Err(e) => {
                let full = e.kind() == io::ErrorKind::WouldBlock;
                fault.get_or_insert(e);
                if full {
                    break;
                }
                1
            }
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    (sent, fault)
}

/// sockaddr_in or sockaddr_in6, without the heap: a thousand adverts may leave in one turn.
struct SockAddr {
    bytes: [u8; 28],
    len: usize,
}

impl AsRef<[u8]> for SockAddr {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Port 0. Link-local IPv6 addresses need their interface, unless the socket is bound to one.
fn sockaddr_scoped(ip: IpAddr, ifindex: u32) -> SockAddr {
    let family = if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut bytes = [0; 28];
    let mut put = |at: usize, from: &[u8]| {
        if let Some(to) = bytes.get_mut(at..at + from.len()) {
            to.copy_from_slice(from);
        }
    };
    put(0, &u16::try_from(family).unwrap_or(0).to_ne_bytes());
    let len = match ip {
        IpAddr::V4(ip) => {
            put(4, &ip.octets());
            16
        }
        IpAddr::V6(ip) => {
            put(8, &ip.octets());
            put(24, &ifindex.to_ne_bytes());
            28
        }
    };
    SockAddr { bytes, len }
}

/// Where a connection of a check comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct From<'a> {
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    pub interface: Option<&'a IfName>,
    pub mark: Option<u32>,
}

/// A TCP socket that is connecting.
pub fn connect(to: Endpoint, from: &From) -> io::Result<OwnedFd> {
    let family = if to.ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let fd = sys::socket(family, libc::SOCK_STREAM, 0)?;
    let sock = |name, value: &[u8]| sys::set_option(fd.as_fd(), libc::SOL_SOCKET, name, value);
    if let Some(mark) = from.mark {
        sock(libc::SO_MARK, &mark.to_ne_bytes())?;
    }
    if let Some(interface) = from.interface {
        sock(libc::SO_BINDTODEVICE, interface.as_str().as_bytes())?;
    }
    if from.address.is_some() || from.port.is_some() {
        let any = if to.ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        sock(libc::SO_REUSEADDR, &ON)?;
        let from = Endpoint { ip: from.address.unwrap_or(any), port: from.port.unwrap_or(0) };
        sys::bind(fd.as_fd(), &sockaddr(from))?;
    }
    sys::connect(fd.as_fd(), &sockaddr(to))?;
    Ok(fd)
}

/// sockaddr_in or sockaddr_in6: family in host order, port and address in network order.
fn sockaddr(at: Endpoint) -> Vec<u8> {
    let mut w = Writer::new();
    let family = if at.ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    w.u16_ne(u16::try_from(family).unwrap_or(0));
    w.u16(at.port);
    match at.ip {
        IpAddr::V4(ip) => {
            w.put(&ip.octets());
            w.zeros(8);
        }
        IpAddr::V6(ip) => {
            w.zeros(4);
            w.put(&ip.octets());
            w.zeros(4);
        }
    }
    w.bytes
}

/// For asking about interfaces only.
pub fn plain() -> io::Result<OwnedFd> {
    sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)
}

/// For sending whole Ethernet frames on any interface. Protocol 0: it never receives anything.
pub fn packet() -> io::Result<OwnedFd> {
    sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
}

/// Hears what comes by the link that `key` names to the key's group, as packets from their IP header on.
pub fn ear(key: &SocketKey) -> io::Result<OwnedFd> {
    // Protocol 0 until it is bound: nothing comes in without the filter.
    let fd = sys::socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0)?;
    sys::attach_filter(fd.as_fd(), &link::filter(key.address, key.protocol))?;
    // sockaddr_ll: family u16, protocol u16 (network order), interface u32, and no address.
    let mut to = Writer::new();
    to.u16_ne(u16::try_from(libc::AF_PACKET).unwrap_or(0));
    to.u16(if key.address.is_ipv4() { 0x0800 } else { 0x86dd });
    to.u32_ne(key.ifindex);
    to.zeros(12);
    sys::bind(fd.as_fd(), &to.bytes)?;
    Ok(fd)
}

/// One packet of an `ear`.
pub fn recv_ear(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    sys::receive(fd, buf)
}

/// `frame` begins with its Ethernet header.
pub fn send_frame(fd: BorrowedFd<'_>, ifindex: u32, frame: &[u8]) -> io::Result<()> {
    // sockaddr_ll: family u16, protocol u16 (network order), interface u32, hardware type u16, packet type u8,
    // address length u8, address 8.
    let mut to = Writer::new();
    to.u16_ne(u16::try_from(libc::AF_PACKET).unwrap_or(0));
    to.put(frame.get(12..14).unwrap_or(&[0, 0]));
    to.u32_ne(ifindex);
    to.u16_ne(0);
    to.u8(0);
    to.u8(6);
    to.put(frame.get(..6).unwrap_or(&[0; 6]));
    to.zeros(2);
    sys::send_to(fd, frame, &to.bytes).map(drop)
}
