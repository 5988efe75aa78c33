//! Running the crate: a recall with every output, and what one probe got out of it.

use hopfield_kernels::{Context, MatRef, Memory, Outputs, Recall, Result, Retrieval, Screening};

use crate::bounds::{Arithmetic, Bounds, ratio};
use crate::data::{Kind, Matrix, Random, Real};
use crate::double::Double;
use crate::naive::{self, How};

/// Probes, patterns and how to recall.
#[derive(Debug, Clone)]
pub struct Case<T: Real> {
    pub probes: Matrix<T>,
    pub patterns: Matrix<T>,
    pub memory: Memory<T>,
    pub how: How<T>,
    /// Whether softmax recalls are peaked.
    pub screening: Screening,
}

/// B, D and N.
pub type Shape = (usize, usize, usize);

impl<T: Real> Case<T> {
    pub fn new(probes: Matrix<T>, patterns: Matrix<T>, how: How<T>) -> Self {
        let memory = Memory::from_rows(patterns.view()).expect("patterns");
        Self { probes, patterns, memory, how, screening: Screening::Auto }
    }

    /// Probes and patterns of a kind.
    pub fn random((batch, dim, patterns): Shape, kind: Kind, beta: f64, seed: u64) -> Self {
        let mut random = Random(seed);
        let gap = random.below(3) * random.below(20);
        let probes = kind.matrix((batch, dim, gap), &mut random);
        let patterns = kind.matrix((patterns, dim, gap), &mut random);
        Self::new(probes, patterns, How::beta(beta))
    }

    pub fn retrieval(&self) -> Retrieval<'_, T> {
        let retrieval = Retrieval::new(self.how.beta);
        let retrieval = retrieval.with_gain(self.how.gain).with_screening(self.screening);
        self.how.keep.as_ref().map_or(retrieval, |keep| retrieval.with_mask(keep))
    }

    /// Recalls everything there is to tell.
    pub fn run(&self, context: &mut Context<T>) -> Told<T> {
        self.run_with(self.probes.view(), context).expect("a case that fits")
    }

    /// The same for other probes.
    pub fn run_with(&self, probes: MatRef<'_, T>, context: &mut Context<T>) -> Result<Told<T>> {
        let mut told = Told::unwritten((probes.rows(), self.patterns.cols, self.patterns.rows), 5);
        self.retrieval().run(probes, &self.memory, told.outputs(), context)?;
        told.retrieved.assert_holes_untouched();
        told.similarities.assert_holes_untouched();
        told.weights.assert_holes_untouched();
        Ok(told)
    }

    /// A recall to learn from.
    pub fn recall(&self, context: &mut Context<T>) -> Recall<T> {
        let mut recall = Recall::new();
        let (probes, outputs) = (self.probes.view(), Outputs::default());
        self.retrieval()
            .recall(probes, &self.memory, outputs, &mut recall, context)
            .expect("a case that fits");
        recall
    }

    /// The reference for one probe.
    pub fn exact(&self, b: usize) -> naive::Recall {
        naive::recall(self.probes.row(b), &self.patterns, &self.how)
    }

    /// The bounds for one probe.
    pub fn bounds(&self, arithmetic: Arithmetic, b: usize, exact: &naive::Recall) -> Bounds {
        arithmetic.recall(self.probes.row(b), &self.patterns, &self.how, exact)
    }
}

/// Everything that a recall tells.
#[derive(Debug, Clone)]
pub struct Told<T> {
    pub retrieved: Matrix<T>,
    pub similarities: Matrix<T>,
    pub weights: Matrix<T>,
    pub lse: Vec<T>,
    pub energy: Vec<T>,
    pub entropy: Vec<T>,
    pub best: Vec<Option<usize>>,
    pub best_weight: Vec<T>,
    pub support: Vec<usize>,
}

impl<T: Real> Told<T> {
    /// Canaries everywhere.
    pub fn unwritten((batch, dim, patterns): Shape, gap: usize) -> Self {
        let numbers = || vec![T::CANARY; batch];
        Self {
            retrieved: Matrix::unwritten(batch, dim, gap),
            similarities: Matrix::unwritten(batch, patterns, 0),
            weights: Matrix::unwritten(batch, patterns, 2 * gap),
            lse: numbers(),
            energy: numbers(),
            entropy: numbers(),
            best: vec![Some(usize::MAX - 1); batch],
            best_weight: numbers(),
            support: vec![usize::MAX - 1; batch],
        }
    }

