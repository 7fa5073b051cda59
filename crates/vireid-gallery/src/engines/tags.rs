//! Pairs of metadata as texts that engines can compare.

use serde_json::json;

use crate::Scalar;

/// A pair of metadata as one text, equal where the pairs are. Keys can have dots and brackets, which mean something to engines,
/// and not every engine matches numbers with a fraction or values of several kinds in one column.
pub fn tag(key: &str, value: &Scalar) -> String {
    let value = match value {
        // Zeros are equal, whatever their sign.
        Scalar::Number(0.0) => json!(0.0),
        // What is no number becomes null, which no entry has.
        value => json!(value),
    };
    json!([key, value]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_equal_where_the_values_are() {
        let number = |value| tag("n", &Scalar::Number(value));
        assert_eq!(number(-0.0), number(0.0));
        assert_ne!(number(1.0), number(1.0 + f64::EPSILON));
        assert_ne!(number(1.0), tag("n", &Scalar::Text("1.0".into())));
        assert_ne!(number(1.0), tag("n", &Scalar::Bool(true)));
        assert_ne!(tag("a", &Scalar::Text("b,c".into())), tag("a,b", &Scalar::Text("c".into())));
    }
}
