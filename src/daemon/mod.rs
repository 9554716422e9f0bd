//! The shell.

pub mod logger;
pub mod owned;
