//! Structs of the caller, whose first member is their size.

use std::mem::MaybeUninit;

use crate::status::missing;

/// A struct that begins with its size, and all of whose members may be zero.
///
/// # Safety
/// It is `repr(C)`, its first member is a `usize`, and zero is a value of every member.
pub unsafe trait Versioned: Copy {
    /// The name of the argument.
    const NAME: &'static str;
    /// The size of the first version, which is the least that is taken.
    const FIRST: usize;
}

/// A struct of the caller. Members that its version does not have are zero.
///
/// # Safety
/// `options` is null or points to a struct of the size that its first member tells.
pub unsafe fn read<O: Versioned>(options: *const O) -> Result<O, String> {
    if options.is_null() {
        return Err(missing(O::NAME));
    }
    // SAFETY: whichever version of the struct it is, its size comes first.
    let found = unsafe { *options.cast::<usize>() };
    if found < O::FIRST {
        let (name, expected) = (O::NAME, O::FIRST);
        return Err(format!("{name}.struct_size: expected at least {expected}, got {found}"));
    }
    let mut copy = MaybeUninit::<O>::zeroed();
    // SAFETY: the caller's struct has `found` bytes, and the copy has room for its own size.
    unsafe {
        let bytes = found.min(size_of::<O>());
        std::ptr::copy_nonoverlapping(options.cast::<u8>(), copy.as_mut_ptr().cast(), bytes);
    }
    // SAFETY: every member is zero or the caller's, of the type that the header declares.
    Ok(unsafe { copy.assume_init() })
}

/// As many elements, unless there are none.
///
/// # Safety
/// `start` is null or points to them, and nothing writes to them for the lifetime.
pub unsafe fn slice<'a, T>(start: *const T, count: usize) -> Option<&'a [T]> {
    // SAFETY: `start` is not null here, and then points to `count` elements, by the precondition.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start, count) })
}

/// As many elements to be written, unless there are none.
///
/// # Safety
/// `start` is null or points to them, and nothing else uses them for the lifetime.
pub unsafe fn slice_mut<'a, T>(start: *mut T, count: usize) -> Option<&'a mut [T]> {
    // SAFETY: `start` is not null here, and then points to `count` elements, by the precondition.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts_mut(start, count) })
}

/// The number of elements that rows span.
pub fn span(name: &str, (rows, cols): (usize, usize), stride: usize) -> Result<usize, String> {
    if rows == 0 || cols == 0 {
        return Ok(0);
    }
    let count = (rows - 1).checked_mul(stride).and_then(|count| count.checked_add(cols));
    // Eight bytes are the largest element.
    let count = count.filter(|count| *count <= isize::MAX as usize / 8);
    count.ok_or_else(|| format!("{name}: expected rows that fit into memory"))
}
