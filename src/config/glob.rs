//! File names with `*`, `?`, `[a-z]`, `{a,b}` and `~`: the C library's glob has no braces on musl.

use crate::limits;
use std::path::{Path, PathBuf};

/// What a pattern without braces names.
#[derive(Debug)]
pub struct Alternative {
    pub pattern: String,
    /// It holds `*`, `?` or `[`; else it is a plain name, there or not.
    pub wild: bool,
    /// In order.
    pub found: Vec<PathBuf>,
    /// Directories that could not be looked into.
    pub closed: Vec<PathBuf>,
}

/// Each `{a,b}` alternative with what it names; `dir` is where relative patterns begin.
pub fn glob(dir: &Path, pattern: &str, home: Option<&str>) -> Vec<Alternative> {
    let mut list = Vec::new();
    alternatives(pattern, &mut list);
    list.into_iter()
        .map(|pattern| {
            let wild = is_wild(&pattern);
            let path = match (pattern.strip_prefix('~'), home) {
                (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
                _ => pattern.clone(),
            };
            let mut closed = Vec::new();
            Alternative { found: find(dir, &path, &mut closed), wild, pattern, closed }
        })
        .collect()
}

fn is_wild(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// `a{b,c}d` is `abd` and `acd`; braces may stand in braces.
fn alternatives(pattern: &str, out: &mut Vec<String>) {
    if out.len() >= limits::GLOB_MATCHES {
        return;
    }
    let Some((before, inside, behind)) = braces(pattern) else {
        out.push(pattern.to_string());
        return;
    };
    let mut depth = 0;
    let mut from = 0;
    let ends = inside.char_indices().chain([(inside.len(), ',')]);
    for (at, c) in ends {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth <= 0 => {
                let one = inside.get(from..at).unwrap_or_default();
                alternatives(&format!("{before}{one}{behind}"), out);
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// The first `{` with its `}`: what stands before, inside, behind.
fn braces(pattern: &str) -> Option<(&str, &str, &str)> {
    let open = pattern.find('{')?;
    let mut depth = 0;
    for (at, c) in pattern.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((pattern.get(..open)?, pattern.get(open + 1..at)?, pattern.get(at + 1..)?));
        }
    }
    None
}

fn find(dir: &Path, pattern: &str, closed: &mut Vec<PathBuf>) -> Vec<PathBuf> {
    let mut found = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { dir.to_path_buf() }];
    for name in pattern.split('/').filter(|n| !n.is_empty()) {
        let mut next = Vec::new();
        for base in found {
            if !is_wild(name) {
                let path = base.join(name);
                if path.symlink_metadata().is_ok() {
                    next.push(path);
                }
                continue;
            }
            let here = if base.as_os_str().is_empty() { Path::new(".") } else { &base };
            let entries = match std::fs::read_dir(here) {
                Ok(entries) => entries,
                Err(e) => {
                    if e.kind() == std::io::ErrorKind::PermissionDenied {
                        closed.push(base);
                    }
                    continue;
                }
            };
            let room = limits::GLOB_MATCHES.saturating_sub(next.len());
            let mut names: Vec<String> = entries
                .flatten()
                .filter_map(|e| e.file_name().into_string().ok())
                // A name that begins with a dot is named, never guessed.
                .filter(|n| n.starts_with('.') <= name.starts_with('.') && matches(name.as_bytes(), n.as_bytes()))
                .take(room)
                .collect();
            names.sort();
            next.extend(names.into_iter().map(|n| base.join(n)));
        }
        found = next;
    }
    found
}

/// One name against one pattern without `/`; going back to the last star only, so never slow.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (pattern, name);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (p, n) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                star = Some((rest, n));
                p = rest;
                continue;
            }
            ([b'?', rest @ ..], [_, tail @ ..]) => Some((rest, tail)),
            ([b'[', rest @ ..], [c, tail @ ..]) => match set(rest, *c) {
                Some((true, rest)) => Some((rest, tail)),
                Some((false, _)) => None,
                None if *c == b'[' => Some((rest, tail)),
                None => None,
            },
            ([a, rest @ ..], [b, tail @ ..]) if a == b => Some((rest, tail)),
            _ => None,
        };
        match (step, star) {
            (Some(step), _) => (p, n) = step,
            // The star takes one more.
            (None, Some((rest, [_, tail @ ..]))) => {
                star = Some((rest, tail));
                (p, n) = (rest, tail);
            }
            (None, _) => return false,
        }
    }
}

/// Behind a `[`: is the byte in the set, and what follows its `]`. None: it has no `]`.
fn set(pattern: &[u8], c: u8) -> Option<(bool, &[u8])> {
    let (not, mut rest) = match pattern {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut inside = false;
    let mut first = true;
    loop {
        rest = match rest {
            [] => return None,
            [b']', tail @ ..] if !first => return Some((inside != not, tail)),
            [a, b'-', b, tail @ ..] if *b != b']' => {
                inside |= (*a..=*b).contains(&c);
                tail
            }
            [a, tail @ ..] => {
                inside |= *a == c;
                tail
            }
        };
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        for (pattern, name, is) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf2", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("*a*b*c*d", "xxaxxbxxcxxd", true),
            ("*a*b*c*d", "xxaxxbxxc", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), is, "{pattern} {name}");
        }
        let long = "a".repeat(10_000);
        assert!(!matches("*a".repeat(200).as_bytes(), format!("{long}b").as_bytes()));
    }

    #[test]
    fn braces_are_alternatives() {
        let list = |p: &str| {
            let mut out = Vec::new();
            alternatives(p, &mut out);
            out
        };
        assert_eq!(list("a{b,c{d,e}}f"), ["abf", "acdf", "acef"]);
        assert_eq!(list("{x}"), ["x"]);
        assert_eq!(list("a{b"), ["a{b"]);
        assert!(list(&"{a,b}".repeat(40)).len() <= limits::GLOB_MATCHES);
    }

    #[test]
    fn files_are_found_in_order() {
        let dir = std::env::temp_dir().join(format!("holdfast-glob-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("d")).unwrap();
        for name in ["b.conf", "a.conf", ".h.conf", "d/c.conf"] {
            std::fs::write(dir.join(name), "").unwrap();
        }
        let names = |p: &str| -> Vec<String> {
            let all = glob(&dir, p, None).into_iter().flat_map(|a| a.found);
            all.map(|f| f.strip_prefix(&dir).unwrap().display().to_string()).collect()
        };
        assert_eq!(names("*.conf"), ["a.conf", "b.conf"]);
        assert_eq!(names("{b,gone,a}.conf"), ["b.conf", "a.conf"]);
        assert_eq!(names("*/*.conf"), ["d/c.conf"]);
        assert_eq!(names("./d/c.conf"), ["./d/c.conf"].map(|s| s.trim_start_matches("./")));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
