//! What the members of an archive claim to hold, against the bytes that there are.
//!
//! Readers of `.npy` make room for the header and for the array that it announces, and then find
//! out that they are not there: a file of some hundred bytes that announces 10¹⁴ elements would end
//! the process. So would a header of ten thousand brackets, each of which is a call.

use std::fs::File;
use std::io::{BufReader, Read};

use zip::ZipArchive;

/// Bytes in which the header of an array ends. NumPy's, of two dimensions, has 128.
const HEADER: usize = 4096;
/// The most that deflate can make of a byte.
const DEFLATE_RATIO: u64 = 1032;
/// What every `.npy` begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

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
        if let Some(header) = header(&start).map_err(|error| format!("{name}: {error}"))? {
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

/// The header, of what begins as an array of a version that readers know.
fn header(start: &[u8]) -> Result<Option<String>, String> {
    let Some(&[version, _, ref rest @ ..]) = start.strip_prefix(MAGIC) else { return Ok(None) };
    let (length, rest) = match (version, rest) {
        (1, [a, b, rest @ ..]) => (u16::from_le_bytes([*a, *b]).into(), rest),
        (2 | 3, [a, b, c, d, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        _ => return Ok(None),
    };
    match rest.get(..length as usize) {
        Some(header) => Ok(Some(String::from_utf8_lossy(header).into_owned())),
        None => Err(format!(
            "expected a header within the first {HEADER} bytes of a whole array, got one of {length}"
        )),
    }
}

/// The number of elements that a header announces; the largest number where it is larger. `None`
/// where its text is not as plain as NumPy's, so that a reader may see another shape in it.
fn elements(header: &str) -> Option<u64> {
    let plain = !header.contains('\\')
        && header.matches("shape").count() == 1
        && header.matches(['(', '[', '{']).count() <= 2;
    let (_, rest) = header.split_once("shape").filter(|_| plain)?;
    let (shape, _) = rest.split_once('(')?.1.split_once(')')?;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    Some(
        sides.fold(1_u64, |product, side| product.saturating_mul(side.parse().unwrap_or(u64::MAX))),
    )
}

#[cfg(test)]
mod tests {
    use super::{elements, header};

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
    fn headers_that_readers_may_understand_otherwise_are_none() {
        // An escaped key, the real one after a decoy, the real one in another spelling, and
        // brackets.
        for header in [
            r"{'descr': '<f4', 'fortran_order': False, '\x73hape': (99999999999999,), }",
            "{'shape': (1,), 'shape': (99999999999999,), }",
            "{'descr': 'shape(1)', 'fortran_order': False, 'shape': (99999999999999,), }",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }",
            "{'descr': '<f4', 'fortran_order': False, }",
            "((((((((((",
        ] {
            assert_eq!(elements(header), None, "{header}");
        }
        // Numbers as NumPy does not write them are as large as can be.
        assert_eq!(elements("{'shape': (0x10,), }"), Some(u64::MAX));
        assert_eq!(elements("{'shape': (1_0,), }"), Some(u64::MAX));
    }

    #[test]
    fn lengths_of_headers_are_claims_too() {
        let start = |version: u8, length: &[u8], rest: &str| {
            [super::MAGIC, &[version, 0], length, rest.as_bytes()].concat()
        };
        assert_eq!(header(&start(1, &[3, 0], "{} and more")), Ok(Some("{} ".into())));
        assert_eq!(header(&start(2, &[2, 0, 0, 0], "{}")), Ok(Some("{}".into())));
        assert!(header(&start(1, &[3, 0], "{}")).is_err());
        assert!(header(&start(3, &[0xff; 4], "{}")).is_err());
        for none in [&b"PK"[..], &start(1, &[3], ""), &start(9, &[2, 0], "{}")] {
            assert_eq!(header(none), Ok(None));
        }
    }
}
