//! Multipart bodies: images and texts.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;

use crate::App;
use crate::failure::Failure;
use crate::fields::{Fields, Known, short};
use crate::memory::Upload;
use crate::scope::Scope;

/// The longest text of a field, in bytes: metadata as long as they can be.
const MAX_TEXT: usize = 256 << 10;
/// The most fields besides images.
const MAX_FIELDS: usize = 128;

/// A multipart body: its images and its texts.
pub struct Form {
    pub images: Vec<Upload>,
    pub fields: Fields,
}

impl Form {
    /// Reads a body of at most `images` images, one at least, and of the fields that are known.
    pub async fn read(app: &App, request: Request, known: Known, images: usize) -> Result<Self, Failure> {
        Fields::of_query(request.uri().query(), Known::NONE)?;
        let scope = request.extensions().get::<Scope>().cloned().unwrap_or_default();
        // Of a body whose parts do not end, the parser keeps all that has come.
        let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let _room = app.bodies.reserve(length.unwrap_or(usize::MAX).min(app.settings.max_body))?;
        let multipart = Multipart::from_request(request, &()).await;
        let mut multipart = multipart.map_err(|_| {
            Failure::bad("the body is not multipart").hint("send `content-type: multipart/form-data` with a boundary")
        })?;
        let mut form = Self { images: Vec::new(), fields: Fields::default() };
        let mut fields = 0;
        while let Some(mut field) = scope.reading(multipart.next_field()).await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "image" {
                if form.images.len() == images {
                    return Err(match images {
                        1 => Failure::bad("the field 'image' is there twice"),
                        _ => Failure::too_large(format!("more than {images} images")),
                    });
                }
                form.images.push(bytes(app, &scope, &mut field, app.settings.max_part).await?);
                continue;
            }
            fields += 1;
            if fields > MAX_FIELDS {
                return Err(Failure::too_large(format!("more than {MAX_FIELDS} fields")));
            }
            let text = bytes(app, &scope, &mut field, MAX_TEXT).await?;
            let text = String::from_utf8(text.bytes);
            let text = text.map_err(|_| Failure::bad(format!("the field '{}' is not UTF-8", short(&name))))?;
            form.fields.push(name, text, known)?;
        }
        match form.images.is_empty() {
            true => {
                Err(Failure::bad("the field 'image' is missing").hint("send the image's file as a part of this name"))
            }
            false => Ok(form),
        }
    }
}

async fn bytes(app: &App, scope: &Scope, field: &mut Field<'_>, longest: usize) -> Result<Upload, Failure> {
    let mut upload = Upload::default();
    while let Some(chunk) = scope.reading(field.chunk()).await.map_err(broken)? {
        if upload.bytes.len() + chunk.len() > longest {
            return Err(Failure::too_large(format!("a part of the request has more than {longest} bytes")));
        }
        app.memory.extend(&mut upload, &chunk)?;
    }
    Ok(upload)
}

fn broken(error: MultipartError) -> Failure {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::too_large("the request is longer than the service takes");
    }
    Failure::bad(format!("the multipart body can't be read: {}", short(&error.body_text())))
}
