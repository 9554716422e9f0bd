//! The model as a configuration file again: normalised, defaults filled in, one statement a line. Reading it gives the
//! same model; the test `what_is_written_reads_the_same` holds each part of the model to that.

mod global;
mod lvs;
pub mod protocol;
mod track;
mod vrrp;

use super::model::{Config, Script};
use std::borrow::Borrow;
use std::fmt::{Display, Write};
use std::time::Duration;

const MASK: &str = "********";

/// `secrets`: passwords and keys as they are; else masked.
pub fn write(config: &Config, secrets: bool) -> String {
    let v = &config.global.vrrp;
    let (strict, skip_check) = (v.strict, v.skip_check_adv_addr);
    let mut out = Writer { text: String::new(), depth: 0, secrets, strict, skip_check };
    global::write(&mut out, config);
    track::write(&mut out, config);
    vrrp::write(&mut out, config);
    lvs::write(&mut out, config);
    out.text
}

pub struct Writer {
    text: String,
    depth: usize,
    secrets: bool,
    /// Switched on in global_defs, so that an instance has to say `off`.
    strict: bool,
    skip_check: bool,
}

impl Writer {
    /// One statement: words that are made of anything go through `quote` first.
    pub fn line(&mut self, line: impl Display) {
        let depth = self.depth * 4;
        // A String takes all.
        let _ = writeln!(self.text, "{:depth$}{line}", "");
    }

    pub fn block(&mut self, header: impl Display, inside: impl FnOnce(&mut Writer)) {
        self.line(format_args!("{header} {{"));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line("}");
    }

    /// A flag that is off when its line is not there.
    pub fn flag(&mut self, word: &str, on: bool) {
        if on {
            self.line(word);
        }
    }

    /// `word on` or `word off`.
    pub fn switch(&mut self, word: &str, on: bool) {
        self.line(format_args!("{word} {}", if on { "on" } else { "off" }));
    }

    pub fn value(&mut self, word: &str, value: impl Display) {
        self.line(format_args!("{word} {value}"));
    }

    /// The line is left out when there is no value.
    pub fn option(&mut self, word: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.value(word, value);
        }
    }

    pub fn seconds(&mut self, word: &str, value: Duration) {
        self.value(word, seconds(value));
    }

    /// A password or key: masked unless asked for.
    pub fn secret(&mut self, word: &str, value: &str) {
        if self.secrets {
            self.value(word, quote(value));
        } else {
            self.value(word, quote(MASK));
        }
    }

    /// `KEYWORD "COMMAND" [USER [GROUP]]`
    pub fn script(&mut self, word: &str, script: &Option<impl Borrow<Script>>) {
        let Some(script) = script.as_ref().map(Borrow::borrow) else { return };
        let mut line = format!("{word} {}", quote(&command(&script.words)));
        for name in [&script.user, &script.group].into_iter().flatten() {
            line.push(' ');
            line.push_str(&quote(name));
        }
        self.line(line);
    }
}

/// Seconds, with as many decimals as needed.
pub fn seconds(value: Duration) -> String {
    let mut text = format!("{}.{:06}", value.as_secs(), value.subsec_micros());
    let cut = text.trim_end_matches('0').trim_end_matches('.').len();
    text.truncate(cut);
    text
}

/// A word that the lexer reads back as it is.
pub fn quote(word: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"\\!#{}$~@\u{a0}\u{feff}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    let mut out = String::with_capacity(word.len() + 2);
    out.push('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Words as one command that splits into them again.
pub fn command(words: &[Box<str>]) -> String {
    let mut out = String::new();
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            out.push_str(word);
            continue;
        }
        out.push('\'');
        for c in word.chars() {
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                // A line's end cannot stand in a quoted word.
                c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
                c => out.push(c),
            }
        }
        out.push('\'');
    }
    out
}
