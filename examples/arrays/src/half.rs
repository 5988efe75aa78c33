//! 16-bit floats, which `ndarray-npy` does not read.

use std::fmt::{self, Display};
use std::io::Read;

use half::f16;
use ndarray_npy::{ReadDataError, ReadableElement};
use py_literal::Value as Descriptor;

/// A 16-bit float.
#[derive(Clone, Copy)]
pub struct Half(pub f16);

impl Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ReadableElement for Half {
    fn read_to_end_exact_vec<R: Read>(
        mut reader: R,
        descriptor: &Descriptor,
        len: usize,
    ) -> Result<Vec<Self>, ReadDataError> {
        let from: fn([u8; 2]) -> f16 = match descriptor {
            Descriptor::String(name) if name == "<f2" => f16::from_le_bytes,
            Descriptor::String(name) if name == ">f2" => f16::from_be_bytes,
            other => return Err(ReadDataError::WrongDescriptor(other.clone())),
        };
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        let (pairs, _) = bytes.as_chunks();
        match bytes.len().checked_sub(2 * len) {
            None => Err(ReadDataError::MissingData),
            Some(0) => Ok(pairs.iter().map(|&pair| Self(from(pair))).collect()),
            Some(more) => Err(ReadDataError::ExtraBytes(more)),
        }
    }
}
