//! Records to tables: a paper's value beside this project's on the same data, synthetic worlds by themselves.

use std::fs;
use std::path::Path;

use super::benchmark::Benchmark;
use super::published::{Published, Value};
use super::record::{Record, Score, Spread};
use super::runs::{Kind, Runs, last, moment};
use super::table::Table;
use super::unpaired;

type Failure = Box<dyn std::error::Error>;

const INTRODUCTION: &str = "Percent; ± is the sample standard deviation over trainings (seeds, and RegDB's trials). Made by \
    `cargo xtask reproduce-tables` from the files in `docs/results/cells/`; nothing is typed in by hand but the papers' values, \
    which stand in `xtask/src/reproduce/published.toml` with their sources.";

/// What is made of the records.
pub struct Pages {
    pub markdown: String,
    pub html: String,
    /// The curves of the study of unpaired people, where there is one.
    pub curves: Option<String>,
}

/// The tables as Markdown and as an HTML page, and their curves.
pub fn pages(results: &Path) -> Result<Pages, Failure> {
    let records = records(&results.join("cells"))?;
    let published = Published::read()?;
    let tables = tables(&records, &published);
    let mut markdown = format!("# Tables\n\n{INTRODUCTION}\n");
    let mut html = String::new();
    for table in &tables {
        markdown.push('\n');
        markdown.push_str(&table.markdown());
        html.push_str(&table.html());
    }
    let introduction = INTRODUCTION.replace('`', "");
    let html = include_str!("page.html").replace("{introduction}", &introduction).replace("{tables}", &html);
    Ok(Pages { markdown, html, curves: unpaired::curves(&records, &published) })
}

fn records(folder: &Path) -> Result<Vec<Record>, Failure> {
    let mut found = Vec::new();
    if folder.is_dir() {
        let mut groups: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
        groups.sort_by_key(fs::DirEntry::file_name);
        for group in groups {
            let mut files: Vec<_> = fs::read_dir(group.path())?.collect::<Result<_, _>>()?;
            files.sort_by_key(fs::DirEntry::file_name);
            for file in files {
                let path = file.path();
                let record = serde_json::from_str(&fs::read_to_string(&path)?);
                found.push(record.map_err(|error| format!("{}: {error}", path.display()))?);
            }
        }
    }
    Ok(found)
}

fn tables(records: &[Record], published: &Published) -> Vec<Table> {
    let mut tables = Vec::new();
    for benchmark in Benchmark::all() {
        tables.push(beside_papers(records, published, benchmark));
    }
    for benchmark in Benchmark::all() {
        let title = format!("Small network and quick presets on {}", benchmark.title());
        let note = "Not the papers' settings, so no paper's value stands here.";
        tables.extend(alone(records, published, benchmark, Kind::QuickOnReal, &title, note));
        tables.extend(ablations_alone(
            records,
            published,
            benchmark,
            Kind::QuickOnReal,
            &format!("Ablations: {title}"),
        ));
        for (kind, what) in [(Kind::Synthetic, "Synthetic world"), (Kind::Fresh, "Other synthetic worlds")] {
            let title = format!("{what} in the manner of {}: no statement about real data", benchmark.title());
            let worlds = worlds(records, benchmark, kind);
            let note = format!("Drawn people, small network, quick presets. World: {worlds}.");
            tables.extend(alone(records, published, benchmark, kind, &title, &note));
            tables.extend(ablations_alone(records, published, benchmark, kind, &format!("Ablations: {title}")));
        }
        tables.extend(unpaired::table(records, published, benchmark));
    }
    for method in published.methods() {
        tables.extend(ablations_beside_paper(records, published, method));
    }
    tables
}

fn worlds(records: &[Record], benchmark: Benchmark, kind: Kind) -> String {
    let mut worlds: Vec<&str> = records
        .iter()
        .filter(|record| record.synthetic && record.unpaired == 0.0)
        .filter(|record| record.is_of_fresh_world() == (kind == Kind::Fresh))
        .filter(|record| record.benchmark == benchmark.name())
        .map(|record| record.data.as_str())
        .collect();
    worlds.sort_unstable();
    worlds.dedup();
    worlds.join("; ")
}

const BESIDE: [&str; 9] =
    ["method", "search", "Rank-1 paper", "Rank-1 here", "difference", "mAP paper", "mAP here", "difference", "status"];

