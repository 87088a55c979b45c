//! Lists of transfers: from the read model, and from the managers where there is none yet.

mod scanning;

use remit_actors::message::{Find, Found, Listed, Query, Reading};
use remit_api::{Error, transfer};

use self::scanning::Scan;
use super::{
    Door,
    places::Places,
    reading::{does_not_fit, is_being_built, no_projection},
    transfers::status_of,
};

impl Door {
    /// The newest transfers of all partitions. The cursor says, for each partition, below which position to go on.
    pub(super) async fn transfers(&self, request: transfer::ListRequest) -> Result<transfer::List, Error> {
        let (memo, fresh) = (request.words()?, request.fresh()?);
        let places = Places::of_page(request.cursor.as_deref(), self.genesis.managers)?;
        let limit = request.rows();
        let find = Find {
            status: request.status.map(status_of),
            account: request.account,
            overdue: request.overdue,
            since: request.since,
            until: request.until,
            memo,
            below: places.below(),
            limit: u32::try_from(limit).unwrap_or(1),
        };
        if !self.has_projection {
            // The managers have all there is; so all there is to see to is that they have heard of it.
            if let Some(fresh) = fresh {
                self.start_of(fresh.transfer).await?;
            }
            return self.scan(Scan { find, places, limit }, no_projection).await;
        }
        let Reading { as_of, found } = self.read(Query::Transfers(find.clone()), fresh).await?;
        match found {
            Found::Transfers(listed, below) if below.len() == find.below.len() => {
                let transfer = |Listed { start, progress, .. }| self.transfer_of_start(&start, &progress);
                let transfers = listed.into_iter().map(transfer).collect();
                Ok(transfer::List { transfers, cursor: Places::from_below(&below).cursor(), as_of })
            }
            Found::Building(rows, of) => self.scan(Scan { find, places, limit }, || is_being_built(rows, of)).await,
            other => Err(does_not_fit(&other)),
        }
    }
}
