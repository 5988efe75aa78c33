//! A recall, as a C struct describes it.

use hk::{Element, MatMut, MatRef, Outputs, Retrieval};

use crate::options::{Versioned, read, slice, slice_mut, span};
use crate::status::missing;
use crate::{Handle, rows, text};

/// How alike a probe and a pattern are: larger is more alike.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum Similarity {
    /// m · x
    Dot = 0,
    /// m · x / (|m| |x|)
    Cosine = 1,
    /// -|x - m|² / 2
    NegHalfSquaredL2 = 2,
    /// -|x - m|
    NegL2 = 3,
    /// -Σ |x_d - m_d|
    NegL1 = 4,
}

/// How scores become memory weights. Those with a letter take it as `parameter`.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum Separation {
    /// exp, normalised.
    Softmax = 0,
    /// c: softmax with c in the sum.
    SoftmaxPlus = 1,
    /// The projection onto the simplex.
    Sparsemax = 2,
    /// alpha, above 1
    Entmax = 3,
    /// alpha, above 1
    Normmax = 4,
    /// k
    KSubsets = 5,
    /// k: softmax of the k largest.
    TopK = 6,
    /// k: 1 / k each.
    HardTopK = 7,
    /// The largest alone.
    Max = 8,
    /// n
    Polynomial = 9,
    /// p
    Power = 10,
    /// k
    Epanechnikov = 11,
}

/// A recall of `batch` probes from N patterns of D elements. Set all members to zero first, then
/// `struct_size` to the size of this struct. A pointer that may be NULL stands for what is not
/// there, or is not wanted. Arrays that are written overlap no others.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Recall<T> {
    /// The size of this struct.
    pub struct_size: usize,
    /// batch rows of D elements
    pub probes: *const T,
    /// The number of probes.
    pub batch: usize,
    /// Elements from one probe to the next.
    pub probe_stride: usize,
    /// The inverse temperature, above 0.
    pub beta: T,
    /// An HkSimilarity.
    pub similarity: i32,
    /// An HkSeparation.
    pub separation: i32,
    /// The parameter of the separation.
    pub parameter: f64,
    /// N, or batch rows of N, or NULL: 0 where a pattern takes no part.
    pub mask: *const u8,
    /// N, or batch rows of N, or NULL: added to the scores.
    pub bias: *const T,
    /// batch rows of D elements (of E with values), or NULL
    pub retrieved: *mut T,
    /// Elements from one row of `retrieved` to the next.
    pub retrieved_stride: usize,
    /// batch, or NULL
    pub energy: *mut T,
    /// batch, or NULL: the log of the sum of exp, or the potential of the separation.
    pub lse: *mut T,
    /// batch, or NULL: of the memory weights, in nats.
    pub entropy: *mut T,
    /// batch, or NULL: the pattern with the largest score, SIZE_MAX where there is none.
    pub best: *mut usize,
    /// 0 for one mask of all probes, or elements from the mask of one probe to the next.
    pub mask_stride: usize,
    /// 0 for one bias of all probes, or elements from the bias of one probe to the next.
    pub bias_stride: usize,
    /// batch, or NULL: the memory weight of `best`.
    pub best_weight: *mut T,
    /// batch, or NULL: how many memory weights are not 0.
    pub support: *mut usize,
    /// batch rows of N, one after the other, or NULL
    pub similarities: *mut T,
    /// batch rows of N, one after the other, or NULL
    pub memory_weights: *mut T,
}

// SAFETY: it is `repr(C)`, its size comes first, and zero is a value of numbers and of pointers.
unsafe impl<T: Element> Versioned for Recall<T> {
    const NAME: &'static str = "recall";
    const FIRST: usize = std::mem::offset_of!(Self, mask_stride);
}

/// What a recall reads, as the crate has it.
pub struct Reading<'a, T> {
    pub recall: Recall<T>,
    pub probes: MatRef<'a, T>,
    masks: Option<Vec<bool>>,
    bias: Option<MatRef<'a, T>>,
    patterns: usize,
}

