//! HTTP_GET and SSL_GET: one request, the status of the answer, the MD5 of its body. The body is hashed as it comes and
//! never kept; of a header only the start of each line is.

use super::{Dialog, Turn};
use crate::base::addr::{Endpoint, Family};
use crate::base::verdict::{Reason, Verdict};
use crate::config::model::{Http, HttpProtocol};
use crate::limits;
use md5::{Digest, Md5};

/// One URL of a check, asked for once.
#[derive(Debug)]
pub struct Get {
    request: Vec<u8>,
    wanted_status: Box<[(u16, u16)]>,
    wanted_digest: Option<[u8; 16]>,
    stage: Stage,
    code: u16,
    /// Start of the header line that is coming in.
    line: heapless::Vec<u8, { limits::HTTP_LINE_KEPT }>,
    /// The line was longer than what is kept of it.
    cut: bool,
    head_bytes: usize,
    body_bytes: usize,
    length: Option<usize>,
    coding: Coding,
    /// Over the body as it is sent, up to Content-Length: keepalived's digest, also of a chunked body.
    raw: Option<Md5>,
    /// Over the body without its chunking; only while the body is chunked.
    decoded: Option<Md5>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Status,
    Headers,
    Body,
    Chunked(Chunk),
}

/// Where in a chunked body (RFC 9112, section 7.1) the next byte falls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Chunk {
    /// The digits so far.
    Size(Option<usize>),
    /// After the size: up to the end of the line.
    Extension(usize),
    /// What is left of the data; with 0 the line end behind it.
    Data(usize),
    /// Lines after the last chunk; whether the current one is empty so far.
    Trailer(bool),
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Plain,
    Chunked,
    /// A transfer coding that has no end of its own: the body ends with the connection (RFC 9112, section 6.3).
    UntilClose,
}

impl Get {
    /// `url` counts rounds: the URLs take turns. None: the check has no URL.
    pub fn new(http: &Http, to: Endpoint, url: usize) -> Option<Get> {
        let url = http.urls.get(url.checked_rem(http.urls.len())?)?;
        let (version, close) = match http.protocol {
            HttpProtocol::V1_0 => ("1.0", ""),
            HttpProtocol::V1_0Close => ("1.0", "Connection: close\r\n"),
            HttpProtocol::V1_1 => ("1.1", "Connection: close\r\n"),
        };
        let host = match (url.virtualhost.as_deref().or(http.virtualhost.as_deref()), Family::of(&to.ip)) {
            (Some(name), _) => name.to_owned(),
            (None, Family::V4) => format!("{}:{}", to.ip, to.port),
            (None, Family::V6) => format!("[{}]:{}", to.ip, to.port),
        };
        let path = &url.path;
        let request =
            format!("GET {path} HTTP/{version}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n");
        Some(Get {
            request: request.into_bytes(),
            wanted_status: url.status.as_slice().into(),
            wanted_digest: url.digest,
            stage: Stage::Status,
            code: 0,
            line: heapless::Vec::new(),
            cut: false,
            head_bytes: 0,
            body_bytes: 0,
            length: None,
            coding: Coding::Plain,
            raw: url.digest.map(|_| Md5::new()),
            decoded: None,
        })
    }

    /// Takes bytes up to and including the end of one header line.
    fn head(&mut self, rest: &mut &[u8]) -> Turn {
        let end = rest.iter().position(|b| *b == b'\n');
        let (line, tail) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((*rest, &[]));
        *rest = tail.get(usize::from(end.is_some())..).unwrap_or(&[]);
        self.head_bytes = self.head_bytes.saturating_add(line.len() + 1);
        if self.head_bytes > limits::HTTP_HEAD_BYTES {
            return down(Reason::TooLong);
        }
        for byte in line {
            self.cut |= self.line.push(*byte).is_err();
        }
        // Something else than HTTP is known by its first bytes; it may never send a line end.
        if self.stage == Stage::Status && !self.line.iter().zip(b"HTTP/").all(|(got, want)| got == want) {
            return down(Reason::Malformed("no HTTP status line"));
        }
        if end.is_none() {
            return Turn::More;
        }
        let line = std::mem::take(&mut self.line);
        let cut = std::mem::take(&mut self.cut);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        match self.stage {
            Stage::Status => self.status(line),
            _ if line.is_empty() => self.head_ends(),
            _ => self.header(line, cut),
        }
    }

