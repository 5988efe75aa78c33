//! Domains of parameters.

use crate::error::{Error, Result};

/// An error unless a parameter fits.
pub(super) fn demand(
    name: &'static str,
    expected: &'static str,
    found: f64,
    fits: bool,
) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::Parameter { name, expected, found }) }
}

/// The same for a count.
pub(super) fn demand_count(
    name: &'static str,
    expected: &'static str,
    found: usize,
    fits: bool,
) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::Count { name, expected, found }) }
}
