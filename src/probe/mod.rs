//! Health-check conversations as pure state machines: bytes in, bytes out, a verdict at the end. No socket, no clock,
//! no TLS: whoever pumps a dialogue brings these, so the same code is fed by the daemon, by a simulation and by a fuzzer.

pub mod http;
pub mod smtp;
pub mod tcp;

use crate::base::addr::Endpoint;
use crate::base::verdict::Verdict;
use crate::config::model::{Check, CheckKind};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Turn {
    More,
    Done(Verdict),
}

/// One side of a conversation. After `Done` nothing more is asked of it.
pub trait Dialog {
    /// The connection is made. What is to be sent is appended to `say`.
    fn open(&mut self, say: &mut Vec<u8>) -> Turn;
    /// Bytes came, in pieces of any size.
    fn hear(&mut self, bytes: &[u8], say: &mut Vec<u8>) -> Turn;
    /// The other side has said all it will say. The answer is `Done` always.
    fn closed(&mut self) -> Turn;
    /// What would come next, for the reason of a time-out.
    fn waiting_for(&self) -> &'static str;
}

/// The dialogue of a check that goes over one stream connection.
#[derive(Debug)]
pub enum Talk {
    Tcp(tcp::Connect),
    Http(Box<http::Get>),
    Smtp(Box<smtp::Hello>),
}

impl Talk {
    /// `url` counts the rounds of a check: an HTTP check asks for its URLs in turn (see `urls`), others do not look at it.
    /// None: a check of this kind is not a conversation.
    pub fn new(check: &Check, to: Endpoint, url: usize) -> Option<Talk> {
        match &check.kind {
            CheckKind::Tcp => Some(Talk::Tcp(tcp::Connect)),
            CheckKind::Http(http) => Some(Talk::Http(Box::new(http::Get::new(http, to, url)?))),
            CheckKind::Smtp { helo } => Some(Talk::Smtp(Box::new(smtp::Hello::new(helo)))),
            _ => None,
        }
    }
}

/// How many rounds it takes until a check has asked for everything once.
pub fn urls(kind: &CheckKind) -> usize {
    match kind {
        CheckKind::Http(http) => http.urls.len().max(1),
        _ => 1,
    }
}

impl Dialog for Talk {
    fn open(&mut self, say: &mut Vec<u8>) -> Turn {
        match self {
            Talk::Tcp(d) => d.open(say),
            Talk::Http(d) => d.open(say),
            Talk::Smtp(d) => d.open(say),
        }
    }

    fn hear(&mut self, bytes: &[u8], say: &mut Vec<u8>) -> Turn {
        match self {
            Talk::Tcp(d) => d.hear(bytes, say),
            Talk::Http(d) => d.hear(bytes, say),
            Talk::Smtp(d) => d.hear(bytes, say),
        }
    }

    fn closed(&mut self) -> Turn {
        match self {
            Talk::Tcp(d) => d.closed(),
            Talk::Http(d) => d.closed(),
            Talk::Smtp(d) => d.closed(),
        }
    }

    fn waiting_for(&self) -> &'static str {
        match self {
            Talk::Tcp(d) => d.waiting_for(),
            Talk::Http(d) => d.waiting_for(),
            Talk::Smtp(d) => d.waiting_for(),
        }
    }
}
