//! Coming to rest: when faults have stopped, every transfer must reach its end, and everyone must know.

use remit_core::id::TransferId;

use crate::{
    checker::{Checked, Violation, violation},
    clients::Client,
    name,
    world::World,
};

impl World {
    /// Whether every client knows the end of every transfer that can have one, a last audit has found nothing since, and the
    /// projector has all rows.
    pub(crate) fn is_at_rest(&mut self) -> Result<bool, Violation> {
        match self.audited_at_rest {
            None if self.unfinished().is_none() => {
                self.audit_at_rest();
                Ok(false)
            }
            None => Ok(false),
            Some(before) => Ok(self.auditor.done > before && self.has_read_all()?),
        }
    }

    fn unfinished(&self) -> Option<TransferId> {
        let is_expected = |id: &TransferId| !self.checker.rotten.contains(id);
        self.clients.iter().flat_map(Client::waits_for).chain(self.checker.open()).filter(is_expected).min()
    }

    /// What must be true at the end.
    pub(crate) fn conclude(&mut self) -> Checked {
        for (id, asked) in self.clients.iter().flat_map(Client::asked) {
            let end = self.checker.transfers.get(&id).and_then(|known| known.end).map(|(_, end)| end.outcome);
            if (asked.is_accepted || asked.end.is_some()) && asked.end != end && !self.checker.rotten.contains(&id) {
                let what = format!("{}: its client was told {:?}, recorded is {end:?}", name(id), asked.end);
                return Err(violation(vec![name(id)], what));
            }
        }
        self.checker.at_rest()?;
        self.copies_at_rest()?;
        self.check_reading()
    }

    /// What hangs, though nothing goes wrong any more.
    pub(crate) fn restless(&self) -> Violation {
        match self.unfinished() {
            Some(id) => {
                let stands = self.checker.transfers.get(&id).map_or("not recorded".into(), |known| known.told());
                violation(vec![name(id)], format!("{} has not ended long after all faults: {stands}", name(id)))
            }
            None => violation(Vec::new(), "no audit comes to its end long after all faults, or the projector does not"),
        }
    }
}