    /// Where a recall is to write.
    pub fn outputs(&mut self) -> Outputs<'_, T> {
        Outputs::new()
            .with_retrieved(self.retrieved.view_mut())
            .with_similarities(self.similarities.view_mut())
            .with_memory_weights(self.weights.view_mut())
            .with_lse(&mut self.lse)
            .with_energy(&mut self.energy)
            .with_entropy(&mut self.entropy)
            .with_best(&mut self.best)
            .with_best_weight(&mut self.best_weight)
            .with_support(&mut self.support)
    }

    /// The numbers of one probe, as bits.
    pub fn bits(&self, b: usize) -> Vec<u64> {
        let matrices = [&self.retrieved, &self.similarities, &self.weights];
        let numbers = [self.lse[b], self.energy[b], self.entropy[b], self.best_weight[b]];
        let rows = matrices.into_iter().flat_map(|matrix| matrix.row(b));
        let bits = rows.chain(&numbers).map(|x| x.bits());
        bits.chain([self.best[b].map_or(u64::MAX, |best| best as u64), self.support[b] as u64])
            .collect()
    }

    /// The largest error over its bound of one probe, by output.
    pub fn ratios(
        &self,
        b: usize,
        exact: &naive::Recall,
        bounds: &Bounds,
    ) -> [(&'static str, f64); 7] {
        let [kept, dropped] = of_weights(self.weights.row(b), &exact.weights, &bounds.weights);
        [
            ("dots", worst(self.similarities.row(b), &exact.similarities, &bounds.similarities)),
            ("memory weights", kept),
            ("dropped weights", dropped),
            ("retrieved", worst(self.retrieved.row(b), &exact.retrieved, &bounds.retrieved)),
            ("lse", off(self.lse[b], exact.lse, bounds.lse)),
            ("energy", off(self.energy[b], exact.energy, bounds.energy)),
            ("entropy", off(self.entropy[b], exact.entropy, bounds.entropy)),
        ]
    }

    /// That what a probe is told agrees with itself.
    pub fn assert_consistent(&self, b: usize, how: &How<T>) {
        let (similarities, weights) = (self.similarities.row(b), self.weights.row(b));
        let kept = (0..similarities.len()).filter(|&n| how.keeps(n));
        let mut best = None;
        for n in kept {
            if best.is_none_or(|best: usize| similarities[n] > similarities[best]) {
                best = Some(n);
            }
        }
        let best_weight = best.map_or(T::ZERO, |best| weights[best]);
        // A gain is multiplied after the comparison, and may make equals of unequals.
        let score = |best: Option<usize>| best.map(|best| similarities[best]);
        let tie = how.gain != T::ONE && best.is_some() && score(best) == score(self.best[b]);
        assert!(self.best[b] == best || tie, "best: {:?} {best:?}", self.best[b]);
        assert_eq!(self.best_weight[b].bits(), best_weight.bits(), "best_weight");
        let weighed = weights.iter().filter(|&&weight| weight != T::ZERO).count();
        let kept = (0..similarities.len()).filter(|&n| how.keeps(n)).count();
        assert!((weighed..=kept).contains(&self.support[b]), "support: {}", self.support[b]);
    }
}

/// error / bound of one number.
pub fn off<T: Real>(computed: T, exact: Double, bound: f64) -> f64 {
    // Equal infinities have no difference.
    if computed.to_f64() == exact.to_f64() && !exact.is_finite() {
        return 0.0;
    }
    ratio((exact - naive::exact(computed)).abs().to_f64(), bound)
}

/// The largest error / bound.
pub fn worst<T: Real>(computed: &[T], exact: &[Double], bounds: &[f64]) -> f64 {
    assert!(computed.len() == exact.len() && exact.len() == bounds.len());
    let ratios = computed.iter().zip(exact).zip(bounds).map(|((c, e), b)| off(*c, *e, *b));
    ratios.fold(0.0, f64::max)
}

/// The largest error / bound of the weights that are not zero, and of those that are. (The error of
/// a dropped weight is all of it, and so is its bound: together they would hide the others.)
pub fn of_weights<T: Real>(computed: &[T], exact: &[Double], bounds: &[f64]) -> [f64; 2] {
    [false, true].map(|zero| {
        let these =
            computed.iter().zip(exact).zip(bounds).filter(|((c, _), _)| (**c == T::ZERO) == zero);
        these.map(|((c, e), b)| off(*c, *e, *b)).fold(0.0, f64::max)
    })
}
