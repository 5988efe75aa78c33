//! Nothing is allocated after the first call with the same shapes, and recall that records nothing
//! needs no memory for its B x N weights.
//!
//! Only threads that say so are counted, so that the test harness may allocate as it likes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};

use hopfield_kernels::{
    Borrowed, Codes, Context, Element, LearningInput, MatMut, MatRef, Memory, OuterProducts,
    Outputs, Parallelism, Plasticity, Precision, Recall, Retrieval, Separation, Settled,
    Similarity, Stop, Update, UpdateRule, combine, energy, outer_product_update, retrieve,
    similarities, softmax, softmax_into, top_k,
};
use testkit::members;

/// The system's allocator, and what it has been asked for.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn count(calls: usize, bytes: isize) {
    if COUNTED.try_with(Cell::get).unwrap_or(false) {
        CALLS.fetch_add(calls, SeqCst);
        let now = BYTES.fetch_add(bytes, SeqCst) + bytes;
        PEAK.fetch_max(now, SeqCst);
    }
}

// SAFETY: the system's allocator does all of the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: `layout` has a size above 0, which `alloc` requires of its callers too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: `at` is a block of this layout from `alloc`, and so from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One count at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Allocations, and the most bytes more than before, of the counted threads during `work`.
fn counted(work: impl FnOnce()) -> (usize, isize) {
    let before = BYTES.load(SeqCst);
    PEAK.store(before, SeqCst);
    let calls = CALLS.load(SeqCst);
    let was = COUNTED.replace(true);
    work();
    COUNTED.set(was);
    (CALLS.load(SeqCst) - calls, PEAK.load(SeqCst) - before)
}

