//! Merging two recalls of the same probes from different patterns.

use crate::kernel::rows;
use crate::matrix::{MatMut, MatRef};
use crate::separation::state::State;
use crate::simd::{Element, Kernel, Simd};

/// Merges the recall from a later split of the patterns into that from the earlier ones.
pub struct Merge<'a, T> {
    /// The earlier splits' states and sums.
    pub earlier: (&'a mut [State<T>], Option<MatMut<'a, T>>),
    /// The later split's states and sums.
    pub later: (&'a [State<T>], Option<MatRef<'a, T>>),
    /// The scale of the separation, β log2 e.
    pub scale: T,
}

impl<T: Element> Kernel<T> for Merge<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let (states, mut sums) = self.earlier;
        for (b, (state, later)) in states.iter_mut().zip(self.later.0).enumerate() {
            let (merged, a, c) = State::merge(simd, *state, *later, self.scale);
            *state = merged;
            if let (Some(sums), Some(later)) = (&mut sums, &self.later.1) {
                rows::join(simd, sums.row_mut(b), a, later.row(b), c);
            }
        }
    }
}
