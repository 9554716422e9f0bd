//! What all block families share while they read: findings, the block path, the machine, and the rules that hold for
//! every keyword (known or not, its argument, its range).

use super::check::{CheckDraft, Recent, Reference};
use super::diagnostic::{closest, meant, Code, Diagnostic, Diagnostics, Level};
use super::keywords::{self, Block, Index, Keyword, State, Takes, KEYWORDS};
use super::lexer::Span;
use super::loader::Host;
use super::misnomers;
use super::model::Check;
use super::script::Doubt;
use super::track::Defined;
use super::tree::{Arg, Node};
use crate::base::addr::IfName;
use crate::limits;
use std::net::IpAddr;
use std::time::Duration;

/// Rules without a preference get this one and those below.
const RULE_PREFERENCE: u32 = 16384;

pub struct Context {
    pub found: Diagnostics,
    pub host: Host,
    path: String,
    /// What can be tracked, once all is read.
    pub defined: Defined,
    /// Names that checks use, to be found when all is read, and the names of the blocks of those kinds.
    pub references: Vec<Reference>,
    pub blocks: Vec<(Block, Box<str>)>,
    /// The first script that exists on the host and is to be run.
    pub script: Option<Span>,
    /// Those of vrrp_script blocks.
    pub vrrp_scripts: Vec<Span>,
    /// Scripts that others than root can change: an error if security is on and they run as root.
    pub doubts: Vec<Doubt>,
    /// Keywords about which one word was said already.
    said: Vec<&'static Keyword>,
    /// For the words of lines; the reader has its own for statements.
    options: Index,
    /// What the next rule without a preference gets, of IPv4 and of IPv6.
    pub preferences: [u32; 2],
    /// The last few lists of checks, as they were read and with all their values.
    pub drafts: Recent<CheckDraft>,
    pub checks: Recent<Check>,
    /// keepalived says nothing of the line.
    silent: bool,
    /// Blocks that ended too early, by their first word: what they lack may stand behind them.
    pub cut_short: Vec<Span>,
    /// The block that begins stands inside one like it, of which nothing else was read; that was said.
    pub again: bool,
    /// Kinds of blocks of which one has no name or no known keyword, which was said: what names one may mean that.
    pub nameless: Vec<Block>,
    /// That a keyword is not acted on: said once the rest of its line is read, unless that is wrong.
    pending: Option<Pending>,
    /// The last word that is no keyword, where it stood, and the keyword that is nearest to it.
    stranger: Option<(Box<str>, Block, Option<&'static str>)>,
}

/// A finding that is made only if its line has no other.
struct Pending {
    /// Of which it is said only once.
    keyword: Option<&'static Keyword>,
    found: Diagnostic,
    /// So many findings there were before.
    before: usize,
}

/// A finding that was just made, to add what to do about it.
pub struct Said<'c> {
    made: Option<&'c mut Diagnostic>,
    /// What the word itself shows: it goes before the help.
    hint: Option<String>,
}

impl Said<'_> {
    /// Another place that belongs to it: where the first one stands.
    pub fn see(self, span: Span, text: impl Into<Box<str>>) -> Self {
        if let Some(d) = self.made {
            d.also.push((span, text.into()));
            return Said { made: Some(d), hint: self.hint };
        }
        self
    }

    /// What an argument shows itself.
    pub fn hint(mut self, word: &str) -> Self {
        self.hint = hint(word);
        self
    }

    pub fn help(self, help: impl Into<Box<str>>) {
        if let Some(d) = self.made {
            d.help = Some(match self.hint {
                Some(hint) => format!("{hint}; {}", without_guess(&help.into())).into(),
                None => help.into(),
            });
        }
    }
}

/// Which keywords of a block were given already.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    given: [u64; 3],
    /// A word that is none was meant for it.
    meant: [u64; 3],
}

impl Seen {
    /// It was given, rightly or wrongly: its absence need not be said.
    pub fn has(&self, block: Block, words: &[&str]) -> bool {
        KEYWORDS.iter().filter(|k| k.block == block && words.contains(&k.word)).any(|k| {
            let (at, mask) = bit(k);
            let has = |bits: &[u64; 3]| bits.get(at).is_some_and(|b| b & mask != 0);
            has(&self.given) || has(&self.meant)
        })
    }

    /// True if it was given before.
    fn put(&mut self, keyword: &'static Keyword) -> bool {
        let (at, mask) = bit(keyword);
        let Some(bits) = self.given.get_mut(at) else { return false };
        let was = *bits & mask != 0;
        *bits |= mask;
        was
    }

