//! What is wrong with a file, where, and what to do; printed with the source line and a caret.

use super::lexer::Span;
use super::misnomers;
use super::source::{Source, Step};
use crate::limits;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
    File "file", NotText "not-text", Blanks "blanks", Nul "nul", Quote "quote", Brace "brace", Depth "depth", Unknown "unknown-keyword",
    NotYet "not-in-this-version", Safeguard "safeguard-missing", Refused "not-done-here", NotReplaced "not-replaced", NoCheck "check-missing", Renamed "deprecated-name",
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
    /// No more are kept: what costs time to say need not be found out.
    pub fn full(&self) -> bool {
        self.list.len() >= limits::DIAGNOSTICS
    }

    /// Kept or not.
    pub fn count_all(&self) -> usize {
        self.list.len() + self.dropped
    }

    /// What was said to be so is no fault.
    pub fn forgive(&mut self, code: Code) {
        for d in self.list.iter_mut().filter(|d| d.code == code) {
            (d.level, d.status) = (Level::Hint, 0);
        }
        if self.dropped == 0 {
            self.status = self.list.iter().map(|d| d.status).max().unwrap_or(0);
        }
    }

    /// One that is not even made.
    pub fn count(&mut self, status: u8) {
        self.status = self.status.max(status);
        self.dropped += 1;
    }

    /// Gives its number. None: it is not kept, or the word itself is known to be wrong: what follows from that is no
    /// mistake of its own.
    pub fn push(&mut self, d: Diagnostic) -> Option<usize> {
        self.status = self.status.max(d.status);
        if self.full() {
            self.dropped += 1;
            return None;
        }
        let wrong = |d: &Diagnostic| match d.code {
            Code::NotYet | Code::Safeguard | Code::Refused | Code::NoCheck | Code::File => true,
            Code::Unknown | Code::Argument | Code::Value | Code::Range | Code::Brace => d.level == Level::Error,
            _ => false,
        };
        let same = |o: &Diagnostic| {
            let other = d.code == Code::File || (d.code, &d.token) != (o.code, &o.token);
            o.span == d.span && (wrong(o) || wrong(&d)) && other
        };
        let known = if d.span == Span::NOWHERE { None } else { self.list.iter().position(same) };
        let Some(number) = known else {
            self.list.push(d);
            return Some(self.list.len() - 1);
        };
        let other = self.list.get_mut(number)?;
        // What weighs more is said; it comes to the same.
        let more = (d.status, d.level) > (other.status, other.level);
        if more || (d.code, other.code) == (Code::Argument, Code::Brace) {
            *other = d;
            return Some(number);
        }
        None
    }
}

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// Finds lines in the files; asked in rising order within a file it reads that file once.
struct Lines<'s> {
    source: &'s Source,
    files: Vec<Reading>,
}

/// How far one file was looked at.
struct Reading {
    /// Where the file starts.
    file: u32,
    /// Start of the line that was found last, and its number.
    start: usize,
    line: u32,
    /// The offset that was found last, and its column.
    at: usize,
    column: u32,
}

impl<'s> Lines<'s> {
    fn new(source: &'s Source) -> Lines<'s> {
        Lines { source, files: Vec::new() }
    }

    /// The place of an offset, the start of its line as far as it may be shown, and where in that line it is.
    fn find(&mut self, offset: u32) -> (Place, &'s [u8], usize) {
        let source: &'s Source = self.source;
        let (_, first, end) = source.file(offset);
        let text = source.bytes.get(..end as usize).unwrap_or_default();
        let offset = (offset as usize).min(text.len());
        let begin = Reading { file: first, start: first as usize, line: 1, at: first as usize, column: 1 };
        let known = self.files.iter().position(|f| f.file == first).unwrap_or_else(|| {
            self.files.push(begin);
            self.files.len() - 1
        });
        let Some(r) = self.files.get_mut(known) else { return (Place { line: 1, column: 1 }, &[], 0) };
        if offset < r.at {
            *r = Reading { file: first, start: first as usize, line: 1, at: first as usize, column: 1 };
        }
        let between = text.get(r.at..offset).unwrap_or_default();
        let mut counted = between;
        if let Some(last) = between.iter().rposition(|b| *b == b'\n') {
            r.line += between.iter().filter(|b| **b == b'\n').count() as u32;
            r.start = r.at + last + 1;
            r.column = 1;
            counted = between.get(last + 1..).unwrap_or_default();
        }
        r.column += String::from_utf8_lossy(counted).chars().count() as u32;
        r.at = offset;
        // As much as can be shown.
        let rest = text.get(offset..(offset + 8 * EXCERPT).min(text.len())).unwrap_or_default();
        let len = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let around = text.get(r.start..offset + len).unwrap_or_default();
        let around = around.strip_suffix(b"\r").unwrap_or(around);
        (Place { line: r.line, column: r.column }, around, offset - r.start)
    }
}

/// Longest part of a source line that is shown.
const EXCERPT: usize = 160;

/// How findings look: with colours on a terminal.
pub struct Style {
    error: &'static str,
    warning: &'static str,
    hint: &'static str,
    place: &'static str,
    mark: &'static str,
    end: &'static str,
}

impl Style {
    pub const PLAIN: Style = Style { error: "", warning: "", hint: "", place: "", mark: "", end: "" };
    pub const COLOUR: Style = Style {
        error: "\x1b[1;31m",
        warning: "\x1b[1;33m",
        hint: "\x1b[1;36m",
        place: "\x1b[1m",
        mark: "\x1b[1;32m",
        end: "\x1b[0m",
    };

