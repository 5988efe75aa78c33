//! Every public function has an example that runs: its own, one of its file's that calls it, or
//! (where no other has its name) any that calls it. A scan of the source; that examples run,
//! `cargo test --doc` shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A public function, and the code of the examples above it.
struct Function {
    file: PathBuf,
    /// The type that it is a method of; none for a function of the crate.
    owner: Option<String>,
    name: String,
    example: bool,
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.unwrap().path());
    let deeper = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(deeper).collect()
}

/// The word that a text begins with.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// The type of an `impl`, of a type or of a trait for it.
fn implemented(line: &str) -> Option<&str> {
    let line = line.strip_prefix("unsafe ").unwrap_or(line).strip_prefix("impl")?;
    // Behind the generics, which may have generics in them.
    let mut depth = 0;
    let end = line.find(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth == 0 && (c == ' ' || c == '{')
    })?;
    let line = line[end..].trim_start();
    Some(word(line.split_once(" for ").map_or(line, |(_, own)| own)))
}

/// The public functions of a file, and the code of all of its examples.
fn scan(file: &Path, functions: &mut Vec<Function>) -> String {
    let text = fs::read_to_string(file).expect("a source");
    let (mut owner, mut fenced, mut example) = (None, false, false);
    let mut code = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some(comment) =
            trimmed.strip_prefix("///").or_else(|| trimmed.strip_prefix("//!")).map(str::trim_start)
        {
            if comment.starts_with("```") {
                (fenced, example) = (!fenced, true);
            } else if fenced {
                code += comment;
                code.push('\n');
            }
            continue;
        }
        if let Some(implemented) = implemented(line) {
            owner = Some(implemented.to_string());
        } else if line.starts_with('}') {
            owner = None;
        }
        let signature = trimmed.strip_prefix("pub ").map(|rest| rest.trim_start_matches("const "));
        if let Some(rest) = signature.and_then(|rest| rest.strip_prefix("fn ")) {
            let (file, name) = (file.to_path_buf(), word(rest).to_string());
            functions.push(Function { file, owner: owner.clone(), name, example });
        }
        // What is hidden has nobody to show it to.
        example = example && trimmed.starts_with("#[") || trimmed == "#[doc(hidden)]";
    }
    code
}

/// Whether code calls something of this name.
fn calls(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}("))
        .any(|(at, _)| code[..at].ends_with(['.', ':', ' ', '(']))
}

#[test]
fn every_public_function_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let exported = fs::read_to_string(root.join("lib.rs")).expect("a source");
    let exported: String = exported.split(';').filter(|item| item.contains("pub use")).collect();
    let is_exported = |name: &str| {
        exported.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    };
    let (mut functions, mut code) = (Vec::new(), BTreeMap::new());
    for file in sources(&root) {
        let examples = scan(&file, &mut functions);
        code.insert(file, examples);
    }
    // Setters are named by those who use their macro, and have nothing to show.
    functions.retain(|it| !it.name.is_empty());
    functions.retain(|it| is_exported(it.owner.as_deref().unwrap_or(&it.name)));
    assert!(functions.len() > 100, "the scan finds {} functions", functions.len());
    let lacking: Vec<_> = functions
        .iter()
        .filter(|it| {
            let alone = functions.iter().filter(|other| other.name == it.name).count() == 1;
            let anywhere = alone && code.values().any(|code| calls(code, &it.name));
            !(it.example || calls(&code[&it.file], &it.name) || anywhere)
        })
        .map(|it| format!("{}: {}", it.file.display(), it.name))
        .collect();
    assert!(lacking.is_empty(), "no example calls these: {lacking:#?}");
}
