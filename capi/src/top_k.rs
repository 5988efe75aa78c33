//! The most similar patterns, as a C struct describes them.

use hk::{Element, MatMut};

use crate::options::{Versioned, read};
use crate::recall::{Reading, Recall, matrix};
use crate::status::missing;
use crate::{Handle, text};

/// The k patterns with the largest dot products, the largest first, of equals the one with the
/// lower index. Set all members to zero first, then `struct_size` to the size of this struct.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TopK<T> {
    /// The size of this struct.
    pub struct_size: usize,
    /// At most the number of patterns.
    pub k: usize,
    /// batch rows of k, one after the other; SIZE_MAX for a probe that is not finite.
    pub indices: *mut usize,
    /// batch rows of k, one after the other
    pub scores: *mut T,
}

// SAFETY: it is `repr(C)`, its size comes first, and zero is a value of numbers and of pointers.
unsafe impl<T: Element> Versioned for TopK<T> {
    const NAME: &'static str = "top_k";
    const FIRST: usize = size_of::<Self>();
}

/// Writes indices and scores. Of `recall` it reads the probes.
///
/// # Safety
/// As for `hk_top_k_f32`.
pub unsafe fn run<T: Element>(
    memory: *mut Handle<T>,
    recall: *const Recall<T>,
    top_k: *const TopK<T>,
) -> Result<(), String> {
    // SAFETY: `as_mut` checks for null; otherwise `memory` is a live handle from `new`, by the
    // precondition.
    let memory = unsafe { memory.as_mut() }.ok_or_else(|| missing("memory"))?;
    // SAFETY: `recall` is null, which `Reading::new` checks, or a struct whose pointers are as it
    // says, by the precondition.
    let reading = unsafe { Reading::new(memory, recall) }?;
    // SAFETY: `read` checks for null and for the size of the struct, which is one of this type by
    // the precondition.
    let top_k = unsafe { read(top_k) }?;
    let shape = (reading.recall.batch, top_k.k);
    // SAFETY: `matrix` checks for null; otherwise both have batch x k elements, by the
    // precondition.
    let (indices, scores) = unsafe {
        (matrix("indices", top_k.indices, shape)?, matrix("scores", top_k.scores, shape)?)
    };
    let mut to = indices.ok_or_else(|| missing("indices"))?;
    let scores = scores.ok_or_else(|| missing("scores"))?;
    let mut found = vec![None; to.rows() * to.cols()];
    let indices = MatMut::new(&mut found, to.rows(), to.cols()).map_err(text)?;
    hk::top_k(reading.probes, &memory.memory, indices, scores, &mut memory.context)
        .map_err(text)?;
    for (b, found) in found.chunks_exact(top_k.k.max(1)).enumerate() {
        for (to, found) in to.row_mut(b).iter_mut().zip(found) {
            *to = found.unwrap_or(usize::MAX);
        }
    }
    Ok(())
}
