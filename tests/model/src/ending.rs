//! That every transfer ends, said so that a search of all states can see it.
//!
//! stateright's `eventually` misses what a cycle, or two ways that meet in one state, hide from it, so these are `always`
//! laws, of two kinds that only together say enough:
//!
//! - where nothing can change any more, all have ended. No step here can be undone: what was said, recorded, heard or given
//!   up only ever grows until the one crash, which happens once. So no run goes round in a circle, and every run that does
//!   not stop while something could still change comes to such a state;
//! - from every state, though all that was said until then is lost, asking again ends all. Without this one, a message that
//!   nobody would ever say again would pass for one that merely has not arrived yet.
//!
//! A deadline, a freeze or another crash counts for neither: nobody needs them to end.

use remit_core::{protocol::Next, transfer::End};

use crate::{
    laws,
    network::Said,
    state::State,
    world::{Action, World},
};

/// Whether anything would still change if nothing went wrong any more.
#[must_use]
pub fn can_change(world: &World, state: &State) -> bool {
    world.kind_actions(state).any(|action| world.after(state, action) != *state)
}

/// Whether all end once everything said is forgotten, the manager asks again, and each message arrives once.
#[must_use]
pub fn ends_if_asked_again(world: &World, state: &State) -> bool {
    if state.all_ended() {
        return true;
    }
    let mut state = State { said: Said::default(), ..state.clone() };
    for _ in 0..rounds(world) {
        for no in 0..world.starts.len() {
            world.step(&mut state, Action::Silence(no));
        }
        while !laws::is_beyond_repair(&state)
            && let Some(number) = state.said.take_first()
        {
            world.step(&mut state, Action::Deliver(number));
        }
        // What is beyond repair breaks another law, which tells of it.
        if state.all_ended() || laws::is_beyond_repair(&state) {
            return true;
        }
    }
    false
}

/// Whether a manager that crashes just before an end is on disk comes to the same one, the shards changing nothing.
#[must_use]
pub fn is_told_again(world: &World, state: &State, no: usize, end: End) -> bool {
    let mut transfer = state.managed[no].recovered(&world.starts[no]);
    for _ in 0..rounds(world) {
        let mut asked = Vec::new();
        match transfer.next(true, |sent| asked.push(sent)) {
            Next::End(again) => return again.outcome == end.outcome,
            Next::Decide(_) => return false,
            Next::Wait => {}
        }
        for sent in &asked {
            let decision = state.shards[usize::from(sent.shard.0)].decide(&sent.command, true);
            if decision.change.is_some() {
                return false;
            }
            transfer.learn(sent.command.id.leg, decision.answer);
        }
    }
    false
}

/// How often the manager has to ask at most: once for each leg where a route is poked stop by stop, once for what comes
/// after the pivot, and once to find that all is said.
fn rounds(world: &World) -> usize {
    world.starts.iter().map(|start| start.legs().len()).max().unwrap_or_default() + 2
}
