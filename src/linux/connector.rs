//! The kernel's process connector. It speaks in the first network namespace only, to those whose socket is from there.

use super::netlink::NewsEnd;
use super::sys;
use crate::wire::connector::{events, request, Event, GROUP};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const NETLINK_CONNECTOR: i32 = 11;
const NETLINK_ADD_MEMBERSHIP: i32 = 1;
const NETLINK_DROP_MEMBERSHIP: i32 = 2;

#[derive(Debug)]
pub struct Connector {
    fd: OwnedFd,
    listening: bool,
}

impl Connector {
    /// To be called before another network namespace is entered.
    pub fn open() -> io::Result<Connector> {
        let fd = sys::socket(libc::AF_NETLINK, libc::SOCK_DGRAM, NETLINK_CONNECTOR)?;
        Ok(Connector { fd, listening: false })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Asks for news, or for none any more. That it was understood is told by an `Answer`: some kernels give none.
    pub fn listen(&mut self, wanted: bool) -> io::Result<()> {
        if self.listening == wanted {
            return Ok(());
        }
        let option = if wanted { NETLINK_ADD_MEMBERSHIP } else { NETLINK_DROP_MEMBERSHIP };
        sys::set_option(self.fd(), libc::SOL_NETLINK, option, &GROUP.to_ne_bytes())?;
        sys::send_to(self.fd(), &request(wanted), &[])?;
        self.listening = wanted;
        Ok(())
    }

    pub fn read(&self, max: usize, sink: &mut dyn FnMut(Event)) -> NewsEnd {
        let mut buf = [0; 1024];
        for _ in 0..max {
            match sys::receive(self.fd(), &mut buf) {
                Ok(len) => events(buf.get(..len).unwrap_or_default()).for_each(&mut *sink),
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => return NewsEnd::Overrun,
                Err(_) => return NewsEnd::Drained,
            }
        }
        NewsEnd::More
    }
}

impl Drop for Connector {
    /// The kernel counts its listeners, and older ones do not see that one is gone.
    fn drop(&mut self) {
        let _ = self.listen(false);
    }
}
