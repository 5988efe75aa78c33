//! Ranges of rows, and products of sizes.

/// Splits `0..count` into the fewest ranges of at most `most`, with lengths that differ by at most
/// one.
pub(crate) fn evenly(
    count: usize,
    most: usize,
) -> impl DoubleEndedIterator<Item = std::ops::Range<usize>> + ExactSizeIterator {
    let pieces = count.div_ceil(most.max(1));
    // There is usually one range, and a division takes as long as a few dozen multiply-adds.
    let bound = move |piece| if pieces == 1 { piece * count } else { piece * count / pieces };
    (0..pieces).map(move |piece| bound(piece)..bound(piece + 1))
}

/// The product of some sizes, saturating. It need not fit into the address space: such products are
/// only compared with thresholds, or checked before memory is reserved.
pub(crate) fn product(sizes: impl IntoIterator<Item = usize>) -> u64 {
    sizes.into_iter().fold(1, |product: u64, size| product.saturating_mul(size as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_even_and_no_more_than_needed() {
        for count in 0..40 {
            for most in 0..12 {
                let pieces: Vec<_> = evenly(count, most).collect();
                assert_eq!(pieces.len(), count.div_ceil(most.max(1)));
                assert!(pieces.iter().cloned().flatten().eq(0..count), "{count} by {most}");
                let even = count / pieces.len().max(1);
                assert!(pieces.iter().all(|piece| (even..=even + 1).contains(&piece.len())));
                assert!(pieces.iter().all(|piece| piece.len() <= most.max(1)));
            }
        }
    }
}
