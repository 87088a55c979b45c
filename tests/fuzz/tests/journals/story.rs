//! Databases with a past: accounts, and transfers of each protocol at every stage, made by the machines themselves.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use bytes::Bytes;
use remit_actors::message::{Address, AnswerBody, ChangeAccount, Question};
use remit_core::{
    account::{Change, Kind},
    id::{Time, TransferId},
    protocol::Protocol,
};
use remit_fuzz::{
    choices::Choices,
    stage::{self, MANAGER, SHARDS, Stage},
    values::{account_id, transfer_id},
};
use rusqlite::Connection;

use crate::{contents::Contents, served::Served};

/// How many stories there are.
pub(crate) const STORIES: usize = 12;
/// After how many rows tables are written in bulk: often enough for rows below and above.
pub(crate) const FLUSH_ROWS: u64 = 12;
/// The accounts of all stories.
pub(crate) const ACCOUNTS: [&str; 5] = ["s0:world", "s0:alice", "s0:bob", "s0:points", "s1:carol"];
const TRANSFERS: u64 = 14;

/// A story's databases, whole, and all that can be asked of them.
pub(crate) struct Whole {
    files: BTreeMap<Address, File>,
    told: BTreeMap<TransferId, Vec<AnswerBody>>,
    /// When the databases are opened again.
    pub(crate) now: Time,
}

struct File {
    bytes: Vec<u8>,
    contents: Contents,
    served: Served,
    /// What was sent to its machine.
    frames: Vec<Bytes>,
}

/// The transfers of all stories.
pub(crate) fn transfers() -> impl Iterator<Item = TransferId> {
    (0..TRANSFERS).map(transfer_id)
}

pub(crate) fn file_name(address: Address) -> &'static str {
    if address == MANAGER { "m0.db" } else { "s0.db" }
}

/// A story; it is played once.
pub(crate) fn whole(no: usize) -> Arc<Whole> {
    static TOLD: OnceLock<Mutex<BTreeMap<usize, Arc<Whole>>>> = OnceLock::new();
    // A failed input may have ended another thread's turn at this; what is there is whole.
    let mut told = TOLD.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    Arc::clone(told.entry(no).or_insert_with(|| Arc::new(Whole::play(no))))
}

impl Whole {
    fn play(no: usize) -> Self {
        let folder = stage::scratch();
        let mut stage = Stage::in_files(folder.path().to_owned(), FLUSH_ROWS);
        let bytes = noise(no);
        let frames = play(&mut Choices::new(&bytes), &mut stage);
        stage.close();
        let now = Time(stage.now.0 + 1_000);
        stage.now = now;
        let mut whole = Self { files: BTreeMap::new(), told: BTreeMap::new(), now };
        for address in [SHARDS[0], MANAGER] {
            let path = folder.path().join(file_name(address));
            let bytes = checkpointed(&path);
            let contents = Contents::read(&path).unwrap();
            assert!(contents.rows.len() > 12, "story {no} is too short");
            let mut machine = stage.open(address).unwrap();
            let served = Served::by(&mut *machine, address, now).unwrap();
            if address == MANAGER {
                for id in transfers() {
                    let told = stage::ask(&mut *machine, Question::Transfer(id), now).unwrap();
                    whole.told.insert(id, told);
                }
            }
            let frames = frames.iter().filter(|(to, _)| *to == address).map(|(_, bytes)| bytes.clone()).collect();
            whole.files.insert(address, File { bytes, contents, served, frames });
        }
        whole
    }

    pub(crate) fn file(&self, address: Address) -> &[u8] {
        &self.files[&address].bytes
    }

    pub(crate) fn contents(&self, address: Address) -> &Contents {
        &self.files[&address].contents
    }

    pub(crate) fn served(&self, address: Address) -> &Served {
        &self.files[&address].served
    }

    pub(crate) fn frames(&self, address: Address) -> &[Bytes] {
        &self.files[&address].frames
    }

    pub(crate) fn told(&self, id: &TransferId) -> Vec<AnswerBody> {
        self.told[id].clone()
    }
}

/// The file alone: what the write-ahead log still has is copied into it.
fn checkpointed(path: &Path) -> Vec<u8> {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(connection);
    fs::read(path).unwrap()
}

/// The same choices every time: a story is known by its number.
fn noise(no: usize) -> Vec<u8> {
    let mut state = u64::try_from(no).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..400).map(|_| byte()).collect()
}

/// Plays a story to its open end; what was sent on the way.
fn play(choices: &mut Choices<'_>, stage: &mut Stage) -> Vec<(Address, Bytes)> {
    for address in SHARDS.into_iter().chain([MANAGER]) {
        stage.restart(address);
    }
    for (no, id) in (0..).zip(ACCOUNTS) {
        let kind = if id == "s0:world" { Kind::External } else { Kind::Customer };
        stage.open_account(id, if id == "s0:points" { "POINTS" } else { "EUR" }, kind, no);
    }
    let changes = [
        ("s0:bob", Change::SetOverdraft { overdraft_limit: 50 }),
        ("s0:bob", Change::Freeze),
        ("s0:nobody", Change::Freeze),
        ("s0:bob", Change::Unfreeze),
    ];
    let mut changes = (0..).zip(changes);
    stage.submit(0, Protocol::default(), 30_000, &[("s0:world", -100), ("s0:alice", 100)]);
    stage.settle(stage.now);
    for no in 1..TRANSFERS {
        let protocol = choices.protocol();
        let first = choices.below(ACCOUNTS.len());
        let account = |step: usize| ACCOUNTS[(first + step) % ACCOUNTS.len()];
        let amount = 2 + i64::from(choices.byte() % 30);
        let legs = [(account(0), -amount), (account(1 + choices.below(2)), amount - 1), (account(3), 1)];
        stage.submit(no, protocol, 1_000, &legs);
        match choices.below(6) {
            // It gets as far as it gets.
            0 => {
                for _ in 0..choices.below(4).min(stage.flying.len()) {
                    let (to, bytes) = stage.flying.remove(0);
                    stage.deliver(to, &bytes);
                }
                stage.flying.clear();
            }
            1 => stage.settle(Time(stage.now.0 + 20_000)),
            _ => stage.settle(stage.now),
        }
        if choices.once_in(4)
            && let Some((command, (id, change))) = changes.next()
        {
            let change = ChangeAccount { account: account_id(id), change, command_id: [command; 16], if_version: None };
            stage.ask(SHARDS[0], Question::ChangeAccount(change));
        }
        if choices.once_in(8) {
            stage.restart(*choices.one_of(&[SHARDS[0], MANAGER]));
        }
    }
    stage.assert_conserved();
    stage.sent.split_off(stage.sent.len().saturating_sub(60))
}
