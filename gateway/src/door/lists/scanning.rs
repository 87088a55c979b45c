//! A list of transfers from the managers, who scan their journals back in pages. They know all that there is, so the list is
//! as new as the moment at which they were asked; but a memo can't be looked for in this way.

use std::cmp::Reverse;

use futures::future::join_all;
use remit_actors::{
    durable::system_clock,
    message::{Address, AnswerBody, Filter, Find, Progress, Question},
};
use remit_api::{Error, transfer};
use remit_core::{
    id::{PartitionNo, Seq, Time},
    transfer::Start,
};

use super::super::{
    Door,
    asking::misunderstood,
    places::{Place, Places},
};

/// What is scanned for.
pub(super) struct Scan {
    pub(super) find: Find,
    pub(super) places: Places,
    pub(super) limit: usize,
}

/// What one manager has found of what it scanned, the newest first.
struct Part {
    partition: PartitionNo,
    /// Each with where it begun.
    found: Vec<(Seq, Start, Progress)>,
    /// Where it goes on.
    next: Option<Seq>,
    /// Whether all that it found was accepted too late.
    is_too_late: bool,
}

impl Door {
    /// Asks all managers for a page; `why_not` says why there is no read model, if only that could answer.
    pub(super) async fn scan(
        &self,
        Scan { find, places, limit }: Scan,
        why_not: impl FnOnce() -> Error,
    ) -> Result<transfer::List, Error> {
        if !find.memo.is_empty() {
            return Err(why_not());
        }
        let as_of = system_clock();
        let filter = |before| Filter {
            status: find.status,
            account: find.account.clone(),
            overdue: find.overdue,
            since: find.since,
            before,
            limit: find.limit,
        };
        let asks = self.genesis.partition_numbers().zip(&places.0).filter_map(|(no, place)| {
            let before = match place {
                Place::Newest => None,
                Place::Below(seq) => Some(*seq),
                Place::End => return None,
            };
            let question = Question::Transfers(filter(before));
            Some(async move { (no, self.ask(Address::Manager(no), question).await) })
        });
        let mut parts = Vec::new();
        for (no, body) in join_all(asks).await {
            match body? {
                AnswerBody::Transfers(found, next) => parts.push(Part::of(no, found, next, find.until)),
                other => return Err(misunderstood(&other)),
            }
        }
        let (page, places) = page(parts, places, limit);
        let transfers = page.iter().map(|(start, progress)| self.transfer_of_start(start, progress)).collect();
        Ok(transfer::List { transfers, cursor: places.cursor(), as_of })
    }
}

impl Part {
    /// Only of those that were accepted before a moment. Managers don't know of it; what falls out here counts as passed over,
    /// as they pass over what their own filter does not let through, so that no cursor misses anything.
    fn of(
        partition: PartitionNo,
        mut found: Vec<(Seq, Start, Progress)>,
        next: Option<Seq>,
        until: Option<Time>,
    ) -> Self {
        let had_any = !found.is_empty();
        found.retain(|(_, start, _)| until.is_none_or(|until| start.accepted_at < until));
        let is_too_late = had_any && found.is_empty();
        Self { partition, found, next, is_too_late }
    }
}

/// The newest of all parts, and where the next page goes on.
fn page(mut parts: Vec<Part>, mut places: Places, limit: usize) -> (Vec<(Start, Progress)>, Places) {
    // One that has not come down to the moment yet may still find something newer than all that the others have found: then
    // this page only brings it further.
    if parts.iter().any(|part| part.is_too_late && part.next.is_some()) {
        parts.retain(|part| part.is_too_late);
    }
    let mut found = Vec::new();
    let mut left = vec![(0_usize, None); places.0.len()];
    for Part { partition, found: part, next, .. } in parts {
        // Until something of it is on the page, a partition goes on where it is; if it had nothing, where it got to.
        if part.is_empty()
            && let Some(place) = places.at(partition)
        {
            *place = next.map_or(Place::End, Place::Below);
        }
        left[usize::from(partition.0)] = (part.len(), next);
        found.extend(part.into_iter().map(|(seq, start, progress)| (partition, seq, start, progress)));
    }
    found.sort_by_key(|(no, seq, start, _)| (Reverse(start.accepted_at), *no, Reverse(*seq)));
    let mut listed = Vec::new();
    for (no, seq, start, progress) in found.into_iter().take(limit) {
        let (of_part, next) = &mut left[usize::from(no.0)];
        *of_part -= 1;
        if let Some(place) = places.at(no) {
            *place = match (*of_part, *next) {
                (0, None) => Place::End,
                (0, Some(next)) => Place::Below(next),
                _ => Place::Below(seq),
            };
        }
        listed.push((start, progress));
    }
    (listed, places)
}

