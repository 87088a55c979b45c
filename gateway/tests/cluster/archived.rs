//! What a node gets that comes late, when the ledger streams have been trimmed: from their archives (R19); and what it must not join
//! (R16).

use std::{process::Command, time::Instant};

use async_nats::jetstream::{self, consumer::pull};
use futures::StreamExt;
use remit_actors::{
    codec,
    message::{Address, Message, Rows},
    store::sqlite::Tail,
};
use remit_core::id::{PartitionNo, Seq};
use tokio::runtime::Runtime;

use crate::{
    bank::PATIENCE,
    deployment::{Deployment, MANAGERS},
    history,
    stage::{remit, said},
};

/// The runs of a stream, in order, and the number of its first message.
async fn runs(url: &str, stream: &str) -> (Vec<Rows>, u64) {
    let client = async_nats::connect(url.split(',').next().unwrap()).await.unwrap();
    let stream = jetstream::new(client).get_stream(stream).await.unwrap();
    let state = stream.cached_info().state.clone();
    let consumer = stream.create_consumer(pull::OrderedConfig::default()).await.unwrap();
    let messages = consumer.messages().await.unwrap().take(usize::try_from(state.messages).unwrap());
    let run = |payload: &[u8]| match codec::decode(payload).unwrap().messages.pop() {
        Some(Message::Rows(rows)) => rows,
        other => panic!("{other:?}"),
    };
    (messages.map(|message| run(&message.unwrap().payload)).collect().await, state.first_sequence)
}

fn load(deployment: &Deployment) {
    let url = deployment.brokers.url();
    let options = ["--batch", "100", "--clients", "2", "--accounts", "32", "--warm-up", "0", "--seconds", "2"];
    let mut command = remit();
    let bench = command.args(["--nats", &url, "--json", "bench", "--protocol", "saga"]).args(options).output().unwrap();
    assert!(bench.status.success(), "{}", said(&bench));
}

/// The archive has what the ledger stream has no more, and is what the file has; whoever comes with nothing is as complete as all others.
#[test]
fn r19_a_stream_is_trimmed_to_what_its_archive_has_and_a_late_node_restores_from_both() {
    let runtime = Runtime::new().unwrap();
    let mut deployment = Deployment::found();
    let url = deployment.brokers.url();
    let began = runtime.block_on(runs(&url, "remit-ledger-m0")).1;
    let since = Instant::now();
    while runtime.block_on(runs(&url, "remit-ledger-m0")).1 == began {
        assert!(since.elapsed() < PATIENCE, "nothing is trimmed");
        load(&deployment);
    }
    let (archive, _) = runtime.block_on(runs(&url, "remit-archive-m0"));
    let (ledger, _) = runtime.block_on(runs(&url, "remit-ledger-m0"));
    let rows = |ledger: &[Rows]| ledger.iter().find(|rows| !rows.chunks.is_empty()).unwrap().first;
    let [.., before_last, last] = &archive[..] else { panic!("{} runs", archive.len()) };
    assert!(
        rows(&ledger) > Seq(1) && rows(&ledger) <= before_last.last.next(),
        "no gap, and the last run but one is still there"
    );

    // To the letter.
    let (_, folder) = deployment.folders().remove(0);
    let tail = Tail::open(&folder.join("managers/m0.db"), Address::Manager(PartitionNo(0))).unwrap();
    let file = tail.rows_above(Seq(0), usize::MAX).unwrap().unwrap();
    let archived: Vec<_> = archive.iter().flat_map(|rows| rows.chunks.clone()).collect();
    assert_eq!(archived[..], file.chunks[..archived.len()]);
    assert_eq!(archived.last().map(|chunk| chunk.last), Some(last.last));

    deployment.joins("n2");
    deployment.settles();
    assert!((0..MANAGERS).any(|no| deployment.runs("n2").contains(&format!("m{no}"))));
    let (status, audit) = deployment.json(&["audit", "--full"]);
    assert_eq!((status, &audit["ok"]), (0, &true.into()), "{audit}");
    deployment.stops();
    history::is_one(&deployment);
}

/// A node that finds no deployment says how one is made; one that differs says how; and one whose name is taken is not let in.
#[test]
fn r16_a_node_joins_what_was_made_and_nothing_else() {
    let mut deployment = Deployment::found();
    let url = deployment.brokers.url();
    let folder = tempfile::tempdir().unwrap();
    let refused = |more: &[&str]| {
        let mut command: Command = remit();
        let output =
            command.args(["--nats", &url]).args(more).arg("--data").arg(folder.path().join("data")).output().unwrap();
        assert!(!output.status.success(), "{more:?}");
        said(&output)
    };
    for (more, why) in [
        (
            &["node", "--deployment", "other"][..],
            "has no deployment; to make one on this broker: remit up --nats URL --create",
        ),
        (&["up", "--shards", "5"], "was made with deployment.shards = 8, which can't be changed to 5 (flag --shards)"),
        (
            &["up", "--commit", "disk"],
            "was made with store.commit = replicated, which can't be changed to disk (flag --commit)",
        ),
        (&["node", "--name", "n1"], "a node named `n1` is running already"),
    ] {
        let said = refused(more);
        assert!(said.contains(why), "{said}");
    }
    // All of that has changed nothing.
    deployment.joins("n2");
    deployment.settles();
    let (status, audit) = deployment.json(&["audit"]);
    assert_eq!((status, &audit["ok"]), (0, &true.into()), "{audit}");
    deployment.stops();
}
