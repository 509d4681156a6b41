// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The plan of a link: its linker scripts, and the command that makes the output.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use object_model::Faults;

use crate::check::definitions::definitions;
use crate::error::LinkError;
use crate::plan::command::{exactly_one_r, joined, thread_flags};
use crate::plan::compatible::{check_linked, check_thin};
use crate::plan::options::{Cache, CodeGeneration, LinkKind, LinkOptions};
use crate::read::inputs::Inputs;
use crate::resolve::resolution::Resolution;

/// The plan of one link. Scripts have fixed paths, so that users can read them later.
#[derive(Debug)]
pub(crate) struct LinkPlan {
    /// Path and text of each linker script.
    pub(crate) scripts: Vec<(PathBuf, String)>,
    /// The linker and its arguments, without the names of the objects.
    pub(crate) command: Vec<OsString>,
}

impl LinkPlan {
    /// Plans the link of `inputs`.
    ///
    /// # Errors
    /// Every initcall without an order, every export without a CRC, every incompatible object.
    pub(crate) fn of(
        options: &LinkOptions,
        inputs: &Inputs,
        resolution: &Resolution,
    ) -> Result<Self, LinkError> {
        // Without `..`, so that a new option cannot be forgotten here.
        let LinkOptions {
            kind,
            output: _,
            objs: _,
            libs: _,
            linker,
            code,
            modversions,
            capture: _,
            jobs,
        } = options;
        let paths = options.paths();
        let mut scripts = Vec::new();
        if *kind == LinkKind::Vmlinux {
            let initcalls = initcall_order::collect(&inputs.objects)
                .map_err(|faults| LinkError::Initcalls(Box::new(faults)))?;
            scripts.push((paths.initcalls(), initcalls.linker_script()));
        }
        if *modversions {
            let crcs = modversions::collect(&inputs.objects, |path| std::fs::read_to_string(path))
                .map_err(LinkError::Crcs)?;
            if crcs.n_crcs() > 0 {
                scripts.push((paths.symversions(), crcs.linker_script().to_owned()));
            }
        }
        let mut cache = None;
        match code {
            // The linker itself refuses incompatible objects.
            CodeGeneration::InLinker { cache: of_link } => cache = of_link.as_ref(),
            CodeGeneration::Dropping(_) => {
                check_linked(resolution)?;
                // The linker that generates code ignores such errors.
                let found = definitions(resolution.linked());
                Faults::check((), found.faults).map_err(LinkError::Definitions)?;
            }
            CodeGeneration::Distributed { .. } => check_thin(inputs)?,
        }
        let mut command = exactly_one_r(linker);
        command.push("-r".into());
        command.extend(thread_flags(*jobs));
        if let Some(Cache { dir, policy }) = cache {
            command.push(joined("--thinlto-cache-dir=", dir.as_os_str()));
            command.push(joined("--thinlto-cache-policy=", OsStr::new(policy)));
        }
        for (path, _) in &scripts {
            command.push("-T".into());
            command.push(path.into());
        }
        command.extend(["-o".into(), paths.unfinished().into()]);
        Ok(Self { scripts, command })
    }
}
