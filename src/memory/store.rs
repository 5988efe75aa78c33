//! Where patterns or values are: in rows of elements or of sixteen-bit numbers, or in bytes: the
//! caller's, or those of a file.

use half::{bf16, f16};

use crate::error::{Error, Result};
use crate::matrix::{MatMut, MatRef};
use crate::memory::bytes::Bytes;
use crate::memory::layout::{line_stride, padded_cols};
use crate::memory::rows::{ByteRows, Encoding, Rows};
use crate::memory::storage::{Storage, granted};
use crate::simd::{Element, Stored};

/// The type in which patterns are stored. They are always recalled in that of the memory.
///
/// ```
/// use hopfield_kernels::{Memory, Precision};
///
/// let memory = Memory::from([[0.1_f32, -2.5]]);
/// assert_eq!(memory.precision(), Precision::Full);
/// let half = memory.with_precision(Precision::Bf16)?;
/// assert_eq!(half.precision(), Precision::Bf16);
/// assert_eq!(half.to_rows(), [0.100_097_656, -2.5], "rounded to eight significant bits");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// The memory's own type.
    #[default]
    Full,
    /// bfloat16: the range of `f32`, and 8 significant bits.
    Bf16,
    /// IEEE half precision: 11 significant bits, up to 65,504.
    F16,
}

/// Rows of numbers that begin on cache lines.
#[derive(Debug, Clone)]
pub(crate) struct Grid<E> {
    numbers: Storage<E>,
    /// Numbers from one row to the next.
    stride: usize,
}

impl<E: bytemuck::Pod> Grid<E> {
    /// Rows that are there already, `stride` numbers apart.
    pub(super) fn new(numbers: Storage<E>, stride: usize) -> Self {
        Self { numbers, stride }
    }

    /// Rows of `cols` zeros.
    fn zeros(rows: usize, cols: usize) -> Self {
        let stride = line_stride::<E>(cols);
        Self { numbers: Storage::zeros(rows * stride), stride }
    }

    fn matrix(&self, rows: usize, cols: usize) -> MatRef<'_, E> {
        MatRef::with_stride(&self.numbers, rows, cols, self.stride)
            .expect("`zeros` has made room for these rows")
    }

    fn row_mut(&mut self, index: usize) -> &mut [E] {
        &mut self.numbers[index * self.stride..][..self.stride]
    }

    fn copy_row(&mut self, from: usize, to: usize) {
        let row = from * self.stride..(from + 1) * self.stride;
        self.numbers.copy_within(row, to * self.stride);
    }

    /// Makes room for `rows` rows in all, and for more if it has to be made anew.
    fn reserve(&mut self, rows: Option<usize>, used: usize, cols: usize) -> Result<()> {
        let capacity = self.numbers.len() / self.stride;
        if rows.is_some_and(|rows| rows <= capacity) {
            return Ok(());
        }
        let most = isize::MAX as usize / size_of::<E>() / self.stride;
        let fitting = rows.filter(|rows| *rows <= most);
        // Twice as many, so that every pattern is copied a few times at most.
        let wanted = fitting.map(|rows| rows.max(capacity.saturating_mul(2)).min(most));
        let Some(wanted) = wanted.filter(|wanted| granted::<E>(wanted * self.stride)) else {
            let (operand, rows) = ("memory", rows.unwrap_or(usize::MAX));
            let needed = rows as u128 * self.stride as u128;
            return Err(Error::Slice { operand, rows, cols, needed, found: self.numbers.len() });
        };
        let mut numbers = Storage::zeros(wanted * self.stride);
        // The caller's last row may end without padding.
        let used = (used * self.stride).min(self.numbers.len());
        numbers[..used].copy_from_slice(&self.numbers[..used]);
        self.numbers = numbers;
        Ok(())
    }
}

/// Bytes of rows at any stride.
#[derive(Debug, Clone)]
pub(crate) struct ByteStore {
    pub bytes: Bytes,
    /// In bytes.
    pub stride: usize,
    pub encoding: Encoding,
}

