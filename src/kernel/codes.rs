//! Products of quantised probes with the codes of patterns: sums[b][n] = q_b · c_n, exactly.
//!
//! ```text
//! for each tile of P probes:
//!     for each tile of Q panels of 16 patterns:
//!         acc[P][Q] = -zero Σ q
//!         for each line (four features, or eight of 4 bits) of the panels:
//!             acc[i][j] += line[j] · q_i                # 64 products an instruction with VNNI
//!         sums[i][panel j] = acc[i][j]
//! ```
//!
//! 1. Lanes are patterns, so there are no horizontal sums, and one probe reads the codes in one
//!    sequential stream (the layout of PDX, Kuffo et al. 2025, arXiv 2503.04422, for products of
//!    bytes).
//! 2. Codes are stored plus `zero`, as the instructions take unsigned codes. What that adds is
//!    known before the sum begins.
//! 3. One probe is bound by reading memory: it takes one panel at a time and prefetches ahead.

use crate::matrix::MatMut;
use crate::matrix::ranges::evenly;
use crate::simd::integers::{IntegerKernel, Integers, LINE, PANEL};
use crate::simd::tile::for_tile_size;

/// How codes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A byte for a feature.
    Eight,
    /// Four bits for a feature: a line holds eight features, the first four in the lower halves of
    /// the bytes.
    Four,
}

impl Format {
    /// What is added to a code that is stored.
    pub const fn zero(self) -> i32 {
        match self {
            Self::Eight => 128,
            Self::Four => 8,
        }
    }

    /// The largest magnitude of a code.
    pub const fn most(self) -> i32 {
        self.zero() - 1
    }

    /// Features of a line.
    pub const fn features(self) -> usize {
        match self {
            Self::Eight => 4,
            Self::Four => 8,
        }
    }

    /// Lines of a panel of patterns of `dim` features.
    pub const fn lines(self, dim: usize) -> usize {
        dim.div_ceil(self.features())
    }
}

/// Bytes ahead of the current line that one probe prefetches.
const AHEAD: usize = 8 << 10;
/// Independent sums of one probe, so that no product waits for the one before it.
const CHAINS: usize = 4;

/// Some quantised probes: for each, words of four bytes, as many as the lines of a panel need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    /// Row after row.
    pub words: &'a [i32],
    /// Words of a probe.
    pub count: usize,
    /// For each probe, what its sums begin with: -zero Σ q.
    pub starts: &'a [i32],
}

/// The products of some probes with some panels.
pub(crate) struct CodeProducts<'a> {
    pub format: Format,
    pub probes: Words<'a>,
    /// Whole panels, one after another.
    pub panels: &'a [u8],
    /// A row for each probe, a column for each pattern of the panels; written.
    pub sums: MatMut<'a, i32>,
}

impl IntegerKernel for CodeProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Integers>(mut self, integers: I) {
        let probes = self.probes.starts.len();
        let lines = self.probes.count * 4 / self.format.features();
        let panels = self.sums.cols() / PANEL;
        assert_eq!(self.probes.words.len(), probes * self.probes.count);
        assert_eq!(self.probes.count * 4 % self.format.features(), 0);
        assert_eq!(self.panels.len(), panels * lines * LINE);
        assert_eq!(self.sums.shape(), (probes, panels * PANEL));
        if probes == 1 {
            // SAFETY: the shapes are asserted above.
            return unsafe {
                match self.format {
                    Format::Eight => one::<I, false>(integers, &mut self, lines),
                    Format::Four => one::<I, true>(integers, &mut self, lines),
                }
            };
        }
        for tile in evenly(probes, I::PROBES) {
            let first = tile.start;
            let kernel = &mut self;
            // SAFETY: the shapes are asserted above; the macro makes `P` the number of probes of
            // the tile.
            for_tile_size!(integers, tile.len(), I::PROBES, |P| unsafe {
                rows::<I, P>(integers, kernel, first, lines)
            });
        }
    }
}

