//! Graphs: nodes, inputs, weights and outputs by name.

use std::collections::HashSet;
use std::fmt::Display;

use prost::Message;

use crate::messages::{
    AttributeMessage, Dimension, Entry, GraphMessage, Model, Node, OperatorSet, ShapeMessage, TensorMessage,
    TensorType, TypeMessage, ValueInfo,
};
use crate::{IR_VERSION, OPSET, OnnxError, PRODUCER};

/// Most bytes of a message in the format.
const MOST_BYTES: usize = i32::MAX as usize;
/// Name of the free axis.
const BATCH: &str = "batch";

/// A tensor in a graph: an input, weights, or what a node gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(pub(crate) String);

/// Number types of inputs and weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 32 bits with a fraction.
    F32,
    /// Bytes.
    U8,
    /// Whole numbers of 64 bits: shapes and positions.
    I64,
}

impl Element {
    pub(crate) fn code(self) -> i32 {
        match self {
            Element::F32 => 1,
            Element::U8 => 2,
            Element::I64 => 7,
        }
    }
}

/// An axis of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// As many as whoever runs the graph has images.
    Batch,
    /// Always so many.
    Length(usize),
}

/// A setting of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(&'static str, i64),
    /// Whole numbers.
    Ints(&'static str, Vec<i64>),
    /// A word.
    Text(&'static str, &'static str),
    /// A number with a fraction.
    Float(&'static str, f32),
}

/// A graph that grows node by node. Names are paths of parts, such as `layers.0.blocks.0.conv1.weight`.
#[derive(Debug, Clone)]
pub struct Graph {
    message: GraphMessage,
    path: Vec<String>,
    taken: HashSet<String>,
}

impl Graph {
    /// A graph without inputs, nodes and outputs.
    pub fn new(name: &str) -> Self {
        let message = GraphMessage { name: name.into(), ..GraphMessage::default() };
        Self { message, path: Vec::new(), taken: HashSet::new() }
    }

    /// An input of the graph.
    pub fn input(&mut self, name: &str, element: Element, axes: &[Axis]) -> Value {
        self.taken.insert(name.into());
        self.message.input.push(value_info(name, element, axes));
        Value(name.into())
    }

    /// Makes a value of 32-bit numbers an output of the graph.
    pub fn output(&mut self, name: &str, value: &Value, axes: &[Axis]) {
        self.taken.insert(name.into());
        self.message.node.push(Node {
            input: vec![value.0.clone()],
            output: vec![name.into()],
            name: format!("output/{name}"),
            op_type: "Identity".into(),
            attribute: Vec::new(),
        });
        self.message.output.push(value_info(name, Element::F32, axes));
    }

    /// Whatever `draw` adds, its names within a part.
    pub fn within<T>(&mut self, part: impl Display, draw: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(part.to_string());
        let drawn = draw(self);
        self.path.pop();
        drawn
    }

    /// Weights of the present part, row-major; those of a name that is there already are the same ones.
    pub fn weights(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        let bytes = || values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, Element::F32, shape, bytes)
    }

    /// A row of whole numbers; see [`weights`](Self::weights).
    pub fn integers(&mut self, name: &str, values: &[i64]) -> Value {
        let bytes = || values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, Element::I64, &[values.len()], bytes)
    }

    /// One whole number without an axis.
    pub(crate) fn index(&mut self, name: &str, value: i64) -> Value {
        self.constant(name, Element::I64, &[], || value.to_le_bytes().to_vec())
    }

    /// One number; see [`weights`](Self::weights).
    pub fn scalar(&mut self, name: &str, value: f32) -> Value {
        self.weights(name, &[], &[value])
    }

    /// One with the same name and the same contents is not stored again; one with others gets a name of its own.
    fn constant(&mut self, name: &str, element: Element, shape: &[usize], bytes: impl FnOnce() -> Vec<u8>) -> Value {
        let first = self.path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        let mut tensor = TensorMessage {
            dims: shape.iter().map(|&length| length as i64).collect(),
            data_type: element.code(),
            name: first.clone(),
            raw_data: bytes(),
        };
        for number in 1.. {
            if self.taken.insert(tensor.name.clone()) {
                self.message.initializer.push(tensor.clone());
                break;
            }
            if self.message.initializer.contains(&tensor) {
                break;
            }
            tensor.name = format!("{first}_{number}");
        }
        Value(tensor.name)
    }

    /// A node with one output: an operator of ONNX's default domain by its name.
    pub fn node(&mut self, operator: &str, inputs: &[&Value], attributes: &[Attribute]) -> Value {
        let name = self.free_name(operator);
        self.message.node.push(Node {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: operator.into(),
            attribute: attributes.iter().map(attribute_message).collect(),
        });
        Value(name)
    }

    fn free_name(&mut self, operator: &str) -> String {
        let first = format!("{}/{operator}", self.path.join("."));
        let numbered = (1..).map(|number| format!("{first}_{number}"));
        let name = std::iter::once(first.clone()).chain(numbered).find(|name| !self.taken.contains(name));
        let name = name.unwrap_or(first);
        self.taken.insert(name.clone());
        name
    }

    /// How many nodes it has of an operator.
    pub fn count(&self, operator: &str) -> usize {
        self.message.node.iter().filter(|node| node.op_type == operator).count()
    }

    /// The file, with what is told about it by key.
    ///
    /// # Errors
    ///
    /// `VR0701` for more than 2 GiB.
    pub fn into_bytes(self, metadata: &[(String, String)]) -> Result<Vec<u8>, OnnxError> {
        let entry = |(key, value): &(String, String)| Entry { key: key.clone(), value: value.clone() };
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: PRODUCER.into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.message),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
            metadata: metadata.iter().map(entry).collect(),
        };
        match model.encoded_len() {
            size if size > MOST_BYTES => Err(OnnxError::TooLarge(size)),
            _ => Ok(model.encode_to_vec()),
        }
    }
}

