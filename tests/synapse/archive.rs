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
        let record = Record::nothing()
            .with_similarities(bit(0))
            .with_memory_weights(bit(1))
            .with_energy(bit(2))
            .with_d_weights(bit(3));
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
        } else if let Ok(array) = from.by_name::<ndarray::OwnedRepr<f32>, ndarray::IxDyn>(&member) {
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
        // Without the mark it is a file of ngc-learn's.
        if name != "hopfield_synapse" {
            let reason = refusal(&alter(&whole, &name, None::<&Array1<f64>>));
            assert!(reason.contains(&name), "{name}: {reason}");
        }
        let text = npy(1, &dict("<U1", "(1, 1)"), &[0; 4]);
        let reason = refusal(&forge(&whole, &name, &text));
        assert!(reason.starts_with(&format!("{name}: expected dtype")), "{reason}");
        assert!(reason.contains("got '<U1'"), "{reason}");
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
fn the_other_element_type_is_loaded_where_it_fits() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file.npz");
    let single = HopfieldSynapse::<f32>::builder("W", (2, 2)).eta(0.1).build().unwrap();
    single.save(&path).unwrap();
    let double = HopfieldSynapse::<f64>::load(&path).unwrap();
    assert_eq!(double.eta(), f64::from(0.1_f32));
    let same = double.weights().iter().zip(single.weights()).all(|(&d, s)| d == f64::from(s));
    assert!(same);
    // And not where it does not.
    HopfieldSynapse::<f64>::builder("W", (2, 2)).eta(0.1).build().unwrap().save(&path).unwrap();
    match HopfieldSynapse::<f32>::load(&path) {
        Err(Error::File { reason, .. }) => assert_eq!(
            reason,
            "eta: expected dtype float32, got float64 0.1, which float32 does not hold exactly"
        ),
        other => panic!("expected a refusal, got {:?}", other.map(|synapse| synapse.shape())),
    }
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

/// A NumPy type, the bytes of an element, and numbers of it that every wanted type holds.
const KINDS: [(&str, usize); 14] = [
    ("|b1", 1),
    ("|i1", 1),
    ("<i2", 2),
    ("<i4", 4),
    (">i4", 4),
    ("<i8", 8),
    ("|u1", 1),
    ("<u2", 2),
    ("<u4", 4),
    ("<u8", 8),
    (">f2", 2),
    ("<f2", 2),
    ("<f4", 4),
    (">f8", 8),
];

/// The element 1 of a type.
fn one(kind: &str, size: usize) -> Vec<u8> {
    let mut bytes = match &kind[1..] {
        "f2" => 0x3c00_u16.to_le_bytes().to_vec(),
        "f4" => 1_f32.to_le_bytes().to_vec(),
        "f8" => 1_f64.to_le_bytes().to_vec(),
        _ => 1_u64.to_le_bytes()[..size].to_vec(),
    };
    if kind.starts_with('>') {
        bytes.reverse();
    }
    bytes
}

fn dict(kind: &str, shape: &str) -> String {
    format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

#[test]
fn numbers_of_every_type_are_numbers() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole.npz");
    let [_, standard] = samples();
    standard.save(&whole).unwrap();
    for (kind, size) in KINDS {
        let scalar = npy(1, &dict(kind, "()"), &one(kind, size));
        let eta = forge(&whole, "eta", &scalar);
        assert_eq!(HopfieldSynapse::<f64>::load(eta).unwrap().eta(), 1.0, "{kind}");
        let steps = forge(&whole, "negative_steps", &scalar);
        assert_eq!(HopfieldSynapse::<f64>::load(steps).unwrap().negative_steps(), 1, "{kind}");
        let rule = forge(&whole, "contrastive", &scalar);
        let rule = HopfieldSynapse::<f64>::load(rule).unwrap().update_rule();
        assert_eq!(rule, UpdateRule::Contrastive, "{kind}");
        let ones = one(kind, size).repeat(DIM * PATTERNS);
        let shape = format!("({DIM}, {PATTERNS})");
        let weights = forge(&whole, "weights", &npy(1, &dict(kind, &shape), &ones));
        let loaded = HopfieldSynapse::<f64>::load(weights).unwrap();
        let connected = loaded.connections().unwrap();
        assert_eq!(connected.len(), DIM * PATTERNS);
        assert!(loaded.weights().iter().all(|&w| w == 0.0 || w == 1.0), "{kind}");
        assert!(loaded.weights().contains(&1.0), "{kind}");
    }
    // And what is no number is not.
    for kind in ["<U3", "|S2", "<c8", "|V8", "|O"] {
        let reason = refusal(&forge(&whole, "eta", &npy(1, &dict(kind, "()"), &[0; 16])));
        assert!(reason.starts_with("eta: expected dtype float64"), "{reason}");
        assert!(reason.contains(&format!("got '{kind}'")), "{reason}");
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole.npz");
    HopfieldSynapse::<f32>::builder("W", (2, 2)).build().unwrap().save(&whole).unwrap();
    let load = |path: PathBuf| match HopfieldSynapse::<f32>::load(path) {
        Ok(_) => None,
        Err(Error::File { reason, .. }) => Some(reason),
        Err(error) => panic!("{error}"),
    };
    // `eta = 0.25` as NumPy saves it, and one that float32 does not hold.
    assert_eq!(load(alter(&whole, "eta", Some(&aview0(&0.25_f64)))), None);
    let reason = load(alter(&whole, "eta", Some(&aview0(&0.1_f64)))).unwrap();
    assert_eq!(
        reason,
        "eta: expected dtype float32, got float64 0.1, which float32 does not hold exactly"
    );
    let many = Array2::from_elem((2, 2), (1_i64 << 24) + 1);
    let reason = load(alter(&whole, "weights", Some(&many))).unwrap();
    assert!(reason.starts_with("weights: expected dtype float32, got int64 16777217"), "{reason}");
    for (name, number) in [("batch_size", -1.0), ("batch_size", 1.5), ("standard", 2.0)] {
        let reason = load(alter(&whole, name, Some(&aview0(&number)))).unwrap();
        assert!(reason.starts_with(&format!("{name}: expected dtype")), "{reason}");
        assert!(reason.contains(&format!("got float64 {number}")), "{reason}");
    }
    // NaN and infinities are numbers of both types: what they mean is for the member to say.
    let reason = load(alter(&whole, "eta", Some(&aview0(&f64::INFINITY)))).unwrap();
    assert!(reason.starts_with("eta: expected a finite number"), "{reason}");
}

/// Files as ngc-learn's component saves them: its compartments, of which `weights` is what was
/// learned.
#[test]
fn weights_come_in_from_ngc_learns_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("H1.npz");
    let weights = Array2::from_shape_fn((3, 2), |(d, n)| 0.5 * (d as f32) - n as f32);
    let write = |names: &[&str]| {
        let mut npz = NpzWriter::new(File::create(&path).unwrap());
        npz.add_array("weights", &weights).unwrap();
        for &name in names {
            npz.add_array(name, &Array2::<f32>::zeros((1, 3))).unwrap();
        }
        npz.finish().unwrap();
    };
    for names in [&[][..], &["inputs", "outputs", "biases", "gate", "i_tick"]] {
        write(names);
        let loaded = HopfieldSynapse::<f32>::load(&path).unwrap();
        assert_eq!((loaded.name(), loaded.shape()), ("H1", (3, 2)));
        assert_eq!(
            (loaded.beta(), loaded.eta(), loaded.semantics()),
            (8.0, 0.0, Semantics::NgcLearn)
        );
        assert!(loaded.weights().iter().eq(weights.iter()));
        // In double precision too, and into a component that has been built.
        let wide = HopfieldSynapse::<f64>::load(&path).unwrap();
        assert!(wide.weights().iter().zip(&weights).all(|(&wide, &w)| wide == f64::from(w)));
        let mut built = HopfieldSynapse::<f32>::builder("W", (3, 2)).beta(2.0).build().unwrap();
        built.load_weights(&path).unwrap();
        assert_eq!((built.name(), built.beta()), ("W", 2.0));
        assert!(built.weights().iter().eq(weights.iter()));
        assert_eq!(built.memory().squared_norms(), loaded.memory().squared_norms());
    }
    // Of another shape: nothing changes.
    let mut other = HopfieldSynapse::<f32>::builder("W", (2, 3)).build().unwrap();
    let before = other.weights();
    let refused = other.load_weights(&path).unwrap_err().to_string();
    assert!(refused.contains("weights: expected shape 2 x 3, got 3 x 2"), "{refused}");
    assert_eq!(other.weights(), before);
    // And from one of our own files.
    let trained = HopfieldSynapse::<f32>::builder("W", (2, 3)).seed(3).build().unwrap();
    trained.save(&path).unwrap();
    other.load_weights(&path).unwrap();
    assert_eq!(other.weights(), trained.weights());
}

/// Members are marked as NumPy marks its own, so that those of 4 GiB and more fit.
#[test]
fn members_may_be_of_any_size() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file.npz");
    let [synapse, _] = samples();
    synapse.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut archive = ZipArchive::new(File::open(&path).unwrap()).unwrap();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).unwrap();
        let header = &bytes[member.header_start() as usize..];
        let (sizes, name) = (&header[18..26], u16::from_le_bytes([header[26], header[27]]));
        let extra = &header[30 + usize::from(name)..];
        assert_eq!(sizes, [0xff; 8], "{}: sizes are in the zip64 field", member.name());
        assert_eq!(extra[..2], [1, 0], "{}: a zip64 field", member.name());
    }
}

/// `cargo test --release --test synapse -- --ignored` (a minute, 15 GB of memory and 5 of disk).
#[test]
#[ignore = "a file of 4.3 GB"]
fn a_synapse_of_more_than_4_gib_is_saved_and_loaded() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("large.npz");
    let (dim, patterns) = (1_000, 1_075_000);
    let record = Record::nothing();
    let init = Distribution::Uniform { low: 0.0, high: 1.0 };
    let synapse = HopfieldSynapse::<f32>::builder("W", (dim, patterns))
        .weight_init(init)
        .record(record)
        .build()
        .unwrap();
    synapse.save(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 1 << 32);
    let loaded = HopfieldSynapse::<f32>::load(&path).unwrap();
    assert_eq!(loaded.shape(), (dim, patterns));
    assert!(loaded.memory().as_mat().iter().eq(synapse.memory().as_mat().iter()));
}
