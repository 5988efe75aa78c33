//! Screening: a scan that reads the codes of all patterns, and only the rows of patterns that may
//! have a weight according to a bound of their score.
//!
//! ```text
//! for each block of codes, each probe tile:              # the integers stay in L2
//!     bounds = scale (step (q · c) + error)              # from above, for every pattern
//!     for each probe with a bound that is not below its cut:
//!         score the pattern with the highest bound exactly, if it is the highest so far
//!         cut = highest score so far - width
//!         list the patterns whose bound is not below the cut
//! for each probe: drop what is below the last cut
//! for each split, each probe tile:                       # a split of the patterns stays in L2
//!     score the listed patterns exactly, or the whole split where most of it is listed
//!     append the candidates to the lists of the scan
//! ```
//!
//! 1. A bound is never below the score as it is computed, so the list holds every candidate; what
//!    else it holds is scored and dropped. The result of a scan is the same bits with any codes, or
//!    with none (see `memory::codes`).
//! 2. The highest score so far is an exact one. A bound from below would be as wide as that from
//!    above, and a new highest is found about log N times only.
//! 3. Scores are computed after the scan of all codes. Early in the scan the cut is still low,
//!    and most patterns are listed.

pub(super) mod code_scan;
mod exact;
mod listing;

use std::ops::Range;

use code_scan::CodeScan;
pub(crate) use exact::{ScreenScratch, ScreenTask};
use listing::Listing;

use crate::driver::compiled;
use crate::driver::lists::Lists;
use crate::driver::outputs::PerPattern;
use crate::driver::scan_split::{ScanSpace, SplitScan};
use crate::separation::candidates::Threshold;
use crate::simd::Element;
use crate::simd::tile::PROBE_TILE;

/// If more than a third of a split's patterns are listed, all of them are scored.
const DENSE: usize = 3;

impl<T: Element> ScreenTask<'_, T> {
    /// Lists the patterns that may be candidates.
    pub(super) fn list(&self, scratch: &mut ScreenScratch<T>) {
        let batch = self.probes.rows();
        scratch.listed = 0;
        scratch.lists.resize_with(batch.max(scratch.lists.len()), Listing::default);
        for list in &mut scratch.lists[..batch] {
            list.begin();
        }
        self.take_hints(scratch);
        compiled::code_scan(
            self.shared.level,
            CodeScan { screening: self, scratch: &mut *scratch },
        );
        for b in 0..batch {
            if let Threshold::KthWidth { k, .. } = self.threshold {
                self.score_highest(b, k, scratch);
            }
            scratch.lists[b].prune();
        }
    }

    /// Appends the candidates among the listed patterns of one split to the scan's lists.
    pub(super) fn append(
        &self,
        patterns: Range<usize>,
        lists: &mut Lists<'_, T>,
        space: &mut ScanSpace<'_, T>,
        scratch: &mut ScreenScratch<T>,
    ) {
        for first in (0..self.probes.rows()).step_by(PROBE_TILE) {
            let probes = first..self.probes.rows().min(first + PROBE_TILE);
            let count: usize = probes.clone().map(|b| scratch.lists[b].of(&patterns).len()).sum();
            let all = patterns.len() * probes.len();
            if count * DENSE > all {
                scratch.listed += all as u64;
                let scan = SplitScan {
                    shared: self.shared,
                    probes: self.probes.subrows(probes.clone()),
                    first: self.first + probes.start,
                    patterns: patterns.clone(),
                    lists: lists.rows_mut(probes),
                    per_pattern: PerPattern::none(),
                };
                scan.run(space);
                continue;
            }
            scratch.listed += count as u64;
            let ScreenScratch { lists: listings, scored, .. } = &mut *scratch;
            for b in probes {
                let indices = listings[b].of(&patterns);
                if !indices.is_empty() {
                    self.score(b, indices, scored);
                    let scores = &scored.scores[..indices.len()];
                    lists.list(b).append_listed(scores, indices, self.threshold);
                }
            }
        }
    }
}
