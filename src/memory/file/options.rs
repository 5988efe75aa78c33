//! How a file is mapped.

use memmap2::Mmap;

use crate::memory::codes::Codes;

/// Told how many patterns have been read, and of how many.
pub(super) type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// How the patterns of a file are mapped: see [`Memory::map_with`](crate::Memory::map_with).
///
/// ```
/// use hopfield_kernels::{Access, Codes, MapOptions, Memory};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("patterns.npy");
/// Memory::from([[1.0_f32, 2.0], [3.0, 4.0]]).save(&path)?;
/// let options = MapOptions::default().with_codes(Codes::Eight).with_access(Access::Any);
/// assert_eq!(Memory::<f32>::map_with(&path, options)?.codes(), Some(Codes::Eight));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Default)]
pub struct MapOptions<'a> {
    pub(super) progress: Option<Progress<'a>>,
    pub(super) sidecar: bool,
    pub(super) codes: Option<Codes>,
    pub(super) access: Access,
}

impl<'a> MapOptions<'a> {
    /// Calls `progress` while the norms are computed, with the number of patterns that have been
    /// read and that of all patterns.
    #[must_use]
    pub fn with_progress(self, progress: &'a mut dyn FnMut(usize, usize)) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Gives the patterns codes, which are in memory; see [`Memory::with_codes`]. Recall then reads
    /// those patterns from the file that matter.
    ///
    /// [`Memory::with_codes`]: crate::Memory::with_codes
    #[must_use]
    pub fn with_codes(self, codes: Codes) -> Self {
        Self { codes: Some(codes), ..self }
    }

    /// Keeps what is computed from the patterns, their norms and codes, in a file beside theirs,
    /// `<name>.hopfield`. The next time they are mapped they are then not read for it.
    ///
    /// It is tied to the file by its length, its time of modification, and a hash: of all of a file
    /// of up to 2 MiB, and of 512 pages, the first and the last among them, of a longer one. Where
    /// one of these differs, everything is computed again. So it is where the file beside cannot be
    /// read or written.
    #[must_use]
    pub fn with_sidecar(self, sidecar: bool) -> Self {
        Self { sidecar, ..self }
    }

    /// Tells the system in which order the patterns will be read.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }
}

impl std::fmt::Debug for MapOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut options = f.debug_struct("MapOptions");
        options.field("progress", &self.progress.is_some());
        options.field("sidecar", &self.sidecar).field("codes", &self.codes);
        options.field("access", &self.access).finish()
    }
}

/// The order in which the patterns of a file will be read, for the system to read ahead. Norms are
/// always computed in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Access {
    /// Whatever the system finds out.
    #[default]
    Any,
    /// From the first to the last: dense weights, and scores of all patterns.
    InOrder,
    /// A few patterns anywhere in the file: nothing is read ahead.
    Scattered,
}

impl Access {
    /// Advises the system. An error is harmless, and not every system takes advice.
    pub(super) fn advise(self, map: &Mmap) {
        #[cfg(unix)]
        let _ = map.advise(match self {
            Self::Any => memmap2::Advice::Normal,
            Self::InOrder => memmap2::Advice::Sequential,
            Self::Scattered => memmap2::Advice::Random,
        });
        #[cfg(not(unix))]
        let _ = (self, map);
    }
}
