//! The ownership record: what of the kernel's tables is ours, written before each first change. So a run after a crash
//! knows what it may take away, and what was there before.
//!
//! A text file of lines, one object each, the later line counts:
//! ```text
//! + address eth0 192.168.1.11/32
//! + service tcp 10.0.0.1 80 found scheduler wlc persistence 360 granularity 32 one_packet 0 flags 0
//! - address eth0 192.168.1.11/32
//! ```
//! It lies in /run and is never synced: what takes it away takes the kernel's tables too.

use super::options::Options;
use crate::base::addr::{Endpoint, Family, IfName, IpNet};
use crate::config::model::Config;
use crate::limits;
use crate::linux::sys;
use crate::wire::link::{Sysctl, SysctlValue};
use crate::wire::op::{
    AddressValue, DestValue, Forward, Key, Op, Owned, OwnedKey, Protocol, RouteKey, RouteValue, Scheduler, ServiceKey,
    ServiceValue, SyncRole, Value,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Error, ErrorKind, Read, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::{FromStr, SplitAsciiWhitespace};

/// The usual directory.
pub const DIR: &str = "/run/holdfast";
/// Daemons side by side in one network namespace.
const DAEMONS: usize = 10;

#[derive(Debug)]
pub struct Record {
    /// None: nothing is recorded (no place for it, or it could not be written).
    file: Option<File>,
    path: PathBuf,
    live: BTreeMap<OwnedKey, Option<Box<Value>>>,
    lines: usize,
    /// What this daemon serves, for others that start beside it: lines that begin with `= `.
    claims: String,
    /// Lines of the file that made no sense.
    pub bad_lines: usize,
}

impl Record {
    /// Goes on with the record of this instance; what a crashed run left comes with it.
    pub fn open(dir: &Path, instance: &str) -> io::Result<(Record, Vec<Owned>)> {
        if instance.is_empty() || instance.contains('/') || instance.starts_with('.') {
            return Err(Error::from(ErrorKind::InvalidInput));
        }
        let path = safe_directory(dir)?.join(format!("{instance}.owned"));
        let file = options().create(true).open(&path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.uid() != sys::effective_uid() || about.nlink() != 1 {
            return Err(Error::new(ErrorKind::PermissionDenied, "the ownership record is not a file of our own"));
        }
        // Held until we end, however we end.
        if file.try_lock().is_err() {
            return Err(Error::from(ErrorKind::AddrInUse));
        }
        let mut text = Vec::new();
        (&file).take(limits::RECORD_BYTES).read_to_end(&mut text)?;
        let mut record =
            Record { file: Some(file), path, live: BTreeMap::new(), lines: 0, claims: String::new(), bad_lines: 0 };
        record.read(&text);
        // A line that was cut must not run into the next one.
        if text.last().is_some_and(|b| *b != b'\n') {
            record.compact();
        }
        let owned = |(key, found): (&OwnedKey, &Option<Box<Value>>)| Owned {
            key: key.clone(),
            found: found.as_deref().cloned(),
        };
        let left = record.live.iter().map(owned).collect();
        Ok((record, left))
    }

    /// The record of this daemon: each half that runs alone and each network namespace but the first (where that cannot
    /// be told: each) has its own, and so has a second daemon beside a living one.
    pub fn of_daemon(dir: &Path, options: &Options) -> io::Result<(Record, Vec<Owned>)> {
        let half = match (options.vrrp, options.lvs) {
            (true, false) => "-vrrp",
            (false, true) => "-checkers",
            _ => "",
        };
        let inode = |path: &str| fs::metadata(path).map(|about| about.ino()).ok();
        let namespace = match (inode("/proc/self/ns/net"), inode("/proc/1/ns/net")) {
            (Some(ours), first) if Some(ours) != first => format!("-net{ours}"),
            _ => String::new(),
        };
        let name = format!("main{half}{namespace}");
        for n in 1..DAEMONS {
            match Record::open(dir, &if n == 1 { name.clone() } else { format!("{name}-{n}") }) {
                Err(e) if e.kind() == ErrorKind::AddrInUse => {}
                other => return other,
            }
        }
        Err(Error::from(ErrorKind::AddrInUse))
    }

    /// Records nothing: there is no place for it.
    pub fn none() -> Record {
        Record {
            file: None,
            path: PathBuf::new(),
            live: BTreeMap::new(),
            lines: 0,
            claims: String::new(),
            bad_lines: 0,
        }
    }

    fn read(&mut self, text: &[u8]) {
        // What follows the last line end was cut off while it was written: its change was never made.
        for line in text.split_inclusive(|b| *b == b'\n').filter_map(|l| l.strip_suffix(b"\n")) {
            self.lines += 1;
            if line.starts_with(b"= ") {
                continue;
            }
            match std::str::from_utf8(line).ok().and_then(parse_line) {
                Some((true, owned)) => drop(self.live.insert(owned.key, owned.found.map(Box::new))),
                Some((false, owned)) => drop(self.live.remove(&owned.key)),
                None => self.bad_lines += 1,
            }
        }
    }

    /// Says what this daemon serves from now on.
    pub fn claim(&mut self, claims: Vec<String>) {
        let claims =
            claims.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into_boxed_str().into_string();
        if self.file.is_some() && self.claims != claims {
            self.claims = claims;
            self.compact();
        }
    }

    /// To be called before these operations are carried out. `found` tells what is known to be there now.
    pub fn before(
        &mut self,
        ops: &[Op],
        name_of: &dyn Fn(u32) -> Option<IfName>,
        found: &dyn Fn(&Key) -> Option<Value>,
    ) {
        if self.file.is_none() {
            return;
        }
        let mut text = String::new();
        for op in ops {
            let key = op.key();
            let Some(owned) = owned_key(op, name_of) else { continue };
            let found = found(&key);
            // An interface that comes back has other settings than the one that went.
            let known = self
                .live
                .get(&owned)
                .is_some_and(|was| was.as_deref() == found.as_ref() || !matches!(key, Key::Sysctl(_)));
            if known {
                continue;
            }
            // Taking away what was never recorded concerns us only if somebody else had put it there.
            if matches!(op, Op::Remove(..)) && found.is_none() {
                continue;
            }
            put_line(&mut text, '+', &owned, found.as_ref());
            self.live.insert(owned, found.map(Box::new));
            self.lines += 1;
        }
        self.append(&text);
    }

    /// To be called when these operations were carried out. What was there before us stays recorded until the end.
    pub fn after(&mut self, ops: &[Op], name_of: &dyn Fn(u32) -> Option<IfName>) {
        if self.file.is_none() {
            return;
        }
        let mut text = String::new();
        for op in ops.iter().filter(|op| matches!(op, Op::Remove(..))) {
            let Some(owned) = owned_key(op, name_of) else { continue };
            // A setting is put back at once.
            if self.live.get(&owned).is_some_and(|found| found.is_none() || matches!(op.key(), Key::Sysctl(_))) {
                self.drop_line(&mut text, &owned);
            }
        }
        self.append(&text);
        self.compact_if_grown();
    }

    /// An object is no longer our concern, whatever was found: put back as it was, or gone with its interface.
    pub fn forget(&mut self, key: &OwnedKey) {
        let mut text = String::new();
        if self.live.contains_key(key) {
            self.drop_line(&mut text, key);
        }
        self.append(&text);
        self.compact_if_grown();
    }

    fn drop_line(&mut self, text: &mut String, key: &OwnedKey) {
        put_line(text, '-', key, None);
        self.live.remove(key);
        self.lines += 1;
    }

    /// All is taken away: a clean stop.
    pub fn clear(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
        self.live.clear();
    }

    fn append(&mut self, text: &str) {
        if let Some(file) = self.file.as_mut().filter(|_| !text.is_empty()) {
            let done = file.write_all(text.as_bytes());
            self.check(done);
        }
    }

    /// Without the record, a crash leaves things behind: worth a warning (once), not worth standing still.
    fn check(&mut self, done: io::Result<()>) {
        if let Err(e) = done {
            log::warn!(
                "{}: {e}; going on without an ownership record: after a crash, clean up by hand",
                self.path.display()
            );
            self.file = None;
        }
    }

    fn claimed(&self) -> usize {
        self.claims.lines().count()
    }

    fn compact_if_grown(&mut self) {
        if self.file.is_some() && self.lines > self.live.len() * 2 + self.claimed() + limits::RECORD_STALE_LINES {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut text = self.claims.clone();
        for (key, found) in &self.live {
            put_line(&mut text, '+', key, found.as_deref());
        }
        let done = self.replace(&text);
        self.check(done);
        self.lines = self.live.len() + self.claimed();
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        let new = self.path.with_extension("owned.new");
        match fs::remove_file(&new) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = options().create_new(true).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.try_lock()?;
        fs::rename(&new, &self.path)?;
        self.file = Some(file);
        Ok(())
    }
}

/// What a configuration would serve in this network namespace: each virtual router and each virtual server. Two daemons
/// with one of these would fight over it.
pub fn claims(config: &Config) -> Vec<String> {
    let namespace = fs::metadata("/proc/self/ns/net").map_or(0, |about| about.ino());
    let routers = config.instances.iter().map(|i| {
        let (interface, vrid, family, unicast) = i.identity();
        let over = if family == Family::V6 { " over IPv6" } else { "" };
        let from = match unicast {
            None => String::new(),
            Some(None) => " by unicast".into(),
            Some(Some(ip)) => format!(" by unicast from {ip}"),
        };
        format!("= {namespace} virtual router {vrid} on {interface}{over}{from}")
    });
    let served = config.services.iter().filter(|s| s.is_served());
    let services = served.map(|s| format!("= {namespace} virtual server {}", s.key));
    routers.chain(services).collect()
}

/// What another living daemon serves already of that.
pub fn rival(dir: &Path, claims: &[String]) -> Option<String> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        let Some(file) = options().open(&path).ok().filter(|_| path.extension().is_some_and(|e| e == "owned")) else {
            continue;
        };
        // Nobody's: left by a crash.
        if file.try_lock().is_ok() {
            continue;
        }
        let mut text = String::new();
        let _ = (&file).take(limits::RECORD_BYTES).read_to_string(&mut text);
        let theirs: BTreeSet<&str> = text.lines().filter(|line| line.starts_with("= ")).collect();
        if let Some(both) = claims.iter().find(|line| theirs.contains(line.as_str())) {
            let what = both.splitn(3, ' ').nth(2).unwrap_or_default();
            return Some(format!("{what} is served by another daemon, whose record is {}", path.display()));
        }
    }
    None
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK);
    options
}

