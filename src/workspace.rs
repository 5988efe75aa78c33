//! Workspace: the memory that calls use beside their operands, kept from one call to the next.

use crate::kernel::state::State;
use crate::memory::Aligned;
use crate::{Element, Level, MatRef, Parallelism, Recall, Result};

/// Makes a vector at least so long, a `u64`; or returns `Error::Allocation`.
macro_rules! grow {
    ($vector:expr, $length:expr, $value:expr) => {
        let (vector, expected): (_, u64) = (&mut $vector, $length);
        let refused = || $crate::Error::Allocation { operand: "scratch memory", expected };
        let length = usize::try_from(expected).map_err(|_| refused())?;
        if let Some(more) = length.checked_sub(vector.len()).filter(|&more| more > 0) {
            vector.try_reserve_exact(more).map_err(|_| refused())?;
            vector.resize(length, $value);
        }
    };
}
pub(crate) use grow;

/// Scratch memory and the choices of how to run, for any number of calls.
///
/// The first call with some shapes allocates what it needs; later ones with the same or smaller
/// shapes allocate nothing.
///
/// ```
/// use hopfield_kernels::{Level, Parallelism, Workspace};
///
/// let workspace = Workspace::<f32>::new()
///     .with_level("portable".parse::<Level>()?)
///     .with_parallelism(Parallelism::Serial);
/// assert_eq!(workspace.level()?.name(), "portable");
/// assert_eq!(workspace.parallelism(), Parallelism::Serial);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Workspace<T> {
    level: Option<Level>,
    parallelism: Parallelism,
    pub(crate) memory: Scratch<T>,
    /// What learning keeps while it recalls: padded vectors and states.
    pub(crate) desk: Scratch<T>,
    /// What is recalled and learned from in one call, and its similarities.
    pub(crate) recall: Recall<T>,
    pub(crate) kept: Vec<T>,
}

/// The memory itself: floats, states and lists that only grow.
#[derive(Debug, Clone)]
pub(crate) struct Scratch<T> {
    pub floats: Aligned<T>,
    pub states: Vec<State<T>>,
    pub list: Vec<u32>,
}

impl<T: Element> Default for Workspace<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Workspace<T> {
    /// Empty, for [`Level::detect`] and the default [`Parallelism`].
    pub fn new() -> Self {
        Self {
            level: None,
            parallelism: Parallelism::default(),
            memory: Scratch::default(),
            desk: Scratch::default(),
            recall: Recall::new(),
            kept: Vec::new(),
        }
    }

    /// Forces a level.
    #[must_use]
    pub fn with_level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// Chooses whether calls use threads.
    #[must_use]
    pub fn with_parallelism(mut self, parallelism: Parallelism) -> Self {
        self.parallelism = parallelism;
        self
    }

    /// The level that calls run at.
    ///
    /// # Errors
    /// [`Error::Level`](crate::Error::Level) when none is forced and the environment names one that
    /// this machine lacks.
    pub fn level(&self) -> Result<Level> {
        self.level.map_or_else(Level::detect, Ok)
    }

    /// Whether calls use threads.
    pub fn parallelism(&self) -> Parallelism {
        self.parallelism
    }
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self { floats: Aligned::new(0), states: Vec::new(), list: Vec::new() }
    }
}

impl<T: Element> Scratch<T> {
    /// Makes room for so many of each.
    ///
    /// # Errors
    /// [`Error::Allocation`](crate::Error::Allocation) where the allocator does not grant it.
    pub fn reserve(&mut self, floats: u64, states: u64, list: u64) -> Result<()> {
        grow!(self.floats, floats, T::ZERO);
        grow!(self.states, states, State::EMPTY);
        grow!(self.list, list, 0);
        Ok(())
    }
}

/// Copies rows into padded ones, `stride` elements apart.
pub(crate) fn pad<T: Element>(rows: MatRef<'_, T>, padded: &mut [T], stride: usize) {
    for (row, padded) in rows.iter().zip(padded.chunks_exact_mut(stride)) {
        padded[..row.len()].copy_from_slice(row);
        padded[row.len()..].fill(T::ZERO);
    }
}

/// Takes the first `count` elements off a slice.
pub(crate) fn take<'a, T>(slice: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(slice).split_at_mut(count);
    *slice = tail;
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn room_that_nobody_has_is_an_error() {
        let mut scratch = Scratch::<f32>::default();
        for (floats, states, list) in
            [(u64::MAX, 0, 0), (1 << 62, 0, 0), (0, u64::MAX, 0), (0, 1 << 60, 0), (0, 0, 1 << 62)]
        {
            let refused = scratch.reserve(floats, states, list).unwrap_err();
            let expected = floats.max(states).max(list);
            assert_eq!(refused, Error::Allocation { operand: "scratch memory", expected });
            assert!(scratch.floats.is_empty() && scratch.states.is_empty());
        }
        scratch.reserve(3, 2, 1).unwrap();
        scratch.reserve(1, 1, 1).unwrap();
        assert_eq!((scratch.floats.len(), scratch.states.len(), scratch.list.len()), (3, 2, 1));
    }
}
