//! Bandwidths: simple streaming kernels over buffers that live in L2, in L3, or in DRAM.

use std::hint::black_box;

use hopfield_peers::{machine, time_slice};
use memmap2::MmapMut;
use serde::Serialize;

use crate::streams::{Access, Kernel, TURN, Turn, kernels};

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

/// Buffers for all places, and the fastest kernel for each place and access.
pub struct Buffers {
    buffers: [MmapMut; 3],
    fastest: [[Kernel; 2]; 3],
}

impl Buffers {
    /// Tries every kernel everywhere, for `seconds` each.
    pub fn new(seconds: f64) -> Self {
        let mut buffers = Place::ALL.map(|place| {
            let mut pages = MmapMut::map_anon(place.buffer_bytes()).expect("there is memory");
            // As this crate's memories ask for them.
            #[cfg(target_os = "linux")]
            let _ = pages.advise(memmap2::Advice::HugePage);
            turns(&mut pages).fill(Turn([1.0; TURN]));
            pages
        });
        let fastest = Place::ALL.map(|place| {
            [Access::Read, Access::ReadWrite].map(|access| {
                let mut measure = |&(_, kernel): &Kernel| {
                    rate(kernel, turns(&mut buffers[place as usize]), seconds)
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
        let buffer = turns(&mut self.buffers[place as usize]);
        let passes = if access == Access::Read { 1.0 } else { 2.0 };
        passes * rate(kernel, buffer, seconds)
    }

    /// Streams of the fastest kernel.
    pub fn streams(&self, place: Place, access: Access) -> usize {
        self.fastest[place as usize][access as usize].0
    }
}

fn turns(pages: &mut MmapMut) -> &mut [Turn] {
    bytemuck::cast_slice_mut(pages)
}

/// Bytes a second, in one direction.
fn rate(kernel: fn(&mut [Turn]) -> usize, buffer: &mut [Turn], seconds: f64) -> f64 {
    let mut bytes = 0;
    let slice = time_slice(seconds, &mut || bytes = kernel(black_box(buffer)));
    bytes as f64 / slice.seconds
}
