//! holdfast.

pub mod base;
pub mod config;
pub mod daemon;
pub mod limits;
pub mod node;
pub mod probe;
pub mod wire;
