//! Seeded corpora, benches and side-by-side runs against peers.
