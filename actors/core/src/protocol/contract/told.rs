//! Each protocol told once, as a person would: 70 from shard 0, 30 of it to shard 1 as a hold, 40 to shard 2, the pivot.
//!
//! `>` is what a shard is told, by the manager or by another shard; `<` what the manager hears.

use alloc::{string::String, vec::Vec};

use super::{
    case::{Case, ID},
    story::Story,
    world::{Message, Who},
};
use crate::{id::LegNo, leg::Answer, protocol::Protocol, reason::Reason};

fn line(message: &Message) -> String {
    match message {
        Message::Command(sent) => {
            let command = &sent.command;
            let why = command.reason.map(|reason| alloc::format!(" ({})", reason.as_str())).unwrap_or_default();
            alloc::format!("> shard {}: {} leg {}{why}", sent.shard.0, command.verb.as_str(), command.id.leg.0)
        }
        Message::Reply(reply) => {
            let answer = match reply.answer {
                Answer::Done => "done".into(),
                Answer::Held => "held".into(),
                Answer::Posted => "posted".into(),
                Answer::Undone => "undone".into(),
                Answer::NeverWas(why) => alloc::format!("never was ({})", why.map_or("?", Reason::as_str)),
                Answer::Refused(why) => alloc::format!("refused ({})", why.as_str()),
                Answer::Misfit(_) => "misfit".into(),
            };
            alloc::format!("< leg {}: {answer}", reply.id.leg.0)
        }
        Message::Mark(shard, _) => alloc::format!("> shard {}: a mark", shard.0),
    }
}

/// Tells the case under a protocol, after what `first` does to it, and compares.
fn expect(protocol: &str, refused: Option<LegNo>, first: impl Fn(&mut Story), story: &str) {
    let case = Case::new(Protocol::parse(protocol).expect("a protocol"), "0-70 1+30 2+40");
    let refusing = |leg| case.world_refusing(leg, Reason::AccountFrozen).expect("any account can be frozen");
    let world = refused.map_or_else(|| case.world(), refusing);
    let expected: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();

    let mut story = Story::begin_in(world, &case);
    first(&mut story);
    let mut told = Vec::new();
    loop {
        told.extend(story.flight.front().map(line));
        if !story.step() {
            break;
        }
    }
    let end = story.end();
    let reason = end.reason.map(|reason| alloc::format!(" ({})", reason.as_str())).unwrap_or_default();
    told.push(alloc::format!("= {}{reason}", end.outcome.as_str()));
    assert_eq!(told, expected, "{protocol}:\n{}", told.join("\n"));
}

const UNDISTURBED: fn(&mut Story) = |_| ();

/// The first messages are carried, all others are lost, and the deadline passes.
fn times_out_after(story: &mut Story, carried: usize) {
    for _ in 0..carried {
        story.step();
    }
    story.flight.clear();
    story.world.give_up(Who::Live, ID, Reason::DeadlinePassed);
    story.take_in();
}

#[test]
fn a_saga_is_told() {
    expect(
        "saga",
        None,
        UNDISTURBED,
        "
        > shard 0: debit leg 0
        > shard 1: place_hold leg 1
        < leg 0: done
        < leg 1: held
        > shard 2: credit leg 2
        < leg 2: done
        > shard 1: post_hold leg 1
        < leg 1: posted
        = completed",
    );
    expect(
        "saga",
        Some(LegNo(2)),
        UNDISTURBED,
        "
        > shard 0: debit leg 0
        > shard 1: place_hold leg 1
        < leg 0: done
        < leg 1: held
        > shard 2: credit leg 2
        < leg 2: refused (account_frozen)
        > shard 0: compensate leg 0 (account_frozen)
        > shard 1: release_hold leg 1 (account_frozen)
        < leg 0: undone
        < leg 1: undone
        = compensated (account_frozen)",
    );
    expect(
        "saga",
        None,
        |story| times_out_after(story, 4),
        "
        > shard 2: cancel leg 2 (deadline_passed)
        < leg 2: never was (deadline_passed)
        > shard 0: compensate leg 0 (deadline_passed)
        > shard 1: release_hold leg 1 (deadline_passed)
        < leg 0: undone
        < leg 1: undone
        = compensated (deadline_passed)",
    );
}

#[test]
fn a_two_phase_commit_is_told() {
    expect(
        "2pc",
        None,
        UNDISTURBED,
        "
        > shard 0: place_hold leg 0
        > shard 1: place_hold leg 1
        > shard 2: place_hold leg 2
        < leg 0: held
        < leg 1: held
        < leg 2: held
        > shard 0: post_hold leg 0
        > shard 1: post_hold leg 1
        > shard 2: post_hold leg 2
        < leg 0: posted
        < leg 1: posted
        < leg 2: posted
        = completed",
    );
    expect(
        "2pc",
        Some(LegNo(2)),
        UNDISTURBED,
        "
        > shard 0: place_hold leg 0
        > shard 1: place_hold leg 1
        > shard 2: place_hold leg 2
        < leg 0: held
        < leg 1: held
        < leg 2: refused (account_frozen)
        > shard 0: release_hold leg 0 (account_frozen)
        > shard 1: release_hold leg 1 (account_frozen)
        < leg 0: undone
        < leg 1: undone
        = rejected (account_frozen)",
    );
    expect(
        "2pc",
        None,
        |story| times_out_after(story, 4),
        "
        > shard 0: release_hold leg 0 (deadline_passed)
        > shard 1: release_hold leg 1 (deadline_passed)
        > shard 2: release_hold leg 2 (deadline_passed)
        < leg 0: undone
        < leg 1: undone
        < leg 2: undone
        = rejected (deadline_passed)",
    );
}

#[test]
fn events_are_told() {
    expect(
        "events",
        None,
        UNDISTURBED,
        "
        > shard 0: debit leg 0
        > shard 1: place_hold leg 1
        > shard 2: credit leg 2
        < leg 2: done
        > shard 1: post_hold leg 1
        < leg 1: posted
        = completed",
    );
    expect(
        "events",
        Some(LegNo(2)),
        UNDISTURBED,
        "
        > shard 0: debit leg 0
        > shard 1: place_hold leg 1
        > shard 2: credit leg 2
        < leg 2: refused (account_frozen)
        > shard 1: release_hold leg 1 (account_frozen)
        < leg 1: undone
        > shard 0: compensate leg 0 (account_frozen)
        < leg 0: undone
        = compensated (account_frozen)",
    );
    // The cancelled pivot sends the baton back.
    expect(
        "events",
        None,
        |story| times_out_after(story, 2),
        "
        > shard 2: cancel leg 2 (deadline_passed)
        < leg 2: never was (deadline_passed)
        > shard 1: release_hold leg 1 (deadline_passed)
        < leg 1: undone
        > shard 0: compensate leg 0 (deadline_passed)
        < leg 0: undone
        = compensated (deadline_passed)",
    );
}
