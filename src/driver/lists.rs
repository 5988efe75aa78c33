//! The probes' lists of candidates, as rows of three matrices.

use std::ops::Range;

use crate::matrix::MatMut;
use crate::separation::candidates::{Head, List, Threshold};
use crate::simd::Element;

/// The least score that can have a weight, given some candidates and the highest score so far.
pub type Raise<'a, T> = dyn Fn(&[T], T) -> T + Sync + 'a;

/// A list of candidates for each of some probes, and for one or more splits of the patterns.
#[derive(Debug)]
pub struct Lists<'a, T> {
    /// A column for each split.
    pub heads: MatMut<'a, Head<T>>,
    /// For each split, a column for each candidate that there is room for.
    pub scores: MatMut<'a, T>,
    pub indices: MatMut<'a, u32>,
    pub threshold: Threshold<T>,
}

impl<T: Element> Lists<'_, T> {
    /// The lists of some of the probes.
    pub fn rows_mut(&mut self, probes: Range<usize>) -> Lists<'_, T> {
        Lists {
            heads: self.heads.rows_mut(probes.clone()),
            scores: self.scores.rows_mut(probes.clone()),
            indices: self.indices.rows_mut(probes),
            threshold: self.threshold,
        }
    }

    /// The list of probe `b`, of the only split.
    #[inline(always)]
    pub fn list(&mut self, b: usize) -> List<'_, T> {
        List {
            head: &mut self.heads.row_mut(b)[0],
            scores: self.scores.row_mut(b),
            indices: self.indices.row_mut(b),
        }
    }

    /// Raises the bounds to those of other lists of the same probes, or to what `raise` makes of
    /// these: what is no candidate beside some of the patterns is none beside all.
    pub fn raise_bounds(&mut self, others: &Lists<'_, T>, raise: Option<&Raise<'_, T>>) {
        let (scores, heads) = (others.scores.as_ref(), others.heads.as_ref());
        for b in 0..heads.rows() {
            let other = heads.row(b)[0];
            let mut bound = other.bound;
            if let Some(raise) = raise.filter(|_| other.finite) {
                let raised = raise(&scores.row(b)[..other.len], other.row_max);
                bound = if raised > bound { raised } else { bound };
            }
            let head = &mut self.heads.row_mut(b)[0];
            head.bound = if bound > head.bound { bound } else { head.bound };
        }
    }

    /// The lists of the first `at` probes, and those of the others.
    pub fn split_at_row(self, at: usize) -> (Self, Self) {
        let (heads, heads_) = self.heads.split_at_row(at);
        let (scores, scores_) = self.scores.split_at_row(at);
        let (indices, indices_) = self.indices.split_at_row(at);
        let threshold = self.threshold;
        (
            Self { heads, scores, indices, threshold },
            Self { heads: heads_, scores: scores_, indices: indices_, threshold },
        )
    }

    /// The lists of the first `at` splits, and those of the others.
    pub fn split_at_split(self, at: usize) -> (Self, Self) {
        let room = self.scores.cols() / self.heads.cols().max(1);
        let (heads, heads_) = self.heads.split_at_col(at);
        let (scores, scores_) = self.scores.split_at_col(at * room);
        let (indices, indices_) = self.indices.split_at_col(at * room);
        let threshold = self.threshold;
        (
            Self { heads, scores, indices, threshold },
            Self { heads: heads_, scores: scores_, indices: indices_, threshold },
        )
    }
}
