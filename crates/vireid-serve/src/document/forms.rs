//! What multipart bodies have, for the document alone: the bodies are read field by field.
#![expect(dead_code, reason = "only their schemas are used")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

use crate::shapes::{Kind, ScalarSchema};

/// A crop and what is known of it.
#[derive(ToSchema)]
pub struct CropForm {
    /// The file of the image: JPEG, PNG, WebP, BMP or TIFF.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    modality: Kind,
    /// A name unlike every other entry's; one is made up where it is left out.
    #[schema(nullable = false, min_length = 1, max_length = 1024)]
    id: Option<String>,
    /// Name of the camera.
    #[schema(nullable = false, max_length = 1024)]
    camera: Option<String>,
    /// When it was seen.
    #[schema(nullable = false, format = DateTime, example = "2026-03-01T12:30:00Z")]
    time: Option<String>,
    /// Whatever else there is to say, as JSON.
    #[schema(nullable = false)]
    metadata: Option<BTreeMap<String, ScalarSchema>>,
    /// What to do where the id is there already; `refuse` where it is left out.
    #[schema(nullable = false)]
    existing: Option<ExistingName>,
}

/// The crops of one track and what is known of them.
#[derive(ToSchema)]
pub struct TrackletForm {
    /// The files of the images: JPEG, PNG, WebP, BMP or TIFF. At most 64, unless the service was started with another limit.
    #[schema(min_items = 1)]
    image: Vec<ImageFile>,
    modality: Kind,
    /// A name unlike every other entry's; one is made up where it is left out.
    #[schema(nullable = false, min_length = 1, max_length = 1024)]
    id: Option<String>,
    /// Name of the camera.
    #[schema(nullable = false, max_length = 1024)]
    camera: Option<String>,
    /// When it was seen.
    #[schema(nullable = false, format = DateTime, example = "2026-03-01T12:30:00Z")]
    time: Option<String>,
    /// Whatever else there is to say, as JSON.
    #[schema(nullable = false)]
    metadata: Option<BTreeMap<String, ScalarSchema>>,
    /// What to do where the id is there already; `refuse` where it is left out.
    #[schema(nullable = false)]
    existing: Option<ExistingName>,
}

/// What is looked for, and among which entries.
#[derive(ToSchema)]
pub struct SearchForm {
    /// The file of the image: JPEG, PNG, WebP, BMP or TIFF.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    modality: Kind,
    /// How many answers; 10 where it is left out.
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    top: Option<usize>,
    /// Ranks again by k-reciprocal neighbours: `k1,k2,lambda`.
    #[schema(nullable = false, pattern = "^[1-9][0-9]{0,2},[1-9][0-9]{0,2},0\\.[0-9]{1,6}$", example = "20,6,0.3")]
    rerank: Option<String>,
    /// Entries of this modality only.
    #[schema(nullable = false)]
    among: Option<Kind>,
    /// Entries of these cameras only; the field is there once for each.
    #[schema(nullable = false)]
    camera: Option<Vec<String>>,
    /// Entries seen at this time or later.
    #[schema(nullable = false, format = DateTime)]
    from: Option<String>,
    /// Entries seen before this time.
    #[schema(nullable = false, format = DateTime)]
    until: Option<String>,
}

/// The file of an image.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct ImageFile(Vec<u8>);

/// What to do with an entry whose id is there already.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ExistingName {
    Refuse,
    Replace,
    Keep,
}
