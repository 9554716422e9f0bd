//! The shell around the machine: the loop, files, sockets, log. It turns readiness into events and effects into system
//! calls, and decides nothing.
//!
//! The order within a turn: adverts first, always; then kernel operations in batches; then a few announcements, a few
//! children, a slice of a configuration that is being loaded; after each piece whatever is due goes first again.

pub mod children;
pub mod conn;
pub mod dump;
pub mod fifo;
pub mod files;
mod igmp;
mod kept;
pub mod linkbeat;
pub mod load;
pub mod logger;
pub mod options;
pub mod owned;
pub mod pidfile;
pub mod processes;
mod receive;
mod scheduling;
pub mod tls;
mod trust;

use crate::base::addr::{Family, IfName};
use crate::base::time::Instant;
use crate::base::verdict::Verdict;
use crate::config::model::{CheckKind, Config, Files as WrittenFiles, Global, IpvsNamespace};
use crate::config::write;
use crate::limits;
use crate::linux::connector::Connector;
use crate::linux::ipvs::{self, Ipvs};
use crate::linux::netlink::{NewsEnd, Rtnl};
use crate::linux::nft::Nft;
use crate::linux::sysctl::Sysctls;
use crate::linux::{socket, sys, Done};
use crate::node::effect::{Effect, Line};
use crate::node::event::{Event, Outcome};
use crate::node::note::{Half, Level, Note};
use crate::node::{status, Node};
use crate::wire::link::{Sysctl, SysctlValue};
use crate::wire::op::{Key, News, Op, Owned, OwnedKey, SocketKey, Value};
use crate::wire::{arp, ip, na};
use children::Children;
use conn::Conns;
use fifo::Pipes;
use files::Files;
use igmp::Igmp;
use linkbeat::Linkbeat;
use load::Loading;
use logger::Logger;
use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use options::Options;
use owned::Record;
use processes::Processes;
use scheduling::Scheduling;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

const TIMER: Token = Token(0);
const SIGNALS: Token = Token(1);
const NEWS: Token = Token(2);
const FILES: Token = Token(5);
const PROCESSES: Token = Token(6);
const FIREWALL: Token = Token(8);
const FIRST_CHECK: usize = 16;
const FIRST_SOCKET: usize = FIRST_CHECK + limits::PROBES;

/// Kernel operations on IPVS carried out before the clock is looked at again: each is a system call of its own.
const IPVS_CHUNK: usize = 16;
/// What is needed after the start: the kernel's tables, raw sockets, low ports for checks, children of other users, a
/// configuration or pid files in a folder of another user, FIFOs that belong to one; priorities and locked memory that
/// a reload asks for.
const RIGHTS: [u8; 10] = [
    sys::CAP_NET_ADMIN,
    sys::CAP_NET_RAW,
    sys::CAP_NET_BIND_SERVICE,
    sys::CAP_SETUID,
    sys::CAP_SETGID,
    sys::CAP_KILL,
    sys::CAP_DAC_OVERRIDE,
    sys::CAP_CHOWN,
    sys::CAP_SYS_NICE,
    sys::CAP_IPC_LOCK,
];
/// After this the start, or a reload, is well over.
const TRIM_AFTER: Duration = Duration::from_secs(6);
/// Microseconds that the time of day may differ from what the node was told.
const CLOCK_STEP: u64 = 1000;
/// How long scripts of a stop may take.
const LAST_SCRIPTS: Duration = Duration::from_secs(1);

pub struct Daemon {
    node: Node,
    options: Options,
    poll: Poll,
    timer: OwnedFd,
    signals: OwnedFd,
    rtnl: Rtnl,
    nft: Nft,
    ipvs: Option<Ipvs>,
    /// Of another network namespace, if IPVS is in one.
    ipvs_place: Option<ipvs::Place>,
    tried_modprobe: bool,
    /// The raw sockets, by key; their tokens count up from FIRST_SOCKET.
    sockets: BTreeMap<SocketKey, (OwnedFd, usize)>,
    by_token: BTreeMap<usize, SocketKey>,
    /// Those of the sockets that are packet sockets.
    ears: BTreeSet<SocketKey>,
    next_token: usize,
    frames: OwnedFd,
    sysctls: Sysctls,
    /// Settings that a run before this one changed, until they are touched.
    left_settings: BTreeMap<(IfName, Sysctl), SysctlValue>,
    conns: Conns,
    children: Children,
    pipes: Pipes,
    /// Lines for the FIFOs, until the kernel has what they tell of.
    lines: VecDeque<Line>,
    files: Files,
    processes: Processes,
    igmp: Igmp,
    linkbeat: Linkbeat,
    scheduling: Scheduling,
    record: Record,
    logger: &'static Logger,
    loading: Option<Loading>,
    /// Errors of the running configuration: a reload may not bring new ones.
    known_errors: load::Errors,
    pids: pidfile::PidFiles,
    effects: Vec<Effect>,
    /// What the node was told of the time of day: the microseconds of 1970 at the monotonic clock's zero.
    epoch: u64,
    /// The umask that the process was started with, while it has another one.
    found_umask: Option<u32>,
    /// How many configurations were kept (config_save_dir).
    saved: u32,
    adverts: Vec<(SocketKey, Vec<u8>)>,
    ops: VecDeque<Op>,
    calls: VecDeque<Effect>,
    notes: Vec<Note>,
    verdicts: Vec<(u32, Verdict)>,
    /// Sources that were not read to their end.
    still_ready: VecDeque<Token>,
    stopping: Option<Instant>,
    /// When to give back the memory that only starting or loading needed.
    trim_at: Option<Instant>,
    /// Where the program's files are mapped, once that was looked up.
    text: Vec<std::ops::Range<usize>>,
}

