//! Text to meaning: lexer, tree, typed model, diagnostics.

pub mod model;
