//! nf_tables over netlink: each batch of operations is one transaction.

use super::netlink::{netlink_socket, receive};
use super::{sys, Done};
use crate::base::addr::Family;
use crate::wire::netlink::{messages, Writer};
use crate::wire::nft::{table_gone, transaction};
use crate::wire::op::Op;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// NFNLGRP_NFTABLES, as a bit.
const GROUP: u32 = 1 << 6;
const NEWS_BUFFER: i32 = 1 << 20;
const ANSWERS_BUFFER: i32 = 1 << 20;
const DATAGRAM: usize = 16 << 10;
/// Operations of one transaction, so that their answers fit the buffer where a large one is not allowed.
const AT_ONCE: usize = 128;

#[derive(Debug, Default)]
pub struct Nft {
    /// Opened with the first operation: few need it.
    socket: Option<OwnedFd>,
    /// Tells what somebody else does to tables, while there is one of ours.
    news: Option<OwnedFd>,
    /// The netlink port of our own requests: what they changed is no news.
    port: u32,
    seq: u32,
}

impl Nft {
    /// Carries out all operations, in this order. Those that fail together are tried one by one.
    pub fn apply(&mut self, ops: &[Op], done: &mut dyn FnMut(&Op, Done)) {
        for ops in ops.chunks(AT_ONCE) {
            match self.carry_out(ops) {
                Ok(()) => ops.iter().for_each(|op| done(op, Done::Applied)),
                Err(errno) if ops.len() == 1 => ops.iter().for_each(|op| done(op, outcome(op, errno))),
                Err(_) => {
                    for op in ops {
                        let what = self.carry_out(std::slice::from_ref(op));
                        done(op, what.map_or_else(|errno| outcome(op, errno), |()| Done::Applied));
                    }
                }
            }
        }
    }

    /// Hears of tables that go. None when that is not to be had: then nobody tells us.
    pub fn listen(&mut self) -> Option<BorrowedFd<'_>> {
        if self.news.is_none() {
            self.news = netlink_socket(libc::NETLINK_NETFILTER, GROUP, NEWS_BUFFER).ok();
        }
        self.news.as_ref().map(AsFd::as_fd)
    }

    pub fn listens(&self) -> bool {
        self.news.is_some()
    }

    /// Tables that somebody else removed, by family and name. The flag: there may be more.
    pub fn read_news(&mut self, max: usize) -> (Vec<(Family, Box<str>)>, bool) {
        let (mut gone, mut buf) = (Vec::new(), vec![0; DATAGRAM]);
        let Some(news) = &self.news else { return (gone, false) };
        for _ in 0..max {
            match receive(news.as_fd(), &mut buf) {
                Ok(len) => {
                    let foreign = messages(buf.get(..len).unwrap_or_default()).filter(|m| m.port != self.port);
                    gone.extend(foreign.filter_map(|m| table_gone(&m)));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return (gone, false),
                // Some were lost. Whoever changes so much tells of more soon.
                Err(_) => {}
            }
        }
        (gone, true)
    }

    /// The errno of the first message that the kernel refused: then nothing of it was done.
    fn carry_out(&mut self, ops: &[Op]) -> Result<(), i32> {
        let errno = |e: io::Error| e.raw_os_error().unwrap_or(libc::EIO);
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => netlink_socket(libc::NETLINK_NETFILTER, 0, ANSWERS_BUFFER).map_err(errno)?,
        };
        self.seq = self.seq.checked_add(1).unwrap_or(1);
        let mut out = Writer::new();
        if !transaction(&mut out, ops, self.seq) {
            return Err(libc::EOPNOTSUPP);
        }
        // The kernel works through it inside this call: all answers are there when it returns.
        sys::send_to(socket.as_fd(), out.bytes(), &[]).map_err(errno)?;
        let (mut answers, mut fault) = (0, None);
        let mut buf = vec![0; DATAGRAM];
        loop {
            let len = match receive(socket.as_fd(), &mut buf) {
                Ok(len) => len,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(errno(e)),
            };
            for message in messages(buf.get(..len).unwrap_or_default()).filter(|m| m.seq == self.seq) {
                if let Some(answer) = message.answer() {
                    self.port = message.port;
                    answers += 1;
                    fault = fault.or((answer != 0).then_some(answer));
                }
            }
        }
        self.socket = Some(socket);
        match fault {
            Some(errno) => Err(errno),
            None if answers < ops.len() => Err(libc::ENOBUFS),
            None => Ok(()),
        }
    }
}

fn outcome(op: &Op, errno: i32) -> Done {
    match (op, errno) {
        (Op::Remove(..), libc::ENOENT) => Done::WasThere,
        _ => Done::Refused(errno),
    }
}
