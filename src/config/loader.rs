//! Text to configuration, in steps as small as wanted: one statement is read and understood at a time.

use super::bfd::BfdDraft;
use super::check;
use super::context::{Context, Seen};
use super::diagnostic::{gathered, Code, Diagnostic, Level, Printer, Style};
use super::expand::Strict;
use super::global::{self, GlobalDraft};
use super::keywords::Block;
use super::lexer::Span;
use super::lvs::{ServiceDraft, Settling};
use super::marks::Marks;
use super::model::{Config, Ssl};
use super::script;
use super::server_group::{self, ServerGroupDraft, Taken};
use super::source::Source;
use super::statics::{self, GarpGroupDraft, Lines as StaticLines, StaticsDraft, TrackGroupDraft};
use super::text::not_text;
use super::track::{self, FileDraft, ProcessDraft, ScriptDraft};
use super::tree::{too_large, Item, Node, Reader, Tree};
use super::vrrp::{self, GroupDraft, InstanceDraft};
use crate::base::addr::IfName;
use crate::limits;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What a configuration asks of the machine that it is for. Nothing is looked up by default: a file of another machine.
#[derive(Clone, Default)]
pub struct Host {
    pub hostname: Box<str>,
    /// `-i`, else the host name up to its first dot.
    pub config_id: Box<str>,
    /// None: not looked at.
    pub interfaces: Option<Vec<IfName>>,
    pub script: Option<fn(&str) -> ScriptFile>,
    /// Is there such a user?
    pub user: Option<fn(&str) -> bool>,
    /// The number of a routing table with that name.
    pub table: Option<fn(&str) -> Option<u32>>,
    /// Is there such a group?
    pub group: Option<fn(&str) -> bool>,
    /// What a file of `key ID file:PATH` holds.
    pub key: Option<ReadKey>,
    /// A variable of the environment, for `${_ENV NAME}`.
    pub environment: Option<fn(&str) -> Option<String>>,
    /// `include` is followed.
    pub files: bool,
    /// -e: `include` is as strict as `includea`.
    pub all_files: bool,
    /// Where `${_RANDOM}` begins.
    pub seed: u64,
}