/// What the daemon starts with, once options and configuration are known to be usable.
pub struct Start {
    pub options: Options,
    pub config: Config,
    pub known_errors: load::Errors,
    pub pids: pidfile::PidFiles,
    pub logger: &'static Logger,
    /// From `signals`, so that no signal is lost, or ends us, between the pid files and the loop.
    pub signals: OwnedFd,
    /// From before another network namespace was entered.
    pub connector: Option<Connector>,
    /// The network namespace before another one was entered.
    pub started_in: Option<std::fs::File>,
}

/// All that may be sent to a daemon, caught from here on: what has no meaning here must not end it either.
pub fn signals() -> io::Result<OwnedFd> {
    let mut signals = vec![libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD, libc::SIGUSR1, libc::SIGUSR2];
    signals.extend([libc::SIGPIPE, libc::SIGALRM, libc::SIGVTALRM, libc::SIGPROF, libc::SIGIO, libc::SIGPWR]);
    signals.extend(sys::realtime_signals());
    sys::signal_fd(&signals)
}

impl Daemon {
    pub fn new(start: Start) -> io::Result<Daemon> {
        let Start { options, config, known_errors, pids, logger, signals, connector, started_in } = start;
        let (mut record, owned) = match Record::of_daemon(std::path::Path::new(owned::DIR), &options) {
            Ok((record, owned)) => {
                if record.bad_lines > 0 {
                    log::warn!("{} lines of the ownership record make no sense and are left out", record.bad_lines);
                }
                (record, owned)
            }
            Err(e) => {
                log::warn!(
                    "no ownership record in {}: {e}; what a crash would leave is found by the configuration only",
                    owned::DIR
                );
                (Record::none(), Vec::new())
            }
        };
        record.claim(owned::claims(&config));
        let ipvs_place = ipvs_place(&config.global.namespace.ipvs, started_in.as_ref())?;
        let mut children = Children::default();
        children.obey(&config.global.scripts);
        children.once("startup_script", &config.global.startup);
        // Before a group is joined.
        let mut igmp = Igmp::default();
        igmp.follow(config.global.vrrp.disable_local_igmp);
        let mut daemon = Daemon {
            node: Node::new(Rc::new(config)),
            poll: Poll::new()?,
            timer: sys::timer()?,
            signals,
            rtnl: Rtnl::open()?,
            nft: Nft::default(),
            ipvs: None,
            ipvs_place,
            tried_modprobe: false,
            sockets: BTreeMap::new(),
            by_token: BTreeMap::new(),
            ears: BTreeSet::new(),
            next_token: FIRST_SOCKET,
            frames: socket::packet()?,
            sysctls: Sysctls::default(),
            left_settings: settings(&owned),
            conns: Conns::new(FIRST_CHECK, Box::new(conn::open)),
            children,
            pipes: Pipes::default(),
            lines: VecDeque::new(),
            files: Files::default(),
            processes: Processes::new(connector),
            igmp,
            linkbeat: Linkbeat::default(),
            scheduling: Scheduling::default(),
            record,
            logger,
            loading: None,
            known_errors,
            pids,
            effects: Vec::new(),
            epoch: 0,
            found_umask: None,
            saved: 0,
            adverts: Vec::new(),
            ops: VecDeque::new(),
            calls: VecDeque::new(),
            notes: Vec::new(),
            verdicts: Vec::new(),
            still_ready: VecDeque::new(),
            stopping: None,
            trim_at: Some(now() + TRIM_AFTER),
            text: Vec::new(),
            options,
        };
        daemon.watch(daemon.timer.as_raw_fd(), TIMER)?;
        daemon.watch(daemon.signals.as_raw_fd(), SIGNALS)?;
        daemon.watch(daemon.rtnl.news_fd().as_raw_fd(), NEWS)?;
        if let Some(fd) = daemon.processes.fd() {
            daemon.watch(fd.as_raw_fd(), PROCESSES)?;
        }
        let config = daemon.node.config().clone();
        daemon.follow_fifos(&config);
        let drawn = (sys::realtime_micros() as u32) ^ std::process::id();
        let seed = daemon.node.config().global.random_seed.unwrap_or(drawn);
        daemon.follow_umask();
        daemon.step(Event::Start { seed, owned });
        daemon.follow_files(&config);
        daemon.processes.follow(&config, now());
        if let Some(counts) = daemon.processes.all(now()) {
            daemon.step(Event::Processes(&counts));
        }
        daemon.dump()?;
        daemon.linkbeat.follow(config.polls(), now());
        daemon.save();
        daemon.schedule();
        // IPVS was looked for, and its module loaded; programs that root's scripts start have all their rights again.
        if let Err(e) = sys::keep_capabilities(&RIGHTS) {
            log::debug!("capabilities that are not needed could not be given up: {e}");
        }
        Ok(daemon)
    }

    /// -u counts more than the configuration; where neither says anything, programs have the one of the start.
    fn follow_umask(&mut self) {
        let asked = self.node.config().global.files.umask;
        if self.options.umask.is_some() {
            return;
        }
        if asked != WrittenFiles::default().umask {
            let before = sys::umask(asked.into());
            self.found_umask.get_or_insert(before);
        } else if let Some(found) = self.found_umask.take() {
            sys::umask(found);
        }
    }

