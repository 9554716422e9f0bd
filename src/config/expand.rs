//! What stands between the files and the lexer, a line at a time: other files (`include`), lines for one host
//! (`@ID`), definitions (`$NAME`), repetitions (`~SEQ`, `~LST`). A line that none of them concerns is not copied.

use super::diagnostic::{closest, Code, Level};
use super::glob::{glob, Alternative};
use super::lexer::{high_blank, Span};
use super::loader::{open_file, Host};
use super::source::{Defined, How, Piece, Source, Via};
use super::text::{not_text, NotText};
use crate::limits;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What was wrong with a line; the reader says it.
pub struct Fault {
    pub level: Level,
    pub code: Code,
    pub span: Span,
    pub token: String,
    pub text: String,
    pub help: String,
    pub status: u8,
}

/// What the lexer reads from now on.
#[derive(Clone, Copy, Default)]
pub struct Stretch {
    pub pos: usize,
    pub end: usize,
    /// The next `$` and the next NUL at or behind `pos`, as far as was looked.
    dollar: usize,
    nul: usize,
    what: What,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum What {
    /// A whole file.
    File,
    /// A line whose definitions were put in.
    Replaced,
    #[default]
    Other,
}

enum Frame {
    Text(Stretch),
    Turns(Turns),
    Files(Files),
}

/// An `include` with files left.
struct Files {
    paths: std::vec::IntoIter<PathBuf>,
    span: Span,
    strict: Strict,
}

/// An included file that is being read, a part in each step.
struct Reading {
    file: std::fs::File,
    name: String,
    /// Where its text starts.
    start: usize,
    dir: PathBuf,
    path: PathBuf,
    span: Span,
    strict: Strict,
}

/// Bytes of an included file that are read in one step.
const CHUNK: u64 = 64 << 10;
/// What it costs to open a file, or to read a chunk of it, in statements.
const COST: usize = 8;

/// A repetition with turns left.
struct Turns {
    /// The rest of its line.
    line: Span,
    names: Vec<Vec<u8>>,
    values: Values,
}

enum Values {
    Sequence { next: i64, step: i64, end: i64, hex: Option<usize> },
    List(std::vec::IntoIter<Vec<Vec<u8>>>),
}

struct Definition {
    value: Box<[u8]>,
    /// Where its lines stand, if it has several.
    lines: Box<[Piece]>,
    /// Set by a repetition, anew with each turn.
    counted: bool,
}

/// A file that is open: where its own includes are looked for, and what it is.
struct File {
    dir: PathBuf,
    path: PathBuf,
}

/// What is asked of an `include` line beside that it names files.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Strict {
    /// Each file can be read, is a regular file and not executable.
    pub read: bool,
    /// A plain name, without braces, is there.
    pub plain: bool,
    /// A pattern of wildcards names something.
    pub wild: bool,
    /// Each of the alternatives in braces that is a plain name is there.
    pub braces: bool,
}

impl Strict {
    const ALL: Strict = Strict { read: true, plain: true, wild: true, braces: true };
}

pub struct Expand {
    stack: Vec<Frame>,
    files: Vec<File>,
    definitions: Vec<Definition>,
    /// The last definition of each name.
    names: HashMap<Box<[u8]>, u32>,
    config_id: Box<str>,
    instance: Box<str>,
    environment: Option<fn(&str) -> Option<String>>,
    read_files: bool,
    random: u64,
    made: usize,
    included: usize,
    full: bool,
    nuls: usize,
    /// Names that were not defined, of which a like one was looked for.
    guesses: usize,
    reading: Option<Reading>,
    /// What reading files has cost since it was asked last, in statements.
    pub cost: usize,
    pub strict: Strict,
    pub faults: Vec<Fault>,
    /// Faults beyond the limit, and the highest status of theirs.
    pub dropped: usize,
    pub dropped_status: u8,
    /// What is read is skipped: no repetition needs its turns.
    pub skipping: bool,
}

/// What follows the end of a stretch.
#[derive(PartialEq, Eq)]
pub enum After {
    /// The line that the stretch stood for ends.
    Resumed,
    /// Another turn of a repetition begins.
    Turn,
    Nothing,
}

fn blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// Blanks of any kind at the start of a line.
fn skip_blanks(mut rest: &[u8]) -> &[u8] {
    loop {
        let len = match rest.first() {
            Some(b) if blank(*b) => 1,
            Some(0x80..) => match high_blank(rest) {
                Some(len) => len,
                None => return rest,
            },
            _ => return rest,
        };
        rest = rest.get(len..).unwrap_or_default();
    }
}

fn name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// Length of the name that begins here; 0: none does.
fn name_len(rest: &[u8]) -> usize {
    match rest.first() {
        Some(b) if name_byte(*b) && !b.is_ascii_digit() => {
            rest.iter().position(|b| !name_byte(*b)).unwrap_or(rest.len())
        }
        _ => 0,
    }
}

/// The next such byte, else the end. `contains` looks at many bytes at once, and a file is large.
fn find(bytes: &[u8], from: usize, end: usize, byte: u8) -> usize {
    const PART: usize = 4096;
    let rest = bytes.get(from..end).unwrap_or_default();
    let found = rest.chunks(PART).enumerate().find(|(_, part)| part.contains(&byte));
    let place = found.and_then(|(n, part)| Some(from + n * PART + part.iter().position(|b| *b == byte)?));
    place.unwrap_or(end)
}