impl<'a, T: Element> Reading<'a, T> {
    /// Of a struct of the caller.
    ///
    /// # Safety
    /// As for `hk_recall_f32`, of what is read.
    pub unsafe fn new(memory: &Handle<T>, recall: *const Recall<T>) -> Result<Self, String> {
        // SAFETY: `read` checks for null and for the size of the struct, which is one of this type
        // by the precondition.
        let recall = unsafe { read(recall) }?;
        let (patterns, dim) = (memory.memory.patterns(), memory.memory.dim());
        let shape = (recall.batch, dim);
        // SAFETY: `rows` checks for null and for the stride; otherwise such rows are there, by the
        // precondition.
        let probes = unsafe { rows("probes", recall.probes, shape, recall.probe_stride) }?;
        let each = |stride| (if stride == 0 { 1 } else { recall.batch }, patterns);
        let of_mask = each(recall.mask_stride);
        let count = span("mask", of_mask, recall.mask_stride)?;
        // SAFETY: null is checked there; otherwise so many elements are there by the precondition,
        // and `count` is what the shape spans.
        let mask = unsafe { slice(recall.mask, count) };
        let masks = mask.map(|mask| {
            let row = |b: usize| &mask[b * recall.mask_stride..][..patterns];
            (0..of_mask.0).flat_map(row).map(|part| *part != 0).collect()
        });
        let of_bias = each(recall.bias_stride);
        let bias = match recall.bias.is_null() {
            true => None,
            // SAFETY: `rows` checks for null and for the stride; otherwise such rows are there, by
            // the precondition.
            false => Some(unsafe {
                rows("bias", recall.bias, of_bias, recall.bias_stride.max(patterns))
            }?),
        };
        Ok(Self { recall, probes, masks, bias, patterns })
    }

    /// The retrieval.
    pub fn retrieval(&self) -> Result<Retrieval<'_, T>, String> {
        let recall = &self.recall;
        let mut retrieval = Retrieval::new(recall.beta)
            .with_similarity(similarity(recall.similarity)?)
            .with_separation(separation(recall.separation, recall.parameter)?);
        if let Some(masks) = &self.masks {
            retrieval = match recall.mask_stride {
                0 => retrieval.with_mask(masks),
                _ => {
                    let masks = MatRef::new(masks, recall.batch, self.patterns).map_err(text)?;
                    retrieval.with_masks(masks)
                }
            };
        }
        Ok(match self.bias {
            None => retrieval,
            Some(bias) if recall.bias_stride == 0 => retrieval.with_bias(bias.row(0)),
            Some(bias) => retrieval.with_biases(bias),
        })
    }

    /// Room for the best pattern of each probe, if these are wanted.
    pub fn best_buffer(&self) -> Vec<Option<usize>> {
        vec![None; if self.recall.best.is_null() { 0 } else { self.recall.batch }]
    }

    /// Writes the best patterns.
    ///
    /// # Safety
    /// As for `hk_recall_f32`, of what is written.
    pub unsafe fn write_best(&self, best: &[Option<usize>]) {
        // SAFETY: null is checked there; otherwise so many elements are there by the precondition,
        // and `count` is what the shape spans.
        let to = unsafe { slice_mut(self.recall.best, best.len()) };
        for (to, best) in to.into_iter().flatten().zip(best) {
            // C's word for no pattern at all is SIZE_MAX.
            *to = best.unwrap_or(usize::MAX);
        }
    }

    /// The arrays that are written; the best patterns are written to `best`.
    ///
    /// # Safety
    /// As for `hk_recall_f32`, of what is written.
    pub unsafe fn outputs<'o>(
        &self,
        memory: &Handle<T>,
        best: &'o mut [Option<usize>],
    ) -> Result<Outputs<'o, T>, String> {
        let (recall, batch) = (&self.recall, self.recall.batch);
        let width = memory.memory.value_dim().unwrap_or(memory.memory.dim());
        let stride = recall.retrieved_stride;
        let count = span("retrieved", (batch, width), stride)?;
        // SAFETY: `slice_mut` checks for null; otherwise the rows span `count` elements, by the
        // precondition.
        let retrieved = unsafe { slice_mut(recall.retrieved, count) };
        let retrieved = retrieved
            .map(|to| MatMut::with_stride(to, batch, width, stride))
            .transpose()
            .map_err(|error| format!("retrieved: {error}"))?;
        let shape = (batch, self.patterns);
        let mut outputs = Outputs::default().with_retrieved(retrieved);
        // SAFETY: null is checked there; otherwise each has an element or a row for each probe and
        // overlaps no other, by the precondition.
        unsafe {
            outputs.similarities = matrix("similarities", recall.similarities, shape)?;
            outputs.memory_weights = matrix("memory_weights", recall.memory_weights, shape)?;
            outputs.energy = slice_mut(recall.energy, batch);
            outputs.lse = slice_mut(recall.lse, batch);
            outputs.entropy = slice_mut(recall.entropy, batch);
            outputs.best_weight = slice_mut(recall.best_weight, batch);
            outputs.support = slice_mut(recall.support, batch);
        }
        outputs.best = (!best.is_empty()).then_some(best);
        Ok(outputs)
    }
}

