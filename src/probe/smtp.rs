//! SMTP_CHECK: greeting, HELO, QUIT (RFC 5321). Replies of several lines are taken as the one reply that they are.

use super::{Dialog, Turn};
use crate::base::verdict::{Reason, Verdict};
use crate::limits;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Greeting,
    Helo,
    Quit,
}

#[derive(Debug)]
pub struct Hello {
    helo: Box<str>,
    stage: Stage,
    /// The first bytes of the line that is coming in; no more of it is looked at.
    line: heapless::Vec<u8, 4>,
    /// Code of the reply's first line: all its lines have the same.
    code: Option<u16>,
    heard: usize,
}

impl Hello {
    pub fn new(helo: &str) -> Hello {
        Hello { helo: helo.into(), stage: Stage::Greeting, line: heapless::Vec::new(), code: None, heard: 0 }
    }

    /// A line has ended.
    fn line(&mut self, say: &mut Vec<u8>) -> Turn {
        let line = std::mem::take(&mut self.line);
        let (code, rest) = match *line.as_slice() {
            [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', ref rest @ ..] => {
                let digit = |d: u8| u16::from(d - b'0');
                (digit(a) * 100 + digit(b) * 10 + digit(c), rest)
            }
            _ => return down(Reason::Malformed("no SMTP reply code")),
        };
        if *self.code.get_or_insert(code) != code {
            return down(Reason::Malformed("the lines of one SMTP reply have different codes"));
        }
        match rest {
            [b'-'] => Turn::More,
            [] | [b' ' | b'\r'] => {
                self.code = None;
                self.reply(code, say)
            }
            _ => down(Reason::Malformed("no SMTP reply code")),
        }
    }

    fn reply(&mut self, code: u16, say: &mut Vec<u8>) -> Turn {
        match (self.stage, code) {
            (Stage::Greeting, 220) => {
                self.stage = Stage::Helo;
                say.extend_from_slice(b"HELO ");
                say.extend_from_slice(self.helo.as_bytes());
                say.extend_from_slice(b"\r\n");
                Turn::More
            }
            (Stage::Helo, 250) => {
                self.stage = Stage::Quit;
                say.extend_from_slice(b"QUIT\r\n");
                Turn::More
            }
            (Stage::Quit, _) => Turn::Done(Verdict::Up),
            (Stage::Greeting, code) => down(Reason::SmtpCode(code, "as greeting")),
            (Stage::Helo, code) => down(Reason::SmtpCode(code, "after HELO")),
        }
    }
}

impl Dialog for Hello {
    fn open(&mut self, _say: &mut Vec<u8>) -> Turn {
        Turn::More
    }

    fn hear(&mut self, bytes: &[u8], say: &mut Vec<u8>) -> Turn {
        for byte in bytes {
            self.heard += 1;
            if self.heard > limits::SMTP_BYTES {
                return down(Reason::TooLong);
            }
            if *byte != b'\n' {
                // Full after four bytes: the text of a reply is for people.
                let _ = self.line.push(*byte);
                continue;
            }
            if let done @ Turn::Done(_) = self.line(say) {
                return done;
            }
        }
        Turn::More
    }

    fn closed(&mut self) -> Turn {
        down(Reason::Closed(self.waiting_for()))
    }

    fn waiting_for(&self) -> &'static str {
        match self.stage {
            Stage::Greeting => "the SMTP greeting",
            Stage::Helo => "the reply to HELO",
            Stage::Quit => "the reply to QUIT",
        }
    }
}

fn down(reason: Reason) -> Turn {
    Turn::Done(Verdict::Down(reason))
}
