//! Views of matrices, through any sequence of cuts, against a `Vec` of `Vec`s.

use hopfield_kernels::{MatMut, MatRef};

use crate::input::Input;

/// Which element of the slice is where: what a view has to show.
type Model = Vec<Vec<usize>>;

/// Compares views with the model.
pub fn views(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let length = input.between(0, 300);
    let size = |input: &mut Input<'_>, most| match input.seldom(16) {
        false => input.between(0, most),
        true => input.pick(&[usize::MAX, usize::MAX / 2, 1 << 33]),
    };
    let (rows, cols, stride) = (size(&mut input, 12), size(&mut input, 24), size(&mut input, 40));
    let mut numbers: Vec<usize> = (0..length).collect();
    // Without elements there is nothing that could lie outside, whatever the stride.
    let is_empty = rows == 0 || cols == 0;
    let needed = (rows.max(1) - 1).checked_mul(stride).and_then(|start| start.checked_add(cols));
    let lies_inside = is_empty || needed.is_some_and(|needed| needed <= length);
    let is_apart = is_empty || rows < 2 || stride >= cols;
    let (reads, writes) = (lies_inside && (is_apart || stride == 0), lies_inside && is_apart);
    assert_eq!(MatRef::with_stride(&numbers, rows, cols, stride).is_ok(), reads);
    assert_eq!(MatMut::with_stride(&mut numbers, rows, cols, stride).is_ok(), writes);
    // Rows without elements need no slice: as many as one likes, too many for the model.
    if !reads || rows > length + 1 {
        return;
    }
    let row = |row: usize| match cols {
        0 => Vec::new(),
        _ => (row * stride..row * stride + cols).collect(),
    };
    let model: Model = (0..rows).map(row).collect();
    read(MatRef::with_stride(&numbers, rows, cols, stride).unwrap(), &model, &mut input);
    if !writes {
        return;
    }
    let mut expected = numbers.clone();
    let matrix = MatMut::with_stride(&mut numbers, rows, cols, stride).unwrap();
    write(matrix, model, &mut input, &mut expected);
    assert_eq!(numbers, expected);
}

/// Rows and columns of rows and columns.
fn read(mut matrix: MatRef<'_, usize>, model: &Model, input: &mut Input<'_>) {
    let mut model = model.clone();
    let mut cols = matrix.cols();
    for _ in 0..6 {
        assert_eq!((matrix.rows(), matrix.cols()), (model.len(), cols));
        assert!(matrix.iter().eq(model.iter()));
        assert!((0..matrix.rows()).all(|row| matrix.row(row) == model[row]));
        let most = if input.flag() { model.len() } else { cols };
        let start = input.between(0, most);
        let end = input.between(start, most);
        if most == model.len() && input.flag() {
            matrix = matrix.subrows(start..end);
            model = model[start..end].to_vec();
        } else if end <= cols {
            matrix = matrix.subcols(start..end);
            model.iter_mut().for_each(|row| *row = row[start..end].to_vec());
            cols = end - start;
        }
    }
}

/// Halves of halves, each filled with numbers of its own.
fn write(
    mut matrix: MatMut<'_, usize>,
    model: Model,
    input: &mut Input<'_>,
    expected: &mut [usize],
) {
    assert_eq!(matrix.rows(), model.len());
    assert!(matrix.as_ref().iter().zip(&model).all(|(row, model)| row.len() == model.len()));
    let (rows, cols) = (matrix.rows(), matrix.cols());
    match if input.is_empty() { 0 } else { input.between(0, 3) } {
        1 => {
            let at = input.between(0, rows);
            let (above, below) = matrix.split_at_row(at);
            write(below, model[at..].to_vec(), input, expected);
            write(above, model[..at].to_vec(), input, expected);
        }
        2 => {
            let at = input.between(0, cols);
            let (left, right) = matrix.split_at_col(at);
            let part = |from: usize, to: usize| model.iter().map(move |row| row[from..to].to_vec());
            write(left, part(0, at).collect(), input, expected);
            write(right, part(at, cols).collect(), input, expected);
        }
        3 => {
            let start = input.between(0, rows);
            let end = input.between(start, rows);
            write(matrix.rows_mut(start..end), model[start..end].to_vec(), input, expected);
            write(matrix.reborrow(), model, input, expected);
        }
        _ => {
            let number = 1000 + input.between(0, 1000);
            for (row, model) in model.iter().enumerate() {
                matrix.row_mut(row).fill(number);
                model.iter().for_each(|&at| expected[at] = number);
            }
        }
    }
}