    /// Another word was given that probably stands for it.
    pub fn was_meant(&self, block: Block, word: &str) -> bool {
        KEYWORDS.iter().filter(|k| k.block == block && k.word == word).any(|k| {
            let (at, mask) = bit(k);
            self.meant.get(at).is_some_and(|b| b & mask != 0)
        })
    }

    /// A word that is no keyword stands for this one, probably.
    fn means(&mut self, block: Block, word: &str) {
        for keyword in KEYWORDS.iter().filter(|k| k.block == block && k.word == word) {
            let (at, mask) = bit(keyword);
            if let Some(bits) = self.meant.get_mut(at) {
                *bits |= mask;
            }
        }
    }
}

/// Where a keyword has its bit. A block has fewer than 192 keywords, and they stand together in the table.
fn bit(keyword: &Keyword) -> (usize, u64) {
    let from = KEYWORDS.as_ptr() as usize;
    let at = (keyword as *const Keyword as usize).saturating_sub(from) / size_of::<Keyword>() % 192;
    (at / 64, 1u64 << (at % 64))
}

impl Context {
    pub fn new(host: Host) -> Context {
        Context {
            found: Diagnostics::default(),
            host,
            path: String::new(),
            defined: Defined::default(),
            references: Vec::new(),
            blocks: Vec::new(),
            script: None,
            vrrp_scripts: Vec::new(),
            doubts: Vec::new(),
            said: Vec::new(),
            options: Index::new(),
            preferences: [RULE_PREFERENCE; 2],
            drafts: Recent::default(),
            checks: Recent::default(),
            cut_short: Vec::new(),
            again: false,
            nameless: Vec::new(),
            silent: false,
            pending: None,
            stranger: None,
        }
    }

