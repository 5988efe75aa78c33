//! Members of a `.npz`, or what is wrong with them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::{Array, Array0, Array1, Array2, Dimension};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpzError, ReadableElement};

use super::super::table::Table;
use super::{MARK, VERSION, claims};

type Read<V> = Result<V, String>;

pub(super) struct Reader {
    npz: NpzReader<BufReader<File>>,
    names: Vec<String>,
}

impl Reader {
    /// Opens a file that a synapse was saved in.
    pub fn open(path: &Path) -> Read<Self> {
        let open = || File::open(path).map_err(|error| format!("expected a file, got {error}"));
        claims::check(open()?)?;
        let file = open()?;
        let mut npz = NpzReader::new(BufReader::new(file))
            .map_err(|error| format!("expected a whole .npz archive, got {error}"))?;
        let names = npz.names().map_err(|error| format!("expected named members, got {error}"))?;
        let mut reader = Self { npz, names };
        if !reader.has(MARK) {
            let names = reader.names.join(", ");
            return Err(format!("expected a saved synapse (a member {MARK}), got [{names}]"));
        }
        match reader.scalar::<u32>(MARK)? {
            VERSION => Ok(reader),
            version => Err(format!("{MARK}: expected version {VERSION}, got {version}")),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    pub fn scalar<A: ReadableElement + Copy>(&mut self, name: &str) -> Read<A> {
        let array: Array0<A> = self.array(name)?;
        Ok(array.into_scalar())
    }

    pub fn count(&mut self, name: &str) -> Read<usize> {
        let count: u64 = self.scalar(name)?;
        count.try_into().map_err(|_| format!("{name}: expected a number of things, got {count}"))
    }

    /// A list, of a length that may be known.
    pub fn list<A: ReadableElement>(&mut self, name: &str, length: Option<usize>) -> Read<Vec<A>> {
        let array: Array1<A> = self.array(name)?;
        match length {
            Some(length) if length != array.len() => {
                Err(format!("{name}: expected shape ({length},), got ({},)", array.len()))
            }
            _ => Ok(array.into_iter().collect()),
        }
    }

    pub fn fixed<A: ReadableElement, const LENGTH: usize>(
        &mut self,
        name: &str,
    ) -> Read<[A; LENGTH]> {
        let list = self.list(name, Some(LENGTH))?;
        Ok(list.try_into().unwrap_or_else(|_| unreachable!("the length has been checked")))
    }

    /// A matrix, of rows and columns that may be known.
    pub fn matrix<A: ReadableElement + Copy>(
        &mut self,
        name: &str,
        (rows, cols): (Option<usize>, Option<usize>),
    ) -> Read<Table<A>> {
        let array: Array2<A> = self.array(name)?;
        let found = array.dim();
        let fits = |expected: Option<usize>, found| expected.is_none_or(|count| count == found);
        if !fits(rows, found.0) || !fits(cols, found.1) {
            let count = |count: Option<usize>| count.map_or("any".to_string(), |n| n.to_string());
            let expected = format!("{} x {}", count(rows), count(cols));
            return Err(format!(
                "{name}: expected shape {expected}, got {} x {}",
                found.0, found.1
            ));
        }
        // In the order of rows, however the file has them.
        Ok(Table::new(array.iter().copied().collect(), found))
    }

    fn array<A: ReadableElement, D: Dimension>(&mut self, name: &str) -> Read<Array<A, D>> {
        if !self.has(name) {
            return Err(format!("{name}: expected a member of that name, got none"));
        }
        self.npz.by_name(name).map_err(|error| match error {
            ReadNpzError::Npy(ReadNpyError::WrongDescriptor(found)) => {
                format!("{name}: expected dtype {}, got {found}", dtype::<A>())
            }
            ReadNpzError::Npy(ReadNpyError::WrongNdim(Some(expected), found)) => {
                format!("{name}: expected {expected} dimensions, got {found}")
            }
            error => format!("{name}: expected a whole array, got {error}"),
        })
    }
}

/// NumPy's name of an element type.
fn dtype<A>() -> String {
    match std::any::type_name::<A>() {
        name if name.starts_with('f') => name.replace('f', "float"),
        name if name.starts_with('u') => name.replace('u', "uint"),
        name => name.to_string(),
    }
}
