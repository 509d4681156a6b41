// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link cache`: the cache of generated code on this machine.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use lto_link::{CacheStatus, CodeCache, cache_dir, cache_of_launcher};
use tool_io::Failure;

use crate::command::environment::{cache_limit, variable};

/// A command for the cache.
#[derive(Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Print size, limit, number of entries, and the hits and misses since the cache was cleared
    Status {
        #[command(flatten)]
        place: Place,
        /// The form of the output
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Remove all entries, and begin to count hits and misses anew
    Clear {
        #[command(flatten)]
        place: Place,
    },
}

/// The cache.
#[derive(Args)]
struct Place {
    /// The directory of the cache [default: that of `LTO_LAUNCHER=cache:DIR`, or lto-link in the user's directory for
    /// caches, `XDG_CACHE_HOME` or ~/.cache]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The form of the output.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// JSON, sizes in bytes
    Json,
}

/// Does what the command says.
pub fn run(args: CacheArgs) -> Result<(), Failure> {
    let CacheArgs { command } = args;
    match command {
        CacheCommand::Status { place, format } => {
            let (cache, dir) = open(place)?;
            let status = cache.status().map_err(|error| at(&dir, &error))?;
            let text = match format {
                Format::Text => text(&status),
                Format::Json => {
                    let json = serde_json::to_string_pretty(&status);
                    json.map_err(Failure::cannot_run)? + "\n"
                }
            };
            Ok(tool_io::write_stdout(text.as_bytes())?)
        }
        CacheCommand::Clear { place } => {
            let (cache, dir) = open(place)?;
            cache.clear().map_err(|error| at(&dir, &error))
        }
    }
}

fn open(place: Place) -> Result<(CodeCache, PathBuf), Failure> {
    let Place { dir } = place;
    let dir = if let Some(dir) = dir {
        dir
    } else {
        let launcher = variable("LTO_LAUNCHER").unwrap_or_default();
        let named = cache_of_launcher(&launcher.to_string_lossy());
        cache_dir(named.as_deref()).map_err(Failure::cannot_run)?
    };
    let cache = CodeCache::new(dir.clone(), cache_limit()?);
    Ok((cache, dir))
}

fn at(dir: &Path, error: &io::Error) -> Failure {
    Failure::cannot_run(format!(
        "{}: {error}; name the directory of the cache with --dir",
        dir.display()
    ))
}

fn text(status: &CacheStatus) -> String {
    let CacheStatus {
        directory,
        size_bytes,
        limit_bytes,
        entries,
        hits,
        misses,
    } = status;
    let rate = (100 * hits).checked_div(hits + misses).unwrap_or(0);
    format!(
        "directory  {}\nsize       {} of {} MiB\nentries    {entries}\nhits       {hits} ({rate} %)\n\
         misses     {misses}\n",
        directory.display(),
        mebibytes(*size_bytes),
        mebibytes(*limit_bytes),
    )
}

/// Returns a number of mebibytes with one digit after the point.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}
