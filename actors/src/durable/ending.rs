//! How an actor tells its end, whatever end that is.

use std::{any::Any, thread};

use crate::supervision::Ended;

/// Is told an end, once.
pub(crate) type OnEnd = Box<dyn FnOnce(Ended) + Send>;

/// Tells how its owner ended when the owner is dropped: what was set, else what can be seen.
///
/// It is made before the machine, so that a factory that fails, or a thread that is gone before it began, is an end too.
pub(crate) struct Closing {
    ended: Option<Ended>,
    tell: Option<OnEnd>,
}

impl Closing {
    pub(crate) fn new(tell: OnEnd) -> Self {
        Self { ended: None, tell: Some(tell) }
    }

    /// Sets what will be told; the first reason stays.
    pub(crate) fn set(&mut self, ended: Ended) {
        self.ended.get_or_insert(ended);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let ended = self.ended.take().unwrap_or_else(|| {
            if thread::panicking() { Ended::Panicked("outside of a turn".into()) } else { Ended::Vanished }
        });
        if let Some(tell) = self.tell.take() {
            tell(ended);
        }
    }
}

/// What a panic said.
#[must_use]
pub fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::mpsc,
    };

    use super::*;
    use crate::supervision::How;

    #[test]
    fn every_end_is_told_once() {
        let (tx, rx) = mpsc::channel();
        let closing = || {
            let tx = tx.clone();
            Closing::new(Box::new(move |ended: Ended| tx.send(ended.how()).unwrap()))
        };
        drop(closing());
        let mut set = closing();
        set.set(Ended::Drained);
        set.set(Ended::Vanished);
        drop(set);
        let panicking = closing();
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let _panicking = panicking;
            panic!("{} words", 2);
        }));
        assert_eq!(said(panic.unwrap_err().as_ref()), "2 words");
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [How::Vanished, How::Drained, How::Panicked]);
    }
}
