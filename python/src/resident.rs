//! Memories that compiled programs of JAX find by a number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::kept::Kept;

/// A memory of either type.
pub enum Resident {
    Single(Kept<f32>),
    Double(Kept<f64>),
}

/// Those that programs may ask for. A program does not keep a memory alive: its component does.
static SHARED: Mutex<Option<HashMap<i64, Weak<Resident>>>> = Mutex::new(None);

impl Resident {
    /// A number by which `find` finds it, which no other memory ever has.
    pub fn share(self: &Arc<Self>) -> i64 {
        static NEXT: AtomicI64 = AtomicI64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = shared.get_or_insert_default();
        shared.retain(|_, memory| memory.strong_count() > 0);
        shared.insert(number, Arc::downgrade(self));
        number
    }

    /// The memory with this number, if it still lives.
    pub fn find(number: i64) -> Result<Arc<Self>, String> {
        let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shared.as_ref().and_then(|shared| shared.get(&number)?.upgrade());
        found.ok_or_else(|| "memory: expected one whose component still exists".to_string())
    }
}
