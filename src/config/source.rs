//! The text that is read, and how each byte of it came there. The main file stands first; each included file and each
//! line that was made from another (by a definition or a repetition) is added behind it, so that a span stays two
//! numbers and every finding can show the line as it was written.

use super::lexer::Span;
use std::fmt::Write;

/// How a line that is not in any file was made.
#[derive(Clone, Debug)]
pub enum How {
    /// `$NAME` and `${NAME}` were replaced.
    Replaced,
    /// One turn of a repetition: `i = 3`.
    Turn(Box<str>),
}

/// From here on (an offset into the made text) up to the next piece.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub at: u32,
    /// What stands there in the line that it was made from.
    pub from: Span,
    pub via: Via,
}

/// How the bytes of a piece came from where they stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// They are the same.
    Copy,
    /// They are the value of the definition with this number, which `from` uses.
    Value(u32),
    /// They are the same: a line of a definition of several lines, put in by this use.
    Line(u32),
}

/// Where a definition of several lines was put in.
#[derive(Clone, Copy, Debug)]
struct Use {
    definition: u32,
    span: Span,
}

#[derive(Debug)]
enum Origin {
    /// A whole file, and the line that included it.
    File {
        name: Box<str>,
        included: Option<Span>,
    },
    Made {
        pieces: Box<[Piece]>,
        how: How,
    },
}

#[derive(Debug)]
struct Part {
    start: u32,
    origin: Origin,
}

/// A definition, for showing where it stands.
#[derive(Debug)]
pub struct Defined {
    pub name: Box<str>,
    pub span: Span,
}

#[derive(Debug, Default)]
pub struct Source {
    pub bytes: Vec<u8>,
    parts: Vec<Part>,
    pub definitions: Vec<Defined>,
    uses: Vec<Use>,
}

/// Where a span stands for a person.
pub struct Spot<'s> {
    pub file: &'s str,
    /// In the file's own text.
    pub span: Span,
    /// How it came there, the nearest first.
    pub steps: Vec<Step>,
}

pub enum Step {
    /// The line as it is read.
    Reads(Box<str>),
    /// A definition's name and place.
    Defined(Box<str>, Span),
    /// A definition of several lines, which the place belongs to, and where it is put in.
    Used(Box<str>, Span),
    Turn(Box<str>),
    Included(Span),
}

/// Longest part of a made line that is shown.
const SHOWN: usize = 160;

