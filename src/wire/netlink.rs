//! Netlink framing (RFC 3549, linux/netlink.h): messages, attributes, acknowledgements.
//!
//! ```text
//! message:   length u32 | type u16 | flags u16 | sequence u32 | port u32 | body ...   aligned to 4
//! attribute: length u16 | type u16 | payload ...                                      aligned to 4
//! ```
//! Everything is in host order. A length that does not fit ends the reading; nothing is read past the end.

use crate::base::bytes::{Reader, Writer as Bytes};

pub const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

pub const NLMSG_ERROR: u16 = 2;
pub const NLMSG_DONE: u16 = 3;
pub const NLMSG_OVERRUN: u16 = 4;

pub const NLM_F_REQUEST: u16 = 0x01;
pub const NLM_F_ACK: u16 = 0x04;
/// The tables changed while they were dumped: what came may be incomplete.
pub const NLM_F_DUMP_INTR: u16 = 0x10;
pub const NLM_F_DUMP: u16 = 0x300;
pub const NLM_F_REPLACE: u16 = 0x100;
pub const NLM_F_EXCL: u16 = 0x200;
pub const NLM_F_CREATE: u16 = 0x400;

/// Attribute types carry two flags in their upper bits (nested, network order).
const ATTRIBUTE_TYPE: u16 = 0x3fff;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub seq: u32,
    pub port: u32,
    pub body: &'a [u8],
}

/// The messages of one datagram.
pub fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages { rest: Reader::new(bytes) }
}

#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: Reader<'a>,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let mut r = self.rest;
        let len = r.u32_ne()? as usize;
        let (kind, flags) = (r.u16_ne()?, r.u16_ne()?);
        let (seq, port) = (r.u32_ne()?, r.u32_ne()?);
        let body = r.take(len.checked_sub(HEADER)?)?;
        skip_padding(&mut r, len);
        self.rest = r;
        Some(Message { kind, flags, seq, port, body })
    }
}

/// The attributes of a message (after its fixed part) or inside a nested attribute: type and payload.
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: Reader::new(bytes) }
}

#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: Reader<'a>,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let mut r = self.rest;
        let (len, kind) = (usize::from(r.u16_ne()?), r.u16_ne()?);
        let payload = r.take(len.checked_sub(ATTRIBUTE_HEADER)?)?;
        skip_padding(&mut r, len);
        self.rest = r;
        Some((kind & ATTRIBUTE_TYPE, payload))
    }
}

/// The last message or attribute may come without its padding.
fn skip_padding(r: &mut Reader<'_>, len: usize) {
    let padding = len.wrapping_neg() % 4;
    let _ = r.take(padding.min(r.rest().len()));
}

impl Message<'_> {
    /// What the kernel answered: None if this is no answer, 0 for success, else an errno.
    pub fn answer(&self) -> Option<i32> {
        match self.kind {
            // The kernel gives the errno negated. A short answer counts as a fault, never as success.
            NLMSG_ERROR => Some(Reader::new(self.body).i32_ne().map_or(EBADMSG, i32::wrapping_neg)),
            _ => None,
        }
    }

    /// The errno that ends a dump (0: it went well). Old kernels give no number.
    pub fn dump_end(&self) -> Option<i32> {
        (self.kind == NLMSG_DONE).then(|| Reader::new(self.body).i32_ne().map_or(0, i32::wrapping_neg))
    }
}

/// The same number on every Linux but mips, where it is still not 0, which is all that counts here.
const EBADMSG: i32 = 74;

/// Builds messages; lengths are filled in when the closure that writes a body returns.
#[derive(Debug, Default)]
pub struct Writer {
    out: Bytes,
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.out.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Empties it, keeping the memory.
    pub fn clear(&mut self) {
        self.out.bytes.clear();
    }

    pub fn message(&mut self, kind: u16, flags: u16, seq: u32, body: impl FnOnce(&mut Body<'_>)) {
        let start = self.out.len();
        self.out.u32_ne(0);
        self.out.u16_ne(kind);
        self.out.u16_ne(flags);
        self.out.u32_ne(seq);
        self.out.u32_ne(0);
        body(&mut Body { out: &mut self.out });
        let len = u32::try_from(self.out.len() - start).unwrap_or(u32::MAX);
        self.out.patch(start, &len.to_ne_bytes());
        pad(&mut self.out);
    }
}

/// The inside of a message or of a nested attribute.
#[derive(Debug)]
pub struct Body<'a> {
    out: &'a mut Bytes,
}

