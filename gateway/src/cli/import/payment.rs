//! From a record to the payment that it stands for. Whatever the line alone shows to be wrong is a fault with its column.

use std::sync::Arc;

use remit_api::{Currencies, submit::SubmitRequest};
use remit_core::{
    id::{AccountId, TransferId},
    money::Currency,
    protocol::Protocol,
};

use super::{
    Error,
    record::{Fault, Record, Records, Trouble},
    reference,
    source::Source,
};

/// The columns of a file of payments.
pub(in crate::cli) const COLUMNS: &[&str] =
    &["id", "reference", "from", "to", "amount", "currency", "protocol", "memo"];
const NEEDED: &[&str] = &["id|reference", "from", "to", "amount", "currency"];

/// A line of a file of payments, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Payment {
    /// The line as it was written.
    pub(in crate::cli) record: Record,
    /// What it asks for.
    pub(in crate::cli) request: SubmitRequest,
}

/// How lines are read.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Reading<'c> {
    currencies: &'c Currencies,
    /// Of payments that name none.
    protocol: Option<Protocol>,
    /// What is added to every reference before an id is made of it.
    suffix: String,
}

impl<'c> Reading<'c> {
    /// The protocol is that of payments that name none.
    pub(in crate::cli) const fn new(currencies: &'c Currencies, protocol: Option<Protocol>) -> Self {
        Self { currencies, protocol, suffix: String::new() }
    }

    /// The same file under each protocol: with ids of its own for each, since the same id can't be two transfers.
    pub(in crate::cli) fn once_under(currencies: &'c Currencies, protocol: Protocol) -> Self {
        Self { currencies, protocol: Some(protocol), suffix: format!(" by {protocol}") }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::cli) fn read(&self, record: Record) -> Result<Payment, Fault> {
        let account =
            |column| AccountId::parse(record.need(column)?).map_err(|error| record.fault(column, error.to_string()));
        let id = self.id(&record)?;
        let (from, to) = (account("from")?, account("to")?);
        let currency = currency(&record, self.currencies)?;
        let amount = self.currencies.parse_human(record.need("amount")?, currency);
        let amount = amount.map_err(|error| record.fault("amount", error.to_string()))?;
        let protocol = record.field("protocol").map(|name| {
            let names = || Protocol::all().map(Protocol::as_str).collect::<Vec<_>>().join(", ");
            Protocol::parse(name).ok_or_else(|| record.fault("protocol", format!("`{name}` is none of {}", names())))
        });
        let protocol = protocol.transpose()?.or(self.protocol);
        let memo = record.field("memo").map(Arc::from);
        let request = SubmitRequest { protocol, memo, ..SubmitRequest::payment(id, from, to, amount, currency) };

        // The rest is what the deployment itself would check, so that no rule is written twice.
        request.clone().check(self.currencies).map_err(|error| Fault {
            line: record.line,
            column: error.field,
            message: error.message,
        })?;
        Ok(Payment { record, request })
    }

    fn id(&self, record: &Record) -> Result<TransferId, Fault> {
        match (record.field("id"), record.field("reference")) {
            (Some(id), None) => id.parse().map_err(|_| record.fault("id", format!("`{id}` is no UUID with hyphens"))),
            (None, Some(text)) => Ok(reference::id(&format!("{text}{}", self.suffix))),
            (Some(_), Some(_)) => Err(Fault::of_line(record.line, "give an `id` or a `reference`, not both")),
            (None, None) => Err(Fault::of_line(
                record.line,
                "neither an `id` nor a `reference`: to run the file again would pay again",
            )),
        }
    }
}

/// The currency of a line, which must be known.
pub(super) fn currency(record: &Record, currencies: &Currencies) -> Result<Currency, Fault> {
    let code = record.need("currency")?;
    let fault = |message: &str| record.fault("currency", message);
    let currency = Currency::parse(code).ok_or_else(|| fault("a currency's code is 3 to 8 of A-Z and 0-9"))?;
    if currencies.knows(currency) {
        return Ok(currency);
    }
    Err(fault(&format!("{code} is neither a currency of ISO 4217 nor one that this deployment declares")))
}

/// All payments of a source, in order.
///
/// # Errors
/// It can't be opened, or its header is wrong.
pub(in crate::cli) fn all<'r>(
    source: &Source<'r>,
    reading: &'r Reading<'r>,
) -> Result<impl Iterator<Item = Result<Payment, Trouble>> + Send + 'r, Error> {
    let records = Records::open(source, COLUMNS, NEEDED)?.map_err(|fault| Error::wrong(source, fault))?;
    Ok(records.map(|record| record.and_then(|record| reading.read(record).map_err(Trouble::Fault))))
}
