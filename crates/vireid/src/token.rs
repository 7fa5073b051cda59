//! A service's token, of a file or of the environment.

#[cfg(feature = "download")]
use std::path::Path;

#[cfg(feature = "download")]
use vireid::ProgramError;

/// The variable that holds a service's token where no file is named.
pub const TOKEN_VARIABLE: &str = "VIREID_SERVE_TOKEN";

/// A service's token: of a file, or of the environment; `None` where neither says one. Never of the command line, which others
/// on the machine can read.
///
/// # Errors
///
/// `VR0605` when the file can't be read, `VR0606` when it holds no token.
#[cfg(feature = "download")]
pub fn token(file: Option<&Path>) -> Result<Option<String>, ProgramError> {
    let text = match file {
        Some(path) => {
            let read = std::fs::read_to_string(path);
            read.map_err(|source| ProgramError::Io { action: "can't read", path: path.into(), source })?
        }
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => text,
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(error) => return Err(ProgramError::Usage(format!("{TOKEN_VARIABLE}: {error}"))),
        },
    };
    let token = text.trim_end_matches(['\r', '\n']);
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let place = file.map_or_else(|| TOKEN_VARIABLE.into(), |path| path.display().to_string());
        return Err(ProgramError::Usage(format!("{place} holds no token: letters, digits and signs without spaces")));
    }
    Ok(Some(token.into()))
}

#[cfg(all(test, feature = "download"))]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_a_file_holds_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "abc-DEF_123\n").unwrap();
        assert_eq!(token(Some(&path)).unwrap().as_deref(), Some("abc-DEF_123"));
        for wrong in ["", "\n", "two words", "n\u{e4}h"] {
            std::fs::write(&path, wrong).unwrap();
            let said = token(Some(&path)).unwrap_err().to_string();
            assert!(said.starts_with("VR0606") && !said.contains("words"), "{said}");
        }
        assert!(token(Some(Path::new("no/such/file"))).unwrap_err().to_string().starts_with("VR0605"));
    }
}
