//! Tokens to entries: `word args... [ { entries } ]`. The reader hands out one statement at a time, so that a block of
//! any size never has more than one of its statements in memory; all in it are spans into the text.
//!
//! Braces that do not match are told here. A block whose `{` is missing is read as if it stood there when the next
//! line belongs into it; a block whose `}` is missing ends where a top-level block begins.

use super::context::Context;
use super::diagnostic::Code;
use super::expand::Strict;
use super::keywords::{Block, Index, Keyword, Takes};
use super::lexer::{unescape, Lexer, Oddity, Span, Token, Word};
use super::loader::Host;
use super::source::Source;
use crate::limits;
use std::borrow::Cow;

#[derive(Clone, Copy)]
struct Entry {
    /// Its words (the keyword first) in `Tree::words`.
    from: u32,
    to: u32,
    /// The entry behind its body.
    next: u32,
    block: Block,
    body: bool,
    /// A quote is not closed on its line.
    broken: bool,
    keyword: Option<&'static Keyword>,
}

/// One statement with all that is inside.
#[derive(Default)]
pub struct Tree {
    entries: Vec<Entry>,
    words: Vec<Word>,
}

impl Tree {
    pub fn root<'t>(&'t self, text: &'t [u8]) -> Option<Node<'t>> {
        Node::at(self, text, 0)
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.words.clear();
        // One giant statement must not hold its memory for the rest of the file.
        self.entries.shrink_to(4096);
        self.words.shrink_to(8192);
    }
}

/// One statement, seen through the tree.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    tree: &'t Tree,
    text: &'t [u8],
    entry: Entry,
    at: usize,
}

impl<'t> Node<'t> {
    fn at(tree: &'t Tree, text: &'t [u8], at: usize) -> Option<Node<'t>> {
        Some(Node { tree, text, entry: *tree.entries.get(at)?, at })
    }

    fn words(&self) -> &'t [Word] {
        self.tree.words.get(self.entry.from as usize..self.entry.to as usize).unwrap_or_default()
    }

    /// The keyword itself as it was written.
    pub fn word(&self) -> Arg<'t> {
        let none = Word { span: Span::NOWHERE, quoted: false, raw: false };
        Arg { text: self.text, word: self.words().first().copied().unwrap_or(none) }
    }

    pub fn args(&self) -> impl Iterator<Item = Arg<'t>> + 't {
        let text = self.text;
        self.words().iter().skip(1).map(move |word| Arg { text, word: *word })
    }

    /// All words of the line: in a list the first is a value too.
    pub fn all(&self) -> impl Iterator<Item = Arg<'t>> + 't {
        let text = self.text;
        self.words().iter().map(move |word| Arg { text, word: *word })
    }

    pub fn arg(&self, number: usize) -> Option<Arg<'t>> {
        self.words().get(number + 1).map(|word| Arg { text: self.text, word: *word })
    }

    pub fn count(&self) -> usize {
        self.words().len().saturating_sub(1)
    }

    pub fn keyword(&self) -> Option<&'static Keyword> {
        self.entry.keyword
    }

    pub fn block(&self) -> Block {
        self.entry.block
    }

    /// It has a body, or would have had one.
    pub fn body(&self) -> bool {
        self.entry.body
    }

    /// A quote is not closed on its line, which was said; the rest of the line is lost.
    pub fn is_broken(&self) -> bool {
        self.entry.broken
    }

    pub fn children(&self) -> Children<'t> {
        Children { tree: self.tree, text: self.text, at: self.at + 1, end: self.entry.next as usize }
    }
}

pub struct Children<'t> {
    tree: &'t Tree,
    text: &'t [u8],
    at: usize,
    end: usize,
}

impl<'t> Iterator for Children<'t> {
    type Item = Node<'t>;
    fn next(&mut self) -> Option<Node<'t>> {
        if self.at >= self.end {
            return None;
        }
        let node = Node::at(self.tree, self.text, self.at)?;
        self.at = (node.entry.next as usize).max(self.at + 1);
        Some(node)
    }
}

/// One word with its place.
#[derive(Clone, Copy)]
pub struct Arg<'t> {
    text: &'t [u8],
    word: Word,
}

impl<'t> Arg<'t> {
    pub fn span(&self) -> Span {
        self.word.span
    }

    pub fn str(&self) -> Cow<'t, str> {
        let bytes = self.word.span.of(self.text);
        if !self.word.raw {
            // The short way for nearly all words.
            return std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
        }
        Cow::Owned(String::from_utf8_lossy(&unescape(bytes, self.word.quoted)).into_owned())
    }

    /// As bytes, for what need not be UTF-8 (passwords).
    pub fn bytes(&self) -> Cow<'t, [u8]> {
        let bytes = self.word.span.of(self.text);
        if self.word.raw {
            Cow::Owned(unescape(bytes, self.word.quoted))
        } else {
            Cow::Borrowed(bytes)
        }
    }

    /// As it stands in the file, without the quotes around it.
    pub fn raw(&self) -> &'t [u8] {
        self.word.span.of(self.text)
    }

    pub fn quoted(&self) -> bool {
        self.word.quoted
    }
}

