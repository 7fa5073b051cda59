/// A data set with its protocol, as the tables name it. A test of the studies holds it to what they train on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Benchmark {
    /// SYSU-MM01.
    Sysu,
    /// RegDB.
    Regdb,
}

impl Benchmark {
    /// Every one, in the tables' order.
    pub const ALL: [Self; 2] = [Self::Sysu, Self::Regdb];

    /// Its name in records and presets.
    pub fn name(self) -> &'static str {
        match self {
            Benchmark::Sysu => "sysu",
            Benchmark::Regdb => "regdb",
        }
    }

    /// Its name in the tables.
    pub fn title(self) -> &'static str {
        match self {
            Benchmark::Sysu => "SYSU-MM01",
            Benchmark::Regdb => "RegDB",
        }
    }

    /// Search modes or directions.
    pub fn searches(self) -> [&'static str; 2] {
        match self {
            Benchmark::Sysu => ["all", "indoor"],
            Benchmark::Regdb => ["visible-to-thermal", "thermal-to-visible"],
        }
    }
}
