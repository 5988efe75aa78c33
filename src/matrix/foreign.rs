//! Matrices of other crates as views, on the condition that the elements of a row lie next to one
//! another.

use crate::error::{Error, Result};

/// What rows may look like besides following one another without overlap.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Access {
    /// Nothing else: they are written.
    Exclusive,
    /// Backwards, or all the same one: they are only read.
    Shared,
}

/// The row stride of an array of this shape and these strides (of rows and of columns), if it can
/// be viewed as a matrix. `neighbours` says what makes it one, where the elements of a row are not
/// neighbours. The strides of an array without elements mean nothing.
pub(super) fn row_stride(
    (rows, cols): (usize, usize),
    [row, col]: [isize; 2],
    neighbours: &'static str,
    kind: Access,
) -> Result<isize> {
    if rows == 0 || cols == 0 {
        return Ok(cols as isize);
    }
    if cols > 1 && col != 1 {
        return Err(Error::Stride { operand: "array", expected: neighbours, found: col });
    }
    let stride = row;
    let fits = match kind {
        Access::Exclusive => stride >= cols as isize,
        Access::Shared => stride == 0 || stride.unsigned_abs() >= cols,
    };
    if rows > 1 && !fits {
        return Err(Error::Stride {
            operand: "array",
            expected: "a row stride of at least the number of columns",
            found: stride,
        });
    }
    Ok(if rows > 1 { stride } else { cols as isize })
}
