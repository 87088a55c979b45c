//! How answers look to a person. Every function here makes a text of a body and does nothing else; colours stand in it, and
//! are taken out where no terminal reads it.

pub(super) mod account;
pub(super) mod audit;
pub(super) mod deployment;
pub(super) mod node;
pub(super) mod projection;
pub(super) mod shard;
pub(super) mod story;
pub(super) mod supervision;
pub(super) mod totals;
pub(super) mod transfer;

#[cfg(test)]
mod tests;

use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, presets::NOTHING};

/// A table under a header; columns whose header ends in `>` stand to the right, as numbers do.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = plain_table();
    table.set_header(header.map(|name| Cell::new(name.trim_end_matches('>')).add_attribute(Attribute::Bold)));
    for (at, name) in header.iter().enumerate() {
        let column = table.column_mut(at).expect("a header makes its columns");
        column.set_padding((0, 2));
        if name.ends_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// One thing: a line for each of its fields.
pub(super) fn card<const N: usize>(fields: [(&str, Cell); N]) -> String {
    let mut table = plain_table();
    for (name, value) in fields {
        table.add_row([Cell::new(name).add_attribute(Attribute::Bold), value]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    text(&table)
}

/// Without lines; its colours are there whether or not a terminal reads it, since whoever prints it takes them out.
fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).enforce_styling().style_text_only();
    table
}

/// The lines of a table, without the blanks at their ends.
pub(super) fn text(table: &Table) -> String {
    table.trim_fmt()
}

/// A word for something good, bad, or in between.
pub(super) fn good(word: &str) -> Cell {
    Cell::new(word).fg(Color::Green)
}

pub(super) fn bad(word: &str) -> Cell {
    Cell::new(word).fg(Color::Red)
}

pub(super) fn between(word: &str) -> Cell {
    Cell::new(word).fg(Color::Yellow)
}

/// What may be missing.
pub(super) fn or_dash(text: Option<impl ToString>) -> Cell {
    text.map_or_else(|| Cell::new("-"), Cell::new)
}

/// A count as people write it: `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// To a hundredth: no figure here is known any better.
pub(super) fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// A count, to be divided.
#[allow(clippy::cast_precision_loss, reason = "a figure for a person")]
pub(super) fn as_f64(number: u64) -> f64 {
    number as f64
}
