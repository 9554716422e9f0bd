//! vrrp_script, track_file, vrrp_track_process, and the lines of instances and groups that track them.

use super::bfd::{self, BfdDraft};
use super::context::{Context, Seen};
use super::diagnostic::{closest, Code, Level};
use super::global::GlobalDraft;
use super::keywords::Block;
use super::lexer::Span;
use super::loader::ScriptFile;
use super::model::{
    Config, FileInit, ParamMatch, Script, Track, TrackFile, TrackInterface, TrackProcess, Tracks, VrrpScript,
};
use super::script;
use super::tree::{Arg, Node};
use crate::base::addr::IfName;
use crate::wire::vrrp::PRIORITY_OWNER;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// What a line tracks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Interface,
    Script,
    File,
    Process,
    Bfd,
}

impl Kind {
    fn of(keyword: &str) -> Option<Kind> {
        match keyword {
            "track_interface" => Some(Kind::Interface),
            "track_script" => Some(Kind::Script),
            "track_file" => Some(Kind::File),
            "track_process" => Some(Kind::Process),
            "track_bfd" => Some(Kind::Bfd),
            _ => None,
        }
    }

    fn most(self) -> i32 {
        match self {
            Kind::Interface | Kind::Script | Kind::Bfd => 253,
            Kind::File | Kind::Process => 254,
        }
    }

    fn keyword(self) -> Option<Block> {
        match self {
            Kind::Interface => None,
            Kind::Script => Some(Block::Script),
            Kind::File => Some(Block::TrackFile),
            Kind::Process => Some(Block::TrackProcess),
            Kind::Bfd => Some(Block::BfdInstance),
        }
    }

    fn block(self) -> &'static str {
        match self {
            Kind::Interface => "interface",
            Kind::Script => "vrrp_script",
            Kind::File => "track_file",
            Kind::Process => "vrrp_track_process",
            Kind::Bfd => "bfd_instance",
        }
    }
}

// ---- definitions -------------------------------------------------------------------------------------------------

/// What can be tracked, by name; None: there is such a block, yet it cannot be used, which was said.
#[derive(Default)]
pub struct Defined {
    scripts: HashMap<Box<str>, Option<usize>>,
    files: HashMap<Box<str>, Option<usize>>,
    processes: HashMap<Box<str>, Option<usize>>,
    bfd: HashMap<Box<str>, Option<usize>>,
}

impl Defined {
    pub fn has_bfd(&self, name: &str) -> bool {
        self.bfd.contains_key(name)
    }

    fn of(&self, kind: Kind) -> Option<&HashMap<Box<str>, Option<usize>>> {
        match kind {
            Kind::Interface => None,
            Kind::Script => Some(&self.scripts),
            Kind::File => Some(&self.files),
            Kind::Process => Some(&self.processes),
            Kind::Bfd => Some(&self.bfd),
        }
    }
}

/// What all these blocks have: a name, a place, a weight.
pub struct Head {
    pub name: Box<str>,
    pub span: Span,
    path: Box<str>,
    pub seen: Seen,
    pub weight: i32,
    pub reverse: bool,
}

impl Head {
    pub fn new(cx: &Context, name: Arg, weight: i32) -> Head {
        let text = name.str().as_ref().into();
        Head { name: text, span: name.span(), path: cx.path(), seen: Seen::default(), weight, reverse: false }
    }

    /// `weight N [reverse]`
    pub fn weigh(&mut self, cx: &mut Context, node: Node, most: i32) {
        let Some(arg) = node.arg(0) else {
            cx.bad(Code::Argument, node.word(), "'weight' has no number".into())
                .help(format!("write a whole number from -{most} to {most}; the line is not used"));
            return;
        };
        let Ok(Some(weight)) = number(&arg, most) else {
            cx.bad(Code::Range, arg, format!("'weight' takes a whole number from -{most} to {most}"))
                .help("the line is not used");
            return;
        };
        self.weight = weight;
        self.reverse = false;
        match node.arg(1) {
            None => {}
            Some(word) if word.str() == "reverse" => self.reverse = true,
            Some(word) if word.str() == "noreverse" => {}
            Some(word) => {
                let text = format!("only 'reverse' can stand behind a weight, not '{}'", word.str());
                cx.bad(Code::Value, word, text).help("it is not used");
            }
        }
    }

