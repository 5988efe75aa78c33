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
