//! A call's operands, results and attributes, checked.

use std::ffi::{CString, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use hopfield_kernels::{MatMut, MatRef};

use super::abi::{
    self, BUFFER, Buffer, ByteSpan, CallFrame, ErrorArguments, INVALID_ARGUMENT, METADATA,
    MetadataExtension, PRED, S32, S64, SCALAR, STRING, Scalar, Values,
};
use crate::places::Placed;

/// The type of elements in XLA.
pub trait Coded: Placed {
    const CODE: c_uint;
}

impl Coded for f32 {
    const CODE: c_uint = abi::F32;
}

impl Coded for f64 {
    const CODE: c_uint = abi::F64;
}

/// A call, whose structs have at least the sizes that this crate knows.
pub struct Frame<'a>(&'a CallFrame);

/// An array of a call.
#[derive(Clone, Copy)]
pub struct Array<'a> {
    name: &'static str,
    buffer: &'a Buffer,
}

/// Answers a call: with metadata where these are asked for, otherwise by `body`, whose message
/// becomes XLA's error.
///
/// # Safety
/// `frame` is the frame that XLA calls a handler with.
pub unsafe fn answer(
    frame: *mut CallFrame,
    body: impl FnOnce(Frame<'_>) -> Result<(), String>,
) -> *mut abi::Error {
    // SAFETY: the frame is one of XLA's, by the precondition, and so initialised and outlives the
    // call.
    let frame = unsafe { &*frame };
    // SAFETY: the frame is one of XLA's, by the precondition.
    if unsafe { tell_metadata(frame) } {
        return std::ptr::null_mut();
    }
    let checked = || {
        let parts = [
            (frame.struct_size, size_of::<CallFrame>()),
            (frame.operands.struct_size, size_of::<Values>()),
            (frame.results.struct_size, size_of::<Values>()),
            (frame.attributes.struct_size, size_of::<abi::Attributes>()),
        ];
        if parts.iter().any(|(found, expected)| found < expected) {
            return Err("XLA: expected version 0.1 of its interface or later".to_string());
        }
        body(Frame(frame))
    };
    let message = match catch_unwind(AssertUnwindSafe(checked)) {
        Ok(Ok(())) => return std::ptr::null_mut(),
        Ok(Err(message)) => message,
        Err(_) => "hopfield-kernels: a panic".to_string(),
    };
    let message = CString::new(message).unwrap_or_default();
    let mut arguments = ErrorArguments {
        struct_size: size_of::<ErrorArguments>(),
        extension: std::ptr::null_mut(),
        message: message.as_ptr(),
        code: INVALID_ARGUMENT,
    };
    // SAFETY: outside of metadata calls a frame has XLA's functions, of which this one copies the
    // message.
    unsafe { ((*frame.api).error_create)(&mut arguments) }
}

/// Whether the call asks for metadata, which are then told.
///
/// # Safety
/// The frame is one of XLA's.
unsafe fn tell_metadata(frame: &CallFrame) -> bool {
    let mut extension = frame.extension;
    while !extension.is_null() {
        // SAFETY: extensions are a list that ends with null.
        let found = unsafe { &*extension };
        if found.kind == METADATA {
            // SAFETY: an extension of this kind is of this type, and its metadata are to be
            // written.
            let metadata = unsafe { &mut *(*extension.cast::<MetadataExtension>()).metadata };
            // The oldest version that has all that is used here; later ones accept it.
            (metadata.api_version.major, metadata.api_version.minor) = (0, 1);
            metadata.traits = 0;
            return true;
        }
        extension = found.next;
    }
    false
}

impl<'a> Frame<'a> {
    /// An operand.
    pub fn operand(&self, index: usize, name: &'static str) -> Result<Array<'a>, String> {
        array(&self.0.operands, index, name)
    }

    /// A result.
    pub fn result(&self, index: usize, name: &'static str) -> Result<Array<'a>, String> {
        array(&self.0.results, index, name)
    }

    /// An attribute that is an int64.
    pub fn attribute(&self, name: &str) -> Result<i64, String> {
        let value = self.scalar(name, S64).ok_or_else(|| format!("{name}: expected an int64"))?;
        // SAFETY: the scalar's value is of the type that it says.
        Ok(unsafe { *value.cast::<i64>() })
    }

    /// An attribute that is a float64.
    pub fn real(&self, name: &str) -> Result<f64, String> {
        let found = self.scalar(name, abi::F64);
        let value = found.ok_or_else(|| format!("{name}: expected a float64"))?;
        // SAFETY: the scalar's value is of the type that it says.
        Ok(unsafe { *value.cast::<f64>() })
    }

    /// An attribute that is text.
    pub fn text(&self, name: &str) -> Result<&'a str, String> {
        let found = self.value(name, STRING).ok_or_else(|| format!("{name}: expected text"))?;
        // SAFETY: an attribute of this kind is a span, whose bytes live as long as the call.
        let bytes = unsafe {
            let span = &*found.cast::<ByteSpan>();
            std::slice::from_raw_parts(span.start.cast::<u8>(), span.len)
        };
        std::str::from_utf8(bytes).map_err(|_| format!("{name}: expected text"))
    }

    /// The value of an attribute that is a scalar of this type.
    fn scalar(&self, name: &str, dtype: c_uint) -> Option<*const c_void> {
        // SAFETY: an attribute of this kind is a scalar.
        let scalar = unsafe { &*self.value(name, SCALAR)?.cast::<Scalar>() };
        (scalar.dtype == dtype).then_some(scalar.value)
    }

    /// The attribute of this name, if it is of this kind.
    fn value(&self, name: &str, kind: c_uint) -> Option<*const c_void> {
        let attributes = &self.0.attributes;
        (0..attributes.size as usize).find_map(|index| {
            // SAFETY: there are `size` names, kinds and values, and names are spans of bytes.
            let (found, found_kind, value) = unsafe {
                let span = &**attributes.names.add(index);
                let bytes = std::slice::from_raw_parts(span.start.cast::<u8>(), span.len);
                (bytes, *attributes.types.add(index), *attributes.values.add(index))
            };
            (found == name.as_bytes() && found_kind == kind).then_some(value.cast_const())
        })
    }
}

fn array<'a>(values: &'a Values, index: usize, name: &'static str) -> Result<Array<'a>, String> {
    if index as i64 >= values.size {
        return Err(format!("{name}: expected more than {} arrays", values.size));
    }
    // SAFETY: there are `size` types, and `index` is below that.
    if unsafe { *values.types.add(index) } != BUFFER {
        return Err(format!("{name}: expected an array"));
    }
    // SAFETY: there are `size` values, and one of this kind is a buffer.
    let buffer = unsafe { &*(*values.values.add(index)).cast::<Buffer>() };
    if buffer.struct_size < size_of::<Buffer>() {
        return Err(format!("{name}: expected a larger struct of XLA"));
    }
    Ok(Array { name, buffer })
}

impl<'a> Array<'a> {
    /// The type of the elements.
    pub fn dtype(self) -> c_uint {
        self.buffer.dtype
    }

    /// The number of dimensions.
    pub fn rank(self) -> usize {
        self.buffer.rank as usize
    }

    /// All leading dimensions as one, and the last.
    pub fn shape(self) -> (usize, usize) {
        if self.buffer.rank == 0 {
            return (1, 1);
        }
        // SAFETY: a buffer has `rank` dimensions, here at least one.
        let dims = unsafe { std::slice::from_raw_parts(self.buffer.dims, self.rank()) };
        let (last, others) = dims.split_last().expect("the rank is not 0");
        (others.iter().product::<i64>() as usize, *last as usize)
    }

    /// The elements as rows.
    pub fn rows<T: Coded>(self) -> Result<MatRef<'a, T>, String> {
        self.expect(T::CODE, T::NAME)?;
        let (rows, cols) = self.shape();
        let elements: &[T] = match rows * cols {
            0 => &[],
            // SAFETY: XLA's buffers are dense, row-major and aligned, of the type that was checked,
            // and nothing writes to operands during the call.
            count => unsafe { std::slice::from_raw_parts(self.buffer.data.cast(), count) },
        };
        MatRef::new(elements, rows, cols).map_err(text)
    }

    /// The elements as rows that are written.
    pub fn rows_mut<T: Coded>(self) -> Result<MatMut<'a, T>, String> {
        let (rows, cols) = self.shape();
        MatMut::new(self.elements_mut()?, rows, cols).map_err(text)
    }

    /// The elements, to be written.
    pub fn elements_mut<T: Coded>(self) -> Result<&'a mut [T], String> {
        self.expect(T::CODE, T::NAME)?;
        let (rows, cols) = self.shape();
        Ok(match rows * cols {
            0 => &mut [],
            // SAFETY: as for operands; results belong to this call alone, which asks for each once,
            // and no bits of these types are invalid.
            count => unsafe { std::slice::from_raw_parts_mut(self.buffer.data.cast(), count) },
        })
    }

    /// The elements of a result that begins as a copy of an operand. Where XLA has given both the
    /// same memory, nothing is copied, and the operand may not be read any more.
    pub fn updated<T: Coded>(self, from: Array<'_>) -> Result<&'a mut [T], String> {
        from.expect(T::CODE, T::NAME)?;
        if from.shape() != self.shape() {
            let (name, (rows, cols)) = (self.name, from.shape());
            return Err(format!("{name}: expected shape {rows} x {cols}"));
        }
        if from.buffer.data != self.buffer.data {
            let to = self.rows_mut::<T>()?;
            copy(from.rows::<T>()?, to);
        }
        self.elements_mut()
    }

    /// One number.
    pub fn number<T: Coded>(self) -> Result<T, String> {
        match self.shape() {
            (1, 1) => Ok(self.rows::<T>()?.row(0)[0]),
            _ => Err(format!("{}: expected one number", self.name)),
        }
    }

    /// One int32.
    pub fn integer(self) -> Result<i32, String> {
        self.expect(S32, "int32")?;
        match self.shape() {
            // SAFETY: as for `rows`: one number of the type that was checked.
            (1, 1) => Ok(unsafe { *self.buffer.data.cast::<i32>() }),
            _ => Err(format!("{}: expected one number", self.name)),
        }
    }

    /// Writes one int32.
    pub fn set_integer(self, to: i32) -> Result<(), String> {
        self.integer()?;
        // SAFETY: it is one number of this type, as was checked, and results belong to this call.
        unsafe { *self.buffer.data.cast::<i32>() = to };
        Ok(())
    }

    /// The elements of a mask.
    pub fn mask(self) -> Result<Vec<bool>, String> {
        self.expect(PRED, "bool")?;
        let (rows, cols) = self.shape();
        if rows * cols == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: as for operands; elements of this type are bytes.
        let bytes =
            unsafe { std::slice::from_raw_parts(self.buffer.data.cast::<u8>(), rows * cols) };
        Ok(bytes.iter().map(|byte| *byte != 0).collect())
    }

    fn expect(self, code: c_uint, expected: &str) -> Result<(), String> {
        if self.buffer.dtype == code {
            return Ok(());
        }
        let (name, found) = (self.name, self.buffer.dtype);
        Err(format!("{name}: expected {expected}, got type {found} of XLA"))
    }
}

/// Copies rows into others of the same shape.
pub fn copy<T: Coded>(from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    from.iter().enumerate().for_each(|(index, row)| to.row_mut(index).copy_from_slice(row));
}

/// The crate's error, as the message that it becomes.
pub fn text(error: hopfield_kernels::Error) -> String {
    error.to_string()
}
