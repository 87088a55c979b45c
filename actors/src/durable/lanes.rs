//! Where frames wait for their turn: a lane for each class, with room of its own (R20).

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    bus::{Delivery, Receipt},
    frame::Frame,
    message::Class,
};

/// The room for messages that wait, by class: counted from the moment that a frame is let in until a turn takes it, so also
/// while it is in the mailbox, which has no bound of its own.
#[derive(Debug)]
pub struct Room {
    max: [usize; 3],
    waiting: [AtomicUsize; 3],
}

impl Room {
    /// Room for so many messages of each class.
    #[must_use]
    pub fn new(max: [usize; 3]) -> Self {
        Self { max, waiting: Default::default() }
    }

    /// Takes room for a frame, if there is any. An empty lane takes a frame of any size, else a large one would never pass.
    #[must_use]
    pub fn take(&self, frame: &Frame) -> bool {
        let lane = frame.class as usize;
        let (size, max) = (size(frame), self.max[lane]);
        let taken = self.waiting[lane]
            .try_update(Relaxed, Relaxed, |waiting| (waiting == 0 || waiting + size <= max).then_some(waiting + size));
        taken.is_ok()
    }

    /// Messages that wait, all classes together.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.load(Relaxed)).sum()
    }

    fn give_back(&self, frame: &Frame) {
        self.waiting[frame.class as usize].fetch_sub(size(frame), Relaxed);
    }
}

/// What a frame takes of the room. One that bears nothing but a mark counts too, or there could be any number of them.
fn size(frame: &Frame) -> usize {
    frame.messages.len().max(1)
}

/// The frames themselves, in the order of their arrival.
#[derive(Debug)]
pub(super) struct Lanes {
    frames: [VecDeque<Delivery>; 3],
    messages: usize,
    room: Arc<Room>,
}

impl Lanes {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { frames: Default::default(), messages: 0, room }
    }

    /// Puts a frame, for which room has been taken, into its lane.
    pub(super) fn push(&mut self, delivery: Delivery) {
        self.messages += size(&delivery.frame);
        self.frames[delivery.frame.class as usize].push_back(delivery);
    }

    /// The next batch: the most urgent class first, whole frames, at most `messages_max` messages unless the first frame
    /// alone has more. What does not fit ends the batch, so that nothing overtakes what is more urgent.
    pub(super) fn take(&mut self, messages_max: usize) -> (Vec<Frame>, Vec<Receipt>) {
        let (mut frames, mut receipts) = (Vec::new(), Vec::new());
        let mut messages = 0;
        for class in Class::ALL {
            let lane = &mut self.frames[class as usize];
            while let Some(next) = lane.front() {
                let size = size(&next.frame);
                if messages > 0 && messages + size > messages_max {
                    return (frames, receipts);
                }
                let Some(Delivery { frame, receipt }) = lane.pop_front() else { break };
                messages += size;
                self.messages -= size;
                self.room.give_back(&frame);
                frames.push(frame);
                receipts.extend(receipt);
            }
        }
        (frames, receipts)
    }

    /// Messages in all lanes.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Address, Answer, AnswerBody, Message};

    fn frame(class: Class, messages: usize) -> Frame {
        let answer = Answer { ticket: 0, part: 0, parts: 1, body: AnswerBody::Account(None) };
        let messages = vec![Message::Answer(answer); messages];
        Frame { from: Address::Gateway(0), class, mark: None, messages, traces: vec![] }
    }

    /// Lanes with these frames in them, as far as there is room for ten messages of each class.
    fn lanes(frames: &[(Class, usize)]) -> Lanes {
        let mut lanes = Lanes::new(Arc::new(Room::new([10; 3])));
        for (class, messages) in frames {
            let frame = frame(*class, *messages);
            if lanes.room.take(&frame) {
                lanes.push(Delivery { frame, receipt: None });
            }
        }
        lanes
    }

    fn batch(lanes: &mut Lanes, messages_max: usize) -> Vec<(Class, usize)> {
        lanes.take(messages_max).0.iter().map(|frame| (frame.class, frame.messages.len())).collect()
    }

    #[test]
    fn r20_lanes_are_emptied_in_the_order_of_the_classes() {
        use Class::{Do, Reply, Submit};
        let mut lanes = lanes(&[(Submit, 1), (Do, 2), (Reply, 3), (Submit, 4), (Reply, 1)]);
        assert_eq!(batch(&mut lanes, 100), [(Reply, 3), (Reply, 1), (Do, 2), (Submit, 1), (Submit, 4)]);
        assert!(lanes.is_empty());
    }

    #[test]
    fn r20_each_class_has_room_of_its_own() {
        use Class::{Do, Submit};
        let mut lanes = lanes(&[(Submit, 6), (Submit, 6), (Submit, 4), (Do, 10), (Do, 1)]);
        assert_eq!(lanes.room.waiting(), 20);
        assert_eq!(batch(&mut lanes, 100), [(Do, 10), (Submit, 6), (Submit, 4)]);
        assert_eq!(lanes.room.waiting(), 0);
    }

    #[test]
    fn a_batch_is_bounded_by_messages_and_holds_whole_frames() {
        use Class::{Do, Reply};
        let mut lanes = lanes(&[(Reply, 4), (Reply, 4), (Do, 1)]);
        assert_eq!(batch(&mut lanes, 7), [(Reply, 4)], "nothing overtakes the second reply frame");
        assert_eq!(batch(&mut lanes, 3), [(Reply, 4)], "a frame larger than the bound is taken alone");
        assert_eq!(batch(&mut lanes, 3), [(Do, 1)]);
    }

    #[test]
    fn an_empty_lane_takes_a_frame_of_any_size_and_frames_without_messages_count() {
        let mut lanes = lanes(&[(Class::Reply, 11), (Class::Reply, 0), (Class::Do, 0)]);
        assert_eq!(lanes.messages(), 12);
        assert_eq!(batch(&mut lanes, 100), [(Class::Reply, 11), (Class::Do, 0)]);
    }
}