/// Made if missing. Nobody else may be able to put files there.
fn safe_directory(dir: &Path) -> io::Result<&Path> {
    match DirBuilder::new().mode(0o755).create(dir) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let about = fs::symlink_metadata(dir)?;
    if !about.is_dir() || about.uid() != sys::effective_uid() || about.mode() & 0o022 != 0 {
        return Err(Error::new(ErrorKind::PermissionDenied, "the run directory is not ours alone"));
    }
    Ok(dir)
}

fn owned_key(op: &Op, name_of: &dyn Fn(u32) -> Option<IfName>) -> Option<OwnedKey> {
    Some(match op.key() {
        // Ends with us, or with its link.
        Key::Socket(_) | Key::Ear(_) | Key::Up(_) => return None,
        Key::Link(_) => match op {
            Op::Add(_, Value::Link(l)) | Op::Set(_, Value::Link(l)) | Op::Remove(_, Value::Link(l)) => {
                OwnedKey::Link { name: l.name.clone() }
            }
            _ => return None,
        },
        Key::Sysctl(s) => OwnedKey::Sysctl { interface: name_of(s.ifindex)?, which: s.which },
        Key::Address(a) => OwnedKey::Address { interface: name_of(a.ifindex)?, net: a.net },
        Key::Route(r) => OwnedKey::Route(r),
        Key::SyncDaemon(role) => OwnedKey::SyncDaemon(role),
        Key::Service(s) => OwnedKey::Service(s),
        Key::Dest(s, at) => OwnedKey::Dest(s, at),
    })
}

