//! Scratch memory, which grows as needed and never shrinks.

use crate::error::Result;
use crate::matrix::MatRef;
use crate::memory::Aligned;
use crate::separation::state::State;
use crate::simd::Element;

/// Grows a `Vec` or `AVec` to at least `$length` elements, a `u64`. If that fails, returns
/// `Error::Allocation` from the function that uses the macro.
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

/// The scratch memory of a call: elements, states, and lists of patterns.
#[derive(Debug, Clone)]
pub(crate) struct Scratch<T> {
    pub elements: Aligned<T>,
    pub states: Vec<State<T>>,
    pub list: Vec<u32>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self { elements: Aligned::new(0), states: Vec::new(), list: Vec::new() }
    }
}

impl<T: Element> Scratch<T> {
    /// Makes room for at least this many of each.
    ///
    /// # Errors
    /// [`Error::Allocation`](crate::Error::Allocation) if the memory cannot be allocated.
    pub fn reserve(&mut self, elements: u64, states: u64, list: u64) -> Result<()> {
        grow!(self.elements, elements, T::ZERO);
        grow!(self.states, states, State::EMPTY);
        grow!(self.list, list, 0);
        Ok(())
    }
}

/// Copies rows into padded rows that are `stride` elements apart, and fills these up with zeros.
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
    use crate::error::Error;

    #[test]
    fn room_that_nobody_has_is_an_error() {
        let mut scratch = Scratch::<f32>::default();
        for (elements, states, list) in
            [(u64::MAX, 0, 0), (1 << 62, 0, 0), (0, u64::MAX, 0), (0, 1 << 60, 0), (0, 0, 1 << 62)]
        {
            let refused = scratch.reserve(elements, states, list).unwrap_err();
            let expected = elements.max(states).max(list);
            assert_eq!(refused, Error::Allocation { operand: "scratch memory", expected });
            assert!(scratch.elements.is_empty() && scratch.states.is_empty());
        }
        scratch.reserve(3, 2, 1).unwrap();
        scratch.reserve(1, 1, 1).unwrap();
        assert_eq!((scratch.elements.len(), scratch.states.len(), scratch.list.len()), (3, 2, 1));
    }
}
