//! Names of cameras and people, which go by numbers within.

use std::collections::BTreeMap;

use vireid_core::{Camera, Identity};

/// What the user calls the cameras and people that go by numbers within: results show these names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Names of cameras; a camera without one is called by its number.
    pub cameras: BTreeMap<Camera, String>,
    /// Names of people. Empty where the data set's own numbers say no more than who is who within one list.
    pub people: BTreeMap<Identity, String>,
}

impl Names {
    /// What the user calls a camera.
    pub fn camera(&self, camera: Camera) -> String {
        self.cameras.get(&camera).cloned().unwrap_or_else(|| camera.0.to_string())
    }

    /// What the user calls a person.
    pub fn person(&self, identity: Identity) -> String {
        self.people.get(&identity).cloned().unwrap_or_else(|| identity.0.to_string())
    }
}
