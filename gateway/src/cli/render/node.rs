//! Nodes and what they run.

use comfy_table::Cell;
use remit_api::{
    node::{Node, Role, State},
    time,
};

use super::{bad, between, count, good, table, text};

/// What a node runs is written out up to so many ranges.
const RANGES_MAX: usize = 8;

/// Some of them, one line each.
pub(in crate::cli) fn list(nodes: &[Node]) -> String {
    let mut table = table(["node", "state", "roles", "runs>", "which", "heard ms>", "version", "started"]);
    for node in nodes {
        let word = node.state.as_str();
        table.add_row([
            Cell::new(&node.name),
            match node.state {
                State::Live => good(word),
                State::Draining | State::Drained => between(word),
                State::Silent => bad(word),
            },
            Cell::new(roles(&node.roles)),
            Cell::new(node.runs.len()),
            Cell::new(ranges(&node.runs)),
            Cell::new(count(node.heard_ms)),
            Cell::new(&node.version),
            Cell::new(time::format(node.started_at)),
        ]);
    }
    text(&table)
}

fn roles(roles: &[Role]) -> String {
    if Role::ALL.iter().all(|role| roles.contains(role)) {
        return "all".to_owned();
    }
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

/// Names in a few words: `m0, s0-s7, s12`.
fn ranges(names: &[String]) -> String {
    let mut names: Vec<(&str, Option<u64>)> = names.iter().map(|name| split(name)).collect();
    names.sort_unstable();
    let mut ranges: Vec<(&str, Option<u64>, Option<u64>)> = Vec::new();
    for (stem, number) in names {
        match ranges.last_mut() {
            Some((before, _, last))
                if *before == stem && number.is_some() && last.and_then(|last| last.checked_add(1)) == number =>
            {
                *last = number;
            }
            _ => ranges.push((stem, number, number)),
        }
    }
    let (shown, more) = ranges.split_at(ranges.len().min(RANGES_MAX));
    let written = |(stem, first, last): &(&str, Option<u64>, Option<u64>)| match (first, last) {
        (Some(first), Some(last)) if first < last => format!("{stem}{first}-{stem}{last}"),
        (Some(first), _) => format!("{stem}{first}"),
        (None, _) => (*stem).to_owned(),
    };
    let mut parts: Vec<String> = shown.iter().map(written).collect();
    if !more.is_empty() {
        parts.push("…".to_owned());
    }
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

/// A name and the number at its end, if it is written as numbers are.
fn split(name: &str) -> (&str, Option<u64>) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    match digits.parse() {
        Ok(number) if digits == "0" || !digits.starts_with('0') => (stem, Some(number)),
        _ => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_follow_each_other_are_a_range() {
        let table: [(&[&str], &str); 7] = [
            (&[], "-"),
            (&["s0"], "s0"),
            (&["s0", "s1", "s10", "s2", "m0", "p0", "s9"], "m0, p0, s0-s2, s9-s10"),
            (&["eu-1", "eu-2", "us"], "eu-1-eu-2, us"),
            (&["s01", "s02"], "s01, s02"),
            (&["s18446744073709551615", "s18446744073709551616"], "s18446744073709551615, s18446744073709551616"),
            (&["a", "b", "c", "d", "e", "f", "g", "h", "i"], "a, b, c, d, e, f, g, h, …"),
        ];
        for (names, expected) in table {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(ranges(&names), expected);
        }
    }
}
