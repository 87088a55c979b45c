//! The layers of settings: each is read and checked by itself, then the `config` crate merges them.

use std::{collections::BTreeMap, fs, path::Path};

use config::{Config, FileFormat, Map, Source, Value, ValueKind};

use super::{
    Error, Flag, Origin, Resolved,
    rules::{CURRENCIES, Rule},
};

/// The one list of settings.
pub(super) const DEFAULTS: &str = include_str!("../../../config/default.toml");

/// What a variable of the environment that sets something begins with; the same mark parts section and key.
const PREFIX: &str = "REMIT__";
/// The variable that every Rust program takes its log filter from.
const RUST_LOG: &str = "RUST_LOG";

/// Checked values by section and name, each with its origin.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    sections: Map<String, Map<String, Value>>,
    origins: BTreeMap<String, Origin>,
}

impl Layer {
    /// Takes a value in if there is such a setting and it may be so.
    fn set(&mut self, origin: Origin, key: &str, value: Value, from_text: bool) -> Result<(), Error> {
        let rule = match Rule::of(key) {
            Ok(rule) => rule,
            Err(known) => return Err(Error::UnknownKey { origin, key: key.into(), known }),
        };
        let Some(kind) = rule.accept(&value.kind, from_text) else {
            let (found, allowed) = (rule.describe(&value), rule.to_string());
            return Err(Error::NotAllowed { origin, key: key.into(), found, allowed });
        };
        let (section, name) = key.split_once('.').expect("every key that has a rule has a section");
        let value = Value::new(Some(&origin.to_string()), kind);
        self.sections.entry(section.into()).or_default().insert(name.into(), value);
        self.origins.insert(key.into(), origin);
        Ok(())
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.sections.iter().map(|(section, values)| (section.clone(), values.clone().into())).collect())
    }
}

/// The list that is compiled in.
pub(super) fn compiled_in() -> Result<Layer, Error> {
    let mut layer = toml(DEFAULTS, &Origin::Default)?;
    // It has no default entries, but it is there.
    layer.sections.entry(CURRENCIES.into()).or_default();
    Ok(layer)
}

/// A settings file.
pub(super) fn file(path: &Path) -> Result<Layer, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.into(), source })?;
    toml(&text, &Origin::File(path.into()))
}

fn toml(text: &str, origin: &Origin) -> Result<Layer, Error> {
    let tables = config::File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|source| Error::Syntax { origin: origin.clone(), source: source.into() })?;
    let mut layer = Layer::default();
    for (section, value) in tables {
        match value.kind {
            ValueKind::Table(values) => {
                for (name, value) in values {
                    layer.set(origin.clone(), &format!("{section}.{name}"), value, false)?;
                }
            }
            // Outside any section, where no setting is.
            _ => layer.set(origin.clone(), &section, value, false)?,
        }
    }
    Ok(layer)
}

/// What the environment sets: `REMIT__SECTION__KEY`, and `RUST_LOG` over `REMIT__LOG__LEVEL`.
pub(super) fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Result<Layer, Error> {
    let mut layer = Layer::default();
    let mut rust_log = None;
    for (variable, value) in variables {
        if variable == RUST_LOG && !value.is_empty() {
            rust_log = Some(value);
        } else if let Some(rest) = variable.strip_prefix(PREFIX) {
            let (section, name) = rest.split_once("__").unwrap_or((rest, ""));
            let section = section.to_lowercase();
            let name = if section == CURRENCIES { name.into() } else { name.to_lowercase() };
            let key = if name.is_empty() { section } else { format!("{section}.{name}") };
            layer.set(Origin::Environment(variable), &key, value.into(), true)?;
        }
    }
    if let Some(filter) = rust_log {
        layer.set(Origin::Environment(RUST_LOG.into()), "log.level", filter.into(), true)?;
    }
    Ok(layer)
}

/// What flags set.
pub(super) fn flags(flags: impl IntoIterator<Item = Flag>) -> Result<Layer, Error> {
    let mut layer = Layer::default();
    for Flag { name, key, value } in flags {
        layer.set(Origin::Flag(name), &key, value.into(), true)?;
    }
    Ok(layer)
}

/// Puts each layer over the ones before it.
pub(super) fn merge(layers: Vec<Layer>) -> Result<Resolved, Error> {
    let mut origins = BTreeMap::new();
    let mut builder = Config::builder();
    for layer in layers {
        origins.extend(layer.origins.clone());
        builder = builder.add_source(layer);
    }
    let settings = builder.build().and_then(Config::try_deserialize).map_err(|source| Error::Misfit(source.into()))?;
    Ok(Resolved { settings, origins })
}
