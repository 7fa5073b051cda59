//! Data sets with their protocols, as the tables name them.

/// A data set with its protocol, as the tables name it. A test of the studies holds it to what they train on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Benchmark {
    name: &'static str,
    title: &'static str,
    searches: [&'static str; 2],
}

const BOTH_WAYS: [&str; 2] = ["visible-to-infrared", "infrared-to-visible"];

impl Benchmark {
    /// SYSU-MM01, which the ablations are made on.
    pub const SYSU: Self = Self { name: "sysu", title: "SYSU-MM01", searches: ["all", "indoor"] };
    const REGDB: Self = Self { name: "regdb", title: "RegDB", searches: ["visible-to-thermal", "thermal-to-visible"] };
    const LLCM: Self = Self { name: "llcm", title: "LLCM", searches: BOTH_WAYS };

    /// Every one, in the tables' order.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::SYSU, Self::REGDB, Self::LLCM].into_iter()
    }

    /// Its name in records and presets.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Its name in the tables.
    pub fn title(self) -> &'static str {
        self.title
    }

    /// Search modes or directions.
    pub fn searches(self) -> [&'static str; 2] {
        self.searches
    }
}
