//! Characters to tokens. Every token is a span into the text; nothing is copied or allocated.

use super::expand::{After, Expand, Stretch};
use super::loader::Host;
use super::source::Source;

/// A piece of the text, as byte offsets: a file is at most 32 MB (`limits::CONFIG_BYTES`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// Something that belongs to no place of the file.
    pub const NOWHERE: Span = Span { start: u32::MAX, end: u32::MAX };

    pub fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    pub fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A word; `span` is without the quotes when the whole word stood in quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    pub span: Span,
    /// Stood in double quotes as a whole.
    pub quoted: bool,
    /// Holds escapes or quotes that are not part of its value.
    pub raw: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token {
    Word(Word),
    Open(Span),
    Close(Span),
    /// The end of a line.
    Line,
    End,
}

/// What was wrong or odd while reading characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Oddity {
    /// A no-break space or a byte-order mark taken as a blank.
    Blank,
    /// CR LF line ends.
    Carriage,
    Unquoted(Span),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Blank,
    Line,
    Brace,
    Comment,
    Quote,
    Escape,
    /// Above ASCII: may be a no-break space.
    High,
}

const CLASSES: [Class; 256] = {
    let mut t = [Class::Plain; 256];
    t[b' ' as usize] = Class::Blank;
    t[b'\t' as usize] = Class::Blank;
    t[b'\r' as usize] = Class::Blank;
    t[0x0b] = Class::Blank;
    t[0x0c] = Class::Blank;
    t[b'\n' as usize] = Class::Line;
    t[b'{' as usize] = Class::Brace;
    t[b'}' as usize] = Class::Brace;
    t[b'!' as usize] = Class::Comment;
    t[b'#' as usize] = Class::Comment;
    t[b'"' as usize] = Class::Quote;
    t[b'\\' as usize] = Class::Escape;
    let mut i = 0x80;
    while i < 256 {
        t[i] = Class::High;
        i += 1;
    }
    t
};

#[inline(always)]
fn class(byte: u8) -> Class {
    CLASSES.get(byte as usize).copied().unwrap_or(Class::Plain)
}

/// Length of the blank that begins here, if one does: U+00A0 in UTF-8 or as a lone Latin-1 byte, U+FEFF.
pub fn high_blank(rest: &[u8]) -> Option<usize> {
    match rest {
        [0xc2, 0xa0, ..] => Some(2),
        [0xef, 0xbb, 0xbf, ..] => Some(3),
        // Only at a character's start: the caller steps over whole characters.
        [0xa0, ..] => Some(1),
        _ => None,
    }
}

/// Length of the character that begins here; 1 for a byte that begins none.
fn char_len(rest: &[u8]) -> usize {
    let len = match rest.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => return 1,
    };
    let tail = rest.get(1..len).unwrap_or_default();
    if tail.len() == len - 1 && tail.iter().all(|b| (0x80..0xc0).contains(b)) {
        len
    } else {
        1
    }
}

pub struct Lexer {
    at: Stretch,
    pub expand: Expand,
    /// A line begins here.
    begins: bool,
    /// First place of each kind, to be said once for the file.
    pub blank: Option<Span>,
    pub carriage: Option<Span>,
    /// Errors since the last look, taken by the tree.
    pub errors: Vec<Oddity>,
}

impl Lexer {
    pub fn new(source: &Source, host: &Host) -> Lexer {
        let (expand, at) = Expand::new(source, host);
        Lexer { at, expand, begins: true, blank: None, carriage: None, errors: Vec::new() }
    }

    pub fn next(&mut self, source: &mut Source) -> Token {
        loop {
            if std::mem::take(&mut self.begins) {
                self.expand.line(source, &mut self.at);
            }
            if self.expand.is_reading() {
                // As if empty lines stood there.
                self.expand.read_on(source, &mut self.at);
                self.begins = true;
                return Token::Line;
            }
            let text = source.bytes.get(..self.at.end).unwrap_or_default();
            match self.scan(text) {
                Token::End => match self.expand.after(source, &mut self.at) {
                    // The line that it stood for ends there.
                    After::Resumed => {}
                    After::Turn => {
                        self.begins = true;
                        return Token::Line;
                    }
                    After::Nothing => return Token::End,
                },
                Token::Line => {
                    self.begins = true;
                    return Token::Line;
                }
                token => return token,
            }
        }
    }

