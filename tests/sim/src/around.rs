//! What a claimant of the simulated deployment can reach, for one journal.

use remit_actors::{
    cluster::{
        Claimed, Claims, Promised,
        takeover::{Around, Company, End},
    },
    faults::Dice,
    message::{Address, Rows},
    store::Error,
};
use remit_core::id::{Epoch, Seq};

use crate::{
    drive::Drive,
    nodes::Nodes,
    slot::Rival,
    stream::{Ledger, Line},
};

/// The surroundings of a journal, as one node sees them.
pub(crate) struct Surroundings<'a> {
    pub(crate) node: usize,
    pub(crate) source: Address,
    pub(crate) name: &'a str,
    pub(crate) nodes: &'a mut Nodes,
    /// The journal's disks, one for each node.
    pub(crate) drives: &'a [Drive],
    pub(crate) ledger: &'a Ledger,
    /// What one message takes.
    pub(crate) part_bytes: usize,
    /// The throws for what happens meanwhile.
    pub(crate) dice: &'a mut Dice,
    pub(crate) rival: &'a mut Option<Rival>,
}

impl Surroundings<'_> {
    fn line(&self) -> &Line {
        &self.nodes.at(self.node).line
    }

    /// Between any two steps the old owner may go on.
    fn meanwhile(&mut self) {
        if let Some(rival) = self.rival
            && self.dice.below(8) == 0
        {
            rival.go_on(&self.drives[rival.incarnation.node], self.ledger);
        }
    }
}

impl Around for Surroundings<'_> {
    fn end(&mut self) -> Result<End, Error> {
        self.meanwhile();
        self.ledger.end(self.line())
    }

    fn rows_above(&mut self, above: Seq) -> Result<Option<Rows>, Error> {
        self.meanwhile();
        self.ledger.rows_above(self.line(), above)
    }

    fn promises(&mut self, epoch: Epoch) -> Result<Vec<Promised>, Error> {
        let mut promises = Vec::new();
        for other in self.nodes.others(self.node) {
            self.meanwhile();
            let drive = &self.drives[other];
            // A file that was never made promises nothing.
            let is_there = drive.epoch() > Epoch(0) || drive.linked().seq > Seq(0);
            let held = if is_there { Some(drive.promise(epoch)?) } else { None };
            let known = self.nodes.at(other).claims_of(self.name);
            promises.push(Promised { node: Nodes::name(other), held, known });
        }
        Ok(promises)
    }

    fn rows_of(&mut self, member: &str, above: Seq) -> Result<Option<Rows>, Error> {
        let other = self.nodes.others(self.node).into_iter().find(|other| Nodes::name(*other) == member);
        Ok(other.and_then(|other| self.drives[other].run_above(self.source, above)))
    }

    fn publish(&mut self, number: u64, rows: &Rows) -> Result<u64, Error> {
        let mut number = number;
        for piece in rows.clone().pieces(self.part_bytes) {
            self.meanwhile();
            if self.dice.below(50) == 0 {
                return Err(Error::Crashed);
            }
            number = self.ledger.publish(self.line(), number, piece)?;
        }
        Ok(number)
    }

    fn company(&mut self) -> Result<Company, Error> {
        let known = self.nodes.at(self.node).claims_of(self.name);
        Ok(Company { node: Nodes::name(self.node), count: self.nodes.count(), known })
    }

    fn announce(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.meanwhile();
        let claim = Claimed { journal: self.name.to_owned(), epoch, node: Nodes::name(self.node) };
        let told = Claims { announced: Some(claim), served: None };
        match self.nodes.tell(self.node, self.name, &told) {
            true => Ok(()),
            false => Err(Error::NotReplicated { what: "a claim can't be announced to all".into() }),
        }
    }

    fn progress(&mut self, _rows: Seq, _of: Seq) {}
}
