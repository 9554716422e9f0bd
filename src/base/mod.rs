//! Small values that every layer speaks: time, timers, addresses, byte cursors. Only std and heapless.

pub mod addr;
pub mod bytes;
pub mod rare;
pub mod time;
pub mod timers;
pub mod verdict;
