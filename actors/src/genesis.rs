//! A deployment's fixed facts, made once by an explicit act (R16). Every database begins with them.

use std::fmt;

use remit_core::{
    id::{AccountId, PartitionNo, ShardNo, TransferId},
    money::Currency,
};

/// The facts. Written as the first row of every database, and compared with it whenever one is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The deployment's name: the first token of every subject.
    pub deployment: String,
    /// Drawn when it was created, so that another deployment of the same name is told apart.
    pub id: [u8; 16],
    /// The names of its shards; their number never changes.
    pub shards: Vec<String>,
    /// The number of its manager partitions: 1 to 256.
    pub managers: u16,
    /// The currencies that it declares beside ISO 4217, with their decimals.
    pub currencies: Vec<(Currency, u8)>,
    /// Whether each commit is on its journal's ledger stream before it is on a disk, so that journals can move between nodes.
    pub replicated: bool,
}

/// How unprefixed account names are placed; a fact of every deployment.
pub const PLACEMENT: &str = "fnv1a64-folded";
/// The word for commits that are on a stream first. Where it is missing, they are on one disk alone.
const REPLICATED: &str = "replicated";

impl Genesis {
    /// The shard that an account lives in; `None` if its id names one that does not exist.
    #[must_use]
    pub fn shard_of(&self, account: &AccountId) -> Option<ShardNo> {
        match account.shard_name() {
            Some(name) => {
                let at = self.shards.iter().position(|shard| shard == name)?;
                u16::try_from(at).ok().map(ShardNo)
            }
            None => Some(account.hashed_shard(self.shard_count())),
        }
    }

    /// How many shards there are.
    #[must_use]
    pub fn shard_count(&self) -> u16 {
        u16::try_from(self.shards.len()).expect("settings allow at most 1,024 shards")
    }

    /// The partition that keeps a transfer.
    #[must_use]
    pub fn partition_of(&self, transfer: &TransferId) -> PartitionNo {
        transfer.partition(self.managers)
    }

    /// All shards.
    pub fn shard_numbers(&self) -> impl Iterator<Item = ShardNo> + use<> {
        (0..self.shard_count()).map(ShardNo)
    }

    /// All partitions.
    pub fn partition_numbers(&self) -> impl Iterator<Item = PartitionNo> + use<> {
        (0..self.managers).map(PartitionNo)
    }

    /// Reads what [`fmt::Display`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.split(' ')
                .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
                .map(|(_, value)| value)
        };
        let list = |name| Some(field(name)?.split(',').filter(|item| !item.is_empty()));
        let id = field("id")?.parse::<TransferId>().ok()?.0;
        let currency = |item: &str| {
            let (code, decimals) = item.split_once(':')?;
            Some((Currency::parse(code)?, decimals.parse().ok()?))
        };
        (field("placement")? == PLACEMENT).then_some(())?;
        Some(Self {
            deployment: field("deployment")?.to_owned(),
            id,
            shards: list("shards")?.map(str::to_owned).collect(),
            managers: field("managers")?.parse().ok()?,
            currencies: list("currencies")?.map(currency).collect::<Option<_>>()?,
            replicated: match field("commit") {
                None => false,
                Some(REPLICATED) => true,
                Some(_) => return None,
            },
        })
    }
}

impl fmt::Display for Genesis {
    /// One line of `key=value`, as the first row of a database keeps it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let currencies: Vec<String> =
            self.currencies.iter().map(|(code, decimals)| format!("{code}:{decimals}")).collect();
        write!(
            f,
            "deployment={} id={} shards={} managers={} currencies={} placement={PLACEMENT}",
            self.deployment,
            TransferId(self.id),
            self.shards.join(","),
            self.managers,
            currencies.join(","),
        )?;
        if self.replicated { write!(f, " commit={REPLICATED}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genesis_reads_what_it_writes() {
        let genesis = Genesis {
            deployment: "remit".into(),
            id: [7; 16],
            shards: vec!["s0".into(), "eu-1".into()],
            managers: 4,
            currencies: vec![(Currency::parse("GOLD").unwrap(), 3)],
            replicated: false,
        };
        assert_eq!(Genesis::parse(&genesis.to_string()), Some(genesis.clone()));
        let bare = Genesis { currencies: vec![], ..genesis };
        assert_eq!(Genesis::parse(&bare.to_string()), Some(bare.clone()));
        let replicated = Genesis { replicated: true, ..bare };
        assert_eq!(Genesis::parse(&replicated.to_string()), Some(replicated));
        assert_eq!(Genesis::parse("deployment=remit"), None);
    }
}
