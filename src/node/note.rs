//! Everything a node can say: one catalogue of texts, each with its level and the half of the program it comes from.
//! State lines keep keepalived's wording, since people's tools look for it.

use crate::base::addr::{Endpoint, IfName};
use crate::base::verdict::Reason;
use crate::wire::op::{Key, ServiceKey};
use crate::wire::vrrp::Bad;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    Error,
    Warn,
    Info,
}

/// Which half speaks: keepalived logs them under different names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    Vrrp,
    Checkers,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Note {
    // Instances. The first field is the instance's or group's name.
    Backup { name: Box<str>, why: BackupWhy },
    Master { name: Box<str> },
    Fault { name: Box<str>, why: Box<str> },
    FaultGone { name: Box<str> },
    // vrrp_startup_delay, vrrp_delay_after_boot; log_unknown_vrids.
    Delayed { time: Duration },
    UnknownRouter { vrid: u8, interface: IfName, from: IpAddr },
    // Another owner, which does not go when it is told.
    Rival { name: Box<str>, from: IpAddr },
    GivesWay { name: Box<str>, to: IpAddr },
    GroupSync { name: Box<str>, state: &'static str },
    SentZero { name: Box<str> },
    HeardZero { name: Box<str>, from: IpAddr },
    HeardLower { name: Box<str>, from: IpAddr, theirs: u8, ours: u8 },
    LowerIgnored { name: Box<str>, from: IpAddr, theirs: u8 },
    SameAddress { name: Box<str>, from: IpAddr },
    AddressList { name: Box<str>, from: IpAddr },
    ClockSkew { name: Box<str>, from: IpAddr, seconds: i32 },
    OtherInterval { name: Box<str>, from: IpAddr, theirs: Duration, ours: Duration },
    Dropped { name: Box<str>, from: Option<IpAddr>, bad: Bad },
    Forgiven { name: Box<str>, from: IpAddr, bad: Bad },
    PutBack { name: Box<str>, what: Box<str>, count: u32 },
    Stolen { name: Box<str>, what: Box<str> },
    // What may be removed was.
    LeftAlone { name: Box<str>, what: Box<str> },
    Priority { name: Box<str>, from: u8, to: u8 },
    // Trackers. The name is the tracker's.
    ScriptGood { name: Box<str> },
    ScriptBad { name: Box<str>, reason: Reason },
    ScriptReturns { name: Box<str>, status: i32 },
    ScriptNotStarted { name: Box<str>, errno: i32 },
    Processes { name: Box<str>, enough: bool },
    // Kernel.
    Refused { what: Box<str>, errno: i32 },
    Link { name: IfName, up: bool },
    LinkGone { name: IfName },
    Leftover { what: Box<str> },
    IpvsMissing,
    IpvsReady,
    // Services.
    ServerDown { server: Endpoint, service: ServiceKey, check: &'static str, reason: Reason, tries: u32 },
    ServerUp { server: Endpoint, service: ServiceKey, check: &'static str },
    CheckFailed { server: Endpoint, service: ServiceKey, check: &'static str, reason: Reason, left: u32 },
    QuorumUp { service: ServiceKey, quorum: u32, sum: u64, first: bool },
    QuorumDown { service: ServiceKey, quorum: u32, sum: u64 },
    Sorry { service: ServiceKey, server: Endpoint, used: bool },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupWhy {
    Start,
    /// An advert of a better router.
    Higher {
        from: IpAddr,
        theirs: u8,
        ours: u8,
    },
    FaultGone,
    /// Another member of the sync group is not MASTER any more.
    Group,
    /// timer_expired_backup.
    Late,
}

impl Note {
    pub fn level(&self) -> Level {
        use Note::*;
        match self {
            Fault { .. } | Stolen { .. } | ServerDown { .. } | QuorumDown { .. } | IpvsMissing => Level::Error,
            SameAddress { .. } | AddressList { .. } | Dropped { .. } | PutBack { .. } | Refused { .. } => Level::Warn,
            ScriptBad { .. } | ScriptNotStarted { .. } | Processes { enough: false, .. } => Level::Warn,
            Forgiven { .. } | ClockSkew { .. } | UnknownRouter { .. } | Rival { .. } | GivesWay { .. } => Level::Warn,
            LinkGone { .. } | Leftover { .. } | CheckFailed { .. } => Level::Warn,
            _ => Level::Info,
        }
    }

    pub fn half(&self) -> Half {
        use Note::*;
        match self {
            ServerDown { .. } | ServerUp { .. } | CheckFailed { .. } | QuorumUp { .. } | QuorumDown { .. } => {
                Half::Checkers
            }
            Sorry { .. } | IpvsMissing | IpvsReady => Half::Checkers,
            _ => Half::Vrrp,
        }
    }
}

/// `[10.20.40.10]:tcp:22`, keepalived's way to write a server of a service.
struct At<'a>(&'a Endpoint, &'a ServiceKey);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            ServiceKey::Address(p, _) => write!(f, "[{}]:{}:{}", self.0.ip, p.name().to_lowercase(), self.0.port),
            ServiceKey::Mark(..) => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Note::*;
        match self {
            Backup { name, why: BackupWhy::Start } => write!(f, "({name}) Entering BACKUP STATE (init)"),
            Backup { name, why: BackupWhy::Higher { from, theirs, ours } } => write!(
                f,
                "({name}) Entering BACKUP STATE: master received advert from {from} with priority {theirs}, ours {ours}"
            ),
            Backup { name, why: BackupWhy::FaultGone } => {
                write!(f, "({name}) Entering BACKUP STATE: the fault is gone")
            }
            Backup { name, why: BackupWhy::Group } => {
                write!(f, "({name}) Entering BACKUP STATE: another member of its sync group left MASTER")
            }
            Backup { name, why: BackupWhy::Late } => {
                write!(f, "({name}) Entering BACKUP STATE: too late with an advert, others may have a master by now")
            }
            Delayed { time } => write!(f, "Delaying startup of all instances by {} s", time.as_secs_f64()),
            UnknownRouter { vrid, interface, from } => {
                write!(f, "{from} sends adverts of virtual router {vrid} on {interface}, which is not configured here")
            }
            Rival { name, from } => write!(
                f,
                "({name}) {from} claims priority 255 too: only the owner of the addresses has it; it is told twice to go"
            ),
            GivesWay { name, to } => {
                write!(f, "({name}) {to} still claims priority 255: ours is 254 until it does not")
            }
            Master { name } => write!(f, "({name}) Entering MASTER STATE"),
            Fault { name, why } => write!(f, "({name}) Entering FAULT STATE: {why}"),
            FaultGone { name } => write!(f, "({name}) fault is gone"),
            GroupSync { name, state } => write!(f, "VRRP_Group({name}) Syncing instances to {state} state"),
            SentZero { name } => write!(f, "({name}) sent 0 priority"),
            HeardZero { name, from } => write!(f, "({name}) received advert from {from} with priority 0: it gives up"),
            HeardLower { name, from, theirs, ours } => {
                write!(f, "({name}) Received advert from {from} with lower priority {theirs}, ours {ours}, forcing new election")
            }
            LowerIgnored { name, from, theirs } => {
                write!(f, "({name}) received lower priority ({theirs}) advert from {from} - discarding")
            }
            SameAddress { name, from } => write!(
                f,
                "({name}) an advert with our own address {from} and our priority came in and is not heard: it is our own, \
                 sent back by somebody, or another router has our address"
            ),
            ClockSkew { name, from, seconds } => write!(
                f,
                "({name}) the clock of {from} is {} s {} ours: beyond the time_window its adverts are not heard",
                seconds.unsigned_abs(),
                if *seconds < 0 { "behind" } else { "ahead of" }
            ),
            AddressList { name, from } => write!(
                f,
                "({name}) {from} names other virtual addresses than ours: make virtual_ipaddress the same on both routers"
            ),
            OtherInterval { name, from, theirs, ours } => write!(
                f,
                "({name}) {from} sends adverts each {} s, we would each {} s: its interval is used while it is master",
                theirs.as_secs_f64(),
                ours.as_secs_f64()
            ),
            Dropped { name, from: Some(from), bad } => {
                write!(f, "({name}) packet from {from} dropped: {bad} (more of its kind are counted only)")
            }
            Dropped { name, from: None, bad } => {
                write!(f, "({name}) packet dropped: {bad} (more of its kind are counted only)")
            }
            Forgiven { name, from, bad } => {
                let text = "it counts all the same (v3_checksum_as_v2); more of its kind are counted only";
                write!(f, "({name}) packet from {from}: {bad}. {text}")
            }
            PutBack { name, what, count } => {
                let s = if *count == 1 { "" } else { "s" };
                write!(f, "({name}) {what} was removed by somebody else: put back ({count} time{s} in this minute)")
            }
            Stolen { name, what } => {
                write!(f, "({name}) {what} is removed by somebody else again and again: find out by whom")
            }
            LeftAlone { name, what } => {
                write!(f, "({name}) {what} was removed by somebody else: it is not tracked, so it is not put back")
            }
            Priority { name, from, to } => write!(f, "({name}) Changing effective priority from {from} to {to}"),
            ScriptGood { name } => write!(f, "VRRP_Script({name}) succeeded"),
            ScriptBad { name, reason: Reason::Exit(n) } => write!(f, "VRRP_Script({name}) failed (exited with status {n})"),
            ScriptBad { name, reason: Reason::Signal(n) } => write!(f, "VRRP_Script({name}) failed (due to signal {n})"),
            ScriptBad { name, reason: Reason::Timeout(_) } => write!(f, "VRRP_Script({name}) timed_out"),
            ScriptBad { name, reason } => write!(f, "VRRP_Script({name}) failed ({reason})"),
            ScriptReturns { name, status } => write!(f, "Script `{name}` now returning {status}"),
            ScriptNotStarted { name, errno } => {
                let why = std::io::Error::from_raw_os_error(*errno);
                write!(f, "VRRP_Script({name}) could not be started: {why}; what it said last counts")
            }
            Processes { name, enough: true } => write!(f, "Quorum gained for tracked process {name}"),
            Processes { name, enough: false } => write!(f, "Quorum lost for tracked process {name}"),
            Refused { what, errno } => {
                write!(f, "kernel refused {what}: {}; tried again later", std::io::Error::from_raw_os_error(*errno))
            }
            Link { name, up: true } => write!(f, "Netlink reports {name} up"),
            Link { name, up: false } => write!(f, "Netlink reports {name} down"),
            LinkGone { name } => write!(f, "Netlink reports {name} deleted"),
            Leftover { what } => write!(f, "{what} was left by a run before this one: taken over"),
            IpvsMissing => f.write_str(
                "the kernel has no IPVS: virtual servers wait (load the module ip_vs, or build the kernel with CONFIG_IP_VS); \
                 tried again from time to time",
            ),
            IpvsReady => f.write_str("IPVS is there: virtual servers are programmed"),
            ServerDown { server, service, check, reason, tries } => write!(
                f,
                "Removing service {} from VS {service}: {check} failed {tries} time{}: {reason}",
                At(server, service),
                if *tries == 1 { "" } else { "s in a row" }
            ),
            ServerUp { server, service, check } => {
                write!(f, "Adding service {} to VS {service}: {check} succeeded", At(server, service))
            }
            CheckFailed { server, service, check, reason, left } => {
                let tries = if *left == 1 { "try" } else { "tries" };
                write!(f, "{check} of {} in VS {service} failed: {reason}; {left} more {tries}", At(server, service))
            }
            QuorumUp { service, quorum, sum, first: true } => {
                write!(f, "Starting with quorum up for VS {service}: quorum {quorum}, weights {sum}")
            }
            QuorumUp { service, quorum, sum, first: false } => {
                write!(f, "Gained quorum {quorum} for VS {service}: weights {sum}")
            }
            QuorumDown { service, quorum, sum } => write!(f, "Lost quorum {quorum} for VS {service}: weights {sum}"),
            Sorry { service, server, used: true } => {
                write!(f, "Adding sorry server {} to VS {service}", At(server, service))
            }
            Sorry { service, server, used: false } => {
                write!(f, "Removing sorry server {} from VS {service}", At(server, service))
            }
        }
    }
}

/// What a kernel object is called in a note: with the interface's name instead of its number where there is one.
pub fn describe(key: &Key, interface: Option<&IfName>) -> Box<str> {
    match (key, interface) {
        (Key::Address(a), Some(name)) => format!("address {} on {name}", a.net).into(),
        (Key::Link(l), Some(name)) => format!("virtual link {} on {name}", l.mac).into(),
        (Key::Sysctl(s), Some(name)) => format!("{} of {name}", s.which.name()).into(),
        (Key::Up(_), Some(name)) => format!("state UP of {name}").into(),
        _ => key.to_string().into(),
    }
}
