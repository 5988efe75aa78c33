//! Scores: the dot product of every probe of a block with every pattern of a block, or another sum
//! over d, as the similarity accumulates it.
//!
//! ```text
//! for each chunk of d that keeps a probe tile in L1:
//!     for each tile of P probes:
//!         for each panel of LANES patterns:
//!             for each tile of Q patterns:
//!                 acc[P][Q] = 0
//!                 for each vector g of the chunk:
//!                     acc[i][j] += X[i, g] * M[j, g]      # P·Q multiply-adds for P + Q loads;
//!                                                         # or as `Accumulate` has it
//!                 fold acc[i][0..Q] onto one another      # log2 Q steps of the horizontal sums
//!             scores[i][panel] += the remaining steps, for all tiles at once
//! ```
//!
//! 1. Lanes run over d, so the rows of the patterns are read in place and nothing is packed. The
//!    price is a horizontal sum for each score. Folding the sums of a panel into one another
//!    (`add_all`) makes it small: about one addition for a score instead of four with their
//!    shuffles.
//! 2. If the last panel is incomplete, the last pattern fills it: no row is read beyond the last,
//!    and the surplus scores are copies of the last pattern's.
//! 3. Chunks depend on D and the type alone, and therefore the order of every sum does too.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::simd::reduce::add_all;
use crate::simd::tail::vectors_of;
use crate::simd::tile::for_tile_size;
use crate::simd::{Element, Kernel, Loads, MAX_LANES, Simd, Stored, Whole};
use crate::similarity::accumulate::{Accumulate, Products};

/// Most bytes of a probe in one chunk. A tile of six probes of this length and the patterns that
/// stream past them fit in 32 to 48 KiB of L1.
const CHUNK_BYTES: usize = 4096;

/// scores[b][n] = x_b · m_n, or another sum, over one chunk of d. The first chunk sets the scores;
/// later ones add to them.
///
/// `scores` has a column for each pattern, rounded up to whole vectors. The surplus columns repeat
/// the score of the last pattern.
#[inline(always)]
pub(crate) fn sums<A: Accumulate, T: Element, S: Simd<T>>(
    simd: S,
    probes: MatRef<'_, T>,
    patterns: MatRef<'_, T>,
    chunk: Range<usize>,
    scores: &mut MatMut<'_, T>,
) {
    let width = vectors_of(&probes);
    assert!(width == vectors_of(&patterns) && chunk.end <= width);
    assert_eq!(scores.shape(), (probes.rows(), patterns.rows().next_multiple_of(T::LANES)));
    for tile in evenly(probes.rows(), S::MR) {
        let probes = probes.subrows(tile.clone());
        let (rows, count) = (InOrder, patterns.rows());
        let block = Block { probes, patterns, rows, count, chunk: chunk.clone(), ahead: 0 };
        // SAFETY: the shapes and `chunk.end <= width` are asserted above, and `tile` selects the
        // same rows of the probes and the scores.
        unsafe { block.dispatch::<A, S>(simd, &mut scores.rows_mut(tile)) };
    }
}

/// The same for one probe and patterns in place that come from memory: rows further on are
/// prefetched to L2.
#[inline(always)]
pub(crate) fn sums_from_memory<A: Accumulate, T: Element, S: Simd<T>>(
    simd: S,
    probe: MatRef<'_, T>,
    patterns: MatRef<'_, T>,
    chunk: Range<usize>,
    scores: &mut MatMut<'_, T>,
) {
    let width = vectors_of(&probe);
    assert!(probe.rows() == 1 && width == vectors_of(&patterns) && chunk.end <= width);
    assert_eq!(scores.shape(), (1, patterns.rows().next_multiple_of(T::LANES)));
    let (rows, count, stride) = (InOrder, patterns.rows(), patterns.forward_stride());
    let ahead = (2 * S::NR + further::<T>(stride)) * stride;
    let block = Block { probes: probe, patterns, rows, count, chunk, ahead };
    // SAFETY: the shapes and `chunk.end <= width` are asserted above.
    unsafe { block.one::<A, S, true>(simd, scores) };
}

