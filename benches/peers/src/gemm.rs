//! C = A B and C += A B, by three libraries.

use faer::linalg::matmul::matmul;
use faer::{Accum, Par};

use crate::Scalar;

/// A library of matrix products.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Library {
    /// On one thread.
    MatrixMultiply,
    Gemm {
        threads: usize,
    },
    Faer {
        threads: usize,
    },
}

/// A matrix of contiguous rows, or the transpose of one.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, T> {
    slice: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
}

impl<'a, T: Scalar> Operand<'a, T> {
    pub fn new(slice: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(slice.len(), rows * cols, "a matrix of {rows} x {cols}");
        Self { slice, rows, cols, row_stride: cols as isize, col_stride: 1 }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        let Self { slice, rows, cols, row_stride, col_stride } = self;
        Self { slice, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    fn faer(self) -> faer::MatRef<'a, T> {
        if self.col_stride == 1 {
            faer::MatRef::from_row_major_slice(self.slice, self.rows, self.cols)
        } else {
            faer::MatRef::from_column_major_slice(self.slice, self.rows, self.cols)
        }
    }
}

impl Library {
    /// C = A B, or C += A B; C is row-major.
    pub fn multiply<T: Scalar>(
        self,
        c: &mut [T],
        accumulate: bool,
        a: Operand<'_, T>,
        b: Operand<'_, T>,
    ) {
        let (m, k, n) = (a.rows, a.cols, b.cols);
        assert_eq!((b.rows, c.len()), (k, m * n), "a product of {m} x {k} with {k} x {n}");
        let stride = n as isize;
        match self {
            Self::MatrixMultiply => {
                let beta = if accumulate { T::ONE } else { T::ZERO };
                let ((a_ptr, rsa, csa), (b_ptr, rsb, csb)) = (raw(a), raw(b));
                // SAFETY: `Operand::new` has matched slices and shapes, the assertion above C's;
                // `c` is exclusive.
                unsafe {
                    (T::MATRIXMULTIPLY)(
                        m,
                        k,
                        n,
                        T::ONE,
                        a_ptr,
                        rsa,
                        csa,
                        b_ptr,
                        rsb,
                        csb,
                        beta,
                        c.as_mut_ptr(),
                        stride,
                        1,
                    );
                }
            }
            Self::Gemm { threads } => {
                let parallelism = match threads {
                    1 => gemm::Parallelism::None,
                    _ => gemm::Parallelism::Rayon(threads),
                };
                let ((a_ptr, rsa, csa), (b_ptr, rsb, csb)) = (raw(a), raw(b));
                // SAFETY: `Operand::new` has matched slices and shapes, the assertion above C's;
                // `c` is exclusive.
                unsafe {
                    gemm::gemm(
                        m,
                        n,
                        k,
                        c.as_mut_ptr(),
                        1,
                        stride,
                        accumulate,
                        a_ptr,
                        csa,
                        rsa,
                        b_ptr,
                        csb,
                        rsb,
                        T::ONE,
                        T::ONE,
                        false,
                        false,
                        false,
                        parallelism,
                    );
                }
            }
            Self::Faer { threads } => {
                let accum = if accumulate { Accum::Add } else { Accum::Replace };
                let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
                let c = faer::MatMut::from_row_major_slice_mut(c, m, n);
                matmul(c, accum, a.faer(), b.faer(), T::ONE, par);
            }
        }
    }
}

/// The first element, and the strides of rows and columns.
fn raw<T>(operand: Operand<'_, T>) -> (*const T, isize, isize) {
    (operand.slice.as_ptr(), operand.row_stride, operand.col_stride)
}
