//! From bytes to shapes, numbers and matrices.

use arbitrary::Unstructured;
use hopfield_kernels::{Codes, Context, Level, Parallelism, Screening, Update};

use testkit::data::{Kind, Matrix, Random, Real};
use testkit::naive::How;
use testkit::subject::{Case, Shape};

/// What is left of the bytes. When there are none, everything is the least that it may be.
pub struct Input<'a>(Unstructured<'a>);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        self.0.int_in_range(low..=high).unwrap_or(low)
    }

    pub fn flag(&mut self) -> bool {
        self.between(0, 1) == 1
    }

    /// One in so many times.
    pub fn seldom(&mut self, times: usize) -> bool {
        self.between(0, times - 1) == times - 1
    }

    pub fn pick<V: Copy>(&mut self, from: &[V]) -> V {
        from[self.between(0, from.len() - 1)]
    }

    /// Of [low, high], in 256 steps.
    pub fn number(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.between(0, 255) as f64 / 255.0
    }

    /// Above 0, from e^low to e^high.
    pub fn positive(&mut self, low: f64, high: f64) -> f64 {
        self.number(low, high).exp()
    }

    pub fn screening(&mut self) -> Screening {
        self.pick(&[Screening::Auto, Screening::Never, Screening::Always])
    }

    pub fn codes(&mut self) -> Codes {
        self.pick(&[Codes::Eight, Codes::Four])
    }

    pub fn seed(&mut self) -> u64 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// All the bytes that are left.
    pub fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }

    /// B, D and N: a few groups of lanes, and now and then the edges of chunks and blocks; not more
    /// than the reference can do in a few milliseconds.
    pub fn shape<T: Real>(&mut self) -> Shape {
        let (lanes, chunk) = (T::LANES, 4096 / size_of::<T>());
        let dim = match self.seldom(8) {
            false => self.between(1, 4 * lanes + 1),
            true => self.pick(&[chunk - 1, chunk, chunk + 1, 2 * chunk + 3]),
        };
        let patterns = match self.seldom(8) {
            false => self.between(1, 4 * lanes + 1),
            true => self.pick(&[127, 128, 129, 511, 512, 513, 1030]),
        };
        let batch = self.between(1, 17);
        let patterns = patterns.min(40_000 / dim).max(1);
        (batch.min(40_000 / (dim * patterns)).max(1), dim, patterns)
    }

    /// Of the kinds that the tests know, or a number for each byte.
    pub fn matrix<T: Real>(&mut self, (rows, cols): (usize, usize)) -> Matrix<T> {
        let gap = self.pick(&[0, 0, 1, 7, 16]);
        if self.flag() {
            let kind = self.pick(&Kind::ALL);
            return kind.matrix((rows, cols, gap), &mut Random(self.seed()));
        }
        // Bytes as they are, so that what repeats in them repeats in the matrix.
        let bytes = self.0.bytes((rows * cols).min(self.0.len())).unwrap_or_default();
        let scale = [1.0, 0.01, 30.0, 1e-20][bytes.len() % 4] / 64.0;
        Matrix::from_fn((rows, cols, gap), |row, col| {
            let byte = bytes.get((row * cols + col) % bytes.len().max(1)).copied();
            T::from_f64(f64::from(byte.unwrap_or_default() as i8) * scale)
        })
    }

    /// Probes, patterns, with codes or without, and how to recall.
    pub fn case<T: Real>(&mut self) -> Case<T> {
        let (batch, dim, patterns) = self.shape::<T>();
        let mut how = How::beta(self.positive(-5.0, 4.0));
        if self.seldom(4) {
            how.gain = T::from_f64(self.positive(-2.0, 2.0));
        }
        if self.seldom(4) {
            let (mut random, few) = (Random(self.seed()), self.between(1, 8));
            how.keep = Some((0..patterns).map(|_| random.below(few) == 0).collect());
            if self.seldom(8) {
                how.keep = Some(vec![false; patterns]);
            }
        }
        let (probes, patterns) = (self.matrix((batch, dim)), self.matrix((patterns, dim)));
        let mut case = Case::new(probes, patterns, how);
        case.how.beta = T::from_f64(case.how.beta.to_f64().min(sharpest(&case)));
        case.screening = self.screening();
        if self.flag() {
            case.memory = case.memory.with_codes(self.codes()).expect("room for codes");
        }
        case
    }

    /// η, λ and λ₁.
    pub fn factors<T: Real>(&mut self) -> Update<T> {
        let mut factor = |low, high| match self.flag() {
            true => T::from_f64(self.number(low, high)),
            false => T::ZERO,
        };
        let (reg_lambda, l1_lambda) = (factor(0.0, 0.5), factor(0.0, 0.1));
        Update::default()
            .with_eta(T::from_f64(self.number(-1.0, 1.0)))
            .with_reg_lambda(reg_lambda)
            .with_l1_lambda(l1_lambda)
    }

    /// One of this machine's levels, with or without threads.
    pub fn context<T: Real>(&mut self) -> (Level, Context<T>) {
        let levels: Vec<_> = Level::available().collect();
        let level = self.pick(&levels);
        let parallelism = match self.seldom(8) {
            true => Parallelism::default(),
            false => Parallelism::Serial,
        };
        (level, Context::new().with_level(level).with_parallelism(parallelism))
    }
}

/// The β up to which scores, and those of what is retrieved, are known well enough for a bound on a
/// softmax to say something: beyond, it is infinite, and no result would be wrong.
pub fn sharpest<T: Real>(case: &Case<T>) -> f64 {
    let highest = |matrix: &Matrix<T>| {
        matrix.iter().flatten().fold(0.0_f64, |highest, x| highest.max(x.to_f64().abs()))
    };
    let (gain, pattern) = (case.how.gain.to_f64(), highest(&case.patterns));
    let dim = case.patterns.cols as f64;
    let score = gain * dim * pattern * highest(&case.probes).max(gain * pattern);
    let roundings = dim / T::LANES as f64 + 10.0;
    0.2 / (T::UNIT * roundings * score)
}

/// A folder for files, in memory where that is possible: saving a synapse waits for the disk.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}