fn value_info(name: &str, element: Element, axes: &[Axis]) -> ValueInfo {
    let dimension = |axis: &Axis| match axis {
        Axis::Batch => Dimension { value: None, name: Some(BATCH.into()) },
        Axis::Length(length) => Dimension { value: Some(*length as i64), name: None },
    };
    let shape = ShapeMessage { dim: axes.iter().map(dimension).collect() };
    let tensor = TensorType { element: element.code(), shape: Some(shape) };
    ValueInfo { name: name.into(), kind: Some(TypeMessage { tensor: Some(tensor) }) }
}

fn attribute_message(attribute: &Attribute) -> AttributeMessage {
    // The codes of `AttributeProto.AttributeType`.
    let (name, kind) = match attribute {
        Attribute::Float(name, _) => (name, 1),
        Attribute::Int(name, _) => (name, 2),
        Attribute::Text(name, _) => (name, 3),
        Attribute::Ints(name, _) => (name, 7),
    };
    let mut message = AttributeMessage { name: (*name).into(), kind, ..AttributeMessage::default() };
    match attribute {
        Attribute::Float(_, value) => message.f = Some(*value),
        Attribute::Int(_, value) => message.i = Some(*value),
        Attribute::Text(_, value) => message.s = Some(value.as_bytes().to_vec()),
        Attribute::Ints(_, values) => message.ints.clone_from(values),
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn() -> Graph {
        let mut graph = Graph::new("g");
        let images = graph.input("images", Element::U8, &[Axis::Batch, Axis::Length(2)]);
        let numbers = graph.to_f32(&images);
        let sum = graph.within("layers", |graph| {
            graph.within(0, |graph| {
                let weight = graph.weights("weight", &[2], &[0.5, -1.0]);
                let again = graph.weights("weight", &[2], &[0.5, -1.0]);
                assert_eq!(weight, again);
                let first = graph.add(&numbers, &weight);
                graph.add(&first, &weight)
            })
        });
        graph.output("sum", &sum, &[Axis::Batch, Axis::Length(2)]);
        graph
    }

    #[test]
    fn names_are_paths_and_none_is_taken_twice() {
        let graph = drawn().message;
        let names: Vec<&str> = graph.node.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["/Cast", "layers.0/Add", "layers.0/Add_1", "output/sum"]);
        assert_eq!(graph.initializer.len(), 1);
        assert_eq!(graph.initializer[0].name, "layers.0.weight");
        assert_eq!(graph.initializer[0].raw_data[..4], 0.5f32.to_le_bytes());
    }

    /// Field numbers and wire types as `onnx.proto` has them, read byte by byte.
    #[test]
    fn the_file_begins_as_the_format_says_and_tells_what_it_was_given() {
        let bytes = drawn().into_bytes(&[("k".into(), "v".into())]).unwrap();
        assert_eq!(bytes[..10], [0x08, 8, 0x12, 6, b'v', b'i', b'r', b'e', b'i', b'd']);
        // The metadata is field 14, at the end: an entry of six bytes.
        assert_eq!(bytes[bytes.len() - 8..], [0x72, 6, 0x0a, 1, b'k', 0x12, 1, b'v']);
        let model = Model::decode(&bytes[..]).unwrap();
        assert_eq!(model.opset_import[0].version, OPSET);
        let graph = model.graph.unwrap();
        let axes = graph.input[0].kind.clone().unwrap().tensor.unwrap().shape.unwrap().dim;
        assert_eq!((axes[0].name.as_deref(), axes[1].value), (Some("batch"), Some(2)));
    }

    #[test]
    fn zeros_of_attributes_are_written() {
        let message = attribute_message(&Attribute::Int("axis", 0));
        assert_eq!(message.encode_to_vec(), [0x0a, 4, b'a', b'x', b'i', b's', 0x18, 0, 0xa0, 1, 2]);
    }
}
