//! Rows of patterns or values, however they are stored, as padded rows of elements.
//!
//! Kernels take padded rows of `T`. Rows that are stored as such are read in place. Others are
//! *unpacked* into scratch: sixteen-bit numbers, and rows that are not whole vectors or begin at
//! any byte. This is the only place that knows the difference, but for the one-probe driver, which
//! widens sixteen-bit numbers as it loads them.

use std::ops::Range;

use half::{bf16, f16};

use crate::kernel::unpack::unpack_row;
use crate::matrix::MatRef;
use crate::memory::layout::{padded_cols, padded_stride};
use crate::simd::compiled::compiled;
use crate::simd::{Element, Kernel, Simd, Stored};

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As elements of the memory's type.
    Element,
    Bf16,
    F16,
}

impl Encoding {
    /// Bytes of a number.
    pub fn size<T: Element>(self) -> usize {
        match self {
            Self::Element => size_of::<T>(),
            Self::Bf16 | Self::F16 => 2,
        }
    }
}

/// Rows of numbers at any byte: `dim` numbers every `stride` bytes.
#[derive(Debug, Clone, Copy)]
pub struct ByteRows<'a> {
    /// From the first row to the end of the last one, or further.
    pub(super) bytes: &'a [u8],
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) stride: usize,
    pub(super) encoding: Encoding,
}

impl<'a> ByteRows<'a> {
    /// The bytes of row `n`.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline(always)]
    pub(super) fn row<T: Element>(&self, n: usize) -> &'a [u8] {
        &self.bytes[n * self.stride..][..self.dim * self.encoding.size::<T>()]
    }

    /// Copies the numbers of row `n`, widened.
    ///
    /// # Panics
    /// When there is no such row.
    pub(super) fn copy<T: Element>(&self, n: usize, to: &mut [T]) {
        fn widen<T: Element, E: Stored<T>>(bytes: &[u8], to: &mut [T]) {
            for (to, number) in to.iter_mut().zip(bytes.chunks_exact(size_of::<E>())) {
                *to = bytemuck::pod_read_unaligned::<E>(number).widen();
            }
        }
        let bytes = self.row::<T>(n);
        match self.encoding {
            Encoding::Element => widen::<T, T>(bytes, to),
            Encoding::Bf16 => widen::<T, bf16>(bytes, to),
            Encoding::F16 => widen::<T, f16>(bytes, to),
        }
    }

    /// The rows as a matrix of numbers, if they begin where such numbers may.
    pub(super) fn matrix<E: bytemuck::Pod>(&self) -> Option<MatRef<'a, E>> {
        let size = size_of::<E>();
        let numbers = bytemuck::try_cast_slice(&self.bytes[..self.bytes.len() / size * size]);
        let stride = self.stride / size;
        let matrix = |all| MatRef::with_stride(all, self.rows, self.dim, stride).ok();
        numbers.ok().filter(|_| self.stride.is_multiple_of(size)).and_then(matrix)
    }
}

