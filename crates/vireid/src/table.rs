//! Scores and seconds as tables.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use vireid_methods::Evaluation;
use vireid_methods::events::Seconds;

/// The scores of several moments as a table, search mode by search mode; what weakens them stands below it.
pub fn evaluation_table(title: &str, evaluations: &[&Evaluation]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["search", "network", "Rank-1", "Rank-5", "Rank-10", "Rank-20", "mAP", "mINP", "queries"]);
    let searches: Vec<&str> =
        evaluations.first().map(|e| e.scores.iter().map(|s| s.search.as_str()).collect()).unwrap_or_default();
    for search in searches {
        for evaluation in evaluations {
            for score in evaluation.scores.iter().filter(|score| score.search == search) {
                let network = format!("{} ({} epochs)", evaluation.moment, evaluation.epochs);
                let figures = [score.rank1, score.rank5, score.rank10, score.rank20, score.map, score.minp];
                let mut row = vec![search.to_string(), network];
                row.extend(figures.map(|figure| format!("{:.2} ± {:.2}", figure.mean, figure.std)));
                row.push(score.queries.map_or("-".into(), |queries| queries.to_string()));
                table.add_row(row);
            }
        }
    }
    align_right(&mut table, 2);
    let mut text = format!("{title}\n{table}");
    let mut warnings: Vec<String> = evaluations.iter().flat_map(|evaluation| evaluation.warnings()).collect();
    warnings.sort();
    warnings.dedup();
    for warning in warnings {
        text += &format!("\nwarning: {warning}");
    }
    text
}

/// Where the time of a run went, as a table.
pub fn seconds_table(seconds: &Seconds) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["activity", "seconds", "share"]);
    let rows = [
        ("waiting for batches", seconds.load),
        ("forward and loss", seconds.forward),
        ("backward and optimiser", seconds.backward),
        ("embedding the training set", seconds.extraction),
        ("clustering and association", seconds.clustering),
        ("testing", seconds.evaluation),
    ];
    for (name, value) in rows {
        let share = 100.0 * value / seconds.total().max(1e-9);
        table.add_row([name.to_string(), format!("{value:.1}"), format!("{share:.0} %")]);
    }
    align_right(&mut table, 1);
    table.to_string()
}

fn align_right(table: &mut Table, from: usize) {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_methods::{QueryCount, Score, Spread};

    #[test]
    fn a_table_tells_how_many_queries_it_rests_on() {
        let half = Spread { mean: 50.0, std: 0.5 };
        let score = Score {
            search: "visible-to-infrared".into(),
            trials: 2,
            queries: Some(QueryCount { counted: 1, of: 2 }),
            rank1: half,
            rank5: half,
            rank10: half,
            rank20: half,
            map: half,
            minp: half,
        };
        let evaluation = Evaluation { moment: "final".into(), epochs: 1, scores: vec![score], seen_people: None };
        let table = evaluation_table("title", &[&evaluation]);
        assert!(table.contains("1 of 2") && table.contains("50.00 ± 0.50"), "{table}");
        assert!(table.contains("have no match"), "{table}");
    }
}
