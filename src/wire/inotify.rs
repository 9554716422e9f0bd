//! inotify (linux/inotify.h): what happened in a watched directory.
//!
//! ```text
//! watch i32 | mask u32 | cookie u32 | length u32 | name, filled up with zeros to that length
//! ```

use crate::base::bytes::Reader;

pub const CLOSE_WRITE: u32 = 0x8;
pub const MOVED_FROM: u32 = 0x40;
pub const MOVED_TO: u32 = 0x80;
pub const DELETE: u32 = 0x200;
pub const DELETE_SELF: u32 = 0x400;
pub const MOVE_SELF: u32 = 0x800;
/// Events were lost.
pub const OVERFLOW: u32 = 0x4000;
/// The watch is gone, with its directory.
pub const IGNORED: u32 = 0x8000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Happened<'a> {
    pub watch: i32,
    pub mask: u32,
    pub name: &'a [u8],
}

/// The next event of what was read; None at the end, or when the rest makes no sense.
pub fn next<'a>(r: &mut Reader<'a>) -> Option<Happened<'a>> {
    let (watch, mask, _cookie, len) = (r.i32_ne()?, r.u32_ne()?, r.u32_ne()?, r.u32_ne()?);
    let name = r.take(usize::try_from(len).ok()?)?;
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    Some(Happened { watch, mask, name: name.get(..end)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events() {
        let mut bytes = Vec::new();
        for n in [7u32, CLOSE_WRITE, 0, 4] {
            bytes.extend(n.to_ne_bytes());
        }
        bytes.extend(*b"ab\0\0");
        for n in [8u32, IGNORED, 0, 0] {
            bytes.extend(n.to_ne_bytes());
        }
        let mut r = Reader::new(&bytes);
        assert_eq!(next(&mut r), Some(Happened { watch: 7, mask: CLOSE_WRITE, name: b"ab" }));
        assert_eq!(next(&mut r), Some(Happened { watch: 8, mask: IGNORED, name: b"" }));
        assert_eq!(next(&mut r), None);
        assert_eq!(next(&mut Reader::new(&bytes[..19])), None);
    }
}
