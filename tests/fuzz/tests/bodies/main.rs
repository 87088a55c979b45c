//! Request bodies as a client might send them: any bytes, and valid bodies with values, keys and bytes changed; and amounts as
//! people write them.
//!
//! An input's first byte says what it is: of which kind the body is that follows as it stands, or is made by the choices that
//! follow, or that an amount follows.
#![allow(clippy::unwrap_used, reason = "tests")]

mod amounts;
mod batches;
mod edits;
mod kinds;
mod read;

use std::fs;

use remit_fuzz::{choices::Choices, run::run};

use self::kinds::KINDS;

#[test]
fn bodies() {
    run(bolero::check!(), 1_500_000, |bytes| {
        let mut choices = Choices::new(bytes);
        let of = choices.below(2 * KINDS.len() + 1);
        match KINDS.get(of % KINDS.len()) {
            _ if of == 2 * KINDS.len() => amounts::check(&mut choices),
            Some(kind) if of < KINDS.len() => (kind.check)(choices.rest()),
            Some(kind) => {
                let seed = choices.one_of(kind.seeds);
                let body = edits::edited(seed, &mut choices);
                (kind.check)(&body);
            }
            None => {}
        }
    });
}

/// Every body that edits begin with is right; otherwise the edits would not reach far.
#[test]
fn what_is_edited_is_right() {
    for kind in &KINDS {
        assert!(kind.seeds.iter().any(|seed| (kind.is_right)(seed.as_bytes())), "{}", kind.name);
        kind.seeds.iter().for_each(|seed| (kind.check)(seed.as_bytes()));
    }
}

/// Writes each body that edits begin with, as an input of its own.
#[test]
#[ignore = "writes the corpus anew"]
fn seeds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bodies/__fuzz__/bodies/corpus");
    fs::create_dir_all(folder).unwrap();
    for (no, kind) in (0_u8..).zip(&KINDS) {
        for (at, seed) in kind.seeds.iter().enumerate() {
            fs::write(format!("{folder}/{}-{at}", kind.name), [&[no], seed.as_bytes()].concat()).unwrap();
        }
    }
    let of_amounts = u8::try_from(2 * KINDS.len()).unwrap();
    for (at, text) in amounts::SEEDS.iter().enumerate() {
        fs::write(format!("{folder}/amount-{at}"), [&[of_amounts, 0], text.as_bytes()].concat()).unwrap();
    }
}
