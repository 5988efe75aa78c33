//! Timing of calls, as `workers.py` does it.

use std::time::Instant;

use serde::Serialize;

/// The median time of a call, over the calls of a slice of time.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Slice {
    /// Seconds of a call.
    pub seconds: f64,
    /// Calls that were timed.
    pub calls: usize,
}

/// Times the calls that begin within `seconds` (at least one), after one call that is not timed and
/// brings the data back into the caches.
pub fn time_slice(seconds: f64, call: &mut dyn FnMut()) -> Slice {
    call();
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || begin.elapsed().as_secs_f64() < seconds {
        times.push(seconds_of(call));
    }
    Slice { seconds: median(&times), calls: times.len() }
}

/// Calls for 0.3 s, and until five calls in a row take nearly the same time, but no longer than 30
/// s.
pub fn warm_up(call: &mut dyn FnMut()) {
    let (begin, mut times) = (Instant::now(), Vec::new());
    loop {
        times.push(seconds_of(call));
        let elapsed = begin.elapsed().as_secs_f64();
        let best = times.iter().copied().fold(f64::INFINITY, f64::min);
        let recent = &times[times.len().saturating_sub(5)..];
        let settled = recent.len() == 5 && recent.iter().all(|&time| time < 1.5 * best);
        if elapsed > 30.0 || (elapsed > 0.3 && settled) {
            return;
        }
    }
}

fn seconds_of(call: &mut dyn FnMut()) -> f64 {
    let begin = Instant::now();
    call();
    begin.elapsed().as_secs_f64()
}

/// The median; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => f64::NAN,
        (half, 0) => (sorted[half - 1] + sorted[half]) / 2.0,
        (half, _) => sorted[half],
    }
}
