//! The IPVS table by setsockopt: all that IPv4 needs, in one system call for each change.

use super::{sys, Done};
use crate::base::addr::{Endpoint, IfName};
use crate::wire::ipvs as wire;
use crate::wire::op::{DestValue, Key, News, Op, ServiceKey, ServiceValue, SyncRole, Value};
use std::io::{self, Error};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What loads the module; the daemon may also start it as a child like any other and open again when it ends.
pub const LOAD_MODULE: [&str; 2] = ["modprobe", "ip_vs"];
/// Where it may lie: an init may start us without a PATH.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// modprobe of ip_vs takes some 10 ms on a PC, a second on a router with a slow flash.
const LOAD_TIME: Duration = Duration::from_secs(5);
/// Services may come while their number is asked for; then it is asked for again.
const DUMP_TRIES: usize = 8;

#[derive(Debug)]
pub struct Ipvs {
    socket: OwnedFd,
}

/// Waits for modprobe, though not for ever. Only for the start: the loop is not to wait.
pub fn load_module() -> io::Result<()> {
    let [program, args @ ..] = LOAD_MODULE;
    let null = Stdio::null;
    let mut child =
        Command::new(program).args(args).env("PATH", PATH).stdin(null()).stdout(null()).stderr(null()).spawn()?;
    let end = Instant::now() + LOAD_TIME;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => return Err(Error::from_raw_os_error(libc::ENOENT)),
            None if Instant::now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Another network namespace to open IPVS in.
#[derive(Debug)]
pub struct Place(OwnedFd);

impl Place {
    /// A socket belongs to the namespace that it was made in, and that needs the rights which a daemon gives up later.
    pub fn open(space: BorrowedFd<'_>) -> io::Result<Place> {
        let home = std::fs::File::open("/proc/thread-self/ns/net")?;
        sys::enter_network_namespace(space)?;
        let made = sys::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW);
        sys::enter_network_namespace(home.as_fd())?;
        made.map(Place)
    }
}

impl Ipvs {
    /// None: here.
    pub fn open_at(place: Option<&Place>) -> io::Result<Ipvs> {
        let Some(place) = place else { return Ipvs::open() };
        let ipvs = Ipvs { socket: place.0.try_clone()? };
        ipvs.service_count()?;
        Ok(ipvs)
    }

