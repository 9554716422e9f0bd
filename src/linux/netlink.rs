//! rtnetlink: one socket for requests and their answers, one for the kernel's news. So that news which pile up
//! (or are lost) never stand between a request and its answer.

use super::{sys, Done};
use crate::base::addr::IfName;
use crate::base::bytes::{Reader, Writer as Bytes};
use crate::wire::netlink::{messages, Writer, NLMSG_OVERRUN, NLM_F_DUMP_INTR};
use crate::wire::op::{Key, News, Op};
use crate::wire::rtnl::{self, Dump, REQUESTS_PER_OP};
use std::collections::BTreeMap;
use std::io::{self, Error};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// RTMGRP_LINK, IPV4_IFADDR, IPV6_IFADDR, IPV4_ROUTE, IPV6_ROUTE, IPV4_RULE; RTNLGRP_IPV6_RULE has no such name.
const GROUPS: u32 = 0x1 | 0x10 | 0x100 | 0x40 | 0x400 | 0x80 | 1 << 18;
/// News that wait for us: a thousand take-overs make some thousand, at about 1 KiB of kernel memory each.
const NEWS_BUFFER: i32 = 8 << 20;
/// Answers that wait for us; each takes about 1 KiB of kernel memory however short it is.
const ANSWERS_BUFFER: i32 = 2 << 20;
/// Requests in one sendmsg, so that their answers surely fit where the large buffer is not allowed.
const REQUESTS_AT_ONCE: usize = 128;
/// The kernel never puts more into one datagram of a dump, and its news are far shorter.
const DATAGRAM: usize = 64 << 10;
/// A dump that is disturbed this many times is taken as it is: the disturbances are in the news.
const DUMP_TRIES: usize = 8;
/// Old news thrown away before a dump; more is coming in than we can read then, and the dump goes ahead.
const DRAIN: usize = 100_000;

const NETLINK_CAP_ACK: i32 = 10;
const NETLINK_GET_STRICT_CHK: i32 = 12;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewsEnd {
    /// Nothing waits any more.
    Drained,
    /// `max` datagrams were read, more may wait.
    More,
    /// News were lost: dump again.
    Overrun,
}

#[derive(Debug)]
pub struct Rtnl {
    requests: OwnedFd,
    news: OwnedFd,
    seq: u32,
    out: Writer,
    buf: Vec<u8>,
    names: Names,
}

/// Names of the links: the kernel gives each IPv4 address its link's name as a label, which means none.
#[derive(Debug, Default)]
struct Names(BTreeMap<u32, IfName>);

impl Names {
    fn settle(&mut self, mut news: News) -> News {
        match &mut news {
            News::Link(link) => {
                self.0.insert(link.ifindex, link.name.clone());
            }
            News::LinkGone { ifindex } => {
                self.0.remove(ifindex);
            }
            News::Address { key, value, .. } | News::Tentative { key, value }
                if value.label.as_ref() == self.0.get(&key.ifindex) =>
            {
                value.label = None;
            }
            _ => {}
        }
        news
    }
}

impl Rtnl {
    pub fn open() -> io::Result<Rtnl> {
        let requests = socket(0, ANSWERS_BUFFER)?;
        // Comforts of newer kernels: answers without a copy of the request; dumps that leave out what is not asked for.
        for option in [NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
            let _ = sys::set_option(requests.as_fd(), libc::SOL_NETLINK, option, &1i32.to_ne_bytes());
        }
        let news = socket(GROUPS, NEWS_BUFFER)?;
        Ok(Rtnl { requests, news, seq: 0, out: Writer::new(), buf: Vec::new(), names: Names::default() })
    }

    /// Its room for datagrams is not needed while nothing comes.
    pub fn trim(&mut self) {
        self.buf = Vec::new();
    }

    fn room(&mut self) {
        self.buf.resize(DATAGRAM, 0);
    }

