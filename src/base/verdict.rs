//! What a health check found, and why: one type and one table of texts for log, status and mail.

use std::fmt;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Up,
    /// Up, with this weight (misc_dynamic).
    Weight(u32),
    Down(Reason),
    /// Our own side could not try (no descriptors, no memory): says nothing about the server, tried again.
    NotTried(i32),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The connection was not made: errno (ECONNREFUSED, EHOSTUNREACH, ...).
    Connect(i32),
    /// What was waited for when the time ran out.
    Timeout(&'static str),
    /// The server closed before the answer was whole.
    Closed(&'static str),
    /// A read or write failed: errno.
    Io(i32),
    /// The answer is not in the protocol: what is wrong with it.
    Malformed(&'static str),
    TooLong,
    HttpStatus(u16),
    /// MD5 of the body that came.
    Digest([u8; 16]),
    /// SMTP reply code that came, and after which command.
    SmtpCode(u16, &'static str),
    /// TLS failed: in the library's words.
    Tls(Box<str>),
    /// Program: exit status, or the signal that ended it.
    Exit(i32),
    Signal(i32),
    /// The program could not be started: errno.
    Spawn(i32),
    /// This build cannot do it: why.
    Unsupported(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let os = |e: &i32| std::io::Error::from_raw_os_error(*e);
        match self {
            Reason::Connect(e) => write!(f, "connection failed: {}", os(e)),
            Reason::Timeout(what) => write!(f, "timed out, waiting for {what}"),
            Reason::Closed(what) => write!(f, "server closed the connection, waiting for {what}"),
            Reason::Io(e) => write!(f, "connection broke: {}", os(e)),
            Reason::Malformed(what) => write!(f, "reply is malformed: {what}"),
            Reason::TooLong => f.write_str("reply is too long"),
            Reason::HttpStatus(code) => write!(f, "HTTP status {code}"),
            Reason::Digest(md5) => {
                f.write_str("body has another digest: ")?;
                md5.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
            Reason::SmtpCode(code, after) => write!(f, "SMTP reply {code} {after}"),
            Reason::Tls(text) => write!(f, "TLS: {text}"),
            Reason::Exit(status) => write!(f, "exit status {status}"),
            Reason::Signal(n) => write!(f, "ended by signal {n}"),
            Reason::Spawn(e) => write!(f, "could not be started: {}", os(e)),
            Reason::Unsupported(why) => write!(f, "not done by this build: {why}"),
        }
    }
}
