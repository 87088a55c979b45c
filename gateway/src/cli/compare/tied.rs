//! Money that is held or in transit, over time.
//!
//! A unit of money is tied up from the moment that its payer can't spend it any more until its payee can. How much there is of it
//! at a moment is what outgoing holds reserve and what the in-transit accounts hold, over all shards; an incoming hold is the other
//! end of the same unit. By Little's law, that amount summed up over time and divided by all the money that arrived is the mean
//! time that a unit was tied up.

use std::{convert::Infallible, time::Duration};

use remit_actors::guardian::ChildStatus;
use tokio::time::{Instant, sleep};

use crate::node::Node;

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(5);

/// An amount summed up over time, from samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Integral {
    last: Option<(Duration, f64)>,
    sum: f64,
}

impl Integral {
    /// Takes a sample; between two of them the amount is taken to have changed evenly.
    pub(super) fn sample(&mut self, at: Duration, amount: f64) {
        if let Some((before, was)) = self.last.replace((at, amount)) {
            self.sum += at.saturating_sub(before).as_secs_f64() * f64::midpoint(was, amount);
        }
    }

    /// The mean time, in seconds, that each unit of so much money was part of the amount.
    pub(super) fn seconds_of(self, money: i64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a figure for a person")]
        let money = money as f64;
        if money > 0.0 { self.sum / money } else { 0.0 }
    }
}

/// Takes samples of a node from `begin` on, for as long as it is let.
pub(super) async fn watch(node: &Node, begin: Instant, integral: &mut Integral) -> Infallible {
    loop {
        integral.sample(begin.elapsed(), tied(&node.actors()));
        sleep(EVERY).await;
    }
}

/// How much is held or in transit at this moment, in minor units.
fn tied(actors: &[ChildStatus]) -> f64 {
    let totals = actors.iter().flat_map(|actor| &actor.position.totals);
    let tied: i128 = totals.map(|(_, transit)| i128::from(transit.balance) + transit.held).sum();
    #[allow(clippy::cast_precision_loss, reason = "a figure for a person")]
    let tied = tied as f64;
    tied
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integral(samples: &[(u64, f64)]) -> Integral {
        let mut integral = Integral::default();
        samples.iter().for_each(|(ms, amount)| integral.sample(Duration::from_millis(*ms), *amount));
        integral
    }

    #[test]
    fn what_is_there_for_a_second_counts_for_a_second_however_often_it_is_looked_at() {
        assert_eq!(integral(&[]).seconds_of(10), 0.0);
        assert_eq!(integral(&[(500, 10.0)]).seconds_of(10), 0.0);
        assert_eq!(integral(&[(0, 10.0), (1_000, 10.0)]).seconds_of(10), 1.0);
        assert_eq!(integral(&[(0, 10.0), (250, 10.0), (1_000, 10.0)]).seconds_of(10), 1.0);
        assert_eq!(integral(&[(0, 0.0), (1_000, 10.0), (2_000, 0.0)]).seconds_of(10), 1.0);
        assert_eq!(integral(&[(0, 10.0), (4_000, 10.0)]).seconds_of(20), 2.0, "half of it for four seconds");
    }

    #[test]
    fn where_nothing_arrived_nothing_is_said() {
        assert_eq!(integral(&[(0, 10.0), (1_000, 10.0)]).seconds_of(0), 0.0);
    }
}
