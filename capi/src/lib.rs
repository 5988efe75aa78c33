//! CPU kernels for modern Hopfield networks (dense associative memories).
//!
//! `include/hopfield_kernels.h` is made of these sources. Functions catch panics and keep the
//! message of an error for `hk_last_error`.

mod gradients;
mod learning;
mod options;
mod recall;
mod settle;
mod status;
mod top_k;

use std::ffi::c_char;

use hk::{Context, Element, MatMut, MatRef, Memory};

use gradients::Gradients;
use learning::Learn;
use recall::Recall;
use settle::Settle;
use status::{Status, guard, missing};
use top_k::TopK;

/// Stored patterns, and the scratch memory of calls on them: for one thread at a time.
pub struct Handle<T> {
    memory: Memory<T>,
    context: Context<T>,
    recall: hk::Recall<T>,
}

/// What was wrong with the last call of this thread that was refused. It stays until the next one.
#[unsafe(no_mangle)]
pub extern "C" fn hk_last_error() -> *const c_char {
    status::last_error()
}

/// The version of the library, such as "0.1.0".
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
    let count = options::span(name, (rows, cols), stride)?;
    // SAFETY: `start` is not null, as checked above, and points to rows that span `count` elements,
    // by the precondition.
    let elements = unsafe { std::slice::from_raw_parts(start, count) };
    MatRef::with_stride(elements, rows, cols, stride).map_err(|error| format!("{name}: {error}"))
}

fn text(error: hk::Error) -> String {
    error.to_string()
}

/// # Safety
/// `start` is null or points to such rows.
unsafe fn new<T: Element>(start: *const T, shape: (usize, usize), stride: usize) -> *mut Handle<T> {
    let mut made = std::ptr::null_mut();
    guard(|| {
        // SAFETY: `rows` checks for null and for the stride; otherwise such rows are there, by the
        // precondition.
        let rows = unsafe { rows("rows", start, shape, stride) }?;
        let memory = Memory::from_rows(rows).map_err(text)?;
        made = Box::into_raw(Box::new(Handle {
            memory,
            context: Context::new(),
            recall: hk::Recall::new(),
        }));
        Ok(())
    });
    made
}

/// # Safety
/// `memory` is null or one of `new` that no other thread uses; `start` is null or points to the
/// rows.
unsafe fn set_values<T: Element>(
    memory: *mut Handle<T>,
    start: *const T,
    dim: usize,
    stride: usize,
) -> Status {
    guard(|| {
        // SAFETY: `as_mut` checks for null; otherwise `memory` is a live handle from `new`, by the
        // precondition.
        let kept = unsafe { memory.as_mut() }.ok_or_else(|| missing("memory"))?;
        // SAFETY: `rows` checks for null and for the stride; otherwise such rows are there, by the
        // precondition.
        let values = unsafe { rows("rows", start, (kept.memory.patterns(), dim), stride) }?;
        kept.memory = kept.memory.clone().with_values(values).map_err(text)?;
        Ok(())
    })
}

/// # Safety
/// `memory` is null or one of `new` that is not used again.
unsafe fn free<T>(memory: *mut Handle<T>) {
    if !memory.is_null() {
        // SAFETY: `new` has made it from a box, and the caller gives it back.
        drop(unsafe { Box::from_raw(memory) });
    }
}

/// # Safety
/// `memory` is null or one of `new`; the numbers are null or may be written.
unsafe fn shape<T: Element>(memory: *const Handle<T>, [n, d, e]: [*mut usize; 3]) -> Status {
    guard(|| {
        // SAFETY: `as_ref` checks for null; otherwise `memory` is a live handle from `new`, by the
        // precondition.
        let memory = &unsafe { memory.as_ref() }.ok_or_else(|| missing("memory"))?.memory;
        let found = [memory.patterns(), memory.dim(), memory.value_dim().unwrap_or(0)];
        for (to, found) in [n, d, e].into_iter().zip(found) {
            // SAFETY: `as_mut` checks for null; otherwise the number may be written, by the
            // precondition.
            if let Some(to) = unsafe { to.as_mut() } {
                *to = found;
            }
        }
        Ok(())
    })
}

/// # Safety
/// `memory` is null or one of `new`; `start` is null or points to rows that may be written.
unsafe fn copy<T: Element>(memory: *const Handle<T>, start: *mut T, stride: usize) -> Status {
    guard(|| {
        // SAFETY: `as_ref` checks for null; otherwise `memory` is a live handle from `new`, by the
        // precondition.
        let memory = &unsafe { memory.as_ref() }.ok_or_else(|| missing("memory"))?.memory;
        let shape = (memory.patterns(), memory.dim());
        let count = options::span("rows", shape, stride)?;
        // SAFETY: null is checked there; otherwise so many elements are there by the precondition,
        // and `count` is what the shape spans.
        let to = unsafe { options::slice_mut(start, count) }.ok_or_else(|| missing("rows"))?;
        let to = MatMut::with_stride(to, shape.0, shape.1, stride);
        let mut to = to.map_err(|error| format!("rows: {error}"))?;
        let rows = memory.as_mat();
        rows.iter().enumerate().for_each(|(n, row)| to.row_mut(n).copy_from_slice(row));
        Ok(())
    })
}

