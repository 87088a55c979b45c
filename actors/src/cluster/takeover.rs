//! Taking a journal over: the file and its stream are made equal, and nobody of an older epoch may write any more (R13, R15 to R18).
//!
//! 1. Look where the stream ends.
//! 2. Ask every member that can be reached to promise: its file refuses lower epochs from then on. Each says what its file has.
//! 3. The newest of all (a later claim before more rows) is what the journal is. If somebody is known to have claimed it later than
//!    that, his file is waited for.
//! 4. Announce the claim to all that are alive, who commit that. From here on this file may have what no other one has.
//! 5. Bring the own file there: from the stream and its archive, and beyond its end from the member that has more.
//! 6. Publish what the stream lacks, since a broker may lose what it had acknowledged. What is published again bears no epoch: an end
//!    that nobody has claimed is no proof that nothing comes after it, however much of the history stands before it.
//!
//! A stream whose end nobody has claimed is *unclaimed*: it is gone, or somebody has begun to refill it and not come to his claim. Then
//! the members alone know what there is: a majority of them must be reached, and the last to announce a claim, who may have more than
//! anybody else (R18). Were he not waited for, others would write another history; and his file, though nobody was ever told of what is
//! in it, would be the newest of all should the stream be lost once more.
//!
//! The claim itself is the new owner's first append behind that end: should anybody have appended meanwhile, it is refused.
//!
//! Everything that is asked of the world is behind [`Around`] and [`Copy`], so that the simulator takes journals over with the same code.

use remit_core::{
    id::{Epoch, Seq},
    planted,
};

use super::wire::{Claimed, Claims, Held, Promised};
use crate::{
    message::{Linked, Rows},
    store::{Error, journal::Hash, replica::Commit},
};

/// A copy that lacks no more rows than these is near enough.
const NEAR_ROWS: u64 = 200;
/// How often a copy goes after an end that has moved on.
const ROUNDS: usize = 10;

/// The end of a ledger stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The number of its last message; 0 if it never had one.
    pub number: u64,
    /// The last commit in it, whole; the default if there is none.
    pub linked: Linked,
    /// The epoch of whoever wrote its last message; 0 if that was published again and not claimed since.
    pub claimed: Epoch,
}

/// Who a claimant is among, and what it knows of claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Company {
    /// This node's name.
    pub node: String,
    /// How many members there are, this node included.
    pub count: usize,
    /// What this node knows of claims of the journal.
    pub known: Claims,
}

/// What a claim goes behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leveled {
    /// The end of file and stream.
    pub end: End,
    /// The epoch that was announced.
    pub epoch: Epoch,
}

/// Whether a writer's commit is of the epoch that was announced. Another member may have had his file promise a later one since.
///
/// # Errors
/// [`Error::Fenced`].
pub fn announced(commit: &Commit<'_>, epoch: Epoch) -> Result<(), Error> {
    match commit.epoch == epoch {
        true => Ok(()),
        false => Err(Error::Fenced { own: (epoch, commit.before.seq), stored: (commit.epoch, commit.before.seq) }),
    }
}

/// What a claimant can reach, for one journal.
pub trait Around {
    /// Where the stream ends.
    ///
    /// # Errors
    /// The broker can't be reached.
    fn end(&mut self) -> Result<End, Error>;

    /// The next whole commits above a position, from the stream or its archive; `None` if neither has them.
    ///
    /// # Errors
    /// The broker can't be reached.
    fn rows_above(&mut self, above: Seq) -> Result<Option<Rows>, Error>;

    /// The promises of all other members that can be reached.
    ///
    /// # Errors
    /// One can be reached, and can't promise.
    fn promises(&mut self, epoch: Epoch) -> Result<Vec<Promised>, Error>;

    /// The next rows of a member's file above a position.
    ///
    /// # Errors
    /// It can't be reached.
    fn rows_of(&mut self, member: &str, above: Seq) -> Result<Option<Rows>, Error>;

    /// Appends rows behind the end of the stream, of this number, as nobody's; the number of the new end.
    ///
    /// # Errors
    /// The broker can't be reached, or somebody else has appended.
    fn publish(&mut self, number: u64, rows: &Rows) -> Result<u64, Error>;

    /// Who there is, and what this node knows.
    ///
    /// # Errors
    /// Its registry failed.
    fn company(&mut self) -> Result<Company, Error>;

    /// Tells all members that are alive that this node is about to claim the journal; they have committed it when this returns.
    ///
    /// # Errors
    /// One that is alive does not confirm it.
    fn announce(&mut self, epoch: Epoch) -> Result<(), Error>;

    /// Is told how many rows are there, of how many.
    fn progress(&mut self, rows: Seq, of: Seq);
}

