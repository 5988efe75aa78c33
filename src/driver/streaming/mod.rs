//! Separations as the dense loop nest uses them: the scores of a tile become weights, block by
//! block of patterns.
//!
//! | separation | input | weights |
//! | --- | --- | --- |
//! | [`Softmax`] | probes | those of the online softmax |
//! | [`Given`] | weights | the input: projection alone |
//! | [`Unweighted`] | probes | none: scores, or candidates, alone |
//!
//! A new one is a file with an implementation of [`StreamingSeparation`], a variant of
//! [`Streaming`], and a line in its macro. The loop nest is not generic over the separation: it
//! would be compiled once for each, and the branch is taken once for a tile of scores.

mod given;
mod softmax;
mod unweighted;

use crate::driver::input::Input;
use crate::driver::score_tile::{Rescale, ScoreTile};
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::{Element, Simd};

use given::Given;
pub(crate) use softmax::Softmax;
use unweighted::Unweighted;

/// A separation that sees score tiles in the order of the patterns.
pub(crate) trait StreamingSeparation<T: Element>: Copy {
    /// Writes the states of some probes before the first pattern.
    fn begin<S: Simd<T>>(self, simd: S, input: Input<'_, T>, states: &mut [State<T>]);

    /// Turns the tile's sums over d into scores and these into weights. Returns the rescale factors
    /// if the block is one segment in which every pattern is active, and the caller then projects
    /// the whole block. Otherwise projects the active patterns itself and returns `None`. Also
    /// returns `None` if no projection is wanted.
    ///
    /// The sums so far are to be multiplied by `rescale`.
    fn separate<S: Simd<T>>(
        self,
        simd: S,
        tile: &mut ScoreTile<'_, '_, T>,
        input: Input<'_, T>,
        rescale: Rescale<T>,
    ) -> Option<Rescale<T>>;

    /// The scale of the shifts by which the states of two splits are merged; `None` if nothing is
    /// projected.
    fn merge_scale(self) -> Option<T>;

    /// The parameters of the softmax by whose row sum the projection is normalised, if it is.
    fn softmax(self) -> Option<SoftmaxParams<T>>;
}

/// The separations with which the loop nest is compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Streaming<T> {
    Softmax(Softmax<T>),
    Given(Given),
    Unweighted(Unweighted),
}

impl<T> Streaming<T> {
    /// The weights are the input.
    pub const GIVEN: Self = Self::Given(Given);
    /// Scores alone are wanted.
    pub const UNWEIGHTED: Self = Self::Unweighted(Unweighted);

    /// The online softmax.
    pub fn softmax(params: SoftmaxParams<T>) -> Self {
        Self::Softmax(Softmax(params))
    }
}

/// Evaluates an expression for the separation, whichever it is.
macro_rules! each {
    ($streaming:expr, $separation:ident => $value:expr) => {
        match $streaming {
            Self::Softmax($separation) => $value,
            Self::Given($separation) => $value,
            Self::Unweighted($separation) => $value,
        }
    };
}

impl<T: Element> StreamingSeparation<T> for Streaming<T> {
    #[inline(always)]
    fn begin<S: Simd<T>>(self, simd: S, input: Input<'_, T>, states: &mut [State<T>]) {
        each!(self, separation => separation.begin(simd, input, states));
    }

    #[inline(always)]
    fn separate<S: Simd<T>>(
        self,
        simd: S,
        tile: &mut ScoreTile<'_, '_, T>,
        input: Input<'_, T>,
        rescale: Rescale<T>,
    ) -> Option<Rescale<T>> {
        each!(self, separation => separation.separate(simd, tile, input, rescale))
    }

    fn merge_scale(self) -> Option<T> {
        each!(self, separation => separation.merge_scale())
    }

    fn softmax(self) -> Option<SoftmaxParams<T>> {
        each!(self, separation => separation.softmax())
    }
}
