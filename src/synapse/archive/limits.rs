//! What the members of an archive claim to hold, against the bytes that there are.
//!
//! Readers of `.npy` make room for the header and for the array that it announces, and then find
//! out that they are not there: a file of some hundred bytes that announces 10¹⁴ elements would end
//! the process. So would a header of ten thousand brackets, each of which is a call.

use std::fs::File;
use std::io::{BufReader, Read};

use zip::ZipArchive;

use crate::npy_header::{HEADER, elements, header};

/// The most that deflate can make of a byte.
const DEFLATE_RATIO: u64 = 1032;

/// Refuses an archive with a member whose header is not as NumPy writes it, or announces more
/// elements than the member can have bytes.
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
            .take(HEADER as u64)
            .read_to_end(&mut start)
            .map_err(|error| format!("{name}: expected a whole array, got {error}"))?;
        // What does not begin as an array is refused by its reader, before it makes room.
        if let Some((header, _)) = header(&start).map_err(|error| format!("{name}: {error}"))? {
            match elements(&header) {
                Some(elements) if elements <= most => {}
                Some(elements) => {
                    return Err(format!(
                        "{name}: expected at most the {most} elements that its bytes can hold, got a \
                         header that announces {elements}"
                    ));
                }
                None => return Err(format!("{name}: expected a header as NumPy writes it")),
            }
        }
    }
    Ok(())
}
