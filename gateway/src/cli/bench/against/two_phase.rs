//! Two-phase commit as it is written by hand: one transfer, by one client.
//!
//! Each bank is sent one message to prepare and one to commit, and both banks theirs at the same time. A transfer that waits for
//! a lock in one bank while it holds one in the other can be part of a deadlock that neither bank sees; so a lock is waited for
//! a bounded time, and the transfer undone and tried again.

use futures::future::{join, try_join};
use remit_core::id::TransferId;
use remit_load::{Numbers, Payments, cents, new_id};
use serde::Serialize;
use tokio_postgres::{Client, error::SqlState};

use super::{
    books::{BANKS, DECISIONS, signed},
    cluster::Cluster,
    error::Error,
};

/// What a connection to a bank begins with. The wait is longer than many clients in turn need with one account. The statement
/// lets the bank judge: who has too little fails the table's check, and who is not there its `NOT NULL`.
const AT_A_BANK: &str = "
    SET lock_timeout = '250ms';
    PREPARE post (uuid, bigint, bigint) AS
        WITH moved AS (UPDATE account SET balance = balance + $3 WHERE id = $2 RETURNING id)
        INSERT INTO posting (transfer, account, amount) VALUES ($1, (SELECT id FROM moved), $3)";
const AT_DECISIONS: &str = "PREPARE decide (uuid) AS INSERT INTO decision (transfer) VALUES ($1)";

/// How much is done for the day that the client crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// Nothing: whoever finds a prepared transaction can't tell whether the other one was committed.
    Fastest,
    /// The least: a decision, on disk in a third database before either bank commits.
    Recoverable,
}

impl Form {
    pub(super) const ALL: [Self; 2] = [Self::Fastest, Self::Recoverable];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Fastest => "fastest",
            Self::Recoverable => "recoverable",
        }
    }
}

/// A transfer, and what it does to an account of each bank, in cents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    pub(super) id: TransferId,
    pub(super) legs: [(u64, i64); 2],
}

impl Transfer {
    /// The next of payments between the two banks, under a new id.
    pub(super) fn draw(payments: &Payments, numbers: &mut Numbers) -> Self {
        let chosen = payments.choose(numbers);
        let [payer, payee] = chosen[..] else { unreachable!("these payments have two legs") };
        let cents = signed(cents(numbers));
        let mut legs = [(payer, -cents), (payee, cents)];
        if payments.shard_of(payer) != 0 {
            legs.reverse();
        }
        Self { id: new_id(), legs }
    }
}

/// What came of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    /// A bank said no: too little money, or no such account.
    Refused,
    /// Another one had a lock for too long: to be tried again.
    Locked,
}

/// A client and its connections.
#[derive(Debug)]
pub(super) struct TwoPhase {
    banks: [Client; 2],
    decisions: Option<Client>,
}

impl TwoPhase {
    pub(super) async fn connect(cluster: &Cluster, form: Form) -> Result<Self, Error> {
        let [east, west] = BANKS.map(|bank| connect(cluster, bank, AT_A_BANK));
        let (east, west) = try_join(east, west).await?;
        let decisions = match form {
            Form::Fastest => None,
            Form::Recoverable => Some(connect(cluster, DECISIONS, AT_DECISIONS).await?),
        };
        Ok(Self { banks: [east, west], decisions })
    }

    /// Makes one transfer; nothing of it is left anywhere unless it completed.
    pub(super) async fn run(&self, transfer: &Transfer) -> Result<Outcome, Error> {
        let Transfer { id, .. } = transfer;
        let [east, west] = &self.banks;
        let names = [0, 1].map(|bank| format!("{id} in {}", BANKS[bank]));
        let prepared = join(prepare(east, transfer, 0, &names[0]), prepare(west, transfer, 1, &names[1])).await;
        match (prepared.0?, prepared.1?) {
            (Vote::Yes, Vote::Yes) => {}
            votes => {
                for (bank, vote) in [votes.0, votes.1].into_iter().enumerate() {
                    if vote == Vote::Yes {
                        self.banks[bank].batch_execute(&format!("ROLLBACK PREPARED '{}'", names[bank])).await?;
                    }
                }
                let refused = [votes.0, votes.1].contains(&Vote::No);
                return Ok(if refused { Outcome::Refused } else { Outcome::Locked });
            }
        }
        if let Some(decisions) = &self.decisions {
            decisions.batch_execute(&format!("EXECUTE decide('{id}')")).await?;
        }
        let [at_east, at_west] = names.map(|name| format!("COMMIT PREPARED '{name}'"));
        try_join(east.batch_execute(&at_east), west.batch_execute(&at_west)).await?;
        Ok(Outcome::Completed)
    }
}

async fn connect(cluster: &Cluster, database: &str, begin: &str) -> Result<Client, Error> {
    let client = cluster.connect(database).await?;
    client.batch_execute(begin).await?;
    Ok(client)
}

/// A bank's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vote {
    Yes,
    No,
    Locked,
}

async fn prepare(client: &Client, transfer: &Transfer, bank: usize, name: &str) -> Result<Vote, Error> {
    let Transfer { id, legs } = transfer;
    let (account, cents) = legs[bank];
    let one = format!("BEGIN; EXECUTE post('{id}', {account}, {cents}); PREPARE TRANSACTION '{name}'");
    let Err(error) = client.batch_execute(&one).await else { return Ok(Vote::Yes) };
    let vote = match error.code() {
        Some(code) if [SqlState::CHECK_VIOLATION, SqlState::NOT_NULL_VIOLATION].contains(code) => Vote::No,
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => Vote::Locked,
        _ => return Err(error.into()),
    };
    client.batch_execute("ROLLBACK").await?;
    Ok(vote)
}
