//! A recall, as a C struct describes it.

use hk::{Element, MatMut, Outputs, Retrieval, Separation, Similarity};

use crate::status::missing;
use crate::{Kept, rows, text};

/// `HkRecallF32` and `HkRecallF64`.
#[repr(C)]
pub struct Recall<T> {
    struct_size: usize,
    probes: *const T,
    batch: usize,
    probe_stride: usize,
    beta: T,
    similarity: i32,
    separation: i32,
    parameter: f64,
    mask: *const u8,
    bias: *const T,
    retrieved: *mut T,
    retrieved_stride: usize,
    energy: *mut T,
    lse: *mut T,
    entropy: *mut T,
    best: *mut usize,
}

/// Recalls, and writes what there is room for.
///
/// # Safety
/// As for `hk_recall_f32`.
pub unsafe fn run<T: Element>(
    memory: *mut Kept<T>,
    recall: *const Recall<T>,
) -> Result<(), String> {
    // SAFETY: as the caller says.
    let kept = unsafe { memory.as_mut() }.ok_or_else(|| missing("memory"))?;
    if recall.is_null() {
        return Err(missing("recall"));
    }
    // SAFETY: whichever version of the struct it is, its size comes first.
    let found = unsafe { *recall.cast::<usize>() };
    if found < size_of::<Recall<T>>() {
        let expected = size_of::<Recall<T>>();
        return Err(format!("struct_size: expected at least {expected}, got {found}"));
    }
    // SAFETY: it is as large as this version of the struct.
    let recall = unsafe { &*recall };
    let (patterns, dim) = (kept.memory.patterns(), kept.memory.dim());
    let shape = (recall.batch, dim);
    // SAFETY: as the caller says.
    let probes = unsafe { rows("probes", recall.probes, shape, recall.probe_stride) }?;
    let mut retrieval = Retrieval::new(recall.beta)
        .with_similarity(similarity(recall.similarity)?)
        .with_separation(separation(recall.separation, recall.parameter)?);
    // SAFETY: as the caller says.
    let mask: Option<Vec<bool>> = unsafe { read(recall.mask, patterns) }
        .map(|mask| mask.iter().map(|part| *part != 0).collect());
    if let Some(mask) = &mask {
        retrieval = retrieval.with_mask(mask);
    }
    // SAFETY: as the caller says.
    if let Some(bias) = unsafe { read(recall.bias, patterns) } {
        retrieval = retrieval.with_bias(bias);
    }
    let width = kept.memory.value_dim().unwrap_or(dim);
    // SAFETY: as the caller says.
    let mut outputs = unsafe { recall.outputs(width) }?;
    // SAFETY: as the caller says.
    let best_to = unsafe { write(recall.best, recall.batch) };
    let mut best = vec![None; if best_to.is_some() { recall.batch } else { 0 }];
    outputs.best = best_to.is_some().then_some(&mut best[..]);
    retrieval.run(probes, &kept.memory, outputs, &mut kept.context).map_err(text)?;
    for (to, best) in best_to.into_iter().flatten().zip(best) {
        // C's word for no pattern at all is SIZE_MAX.
        *to = best.unwrap_or(usize::MAX);
    }
    Ok(())
}

/// As many elements, unless there are none.
///
/// # Safety
/// `start` is null or points to them, and nothing writes to them for the lifetime.
unsafe fn read<'a, T>(start: *const T, count: usize) -> Option<&'a [T]> {
    // SAFETY: as the caller says.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start, count) })
}

/// As many elements to be written, unless there are none.
///
/// # Safety
/// `start` is null or points to them, and nothing else uses them for the lifetime.
unsafe fn write<'a, T>(start: *mut T, count: usize) -> Option<&'a mut [T]> {
    // SAFETY: as the caller says.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts_mut(start, count) })
}

impl<T: Element> Recall<T> {
    /// The arrays that are written, but for the indices.
    ///
    /// # Safety
    /// As for `hk_recall_f32`.
    unsafe fn outputs<'a>(&self, width: usize) -> Result<Outputs<'a, T>, String> {
        let (batch, stride) = (self.batch, self.retrieved_stride);
        let last = batch.saturating_sub(1).checked_mul(stride);
        let count = last.and_then(|last| last.checked_add(width));
        let count = count.filter(|count| *count <= isize::MAX as usize / size_of::<T>());
        let count = count.ok_or("retrieved_stride: expected rows that fit into memory")?;
        // SAFETY: as the caller says: without probes nothing, else rows that span so many elements.
        let retrieved = unsafe { write(self.retrieved, if batch == 0 { 0 } else { count }) };
        let matrix = |to| MatMut::with_stride(to, batch, width, stride);
        let refused = |error| format!("retrieved: {error}");
        let retrieved = retrieved.map(matrix).transpose().map_err(refused)?;
        let mut outputs = Outputs::new().with_retrieved(retrieved);
        // SAFETY: as the caller says, of all three: they have an element for each probe.
        (outputs.energy, outputs.lse, outputs.entropy) = unsafe {
            (write(self.energy, batch), write(self.lse, batch), write(self.entropy, batch))
        };
        Ok(outputs)
    }
}

fn similarity(number: i32) -> Result<Similarity, String> {
    Ok(match number {
        0 => Similarity::Dot,
        1 => Similarity::Cosine,
        2 => Similarity::NegHalfSquaredL2,
        3 => Similarity::NegL2,
        4 => Similarity::NegL1,
        _ => return Err(format!("similarity: expected an HkSimilarity, got {number}")),
    })
}

fn separation(number: i32, parameter: f64) -> Result<Separation, String> {
    let count = parameter.max(0.0) as usize;
    Ok(match number {
        0 => Separation::Softmax,
        1 => Separation::SoftmaxPlus(parameter),
        2 => Separation::Sparsemax,
        3 => Separation::Entmax(parameter),
        4 => Separation::Normmax(parameter),
        5 => Separation::KSubsets(parameter),
        6 => Separation::TopK(count),
        7 => Separation::HardTopK(count),
        8 => Separation::Max,
        9 => Separation::Polynomial(parameter),
        10 => Separation::Power(parameter),
        11 => Separation::Epanechnikov(parameter),
        _ => return Err(format!("separation: expected an HkSeparation, got {number}")),
    })
}