/// The content of a key's file, or why it cannot be had.
pub type ReadKey = fn(&str) -> Result<Vec<u8>, String>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScriptFile {
    Fine,
    Missing,
    NotExecutable,
    /// It runs, and somebody else than root can change what it does.
    Insecure(Insecure),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Insecure {
    /// Which part of the path, and who: "everybody can write to /tmp/x".
    pub what: Box<str>,
    /// The command that mends it.
    pub mend: Box<str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    More,
    Done,
}

/// The block that is being read.
enum Current {
    Global,
    Ssl(Ssl, Seen),
    Group(Box<GroupDraft>),
    Instance(Box<InstanceDraft>),
    Service(Box<ServiceDraft>),
    ServerGroup(Box<ServerGroupDraft>),
    Script(Box<ScriptDraft>),
    TrackFile(Box<FileDraft>),
    TrackProcess(Box<ProcessDraft>),
    TrackGroup(Box<TrackGroupDraft>),
    Bfd(Box<BfdDraft>),
    GarpGroup(Box<GarpGroupDraft>),
    Lines(StaticLines),
    /// Not in this version: only looked through.
    Other(Block, Seen),
    /// Not used, which was said.
    Skipped,
}

enum Phase {
    Read,
    /// What can be tracked.
    Tracked,
    Vrrp(Box<vrrp::Settling>),
    /// With the instances by name.
    Statics(Box<statics::Settling>, HashMap<Box<str>, usize>),
    Lvs,
    Done,
}

pub struct Loader {
    source: Source,
    cx: Context,
    reader: Reader,
    tree: Tree,
    phase: Phase,
    current: Current,
    /// The open block is not used, since its first word is wrong: the script that was known before, and whether
    /// anything can start.
    misspelt: Option<(Option<Span>, bool)>,
    mark: usize,
    /// All that were read: blocks, statements, and the statements of the open block.
    blocks: usize,
    statements: usize,
    lines: usize,
    top_seen: Seen,
    global: GlobalDraft,
    instances: Vec<InstanceDraft>,
    groups: Vec<GroupDraft>,
    tracked: track::Drafts,
    script_names: Names,
    file_names: Names,
    process_names: Names,
    bfd_names: Names,
    statics: StaticsDraft,
    track_group_names: Names,
    services: std::collections::VecDeque<Box<ServiceDraft>>,
    server_groups: server_group::Names,
    names: Names,
    group_names: Names,
    taken: Taken,
    settling: Option<Settling>,
    config: Config,
    marks: Marks,
}

impl Loader {
    pub fn new(file: &str, text: Vec<u8>, host: Host) -> Loader {
        let len = text.len() as u64;
        let not_text = not_text(&text);
        let source = Source::new(file, if len > limits::CONFIG_BYTES { Vec::new() } else { text });
        let mut loader = Loader {
            reader: Reader::new(&source, &host),
            source,
            cx: Context::new(host),
            tree: Tree::default(),
            phase: Phase::Read,
            current: Current::Skipped,
            misspelt: None,
            mark: 0,
            blocks: 0,
            statements: 0,
            lines: 0,
            top_seen: Seen::default(),
            global: GlobalDraft::default(),
            instances: Vec::new(),
            groups: Vec::new(),
            tracked: track::Drafts::default(),
            script_names: Names::new(),
            file_names: Names::new(),
            process_names: Names::new(),
            bfd_names: Names::new(),
            statics: StaticsDraft::default(),
            track_group_names: Names::new(),
            services: Default::default(),
            names: Names::new(),
            group_names: Names::new(),
            server_groups: Default::default(),
            taken: Taken::default(),
            settling: None,
            config: Config::default(),
            marks: Marks::default(),
        };
        if len > limits::CONFIG_BYTES {
            let text = format!("the file has {len} bytes; a configuration has at most {}", limits::CONFIG_BYTES);
            loader.cx.say(Level::Error, Code::File, Span::NOWHERE, "", text, 4).help("give the right file");
            loader.phase = Phase::Done;
        } else if let Some(not) = not_text {
            loader.cx.error(Code::NotText, not.span(0), "", not.text).help(not.help);
            loader.phase = Phase::Done;
        }
        loader
    }

    /// Without the places of the VRRP statements, which only the comparison of several files needs.
    pub fn without_marks(mut self) -> Loader {
        self.marks.off = true;
        self
    }

    /// Reads about `budget` statements, or settles as many servers.
    pub fn step(&mut self, mut budget: usize) -> Progress {
        while budget > 0 {
            if !matches!(self.phase, Phase::Lvs) {
                budget -= 1;
            }
            match &mut self.phase {
                Phase::Read => {
                    self.read();
                    budget = budget.saturating_sub(self.reader.take_cost());
                }
                Phase::Tracked => self.tracked(),
                Phase::Vrrp(settling) => {
                    if settling.step(&mut self.cx, &mut self.global, &mut self.config) {
                        let names = std::mem::take(&mut settling.names);
                        let statics = std::mem::take(&mut self.statics);
                        let statics = statics.settle(&self.cx, &self.global, &mut self.config);
                        self.phase = Phase::Statics(Box::new(statics), names);
                    }
                }
                Phase::Statics(settling, names) => {
                    if settling.step(&mut self.cx, names, &mut self.config) {
                        self.config.services.reserve_exact(self.services.len());
                        self.phase = Phase::Lvs;
                    }
                }
                Phase::Lvs => self.settle(&mut budget),
                Phase::Done => return Progress::Done,
            }
        }
        match self.phase {
            Phase::Done => Progress::Done,
            _ => Progress::More,
        }
    }

    fn tracked(&mut self) {
        if !self.tracked.step(&mut self.cx, &self.global, &mut self.config) {
            return;
        }
        let (instances, groups) = (std::mem::take(&mut self.instances), std::mem::take(&mut self.groups));
        let settling = vrrp::Settling::new(&self.global, instances, groups, &mut self.config);
        self.phase = Phase::Vrrp(Box::new(settling));
    }

    fn read(&mut self) {
        let mut item = self.reader.next(&mut self.source, &mut self.tree, &mut self.cx);
        self.statements += usize::from(item == Item::Entry);
        self.blocks += usize::from(item == Item::Open);
        if self.blocks > limits::CONFIG_BLOCKS || self.statements > limits::CONFIG_STATEMENTS {
            self.too_many();
            item = Item::End;
        }
        match item {
            Item::Open => self.open(),
            Item::Entry => self.entry(),
            Item::Close => self.close(),
            Item::Pause => {}
            Item::End => {
                self.blanks();
                self.config.global = std::mem::take(&mut self.global.global);
                if self.config.global.router_id.is_empty() {
                    self.config.global.router_id = self.cx.host.hostname.clone();
                }
                self.tracked.begin(&self.cx, &self.global);
                self.phase = Phase::Tracked;
            }
        }
    }

    /// The rest of the file is left out.
    fn too_many(&mut self) {
        let span = self.tree.root(&self.source.bytes).map_or(Span::NOWHERE, |node| node.word().span());
        let text = match self.blocks > limits::CONFIG_BLOCKS {
            true => format!("the configuration has more than {} blocks", limits::CONFIG_BLOCKS),
            false => format!("the configuration has more than {} statements", limits::CONFIG_STATEMENTS),
        };
        let said = self.cx.error(Code::Range, span, "", text);
        said.help("this one and all that follow are not used; it is a limit of this program");
        if self.reader.inside() && self.blocks <= limits::CONFIG_BLOCKS {
            self.close();
        }
    }

    fn open(&mut self) {
        let Some(node) = self.tree.root(&self.source.bytes) else { return };
        self.mark = 0;
        self.lines = 0;
        let known = self.cx.known(node, Block::Top, &mut self.top_seen);
        self.mark = self.cx.enter(node);
        let Some(keyword) = known else {
            self.current = if node.keyword().is_none() { self.misspelt() } else { Current::Skipped };
            return;
        };
        if let (Block::TrackFile, Some(name)) = (keyword.child, node.arg(0)) {
            self.cx.blocks.push((keyword.child, name.str().as_ref().into()));
        }
        self.current = match keyword.child {
            Block::Global => Current::Global,
            Block::Ssl => {
                global::second_ssl(&mut self.cx, node, &self.global.global.ssl);
                Current::Ssl(Ssl::default(), Seen::default())
            }
            Block::Group => named(&mut self.cx, node, &mut self.group_names)
                .map_or(Current::Skipped, |name| Current::Group(Box::new(GroupDraft::new(&self.cx, name)))),
            Block::Instance => named(&mut self.cx, node, &mut self.names)
                .map_or(Current::Skipped, |name| Current::Instance(Box::new(InstanceDraft::new(&self.cx, name)))),
            Block::Service => {
                let looked = Current::Other(Block::Service, Seen::default());
                ServiceDraft::new(&mut self.cx, node).map_or(looked, |s| Current::Service(Box::new(s)))
            }
            Block::TrackGroup => named(&mut self.cx, node, &mut self.track_group_names)
                .map_or(Current::Skipped, |name| Current::TrackGroup(Box::new(TrackGroupDraft::new(&self.cx, name)))),
            Block::GarpGroup => Current::GarpGroup(Box::new(GarpGroupDraft::new(node))),
            Block::List if keyword.word == "virtual_server_group" => {
                ServerGroupDraft::new(&mut self.cx, node, &self.server_groups)
                    .map_or(Current::Skipped, |group| Current::ServerGroup(Box::new(group)))
            }
            Block::List => {
                let _ = vrrp::list(&mut self.cx, node);
                StaticLines::of(keyword.word).map_or(Current::Skipped, Current::Lines)
            }
            Block::None | Block::Unknown => Current::Skipped,
            Block::Script => named(&mut self.cx, node, &mut self.script_names)
                .map_or(Current::Skipped, |name| Current::Script(Box::new(ScriptDraft::new(&self.cx, name)))),
            Block::TrackFile => named(&mut self.cx, node, &mut self.file_names)
                .map_or(Current::Skipped, |name| Current::TrackFile(Box::new(FileDraft::new(&self.cx, name)))),
            Block::TrackProcess => named(&mut self.cx, node, &mut self.process_names)
                .map_or(Current::Skipped, |name| Current::TrackProcess(Box::new(ProcessDraft::new(&self.cx, name)))),
            Block::BfdInstance => named(&mut self.cx, node, &mut self.bfd_names)
                .map_or(Current::Skipped, |name| Current::Bfd(Box::new(BfdDraft::new(&mut self.cx, name)))),
            block => Current::Other(block, Seen::default()),
        };
        self.cx.again = false;
        self.marks.open(node, !matches!(self.current, Current::Skipped));
    }

    /// A block of which only the first word is wrong: it is read to say what else is wrong with it, and not used.
    fn misspelt(&mut self) -> Current {
        let Some(node) = self.tree.root(&self.source.bytes) else { return Current::Skipped };
        let cx = &mut self.cx;
        self.misspelt = Some((cx.script, cx.found.stopped));
        self.global.misspelt |= node.block() == Block::Global;
        match (node.block(), node.arg(0)) {
            (Block::Instance, Some(name)) => Current::Instance(Box::new(InstanceDraft::new(cx, name))),
            (Block::Group, Some(name)) => Current::Group(Box::new(GroupDraft::new(cx, name))),
            (Block::Script, Some(name)) => Current::Script(Box::new(ScriptDraft::new(cx, name))),
            (Block::Service, Some(_)) => match ServiceDraft::new(cx, node) {
                Some(service) => Current::Service(Box::new(service)),
                None => Current::Other(Block::Service, Seen::default()),
            },
            (block, _) => Current::Other(block, Seen::default()),
        }
    }

    fn entry(&mut self) {
        let Some(node) = self.tree.root(&self.source.bytes) else { return };
        let cx = &mut self.cx;
        if !self.reader.inside() {
            // A single line at top level, or a block that was left out.
            if let Some(keyword) = cx.known(node, Block::Top, &mut self.top_seen) {
                self.global.top(cx, node, keyword);
            }
            return;
        }
        self.lines += 1;
        if matches!(self.current, Current::Lines(_) | Current::ServerGroup(_)) && self.lines > limits::BLOCK_WORDS {
            if self.lines == limits::BLOCK_WORDS + 1 {
                too_large(cx, &self.source.bytes, node.word().span(), self.reader.header());
                self.reader.skip_repetitions(true);
            }
            return;
        }
        self.marks.entry(node);
        cx.settled();
        match &mut self.current {
            Current::Global => {
                self.global.entry(cx, node);
                let c = self.global.global.include_check;
                let all = self.cx.host.all_files;
                let (read, plain) = (c.read | all, c.matched | all);
                let strict = Strict { read, plain, wild: c.wildcard | all, braces: c.brace | all };
                self.reader.set_strict(strict);
                if let (Some("random_seed"), Some(seed)) =
                    (node.keyword().map(|k| k.word), self.global.global.random_seed)
                {
                    self.reader.seed(seed.into());
                }
            }
            Current::Ssl(ssl, seen) => global::ssl(cx, ssl, seen, node),
            Current::Group(draft) => draft.entry(cx, node),
            Current::Instance(draft) => draft.entry(cx, node),
            Current::Service(draft) => draft.entry(cx, node),
            Current::ServerGroup(draft) => draft.entry(cx, node),
            Current::Script(draft) => draft.entry(cx, node),
            Current::TrackFile(draft) => draft.entry(cx, node),
            Current::TrackProcess(draft) => draft.entry(cx, node),
            Current::Bfd(draft) => draft.entry(cx, node),
            Current::TrackGroup(draft) => draft.entry(cx, node),
            Current::GarpGroup(draft) => draft.entry(cx, node),
            Current::Lines(lines) => self.statics.line(cx, *lines, node),
            Current::Other(Block::List | Block::Unknown, _) => {}
            Current::Other(block, seen) => {
                if let Some(keyword) = cx.known(node, *block, seen) {
                    cx.unread(node, keyword);
                }
            }
            Current::Skipped => {}
        }
    }

    fn close(&mut self) {
        if let Some(before) = self.misspelt.take() {
            self.current = Current::Skipped;
            (self.cx.script, self.cx.found.stopped) = before;
        }
        match std::mem::replace(&mut self.current, Current::Skipped) {
            Current::Ssl(ssl, _) => self.global.global.ssl = Some(ssl),
            Current::Group(draft) => self.groups.push(*draft),
            Current::Instance(draft) if self.cx.again => {
                // Its line stands there twice; the second one has what belongs to it.
                self.names.remove(draft.name());
            }
            Current::Instance(mut draft) => {
                draft.close();
                self.instances.push(*draft);
            }
            Current::Service(mut draft) => {
                draft.close();
                self.services.push_back(draft);
            }
            Current::ServerGroup(draft) => {
                if let Some((group, span)) = draft.close(&mut self.cx) {
                    self.server_groups.insert(group.name.clone(), (self.config.server_groups.len(), span));
                    self.config.server_groups.push(group);
                }
            }
            Current::Script(draft) => self.tracked.scripts.push_back(*draft),
            Current::TrackFile(draft) => self.tracked.files.push_back(*draft),
            Current::TrackProcess(draft) => self.tracked.processes.push_back(*draft),
            Current::Bfd(draft) => {
                if draft.is_for_checks() {
                    self.cx.blocks.push((Block::BfdInstance, draft.head.name.clone()));
                }
                self.tracked.bfd.push_back(*draft);
            }
            Current::TrackGroup(draft) => self.statics.track_group(*draft),
            Current::GarpGroup(draft) => self.statics.garp_group(&mut self.cx, *draft),
            Current::Global | Current::Other(..) | Current::Lines(_) | Current::Skipped => {}
        }
        self.reader.skip_repetitions(false);
        self.marks.close();
        self.cx.leave(self.mark);
    }

    fn settle(&mut self, budget: &mut usize) {
        if self.settling.is_none() {
            *budget = budget.saturating_sub(1);
            let Some(draft) = self.services.pop_front() else {
                self.conclude();
                return;
            };
            let groups = (&self.server_groups, self.config.server_groups.as_slice());
            self.settling = Settling::new(&mut self.cx, &self.global, *draft, &mut self.taken, groups);
        }
        let Some(settling) = &mut self.settling else { return };
        if settling.step(&mut self.cx, &self.global, budget) {
            if let Some(settling) = self.settling.take() {
                self.config.services.extend(settling.finish(&mut self.cx));
            }
        }
    }

    /// One warning for the file: a page pasted from the web, or written elsewhere, works.
    fn blanks(&mut self) {
        let (blank, carriage) = self.reader.blanks();
        let (span, what, status) = match (blank, carriage) {
            (None, None) => return,
            (Some(span), None) => (span, self.blank_name(span), 5),
            (None, Some(span)) => (span, "lines that end in CR LF", 0),
            (Some(b), Some(c)) => (b.min(c), "no-break spaces or a byte-order mark, and lines that end in CR LF", 5),
        };
        self.cx
            .say(Level::Warning, Code::Blanks, span, "", format!("this file holds {what}"), status)
            .help("they are taken as blanks, here and in all that follows; keepalived would not take them");
    }

    fn blank_name(&self, span: Span) -> &'static str {
        match span.of(&self.source.bytes) {
            [0xef, ..] => "a byte-order mark",
            _ => "no-break spaces",
        }
    }

    fn conclude(&mut self) {
        self.phase = Phase::Done;
        check::references(&mut self.cx);
        script::settle(&mut self.cx, &self.global);
        let dynamic = self.config.global.dynamic_interfaces.is_some();
        // keepalived ends at an interface that is not there, before it looks at scripts.
        let ends = !dynamic && self.cx.found.list.iter().any(|d| d.code == Code::Interface);
        track::conclude(&mut self.cx, &self.global, !self.names.is_empty() && !ends);
        if dynamic {
            // Said to come later.
            self.cx.found.forgive(Code::Interface);
        }
    }

    /// Reads what is left, and gives all that was found.
    pub fn finish(mut self) -> Loaded {
        while self.step(usize::MAX) == Progress::More {}
        self.cx.settled();
        let found = self.cx.found;
        let mut diagnostics = found.list;
        diagnostics.sort_by_cached_key(|d| self.source.order(d.span));
        let fatal = found.stopped || found.status == 4;
        let status = if found.stopped { 2 } else { found.status };
        Loaded {
            source: self.source,
            config: (!fatal).then_some(self.config),
            diagnostics,
            dropped: found.dropped,
            status,
            marks: self.marks,
        }
    }
}

