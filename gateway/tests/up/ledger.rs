//! Every committed row on its ledger stream, in order, once, whatever happens to streams, broker and node; and the projection that is
//! built from them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, consumer::pull, stream::Stream};
use futures::StreamExt;
use remit_actors::{
    codec,
    message::{Address, Chunk, Linked, Message, Rows},
    store::sqlite::Tail,
};
use remit_core::id::{PartitionNo, Seq, ShardNo};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::stage::{Up, remit};

/// A bound for what should take a few seconds.
const BOUND: Duration = Duration::from_secs(90);
const SIZE: [&str; 4] = ["--shards", "2", "--managers", "2"];

/// The journals of such a node.
fn journals(data: &Path) -> Vec<(&'static str, Address, PathBuf)> {
    let shard = |(name, no)| (name, Address::Shard(ShardNo(no)), data.join(format!("shards/{name}.db")));
    let manager = |(name, no)| (name, Address::Manager(PartitionNo(no)), data.join(format!("managers/{name}.db")));
    [("s0", 0), ("s1", 1)].map(shard).into_iter().chain([("m0", 0), ("m1", 1)].map(manager)).collect()
}

/// A load beside the test, for about so many seconds.
fn load(up: &Up, seconds: &str) -> Child {
    let options = ["--batch", "40", "--clients", "2", "--accounts", "16", "--warm-up", "0", "--seconds", seconds];
    let mut command = remit();
    command.args(["--nats", up.url(), "--json", "bench", "--protocol", "events"]).args(options);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

async fn stream(up: &Up, name: &str) -> Option<Stream> {
    let client = async_nats::connect(up.url()).await.ok()?;
    jetstream::new(client).get_stream(format!("remit-ledger-{name}")).await.ok()
}

/// All that a stream holds.
async fn all_of(up: &Up, name: &str) -> Vec<Rows> {
    let stream = stream(up, name).await.unwrap();
    let left = stream.cached_info().state.messages;
    let consumer = stream.create_consumer(pull::OrderedConfig::default()).await.unwrap();
    let messages = consumer.messages().await.unwrap().take(usize::try_from(left).unwrap());
    let rows = messages.map(|message| {
        let frame = codec::decode(&message.unwrap().payload).unwrap();
        match <[Message; 1]>::try_from(frame.messages) {
            Ok([Message::Rows(rows)]) => rows,
            other => panic!("{other:?}"),
        }
    });
    rows.collect().await
}

/// The last row on a stream.
async fn last_of(up: &Up, name: &str) -> Seq {
    let Some(stream) = stream(up, name).await else { return Seq(0) };
    let Ok(message) = stream.direct_get(stream.cached_info().state.last_sequence).await else { return Seq(0) };
    match codec::decode(&message.payload).unwrap().messages.pop() {
        Some(Message::Rows(rows)) => rows.last,
        other => panic!("{other:?}"),
    }
}

/// Waits until every stream has what its journal has, and compares them to the last letter.
fn assert_streams_are_the_journals(runtime: &Runtime, up: &Up) {
    for (name, source, path) in journals(&up.data()) {
        let tail = Tail::open(&path, source).unwrap();
        let until = Instant::now() + BOUND;
        while runtime.block_on(last_of(up, name)) != tail.head().unwrap() {
            assert!(Instant::now() < until, "{name} lacks rows");
            thread::sleep(Duration::from_millis(20));
        }
        let (mut chunks, mut last, mut linked) = (Vec::<Chunk>::new(), Seq(0), Linked::default());
        for rows in runtime.block_on(all_of(up, name)) {
            assert_eq!((rows.source, rows.first), (source, last.next()), "{name}: neither a gap nor a double");
            assert_eq!(rows.before, linked, "{name}");
            last = rows.last;
            linked = rows.linked();
            chunks.extend(rows.chunks);
        }
        let journal = tail.rows_above(Seq(0), usize::MAX).unwrap().unwrap();
        assert_eq!(chunks, journal.chunks, "{name}");
    }
}

fn list(up: &Up, source: &[&str]) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let more: Vec<&str> = cursor.iter().flat_map(|cursor| ["--cursor", cursor]).collect();
        let page = ["transfer", "list", "--limit", "1000"];
        let (status, page) = up.json(&[page.as_slice(), source, &more].concat());
        assert_eq!(status, 0, "{page}");
        all.extend(page["transfers"].as_array().unwrap().iter().cloned());
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return all;
        }
    }
}