    /// Readable when news wait.
    pub fn news_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// Tells all links, addresses, rules, and routes of ours, between DumpBegin and DumpDone (DumpBegin again if the tables
    /// changed meanwhile). News older than the dump are thrown away, newer ones follow by `read_news`.
    pub fn dump(&mut self, sink: &mut dyn FnMut(News)) -> io::Result<()> {
        self.room();
        drain(self.news.as_fd(), &mut self.buf)?;
        // The rest of a dump that broke off: the kernel starts no second one beside it.
        drain(self.requests.as_fd(), &mut self.buf)?;
        for _ in 0..DUMP_TRIES {
            sink(News::DumpBegin);
            self.names.0.clear();
            let mut whole = true;
            for table in Dump::ALL {
                whole &= self.dump_table(table, sink)?;
            }
            if whole {
                break;
            }
        }
        sink(News::DumpDone);
        Ok(())
    }

    /// False if the table changed while it was read.
    fn dump_table(&mut self, table: Dump, sink: &mut dyn FnMut(News)) -> io::Result<bool> {
        let seq = self.next_seq(1);
        self.out.clear();
        table.request(&mut self.out, seq);
        sys::send_to(self.requests.as_fd(), self.out.bytes(), &[])?;
        let mut whole = true;
        loop {
            // The kernel makes the next part when the last one was taken: it never waits, so neither do we.
            let len = receive(self.requests.as_fd(), &mut self.buf)?;
            for message in messages(self.buf.get(..len).unwrap_or_default()).filter(|m| m.seq == seq) {
                whole &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.dump_end().or(message.answer()) {
                    Some(0) => return Ok(whole),
                    // A family that this kernel does not have, or (strict) a table that is not there: empty.
                    Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::ENOENT) if table != Dump::Links => {
                        return Ok(whole)
                    }
                    Some(errno) => return Err(Error::from_raw_os_error(errno)),
                    None => {
                        if let Some(news) = rtnl::parse(&message) {
                            sink(self.names.settle(news));
                        }
                    }
                }
            }
        }
    }

    /// Carries out all operations, in this order, and says of each what became of it.
    pub fn apply(&mut self, ops: &[Op], done: &mut dyn FnMut(&Op, Done)) {
        for ops in ops.chunks(REQUESTS_AT_ONCE) {
            self.apply_chunk(ops, done);
        }
    }

    fn apply_chunk(&mut self, ops: &[Op], done: &mut dyn FnMut(&Op, Done)) {
        self.room();
        let count = u32::try_from(ops.len()).unwrap_or(u32::MAX);
        let base = self.next_seq(count.saturating_mul(REQUESTS_PER_OP));
        let last_of = |i: u32| base.wrapping_add(i * REQUESTS_PER_OP + REQUESTS_PER_OP - 1);
        self.out.clear();
        // What an operation has got so far: an answer, or none.
        let mut answers = [None; REQUESTS_AT_ONCE];
        let mut waiting = 0u32;
        for ((op, answer), i) in ops.iter().zip(&mut answers).zip(0..) {
            match rtnl::request(&mut self.out, op, last_of(i)) {
                true => waiting += 1,
                false => *answer = Some(libc::EOPNOTSUPP),
            }
        }
        let mut missing = libc::ENOBUFS;
        if waiting > 0 {
            // The kernel works through all of them inside this call: the answers are there when it returns.
            if let Err(e) = sys::send_to(self.requests.as_fd(), self.out.bytes(), &[]) {
                missing = e.raw_os_error().unwrap_or(libc::EIO);
                waiting = 0;
            }
        }
        while waiting > 0 {
            let len = match receive(self.requests.as_fd(), &mut self.buf) {
                Ok(len) => len,
                Err(e) if is_overrun(&e) => continue,
                Err(_) => break,
            };
            for message in messages(self.buf.get(..len).unwrap_or_default()) {
                let Some(errno) = message.answer() else { continue };
                let offset = message.seq.wrapping_sub(base);
                let slot = usize::try_from(offset / REQUESTS_PER_OP).ok().and_then(|i| answers.get_mut(i));
                let last = offset % REQUESTS_PER_OP == REQUESTS_PER_OP - 1;
                if let Some(slot @ None) = slot.filter(|_| last && offset / REQUESTS_PER_OP < count) {
                    *slot = Some(errno);
                    waiting -= 1;
                }
            }
        }
        for (op, answer) in ops.iter().zip(answers) {
            done(op, outcome(op, answer.unwrap_or(missing)));
        }
    }

    /// Reads at most `max` datagrams of news.
    pub fn read_news(&mut self, max: usize, sink: &mut dyn FnMut(News)) -> io::Result<NewsEnd> {
        self.room();
        for _ in 0..max {
            let len = match receive(self.news.as_fd(), &mut self.buf) {
                Ok(len) => len,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(NewsEnd::Drained),
                Err(e) if is_overrun(&e) => return Ok(NewsEnd::Overrun),
                Err(e) => return Err(e),
            };
            for message in messages(self.buf.get(..len).unwrap_or_default()) {
                if message.kind == NLMSG_OVERRUN {
                    return Ok(NewsEnd::Overrun);
                }
                if let Some(news) = rtnl::parse(&message) {
                    sink(self.names.settle(news));
                }
            }
        }
        Ok(NewsEnd::More)
    }

    /// Takes `count` sequence numbers; zero is never used (the kernel's news carry it).
    fn next_seq(&mut self, count: u32) -> u32 {
        let first = self.seq.checked_add(1).filter(|first| first.checked_add(count).is_some()).unwrap_or(1);
        self.seq = first.saturating_add(count);
        first
    }
}

