//! The Internet checksum (RFC 1071).

/// Ones' complement of the ones' complement sum over `bytes`; a checksum field inside must be zero (to make)
/// or left as it came (to check: the result is then 0).
pub fn checksum(bytes: &[u8]) -> u16 {
    checksum_after(&[], bytes)
}

/// The same with a pseudo-header, of an even length, summed before the message.
pub fn checksum_after(pseudo: &[u8], bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    let mut words = bytes.chunks_exact(2);
    for pair in pseudo.chunks_exact(2) {
        if let [a, b] = pair {
            sum += u32::from(u16::from_be_bytes([*a, *b]));
        }
    }
    for word in &mut words {
        if let [a, b] = word {
            sum += u32::from(u16::from_be_bytes([*a, *b]));
        }
        // 65,535 bytes are the most that an IP packet holds, so the sum stays far below 2^32.
        sum = (sum & 0xffff) + (sum >> 16);
    }
    if let [last] = words.remainder() {
        sum += u32::from(*last) << 8;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_1071_example() {
        // RFC 1071 section 3: the sum of these is ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff]), !0xff00);
        assert_eq!(checksum_after(&[0x00, 0x01, 0xf2, 0x03], &[0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }
}
