//! A person in a pose, in body units: x = 0 is the axis, y = 0 the crown, y = 1 the soles.

use vireid_core::Stream;

use super::camera::CameraLook;
use super::canvas::{Canvas, Edge, Point, circle, outline, oval, polygon, rectangle, round_rectangle};
use super::person::{Bag, HeadKind, Lower, Pattern, Person, Sleeve, Upper};
use super::{HEIGHT, Paint, WIDTH};

/// Height of the shoulder line.
const SHOULDER: f64 = 0.172;
const BLACK: Paint = Paint { color: [0.0; 3], infrared: 0.0 };
const SOLE: Paint = Paint { color: [0.9; 3], infrared: 0.8 };
const GLASSES: Paint = Paint { color: [0.05; 3], infrared: 0.1 };

/// One pose of one person: everything that the drawing needs besides the looks.
struct Figure<'a> {
    person: &'a Person,
    /// Cosine of the yaw: 1 faces the camera, -1 shows the back.
    cos: f64,
    /// Sine of the yaw.
    sin: f64,
    /// How much the figure is seen from the side.
    side: f64,
    /// Walking direction in the picture.
    face: f64,
    /// +1 when facing the camera, -1 otherwise: which hand is on which side.
    front: f64,
    /// Body side farther from the camera.
    far: f64,
    phase_sin: f64,
    phase_cos: f64,
    shoulder_width: f64,
    hip_width: f64,
    step: f64,
    bob: f64,
    arm_swing: f64,
}

/// Draws a person standing in a camera's view.
pub(super) fn draw(canvas: &mut Canvas, person: &Person, camera: &CameraLook, view: f64, stream: &mut Stream) {
    let tau = std::f64::consts::TAU;
    let pi = std::f64::consts::PI;
    let yaw =
        if stream.chance(camera.yaw_weight) { camera.yaw + stream.normal(0.0, 0.5) } else { stream.uniform(-pi, pi) };
    let yaw = (yaw - tau * libm::floor((yaw + pi) / tau)) * view;
    let phase = stream.uniform(0.0, tau);
    place(canvas, person, camera, stream);
    let figure = Figure::new(person, yaw, phase);
    figure.draw(canvas);
    canvas.reset_transform();
}

/// Maps body units to pixels: size, position and lean of this image.
fn place(canvas: &mut Canvas, person: &Person, camera: &CameraLook, stream: &mut Stream) {
    let (width, height) = (WIDTH as f64, HEIGHT as f64);
    let tall = height * camera.scale * person.body.height * stream.log_normal(0.045);
    let x = width / 2.0 + stream.normal(0.0, 2.6);
    let top = (height - tall) * (0.5 + stream.normal(0.0, 0.13));
    let angle = (camera.lean + stream.normal(0.0, 1.2)).to_radians();
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let (sx, sy) = (tall / camera.squash, tall);
    // translate(x, top + tall / 2) * rotate(angle) * scale(sx, sy) * translate(0, -0.5)
    let (kx, y_scale) = (-sin * sy, cos * sy);
    let middle = top + tall / 2.0;
    canvas.set_transform([cos * sx, sin * sx, kx, y_scale, x - 0.5 * kx, middle - 0.5 * y_scale]);
}

impl<'a> Figure<'a> {
    fn new(person: &'a Person, yaw: f64, phase: f64) -> Self {
        let (sin, cos) = (libm::sin(yaw), libm::cos(yaw));
        let (phase_sin, phase_cos) = (libm::sin(phase), libm::cos(phase));
        let body = &person.body;
        Self {
            person,
            cos,
            sin,
            side: sin.abs(),
            face: if sin >= 0.0 { 1.0 } else { -1.0 },
            front: if cos >= 0.0 { 1.0 } else { -1.0 },
            far: if sin >= 0.0 { -1.0 } else { 1.0 },
            phase_sin,
            phase_cos,
            shoulder_width: libm::hypot(0.115 * body.build * body.shoulders * cos, 0.075 * body.build * sin),
            hip_width: libm::hypot(0.092 * body.build * cos, 0.078 * body.build * sin),
            step: 0.115 * body.stride * phase_sin,
            bob: 0.008 * phase_cos.abs(),
            arm_swing: 0.10 * body.stride * phase_sin,
        }
    }