/// Numbers of [-1, 1].
fn numbers<T: Element>(count: usize, seed: u64) -> Vec<T> {
    let number = |k: usize| {
        let bits = (k as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        T::from_f64(bits as f64 / (1_u64 << 23) as f64 - 1.0)
    };
    (0..count).map(number).collect()
}

/// Every `_with` form twice, of which the second may not allocate.
fn second_calls_allocate_nothing<T: Element>(
    (batch, dim, patterns): (usize, usize, usize),
    parallelism: Parallelism,
) {
    let beta = T::from_f64(2.0);
    let rows = numbers::<T>(patterns * dim, 1);
    let mut memory = Memory::from_rows(MatRef::new(&rows, patterns, dim).unwrap()).unwrap();
    let probes = numbers::<T>(batch * dim, 2);
    let mut retrieved = numbers::<T>(batch * dim, 3);
    let mut scores = numbers::<T>(batch * patterns, 4);
    let mut weights = numbers::<T>(batch * patterns, 5);
    let mut delta = numbers::<T>(patterns * dim, 6);
    let [mut lse, mut energies, mut entropy, mut best_weight] =
        [0; 4].map(|seed| numbers::<T>(batch, seed));
    let (mut best, mut support) = (vec![None; batch], vec![0; batch]);
    let keep: Vec<_> = (0..patterns).map(|n| n % 3 != 0).collect();
    let x = MatRef::new(&probes, batch, dim).unwrap();
    let small = T::from_f64(0.01);
    let update = Update::default().with_eta(small).with_reg_lambda(small).with_l1_lambda(small);
    let (plain, masked) = (Retrieval::new(beta), Retrieval::new(beta).with_mask(&keep));

    macro_rules! twice {
        ($name:literal, |$context:ident| $call:expr) => {{
            let mut context = Context::<T>::new().with_parallelism(parallelism);
            let $context = &mut context;
            $call;
            let (calls, _) = counted(|| $call);
            assert_eq!(calls, 0, "{}: {batch} x {dim} x {patterns}, {parallelism:?}", $name);
        }};
    }
    macro_rules! to {
        ($numbers:ident, $rows:expr, $cols:expr) => {
            MatMut::new(&mut $numbers, $rows, $cols).unwrap()
        };
    }

    twice!("similarities", |context| similarities(
        x,
        &memory,
        to!(scores, batch, patterns),
        &mut *context
    )
    .unwrap());
    twice!("combine", |context| combine(
        MatRef::new(&scores, batch, patterns).unwrap(),
        &memory,
        to!(retrieved, batch, dim),
        &mut *context
    )
    .unwrap());
    twice!("softmax", |context| softmax(to!(scores, batch, patterns), beta, &mut *context)
        .unwrap());
    twice!("softmax_into", |context| softmax_into(
        MatRef::new(&scores, batch, patterns).unwrap(),
        beta,
        to!(weights, batch, patterns),
        &mut *context
    )
    .unwrap());
    twice!("retrieve", |context| retrieve(
        x,
        &memory,
        beta,
        to!(retrieved, batch, dim),
        &mut *context
    )
    .unwrap());
    twice!("energy", |context| energy(x, &memory, beta, &mut energies, &mut *context).unwrap());
    let members = [
        plain.with_separation(Separation::Sparsemax),
        masked.with_separation(Separation::Entmax(1.5)),
        plain.with_separation(Separation::Normmax(2.0)),
        plain.with_separation(Separation::Power(3.0)),
        plain.with_similarity(Similarity::Cosine),
        plain.with_separation(Separation::Sparsemax).with_similarity(Similarity::NegL2),
    ];
    for retrieval in [plain, masked].into_iter().chain(members) {
        twice!("Retrieval::run", |context| retrieval
            .run(
                x,
                &memory,
                Outputs::new()
                    .with_retrieved(to!(retrieved, batch, dim))
                    .with_similarities(to!(scores, batch, patterns))
                    .with_memory_weights(to!(weights, batch, patterns))
                    .with_lse(&mut lse)
                    .with_energy(&mut energies)
                    .with_entropy(&mut entropy)
                    .with_best(&mut best)
                    .with_best_weight(&mut best_weight)
                    .with_support(&mut support),
                context
            )
            .unwrap());
    }
    let (mut settled, stop) = (Settled::new().with_trace(), Stop::new().max_steps(3));
    twice!("Retrieval::settle", |context| {
        retrieved.copy_from_slice(&probes);
        plain.apply_with(&memory, &mut retrieved, context).unwrap();
        retrieved.copy_from_slice(&probes);
        plain.settle(&memory, &mut retrieved, stop, &mut settled, context).unwrap();
    });
    twice!("outer_product_update", |context| outer_product_update(
        &mut memory,
        OuterProducts::new(MatRef::new(&weights, batch, patterns).unwrap(), x)
            .with_delta(to!(delta, patterns, dim)),
        update,
        &mut *context
    )
    .unwrap());
    for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
        let learns =
            Plasticity::default().with_rule(rule).with_update(update).with_negative_steps(2);
        twice!("Plasticity::recall_and_learn", |context| learns
            .recall_and_learn(&masked, x, to!(retrieved, batch, dim), &mut memory, context)
            .unwrap());
        for retrieval in [&plain, &masked] {
            let mut recall = Recall::new();
            twice!("Plasticity::learn", |context| {
                let retrieved_here = to!(retrieved, batch, dim);
                let outputs = Outputs::new().with_retrieved(retrieved_here);
                retrieval.recall(x, &memory, outputs, &mut recall, context).unwrap();
                let delta = Some(to!(delta, patterns, dim));
                learns.learn(&recall, &mut memory, delta, context).unwrap();
            });
        }
        twice!("Plasticity::learn_from", |context| learns
            .learn_from(
                &plain,
                LearningInput::new(
                    x,
                    MatRef::new(&retrieved, batch, dim).unwrap(),
                    MatRef::new(&weights, batch, patterns).unwrap()
                )
                .with_delta(to!(delta, patterns, dim)),
                &mut memory,
                context,
            )
            .unwrap());
    }
}

