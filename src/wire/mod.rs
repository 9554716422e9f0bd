//! Bytes on the LAN and bytes to the kernel, to and from values. Pure: no clock, no socket, no file.

pub mod arp;
pub mod checksum;
pub mod ipv4;
pub mod op;
pub mod vrrp;
