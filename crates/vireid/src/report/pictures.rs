//! Ranked lists and matched clusters: contact sheets, with the same in words.

use std::fmt::Write;

use super::chart::escape;
use super::run::Run;

/// Queries with their answers, failures first.
pub fn ranked(run: &Run) -> String {
    let (Some(png), false) = (&run.ranked, run.evidence.ranked.is_empty()) else { return String::new() };
    let (name, part) = (escape(&run.name()), escape(&run.evidence.part));
    let mut html = format!(
        "<h2>Answers of {name}</h2><figure class=\"sheet\"><figcaption>Infrared queries (blue frames) and the visible {part} images most similar to them, best first; where identities are known the worst failures come first, green is right and red is wrong</figcaption><img alt=\"A row for each line of the table below: the query and its answers\" src=\"data:image/png;base64,{png}\"></figure>"
    );
    html += "<table tabindex=\"0\"><caption>The same in words</caption><thead><tr><th scope=\"col\">row</th><th scope=\"col\">query</th><th scope=\"col\">first right answer</th><th scope=\"col\">average precision</th><th scope=\"col\">answers: visible cameras, ✓ right, ✗ wrong</th></tr></thead><tbody>";
    for (row, list) in run.evidence.ranked.iter().enumerate() {
        // Of a known person of whom there is no visible image, no answer can be right.
        let is_known = list.answers.iter().any(|answer| answer.right.is_some());
        let otherwise = || if is_known { "no match" } else { "unknown" }.to_string();
        let rank = list.first_right.map_or_else(otherwise, |rank| format!("rank {rank}"));
        let precision = list.average_precision.map_or_else(otherwise, |precision| format!("{precision:.2}"));
        let answers: Vec<String> = list
            .answers
            .iter()
            .map(|answer| {
                let mark = answer.right.map_or("", |right| if right { " ✓" } else { " ✗" });
                format!("{}{mark}", escape(&answer.camera))
            })
            .collect();
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th><td>infrared camera {}</td><td class=\"number\">{rank}</td><td class=\"number\">{precision}</td><td>{}</td></tr>",
            row + 1,
            escape(&list.camera),
            answers.join(", ")
        );
    }
    html + "</tbody></table>"
}

/// Clusters that found each other.
pub fn pairs(run: &Run) -> String {
    let (Some(png), false) = (&run.pairs, run.evidence.pairs.is_empty()) else { return String::new() };
    let name = escape(&run.name());
    let mut html = format!(
        "<h2>Matched clusters of {name}</h2><figure class=\"sheet\"><figcaption>Training clusters whose centroids are each other's nearest: infrared images on the left (blue), visible ones on the right; where identities are known wrong pairs (red) come first</figcaption><img alt=\"A row for each line of the table below: images of the infrared and of the visible cluster\" src=\"data:image/png;base64,{png}\"></figure>"
    );
    html += "<table tabindex=\"0\"><caption>The same in words</caption><thead><tr><th scope=\"col\">row</th><th scope=\"col\">infrared images</th><th scope=\"col\">visible images</th><th scope=\"col\">similarity</th><th scope=\"col\">one person</th></tr></thead><tbody>";
    for (row, pair) in run.evidence.pairs.iter().enumerate() {
        let right = pair.right.map_or("unknown", |right| if right { "yes" } else { "no" });
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{:.3}</td><td>{right}</td></tr>",
            row + 1,
            pair.infrared_images,
            pair.visible_images,
            pair.similarity
        );
    }
    html + "</tbody></table>"
}
