//! Carries check dialogues over non-blocking TCP and TLS. Knows sockets and time-outs, nothing of HTTP or SMTP.
//!
//! Edge-triggered: a connection is read until the socket is empty. One that has had its share of a turn before that goes on
//! the backlog: while `has_backlog()`, the loop polls without sleeping and calls `due()`.
//! Tokens are numbers of places, used again: an event that comes late for a connection that has left its place finds
//! another one there, which it can only make look at its socket in vain.

use super::tls;
use crate::base::addr::Endpoint;
use crate::base::time::Instant;
use crate::base::timers::Timers;
use crate::base::verdict::{Reason, Verdict};
use crate::config::model::{Check, CheckKind};
use crate::limits;
use crate::linux::socket;
use crate::probe::{Dialog, Talk, Turn};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::time::Duration;

/// Makes a socket that is connecting there, with the check's own address, interface and mark.
pub type Opener = Box<dyn FnMut(Endpoint, &Check) -> io::Result<TcpStream>>;

/// From the address, interface and with the mark that the check asks for.
pub fn open(to: Endpoint, check: &Check) -> io::Result<TcpStream> {
    let from = socket::From {
        address: check.bind,
        port: check.bind_port,
        interface: check.bind_if.as_ref(),
        mark: check.fwmark,
    };
    Ok(TcpStream::from_std(socket::connect(to, &from)?.into()))
}

/// All conversations of the daemon: at most `limits::PROBES` open, the others wait in the order in which they came.
pub struct Conns {
    first_token: usize,
    open: Opener,
    tls: tls::Client,
    places: Vec<Option<Conn>>,
    free: Vec<usize>,
    by_id: BTreeMap<u32, Where>,
    timers: Timers<usize>,
    backlog: VecDeque<usize>,
    queue: BTreeMap<u64, Job>,
    next_ticket: u64,
    /// Our own side has no descriptors (or the like): errno, and when to try again.
    starved: Option<(i32, Instant)>,
    buffer: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
enum Where {
    Queue(u64),
    Place(usize),
}

/// A check that waits for a place.
struct Job {
    id: u32,
    url: usize,
    to: Endpoint,
    check: Box<Check>,
}

struct Conn {
    id: u32,
    stream: TcpStream,
    connected: bool,
    talk: Talk,
    tls: Option<tls::Session>,
    /// To be sent; with TLS only until the session has taken it.
    say: Vec<u8>,
    /// A write failed: errno.
    broken: Option<i32>,
    /// On the backlog already.
    waiting: bool,
    timeout: Duration,
    /// The end of this step, and of the whole attempt.
    step: Instant,
    last: Instant,
}

enum Pump {
    /// Until the socket has news.
    Wait,
    /// There may be more to do right now.
    Again,
    Done(Verdict),
}

impl Conns {
    /// Uses the tokens from `first_token` on, `limits::PROBES` of them.
    pub fn new(first_token: usize, open: Opener) -> Conns {
        Conns {
            first_token,
            open,
            tls: tls::Client::default(),
            places: Vec::new(),
            free: Vec::new(),
            by_id: BTreeMap::new(),
            timers: Timers::default(),
            backlog: VecDeque::new(),
            queue: BTreeMap::new(),
            next_ticket: 0,
            starved: None,
            buffer: Box::default(),
        }
    }

    pub fn owns(&self, token: Token) -> bool {
        (self.first_token..self.first_token + limits::PROBES).contains(&token.0)
    }

    /// Begins a check, or puts it in the queue. An attempt with the same id that is still going on is given up.
    pub fn start(
        &mut self,
        registry: &Registry,
        now: Instant,
        id: u32,
        (to, check): (Endpoint, &Check),
        url: usize,
        out: &mut Vec<(u32, Verdict)>,
    ) {
        self.abandon(id);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let may_open = self.queue.is_empty() && self.has_place() && self.starved.is_none();
        if !may_open || !self.begin(registry, now, id, (to, check), url, out) {
            self.enqueue(ticket, Job { id, url, to, check: Box::new(check.clone()) });
        }
    }

