//! Checks the header of an `.npy` file before its sizes are used.

/// Bytes in which the header of an array ends. NumPy's, of two dimensions, has 128.
pub(crate) const HEADER: usize = 4096;
/// What every `.npy` begins with.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// The header and its end, if the bytes start with the magic number and a supported version.
pub(crate) fn header(start: &[u8]) -> Result<Option<(String, usize)>, String> {
    let Some(&[version, _, ref rest @ ..]) = start.strip_prefix(MAGIC) else { return Ok(None) };
    let (length, rest) = match (version, rest) {
        (1, [a, b, rest @ ..]) => (u16::from_le_bytes([*a, *b]).into(), rest),
        (2 | 3, [a, b, c, d, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        _ => return Ok(None),
    };
    match rest.get(..length as usize) {
        Some(header) => {
            let end = start.len() - rest.len() + header.len();
            Ok(Some((String::from_utf8_lossy(header).into_owned(), end)))
        }
        None => Err(format!(
            "expected a header within the first {HEADER} bytes of a whole array, got one of {length}"
        )),
    }
}

/// The number of elements that a header announces; the largest number where it is larger. `None`
/// where its text is not as plain as NumPy's, so that a reader may see another shape in it.
#[cfg(feature = "synapse")]
pub(crate) fn elements(header: &str) -> Option<u64> {
    let (_, rest) = header.split_once("shape").filter(|_| is_plain(header))?;
    let (shape, _) = rest.split_once('(')?.1.split_once(')')?;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    Some(
        sides.fold(1_u64, |product, side| product.saturating_mul(side.parse().unwrap_or(u64::MAX))),
    )
}

/// Whether a header's text is as plain as NumPy's: one shape, nothing escaped, no brackets in
/// brackets. Any other may be read otherwise by another reader, or take a call for every bracket.
pub(crate) fn is_plain(header: &str) -> bool {
    !header.contains('\\')
        && header.matches("shape").count() == 1
        && header.matches(['(', '[', '{']).count() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "synapse")]
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
    #[cfg(feature = "synapse")]
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
            [MAGIC, &[version, 0], length, rest.as_bytes()].concat()
        };
        assert_eq!(header(&start(1, &[3, 0], "{} and more")), Ok(Some(("{} ".into(), 13))));
        assert_eq!(header(&start(2, &[2, 0, 0, 0], "{}")), Ok(Some(("{}".into(), 14))));
        assert!(header(&start(1, &[3, 0], "{}")).is_err());
        assert!(header(&start(3, &[0xff; 4], "{}")).is_err());
        for none in [&b"PK"[..], &start(1, &[3], ""), &start(9, &[2, 0], "{}")] {
            assert_eq!(header(none), Ok(None));
        }
    }
}
