//! A configuration is read in slices between adverts. HOLDFAST_SLICES=FILE: how long the longest one of that file is, as
//! `scripts/bench configuration` asks.

use holdfast::config::loader::{load, Host, Loader, Progress};
use holdfast::daemon::load::SLICE;
use std::time::{Duration, Instant};

fn farm(services: usize, servers: usize) -> String {
    let server =
        |s: usize, n: usize| format!("real_server 10.1.{s}.{n} 80 {{\nTCP_CHECK {{\nconnect_timeout 3\n}}\n}}\n");
    let service = |s: usize| {
        let servers: String = (0..servers).map(|n| server(s, n)).collect();
        format!("virtual_server 10.0.0.{s} 80 {{\nprotocol TCP\n{servers}}}\n")
    };
    (0..services).map(service).collect()
}

fn instances(count: usize) -> String {
    let one =
        |n: usize| format!("vrrp_instance v{n} {{\ninterface e{}\nvirtual_router_id {}\n}}\n", n / 255, n % 255 + 1);
    let groups = |n: usize| format!("vrrp_sync_group g{n} {{\ngroup {{\nv{}\nv{}\n}}\n}}\n", 2 * n, 2 * n + 1);
    (0..count).map(one).chain((0..count / 2).map(groups)).collect()
}

/// Steps of one each: as many as there is to read, and to settle.
#[test]
fn no_step_takes_everything() {
    // A service's line, its protocol, its servers and its end; each server is settled, and so is each service.
    for (text, least) in [(farm(1, 250), 500), (farm(100, 2), 600), (instances(400), 400 * 4 + 200 * 3 + 400 + 200)] {
        let mut loader = Loader::new("f", text.clone().into_bytes(), Host::default());
        let mut steps = 1;
        while loader.step(1) == Progress::More {
            steps += 1;
        }
        assert!(steps >= least, "{steps} steps, not {least}");
        assert!(loader.finish().config == load("f", text.into_bytes(), Host::default()).config);
    }
}

/// A large file that is included, and many small ones: steps of one each leave the reader often.
#[test]
fn no_step_reads_a_whole_include() {
    let dir = std::env::temp_dir().join(format!("holdfast-slices-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let put = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    put("large.inc", &"# nothing\n".repeat(200_000));
    for n in 0..300 {
        put(&format!("{n}.conf"), "# nothing\n");
    }
    put("farm.inc", &farm(10, 200));
    let host = Host { files: true, ..Host::default() };
    let main = dir.join("main").display().to_string();
    let read = |text: &str| {
        let mut loader = Loader::new(&main, text.as_bytes().to_vec(), host.clone());
        let mut steps = 1;
        while loader.step(1) == Progress::More {
            steps += 1;
        }
        (steps, loader.finish())
    };
    // 2 MB in pieces of 64 KB.
    let (steps, _) = read("include large.inc\n");
    assert!(steps >= 30, "{steps}");
    let (steps, _) = read("include *.conf\n");
    assert!(steps >= 300, "{steps}");
    // The files that a step opens count for more than one statement.
    let mut loader = Loader::new(&main, b"include *.conf\n".to_vec(), host.clone());
    let mut slices = 1;
    while loader.step(SLICE) == Progress::More {
        slices += 1;
    }
    assert!(slices >= 15, "{slices}");
    let (_, loaded) = read("include farm.inc\n");
    assert!(loaded.config == load("f", farm(10, 200).into_bytes(), Host::default()).config);
    std::fs::remove_dir_all(&dir).expect("removed");
}

#[test]
fn longest_slice() {
    let Some(file) = std::env::var_os("HOLDFAST_SLICES") else { return };
    let name = file.to_string_lossy().into_owned();
    let host = Host { files: true, ..Host::default() };
    let text = std::fs::read(&file).expect("the file is readable");
    // What interrupts us is none of our doing: of some turns each slice's best.
    let mut best: Vec<Duration> = Vec::new();
    for _ in 0..7 {
        let mut loader = Loader::new(&name, text.clone(), host.clone());
        for number in 0.. {
            let start = Instant::now();
            let progress = loader.step(SLICE);
            let took = start.elapsed();
            match best.get_mut(number) {
                Some(best) => *best = took.min(*best),
                None => best.push(took),
            }
            if progress == Progress::Done {
                break;
            }
        }
    }
    let longest = best.iter().max().expect("one slice at least");
    println!("slices {} longest {} us", best.len(), longest.as_micros());
}
