//! The weighted median of every feature over the support of a probe.
//!
//! ```text
//! for every 16 features:
//!     columns = their elements in the patterns of the support      # row by row, a line at a time
//!     for each feature:
//!         the probe's own element, if no more than half of the weight is on either side of it
//!         otherwise the least element at which the weight so far reaches half
//! ```
//!
//! The median is found by selection: elements are divided by a pivot, and the part that does not
//! hold the median is left out with its weight. The pivot is near the median of a small sample, so
//! that few elements are left after the first division.

use crate::matrix::MatRef;
use crate::memory::Memory;
use crate::simd::Element;

/// Features whose columns are made together: a cache line of most rows.
const FEATURES: usize = 16;
/// Elements of a sample. Fewer than four times as many are sorted as they are.
const SAMPLE: usize = 31;

/// A probe, and the patterns of its support with their weights.
#[derive(Clone, Copy)]
pub(crate) struct Weighted<'a, T> {
    pub probe: &'a [T],
    pub indices: &'a [u32],
    pub weights: &'a [f64],
}

/// Scratch of medians.
#[derive(Debug, Clone)]
pub(crate) struct MedianScratch<T> {
    /// Patterns that are not stored as elements.
    rows: Vec<T>,
    /// The elements of a few features, one column after another.
    columns: Vec<T>,
    parts: Parts,
}

impl<T> Default for MedianScratch<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), columns: Vec::new(), parts: Parts::default() }
    }
}

/// An element of a column, and its weight.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    element: f64,
    weight: f64,
}

/// The rows of one support.
#[derive(Debug, Clone, Copy)]
enum SupportRows<'a, T> {
    /// All rows, by index.
    InPlace(MatRef<'a, T>),
    /// Copies of the support's rows, in its order.
    Copied(MatRef<'a, T>),
}

impl<'a, T: Element> SupportRows<'a, T> {
    /// Patterns in place, or copied to a buffer where they are not stored as elements.
    fn of(memory: &'a Memory<T>, indices: &[u32], buffer: &'a mut Vec<T>) -> Self {
        if let Some(rows) = memory.try_as_mat() {
            return Self::InPlace(rows);
        }
        let dim = memory.dim();
        buffer.resize(indices.len() * dim, T::ZERO);
        for (&n, to) in indices.iter().zip(buffer.chunks_exact_mut(dim)) {
            memory.copy(n as usize, to);
        }
        let rows = MatRef::new(buffer, indices.len(), dim);
        Self::Copied(rows.expect("the buffer has room for these rows"))
    }

    /// Row `n`, which comes at place `at` of the support.
    fn row(&self, at: usize, n: u32) -> &'a [T] {
        match self {
            Self::InPlace(rows) => rows.row(n as usize),
            Self::Copied(rows) => rows.row(at),
        }
    }
}

/// Calls `each` with every feature, its median, or `None` if that is the probe's own element, and
/// the elements of the support.
pub(crate) fn for_each_median<T: Element>(
    of: Weighted<'_, T>,
    memory: &Memory<T>,
    scratch: &mut MedianScratch<T>,
    mut each: impl FnMut(usize, Option<T>, &[T]),
) {
    let MedianScratch { rows, columns, parts } = scratch;
    let rows = SupportRows::of(memory, of.indices, rows);
    let (count, dim) = (of.indices.len(), of.probe.len());
    let half = 0.5 * of.weights.iter().sum::<f64>();
    columns.resize(FEATURES * count, T::ZERO);
    parts.signed = of.weights.iter().any(|p| *p < 0.0);
    for start in (0..dim).step_by(FEATURES) {
        let features = start..dim.min(start + FEATURES);
        let probe = &of.probe[features.clone()];
        let (mut below, mut above) = ([0.0; FEATURES], [0.0; FEATURES]);
        for (at, (&n, &p)) in of.indices.iter().zip(of.weights).enumerate() {
            let row = &rows.row(at, n)[features.clone()];
            for (f, (&m, &x)) in row.iter().zip(probe).enumerate() {
                columns[f * count + at] = m;
                below[f] += if m < x { p } else { 0.0 };
                above[f] += if m > x { p } else { 0.0 };
            }
        }
        for (f, d) in features.enumerate() {
            let column = &columns[f * count..][..count];
            let own = below[f] <= half && above[f] <= half;
            let median = (!own).then(|| T::from_f64(median(column, of.weights, half, parts)));
            each(d, median, column);
        }
    }
}

