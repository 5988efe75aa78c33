//! The separation function: similarities become memory weights, one block of patterns at a time.
//!
//! The streaming softmax (Milakov & Gimelshein 2018, arXiv 1805.02867): with the highest score so far
//! as the peak,
//!
//! ```text
//! peak' = max(peak, max_n score[n])
//! rescale = exp2(scale (peak - peak'))               # what came before was relative to `peak`
//! weight[n] = exp2(scale (score[n] - peak')), 0 below the cut
//! mass = rescale mass + Σ_n weight[n]
//! ```
//!
//! where scale = β log2 e. The difference is taken before the product with the scale: near the peak,
//! where weights matter, it is exact.

use super::exp2::{exp2_one, power};
use super::rows::nonzero_columns;
use super::{MAX_LANES, reduce, sum};
use crate::simd::{Kernel, Simd};
use crate::{Element, MatMut, MatRef};

/// How sharply weights fall with the distance from the peak.
#[derive(Debug, Clone, Copy)]
pub struct Sharpness<T> {
    /// β log2 e.
    pub scale: T,
    /// Weights below 2^cut are 0.
    pub cut: T,
    /// Whether Σ weight log2 weight is wanted.
    pub heat: bool,
}

impl<T: Element> Sharpness<T> {
    /// For inverse temperature `beta` and a sum over `patterns` weights.
    ///
    /// All the weights below 2^-(digits + log2 N), together, are less than half an ulp of the sum,
    /// which is at least 1.
    pub fn new(beta: f64, patterns: usize) -> Self {
        let bits = f64::from(T::DIGITS) + (patterns.max(1) as f64).log2().ceil();
        Self {
            scale: T::from_f64((beta * std::f64::consts::LOG2_E).min(T::MAX.to_f64())),
            cut: T::from_f64(-bits),
            heat: false,
        }
    }
}

/// What is known of one probe's softmax after some of the patterns.
#[derive(Debug, Clone, Copy)]
pub struct State<T> {
    /// The highest score.
    pub peak: T,
    /// Σ_n weight[n], relative to the peak. NaN when a score was not finite.
    pub mass: T,
    /// Σ_n weight[n] log2 weight[n], for the entropy.
    pub heat: T,
    /// The first pattern whose score is the peak.
    pub best: usize,
    /// Patterns that contributed: whose weight was not zero when they came.
    pub support: usize,
}

impl<T: Element> State<T> {
    /// Before the first pattern.
    pub const EMPTY: Self =
        Self { peak: T::ZERO, mass: T::ZERO, heat: T::ZERO, best: usize::MAX, support: 0 };

    /// Of weights that are what they are: relative to nothing, not to be normalised.
    pub const UNIT: Self = Self { mass: T::ONE, best: 0, ..Self::EMPTY };

    /// No pattern has come that was not masked.
    fn is_empty(&self) -> bool {
        self.best == usize::MAX && self.mass == T::ZERO
    }

    /// What the probe's sum of weighted patterns has to be multiplied by. All patterns masked: 0.
    pub fn normaliser(&self) -> T {
        if self.mass == T::ZERO { T::ZERO } else { T::ONE / self.mass }
    }

    /// The state after `earlier`'s patterns and then `later`'s, and the factors by which what was
    /// summed relative to either's peak is now to be scaled.
    #[inline(always)]
    pub fn merge<S: Simd<T>>(simd: S, earlier: Self, later: Self, scale: T) -> (Self, T, T) {
        if later.is_empty() {
            return (earlier, T::ONE, T::ZERO);
        }
        if earlier.is_empty() {
            return (later, T::ZERO, T::ONE);
        }
        let highest = if later.peak > earlier.peak { later } else { earlier };
        let (a, earlier_heat, earlier_support) = earlier.relative_to(simd, highest.peak, scale);
        let (b, later_heat, later_support) = later.relative_to(simd, highest.peak, scale);
        let merged = Self {
            peak: highest.peak,
            mass: earlier.mass * a + later.mass * b,
            heat: earlier_heat + later_heat,
            best: highest.best,
            support: earlier_support + later_support,
        };
        (merged, a, b)
    }