    fn draw(&self, canvas: &mut Canvas) {
        let shadow = if canvas.is_infrared() { 0.12 } else { 0.22 };
        canvas.fill_alpha(oval(-0.17, 0.965, 0.17, 1.015), BLACK, shadow);
        self.draw_backpack_behind(canvas);
        let near = -self.far;
        if self.side > 0.35 {
            self.draw_arm(canvas, self.far, 0.82);
        }
        self.draw_leg(canvas, self.far, 0.82);
        self.draw_leg(canvas, near, 1.0);
        self.draw_hips(canvas);
        self.draw_torso(canvas);
        let mut hands = Vec::new();
        if self.side > 0.35 {
            hands.push((near, self.draw_arm(canvas, near, 1.0)));
        } else {
            hands.push((-1.0, self.draw_arm(canvas, -1.0, 1.0)));
            hands.push((1.0, self.draw_arm(canvas, 1.0, 0.95)));
        }
        self.draw_bag(canvas, near, &hands);
        self.draw_head(canvas);
    }

    fn draw_backpack_behind(&self, canvas: &mut Canvas) {
        let bag = &self.person.bag;
        if bag.kind != Bag::Backpack || self.cos < -0.35 {
            return;
        }
        let x = -self.face * self.side * (0.75 * self.shoulder_width + 0.045 * bag.size * self.side);
        let flat = 0.07 * bag.size;
        let width = flat + (1.02 * self.shoulder_width - flat) * (1.0 - self.side) * 0.98;
        let half = width * if self.side > 0.5 { 0.9 } else { 1.0 };
        let shape = round_rectangle(x - half, SHOULDER, x + half, SHOULDER + 0.25 * bag.size, 0.04);
        canvas.fill(shape, bag.paint.shaded(0.9));
    }

    /// Draws one arm and returns where its hand is.
    fn draw_arm(&self, canvas: &mut Canvas, body_side: f64, light: f64) -> Point {
        let (torso, body) = (&self.person.torso, &self.person.body);
        let x = body_side * self.front * self.shoulder_width * (0.98 * self.cos.abs() + 0.08);
        let swing = -body_side * self.arm_swing * self.side * self.face;
        let out = body_side * self.front * 0.03 * self.cos.abs();
        let shoulder = (x, SHOULDER + 0.03);
        let elbow = (x + out + 0.5 * swing, SHOULDER + 0.17);
        let wrist = (x + 1.1 * out + 1.25 * swing + 0.02 * self.face * self.side, SHOULDER + 0.31);
        let width = 0.047 * (0.6 + 0.4 * body.build);
        let (skin, sleeve) = (body.skin.shaded(light), torso.sleeve_paint.shaded(light));
        match torso.sleeve {
            Sleeve::None => {
                canvas.stroke(&[shoulder, elbow], 0.9 * width, skin);
                canvas.stroke(&[elbow, wrist], 0.75 * width, skin);
            }
            Sleeve::Short => {
                canvas.stroke(&[shoulder, elbow], 0.85 * width, skin);
                canvas.stroke(&[elbow, wrist], 0.72 * width, skin);
                canvas.stroke(&[shoulder, mix(shoulder, elbow, 0.7)], 1.25 * width, sleeve);
            }
            Sleeve::Long => {
                canvas.stroke(&[shoulder, elbow], 1.25 * width, sleeve);
                canvas.stroke(&[elbow, wrist], 1.05 * width, sleeve);
            }
        }
        let hand = (wrist.0, wrist.1 + 0.014);
        canvas.fill(circle(hand, 0.021), skin);
        hand
    }