/// Names of blocks and where they stand.
type Names = HashMap<Box<str>, Span>;

/// The name of a block, if it has one that is not taken.
fn named<'t>(cx: &mut Context, node: Node<'t>, names: &mut Names) -> Option<super::tree::Arg<'t>> {
    let Some(arg) = node.arg(0) else {
        let word = node.word();
        cx.nameless.push(node.block());
        cx.bad(Code::Argument, word, format!("this '{}' has no name", word.str())).help("the whole block is not used");
        return None;
    };
    let name = arg.str();
    if let Some(first) = names.insert(name.as_ref().into(), arg.span()) {
        names.insert(name.as_ref().into(), first);
        if cx.again {
            return None;
        }
        // keepalived takes the first of two scripts and says nothing.
        let word = node.word().str();
        let (level, status) = if word == "vrrp_script" { (Level::Warning, 0) } else { (Level::Error, 5) };
        cx.say(level, Code::Duplicate, arg.span(), &name, format!("there is a {word} '{name}' already"), status)
            .see(first, "the first one")
            .help("the second one is not used");
        return None;
    }
    Some(arg)
}

/// What a load gives.
pub struct Loaded {
    pub source: Source,
    /// None: nothing can start with this.
    pub config: Option<Config>,
    /// In the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Findings beyond the limit.
    pub dropped: usize,
    /// What `-t` exits with: 0, 2, 4, 5 or 6.
    pub status: u8,
    /// Where the statements of the VRRP blocks stand.
    pub marks: Marks,
}

