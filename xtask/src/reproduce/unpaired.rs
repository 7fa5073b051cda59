//! What methods do where only one modality sees a share of the training people: a table and curves.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::benchmark::Benchmark;
use super::published::Published;
use super::record::{Record, Spread};
use super::table::Table;

/// The shares in percent that are studied, with their columns.
const SHARES: [(u32, &str); 5] = [(0, "0 %"), (25, "25 %"), (50, "50 %"), (75, "75 %"), (100, "100 %")];

/// A figure of a record.
type Figure = fn(&Record) -> Option<f64>;

const FIGURES: [(&str, Figure); 7] = [
    ("mAP", |record| score(record).map(|score| score.map.mean)),
    ("Rank-1", |record| score(record).map(|score| score.rank1.mean)),
    ("untrained mAP", |record| {
        let untrained = record.evaluations.iter().find(|evaluation| evaluation.moment == "untrained")?;
        Some(untrained.scores.first()?.map.mean)
    }),
    ("visible clusters, ARI", |record| label(record, "/visible/ari")),
    ("infrared clusters, ARI", |record| label(record, "/infrared/ari")),
    ("matches that are right", |record| {
        percent(label(record, "/association/precision").or(label(record, "/joint/pair_precision")))
    }),
    ("right matches that are found", |record| {
        percent(label(record, "/association/recall").or(label(record, "/joint/pair_recall")))
    }),
];

fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|share| 100.0 * share)
}

/// The first search of the last test.
fn score(record: &Record) -> Option<&super::record::Score> {
    record.evaluations.last()?.scores.first()
}

/// A figure of the last labels that have it.
fn label(record: &Record, pointer: &str) -> Option<f64> {
    record.labels.iter().rev().find_map(|labels: &Value| labels.pointer(pointer)?.as_f64())
}

/// The trainings of a method, or of one of its variants, by share: of those seeds that every share was trained with.
struct Study<'a> {
    name: String,
    by_share: Vec<Vec<&'a Record>>,
}

/// Whether a record is of the study: on the tables' own synthetic world.
fn is_of_study(record: &Record, benchmark: Benchmark) -> bool {
    record.synthetic && !record.is_of_fresh_world() && record.benchmark == benchmark.name()
}

fn studies<'a>(records: &'a [Record], published: &Published, benchmark: Benchmark) -> Vec<Study<'a>> {
    let variants = published.methods().flat_map(|method| {
        let ablations = published.ablations(method).map(move |a| (method, a.key.as_str(), a.title.as_str()));
        std::iter::once((method, "", "")).chain(ablations)
    });
    let study = |(method, variant, title): (&str, &str, &str)| {
        let of = |share: u32| {
            let is_of = move |record: &&Record| {
                is_of_study(record, benchmark)
                    && (record.method == method && record.variant == variant)
                    && record.unpaired_percent() == share
            };
            records.iter().filter(is_of).collect::<Vec<_>>()
        };
        let seeds = |records: &Vec<&Record>| records.iter().map(|record| record.seed).collect::<BTreeSet<u64>>();
        let mut by_share: Vec<Vec<&Record>> = SHARES.iter().map(|(share, _)| of(*share)).collect();
        let common = by_share.iter().map(seeds).reduce(|a, b| &a & &b)?;
        by_share.iter_mut().for_each(|records| records.retain(|record| common.contains(&record.seed)));
        let name = method.to_uppercase();
        let name = if title.is_empty() { name } else { format!("{name}, {title}") };
        (!common.is_empty()).then_some(Study { name, by_share })
    };
    variants.filter_map(study).collect()
}

