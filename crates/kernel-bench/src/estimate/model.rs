// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Fits the model of lto-link, and finds its errors for kernels that it was not fitted to.

use std::collections::BTreeSet;

use anyhow::Context as _;
use lto_link::{Costs, LinkSizes, Mode, Model, Size, Terms};

use super::fit::{Sample, coefficients};
use super::links::{Link, Step};

/// The sizes by which time and memory are estimated, beside a constant or the number of objects.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The sizes that give the time.
    pub time: &'static [Size],
    /// With thin LTO, the linker keeps native code in memory. These sizes give its bytes.
    pub native: &'static [Size],
    /// With full LTO, the linker keeps all bitcode in memory. These sizes give its bytes.
    pub bitcode: &'static [Size],
}

/// The sizes that lto-link uses.
pub const CHOSEN: Choice = Choice {
    time: &[Size::FunctionBytes, Size::BitcodeBytes],
    native: &[Size::Instructions, Size::MetadataBytes],
    bitcode: &[Size::FunctionBytes, Size::BitcodeBytes],
};

impl Choice {
    /// Returns a choice of the same sizes for everything.
    pub const fn same(sizes: &'static [Size]) -> Self {
        Self {
            time: sizes,
            native: sizes,
            bitcode: sizes,
        }
    }
}

/// Returns `sizes` with `first` before them.
fn with(first: Size, sizes: &[Size]) -> Vec<Size> {
    [&[first], sizes].concat()
}

/// The sizes that explain what one compiler or one thread needs.
const JOB: &[Size] = &[Size::Constant, Size::LargestBytes];
/// The sizes that explain the time of a join, and its memory.
const JOIN_TIME: &[Size] = &[Size::NativeBytes];
const JOIN_MEMORY: &[Size] = &[Size::Constant, Size::FunctionBytes, Size::NativeBytes];
/// Seconds below which the time of a link says nothing.
const SHORT: f64 = 1.0;

/// The measured steps of a part of a kernel.
#[derive(Clone, Debug)]
pub struct Part<'links> {
    /// The name of the kernel.
    pub kernel: &'links str,
    /// The part: each directory of this number.
    pub share: usize,
    /// The sizes of its inputs.
    pub sizes: &'links LinkSizes,
    links: Vec<&'links Link>,
}

/// A figure of a link: as it was measured, and as it is estimated by the other kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The name of the kernel.
    pub kernel: String,
    /// The part: each directory of this number.
    pub share: usize,
    /// The mode of the link.
    pub mode: Mode,
    /// The sizes of its inputs.
    pub sizes: LinkSizes,
    /// The CPU time in seconds, measured and estimated; `None` if only memory was measured.
    pub seconds: Option<(f64, f64)>,
    /// The memory in bytes, measured and estimated.
    pub bytes: (f64, f64),
}

/// The fitted model, and how good it is.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The model of all links.
    pub model: Model,
    /// The figures of each link, estimated by a model that has not seen its kernel.
    pub figures: Vec<Figure>,
}

impl Figure {
    /// Returns the CPU time, unless the link was so short that its time says nothing.
    pub fn long_seconds(&self) -> Option<(f64, f64)> {
        self.seconds.filter(|(measured, _)| *measured >= SHORT)
    }
}

/// Returns estimated / measured - 1.
pub fn error((measured, estimated): (f64, f64)) -> f64 {
    estimated / measured - 1.0
}

