//! What can happen in a small world, as stateright asks for it.

use std::sync::Arc;

use remit_core::{
    id::{AccountId, LegId, ShardNo, Time, TransferId},
    leg::{self, Reply, Sent},
    money::{Amount, Direction},
    protocol::{Protocol, events},
    transfer::{LegSpec, Start},
};
use stateright::{Model, Property};

use crate::{
    laws::{self, Slip},
    manager::{self, Managed},
    network::{Alphabet, Message, Said},
    plan::Plan,
    shard::{Shard, currency},
    state::State,
};

/// A small world under a protocol.
#[derive(Debug)]
pub struct World {
    /// What it was made from.
    pub plan: Plan,
    /// Its protocol.
    pub protocol: Protocol,
    /// The transfers' start records, in the order of the plan.
    pub starts: Vec<Arc<Start>>,
    /// All that was said anywhere in it.
    pub alphabet: Alphabet,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A message arrives, for the first time or again.
    Deliver(u8),
    /// The manager's clock says that nobody has answered about this transfer.
    Silence(usize),
    /// The deadline of this transfer passes.
    GiveUp(usize),
    /// The manager dies and another one starts.
    Crash,
    /// The plan's account is frozen.
    Freeze,
}

impl World {
    /// A plan under a protocol.
    ///
    /// # Panics
    /// If the plan's names or amounts make no transfers.
    #[must_use]
    pub fn new(plan: Plan, protocol: Protocol) -> Self {
        let leg = |(name, amount): &(&str, i64)| LegSpec {
            account: account(name),
            shard: shard(name),
            direction: if *amount < 0 { Direction::Debit } else { Direction::Credit },
            amount: Amount::new(amount.abs()).expect("an amount"),
            currency: currency(),
        };
        let start = |(id, legs): (u8, &&[(&str, i64)])| {
            let legs = legs.iter().map(leg).collect();
            Arc::new(Start::new(TransferId([id; 16]), protocol, legs, None, Time(0), Time(1)).expect("a transfer"))
        };
        let starts = (1..).zip(plan.transfers).map(start).collect();
        Self { plan, protocol, starts, alphabet: Alphabet::default() }
    }

    /// The place of a transfer in the plan.
    #[must_use]
    pub fn number(&self, id: TransferId) -> usize {
        usize::from(id.0[0]) - 1
    }

    /// Where a transfer's legs stand, in order.
    pub fn leg_states<'a>(&'a self, state: &'a State, no: usize) -> impl Iterator<Item = Option<leg::State>> + 'a {
        let start = &self.starts[no];
        start.leg_numbers().map(|leg| {
            let shard = usize::from(start.leg(leg).shard.0);
            state.shards[shard].state(LegId::new(start.id, leg))
        })
    }

    /// What may happen without anything going wrong: messages arrive, and clocks go on.
    pub fn kind_actions<'a>(&'a self, state: &'a State) -> impl Iterator<Item = Action> + 'a {
        let hears = |number: &u8| match self.alphabet.message(*number) {
            Message::Command(_) => true,
            Message::Reply(reply) => state.managed[self.number(reply.id.transfer)].open.is_some(),
        };
        let open = (0..self.starts.len()).filter(|no| state.managed[*no].open.is_some());
        state.said.numbers().filter(hears).map(Action::Deliver).chain(open.map(Action::Silence))
    }

    /// The state after an action; it may be the same one.
    #[must_use]
    pub fn after(&self, state: &State, action: Action) -> State {
        let mut next = state.clone();
        self.step(&mut next, action);
        next
    }

    /// Takes an action.
    pub fn step(&self, next: &mut State, action: Action) {
        match action {
            Action::Deliver(number) => match self.alphabet.message(number) {
                Message::Command(sent) => self.act(next, sent),
                Message::Reply(reply) => manager::hear(self, next, *reply),
            },
            Action::Silence(no) => manager::silence(self, next, no),
            Action::GiveUp(no) => manager::give_up(self, next, no),
            Action::Crash => {
                next.may_crash = false;
                manager::crash(self, next);
            }
            Action::Freeze => {
                if let Some(name) = self.plan.freezes {
                    Arc::make_mut(&mut next.shards[usize::from(shard(name).0)]).freeze(&account(name));
                }
            }
        }
    }

    /// A shard acts on a command, answers the manager and, if the leg has a route, passes the baton on: one turn, of which
    /// all or nothing is durable, and nothing leaves before it is. That what leaves may be lost covers a crash between, and
    /// that a shard does not tell what the pivot's answer implies.
    fn act(&self, state: &mut State, sent: &Sent) {
        let command = &sent.command;
        let shard = &mut state.shards[usize::from(sent.shard.0)];
        let decision = shard.decide(command, true);
        if self.plan.crash && shard.legs.contains_key(&command.id) && shard.decide(command, false) != decision {
            state.slip = Some(Slip::ForgetfulShard);
        }
        if let Some(change) = decision.change {
            if state.managed[self.number(command.id.transfer)].end.is_some() {
                state.slip = Some(Slip::MovedAfterEnd);
            }
            Arc::make_mut(shard).record(command, change);
        }
        let reply = Reply { id: command.id, answer: decision.answer };
        state.said.say(&self.alphabet, Message::Reply(reply));
        if let Some(baton) = events::pass_on(command, decision.answer) {
            state.said.say(&self.alphabet, Message::Command(baton));
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    /// Every start is on disk and its first commands are said. A transfer that begins later is one whose messages are late.
    fn init_states(&self) -> Vec<State> {
        let mut shards: [Shard; _] = Default::default();
        for (name, money) in self.plan.accounts {
            shards[usize::from(shard(name).0)].open(&account(name), *money);
        }
        let mut state = State {
            shards: shards.map(Arc::new),
            managed: self.starts.iter().map(Managed::begun).collect(),
            said: Said::default(),
            may_crash: self.plan.crash,
            slip: None,
        };
        for no in 0..self.starts.len() {
            manager::drive(self, &mut state, no, false);
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if laws::is_beyond_repair(state) {
            return;
        }
        actions.extend(self.kind_actions(state));
        if self.plan.deadline {
            let open = state.managed.iter().enumerate();
            actions.extend(open.filter(|(_, managed)| managed.open.is_some()).map(|(no, _)| Action::GiveUp(no)));
        }
        if state.may_crash && !state.all_ended() {
            actions.push(Action::Crash);
        }
        if self.plan.freezes.is_some() {
            actions.push(Action::Freeze);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = self.after(state, action);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        laws::properties(&self.plan)
    }
}

fn account(name: &str) -> AccountId {
    AccountId::parse(name).expect("a valid name")
}

/// `s0:` is shard 0, and so on.
fn shard(name: &str) -> ShardNo {
    let digits = name.split_once(':').and_then(|(shard, _)| shard.strip_prefix('s'));
    ShardNo(digits.and_then(|digits| digits.parse().ok()).expect("a name with its shard"))
}
