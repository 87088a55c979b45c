//! Threads beside the node's own, which give way to all others when processors are scarce: for what may lag rather than slow a
//! transfer.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

use super::{Error, connect_to};

/// A runtime on such threads. Its tasks end when it is dropped.
pub(super) struct Aside(Option<Runtime>);

impl Aside {
    /// Starts it; `niceness` is 0 (as all others) to 19.
    ///
    /// # Errors
    /// A thread can't be started.
    pub(super) fn start(niceness: u8) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("aside")
            // Those that read files, too.
            .on_thread_start(move || give_way(niceness))
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// A connection to the broker that is served by it.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub(super) async fn connect(&self, connect: remit_api::Connect, name: String) -> Result<async_nats::Client, Error> {
        match self.handle().spawn(async move { connect_to(&connect, &name).await }).await {
            Ok(connected) => connected,
            Err(ended) => Err(Error::Aside(io::Error::other(ended))),
        }
    }

    /// Where tasks are started on it.
    pub(super) fn handle(&self) -> Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle().clone()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Whoever drops it may be a task, which must not wait.
            runtime.shutdown_background();
        }
    }
}

/// Lets this thread give way to all others: on Linux, a priority is a thread's, not a process's.
pub(super) fn give_way(niceness: u8) {
    if let Err(error) = rustix::process::setpriority_process(None, i32::from(niceness)) {
        tracing::warn!(%error, niceness, "a thread can't give way to others");
    }
}
