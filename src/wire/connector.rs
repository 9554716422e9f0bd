//! The process connector (linux/connector.h, linux/cn_proc.h): the kernel tells of every process that begins, changes
//! its program or its name, or ends.
//!
//! ```text
//! netlink message (type DONE) > index u32 | value u32 | sequence u32 | ack u32 | length u16 | flags u16
//!                             > what u32 | cpu u32 | time u64 | numbers ...
//! ```

use super::netlink::{self, Writer};
use crate::base::bytes::{Reader, Writer as Bytes};

/// CN_IDX_PROC, which is also the multicast group, and CN_VAL_PROC.
pub const GROUP: u32 = 1;
const VALUE: u32 = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Somebody's wish to listen was heard: the errno, 0 if it is granted.
    Answer(u32),
    /// `parent` has another child.
    Fork {
        parent: u32,
    },
    /// This process runs another program, or has another name.
    Changed(u32),
    Exit(u32),
}

/// PROC_CN_MCAST_LISTEN, PROC_CN_MCAST_IGNORE.
pub fn request(listen: bool) -> Vec<u8> {
    let mut body = Bytes::new();
    for n in [GROUP, VALUE, 0, 0] {
        body.u32_ne(n);
    }
    body.u16_ne(4);
    body.u16_ne(0);
    body.u32_ne(if listen { 1 } else { 2 });
    let mut out = Writer::new();
    out.message(netlink::NLMSG_DONE, 0, 0, |b| b.fixed(&body.bytes));
    out.bytes().to_vec()
}

/// What one datagram tells of processes; threads are left out.
pub fn events(bytes: &[u8]) -> impl Iterator<Item = Event> + '_ {
    netlink::messages(bytes).filter_map(|message| event(message.body))
}

fn event(body: &[u8]) -> Option<Event> {
    let mut r = Reader::new(body);
    if (r.u32_ne()?, r.u32_ne()?) != (GROUP, VALUE) {
        return None;
    }
    // Sequence, acknowledgement, length, flags.
    r.take(12)?;
    let what = r.u32_ne()?;
    // Processor and time.
    r.take(12)?;
    let (first, second) = (r.u32_ne()?, r.u32_ne());
    match what {
        0 => Some(Event::Answer(first)),
        // The parent's thread and process, the child's thread and process.
        1 => {
            let (child, its_process) = (r.u32_ne()?, r.u32_ne()?);
            (child == its_process).then_some(Event::Fork { parent: second? })
        }
        2 | 0x200 => second.map(Event::Changed),
        0x8000_0000 => (Some(first) == second).then_some(Event::Exit(first)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(what: u32, numbers: &[u32]) -> Vec<u8> {
        let mut body = Bytes::new();
        [GROUP, VALUE, 7, 0].iter().for_each(|n| body.u32_ne(*n));
        body.u16_ne(40);
        body.u16_ne(0);
        [what, 0, 1, 2].iter().chain(numbers).for_each(|n| body.u32_ne(*n));
        let mut out = Writer::new();
        out.message(netlink::NLMSG_DONE, 0, 0, |b| b.fixed(&body.bytes));
        out.bytes().to_vec()
    }

    #[test]
    fn what_the_kernel_tells() {
        let one = |what, numbers: &[u32]| events(&told(what, numbers)).next();
        assert_eq!(one(0, &[0, 0]), Some(Event::Answer(0)));
        assert_eq!(one(1, &[11, 10, 20, 20]), Some(Event::Fork { parent: 10 }));
        assert_eq!(one(1, &[10, 10, 21, 10]), None, "a thread");
        assert_eq!(one(2, &[20, 20]), Some(Event::Changed(20)));
        assert_eq!(one(0x200, &[20, 20, 0, 0, 0, 0]), Some(Event::Changed(20)));
        assert_eq!(one(0x8000_0000, &[20, 20, 0, 17]), Some(Event::Exit(20)));
        assert_eq!(one(0x8000_0000, &[21, 20, 0, 17]), None, "a thread");
        assert_eq!(one(4, &[20, 20]), None, "another user");
    }

    #[test]
    fn a_wish_to_listen() {
        for (listen, wish) in [(true, 1), (false, 2)] {
            let bytes = request(listen);
            let message = netlink::messages(&bytes).next().map(|m| (m.kind, m.body.len()));
            assert_eq!(message, Some((netlink::NLMSG_DONE, 24)));
            assert_eq!(Reader::new(bytes.get(36..).unwrap_or_default()).u32_ne(), Some(wish));
        }
    }

    #[test]
    fn no_bytes_hurt() {
        let seeds = [told(1, &[11, 10, 20, 20]), told(0x8000_0000, &[20, 20, 0, 17])];
        super::super::mangled(&seeds, 3000, |bytes| events(bytes).for_each(drop));
    }
}
