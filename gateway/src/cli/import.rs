//! `remit import`: a file of payments, submitted in batches.
//!
//! The file is read twice. The first time every line is checked, and if one is wrong nothing is sent at all; the second time
//! payments are made of its lines and flown in batches, several at a time. Each payment's id comes from the file, as an id or
//! as a reference of the user's own ([`reference`]), so whatever happens on the way, the same file can be run again and
//! moves nothing twice.
//!
//! [`source`], [`record`] → [`payment`], [`check`] → [`flight`] (one batch, decided purely), [`fleet`] (several, over a
//! [`door::Door`]) → [`summary`], [`refused`]; and [`accounts`] for `--accounts`.

pub(super) mod accounts;
pub(super) mod check;
pub(super) mod door;
pub(super) mod fleet;
pub(super) mod flight;
pub(super) mod payment;
pub(super) mod progress;
pub(super) mod record;
pub(super) mod reference;
mod refused;
pub(super) mod source;
pub(super) mod summary;

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use remit_core::protocol::Protocol;

use self::{
    check::{Check, Faults},
    fleet::{Fleet, Landed},
    payment::Reading,
    record::Trouble,
    refused::RefusedFile,
    source::Source,
    summary::Summary,
};
use super::{error::Error as CliError, exit::Exit, session::Session, words};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
FILE is a CSV file with a header, or JSON lines, with these columns:
  id | reference  a UUID; or a text of your own that no other payment ever has, such as 2026-11/alice
  from, to        accounts
  amount          as people write it, such as 10.50; in JSON as a text
  currency        such as EUR
  protocol        saga, 2pc or events; may be left out
  memo            up to 140 characters; may be left out

Every line is checked before anything is sent. Payments are made side by side, in no order: a payment that needs the money of \
an earlier one belongs into a second file, or add --batch 1 --in-flight 1.

Money is moved once for each id or reference, however often the file is run. Payments that were refused are written to \
FILE.refused.csv with what was said of them. A payment that was once rejected stays so: give it a new reference to try again.

Examples:
  remit import payroll.csv
  remit import payroll.csv --accounts employees.csv --protocol 2pc

The exit status is 0 if all was paid, 1 if some was refused, 2 if the file is wrong, 3 if some is not known: run it again.")]
pub(super) struct Args {
    /// The payments: CSV with a header, or JSON lines
    file: PathBuf,
    /// Accounts to open first, with columns id, currency, kind, overdraft_limit
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// The protocol of payments that name none [default: saga]
    #[arg(long, value_parser = words::protocol())]
    protocol: Option<Protocol>,
    /// Where to write what was refused [default: FILE.refused.csv]
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    fleet: Fleet,
}

/// Why a file was not imported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It can't be opened or read on.
    #[error("{name} can't be read")]
    Read {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Lines of it are wrong.
    #[error("{name} is wrong; nothing was sent:\n{faults}")]
    Wrong {
        /// The file.
        name: String,
        /// What is wrong with it.
        faults: Faults,
    },
    /// It is no longer what it was when it was checked.
    #[error("{name} has changed while it was imported; run it again")]
    Changed {
        /// The file.
        name: String,
    },
}

impl Error {
    /// Whether it is the user's to mend.
    pub(super) const fn is_usage(&self) -> bool {
        matches!(self, Self::Wrong { .. } | Self::Read { .. })
    }
}

pub(super) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let refused_path = args.refused.clone().unwrap_or_else(|| refused_beside(&args.file));
    if is_same_file(&refused_path, &args.file) {
        return Err(CliError::Usage("--refused names the file of payments itself".to_owned()));
    }
    let output = session.output();
    let desk = session.desk();
    let client = desk.client().await?;
    let currencies = desk.all_currencies().await?;
    let payments = Source::File(&args.file);
    let reading = Reading::new(&currencies, args.protocol);
    let expected = Check::payments(&payments, &reading)?;
    let accounts = match &args.accounts {
        Some(path) => accounts::read(&Source::File(path), &currencies)?,
        None => Vec::new(),
    };

    let opened = accounts::open_all(client, accounts, args.fleet.tries, progress::bar("accounts")).await;
    let mut refused = RefusedFile::create(&refused_path)?;
    let mut summary = Summary::new(opened);
    let (bar, began) = (progress::bar("payments"), Instant::now());
    bar.set_length(expected);

    let mut ended_early = None;
    let name = payments.name();
    let lines = payment::all(&payments, &reading)?;
    let lines = lines.map_while(|payment| match payment {
        Ok(payment) => Some(payment),
        Err(trouble) => {
            ended_early = Some(trouble);
            None
        }
    });
    args.fleet
        .fly(client, lines, |Landed { payments, ends, .. }| {
            for (payment, end) in payments.iter().zip(&ends) {
                summary.count(end);
                refused.add(payment, end)?;
            }
            bar.inc(payments.len() as u64);
            Ok::<_, CliError>(())
        })
        .await?;
    bar.finish_and_clear();
    summary.took(began.elapsed());
    summary.refused_file = refused.finish()?;
    if output.is_json() {
        output.json(&summary)?
    } else {
        output.text(&summary.text())?
    }
    match ended_early {
        None => Ok(summary.exit()),
        Some(Trouble::Io(source)) => Err(Error::Read { name, source }.into()),
        // What was checked once is right.
        Some(Trouble::Fault(_)) => Err(Error::Changed { name }.into()),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn refused_beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".refused.csv");
    name.into()
}
