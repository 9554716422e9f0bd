//! Raw sockets: one for each (interface, protocol, group) to hear and send adverts, one to send ARP and
//! neighbour advertisements.

use super::sys;
use crate::base::addr::{Endpoint, IfName};
use crate::base::bytes::Writer;
use crate::wire::op::SocketKey;
use std::io::{self, Error};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// TC_PRIO_INTERACTIVE: before bulk traffic in the interface's queue.
const PRIORITY: i32 = 6;
/// A thousand routers on one link may all send at once; the usual 208 KiB hold about 250 of their packets.
const RECEIVE_BUFFER: i32 = 2 << 20;
const ON: [u8; 4] = 1i32.to_ne_bytes();
const OFF: [u8; 4] = 0i32.to_ne_bytes();

/// Hears and sends on this one interface, a member of the key's group there. Packets go out as given, with their IP
/// header; what is received begins with one too.
pub fn vrrp(key: &SocketKey, ifname: &IfName) -> io::Result<OwnedFd> {
    let IpAddr::V4(group) = key.group else {
        return Err(Error::from_raw_os_error(libc::EAFNOSUPPORT));
    };
    let fd = sys::socket(libc::AF_INET, libc::SOCK_RAW, i32::from(key.protocol))?;
    let ip = |name, value: &[u8]| sys::set_option(fd.as_fd(), libc::IPPROTO_IP, name, value);
    let sock = |name, value: &[u8]| sys::set_option(fd.as_fd(), libc::SOL_SOCKET, name, value);
    // First of all: until this is set, packets of every interface come in.
    sock(libc::SO_BINDTODEVICE, ifname.as_str().as_bytes())?;
    ip(libc::IP_HDRINCL, &ON)?;
    let member = membership(group, key.ifindex);
    ip(libc::IP_MULTICAST_IF, &member)?;
    ip(libc::IP_MULTICAST_LOOP, &OFF)?;
    // Only the group joined here, not those that other sockets joined.
    ip(libc::IP_MULTICAST_ALL, &OFF)?;
    ip(libc::IP_ADD_MEMBERSHIP, &member)?;
    sock(libc::SO_PRIORITY, &PRIORITY.to_ne_bytes())?;
    let size = RECEIVE_BUFFER.to_ne_bytes();
    sock(libc::SO_RCVBUFFORCE, &size).or_else(|_| sock(libc::SO_RCVBUF, &size))?;
    Ok(fd)
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
pub fn recv(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    sys::receive(fd, buf)
}

/// Sends each packet (with its IP header) to its destination, in few system calls. A packet that is refused does not
/// hold up the others; a full queue does. How many went out, and the first fault.
pub fn send_batch(fd: BorrowedFd<'_>, packets: &[(Ipv4Addr, &[u8])]) -> (usize, Option<Error>) {
    let (mut sent, mut fault) = (0, None);
    let batch: Vec<([u8; 16], &[u8])> = packets.iter().map(|(to, bytes)| (sockaddr_in(*to), *bytes)).collect();
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

/// sockaddr_in: family u16 (host order), port u16, address, eight zeros.
fn sockaddr_in(to: Ipv4Addr) -> [u8; 16] {
    let [f0, f1] = u16::try_from(libc::AF_INET).unwrap_or(0).to_ne_bytes();
    let [a, b, c, d] = to.octets();
    [f0, f1, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
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

/// For sending whole Ethernet frames on any interface. Protocol 0: it never receives anything.
pub fn packet() -> io::Result<OwnedFd> {
    sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
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