fn put_line(text: &mut String, sign: char, key: &OwnedKey, found: Option<&Value>) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{sign} ");
    put_key(text, key);
    if let Some(value) = found {
        text.push_str(" found");
        put_value(text, value);
    }
    text.push('\n');
}

fn put_key(text: &mut String, key: &OwnedKey) {
    let _ = match key {
        OwnedKey::Link { name } => write!(text, "link {name}"),
        OwnedKey::Sysctl { interface, which } => write!(text, "sysctl {interface} {}", which.name()),
        OwnedKey::Address { interface, net } => write!(text, "address {interface} {net}"),
        OwnedKey::Route(r) => write!(text, "route {} {} {}", r.table, r.dst, r.metric),
        OwnedKey::SyncDaemon(role) => write!(text, "sync {}", role_name(*role)),
        OwnedKey::Service(s) => {
            text.push_str("service");
            put_service(text, s);
            Ok(())
        }
        OwnedKey::Dest(s, at) => {
            text.push_str("dest");
            put_service(text, s);
            write!(text, " {} {}", at.ip, at.port)
        }
    };
}

fn put_service(text: &mut String, key: &ServiceKey) {
    let _ = match key {
        ServiceKey::Address(Protocol::Tcp, at) => write!(text, " tcp {} {}", at.ip, at.port),
        ServiceKey::Address(Protocol::Udp, at) => write!(text, " udp {} {}", at.ip, at.port),
        ServiceKey::Address(Protocol::Sctp, at) => write!(text, " sctp {} {}", at.ip, at.port),
        ServiceKey::Mark(Family::V4, mark) => write!(text, " mark4 {mark}"),
        ServiceKey::Mark(Family::V6, mark) => write!(text, " mark6 {mark}"),
    };
}