    pub fn say(&mut self, level: Level, code: Code, span: Span, token: &str, text: String, status: u8) -> Said<'_> {
        let made = self.diagnostic(level, code, span, token, text, status);
        let number = self.found.push(made);
        Said { made: number.and_then(|n| self.found.list.get_mut(n)), hint: None }
    }

    fn diagnostic(&self, level: Level, code: Code, span: Span, token: &str, text: String, status: u8) -> Diagnostic {
        // A word may be as long as the file.
        let text = shortened(text, 600);
        let token = &shortened(token.to_string(), 200);
        Diagnostic {
            level,
            code,
            span,
            text: text.into(),
            help: None,
            also: Vec::new(),
            path: self.path.as_str().into(),
            token: token.as_str().into(),
            status,
        }
    }

    /// Says once in a file that nothing acts on a keyword, unless more is wrong in its line: one mistake, one finding.
    fn not_acted_on(
        &mut self,
        keyword: &'static Keyword,
        code: Code,
        span: Span,
        text: String,
        help: &str,
        status: u8,
    ) {
        self.settled();
        if self.said.iter().any(|k| std::ptr::eq(*k, keyword)) {
            return;
        }
        let mut found = self.diagnostic(Level::Warning, code, span, keyword.word, text, status);
        found.help = (!help.is_empty()).then(|| help.into());
        if keyword.child != Block::None {
            // What is wrong in its block has nothing to do with it.
            self.said.push(keyword);
            self.found.push(found);
            return;
        }
        self.pending = Some(Pending { keyword: Some(keyword), found, before: self.found.count_all() });
    }

    /// The line is read.
    pub fn settled(&mut self) {
        let Some(Pending { keyword, found, before }) = self.pending.take() else { return };
        if self.found.count_all() == before {
            self.said.extend(keyword);
            self.found.push(found);
        }
    }

    pub fn error(&mut self, code: Code, span: Span, token: &str, text: String) -> Said<'_> {
        let status = if self.silent { 0 } else { 5 };
        self.say(Level::Error, code, span, token, text, status)
    }

    /// keepalived starts with it and says nothing.
    pub fn warn(&mut self, code: Code, span: Span, token: &str, text: String) -> Said<'_> {
        self.say(Level::Warning, code, span, token, text, 0)
    }

    /// What is wrong is said, yet keepalived says nothing of it: no status.
    pub fn silently<T>(&mut self, read: impl FnOnce(&mut Context) -> T) -> T {
        let was = std::mem::replace(&mut self.silent, true);
        let value = read(self);
        self.silent = was;
        value
    }

    /// About one argument: its text is the token.
    pub fn bad(&mut self, code: Code, arg: Arg, text: String) -> Said<'_> {
        let token = arg.str();
        let mut said = self.error(code, arg.span(), &token, text);
        said.hint = hint(&token);
        said
    }

    /// Goes into a block; give the answer to `leave`.
    pub fn enter(&mut self, node: Node) -> usize {
        self.settled();
        let mark = self.path.len();
        if mark > 0 {
            self.path.push('/');
        }
        for (i, word) in node.all().take(3).enumerate() {
            if i > 0 {
                self.path.push(' ');
            }
            let word = word.str();
            if word.len() <= 80 {
                self.path.push_str(&word);
            } else {
                self.path.extend(word.chars().take(80));
            }
        }
        mark
    }

    pub fn leave(&mut self, mark: usize) {
        self.settled();
        self.path.truncate(mark);
    }

    /// Where the reader is, for a finding that is made later.
    pub fn path(&self) -> Box<str> {
        self.path.as_str().into()
    }

    /// Makes later findings belong to a block that was left long ago.
    pub fn return_to(&mut self, path: &str) {
        self.settled();
        self.path.clear();
        self.path.push_str(path);
    }

    fn first_time(&mut self, keyword: &'static Keyword) -> bool {
        if self.said.iter().any(|k| std::ptr::eq(*k, keyword)) {
            return false;
        }
        self.said.push(keyword);
        true
    }

    /// The rules for every statement of a block with keywords. None: there is nothing more to do with it.
    pub fn known(&mut self, node: Node, block: Block, seen: &mut Seen) -> Option<&'static Keyword> {
        self.settled();
        if node.count() > 1 {
            self.equals(node);
        }
        let word = node.word();
        if let Some(keyword) = node
            .keyword()
            .filter(|k| matches!(k.state, State::Done) && !node.is_broken() && (node.count() > 0 || !k.needs))
        {
            // Nearly all statements: nothing more is to be said.
            self.extra(node, keyword, block);
            return self.repeated(keyword, word, seen);
        }
        let name = word.str();
        if let Some(keyword) = node.keyword().filter(|_| node.is_broken()) {
            // What is left of the line is not what was meant; the quote was said.
            seen.put(keyword);
            return None;
        }
        let Some(mut keyword) = node.keyword() else {
            if let Some(meant) = self.unknown(word.span(), &name, block, node.body()) {
                let meant_block = KEYWORDS.iter().find(|k| k.block == block && k.word == meant).map(|k| k.child);
                self.nameless.extend(meant_block.filter(|_| block == Block::Top));
                seen.means(block, meant);
                if block != Block::Top {
                    // Nothing in it is used, so nothing in it can end all.
                    let stopped = self.found.stopped;
                    self.walk(node);
                    self.found.stopped = stopped;
                }
            }
            return None;
        };
        if let State::Renamed(to) = keyword.state {
            self.say(Level::Hint, Code::Renamed, word.span(), &name, format!("'{name}' is the old name of '{to}'"), 5)
                .help(format!("write '{to}'"));
            if let Some(new) = KEYWORDS.iter().find(|k| k.block == keyword.block && k.word == to) {
                keyword = new;
            }
        }
        if keyword.needs && node.count() == 0 {
            self.found.stopped = true;
            seen.put(keyword);
            self.nameless.push(keyword.child);
            self.say(Level::Error, Code::Argument, word.span(), &name, format!("'{name}' has no argument"), 2)
                .help(format!("nothing starts with this; write {}", expected(keyword)));
            return None;
        }
        let known = self.stated(node, keyword, seen);
        self.extra(node, keyword, block);
        known
    }

    /// `KEYWORD = VALUE`, where a text may stand: said unless the line has another finding.
    fn equals(&mut self, node: Node) {
        let (Some(keyword), Some(arg)) = (node.keyword(), node.arg(0)) else { return };
        if !matches!(arg.raw(), b"=" | b":" | b":=") || arg.quoted() {
            return;
        }
        let mark = arg.str();
        let text = format!("'{mark}' is taken as the value of '{}'", keyword.word);
        let mut found = self.diagnostic(Level::Warning, Code::Extra, arg.span(), &mark, text, 0);
        found.help = Some(format!("remove the '{mark}': a keyword and its value are parted by a blank").into());
        self.pending = Some(Pending { keyword: None, found, before: self.found.count_all() });
    }

    /// What there is to say about a keyword that is not simply done.
    fn stated(&mut self, node: Node, keyword: &'static Keyword, seen: &mut Seen) -> Option<&'static Keyword> {
        let word = node.word();
        let name = word.str();
        match keyword.state {
            // What is not there is off in any case.
            State::Idle(_) | State::Guard(_) if keyword.takes == Takes::Flag && is_off(node) => {
                self.repeated(keyword, word, seen)
            }
            State::Done | State::Renamed(_) => self.repeated(keyword, word, seen),
            State::Idle(without) => {
                self.repeated(keyword, word, seen)?;
                if !without.is_empty() && !is_default(node, keyword) {
                    let text = format!("'{name}' is not in this version: {without}");
                    self.not_acted_on(keyword, Code::NotYet, word.span(), text, "", 0);
                }
                Some(keyword)
            }
            State::Guard(without) => {
                self.repeated(keyword, word, seen);
                let text = format!("'{name}' is not in this version: {without}");
                let help = "what asks for it is kept out of MASTER";
                self.not_acted_on(keyword, Code::Safeguard, word.span(), text, help, 0);
                Some(keyword)
            }
            State::NoCheck => {
                if self.first_time(keyword) {
                    self.warn(Code::NoCheck, word.span(), &name, format!("'{name}' is not in this version"))
                        .help("the servers with it are not checked by it");
                }
                Some(keyword)
            }
            State::Refused(refusal) => {
                let code = if refusal.safeguard { Code::Safeguard } else { Code::Refused };
                let text = format!("'{name}' is not used: {}", refusal.why);
                // A keepalived that has nftables only complains too.
                let status = if name == "vrrp_iptables" { 5 } else { 0 };
                self.not_acted_on(keyword, code, word.span(), text, refusal.without, status);
                self.unread(node, keyword);
                refusal.safeguard.then_some(keyword)
            }
            State::Dead(to) => {
                if keyword.word == "nat_mask" && !self.first_time(keyword) {
                    return Some(keyword);
                }
                let text = match to {
                    "" => format!("'{name}' is a keyword no more"),
                    _ => format!("'{name}' is a keyword no more; it is taken as '{to}'"),
                };
                let help =
                    if to.is_empty() { "remove the line; it is not used".into() } else { format!("write '{to}'") };
                self.say(Level::Hint, Code::Dead, word.span(), &name, text, 5).help(help);
                Some(keyword)
            }
        }
    }

    /// The keyword of a block that is nearest to a word that is none; often the same word is asked for again.
    fn nearest(&mut self, word: &str, block: Block) -> Option<&'static str> {
        match &self.stranger {
            Some((last, of, close)) if last.as_ref() == word && *of == block => *close,
            _ => {
                let close = if self.found.full() {
                    None
                } else {
                    let same = keywords::words(block).find(|k| k.eq_ignore_ascii_case(word));
                    same.or_else(|| misnomers::keyword(block, word)).or_else(|| closest(word, keywords::words(block)))
                };
                self.stranger = Some((word.into(), block, close));
                close
            }
        }
    }

    /// All that a block lacks may stand behind the `}` that ended it too early.
    pub fn excuse(&self, node: Node, seen: &mut Seen) {
        if self.cut_short.contains(&node.word().span()) {
            seen.meant = [u64::MAX; 3];
        }
    }

    /// The kind of block that a word is meant to begin, if that can be told.
    pub fn meant_block(&mut self, word: &str, block: Block) -> Block {
        let meant = if block == Block::Unknown { None } else { self.nearest(word, block) };
        let child = meant.and_then(|word| self.options.find(block, word.as_bytes())).map(|k| k.child);
        child.filter(|child| *child != Block::None).unwrap_or(Block::Unknown)
    }

    /// The nearest of names that the file gave. None when nobody will read it, and among the first few only: thousands
    /// of names, asked for thousands of times, would take minutes.
    pub fn closest<'n>(&self, word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        if self.found.full() {
            return None;
        }
        // Names often come out of a table in no order.
        let mut names: Vec<_> = names.take(limits::CLOSEST).collect();
        names.sort_unstable();
        closest(word, names.into_iter())
    }

    /// The row of an option word of a line.
    pub fn option(&self, block: Block, arg: Arg) -> Option<&'static Keyword> {
        self.options.find(block, arg.str().as_bytes())
    }

    /// It is an option, or nearly one.
    pub fn like_option(&mut self, block: Block, arg: Arg) -> bool {
        self.option(block, arg).is_some() || self.nearest(&arg.str(), block).is_some()
    }

    /// What there is to say about an option that is known. `what`: "an address". True: it keeps out of MASTER.
    pub fn option_state(&mut self, keyword: &'static Keyword, arg: Arg, what: &str) -> bool {
        let name = keyword.word;
        let (code, text, help) = match keyword.state {
            State::Idle(without) if !without.is_empty() => {
                (Code::NotYet, format!("'{name}' of {what} is not in this version"), without)
            }
            State::Guard(without) => (Code::Safeguard, format!("'{name}' of {what} is not in this version"), without),
            State::Refused(refusal) => {
                let code = if refusal.safeguard { Code::Safeguard } else { Code::Refused };
                (code, format!("'{name}' of {what} is not used: {}", refusal.why), refusal.without)
            }
            State::Renamed(to) => {
                let text = format!("'{name}' is the old name of '{to}'");
                self.say(Level::Hint, Code::Renamed, arg.span(), name, text, 5).help(format!("write '{to}'"));
                return false;
            }
            _ => return false,
        };
        self.not_acted_on(keyword, code, arg.span(), text, help, 0);
        code == Code::Safeguard
    }

    /// About a word that is no option. `used`: what becomes of the line.
    pub fn no_option(&mut self, block: Block, arg: Arg, what: &str, used: &str) {
        let word = arg.str();
        let help = self.nearest(&word, block).map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
        self.bad(Code::Value, arg, format!("{what} has no option '{word}'")).help(format!("{help}{used}"));
    }

    fn repeated(&mut self, keyword: &'static Keyword, word: Arg, seen: &mut Seen) -> Option<&'static Keyword> {
        let again = seen.put(keyword);
        if again && first_counts(keyword) {
            let text = format!("'{}' was given before in this block", keyword.word);
            self.bad(Code::Repeated, word, text).help("the first one counts");
            return None;
        }
        if again && keyword.child == Block::None && !may_repeat(keyword) {
            let name = word.str();
            self.warn(Code::Repeated, word.span(), &name, format!("'{name}' was given before in this block"))
                .help("the last one counts");
        }
        Some(keyword)
    }

    /// Gives the keyword that is probably meant.
    fn unknown(&mut self, span: Span, name: &str, block: Block, body: bool) -> Option<&'static str> {
        let what = if body { "block" } else { "keyword" };
        if self.found.full() {
            self.found.count(5);
            return None;
        }
        let glued = name.split_once(['=', ':', ',']).filter(|(word, _)| keywords::words(block).any(|k| k == *word));
        let close = if glued.is_some() { None } else { self.nearest(name, block) };
        let said = self.error(Code::Unknown, span, name, format!("unknown {what} '{name}'"));
        let skipped = if body { "the whole block is skipped" } else { "the line is not used" };
        if let Some(close) = close {
            said.help(format!("did you mean '{close}'? {skipped}"));
            return Some(close);
        }
        if let Some((word, value)) = glued {
            match value {
                "" => said.help(format!("remove the '{}'; {skipped}", name.get(word.len()..).unwrap_or_default())),
                _ => said.help(format!("write '{word} {value}'; {skipped}")),
            }
            return keywords::words(block).find(|k| *k == word);
        }
        if name.starts_with("//") || name.starts_with("/*") || name.starts_with("--") {
            said.help(format!("a comment begins with # or !; {skipped}"));
            return None;
        }
        if name.chars().all(|c| ";,:=()".contains(c)) {
            said.help(format!("remove the '{name}'"));
            return None;
        }
        match owners(name) {
            Some(owners) => said.help(format!("it belongs into {owners}; {skipped}")),
            None => said.help(skipped),
        }
        None
    }

    /// Words behind a keyword that takes none, or one.
    fn extra(&mut self, node: Node, keyword: &'static Keyword, block: Block) {
        let takes = match (keyword.takes, keyword.child) {
            (Takes::No, Block::None) => 0,
            (takes, Block::None) if takes.whole().is_some() || matches!(takes, Takes::Dec(..)) => 1,
            (_, Block::None) if ONE_WORD.contains(&keyword.word) => 1,
            (_, Block::None) if keyword.word == "sorry_server" => 2,
            _ => return,
        };
        let Some(arg) = node.arg(takes) else { return };
        if node.arg(0).is_some_and(|first| takes == 1 && matches!(first.str().as_ref(), "=" | ":")) {
            // That is said of the value.
            return;
        }
        let word = arg.str();
        let own_line = keywords::words(block).any(|w| w == word);
        let said = self.warn(Code::Extra, arg.span(), &word, format!("'{}' does not take '{word}'", keyword.word));
        said.help(if word.starts_with("//") || word.starts_with("/*") {
            "a comment begins with # or !; it is not used"
        } else if own_line {
            "a keyword begins its own line; this one is not used"
        } else {
            "it is not used"
        });
    }

    /// For a statement that no arm of its block takes: reads it, and all in it, only to say what is wrong.
    pub fn unread(&mut self, node: Node, keyword: &'static Keyword) {
        let optional = matches!(keyword.takes, Takes::No | Takes::Flag | Takes::Any)
            || matches!(keyword.takes, Takes::Form(form) if form.starts_with('['));
        if node.count() == 0 && !optional && keyword.child == Block::None {
            let text = format!("'{}' has no argument", keyword.word);
            self.bad(Code::Argument, node.word(), text).help(format!("write {}", expected(keyword)));
        }
        self.check(node, keyword);
        self.walk(node);
    }

    fn check(&mut self, node: Node, keyword: &'static Keyword) {
        match keyword.takes {
            Takes::Flag => drop(self.flag(node)),
            takes if takes.whole().is_some() && node.count() > 0 => drop(self.int(node, keyword)),
            Takes::Dec(..) if node.count() > 0 => drop(self.dec(node, keyword)),
            Takes::Weight(most) => {
                if let Some(arg) = node.arg(0) {
                    let word = arg.str();
                    if !word.parse::<i64>().is_ok_and(|n| (-most..=most).contains(&n)) {
                        self.bad(
                            Code::Range,
                            arg,
                            format!("'{}' takes a whole number from -{most} to {most}", keyword.word),
                        )
                        .help("the line is not used");
                    }
                }
            }
            _ => {}
        }
    }

    /// The same for a block and all in it.
    pub fn walk(&mut self, node: Node) {
        if matches!(node.block(), Block::None | Block::List | Block::Unknown) {
            return;
        }
        let mark = self.enter(node);
        let mut seen = Seen::default();
        for child in node.children() {
            if let Some(keyword) = self.known(child, node.block(), &mut seen) {
                self.unread(child, keyword);
            }
        }
        self.leave(mark);
    }

    /// on, off, or nothing (on). None: another word; the keyword is not used.
    pub fn flag(&mut self, node: Node) -> Option<bool> {
        let Some(arg) = node.arg(0) else { return Some(true) };
        match arg.str().as_ref() {
            "on" | "true" | "yes" => Some(true),
            "off" | "false" | "no" => Some(false),
            other => {
                let text = format!("'{}' takes on or off, not '{other}'", node.word().str());
                self.bad(Code::Value, arg, text).help(meant(other, &["on", "off"], "the line is not used"));
                None
            }
        }
    }

    /// The first argument as a whole number in the keyword's range.
    pub fn int(&mut self, node: Node, keyword: &'static Keyword) -> Option<i64> {
        let (low, high) = keyword.takes.whole()?;
        let arg = node.arg(0)?;
        let word = arg.str();
        match word.parse::<i64>() {
            Ok(n) if (low..=high).contains(&n) => Some(n),
            number => {
                let code = if number.is_ok() { Code::Range } else { Code::Value };
                let unit = of(keyword.takes.unit());
                let text =
                    format!("'{}' takes a whole number{unit} from {low} to {high}, not '{word}'", node.word().str());
                let used = if keyword.word == "priority" { "100 is used" } else { "the line is not used" };
                let said = self.bad(code, arg, text);
                said.help(with_unit(&word, keyword.takes.unit(), used).unwrap_or(used.into()));
                None
            }
        }
    }

    pub fn int_u32(&mut self, node: Node, keyword: &'static Keyword) -> Option<u32> {
        self.int(node, keyword).and_then(|n| u32::try_from(n).ok())
    }

    /// The first argument as seconds, with decimals, in the keyword's range.
    pub fn dec(&mut self, node: Node, keyword: &'static Keyword) -> Option<Duration> {
        let Takes::Dec(low, high) = keyword.takes else { return None };
        let arg = node.arg(0)?;
        let word = arg.str();
        let (micros, rounded) = match seconds(&word) {
            Some((m, rounded)) if (low..=high).contains(&m) => (m, rounded),
            parsed => {
                let code = if parsed.is_some() { Code::Range } else { Code::Value };
                let text = format!(
                    "'{}' takes seconds from {} to {}, not '{word}'",
                    node.word().str(),
                    low as f64 / 1e6,
                    high as f64 / 1e6
                );
                let said = self.bad(code, arg, text);
                let used = "the line is not used";
                said.help(with_unit(&word, "seconds", used).unwrap_or(used.into()));
                return None;
            }
        };
        if rounded {
            let text = format!("'{word}' is finer than a microsecond");
            self.say(Level::Warning, Code::Rounded, arg.span(), &word, text, 5).help("it is rounded");
        }
        Some(Duration::from_micros(micros))
    }

    pub fn ip(&mut self, node: Node, arg: Arg) -> Option<IpAddr> {
        let word = arg.str();
        let ip = word.parse().ok();
        if ip.is_none() {
            let text = format!("'{}' takes an address, not '{word}'", node.word().str());
            self.bad(Code::Value, arg, text).help("the line is not used");
        }
        ip
    }

    /// A script that exists is to be run.
    pub fn runs(&mut self, span: Span) {
        self.script = Some(self.script.map_or(span, |first| first.min(span)));
    }

    /// An interface by its name. One that is not there is said, and taken all the same: it may come later.
    pub fn interface(&mut self, arg: Arg) -> Option<IfName> {
        let word = arg.str();
        let Ok(name) = word.parse::<IfName>() else {
            self.bad(Code::Value, arg, format!("'{word}' cannot be the name of an interface"))
                .help("a name has 1 to 15 characters, no blank, '/' or ':'");
            return None;
        };
        if self.host.interfaces.as_ref().is_some_and(|list| !list.contains(&name)) {
            self.bad(Code::Interface, arg, format!("there is no interface '{word}' here"))
                .help("what needs it waits until it comes");
        }
        Some(name)
    }
}