    fn level(&self, level: Level) -> &'static str {
        match level {
            Level::Error => self.error,
            Level::Warning => self.warning,
            Level::Hint => self.hint,
        }
    }
}

/// Findings of the same kind at the same place of the same file: of a line that is repeated, or a file included twice.
pub struct Gathered<'d> {
    pub first: &'d Diagnostic,
    pub times: usize,
    /// Why it came to this: a `$NAME` in the word that was not replaced.
    pub since: Option<&'d Diagnostic>,
}

/// Each finding once; they come in order.
pub fn gathered<'d>(source: &Source, list: &'d [Diagnostic]) -> Vec<Gathered<'d>> {
    let mut out: Vec<Gathered> = Vec::new();
    let place = |d: &Diagnostic| {
        let spot = source.spot(d.span);
        (source.file(spot.span.start).1, spot.span)
    };
    let not_replaced: Vec<_> = list.iter().filter(|d| d.code == Code::NotReplaced).map(|d| (place(d), d)).collect();
    // What a wrong word holds and was not replaced is said with it.
    let mut inside = Vec::new();
    for d in list.iter().filter(|d| d.level == Level::Error && d.token.contains('$')) {
        let (file, span) = place(d);
        let found = not_replaced.iter().find(|((f, s), w)| {
            *f == file && span.start <= s.start && s.start <= span.end && d.token.contains(w.token.as_ref())
        });
        inside.extend(found.map(|(at, w)| (*at, d as *const Diagnostic, *w)));
    }
    // A name that is not defined is one mistake, whatever its place should hold.
    let undefined = |d: &&Diagnostic| d.code == Code::Reference && d.level == Level::Error && d.token.starts_with('$');
    // Its token is no password.
    let secret = |d: &Diagnostic| d.code == Code::Range && d.token.as_ref() == "auth_pass";
    let undefined: Vec<_> = list.iter().filter(undefined).map(|d| (place(d), d)).collect();
    let follows = |d: &Diagnostic| {
        let of = |((file, span), u): &((u32, Span), &Diagnostic)| {
            let at = place(d);
            !std::ptr::eq(*u, d) && at == (*file, *span) && (secret(d) || d.token.contains(u.token.as_ref()))
        };
        d.level == Level::Error && (secret(d) || d.token.contains('$')) && undefined.iter().any(of)
    };
    let mut known: HashMap<(&str, u32, Code, Level, Option<&str>), usize> = HashMap::new();
    for d in list {
        if follows(d) {
            continue;
        }
        if d.code == Code::NotReplaced && inside.iter().any(|(at, ..)| *at == place(d)) {
            continue;
        }
        let (spot, repeated) = (source.spot(d.span), source.is_repeated(d.span));
        let (_, start, _) = source.file(spot.span.start);
        // But for a repetition, two texts at one place are two findings.
        let text = (!repeated).then_some(d.text.as_ref());
        let key = (spot.file, spot.span.start.saturating_sub(start), d.code, d.level, text);
        let at = *known.entry(key).or_insert(out.len());
        match out.get_mut(at) {
            Some(found) => found.times += 1,
            None => {
                let since = inside.iter().find(|(_, error, _)| std::ptr::eq(*error, d)).map(|(.., w)| *w);
                out.push(Gathered { first: d, times: 1, since });
            }
        }
    }
    out
}

/// Prints findings that come in order.
pub struct Printer<'s> {
    source: &'s Source,
    lines: Lines<'s>,
    /// For places out of order.
    others: Lines<'s>,
    style: &'s Style,
}