fn role_name(role: SyncRole) -> &'static str {
    match role {
        SyncRole::Master => "master",
        SyncRole::Backup => "backup",
    }
}

/// Pairs of words after the fixed ones; what is None is left out.
fn put_value(text: &mut String, value: &Value) {
    let mut pair = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(text, " {name} {value}");
    };
    match value {
        Value::Socket | Value::Up | Value::Link(_) => {}
        Value::Sysctl(v) => {
            pair("value", &v.value);
            v.was.iter().for_each(|was| pair("was", was));
        }
        Value::Address(v) => {
            pair("scope", &v.scope);
            v.broadcast.iter().for_each(|b| pair("broadcast", b));
            v.label.iter().for_each(|l| pair("label", l));
        }
        Value::Route(v) => {
            pair("scope", &v.scope);
            pair("kind", &v.kind);
            v.via.iter().for_each(|ip| pair("via", ip));
            v.src.iter().for_each(|ip| pair("src", ip));
        }
        Value::SyncDaemon { interface, id } => {
            pair("interface", interface);
            pair("id", id);
        }
        Value::Service(v) => {
            pair("scheduler", &v.scheduler.name());
            v.persistence.iter().for_each(|p| pair("persistence", p));
            pair("granularity", &v.granularity);
            pair("one_packet", &u8::from(v.one_packet));
            pair("flags", &v.scheduler_flags);
        }
        Value::Dest(v) => {
            pair("forward", &v.forward.name());
            pair("weight", &v.weight);
            pair("upper", &v.upper_threshold);
            pair("lower", &v.lower_threshold);
        }
    }
}

/// True: ours from here on. None: the line makes no sense.
fn parse_line(line: &str) -> Option<(bool, Owned)> {
    let mut words = line.split_ascii_whitespace();
    let ours = match words.next()? {
        "+" => true,
        "-" => false,
        _ => return None,
    };
    let key = parse_key(&mut words)?;
    let found = match words.next() {
        None => None,
        Some("found") if ours => Some(parse_value(&key, words)?),
        Some(_) => return None,
    };
    Some((ours, Owned { key, found }))
}

fn parse_key(words: &mut SplitAsciiWhitespace<'_>) -> Option<OwnedKey> {
    Some(match words.next()? {
        "link" => OwnedKey::Link { name: next(words)? },
        "sysctl" => {
            let interface = next(words)?;
            OwnedKey::Sysctl { interface, which: Sysctl::from_name(words.next()?)? }
        }
        "address" => OwnedKey::Address { interface: next(words)?, net: next(words)? },
        "route" => {
            let (table, dst, metric): (u32, IpNet, u32) = (next(words)?, next(words)?, next(words)?);
            OwnedKey::Route(RouteKey { table, dst, metric })
        }
        "sync" => OwnedKey::SyncDaemon(match words.next()? {
            "master" => SyncRole::Master,
            "backup" => SyncRole::Backup,
            _ => return None,
        }),
        "service" => OwnedKey::Service(parse_service(words)?),
        "dest" => OwnedKey::Dest(parse_service(words)?, parse_endpoint(words)?),
        _ => return None,
    })
}