/// How rows of `T` are stored. It is told their number and their length.
#[derive(Debug, Clone)]
pub(crate) enum Store<T> {
    /// Padded rows, in place.
    Padded(Grid<T>),
    Bf16(Grid<bf16>),
    F16(Grid<f16>),
    /// Somebody else's, or a file's.
    Bytes(ByteStore),
}

/// Rows and features.
pub(crate) type Shape = (usize, usize);

/// Writes a row, rounded to the numbers that are stored.
fn write<T: Element, E: Stored<T>>(to: &mut [E], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = E::nearest(*from));
}

/// A row, widened.
fn read<T: Element, E: Stored<T>>(from: &[E], to: &mut [T]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = from.widen());
}

impl<T: Element> Store<T> {
    /// Padded rows of zeros.
    pub fn zeros((rows, dim): Shape) -> Self {
        Self::Padded(Grid::zeros(rows, padded_cols::<T>(dim)))
    }

    /// Rows of zeros in this precision, or an error where there is no room.
    pub fn with_precision((rows, dim): Shape, precision: Precision) -> Result<Self> {
        fn grid<E: bytemuck::Pod>(rows: usize, cols: usize) -> Result<Grid<E>> {
            let needed = rows * line_stride::<E>(cols);
            if !granted::<E>(needed) {
                let needed = needed as u128;
                return Err(Error::Slice { operand: "memory", rows, cols, needed, found: 0 });
            }
            Ok(Grid::zeros(rows, cols))
        }
        let cols = padded_cols::<T>(dim);
        match precision {
            Precision::Full => grid(rows, cols).map(Self::Padded),
            Precision::Bf16 => grid(rows, cols).map(Self::Bf16),
            Precision::F16 => grid(rows, cols).map(Self::F16),
        }
    }

    pub fn precision(&self) -> Precision {
        match self.encoding() {
            Encoding::Element => Precision::Full,
            Encoding::Bf16 => Precision::Bf16,
            Encoding::F16 => Precision::F16,
        }
    }

    /// How numbers are stored.
    pub fn encoding(&self) -> Encoding {
        match self {
            Self::Padded(_) => Encoding::Element,
            Self::Bf16(_) => Encoding::Bf16,
            Self::F16(_) => Encoding::F16,
            Self::Bytes(store) => store.encoding,
        }
    }

    /// The bytes of the numbers of a row.
    #[cfg(feature = "files")]
    pub fn row_bytes(&self, index: usize, (rows, dim): Shape) -> &[u8] {
        match self {
            Self::Padded(grid) => bytemuck::cast_slice(grid.matrix(rows, dim).row(index)),
            Self::Bf16(grid) => bytemuck::cast_slice(grid.matrix(rows, dim).row(index)),
            Self::F16(grid) => bytemuck::cast_slice(grid.matrix(rows, dim).row(index)),
            Self::Bytes(store) => store.rows((rows, dim)).row::<T>(index),
        }
    }