    /// The factor that makes weights relative to this peak relative to a higher one; heat and
    /// support after that.
    #[inline(always)]
    fn relative_to<S: Simd<T>>(self, simd: S, peak: T, scale: T) -> (T, T, usize) {
        let t = (self.peak - peak) * scale;
        let factor = exp2_one(simd, t);
        if factor == T::ZERO {
            return (factor, T::ZERO, 0);
        }
        // Σ a w (t + log2 w) = a (heat + t mass)
        (factor, factor * (self.heat + t * self.mass), self.support)
    }
}

/// Calls `each` with the groups of a row: their lanes' mask, offset and elements.
#[inline(always)]
fn for_each_group<T: Element, S: Simd<T>>(
    simd: S,
    row: &[T],
    mut each: impl FnMut(usize, usize, S::Group),
) {
    let whole = row.len() / T::LANES * T::LANES;
    for at in (0..whole).step_by(T::LANES) {
        // SAFETY: `at + LANES <= whole <= len`.
        each(at, T::LANES, unsafe { simd.load(row.as_ptr().add(at)) });
    }
    if whole < row.len() {
        let rest = row.len() - whole;
        // SAFETY: `rest` elements follow `whole`.
        each(whole, rest, unsafe { simd.load_first(row.as_ptr().add(whole), rest) });
    }
}

/// Writes what `each` makes of the groups of `len` elements at `from`.
///
/// # Safety
/// `len` elements at `from` are readable and as many at `to` writable. They may be the same.
#[inline(always)]
unsafe fn map_groups<T: Element, S: Simd<T>>(
    simd: S,
    (from, to, len): (*const T, *mut T, usize),
    mut each: impl FnMut(usize, S::Group) -> S::Group,
) {
    let whole = len / T::LANES * T::LANES;
    // SAFETY: whole groups below `whole`, then those of the rest, all below `len`. A group is read
    // before it is written.
    unsafe {
        for at in (0..whole).step_by(T::LANES) {
            simd.store(to.add(at), each(T::LANES, simd.load(from.add(at))));
        }
        if whole < len {
            let rest = len - whole;
            let group = each(rest, simd.load_first(from.add(whole), rest));
            simd.store_first(to.add(whole), group, rest);
        }
    }
}

/// The lanes of a group that are not masked.
#[inline(always)]
fn kept<T: Element, S: Simd<T>>(simd: S, keep: &[bool], at: usize, lanes: usize) -> S::Mask {
    let mut flags = [T::ZERO; MAX_LANES];
    for (flag, &keep) in flags.iter_mut().zip(&keep[at..at + lanes]) {
        *flag = if keep { T::ONE } else { T::ZERO };
    }
    // SAFETY: the array holds the widest group.
    simd.lt(simd.splat(T::ZERO), unsafe { simd.load(flags.as_ptr()) })
}

/// The highest and the lowest score that is not masked; -MAX.. and the reverse where all are.
#[inline(always)]
fn extremes<T: Element, S: Simd<T>>(simd: S, row: &[T], keep: Option<&[bool]>) -> (T, T) {
    let lowest = simd.splat(T::NEG_INFINITY);
    let highest = simd.splat(-T::NEG_INFINITY);
    let (mut high, mut low) = (lowest, highest);
    for_each_group(
        simd,
        row,
        #[inline(always)]
        |at, lanes, scores| {
            let (mut to_high, mut to_low) = (scores, scores);
            if lanes < T::LANES || keep.is_some() {
                let mask = match keep {
                    None => simd.first(lanes),
                    Some(keep) => kept::<T, S>(simd, keep, at, lanes),
                };
                to_high = simd.select(mask, scores, lowest);
                to_low = simd.select(mask, scores, highest);
            }
            high = simd.max(high, to_high);
            low = simd.min(low, to_low);
        },
    );
    let high = reduce(simd, high, |a, b| if b > a { b } else { a });
    let low = reduce(simd, low, |a, b| if b < a { b } else { a });
    (high, low)
}

