//! Files that are there whole or not at all: written beside their target, and renamed when they are
//! complete.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Writes a file whole. `contents` writes what it is to hold. A link is followed, and the mode of a
/// file that is replaced stays; what is no regular file is refused.
pub fn write(
    path: &Path,
    contents: impl FnOnce(&mut BufWriter<&File>) -> Result<(), String>,
) -> Result<(), String> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = match (target.file_name(), target.parent()) {
        (Some(_), Some(folder)) if !folder.as_os_str().is_empty() => folder,
        (Some(_), _) => Path::new("."),
        (None, _) => return Err("expected the name of a file, got a folder".to_string()),
    };
    let replaced = regular(&target)?;
    let new = beside(folder).map_err(text)?;
    if let Some(replaced) = replaced {
        new.as_file().set_permissions(replaced.permissions()).map_err(text)?;
    }
    let mut writer = BufWriter::new(new.as_file());
    contents(&mut writer)?;
    writer.flush().map_err(text)?;
    drop(writer);
    new.as_file().sync_all().map_err(text)?;
    new.persist(&target).map(drop).map_err(|refused| text(refused.error))
}

/// What is known of the target; nothing where there is none yet. Refuses one that is no regular
/// file, and one that may not be written.
fn regular(target: &Path) -> Result<Option<Metadata>, String> {
    let metadata = match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(text)?,
    };
    match metadata.file_type() {
        kind if kind.is_file() => {
            OpenOptions::new().write(true).open(target).map_err(text)?;
            Ok(Some(metadata))
        }
        kind if kind.is_dir() => Err("expected a regular file, got a folder".to_string()),
        _ => Err("expected a regular file, got a device, a pipe or a socket".to_string()),
    }
}

/// A new file with a name that nothing has, and the mode that a new file has.
fn beside(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666)); // less the umask
    }
    builder.tempfile_in(folder)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
