//! Codes as bytes, for a file beside that of the patterns.
//!
//! Three numbers of `f64` (κ, ρ and the largest scale), the scales, and the panels, all in the
//! order of bytes of the machine, which is the file's.

use super::{CodeStore, Codes};
use crate::simd::integers::PANEL;

/// Bytes of the numbers that come first.
const HEAD: usize = 3 * size_of::<f64>();

impl CodeStore {
    /// The codes of patterns that have not changed since they were quantised.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = [self.kappa, self.rho, self.highest_scale];
        let parts: [&[u8]; 3] =
            [bytemuck::cast_slice(&head), bytemuck::cast_slice(&self.scales), &self.panels];
        parts.concat()
    }

    /// Those codes, of `patterns` patterns of `dim` features; none if the bytes are not theirs.
    pub fn from_bytes(kind: Codes, (patterns, dim): (usize, usize), bytes: &[u8]) -> Option<Self> {
        let mut store = Self::new(kind, dim)?;
        let scales = patterns * size_of::<f32>();
        let panels = patterns.div_ceil(PANEL) * store.panel_bytes();
        if bytes.len() != HEAD + scales + panels {
            return None;
        }
        let (head, rest) = bytes.split_at(HEAD);
        let number = |at: usize| bytemuck::pod_read_unaligned::<f64>(&head[8 * at..8 * at + 8]);
        let (kappa, rho, highest) = (number(0), number(1), number(2));
        if [kappa, rho, highest].iter().any(|x| !x.is_finite() || *x < 0.0) {
            return None;
        }
        (store.kappa, store.rho, store.highest_scale) = (kappa, rho, highest);
        store.grow(patterns);
        bytemuck::cast_slice_mut(&mut store.scales).copy_from_slice(&rest[..scales]);
        store.panels.copy_from_slice(&rest[scales..]);
        Some(store)
    }
}
