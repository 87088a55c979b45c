//! `--accounts`: accounts that are opened before the first payment leaves. To open one again in the same way changes
//! nothing, so this too can be run again.

use futures::{StreamExt, stream};
use indicatif::ProgressBar;
use remit_api::{Code, Currencies, Error as ApiError, account::OpenRequest};
use remit_core::{account::Kind, id::AccountId};

use super::{
    Error,
    check::Faults,
    door::Door,
    flight::pause_ms,
    payment,
    record::{Fault, Record, Records, Trouble},
    source::Source,
};

/// The columns of a file of accounts.
const COLUMNS: &[&str] = &["id", "currency", "kind", "overdraft_limit"];
const NEEDED: &[&str] = &["id", "currency"];

/// How many are opened at once: there is no batch of them, and each waits for its shard's next commit.
const AT_ONCE: usize = 256;

/// What came of opening accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Opened {
    /// How many are open as asked.
    pub(in crate::cli) opened: u64,
    /// Those that are not, and why, in the order of the file.
    pub(in crate::cli) refused: Vec<(AccountId, ApiError)>,
}

/// Reads and checks a whole file of accounts.
///
/// # Errors
/// It can't be read, or lines of it are wrong.
pub(in crate::cli) fn read(source: &Source<'_>, currencies: &Currencies) -> Result<Vec<OpenRequest>, Error> {
    let (mut accounts, mut faults) = (Vec::new(), Faults::default());
    for record in Records::open(source, COLUMNS, NEEDED)?.map_err(|fault| Error::wrong(source, fault))? {
        match record.and_then(|record| request(&record, currencies).map_err(Trouble::Fault)) {
            Ok(account) => accounts.push(account),
            Err(Trouble::Fault(fault)) => faults.add(fault),
            Err(Trouble::Io(error)) => return Err(Error::Read { name: source.name(), source: error }),
        }
    }
    if faults.is_empty() { Ok(accounts) } else { Err(Error::Wrong { name: source.name(), faults }) }
}

fn request(record: &Record, currencies: &Currencies) -> Result<OpenRequest, Fault> {
    let id = AccountId::parse(record.need("id")?).map_err(|error| record.fault("id", error.to_string()))?;
    let currency = payment::currency(record, currencies)?;
    let kind = record.field("kind").map(|word| {
        Kind::parse(word).ok_or_else(|| record.fault("kind", format!("`{word}` is neither customer nor external")))
    });
    let kind = kind.transpose()?;
    let overdraft_limit = record.field("overdraft_limit").map(|text| {
        let limit = currencies.parse_human_limit(text, currency);
        limit.map_err(|error| record.fault("overdraft_limit", error.to_string()))
    });
    let overdraft_limit = overdraft_limit.transpose()?;
    let request = OpenRequest { kind, overdraft_limit, ..OpenRequest::new(id, currency) };
    let fault = |error: ApiError| Fault { line: record.line, column: error.field, message: error.message };
    request.change(currencies).map(|_| ()).map_err(fault)?;
    Ok(request)
}

/// Opens them, many at once.
pub(in crate::cli) async fn open_all<D: Door>(
    door: &D,
    accounts: Vec<OpenRequest>,
    tries: u32,
    bar: ProgressBar,
) -> Opened {
    bar.set_length(accounts.len() as u64);
    let open = |request: OpenRequest| async move { (open(door, &request, tries).await, request.id) };
    let mut answers = stream::iter(accounts).map(open).buffered(AT_ONCE);
    let mut opened = Opened::default();
    while let Some((answer, id)) = answers.next().await {
        bar.inc(1);
        match answer {
            Ok(()) => opened.opened += 1,
            Err(error) => opened.refused.push((id, error)),
        }
    }
    bar.finish_and_clear();
    opened
}

async fn open<D: Door>(door: &D, request: &OpenRequest, tries: u32) -> Result<(), ApiError> {
    let mut in_vain = 0;
    loop {
        let error = match door.open(request).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        in_vain += 1;
        if !matches!(error.code, Code::Overloaded | Code::Unavailable) || in_vain >= tries {
            return Err(error);
        }
        door.pause(pause_ms(in_vain).max(error.retry_after_ms.unwrap_or(0))).await;
    }
}
