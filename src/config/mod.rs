//! Text to meaning: lexer, tree, typed model, diagnostics. Read `loader.rs` first.

mod context;
pub mod diagnostic;
pub mod dump;
mod expand;
mod glob;
mod global;
pub mod json;
pub mod keywords;
pub mod lexer;
pub mod loader;
mod lvs;
pub mod marks;
pub mod model;
pub mod peer;
mod protocol;
pub mod refused;
mod script;
pub mod source;
mod track;
mod tree;
mod vrrp;
pub mod write;
