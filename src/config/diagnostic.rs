//! What is wrong with a file, where, and what to do; printed with the source line and a caret.

use super::lexer::Span;
use crate::limits;
use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// What is written works, yet under a newer name.
    Hint,
    Warning,
    Error,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Hint => "hint",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($code:ident $name:literal),* $(,)?) => {
        /// What kind of fault: stable names, for comparing two loads and for machines.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code { $($code),* }

        impl Code {
            pub fn name(self) -> &'static str {
                match self { $(Code::$code => $name),* }
            }
        }
    };
}
codes!(
    File "file", Blanks "blanks", Nul "nul", Quote "quote", Brace "brace", Depth "depth", Unknown "unknown-keyword",
    NotYet "not-in-this-version", Safeguard "safeguard-missing", Refused "not-done-here", NoCheck "check-missing", Renamed "deprecated-name",
    Dead "dead-name", Argument "missing-argument", Extra "extra-word", Value "bad-value", Range "out-of-range",
    Rounded "rounded", Repeated "repeated", Duplicate "duplicate", Missing "missing-keyword", Reference "unknown-reference",
    Conflict "conflict", Clash "clash", Empty "empty", Interface "interface", Script "script", Insecure "insecure-script", Nothing "nothing-to-run",
);

#[derive(Clone, PartialEq, Debug)]
pub struct Diagnostic {
    pub level: Level,
    pub code: Code,
    pub span: Span,
    pub text: Box<str>,
    /// What to do about it.
    pub help: Option<Box<str>>,
    /// Other places that belong to it, and what stands there.
    pub also: Vec<(Span, Box<str>)>,
    /// The blocks around, outermost first: `vrrp_instance VI_1/authentication`.
    pub path: Box<str>,
    /// The word that it is about.
    pub token: Box<str>,
    /// What `-t` exits with because of it; 0: nothing.
    pub status: u8,
}

impl Diagnostic {
    /// Two loads found the same fault if these are equal: the place may have moved.
    pub fn identity(&self) -> (Code, &str, &str) {
        (self.code, &self.path, &self.token)
    }
}

/// All findings of one load.
#[derive(Default)]
pub struct Diagnostics {
    pub list: Vec<Diagnostic>,
    /// Found beyond the limit: counted only.
    pub dropped: usize,
    pub status: u8,
    /// A keyword without its argument: keepalived ends at once with status 2.
    pub stopped: bool,
}

impl Diagnostics {
    pub fn push(&mut self, d: Diagnostic) {
        self.status = self.status.max(d.status);
        if self.list.len() < limits::DIAGNOSTICS {
            self.list.push(d);
        } else {
            self.dropped += 1;
        }
    }
}

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// Finds lines in the text; asked in rising order it reads the text once.
pub struct Lines<'t> {
    text: &'t [u8],
    /// A line's start and its number, from which the next search goes on.
    start: usize,
    line: u32,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t [u8]) -> Lines<'t> {
        Lines { text, start: 0, line: 1 }
    }

    /// The place of an offset and the line around it, without its end.
    pub fn find(&mut self, offset: u32) -> (Place, &'t [u8]) {
        let offset = (offset as usize).min(self.text.len());
        if offset < self.start {
            (self.start, self.line) = (0, 1);
        }
        let between = self.text.get(self.start..offset).unwrap_or_default();
        self.line += between.iter().filter(|b| **b == b'\n').count() as u32;
        if let Some(last) = between.iter().rposition(|b| *b == b'\n') {
            self.start += last + 1;
        }
        let rest = self.text.get(self.start..).unwrap_or_default();
        let len = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = rest.get(..len).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let before = self.text.get(self.start..offset).unwrap_or_default();
        let column = String::from_utf8_lossy(before).chars().count() as u32 + 1;
        (Place { line: self.line, column }, line)
    }
}

/// Longest part of a source line that is shown.
const EXCERPT: usize = 160;

/// `file:line:column: error: text`, the line, a caret line, and the help.
pub fn print(out: &mut dyn fmt::Write, file: &str, lines: &mut Lines, d: &Diagnostic) -> fmt::Result {
    if d.span == Span::NOWHERE {
        writeln!(out, "{file}: {}: {}", d.level.name(), d.text)?;
    } else {
        let (place, line) = lines.find(d.span.start);
        writeln!(out, "{file}:{}:{}: {}: {}", place.line, place.column, d.level.name(), d.text)?;
        excerpt(out, line, place.column, d.span.of(lines.text))?;
    }
    match &d.help {
        Some(help) => writeln!(out, "    = {help}"),
        None => Ok(()),
    }
}