    pub fn missing(&self, cx: &mut Context, block: &str, what: &str) {
        cx.error(Code::Missing, self.span, &self.name, format!("{block} '{}' has no '{what}'", self.name))
            .help("it is not used");
    }
}

/// A weight in its range; Ok(None): a number out of it.
fn number(arg: &Arg, most: i32) -> Result<Option<i32>, std::num::ParseIntError> {
    let n = arg.str().parse::<i64>()?;
    Ok(i32::try_from(n).ok().filter(|n| (-most..=most).contains(n)))
}

/// A vrrp_script as it was read.
pub struct ScriptDraft {
    head: Head,
    program: Option<(Vec<Box<str>>, Span)>,
    user: Option<(Box<str>, Option<Box<str>>)>,
    /// A user that there is not: said, and the script is not used.
    bad_user: bool,
    interval: Duration,
    timeout: Option<Duration>,
    rise: u32,
    fall: u32,
    init_fail: bool,
}

impl ScriptDraft {
    pub fn new(cx: &Context, name: Arg) -> ScriptDraft {
        ScriptDraft {
            head: Head::new(cx, name, 0),
            program: None,
            user: None,
            bad_user: false,
            interval: Duration::from_secs(1),
            timeout: None,
            rise: 1,
            fall: 1,
            init_fail: false,
        }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::Script, &mut self.head.seen) else { return };
        match keyword.word {
            "script" => self.script(cx, node),
            "interval" => self.interval = period(cx, node).unwrap_or(self.interval),
            "timeout" => self.timeout = period(cx, node).or(self.timeout),
            "weight" => self.head.weigh(cx, node, Kind::Script.most()),
            "rise" => self.rise = cx.int_u32(node, keyword).unwrap_or(1),
            "fall" => self.fall = cx.int_u32(node, keyword).unwrap_or(1),
            "user" => self.user(cx, node),
            "init_fail" => self.init_fail = true,
            _ => cx.unread(node, keyword),
        }
    }

    fn script(&mut self, cx: &mut Context, node: Node) {
        let Some(arg) = node.arg(0) else {
            cx.bad(Code::Argument, node.word(), "'script' has no argument".into()).help("write script \"COMMAND\"");
            return;
        };
        let words = script::words(node);
        if words.first().is_none_or(|w| w.is_empty()) {
            cx.bad(Code::Script, arg, "the command is empty".into()).help("write the program's full path");
            return;
        }
        script::beyond(cx, node);
        self.program = Some((words, arg.span()));
    }

    fn user(&mut self, cx: &mut Context, node: Node) {
        let Some(arg) = node.arg(0) else { return };
        let name = arg.str();
        self.bad_user = cx.host.user.is_some_and(|known| !known(&name));
        if self.bad_user {
            cx.bad(Code::Script, arg, format!("there is no user '{name}'")).help("the script is not used");
        }
        self.user = Some((name.as_ref().into(), node.arg(1).map(|g| g.str().as_ref().into())));
    }

    /// None: it cannot be used, which is said.
    fn finish(&self, cx: &mut Context, global: &GlobalDraft, no_user: bool) -> Option<VrrpScript> {
        let head = &self.head;
        let Some((words, span)) = &self.program else {
            if !head.seen.has(Block::Script, &["script"]) {
                head.missing(cx, "vrrp_script", "script");
            }
            return None;
        };
        if self.bad_user {
            return None;
        }
        let tried = global.bad_user || global.script_user.is_none() && global.tried("script_user");
        if tried && self.user.is_none() && no_user || global.bad_user && self.user.is_none() {
            // That user was said.
            return None;
        }
        if no_user && self.user.is_none() {
            cx.error(Code::Script, head.span, &head.name, format!("vrrp_script '{}' has no user", head.name))
                .help("with enable_script_security write script_user in global_defs");
            return None;
        }
        let opened = script::opened(words);
        let look = cx.host.script.filter(|_| opened.is_none());
        let words = opened.unwrap_or_else(|| words.clone());
        let program = words.first()?;
        match look.map(|look| look(program)) {
            Some(ScriptFile::Fine) => cx.vrrp_scripts.push(*span),
            Some(found @ (ScriptFile::Missing | ScriptFile::NotExecutable)) => {
                // keepalived says nothing of one that is there.
                let (text, status) = match found {
                    ScriptFile::Missing => (format!("'{program}' is not there, or is not executable"), 5),
                    _ => (format!("'{program}' is not executable"), 0),
                };
                cx.say(Level::Error, Code::Script, *span, program, text, status)
                    .hint(program)
                    .help("the script is not run, and what tracks it goes on without it");
                return None;
            }
            Some(ScriptFile::Insecure(insecure)) => {
                cx.vrrp_scripts.push(*span);
                let own = self.user.as_ref().map(|(user, _)| user.as_ref());
                if global.script_security && script::runs_as_root(own, global) {
                    script::insecure(cx, *span, program, &insecure);
                    return None;
                }
            }
            None => {}
        }
        let (user, group) = self.user.clone().map_or((None, None), |(user, group)| (Some(user), group));
        let mut script = Script { words, user, group };
        script::default_user(Some(&mut script), &global.script_user);
        Some(VrrpScript {
            name: head.name.clone(),
            script,
            interval: self.interval,
            timeout: self.timeout.unwrap_or(self.interval),
            weight: head.weight,
            reverse: head.reverse,
            rise: self.rise,
            fall: self.fall,
            init_fail: self.init_fail,
        })
    }
}

