//! Levels: the instruction sets that exist, and the one that a call uses.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use super::portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};
use crate::error::{Error, Result};

/// An instruction set that this machine can run.
///
/// A `Level` for instructions that the machine lacks cannot be created, so holding one proves that
/// its kernels can run. All levels with fused multiply-add (all but `portable` on x86-64) give the
/// same bits.
///
/// ```
/// use hopfield_kernels::Level;
///
/// for level in Level::available() {
///     println!("{}: fused is {}", level.name(), level.has_fused_multiply_add());
/// }
/// assert!(Level::available().any(|level| Level::detect() == Ok(level)));
/// let portable: Level = "portable".parse()?;
/// assert!(Level::available().any(|level| level == portable));
/// assert!("mmx".parse::<Level>().is_err());
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level(pub(super) Kind);

/// The token of a level.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

impl Level {
    /// The environment variable that sets the level of every call that does not name one.
    pub const VARIABLE: &'static str = "HOPFIELD_KERNELS_LEVEL";

    /// The levels of this machine, best first.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let wide = [Avx512::detect().map(Kind::Avx512), Avx2::detect().map(Kind::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let wide = [None];
        wide.into_iter().flatten().chain([Kind::Portable(Portable::new())]).map(Self)
    }

    /// The level of calls that do not name one: the level that the environment variable
    /// [`VARIABLE`](Self::VARIABLE) names, or the machine's best. It is detected once.
    ///
    /// # Errors
    /// [`Error::Level`] if the variable names a level that does not exist or that this machine
    /// lacks: a forced level never falls back to another one.
    pub fn detect() -> Result<Self> {
        static DETECTED: OnceLock<Result<Level>> = OnceLock::new();
        DETECTED.get_or_init(|| Self::choose(std::env::var_os(Self::VARIABLE))).clone()
    }

    fn choose(forced: Option<std::ffi::OsString>) -> Result<Self> {
        match forced {
            Some(name) if !name.is_empty() => name.to_string_lossy().parse(),
            _ => Ok(Self::best()),
        }
    }

    /// The best level of this machine.
    pub(crate) fn best() -> Self {
        Self::available().next().unwrap_or(Self(Kind::Portable(Portable::new())))
    }

    /// `avx512`, `avx2` or `portable`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            Kind::Portable(_) => "portable",
        }
    }

    /// Whether a b + c is rounded once. Levels that agree in this give the same bits.
    pub fn has_fused_multiply_add(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) | Kind::Avx2(_) => true,
            Kind::Portable(_) => cfg!(any(target_feature = "fma", target_arch = "aarch64")),
        }
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::available().find(|level| level.name() == name).ok_or_else(|| Error::Level {
            available: Self::available().map(Self::name).collect::<Vec<_>>().join(", "),
            found: name.to_string(),
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Level({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_level_is_that_level_or_an_error() {
        for level in Level::available() {
            assert_eq!(Level::choose(Some(level.name().into())), Ok(level));
        }
        assert_eq!(Level::choose(None).ok(), Level::available().next());
        assert_eq!(Level::choose(Some("".into())).ok(), Level::available().next());
        let refused = Level::choose(Some("avx1024".into())).unwrap_err();
        assert!(refused.to_string().contains("avx1024"), "{refused}");
        assert!(refused.to_string().contains("portable"), "{refused}");
    }

    #[test]
    fn a_level_is_shown_by_its_name() {
        for level in Level::available() {
            assert_eq!(level.to_string(), level.name());
            assert_eq!(format!("{level:?}"), format!("Level({})", level.name()));
        }
        let portable: Level = "portable".parse().unwrap();
        let fused = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
        assert_eq!(portable.has_fused_multiply_add(), fused);
        let others = Level::available().filter(|&level| level != portable);
        assert!(others.into_iter().all(Level::has_fused_multiply_add));
    }
}
