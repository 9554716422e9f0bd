//! Text to meaning: lexer, tree, typed model, diagnostics. Read `loader.rs` first.

mod context;
pub mod diagnostic;
pub mod dump;
mod global;
pub mod keywords;
pub mod lexer;
pub mod loader;
mod lvs;
pub mod model;
mod protocol;
pub mod refused;
mod script;
mod track;
mod tree;
mod vrrp;
pub mod write;
