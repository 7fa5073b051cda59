//! Weights in the safetensors format, the same bytes for the same weights: the entries of its header in one order.

use serde_json::{Map, Value, json};
use vireid_backbone::parameters::NamedParameter;

/// The file. PyTorch's batch norms have a counter more, which only weights under our own names lack.
pub fn bytes_of(named: &[NamedParameter], is_own: bool, facts: &[(String, String)]) -> Vec<u8> {
    let statistics = named.iter().filter_map(|(name, ..)| name.strip_suffix("running_var")).filter(|_| !is_own);
    let counters: Vec<String> = statistics.map(|norm| format!("{norm}num_batches_tracked")).collect();
    let mut metadata = Map::from_iter([("format".to_string(), Value::from("pt"))]);
    metadata.extend(facts.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))));
    let mut header = Map::from_iter([("__metadata__".to_string(), Value::from(metadata))]);
    let mut data = Vec::new();
    // Eight bytes each, so first: readers want numbers at multiples of their size.
    for counter in counters {
        add(&mut header, &mut data, (&counter, "I64", &[]), &0i64.to_le_bytes());
    }
    for (name, shape, values) in named {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        add(&mut header, &mut data, (name, "F32", shape), &bytes);
    }
    let mut header = Value::from(header).to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn add(
    header: &mut Map<String, Value>,
    data: &mut Vec<u8>,
    (name, dtype, shape): (&str, &str, &[usize]),
    bytes: &[u8],
) {
    let start = data.len();
    data.extend_from_slice(bytes);
    let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()] });
    header.insert(name.into(), entry);
}