/// Nearly all lines: nothing in it, nor behind it, concerns us. Steps over its blanks.
fn plain(bytes: &[u8], at: &mut Stretch) -> bool {
    if at.nul < at.end || (at.dollar < at.end && at.what != What::Replaced) {
        return false;
    }
    let line = bytes.get(at.pos..at.end).unwrap_or_default();
    let blanks = line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let concerns = match line.get(blanks..).unwrap_or_default() {
        [b'i', rest @ ..] => rest.starts_with(b"nc"),
        [b'@' | b'$' | b'~' | b'\r' | 0x0b | 0x0c | 0x80.., ..] => true,
        _ => false,
    };
    if !concerns {
        at.pos += blanks;
    }
    !concerns
}

/// Where the line that begins at `pos` ends (at its line feed, lines joined by `\` are one), and where its comment does.
fn line_end(bytes: &[u8], pos: usize, end: usize) -> (usize, usize) {
    let text = bytes.get(..end).unwrap_or_default();
    let (mut at, mut quoted) = (pos, false);
    while let Some(b) = text.get(at) {
        match b {
            b'\n' => return (at, at),
            b'\\' => match text.get(at + 1..).unwrap_or_default() {
                [b'\r', b'\n', ..] => at += 2,
                [b'\n' | b'!' | b'#', ..] => at += 1,
                _ if quoted => at += 1,
                _ => {}
            },
            b'"' => quoted = !quoted,
            b'!' | b'#' if !quoted => return (find(text, at, end, b'\n'), at),
            _ => {}
        }
        at += 1;
    }
    (end, end)
}

/// Without the blanks around it.
fn trim(bytes: &[u8], span: Span) -> Span {
    let (mut start, mut end) = (span.start as usize, span.end as usize);
    while start < end && bytes.get(start).is_some_and(|b| blank(*b)) {
        start += 1;
    }
    while start < end && bytes.get(end - 1).is_some_and(|b| blank(*b)) {
        end -= 1;
    }
    Span::new(start, end)
}

impl Stretch {
    fn new(span: Span, what: What) -> Stretch {
        let (pos, end) = (span.start as usize, span.end as usize);
        // Unknown yet: looked for at the first line.
        Stretch { pos, end, dollar: pos, nul: pos, what }
    }
}

impl Expand {
    pub fn new(source: &Source, host: &Host) -> (Expand, Stretch) {
        let path = PathBuf::from(source.file(0).0);
        let dir = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let expand = Expand {
            stack: Vec::new(),
            files: vec![File { dir, path: path.canonicalize().unwrap_or(path) }],
            definitions: Vec::new(),
            names: HashMap::new(),
            config_id: host.config_id.clone(),
            instance: host.config_id.clone(),
            environment: host.environment,
            read_files: host.files,
            random: host.seed | 1,
            made: 0,
            included: 0,
            full: false,
            nuls: 0,
            guesses: 0,
            reading: None,
            cost: 0,
            strict: if host.all_files { Strict::ALL } else { Strict::default() },
            faults: Vec::new(),
            dropped: 0,
            dropped_status: 0,
            skipping: false,
        };
        (expand, Stretch::new(Span::new(0, source.len()), What::File))
    }

    /// `random_seed`: each configuration draws the same numbers again.
    pub fn seed(&mut self, seed: u64) {
        self.random = seed | 1;
    }

    /// `instance` at top level.
    pub fn instance(&mut self, name: &str) {
        self.instance = name.into();
    }

    fn error(&mut self, code: Code, span: Span, token: &str, text: String, help: &str) {
        let fault = Fault { level: Level::Error, code, span, token: token.into(), text, help: help.into(), status: 5 };
        self.fault(fault);
    }

