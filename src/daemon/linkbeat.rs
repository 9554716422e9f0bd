//! Links that are polled instead of being heard of (linkbeat_use_polling, linkbeat_interfaces): what their hardware says,
//! once a second.

use crate::base::addr::IfName;
use crate::base::time::Instant;
use crate::config::model::LinkbeatWay;
use crate::limits;
use crate::linux::{socket, sys};
use std::os::fd::{AsFd, OwnedFd};

#[derive(Default)]
pub struct Linkbeat {
    fd: Option<OwnedFd>,
    deadline: Option<Instant>,
}

impl Linkbeat {
    /// Begins, or ends where nothing is polled.
    pub fn follow(&mut self, polled: bool, now: Instant) {
        self.deadline = polled.then(|| self.deadline.unwrap_or(now));
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.deadline.is_some_and(|at| at <= now);
        if due {
            self.deadline = Some(now + limits::LINKBEAT_PERIOD);
        }
        due
    }

    /// None: nothing can be asked of it.
    pub fn ask(&mut self, name: &IfName, way: Option<LinkbeatWay>) -> Option<bool> {
        if self.fd.is_none() {
            self.fd = socket::plain().ok();
        }
        let fd = self.fd.as_ref()?.as_fd();
        let name = name.as_str();
        let (up, running) = sys::link_flags(fd, name).ok()?;
        let beats = match way {
            Some(LinkbeatWay::Ethtool) => sys::ethtool_link(fd, name).ok(),
            Some(LinkbeatWay::Mii) => sys::mii_link(fd, name).ok(),
            Some(LinkbeatWay::Ioctl) => None,
            None => sys::ethtool_link(fd, name).or_else(|_| sys::mii_link(fd, name)).ok(),
        };
        Some(up && beats.unwrap_or(running))
    }
}
