//! Merging two recalls of the same probes from different patterns.

use crate::kernel::rows;
use crate::matrix::{MatMut, MatRef};
use crate::separation::state::State;
use crate::simd::{Element, Kernel, Simd};

/// Merges the recall from a later split of the patterns into that from the earlier ones.
pub struct Merge<'a, T> {
    /// The earlier splits' states and sums, which become those of all.
    pub states: &'a mut [State<T>],
    pub sums: Option<MatMut<'a, T>>,
    /// The later split's states and sums.
    pub later_states: &'a [State<T>],
    pub later_sums: Option<MatRef<'a, T>>,
    /// The scale of the separation, β log2 e.
    pub scale: T,
}

impl<T: Element> Kernel<T> for Merge<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        for (b, (state, later)) in self.states.iter_mut().zip(self.later_states).enumerate() {
            let (merged, a, c) = State::merge(simd, *state, *later, self.scale);
            *state = merged;
            if let (Some(sums), Some(later)) = (&mut self.sums, &self.later_sums) {
                rows::join(simd, sums.row_mut(b), a, later.row(b), c);
            }
        }
    }
}
