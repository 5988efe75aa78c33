//! Nothing is read or written outside the operands: buffers that end or begin at a page that may
//! not be touched, and canaries between rows.
//!
//! Every kernel runs at every level of the machine, for every D and N up to twice the largest tile
//! and one more, in guarded rows with holes. The results have to be those of ordinary, contiguous
//! buffers. (That they are right is shown elsewhere.)

use std::marker::PhantomData;

use hopfield_kernels::{
    Context, LearningInput, MatMut, MatRef, Memory, OuterProducts, Outputs, Plasticity, Retrieval,
    Update, UpdateRule, combine, outer_product_update, similarities, softmax_into,
};
use region::{Allocation, Protection};
use testkit::data::{Kind, Matrix, Random, Real};

const BATCHES: [usize; 8] = [1, 2, 3, 5, 6, 7, 8, 17];

/// Memory between two pages that may not be touched.
struct Fence<T> {
    pages: Allocation,
    element: PhantomData<T>,
}

/// Which of the two pages a buffer touches.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    End,
    Start,
}

impl<T: Copy> Fence<T> {
    /// Room for so many elements.
    fn new(elements: usize) -> Self {
        let page = region::page::size();
        let inner = (elements * size_of::<T>()).next_multiple_of(page).max(page);
        let mut pages = region::alloc(inner + 2 * page, Protection::READ_WRITE).expect("pages");
        let first = pages.as_mut_ptr::<u8>();
        for guard in [first, first.wrapping_add(page + inner)] {
            // SAFETY: the page is one of this allocation's, and nothing has a reference to it.
            unsafe { region::protect(guard, page, Protection::NONE) }.expect("a guard page");
        }
        Self { pages, element: PhantomData }
    }

    /// A buffer that touches a guard page, full of this.
    fn buffer(&mut self, length: usize, side: Side, filler: T) -> &mut [T] {
        let (page, bytes) = (region::page::size(), length * size_of::<T>());
        let inner = self.pages.len() - 2 * page;
        assert!(bytes <= inner, "the fence is too small");
        let offset = page + if side == Side::End { inner - bytes } else { 0 };
        let start = self.pages.as_mut_ptr::<u8>().wrapping_add(offset).cast::<T>();
        for at in 0..length {
            // SAFETY: between the guards, and aligned: pages and elements are powers of two.
            unsafe { start.add(at).write(filler) };
        }
        // SAFETY: `length` elements that have just been written, borrowed from `self` exclusively.
        unsafe { std::slice::from_raw_parts_mut(start, length) }
    }
}

/// A matrix in a fence. Its holes are canaries.
struct Guarded<'a, T> {
    numbers: &'a mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<'a, T: Real> Guarded<'a, T> {
    fn unwritten(
        fence: &'a mut Fence<T>,
        (rows, cols, gap): (usize, usize, usize),
        side: Side,
    ) -> Self {
        let stride = cols + gap;
        let length = if rows == 0 { 0 } else { (rows - 1) * stride + cols };
        Self { numbers: fence.buffer(length, side, T::CANARY), rows, cols, stride }
    }

    fn copy(fence: &'a mut Fence<T>, of: &Matrix<T>, gap: usize, side: Side) -> Self {
        let this = Self::unwritten(fence, (of.rows, of.cols, gap), side);
        for (row, numbers) in of.iter().zip(this.numbers.chunks_mut(this.stride)) {
            numbers[..row.len()].copy_from_slice(row);
        }
        this
    }

    fn view(&self) -> MatRef<'_, T> {
        MatRef::with_stride(self.numbers, self.rows, self.cols, self.stride).expect("it fits")
    }

    fn view_mut(&mut self) -> MatMut<'_, T> {
        MatMut::with_stride(self.numbers, self.rows, self.cols, self.stride).expect("it fits")
    }

    /// That elements are written and holes are not.
    fn assert_written(&self, expected: &Matrix<T>, what: &str) {
        let same = self
            .view()
            .iter()
            .zip(expected.iter())
            .all(|(row, expected)| row.iter().zip(expected).all(|(x, y)| x.bits() == y.bits()));
        assert!(same, "{what}: other bits than in an ordinary buffer");
        let canary = |x: &T| x.bits() == T::CANARY.bits();
        for (at, x) in self.numbers.iter().enumerate() {
            let hole = at % self.stride >= self.cols;
            assert_eq!(hole, canary(x), "{what}: element {at}, stride {}", self.stride);
        }
    }
}