/// Seconds in whole milliseconds; 0 is taken for 1 s.
fn period(cx: &mut Context, node: Node) -> Option<Duration> {
    let arg = node.arg(0)?;
    let time = cx.dec(node, node.keyword()?)?;
    if time.is_zero() {
        cx.bad(Code::Range, arg, format!("'{}' is more than 0 s", node.word().str())).help("1 s is used");
        return Some(Duration::from_secs(1));
    }
    let millis = Duration::from_millis(((time.as_micros() + 500) / 1000).clamp(1, u64::MAX.into()) as u64);
    if millis != time {
        cx.warn(Code::Rounded, arg.span(), &arg.str(), format!("'{}' is finer than a millisecond", arg.str()))
            .help("it is rounded");
    }
    Some(millis)
}

/// A track_file as it was read.
pub struct FileDraft {
    head: Head,
    path: Option<Box<str>>,
    init: Option<FileInit>,
}

impl FileDraft {
    pub fn new(cx: &Context, name: Arg) -> FileDraft {
        FileDraft { head: Head::new(cx, name, 1), path: None, init: None }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::TrackFile, &mut self.head.seen) else { return };
        match keyword.word {
            "file" => self.path = super::global::value(cx, node),
            "weight" => self.head.weigh(cx, node, Kind::File.most()),
            "init_file" => self.init(cx, node),
            _ => cx.unread(node, keyword),
        }
    }

    /// `init_file [VALUE] [overwrite]`
    fn init(&mut self, cx: &mut Context, node: Node) {
        let mut init = FileInit { value: 0, overwrite: false };
        for arg in node.args() {
            let word = arg.str();
            match word.parse::<i32>() {
                _ if word == "overwrite" => init.overwrite = true,
                Ok(n) => init.value = n,
                Err(_) => {
                    let text = format!("'init_file' takes a whole number and 'overwrite', not '{word}'");
                    cx.bad(Code::Value, arg, text).help("it is not used");
                }
            }
        }
        self.init = Some(init);
    }

    fn finish(&self, cx: &mut Context) -> Option<TrackFile> {
        let head = &self.head;
        let Some(path) = self.path.clone().filter(|p| !p.is_empty()) else {
            if !head.seen.has(Block::TrackFile, &["file"]) {
                head.missing(cx, "track_file", "file");
            }
            return None;
        };
        let (name, weight, reverse) = (head.name.clone(), head.weight, head.reverse);
        Some(TrackFile { name, path, weight, reverse, init: self.init })
    }
}

/// Bytes of a process's name.
const COMM: usize = 15;

/// A vrrp_track_process as it was read.
pub struct ProcessDraft {
    head: Head,
    program: Option<(Box<str>, Span)>,
    params: Vec<Box<str>>,
    param_match: Option<ParamMatch>,
    quorum: u32,
    quorum_max: Option<(u32, Span)>,
    terminate_delay: Duration,
    fork_delay: Duration,
    full_command: bool,
}