/// Every separation with every similarity twice, with all that recalls tell of their weights.
fn second_recalls_of_members<T: Element>(
    (batch, dim, patterns): (usize, usize, usize),
    parallelism: Parallelism,
) {
    let rows = numbers::<T>(patterns * dim, 1);
    let memory = Memory::from_rows(MatRef::new(&rows, patterns, dim).unwrap()).unwrap();
    let probes = numbers::<T>(batch * dim, 2);
    let mut retrieved = numbers::<T>(batch * dim, 3);
    let [mut lse, mut energies, mut second, mut sum_p2, mut spread] =
        [0; 5].map(|seed| numbers::<T>(batch, seed));
    let (mut k90, mut usage) = (vec![0; batch], numbers::<T>(patterns, 4));
    for (separation, similarity) in members::all() {
        let how = Retrieval::new(T::from_f64(0.7))
            .with_separation(separation)
            .with_similarity(similarity);
        let mut context = Context::new().with_parallelism(parallelism);
        let mut run = || {
            let to = MatMut::new(&mut retrieved, batch, dim).unwrap();
            let outputs = Outputs::new()
                .with_retrieved(to)
                .with_lse(&mut lse)
                .with_energy(&mut energies)
                .with_second(&mut second)
                .with_sum_p2(&mut sum_p2)
                .with_spread(&mut spread)
                .with_k90(&mut k90)
                .with_usage(&mut usage);
            let probes = MatRef::new(&probes, batch, dim).unwrap();
            how.run(probes, &memory, outputs, &mut context).unwrap();
        };
        run();
        let (calls, _) = counted(run);
        let what = format!("{separation:?} {similarity:?}");
        assert_eq!(calls, 0, "{what}: {batch} x {dim} x {patterns}, {parallelism:?}");
    }
}

#[test]
fn second_recalls_of_every_member() {
    let _turn = alone();
    for shape in [(3, 20, 50), (1, 40, 3000), (33, 36, 1100)] {
        second_recalls_of_members::<f32>(shape, Parallelism::Serial);
        second_recalls_of_members::<f64>(shape, Parallelism::Serial);
    }
}

/// Recalls from patterns that are not stored as padded rows, the second of which may not allocate.
#[test]
fn second_recalls_from_other_stores() {
    let _turn = alone();
    for (batch, dim, patterns) in SHAPES {
        let rows = numbers::<f32>(patterns * dim, 1);
        let memory = Memory::from_slice(&rows, dim).unwrap();
        let narrow = memory.clone().with_precision(Precision::Bf16).unwrap();
        let borrowed = Borrowed::new(&rows, patterns, dim, dim).unwrap();
        borrowed.squared_norms();
        let probes = numbers::<f32>(batch * dim, 2);
        let mut retrieved = vec![0.0; batch * dim];
        for memory in [&narrow, &borrowed] {
            for separation in [Separation::Softmax, Separation::Sparsemax] {
                let how = Retrieval::new(2.0).with_separation(separation);
                let mut context = Context::new().with_parallelism(Parallelism::Serial);
                let mut run = || {
                    let to = MatMut::new(&mut retrieved, batch, dim).unwrap();
                    let outputs = Outputs::default().with_retrieved(to);
                    let probes = MatRef::new(&probes, batch, dim).unwrap();
                    how.run(probes, memory, outputs, &mut context).unwrap();
                };
                run();
                let (calls, _) = counted(run);
                assert_eq!(calls, 0, "{separation:?}: {batch} x {dim} x {patterns}");
            }
        }
    }
}

/// One block; a few probes and many splits; many probes and several splits.
const SHAPES: [(usize, usize, usize); 4] =
    [(3, 20, 50), (1, 100, 20_000), (5, 70, 9000), (64, 70, 5000)];

