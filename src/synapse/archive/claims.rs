//! What the members of an archive claim to hold, against the bytes that there are.
//!
//! Readers of `.npy` make room for the array that the header announces and then find out that it is
//! not there: a file of some hundred bytes that announces 10¹⁴ elements would end the process.

use std::fs::File;
use std::io::{BufReader, Read};

use zip::ZipArchive;

/// Bytes in which the header of an array ends.
const HEADER: u64 = 4096;
/// The most that deflate can make of a byte.
const DEFLATE_RATIO: u64 = 1032;

/// Refuses an archive with a member that announces more elements than it can have bytes.
pub(super) fn check(file: File) -> Result<(), String> {
    let not_whole = |error| format!("expected a whole .npz archive, got {error}");
    let length = file.metadata().map_err(|error| format!("expected a file, got {error}"))?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(not_whole)?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(not_whole)?;
        // The sizes that the archive states are claims too.
        let most = member.size().min(length.saturating_mul(DEFLATE_RATIO));
        let mut start = Vec::new();
        let name = member.name().trim_end_matches(".npy").to_string();
        member
            .by_ref()
            .take(HEADER)
            .read_to_end(&mut start)
            .map_err(|error| format!("{name}: expected a whole array, got {error}"))?;
        // What has no shape is no array, and refused as such by its reader.
        match elements(&String::from_utf8_lossy(&start)) {
            Some(elements) if elements > most => {
                return Err(format!(
                    "{name}: expected at most the {most} elements that its bytes can hold, got a \
                     header that announces {elements}"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The number of elements that a header announces; the largest number where it is larger.
fn elements(header: &str) -> Option<u64> {
    let (_, rest) = header.split_once("shape")?;
    let (shape, _) = rest.split_once('(')?.1.split_once(')')?;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    Some(
        sides.fold(1_u64, |product, side| product.saturating_mul(side.parse().unwrap_or(u64::MAX))),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::elements;

    #[test]
    fn shapes_are_read_from_headers() {
        let header =
            |shape| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        assert_eq!(elements(&header("(3, 4)")), Some(12));
        assert_eq!(elements(&header("(7,)")), Some(7));
        assert_eq!(elements(&header("()")), Some(1));
        assert_eq!(elements(&header("(99999999999, 99999999999)")), Some(u64::MAX));
        assert_eq!(elements(&header("(99999999999999999999999,)")), Some(u64::MAX));
        assert_eq!(elements("nothing"), None);
    }

    #[test]
    fn an_array_that_cannot_be_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostile.npz");
        let mut npz = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (10000000, 10000000), }\n";
        npz.start_file("weights.npy", zip::write::SimpleFileOptions::default()).unwrap();
        npz.write_all(b"\x93NUMPY\x01\x00").unwrap();
        npz.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        npz.write_all(header.as_bytes()).unwrap();
        npz.finish().unwrap();
        let refused = crate::HopfieldSynapse::<f32>::load(&path).unwrap_err().to_string();
        assert!(refused.contains("weights:") && refused.contains("100000000000000"), "{refused}");
    }
}
