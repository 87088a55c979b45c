//! How a state came about, told line by line.

use remit_core::leg::{Answer, Verb};
use remit_core::reason::Reason;

use crate::{
    network::Message,
    world::{Action, World},
};

/// What happened, in the words of the domain.
#[must_use]
pub fn line(world: &World, action: Action) -> String {
    match action {
        Action::Deliver(number) => message(world, number),
        Action::Silence(no) => format!("  transfer {}: nobody has answered", no + 1),
        Action::GiveUp(no) => format!("  transfer {}: the deadline passes", no + 1),
        Action::Crash => "  the manager crashes".to_owned(),
        Action::Freeze => format!("  {} is frozen", world.plan.freezes.unwrap_or_default()),
    }
}

/// `>` arrives at a shard, from the manager or from another shard; `<` arrives at the manager.
fn message(world: &World, number: u8) -> String {
    let leg = |id: remit_core::id::LegId| {
        let no = world.number(id.transfer);
        format!("transfer {} leg {} ({})", no + 1, id.leg.0, world.starts[no].leg(id.leg).account)
    };
    match world.alphabet.message(number) {
        Message::Command(sent) => {
            let command = &sent.command;
            let why = command.reason.map(|why| format!(", {}", why.as_str())).unwrap_or_default();
            format!("> {}: {}{why}", leg(command.id), Verb::as_str(command.verb))
        }
        Message::Reply(reply) => {
            let answer = match reply.answer {
                Answer::Done => "done".to_owned(),
                Answer::Held => "held".to_owned(),
                Answer::Posted => "posted".to_owned(),
                Answer::Undone => "undone".to_owned(),
                Answer::NeverWas(why) => format!("never was ({})", why.map_or("?", Reason::as_str)),
                Answer::Refused(why) => format!("refused ({})", why.as_str()),
                Answer::Misfit(_) => "misfit".to_owned(),
            };
            format!("< {}: {answer}", leg(reply.id))
        }
    }
}