fn parse_service(words: &mut SplitAsciiWhitespace<'_>) -> Option<ServiceKey> {
    Some(match words.next()? {
        "tcp" => ServiceKey::Address(Protocol::Tcp, parse_endpoint(words)?),
        "udp" => ServiceKey::Address(Protocol::Udp, parse_endpoint(words)?),
        "sctp" => ServiceKey::Address(Protocol::Sctp, parse_endpoint(words)?),
        "mark4" => ServiceKey::Mark(Family::V4, next(words)?),
        "mark6" => ServiceKey::Mark(Family::V6, next(words)?),
        _ => return None,
    })
}

fn parse_endpoint(words: &mut SplitAsciiWhitespace<'_>) -> Option<Endpoint> {
    let ip: IpAddr = next(words)?;
    Some(Endpoint { ip, port: next(words)? })
}

fn next<T: FromStr>(words: &mut SplitAsciiWhitespace<'_>) -> Option<T> {
    words.next()?.parse().ok()
}

fn parse_value(key: &OwnedKey, mut words: SplitAsciiWhitespace<'_>) -> Option<Value> {
    let mut pairs = BTreeMap::new();
    while let Some(name) = words.next() {
        pairs.insert(name, words.next()?);
    }
    // A word that is there has to make sense; whether it must be there, each value says itself.
    fn get<T: FromStr>(pairs: &BTreeMap<&str, &str>, name: &str) -> Result<Option<T>, ()> {
        pairs.get(name).map(|word| word.parse().map_err(drop)).transpose()
    }
    fn optional<T: FromStr>(pairs: &BTreeMap<&str, &str>, name: &str) -> Option<Option<T>> {
        get(pairs, name).ok()
    }
    fn needed<T: FromStr>(pairs: &BTreeMap<&str, &str>, name: &str) -> Option<T> {
        get(pairs, name).ok().flatten()
    }
    let p = &pairs;
    Some(match key {
        // Nothing was there.
        OwnedKey::Link { .. } => return None,
        OwnedKey::Sysctl { .. } => Value::Sysctl(SysctlValue { value: needed(p, "value")?, was: optional(p, "was")? }),
        OwnedKey::Address { .. } => {
            let label = match p.get("label") {
                Some(word) => Some(IfName::label(word)?),
                None => None,
            };
            Value::Address(AddressValue { broadcast: optional(p, "broadcast")?, label, scope: needed(p, "scope")? })
        }
        OwnedKey::Route(_) => Value::Route(RouteValue {
            via: optional(p, "via")?,
            ifindex: None,
            src: optional(p, "src")?,
            scope: needed(p, "scope")?,
            kind: needed(p, "kind")?,
        }),
        OwnedKey::SyncDaemon(_) => Value::SyncDaemon { interface: needed(p, "interface")?, id: needed(p, "id")? },
        OwnedKey::Service(_) => Value::Service(ServiceValue {
            scheduler: Scheduler::from_name(p.get("scheduler")?)?,
            persistence: optional(p, "persistence")?,
            granularity: needed(p, "granularity")?,
            one_packet: needed::<u8>(p, "one_packet")? != 0,
            scheduler_flags: needed(p, "flags")?,
        }),
        OwnedKey::Dest(..) => Value::Dest(DestValue {
            forward: [Forward::Nat, Forward::Tunnel, Forward::Direct]
                .into_iter()
                .find(|f| Some(&f.name()) == p.get("forward"))?,
            weight: needed(p, "weight")?,
            upper_threshold: needed(p, "upper")?,
            lower_threshold: needed(p, "lower")?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::op::AddressKey;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let dir = std::env::temp_dir().join(format!("holdfast-owned-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            Dir(dir)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn name_of(ifindex: u32) -> Option<IfName> {
        format!("eth{ifindex}").parse().ok().filter(|_| ifindex < 100)
    }

    fn address(last: u32) -> Op {
        let net = IpNet::host(IpAddr::from((0x0a00_0000 + last).to_be_bytes()));
        Op::Add(Key::Address(AddressKey { ifindex: 3, net }), Value::Address(AddressValue::default()))
    }

    fn service() -> (Key, Value) {
        let at = Endpoint { ip: "10.0.0.1".parse().unwrap(), port: 80 };
        let value = ServiceValue {
            scheduler: Scheduler::Wlc,
            persistence: Some(360),
            granularity: 24,
            one_packet: false,
            scheduler_flags: 5,
        };
        (Key::Service(ServiceKey::Address(Protocol::Tcp, at)), Value::Service(value))
    }

    fn removal(op: &Op) -> Op {
        match op {
            Op::Add(k, v) | Op::Set(k, v) | Op::Remove(k, v) => Op::Remove(*k, v.clone()),
        }
    }

    fn nothing(_: &Key) -> Option<Value> {
        None
    }

    #[test]
    fn lines_both_ways() {
        let lines = [
            "+ address eth0 192.168.1.11/32",
            "+ address eth0 fd00::1/64 found scope 253",
            "+ address eth0 10.0.0.1/24 found scope 0 broadcast 10.0.0.255 label eth0:1",
            "+ route 254 10.9.0.0/16 50 found scope 0 kind 1 via 10.0.0.2 src 10.0.0.1",
            "+ link vrrp.51",
            "+ sysctl eth0 arp_ignore found value 1 was 0",
            "+ sync master",
            "+ sync backup found interface eth1 id 51",
            "+ service tcp 10.0.0.1 80",
            "+ service mark4 7 found scheduler sh granularity 32 one_packet 1 flags 3",
            "+ service mark6 8",
            "+ service udp fd00::1 53 found scheduler wlc persistence 360 granularity 128 one_packet 0 flags 0",
            "+ dest udp 10.0.0.1 53 10.1.0.1 5353 found forward TUN weight 3 upper 100 lower 50",
            "- dest mark4 7 10.1.0.1 0",
        ];
        for line in lines {
            let (ours, owned) = parse_line(line).unwrap_or_else(|| panic!("{line}"));
            let mut text = String::new();
            put_line(&mut text, if ours { '+' } else { '-' }, &owned.key, owned.found.as_ref());
            assert_eq!(text, format!("{line}\n"));
        }
        let bad = [
            "",
            "+",
            "address eth0 1.2.3.4/32",
            "+ address eth0 1.2.3.4/33",
            "+ address eth0/1 1.2.3.4/32",
            "+ address eth0 1.2.3.4/32 extra",
            "+ address eth0 1.2.3.4/32 found",
            "+ address eth0 1.2.3.4/32 found scope",
            "+ address eth0 1.2.3.4/32 found scope 256",
            "+ service tcp 10.0.0.1 99999",
            "+ service mark4 7 found scheduler sh granularity 32 one_packet 1",
            "+ service mark4 7 found scheduler xx granularity 32 one_packet 1 flags 0",
            "+ dest tcp 10.0.0.1 80",
            "+ sync both",
            "+ link vrrp/51",
            "+ link vrrp.51 found",
            "+ sysctl eth0 arp_nothing",
            "+ sysctl eth0 arp_ignore found value x",
            "- sync master found interface eth1 id 51",
        ];
        bad.iter().for_each(|line| assert!(parse_line(line).is_none(), "{line}"));
    }

    #[test]
    fn a_crash_leaves_what_was_not_taken_away() {
        let dir = Dir::new("crash");
        let (mut record, left) = Record::open(&dir.0, "main").unwrap();
        assert_eq!(left, []);
        let (web, old) = service();
        let found = |key: &Key| (*key == web).then(|| old.clone());
        let ops = [address(1), address(2), Op::Set(web, old.clone())];
        record.before(&ops, &name_of, &found);
        record.before(&ops, &name_of, &found);
        assert_eq!(record.lines, 3, "each object once");
        // Taking away something that nobody recorded and nobody found: no concern of ours.
        record.before(&[removal(&address(9))], &name_of, &nothing);
        record.after(&[removal(&address(1)), Op::Remove(web, old.clone())], &name_of);
        drop(record);
        let (mut record, left) = Record::open(&dir.0, "main").unwrap();
        let net: IpNet = "10.0.0.2/32".parse().unwrap();
        let key = OwnedKey::Address { interface: name_of(3).unwrap(), net };
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.contains(&Owned { key: key.clone(), found: None }));
        // What was found stays, although it was taken away meanwhile: it is to be put back.
        assert!(left.iter().any(|o| o.found.as_ref() == Some(&old)));
        record.forget(&key);
        // A second daemon does not take the record of a living one.
        assert_eq!(Record::open(&dir.0, "main").unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(record);
        let (mut record, left) = Record::open(&dir.0, "main").unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(Record::open(&dir.0, "other").unwrap().1, []);
        record.clear();
        assert!(!dir.0.join("main.owned").exists());
        // Nothing is written after that.
        record.before(&ops, &name_of, &nothing);
        assert!(!dir.0.join("main.owned").exists());
    }

    #[test]
    fn bad_and_cut_lines_are_skipped() {
        let dir = Dir::new("bad");
        safe_directory(&dir.0).unwrap();
        let text = b"+ address eth3 10.0.0.1/32\n\xff\xfe\n+ nonsense\n+ address eth3 10.0.0.2/3";
        fs::write(dir.0.join("main.owned"), text).unwrap();
        let (mut record, left) = Record::open(&dir.0, "main").unwrap();
        assert_eq!((left.len(), record.bad_lines), (1, 2));
        // The cut line must not spoil the next one.
        record.before(&[address(7)], &name_of, &nothing);
        drop(record);
        let (record, left) = Record::open(&dir.0, "main").unwrap();
        assert_eq!((left.len(), record.bad_lines), (2, 0));
    }

    #[test]
    fn what_a_living_daemon_serves_is_told() {
        let dir = Dir::new("rival");
        let (mut record, _) = Record::open(&dir.0, "main").unwrap();
        record.before(&[address(1)], &name_of, &nothing);
        record.claim(vec!["= 7 virtual router 51 on eth0".into()]);
        let asks = |line: &str| rival(&dir.0, &[line.to_string()]);
        assert!(
            asks("= 7 virtual router 51 on eth0").is_some_and(|said| said.starts_with("virtual router 51 on eth0 is"))
        );
        assert_eq!(asks("= 8 virtual router 51 on eth0"), None, "another namespace");
        assert_eq!(asks("= 7 virtual router 52 on eth0"), None);
        drop(record);
        assert_eq!(asks("= 7 virtual router 51 on eth0"), None, "it is dead");
        let (record, left) = Record::open(&dir.0, "main").unwrap();
        assert_eq!((left.len(), record.bad_lines), (1, 0));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let dir = Dir::new("grow");
        let (mut record, _) = Record::open(&dir.0, "main").unwrap();
        record.before(&[address(0)], &name_of, &nothing);
        for i in 1..3000 {
            record.before(&[address(i)], &name_of, &nothing);
            record.after(&[removal(&address(i))], &name_of);
        }
        let text = fs::read_to_string(dir.0.join("main.owned")).unwrap();
        assert!(text.lines().count() <= limits::RECORD_STALE_LINES + 3, "{}", text.lines().count());
        assert_eq!(Record::open(&dir.0, "main").unwrap_err().kind(), ErrorKind::AddrInUse, "locked after compaction");
        drop(record);
        assert_eq!(Record::open(&dir.0, "main").unwrap().1.len(), 1);
    }

    #[test]
    fn only_a_file_of_our_own() {
        use std::os::unix::fs::{symlink, PermissionsExt};
        let dir = Dir::new("safe");
        drop(Record::open(&dir.0, "main").unwrap());
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        let file = dir.0.join("main.owned");
        assert_eq!((mode(&dir.0), mode(&file)), (0o755, 0o600));
        fs::rename(&file, dir.0.join("elsewhere")).unwrap();
        symlink(dir.0.join("elsewhere"), &file).unwrap();
        assert!(Record::open(&dir.0, "main").is_err(), "a symbolic link");
        fs::remove_file(&file).unwrap();
        fs::hard_link(dir.0.join("elsewhere"), &file).unwrap();
        assert!(Record::open(&dir.0, "main").is_err(), "a file with another name");
        fs::remove_file(&file).unwrap();
        for name in ["", "../x", ".", "a/b"] {
            assert!(Record::open(&dir.0, name).is_err(), "{name}");
        }
        fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Record::open(&dir.0, "main").is_err(), "a directory open to all");
    }
}
