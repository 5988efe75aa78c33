//! Patterns in files: mapped where they are, and saved whole.
//!
//! | module | holds |
//! | --- | --- |
//! | [`options`] | how a file is mapped |
//! | [`npy`], [`tensors`] | where the rows of a file are, and how a file begins |
//! | [`save`] | writing a file |
//! | [`sidecar`] | what has been computed from a file, kept beside it |

mod npy;
mod options;
mod save;
pub(crate) mod sidecar;
mod tensors;

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::memory::codes::{CodeStore, Codes};
use memmap2::Mmap;
pub use options::{Access, MapOptions};
use sidecar::Sidecar;

use super::Memory;
use super::bytes::Bytes;
use super::norms::squared_norms;
use super::rows::Encoding;
use super::store::{ByteStore, Shape, Store};
use crate::error::{Error, Result};
use crate::simd::{Element, Level};

/// Bytes of patterns whose norms are computed between two calls of the progress callback.
const PROGRESS_BYTES: usize = 8 << 20;

/// Rows in a file, whose extent has been checked.
struct Place {
    encoding: Encoding,
    /// Rows and columns.
    shape: Shape,
    bytes: Range<usize>,
}

/// What a file holds.
struct Layout {
    patterns: Place,
    values: Option<Place>,
}

impl Place {
    /// Rows of this shape from byte `start` on, or what is wrong with them.
    fn new<T: Element>(
        name: &str,
        encoding: Encoding,
        shape: &[usize],
        bytes: Range<usize>,
    ) -> std::result::Result<Self, String> {
        let &[rows, cols] = shape else {
            return Err(format!("{name}: expected two dimensions, got {}", shape.len()));
        };
        if rows == 0 || cols == 0 {
            return Err(format!(
                "{name}: expected at least one row and column, got {rows} x {cols}"
            ));
        }
        let needed = rows.checked_mul(cols).and_then(|n| n.checked_mul(encoding.size::<T>()));
        match needed {
            Some(needed) if needed == bytes.len() => {
                Ok(Self { encoding, shape: (rows, cols), bytes })
            }
            needed => {
                let needed = needed.map_or("more".to_string(), |needed| needed.to_string());
                let (rows, cols) = (rows.to_string(), cols.to_string());
                Err(format!(
                    "{name}: expected {needed} bytes for {rows} x {cols}, got {}",
                    bytes.len()
                ))
            }
        }
    }

    fn memory<T: Element>(self, map: &Arc<Mmap>) -> Memory<T> {
        let stride = self.shape.1 * self.encoding.size::<T>();
        let bytes = Bytes::Mapped(map.clone(), self.bytes);
        let store = Store::Bytes(ByteStore { bytes, stride, encoding: self.encoding });
        Memory::of_store(store, self.shape)
    }
}

/// The error that something is wrong with a file.
fn refused(path: &Path, reason: impl ToString) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

impl<T: Element> Memory<T> {
    /// Patterns in a file, which are read where the system has them in memory, and never copied
    /// whole. The file may be larger than that. [`map_with`](Self::map_with) has options.
    ///
    /// The file is an `.npy` of N x D numbers in C order, or a safetensors file with a tensor
    /// `patterns` (N x D) and perhaps one of `values` (N x E); which one is told by its first
    /// bytes. Patterns are of this memory's type, in half precision, or (safetensors) bfloat16.
    /// Those of sixteen bits are recalled as [`with_precision`](Self::with_precision) says. Type,
    /// shape, order and length are checked before anything is believed.
    ///
    /// Every pattern is read once, for its norm. After that, a recall with dense weights reads all
    /// of them, in order, and one with sparse weights all of them for their scores and then those
    /// that have a weight.
    ///
    /// **The file must not change while it is mapped.** A change of its contents changes what is
    /// recalled, and norms are then no longer true. If it is truncated, the system ends the process
    /// (`SIGBUS` on Unix) when a missing pattern is read: no check can prevent that. To replace a
    /// file, write another one and rename it, as [`save`](Self::save) does; the map keeps the old
    /// one.
    ///
    /// ```
    /// use hopfield_kernels::{Memory, Retrieval};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("patterns.npy");
    /// Memory::from([[1.0_f32, 2.0, 3.0], [-1.0, 0.5, 0.0]]).save(&path)?;
    /// let memory = Memory::<f32>::map(&path)?;
    /// let mut probe = [0.9, 1.9, 3.2];
    /// Retrieval::new(5.0).apply(&memory, &mut probe)?;
    /// assert_eq!(probe, [1.0, 2.0, 3.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] names the file, what was expected and what came. [`Error::Level`] as
    /// [`Level::detect`] says.
    pub fn map(path: impl AsRef<Path>) -> Result<Self> {
        Self::map_with(path, MapOptions::default())
    }

