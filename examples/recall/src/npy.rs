//! Matrices from `.npy` files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use example_arrays::Source;
use ndarray::{Array, Array2, Dimension};
use ndarray_npy::{ReadNpyError, ReadNpyExt, ReadableElement};

use crate::Result;

/// A matrix of either type.
pub enum Matrix {
    Single(Array2<f32>),
    Double(Array2<f64>),
}

impl Matrix {
    /// Reads a matrix of numbers: in single precision where that holds every number of the file's
    /// type, in double precision where it does not. (Integers of 64 bits that double precision does
    /// not hold are refused.)
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        check_size(path).map_err(|e| wrong(&e))?;
        let mut file = Npy(path);
        let single = match file.read::<f32, ndarray::Ix2>() {
            Err(ReadNpyError::WrongDescriptor(found)) => example_arrays::is_within_float32(&found),
            _ => true,
        };
        Ok(match single {
            true => {
                Self::Single(row_major(example_arrays::read(&mut file).map_err(|e| wrong(&e))?))
            }
            false => {
                Self::Double(row_major(example_arrays::read(&mut file).map_err(|e| wrong(&e))?))
            }
        })
    }

    /// In double precision.
    pub fn into_double(self) -> Array2<f64> {
        match self {
            Self::Single(single) => single.mapv(f64::from),
            Self::Double(double) => double,
        }
    }
}

/// A file that holds one array.
struct Npy<'a>(&'a Path);

impl Source for Npy<'_> {
    fn read<A: ReadableElement, D: Dimension>(
        &mut self,
    ) -> std::result::Result<Array<A, D>, ReadNpyError> {
        let file = File::open(self.0).map_err(ReadNpyError::Io)?;
        Array::<A, D>::read_npy(BufReader::new(file))
    }
}

fn row_major<T: Clone>(array: Array2<T>) -> Array2<T> {
    array.as_standard_layout().into_owned()
}

/// Bytes in which the header of a matrix ends.
const HEADER: u64 = 4096;

/// Refuses a file whose header announces more elements than the file has bytes: room for them would
/// be made before they turn out to be missing, and that may be more than there is.
fn check_size(path: &Path) -> Result<()> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut start = Vec::new();
    file.by_ref().take(HEADER).read_to_end(&mut start)?;
    let header = String::from_utf8_lossy(&start);
    let shape = header.split_once("shape").and_then(|(_, rest)| rest.split_once('('));
    let Some((shape, _)) = shape.and_then(|(_, rest)| rest.split_once(')')) else {
        return Err("is not a .npy file".into());
    };
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    let elements = sides
        .map(|side| side.parse::<u64>().ok())
        .try_fold(1_u64, |product, side| product.checked_mul(side?));
    match elements {
        Some(elements) if elements <= size => Ok(()),
        _ => {
            Err(format!("expected an array of shape ({shape}), got a file of {size} bytes").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `.npy` of the numbers 0, 1 and 1 and a row more of zeros, of a NumPy type.
    fn file(kind: &str, numbers: &[u8]) -> tempfile::NamedTempFile {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (2, 3), }}\n");
        let length = (header.len() as u16).to_le_bytes();
        let zeros = vec![0; numbers.len()];
        let bytes =
            [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), numbers, &zeros].concat();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("room for it");
        file
    }

    /// 0, 1 and 1.
    fn numbers(one: &[u8]) -> Vec<u8> {
        [&vec![0; one.len()][..], one, one].concat()
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        for (kind, one, single) in [
            ("|b1", &[1][..], true),
            ("|i1", &[1], true),
            ("|u1", &[1], true),
            ("<i2", &1_i16.to_le_bytes(), true),
            (">i2", &1_i16.to_be_bytes(), true),
            ("<u2", &1_u16.to_le_bytes(), true),
            ("<f2", &0x3c00_u16.to_le_bytes(), true),
            ("<f4", &1_f32.to_le_bytes(), true),
            ("<i4", &1_i32.to_le_bytes(), false),
            ("<u4", &1_u32.to_le_bytes(), false),
            ("<i8", &1_i64.to_le_bytes(), false),
            ("<u8", &1_u64.to_le_bytes(), false),
            (">f8", &1_f64.to_be_bytes(), false),
        ] {
            let file = file(kind, &numbers(one));
            let matrix = Matrix::read(file.path()).unwrap_or_else(|e| panic!("{kind}: {e}"));
            assert_eq!(matches!(matrix, Matrix::Single(_)), single, "{kind}");
            let found = matrix.into_double();
            assert_eq!(found, ndarray::array![[0.0, 1.0, 1.0], [0.0; 3]], "{kind}");
        }
    }

    #[test]
    fn what_does_not_fit_and_what_is_no_number_is_said() {
        let large = (1_i64 << 53) + 1;
        let refused = Matrix::read(file("<i8", &numbers(&large.to_le_bytes())).path());
        let message = refused.err().expect("more than double precision holds").to_string();
        assert!(message.contains("got int64 9007199254740993"), "{message}");
        let refused = Matrix::read(file("<U1", &numbers(&[1, 0, 0, 0])).path());
        let message = refused.err().expect("text").to_string();
        assert!(message.contains("got '<U1'"), "{message}");
    }
}
