//! The first reading: every line is checked before the first payment leaves.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use remit_core::id::TransferId;

use super::{
    Error,
    payment::{self, Payment, Reading},
    record::{Fault, Trouble},
    source::Source,
};

/// How many faults are shown; a file that is wrong throughout is wrong in the same way on every line.
const SHOWN_MAX: usize = 20;

/// What is wrong with a file: the first faults, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Faults {
    first: Vec<Fault>,
    count: u64,
}

/// A check under way.
#[derive(Debug, Default)]
pub(in crate::cli) struct Check {
    /// Every id so far, and the line that has it: some 50 bytes a payment.
    lines: HashMap<TransferId, u64>,
    faults: Faults,
}

impl Check {
    /// Checks a whole file of payments, and counts them.
    ///
    /// # Errors
    /// It can't be read, or lines of it are wrong.
    pub(in crate::cli) fn payments(source: &Source<'_>, reading: &Reading<'_>) -> Result<u64, Error> {
        let mut check = Self::default();
        for payment in payment::all(source, reading)? {
            match payment.and_then(|payment| check.is_new(&payment).map_err(Trouble::Fault)) {
                Ok(()) => {}
                Err(Trouble::Fault(fault)) => check.faults.add(fault),
                Err(Trouble::Io(error)) => return Err(Error::Read { name: source.name(), source: error }),
            }
        }
        if check.faults.count > 0 {
            return Err(Error::Wrong { name: source.name(), faults: check.faults });
        }
        Ok(check.lines.len() as u64)
    }

    /// A second payment under one id would be taken for the first one, and not be paid.
    fn is_new(&mut self, Payment { record, request }: &Payment) -> Result<(), Fault> {
        match self.lines.entry(request.id) {
            Entry::Vacant(free) => {
                free.insert(record.line);
                Ok(())
            }
            Entry::Occupied(first) => {
                let message =
                    format!("its id or reference stands in line {} already; each payment needs its own", first.get());
                Err(Fault::of_line(record.line, message))
            }
        }
    }
}

impl Faults {
    pub(in crate::cli) fn add(&mut self, fault: Fault) {
        self.count += 1;
        if self.first.len() < SHOWN_MAX {
            self.first.push(fault);
        }
    }

    pub(in crate::cli) const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Error {
    /// One fault, as with a header.
    pub(in crate::cli) fn wrong(source: &Source<'_>, fault: Fault) -> Self {
        let mut faults = Faults::default();
        faults.add(fault);
        Self::Wrong { name: source.name(), faults }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.first.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}  {fault}")?;
        }
        match self.count - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