/// What the reader came upon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item {
    /// A top-level block begins; the tree holds its first line.
    Open,
    /// A statement: at top level, or of the block that is open.
    Entry,
    /// The open block ended.
    Close,
    /// Nothing yet, and it is time for a pause.
    Pause,
    End,
}

/// Empty lines between two statements after which a pause is due.
const EMPTY_LINES: usize = 1024;

pub struct Reader {
    lexer: Lexer,
    index: Index,
    /// Tokens that were read to look ahead, the next one last.
    pending: Vec<Token>,
    /// Kind and first word of the top-level block that is open.
    open: Option<(Block, Span)>,
    /// A top-level block began inside: all blocks end here.
    cut: bool,
    /// The top-level block has just begun, or began with two `{`.
    fresh: bool,
    doubled: bool,
    /// What is not closed at the file's end was said.
    ended: bool,
    /// A block inside the top-level block ended too early, which was said: its keywords that follow are skipped, and
    /// one `}` too many is to come.
    early: Option<Block>,
    /// So many `{` were said to be too much, and may have their `}`.
    loose: usize,
    /// What was skipped behind one may have held the `}` of another.
    forgiven: bool,
    /// So many blocks stand in `(` and `)`, which was said.
    brackets: usize,
    /// The first word of the last block that began inside one that was not closed.
    inside: Option<Span>,
}

/// How a statement's first line ended.
enum Ending {
    Body(Block),
    NoBody,
    /// It belongs to a block further out: so many inside it end here, and it is read again.
    Outer(usize),
}

/// A block that is being read inside a statement.
struct Inner {
    owner: usize,
    block: Block,
    header: Span,
    /// Of names or addresses: no word of its lines is like a keyword of the block around.
    list: bool,
    /// A block in it ended too early, which was said: the rest of that is skipped, and one `}` too many is to come.
    early: Option<Block>,
    /// It began with two `{`; None: nothing in it was read yet.
    doubled: Option<bool>,
}

impl Reader {
    pub fn new(source: &Source, host: &Host) -> Reader {
        let lexer = Lexer::new(source, host);
        Reader {
            lexer,
            index: Index::new(),
            pending: Vec::new(),
            open: None,
            cut: false,
            fresh: false,
            doubled: false,
            ended: false,
            early: None,
            loose: 0,
            forgiven: false,
            brackets: 0,
            inside: None,
        }
    }

    /// What follows is only skipped: repetitions need not make their lines.
    pub fn skip_repetitions(&mut self, skip: bool) {
        self.lexer.expand.skipping = skip;
    }

    /// How strict every `include` is from here on.
    pub fn set_strict(&mut self, strict: Strict) {
        self.lexer.expand.strict = strict;
    }

    pub fn seed(&mut self, seed: u64) {
        self.lexer.expand.seed(seed);
    }

    /// What reading files has cost since the last time, in statements.
    pub fn take_cost(&mut self) -> usize {
        std::mem::take(&mut self.lexer.expand.cost)
    }

    pub fn next(&mut self, source: &mut Source, tree: &mut Tree, cx: &mut Context) -> Item {
        tree.clear();
        let item = self.item(source, tree, cx);
        self.say_oddities(cx);
        item
    }

    fn item(&mut self, text: &mut Source, tree: &mut Tree, cx: &mut Context) -> Item {
        if self.cut {
            return self.cut_open();
        }
        let mut empty = 0;
        loop {
            let token = self.token(text);
            if token == Token::Line {
                empty += 1;
                if empty > EMPTY_LINES || self.lexer.expand.cost > 0 {
                    return Item::Pause;
                }
            }
            let fresh = token != Token::Line && std::mem::take(&mut self.fresh);
            match token {
                Token::Line => {}
                Token::Open(span) if fresh => {
                    second_open(cx, span);
                    self.doubled = true;
                }
                Token::Open(span) => {
                    let block = self.open.map_or(Block::Top, |(block, _)| block);
                    self.stray(text, cx, span, block);
                }
                Token::Close(span) => {
                    if self.open.is_some() && self.early.is_some() && self.goes_on(text) {
                        self.early = None;
                        continue;
                    }
                    if let Some((block, header)) = self.open.take() {
                        (self.early, self.forgiven) = (None, false);
                        if std::mem::take(&mut self.doubled) && matches!(self.peek(text), Token::Close(_)) {
                            self.pending.pop();
                        }
                        self.ends_too_early(text, cx, span, block, header);
                        return Item::Close;
                    }
                    if self.loose > 0 {
                        // Of an opening one that was said.
                        self.loose -= 1;
                        continue;
                    }
                    cx.error(Code::Brace, span, "}", "this '}' closes nothing".into()).help("remove it");
                }
                Token::End => {
                    let Some((_, header)) = self.open.take() else { return Item::End };
                    self.unclosed(cx, &text.bytes, header, &[]);
                    return Item::Close;
                }
                Token::Word(first) => {
                    let context = self.open.map_or(Block::Top, |(block, _)| block);
                    if self.early.is_some_and(|early| self.is_left(&first, text, context, early)) {
                        self.skip_line(text, cx);
                        continue;
                    }
                    let ending = self.line(text, tree, cx, context, &[], first);
                    if self.cut {
                        return self.cut_open();
                    }
                    let Ending::Body(block) = ending else { return Item::Entry };
                    if self.open.is_none() {
                        self.open = Some((block, first.span));
                        (self.fresh, self.doubled) = (true, false);
                        return Item::Open;
                    }
                    self.body(text, tree, cx, block, first.span);
                    return Item::Entry;
                }
            }
        }
    }