    /// Of a file that is written.
    fn mode(&self) -> u32 {
        0o666 & !self.options.umask.unwrap_or(self.node.config().global.files.umask.into())
    }

    /// config_save_dir
    fn save(&mut self) {
        let config = self.node.config();
        let Some(folder) = &config.global.files.config_save_dir else { return };
        let path = kept::path(folder, self.saved);
        let written = dump::write(&path, write::write(config, true).as_bytes(), self.mode());
        self.saved = self.saved.wrapping_add(1);
        if let Err(e) = written {
            log::warn!("{} not written: {e}", path.display());
        }
    }

    fn schedule(&mut self) {
        for fault in self.scheduling.follow(self.node.config()) {
            log::warn!("{fault}");
        }
    }

    fn watch(&self, fd: i32, token: Token) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)
    }

    /// Runs until it is told to stop and everything is given back.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = mio::Events::with_capacity(128);
        loop {
            let begin = now();
            let more = self.work();
            if let Some(since) = self.stopping {
                let scripts_done = self.children.is_idle() || now() >= since + LAST_SCRIPTS;
                if self.node.is_stopped() && self.ops.is_empty() && self.calls.is_empty() && scripts_done {
                    // Of a loop that got no turn for it.
                    self.write_lines(usize::MAX);
                    self.pipes.close();
                    break;
                }
            }
            let took = now().since(begin);
            if took > limits::TURN {
                log::debug!("a turn of the loop took {} ms", took.as_millis());
            }
            self.logger.flush(now());
            let wake = if more || !self.still_ready.is_empty() { Some(Instant(0)) } else { self.wake_at() };
            let sleep = match wake {
                Some(at) if at <= now() => {
                    if self.scheduling.needs_pauses() {
                        sys::pause();
                    }
                    Some(Duration::ZERO)
                }
                at => {
                    sys::timer_set(self.timer.as_fd(), at.map(|at| at.0))?;
                    None
                }
            };
            match self.poll.poll(&mut events, sleep) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
                _ => {}
            }
            if let (Some(at), None) = (wake, sleep) {
                let late = self.scheduling.woke_late(now().since(at));
                late.into_iter().for_each(|line| log::warn!("{line}"));
            }
            self.run_due();
            let mut tokens: VecDeque<Token> = std::mem::take(&mut self.still_ready);
            for event in &events {
                if !tokens.contains(&event.token()) {
                    tokens.push_back(event.token());
                }
            }
            // Adverts and links before checks.
            let (first, checks): (Vec<Token>, Vec<Token>) = tokens.into_iter().partition(|t| !self.conns.owns(*t));
            for token in first.into_iter().chain(checks) {
                self.serve(token)?;
                self.run_due();
            }
        }
        self.finish();
        Ok(())
    }

    /// Everything that waits in the queues, in the order of their weight. True if some of it is left for the next turn.
    fn work(&mut self) -> bool {
        self.run_due();
        self.flush_kernel();
        let count = self.notes.len().min(limits::NOTES_PER_TURN);
        for note in self.notes.drain(..count) {
            say(&note);
        }
        self.run_due();
        if self.ops.is_empty() {
            self.write_lines(limits::LINES_PER_TURN);
        }
        if self.node.is_stopped() && self.ops.is_empty() && self.lines.is_empty() && self.pipes.is_open() {
            // All is said: who reads it finds the end.
            let kept = self.pipes.close();
            self.children.dismiss_readers(&kept, now());
        }
        for _ in 0..limits::ANNOUNCEMENTS_PER_TURN {
            // What is announced is there.
            if !self.ops.is_empty() {
                break;
            }
            let Some(call) = self.calls.pop_front() else { break };
            self.announce(call);
        }
        if self.node.is_announcing() && self.calls.is_empty() && self.ops.is_empty() {
            self.step(Event::Announced);
        }
        self.run_due();
        let at = now();
        self.conns.due(self.poll.registry(), at, &mut self.verdicts);
        self.children.due(at);
        let mut more = self.children.start(at, &mut self.verdicts);
        self.take_verdicts();
        self.say_of_children();
        if let Some(values) = self.files.due(at) {
            self.tell_files(values);
            self.watch_files();
        }
        if let Some(counts) = self.processes.step(at, limits::PROCESSES_PER_TURN) {
            self.step(Event::Processes(&counts));
        }
        if self.linkbeat.is_due(at) {
            self.poll_links();
        }
        if self.trim_at.is_some_and(|trim| trim <= at) {
            self.trim_at = None;
            self.rtnl.trim();
            if !self.scheduling.is_locked() {
                if self.text.is_empty() {
                    self.text = sys::program_text();
                }
                sys::trim(&self.text, sys::SMALL_PIECE);
            }
        }
        if let Some(loading) = &mut self.loading {
            more |= !loading.step(load::SLICE);
            if loading.is_done() {
                self.reload();
            }
        }
        self.slim();
        // Verdicts and a reload come late in the turn: what they want said, and run, waits for no further event.
        more |= !self.notes.is_empty() || !self.lines.is_empty() || self.children.wants_start();
        more || !self.ops.is_empty() || !self.calls.is_empty() || self.conns.has_backlog()
    }

    fn say_of_children(&mut self) {
        for line in self.children.said.drain(..).chain(self.pipes.said.drain(..)) {
            log::warn!("{line}");
        }
    }

    /// At most so many.
    fn write_lines(&mut self, count: usize) {
        for line in self.lines.drain(..count.min(self.lines.len())) {
            self.pipes.write(&line);
        }
    }

    /// Opens the FIFOs of a configuration and starts their readers; those before it end.
    fn follow_fifos(&mut self, config: &Config) {
        let umask = self.options.umask.unwrap_or(u32::from(config.global.files.umask));
        self.write_lines(usize::MAX);
        let kept = self.pipes.close();
        self.children.dismiss_readers(&kept, now());
        for reader in self.pipes.open(&config.global.fifos, umask) {
            self.children.read(&reader, now());
        }
    }

    /// Queues that were long give their room back.
    fn slim(&mut self) {
        let kept = limits::QUEUE_KEPT;
        if self.ops.is_empty() && self.ops.capacity() > kept {
            self.ops = VecDeque::new();
        }
        if self.calls.is_empty() && self.calls.capacity() > kept {
            self.calls = VecDeque::new();
        }
        if self.lines.is_empty() && self.lines.capacity() > kept {
            self.lines = VecDeque::new();
        }
        if self.notes.is_empty() && self.notes.capacity() > kept {
            self.notes = Vec::new();
        }
        if self.effects.capacity() > kept {
            self.effects = Vec::new();
        }
        if self.adverts.capacity() > kept {
            self.adverts = Vec::new();
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let last = self.stopping.map(|at| at + LAST_SCRIPTS);
        let log = self.logger.wants_flush().map(|soon| now() + soon);
        let tracked = [self.files.deadline(), self.processes.deadline(), self.linkbeat.deadline()];
        let all = [self.node.deadline(), self.conns.deadline(), self.children.deadline(), last, log, self.trim_at];
        all.into_iter().chain(tracked).flatten().min()
    }

    // ---- events -----------------------------------------------------------------------------------------------

    fn run_due(&mut self) {
        // A bound, so that a node that is always due cannot keep everybody else waiting.
        for _ in 0..64 {
            if self.node.deadline().is_none_or(|at| at > now()) {
                return;
            }
            // An owner sends its first advert at once: by a socket that was asked for in the step before.
            if self.ops.front().is_some_and(|op| Kind::of(op) == Kind::Socket) {
                self.flush_kernel();
            }
            self.step(Event::Due);
            if self.ops.len() >= limits::KERNEL_BATCH {
                return;
            }
        }
    }

    fn step(&mut self, event: Event) {
        let mut effects = std::mem::take(&mut self.effects);
        self.tell_time(&event, &mut effects);
        self.node.step(now(), event, &mut effects);
        for effect in effects.drain(..) {
            // Adverts wait for nothing that comes behind them.
            if !matches!(effect, Effect::Send { .. } | Effect::Frame { .. }) {
                self.flush_adverts();
            }
            match effect {
                Effect::Send { socket, bytes } => self.adverts.push((socket, bytes)),
                Effect::Frame { ifindex, bytes } => self.send_frame(ifindex, &bytes),
                Effect::Kernel(op) => self.ops.push_back(op),
                call @ Effect::Announce { .. } => self.calls.push_back(call),
                Effect::OpenIpvs => self.open_ipvs(),
                Effect::Probe { id, url } => self.probe(id, url),
                Effect::Abandon(id) => {
                    self.conns.abandon(id);
                    self.children.abandon(id);
                }
                Effect::Spawn(spawn) => self.children.queue(spawn),
                Effect::Fifo(line) => self.lines.push_back(line),
                Effect::Run(run) => self.children.run(run),
                Effect::StopRun(id) => self.children.stop_run(id),
                Effect::Note(note) => self.notes.push(note),
            }
        }
        self.effects = effects;
        self.flush_adverts();
    }

    /// The time of day, if it is asked for and has jumped: this one is not monotonic.
    fn tell_time(&mut self, before: &Event, effects: &mut Vec<Effect>) {
        if !self.node.wants_clock() && !matches!(before, Event::Reload(_)) {
            return;
        }
        let epoch = sys::realtime_micros().saturating_sub(sys::monotonic_micros());
        if epoch.abs_diff(self.epoch) > CLOCK_STEP {
            self.epoch = epoch;
            self.node.step(now(), Event::Clock { epoch }, effects);
        }
    }

    fn serve(&mut self, token: Token) -> io::Result<()> {
        match token {
            TIMER => drop(sys::timer_read(self.timer.as_fd())),
            SIGNALS => self.signals(),
            NEWS => self.news(token)?,
            FIREWALL => self.firewall_news(token),
            FILES => {
                let (values, more) = self.files.ready(now());
                self.tell_files(values);
                self.still_ready.extend(more.then_some(token));
            }
            PROCESSES => {
                let more = self.processes.ready(now());
                self.still_ready.extend(more.then_some(token));
            }
            check if self.conns.owns(check) => {
                self.conns.ready(self.poll.registry(), check, now(), &mut self.verdicts);
                self.take_verdicts();
            }
            socket => self.packets(socket),
        }
        Ok(())
    }

    fn signals(&mut self) {
        while let Some((signal, _)) = sys::signal_read(self.signals.as_fd()) {
            match signal {
                libc::SIGINT if self.options.ignore_sigint => log::info!("SIGINT is ignored, as told"),
                libc::SIGTERM | libc::SIGINT => self.stop(),
                libc::SIGHUP => self.load(),
                libc::SIGCHLD => {
                    self.children.reap(&mut self.verdicts);
                    self.take_verdicts();
                }
                // A checked server closed the connection that we write to: the write says so itself.
                libc::SIGPIPE => {}
                libc::SIGUSR1 => self.dump_file(dump::Kind::Data),
                libc::SIGUSR2 => self.dump_file(dump::Kind::Stats),
                // One number on most machines, the next one on others.
                n if n == sys::realtime_signal(2) || n == sys::realtime_signal(3) => self.dump_file(dump::Kind::Json),
                n if n == sys::realtime_signal(-1) => {
                    self.dump_file(dump::Kind::Stats);
                    self.node.clear_counters();
                }
                other => log::debug!("signal {other} means nothing here"),
            }
        }
    }

    fn dump_file(&self, kind: dump::Kind) {
        let epoch = sys::realtime_micros().saturating_sub(sys::monotonic_micros());
        let global = &self.node.config().global;
        let text = match kind {
            dump::Kind::Data => status::data(&self.node, epoch),
            dump::Kind::Stats => status::stats(&self.node),
            dump::Kind::Json => status::json(&self.node, layout(global), epoch),
        };
        // keepalived names it in that file only.
        let named = global.files.data_use_instance && kind == dump::Kind::Data;
        let part =
            [&global.namespace.name, &global.instance].into_iter().flatten().cloned().collect::<Vec<_>>().join("_");
        let usual = dump::path(kind, (named && !part.is_empty()).then_some(part.as_str()));
        let path = match &global.files.state_dump {
            Some(path) if kind == dump::Kind::Data => path.as_ref().into(),
            _ => usual,
        };
        match dump::write(&path, text.as_bytes(), self.mode()) {
            Ok(()) => log::info!("{} written", path.display()),
            Err(e) => log::warn!("{} not written: {e}", path.display()),
        }
    }

    fn stop(&mut self) {
        if self.stopping.is_none() {
            log::info!("Stopping");
            self.stopping = Some(now());
            (self.files, self.processes) = (Files::default(), Processes::default());
            self.linkbeat = Linkbeat::default();
            self.scheduling.give_back();
            if self.loading.take().is_some() {
                self.mark_reload(false);
            }
            self.calls.clear();
            self.step(Event::Stop);
        }
    }

    fn news(&mut self, token: Token) -> io::Result<()> {
        let mut all = Vec::new();
        let end = self.rtnl.read_news(limits::PACKETS_PER_TURN, &mut |news| all.push(news))?;
        for news in all {
            self.step(Event::Kernel(news));
        }
        match end {
            NewsEnd::Drained => {}
            NewsEnd::More => self.still_ready.push_back(token),
            NewsEnd::Overrun => {
                log::warn!("the kernel's news came faster than they were read: its tables are read anew");
                self.dump()?;
                self.still_ready.push_back(token);
            }
        }
        Ok(())
    }

    fn poll_links(&mut self) {
        for (ifindex, name, way) in self.node.polled() {
            if let Some(up) = self.linkbeat.ask(&name, way) {
                self.step(Event::Kernel(News::Beat { ifindex, up }));
            }
        }
    }

    /// Somebody removed a table: ours, or another one of that family.
    fn firewall_news(&mut self, token: Token) {
        let (gone, more) = self.nft.read_news(limits::PACKETS_PER_TURN);
        for (family, name) in gone {
            self.step(Event::Kernel(News::FirewallGone(family, name)));
        }
        self.still_ready.extend(more.then_some(token));
    }

    fn watch_firewall(&mut self) {
        if self.nft.listens() {
            return;
        }
        let fd = self.nft.listen().map(|fd| fd.as_raw_fd());
        if let Some(Err(e)) = fd.map(|fd| self.watch(fd, FIREWALL)) {
            log::debug!("what others do to nftables is not heard: {e}");
        }
    }

    fn dump(&mut self) -> io::Result<()> {
        // What is decided already goes to the kernel first, so that the dump tells of it.
        while !self.ops.is_empty() {
            self.flush_kernel();
        }
        let mut all = Vec::new();
        self.rtnl.dump(&mut |news| all.push(news))?;
        for news in all {
            self.step(Event::Kernel(news));
        }
        Ok(())
    }

    fn packets(&mut self, token: Token) {
        let Some(key) = self.by_token.get(&token.0).copied() else { return };
        let mut buf = [0u8; 2048];
        for _ in 0..limits::PACKETS_PER_TURN {
            let Some((fd, _)) = self.sockets.get(&key) else { return };
            let got = match self.ears.contains(&key) {
                true => socket::recv_ear(fd.as_fd(), &mut buf),
                false => socket::recv(fd.as_fd(), Family::of(&key.address), &mut buf),
            };
            match got {
                Ok(len) => {
                    let bytes = buf.get(..len).unwrap_or_default();
                    self.step(Event::Packet { ifindex: key.ifindex, bytes });
                    self.run_due();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // ENETDOWN and its like: said once by the link's own news; there may be packets behind it.
                Err(_) => {}
            }
        }
        self.still_ready.push_back(token);
    }

    // ---- tracked files ----------------------------------------------------------------------------------------

    /// What they say is known before the configuration that asks for it.
    fn follow_files(&mut self, config: &Config) {
        let values = self.files.follow(config, now());
        self.watch_files();
        self.tell_files(values);
    }

    /// The queue is another one each time, and the old one left the poll when it was closed.
    fn watch_files(&self) {
        if let Some(Err(e)) = self.files.fd().map(|fd| self.watch(fd.as_raw_fd(), FILES)) {
            log::warn!(target: "vrrp", "tracked files are not watched: {e}");
        }
    }

    fn tell_files(&mut self, values: Vec<files::Value>) {
        for (path, value) in values {
            self.step(Event::File { path: &path, value });
        }
    }

    fn take_verdicts(&mut self) {
        for (id, verdict) in std::mem::take(&mut self.verdicts) {
            self.step(Event::Verdict(id, verdict));
        }
        for (id, verdict, ended) in std::mem::take(&mut self.children.ran) {
            self.step(Event::Ran { id, verdict, ended });
        }
    }

    // ---- effects ----------------------------------------------------------------------------------------------

    /// Adverts leave at once, all of one socket in one system call.
    fn flush_adverts(&mut self) {
        if self.adverts.is_empty() {
            return;
        }
        let adverts = std::mem::take(&mut self.adverts);
        let mut rest = adverts.as_slice();
        while let Some((key, _)) = rest.first() {
            let same = rest.iter().take_while(|(k, _)| k == key).count();
            let (run, others) = rest.split_at(same);
            if let Some((fd, _)) = self.sockets.get(key) {
                let batch: Vec<(IpAddr, &[u8])> =
                    run.iter().filter_map(|(_, b)| Some((ip::destination(b)?, b.as_slice()))).collect();
                let (_, fault) = socket::send_batch(fd.as_fd(), &batch);
                // A link that is down says so by its own news.
                if let Some(e) = fault.filter(|e| !matches!(e.raw_os_error(), Some(libc::ENETDOWN | libc::ENETUNREACH)))
                {
                    log::debug!(target: "vrrp", "advert not sent on interface {}: {e}", key.ifindex);
                }
            }
            rest = others;
        }
        self.adverts = adverts;
        self.adverts.clear();
    }

    /// Carries out operations until something else is due; at least one batch.
    fn flush_kernel(&mut self) {
        while let Some(first) = self.ops.front() {
            let kind = Kind::of(first);
            let most = if kind == Kind::Ipvs { IPVS_CHUNK } else { limits::KERNEL_BATCH };
            let n = self.ops.iter().take(most).take_while(|op| Kind::of(op) == kind).count();
            let ops: Vec<Op> = self.ops.drain(..n).collect();
            let names: BTreeMap<u32, IfName> = ops.iter().filter_map(|op| self.name_for(op)).collect();
            let name_of = |i: u32| names.get(&i).cloned();
            self.look_at_settings(&ops, &name_of);
            self.record.before(&ops, &name_of, &|key| match key {
                Key::Sysctl(s) => self.sysctls.kept(s).map(Value::Sysctl),
                _ => self.node.table().found(key).cloned(),
            });
            let mut answers: Vec<(Op, Outcome)> = Vec::new();
            let mut done: Vec<Op> = Vec::new();
            let mut take = |op: &Op, what: Done| match what {
                Done::Applied => done.push(op.clone()),
                Done::WasThere => {
                    done.push(op.clone());
                    answers.push((op.clone(), Outcome::WasThere));
                }
                Done::Refused(errno) => answers.push((op.clone(), Outcome::Refused(errno))),
            };
            match kind {
                Kind::Socket => {
                    for op in &ops {
                        let what = self.socket_op(op);
                        take(op, what);
                    }
                }
                Kind::Sysctl => {
                    for op in &ops {
                        let what = self.setting_op(op, &name_of);
                        take(op, what);
                    }
                }
                Kind::Rtnl => self.rtnl.apply(&ops, &mut take),
                Kind::Nft => {
                    self.nft.apply(&ops, &mut take);
                    self.watch_firewall();
                }
                Kind::Ipvs => {
                    for op in &ops {
                        let what = self.ipvs.as_mut().map_or(Done::Refused(libc::ENOPROTOOPT), |ipvs| ipvs.apply(op));
                        take(op, what);
                    }
                }
            }
            self.record.after(&done, &name_of);
            for (op, outcome) in answers {
                self.step(Event::Answer(op, outcome));
            }
            for op in &done {
                if let Op::Add(Key::Firewall(family), _) | Op::Set(Key::Firewall(family), _) = op {
                    self.step(Event::Kernel(News::FirewallReady(*family)));
                }
            }
            if self.node.deadline().is_some_and(|at| at <= now()) {
                return;
            }
        }
    }

    fn name_for(&self, op: &Op) -> Option<(u32, IfName)> {
        match op.key() {
            Key::Address(a) => Some((a.ifindex, self.node.interface_name(a.ifindex)?.clone())),
            Key::Sysctl(s) => Some((s.ifindex, self.node.interface_name(s.ifindex)?.clone())),
            _ => None,
        }
    }

    /// What is there before it is changed, for the record.
    fn look_at_settings(&mut self, ops: &[Op], name_of: &dyn Fn(u32) -> Option<IfName>) {
        for op in ops {
            let Key::Sysctl(key) = op.key() else { continue };
            let Some(name) = name_of(key.ifindex) else { continue };
            if let Some(value) = self.left_settings.remove(&(name.clone(), key.which)) {
                self.sysctls.remember(key, value);
            }
            match op {
                Op::Add(_, Value::Sysctl(v)) => self.sysctls.look(key, &name, v.value, true),
                Op::Set(_, Value::Sysctl(v)) => self.sysctls.look(key, &name, v.value, false),
                _ => {}
            }
        }
    }

    fn setting_op(&mut self, op: &Op, name_of: &dyn Fn(u32) -> Option<IfName>) -> Done {
        let Key::Sysctl(key) = op.key() else { return Done::Refused(libc::EINVAL) };
        match (op, name_of(key.ifindex)) {
            (Op::Remove(..), None) => Done::WasThere,
            (Op::Remove(..), Some(name)) => self.sysctls.put_back(key, &name),
            (Op::Add(_, Value::Sysctl(v)) | Op::Set(_, Value::Sysctl(v)), Some(name)) => {
                self.sysctls.set(key, &name, v.value)
            }
            _ => Done::Refused(libc::ENODEV),
        }
    }

    /// An advert from an address that is not the interface's own.
    fn send_frame(&self, ifindex: u32, frame: &[u8]) {
        if let Err(e) = socket::send_frame(self.frames.as_fd(), ifindex, frame) {
            if e.raw_os_error() != Some(libc::ENETDOWN) {
                log::debug!(target: "vrrp", "advert not sent on interface {ifindex}: {e}");
            }
        }
    }

    fn socket_op(&mut self, op: &Op) -> Done {
        let (key, ear) = match op.key() {
            Key::Socket(key) => (key, false),
            Key::Ear(key) => (key, true),
            _ => return Done::Refused(libc::EINVAL),
        };
        if let Op::Remove(..) = op {
            self.ears.remove(&key);
            let Some((fd, token)) = self.sockets.remove(&key) else { return Done::WasThere };
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd.as_raw_fd()));
            self.by_token.remove(&token);
            return Done::Applied;
        }
        if self.sockets.contains_key(&key) {
            return Done::WasThere;
        }
        let errno = |e: io::Error| Done::Refused(e.raw_os_error().unwrap_or(libc::EIO));
        let name = self.node.interface_name(key.ifindex);
        if name.is_none() && key.ifindex > 0 {
            return Done::Refused(libc::ENODEV);
        }
        let made = if ear { socket::ear(&key) } else { socket::vrrp(&key, name) };
        let fd = match made {
            Ok(fd) => fd,
            Err(e) => return errno(e),
        };
        let token = self.next_token;
        self.next_token += 1;
        if let Err(e) = self.watch(fd.as_raw_fd(), Token(token)) {
            return errno(e);
        }
        if let Some(bytes) = receive::bytes(self.node.config(), &key, name, self.node.mtu(key.ifindex)) {
            receive::set(fd.as_fd(), bytes);
        }
        self.by_token.insert(token, key);
        self.sockets.insert(key, (fd, token));
        if ear {
            self.ears.insert(key);
        }
        Done::Applied
    }

    fn announce(&mut self, call: Effect) {
        let Effect::Announce { ifindex, mac, ip } = call else { return };
        let frame = match ip {
            IpAddr::V4(ip) => arp::gratuitous(mac, ip).to_vec(),
            IpAddr::V6(ip) => na::unsolicited(mac, ip, self.forwards_v6(ifindex)),
        };
        if let Err(e) = socket::send_frame(self.frames.as_fd(), ifindex, &frame) {
            log::debug!(target: "vrrp", "{ip} not announced on interface {ifindex}: {e}");
        }
    }

    fn forwards_v6(&self, ifindex: u32) -> bool {
        let Some(name) = self.node.interface_name(ifindex) else { return false };
        let path = format!("/proc/sys/net/ipv6/conf/{name}/forwarding");
        std::fs::read(path).is_ok_and(|text| text.first().is_some_and(|b| *b != b'0'))
    }

    fn open_ipvs(&mut self) {
        if self.ipvs.is_none() {
            self.ipvs = Ipvs::open_at(self.ipvs_place.as_ref()).ok();
        }
        if self.ipvs.is_none() {
            // Before the first advert there is time to wait for modprobe; later the next attempt finds what it did.
            if !std::mem::replace(&mut self.tried_modprobe, true) {
                let _ = ipvs::load_module();
                self.ipvs = Ipvs::open_at(self.ipvs_place.as_ref()).ok();
            } else {
                self.children.modprobe();
            }
        }
        let mut all = Vec::new();
        let read = self.ipvs.as_mut().is_some_and(|ipvs| ipvs.dump(&mut |news| all.push(news)).is_ok());
        all.push(if read { News::IpvsReady } else { News::IpvsMissing });
        if !read {
            self.ipvs = None;
        }
        for news in all {
            self.step(Event::Kernel(news));
        }
    }

    fn probe(&mut self, id: u32, url: usize) {
        let Some((server, check)) = self.node.check(id) else { return };
        if let CheckKind::Misc(misc) = &check.kind {
            self.children.check(id, misc);
        } else {
            let (to, check) = (check.to(server), check.clone());
            self.conns.start(self.poll.registry(), now(), id, (to, &check), url, &mut self.verdicts);
        }
    }

    // ---- configuration ----------------------------------------------------------------------------------------

    fn load(&mut self) {
        log::info!("Reloading {}", load::path(&self.options).display());
        self.mark_reload(true);
        match Loading::begin(&self.options) {
            Ok(loading) => self.loading = Some(loading),
            Err(e) => {
                self.mark_reload(false);
                log::error!("{e}: the running configuration stays");
            }
        }
    }

    /// reload_file: there as long as the files are being read.
    fn mark_reload(&self, begins: bool) {
        let global = &self.node.config().global;
        let Some(file) = &global.reload.file else { return };
        let path = kept::reload_file(file, &self.options, global.instance.as_deref());
        let done = if begins { kept::mark(&path, self.mode()) } else { kept::unmark(&path) };
        if let Err(e) = done {
            log::warn!("reload_file {}: {e}", path.display());
        }
    }

    /// Sockets that are there already have the size that a new configuration gives them.
    fn follow_sizes(&self, before: bool) {
        let config = self.node.config();
        if !before && !receive::asks(config) {
            return;
        }
        for (key, (fd, _)) in &self.sockets {
            let name = self.node.interface_name(key.ifindex);
            let bytes = receive::bytes(config, key, name, self.node.mtu(key.ifindex));
            receive::set(fd.as_fd(), bytes.unwrap_or(socket::RECEIVE_BUFFER));
        }
    }

    fn reload(&mut self) {
        self.trim_at = Some(now() + TRIM_AFTER);
        let Some(loading) = self.loading.take() else { return };
        self.mark_reload(false);
        let mode = self.mode();
        match loading.finish(&self.options, self.node.config(), &self.known_errors, mode) {
            Ok((config, errors)) => {
                self.known_errors = errors;
                let paths = pidfile::paths(&self.options, !config.instances.is_empty(), config.serves());
                if let Err(e) = self.pids.follow(&paths) {
                    log::warn!("{e}");
                }
                let fixed = |g: &Global| (g.namespace.clone(), g.instance.clone(), g.files.pid_dir);
                if fixed(&config.global) != fixed(&self.node.config().global) {
                    log::warn!("net_namespace, instance and use_pid_dir are read at the start only");
                }
                self.igmp.follow(config.global.vrrp.disable_local_igmp);
                self.record.claim(owned::claims(&config));
                self.follow_files(&config);
                self.processes.follow(&config, now());
                let (polls, sized) = (config.polls(), receive::asks(self.node.config()));
                self.children.obey(&config.global.scripts);
                self.follow_fifos(&config);
                self.step(Event::Reload(Rc::new(config)));
                self.linkbeat.follow(polls, now());
                self.follow_sizes(sized);
                self.follow_umask();
                self.save();
                self.schedule();
                log::info!("Reload done");
            }
            Err(e) => log::error!("{e}: the running configuration stays"),
        }
    }

    fn finish(&mut self) {
        if self.node.table().is_empty_handed() {
            self.record.clear();
        } else {
            log::warn!("the kernel refused to take back everything: the record of it stays for the next start");
        }
        self.notes.drain(..).for_each(|note| say(&note));
        self.igmp.follow(false);
        self.children.end_all();
        let config = self.node.config().clone();
        self.children.once("shutdown_script", &config.global.shutdown);
        self.say_of_children();
        self.pids.remove();
        log::info!("Stopped");
        self.logger.flush(now());
    }
}

