//! holdfast: VRRP, IPVS and health checks in one process that reads `keepalived.conf`.
//!
//! One pure value, [`node::Node`], in a thin Linux shell, [`daemon`]. Read `node/mod.rs` first, then `daemon/mod.rs`.
//!
//! * `Node::step(now, event, &mut effects)` is the only way anything changes; `Node::deadline()` says when it wants to be
//!   called next. It has no clock, socket, file or chance: `tests/sim.rs` runs the same value under a virtual clock.
//! * What the kernel should hold is computed from the node's state, and brought about by difference ([`node::table`]).
//!   What happens once (an advert, a script, a log line) is an [effect](node::effect::Effect).
//!
//! | Module | For |
//! | --- | --- |
//! | [`base`] | time, timers, addresses, byte cursors, verdicts |
//! | [`wire`] | bytes on the LAN and to the kernel; the objects that the kernel holds for us ([`wire::op`]) |
//! | [`config`] | text to [`config::model::Config`], and what is wrong with it |
//! | [`node`] | the machine: VRRP, virtual servers, the difference |
//! | [`probe`] | the conversations of the checks |
//! | [`linux`] | sockets, netlink, IPVS, processes; all `unsafe` is in [`linux::sys`] |
//! | [`daemon`] | the loop, connections, children, log, options, pid files, the ownership record |
//! | [`applet`] | the names that the binary answers to |
//! | [`limits`] | maxima, with their reasons |
//!
//! Who may use whom stands in ARCHITECTURE.md; `tests/tidy.rs` holds it.

pub mod applet;
pub mod base;
pub mod config;
pub mod daemon;
pub mod limits;
pub mod linux;
pub mod node;
pub mod probe;
pub mod wire;