    /// A top-level block has ended, and what follows belongs into it: that `}` is one too many. As keepalived does, all
    /// is skipped up to the next word of the top level, here without another word.
    fn ends_too_early(&mut self, text: &mut Source, cx: &mut Context, close: Span, block: Block, header: Span) {
        let Token::Word(word) = self.peek(text) else { return };
        if !self.is_left(&word, text, Block::Top, block) {
            return;
        }
        too_early(cx, &text.bytes, close, header, word.span);
        let mut begins = true;
        loop {
            let token = self.token(text);
            match token {
                Token::Word(w) if begins && self.index.find(Block::Top, w.span.of(&text.bytes)).is_some() => {
                    self.pending.push(token);
                    return;
                }
                Token::Open(span) => self.skip_body(text, span, cx),
                Token::End => return,
                _ => {}
            }
            begins = matches!(token, Token::Line | Token::Close(_) | Token::Open(_));
        }
    }

    /// A word that is no keyword where it stands, and one of the block that has just ended.
    fn is_left(&self, word: &Word, text: &Source, context: Block, ended: Block) -> bool {
        let name = word.span.of(&text.bytes);
        let known = |block| self.index.find(block, name).is_some();
        !known(Block::Top) && !known(context) && known(ended)
    }

    /// Behind a `}`: the top-level block does not end there.
    fn goes_on(&mut self, text: &mut Source) -> bool {
        match self.peek(text) {
            Token::Close(_) => true,
            Token::Word(w) => {
                let name = w.span.of(&text.bytes);
                let block = self.open.map_or(Block::Top, |(block, _)| block);
                self.index.find(Block::Top, name).is_none() && self.index.find(block, name).is_some()
            }
            _ => false,
        }
    }

    /// At a `}`: is there one more than the open blocks need, up to the next word or the end?
    fn lacks_one(&mut self, source: &mut Source, open: &[Inner]) -> bool {
        let mut ahead = Vec::new();
        let mut closes = 1;
        let next = loop {
            let token = self.token(source);
            ahead.push(token);
            match token {
                Token::Line => {}
                Token::Close(_) if closes <= open.len() + 1 => closes += 1,
                token => break token,
            }
        };
        self.pending.extend(ahead.into_iter().rev());
        let depth = open.len() + usize::from(self.open.is_some());
        let Token::Word(word) = next else { return closes > depth };
        let name = word.span.of(&source.bytes);
        let known = |closed: usize| match (depth.checked_sub(closed), self.open) {
            (Some(0), _) => self.index.find(Block::Top, name).is_some(),
            (Some(1), Some((block, _))) => self.index.find(block, name).is_some(),
            (Some(n), _) => open.get(n.saturating_sub(2)).is_some_and(|i| self.index.find(i.block, name).is_some()),
            (None, _) => false,
        };
        !known(closes) && known(closes - 1)
    }

    /// The rest of a statement.
    fn skip_line(&mut self, text: &mut Source, cx: &mut Context) {
        loop {
            let token = self.token(text);
            match token {
                Token::Word(_) => continue,
                Token::Open(span) => self.skip_body(text, span, cx),
                Token::Close(_) => self.pending.push(token),
                Token::Line | Token::End => {}
            }
            return;
        }
    }

    /// The open block ends because another begins.
    fn cut_open(&mut self) -> Item {
        self.cut = false;
        self.open = None;
        Item::Close
    }

    fn token(&mut self, text: &mut Source) -> Token {
        let token = match self.pending.pop() {
            Some(token) => token,
            None => self.lexer.next(text),
        };
        match token {
            Token::Word(w) if self.brackets > 0 && w.span.of(&text.bytes) == b")" => {
                self.brackets -= 1;
                Token::Close(w.span)
            }
            token => token,
        }
    }