#[test]
fn second_searches() {
    let _alone = alone();
    for (batch, dim, patterns, k) in [(1, 40, 900, 1), (3, 40, 900, 100), (2, 7, 300, 300)] {
        let rows = numbers::<f32>(patterns * dim, 1);
        let memory = Memory::from_slice(&rows, dim).unwrap();
        let probes = numbers::<f32>(batch * dim, 2);
        let (mut indices, mut scores) = (vec![None; batch * k], vec![0.0; batch * k]);
        let mut context = Context::new().with_parallelism(Parallelism::Serial);
        for memory in [memory.clone(), memory.with_codes(Codes::Eight).unwrap()] {
            let mut search = || {
                let probes = MatRef::new(&probes, batch, dim).unwrap();
                let indices = MatMut::new(&mut indices, batch, k).unwrap();
                let scores = MatMut::new(&mut scores, batch, k).unwrap();
                top_k(probes, &memory, indices, scores, &mut context).unwrap();
            };
            search();
            let (calls, _) = counted(&mut search);
            assert_eq!(calls, 0, "the {k} best of {batch} x {dim} x {patterns}");
        }
    }
}

#[test]
fn second_calls_on_one_thread() {
    let _turn = alone();
    for shape in SHAPES {
        second_calls_allocate_nothing::<f32>(shape, Parallelism::Serial);
        second_calls_allocate_nothing::<f64>(shape, Parallelism::Serial);
    }
}

#[cfg(feature = "rayon")]
#[test]
fn second_calls_on_several_threads() {
    let _turn = alone();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    pool.broadcast(|_| COUNTED.set(true));
    pool.install(|| {
        for shape in SHAPES {
            second_calls_allocate_nothing::<f32>(shape, Parallelism::Rayon);
            second_calls_allocate_nothing::<f64>(shape, Parallelism::Rayon);
        }
    });
    // Threads that end may allocate, and the next test may have begun by then.
    pool.broadcast(|_| COUNTED.set(false));
}

/// 256 probes and a million patterns: their weights alone would be a gigabyte.
#[test]
fn unrecorded_recall_needs_no_memory_for_weights() {
    let _turn = alone();
    let (batch, dim, patterns) = (256, 64, 1_000_000);
    let mut memory = Memory::<f32>::zeros(patterns, dim).unwrap();
    let rows = numbers::<f32>(2 * patterns + dim, 1);
    for n in 0..patterns {
        memory.set_pattern(n, &rows[2 * n..][..dim]).unwrap();
    }
    let probes = numbers::<f32>(batch * dim, 2);
    let mut retrieved = vec![f32::NAN; batch * dim];
    let to = MatMut::new(&mut retrieved, batch, dim).unwrap();
    let context = &mut Context::new().with_parallelism(Parallelism::Serial);
    let (_, peak) = counted(|| {
        let x = MatRef::new(&probes, batch, dim).unwrap();
        retrieve(x, &memory, 2.0, to, &mut *context).unwrap();
    });
    println!("peak extra memory: {} KiB", peak / 1024);
    assert!(peak < 8 << 20, "{peak} bytes");
    assert!(retrieved.iter().all(|x| x.is_finite()));
}

/// Learning keeps at most 32 MiB of similarities, and computes more of them twice.
#[test]
fn similarities_that_are_many_are_not_kept_for_learning() {
    let _turn = alone();
    let patterns = 1 << 12;
    for (probes, kept) in [(2, 2), (2048, 2048), (2049, 0)] {
        let mut memory = Memory::<f32>::zeros(patterns, 1).unwrap();
        let (ones, mut retrieved) = (vec![1.0; probes], vec![0.0; probes]);
        let (_, peak) = counted(|| {
            let x = MatRef::new(&ones, probes, 1).unwrap();
            let to = MatMut::new(&mut retrieved, probes, 1).unwrap();
            let mut context = Context::new().with_parallelism(Parallelism::Serial);
            Plasticity::default()
                .recall_and_learn(&Retrieval::new(1.0), x, to, &mut memory, &mut context)
                .unwrap();
        });
        let (least, rest) = ((kept * patterns * 4) as isize, 4 << 20);
        assert!((least..least + rest).contains(&peak), "{probes} probes: {peak} bytes");
    }
}
