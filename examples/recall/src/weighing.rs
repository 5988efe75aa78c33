//! How patterns are weighed: the similarity and the separation.

use std::fmt;

use hopfield_kernels::{Element, Retrieval, Separation, Similarity};

use crate::Result;

/// What `--separation` takes.
const KNOWN: &str = "softmax, softmax_plus:C, sparsemax, entmax:ALPHA, normmax:ALPHA, k_subsets:K, \
                     top_k:K, hard_top_k:K, max, polynomial:N, power:P, epanechnikov:K";

/// How patterns are weighed.
#[derive(clap::Args)]
pub struct Weighing {
    /// How scores become weights: softmax, softmax_plus:C, sparsemax, entmax:ALPHA, normmax:ALPHA,
    /// k_subsets:K, top_k:K, hard_top_k:K, max, polynomial:N, power:P or epanechnikov:K
    #[arg(long, value_name = "NAME[:PARAM]", default_value = "softmax", value_parser = parse)]
    separation: Separation,
    /// How alike a probe and a pattern are: dot, cosine, neg_half_squared_l2, neg_l2, neg_l1,
    /// uhn_reciprocal_squared_l2 or uhn_reciprocal_l1
    #[arg(long, value_name = "NAME", default_value = "dot")]
    similarity: Similarity,
}

impl Weighing {
    /// Recall with these weights.
    pub fn retrieval<'k, T: Element>(&self, beta: T) -> Retrieval<'k, T> {
        Retrieval::new(beta).with_similarity(self.similarity).with_separation(self.separation)
    }

    /// Refuses a parameter outside its domain, for so many patterns.
    pub fn check(&self, patterns: usize) -> Result<()> {
        let checked = self.separation.potential(&vec![0.0_f64; patterns]);
        checked.map_err(|e| format!("--separation {}: {e}", name(self.separation)))?;
        Ok(())
    }

    /// Whether it is the softmax of dot products.
    pub fn is_default(&self) -> bool {
        self.separation == Separation::Softmax && self.similarity == Similarity::Dot
    }
}

impl fmt::Display for Weighing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Separation {}, similarity {}", name(self.separation), self.similarity.name())
    }
}

/// Reads a separation and its parameter.
fn parse(text: &str) -> std::result::Result<Separation, String> {
    let (name, parameter) = match text.split_once(':') {
        Some((name, parameter)) => (name, Some(parameter)),
        None => (text, None),
    };
    let number = || read::<f64>(name, parameter, "a number");
    let count = || read::<usize>(name, parameter, "a whole number");
    let separation = match name {
        "softmax" => Separation::Softmax,
        "softmax_plus" => Separation::SoftmaxPlus(number()?),
        "sparsemax" => Separation::Sparsemax,
        "entmax" => Separation::Entmax(number()?),
        "normmax" => Separation::Normmax(number()?),
        "k_subsets" => Separation::KSubsets(number()?),
        "top_k" => Separation::TopK(count()?),
        "hard_top_k" => Separation::HardTopK(count()?),
        "max" => Separation::Max,
        "polynomial" => Separation::Polynomial(number()?),
        "power" => Separation::Power(number()?),
        "epanechnikov" => Separation::Epanechnikov(number()?),
        _ => return Err(format!("expected one of {KNOWN}")),
    };
    match parameter {
        Some(_) if is_bare(separation) => Err(format!("{name} has no parameter")),
        _ => Ok(separation),
    }
}

/// The parameter of the separation of this name.
fn read<N: std::str::FromStr>(
    name: &str,
    parameter: Option<&str>,
    expected: &str,
) -> std::result::Result<N, String> {
    let text = parameter.unwrap_or_default();
    text.parse().map_err(|_| format!("{name}: expected {expected} after a colon, got {text:?}"))
}

/// Whether a separation has no parameter.
fn is_bare(separation: Separation) -> bool {
    matches!(separation, Separation::Softmax | Separation::Sparsemax | Separation::Max)
}

/// A separation as it is written on the command line.
fn name(separation: Separation) -> String {
    match separation {
        Separation::Softmax => "softmax".into(),
        Separation::SoftmaxPlus(c) => format!("softmax_plus:{c}"),
        Separation::Sparsemax => "sparsemax".into(),
        Separation::Entmax(alpha) => format!("entmax:{alpha}"),
        Separation::Normmax(alpha) => format!("normmax:{alpha}"),
        Separation::KSubsets(k) => format!("k_subsets:{k}"),
        Separation::TopK(k) => format!("top_k:{k}"),
        Separation::HardTopK(k) => format!("hard_top_k:{k}"),
        Separation::Max => "max".into(),
        Separation::Polynomial(n) => format!("polynomial:{n}"),
        Separation::Power(p) => format!("power:{p}"),
        Separation::Epanechnikov(k) => format!("epanechnikov:{k}"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for text in KNOWN.split(", ") {
            let text = text
                .replace(":ALPHA", ":1.5")
                .replace(":C", ":0.5")
                .replace(":N", ":3")
                .replace(":P", ":2.5")
                .replace(":K", ":2");
            let separation = parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(name(separation), text);
        }
        assert_eq!(parse("entmax:1.5"), Ok(Separation::Entmax(1.5)));
        assert_eq!(parse("hard_top_k:2"), Ok(Separation::HardTopK(2)));
    }

    #[test]
    fn what_is_no_separation_is_refused() {
        for (text, because) in [
            ("relu", "expected one of softmax, softmax_plus:C"),
            ("", "expected one of"),
            ("softmax:2", "softmax has no parameter"),
            ("max:", "max has no parameter"),
            ("entmax", "entmax: expected a number after a colon, got \"\""),
            ("entmax:x", "got \"x\""),
            ("top_k:1.5", "top_k: expected a whole number after a colon, got \"1.5\""),
            ("top_k:-1", "got \"-1\""),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.contains(because), "{text}: {refused}");
        }
    }

    #[test]
    fn parameters_outside_their_domains_are_refused() {
        let check = |separation, patterns| {
            let weighing = Weighing { separation, similarity: Similarity::Dot };
            weighing.check(patterns).map_err(|e| e.to_string())
        };
        assert_eq!(check(Separation::KSubsets(3.0), 3), Ok(()));
        assert_eq!(
            check(Separation::KSubsets(4.0), 3),
            Err("--separation k_subsets:4: k: expected at most the number of patterns, got 4"
                .into())
        );
        let refused = check(Separation::Entmax(0.5), 3).expect_err("it has to be at least 1");
        assert!(refused.starts_with("--separation entmax:0.5: alpha: expected"), "{refused}");
    }
}
