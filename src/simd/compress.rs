//! Compress-store from a table, for levels that have no instruction for it.

/// Bits that one entry of the table covers.
const ENTRY: usize = 8;

/// For every byte, the positions of its set bits.
static SET_BITS: [[u8; ENTRY]; 256] = {
    let mut set_bits = [[0; ENTRY]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                set_bits[byte][count] = bit as u8;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    set_bits
};

/// [`Simd::append`](super::Simd::append), one byte of `bits` at a time.
#[inline(always)]
pub(super) fn append(list: &mut [u32], mut base: u32, mut bits: u32) -> usize {
    let mut count = 0;
    while bits != 0 {
        let byte = bits & 0xff;
        let to = &mut list[count..count + ENTRY];
        for (to, place) in to.iter_mut().zip(SET_BITS[byte as usize]) {
            *to = base + u32::from(place);
        }
        count += byte.count_ones() as usize;
        bits >>= ENTRY;
        base += ENTRY as u32;
    }
    count
}