impl ProcessDraft {
    pub fn new(cx: &Context, name: Arg) -> ProcessDraft {
        ProcessDraft {
            head: Head::new(cx, name, 0),
            program: None,
            params: Vec::new(),
            param_match: None,
            quorum: 1,
            quorum_max: None,
            terminate_delay: Duration::ZERO,
            fork_delay: Duration::ZERO,
            full_command: false,
        }
    }

    pub fn entry(&mut self, cx: &mut Context, node: Node) {
        let Some(keyword) = cx.known(node, Block::TrackProcess, &mut self.head.seen) else { return };
        match keyword.word {
            "process" => {
                self.program = node.arg(0).map(|a| (a.str().as_ref().into(), a.span()));
                self.params = node.args().skip(1).map(|a| a.str().as_ref().into()).collect();
            }
            "param_match" => self.param_match(cx, node),
            "weight" => self.head.weigh(cx, node, Kind::Process.most()),
            "quorum" => self.quorum = cx.int_u32(node, keyword).unwrap_or(self.quorum),
            "quorum_max" => {
                if let (Some(n), Some(arg)) = (cx.int_u32(node, keyword), node.arg(0)) {
                    self.quorum_max = Some((n, arg.span()));
                }
            }
            "delay" => {
                if let Some(delay) = cx.dec(node, keyword) {
                    (self.terminate_delay, self.fork_delay) = (delay, delay);
                }
            }
            "terminate_delay" => self.terminate_delay = cx.dec(node, keyword).unwrap_or(self.terminate_delay),
            "fork_delay" => self.fork_delay = cx.dec(node, keyword).unwrap_or(self.fork_delay),
            "full_command" => self.full_command = true,
            _ => cx.unread(node, keyword),
        }
    }

    fn param_match(&mut self, cx: &mut Context, node: Node) {
        let Some(arg) = node.arg(0) else {
            self.param_match = Some(ParamMatch::Exact);
            return;
        };
        match arg.str().as_ref() {
            "initial" => self.param_match = Some(ParamMatch::Initial),
            "partial" => self.param_match = Some(ParamMatch::Partial),
            other => cx
                .bad(Code::Value, arg, format!("'param_match' is initial or partial, not '{other}'"))
                .help("the parameters have to be the same"),
        }
    }

    /// The kernel keeps 15 bytes of a program's name.
    fn long_name(&self, cx: &mut Context) {
        let Some((program, span)) = &self.program else { return };
        let name = program.rsplit('/').next().unwrap_or_default();
        if name.len() > COMM && !self.full_command && self.param_match.is_none() && self.params.is_empty() {
            let text = format!("the kernel keeps {COMM} bytes of a process's name, and '{name}' has {}", name.len());
            cx.say(Level::Hint, Code::Range, *span, program, text, 0)
                .help("all that begin alike are counted; write full_command to compare the whole command");
        }
    }

    fn finish(&self, cx: &mut Context) -> TrackProcess {
        let head = &self.head;
        let mut quorum_max = self.quorum_max.map(|(n, _)| n);
        // 0 stands for: it must not run at all.
        if let Some((most, span)) = self.quorum_max.filter(|(n, _)| *n > 0 && *n < self.quorum) {
            let text = format!("'quorum_max' is less than the quorum of {}", self.quorum);
            cx.error(Code::Conflict, span, &most.to_string(), text).help("it is not used");
            quorum_max = None;
        }
        self.long_name(cx);
        // No parameters and no word about them: any will do.
        let exact = (!self.params.is_empty()).then_some(ParamMatch::Exact);
        TrackProcess {
            name: head.name.clone(),
            program: self.program.as_ref().map_or_else(|| head.name.clone(), |(program, _)| program.clone()),
            params: self.params.clone(),
            param_match: self.param_match.or(exact),
            weight: head.weight,
            reverse: head.reverse,
            quorum: if quorum_max == Some(0) { 0 } else { self.quorum },
            quorum_max,
            terminate_delay: self.terminate_delay,
            fork_delay: self.fork_delay,
            full_command: self.full_command,
        }
    }
}

/// All definitions as they were read.
#[derive(Default)]
pub struct Drafts {
    pub scripts: VecDeque<ScriptDraft>,
    pub files: VecDeque<FileDraft>,
    pub processes: VecDeque<ProcessDraft>,
    pub bfd: VecDeque<BfdDraft>,
    /// Neighbours of the sessions so far.
    bfd_known: bfd::Known,
    /// A script without a user of its own has none.
    no_user: bool,
}

