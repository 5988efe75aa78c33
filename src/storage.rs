//! Where patterns lie: on cache lines, and on huge pages when there are many.

use std::ops::{Deref, DerefMut};

use aligned_vec::AVec;

use crate::Element;
use crate::memory::{Aligned, LINE};

/// Bytes from which huge pages are asked for. They are 2 MiB each on most machines; streaming
/// through 4 KiB pages stops the hardware's prefetch at every one of them and misses the TLB.
#[cfg(target_os = "linux")]
const MANY: usize = 4 << 20;

/// A fixed number of elements that begin on a cache line.
#[derive(Debug)]
pub(crate) enum Storage<T> {
    Heap(Aligned<T>),
    #[cfg(target_os = "linux")]
    Pages(memmap2::MmapMut),
}

/// Whether the allocator has room for so many elements: it would end the process where it is asked in
/// earnest and has not.
pub(crate) fn granted<T>(count: usize) -> bool {
    let mut room = Vec::<T>::new();
    let granted = room.try_reserve_exact(count).is_ok();
    // Nobody uses the room: without this, the compiler may leave out the question and assume a yes.
    std::hint::black_box(&mut room);
    granted
}

impl<T: Element> Storage<T> {
    /// So many zeros.
    pub fn zeros(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len * size_of::<T>() >= MANY
            && let Ok(pages) = huge_pages(len * size_of::<T>())
        {
            return Self::Pages(pages);
        }
        Self::Heap(AVec::__from_elem(LINE, T::ZERO, len))
    }
}

impl<T: Element> Deref for Storage<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Heap(elements) => elements,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => bytemuck::cast_slice(pages),
        }
    }
}

impl<T: Element> DerefMut for Storage<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Heap(elements) => elements,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => bytemuck::cast_slice_mut(pages),
        }
    }
}

/// So many bytes of zeros, on huge pages where there are some.
#[cfg(target_os = "linux")]
fn huge_pages(bytes: usize) -> std::io::Result<memmap2::MmapMut> {
    let pages = memmap2::MmapMut::map_anon(bytes)?;
    // Advice: without huge pages these are as good as any others.
    let _ = pages.advise(memmap2::Advice::HugePage);
    Ok(pages)
}

impl<T: Clone> Clone for Storage<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Heap(elements) => Self::Heap(elements.clone()),
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => {
                let copy = huge_pages(pages.len());
                let mut copy = copy.expect("there is memory for as many patterns again");
                copy.copy_from_slice(pages);
                Self::Pages(copy)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_elements_are_zeros_on_cache_lines() {
        for len in [1, 1000, 5_000_000] {
            let mut storage = Storage::<f32>::zeros(len);
            assert_eq!(storage.len(), len);
            assert!(storage.iter().all(|x| *x == 0.0));
            assert!(storage.as_ptr().addr().is_multiple_of(LINE));
            storage[len - 1] = 1.0;
            assert_eq!(storage.clone()[..], storage[..]);
        }
    }
}
