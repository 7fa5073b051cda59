//! Line charts as SVG.

use std::fmt::Write;

/// Size and margins of a chart.
pub const WIDTH: f64 = 460.0;
pub const HEIGHT: f64 = 220.0;
pub const LEFT: f64 = 48.0;
pub const BOTTOM: f64 = 30.0;
pub const TOP: f64 = 12.0;
pub const RIGHT: f64 = 10.0;
/// Told apart by most colour-blind readers, and by their dashes in print (Okabe and Ito).
pub const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#6b4c00", "#56b4e9", "#000000"];
const DASHES: [&str; 4] = ["", "6 3", "2 3", "8 3 2 3"];

/// One line of a chart.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A chart with its legend as a `figure`, or nothing when no line has a point.
pub fn chart(title: &str, x_name: &str, lines: &[Line]) -> String {
    let lines: Vec<&Line> = lines.iter().filter(|line| !line.points.is_empty()).collect();
    let points = || lines.iter().flat_map(|line| &line.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    if points().next().is_none() {
        return String::new();
    }
    let range = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let (low, high) = points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if high > low { (low, high) } else { (low - 0.5, high + 0.5) }
    };
    let ((x0, x1), (y0, y1)) = (range(&|p| p.0), range(&|p| p.1));
    let ticks = ticks(y0, y1);
    let (y0, y1) = (y0.min(ticks[0]), y1.max(ticks[ticks.len() - 1]));
    let at_x = |x: f64| LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let at_y = |y: f64| TOP + (y1 - y) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);

    let last = |line: &Line| line.points.last().map_or(String::new(), |(_, y)| format!("{} ends at {y:.3}", line.name));
    let spoken = lines.iter().map(|line| last(line)).collect::<Vec<_>>().join("; ");
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(title),
        escape(&format!("{title}: {spoken}"))
    );
    for tick in ticks {
        let y = at_y(tick);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"grid\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 5.0,
            y + 4.0,
            number(tick)
        );
    }
    for (x, anchor) in [(x0, "start"), (x1, "end")] {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            at_x(x),
            HEIGHT - 12.0,
            number(x)
        );
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let _ =
        write!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>", HEIGHT - 12.0, escape(x_name));
    for (index, line) in lines.iter().enumerate() {
        let path: Vec<String> = line
            .points
            .iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .map(|&(x, y)| format!("{:.1},{:.1}", at_x(x), at_y(y)))
            .collect();
        let (colour, dash) = (COLOURS[index % COLOURS.len()], DASHES[index % DASHES.len()]);
        let _ =
            write!(svg, "<polyline points=\"{}\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\"/>", path.join(" "));
        if let [(x, y)] = line.points[..] {
            let _ = write!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", at_x(x), at_y(y));
        }
    }
    svg += "</svg><ul class=\"legend\">";
    for (index, line) in lines.iter().enumerate() {
        let (colour, dash) = (COLOURS[index % COLOURS.len()], DASHES[index % DASHES.len()]);
        let _ = write!(
            svg,
            "<li><svg width=\"26\" height=\"10\" aria-hidden=\"true\"><line x1=\"0\" x2=\"26\" y1=\"5\" y2=\"5\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/></svg> {}</li>",
            escape(&line.name)
        );
    }
    svg + "</ul></figure>"
}

/// Round numbers that span a range: three to seven.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough).unwrap_or(power);
    let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
    (first..=last).map(|n| n as f64 * step).collect()
}

fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Text for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_span() {
        for (low, high) in [(0.0, 1.0), (17.2, 44.9), (-3.0, 3.0), (1e-5, 3e-4), (0.5, 0.50001)] {
            let ticks = ticks(low, high);
            assert!(ticks[0] <= low && ticks[ticks.len() - 1] >= high - 1e-12, "{low} {high} {ticks:?}");
            assert!((3..=8).contains(&ticks.len()), "{low} {high} {ticks:?}");
        }
    }

    #[test]
    fn empty_charts_and_odd_values() {
        assert_eq!(chart("a", "epoch", &[Line::default()]), "");
        let line = Line { name: "<b>".into(), points: vec![(0.0, f64::NAN), (1.0, 2.0), (2.0, 2.0)] };
        let svg = chart("a & b", "epoch", &[line]);
        assert!(!svg.contains("NaN") && svg.contains("&lt;b&gt;") && svg.contains("a &amp; b"), "{svg}");
    }
}
