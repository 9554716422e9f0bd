//! Is this a text at all? A program, an archive or UTF-16 by mistake is one finding, not a thousand.

use super::lexer::Span;

/// So many bytes at a file's start tell what it is.
const LOOKED_AT: usize = 64 << 10;
/// A text has hardly any control characters: more than one byte in so many, and at least `FEW`, is none.
const SHARE: usize = 32;
const FEW: usize = 4;

/// Why it is none.
pub struct NotText {
    /// Offset of the first byte that no text has.
    pub at: usize,
    pub text: String,
    pub help: &'static str,
}

const CONFIGURATION: &str = "give a configuration: plain text, as keepalived.conf; nothing of this file is read";
const PACKED: &str = "unpack it first; nothing of this file is read";
const WIDE: &str = "save it as UTF-8 (iconv -f UTF-16 -t UTF-8); nothing of this file is read";

/// How files begin that are taken for a configuration by mistake.
const KINDS: &[(&[u8], &str, &str)] = &[
    (b"\x1f\x8b", "packed by gzip", PACKED),
    (b"\xfd7zXZ\0", "packed by xz", PACKED),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", PACKED),
    (b"BZh", "packed by bzip2", PACKED),
    (b"PK\x03\x04", "a zip archive", PACKED),
    (b"\x7fELF", "a program", CONFIGURATION),
    (b"\xff\xfe", "UTF-16", WIDE),
    (b"\xfe\xff", "UTF-16", WIDE),
];

/// None: it may well be a text, in whatever encoding keeps ASCII as it is.
pub fn not_text(file: &[u8]) -> Option<NotText> {
    let head = file.get(..LOOKED_AT).unwrap_or(file);
    let first = head.iter().position(|b| is_control(*b));
    let not = |at: usize, kind: &str, help| {
        let byte = head.get(at).copied().unwrap_or_default();
        let text = format!("this file is not text but {kind}: it has the byte 0x{byte:02x} at offset {at}");
        Some(NotText { at, text, help })
    };
    if let Some((magic, kind, help)) = KINDS.iter().find(|(magic, ..)| head.starts_with(magic)) {
        // A word may begin like one of them.
        return match (first, magic.iter().position(|b| is_control(*b) || !b.is_ascii())) {
            (_, Some(at)) => not(at, kind, help),
            (Some(at), None) => not(at, kind, help),
            (None, None) => None,
        };
    }
    let controls = head.iter().filter(|b| is_control(**b)).count();
    if controls < FEW || controls.saturating_mul(SHARE) <= head.len() {
        return None;
    }
    let nuls = head.iter().filter(|b| **b == 0).count();
    let odd = head.iter().skip(1).step_by(2).filter(|b| **b == 0).count();
    // ASCII in two bytes each: all the NULs are on one side.
    let wide = nuls * 3 > head.len() && (odd * 8 > nuls * 7 || odd * 8 < nuls);
    if wide {
        not(first?, "UTF-16", WIDE)
    } else {
        not(first?, "binary data", CONFIGURATION)
    }
}

/// A byte that no text has. Escapes are in what a terminal showed.
fn is_control(byte: u8) -> bool {
    byte == 0x7f || (byte < 0x20 && !matches!(byte, b'\t'..=b'\r' | 0x1b))
}

impl NotText {
    /// The byte, in a file that starts at an offset of the text.
    pub fn span(&self, start: usize) -> Span {
        Span::new(start + self.at, start + self.at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text() {
        let told = |bytes: &[u8]| not_text(bytes).map(|n| (n.at, n.help));
        let wide = |text: &str, big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|c| if big { c.to_be_bytes() } else { c.to_le_bytes() }).collect()
        };
        let config = "global_defs {\n    router_id x\n}\n";
        assert_eq!(told(&wide(config, false)), Some((1, WIDE)));
        assert_eq!(told(&wide(config, true)), Some((0, WIDE)));
        assert_eq!(told(&wide(&format!("\u{feff}{config}"), false)), Some((0, WIDE)));
        assert_eq!(told(b"\x1f\x8b\x08\x00"), Some((0, PACKED)));
        assert_eq!(told(b"\x7fELF\x02\x01\x01\0\0"), Some((0, CONFIGURATION)));
        let noise: Vec<u8> = (0..4000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(told(&noise).map(|t| t.1), Some(CONFIGURATION));
    }

    #[test]
    fn what_is_text() {
        for text in [
            &b""[..],
            b"\0",
            b"! caf\xe9 \x84quoted\x93\nglobal_defs {\n}\n",
            b"# \xd0\x9f\xd1\x80\xd0\xb8 \xc2\xa0 \x80\x81\x82\x8d\n",
            b"\xef\xbb\xbfglobal_defs {\r\n}\r\n\x0c",
            b"a\nb \0 c\nd",
            b"BZh is a word\n",
            b"\x1b[1mred\x1b[0m\x1b[1mred\x1b[0m\x1b[1mred\x1b[0m\n",
        ] {
            assert!(not_text(text).is_none(), "{text:?}");
        }
    }
}
