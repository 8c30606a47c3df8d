//! Statistics that merge: states fed in any order, cut anywhere and merged in any tree give the same
//! results to the bit, and the same bytes when they are written.
//!
//! | state | gives | heap |
//! |---|---|---|
//! | [`Moments`] | count, mean, variance, over [`ExactSum`] and [`ExactSquareSum`] | 1.6 KiB |
//! | [`Comoments`] | the same of two columns, their covariance and regression, over [`ExactProductSum`] | 3.2 KiB |
//! | [`Extrema`] | least and greatest value | none |
//! | [`OrderStatistics`] | median and any quantile, in one to four passes | at most 1.1 MiB for a median |
//! | [`Counts`] | how often each [`Category`] occurs | grows with the distinct values |
//! | [`TermCounts`] | in how many documents each term occurs, and how often | grows with the distinct terms |
//!
//! Every state has `update` or `add`, `merge`, and `heap_bytes`, which counts capacity; the size of
//! the state itself comes on top. NaN is a missing value everywhere, and −0.0 is 0.0.

mod allocation;
mod category;
mod category_list;
mod comoments;
mod compact_moments;
mod counts;
mod exact_product_sum;
mod exact_sum;
mod extrema;
mod listed;
mod moments;
mod normal;
mod order_statistics;
mod ordered_float;
mod place_index;
mod python_float;
mod quantile;
mod rounding;
mod segments;
mod superaccumulator;
mod tally;
mod term_counts;
mod text_store;
mod text_tally;

pub(crate) use allocation::allocated;
pub use category::Category;
pub(crate) use category_list::{CategoryIndex, CategoryKey, CategoryList};
pub use comoments::Comoments;
pub(crate) use compact_moments::CompactMoments;
pub use counts::Counts;
pub use exact_product_sum::ExactProductSum;
pub use exact_sum::{ExactSquareSum, ExactSum};
pub use extrema::Extrema;
pub use moments::Moments;
pub use normal::normal_quantile;
pub use order_statistics::{InputChanged, OrderStatistics, Outcome};
pub use ordered_float::OrderedFloat;
pub(crate) use place_index::PlaceIndex;
pub use python_float::PythonFloat;
pub use quantile::{Level, QuantileMethod, interpolate};
pub use rounding::{round_ratio, round_sqrt_ratio};
pub use term_counts::TermCounts;
pub(crate) use text_store::TextStore;
