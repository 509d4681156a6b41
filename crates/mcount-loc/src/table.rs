// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A table that is there, held against the code.

use object_model::{Elf, ReadError, Relocation, Section, SectionIndex, SymbolMap};

use crate::entry_call::{EntryCall, Form, Machine, find};
use crate::{ENTRY_SIZE, Error, Fault, Report, TABLE, machine_of};

/// Checks that the table of `elf`, a relocatable object, has every entry call that ftrace may
/// patch once, and nothing else. Calls that another tool turned into no-ops may be in it.
///
/// # Errors
/// A linked file, one for another machine, a damaged one.
pub fn check(elf: &Elf) -> Result<(Report, Vec<Fault>), Error> {
    let machine = machine_of(elf)?;
    let calls = find(elf, machine)?;
    let mut check = Check {
        elf,
        machine,
        recorded: vec![false; calls.len()],
        calls: &calls,
        n_records: 0,
        faults: Vec::new(),
    };
    let mut has_table = false;
    for table in elf.sections().iter().filter(|s| s.name == TABLE) {
        check.table(table)?;
        has_table = true;
    }
    Ok(check.finish(has_table))
}

/// State of one [`check`].
struct Check<'a, 'data> {
    elf: &'a Elf<'data>,
    machine: Machine,
    /// By section and place.
    calls: &'a [EntryCall<'a, 'data>],
    /// For each call whether the table has it.
    recorded: Vec<bool>,
    n_records: usize,
    faults: Vec<Fault>,
}

impl Check<'_, '_> {
    fn table(&mut self, table: &Section) -> Result<(), ReadError> {
        let mut relocations = self.elf.relocations(table.index)?;
        relocations.sort_by_key(|relocation| relocation.offset);
        self.n_records += relocations.len();
        let mut relocations = relocations.iter().peekable();
        // Of a section without bytes in the file, the stated size may be anything.
        let size = table.data.len() as u64;
        let mut at = 0;
        while at < size {
            let end = at.saturating_add(ENTRY_SIZE);
            let within = |relocation: &&Relocation| relocation.offset < end;
            match relocations.next_if(within) {
                Some(_) if end > size => self.no_record(at, "the table ends within it"),
                Some(relocation) => self.record(at, relocation),
                None => self.no_record(at, "it has no relocation"),
            }
            while let Some(second) = relocations.next_if(within) {
                self.no_record(second.offset, "a relocation before it is at the same entry");
            }
            at = end;
        }
        for relocation in relocations {
            self.no_record(relocation.offset, "it is beyond the end of the table");
        }
        Ok(())
    }

    fn no_record(&mut self, at: u64, reason: impl Into<String>) {
        let reason = reason.into();
        self.faults.push(Fault::NoRecord { at, reason });
    }

    /// Takes in the record at `at` of the table.
    fn record(&mut self, at: u64, relocation: &Relocation) {
        let is_address = relocation.kind == self.machine.record_kind();
        let Some(addend) = relocation
            .addend
            .filter(|_| is_address && relocation.offset == at)
        else {
            let reason = format!(
                "its relocation has type {} and is at {:#x}",
                relocation.kind.0, relocation.offset
            );
            return self.no_record(at, reason);
        };
        let symbol = relocation.symbol.and_then(|index| self.elf.symbol(index));
        let section = symbol
            .and_then(|symbol| symbol.section)
            .and_then(|index| self.elf.section(index));
        let Some((symbol, section)) = symbol.zip(section) else {
            let name = symbol.map_or("no symbol", |symbol| symbol.name);
            return self.no_record(at, format!("it refers to {name}, defined elsewhere"));
        };
        let offset = symbol.value.wrapping_add_signed(addend);
        let target = format!("{}+{offset:#x}", section.name);
        let call = self.call_at(section.index, offset);
        match call.and_then(|call| Some((self.calls.get(call)?, self.recorded.get_mut(call)?))) {
            Some((call, recorded)) if call.form != Form::Indirect => {
                if !call.is_traced() {
                    self.faults.push(Fault::LeftOut { at, target });
                } else if *recorded {
                    self.faults.push(Fault::Repeated { at, target });
                }
                *recorded = true;
            }
            _ => self.faults.push(Fault::NoCall { at, target }),
        }
    }

    /// Position of the entry call at this place.
    fn call_at(&self, section: SectionIndex, offset: u64) -> Option<usize> {
        let place = (section, offset);
        self.calls
            .binary_search_by_key(&place, EntryCall::place)
            .ok()
    }

    /// Counts, and adds what the table lacks.
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

/// The last symbol that begins at or before the call.
fn function_at<'data>(symbols: &SymbolMap<'_, 'data>, call: &EntryCall) -> &'data str {
    let in_section = symbols.in_section(call.section.index);
    let before = in_section.partition_point(|symbol| symbol.value <= call.offset);
    let symbol = before.checked_sub(1).and_then(|last| in_section.get(last));
    symbol.map_or("?", |symbol| symbol.name)
}
