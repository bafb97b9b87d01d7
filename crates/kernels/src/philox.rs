//! Philox4x32-10, the counter-based random numbers of every job.
//!
//! Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). The same function is
//! `shaders/shared/philox.wgsl`; both are tested against Random123's known answers. The key is the
//! user's seed and the counter says *which* number is wanted, so results do not depend on how work
//! is split into dispatches, batches or shards.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// What a number is drawn for: the last word of the counter, so that no two purposes share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial parameters. Counter: (parameter index / 4, object, view, purpose).
    Init = 1,
    /// Offset of a translation of the input. From here to [`Purpose::Permutation`] the counter is
    /// (element / 4, object, view, [`stream`]).
    TranslateOffset = 2,
    /// Layer that receives a translation.
    TranslateDepth = 3,
    /// Angle or orientation of a rotation of the input.
    Rotation = 4,
    /// Factor of a scaling of the input.
    Scale = 5,
    /// Signs of sine neurons.
    Negation = 6,
    /// Phase shifts of sine neurons.
    PhaseShift = 7,
    /// Positive factors of ReLU neurons.
    ReluScaling = 8,
    /// Which entries are masked.
    Mask = 9,
    /// Level of a quantile mask.
    QuantileLevel = 10,
    /// Gaussian noise on parameters.
    Noise = 11,
    /// Permutations of hidden neurons.
    Permutation = 12,
    /// Order in which alignment visits the layers. Counter: (sweep, stream of the pair, purpose).
    AlignOrder = 13,
    /// Weights of mixtures. Counter: (which number, stream of the pair, purpose).
    Lambda = 14,
    /// Partners of mixtures. Counter: (0, net, epoch, purpose).
    Partner = 15,
    /// Which elements dropout keeps. Counter: (element / 4, site in the graph, step, purpose).
    Dropout = 16,
    /// Initial parameters of a model. Counter: (number / 4, parameter, 0, purpose).
    ModelInit = 17,
    /// Order of the networks in an epoch of training. Counter: (number / 4, epoch, 0, purpose).
    EpochOrder = 18,
    /// Which objects are held out for validation. Counter: (object, 0, 0, purpose).
    HoldOut = 19,
    /// Choice of networks for an experiment. Counter: (which, attempt, 0, purpose).
    Sample = 20,
}

/// The last word of a counter for a purpose that occurs several times, as the same augmentation at
/// several positions of a chain: each of 2^24 positions has numbers of its own.
pub fn stream(purpose: Purpose, position: u32) -> u32 {
    purpose as u32 + position.wrapping_mul(256)
}

/// Four independent uniform 32-bit words for one counter.
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
    }
    counter
}

/// The key of a seed: low word first.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Uniform on \[-1, 1), on a grid of 2^-23: exact in f32, so every device agrees bit for bit.
pub fn symmetric(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 8_388_608.0) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random123 1.14, `examples/kat_vectors`, the lines `philox4x32 10`.
    #[test]
    fn known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32(counter, key), expected);
        }
    }

    #[test]
    fn symmetric_covers_its_range() {
        assert_eq!(symmetric(0), -1.0);
        assert_eq!(symmetric(u32::MAX), 1.0 - 1.0 / 8_388_608.0);
        assert_eq!(symmetric(1 << 31), 0.0);
    }
}
