//! Saving and loading.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use hopfield_kernels::{
    Distribution, Error, HopfieldSynapse, MatRef, Record, Semantics, UpdateRule, WeightInit,
};
use ndarray::{Array1, Array2, ArrayD, aview0, aview1};
use ndarray_npy::{NpzReader, NpzWriter};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::naive::*;

/// Two synapses that differ in everything that can differ.
fn samples() -> [HopfieldSynapse<f64>; 2] {
    let mut ngc = ready(builder(Semantics::NgcLearn).eta(0.2).seed(0xffff_ffff_0000_0007));
    ngc.compile();
    ngc.set_eta(0.7).unwrap();
    ngc.advance_state().unwrap();
    let given = numbers(2 * DIM, 30);
    let mut standard = HopfieldSynapse::builder("a Gedächtnis", (DIM, PATTERNS))
        .semantics(Semantics::Standard)
        .update_rule(UpdateRule::Contrastive)
        .eta(0.1)
        .beta(2.0)
        .reg_lambda(0.01)
        .l1_lambda(0.001)
        .resist_scale(1.5)
        .p_conn(0.7)
        .weight_init(
            WeightInit::from(Distribution::Gaussian { mean: 0.1, std: 0.5 })
                .clipped(Some(-1.0), None),
        )
        .initial_pattern_rows(MatRef::new(&given, 2, DIM).unwrap())
        .batch_size(4)
        .seed(8)
        .negative_steps(2)
        .build()
        .unwrap();
    standard.set_inputs_driven(true);
    standard.set_inputs(MatRef::new(&probes(), 2, DIM).unwrap()).unwrap();
    standard.advance_and_evolve().unwrap();
    [ngc, standard]
}

fn assert_same(a: &HopfieldSynapse<f64>, b: &HopfieldSynapse<f64>) {
    for name in ["inputs", "outputs", "weights", "i_tick", "key"] {
        assert_eq!(a.compartment(name).unwrap(), b.compartment(name).unwrap(), "{name}");
    }
    for name in ["similarities", "memory_weights", "energy", "dWeights"] {
        assert_eq!(a.compartment(name), b.compartment(name), "{name}");
    }
    assert_eq!(a.energies(), b.energies());
    assert_eq!((a.name(), a.shape(), a.semantics()), (b.name(), b.shape(), b.semantics()));
    assert_eq!((a.update_rule(), a.record(), a.key()), (b.update_rule(), b.record(), b.key()));
    assert_eq!((a.eta(), a.beta()), (b.eta(), b.beta()));
    assert_eq!((a.reg_lambda(), a.l1_lambda()), (b.reg_lambda(), b.l1_lambda()));
    assert_eq!((a.resist_scale(), a.p_conn()), (b.resist_scale(), b.p_conn()));
    assert_eq!((a.batch_size(), a.negative_steps()), (b.batch_size(), b.negative_steps()));
    assert_eq!((a.weight_init(), a.inputs_driven()), (b.weight_init(), b.inputs_driven()));
    assert_eq!((a.permutation(), a.connections()), (b.permutation(), b.connections()));
}

#[test]
fn what_is_saved_is_loaded_and_lives_on() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("synapse.npz");
    for mut synapse in samples() {
        synapse.save(&path).unwrap();
        let mut loaded = HopfieldSynapse::<f64>::load(&path).unwrap();
        assert_same(&synapse, &loaded);
        for both in [&mut synapse, &mut loaded] {
            both.evolve().unwrap();
            both.advance_and_evolve().unwrap();
        }
        assert_same(&synapse, &loaded);
        for both in [&mut synapse, &mut loaded] {
            both.reset();
        }
        assert_same(&synapse, &loaded);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the file");
}

#[test]
fn every_distribution_and_record_is_loaded() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("synapse.npz");
    let distributions = [
        Distribution::Constant { value: 0.5 },
        Distribution::Uniform { low: 0.1, high: 0.2 },
        Distribution::Gaussian { mean: 0.1, std: 0.2 },
        Distribution::LogGaussian { sigma: 0.2 },
        Distribution::FanInUniform,
        Distribution::FanInGaussian,
    ];
    for (bits, distribution) in (0..16).zip(distributions.into_iter().cycle()) {
        let bit = |at: usize| bits >> at & 1 == 1;
        let record = Record {
            similarities: bit(0),
            memory_weights: bit(1),
            energy: bit(2),
            d_weights: bit(3),
        };
        let init = WeightInit::from(distribution).clipped(None, Some(0.7));
        let mut synapse =
            builder(Semantics::Standard).weight_init(init).record(record).build().unwrap();
        synapse.advance_state().unwrap();
        synapse.save(&path).unwrap();
        let mut loaded = HopfieldSynapse::<f64>::load(&path).unwrap();
        assert_same(&synapse, &loaded);
        // Without memory weights there is nothing to learn from until the next recall.
        assert_eq!(loaded.evolve().is_ok(), record.memory_weights);
    }
}