/// Rows of patterns or values, for the drivers.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a, T> {
    /// Padded rows, read in place.
    Padded(MatRef<'a, T>),
    /// Numbers of sixteen bits, in whole vectors.
    Bf16(MatRef<'a, bf16>),
    F16(MatRef<'a, f16>),
    /// Elements where elements may be, in rows that are no whole vectors.
    Ragged(MatRef<'a, T>),
    /// Any others.
    Bytes(ByteRows<'a>),
}

impl<'a, T: Element> Rows<'a, T> {
    /// Numbers at any byte: read in place if they are whole vectors of a type and aligned.
    pub(super) fn of_bytes(rows: ByteRows<'a>) -> Self {
        let whole = padded_cols::<T>(rows.dim) == rows.dim;
        let in_place = match rows.encoding {
            Encoding::Element if whole => rows.matrix().map(Self::Padded),
            Encoding::Element => rows.matrix().map(Self::Ragged),
            Encoding::Bf16 => rows.matrix().map(Self::Bf16).filter(|_| whole),
            Encoding::F16 => rows.matrix().map(Self::F16).filter(|_| whole),
        };
        in_place.unwrap_or(Self::Bytes(rows))
    }

    /// Number of rows.
    #[inline(always)]
    pub fn rows(&self) -> usize {
        match self {
            Self::Padded(rows) => rows.rows(),
            Self::Bf16(rows) => rows.rows(),
            Self::F16(rows) => rows.rows(),
            Self::Ragged(rows) => rows.rows(),
            Self::Bytes(rows) => rows.rows,
        }
    }

    /// Columns of a padded row.
    #[inline(always)]
    pub fn cols(&self) -> usize {
        match self {
            Self::Padded(rows) => rows.cols(),
            Self::Bf16(rows) => rows.cols(),
            Self::F16(rows) => rows.cols(),
            Self::Ragged(rows) => padded_cols::<T>(rows.cols()),
            Self::Bytes(rows) => padded_cols::<T>(rows.dim),
        }
    }

    /// The rows of `range`.
    ///
    /// # Panics
    /// When the range ends beyond the last row or before it starts.
    #[inline(always)]
    pub fn subrows(self, range: Range<usize>) -> Self {
        match self {
            Self::Padded(rows) => Self::Padded(rows.subrows(range)),
            Self::Bf16(rows) => Self::Bf16(rows.subrows(range)),
            Self::F16(rows) => Self::F16(rows.subrows(range)),
            Self::Ragged(rows) => Self::Ragged(rows.subrows(range)),
            Self::Bytes(rows) => {
                assert!(range.start <= range.end && range.end <= rows.rows, "rows {range:?}");
                let start = if range.is_empty() { 0 } else { range.start * rows.stride };
                let bytes = &rows.bytes[start..];
                Self::Bytes(ByteRows { bytes, rows: range.len(), ..rows })
            }
        }
    }

    /// The rows, if they are padded rows of elements.
    #[inline(always)]
    pub fn padded(&self) -> Option<MatRef<'a, T>> {
        match self {
            Self::Padded(rows) => Some(*rows),
            _ => None,
        }
    }

    /// Elements of scratch for `count` rows that are unpacked; 0 if nothing is.
    pub fn scratch(&self, count: usize) -> usize {
        match self {
            Self::Padded(_) => 0,
            _ => count * padded_stride::<T>(self.cols()),
        }
    }

    /// Unpacks row `n` into a padded row.
    ///
    /// # Panics
    /// When there is no such row, or `to` is not as long as one.
    #[inline(always)]
    pub fn unpack<S: Simd<T>>(&self, simd: S, n: usize, to: &mut [T]) {
        match self {
            Self::Padded(rows) => to.copy_from_slice(rows.row(n)),
            // SAFETY: a row has as many numbers as it is long.
            Self::Bf16(rows) => unsafe {
                let row = rows.row(n);
                unpack_row(simd, row.as_ptr(), row.len(), to);
            },
            // SAFETY: a row has as many numbers as it is long.
            Self::F16(rows) => unsafe {
                let row = rows.row(n);
                unpack_row(simd, row.as_ptr(), row.len(), to);
            },
            // SAFETY: a row has as many numbers as it is long.
            Self::Ragged(rows) => unsafe {
                let row = rows.row(n);
                unpack_row(simd, row.as_ptr(), row.len(), to);
            },
            Self::Bytes(rows) => {
                let row = rows.row::<T>(n).as_ptr();
                // SAFETY: a row has the bytes of `dim` numbers of its encoding, by `row`.
                unsafe {
                    match rows.encoding {
                        Encoding::Element => unpack_row::<T, T, S>(simd, row.cast(), rows.dim, to),
                        Encoding::Bf16 => unpack_row::<T, bf16, S>(simd, row.cast(), rows.dim, to),
                        Encoding::F16 => unpack_row::<T, f16, S>(simd, row.cast(), rows.dim, to),
                    }
                }
            }
        }
    }

    /// All rows, padded: in place, or unpacked into scratch.
    ///
    /// # Panics
    /// When `scratch` is shorter than [`scratch`](Self::scratch) says.
    #[inline(always)]
    pub fn all<'s, S: Simd<T>>(self, simd: S, scratch: &'s mut [T]) -> MatRef<'s, T>
    where
        'a: 's,
    {
        if let Self::Padded(rows) = self {
            return rows;
        }
        let (count, cols) = (self.rows(), self.cols());
        let stride = padded_stride::<T>(cols);
        let rows = &mut scratch[..count * stride];
        simd.vectorize(
            #[inline(always)]
            || {
                for (n, to) in rows.chunks_exact_mut(stride).enumerate() {
                    self.unpack(simd, n, &mut to[..cols]);
                }
            },
        );
        MatRef::with_stride(rows, count, cols, stride).expect("scratch has room for these rows")
    }
}

/// Unpacks some rows, one after another, `stride` elements apart.
pub struct Unpack<'a, T> {
    pub rows: Rows<'a, T>,
    pub to: &'a mut [T],
    pub stride: usize,
}

impl<T: Element> Kernel<T> for Unpack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let cols = self.rows.cols();
        for n in 0..self.rows.rows() {
            self.rows.unpack(simd, n, &mut self.to[n * self.stride..][..cols]);
        }
    }
}

compiled! {
    /// Padded rows of any others.
    unpack(Unpack);
}