    /// The next token that is not a line's end, left in place.
    fn peek(&mut self, text: &mut Source) -> Token {
        loop {
            match self.token(text) {
                Token::Line => {}
                token => {
                    self.pending.push(token);
                    return token;
                }
            }
        }
    }

    /// Reads a statement up to its body or its end, and makes the entry.
    fn line(
        &mut self,
        source: &mut Source,
        tree: &mut Tree,
        cx: &mut Context,
        context: Block,
        around: &[Inner],
        first: Word,
    ) -> Ending {
        let from = tree.words.len() as u32;
        tree.words.push(first);
        let mut opened = None;
        let faults = self.lexer.errors.len();
        let mut broken = false;
        let mut cut = false;
        loop {
            match self.token(source) {
                Token::Word(w) => {
                    match tree.words.len() as u32 - from {
                        count if count < limits::LINE_WORDS as u32 => tree.words.push(w),
                        _ if std::mem::replace(&mut cut, true) => {}
                        _ => too_long(cx, w.span),
                    }
                    continue;
                }
                Token::Open(span) => opened = Some(span),
                Token::Line | Token::End => {
                    broken = self.lexer.errors.len() > faults;
                    if let Token::Open(span) = self.peek(source) {
                        self.pending.pop();
                        opened = Some(span);
                    }
                }
                token @ Token::Close(_) => self.pending.push(token),
            }
            break;
        }
        let name = first.span.of(&source.bytes);
        let keyword = match context {
            Block::List | Block::Unknown => None,
            _ => self.index.find(context, name),
        };
        if let (Some(open), None, false) = (opened, keyword, matches!(context, Block::Top | Block::Unknown)) {
            if let Some(ending) = self.belongs_outside(name, around) {
                let header = match (&ending, around.last()) {
                    (Ending::Outer(_), Some(inner)) => inner.header,
                    _ => self.open.map_or(Span::NOWHERE, |(_, header)| header),
                };
                self.begins_inside(cx, source, first.span, header);
                // Perhaps its '}' stands further down.
                self.loose += usize::from(self.cut);
                // To be read again, one block further out.
                self.pending.push(Token::Open(open));
                self.pending.extend(tree.words.drain(from as usize..).rev().map(Token::Word));
                return ending;
            }
        }
        if opened.is_none() && self.begins_outside(name, around, tree.words.len() as u32 - from) {
            let header = around.last().map_or(Span::NOWHERE, |inner| inner.header);
            self.begins_inside(cx, source, first.span, header);
            self.pending.push(Token::Line);
            self.pending.extend(tree.words.drain(from as usize..).rev().map(Token::Word));
            return Ending::Outer(1);
        }
        let child = keyword.map_or(Block::None, |k| k.child);
        if let (None, true, Some(last)) = (opened, child != Block::None, tree.words.last().copied()) {
            if last.span.of(&source.bytes) == b"(" {
                cx.error(Code::Brace, last.span, "(", "a block stands in braces, { and }, not in brackets".into())
                    .help("they are taken as braces");
                self.brackets += 1;
                tree.words.pop();
                opened = Some(last.span);
            }
        }
        let mut body = opened.is_some();
        let block = match (body, child) {
            (false, Block::None) => Block::None,
            (true, Block::None) => {
                let word = String::from_utf8_lossy(name).into_owned();
                if keyword.is_some() || context == Block::List {
                    cx.error(Code::Brace, first.span, &word, format!("'{word}' takes no block"))
                        .help("its block is skipped");
                    // There may be no '}' for it.
                    self.forgiven = true;
                    Block::Unknown
                } else {
                    // What is in a misspelt block is looked at.
                    cx.meant_block(&word, context)
                }
            }
            (true, child) => child,
            (false, child) => {
                let word = String::from_utf8_lossy(name).into_owned();
                body = self.belongs_inside(source, context, child);
                let mut help = if body { "it is read as if it stood here" } else { "it is taken as empty" }.to_string();
                if let (false, Some(value)) = (body, tree.words.get(from as usize + 1).filter(|_| child == Block::List))
                {
                    let value = String::from_utf8_lossy(value.span.of(&source.bytes));
                    help = format!("write {word} {{ {value} }}; {help}");
                }
                if !broken {
                    cx.error(Code::Brace, first.span, &word, format!("the block of '{word}' has no '{{'")).help(help);
                }
                child
            }
        };
        let next = tree.entries.len() as u32 + 1;
        tree.entries.push(Entry { from, to: tree.words.len() as u32, next, block, body, broken, keyword });
        if body {
            Ending::Body(block)
        } else {
            Ending::NoBody
        }
    }