impl Body<'_> {
    /// The fixed part, before the first attribute.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.out.put(bytes);
        pad(self.out);
    }

    pub fn attribute(&mut self, kind: u16, payload: &[u8]) {
        self.nest(kind, |inside| inside.out.put(payload));
    }

    pub fn u32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// Bytes without padding behind them.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put(bytes);
    }

    /// A structure that begins with its length, as `struct rtnexthop` does.
    pub fn sized(&mut self, inside: impl FnOnce(&mut Body<'_>)) {
        let start = self.out.len();
        self.out.u16_ne(0);
        inside(&mut Body { out: self.out });
        let len = u16::try_from(self.out.len() - start).unwrap_or(0);
        self.out.patch(start, &len.to_ne_bytes());
        pad(self.out);
    }

    pub fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Body<'_>)) {
        let start = self.out.len();
        self.out.u16_ne(0);
        self.out.u16_ne(kind);
        inside(&mut Body { out: self.out });
        // Nothing that we send comes near 64 KiB; a length that does not fit makes the kernel refuse the message.
        let len = u16::try_from(self.out.len() - start).unwrap_or(0);
        self.out.patch(start, &len.to_ne_bytes());
        pad(self.out);
    }
}

fn pad(out: &mut Bytes) {
    out.zeros(out.len().wrapping_neg() % 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let mut w = Writer::new();
        w.message(20, NLM_F_REQUEST | NLM_F_ACK, 7, |m| {
            m.fixed(&[2, 32, 0, 0, 1, 0, 0, 0]);
            m.attribute(3, b"eth0\0");
            m.nest(9 | 0x8000, |n| {
                n.u32(1, 0x0102_0304);
                n.attribute(2, &[]);
            });
        });
        w.message(21, 0, 8, |_| {});
        let all: Vec<_> = messages(w.bytes()).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].kind, all[0].flags, all[0].seq, all[0].port), (20, 5, 7, 0));
        // 8 fixed, 4 + 5 + 3 padding, 4 + 8 + 4 nested.
        assert_eq!(all[0].body.len(), 8 + 12 + 16);
        let attrs: Vec<_> = attributes(&all[0].body[8..]).collect();
        assert_eq!(attrs[0], (3, &b"eth0\0"[..]));
        assert_eq!(attrs[1].0, 9);
        let inner: Vec<_> = attributes(attrs[1].1).collect();
        assert_eq!(inner, [(1, &0x0102_0304u32.to_ne_bytes()[..]), (2, &[][..])]);
        assert_eq!((all[1].kind, all[1].seq, all[1].body.len()), (21, 8, 0));
    }

    #[test]
    fn answers() {
        let answer = |kind, body: &[u8]| {
            let m = Message { kind, flags: 0, seq: 1, port: 0, body };
            (m.answer(), m.dump_end())
        };
        assert_eq!(answer(NLMSG_ERROR, &0i32.to_ne_bytes()), (Some(0), None));
        assert_eq!(answer(NLMSG_ERROR, &(-17i32).to_ne_bytes()), (Some(17), None));
        assert_eq!(answer(NLMSG_ERROR, &[1]), (Some(EBADMSG), None));
        assert_eq!(answer(NLMSG_ERROR, &i32::MIN.to_ne_bytes()), (Some(i32::MIN), None));
        assert_eq!(answer(NLMSG_DONE, &(-4i32).to_ne_bytes()), (None, Some(4)));
        assert_eq!(answer(NLMSG_DONE, &[]), (None, Some(0)));
        assert_eq!(answer(20, &[0; 4]), (None, None));
    }

    #[test]
    fn lengths_that_lie_end_the_reading() {
        for len in [0u32, 3, 15, 17, 4000, u32::MAX] {
            let mut bytes = vec![0; 16];
            bytes[..4].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(messages(&bytes).count(), 0, "{len}");
        }
        for len in [0u16, 3, 9, u16::MAX] {
            let mut bytes = vec![0; 8];
            bytes[..2].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(attributes(&bytes).count(), 0, "{len}");
        }
    }
}
