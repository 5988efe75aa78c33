//! Blocking of recall and learning: what may change a result depends on (N, D, type) alone.
//!
//! The patterns are cut into *splits*, whose recalls are merged in order, and each split into
//! *blocks*, after each of which the softmax has a new row max. Sums are rounded at both
//! boundaries, so neither may depend on the batch, the threads or the machine. Probes are
//! independent of one another, so the batch may be cut anywhere. So may an update, in which each
//! pattern has a separate sum.

use std::ops::Range;

use crate::driver::parallel::Parallelism;
use crate::kernel::rank1::FEW_PROBES;
use crate::kernel::score::chunks;
use crate::matrix::ranges::{evenly, product};
use crate::memory::{padded_cols, padded_stride, scratch_stride};
use crate::separation::active::list_len;
use crate::separation::shape::MAX_BLOCK;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Caches, Element};

/// Bytes of a block of patterns, or of one chunk of d of it. Together with a few probes and their
/// X̂, they stay in 1 MiB of L2 from the scores to the projection. X̂ is read and written once per
/// block, which has to be little beside the sums over the block's patterns: at least 128 of them.
const BLOCK_BYTES: usize = 512 << 10;
/// The same for an update, whose patterns share L2 with the weights and with the learning inputs,
/// and bytes of the weights of such a block.
const UPDATE_BYTES: usize = 256 << 10;
/// Bytes of patterns for which another split pays.
const SPLIT_BYTES: u64 = 1024 << 10;
/// Most splits, and so most threads for one probe; more would wait for memory.
const SPLITS: u64 = 16;
/// Bytes of the scores of a probe block, which stay in L2 until all of its tiles have been scored.
const PROBE_BLOCK_BYTES: usize = 128 << 10;
/// Bytes of a task's probes and of their X̂, if the probes are short. With more probes, more of
/// them share a read of the patterns; with fewer, they stay in L2. Of long probes, L2 holds one
/// tile only.
const BATCH_BYTES: usize = 512 << 10;
/// Most bytes of B x N similarities that recall stores for learning, which then need not compute
/// them again.
const KEPT_BYTES: u64 = 32 << 20;

/// More bytes of patterns than this do not fit into the L2 of one core.
const BEYOND_L2: u64 = 1 << 20;
/// With more bytes of patterns than this, most come from memory, or from an L3 that is shared.
const LARGE: u64 = 8 << 20;
/// Where L2 is at least this large, L3 is taken to be slow, as it is on Intel's servers.
const LARGE_L2: u64 = 2 << 20;
/// With a slow L3, patterns are prefetched as many tiles before their update as take this many
/// learning inputs together.
const INPUTS_AHEAD: usize = 48;

/// Most probe tiles in a probe block.
pub(crate) const PROBE_BLOCK: usize = 32;

/// With fewer probes than this, packing the patterns does not pay.
const MANY_PROBES: usize = 48;
/// Most columns of packed patterns. In longer ones horizontal sums are a small part of the work.
const SHORT_PATTERNS: usize = 192;

/// Elements of scratch for the packed panels of `block` patterns of `cols` padded columns; 0 if
/// packing does not pay.
pub(crate) const fn panels_len<T: Element>(block: usize, cols: usize, probes: usize) -> usize {
    if probes < MANY_PROBES || cols > SHORT_PATTERNS {
        return 0;
    }
    block.next_multiple_of(T::LANES) * cols
}

/// Row stride, in elements, of the scores of `block` patterns: at least a vector more than there
/// are columns.
pub(crate) const fn scores_stride<T: Element>(block: usize) -> usize {
    scratch_stride::<T>(block.div_ceil(T::LANES) + 1)
}

/// Ranges of at most `most` patterns. All are whole panels of `LANES` patterns, except that the
/// last range may end with a partial one.
pub(crate) fn blocks<T: Element>(
    patterns: usize,
    most: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
    evenly(patterns.div_ceil(T::LANES), most / T::LANES)
        .map(move |panels| panels.start * T::LANES..(panels.end * T::LANES).min(patterns))
}

