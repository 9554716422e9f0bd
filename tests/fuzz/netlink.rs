//! What the kernel tells: any bytes as a buffer of netlink messages, as an answer of IPVS, as events of processes.
#![no_main]

use holdfast::base::bytes::Reader;
use holdfast::wire::{connector, inotify, ipvs, netlink, rtnl};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for message in netlink::messages(bytes) {
        let _ = (rtnl::parse(&message), message.answer(), message.dump_end());
    }
    let _ = (netlink::attributes(bytes).count(), connector::events(bytes).count());
    let _ = (ipvs::services(bytes).count(), ipvs::dests(bytes).count(), ipvs::daemons(bytes).count());
    let mut r = Reader::new(bytes);
    while inotify::next(&mut r).is_some() {}
});
