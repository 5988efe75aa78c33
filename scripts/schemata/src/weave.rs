//! Weaves mutants into a copy of the sources.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Arm, BinOp, Block, Expr, Signature, parse_quote};

use crate::{Mutant, Place, woven};

/// What every woven place asks.
const ASK: &str = r#"
/// Which mutant is alive: 0 is none.
#[doc(hidden)]
pub mod schemata {
    static mut ALIVE: u32 = 0;

    #[inline(always)]
    pub fn mutant() -> u32 {
        unsafe { ALIVE }
    }

    extern "C" fn awake() {
        let alive = std::env::var("SCHEMATA_MUTANT").ok().and_then(|text| text.parse().ok());
        unsafe { ALIVE = alive.unwrap_or(0) };
    }

    #[used]
    #[unsafe(link_section = ".init_array")]
    static AWAKE: extern "C" fn() = awake;
}
"#;

/// Mutant number i + 1 is `mutants[i]`.
pub fn weave(mutants: &[Mutant], copy: &Path) -> Result<()> {
    let mut left_out = BTreeSet::new();
    // What does not compile is found in rounds: the compiler does not see everything at once.
    for _ in 0..12 {
        let done = write(mutants, copy, &left_out)?;
        let broken = broken(copy)?;
        if broken.is_empty() {
            let numbers: Vec<_> = done.iter().map(u32::to_string).collect();
            fs::write(woven(copy), numbers.join("\n"))?;
            for (i, mutant) in mutants.iter().enumerate() {
                if !done.contains(&(i as u32 + 1)) {
                    println!("not woven: {}", mutant.name);
                }
            }
            println!("{} of {} mutants are woven", done.len(), mutants.len());
            return Ok(());
        }
        eprintln!("{} do not compile", broken.len());
        left_out.extend(broken);
    }
    bail!("the compiler keeps finding mutants that do not compile")
}

/// Writes the copy's mutated files; which mutants are in them.
fn write(mutants: &[Mutant], copy: &Path, left_out: &BTreeSet<u32>) -> Result<BTreeSet<u32>> {
    let mut files: HashMap<&str, Vec<(u32, &Mutant)>> = HashMap::new();
    for (number, mutant) in (1..).zip(mutants) {
        files.entry(&mutant.file).or_default().push((number, mutant));
    }
    let mut done = BTreeSet::new();
    for (file, mutants) in files {
        let original = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
        let mut tree = syn::parse_file(&original).with_context(|| format!("parsing {file}"))?;
        let mutants = mutants.into_iter().filter(|(number, _)| !left_out.contains(number));
        let mut weaver = Weaver { mutants: mutants.collect(), done: BTreeSet::new() };
        weaver.visit_file_mut(&mut tree);
        done.append(&mut weaver.done);
        fs::write(copy.join(file), prettyplease::unparse(&tree))?;
    }
    let root = fs::read_to_string("src/lib.rs")?;
    fs::write(copy.join("src/lib.rs"), root + ASK)?;
    Ok(done)
}

