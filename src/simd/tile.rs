//! Sizes of register tiles as constants.

/// Rows that go through a kernel together: probes that share a block's scores, patterns that are
/// updated side by side.
pub(crate) const PROBE_TILE: usize = 6;

/// Does `$work` with `$p` the constant that `$size`, a number of rows up to `$most`, is: in a function of its
/// own for each, as the compiler keeps the accumulators of one tile in registers and not those of six in
/// one function.
macro_rules! for_tile_size {
    ($simd:ident, $size:expr, $most:expr, |$p:ident| $work:expr) => {
        for_tile_size!(@ $simd, $size, $most, $p, $work, 1 2 3 4 5 6)
    };
    (@ $simd:ident, $size:expr, $most:expr, $p:ident, $work:expr, $($count:literal)*) => {
        match $size {
            // Only levels with tiles that high have code for them.
            $($count if $count <= $most => $simd.vectorize(
                #[inline(always)]
                move || {
                    const $p: usize = $count;
                    $work
                },
            ),)*
            size => unreachable!("a vector of {size} rows"),
        }
    };
}
pub(crate) use for_tile_size;

/// Does `$work` for each piece of `$vectors` vectors, from left to right: `$g`, the constant size
/// of a piece, is 8 while there are as many and the registers hold a tile of `$p` such pieces, then
/// 4, 2, 1.
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

/// The most rows of a tile of sums of rows.
#[inline(always)]
pub(crate) const fn summed_rows(registers: usize) -> usize {
    if registers - 2 < PROBE_TILE { registers - 2 } else { PROBE_TILE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An accumulator for each row, a vector of the summed row and a broadcast.
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
