//! Members of a `.npz`, or what is wrong with them.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use ndarray::{Array, Array0, Array1, Array2, Dimension};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpzError, ReadableElement};

use super::super::table::Table;
use super::numbers::{self, Source, Target};
use super::{MARK, VERSION, limits};

type Read<V> = Result<V, String>;

pub(super) struct Reader {
    npz: NpzReader<BufReader<File>>,
    names: Vec<String>,
}

impl Reader {
    /// Opens an archive of arrays.
    pub fn open(path: &Path) -> Read<Self> {
        let open = || File::open(path).map_err(|error| format!("expected a file, got {error}"));
        limits::check(open()?)?;
        let file = open()?;
        let mut npz = NpzReader::new(BufReader::new(file))
            .map_err(|error| format!("expected a whole .npz archive, got {error}"))?;
        let names = npz.names().map_err(|error| format!("expected named members, got {error}"))?;
        Ok(Self { npz, names })
    }

    /// Refuses a synapse that a later version of this crate has saved.
    pub fn check_version(&mut self) -> Read<()> {
        match self.scalar::<u32>(MARK)? {
            VERSION => Ok(()),
            version => Err(format!("{MARK}: expected version {VERSION}, got {version}")),
        }
    }

    /// The error for an archive with neither a format marker nor usable weights; `reason` says why
    /// the weights are unusable.
    pub fn no_synapse(&self, reason: &str) -> String {
        let names = self.names.join(", ");
        format!(
            "expected a saved synapse (a member {MARK}) or ngc-learn's (a member weights), got [{names}]: \
             {reason}"
        )
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    pub fn scalar<A: Target + Copy>(&mut self, name: &str) -> Read<A> {
        let array: Array0<A> = self.array(name)?;
        Ok(array.into_scalar())
    }

    pub fn count(&mut self, name: &str) -> Read<usize> {
        let count: u64 = self.scalar(name)?;
        count.try_into().map_err(|_| format!("{name}: expected a number of things, got {count}"))
    }

    /// A list, of a length that may be known.
    pub fn list<A: Target>(&mut self, name: &str, length: Option<usize>) -> Read<Vec<A>> {
        let array: Array1<A> = self.array(name)?;
        match length {
            Some(length) if length != array.len() => {
                Err(format!("{name}: expected shape ({length},), got ({},)", array.len()))
            }
            _ => Ok(array.into_iter().collect()),
        }
    }

    pub fn fixed<A: Target, const LENGTH: usize>(&mut self, name: &str) -> Read<[A; LENGTH]> {
        let list = self.list(name, Some(LENGTH))?;
        Ok(list.try_into().unwrap_or_else(|_| unreachable!("the length has been checked")))
    }

    /// A matrix, of rows and columns that may be known.
    pub fn matrix<A: Target + Copy>(
        &mut self,
        name: &str,
        shape: (Option<usize>, Option<usize>),
    ) -> Read<Table<A>> {
        let array = self.array_of(name, shape)?;
        let found = array.dim();
        Ok(Table::new(rows_of(array), found))
    }

    /// The transposed matrix, of rows and columns that may be known. What was saved transposed is
    /// not copied.
    pub fn transposed<A: Target + Copy>(
        &mut self,
        name: &str,
        shape: (Option<usize>, Option<usize>),
    ) -> Read<Table<A>> {
        let array = self.array_of(name, shape)?.reversed_axes();
        let found = array.dim();
        Ok(Table::new(rows_of(array), found))
    }

    fn array_of<A: Target>(
        &mut self,
        name: &str,
        (rows, cols): (Option<usize>, Option<usize>),
    ) -> Read<Array2<A>> {
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
        Ok(array)
    }

    fn array<A: Target, D: Dimension>(&mut self, name: &str) -> Read<Array<A, D>> {
        if !self.has(name) {
            return Err(format!("{name}: expected a member of that name, got none"));
        }
        numbers::read(&mut Member { npz: &mut self.npz, name })
            .map_err(|reason| format!("{name}: {reason}"))
    }
}

/// A member of an archive.
struct Member<'a> {
    npz: &'a mut NpzReader<BufReader<File>>,
    name: &'a str,
}

impl Source for Member<'_> {
    fn read<A: ReadableElement, D: Dimension>(&mut self) -> Result<Array<A, D>, ReadNpyError> {
        self.npz.by_name(self.name).map_err(|error| match error {
            ReadNpzError::Npy(error) => error,
            ReadNpzError::Zip(error) => ReadNpyError::Io(io::Error::other(error)),
        })
    }
}

/// The elements in the order of rows, however the array has them.
fn rows_of<A: Copy>(array: Array2<A>) -> Vec<A> {
    match array.is_standard_layout() {
        true => array.into_raw_vec_and_offset().0,
        false => array.iter().copied().collect(),
    }
}
