//! How the projection is, and building it anew.

use remit_actors::{
    durable::system_clock,
    message::{Address, Found, Query, Reading, Source, Standings},
};
use remit_api::{
    Error,
    projection::{self, Projection, Rebuild, State},
};
use remit_core::id::Time;

use super::{Door, reading::does_not_fit};

impl Door {
    /// How far it is.
    pub(super) async fn projection_status(&self) -> Result<Projection, Error> {
        self.standings(Query::Standings).await
    }

    /// Has it built anew, beside the present one, and says how far it is; to ask for it twice is harmless.
    pub(super) async fn rebuild_projection(&self) -> Result<Projection, Error> {
        self.standings(Query::Rebuild).await
    }

    async fn standings(&self, query: Query) -> Result<Projection, Error> {
        let Reading { as_of, found } = self.read(query, None).await?;
        let name = |address| self.name_of(address);
        match found {
            Found::Standings(standings) => Ok(projection_of(standings, as_of, system_clock(), &name)),
            Found::Building(rows, of) => Ok(begun(&name, of.saturating_sub(rows))),
            other => Err(does_not_fit(&other)),
        }
    }
}

/// What an actor is called.
type Names<'a> = &'a dyn Fn(Address) -> String;

/// Before there is more to say than how many rows are missing.
fn begun(name: Names<'_>, behind_rows: u64) -> Projection {
    Projection {
        id: name(Address::Projector),
        state: State::Building,
        as_of: None,
        lag_ms: None,
        behind_rows,
        transfers: 0,
        bytes: 0,
        rebuilt: 0,
        sources: Vec::new(),
        rebuild: None,
    }
}

fn projection_of(standings: Standings, as_of: Time, now: Time, name: Names<'_>) -> Projection {
    let Standings { is_built, sources, rebuild, rebuilt, bytes, transfers } = standings;
    let state = match &rebuild {
        _ if !is_built => State::Building,
        Some(_) => State::Rebuilding,
        None => State::Ready,
    };
    let lag = now.0.saturating_sub(as_of.0);
    Projection {
        state,
        as_of: is_built.then_some(as_of),
        // Clocks may differ, but nothing is newer than new.
        lag_ms: is_built.then(|| u64::try_from(lag).unwrap_or(0)),
        transfers,
        bytes,
        rebuilt,
        sources: sources.iter().map(|source| source_of(source, name)).collect(),
        rebuild: rebuild.map(|sources| Rebuild {
            behind_rows: sources.iter().map(behind).sum(),
            rows: sources.iter().map(|source| source.seq.0).sum(),
        }),
        ..begun(name, sources.iter().map(behind).sum())
    }
}

fn source_of(source: &Source, name: Names<'_>) -> projection::Source {
    projection::Source {
        id: name(source.source),
        seq: source.seq,
        head: source.head,
        behind: behind(source),
        at: source.at,
    }
}

/// Rows of a journal that are not in it yet.
fn behind(source: &Source) -> u64 {
    source.head.0.saturating_sub(source.seq.0)
}

#[cfg(test)]
mod tests {
    use remit_core::id::{PartitionNo, Seq, ShardNo};

    use super::*;

    fn source(source: Address, seq: u64, head: u64) -> Source {
        Source { source, seq: Seq(seq), at: (seq > 0).then_some(Time(1_000)), head: Seq(head), complete: Time(2_000) }
    }

    fn standings() -> Standings {
        let sources = vec![
            source(Address::Shard(ShardNo(0)), 12, 15),
            // A journal's row may come before the word that it is there.
            source(Address::Shard(ShardNo(1)), 5, 4),
            source(Address::Manager(PartitionNo(0)), 0, 7),
        ];
        Standings { is_built: true, sources, rebuild: None, rebuilt: 2, bytes: 4_096, transfers: 9 }
    }

    fn told(standings: Standings, now: Time) -> Projection {
        let name = |address| match address {
            Address::Shard(ShardNo(no)) => format!("s{no}"),
            Address::Manager(PartitionNo(no)) => format!("m{no}"),
            other => format!("{other:?}"),
        };
        projection_of(standings, Time(2_000), now, &name)
    }

    #[test]
    fn lag_is_how_long_ago_all_that_was_on_disk_is_in_it() {
        let ready = told(standings(), Time(2_012));
        assert_eq!((ready.state, ready.as_of, ready.lag_ms), (State::Ready, Some(Time(2_000)), Some(12)));
        assert_eq!((ready.behind_rows, ready.transfers, ready.bytes, ready.rebuilt), (10, 9, 4_096, 2));
        let sources: Vec<_> = ready.sources.iter().map(|source| (&*source.id, source.behind, source.at)).collect();
        assert_eq!(sources, [("s0", 3, Some(Time(1_000))), ("s1", 0, Some(Time(1_000))), ("m0", 7, None)]);
        assert_eq!(told(standings(), Time(1_000)).lag_ms, Some(0), "the clock that asks is behind");
    }

    #[test]
    fn while_it_is_rebuilt_the_present_one_is_read() {
        let rebuild = Some(vec![source(Address::Shard(ShardNo(0)), 5, 15)]);
        let rebuilding = told(Standings { rebuild, ..standings() }, Time(2_012));
        assert_eq!((rebuilding.state, rebuilding.lag_ms), (State::Rebuilding, Some(12)));
        assert_eq!(rebuilding.rebuild, Some(Rebuild { behind_rows: 10, rows: 5 }));
    }

    #[test]
    fn what_is_built_for_the_first_time_is_as_of_no_moment() {
        let building = told(Standings { is_built: false, ..standings() }, Time(2_012));
        assert_eq!((building.state, building.as_of, building.lag_ms), (State::Building, None, None));
        assert_eq!((building.behind_rows, building.sources.len()), (10, 3));
    }
}
