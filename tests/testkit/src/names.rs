//! The names of the compartments.

/// In ngc-learn's order.
pub const NAMES: [&str; 9] = [
    "inputs",
    "outputs",
    "weights",
    "similarities",
    "memory_weights",
    "energy",
    "i_tick",
    "dWeights",
    "key",
];
