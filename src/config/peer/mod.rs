//! The routers of one VRRP domain, held against each other: what is right in each file, and wrong between them.
//! Nothing is said that the files do not show: where something cannot be known, there is no finding.

mod election;
mod hearing;
mod pairing;
mod together;
mod view;

use super::diagnostic::{Level, Printer, Style};
use super::lexer::Span;
use super::loader::Loaded;
use crate::limits;
use std::fmt;
use view::{Place, Router, Virtual};

pub struct PeerFinding {
    pub level: Level,
    /// A stable name.
    pub code: &'static str,
    pub text: Box<str>,
    /// What comes of it, and what to do.
    pub help: Box<str>,
    /// The number of the file, where, and what stands there.
    pub places: Vec<(usize, Span, Box<str>)>,
    /// The lines hold passwords or keys: they are not shown.
    pub secret: bool,
}

/// All that does not fit together. Files that could not be loaded are left out.
pub fn compare(routers: &[Loaded]) -> Vec<PeerFinding> {
    let mut routers = view::routers(routers);
    let mut found = Found(Vec::new());
    if routers.len() < 2 {
        return found.0;
    }
    nothing_there(&mut routers, &mut found);
    if routers.len() < 2 {
        return found.0;
    }
    let sets = pairing::sets(&routers);
    for set in &sets {
        if set.len() > 1 {
            hearing::check(set, &mut found);
            election::check(set, &mut found);
        }
        missing(&routers, set, &sets, &mut found);
    }
    together::sync_groups(&routers, &sets, &mut found);
    together::sync_daemon(&routers, &sets, &mut found);
    found.0
}

/// As a file's own findings are printed, with a note for each further place.
pub fn report(out: &mut dyn fmt::Write, routers: &[Loaded], findings: &[PeerFinding]) -> fmt::Result {
    report_in(out, routers, findings, &Style::PLAIN)
}

pub fn report_in(out: &mut dyn fmt::Write, routers: &[Loaded], findings: &[PeerFinding], style: &Style) -> fmt::Result {
    let mut printers: Vec<Printer> = routers.iter().map(|l| Printer::new(&l.source, style)).collect();
    for finding in findings {
        for (number, (file, span, what)) in finding.places.iter().enumerate() {
            let Some(printer) = printers.get_mut(*file) else { continue };
            let head = if number == 0 { (Some(finding.level), &finding.text) } else { (None, what) };
            printer.show(out, *span, (head.0, head.1), !finding.secret)?;
        }
        writeln!(out, "    = {}", finding.help)?;
    }
    Ok(())
}

/// A place for a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located<'l> {
    /// The file that it stands in, which may be an included one.
    pub file: &'l str,
    /// Line and column from 1, and the column behind it; None: the file as a whole.
    pub at: Option<(u32, u32, u32)>,
    pub what: &'l str,
}

/// The places of a finding, for JSON; level, code, text and help stand in the finding.
pub fn located<'l>(routers: &'l [Loaded], finding: &'l PeerFinding) -> Vec<Located<'l>> {
    let places = finding.places.iter().filter_map(|(file, span, what)| {
        let loaded = routers.get(*file)?;
        if *span == Span::NOWHERE {
            return Some(Located { file: loaded.file(), at: None, what });
        }
        let (file, line, column, end) = Printer::new(&loaded.source, &Style::PLAIN).numbers(*span);
        Some(Located { file, at: Some((line, column, end)), what })
    });
    places.collect()
}

struct Found(Vec<PeerFinding>);

impl Found {
    fn say(&mut self, level: Level, code: &'static str, text: String, help: impl Into<Box<str>>, places: Vec<Place>) {
        self.push(PeerFinding { level, code, text: text.into(), help: help.into(), places, secret: false });
    }

    fn secret(&mut self, level: Level, code: &'static str, text: String, help: &str, places: Vec<Place>) {
        self.push(PeerFinding { level, code, text: text.into(), help: help.into(), places, secret: true });
    }

    fn push(&mut self, finding: PeerFinding) {
        if self.0.len() < limits::DIAGNOSTICS {
            self.0.push(finding);
        }
    }
}

