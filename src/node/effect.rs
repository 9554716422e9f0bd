//! Everything a node can ask for. Within one step they come in this order: adverts, kernel operations,
//! announcements, then what is told; keepalived's order as well, on take-over and on stop.

use super::note::{Half, Note};
use crate::base::addr::Mac;
use crate::config::model::Script;
use crate::wire::op::{Op, SocketKey};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// A whole IP packet to leave by that socket.
    Send {
        socket: SocketKey,
        bytes: Vec<u8>,
    },
    /// A whole Ethernet frame with an advert, from the virtual router's own address.
    Frame {
        ifindex: u32,
        bytes: Vec<u8>,
    },
    Kernel(Op),
    /// Gratuitous ARP or unsolicited neighbour advertisement: `ip` is at `mac` on that interface.
    Announce {
        ifindex: u32,
        mac: Mac,
        ip: IpAddr,
    },
    /// Load IPVS if need be, open it and dump its table.
    OpenIpvs,
    /// Start a check; the shell finds it by `Node::check(id)`. `url` is which of an HTTP check's URLs is due.
    Probe {
        id: u32,
        url: usize,
    },
    /// Its verdict is not wanted any more.
    Abandon(u32),
    /// Run a program; those of one target one after another.
    Spawn(Spawn),
    /// A line for whoever reads notify_fifo.
    Fifo(Line),
    /// Run a tracked script and tell how it ended.
    Run(Run),
    /// That run's result is not wanted any more.
    StopRun(u32),
    Note(Note),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Spawn {
    /// Whose script: object and keyword. A script runs after the one of the same target has ended.
    pub target: Box<str>,
    pub script: Script,
    /// Appended to the configured words.
    pub args: Vec<Box<str>>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Besides the FIFO of all there is one for each half.
    pub half: Half,
    /// With all that ends it.
    pub text: Box<str>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    pub id: u32,
    pub script: Script,
    pub timeout: Duration,
}
