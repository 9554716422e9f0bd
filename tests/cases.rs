//! Stories in files: `tests/cases/*.case`, one for each rule of VRRP. A configuration, `---`, then what happens (`at`)
//! and all that comes of it (`expect`). What no line names must not happen. `BLESS=1` writes the expectations anew.
//!
//! ```text
//! at 3.1 hear prio 0 from 10.77.0.2     a packet; Advert in cases/packet.rs has the words
//! at 1 hear prio 150 each 1 until 9     one each second
//! at 2 link v0 down                     down, up, gone, new
//! at 2 address v0 lacks 10.77.0.1/24    lacks, has: somebody's `ip addr`
//! at 2 script chk fails                 fails, succeeds; file NAME 7; processes 0 1
//! at 0 start   at 9 stop   at 10 end
//! ```

#[path = "sim/kernel.rs"]
#[allow(dead_code)]
mod kernel;
#[path = "cases/packet.rs"]
mod packet;

use holdfast::base::addr::IpNet;
use holdfast::base::time::Instant;
use holdfast::base::verdict::{Reason, Verdict};
use holdfast::config::loader::{load, Host};
use holdfast::config::model::{self, Config};
use holdfast::node::effect::Effect;
use holdfast::node::event::Event;
use holdfast::node::note::Note;
use holdfast::node::vrrp::instance::State;
use holdfast::node::Node;
use holdfast::wire::ip::Head;
use holdfast::wire::op::{AddressKey, Key, Op};
use kernel::Kernel;
use packet::Advert;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

const SECOND: u64 = 1_000_000;
/// A run of a tracked script takes so long.
const RUN: u64 = 10_000;

#[test]
fn every_case_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "case"));
    files.sort();
    assert!(files.len() >= 40, "only {} cases", files.len());
    let mut bad = String::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let (conf, story) = text.split_once("\n---\n").unwrap_or_else(|| panic!("{name}: no line of ---"));
        assert!(conf.starts_with("# RFC") || conf.starts_with("# keepalived"), "{name}: its head names no rule");
        let told = Player::new(&name, conf).play(story);
        if std::env::var("BLESS").is_ok() {
            std::fs::write(&file, format!("{conf}\n---\n{told}")).unwrap();
        } else if told != story {
            bad += &format!("--- {name}\n{}", difference(story, &told));
        }
    }
    assert!(bad.is_empty(), "- as written, + as it goes\n{bad}");
}

fn difference(want: &str, got: &str) -> String {
    let (mut a, mut b) = (want.lines().peekable(), got.lines().peekable());
    let mut text = String::new();
    while a.peek().is_some() || b.peek().is_some() {
        let at = |line: Option<&&str>| line.is_none_or(|l| l.starts_with("at "));
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x == y => {
                let _ = writeln!(text, "  {}", a.next().unwrap());
                b.next();
            }
            (x, _) if !at(x) => drop(writeln!(text, "- {}", a.next().unwrap())),
            (_, Some(_)) => drop(writeln!(text, "+ {}", b.next().unwrap())),
            _ => drop(writeln!(text, "- {}", a.next().unwrap())),
        }
    }
    text
}

/// One line of the story that makes something happen.
struct Deed<'a> {
    at: u64,
    line: usize,
    words: Vec<&'a str>,
}

struct Player {
    name: String,
    config: Rc<Config>,
    node: Option<Node>,
    kernel: Kernel,
    now: u64,
    states: Vec<State>,
    /// Runs of tracked scripts under way: when they end, their number, their script's command.
    runs: VecDeque<(u64, u32, String)>,
    sick: BTreeMap<String, bool>,
    /// What came of each line.
    trace: BTreeMap<usize, Vec<(u64, String)>>,
    line: usize,
}

impl Player {
    fn new(name: &str, text: &str) -> Player {
        let host = Host { hostname: "case".into(), config_id: "case".into(), ..Host::default() };
        let loaded = load("test.conf", text.as_bytes().to_vec(), host);
        let mut said = String::new();
        loaded.report(&mut said).unwrap();
        let config = Rc::new(loaded.config.unwrap_or_else(|| panic!("{name}: {said}")));
        let net = |n: &str| n.parse::<IpNet>().unwrap();
        let (v0, v1) = ([net("10.77.0.1/24"), net("fe80::1/64")], [net("10.78.0.1/24"), net("fe80::1/64")]);
        Player {
            name: name.into(),
            config,
            node: None,
            kernel: Kernel::new(&[("v0", &v0), ("v1", &v1)], 1),
            now: 0,
            states: Vec::new(),
            runs: VecDeque::new(),
            sick: BTreeMap::new(),
            trace: BTreeMap::new(),
            line: 0,
        }
    }

