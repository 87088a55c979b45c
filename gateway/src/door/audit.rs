//! `audit.run`: the proof across all databases, taken while they work, in the steps of R5.
//!
//! (0) each shard's position; (1) each partition's open transfers and position; (2) each shard at one position: totals,
//! and its legs of those transfers and of all rows since step 0; (3) from each partition the transfers begun since step 1.
//! A step starts when the one before is complete. Whoever can't answer makes the audit `unavailable`, never `ok`.

use std::{
    collections::BTreeMap,
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::try_join_all;
use remit_actors::message::{Address, AnswerBody, JournalState, Question};
use remit_api::{
    Error,
    audit::{Audit, CurrencyFinding, Depth, RunRequest, ShardFinding},
};
use remit_core::{
    audit::{ShardView, compare},
    id::{PartitionNo, Seq, ShardNo, Time, TransferId},
    transfer::Start,
};

use super::{Door, asking::misunderstood};

/// How long one actor may take over its part.
const QUICK: Duration = Duration::from_secs(20);
/// The same where it reads its whole history.
const FULL: Duration = Duration::from_secs(590);

/// What a manager says of its transfers at one position.
#[derive(Default)]
struct Starts {
    at: Seq,
    starts: Vec<Start>,
    unreadable: Vec<TransferId>,
}

impl Door {
    pub(super) async fn audit(&self, request: RunRequest) -> Result<Audit, Error> {
        let depth = request.depth();
        let full = depth == Depth::Full;
        let patience = if full { FULL } else { QUICK };
        let since: BTreeMap<ShardNo, Seq> = self.of_shards(|no| self.position_of(no)).await?;
        let opened = self.of_partitions(|no| self.starts(no, Question::AuditOpen { full }, patience)).await?;
        let mut starts: Vec<Start> = Vec::new();
        let mut positions: BTreeMap<PartitionNo, Seq> = BTreeMap::new();
        let mut unreadable: Vec<TransferId> = Vec::new();
        for (no, found) in opened {
            positions.insert(no, found.at);
            starts.extend(found.starts);
            unreadable.extend(found.unreadable);
        }
        let mut touched: BTreeMap<ShardNo, Vec<TransferId>> = BTreeMap::new();
        for start in &starts {
            for leg in start.legs() {
                touched.entry(leg.shard).or_default().push(start.id);
            }
        }
        let reports = self
            .of_shards(|no| {
                let mut transfers = touched.get(&no).cloned().unwrap_or_default();
                transfers.dedup();
                let question =
                    Question::AuditShard { since: since[&no], transfers, unreadable: unreadable.clone(), full };
                self.report(no, question, patience)
            })
            .await?;
        let begun =
            self.of_partitions(|no| self.starts(no, Question::AuditBegun { since: positions[&no] }, QUICK)).await?;
        starts.extend(begun.into_values().flat_map(|found| found.starts));

        let mut shards = Vec::new();
        let mut views: BTreeMap<ShardNo, ShardView> = BTreeMap::new();
        for (no, (view, journal)) in reports {
            shards.push(ShardFinding {
                id: self.name_of(Address::Shard(no)),
                journal_seq: journal.seq,
                verified_to: journal.verified_to,
                hash: journal.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
                balanced: journal.balanced,
            });
            views.insert(no, view);
        }
        let findings = compare(&starts, &views);
        let ok = findings.values().all(|finding| finding.is_conserved()) && shards.iter().all(|shard| shard.balanced);
        let currencies = findings
            .iter()
            .map(|(currency, finding)| CurrencyFinding {
                currency: *currency,
                sum: finding.sum,
                in_transit: finding.in_transit,
                in_flight: finding.in_flight,
                drift: finding.drift(),
                held_drift: finding.held_drift,
                incoming_drift: finding.incoming_drift,
            })
            .collect();
        Ok(Audit { ok, depth, currencies, shards, unreadable, taken_at: now() })
    }

    /// Does the same for every shard at once.
    async fn of_shards<T, F>(&self, mut each: impl FnMut(ShardNo) -> F) -> Result<BTreeMap<ShardNo, T>, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let all = self.genesis.shard_numbers().map(|no| {
            let answer = each(no);
            async move { answer.await.map(|answer| (no, answer)) }
        });
        Ok(try_join_all(all).await?.into_iter().collect())
    }

    /// Does the same for every partition at once.
    async fn of_partitions<T, F>(
        &self,
        mut each: impl FnMut(PartitionNo) -> F,
    ) -> Result<BTreeMap<PartitionNo, T>, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let all = self.genesis.partition_numbers().map(|no| {
            let answer = each(no);
            async move { answer.await.map(|answer| (no, answer)) }
        });
        Ok(try_join_all(all).await?.into_iter().collect())
    }

    async fn position_of(&self, no: ShardNo) -> Result<Seq, Error> {
        match self.ask(Address::Shard(no), Question::Position).await? {
            AnswerBody::Position(position) => Ok(position.seq),
            other => Err(misunderstood(&other)),
        }
    }

    async fn starts(&self, no: PartitionNo, question: Question, patience: Duration) -> Result<Starts, Error> {
        let mut all = Starts::default();
        for part in self.ask_parts(Address::Manager(no), question, patience).await? {
            let AnswerBody::AuditStarts { at, starts, unreadable } = part else { return Err(misunderstood(&part)) };
            all.at = at;
            all.starts.extend(starts);
            all.unreadable.extend(unreadable);
        }
        Ok(all)
    }

    async fn report(
        &self,
        no: ShardNo,
        question: Question,
        patience: Duration,
    ) -> Result<(ShardView, JournalState), Error> {
        let (mut whole, mut state) = (ShardView::default(), JournalState::default());
        for part in self.ask_parts(Address::Shard(no), question, patience).await? {
            let AnswerBody::AuditShard { view, journal } = part else { return Err(misunderstood(&part)) };
            whole.totals.extend(view.totals);
            whole.legs.extend(view.legs);
            whole.by_rows.extend(view.by_rows);
            state = journal;
        }
        Ok((whole, state))
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
