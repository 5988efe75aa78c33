//! Checks of shapes.

use crate::error::{Error, Result};

/// An error if a matrix does not have the expected shape.
pub(crate) fn expect_shape(
    operand: &'static str,
    found: (usize, usize),
    expected: (usize, usize),
) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Shape { operand, expected, found }) }
}

/// An error if a vector does not have the expected length.
pub(crate) fn expect_length(operand: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Length { operand, expected, found }) }
}