/// Help without "did you mean": the mark that is too much says it.
fn without_guess(help: &str) -> &str {
    match help.split_once("'? ") {
        Some((guess, rest)) if guess.starts_with("did you mean") => rest,
        _ => help,
    }
}

/// What a word shows that is no value: marks that other languages want.
fn hint(word: &str) -> Option<String> {
    let curly = |c: char| "\u{201c}\u{201d}\u{201e}\u{2018}\u{2019}\u{ab}\u{bb}".contains(c);
    if word.contains(curly) {
        return Some("write \" for these typographic quotes".into());
    }
    match (word.chars().next(), word.chars().last()) {
        (Some(c @ ('=' | ':' | ',' | ';')), _) if !word.starts_with("::") => Some(format!("remove the '{c}'")),
        (_, Some(c @ (',' | ';' | '='))) => Some(format!("remove the '{c}'")),
        (Some('\''), _) | (_, Some('\'')) => Some("remove the single quotes".into()),
        _ => None,
    }
}

/// `3s`, `100ms`: help, if only a unit makes it no number.
fn with_unit(word: &str, unit: &str, used: &str) -> Option<String> {
    if unit.is_empty() {
        return None;
    }
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, given) = word.split_at_checked(end).filter(|(number, _)| !number.is_empty())?;
    match given {
        "s" | "sec" | "secs" | "second" | "seconds" if unit == "seconds" => {
            Some(format!("write {number}: the unit is {unit}; {used}"))
        }
        "s" | "sec" | "seconds" | "ms" | "us" | "m" | "min" | "h" => Some(format!("the unit is {unit}; {used}")),
        _ => None,
    }
}

