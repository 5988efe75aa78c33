//! Patterns that are not stored as padded rows of elements.
//!
//! | module | shows |
//! | --- | --- |
//! | [`recall`] | every store recalls as a plain memory of the same patterns does, bit for bit |
//! | [`changes`] | what changes patterns rounds them, or is refused by name |
//! | [`files`] | files round trip; what is no file of patterns is refused by name |

mod changes;
#[cfg(feature = "files")]
mod files;
mod recall;
