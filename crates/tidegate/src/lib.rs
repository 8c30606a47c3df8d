//! The tidegate command, and a thin library over its crates.
