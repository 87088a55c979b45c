//! Where a list of transfers goes on: a place in the journal of each partition.
//!
//! As a cursor it is a text such as `n.123.e`, and it means the same whoever answers the next page, the managers from their
//! journals or the projector from the read model.

use remit_api::Error;
use remit_core::id::{PartitionNo, Seq};

/// Above every position, and still one that a database can hold.
const NEWEST: Seq = Seq(i64::MAX as u64);

/// Where a list goes on in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// With the newest transfer.
    Newest,
    /// With those that began below this position.
    Below(Seq),
    /// Nowhere: there are no more.
    End,
}

/// Where a list goes on in all partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places(pub(super) Vec<Place>);

impl Places {
    /// Where the first page begins; where the one before ended.
    pub(super) fn of_page(cursor: Option<&str>, partitions: u16) -> Result<Self, Error> {
        let Some(cursor) = cursor else { return Ok(Self(vec![Place::Newest; usize::from(partitions)])) };
        let places: Option<Vec<Place>> = cursor.split('.').map(Place::read).collect();
        places
            .filter(|places| places.len() == usize::from(partitions))
            .map(Self)
            .ok_or_else(|| Error::invalid("cursor", "`cursor` is not one that this list gave"))
    }

    /// The cursor of the next page; `None` if there is none.
    pub(super) fn cursor(&self) -> Option<String> {
        let is_over = self.0.iter().all(|place| *place == Place::End);
        (!is_over).then(|| self.0.iter().map(Place::write).collect::<Vec<_>>().join("."))
    }

    /// As [`remit_actors::message::Find::below`] has them.
    pub(super) fn below(&self) -> Vec<Option<Seq>> {
        let below = |place: &Place| match place {
            Place::Newest => Some(NEWEST),
            Place::Below(seq) => Some((*seq).min(NEWEST)),
            Place::End => None,
        };
        self.0.iter().map(below).collect()
    }

    /// Reads them back.
    pub(super) fn from_below(below: &[Option<Seq>]) -> Self {
        let place = |below: &Option<Seq>| match below {
            Some(seq) if *seq >= NEWEST => Place::Newest,
            Some(seq) => Place::Below(*seq),
            None => Place::End,
        };
        Self(below.iter().map(place).collect())
    }

    /// The place in one partition.
    pub(super) fn at(&mut self, partition: PartitionNo) -> Option<&mut Place> {
        self.0.get_mut(usize::from(partition.0))
    }
}

impl Place {
    fn write(&self) -> String {
        match self {
            Self::Newest => "n".into(),
            Self::Below(seq) => seq.0.to_string(),
            Self::End => "e".into(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "n" => Some(Self::Newest),
            "e" => Some(Self::End),
            digits => digits.parse().ok().map(|seq| Self::Below(Seq(seq))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_means_the_same_to_managers_and_to_the_projector() {
        let places = Places::of_page(Some("n.123.e"), 3).unwrap();
        assert_eq!(places.0, [Place::Newest, Place::Below(Seq(123)), Place::End]);
        assert_eq!(places.below(), [Some(NEWEST), Some(Seq(123)), None]);
        assert_eq!(Places::from_below(&places.below()), places);
        assert_eq!(places.cursor().as_deref(), Some("n.123.e"));
    }

    #[test]
    fn the_first_page_begins_with_the_newest_and_after_the_last_there_is_none() {
        assert_eq!(Places::of_page(None, 2).unwrap().0, [Place::Newest; 2]);
        assert_eq!(Places(vec![Place::End; 2]).cursor(), None);
        assert_eq!(Places(vec![Place::End, Place::Newest]).cursor().as_deref(), Some("e.n"));
    }

    #[test]
    fn a_position_that_no_database_can_hold_is_the_newest() {
        let places = Places::of_page(Some("18446744073709551615"), 1).unwrap();
        assert_eq!(places.below(), [Some(NEWEST)]);
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        for wrong in ["", "n", "n.n.n", "n.x", "n.-1", "n.", "n.18446744073709551616", "0/alice"] {
            let error = Places::of_page(Some(wrong), 2).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("cursor"), "{wrong}");
        }
    }
}
