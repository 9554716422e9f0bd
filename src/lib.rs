//! holdfast.

pub mod applet;
pub mod base;
pub mod config;
pub mod daemon;
pub mod limits;
pub mod linux;
pub mod node;
pub mod probe;
pub mod wire;
