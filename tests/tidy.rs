//! Reads our own source and holds what ARCHITECTURE.md promises: who may use whom, where `unsafe` may stand, and words
//! that a layer may not speak.

use std::fs;
use std::path::{Path, PathBuf};

/// Layer, the layers that it may use, words that it may not contain.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("base", &["base"], PURE),
    // `limits` stands beside the layers: numbers only.
    ("wire", &["base", "wire", "limits"], PURE),
    (
        "config",
        &["base", "wire", "config", "limits"],
        &["mio::", "rustls::", "libc::", "log::", "std::net::Tcp", "Instant::now"],
    ),
    ("node", &["base", "wire", "config::model", "node", "limits"], PURE),
    ("probe", &["base", "wire", "config::model", "probe", "limits"], PURE),
    ("linux", &["base", "wire", "linux", "limits"], &["mio::", "rustls::", "log::"]),
    ("daemon", &["base", "wire", "config", "node", "probe", "linux", "daemon", "limits"], &[]),
    ("applet", &["base", "config", "probe", "daemon", "linux", "applet"], &["rustls::", "mio::"]),
];

/// No clock, no file, no socket, no log, no chance.
const PURE: &[&str] = &[
    "mio::",
    "rustls::",
    "libc::",
    "log::",
    "std::fs",
    "std::env",
    "std::process",
    "std::io::Read",
    "std::io::Write",
    "stdout",
    "stdin",
    "std::thread",
    "std::time::Instant",
    "SystemTime",
    "std::net::Tcp",
    "std::net::Udp",
    "rand::",
    "thread_rng",
];

/// Where bytes from outside are read nothing may panic.
const CAREFUL: &[&str] = &["wire", "config", "probe", "node"];

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Every file below src: its path there, and its lines without comments and without the tests at its end.
fn code() -> Vec<(String, Vec<(usize, String)>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    assert!(paths.len() > 30, "the source was not found");
    let file = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\n").next().unwrap_or_default();
        let strip = |line: &str| line.split("//").next().unwrap_or_default().to_string();
        let lines = text.lines().enumerate().map(|(n, line)| (n + 1, strip(line))).collect();
        (path.strip_prefix(&root).unwrap().display().to_string(), lines)
    };
    paths.into_iter().map(file).collect()
}

fn layer(file: &str) -> Option<&'static (&'static str, &'static [&'static str], &'static [&'static str])> {
    let name = file.split('/').next()?;
    LAYERS.iter().find(|(layer, ..)| *layer == name)
}

#[test]
fn layers_use_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        let Some((_, allowed, banned)) = layer(&file) else { continue };
        for (n, line) in &lines {
            for used in line.split("crate::").skip(1) {
                if !allowed.iter().any(|a| used.starts_with(a)) {
                    wrong.push(format!("{file}:{n}: uses crate::{used}"));
                }
            }
            for word in banned.iter().filter(|w| line.contains(**w)) {
                let part = |c: char| c.is_alphanumeric() || c == '_';
                let at = line.find(*word).unwrap_or(0);
                if !line[..at].ends_with(part) {
                    wrong.push(format!("{file}:{n}: speaks of {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_stands_in_one_file() {
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        for (n, line) in lines {
            if line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe") && file != "linux/sys.rs" {
                wrong.push(format!("{file}:{n}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_unsafe_has_its_reason() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/linux/sys.rs")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if code.contains("unsafe {") {
            let reason = lines[n.saturating_sub(8)..=n].iter().any(|l| l.contains("// SAFETY:"));
            assert!(reason, "src/linux/sys.rs:{}: no SAFETY reason near this", n + 1);
        }
    }
}

#[test]
fn nothing_from_outside_can_panic() {
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        if !CAREFUL.iter().any(|layer| file.starts_with(layer)) {
            continue;
        }
        for (n, line) in lines {
            let panics = [".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!(", "unimplemented!("];
            if panics.iter().any(|p| line.contains(p)) {
                wrong.push(format!("{file}:{n}: {}", line.trim()));
            }
            // A table that the compiler makes cannot panic later.
            if file == "config/lexer.rs" && line.trim_start().starts_with("t[") {
                continue;
            }
            // `x[` and `)[` index; `#[`, `&[`, ` [`, `![` do not.
            let mut before = ' ';
            // A terminal's colour is no index.
            for c in line.replace("\\x1b[", "").chars() {
                if c == '[' && (before.is_alphanumeric() || before == '_' || before == ')' || before == ']') {
                    wrong.push(format!("{file}:{n}: indexes: {}", line.trim()));
                    break;
                }
                before = c;
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn nothing_prints_but_through_the_log_or_a_writer() {
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        for (n, line) in lines {
            // They panic when the pipe is closed.
            if ["println!(", "eprintln!(", "print!(", "dbg!("].iter().any(|p| line.contains(p)) {
                wrong.push(format!("{file}:{n}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_top_level_is_as_agreed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = ["src", "board", "tests", "scripts", "target"];
    for entry in fs::read_dir(root).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(
            !entry.path().is_dir() || name.starts_with('.') || known.contains(&name.as_str()),
            "{name}/ at the top"
        );
    }
}
