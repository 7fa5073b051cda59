//! One HTML page of a run, or of several side by side: no script, no network, readable on a phone and in print.

mod chart;
mod map;
mod pictures;
mod river;
mod run;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use vireid::{OutputKind, Overwriting, ProgramError, REPORT_TITLE, write_bytes};
use vireid_methods::Evaluation;

use crate::output::Output;
use chart::{Line, chart, escape};
use run::Run;

const STYLE: &str = include_str!("style.css");

#[derive(Debug, Args)]
pub struct Arguments {
    /// Run directories; several are drawn into the same charts
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// File to write [default: report.html in the first run directory]
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    overwriting: Overwriting,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let default = || arguments.runs.first().map_or_else(PathBuf::new, |run| run.join("report.html"));
    let out = arguments.out.clone().unwrap_or_else(default);
    arguments.overwriting.check(&out, OutputKind::Report, &[])?;
    let (page, notes) = draw(&arguments.runs, &out)?;
    notes.iter().for_each(|note| output.say(note));
    output.result(&page, || page.display().to_string())
}

/// Writes the page of some runs.
pub fn write(runs: &[PathBuf], out: &Path) -> Result<PathBuf, ProgramError> {
    draw(runs, out).map(|(page, _)| page)
}

/// Writes the page of some runs, and says what it lacks. Where a file of a run can't be read, the page shows the rest and
/// names the file, and the error does.
fn draw(runs: &[PathBuf], out: &Path) -> Result<(PathBuf, Vec<String>), ProgramError> {
    let runs: Vec<Run> = runs.iter().map(|path| Run::open(path)).collect::<Result<_, _>>()?;
    write_bytes(out, page(&runs).as_bytes())?;
    let faults: Vec<String> = runs.iter().flat_map(|run| run.faults.iter().cloned()).collect();
    if !faults.is_empty() {
        return Err(ProgramError::UnreadableRun { faults, page: out.into() });
    }
    Ok((out.into(), runs.iter().flat_map(Run::notes).collect()))
}

fn page(runs: &[Run]) -> String {
    let title = runs.iter().map(Run::name).collect::<Vec<_>>().join(" and ");
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{0}{REPORT_TITLE}<style>{STYLE}</style></head><body><main><h1>{0}</h1>",
        escape(&title)
    );
    if runs.iter().any(Run::is_synthetic) {
        html += "<p class=\"note\"><strong>Synthetic images.</strong> These figures say nothing about real data and can't be compared with a paper's.</p>";
    }
    for note in runs.iter().flat_map(Run::notes) {
        let _ = write!(html, "<p class=\"note\">{}</p>", escape(&note));
    }
    let misgivings: Vec<String> = runs.iter().flat_map(Run::misgivings).collect();
    if !misgivings.is_empty() {
        html += "<h2>What speaks against the labels</h2><ul>";
        for sentence in misgivings {
            let _ = write!(html, "<li>{}</li>", escape(&sentence));
        }
        html += "</ul>";
    }
    html += &summary(runs);
    html += "<h2>Results</h2>";
    for run in runs {
        html += &results(run);
    }
    html += "<h2>Curves</h2><div class=\"charts\">";
    let many = runs.len() > 1;
    let named = |run: &Run, line: Line| {
        let name = if many { format!("{}: {}", run.name(), line.name) } else { line.name };
        Line { name, ..line }
    };
    let gather = |of: &dyn Fn(&Run) -> Vec<Line>| {
        runs.iter().flat_map(|run| of(run).into_iter().map(|line| named(run, line))).collect::<Vec<Line>>()
    };
    let of_labels = |figure: &str| {
        let pointers = [("visible", format!("/visible/{figure}")), ("infrared", format!("/infrared/{figure}"))];
        gather(&|run| pointers.iter().map(|(name, pointer)| run.labels(name, pointer)).collect())
    };
    html += &chart("Test mAP, %", "epochs trained", &gather(&|run| run.scores("map")));
    html += &chart("Test Rank-1, %", "epochs trained", &gather(&|run| run.scores("rank1")));
    html += &chart("Loss, mean of an epoch", "epoch", &gather(&Run::losses));
    html += &chart("Learning rate", "epoch", &gather(&|run| vec![run.learning_rate()]));
    html += &chart("Clusters", "epoch", &of_labels("clusters"));
    html += &chart("Images without a cluster", "epoch", &of_labels("noise"));
    html += &chart("Labels kept since the epoch before (adjusted Rand index)", "epoch", &of_labels("stability"));
    html += &chart("Labels against the true identities (adjusted Rand index)", "epoch", &of_labels("ari"));
    let association = [
        ("clusters with a partner", "/association/partnered"),
        ("right pairs", "/association/precision"),
        ("pairs found", "/association/recall"),
    ];
    let lines = gather(&|run| association.iter().map(|(name, pointer)| run.labels(name, pointer)).collect());
    html += &chart("Association of clusters across the modalities, share", "epoch", &lines);
    let joint = [("all", "/joint/clusters"), ("of both modalities", "/joint/shared")];
    let lines = gather(&|run| joint.iter().map(|(name, pointer)| run.labels(name, pointer)).collect());
    html += &chart("Joint clusters", "epoch", &lines);
    for run in runs {
        for modality in ["visible", "infrared"] {
            let title =
                if many { format!("{}: {modality} clusters", run.name()) } else { format!("{modality} clusters") };
            html += &river::river(&format!("River of {title}: where they came from"), &run.flow(modality));
        }
    }
    html += "</div>";
    for run in runs {
        html += &pictures::ranked(run);
        html += &pictures::pairs(run);
        html += &map::maps(run);
        html += &time(run);
        let (name, config) = (escape(&run.name()), escape(&run.config));
        let _ =
            write!(html, "<details><summary>Settings of {name}</summary><pre tabindex=\"0\">{config}</pre></details>");
    }
    html + "<footer><p>Made by vireid; cite the paper of the method (CITATION.cff). The best checkpoint is chosen by test scores: do not report it as if it were chosen blindly.</p></footer></main></body></html>\n"
}

