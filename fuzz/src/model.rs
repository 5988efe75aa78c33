//! The component as it is written down: `f64`, loops, no state that could be stale.

use hopfield_kernels::{Record, Semantics, Update, UpdateRule};

pub type Rows = Vec<Vec<f64>>;

/// Whether there is something to learn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recalled {
    Never,
    Now,
    Before,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    pub beta: f64,
    pub update: Update<f64>,
}

/// What a synapse should hold.
#[derive(Debug, Clone)]
pub struct Model {
    pub semantics: Semantics,
    pub rule: UpdateRule,
    pub record: Record,
    pub negative_steps: usize,
    pub gain: f64,
    pub batch_size: usize,
    pub connected: Option<Vec<bool>>,
    pub rates: Rates,
    pub compiled: Option<Rates>,
    pub driven: bool,
    pub recalled: Recalled,
    /// β of the last recall.
    pub recall_beta: f64,
    pub tick: u64,
    /// N x D
    pub memory: Rows,
    pub inputs: Rows,
    pub outputs: Rows,
    pub similarities: Rows,
    pub memory_weights: Rows,
    pub energies: Vec<f64>,
    /// N x D
    pub delta: Rows,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn highest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

impl Model {
    fn dim(&self) -> usize {
        self.memory[0].len()
    }

    pub fn effective(&self) -> Rates {
        match self.semantics {
            Semantics::NgcLearn => self.compiled.unwrap_or(self.rates),
            _ => self.rates,
        }
    }

    fn scores(&self, probe: &[f64]) -> Vec<f64> {
        self.memory.iter().map(|m| self.gain * dot(m, probe)).collect()
    }

    fn softmax(&self, probe: &[f64], beta: f64) -> Vec<f64> {
        let scores = self.scores(probe);
        let peak = highest(scores.iter().copied());
        let powers: Vec<f64> = scores.iter().map(|s| (beta * (s - peak)).exp()).collect();
        let mass: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / mass).collect()
    }

    fn retrieved(&self, weights: &[f64]) -> Vec<f64> {
        let sum = |d| weights.iter().zip(&self.memory).map(|(p, m)| p * m[d]).sum::<f64>();
        (0..self.dim()).map(|d| self.gain * sum(d)).collect()
    }

    pub fn advance(&mut self) {
        let Rates { beta, .. } = self.effective();
        let count = self.memory.len() as f64;
        let norm = 0.5 * self.norm();
        let probes = self.inputs.clone();
        let all: Rows = probes.iter().map(|x| self.softmax(x, beta)).collect();
        self.outputs = all.iter().map(|weights| self.retrieved(weights)).collect();
        let mut similarities: Rows = probes.iter().map(|x| self.scores(x)).collect();
        let faithful = self.semantics == Semantics::NgcLearn;
        let mut energies = Vec::new();
        for ((scores, x), output) in similarities.iter_mut().zip(&probes).zip(&self.outputs) {
            let peak = highest(scores.iter().copied());
            let mass: f64 = scores.iter().map(|s| (beta * (s - peak)).exp()).sum();
            let (shift, square) = if faithful { (0.0, dot(x, output)) } else { (peak, dot(x, x)) };
            energies.push(-shift - mass.ln() / beta + 0.5 * square + count.ln() / beta + norm);
            if faithful {
                scores.iter_mut().for_each(|s| *s -= peak);
            }
        }
        if self.record.similarities {
            self.similarities = similarities;
        }
        if self.record.memory_weights {
            self.memory_weights = all;
        }
        if self.record.energy {
            self.energies = energies;
        }
        self.tick += 1;
        self.recall_beta = beta;
        self.recalled = Recalled::Now;
    }

    /// The largest norm that the energy knows, squared.
    fn norm(&self) -> f64 {
        match self.semantics {
            Semantics::NgcLearn => {
                let feature = |d: usize| self.memory.iter().map(|m| m[d] * m[d]).sum::<f64>();
                highest((0..self.dim()).map(feature))
            }
            _ => self.gain * self.gain * highest(self.memory.iter().map(|m| dot(m, m))),
        }
    }

