//! The bus over a real broker: what arrives, what comes again, what is given up, and how traffic goes on after the broker lost
//! something, or everything.

mod arriving;
mod giving_up;
mod parcels;
mod recovering;
mod stage;
