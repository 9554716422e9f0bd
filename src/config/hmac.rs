//! auth_hmac: keys that sign adverts and are accepted.

use super::context::{Context, Seen};
use super::diagnostic::Code;
use super::keywords::Block;
use super::lexer::Span;
use super::loader::ReadKey;
use super::model::{AntiReplay, Hmac, HmacKey, HmacMode, HmacSecret};
use super::tree::{Arg, Node};
use super::words;
use std::time::Duration;

/// Bytes of a key.
const SHORTEST: usize = 32;
const LONGEST: usize = 64;

const NOT_SIGNED: &str = "adverts cannot be signed: the instance stays in FAULT";

#[derive(Default)]
pub struct HmacDraft {
    pub span: Span,
    seen: Seen,
    keys: Vec<(HmacKey, Span)>,
    /// A key or its number was wrong, which was said.
    bad: bool,
    active: Option<(u8, Span)>,
    window: Option<Duration>,
    anti_replay: AntiReplay,
    pub mode: HmacMode,
}

impl HmacDraft {
    pub fn read(cx: &mut Context, node: Node) -> HmacDraft {
        let mark = cx.enter(node);
        let mut draft = HmacDraft { span: node.word().span(), ..Default::default() };
        for child in node.children() {
            if let Some(keyword) = cx.known(child, Block::AuthHmac, &mut draft.seen) {
                let Some(arg) = child.arg(0) else {
                    let word = child.word();
                    cx.bad(Code::Argument, word, format!("'{}' has no argument", word.str())).help("it is not used");
                    continue;
                };
                match keyword.word {
                    "key" => draft.key(cx, arg, child.arg(1)),
                    "active_key" => {
                        draft.active = id(cx, arg).map(|n| (n, arg.span()));
                        draft.bad |= draft.active.is_none();
                    }
                    "time_window" => {
                        draft.window =
                            cx.int(child, keyword).map(|n| Duration::from_secs(n.unsigned_abs())).or(draft.window)
                    }
                    "anti_replay" => match arg.str().as_ref() {
                        "time" => draft.anti_replay = AntiReplay::Time,
                        "monotonic" => draft.anti_replay = AntiReplay::Monotonic,
                        other => cx
                            .bad(Code::Value, arg, format!("'anti_replay' is time or monotonic, not '{other}'"))
                            .help("time is used"),
                    },
                    "mode" => match arg.str().as_ref() {
                        "enforce" => draft.mode = HmacMode::Enforce,
                        "permissive" => draft.mode = HmacMode::Permissive,
                        "receive-only" => draft.mode = HmacMode::ReceiveOnly,
                        other => cx
                            .bad(
                                Code::Value,
                                arg,
                                format!("'mode' is enforce, permissive or receive-only, not '{other}'"),
                            )
                            .help("the line is not used"),
                    },
                    _ => {}
                }
            }
        }
        cx.leave(mark);
        draft
    }

    fn key(&mut self, cx: &mut Context, number: Arg, value: Option<Arg>) {
        let (Some(id), Some(value)) = (id(cx, number), value) else {
            if value.is_none() {
                cx.bad(Code::Argument, number, "the key has no value".into()).help("write key ID hex:DIGITS");
            }
            self.bad = true;
            return;
        };
        if let Some((_, first)) = self.keys.iter().find(|(key, _)| key.id == id) {
            cx.bad(Code::Duplicate, number, format!("there is a key {id} already"))
                .see(*first, "the first one")
                .help("the second one is not used");
            return;
        }
        match secret(&value.bytes(), cx.host.key) {
            Ok(secret) => self.keys.push((HmacKey { id, secret }, number.span())),
            Err(text) => {
                self.bad = true;
                // Not the key itself into a log.
                cx.error(Code::Range, value.span(), "key", text).help("the key is not used");
            }
        }
    }