    fn scan(&mut self, text: &[u8]) -> Token {
        loop {
            let Some(&byte) = text.get(self.at.pos) else { return Token::End };
            match class(byte) {
                Class::Blank if byte != b'\r' => self.at.pos += 1,
                Class::Blank => self.carriage_return(text),
                Class::Line => {
                    self.at.pos += 1;
                    return Token::Line;
                }
                Class::Brace => {
                    let span = Span::new(self.at.pos, self.at.pos + 1);
                    self.at.pos += 1;
                    return if byte == b'{' { Token::Open(span) } else { Token::Close(span) };
                }
                Class::Comment => self.skip_line(text),
                Class::Escape if self.continued(text) => {}
                Class::High => match high_blank(self.rest(text)) {
                    Some(len) => self.odd_blank(len),
                    None => return self.word(text),
                },
                Class::Quote => {
                    if let Some(token) = self.quoted(text) {
                        return token;
                    }
                }
                Class::Plain | Class::Escape => return self.word(text),
            }
        }
    }

    fn rest<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.at.pos..).unwrap_or_default()
    }

    fn carriage_return(&mut self, text: &[u8]) {
        if self.carriage.is_none() && text.get(self.at.pos + 1) == Some(&b'\n') {
            self.carriage = Some(Span::new(self.at.pos, self.at.pos + 1));
        }
        self.at.pos += 1;
    }

    fn odd_blank(&mut self, len: usize) {
        if self.blank.is_none() {
            self.blank = Some(Span::new(self.at.pos, self.at.pos + len));
        }
        self.at.pos += len;
    }

    /// To the line's end, which stays.
    fn skip_line(&mut self, text: &[u8]) {
        let rest = self.rest(text);
        self.at.pos += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }

    /// At a backslash: if the line ends behind it, both are a blank.
    fn continued(&mut self, text: &[u8]) -> bool {
        let len = match self.rest(text) {
            [_, b'\n', ..] => 2,
            [_, b'\r', b'\n', ..] => 3,
            _ => return false,
        };
        self.at.pos += len;
        true
    }

    /// At a double quote that begins a word. None: it has no end, and the rest of the line is dropped.
    fn quoted(&mut self, text: &[u8]) -> Option<Token> {
        let start = self.at.pos;
        let (end, raw, closed) = self.to_quote(text, start + 1);
        if !closed {
            self.errors.push(Oddity::Unquoted(Span::new(start, end)));
            self.at.pos = end;
            return None;
        }
        self.at.pos = end + 1;
        // More behind the closing quote belongs to the same word: `"a b"c`.
        let more = text.get(self.at.pos).is_some_and(|b| match class(*b) {
            Class::Plain | Class::Quote => true,
            Class::High => high_blank(self.rest(text)).is_none(),
            _ => false,
        });
        if more {
            self.at.pos = start;
            return Some(self.word(text));
        }
        Some(Token::Word(Word { span: Span::new(start + 1, end), quoted: true, raw }))
    }

    /// From behind an opening quote: where its end is, whether an escape lies between, whether it has an end.
    fn to_quote(&self, text: &[u8], from: usize) -> (usize, bool, bool) {
        let (mut at, mut raw) = (from, false);
        loop {
            match text.get(at) {
                None | Some(b'\n') => return (at, raw, false),
                Some(b'"') => return (at, raw, true),
                Some(b'\\') => {
                    raw = true;
                    // The escaped character, whatever it is, a line's end included.
                    at += if text.get(at + 1) == Some(&b'\r') && text.get(at + 2) == Some(&b'\n') { 3 } else { 2 };
                }
                Some(_) => at += 1,
            }
        }
    }

    fn word(&mut self, text: &[u8]) -> Token {
        let start = self.at.pos;
        let mut raw = false;
        let plain = self.rest(text).iter().position(|b| class(*b) != Class::Plain);
        self.at.pos = plain.map_or(text.len(), |len| start + len);
        while let Some(&byte) = text.get(self.at.pos) {
            match class(byte) {
                Class::Plain => self.at.pos += 1,
                Class::High => {
                    let rest = self.rest(text);
                    if high_blank(rest).is_some() {
                        break;
                    }
                    self.at.pos += char_len(rest);
                }
                Class::Quote => {
                    let (end, _, closed) = self.to_quote(text, self.at.pos + 1);
                    if !closed {
                        // The word as far as it was read, as keepalived does.
                        let span = Span::new(start, self.at.pos);
                        self.errors.push(Oddity::Unquoted(Span::new(self.at.pos, end)));
                        self.at.pos = end;
                        return Token::Word(Word { span, quoted: false, raw });
                    }
                    raw = true;
                    self.at.pos = end + 1;
                }
                Class::Escape => match text.get(self.at.pos + 1) {
                    Some(b'!' | b'#') => {
                        raw = true;
                        self.at.pos += 2;
                    }
                    Some(b'\n' | b'\r') | None => break,
                    Some(_) => self.at.pos += 1,
                },
                _ => break,
            }
        }
        // A lone backslash at the end of the text stands for itself.
        if self.at.pos == start {
            self.at.pos += 1;
        }
        Token::Word(Word { span: Span::new(start, self.at.pos), quoted: false, raw })
    }
}