/// The claimant's own file.
pub trait Copy {
    /// Lets it refuse lower epochs, and says what it has.
    ///
    /// # Errors
    /// The database failed.
    fn promise(&mut self, epoch: Epoch) -> Result<Held, Error>;

    /// Takes in rows that go on where it ends.
    ///
    /// # Errors
    /// They don't, or the database failed.
    fn absorb(&mut self, rows: &Rows) -> Result<(), Error>;

    /// Where it ends.
    fn linked(&self) -> Linked;

    /// Its rows above a position; `None` if there are none.
    ///
    /// # Errors
    /// The database failed.
    fn rows_above(&mut self, above: Seq) -> Result<Option<Rows>, Error>;

    /// The link of the commit that ends with a row.
    ///
    /// # Errors
    /// The database failed.
    fn link_at(&mut self, seq: Seq) -> Result<Option<Hash>, Error>;
}

/// What may be done without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    /// The deployment is being made, so that nothing of it is anywhere yet.
    pub create: bool,
    /// An operator has decided that what can be reached is all there is.
    pub adopt: bool,
}

/// Makes file and stream equal, under a promise of all that can be reached, and announces the claim.
///
/// # Errors
/// Something can't be reached, is known to be missing, or tells of another history.
pub fn level(journal: &str, copy: &mut dyn Copy, around: &mut dyn Around, leave: Leave) -> Result<Leveled, Error> {
    let mut end = around.end()?;
    let company = around.company()?;
    let (bid, mut held, members) = promised(copy, around, (end.claimed, &company))?;
    // Whoever has promised may have appended until then.
    end = around.end()?;
    let files = members.iter().filter_map(|member| member.held);
    let stream = Held { epoch: end.claimed, claimed: end.claimed, linked: end.linked };
    let best = files.chain([held, stream]).max_by_key(Held::age).unwrap_or(held);

    if !leave.create && !leave.adopt {
        may_be_all(&company, &members, (end, held, best)).map_err(|why| waits(journal, &why))?;
    }
    let epoch = Epoch(bid.max(best.claimed).max(end.claimed).0 + 1);
    around.announce(epoch)?;

    if !planted!(NoTail) {
        restore(copy, around, end, best, &members)?;
        agree(journal, copy, end.linked)?;
    }
    held.linked = copy.linked();
    // What it has taken in may have been claimed in lower epochs; the next claim must be above what was promised.
    copy.promise(Epoch(epoch.0 - 1))?;
    while end.linked.seq < held.linked.seq {
        let Some(rows) = copy.rows_above(end.linked.seq)? else { break };
        end.number = around.publish(end.number, &rows)?;
        end.linked = rows.linked();
    }
    end.claimed = best.claimed;
    Ok(Leveled { end, epoch })
}

/// Brings a file near to where its stream ends, without any claim, while somebody else writes there.
///
/// # Errors
/// The broker can't be reached, or file and stream differ.
pub fn follow(copy: &mut dyn Copy, around: &mut dyn Around) -> Result<(), Error> {
    // What is written during one round is the next one's, and fewer rows: little of it is left for the pause of the journal.
    for _ in 0..ROUNDS {
        let (began, end) = (copy.linked().seq, around.end()?);
        while copy.linked().seq < end.linked.seq {
            let above = copy.linked().seq;
            around.progress(above, end.linked.seq);
            // Whoever wrote the last commit may not know that it is there; should the broker lose it, then it never was. Where it stands
            // in one message with what is here already, nothing is left.
            let rows = around.rows_above(above)?.and_then(|rows| rows.before_commit_at(end.linked.seq));
            let Some(rows) = rows.filter(|rows| rows.linked().seq > above) else { break };
            take_in(copy, &rows)?;
        }
        if copy.linked().seq.0 <= began.0 + NEAR_ROWS {
            break;
        }
    }
    Ok(())
}

