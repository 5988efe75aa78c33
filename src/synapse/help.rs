//! What the synapse is, as structured text.

use std::fmt;

/// Text about a component, by key: what ngc-learn's `help()` returns as nested dictionaries.
///
/// ```
/// use hopfield_kernels::HopfieldSynapse;
///
/// let help = HopfieldSynapse::<f32>::help();
/// let beta = help.get("hyperparameters").and_then(|section| section.get("beta"));
/// assert!(beta.and_then(|entry| entry.text()).is_some_and(|text| text.contains("temperature")));
/// assert_eq!(help.entries().count(), 4);
/// println!("{help}");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help(Node);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Text(&'static str),
    Section(&'static [(&'static str, Help)]),
}

impl Help {
    /// The entry of a section that has this key.
    pub fn get(&self, key: &str) -> Option<&'static Help> {
        self.entries().find_map(|(name, entry)| (name == key).then_some(entry))
    }

    /// The keys and entries of a section, none of a text.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, &'static Help)> {
        let entries = match self.0 {
            Node::Text(_) => &[],
            Node::Section(entries) => entries,
        };
        entries.iter().map(|(key, entry)| (*key, entry))
    }

    /// The text, if it is not a section.
    pub fn text(&self) -> Option<&'static str> {
        match self.0 {
            Node::Text(text) => Some(text),
            Node::Section(_) => None,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        for (key, entry) in self.entries() {
            write!(f, "{:1$}{key}:", "", 2 * depth)?;
            match entry.0 {
                Node::Text(text) => writeln!(f, " {text}")?,
                Node::Section(_) => {
                    writeln!(f)?;
                    entry.write(f, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Help {
    /// A line for each entry, sections indented below their key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Text(text) => f.write_str(text),
            Node::Section(_) => self.write(f, 0),
        }
    }
}

const fn text(text: &'static str) -> Help {
    Help(Node::Text(text))
}

const fn section(entries: &'static [(&'static str, Help)]) -> Help {
    Help(Node::Section(entries))
}

/// The seed's dictionary, key by key.
pub(super) static HELP: Help = section(&[
    (
        "HopfieldSynapse",
        section(&[(
            "synapse_type",
            text(
                "a modern Hopfield network as a synaptic cable: it maps probes to retrieved \
                 memories and adapts the memory matrix by local Hebbian rules",
            ),
        )]),
    ),
    (
        "compartments",
        section(&[
            (
                "input_compartments",
                section(&[
                    ("inputs", text("the probes, set from outside (batch x features)")),
                    ("key", text("the seed of the random generator")),
                ]),
            ),
            (
                "parameter_compartments",
                section(&[(
                    "weights",
                    text("synaptic strengths, the memory (features x patterns)"),
                )]),
            ),
            (
                "output_compartments",
                section(&[("outputs", text("the retrieved probes (batch x features)"))]),
            ),
        ]),
    ),
    ("dynamics", text("outputs = retrieval from the Hopfield memory; dW = Hebbian update of it")),
    (
        "hyperparameters",
        section(&[
            ("shape", text("features x patterns of the weight matrix")),
            ("batch_size", text("probes in a batch")),
            ("weight_init", text("how the weights begin")),
            ("resist_scale", text("a fixed factor on the synaptic transformation")),
            ("p_conn", text("probability that a connection exists; others are masked to zero")),
            ("eta", text("learning rate of the memory matrix")),
            ("beta", text("inverse temperature: how sharply the softmax selects")),
            ("reg_lambda", text("weight decay of each update")),
            ("update_rule", text("the local rule that changes the memory: delta or contrastive")),
            ("initial_patterns", text("patterns to store at the beginning, one a column")),
        ]),
    ),
]);
