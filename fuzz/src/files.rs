//! Files of patterns: any bytes, and saved patterns with bytes changed or cut off.

use std::path::Path;
use std::sync::OnceLock;

use hopfield_kernels::{Error, MapOptions, MatRef, Memory, Precision, Retrieval};
use testkit::data::Real;

use crate::input::{Input, folder};

/// Maps a file: patterns that can be recalled, or [`Error::File`].
pub fn files(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let template = input.between(0, TEMPLATES - 1);
    let sidecar = input.seldom(8);
    let file = match input.between(0, 2) {
        0 => input.rest().to_vec(),
        _ => changed(saved(template), &mut input),
    };
    let folder = folder();
    let path = folder.path().join("any");
    std::fs::write(&path, file).expect("a file");
    map::<f32>(&path, sidecar);
    map::<f64>(&path, sidecar);
}

fn map<T: Real>(path: &Path, sidecar: bool) {
    let options = || MapOptions::default().with_sidecar(sidecar);
    let memory = match Memory::<T>::map_with(path, options()) {
        Err(Error::File { path: named, reason }) => {
            assert_eq!(named, path.display().to_string());
            assert!(!reason.is_empty());
            return;
        }
        Err(error) => panic!("a file is refused by {error:?}"),
        Ok(memory) => memory,
    };
    let again = Memory::<T>::map_with(path, options()).expect("the same file");
    let bits = |norms: &[T]| norms.iter().map(|x| x.bits()).collect::<Vec<_>>();
    assert_eq!(bits(memory.squared_norms()), bits(again.squared_norms()));
    let plain = Memory::from_slice(&memory.to_rows(), memory.dim()).expect("patterns");
    let plain = match memory.values() {
        Some(values) => plain.with_values(values).expect("values"),
        None => plain,
    };
    let mut probes = [(); 2].map(|()| memory.to_rows()[..memory.dim()].to_vec());
    for (probe, memory) in probes.iter_mut().zip([&memory, &plain]) {
        if memory.value_dim().is_none() {
            Retrieval::new(T::ONE).apply(memory, probe).expect("a recall");
        }
    }
    let same = |a: &T, b: &T| a.bits() == b.bits() || a.is_nan() && b.is_nan();
    assert!(probes[0].iter().zip(&probes[1]).all(|(a, b)| same(a, b)), "{probes:?}");
}

const TEMPLATES: usize = 4;

/// Patterns as the crate saves them.
fn saved(template: usize) -> &'static [u8] {
    static SAVED: OnceLock<[Vec<u8>; TEMPLATES]> = OnceLock::new();
    let saved = SAVED.get_or_init(|| {
        let folder = folder();
        let memory = Memory::from([[1.0_f32, -2.0, 0.5], [0.25, 3.0, -1.5]]);
        let values = [1.0, 2.0];
        let with_values = memory.clone().with_values(MatRef::new(&values, 2, 1).expect("values"));
        let half = |precision| memory.clone().with_precision(precision).expect("patterns");
        [
            (memory.clone(), "a.npy"),
            (half(Precision::F16), "b.npy"),
            (with_values.expect("values"), "c.safetensors"),
            (half(Precision::Bf16), "d.safetensors"),
        ]
        .map(|(memory, name)| {
            let path = folder.path().join(name);
            memory.save(&path).expect("a file");
            std::fs::read(path).expect("a file")
        })
    });
    &saved[template]
}

/// With some bytes changed, and perhaps cut off.
fn changed(file: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut file = file.to_vec();
    for _ in 0..input.between(0, 8) {
        let at = input.between(0, file.len() - 1);
        file[at] = input.between(0, 255) as u8;
    }
    if input.seldom(4) {
        file.truncate(input.between(0, file.len()));
    }
    file
}