/// Bytes between the rows that are read and those that are prefetched, for one probe and patterns
/// that come from memory. They go to L2, as L1 would keep too few lines on their way.
const FURTHER_BYTES: usize = 8 << 10;

/// `FURTHER_BYTES` in rows of `E` that begin `stride` numbers apart, rounded up.
pub(crate) const fn further<E>(stride: usize) -> usize {
    FURTHER_BYTES.div_ceil(stride * size_of::<E>())
}

/// The scores of one probe with patterns that a list names: the bits of [`sums`].
pub(crate) struct ListedScores<'a, T> {
    /// Padded.
    pub probe: MatRef<'a, T>,
    pub patterns: MatRef<'a, T>,
    pub list: &'a [u32],
    /// A score for each entry of the list, rounded up to whole vectors; written.
    pub scores: &'a mut [T],
}

impl<T: Element> Kernel<T> for ListedScores<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { probe, patterns, list, scores } = self;
        if list.is_empty() {
            return;
        }
        let width = vectors_of(&probe);
        assert!(probe.rows() == 1 && width == vectors_of(&patterns));
        assert!(list.iter().all(|&n| (n as usize) < patterns.rows()));
        let (count, cols) = (list.len(), list.len().next_multiple_of(T::LANES));
        let mut scores = MatMut::new(&mut scores[..cols], 1, cols).expect("a row is its elements");
        for chunk in chunks::<T>(width) {
            let rows = Listed(list);
            let block = Block { probes: probe, patterns, rows, count, chunk, ahead: 0 };
            // SAFETY: the shapes are asserted above, and the chunk is one of the rows'; every entry
            // of the list is a row of the patterns.
            unsafe { block.one::<Products, S, false>(simd, &mut scores) };
        }
    }
}

/// Splits the `width` vectors of a row into even chunks.
#[inline(always)]
pub(crate) fn chunks<T: Element>(
    width: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
    const { assert!(CHUNK_BYTES >= 16 * size_of::<f64>()) };
    let most = CHUNK_BYTES / size_of::<T>() / T::LANES;
    // Most rows are a single chunk: no division is needed.
    let count = if width <= most { 1 } else { width.div_ceil(most) };
    (0..count).map(
        #[inline(always)]
        move |chunk| match count {
            1 => 0..width,
            _ => chunk * width / count..(chunk + 1) * width / count,
        },
    )
}

/// The sums over one chunk of d.
struct Block<'a, T, R> {
    probes: MatRef<'a, T>,
    patterns: MatRef<'a, T>,
    /// Which rows of the patterns take part, and how many.
    rows: R,
    count: usize,
    /// In vectors.
    chunk: Range<usize>,
    /// Elements from a row to the one that is prefetched with it; 0 for no prefetch.
    ahead: usize,
}

/// The rows of the patterns that take part, one after another.
trait RowOrder: Copy {
    /// Whether a panel is often incomplete: surplus tiles are then left out.
    const SPARSE: bool;

    /// The row at a place among those that take part.
    fn row(&self, at: usize) -> usize;
}

/// All rows.
#[derive(Clone, Copy)]
struct InOrder;

impl RowOrder for InOrder {
    const SPARSE: bool = false;

    #[inline(always)]
    fn row(&self, at: usize) -> usize {
        at
    }
}

/// The rows that a list names.
#[derive(Clone, Copy)]
struct Listed<'a>(&'a [u32]);

impl RowOrder for Listed<'_> {
    const SPARSE: bool = true;

    #[inline(always)]
    fn row(&self, at: usize) -> usize {
        self.0[at] as usize
    }
}

