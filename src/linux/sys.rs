//! All unsafe code of the program: thin and safe functions over libc.
//!
//! Descriptors are OwnedFd from birth and always close-on-exec; structures of the kernel go in and out as byte
//! slices (`wire` builds and reads them) or live for one call here. Every function may be called with any argument.

use std::ffi::{c_int, c_long, c_void, CString};
use std::io::{self, Error};
use std::mem::{size_of, zeroed};
use std::ops::{Range, RangeInclusive};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr::{from_mut, from_ref, null, null_mut};
use std::sync::OnceLock;

/// -1 is an error, whose number errno holds.
fn check<T: PartialOrd + Default>(result: T) -> io::Result<T> {
    if result < T::default() {
        return Err(Error::last_os_error());
    }
    Ok(result)
}

/// As `check`, again as long as a signal came between.
fn retry<T: PartialOrd + Default>(mut call: impl FnMut() -> T) -> io::Result<T> {
    loop {
        match check(call()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn owned(fd: c_int) -> io::Result<OwnedFd> {
    let fd = check(fd)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bytes_len(bytes: &[u8]) -> libc::socklen_t {
    libc::socklen_t::try_from(bytes.len()).unwrap_or(libc::socklen_t::MAX)
}

// ---- sockets ----

/// Non-blocking and close-on-exec.
pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::socket(domain, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, protocol) })
}

/// `address` is a sockaddr as bytes.
pub fn bind(fd: BorrowedFd<'_>, address: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `len` bytes of a live slice, whatever its alignment.
    check(unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr().cast(), bytes_len(address)) }).map(drop)
}

/// Begins to connect; on a non-blocking socket it goes on by itself.
pub fn connect(fd: BorrowedFd<'_>, address: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `len` bytes of a live slice, whatever its alignment.
    match check(unsafe { libc::connect(fd.as_raw_fd(), address.as_ptr().cast(), bytes_len(address)) }) {
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        other => other.map(drop),
    }
}

pub fn set_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `len` bytes of a live slice.
    let done =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast::<c_void>(), bytes_len(value)) };
    check(done).map(drop)
}

/// Eight bytes for each step of the program (struct sock_filter); the kernel checks it, and keeps a copy.
pub fn attach_filter(fd: BorrowedFd<'_>, program: &[u8]) -> io::Result<()> {
    // Aligned as the structure is.
    let words: Vec<u64> =
        program.chunks_exact(8).map(|c| u64::from_ne_bytes(c.try_into().unwrap_or_default())).collect();
    let len = u16::try_from(words.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let filter = libc::sock_fprog { len, filter: words.as_ptr().cast_mut().cast() };
    let size = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).unwrap_or(0);
    // SAFETY: the kernel reads the structure and `len` entries of eight bytes behind its pointer; both live.
    let done = unsafe {
        let value = std::ptr::from_ref(&filter).cast::<c_void>();
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, value, size)
    };
    check(done).map(drop)
}

/// The number of bytes that the kernel filled in.
pub fn get_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &mut [u8]) -> io::Result<usize> {
    let mut len = bytes_len(value);
    // SAFETY: the kernel writes at most `len` bytes into a live slice, and the length.
    let done = unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, name, value.as_mut_ptr().cast::<c_void>(), from_mut(&mut len))
    };
    check(done)?;
    Ok(usize::try_from(len).unwrap_or(0).min(value.len()))
}

/// Asks about an interface (netdevice(7)); the request and its answer stand behind the name in `about`.
fn ask_interface(fd: BorrowedFd<'_>, request: u32, name: &str, about: &mut libc::ifreq) -> io::Result<()> {
    if name.len() >= about.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in about.ifr_name.iter_mut().zip(name.bytes().chain([0])) {
        *to = from as libc::c_char;
    }
    // SAFETY: the kernel reads and writes one ifreq, and what its pointer, if the request has one, points to: callers keep
    // that alive and large enough.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request as _, from_mut(about)) }).map(drop)
}

