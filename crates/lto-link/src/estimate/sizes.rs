// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The sizes of the inputs of a link, from which its cost follows.

use std::ops::Add;

use object_model::{Bitcode, Faults, Input, InputError, Object, PartSizes, ReadError};
use serde::{Deserialize, Serialize};

use crate::read::inputs::Inputs;

/// The sizes of the inputs of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSizes {
    /// The number of bitcode objects.
    pub bitcode_objects: u64,
    /// Their bytes.
    pub bitcode_bytes: u64,
    /// The functions that they define.
    pub functions: u64,
    /// The bytes of the bodies of these functions.
    pub function_bytes: u64,
    /// The LLVM instructions of these functions, as their summaries count them.
    pub instructions: u64,
    /// The bytes of metadata beside the functions, which are debug information, if there is any.
    pub metadata_bytes: u64,
    /// The number of native objects.
    pub native_objects: u64,
    /// Their bytes.
    pub native_bytes: u64,
    /// The bytes of the largest bitcode object.
    pub largest_bytes: u64,
}

impl LinkSizes {
    /// Measures `inputs`. Members of libraries count, whether the link needs them or not.
    ///
    /// # Errors
    /// Every object whose bitcode is damaged.
    pub fn of(inputs: &Inputs) -> Result<Self, Faults<InputError>> {
        let (all, _) = Self::of_all_and_those(inputs, |_| false)?;
        Ok(all)
    }

    /// Measures each object of `inputs` once. Returns the sizes of all, and of those for which `counts` is true.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(crate) fn of_all_and_those(
        inputs: &Inputs,
        counts: impl Fn(&Input) -> bool,
    ) -> Result<(Self, Self), Faults<InputError>> {
        let mut faults = Vec::new();
        let [mut all, mut those] = [Self::default(); 2];
        for input in &inputs.objects {
            match Self::of_object(input) {
                Ok(sizes) => {
                    all = all + sizes;
                    if counts(input) {
                        those = those + sizes;
                    }
                }
                Err(error) => faults.push(input.locate(error)),
            }
        }
        Faults::check((all, those), faults)
    }

    fn of_object(input: &Input) -> Result<Self, ReadError> {
        let bytes = input.data.len() as u64;
        match &input.object {
            Object::Elf(_) => Ok(Self {
                native_objects: 1,
                native_bytes: bytes,
                ..Self::default()
            }),
            Object::Bitcode(bitcode) => {
                let PartSizes {
                    functions,
                    function_bytes,
                    metadata_bytes,
                } = bitcode.part_sizes()?;
                Ok(Self {
                    bitcode_objects: 1,
                    bitcode_bytes: bytes,
                    functions,
                    function_bytes,
                    instructions: instructions(bitcode)?,
                    metadata_bytes,
                    largest_bytes: bytes,
                    ..Self::default()
                })
            }
        }
    }
}

/// Returns the number of instructions of a bitcode file, by its summary; none if it has no summary.
fn instructions(bitcode: &Bitcode) -> Result<u64, ReadError> {
    let summary = bitcode.summary()?;
    let values = summary.iter().flat_map(|summary| &summary.values);
    let summaries = values.filter_map(|value| value.summary.as_ref());
    Ok(summaries.filter_map(|summary| summary.instructions).sum())
}

impl Add for LinkSizes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bitcode_objects: self.bitcode_objects + other.bitcode_objects,
            bitcode_bytes: self.bitcode_bytes + other.bitcode_bytes,
            functions: self.functions + other.functions,
            function_bytes: self.function_bytes + other.function_bytes,
            instructions: self.instructions + other.instructions,
            metadata_bytes: self.metadata_bytes + other.metadata_bytes,
            native_objects: self.native_objects + other.native_objects,
            native_bytes: self.native_bytes + other.native_bytes,
            largest_bytes: self.largest_bytes.max(other.largest_bytes),
        }
    }
}
