//! Bytes on the LAN and bytes to the kernel, to and from values. Pure: no clock, no socket, no file.

pub mod ipvs;
pub mod netlink;
pub mod op;
pub mod rtnl;