/// One line of a table beside a paper: the remark on its source goes below.
fn line(name: &str, search: &str, value: Option<&Value>, runs: &Runs<'_>, remarks: &mut Vec<String>) -> Vec<String> {
    let number = value.map(|value| {
        let doubt = value.doubt.as_ref().map_or(String::new(), |doubt| format!("; to be checked: {doubt}"));
        remarks.push(format!("[{}] {name}, {search}: {}{doubt}", remarks.len() + 1, value.source));
        remarks.len()
    });
    let paper = |figure: Option<f64>| match (figure, number) {
        (Some(figure), Some(number)) => format!("{figure:.1} [{number}]"),
        _ => "-".into(),
    };
    let difference = |theirs: Option<f64>, ours: Option<Spread>| match (theirs, ours) {
        (Some(theirs), Some(ours)) => format!("{:+.1}", ours.mean - theirs),
        _ => "-".into(),
    };
    let (rank1, map) = (value.map(|value| value.rank1), value.and_then(|value| value.map));
    let of_rank1: fn(&Score) -> f64 = |score| score.rank1.mean;
    let of_map: fn(&Score) -> f64 = |score| score.map.mean;
    let (our_rank1, our_map) = (runs.spread(last, search, of_rank1), runs.spread(last, search, of_map));
    remarks.extend(runs.queries(search).map(|queries| format!("{name}, {search}: {queries}")));
    let status = match runs.0.len() {
        0 => "not run".into(),
        1 => "1 training".into(),
        n => format!("{n} trainings"),
    };
    vec![
        name.into(),
        search.into(),
        paper(rank1),
        runs.shown(last, search, of_rank1),
        difference(rank1, our_rank1),
        paper(map),
        runs.shown(last, search, of_map),
        difference(map, our_map),
        status,
    ]
}

fn beside_papers(records: &[Record], published: &Published, benchmark: Benchmark) -> Table {
    let mut table = Table {
        title: benchmark.title().into(),
        note: "The authors' settings on the licensed data, last epoch (the papers mostly report the epoch that was best on \
               the test set). Marked values are to be checked against the papers before they are quoted."
            .into(),
        columns: BESIDE.into(),
        ..Table::default()
    };
    for method in published.methods() {
        let runs = Runs::of(records, benchmark, Kind::Paper, method, "");
        for search in benchmark.searches() {
            let value = published.value(method, search);
            let row = line(&method.to_uppercase(), search, value, &runs, &mut table.remarks);
            table.rows.push(row);
        }
    }
    table
}