/// Fits the model to `links`, by the sizes of `choice`.
///
/// # Errors
/// There are links of fewer than three kernels.
pub fn fitted(links: &[Link], choice: Choice) -> anyhow::Result<Fitted> {
    let kernels: BTreeSet<&str> = links.iter().map(|link| link.kernel.as_str()).collect();
    anyhow::ensure!(
        kernels.len() > 2,
        "measured are links of {} kernels; at least 3 are needed",
        kernels.len()
    );
    let parts = parts(links);
    let mut figures = Vec::new();
    for kernel in kernels {
        let (own, others): (Vec<_>, Vec<_>) = parts
            .iter()
            .cloned()
            .partition(|part| part.kernel == kernel);
        let model = fit(&others, choice);
        for part in own {
            let modes = Mode::CHOICES.into_iter().chain([Mode::Join]);
            figures.extend(modes.filter_map(|mode| part.figure(&model, mode)));
        }
    }
    let mut model = fit(&parts, choice);
    for (mode, costs) in &mut model.modes {
        let largest = |pair: &dyn Fn(&Figure) -> Option<(f64, f64)>| {
            let of_mode = figures.iter().filter(|figure| figure.mode == *mode);
            let errors = of_mode.filter_map(|figure| Some(error(pair(figure)?).abs()));
            // Two digits, rounded up.
            (errors.fold(0.0, f64::max) * 100.0).ceil() / 100.0
        };
        costs.time_error = largest(&Figure::long_seconds);
        costs.memory_error = largest(&|figure| Some(figure.bytes));
    }
    Ok(Fitted { model, figures })
}

/// Groups `links` by kernel and part.
fn parts(links: &[Link]) -> Vec<Part<'_>> {
    let mut parts: Vec<Part> = Vec::new();
    // The sizes of a join include generated code.
    let inputs = links.iter().filter(|link| link.step != Step::Join);
    for link in inputs.chain(links.iter().filter(|link| link.step == Step::Join)) {
        let known = parts
            .iter_mut()
            .find(|part| (part.kernel, part.share) == (link.kernel.as_str(), link.share));
        match known {
            Some(part) => part.links.push(link),
            None => parts.push(Part {
                kernel: &link.kernel,
                share: link.share,
                sizes: &link.sizes,
                links: vec![link],
            }),
        }
    }
    parts
}

