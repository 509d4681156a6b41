// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Shows measurements, as tables on the terminal and as JSON.

use std::fmt::Write as _;

use serde_json::json;

use super::counter::Counts;
use super::result::{Count, Kind, Runtime};
use super::sets::Set;

/// A kernel and its measurements.
pub struct Measurement {
    /// The path of its object tree.
    pub name: String,
    /// The measurements.
    pub runtime: Runtime,
}

/// The counts and their names.
const COUNTS: [(&str, Count); 4] = [
    ("kernel instructions", |counts| counts.kernel),
    ("taken branches", |counts| counts.taken_branches),
    ("cache misses", |counts| counts.cache_misses),
    ("program instructions", |counts| counts.program),
];

/// Returns tables of each set: the cost of one repetition of each kind, and the ratios to `base`.
///
/// # Errors
/// Two kernels cannot be compared.
pub fn text(
    base: Option<&Measurement>,
    measured: &[Measurement],
    sets: &[Set],
) -> anyhow::Result<String> {
    let mut text = String::new();
    for this in base.into_iter().chain(measured) {
        writeln!(text, "{}", this.name)?;
        writeln!(text, "  memory: {}", this.runtime.memory)?;
        for set in sets {
            let Some(measured) = this.runtime.sets.get(set) else {
                continue;
            };
            writeln!(text, "  {}, version {}", set.name(), measured.workload)?;
            let rows = measured.kinds.iter().map(row);
            let start = Kind {
                name: "start to the first process".to_owned(),
                times: 1,
                counts: Some(measured.start),
            };
            let heading = std::iter::once(heading());
            let rows = heading.chain(rows).chain(std::iter::once(row(&start)));
            writeln!(text, "{}\n", crate::table::of(rows))?;
        }
    }
    if let Some(base) = base {
        for this in measured {
            text.push_str(&compared(base, this, sets)?);
        }
    }
    Ok(text)
}

fn heading() -> [String; 5] {
    let mut heading: [String; 5] = Default::default();
    "once".clone_into(&mut heading[0]);
    for (cell, (name, _)) in heading[1..].iter_mut().zip(COUNTS) {
        name.clone_into(cell);
    }
    heading
}

/// Returns the cost of one repetition of a kind.
fn row(kind: &Kind) -> [String; 5] {
    let mut row: [String; 5] = Default::default();
    row[0].clone_from(&kind.name);
    for (cell, (_, count)) in row[1..].iter_mut().zip(COUNTS) {
        *cell = match &kind.counts {
            Some(counts) => once(count(counts), kind.times),
            None => "no support".to_owned(),
        };
    }
    row
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn once(count: u64, times: u64) -> String {
    let once = count as f64 / times as f64;
    if once < 1000.0 {
        format!("{once:.1}")
    } else {
        format!("{once:.0}")
    }
}

/// Returns the ratios of `this` to `base`.
fn compared(base: &Measurement, this: &Measurement, sets: &[Set]) -> anyhow::Result<String> {
    let mut text = format!("{} against {}\n", this.name, base.name);
    for set in sets {
        let Some(measured) = this.runtime.sets.get(set) else {
            continue;
        };
        let other = this.runtime.set_of(*set, &base.runtime)?;
        let mut ratios = Vec::new();
        for (_, count) in &COUNTS[..3] {
            ratios.push(measured.ratios(other, *count)?);
        }
        let mut rows = vec![[
            set.name().to_owned(),
            COUNTS[0].0.to_owned(),
            COUNTS[1].0.to_owned(),
            COUNTS[2].0.to_owned(),
        ]];
        for (index, (name, _)) in ratios[0].kinds.iter().enumerate() {
            let cell = |of: usize| percent(ratios[of].kinds[index].1);
            rows.push([(*name).to_owned(), cell(0), cell(1), cell(2)]);
        }
        let mean = |of: usize| percent(ratios[of].mean());
        rows.push(["geometric mean".to_owned(), mean(0), mean(1), mean(2)]);
        let start = |count: Count| {
            percent(super::result::ratio(
                count(&measured.start),
                count(&other.start),
            ))
        };
        let [kernel, taken, missed, _] = COUNTS.map(|(_, count)| start(count));
        rows.push([
            "start to the first process".to_owned(),
            kernel,
            taken,
            missed,
        ]);
        writeln!(text, "{}\n", crate::table::of(rows))?;
    }
    Ok(text)
}

/// Returns the difference of a ratio from 1 in percent, if there is a ratio.
pub fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(
        || "not in both".to_owned(),
        |ratio| crate::table::percent(ratio, 2),
    )
}

/// Returns the tables as JSON.
///
/// # Errors
/// Two kernels cannot be compared.
pub fn json(
    base: Option<&Measurement>,
    measured: &[Measurement],
    sets: &[Set],
) -> anyhow::Result<String> {
    let mut kernels = Vec::new();
    for this in base.into_iter().chain(measured) {
        let mut ratios = serde_json::Map::new();
        for set in sets {
            let (Some(base), Some(measured)) = (base, this.runtime.sets.get(set)) else {
                continue;
            };
            let found = measured.ratios(this.runtime.set_of(*set, &base.runtime)?, kernel)?;
            let kinds: serde_json::Map<String, serde_json::Value> = found
                .kinds
                .iter()
                .map(|(name, ratio)| ((*name).to_owned(), json!(ratio)))
                .collect();
            let mean = found.mean();
            ratios.insert(
                set.name().to_owned(),
                json!({ "geometric_mean": mean, "kinds": kinds }),
            );
        }
        kernels.push(json!({
            "objtree": this.name,
            "runtime": this.runtime,
            "kernel_instruction_ratios": ratios,
        }));
    }
    Ok(serde_json::to_string_pretty(&kernels)?)
}

fn kernel(counts: &Counts) -> u64 {
    counts.kernel
}
