//! Fuzzing of what comes from outside: frames, messages, request bodies, damaged journals.
//!
//! Five targets, a folder of `tests/` each, all under plain `cargo test`. An input is bytes; a target takes them as they
//! are or as [`choices`] of a structured input. A run takes the inputs kept under the target's `__fuzz__/NAME/corpus` (and
//! `crashes`) and then fresh random ones, a bounded number of them:
//!
//! ```sh
//! # The short run, then ten minutes of one target.
//! cargo test -p remit-fuzz --profile ci
//! BOLERO_RANDOM_TEST_TIME_MS=600000 cargo test -p remit-fuzz --profile ci --test journals -- --nocapture
//! ```
//!
//! A failure prints `BOLERO_RANDOM_SEED=…`, or the kept file's name: with that in the environment, the same command begins
//! with that very input. It then becomes a named test beside the code that it broke, or a file of the corpus.
//! `BOLERO_RANDOM_ITERATIONS` bounds a run by number.
//!
//! Most of what is kept was chosen by libFuzzer for the code that it reaches; `tests/fuzz/grow` runs it, on stable Rust too.
//! The `seeds` of `decoding` and `bodies`, ignored tests, write the rest: one input for each kind of message and of body.
//!
//! | target | input | what must hold |
//! |---|---|---|
//! | `decoding` | a frame's bytes; or edits of a valid frame | no panic, bounded memory; what decodes encodes to the same bytes, or to fewer |
//! | `lies` | frames with any messages, for a shard and a manager | no panic, nothing quarantined, each database sound |
//! | `echoes` | the broker's misdeeds: doubled, old, lost, reordered; and restarts | no money made or lost; all transfers end |
//! | `bodies` | a request's JSON, or edits of a valid one; amounts as people write them | refused with a field, or read back the same |
//! | `journals` | damage to a database file | refused, found by the full audit, or nothing served differently |

pub mod choices;
pub mod messages;
pub mod run;
pub mod stage;
pub mod values;
