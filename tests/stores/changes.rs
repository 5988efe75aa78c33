//! What changes patterns rounds them to the numbers that are stored, or is refused by name.

use half::{bf16, f16};
use hopfield_kernels::{
    Borrowed, Context, Error, MatRef, Memory, Noise, OuterProducts, Precision, Update,
    outer_product_update, theory,
};

fn rounded(x: f32, precision: Precision) -> f32 {
    match precision {
        Precision::Bf16 => bf16::from_f32(x).to_f32(),
        Precision::F16 => f16::from_f32(x).to_f32(),
        _ => x,
    }
}

/// Ten patterns of three features.
fn memory(precision: Precision) -> Memory<f32> {
    let rows: Vec<f32> = (0..30).map(|i| (i as f32).sin() * 3.0).collect();
    Memory::from_slice(&rows, 3).unwrap().with_precision(precision).unwrap()
}

#[test]
fn patterns_are_rounded_to_nearest_wherever_they_come_from() {
    for precision in [Precision::Bf16, Precision::F16] {
        let round =
            |rows: &[f32]| -> Vec<f32> { rows.iter().map(|x| rounded(*x, precision)).collect() };
        let mut memory = memory(precision);
        let rows: Vec<f32> = (0..30).map(|i| (i as f32).sin() * 3.0).collect();
        assert_eq!(memory.to_rows(), round(&rows));
        let norm = |memory: &Memory<f32>, n: usize| {
            let plain = Memory::from_slice(&memory.to_rows(), 3).unwrap();
            assert_eq!(memory.squared_norms(), plain.squared_norms());
            plain.squared_norms()[n]
        };
        memory.set_pattern(4, &[0.1, 0.2, 0.3]).unwrap();
        assert_eq!(memory.to_rows()[12..15], round(&[0.1, 0.2, 0.3]));
        assert_eq!(memory.squared_norms()[4], norm(&memory, 4));
        let more = [0.7, 1e-3, -9.1, 2.2, 2.3, 2.4];
        assert_eq!(memory.append(MatRef::new(&more, 2, 3).unwrap(), None).unwrap(), 10..12);
        assert_eq!(memory.to_rows()[30..], round(&more));
        assert_eq!(memory.squared_norms()[11], norm(&memory, 11));
        memory.remove(&[0, 4]).unwrap();
        assert_eq!(memory.to_rows()[..9], round(&rows[3..12]));
        assert_eq!(norm(&memory, 0), memory.squared_norms()[0]);
        memory.set_rows(MatRef::new(&rows, 10, 3).unwrap()).unwrap();
        assert_eq!(memory.to_rows(), round(&rows));
        let columns: Vec<f32> = rows.iter().map(|x| x * 0.3).collect();
        memory.set_columns(MatRef::new(&columns, 3, 10).unwrap()).unwrap();
        assert_eq!(memory.to_columns(), round(&columns));
        Noise::new(0.5, 1).add(&mut memory).unwrap();
        assert_eq!(memory.to_rows(), round(&memory.to_rows()));
        assert_eq!(norm(&memory, 3), memory.squared_norms()[3]);
    }
}

#[test]
fn numbers_of_sixteen_bits_are_stored_as_they_are() {
    let rows: Vec<bf16> = (0..=u16::MAX).step_by(17).map(bf16::from_bits).collect();
    let memory = Memory::<f32>::from_bf16(MatRef::new(&rows, rows.len() / 5, 5).unwrap()).unwrap();
    let back = memory.to_rows();
    assert!(back.iter().zip(&rows).all(|(a, b)| *a == b.to_f32() || b.is_nan() && a.is_nan()));
    let rows: Vec<f16> = (0..=u16::MAX).step_by(17).map(f16::from_bits).collect();
    let memory = Memory::<f64>::from_f16(MatRef::new(&rows, rows.len() / 5, 5).unwrap()).unwrap();
    let back = memory.to_rows();
    assert!(back.iter().zip(&rows).all(|(a, b)| *a == b.to_f64() || b.is_nan() && a.is_nan()));
    let empty = MatRef::new(&rows[..0], 0, 5).unwrap();
    assert_eq!(Memory::<f32>::from_f16(empty).unwrap_err(), Error::Empty { operand: "patterns" });
}

#[test]
fn learning_in_sixteen_bits_is_refused_and_changes_nothing() {
    let vectors = [1.0_f32, 2.0, 3.0];
    let weights = [0.1_f32; 10];
    let (vectors, weights) =
        (MatRef::new(&vectors, 1, 3).unwrap(), MatRef::new(&weights, 1, 10).unwrap());
    let learned = Update::default().with_eta(0.5);
    let products = || OuterProducts::new(weights, vectors);
    for precision in [Precision::Bf16, Precision::F16] {
        let mut memory = memory(precision);
        let before = memory.to_rows();
        let refused =
            outer_product_update(&mut memory, products(), learned, None).unwrap_err().to_string();
        let name = if precision == Precision::Bf16 { "bf16" } else { "f16" };
        assert!(refused.starts_with("memory: expected patterns in full precision"), "{refused}");
        assert!(refused.ends_with(&format!("got patterns in {name}")), "{refused}");
        assert_eq!(memory.to_rows(), before);
        // In full precision again, they learn.
        let mut memory = memory.with_precision(Precision::Full).unwrap();
        assert_eq!(memory.to_rows(), before);
        outer_product_update(&mut memory, products(), learned, None).unwrap();
        assert_ne!(memory.to_rows(), before);
    }
}

#[test]
fn slices_are_there_where_elements_are_stored() {
    let memory = memory(Precision::F16);
    assert!(memory.try_as_mat().is_none());
    let mut pattern = [0.0; 3];
    memory.copy_pattern(9, &mut pattern).unwrap();
    assert_eq!(pattern, memory.to_rows()[27..]);
    let refused = memory.copy_pattern(10, &mut pattern).unwrap_err();
    assert_eq!(refused, Error::Index { operand: "pattern", expected: 10, found: 10 });
    assert!(memory.copy_pattern(0, &mut pattern[..2]).is_err());
    let full = memory.clone().with_precision(Precision::Full).unwrap();
    assert_eq!(full.pattern(9), pattern);
    // What is proved of patterns needs none.
    let context = &mut Context::new();
    assert_eq!(
        theory::separations(&memory, context).unwrap(),
        theory::separations(&full, context).unwrap()
    );
    for beta in [1e-3, 1.0] {
        let of = |memory| theory::has_one_fixed_point(memory, beta);
        assert_eq!(of(&memory), of(&full));
    }
}

/// All patterns the same row, which is no whole vector.
#[test]
fn borrowed_rows_may_be_one_and_the_same() {
    let row = [1.0_f32, 2.0, 3.0];
    let borrowed = Borrowed::new(&row, 5, 3, 0).unwrap();
    assert_eq!(borrowed.to_rows(), row.repeat(5));
    assert_eq!(borrowed.squared_norms(), [14.0; 5]);
    assert_eq!(borrowed.pattern(4), row);
    let mut copy = (*borrowed).clone();
    copy.set_pattern(2, &[0.0; 3]).unwrap();
    assert_eq!(copy.squared_norms(), [14.0, 14.0, 0.0, 14.0, 14.0]);
    assert_eq!(borrowed.to_rows(), row.repeat(5));
}
