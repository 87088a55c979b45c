//! Reading files, and the whole way over a door that is played.

mod flying;
mod reading;
