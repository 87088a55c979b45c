//! A step as the contract has it.

use remit_actors::supervision::{Event, Step};
use remit_api::supervision::Event as Body;

/// The body of an event.
pub(super) fn of(event: &Event) -> Body {
    let Event { at, node, actor, generation, epoch, step } = event;
    let base = Body {
        at: *at,
        event: step.as_str().to_owned(),
        node: node.clone(),
        actor: actor.clone(),
        epoch: *epoch,
        generation: *generation,
        ..Body::default()
    };
    match step {
        Step::Started | Step::LeaseWon | Step::LeaseLost | Step::Unstuck | Step::InTime | Step::Drained => base,
        Step::Recovered { open, took_ms } => Body { open: Some(*open), took_ms: Some(*took_ms), ..base },
        Step::Failed { how, why, in_hand } => {
            Body { reason: Some(why.clone()), how: Some(how.as_str().to_owned()), transfer: in_hand.clone(), ..base }
        }
        Step::Restarting { attempt, delay_ms } => Body { attempt: Some(*attempt), delay_ms: Some(*delay_ms), ..base },
        Step::Quarantined { why, retry_ms } => Body { reason: Some(why.clone()), delay_ms: Some(*retry_ms), ..base },
        Step::Overdue { transfers } => Body { overdue: Some(*transfers), ..base },
        Step::Stuck { turn_ms } => Body { turn_ms: Some(*turn_ms), ..base },
    }
}

#[cfg(test)]
mod tests {
    use remit_actors::supervision::How;
    use remit_core::id::{Epoch, Time};

    use super::*;

    #[test]
    fn each_step_is_one_flat_object() {
        let (why, in_hand) = ("panicked: killed".to_owned(), Some("0199c0de".to_owned()));
        let table = [
            (Step::Started, "started", r#""reason":null"#),
            (Step::LeaseWon, "lease_won", r#""reason":null"#),
            (Step::Recovered { open: 12, took_ms: 7 }, "recovered", r#""reason":null,"open":12,"took_ms":7"#),
            (
                Step::Failed { how: How::Panicked, why: why.clone(), in_hand },
                "failed",
                r#""reason":"panicked: killed","how":"panicked","transfer":"0199c0de""#,
            ),
            (Step::LeaseLost, "lease_lost", r#""reason":null"#),
            (
                Step::Restarting { attempt: 2, delay_ms: 400 },
                "restarting",
                r#""reason":null,"attempt":2,"delay_ms":400"#,
            ),
            (
                Step::Quarantined { why, retry_ms: 60_000 },
                "quarantined",
                r#""reason":"panicked: killed","delay_ms":60000"#,
            ),
            (Step::Stuck { turn_ms: 10_001 }, "stuck", r#""reason":null,"turn_ms":10001"#),
            (Step::Unstuck, "unstuck", r#""reason":null"#),
            (Step::Overdue { transfers: 3 }, "overdue", r#""reason":null,"overdue":3"#),
            (Step::InTime, "in_time", r#""reason":null"#),
            (Step::Drained, "drained", r#""reason":null"#),
        ];
        for (step, word, rest) in table {
            let event = Event {
                at: Time(1_795_387_800_007),
                node: "node-1".into(),
                actor: "s0".into(),
                generation: 3,
                epoch: Some(Epoch(4)),
                step,
            };
            let expected = format!(
                r#"{{"at":"2026-11-22T22:50:00.007Z","event":"{word}","node":"node-1","actor":"s0","epoch":4,"generation":3,{rest}}}"#
            );
            assert_eq!(serde_json::to_string(&of(&event)).unwrap(), expected);
        }
    }
}
