//! Gradients of weights that are mostly 0: loops over the supports of some probes.
//!
//! ```text
//! q[b, n] = z_b · m_n, or another sum over d      # for n in the support of b
//! dx_b += Σ_n k[b, n] slope(x_b, m_n)             # in the order of n
//! dm_n += Σ_b a[b, n] z_b + e[b, n] m_n + k[b, n] slope(m_n, x_b)      # in the order of b
//! ```
//!
//! An entry is a probe and a pattern of its support. Rows outside of all supports are neither read
//! nor written. Where supports have much in common, patterns are taken block by block, so that a
//! block is in L2 for all probes. Every sum is one chain of multiply-adds, for any blocks and any
//! threads.

use std::ops::Range;

use crate::driver::blocking::blocks;
use crate::driver::lines::Lines;
use crate::kernel::slope::{Difference, ListedRows, Other, Sign, Slope, add_slopes, listed_sums};
use crate::matrix::{MatMut, MatRef};
use crate::memory::rows::Rows;
use crate::separation::shape::MAX_BLOCK;
use crate::simd::tail::vectors_of;
use crate::simd::tile::for_each_strip;
use crate::simd::{Element, Kernel, Simd};
use crate::similarity::accumulate::{
    AbsoluteDifferences, Accumulate, Products, SquaredDifferences, Sums,
};

/// The slope of a similarity, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slopes {
    Other,
    Difference,
    Sign,
}

/// The entries of some probes: for each, the patterns of its support in ascending order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entries<'a> {
    /// Where the entries of each probe begin, and where those of the last one end.
    pub starts: &'a [usize],
    /// The indices of all probes' entries, including the probes before the first one here.
    pub indices: &'a [u32],
}

impl Entries<'_> {
    pub fn probes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.starts.last().map_or(0, |end| end - self.starts[0])
    }

    /// The entries of some of the probes.
    pub fn of(self, probes: Range<usize>) -> Self {
        Self { starts: &self.starts[probes.start..=probes.end], ..self }
    }

    /// Where the entries of probe `b` with patterns of `block` are.
    fn within(&self, b: usize, block: &Range<usize>) -> Range<usize> {
        let all = self.starts[b]..self.starts[b + 1];
        let before = |end: usize| {
            all.start + self.indices[all.clone()].partition_point(|&n| (n as usize) < end)
        };
        before(block.start)..before(block.end)
    }
}

/// What an entry adds to gradients.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryFactors<T> {
    /// k, of slopes.
    pub slope: T,
    /// a, of the upstream gradient.
    pub upstream: T,
    /// e, of the pattern itself.
    pub own: T,
}

/// The rows that a loop over supports reads, and how many of them at a time.
pub(crate) struct Blocks<'a, T> {
    pub rows: Rows<'a, T>,
    /// Most rows in a block: at most `MAX_BLOCK` unless they are read in place.
    pub most: usize,
    /// Room for the rows of a block that are unpacked.
    pub unpacked: &'a mut [T],
}

impl<T: Element> Blocks<'_, T> {
    /// Calls `each` for up to `MAX_BLOCK` entries of one probe at a time, with the probe, the
    /// places of the entries, the rows, and the list of the rows of these entries.
    #[inline(always)]
    fn each<S: Simd<T>>(
        &mut self,
        simd: S,
        entries: Entries<'_>,
        mut each: impl FnMut(usize, Range<usize>, MatRef<'_, T>, &[u32]),
    ) {
        let mut list = [0; MAX_BLOCK];
        for block in blocks::<T>(self.rows.rows(), self.most) {
            let mut lines = Lines::new(self.rows.subrows(block.clone()), &mut *self.unpacked);
            for b in 0..entries.probes() {
                let within = entries.within(b, &block);
                for start in within.clone().step_by(MAX_BLOCK) {
                    let places = start..within.end.min(start + MAX_BLOCK);
                    let list = &mut list[..places.len()];
                    for (to, n) in list.iter_mut().zip(&entries.indices[places.clone()]) {
                        *to = n - block.start as u32;
                    }
                    each(b, places, lines.listed(simd, list), list);
                }
            }
        }
    }
}

