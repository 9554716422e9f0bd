//! disable_local_igmp: whether the kernel reports membership of 224.0.0.x, for as long as we run.

use std::fs;

const REPORTS: &str = "/proc/sys/net/ipv4/igmp_link_local_mcast_reports";

/// What it was before; given back at the end.
#[derive(Default)]
pub struct Igmp(Option<String>);

impl Igmp {
    pub fn follow(&mut self, disable: bool) {
        match (disable, &self.0) {
            (true, None) => self.0 = fs::read_to_string(REPORTS).ok().filter(|_| set("0")),
            (false, Some(before)) => {
                set(before);
                self.0 = None;
            }
            _ => {}
        }
    }
}

impl Drop for Igmp {
    fn drop(&mut self) {
        self.follow(false);
    }
}

fn set(value: &str) -> bool {
    let done = fs::write(REPORTS, value);
    if let Err(e) = &done {
        log::warn!("{REPORTS} could not be set to {}: {e}", value.trim());
    }
    done.is_ok()
}
