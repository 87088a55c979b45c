//! A statement as an export: text for programs, made page by page. Pure.

use remit_api::{
    Currencies,
    account::{Posting, Statement},
    time,
};
use remit_core::{
    id::{AccountId, Time},
    money::Currency,
};

use crate::cli::error::Error;

/// The columns of the CSV form.
const COLUMNS: [&str; 11] = [
    "account",
    "seq",
    "at",
    "transfer",
    "direction",
    "currency",
    "amount_minor",
    "amount",
    "balance_minor",
    "balance",
    "memo",
];

/// What an export looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Comma-separated values under a header.
    Csv,
    /// One body as in the contract, a posting a line.
    Json,
}

/// An export on its way.
pub(super) struct Export {
    form: Form,
    /// Whose statement it is, and as of when; known with the first page.
    begun: Option<(AccountId, Option<Time>)>,
    postings: u64,
}

impl Export {
    pub(super) const fn new(form: Form) -> Self {
        Self { form, begun: None, postings: 0 }
    }

    /// What a page adds. The money that is written must be known as soon as there are postings; the CSV form has it in other
    /// units as well.
    pub(super) fn page(&mut self, page: &Statement, money: Option<(Currency, &Currencies)>) -> Result<Vec<u8>, Error> {
        let is_first = self.begun.is_none();
        // All that was on disk when the first page was read is in the whole, and the later pages are of older rows.
        self.begun.get_or_insert_with(|| (page.account.clone(), page.as_of));
        match self.form {
            Form::Csv => csv_page(page, money, is_first),
            Form::Json => self.json_page(page, is_first),
        }
    }

    /// What comes after the last page.
    pub(super) fn end(self) -> Result<Vec<u8>, Error> {
        match (self.form, self.begun) {
            (Form::Json, Some((_, as_of))) => {
                let as_of = json(&as_of.map(time::format))?;
                Ok(format!("\n],\"cursor\":null,\"as_of\":{as_of}}}\n").into_bytes())
            }
            (Form::Json, None) | (Form::Csv, _) => Ok(Vec::new()),
        }
    }

    fn json_page(&mut self, page: &Statement, is_first: bool) -> Result<Vec<u8>, Error> {
        let mut text = String::new();
        if is_first {
            text.push_str(&format!("{{\"account\":{},\"postings\":[", json(&page.account)?));
        }
        for posting in &page.postings {
            text.push_str(if self.postings == 0 { "\n" } else { ",\n" });
            text.push_str(&json(posting)?);
            self.postings += 1;
        }
        Ok(text.into_bytes())
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Output(error.into()))
}

fn csv_page(page: &Statement, money: Option<(Currency, &Currencies)>, is_first: bool) -> Result<Vec<u8>, Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let trouble = |error: csv::Error| Error::Output(error.into());
    if is_first {
        csv.write_record(COLUMNS).map_err(trouble)?;
    }
    if let Some((currency, currencies)) = money {
        for posting in &page.postings {
            csv.write_record(row(&page.account, posting, currency, currencies)).map_err(trouble)?;
        }
    }
    csv.into_inner().map_err(|error| Error::Output(error.into_error()))
}

fn row(account: &AccountId, posting: &Posting, currency: Currency, currencies: &Currencies) -> [String; COLUMNS.len()] {
    let (amount, balance) = (posting.amount.get(), posting.balance);
    [
        account.to_string(),
        posting.seq.0.to_string(),
        time::format(posting.at),
        posting.transfer.to_string(),
        posting.direction.as_str().to_owned(),
        currency.to_string(),
        amount.to_string(),
        currencies.format(amount.into(), currency),
        balance.to_string(),
        currencies.format(balance.into(), currency),
        posting.memo.as_deref().unwrap_or_default().to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [&str; 2] = [
        r#"{"account":"s2:alice","cursor":"3","as_of":"2026-11-22T22:51:00.000Z","postings":[
            {"seq":9,"at":"2026-11-22T22:50:00.000Z","transfer":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","direction":"debit",
             "amount":1050,"balance":-5,"memo":"rent, \"March\"\nand April"},
            {"seq":7,"at":"2026-11-22T22:49:00.000Z","transfer":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d","direction":"debit",
             "amount":1,"balance":1045,"memo":null}]}"#,
        r#"{"account":"s2:alice","cursor":null,"as_of":"2026-11-22T22:52:00.000Z","postings":[
            {"seq":3,"at":"2026-11-21T08:00:00.000Z","transfer":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c","direction":"credit",
             "amount":"9223372036854775807","balance":"9223372036854775807","memo":" caf\u00e9 "}]}"#,
    ];

    fn exported(form: Form, pages: &[&str]) -> String {
        let (currency, currencies) = (Currency::parse("EUR").unwrap(), Currencies::iso());
        let mut export = Export::new(form);
        let mut text = Vec::new();
        for page in pages {
            let page: Statement = serde_json::from_str(page).unwrap();
            text.extend(export.page(&page, Some((currency, &currencies))).unwrap());
        }
        text.extend(export.end().unwrap());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn as_csv_amounts_stand_in_minor_units_and_as_people_write_them() {
        let expected = "\
account,seq,at,transfer,direction,currency,amount_minor,amount,balance_minor,balance,memo
s2:alice,9,2026-11-22T22:50:00.000Z,0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b,debit,EUR,1050,10.50,-5,-0.05,\"rent, \"\"March\"\"
and April\"
s2:alice,7,2026-11-22T22:49:00.000Z,0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d,debit,EUR,1,0.01,1045,10.45,
s2:alice,3,2026-11-21T08:00:00.000Z,0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c,credit,EUR,9223372036854775807,\
92233720368547758.07,9223372036854775807,92233720368547758.07, caf\u{e9}\u{20}
";
        assert_eq!(exported(Form::Csv, &PAGES), expected);
    }

    #[test]
    fn as_json_it_is_one_body_of_the_contract_with_all_postings() {
        let text = exported(Form::Json, &PAGES);
        let whole: Statement = serde_json::from_str(&text).unwrap();
        let mut expected: Statement = serde_json::from_str(PAGES[0]).unwrap();
        let last: Statement = serde_json::from_str(PAGES[1]).unwrap();
        expected.postings.extend(last.postings);
        expected.cursor = None;
        assert_eq!(whole, expected, "as of when its first page was read");
        assert_eq!(text.lines().count(), 5, "{text}");
    }

    #[test]
    fn of_nothing_there_is_a_header_and_a_body() {
        let empty = r#"{"account":"bob","postings":[],"cursor":null,"as_of":null}"#;
        assert_eq!(exported(Form::Csv, &[empty]), format!("{}\n", COLUMNS.join(",")));
        let whole: Statement = serde_json::from_str(&exported(Form::Json, &[empty])).unwrap();
        assert_eq!(whole, serde_json::from_str(empty).unwrap());
    }
}
