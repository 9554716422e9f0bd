//! Everything that can happen to a node.

use crate::base::verdict::Verdict;
use crate::config::model::Config;
use crate::wire::op::{News, Op, Owned};
use std::rc::Rc;

pub enum Event<'a> {
    /// Once, first. `owned` is what the record says a run before this one left in the kernel; `seed` spreads the checks.
    Start { seed: u32, owned: Vec<Owned> },
    /// A valid configuration to run from now on.
    Reload(Rc<Config>),
    /// Give everything back: adverts of priority 0, then addresses, then services.
    Stop,
    /// What time of day it is: the microseconds since 1970 at the node's instant 0. Once before the start, and whenever the
    /// clock was set; only signed adverts (auth_hmac) ask for it.
    Clock { epoch: u64 },
    /// A deadline has come.
    Due,
    /// An IP packet from a VRRP socket of that interface, header included.
    Packet { ifindex: u32, bytes: &'a [u8] },
    /// The kernel tells what there is or has changed.
    Kernel(News),
    /// What became of an operation, when it is not simply done.
    Answer(Op, Outcome),
    /// A check came to its end.
    Verdict(u32, Verdict),
    /// A run of a tracked script has a result; `ended`: and its program is gone.
    Ran { id: u32, verdict: Verdict, ended: bool },
    /// The number in a tracked file. Before the start, and before a reload that brings new files, too.
    File { path: &'a str, value: i64 },
    /// How many processes of each vrrp_track_process run.
    Processes(&'a [u32]),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The kernel had it so already: no news of it will come.
    WasThere,
    /// errno.
    Refused(i32),
}
