//! The C interface of `hopfield-kernels`; `include/hopfield_kernels.h` describes it.
//!
//! Functions catch panics and keep the message of an error for `hk_last_error`.

mod recall;
mod status;

use std::ffi::c_char;

use hk::{Context, Element, MatRef, Memory};

use recall::{Recall, run};
use status::{Status, guard, missing};

/// A memory and the scratch memory of calls on it.
pub struct Kept<T> {
    memory: Memory<T>,
    context: Context<T>,
}

/// What was wrong with the last call of this thread that was refused.
#[unsafe(no_mangle)]
pub extern "C" fn hk_last_error() -> *const c_char {
    status::last_error()
}

/// The version of the library.
#[unsafe(no_mangle)]
pub extern "C" fn hk_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Rows of the caller.
///
/// # Safety
/// `start` is null, or points to such rows, which nothing writes to for the lifetime.
unsafe fn rows<'a, T>(
    name: &'static str,
    start: *const T,
    (rows, cols): (usize, usize),
    stride: usize,
) -> Result<MatRef<'a, T>, String> {
    if rows == 0 || cols == 0 {
        return MatRef::new(&[], rows, cols).map_err(|error| error.to_string());
    }
    if start.is_null() {
        return Err(missing(name));
    }
    let count = (rows - 1).checked_mul(stride).and_then(|count| count.checked_add(cols));
    let count = count.filter(|count| *count <= isize::MAX as usize / size_of::<T>());
    let count = count.ok_or_else(|| format!("{name}: expected rows that fit into memory"))?;
    // SAFETY: the caller says that there are these rows, and they span so many elements.
    let elements = unsafe { std::slice::from_raw_parts(start, count) };
    MatRef::with_stride(elements, rows, cols, stride).map_err(|error| format!("{name}: {error}"))
}

fn text(error: hk::Error) -> String {
    error.to_string()
}

/// # Safety
/// `start` is null or points to such rows.
unsafe fn new<T: Element>(start: *const T, shape: (usize, usize), stride: usize) -> *mut Kept<T> {
    let mut made = std::ptr::null_mut();
    guard(|| {
        // SAFETY: as the caller says.
        let rows = unsafe { rows("rows", start, shape, stride) }?;
        let memory = Memory::from_rows(rows).map_err(text)?;
        made = Box::into_raw(Box::new(Kept { memory, context: Context::new() }));
        Ok(())
    });
    made
}

/// # Safety
/// `memory` is null or one of `new` that no other thread uses; `start` is null or points to the
/// rows.
unsafe fn set_values<T: Element>(
    memory: *mut Kept<T>,
    start: *const T,
    dim: usize,
    stride: usize,
) -> Status {
    guard(|| {
        // SAFETY: as the caller says.
        let kept = unsafe { memory.as_mut() }.ok_or_else(|| missing("memory"))?;
        // SAFETY: as the caller says.
        let values = unsafe { rows("rows", start, (kept.memory.patterns(), dim), stride) }?;
        kept.memory = kept.memory.clone().with_values(values).map_err(text)?;
        Ok(())
    })
}

/// # Safety
/// `memory` is null or one of `new` that is not used again.
unsafe fn free<T>(memory: *mut Kept<T>) {
    if !memory.is_null() {
        // SAFETY: `new` has made it from a box, and the caller gives it back.
        drop(unsafe { Box::from_raw(memory) });
    }
}

/// The functions for one type of elements.
macro_rules! functions {
    ($type:ty, $new:ident, $set_values:ident, $free:ident, $recall:ident) => {
        /// Copies rows into a memory.
        ///
        /// # Safety
        /// `rows` is null or points to `patterns` rows of `dim` elements, `stride` apart.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $new(
            rows: *const $type,
            patterns: usize,
            dim: usize,
            stride: usize,
        ) -> *mut Kept<$type> {
            // SAFETY: as the caller says.
            unsafe { new(rows, (patterns, dim), stride) }
        }

        /// Gives the patterns values.
        ///
        /// # Safety
        /// `memory` is null or a memory that no other thread uses; `rows` is null or points to a
        /// row of `dim` elements for each pattern, `stride` apart.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $set_values(
            memory: *mut Kept<$type>,
            rows: *const $type,
            dim: usize,
            stride: usize,
        ) -> Status {
            // SAFETY: as the caller says.
            unsafe { set_values(memory, rows, dim, stride) }
        }

        /// Frees a memory.
        ///
        /// # Safety
        /// `memory` is null or a memory, which is not used again.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $free(memory: *mut Kept<$type>) {
            // SAFETY: as the caller says.
            unsafe { free(memory) }
        }

        /// Recalls.
        ///
        /// # Safety
        /// `memory` is null or a memory that no other thread uses; `recall` is null or points to a
        /// struct whose pointers are null or point to as many elements as the header says, of which
        /// those that are written overlap no others.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $recall(
            memory: *mut Kept<$type>,
            recall: *const Recall<$type>,
        ) -> Status {
            // SAFETY: as the caller says.
            guard(|| unsafe { run(memory, recall) })
        }
    };
}

functions!(f32, hk_memory_f32_new, hk_memory_f32_set_values, hk_memory_f32_free, hk_recall_f32);
functions!(f64, hk_memory_f64_new, hk_memory_f64_set_values, hk_memory_f64_free, hk_recall_f64);
