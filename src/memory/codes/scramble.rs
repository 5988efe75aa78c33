//! Codes that have nothing to do with their patterns, with true bounds of the remainders: for tests.

use super::{CodeStore, Format};
use crate::memory::Memory;
use crate::simd::Element;
use crate::simd::integers::{LINE, PANEL};

/// Numbers of -1..1 that depend on their place.
pub(super) fn number(at: usize) -> f64 {
    let mut x = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

impl CodeStore {
    /// Replaces the codes of every pattern with finite scale by what `change` makes of them, which
    /// returns the norm of the remainder over the scale.
    fn scramble(&mut self, change: impl Fn(usize, &mut [i8], f32) -> f64) {
        let (format, bytes) = (self.kind.format(), self.panel_bytes());
        for n in 0..self.patterns {
            let scale = self.scales[n];
            let mut codes = vec![0; self.dim];
            let at = |d: usize| {
                let line = d / format.features();
                n / PANEL * bytes + line * LINE + 4 * (n % PANEL) + d % 4
            };
            for (d, code) in codes.iter_mut().enumerate() {
                let byte = i32::from(self.panels[at(d)]);
                *code = match format {
                    Format::Eight => byte - 128,
                    Format::Four if d % 8 < 4 => (byte & 15) - 8,
                    Format::Four => (byte >> 4) - 8,
                } as i8;
            }
            let rho = change(n, &mut codes, scale);
            let squares: i64 = codes.iter().map(|&c| i64::from(c) * i64::from(c)).sum();
            self.kappa = self.kappa.max((squares as f64).sqrt() * (1.0 + 1e-9));
            self.rho = self.rho.max(rho);
            self.write(n, &codes);
        }
    }
}

impl<T: Element> Memory<T> {
    /// Replaces the codes by others, and the bounds of what remains by those of these.
    #[doc(hidden)]
    pub fn scramble_codes(&mut self) {
        let rows: Vec<Vec<T>> = self.as_mat().iter().map(<[T]>::to_vec).collect();
        let store = self.codes.as_mut().expect("codes");
        store.scramble(|n, codes, scale| {
            let most = codes.iter().map(|code| code.unsigned_abs()).max().unwrap_or(0).max(1);
            for (d, code) in codes.iter_mut().enumerate() {
                *code = (number(n * 1000 + d) * f64::from(most)) as i8;
            }
            let rest = rows[n].iter().zip(&*codes).map(|(x, &c)| {
                let r = x.to_f64() - f64::from(scale) * f64::from(c);
                r * r
            });
            rest.sum::<f64>().sqrt() * (1.0 + 1e-9) / f64::from(scale)
        });
    }
}
