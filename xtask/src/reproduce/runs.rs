//! Trainings of one kind, and what they come to.

use super::benchmark::Benchmark;
use super::record::{Evaluation, Record, Score, Spread, is_paper, is_quick};

/// The records of one method, or of one of its ablations, on one kind of data.
pub struct Runs<'a>(pub Vec<&'a Record>);

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// The authors' settings on the licensed data.
    Paper,
    /// The small network there.
    QuickOnReal,
    /// The tables' own synthetic world.
    Synthetic,
    /// Other synthetic worlds.
    Fresh,
}

impl<'a> Runs<'a> {
    pub fn of(records: &'a [Record], benchmark: Benchmark, kind: Kind, method: &str, variant: &str) -> Self {
        let is_kind = |record: &Record| match kind {
            Kind::Synthetic => record.synthetic && !record.is_of_fresh_world(),
            Kind::Fresh => record.is_of_fresh_world(),
            Kind::QuickOnReal => !record.synthetic && is_quick(&record.preset),
            Kind::Paper => !record.synthetic && is_paper(&record.preset),
        };
        let matches = |record: &&Record| {
            let same = record.benchmark == benchmark.name() && record.method == method && record.variant == variant;
            same && record.unpaired == 0.0 && is_kind(record)
        };
        Self(records.iter().filter(matches).collect())
    }

    pub fn spread(
        &self,
        at: impl Fn(&[Evaluation]) -> Option<&Evaluation>,
        search: &str,
        of: fn(&Score) -> f64,
    ) -> Option<Spread> {
        let score =
            |record: &&Record| at(&record.evaluations)?.scores.iter().find(|score| score.search == search).map(of);
        let values: Vec<f64> = self.0.iter().filter_map(score).collect();
        (!values.is_empty()).then(|| Spread::of(&values))
    }

    pub fn shown(
        &self,
        at: impl Fn(&[Evaluation]) -> Option<&Evaluation>,
        search: &str,
        of: fn(&Score) -> f64,
    ) -> String {
        self.spread(at, search, of).map_or("-".into(), |spread| self.with_deviation(spread))
    }

    fn with_deviation(&self, spread: Spread) -> String {
        if self.0.len() > 1 {
            format!("{:.1} ± {:.1}", spread.mean, spread.std)
        } else {
            format!("{:.1}", spread.mean)
        }
    }

    /// Difference of the final mAP to that of other runs on the same data with the same seeds and trials.
    pub fn against(&self, others: &Self, search: &str) -> String {
        let map = |record: &Record| {
            let scores = &record.evaluations.last()?.scores;
            scores.iter().find(|score| score.search == search).map(|score| score.map.mean)
        };
        let difference = |record: &&Record| {
            let of = |record: &Record| (record.data.clone(), record.seed, record.trial);
            let same = |other: &&&Record| of(other) == of(record);
            Some(map(record)? - map(others.0.iter().find(same)?)?)
        };
        let differences: Vec<f64> = self.0.iter().filter_map(difference).collect();
        let spread = Spread::of(&differences);
        match differences.len() {
            0 => "-".into(),
            1 => format!("{:+.1}", spread.mean),
            _ => format!("{:+.1} ± {:.1}", spread.mean, spread.std),
        }
    }

    /// How many queries the last tests rest on, in the training with the fewest; `None` where no record tells.
    pub fn queries(&self, search: &str) -> Option<String> {
        let scores = self.0.iter().filter_map(|record| record.evaluations.last()).flat_map(|last| &last.scores);
        let counts = scores.filter(|score| score.search == search).filter_map(|score| score.queries);
        counts.min_by_key(|queries| queries.counted).map(|queries| format!("{queries} queries count"))
    }

    pub fn minutes(&self) -> String {
        let minutes = Spread::of(&self.0.iter().map(|record| record.seconds / 60.0).collect::<Vec<_>>());
        format!("{:.1}", minutes.mean)
    }
}

pub fn last(evaluations: &[Evaluation]) -> Option<&Evaluation> {
    evaluations.last()
}

pub fn moment(name: &'static str) -> impl Fn(&[Evaluation]) -> Option<&Evaluation> {
    move |evaluations| evaluations.iter().find(|evaluation| evaluation.moment == name)
}
