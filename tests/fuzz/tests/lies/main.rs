//! Well-formed frames with absurd messages, for machines at work: whatever a liar says, nothing panics, no machine is
//! quarantined over it, each database stays sound by itself, and opens again.
//!
//! Money may be lost between databases here: a liar inside the deployment is not what the rules are about.

use remit_actors::{codec, message::Address};
use remit_core::{
    account::{Kind, Status},
    id::Time,
    protocol::Protocol,
};
use remit_fuzz::{
    choices::Choices,
    run::run,
    stage::{self, MANAGER, SHARDS, Stage},
};

#[test]
fn lies() {
    run(bolero::check!(), 8_000, |bytes| {
        let mut choices = Choices::new(bytes);
        // Files take what memory takes, and must also be able to give it back; they are ten times slower.
        match choices.once_in(8) {
            true => {
                let folder = stage::scratch();
                tell(&mut choices, Stage::in_files(folder.path().to_owned(), 8));
            }
            false => tell(&mut choices, Stage::in_memory(8)),
        }
    });
}

fn tell(choices: &mut Choices<'_>, mut stage: Stage) {
    for address in SHARDS.into_iter().chain([MANAGER]) {
        stage.restart(address);
    }
    let accounts = [
        ("s0:world", "EUR", Kind::External),
        ("s0:alice", "EUR", Kind::Customer),
        ("s0:bob", "EUR", Kind::Customer),
        ("s0:points", "POINTS", Kind::External),
        ("s1:carol", "EUR", Kind::Customer),
        ("s1:world", "EUR", Kind::External),
    ];
    for (no, (id, currency, kind)) in (0..).zip(accounts) {
        stage.open_account(id, currency, kind, no);
    }
    stage.submit(100, Protocol::default(), 30_000, &[("s0:world", -500), ("s0:alice", 500)]);
    stage.settle(stage.now);
    for (no, protocol) in (0..).zip(Protocol::all()) {
        stage.submit(no, protocol, 30_000, &[("s0:alice", -5), ("s0:bob", 2), ("s1:carol", 3)]);
    }
    while !choices.is_over() {
        let to = *choices.one_of(&[SHARDS[0], SHARDS[0], MANAGER, SHARDS[1]]);
        match choices.below(8) {
            0 => restart(&mut stage, to),
            1 => {
                stage.now = Time(stage.now.0 + i64::from(choices.byte()) * 100);
                stage.wake();
            }
            2 if !stage.flying.is_empty() => {
                let (to, bytes) = stage.flying.remove(0);
                stage.deliver(to, &bytes);
            }
            _ => {
                let frame = codec::encode(&choices.frame(4));
                stage.deliver(to, &frame);
            }
        }
        // What machines send to each other over and over is not what this is about.
        stage.flying.truncate(32);
        stage.sent.clear();
    }
    stage.assert_sound();
    SHARDS.into_iter().chain([MANAGER]).for_each(|address| restart(&mut stage, address));
    stage.assert_sound();
}

/// Opens a machine anew: it is as it was, but for what only memory knows.
fn restart(stage: &mut Stage, address: Address) {
    let as_known = |stage: &mut Stage| match address {
        Address::Shard(_) => {
            let mut accounts = stage.accounts(address);
            for (_, account) in &mut accounts {
                account.balances.undecided = 0;
                // A closing that was under way is given up (R4).
                account.version = 0;
                account.status = if account.status == Status::Closing { Status::Open } else { account.status };
            }
            (accounts, 0)
        }
        _ => (vec![], stage.position(address).open),
    };
    let before = as_known(stage);
    stage.restart(address);
    assert_eq!(before, as_known(stage), "{address:?} came back as another");
}