    /// One line may make millions.
    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < limits::DIAGNOSTICS {
            self.faults.push(fault);
        } else {
            self.dropped += 1;
            self.dropped_status = self.dropped_status.max(fault.status);
        }
    }

    /// The end of a stretch was read.
    pub fn after(&mut self, source: &mut Source, at: &mut Stretch) -> After {
        if at.what == What::File {
            self.files.pop();
        }
        *at = Stretch::default();
        match self.stack.pop() {
            None => return After::Nothing,
            Some(Frame::Text(stretch)) => {
                *at = stretch;
                return After::Resumed;
            }
            Some(Frame::Turns(turns)) => self.turn(source, at, turns),
            Some(Frame::Files(files)) => self.next_file(source, files),
        }
        After::Turn
    }

    /// At the start of a line: does what stands before the lexer's own work, perhaps to several lines.
    pub fn line(&mut self, source: &mut Source, at: &mut Stretch) {
        if plain(&source.bytes, at) {
            return;
        }
        while self.readable(source, at) {
            let line = source.bytes.get(at.pos..at.end).unwrap_or_default();
            let rest = skip_blanks(line);
            // The lexer sees the blanks of any other line itself, and says what is odd about them.
            if matches!(rest.first(), Some(b'@' | b'$' | b'~' | b'i')) {
                at.pos += line.len() - rest.len();
            }
            let repeats = [&b"~SEQ"[..], b"~LST"].iter().any(|w| rest.starts_with(w));
            let include = rest.strip_prefix(b"include").map(<[u8]>::len);
            match (rest.first().copied(), include) {
                (Some(b'@'), _) => {
                    if !self.mark(source, at) {
                        return;
                    }
                }
                (Some(b'$'), _) if self.definition(source, at) => return,
                // What they make is read next, from its start.
                (Some(b'~'), _) if repeats => self.repetition(source, at),
                (_, Some(behind)) if self.include(behind, source, at) => {}
                _ if self.replace_line(source, at) => {}
                _ => return,
            }
        }
    }

    /// False: the line holds a NUL, and was left out.
    fn readable(&mut self, source: &Source, at: &mut Stretch) -> bool {
        if at.nul <= at.pos && at.nul < at.end {
            at.nul = find(&source.bytes, at.pos, at.end, 0);
        }
        if at.nul >= at.end {
            return true;
        }
        let (end, _) = line_end(&source.bytes, at.pos, at.end);
        if at.nul >= end {
            return true;
        }
        let span = Span::new(at.nul, at.nul + 1);
        self.nuls += 1;
        if self.nuls > limits::NUL_LINES {
            let text = format!("more than {} lines hold a NUL byte: this is not text", limits::NUL_LINES);
            self.error(Code::NotText, span, "NUL", text, "what follows in this file is not read");
            (at.pos, self.nuls) = (at.end, 0);
            return false;
        }
        self.error(Code::Nul, span, "NUL", "this line holds a NUL byte".into(), "the line is not used");
        at.pos = end;
        false
    }

    /// At `@ID` or `@^ID`: is the line for this host? If not it is skipped.
    fn mark(&mut self, source: &Source, at: &mut Stretch) -> bool {
        let rest = source.bytes.get(at.pos..at.end).unwrap_or_default();
        let len = rest.iter().position(|b| blank(*b) || *b == b'\n').unwrap_or(rest.len());
        let mark = rest.get(1..len).unwrap_or_default();
        let (others, id) = match mark {
            [b'^', id @ ..] => (true, id),
            id => (false, id),
        };
        if (self.config_id.as_bytes() == id) != others {
            at.pos += len;
            return true;
        }
        at.pos = line_end(&source.bytes, at.pos, at.end).0;
        false
    }

    /// At a `$`: `$NAME=VALUE`, whose lines are read here. False: it is something else.
    fn definition(&mut self, source: &mut Source, at: &mut Stretch) -> bool {
        let rest = source.bytes.get(at.pos + 1..at.end).unwrap_or_default();
        let len = name_len(rest);
        let name_span = Span::new(at.pos, at.pos + 1 + len);
        let name = rest.get(..len).unwrap_or_default().to_vec();
        let behind = rest.get(len..).unwrap_or_default();
        if len == 0 {
            return false;
        }
        if behind.first() != Some(&b'=') {
            let next = behind.iter().find(|b| !blank(**b));
            if next != Some(&b'=') || !behind.first().is_some_and(|b| blank(*b)) {
                return false;
            }
            let name = String::from_utf8_lossy(&name).into_owned();
            self.error(
                Code::Value,
                name_span,
                &format!("${name}"),
                format!("a blank stands before the '=' of '${name}'"),
                &format!("write ${name}=VALUE; it is not defined"),
            );
            at.pos = line_end(&source.bytes, at.pos, at.end).0;
            return true;
        }
        let mut value = Vec::new();
        let mut lines = Vec::new();
        at.pos += 1 + len + 1;
        loop {
            let (end, code_end) = value_line(&source.bytes, at.pos, at.end);
            let trimmed = trim(&source.bytes, Span::new(at.pos, code_end));
            let line = trimmed.of(&source.bytes);
            // A comment hides no '\': the value goes on behind it.
            let (line, more) = match line {
                [line @ .., b'\\'] => (line, true),
                line if code_end < end => {
                    (line, trim(&source.bytes, Span::new(code_end, end)).of(&source.bytes).ends_with(b"\\"))
                }
                line => (line, false),
            };
            let kept = line.len() - line.iter().rev().take_while(|b| blank(**b)).count();
            let start = trimmed.start as usize;
            // One more for the line's end.
            let from = Span::new(start, start + kept + usize::from(more));
            lines.push(Piece { at: value.len() as u32, from, via: Via::Copy });
            value.extend_from_slice(line.get(..kept).unwrap_or_default());
            at.pos = end;
            if !more || end >= at.end {
                break;
            }
            value.push(b'\n');
            at.pos += 1;
        }
        if lines.len() == 1 {
            lines.clear();
        }
        self.define(source, &name, &value, lines, name_span, false);
        true
    }

    fn define(&mut self, source: &mut Source, name: &[u8], value: &[u8], lines: Vec<Piece>, span: Span, counted: bool) {
        self.names.insert(name.into(), self.definitions.len() as u32);
        source.definitions.push(Defined { name: String::from_utf8_lossy(name).into(), span });
        self.definitions.push(Definition { value: value.into(), lines: lines.into(), counted });
    }

    /// The last definition of this name.
    fn defined(&self, name: &[u8]) -> Option<(u32, &Definition)> {
        let number = *self.names.get(name)?;
        self.definitions.get(number as usize).map(|d| (number, d))
    }

    /// Replaces what is defined in the line that begins here. False: nothing is.
    fn replace_line(&mut self, source: &mut Source, at: &mut Stretch) -> bool {
        if at.what == What::Replaced {
            return false;
        }
        if at.dollar <= at.pos && at.dollar < at.end {
            at.dollar = find(&source.bytes, at.pos, at.end, b'$');
        }
        if at.dollar >= at.end {
            return false;
        }
        let (end, code_end) = line_end(&source.bytes, at.pos, at.end);
        if at.dollar >= code_end {
            return false;
        }
        let line = Span::new(at.pos, code_end);
        let Some((text, pieces)) = self.replace(source, line) else { return false };
        at.pos = end;
        if self.stack.len() > limits::EXPANDED_DEPTH {
            self.endless(line);
            return true;
        }
        // Several lines: each is replaced when its turn comes; a repetition among them counts for those behind it.
        let what = if text.contains(&b'\n') { What::Other } else { What::Replaced };
        if let Some(span) = self.make(source, &text, pieces, How::Replaced) {
            self.stack.push(Frame::Text(*at));
            *at = Stretch::new(span, what);
        }
        true
    }

    /// Adds made text; None: there is too much of it, which was said.
    fn make(&mut self, source: &mut Source, text: &[u8], pieces: Vec<Piece>, how: How) -> Option<Span> {
        self.count_made(text, &pieces).then(|| source.add_made(text, pieces, how))
    }

    /// False: there is too much of it.
    fn count_made(&mut self, text: &[u8], pieces: &[Piece]) -> bool {
        self.made += text.len() + size_of_val(pieces);
        if self.made > limits::EXPANDED_BYTES && !std::mem::replace(&mut self.full, true) {
            let text =
                format!("definitions and repetitions make more than {} bytes of configuration", limits::EXPANDED_BYTES);
            let span = pieces.first().map_or(Span::NOWHERE, |p| p.from);
            self.error(Code::Range, span, "", text, "this line and all that are made after it are not used");
        }
        !self.full
    }

    /// The text with its definitions put in; None: there is none to put in.
    fn replace(&mut self, source: &mut Source, span: Span) -> Option<(Vec<u8>, Vec<Piece>)> {
        let mut text = span.of(&source.bytes).to_vec();
        if !text.contains(&b'$') {
            return None;
        }
        let mut pieces = vec![Piece { at: 0, from: span, via: Via::Copy }];
        if self.full {
            return Some((Vec::new(), pieces));
        }
        let mut changed = false;
        for turn in 0.. {
            let Some((next, next_pieces)) = self.replace_once(source, &text, &pieces, span, turn == 0) else { break };
            (text, pieces, changed) = (next, next_pieces, true);
            if text.contains(&b'\n') && text.len() <= limits::EXPANDED_LINE {
                break;
            }
            if turn >= limits::DEFINITION_DEPTH || text.len() > limits::EXPANDED_LINE {
                self.endless(span);
                // What was made in vain took its time all the same.
                self.count_made(&text, &pieces);
                return Some((Vec::new(), vec![Piece { at: 0, from: span, via: Via::Copy }]));
            }
        }
        changed.then_some((text, pieces))
    }

    fn endless(&mut self, line: Span) {
        let text = "the definitions in this line refer to themselves, or make it endless";
        self.error(Code::Depth, line, "$", text.into(), "the line is not used");
    }

    /// Replaces each `$NAME` and `${NAME}` that stands in the text now. `first`: the text is as it was written.
    fn replace_once(
        &mut self,
        source: &mut Source,
        text: &[u8],
        pieces: &[Piece],
        whole: Span,
        first: bool,
    ) -> Option<(Vec<u8>, Vec<Piece>)> {
        let mut out = Vec::new();
        let mut made: Vec<Piece> = Vec::new();
        let (mut from, mut at, mut quoted, mut changed) = (0, 0, false, false);
        while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
            match rest {
                [b'"', ..] => quoted = !quoted,
                [b'\\', b'"', ..] if quoted => at += 1,
                [b'$', ..] => {
                    if let Some(used) = usage(rest) {
                        let span = Span::new(at, at + used.len);
                        if let Some((value, definition)) = self.value(&used, source, pieces, span, quoted, first) {
                            copy(text, from, at, pieces, &mut out, &mut made);
                            let (origin, outer) = origin(pieces, at, used.len);
                            let at = out.len() as u32;
                            let lines =
                                self.definitions.get(definition as usize).map(|d| d.lines.as_ref()).unwrap_or_default();
                            if lines.is_empty() {
                                let via = if outer == Via::Copy { Via::Value(definition) } else { outer };
                                made.push(Piece { at, from: origin, via });
                            } else {
                                let via = source.add_use(definition, origin);
                                made.extend(lines.iter().map(|p| Piece { at: at + p.at, via, ..*p }));
                            }
                            out.extend_from_slice(&value);
                            (from, changed) = (span.end as usize, true);
                        }
                        at += used.len;
                        continue;
                    }
                    let len = name_len(rest.get(1..).unwrap_or_default());
                    let name = rest.get(1..1 + len).unwrap_or_default();
                    if first && self.names.contains_key(name) {
                        self.unfinished(name, origin(pieces, at, 1 + len).0);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        if !changed {
            return None;
        }
        copy(text, from, text.len(), pieces, &mut out, &mut made);
        if made.is_empty() {
            made.push(Piece { at: 0, from: whole, via: Via::Copy });
        }
        Some((out, made))
    }

    /// A name that is defined, yet not replaced because of what follows it.
    fn unfinished(&mut self, name: &[u8], span: Span) {
        let name = String::from_utf8_lossy(name).into_owned();
        let text = format!("'${name}' is not replaced here: only a blank, ',', ')' or the line's end may follow it");
        let (level, code, help) = (Level::Warning, Code::NotReplaced, format!("write ${{{name}}}"));
        self.fault(Fault { level, code, span, token: format!("${name}"), text, help, status: 0 });
    }

    /// What one use stands for, and the number of its definition.
    fn value(
        &mut self,
        used: &Used,
        source: &Source,
        pieces: &[Piece],
        span: Span,
        quoted: bool,
        first: bool,
    ) -> Option<(Vec<u8>, u32)> {
        if let Some((number, definition)) = self.defined(used.name) {
            return Some((definition.value.to_vec(), number));
        }
        if used.braces && used.name.starts_with(b"_") {
            if let Some(value) = self.built_in(used) {
                return Some((value, u32::MAX));
            }
        }
        if used.braces && !used.arguments.is_empty() {
            return None;
        }
        let name = String::from_utf8_lossy(used.name).into_owned();
        let names = source.definitions.iter().take(limits::CLOSEST).map(|d| d.name.as_ref());
        // Each look costs as much as there are names.
        self.guesses += 1;
        let close = if self.guesses > limits::DIAGNOSTICS { None } else { closest(&name, names).map(str::to_string) };
        // Without braces it may be meant as it stands: a password, a shell's own variable.
        if !first || (close.is_none() && (quoted || !used.braces)) {
            return None;
        }
        let (place, _) = origin(pieces, span.start as usize, used.len);
        let text = format!("there is no definition '${name}'");
        let help = match close {
            Some(close) => format!("did you mean '${close}'? it is taken as it stands"),
            None => format!("write ${name}=VALUE on a line before this one"),
        };
        if quoted || !used.braces {
            let token = format!("${name}");
            let (level, code) = (Level::Warning, Code::Reference);
            self.fault(Fault { level, code, span: place, token, text, help, status: 0 });
            return None;
        }
        self.error(Code::Reference, place, &format!("${name}"), text, &help);
        // Its braces would be taken for a block.
        Some((format!("${name}").into_bytes(), u32::MAX))
    }

    /// `${_PWD}` and its kind.
    fn built_in(&mut self, used: &Used) -> Option<Vec<u8>> {
        let arguments = String::from_utf8_lossy(used.arguments).into_owned();
        let mut words = arguments.split_whitespace();
        match used.name {
            b"_HASH" => Some(b"\\#".to_vec()),
            b"_BANG" => Some(b"\\!".to_vec()),
            b"_INSTANCE" => Some(self.instance.as_bytes().to_vec()),
            b"_PWD" => {
                let dir = self.files.last().map(|f| f.dir.clone()).unwrap_or_default();
                let dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir };
                let dir = if self.read_files { dir.canonicalize().unwrap_or(dir) } else { dir };
                Some(dir.display().to_string().into_bytes())
            }
            b"_ENV" => {
                let name = words.next()?;
                Some(self.environment.and_then(|get| get(name)).unwrap_or_default().into_bytes())
            }
            b"_RANDOM" => {
                let low: u64 = words.next().map_or(Some(0), |w| w.parse().ok())?;
                let high: u64 = words.next().map_or(Some(32_767.max(low)), |w| w.parse().ok())?;
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                let range = high.checked_sub(low)?.saturating_add(1);
                Some((low + self.random % range).to_string().into_bytes())
            }
            _ => None,
        }
    }

    /// At `~SEQ(`, `~SEQx(` or `~LST(`.
    fn repetition(&mut self, source: &mut Source, at: &mut Stretch) {
        let start = at.pos;
        let (end, code_end) = line_end(&source.bytes, at.pos, at.end);
        at.pos = end;
        let head_end = find(&source.bytes, start, code_end, b'(');
        let word = String::from_utf8_lossy(Span::new(start, head_end).of(&source.bytes)).into_owned();
        let word = word.split_whitespace().next().unwrap_or_default().to_string();
        let open = head_end + 1;
        let close = find(&source.bytes, open, code_end, b')');
        let whole = Span::new(start, (close + 1).min(code_end));
        if close >= code_end || !matches!(word.as_str(), "~SEQ" | "~SEQx" | "~LST") {
            let text = format!("'{word}' has no list in brackets");
            let span = if word.contains('~') { Span::new(start, start + word.len()) } else { whole };
            return self.error(Code::Argument, span, &word, text, "write ~SEQ(NAME, START, STEP, END) and the line");
        }
        let inside = Span::new(open, close);
        let arguments = match self.replace(source, inside) {
            Some((text, _)) => text,
            None => inside.of(&source.bytes).to_vec(),
        };
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        let parsed = if word == "~LST" { list(&arguments) } else { sequence(&arguments, word == "~SEQx") };
        match parsed {
            Ok((names, values)) => {
                let turns = Turns { line: Span::new(close + 1, code_end), names, values };
                self.stack.push(Frame::Text(*at));
                *at = Stretch::default();
                self.turn(source, at, turns);
            }
            Err((text, help)) => self.error(Code::Value, whole, &word, text, help),
        }
    }

    /// The next turn of a repetition, if one is left.
    fn turn(&mut self, source: &mut Source, at: &mut Stretch, mut turns: Turns) {
        let Some(values) = turns.values.next().filter(|_| !self.full && !self.skipping) else { return };
        let text = turns.line.of(&source.bytes).to_vec();
        let mut out = Vec::new();
        let mut made = Vec::new();
        let whole = [Piece { at: 0, from: turns.line, via: Via::Copy }];
        let (mut from, mut pos) = (0, 0);
        while let Some(rest) = text.get(pos..).filter(|r| !r.is_empty()) {
            let used = usage(rest).filter(|u| u.arguments.is_empty());
            let number = used.as_ref().and_then(|u| turns.names.iter().position(|n| *n == u.name));
            let Some((used, number)) = used.zip(number) else {
                pos += 1;
                continue;
            };
            copy(&text, from, pos, &whole, &mut out, &mut made);
            made.push(Piece { at: out.len() as u32, from: origin(&whole, pos, used.len).0, via: Via::Value(u32::MAX) });
            out.extend_from_slice(values.get(number).map(Vec::as_slice).unwrap_or_default());
            pos += used.len;
            from = pos;
        }
        copy(&text, from, text.len(), &whole, &mut out, &mut made);
        let mut what = String::new();
        for (name, value) in turns.names.iter().zip(&values) {
            self.count(source, name, value, turns.line);
            if !what.is_empty() {
                what.push_str(", ");
            }
            what.push_str(&format!("{} = {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        }
        self.stack.push(Frame::Turns(turns));
        if let Some(span) = self.make(source, &out, made, How::Turn(what.into())) {
            *at = Stretch::new(span, What::Other);
        }
    }

    /// What a repetition counts is a definition too: others refer to it, and it keeps its last value.
    fn count(&mut self, source: &mut Source, name: &[u8], value: &[u8], line: Span) {
        let last = self.names.get(name).and_then(|number| self.definitions.get_mut(*number as usize));
        match last.filter(|d| d.counted) {
            Some(definition) => definition.value = value.into(),
            None => self.define(source, name, value, Vec::new(), line, true),
        }
    }

    /// At `include` and `rest` bytes behind it. False: it is another word.
    fn include(&mut self, rest: usize, source: &mut Source, at: &mut Stretch) -> bool {
        let start = at.pos;
        let mut behind = at.end - rest;
        let letter = source.bytes.get(behind..at.end).and_then(|r| r.first().copied());
        let strict = match letter {
            Some(b'r' | b'm' | b'w' | b'b' | b'a') => {
                behind += 1;
                let letter = letter.unwrap_or_default();
                Strict {
                    read: true,
                    plain: matches!(letter, b'm' | b'w' | b'a'),
                    wild: matches!(letter, b'w' | b'a'),
                    braces: matches!(letter, b'b' | b'a'),
                }
            }
            _ => self.strict,
        };
        let next = source.bytes.get(behind..at.end).and_then(|r| r.first().copied());
        if next.is_some_and(|b| !blank(b) && b != b'\n') {
            return false;
        }
        let word = Span::new(start, behind);
        let (end, code_end) = line_end(&source.bytes, start, at.end);
        at.pos = end;
        let argument = trim(&source.bytes, Span::new(behind.min(code_end), code_end));
        let pattern = match self.replace(source, argument) {
            Some((text, _)) => text,
            None => argument.of(&source.bytes).to_vec(),
        };
        let mut pattern = String::from_utf8_lossy(&pattern).trim().to_string();
        let name = String::from_utf8_lossy(word.of(&source.bytes)).into_owned();
        if pattern.is_empty() {
            self.error(
                Code::Argument,
                word,
                &name,
                format!("'{name}' names no file"),
                "write the file's name behind it",
            );
            return true;
        }
        if let Some(inside) = pattern.strip_prefix('"').and_then(|p| p.strip_suffix('"')) {
            let text = "the quotes around this name are not needed".to_string();
            let help = "keepalived takes them as part of the name, and does not find the file".to_string();
            let (level, code, token) = (Level::Warning, Code::File, name.clone());
            self.fault(Fault { level, code, span: argument, token, text, help, status: 0 });
            pattern = inside.to_string();
        }
        if !self.read_files {
            let text = format!("'{name}' is not followed here");
            self.error(Code::File, argument, &name, text, "what it names is not read");
            return true;
        }
        let dir = self.files.last().map(|f| f.dir.clone()).unwrap_or_default();
        let home = self.environment.and_then(|get| get("HOME"));
        let found = glob(&dir, &pattern, home.as_deref());
        let braces = pattern.find('{').is_some_and(|at| pattern.get(at..).is_some_and(|rest| rest.contains('}')));
        self.check_matches(&found, braces, argument, strict);
        self.cost += found.iter().map(|a| a.found.len()).sum::<usize>() / COST;
        let paths: Vec<PathBuf> = found.into_iter().flat_map(|a| a.found).collect();
        self.stack.push(Frame::Text(*at));
        *at = Stretch::default();
        self.next_file(source, Files { paths: paths.into_iter(), span: argument, strict });
        true
    }

    fn next_file(&mut self, source: &mut Source, mut files: Files) {
        let Some(path) = files.paths.next() else { return };
        let (span, strict) = (files.span, files.strict);
        self.stack.push(Frame::Files(files));
        self.open(source, &path, span, strict);
    }

    /// `braces`: the pattern has alternatives.
    fn check_matches(&mut self, found: &[Alternative], braces: bool, span: Span, strict: Strict) {
        let nothing = found.iter().all(|a| a.found.is_empty() && a.wild);
        for dir in found.iter().flat_map(|a| &a.closed) {
            let text = format!("{}: no permission to look into it", dir.display());
            let (level, code, token) = (Level::Error, Code::File, dir.display().to_string());
            let (help, status) = ("what lies there is not read".to_string(), if strict.read { 6 } else { 0 });
            self.fault(Fault { level, code, span, token, text, help, status });
        }
        for alternative in found.iter().filter(|a| a.found.is_empty()) {
            let must = match (alternative.wild, braces) {
                (true, _) => strict.wild && nothing,
                (false, true) => strict.braces,
                (false, false) => strict.plain,
            };
            // A directory of snippets may be empty.
            if alternative.wild && !must {
                continue;
            }
            let what = if alternative.wild { "no file matches" } else { "there is no file" };
            let text = format!("{what} '{}'", alternative.pattern);
            let help = "a name is looked for beside the file that includes it".to_string();
            let token = alternative.pattern.clone();
            let status = if must { 6 } else { 0 };
            self.fault(Fault { level: Level::Error, code: Code::File, span, token, text, help, status });
        }
    }

    /// Opens one file, to be read next.
    fn open(&mut self, source: &mut Source, path: &Path, span: Span, strict: Strict) {
        let name = path.display().to_string();
        let unusable = |text: String, help: &str, level| Fault {
            level,
            code: Code::File,
            span,
            token: name.clone(),
            text,
            help: help.into(),
            status: if strict.read { 6 } else { 0 },
        };
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let depth = self.files.len();
        let text = if self.files.iter().any(|f| f.path == real) {
            Err(unusable(format!("'{name}' includes itself"), "it is not read again", Level::Error))
        } else if depth > limits::INCLUDE_DEPTH {
            let text = format!("files include one another more than {} deep", limits::INCLUDE_DEPTH);
            Err(unusable(text, "this one is not read", Level::Error))
        } else if self.included >= limits::INCLUDED_FILES {
            let text = format!("more than {} files are included", limits::INCLUDED_FILES);
            Err(unusable(text, "this one is not read", Level::Error))
        } else if executable(path) {
            let text = format!("'{name}' is executable, so it is not a configuration file");
            Err(unusable(text, "it is not read; if it is one, use chmod -x", Level::Warning))
        } else {
            open_file(path).map_err(|text| unusable(text, "it is not read", Level::Error))
        };
        self.cost += COST;
        let (file, len) = match text {
            Ok((_, len)) if source.len() as u64 + len > limits::CONFIG_BYTES => {
                self.fault(unusable(too_much(&name), "it is not read", Level::Error));
                return;
            }
            Ok(opened) => opened,
            Err(fault) => {
                self.fault(fault);
                return;
            }
        };
        self.included += 1;
        let start = source.begin_file(&name, span, len as usize);
        let dir = path.parent().unwrap_or(Path::new("")).to_path_buf();
        self.reading = Some(Reading { file, name, start, dir, path: real, span, strict });
    }

    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// The next part of an included file; at its end it is what is read next.
    pub fn read_on(&mut self, source: &mut Source, at: &mut Stretch) {
        let Some(mut reading) = self.reading.take() else { return };
        self.cost += COST;
        let first = source.len() == reading.start;
        let status = if reading.strict.read { 6 } else { 0 };
        let unusable = |span, code, text, help: &str, status| {
            let (level, token, help) = (Level::Error, reading.name.clone(), help.to_string());
            Fault { level, code, span, token, text, help, status }
        };
        let read = reading.file.by_ref().take(CHUNK).read_to_end(&mut source.bytes);
        let text = match read {
            Err(ref e) => Some(format!("{}: cannot be read: {e}", reading.name)),
            Ok(_) if source.len() as u64 > limits::CONFIG_BYTES => Some(too_much(&reading.name)),
            Ok(_) => None,
        };
        if let Some(text) = text {
            source.bytes.truncate(reading.start);
            return self.fault(unusable(reading.span, Code::File, text, "it is not read", status));
        }
        let part = source.bytes.get(reading.start..).unwrap_or_default();
        if let Some(not) = first.then(|| not_text(part)).flatten() {
            let span = not.span(reading.start);
            let NotText { text, help, .. } = not;
            return self.fault(unusable(span, Code::NotText, text, help, 5));
        }
        if read.is_ok_and(|bytes| bytes as u64 == CHUNK) {
            self.reading = Some(reading);
            return;
        }
        *at = Stretch::new(Span::new(reading.start, source.len()), What::File);
        self.files.push(File { dir: reading.dir, path: reading.path });
        self.nuls = 0;
    }
}

fn too_much(name: &str) -> String {
    format!("the configuration has more than {} bytes with '{name}'", limits::CONFIG_BYTES)
}

/// Directories are said by `open_file`.
fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// A line of a definition: it ends at its line feed, whatever stands before.
fn value_line(bytes: &[u8], pos: usize, end: usize) -> (usize, usize) {
    let line = find(bytes, pos, end, b'\n');
    (line, line_end(bytes, pos, line).1)
}

/// One use of a definition.
struct Used<'t> {
    name: &'t [u8],
    /// Behind the name, inside the braces.
    arguments: &'t [u8],
    braces: bool,
    len: usize,
}

/// At a `$`: what it uses, if it is a use.
fn usage(rest: &[u8]) -> Option<Used<'_>> {
    let behind = rest.strip_prefix(b"$")?;
    let Some(inside) = behind.strip_prefix(b"{") else {
        let len = name_len(behind);
        let name = behind.get(..len).filter(|n| !n.is_empty())?;
        let ends = match behind.get(len) {
            None => true,
            Some(b) => blank(*b) || matches!(b, b'\n' | b',' | b')'),
        };
        return ends.then_some(Used { name, arguments: &[], braces: false, len: len + 1 });
    };
    let len = name_len(inside);
    let name = inside.get(..len).filter(|n| !n.is_empty())?;
    let tail = inside.get(len..)?;
    let close = tail.iter().position(|b| matches!(b, b'}' | b'\n' | b'{'))?;
    let arguments = tail.get(..close)?;
    let fits = arguments.first().is_none_or(|b| blank(*b)) && tail.get(close) == Some(&b'}');
    fits.then_some(Used { name, arguments, braces: true, len: 2 + len + close + 1 })
}

/// Where `len` bytes at an offset of made text were written, and how they came from there.
fn origin(pieces: &[Piece], at: usize, len: usize) -> (Span, Via) {
    let number = pieces.partition_point(|p| p.at as usize <= at);
    match number.checked_sub(1).and_then(|n| pieces.get(n)) {
        Some(p) if matches!(p.via, Via::Value(_)) => (p.from, p.via),
        Some(p) => {
            let start = (p.from.start as usize + at - p.at as usize).min(p.from.end as usize);
            (Span::new(start, (start + len).min(p.from.end as usize)), p.via)
        }
        None => (Span::NOWHERE, Via::Copy),
    }
}

/// Copies a part of a text with its pieces.
fn copy(text: &[u8], from: usize, to: usize, pieces: &[Piece], out: &mut Vec<u8>, made: &mut Vec<Piece>) {
    let mut at = from;
    while at < to {
        let behind = pieces.partition_point(|p| p.at as usize <= at);
        let end = pieces.get(behind).map_or(to, |p| (p.at as usize).min(to));
        let (from, via) = origin(pieces, at, end - at);
        made.push(Piece { at: out.len() as u32, from, via });
        out.extend_from_slice(text.get(at..end).unwrap_or_default());
        at = end;
    }
}

impl Values {
    fn next(&mut self) -> Option<Vec<Vec<u8>>> {
        match self {
            Values::List(list) => list.next(),
            Values::Sequence { next, step, end, hex } => {
                let n = *next;
                if (*step > 0 && n > *end) || (*step < 0 && n < *end) {
                    return None;
                }
                *next = n.checked_add(*step)?;
                let text = match hex {
                    Some(width) if n < 0 => format!("-{:0w$x}", n.unsigned_abs(), w = *width),
                    Some(width) => format!("{n:0w$x}", w = *width),
                    None => n.to_string(),
                };
                Some(vec![text.into_bytes()])
            }
        }
    }
}

type Repetition = Result<(Vec<Vec<u8>>, Values), (String, &'static str)>;

fn name(word: &str) -> Result<Vec<u8>, (String, &'static str)> {
    let word = word.trim();
    if !word.is_empty() && name_len(word.as_bytes()) == word.len() {
        return Ok(word.as_bytes().to_vec());
    }
    Err((format!("'{word}' is not a name for what is repeated"), "a name is made of letters, digits and '_'"))
}

/// NAME, [START, [STEP,]] END
fn sequence(arguments: &str, hex: bool) -> Repetition {
    let mut words = arguments.split(',');
    let name = name(words.next().unwrap_or_default())?;
    let words: Vec<&str> = words.map(str::trim).collect();
    let mut numbers = Vec::new();
    for word in &words {
        let Some(n) = integer(word) else {
            return Err((format!("'{word}' is not a whole number"), "write ~SEQ(NAME, START, STEP, END)"));
        };
        numbers.push(n);
    }
    let (start, step, end) = match numbers.as_slice() {
        [end] => (if *end < 0 { -1 } else { 1 }, if *end < 1 { -1 } else { 1 }, *end),
        [start, end] => (*start, if end < start { -1 } else { 1 }, *end),
        [start, step, end] => (*start, *step, *end),
        _ => {
            let text = format!("a sequence has one to three numbers behind its name, not {}", numbers.len());
            return Err((text, "write ~SEQ(NAME, START, STEP, END)"));
        }
    };
    if step == 0 || (start < end && step < 0) || (start > end && step > 0) {
        let text = format!("by steps of {step} it never comes from {start} to {end}");
        return Err((text, "write ~SEQ(NAME, START, STEP, END)"));
    }
    let width = words.iter().filter_map(|w| w.strip_prefix("0x")).filter(|w| w.starts_with('0')).map(str::len).max();
    let hex = hex.then_some(width.unwrap_or(1));
    Ok((vec![name], Values::Sequence { next: start, step, end, hex }))
}

/// As C reads them: 10, 0x1f, 017.
fn integer(word: &str) -> Option<i64> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let n = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok()?,
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { -n } else { n })
}

/// NAME, VALUE.. or {NAME, NAME}, {VALUE, VALUE}..
fn list(arguments: &str) -> Repetition {
    let help = "write ~LST(NAME, VALUE, ..) or ~LST({NAME, NAME}, {VALUE, VALUE}, ..)";
    let mut items = Vec::new();
    let mut rest = arguments.trim_start();
    while !rest.is_empty() {
        let item: Vec<Vec<u8>>;
        if let Some(inside) = rest.strip_prefix('{') {
            let Some((inside, behind)) = inside.split_once('}') else {
                return Err(("a '{' of the list is not closed".into(), help));
            };
            item = inside.split(',').map(|w| w.trim().as_bytes().to_vec()).collect();
            rest = behind.trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            item = vec![rest.get(..end).unwrap_or_default().trim_end().as_bytes().to_vec()];
            rest = rest.get(end..).unwrap_or_default();
        }
        items.push(item);
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind.trim_start(),
            None if rest.is_empty() => break,
            None => return Err((format!("a comma is missing before '{rest}'"), help)),
        }
    }
    let mut items = items.into_iter();
    let names = items.next().unwrap_or_default();
    if names.is_empty() {
        return Err(("the list has no name".into(), help));
    }
    for word in &names {
        name(&String::from_utf8_lossy(word))?;
    }
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        return Err(("the list has no value".into(), help));
    }
    if let Some(item) = items.iter().find(|i| i.len() > names.len()) {
        let text = format!("{} values stand for {} names", item.len(), names.len());
        return Err((text, help));
    }
    Ok((names, Values::List(items.into_iter())))
}
