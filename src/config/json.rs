//! Findings as JSON, for editors and CI: one object, its fields described in README.

use super::diagnostic::{gathered, Gathered, Level, Printer, Style};
use super::lexer::Span;
use super::loader::Loaded;
use super::peer::{located, PeerFinding};
use std::fmt::Write;

/// How many of each level.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Count {
    pub errors: usize,
    pub warnings: usize,
    pub hints: usize,
}

impl Count {
    pub fn add(&mut self, level: Level) {
        match level {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
            Level::Hint => self.hints += 1,
        }
    }
}

/// Files that could not be read at all come as name and text.
pub fn findings(
    unreadable: &[(String, String)],
    loaded: &[Loaded],
    peers: &[PeerFinding],
    count: Count,
    exit: u8,
) -> String {
    let mut out = String::from("{\"findings\":[");
    let mut first = true;
    let mut separate = |out: &mut String| {
        if !std::mem::replace(&mut first, false) {
            out.push(',');
        }
        out.push('\n');
    };
    for (file, text) in unreadable {
        separate(&mut out);
        out.push('{');
        string(&mut out, "file", file);
        string(&mut out, "level", "error");
        string(&mut out, "code", "file");
        string(&mut out, "message", text);
        close(&mut out, '}');
    }
    for router in loaded {
        let mut printer = Printer::new(&router.source, &Style::PLAIN);
        for found in gathered(&router.source, &router.diagnostics) {
            separate(&mut out);
            finding(&mut out, router, &mut printer, &found);
        }
    }
    for found in peers {
        separate(&mut out);
        between(&mut out, loaded, found);
    }
    let Count { errors, warnings, hints } = count;
    let dropped: usize = loaded.iter().map(|l| l.dropped).sum();
    let _ = write!(out, "\n],\"errors\":{errors},\"warnings\":{warnings},\"hints\":{hints},");
    let _ = write!(out, "\"not_shown\":{dropped},\"exit\":{exit}}}");
    out
}

fn finding(out: &mut String, router: &Loaded, printer: &mut Printer, found: &Gathered) {
    let Gathered { first: d, times, since } = *found;
    out.push('{');
    if d.span == Span::NOWHERE {
        string(out, "file", router.file());
    } else {
        place(out, printer.numbers(d.span));
    }
    string(out, "level", d.level.name());
    string(out, "code", d.code.name());
    string(out, "message", &d.text);
    if let Some(help) = &d.help {
        string(out, "help", help);
    }
    string(out, "block", &d.path);
    string(out, "token", &d.token);
    number(out, "keepalived_status", d.status.into());
    if times > 1 {
        number(out, "times", times as u64);
    }
    if d.span != Span::NOWHERE {
        let mut steps = printer.steps(d.span);
        steps.extend(since.map(|w| format!("{}; {}", w.text, w.help.as_deref().unwrap_or_default())));
        if !steps.is_empty() {
            out.push_str("\"origin\":[");
            for step in steps {
                quote(out, &step);
                out.push(',');
            }
            close(out, ']');
            out.push(',');
        }
    }
    if !d.also.is_empty() {
        out.push_str("\"related\":[");
        for (span, text) in &d.also {
            out.push('{');
            place(out, printer.numbers(*span));
            string(out, "message", text);
            close(out, '}');
            out.push(',');
        }
        close(out, ']');
        out.push(',');
    }
    close(out, '}');
}

/// Of several files together: it stands at its first place, the others are related.
fn between(out: &mut String, loaded: &[Loaded], found: &PeerFinding) {
    out.push('{');
    let places = located(loaded, found);
    let put = |out: &mut String, file: &str, at: Option<(u32, u32, u32)>| match at {
        Some((line, column, end)) => place(out, (file, line, column, end)),
        None => string(out, "file", file),
    };
    if let Some(first) = places.first() {
        put(out, first.file, first.at);
    }
    string(out, "level", found.level.name());
    string(out, "code", found.code);
    string(out, "message", &found.text);
    string(out, "help", &found.help);
    out.push_str("\"related\":[");
    for one in &places {
        out.push('{');
        put(out, one.file, one.at);
        string(out, "message", one.what);
        close(out, '}');
        out.push(',');
    }
    close(out, ']');
    out.push(',');
    close(out, '}');
}

fn place(out: &mut String, (file, line, column, end): (&str, u32, u32, u32)) {
    string(out, "file", file);
    number(out, "line", line.into());
    number(out, "column", column.into());
    number(out, "end_column", end.into());
}

fn string(out: &mut String, key: &str, value: &str) {
    quote(out, key);
    out.push(':');
    quote(out, value);
    out.push(',');
}

fn number(out: &mut String, key: &str, value: u64) {
    let _ = write!(out, "\"{key}\":{value},");
}

/// Ends an object or a list, whose last comma goes.
fn close(out: &mut String, end: char) {
    if out.ends_with(',') {
        out.pop();
    }
    out.push(end);
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