impl Drafts {
    /// Once the file is read, before the instances.
    pub fn begin(&mut self, cx: &Context, global: &GlobalDraft) {
        // With script security a script needs a user: its own, script_user, or one of this name.
        self.no_user = global.script_security
            && global.script_user.is_none()
            && cx.host.user.is_some_and(|known| !known("keepalived_script"));
    }

    /// Settles one of what can be tracked. True: all are.
    pub fn step(&mut self, cx: &mut Context, global: &GlobalDraft, config: &mut Config) -> bool {
        if let Some(draft) = self.scripts.pop_front() {
            cx.return_to(&draft.head.path);
            let script = draft.finish(cx, global, self.no_user);
            cx.defined.scripts.insert(draft.head.name.clone(), script.is_some().then_some(config.scripts.len()));
            config.scripts.extend(script);
        } else if let Some(draft) = self.files.pop_front() {
            cx.return_to(&draft.head.path);
            let file = draft.finish(cx);
            cx.defined.files.insert(draft.head.name.clone(), file.is_some().then_some(config.files.len()));
            config.files.extend(file);
        } else if let Some(draft) = self.processes.pop_front() {
            cx.return_to(&draft.head.path);
            cx.defined.processes.insert(draft.head.name.clone(), Some(config.processes.len()));
            config.processes.push(draft.finish(cx));
        } else if let Some(draft) = self.bfd.pop_front() {
            cx.return_to(&draft.head.path);
            let bfd = draft.finish(cx, &mut self.bfd_known);
            cx.defined.bfd.insert(draft.head.name.clone(), bfd.is_some().then_some(config.bfd.len()));
            config.bfd.extend(bfd);
        } else {
            cx.return_to("");
            return true;
        }
        false
    }
}

/// At the very end: a word about all scripts together. Where there are virtual routers, keepalived counts those that
/// nothing tracks as well.
pub fn conclude(cx: &mut Context, global: &GlobalDraft, routers: bool) {
    for span in std::mem::take(&mut cx.vrrp_scripts) {
        if routers {
            cx.runs(span);
        }
    }
    let security = global.script_security || global.tried("enable_script_security");
    if let (Some(first), false) = (cx.script, security) {
        cx.say(Level::Hint, Code::Script, first, "", "scripts run without enable_script_security".into(), 6)
            .help("write enable_script_security in global_defs, so that nobody but root can change what runs as root");
    }
}

// ---- lines -------------------------------------------------------------------------------------------------------

/// A line of track_interface and its like: `NAME [weight N [reverse|noreverse]]`.
struct Line {
    kind: Kind,
    name: Box<str>,
    span: Span,
    weight: Option<(i32, Span)>,
    /// None: as the definition has it.
    reverse: Option<bool>,
}

/// All such lines of one instance or group.
#[derive(Default)]
pub struct Lines {
    path: Box<str>,
    all: Vec<Line>,
    /// Where each of them stands.
    known: HashMap<(Kind, Box<str>), Span>,
}

impl Lines {
    pub fn read(&mut self, cx: &mut Context, node: Node, keyword: &'static str) {
        let Some(kind) = Kind::of(keyword) else { return };
        self.path = cx.path();
        for line in super::vrrp::list(cx, node) {
            let word = line.word();
            let name = word.str();
            if kind == Kind::Interface && cx.interface(word).is_none() {
                continue;
            }
            let (weight, reverse) = options(cx, line, kind, keyword);
            let name: Box<str> = name.as_ref().into();
            match self.known.entry((kind, name.clone())) {
                Entry::Occupied(first) => cx
                    .bad(Code::Duplicate, word, format!("'{name}' is tracked twice"))
                    .see(*first.get(), "the first one")
                    .help("the first one counts"),
                Entry::Vacant(place) => {
                    place.insert(word.span());
                    self.all.push(Line { kind, name, span: word.span(), weight, reverse });
                }
            }
        }
    }
}

