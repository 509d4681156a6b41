// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Whether the objects of a link go together. A link that only generates code does not fail where they do
//! not: it leaves out what it cannot take.

use object_model::{Architecture, Faults, Input, LtoKind, Object};

use crate::inputs::{InputKind, Inputs, kind_of, object_name};
use crate::link::LinkError;
use crate::resolve::Resolution;

/// An object that does not go together with the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IncompatibleObject {
    /// It is for another machine.
    #[error("{object} is for {machine}, and {first} is for {expected}")]
    Machine {
        /// The object.
        object: String,
        /// Its machine.
        machine: String,
        /// The first object of the link.
        first: String,
        /// The machine of the first object.
        expected: String,
    },
    /// It is bitcode for another kind of LTO.
    #[error(
        "{object} is bitcode for {kind} LTO, and {first} is for {expected} LTO; compile both with the \
         same -flto"
    )]
    LtoKind {
        /// The object.
        object: String,
        /// The kind of LTO that it was compiled for.
        kind: &'static str,
        /// The first bitcode object of the link.
        first: String,
        /// The kind of LTO that the first was compiled for.
        expected: &'static str,
    },
    /// It is bitcode that does not say what it refers to.
    #[error(
        "{object} is bitcode without a summary, so that it does not take part in LTO; compile it with \
         -flto=thin or -flto=full, or as native code"
    )]
    NoSummary {
        /// The object.
        object: String,
    },
}

/// Checks all objects of `resolution` for a link that generates code of bitcode.
///
/// # Errors
/// Every object that does not go together with those before it; bitcode that is damaged.
pub(crate) fn check_all(inputs: &Inputs, resolution: &Resolution) -> Result<(), LinkError> {
    check(resolution.linked(inputs))
}

/// Checks the objects of a link by distributed thin LTO: for it, code is generated of all `inputs`.
///
/// # Errors
/// As [`check_all`], and bitcode of full LTO.
pub(crate) fn check_thin(inputs: &Inputs) -> Result<(), LinkError> {
    check(inputs.objects.iter())?;
    // All bitcode is of one kind now.
    let mut bitcode = inputs.objects.iter();
    let full = bitcode.find(|input| {
        let bitcode = input.object.as_bitcode();
        bitcode.is_some_and(|bitcode| !matches!(bitcode.lto_kind(), Ok(LtoKind::Thin)))
    });
    let faults = full.map(|input| IncompatibleObject::LtoKind {
        object: object_name(input),
        kind: name_of(LtoKind::Full),
        first: "the link".to_owned(),
        expected: name_of(LtoKind::Thin),
    });
    Faults::check((), faults.into_iter().collect()).map_err(LinkError::Incompatible)
}

fn check<'all, 'data: 'all>(
    inputs: impl Iterator<Item = &'all Input<'data>>,
) -> Result<(), LinkError> {
    let mut machine: Option<(String, Architecture)> = None;
    let mut kind: Option<(String, LtoKind)> = None;
    let mut faults = Vec::new();
    for input in inputs {
        let object = object_name(input);
        let of_object = Architecture::of(&input.object);
        match &machine {
            Some((first, expected)) if !expected.goes_with(&of_object) => {
                faults.push(IncompatibleObject::Machine {
                    object: object.clone(),
                    machine: of_object.to_string(),
                    first: first.clone(),
                    expected: expected.to_string(),
                });
            }
            Some(_) => {}
            None => machine = Some((object.clone(), of_object)),
        }
        let Object::Bitcode(bitcode) = &input.object else {
            continue;
        };
        let of_object = bitcode.summary_kind();
        let of_object = of_object.map_err(|error| LinkError::Summary(input.locate(error)))?;
        let Some(of_object) = of_object else {
            faults.push(IncompatibleObject::NoSummary { object });
            continue;
        };
        match &kind {
            Some((first, expected)) if *expected != of_object => {
                faults.push(IncompatibleObject::LtoKind {
                    object,
                    kind: name_of(of_object),
                    first: first.clone(),
                    expected: name_of(*expected),
                });
            }
            Some(_) => {}
            None => kind = Some((object, of_object)),
        }
    }
    Faults::check((), faults).map_err(LinkError::Incompatible)
}

fn name_of(kind: LtoKind) -> &'static str {
    match kind {
        LtoKind::Thin => "thin",
        LtoKind::Full => "full",
    }
}

/// Returns the kind of LTO of the linked bitcode, which is one for the whole link.
pub(crate) fn kind_of_lto(inputs: &Inputs, resolution: &Resolution) -> LtoKind {
    let mut bitcode = resolution
        .linked(inputs)
        .filter(|input| kind_of(input) == InputKind::Bitcode)
        .filter_map(|input| input.object.as_bitcode());
    let kind = bitcode.next().and_then(|bitcode| bitcode.lto_kind().ok());
    kind.unwrap_or(LtoKind::Thin)
}
