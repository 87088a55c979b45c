//! The contract at the doors, shared by the server behind each door and by whoever calls it: the command line, the load
//! generator, tests.
//!
//! One vocabulary serves all doors: a JSON body means the same behind each. Requests are read strictly (an unknown field,
//! a wrong type, a value out of range is refused, with the field named); answers are read leniently, since the contract
//! grows by adding. Read it in this order:
//!
//! 1. [`endpoint`]: every verb, and its subject;
//! 2. [`account`], [`submit`], [`batch`], [`transfer`], [`story`], [`totals`], [`projection`], [`audit`], [`shard`],
//!    [`node`], [`supervision`], [`deployment`]: the bodies, a noun a file;
//! 3. [`error`]: what is answered instead;
//! 4. [`body`]: reading a request, and finding out which field was wrong;
//! 5. [`units`], [`time`], [`day`], [`number`], [`id`]: how single values look in JSON; [`page`]: how long lists are cut;
//!    [`fresh`]: how new an answer must be;
//! 6. [`currency`]: which currencies there are; [`human`]: amounts as a person writes them;
//! 7. [`connect`] and [`client`]: calling a deployment over NATS; [`following`]: its events as they come.

pub mod account;
mod answer;
pub mod audit;
pub mod batch;
pub mod body;
pub mod client;
pub mod connect;
pub mod currency;
pub mod day;
pub mod deployment;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod following;
pub mod fresh;
mod grounds;
pub mod human;
pub mod id;
mod iso4217;
pub mod node;
pub mod number;
pub mod page;
pub mod projection;
pub mod shard;
pub mod story;
pub mod submit;
pub mod supervision;
pub mod time;
pub mod totals;
pub mod transfer;
pub mod units;

pub use client::Client;
pub use connect::Connect;
pub use currency::Currencies;
pub use endpoint::Endpoint;
pub use error::{Code, Error};
