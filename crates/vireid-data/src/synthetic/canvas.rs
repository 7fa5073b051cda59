//! Shapes and strokes, drawn as one modality sees them.

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Mask, Paint as Brush, Path, PathBuilder, Pixmap, Rect, Stroke, Transform,
};
use vireid_core::Modality;

use super::Paint;

/// A point in the current coordinates.
pub(super) type Point = (f64, f64);

/// What one camera's drawing is made on: anti-aliased fills and strokes of [`Paint`], seen in one modality.
///
/// A shape that degenerates to nothing (a path without area, a stroke of no width) draws nothing.
pub(super) struct Canvas {
    pixels: Pixmap,
    modality: Modality,
    transform: Transform,
    clip: Option<Mask>,
}

impl Canvas {
    /// A black canvas; `None` when a side is 0.
    pub fn new(width: u32, height: u32, modality: Modality) -> Option<Self> {
        let mut pixels = Pixmap::new(width, height)?;
        pixels.fill(Color::BLACK);
        Some(Self { pixels, modality, transform: Transform::identity(), clip: None })
    }

    /// Whether infrared light is seen.
    pub fn is_infrared(&self) -> bool {
        self.modality == Modality::Infrared
    }

    /// From here on coordinates are mapped by `x' = sx x + kx y + tx`, `y' = ky x + sy y + ty`.
    pub fn set_transform(&mut self, [sx, ky, kx, sy, tx, ty]: [f64; 6]) {
        self.transform = Transform::from_row(sx as f32, ky as f32, kx as f32, sy as f32, tx as f32, ty as f32);
    }

    /// Back to pixel coordinates.
    pub fn reset_transform(&mut self) {
        self.transform = Transform::identity();
    }

    /// From here on only the inside of a shape is drawn on.
    pub fn clip_to(&mut self, path: Option<Path>) {
        self.clip = path.and_then(|path| {
            let mut mask = Mask::new(self.pixels.width(), self.pixels.height())?;
            mask.fill_path(&path, FillRule::Winding, true, self.transform);
            Some(mask)
        });
    }

    /// Drawing is everywhere again.
    pub fn unclip(&mut self) {
        self.clip = None;
    }

    fn brush(&self, paint: Paint, alpha: f64) -> Brush<'static> {
        let seen = if self.is_infrared() { [paint.infrared; 3] } else { paint.color };
        let [r, g, b] = seen.map(|c| c.clamp(0.0, 1.0) as f32);
        let mut brush = Brush::default();
        brush.set_color(Color::from_rgba(r, g, b, alpha.clamp(0.0, 1.0) as f32).unwrap_or(Color::BLACK));
        brush
    }

    /// Fills a shape.
    pub fn fill(&mut self, path: Option<Path>, paint: Paint) {
        self.fill_alpha(path, paint, 1.0);
    }

    /// Fills a shape with a see-through paint.
    pub fn fill_alpha(&mut self, path: Option<Path>, paint: Paint, alpha: f64) {
        if let Some(path) = path {
            let brush = self.brush(paint, alpha);
            self.pixels.fill_path(&path, &brush, FillRule::Winding, self.transform, self.clip.as_ref());
        }
    }

    /// A line through points with round ends.
    pub fn stroke(&mut self, points: &[Point], width: f64, paint: Paint) {
        self.stroke_with(points, width, paint, LineCap::Round);
    }

    /// A line through points with straight ends.
    pub fn stroke_butt(&mut self, points: &[Point], width: f64, paint: Paint) {
        self.stroke_with(points, width, paint, LineCap::Butt);
    }

    fn stroke_with(&mut self, points: &[Point], width: f64, paint: Paint, line_cap: LineCap) {
        let Some((first, rest)) = points.split_first() else { return };
        let mut builder = PathBuilder::new();
        builder.move_to(first.0 as f32, first.1 as f32);
        for point in rest {
            builder.line_to(point.0 as f32, point.1 as f32);
        }
        if let Some(path) = builder.finish() {
            let stroke = Stroke { width: width as f32, line_cap, line_join: LineJoin::Round, ..Stroke::default() };
            let brush = self.brush(paint, 1.0);
            self.pixels.stroke_path(&path, &brush, &stroke, self.transform, self.clip.as_ref());
        }
    }

    /// The finished picture as interleaved RGB in [0, 1].
    pub fn into_rgb(self) -> Vec<f64> {
        self.pixels.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).map(|c| f64::from(c) / 255.0).collect()
    }
}

/// A rectangle from its edges.
pub(super) fn rectangle(left: f64, top: f64, right: f64, bottom: f64) -> Option<Path> {
    let (left, right) = (left.min(right), left.max(right));
    let (top, bottom) = (top.min(bottom), top.max(bottom));
    Rect::from_ltrb(left as f32, top as f32, right as f32, bottom as f32).map(PathBuilder::from_rect)
}

/// An ellipse from its bounding box.
pub(super) fn oval(left: f64, top: f64, right: f64, bottom: f64) -> Option<Path> {
    Rect::from_ltrb(left as f32, top as f32, right as f32, bottom as f32).and_then(PathBuilder::from_oval)
}

/// A circle.
pub(super) fn circle(center: Point, radius: f64) -> Option<Path> {
    oval(center.0 - radius, center.1 - radius, center.0 + radius, center.1 + radius)
}

/// A polygon.
pub(super) fn polygon(points: &[Point]) -> Option<Path> {
    let edges: Vec<Edge> = points.iter().map(|&point| Edge::Line(point)).collect();
    outline(&edges)
}

/// A rectangle with rounded corners.
pub(super) fn round_rectangle(left: f64, top: f64, right: f64, bottom: f64, radius: f64) -> Option<Path> {
    let (left, right) = (left.min(right), left.max(right));
    let radius = radius.min((right - left) / 2.0).min((bottom - top) / 2.0);
    outline(&[
        Edge::Line((left + radius, top)),
        Edge::Line((right - radius, top)),
        Edge::Quad((right, top), (right, top + radius)),
        Edge::Line((right, bottom - radius)),
        Edge::Quad((right, bottom), (right - radius, bottom)),
        Edge::Line((left + radius, bottom)),
        Edge::Quad((left, bottom), (left, bottom - radius)),
        Edge::Line((left, top + radius)),
        Edge::Quad((left, top), (left + radius, top)),
    ])
}

/// One edge of a closed outline: to a point, straight or by a quadratic curve with a control point.
pub(super) enum Edge {
    Line(Point),
    Quad(Point, Point),
}

/// A closed outline that starts at the end of its first edge.
pub(super) fn outline(edges: &[Edge]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (number, edge) in edges.iter().enumerate() {
        match *edge {
            Edge::Line((x, y)) if number == 0 => builder.move_to(x as f32, y as f32),
            Edge::Line((x, y)) => builder.line_to(x as f32, y as f32),
            Edge::Quad((cx, cy), (x, y)) => builder.quad_to(cx as f32, cy as f32, x as f32, y as f32),
        }
    }
    builder.close();
    builder.finish()
}
