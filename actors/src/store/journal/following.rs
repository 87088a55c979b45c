//! Copies: a database that follows a stream of another's commits, and has no claim.
//!
//! A copy's life: it is made without rows, or opened as it was left. Run after run is verified as a whole, then taken in by one
//! transaction. At the end it is settled, so that whoever claims it next has nothing to replay. What a crash leaves behind is a
//! beginning of the stream.

use remit_core::id::{Epoch, Seq};

use super::{Appended, Hash, Head, Journal, Log, corrupt, link};
use crate::{
    message::{Chunk, Linked, Rows},
    store::{
        Error,
        line::{self, SEPARATOR},
        replica::Guarded,
        row::{Common, JournalEntry, Row},
    },
};

/// A copy.
pub trait Follower: Send {
    /// The last commit that it has, and the newest epoch that it knows of.
    fn head(&self) -> Head;

    /// Up to which row it has read the stream: what is wanted next comes above. That is the head, or somewhere in the commit behind
    /// it, which waits in memory for its end.
    fn read_to(&self) -> Seq;

    /// Takes in what is new in a run, which may begin earlier.
    ///
    /// # Errors
    /// [`Error::Gap`], [`Error::Differs`], or a row can't be read: nothing has changed. With any other error the database is as it
    /// was, and this copy must be dropped and opened anew.
    fn absorb(&mut self, run: &Rows) -> Result<(), Error>;

    /// Writes the tables in bulk, so that they stand for all that is here.
    ///
    /// # Errors
    /// Somebody has claimed it, or the database failed: drop this copy and open it anew.
    fn settle(&mut self) -> Result<(), Error>;
}

/// What a journal's rows are applied to: memory, and the tables that are written in bulk.
pub(in crate::store) trait Projection: Send {
    /// The database.
    type Tables: Journal;

    fn log(&mut self) -> &mut Log<Self::Tables>;

    fn head(&self) -> Head;

    /// One row's effect on memory.
    fn apply(&mut self, row: Row<<Self::Tables as Journal>::Entry>) -> Result<(), Error>;

    /// The position that the tables stand for.
    fn flushed(&self) -> Seq;

    /// Within the transaction: writes the tables in bulk.
    fn flush(&mut self) -> Result<(), Error>;

    /// The same if enough rows have come since the last time; then forgets what memory has no room for.
    fn flush_if_due(&mut self) -> Result<(), Error>;
}

impl<T: Journal> Log<T> {
    /// A journal that another writes.
    pub(in crate::store) fn follow(tables: T) -> Result<Self, Error> {
        Self::new(tables, Guarded::new(None))
    }

    /// Begins a transaction. A promise made meanwhile is about who may write; what the stream has, it has (R15).
    fn begin_to_follow(&mut self) -> Result<(), Error> {
        loop {
            match self.tables.begin(self.head.epoch, self.head.seq) {
                Err(Error::Fenced { stored: (epoch, seq), .. }) if seq == self.head.seq && epoch > self.head.epoch => {
                    self.head.epoch = epoch;
                }
                begun => return begun,
            }
        }
    }

    /// Takes a commit of the stream into the transaction.
    fn stage(&mut self, commit: &Commit<T::Entry>) -> Result<(), Error> {
        for row in &commit.rows {
            if self.tables.append(row)? == Appended::Exists {
                return Err(corrupt(format!("row {} has the key of another one", row.seq.0)));
            }
        }
        self.tables.link(commit.end.seq, commit.end.link, &commit.lines)?;
        self.seq = commit.end.seq;
        Ok(())
    }
}

/// A projection that follows a stream.
pub(in crate::store) struct Following<P> {
    projection: P,
    /// The newest claim among the rows.
    claimed: Epoch,
    begun: Begun,
}

/// A commit whose end has not come yet.
#[derive(Clone)]
struct Begun {
    /// Its last row so far; where it has none, the head.
    last: Seq,
    lines: Vec<u8>,
}

/// A commit of a run.
struct Commit<E> {
    end: Linked,
    lines: Vec<u8>,
    rows: Vec<Row<E>>,
}

impl<P: Projection> Following<P> {
    pub(in crate::store) fn new(mut projection: P) -> Result<Self, Error> {
        let claims = projection.log().tables.claims()?;
        let claimed = claims.last().map_or(Epoch(0), |claim| claim.epoch);
        let begun = Begun { last: projection.head().seq, lines: Vec::new() };
        Ok(Self { projection, claimed, begun })
    }

    fn end(&mut self, head: Head) -> Result<(), Error> {
        let log = self.projection.log();
        log.tables.commit()?;
        log.head = head;
        Ok(())
    }
}