    fn draw_leg(&self, canvas: &mut Canvas, body_side: f64, light: f64) {
        let (body, legs, shoes) = (&self.person.body, &self.person.legs, &self.person.shoes);
        let x = body_side * self.front * 0.48 * self.hip_width * self.cos.abs();
        let stride = body_side * self.step * self.side * self.face;
        let lift = (body_side * self.phase_sin).max(0.0) * 0.03 * (1.0 - 0.5 * self.side);
        let hip = (0.9 * x, body.hip);
        let knee = (x + 0.62 * stride, body.hip + 0.5 * (1.0 - body.hip) - self.bob);
        let back = if body_side * self.phase_cos > 0.0 { 0.03 * self.face * self.side } else { 0.0 };
        let ankle = (1.05 * x + 1.2 * stride - back, 0.962 - lift);
        let girth = 0.55 + 0.45 * body.build;
        let (skin, cloth) = (body.skin.shaded(light), legs.paint.shaded(light));
        match legs.kind {
            Lower::Trousers => {
                let width = 0.062 * girth * legs.width;
                let cuff = (mix(ankle, knee, legs.cuff).0, ankle.1 - 0.6 * legs.cuff.max(0.0));
                if legs.cuff > 0.0 {
                    canvas.stroke(&[knee, ankle], 0.036, skin);
                }
                canvas.stroke(&[hip, knee], 1.25 * width, cloth);
                canvas.stroke(&[knee, cuff], width, cloth);
                if let Some(stripe) = legs.stripe {
                    let (high, low) = (body_side * self.cos * 0.35 * width, body_side * self.cos * 0.3 * width);
                    let line = [(hip.0 + high, hip.1), (knee.0 + high, knee.1), (cuff.0 + low, cuff.1)];
                    canvas.stroke(&line, 0.014, stripe.shaded(light));
                }
            }
            Lower::Shorts => {
                canvas.stroke(&[hip, knee], 0.052 * girth, skin);
                canvas.stroke(&[knee, ankle], 0.042 * girth, skin);
                let end = mix(hip, knee, 0.85);
                canvas.stroke(&[hip, end], 0.085 * legs.width * girth, cloth);
                if let Some(stripe) = legs.stripe {
                    let shift = body_side * 0.03 * self.cos;
                    let line = [(hip.0 + shift, hip.1), (end.0 + shift, end.1)];
                    canvas.stroke(&line, 0.014, stripe.shaded(light));
                }
            }
            Lower::Skirt | Lower::LongSkirt => {
                canvas.stroke(&[hip, knee], 0.05 * girth, skin);
                canvas.stroke(&[knee, ankle], 0.04 * girth, skin);
            }
        }
        let shoe = shoes.paint.shaded(light);
        if shoes.boot {
            canvas.stroke(&[(ankle.0, ankle.1 - 0.09), ankle], 0.05, shoe);
        }
        let toe = 0.045 * self.face * self.side;
        let (left, right) = (ankle.0 - 0.026 - (-toe).max(0.0), ankle.0 + 0.026 + toe.max(0.0));
        canvas.fill(oval(left, ankle.1 - 0.012, right, ankle.1 + 0.032), shoe);
        if shoes.sole {
            canvas.fill(rectangle(left, ankle.1 + 0.02, right, ankle.1 + 0.032), SOLE.shaded(light));
        }
    }

    fn draw_hips(&self, canvas: &mut Canvas) {
        let (hip, legs, half) = (self.person.body.hip, &self.person.legs, self.hip_width);
        let (length, spread) = match legs.kind {
            Lower::Skirt => (0.16, 0.03),
            Lower::LongSkirt => (0.36, 0.045),
            Lower::Trousers | Lower::Shorts => {
                let shape = outline(&[
                    Edge::Line((-0.97 * half, hip - 0.06)),
                    Edge::Line((0.97 * half, hip - 0.06)),
                    Edge::Line((0.98 * half, hip + 0.035)),
                    Edge::Quad((0.0, hip + 0.06), (-0.98 * half, hip + 0.035)),
                ]);
                canvas.fill(shape, legs.paint);
                return;
            }
        };
        let flare = spread * legs.width + 0.45 * self.step.abs() * self.side;
        let hem = hip + length;
        let shape = outline(&[
            Edge::Line((-0.95 * half, hip - 0.05)),
            Edge::Line((0.95 * half, hip - 0.05)),
            Edge::Line((half + flare, hem)),
            Edge::Quad((0.0, hem + 0.015), (-half - flare, hem)),
        ]);
        canvas.fill(shape, legs.paint);
        if let Some(stripe) = legs.stripe {
            let edge = half + 0.9 * flare;
            canvas.stroke_butt(&[(-edge, hem - 0.02), (edge, hem - 0.02)], 0.016, stripe);
        }
    }