    /// A block begins where none of its name belongs: does it belong to one of the blocks around?
    fn belongs_outside(&mut self, name: &[u8], around: &[Inner]) -> Option<Ending> {
        if self.starts_top(name) {
            self.cut = true;
            return Some(Ending::NoBody);
        }
        let takes = |block: Block| self.index.find(block, name).is_some_and(|k| k.child != Block::None);
        // Those around the innermost one, from the inside out, then the top-level block.
        let outer = around.iter().rev().skip(1).map(|i| i.block);
        let outer = outer.chain(self.open.map(|(block, _)| block)).position(takes)?;
        (!around.is_empty()).then_some(Ending::Outer(outer + 1))
    }

    /// In a list of names or addresses stands a line of the block around it: the list was not closed.
    fn begins_outside(&self, name: &[u8], around: &[Inner], words: u32) -> bool {
        let Some(Inner { block: Block::List, list: true, .. }) = around.last() else { return false };
        let outer = around.iter().rev().nth(1).map(|i| i.block).or(self.open.map(|(block, _)| block));
        // A name may be like a keyword; then nothing stands behind it.
        words > 1 && outer.is_some_and(|block| self.index.find(block, name).is_some_and(|k| k.takes != Takes::No))
    }

    /// A block begins inside another: said, unless a wrong `{` has taken the `}`, or the other one began so itself.
    fn begins_inside(&mut self, cx: &mut Context, source: &Source, first: Span, header: Span) {
        let text = &source.bytes;
        let (what, word) = (header.of(text), first.of(text));
        let again = what == word && is_bare(text, header, first);
        // A line that stands there twice: that its name is taken is the same mistake.
        cx.again = again && self.cut;
        let chained = std::mem::replace(&mut self.inside, Some(first)) == Some(header);
        if std::mem::take(&mut self.forgiven) {
            return;
        }
        if chained && again {
            // Each of them has its '}', too.
            self.loose += usize::from(!self.cut);
            return;
        }
        let (what, word) = (String::from_utf8_lossy(what), String::from_utf8_lossy(word));
        cx.error(Code::Brace, first, &word, format!("'{word}' begins inside the block '{what}', which was not closed"))
            .see(header, format!("'{what}' begins here"))
            .help("write the missing '}' before this line");
    }

    fn starts_top(&self, name: &[u8]) -> bool {
        self.index.find(Block::Top, name).is_some_and(|k| k.child != Block::None)
    }

    /// After a block's first line without `{`: does the next line belong into that block?
    fn belongs_inside(&mut self, source: &mut Source, context: Block, child: Block) -> bool {
        let Token::Word(w) = self.peek(source) else { return false };
        let name = w.span.of(&source.bytes);
        match child {
            Block::List => self.index.find(context, name).is_none() && !self.starts_top(name),
            _ => self.index.find(child, name).is_some(),
        }
    }

    /// The body of the last entry, with all inside it.
    fn body(&mut self, source: &mut Source, tree: &mut Tree, cx: &mut Context, block: Block, header: Span) {
        if block == Block::Unknown {
            return self.skip_body(source, header, cx);
        }
        let inner = |tree: &Tree, text: &[u8], block, header: Span| Inner {
            owner: tree.entries.len().saturating_sub(1),
            block,
            header,
            list: block == Block::List && !matches!(header.of(text), b"virtual_rules" | b"virtual_routes"),
            early: None,
            doubled: None,
        };
        let mut open = vec![inner(tree, &source.bytes, block, header)];
        while let Some(last) = open.last_mut() {
            let mut ended = 0;
            let here = last.block;
            let token = self.token(source);
            let first = token != Token::Line && last.doubled.is_none();
            if first {
                last.doubled = Some(false);
            }
            match token {
                Token::Line => {}
                Token::Open(span) if first => {
                    second_open(cx, span);
                    last.doubled = Some(true);
                }
                Token::Open(span) => self.stray(source, cx, span, here),
                Token::Close(span) => {
                    if last.doubled == Some(true) {
                        self.swallow(source, span);
                    }
                    ended = 1;
                    let header = last.header;
                    if last.early.is_some() && self.lacks_one(source, &open) {
                        // That of the block inside, which ended too early.
                        if let Some(last) = open.last_mut() {
                            last.early = None;
                        }
                        continue;
                    }
                    let around = open.iter().rev().nth(1).map(|i| i.block).or(self.open.map(|(block, _)| block));
                    if let (Some(outer), Token::Word(word)) = (around, self.peek(source)) {
                        if here != Block::List && self.is_left(&word, source, outer, here) {
                            too_early(cx, &source.bytes, span, header, word.span);
                            cx.cut_short.push(header);
                            match open.iter_mut().rev().nth(1) {
                                Some(outer) => outer.early = Some(here),
                                None => self.early = Some(here),
                            }
                        }
                    }
                }
                Token::End => {
                    let (header, around) = (last.header, open.len() - 1);
                    let around: Vec<Span> = open.iter().take(around).rev().map(|i| i.header).collect();
                    self.unclosed(cx, &source.bytes, header, &around);
                    ended = open.len();
                }
                Token::Word(first) if tree.words.len() >= limits::BLOCK_WORDS => {
                    let header = open.first().map_or(header, |i| i.header);
                    too_large(cx, &source.bytes, first.span, header);
                    self.skip_repetitions(true);
                    for _ in 0..open.len() {
                        self.skip_body(source, header, cx);
                    }
                    self.skip_repetitions(false);
                    ended = open.len();
                }
                Token::Word(first) if last.early.is_some_and(|early| self.is_left(&first, source, here, early)) => {
                    self.skip_line(source, cx);
                }
                Token::Word(first) => match self.line(source, tree, cx, here, &open, first) {
                    Ending::NoBody => {}
                    Ending::Outer(blocks) => ended = blocks,
                    Ending::Body(Block::Unknown) => self.skip_body(source, first.span, cx),
                    Ending::Body(_) if open.len() >= limits::CONFIG_DEPTH => {
                        cx.error(Code::Depth, first.span, "{", "blocks are nested too deep".into())
                            .help("this block is skipped");
                        self.skip_body(source, first.span, cx);
                    }
                    Ending::Body(block) => open.push(inner(tree, &source.bytes, block, first.span)),
                },
            }
            // When a top-level block begins, all that are open end there.
            let stay = if self.cut { 0 } else { open.len().saturating_sub(ended) };
            let next = tree.entries.len() as u32;
            for inner in open.drain(stay..) {
                if let Some(e) = tree.entries.get_mut(inner.owner) {
                    e.next = next;
                }
            }
        }
    }

