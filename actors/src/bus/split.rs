//! Frames that are too large for the broker: halved until they fit.

use bytes::Bytes;

use crate::{codec, frame::Frame, message::Message};

/// Encodes a frame into as many pieces of at most `bytes_max` as it takes, in order, each with the number of its messages.
/// A single message that alone is larger goes to `oversized` instead.
pub(super) fn encode(
    frame: Frame,
    bytes_max: usize,
    piece: &mut impl FnMut(Bytes, usize),
    oversized: &mut impl FnMut(Message, usize),
) {
    let bytes = codec::encode(&frame);
    if bytes.len() <= bytes_max {
        return piece(bytes, frame.messages.len());
    }
    let size = bytes.len();
    drop(bytes);
    if frame.messages.len() <= 1 {
        return frame.messages.into_iter().for_each(|message| oversized(message, size));
    }
    let [first, second] = halves(frame);
    encode(first, bytes_max, piece, oversized);
    encode(second, bytes_max, piece, oversized);
}

/// Two frames with half of the messages each; both say all that the frame said of itself.
fn halves(mut frame: Frame) -> [Frame; 2] {
    let middle = frame.messages.len() / 2;
    let messages = frame.messages.split_off(middle);
    let middle = u32::try_from(middle).unwrap_or(u32::MAX);
    let (before, after): (Vec<_>, Vec<_>) = frame.traces.drain(..).partition(|(place, _)| *place < middle);
    let traces = after.into_iter().map(|(place, trace)| (place - middle, trace)).collect();
    let second = Frame { from: frame.from, class: frame.class, mark: frame.mark.clone(), messages, traces };
    frame.traces = before;
    [frame, second]
}

#[cfg(test)]
mod tests {
    use remit_core::{id::Seq, mark::LowWater};

    use super::*;
    use crate::message::{Address, Answer, AnswerBody, Class, TraceContext};

    fn message(ticket: u64, size: usize) -> Message {
        Message::Answer(Answer { ticket, part: 0, parts: 1, body: AnswerBody::Unavailable("x".repeat(size)) })
    }

    fn trace(no: u8) -> TraceContext {
        TraceContext { trace_id: [no; 16], span_id: [no; 8], flags: 1 }
    }

    fn split(frame: Frame, bytes_max: usize) -> (Vec<Frame>, Vec<(Message, usize)>) {
        let (mut pieces, mut oversized) = (vec![], vec![]);
        let mut piece = |bytes: Bytes, messages| {
            assert!(bytes.len() <= bytes_max);
            let frame = codec::decode(&bytes).unwrap();
            assert_eq!(frame.messages.len(), messages);
            pieces.push(frame);
        };
        encode(frame, bytes_max, &mut piece, &mut |message, size| oversized.push((message, size)));
        (pieces, oversized)
    }

    fn frame(messages: Vec<Message>, traces: Vec<(u32, TraceContext)>) -> Frame {
        let mark = Some(LowWater { begun_up_to: Seq(7), except: vec![] });
        Frame { from: Address::Gateway(1), class: Class::Reply, mark, messages, traces }
    }

    #[test]
    fn pieces_keep_the_order_the_mark_and_each_messages_trace() {
        let messages: Vec<_> = (0..100).map(|ticket| message(ticket, 100)).collect();
        let traces = vec![(0, trace(1)), (49, trace(2)), (50, trace(3)), (99, trace(4))];
        let (pieces, oversized) = split(frame(messages.clone(), traces.clone()), 4_000);
        assert!(oversized.is_empty());
        assert!(pieces.len() >= 4, "{}", pieces.len());
        assert!(pieces.iter().all(|piece| piece.mark.as_ref().is_some_and(|mark| mark.begun_up_to == Seq(7))));
        let (mut together, mut traced) = (vec![], vec![]);
        for piece in pieces {
            let places = 0..piece.messages.len();
            traced
                .extend(places.filter_map(|at| Some((u32::try_from(together.len() + at).unwrap(), piece.trace(at)?))));
            together.extend(piece.messages);
        }
        assert_eq!(together, messages);
        assert_eq!(traced, traces);
    }

    #[test]
    fn a_frame_that_fits_stays_whole_even_an_empty_one() {
        for messages in [vec![], vec![message(1, 10)]] {
            let whole = frame(messages, vec![]);
            assert_eq!(split(whole.clone(), 1_024), (vec![whole], vec![]));
        }
    }

    #[test]
    fn a_message_that_alone_is_too_large_is_handed_back_and_the_others_go_on() {
        let messages = vec![message(1, 10), message(2, 2_000), message(3, 10)];
        let (pieces, oversized) = split(frame(messages.clone(), vec![]), 1_024);
        let sent: Vec<_> = pieces.into_iter().flat_map(|piece| piece.messages).collect();
        assert_eq!(sent, [messages[0].clone(), messages[2].clone()]);
        assert_eq!(oversized.len(), 1);
        assert_eq!(oversized[0].0, messages[1]);
        assert!(oversized[0].1 > 2_000);
    }
}
