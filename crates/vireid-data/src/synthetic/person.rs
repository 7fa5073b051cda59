//! The people of a drawn world.

use vireid_core::Stream;

use super::fabric::{ANY, Paint, fabric};

/// How likely `gap` makes a pattern vanish in infrared.
const VANISHING: f64 = 0.2;
const SKIN: [[f64; 3]; 5] =
    [[0.95, 0.80, 0.69], [0.88, 0.69, 0.55], [0.76, 0.57, 0.42], [0.6, 0.42, 0.3], [0.42, 0.29, 0.2]];
const HAIR: [[f64; 3]; 5] =
    [[0.07, 0.06, 0.06], [0.2, 0.13, 0.09], [0.38, 0.25, 0.14], [0.72, 0.58, 0.36], [0.55, 0.53, 0.52]];

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $weight:literal),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum $name { $($variant),+ }

        impl $name {
            /// Every kind, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn draw(stream: &mut Stream) -> Self {
                Self::ALL[stream.weighted(&[$($weight),+])]
            }
        }
    };
}

kinds!(/// What is on the head.
    HeadKind { Short 0.30, Long 0.22, Bun 0.08, Bald 0.07, Cap 0.14, Beanie 0.10, Hood 0.09 });
kinds!(/// What is worn above.
    Upper { Tee 0.26, Shirt 0.18, Jacket 0.18, Coat 0.14, Hoodie 0.14, Vest 0.10 });
kinds!(/// What is printed on it.
    Pattern { None 0.26, HStripe 0.15, VStripe 0.10, Check 0.11, Band 0.10, Dots 0.08, Logo 0.08, TwoTone 0.08, Diagonal 0.04 });
kinds!(/// What is worn below.
    Lower { Trousers 0.58, Shorts 0.18, Skirt 0.15, LongSkirt 0.09 });
kinds!(/// What is carried.
    Bag { None 0.34, Backpack 0.22, Shoulder 0.15, Hand 0.14, Cross 0.15 });

/// How long the sleeves are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleeve {
    /// The arms are bare.
    None,
    /// The forearms are bare.
    Short,
    /// Down to the hands.
    Long,
}

