// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes the configurations of a series. Their seeds follow from the seed of the series and their number; the
//! probability is searched for, so that each has the size that it should have.

use std::collections::BTreeMap;

use anyhow::Context as _;
use kernel_lab::kconfig::Config;

/// A configuration with at least so many objects counts as a large one; every second configuration is one.
pub const LARGE: usize = 900;

/// The number of options in which each configuration differs from the base, at least.
pub const OPTIONS: usize = 200;

/// The default of the largest number of objects.
pub const MAX_OBJECTS: usize = 1600;

/// The number of seeds that are tried for one configuration.
const ATTEMPTS: u64 = 20;

/// Kconfig of a kernel tree, over a base that boots.
pub trait Kconfigs {
    /// Returns the base itself: no option that can be off is on, except for the fixed ones.
    ///
    /// # Errors
    /// It cannot be made.
    fn base(&self) -> anyhow::Result<Drawn>;

    /// Returns the random configuration of a seed, with a probability in percent.
    ///
    /// # Errors
    /// It cannot be made.
    fn random(&self, seed: u32, probability: u8) -> anyhow::Result<Drawn>;

    /// Settles the dependencies of a configuration.
    ///
    /// # Errors
    /// It cannot be made.
    fn complete(&self, config: &Config) -> anyhow::Result<Config>;
}

/// A configuration that Kconfig made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The configuration.
    pub config: Config,
    /// The number of objects that it builds.
    pub objects: usize,
    /// The fixed options that Kconfig gave another value.
    pub lost: Vec<String>,
}

/// A configuration of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Its number in the series, from 1 on.
    pub number: u32,
    /// The seed of Kconfig's random numbers.
    pub kconfig_seed: u32,
    /// The probability of an option to be on, in percent.
    pub probability: u8,
    /// The number of objects that it builds.
    pub objects: usize,
    /// The number of options in which it differs from the base.
    pub options: usize,
    /// The configuration, without LTO.
    pub config: Config,
}

/// The size that a configuration should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// As many objects as possible, but at most so many.
    Objects(usize),
    /// As few objects as possible, with [`OPTIONS`] options.
    Options,
}

impl Size {
    /// Returns the size of the configuration of this number: each second one is large, with a random number of
    /// objects in the upper half of what is allowed.
    fn of(seed: u64, number: u32, max_objects: usize) -> Self {
        if number.is_multiple_of(2) || max_objects < LARGE {
            return Self::Options;
        }
        let middle = LARGE.midpoint(max_objects);
        let n_choices = (max_objects - middle + 1) as u64;
        let chosen = mixed(seed, number, u64::MAX) % n_choices;
        Self::Objects(middle + usize::try_from(chosen).unwrap_or_default())
    }
}

/// Returns random bits that follow from the arguments. The mixing is that of splitmix64 by Sebastiano Vigna.
fn mixed(seed: u64, number: u32, attempt: u64) -> u64 {
    [seed, u64::from(number), attempt]
        .iter()
        .fold(0, |state, word| {
            let mut z = (state ^ word).wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        })
}

/// Returns the seed for Kconfig, which reads a signed number of 32 bits.
fn kconfig_seed(seed: u64, number: u32, attempt: u64) -> u32 {
    (mixed(seed, number, attempt) >> 33) as u32
}

/// Makes the configuration of this number in the series of a seed. The same arguments give the same configuration.
///
/// # Errors
/// Kconfig fails, or no seed gives a configuration of that size.
pub fn configuration(
    kconfigs: &dyn Kconfigs,
    base: &Drawn,
    seed: u64,
    number: u32,
    max_objects: usize,
) -> anyhow::Result<Configuration> {
    let size = Size::of(seed, number, max_objects);
    let mut refused = "no probability gives that size".to_owned();
    for attempt in 0..ATTEMPTS {
        let kconfig_seed = kconfig_seed(seed, number, attempt);
        let search = Search {
            kconfigs,
            base,
            kconfig_seed,
        };
        let found = search.sized(size)?;
        let Some((probability, drawn)) = found else {
            continue;
        };
        let options = drawn.config.differing(&base.config).len();
        let smallest = match size {
            Size::Objects(_) => LARGE,
            Size::Options => 0,
        };
        let is_good = drawn.lost.is_empty()
            && options >= OPTIONS
            && (smallest..=max_objects).contains(&drawn.objects);
        if is_good {
            return Ok(Configuration {
                number,
                kconfig_seed,
                probability,
                objects: drawn.objects,
                options,
                config: drawn.config,
            });
        }
        refused = format!(
            "the last had {} objects and {options} options, and lost {:?}",
            drawn.objects, drawn.lost
        );
    }
    anyhow::bail!(
        "seed {seed} #{number}: none of {ATTEMPTS} configurations has {OPTIONS} options and at most {max_objects} \
         objects; {refused}. The base alone has {} objects",
        base.objects
    )
}

