//! The errors of this crate, codes VR03xx.

use std::path::PathBuf;

use vireid_core::Coded;

/// What can be wrong with a network or its weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackboneError {
    /// The weight file is not there or can't be read.
    #[error("VR0301: weights {}: {reason}", path.display())]
    Unreadable {
        /// Path of the weights, or the name given to weights in memory.
        path: PathBuf,
        /// What its reader says about it.
        reason: String,
    },
    /// Weights and network do not belong together.
    #[error(
        "VR0302: the weights don't fit the network (missing: {}; unused: {}; wrong shape: {}); {advice}",
        few(missing),
        few(unused),
        few(wrong_shape)
    )]
    Mismatch {
        /// Parameters of the network that the weights lack.
        missing: Vec<String>,
        /// Tensors of the weights that the network has no place for.
        unused: Vec<String>,
        /// Parameters that the weights have in another shape, with both shapes.
        wrong_shape: Vec<String>,
        /// The way out.
        advice: String,
    },
    /// The network can't be built like this.
    #[error("VR0303: backbone: {0}")]
    Config(String),
    /// A file of weights holds more than one network.
    #[error("VR0304: weights {} hold several networks, under {}; save the one to start from in a file of its own", path.display(), networks.join(", "))]
    SeveralNetworks {
        /// Path of the weights, or the name given to weights in memory.
        path: PathBuf,
        /// What the names of each begin with.
        networks: Vec<String>,
    },
    /// A weight is not a finite number.
    #[error("VR0305: weights {}: {name} holds a value that is not a finite number; take weights of a training that did not diverge, in a number type that is wide enough", path.display())]
    NotFinite {
        /// Path of the weights, or the name given to weights in memory.
        path: PathBuf,
        /// Name of the tensor in the file.
        name: String,
    },
    /// A file's vision transformer embeds patches by several convolutions.
    #[error("VR0306: weights {} embed patches by a stack of convolutions ({name}); here one convolution does, as timm's ViTs have it: take weights of such a network", path.display())]
    ConvolutionalPatches {
        /// The file.
        path: PathBuf,
        /// A tensor of the stack.
        name: String,
    },
    /// A network has a part that another program's network lacks.
    #[error(
        "VR0307: no name for {name} among the {names} ones: that network has no such part; export with names of this project's own (own)"
    )]
    NoOutwardName {
        /// The parameter, as it is named here.
        name: String,
        /// Whose names were asked for.
        names: &'static str,
    },
    /// A file has two different tensors for one parameter.
    #[error(
        "VR0308: {first} and {second} of the weights are both for {place} when read as {names}, and differ: save the file without the one that is not meant"
    )]
    OnePlace {
        /// A tensor of the file.
        first: String,
        /// Another one.
        second: String,
        /// The parameter.
        place: String,
        /// Whose names the file was read by.
        names: &'static str,
    },
    /// The weights in an archive can't be written to where they are to be read from.
    #[error("VR0309: the weights in an archive can't be unpacked: {0}; unpack it yourself and name the file in it")]
    Unpacking(#[source] std::io::Error),
}

impl Coded for BackboneError {}

fn few(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        names if names.len() <= 4 => names.join(", "),
        names => format!("{} and {} more", names[..4].join(", "), names.len() - 4),
    }
}
