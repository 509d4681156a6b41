// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares existing tables with the code.

use std::collections::HashSet;

use object_model::{Elf, ReadError, SectionIndex, SymbolMap};

use crate::code::Code;
use crate::entry::{self, Entry};
use crate::entry_call::{EntryCall, Form, Machine, entry_calls};
use crate::{Error, Fault, PATCHABLE, Report, TABLE, machine_of};

/// Checks the tables of `elf`.
///
/// In a relocatable object, `__mcount_loc` must have every entry call that ftrace may patch exactly once,
/// and nothing else, except calls that another tool turned into no-ops. The records of
/// `__patchable_function_entries` must each refer to no-ops at the entry of a function, and no two
/// to the same.
///
/// In a linked kernel, the records between `__start_mcount_loc` and `__stop_mcount_loc` must each
/// refer to a call or no-ops at the entry of a function, and no two to the same. Only relocations can show
/// that none is missing: check `vmlinux.o`, and compare the numbers.
///
/// # Errors
/// The file is for another machine, or damaged.
pub fn check(elf: &Elf) -> Result<(Report, Vec<Fault>), Error> {
    let machine = machine_of(elf)?;
    if !elf.is_relocatable() {
        return Ok(check_linked(elf, machine)?);
    }
    let calls = entry_calls(elf, machine)?;
    let mut check = Check {
        elf,
        machine,
        recorded: vec![false; calls.len()],
        calls: &calls,
        n_records: 0,
        n_patchable: 0,
        faults: Vec::new(),
    };
    let mut has_table = false;
    for table in elf.sections().iter().filter(|s| s.name == TABLE) {
        let table = entry::of_section(elf, machine, table, TABLE)?;
        check.n_records += table.n_records;
        check.faults.extend(table.faults);
        for entry in &table.entries {
            check.record(entry);
        }
        has_table = true;
    }
    check.patchable()?;
    Ok(check.finish(has_table))
}

/// State of one [`check`] of an object.
struct Check<'a, 'data> {
    elf: &'a Elf<'data>,
    machine: Machine,
    /// The entry calls, by section and place.
    calls: &'a [EntryCall<'a, 'data>],
    /// Whether the table has each call.
    recorded: Vec<bool>,
    n_records: usize,
    n_patchable: usize,
    faults: Vec<Fault>,
}

impl Check<'_, '_> {
    /// Adds a record of `__mcount_loc`.
    fn record(&mut self, entry: &Entry) {
        let Entry { table, at, .. } = *entry;
        let elf = self.elf;
        let target = || entry.target(elf);
        let call = self.call_at(entry.section, entry.offset);
        match call.and_then(|call| Some((self.calls.get(call)?, self.recorded.get_mut(call)?))) {
            Some((call, recorded)) if call.form != Form::Indirect => {
                if !call.is_traced() {
                    let target = target();
                    self.faults.push(Fault::LeftOut { at, target });
                } else if *recorded {
                    let target = target();
                    self.faults.push(Fault::Repeated { table, at, target });
                }
                *recorded = true;
            }
            _ => {
                let target = target();
                self.faults.push(Fault::NoCall { at, target });
            }
        }
    }

    /// Adds the tables of no-ops.
    fn patchable(&mut self) -> Result<(), ReadError> {
        if !self.machine.has_patchable_entries() {
            return Ok(());
        }
        let mut entries = Vec::new();
        for section in self.elf.sections().iter().filter(|s| s.name == PATCHABLE) {
            let table = entry::of_section(self.elf, self.machine, section, PATCHABLE)?;
            self.n_records += table.n_records;
            self.faults.extend(table.faults);
            entries.extend(table.entries);
        }
        let code = Code::new(self.elf, self.machine);
        self.n_patchable = code.n_patchable();
        self.faults.extend(entry_faults(&code, &entries));
        Ok(())
    }

    /// Returns the index of the entry call at this place.
    fn call_at(&self, section: SectionIndex, offset: u64) -> Option<usize> {
        let place = (section, offset);
        self.calls
            .binary_search_by_key(&place, EntryCall::place)
            .ok()
    }

    /// Counts the calls, and adds a fault for each that the table lacks.
    fn finish(mut self, has_table: bool) -> (Report, Vec<Fault>) {
        let mut n_calls = 0;
        let mut missing = Vec::new();
        for (call, recorded) in self.calls.iter().zip(&self.recorded) {
            match call.form {
                _ if !call.is_traced() => {}
                Form::Direct | Form::Nop if *recorded => n_calls += 1,
                Form::Direct => {
                    n_calls += 1;
                    missing.push(call);
                }
                Form::Nop => {}
                Form::Indirect => self.faults.push(call.indirect_fault()),
            }
        }
        if has_table {
            self.missing(&missing);
        } else if n_calls > 0 {
            self.faults.push(Fault::NoTable { n_calls });
        }
        let report = Report {
            n_calls,
            n_records: self.n_records,
            n_patchable: self.n_patchable,
        };
        (report, self.faults)
    }

    fn missing(&mut self, calls: &[&EntryCall]) {
        if calls.is_empty() {
            return;
        }
        let symbols = self.elf.symbol_map();
        self.faults.extend(calls.iter().map(|call| Fault::Missing {
            function: function_at(&symbols, call).to_owned(),
            section: call.section.name.to_owned(),
            offset: call.offset,
        }));
    }
}

impl EntryCall<'_, '_> {
    pub(crate) fn indirect_fault(&self) -> Fault {
        Fault::Indirect {
            section: self.section.name.to_owned(),
            offset: self.offset,
            symbol: self.symbol.name.to_owned(),
        }
    }
}

/// Returns the last symbol that begins at or before the call.
fn function_at<'data>(symbols: &SymbolMap<'_, 'data>, call: &EntryCall) -> &'data str {
    let in_section = symbols.in_section(call.section.index);
    let before = in_section.partition_point(|symbol| symbol.value <= call.offset);
    let symbol = before.checked_sub(1).and_then(|last| in_section.get(last));
    symbol.map_or("?", |symbol| symbol.name)
}

fn check_linked(elf: &Elf, machine: Machine) -> Result<(Report, Vec<Fault>), ReadError> {
    let code = Code::new(elf, machine);
    let mut table = entry::of_kernel(&code)?;
    table.faults.extend(entry_faults(&code, &table.entries));
    let report = Report {
        n_calls: 0,
        n_records: table.n_records,
        n_patchable: 0,
    };
    Ok((report, table.faults))
}

/// Adds faults for entries that do not refer to the entry of a function, or repeat an earlier entry.
fn entry_faults(code: &Code, entries: &[Entry]) -> Vec<Fault> {
    let mut seen = HashSet::new();
    let mut faults = Vec::new();
    for entry in entries {
        let Entry { table, at, .. } = *entry;
        let target = || entry.target(code.elf);
        if !seen.insert((entry.section, entry.offset)) {
            let target = target();
            faults.push(Fault::Repeated { table, at, target });
        } else if !code.is_patched(entry.section, entry.offset) {
            let function = code.function_at(entry.section, entry.offset);
            let function = function.map_or("?", |symbol| symbol.name).to_owned();
            let target = target();
            faults.push(Fault::NoEntry {
                table,
                at,
                target,
                function,
            });
        }
    }
    faults
}
