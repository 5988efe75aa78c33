//! What this run is made on and of.

use std::fs::read_to_string;

use hopfield_kernels::Level;
use serde_json::{Value, json};

/// The processor, its cores, its levels and its caches.
pub fn describe() -> Value {
    let info = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let mut fields = info.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string())
    };
    let levels: Vec<_> = Level::available().map(Level::name).collect();
    json!({
        "cpu": field("model name").unwrap_or(std::env::consts::ARCH.into()),
        "cpu_family": field("cpu family"),
        "cpu_model": field("model"),
        "cores_usable": std::thread::available_parallelism().map_or(1, usize::from),
        "levels": levels,
        "l2": cache_bytes(2),
        "l3": cache_bytes(3),
    })
}

/// Bytes of the first core's cache of a level (1 to 3), where the system tells.
pub fn cache_bytes(level: usize) -> Option<usize> {
    let of = |index: usize, name: &str| {
        read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{name}"))
    };
    let mut found = (0..8).filter(|&index| {
        of(index, "level").is_ok_and(|text| text.trim() == level.to_string())
            && of(index, "type").is_ok_and(|text| text.trim() != "Instruction")
    });
    let size = of(found.next()?, "size").ok()?;
    Some(size.trim().strip_suffix('K')?.parse::<usize>().ok()? << 10)
}

/// A library's name and version, as built into this program.
pub fn version(package: &str) -> String {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let lock = include_str!("../Cargo.lock");
    let version = lock.split_once(&entry).and_then(|(_, rest)| rest.split('"').next());
    format!("{package} {}", version.unwrap_or("of an unknown version"))
}

/// The version of a Rust peer, with the level of this crate.
pub fn peer_version(peer: &str, level: Option<Level>) -> String {
    match (peer, level.or_else(|| Level::detect().ok())) {
        ("naive", _) => "plain loops, default target features".into(),
        ("hopfield", Some(level)) => format!("{} ({level})", version("hopfield-kernels")),
        _ => version(peer),
    }
}