    /// Forgets a check; nothing more is heard of it.
    pub fn abandon(&mut self, id: u32) {
        match self.by_id.remove(&id) {
            Some(Where::Queue(ticket)) => drop(self.queue.remove(&ticket)),
            Some(Where::Place(place)) => self.leave(place),
            None => {}
        }
    }

    /// The socket of this token has news.
    pub fn ready(&mut self, registry: &Registry, token: Token, now: Instant, out: &mut Vec<(u32, Verdict)>) {
        let Some(place) = token.0.checked_sub(self.first_token) else { return };
        self.serve(place, now, out);
        self.fill(registry, now, out);
    }

    /// Ends what has run out of time, gives a few connections of the backlog their turn, and opens what waits.
    pub fn due(&mut self, registry: &Registry, now: Instant, out: &mut Vec<(u32, Verdict)>) {
        for _ in 0..self.backlog.len().min(limits::PROBE_BACKLOG_PER_TURN) {
            let Some(place) = self.backlog.pop_front() else { break };
            if let Some(Some(conn)) = self.places.get_mut(place) {
                conn.waiting = false;
                self.serve(place, now, out);
            }
        }
        while let Some(place) = self.timers.pop_due(now) {
            self.time_is_up(place, now, out);
        }
        if self.starved.is_some_and(|(_, until)| until <= now) {
            self.starved = None;
        }
        self.fill(registry, now, out);
    }

    pub fn deadline(&self) -> Option<Instant> {
        let retry = self.starved.filter(|_| !self.queue.is_empty()).map(|(_, until)| until);
        [self.timers.first(), retry].into_iter().flatten().min()
    }

    /// There is more to do than fitted into the turn: call `due` without sleeping.
    pub fn has_backlog(&self) -> bool {
        !self.backlog.is_empty() || (!self.queue.is_empty() && self.has_place() && self.starved.is_none())
    }

    /// Why checks wait although there is a place for them: errno of our own side.
    pub fn starved(&self) -> Option<i32> {
        self.starved.map(|(errno, _)| errno)
    }

    /// How many conversations are open, and how many wait.
    pub fn load(&self) -> (usize, usize) {
        (self.places.len() - self.free.len(), self.queue.len())
    }

    fn has_place(&self) -> bool {
        self.places.len() - self.free.len() < limits::PROBES
    }

    fn enqueue(&mut self, ticket: u64, job: Job) {
        self.by_id.insert(job.id, Where::Queue(ticket));
        self.queue.insert(ticket, job);
    }

    fn fill(&mut self, registry: &Registry, now: Instant, out: &mut Vec<(u32, Verdict)>) {
        for _ in 0..limits::PROBES_PER_TURN {
            if self.starved.is_some() || !self.has_place() {
                return;
            }
            let Some((ticket, job)) = self.queue.pop_first() else { return };
            self.by_id.remove(&job.id);
            if !self.begin(registry, now, job.id, (job.to, &job.check), job.url, out) {
                self.enqueue(ticket, job);
            }
        }
    }