/// The functions for one type of elements.
macro_rules! functions {
    ($type:ty, $new:ident, $set_values:ident, $shape:ident, $patterns:ident, $free:ident) => {
        /// Copies `patterns` rows of `dim` elements into a memory. NULL where they are refused.
        ///
        /// # Safety
        /// `rows` is null or points to `patterns` rows of `dim` elements, `stride` apart.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $new(
            rows: *const $type,
            patterns: usize,
            dim: usize,
            stride: usize,
        ) -> *mut Handle<$type> {
            // SAFETY: `new` checks for null; otherwise the pointers are as the precondition of this
            // function says, which is that of `new`.
            unsafe { new(rows, (patterns, dim), stride) }
        }

        /// Gives the patterns values, which are retrieved in their place: a row of `dim` elements
        /// for each pattern.
        ///
        /// # Safety
        /// `memory` is null or a memory that no other thread uses; `rows` is null or points to a
        /// row of `dim` elements for each pattern, `stride` apart.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $set_values(
            memory: *mut Handle<$type>,
            rows: *const $type,
            dim: usize,
            stride: usize,
        ) -> Status {
            // SAFETY: `set_values` checks for null; otherwise the pointers are as the precondition
            // of this function says, which is that of `set_values`.
            unsafe { set_values(memory, rows, dim, stride) }
        }

        /// Tells N, D and E (0 without values). What is NULL is not told.
        ///
        /// # Safety
        /// `memory` is null or a memory that no other thread changes; the others are null or point
        /// to numbers.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $shape(
            memory: *const Handle<$type>,
            patterns: *mut usize,
            dim: *mut usize,
            value_dim: *mut usize,
        ) -> Status {
            // SAFETY: `shape` checks for null; otherwise the pointers are as the precondition of
            // this function says, which is that of `shape`.
            unsafe { shape(memory, [patterns, dim, value_dim]) }
        }

        /// Copies the patterns, N rows of D elements that are `stride` apart, to `rows`.
        ///
        /// # Safety
        /// `memory` is null or a memory that no other thread changes; `rows` is null or points to
        /// such rows.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $patterns(
            memory: *const Handle<$type>,
            rows: *mut $type,
            stride: usize,
        ) -> Status {
            // SAFETY: `copy` checks for null; otherwise the pointers are as the precondition of
            // this function says, which is that of `copy`.
            unsafe { copy(memory, rows, stride) }
        }

        /// Frees a memory. NULL is allowed.
        ///
        /// # Safety
        /// `memory` is null or a memory, which is not used again.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $free(memory: *mut Handle<$type>) {
            // SAFETY: `free` checks for null; otherwise the pointers are as the precondition of
            // this function says, which is that of `free`.
            unsafe { free(memory) }
        }
    };
}

/// The calls for one type of elements, which take a memory, a recall and one more struct.
macro_rules! calls {
    ($type:ty, $recall:ident, $settle:ident, $learn:ident, $backward:ident, $top_k:ident) => {
        /// Recalls, and writes the outputs that are not NULL.
        ///
        /// # Safety
        /// `memory` is null or a memory that no other thread uses; `recall` is null or points to a
        /// struct whose pointers are null or point to as many elements as it says, of which those
        /// that are written overlap no others.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $recall(
            memory: *mut Handle<$type>,
            recall: *const Recall<$type>,
        ) -> Status {
            // SAFETY: `memory` and the structs are null, which `run` checks, or as the precondition
            // of this function says, which is that of `run`.
            guard(|| unsafe { recall::run(memory, recall) })
        }

        /// Updates the probes of `settle` until each settles. Of `recall` it takes the number of
        /// probes and how they are weighed.
        ///
        /// # Safety
        /// As for a recall, of both structs.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $settle(
            memory: *mut Handle<$type>,
            recall: *const Recall<$type>,
            settle: *const Settle<$type>,
        ) -> Status {
            // SAFETY: `memory` and the structs are null, which `run` checks, or as the precondition
            // of this function says, which is that of `run`.
            guard(|| unsafe { settle::run(memory, recall, settle) })
        }

        /// Recalls, writes the outputs that are not NULL, and learns from that recall.
        ///
        /// # Safety
        /// As for a recall, of both structs.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $learn(
            memory: *mut Handle<$type>,
            recall: *const Recall<$type>,
            learn: *const Learn,
        ) -> Status {
            // SAFETY: `memory` and the structs are null, which `run` checks, or as the precondition
            // of this function says, which is that of `run`.
            guard(|| unsafe { learning::run(memory, recall, learn) })
        }

        /// The gradients of a loss. The outputs of `recall` are not written.
        ///
        /// # Safety
        /// As for a recall, of both structs.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $backward(
            memory: *mut Handle<$type>,
            recall: *const Recall<$type>,
            gradients: *const Gradients<$type>,
        ) -> Status {
            // SAFETY: `memory` and the structs are null, which `run` checks, or as the precondition
            // of this function says, which is that of `run`.
            guard(|| unsafe { gradients::run(memory, recall, gradients) })
        }

        /// The most similar patterns of the probes of `recall`, of which nothing else is used.
        ///
        /// # Safety
        /// As for a recall, of both structs.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $top_k(
            memory: *mut Handle<$type>,
            recall: *const Recall<$type>,
            top_k: *const TopK<$type>,
        ) -> Status {
            // SAFETY: `memory` and the structs are null, which `run` checks, or as the precondition
            // of this function says, which is that of `run`.
            guard(|| unsafe { top_k::run(memory, recall, top_k) })
        }
    };
}

functions!(
    f32,
    hk_memory_f32_new,
    hk_memory_f32_set_values,
    hk_memory_f32_shape,
    hk_memory_f32_patterns,
    hk_memory_f32_free
);
functions!(
    f64,
    hk_memory_f64_new,
    hk_memory_f64_set_values,
    hk_memory_f64_shape,
    hk_memory_f64_patterns,
    hk_memory_f64_free
);
calls!(f32, hk_recall_f32, hk_settle_f32, hk_learn_f32, hk_backward_f32, hk_top_k_f32);
calls!(f64, hk_recall_f64, hk_settle_f64, hk_learn_f64, hk_backward_f64, hk_top_k_f64);