    /// The second of two `}` that touch.
    fn swallow(&mut self, source: &mut Source, close: Span) {
        let token = self.token(source);
        if !matches!(token, Token::Close(next) if next.start == close.end) {
            self.pending.push(token);
        }
    }

    /// One finding for all blocks that are open at the file's end, from the inside out.
    fn unclosed(&mut self, cx: &mut Context, text: &[u8], header: Span, around: &[Span]) {
        if std::mem::replace(&mut self.ended, true) || std::mem::take(&mut self.forgiven) {
            return;
        }
        let name = |span: Span| String::from_utf8_lossy(span.of(text)).into_owned();
        let top = self.open.map(|(_, span)| span).filter(|span| *span != header);
        let around: Vec<Span> = around.iter().copied().chain(top).collect();
        let text = match around.len() {
            0 => format!("the block of '{}' is not closed at the end of the file", name(header)),
            _ => format!("the block of '{}' and those around it are not closed at the end of the file", name(header)),
        };
        let mut said = cx.error(Code::Brace, header, &name(header), text);
        for span in around {
            said = said.see(span, format!("'{}' begins here", name(span)));
        }
        said.help("write the missing '}'; all is used as far as it was read");
    }

    /// A `{` behind no keyword: what follows it is read if it belongs here, else skipped up to its `}`.
    fn stray(&mut self, source: &mut Source, cx: &mut Context, span: Span, block: Block) {
        let goes_on = match self.peek(source) {
            Token::Word(w) => self.index.find(block, w.span.of(&source.bytes)).is_some(),
            Token::Close(_) => false,
            _ => true,
        };
        let help = if goes_on { "remove it" } else { "remove it; what stands behind it up to '}' is skipped" };
        cx.error(Code::Brace, span, "{", "this '{' belongs to no keyword".into()).help(help);
        if goes_on {
            self.loose += 1;
        } else {
            // It may have taken the '}' of another.
            self.forgiven = true;
            self.skip_body(source, span, cx);
        }
    }

    /// Behind a `{`: to its `}`, whatever is between.
    fn skip_body(&mut self, source: &mut Source, header: Span, cx: &mut Context) {
        let mut depth = 1usize;
        while depth > 0 {
            match self.token(source) {
                Token::Open(_) => depth += 1,
                Token::Close(_) => depth -= 1,
                Token::End => return self.unclosed(cx, &source.bytes, header, &[]),
                Token::Word(_) | Token::Line => {}
            }
        }
    }

    fn say_oddities(&mut self, cx: &mut Context) {
        for oddity in self.lexer.errors.drain(..) {
            match oddity {
                Oddity::Unquoted(span) => cx
                    .error(Code::Quote, span, "\"", "this quote is not closed on its line".into())
                    .help("what is in it is not used"),
                Oddity::Blank | Oddity::Carriage => continue,
            };
        }
        for f in self.lexer.expand.faults.drain(..) {
            let said = cx.say(f.level, f.code, f.span, &f.token, f.text, f.status);
            said.help(f.help);
        }
        let expand = &mut self.lexer.expand;
        cx.found.dropped += std::mem::take(&mut expand.dropped);
        cx.found.status = cx.found.status.max(expand.dropped_status);
    }

