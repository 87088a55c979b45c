//! `remit top`: the deployment at work, on a full screen, until `q`.
//!
//! [`mod@follow`] asks through the door once a second; [`view`] is what is known at present; [`mod@draw`] makes a picture of it and does
//! nothing else; [`screen`] has the terminal and its keys, and gives it back however this ends.

mod draw;
mod follow;
mod screen;
mod view;

use std::io::{IsTerminal, stdout};

use tokio::sync::mpsc;

use self::{
    draw::draw,
    screen::{Key, Screen},
    view::View,
};
use super::{error::Error, exit::Exit, session::Session, up::Stop};
use crate::connection::connection;

/// Updates that wait to be shown; there is one for each question a second.
const UPDATES_MAX: usize = 16;

pub(super) async fn run(session: &Session) -> Result<Exit, Error> {
    if session.output().is_json() || !stdout().is_terminal() {
        let message = "`remit top` draws on a terminal, and its output is none; `remit deployment`, `remit shard list` and `remit \
                       supervision list` print the same once, with --json for programs";
        return Err(Error::Usage(message.to_owned()));
    }
    let settings = session.settings([])?.settings;
    let mut view = View::new(settings.deployment.name.clone(), connection(&settings).shown_url());
    let mut stop = Stop::listen()?;
    let (updates, mut news) = mpsc::channel(UPDATES_MAX);
    let mut following = Box::pin(follow::follow(session, updates));
    let mut screen = Screen::open().map_err(Error::Output)?;
    loop {
        screen.draw(|frame| draw(&view, frame)).map_err(Error::Output)?;
        tokio::select! {
            Some(update) = news.recv() => view.take(update),
            key = screen.key() => match key {
                Key::End => return Ok(Exit::CameTrue),
                Key::Up => view.scroll_up(),
                Key::Down => view.scroll_down(),
                Key::Other => {}
            },
            ended = &mut following => return ended.map(|()| Exit::CameTrue),
            () = stop.asked() => return Ok(Exit::CameTrue),
        }
    }
}
