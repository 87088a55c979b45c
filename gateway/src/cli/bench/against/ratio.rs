//! How many times what PostgreSQL does. Figures drift from round to round, so what is compared is of one round, and the median
//! of these ratios is what is said.

use comfy_table::Cell;
use remit_core::protocol::Protocol;
use serde::Serialize;

use super::two_phase::Form;
use crate::cli::render::{self, hundredths};

/// One figure of Remit's and of PostgreSQL's, in each round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    pub(super) fn push(&mut self, remit: f64, postgres: f64) {
        self.0.push((remit, postgres));
    }

    fn summary(&self) -> Summary {
        let ratio_by_round: Vec<f64> = self.0.iter().map(|(remit, postgres)| remit / postgres).collect();
        Summary {
            remit: hundredths(median(self.0.iter().map(|pair| pair.0))),
            postgres: hundredths(median(self.0.iter().map(|pair| pair.1))),
            ratio: hundredths(median(ratio_by_round.iter().copied())),
            ratio_by_round: ratio_by_round.into_iter().map(hundredths).collect(),
        }
    }
}

/// The medians of all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Summary {
    remit: f64,
    postgres: f64,
    /// Of Remit's to PostgreSQL's; not that of the medians.
    ratio: f64,
    ratio_by_round: Vec<f64>,
}

/// One protocol beside one form.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) protocol: Protocol,
    pub(super) form: Form,
    /// PostgreSQL's number of clients: that at which it does most.
    pub(super) clients: u64,
    pub(super) transfers_per_s: Pairs,
    /// PostgreSQL's number of clients where the time of one transfer is compared.
    pub(super) p50_clients: u64,
    pub(super) p50_ms: Pairs,
}

impl Comparison {
    /// Before the first round.
    pub(super) fn new(protocol: Protocol, form: Form, clients: u64, p50_clients: u64) -> Self {
        let (transfers_per_s, p50_ms) = (Pairs::default(), Pairs::default());
        Self { protocol, form, clients, transfers_per_s, p50_clients, p50_ms }
    }
}

/// All comparisons, as a line for programs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    against: &'static str,
    rounds: u64,
    ratios: Vec<Ratio>,
}

#[derive(Clone, Debug, Serialize)]
struct Ratio {
    protocol: Protocol,
    form: Form,
    clients: u64,
    transfers_per_s: Summary,
    p50_clients: u64,
    p50_ms: Summary,
}

impl Verdict {
    pub(super) fn new(rounds: u64, comparisons: &[Comparison]) -> Self {
        let ratio = |comparison: &Comparison| Ratio {
            protocol: comparison.protocol,
            form: comparison.form,
            clients: comparison.clients,
            transfers_per_s: comparison.transfers_per_s.summary(),
            p50_clients: comparison.p50_clients,
            p50_ms: comparison.p50_ms.summary(),
        };
        Self { against: "postgres", rounds, ratios: comparisons.iter().map(ratio).collect() }
    }
}

/// For each comparison, a row for each round and one for the medians. `batch`: transfers in one request of Remit's.
pub(super) fn table(comparisons: &[Comparison], batch: u64) -> String {
    let mut table = render::table([
        "protocol",
        "against",
        "round>",
        "transfers/s>",
        "PostgreSQL's>",
        "times>",
        "p50 ms>",
        "PostgreSQL's>",
        "times>",
    ]);
    for Comparison { protocol, form, transfers_per_s, p50_ms, .. } in comparisons {
        let mut row = |round: String, speed: [f64; 3], time: [f64; 3]| {
            let mut row = vec![Cell::new(protocol), Cell::new(form.as_str()), Cell::new(round)];
            row.extend(speed[..2].iter().map(|figure| Cell::new(format!("{figure:.0}"))));
            row.push(Cell::new(format!("{:.2}", speed[2])));
            row.extend(time.map(|figure| Cell::new(format!("{figure:.2}"))));
            table.add_row(row);
        };
        for (round, (speed, time)) in (1..).zip(transfers_per_s.0.iter().zip(&p50_ms.0)) {
            let with_ratio = |(remit, postgres): (f64, f64)| [remit, postgres, remit / postgres];
            row(format!("{round}"), with_ratio(*speed), with_ratio(*time));
        }
        let of = |summary: Summary| [summary.remit, summary.postgres, summary.ratio];
        row("median".to_owned(), of(transfers_per_s.summary()), of(p50_ms.summary()));
    }
    format!("{}\n({})", render::text(&table), remark(comparisons, batch))
}

fn remark(comparisons: &[Comparison], batch: u64) -> String {
    let mut clients: Vec<String> = Vec::new();
    for Comparison { form, clients: number, .. } in comparisons {
        let one = format!("{number} ({})", form.as_str());
        if !clients.contains(&one) {
            clients.push(one);
        }
    }
    let p50_clients = comparisons.first().map_or(1, |comparison| comparison.p50_clients);
    let request =
        if batch == 1 { String::new() } else { format!(", and Remit's is that of a request of {batch} transfers") };
    format!(
        "times: Remit's figure divided by PostgreSQL's, and last the median of these. Clients of PostgreSQL's: {}; for p50 \
         {p50_clients}{request}",
        clients.join(" and ")
    )
}

/// The middle one, or the mean of the two in the middle; 0 of none.
fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        even if even.is_multiple_of(2) => f64::midpoint(sorted[half - 1], sorted[half]),
        _ => sorted[half],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(f64, f64)]) -> Pairs {
        Pairs(pairs.to_vec())
    }

    #[test]
    fn the_median_is_the_middle_one_or_between_the_two_in_the_middle() {
        for (numbers, expected) in
            [(vec![], 0.0), (vec![7.0], 7.0), (vec![9.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 100.0, 2.0], 3.0)]
        {
            assert_eq!(median(numbers.iter().copied()), expected, "{numbers:?}");
        }
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_ratios_and_not_that_of_the_medians() {
        // The machine was half as fast in the second round, for both.
        let summary = pairs(&[(90_000.0, 3_000.0), (45_000.0, 1_500.0), (64_000.0, 3_200.0)]).summary();
        assert_eq!(summary.ratio_by_round, [30.0, 30.0, 20.0]);
        assert_eq!((summary.ratio, summary.remit, summary.postgres), (30.0, 64_000.0, 3_000.0));
    }

    #[test]
    fn a_person_sees_each_round_and_the_medians() {
        let comparison = Comparison {
            protocol: Protocol::default(),
            form: Form::Fastest,
            clients: 32,
            transfers_per_s: pairs(&[(90_000.0, 3_000.0), (40_000.0, 2_000.0)]),
            p50_clients: 1,
            p50_ms: pairs(&[(0.5, 1.0), (0.8, 1.0)]),
        };
        let text = anstream::adapter::strip_str(&table(&[comparison], 1)).to_string();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["saga", "fastest", "1", "90000", "3000", "30.00", "0.50", "1.00", "0.50"]);
        assert_eq!(rows[2], ["saga", "fastest", "2", "40000", "2000", "20.00", "0.80", "1.00", "0.80"]);
        assert_eq!(rows[3], ["saga", "fastest", "median", "65000", "2500", "25.00", "0.65", "1.00", "0.65"]);
        assert!(text.ends_with("Clients of PostgreSQL's: 32 (fastest); for p50 1)"), "{text}");
    }
}