/// Keywords whose one argument is a word of their own kind.
const ONE_WORD: &[&str] = &[
    "state",
    "interface",
    "auth_type",
    "auth_pass",
    "protocol",
    "lb_algo",
    "lvs_sched",
    "ip_family",
    "router_id",
    "mcast_src_ip",
    "unicast_src_ip",
    "virtualhost",
    "path",
    "digest",
    "connect_ip",
    "bindto",
    "bind_if",
    "http_protocol",
    "helo_name",
    "notification_email_from",
    "persistence_granularity",
    "file",
    "track_file",
    "sni_name",
    "neighbor_ip",
    "neighbour_ip",
    "source_ip",
];

/// At most so many bytes of it: the ends stay.
fn shortened(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let first: String = text.chars().take(most / 4).collect();
    let mut last: Vec<char> = text.chars().rev().take(most / 8).collect();
    last.reverse();
    first + " ... " + &String::from_iter(last)
}

pub fn is_off(node: Node) -> bool {
    node.arg(0).is_some_and(|arg| matches!(arg.str().as_ref(), "off" | "false" | "no"))
}

/// It says what holds in any case, or asks for nothing.
fn is_default(node: Node, keyword: &Keyword) -> bool {
    let nothing = keyword.word == "garp_extra_if" && node.arg(0).is_some_and(|a| a.str() == "0");
    nothing || !keyword.default.is_empty() && keyword.default.split(' ').eq(node.args().map(|a| a.str().into_owned()))
}

