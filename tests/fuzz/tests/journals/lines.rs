//! Damage to single rows of the journal, and to their values.

use remit_fuzz::choices::Choices;
use rusqlite::Connection;
use serde_json::Value;

use crate::damage::WORDS;

/// Changes one of a chunk's lines, takes it out, or puts it in another's place.
pub(crate) fn change(connection: &Connection, choices: &mut Choices<'_>) -> rusqlite::Result<()> {
    // Newer rows as often as older ones.
    let order = if choices.yes() { "DESC" } else { "ASC" };
    let at = choices.byte();
    let (last, rows): (i64, String) = connection.query_row(
        &format!(
            "SELECT last, rows FROM chunk ORDER BY last {order} LIMIT 1 OFFSET {at} % (SELECT count(*) FROM chunk)"
        ),
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut lines: Vec<String> = rows.split(",\n").map(str::to_owned).collect();
    let (one, other) = (choices.below(lines.len()), choices.below(lines.len()));
    match choices.below(8) {
        0 => drop(lines.remove(one)),
        1 => lines.swap(one, other),
        2 => lines[one] = lines[other].clone(),
        3 => lines.insert(one, lines[other].clone()),
        _ => set(&mut lines[one], choices),
    }
    connection.execute("UPDATE chunk SET rows = ? WHERE last = ?", (lines.join(",\n"), last)).map(drop)
}

/// Another value in one column.
fn set(line: &mut String, choices: &mut Choices<'_>) {
    let Ok(mut values) = serde_json::from_str::<Vec<Value>>(line) else { return };
    let place = choices.below(values.len() + 1);
    values.resize(values.len().max(place + 1), Value::Null);
    let value = &mut values[place];
    *value = match (choices.below(8), &*value) {
        (0, _) => Value::Null,
        (1, _) => (*choices.one_of(&WORDS)).into(),
        (2, Value::Number(number)) => number.as_i64().unwrap_or_default().wrapping_add(1).into(),
        (3, Value::Number(number)) => number.as_i64().unwrap_or_default().wrapping_sub(1).into(),
        (4, Value::String(text)) => format!("{text}0").into(),
        (_, Value::String(text)) => text.chars().skip(1).collect::<String>().into(),
        _ => choices.number().cast_signed().into(),
    };
    *line = serde_json::to_string(&values).expect("they are values");
}
