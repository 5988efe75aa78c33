//! Files that are there whole or not at all.
//!
//! A file is written beside its target and renamed when it is complete, so that what the target
//! held before is lost only to a complete file. Where that cannot work, or would change more than
//! the contents, the complete file is copied into the target instead:
//!
//! - nothing can be created in the target's folder;
//! - the target cannot be renamed over, as a bind mount;
//! - it has other names (hard links), or an owner or group that a new file cannot be given.
//!
//! A copy that fails halfway leaves an incomplete target. Either way the mode stays, links are
//! followed to what they lead to, and what is no regular file is refused.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes a file whole. `contents` writes what it is to hold.
pub fn write(
    path: &Path,
    contents: impl FnOnce(&mut BufWriter<&File>) -> Result<(), String>,
) -> Result<(), String> {
    let target = follow(path).map_err(text)?;
    let folder = match (target.file_name(), target.parent()) {
        (Some(_), Some(folder)) if !folder.as_os_str().is_empty() => folder,
        (Some(_), _) => Path::new("."),
        (None, _) => return Err("expected the name of a file, got a folder".to_string()),
    };
    let Some(kept) = regular(&target)? else {
        let new = beside(folder).map_err(text)?;
        fill(new.as_file(), contents)?;
        new.persist(&target).map_err(|refused| text(refused.error))?;
        settle(folder);
        return Ok(());
    };
    if let Ok(new) = beside(folder)
        && keeps(&kept, new.as_file())
    {
        fill(new.as_file(), contents)?;
        return match new.persist(&target) {
            Ok(_) => {
                settle(folder);
                Ok(())
            }
            Err(refused) => copy(refused.file.as_file(), &target).map_err(text),
        };
    }
    let new = tempfile::tempfile().map_err(text)?;
    fill(&new, contents)?;
    copy(&new, &target).map_err(text)
}

/// Where a path leads to by symbolic links, of which the last may lead to nothing yet.
fn follow(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..MOST {
        let Ok(to) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(to);
    }
    Err(io::Error::other(format!("more than {MOST} symbolic links")))
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

/// Gives a new file the mode, the owner and the group of the one that it is to replace. Returns
/// whether this succeeded and the old file has no other hard links.
fn keeps(kept: &Metadata, new: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let Ok(metadata) = new.metadata() else { return false };
        let owned = (kept.uid(), kept.gid()) == (metadata.uid(), metadata.gid())
            || fchown(new, Some(kept.uid()), Some(kept.gid())).is_ok();
        if !owned || kept.nlink() > 1 {
            return false;
        }
    }
    // After the owner: changing that clears some bits of the mode.
    new.set_permissions(kept.permissions()).is_ok()
}

/// Writes the contents, down to the disk.
fn fill(
    file: &File,
    contents: impl FnOnce(&mut BufWriter<&File>) -> Result<(), String>,
) -> Result<(), String> {
    let mut writer = BufWriter::new(file);
    contents(&mut writer)?;
    writer.flush().map_err(text)?;
    file.sync_all().map_err(text)
}

/// Copies a complete file into one that is there.
fn copy(mut from: &File, target: &Path) -> io::Result<()> {
    from.rewind()?;
    let mut to = OpenOptions::new().write(true).truncate(true).open(target)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}

/// Asks for the new name to be written to the disk too. Not every system has a way, and the file is
/// there.
fn settle(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