impl<'s> Printer<'s> {
    pub fn new(source: &'s Source, style: &'s Style) -> Printer<'s> {
        Printer { source, lines: Lines::new(source), others: Lines::new(source), style }
    }

    /// `file:line:column`, as the text was written.
    pub fn place(&mut self, span: Span) -> String {
        let spot = self.source.spot(span);
        let (place, ..) = self.others.find(spot.span.start);
        format!("{}:{}:{}", spot.file, place.line, place.column)
    }

    /// File, line, column, and the column behind the marked text.
    pub fn numbers(&mut self, span: Span) -> (&'s str, u32, u32, u32) {
        let spot = self.source.spot(span);
        let (place, line, at) = self.others.find(spot.span.start);
        let width = marked(line, at, spot.span.of(&self.source.bytes));
        (spot.file, place.line, place.column, place.column + width as u32)
    }

    /// How the text at a place came there, a line each.
    pub fn steps(&mut self, span: Span) -> Vec<String> {
        let mut steps: Vec<String> = Vec::new();
        for step in self.source.spot(span).steps {
            let text = match step {
                Step::Reads(line) => format!("here it reads: {}", discreet(&line)),
                Step::Defined(name, span) => format!("${name} is defined at {}", self.place(span)),
                Step::Used(name, span) => format!("${name} is used at {}", self.place(span)),
                Step::Turn(turn) => format!("in the repetition with {turn}"),
                Step::Included(span) => format!("included at {}", self.place(span)),
            };
            // A definition that refers to itself is put in at one place many times.
            if !steps.contains(&text) {
                steps.push(text);
            }
        }
        steps
    }

    /// One place of a finding that concerns several configurations, and its line unless that shall not be seen. No
    /// level: a note.
    pub fn show(&mut self, out: &mut dyn fmt::Write, span: Span, of: (Option<Level>, &str), line: bool) -> fmt::Result {
        let Style { place, end, mark, .. } = self.style;
        let (level, text) = of;
        let head = match level {
            Some(level) => format!("{}{}:{end} {text}", self.style.level(level), level.name()),
            None => format!("note: {text}"),
        };
        if span == Span::NOWHERE {
            return writeln!(out, "{place}{}:{end} {head}", self.source.file(0).0);
        }
        let spot = self.source.spot(span);
        let (Place { line: number, column }, around, at) = self.others.find(spot.span.start);
        writeln!(out, "{place}{}:{number}:{column}:{end} {head}", spot.file)?;
        if !line {
            return Ok(());
        }
        excerpt(out, around, at, spot.span.of(&self.source.bytes), mark, end)?;
        for step in self.steps(span) {
            writeln!(out, "    = {step}")?;
        }
        Ok(())
    }

    /// `file:line:column: error: text`, the line, a caret line, and what belongs to it.
    pub fn print(&mut self, out: &mut dyn fmt::Write, found: &Gathered) -> fmt::Result {
        let Gathered { first: d, times, since } = *found;
        let Style { place, end, mark, .. } = self.style;
        let colour = self.style.level(d.level);
        let level = d.level.name();
        if d.span == Span::NOWHERE {
            writeln!(out, "{place}{}:{end} {colour}{level}:{end} {}", self.source.file(0).0, d.text)?;
        } else {
            let spot = self.source.spot(d.span);
            let (Place { line: number, column }, line, at) = self.lines.find(spot.span.start);
            write!(out, "{place}{}:{number}:{column}:{end} ", spot.file)?;
            writeln!(out, "{colour}{level}:{end} {}", d.text)?;
            if d.code != Code::NotText {
                excerpt(out, line, at, spot.span.of(&self.source.bytes), mark, end)?;
            }
            for step in self.steps(d.span) {
                writeln!(out, "    = {step}")?;
            }
        }
        if times > 1 {
            let why = match self.source.is_repeated(d.span) {
                true => "in the lines that are made from this one",
                false => "since the line is read more than once",
            };
            writeln!(out, "    = {times} times, {why}")?;
        }
        if let Some(w) = since {
            writeln!(out, "    = {}; {}", w.text, w.help.as_deref().unwrap_or_default())?;
        }
        for (span, text) in &d.also {
            writeln!(out, "    = {text}: {}", self.place(*span))?;
        }
        match &d.help {
            Some(help) => writeln!(out, "    = {help}"),
            None => Ok(()),
        }
    }
}

