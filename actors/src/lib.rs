//! The durable loop, its actors, stores, bus and supervision.
//!
//! The story of a transfer, in the order of the files:
//!
//! 1. [`message`] and [`frame`]: what travels, and how it is bundled;
//! 2. [`machine`]: the loop, `turn(batch, now) -> frames`, which knows neither actix nor tokio;
//! 3. [`shard`] and [`manager`]: the two machines that move money;
//! 4. [`store`]: how a machine remembers, and what a crash leaves behind;
//! 5. [`durable`]: the actor around a machine; [`guardian`]: who restarts it; [`supervision`]: what both say of how it goes;
//! 6. [`bus`]: how frames reach the other actors;
//! 7. [`ledger`]: how what was committed leaves for whoever reads; [`projector`]: the machine that reads, for questions;
//! 8. [`cluster`]: which node runs which of them;
//! 9. [`faults`]: all of that going wrong on purpose.

pub mod bus;
pub mod cluster;
pub mod codec;
pub mod durable;
pub mod faults;
pub mod frame;
pub mod genesis;
pub mod guardian;
pub mod ledger;
pub mod machine;
pub mod manager;
pub mod message;
pub mod projector;
pub mod shard;
pub mod store;
pub mod supervision;
