//! Bandwidths: simple streaming kernels over buffers that live in L2, in L3, or in DRAM.

use std::hint::black_box;

use hopfield_kernels::Level;
use hopfield_peers::{machine, time_slice};
use serde::Serialize;

/// Where data lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Place {
    /// The core's own second cache.
    L2,
    /// The cache that cores share.
    L3,
    /// Main memory.
    Dram,
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// A sum.
    Read,
    /// A scaling in place; both directions count.
    ReadWrite,
}

impl Place {
    /// All of them, the nearest first.
    pub const ALL: [Self; 3] = [Self::L2, Self::L3, Self::Dram];

    /// The nearest place that holds so many bytes.
    pub fn of(bytes: f64) -> Self {
        let size = |level, default| machine::cache_bytes(level).unwrap_or(default) as f64;
        match bytes {
            _ if bytes <= size(2, 1 << 20) => Self::L2,
            _ if bytes <= size(3, 32 << 20) => Self::L3,
            _ => Self::Dram,
        }
    }

    fn buffer_bytes(self) -> usize {
        match self {
            Self::L2 => 512 << 10,
            Self::L3 => 8 << 20,
            Self::Dram => 256 << 20,
        }
    }
}

/// Elements that a stream takes in turn.
const TURN: usize = 32;

/// Those elements: two cache lines.
#[derive(Clone)]
#[repr(align(64))]
struct Turn([f32; TURN]);

/// A kernel that goes through a buffer in so many streams at once, and tells how much of it.
type Kernel = (usize, fn(&mut [Turn]) -> usize);

/// Buffers for all places, and the fastest kernel for each place and access.
pub struct Buffers {
    buffers: [Vec<Turn>; 3],
    fastest: [[Kernel; 2]; 3],
}

impl Buffers {
    /// Tries every kernel everywhere, for `seconds` each.
    pub fn new(seconds: f64) -> Self {
        let mut buffers = Place::ALL
            .map(|place| vec![Turn([1.0; TURN]); place.buffer_bytes() / size_of::<Turn>()]);
        let fastest = Place::ALL.map(|place| {
            [Access::Read, Access::ReadWrite].map(|access| {
                let mut measure = |&(_, kernel): &Kernel| {
                    let buffer = &mut buffers[place as usize];
                    rate(kernel, buffer, seconds)
                };
                let kernels = kernels(access).map(|kernel| (measure(&kernel), kernel));
                let fastest = kernels.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
                fastest.expect("there are kernels").1
            })
        });
        Self { buffers, fastest }
    }

    /// Bytes a second.
    pub fn rate(&mut self, place: Place, access: Access, seconds: f64) -> f64 {
        let (_, kernel) = self.fastest[place as usize][access as usize];
        let buffer = &mut self.buffers[place as usize];
        let passes = if access == Access::Read { 1.0 } else { 2.0 };
        passes * rate(kernel, buffer, seconds)
    }

    /// Streams of the fastest kernel.
    pub fn streams(&self, place: Place, access: Access) -> usize {
        self.fastest[place as usize][access as usize].0
    }
}

/// Bytes a second, in one direction.
fn rate(kernel: fn(&mut [Turn]) -> usize, buffer: &mut [Turn], seconds: f64) -> f64 {
    let mut bytes = 0;
    let slice = time_slice(seconds, &mut || bytes = kernel(black_box(buffer)));
    bytes as f64 / slice.seconds
}

/// The kernels, compiled for the best level.
fn kernels(access: Access) -> [Kernel; 4] {
    macro_rules! compiled_for {
        ($featured:ident) => {
            match access {
                Access::Read => [
                    (1, |b| $featured(b, sum::<1>)),
                    (2, |b| $featured(b, sum::<2>)),
                    (4, |b| $featured(b, sum::<4>)),
                    (8, |b| $featured(b, sum::<8>)),
                ],
                Access::ReadWrite => [
                    (1, |b| $featured(b, scale::<1>)),
                    (2, |b| $featured(b, scale::<2>)),
                    (4, |b| $featured(b, scale::<4>)),
                    (8, |b| $featured(b, scale::<8>)),
                ],
            }
        };
    }
    match Level::available().next().map(Level::name) {
        #[cfg(target_arch = "x86_64")]
        Some("avx512") => compiled_for!(avx512),
        #[cfg(target_arch = "x86_64")]
        Some("avx2") => compiled_for!(avx2),
        _ => compiled_for!(baseline),
    }
}

#[cfg(target_arch = "x86_64")]
fn avx512(buffer: &mut [Turn], kernel: impl Fn(&mut [Turn]) -> usize) -> usize {
    #[target_feature(enable = "avx512f")]
    fn featured(buffer: &mut [Turn], kernel: impl Fn(&mut [Turn]) -> usize) -> usize {
        kernel(buffer)
    }
    // SAFETY: chosen where this level is available.
    unsafe { featured(buffer, kernel) }
}

#[cfg(target_arch = "x86_64")]
fn avx2(buffer: &mut [Turn], kernel: impl Fn(&mut [Turn]) -> usize) -> usize {
    #[target_feature(enable = "avx2")]
    fn featured(buffer: &mut [Turn], kernel: impl Fn(&mut [Turn]) -> usize) -> usize {
        kernel(buffer)
    }
    // SAFETY: chosen where this level is available.
    unsafe { featured(buffer, kernel) }
}

fn baseline(buffer: &mut [Turn], kernel: impl Fn(&mut [Turn]) -> usize) -> usize {
    kernel(buffer)
}

/// Turns of a stream: a little less than its share, because streams that begin a power of two apart
/// would drive one another out of the caches.
fn part(buffer: &[Turn], streams: usize) -> usize {
    buffer.len() / streams - if streams > 1 { 5 } else { 0 }
}

/// Sums the bits of all elements.
#[inline(always)]
fn sum<const STREAMS: usize>(buffer: &mut [Turn]) -> usize {
    let part = part(buffer, STREAMS);
    let streams: [_; STREAMS] = std::array::from_fn(|s| &buffer[s * part..][..part]);
    let mut sums = [[0_u32; TURN]; STREAMS];
    for turn in 0..part {
        for (sums, stream) in sums.iter_mut().zip(&streams) {
            for (sum, element) in sums.iter_mut().zip(&stream[turn].0) {
                *sum = sum.wrapping_add(element.to_bits());
            }
        }
    }
    black_box(sums);
    part * STREAMS * size_of::<Turn>()
}

/// Multiplies all elements by what happens to be 1.
#[inline(always)]
fn scale<const STREAMS: usize>(buffer: &mut [Turn]) -> usize {
    let factor = black_box(1.0);
    let part = part(buffer, STREAMS);
    let mut rest = buffer;
    let mut streams: [_; STREAMS] = std::array::from_fn(|_| {
        let (stream, others) = std::mem::take(&mut rest).split_at_mut(part);
        rest = others;
        stream
    });
    for turn in 0..part {
        for stream in &mut streams {
            stream[turn].0.iter_mut().for_each(|element| *element *= factor);
        }
    }
    part * STREAMS * size_of::<Turn>()
}