/// Of these keepalived takes the first, and complains.
fn first_counts(keyword: &Keyword) -> bool {
    match keyword.block {
        Block::TrackFile => matches!(keyword.word, "file" | "weight"),
        Block::TrackProcess => matches!(keyword.word, "process" | "weight"),
        Block::Url => keyword.word == "digest",
        Block::Dns | Block::Bfd => keyword.word == "name",
        _ => false,
    }
}

/// Those where the first one counts and the repeat is an error (said where they are read), and plain switches.
fn may_repeat(keyword: &Keyword) -> bool {
    matches!(keyword.takes, Takes::No)
        || matches!((keyword.block, keyword.word), (Block::AuthHmac, "key") | (Block::GarpGroup, "interface"))
        || matches!(keyword.word, "notify" | "quorum_up" | "quorum_down" | "lvs_sync_daemon" | "status_code")
        || matches!(keyword.word, "startup_script" | "shutdown_script" | "instance" | "net_namespace" | "lvs_timeouts")
        || keyword.word.contains("_notify_fifo")
        || keyword.word.starts_with("notify_") && !keyword.word.starts_with("notify_em")
}

fn of(unit: &str) -> String {
    if unit.is_empty() {
        String::new()
    } else {
        format!(" of {unit}")
    }
}

/// What a keyword without its argument should have.
pub fn expected(keyword: &Keyword) -> String {
    let word = keyword.word;
    if let Some((low, high)) = keyword.takes.whole() {
        return format!("'{word}' and a whole number{} from {low} to {high}", of(keyword.takes.unit()));
    }
    match keyword.takes {
        Takes::Dec(..) => format!("'{word}' and a number of seconds"),
        Takes::Weight(most) => format!("'{word}' and a whole number from -{most} to {most}"),
        Takes::Form(form) => format!("'{word}' and {form}"),
        _ => format!("'{word}' and its value"),
    }
}

