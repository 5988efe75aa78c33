//! The fixtures: JSON files that benches/peers/reference/fixtures.py has written, whose head says
//! what they hold.

use serde_json::Value;

/// A file of tests/data/family.
pub fn read(name: &str) -> Value {
    let path = format!("{}/tests/data/family/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A number; `null` is -∞.
pub fn number(value: &Value) -> f64 {
    if value.is_null() { f64::NEG_INFINITY } else { value.as_f64().expect("a number") }
}

pub fn count(value: &Value) -> usize {
    value.as_u64().expect("a count") as usize
}

/// The numbers of a list, or of a list of rows, one after another.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![number(value)],
    }
}

/// The truth values of a list, or of a list of rows.
pub fn flags(value: &Value) -> Vec<bool> {
    match value {
        Value::Array(values) => values.iter().flat_map(flags).collect(),
        value => vec![value.as_bool().expect("true or false")],
    }
}

pub fn list<'v>(value: &'v Value, of: &str) -> &'v [Value] {
    value[of].as_array().unwrap_or_else(|| panic!("{of}: a list"))
}

/// The largest distance of two lists of numbers; equal infinities have none.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let distance = |(a, b): (&f64, &f64)| if a == b { 0.0 } else { (a - b).abs() };
    a.iter()
        .zip(b)
        .map(distance)
        .fold(0.0, |most: f64, d| if d > most || d.is_nan() { d } else { most })
}