#[derive(Debug, Clone)]
pub(super) struct Body {
    pub height: f64,
    pub build: f64,
    pub shoulders: f64,
    pub hip: f64,
    pub head: f64,
    pub skin: Paint,
    pub stride: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Head {
    pub kind: HeadKind,
    pub hair: Paint,
    pub hat: Paint,
    pub glasses: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Torso {
    pub paint: Paint,
    pub entry: usize,
    pub kind: Upper,
    pub sleeve: Sleeve,
    pub inner: Paint,
    pub sleeve_paint: Paint,
    pub hem: f64,
    pub pattern: Pattern,
    pub pattern_paint: Paint,
    pub scale: f64,
    pub duty: f64,
    pub position: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Legs {
    pub paint: Paint,
    pub entry: usize,
    pub kind: Lower,
    pub width: f64,
    pub stripe: Option<Paint>,
    pub cuff: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Shoes {
    pub paint: Paint,
    pub boot: bool,
    pub sole: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Carried {
    pub kind: Bag,
    pub side: f64,
    pub paint: Paint,
    pub size: f64,
}

/// One person of the world: build and clothes.
#[derive(Debug, Clone)]
pub struct Person {
    pub(super) body: Body,
    pub(super) head: Head,
    pub(super) torso: Torso,
    pub(super) legs: Legs,
    pub(super) shoes: Shoes,
    pub(super) bag: Carried,
}

impl Person {
    pub(super) fn draw(gap: f64, stream: &mut Stream) -> Self {
        Self {
            body: Body::draw(stream),
            head: Head::draw(gap, stream),
            torso: Torso::draw(gap, stream),
            legs: Legs::draw(gap, stream),
            shoes: Shoes::draw(gap, stream),
            bag: Carried::draw(gap, stream),
        }
    }

    /// Takes three of the six groups of another person's looks.
    pub(super) fn borrow_from(&mut self, donor: &Person, stream: &mut Stream) {
        for group in stream.distinct(6, 3) {
            match group {
                0 => self.body = donor.body.clone(),
                1 => self.head = donor.head.clone(),
                2 => self.torso = donor.torso.clone(),
                3 => self.legs = donor.legs.clone(),
                4 => self.shoes = donor.shoes.clone(),
                _ => self.bag = donor.bag.clone(),
            }
        }
    }

    /// What the person has on the head.
    pub fn head_kind(&self) -> HeadKind {
        self.head.kind
    }

    /// What is worn above, its sleeves, its pattern and the palette entry of its colour.
    pub fn upper(&self) -> (Upper, Sleeve, Pattern, usize) {
        (self.torso.kind, self.torso.sleeve, self.torso.pattern, self.torso.entry)
    }

    /// What is worn below and the palette entry of its colour.
    pub fn lower(&self) -> (Lower, usize) {
        (self.legs.kind, self.legs.entry)
    }

    /// What the person carries, if anything.
    pub fn bag(&self) -> Bag {
        self.bag.kind
    }

    /// Whether the person's shoes are boots.
    pub fn wears_boots(&self) -> bool {
        self.shoes.boot
    }

    /// Breadth of the body; 1 on average.
    pub fn build(&self) -> f64 {
        self.body.build
    }
}

impl Body {
    fn draw(stream: &mut Stream) -> Self {
        let height = stream.normal(1.0, 0.045).clamp(0.9, 1.1);
        let build = stream.normal(1.0, 0.13).clamp(0.74, 1.34);
        let (shoulders, hip, head) =
            (stream.uniform(0.88, 1.14), stream.uniform(0.47, 0.54), stream.uniform(0.92, 1.1));
        let skin = Paint { color: SKIN[stream.below(SKIN.len())], infrared: stream.uniform(0.55, 0.72) };
        Self { height, build, shoulders, hip, head, skin, stride: stream.uniform(0.7, 1.2) }
    }
}

impl Head {
    fn draw(gap: f64, stream: &mut Stream) -> Self {
        let kind = HeadKind::draw(stream);
        let hair =
            Paint { color: HAIR[stream.weighted(&[0.4, 0.25, 0.15, 0.1, 0.1])], infrared: stream.uniform(0.12, 0.6) };
        Self { kind, hair, hat: fabric(&ANY, gap, stream).0, glasses: stream.chance(0.2) }
    }
}

impl Torso {
    fn draw(gap: f64, stream: &mut Stream) -> Self {
        let (paint, entry) = fabric(&ANY, gap, stream);
        let kind = Upper::draw(stream);
        let short_with =
            |share: f64, stream: &mut Stream| if stream.chance(share) { Sleeve::Short } else { Sleeve::Long };
        let sleeve = match kind {
            Upper::Tee => short_with(0.75, stream),
            Upper::Shirt => short_with(0.3, stream),
            Upper::Vest if stream.chance(0.6) => Sleeve::None,
            Upper::Vest => Sleeve::Short,
            Upper::Jacket | Upper::Coat | Upper::Hoodie => Sleeve::Long,
        };
        let inner = fabric(&ANY, gap, stream).0;
        let sleeve_paint = if stream.chance(0.22) { fabric(&ANY, gap, stream).0 } else { paint };
        let hem = if kind == Upper::Coat { stream.uniform(0.10, 0.22) } else { stream.uniform(-0.01, 0.035) };
        let pattern = Pattern::draw(stream);
        let pattern_paint = contrasting(paint, gap, stream);
        let (scale, duty, position) =
            (stream.uniform(0.035, 0.085), stream.uniform(0.35, 0.6), stream.uniform(0.2, 0.6));
        Self { paint, entry, kind, sleeve, inner, sleeve_paint, hem, pattern, pattern_paint, scale, duty, position }
    }
}

/// A fabric that stands out from another in colour, and in infrared unless the modality gap hides it.
fn contrasting(from: Paint, gap: f64, stream: &mut Stream) -> Paint {
    let stands_out = |paint: Paint| {
        let difference = paint.color.iter().zip(from.color).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        (paint.luminance() - from.luminance()).abs() > 0.18 || difference > 0.35
    };
    let mut paint = fabric(&ANY, gap, stream).0;
    for _ in 0..20 {
        if stands_out(paint) {
            break;
        }
        paint = fabric(&ANY, gap, stream).0;
    }
    if stream.chance(VANISHING * gap) {
        paint.infrared = from.infrared;
    } else if (paint.infrared - from.infrared).abs() < 0.2 {
        let step = if from.infrared < 0.5 { 0.3 } else { -0.3 };
        paint.infrared = (from.infrared + step).clamp(0.08, 0.97);
    }
    paint
}

impl Legs {
    fn draw(gap: f64, stream: &mut Stream) -> Self {
        const USUAL: [usize; 11] = [0, 1, 2, 3, 4, 7, 8, 13, 14, 15, 19];
        let (paint, entry) = if stream.chance(0.7) { fabric(&USUAL, gap, stream) } else { fabric(&ANY, gap, stream) };
        let kind = Lower::draw(stream);
        let width = stream.uniform(0.85, 1.35);
        let stripe = stream.chance(0.18).then(|| fabric(&ANY, gap, stream).0);
        Self { paint, entry, kind, width, stripe, cuff: stream.uniform(-0.02, 0.05) }
    }
}

impl Shoes {
    fn draw(gap: f64, stream: &mut Stream) -> Self {
        let paint = fabric(&[0, 1, 2, 3, 4, 5, 13], gap, stream).0;
        Self { paint, boot: stream.chance(0.25), sole: stream.chance(0.35) }
    }
}

impl Carried {
    fn draw(gap: f64, stream: &mut Stream) -> Self {
        let kind = Bag::draw(stream);
        let side = if stream.chance(0.5) { 1.0 } else { -1.0 };
        Self { kind, side, paint: fabric(&ANY, gap, stream).0, size: stream.uniform(0.8, 1.3) }
    }
}
