//! How large the next batch may be.
