//! Storage of patterns: aligned to cache lines, and on huge pages if it is large.

use std::ops::{Deref, DerefMut};

use aligned_vec::AVec;

use crate::memory::layout::{Aligned, LINE};

/// Bytes from which huge pages are requested. With 4 KiB pages, hardware prefetch stops at the end
/// of every page, the TLB misses, and the speed of a stream depends on how the physical pages of
/// the process happen to map to the caches: the recall of one probe from 3 MB took 34 to 41 µs from
/// one process to the next.
#[cfg(target_os = "linux")]
const MANY: usize = 1 << 20;

/// Bytes of a huge page on most machines.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

/// A fixed number of elements, aligned to a cache line.
#[derive(Debug)]
pub(crate) enum Storage<T> {
    Heap(Aligned<T>),
    #[cfg(target_os = "linux")]
    Pages(Pages),
    /// Somebody else's, which are only read.
    Shared(Shared<T>),
    /// Somebody else's, which are written too.
    Lent(Lent<T>),
}

/// Whether the allocator can provide `count` elements. The real allocation that follows would abort
/// the process if it failed.
pub(crate) fn granted<T>(count: usize) -> bool {
    let mut room = Vec::<T>::new();
    let granted = room.try_reserve_exact(count).is_ok();
    // Without this, the compiler may remove the unused allocation and assume that it succeeds.
    std::hint::black_box(&mut room);
    granted
}

impl<T: bytemuck::Pod> Storage<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len * size_of::<T>() >= MANY
            && let Ok(pages) = Pages::zeros(len * size_of::<T>())
        {
            return Self::Pages(pages);
        }
        Self::Heap(AVec::__from_elem(LINE, T::zeroed(), len))
    }
}

impl<T: bytemuck::Pod> Deref for Storage<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Heap(elements) => elements,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => bytemuck::cast_slice(pages),
            Self::Shared(elements) => elements,
            Self::Lent(elements) => elements,
        }
    }
}

impl<T: bytemuck::Pod> DerefMut for Storage<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Heap(elements) => elements,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => bytemuck::cast_slice_mut(pages),
            Self::Shared(_) => unreachable!("borrowed patterns are only read"),
            Self::Lent(elements) => elements,
        }
    }
}

/// Bytes for which huge pages are requested, out of `bytes`. All, rounded up to a whole huge page,
/// if that adds at most half as much memory; otherwise only what fills whole huge pages.
#[cfg(target_os = "linux")]
fn on_huge_pages(bytes: usize) -> usize {
    let all = bytes.next_multiple_of(HUGE);
    if all - bytes <= bytes / 2 { all } else { bytes / HUGE * HUGE }
}

/// A mapping whose bytes begin at a huge-page boundary.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Pages {
    map: memmap2::MmapMut,
    bytes: std::ops::Range<usize>,
}

#[cfg(target_os = "linux")]
impl Pages {
    fn zeros(bytes: usize) -> std::io::Result<Self> {
        // One huge page more than the bytes fill, because a map may begin at any page. Pages that
        // are never touched take no memory.
        let room = bytes.checked_next_multiple_of(HUGE).and_then(|room| room.checked_add(HUGE));
        let map = memmap2::MmapMut::map_anon(room.ok_or(std::io::ErrorKind::OutOfMemory)?)?;
        let start = map.as_ptr().addr().next_multiple_of(HUGE) - map.as_ptr().addr();
        // This is only advice, and an error is harmless. Miri does not support it.
        if !cfg!(miri) {
            let _ = map.advise_range(memmap2::Advice::HugePage, start, on_huge_pages(bytes));
        }
        Ok(Self { map, bytes: start..start + bytes })
    }
}

#[cfg(target_os = "linux")]
impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[self.bytes.clone()]
    }
}

#[cfg(target_os = "linux")]
impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.bytes.clone()]
    }
}

/// Elements that the caller owns.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    start: *const T,
    len: usize,
}

// SAFETY: the elements are only read, as through a `&[T]`, which may be sent and shared if `T` may
// be shared.
unsafe impl<T: Sync> Send for Shared<T> {}
// SAFETY: a shared value only reads the elements, as a shared `&[T]` does.
unsafe impl<T: Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    /// - `elements` outlives every use of the value that is returned.
    pub unsafe fn new(elements: &[T]) -> Self {
        Self { start: elements.as_ptr(), len: elements.len() }
    }
}

impl<T> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the elements were a slice, which outlives this by the precondition of `new`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

/// Elements that the caller owns and lends to this value exclusively.
#[derive(Debug)]
pub(crate) struct Lent<T> {
    start: *mut T,
    len: usize,
}

// SAFETY: the elements are used as through a `&mut [T]`, which may be sent if `T` may be sent.
unsafe impl<T: Send> Send for Lent<T> {}
// SAFETY: a shared value only reads the elements, as a shared `&mut [T]` does.
unsafe impl<T: Sync> Sync for Lent<T> {}

impl<T> Lent<T> {
    /// # Safety
    /// - `elements` outlives every use of the value that is returned.
    /// - Nothing else uses `elements` meanwhile.
    pub unsafe fn new(elements: &mut [T]) -> Self {
        Self { start: elements.as_mut_ptr(), len: elements.len() }
    }
}

impl<T> Deref for Lent<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the elements were a slice, which outlives this and which nothing else uses, by
        // the preconditions of `new`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl<T> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: the elements were a slice, which outlives this and which nothing else uses, by
        // the preconditions of `new`; `self` is borrowed mutably for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl<T: Clone> Clone for Storage<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Heap(elements) => Self::Heap(elements.clone()),
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => {
                let copy = Pages::zeros(pages.len());
                let mut copy = copy.expect("there is memory for as many patterns again");
                copy.copy_from_slice(pages);
                Self::Pages(copy)
            }
            // A copy is nobody else's.
            Self::Shared(elements) => Self::Heap(AVec::from_slice(LINE, elements)),
            Self::Lent(elements) => Self::Heap(AVec::from_slice(LINE, elements)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn huge_pages_take_at_most_half_as_much_memory_again() {
        for bytes in (MANY..20 * HUGE).step_by(4096) {
            let huge = on_huge_pages(bytes);
            assert!(huge.is_multiple_of(HUGE) && huge <= bytes + bytes / 2, "{bytes}");
            assert!(huge + HUGE > bytes, "{bytes}: whole huge pages are always used");
        }
        assert_eq!(on_huge_pages(1 << 20), 0);
        assert_eq!(on_huge_pages(3 << 20), 4 << 20);
        assert_eq!(on_huge_pages(9 << 20), 10 << 20);
    }

    #[test]
    fn few_and_many_elements_are_zeros_on_cache_lines() {
        for len in [1, 1000, 262_143, 262_144, 5_000_000] {
            let mut storage = Storage::<f32>::zeros(len);
            assert_eq!(storage.len(), len);
            assert!(storage.iter().all(|x| *x == 0.0));
            assert!(storage.as_ptr().addr().is_multiple_of(LINE));
            #[cfg(target_os = "linux")]
            assert!(4 * len < MANY || storage.as_ptr().addr().is_multiple_of(HUGE));
            storage[len - 1] = 1.0;
            assert_eq!(storage.clone()[..], storage[..]);
        }
    }
}
