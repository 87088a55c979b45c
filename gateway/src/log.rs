//! What a process says about itself while it works, on standard error: text for a person, JSON lines for a program.

use std::io::{IsTerminal, stderr};

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::{Log, LogFormat};

/// Starts it for the whole process. Once is enough: what comes later changes nothing.
///
/// # Panics
/// If the level is no log filter, which settings that were loaded can't hold.
pub fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).expect("a level is checked when settings are loaded");
    // A line that can't be written (its disk is full, say) is lost. To say so on the same standard error would panic, and take
    // an actor or the guardian with it.
    let lines = fmt().with_env_filter(filter).with_writer(stderr).log_internal_errors(false);
    let as_text = match log.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // An error means that it has been started already.
    if as_text {
        let colours = AutoStream::choice(&stderr()) != ColorChoice::Never;
        lines.with_ansi(colours).try_init().ok();
    } else {
        lines.json().flatten_event(true).with_span_list(false).try_init().ok();
    }
}