    /// Without a key that signs there is none at all, and the instance is not to take part.
    pub fn finish(self, cx: &mut Context, advert_int: Duration) -> Hmac {
        let first = self.keys.first().map(|(key, _)| key.id);
        let active = match (self.active, first) {
            (Some((id, span)), _) => {
                if !self.keys.iter().any(|(key, _)| key.id == id) {
                    if !self.bad {
                        cx.error(Code::Reference, span, "active_key", format!("there is no key {id}")).help(NOT_SIGNED);
                    }
                    return Hmac::unusable();
                }
                id
            }
            (_, None) => {
                if !self.bad {
                    cx.error(Code::Missing, self.span, "key", "'auth_hmac' has no key".into()).help(NOT_SIGNED);
                }
                return Hmac::unusable();
            }
            (None, Some(id)) if self.keys.len() == 1 => id,
            (None, _) => {
                if !self.bad {
                    let second = self.keys.get(1).map_or(self.span, |(_, span)| *span);
                    let text = "with several keys 'active_key' says which one signs".into();
                    cx.error(Code::Missing, self.span, "active_key", text)
                        .see(second, "the second key")
                        .help(NOT_SIGNED);
                }
                return Hmac::unusable();
            }
        };
        Hmac {
            keys: self.keys.into_iter().map(|(key, _)| key).collect(),
            active,
            time_window: self.window.unwrap_or((advert_int * 3).max(Duration::from_secs(5))),
            anti_replay: self.anti_replay,
            mode: self.mode,
        }
    }
}

fn id(cx: &mut Context, arg: Arg) -> Option<u8> {
    words::range(cx, "key", arg, 1, 255, "the line is not used").and_then(|n| u8::try_from(n).ok())
}

/// `hex:DIGITS`, `file:PATH` or the bytes themselves.
fn secret(value: &[u8], read: Option<ReadKey>) -> Result<HmacSecret, String> {
    let Some(path) = value.strip_prefix(b"file:") else { return key(value).map(HmacSecret::Bytes) };
    let path = String::from_utf8_lossy(path);
    if path.is_empty() {
        return Err("'file:' names no file".into());
    }
    let bytes = match read {
        None => None,
        Some(read) => Some(key_of_file(&read(&path)?)?),
    };
    Ok(HmacSecret::File(path.as_ref().into(), bytes))
}

/// A text ends where its last line does; anything else is the key as it is.
fn key_of_file(content: &[u8]) -> Result<Box<[u8]>, String> {
    let text = content.trim_ascii_end();
    key(if text.iter().all(u8::is_ascii_graphic) { text } else { content })
}

fn key(value: &[u8]) -> Result<Box<[u8]>, String> {
    let bytes = match value.strip_prefix(b"hex:") {
        Some(digits) => hex(digits).ok_or("behind 'hex:' stand pairs of hexadecimal digits")?,
        None => value.to_vec(),
    };
    match bytes.len() {
        SHORTEST..=LONGEST => Ok(bytes.into()),
        n => Err(format!("a key has {SHORTEST} to {LONGEST} bytes, not {n}")),
    }
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(digits).ok().filter(|t| t.len() % 2 == 0)?;
    let pair = |at: usize| text.get(at..at + 2).filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()));
    (0..text.len()).step_by(2).map(|at| pair(at).and_then(|p| u8::from_str_radix(p, 16).ok())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_hexadecimal_text_or_file() {
        let zeros = HmacSecret::Bytes([0; 32].into());
        assert_eq!(secret(format!("hex:{}", "00".repeat(32)).as_bytes(), None), Ok(zeros));
        assert_eq!(secret(&[b'k'; 64], None), Ok(HmacSecret::Bytes([b'k'; 64].into())));
        assert_eq!(secret(b"file:/etc/key", None), Ok(HmacSecret::File("/etc/key".into(), None)));
        for bad in [&b"short"[..], &[b'k'; 65], b"hex:0", b"hex:+1", b"file:"] {
            assert!(secret(bad, None).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_a_file_holds() {
        let of = |content: &[u8]| key_of_file(content).map(|key| key.to_vec());
        assert_eq!(of(&[[b'k'; 32].as_slice(), b"\n"].concat()), Ok(vec![b'k'; 32]));
        assert_eq!(of(format!("hex:{}\r\n", "0a".repeat(32)).as_bytes()), Ok(vec![10; 32]));
        // Bytes of chance may end as a line does.
        let raw = [[0xf0; 31].as_slice(), b"\n"].concat();
        assert_eq!(of(&raw), Ok(raw));
        assert!(of(b"").is_err() && of(b"short\n").is_err());
        let read: ReadKey = |path| if path == "/k" { Ok(vec![b'k'; 32]) } else { Err("there is none".into()) };
        let known = HmacSecret::File("/k".into(), Some([b'k'; 32].into()));
        assert_eq!(secret(b"file:/k", Some(read)), Ok(known));
        assert_eq!(secret(b"file:/other", Some(read)), Err("there is none".into()));
    }
}
