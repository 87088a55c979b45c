//! What the demo pays: a November's payroll, compiled in, with mistakes in it as there always are.
//!
//! `config/demo/accounts.csv` has eight employers, their employees, the tax office, the health fund, and the world outside;
//! `config/demo/payroll.csv` has three payments for each employee, and among them some
//!
//! - from an employer without money, and from payers that do not exist: refused before anything moves;
//! - to accounts that do not exist, are closed, frozen, or in another currency: by then the payer's money is on its way, and
//!   a saga has to put it back.

use std::collections::BTreeMap;

use remit_api::{Currencies, account::OpenRequest, submit::SubmitRequest};
use remit_core::{
    account::Kind,
    id::AccountId,
    money::{Amount, Currency},
    protocol::Protocol,
};

use crate::cli::import::{
    Error, accounts,
    payment::{self, Payment, Reading},
    record::Trouble,
    reference,
    source::Source,
};

const ACCOUNTS: Source<'static> =
    Source::Text("config/demo/accounts.csv", include_str!("../../../../config/demo/accounts.csv"));
const PAYMENTS: Source<'static> =
    Source::Text("config/demo/payroll.csv", include_str!("../../../../config/demo/payroll.csv"));

/// The employer that gets a little money and owes more.
const BANKRUPT: &str = "bankrupt";
/// What it gets, in minor units: less than any salary.
const BANKRUPT_HAS: i64 = 10_000;
/// How the accounts of those begin who have left, and whose accounts are seized.
const FORMER: &str = "former-";
const FROZEN: &str = "frozen-";

/// All accounts.
pub(super) fn accounts(currencies: &Currencies) -> Result<Vec<OpenRequest>, Error> {
    accounts::read(&ACCOUNTS, currencies)
}

/// Those of the accounts that are closed before anything is paid, and those that are frozen.
pub(super) fn closed_and_frozen(accounts: &[OpenRequest]) -> (Vec<AccountId>, Vec<AccountId>) {
    let beginning = |start: &str| {
        let ids = accounts.iter().map(|account| &account.id);
        ids.filter(|id| id.as_str().starts_with(start)).cloned().collect()
    };
    (beginning(FORMER), beginning(FROZEN))
}

/// All payments, to be made under this protocol.
pub(super) fn payments(currencies: &Currencies, protocol: Protocol) -> Result<Vec<Payment>, Error> {
    let reading = Reading::once_under(currencies, protocol);
    let payments = payment::all(&PAYMENTS, &reading)?;
    let payments = payments.collect::<Result<Vec<_>, _>>();
    payments.map_err(|trouble| match trouble {
        Trouble::Fault(fault) => Error::wrong(&PAYMENTS, fault),
        Trouble::Io(source) => Error::Read { name: PAYMENTS.name(), source },
    })
}

/// Deposits from the world outside: to each payer what it pays, so many times over.
pub(super) fn deposits(accounts: &[OpenRequest], payments: &[Payment], times: i64) -> Vec<SubmitRequest> {
    let world = |currency: Currency| {
        let is_it = |account: &&OpenRequest| account.kind == Some(Kind::External) && account.currency == currency;
        accounts.iter().find(is_it).map(|account| account.id.clone())
    };
    let mut needed: BTreeMap<(&AccountId, Currency), i64> = BTreeMap::new();
    for SubmitRequest { from, amount, currency, .. } in payments.iter().map(|payment| &payment.request) {
        if let (Some(from), Some(amount), Some(currency)) = (from, amount, currency) {
            *needed.entry((from, *currency)).or_default() += amount.get();
        }
    }
    let has_account = |id: &AccountId| accounts.iter().any(|account| account.id == *id);
    let payers = needed.into_iter().filter(|((payer, _), _)| has_account(payer));
    let deposit = |((payer, currency), once): ((&AccountId, Currency), i64)| {
        let units = if payer.as_str() == BANKRUPT { BANKRUPT_HAS } else { once * times };
        let id = reference::id(&format!("deposit/{payer}/{currency}"));
        Some(SubmitRequest::payment(id, world(currency)?, payer.clone(), Amount::new(units)?, currency))
    };
    payers.filter_map(deposit).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_files_are_right_and_have_each_kind_of_mistake() {
        let currencies = Currencies::iso();
        let accounts = accounts(&currencies).unwrap();
        let (closed, frozen) = closed_and_frozen(&accounts);
        let payments = payments(&currencies, Protocol::default()).unwrap();
        let open: BTreeMap<_, _> = accounts.iter().map(|account| (&account.id, account.currency)).collect();
        assert_eq!(open.len(), accounts.len(), "each account once");
        assert_eq!(payments.iter().map(|payment| payment.request.id).collect::<BTreeSet<_>>().len(), payments.len());

        let mut mistakes: BTreeMap<&str, usize> = BTreeMap::new();
        for SubmitRequest { from, to, currency, .. } in payments.iter().map(|payment| &payment.request) {
            let (from, to) = (from.as_ref().unwrap(), to.as_ref().unwrap());
            let mistake = match (open.get(from), open.get(to)) {
                (None, _) => "no payer",
                _ if from.as_str() == BANKRUPT => "no funds",
                (_, None) => "no payee",
                (_, theirs) if theirs != currency.as_ref() => "other currency",
                _ if closed.contains(to) => "closed",
                _ if frozen.contains(to) => "frozen",
                _ => "none",
            };
            *mistakes.entry(mistake).or_default() += 1;
        }
        let expected = [
            ("closed", 30),
            ("frozen", 30),
            ("no funds", 30),
            ("no payee", 20),
            ("no payer", 20),
            ("none", 3_600),
            ("other currency", 30),
        ];
        assert_eq!(mistakes, expected.into());
    }

    #[test]
    fn the_same_payment_has_another_id_under_another_protocol() {
        let currencies = Currencies::iso();
        let ids = Protocol::all().flat_map(|protocol| payments(&currencies, protocol).unwrap());
        let ids: Vec<_> = ids.map(|payment| payment.request.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn every_payer_but_one_can_pay_all_it_owes() {
        let currencies = Currencies::iso();
        let accounts = accounts(&currencies).unwrap();
        let payments = payments(&currencies, Protocol::default()).unwrap();
        let deposits = deposits(&accounts, &payments, 3);
        assert_eq!(deposits.len(), 9, "eight employers, and the one without money");
        for deposit in deposits {
            let payer = deposit.to.unwrap();
            let of_payer = payments.iter().filter(|payment| payment.request.from.as_ref() == Some(&payer));
            let owed: i64 = of_payer.filter_map(|payment| payment.request.amount).map(Amount::get).sum();
            let enough = deposit.amount.unwrap().get() >= 3 * owed;
            assert_eq!(enough, payer.as_str() != BANKRUPT, "{payer}");
        }
    }
}
