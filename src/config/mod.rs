//! Text to meaning: lexer, tree, typed model, diagnostics. Read `loader.rs` first.

mod address;
mod context;
pub mod diagnostic;
pub mod dump;
mod global;
mod hmac;
pub mod keywords;
pub mod lexer;
pub mod loader;
mod lvs;
pub mod model;
pub mod refused;
mod route;
mod rule;
mod script;
mod statics;
mod track;
mod tree;
mod vlink;
mod vrrp;
mod words;
pub mod write;
