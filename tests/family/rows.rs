//! Separations of rows are those of PyTorch, of the package `entmax` and of 60-digit arithmetic.

use hopfield_kernels::Separation;

use crate::fixtures::{count, distance, list, number, numbers, read};

/// The separation that a fixture names.
pub fn separation(name: &str, param: f64) -> Separation {
    match name {
        "softmax" => Separation::Softmax,
        "softmax_plus" => Separation::SoftmaxPlus(param),
        "topk_softmax" => Separation::TopK(param as usize),
        "sparsemax" => Separation::Sparsemax,
        "entmax15" => Separation::Entmax(1.5),
        "entmax" => Separation::Entmax(param),
        "normmax" => Separation::Normmax(param),
        "ksubsets" => Separation::KSubsets(param),
        _ => panic!("{name}"),
    }
}

#[test]
fn weights_potentials_and_vjps_are_those_of_the_fixtures() {
    let file = read("separations");
    let rows = list(&file, "rows");
    let (mut seen, mut worst) = (0, [0.0_f64; 3]);
    for case in list(&file, "cases") {
        let row = &rows[count(&case["row"])];
        let param = case["param"].as_f64().unwrap_or(f64::NAN);
        let name = case["sep"].as_str().expect("a name");
        let separation = separation(name, param);
        let what = format!("{separation:?} of {}", row["name"]);
        let scores = numbers(&row["t"]);
        let of = |exact: &str, package: &str| {
            numbers(if case[exact].is_null() { &case[package] } else { &case[exact] })
        };

        let mut weights = scores.clone();
        separation.weights(&mut weights).expect("a separation within its domain");
        let error = distance(&weights, &of("p_exact", "p"));
        // Of entmax with α > 2 the fixture itself is uncertain by `p_err`.
        assert!(error <= 1e-14 + number(&case["p_err"]), "{what}: weights {error:e}");
        worst[0] = worst[0].max(error);
        let support = weights.iter().filter(|p| **p > 0.0).count();
        assert_eq!(support, count(&case["support"]), "{what}");

        let potential = separation.potential(&scores).expect("a separation within its domain");
        let expected = number(&case["potential"]);
        let error = (potential - expected).abs() / (1.0 + expected.abs());
        assert!(error <= 1e-14, "{what}: {potential} is not {expected}");
        worst[1] = worst[1].max(error);

        // At a kink there are several gradients.
        if case["kink"].as_bool() == Some(false) {
            let mut gradient = numbers(&row["g"]);
            separation.vjp(&scores, &mut gradient).expect("a gradient for every score");
            let error = distance(&gradient, &of("dt_exact", "dt"));
            assert!(error <= 2e-13 + number(&case["dt_err"]), "{what}: gradient {error:e}");
            worst[2] = worst[2].max(error);
        }
        seen += 1;
    }
    assert_eq!(seen, 274);
    println!("worst errors of weights, potentials, gradients: {worst:?}");
}