/// One probe with all panels, one after another.
///
/// # Safety
/// - The shapes of `kernel` fit one another, as `CodeProducts::run` asserts, for panels of `lines`
///   lines.
#[inline(always)]
unsafe fn one<I: Integers, const FOUR: bool>(
    integers: I,
    kernel: &mut CodeProducts<'_>,
    lines: usize,
) {
    let (words, start) = (kernel.probes.words, kernel.probes.starts[0]);
    let to = kernel.sums.row_mut(0);
    for (panel, to) in to.chunks_exact_mut(PANEL).enumerate() {
        let from = kernel.panels.as_ptr().wrapping_add(panel * lines * LINE);
        let mut acc = [integers.splat(0); CHAINS];
        acc[0] = integers.splat(start);
        let mut line = 0;
        while line < lines {
            let now = CHAINS.min(lines - line);
            for (chain, acc) in acc.iter_mut().enumerate().take(now) {
                let at = from.wrapping_add((line + chain) * LINE);
                integers.prefetch(at.wrapping_add(AHEAD));
                // SAFETY: panel `panel` has `lines` lines, by the precondition.
                let codes = unsafe { integers.load(at) };
                *acc = add_line::<I, FOUR>(integers, *acc, codes, words, line + chain);
            }
            line += now;
        }
        let sums = integers.add(integers.add(acc[0], acc[1]), integers.add(acc[2], acc[3]));
        // SAFETY: `chunks_exact_mut(PANEL)` yields `PANEL` elements.
        unsafe { integers.store(to.as_mut_ptr(), sums) };
    }
}

/// Adds the products of one line of codes, of 4 bits with `FOUR`.
#[inline(always)]
fn add_line<I: Integers, const FOUR: bool>(
    integers: I,
    sums: I::Sums,
    codes: I::Codes,
    words: &[i32],
    line: usize,
) -> I::Sums {
    if !FOUR {
        return integers.dot(sums, codes, words[line]);
    }
    let [low, high] = integers.nibbles(codes);
    integers.dot(integers.dot(sums, low, words[2 * line]), high, words[2 * line + 1])
}

/// A tile of `P` probes with all panels.
///
/// # Safety
/// - The shapes of `kernel` fit one another, as `CodeProducts::run` asserts, for panels of `lines`
///   lines.
/// - There are `P` probes from `first` on.
#[inline(always)]
unsafe fn rows<I: Integers, const P: usize>(
    integers: I,
    kernel: &mut CodeProducts<'_>,
    first: usize,
    lines: usize,
) {
    let panels = kernel.sums.cols() / PANEL;
    let mut panel = 0;
    while panel < panels {
        // SAFETY: `Q` panels are left; the rest are the preconditions of `rows`.
        unsafe {
            match panels - panel {
                4.. if I::PANELS == 4 => {
                    tile::<I, P, 4>(integers, kernel, first, panel, lines);
                    panel += 4;
                }
                2.. if I::PANELS >= 2 => {
                    tile::<I, P, 2>(integers, kernel, first, panel, lines);
                    panel += 2;
                }
                _ => {
                    tile::<I, P, 1>(integers, kernel, first, panel, lines);
                    panel += 1;
                }
            }
        }
    }
}

