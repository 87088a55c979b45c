//! What clients and the auditor do, again and again.

use remit_actors::{faults::Chance, message::Message};

use crate::{
    PRELUDE_MS,
    checker::Checked,
    clients::{AUDITOR, OPERATOR},
    name,
    queue::Event,
    world::World,
};

impl World {
    pub(crate) fn client(&mut self, no: usize) -> Checked {
        let now = self.queue.now;
        let left = self.plan.transfers - self.submitted;
        let (plan, town, client) = (&self.plan, &self.town, &mut self.clients[no]);
        let mut messages = client.ask_again(town, now);
        if now < PRELUDE_MS {
            if no == 0 {
                messages.extend(client.open_accounts(plan, town));
            }
        } else if no == 0 && !client.has_funded() {
            messages.extend(client.fund(plan, town, now));
        } else if left > 0 {
            let burst = self.dice.between(1, plan.burst_max).min(left);
            let first = self.submitted;
            self.submitted += burst;
            messages.extend(client.submit(plan, town, now, first..first + burst));
            if self.dice.hits(Chance::percent(20)) {
                messages.extend(client.repeat(plan, town));
            }
        }
        if !self.is_calm && now > PRELUDE_MS && self.dice.hits(self.plan.commands) {
            messages.push(self.clients[no].change_some(&self.town));
        }
        for (to, message) in &messages {
            if let (Message::Submit(submit), true) = (message, self.trace.tells()) {
                let line = format_args!("client {no} submits {} to {to:?}", name(submit.id));
                self.trace.tell(now, line);
            }
        }
        self.send_as_client(no as u64, messages);
        if !self.is_calm
            && let Some(order) = self.operator.order(self.plan.orders, &self.town, &self.checker)
        {
            self.send_as_client(OPERATOR, vec![order]);
        }
        let pause = if self.is_calm { 250 } else { self.dice.between(1, self.plan.pause_ms_max) };
        self.queue.after(pause, Event::Client(no));
        Ok(())
    }

    /// The last audit, when nothing is open any more; asked for again until it comes to its end.
    pub(crate) fn audit_at_rest(&mut self) {
        self.audited_at_rest = Some(self.auditor.done);
        self.begin_audit(true);
    }

    pub(crate) fn audit(&mut self) -> Checked {
        let is_last = self.audited_at_rest.is_some();
        let is_full = is_last || self.dice.hits(Chance::percent(2));
        self.begin_audit(is_full);
        let pause = if is_last { 5_000 } else { self.dice.between(200, 3_000) };
        self.queue.after(pause, Event::Audit);
        Ok(())
    }

    fn begin_audit(&mut self, is_full: bool) {
        // A full audit vouches for every record, which it can't where one can't be read.
        let may_be_full = self.plan.full_audits && self.checker.rotten.is_empty();
        let messages = self.auditor.begin(&self.town, is_full && may_be_full);
        self.send_as_client(AUDITOR, messages);
    }
}
