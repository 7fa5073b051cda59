//! What a client must know.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use subtle::ConstantTimeEq;

use crate::ServeError;

/// The shortest token, in characters.
const SHORTEST: usize = 16;
/// The longest, in bytes.
const LONGEST: usize = 1024;

/// What a client must know. It is never shown, and compared in a time that does not depend on how much of a guess is right.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Reads it from a file, whose last newlines do not count.
    ///
    /// # Errors
    ///
    /// `VR0913` where the file can't be read, or its text is shorter than 16 characters, longer than 1024, or has other
    /// characters than the visible ones of ASCII.
    pub fn from_file(path: &Path) -> Result<Self, ServeError> {
        let origin = path.display().to_string();
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST as u64 + 3).read_to_string(&mut text));
        match read {
            Ok(_) => Self::new(&text, origin),
            Err(error) => Err(ServeError::BadToken { origin, reason: error.to_string() }),
        }
    }

    /// Reads it from an environment variable, whose last newlines do not count.
    ///
    /// # Errors
    ///
    /// `VR0913` where the variable is not set, and as for [`from_file`](Self::from_file).
    pub fn from_variable(name: &str) -> Result<Self, ServeError> {
        let origin = format!("the environment variable {name}");
        match std::env::var(name) {
            Ok(text) => Self::new(&text, origin),
            // The error of a text that is not UTF-8 would show it.
            Err(std::env::VarError::NotPresent) => Err(ServeError::BadToken { origin, reason: "it is not set".into() }),
            Err(_) => Err(ServeError::BadToken { origin, reason: "it is not UTF-8".into() }),
        }
    }

    fn new(text: &str, origin: String) -> Result<Self, ServeError> {
        let text = text.trim_end_matches(['\r', '\n']);
        let bad = |reason: String| Err(ServeError::BadToken { origin, reason });
        if text.chars().count() < SHORTEST {
            return bad(format!("it has fewer than {SHORTEST} characters"));
        }
        if text.len() > LONGEST {
            return bad(format!("it has more than {LONGEST} characters"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return bad("it has other characters than visible ones of ASCII".into());
        }
        Ok(Self(text.into()))
    }

    /// Whether a guess is right.
    pub(crate) fn is(&self, guess: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(guess).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn written(text: &[u8]) -> Result<Token, ServeError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        Token::from_file(&path)
    }

    #[test]
    fn a_file_may_end_with_a_newline() {
        for end in ["", "\n", "\r\n"] {
            let token = written(format!("{SECRET}{end}").as_bytes()).unwrap();
            assert!(token.is(SECRET.as_bytes()));
            for wrong in ["", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef0"] {
                assert!(!token.is(wrong.as_bytes()), "{wrong}");
            }
        }
    }

    #[test]
    fn what_can_not_be_used_is_refused_and_not_shown() {
        let spaced = "0123456789 abcdefg";
        for wrong in ["", "short", "0123456789abcde\n", spaced, &"x".repeat(1025)] {
            let said = written(wrong.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with("VR0913"), "{said}");
            assert!(wrong.is_empty() || !said.contains(wrong), "{said}");
        }
        assert!(written(b"0123456789abcdef\xff").unwrap_err().to_string().starts_with("VR0913"));
        assert!(Token::from_file(Path::new("no/such/file")).unwrap_err().to_string().starts_with("VR0913"));
        let unset = Token::from_variable("VIREID_TEST_NO_SUCH_VARIABLE").unwrap_err().to_string();
        assert!(unset.contains("is not set"), "{unset}");
    }

    #[test]
    fn it_does_not_show_itself() {
        let shown = format!("{:?}", written(SECRET.as_bytes()).unwrap());
        assert!(!shown.contains("0123"), "{shown}");
    }
}
