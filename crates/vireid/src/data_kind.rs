//! Kinds of data: a layout on disk, or a world that stands in for it.

use std::fmt;
use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser, ValueParserFactory};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vireid_methods::data_sets::{DataSet, Layout, SYSU, StandIn, data_sets, recognise};

/// A kind of data: a data set in one of its layouts on disk, or the synthetic world that stands in for it.
#[derive(Clone, Copy)]
pub struct DataKind {
    data_set: &'static DataSet,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Layout(&'static Layout),
    World(&'static StandIn),
}

impl DataKind {
    /// A data set in its usual layout.
    pub fn new(data_set: &'static DataSet) -> Self {
        Self { data_set, form: Form::Layout(&data_set.layout) }
    }

    /// The synthetic world that stands in for a data set, where there is one.
    pub fn world(data_set: &'static DataSet) -> Option<Self> {
        Some(Self { data_set, form: Form::World(data_set.stand_in.as_ref()?) })
    }

    /// All kinds: the data sets' layouts, then their stand-ins.
    pub fn all() -> impl Iterator<Item = Self> {
        let layouts = |data_set: &'static DataSet| {
            data_set.layouts().map(move |layout| Self { data_set, form: Form::Layout(layout) })
        };
        data_sets().flat_map(layouts).chain(data_sets().filter_map(Self::world))
    }

    /// The kind of a name, as on a command line.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name() == name)
    }

    /// The kind of data set at a path, judged by its structure.
    pub fn guess(path: &Path) -> Option<Self> {
        recognise(path).map(|(data_set, layout)| Self { data_set, form: Form::Layout(layout) })
    }

    /// Its name on a command line and in the record of a run.
    pub fn name(self) -> &'static str {
        match self.form {
            Form::Layout(layout) => layout.name,
            Form::World(world) => world.name,
        }
    }

    /// What it is, in a line of help.
    pub fn about(self) -> &'static str {
        match self.form {
            Form::Layout(layout) => layout.about,
            Form::World(world) => world.about,
        }
    }

    /// The data set that it is, or stands in for.
    pub fn data_set(self) -> &'static DataSet {
        self.data_set
    }

    /// The name that people know it by.
    pub fn title(self) -> &'static str {
        match self.form {
            Form::Layout(_) => self.data_set.title,
            Form::World(_) => "the synthetic world",
        }
    }

    /// The data set in the names of presets whose settings fit.
    pub fn preset(self) -> &'static str {
        self.data_set.preset
    }

    /// Whether its images are drawn where they are not.
    pub fn is_world(self) -> bool {
        matches!(self.form, Form::World(_))
    }

    /// The synthetic world that takes its place, if there is one.
    pub fn stand_in(self) -> Option<DataKind> {
        Self::world(self.data_set)
    }

    /// What draws it, where its images are drawn.
    pub(crate) fn drawn(self) -> Option<&'static StandIn> {
        match self.form {
            Form::Layout(_) => None,
            Form::World(world) => Some(world),
        }
    }

    /// How its files lie; a world's as its data set's usually do.
    pub(crate) fn layout(self) -> &'static Layout {
        match self.form {
            Form::Layout(layout) => layout,
            Form::World(_) => &self.data_set.layout,
        }
    }
}

/// What there is without any data: the world in SYSU-MM01's manner.
impl Default for DataKind {
    fn default() -> Self {
        let real = Self::new(&SYSU);
        real.stand_in().unwrap_or(real)
    }
}

impl PartialEq for DataKind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for DataKind {}

impl fmt::Debug for DataKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKind({})", self.name())
    }
}

impl Serialize for DataKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for DataKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom(format!("there is no kind of data '{name}'")))
    }
}

impl ValueParserFactory for DataKind {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        let values = DataKind::all().map(|kind| PossibleValue::new(kind.name()).help(kind.about()));
        let kind = |name: String| DataKind::named(&name).ok_or_else(|| format!("there is no kind of data '{name}'"));
        PossibleValuesParser::new(values).try_map(kind).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of runs and people's scripts have these names.
    #[test]
    fn names_stay() {
        let names: Vec<&str> = DataKind::all().map(DataKind::name).collect();
        let expected =
            ["sysu", "regdb", "llcm", "folder", "manifest", "synthetic", "synthetic-regdb", "synthetic-llcm"];
        assert_eq!(names, expected);
        for kind in DataKind::all() {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.name()));
            assert_eq!(serde_json::from_str::<DataKind>(&json).unwrap(), kind);
        }
        assert!(serde_json::from_str::<DataKind>("\"market\"").unwrap_err().to_string().contains("'market'"));
        assert_eq!(DataKind::default().name(), "synthetic");
        let presets: Vec<&str> = DataKind::all().map(DataKind::preset).collect();
        assert_eq!(presets, ["sysu", "regdb", "llcm", "sysu", "sysu", "sysu", "regdb", "llcm"]);
    }

    #[test]
    fn a_table_is_a_manifest() {
        assert_eq!(DataKind::guess(Path::new("Crops.CSV")).map(DataKind::name), Some("manifest"));
    }
}
