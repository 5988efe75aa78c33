//! Files round trip; what is no file of patterns is refused, by a message that names the file, what
//! was expected and what came.

use std::path::{Path, PathBuf};

use hopfield_kernels::{
    Access, Codes, Context, Error, MapOptions, MatRef, Memory, OuterProducts, Precision, Retrieval,
    Screening, Update, outer_product_update,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// A folder, and the name of a file in it.
fn file(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

/// The reason for which the bytes of a file are refused.
fn reason(name: &str, bytes: &[u8]) -> String {
    let (_folder, path) = file(name);
    std::fs::write(&path, bytes).unwrap();
    reason_of::<f32>(&path)
}

fn reason_of<T: hopfield_kernels::Element>(path: &Path) -> String {
    match Memory::<T>::map(path) {
        Err(Error::File { path: named, reason }) => {
            assert_eq!(named, path.display().to_string());
            reason
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// An `.npy` of this header and these bytes.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

/// A safetensors file of this header and these bytes.
fn tensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn sample() -> Memory<f32> {
    Memory::from([[1.0, -2.0, 0.5], [0.25, 3.0, -1.5]])
}

#[test]
fn numpy_reads_what_is_written() {
    let (_folder, path) = file("sample.npy");
    sample().save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
    assert_eq!(&bytes[10..10 + header.len()], header.as_bytes());
    assert_eq!((bytes[127], bytes.len()), (b'\n', 128 + 24));
    assert_eq!(&bytes[128..132], 1.0_f32.to_le_bytes());
    // And this is another's.
    let array: ndarray::Array2<f32> = ndarray_npy::read_npy(&path).unwrap();
    assert_eq!(array.into_raw_vec_and_offset().0, sample().to_rows());
}

#[test]
fn arrays_that_others_have_written_are_mapped() {
    let (_folder, path) = file("array.npy");
    let rows: Vec<f64> = (0..60).map(f64::from).collect();
    let array = ndarray::Array2::from_shape_vec((12, 5), rows.clone()).unwrap();
    ndarray_npy::write_npy(&path, &array).unwrap();
    let memory = Memory::<f64>::map(&path).unwrap();
    assert_eq!((memory.patterns(), memory.dim(), memory.to_rows()), (12, 5, rows));
    assert_eq!(memory.pattern(3), [15.0, 16.0, 17.0, 18.0, 19.0]);
    assert_eq!(reason_of::<f32>(&path), "expected dtype \"<f4\" or \"<f2\", got '<f8'");
}

#[test]
fn what_is_no_whole_array_is_refused() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
    let good = npy(header, &[0; 24]);
    let (_folder, path) = file("good.npy");
    std::fs::write(&path, &good).unwrap();
    assert_eq!(Memory::<f32>::map(&path).unwrap().to_rows(), [0.0; 6]);
    // Cut off anywhere.
    for length in 0..good.len() {
        let reason = reason("cut.npy", &good[..length]);
        assert!(
            reason.starts_with("expected") || reason.starts_with("array: expected"),
            "{reason}"
        );
    }
    let changed =
        |from: &str, to: &str| reason("changed.npy", &npy(&header.replace(from, to), &[0; 24]));
    assert_eq!(changed("False", "True"), "expected rows in C order, got an array in Fortran order");
    assert_eq!(changed("<f4", ">f4"), "expected dtype \"<f4\" or \"<f2\", got '>f4'");
    assert_eq!(changed("<f4", "<i4"), "expected dtype \"<f4\" or \"<f2\", got '<i4'");
    assert_eq!(changed("(2, 3)", "(6,)"), "array: expected two dimensions, got 1");
    assert_eq!(changed("(2, 3)", "(1, 2, 3)"), "array: expected two dimensions, got 3");
    assert_eq!(changed("(2, 3)", "(2, 4)"), "array: expected 32 bytes for 2 x 4, got 24");
    assert_eq!(changed("(2, 3)", "(2, 2)"), "array: expected 16 bytes for 2 x 2, got 24");
    let none = "array: expected at least one row and column, got 0 x 3";
    assert_eq!(changed("(2, 3)", "(0, 3)"), none);
    let huge = changed("(2, 3)", "(9999999999, 9999999999)");
    assert_eq!(huge, "array: expected more bytes for 9999999999 x 9999999999, got 24");
    assert!(changed("(2, 3)", "(2, -3)").starts_with("shape: expected"));
    assert!(changed("(2, 3)", "(2, 99999999999999999999999)").starts_with("shape: expected"));
    assert!(changed("(2, 3)", "'no'").starts_with("expected a header"));
    assert!(changed("shape", "shapes").starts_with("expected an entry \"shape\""));
    assert!(changed("{", "").starts_with("expected a header"));
    let deep = "[".repeat(4000);
    assert!(reason("deep.npy", &npy(&deep, &[])).starts_with("expected a header"));
    let (folder, path) = file("none.npy");
    assert!(reason_of::<f32>(&path).starts_with("expected a file, got"));
    assert!(reason_of::<f32>(folder.path()).starts_with("expected a regular file"));
    assert_eq!(reason("empty.npy", &[]), "expected patterns, got an empty file");
}

#[test]
fn what_are_no_tensors_of_patterns_is_refused() {
    let info = |dtype: &str, shape: &str, to: usize| {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{to}]}}"#)
    };
    let patterns = |info: String| tensors(&format!(r#"{{"patterns":{info}}}"#), &[0; 24]);
    let good = patterns(info("F32", "[2,3]", 24));
    let (_folder, path) = file("good.safetensors");
    std::fs::write(&path, &good).unwrap();
    assert_eq!(Memory::<f32>::map(&path).unwrap().patterns(), 2);
    for length in 1..good.len() {
        let reason = reason("cut.safetensors", &good[..length]);
        assert!(
            reason.starts_with("expected an .npy array or a whole safetensors file"),
            "{reason}"
        );
    }
    let other = tensors(&format!(r#"{{"weights":{}}}"#, info("F32", "[2,3]", 24)), &[0; 24]);
    assert_eq!(reason("other", &other), "expected a tensor \"patterns\", got [weights]");
    let wrong = reason("wrong", &patterns(info("I32", "[2,3]", 24)));
    assert_eq!(wrong, "patterns: expected type F32, F16 or BF16, got I32");
    let wrong = reason("wrong", &patterns(info("F64", "[1,3]", 24)));
    assert_eq!(wrong, "patterns: expected type F32, F16 or BF16, got F64");
    let flat = reason("flat", &patterns(info("F32", "[6]", 24)));
    assert_eq!(flat, "patterns: expected two dimensions, got 1");
    assert!(reason("short", &patterns(info("F32", "[2,3]", 20))).starts_with("expected an .npy"));
    let values = |dtype: &str, shape: &str, size: usize| {
        let header = format!(
            r#"{{"patterns":{},"values":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[24,{}]}}}}"#,
            info("F32", "[2,3]", 24),
            24 + size
        );
        reason("values", &tensors(&header, &vec![0; 24 + size]))
    };
    let few = values("F32", "[1,2]", 8);
    assert_eq!(few, "values: expected a row for each of 2 patterns, got 1");
    assert_eq!(values("F16", "[2,2]", 8), "values: expected type F32, got sixteen bits");
}

#[test]
fn values_come_with_their_patterns() {
    let (_folder, path) = file("values.safetensors");
    let values = [5.0, 6.0];
    let memory = sample().with_precision(Precision::F16).unwrap();
    let memory = memory.with_values(MatRef::new(&values, 2, 1).unwrap()).unwrap();
    memory.save(&path).unwrap();
    let mapped = Memory::<f32>::map(&path).unwrap();
    assert_eq!((mapped.precision(), mapped.to_rows()), (Precision::F16, memory.to_rows()));
    assert_eq!(mapped.values().unwrap().row(1), [6.0]);
    let refused = memory.save(path.with_extension("npy")).unwrap_err().to_string();
    assert!(refused.contains("expected a name that ends in .safetensors for patterns with values"));
    assert!(!path.with_extension("npy").exists());
    assert!(memory.save(path.with_extension("bin")).is_err());
    assert!(memory.without_values().save(path.with_extension("npy")).is_ok());
    // As PyTorch or JAX would read them.
    let bytes = std::fs::read(&path).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.tensor("values").unwrap().data(), bytemuck_of(&values));
    assert_eq!(read.tensor("patterns").unwrap().shape(), [2, 3]);
}

fn bytemuck_of(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn patterns_of_a_file_are_only_read() {
    let (_folder, path) = file("read.npy");
    sample().save(&path).unwrap();
    let mut memory = Memory::<f32>::map(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let row = [9.0; 3];
    let rows = MatRef::new(&row, 1, 3).unwrap();
    let both = [row, row].concat();
    let weights = [1.0, 1.0];
    let refusals = [
        memory.set_pattern(0, &row),
        memory.append(rows, None).map(|_| ()),
        memory.remove(&[0]),
        memory.reserve(5),
        memory.set_rows(MatRef::new(&both, 2, 3).unwrap()),
        outer_product_update(
            &mut memory,
            OuterProducts::new(MatRef::new(&weights, 1, 2).unwrap(), rows),
            Update::default().with_eta(0.1),
            None,
        ),
    ];
    for refused in refusals {
        assert_eq!(
            refused.unwrap_err().to_string(),
            "memory: expected patterns of its own, which can be replaced, got patterns of a file, \
             which are only read"
        );
    }
    assert_eq!(memory.to_rows(), sample().to_rows());
    // A copy shares the map; one in memory can be changed.
    assert_eq!(memory.clone().pattern(1).as_ptr(), memory.pattern(1).as_ptr());
    let mut copy = memory.clone().with_precision(Precision::Full).unwrap();
    copy.set_pattern(0, &row).unwrap();
    drop(memory);
    assert_eq!(copy.pattern(0), row);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// A file that is replaced is still there for whoever has mapped it.
#[test]
fn saving_over_a_mapped_file_leaves_the_map_as_it_was() {
    let (folder, path) = file("replaced.npy");
    sample().save(&path).unwrap();
    let mapped = Memory::<f32>::map(&path).unwrap();
    Memory::from([[7.0_f32; 3]; 40]).save(&path).unwrap();
    assert_eq!(mapped.to_rows(), sample().to_rows());
    mapped.save(&path).unwrap();
    assert_eq!(Memory::<f32>::map(&path).unwrap().to_rows(), sample().to_rows());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    // What cannot be written loses nothing.
    assert!(mapped.save(folder.path().join("no/such.npy")).is_err());
    assert!(mapped.with_precision(Precision::Bf16).unwrap().save(&path).is_err());
    assert_eq!(Memory::<f32>::map(&path).unwrap().to_rows(), sample().to_rows());
}

#[test]
fn norms_are_kept_beside_the_file_and_computed_again_where_it_has_changed() {
    let (_folder, path) = file("norms.npy");
    let beside = path.with_file_name("norms.npy.hopfield");
    let map = |path: &Path| {
        let options = MapOptions::default().with_sidecar(true);
        Memory::<f32>::map_with(path, options).unwrap()
    };
    sample().save(&path).unwrap();
    let norms = sample().squared_norms().to_vec();
    Memory::<f32>::map(&path).unwrap();
    assert!(!beside.exists(), "not unless it is asked for");
    assert_eq!(map(&path).squared_norms(), norms);
    assert!(beside.exists());
    assert_eq!(map(&path).squared_norms(), norms);
    // Another type has norms of its own.
    let other = Memory::from([[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    other.save(&path).unwrap();
    assert_eq!(map(&path).squared_norms(), other.squared_norms());
    std::fs::write(&beside, b"something else").unwrap();
    assert_eq!(map(&path).squared_norms(), other.squared_norms());
    // A folder in its place: it cannot be written, and need not be.
    std::fs::remove_file(&beside).unwrap();
    std::fs::create_dir(&beside).unwrap();
    assert_eq!(map(&path).squared_norms(), other.squared_norms());
}

/// Codes of a file are kept beside it, and are not those of another file.
#[test]
fn codes_are_kept_beside_the_file() {
    let (_folder, path) = file("codes.npy");
    let numbers = |step: usize| -> Vec<f32> {
        (0..400 * 40).map(|i| ((i * i + i * step) as f32).sin()).collect()
    };
    let of = |step| Memory::from_slice(&numbers(step), 40).unwrap();
    let map = || {
        let options = MapOptions::default().with_sidecar(true).with_codes(Codes::Eight);
        Memory::<f32>::map_with(&path, options).unwrap()
    };
    let recalled = |memory: &Memory<f32>, probe: &[f32]| {
        let (mut probe, mut context) = (probe.to_vec(), Context::new());
        let retrieval = Retrieval::new(3.0).with_screening(Screening::Always);
        retrieval.apply_with(memory, &mut probe, &mut context).unwrap();
        (probe, context.counters())
    };
    for step in [1, 3] {
        of(step).save(&path).unwrap();
        let probe = of(step).pattern(17).to_vec();
        let (expected, plain) = recalled(&of(step), &probe);
        assert_eq!(plain.probes, 0);
        let (first, made) = recalled(&map(), &probe);
        let (again, kept) = recalled(&map(), &probe);
        assert_eq!((&first, &again), (&expected, &expected));
        assert_eq!((made, kept), (kept, made));
        assert_eq!(kept.probes, 1);
    }
}

#[test]
fn progress_is_told_and_ends_with_all_patterns() {
    let (_folder, path) = file("progress.npy");
    let (count, dim) = (30_000, 90);
    let rows: Vec<f32> = (0..count * dim).map(|i| (i % 1013) as f32).collect();
    let memory = Memory::from_slice(&rows, dim).unwrap();
    memory.save(&path).unwrap();
    for access in [Access::Any, Access::InOrder, Access::Scattered] {
        let mut told = Vec::new();
        let mut progress = |done, of| told.push((done, of));
        let options = MapOptions::default().with_progress(&mut progress).with_access(access);
        let mapped = Memory::<f32>::map_with(&path, options).unwrap();
        assert_eq!(mapped.squared_norms(), memory.squared_norms());
        assert!(told.len() > 1 && told.is_sorted() && told.iter().all(|(_, of)| *of == count));
        assert_eq!(told.last(), Some(&(count, count)));
        let recalled = |memory: &Memory<f32>| {
            let mut probe = rows[dim..2 * dim].to_vec();
            Retrieval::new(1e-3).apply_with(memory, &mut probe, &mut Context::new()).unwrap();
            probe
        };
        assert_eq!(recalled(&mapped), recalled(&memory));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Any numbers, NaN among them, in any shape and precision come back as they were saved.
    #[test]
    fn patterns_come_back_as_they_were_saved(
        bits in proptest::collection::vec(any::<u32>(), 1..200),
        dim in 1_usize..20,
        kind in 0_usize..3,
        tensors in any::<bool>(),
    ) {
        let dim = dim.min(bits.len());
        let rows: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        let rows = &rows[..rows.len() / dim * dim];
        let precision = [Precision::Full, Precision::F16, Precision::Bf16][kind];
        let memory = Memory::from_slice(rows, dim).unwrap().with_precision(precision).unwrap();
        let tensors = tensors || precision == Precision::Bf16;
        let (_folder, path) = file(if tensors { "any.safetensors" } else { "any.npy" });
        memory.save(&path).unwrap();
        let mapped = Memory::<f32>::map(&path).unwrap();
        let bits = |memory: &Memory<f32>| -> Vec<u32> {
            let all = memory.to_rows().into_iter().chain(memory.squared_norms().iter().copied());
            all.map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect()
        };
        prop_assert_eq!(bits(&mapped), bits(&memory));
        prop_assert_eq!(mapped.precision(), precision);
    }

    /// Bytes that are changed anywhere are patterns or a refusal.
    #[test]
    fn changed_files_are_patterns_or_refused(
        at in 0_usize..160,
        byte in any::<u8>(),
        tensors in any::<bool>(),
    ) {
        let (_folder, path) = file(if tensors { "any.safetensors" } else { "any.npy" });
        sample().save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        std::fs::write(&path, bytes).unwrap();
        match Memory::<f32>::map(&path) {
            Ok(memory) => prop_assert_eq!(memory.to_rows().len(), memory.patterns() * memory.dim()),
            Err(Error::File { .. }) => {}
            Err(error) => panic!("a file is refused by {error:?}"),
        }
    }
}