    /// Opens one connection. False: our own side cannot just now.
    fn begin(
        &mut self,
        registry: &Registry,
        now: Instant,
        id: u32,
        (to, check): (Endpoint, &Check),
        url: usize,
        out: &mut Vec<(u32, Verdict)>,
    ) -> bool {
        let Some(talk) = Talk::new(check, to, url) else {
            out.push((id, Verdict::Down(Reason::Unsupported("not a check over a connection"))));
            return true;
        };
        let tls = match &check.kind {
            CheckKind::Http(http) if http.tls => match self.tls.session(http.sni.as_deref(), to.ip) {
                Ok(session) => Some(session),
                Err(reason) => {
                    out.push((id, Verdict::Down(reason)));
                    return true;
                }
            },
            _ => None,
        };
        let place = self.free.last().copied().unwrap_or(self.places.len());
        let token = Token(self.first_token + place);
        let opened = (self.open)(to, check).and_then(|mut stream| {
            let interest = match talk {
                Talk::Tcp(_) => Interest::WRITABLE,
                _ => Interest::READABLE | Interest::WRITABLE,
            };
            registry.register(&mut stream, token, interest)?;
            Ok(stream)
        });
        let stream = match opened {
            Ok(stream) => stream,
            Err(e) => {
                let errno = e.raw_os_error();
                if let Some(errno) = errno.filter(|errno| ours(*errno, check)) {
                    self.starved = Some((errno, now + limits::PROBE_STARVED));
                    return false;
                }
                out.push((id, Verdict::Down(Reason::Connect(errno.unwrap_or(libc::EINVAL)))));
                return true;
            }
        };
        let timeout = check.timeout;
        let (step, last) = (now + timeout, now + timeout.saturating_mul(limits::PROBE_STEPS));
        let conn = Conn {
            id,
            stream,
            connected: false,
            talk,
            tls,
            say: Vec::new(),
            broken: None,
            waiting: false,
            timeout,
            step,
            last,
        };
        self.timers.file(place, Some(step));
        self.by_id.insert(id, Where::Place(place));
        match self.places.get_mut(place) {
            Some(empty) => {
                self.free.pop();
                *empty = Some(conn);
            }
            None => self.places.push(Some(conn)),
        }
        true
    }

    fn serve(&mut self, place: usize, now: Instant, out: &mut Vec<(u32, Verdict)>) {
        let Some(Some(conn)) = self.places.get_mut(place) else { return };
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ_BYTES].into();
        }
        match conn.pump(now, &mut self.buffer) {
            Pump::Done(verdict) => self.finish(place, verdict, out),
            pump => {
                self.timers.file(place, Some(conn.step.min(conn.last)));
                if matches!(pump, Pump::Again) && !std::mem::replace(&mut conn.waiting, true) {
                    self.backlog.push_back(place);
                }
            }
        }
    }

    /// After a stop of the whole machine the answer may have come in time and lie unread: so one last look.
    fn time_is_up(&mut self, place: usize, now: Instant, out: &mut Vec<(u32, Verdict)>) {
        self.serve(place, now, out);
        let Some(Some(conn)) = self.places.get_mut(place) else { return };
        let what = if conn.last <= now {
            "the end of the answer, which came too slowly"
        } else if conn.step <= now {
            conn.waiting_for()
        } else {
            return;
        };
        self.finish(place, Verdict::Down(Reason::Timeout(what)), out);
    }

    fn finish(&mut self, place: usize, verdict: Verdict, out: &mut Vec<(u32, Verdict)>) {
        let Some(Some(conn)) = self.places.get_mut(place) else { return };
        if let Some(tls) = &mut conn.tls {
            tls.bye(&mut conn.stream);
        }
        let id = conn.id;
        self.by_id.remove(&id);
        self.leave(place);
        out.push((id, verdict));
    }

    /// Closing the socket also takes it out of epoll: no further system call.
    fn leave(&mut self, place: usize) {
        let Some(conn) = self.places.get_mut(place).and_then(Option::take) else { return };
        if conn.waiting {
            self.backlog.retain(|p| *p != place);
        }
        self.timers.file(place, None);
        self.free.push(place);
    }
}

