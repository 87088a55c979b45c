//! The lines of a story.

use remit_actors::{
    frame::Frame,
    message::{Address, Message},
    store::row::{ShardEntry, TransferEntry},
};
use remit_core::id::{PartitionNo, ShardNo};

use crate::{name, trace::Trace, world::World};

impl World {
    pub(crate) fn tell_frame(&mut self, from: Address, to: Address, frame: &Frame) {
        if !self.trace.tells() {
            return;
        }
        for message in &frame.messages {
            let line = match message {
                Message::Command(command) => {
                    format!("{:?} of leg {} of {}", command.verb, command.id.leg.0, name(command.id.transfer))
                }
                Message::Reply(reply) => {
                    format!("leg {} of {} says {:?}", reply.id.leg.0, name(reply.id.transfer), reply.answer)
                }
                Message::Standing(standing) => format!("{} stands {:?}", name(standing.id), standing.stands),
                _ => continue,
            };
            self.trace.tell(self.queue.now, format_args!("{from:?} to {to:?}: {line}"));
        }
    }
}

pub(crate) fn tell_shard_row(trace: &mut Trace, now: i64, no: ShardNo, entry: &ShardEntry) {
    match entry {
        ShardEntry::Leg(leg) => {
            let (id, account, amount) = (name(leg.id.transfer), &leg.terms.account, leg.terms.amount.get());
            trace.tell(now, format_args!("s{}: leg {} of {id} {:?} {amount} {account}", no.0, leg.id.leg.0, leg.state));
        }
        ShardEntry::Account(entry) => {
            let outcome = entry.outcome.as_ref().map(|account| account.status);
            trace.tell(now, format_args!("s{}: {} {} gives {outcome:?}", no.0, entry.what, entry.account));
        }
        ShardEntry::Common(_) => {}
    }
}

pub(crate) fn tell_manager_row(trace: &mut Trace, now: i64, no: PartitionNo, entry: &TransferEntry) {
    match entry {
        TransferEntry::Started(start) => {
            let legs: Vec<String> = start
                .legs()
                .iter()
                .map(|leg| format!("{} {} {}", leg.direction.as_str(), leg.account, leg.amount.get()))
                .collect();
            let line = format_args!("m{}: {} begins, {}: {}", no.0, name(start.id), start.protocol, legs.join(", "));
            trace.tell(now, line);
        }
        TransferEntry::Decided(id, decision) => {
            trace.tell(now, format_args!("m{}: {} is decided {decision:?}", no.0, name(*id)));
        }
        TransferEntry::Ended(id, end, ..) => trace.tell(now, format_args!("m{}: {} ends {end:?}", no.0, name(*id))),
        TransferEntry::Parked(id, why) => trace.tell(now, format_args!("m{}: {} is parked: {why}", no.0, name(*id))),
        TransferEntry::Ordered(id, order) => {
            trace.tell(now, format_args!("m{}: {} is under an order: {}", no.0, name(*id), order.action.as_str()));
        }
        TransferEntry::Common(_) => {}
    }
}
