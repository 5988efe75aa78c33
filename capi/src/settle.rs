//! Recall until probes settle, as a C struct describes it.

use hk::{Element, Settled, Stop};

use crate::options::{Versioned, read, slice_mut, span};
use crate::recall::{Reading, Recall};
use crate::status::missing;
use crate::{Handle, text};

/// Why a probe is updated no more.
#[repr(C)]
pub enum Settling {
    /// The last update has moved it by at most the tolerance.
    Converged = 0,
    /// The last update has given the probe itself, bit for bit.
    Exact = 1,
    /// It may still move.
    MaxSteps = 2,
    /// It is not finite.
    NotANumber = 3,
}

/// Updates of probes until each settles. Set all members to zero first, then `struct_size` to the
/// size of this struct.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Settle<T> {
    /// The size of this struct.
    pub struct_size: usize,
    /// batch rows of D elements, one after the other: they are updated.
    pub probes: *mut T,
    /// A probe x has settled once an update moves it by at most tolerance (1 + |x|).
    pub tolerance: f64,
    /// The part of the way that an update goes, at most 1; 0 for all of it.
    pub damping: f64,
    /// The largest number of updates; 0 for a thousand.
    pub max_steps: u32,
    /// batch, or NULL: the updates that each probe has taken.
    pub steps: *mut u32,
    /// batch, or NULL: an HkSettling for each probe.
    pub settling: *mut i32,
}

// SAFETY: it is `repr(C)`, its size comes first, and zero is a value of numbers and of pointers.
unsafe impl<T: Element> Versioned for Settle<T> {
    const NAME: &'static str = "settle";
    const FIRST: usize = size_of::<Self>();
}

/// Updates the probes of `settle`. Of `recall` it reads all that says how; its own probes and its
/// outputs are not used.
///
/// # Safety
/// As for `hk_settle_f32`.
pub unsafe fn run<T: Element>(
    memory: *mut Handle<T>,
    recall: *const Recall<T>,
    settle: *const Settle<T>,
) -> Result<(), String> {
    // SAFETY: `as_mut` checks for null; otherwise `memory` is a live handle from `new`, by the
    // precondition.
    let memory = unsafe { memory.as_mut() }.ok_or_else(|| missing("memory"))?;
    // SAFETY: `read` checks for null and for the size of the struct, which is one of this type by
    // the precondition.
    let settle = unsafe { read(settle) }?;
    // SAFETY: `read` checks for null and for the size of the struct, which is one of this type by
    // the precondition.
    let mut how = unsafe { read(recall) }?;
    // The probes that are updated are those of `settle`.
    (how.probes, how.probe_stride) = (settle.probes, memory.memory.dim());
    // SAFETY: `recall` is null, which `Reading::new` checks, or a struct whose pointers are as it
    // says, by the precondition.
    let reading = unsafe { Reading::new(memory, &how) }?;
    let retrieval = reading.retrieval()?;
    let batch = how.batch;
    let count = span("probes", (batch, memory.memory.dim()), memory.memory.dim())?;
    let mut probes: Vec<T> = reading.probes.iter().flatten().copied().collect();
    let mut stop = Stop::new().tolerance(T::from_f64(settle.tolerance));
    if settle.damping != 0.0 {
        stop = stop.damping(T::from_f64(settle.damping));
    }
    if settle.max_steps != 0 {
        stop = stop.max_steps(settle.max_steps);
    }
    let mut settled = Settled::new();
    let context = &mut memory.context;
    retrieval.settle(&memory.memory, &mut probes, stop, &mut settled, context).map_err(text)?;
    // SAFETY: null is checked there; otherwise all three have room for every probe, by the
    // precondition. They may overlap the caller's probes, which nothing reads any more.
    let (to, steps, settling) = unsafe {
        (
            slice_mut(settle.probes, count),
            slice_mut(settle.steps, batch),
            slice_mut(settle.settling, batch),
        )
    };
    if let Some(to) = to {
        to.copy_from_slice(&probes);
    }
    if let Some(steps) = steps {
        steps.copy_from_slice(settled.steps());
    }
    if let Some(settling) = settling {
        let numbers = settled.status().iter().map(|status| number(*status));
        settling.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
    }
    Ok(())
}

fn number(status: hk::Status) -> i32 {
    match status {
        hk::Status::Converged => Settling::Converged as i32,
        hk::Status::Exact => Settling::Exact as i32,
        hk::Status::NotANumber => Settling::NotANumber as i32,
        _ => Settling::MaxSteps as i32,
    }
}