#[cfg(test)]
mod tests {
    use remit_actors::message::Status;
    use remit_core::{
        id::{AccountId, ShardNo, TransferId},
        money::{Amount, Currency, Direction},
        protocol::Protocol,
        transfer::LegSpec,
    };

    use super::*;

    /// A transfer that begun at `seq` and was accepted at `at`.
    fn transfer(seq: u64, at: i64) -> (Seq, Start, Progress) {
        let leg = |account, direction| LegSpec {
            account: AccountId::parse(account).unwrap(),
            shard: ShardNo(0),
            direction,
            amount: Amount::new(1).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
        };
        let legs = vec![leg("a", Direction::Debit), leg("b", Direction::Credit)];
        let start = Start::new(TransferId([0; 16]), Protocol::default(), legs, None, Time(at), Time(at + 1)).unwrap();
        let progress = Progress {
            status: Status::Accepted,
            reason: None,
            legs: Vec::new(),
            accepted_at: Time(at),
            deadline_at: Time(at + 1),
            settled_at: None,
            overdue: false,
            parked: None,
        };
        (Seq(seq), start, progress)
    }

    fn part(no: u16, found: &[(u64, i64)], next: Option<u64>, until: Option<i64>) -> Part {
        let found = found.iter().map(|(seq, at)| transfer(*seq, *at)).collect();
        Part::of(PartitionNo(no), found, next.map(Seq), until.map(Time))
    }

    /// When those on the page were accepted, and the cursor of the next one.
    fn paged(parts: Vec<Part>, limit: usize) -> (Vec<i64>, Option<String>) {
        let (page, places) = page(parts, Places::of_page(None, 2).unwrap(), limit);
        (page.iter().map(|(start, _)| start.accepted_at.0).collect(), places.cursor())
    }

    #[test]
    fn the_newest_of_all_partitions_come_first_and_each_goes_on_where_it_got_to() {
        let parts = || vec![part(0, &[(9, 90), (7, 70)], Some(7), None), part(1, &[(8, 80)], None, None)];
        assert_eq!(paged(parts(), 2), (vec![90, 80], Some("9.e".to_owned())));
        assert_eq!(paged(parts(), 3), (vec![90, 80, 70], Some("7.e".to_owned())));
        assert_eq!(paged(parts(), 1), (vec![90], Some("9.n".to_owned())));
    }

    #[test]
    fn what_was_accepted_too_late_is_passed_over_and_nothing_else_is() {
        let parts = |until| vec![part(0, &[(9, 90), (7, 70)], None, until), part(1, &[(8, 80)], None, until)];
        assert_eq!(paged(parts(Some(90)), 9), (vec![80, 70], None));
        assert_eq!(paged(parts(Some(80)), 9), (vec![70], None));
        assert_eq!(paged(parts(Some(70)), 9), (vec![], None));
    }

    #[test]
    fn what_may_be_newer_is_waited_for() {
        let parts = vec![part(0, &[(9, 90), (8, 85)], Some(8), Some(80)), part(1, &[(8, 60)], None, Some(80))];
        assert_eq!(paged(parts, 9), (vec![], Some("8.n".to_owned())), "below position 8 there may be one of 70");
    }
}