fn outcome(op: &Op, errno: i32) -> Done {
    match (op, errno) {
        (_, 0) => Done::Applied,
        // Of that name there is one of somebody else.
        (Op::Add(Key::Link(_), _), errno) => Done::Refused(errno),
        (Op::Add(..), libc::EEXIST) => Done::WasThere,
        (Op::Remove(Key::Address(_), _), libc::EADDRNOTAVAIL) => Done::WasThere,
        // ESRCH: no such route. ENODEV: the interface went away and took all with it.
        (Op::Remove(..), libc::ESRCH | libc::ENOENT | libc::ENODEV) => Done::WasThere,
        (_, errno) => Done::Refused(errno),
    }
}

fn socket(groups: u32, buffer: i32) -> io::Result<OwnedFd> {
    netlink_socket(libc::NETLINK_ROUTE, groups, buffer)
}

/// A socket of one netlink family that hears these groups.
pub(super) fn netlink_socket(family: i32, groups: u32, buffer: i32) -> io::Result<OwnedFd> {
    let fd = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, family)?;
    let size = buffer.to_ne_bytes();
    // FORCE goes beyond the system's limit and needs CAP_NET_ADMIN.
    if sys::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &size).is_err() {
        sys::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &size)?;
    }
    // sockaddr_nl: family u16, pad, port u32 (0: the kernel chooses), groups u32.
    let mut address = Bytes::new();
    address.u16_ne(u16::try_from(libc::AF_NETLINK).unwrap_or(0));
    address.zeros(6);
    address.u32_ne(groups);
    sys::bind(fd.as_fd(), &address.bytes)?;
    Ok(fd)
}

fn drain(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<()> {
    for _ in 0..DRAIN {
        match receive(fd, buf) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(e) if !is_overrun(&e) => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// One datagram from the kernel itself: anybody may send to a netlink socket.
pub(super) fn receive(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut sender = [0; 12];
        let got = sys::receive_from(fd, buf, &mut sender)?;
        let mut r = Reader::new(&sender);
        r.take(4);
        if got.name_len != sender.len() || r.u32_ne() != Some(0) {
            continue;
        }
        if got.truncated {
            return Err(Error::from_raw_os_error(libc::ENOBUFS));
        }
        return Ok(got.len);
    }
}

fn is_overrun(e: &Error) -> bool {
    e.raw_os_error() == Some(libc::ENOBUFS)
}