fn no_request() -> libc::ifreq {
    // SAFETY: integers and pointers only, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// Is it up, and is it running?
pub fn link_flags(fd: BorrowedFd<'_>, name: &str) -> io::Result<(bool, bool)> {
    const SIOCGIFFLAGS: u32 = 0x8913;
    let mut about = no_request();
    ask_interface(fd, SIOCGIFFLAGS, name, &mut about)?;
    // SAFETY: the kernel filled in the flags.
    let flags = c_int::from(unsafe { about.ifr_ifru.ifru_flags });
    Ok((flags & libc::IFF_UP != 0, flags & libc::IFF_RUNNING != 0))
}

/// What the driver says of the link.
pub fn ethtool_link(fd: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    const SIOCETHTOOL: u32 = 0x8946;
    const ETHTOOL_GLINK: u32 = 0x0a;
    let mut value = [ETHTOOL_GLINK, 0];
    let mut about = no_request();
    about.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
    ask_interface(fd, SIOCETHTOOL, name, &mut about)?;
    Ok(value[1] != 0)
}

/// What the PHY says of the link.
pub fn mii_link(fd: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    const SIOCGMIIPHY: u32 = 0x8947;
    const SIOCGMIIREG: u32 = 0x8948;
    const BMSR: u16 = 1;
    const BMSR_LINK: u16 = 4;
    /// struct mii_ioctl_data: PHY, register, value in, value out. It lies where the other requests have their answer.
    fn words(about: &mut libc::ifreq) -> &mut [u16; 4] {
        // SAFETY: the union is at least 16 bytes long and aligned for pointers; any bits are numbers.
        unsafe { &mut *std::ptr::from_mut(&mut about.ifr_ifru).cast::<[u16; 4]>() }
    }
    let mut about = no_request();
    ask_interface(fd, SIOCGMIIPHY, name, &mut about)?;
    words(&mut about)[1] = BMSR;
    ask_interface(fd, SIOCGMIIREG, name, &mut about)?;
    Ok(words(&mut about)[3] & BMSR_LINK != 0)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    pub len: usize,
    /// Bytes of the sender's sockaddr that were filled in.
    pub name_len: usize,
    /// The datagram was longer than the buffer.
    pub truncated: bool,
}

/// One datagram with its sender (a sockaddr as bytes). Does not wait.
pub fn receive_from(fd: BorrowedFd<'_>, buf: &mut [u8], name: &mut [u8]) -> io::Result<Received> {
    receive_with(fd, buf, name, &mut []).map(|(received, _)| received)
}

/// The same with what the kernel tells beside it (control messages); how many bytes of that were filled in.
pub fn receive_with(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    name: &mut [u8],
    control: &mut [u8],
) -> io::Result<(Received, usize)> {
    let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: all zeros is a valid msghdr (null pointers, no lengths).
    let mut head: libc::msghdr = unsafe { zeroed() };
    head.msg_name = name.as_mut_ptr().cast();
    head.msg_namelen = bytes_len(name);
    head.msg_iov = from_mut(&mut part);
    head.msg_iovlen = 1;
    head.msg_control = control.as_mut_ptr().cast();
    head.msg_controllen = control.len() as _;
    // SAFETY: `head` points at `part`, `name` and `control`, `part` at `buf`; all live through the call, with their true
    // lengths.
    let len = retry(|| unsafe { libc::recvmsg(fd.as_raw_fd(), from_mut(&mut head), libc::MSG_DONTWAIT) })?;
    let received = Received {
        len: usize::try_from(len).unwrap_or(0).min(buf.len()),
        name_len: usize::try_from(head.msg_namelen).unwrap_or(0).min(name.len()),
        truncated: head.msg_flags & libc::MSG_TRUNC != 0,
    };
    Ok((received, (head.msg_controllen as usize).min(control.len())))
}

/// One datagram. Does not wait.
pub fn receive(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `len` bytes into a live slice.
    let len = retry(|| unsafe {
        libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast::<c_void>(), buf.len(), libc::MSG_DONTWAIT)
    })?;
    Ok(usize::try_from(len).unwrap_or(0).min(buf.len()))
}