    fn draw_torso(&self, canvas: &mut Canvas) {
        let (torso, hip) = (&self.person.torso, self.person.body.hip);
        let (sw, hw) = (self.shoulder_width, self.hip_width);
        let hem = hip + torso.hem;
        let edge = hw + if torso.kind == Upper::Coat { 0.035 } else { 0.012 };
        let shape = || {
            outline(&[
                Edge::Line((-0.45 * sw, SHOULDER - 0.028)),
                Edge::Line((0.45 * sw, SHOULDER - 0.028)),
                Edge::Quad((0.95 * sw, SHOULDER - 0.015), (sw, SHOULDER + 0.03)),
                Edge::Line((0.98 * hw, hip - 0.12)),
                Edge::Line((edge, hem)),
                Edge::Line((-edge, hem)),
                Edge::Line((-0.98 * hw, hip - 0.12)),
                Edge::Line((-sw, SHOULDER + 0.03)),
                Edge::Quad((-0.95 * sw, SHOULDER - 0.015), (-0.45 * sw, SHOULDER - 0.028)),
            ])
        };
        canvas.fill(shape(), torso.paint);
        canvas.clip_to(shape());
        let reach = sw.max(edge);
        self.draw_pattern(canvas, reach, hem);
        canvas.fill_alpha(rectangle(0.45 * reach, SHOULDER - 0.03, 1.2 * reach, hem), BLACK, 0.16);
        canvas.unclip();
        if self.cos > 0.15 {
            self.draw_front(canvas, hem);
        }
        let collar = matches!(torso.kind, Upper::Hoodie | Upper::Coat) || self.person.head.kind == HeadKind::Hood;
        if collar {
            canvas.fill(oval(-0.055, SHOULDER - 0.055, 0.055, SHOULDER + 0.005), torso.paint.shaded(0.85));
        }
    }

    fn draw_pattern(&self, canvas: &mut Canvas, reach: f64, hem: f64) {
        let torso = &self.person.torso;
        let (x0, x1, y0, y1) = (-reach, reach, SHOULDER - 0.03, hem);
        let (width, height, scale, paint) = (x1 - x0, y1 - y0, torso.scale, torso.pattern_paint);
        match torso.pattern {
            Pattern::None => {}
            Pattern::HStripe => {
                for y in steps(y0 + 0.5 * scale, y1, scale) {
                    canvas.fill(rectangle(x0, y, x1, y + scale * torso.duty), paint);
                }
            }
            Pattern::VStripe => {
                let step = self.stripe_step(width, scale);
                for x in steps(x0 + 0.25 * step, x1, step) {
                    canvas.fill(rectangle(x, y0, x + step * torso.duty, y1), paint);
                }
            }
            Pattern::Check => {
                let step = self.stripe_step(width, scale);
                for y in steps(y0 + 0.5 * scale, y1, scale) {
                    canvas.fill_alpha(rectangle(x0, y, x1, y + 0.33 * scale), paint, 0.75);
                }
                for x in steps(x0 + 0.25 * step, x1, step) {
                    canvas.fill_alpha(rectangle(x, y0, x + 0.33 * step, y1), paint, 0.75);
                }
            }
            Pattern::Band => {
                let top = y0 + height * torso.position;
                canvas.fill(rectangle(x0, top, x1, top + 1.5 * scale), paint);
            }
            Pattern::Dots => {
                for (row, y) in steps(y0 + 0.5 * scale, y1, 0.8 * scale).enumerate() {
                    let shift = if row % 2 == 1 { -0.5 * scale } else { 0.0 };
                    for x in steps(x0 + shift, x1 + scale, scale) {
                        canvas.fill(circle((x, y), 0.26 * scale), paint);
                    }
                }
            }
            Pattern::Logo => {
                if self.cos > 0.2 {
                    let half = 0.03 + 0.5 * scale;
                    let (x, y) = (0.05 * self.sin, y0 + 0.33 * height);
                    let wide = half * self.cos.abs();
                    canvas.fill(rectangle(x - wide, y - 0.8 * half, x + wide, y + 0.8 * half), paint);
                }
            }
            Pattern::TwoTone => {
                canvas.fill(rectangle(x0, y0 + height * (0.3 + 0.6 * torso.position), x1, y1), paint);
            }
            Pattern::Diagonal => {
                let corners =
                    [(x0, y0 - 0.02), (x0 + 0.4 * width, y0 - 0.02), (x1 + 0.02, y1 - 0.05), (x1 + 0.02, y1 + 0.15)];
                canvas.fill(polygon(&corners), paint);
            }
        }
    }

    /// Distance of vertical stripes: a whole number of them across the torso, none too thin to see.
    fn stripe_step(&self, width: f64, scale: f64) -> f64 {
        (width / libm::rint(0.24 / scale).max(2.0)).max(0.018)
    }