impl<'links> Part<'links> {
    fn step(&self, step: Step) -> Option<&'links Link> {
        self.links.iter().copied().find(|link| link.step == step)
    }

    /// Returns the CPU time of what one job does in distributed thin LTO: thin link and join.
    fn serial_seconds(&self) -> Option<f64> {
        let [thin_link, join] = [Step::ThinLink, Step::Join].map(|step| self.step(step));
        Some(thin_link?.cpu_seconds + join?.cpu_seconds)
    }

    fn figure(&self, model: &Model, mode: Mode) -> Option<Figure> {
        let (link, seconds, bytes) = match mode {
            Mode::Thin | Mode::Full => {
                let step = if mode == Mode::Thin {
                    Step::Thin
                } else {
                    Step::Full
                };
                let link = self.step(step)?;
                (link, Some(link.cpu_seconds), bytes(link))
            }
            Mode::ThinDist => {
                let join = self.step(Step::Join)?;
                match self.step(Step::Generate) {
                    Some(generate) => {
                        let seconds = generate.cpu_seconds + self.serial_seconds()?;
                        (generate, Some(seconds), bytes(generate).max(bytes(join)))
                    }
                    // In a whole kernel, the join needs most.
                    None => (join, None, bytes(join)),
                }
            }
            Mode::Join => {
                let join = self.step(Step::Join)?;
                (join, Some(join.cpu_seconds), bytes(join))
            }
        };
        let sizes = if mode == Mode::Join {
            &link.sizes
        } else {
            self.sizes
        };
        // With distributed thin LTO, the largest process was measured.
        let jobs = if mode == Mode::ThinDist { 1 } else { link.jobs };
        let estimate = model.estimate(mode, sizes, sizes, jobs);
        #[expect(clippy::cast_precision_loss, reason = "estimates need few digits")]
        Some(Figure {
            kernel: self.kernel.to_owned(),
            share: self.share,
            mode,
            sizes: *sizes,
            seconds: seconds.map(|seconds| (seconds, estimate.cpu_seconds)),
            bytes: (bytes, estimate.memory_bytes as f64),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "estimates need few digits")]
fn bytes(link: &Link) -> f64 {
    link.peak_rss_kib as f64 * 1024.0
}

fn number(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

/// Fits a model to `parts`.
fn fit(parts: &[Part], choice: Choice) -> Model {
    let time = &with(Size::BitcodeObjects, choice.time);
    let native = &with(Size::Constant, choice.native);
    let bitcode = &with(Size::Constant, choice.bitcode);
    let of_step = |step: Step| {
        let found = parts
            .iter()
            .filter_map(move |part| Some((part, part.step(step)?)));
        found.collect::<Vec<_>>()
    };
    let [thin, full, generate, join] =
        [Step::Thin, Step::Full, Step::Generate, Step::Join].map(of_step);
    let serial = parts
        .iter()
        .filter_map(|part| Some((*part.sizes, part.serial_seconds()?)));
    let serial = terms(time, serial);
    let joined = terms(
        native,
        join.iter().map(|(part, link)| (*part.sizes, bytes(link))),
    );
    // The compiler and the linker have the same libraries, which are in memory once.
    let program = joined.constant();
    let job = terms(
        JOB,
        generate
            .iter()
            .map(|(part, link)| (*part.sizes, bytes(link) - program)),
    );
    let thread = Terms(
        job.0
            .iter()
            .filter(|(size, _)| **size != Size::Constant)
            .map(|(size, c)| (*size, *c))
            .collect(),
    );
    let in_process = thin.iter().map(|(part, link)| {
        let threads = number(link.jobs) * thread.of(part.sizes);
        (*part.sizes, bytes(link) - threads)
    });
    let of_thin = Costs {
        parallel_seconds: terms(
            time,
            thin.iter()
                .map(|(part, link)| (*part.sizes, link.cpu_seconds - serial.of(part.sizes))),
        ),
        serial_seconds: serial.clone(),
        memory_bytes: terms(native, in_process),
        job_bytes: thread,
        ..Costs::default()
    };
    let of_thin_dist = Costs {
        parallel_seconds: terms(
            time,
            generate
                .iter()
                .map(|(part, link)| (*part.sizes, link.cpu_seconds)),
        ),
        serial_seconds: serial,
        memory_bytes: joined,
        job_bytes: job,
        ..Costs::default()
    };
    let of_full = Costs {
        serial_seconds: terms(
            time,
            full.iter()
                .map(|(part, link)| (*part.sizes, link.cpu_seconds)),
        ),
        memory_bytes: terms(
            bitcode,
            full.iter().map(|(part, link)| (*part.sizes, bytes(link))),
        ),
        ..Costs::default()
    };
    let of_join = Costs {
        serial_seconds: terms(
            JOIN_TIME,
            join.iter().map(|(_, link)| (link.sizes, link.cpu_seconds)),
        ),
        memory_bytes: terms(
            JOIN_MEMORY,
            join.iter().map(|(_, link)| (link.sizes, bytes(link))),
        ),
        ..Costs::default()
    };
    Model {
        modes: [
            (Mode::Thin, of_thin),
            (Mode::ThinDist, of_thin_dist),
            (Mode::Full, of_full),
            (Mode::Join, of_join),
        ]
        .into(),
    }
}

/// Fits a sum of `sizes` to `values`. A value that is not above zero says nothing about shares, and is left out.
fn terms(sizes: &[Size], values: impl Iterator<Item = (LinkSizes, f64)>) -> Terms {
    let samples: Vec<Sample> = values
        .filter(|(_, value)| *value > 0.0)
        .map(|(of_link, value)| Sample {
            sizes: sizes.iter().map(|size| size.of(&of_link)).collect(),
            value,
        })
        .collect();
    let found = sizes.iter().copied().zip(coefficients(&samples));
    // Four digits are more than the fit is good for.
    let rounded = found.map(|(size, coefficient)| {
        let text = format!("{coefficient:.3e}");
        (size, text.parse().unwrap_or(coefficient))
    });
    Terms(
        rounded
            .filter(|(_, coefficient)| *coefficient > 0.0)
            .collect(),
    )
}

/// Returns the text of `model.toml`.
///
/// # Errors
/// The model cannot be written as TOML.
pub fn text(model: &Model) -> anyhow::Result<String> {
    let text = toml::to_string(model).context("the model")?;
    Ok(format!(
        "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n\
         # The coefficients of `lto-link estimate`; `cargo xtask bench estimate` fits them to measured links.\n\
         # Seconds are those of the machine of docs/results/estimate.md.\n\n{text}"
    ))
}
