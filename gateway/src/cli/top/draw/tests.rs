use ratatui::{Terminal, backend::TestBackend, style::Color};
use serde_json::json;

use super::{
    super::view::{Question, Update, View},
    draw,
};

fn deployment() -> Update {
    let body = json!({
        "name": "shop", "id": "0190a1b2-c3d4-4e5f-8a9b-0c1d2e3f4a5b", "shards": 2, "managers": 1,
        "placement": "fnv1a64-folded", "currencies": [{"code": "GOLD", "decimals": 3}],
        "versions": {"remit": "0.1.0", "format": 1},
        "totals": {"transfers_per_s": 21_500, "open": 12, "overdue": 1, "parked": 0, "in_transit": [
            {"currency": "EUR", "amount": 1_050}, {"currency": "GOLD", "amount": 7}, {"currency": "USD", "amount": 0}]},
    });
    Update::Deployment(serde_json::from_value(body).unwrap())
}

fn shards() -> Update {
    let shard = |id: &str, role: &str, state: &str, restarts: u64, queue: u64| {
        json!({"id": id, "role": role, "node": "node-1", "epoch": 3 + restarts, "state": state, "store": "sqlite",
               "queue_depth": queue, "restarts": restarts})
    };
    let shards = [
        shard("m0", "manager", "up", 0, 1_234),
        shard("s0", "shard", "up", 2, 0),
        shard("s1", "shard", "restarting", 1, 0),
    ];
    Update::Shards(serde_json::from_value(json!({ "shards": shards })).unwrap())
}

fn events() -> Update {
    let event = |second: u64, actor: &str, event: &str, reason: Option<&str>| {
        json!({"at": format!("2026-11-22T22:50:{second:02}.000Z"), "event": event, "node": "node-1", "actor": actor,
               "epoch": 4, "generation": 1, "reason": reason})
    };
    let mut recovered = event(2, "s0", "recovered", None);
    (recovered["open"], recovered["took_ms"]) = (12.into(), 7.into());
    let mut restarting = event(3, "s1", "restarting", None);
    (restarting["attempt"], restarting["delay_ms"]) = (1.into(), 180.into());
    let events = [
        event(1, "s0", "failed", Some("panicked: killed")),
        recovered,
        event(3, "s1", "failed", Some("vanished")),
        restarting,
    ];
    Update::Events(serde_json::from_value(json!({ "events": events })).unwrap())
}

/// A screen of this view.
fn drawn(view: &View, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(view, frame)).unwrap();
    terminal.backend().clone()
}

fn text(screen: &TestBackend) -> String {
    let buffer = screen.buffer();
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    let lines: Vec<String> = (0..buffer.area.height).map(line).collect();
    format!("\n{}\n", lines.join("\n"))
}

fn view() -> View {
    View::new("shop".to_owned(), "nats://127.0.0.1:4222".to_owned())
}

#[test]
fn a_deployment_at_work() {
    let mut view = view();
    for update in [deployment(), shards(), events()] {
        view.take(update);
    }
    let screen = drawn(&view, 100, 15);
    let expected = "
Remit  deployment shop  broker nats://127.0.0.1:4222
transfers/s 21,500  open 12  overdue 1  parked 0
in transit 10.50 EUR, 0.007 GOLD

actor    role      node         state         epoch restarts     queue last failure
s1       shard     node-1       restarting        4        1         0 22:50:03 vanished
m0       manager   node-1       up                3        0     1,234
s0       shard     node-1       up                5        2         0 22:50:01 panicked: killed

what became of the actors
22:50:01  s0       failed      panicked: killed
22:50:02  s0       recovered   12 open, took 7 ms
22:50:03  s1       failed      vanished
22:50:03  s1       restarting  attempt 1, in 180 ms
q ends it, up and down move through the actors
";
    assert_eq!(text(&screen), expected, "\n--- it is now:{}", text(&screen));
    let colour_at = |x, y| screen.buffer()[(x, y)].fg;
    assert_eq!([colour_at(32, 5), colour_at(32, 6)], [Color::Yellow, Color::Green], "restarting, up");
    assert_eq!([colour_at(19, 10), colour_at(19, 11)], [Color::Red, Color::Green], "failed, recovered");
}

#[test]
fn who_is_passed_over_makes_room() {
    let mut view = view();
    view.take(shards());
    (0..9).for_each(|_| view.scroll_down());
    assert_eq!(view.passed, 2, "the last one stays");
    view.scroll_up();
    let shown = text(&drawn(&view, 100, 15));
    assert!(shown.contains("m0  ") && shown.contains("s0  ") && !shown.contains("s1  "), "{shown}");
}

#[test]
fn a_broker_that_is_away_is_said_and_what_was_known_stays() {
    let mut view = view();
    view.take(Update::Unanswered(Question::Broker, "nobody answers at nats://127.0.0.1:4222".to_owned()));
    let screen = drawn(&view, 100, 15);
    let shown = text(&screen);
    assert!(shown.contains("asking…"), "{shown}");
    assert!(shown.contains("\nwhat is shown may be old: nobody answers at nats://127.0.0.1:4222\n"), "{shown}");
    assert_eq!(screen.buffer()[(0, 3)].fg, Color::Red);
    view.take(deployment());
    assert!(!text(&drawn(&view, 100, 15)).contains("may be old"));

    view.take(Update::Unanswered(Question::Deployment, "m0 did not answer".to_owned()));
    view.take(shards());
    let shown = text(&drawn(&view, 100, 15));
    assert!(shown.contains("may be old: m0 did not answer") && shown.contains("transfers/s 21,500"), "{shown}");
    view.take(deployment());
    assert!(!text(&drawn(&view, 100, 15)).contains("may be old"));
}

#[test]
fn a_screen_that_is_too_small_is_no_reason_to_panic() {
    let mut view = view();
    for update in [deployment(), shards(), events()] {
        view.take(update);
    }
    for (width, height) in [(1, 1), (3, 40), (200, 2), (20, 5)] {
        drawn(&view, width, height);
    }
}
