//! The only place that knows the kernel's interface: sockets, netlink, IPVS, processes.
//! Operations come as `wire::op::Op`, news go out as `wire::op::News`; nothing here decides anything.

pub mod connector;
pub mod ipvs;
pub mod netlink;
pub mod nft;
pub mod process;
pub mod socket;
#[allow(unsafe_code, reason = "the one place for it, see there")]
pub mod sys;
pub mod sysctl;

/// What became of an operation. Adding what exists and removing what does not are no faults: the kernel is as it
/// was to be. But such an operation changed nothing, so no news of it will come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    Applied,
    /// It was there (Add) or gone (Remove) already.
    WasThere,
    /// The errno.
    Refused(i32),
}
