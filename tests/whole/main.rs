//! Whole-program tests.

mod parity;
