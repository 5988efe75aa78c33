//! Sizes of register tiles, as constants.

/// The most rows of a tile: probes that share a block of patterns, or patterns that are updated
/// together.
pub(crate) const PROBE_TILE: usize = 6;

/// Evaluates `$work` with `$p` as a constant equal to `$size`, a number of rows up to `$most`. Each
/// size gets a function of its own, because the compiler keeps the accumulators of one tile in
/// registers, but not those of six tiles in one function.
macro_rules! for_tile_size {
    ($simd:ident, $size:expr, $most:expr, |$p:ident| $work:expr) => {
        for_tile_size!(@ $simd, $size, $most, $p, $work, 1 2 3 4 5 6)
    };
    (@ $simd:ident, $size:expr, $most:expr, $p:ident, $work:expr, $($count:literal)*) => {
        match $size {
            // Code exists only for the tiles that the level has: `$most` is a constant.
            $($count if $count <= $most => $simd.vectorize(
                #[inline(always)]
                move || {
                    const $p: usize = $count;
                    $work
                },
            ),)*
            size => unreachable!("a tile of {size} rows"),
        }
    };
}
pub(crate) use for_tile_size;

/// Evaluates `$work` for consecutive strips of `$vectors` vectors, from left to right. A strip
/// starts at vector `$at`. Its size `$g` is a constant: 8 while 8 vectors are left and the
/// registers hold a tile of `$p` rows and 8 vectors, then 4, 2 and 1.
macro_rules! for_each_strip {
    ($vectors:expr, $p:ident, |$at:ident, $g:ident| $work:expr) => {{
        let mut $at = 0;
        for_each_strip!(@ $vectors, $p, $at, $g, $work, 8 4 2 1);
    }};
    (@ $vectors:expr, $p:ident, $at:ident, $g:ident, $work:expr, $($size:literal)*) => {$(
        if $size == 1 || ($p + 1) * $size < <S as $crate::simd::Simd<T>>::REGISTERS {
            const $g: usize = $size;
            while $at + $g <= $vectors {
                $work;
                $at += $g;
            }
        }
    )*};
}
pub(crate) use for_each_strip;

/// The most rows of a register tile of a projection.
#[inline(always)]
pub(crate) const fn summed_rows(registers: usize) -> usize {
    if registers - 2 < PROBE_TILE { registers - 2 } else { PROBE_TILE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One accumulator per row, one vector of the pattern and one broadcast.
    #[test]
    fn the_registers_hold_a_tile_of_summed_rows() {
        for registers in 3..=64 {
            let rows = summed_rows(registers);
            assert!(
                (1..=PROBE_TILE).contains(&rows) && rows + 2 <= registers,
                "{registers}: {rows}"
            );
            assert!(
                rows == PROBE_TILE || rows + 3 > registers,
                "{registers} hold more than {rows}"
            );
        }
    }
}