impl Conn {
    fn waiting_for(&self) -> &'static str {
        match &self.tls {
            _ if !self.connected => "the connection",
            Some(tls) if tls.handshaking() => "the TLS handshake",
            _ => self.talk.waiting_for(),
        }
    }

    fn pump(&mut self, now: Instant, buffer: &mut [u8]) -> Pump {
        if !self.connected {
            // One call in the good case. It also tells an event that was meant for an earlier connection of this place.
            if self.stream.peer_addr().is_err() {
                return match self.stream.take_error() {
                    Ok(None) => Pump::Wait,
                    Ok(Some(e)) | Err(e) => down(Reason::Connect(e.raw_os_error().unwrap_or(0))),
                };
            }
            self.connected = true;
            self.progress(now);
            if let Turn::Done(verdict) = self.talk.open(&mut self.say) {
                return Pump::Done(verdict);
            }
        }
        match self.converse(now, buffer) {
            Ok(pump) => pump,
            Err(e) => down(Reason::Io(e.raw_os_error().unwrap_or(0))),
        }
    }

    fn progress(&mut self, now: Instant) {
        self.step = now + self.timeout;
    }

    /// Says what is to be said and hears what has come, up to this connection's share of the turn.
    fn converse(&mut self, now: Instant, buffer: &mut [u8]) -> io::Result<Pump> {
        let mut share = limits::PROBE_BYTES_PER_TURN;
        while share > 0 {
            self.flush();
            let shaking = self.tls.as_ref().is_some_and(tls::Session::handshaking);
            let read = match &mut self.tls {
                None => self.stream.read(buffer),
                Some(tls) => tls.receive(&mut self.stream),
            };
            let n = match read {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Pump::Wait),
                Err(e) => return Err(e),
            };
            if n > 0 {
                self.progress(now);
            }
            share = share.saturating_sub(n);
            match self.heard(n, buffer) {
                // What could not be written tells more than an end of the stream does.
                Turn::Done(Verdict::Up) | Turn::More if n == 0 && self.broken.is_some() => {
                    return Ok(down(Reason::Io(self.broken.unwrap_or(0))))
                }
                Turn::Done(verdict) => return Ok(Pump::Done(verdict)),
                Turn::More if n == 0 => return Ok(down(Reason::Closed(self.waiting_for()))),
                Turn::More => {}
            }
            if shaking {
                // Its arithmetic takes a while on a small machine: one step a turn.
                break;
            }
        }
        self.flush();
        Ok(Pump::Again)
    }

    /// `n` bytes came from the socket; they lie in `buffer`, or in the TLS session.
    fn heard(&mut self, n: usize, buffer: &mut [u8]) -> Turn {
        if let Some(tls) = &mut self.tls {
            if let Err(reason) = tls.process() {
                return Turn::Done(Verdict::Down(reason));
            }
            while let Some(plain @ 1..) = tls.plain(buffer) {
                let bytes = buffer.get(..plain).unwrap_or_default();
                if let done @ Turn::Done(_) = self.talk.hear(bytes, &mut self.say) {
                    return done;
                }
            }
            if n == 0 && tls.handshaking() {
                return Turn::Done(Verdict::Down(Reason::Closed("the TLS handshake")));
            }
        }
        match buffer.get(..n) {
            _ if n == 0 => self.talk.closed(),
            Some(bytes) if self.tls.is_none() => self.talk.hear(bytes, &mut self.say),
            _ => Turn::More,
        }
    }

    /// A server may refuse early, answer, and read no further: so a failed write does not end the hearing.
    fn flush(&mut self) {
        if let Err(e) = self.try_flush() {
            self.say.clear();
            self.broken = Some(e.raw_os_error().unwrap_or(0));
        }
    }

    fn try_flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            if !self.say.is_empty() {
                tls.say(&self.say)?;
                self.say.clear();
            }
            return tls.flush(&mut self.stream);
        }
        while !self.say.is_empty() {
            match self.stream.write(&self.say) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.say.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Errors that say something about this machine, nothing about the server: too few descriptors, memory or local ports.
fn ours(errno: i32, check: &Check) -> bool {
    match errno {
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN => true,
        // No port is left; with an address of its own, that address is not here.
        libc::EADDRNOTAVAIL => check.bind.is_none(),
        // epoll's limit of watched descriptors.
        libc::ENOSPC => true,
        _ => false,
    }
}

fn down(reason: Reason) -> Pump {
    Pump::Done(Verdict::Down(reason))
}

/// One read; the bytes are looked at and forgotten.
const READ_BYTES: usize = 16 << 10;