/// A fence for each operand of a call.
struct Fences<T> {
    /// Inputs and outputs: matrices.
    matrices: [Fence<T>; 5],
    numbers: [Fence<T>; 4],
    best: Fence<Option<usize>>,
    support: Fence<usize>,
    mask: Fence<bool>,
}

impl<T: Real> Fences<T> {
    fn new(most: usize) -> Self {
        Self {
            matrices: std::array::from_fn(|_| Fence::new(most)),
            numbers: std::array::from_fn(|_| Fence::new(64)),
            best: Fence::new(64),
            support: Fence::new(64),
            mask: Fence::new(most),
        }
    }
}

/// One shape: what there is to compute.
struct Case<T> {
    probes: Matrix<T>,
    patterns: Matrix<T>,
    /// B x N, some of them 0.
    weights: Matrix<T>,
    beta: T,
    gap: usize,
    side: Side,
    masked: bool,
}

impl<T: Real> Case<T> {
    fn new((batch, dim, patterns): (usize, usize, usize)) -> Self {
        let seed = batch * 1_000_003 + dim * 1009 + patterns;
        let mut random = Random(seed as u64);
        let mut matrix = |kind: Kind, rows, cols| kind.matrix((rows, cols, 0), &mut random);
        Self {
            probes: matrix(Kind::Uniform, batch, dim),
            patterns: matrix(Kind::Uniform, patterns, dim),
            weights: matrix(Kind::ZeroBlocks, batch, patterns),
            beta: T::from_f64(3.0),
            gap: [0, 1, 3, 16][seed % 4],
            side: if seed % 3 == 0 { Side::Start } else { Side::End },
            masked: seed % 5 == 0,
        }
    }

    /// Every kernel, in guarded buffers and in ordinary ones.
    fn run(&self, fences: &mut Fences<T>, context: &mut Context<T>) {
        let memory = {
            let rows = Guarded::copy(&mut fences.matrices[0], &self.patterns, self.gap, self.side);
            Memory::from_rows(rows.view()).expect("patterns")
        };
        assert_eq!(memory.to_rows().len(), self.patterns.bits().len());
        self.products(&memory, fences, context);
        self.recall(&memory, fences, context);
        self.learning(&memory, fences, context);
    }

    fn products(&self, memory: &Memory<T>, fences: &mut Fences<T>, context: &mut Context<T>) {
        let (gap, side) = (self.gap, self.side);
        let (batch, dim, patterns) = (self.probes.rows, memory.dim(), memory.patterns());
        let [input, output, ..] = &mut fences.matrices;

        let mut expected = Matrix::unwritten(batch, patterns, 0);
        similarities(self.probes.view(), memory, expected.view_mut(), &mut *context).unwrap();
        let probes = Guarded::copy(input, &self.probes, gap, side);
        let mut scores = Guarded::unwritten(output, (batch, patterns, gap), side);
        similarities(probes.view(), memory, scores.view_mut(), &mut *context).unwrap();
        scores.assert_written(&expected, "similarities");

        let mut softmax = Matrix::unwritten(batch, patterns, 0);
        softmax_into(expected.view(), self.beta, softmax.view_mut(), &mut *context).unwrap();
        hopfield_kernels::softmax(scores.view_mut(), self.beta, &mut *context).unwrap();
        scores.assert_written(&softmax, "softmax");
        let scores = Guarded::copy(input, &expected, gap, side);
        let mut into = Guarded::unwritten(output, (batch, patterns, gap), side);
        softmax_into(scores.view(), self.beta, into.view_mut(), &mut *context).unwrap();
        into.assert_written(&softmax, "softmax_into");

        let mut expected = Matrix::unwritten(batch, dim, 0);
        combine(self.weights.view(), memory, expected.view_mut(), &mut *context).unwrap();
        let weights = Guarded::copy(input, &self.weights, gap, side);
        let mut sums = Guarded::unwritten(output, (batch, dim, gap), side);
        combine(weights.view(), memory, sums.view_mut(), &mut *context).unwrap();
        sums.assert_written(&expected, "combine");
    }

