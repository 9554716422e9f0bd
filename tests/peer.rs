//! Each folder in `peer/` holds the files of the routers of one domain; what does not fit together stands in its
//! `expected.out`. `BLESS=1 cargo test --test peer` rewrites those files: read the difference before it is committed.

use holdfast::config::loader::{load, read_file, Host, Loaded};
use holdfast::config::peer::{compare, located, report};
use std::path::{Path, PathBuf};

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.sort();
    paths
}

fn cases() -> Vec<PathBuf> {
    sorted(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer"))
}

fn routers(case: &Path) -> Vec<Loaded> {
    let files = sorted(case).into_iter().filter(|p| p.extension().is_some_and(|e| e == "conf"));
    files
        .map(|p| {
            let name = p.file_name().and_then(|n| n.to_str()).expect("a plain name").to_string();
            load(&name, read_file(&p).expect("readable"), Host::default())
        })
        .collect()
}

fn output(routers: &[Loaded]) -> String {
    let mut out = String::new();
    report(&mut out, routers, &compare(routers)).expect("a string takes all");
    out
}

#[test]
fn each_domain_is_judged_as_written_down() {
    let cases = cases();
    assert!(cases.len() >= 30);
    let mut wrong = Vec::new();
    for case in cases {
        let out = output(&routers(&case));
        let expected = case.join("expected.out");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, out).expect("writable");
        } else if std::fs::read_to_string(&expected).ok().as_deref() != Some(out.as_str()) {
            wrong.push(format!("{}:\n{out}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "these differ (BLESS=1 rewrites):\n{}", wrong.join("\n"));
}

/// `good-*` are sound: a finding there is a false alarm. Every other case has at least one.
#[test]
fn sound_domains_have_no_finding() {
    for case in cases() {
        let name = case.file_name().and_then(|n| n.to_str()).expect("a plain name").to_string();
        assert_eq!(compare(&routers(&case)).is_empty(), name.starts_with("good-"), "{name}");
    }
}

/// A file beside itself: only what follows from being the same is found.
#[test]
fn a_router_and_its_copy() {
    let allowed = ["peer-priority", "peer-owners", "peer-state", "peer-source", "peer-unicast", "peer-weight"];
    for case in cases() {
        for path in sorted(&case).iter().filter(|p| p.extension().is_some_and(|e| e == "conf")) {
            let twice: Vec<Loaded> =
                ["x", "y"].iter().map(|n| load(n, read_file(path).expect("readable"), Host::default())).collect();
            for finding in compare(&twice) {
                assert!(allowed.contains(&finding.code), "{}: {}", path.display(), finding.text);
            }
        }
    }
}

/// The order in which files are given changes the order of the words, not what is found.
#[test]
fn the_order_of_files_does_not_matter() {
    for case in cases() {
        let codes = |routers: &[Loaded]| {
            let mut codes: Vec<_> = compare(routers).iter().map(|f| (f.code, f.level)).collect();
            codes.sort();
            codes
        };
        let mut files = routers(&case);
        let forward = codes(&files);
        files.reverse();
        assert_eq!(forward, codes(&files), "{}", case.display());
    }
}

#[test]
fn passwords_are_not_shown() {
    let mut secrets = 0;
    for case in cases() {
        let routers = routers(&case);
        let out = output(&routers);
        for line in routers
            .iter()
            .flat_map(|r| String::from_utf8_lossy(&r.source.bytes).lines().map(str::to_string).collect::<Vec<_>>())
        {
            let mut words = line.split_whitespace();
            let secret = match words.next() {
                Some("auth_pass") => words.next(),
                Some("key") => words.nth(1),
                _ => None,
            };
            if let Some(secret) = secret {
                secrets += 1;
                assert!(!out.contains(secret), "{}", case.display());
            }
        }
    }
    assert!(secrets > 0);
}

/// Every finding has a place in each file that it speaks of, and the pieces for JSON are the printed ones.
#[test]
fn places_are_what_is_printed() {
    for case in cases() {
        let routers = routers(&case);
        for finding in compare(&routers) {
            assert!(!finding.help.is_empty() && !finding.places.is_empty(), "{}", finding.text);
            let places = located(&routers, &finding);
            assert_eq!(places.len(), finding.places.len());
            let mut out = String::new();
            report(&mut out, &routers, std::slice::from_ref(&finding)).expect("a string takes all");
            for place in places {
                let head = match place.at {
                    Some((line, column, _)) => format!("{}:{line}:{column}: ", place.file),
                    None => format!("{}: ", place.file),
                };
                assert!(out.contains(&head), "{head} in {out}");
            }
        }
    }
}

/// Whatever the files are, there is an answer.
#[test]
fn files_that_end_too_early_are_compared() {
    for case in cases() {
        let whole = routers(&case);
        let Some(first) = whole.first() else { continue };
        let text = first.source.bytes.clone();
        for end in (0..text.len()).step_by(7) {
            let cut = load("cut", text.iter().take(end).copied().collect(), Host::default());
            let files = [cut, load("whole", text.clone(), Host::default())];
            output(&files);
        }
    }
}

#[test]
fn many_instances_are_paired_soon() {
    let file = |priority: u8| {
        let each = (0..3000).map(|n| {
            let (interface, vrid, high, low) = (n / 250, n % 250 + 1, n / 250, n % 250);
            format!(
                "vrrp_instance V{n} {{\n interface eth{interface}\n virtual_router_id {vrid}\n priority {priority}\n \
                 virtual_ipaddress {{\n 10.0.{high}.{low}/24\n }}\n}}\n"
            )
        });
        load(&format!("{priority}.conf"), each.collect::<String>().into_bytes(), Host::default())
    };
    let begun = std::time::Instant::now();
    assert!(output(&[file(100), file(150)]).is_empty());
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
