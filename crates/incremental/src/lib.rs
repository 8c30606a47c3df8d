//! Preprocessing in two passes, exact however the work is cut.

pub mod stats;
