//! The list of one probe: the patterns whose bounds are not below a cut, which rises.

use std::ops::Range;

use crate::separation::candidates::Threshold;
use crate::simd::Element;
use crate::similarity::scoring::least_unmasked;

/// The list of one probe.
#[derive(Debug, Clone, Default)]
pub struct Listing<T> {
    pub indices: Vec<u32>,
    pub bounds: Vec<f32>,
    /// The highest score so far, and the bound that it was found at.
    highest: T,
    pub found_at: f32,
    /// What a pattern's bound is to reach.
    pub cut: T,
    /// Entries after the list was last pruned.
    pub pruned: usize,
}

impl<T: Element> Listing<T> {
    pub fn begin(&mut self) {
        self.indices.clear();
        self.bounds.clear();
        (self.highest, self.found_at, self.pruned) = (T::NEG_INFINITY, f32::NEG_INFINITY, 0);
        self.cut = least_unmasked();
    }

    /// The entries that are among some of the patterns.
    pub fn of(&self, patterns: &Range<usize>) -> &[u32] {
        let start = self.indices.partition_point(|&n| (n as usize) < patterns.start);
        let rest = &self.indices[start..];
        &rest[..rest.partition_point(|&n| (n as usize) < patterns.end)]
    }

    /// Raises the cut to the least score that can have a weight once a pattern has `score`.
    pub fn raise(&mut self, score: T, threshold: Threshold<T>) {
        if score > self.highest {
            self.highest = score;
        }
        let to = match threshold {
            Threshold::Width(width) | Threshold::KthWidth { width, .. } => score - width,
            // The best is wanted even where it is not above the bound.
            Threshold::Above(bound) if bound < score => bound,
            Threshold::Above(_) => score,
            Threshold::All => return,
        };
        let to = to - (to.abs() + score.abs()) * T::from_f64(1e-6);
        if to > self.cut {
            self.cut = to;
        }
    }

    /// Drops the entries whose bound is below the cut.
    pub fn prune(&mut self) {
        let cut = rounded_down(self.cut);
        let mut kept = 0;
        for at in 0..self.indices.len() {
            let bound = self.bounds[at];
            (self.indices[kept], self.bounds[kept]) = (self.indices[at], bound);
            kept += usize::from(reaches(bound, cut));
        }
        self.indices.truncate(kept);
        self.bounds.truncate(kept);
        self.pruned = kept;
    }
}

/// Whether a bound reaches a cut. One that is not a number does.
#[inline(always)]
pub fn reaches(bound: f32, cut: f32) -> bool {
    let is_below = bound < cut;
    !is_below
}

/// The largest number in `f32` that is not above `cut`.
pub fn rounded_down<T: Element>(cut: T) -> f32 {
    let cut = cut.to_f64();
    let near = cut as f32;
    if f64::from(near) > cut { near.next_down() } else { near }
}
