//! One batch of payments on its way, from the first sending until each of them has landed; decided purely: answers go in,
//! what to send next comes out.
//!
//! A payment lands when its end is known, or when the deployment refused it, or when asking again has been in vain often
//! enough. To ask again is to send the same ids again, which moves nothing twice. Every answer that lets a payment land is
//! a new start for the rest: only tries in vain are counted.

use remit_api::{Code, Error, batch::Brief, transfer::Status};
use remit_core::reason::Reason;

/// The pause after the first try in vain, in milliseconds; it doubles with each that follows.
const PAUSE_FIRST_MS: u64 = 100;
/// The same, at most: short enough that a deployment that comes back is noticed soon.
const PAUSE_MAX_MS: u64 = 5_000;

/// How a payment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum End {
    /// As the deployment says: `completed`, `rejected`, `compensated`; or `parked`, which only an operator can end.
    Told(Status, Option<Reason>),
    /// Nothing is recorded of it.
    Refused(Error),
    /// It may be recorded or not, or has not ended: run the file again.
    Unknown(String),
}

/// A batch on its way.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Flight {
    ends: Vec<Option<End>>,
    /// Those without an end, in order.
    open: Vec<Open>,
    /// How many of them are sent at once; halved when the broker finds that too much.
    sent_max: usize,
    in_vain: u32,
    tries_max: u32,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    at: usize,
    /// Whether it may be recorded, by any of its sendings so far.
    maybe_recorded: bool,
}

/// What the last sending came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Next {
    /// Send what is due, after so many milliseconds.
    Send {
        /// 0: at once.
        after_ms: u64,
    },
    /// All have landed.
    Landed,
}

impl Flight {
    /// So many payments; after `tries_max` sendings in vain, one after the other, it gives up.
    pub(in crate::cli) fn new(payments: usize, tries_max: u32) -> Self {
        let open = (0..payments).map(|at| Open { at, maybe_recorded: false }).collect();
        Self { ends: vec![None; payments], open, sent_max: payments.max(1), in_vain: 0, tries_max }
    }

    /// The numbers of those that are to be sent next.
    pub(in crate::cli) fn due(&self) -> impl Iterator<Item = usize> {
        self.open.iter().take(self.sent_max).map(|open| open.at)
    }

    /// Takes the answer to those that were due.
    pub(in crate::cli) fn handle_answer(&mut self, answer: Result<Vec<Result<Brief, Error>>, Error>) -> Next {
        let sent = self.open.len().min(self.sent_max);
        let before = self.open.len();
        let retry_after_ms = match answer {
            Ok(results) => self.handle_results(results, sent),
            Err(error) => self.handle_refusal(&error, sent),
        };
        if self.open.is_empty() {
            return Next::Landed;
        }
        if self.open.len() < before {
            self.in_vain = 0;
            return Next::Send { after_ms: retry_after_ms };
        }
        self.in_vain += 1;
        if self.in_vain >= self.tries_max {
            self.give_up();
            return Next::Landed;
        }
        Next::Send { after_ms: pause_ms(self.in_vain).max(retry_after_ms) }
    }

    /// How each ended, in order.
    ///
    /// # Panics
    /// If it has not landed.
    pub(in crate::cli) fn into_ends(self) -> Vec<End> {
        self.ends.into_iter().map(|end| end.expect("a flight that has landed has an end for each payment")).collect()
    }

    /// One result for each that was sent; answers after how many milliseconds the rest may be sent again.
    fn handle_results(&mut self, results: Vec<Result<Brief, Error>>, sent: usize) -> u64 {
        let mut retry_after_ms = 0;
        let mut results = results.into_iter();
        let mut at = 0;
        self.open.retain_mut(|open| {
            at += 1;
            if at > sent {
                return true;
            }
            let end = match results.next() {
                Some(Ok(Brief { status, reason, .. })) if status.is_end() || status == Status::Parked => {
                    End::Told(status, reason)
                }
                Some(Err(error)) if error.code == Code::Overloaded => {
                    retry_after_ms = retry_after_ms.max(error.retry_after_ms.unwrap_or(0));
                    return true;
                }
                Some(Err(error)) if error.code != Code::Unavailable => End::Refused(error),
                // On its way, or nobody knows.
                Some(Ok(_) | Err(_)) | None => {
                    open.maybe_recorded = true;
                    return true;
                }
            };
            self.ends[open.at] = Some(end);
            false
        });
        retry_after_ms
    }

    /// The batch as a whole was refused, or not answered.
    fn handle_refusal(&mut self, error: &Error, sent: usize) -> u64 {
        match error.code {
            Code::Overloaded => return error.retry_after_ms.unwrap_or(0),
            Code::Unavailable => self.open.iter_mut().take(sent).for_each(|open| open.maybe_recorded = true),
            Code::TooLarge if sent > 1 => {
                self.sent_max = sent / 2;
                self.in_vain = 0;
            }
            _ => {
                for open in self.open.drain(..sent) {
                    self.ends[open.at] = Some(End::Refused(error.clone()));
                }
            }
        }
        0
    }

    fn give_up(&mut self) {
        let tries = self.tries_max;
        for Open { at, maybe_recorded } in self.open.drain(..) {
            self.ends[at] = Some(if maybe_recorded {
                End::Unknown(format!("no end is known after {tries} tries: run the file again"))
            } else {
                End::Refused(Error::new(Code::Overloaded, format!("no room, {tries} times: run the file again later")))
            });
        }
    }
}

/// The pause after so many tries in vain, in milliseconds.
pub(in crate::cli) fn pause_ms(in_vain: u32) -> u64 {
    let doubled = 1_u64.checked_shl(in_vain.saturating_sub(1)).unwrap_or(u64::MAX);
    PAUSE_FIRST_MS.saturating_mul(doubled).min(PAUSE_MAX_MS)
}