/// Does not wait. An empty address: the peer that the socket is connected to.
pub fn send_to(fd: BorrowedFd<'_>, bytes: &[u8], address: &[u8]) -> io::Result<usize> {
    let name = if address.is_empty() { null() } else { address.as_ptr().cast() };
    // SAFETY: the kernel reads the two live slices, with their true lengths.
    let len = retry(|| unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            bytes.as_ptr().cast::<c_void>(),
            bytes.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            name,
            bytes_len(address),
        )
    })?;
    Ok(usize::try_from(len).unwrap_or(0))
}

/// One system call sends at most this many datagrams.
pub const SEND_MANY: usize = 64;

/// Sends the first `SEND_MANY` datagrams, each to its sockaddr; returns how many went out before one failed. Does not wait.
pub fn send_many<A: AsRef<[u8]>>(fd: BorrowedFd<'_>, batch: &[(A, &[u8])]) -> io::Result<usize> {
    let count = batch.len().min(SEND_MANY);
    // SAFETY: all zeros is a valid iovec and mmsghdr.
    let mut parts: [libc::iovec; SEND_MANY] = unsafe { zeroed() };
    // SAFETY: the same.
    let mut heads: [libc::mmsghdr; SEND_MANY] = unsafe { zeroed() };
    for ((part, head), (name, bytes)) in parts.iter_mut().zip(&mut heads).zip(batch) {
        // The kernel only reads through these two pointers; the structures have no const ones.
        *part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let name = name.as_ref();
        head.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
        head.msg_hdr.msg_namelen = bytes_len(name);
        head.msg_hdr.msg_iov = from_mut(part);
        head.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the first `count` heads were filled in with live slices and their lengths; parts and heads live through the call.
    let sent = retry(|| unsafe {
        libc::sendmmsg(fd.as_raw_fd(), heads.as_mut_ptr(), count as _, (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _)
    })?;
    Ok(usize::try_from(sent).unwrap_or(0))
}

// ---- time ----

fn clock_micros(clock: libc::clockid_t) -> u64 {
    // SAFETY: all zeros is a valid timespec.
    let mut t: libc::timespec = unsafe { zeroed() };
    // SAFETY: the kernel fills in a live timespec. It cannot fail: the two clocks used exist everywhere.
    unsafe { libc::clock_gettime(clock, from_mut(&mut t)) };
    let seconds = u64::try_from(t.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(t.tv_nsec).unwrap_or(0) / 1000)
}

/// CLOCK_MONOTONIC in microseconds: what `base::time::Instant` counts and `timer_set` takes.
pub fn monotonic_micros() -> u64 {
    clock_micros(libc::CLOCK_MONOTONIC)
}

/// Microseconds since 1970.
pub fn realtime_micros() -> u64 {
    clock_micros(libc::CLOCK_REALTIME)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalTime {
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

/// Seconds since 1970 on the clock of the wall (TZ, /etc/localtime).
pub fn local_time(seconds: u64) -> LocalTime {
    // SAFETY: all zeros is a valid timespec, and a valid tm; its one pointer is not looked at.
    let (mut at, mut tm): (libc::timespec, libc::tm) = unsafe { zeroed() };
    at.tv_sec = seconds as _;
    // SAFETY: reads one time_t, fills in one tm. The program has one thread and never changes TZ.
    unsafe { libc::localtime_r(from_ref(&at.tv_sec), from_mut(&mut tm)) };
    let small = |n: c_int| u8::try_from(n).unwrap_or(0);
    LocalTime {
        year: tm.tm_year.saturating_add(1900),
        month: small(tm.tm_mon.saturating_add(1)),
        day: small(tm.tm_mday),
        hour: small(tm.tm_hour),
        minute: small(tm.tm_min),
        second: small(tm.tm_sec),
    }
}

pub fn timer() -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) })
}