/// Where the first score is that is not masked and not below `high`.
#[inline(always)]
fn position<T: Element, S: Simd<T>>(
    simd: S,
    row: &[T],
    keep: Option<&[bool]>,
    high: T,
) -> Option<usize> {
    let (zero, one, high) = (simd.splat(T::ZERO), simd.splat(T::ONE), simd.splat(high));
    for at in (0..row.len()).step_by(T::LANES) {
        let lanes = T::LANES.min(row.len() - at);
        // SAFETY: `lanes` elements of the row follow `at`.
        let scores = unsafe {
            let from = row.as_ptr().add(at);
            if lanes == T::LANES { simd.load(from) } else { simd.load_first(from, lanes) }
        };
        let mut mask = simd.first(lanes);
        if let Some(keep) = keep {
            mask = kept::<T, S>(simd, keep, at, lanes);
        }
        let reach = simd.select(simd.lt(scores, high), zero, one);
        let reach = simd.nonzero(simd.select(mask, reach, zero));
        if reach != 0 {
            return Some(at + reach.trailing_zeros() as usize);
        }
    }
    None
}

/// finish(exp2(scale (score - peak))) for every score; their sum before the finish, and, with `HEAT`,
/// the sum of weight log2 weight. Weights below the cut are 0 when it `CUTS`; without, the caller
/// knows that there are none.
///
/// # Safety
/// As for [`map_groups`].
#[inline(always)]
unsafe fn weigh<T: Element, S: Simd<T>, const CUTS: bool, const HEAT: bool>(
    simd: S,
    row: (*const T, *mut T, usize),
    peak: T,
    sharpness: Sharpness<T>,
    finish: impl Fn(S::Group) -> S::Group,
) -> (T, T) {
    let zero = simd.splat(T::ZERO);
    let (peak, scale) = (simd.splat(peak), simd.splat(sharpness.scale));
    let cut = simd.splat(sharpness.cut);
    let (mut mass, mut heat) = (zero, zero);
    // SAFETY: passed on.
    unsafe {
        map_groups(
            simd,
            row,
            #[inline(always)]
            |lanes, scores| {
                let mut t = simd.mul(simd.sub(scores, peak), scale);
                let mut weights = power(simd, t);
                if CUTS {
                    // Not "keep where t >= cut": a NaN must not be dropped.
                    let dropped = simd.lt(t, cut);
                    weights = simd.select(dropped, zero, weights);
                    t = simd.select(dropped, zero, t);
                }
                if lanes < T::LANES {
                    let mask = simd.first(lanes);
                    weights = simd.select(mask, weights, zero);
                    t = simd.select(mask, t, zero);
                }
                mass = simd.add(mass, weights);
                if HEAT {
                    heat = simd.mul_add(weights, t, heat);
                }
                finish(weights)
            },
        );
    }
    (sum(simd, mass), if HEAT { sum(simd, heat) } else { T::ZERO })
}

/// Turns a block's scores of one probe into weights relative to the peak so far, and returns the
/// factor by which what was summed before is to be rescaled, and whether no weight is 0.
///
/// `keep` has a flag for each score; `first` is the index of the block's first pattern.
#[inline(always)]
pub(crate) fn separate<T: Element, S: Simd<T>>(
    simd: S,
    row: &mut [T],
    keep: Option<&[bool]>,
    first: usize,
    sharpness: Sharpness<T>,
    state: &mut State<T>,
) -> (T, bool) {
    if keep.is_some_and(|keep| !keep.contains(&true)) {
        row.fill(T::ZERO);
        return (if state.is_empty() { T::ZERO } else { T::ONE }, false);
    }
    let (high, low) = extremes(simd, row, keep);
    let mut rescale = T::ONE;
    if state.is_empty() || high > state.peak {
        let t = (state.peak - high) * sharpness.scale;
        rescale = if state.is_empty() { T::ZERO } else { exp2_one(simd, t) };
        let warmth = if rescale == T::ZERO { T::ZERO } else { state.heat + t * state.mass };
        let best = position(simd, row, keep, high).map_or(usize::MAX, |n| first + n);
        let mass = rescale * state.mass;
        *state = State { peak: high, mass, heat: rescale * warmth, best, ..*state };
    }
    // A masked pattern's score may be anything, NaN too: it becomes one that weighs nothing.
    for (score, _) in row.iter_mut().zip(keep.unwrap_or_default()).filter(|(_, keep)| !**keep) {
        *score = T::NEG_INFINITY;
    }
    // The lowest score tells whether there is anything to cut, which dense weights are spared.
    let dense = keep.is_none() && (low - state.peak) * sharpness.scale >= sharpness.cut;
    let (in_place, peak) = ((row.as_ptr(), row.as_mut_ptr(), row.len()), state.peak);
    // SAFETY: the row itself.
    let (mass, heat) = unsafe {
        let same = std::convert::identity;
        match (dense, sharpness.heat) {
            (true, false) => weigh::<T, S, false, false>(simd, in_place, peak, sharpness, same),
            (true, true) => weigh::<T, S, false, true>(simd, in_place, peak, sharpness, same),
            (false, false) => weigh::<T, S, true, false>(simd, in_place, peak, sharpness, same),
            (false, true) => weigh::<T, S, true, true>(simd, in_place, peak, sharpness, same),
        }
    };
    // A score of -inf would weigh nothing and hide that the probe is not a number any more.
    let poison = if low == T::NEG_INFINITY { T::NAN } else { T::ZERO };
    state.mass = state.mass + mass + poison;
    state.heat += heat;
    (rescale, dense)
}