fn summary(runs: &[Run]) -> String {
    let text = |run: &Run, key: &str| match &run.environment[key] {
        serde_json::Value::String(text) => escape(text),
        serde_json::Value::Null => "unknown".into(),
        other => escape(&other.to_string()),
    };
    let mut html = "<table tabindex=\"0\"><caption>Runs</caption><thead><tr><th scope=\"col\">run</th><th scope=\"col\">data</th><th scope=\"col\">device</th><th scope=\"col\">seed</th><th scope=\"col\">settings</th><th scope=\"col\">data manifest</th><th scope=\"col\">version</th></tr></thead><tbody>".to_string();
    for run in runs {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(&run.name()));
        for key in ["data", "device", "seed", "config_hash", "data_manifest", "version"] {
            let _ = write!(html, "<td>{}</td>", text(run, key));
        }
        html += "</tr>";
    }
    html + "</tbody></table>"
}

/// Scores of a run at the ends of its stages.
fn results(run: &Run) -> String {
    const FIGURES: [(&str, &str); 6] = [
        ("rank1", "Rank-1"),
        ("rank5", "Rank-5"),
        ("rank10", "Rank-10"),
        ("rank20", "Rank-20"),
        ("map", "mAP"),
        ("minp", "mINP"),
    ];
    let name = escape(&run.name());
    let is_main = |event: &&serde_json::Value| !event["moment"].as_str().is_some_and(|m| m.starts_with("epoch"));
    let evaluations: Vec<_> = run.of_kind("evaluation").filter(is_main).collect();
    if evaluations.is_empty() {
        return format!(
            "<p>{name}: no test set, so no score. What can be said without labels is in the curves: stable labels, few images without a cluster, and clusters that find a partner in the other modality speak for a run.</p>"
        );
    }
    let mut html = format!(
        "<table tabindex=\"0\"><caption>{name}: mean ± standard deviation over gallery draws, %</caption><thead><tr><th scope=\"col\">search</th><th scope=\"col\">network</th>"
    );
    for (_, title) in FIGURES {
        let _ = write!(html, "<th scope=\"col\">{title}</th>");
    }
    html += "<th scope=\"col\">Queries that count</th></tr></thead><tbody>";
    let mut warnings = BTreeSet::new();
    for event in evaluations {
        if let Ok(evaluation) = Evaluation::deserialize(event) {
            warnings.extend(evaluation.warnings());
        }
        for score in event["scores"].as_array().into_iter().flatten() {
            let text = |value: &serde_json::Value| escape(value.as_str().unwrap_or("-"));
            let _ = write!(
                html,
                "<tr><td>{}</td><th scope=\"row\">{}</th>",
                text(&score["search"]),
                text(&event["moment"])
            );
            for (key, _) in FIGURES {
                let of = |part: &str| score[key][part].as_f64().unwrap_or(f64::NAN);
                let _ = write!(html, "<td class=\"number\">{:.2} ± {:.2}</td>", of("mean"), of("std"));
            }
            let queries = &score["queries"];
            let queries = match (queries["counted"].as_u64(), queries["of"].as_u64()) {
                (Some(counted), Some(of)) => format!("{counted} of {of}"),
                _ => "unknown".into(),
            };
            let _ = write!(html, "<td class=\"number\">{queries}</td></tr>");
        }
    }
    html += "</tbody></table>";
    for warning in warnings {
        let _ = write!(html, "<p class=\"note\"><strong>Warning.</strong> {}</p>", escape(&warning));
    }
    html
}

fn time(run: &Run) -> String {
    let Some(seconds) = run.cost["seconds"].as_object() else { return String::new() };
    let total: f64 = seconds.values().filter_map(serde_json::Value::as_f64).sum();
    let mut html = format!(
        "<table tabindex=\"0\"><caption>Time of {}</caption><thead><tr><th scope=\"col\">activity</th><th scope=\"col\">seconds</th><th scope=\"col\">share</th></tr></thead><tbody>",
        escape(&run.name())
    );
    for (activity, value) in seconds {
        let value = value.as_f64().unwrap_or(0.0);
        let share = 100.0 * value / total.max(1e-9);
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{value:.1}</td><td class=\"number\">{share:.0} %</td></tr>",
            escape(activity)
        );
    }
    html += "</tbody></table>";
    if let Some(peak) = run.cost["peak_memory_mib"].as_f64() {
        let _ = write!(html, "<p>Peak memory {peak:.0} MiB.</p>");
    }
    html
}
