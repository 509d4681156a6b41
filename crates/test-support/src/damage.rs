// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes damaged inputs, for tests that no reader panics, hangs or accepts them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The damage to one of several good inputs.
#[derive(Clone, Debug)]
pub struct Damage {
    which: Index,
    changes: Vec<(Index, Change)>,
    cut: Option<Index>,
}

/// A change at one place.
#[derive(Clone, Debug)]
enum Change {
    FlipBit(u8),
    /// At a multiple of 4 bytes.
    SetWord([u8; 4]),
}

impl Damage {
    /// Returns a damaged copy of one of `samples`, each of which has at least 4 bytes.
    pub fn of(&self, samples: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let mut data = self.which.get(samples).as_ref().to_vec();
        for (place, change) in &self.changes {
            match change {
                Change::FlipBit(bit) => {
                    let position = place.index(data.len());
                    data[position] ^= 1 << bit;
                }
                Change::SetWord(word) => {
                    let start = place.index(data.len() / 4) * 4;
                    data[start..start + 4].copy_from_slice(word);
                }
            }
        }
        if let Some(cut) = self.cut {
            data.truncate(cut.index(data.len()));
        }
        data
    }
}

/// Flips a few bits anywhere, and truncates half of the inputs.
pub fn flipped_bits() -> impl Strategy<Value = Damage> {
    let flips = vec((any::<Index>(), (0_u8..8).prop_map(Change::FlipBit)), 1..6);
    damage(flips, any::<Option<Index>>())
}

/// Replaces a few words. Headers matter most, but most flipped bits hit code and strings.
pub fn damaged_words() -> impl Strategy<Value = Damage> {
    let words = vec(
        (any::<Index>(), edge_word().prop_map(Change::SetWord)),
        1..4,
    );
    damage(words, Just(None))
}

fn damage(
    changes: impl Strategy<Value = Vec<(Index, Change)>>,
    cut: impl Strategy<Value = Option<Index>>,
) -> impl Strategy<Value = Damage> {
    (any::<Index>(), changes, cut).prop_map(|(which, changes, cut)| Damage {
        which,
        changes,
        cut,
    })
}

/// Words at the edges of ranges, in both byte orders.
fn edge_word() -> impl Strategy<Value = [u8; 4]> {
    let number = prop_oneof![
        Just(0_u32),
        Just(1),
        Just(u32::MAX),
        Just(u32::MAX - 3),
        Just(u32::MAX - 7),
        Just(1 << 31),
        Just(0x7fff_ffff),
        0_u32..4096,
        any::<u32>(),
    ];
    (number, any::<bool>()).prop_map(|(number, big_endian)| {
        if big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: [u8; 64] = [0x5a; 64];

    proptest! {
        #[test]
        fn each_flip_changes_one_bit(damage in flipped_bits()) {
            let damaged = damage.of(&[SAMPLE]);
            let bits = damaged.iter().zip(SAMPLE).map(|(byte, before)| (byte ^ before).count_ones());
            let changed = bits.sum::<u32>() as usize;
            let flips = damage.changes.len();
            prop_assert!(changed <= flips);
            if damage.cut.is_none() {
                prop_assert_eq!(damaged.len(), SAMPLE.len());
                // The same bit twice changes nothing.
                prop_assert_eq!(changed % 2, flips % 2);
            } else {
                prop_assert!(damaged.len() < SAMPLE.len());
            }
        }

        #[test]
        fn up_to_three_words_are_replaced(damage in damaged_words()) {
            let damaged = damage.of(&[SAMPLE]);
            prop_assert_eq!(damaged.len(), SAMPLE.len());
            let words = damaged.chunks(4).filter(|word| *word != &SAMPLE[..4]);
            prop_assert!((1..=3).contains(&words.count()));
        }
    }
}