impl<T: Element, R: RowOrder> Block<'_, T, R> {
    /// The row at a place among those that take part, or the last one beyond these.
    #[inline(always)]
    fn row(&self, at: usize) -> *const T {
        let row = self.rows.row(at.min(self.count - 1));
        self.patterns.as_ptr().wrapping_add(row * self.patterns.forward_stride())
    }

    /// One probe, which is bound by the loads of the patterns. The registers hold a tile of twice
    /// the patterns. With `AHEAD`, rows are prefetched.
    ///
    /// # Safety
    /// - There is one probe.
    /// - `chunk` is within the rows of both matrices, and `rows` names rows of the patterns alone.
    /// - `scores` has a row, and a column for each row that takes part, rounded up to whole
    ///   vectors.
    #[inline(always)]
    unsafe fn one<A: Accumulate, S: Simd<T>, const AHEAD: bool>(
        &self,
        simd: S,
        scores: &mut MatMut<'_, T>,
    ) {
        // SAFETY: the chunk, the rows and the shape of `scores` are as `panels` requires, by the
        // preconditions of `one`; there is one probe.
        unsafe {
            match 2 * S::NR {
                8 => self.panels::<A, S, 1, 8, AHEAD>(simd, scores),
                4 => self.panels::<A, S, 1, 4, AHEAD>(simd, scores),
                _ => self.panels::<A, S, 1, 2, AHEAD>(simd, scores),
            }
        }
    }

    /// Chooses the register tile: all probes, and as many patterns as the registers allow.
    ///
    /// # Safety
    /// - `chunk` is within the rows of both matrices, and `rows` names rows of the patterns alone.
    /// - `scores` has a row for each probe, and a column for each row that takes part, rounded up
    ///   to whole vectors.
    #[inline(always)]
    unsafe fn dispatch<A: Accumulate, S: Simd<T>>(self, simd: S, scores: &mut MatMut<'_, T>) {
        // SAFETY: the chunk and the shape of `scores` are as `panels` requires, by the
        // preconditions of `dispatch`; `for_tile_size` makes `P` the number of probes.
        for_tile_size!(simd, self.probes.rows(), S::MR, |P| unsafe {
            match S::NR {
                _ if P == 1 => self.one::<A, S, false>(simd, scores),
                4 => self.panels::<A, S, P, 4, false>(simd, scores),
                2 => self.panels::<A, S, P, 2, false>(simd, scores),
                _ => self.panels::<A, S, P, 1, false>(simd, scores),
            }
        });
    }

    /// All panels of the block, with register tiles of `P` probes by `Q` patterns. With `AHEAD`,
    /// rows are prefetched.
    ///
    /// # Safety
    /// - There are `P` probes.
    /// - `chunk` is within the rows of both matrices, and `rows` names rows of the patterns alone.
    /// - `scores` has a row for each probe, and a column for each row that takes part, rounded up
    ///   to whole vectors.
    #[inline(always)]
    unsafe fn panels<
        A: Accumulate,
        S: Simd<T>,
        const P: usize,
        const Q: usize,
        const AHEAD: bool,
    >(
        &self,
        simd: S,
        scores: &mut MatMut<'_, T>,
    ) {
        let (count, first) = (self.count, self.chunk.start == 0);
        let (to, to_stride) = (scores.as_mut_ptr(), scores.stride());
        for panel in (0..count).step_by(T::LANES) {
            // The folded sums of each tile. Left uninitialised to avoid a memset for every panel.
            let mut partial_sums = [[const { MaybeUninit::<S::Vec>::uninit() }; MAX_LANES]; P];
            let tiles = T::LANES / Q;
            for at in 0..tiles {
                if R::SPARSE && at > 0 && panel + at * Q >= count {
                    for partial_sums in &mut partial_sums {
                        partial_sums[at] = partial_sums[at - 1];
                    }
                    continue;
                }
                let rows = std::array::from_fn(
                    #[inline(always)]
                    |j| self.row(panel + at * Q + j),
                );
                let (probes, chunk) = (&self.probes, self.chunk.clone());
                // SAFETY: `row` returns rows of the patterns, as `rows` names no others; `P` probes
                // exist and the chunk is within all rows, by the preconditions of `panels`.
                let mut sums = unsafe {
                    let (at, stride) = (probes.as_ptr(), probes.forward_stride());
                    tile::<A, T, T, Whole, S, P, Q>(
                        simd,
                        at,
                        stride,
                        Loaded { rows, loads: Whole, ahead: if AHEAD { self.ahead } else { 0 } },
                        chunk,
                    )
                };
                for (partial_sums, sums) in partial_sums.iter_mut().zip(&mut sums) {
                    partial_sums[at].write(add_all(simd, sums, 0));
                }
            }
            for (i, partial_sums) in partial_sums.iter_mut().enumerate() {
                // SAFETY: the loop above has written the first `tiles` sums; row `i < P` of the
                // scores has a whole vector at `panel`, by the preconditions of `panels`.
                unsafe {
                    let partial_sums = partial_sums.as_mut_ptr().cast::<S::Vec>();
                    let partial_sums = std::slice::from_raw_parts_mut(partial_sums, tiles);
                    let sums = simd.unfold(add_all(simd, partial_sums, Q.ilog2() as usize));
                    let to = to.add(i * to_stride + panel);
                    let sums = if first { sums } else { simd.add(simd.load(to), sums) };
                    simd.store(to, sums);
                }
            }
        }
    }
}