    /// The rows as the drivers take them.
    pub fn rows(&self, (rows, dim): Shape) -> Rows<'_, T> {
        let cols = padded_cols::<T>(dim);
        match self {
            Self::Padded(grid) => Rows::Padded(grid.matrix(rows, cols)),
            Self::Bf16(grid) => Rows::Bf16(grid.matrix(rows, cols)),
            Self::F16(grid) => Rows::F16(grid.matrix(rows, cols)),
            Self::Bytes(store) => Rows::of_bytes(store.rows((rows, dim))),
        }
    }

    /// The rows without padding, if they are stored as elements that begin where elements may.
    pub fn as_mat(&self, (rows, dim): Shape) -> Option<MatRef<'_, T>> {
        match self {
            Self::Padded(grid) => Some(grid.matrix(rows, dim)),
            Self::Bf16(_) | Self::F16(_) => None,
            Self::Bytes(store) if store.encoding == Encoding::Element => {
                store.rows((rows, dim)).matrix()
            }
            Self::Bytes(_) => None,
        }
    }

    /// Rows that learn: padded, or lent without padding.
    pub fn learning_rows(&mut self, (rows, dim): Shape) -> Option<MatMut<'_, T>> {
        match self {
            Self::Padded(_) => self.padded_mut((rows, dim)),
            Self::Bytes(ByteStore { bytes: Bytes::Lent(bytes), stride, .. }) => {
                // They were elements, so they begin where elements may.
                let elements = bytemuck::try_cast_slice_mut(bytes).ok()?;
                MatMut::with_stride(elements, rows, dim, *stride / size_of::<T>()).ok()
            }
            _ => None,
        }
    }

    /// The padded rows, if there are any that can be written to.
    pub fn padded_mut(&mut self, (rows, dim): Shape) -> Option<MatMut<'_, T>> {
        let Self::Padded(Grid { numbers, stride }) = self else { return None };
        MatMut::with_stride(numbers, rows, padded_cols::<T>(dim), *stride).ok()
    }

    /// Copies the features of row `index`.
    pub fn copy(&self, index: usize, (rows, dim): Shape, to: &mut [T]) {
        match self {
            Self::Padded(grid) => to.copy_from_slice(grid.matrix(rows, dim).row(index)),
            Self::Bf16(grid) => read(grid.matrix(rows, dim).row(index), to),
            Self::F16(grid) => read(grid.matrix(rows, dim).row(index), to),
            Self::Bytes(store) => store.rows((rows, dim)).copy(index, to),
        }
    }

    /// Makes sure that rows can be replaced: copied bytes become padded rows.
    ///
    /// # Errors
    /// [`Error::Store`] where rows belong to the caller or to a file.
    pub fn make_writable(&mut self, (rows, dim): Shape) -> Result<()> {
        let Self::Bytes(store) = self else { return Ok(()) };
        if !store.bytes.is_owned() {
            return Err(Error::Store {
                operand: "memory",
                expected: "patterns of its own, which can be replaced",
                found: store.bytes.name(),
            });
        }
        let mut grid = Grid::zeros(rows, padded_cols::<T>(dim));
        for index in 0..rows {
            store.rows((rows, dim)).copy(index, &mut grid.row_mut(index)[..dim]);
        }
        *self = Self::Padded(grid);
        Ok(())
    }

    /// Replaces a row, rounded to the numbers that are stored.
    ///
    /// # Panics
    /// When rows cannot be replaced (see [`make_writable`](Self::make_writable)).
    pub fn write(&mut self, index: usize, row: &[T]) {
        match self {
            Self::Padded(grid) => grid.row_mut(index)[..row.len()].copy_from_slice(row),
            Self::Bf16(grid) => write(grid.row_mut(index), row),
            Self::F16(grid) => write(grid.row_mut(index), row),
            Self::Bytes(_) => unreachable!("`make_writable` has been called"),
        }
    }

    /// Moves a row to an earlier place.
    ///
    /// # Panics
    /// As for [`write`](Self::write).
    pub fn copy_row(&mut self, from: usize, to: usize) {
        match self {
            Self::Padded(grid) => grid.copy_row(from, to),
            Self::Bf16(grid) => grid.copy_row(from, to),
            Self::F16(grid) => grid.copy_row(from, to),
            Self::Bytes(_) => unreachable!("`make_writable` has been called"),
        }
    }

    /// Makes room for `total` rows, which is `None` if their number overflows.
    ///
    /// # Panics
    /// As for [`write`](Self::write).
    pub fn reserve(&mut self, total: Option<usize>, (rows, dim): Shape) -> Result<()> {
        match self {
            Self::Padded(grid) => grid.reserve(total, rows, dim),
            Self::Bf16(grid) => grid.reserve(total, rows, dim),
            Self::F16(grid) => grid.reserve(total, rows, dim),
            Self::Bytes(_) => unreachable!("`make_writable` has been called"),
        }
    }
}

impl ByteStore {
    fn rows(&self, (rows, dim): Shape) -> ByteRows<'_> {
        ByteRows { bytes: &self.bytes, rows, dim, stride: self.stride, encoding: self.encoding }
    }
}
