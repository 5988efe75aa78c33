//! `f32` and `f64`, as all of the libraries know them.

use hopfield_kernels::Element;

use crate::Dtype;

/// A general matrix product over raw pointers: m, k, n, α, A, B, β, C, every matrix with its row
/// and column strides.
pub(crate) type RawGemm<T> = unsafe fn(
    usize,
    usize,
    usize,
    T,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    *mut T,
    isize,
    isize,
);

/// A type that every peer computes with.
pub trait Scalar: Element + faer::traits::ComplexField + ndarray_npy::ReadableElement {
    /// Its name.
    const DTYPE: Dtype;
    /// Relative difference that results may have: the sums have different orders.
    const TOLERANCE: f64;
    #[doc(hidden)]
    const MATRIXMULTIPLY: RawGemm<Self>;
}

impl Scalar for f32 {
    const DTYPE: Dtype = Dtype::F32;
    const TOLERANCE: f64 = 1e-3;
    const MATRIXMULTIPLY: RawGemm<Self> = matrixmultiply::sgemm;
}

impl Scalar for f64 {
    const DTYPE: Dtype = Dtype::F64;
    const TOLERANCE: f64 = 1e-10;
    const MATRIXMULTIPLY: RawGemm<Self> = matrixmultiply::dgemm;
}