    fn recall(&self, memory: &Memory<T>, fences: &mut Fences<T>, context: &mut Context<T>) {
        let (gap, side) = (self.gap, self.side);
        let (batch, dim, patterns) = (self.probes.rows, memory.dim(), memory.patterns());
        let keep = fences.mask.buffer(patterns, side, true);
        keep.iter_mut().step_by(3).for_each(|keep| *keep = false);
        let keep = &*keep;
        let retrieval = Retrieval::new(self.beta);
        let retrieval = if self.masked { retrieval.with_mask(keep) } else { retrieval };

        let mut expected = [dim, patterns, patterns].map(|cols| Matrix::unwritten(batch, cols, 0));
        let mut vectors: [Vec<T>; 4] = std::array::from_fn(|_| vec![T::CANARY; batch]);
        let (mut best, mut support) = (vec![Some(7); batch], vec![7; batch]);
        let outputs = every_output(
            expected.each_mut().map(Matrix::view_mut),
            vectors.each_mut().map(Vec::as_mut_slice),
            &mut best,
            &mut support,
        );
        retrieval.run(self.probes.view(), memory, outputs, context).unwrap();

        let [input, retrieved, similarities, weights, _] = &mut fences.matrices;
        let probes = Guarded::copy(input, &self.probes, gap, side);
        let mut retrieved = Guarded::unwritten(retrieved, (batch, dim, gap), side);
        let mut similarities = Guarded::unwritten(similarities, (batch, patterns, gap), side);
        let mut weights = Guarded::unwritten(weights, (batch, patterns, gap), side);
        let mut numbers =
            fences.numbers.each_mut().map(|fence| fence.buffer(batch, side, T::CANARY));
        let places = fences.best.buffer(batch, side, Some(usize::MAX - 1));
        let counts = fences.support.buffer(batch, side, usize::MAX - 1);
        let outputs = every_output(
            [&mut retrieved, &mut similarities, &mut weights].map(Guarded::view_mut),
            numbers.each_mut().map(|fenced| &mut **fenced),
            places,
            counts,
        );
        retrieval.run(probes.view(), memory, outputs, context).unwrap();
        retrieved.assert_written(&expected[0], "retrieved");
        similarities.assert_written(&expected[1], "similarities of a recall");
        weights.assert_written(&expected[2], "memory weights");
        for (guarded, expected) in numbers.iter().zip(&vectors) {
            assert!(guarded.iter().zip(expected).all(|(x, y)| x.bits() == y.bits()));
        }
        assert!(*places == best[..] && *counts == support[..]);
    }

    fn learning(&self, memory: &Memory<T>, fences: &mut Fences<T>, context: &mut Context<T>) {
        let (gap, side) = (self.gap, self.side);
        let (batch, dim, patterns) = (self.probes.rows, memory.dim(), memory.patterns());
        let update = Update::default()
            .with_eta(T::from_f64(0.1))
            .with_reg_lambda(T::from_f64(if self.masked { 0.01 } else { 0.0 }))
            .with_l1_lambda(T::ZERO);
        let [x, z, p, delta, to] = &mut fences.matrices;
        let weights = Guarded::copy(p, &self.weights, gap, side);
        let vectors = Guarded::copy(x, &self.probes, gap, side);
        let mut kept = Matrix::unwritten(patterns, dim, 0);
        let mut memories = [memory.clone(), memory.clone()];
        let [first, second] = &mut memories;
        let (ordinary, ordinary_vectors) = (self.weights.view(), self.probes.view());
        let to_keep = Some(kept.view_mut());
        outer_product_update(
            first,
            OuterProducts::new(ordinary, ordinary_vectors).with_delta(to_keep),
            update,
            &mut *context,
        )
        .unwrap();
        let mut guarded = Guarded::unwritten(delta, (patterns, dim, gap), side);
        let to_keep = Some(guarded.view_mut());
        outer_product_update(
            second,
            OuterProducts::new(weights.view(), vectors.view()).with_delta(to_keep),
            update,
            &mut *context,
        )
        .unwrap();
        guarded.assert_written(&kept, "ΔM");
        assert_same(&memories);

        let rule = if gap == 0 { UpdateRule::Contrastive } else { UpdateRule::Delta };
        let plasticity = Plasticity::default().with_rule(rule).with_update(update);
        let retrieval = Retrieval::new(self.beta);
        let mut memories = [memory.clone(), memory.clone()];
        let [first, second] = &mut memories;
        let mut retrieved = Matrix::unwritten(batch, dim, 0);
        let to_write = retrieved.view_mut();
        plasticity
            .recall_and_learn(&retrieval, ordinary_vectors, to_write, first, context)
            .unwrap();
        let mut guarded = Guarded::unwritten(z, (batch, dim, gap), side);
        let to_write = guarded.view_mut();
        plasticity.recall_and_learn(&retrieval, vectors.view(), to_write, second, context).unwrap();
        guarded.assert_written(&retrieved, "retrieved while learning");
        assert_same(&memories);

        // From given weights, with ΔM kept.
        let mut memories = [memory.clone(), memory.clone()];
        let [first, second] = &mut memories;
        let ordinary = LearningInput::new(ordinary_vectors, retrieved.view(), ordinary)
            .with_delta(kept.view_mut());
        plasticity.learn_from(&retrieval, ordinary, first, context).unwrap();
        let mut delta = Guarded::unwritten(to, (patterns, dim, gap), side);
        let input = LearningInput::new(vectors.view(), guarded.view(), weights.view())
            .with_delta(delta.view_mut());
        plasticity.learn_from(&retrieval, input, second, context).unwrap();
        delta.assert_written(&kept, "ΔM of given weights");
        assert_same(&memories);
    }
}

