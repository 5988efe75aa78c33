//! Saving patterns and values.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::tensors::Tensor;
use super::{npy, refused, tensors};
use crate::error::Result;
use crate::memory::Memory;
use crate::memory::rows::Encoding;
use crate::simd::Element;
use crate::whole;

impl<T: Element> Memory<T> {
    /// Saves the patterns in the type in which they are stored, and with them their values: as
    /// `.npy`, or as `.safetensors` with tensors `patterns` and `values`, by the name's ending.
    ///
    /// The file is written beside its target and renamed when it is complete and on the disk, so
    /// that an error loses nothing that was there. (Where the target has other hard links, or
    /// cannot be renamed over, the complete file is copied into it.)
    ///
    /// ```
    /// use hopfield_kernels::{Memory, Precision};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("patterns.safetensors");
    /// let memory = Memory::from([[1.0_f32, 2.0], [3.0, 4.0]]).with_precision(Precision::Bf16)?;
    /// memory.save(&path)?;
    /// let mapped = Memory::<f32>::map(&path)?;
    /// assert_eq!(mapped.precision(), Precision::Bf16);
    /// assert_eq!(mapped.to_rows(), memory.to_rows());
    /// // NumPy has no bfloat16.
    /// assert!(memory.save(path.with_extension("npy")).is_err());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) for a name that ends in anything else, for values or
    /// bfloat16 in an `.npy`, and where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let saved = match path.extension().and_then(|ending| ending.to_str()) {
            Some("npy") => self.save_npy(path),
            Some("safetensors") => self.save_tensors(path),
            _ => Err("expected a name that ends in .npy or .safetensors, got another".to_string()),
        };
        saved.map_err(|reason| refused(path, reason))
    }

    fn save_npy(&self, path: &Path) -> std::result::Result<(), String> {
        let found = match (&self.values, self.encoding()) {
            (Some(_), _) => Some("patterns with values"),
            (None, Encoding::Bf16) => Some("patterns in bf16"),
            (None, _) => None,
        };
        if let Some(found) = found {
            return Err(format!("expected a name that ends in .safetensors for {found}, got .npy"));
        }
        whole::write(path, |file| {
            npy::write_header::<T>(file, self.encoding(), self.shape()).map_err(text)?;
            self.write_rows(file)
        })
    }

    fn save_tensors(&self, path: &Path) -> std::result::Result<(), String> {
        let tensor = |name, memory: &Self| {
            let (encoding, shape) = (memory.encoding(), memory.shape());
            (Tensor { name, encoding, shape }, encoding.size::<T>())
        };
        let values = self.values.as_deref();
        let mut all: Vec<_> =
            values.map(|values| (tensor("values", values), values)).into_iter().collect();
        all.push((tensor("patterns", self), self));
        // The widest numbers first; of equals, the patterns.
        all.sort_by_key(|((tensor, size), _)| (std::cmp::Reverse(*size), tensor.name));
        let (headers, memories): (Vec<_>, Vec<_>) =
            all.into_iter().map(|((tensor, _), memory)| (tensor, memory)).unzip();
        whole::write(path, |file| {
            tensors::write_header::<T>(file, &headers)?;
            memories.into_iter().try_for_each(|memory| memory.write_rows(file))
        })
    }

    fn encoding(&self) -> Encoding {
        self.store.encoding()
    }

    /// Writes the numbers of all rows, one after another.
    fn write_rows(&self, to: &mut BufWriter<&File>) -> std::result::Result<(), String> {
        let shape = self.shape();
        (0..shape.0).try_for_each(|n| to.write_all(self.store.row_bytes(n, shape))).map_err(text)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