    /// The same with options: a progress callback, norms that are kept beside the file, and advice
    /// to the system.
    ///
    /// ```
    /// use hopfield_kernels::{Codes, MapOptions, Memory};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("patterns.safetensors");
    /// Memory::from([[1.0_f64, 2.0], [3.0, 4.0]]).save(&path)?;
    /// let mut seen = Vec::new();
    /// let mut progress = |done, patterns| seen.push((done, patterns));
    /// let options = MapOptions::default().with_progress(&mut progress).with_sidecar(true);
    /// let memory = Memory::<f64>::map_with(&path, options.with_codes(Codes::Eight))?;
    /// assert_eq!((memory.squared_norms(), memory.codes()), (&[5.0, 25.0][..], Some(Codes::Eight)));
    /// assert_eq!(seen, [(2, 2)]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`map`](Self::map).
    pub fn map_with(path: impl AsRef<Path>, options: MapOptions<'_>) -> Result<Self> {
        let path = path.as_ref();
        let level = Level::detect()?;
        let file = open(path).map_err(|reason| refused(path, reason))?;
        let map = Arc::new(map(&file).map_err(|reason| refused(path, reason))?);
        let layout = layout::<T>(&map).map_err(|reason| refused(path, reason))?;
        let mut memory = layout.patterns.memory::<T>(&map);
        memory.values = layout.values.map(|values| Box::new(values.memory(&map)));
        let sidecar = options.sidecar.then(|| Sidecar::beside(path, &file, &map));
        memory.learn_norms_of_file(level, sidecar.as_ref(), &map, options.progress);
        if let Some(codes) = options.codes {
            memory = memory.with_codes_of_file(codes, sidecar.as_ref())?;
        }
        options.access.advise(&map);
        Ok(memory)
    }

    /// Quantises mapped patterns, or takes the codes that have been kept.
    fn with_codes_of_file(mut self, codes: Codes, sidecar: Option<&Sidecar>) -> Result<Self> {
        let section = format!("codes {codes:?} {}", T::NAME);
        let kept = sidecar.and_then(|sidecar| sidecar.read(&section));
        let shape = (self.patterns, self.dim);
        let kept = kept.and_then(|kept| CodeStore::from_bytes(codes, shape, &kept));
        if kept.is_some() {
            self.codes = kept.map(Box::new);
            return Ok(self);
        }
        let memory = self.with_codes(codes)?;
        if let (Some(sidecar), Some(codes)) = (sidecar, &memory.codes) {
            // What cannot be kept is computed again.
            let _ = sidecar.write(&[(&section, &codes.to_bytes())]);
        }
        Ok(memory)
    }

    /// Computes the norms of mapped patterns, or takes those that have been kept.
    fn learn_norms_of_file(
        &mut self,
        level: Level,
        sidecar: Option<&Sidecar>,
        map: &Mmap,
        mut progress: Option<options::Progress<'_>>,
    ) {
        // Levels without fused multiply-add round otherwise.
        let rounding = if level.has_fused_multiply_add() { "fused" } else { "unfused" };
        let section = format!("squared norms {} {rounding}", T::NAME);
        let count = self.patterns;
        let kept = sidecar.and_then(|sidecar| sidecar.read(&section));
        self.norms = vec![T::ZERO; count];
        let bytes = bytemuck::cast_slice_mut::<T, u8>(&mut self.norms);
        if let Some(kept) = kept.filter(|kept| kept.len() == bytes.len()) {
            bytes.copy_from_slice(&kept);
            if let Some(progress) = &mut progress {
                progress(count, count);
            }
            return;
        }
        Access::InOrder.advise(map);
        let rows = self.store.rows((self.patterns, self.dim));
        let at_once = (PROGRESS_BYTES / (self.dim * size_of::<T>())).max(1);
        for start in (0..count).step_by(at_once) {
            let block = start..count.min(start + at_once);
            squared_norms(level, rows.subrows(block.clone()), &mut self.norms[block.clone()]);
            if let Some(progress) = &mut progress {
                progress(block.end, count);
            }
        }
        if let Some(sidecar) = sidecar {
            // What cannot be kept is computed again.
            let _ = sidecar.write(&[(&section, bytemuck::cast_slice(&self.norms))]);
        }
    }
}

/// Opens a regular file.
fn open(path: &Path) -> std::result::Result<File, String> {
    if cfg!(target_endian = "big") {
        return Err("expected a little-endian machine, as the file is, got a big-endian one".into());
    }
    let file = File::open(path).map_err(|error| format!("expected a file, got {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("expected a file, got {error}"))?;
    match (metadata.is_file(), metadata.len()) {
        (false, _) => Err("expected a regular file, got a folder or a device".into()),
        (true, 0) => Err("expected patterns, got an empty file".into()),
        (true, _) => Ok(file),
    }
}

/// Maps the whole of a file.
fn map(file: &File) -> std::result::Result<Mmap, String> {
    // SAFETY:
    // - The file is a regular one that is not empty, as `open` has checked.
    // - The map is read only, as numbers, and every pattern of bits is a number.
    // - Another process may change the file, which no check can prevent (`Memory::map` documents
    //   it). Nothing then reads out of bounds: `layout` reads the header once, checks shapes and
    //   offsets against the length of the map, and keeps them. The numbers may be any. If the file
    //   is cut off, the system ends the process (SIGBUS on Unix).
    let map = unsafe { Mmap::map(file) };
    map.map_err(|error| format!("expected a file that can be mapped, got {error}"))
}

/// Finds out what a file holds.
fn layout<T: Element>(bytes: &[u8]) -> std::result::Result<Layout, String> {
    match bytes.starts_with(npy::MAGIC) {
        true => Ok(Layout { patterns: npy::patterns::<T>(bytes)?, values: None }),
        false => tensors::layout::<T>(bytes),
    }
}
