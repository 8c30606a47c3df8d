//! Seeded corpora for benches and for side-by-side runs against peers.
//!
//! Whoever measures needs the same bytes every time, on every machine, without storing
//! gigabytes. A corpus is therefore a function of three things, and of nothing else:
//!
//! ```text
//!  shape ─┐
//!  rows  ─┼─► write ──► CSV ──► a file, a pipe, a Vec<u8>
//!  seed  ─┘
//! ```
//!
//! Rows are drawn in order, so a shorter corpus is the beginning of a longer one with the same seed.
//! Memory does not grow with the number of rows. Logarithms, exponentials and cosines come from the
//! platform's mathematical library, which is the one way in which two platforms could differ in a
//! last digit; the pinned checksums in the tests hold on Linux with glibc.
//!
//! | shape | columns | bytes a row, about | stands for |
//! |---|--:|--:|---|
//! | [`Shape::Orders`] | 20 | 233 | a transaction table: mixed types, nulls, quotes, line ends in quotes |
//! | [`Shape::Mixed50`] | 50 | 386 | narrowing: every integer width, short and long floats, categories, bools |
//! | [`Shape::Train`] | 30 | 247 | learning: 28 numbers with nulls, a category, a label from a logistic model |
//!
//! The binary `corpora SHAPE ROWS [SEED]` writes one to standard output. Runs against other tools
//! are in `peers/`.
//!
//! # Example
//!
//! ```
//! use benches::{Shape, write};
//!
//! let shape: Shape = "train".parse()?;
//! let mut csv = Vec::new();
//! write(shape, 2, 1, &mut csv)?;
//!
//! let text = String::from_utf8(csv)?;
//! let lines: Vec<&str> = text.lines().collect();
//! assert_eq!(lines.len(), 3);
//! assert!(lines[0].starts_with("x0,x1,x2,"));
//! assert!(lines[0].ends_with(",x27,segment,y"));
//! assert!(lines[1].starts_with("-0.02825,-1.39274,0.48139,0.76115,"));
//! assert!(lines[1].ends_with(",39.74049,-16.04532,seg4,1"));
//! assert!(lines[2].ends_with(",36.40730,51.18231,,16.37251,0.33579,-0.29600,seg2,0"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod corpora;

pub use corpora::{ParseShapeError, Shape, write};
