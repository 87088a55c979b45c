//! How a journal comes to run on this node, and how it goes.
//!
//! It is *taken* where nobody alive runs it. It is *asked* for where another node does: this node's copy is brought near to the end of its
//! stream while the other still serves; then that one ends its actor in order, and hands over the key. It is *let go* where the key says
//! that another one has it.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{
    archive::Archivist,
    inner::Inner,
    member::{Key, Owner},
    node::Cluster,
    plan::Hosting,
    wire::Given,
};
use crate::{guardian::Retire, message::Address};

/// How often it is looked whether an actor has come up.
const LOOK: Duration = Duration::from_millis(10);
/// An actor that is not up after so long no longer keeps others from coming.
const UP_WITHIN: Duration = Duration::from_secs(15);
/// A journal that did not come is left alone for so long, in milliseconds.
const REFUSED_MS: u64 = 1_000;
/// How much longer a handover may take than its actor.
const MARGIN: Duration = Duration::from_millis(500);
/// How long an actor may take to end that must not write any more.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

impl Cluster {
    /// Hands a journal to another node that asks for it: its actor takes what waits for it, and ends; then the key is the asker's.
    pub(super) async fn give_away(&self, journal: Address, term: u64, to: Owner) -> Given {
        let inner = &self.0;
        let now_ms = inner.lease.now_ms();
        let belongs_there = {
            let view = inner.view.lock();
            view.member(&to.node).is_some_and(|member| member.incarnation == to.incarnation)
                && view.placement(now_ms).get(&journal) == Some(&to.node.as_str())
        };
        if !belongs_there {
            return Given::Not("it belongs elsewhere, by what its owner knows".to_owned());
        }
        {
            let mut hosting = inner.hosting.lock();
            if hosting.get(&journal) != Some(&Hosting::Running { term }) {
                return Given::Not("it does not run here, or not yet".to_owned());
            }
            hosting.insert(journal, Hosting::Going);
        }
        let name = inner.name_of(journal);
        let given = match inner.put_out(journal, Retire::Drain, inner.options.move_within).await {
            true => match inner.bucket.write(Key::Own(&name), &to, term).await {
                Ok(revision) => {
                    inner.heard(Key::Own(&name), revision, &to);
                    info!(journal = name, to = to.node, "gave a journal away");
                    Given::Away(revision)
                }
                Err(error) => Given::Not(error.to_string()),
            },
            false => Given::Not("its actor did not end in time".to_owned()),
        };
        inner.hosting.lock().remove(&journal);
        inner.changed.notify_one();
        given
    }
}

impl Inner {
    /// Detaches a journal's actor from the bus, and ends it; whether its database is closed.
    pub(super) async fn put_out(&self, journal: Address, how: Retire, within: Duration) -> bool {
        let Some(joined) = self.joined.get() else { return true };
        joined.bus.detach(journal);
        let archivist = self.archivists.lock().remove(&journal);
        drop(archivist);
        joined.guardian.retire(&self.name_of(journal), how, within).await.is_gone()
    }

    /// Ends an actor whose journal is another node's. The plan's doer has noted that it goes.
    pub(super) async fn let_go(&self, journal: Address) {
        warn!(journal = self.name_of(journal), "another node runs a journal that ran here");
        self.put_out(journal, Retire::AtOnce, ENDS_WITHIN).await;
        self.hosting.lock().remove(&journal);
        self.changed.notify_one();
    }

    pub(super) async fn rewrite(&self, journal: Address) {
        let name = self.name_of(journal);
        if let Ok(term) = self.bucket.write(Key::Own(&name), &self.me(), 0).await {
            self.hosting.lock().insert(journal, Hosting::Running { term });
            self.heard(Key::Own(&name), term, &self.me());
        }
    }

    /// It did not come.
    fn refused(&self, journal: Address, why: &str) {
        info!(journal = self.name_of(journal), why, "a journal did not come here");
        let not_before_ms = self.lease.now_ms() + REFUSED_MS;
        self.hosting.lock().insert(journal, Hosting::Refused { not_before_ms });
        self.changed.notify_one();
    }

    /// Runs a journal that is this node's, and says so when it is up.
    pub(super) async fn run(&self, journal: Address, term: u64) {
        let Some(joined) = self.joined.get() else { return };
        let name = self.name_of(journal);
        self.hosting.lock().insert(journal, Hosting::Coming { term: Some(term) });
        // Not while a copy is still being brought up to date.
        drop(self.copying.alone(journal).await);
        if !joined.guardian.host(&name) {
            return self.refused(journal, "this node has no such actor");
        }
        let until = Instant::now() + UP_WITHIN;
        while !self.is_up(journal) && Instant::now() < until {
            sleep(LOOK).await;
        }
        let mut hosting = self.hosting.lock();
        // Unless it was let go meanwhile.
        if hosting.get(&journal) != Some(&Hosting::Coming { term: Some(term) }) {
            return;
        }
        hosting.insert(journal, Hosting::Running { term });
        drop(hosting);
        let inlet = joined.guardian.inlets().into_iter().find(|(address, _)| *address == journal);
        if let Some((address, inlet)) = inlet {
            joined.bus.attach_term(address, inlet, term);
        }
        if let Some(file) = self.journal(journal) {
            let archivist = Archivist::start(&self.options.runtime, self.ledger(&name), self.archive(&name), file);
            self.archivists.lock().insert(journal, archivist);
        }
        self.changed.notify_one();
    }

    /// Takes what nobody alive runs. The plan's doer has noted that it comes.
    pub(super) async fn take(&self, journal: Address, expect: Option<u64>) {
        let name = self.name_of(journal);
        match self.bucket.write(Key::Own(&name), &self.me(), expect.unwrap_or(0)).await {
            Ok(term) => {
                self.heard(Key::Own(&name), term, &self.me());
                self.run(journal, term).await;
            }
            Err(error) => self.refused(journal, &error.to_string()),
        }
    }

    /// Asks its owner for a journal. The plan's doer has noted that it comes.
    pub(super) async fn ask(&self, journal: Address, from: &str, term: u64) {
        if let Err(error) = self.prepare(journal, || true).await {
            return self.refused(journal, &error.to_string());
        }
        let within = self.options.move_within + MARGIN;
        match self.post.give_away(from, (journal, term), self.me(), within).await {
            Ok(Given::Away(term)) => {
                self.heard(Key::Own(&self.name_of(journal)), term, &self.me());
                self.run(journal, term).await;
            }
            Ok(Given::Not(why)) => self.refused(journal, &why),
            Err(error) => self.refused(journal, &error.to_string()),
        }
    }
}