/// Most blocks that are named as the place of a keyword.
const OWNERS: usize = 4;

/// The blocks that have this keyword.
fn owners(name: &str) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for k in KEYWORDS.iter().filter(|k| k.word == name) {
        let openers = KEYWORDS.iter().filter(|o| o.child == k.block && k.block != Block::List);
        for opener in openers.filter(|o| !matches!(o.state, State::Renamed(_) | State::Dead(_))) {
            if !all.contains(&opener.word) {
                all.push(opener.word);
            }
        }
    }
    let more = if all.len() > OWNERS { ", among others" } else { "" };
    all.truncate(OWNERS);
    let last = all.pop()?;
    Some(if all.is_empty() { last.into() } else { format!("{} or {last}{more}", all.join(", ")) })
}

/// Seconds with decimals as microseconds, and whether they had to be rounded.
pub fn seconds(word: &str) -> Option<(u64, bool)> {
    let (whole, part) = word.split_once('.').unwrap_or((word, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !digits(whole) || !digits(part) || whole.len() > 10 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut micros = 0;
    let mut unit = 100_000;
    for b in part.bytes().take(6) {
        micros += u64::from(b - b'0') * unit;
        unit /= 10;
    }
    let rest = part.as_bytes().get(6..).unwrap_or_default();
    let up = rest.first().is_some_and(|b| *b >= b'5');
    Some((whole * 1_000_000 + micros + u64::from(up), rest.iter().any(|b| *b != b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_with_decimals() {
        assert_eq!(seconds("1"), Some((1_000_000, false)));
        assert_eq!(seconds("1.5"), Some((1_500_000, false)));
        assert_eq!(seconds(".05"), Some((50_000, false)));
        assert_eq!(seconds("1.000000"), Some((1_000_000, false)));
        assert_eq!(seconds("0.0000019"), Some((2, true)));
        for bad in ["", ".", "-1", "1s", "1.2.3", "99999999999"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