/// A sum over d for each entry.
pub struct EntrySums<'a, T> {
    /// Padded.
    pub(crate) probes: MatRef<'a, T>,
    pub(crate) blocks: Blocks<'a, T>,
    pub(crate) sums: Sums,
    pub(crate) entries: Entries<'a>,
    /// One for each entry; written.
    pub(crate) to: &'a mut [T],
}

impl<T: Element> Kernel<T> for EntrySums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        match self.sums {
            Sums::Products => self.all::<Products, S>(simd),
            Sums::SquaredDifferences => self.all::<SquaredDifferences, S>(simd),
            Sums::AbsoluteDifferences => self.all::<AbsoluteDifferences, S>(simd),
        }
    }
}

impl<T: Element> EntrySums<'_, T> {
    #[inline(always)]
    fn all<A: Accumulate, S: Simd<T>>(self, simd: S) {
        let Self { probes, mut blocks, entries, to, .. } = self;
        let first = entries.starts[0];
        blocks.each(
            simd,
            entries,
            #[inline(always)]
            |b, places, rows, list| {
                let to = &mut to[places.start - first..places.end - first];
                listed_sums::<A, T, S>(simd, probes.row(b), rows, list, to);
            },
        );
    }
}

/// Slopes over the support of each probe, added to its gradient.
pub struct ProbeSlopes<'a, T> {
    /// Padded.
    pub(crate) probes: MatRef<'a, T>,
    pub(crate) blocks: Blocks<'a, T>,
    pub(crate) slopes: Slopes,
    pub(crate) entries: Entries<'a>,
    /// Of all entries, also of those before the first one here.
    pub(crate) factors: &'a [EntryFactors<T>],
    /// Padded; added to.
    pub(crate) to: MatMut<'a, T>,
}

impl<T: Element> Kernel<T> for ProbeSlopes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        match self.slopes {
            Slopes::Other => self.all::<Other, S>(simd),
            Slopes::Difference => self.all::<Difference, S>(simd),
            Slopes::Sign => self.all::<Sign, S>(simd),
        }
    }
}

impl<T: Element> ProbeSlopes<'_, T> {
    #[inline(always)]
    fn all<L: Slope, S: Simd<T>>(self, simd: S) {
        let Self { probes, mut blocks, entries, factors, mut to, .. } = self;
        blocks.each(
            simd,
            entries,
            #[inline(always)]
            |b, places, rows, list| {
                let (own, to, factors) = (probes.row(b), to.row_mut(b), &factors[places]);
                let slopes = Strips { own, list, rows };
                slopes.add::<L, S>(
                    simd,
                    #[inline(always)]
                    |k: usize| factors[k].slope,
                    to,
                );
            },
        );
    }
}

/// A vector, the rows that it has slopes with, and the list of these.
#[derive(Clone, Copy)]
struct Strips<'a, T> {
    own: &'a [T],
    list: &'a [u32],
    rows: MatRef<'a, T>,
}

impl<T: Element> Strips<'_, T> {
    /// Adds factors times slopes to a padded row.
    #[inline(always)]
    fn add<L: Slope, S: Simd<T>>(self, simd: S, factor: impl Fn(usize) -> T + Copy, to: &mut [T]) {
        let Self { own, list, rows } = self;
        assert!(to.len() == rows.cols() && (!L::OWN || own.len() == rows.cols()));
        assert!(list.iter().all(|&n| (n as usize) < rows.rows()));
        /// Registers for the vector that moves besides the sums.
        const P: usize = 2;
        for_each_strip!(vectors_of(&rows), P, |at, G| {
            // SAFETY: rows are `vectors_of(&rows)` vectors long, `to` is as long as a row, and so
            // is `own` if `L` reads it. Every entry of the list is a row. All is asserted above.
            unsafe {
                let listed = ListedRows { rows, list, factor };
                add_slopes::<L, T, S, G>(simd, own, listed, to, at * T::LANES);
            }
        });
    }
}

