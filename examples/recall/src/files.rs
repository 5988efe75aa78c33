//! Files that are there whole or not at all.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use crate::Result;

/// Refuses a path that could not be written, before the work is done.
pub fn check(path: &Path) -> Result<()> {
    let directory = directory_of(path);
    if !directory.is_dir() {
        return Err(
            format!("{}: there is no directory {}", path.display(), directory.display()).into()
        );
    }
    if path.is_dir() {
        return Err(format!("{}: is a directory", path.display()).into());
    }
    Ok(())
}

/// Writes a file whole.
pub fn write(
    path: &Path,
    contents: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    example_arrays::write(path, |file| contents(file).map_err(|e| e.to_string()))
        .map_err(|e| format!("{}: {e}", path.display()).into())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
