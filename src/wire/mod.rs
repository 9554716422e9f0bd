//! Bytes on the LAN and bytes to the kernel, to and from values. Pure: no clock, no socket, no file.

pub mod ah;
pub mod arp;
pub mod checksum;
pub mod connector;
pub mod hmac;
pub mod inotify;
pub mod ip;
pub mod ipv4;
pub mod ipvs;
pub mod link;
pub mod na;
pub mod netlink;
pub mod op;
pub mod rtnl;
pub mod vrrp;

/// Hands each of `rounds` damaged copies of the seeds to `f`: bytes changed, cut off, doubled. The same ones every time.
#[cfg(test)]
pub(crate) fn mangled(seeds: &[Vec<u8>], rounds: usize, mut f: impl FnMut(&[u8])) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for round in 0..rounds {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(6) {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at..),
                // Lengths and counts: the values at the edges.
                2 => bytes.iter_mut().skip(at).take(2).for_each(|b| *b = 0xff),
                3 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = 0),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = random(256) as u8),
            }
        }
        f(&bytes);
    }
}