#[test]
fn the_members_are_ngc_learns() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("synapse.npz");
    let [synapse, _] = samples();
    synapse.save(&path).unwrap();
    let mut npz = NpzReader::new(File::open(&path).unwrap()).unwrap();
    for name in
        ["inputs", "outputs", "weights", "similarities", "memory_weights", "energy", "dWeights"]
    {
        let array: Array2<f64> = npz.by_name(name).unwrap();
        let expected = synapse.compartment(name).unwrap();
        assert_eq!(array.dim(), expected.shape(), "{name}");
        assert!(array.iter().eq(expected.values()), "{name}");
    }
    let tick: Array2<u64> = npz.by_name("i_tick").unwrap();
    assert_eq!(tick[[0, 0]], 1);
    let key: Array1<u32> = npz.by_name("key").unwrap();
    assert_eq!(key.to_vec(), [0xffff_ffff, 7]);
    for name in ["eta", "beta", "reg_lambda", "l1_lambda", "resist_scale", "p_conn"] {
        assert!(npz.by_name::<ndarray::OwnedRepr<f64>, ndarray::Ix0>(name).is_ok(), "{name}");
    }
}

fn refusal(path: &Path) -> String {
    match HopfieldSynapse::<f64>::load(path) {
        Err(Error::File { path: found, reason }) => {
            assert_eq!(found, path.display().to_string());
            assert!(!reason.contains('\n'), "{reason}");
            reason
        }
        other => panic!("expected a refusal, got {:?}", other.map(|synapse| synapse.shape())),
    }
}

#[test]
fn what_is_no_synapse_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file.npz");
    assert!(refusal(&path).contains("expected a file"), "no file at all");
    assert!(refusal(folder.path()).contains("expected"), "a folder");
    for bytes in [&b""[..], b"PK", b"this is text, and not an archive"] {
        fs::write(&path, bytes).unwrap();
        assert!(refusal(&path).contains("expected a whole .npz archive"));
    }
    let mut npz = NpzWriter::new(File::create(&path).unwrap());
    npz.add_array("weights", &aview1(&[1.0, 2.0])).unwrap();
    npz.add_array("bias", &aview1(&[1.0])).unwrap();
    npz.finish().unwrap();
    let reason = refusal(&path);
    assert!(reason.contains("hopfield_synapse") && reason.contains("[weights, bias]"), "{reason}");
}

#[test]
fn a_file_that_ends_anywhere_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file.npz");
    let [synapse, _] = samples();
    synapse.save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        refusal(&path);
    }
    // A byte of the data that has changed is seen by the archive's checksum.
    let at = whole.windows(8).position(|eight| eight == 0.7_f64.to_le_bytes()).unwrap();
    let mut damaged = whole.clone();
    damaged[at] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert!(refusal(&path).starts_with("eta:"));
}

/// Copies a saved synapse without one member, or with another in its place.
fn alter<A>(whole: &Path, name: &str, replacement: Option<&A>) -> PathBuf
where
    A: ndarray_npy::WriteNpyExt + ?Sized,
{
    let path = whole.with_file_name("altered.npz");
    let mut from = NpzReader::new(File::open(whole).unwrap()).unwrap();
    let mut to = NpzWriter::new(File::create(&path).unwrap());
    for member in from.names().unwrap() {
        if member == name {
            if let Some(array) = replacement {
                to.add_array(name, array).unwrap();
            }
        } else if let Ok(array) = from.by_name::<ndarray::OwnedRepr<f64>, ndarray::IxDyn>(&member) {
            to.add_array(member, &array).unwrap();
        } else if let Ok(array) = from.by_name::<ndarray::OwnedRepr<u64>, ndarray::IxDyn>(&member) {
            to.add_array(member, &array).unwrap();
        } else if let Ok(array) = from.by_name::<ndarray::OwnedRepr<u32>, ndarray::IxDyn>(&member) {
            to.add_array(member, &array).unwrap();
        } else if let Ok(array) = from.by_name::<ndarray::OwnedRepr<u8>, ndarray::IxDyn>(&member) {
            to.add_array(member, &array).unwrap();
        } else {
            let array: ArrayD<bool> = from.by_name(&member).unwrap();
            to.add_array(member, &array).unwrap();
        }
    }
    to.finish().unwrap();
    path
}