    /// The story with the expectations as they are.
    fn play(mut self, story: &str) -> String {
        let lines: Vec<&str> = story.lines().filter(|l| !l.starts_with("expect")).collect();
        let mut deeds = Vec::new();
        for (line, text) in lines.iter().enumerate() {
            let words: Vec<&str> = text.split_whitespace().collect();
            let ["at", at, rest @ ..] = &words[..] else { continue };
            let at = micros(at);
            match rest {
                [deed @ .., "each", pause, "until", end] => {
                    for at in (at..=micros(end)).step_by(micros(pause) as usize) {
                        deeds.push(Deed { at, line, words: deed.to_vec() });
                    }
                }
                _ => deeds.push(Deed { at, line, words: rest.to_vec() }),
            }
        }
        deeds.sort_by_key(|d| (d.at, d.line));
        for deed in deeds {
            self.pass(deed.at);
            self.line = self.line.max(deed.line);
            self.act(&deed.words);
        }
        let mut told = String::new();
        for (line, text) in lines.iter().enumerate() {
            let _ = writeln!(told, "{text}");
            shorten(self.trace.remove(&line).unwrap_or_default(), &mut told);
        }
        told
    }

    fn pass(&mut self, to: u64) {
        loop {
            let due = self.node.as_ref().and_then(|n| n.deadline()).map(|at| at.0.saturating_sub(SECOND).max(self.now));
            let run = self.runs.front().map(|(at, ..)| *at);
            let Some(at) = [due, run].into_iter().flatten().min().filter(|at| *at <= to) else { break };
            self.now = at;
            match run == Some(at) {
                true => {
                    let (_, id, command) = self.runs.pop_front().unwrap();
                    let fails = self.sick.iter().any(|(name, sick)| *sick && command.contains(name.as_str()));
                    let verdict = if fails { Verdict::Down(Reason::Exit(1)) } else { Verdict::Up };
                    self.step(Event::Ran { id, verdict, ended: true });
                }
                false => self.step(Event::Due),
            }
        }
        self.now = to;
    }

    fn act(&mut self, words: &[&str]) {
        let index = |k: &Kernel, name: &str| k.index(name).unwrap_or_else(|| panic!("no link {name}"));
        match words {
            ["start"] => {
                self.node = Some(Node::new(self.config.clone()));
                self.states = vec![State::Init; self.config.instances.len()];
                self.kernel.news.clear();
                self.step(Event::Start { seed: 1, owned: Vec::new() });
                for news in self.kernel.dump() {
                    self.step(Event::Kernel(news));
                }
            }
            ["stop"] => self.step(Event::Stop),
            ["end"] => {}
            ["hear", words @ ..] => {
                let conf = self.config.instances.first().expect("an instance");
                let to_us = words.chunks(2).any(|w| w[0] == "to");
                let mut advert = Advert::of(conf, words);
                if conf.wire.unicast.is_some() && !to_us {
                    advert.to = if conf.wire.group.is_ipv4() { "10.77.0.1" } else { "fe80::1" }.parse().unwrap();
                }
                // A link that is down carries nothing.
                let link = self.kernel.links.values().find(|l| l.name.as_str() == advert.interface && l.up);
                if let Some(ifindex) = link.map(|l| l.ifindex) {
                    self.step(Event::Packet { ifindex, bytes: &advert.bytes() });
                }
            }
            ["link", name, "gone"] => self.kernel.delete(name),
            ["link", name, "new"] => {
                let nets = if *name == "v0" { ["10.77.0.1/24", "fe80::1/64"] } else { ["10.78.0.1/24", "fe80::1/64"] };
                self.kernel.create(name, &nets.map(|n| n.parse().unwrap()), 1);
            }
            ["link", name, state] => self.kernel.set_up(name, *state == "up"),
            ["address", name, "has", net] => {
                let ifindex = index(&self.kernel, name);
                self.kernel.add_address(ifindex, net.parse().unwrap());
            }
            ["address", name, "lacks", net] => {
                let key = AddressKey { ifindex: index(&self.kernel, name), net: net.parse().unwrap() };
                assert!(self.kernel.steal(Key::Address(key)), "{}: {name} has no {net}", self.name);
            }
            ["script", name, state] => drop(self.sick.insert(name.to_string(), *state == "fails")),
            ["file", name, value] => {
                let file = self.config.files.iter().find(|f| *f.name == **name).expect("a file of that name");
                let path = file.path.clone();
                self.step_or_before(Event::File { path: &path, value: value.parse().unwrap() });
            }
            ["processes", counts @ ..] => {
                let counts: Vec<u32> = counts.iter().map(|n| n.parse().unwrap()).collect();
                self.step(Event::Processes(&counts));
            }
            _ => panic!("{}: nobody can do {words:?}", self.name),
        }
        self.hear_kernel();
    }

    /// What stands in a file is told before the start, too.
    fn step_or_before(&mut self, event: Event) {
        if self.node.is_none() {
            self.node = Some(Node::new(self.config.clone()));
        }
        self.step(event);
    }

    fn hear_kernel(&mut self) {
        while !self.kernel.news.is_empty() {
            for news in std::mem::take(&mut self.kernel.news) {
                self.step(Event::Kernel(news));
            }
        }
    }

