//! Memories from arrays and vectors.

use super::Memory;
use crate::error::{Error, Result};
use crate::matrix::check::expect_length;
use crate::simd::{Element, Level};

/// Arrays of N patterns of D elements. Neither may be 0, which is found when this is compiled.
///
/// ```
/// use hopfield_kernels::Memory;
///
/// let memory = Memory::from([[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// assert_eq!((memory.patterns(), memory.dim()), (2, 3));
/// ```
impl<T: Element, const N: usize, const D: usize> From<[[T; D]; N]> for Memory<T> {
    fn from(patterns: [[T; D]; N]) -> Self {
        const { assert!(N > 0 && D > 0, "a memory has patterns, and patterns have features") };
        let mut memory = Self::zeros(N, D).expect("an array is no larger than memory");
        for (n, pattern) in patterns.iter().enumerate() {
            memory.store.write(n, pattern);
        }
        // Any level will do where the environment names one that there is not.
        memory.refresh_norms(Level::detect().unwrap_or_else(|_| Level::best()));
        memory
    }
}

/// Patterns in vectors of their own, all as long as the first.
///
/// ```
/// use hopfield_kernels::Memory;
///
/// let memory = Memory::try_from(vec![vec![1.0, 2.0], vec![3.0, 4.0]])?;
/// assert_eq!(memory.to_rows(), [1.0, 2.0, 3.0, 4.0]);
/// let refused = Memory::try_from(vec![vec![1.0, 2.0], vec![3.0]]).unwrap_err();
/// assert_eq!(refused.to_string(), "pattern: expected 2 elements, got 1");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
impl<T: Element> TryFrom<Vec<Vec<T>>> for Memory<T> {
    type Error = Error;

    fn try_from(patterns: Vec<Vec<T>>) -> Result<Self> {
        let mut memory = Self::zeros(patterns.len(), patterns.first().map_or(0, Vec::len))?;
        let level = Level::detect()?;
        for (n, pattern) in patterns.iter().enumerate() {
            expect_length("pattern", pattern.len(), memory.dim)?;
            memory.store.write(n, pattern);
        }
        memory.refresh_norms(level);
        Ok(memory)
    }
}
