//! What `remit config show` prints: every setting with its value and its origin, secrets hidden.

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;
use serde_json::Value;

use super::Resolved;

/// One setting as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// `section.name`.
    pub key: String,
    /// Its value; a secret is hidden.
    pub value: Value,
    /// Where it was written: `default`, `file …`, `environment …` or `flag …`.
    pub origin: String,
}

impl Resolved {
    /// Every setting, sorted by key: the JSON of `remit config show --json`.
    ///
    /// # Panics
    /// If a setting is no plain value, which no field is.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let tree = serde_json::to_value(&self.settings).expect("settings are plain values");
        let value = |key: &str| key.split('.').try_fold(&tree, |at, name| at.get(name)).cloned();
        self.origins
            .iter()
            .map(|(key, origin)| Shown {
                key: key.clone(),
                value: value(key).expect("every origin is that of a value"),
                origin: origin.to_string(),
            })
            .collect()
    }

    /// The same as a table for a person.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(["setting", "value", "from"]);
        for Shown { key, value, origin } in self.shown() {
            table.add_row([key, value.to_string(), origin]);
        }
        table
    }
}