/// Fires once at this time of `monotonic_micros` (at once if it is past); None: not at all. Clears a firing not yet read.
pub fn timer_set(fd: BorrowedFd<'_>, at: Option<u64>) -> io::Result<()> {
    // SAFETY: all zeros is a valid itimerspec (disarmed).
    let mut spec: libc::itimerspec = unsafe { zeroed() };
    if let Some(at) = at {
        // Zero would disarm it.
        let at = at.max(1);
        // 68 years fit even where seconds have 32 bits.
        spec.it_value.tv_sec = (at / 1_000_000).min(i32::MAX as u64) as _;
        spec.it_value.tv_nsec = (at % 1_000_000 * 1000) as _;
    }
    // SAFETY: the kernel reads a live itimerspec.
    check(unsafe { libc::timerfd_settime(fd.as_raw_fd(), libc::TFD_TIMER_ABSTIME, from_ref(&spec), null_mut()) })
        .map(drop)
}

/// True if it has fired since it was set or read.
pub fn timer_read(fd: BorrowedFd<'_>) -> bool {
    matches!(read(fd, &mut [0; 8]), Ok(8))
}

// ---- descriptors ----

pub fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `len` bytes into a live slice.
    let len = retry(|| unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast::<c_void>(), buf.len()) })?;
    Ok(usize::try_from(len).unwrap_or(0).min(buf.len()))
}

pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads `len` bytes of a live slice.
    let len = retry(|| unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast::<c_void>(), bytes.len()) })?;
    Ok(usize::try_from(len).unwrap_or(0).min(bytes.len()))
}

/// Whether a write would not wait.
pub fn writable(fd: BorrowedFd<'_>) -> bool {
    ready(fd, libc::POLLOUT)
}

fn ready(fd: BorrowedFd<'_>, events: std::ffi::c_short) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one live pollfd; a timeout of zero.
    let count = unsafe { libc::poll(from_mut(&mut poll), 1, 0) };
    count == 1 && poll.revents & events != 0
}

/// A copy that is not close-on-exec, for what is to be handed on.
pub fn duplicate_inheritable(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::dup(fd.as_raw_fd()) })
}

/// A queue of what happens in watched directories; see `wire::inotify`.
pub fn inotify() -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) })
}

/// Watches a directory; the number that its events will bear.
pub fn inotify_watch(fd: BorrowedFd<'_>, dir: &Path, mask: u32) -> io::Result<i32> {
    let dir = CString::new(dir.as_os_str().as_bytes())?;
    // SAFETY: a live string that ends in a zero byte.
    check(unsafe { libc::inotify_add_watch(fd.as_raw_fd(), dir.as_ptr(), mask | libc::IN_ONLYDIR) })
}

// ---- signals ----

fn signal_set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: all zeros is a valid bit set; sigemptyset makes it the empty one.
    let mut set: libc::sigset_t = unsafe { zeroed() };
    // SAFETY: a live set; unknown numbers are refused by sigaddset.
    unsafe { libc::sigemptyset(from_mut(&mut set)) };
    for signal in signals {
        // SAFETY: the same.
        unsafe { libc::sigaddset(from_mut(&mut set), *signal) };
    }
    set
}

/// Blocks these signals; they are read from the descriptor instead. A parent may have left SIGCHLD ignored, and
/// then children could not be waited for: all of them get their default action first.
pub fn signal_fd(signals: &[i32]) -> io::Result<OwnedFd> {
    let set = signal_set(signals);
    // SAFETY: reads a live set; the default action has no handler that could be wrong.
    unsafe {
        for signal in signals {
            libc::signal(*signal, libc::SIG_DFL);
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, from_ref(&set), null_mut()))?;
        owned(libc::signalfd(-1, from_ref(&set), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC))
    }
}

