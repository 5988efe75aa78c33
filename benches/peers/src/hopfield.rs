//! This crate.

use hopfield_kernels::{
    Context, LearningInput, MatMut, MatRef, Memory, Outputs, Parallelism, Plasticity, Retrieval,
    Update,
};

use crate::{Data, Peer, Result, Scalar, Setting, Shape};

/// The fused kernels, used as the documentation says.
pub struct Hopfield<'d, T: Scalar> {
    probes: MatRef<'d, T>,
    memory: Memory<T>,
    retrieved: Vec<T>,
    /// P, where something is to be learned from it.
    weights: Vec<T>,
    retrieval: Retrieval<'static, T>,
    plasticity: Plasticity<T>,
    context: Context<T>,
}

const FITS: &str = "the operands fit";

impl<'d, T: Scalar> Hopfield<'d, T> {
    /// With its own copy of the patterns.
    ///
    /// # Errors
    /// When the crate refuses the data or β.
    pub fn new(data: &'d Data<T>, setting: Setting) -> Result<Self> {
        let Shape { batch, dim, patterns } = data.shape;
        let parallelism =
            if setting.threads == 1 { Parallelism::Serial } else { Parallelism::Rayon };
        let context = Context::new().with_parallelism(parallelism);
        let update = Update::default().with_eta(T::from_f64(setting.eta));
        Ok(Self {
            probes: MatRef::new(&data.probes, batch, dim)?,
            memory: Memory::from_rows(MatRef::new(&data.patterns, patterns, dim)?)?,
            retrieved: vec![T::ZERO; batch * dim],
            weights: Vec::new(),
            retrieval: Retrieval::new(T::from_f64(setting.beta)),
            plasticity: Plasticity::default().with_update(update),
            context: match setting.level {
                Some(level) => context.with_level(level),
                None => context,
            },
        })
    }
}

/// A B x C matrix, of which B is known.
fn matrix<T>(slice: &mut [T], rows: usize) -> MatMut<'_, T> {
    let cols = slice.len() / rows;
    MatMut::new(slice, rows, cols).expect(FITS)
}

impl<T: Scalar> Peer<T> for Hopfield<'_, T> {
    fn recall(&mut self) {
        let retrieved = Some(matrix(&mut self.retrieved, self.probes.rows()));
        let outputs = Outputs::new().with_retrieved(retrieved);
        self.retrieval.run(self.probes, &self.memory, outputs, &mut self.context).expect(FITS);
    }

    fn associate(&mut self) {
        let batch = self.probes.rows();
        self.weights.resize(batch * self.memory.patterns(), T::ZERO);
        let outputs = Outputs::new()
            .with_retrieved(matrix(&mut self.retrieved, batch))
            .with_memory_weights(matrix(&mut self.weights, batch));
        self.retrieval.run(self.probes, &self.memory, outputs, &mut self.context).expect(FITS);
    }

    fn evolve(&mut self) {
        let batch = self.probes.rows();
        let weights = MatRef::new(&self.weights, batch, self.memory.patterns());
        let input = LearningInput::new(
            self.probes,
            MatRef::new(&self.retrieved, batch, self.memory.dim()).expect(FITS),
            weights.expect("`associate` has been called"),
        );
        self.plasticity
            .learn_from(&self.retrieval, input, &mut self.memory, &mut self.context)
            .expect(FITS);
    }

    fn step(&mut self) {
        let retrieved = matrix(&mut self.retrieved, self.probes.rows());
        let Self { retrieval, probes, memory, context, .. } = self;
        self.plasticity
            .recall_and_learn(retrieval, *probes, retrieved, memory, context)
            .expect(FITS);
    }

    fn recalled(&self) -> &[T] {
        &self.retrieved
    }

    fn patterns(&self) -> Vec<T> {
        self.memory.to_rows()
    }
}
