//! Settings of interfaces under /proc/sys/net: what is written stays remembered with what stood there before.

use super::Done;
use crate::base::addr::IfName;
use crate::wire::link::{SysctlKey, SysctlValue};
use std::collections::BTreeMap;
use std::fs;
use std::io;

#[derive(Debug, Default)]
pub struct Sysctls {
    kept: BTreeMap<SysctlKey, SysctlValue>,
}

impl Sysctls {
    /// Takes in what a run before this one changed.
    pub fn remember(&mut self, key: SysctlKey, value: SysctlValue) {
        self.kept.insert(key, value);
    }

    pub fn kept(&self, key: &SysctlKey) -> Option<SysctlValue> {
        self.kept.get(key).copied()
    }

    /// To be called before `set`: looks what is there. `anew`: whatever was known of it is of the past, unless it is
    /// what is there.
    pub fn look(&mut self, key: SysctlKey, interface: &IfName, value: i32, anew: bool) {
        let Ok(there) = read(key, interface) else { return };
        match self.kept.get_mut(&key) {
            Some(kept) if !anew || kept.value == there => kept.value = value,
            _ => drop(self.kept.insert(key, SysctlValue { value, was: Some(there) })),
        }
    }

    pub fn set(&self, key: SysctlKey, interface: &IfName, value: i32) -> Done {
        if read(key, interface).is_ok_and(|there| there == value) {
            return Done::Applied;
        }
        done(fs::write(key.which.path(interface), value.to_string()))
    }

    /// Puts back what stood there, unless somebody else has changed it since.
    pub fn put_back(&mut self, key: SysctlKey, interface: &IfName) -> Done {
        match self.kept.remove(&key) {
            Some(SysctlValue { value, was: Some(was) }) if was != value => match read(key, interface) {
                Ok(there) if there == value => done(fs::write(key.which.path(interface), was.to_string())),
                _ => Done::WasThere,
            },
            _ => Done::WasThere,
        }
    }
}

fn read(key: SysctlKey, interface: &IfName) -> io::Result<i32> {
    let text = fs::read_to_string(key.which.path(interface))?;
    text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

fn done(what: io::Result<()>) -> Done {
    match what {
        Ok(()) => Done::Applied,
        Err(e) => Done::Refused(e.raw_os_error().unwrap_or(libc::EIO)),
    }
}
