//! holdfast.

pub mod base;
pub mod config;
pub mod limits;
pub mod node;
pub mod wire;
