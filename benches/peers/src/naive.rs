//! The naive loops: what the formulas say, row by row.

use std::borrow::Cow;

use crate::{Data, Peer, Scalar, Setting, Shape};

/// Plain loops over slices.
pub(crate) struct Naive<'d, T: Scalar> {
    shape: Shape,
    setting: Setting,
    probes: &'d [T],
    patterns: Cow<'d, [T]>,
    weights: Vec<T>,
    retrieved: Vec<T>,
}

impl<'d, T: Scalar> Naive<'d, T> {
    pub fn new(data: &'d Data<T>, setting: Setting) -> Self {
        let shape = data.shape;
        Self {
            shape,
            setting,
            probes: &data.probes,
            patterns: Cow::Borrowed(&data.patterns),
            weights: vec![T::ZERO; shape.batch * shape.patterns],
            retrieved: vec![T::ZERO; shape.batch * shape.dim],
        }
    }
}

impl<T: Scalar> Peer<T> for Naive<'_, T> {
    fn recall(&mut self) {
        let Shape { dim, patterns, .. } = self.shape;
        let rows = self.probes.chunks_exact(dim).zip(self.weights.chunks_exact_mut(patterns));
        for ((x, p), retrieved) in rows.zip(self.retrieved.chunks_exact_mut(dim)) {
            let mut highest = T::NEG_INFINITY;
            for (p, m) in p.iter_mut().zip(self.patterns.chunks_exact(dim)) {
                let dot: T = x.iter().zip(m).map(|(&x, &m)| x * m).sum();
                *p = dot * T::from_f64(self.setting.beta);
                highest = if *p > highest { *p } else { highest };
            }
            for p in p.iter_mut() {
                *p = T::from_f64((*p - highest).to_f64().exp());
            }
            let sum: T = p.iter().copied().sum();
            retrieved.fill(T::ZERO);
            for (p, m) in p.iter_mut().zip(self.patterns.chunks_exact(dim)) {
                *p /= sum;
                retrieved.iter_mut().zip(m).for_each(|(out, &m)| *out += *p * m);
            }
        }
    }

    fn associate(&mut self) {
        self.recall();
    }

    fn evolve(&mut self) {
        let Shape { batch, dim, patterns } = self.shape;
        let rate = T::from_f64(self.setting.eta / batch as f64);
        let rows = self.probes.chunks_exact(dim).zip(self.retrieved.chunks_exact(dim));
        for ((x, retrieved), p) in rows.zip(self.weights.chunks_exact(patterns)) {
            for (&p, m) in p.iter().zip(self.patterns.to_mut().chunks_exact_mut(dim)) {
                let update = x.iter().zip(retrieved).map(|(&x, &out)| p * rate * (x - out));
                m.iter_mut().zip(update).for_each(|(m, update)| *m += update);
            }
        }
    }

    fn recalled(&self) -> &[T] {
        &self.retrieved
    }

    fn patterns(&self) -> Vec<T> {
        self.patterns.to_vec()
    }
}