/// Elements with weights, and scratch to divide them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    /// Whether a weight may be negative, as under powers. Sums of weights then need not rise, and
    /// parts are sorted.
    signed: bool,
    all: Vec<Part>,
    lower: Vec<Part>,
    higher: Vec<Part>,
}

impl Parts {
    pub fn clear(&mut self) {
        self.all.clear();
    }

    pub fn push(&mut self, element: f64, weight: f64) {
        self.all.push(Part { element, weight });
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The sum of the weights.
    pub fn sum(&self) -> f64 {
        self.all.iter().map(|part| part.weight).sum()
    }

    /// The least element at which the sum of the weights of elements up to it reaches `amount`.
    /// Removes parts.
    pub fn reaching(&mut self, amount: f64) -> f64 {
        let Self { signed, all, lower, higher } = self;
        // The weight of what has been left out below.
        let mut before = 0.0;
        while all.len() >= 4 * SAMPLE && !*signed {
            let pivot = pivot(all, amount - before);
            let (mut low, mut high, mut to, mut at) = (0, 0, 0.0, 0.0);
            lower.resize(all.len(), Part::default());
            higher.resize(all.len(), Part::default());
            // Without a branch, as nothing predicts the sides.
            for &part in &*all {
                let (is_lower, is_higher) = (part.element < pivot, part.element > pivot);
                lower[low] = part;
                higher[high] = part;
                low += usize::from(is_lower);
                high += usize::from(is_higher);
                to += if is_lower { part.weight } else { 0.0 };
                at += if is_lower || is_higher { 0.0 } else { part.weight };
            }
            if before + to >= amount && low > 0 {
                lower.truncate(low);
                std::mem::swap(all, lower);
            } else if before + to + at >= amount || high == 0 {
                return pivot;
            } else {
                before += to + at;
                higher.truncate(high);
                std::mem::swap(all, higher);
            }
        }
        sorted_median(all, before, amount)
    }
}

/// The least element at which the weights of no higher ones reach half of all.
fn median<T: Element>(column: &[T], weights: &[f64], half: f64, parts: &mut Parts) -> f64 {
    parts.clear();
    let pairs = column.iter().zip(weights);
    parts.all.extend(pairs.map(|(m, &weight)| Part { element: m.to_f64(), weight }));
    parts.reaching(half)
}

/// The same of few elements.
fn sorted_median(parts: &mut [Part], before: f64, half: f64) -> f64 {
    parts.sort_unstable_by(|a, b| a.element.total_cmp(&b.element));
    let mut so_far = before;
    let reaches = |part: &&Part| {
        so_far += part.weight;
        so_far >= half
    };
    let found = parts.iter().find(reaches).or(parts.last());
    found.map_or(f64::NAN, |part| part.element)
}

/// An element near the one at which the weights reach `rest`, estimated from a sample.
fn pivot(parts: &[Part], rest: f64) -> f64 {
    let step = parts.len() / SAMPLE;
    let mut sample: [Part; SAMPLE] = std::array::from_fn(|i| parts[i * step]);
    let all: f64 = parts.iter().map(|part| part.weight).sum();
    let of_sample: f64 = sample.iter().map(|part| part.weight).sum();
    let half = if all > 0.0 { of_sample * (rest / all) } else { 0.0 };
    sorted_median(&mut sample, 0.0, half)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Selection finds what sorting does, among equals and among weights of 0 too.
    #[test]
    fn the_median_is_that_of_a_sorted_column() {
        let mut state = 7_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 40
        };
        let mut parts = Parts::default();
        for count in [1, 2, 3, 50, 123, 124, 200, 1000, 5000] {
            for values in [2, 7, 1 << 20] {
                let column: Vec<f32> = (0..count).map(|_| (next() % values) as f32).collect();
                // Whole numbers, whose sums are exact in every order.
                let weights: Vec<f64> = (0..count).map(|_| (next() % 4) as f64).collect();
                let half = 0.5 * weights.iter().sum::<f64>();
                let all = column.iter().zip(&weights);
                let mut sorted: Vec<Part> = all
                    .map(|(&element, &weight)| Part { element: f64::from(element), weight })
                    .collect();
                let expected = sorted_median(&mut sorted, 0.0, half);
                let found = median(&column, &weights, half, &mut parts);
                assert_eq!(found, expected, "{count} elements of {values} values");
            }
        }
    }
}
