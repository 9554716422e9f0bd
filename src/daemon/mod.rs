//! The shell around the machine: the loop, files, sockets, log.

pub mod conn;
pub mod options;
pub mod pidfile;
pub mod tls;
