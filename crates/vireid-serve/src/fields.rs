//! The fields of a query or a form, read strictly.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use vireid_core::Modality;
use vireid_gallery::{Filter, MAX_METADATA, MAX_NAME, Scalar};

use crate::failure::Failure;

/// The most cameras of a filter.
const MAX_CAMERAS: usize = 100;
const FILTER: [&str; 4] = ["among", "camera", "from", "until"];

/// Which fields a request can have.
#[derive(Clone, Copy)]
pub struct Known {
    pub names: &'static [&'static str],
    /// Whether those of a filter are among them: `camera` can then be there several times, and `meta.KEY` is known.
    pub filter: bool,
}

/// Pairs of a query, or the texts of a multipart body.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Known {
    pub const NONE: Self = Self { names: &[], filter: false };

    fn is_known(&self, name: &str) -> bool {
        self.names.contains(&name) || self.filter && (FILTER.contains(&name) || name.starts_with("meta."))
    }

    fn is_repeatable(&self, name: &str) -> bool {
        self.filter && name == "camera"
    }

    pub fn unknown(&self, name: &str) -> Failure {
        let filter: &[&str] = if self.filter { &["among", "camera", "from", "until", "meta.KEY"] } else { &[] };
        let known: Vec<&str> = self.names.iter().chain(filter).copied().collect();
        let known = if known.is_empty() { "there are none".into() } else { format!("known are {}", known.join(", ")) };
        Failure::bad(format!("unknown field '{}'; {known}", short(name)))
    }
}

/// So much of a text as a message has room for.
pub fn short(text: &str) -> String {
    cut(text, 60)
}

fn cut(text: &str, most: usize) -> String {
    let start: String = text.chars().take(most).collect();
    if start.len() < text.len() { format!("{start}...") } else { start }
}

impl Fields {
    pub fn of_query(query: Option<&str>, known: Known) -> Result<Self, Failure> {
        let mut fields = Self::default();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            fields.push(decoded(name)?, decoded(value)?, known)?;
        }
        Ok(fields)
    }

    /// Takes in a field.
    ///
    /// # Errors
    ///
    /// Where it is not known, or there already.
    pub fn push(&mut self, name: String, value: String, known: Known) -> Result<(), Failure> {
        if !known.is_known(&name) {
            return Err(known.unknown(&name));
        }
        if !known.is_repeatable(&name) && self.one(&name).is_some() {
            return Err(Failure::bad(format!("the field '{}' is there twice", short(&name))));
        }
        self.0.push((name, value));
        Ok(())
    }

    pub fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A whole number, where it is there.
    pub fn number(&self, name: &str, range: RangeInclusive<usize>) -> Result<Option<usize>, Failure> {
        let Some(text) = self.one(name) else { return Ok(None) };
        let of_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if of_digits && range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = range.into_inner();
                Err(Failure::bad(format!("{name} is '{}' and not a whole number from {low} to {high}", short(text))))
            }
        }
    }

    /// What reads itself from a text, where it is there.
    pub fn read<T: FromStr<Err = String>>(&self, name: &str) -> Result<Option<T>, Failure> {
        let read =
            |text: &str| text.parse::<T>().map_err(|error| Failure::bad(format!("{name}: {}", cut(&error, 200))));
        self.one(name).map(read).transpose()
    }

    pub fn modality(&self, name: &str) -> Result<Option<Modality>, Failure> {
        let read = |text: &str| {
            let found = Modality::ALL.into_iter().find(|modality| modality.name() == text);
            found.ok_or_else(|| Failure::bad(format!("{name} is '{}' and not visible or infrared", short(text))))
        };
        self.one(name).map(read).transpose()
    }

    pub fn filter(&self) -> Result<Filter, Failure> {
        let cameras: Vec<String> =
            self.0.iter().filter(|(name, _)| name == "camera").map(|(_, value)| value.clone()).collect();
        if cameras.len() > MAX_CAMERAS {
            return Err(Failure::bad(format!("{} cameras, more than {MAX_CAMERAS}", cameras.len())));
        }
        cameras.iter().try_for_each(|camera| check("camera", camera))?;
        let mut metadata = BTreeMap::new();
        for (name, value) in &self.0 {
            if let Some(key) = name.strip_prefix("meta.") {
                check("meta", key)?;
                check("meta", value)?;
                metadata.insert(key.to_owned(), Scalar::read(value));
            }
        }
        if metadata.len() > MAX_METADATA {
            return Err(Failure::bad(format!("{} pairs of metadata, more than {MAX_METADATA}", metadata.len())));
        }
        let (modality, from, until) = (self.modality("among")?, self.read("from")?, self.read("until")?);
        Ok(Filter { modality, cameras, from, until, metadata })
    }
}

fn check(name: &str, text: &str) -> Result<(), Failure> {
    if text.len() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(Failure::bad(format!("{name} has control characters or more than {MAX_NAME} bytes")));
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, Failure> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| Failure::bad("the query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: Known = Known { names: &["limit"], filter: true };

    fn refused(query: &str) -> String {
        let fields = Fields::of_query(Some(query), KNOWN);
        let failure = fields.and_then(|fields| fields.filter().and(fields.number("limit", 1..=1000)));
        format!("{:?}", failure.unwrap_err())
    }

    #[test]
    fn a_filter_is_read_from_a_query() {
        let query = "camera=north+door&camera=%C3%A9&from=2026-03-01T12:30:00Z&among=infrared&meta.floor=2&meta.staff=true\
                     &meta.a%26b=x&meta.n=nan&limit=7&&";
        let fields = Fields::of_query(Some(query), KNOWN).unwrap();
        let filter = fields.filter().unwrap();
        assert_eq!(filter.cameras, ["north door", "é"]);
        assert_eq!(filter.modality, Some(Modality::Infrared));
        assert_eq!(filter.from.unwrap().to_string(), "2026-03-01T12:30:00.000Z");
        let metadata = [
            ("floor".into(), Scalar::Number(2.0)),
            ("staff".into(), Scalar::Bool(true)),
            ("a&b".into(), Scalar::Text("x".into())),
            ("n".into(), Scalar::Text("nan".into())),
        ];
        assert_eq!(filter.metadata, metadata.into());
        assert_eq!(fields.number("limit", 1..=1000).unwrap(), Some(7));
        assert!(Fields::of_query(None, KNOWN).unwrap().filter().unwrap().is_empty());
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        assert!(refused("cameras=1").contains("unknown field 'cameras'; known are limit, among, camera"));
        assert!(refused("among=visible&among=visible").contains("there twice"));
        assert!(refused("meta.a=1&meta.a=2").contains("there twice"));
        assert!(refused("camera=%ff").contains("not UTF-8"));
        assert!(refused("camera=%00").contains("control"));
        assert!(refused("from=yesterday").contains("is not a time"));
        assert!(refused("among=thermal").contains("not visible or infrared"));
        for limit in ["0", "1001", "-1", "+1", "1.0", "", "99999999999999999999999"] {
            assert!(refused(&format!("limit={}", limit.replace('+', "%2B"))).contains("not a whole number"), "{limit}");
        }
    }

    proptest! {
        #[test]
        fn no_query_is_too_strange(query in ".*") {
            if let Ok(fields) = Fields::of_query(Some(&query), KNOWN) {
                let _ = fields.filter();
            }
        }
    }
}