    fn draw_front(&self, canvas: &mut Canvas, hem: f64) {
        let (torso, skin) = (&self.person.torso, self.person.body.skin);
        let (x, cos, top) = (0.55 * self.sin * self.shoulder_width, self.cos, SHOULDER);
        match torso.kind {
            Upper::Jacket => {
                let (high, low) = (0.03 * cos, 0.05 * cos);
                let shape = polygon(&[(x - high, top - 0.03), (x + high, top - 0.03), (x + low, hem), (x - low, hem)]);
                canvas.fill(shape, torso.inner);
            }
            Upper::Coat => {
                let half = 0.035 * cos;
                canvas.fill(polygon(&[(x - half, top - 0.03), (x + half, top - 0.03), (x, top + 0.12)]), torso.inner);
                canvas.stroke(&[(x, top + 0.12), (x, hem)], 0.008, torso.paint.shaded(0.5));
            }
            Upper::Shirt => {
                canvas.stroke(&[(x, top), (x, hem)], 0.009, torso.paint.shaded(0.55));
                let half = 0.03 * cos;
                canvas.fill(polygon(&[(x - half, top - 0.035), (x + half, top - 0.035), (x, top + 0.03)]), skin);
            }
            Upper::Hoodie => {
                let half = 0.06 * cos;
                let pocket = round_rectangle(x - half, hem - 0.13, x + half, hem - 0.045, 0.02);
                canvas.fill(pocket, torso.paint.shaded(0.7));
            }
            Upper::Tee | Upper::Vest => {}
        }
    }

    fn draw_bag(&self, canvas: &mut Canvas, near: f64, hands: &[(f64, Point)]) {
        let (bag, hip) = (&self.person.bag, self.person.body.hip);
        let (size, paint, sw) = (bag.size, bag.paint, self.shoulder_width);
        let on_side = bag.side * self.front * self.cos.abs();
        let visible = self.side < 0.6 || bag.side == near;
        match bag.kind {
            Bag::None => {}
            Bag::Backpack => {
                if self.cos < -0.35 {
                    let half = 0.78 * sw * size * self.cos.abs();
                    let x = -0.03 * self.face * self.side;
                    let (top, bottom) = (SHOULDER, SHOULDER + 0.27 * size);
                    canvas.fill(round_rectangle(x - half, top, x + half, bottom, 0.035), paint);
                    let pocket = top + 0.15 * size;
                    let line = rectangle(x - 0.6 * half, pocket, x + 0.6 * half, pocket + 0.01 * size + 0.005);
                    canvas.fill(line, paint.shaded(0.55));
                }
                if self.cos > 0.25 {
                    for sign in [-1.0, 1.0] {
                        let strap = [(sign * 0.55 * sw, SHOULDER - 0.015), (sign * 0.62 * sw, SHOULDER + 0.16)];
                        canvas.stroke_butt(&strap, 0.022, paint);
                    }
                }
            }
            Bag::Cross => {
                let high = (-bag.side * self.front * 0.6 * sw, SHOULDER - 0.02);
                let low = (bag.side * self.front * 0.95 * self.hip_width, hip - 0.03);
                canvas.stroke_butt(&[high, low], 0.02, paint);
                if visible {
                    let left = on_side * self.hip_width - 0.05 * size;
                    let top = hip - 0.05;
                    canvas.fill(round_rectangle(left, top, left + 0.1 * size, top + 0.075 * size, 0.012), paint);
                }
            }
            Bag::Shoulder if visible => {
                let x = on_side * (sw + 0.015);
                canvas.stroke_butt(&[(0.8 * x, SHOULDER - 0.01), (1.05 * x, hip - 0.1)], 0.014, paint.shaded(0.8));
                let (left, top) = (1.05 * x - 0.055 * size, hip - 0.12);
                canvas.fill(round_rectangle(left, top, left + 0.11 * size, top + 0.13 * size, 0.015), paint);
            }
            Bag::Hand if visible => {
                if let Some(&(_, (x, y))) = hands.iter().find(|(side, _)| *side == bag.side) {
                    let (wide, narrow) = (0.035 * size, 0.02 * size);
                    let handle =
                        [(x - wide, y + 0.075), (x - narrow, y + 0.02), (x + narrow, y + 0.02), (x + wide, y + 0.075)];
                    canvas.stroke(&handle, 0.01, paint.shaded(0.8));
                    let (left, top) = (x - 0.055 * size, y + 0.065);
                    canvas.fill(rectangle(left, top, left + 0.11 * size, top + 0.1 * size), paint);
                }
            }
            Bag::Shoulder | Bag::Hand => {}
        }
    }

