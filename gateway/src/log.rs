//! What a process says about itself while it works, on standard error: text for a person, JSON lines for a program.

use std::io::{IsTerminal, stderr};

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::LevelFilter,
    fmt,
    layer::{Identity, SubscriberExt as _},
    registry,
    util::SubscriberInitExt as _,
};

use crate::settings::{Log, LogFormat};

/// Starts it for the whole process. Once is enough: what comes later changes nothing.
///
/// # Panics
/// If the level is no log filter, which settings that were loaded can't hold.
pub fn start(log: &Log) {
    start_with(log, None::<Identity>);
}

/// The same, with something else that hears of all that is told at the level `info` or above.
///
/// # Panics
/// As [`start`].
pub fn start_with(log: &Log, more: Option<impl Layer<Registry> + Send + Sync>) {
    let filter = EnvFilter::try_new(&log.level).expect("a level is checked when settings are loaded");
    // A line that can't be written (its disk is full, say) is lost. To say so on the same standard error would panic, and take
    // an actor or the guardian with it.
    let lines = fmt::layer().with_writer(stderr).log_internal_errors(false);
    let registry = registry().with(more.with_filter(LevelFilter::INFO));
    let as_text = match log.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // An error means that it has been started already.
    if as_text {
        let colours = AutoStream::choice(&stderr()) != ColorChoice::Never;
        registry.with(lines.with_ansi(colours).with_filter(filter)).try_init().ok();
    } else {
        let lines = lines.json().flatten_event(true).with_span_list(false);
        registry.with(lines.with_filter(filter)).try_init().ok();
    }
}
