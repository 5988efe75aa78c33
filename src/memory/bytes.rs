//! Bytes of rows that are not padded: the caller's, or those of a file.

use std::ops::Deref;
#[cfg(feature = "files")]
use std::{ops::Range, sync::Arc};

use crate::memory::layout::{Aligned, LINE};
use crate::memory::storage::Lent;

/// Bytes that the caller owns, or those of a file.
#[derive(Debug)]
pub(crate) enum Bytes {
    Borrowed(Foreign),
    /// The caller's as well, who has lent them to be written to.
    Lent(Lent<u8>),
    /// A copy of the caller's.
    Owned(Aligned<u8>),
    /// A part of a mapped file.
    #[cfg(feature = "files")]
    Mapped(Arc<memmap2::Mmap>, Range<usize>),
}

impl Bytes {
    pub fn is_owned(&self) -> bool {
        matches!(self, Self::Owned(_))
    }

    /// What they are, in an error.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Borrowed(_) => "borrowed patterns, which are only read",
            Self::Lent(_) => "borrowed patterns, whose elements alone may change",
            Self::Owned(_) => "patterns of its own",
            #[cfg(feature = "files")]
            Self::Mapped(..) => "patterns of a file, which are only read",
        }
    }
}

impl Clone for Bytes {
    /// Maps are shared; the caller's bytes are copied.
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(bytes) => Self::Owned(Aligned::from_slice(LINE, bytes)),
            Self::Lent(bytes) => Self::Owned(Aligned::from_slice(LINE, bytes)),
            Self::Owned(bytes) => Self::Owned(bytes.clone()),
            #[cfg(feature = "files")]
            Self::Mapped(map, range) => Self::Mapped(map.clone(), range.clone()),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Lent(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            #[cfg(feature = "files")]
            Self::Mapped(map, range) => &map[range.clone()],
        }
    }
}

/// Bytes that the caller owns.
#[derive(Debug)]
pub(crate) struct Foreign {
    start: *const u8,
    len: usize,
}

// SAFETY: the bytes are only read, as through a `&[u8]`, which may be sent and shared.
unsafe impl Send for Foreign {}
// SAFETY: a shared `Foreign` only reads the bytes, as a shared `&[u8]` does.
unsafe impl Sync for Foreign {}

impl Foreign {
    /// # Safety
    /// - `bytes` outlives every use of the value that is returned.
    pub unsafe fn new(bytes: &[u8]) -> Self {
        Self { start: bytes.as_ptr(), len: bytes.len() }
    }
}

impl Deref for Foreign {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes were a slice, which outlives this by the precondition of `new`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}
