//! holdfast.

pub mod base;
pub mod config;
pub mod daemon;
pub mod limits;
pub mod linux;
pub mod wire;
