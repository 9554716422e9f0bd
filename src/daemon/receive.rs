//! How much of what was received may wait in the sockets of VRRP, where the configuration says so (vrrp_rx_bufs_policy,
//! kernel_rx_buf_size). Instances that share a socket share the sum.

use crate::base::addr::IfName;
use crate::config::model::{Config, Instance, ReceiveBuffer};
use crate::linux::socket;
use crate::wire::op::SocketKey;
use std::os::fd::BorrowedFd;

/// An advert without its addresses, and with all that may stand before and behind: IPv6 header, AH, VRRP, password.
const ADVERT: u32 = 40 + 24 + 8 + 8;
/// Of an interface that says nothing of it.
const MTU: u32 = 1500;

/// Does the configuration say anything of it?
pub fn asks(config: &Config) -> bool {
    config.global.vrrp.receive != ReceiveBuffer::Kernel
        || config.instances.iter().any(|i| i.kernel_rx_buf_size.is_some())
}

/// None: as the program has it.
pub fn bytes(config: &Config, key: &SocketKey, name: Option<&IfName>, mtu: Option<u32>) -> Option<i32> {
    if !asks(config) {
        return None;
    }
    // One that is bound to no interface hears all instances.
    let mine = config.instances.iter().filter(|i| key.ifindex == 0 || name == Some(&i.interface));
    mine.filter_map(|i| one(config, i, mtu)).reduce(u32::saturating_add).map(|n| i32::try_from(n).unwrap_or(i32::MAX))
}

fn one(config: &Config, instance: &Instance, mtu: Option<u32>) -> Option<u32> {
    let vrrp = &config.global.vrrp;
    let policy = || match vrrp.receive {
        ReceiveBuffer::Kernel => None,
        ReceiveBuffer::Mtu => Some(mtu.unwrap_or(MTU).saturating_mul(vrrp.receive_times)),
        ReceiveBuffer::Advert => {
            let of_addresses = u32::try_from(instance.vips.len()).unwrap_or(u32::MAX).saturating_mul(16);
            Some(ADVERT.saturating_add(of_addresses).saturating_mul(vrrp.receive_times))
        }
        ReceiveBuffer::Bytes(n) => Some(n),
    };
    instance.kernel_rx_buf_size.or_else(policy)
}

/// Where it is refused, the socket keeps what it has.
pub fn set(fd: BorrowedFd<'_>, bytes: i32) {
    if let Err(e) = socket::receive_buffer(fd, bytes) {
        log::debug!(target: "vrrp", "a socket's buffer keeps its size: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_a_socket_share_the_sum() {
        let name: IfName = "v0".parse().unwrap_or_default();
        let mut config = Config::default();
        config.instances = vec![Instance::new("I", name.clone(), 51), Instance::new("J", name.clone(), 52)];
        let key = SocketKey { ifindex: 3, protocol: 112, address: [224, 0, 0, 18].into() };
        let of = |config: &Config, on: &IfName| bytes(config, &key, Some(on), Some(1400));
        assert_eq!(of(&config, &name), None);
        config.global.vrrp.receive = ReceiveBuffer::Mtu;
        config.global.vrrp.receive_times = 5;
        assert_eq!(of(&config, &name), Some(14000));
        assert_eq!(of(&config, &IfName::default()), None);
        config.global.vrrp.receive = ReceiveBuffer::Bytes(9000);
        assert_eq!(of(&config, &name), Some(18000));
    }
}
