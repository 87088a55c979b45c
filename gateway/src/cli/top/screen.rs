//! The terminal: taken whole, and given back however this ends.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};
use tokio::sync::mpsc::{Receiver, channel};

/// How often the thread that waits for keys looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);
/// Keys that wait; who holds one down loses the rest.
const KEYS_MAX: usize = 64;

/// A key, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    End,
    Up,
    Down,
    /// Any other, or another size of the screen.
    Other,
}

/// The terminal, until it is dropped. A panic gives it back as well, before it says what it has to say.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    keys: Receiver<Key>,
    is_over: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn open() -> io::Result<Self> {
        let (send, keys) = channel(KEYS_MAX);
        let is_over = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&is_over);
        let screen = Self { terminal: ratatui::try_init()?, keys, is_over };
        thread::Builder::new().name("keys".into()).spawn(move || {
            while !watched.load(Relaxed) {
                let key = match event::poll(LOOK) {
                    Ok(false) => continue,
                    Ok(true) => event::read().map(read),
                    Err(error) => Err(error),
                };
                // A terminal without keys is one that has gone.
                send.try_send(key.unwrap_or(Key::End)).ok();
            }
        })?;
        Ok(screen)
    }

    /// Draws on it.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }

    /// The next key.
    pub(super) async fn key(&mut self) -> Key {
        self.keys.recv().await.unwrap_or(Key::End)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        // A terminal that is gone needs nothing back.
        ratatui::try_restore().ok();
    }
}

fn read(event: Event) -> Key {
    let Event::Key(key) = event else { return Key::Other };
    match key.code {
        _ if key.kind == KeyEventKind::Release => Key::Other,
        KeyCode::Char('q') => Key::End,
        // Here Ctrl-C is a key like any other.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Key::End,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        _ => Key::Other,
    }
}
