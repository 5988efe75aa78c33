//! The sizes of the caches of this machine. No result depends on them.

use std::sync::OnceLock;

/// Bytes of the caches that one core can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caches {
    pub l2: u64,
    /// Shared by some cores.
    pub l3: u64,
}

impl Caches {
    /// What most machines have at least, where the processor does not tell.
    pub const USUAL: Self = Self { l2: 1 << 20, l3: 32 << 20 };

    /// The caches of this machine.
    pub fn detect() -> Self {
        static DETECTED: OnceLock<Caches> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let size = |level, usual| of_level(level).filter(|size| *size > 0).unwrap_or(usual);
            Self { l2: size(2, Self::USUAL.l2), l3: size(3, Self::USUAL.l3) }
        })
    }
}

/// The size of a cache for data, if there is one.
#[cfg(target_arch = "x86_64")]
fn of_level(level: u8) -> Option<u64> {
    use raw_cpuid::{CacheType, CpuId};

    let caches = CpuId::new().get_cache_parameters()?;
    let holds_data = |kind| matches!(kind, CacheType::Data | CacheType::Unified);
    let of_data = caches.filter(|cache| cache.level() == level && holds_data(cache.cache_type()));
    let size = |cache: raw_cpuid::CacheParameter| {
        [cache.associativity(), cache.physical_line_partitions(), cache.coherency_line_size()]
            .into_iter()
            .chain([cache.sets()])
            .fold(1_u64, |size, factor| size.saturating_mul(factor as u64))
    };
    of_data.map(size).max()
}

/// Nothing is known of the caches of other processors.
#[cfg(not(target_arch = "x86_64"))]
fn of_level(_: u8) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_have_sizes_that_machines_have() {
        let Caches { l2, l3 } = Caches::detect();
        assert!((64 << 10..1 << 30).contains(&l2), "{l2}");
        assert!((256 << 10..1 << 40).contains(&l3), "{l3}");
    }
}
