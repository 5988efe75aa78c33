//! Strides, checks and halves.

use super::*;

#[test]
fn rows_are_where_the_stride_puts_them() {
    let numbers: Vec<u32> = (0..11).collect();
    let matrix = MatRef::with_stride(&numbers, 3, 3, 4).unwrap();
    assert_eq!(matrix.iter().collect::<Vec<_>>(), [[0, 1, 2], [4, 5, 6], [8, 9, 10]]);
    assert_eq!(matrix.subrows(1..3).row(0), [4, 5, 6]);
    assert_eq!(matrix.subrows(3..3).rows(), 0);
}

#[test]
fn overlapping_rows_and_short_slices_are_refused() {
    let mut numbers = [0; 12];
    assert!(matches!(
        MatMut::with_stride(&mut numbers, 3, 4, 3),
        Err(Error::Stride { operand: "matrix", found: 3, .. })
    ));
    assert!(matches!(
        MatRef::with_stride(&numbers, 4, 3, 4),
        Err(Error::Slice { needed: 15, found: 12, .. })
    ));
    assert!(matches!(
        MatRef::with_stride(&numbers, usize::MAX, 2, usize::MAX),
        Err(Error::Slice { needed, .. }) if needed > usize::MAX as u128
    ));
    assert!(MatRef::new(&numbers, 0, 100).is_ok(), "no rows need no elements");
}

/// The stride of a matrix without elements means nothing.
#[test]
fn matrices_without_elements_have_any_stride() {
    let mut nothing: [u8; 0] = [];
    for (rows, cols) in [(0, 0), (0, 3), (3, 0), (1, 0), (usize::MAX, 0), (0, usize::MAX)] {
        for stride in [0, 1, 2, 3, 1000, usize::MAX] {
            let matrix = MatRef::with_stride(&nothing, rows, cols, stride).unwrap();
            assert_eq!((matrix.rows(), matrix.cols()), (rows, cols));
            let none: [u8; 0] = [];
            assert!(rows == 0 || matrix.row(rows - 1) == none);
            assert_eq!(matrix.subrows(rows..rows).subcols(cols..cols).shape(), (0, 0));
            let mut matrix = MatMut::with_stride(&mut nothing, rows, cols, stride).unwrap();
            assert!(rows == 0 || matrix.row_mut(rows - 1).is_empty());
            assert_eq!(matrix.split_at_row(rows / 2).1.shape(), (rows - rows / 2, cols));
        }
    }
}

#[test]
fn a_row_can_be_read_more_than_once() {
    let rows = MatRef::with_stride(&[1, 2, 3], 4, 3, 0).unwrap();
    assert!(rows.iter().all(|row| row == [1, 2, 3]));
    assert_eq!(rows.subrows(2..4).row(1), [1, 2, 3]);
    // What is written is not shared.
    assert!(MatMut::with_stride(&mut [1, 2, 3], 4, 3, 0).is_err());
}

#[test]
fn halves_of_a_split_do_not_overlap() {
    let mut numbers = [0; 7];
    let matrix = MatMut::with_stride(&mut numbers, 3, 1, 3).unwrap();
    let (mut above, mut below) = matrix.split_at_row(1);
    above.row_mut(0)[0] = 1;
    below.row_mut(0)[0] = 2;
    below.row_mut(1)[0] = 3;
    assert_eq!(below.split_at_row(2).1.rows(), 0);
    assert_eq!(numbers, [1, 0, 0, 2, 0, 0, 3]);
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_of_rows_are_matrices() {
    use ndarray::{Array2, s};
    let mut array = Array2::from_shape_fn((4, 6), |(i, j)| 10 * i + j);
    let block = MatRef::try_from(array.slice(s![1.., 2..5])).unwrap();
    assert_eq!((block.rows(), block.cols(), block.stride()), (3, 3, 6));
    assert_eq!(block.row(2), [32, 33, 34]);
    assert_eq!(
        MatRef::try_from(array.slice(s![..;2, ..])).unwrap().row(1),
        [20, 21, 22, 23, 24, 25]
    );
    assert!(MatRef::try_from(array.slice(s![0..0, ..])).is_ok(), "no rows are rows");
    MatMut::try_from(array.slice_mut(s![.., 5..])).unwrap().row_mut(3)[0] = 7;
    assert_eq!(array[(3, 5)], 7);
    for refused in [array.t(), array.slice(s![.., ..;2]), array.slice(s![.., ..;-1])] {
        assert!(matches!(MatRef::try_from(refused), Err(Error::Stride { operand: "array", .. })));
    }
    let message = MatRef::try_from(array.t()).unwrap_err().to_string();
    assert!(message.contains("ndarray 0.17") && message.contains("got 6"), "{message}");
}

/// Rows that follow one another backwards, or are one and the same, are harmless to read.
#[cfg(feature = "ndarray")]
#[test]
fn arrays_of_reversed_and_repeated_rows_are_read_only() {
    use ndarray::{Array2, arr1, s};
    let mut array = Array2::from_shape_fn((4, 3), |(i, j)| 10 * i + j);
    let reversed = array.slice(s![..;-1, ..]);
    let matrix = MatRef::try_from(reversed).unwrap();
    assert_eq!((matrix.rows(), matrix.cols(), matrix.stride()), (4, 3, -3));
    assert_eq!(matrix.row(0), [30, 31, 32]);
    assert_eq!(matrix.row(3), [0, 1, 2]);
    assert_eq!(matrix.subrows(1..3).subcols(1..3).row(1), [11, 12]);
    assert_eq!(matrix.subrows(4..4).rows(), 0);
    let every_other = MatRef::try_from(array.slice(s![..;-2, 1..])).unwrap();
    assert_eq!(every_other.iter().collect::<Vec<_>>(), [[31, 32], [11, 12]]);
    let row = arr1(&[1, 2, 3]);
    let repeated = MatRef::try_from(row.broadcast((5, 3)).unwrap()).unwrap();
    assert!(repeated.iter().all(|row| row == [1, 2, 3]));
    assert!(MatMut::try_from(array.slice_mut(s![..;-1, ..])).is_err());
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_without_elements_are_matrices() {
    use ndarray::{Array2, Axis, ShapeBuilder};
    fn check(mut array: Array2<f32>) {
        let shape = array.dim();
        assert_eq!(MatRef::try_from(array.view()).unwrap().shape(), shape);
        assert_eq!(MatRef::try_from(array.t()).unwrap().shape(), (shape.1, shape.0));
        assert_eq!(MatMut::try_from(array.view_mut()).unwrap().shape(), shape);
    }
    for shape in [(0, 0), (0, 1), (0, 3), (3, 0), (1, 0)] {
        check(Array2::zeros(shape));
        check(Array2::zeros(shape.f()));
    }
    let array = Array2::<f32>::zeros((4, 3));
    check(array.select(Axis(0), &[]));
    check(array.select(Axis(1), &[]));
    check(array.slice(ndarray::s![2..2, ..]).to_owned());
    check(Array2::from_shape_vec((0, 3), Vec::new()).unwrap());
}
