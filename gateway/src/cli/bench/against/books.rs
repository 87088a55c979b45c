//! The two banks, each a database, and the database of decisions: how they are founded, and whether their books are right.
//!
//! A bank has what an honest ledger can't do without: a balance that can't go below zero, and a posting for each transfer, once,
//! under the transfer's id.

use futures::future::try_join;
use remit_load::{FUNDS, Payments};
use tokio_postgres::Row;

use super::{cluster::Cluster, error::Error};

/// The databases of the two banks.
pub(super) const BANKS: [&str; 2] = ["east", "west"];
/// The third database, which has the decisions of the recoverable form.
pub(super) const DECISIONS: &str = "decisions";

/// Accounts leave half of each page free, so that a changed row stays on its page, and its index as it is.
const BANK: &str = "
    CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0)) WITH (fillfactor = 50);
    CREATE TABLE posting (transfer uuid PRIMARY KEY, account bigint NOT NULL, amount bigint NOT NULL);";
const DECISION: &str = "CREATE TABLE decision (transfer uuid PRIMARY KEY)";
/// Accounts in one statement.
const ACCOUNTS_AT_ONCE: usize = 10_000;

/// The digest is the same in both banks if they have postings of the same transfers and amounts.
const AUDIT: &str = "
    SELECT (SELECT sum(balance)::bigint FROM account) AS balances,
           (SELECT count(*) FROM account LEFT JOIN (SELECT account AS id, sum(amount) AS moved FROM posting GROUP BY account) AS by
                USING (id) WHERE balance <> $1::bigint + coalesce(moved, 0)) AS wrong,
           count(*) AS postings, coalesce(sum(amount), 0)::bigint AS moved,
           coalesce(sum(hashtextextended(transfer || ' ' || abs(amount), 0)), 0)::text AS digest,
           (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()) AS prepared
    FROM posting";

/// Makes the databases, and opens and funds the accounts, each in the bank that is its shard among two. Calls `progress` with how
/// many are ready.
pub(super) async fn found(
    cluster: &Cluster,
    payments: &Payments,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), Error> {
    let mut ready = 0;
    let server = cluster.connect("postgres").await?;
    for (bank, name) in BANKS.into_iter().enumerate() {
        server.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let client = cluster.connect(name).await?;
        client.batch_execute(BANK).await?;
        let open = client.prepare("INSERT INTO account SELECT unnest($1::bigint[]), $2").await?;
        let here = (0..payments.accounts()).filter(|no| payments.shard_of(*no) == bank);
        let here: Vec<i64> = here.map(signed).collect();
        for some in here.chunks(ACCOUNTS_AT_ONCE) {
            client.execute(&open, &[&some, &FUNDS]).await?;
            ready += some.len() as u64;
            progress(ready);
        }
        client.batch_execute("VACUUM ANALYZE").await?;
    }
    server.batch_execute(&format!("CREATE DATABASE {DECISIONS}")).await?;
    cluster.connect(DECISIONS).await?.batch_execute(DECISION).await?;
    // Not while it is measured.
    server.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// What the databases must show: what the clients were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Accounts, all funded alike.
    pub(super) accounts: u64,
    /// Transfers that completed, in either form.
    pub(super) completed: u64,
    /// Those of the recoverable form.
    pub(super) decided: u64,
}

/// What they do show that they must not; empty if their books are right.
pub(super) async fn audit(cluster: &Cluster, told: Told) -> Result<Vec<String>, Error> {
    let [east, west] = BANKS.map(|bank| async move { Books::of(&cluster.connect(bank).await?).await });
    let (east, west) = try_join(east, west).await?;
    let decisions = cluster.connect(DECISIONS).await?.query_one("SELECT count(*) FROM decision", &[]).await?;
    Ok(wrong(&[east, west], decisions.try_get(0)?, told))
}

/// One bank's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Books {
    /// The sum of all balances, in cents.
    balances: i64,
    /// Accounts whose balance is not what was deposited and posted.
    wrong: i64,
    postings: i64,
    /// The sum of all postings, in cents.
    moved: i64,
    digest: String,
    /// Transactions that are neither committed nor rolled back.
    prepared: i64,
}

impl Books {
    async fn of(client: &tokio_postgres::Client) -> Result<Self, Error> {
        let row: Row = client.query_one(AUDIT, &[&FUNDS]).await?;
        Ok(Self {
            balances: row.try_get("balances")?,
            wrong: row.try_get("wrong")?,
            postings: row.try_get("postings")?,
            moved: row.try_get("moved")?,
            digest: row.try_get("digest")?,
            prepared: row.try_get("prepared")?,
        })
    }
}

fn wrong(banks: &[Books; 2], decisions: i64, told: Told) -> Vec<String> {
    let [east, west] = banks;
    let mut wrong = Vec::new();
    let mut must_be = |what: &str, is: i64, must: i64| {
        if is != must {
            wrong.push(format!("{what}: {is} instead of {must}"));
        }
    };
    must_be("cents in both", east.balances + west.balances, signed(told.accounts) * FUNDS);
    must_be("cents posted in both", east.moved + west.moved, 0);
    must_be("decisions", decisions, signed(told.decided));
    for (name, bank) in BANKS.into_iter().zip(banks) {
        must_be(&format!("postings in {name}"), bank.postings, signed(told.completed));
        must_be(&format!("accounts in {name} that differ from their postings"), bank.wrong, 0);
        must_be(&format!("transactions in {name} that are left prepared"), bank.prepared, 0);
    }
    if east.digest != west.digest {
        wrong.push("postings of other transfers or amounts in one than in the other".to_owned());
    }
    wrong
}

/// As PostgreSQL counts.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("a number of accounts, cents or transfers is far below 2^63")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Told = Told { accounts: 4, completed: 3, decided: 1 };

    fn books(moved: i64) -> Books {
        Books { balances: 2 * FUNDS + moved, wrong: 0, postings: 3, moved, digest: "7".to_owned(), prepared: 0 }
    }

    #[test]
    fn books_are_right_if_they_show_what_was_told() {
        assert_eq!(wrong(&[books(-5), books(5)], 1, TOLD), Vec::<String>::new());
    }

    #[test]
    fn whatever_differs_is_named() {
        for (east, west, decisions, named) in [
            (Books { balances: 0, ..books(-5) }, books(5), 1, "cents in both"),
            (books(-5), Books { moved: 4, ..books(5) }, 1, "cents posted in both: -1 instead of 0"),
            (books(-5), books(5), 0, "decisions: 0 instead of 1"),
            (Books { postings: 2, ..books(-5) }, books(5), 1, "postings in east: 2 instead of 3"),
            (books(-5), Books { wrong: 1, ..books(5) }, 1, "accounts in west that differ"),
            (books(-5), Books { prepared: 1, ..books(5) }, 1, "transactions in west that are left prepared"),
            (books(-5), Books { digest: "8".to_owned(), ..books(5) }, 1, "postings of other transfers"),
        ] {
            let wrong = wrong(&[east, west], decisions, TOLD);
            assert!(wrong.len() == 1 && wrong[0].starts_with(named), "{named}: {wrong:?}");
        }
    }
}
