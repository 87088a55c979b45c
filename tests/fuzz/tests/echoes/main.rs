//! A broker that doubles, delays, loses and reorders what machines really send, and machines that restart at any moment: no
//! money is made or lost at any time, and in the end every transfer has ended.

use remit_core::{account::Kind, id::Time, protocol::Protocol};
use remit_fuzz::{
    choices::Choices,
    run::run,
    stage::{MANAGER, SHARDS, Stage},
};

/// The accounts that transfers are between; one is in another currency, and one is nowhere.
const ACCOUNTS: [&str; 7] = ["s0:world", "s0:alice", "s0:bob", "s1:carol", "s1:dave", "s0:points", "s1:nobody"];

#[test]
fn echoes() {
    run(bolero::check!(), 4_000, |bytes| {
        let mut choices = Choices::new(bytes);
        let mut stage = Stage::in_memory([4, 16, 1_000][choices.below(3)]);
        play(&mut choices, &mut stage);
    });
}

fn play(choices: &mut Choices<'_>, stage: &mut Stage) {
    for address in SHARDS.into_iter().chain([MANAGER]) {
        stage.restart(address);
    }
    for (no, id) in (0..).zip(&ACCOUNTS[..6]) {
        let kind = if id.ends_with("world") { Kind::External } else { Kind::Customer };
        let currency = if id.ends_with("points") { "POINTS" } else { "EUR" };
        stage.open_account(id, currency, kind, no);
    }
    stage.submit(1_000, Protocol::default(), 30_000, &[("s0:world", -100), ("s0:alice", 100)]);
    stage.settle(stage.now);
    let mut no = 0;
    while !choices.is_over() {
        step(choices, stage, &mut no);
        if choices.once_in(32) {
            stage.assert_conserved();
        }
        stage.sent.truncate(200);
    }
    stage.assert_conserved();
    // All deadlines pass, and nothing is lost any more.
    let long = Time(stage.now.0 + 3_600_000);
    stage.settle(long);
    stage.assert_conserved();
    stage.assert_sound();
    let end = stage.position(MANAGER);
    assert_eq!((end.open, end.parked), (0, 0), "not all transfers have ended");
}

fn step(choices: &mut Choices<'_>, stage: &mut Stage, no: &mut u64) {
    match choices.below(16) {
        0..3 => {
            let legs = legs(choices);
            // Now and then the same transfer again, or another one under its id.
            let id = if choices.once_in(6) { u64::from(choices.byte() % 4) } else { *no };
            *no += 1;
            let protocol = choices.protocol();
            stage.submit(id, protocol, 500 + 100 * u64::from(choices.byte()), &legs);
        }
        3..9 if !stage.flying.is_empty() => {
            let at = choices.below(stage.flying.len());
            let (to, bytes) = stage.flying.remove(at);
            stage.deliver(to, &bytes);
        }
        9 if !stage.flying.is_empty() => {
            let at = choices.below(stage.flying.len());
            stage.flying.remove(at);
        }
        10 | 11 if !stage.sent.is_empty() => {
            let (to, bytes) = choices.one_of(&stage.sent).clone();
            stage.deliver(to, &bytes);
        }
        12 => stage.restart(*choices.one_of(&[MANAGER, SHARDS[0], SHARDS[1]])),
        13 => stage.settle(stage.now),
        _ => {
            stage.now = Time(stage.now.0 + 20 * i64::from(choices.byte()));
            stage.wake();
        }
    }
}

/// Two legs, or three; they balance.
fn legs(choices: &mut Choices<'_>) -> Vec<(&'static str, i64)> {
    let first = choices.below(ACCOUNTS.len());
    let account = |step: usize| ACCOUNTS[(first + step) % ACCOUNTS.len()];
    let amount = 1 + i64::from(choices.byte() % 40);
    let step = 1 + choices.below(ACCOUNTS.len() - 2);
    match choices.below(3) {
        0 => vec![(account(0), -amount), (account(step), amount)],
        1 => vec![(account(0), -amount - 1), (account(step), amount), (account(step + 1), 1)],
        _ => vec![(account(0), amount + 1), (account(step), -amount), (account(step + 1), -1)],
    }
}
