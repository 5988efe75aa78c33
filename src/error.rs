//! What can be wrong with a call: one enum, every variant naming the operand, what was expected and
//! what came. A call that returns an error has changed nothing.

/// The crate's result type.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call was refused.
///
/// ```
/// use hopfield_kernels::{Error, MatRef};
///
/// let numbers = [1.0_f32; 5];
/// let refused = MatRef::new(&numbers, 2, 3).unwrap_err();
/// assert_eq!(refused.to_string(), "matrix: 2 x 3 needs a slice of 6 elements, got 5");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A matrix has the wrong number of rows or columns.
    #[error("{operand}: expected shape {} x {}, got {} x {}", expected.0, expected.1, found.0, found.1)]
    Shape {
        /// The argument at fault.
        operand: &'static str,
        /// Rows and columns that fit the other operands.
        expected: (usize, usize),
        /// Rows and columns that came.
        found: (usize, usize),
    },
    /// A vector has the wrong length.
    #[error("{operand}: expected {expected} elements, got {found}")]
    Length {
        /// The argument at fault.
        operand: &'static str,
        /// The length that fits the other operands.
        expected: usize,
        /// The length that came.
        found: usize,
    },
    /// A slice is too short for the matrix it should hold.
    #[error("{operand}: {rows} x {cols} needs a slice of {needed} elements, got {found}")]
    Slice {
        /// The argument at fault.
        operand: &'static str,
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        cols: usize,
        /// Elements that the rows span, which may be more than a `usize` can count.
        needed: u128,
        /// The slice's length.
        found: usize,
    },
    /// Rows overlap, or columns are not next to one another.
    #[error("{operand}: expected {expected}, got {found}")]
    Stride {
        /// The argument at fault.
        operand: &'static str,
        /// What a stride has to satisfy.
        expected: &'static str,
        /// The stride that came.
        found: isize,
    },
    /// A memory without patterns, or patterns without features.
    #[error("{operand}: expected at least one, got 0")]
    Empty {
        /// What there has to be at least one of.
        operand: &'static str,
    },
    /// There is no pattern of this index.
    #[error("{operand}: expected an index below {expected}, got {found}")]
    Index {
        /// What was to be indexed.
        operand: &'static str,
        /// How many there are.
        expected: usize,
        /// The index that came.
        found: usize,
    },
    /// Patterns that are stored in a way that does not allow what is asked for.
    #[error("{operand}: expected {expected}, got {found}")]
    Store {
        /// The argument at fault.
        operand: &'static str,
        /// How its patterns would have to be stored.
        expected: &'static str,
        /// How they are.
        found: &'static str,
    },
    /// A hyper-parameter outside its domain.
    #[error("{name}: expected {expected}, got {found}")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// Its domain.
        expected: &'static str,
        /// The value that came.
        found: f64,
    },
    /// A count outside its domain.
    #[error("{name}: expected {expected}, got {found}")]
    Count {
        /// What is counted.
        name: &'static str,
        /// How many there may be.
        expected: &'static str,
        /// How many came.
        found: usize,
    },
    /// A name that means nothing here.
    #[error("{what}: expected one of {known}, got {found:?}")]
    Unknown {
        /// What was to be named.
        what: &'static str,
        /// The names there are.
        known: &'static str,
        /// The name that came.
        found: String,
    },
    /// A level that this machine cannot run.
    #[error("level: expected one that this machine has ({available}), got {found:?}")]
    Level {
        /// The levels that this machine has.
        available: String,
        /// The level asked for.
        found: String,
    },
    /// More patterns to preload than the memory has room for.
    #[error("initial_patterns: expected at most {expected} patterns, got {found}")]
    TooManyPatterns {
        /// Patterns that the memory holds.
        expected: usize,
        /// Patterns that came.
        found: usize,
    },
    /// There is no recall to learn from, or it is no longer one of this memory.
    #[error("{operand}: expected {expected}, got {found}")]
    NoRecall {
        /// The recall, or what was to learn from one.
        operand: &'static str,
        /// The recall that it takes.
        expected: &'static str,
        /// What happened instead.
        found: &'static str,
    },
    /// A compartment that is not recorded was asked for.
    #[error("{compartment}: expected it to be recorded, got a synapse that does not record it")]
    NotRecorded {
        /// The compartment's name.
        compartment: &'static str,
    },
    /// The allocator does not grant the scratch memory that a call needs.
    #[error("{operand}: expected room for {expected} elements, got an allocator that has none")]
    Allocation {
        /// What was to be allocated.
        operand: &'static str,
        /// Elements.
        expected: u64,
    },
    /// The flag of the context has been set: see [`Context::set_stop`](crate::Context::set_stop).
    #[error("the call was stopped")]
    Stopped,
    /// A file that does not hold what it should.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What was expected and what came.
        reason: String,
    },
}
