//! The most similar patterns.

use hopfield_kernels::{Codes, Context, MatMut, top_k};
use testkit::data::Real;
use testkit::levels;

use crate::problem::{Kind, Problem};

fn exact<T: Real>(kind: Kind, k: usize) {
    let problem = Problem::<T>::new(kind, (5, 72, 1500), 13);
    let plain = problem.memory();
    let coded = [Codes::Eight, Codes::Four].map(|codes| plain.clone().with_codes(codes).unwrap());
    for level in levels::all() {
        let find = |memory| {
            let mut context: Context<T> = levels::serial(level);
            let (mut indices, mut scores) = (vec![None; 5 * k], vec![T::CANARY; 5 * k]);
            let to = MatMut::new(&mut indices, 5, k).unwrap();
            let scores_to = MatMut::new(&mut scores, 5, k).unwrap();
            top_k(problem.view(), memory, to, scores_to, &mut context).unwrap();
            let bits: Vec<u64> = scores.iter().map(|score| score.bits()).collect();
            (indices, bits)
        };
        let expected = find(&plain);
        for memory in &coded {
            assert_eq!(find(memory), expected, "{level} {kind:?} {k} {:?}", memory.codes());
        }
        // Against a sort of the scores in double precision, where these are far enough apart.
        if kind == Kind::Near {
            for b in 0..5 {
                let probe = &problem.probes[b * 72..][..72];
                let score = |n: usize| -> f64 {
                    let row = &problem.patterns[n * 72..][..72];
                    row.iter().zip(probe).map(|(m, x)| m.to_f64() * x.to_f64()).sum()
                };
                let mut order: Vec<usize> = (0..problem.count()).collect();
                order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
                for (at, (&found, &right)) in
                    expected.0[b * k..][..k].iter().flatten().zip(&order).enumerate()
                {
                    let off = (score(found) - score(right)).abs();
                    assert!(off <= 100.0 * T::UNIT * 72.0, "{at}: {found} for {right}");
                }
            }
        }
    }
}

#[test]
fn codes_find_the_most_similar_patterns() {
    for kind in [Kind::Near, Kind::Equal, Kind::Norms, Kind::Images, Kind::Spikes] {
        for k in [1, 2, 10, 64] {
            exact::<f32>(kind, k);
            exact::<f64>(kind, k);
        }
    }
}
