//! Damage to a database file: it is refused when it is opened, or found by the full audit; what neither of them finds is served
//! as if nothing had been done. And whatever was done, nothing panics.
//!
//! An input chooses one of some stories, the file of a shard or of the manager, and what is done to it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod contents;
mod damage;
mod lines;
mod served;
mod story;

use std::fs;

use remit_actors::{
    codec,
    machine::{Failure, Machine},
    message::{Address, AnswerBody, Question},
    store::Error,
};
use remit_core::id::{Seq, Time};
use remit_fuzz::{
    choices::Choices,
    run::run,
    stage::{self, MANAGER, SHARDS, Stage},
};

use self::{contents::Contents, damage::Done, served::Served, story::Whole};

#[test]
fn journals() {
    run(bolero::check!(), 4_000, |bytes| {
        let mut choices = Choices::new(bytes);
        let whole = story::whole(choices.below(story::STORIES));
        let address = *choices.one_of(&[SHARDS[0], MANAGER]);
        let folder = stage::scratch();
        let path = folder.path().join(story::file_name(address));
        fs::write(&path, whole.file(address)).unwrap();
        let done = damage::damage(&path, &mut choices);
        // A file that SQLite itself can't read any more is refused as one.
        let contents = Contents::read(&path).ok();
        if done == Done::ByStatements {
            assert!(contents.is_some(), "what statements have written can be read");
        }
        let mut stage = Stage::in_files(folder.path().to_owned(), story::FLUSH_ROWS);
        stage.now = whole.now;
        judge(&stage, address, &whole, contents.as_ref(), done);
    });
}

fn judge(stage: &Stage, address: Address, whole: &Whole, contents: Option<&Contents>, done: Done) {
    let mut machine = match stage.open(address) {
        Ok(machine) => machine,
        Err(failure) => return assert_refusal(&failure, done),
    };
    let before = whole.contents(address);
    if let (Some(after), Done::ByStatements) = (contents, done) {
        assert!(!before.tail_differs(after), "a change above the bulk write went unnoticed when the file was opened");
        if address == MANAGER && before.tables == after.tables && before.links == after.links {
            spared(&mut *machine, whole, before, after, stage.now);
        }
    }
    match audited(&mut *machine, address, stage.now) {
        Err(failure) => assert_refusal(&failure, done),
        Ok(true) => {
            let served = Served::by(&mut *machine, address, stage.now);
            match served {
                // The last commits may be gone, whole: so a crash leaves a file, and an old copy of it is one.
                Ok(served)
                    if contents.is_some_and(|after| before.is_cut(after) && after.rows.len() < before.rows.len()) =>
                {
                    assert!(served.rows < whole.served(address).rows);
                }
                Ok(served) => served.assert_is(whole.served(address)),
                Err(failure) => panic!("the audit found nothing, but: {failure:?}"),
            }
        }
        Ok(false) => {}
    }
    // Work goes on until someone looks at what was found.
    for frame in whole.frames(address) {
        let Ok(frame) = codec::decode(frame) else { panic!("it was sent") };
        if let Err(failure) = machine.turn(&[frame], stage.now) {
            return assert_refusal(&failure, done);
        }
    }
}

/// A database that is refused is set aside; one that failed, as disks do, is tried again and again.
fn assert_refusal(failure: &Failure, done: Done) {
    match failure {
        Failure::Invariant(_) | Failure::Store(Error::Foreign { .. }) => {}
        Failure::Store(Error::Sqlite(_)) if done == Done::ToBytes => {}
        other => panic!("no refusal, but a failure: {other:?}"),
    }
}

/// Whether the machine's own full audit finds nothing.
fn audited(machine: &mut dyn Machine, address: Address, now: Time) -> Result<bool, Failure> {
    let question = match address {
        MANAGER => Question::AuditOpen { full: true },
        _ => Question::AuditShard { since: Seq(0), transfers: vec![], unreadable: vec![], full: true },
    };
    let found = stage::ask(machine, question, now)?;
    Ok(!found.is_empty()
        && found.iter().all(|body| match body {
            AnswerBody::AuditShard { journal, .. } => journal.balanced && journal.verified_to == journal.seq,
            AnswerBody::AuditStarts { .. } => true,
            _ => false,
        }))
}

/// R11: a transfer none of whose own rows were touched is told of as before, whatever was done to those of others.
fn spared(machine: &mut dyn Machine, whole: &Whole, before: &Contents, after: &Contents, now: Time) {
    for id in &story::transfers().collect::<Vec<_>>() {
        let question = Question::Transfer(*id);
        if before.about(id).eq(after.about(id)) {
            let told = stage::ask(machine, question, now).unwrap_or_else(|failure| panic!("{id}: {failure:?}"));
            assert_eq!(told, whole.told(id), "{id} was not touched");
        }
    }
}
