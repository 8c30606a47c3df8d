//! MurmurHash3 for 32 bits: the hash of scikit-learn's hashing trick, so that its columns are ours.

/// The hash of `bytes` with seed 0, as the signed number that scikit-learn takes it for.
///
/// A. Appleby, `MurmurHash3_x86_32`, <https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp>.
pub(crate) fn murmur3_32(bytes: &[u8]) -> i32 {
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = 0u32;
    for block in blocks {
        hash = (hash ^ scrambled(u32::from_le_bytes(*block))).rotate_left(13);
        hash = hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !tail.is_empty() {
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        hash ^= scrambled(u32::from_le_bytes(last));
    }
    // Lengths are hashed modulo 2^32.
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) as i32
}

fn scrambled(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

/// The column of a name among `width`, and whether its values are added or taken away.
pub(crate) fn bucket(name: &str, width: u32) -> (u32, f64) {
    let hash = murmur3_32(name.as_bytes());
    (hash.unsigned_abs() % width, if hash < 0 { -1.0 } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_scikit_learn() {
        let known = [
            ("", 0),
            ("a", 1_009_084_850),
            ("ab", -1_681_926_305),
            ("abc", -1_277_324_294),
            ("abcd", 1_139_631_978),
            ("Zürich", 694_770_001),
            ("東京", -1_765_863_102),
            ("The quick brown fox jumps over the lazy dog", 776_992_547),
        ];
        for (text, hash) in known {
            assert_eq!(murmur3_32(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn a_hash_below_zero_takes_away() {
        assert_eq!(bucket("a", 1000), (850, 1.0));
        assert_eq!(bucket("ab", 1000), (305, -1.0));
        assert_eq!(bucket("ab", 1), (0, -1.0));
    }
}