    fn draw_head(&self, canvas: &mut Canvas) {
        let (head, body, cloth) = (&self.person.head, &self.person.body, self.person.torso.paint);
        let turned = self.face * self.side;
        let (x, y) = (0.012 * turned, 0.072);
        let (rx, ry) = ((0.045 + 0.006 * self.side) * body.head, 0.058 * body.head);
        let from_back = self.cos < -0.3;
        if head.kind == HeadKind::Long {
            let middle = x - 0.01 * turned;
            let shape = round_rectangle(middle - 1.18 * rx, y - 0.8 * ry, middle + 1.18 * rx, SHOULDER + 0.065, 0.03);
            canvas.fill(shape, head.hair.shaded(0.9));
        }
        if head.kind == HeadKind::Hood {
            canvas.fill(oval(x - 1.35 * rx, y - 1.15 * ry, x + 1.35 * rx, y + 1.45 * ry), cloth.shaded(0.92));
        }
        canvas
            .fill(rectangle(0.5 * x - 0.024, y + 0.6 * ry, 0.5 * x + 0.024, SHOULDER - 0.005), body.skin.shaded(0.85));
        canvas.fill(oval(x - rx, y - ry, x + rx, y + ry), body.skin);

        let skull = oval(x - 1.07 * rx, y - 1.06 * ry, x + 1.07 * rx, y + 1.05 * ry);
        let (left, right, top) = (x - 1.1 * rx, x + 1.1 * rx, y - 1.1 * ry);
        match head.kind {
            HeadKind::Short | HeadKind::Long | HeadKind::Bun => {
                canvas.clip_to(skull);
                if from_back {
                    canvas.fill(rectangle(left, top, right, y + 0.55 * ry), head.hair);
                } else {
                    canvas.fill(rectangle(left, top, right, y - 0.32 * ry), head.hair);
                    if self.side > 0.3 {
                        let split = x - 0.15 * rx * self.face;
                        let (from, to) = if self.face > 0.0 { (left, split) } else { (split, right) };
                        canvas.fill(rectangle(from, top, to, y + 0.5 * ry), head.hair);
                    }
                }
                canvas.unclip();
                if head.kind == HeadKind::Bun {
                    let center = (x - turned * rx, y - ry * (1.05 - 0.5 * self.side));
                    canvas.fill(circle(center, 0.024), head.hair);
                }
            }
            HeadKind::Cap | HeadKind::Beanie => {
                let cap = head.kind == HeadKind::Cap;
                canvas.clip_to(skull);
                if from_back {
                    canvas.fill(rectangle(left, y - 0.2 * ry, right, y + 0.4 * ry), head.hair);
                }
                canvas.fill(rectangle(left, top, right, y - if cap { 0.25 } else { 0.1 } * ry), head.hat);
                canvas.unclip();
                if cap && !from_back {
                    let (middle, half) = (x + 0.8 * turned * rx, rx * (0.9 - 0.2 * self.side));
                    let peak = oval(middle - half, y - 0.42 * ry, middle + half, y - 0.12 * ry);
                    canvas.fill(peak, head.hat.shaded(0.75));
                }
                if !cap {
                    canvas.fill(circle((x, y - 1.08 * ry), 0.017), head.hat.shaded(1.15));
                }
            }
            HeadKind::Hood if from_back => {
                canvas.fill(oval(x - 1.2 * rx, y - 1.1 * ry, x + 1.2 * rx, y + 1.2 * ry), cloth.shaded(0.92));
            }
            HeadKind::Hood | HeadKind::Bald => {}
        }
        if head.glasses && self.cos > 0.1 {
            let (middle, height) = (x + 0.4 * self.sin * rx, y - 0.02 * ry);
            canvas.stroke_butt(&[(middle - 0.7 * rx, height), (middle + 0.7 * rx, height)], 0.013, GLASSES);
        }
    }
}

/// The point a share of the way from `a` to `b`.
fn mix(a: Point, b: Point, share: f64) -> Point {
    (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share)
}

/// `first`, `first + step`, ... below `end`.
fn steps(first: f64, end: f64, step: f64) -> impl Iterator<Item = f64> {
    (0..).map(move |count| first + f64::from(count) * step).take_while(move |&value| value < end)
}
