//! The headers of a dead letter: what came by a stream of frames and is none.

/// Why it is no frame.
pub const REASON: &str = "Remit-Reason";
/// The subject that it came by.
pub const SUBJECT: &str = "Remit-Subject";
/// The stream that it came by.
pub const STREAM: &str = "Remit-Stream";
/// Its sequence there.
pub const SEQUENCE: &str = "Remit-Sequence";
/// Its size, where only its beginning is kept.
pub const SIZE: &str = "Remit-Size";
