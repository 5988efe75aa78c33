//! Checks of shapes.

use crate::error::{Error, Result};

/// Refuses a matrix of another shape.
pub(crate) fn expect_shape(
    operand: &'static str,
    found: (usize, usize),
    expected: (usize, usize),
) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Shape { operand, expected, found }) }
}

/// Refuses a vector of another length.
pub(crate) fn expect_length(operand: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Length { operand, expected, found }) }
}