    fn status(&mut self, line: &[u8]) -> Turn {
        let code = match line.split(|b| *b == b' ').filter(|word| !word.is_empty()).nth(1) {
            Some(&[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => {
                let digit = |d: u8| u16::from(d - b'0');
                digit(a) * 100 + digit(b) * 10 + digit(c)
            }
            _ => return down(Reason::Malformed("no HTTP status line")),
        };
        self.stage = Stage::Headers;
        self.code = code;
        self.length = None;
        self.coding = Coding::Plain;
        let wanted = match &*self.wanted_status {
            [] => (200..=299).contains(&code),
            ranges => ranges.iter().any(|(from, to)| (*from..=*to).contains(&code)),
        };
        if wanted || interim(code) {
            Turn::More
        } else {
            down(Reason::HttpStatus(code))
        }
    }

    fn header(&mut self, line: &[u8], cut: bool) -> Turn {
        let Some((name, value)) = split_at_byte(line, b':') else { return Turn::More };
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().filter(|v| v.bytes().all(|b| b.is_ascii_digit()) && !cut);
            let Some(length) = length.and_then(|v| v.parse().ok()) else {
                return down(Reason::Malformed("Content-Length is not a number"));
            };
            if *self.length.get_or_insert(length) != length {
                return down(Reason::Malformed("two different Content-Lengths"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let last = value.rsplit(|b| *b == b',').next().unwrap_or(value).trim_ascii();
            self.coding =
                if last.eq_ignore_ascii_case(b"chunked") && !cut { Coding::Chunked } else { Coding::UntilClose };
        }
        Turn::More
    }

    fn head_ends(&mut self) -> Turn {
        if interim(self.code) {
            self.stage = Stage::Status;
            return Turn::More;
        }
        // No body, whatever the headers say (RFC 9112, section 6.3).
        if matches!(self.code, 204 | 304) {
            return self.judge();
        }
        if self.coding == Coding::Chunked {
            self.stage = Stage::Chunked(Chunk::Size(None));
            self.decoded = self.raw.clone();
            return Turn::More;
        }
        self.stage = Stage::Body;
        if self.coding == Coding::Plain && self.length == Some(0) {
            return self.judge();
        }
        Turn::More
    }

    fn body(&mut self, bytes: &[u8]) -> Turn {
        self.hash_raw(bytes);
        self.body_bytes = self.body_bytes.saturating_add(bytes.len());
        match self.length {
            Some(length) if self.coding == Coding::Plain && self.body_bytes >= length => self.judge(),
            _ if self.body_bytes > limits::REPLY_BYTES => down(Reason::TooLong),
            _ => Turn::More,
        }
    }

    /// `body_bytes` is what came before `bytes`.
    fn hash_raw(&mut self, bytes: &[u8]) {
        let left = self.length.map_or(usize::MAX, |length| length.saturating_sub(self.body_bytes));
        let part = bytes.get(..left).unwrap_or(bytes);
        if let Some(raw) = &mut self.raw {
            raw.update(part);
        }
    }

    fn chunked(&mut self, mut chunk: Chunk, bytes: &[u8]) -> Turn {
        let mut rest = bytes;
        while let (Some((first, tail)), false) = (rest.split_first(), chunk == Chunk::End) {
            if let Chunk::Data(left @ 1..) = chunk {
                let (data, tail) = rest.split_at_checked(left).unwrap_or((rest, &[]));
                if let Some(decoded) = &mut self.decoded {
                    decoded.update(data);
                }
                chunk = Chunk::Data(left - data.len());
                rest = tail;
                continue;
            }
            chunk = match chunk.next(*first) {
                Ok(next) => next,
                Err(reason) => return down(reason),
            };
            rest = tail;
        }
        let used = bytes.get(..bytes.len() - rest.len()).unwrap_or(bytes);
        self.hash_raw(used);
        self.body_bytes = self.body_bytes.saturating_add(used.len());
        self.stage = Stage::Chunked(chunk);
        if chunk == Chunk::End {
            return self.judge();
        }
        if self.body_bytes > limits::REPLY_BYTES {
            return down(Reason::TooLong);
        }
        Turn::More
    }

    /// The body is whole, and the status was good.
    fn judge(&mut self) -> Turn {
        let Some(wanted) = self.wanted_digest else { return Turn::Done(Verdict::Up) };
        let raw = self.raw.take().map(|md5| <[u8; 16]>::from(md5.finalize())).unwrap_or_default();
        let decoded = self.decoded.take().map_or(raw, |md5| <[u8; 16]>::from(md5.finalize()));
        if raw == wanted || decoded == wanted {
            Turn::Done(Verdict::Up)
        } else {
            down(Reason::Digest(decoded))
        }
    }
}

impl Chunk {
    /// One byte that is not data.
    fn next(self, byte: u8) -> Result<Chunk, Reason> {
        match (self, byte) {
            (Chunk::Size(Some(size)), b'\n') | (Chunk::Extension(size), b'\n') => {
                Ok(if size == 0 { Chunk::Trailer(true) } else { Chunk::Data(size) })
            }
            // Blanks too: old servers pad the size with them.
            (Chunk::Size(Some(size)), b'\r' | b';' | b' ' | b'\t') => Ok(Chunk::Extension(size)),
            (Chunk::Size(so_far), _) => {
                let digit = char::from(byte).to_digit(16).ok_or(Reason::Malformed("chunk size is not a number"))?;
                let size = so_far.unwrap_or(0) * 16 + digit as usize;
                // Bounded here, so that the number cannot overflow.
                if size > limits::REPLY_BYTES {
                    return Err(Reason::TooLong);
                }
                Ok(Chunk::Size(Some(size)))
            }
            (Chunk::Extension(size), _) => Ok(Chunk::Extension(size)),
            (Chunk::Data(_), b'\n') => Ok(Chunk::Size(None)),
            (Chunk::Data(_), b'\r') => Ok(Chunk::Data(0)),
            (Chunk::Data(_), _) => Err(Reason::Malformed("chunk does not end where its size says")),
            (Chunk::Trailer(true), b'\n') => Ok(Chunk::End),
            (Chunk::Trailer(_), b'\n') => Ok(Chunk::Trailer(true)),
            (Chunk::Trailer(empty), b'\r') => Ok(Chunk::Trailer(empty)),
            (Chunk::Trailer(_), _) => Ok(Chunk::Trailer(false)),
            (Chunk::End, _) => Ok(Chunk::End),
        }
    }
}

impl Dialog for Get {
    fn open(&mut self, say: &mut Vec<u8>) -> Turn {
        say.append(&mut self.request);
        Turn::More
    }

    fn hear(&mut self, bytes: &[u8], _say: &mut Vec<u8>) -> Turn {
        let mut rest = bytes;
        while !rest.is_empty() {
            let turn = match self.stage {
                Stage::Status | Stage::Headers => self.head(&mut rest),
                Stage::Body => return self.body(rest),
                Stage::Chunked(chunk) => return self.chunked(chunk, rest),
            };
            if turn != Turn::More {
                return turn;
            }
        }
        Turn::More
    }

    fn closed(&mut self) -> Turn {
        // Without a length the end of the connection is the end of the body.
        let whole = self.stage == Stage::Body && (self.length.is_none() || self.coding == Coding::UntilClose);
        if whole {
            self.judge()
        } else {
            down(Reason::Closed(self.waiting_for()))
        }
    }

    fn waiting_for(&self) -> &'static str {
        match self.stage {
            Stage::Status => "the HTTP status line",
            Stage::Headers => "the end of the HTTP headers",
            Stage::Body => "the rest of the HTTP body",
            Stage::Chunked(_) => "the end of the chunked HTTP body",
        }
    }
}

/// An answer that only says that the real one follows (RFC 9110, section 15.2); 101 is one that does not.
fn interim(code: u16) -> bool {
    matches!(code, 100 | 102..=199)
}

fn split_at_byte(line: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|b| *b == byte)?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

fn down(reason: Reason) -> Turn {
    Turn::Done(Verdict::Down(reason))
}