/// The method's ablations on SYSU-MM01, where its authors report some.
fn ablations_beside_paper(records: &[Record], published: &Published, method: &str) -> Option<Table> {
    let benchmark = Benchmark::SYSU;
    let mut table = Table {
        title: format!("Ablations of {} on SYSU-MM01", method.to_uppercase()),
        note: "As above. Settings of a row: see the file of published values.".into(),
        columns: BESIDE.into(),
        ..Table::default()
    };
    for ablation in published.ablations(method) {
        let runs = Runs::of(records, benchmark, Kind::Paper, method, &ablation.key);
        if ablation.values.is_empty() && runs.0.is_empty() {
            continue;
        }
        for search in benchmark.searches() {
            let value = ablation.values.iter().find(|value| value.search == search);
            let row = line(&ablation.title, search, value, &runs, &mut table.remarks);
            table.rows.push(row);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Whole methods where no paper's value belongs.
fn alone(
    records: &[Record],
    published: &Published,
    benchmark: Benchmark,
    kind: Kind,
    title: &str,
    note: &str,
) -> Option<Table> {
    let mut table = Table {
        title: title.into(),
        note: note.into(),
        columns: vec![
            "method",
            "search",
            "untrained mAP",
            "first stage mAP",
            "final mAP",
            "final Rank-1",
            "final mINP",
            "trainings",
            "minutes each",
        ],
        ..Table::default()
    };
    for method in published.methods() {
        let runs = Runs::of(records, benchmark, kind, method, "");
        if runs.0.is_empty() {
            continue;
        }
        for search in benchmark.searches() {
            let queries = runs.queries(search).map(|queries| format!("{}, {search}: {queries}", method.to_uppercase()));
            table.remarks.extend(queries);
            table.rows.push(vec![
                method.to_uppercase(),
                search.into(),
                runs.shown(moment("untrained"), search, |s| s.map.mean),
                runs.shown(moment("stage 1"), search, |s| s.map.mean),
                runs.shown(last, search, |s| s.map.mean),
                runs.shown(last, search, |s| s.rank1.mean),
                runs.shown(last, search, |s| s.minp.mean),
                runs.0.len().to_string(),
                runs.minutes(),
            ]);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Ablations where no paper's value belongs, against the whole method of the same seeds.
fn ablations_alone(
    records: &[Record],
    published: &Published,
    benchmark: Benchmark,
    kind: Kind,
    title: &str,
) -> Option<Table> {
    let mut table = Table {
        title: title.into(),
        note: "The last column but two is the difference to the whole method's final mAP, seed by seed.".into(),
        columns: vec![
            "method",
            "changed",
            "search",
            "first stage mAP",
            "final mAP",
            "against the whole",
            "trainings",
            "minutes each",
        ],
        ..Table::default()
    };
    for method in published.methods() {
        let whole = Runs::of(records, benchmark, kind, method, "");
        for ablation in published.ablations(method) {
            let runs = Runs::of(records, benchmark, kind, method, &ablation.key);
            if runs.0.is_empty() {
                continue;
            }
            for search in benchmark.searches() {
                table.rows.push(vec![
                    method.to_uppercase(),
                    ablation.title.clone(),
                    search.into(),
                    runs.shown(moment("stage 1"), search, |s| s.map.mean),
                    runs.shown(last, search, |s| s.map.mean),
                    runs.against(&whole, search),
                    runs.0.len().to_string(),
                    runs.minutes(),
                ]);
            }
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Evaluation;

    fn record(synthetic: bool, preset: &str, seed: u64, map: f64) -> Record {
        let spread = |mean: f64| Spread { mean, std: 0.0 };
        let score = |search: &str| Score {
            search: search.into(),
            queries: None,
            rank1: spread(50.0),
            map: spread(map),
            minp: spread(20.0),
        };
        let scores = vec![score("all"), score("indoor")];
        Record {
            method: "mbccm".into(),
            variant: String::new(),
            benchmark: "sysu".into(),
            synthetic,
            data: "synthetic world 5: as drawn".into(),
            preset: preset.into(),
            seed,
            trial: 1,
            unpaired: 0.0,
            seconds: 60.0,
            evaluations: vec![Evaluation { moment: "final".into(), scores }],
            labels: Vec::new(),
        }
    }

    #[test]
    fn a_synthetic_number_never_stands_beside_a_papers() {
        let published = Published::read().unwrap();
        let records = [record(true, "mbccm_sysu_quick", 0, 77.7), record(false, "mbccm_sysu_quick", 0, 66.6)];
        for table in tables(&records, &published).iter().filter(|table| table.columns == BESIDE) {
            assert!(table.rows.iter().all(|row| row[8] == "not run" && row[3] == "-"), "{}", table.title);
        }
        let found = tables(&records, &published);
        let synthetic: Vec<&Table> = found.iter().filter(|table| table.title.starts_with("Synthetic")).collect();
        assert_eq!(synthetic.len(), 1);
        assert_eq!(synthetic[0].rows[0][4], "77.7");
    }

    #[test]
    fn an_ablation_is_set_against_its_own_seeds() {
        let published = Published::read().unwrap();
        let changed = |seed: u64, map: f64| Record {
            method: "mult".into(),
            variant: "no-transfer".into(),
            ..record(true, "mult_sysu_quick", seed, map)
        };
        let whole =
            |seed: u64, map: f64| Record { method: "mult".into(), ..record(true, "mult_sysu_quick", seed, map) };
        let records = [whole(0, 60.0), whole(1, 66.0), whole(2, 10.0), changed(0, 57.0), changed(1, 65.0)];
        let table = ablations_alone(&records, &published, Benchmark::SYSU, Kind::Synthetic, "ablations").unwrap();
        assert_eq!(table.rows.len(), 2);
        assert_eq!(table.rows[0][4..6], ["61.0 ± 5.7", "-2.0 ± 1.4"].map(String::from));
    }

    /// The same seed on another world is another run, and has a table of its own.
    #[test]
    fn worlds_are_not_mixed() {
        let published = Published::read().unwrap();
        let dmic = |world: u64, variant: &str, seed: u64, map: f64| Record {
            method: "dmic".into(),
            variant: variant.into(),
            data: format!("synthetic world {world}: as drawn"),
            ..record(true, "dmic_sysu_quick", seed, map)
        };
        let records = [
            dmic(5, "", 0, 10.0),
            dmic(41, "", 0, 50.0),
            dmic(42, "", 0, 60.0),
            dmic(41, "even", 0, 53.0),
            dmic(42, "even", 0, 61.0),
        ];
        let found = tables(&records, &published);
        let row = |title: &str| found.iter().find(|table| table.title.starts_with(title)).unwrap().rows[0].clone();
        assert_eq!(row("Synthetic world")[4], "10.0");
        assert_eq!(row("Other synthetic worlds")[4], "55.0 ± 7.1");
        assert_eq!(row("Ablations: Other synthetic worlds")[4..6], ["57.0 ± 5.7", "+2.0 ± 1.4"].map(String::from));
    }

    #[test]
    fn runs_on_real_data_are_set_beside_the_paper() {
        let published = Published::read().unwrap();
        let records = [record(false, "mbccm_sysu_paper", 0, 47.0), record(false, "mbccm_sysu_paper", 1, 49.0)];
        let table = beside_papers(&records, &published, Benchmark::SYSU);
        let row = &table.rows[0];
        assert_eq!(row[5..], ["48.2 [1]", "48.0 ± 1.4", "-0.2", "2 trainings"].map(String::from));
        assert!(table.remarks[0].contains("later papers") && !table.remarks[0].contains("to be checked"));
        assert!(table.remarks[2].contains("MULT, all") && table.remarks[2].contains("to be checked"));
    }
}
