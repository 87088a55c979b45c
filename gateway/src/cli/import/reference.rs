//! A user's own reference for a payment becomes its id: the same reference, the same id, for ever and everywhere. That is what
//! makes a file safe to run again.

use remit_core::id::TransferId;
use uuid::Uuid;

/// The namespace of references, drawn once. Another value would make other ids of old references, and so move money again
/// that has been moved: it may never change.
const NAMESPACE: Uuid = Uuid::from_u128(0x_8f0c_2d5e_6b1a_4c39_9e47_d3a1_70c5_b286);

/// The id of the payment with this reference: a UUID of version 5.
pub(in crate::cli) fn id(reference: &str) -> TransferId {
    TransferId(Uuid::new_v5(&NAMESPACE, reference.as_bytes()).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_the_same_id_for_ever() {
        // These values may never change.
        let table = [
            ("2026-11/alice/salary", "191bf36e-7404-51df-804d-d2f8e722741d"),
            ("x", "e9c8ca3d-b41c-58c5-bdb3-005a47368a89"),
        ];
        for (reference, expected) in table {
            assert_eq!(id(reference).to_string(), expected, "{reference}");
        }
        assert_ne!(id("x"), id("X"));
    }
}