    /// ENOPROTOOPT: this kernel has no IPVS (the module is not loaded); EPERM: no CAP_NET_ADMIN.
    pub fn open() -> io::Result<Ipvs> {
        let ipvs = Ipvs { socket: sys::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW)? };
        ipvs.service_count()?;
        Ok(ipvs)
    }

    fn get(&self, what: i32, buf: &mut [u8]) -> io::Result<()> {
        sys::get_option(self.socket.as_fd(), libc::IPPROTO_IP, what, buf).map(drop)
    }

    fn set(&self, what: i32, bytes: &[u8]) -> Result<(), i32> {
        sys::set_option(self.socket.as_fd(), libc::IPPROTO_IP, what, bytes)
            .map_err(|e| e.raw_os_error().unwrap_or(libc::EIO))
    }

    fn service_count(&self) -> io::Result<u32> {
        let mut info = [0; wire::INFO];
        self.get(wire::GET_INFO, &mut info)?;
        Ok(wire::service_count(&info).unwrap_or(0))
    }

    /// The table as it is: services, each followed by its destinations; the sync daemons; IpvsReady.
    pub fn dump(&mut self, sink: &mut dyn FnMut(News)) -> io::Result<()> {
        for (key, value, count) in self.services()? {
            sink(News::Service { key, value });
            let Some(mut buf) = wire::dests_request(&key, count) else { continue };
            match self.get(wire::GET_DESTS, &mut buf) {
                Ok(()) => wire::dests(&buf).for_each(|(at, value)| sink(News::Dest { service: key, at, value })),
                // Deleted by somebody in between.
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                Err(e) => return Err(e),
            }
        }
        for (role, interface, id) in self.daemons()? {
            sink(News::SyncDaemon { role, interface, id });
        }
        sink(News::IpvsReady);
        Ok(())
    }

    fn services(&self) -> io::Result<Vec<(ServiceKey, ServiceValue, u32)>> {
        for _ in 0..DUMP_TRIES {
            let count = self.service_count()?;
            let mut buf = wire::services_request(count);
            self.get(wire::GET_SERVICES, &mut buf)?;
            if self.service_count()? == count {
                return Ok(wire::services(&buf).collect());
            }
        }
        Err(Error::from_raw_os_error(libc::EAGAIN))
    }

    fn daemons(&self) -> io::Result<Vec<(SyncRole, IfName, u8)>> {
        let mut buf = [0; wire::DAEMONS];
        self.get(wire::GET_DAEMON, &mut buf)?;
        Ok(wire::daemons(&buf).collect())
    }

    /// One operation on a service, a destination or a sync daemon. Adding what exists brings its details up to date;
    /// setting what is missing adds it.
    pub fn apply(&mut self, op: &Op) -> Done {
        let result = match op {
            Op::Add(Key::Service(key), Value::Service(value)) => self.service(wire::SET_ADD, key, value),
            Op::Set(Key::Service(key), Value::Service(value)) => self.service(wire::SET_EDIT, key, value),
            Op::Remove(Key::Service(key), _) => self.send(wire::SET_DEL, wire::service(key, None)),
            Op::Add(Key::Dest(key, at), Value::Dest(value)) => self.dest(wire::SET_ADDDEST, key, at, value),
            Op::Set(Key::Dest(key, at), Value::Dest(value)) => self.dest(wire::SET_EDITDEST, key, at, value),
            Op::Remove(Key::Dest(key, at), _) => self.send(wire::SET_DELDEST, wire::dest(key, at, None)),
            Op::Add(Key::SyncDaemon(role), Value::SyncDaemon { interface, id })
            | Op::Set(Key::SyncDaemon(role), Value::SyncDaemon { interface, id }) => {
                self.start_daemon(*role, interface, *id)
            }
            Op::Remove(Key::SyncDaemon(role), Value::SyncDaemon { interface, id }) => {
                self.stop_daemon(&wire::daemon(*role, interface, *id))
            }
            _ => Err(libc::EOPNOTSUPP),
        };
        match result {
            Ok(()) => Done::Applied,
            Err(libc::EEXIST) => Done::WasThere,
            // ESRCH: no such service or daemon; ENOENT: no such destination.
            Err(libc::ESRCH | libc::ENOENT) if matches!(op, Op::Remove(..)) => Done::WasThere,
            Err(errno) => Done::Refused(errno),
        }
    }

    /// None: this interface cannot say it (IPv6).
    fn send(&self, what: i32, bytes: Option<Vec<u8>>) -> Result<(), i32> {
        self.set(what, &bytes.ok_or(libc::EAFNOSUPPORT)?)
    }

    fn service(&self, what: i32, key: &ServiceKey, value: &ServiceValue) -> Result<(), i32> {
        let bytes = wire::service(key, Some(value)).ok_or(libc::EAFNOSUPPORT)?;
        match self.set(what, &bytes) {
            // EEXIST stays the answer, so that the caller learns that it was there.
            Err(libc::EEXIST) => self.set(wire::SET_EDIT, &bytes).and(Err(libc::EEXIST)),
            Err(libc::ESRCH) if what == wire::SET_EDIT => self.set(wire::SET_ADD, &bytes),
            result => result,
        }
    }

    fn dest(&self, what: i32, key: &ServiceKey, at: &Endpoint, value: &DestValue) -> Result<(), i32> {
        let bytes = wire::dest(key, at, Some(value)).ok_or(libc::EAFNOSUPPORT)?;
        match self.set(what, &bytes) {
            Err(libc::EEXIST) => self.set(wire::SET_EDITDEST, &bytes).and(Err(libc::EEXIST)),
            Err(libc::ENOENT) if what == wire::SET_EDITDEST => self.set(wire::SET_ADDDEST, &bytes),
            result => result,
        }
    }

    /// A daemon that runs with other details has to be stopped first.
    fn start_daemon(&self, role: SyncRole, interface: &IfName, id: u8) -> Result<(), i32> {
        let bytes = wire::daemon(role, interface, id);
        let result = self.set(wire::SET_STARTDAEMON, &bytes);
        if result != Err(libc::EEXIST) {
            return result;
        }
        let running = self.daemons().map_err(|e| e.raw_os_error().unwrap_or(libc::EIO))?;
        if running.contains(&(role, interface.clone(), id)) {
            return result;
        }
        self.stop_daemon(&bytes)?;
        self.set(wire::SET_STARTDAEMON, &bytes)
    }

    /// Stopping a thread that has not run yet says EINTR, though it is stopped then.
    fn stop_daemon(&self, bytes: &[u8]) -> Result<(), i32> {
        match self.set(wire::SET_STOPDAEMON, bytes) {
            Err(libc::EINTR) => match self.set(wire::SET_STOPDAEMON, bytes) {
                Err(libc::ESRCH) => Ok(()),
                result => result,
            },
            result => result,
        }
    }
}
