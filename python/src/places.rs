//! What a call without a memory of its own keeps for the next one.

use std::sync::{Mutex, PoisonError};

use hopfield_kernels::{Context, Parallelism};

use crate::arrays::Number;
use crate::threads::{Call, Turn};

/// What a call keeps for the next one, on whichever thread that is.
pub struct Place<T> {
    /// Scratch memory of the kernels.
    pub context: Context<T>,
}

/// Places that no call uses at the moment.
type Places<T> = Mutex<Vec<Box<Place<T>>>>;

/// A type with places of its own.
pub trait Placed: Number {
    /// Those of this type.
    fn places() -> &'static Places<Self>;
}

impl Placed for f32 {
    fn places() -> &'static Places<Self> {
        static PLACES: Places<f32> = Mutex::new(Vec::new());
        &PLACES
    }
}

impl Placed for f64 {
    fn places() -> &'static Places<Self> {
        static PLACES: Places<f64> = Mutex::new(Vec::new());
        &PLACES
    }
}

/// Runs a call in a place that no other call uses.
pub fn with_place<T: Placed, R>(work: impl FnOnce(&mut Place<T>) -> R) -> R {
    with_parallelism(Turn::of(0).parallelism(), work)
}

/// The same with a choice of threads.
pub fn with_parallelism<T: Placed, R>(
    parallelism: Parallelism,
    work: impl FnOnce(&mut Place<T>) -> R,
) -> R {
    let _call = Call::begin();
    let lock = || T::places().lock().unwrap_or_else(PoisonError::into_inner);
    let kept = lock().pop();
    let mut place = kept.unwrap_or_else(|| Box::new(Place { context: Context::new() }));
    if place.context.parallelism() != parallelism {
        place.context = std::mem::take(&mut place.context).with_parallelism(parallelism);
    }
    let result = work(&mut place);
    lock().push(place);
    result
}