    /// Blanks of a web page or another system: the first place of each, once the file is read.
    pub fn blanks(&self) -> (Option<Span>, Option<Span>) {
        (self.lexer.blank, self.lexer.carriage)
    }

    /// Where the open top-level block begins.
    pub fn header(&self) -> Span {
        self.open.map_or(Span::NOWHERE, |(_, header)| header)
    }

    /// A top-level block is open.
    pub fn inside(&self) -> bool {
        self.open.is_some()
    }
}

/// Longest rest of such a line that is looked at.
const BARE: usize = 256;

/// Nothing but a block's first line stands between it and the next.
fn is_bare(text: &[u8], header: Span, next: Span) -> bool {
    let between = text.get(header.end as usize..next.start as usize).unwrap_or_default();
    between.len() < BARE && between.trim_ascii().split(|b| *b == b'{').nth(1).is_some_and(<[u8]>::is_empty)
}

fn too_long(cx: &mut Context, word: Span) {
    let text = format!("this line has more than {} words", limits::LINE_WORDS);
    cx.error(Code::Range, word, "", text).help("this word and those behind it are not used");
}

pub fn too_large(cx: &mut Context, text: &[u8], word: Span, header: Span) {
    let name = String::from_utf8_lossy(header.of(text)).into_owned();
    let said = format!("the block '{name}' has more than {} lines or words", limits::BLOCK_WORDS);
    cx.error(Code::Range, word, &name, said)
        .see(header, format!("'{name}' begins here"))
        .help("this line and the rest of the block are not used; it is a limit of this program");
}

fn too_early(cx: &mut Context, text: &[u8], close: Span, header: Span, word: Span) {
    let what = String::from_utf8_lossy(header.of(text)).into_owned();
    let name = String::from_utf8_lossy(word.of(text)).into_owned();
    let said = format!("this '}}' ends the block '{what}', and '{name}' behind it belongs into it");
    cx.error(Code::Brace, close, &name, said)
        .see(word, format!("'{name}' stands here"))
        .help("remove the '}' if it is one too many; what is behind it and belongs into the block is not used");
}