    fn step(&mut self, event: Event) {
        let Some(node) = self.node.as_mut() else { return };
        let mut effects = Vec::new();
        node.step(Instant(self.now + SECOND), event, &mut effects);
        let mut called: Vec<(String, u32)> = Vec::new();
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Announce { ip, .. } => match called.iter_mut().find(|(who, _)| *who == ip.to_string()) {
                    Some((_, n)) => *n += 1,
                    None => called.push((ip.to_string(), 1)),
                },
                Effect::Kernel(op) => {
                    self.say_op(&op);
                    let outcome = self.kernel.apply(&op, false);
                    answers.extend(outcome.map(|o| (op, o)));
                }
                Effect::Run(run) => {
                    let command = run.script.words.join(" ");
                    self.runs.push_back((self.now + RUN, run.id, command));
                }
                Effect::StopRun(id) => self.runs.retain(|(_, i, _)| *i != id),
                Effect::Send { socket, bytes } => self.say_sent(socket.ifindex, &bytes),
                Effect::Note(note) => self.say_note(&note),
                _ => {}
            }
        }
        for (ip, n) in called {
            self.say(format!("announce {ip}, {n} times"));
        }
        self.say_states();
        for (op, outcome) in answers {
            self.step(Event::Answer(op, outcome));
        }
        self.hear_kernel();
    }

    fn say(&mut self, text: String) {
        self.trace.entry(self.line).or_default().push((self.now, text));
    }

    /// The instance's name, where there are several.
    fn who(&self, i: usize) -> String {
        if self.config.instances.len() == 1 {
            return String::new();
        }
        self.config.instances.get(i).map(|c| format!("{} ", c.name)).unwrap_or_default()
    }

    fn say_states(&mut self) {
        let Some(node) = &self.node else { return };
        let now: Vec<State> = node.vrrp.instances.iter().map(|n| n.state).collect();
        for (i, is) in now.into_iter().enumerate() {
            if std::mem::replace(&mut self.states[i], is) != is {
                self.say(format!("{}state {}", self.who(i), is.name()));
            }
        }
    }

    fn say_sent(&mut self, ifindex: u32, bytes: &[u8]) {
        let (head, payload) = Head::parse(bytes).expect("a packet");
        let message = if head.protocol == 51 { &payload[24..] } else { payload };
        let link = self.kernel.name(ifindex);
        let same = |c: &model::Instance| {
            let here = link.as_ref().is_none_or(|l| *l == c.interface);
            here && c.vrid == message[1] && c.wire.group.is_ipv4() == head.dst.is_ipv4()
        };
        let i = self.config.instances.iter().position(same).expect("an advert of one of ours");
        let to = if head.dst.is_multicast() { String::new() } else { format!(" to {}", head.dst) };
        self.say(format!("{}send prio {}{to}", self.who(i), message[2]));
    }

    fn say_op(&mut self, op: &Op) {
        let (verb, key) = match op {
            Op::Add(key, _) => ("add", key),
            Op::Set(key, _) => ("set", key),
            Op::Remove(key, _) => ("remove", key),
        };
        match key {
            Key::Socket(_) => {}
            Key::Address(a) => {
                let name = self.kernel.name(a.ifindex).map_or("a link that is gone".into(), |n| n.to_string());
                self.say(format!("{verb} {} on {name}", a.net));
            }
            other => self.say(format!("{verb} {other}")),
        }
    }

    /// Of what is said: why a packet was dropped, and what is remarkable about one that was not.
    fn say_note(&mut self, note: &Note) {
        let word =
            |x: &dyn std::fmt::Debug| format!("{x:?}").split([' ', '(', '{']).next().unwrap_or("").to_lowercase();
        match note {
            Note::Dropped { bad, .. } => self.say(format!("drop: {}", word(bad))),
            Note::Forgiven { bad, .. } => self.say(format!("say: {}", word(bad))),
            Note::AddressList { .. } => self.say("say: other addresses".into()),
            Note::OtherInterval { .. } => self.say("say: other interval".into()),
            Note::SameAddress { .. } => self.say("say: same address".into()),
            Note::Priority { name, to, .. } => {
                let i = self.config.instances.iter().position(|c| c.name == *name).unwrap_or_default();
                self.say(format!("{}priority {to}", self.who(i)));
            }
            _ => {}
        }
    }
}

/// Lines that come again and again in one rhythm are one line.
fn shorten(events: Vec<(u64, String)>, told: &mut String) {
    let mut i = 0;
    while let Some((at, text)) = events.get(i) {
        let mut n = i + 1;
        let pause = events.get(n).map_or(0, |(next, _)| next - at);
        while pause > 0 && events.get(n).is_some_and(|(next, t)| t == text && next - events[n - 1].0 == pause) {
            n += 1;
        }
        if n - i >= 3 {
            let last = seconds(events[n - 1].0);
            let _ = writeln!(told, "expect {} {text}, each {} until {last}", seconds(*at), seconds(pause));
            i = n;
        } else {
            let _ = writeln!(told, "expect {} {text}", seconds(*at));
            i += 1;
        }
    }
}

fn micros(seconds: &str) -> u64 {
    (seconds.parse::<f64>().unwrap_or_else(|_| panic!("{seconds}: no time")) * 1e6).round() as u64
}

fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / SECOND, micros % SECOND);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
