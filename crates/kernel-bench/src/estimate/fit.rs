// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Least squares.

/// A measured value, and the sizes that it is explained by.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The sizes, in the order of the coefficients.
    pub sizes: Vec<f64>,
    /// The value, above zero.
    pub value: f64,
}

/// Returns the coefficients, none of them negative, for which the sum of sizes comes nearest to the value of each
/// sample. Errors count as shares of the value, so that small links count as much as large ones.
///
/// A negative coefficient would say that a larger kernel costs less. The size with the smallest one is left out, and
/// its coefficient is zero.
pub fn coefficients(samples: &[Sample]) -> Vec<f64> {
    let n_sizes = samples.first().map_or(0, |sample| sample.sizes.len());
    let mut used: Vec<usize> = (0..n_sizes).collect();
    loop {
        let solved = solve(normal_equations(samples, &used));
        let smallest = (0..used.len()).min_by(|&a, &b| solved[a].total_cmp(&solved[b]));
        match smallest {
            Some(index) if solved[index] < 0.0 => {
                used.remove(index);
            }
            _ => {
                let mut all = vec![0.0; n_sizes];
                for (&size, coefficient) in used.iter().zip(solved) {
                    all[size] = coefficient;
                }
                return all;
            }
        }
    }
}

/// Returns the normal equations for the sizes in `used`: a row for each, whose last column is the right side.
fn normal_equations(samples: &[Sample], used: &[usize]) -> Vec<Vec<f64>> {
    let mut rows = vec![vec![0.0; used.len() + 1]; used.len()];
    for sample in samples {
        // Divided by the value, each sample has the value one.
        let size = |index: usize| sample.sizes[used[index]] / sample.value;
        for (i, row) in rows.iter_mut().enumerate() {
            for (j, cell) in row.iter_mut().enumerate() {
                *cell += size(i) * if j < used.len() { size(j) } else { 1.0 };
            }
        }
    }
    rows
}

/// Solves linear equations by elimination. An unknown that they do not determine is zero.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    // Sizes differ by many orders of magnitude; each is scaled to the root of its square sum.
    let scales: Vec<f64> = (0..n).map(|i| rows[i][i].sqrt()).collect();
    for (i, row) in rows.iter_mut().enumerate() {
        for (j, cell) in row.iter_mut().enumerate() {
            let scale = scales[i] * scales.get(j).copied().unwrap_or(1.0);
            if scale > 0.0 {
                *cell /= scale;
            }
        }
    }
    let mut solution = vec![0.0; n];
    let mut pivots = Vec::new();
    for column in 0..n {
        let free = (0..n).filter(|row| !pivots.iter().any(|&(used, _)| used == *row));
        let best = free.max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        let Some(pivot) = best.filter(|&row| rows[row][column].abs() > 1e-9) else {
            continue;
        };
        let of_pivot = rows[pivot].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(row, _)| *row != pivot) {
            let factor = row[column] / of_pivot[column];
            for (cell, of_pivot) in row.iter_mut().zip(&of_pivot) {
                *cell -= factor * of_pivot;
            }
        }
        pivots.push((pivot, column));
    }
    for (row, column) in pivots {
        solution[column] = rows[row][n] / rows[row][column] / scales[column];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sizes: &[f64], value: f64) -> Sample {
        let sizes = sizes.to_vec();
        Sample { sizes, value }
    }

    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-6 * expected.abs(),
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn a_plane_is_found_again() {
        // value = 5 + 2e-6 x + 30 y.
        let of = |x: f64, y: f64| sample(&[1.0, x, y], 5.0 + 2e-6 * x + 30.0 * y);
        let samples = [of(1e6, 3.0), of(5e6, 1.0), of(9e6, 8.0), of(2e7, 2.0)];
        near(&coefficients(&samples), &[5.0, 2e-6, 30.0]);
    }

    #[test]
    fn errors_count_as_shares_of_the_value() {
        // One coefficient k: errors 1 - k/1 and 1 - 3k/6, so k = (1 + 0.5) / (1 + 0.25).
        near(
            &coefficients(&[sample(&[1.0], 1.0), sample(&[3.0], 6.0)]),
            &[1.2],
        );
    }

    #[test]
    fn no_coefficient_is_negative_and_an_undetermined_one_is_zero() {
        // value = 10 x - y: without y, the best k for x = 1, 2 and values 9, 19.5 follows.
        let samples = [sample(&[1.0, 1.0], 9.0), sample(&[2.0, 0.5], 19.5)];
        let (a, b) = (1.0 / 9.0, 2.0 / 19.5);
        near(&coefficients(&samples), &[(a + b) / (a * a + b * b), 0.0]);
        near(&coefficients(&[sample(&[2.0, 0.0], 8.0)]), &[4.0, 0.0]);
    }
}
