//! A row of the comparison: what is computed, at which size, in which type, on how many threads.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// P = softmax(β X Mᵀ), X̂ = P M.
    Recall,
    /// M ← M + η Pᵀ (X - X̂) / B, with P and X̂ at hand.
    Evolve,
    /// Both.
    Step,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Recall, Self::Evolve, Self::Step];

    fn name(self) -> &'static str {
        match self {
            Self::Recall => "recall",
            Self::Evolve => "evolve",
            Self::Step => "step",
        }
    }
}

/// The type of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Dtype {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// B probes of dimension D, N patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// B
    pub batch: usize,
    /// D
    pub dim: usize,
    /// N
    pub patterns: usize,
}

impl Shape {
    const fn new(batch: usize, dim: usize, patterns: usize) -> Self {
        Self { batch, dim, patterns }
    }

    /// Floating-point operations of the products. The softmax is not counted.
    pub fn flops(self, op: Op) -> f64 {
        let products = match op {
            Op::Recall => 2,
            Op::Evolve => 1,
            Op::Step => 3,
        };
        (2 * products * self.batch * self.dim * self.patterns) as f64
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.batch, self.dim, self.patterns)
    }
}

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is computed.
    pub op: Op,
    /// The size.
    #[serde(flatten)]
    pub shape: Shape,
    /// The type.
    pub dtype: Dtype,
    /// Threads that it may use.
    pub threads: usize,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dtype = format!("{:?}", self.dtype).to_lowercase();
        write!(f, "{} {} {dtype} T={}", self.op.name(), self.shape, self.threads)
    }
}

/// Sizes to measure, each for one operation or for all: `table`, `quick`, or `[OP:]BxDxN,...`
#[derive(Debug, Clone)]
pub struct Sizes(pub Vec<(Option<Op>, Shape)>);

const RECALL: [Shape; 9] = [
    Shape::new(1, 64, 1024),
    Shape::new(1, 784, 1000),
    Shape::new(1, 784, 60000),
    Shape::new(16, 784, 1000),
    Shape::new(128, 784, 10000),
    Shape::new(256, 3072, 4096),
    Shape::new(512, 128, 8192),
    Shape::new(1024, 64, 1024),
    Shape::new(1008, 1024, 1024),
];

const LEARN: [(Op, Shape); 3] = [
    (Op::Evolve, Shape::new(128, 784, 10000)),
    (Op::Evolve, Shape::new(1, 784, 60000)),
    (Op::Step, Shape::new(1, 784, 60000)),
];

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let recall = |shape| (Some(Op::Recall), shape);
        Ok(Self(match text {
            "table" => {
                let learn = LEARN.into_iter().map(|(op, shape)| (Some(op), shape));
                RECALL.into_iter().map(recall).chain(learn).collect()
            }
            "quick" => [RECALL[1], RECALL[3], RECALL[7]].map(|shape| (None, shape)).to_vec(),
            _ => text.split(',').map(size).collect::<Result<_, _>>()?,
        }))
    }
}

fn size(text: &str) -> Result<(Option<Op>, Shape), String> {
    let wrong = || format!("{text:?} is not [OP:]BxDxN");
    let (op, shape) = text.split_once(':').map_or((None, text), |(op, shape)| (Some(op), shape));
    let op = match op {
        None => None,
        Some(name) => Some(Op::ALL.into_iter().find(|op| op.name() == name).ok_or_else(wrong)?),
    };
    let numbers: Vec<usize> = shape.split('x').filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [b, d, n] if b * d * n > 0 => Ok((op, Shape::new(b, d, n))),
        _ => Err(wrong()),
    }
}

impl Sizes {
    /// Every size with each of its operations.
    pub fn with_ops(&self, only: &[Op]) -> Vec<(Op, Shape)> {
        let each = |&(op, shape): &(Option<Op>, Shape)| {
            let ops = op.map_or(only.to_vec(), |op| vec![op]);
            ops.into_iter().filter(|op| only.contains(op)).map(move |op| (op, shape))
        };
        self.0.iter().flat_map(each).collect()
    }
}
