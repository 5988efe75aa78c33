//! Learning, as a C struct describes it.

use hk::{Element, Noise, Outputs, Plasticity, Update, UpdateRule};

use crate::options::{Versioned, read};
use crate::recall::{Reading, Recall};
use crate::status::missing;
use crate::{Handle, text};

/// The rule by which patterns learn from P, the memory weights of the probes X.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum Rule {
    /// Pᵀ (X - X̂) / B, where X̂ is what is retrieved
    Delta = 0,
    /// (Pᵀ X - P⁻ᵀ X⁻) / B, where X⁻ is retrieved and P⁻ its weights
    Contrastive = 1,
    /// Pᵀ X / B
    Energy = 2,
}

/// How patterns learn: M + eta ΔM - reg_lambda M - l1_lambda sign(M). Set all members to zero
/// first, then `struct_size` to the size of this struct.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Learn {
    /// The size of this struct.
    pub struct_size: usize,
    /// An HkRule.
    pub rule: i32,
    /// The recalls of the contrastive rule's negative phase; 0 for one.
    pub negative_steps: u32,
    /// The rate.
    pub eta: f64,
    /// The decay in proportion, which is not scaled by eta.
    pub reg_lambda: f64,
    /// The decay at a constant rate.
    pub l1_lambda: f64,
    /// The inverse temperature of the negative phase; 0 for that of the recall.
    pub negative_beta: f64,
    /// With k above 0, the negative phase has a weight of 1 for each of the k most similar
    /// patterns.
    pub negative_winners: usize,
    /// The standard deviation of noise that is added to all patterns.
    pub noise: f64,
    /// The noise depends on this ...
    pub seed: u64,
    /// ... and on this, which should count the updates.
    pub step: u64,
}

// SAFETY: it is `repr(C)`, its size comes first, and zero is a value of every number.
unsafe impl Versioned for Learn {
    const NAME: &'static str = "learn";
    const FIRST: usize = size_of::<Self>();
}

impl Learn {
    fn plasticity<T: Element>(&self) -> Result<Plasticity<T>, String> {
        let all = [
            (Rule::Delta, UpdateRule::Delta),
            (Rule::Contrastive, UpdateRule::Contrastive),
            (Rule::Energy, UpdateRule::Energy),
        ];
        let found = all.into_iter().find(|(of, _)| *of as i32 == self.rule);
        let refused = || format!("rule: expected an HkRule, got {}", self.rule);
        let (_, rule) = found.ok_or_else(refused)?;
        let number = T::from_f64;
        let noise = Noise::new(number(self.noise), self.seed).with_step(self.step);
        let update = Update::default()
            .with_eta(number(self.eta))
            .with_reg_lambda(number(self.reg_lambda))
            .with_l1_lambda(number(self.l1_lambda));
        let negative_beta = (self.negative_beta != 0.0).then(|| number(self.negative_beta));
        let winners = (self.negative_winners != 0).then_some(self.negative_winners);
        Ok(Plasticity::default()
            .with_rule(rule)
            .with_update(update)
            .with_negative_beta(negative_beta)
            .with_negative_steps(self.negative_steps.max(1) as usize)
            .with_negative_winners(winners)
            .with_noise((self.noise != 0.0).then_some(noise)))
    }
}

/// Recalls, writes what there is room for, and learns from that recall.
///
/// # Safety
/// As for `hk_learn_f32`.
pub unsafe fn run<T: Element>(
    memory: *mut Handle<T>,
    recall: *const Recall<T>,
    learn: *const Learn,
) -> Result<(), String> {
    // SAFETY: `as_mut` checks for null; otherwise `memory` is a live handle from `new`, by the
    // precondition.
    let memory = unsafe { memory.as_mut() }.ok_or_else(|| missing("memory"))?;
    // SAFETY: `recall` is null, which `Reading::new` checks, or a struct whose pointers are as it
    // says, by the precondition.
    let reading = unsafe { Reading::new(memory, recall) }?;
    let mut best = reading.best_buffer();
    // SAFETY: the outputs that are not null have as many elements as the struct says and overlap no
    // others, by the precondition.
    let outputs: Outputs<'_, T> = unsafe { reading.outputs(memory, &mut best) }?;
    // SAFETY: `read` checks for null and for the size of the struct, which is one of this type by
    // the precondition.
    let plasticity = unsafe { read(learn) }?.plasticity::<T>()?;
    let (retrieval, context) = (reading.retrieval()?, &mut memory.context);
    let found = &mut memory.recall;
    retrieval.recall(reading.probes, &memory.memory, outputs, found, context).map_err(text)?;
    // SAFETY: `best` of the struct is null or has an entry for each probe, by the precondition.
    unsafe { reading.write_best(&best) };
    plasticity.learn(&memory.recall, &mut memory.memory, None, context).map_err(text)
}
