//! A journal's file, as it is read from outside: where that may block, and open only while one read follows another.
//!
//! What is open here keeps the actor's own connection, when that closes, from letting go of the file: a disk that is to be
//! unmounted or made read-only waits for it.

use super::Journal;
use crate::{store::Error, store::sqlite::Tail};

pub(crate) struct File {
    journal: Journal,
    tail: Option<Tail>,
}

impl File {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, tail: None }
    }

    /// Reads, and leaves it open unless that failed.
    pub(crate) async fn read<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&Tail) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (kept, path, source) = (self.tail.take(), self.journal.path.clone(), self.journal.source);
        let reading = tokio::task::spawn_blocking(move || {
            let tail = match kept {
                Some(tail) => tail,
                None => Tail::open(&path, source)?,
            };
            Ok::<_, Error>((read(&tail)?, tail))
        });
        match reading.await {
            Ok(done) => {
                let (done, tail) = done?;
                self.tail = Some(tail);
                Ok(done)
            }
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn close(&mut self) {
        self.tail = None;
    }
}