/// The search for the probability of a seed.
struct Search<'a> {
    kconfigs: &'a dyn Kconfigs,
    base: &'a Drawn,
    kconfig_seed: u32,
}

impl Search<'_> {
    /// Returns the configuration that comes closest to a size, with its probability.
    fn sized(&self, size: Size) -> anyhow::Result<Option<(u8, Drawn)>> {
        let mut drawn: BTreeMap<u8, Drawn> = BTreeMap::new();
        let mut draw = |probability: u8| {
            let new = self.kconfigs.random(self.kconfig_seed, probability);
            let new = new.with_context(|| {
                format!(
                    "KCONFIG_SEED={} KCONFIG_PROBABILITY={probability}",
                    self.kconfig_seed
                )
            })?;
            drawn.insert(probability, new.clone());
            anyhow::Ok(new)
        };
        let probability = match size {
            Size::Objects(most) => {
                last_where(|probability| Ok(draw(probability)?.objects <= most))?
            }
            Size::Options => {
                let is_smaller = |probability| {
                    let options = draw(probability)?.config.differing(&self.base.config);
                    Ok(options.len() < OPTIONS)
                };
                // The first that is not smaller.
                last_where(is_smaller)? + 1
            }
        };
        Ok(drawn.remove(&probability).map(|drawn| (probability, drawn)))
    }
}

/// Returns the largest number up to 100 for which `is_small` holds, or 0. If it holds for a number, it holds for all
/// smaller ones. Small numbers are tried first, because the objects of large kernels take long to list.
fn last_where(mut is_small: impl FnMut(u8) -> anyhow::Result<bool>) -> anyhow::Result<u8> {
    let (mut small, mut large) = (0_u8, 101_u8);
    let mut next = 8;
    while large - small > 1 {
        if is_small(next)? {
            small = next;
        } else {
            large = next;
        }
        next = match large {
            101 => next.saturating_mul(2).min(100),
            _ => small.midpoint(large),
        };
    }
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Fake;

    #[test]
    fn the_last_small_number_is_found_in_few_steps() {
        for limit in 0..=100 {
            let mut asked = Vec::new();
            let found = last_where(|number| {
                asked.push(number);
                Ok(number <= limit)
            });
            assert_eq!(found.unwrap(), limit);
            assert!(asked.len() <= 11, "{asked:?}");
            let mut once = asked.clone();
            once.dedup();
            assert_eq!(once, asked, "none is asked twice");
        }
    }

    #[test]
    fn half_of_the_configurations_are_large_and_all_differ_enough() {
        let fake = Fake::default();
        let base = fake.base().unwrap();
        for number in 1..=20 {
            let found = configuration(&fake, &base, 1, number, MAX_OBJECTS).unwrap();
            assert_eq!(found.objects >= LARGE, number % 2 == 1, "{found:?}");
            assert!(found.objects <= MAX_OBJECTS);
            assert!(found.options >= OPTIONS);
            assert_eq!(found.number, number);
            assert_eq!(found.options, found.config.differing(&base.config).len());
        }
    }

    #[test]
    fn a_seed_always_gives_the_same_configurations_and_another_seed_others() {
        let fake = Fake::default();
        let base = fake.base().unwrap();
        let seeds = |seed| -> Vec<u32> {
            let all = (1..=10).map(|number| configuration(&fake, &base, seed, number, MAX_OBJECTS));
            all.map(|found| found.unwrap().kconfig_seed).collect()
        };
        assert_eq!(seeds(1), seeds(1));
        assert!(seeds(1).iter().all(|seed| !seeds(2).contains(seed)));
        // Committed results name these configurations: the seeds must never change.
        let first = [1, 2, 3].map(|number| kconfig_seed(1, number, 0));
        assert_eq!(first, FIRST);
        assert!(seeds(1).iter().all(|seed| i32::try_from(*seed).is_ok()));
    }

    const FIRST: [u32; 3] = [733_647_653, 1_934_047_200, 1_787_481_529];

    #[test]
    fn a_limit_below_the_large_ones_makes_all_small() {
        assert_eq!(Size::of(1, 1, LARGE - 1), Size::Options);
        assert_eq!(Size::of(1, 1, LARGE), Size::Objects(LARGE));
        let fake = Fake::default();
        let base = fake.base().unwrap();
        let error = configuration(&fake, &base, 1, 1, 400)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("seed 1 #1: none of 20 configurations"),
            "{error}"
        );
        assert!(error.contains("The base alone has 300 objects"), "{error}");
    }

    #[test]
    fn a_configuration_that_lost_a_fixed_option_is_not_taken() {
        let lost = kconfig_seed(1, 1, 0);
        let fake = Fake { loses: Some(lost) };
        let base = fake.base().unwrap();
        let found = configuration(&fake, &base, 1, 1, MAX_OBJECTS).unwrap();
        assert_eq!(found.kconfig_seed, kconfig_seed(1, 1, 1));
    }
}
