// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Fits the model of `lto-link estimate` to measured links, and shows how good it is for kernels that it was not fitted
//! to.

pub mod fit;
pub mod links;
pub mod measure;
pub mod model;
pub mod page;

use std::path::{Path, PathBuf};

use kernel_lab::files::write;
use kernel_lab::workspace;

use self::links::Links;
use crate::kernels::Kept;

/// Fits the model to the measured links, and writes it and its page into the directory `results`.
///
/// # Errors
/// The links cannot be read, there are too few, or a file cannot be written.
pub fn fit_model(results: &Path) -> anyhow::Result<Kept> {
    let links = Links::read(&links_path())?;
    let fitted = model::fitted(&links.link, model::CHOSEN)?;
    let table = page::errors_table(&fitted);
    let page = results.join("estimate.md");
    write(&page, page::page(&links, &fitted)?)?;
    write(&model_path(), model::text(&fitted.model)?)?;
    Ok(Kept { table, page })
}

/// Returns the path of the measured links.
pub fn links_path() -> PathBuf {
    workspace::root().join("docs/results/estimate/links.toml")
}

/// Returns the path of the coefficients in lto-link's sources.
fn model_path() -> PathBuf {
    workspace::root().join("crates/lto-link/src/estimate/model.toml")
}