/// Turns the scores of one probe into memory weights, once its softmax is known: weight / mass.
#[inline(always)]
pub(crate) fn memory_weights<T: Element, S: Simd<T>>(
    simd: S,
    row: &mut [T],
    keep: Option<&[bool]>,
    sharpness: Sharpness<T>,
    state: &State<T>,
) {
    let in_place = (row.as_ptr(), row.as_mut_ptr(), row.len());
    let normaliser = simd.splat(state.normaliser());
    // SAFETY: the row itself.
    unsafe {
        weigh::<T, S, true, false>(
            simd,
            in_place,
            state.peak,
            sharpness,
            #[inline(always)]
            |w| simd.mul(w, normaliser),
        )
    };
    for (weight, _) in row.iter_mut().zip(keep.unwrap_or_default()).filter(|(_, keep)| !**keep) {
        *weight = T::ZERO;
    }
}

/// The softmax of every row, in place.
pub struct Softmax<'a, T> {
    /// Scores; softmax(β scores) afterwards.
    pub rows: MatMut<'a, T>,
    /// β
    pub sharpness: Sharpness<T>,
}

impl<T: Element> Kernel<T> for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        for b in 0..self.rows.rows() {
            softmax(simd, self.rows.row_mut(b), self.sharpness);
        }
    }
}

/// What [`separate`] does block by block and the division, for a row that is all there.
#[inline(always)]
fn softmax<T: Element, S: Simd<T>>(simd: S, row: &mut [T], sharpness: Sharpness<T>) {
    let (high, low) = extremes(simd, row, None);
    let mut mass = if low == T::NEG_INFINITY { T::NAN } else { T::ZERO };
    // Summed in blocks: the depth of a sum, and with it its error, is that of a block and the blocks.
    for block in row.chunks_mut(SOFTMAX_BLOCK) {
        let in_place = (block.as_ptr(), block.as_mut_ptr(), block.len());
        // SAFETY: the block itself.
        mass += unsafe {
            weigh::<T, S, true, false>(
                simd,
                in_place,
                high,
                sharpness,
                #[inline(always)]
                |w| w,
            )
        }
        .0;
    }
    let normaliser = simd.splat(T::ONE / mass);
    let in_place = (row.as_ptr(), row.as_mut_ptr(), row.len());
    // SAFETY: the row itself.
    unsafe {
        map_groups(
            simd,
            in_place,
            #[inline(always)]
            |_, weights| simd.mul(weights, normaliser),
        )
    };
}

/// Weights summed at a time.
const SOFTMAX_BLOCK: usize = 4096;

/// Lists the patterns that some probe of the group gives a weight, and counts each probe's.
///
/// `None` when that is all of the `count` patterns, which is known beforehand when `dense`.
#[inline(always)]
pub(crate) fn survivors<'a, T: Element, S: Simd<T>>(
    simd: S,
    weights: MatRef<'_, T>,
    count: usize,
    dense: bool,
    states: &mut [State<T>],
    list: &'a mut [u32],
) -> Option<&'a [u32]> {
    assert_eq!(states.len(), weights.rows());
    if dense {
        states.iter_mut().for_each(|state| state.support += count);
        return None;
    }
    let listed = nonzero_columns(
        simd,
        weights,
        count,
        list,
        #[inline(always)]
        |b, bits| states[b].support += bits.count_ones() as usize,
    );
    (listed < count).then_some(&list[..listed])
}
