//! TCP_CHECK: a server that takes the connection is up.

use super::{Dialog, Turn};
use crate::base::verdict::Verdict;

#[derive(Clone, Copy, Debug)]
pub struct Connect;

impl Dialog for Connect {
    fn open(&mut self, _say: &mut Vec<u8>) -> Turn {
        Turn::Done(Verdict::Up)
    }

    fn hear(&mut self, _bytes: &[u8], _say: &mut Vec<u8>) -> Turn {
        Turn::Done(Verdict::Up)
    }

    fn closed(&mut self) -> Turn {
        Turn::Done(Verdict::Up)
    }

    fn waiting_for(&self) -> &'static str {
        "the connection"
    }
}