/// The blocking of N patterns of dimension D.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub patterns: usize,
    /// Elements of a padded row.
    pub cols: usize,
    /// Row stride of the patterns, in elements.
    row: usize,
    /// Row stride of padded probes and of X̂ in scratch memory, in elements.
    pub stride: usize,
    /// Elements of a padded row of values, and their row stride in scratch memory; of the patterns
    /// where they are the values.
    pub value_cols: usize,
    pub value_stride: usize,
    /// Most patterns in a split.
    pub split: usize,
    /// Most patterns in a block.
    pub block: usize,
    /// Bytes of the part of a row that is in L2 at a time.
    chunk_bytes: usize,
}

impl Plan {
    pub fn new<T: Element>(patterns: usize, dim: usize) -> Self {
        let (cols, row) = (padded_cols::<T>(dim), padded_stride::<T>(dim));
        let row_bytes = row * size_of::<T>();
        let chunk_bytes = cols * size_of::<T>() / chunks::<T>(cols / T::LANES).len();
        let block = block_within::<T>(BLOCK_BYTES, chunk_bytes);
        let panels = patterns.div_ceil(T::LANES);
        let splits = product([patterns, row_bytes]) / SPLIT_BYTES;
        // A power of two, and perhaps more than there are panels.
        let splits = splits.min(SPLITS).next_power_of_two() as usize;
        let stride = scratch_stride::<T>(cols / T::LANES);
        let split = panels.div_ceil(splits) * T::LANES;
        let (value_cols, value_stride) = (cols, stride);
        Self { patterns, cols, row, stride, value_cols, value_stride, split, block, chunk_bytes }
    }

    /// The same with values of `dim` elements. Nothing that changes a result depends on it.
    #[must_use]
    pub fn with_values<T: Element>(self, dim: usize) -> Self {
        let value_cols = padded_cols::<T>(dim);
        let value_stride = scratch_stride::<T>(value_cols / T::LANES);
        Self { value_cols, value_stride, ..self }
    }

    /// The patterns of each split.
    pub fn splits<T: Element>(self) -> impl ExactSizeIterator<Item = Range<usize>> {
        blocks::<T>(self.patterns, self.split)
    }

    /// Most probe tiles in a probe block.
    pub fn probe_block<T: Element>(self) -> usize {
        let tile_bytes = PROBE_TILE * scores_stride::<T>(self.block) * size_of::<T>();
        (PROBE_BLOCK_BYTES / tile_bytes).min(PROBE_BLOCK)
    }

    /// Elements of scratch that a task needs for the scores of `probes` probes.
    pub fn scores<T: Element>(self, probes: usize) -> usize {
        let tiles = probes.div_ceil(PROBE_TILE).clamp(1, self.probe_block::<T>());
        tiles * PROBE_TILE * scores_stride::<T>(self.block)
    }

    /// Entries of a list of a block's patterns.
    pub fn list(self) -> usize {
        list_len(self.block)
    }

    /// Bytes of all patterns.
    pub fn bytes<T: Element>(self) -> u64 {
        product([self.patterns, self.row, size_of::<T>()])
    }

    /// Threads that share the work for `rows` probes or learning inputs.
    pub fn threads<T: Element>(self, rows: usize, parallelism: Parallelism) -> usize {
        parallelism.threads(product([rows, self.patterns, self.cols]), self.bytes::<T>())
    }

    /// Whether the patterns come from memory.
    pub fn is_large<T: Element>(self) -> bool {
        self.bytes::<T>() > LARGE
    }

    /// Whether the patterns do not fit into L3.
    pub fn is_beyond_l3<T: Element>(self, caches: Caches) -> bool {
        self.bytes::<T>() > caches.l3.max(LARGE)
    }

