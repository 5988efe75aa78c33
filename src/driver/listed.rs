//! The scores of one probe with patterns that a list names, however these are stored.

use crate::driver::scratch::take;
use crate::kernel;
use crate::kernel::score::ListedScores;
use crate::matrix::MatRef;
use crate::memory::padded_stride;
use crate::memory::rows::{Rows, Unpack, unpack};
use crate::simd::{Element, Level};

/// Rows that are unpacked at a time.
const AT_ONCE: usize = 16;

/// Scores of listed patterns, in memory that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Scored<T> {
    /// One for each entry of the list, and a vector more.
    pub scores: Vec<T>,
    /// Patterns that are not stored as padded rows.
    rows: Vec<T>,
}

impl<T> Default for Scored<T> {
    fn default() -> Self {
        Self { scores: Vec::new(), rows: Vec::new() }
    }
}

impl<T: Element> Scored<T> {
    /// Makes room for the scores of a list.
    pub fn reserve(&mut self, entries: usize) {
        if self.scores.len() < entries + T::LANES {
            self.scores.resize(entries + T::LANES, T::ZERO);
        }
    }

    /// Scores the entries of a list.
    pub fn write(
        &mut self,
        level: Level,
        probe: MatRef<'_, T>,
        patterns: Rows<'_, T>,
        list: &[u32],
    ) {
        self.reserve(list.len());
        match patterns.padded() {
            Some(patterns) => {
                let scores = &mut self.scores[..];
                let listed = ListedScores { probe, patterns, list, scores };
                kernel::compiled::listed_scores(level, listed);
            }
            None => self.write_unpacked(level, probe, patterns, list),
        }
    }

    /// The same for patterns that are unpacked, some at a time.
    fn write_unpacked(
        &mut self,
        level: Level,
        probe: MatRef<'_, T>,
        patterns: Rows<'_, T>,
        list: &[u32],
    ) {
        let Self { scores, rows } = self;
        let stride = padded_stride::<T>(patterns.cols());
        rows.resize(rows.len().max(AT_ONCE * stride), T::ZERO);
        let places: [u32; AT_ONCE] = std::array::from_fn(|at| at as u32);
        let mut scores = &mut scores[..];
        for list in list.chunks(AT_ONCE) {
            for (&n, to) in list.iter().zip(rows.chunks_exact_mut(stride)) {
                let n = n as usize;
                unpack(level, Unpack { rows: patterns.subrows(n..n + 1), to, stride });
            }
            let patterns = MatRef::with_stride(rows, list.len(), patterns.cols(), stride)
                .expect("scratch has room for these rows");
            let list = &places[..list.len()];
            let listed = ListedScores { probe, patterns, list, scores: &mut *scores };
            kernel::compiled::listed_scores(level, listed);
            take(&mut scores, list.len());
        }
    }
}