/// A line without its password or key: findings go to logs and to other people.
fn discreet(line: &str) -> Cow<'_, str> {
    let word = line.trim_start().split(|c: char| c.is_whitespace() || c == '{').next().unwrap_or_default();
    let behind = match word {
        "password" | "key" => line.find(word).map(|at| at + word.len()),
        // Misspelt.
        _ if closest(word, ["auth_pass"].into_iter()).is_some() => line.find(word).map(|at| at + word.len()),
        _ => line.find("auth_pass").map(|at| at + "auth_pass".len()),
    };
    let Some((kept, hidden)) = behind.and_then(|at| line.split_at_checked(at)) else { return Cow::Borrowed(line) };
    let hide = |c: char| if c.is_whitespace() || matches!(c, '{' | '}') { c } else { '*' };
    Cow::Owned(kept.chars().chain(hidden.chars().map(hide)).collect())
}

/// The start of the character so many characters before `at`.
fn back(line: &[u8], at: usize, characters: usize) -> usize {
    let starts = line.get(..at).unwrap_or_default().iter().enumerate().rev();
    starts.filter(|(_, b)| **b & 0xc0 != 0x80).map(|(n, _)| n).nth(characters.saturating_sub(1)).unwrap_or(0)
}

/// Characters of the line that are marked from an offset on.
fn marked(line: &[u8], at: usize, text: &[u8]) -> usize {
    let first = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let room = line.len().saturating_sub(at).min(4 * EXCERPT);
    let shown = first.get(..room).unwrap_or(first);
    String::from_utf8_lossy(shown).chars().count().max(1)
}

/// The line with a caret below the place; a very long one is shown from a little before the place.
fn excerpt(out: &mut dyn fmt::Write, line: &[u8], at: usize, text: &[u8], mark: &str, end: &str) -> fmt::Result {
    let width =
        |from: usize, to: usize| String::from_utf8_lossy(line.get(from..to).unwrap_or_default()).chars().count();
    let from = if at > EXCERPT - 40 { back(line, at, 40) } else { 0 };
    // Some more than is shown, for what must not be.
    let wide = back(line, from, 200);
    let window = line.get(wide..(from + 4 * EXCERPT).min(line.len())).unwrap_or_default();
    let window = String::from_utf8_lossy(window);
    out.write_str("    ")?;
    for c in discreet(&window).chars().skip(width(wide, from)).take(EXCERPT) {
        // No control characters onto a terminal, and no blank that cannot be seen.
        out.write_char(if c == '\t' || c == '\u{a0}' || c == '\u{feff}' || c.is_control() { ' ' } else { c })?;
    }
    let skip = width(from, at);
    let rest = marked(line, at, text).min(EXCERPT.saturating_sub(skip)).max(1) - 1;
    writeln!(out, "\n    {:skip$}{mark}^{:~<rest$}{end}", "", "")
}

/// The known word closest to one that is not: at most a third of its letters away.
pub fn closest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let known: Vec<&str> = known.collect();
    // First what differs only by case or by a mark at its end.
    let bare = word.trim_end_matches([',', ';', ':', '=']);
    if let Some(same) = known.iter().find(|k| k.eq_ignore_ascii_case(bare)) {
        return Some(same);
    }
    let limit = (word.chars().count() / 3).min(3);
    if limit == 0 {
        return None;
    }
    let best = known.into_iter().map(|k| (distance(word, k, limit), k)).min_by_key(|(d, _)| *d)?;
    (best.0 <= limit).then_some(best.1)
}

/// The known value that is meant: the closest one, or what other programs call so.
pub fn close_value<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
    misnomers::value(word, known.clone()).or_else(|| closest(word, known))
}

/// Help about a word that should be one of these: which is meant, and what is done.
pub fn meant(word: &str, known: &[&str], used: &str) -> String {
    match close_value(word, known.iter().copied()) {
        Some(close) => format!("did you mean '{close}'? {used}"),
        None => used.into(),
    }
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
        let source = Source::new("f", "ab\n\té x\r\ny".into());
        let mut lines = Lines::new(&source);
        assert_eq!(lines.find(0).0, Place { line: 1, column: 1 });
        let (place, line, _) = lines.find(7);
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
        let source = Source::new("f", b"a\n\tpriority\xc2\xa0300\n".to_vec());
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
        let found = Gathered { first: &d, times: 1, since: None };
        Printer::new(&source, &Style::PLAIN).print(&mut out, &found).unwrap();
        assert_eq!(out, "f:2:11: error: too much\n     priority 300\n              ^~~\n    = use less\n");
    }
}