    /// Whether blocks are prefetched to L2 for `probes` probes. A few probes spend most of their
    /// time waiting for L3 anyway, and a prefetch costs them more than it gains.
    pub fn prefetches<T: Element>(self, probes: usize) -> bool {
        self.bytes::<T>() > if probes > 2 * PROBE_TILE { BEYOND_L2 } else { LARGE }
    }

    /// Whether row strips that fit into L1 are prefetched.
    pub fn prefetches_strips<T: Element>(self) -> bool {
        self.bytes::<T>() > BEYOND_L2
    }

    /// Elements of scratch for the packed panels of a block, for `probes` probes.
    pub fn panels<T: Element>(self, probes: usize) -> usize {
        panels_len::<T>(self.block, self.cols, probes)
    }

    /// Most probes that a task recalls at a time: the largest probe block, or up to three times as
    /// many if they stay in L2.
    pub fn batch<T: Element>(self) -> usize {
        let rows = BATCH_BYTES / (3 * self.stride * size_of::<T>());
        rows.clamp(PROBE_BLOCK * PROBE_TILE, 3 * PROBE_BLOCK * PROBE_TILE) / PROBE_TILE * PROBE_TILE
    }

    /// Whether the similarities of `probes` probes are stored for learning.
    pub fn keeps_similarities<T: Element>(self, probes: usize) -> bool {
        product([probes, self.patterns, size_of::<T>()]) <= KEPT_BYTES
    }

    /// The blocking of an update by `rows` learning inputs. Every block reads all of these: if they
    /// take more than half of a large L2, blocks are twice as large.
    pub fn update<T: Element>(self, rows: usize, threads: usize, caches: Caches) -> UpdatePlan {
        let (panels, rows) = (self.patterns.div_ceil(T::LANES), rows.max(1));
        let inputs = product([rows, self.cols, size_of::<T>()]);
        let large_l2 = caches.l2 >= LARGE_L2;
        let bytes = UPDATE_BYTES << u32::from(large_l2 && inputs > caches.l2 / 2);
        let fitting = bytes / size_of::<T>() / rows / T::LANES * T::LANES;
        let block = fitting.clamp(T::LANES, block_within::<T>(bytes, self.chunk_bytes));
        let tiles = INPUTS_AHEAD.div_ceil(rows);
        let ahead = if large_l2 { tiles * PROBE_TILE } else { block };
        UpdatePlan {
            tasks: if threads == 1 { 1 } else { (4 * threads).min(panels) },
            block,
            streams: rows <= FEW_PROBES && self.is_large::<T>(),
            ahead: if self.prefetches::<T>(rows) { ahead } else { 0 },
        }
    }
}

/// Most patterns, in whole vectors, of which a chunk of so many bytes each takes at most `bytes`.
fn block_within<T: Element>(bytes: usize, chunk_bytes: usize) -> usize {
    (bytes / chunk_bytes).min(MAX_BLOCK) / T::LANES * T::LANES
}