fn ipvs_place(space: &IpvsNamespace, started_in: Option<&std::fs::File>) -> io::Result<Option<ipvs::Place>> {
    match space {
        IpvsNamespace::Same => Ok(None),
        // None was entered: it is the same.
        IpvsNamespace::Started => started_in.map(|space| ipvs::Place::open(space.as_fd())).transpose(),
        IpvsNamespace::Named(name) if !pidfile::is_plain(name) => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        IpvsNamespace::Named(name) => {
            let space = std::fs::File::open(format!("/run/netns/{name}"));
            let place = space.and_then(|space| ipvs::Place::open(space.as_fd()));
            place.map(Some).map_err(|e| io::Error::other(format!("network namespace {name} of IPVS: {e}")))
        }
    }
}

fn settings(owned: &[Owned]) -> BTreeMap<(IfName, Sysctl), SysctlValue> {
    let one = |o: &Owned| match (&o.key, &o.found) {
        (OwnedKey::Sysctl { interface, which }, Some(Value::Sysctl(v))) => Some(((interface.clone(), *which), *v)),
        _ => None,
    };
    owned.iter().filter_map(one).collect()
}

fn layout(global: &Global) -> status::Layout {
    if global.files.json_version == 2 {
        status::Layout::V2
    } else {
        status::Layout::V1
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socket,
    Nft,
    Sysctl,
    Rtnl,
    Ipvs,
}

impl Kind {
    fn of(op: &Op) -> Kind {
        match op.key() {
            Key::Socket(_) | Key::Ear(_) => Kind::Socket,
            Key::Sysctl(_) => Kind::Sysctl,
            Key::Firewall(_) | Key::Blocked(_) => Kind::Nft,
            Key::Link(_) | Key::Up(_) | Key::Address(_) | Key::Route(_) | Key::Rule(_) => Kind::Rtnl,
            Key::Service(_) | Key::Dest(..) | Key::SyncDaemon(_) => Kind::Ipvs,
        }
    }
}

fn now() -> Instant {
    Instant(sys::monotonic_micros())
}

fn say(note: &Note) {
    let level = match note.level() {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
    };
    match note.half() {
        Half::Vrrp => log::log!(target: "vrrp", level, "{note}"),
        Half::Checkers => log::log!(target: "checkers", level, "{note}"),
    }
}