fn excerpt(out: &mut dyn fmt::Write, line: &[u8], column: u32, marked: &[u8]) -> fmt::Result {
    let line = String::from_utf8_lossy(line);
    let before = column as usize - 1;
    // A very long line is shown from a little before the place.
    let skip = if before + 40 > EXCERPT { before - 40 } else { 0 };
    out.write_str("    ")?;
    for c in line.chars().skip(skip).take(EXCERPT) {
        // No control characters onto a terminal, and no blank that cannot be seen.
        out.write_char(if c == '\t' || c == '\u{a0}' || c == '\u{feff}' || c.is_control() { ' ' } else { c })?;
    }
    out.write_str("\n    ")?;
    for _ in skip..before {
        out.write_char(' ')?;
    }
    out.write_char('^')?;
    let width = String::from_utf8_lossy(marked).chars().take_while(|c| *c != '\n').count();
    let room = line.chars().count().saturating_sub(before).min(EXCERPT - (before - skip));
    for _ in 1..width.min(room) {
        out.write_char('~')?;
    }
    writeln!(out)
}

/// The known word closest to one that is not: at most a third of its letters away.
pub fn closest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let limit = (word.chars().count() / 3).min(3);
    if limit == 0 {
        return None;
    }
    let best = known.map(|k| (distance(word, k, limit), k)).min_by_key(|(d, _)| *d)?;
    (best.0 <= limit).then_some(best.1)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other; above `limit` only "more".
fn distance(a: &str, b: &str, limit: usize) -> usize {
    if a.len().abs_diff(b.len()) > limit * 4 || a.len() > 64 || b.len() > 64 {
        return limit + 1;
    }
    let b: Vec<char> = b.chars().collect();
    let width = b.len() + 1;
    let mut older: Vec<usize> = vec![0; width];
    let mut old: Vec<usize> = (0..width).collect();
    let mut last = None;
    for (i, ca) in a.chars().enumerate() {
        let mut row = vec![i + 1; 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |v: &[usize], k: usize| v.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut d = at(&old, j) + usize::from(ca != *cb);
            d = d.min(at(&old, j + 1) + 1).min(at(&row, j) + 1);
            if j > 0 && last == Some(*cb) && b.get(j - 1) == Some(&ca) {
                d = d.min(at(&older, j - 1) + 1);
            }
            row.push(d);
        }
        older = std::mem::replace(&mut old, row);
        last = Some(ca);
    }
    old.last().copied().unwrap_or(limit + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let text = "ab\n\té x\r\ny".as_bytes();
        let mut lines = Lines::new(text);
        assert_eq!(lines.find(0).0, Place { line: 1, column: 1 });
        let (place, line) = lines.find(7);
        assert_eq!((place, line), (Place { line: 2, column: 4 }, "\té x".as_bytes()));
        assert_eq!(lines.find(10).0, Place { line: 3, column: 1 });
        assert_eq!(lines.find(1).0, Place { line: 1, column: 2 });
        assert_eq!(lines.find(9999).0, Place { line: 3, column: 2 });
    }

    #[test]
    fn a_typo_finds_its_word() {
        let known = ["priority", "interface", "state", "advert_int"];
        let find = |w| closest(w, known.iter().copied());
        assert_eq!(find("prioritty"), Some("priority"));
        assert_eq!(find("interfcae"), Some("interface"));
        assert_eq!(find("stat"), Some("state"));
        assert_eq!(find("colour"), None);
        assert_eq!(find("xy"), None);
    }

    #[test]
    fn the_caret_stands_below_the_word() {
        let text = b"a\n\tpriority\xc2\xa0300\n";
        let d = Diagnostic {
            level: Level::Error,
            code: Code::Range,
            span: Span::new(13, 16),
            text: "too much".into(),
            help: Some("use less".into()),
            also: Vec::new(),
            path: "".into(),
            token: "300".into(),
            status: 5,
        };
        let mut out = String::new();
        print(&mut out, "f", &mut Lines::new(text), &d).unwrap();
        assert_eq!(out, "f:2:11: error: too much\n     priority 300\n              ^~~\n    = use less\n");
    }
}
