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

/// Writes a score for each entry of a list, and makes room for them. `rows` is scratch for patterns
/// that are not stored as padded rows.
pub(crate) fn listed_scores<T: Element>(
    level: Level,
    probe: MatRef<'_, T>,
    patterns: Rows<'_, T>,
    list: &[u32],
    (scores, rows): (&mut Vec<T>, &mut Vec<T>),
) {
    if scores.len() < list.len() + T::LANES {
        scores.resize(list.len() + T::LANES, T::ZERO);
    }
    if let Some(patterns) = patterns.padded() {
        let scores = &mut scores[..];
        return kernel::compiled::listed_scores(
            level,
            ListedScores { probe, patterns, list, scores },
        );
    }
    let stride = padded_stride::<T>(patterns.cols());
    rows.resize(rows.len().max(AT_ONCE * stride), T::ZERO);
    let mut scores = &mut scores[..];
    for list in list.chunks(AT_ONCE) {
        for (&n, to) in list.iter().zip(rows.chunks_exact_mut(stride)) {
            let n = n as usize;
            unpack(level, Unpack { rows: patterns.subrows(n..n + 1), to, stride });
        }
        let unpacked = MatRef::with_stride(rows, list.len(), patterns.cols(), stride)
            .expect("scratch has room for these rows");
        let places: [u32; AT_ONCE] = std::array::from_fn(|at| at as u32);
        let listed = ListedScores {
            probe,
            patterns: unpacked,
            list: &places[..list.len()],
            scores: &mut *scores,
        };
        kernel::compiled::listed_scores(level, listed);
        take(&mut scores, list.len());
    }
}
