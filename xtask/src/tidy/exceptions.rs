//! Exceptions from a rule: what they are for, why, and whether anything still needs them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Finding;

/// What a rule lets pass, each with its reason.
pub(super) struct Exceptions<'a> {
    list: &'a [(&'a str, &'a str)],
    /// The file that the list stands in.
    place: &'a str,
    needed: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Exceptions<'a> {
    /// Exceptions of a list of names and reasons, which stands in the file `place`.
    pub fn new(place: &'a str, list: &'a [(&'a str, &'a str)]) -> Self {
        Self { list, place, needed: RefCell::default() }
    }

    /// Whether something that breaks the rule may: asked only about what does.
    pub fn allow(&self, name: &str) -> bool {
        let known = self.list.iter().find(|(allowed, _)| *allowed == name);
        if let Some((allowed, _)) = known {
            self.needed.borrow_mut().insert(allowed);
        }
        known.is_some()
    }

    /// Exceptions that nobody asked for, once everything has been looked at.
    pub fn stale(&self) -> Vec<Finding> {
        let needed = self.needed.borrow();
        let unneeded = self.list.iter().filter(|(name, _)| !needed.contains(name));
        unneeded
            .map(|(name, _)| Finding::of_file(self.place, format!("nothing needs the exception '{name}'")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_that_nothing_needs_is_told() {
        let exceptions = Exceptions::new("rule.rs", &[("a", "one reason"), ("b", "another")]);
        assert!(exceptions.allow("a") && exceptions.allow("a") && !exceptions.allow("c"));
        assert_eq!(exceptions.stale(), [Finding::of_file("rule.rs", "nothing needs the exception 'b'")]);
    }
}
