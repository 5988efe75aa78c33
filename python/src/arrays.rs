//! NumPy arrays as views of rows, without a copy where their layout allows.

use hopfield_kernels::{Element, MatMut, MatRef};
use numpy::ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Ix1, Ix2};
use numpy::{
    PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::refused;

/// The types of elements that the crate has kernels for.
pub trait Number: Element + numpy::Element {}
impl Number for f32 {}
impl Number for f64 {}

/// One or several rows of an array: a vector, which counts as one row, or a matrix.
pub struct Rows<'py, T: numpy::Element> {
    array: PyReadonlyArrayDyn<'py, T>,
}

impl<'py, T: numpy::Element> Rows<'py, T> {
    /// Borrows an array whose layout is that of a matrix.
    fn borrow(operand: &str, array: &Bound<'py, PyArrayDyn<T>>) -> PyResult<Self> {
        if !(1..=2).contains(&array.ndim()) {
            let found = array.ndim();
            let message = format!("{operand}: expected 1 or 2 dimensions, got {found}");
            return Err(PyValueError::new_err(message));
        }
        let array = array.try_readonly().map_err(|_| in_use(operand))?;
        Ok(Self { array })
    }

    /// Whether this is one vector, so that results are vectors and scalars.
    pub fn is_flat(&self) -> bool {
        self.array.ndim() == 1
    }

    /// The elements of a vector.
    pub fn as_slice(&self) -> PyResult<&[T]> {
        Ok(self.array.as_slice()?)
    }

    /// The rows.
    pub fn view(&self) -> PyResult<MatRef<'_, T>> {
        let array = self.array.as_array();
        let view: ArrayView2<'_, T> = match self.is_flat() {
            true => array.into_dimensionality::<Ix1>().map_err(misshapen)?.insert_axis(Axis(0)),
            false => array.into_dimensionality::<Ix2>().map_err(misshapen)?,
        };
        view.try_into().map_err(refused)
    }
}

impl<'py, T: Number> Rows<'py, T> {
    /// Borrows an array, or a copy of what is not an array of this type and of a layout that the
    /// kernels read.
    pub fn new(operand: &str, object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = object.cast::<PyArrayDyn<T>>()
            && has_rows(array)
        {
            return Self::borrow(operand, array);
        }
        let array = convert(object.py())?.call1((operand, object, T::NAME))?;
        Self::borrow(operand, array.cast::<PyArrayDyn<T>>()?)
    }
}

impl<'py> Rows<'py, bool> {
    /// Borrows a mask, which the Python side has converted.
    pub fn mask(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::borrow("mask", object.cast::<PyArrayDyn<bool>>()?)
    }
}

/// An array of the caller that a result is written to.
pub struct Out<'py, T: Number> {
    array: PyReadwriteArrayDyn<'py, T>,
}

impl<'py, T: Number> Out<'py, T> {
    /// Borrows an array of this shape, which nothing else may borrow meanwhile.
    pub fn new(object: &Bound<'py, PyAny>, expected: &[usize]) -> PyResult<Self> {
        let Ok(array) = object.cast::<PyArrayDyn<T>>() else {
            let name = T::NAME;
            return Err(PyValueError::new_err(format!("out: expected an array of {name}")));
        };
        if array.shape() != expected {
            let found = array.shape();
            let message = format!("out: expected shape {expected:?}, got {found:?}");
            return Err(PyValueError::new_err(message));
        }
        if !has_rows(array) {
            let message = "out: expected rows of consecutive elements";
            return Err(PyValueError::new_err(message));
        }
        let array = array.try_readwrite().map_err(|_| in_use("out"))?;
        Ok(Self { array })
    }

    /// The rows.
    pub fn view(&mut self) -> PyResult<MatMut<'_, T>> {
        let flat = self.array.ndim() == 1;
        let array = self.array.as_array_mut();
        let view: ArrayViewMut2<'_, T> = match flat {
            true => array.into_dimensionality::<Ix1>().map_err(misshapen)?.insert_axis(Axis(0)),
            false => array.into_dimensionality::<Ix2>().map_err(misshapen)?,
        };
        view.try_into().map_err(refused)
    }
}

/// Whether the elements of a row lie next to one another, and rows apart or all in one place.
fn has_rows<T: numpy::Element>(array: &Bound<'_, PyArrayDyn<T>>) -> bool {
    let size = size_of::<T>() as isize;
    let (shape, strides) = (array.shape(), array.strides());
    let aligned = array.data().addr().is_multiple_of(align_of::<T>())
        && strides.iter().all(|stride| stride % size == 0);
    let (Some(&cols), Some(&step)) = (shape.last(), strides.last()) else { return false };
    let neighbours = cols <= 1 || step == size;
    let apart = match (shape, strides) {
        ([rows, _], [stride, _]) => {
            *rows <= 1 || *stride == 0 || stride.unsigned_abs() >= cols * size_of::<T>()
        }
        _ => true,
    };
    aligned && neighbours && apart
}

/// `hopfield_kernels._arrays.convert`, which says what is lost.
fn convert(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CONVERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CONVERT.import(py, "hopfield_kernels._arrays", "convert")
}

fn in_use(operand: &str) -> PyErr {
    let expected = "expected an array that can be borrowed";
    PyValueError::new_err(format!("{operand}: {expected}, got one that is read-only or in use"))
}

fn misshapen(error: numpy::ndarray::ShapeError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// A vector for each probe: an array, or one number where the probe was a vector.
pub fn per_probe<'py, T>(py: Python<'py>, flat: bool, of: Vec<T>) -> PyResult<Bound<'py, PyAny>>
where
    T: numpy::Element,
{
    let array = PyArray1::from_vec(py, of);
    if flat { array.as_any().get_item(0) } else { Ok(array.into_any()) }
}

/// The number of elements up to which copying them costs less than a second object.
const FEW: usize = 4096;

/// A row for each probe: a matrix of this shape, or a vector where the probe was one.
pub fn matrix<'py, T>(
    py: Python<'py>,
    flat: bool,
    of: Vec<T>,
    shape: (usize, usize),
) -> PyResult<Bound<'py, PyAny>>
where
    T: numpy::Element + Copy,
{
    // In NumPy's own memory: an array that keeps a vector is two objects.
    let few = of.len() <= FEW;
    if flat && few {
        return Ok(PyArray1::from_slice(py, &of).into_any());
    }
    if flat {
        return Ok(PyArray1::from_vec(py, of).into_any());
    }
    let (rows, cols) = shape;
    if few && of.len() == rows * cols {
        // SAFETY: all elements are written before anything reads the array.
        let array = unsafe { PyArray2::<T>::new(py, [rows, cols], false) };
        // SAFETY: the array is new and has as many elements, one next to the other.
        unsafe { std::ptr::copy_nonoverlapping(of.as_ptr(), array.data(), of.len()) };
        return Ok(array.into_any());
    }
    let array = Array2::from_shape_vec(shape, of).map_err(misshapen)?;
    Ok(PyArray2::from_owned_array(py, array).into_any())
}
