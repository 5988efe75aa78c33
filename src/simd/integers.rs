//! Dot products of small integers, which screen patterns by their codes.
//!
//! A vector is 16 sums of `i32`; each takes the products of four unsigned bytes (codes of 16
//! patterns, four features each: one cache line) with four signed bytes (of one probe). Sums of
//! integers are exact, so every instruction set gives the same ones. The tokens prove what they can
//! run, as those of the levels do (see [`simd`](super)); a level uses the best of them that the
//! machine has and that belongs to it.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use super::features::with_features;
use super::level::{Kind, Level};

/// Patterns of a panel: the lanes of a vector of sums.
pub(crate) const PANEL: usize = 16;
/// Bytes of a line: four features of the patterns of a panel.
pub(crate) const LINE: usize = 4 * PANEL;

/// Work that runs with an instruction set for integers.
pub(crate) trait IntegerKernel {
    type Output;

    /// Does the work. Implementations must be `#[inline(always)]`.
    fn run<I: Integers>(self, integers: I) -> Self::Output;
}

/// An instruction set for dot products of small integers. Every method is `#[inline(always)]`.
pub(crate) trait Integers: Copy {
    /// 16 sums.
    type Sums: Copy;
    /// 64 codes.
    type Codes: Copy;

    /// The largest magnitude of a probe's bytes for which no step of the sum saturates.
    const MOST: i32;
    /// Rows and panels of a register tile.
    const PROBES: usize;
    const PANELS: usize;

    /// Runs `work` in a function that is compiled with the token's features, as
    /// [`Simd::vectorize`](super::Simd::vectorize) does.
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R;
    /// The same number in every lane.
    fn splat(self, x: i32) -> Self::Sums;
    /// Loads a line of codes.
    ///
    /// # Safety
    /// - `LINE` bytes at `from` are readable.
    unsafe fn load(self, from: *const u8) -> Self::Codes;
    /// The lower and the upper four bits of every byte.
    fn nibbles(self, codes: Self::Codes) -> [Self::Codes; 2];
    /// Adds the products of each pattern's four codes with the four signed bytes of `probe`.
    fn dot(self, sums: Self::Sums, codes: Self::Codes, probe: i32) -> Self::Sums;
    /// a + b
    fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// Stores the sums.
    ///
    /// # Safety
    /// - 16 elements at `to` are writable.
    unsafe fn store(self, to: *mut i32, sums: Self::Sums);
    /// Prefetches the cache line at `at`, which may be any address.
    fn prefetch(self, at: *const u8);
}

/// Runs a kernel with the best instructions for integers that belong to a level.
pub(crate) fn dispatch<K: IntegerKernel>(level: Level, kernel: K) -> K::Output {
    match level.0 {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512(_) => match Vnni::detect() {
            Some(token) => run(token, kernel),
            None => dispatch_avx2(kernel),
        },
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2(_) => dispatch_avx2(kernel),
        Kind::Portable(_) => kernel.run(Portable),
    }
}

/// With AVX-VNNI, AVX2, or neither.
#[cfg(target_arch = "x86_64")]
fn dispatch_avx2<K: IntegerKernel>(kernel: K) -> K::Output {
    if let Some(token) = AvxVnni::detect() {
        return run(token, kernel);
    }
    match Avx2::detect() {
        Some(token) => run(token, kernel),
        None => kernel.run(Portable),
    }
}

/// The name of the instructions that [`dispatch`] chooses.
#[cfg(test)]
pub(crate) fn name(level: Level) -> &'static str {
    struct Name;
    impl IntegerKernel for Name {
        type Output = &'static str;
        fn run<I: Integers>(self, _: I) -> &'static str {
            std::any::type_name::<I>()
        }
    }
    dispatch(level, Name)
}

#[cfg(target_arch = "x86_64")]
fn run<I: Integers, K: IntegerKernel>(integers: I, kernel: K) -> K::Output {
    integers.vectorize(
        #[inline(always)]
        move || kernel.run(integers),
    )
}

/// Proof that AVX-512 VNNI exists.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Vnni(());

#[cfg(target_arch = "x86_64")]
impl Vnni {
    fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vnni")
            && Avx2::detect().is_some();
        found.then_some(Self(()))
    }
}

#[cfg(target_arch = "x86_64")]
with_features!(Vnni, "avx512f,avx512vnni,avx2,fma,popcnt,bmi1,bmi2");