impl Source {
    pub fn new(name: &str, text: Vec<u8>) -> Source {
        let main = Part { start: 0, origin: Origin::File { name: name.into(), included: None } };
        Source { bytes: text, parts: vec![main], definitions: Vec::new(), uses: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn add(&mut self, text: &[u8], origin: Origin) -> Span {
        let start = self.bytes.len();
        // Small files stay small: not twice the memory for one more line.
        if self.bytes.capacity() - start < text.len() {
            self.bytes.reserve_exact(text.len().max(16 << 10));
        }
        self.bytes.extend_from_slice(text);
        self.parts.push(Part { start: start as u32, origin });
        Span::new(start, self.bytes.len())
    }

    fn add_file(&mut self, name: &str, text: &[u8], included: Span) -> Span {
        self.add(text, Origin::File { name: name.into(), included: Some(included) })
    }

    /// An included file, whose text is to come: so many bytes, probably.
    pub fn begin_file(&mut self, name: &str, included: Span, len: usize) -> usize {
        self.bytes.reserve_exact(len + 1);
        self.add_file(name, &[], included).start as usize
    }

    pub fn add_made(&mut self, text: &[u8], pieces: Vec<Piece>, how: How) -> Span {
        self.add(text, Origin::Made { pieces: pieces.into(), how })
    }

    /// A definition of several lines is put in at a place.
    pub fn add_use(&mut self, definition: u32, span: Span) -> Via {
        self.uses.push(Use { definition, span });
        Via::Line(self.uses.len() as u32 - 1)
    }

    fn part(&self, offset: u32) -> Option<&Part> {
        let after = self.parts.partition_point(|p| p.start <= offset);
        self.parts.get(after.checked_sub(1)?)
    }

    /// Where a part ends.
    fn end(&self, part: &Part) -> u32 {
        let after = self.parts.partition_point(|p| p.start <= part.start);
        self.parts.get(after).map_or(self.bytes.len() as u32, |p| p.start)
    }

    /// The text was made in a turn of a repetition.
    pub fn is_repeated(&self, span: Span) -> bool {
        let mut at = span;
        while let Some(Part { origin: Origin::Made { pieces, how }, start }) = self.part(at.start) {
            if let How::Turn(_) = how {
                return true;
            }
            match self.back(*start, pieces, at) {
                Some((from, _)) => at = from,
                None => return false,
            }
        }
        false
    }

    /// The file around an offset in a file's own text: its name, where it starts and ends.
    pub fn file(&self, offset: u32) -> (&str, u32, u32) {
        match self.part(offset) {
            Some(part @ Part { start, origin: Origin::File { name, .. } }) => (name, *start, self.end(part)),
            _ => ("", 0, 0),
        }
    }

    /// One step back: the piece of a made line at an offset, as a span of what it was made from.
    fn back(&self, start: u32, pieces: &[Piece], span: Span) -> Option<(Span, Via)> {
        let at = span.start - start;
        let number = pieces.partition_point(|p| p.at <= at).checked_sub(1)?;
        let piece = pieces.get(number)?;
        if let Via::Value(_) = piece.via {
            return Some((piece.from, piece.via));
        }
        let start = (piece.from.start + (at - piece.at)).min(piece.from.end);
        let end = (start + (span.end - span.start)).min(piece.from.end);
        Some((Span { start, end: end.max(start) }, piece.via))
    }

    /// Where the text of a span was written, and how it came to where it is read.
    pub fn spot(&self, span: Span) -> Spot<'_> {
        let mut steps = Vec::new();
        let mut at = span;
        let mut written = None;
        // A made line comes from an earlier part, so this ends.
        while let Some(part) = self.part(at.start) {
            match &part.origin {
                Origin::Made { pieces, how } => {
                    let Some((from, via)) = self.back(part.start, pieces, at) else { break };
                    let copied = matches!(via, Via::Line(_)) && self.is_whole_line(part, pieces, at.start);
                    if let (true, How::Replaced, false) = (steps.is_empty(), how, copied) {
                        steps.push(Step::Reads(self.line(at.start, part)));
                    }
                    at = from;
                    match via {
                        Via::Copy => {}
                        Via::Value(number) => {
                            let defined = self.definitions.get(number as usize);
                            // One that refers to itself is named once.
                            let last =
                                steps.last().and_then(|s| if let Step::Defined(_, at) = s { Some(*at) } else { None });
                            if let Some(d) = defined.filter(|d| last != Some(d.span)) {
                                steps.push(Step::Defined(d.name.clone(), d.span));
                            }
                        }
                        Via::Line(number) => {
                            let Some(used) = self.uses.get(number as usize) else { break };
                            if written.is_none() {
                                let Spot { file, span, .. } = self.spot(from);
                                written = Some((file, span));
                            }
                            if let Some(d) = self.definitions.get(used.definition as usize) {
                                steps.push(Step::Used(d.name.clone(), used.span));
                            }
                            at = used.span;
                        }
                    }
                    if let How::Turn(turn) = how {
                        steps.push(Step::Turn(turn.clone()));
                    }
                }
                Origin::File { name, included } => {
                    written.get_or_insert((name.as_ref(), at));
                    let Some(from) = included else { break };
                    steps.push(Step::Included(*from));
                    at = *from;
                }
            }
        }
        let (file, span) = written.unwrap_or(("", span));
        Spot { file, span, steps }
    }

    /// The piece at an offset is a made line by itself.
    fn is_whole_line(&self, part: &Part, pieces: &[Piece], offset: u32) -> bool {
        let number = pieces.partition_point(|p| p.at <= offset - part.start);
        let bounds = |n: usize| pieces.get(n).map_or(self.end(part), |p| part.start + p.at) as usize;
        let (start, end) = (bounds(number.saturating_sub(1)), bounds(number));
        let begins = start == part.start as usize || self.bytes.get(start - 1) == Some(&b'\n');
        begins && (number == pieces.len() || self.bytes.get(end - 1) == Some(&b'\n'))
    }

    /// The order of spans as a reader goes through the files: made and included text stands where it came from.
    pub fn order(&self, span: Span) -> Vec<u32> {
        let mut order = vec![span.start];
        let mut at = span;
        while let Some(part) = self.part(at.start) {
            at = match &part.origin {
                Origin::File { included: Some(from), .. } => *from,
                Origin::Made { pieces, .. } => match self.back(part.start, pieces, at) {
                    Some((from, _)) => from,
                    None => break,
                },
                Origin::File { included: None, .. } => break,
            };
            order.push(at.start);
        }
        order.reverse();
        order
    }

    /// The line around an offset within a part, without its blanks.
    fn line(&self, offset: u32, part: &Part) -> Box<str> {
        let (start, end) = (part.start as usize, self.end(part) as usize);
        let before = self.bytes.get(start..offset as usize).unwrap_or_default();
        let behind = self.bytes.get(offset as usize..end).unwrap_or_default();
        let from = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let to = behind.iter().position(|b| *b == b'\n').unwrap_or(behind.len());
        let mut line = String::from_utf8_lossy(before.get(from..).unwrap_or_default()).into_owned();
        line.push_str(&String::from_utf8_lossy(behind.get(..to).unwrap_or_default()));
        let line = line.trim();
        let mut shown = String::new();
        for c in line.chars().take(SHOWN) {
            let _ = shown.write_char(if c.is_control() { ' ' } else { c });
        }
        if line.chars().nth(SHOWN).is_some() {
            shown.push_str("...");
        }
        shown.into()
    }
}