/// The next signal's number and who sent it (pid); None if none waits.
pub fn signal_read(fd: BorrowedFd<'_>) -> Option<(i32, u32)> {
    let mut info = [0; size_of::<libc::signalfd_siginfo>()];
    if read(fd, &mut info).ok()? != info.len() {
        return None;
    }
    // signalfd_siginfo: signo u32, errno i32, code i32, pid u32, ...
    let mut r = crate::base::bytes::Reader::new(&info);
    let (signal, _, _, pid) = (r.i32_ne()?, r.u32_ne()?, r.u32_ne()?, r.u32_ne()?);
    Some((signal, pid))
}

/// The real-time signal number `n` above SIGRTMIN (the C library keeps the first few for itself), or below SIGRTMAX.
pub fn realtime_signal(n: i32) -> i32 {
    let first = if n < 0 { libc::SIGRTMAX() } else { libc::SIGRTMIN() };
    first.saturating_add(n)
}

pub fn realtime_signals() -> RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

// ---- processes ----

/// True if the process exists, whoever's it is.
pub fn process_alive(pid: i32) -> bool {
    // SAFETY: no pointers; signal 0 only asks.
    pid > 0 && (unsafe { libc::kill(pid, 0) } == 0 || Error::last_os_error().raw_os_error() == Some(libc::EPERM))
}

