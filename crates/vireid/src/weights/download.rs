//! Downloading a file, going on where it stopped.

use std::path::Path;

use crate::ProgramError;

/// Downloads a file of a known length, going on behind what `part` holds of it already.
///
/// # Errors
///
/// `VR0632`, with what came kept in `part` where the rest can still follow; `VR0605`.
#[cfg(feature = "download")]
pub(crate) fn download(url: &str, part: &Path, bytes: u64, progress: &mut dyn FnMut(u64)) -> Result<(), ProgramError> {
    use std::fs::OpenOptions;
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(30);
    // A server that goes silent ends it; what came is kept for the next call.
    const LONGEST: Duration = Duration::from_secs(3600);
    let failed = |reason: String| ProgramError::Download { url: url.into(), reason };
    let unwritable = |source| ProgramError::Io { action: "can't write", path: part.into(), source };

    let mut file =
        OpenOptions::new().create(true).read(true).write(true).truncate(false).open(part).map_err(unwritable)?;
    if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
        return Err(failed(format!("another process is downloading it to {}; wait for it", part.display())));
    }
    let mut have = file.metadata().map_err(unwritable)?.len();
    if have == bytes {
        return Ok(());
    }
    if have > bytes {
        have = 0;
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_recv_body(Some(LONGEST))
        .build()
        .into();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(|error| failed(error.to_string()))?;
    match response.status().as_u16() {
        // The rest, if it is what was asked for.
        206 if have > 0 => {
            let range = response.headers().get("content-range").and_then(|range| range.to_str().ok()).unwrap_or("");
            if !range.starts_with(&format!("bytes {have}-")) || total(range).is_some_and(|total| total != bytes) {
                return Err(failed(format!("asked for the bytes from {have} on, it sent '{range}'")));
            }
        }
        // All of it: the server knows no ranges.
        200 => {
            have = 0;
            let length = response.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
            // A longer one is refused for its contents.
            if let Some(length) = length.filter(|&length: &u64| length < bytes) {
                return Err(failed(format!("the file there has {length} bytes and not {bytes}: it is another one")));
            }
        }
        // What was kept is not the beginning of the file there.
        416 if have > 0 => {
            file.set_len(0).map_err(unwritable)?;
            return Err(failed("the file there is shorter than what was kept, which is dropped: try again".into()));
        }
        status => return Err(failed(format!("the server answers with status {status}"))),
    }
    file.set_len(have).and_then(|()| file.seek(SeekFrom::Start(have)).map(|_| ())).map_err(unwritable)?;
    // One more than there should be is enough to see that it is another file.
    let mut body = response.body_mut().as_reader().take(bytes - have + 1);
    let mut buffer = vec![0; 1 << 16];
    let cut_short = |have: u64, reason: &str| {
        let part = part.display();
        failed(format!(
            "{have} of {bytes} bytes came{reason}; they are kept in {part}, and the same command goes on with them"
        ))
    };
    loop {
        let read = body.read(&mut buffer).map_err(|error| cut_short(have, &format!(" ({error})")))?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read]).map_err(unwritable)?;
        have += read as u64;
        progress(have);
    }
    file.sync_all().map_err(unwritable)?;
    if have < bytes { Err(cut_short(have, "")) } else { Ok(()) }
}

/// The length of a whole file by the header of one of its ranges.
#[cfg(feature = "download")]
fn total(range: &str) -> Option<u64> {
    range.rsplit_once('/')?.1.parse().ok()
}

/// A build without the feature `download` says how it is done instead.
///
/// # Errors
///
/// `VR0634`.
#[cfg(not(feature = "download"))]
pub(crate) fn download(url: &str, _: &Path, _: u64, _: &mut dyn FnMut(u64)) -> Result<(), ProgramError> {
    Err(ProgramError::NoDownload { url: url.into() })
}
