//! What saving does to the file that was there, and to others in its folder.

#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use hopfield_kernels::{Error, HopfieldSynapse};
use tempfile::TempDir;

fn synapse() -> HopfieldSynapse<f32> {
    HopfieldSynapse::builder("W", (3, 4)).seed(5).build().unwrap()
}

/// Saves, and asserts that what is there can be loaded.
fn save(path: &Path) {
    synapse().save(path).unwrap();
    assert_eq!(HopfieldSynapse::<f32>::load(path).unwrap().weights(), synapse().weights());
}

fn refusal(path: &Path) -> String {
    match synapse().save(path) {
        Err(Error::File { reason, .. }) => reason,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Whether a command has worked: where it has not, the machine does not let us try.
fn works(command: &str, arguments: &[&Path]) -> bool {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).args(arguments).output();
    status.is_ok_and(|output| output.status.success())
}

#[test]
fn files_of_others_are_not_touched() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.npz");
    // Names that this process might have thought of.
    for count in 0..100 {
        let name = format!(".m.npz.{}-{count}.tmp", std::process::id());
        fs::write(folder.path().join(name), b"precious").unwrap();
    }
    save(&path);
    assert_eq!(names(folder.path()), 101);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let other = entry.unwrap().path();
        assert!(other == path || fs::read(&other).unwrap() == b"precious", "{}", other.display());
    }
}

#[test]
fn names_may_be_as_long_as_the_file_system_takes() {
    let folder = TempDir::new().unwrap();
    for length in [1, 100, 219, 220, 242, 243, 254, 255] {
        save(&folder.path().join("m".repeat(length)));
    }
    assert_eq!(names(folder.path()), 8);
    assert!(refusal(&folder.path().join("m".repeat(256))).contains("name too long"));
    assert_eq!(names(folder.path()), 8, "no file is left behind");
}

#[test]
fn the_mode_of_a_file_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.npz");
    save(&path);
    // What any new file has.
    fs::write(folder.path().join("ordinary"), b"").unwrap();
    assert_eq!(mode(&path), mode(&folder.path().join("ordinary")));
    for kept in [0o600, 0o640, 0o664, 0o777] {
        fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
        save(&path);
        assert_eq!(mode(&path), kept);
    }
    assert_eq!(names(folder.path()), 2);
}

#[test]
fn the_owner_of_a_file_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.npz");
    save(&path);
    if std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).is_err() {
        return eprintln!("skipped: this user cannot give files away");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    save(&path);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), mode(&path)), (12_345, 54_321, 0o640));
}

#[test]
fn links_are_followed() {
    let folder = TempDir::new().unwrap();
    let below = folder.path().join("below");
    fs::create_dir(&below).unwrap();
    let (target, link, other) =
        (below.join("target.npz"), folder.path().join("link.npz"), folder.path().join("other.npz"));
    symlink("below/target.npz", &link).unwrap();
    symlink(&link, &other).unwrap();
    // To a file that is not there yet, and then to one that is.
    for from in [&link, &other, &link] {
        save(from);
        assert!(fs::symlink_metadata(from).unwrap().is_symlink());
        assert!(fs::symlink_metadata(&target).unwrap().is_file());
    }
    assert_eq!((names(folder.path()), names(&below)), (3, 1));
    // A circle leads nowhere.
    let circle = folder.path().join("circle.npz");
    symlink(&circle, &circle).unwrap();
    refusal(&circle);
    assert!(fs::symlink_metadata(&circle).unwrap().is_symlink());
}

#[test]
fn the_other_names_of_a_file_have_the_new_contents() {
    let folder = TempDir::new().unwrap();
    let (path, other) = (folder.path().join("m.npz"), folder.path().join("n.npz"));
    fs::write(&path, b"old").unwrap();
    fs::hard_link(&path, &other).unwrap();
    save(&path);
    assert_eq!(fs::metadata(&path).unwrap().ino(), fs::metadata(&other).unwrap().ino());
    assert_eq!(fs::read(&path).unwrap(), fs::read(&other).unwrap());
    assert_eq!(names(folder.path()), 2);
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.npz");
    assert!(refusal(folder.path()).contains("expected a regular file, got a folder"));
    if works("mkfifo", &[&path]) {
        assert!(refusal(&path).contains("expected a regular file, got a device, a pipe"));
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        fs::remove_file(&path).unwrap();
    }
    let device = Path::new("/dev/null");
    assert!(refusal(device).contains("expected a regular file, got a device"));
    assert!(fs::metadata(device).unwrap().file_type().is_char_device());
    let link = folder.path().join("link");
    symlink(device, &link).unwrap();
    assert!(refusal(&link).contains("expected a regular file, got a device"));
    assert_eq!(names(folder.path()), 1);
}

/// A rename over a bind mount says that it is busy.
#[test]
fn a_file_that_cannot_be_renamed_over_is_written_in_place() {
    let folder = TempDir::new().unwrap();
    let (elsewhere, path) = (folder.path().join("elsewhere"), folder.path().join("m.npz"));
    // Longer than what is to come.
    fs::write(&elsewhere, vec![0; 1 << 20]).unwrap();
    fs::write(&path, b"").unwrap();
    if !works("mount --bind", &[&elsewhere, &path]) {
        return eprintln!("skipped: this user cannot mount");
    }
    synapse().save(&path).unwrap();
    let loaded = HopfieldSynapse::<f32>::load(&path).map(|loaded| loaded.weights());
    assert!(works("umount", &[&path]));
    assert_eq!(loaded.unwrap(), synapse().weights());
    assert_eq!(HopfieldSynapse::<f32>::load(&elsewhere).unwrap().weights(), synapse().weights());
    assert_eq!(names(folder.path()), 2, "no file is left behind");
}

/// Root may write to any folder, so that one has to be made that not even root may.
#[test]
fn a_file_in_a_folder_that_takes_no_other_is_written_in_place() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.npz");
    fs::write(&path, b"old").unwrap();
    let is_root = fs::metadata(&path).unwrap().uid() == 0;
    let closed = match is_root {
        true => works("chattr +i", &[folder.path()]),
        false => fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).is_ok(),
    };
    if !closed {
        return eprintln!("skipped: this file system has no folders that take no file");
    }
    let saved = synapse().save(&path);
    let refused = synapse().save(folder.path().join("new.npz"));
    match is_root {
        true => assert!(works("chattr -i", &[folder.path()])),
        false => fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap(),
    }
    saved.unwrap();
    assert_eq!(HopfieldSynapse::<f32>::load(&path).unwrap().weights(), synapse().weights());
    assert!(matches!(refused, Err(Error::File { .. })));
    assert_eq!(names(folder.path()), 1);
}

/// A file that may not be written is not replaced either.
#[test]
fn a_file_that_is_read_only_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.npz");
    fs::write(&path, b"precious").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        return eprintln!("skipped: nothing is read-only to this user");
    }
    refusal(&path);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(names(folder.path()), 1);
}
