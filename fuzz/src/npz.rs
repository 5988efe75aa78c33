//! Files: any bytes, a saved synapse with bytes changed, and archives whose members are not what
//! they should be though every checksum is right.

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::OnceLock;

use hopfield_kernels::{Error, HopfieldSynapse, MatRef, Semantics};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::input::{Input, folder};
use crate::synapse::{Files, saved_and_loaded};

/// Loads a file: a synapse that works, or [`Error::File`].
pub fn npz(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let template = input.between(0, 1);
    let file = match input.between(0, 3) {
        0 => input.rest().to_vec(),
        1 => changed(archive(template), &mut input),
        _ => rebuilt(archive(template), &mut input),
    };
    let folder = folder();
    let path = folder.path().join("any.npz");
    std::fs::write(&path, file).expect("a file");
    load::<f32>(&path);
    load::<f64>(&path);
}

fn load<T>(path: &Path)
where
    T: testkit::data::Real,
    HopfieldSynapse<T>: Files,
{
    match HopfieldSynapse::<T>::read(path) {
        Err(Error::File { path: named, reason }) => {
            assert_eq!(named, path.display().to_string());
            assert!(!reason.is_empty());
        }
        Err(error) => panic!("a file is refused by {error:?}"),
        Ok(synapse) => {
            let mut same = saved_and_loaded(&synapse);
            // It works, whatever it holds: an error is an answer.
            let _ = same.evolve();
            same.advance_state().expect("a recall");
            let _ = same.advance_and_evolve();
            same.reset();
        }
    }
}

/// A saved synapse.
fn archive(template: usize) -> &'static [u8] {
    static ARCHIVES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let archives = ARCHIVES.get_or_init(|| {
        let folder = folder();
        [Semantics::NgcLearn, Semantics::Standard].map(|semantics| {
            let mut synapse = HopfieldSynapse::<f32>::builder("W", (3, 4))
                .semantics(semantics)
                .p_conn(0.7)
                .eta(0.1)
                .initial_pattern_rows(MatRef::new(&[1.0, 0.0, 0.0], 1, 3).expect("a row"))
                .build()
                .expect("a synapse");
            synapse.compile();
            synapse.advance_state().expect("a recall");
            let path = folder.path().join("template.npz");
            synapse.write(&path);
            std::fs::read(&path).expect("a file")
        })
    });
    &archives[template]
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

/// With some members left out, shortened, changed or given other headers.
fn rebuilt(file: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut from = ZipArchive::new(Cursor::new(file)).expect("an archive");
    let mut to = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let mut member = from.by_index(index).expect("a member");
        let (name, mut content) = (member.name().to_string(), Vec::new());
        member.read_to_end(&mut content).expect("a member");
        match input.between(0, 15) {
            1 => continue,
            2 => content.truncate(input.between(0, content.len())),
            3 => {
                let at = input.between(0, content.len() - 1);
                content[at] = input.between(0, 255) as u8;
            }
            4 => content = with_header(&content, input),
            5 => {
                // The numbers alone.
                let at = input.between(data_offset(&content), content.len());
                content[at..].fill(input.between(0, 255) as u8);
            }
            _ => {}
        }
        let method = input.pick(&[CompressionMethod::Stored, CompressionMethod::Deflated]);
        let options = SimpleFileOptions::default().compression_method(method);
        to.start_file(name, options).expect("a member");
        to.write_all(&content).expect("a member");
    }
    to.finish().expect("an archive").into_inner()
}

/// Where the elements of a `.npy` file (version 1) begin.
fn data_offset(content: &[u8]) -> usize {
    match content {
        [_, _, _, _, _, _, 1, _, low, high, ..] => {
            (10 + usize::from(u16::from_le_bytes([*low, *high]))).min(content.len())
        }
        _ => 0,
    }
}

/// The same elements under another header.
fn with_header(content: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let strange = input.pick(&["<f4", "<f8", "<u8", "<u4", "|u1", "|b1", ">f4", "<c8", "O"]);
    let head = String::from_utf8_lossy(&content[..data_offset(content)]);
    let own = head.split("'descr': '").nth(1).and_then(|rest| rest.split('\'').next());
    let kind = own.filter(|_| input.flag()).unwrap_or(strange);
    let order = input.pick(&["False", "True"]);
    let mut length = || match input.seldom(4) {
        true => input.pick(&["1000000", "4294967296", "18446744073709551615", "9000000000000"]),
        false => input.pick(&["0", "1", "2", "3", "4", "5", "12"]),
    };
    let (rows, cols) = (length(), length());
    let shape = match input.between(0, 2) {
        0 => String::new(),
        1 => format!("{rows},"),
        _ => format!("{rows}, {cols}"),
    };
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(&content[data_offset(content)..]);
    npy
}
