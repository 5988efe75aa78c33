//! How a recall is cut up: what may change a result depends on (N, D, type) alone.
//!
//! The patterns are cut into *shards*, whose recalls are merged in order, and each shard into
//! *blocks*, after each of which the softmax has a new peak. Both are places where a sum is
//! rounded, so that neither may depend on the batch, the threads or the machine. Probes are
//! independent of one another: how the batch is cut is free.

use std::ops::Range;

use crate::Element;
use crate::kernel::dots::chunks;
use crate::kernel::panels::panels_len;
use crate::kernel::recall::{COMPANY, blocks, scores_stride};
use crate::kernel::survivors::list_len;
use crate::kernel::{GROUP, MAX_BLOCK};
use crate::memory::{padded_cols, padded_stride, scratch_stride};

/// Bytes of patterns in a block, or of their chunks of d: with the next block, the probes and what is
/// retrieved, they stay in 1 MiB of L2 from the similarities to the combination. What is retrieved is
/// read and written once for each block, which has to be little beside the sums over its patterns: 64 at
/// least.
const BLOCK_BYTES: usize = 256 << 10;
/// Bytes of patterns that are worth a shard of their own.
const SHARD_BYTES: usize = 1024 << 10;
/// As many threads as can work on one probe; more would wait for memory.
const SHARDS: usize = 16;
/// Bytes of a task's probes, and of what it retrieves for them. More of them share a pass over the
/// patterns, fewer stay in L2.
const BATCH_BYTES: usize = 512 << 10;

/// Bytes of patterns that no core finds in its own L2 any more.
const BEYOND_L2: usize = 1 << 20;
/// Bytes of patterns from which most come from memory, or from an L3 that others use as well.
const LARGE: usize = 8 << 20;

/// The cuts for N patterns of dimension D.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub patterns: usize,
    /// Elements of a padded row.
    pub cols: usize,
    /// Elements from row to row of patterns, and of what is as long in scratch memory.
    row: usize,
    pub stride: usize,
    /// Most patterns in a shard.
    pub shard: usize,
    /// Most patterns in a block.
    pub block: usize,
}

impl Plan {
    pub fn new<T: Element>(patterns: usize, dim: usize) -> Self {
        let (cols, row) = (padded_cols::<T>(dim), padded_stride::<T>(dim));
        let row_bytes = row * size_of::<T>();
        // What is in L2 at a time of a long row.
        let chunk_bytes = cols * size_of::<T>() / chunks::<T>(cols / T::LANES).len();
        let block = (BLOCK_BYTES / chunk_bytes).min(MAX_BLOCK);
        let block = block / T::LANES * T::LANES;
        let panels = patterns.div_ceil(T::LANES);
        let shards = (patterns * row_bytes / SHARD_BYTES).next_power_of_two().min(SHARDS);
        let stride = scratch_stride::<T>(cols / T::LANES);
        Self { patterns, cols, row, stride, shard: panels.div_ceil(shards) * T::LANES, block }
    }

    /// The patterns of every shard.
    pub fn shards<T: Element>(self) -> impl ExactSizeIterator<Item = Range<usize>> {
        blocks::<T>(self.patterns, self.shard)
    }

    /// Groups of probes that take turns with a block: those of long patterns, which go chunk by chunk
    /// of d, so that neither patterns nor what is retrieved from them leave L2 between two groups.
    pub fn company<T: Element>(self) -> usize {
        if chunks::<T>(self.cols / T::LANES).len() > 1 { COMPANY } else { 1 }
    }

    /// Elements of scores that a task needs for so many probes.
    pub fn scores<T: Element>(self, probes: usize) -> usize {
        let rows = probes.clamp(GROUP, self.company::<T>() * GROUP);
        rows * scores_stride::<T>(self.block)
    }

    /// Entries of a list of patterns.
    pub fn list(self) -> usize {
        list_len(self.block)
    }

    /// Bytes of patterns.
    pub fn bytes<T: Element>(self) -> usize {
        self.patterns * self.row * size_of::<T>()
    }

    /// Whether patterns come from memory.
    pub fn is_large<T: Element>(self) -> bool {
        self.bytes::<T>() > LARGE
    }

    /// Whether blocks are prefetched to L2, for so many probes: a few have little to do but to wait for
    /// L3, and a prefetch costs them more than it brings.
    pub fn prefetches<T: Element>(self, probes: usize) -> bool {
        self.bytes::<T>() > if probes > 2 * GROUP { BEYOND_L2 } else { LARGE }
    }

    /// Whether stretches are prefetched to L1.
    pub fn prefetches_stretches<T: Element>(self) -> bool {
        self.bytes::<T>() > BEYOND_L2
    }

    /// Elements of the panels of a block, for so many probes.
    pub fn panels<T: Element>(self, probes: usize) -> usize {
        panels_len::<T>(self.block, self.cols, probes)
    }

    /// Most probes that a task recalls at a time.
    pub fn batch<T: Element>(self) -> usize {
        if self.company::<T>() > 1 {
            return COMPANY * GROUP;
        }
        let rows = BATCH_BYTES / (3 * self.stride * size_of::<T>());
        rows.clamp(8 * GROUP, 96 * GROUP) / GROUP * GROUP
    }
}
