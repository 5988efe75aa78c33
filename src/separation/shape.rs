//! The largest score tile that a separation takes.

/// Patterns in the longest block: six rows of f32 scores are 12 KiB of L1.
pub(crate) const MAX_BLOCK: usize = 512;

/// Patterns in a section. The row max that cutoffs depend on is updated between sections, and the
/// first section of a split is scanned before its weights are computed.
pub(crate) const SECTION: usize = 32;