/// The mutants that the compiler complains about.
fn broken(copy: &Path) -> Result<BTreeSet<u32>> {
    let output = Command::new("cargo")
        .args(["check", "--lib", "--message-format=json"])
        .current_dir(copy)
        .env("RUSTFLAGS", "--cap-lints=allow")
        .output()?;
    let mut broken = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if message["message"]["level"] != "error" {
            continue;
        }
        let before = broken.len();
        for span in message["message"]["spans"].as_array().into_iter().flatten() {
            let (Some(file), Some(line)) =
                (span["file_name"].as_str(), span["line_start"].as_u64())
            else {
                continue;
            };
            let text = fs::read_to_string(copy.join(file)).unwrap_or_default();
            let lines: Vec<_> = text.lines().take(line as usize).collect();
            broken.extend(lines.iter().rev().take(3).find_map(|line| number_in(line)));
        }
        let has_span =
            message["message"]["spans"].as_array().is_some_and(|spans| !spans.is_empty());
        if broken.len() == before && has_span {
            eprintln!("{}", message["message"]["rendered"].as_str().unwrap_or("an error"));
        }
    }
    if broken.is_empty() && !output.status.success() {
        bail!("the copy does not compile: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(broken)
}

/// The number of the mutant that a line of the copy is about.
fn number_in(line: &str) -> Option<u32> {
    let end = line.find("u32")?;
    let digits = line[..end].rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

struct Weaver<'a> {
    mutants: Vec<(u32, &'a Mutant)>,
    done: BTreeSet<u32>,
}

fn place(span: Span) -> Place {
    let start = span.start();
    Place { line: start.line, column: start.column + 1 }
}

impl Weaver<'_> {
    /// The mutants of a genre that begin here, with their replacements.
    fn at(&self, genre: &str, span: Span) -> Vec<(u32, String)> {
        let here = place(span);
        let of = self.mutants.iter().filter(|(_, m)| m.genre == genre && m.span.start == here);
        of.map(|(number, m)| (*number, m.replacement.clone())).collect()
    }

    fn function(&mut self, signature: &Signature, block: &mut Block) {
        if signature.constness.is_some() {
            return;
        }
        let (open, close) =
            (place(block.brace_token.span.open()), place(block.brace_token.span.close()));
        // Of functions within functions, each has its own: bodies of inner ones are done by now.
        let inside: Vec<_> = self
            .mutants
            .iter()
            .filter(|(number, m)| {
                m.genre == "FnValue"
                    && open <= m.span.start
                    && m.span.end <= Place { column: close.column + 2, ..close }
                    && !self.done.contains(number)
            })
            .map(|(number, m)| (*number, m.replacement.clone()))
            .collect();
        for (number, replacement) in inside {
            let Ok(value) = syn::parse_str::<Expr>(&replacement) else { continue };
            let early: syn::Stmt = parse_quote! {
                if crate::schemata::mutant() == #number { return #value; }
            };
            block.stmts.insert(0, early);
            self.done.insert(number);
        }
    }
}

/// The arms of a choice between operators.
fn choices(
    alive: &[(u32, String)],
    done: &mut BTreeSet<u32>,
    make: impl Fn(&BinOp) -> Expr,
) -> Vec<Arm> {
    let mut arms = Vec::new();
    for (number, replacement) in alive {
        if let Ok(operator) = syn::parse_str::<BinOp>(replacement) {
            let value = make(&operator);
            arms.push(parse_quote! { #number => #value, });
            done.insert(*number);
        }
    }
    arms
}

impl VisitMut for Weaver<'_> {
    fn visit_item_fn_mut(&mut self, item: &mut syn::ItemFn) {
        if item.sig.constness.is_none() {
            self.visit_block_mut(&mut item.block);
        }
        self.function(&item.sig, &mut item.block);
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut syn::ImplItemFn) {
        if item.sig.constness.is_none() {
            self.visit_block_mut(&mut item.block);
        }
        self.function(&item.sig, &mut item.block);
    }

    fn visit_trait_item_fn_mut(&mut self, item: &mut syn::TraitItemFn) {
        if let (Some(block), None) = (&mut item.default, item.sig.constness) {
            self.visit_block_mut(block);
            self.function(&item.sig, block);
        }
    }

    // What has to be constant stays as it is.
    fn visit_item_const_mut(&mut self, _: &mut syn::ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut syn::ItemStatic) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut syn::ImplItemConst) {}
    fn visit_expr_const_mut(&mut self, _: &mut syn::ExprConst) {}
    fn visit_type_mut(&mut self, _: &mut syn::Type) {}
    fn visit_pat_mut(&mut self, _: &mut syn::Pat) {}
    fn visit_generic_argument_mut(&mut self, _: &mut syn::GenericArgument) {}
    fn visit_expr_repeat_mut(&mut self, repeat: &mut syn::ExprRepeat) {
        self.visit_expr_mut(&mut repeat.expr);
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let (deleted, guards) = (
            self.at("MatchArm", arm.span()),
            arm.guard
                .as_ref()
                .map_or(Vec::new(), |(_, guard)| self.at("MatchArmGuard", guard.span())),
        );
        visit_mut::visit_arm_mut(self, arm);
        if let Some((_, guard)) = &mut arm.guard {
            for (number, replacement) in guards {
                let Ok(value) = syn::parse_str::<Expr>(&replacement) else { continue };
                **guard = parse_quote! { match crate::schemata::mutant() { #number => #value, _ => #guard } };
                self.done.insert(number);
            }
        }
        for (number, _) in deleted {
            match &mut arm.guard {
                Some((_, guard)) => {
                    **guard = parse_quote! { (crate::schemata::mutant() != #number && #guard) };
                }
                None => {
                    arm.guard = Some((
                        Default::default(),
                        Box::new(parse_quote! {
                            crate::schemata::mutant() != #number
                        }),
                    ));
                }
            }
            self.done.insert(number);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let (binary, unary) = match expr {
            Expr::Binary(binary) => (self.at("BinaryOperator", binary.op.span()), Vec::new()),
            Expr::Unary(unary) => (Vec::new(), self.at("UnaryOperator", unary.op.span())),
            _ => (Vec::new(), Vec::new()),
        };
        visit_mut::visit_expr_mut(self, expr);
        match expr {
            Expr::Binary(old) if !binary.is_empty() => {
                let (l, r, op) = (&old.left, &old.right, &old.op);
                let mutant: Expr = parse_quote! { crate::schemata::mutant() };
                let new: Expr = match op {
                    BinOp::And(_) | BinOp::Or(_) => {
                        if has_let(l) || has_let(r) {
                            return;
                        }
                        let arms = choices(&binary, &mut self.done, |op| parse_quote! { l #op #r });
                        parse_quote! { { let l = #l; match #mutant { #(#arms)* _ => l #op #r } } }
                    }
                    BinOp::Eq(_)
                    | BinOp::Ne(_)
                    | BinOp::Lt(_)
                    | BinOp::Le(_)
                    | BinOp::Gt(_)
                    | BinOp::Ge(_) => {
                        let arms =
                            choices(&binary, &mut self.done, |op| parse_quote! { *l #op *r });
                        parse_quote! {
                            match (&#l, &#r) { (l, r) => match #mutant { #(#arms)* _ => *l #op *r } }
                        }
                    }
                    BinOp::Add(_)
                    | BinOp::Sub(_)
                    | BinOp::Mul(_)
                    | BinOp::Div(_)
                    | BinOp::Rem(_)
                    | BinOp::BitXor(_)
                    | BinOp::BitAnd(_)
                    | BinOp::BitOr(_)
                    | BinOp::Shl(_)
                    | BinOp::Shr(_) => {
                        let arms = choices(&binary, &mut self.done, |op| parse_quote! { l #op r });
                        parse_quote! {
                            match (#l, #r) { (l, r) => match #mutant { #(#arms)* _ => l #op r } }
                        }
                    }
                    _ => {
                        let arms =
                            choices(&binary, &mut self.done, |op| parse_quote! { { #l #op #r; } });
                        parse_quote! { match #mutant { #(#arms)* _ => { #l #op #r; } } }
                    }
                };
                *expr = new;
            }
            Expr::Unary(old) if !unary.is_empty() => {
                let (operand, op) = (&old.expr, &old.op);
                let number = unary[0].0;
                let new = parse_quote! {
                    match #operand { x => match crate::schemata::mutant() { #number => x, _ => #op x } }
                };
                self.done.insert(number);
                *expr = new;
            }
            _ => {}
        }
    }
}

/// Whether an operand binds names, as those of `if let ... && ...` do.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}
