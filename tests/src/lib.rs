//! The parity ladder: golden cases with inputs and expected outputs, passed through public API; and what the pages tell
//! people to type.

pub mod documented;
pub mod golden;

/// The code of the book's page is a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/burn-project.md")]
struct BurnProject;
