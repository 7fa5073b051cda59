//! The parity ladder: golden cases with inputs and expected outputs, passed through public API.

pub mod golden;
