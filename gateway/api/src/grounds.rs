//! The grounds of an operator's order: why, and who gives it. They are kept beside what came of it, for those who look later.

use crate::Error;

/// The longest `by`, in characters.
const BY_CHARS_MAX: usize = 64;
/// The longest `why`, in characters.
const WHY_CHARS_MAX: usize = 280;
/// Who gives an order that names nobody.
pub(crate) const UNKNOWN: &str = "unknown";

/// Refuses a text that is empty or too long, and names its field; `place` is where it is kept.
pub(crate) fn check(why: &str, by: &str, place: &str) -> Result<(), Error> {
    bounded("why", why, WHY_CHARS_MAX, place)?;
    bounded("by", by, BY_CHARS_MAX, place)
}

fn bounded(field: &'static str, text: &str, chars_max: usize, place: &str) -> Result<(), Error> {
    let chars = text.chars().count();
    if text.trim().is_empty() {
        return Err(Error::invalid(field, format!("`{field}` is empty; it stands in {place}")));
    }
    if chars > chars_max {
        return Err(Error::invalid(field, format!("`{field}` has {chars} characters; {chars_max} are the most")));
    }
    Ok(())
}
