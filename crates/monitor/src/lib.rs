//! What memory does: probes, snapshots, budget and reservations.
