//! The composition: a matrix product, this crate's vectorised softmax, a matrix product; and one
//! more to learn.

use std::borrow::Cow;

use hopfield_kernels::{MatMut, softmax};

use crate::gemm::{Library, Operand};
use crate::{Data, Peer, Scalar, Setting, Shape};

/// What a careful user of a library of matrix products would write, with buffers made once.
pub(crate) struct Composition<'d, T: Scalar> {
    gemm: Library,
    shape: Shape,
    setting: Setting,
    probes: &'d [T],
    patterns: Cow<'d, [T]>,
    weights: Vec<T>,
    retrieved: Vec<T>,
    error: Vec<T>,
}

impl<'d, T: Scalar> Composition<'d, T> {
    pub fn new(gemm: Library, data: &'d Data<T>, setting: Setting) -> Self {
        let shape = data.shape;
        let probes = shape.batch * shape.dim;
        Self {
            gemm,
            shape,
            setting,
            probes: &data.probes,
            patterns: Cow::Borrowed(&data.patterns),
            weights: vec![T::ZERO; shape.batch * shape.patterns],
            retrieved: vec![T::ZERO; probes],
            error: vec![T::ZERO; probes],
        }
    }

    /// P = softmax(β S), each thread a share of the rows.
    fn softmax(&mut self) {
        let Shape { batch, patterns, .. } = self.shape;
        let beta = T::from_f64(self.setting.beta);
        let rows = batch.div_ceil(self.setting.threads);
        let softmax = |rows: &mut [T]| {
            let rows = MatMut::new(rows, rows.len() / patterns, patterns);
            softmax(rows.expect("whole rows"), beta, None).expect("beta has been checked");
        };
        if self.setting.threads == 1 {
            return softmax(&mut self.weights);
        }
        rayon::in_place_scope(|scope| {
            let mut shares = self.weights.chunks_mut(rows * patterns);
            let own = shares.next();
            shares.for_each(|share| scope.spawn(move |_| softmax(share)));
            own.map(softmax);
        });
    }
}

impl<T: Scalar> Peer<T> for Composition<'_, T> {
    fn recall(&mut self) {
        let Shape { batch, dim, patterns } = self.shape;
        let probes = Operand::new(self.probes, batch, dim);
        let memory = Operand::new(&self.patterns, patterns, dim);
        self.gemm.multiply(&mut self.weights, false, probes, memory.t());
        self.softmax();
        let memory = Operand::new(&self.patterns, patterns, dim);
        let weights = Operand::new(&self.weights, batch, patterns);
        self.gemm.multiply(&mut self.retrieved, false, weights, memory);
    }

    fn associate(&mut self) {
        self.recall();
    }

    fn evolve(&mut self) {
        let Shape { batch, dim, patterns } = self.shape;
        let rate = T::from_f64(self.setting.eta / batch as f64);
        let both = self.probes.iter().zip(&self.retrieved);
        self.error.iter_mut().zip(both).for_each(|(z, (&x, &out))| *z = rate * (x - out));
        let weights = Operand::new(&self.weights, batch, patterns);
        let error = Operand::new(&self.error, batch, dim);
        self.gemm.multiply(self.patterns.to_mut(), true, weights.t(), error);
    }

    fn recalled(&self) -> &[T] {
        &self.retrieved
    }

    fn patterns(&self) -> Vec<T> {
        self.patterns.to_vec()
    }
}