/// Whether what can be reached may be all there is of a journal; else why not.
fn may_be_all(company: &Company, members: &[Promised], (end, own, best): (End, Held, Held)) -> Result<(), String> {
    let is_unclaimed = end.claimed == Epoch(0);
    let known = || members.iter().map(|member| &member.known).chain([&company.known]);
    // What is here of a node: its file.
    let file = |node: &str| match node == company.node {
        true => Some(own),
        false => members.iter().find(|member| member.node == node).map(|member| member.held.unwrap_or_default()),
    };
    let missing = |claim: &Claimed| Err(format!("{} claimed it in epoch {}", claim.node, claim.epoch.0));
    if let Some(served) = known().filter_map(|known| known.served.as_ref()).max_by_key(|claim| claim.epoch) {
        // Whoever followed him may have his claim, and not all that he wrote after it.
        let is_followed = served.epoch == best.claimed && is_unclaimed && !planted!(LastClaimantNotAwaited);
        let is_here = file(&served.node).is_some_and(|file| file.claimed >= served.epoch);
        if served.epoch > best.claimed || is_followed && !is_here {
            return missing(served);
        }
    }
    if let Some(announced) = known().filter_map(|known| known.announced.as_ref()).max_by_key(|claim| claim.epoch)
        && is_unclaimed
        && file(&announced.node).is_none()
        && !planted!(LastClaimantNotAwaited)
    {
        return missing(announced);
    }
    let (reached, count) = (members.len() + 1, company.count);
    if is_unclaimed && reached * 2 <= count {
        return Err(format!("its stream is gone, and {reached} of {count} nodes are too few to know"));
    }
    if best.linked.seq == Seq(0) {
        return Err("nobody has any of it".to_owned());
    }
    Ok(())
}

/// The promises of this node's file and of all members that can be reached, under an epoch that is above everything they knew.
fn promised(
    copy: &mut dyn Copy,
    around: &mut dyn Around,
    (claimed, company): (Epoch, &Company),
) -> Result<(Epoch, Held, Vec<Promised>), Error> {
    let announced = |known: &Claims| known.announced.as_ref().map(|claim| claim.epoch);
    let mut bid = Epoch(claimed.0 + 1).max(announced(&company.known).unwrap_or_default());
    loop {
        let held = copy.promise(bid)?;
        let members = if planted!(NoPromises) { Vec::new() } else { around.promises(bid)? };
        // Above their claims too: who claimed this very epoch would not be fenced.
        let least = |held: Held| if held.epoch > bid { Epoch(held.epoch.0 + 1) } else { Epoch(held.claimed.0 + 1) };
        let files = members.iter().filter_map(|member| member.held).chain([held]).map(least);
        // And the claim above all that were announced: who did that may have made it true.
        let highest = members.iter().filter_map(|member| announced(&member.known)).chain(files).max();
        match highest.filter(|highest| *highest > bid) {
            Some(highest) => bid = highest,
            None => return Ok((bid, held, members)),
        }
    }
}

/// Brings the file to where the newest one is, or the stream, if that goes on from there.
fn restore(
    copy: &mut dyn Copy,
    around: &mut dyn Around,
    end: End,
    best: Held,
    members: &[Promised],
) -> Result<(), Error> {
    let until = end.linked.seq.max(best.linked.seq);
    while copy.linked().seq < until {
        let above = copy.linked().seq;
        around.progress(above, until);
        let mut rows = if above < end.linked.seq { around.rows_above(above)? } else { None };
        // Beyond the stream's end, and where it does not reach back so far: from whoever has them, the newest first.
        let mut others: Vec<&Promised> = members.iter().filter(|member| reaches(member, above)).collect();
        others.sort_by_key(|member| member.held.map(|held| held.age()));
        while rows.is_none()
            && let Some(member) = others.pop()
        {
            rows = around.rows_of(&member.node, above)?;
        }
        let Some(rows) = rows else {
            let what = format!("rows {} to {} are nowhere to be had", above.next().0, until.0);
            return Err(Error::NotReplicated { what });
        };
        take_in(copy, &rows)?;
    }
    Ok(())
}

/// Takes in rows that lead on: what does not would be asked for, and taken in, for ever.
fn take_in(copy: &mut dyn Copy, rows: &Rows) -> Result<(), Error> {
    let above = copy.linked().seq;
    copy.absorb(rows)?;
    if copy.linked().seq > above {
        return Ok(());
    }
    let what = format!("rows {} to {} do not lead on from row {}", rows.first.0, rows.last.0, above.0);
    Err(Error::NotReplicated { what })
}

/// Whether a member has rows above a position.
fn reaches(member: &Promised, above: Seq) -> bool {
    member.held.is_some_and(|held| held.linked.seq > above)
}

/// R17: what the stream has last, the file must have too.
fn agree(journal: &str, copy: &mut dyn Copy, stream: Linked) -> Result<(), Error> {
    if stream.seq == Seq(0) || copy.link_at(stream.seq)? == Some(stream.link) {
        return Ok(());
    }
    let what = format!(
        "the file of {journal} and its stream differ at row {}: one of them has lost rows, and others have come in their place",
        stream.seq.0
    );
    Err(Error::Differs { what })
}

fn waits(journal: &str, why: &str) -> Error {
    let what = format!(
        "{journal} waits: {why}, and its rows are not within reach; start what has them, or accept their loss: remit shard \
         adopt {journal} --why …"
    );
    Error::NotReplicated { what }
}

#[cfg(test)]
mod tests;
