//! What actix 0.13 does, as far as the actors here rely on it or had to be built around it. An upgrade that changes a fact
//! fails here first, by its name.

mod endings;
mod mailbox;
mod supervisor;
mod teller;
mod threads;
