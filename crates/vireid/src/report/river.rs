//! The river of clusters: how many of an epoch's were there before, and how many came from splits, merges and noise.

use std::fmt::Write;

use super::chart::{BOTTOM, COLOURS, HEIGHT, LEFT, RIGHT, TOP, WIDTH, escape};

const BANDS: [&str; 4] = ["kept", "from a split", "merged", "from noise"];

/// Where the clusters of one epoch came from.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    pub epoch: f64,
    /// Clusters kept, from a split, merged, from noise.
    pub came: [f64; 4],
    /// Clusters of the epoch before that ended; below the line.
    pub gone: f64,
}

/// The river as a `figure`, or nothing when there is no epoch with one before it.
pub fn river(title: &str, flows: &[Flow]) -> String {
    if flows.is_empty() {
        return String::new();
    }
    let total = |flow: &Flow| flow.came.iter().sum::<f64>();
    let above = flows.iter().map(total).fold(1.0, f64::max);
    let below = flows.iter().map(|flow| flow.gone).fold(0.0, f64::max);
    let at_y = |y: f64| TOP + (above - y) / (above + below) * (HEIGHT - TOP - BOTTOM);
    let width = (WIDTH - LEFT - RIGHT) / flows.len() as f64;
    let last = flows[flows.len() - 1];
    let parts: Vec<String> = BANDS.iter().zip(last.came).map(|(name, count)| format!("{count} {name}")).collect();
    let spoken = format!("{title}; in the last epoch {}, {} ended", parts.join(", "), last.gone);
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(title),
        escape(&spoken)
    );
    let mut bar = |at: usize, from: f64, to: f64, colour: &str| {
        let (x, wide) = (LEFT + at as f64 * width, (width - 1.0).max(0.5));
        let (y, high) = (at_y(to), at_y(from) - at_y(to));
        if high > 0.0 {
            let _ = write!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" fill=\"{colour}\"/>"
            );
        }
    };
    for (at, flow) in flows.iter().enumerate() {
        let mut from = 0.0;
        for (count, colour) in flow.came.iter().zip(COLOURS) {
            bar(at, from, from + count, colour);
            from += count;
        }
        bar(at, -flow.gone, 0.0, COLOURS[4]);
    }
    for value in [above, 0.0].into_iter().chain((below > 0.0).then_some(-below)) {
        let y = at_y(value) + 4.0;
        let _ = write!(svg, "<text x=\"{}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", LEFT - 5.0, value.abs());
    }
    for (at, anchor) in [(0, "start"), (flows.len() - 1, "end")] {
        let x = if at == 0 { LEFT } else { WIDTH - RIGHT };
        let y = HEIGHT - 12.0;
        let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>", flows[at].epoch);
        if flows.len() == 1 {
            break;
        }
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let _ = write!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">epoch</text>", HEIGHT - 12.0);
    svg += "</svg><ul class=\"legend\">";
    for (name, colour) in BANDS.iter().copied().chain(["ended (below the line)"]).zip(COLOURS) {
        let _ = write!(
            svg,
            "<li><svg width=\"12\" height=\"10\" aria-hidden=\"true\"><rect width=\"12\" height=\"10\" fill=\"{colour}\"/></svg> {name}</li>"
        );
    }
    svg + "</ul></figure>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_band_is_drawn_and_spoken() {
        let flow = Flow { epoch: 3.0, came: [10.0, 2.0, 1.0, 4.0], gone: 3.0 };
        let svg = river("River", &[flow]);
        assert_eq!(svg.matches("<rect x=").count(), 5);
        assert!(svg.contains("10 kept, 2 from a split, 1 merged, 4 from noise, 3 ended"), "{svg}");
        assert_eq!(river("River", &[]), "");
    }
}