#[test]
fn members_that_are_missing_or_wrong_are_named() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole.npz");
    let [_, synapse] = samples();
    synapse.save(&whole).unwrap();
    let copied = alter(&whole, "no such member", None::<&Array1<f64>>);
    assert_same(&HopfieldSynapse::load(copied).unwrap(), &synapse);

    let mut npz = NpzReader::new(File::open(&whole).unwrap()).unwrap();
    for name in npz.names().unwrap() {
        if name == "permutation" {
            continue; // Its absence says that nothing was shuffled.
        }
        let reason = refusal(&alter(&whole, &name, None::<&Array1<f64>>));
        assert!(reason.contains(&name), "{name}: {reason}");
        let reason = refusal(&alter(&whole, &name, Some(&Array2::<i8>::zeros((1, 1)))));
        assert!(reason.starts_with(&format!("{name}: expected dtype")), "{reason}");
        assert!(reason.contains("got '|i1'"), "{reason}");
        if name != "weights" {
            let floats = refusal(&alter(&whole, &name, Some(&ArrayD::<f64>::zeros(vec![1; 3]))));
            assert!(floats.starts_with(&format!("{name}: expected")), "{floats}");
        }
    }
    let wide = Array2::<f64>::zeros((DIM, PATTERNS + 1));
    for name in ["inputs", "outputs", "similarities", "memory_weights", "dWeights"] {
        let reason = refusal(&alter(&whole, name, Some(&wide)));
        assert!(reason.starts_with(&format!("{name}: expected shape")), "{reason}");
        assert!(reason.ends_with("got 3 x 6"), "{reason}");
    }
    let reason = refusal(&alter(&whole, "weights", Some(&Array2::<f64>::zeros((DIM, 0)))));
    assert!(reason.contains("expected at least one"), "{reason}");
}

#[test]
fn values_outside_their_domain_are_refused() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole.npz");
    let [ngc, standard] = samples();
    standard.save(&whole).unwrap();
    for name in ["eta", "beta", "reg_lambda", "l1_lambda", "resist_scale", "p_conn", "recall_beta"]
    {
        let reason = refusal(&alter(&whole, name, Some(&aview0(&f64::NAN))));
        assert!(reason.starts_with(name), "{name}: {reason}");
    }
    for (name, bad) in [("batch_size", 0_u64), ("batch_size", u64::MAX), ("negative_steps", 0)] {
        let reason = refusal(&alter(&whole, name, Some(&aview0(&bad))));
        assert!(reason.starts_with(name), "{name}: {reason}");
    }
    let reason = refusal(&alter(&whole, "permutation", Some(&aview1(&[0_u64, 1, 2, 3, 3]))));
    assert!(reason.starts_with("permutation"), "{reason}");
    let reason = refusal(&alter(&whole, "name", Some(&aview1(&[0xff_u8]))));
    assert!(reason.starts_with("name: expected UTF-8"), "{reason}");
    let reason = refusal(&alter(&whole, "weight_init", Some(&aview1(&[9.0, 0.0, 0.0, 0.0, 0.0]))));
    assert!(reason.starts_with("weight_init"), "{reason}");
    let reason = refusal(&alter(&whole, "hopfield_synapse", Some(&aview0(&2_u32))));
    assert!(reason.contains("expected version 1, got 2"), "{reason}");
    ngc.save(&whole).unwrap();
    let reason = refusal(&alter(&whole, "compiled", Some(&aview1(&[0.0, -1.0, 0.0, 0.0]))));
    assert!(reason.starts_with("beta"), "{reason}");
}

#[test]
fn the_other_element_type_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file.npz");
    HopfieldSynapse::<f32>::builder("W", (2, 2)).build().unwrap().save(&path).unwrap();
    let reason = refusal(&path);
    assert!(reason.contains("expected dtype float64, got '<f4'"), "{reason}");
}

