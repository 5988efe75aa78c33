//! Places of bits from a table: for levels that have no instruction for it.

/// Bits that one entry of the table lists.
const ENTRY: usize = 8;

/// For every byte, the places of its bits.
static PLACES: [[u8; ENTRY]; 256] = {
    let mut places = [[0; ENTRY]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                places[byte][count] = bit as u8;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    places
};

/// [`Simd::append`](super::Simd::append), a byte at a time.
#[inline(always)]
pub(super) fn append(list: &mut [u32], mut base: u32, mut bits: u32) -> usize {
    let mut count = 0;
    while bits != 0 {
        let byte = bits & 0xff;
        let to = &mut list[count..count + ENTRY];
        for (to, place) in to.iter_mut().zip(PLACES[byte as usize]) {
            *to = base + u32::from(place);
        }
        count += byte.count_ones() as usize;
        bits >>= ENTRY;
        base += ENTRY as u32;
    }
    count
}
