//! Frames as a broker might hand them over: any bytes, and valid frames with bytes changed, cut, repeated or put in.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use peak_alloc::PeakAlloc;
use remit_actors::{
    codec::{self, Error},
    message::Message,
};
use remit_fuzz::{choices::Choices, messages::KINDS, run::run};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What reading may take whatever the bytes say: a list's length is believed up to 1 MiB of its items, list in list in list.
const ON_CREDIT: usize = 4 << 20;
/// And for each byte: a message in memory against the shortest one on the way, and the room that a list has to grow.
const FOR_EACH_BYTE: usize = 64;

// The only test of this program: another one's memory would count as this one's.
#[test]
fn decoding() {
    run(bolero::check!(), 150_000, |bytes| {
        check(bytes);
        let mut choices = Choices::new(bytes);
        let frame = choices.frame(6);
        let mut bytes = codec::encode(&frame).to_vec();
        assert_eq!(codec::decode(&bytes), Ok(frame));
        while !choices.is_over() {
            edit(&mut choices, &mut bytes);
            check(&bytes);
        }
    });
}

/// One shortest encoding of each frame, and no memory for what is not there.
fn check(bytes: &[u8]) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let decoded = codec::decode(bytes);
    let took = MEMORY.peak_usage().saturating_sub(before);
    assert!(took <= ON_CREDIT + FOR_EACH_BYTE * bytes.len(), "{took} bytes for {}", bytes.len());
    match decoded {
        Ok(frame) => {
            let again = codec::encode(&frame);
            assert!(again == bytes || again.len() < bytes.len(), "another encoding of {frame:?}");
            assert_eq!(codec::decode(&again), Ok(frame));
        }
        Err(Error::TooLarge { .. }) => panic!("{} bytes are not too many", bytes.len()),
        Err(Error::Empty) => assert!(bytes.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn edit(choices: &mut Choices<'_>, bytes: &mut Vec<u8>) {
    let at = choices.below(bytes.len() + 1);
    match choices.below(6) {
        0 if at < bytes.len() => bytes[at] = choices.byte(),
        1 if at < bytes.len() => bytes[at] ^= 1 << choices.below(8),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, choices.byte()),
        4 => {
            // A length, or a number, that can't be.
            let number = choices.number().to_le_bytes();
            let end = bytes.len().min(at + number.len());
            bytes[at..end].copy_from_slice(&number[..end - at]);
        }
        _ => {
            let end = bytes.len().min(at + choices.below(64));
            let part = bytes[at..end].to_vec();
            let to = choices.below(bytes.len() + 1);
            bytes.splice(to..to, part);
        }
    }
}

/// Writes a frame with each kind of message, to begin a corpus with.
#[test]
#[ignore = "writes the corpus anew"]
fn seeds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decoding/__fuzz__/decoding/corpus");
    fs::create_dir_all(folder).unwrap();
    for (kind, choice) in (0..u8::try_from(KINDS).unwrap()).flat_map(|kind| (0..12).map(move |choice| (kind, choice))) {
        // Whatever comes after its kind: a pattern that says yes as often as no.
        let rest: Vec<u8> = (0..200_u8).map(|no| no.wrapping_mul(choice).wrapping_add(choice)).collect();
        let bytes = [&[3, 0, 0, 0, 1, kind, choice][..], &rest].concat();
        let mut frame = Choices::new(&bytes).frame(6);
        frame.messages.truncate(1);
        let name = match frame.messages.first() {
            Some(Message::Ask(ask)) => format!("{:?}", ask.question),
            Some(Message::Answer(answer)) => format!("{:?}", answer.body),
            other => format!("{other:?}").replace("Some(", ""),
        };
        let name: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
        fs::write(format!("{folder}/{}-{choice}", name.to_lowercase()), codec::encode(&frame)).unwrap();
    }
}
