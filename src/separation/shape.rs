//! The largest score tile that a separation takes.

/// Patterns in the longest block: six rows of f32 scores are 12 KiB of L1.
pub(crate) const MAX_BLOCK: usize = 512;

/// Patterns of a section. A section is looked at as a whole before the next one begins, and the first
/// one of a split before it is weighed.
pub(crate) const SECTION: usize = 32;
