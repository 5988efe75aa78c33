//! Files that are there whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
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

/// Writes a file beside `path`, and gives it that name once it is complete.
pub fn write(path: &Path, contents: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    // `make_in` rather than `tempfile_in`: an ordinary file, with the permissions that those have.
    let unfinished = tempfile::Builder::new()
        .prefix(".recall-")
        .make_in(directory_of(path), |path| File::create_new(path))
        .map_err(|e| wrong(&e))?;
    let mut file = BufWriter::new(unfinished.as_file().try_clone()?);
    contents(&mut file).map_err(|e| wrong(&e))?;
    file.flush().map_err(|e| wrong(&e))?;
    unfinished.persist(path).map_err(|e| wrong(&e.error))?;
    Ok(())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
