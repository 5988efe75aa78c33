//! Codes of the stored patterns: small integers that bound every dot product from above.
//!
//! A pattern is m = a c + r: a scale a, integers c (the codes), and a remainder r, whose norm is
//! known. With a probe x = b q + e and i = q · c, which is exact,
//!
//! ```text
//! x · m = a b i + a (e · c) + x · r  <=  a (b i + |e| κ + |x| ρ)     κ = max |c|, ρ = max |r| / a
//! ```
//!
//! by the inequality of Cauchy and Schwarz. A pattern whose bound is below the least score that can
//! have a weight is left out with proof; the others are scored as they would be without codes. So
//! codes have no influence on any result. (Teflioudi, Gemulla & Mykytiuk 2015, LEMP, and Li et al.
//! 2017, FEXIPRO, bound inner products in this way, with other codes.)
//!
//! Codes stay true when patterns change: a pattern that learns keeps its codes and has a *drift*, a
//! bound of its distance from what was quantised, which is added to the remainder. It is quantised
//! again once its drift is as large as the remainder.

#[cfg(feature = "files")]
mod bytes;
mod probe;
mod quantise;

pub(crate) use probe::{Bounds, ProbeCodes};

use crate::kernel::codes::Format;
use crate::memory::Aligned;
use crate::simd::Element;
use crate::simd::integers::{LINE, PANEL};

/// How the codes of a memory are stored; see [`Memory::with_codes`](crate::Memory::with_codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codes {
    /// 8 bits for each feature: a quarter of the memory that `f32` patterns take.
    Eight,
    /// 4 bits for each feature. The bounds are about 18 times as wide, so that more patterns are
    /// scored. It pays for single probes, which wait for memory, at a high inverse temperature.
    Four,
}

impl Codes {
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Eight => Format::Eight,
            Self::Four => Format::Four,
        }
    }
}

/// The most features of patterns with codes: sums of products stay within `i32`.
const MOST_FEATURES: usize = 1 << 16;

/// The codes of N patterns.
#[derive(Debug, Clone)]
pub(crate) struct CodeStore {
    kind: Codes,
    patterns: usize,
    dim: usize,
    /// Panels of 16 patterns, as `kernel::codes` takes them.
    panels: Aligned<u8>,
    /// a for each pattern; infinite for one that is always scored.
    scales: Vec<f32>,
    /// For each pattern, a bound of its distance from what was quantised. Empty if no pattern has
    /// changed since.
    drifts: Vec<f32>,
    /// κ and ρ, rounded up.
    kappa: f64,
    rho: f64,
    /// The largest scale that is finite.
    highest_scale: f64,
    /// Whether patterns are changing, so that the codes say nothing until `drift` is called.
    doubted: bool,
}

impl CodeStore {
    /// Of no patterns yet, of `dim` features each; none where these are more than codes can have.
    pub fn new(kind: Codes, dim: usize) -> Option<Self> {
        (dim <= MOST_FEATURES).then(|| Self {
            kind,
            patterns: 0,
            dim,
            panels: Aligned::new(0),
            scales: Vec::new(),
            drifts: Vec::new(),
            kappa: 0.0,
            rho: 0.0,
            highest_scale: 0.0,
            doubted: false,
        })
    }

    pub fn kind(&self) -> Codes {
        self.kind
    }

    pub fn patterns(&self) -> usize {
        self.patterns
    }

    /// Bytes of a panel.
    pub fn panel_bytes(&self) -> usize {
        self.kind.format().lines(self.dim) * LINE
    }

    /// The codes of some panels.
    pub fn panels(&self, panels: std::ops::Range<usize>) -> &[u8] {
        let bytes = self.panel_bytes();
        &self.panels[panels.start * bytes..panels.end * bytes]
    }

    /// Makes room for more patterns, whose codes are still to be set.
    pub fn grow(&mut self, patterns: usize) {
        self.patterns = patterns;
        let panels = patterns.div_ceil(PANEL);
        // Codes of zero, also for the patterns that the last panel lacks.
        let zero = match self.kind.format() {
            Format::Eight => 128,
            Format::Four => 0x88,
        };
        self.panels.resize(panels * self.panel_bytes(), zero);
        self.scales.resize(patterns, f32::INFINITY);
        if !self.drifts.is_empty() {
            self.drifts.resize(patterns, 0.0);
        }
    }

    /// The codes of a pattern that is replaced.
    pub fn set<T: Element>(&mut self, n: usize, row: &[T]) {
        let codes = quantise::Quantised::new(self.kind.format(), row);
        self.scales[n] = codes.scale;
        self.kappa = self.kappa.max(codes.kappa);
        self.rho = self.rho.max(codes.rho);
        if codes.scale.is_finite() {
            self.highest_scale = self.highest_scale.max(f64::from(codes.scale));
        }
        if let Some(drift) = self.drifts.get_mut(n) {
            *drift = 0.0;
        }
        self.write(n, &codes.codes);
    }

    /// Stores the codes of a pattern.
    fn write(&mut self, n: usize, codes: &[i8]) {
        let (bytes, lane) = (self.panel_bytes(), n % PANEL);
        let panel = &mut self.panels[n / PANEL * bytes..][..bytes];
        match self.kind.format() {
            Format::Eight => {
                for (line, codes) in panel.chunks_exact_mut(LINE).zip(codes.chunks(4)) {
                    for (to, code) in line[4 * lane..].iter_mut().zip(codes) {
                        *to = (128 + i32::from(*code)) as u8;
                    }
                }
            }
            Format::Four => {
                for (line, codes) in panel.chunks_exact_mut(LINE).zip(codes.chunks(8)) {
                    for (d, code) in codes.iter().enumerate() {
                        let (to, code) = (&mut line[4 * lane + d % 4], (8 + code) as u8);
                        *to = match d < 4 {
                            true => *to & 0xf0 | code,
                            false => *to & 0x0f | code << 4,
                        };
                    }
                }
            }
        }
    }

    /// Patterns are about to change: the codes are not used until `drift` tells by how much.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Whether the codes are true.
    pub fn is_true(&self) -> bool {
        !self.doubted
    }

    /// Keeps the codes of patterns that have moved by at most these distances, and quantises those
    /// again that have moved by more than their remainder.
    pub fn drift<'r, T: Element>(&mut self, distances: &[f32], row: impl Fn(usize) -> &'r [T]) {
        self.doubted = false;
        self.drifts.resize(self.patterns, 0.0);
        for (n, &distance) in distances.iter().enumerate() {
            if distance == 0.0 {
                continue;
            }
            let drift = (self.drifts[n] + distance) * (1.0 + f32::EPSILON);
            self.drifts[n] = drift;
            // A drift that is not a number is not small.
            let is_small = f64::from(drift) <= f64::from(self.scales[n]) * self.rho;
            if !is_small {
                self.set(n, row(n));
            }
        }
    }

    /// What bounds the scores of a probe with these patterns.
    pub fn bounds(&self, patterns: std::ops::Range<usize>) -> Bounds<'_> {
        Bounds {
            scales: &self.scales[patterns.clone()],
            drifts: if self.drifts.is_empty() { None } else { Some(&self.drifts[patterns]) },
        }
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The largest a.
    pub fn highest_scale(&self) -> f64 {
        self.highest_scale
    }

    /// κ and ρ.
    pub fn widths(&self) -> (f64, f64) {
        (self.kappa, self.rho)
    }
}

#[cfg(any(test, feature = "__scramble"))]
mod scramble;
#[cfg(test)]
mod tests;
