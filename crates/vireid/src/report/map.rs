//! The map of embeddings, coloured three ways.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::chart::{COLOURS, escape};
use super::run::Run;
use crate::evidence::Point;

const SIDE: f64 = 300.0;
const EDGE: f64 = 6.0;
const OTHERS: &str = "#bbbbbb";

/// The maps of a run, or nothing when it has none.
pub fn maps(run: &Run) -> String {
    let points = &run.evidence.map;
    if points.is_empty() {
        return String::new();
    }
    let name = escape(&run.name());
    let mut html = format!(
        "<h2>Map of {name}</h2><p>t-SNE of the {} images' embeddings. Where the modalities or the cameras make islands, the network still sees them before it sees the person. Distances between far groups mean nothing.</p><div class=\"maps\">",
        escape(&run.evidence.part)
    );
    html += &map("By modality", points, |point| Some(point.modality.clone()));
    html += &map("By camera", points, |point| Some(format!("camera {}", point.camera)));
    if points.iter().any(|point| point.identity.is_some()) {
        // The people with the most images, and as many as there are colours.
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let known = points.iter().filter_map(|point| point.identity.as_deref());
        known.for_each(|identity| *counts.entry(identity).or_default() += 1);
        let mut people: Vec<(&str, usize)> = counts.into_iter().collect();
        people.sort_by_key(|&(identity, count)| (std::cmp::Reverse(count), identity));
        people.truncate(COLOURS.len());
        html += &map("By person, some of them", points, |point| {
            let person = point.identity.as_deref().filter(|name| people.iter().any(|(known, _)| known == name))?;
            Some(format!("person {person}"))
        });
    }
    html + "</div>"
}

/// One colouring; points without a group are grey. Circles are visible, crosses infrared.
fn map(title: &str, points: &[Point], group: impl Fn(&Point) -> Option<String>) -> String {
    let range = |of: fn(&Point) -> f32| {
        let values = points.iter().map(of);
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let ((x0, x1), (y0, y1)) = (range(|point| point.x), range(|point| point.y));
    let scale = (SIDE - 2.0 * EDGE) / f64::from((x1 - x0).max(y1 - y0).max(1e-6));
    let mut groups: Vec<String> = points.iter().filter_map(&group).collect();
    groups.sort_unstable();
    groups.dedup();
    let colour = |name: &String| COLOURS[groups.iter().position(|known| known == name).unwrap_or(0) % COLOURS.len()];
    let mut svg = format!(
        "<figure><figcaption>{0}</figcaption><svg viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\" aria-label=\"{0}: {1} images\">",
        escape(title),
        points.len()
    );
    // Grey ones first: they lie below.
    let (named, others): (Vec<&Point>, Vec<&Point>) = points.iter().partition(|point| group(point).is_some());
    for point in others.into_iter().chain(named) {
        let (x, y) = (EDGE + f64::from(point.x - x0) * scale, EDGE + f64::from(point.y - y0) * scale);
        let colour = group(point).as_ref().map_or(OTHERS, colour);
        let _ = match point.modality.as_str() {
            "visible" => write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.2\" fill=\"{colour}\"/>"),
            _ => write!(
                svg,
                "<path d=\"M{:.1} {:.1}l4 4m0 -4l-4 4\" stroke=\"{colour}\" stroke-width=\"1.4\"/>",
                x - 2.0,
                y - 2.0
            ),
        };
    }
    svg += "</svg><ul class=\"legend\">";
    for name in &groups {
        let _ = write!(
            svg,
            "<li><svg width=\"10\" height=\"10\" aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"4\" fill=\"{}\"/></svg> {}</li>",
            colour(name),
            escape(name)
        );
    }
    svg + "<li>circles: visible, crosses: infrared</li></ul></figure>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_get_colours_and_the_rest_is_grey() {
        let point = |x: f32, modality: &str, identity: Option<&str>| Point {
            x,
            y: 0.0,
            modality: modality.into(),
            camera: "noto".into(),
            identity: identity.map(String::from),
        };
        let points = [point(0.0, "visible", Some("ann")), point(1.0, "infrared", None)];
        let svg = map("By person", &points, |point| point.identity.clone());
        assert!(svg.contains(OTHERS) && svg.contains(COLOURS[0]) && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<path").count(), 1);
    }
}
