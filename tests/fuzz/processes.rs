//! Processes: any bytes as what the kernel's process connector tells, and as what any user's program makes of its own
//! name and command line.
#![no_main]

use holdfast::config::loader::{load, Host};
use holdfast::config::model::TrackProcess;
use holdfast::daemon::processes::{comm, matches};
use holdfast::wire::connector;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

const TRACKED: &str = "
vrrp_track_process name {\n process w\n}
vrrp_track_process long {\n process a-name-that-is-long\n}
vrrp_track_process command {\n process /usr/bin/w --one\n full_command\n}
vrrp_track_process exact {\n process w --one two\n param_match exact\n}
vrrp_track_process partial {\n process w --one\n param_match partial\n}
vrrp_track_process initial {\n process w --one t\n param_match initial\n}
vrrp_track_process bare {\n process w\n param_match initial\n}
";

fn tracked() -> &'static [TrackProcess] {
    static ALL: OnceLock<Vec<TrackProcess>> = OnceLock::new();
    ALL.get_or_init(|| {
        let config = load("f", TRACKED.into(), Host::default()).config.expect("a good file");
        assert_eq!(config.processes.len(), 7);
        config.processes
    })
}

fuzz_target!(|bytes: &[u8]| {
    // At most one event for each message.
    assert!(connector::events(bytes).count() <= bytes.len() / 16);
    // The first newline parts the name from the command line.
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (stat, command) = bytes.split_at(end);
    let Some(name) = comm(stat) else { return };
    assert!(name.len() < stat.len());
    for process in tracked() {
        let _ = matches(process, name, command.strip_prefix(b"\n").unwrap_or(command));
    }
});