impl<P: Projection> Follower for Following<P> {
    fn head(&self) -> Head {
        self.projection.head()
    }

    fn read_to(&self) -> Seq {
        self.begun.last
    }

    fn absorb(&mut self, run: &Rows) -> Result<(), Error> {
        let (commits, begun) = read(run, self.head(), &self.begun)?;
        let claimed = claimed(&commits, self.claimed)?;
        if let Some(Linked { seq, link: hash }) = commits.last().map(|commit| commit.end) {
            let log = self.projection.log();
            log.begin_to_follow()?;
            let epoch = claimed.max(log.head.epoch);
            if epoch > log.head.epoch {
                log.tables.set_epoch(epoch)?;
            }
            commits.iter().try_for_each(|commit| log.stage(commit))?;
            for row in commits.into_iter().flat_map(|commit| commit.rows) {
                self.projection.apply(row)?;
            }
            self.projection.flush_if_due()?;
            self.end(Head { epoch, seq, hash })?;
        }
        (self.begun, self.claimed) = (begun, claimed);
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Error> {
        if self.projection.flushed() == self.head().seq {
            return Ok(());
        }
        self.projection.log().begin_to_follow()?;
        self.projection.flush()?;
        self.end(self.head())
    }
}

/// The commits of a run that go on from a head, and what it has of one more. All of them are verified and can be read.
fn read<E: JournalEntry>(run: &Rows, mut head: Head, begun: &Begun) -> Result<(Vec<Commit<E>>, Begun), Error> {
    let Some(last) = run.chunks.last().map(|chunk| chunk.last) else { return Ok((Vec::new(), begun.clone())) };
    if run.first > begun.last.next() {
        return Err(Error::Gap { last: begun.last, first: run.first });
    }
    let mut begun = match run.first > head.seq.next() {
        true => begun.clone(),
        // The run has all of that commit.
        false => Begun { last: head.seq, lines: Vec::new() },
    };
    let here = Linked { seq: head.seq, link: head.hash };
    let ends_here = |chunk: &Chunk| chunk.last == here.seq && chunk.link == Some(here.link);
    if last >= here.seq && run.before != here && !run.chunks.iter().any(ends_here) {
        return Err(differs(format!("the stream has no such commit up to row {}", here.seq.0)));
    }
    let mut commits = Vec::new();
    for chunk in &run.chunks {
        for (seq, line) in chunk.lines() {
            if seq <= begun.last {
                continue;
            }
            if seq != begun.last.next() {
                return Err(differs(format!("the stream has no row {}", begun.last.next().0)));
            }
            if seq > head.seq.next() {
                begun.lines.extend_from_slice(SEPARATOR);
            }
            begun.lines.extend_from_slice(line);
            begun.last = seq;
        }
        let ends = chunk.last == begun.last && chunk.last > head.seq;
        if let Some(said) = chunk.link.filter(|_| ends) {
            let commit = verified(&head, said, &mut begun)?;
            (head.seq, head.hash) = (commit.end.seq, commit.end.link);
            commits.push(commit);
        }
    }
    Ok((commits, begun))
}

/// The commit that ends with these lines and this link.
fn verified<E: JournalEntry>(head: &Head, said: Hash, begun: &mut Begun) -> Result<Commit<E>, Error> {
    let lines = std::mem::take(&mut begun.lines);
    let end = Linked { seq: begun.last, link: link(&head.hash, &lines) };
    if end.link != said {
        return Err(differs(format!("the rows up to {} do not come to the link that the stream says", end.seq.0)));
    }
    let texts = lines.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b",").unwrap_or(line));
    let rows = (head.seq.0 + 1..).map(Seq).zip(texts).map(|(seq, line)| line::read(seq, line));
    Ok(Commit { rows: rows.collect::<Result<_, _>>()?, end, lines })
}

/// The newest claim, each of which must be above all before it (R12).
fn claimed<E: JournalEntry>(commits: &[Commit<E>], mut newest: Epoch) -> Result<Epoch, Error> {
    for row in commits.iter().flat_map(|commit| &commit.rows) {
        if let Some(Common::Claimed(epoch, _)) = row.entry.common() {
            if *epoch <= newest {
                let what =
                    format!("row {} claims the epoch {}, and {} was claimed before", row.seq.0, epoch.0, newest.0);
                return Err(differs(what));
            }
            newest = *epoch;
        }
    }
    Ok(newest)
}

fn differs(what: String) -> Error {
    Error::Differs { what }
}