/// The entries of some patterns: for each, the probes in whose support it is, in ascending order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PatternEntries<'a> {
    /// Where the entries of each pattern begin, and where those of the last one end.
    pub starts: &'a [usize],
    pub probes: &'a [u32],
    /// The position of each entry in the order of the probes.
    pub places: &'a [u32],
}

impl<'a> PatternEntries<'a> {
    /// The entries of some of the patterns.
    pub fn of(self, patterns: Range<usize>) -> Self {
        Self { starts: &self.starts[patterns.start..=patterns.end], ..self }
    }

    /// The probes and the places of the entries of pattern `n`.
    fn column(&self, n: usize) -> (&'a [u32], &'a [u32]) {
        let range = self.starts[n]..self.starts[n + 1];
        (&self.probes[range.clone()], &self.places[range])
    }
}

/// Gradients of some patterns, or of some values, which have no slopes.
pub struct PatternSlopes<'a, T> {
    /// The patterns, if their gradients are wanted and not those of values.
    pub(crate) patterns: Option<Rows<'a, T>>,
    pub(crate) slopes: Slopes,
    pub(crate) columns: PatternEntries<'a>,
    pub(crate) factors: &'a [EntryFactors<T>],
    /// X, padded.
    pub(crate) probes: MatRef<'a, T>,
    /// Z, padded, if it is as long as the gradients.
    pub(crate) upstream: Option<MatRef<'a, T>>,
    /// Whether patterns have a factor of their own.
    pub(crate) own: bool,
    /// Added to.
    pub(crate) to: MatMut<'a, T>,
    /// Two padded rows.
    pub(crate) scratch: &'a mut [T],
}

impl<T: Element> Kernel<T> for PatternSlopes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        match self.slopes {
            Slopes::Other => self.all::<Other, S>(simd),
            Slopes::Difference => self.all::<Difference, S>(simd),
            Slopes::Sign => self.all::<Sign, S>(simd),
        }
    }
}

impl<T: Element> PatternSlopes<'_, T> {
    #[inline(always)]
    fn all<L: Slope, S: Simd<T>>(mut self, simd: S) {
        let cols = self.scratch.len() / 2;
        let (sums, unpacked) = self.scratch.split_at_mut(cols);
        for n in 0..self.to.rows() {
            let (list, places) = self.columns.column(n);
            if list.is_empty() {
                continue;
            }
            let row = self.to.row_mut(n);
            let (head, tail) = sums.split_at_mut(row.len());
            head.copy_from_slice(row);
            tail.fill(T::ZERO);
            let factors = self.factors;
            if let Some(rows) = self.upstream {
                let of_upstream = Strips { own: &[], list, rows };
                of_upstream.add::<Other, S>(
                    simd,
                    #[inline(always)]
                    |k: usize| factors[places[k] as usize].upstream,
                    sums,
                );
            }
            if let Some(patterns) = self.patterns {
                let own = match patterns.padded() {
                    _ if !L::OWN && !self.own => &[],
                    Some(rows) => rows.row(n),
                    None => {
                        patterns.unpack(simd, n, unpacked);
                        &*unpacked
                    }
                };
                if self.own {
                    let own = MatRef::new(own, 1, cols).expect("a padded row");
                    for &place in places {
                        let of_itself = Strips { own: &[], list: &[0], rows: own };
                        of_itself.add::<Other, S>(
                            simd,
                            #[inline(always)]
                            |_: usize| factors[place as usize].own,
                            sums,
                        );
                    }
                }
                let of_slopes = Strips { own, list, rows: self.probes };
                of_slopes.add::<L, S>(
                    simd,
                    #[inline(always)]
                    |k: usize| factors[places[k] as usize].slope,
                    sums,
                );
            }
            row.copy_from_slice(&sums[..row.len()]);
        }
    }
}