/// The blocking of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UpdatePlan {
    /// Tasks: several for each thread, as some patterns may have nothing to learn.
    pub tasks: usize,
    /// Most patterns in a block.
    pub block: usize,
    /// Whether both halves of the patterns are streamed at once.
    pub streams: bool,
    /// Prefetch distance in patterns; 0 for no prefetch.
    pub ahead: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 and 60,000 digits of 28 x 28 pixels.
    fn digits<T: Element>() -> [Plan; 2] {
        [Plan::new::<T>(1000, 784), Plan::new::<T>(60_000, 784)]
    }

    #[test]
    fn an_update_is_cut_so_that_a_blocks_weights_and_rows_fit_into_l2() {
        let [few, many] = digits::<f32>();
        let update = |plan: Plan, rows| plan.update::<f32>(rows, 1, Caches::USUAL);
        // 80 patterns of 3,136 bytes fit; for 1,000 rows of weights, 64; for very many, one vector.
        for (rows, block) in [(1, 80), (819, 80), (820, 64), (1000, 64), (70_000, 16)] {
            assert_eq!(update(few, rows).block, block, "{rows}");
            assert!(!update(few, rows).streams);
        }
        // Few rows, and patterns from memory.
        assert!(update(many, 1).streams && update(many, 4).streams && !update(many, 5).streams);
        // Four tasks for each thread, each of at least one panel.
        let tasks = |plan: Plan, threads| plan.update::<f32>(1, threads, Caches::USUAL).tasks;
        assert_eq!([1, 2, 8].map(|threads| tasks(many, threads)), [1, 8, 32]);
        assert_eq!(tasks(Plan::new::<f32>(33, 784), 2), 3);
        let [few, _] = digits::<f64>();
        // Two chunks of d, of which L2 holds one at a time.
        let block = |rows| few.update::<f64>(rows, 1, Caches::USUAL).block;
        assert_eq!([block(1), block(1000)], [80, 32]);
    }

    /// Learning inputs of more than 1 MiB: blocks are twice as large, and patterns are prefetched
    /// shortly before they are updated.
    #[test]
    fn an_update_takes_a_large_l2_into_account() {
        let [few, many] = digits::<f32>();
        let large = Caches { l2: 2 << 20, ..Caches::USUAL };
        for (rows, blocks) in [(334, [80, 80]), (335, [80, 160]), (1000, [64, 128])] {
            let block = |caches| few.update::<f32>(rows, 1, caches).block;
            assert_eq!([block(Caches::USUAL), block(large)], blocks, "{rows}");
        }
        for (rows, ahead) in [(5, 60), (16, 18), (47, 12), (48, 6), (128, 6)] {
            assert_eq!(many.update::<f32>(rows, 1, Caches::USUAL).ahead, 80, "{rows}");
            assert_eq!(many.update::<f32>(rows, 1, large).ahead, ahead, "{rows}");
        }
        assert_eq!(few.update::<f32>(5, 1, large).ahead, 0, "3 MB are not prefetched for few rows");
    }

    #[test]
    fn similarities_are_kept_up_to_32_mib() {
        let plan = Plan::new::<f32>(1 << 20, 3);
        assert!(plan.keeps_similarities::<f32>(8));
        assert!(!plan.keeps_similarities::<f32>(9));
        assert!(plan.keeps_similarities::<f64>(4));
        assert!(!plan.keeps_similarities::<f64>(5));
    }

    #[test]
    fn more_is_prefetched_for_many_probes_than_for_few() {
        // Rows of 256 bytes.
        let of = |patterns| Plan::new::<f32>(patterns, 64);
        let (at_l2, beyond_l2) = (of(4 << 10), of((4 << 10) + 1));
        let (at_most, large) = (of(32 << 10), of((32 << 10) + 1));
        for probes in [1, 2 * PROBE_TILE] {
            assert!(!at_most.prefetches::<f32>(probes) && large.prefetches::<f32>(probes));
        }
        let many = 2 * PROBE_TILE + 1;
        assert!(!at_l2.prefetches::<f32>(many) && beyond_l2.prefetches::<f32>(many));
        assert!(!at_l2.prefetches_strips::<f32>() && beyond_l2.prefetches_strips::<f32>());
        assert!(!at_most.is_large::<f32>() && large.is_large::<f32>());
        let (at_l3, beyond_l3) = (of(128 << 10), of((128 << 10) + 1));
        let is_beyond = |plan: Plan| plan.is_beyond_l3::<f32>(Caches::USUAL);
        assert!(!is_beyond(at_l3) && is_beyond(beyond_l3));
        let small = Caches { l3: 1 << 20, ..Caches::USUAL };
        assert!(!at_most.is_beyond_l3::<f32>(small) && large.is_beyond_l3::<f32>(small));
    }

    #[test]
    #[cfg(feature = "rayon")]
    fn threads_are_worth_their_multiply_adds_or_their_bytes() {
        let [few, many] = digits::<f32>();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a pool");
        let threads =
            |plan: Plan, rows| pool.install(|| plan.threads::<f32>(rows, Parallelism::Rayon));
        // 3.1 MB; 784,000 multiply-adds per row.
        assert_eq!(threads(few, 1), 1);
        assert_eq!(threads(few, 3), 2);
        assert_eq!(threads(few, 6), 4);
        assert_eq!(threads(few, 1000), 8);
        assert_eq!(threads(many, 1), 8);
        assert_eq!(threads(Plan::new::<f32>(300, 784), 1), 1);
        assert_eq!(few.threads::<f32>(1000, Parallelism::Serial), 1);
    }

    /// Products of sizes may exceed an address space of 32 or of 64 bits: they are only compared.
    #[test]
    fn products_of_sizes_may_exceed_the_address_space() {
        for patterns in [1 << 20, usize::MAX / 64, usize::MAX / 4] {
            let plan = Plan { patterns, ..Plan::new::<f32>(1 << 20, 784) };
            assert!(plan.bytes::<f32>() > 1 << 31 && plan.is_large::<f32>());
            for rows in [1 << 20, usize::MAX] {
                assert!(!plan.keeps_similarities::<f32>(rows));
                assert_eq!(plan.threads::<f32>(rows, Parallelism::Serial), 1);
                assert!(!plan.update::<f32>(rows, 1, Caches::USUAL).streams);
            }
        }
        assert_eq!(product([usize::MAX, usize::MAX, 2]), u64::MAX);
        assert_eq!(product([usize::MAX, 0, usize::MAX]), 0);
        assert_eq!(product([3, 5, 7]), 105);
    }

    #[test]
    fn tasks_take_a_block_of_probes_or_as_many_as_stay_in_l2() {
        for (dim, most) in [(1, 576), (64, 546), (192, 210), (784, 192), (1025, 192)] {
            assert_eq!(Plan::new::<f32>(1000, dim).batch::<f32>(), most, "{dim}");
        }
        // Patterns are packed if they are short and the probes are many.
        let [plan, short] = [784, 64].map(|dim| Plan::new::<f32>(1000, dim));
        assert_eq!(plan.panels::<f32>(1000), 0);
        assert_eq!(short.panels::<f32>(1), 0);
        assert_eq!(short.panels::<f32>(1000), short.block * short.cols);
    }

    #[test]
    fn blocks_and_splits_are_cut_by_shape_and_type_alone() {
        for (patterns, dim, split, block) in [
            (1000, 784, 512, 160),
            (60_000, 784, 3760, 160),
            (1024, 64, 1024, 512),
            (4096, 3072, 256, 128),
            (1, 1, 16, 512),
        ] {
            let plan = Plan::new::<f32>(patterns, dim);
            assert_eq!((plan.split, plan.block), (split, block), "{patterns} x {dim}");
            let splits: Vec<_> = plan.splits::<f32>().collect();
            assert!(splits.iter().cloned().flatten().eq(0..patterns));
            assert!(splits.iter().all(|split| split.len() <= plan.split));
            assert!(splits.len() as u64 <= SPLITS);
        }
    }

    #[test]
    fn a_task_has_whole_probe_tiles_and_room_for_the_scores_of_a_probe_block() {
        for (dim, probe_block) in [(1, 10), (64, 10), (256, 10), (384, 14), (784, 31), (20_000, 32)]
        {
            let plan = Plan::new::<f32>(1000, dim);
            assert_eq!(plan.probe_block::<f32>(), probe_block, "{dim}");
            let most = plan.batch::<f32>();
            assert!(
                most.is_multiple_of(PROBE_TILE) && most >= probe_block * PROBE_TILE,
                "{dim}: {most}"
            );
            let scores = |tiles: usize| tiles * PROBE_TILE * scores_stride::<f32>(plan.block);
            assert_eq!(plan.scores::<f32>(most), scores(probe_block), "{dim}");
            assert_eq!(plan.scores::<f32>(PROBE_TILE + 1), scores(2), "{dim}");
            assert_eq!(plan.scores::<f32>(1), scores(1), "{dim}");
        }
    }
}
