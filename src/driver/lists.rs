//! The probes' lists of candidates, as rows of three matrices.

use std::ops::Range;

use crate::driver::divide::{Columns, Cut};
use crate::driver::scratch::grow;
use crate::error::Result;
use crate::matrix::MatMut;
use crate::matrix::ranges::product;
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

    /// Raises the bounds to those in `others`, the lists of the same probes from other patterns, or
    /// to the bounds that `raise` finds from the candidates there. A bound that some patterns imply
    /// holds for all patterns.
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
}

/// Cut by probes.
impl<T: Element> Cut for Lists<'_, T> {
    fn cut(self, at: usize) -> (Self, Self) {
        let (heads, heads_) = self.heads.cut(at);
        let (scores, scores_) = self.scores.cut(at);
        let (indices, indices_) = self.indices.cut(at);
        let threshold = self.threshold;
        (
            Self { heads, scores, indices, threshold },
            Self { heads: heads_, scores: scores_, indices: indices_, threshold },
        )
    }
}

/// Cut by splits.
impl<T: Element> Cut for Columns<Lists<'_, T>> {
    fn cut(self, at: usize) -> (Self, Self) {
        let Lists { heads, scores, indices, threshold } = self.0;
        let room = scores.cols() / heads.cols().max(1);
        let (heads, heads_) = heads.split_at_col(at);
        let (scores, scores_) = scores.split_at_col(at * room);
        let (indices, indices_) = indices.split_at_col(at * room);
        (
            Self(Lists { heads, scores, indices, threshold }),
            Self(Lists { heads: heads_, scores: scores_, indices: indices_, threshold }),
        )
    }
}

/// The lists of some probes, in memory that is kept from call to call.
#[derive(Debug, Clone)]
pub(crate) struct ListStore<T> {
    heads: Vec<Head<T>>,
    scores: Vec<T>,
    indices: Vec<u32>,
    probes: usize,
    splits: usize,
    /// Candidates that there is room for, for each probe and split.
    room: usize,
}

impl<T> Default for ListStore<T> {
    fn default() -> Self {
        let (heads, scores, indices) = (Vec::new(), Vec::new(), Vec::new());
        Self { heads, scores, indices, probes: 0, splits: 0, room: 0 }
    }
}

impl<T: Element> ListStore<T> {
    /// Empty lists of `probes` probes and `splits` splits, with room for `room` candidates each.
    pub fn begin(
        &mut self,
        probes: usize,
        splits: usize,
        room: usize,
        threshold: Threshold<T>,
    ) -> Result<Lists<'_, T>> {
        let lists = product([probes, splits]);
        let entries = lists.saturating_mul(room as u64);
        grow!(self.scores, entries, T::ZERO);
        grow!(self.indices, entries, 0);
        self.heads.clear();
        grow!(self.heads, lists, Head::new(threshold));
        (self.probes, self.splits, self.room) = (probes, splits, room);
        let there_is_room = "`grow!` has made room for these lists";
        let cols = splits * room;
        Ok(Lists {
            heads: MatMut::new(&mut self.heads, probes, splits).expect(there_is_room),
            scores: MatMut::new(&mut self.scores, probes, cols).expect(there_is_room),
            indices: MatMut::new(&mut self.indices, probes, cols).expect(there_is_room),
            threshold,
        })
    }

    /// For each split, the state of probe `b`'s list, its scores and its indices.
    pub fn of(&self, b: usize) -> impl Iterator<Item = (&Head<T>, &[T], &[u32])> {
        (b * self.splits..(b + 1) * self.splits).map(|list| {
            let head = &self.heads[list];
            let range = list * self.room..list * self.room + head.len;
            (head, &self.scores[range.clone()], &self.indices[range])
        })
    }

    /// Whether there was no room for some candidate of probe `b`.
    pub fn overflowed(&self, b: usize) -> bool {
        self.heads[b * self.splits..(b + 1) * self.splits].iter().any(|head| head.overflowed)
    }
}
