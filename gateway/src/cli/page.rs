//! Which part of a long list, and how new it must be.

use remit_api::fresh;
use remit_core::id::TransferId;

/// Which part of a long list.
#[derive(Debug, clap::Args)]
pub(super) struct Page {
    /// How many rows at most: 1 to 1000 [default: 100]
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..=remit_api::page::LIMIT_MAX))]
    pub(super) limit: Option<u64>,
    /// Go on where the page before ended
    #[arg(long)]
    pub(super) cursor: Option<String>,
}

/// How new an answer of the projection must be.
#[derive(Debug, clap::Args)]
pub(super) struct Fresh {
    /// At least as new as this transfer, a UUID, which you have seen settled
    #[arg(long, value_name = "ID")]
    pub(super) at_least: Option<TransferId>,
    /// For how long to wait for that: 0 to 60000 [default: 2000]
    #[arg(
        long,
        value_name = "MS",
        requires = "at_least",
        value_parser = clap::value_parser!(u64).range(..=fresh::WAIT_MS_MAX)
    )]
    pub(super) wait_ms: Option<u64>,
}
