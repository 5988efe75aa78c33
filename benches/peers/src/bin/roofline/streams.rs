//! The streaming kernels: sums, and scalings in place.

use std::hint::black_box;

use hopfield_kernels::Level;
use serde::Serialize;

/// What is done with a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// A sum.
    Read,
    /// A scaling in place; both directions count.
    ReadWrite,
}

/// Elements that a stream takes in turn.
pub const TURN: usize = 32;

/// Those elements: two cache lines.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct Turn(pub [f32; TURN]);

/// A kernel that goes through a buffer in so many streams at once, and tells how much of it.
pub type Kernel = (usize, fn(&mut [Turn]) -> usize);

/// The kernels for the best level: how many streams, and how many turns ahead is prefetched.
pub fn kernels(access: Access) -> [Kernel; 6] {
    macro_rules! of {
        ($level:ident) => {
            of!($level: 1 0, 2 0, 4 0, 8 0, 1 16, 2 8)
        };
        ($level:ident: $($streams:literal $ahead:literal),*) => {
            match access {
                Access::Read => [$(($streams, $level::sum::<$streams, $ahead>)),*],
                Access::ReadWrite => [$(($streams, $level::scale::<$streams, $ahead>)),*],
            }
        };
    }
    match Level::available().next().map(Level::name) {
        #[cfg(target_arch = "x86_64")]
        Some("avx512") => of!(avx512),
        #[cfg(target_arch = "x86_64")]
        Some("avx2") => of!(avx2),
        _ => of!(portable),
    }
}

/// Turns of a stream: a little less than its share, because streams that begin a power of two apart
/// would drive one another out of the caches.
fn part(turns: usize, streams: usize) -> usize {
    turns / streams - if streams > 1 { 5 } else { 0 }
}

/// Both kernels in a level's own instructions: what a compiler makes of plain loops has been seen
/// at half of their speed.
#[cfg(target_arch = "x86_64")]
macro_rules! level {
    ($level:ident, $features:literal, $vector:ident, $load:ident, $store:ident, $set:ident,
     $mul:ident, $max:ident) => {
        mod $level {
            use std::arch::x86_64::*;

            use super::{TURN, Turn, black_box, part};

            /// Elements of a vector, and vectors of a turn.
            const LANES: usize = size_of::<$vector>() / size_of::<f32>();
            const VECTORS: usize = TURN / LANES;

            /// Goes through the buffer; `each` is given the address of every vector and the place
            /// of its sum.
            #[inline]
            #[target_feature(enable = $features)]
            fn stream<const STREAMS: usize, const AHEAD: usize>(
                buffer: &mut [Turn],
                mut each: impl FnMut(*mut f32, &mut $vector),
            ) -> usize {
                let part = part(buffer.len(), STREAMS);
                let first = buffer.as_mut_ptr();
                let mut sums = [[$set(0.0); VECTORS]; STREAMS];
                for turn in 0..part {
                    for (stream, sums) in sums.iter_mut().enumerate() {
                        // SAFETY: `part` turns for each of the streams lie within the buffer; a
                        // prefetch may go anywhere.
                        unsafe {
                            let turn = first.add(stream * part + turn).cast::<f32>();
                            if AHEAD > 0 {
                                let later = turn.wrapping_add(AHEAD * TURN).cast::<i8>();
                                _mm_prefetch::<_MM_HINT_T0>(later);
                                _mm_prefetch::<_MM_HINT_T0>(later.wrapping_add(64));
                            }
                            for (vector, sum) in sums.iter_mut().enumerate() {
                                each(turn.add(vector * LANES), sum);
                            }
                        }
                    }
                }
                black_box(sums);
                part * STREAMS * size_of::<Turn>()
            }

            /// The highest of the elements, lane by lane.
            pub fn sum<const STREAMS: usize, const AHEAD: usize>(buffer: &mut [Turn]) -> usize {
                #[target_feature(enable = $features)]
                fn featured<const S: usize, const A: usize>(buffer: &mut [Turn]) -> usize {
                    stream::<S, A>(buffer, |address, sum| {
                        // SAFETY: an aligned vector of the buffer.
                        *sum = $max(*sum, unsafe { $load(address) });
                    })
                }
                // SAFETY: chosen where this level is available.
                unsafe { featured::<STREAMS, AHEAD>(buffer) }
            }

            /// Multiplies all elements by what happens to be 1.
            pub fn scale<const STREAMS: usize, const AHEAD: usize>(buffer: &mut [Turn]) -> usize {
                #[target_feature(enable = $features)]
                fn featured<const S: usize, const A: usize>(buffer: &mut [Turn]) -> usize {
                    let factor = $set(black_box(1.0));
                    stream::<S, A>(buffer, |address, _| {
                        // SAFETY: an aligned vector of the buffer.
                        unsafe { $store(address, $mul($load(address), factor)) }
                    })
                }
                // SAFETY: chosen where this level is available.
                unsafe { featured::<STREAMS, AHEAD>(buffer) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
level!(
    avx512,
    "avx512f",
    __m512,
    _mm512_load_ps,
    _mm512_store_ps,
    _mm512_set1_ps,
    _mm512_mul_ps,
    _mm512_max_ps
);
#[cfg(target_arch = "x86_64")]
level!(
    avx2,
    "avx2",
    __m256,
    _mm256_load_ps,
    _mm256_store_ps,
    _mm256_set1_ps,
    _mm256_mul_ps,
    _mm256_max_ps
);

/// Plain loops, in what the compiler makes of the baseline. Nothing is prefetched.
mod portable {
    use super::{TURN, Turn, black_box, part};

    pub fn sum<const STREAMS: usize, const AHEAD: usize>(buffer: &mut [Turn]) -> usize {
        let part = part(buffer.len(), STREAMS);
        let mut sums = [[0_u32; TURN]; STREAMS];
        for turn in 0..part {
            for (stream, sums) in sums.iter_mut().enumerate() {
                for (sum, element) in sums.iter_mut().zip(&buffer[stream * part + turn].0) {
                    *sum |= element.to_bits();
                }
            }
        }
        black_box(sums);
        part * STREAMS * size_of::<Turn>()
    }

    pub fn scale<const STREAMS: usize, const AHEAD: usize>(buffer: &mut [Turn]) -> usize {
        let part = part(buffer.len(), STREAMS);
        let factor = black_box(1.0);
        for turn in 0..part {
            for stream in 0..STREAMS {
                let turn = &mut buffer[stream * part + turn].0;
                turn.iter_mut().for_each(|element| *element *= factor);
            }
        }
        part * STREAMS * size_of::<Turn>()
    }
}
