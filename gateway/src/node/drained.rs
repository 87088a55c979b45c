//! How a node ended.

use std::fmt;

use remit_actors::guardian;

/// How a drain went.
#[derive(Clone, Debug)]
pub struct Drained {
    /// The actors.
    pub actors: guardian::Drained,
    /// Whether the broker has all that was sent.
    pub flushed: bool,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guardian::Drained { drained, failed, left } = &self.actors;
        write!(f, "{} actors drained", drained.len())?;
        if !failed.is_empty() {
            let failed: Vec<String> = failed.iter().map(|(name, why)| format!("{name} ({why})")).collect();
            write!(f, "; failed: {}", failed.join(", "))?;
        }
        if !left.is_empty() {
            write!(f, "; cut off, and going on from their databases at the next start: {}", left.join(", "))?;
        }
        if !self.flushed {
            write!(f, "; the broker did not confirm the last frames, which are asked for again at the next start")?;
        }
        Ok(())
    }
}
