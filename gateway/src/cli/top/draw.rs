//! A picture of what is known: a view in, a screen out, and nothing else.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span, Text},
    widgets::{Cell, Paragraph, Row, Table},
};
use remit_api::{deployment::Totals, shard::Shard, supervision::Event, time};

use super::view::View;
use crate::cli::render::{count, supervision::what};

/// The lines of the header.
const HEADER_LINES: u16 = 4;
/// Of the screen's lines, one in so many is for events.
const EVENTS_PART: u16 = 3;

/// Draws it all.
pub(super) fn draw(view: &View, frame: &mut Frame<'_>) {
    let events = (frame.area().height / EVENTS_PART).max(3);
    let parts =
        [Constraint::Length(HEADER_LINES), Constraint::Fill(1), Constraint::Length(events), Constraint::Length(1)];
    let [header, actors, events, footer] = Layout::vertical(parts).areas(frame.area());
    draw_header(view, frame, header);
    draw_actors(view, frame, actors);
    draw_events(view, frame, events);
    frame.render_widget(Paragraph::new("q ends it, up and down move through the actors").style(faint()), footer);
}

fn draw_header(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let first = Line::from(vec![
        Span::styled("Remit", bold()),
        format!("  deployment {}  broker {}", view.name, view.broker).into(),
    ]);
    let totals = view.deployment.as_ref().map(|deployment| &deployment.totals);
    let numbers = totals.map_or_else(|| Line::from("asking…"), numbers);
    let transit = totals.map_or_else(String::new, |totals| transit(totals, view));
    let old = view.unanswered.values().next().map(|why| format!("what is shown may be old: {why}"));
    let old = Line::styled(old.unwrap_or_default(), Color::Red);
    frame.render_widget(Paragraph::new(vec![first, numbers, transit.into(), old]), area);
}

fn numbers(totals: &Totals) -> Line<'_> {
    let alarming = |number: u64, colour| if number == 0 { Style::new() } else { Style::new().fg(colour) };
    Line::from(vec![
        format!("transfers/s {}  open {}  ", count(totals.transfers_per_s), count(totals.open)).into(),
        Span::styled(format!("overdue {}", count(totals.overdue)), alarming(totals.overdue, Color::Yellow)),
        "  ".into(),
        Span::styled(format!("parked {}", count(totals.parked)), alarming(totals.parked, Color::Red)),
    ])
}

fn transit(totals: &Totals, view: &View) -> String {
    let moving = totals.in_transit.iter().filter(|part| part.amount != 0);
    let moving: Vec<String> = moving
        .map(|part| format!("{} {}", view.currencies.format(part.amount, part.currency), part.currency))
        .collect();
    format!("in transit {}", if moving.is_empty() { "nothing".to_owned() } else { moving.join(", ") })
}

fn draw_actors(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let words = ["actor", "role", "node", "state"].map(Cell::from);
    let numbers = ["epoch", "restarts", "queue"].map(|name| number(name.to_owned()));
    let header = words.into_iter().chain(numbers).chain([Cell::from("last failure")]);
    let widths = [
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(12),
        Constraint::Length(11),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Fill(1),
    ];
    let rows = view.shards.iter().skip(view.passed).map(|shard| actor(shard, view.failures.get(&shard.id)));
    let table = Table::new(rows, widths).header(Row::new(header).style(bold())).column_spacing(1);
    frame.render_widget(table, area);
}

fn actor<'a>(shard: &'a Shard, failure: Option<&Event>) -> Row<'a> {
    let colour = match shard.state.as_str() {
        "up" => Color::Green,
        "starting" | "restarting" => Color::Yellow,
        _ => Color::Red,
    };
    let failure = failure.map_or_else(String::new, |event| format!("{} {}", time_of_day(event), what(event)));
    Row::new([
        Cell::from(shard.id.as_str()),
        Cell::from(shard.role.as_str()),
        Cell::from(shard.node.as_str()),
        Cell::from(Span::styled(shard.state.as_str(), colour)),
        number(shard.epoch.0.to_string()),
        number(count(shard.restarts)),
        number(count(shard.queue_depth)),
        Cell::from(failure),
    ])
}

/// Numbers stand to the right.
fn number(text: String) -> Cell<'static> {
    Cell::from(Text::from(text).right_aligned())
}

fn draw_events(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let room = usize::from(area.height.saturating_sub(1));
    let newest = view.events.iter().skip(view.events.len().saturating_sub(room));
    let lines = [Line::styled("what became of the actors", bold())].into_iter().chain(newest.map(event));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

fn event(event: &Event) -> Line<'_> {
    let colour = match event.event.as_str() {
        "recovered" | "unstuck" => Color::Green,
        "restarting" => Color::Yellow,
        "failed" | "quarantined" | "lease_lost" | "stuck" => Color::Red,
        _ => Color::Reset,
    };
    Line::from(vec![
        format!("{}  {:<8} ", time_of_day(event), event.actor).into(),
        Span::styled(format!("{:<11} ", event.event), colour),
        what(event).into(),
    ])
}

/// The time of day, to the second, in UTC as everywhere.
fn time_of_day(event: &Event) -> String {
    let whole = time::format(event.at);
    whole.split_once('T').map_or(whole.clone(), |(_, time)| time.chars().take(8).collect())
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

#[cfg(test)]
mod tests;
