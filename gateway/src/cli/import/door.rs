//! What an import needs of a deployment: so little that a test can play it.

use std::{future::Future, time::Duration};

use remit_api::{
    Client, Error,
    account::OpenRequest,
    batch::{BatchRequest, Brief},
};

/// Takes batches and opens accounts.
pub(in crate::cli) trait Door: Sync {
    /// `transfer.submit_batch`, answered in brief.
    fn submit(&self, batch: &BatchRequest) -> impl Future<Output = Result<Vec<Result<Brief, Error>>, Error>> + Send;

    /// `account.open`.
    fn open(&self, request: &OpenRequest) -> impl Future<Output = Result<(), Error>> + Send;

    /// Lets time pass.
    fn pause(&self, ms: u64) -> impl Future<Output = ()> + Send;
}

impl Door for Client {
    async fn submit(&self, batch: &BatchRequest) -> Result<Vec<Result<Brief, Error>>, Error> {
        self.transfer_submit_batch_brief(batch).await
    }

    async fn open(&self, request: &OpenRequest) -> Result<(), Error> {
        self.account_open(request).await.map(drop)
    }

    async fn pause(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
