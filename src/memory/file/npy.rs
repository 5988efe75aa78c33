//! `.npy`: one array, with a header that is a Python literal.

use std::io::Write;

use py_literal::Value;

use super::Place;
use crate::memory::rows::Encoding;
use crate::npy_header::{HEADER, header, is_plain};
use crate::simd::Element;

/// What every `.npy` begins with.
pub(super) use crate::npy_header::MAGIC;

/// The patterns of a file, or what is wrong with it.
pub(super) fn patterns<T: Element>(bytes: &[u8]) -> Result<Place, String> {
    let start = &bytes[..bytes.len().min(HEADER)];
    let (text, data) = header(start)?.ok_or("expected a whole header of version 1 to 3")?;
    let unusual = || "expected a header as NumPy writes it".to_string();
    if !is_plain(&text) {
        return Err(unusual());
    }
    let Ok(Value::Dict(entries)) = text.trim_end().parse::<Value>() else { return Err(unusual()) };
    let entry = |name: &str| {
        let found = entries.iter().find(|(key, _)| key.as_string().is_some_and(|key| key == name));
        found.map(|(_, value)| value).ok_or_else(|| format!("expected an entry {name:?}, got none"))
    };
    let expected = format!("{:?} or \"<f2\"", descriptor::<T>(Encoding::Element));
    let encoding = match entry("descr")? {
        Value::String(name) if name == descriptor::<T>(Encoding::Element) => Encoding::Element,
        Value::String(name) if name == "<f2" => Encoding::F16,
        other => return Err(format!("expected dtype {expected}, got {other}")),
    };
    match entry("fortran_order")? {
        Value::Boolean(false) => {}
        Value::Boolean(true) => {
            return Err("expected rows in C order, got an array in Fortran order".into());
        }
        other => return Err(format!("fortran_order: expected False, got {other}")),
    }
    let Value::Tuple(sides) = entry("shape")? else { return Err(unusual()) };
    let side = |side: &Value| match side {
        Value::Integer(side) => side
            .to_string()
            .parse()
            .map_err(|_| format!("shape: expected sides that fit into memory, got {side}")),
        other => Err(format!("shape: expected integers, got {other}")),
    };
    let shape = sides.iter().map(side).collect::<Result<Vec<usize>, _>>()?;
    Place::new::<T>("array", encoding, &shape, data..bytes.len())
}

/// NumPy's name of the numbers.
fn descriptor<T: Element>(encoding: Encoding) -> &'static str {
    match (encoding, size_of::<T>()) {
        (Encoding::Element, 4) => "<f4",
        (Encoding::Element, _) => "<f8",
        (Encoding::F16, _) => "<f2",
        // There is no name that NumPy by itself knows.
        (Encoding::Bf16, _) => "",
    }
}

/// Writes the header of N x D numbers, after which they begin on a cache line.
pub(super) fn write_header<T: Element>(
    to: &mut impl Write,
    encoding: Encoding,
    (rows, cols): (usize, usize),
) -> std::io::Result<()> {
    let descriptor = descriptor::<T>(encoding);
    let text =
        format!("{{'descr': '{descriptor}', 'fortran_order': False, 'shape': ({rows}, {cols}), }}");
    // Magic, version and length take 10 bytes, and the header ends in a new line.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    to.write_all(MAGIC)?;
    to.write_all(&[1, 0])?;
    to.write_all(&(length as u16).to_le_bytes())?;
    writeln!(to, "{text:<width$}", width = length - 1)
}