#[test]
fn a_save_that_fails_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let [synapse, _] = samples();
    let nowhere = folder.path().join("no such folder").join("file.npz");
    assert!(matches!(synapse.save(&nowhere), Err(Error::File { .. })));
    assert!(matches!(synapse.save(".."), Err(Error::File { .. })));

    // A folder in the file's place: the rename fails, after all has been written.
    let taken = folder.path().join("taken.npz");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("precious"), b"kept").unwrap();
    let refused = synapse.save(&taken).unwrap_err();
    assert!(matches!(refused, Error::File { .. }), "{refused}");
    assert_eq!(fs::read(taken.join("precious")).unwrap(), b"kept");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no file is left behind");
}

/// A `.npy` that has this header, of a version, and then some bytes.
fn npy(version: u8, header: &str, rest: &[u8]) -> Vec<u8> {
    let length = header.len() as u32;
    let length = &length.to_le_bytes()[..if version == 1 { 2 } else { 4 }];
    [b"\x93NUMPY", &[version, 0][..], length, header.as_bytes(), rest].concat()
}

/// Copies a saved synapse with the bytes of one member replaced.
fn forge(whole: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = whole.with_file_name("forged.npz");
    let mut from = ZipArchive::new(File::open(whole).unwrap()).unwrap();
    let mut to = ZipWriter::new(File::create(&path).unwrap());
    for index in 0..from.len() {
        let member = from.by_index_raw(index).unwrap();
        if member.name().trim_end_matches(".npy") == name {
            to.start_file(member.name(), SimpleFileOptions::default()).unwrap();
            to.write_all(bytes).unwrap();
        } else {
            to.raw_copy_file(member).unwrap();
        }
    }
    to.finish().unwrap();
    path
}

/// A file of a few kilobytes must not make the process ask for room that no machine has, or call
/// itself until the stack ends.
#[test]
fn headers_that_claim_too_much_are_refused() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole.npz");
    let [ngc, _] = samples();
    ngc.save(&whole).unwrap();
    let dict = |kind: &str, shape: &str| {
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")
    };
    let mut npz = NpzReader::new(File::open(&whole).unwrap()).unwrap();
    let names = npz.names().unwrap();
    for (name, kind) in names.iter().flat_map(|name| ["<f8", "<u8", "|b1"].map(|kind| (name, kind)))
    {
        for shape in [
            "(1099511627776, 1099511627776)",
            "(18446744073709551615,)",
            "(99999999999999999999999, 3)",
            "(3, 4611686018427387904)",
            "(4294967296,)",
        ] {
            let reason = refusal(&forge(&whole, name, &npy(1, &dict(kind, shape), &[0; 64])));
            assert!(reason.starts_with(&format!("{name}: expected at most")), "{reason}");
        }
        // No elements, and so no bytes; but a side that nobody has.
        let sides = npy(1, &dict(kind, "(0, 4611686018427387904)"), &[]);
        let reason = refusal(&forge(&whole, name, &sides));
        assert!(reason.contains(": expected"), "{name}: {reason}");
        assert!(name == "batch_size" || !reason.starts_with("batch_size"), "{name}: {reason}");
    }
    let far = format!("{}{}", " ".repeat(5000), dict("<f8", "(1099511627776,)"));
    let brackets = format!("{}\n", "(".repeat(60_000));
    let braces = format!("{}\n", "{".repeat(4000));
    for (what, bytes) in [
        ("a shape behind blanks", npy(1, &far, &[0; 64])),
        ("the same, of version 2", npy(2, &far, &[0; 64])),
        ("brackets", npy(1, &brackets, &[])),
        ("braces", npy(1, &braces, &[])),
        ("4 GiB of header", [&npy(2, "", &[])[..8], &[0xff; 4], &[b' '; 100]].concat()),
        ("an escaped key", npy(1, &dict("<f8", "(1, )").replace("shape", "\\x73hape"), &[0; 8])),
    ] {
        let reason = refusal(&forge(&whole, "weights", &bytes));
        assert!(reason.starts_with("weights: expected a header"), "{what}: {reason}");
    }
}

/// Counts that are read and not measured: a batch that no machine has room for.
#[test]
fn counts_that_claim_too_much_are_refused() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole.npz");
    let [_, standard] = samples();
    standard.save(&whole).unwrap();
    for count in [1_u64 << 46, 1 << 60, u64::MAX] {
        let reason = refusal(&alter(&whole, "batch_size", Some(&aview0(&count))));
        assert!(reason.starts_with("batch_size: expected at least 1, and a batch"), "{reason}");
    }
}
