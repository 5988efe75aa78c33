//! Matrices from `.npy` files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ndarray::Array2;
use ndarray_npy::{ReadNpyError, ReadableElement, read_npy};

use crate::Result;

/// A matrix of either type.
pub enum Matrix {
    Single(Array2<f32>),
    Double(Array2<f64>),
}

impl Matrix {
    /// Reads a matrix of float32, float64 or uint8.
    pub fn read(path: &Path) -> Result<Self> {
        check_size(path).map_err(|e| format!("{}: {e}", path.display()))?;
        if let Some(single) = read_as(path)? {
            Ok(Self::Single(single))
        } else if let Some(double) = read_as(path)? {
            Ok(Self::Double(double))
        } else if let Some(bytes) = read_as::<u8>(path)? {
            Ok(Self::Single(bytes.mapv(f32::from)))
        } else {
            Err(format!("{}: expected float32, float64 or uint8", path.display()).into())
        }
    }

    /// In double precision.
    pub fn into_double(self) -> Array2<f64> {
        match self {
            Self::Single(single) => single.mapv(f64::from),
            Self::Double(double) => double,
        }
    }
}

/// Reads a matrix of `T`, row-major; `None` if it is one of something else.
fn read_as<T: ReadableElement + Clone>(path: &Path) -> Result<Option<Array2<T>>> {
    match read_npy::<_, Array2<T>>(path) {
        Ok(array) => Ok(Some(array.as_standard_layout().into_owned())),
        Err(ReadNpyError::WrongDescriptor(_)) => Ok(None),
        Err(ReadNpyError::WrongNdim(_, found)) => {
            Err(format!("{}: expected 2 dimensions, got {found}", path.display()).into())
        }
        Err(e) => {
            // A header's syntax error goes on to draw where it is.
            let text = e.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.split("  -->").next().unwrap_or_default().trim_end_matches(':');
            Err(format!("{}: {line}", path.display()).into())
        }
    }
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
