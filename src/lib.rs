//! holdfast.

pub mod base;
pub mod config;
pub mod limits;
pub mod probe;
pub mod wire;