/// The value of a word with escapes or inner quotes.
pub fn unescape(word: &[u8], quoted: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    let mut inside = quoted;
    loop {
        rest = match rest {
            [] => return out,
            [b'\\', b'\n', tail @ ..] | [b'\\', b'\r', b'\n', tail @ ..] => tail,
            [b'\\', c @ (b'!' | b'#' | b'"'), tail @ ..] if inside || *c != b'"' => {
                out.push(*c);
                tail
            }
            [b'\\', b'\\', tail @ ..] if inside => {
                out.push(b'\\');
                tail
            }
            [b'"', tail @ ..] => {
                inside = !inside;
                tail
            }
            [c, tail @ ..] => {
                out.push(*c);
                tail
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        bytes(text.as_bytes())
    }

    fn lexer(text: &[u8]) -> (Source, Lexer) {
        let source = Source::new("f", text.to_vec());
        let lexer = Lexer::new(&source, &Host { config_id: "here".into(), ..Host::default() });
        (source, lexer)
    }

    fn bytes(text: &[u8]) -> Vec<String> {
        let (mut source, mut lexer) = lexer(text);
        let mut out = Vec::new();
        loop {
            let token = lexer.next(&mut source);
            let text = &source.bytes;
            out.push(match token {
                Token::Word(w) if w.raw => String::from_utf8_lossy(&unescape(w.span.of(text), w.quoted)).into_owned(),
                Token::Word(w) => String::from_utf8_lossy(w.span.of(text)).into_owned(),
                Token::Open(_) => "{".into(),
                Token::Close(_) => "}".into(),
                Token::Line => ";".into(),
                Token::End => return out,
            });
        }
    }

    #[test]
    fn braces_are_tokens_anywhere() {
        assert_eq!(words("a{b}c { d }"), ["a", "{", "b", "}", "c", "{", "d", "}"]);
        assert_eq!(words("a \"b {c}\" d"), ["a", "b {c}", "d"]);
    }

    #[test]
    fn comments_and_escapes() {
        assert_eq!(words("a b!c\nd # e\n"), ["a", "b", ";", "d", ";"]);
        assert_eq!(words("pass a\\!b\\#c"), ["pass", "a!b#c"]);
        assert_eq!(words("x \"a!b#c\""), ["x", "a!b#c"]);
        assert_eq!(words("a \\\n b \\\r\n c"), ["a", "b", "c"]);
        assert_eq!(words("x \"a \\\"b\\\" c\""), ["x", "a \"b\" c"]);
        assert_eq!(words("x a\"b c\"d"), ["x", "ab cd"]);
    }

    #[test]
    fn blanks_of_a_web_page() {
        let text = b"\xef\xbb\xbfa\xc2\xa0\xc2\xa0b\r\n\xa0c d\xc3\xa0e";
        assert_eq!(bytes(text), ["a", "b", ";", "c", "d\u{e0}e"]);
        let (mut source, mut lexer) = lexer(text);
        while lexer.next(&mut source) != Token::End {}
        assert_eq!(lexer.blank, Some(Span::new(0, 3)));
        assert_eq!(lexer.carriage, Some(Span::new(9, 10)));
    }

    #[test]
    fn a_quote_without_end_and_a_nul() {
        assert_eq!(words("a \"b c\nd e\"f\ng"), ["a", ";", "d", "e", ";", "g"]);
        assert_eq!(bytes(b"a\nb \0 c\nd"), ["a", ";", ";", "d"]);
        let (mut source, mut lexer) = lexer(b"a\nb \0 c\nd");
        while lexer.next(&mut source) != Token::End {}
        assert_eq!(lexer.expand.faults.first().map(|f| f.span), Some(Span::new(4, 5)));
    }
}