/// Rows to be written, one after the other, unless there are none.
///
/// # Safety
/// `start` is null or points to them, and nothing else uses them for the lifetime.
pub unsafe fn matrix<'a, T>(
    name: &str,
    start: *mut T,
    shape: (usize, usize),
) -> Result<Option<MatMut<'a, T>>, String> {
    let count = span(name, shape, shape.1)?;
    // SAFETY: null is checked there; otherwise so many elements are there by the precondition, and
    // `count` is what the shape spans.
    let elements = unsafe { slice_mut(start, count) };
    elements.map(|to| MatMut::new(to, shape.0, shape.1)).transpose().map_err(text)
}

/// Recalls, and writes what there is room for.
///
/// # Safety
/// As for `hk_recall_f32`.
pub unsafe fn run<T: Element>(
    memory: *mut Handle<T>,
    recall: *const Recall<T>,
) -> Result<(), String> {
    // SAFETY: `as_mut` checks for null; otherwise `memory` is a live handle from `new`, by the
    // precondition.
    let memory = unsafe { memory.as_mut() }.ok_or_else(|| missing("memory"))?;
    // SAFETY: `recall` is null, which `Reading::new` checks, or a struct whose pointers are as it
    // says, by the precondition.
    let reading = unsafe { Reading::new(memory, recall) }?;
    let mut best = reading.best_buffer();
    // SAFETY: the outputs that are not null have as many elements as the struct says and overlap no
    // others, by the precondition.
    let outputs = unsafe { reading.outputs(memory, &mut best) }?;
    let retrieval = reading.retrieval()?;
    retrieval.run(reading.probes, &memory.memory, outputs, &mut memory.context).map_err(text)?;
    // SAFETY: `best` of the struct is null or has an entry for each probe, by the precondition.
    unsafe { reading.write_best(&best) };
    Ok(())
}

fn similarity(number: i32) -> Result<hk::Similarity, String> {
    let all = [
        (Similarity::Dot, hk::Similarity::Dot),
        (Similarity::Cosine, hk::Similarity::Cosine),
        (Similarity::NegHalfSquaredL2, hk::Similarity::NegHalfSquaredL2),
        (Similarity::NegL2, hk::Similarity::NegL2),
        (Similarity::NegL1, hk::Similarity::NegL1),
    ];
    let found = all.into_iter().find(|(of, _)| *of as i32 == number);
    let refused = || format!("similarity: expected an HkSimilarity, got {number}");
    found.map(|(_, similarity)| similarity).ok_or_else(refused)
}

fn separation(number: i32, parameter: f64) -> Result<hk::Separation, String> {
    let count = parameter.max(0.0) as usize;
    let all = [
        (Separation::Softmax, hk::Separation::Softmax),
        (Separation::SoftmaxPlus, hk::Separation::SoftmaxPlus(parameter)),
        (Separation::Sparsemax, hk::Separation::Sparsemax),
        (Separation::Entmax, hk::Separation::Entmax(parameter)),
        (Separation::Normmax, hk::Separation::Normmax(parameter)),
        (Separation::KSubsets, hk::Separation::KSubsets(parameter)),
        (Separation::TopK, hk::Separation::TopK(count)),
        (Separation::HardTopK, hk::Separation::HardTopK(count)),
        (Separation::Max, hk::Separation::Max),
        (Separation::Polynomial, hk::Separation::Polynomial(parameter)),
        (Separation::Power, hk::Separation::Power(parameter)),
        (Separation::Epanechnikov, hk::Separation::Epanechnikov(parameter)),
    ];
    let found = all.into_iter().find(|(of, _)| *of as i32 == number);
    let refused = || format!("separation: expected an HkSeparation, got {number}");
    found.map(|(_, separation)| separation).ok_or_else(refused)
}
