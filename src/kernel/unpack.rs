//! Rows of stored numbers become padded rows of elements.

use crate::simd::{Element, MAX_LANES, Simd, Stored};

/// Bytes from the numbers that are loaded to those that are prefetched. Rows are unpacked in the
/// order in which they are stored, and the hardware's prefetch does not keep up with memory.
const AHEAD: usize = 4 << 10;

/// Unpacks a row of `dim` numbers, and fills it up with zeros.
///
/// # Safety
/// - `dim` numbers at `from` are readable. They may have any alignment.
#[inline(always)]
pub(crate) unsafe fn unpack_row<T: Element, E: Stored<T>, S: Simd<T>>(
    simd: S,
    from: *const E,
    dim: usize,
    to: &mut [T],
) {
    assert!(to.len().is_multiple_of(T::LANES) && dim <= to.len() && to.len() - dim < T::LANES);
    let whole = dim / T::LANES * T::LANES;
    let mut d = 0;
    while d < whole {
        // SAFETY: `d + LANES <= whole`, which is at most `dim`, whose numbers are readable by the
        // precondition, and at most `to.len()`. A prefetch may have any address.
        unsafe {
            let at = from.add(d);
            if (d * size_of::<E>()).is_multiple_of(64) {
                simd.prefetch(at.cast::<u8>().wrapping_add(AHEAD).cast());
            }
            simd.store(to.as_mut_ptr().add(d), E::load(simd, at));
        }
        d += T::LANES;
    }
    if whole < dim {
        let mut tail = [E::zeroed(); MAX_LANES];
        // SAFETY: numbers `whole..dim` are readable by the precondition, and fewer than `LANES`;
        // they are copied as bytes, whose alignment is 1. `tail` has a vector, and `to` one at
        // `whole`, as it is whole vectors and longer than `whole`.
        unsafe {
            let bytes = (dim - whole) * size_of::<E>();
            let at = from.add(whole).cast::<u8>();
            at.copy_to_nonoverlapping(tail.as_mut_ptr().cast(), bytes);
            simd.store(to.as_mut_ptr().add(whole), E::load(simd, tail.as_ptr()));
        }
    }
}
