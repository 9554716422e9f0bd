//! auth_hmac of one instance: the numbers it has used, and the last ones of those it hears.

use super::packet::Bad;
use crate::config::model::{AntiReplay, Hmac, HmacMode, Unicast};
use crate::limits;
use crate::wire::hmac::{Stamp, Trailer};
use std::net::IpAddr;

#[derive(Clone, Debug, Default)]
pub struct Signing {
    last: Option<Stamp>,
    /// The last number of each sender, the last sender first.
    marks: Vec<(IpAddr, Stamp)>,
}

impl Signing {
    /// The number of the next advert: the time, yet above the one before. In time mode a clock that was far ahead and is
    /// right again is believed: the others would not take the old numbers.
    pub fn take(&mut self, conf: &Hmac, wall: u64) -> Stamp {
        let now = Stamp::at(wall);
        let last = self.last.filter(|last| !forgets(conf) || i64::from(last.ahead_of(now)) <= window(conf));
        let stamp = match last {
            Some(last) if !now.is_after(last) => last.next(),
            _ => now,
        };
        self.last = Some(stamp);
        stamp
    }

    /// The last number of that sender. In time mode one that is far from now protects nothing that the window does not,
    /// and would make us deaf if a clock was wrong once.
    fn mark(&self, conf: &Hmac, src: IpAddr, wall: u64) -> Option<Stamp> {
        let mark = self.marks.iter().find(|(who, _)| *who == src).map(|(_, stamp)| *stamp)?;
        let off = i64::from(mark.ahead_of(Stamp::at(wall))).abs();
        (!forgets(conf) || off <= window(conf)).then_some(mark)
    }

    /// Peers have a mark each; of a group the few that spoke last.
    pub fn heard(&mut self, unicast: Option<&Unicast>, src: IpAddr, stamp: Stamp) {
        self.marks.retain(|(who, _)| *who != src);
        self.marks.insert(0, (src, stamp));
        self.marks.truncate(unicast.map_or(limits::HMAC_SENDERS, |u| u.peers.len()));
    }
}

/// The number of an advert that may be heard; None: it is not signed, and need not be. `trailer`: what stands behind
/// the advert, if anything.
pub fn check(
    own: Option<&Signing>,
    conf: &Hmac,
    unicast: Option<&Unicast>,
    src: IpAddr,
    advert: &[u8],
    trailer: Option<&[u8]>,
    wall: u64,
) -> Result<Option<Stamp>, Bad> {
    let Some(bytes) = trailer else {
        return if conf.mode == HmacMode::Enforce { Err(Bad::Unsigned) } else { Ok(None) };
    };
    let trailer = Trailer::parse(bytes).ok_or(Bad::Trailer)?;
    let stamp = trailer.stamp;
    let off = stamp.ahead_of(Stamp::at(wall));
    if forgets(conf) && i64::from(off).abs() > window(conf) {
        return Err(Bad::Stale(off));
    }
    let key = conf.key(trailer.key).ok_or(Bad::UnknownKey(trailer.key))?;
    if !trailer.is_of(key, src, advert) {
        return Err(Bad::Forged);
    }
    if unicast.is_some_and(|u| !u.peers.iter().any(|p| p.ip == src)) {
        return Err(Bad::Stranger);
    }
    match own.and_then(|own| own.mark(conf, src, wall)) {
        Some(mark) if !stamp.is_after(mark) => Err(Bad::Replayed),
        _ => Ok(Some(stamp)),
    }
}

/// Is the clock of that sender so far from ours that it soon will not be heard? Its distance in seconds.
pub fn skew(conf: &Hmac, stamp: Stamp, wall: u64) -> Option<i32> {
    let off = stamp.ahead_of(Stamp::at(wall));
    (forgets(conf) && i64::from(off).abs() * 2 > window(conf)).then_some(off)
}

fn forgets(conf: &Hmac) -> bool {
    conf.anti_replay == AntiReplay::Time
}