/// A router without an instance cannot be compared.
fn nothing_there(routers: &mut Vec<Router>, found: &mut Found) {
    if routers.iter().all(|r| r.instances.is_empty()) {
        routers.clear();
        return;
    }
    routers.retain(|r| {
        // One that is there and wrong has had its word.
        if r.instances.is_empty() && r.unused.is_empty() {
            let help = "it takes part in nothing that the others do";
            let places = vec![(r.file, Span::NOWHERE, "no vrrp_instance".into())];
            found.say(Level::Warning, "peer-missing", format!("{} has no vrrp_instance", r.name), help, places);
        }
        !r.instances.is_empty()
    });
}

/// Routers that have no part in a virtual router.
fn missing(routers: &[Router], set: &[&Virtual], sets: &[Vec<&Virtual>], found: &mut Found) {
    let Some(first) = set.first() else { return };
    let absent: Vec<&Router> = routers.iter().filter(|r| set.iter().all(|v| v.file != r.file)).collect();
    if absent.is_empty() || absent.iter().any(|r| perhaps_there(r, first)) {
        return;
    }
    let names: Vec<&str> = absent.iter().map(|r| r.name).collect();
    let places = set.iter().map(|v| (v.file, v.marks.span, "it is here".into())).collect();
    let text = format!("{} has no counterpart in {}", title(set), and(&names));
    if set.len() > 1 {
        let verb = if names.len() == 1 { "takes" } else { "take" };
        found.say(Level::Hint, "peer-missing", text, format!("{} {verb} no part in it", and(&names)), places);
        return;
    }
    let mut places: Vec<Place> = places;
    let mut help = "nobody takes over its addresses".to_string();
    let alike = sets.iter().filter(|s| s.len() == 1).flatten().find(|v| {
        absent.iter().any(|r| r.file == v.file) && (v.family, v.conf.vrid) == (first.family, first.conf.vrid)
    });
    if let Some(alike) = alike {
        let vrid = alike.conf.vrid;
        help.push_str(&format!(
            "; '{}' has its VRID {vrid}, but neither name, interface, address nor network in common",
            alike.conf.name
        ));
        places.push(alike.place(&["virtual_router_id"], "another virtual router, as it seems"));
    }
    found.say(Level::Warning, "peer-missing", text, help, places);
}

/// It is in the file, but was wrong and is not used, which was said.
fn perhaps_there(router: &Router, like: &Virtual) -> bool {
    let vrid = like.conf.vrid.to_string();
    router.unused.iter().any(|b| {
        b.name == like.conf.name || b.last(&["virtual_router_id"]).is_none_or(|m| m.first() == Some(vrid.as_str()))
    })
}

/// `'VI_1'`, or all its names.
fn title(set: &[&Virtual]) -> String {
    match set {
        [] => String::new(),
        [first, rest @ ..] if rest.iter().all(|v| v.conf.name == first.conf.name) => format!("'{}'", first.conf.name),
        _ => {
            let each = set.iter().map(|v| format!("'{}'", v.conf.name)).collect::<Vec<_>>();
            each.join("/")
        }
    }
}

fn and<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_string(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(|w| w.as_ref()).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// Routers by what they say, in the order of the files.
fn classes<'v, T: PartialEq>(
    set: &[&'v Virtual<'v>],
    value: impl Fn(&'v Virtual<'v>) -> T,
) -> Vec<(T, Vec<&'v Virtual<'v>>)> {
    let mut classes: Vec<(T, Vec<&'v Virtual<'v>>)> = Vec::new();
    for v in set {
        let value = value(v);
        match classes.iter_mut().find(|c| c.0 == value) {
            Some(class) => class.1.push(v),
            None => classes.push((value, vec![v])),
        }
    }
    classes
}

fn routers_of(set: &[&Virtual]) -> String {
    and(&set.iter().map(|v| v.router).collect::<Vec<_>>())
}

/// `a.conf and b.conf say 1, c.conf says 2`
fn said(classes: &[(String, Vec<&Virtual>)]) -> String {
    let each = classes.iter().map(|(value, set)| {
        let verb = if set.len() == 1 { "says" } else { "say" };
        format!("{} {verb} {value}", routers_of(set))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Each router's place with its value.
fn places(classes: &[(String, Vec<&Virtual>)], words: &[&str]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for (value, set) in classes {
        places.extend(set.iter().map(|v| v.place(words, value.as_str())));
    }
    places.sort_by_key(|p| p.0);
    places
}

/// What comes of adverts that are not heard.
fn masters(set: &[&Virtual]) -> &'static str {
    if set.len() == 2 {
        "both will be master"
    } else {
        "there will be several masters"
    }
}