fn options(cx: &mut Context, line: Node, kind: Kind, keyword: &str) -> (Option<(i32, Span)>, Option<bool>) {
    let (mut weight, mut reverse, mut given) = (None, None, false);
    let mut args = line.args();
    while let Some(arg) = args.next() {
        match arg.str().as_ref() {
            "weight" if !given => {
                given = true;
                weight = line_weight(cx, arg, args.next(), kind);
            }
            "reverse" if given => reverse = Some(true),
            "noreverse" if given => reverse = Some(false),
            "reverse" | "noreverse" => {
                let text = format!("'{}' stands behind a weight", arg.str());
                cx.bad(Code::Value, arg, text).help("it is not used; write 'weight' and a number before it");
            }
            other => {
                no_option(cx, arg, other, keyword);
                // What stands behind it belongs to it.
                break;
            }
        }
    }
    (weight, reverse)
}

fn no_option(cx: &mut Context, arg: Arg, word: &str, keyword: &str) {
    let help = match closest(word, ["weight", "reverse", "noreverse"].into_iter()) {
        _ if word.parse::<i64>().is_ok() => format!("write weight {word}; it is not used"),
        Some(close) => format!("did you mean '{close}'? it is not used"),
        None => "it is not used; there is weight N [reverse]".into(),
    };
    cx.bad(Code::Value, arg, format!("a line of '{keyword}' has no option '{word}'")).help(help);
}

fn line_weight(cx: &mut Context, word: Arg, value: Option<Arg>, kind: Kind) -> Option<(i32, Span)> {
    let most = kind.most();
    let without = match kind {
        Kind::Interface => "no weight is used: the instance is in FAULT while the link is down".into(),
        _ => format!("the weight of its {} is used", kind.block()),
    };
    let Some(arg) = value else {
        cx.bad(Code::Argument, word, "'weight' has no number".into()).help(without);
        return None;
    };
    match number(&arg, most) {
        Ok(Some(n)) => Some((n, arg.span())),
        // What is one too much is cut, as keepalived does.
        _ if matches!(arg.str().as_ref(), "254" | "-254") => {
            let n = if arg.str().starts_with('-') { -most } else { most };
            cx.bad(Code::Range, arg, format!("a weight is a whole number from -{most} to {most}"))
                .help(format!("{n} is used"));
            Some((n, arg.span()))
        }
        _ => {
            cx.bad(Code::Range, arg, format!("a weight is a whole number from -{most} to {most}")).help(without);
            None
        }
    }
}

/// A line with its target found and its weight known, and where that weight stands.
struct Found {
    kind: Kind,
    name: Box<str>,
    target: usize,
    weight: i32,
    reverse: bool,
    at: Span,
}

impl Found {
    /// The least and the most that it can add to the priority.
    fn range(&self) -> (i32, i32) {
        match self.kind {
            // Times what stands in the file.
            Kind::File if self.weight != 0 => (-254, 253),
            _ => (self.moves().min(0), self.moves().max(0)),
        }
    }

    /// What it adds to the priority when it adds anything.
    fn moves(&self) -> i32 {
        if self.reverse {
            -self.weight
        } else {
            self.weight
        }
    }
}

impl Found {
    /// The weight of a member of a sync group: what keepalived makes of it. False: the line is not used.
    fn in_a_group(&mut self, cx: &mut Context) -> bool {
        let (name, at) = (&self.name, self.at);
        let instead = "track it in the group, or write sync_group_tracking_weight into the group";
        let ignored = format!("the weight of '{name}' is not used in a member of a sync group");
        match (self.kind, self.weight) {
            (Kind::Interface | Kind::Process, _) => {
                // It says so of interfaces only (and that they do not count, which they do).
                let status = if self.kind == Kind::Interface { 5 } else { 0 };
                let text = format!("the weight of '{name}' concerns only one member of a sync group");
                cx.say(Level::Warning, Code::Conflict, at, name, text, status).help(format!("it counts; {instead}"));
                true
            }
            (Kind::File, 1) => {
                cx.say(Level::Warning, Code::Conflict, at, name, ignored, 5)
                    .help(format!("a number in the file that is not 0 means FAULT; {instead}"));
                self.weight = 0;
                true
            }
            _ => {
                cx.say(Level::Warning, Code::Conflict, at, name, ignored, 5)
                    .help(format!("it is not tracked; {instead}"));
                false
            }
        }
    }
}

