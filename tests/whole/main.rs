//! Whole-program tests: the program and the library from data to results.

// A test that meets an unexpected error should stop right there.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod devices;
mod documented;
mod engine_apart;
mod methods;
mod networks;
mod old_configurations;
mod own_method;
mod parity;
mod program;
mod protocol_speed;
mod regdb;
mod resume;
mod threads;
mod training;
mod variants;
