//! Gradients of a recall, as a C struct describes them.

use hk::{Element, MatRef, Upstream};

use crate::options::{Versioned, read, slice, slice_mut, span};
use crate::recall::{Reading, Recall, matrix};
use crate::status::missing;
use crate::{Handle, text};

/// The gradients of a loss with respect to the outputs of a recall (read) and with respect to its
/// operands (written). Matrices are rows one after the other. Set all members to zero first, then
/// `struct_size` to the size of this struct.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Gradients<T> {
    /// The size of this struct.
    pub struct_size: usize,
    /// The weighings that the recall has made; 0 for probes that have settled, whose gradients are
    /// those of the fixed point.
    pub steps: usize,
    /// batch rows of D elements (of E with values), or NULL
    pub d_retrieved: *const T,
    /// batch, or NULL
    pub d_lse: *const T,
    /// batch, or NULL
    pub d_energy: *const T,
    /// batch rows of D elements, or NULL
    pub probes: *mut T,
    /// N rows of D elements, or NULL; the whole gradient if there are no values.
    pub patterns: *mut T,
    /// N rows of E elements, or NULL; of a memory with values.
    pub values: *mut T,
    /// N, or batch rows of N where each probe has its own bias, or NULL
    pub bias: *mut T,
    /// One number, or NULL
    pub beta: *mut T,
}

// SAFETY: it is `repr(C)`, its size comes first, and zero is a value of numbers and of pointers.
unsafe impl<T: Element> Versioned for Gradients<T> {
    const NAME: &'static str = "gradients";
    const FIRST: usize = size_of::<Self>();
}

/// Writes the gradients that are wanted.
///
/// # Safety
/// As for `hk_backward_f32`.
pub unsafe fn run<T: Element>(
    memory: *mut Handle<T>,
    recall: *const Recall<T>,
    gradients: *const Gradients<T>,
) -> Result<(), String> {
    // SAFETY: `as_mut` checks for null; otherwise `memory` is a live handle from `new`, by the
    // precondition.
    let memory = unsafe { memory.as_mut() }.ok_or_else(|| missing("memory"))?;
    // SAFETY: `recall` is null, which `Reading::new` checks, or a struct whose pointers are as it
    // says, by the precondition.
    let reading = unsafe { Reading::new(memory, recall) }?;
    // SAFETY: `read` checks for null and for the size of the struct, which is one of this type by
    // the precondition.
    let gradients = unsafe { read(gradients) }?;
    let (stored, batch) = (&memory.memory, reading.recall.batch);
    let width = stored.value_dim().unwrap_or(stored.dim());
    let count = span("d_retrieved", (batch, width), width)?;
    // SAFETY: `slice` checks for null; otherwise the precondition promises rows that span `count`
    // elements, and an element for each probe.
    let (retrieved, lse, energy) = unsafe {
        (
            slice(gradients.d_retrieved, count),
            slice(gradients.d_lse, batch),
            slice(gradients.d_energy, batch),
        )
    };
    let retrieved = retrieved.map(|rows| MatRef::new(rows, batch, width));
    let mut upstream = Upstream::default().with_retrieved(retrieved.transpose().map_err(text)?);
    (upstream.lse, upstream.energy) = (lse, energy);
    if !gradients.values.is_null() && stored.value_dim().is_none() {
        return Err("values: expected NULL for a memory without values".to_string());
    }
    let (patterns, dim) = (stored.patterns(), stored.dim());
    let shared = reading.recall.bias_stride == 0;
    let each = |there: bool| if there { gradients.bias } else { std::ptr::null_mut() };
    let mut to = hk::Gradients::default();
    // SAFETY: `matrix` and `slice_mut` check for null; otherwise each of them has the elements of
    // its shape and overlaps no other, by the precondition.
    unsafe {
        to.probes = matrix("probes", gradients.probes, (batch, dim))?;
        to.patterns = matrix("patterns", gradients.patterns, (patterns, dim))?;
        to.values = matrix("values", gradients.values, (patterns, width))?;
        to.bias = slice_mut(each(shared), patterns);
        to.biases = matrix("bias", each(!shared), (batch, patterns))?;
        to.beta = gradients.beta.as_mut();
    }
    let (retrieval, context) = (reading.retrieval()?, &mut memory.context);
    let done = match gradients.steps {
        0 => retrieval.backward_settled(reading.probes, stored, upstream, to, context),
        steps => {
            let upstream = upstream.with_steps(steps);
            retrieval.backward(reading.probes, stored, upstream, to, context)
        }
    };
    done.map_err(text)
}
