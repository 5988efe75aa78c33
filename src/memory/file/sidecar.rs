//! What has been computed from a file of patterns, kept beside it.
//!
//! A sidecar has named sections of bytes. It is tied to the file by its length, its time of
//! modification and a hash, and each section by a hash to what was written. What does not match is
//! ignored, and whoever needed it computes it again and writes it. The container is a safetensors
//! file of bytes, written whole.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorView};

use crate::whole;

/// Pages of a long file that are hashed, and bytes of each.
const PAGES: usize = 512;
const PAGE: usize = 4096;
/// What the metadata names.
const TIE: &str = "tie";

/// The sidecar of one file.
#[derive(Debug)]
pub(crate) struct Sidecar {
    path: PathBuf,
    /// What the file is known by.
    tie: String,
}

/// A hash of bytes. It need not be the same in another version of the standard library: a sidecar
/// is then ignored.
fn hash(parts: impl Iterator<Item = impl AsRef<[u8]>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.for_each(|part| part.as_ref().hash(&mut hasher));
    hasher.finish()
}

/// The parts of a file that are hashed: all of a short one, and pages of a long one that are
/// equally far apart, from the first to the last.
fn sample(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = bytes.len() <= PAGES * PAGE;
    let last = bytes.len().saturating_sub(PAGE);
    let start = move |page: usize| (last as u128 * page as u128 / (PAGES as u128 - 1)) as usize;
    let pages = (0..if whole { 0 } else { PAGES }).map(move |page| &bytes[start(page)..][..PAGE]);
    whole.then_some(bytes).into_iter().chain(pages)
}

impl Sidecar {
    /// The sidecar of a file, which is open and mapped.
    pub fn beside(path: &Path, file: &File, bytes: &[u8]) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".hopfield");
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |since| since.as_nanos());
        let tie = format!("1 {} {modified} {:016x}", bytes.len(), hash(sample(bytes)));
        Self { path: name.into(), tie }
    }

    /// All sections, if this is the sidecar of the file as it is.
    fn sections(&self) -> Option<HashMap<String, Vec<u8>>> {
        let bytes = std::fs::read(&self.path).ok()?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).ok()?;
        let known = metadata.metadata().as_ref()?;
        if known.get(TIE) != Some(&self.tie) {
            return None;
        }
        let tensors = SafeTensors::deserialize(&bytes).ok()?;
        let intact = |name: &str, data: &[u8]| known.get(name) == Some(&hash_of_section(data));
        let section = |(name, tensor): (String, TensorView<'_>)| {
            intact(&name, tensor.data()).then(|| (name, tensor.data().to_vec()))
        };
        Some(tensors.tensors().into_iter().filter_map(section).collect())
    }

    /// A section, if it was computed from the file as it is.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.sections()?.remove(name)
    }

    /// Writes some sections, and keeps the others that match the file.
    pub fn write(&self, sections: &[(&str, &[u8])]) -> Result<(), String> {
        let mut all = self.sections().unwrap_or_default();
        for (name, bytes) in sections {
            all.insert(name.to_string(), bytes.to_vec());
        }
        let mut metadata: HashMap<String, String> =
            all.iter().map(|(name, bytes)| (name.clone(), hash_of_section(bytes))).collect();
        metadata.insert(TIE.to_string(), self.tie.clone());
        let text = |error: safetensors::SafeTensorError| error.to_string();
        let views = all.iter().map(|(name, bytes)| {
            TensorView::new(Dtype::U8, vec![bytes.len()], bytes).map(|view| (name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(text)?;
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(text)?;
        whole::write(&self.path, |file| file.write_all(&bytes).map_err(|error| error.to_string()))
    }
}

fn hash_of_section(bytes: &[u8]) -> String {
    format!("{:016x}", hash(std::iter::once(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sidecar(path: &Path) -> Sidecar {
        let file = File::open(path).unwrap();
        Sidecar::beside(path, &file, &std::fs::read(path).unwrap())
    }

    #[test]
    fn sections_are_kept_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 3 << 20]).unwrap();
        let before = sidecar(&path);
        assert_eq!(before.read("a"), None);
        before.write(&[("a", b"one"), ("b", b"two")]).unwrap();
        before.write(&[("b", b"three"), ("c", b"")]).unwrap();
        assert_eq!(sidecar(&path).read("a").as_deref(), Some(&b"one"[..]));
        assert_eq!(sidecar(&path).read("b").as_deref(), Some(&b"three"[..]));
        assert_eq!(sidecar(&path).read("c").as_deref(), Some(&b""[..]));
        assert_eq!(sidecar(&path).read("d"), None);
        // The same length, other contents.
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let mut other = vec![7; 3 << 20];
        *other.last_mut().unwrap() = 8;
        std::fs::write(&path, other).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(sidecar(&path).read("a"), None);
        // One that has lost a bit, of the last section, and something else in its place.
        before.write(&[("a", b"one")]).unwrap();
        let mut damaged = std::fs::read(&before.path).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(&before.path, damaged).unwrap();
        assert_eq!(before.read("b"), None);
        assert_eq!(before.read("a").as_deref(), Some(&b"one"[..]));
        std::fs::write(&before.path, b"something else").unwrap();
        assert_eq!(before.read("a"), None);
        before.write(&[("a", b"again")]).unwrap();
        assert_eq!(before.read("a").as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn the_first_and_the_last_page_are_among_those_that_are_hashed() {
        let bytes: Vec<u8> = (0..PAGES * PAGE + 1).map(|at| at as u8).collect();
        let parts: Vec<&[u8]> = sample(&bytes).collect();
        assert_eq!(parts.len(), PAGES);
        assert_eq!(parts[0], &bytes[..PAGE]);
        assert_eq!(parts[PAGES - 1], &bytes[bytes.len() - PAGE..]);
        assert_eq!(sample(&bytes[1..]).collect::<Vec<_>>(), [&bytes[1..]]);
    }
}