/// Only real process numbers: 0 and below would mean groups, or everybody.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    if pid <= 1 {
        return Err(Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: no pointers.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// A signal to the calling thread alone.
pub fn signal_own_thread(signal: i32) {
    // SAFETY: no pointers; a wrong number is refused.
    unsafe { libc::raise(signal) };
}

/// Every process of the group.
pub fn kill_group(group: i32, signal: i32) -> io::Result<()> {
    if group <= 1 {
        return Err(Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: no pointers.
    check(unsafe { libc::killpg(group, signal) }).map(drop)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Status(i32),
    Signal(i32),
}

/// Takes the status of a child that has ended; None while it runs. Does not wait.
pub fn wait(pid: i32) -> io::Result<Option<Exit>> {
    let mut status = 0;
    // SAFETY: the kernel fills in a live integer.
    let ended = retry(|| unsafe { libc::waitpid(pid, from_mut(&mut status), libc::WNOHANG) })?;
    Ok(match ended {
        0 => None,
        _ if libc::WIFSIGNALED(status) => Some(Exit::Signal(libc::WTERMSIG(status))),
        _ => Some(Exit::Status(libc::WEXITSTATUS(status))),
    })
}

/// Whom a child runs as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// Gives the child a process group of its own, no blocked or ignored signals, no descriptors but the standard ones,
/// an end when we end, and (Some) another identity.
///
/// All of it in one closure: std's own `uid` and `gid` drop the rights before the closure runs, and a change of
/// identity clears the parent-death signal.
pub fn prepare_child(command: &mut Command, identity: Option<Identity>) {
    let parent = std::process::id();
    // Only if it was changed for ourselves.
    let scheduling = FOUND.get().copied();
    let setup = move || -> io::Result<()> {
        // SAFETY: between fork and exec, of a program with one thread: plain system calls on live values, no memory is asked for.
        unsafe {
            check(libc::setpgid(0, 0))?;
            for signal in 1..=libc::SIGRTMAX() {
                // Fails for SIGKILL, SIGSTOP and those of the C library: they need no reset.
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none: libc::sigset_t = zeroed();
            libc::sigemptyset(from_mut(&mut none));
            check(libc::sigprocmask(libc::SIG_SETMASK, from_ref(&none), null_mut()))?;
            close_inherited();
            if let Some(found) = &scheduling {
                // Not worth a program that does not run.
                let _ = found.restore();
            }
            if let Some(who) = &identity {
                check(libc::setgroups(who.groups.len() as _, who.groups.as_ptr()))?;
                check(libc::setgid(who.gid))?;
                check(libc::setuid(who.uid))?;
            }
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM))?;
            // It may have ended before that: then nobody would ever stop this child.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    };
    // SAFETY: the closure keeps to what is allowed between fork and exec, see there.
    unsafe { command.pre_exec(setup) };
}

/// Marks what we inherited without close-on-exec (all of our own has it).
fn close_inherited() {
    const CLOSE_RANGE_CLOEXEC: c_long = 4;
    // SAFETY: no pointers; only sets flags. Children inherit no descriptor above 2 on purpose.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 3 as c_long, c_long::from(c_int::MAX), CLOSE_RANGE_CLOEXEC) != 0 {
            // Before Linux 5.11: what a shell or an init could have left open.
            for fd in 3..256 {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}

/// Goes on in the background, in a session of its own without a terminal. The caller of the program waits for one byte
/// in the pipe that is returned: that is its exit status, and 1 if the pipe is closed without it.
/// To be called before anything is open that a fork would share.
pub fn daemonise() -> io::Result<OwnedFd> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel writes two descriptors into a live array.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    let [read_end, write_end] = ends;
    let (heard, ready) = (owned(read_end)?, owned(write_end)?);
    // SAFETY: the program has one thread.
    if check(unsafe { libc::fork() })? > 0 {
        drop(ready);
        let mut status = [1];
        let _ = read(heard.as_fd(), &mut status);
        // SAFETY: ends at once, without running anything more that belongs to the one in the background.
        unsafe { libc::_exit(i32::from(status[0])) };
    }
    // SAFETY: no pointers.
    check(unsafe { libc::setsid() })?;
    // A second fork, so that no terminal can become ours again.
    // SAFETY: the program has one thread; the one between ends at once.
    unsafe {
        if check(libc::fork())? > 0 {
            libc::_exit(0);
        }
    }
    Ok(ready)
}

/// The last step into the background: holds on to no directory, no terminal and nobody's pipe. `keep`: stdout and stderr
/// stay as they are.
pub fn detach(keep: bool) -> io::Result<()> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    std::env::set_current_dir("/")?;
    for fd in 0..if keep { 1 } else { 3 } {
        // SAFETY: no pointers; the standard descriptors belong to nobody in particular.
        retry(|| unsafe { libc::dup2(null.as_raw_fd(), fd) })?;
    }
    Ok(())
}

/// Only what is not there yet is made.
pub fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a string that lives through the call.
    check(unsafe { libc::mkfifo(path.as_ptr(), mode as libc::mode_t) }).map(drop)
}

// ---- scheduling ----

/// Bits of the largest kernel's set of CPUs.
const CPU_BITS: usize = 8192;
const WORD_BITS: usize = libc::c_ulong::BITS as usize;
const SCHED_RESET_ON_FORK: c_int = 0x4000_0000;
/// Not in libc for every target; the same number on all.
const RLIMIT_RTTIME: c_int = 15;

type Cpus = [libc::c_ulong; CPU_BITS / WORD_BITS];

/// How a process is scheduled, as far as it is changed here.
#[derive(Clone, Copy)]
struct Scheduling {
    nice: c_int,
    policy: c_int,
    priority: c_int,
    cpus: Cpus,
    rttime: libc::rlimit,
}

/// As this process was before its first change: as its children are, and as it is again when nothing is asked for.
static FOUND: OnceLock<Scheduling> = OnceLock::new();

impl Scheduling {
    fn read() -> Scheduling {
        let mut priority: c_int = 0;
        let mut cpus: Cpus = [0; CPU_BITS / WORD_BITS];
        let mut rttime = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the kernel fills in live values of the sizes that it is told or knows (struct sched_param is one int).
        unsafe {
            libc::syscall(libc::SYS_sched_getparam, 0 as c_long, from_mut(&mut priority));
            libc::syscall(libc::SYS_sched_getaffinity, 0 as c_long, size_of::<Cpus>(), cpus.as_mut_ptr());
            libc::getrlimit(RLIMIT_RTTIME as _, from_mut(&mut rttime));
            let policy = libc::syscall(libc::SYS_sched_getscheduler, 0 as c_long);
            let policy = c_int::try_from(policy).unwrap_or(0).max(0);
            Scheduling { nice: libc::getpriority(libc::PRIO_PROCESS as _, 0), policy, priority, cpus, rttime }
        }
    }

    /// All of it; to be called between fork and exec too. The first fault, when everything was tried.
    fn restore(&self) -> io::Result<()> {
        let policy = set_policy(self.policy, self.priority);
        let limit = set_rttime(&self.rttime);
        policy.and(limit).and(set_nice(self.nice)).and(set_affinity(&self.cpus))
    }
}

fn found() -> &'static Scheduling {
    FOUND.get_or_init(Scheduling::read)
}

// The C library of static programs (musl) refuses the policy, and has sets of 1,024 CPUs.
fn set_policy(policy: c_int, priority: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads one live int, which is all of struct sched_param.
    check(unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0 as c_long, c_long::from(policy), from_ref(&priority))
    })
    .map(drop)
}