#[cfg(target_arch = "x86_64")]
impl Integers for Vnni {
    type Sums = __m512i;
    type Codes = __m512i;

    const MOST: i32 = 127;
    // 20 accumulators, 4 lines of codes and 5 words of the probes, which the compiler keeps in
    // registers.
    const PROBES: usize = 5;
    const PANELS: usize = 4;

    #[inline(always)]
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        self.vectorize(work)
    }
    #[inline(always)]
    fn splat(self, x: i32) -> __m512i {
        // SAFETY: `self` proves avx512f.
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> __m512i {
        // SAFETY: `self` proves avx512f; a line at `from` is readable by the precondition of
        // `Integers::load`.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    fn nibbles(self, codes: __m512i) -> [__m512i; 2] {
        // SAFETY: `self` proves avx512f.
        unsafe {
            let low = _mm512_set1_epi32(0x0f0f_0f0f);
            [_mm512_and_si512(codes, low), _mm512_and_si512(_mm512_srli_epi32::<4>(codes), low)]
        }
    }
    #[inline(always)]
    fn dot(self, sums: __m512i, codes: __m512i, probe: i32) -> __m512i {
        // SAFETY: `self` proves avx512f and avx512vnni.
        unsafe { _mm512_dpbusd_epi32(sums, codes, _mm512_set1_epi32(probe)) }
    }
    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves avx512f.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut i32, sums: __m512i) {
        // SAFETY: `self` proves avx512f; 16 elements at `to` are writable by the precondition of
        // `Integers::store`.
        unsafe { _mm512_storeu_si512(to.cast(), sums) }
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

/// Proof that AVX-VNNI exists.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct AvxVnni(());

#[cfg(target_arch = "x86_64")]
impl AvxVnni {
    fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avxvnni") && Avx2::detect().is_some()).then_some(Self(()))
    }
}

#[cfg(target_arch = "x86_64")]
with_features!(AvxVnni, "avxvnni,avx2,fma,popcnt,bmi1,bmi2");

/// The methods of instruction sets that hold a vector in two ymm registers. `$dot` adds the
/// products of one register of codes.
macro_rules! two_registers {
    ($token:ident, most: $most:literal, dot: $dot:expr) => {
        #[cfg(target_arch = "x86_64")]
        impl Integers for $token {
            type Sums = [__m256i; 2];
            type Codes = [__m256i; 2];

            const MOST: i32 = $most;
            // 8 accumulators in 16 registers.
            const PROBES: usize = 2;
            const PANELS: usize = 2;

            #[inline(always)]
            fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
                self.vectorize(work)
            }
            #[inline(always)]
            fn splat(self, x: i32) -> Self::Sums {
                // SAFETY: `self` proves avx2.
                unsafe { [_mm256_set1_epi32(x); 2] }
            }
            #[inline(always)]
            unsafe fn load(self, from: *const u8) -> Self::Codes {
                // SAFETY: `self` proves avx2; a line at `from` is readable by the precondition of
                // `Integers::load`.
                unsafe {
                    [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())]
                }
            }
            #[inline(always)]
            fn nibbles(self, codes: Self::Codes) -> [Self::Codes; 2] {
                // SAFETY: `self` proves avx2.
                unsafe {
                    let low = _mm256_set1_epi32(0x0f0f_0f0f);
                    let [a, b] = codes;
                    let (c, d) = (_mm256_srli_epi32::<4>(a), _mm256_srli_epi32::<4>(b));
                    let and = |x| _mm256_and_si256(x, low);
                    [[and(a), and(b)], [and(c), and(d)]]
                }
            }
            #[inline(always)]
            fn dot(self, sums: Self::Sums, codes: Self::Codes, probe: i32) -> Self::Sums {
                // SAFETY: `self` proves the features that `$dot` uses.
                unsafe {
                    let probe = _mm256_set1_epi32(probe);
                    [$dot(sums[0], codes[0], probe), $dot(sums[1], codes[1], probe)]
                }
            }
            #[inline(always)]
            fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
                // SAFETY: `self` proves avx2.
                unsafe { [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])] }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut i32, sums: Self::Sums) {
                // SAFETY: `self` proves avx2; 16 elements at `to` are writable by the precondition
                // of `Integers::store`.
                unsafe {
                    _mm256_storeu_si256(to.cast(), sums[0]);
                    _mm256_storeu_si256(to.add(8).cast(), sums[1]);
                }
            }
            #[inline(always)]
            fn prefetch(self, at: *const u8) {
                // SAFETY: a prefetch of any address is allowed.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
            }
        }
    };
}

