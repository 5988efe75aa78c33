//! Arrays of whatever NumPy has numbers of, converted with care: a number that the wanted type does
//! not hold exactly is an error.

use std::fmt::{self, Display};
use std::io::Read;

use half::f16;
use ndarray::{Array, Dimension};
use ndarray_npy::{ReadDataError, ReadNpyError, ReadableElement};
use py_literal::Value as Descriptor;

/// An array that can be read more than once, as elements of one type or another.
pub trait Source {
    /// Reads it as elements of type `A`.
    fn read<A: ReadableElement, D: Dimension>(&mut self) -> Result<Array<A, D>, ReadNpyError>;
}

/// A number of any type.
#[derive(Clone, Copy)]
pub enum Number {
    Integer(i128),
    Float(f64),
}

/// A type that numbers are converted to.
pub trait Target: ReadableElement {
    /// NumPy's name of the type.
    const NAME: &'static str;

    /// The number, if this type holds it exactly.
    fn exactly(number: Number) -> Option<Self>;
}

macro_rules! integers {
    ($($t:ident: $name:literal),*) => {$(
        impl Target for $t {
            const NAME: &'static str = $name;

            fn exactly(number: Number) -> Option<Self> {
                match number {
                    Number::Integer(integer) => integer.try_into().ok(),
                    // All integers of these types are well within the range of an i128.
                    Number::Float(float) if float.fract() == 0.0 => (float as i128).try_into().ok(),
                    Number::Float(_) => None,
                }
            }
        }
    )*};
}

integers! { u8: "uint8", u32: "uint32", u64: "uint64" }

macro_rules! elements {
    ($($t:ident: $name:literal),*) => {$(
        impl Target for $t {
            const NAME: &'static str = $name;

            fn exactly(number: Number) -> Option<Self> {
                let float = match number {
                    Number::Integer(integer) => integer as $t,
                    Number::Float(float) => float as $t,
                };
                let same = match number {
                    Number::Integer(integer) => float as i128 == integer,
                    Number::Float(number) => f64::from(float) == number || number.is_nan(),
                };
                same.then_some(float)
            }
        }
    )*};
}

elements! { f32: "float32", f64: "float64" }

impl Target for bool {
    const NAME: &'static str = "bool";

    fn exactly(number: Number) -> Option<Self> {
        match u8::exactly(number)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// A 16-bit float.
#[derive(Clone, Copy)]
struct Half(f16);

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

/// Reads an array as elements of type `A`, whatever numbers it is of.
pub fn read<A: Target, D: Dimension>(source: &mut impl Source) -> Result<Array<A, D>, String> {
    match source.read() {
        Err(ReadNpyError::WrongDescriptor(found)) => convert(source, &found),
        array => array.map_err(|error| explain::<A>(&error)),
    }
}

/// A type's name without the order of its bytes: `<f4` is `f4`.
fn kind(descriptor: &Descriptor) -> Option<&str> {
    match descriptor {
        Descriptor::String(name) => Some(name.trim_start_matches(['<', '>', '|', '='])),
        _ => None,
    }
}

/// Reads an array of a type that has been found, and converts it.
fn convert<A: Target, D: Dimension>(
    source: &mut impl Source,
    found: &Descriptor,
) -> Result<Array<A, D>, String> {
    macro_rules! from {
        ($t:ty, $name:literal, $number:expr) => {
            source
                .read::<$t, D>()
                .map_err(|error| explain::<A>(&error))
                .and_then(|array| exactly(&array, $name, $number))
        };
    }
    match kind(found) {
        Some("b1") => from!(bool, "bool", |x| Number::Integer(x.into())),
        Some("i1") => from!(i8, "int8", |x| Number::Integer(x.into())),
        Some("i2") => from!(i16, "int16", |x| Number::Integer(x.into())),
        Some("i4") => from!(i32, "int32", |x| Number::Integer(x.into())),
        Some("i8") => from!(i64, "int64", |x| Number::Integer(x.into())),
        Some("u1") => from!(u8, "uint8", |x| Number::Integer(x.into())),
        Some("u2") => from!(u16, "uint16", |x| Number::Integer(x.into())),
        Some("u4") => from!(u32, "uint32", |x| Number::Integer(x.into())),
        Some("u8") => from!(u64, "uint64", |x| Number::Integer(x.into())),
        Some("f2") => from!(Half, "float16", |x| Number::Float(x.0.into())),
        Some("f4") => from!(f32, "float32", |x| Number::Float(x.into())),
        Some("f8") => from!(f64, "float64", Number::Float),
        _ => Err(explain::<A>(&ReadNpyError::WrongDescriptor(found.clone()))),
    }
}

/// Every element converted, or which one does not fit.
fn exactly<A: Target, B: Copy + Display, D: Dimension>(
    array: &Array<B, D>,
    dtype: &str,
    number: impl Fn(B) -> Number,
) -> Result<Array<A, D>, String> {
    let fits = |&x: &B| A::exactly(number(x));
    match array.iter().find(|x| fits(x).is_none()) {
        None => Ok(array.map(|x| fits(x).expect("every element has been tried"))),
        Some(x) => Err(format!(
            "expected dtype {}, got {dtype} {x}, which {} does not hold exactly",
            A::NAME,
            A::NAME
        )),
    }
}

/// What is wrong, in a line.
pub fn explain<A: Target>(error: &ReadNpyError) -> String {
    match error {
        ReadNpyError::WrongDescriptor(found) => format!("expected dtype {}, got {found}", A::NAME),
        ReadNpyError::WrongNdim(Some(expected), found) => {
            format!("expected {expected} dimensions, got {found}")
        }
        error => {
            // A header's syntax error goes on to draw where it is.
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.split("  -->").next().unwrap_or_default().trim_end_matches(':');
            format!("expected a whole array, got {line}")
        }
    }
}