/// Scores and labels by share.
pub fn table(records: &[Record], published: &Published, benchmark: Benchmark) -> Option<Table> {
    let mut table = Table {
        title: format!("People whom only one modality sees, in a synthetic world in the manner of {}", benchmark.title()),
        note: "Drawn people, small network, quick presets: no statement about real data. The columns are shares of the training \
               people of whom one modality's images were taken away (`--unpaired`); tests stay as they are. Matches are of \
               clusters where a method associates them, of images where its labels are of both modalities; their shares are in \
               percent."
            .into(),
        columns: ["method", "figure"].into_iter().chain(SHARES.map(|(_, title)| title)).chain(["trainings each"]).collect(),
        ..Table::default()
    };
    for study in studies(records, published, benchmark) {
        for (title, figure) in FIGURES {
            let cells: Vec<String> = study.by_share.iter().map(|records| cell(records, figure)).collect();
            if cells.iter().all(|cell| cell == "-") {
                continue;
            }
            let trainings = study.by_share[0].len().to_string();
            table.rows.push([vec![study.name.clone(), title.into()], cells, vec![trainings]].concat());
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

fn cell(records: &[&Record], figure: Figure) -> String {
    let values: Vec<f64> = records.iter().filter_map(|record| figure(record)).collect();
    let spread = Spread::of(&values);
    let digits = if values.iter().all(|value| value.abs() <= 1.0) { 2 } else { 1 };
    match values.len() {
        0 => "-".into(),
        1 => format!("{:.digits$}", spread.mean),
        _ => format!("{:.digits$} ± {:.digits$}", spread.mean, spread.std),
    }
}

/// The mAP of each whole method over the shares, as a picture; `None` without a record.
pub fn curves(records: &[Record], published: &Published) -> Option<String> {
    let mut studies = studies(records, published, Benchmark::SYSU);
    studies.retain(|study| !study.name.contains(','));
    let means: Vec<(String, Vec<f64>)> = studies
        .into_iter()
        .map(|Study { name, by_share }| {
            let mean = |records: &Vec<&Record>| {
                Spread::of(&records.iter().filter_map(|record| FIGURES[0].1(record)).collect::<Vec<_>>()).mean
            };
            (name, by_share.iter().map(mean).collect())
        })
        .collect();
    (!means.is_empty()).then(|| drawn(&means))
}

/// Colours that people tell apart who don't see red or green, with as many ways to dash a line.
const LOOKS: [(&str, &str); 6] = [
    ("#0072b2", ""),
    ("#d55e00", "8 3"),
    ("#009e73", "2 3"),
    ("#cc79a7", "10 3 2 3"),
    ("#b58900", "5 5"),
    ("#444444", "1 2"),
];

fn drawn(curves: &[(String, Vec<f64>)]) -> String {
    let (left, right, top, bottom) = (60.0, 520.0, 20.0, 320.0);
    let highest = curves.iter().flat_map(|(_, values)| values).fold(1.0_f64, |high, &value| high.max(value));
    let highest = 10.0 * (highest / 10.0).ceil();
    let x = |place: usize| left + (right - left) * place as f64 / (SHARES.len() - 1) as f64;
    let y = |value: f64| bottom - (bottom - top) * value / highest;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 370\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<title>mAP over the share of training people whom only one modality sees</title>\n\
         <rect width=\"640\" height=\"370\" fill=\"#ffffff\"/>\n",
    );
    for line in 0..=(highest / 10.0) as u32 {
        let (value, at) = (10 * line, y(f64::from(10 * line)));
        let _ = writeln!(svg, "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#dddddd\"/>");
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>", left - 8.0, at + 4.0);
    }
    for (place, (_, title)) in SHARES.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{title}</text>",
            x(place),
            bottom + 20.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">training people whom only one modality sees</text>",
        (left + right) / 2.0,
        bottom + 42.0
    );
    let _ = writeln!(svg, "<text x=\"16\" y=\"{top}\">mAP</text>");
    for (place, ((name, values), (colour, dashes))) in curves.iter().zip(LOOKS.iter().cycle()).enumerate() {
        let points: Vec<String> =
            values.iter().enumerate().map(|(place, &value)| format!("{:.1},{:.1}", x(place), y(value))).collect();
        let look = format!("stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\" fill=\"none\"");
        let _ = writeln!(svg, "<polyline points=\"{}\" {look}/>", points.join(" "));
        let at = top + 22.0 * place as f64 + 6.0;
        let _ = writeln!(svg, "<path d=\"M{} {at}h26\" {look}/>", right + 16.0);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">{name}</text>", right + 48.0, at + 4.0);
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::record::{Evaluation, Score};

    fn record(method: &str, seed: u64, unpaired: f64, map: f64) -> Record {
        let spread = |mean: f64| Spread { mean, std: 0.0 };
        let score =
            Score { search: "all".into(), queries: None, rank1: spread(50.0), map: spread(map), minp: spread(1.0) };
        Record {
            method: method.into(),
            variant: String::new(),
            benchmark: "sysu".into(),
            synthetic: true,
            data: "synthetic world 5: as drawn".into(),
            preset: format!("{method}_sysu_quick"),
            seed,
            trial: 1,
            unpaired,
            seconds: 60.0,
            evaluations: vec![Evaluation { moment: "final".into(), scores: vec![score] }],
            labels: vec![serde_json::json!({"visible": {"ari": 0.5}, "association": {"precision": 0.25}})],
        }
    }

    fn study(method: &str, seed: u64, maps: [f64; 5]) -> Vec<Record> {
        [0.0, 0.25, 0.5, 0.75, 1.0].iter().zip(maps).map(|(&share, map)| record(method, seed, share, map)).collect()
    }

    #[test]
    fn only_seeds_that_every_share_has_count() {
        let published = Published::read().unwrap();
        let mut records = study("mmm", 0, [50.0, 40.0, 30.0, 20.0, 10.0]);
        records.push(record("mmm", 1, 0.0, 90.0));
        records.push(record("mult", 0, 0.0, 90.0));
        let table = table(&records, &published, Benchmark::SYSU).unwrap();
        assert_eq!(table.rows[0], ["MMM", "mAP", "50.0", "40.0", "30.0", "20.0", "10.0", "1"].map(String::from));
        assert!(table.rows.iter().all(|row| row[0] == "MMM"), "{:?}", table.rows);
        let figure = |title: &str| table.rows.iter().find(|row| row[1] == title).map(|row| row[2].as_str());
        assert_eq!(figure("visible clusters, ARI"), Some("0.50"));
        assert_eq!(figure("matches that are right"), Some("25.0"));
        assert_eq!(figure("infrared clusters, ARI"), None);
    }

    #[test]
    fn two_seeds_have_a_deviation() {
        let published = Published::read().unwrap();
        let records =
            [study("mmm", 0, [50.0, 40.0, 30.0, 20.0, 10.0]), study("mmm", 1, [52.0, 40.0, 30.0, 20.0, 10.0])].concat();
        let table = table(&records, &published, Benchmark::SYSU).unwrap();
        assert_eq!((table.rows[0][2].as_str(), table.rows[0][7].as_str()), ("51.0 ± 1.4", "2"));
    }

    #[test]
    fn the_picture_has_a_line_for_each_method() {
        let published = Published::read().unwrap();
        let records = [study("mmm", 0, [50.0, 0.0, 25.0, 20.0, 10.0]), study("mult", 0, [40.0; 5])].concat();
        let svg = curves(&records, &published).unwrap();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("points=\"60.0,20.0 175.0,320.0 290.0,170.0"), "{svg}");
        assert!(curves(&records[..3], &published).is_none());
    }
}
