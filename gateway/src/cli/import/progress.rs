//! Progress on standard error, where a person watches a terminal; nothing anywhere else.

use std::{
    fmt::Write,
    io::{IsTerminal, stderr},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How often it is drawn, at most, each second; more only costs time.
const DRAWN_EACH_SECOND: u8 = 10;
const COUNTER_TEMPLATE: &str = "{human_pos} {msg}, {elapsed}";
const TEMPLATE: &str = "{msg:>10} [{bar:40}] {human_pos} of {human_len}, {rate}/s, {eta} left";

/// A bar for so many of `what`; its length is set by whoever knows it.
pub(in crate::cli) fn bar(what: &str) -> ProgressBar {
    // What can't be written is not shown.
    let rate = |state: &ProgressState, to: &mut dyn Write| write!(to, "{:.0}", state.per_sec()).unwrap_or(());
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is right");
    let style = style.with_key("rate", rate).progress_chars("=> ");
    ProgressBar::with_draw_target(None, target()).with_style(style).with_message(what.to_owned())
}

/// A line that counts `what`, of which nobody knows how many there are.
pub(in crate::cli) fn counter(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(COUNTER_TEMPLATE).expect("the template is right");
    ProgressBar::with_draw_target(None, target()).with_style(style).with_message(what.to_owned())
}

/// Nothing, where it would be drawn into what is printed.
pub(in crate::cli) fn nothing() -> ProgressBar {
    ProgressBar::hidden()
}

fn target() -> ProgressDrawTarget {
    if stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(DRAWN_EACH_SECOND)
    } else {
        ProgressDrawTarget::hidden()
    }
}