/// The rows of a register tile, and how their vectors are loaded.
#[derive(Clone, Copy)]
pub(crate) struct Loaded<E, L, const Q: usize> {
    pub rows: [*const E; Q],
    pub loads: L,
    /// Numbers from a row to the one that is prefetched with it; 0 for no prefetch.
    pub ahead: usize,
}

/// The micro-kernel: dot products (or other sums) of `P` probes with `Q` patterns over one chunk of
/// d, before their horizontal sums.
///
/// # Safety
/// The vectors of `chunk` are readable in each of
/// - the `P` probes, which begin `stride` elements apart;
/// - the `Q` rows of `patterns`, as they are loaded.
#[inline(always)]
pub(crate) unsafe fn tile<
    A: Accumulate,
    T: Element,
    E: Stored<T>,
    L: Loads<T, E>,
    S: Simd<T>,
    const P: usize,
    const Q: usize,
>(
    simd: S,
    probes: *const T,
    stride: usize,
    patterns: Loaded<E, L, Q>,
    chunk: Range<usize>,
) -> [[S::Vec; Q]; P] {
    let mut acc = [[simd.splat(T::ZERO); Q]; P];
    for vector in chunk {
        let d = vector * T::LANES;
        // SAFETY: `vector` is in `chunk`, which every row has by the preconditions of `tile`.
        unsafe {
            // Not `map`, which is compiled as a function by itself where a load takes several
            // instructions, and then without the level's.
            let mut m = [simd.splat(T::ZERO); Q];
            for (m, row) in m.iter_mut().zip(patterns.rows) {
                *m = patterns.loads.load(simd, row, 0, d);
            }
            if patterns.ahead > 0 {
                for row in patterns.rows {
                    // It may have any address.
                    simd.prefetch(row.wrapping_add(patterns.ahead + d).cast());
                }
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let x = simd.load(probes.add(i * stride + d));
                for (acc, m) in acc.iter_mut().zip(m) {
                    *acc = A::accumulate::<T, S>(simd, x, m, *acc);
                }
            }
        }
    }
    acc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_even_and_at_most_4_kib() {
        fn of<T: Element>(width: usize) -> Vec<(usize, usize)> {
            chunks::<T>(width).map(|chunk| (chunk.start, chunk.end)).collect()
        }
        assert_eq!(of::<f32>(1), [(0, 1)]);
        assert_eq!(of::<f32>(64), [(0, 64)]);
        assert_eq!(of::<f64>(64), [(0, 64)]);
        assert_eq!(of::<f32>(65), [(0, 32), (32, 65)]);
        assert_eq!(of::<f32>(200), [(0, 50), (50, 100), (100, 150), (150, 200)]);
    }
}
