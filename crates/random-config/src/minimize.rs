// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Delta debugging: finds a small part of a set that still fails.

/// The result of [`minimize`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimized<T> {
    /// The items that are left; with them it fails.
    pub items: Vec<T>,
    /// How often it was tried.
    pub attempts: usize,
    /// Whether every single item was tried, and none can be left out.
    pub is_complete: bool,
}

/// Leaves out items as long as it fails: first halves, then smaller groups, then single items, until no single one
/// can be left out. `fails` gets the items to try; if it fails with them, it returns the items that it really had,
/// which may be others. Calls it at most `attempts` times.
///
/// # Errors
/// `fails` returns an error.
pub fn minimize<T: Clone>(
    items: Vec<T>,
    attempts: usize,
    mut fails: impl FnMut(&[T]) -> anyhow::Result<Option<Vec<T>>>,
) -> anyhow::Result<Minimized<T>> {
    let mut left = items;
    let mut asked = 0;
    let mut group = left.len().div_ceil(2).max(1);
    loop {
        let before = left.len();
        let mut start = 0;
        while start < left.len() {
            if asked == attempts {
                return Ok(Minimized {
                    items: left,
                    attempts: asked,
                    is_complete: false,
                });
            }
            let end = left.len().min(start + group);
            let candidate = [&left[..start], &left[end..]].concat();
            asked += 1;
            match fails(&candidate)? {
                // Fewer each time, so this ends.
                Some(had) if had.len() < left.len() => left = had,
                _ => start = end,
            }
        }
        if group > 1 {
            group = group.div_ceil(2);
        } else if left.len() == before {
            return Ok(Minimized {
                items: left,
                attempts: asked,
                is_complete: true,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Minimizes `0..n` with an oracle that has just the items that it is given.
    fn minimized(n: u32, attempts: usize, fails: impl Fn(&[u32]) -> bool) -> Minimized<u32> {
        let oracle = |items: &[u32]| Ok(fails(items).then(|| items.to_vec()));
        minimize((0..n).collect(), attempts, oracle).unwrap()
    }

    #[test]
    fn one_item_of_many_is_found_in_few_attempts() {
        let found = minimized(400, 100, |items| items.contains(&123));
        assert_eq!((found.items, found.is_complete), (vec![123], true));
        assert!(found.attempts < 25, "{}", found.attempts);
    }

    #[test]
    fn a_failure_without_any_item_leaves_none() {
        let found = minimized(100, 100, |_| true);
        assert_eq!((found.items, found.is_complete), (Vec::new(), true));
    }

    #[test]
    fn the_budget_ends_the_search_with_what_it_has() {
        let found = minimized(400, 3, |items| items.contains(&0) && items.contains(&399));
        assert_eq!((found.attempts, found.is_complete), (3, false));
        assert!(found.items.contains(&0) && found.items.contains(&399));
        assert_eq!(minimized(9, 0, |_| true).items.len(), 9);
    }

    #[test]
    fn an_error_of_an_attempt_ends_it() {
        let result = minimize(vec![1, 2], 9, |_| anyhow::bail!("no disk space"));
        assert_eq!(result.unwrap_err().to_string(), "no disk space");
    }

    #[test]
    fn items_that_come_back_do_not_keep_it_running() {
        // Item 1 brings 2 along, as an option that selects another.
        let oracle = |items: &[u32]| {
            let mut had = items.to_vec();
            if had.contains(&1) && !had.contains(&2) {
                had.push(2);
            }
            Ok(had.contains(&1).then_some(had))
        };
        let found = minimize((0..9).collect(), 1000, oracle).unwrap();
        assert_eq!((found.items, found.is_complete), (vec![1, 2], true));
    }

    proptest! {
        /// If more items never make the failure go away, the one minimal set is found.
        #[test]
        fn the_minimal_set_is_found(needed in prop::collection::btree_set(0_u32..200, 0..6), n in 200_u32..300) {
            let found = minimized(n, 100_000, |items| needed.iter().all(|item| items.contains(item)));
            prop_assert!(found.is_complete);
            prop_assert_eq!(found.items, needed.into_iter().collect::<Vec<_>>());
        }

        /// Whatever the failure depends on, the result fails, and no single item can be left out of it.
        #[test]
        fn no_single_item_can_be_left_out(masks in prop::collection::vec(0_u32..4096, 1..8)) {
            // Fails with any superset of a mask whose number of other items is even: not monotone.
            let fails = |items: &[u32]| {
                let bits = items.iter().fold(0_u32, |bits, item| bits | 1 << item);
                bits == 4095 || masks.iter().any(|mask| bits & mask == *mask && (bits & !mask).count_ones() % 2 == 0)
            };
            let found = minimized(12, 100_000, fails);
            prop_assert!(found.is_complete && fails(&found.items));
            for left_out in &found.items {
                let others: Vec<u32> = found.items.iter().copied().filter(|item| item != left_out).collect();
                prop_assert!(!fails(&others), "{:?} without {left_out}", found.items);
            }
        }
    }
}
