//! `remit transfer submit`: makes the id, sends, waits for the end; and whatever happens, tells under which id.

use clap::Args;
use remit_api::{
    Code,
    submit::{DEADLINE_MS_MAX, DEADLINE_MS_MIN, LegRequest, SubmitRequest, Until, WAIT_MS_MAX},
    transfer::{Status, Transfer},
};
use remit_core::{
    id::{AccountId, TransferId},
    money::Currency,
    protocol::Protocol,
};
use uuid::Uuid;

use super::legs::WrittenLeg;
use crate::cli::{
    error::Error,
    exit::Exit,
    session::{Desk, Session},
    words,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  remit transfer submit --from alice --to bob --amount 10.50 --currency EUR --memo rent
  remit transfer submit --currency EUR --legs debit:alice=10.50 credit:bob=4 credit:s2:carol=6.50
  remit transfer submit --legs debit:a=10:EUR credit:bank=10:EUR debit:bank=11:USD credit:b=11:USD

The id makes it safe to repeat: the same id moves money once, however often it is sent. Without --id a new one is made, and \
printed; after an answer that never came, send the same with that --id.

The exit status is 0 if the money moved, 1 if it did not and will not, 3 if that is not known yet.")]
pub(in crate::cli) struct Submit {
    /// The account that pays
    #[arg(long, value_name = "ACCOUNT", value_parser = words::account, required_unless_present = "legs")]
    from: Option<AccountId>,
    /// The account that is paid
    #[arg(long, value_name = "ACCOUNT", value_parser = words::account, required_unless_present = "legs")]
    to: Option<AccountId>,
    /// How much, such as 10.50
    #[arg(long, required_unless_present = "legs", allow_negative_numbers = true)]
    amount: Option<String>,
    /// Of what, such as EUR
    #[arg(long, value_parser = words::currency, required_unless_present = "legs")]
    currency: Option<Currency>,
    /// For more than two sides: debit:ACCOUNT=AMOUNT and credit:ACCOUNT=AMOUNT, 2 to 32 of them
    #[arg(long, value_name = "LEG", num_args = 1.., conflicts_with_all = ["from", "to", "amount"])]
    legs: Vec<WrittenLeg>,
    /// How it is made all-or-nothing [default: saga]
    #[arg(long, value_parser = words::protocol())]
    protocol: Option<Protocol>,
    /// A text for statements, up to 140 characters
    #[arg(long, value_name = "TEXT")]
    memo: Option<String>,
    /// Its id [default: a new one]
    #[arg(long, value_name = "UUID")]
    id: Option<TransferId>,
    /// Do not wait for the end, only until it is recorded
    #[arg(long)]
    no_wait: bool,
    /// For how long to wait for the end: 0 to 60000 [default: 5000]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=WAIT_MS_MAX))]
    wait_ms: Option<u64>,
    /// When to give up what has not settled: 100 to 86400000 [default: 30000]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(DEADLINE_MS_MIN..=DEADLINE_MS_MAX))]
    deadline_ms: Option<u64>,
}

pub(super) async fn run(submit: Submit, session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let no_wait = submit.no_wait;
    let request = submit.request(&desk).await?;
    let client = desk.client().await?;
    let answer = tokio::select! {
        answer = client.transfer_submit(&request) => answer,
        _ = tokio::signal::ctrl_c() => Err(remit_api::Error::unavailable("interrupted before the answer came.")),
    };
    let transfer = answer.map_err(|error| in_doubt(error, request.id))?;
    super::show(&transfer, session, &desk).await?;
    if let Some(remark) = remark(&transfer, no_wait) {
        session.output().note(&remark);
    }
    Ok(exit(transfer.status, no_wait))
}

/// Without waiting, to be recorded is all that was asked for.
fn exit(status: Status, no_wait: bool) -> Exit {
    match status {
        Status::Accepted | Status::InProgress if no_wait => Exit::CameTrue,
        status => Exit::of(status),
    }
}

/// What to do about a transfer that has not ended.
fn remark(transfer: &Transfer, no_wait: bool) -> Option<String> {
    let ask = format!("`remit transfer get {}`", transfer.id);
    match transfer.status {
        Status::Parked => Some(format!("It is parked: it needs an operator. {ask} shows it.")),
        Status::Accepted | Status::InProgress if !no_wait => Some(format!("It has not ended yet. Ask again: {ask}")),
        _ => None,
    }
}

/// What was not answered may be recorded or not; with its id that can be found out.
fn in_doubt(error: remit_api::Error, id: TransferId) -> Error {
    if error.code != Code::Unavailable {
        return Error::Answer(error);
    }
    let advice = format!(
        "its id is {id}\n`remit transfer get {id}` asks what became of it; the same command with `--id {id}` moves money \
         once, however often it is sent"
    );
    Error::InDoubt { error, advice }
}

impl Submit {
    /// The body to send.
    async fn request(self, desk: &Desk<'_>) -> Result<SubmitRequest, Error> {
        let id = self.id.unwrap_or_else(|| TransferId(Uuid::now_v7().into_bytes()));
        let currency = self.currency;
        let request = match (self.from, self.to, self.amount, currency) {
            (Some(from), Some(to), Some(amount), Some(currency)) => {
                SubmitRequest::payment(id, from, to, desk.amount(&amount, currency).await?, currency)
            }
            _ => SubmitRequest { currency, ..SubmitRequest::of_legs(id, legs(self.legs, currency, desk).await?) },
        };
        let until = if self.no_wait { Until::Accepted } else { Until::Settled };
        let request = SubmitRequest {
            protocol: self.protocol,
            wait: Some(until),
            wait_ms: self.wait_ms,
            deadline_ms: self.deadline_ms,
            memo: self.memo.map(Into::into),
            ..request
        };
        // What the words alone show to be wrong is wrong usage, and nothing is asked.
        let used: Vec<_> = request.legs.iter().flatten().filter_map(|leg| leg.currency).chain(currency).collect();
        let checked = request.clone().check(&desk.currencies(used).await?);
        checked.map_err(|error| Error::Usage(error.message))?;
        Ok(request)
    }
}

async fn legs(written: Vec<WrittenLeg>, common: Option<Currency>, desk: &Desk<'_>) -> Result<Vec<LegRequest>, Error> {
    let mut legs = Vec::with_capacity(written.len());
    for WrittenLeg { direction, account, amount, currency } in written {
        let known = currency.or(common).ok_or_else(|| {
            Error::Usage(format!("the leg of {account} has no currency: add --currency, or write it as {amount}:EUR"))
        })?;
        let amount = desk.amount(&amount, known).await?;
        legs.push(LegRequest { account, direction, amount, currency });
    }
    Ok(legs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_yes_or_a_no_and_the_rest_is_not_known() {
        let table = [
            (Status::Completed, false, Exit::CameTrue),
            (Status::Rejected, false, Exit::Refused),
            (Status::Compensated, true, Exit::Refused),
            (Status::Accepted, false, Exit::NotKnown),
            (Status::Accepted, true, Exit::CameTrue),
            (Status::InProgress, true, Exit::CameTrue),
            (Status::Parked, true, Exit::NotKnown),
        ];
        for (status, no_wait, expected) in table {
            assert_eq!(exit(status, no_wait), expected, "{status:?} {no_wait}");
        }
    }

    #[test]
    fn an_answer_that_never_came_tells_the_id() {
        let id: TransferId = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b".parse().unwrap();
        let error = in_doubt(remit_api::Error::unavailable("no answer"), id);
        assert!(error.advice().unwrap().contains(&id.to_string()));
        assert_eq!(error.exit(), Exit::NotKnown);
        assert_eq!(in_doubt(remit_api::Error::overloaded("no room", 5), id).advice(), None);
    }
}