/// Waits until the projection has all that the journals have.
fn wait_for_the_projection(up: &Up) {
    let until = Instant::now() + BOUND;
    loop {
        let (_, status) = up.json(&["projection", "status"]);
        let mut heads = journals(&up.data()).into_iter().map(|(name, source, path)| {
            let head = Tail::open(&path, source).unwrap().head().unwrap();
            let sources = status["sources"].as_array().into_iter().flatten();
            let seq = sources.filter(|source| source["id"] == name).find_map(|source| source["seq"].as_u64());
            seq == Some(head.0)
        });
        if status["state"] == "ready" && heads.all(|is_there| is_there) {
            return;
        }
        assert!(Instant::now() < until, "the projection is not there: {status}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_row_is_on_its_stream_once_whatever_happens_to_the_stream_and_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let up = Up::start(folder.path(), &SIZE);
    let mut loading = load(&up, "4");
    // Deleted in the middle of it.
    for round in 0..6 {
        let name = ["s0", "m1", "s1"][round % 3];
        let until = Instant::now() + BOUND;
        let grown = runtime.block_on(last_of(&up, name)).0 + 200;
        while runtime.block_on(last_of(&up, name)).0 < grown && loading.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "nothing comes");
        }
        runtime.block_on(async {
            let client = async_nats::connect(up.url()).await.unwrap();
            // It may not be there again since the last time.
            jetstream::new(client).delete_stream(format!("remit-ledger-{name}")).await.ok();
        });
    }
    assert!(loading.wait().unwrap().success());
    assert_streams_are_the_journals(&runtime, &up);

    // Killed in the middle of writing to them.
    let mut loading = load(&up, "60");
    let grown = runtime.block_on(last_of(&up, "s0")).0 + 1_000;
    let until = Instant::now() + BOUND;
    while runtime.block_on(last_of(&up, "s0")).0 < grown {
        assert!(Instant::now() < until, "nothing comes");
    }
    up.kill();
    let up = Up::start(folder.path(), &[]);
    loading.kill().unwrap();
    loading.wait().unwrap();
    assert_streams_are_the_journals(&runtime, &up);
    wait_for_the_projection(&up);
    let listed = list(&up, &[]);
    let starts = journals(&up.data()).into_iter().filter(|(name, ..)| name.starts_with('m')).map(|(_, _, path)| {
        let journal = rusqlite::Connection::open(path).unwrap();
        let count = "SELECT count(*) FROM journal WHERE what = 'started'";
        journal.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    });
    assert_eq!(i64::try_from(listed.len()), Ok(starts.sum::<i64>()));
    up.stop();
}

/// Streams, and the projection, tell what the databases tell, also when these are older than they were.
#[test]
fn an_older_copy_of_the_databases_is_the_truth_again() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let up = Up::start(folder.path(), &SIZE);
    assert!(load(&up, "1").wait().unwrap().success());
    let data = up.data();
    up.stop();
    let copies: Vec<(PathBuf, Vec<u8>)> =
        journals(&data).into_iter().map(|(_, _, path)| (path.clone(), fs::read(path).unwrap())).collect();

    let up = Up::start(folder.path(), &[]);
    wait_for_the_projection(&up);
    let before = list(&up, &[]);
    assert!(load(&up, "1").wait().unwrap().success());
    wait_for_the_projection(&up);
    assert!(list(&up, &[]).len() > before.len());
    up.stop();

    for (path, bytes) in copies {
        fs::write(path, bytes).unwrap();
    }
    let up = Up::start(folder.path(), &[]);
    assert_streams_are_the_journals(&runtime, &up);
    let until = Instant::now() + BOUND;
    while list(&up, &[]) != before {
        assert!(Instant::now() < until, "the projection still tells of what is no more");
    }
    assert!(load(&up, "1").wait().unwrap().success());
    assert_streams_are_the_journals(&runtime, &up);
    wait_for_the_projection(&up);
    assert!(list(&up, &[]).len() > before.len());
    assert_eq!(up.json(&["audit", "--full"]).1["ok"], true);
    up.stop();
}

/// The file of the projection goes in the middle of everything, and nothing is lost; a rebuild under load takes its place.
#[test]
fn the_projection_is_built_again_and_rebuilt_while_transfers_run() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &SIZE);
    assert!(load(&up, "1").wait().unwrap().success());
    let data = up.data();
    up.kill();
    fs::remove_dir_all(data.join("projections")).unwrap();
    let up = Up::start(folder.path(), &[]);
    let mut loading = load(&up, "4");
    let mut listed = 0;
    for _ in 0..3 {
        let (status, rebuilt) = up.json(&["projection", "rebuild", "--wait"]);
        assert_eq!((status, &rebuilt["state"]), (0, &Value::from("ready")), "{rebuilt}");
        let now = list(&up, &["--status", "completed"]).len();
        assert!(now >= listed, "{now} of {listed} are left");
        listed = now;
    }
    assert!(loading.wait().unwrap().success());
    wait_for_the_projection(&up);
    let (_, newest) = up.json(&["transfer", "list", "--limit", "1"]);
    let id = newest["transfers"][0]["id"].as_str().unwrap();
    let (status, page) = up.json(&["transfer", "list", "--at-least", id, "--limit", "1"]);
    assert_eq!((status, &page["transfers"]), (0, &newest["transfers"]), "{page}");
    // The totals are what the accounts have.
    let (_, totals) = up.json(&["account", "totals", "--limit", "1000"]);
    let (_, accounts) = up.json(&["account", "list", "--limit", "1000"]);
    for account in accounts["accounts"].as_array().unwrap() {
        let days = totals["totals"].as_array().unwrap().iter().filter(|day| day["account"] == account["id"]);
        let sum = |day: &Value| day["credited"].as_i64().unwrap() - day["debited"].as_i64().unwrap();
        assert_eq!(days.map(sum).sum::<i64>(), account["posted"].as_i64().unwrap(), "{account}");
    }
    up.stop();
}
