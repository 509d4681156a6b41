// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks that the objects of a link are compatible. A linker that only generates code does not
//! fail on incompatible objects, but leaves them out.

use object_model::{Architecture, Faults, Input, LtoKind, Object};

use crate::error::{IncompatibleObject, LinkError};
use crate::read::inputs::{Inputs, object_name};
use crate::resolve::resolution::Resolution;

/// Checks the linked objects for a link that generates code.
///
/// # Errors
/// Every object that is incompatible with the objects before it, and damaged bitcode.
pub(crate) fn check_linked(resolution: &Resolution) -> Result<(), LinkError> {
    check(resolution.linked())
}

/// Checks the objects of a link with distributed thin LTO, which generates code from all `inputs`.
///
/// # Errors
/// The errors of [`check_linked`], and bitcode for full LTO.
pub(crate) fn check_thin(inputs: &Inputs) -> Result<(), LinkError> {
    check(inputs.objects.iter())?;
    // All bitcode is of one kind, as was just checked.
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
