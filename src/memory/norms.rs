//! Norms of patterns and of features, however the patterns are stored.

use crate::error::Result;
use crate::kernel::compiled;
use crate::kernel::norms::{FeatureSquares, SquaredNorms, is_large};
use crate::matrix::MatRef;
use crate::matrix::ranges::evenly;
use crate::memory::rows::{Rows, Unpack, unpack};
use crate::memory::{Aligned, Memory, padded_stride};
use crate::simd::{Element, Level};

/// Patterns whose squares are summed at a time, so that the sum over all of them is less deep.
const FEATURE_BLOCK: usize = 512;
/// Patterns that are unpacked at a time for their norms.
const NORM_BLOCK: usize = 16;

impl<T: Element> Memory<T> {
    /// ‖m_n‖² for every pattern.
    pub fn squared_norms(&self) -> &[T] {
        match self.knows_norms() {
            true => &self.norms,
            false => self.later_norms.get_or_init(|| self.computed_norms()),
        }
    }

    /// max_n ‖m_n‖², the M*² of the standard energy (Ramsauer et al. 2020, eq. 2). NaN when a
    /// pattern is not a number.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
    /// assert_eq!(memory.max_squared_norm(), 25.0);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn max_squared_norm(&self) -> T {
        *self.max_norm.get_or_init(|| highest(self.squared_norms(), None))
    }

    /// Whether max_n ‖m_n‖² is known, or can be without a pass over the patterns.
    pub(crate) fn max_is_known(&self) -> bool {
        self.knows_norms()
    }

    /// Whether the norms were known when the patterns came.
    pub(super) fn knows_norms(&self) -> bool {
        self.norms.len() == self.patterns
    }

    /// Makes the norms known, before some of them change.
    pub(super) fn learn_norms(&mut self) {
        if !self.knows_norms() {
            self.norms = self.later_norms.take().unwrap_or_else(|| self.computed_norms());
        }
    }

    fn computed_norms(&self) -> Vec<T> {
        let mut norms = vec![T::ZERO; self.patterns];
        let level = Level::detect().unwrap_or_else(|_| Level::best());
        squared_norms(level, self.rows(), &mut norms);
        norms
    }

    /// The largest squared norm of the patterns that a mask keeps, or infinity where it is not
    /// known and would have to be computed.
    pub(crate) fn known_max_squared_norm_of(&self, keep: Option<&[bool]>) -> T {
        match self.knows_norms() {
            true => self.max_squared_norm_of(keep),
            false => -T::NEG_INFINITY,
        }
    }

    /// The same of those patterns that a mask keeps.
    pub(crate) fn max_squared_norm_of(&self, keep: Option<&[bool]>) -> T {
        keep.map_or_else(|| self.max_squared_norm(), |_| highest(self.squared_norms(), keep))
    }

    /// max_d Σ_n M\[n,d\]², which stands in place of M*² in ngc-learn's energy. One pass over the
    /// patterns.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
    /// assert_eq!(memory.max_squared_feature_norm()?, 20.0);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Level`](crate::Error::Level) as [`Level::detect`] says.
    pub fn max_squared_feature_norm(&self) -> Result<T> {
        let squares = feature_squares(Level::detect()?, self.rows());
        Ok(highest(&squares[..self.dim], None))
    }

    /// Computes all norms again, and what is known of the patterns besides.
    pub(super) fn refresh_norms(&mut self, level: Level) {
        self.norms.resize(self.patterns, T::ZERO);
        self.changed();
        self.norms_of(level, 0..self.patterns);
        self.refresh_codes();
    }

    /// Computes the norms of some patterns again.
    pub(super) fn norms_of(&mut self, level: Level, patterns: std::ops::Range<usize>) {
        let rows = self.store.rows((self.patterns, self.dim)).subrows(patterns.clone());
        squared_norms(level, rows, &mut self.norms[patterns]);
    }
}

/// Calls `each` with padded rows, at most `most` at a time.
fn for_each_block<T: Element>(
    level: Level,
    all: Rows<'_, T>,
    most: usize,
    mut each: impl FnMut(MatRef<'_, T>, std::ops::Range<usize>),
) {
    let most = most.min(all.rows());
    let mut scratch = Aligned::new(0);
    scratch.resize(all.scratch(most), T::ZERO);
    for block in evenly(all.rows(), most) {
        let rows = all.subrows(block.clone());
        if let Some(rows) = rows.padded() {
            each(rows, block);
            continue;
        }
        let stride = padded_stride::<T>(rows.cols());
        unpack(level, Unpack { rows, to: &mut scratch, stride });
        let unpacked = MatRef::with_stride(&scratch, rows.rows(), rows.cols(), stride);
        each(unpacked.expect("scratch has room for these rows"), block);
    }
}

/// The squared norm of every row.
pub(super) fn squared_norms<T: Element>(level: Level, rows: Rows<'_, T>, norms: &mut [T]) {
    let most = if rows.padded().is_some() { rows.rows() } else { NORM_BLOCK };
    for_each_block(level, rows, most, |rows, block| {
        compiled::squared_norms(level, SquaredNorms { rows, norms: &mut norms[block] });
    });
}

/// The sum of the squares of every feature.
pub(super) fn feature_squares<T: Element>(level: Level, rows: Rows<'_, T>) -> Vec<T> {
    let mut squares = vec![T::ZERO; rows.cols()];
    let mut part = squares.clone();
    for_each_block(level, rows, FEATURE_BLOCK, |rows, _| {
        let mut sum = |normal| {
            part.fill(T::ZERO);
            compiled::feature_squares(level, FeatureSquares { rows, squares: &mut part, normal });
            part.iter().any(|sum| *sum != T::ZERO && !is_large(*sum))
        };
        // Squares below the normal range do not matter to sums that are large.
        if sum(false) {
            sum(true);
        }
        squares.iter_mut().zip(&part).for_each(|(sum, part)| *sum += *part);
    });
    squares
}

/// The highest of 0 and those values that are kept, or NaN where there is one: nothing is higher.
pub(super) fn highest<T: Element>(values: &[T], keep: Option<&[bool]>) -> T {
    let higher = |a: T, b: T| if b > a || b.is_nan() { b } else { a };
    // In lanes: a single chain would be waited for.
    let mut most = [T::ZERO; 16];
    match keep {
        None => {
            for values in values.chunks(most.len()) {
                most.iter_mut().zip(values).for_each(|(a, &b)| *a = higher(*a, b));
            }
        }
        Some(keep) => {
            for (values, keep) in values.chunks(most.len()).zip(keep.chunks(most.len())) {
                for ((a, &b), &keep) in most.iter_mut().zip(values).zip(keep) {
                    *a = higher(*a, if keep { b } else { T::ZERO });
                }
            }
        }
    }
    most.into_iter().fold(T::ZERO, higher)
}
