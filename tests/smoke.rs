//! temp
use hopfield_kernels::*;
#[test]
fn smoke() {
    for &(b, d, n) in &[(1usize, 3usize, 5usize), (7, 17, 33), (16, 784, 1000), (3, 1000, 300), (13,64,5000),(1,784,3000)] {
        let mut seed = 1u64;
        let mut rnd = || { seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); ((seed >> 33) as f64 / (1u64 << 31) as f64 * 2.0 - 1.0) as f32 };
        let m: Vec<f32> = (0..n * d).map(|_| rnd()).collect();
        let x: Vec<f32> = (0..b * d).map(|_| rnd()).collect();
        let beta = 1.5f32 / (d as f32).sqrt();
        let mut want = vec![0f64; b * d];
        for i in 0..b {
            let s: Vec<f64> = (0..n).map(|k| (0..d).map(|j| x[i * d + j] as f64 * m[k * d + j] as f64).sum::<f64>() * beta as f64).collect();
            let mx = s.iter().cloned().fold(f64::MIN, f64::max);
            let p: Vec<f64> = s.iter().map(|s| (s - mx).exp()).collect();
            let l: f64 = p.iter().sum();
            for k in 0..n { for j in 0..d { want[i * d + j] += p[k] / l * m[k * d + j] as f64; } }
        }
        let mem = Memory::from_rows(MatRef::new(&m, n, d).unwrap()).unwrap();
        for level in Level::available() {
            for par in [Parallelism::Serial, Parallelism::Rayon] {
            let mut out = vec![f32::NAN; b * d];
            let mut ws = Workspace::new().with_level(level).with_parallelism(par);
            Retrieval::new(beta).unwrap().run(MatRef::new(&x, b, d).unwrap(), &mem, Outputs { retrieved: Some(MatMut::new(&mut out, b, d).unwrap()), ..Default::default() }, &mut ws).unwrap();
            let err = out.iter().zip(&want).map(|(a, b)| (*a as f64 - b).abs()).fold(0.0, f64::max);
            let mut h = 0u64; for v in &out { h = h.wrapping_mul(31).wrapping_add(v.to_bits() as u64); }
            println!("{b} {d} {n} {level} {par:?} err {err:e} hash {h:x}");
            assert!(err < 1e-5);
            }
        }
    }
}