/// The register tile: `P` probes with `Q` panels.
///
/// # Safety
/// - As for `rows`, and there are `Q` panels from `panel` on.
#[inline(always)]
unsafe fn tile<I: Integers, const P: usize, const Q: usize>(
    integers: I,
    kernel: &mut CodeProducts<'_>,
    first: usize,
    panel: usize,
    lines: usize,
) {
    let Words { words, count, starts } = kernel.probes;
    let words: [&[i32]; P] = std::array::from_fn(|i| &words[(first + i) * count..][..count]);
    let from = kernel.panels.as_ptr().wrapping_add(panel * lines * LINE);
    let mut acc: [[I::Sums; Q]; P] = std::array::from_fn(
        #[inline(always)]
        |i| [integers.splat(starts[first + i]); Q],
    );
    if kernel.format == Format::Eight {
        for line in 0..count {
            // One line at a time, as the instructions take words from memory: the accumulators
            // need nearly all registers.
            for j in 0..Q {
                // SAFETY: the `Q` panels from `panel` on have `lines` lines each, by the
                // preconditions. With eight bits to a code, `lines` is `count`.
                let codes = unsafe { integers.load(from.wrapping_add((j * lines + line) * LINE)) };
                for (acc, words) in acc.iter_mut().zip(&words) {
                    acc[j] = integers.dot(acc[j], codes, words[line]);
                }
            }
        }
    } else {
        for line in 0..lines {
            for j in 0..Q {
                // SAFETY: the `Q` panels from `panel` on have `lines` lines each, by the
                // preconditions.
                let codes = unsafe { integers.load(from.wrapping_add((j * lines + line) * LINE)) };
                for (acc, words) in acc.iter_mut().zip(&words) {
                    acc[j] = add_line::<I, true>(integers, acc[j], codes, words, line);
                }
            }
        }
    }
    for (i, acc) in acc.into_iter().enumerate() {
        let to = &mut kernel.sums.row_mut(first + i)[panel * PANEL..][..Q * PANEL];
        for (to, acc) in to.chunks_exact_mut(PANEL).zip(acc) {
            // SAFETY: `chunks_exact_mut(PANEL)` yields `PANEL` elements.
            unsafe { integers.store(to.as_mut_ptr(), acc) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;
    use crate::simd::integers::dispatch;

    #[test]
    fn products_are_those_of_loops() {
        for (format, dim, panels, probes) in [
            (Format::Eight, 4, 1, 1),
            (Format::Eight, 36, 7, 1),
            (Format::Eight, 20, 7, 8),
            (Format::Eight, 100, 3, 5),
            (Format::Four, 8, 1, 1),
            (Format::Four, 72, 5, 1),
            (Format::Four, 40, 6, 9),
        ] {
            let lines = format.lines(dim);
            let bytes: Vec<u8> =
                (0..panels * lines * LINE).map(|i| (i * 37 + i / 7 * 11) as u8).collect();
            let count = dim / 4;
            // Within what every instruction set takes.
            let q: Vec<i8> = (0..probes * dim).map(|i| ((i * 29) % 127) as i8 - 63).collect();
            let words: Vec<i32> = q
                .as_chunks::<4>()
                .0
                .iter()
                .map(|q| i32::from_le_bytes(q.map(|q| q as u8)))
                .collect();
            let starts: Vec<i32> = (0..probes as i32).map(|b| 10 * b - 5).collect();
            let code = |n: usize, d: usize| {
                let (panel, lane) = (n / PANEL, n % PANEL);
                let line = panel * lines + d / format.features();
                let byte = bytes[line * LINE + lane * 4 + d % 4];
                match format {
                    Format::Eight => i32::from(byte),
                    Format::Four if d % 8 < 4 => i32::from(byte & 15),
                    Format::Four => i32::from(byte >> 4),
                }
            };
            for level in Level::available() {
                let mut sums = vec![0; probes * panels * PANEL];
                let to = MatMut::new(&mut sums, probes, panels * PANEL).unwrap();
                let words = Words { words: &words, count, starts: &starts };
                dispatch(level, CodeProducts { format, probes: words, panels: &bytes, sums: to });
                for b in 0..probes {
                    for n in 0..panels * PANEL {
                        let products = (0..dim).map(|d| code(n, d) * i32::from(q[b * dim + d]));
                        let expected = starts[b] + products.sum::<i32>();
                        let found = sums[b * panels * PANEL + n];
                        assert_eq!(found, expected, "{level} {format:?} {dim} {b} {n}");
                    }
                }
            }
        }
    }
}
