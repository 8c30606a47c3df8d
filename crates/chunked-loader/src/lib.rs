//! CSV of any size to narrow Arrow batches, exactly.