    /// Whether `evolve` has what it needs.
    pub fn can_evolve(&self) -> bool {
        let fits = self.inputs.len() == self.outputs.len();
        fits && match self.recalled {
            Recalled::Never => self.semantics == Semantics::NgcLearn,
            Recalled::Before => self.record.memory_weights,
            Recalled::Now => true,
        }
    }

    /// Learns, where it can.
    pub fn evolve(&mut self) {
        let Rates { beta, update } = self.effective();
        let (count, dim, batch) = (self.memory.len(), self.dim(), self.inputs.len());
        let mut delta = vec![vec![0.0; dim]; count];
        let never = self.recalled == Recalled::Never;
        if !never {
            self.recalled = Recalled::Before;
        }
        if !never && batch > 0 {
            for b in 0..batch {
                self.learn_from(b, beta, &mut delta);
            }
        }
        if never || batch > 0 {
            for (m, delta) in self.memory.iter_mut().flatten().zip(delta.iter().flatten()) {
                let sign = if *m == 0.0 { 0.0 } else { m.signum() };
                *m += update.eta * delta - update.reg_lambda * *m - update.l1_lambda * sign;
            }
        }
        if let Some(connected) = &self.connected {
            for rows in [&mut self.memory, &mut delta] {
                let elements = rows.iter_mut().flatten().zip(connected);
                elements.filter(|(_, kept)| !**kept).for_each(|(element, _)| *element = 0.0);
            }
        }
        if self.record.d_weights {
            self.delta = delta;
        }
    }

    /// Adds what one probe teaches.
    fn learn_from(&self, b: usize, beta: f64, delta: &mut Rows) {
        let (x, output) = (&self.inputs[b], &self.outputs[b]);
        let share = 1.0 / self.inputs.len() as f64;
        let weights = match self.record.memory_weights {
            true => self.memory_weights[b].clone(),
            false => self.softmax(x, self.recall_beta),
        };
        let mut add = |weights: &[f64], vector: &dyn Fn(usize) -> f64| {
            for (row, weight) in delta.iter_mut().zip(weights) {
                row.iter_mut().enumerate().for_each(|(d, m)| *m += share * weight * vector(d));
            }
        };
        if self.rule == UpdateRule::Delta {
            return add(&weights, &|d| x[d] - output[d]);
        }
        add(&weights, &|d| x[d]);
        let beta = if self.semantics == Semantics::NgcLearn { 1.0 } else { beta };
        let mut negative = output.clone();
        for _ in 1..self.negative_steps {
            negative = self.retrieved(&self.softmax(&negative, beta));
        }
        add(&self.softmax(&negative, beta), &|d| -negative[d]);
    }

    pub fn reset(&mut self) {
        let (batch, dim, count) = (self.batch_size, self.dim(), self.memory.len());
        let zeros = |rows, cols| vec![vec![0.0; cols]; rows];
        if !self.driven {
            self.inputs = zeros(batch, dim);
        }
        self.outputs = zeros(batch, dim);
        self.similarities = zeros(batch, count);
        self.memory_weights = zeros(batch, count);
        self.energies = vec![0.0; batch];
        self.delta = zeros(count, dim);
        self.recalled = Recalled::Never;
    }

    /// Something that a recall depends on is another.
    pub fn changed(&mut self) {
        if self.recalled == Recalled::Now {
            self.recalled = Recalled::Before;
        }
    }

    /// Zeros where nothing is connected.
    pub fn disconnect(&mut self) {
        let Some(connected) = &self.connected else { return };
        let elements = self.memory.iter_mut().flatten().zip(connected);
        elements.filter(|(_, kept)| !**kept).for_each(|(element, _)| *element = 0.0);
    }
}
