//! The transpose of a matrix, by tiles that fill whole cache lines of both.

use super::{MatMut, MatRef};

/// Rows and columns of a tile.
const TILE: usize = 16;

/// Writes the rows of one matrix as the first columns of another.
///
/// # Panics
/// If the other has not a row for each column, or too few columns.
pub(crate) fn transpose<T: Copy + Default>(from: MatRef<'_, T>, to: &mut MatMut<'_, T>) {
    assert!(from.cols() == to.rows() && from.rows() <= to.cols());
    for row in (0..from.rows()).step_by(TILE) {
        for col in (0..from.cols()).step_by(TILE) {
            tile(from, to, row, col);
        }
    }
}

/// The tile that begins at a row and a column of `from`.
fn tile<T: Copy + Default>(from: MatRef<'_, T>, to: &mut MatMut<'_, T>, row: usize, col: usize) {
    let (rows, cols) = (TILE.min(from.rows() - row), TILE.min(from.cols() - col));
    let mut turned = [[T::default(); TILE]; TILE];
    for at in 0..rows {
        let elements = &from.row(row + at)[col..col + cols];
        match elements.first_chunk::<TILE>() {
            Some(whole) => (0..TILE).for_each(|to| turned[to][at] = whole[to]),
            None => elements.iter().zip(&mut turned).for_each(|(&x, to)| to[at] = x),
        }
    }
    for (at, turned) in turned[..cols].iter().enumerate() {
        to.row_mut(col + at)[row..row + rows].copy_from_slice(&turned[..rows]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_finds_its_place() {
        for (rows, cols) in [(1, 1), (15, 17), (16, 16), (1, 40), (33, 50), (47, 2)] {
            let elements: Vec<u32> = (0..(rows * cols) as u32).collect();
            let mut turned = vec![0; rows * cols];
            let from = MatRef::new(&elements, rows, cols).unwrap();
            transpose(from, &mut MatMut::new(&mut turned, cols, rows).unwrap());
            for row in 0..rows {
                for col in 0..cols {
                    assert_eq!(turned[col * rows + row], elements[row * cols + col]);
                }
            }
        }
    }
}