fn set_affinity(cpus: &Cpus) -> io::Result<()> {
    // SAFETY: the kernel reads a live array of the length that it is told.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0 as c_long, size_of::<Cpus>(), cpus.as_ptr()) })
        .map(drop)
}

fn set_rttime(limit: &libc::rlimit) -> io::Result<()> {
    // SAFETY: the C library reads a live rlimit.
    check(unsafe { libc::setrlimit(RLIMIT_RTTIME as _, from_ref(limit)) }).map(drop)
}

fn set_nice(nice: c_int) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) }).map(drop)
}

/// None: as the process was found.
pub fn schedule_nice(nice: Option<i8>) -> io::Result<()> {
    let found = found().nice;
    set_nice(nice.map_or(found, c_int::from))
}

/// Before all that is not real-time, in turns with what has the same priority; None: as the process was found.
pub fn schedule_real_time(priority: Option<u8>) -> io::Result<()> {
    let found = found();
    match priority {
        Some(n) => set_policy(libc::SCHED_RR | SCHED_RESET_ON_FORK, c_int::from(n)),
        None => set_policy(found.policy, found.priority),
    }
}

/// Numbers that no kernel has are left out. Empty: as the process was found.
pub fn schedule_cpus(numbers: &[u16]) -> io::Result<()> {
    if numbers.is_empty() {
        return set_affinity(&found().cpus);
    }
    found();
    let mut cpus: Cpus = [0; CPU_BITS / WORD_BITS];
    for n in numbers {
        let n = usize::from(*n);
        if let Some(word) = cpus.get_mut(n / WORD_BITS) {
            *word |= 1 << (n % WORD_BITS);
        }
    }
    set_affinity(&cpus)
}

/// After so many microseconds on the CPU without a pause, in real time, the kernel ends the process (SIGXCPU).
/// None: as the process was found. The hard limit stays: it could not always be raised again.
pub fn schedule_limit(micros: Option<u64>) -> io::Result<()> {
    let found = found().rttime;
    let Some(micros) = micros else { return set_rttime(&found) };
    let soft = libc::rlim_t::try_from(micros).unwrap_or(libc::RLIM_INFINITY).min(found.rlim_max);
    set_rttime(&libc::rlimit { rlim_cur: soft, rlim_max: found.rlim_max })
}

/// All memory stays where it is, what will be asked for too; or it may be paged out again. Children do not inherit it.
pub fn lock_memory(lock: bool) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe {
        if lock {
            libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE)
        } else {
            libc::munlockall()
        }
    })
    .map(drop)
}

/// The shortest sleep that there is: others run, and the time on the CPU without a pause begins anew.
pub fn pause() {
    std::thread::sleep(std::time::Duration::from_nanos(1));
}

/// What it was before.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: no pointers, cannot fail.
    unsafe { libc::umask(mask as libc::mode_t) }
}

pub fn effective_uid() -> u32 {
    // SAFETY: no pointers, cannot fail.
    unsafe { libc::geteuid() }
}