two_registers!(
    AvxVnni,
    most: 127,
    dot: |sums, codes, probe| _mm256_dpbusd_avx_epi32(sums, codes, probe)
);

// Two products of 255 and 63 are less than 2^15, so that no pair saturates.
two_registers!(
    Avx2,
    most: 63,
    dot: |sums, codes, probe| {
        let pairs = _mm256_maddubs_epi16(codes, probe);
        _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
);

/// Plain loops, which need no proof.
#[derive(Clone, Copy)]
struct Portable;

impl Integers for Portable {
    type Sums = [i32; PANEL];
    type Codes = [u8; LINE];

    const MOST: i32 = 127;
    const PROBES: usize = 1;
    const PANELS: usize = 1;

    #[inline(always)]
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }
    #[inline(always)]
    fn splat(self, x: i32) -> Self::Sums {
        [x; PANEL]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> Self::Codes {
        // SAFETY: a line at `from` is readable by the precondition of `Integers::load`.
        unsafe { from.cast::<[u8; LINE]>().read() }
    }
    #[inline(always)]
    fn nibbles(self, codes: Self::Codes) -> [Self::Codes; 2] {
        [codes.map(|code| code & 15), codes.map(|code| code >> 4)]
    }
    #[inline(always)]
    fn dot(self, mut sums: Self::Sums, codes: Self::Codes, probe: i32) -> Self::Sums {
        let probe = probe.to_le_bytes().map(|byte| i32::from(byte as i8));
        for (sum, codes) in sums.iter_mut().zip(codes.as_chunks::<4>().0) {
            *sum += codes.iter().zip(probe).map(|(&code, q)| i32::from(code) * q).sum::<i32>();
        }
        sums
    }
    #[inline(always)]
    fn add(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut i32, sums: Self::Sums) {
        // SAFETY: 16 elements at `to` are writable by the precondition of `Integers::store`.
        unsafe { to.cast::<Self::Sums>().write(sums) }
    }
    #[inline(always)]
    fn prefetch(self, _: *const u8) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of one line with one word, for bytes and for both nibbles.
    struct Line {
        codes: [u8; LINE],
        /// Multiplied by the largest magnitude and rounded towards 0.
        probe: [f64; 4],
    }

    impl IntegerKernel for Line {
        type Output = (Vec<[i32; PANEL]>, [i8; 4]);

        #[inline(always)]
        fn run<I: Integers>(self, integers: I) -> Self::Output {
            let probe = self.probe.map(|x| (x * f64::from(I::MOST)) as i8);
            let word = i32::from_le_bytes(probe.map(|q| q as u8));
            let mut all = Vec::new();
            // SAFETY: both arrays are as long as a line and a vector are.
            unsafe {
                let codes = integers.load(self.codes.as_ptr());
                for codes in [codes, integers.nibbles(codes)[0], integers.nibbles(codes)[1]] {
                    let sums = integers.dot(integers.splat(-7), codes, word);
                    let mut to = [0; PANEL];
                    integers.store(to.as_mut_ptr(), integers.add(sums, integers.splat(3)));
                    all.push(to);
                }
            }
            (all, probe)
        }
    }

    #[test]
    fn sums_are_exact_also_at_the_extremes() {
        for level in Level::available() {
            for probe in [[1.0; 4], [-1.0; 4], [1.0, -1.0, 0.5, 0.0], [-0.1, 0.9, -1.0, 1.0]] {
                for step in [0, 1, 7] {
                    let codes = std::array::from_fn(|i| 255 - (i * step) as u8);
                    let (sums, q) = dispatch(level, Line { codes, probe });
                    let parts: [fn(u8) -> u8; 3] =
                        [|code| code, |code| code & 15, |code| code >> 4];
                    for (sums, part) in sums.iter().zip(parts) {
                        for (lane, &sum) in sums.iter().enumerate() {
                            let products = (0..4)
                                .map(|i| i32::from(part(codes[4 * lane + i])) * i32::from(q[i]));
                            assert_eq!(sum, -4 + products.sum::<i32>(), "{level} {lane}");
                        }
                    }
                }
            }
            eprintln!("{level}: {}", name(level));
        }
    }
}
