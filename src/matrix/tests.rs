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
        Err(Error::Slice { needed: usize::MAX, .. })
    ));
    assert!(MatRef::new(&numbers, 0, 100).is_ok(), "no rows need no elements");
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
    for refused in [array.t(), array.slice(s![..;-1, ..]), array.slice(s![.., ..;2])] {
        assert!(matches!(MatRef::try_from(refused), Err(Error::Stride { operand: "array", .. })));
    }
}