impl Loaded {
    /// The name of the main file.
    pub fn file(&self) -> &str {
        self.source.file(0).0
    }

    /// All findings as text, with source lines and carets.
    pub fn report(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.report_in(out, &Style::PLAIN)
    }

    pub fn report_in(&self, out: &mut dyn fmt::Write, style: &Style) -> fmt::Result {
        let mut printer = Printer::new(&self.source, style);
        for found in gathered(&self.source, &self.diagnostics) {
            printer.print(out, &found)?;
        }
        if self.dropped > 0 {
            writeln!(out, "{}: {} more findings are not shown", self.file(), self.dropped)?;
        }
        Ok(())
    }
}

/// All at once.
pub fn load(file: &str, text: Vec<u8>, host: Host) -> Loaded {
    Loader::new(file, text, host).finish()
}

/// O_NONBLOCK and O_CLOEXEC come from the flag's value on Linux; std sets the latter.
const O_NONBLOCK: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 0x80 } else { 0x800 };

/// A file that may be a configuration and its length, or what is wrong with it in one line.
pub fn open_file(path: &Path) -> Result<(File, u64), String> {
    let name = path.display();
    // A FIFO without a writer would hold us for ever.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
    let file = file.map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => format!("{name}: there is no such file"),
        std::io::ErrorKind::PermissionDenied => format!("{name}: no permission to read it"),
        _ => format!("{name}: cannot be opened: {e}"),
    })?;
    let about = file.metadata().map_err(|e| format!("{name}: cannot be read: {e}"))?;
    if about.is_dir() {
        return Err(format!("{name}: is a directory, not a configuration file"));
    }
    if !about.is_file() {
        return Err(format!("{name}: is not a regular file"));
    }
    if about.len() > limits::CONFIG_BYTES {
        return Err(too_long(path));
    }
    Ok((file, about.len()))
}

fn too_long(path: &Path) -> String {
    format!("{}: is larger than {} bytes, so it is not a configuration", path.display(), limits::CONFIG_BYTES)
}

/// A configuration file's bytes, or what is wrong with it in one line.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let (file, len) = open_file(path)?;
    let mut text = Vec::with_capacity(len as usize + 1);
    let read = file.take(limits::CONFIG_BYTES + 1).read_to_end(&mut text);
    read.map_err(|e| format!("{}: cannot be read: {e}", path.display()))?;
    if text.len() as u64 > limits::CONFIG_BYTES {
        return Err(too_long(path));
    }
    Ok(text)
}
