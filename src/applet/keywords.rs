//! `holdfast keywords [WORD]`: every keyword of the configuration, and what is done with it.

use crate::config::catalogue;
use std::ffi::OsString;
use std::io::{self, Write};

pub fn run(name: &str, args: Vec<OsString>) -> u8 {
    let mut args = args.iter().map(|a| a.to_string_lossy());
    let (first, more) = (args.next(), args.next());
    let text = match (first.as_deref(), more) {
        (_, Some(extra)) => Err(format!("one word at a time; '{extra}' is too much")),
        (None, _) => Ok(catalogue::text()),
        (Some("--markdown"), _) => Ok(catalogue::markdown()),
        (Some("-h" | "--help"), _) => Ok("holdfast keywords [WORD | --markdown]\n".into()),
        (Some(word), _) => catalogue::word(word),
    };
    // A closed pipe is no reason to panic.
    match text {
        Ok(text) => {
            let _ = io::stdout().write_all(text.as_bytes());
            0
        }
        Err(text) => {
            let _ = writeln!(io::stderr(), "{name}: {text}");
            1
        }
    }
}
