//! Progress on standard error, where a person watches a terminal; nothing anywhere else.

use std::{
    fmt::Write,
    io::{IsTerminal, stderr},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How often it is drawn, at most, each second; more only costs time.
const DRAWN_EACH_SECOND: u8 = 10;
const TEMPLATE: &str = "{msg:>10} [{bar:40}] {human_pos} of {human_len}, {rate}/s, {eta} left";

/// A bar for so many of `what`; its length is set by whoever knows it.
pub(in crate::cli) fn bar(what: &str) -> ProgressBar {
    let target = if stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(DRAWN_EACH_SECOND)
    } else {
        ProgressDrawTarget::hidden()
    };
    // What can't be written is not shown.
    let rate = |state: &ProgressState, to: &mut dyn Write| write!(to, "{:.0}", state.per_sec()).unwrap_or(());
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is right");
    let style = style.with_key("rate", rate).progress_chars("=> ");
    ProgressBar::with_draw_target(None, target).with_style(style).with_message(what.to_owned())
}