/// Who tracks: what decides about its lines.
struct Holder<'a> {
    /// Its own interface, which is watched anyway.
    own: Option<&'a IfName>,
    owner: bool,
    /// Of a sync group without sync_group_tracking_weight.
    member: bool,
}

impl Lines {
    /// Of an instance that is not used: only what is wrong with them.
    pub fn look(self, cx: &mut Context, config: &Config) {
        drop(self.find(cx, config, &Holder { own: None, owner: false, member: false }));
    }

    fn find(self, cx: &mut Context, config: &Config, holder: &Holder) -> Vec<Found> {
        cx.return_to(&self.path);
        let mut all = Vec::new();
        for line in self.all {
            let Some(mut found) = line.find(cx, config) else { continue };
            if found.kind == Kind::Interface && holder.own.is_some_and(|own| own.as_str() == found.name.as_ref()) {
                let text = format!("'{}' is the instance's own interface", found.name);
                cx.say(Level::Warning, Code::Conflict, line.span, &found.name, text, 5)
                    .help("it is watched anyway; the line is not used");
                continue;
            }
            if found.weight != 0 && holder.owner {
                let text = format!("the weight of '{}' changes nothing: priority 255 stays", found.name);
                cx.say(Level::Warning, Code::Conflict, found.at, &found.name, text, 5)
                    .help("the line is not used; with weight 0 it means FAULT");
                continue;
            }
            if found.weight != 0 && holder.member && !found.in_a_group(cx) {
                continue;
            }
            all.push(found);
        }
        all
    }
}

impl Line {
    fn find(&self, cx: &mut Context, config: &Config) -> Option<Found> {
        let target = match cx.defined.of(self.kind).map(|names| names.get(&self.name).copied()) {
            None => 0,
            Some(Some(target)) => target?,
            // One of them has no name or an unknown keyword, which was said.
            Some(None) if self.kind.keyword().is_some_and(|block| cx.nameless.contains(&block)) => return None,
            Some(None) => {
                let names = cx.defined.of(self.kind).into_iter().flat_map(|names| names.keys());
                let close = cx.closest(&self.name, names.map(|n| n.as_ref()));
                let help = close.map(|c| format!("did you mean '{c}'? ")).unwrap_or_default();
                let text = format!("there is no {} '{}'", self.kind.block(), self.name);
                cx.error(Code::Reference, self.span, &self.name, text).help(format!("{help}it is not used"));
                return None;
            }
        };
        if self.kind == Kind::Bfd && config.bfd.get(target).is_some_and(|b| !b.vrrp) {
            let text = format!("the bfd_instance '{}' tells only checks: it has 'checker' and no 'vrrp'", self.name);
            cx.error(Code::Reference, self.span, &self.name, text).help("it is not used");
            return None;
        }
        let (weight, reverse) = match self.kind {
            Kind::Interface => (0, false),
            Kind::Script => config.scripts.get(target).map(|s| (s.weight, s.reverse))?,
            Kind::File => config.files.get(target).map(|f| (f.weight, f.reverse))?,
            Kind::Process => config.processes.get(target).map(|p| (p.weight, p.reverse))?,
            Kind::Bfd => config.bfd.get(target).map(|b| (b.weight, b.reverse))?,
        };
        let (weight, reverse, at) = match self.weight {
            Some((own, at)) => (own, self.reverse.unwrap_or(reverse), at),
            None => (weight, reverse, self.span),
        };
        Some(Found { kind: self.kind, name: self.name.clone(), target, weight, reverse, at })
    }
}

/// Once instances and groups are there: their lines, in the same order, one of them at a time.
pub struct Resolving {
    instances: std::iter::Enumerate<std::vec::IntoIter<Lines>>,
    groups: std::vec::IntoIter<Lines>,
    of_groups: Vec<(Box<str>, Vec<Found>)>,
    /// Groups that were looked at once more, with their instances.
    looked: usize,
}

impl Resolving {
    pub fn new(instances: Vec<Lines>, groups: Vec<Lines>) -> Resolving {
        let (instances, groups) = (instances.into_iter().enumerate(), groups.into_iter());
        Resolving { instances, groups, of_groups: Vec::new(), looked: 0 }
    }