fn window(conf: &Hmac) -> i64 {
    i64::try_from(conf.time_window.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::bytes::Writer;
    use crate::config::model::{HmacKey, HmacSecret};
    use crate::wire::hmac;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000;
    const NOW: u64 = 1_800_000_000 * SECOND;
    /// The first bytes of an advert: version 3, router 51.
    const ADVERT: [u8; 12] = [0x31, 51, 100, 1, 0, 100, 0, 0, 10, 0, 0, 100];

    fn conf(anti_replay: AntiReplay, mode: HmacMode) -> Hmac {
        let key = |id: u8| HmacKey { id, secret: HmacSecret::Bytes([id; 32].into()) };
        Hmac { keys: vec![key(1), key(2)], active: 1, time_window: Duration::from_secs(10), anti_replay, mode }
    }

    fn router(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    /// A trailer as that router would make it.
    fn signed(n: u8, id: u8, stamp: Stamp) -> Vec<u8> {
        let mut w = Writer { bytes: ADVERT.to_vec() };
        hmac::sign(&[id; 32], id, stamp, router(n), 0, &mut w);
        w.bytes.split_off(ADVERT.len())
    }

    struct Ear(Signing, Hmac);

    impl Ear {
        fn hear(&mut self, n: u8, trailer: Option<&[u8]>, wall: u64) -> Result<(), Bad> {
            let heard = check(Some(&self.0), &self.1, None, router(n), &ADVERT, trailer, wall)?;
            heard.into_iter().for_each(|stamp| self.0.heard(None, router(n), stamp));
            Ok(())
        }
    }

    #[test]
    fn each_reason_in_its_turn() {
        let mut ear = Ear(Signing::default(), conf(AntiReplay::Time, HmacMode::Enforce));
        let now = Stamp::at(NOW);
        let good = signed(2, 2, now);
        assert_eq!(ear.hear(2, None, NOW), Err(Bad::Unsigned));
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(ear.hear(2, Some(&with(0, 2)), NOW), Err(Bad::Trailer));
        assert_eq!(ear.hear(2, Some(&with(3, 1)), NOW), Err(Bad::Trailer));
        // Too old or too new goes before the key, the key before the signature.
        assert_eq!(ear.hear(2, Some(&with(1, 9)), NOW + 11 * SECOND), Err(Bad::Stale(-11)));
        assert_eq!(ear.hear(2, Some(&good), NOW - 11 * SECOND), Err(Bad::Stale(11)));
        assert_eq!(ear.hear(2, Some(&with(1, 9)), NOW), Err(Bad::UnknownKey(9)));
        assert_eq!(ear.hear(2, Some(&with(1, 1)), NOW), Err(Bad::Forged));
        assert_eq!(ear.hear(3, Some(&good), NOW), Err(Bad::Forged));
        assert_eq!(ear.hear(2, Some(&good), NOW + 10 * SECOND), Ok(()));
        assert_eq!(ear.hear(2, Some(&good), NOW), Err(Bad::Replayed));
        assert_eq!(ear.hear(2, Some(&signed(2, 1, now.next())), NOW), Ok(()), "another key of ours");
    }

    #[test]
    fn unsigned_ones_are_heard_while_keys_are_rolled_out() {
        for mode in [HmacMode::Permissive, HmacMode::ReceiveOnly] {
            let mut ear = Ear(Signing::default(), conf(AntiReplay::Time, mode));
            assert_eq!(ear.hear(2, None, NOW), Ok(()));
            let mut bad = signed(2, 1, Stamp::at(NOW));
            bad[27] ^= 1;
            assert_eq!(ear.hear(2, Some(&bad), NOW), Err(Bad::Forged), "what is signed has to be right");
        }
    }

    #[test]
    fn only_time_forgets() {
        for (anti_replay, late) in [(AntiReplay::Time, true), (AntiReplay::Monotonic, false)] {
            let mut ear = Ear(Signing::default(), conf(anti_replay, HmacMode::Enforce));
            let ahead = Stamp::at(NOW + 9 * SECOND);
            assert_eq!(ear.hear(2, Some(&signed(2, 1, ahead)), NOW), Ok(()));
            // Both clocks are set back by an hour: with time, the mark is of no use any more.
            let back = NOW - 3600 * SECOND;
            assert_eq!(ear.hear(2, Some(&signed(2, 1, Stamp::at(back))), back).is_ok(), late);
        }
        // Any time will do if it rises.
        let mut ear = Ear(Signing::default(), conf(AntiReplay::Monotonic, HmacMode::Enforce));
        for seconds in [5, 6, 4_000_000_000] {
            assert_eq!(ear.hear(2, Some(&signed(2, 1, Stamp(seconds << 31))), NOW), Ok(()));
        }
        assert_eq!(ear.hear(2, Some(&signed(2, 1, Stamp(6 << 31))), NOW), Err(Bad::Replayed));
    }

    #[test]
    fn the_four_senders_that_spoke_last_are_remembered() {
        let mut ear = Ear(Signing::default(), conf(AntiReplay::Monotonic, HmacMode::Enforce));
        let stamp = Stamp::at(NOW);
        let again = signed(2, 1, stamp);
        for n in [2, 3, 4, 5] {
            assert_eq!(ear.hear(n, Some(&signed(n, 1, stamp)), NOW), Ok(()));
        }
        assert_eq!(ear.hear(2, Some(&again), NOW), Err(Bad::Replayed));
        // Router 2 speaks: now 3 is the one that was silent for longest, and 6 takes its place.
        assert_eq!(ear.hear(2, Some(&signed(2, 1, stamp.next())), NOW), Ok(()));
        assert_eq!(ear.hear(6, Some(&signed(6, 1, stamp)), NOW), Ok(()));
        assert_eq!(ear.hear(2, Some(&again), NOW), Err(Bad::Replayed));
        assert_eq!(ear.hear(4, Some(&signed(4, 1, stamp)), NOW), Err(Bad::Replayed));
        assert_eq!(ear.hear(3, Some(&signed(3, 1, stamp)), NOW), Ok(()));
    }

    #[test]
    fn a_mark_for_each_peer_and_none_for_others() {
        use crate::config::model::{OldChecksum, Peer};
        let peers = (1..=9).map(|n| Peer { ip: router(n), min_ttl: 0, max_ttl: 255 }).collect();
        let old_checksum = OldChecksum::Detect;
        let unicast = Unicast { peers, ttl: 255, check_src: false, fault_no_peer: false, old_checksum };
        let conf = conf(AntiReplay::Time, HmacMode::Enforce);
        let (mut signing, stamp) = (Signing::default(), Stamp::at(NOW));
        for n in 1..=9 {
            signing.heard(Some(&unicast), router(n), stamp);
        }
        let check = |n: u8| {
            super::check(Some(&signing), &conf, Some(&unicast), router(n), &ADVERT, Some(&signed(n, 1, stamp)), NOW)
        };
        (1..=9).for_each(|n| assert_eq!(check(n), Err(Bad::Replayed)));
        assert_eq!(check(10), Err(Bad::Stranger));
    }

    #[test]
    fn numbers_rise_whatever_the_clock_does() {
        let time = conf(AntiReplay::Time, HmacMode::Enforce);
        let mut signing = Signing::default();
        let first = signing.take(&time, NOW);
        assert_eq!(first, Stamp::at(NOW));
        assert_eq!(signing.take(&time, NOW), first.next(), "twice in one moment");
        assert_eq!(signing.take(&time, NOW - 9 * SECOND), first.next().next(), "a clock set back by little");
        assert_eq!(signing.take(&time, NOW - 60 * SECOND), Stamp::at(NOW - 60 * SECOND), "by more than the window");
        let monotonic = conf(AntiReplay::Monotonic, HmacMode::Enforce);
        let high = signing.take(&monotonic, NOW);
        assert_eq!(signing.take(&monotonic, NOW - 60 * SECOND), high.next());
    }

    #[test]
    fn a_clock_that_drifts_away_is_noticed_in_time() {
        let conf = conf(AntiReplay::Time, HmacMode::Enforce);
        assert_eq!(skew(&conf, Stamp::at(NOW + 5 * SECOND), NOW), None);
        assert_eq!(skew(&conf, Stamp::at(NOW - 6 * SECOND), NOW), Some(-6));
        assert_eq!(skew(&Hmac { anti_replay: AntiReplay::Monotonic, ..conf }, Stamp::at(0), NOW), None);
    }
}