fn second_open(cx: &mut Context, span: Span) {
    cx.error(Code::Brace, span, "{", "this '{' is one too many".into()).help("remove it; the block is used");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All statements as text, depth by indentation, and the faults.
    fn read(text: &str) -> (Vec<String>, Vec<(u32, String)>) {
        let mut source = Source::new("f", text.into());
        let mut cx = Context::new(Host::default());
        let mut reader = Reader::new(&source, &Host::default());
        let mut tree = Tree::default();
        let mut out = Vec::new();
        let mut depth = 0;
        loop {
            match reader.next(&mut source, &mut tree, &mut cx) {
                Item::End => break,
                Item::Close => depth = 0,
                Item::Pause => {}
                item => {
                    show(tree.root(&source.bytes).unwrap(), depth, &mut out);
                    depth = if item == Item::Open { 1 } else { depth };
                }
            }
        }
        (out, cx.found.list.iter().map(|d| (d.span.start, d.text.to_string())).collect())
    }

    fn show(node: Node, depth: usize, out: &mut Vec<String>) {
        let words: Vec<_> = node.all().map(|a| a.str().into_owned()).collect();
        out.push(format!("{}{}", " ".repeat(depth), words.join(" ")));
        for child in node.children() {
            show(child, depth + 1, out);
        }
    }

    #[test]
    fn statements_with_braces_anywhere() {
        let (out, faults) =
            read("vrrp_instance V\n{ virtual_ipaddress{1.1.1.1 dev e\n1.1.1.2} priority 5 }\nvrrp_script x{}");
        assert_eq!(
            out,
            ["vrrp_instance V", " virtual_ipaddress", "  1.1.1.1 dev e", "  1.1.1.2", " priority 5", "vrrp_script x"]
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn an_unknown_block_is_skipped_whole() {
        let (out, faults) = read("vrrp_instance V {\n foo bar {\n a {\n b\n }\n }\n priority 5\n}\n");
        assert_eq!(out, ["vrrp_instance V", " foo bar", " priority 5"]);
        assert_eq!(faults, []);
    }

    #[test]
    fn missing_and_extra_braces() {
        let (out, faults) =
            read("vrrp_instance V\n priority 5\n}\n}\nvrrp_instance W {\n authentication {\n auth_type PASS\n");
        assert_eq!(out, ["vrrp_instance V", " priority 5", "vrrp_instance W", " authentication", "  auth_type PASS"]);
        let texts: Vec<_> = faults.iter().map(|f| f.1.as_str()).collect();
        assert_eq!(
            texts,
            [
                "the block of 'vrrp_instance' has no '{'",
                "this '}' closes nothing",
                "the block of 'authentication' and those around it are not closed at the end of the file"
            ]
        );
    }

    #[test]
    fn a_block_that_is_not_closed_ends_where_the_next_begins() {
        let (out, faults) =
            read("vrrp_instance V {\n authentication {\n auth_type PASS\nvrrp_instance W {\n priority 1\n}\n");
        assert_eq!(out, ["vrrp_instance V", " authentication", "  auth_type PASS", "vrrp_instance W", " priority 1"]);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].1, "'vrrp_instance' begins inside the block 'vrrp_instance', which was not closed");
    }

    #[test]
    fn an_inner_block_that_is_not_closed_ends_where_a_sibling_begins() {
        let (out, faults) = read(
            "vrrp_instance V {\n authentication {\n auth_type PASS\n virtual_ipaddress {\n 1.1.1.1\n }\n priority 5\n}\n",
        );
        let wanted = [
            "vrrp_instance V",
            " authentication",
            "  auth_type PASS",
            " virtual_ipaddress",
            "  1.1.1.1",
            " priority 5",
        ];
        assert_eq!(out, wanted);
        assert_eq!(faults.len(), 1);
        let (out, faults) = read(
            "virtual_server 1.1.1.1 1 {\n real_server a 1 {\n TCP_CHECK {\n connect_port 1\n real_server b 1 {\n }\n}\n",
        );
        let wanted =
            ["virtual_server 1.1.1.1 1", " real_server a 1", "  TCP_CHECK", "   connect_port 1", " real_server b 1"];
        assert_eq!(out, wanted);
        assert_eq!(faults.len(), 1);
    }

    fn texts(text: &str) -> (Vec<String>, Vec<String>) {
        let (out, faults) = read(text);
        (out, faults.into_iter().map(|(at, text)| format!("{at} {text}")).collect())
    }

    #[test]
    fn a_brace_too_many_is_one_fault() {
        let wanted = ["vrrp_instance V", " authentication", "  auth_type PASS", " priority 5", "vrrp_script x"];
        for (text, at, fault) in [
            (
                "vrrp_instance V {{\n authentication {\n auth_type PASS\n}\n priority 5\n}\n",
                17,
                "this '{' is one too many",
            ),
            (
                "vrrp_instance V {{\n authentication {\n auth_type PASS\n}\n priority 5\n}}\n",
                17,
                "this '{' is one too many",
            ),
            (
                "vrrp_instance V {\n authentication {{\n auth_type PASS\n}}\n priority 5\n}\n",
                35,
                "this '{' is one too many",
            ),
            (
                "vrrp_instance V {\n authentication {\n auth_type PASS\n }\n priority 5\n }\n state X\n}\n",
                68,
                "this '}' ends the block 'vrrp_instance', and 'state' behind it belongs into it",
            ),
            (
                "vrrp_instance V {\n authentication {\n auth_type PASS\n }\n auth_pass x\n }\n priority 5\n}\n",
                53,
                "this '}' ends the block 'authentication', and 'auth_pass' behind it belongs into it",
            ),
            (
                "vrrp_instance V {\n authentication {\n auth_type PASS\n }\n auth_pass x\n priority 5\n}\n",
                53,
                "this '}' ends the block 'authentication', and 'auth_pass' behind it belongs into it",
            ),
            (
                "vrrp_instance V {\n authentication (\n auth_type PASS\n )\n priority 5\n}\n",
                34,
                "a block stands in braces, { and }, not in brackets",
            ),
        ] {
            let (out, faults) = texts(&format!("{text}vrrp_script x {{\n}}\n"));
            assert_eq!(out, wanted, "{text}");
            assert_eq!(faults, [format!("{at} {fault}")], "{text}");
        }
    }

    #[test]
    fn a_list_ends_where_a_line_of_its_block_stands() {
        let (out, faults) = texts("vrrp_instance V {\n track_script {\n chk weight 2\n state\n priority 5\n}\n");
        assert_eq!(out, ["vrrp_instance V", " track_script", "  chk weight 2", "  state", " priority 5"]);
        assert_eq!(faults, ["56 'priority' begins inside the block 'track_script', which was not closed"]);
        let (_, faults) = texts("vrrp_instance V {\n virtual_rules {\n priority 5 table 6\n}\n}\n");
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn depth_has_a_limit() {
        let text = format!("foo {}{}\nvrrp_instance V {{\n}}", "{".repeat(100_000), "}".repeat(100_000));
        let (out, _) = read(&text);
        assert_eq!(out, ["foo", "vrrp_instance V"]);
    }
}