/// Every output of a recall.
fn every_output<'a, T: Real>(
    [retrieved, similarities, memory_weights]: [MatMut<'a, T>; 3],
    [lse, energy, entropy, best_weight]: [&'a mut [T]; 4],
    best: &'a mut [Option<usize>],
    support: &'a mut [usize],
) -> Outputs<'a, T> {
    Outputs::new()
        .with_retrieved(retrieved)
        .with_similarities(similarities)
        .with_memory_weights(memory_weights)
        .with_lse(lse)
        .with_energy(energy)
        .with_entropy(entropy)
        .with_best(best)
        .with_best_weight(best_weight)
        .with_support(support)
}

fn assert_same<T: Real>(memories: &[Memory<T>; 2]) {
    let bits = |memory: &Memory<T>| memory.to_rows().into_iter().map(T::bits).collect::<Vec<_>>();
    assert!(bits(&memories[0]) == bits(&memories[1]), "other patterns than from ordinary buffers");
}

fn nothing_is_touched_outside<T: Real>() {
    let lanes = T::LANES;
    let small = || 1..=2 * lanes + 1;
    let mut shapes: Vec<(usize, usize)> =
        small().flat_map(|dim| small().map(move |patterns| (dim, patterns))).collect();
    // Wider than the widest tile, a chunk of a row, more than a block.
    let wide = [4 * lanes - 1, 4 * lanes + 1, 6 * lanes + 1, 8 * lanes + 1];
    shapes.extend(wide.iter().flat_map(|&at| [(at, 3), (3, at), (at, at)]));
    let chunk = 4096 / size_of::<T>();
    shapes.extend([(chunk - 1, 5), (chunk, 5), (chunk + 1, 5), (3, 511), (3, 513), (17, 1030)]);
    // Around blocks of the longest patterns, and of those that are as long as a chunk.
    shapes.extend([31, 33].map(|patterns| (2 * chunk + 1, patterns)));
    shapes.extend([47, 49, 55, 57, 63, 65].map(|patterns| (chunk, patterns)));
    for level in testkit::levels::all() {
        // One thread is as good as another; shapes as these never use two.
        let mut context = testkit::levels::serial::<T>(level);
        let mut fences = Fences::new(90_000);
        for &(dim, patterns) in &shapes {
            for batch in BATCHES {
                Case::new((batch, dim, patterns)).run(&mut fences, &mut context);
            }
        }
    }
}

#[test]
fn nothing_is_touched_outside_f32() {
    nothing_is_touched_outside::<f32>();
}

#[test]
fn nothing_is_touched_outside_f64() {
    nothing_is_touched_outside::<f64>();
}

/// The guard itself: a child that reads one element too far dies of it.
#[test]
fn the_fence_bites() {
    const BITE: &str = "HOPFIELD_TEST_BITE";
    if std::env::var_os(BITE).is_some() {
        let mut fence = Fence::<f32>::new(3);
        let last = &fence.buffer(3, Side::End, 0.0)[2] as *const f32;
        // SAFETY: none: this reads a guard page, which has to end the process.
        println!("{}", unsafe { last.wrapping_add(1).read_volatile() });
        return;
    }
    let this = std::env::current_exe().expect("a test binary");
    let child = std::process::Command::new(this)
        .args(["--exact", "the_fence_bites", "--nocapture"])
        .env(BITE, "1")
        .output()
        .expect("a child process");
    assert_eq!(child.status.code(), None, "ended by a signal: {child:?}");
}