/// Moves the whole process into a network namespace (an open /run/netns/NAME or /proc/PID/ns/net).
pub fn enter_network_namespace(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::setns(fd.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// A fresh and empty network namespace for the calling thread.
pub fn new_network_namespace() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

// Numbers of linux/capability.h.
pub const CAP_CHOWN: u8 = 0;
pub const CAP_DAC_OVERRIDE: u8 = 1;
pub const CAP_KILL: u8 = 5;
pub const CAP_SETGID: u8 = 6;
pub const CAP_SETUID: u8 = 7;
pub const CAP_NET_BIND_SERVICE: u8 = 10;
pub const CAP_NET_ADMIN: u8 = 12;
pub const CAP_NET_RAW: u8 = 13;
pub const CAP_IPC_LOCK: u8 = 14;
pub const CAP_SYS_NICE: u8 = 23;

/// Gives up every capability but these, for this process. The bounding set stays: a script that runs as root,
/// and modprobe, get root's rights back at exec, as they expect.
pub fn keep_capabilities(keep: &[u8]) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let mut wanted = [0u32; 2];
    for cap in keep {
        if let Some(word) = wanted.get_mut(usize::from(cap / 32)) {
            *word |= 1 << (cap % 32);
        }
    }
    let head = [VERSION_3, 0];
    // effective, permitted, inheritable; twice, the low 32 capabilities first.
    let mut now = [0u32; 6];
    // SAFETY: the header is two words, the data six; both live.
    check(unsafe { libc::syscall(libc::SYS_capget, head.as_ptr(), now.as_mut_ptr()) })?;
    let [_, low, _, _, high, _] = now;
    let [want_low, want_high] = wanted;
    // One can only keep what one has.
    let (low, high) = (low & want_low, high & want_high);
    let data = [low, low, 0, high, high, 0];
    // SAFETY: the same.
    check(unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), data.as_ptr()) }).map(drop)
}

/// Pages of the program's file are mapped sixteen at a time around each one that is touched, but never beyond the end of
/// a mapping: mappings this small keep what a router that idles needs to about that.
pub const SMALL_PIECE: usize = 8 << 10;
/// The same for who has little to do and ends soon.
pub const LARGE_PIECE: usize = 32 << 10;

/// Where the program's files are mapped read-only, without a page of our own (which is what relocation leaves).
pub fn program_text() -> Vec<Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let (mut found, mut current) = (Vec::new(), None);
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if first == "Anonymous:" {
            found.extend(current.take().filter(|_| second == "0"));
        } else if !first.ends_with(':') {
            let ends = first.split_once('-').map(|(a, b)| (usize::from_str_radix(a, 16), usize::from_str_radix(b, 16)));
            let file = matches!(second, "r-xp" | "r--p") && words.nth(3).is_some_and(|file| file.starts_with('/'));
            current = match ends {
                Some((Ok(start), Ok(end))) if file => Some(start..end),
                _ => None,
            };
        }
    }
    found
}

/// Gives back the pages of the program's files (see `program_text`); what is used on is read again. Starting touches most
/// of a small program once; a router with 64 MB need not keep that. In pieces of that size: the smaller, the less of
/// what lies around what is needed comes back, and the longer it takes.
pub fn trim(text: &[Range<usize>], piece: usize) {
    // SAFETY: no pointers.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(piece);
    let size = piece.max(page);
    for range in text {
        release_file(range.clone(), size);
    }
    release_heap();
}

fn release_file(range: Range<usize>, size: usize) {
    for (count, start) in range.clone().step_by(size).enumerate() {
        let piece = std::ptr::without_provenance_mut::<c_void>(start);
        let len = size.min(range.end - start);
        // Mappings that differ are not joined; a dump of the core would not hold the file's pages anyway.
        let apart = if count % 2 == 0 { libc::MADV_DODUMP } else { libc::MADV_DONTDUMP };
        // SAFETY: neither changes what is read there: the pages were never written to, so they are the same when they
        // are read from the file again. A range that is not mapped is an error, without effect.
        unsafe {
            libc::madvise(piece, len, apart);
            libc::madvise(piece, len, libc::MADV_DONTNEED);
        }
    }
}

/// What was allocated and freed again goes back to the kernel; musl does so by itself.
fn release_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointers; only pages without a live byte are given back.
    unsafe {
        libc::malloc_trim(0);
    }
}
