//! safetensors: named arrays, with a header that is JSON.

use std::io::Write;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, SafeTensors, TensorInfo};

use super::{Layout, Place};
use crate::memory::rows::Encoding;
use crate::simd::Element;

/// Bytes before the header: its length.
const LENGTH: usize = 8;

/// Patterns and values of a file, or what is wrong with it.
pub(super) fn layout<T: Element>(bytes: &[u8]) -> Result<Layout, String> {
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| {
        format!("expected an .npy array or a whole safetensors file, got {error}")
    })?;
    let start = LENGTH + header;
    let place = |name: &str, info: &TensorInfo| {
        let encoding = encoding::<T>(name, info.dtype)?;
        let (from, to) = info.data_offsets;
        Place::new::<T>(name, encoding, &info.shape, start + from..start + to)
    };
    let Some(info) = metadata.info("patterns") else {
        let names = metadata.offset_keys().join(", ");
        return Err(format!("expected a tensor \"patterns\", got [{names}]"));
    };
    let patterns = place("patterns", info)?;
    let values = metadata.info("values").map(|info| place("values", info)).transpose()?;
    if let Some(values) = &values {
        let (found, expected) = (values.shape.0, patterns.shape.0);
        if found != expected {
            return Err(format!(
                "values: expected a row for each of {expected} patterns, got {found}"
            ));
        }
        if values.encoding != Encoding::Element {
            let expected = dtype::<T>(Encoding::Element);
            return Err(format!("values: expected type {expected:?}, got sixteen bits"));
        }
        if !values.bytes.start.is_multiple_of(size_of::<T>()) {
            return Err(format!(
                "values: expected them to begin at a multiple of {} bytes, got byte {}",
                size_of::<T>(),
                values.bytes.start
            ));
        }
    }
    Ok(Layout { patterns, values })
}

fn encoding<T: Element>(name: &str, found: Dtype) -> Result<Encoding, String> {
    let all = [Encoding::Element, Encoding::Bf16, Encoding::F16];
    let known = all.into_iter().find(|encoding| dtype::<T>(*encoding) == found);
    known.ok_or_else(|| {
        let expected = dtype::<T>(Encoding::Element);
        format!("{name}: expected type {expected:?}, F16 or BF16, got {found:?}")
    })
}

fn dtype<T: Element>(encoding: Encoding) -> Dtype {
    match (encoding, size_of::<T>()) {
        (Encoding::Element, 4) => Dtype::F32,
        (Encoding::Element, _) => Dtype::F64,
        (Encoding::Bf16, _) => Dtype::BF16,
        (Encoding::F16, _) => Dtype::F16,
    }
}

/// A tensor that is to be written.
pub(super) struct Tensor {
    pub name: &'static str,
    pub encoding: Encoding,
    pub shape: (usize, usize),
}

/// Writes the header of some tensors, which follow in this order and begin on a cache line. The
/// widest numbers come first, so that all of them are aligned.
pub(super) fn write_header<T: Element>(
    to: &mut impl Write,
    tensors: &[Tensor],
) -> Result<(), String> {
    let mut from = 0;
    let mut infos = Vec::new();
    for &Tensor { name, encoding, shape } in tensors {
        let end = from + shape.0 * shape.1 * encoding.size::<T>();
        let shape = vec![shape.0, shape.1];
        let info = TensorInfo { dtype: dtype::<T>(encoding), shape, data_offsets: (from, end) };
        infos.push((name.to_string(), info));
        from = end;
    }
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let metadata = Metadata::new(None, infos).map_err(|error| text(&error))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| text(&error))?;
    header.resize((LENGTH + header.len()).next_multiple_of(64) - LENGTH, b' ');
    to.write_all(&(header.len() as u64).to_le_bytes()).map_err(|error| text(&error))?;
    to.write_all(&header).map_err(|error| text(&error))
}
