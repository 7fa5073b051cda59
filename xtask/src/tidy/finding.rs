//! What breaks a rule.

use std::fmt;

/// A place in the repository, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The file, as Git names it.
    pub path: String,
    /// The line, counted from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub says: String,
}

impl Finding {
    /// Something about a whole file.
    pub fn of_file(path: &str, says: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, says: says.into() }
    }

    /// Something about a line, counted from 1.
    pub fn of_line(path: &str, line: usize, says: impl Into<String>) -> Self {
        Self { path: path.into(), line: Some(line), says: says.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.says),
            None => write!(f, "{}: {}", self.path, self.says),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where() {
        assert_eq!(Finding::of_line("a.rs", 3, "bad").to_string(), "a.rs:3: bad");
        assert_eq!(Finding::of_file("a.rs", "bad").to_string(), "a.rs: bad");
    }
}