    /// True: all is done.
    pub fn step(&mut self, cx: &mut Context, config: &mut Config) -> bool {
        if let Some(lines) = self.groups.next() {
            let path = lines.path.clone();
            self.of_groups.push((path, lines.find(cx, config, &Holder { own: None, owner: false, member: false })));
        } else if let Some((number, lines)) = self.instances.next() {
            self.instance(cx, config, number, lines);
        } else if self.looked < self.of_groups.len() {
            self.group(cx, config);
            self.looked += 1;
        } else {
            for (group, (_, found)) in config.groups.iter_mut().zip(std::mem::take(&mut self.of_groups)) {
                group.track = model(found).into();
            }
            cx.return_to("");
            return true;
        }
        false
    }

    fn instance(&self, cx: &mut Context, config: &mut Config, number: usize, lines: Lines) {
        let Some(conf) = config.instances.get(number) else { return };
        let group = conf.group.and_then(|g| config.groups.get(g));
        let holder = Holder {
            own: (!conf.dont_track_primary).then_some(&conf.interface),
            owner: conf.priority == PRIORITY_OWNER,
            member: group.is_some_and(|g| !g.tracking_weight),
        };
        let found = lines.find(cx, config, &holder);
        let shared = conf.group.and_then(|g| self.of_groups.get(g)).map(|(_, f)| f.as_slice()).unwrap_or_default();
        let sum = Sum::of(conf.priority, found.iter().chain(shared));
        for one in &found {
            if !sum.matters(one) {
                useless(cx, one);
            }
        }
        if let Some(conf) = config.instances.get_mut(number) {
            conf.track = model(found).into();
        }
    }

    fn group(&self, cx: &mut Context, config: &Config) {
        let Some(((path, found), group)) = self.of_groups.get(self.looked).zip(config.groups.get(self.looked)) else {
            return;
        };
        if found.is_empty() {
            return;
        }
        cx.return_to(path);
        let members = group.members.iter().filter_map(|m| config.instances.get(*m));
        // Members of the same priority are alike.
        let priorities: BTreeSet<u8> = members.map(|m| m.priority).filter(|p| *p != PRIORITY_OWNER).collect();
        let sums: Vec<Sum> = priorities.into_iter().map(|priority| Sum::of(priority, found.iter())).collect();
        for one in found {
            if sums.iter().all(|sum| !sum.matters(one)) {
                useless(cx, one);
            }
        }
    }
}

/// The least and the most that a priority can become by all that is tracked, before it is cut to 1..254.
struct Sum {
    low: i64,
    high: i64,
}

impl Sum {
    fn of<'a>(priority: u8, all: impl Iterator<Item = &'a Found>) -> Sum {
        let start = i64::from(priority);
        let (low, high) = all
            .map(Found::range)
            .fold((start, start), |(low, high), (l, h)| (low.saturating_add(l.into()), high.saturating_add(h.into())));
        Sum { low, high }
    }

    /// Can this one, which is in the sum, ever change what is left after the cut?
    fn matters(&self, one: &Found) -> bool {
        let (low, high) = one.range();
        match one.kind {
            Kind::File => true,
            _ if one.moves() > 0 => self.low.saturating_sub(low.into()) < 254,
            _ if one.moves() < 0 => self.high.saturating_sub(high.into()) > 1,
            _ => true,
        }
    }
}

fn useless(cx: &mut Context, one: &Found) {
    let (what, end) = if one.moves() > 0 { ("raise", "254 is the highest") } else { ("lower", "1 is the lowest") };
    let text = format!("the weight of '{}' can never {what} the priority: {end}", one.name);
    cx.warn(Code::Conflict, one.at, &one.name, text).help("choose another priority or weight");
}

fn model(found: Vec<Found>) -> Tracks {
    let mut tracks = Tracks::default();
    for one in found {
        let (weight, reverse) = (one.weight, one.reverse);
        let track = Track { target: one.target, weight, reverse };
        match one.kind {
            Kind::Interface => {
                if let Ok(name) = one.name.parse() {
                    tracks.interfaces.push(TrackInterface { name, weight, reverse });
                }
            }
            Kind::Script => tracks.scripts.push(track),
            Kind::File => tracks.files.push(track),
            Kind::Process => tracks.processes.push(track),
            Kind::Bfd => tracks.bfd.push(track),
        }
    }
    tracks
}
