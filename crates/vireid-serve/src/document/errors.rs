//! The errors of each call in the interface's document.

use utoipa::Modify;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// Adds the errors that each call can be answered with.
pub struct Errors;

/// Those of a call besides what all have.
const OF: [(&str, &[u16]); 15] = [
    ("add_crop", &[409, 422, 507]),
    ("add_tracklet", &[409, 422, 507]),
    ("crop", &[404]),
    ("image", &[404]),
    ("delete_crop", &[404, 507]),
    ("delete_crops", &[507]),
    ("search", &[422]),
    ("similar", &[404]),
    ("judge", &[404, 507]),
    ("person", &[404]),
    ("cluster", &[409, 507]),
    ("merge", &[404, 409, 507]),
    ("split", &[404, 409, 507]),
    ("remove", &[404, 409, 507]),
    ("health", &[]),
];

impl Modify for Errors {
    fn modify(&self, document: &mut OpenApi) {
        operations(document).for_each(add);
    }
}

/// All calls of a document.
pub fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    let items = document.paths.paths.values_mut();
    items.flat_map(|item| [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten())
}

fn add(operation: &mut Operation) {
    let name = operation.operation_id.clone().unwrap_or_default();
    let mut statuses = vec![400, 403, 500, 503];
    if name != "health" {
        statuses.extend([401, 502]);
    }
    if operation.request_body.is_some() {
        statuses.extend([408, 413]);
    }
    let own = OF.iter().find(|(other, _)| *other == name).map_or(&[][..], |(_, statuses)| statuses);
    for status in statuses.iter().chain(own) {
        operation.responses.responses.insert(status.to_string(), RefOr::T(response(*status)));
    }
    // Before anything of the service sees the request.
    for (status, what) in [("414", "The path with its query is too long."), ("431", "The header is too long.")] {
        let response = ResponseBuilder::new().description(what).build();
        operation.responses.responses.insert(status.into(), RefOr::T(response));
    }
}

fn response(status: u16) -> Response {
    let what = match status {
        400 => "The request can't be read or done as it is: VR0901, VR0801.",
        401 => "The token is missing or wrong: VR0902.",
        403 => "The request comes from another site, or under another name than this computer's: VR0903, VR0904.",
        404 => "It is not there: VR0803.",
        408 => "The body did not arrive in time: VR0907.",
        409 => "Another entry or another request is in the way: VR0802, VR0906.",
        413 => "The request or a part of it is too large: VR0905.",
        422 => "The image can't be used: VR0910.",
        502 => "The engine behind the gallery failed: VR0809.",
        503 => {
            "The service is busy, or it took too long: VR0906, VR0907. Try again after the seconds of `retry-after`."
        }
        507 => "Nothing more can be written: VR0806.",
        _ => "A fault of the service, its gallery or its network: VR0911, VR0804, VR0807.",
    };
    let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name("ErrorBody"))));
    ResponseBuilder::new().description(what).content("application/json", body).build()
}
