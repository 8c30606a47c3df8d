//! Eigenvalues and eigenvectors of a symmetric matrix by Jacobi's rotations.
//!
//! Each rotation makes one entry beside the diagonal zero, in a fixed order, so the result is the same bits every
//! time. For a covariance the small eigenvalues keep their digits too (J. Demmel and K. Veselić, "Jacobi's method is more
//! accurate than QR", 1992). It takes about 6·n³ operations a sweep and six to ten sweeps.

/// A symmetric matrix's eigenvalues, falling, and for each of them its eigenvector, of length 1.
pub(super) struct Eigen {
    pub(super) values: Vec<f64>,
    pub(super) vectors: Vec<Vec<f64>>,
}

/// Far more than any matrix needs.
const MOST_SWEEPS: usize = 60;

/// Decomposes a symmetric matrix of finite entries, given by its rows.
///
/// # Panics
/// If the rows are not as many as each is long.
pub(super) fn decompose(mut matrix: Vec<Vec<f64>>) -> Eigen {
    let n = matrix.len();
    assert!(matrix.iter().all(|row| row.len() == n), "a symmetric matrix is square");
    // One eigenvector a row.
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    for _ in 0..MOST_SWEEPS {
        let mut has_turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let scale = matrix[p][p].abs().sqrt() * matrix[q][q].abs().sqrt();
                if matrix[p][q] == 0.0 || matrix[p][q].abs() <= f64::EPSILON / 2.0 * scale {
                    continue;
                }
                has_turned = true;
                turn(&mut matrix, &mut vectors, p, q);
            }
        }
        if !has_turned {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| matrix[*b][*b].total_cmp(&matrix[*a][*a]));
    let values = order.iter().map(|i| matrix[*i][*i]).collect();
    let vectors = order.iter().map(|i| std::mem::take(&mut vectors[*i])).collect();
    Eigen { values, vectors }
}

/// Turns the axes p and q until the entry between them is zero.
fn turn(matrix: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    let between = matrix[p][q];
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * between);
    // The smaller angle; of a theta whose square overflows it is 1/(2·theta).
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    matrix[p][p] -= tangent * between;
    matrix[q][q] += tangent * between;
    matrix[p][q] = 0.0;
    matrix[q][p] = 0.0;
    for i in (0..matrix.len()).filter(|i| *i != p && *i != q) {
        let (at_p, at_q) = (matrix[i][p], matrix[i][q]);
        let (new_p, new_q) = (cosine * at_p - sine * at_q, sine * at_p + cosine * at_q);
        (matrix[i][p], matrix[p][i]) = (new_p, new_p);
        (matrix[i][q], matrix[q][i]) = (new_q, new_q);
    }
    let [row_p, row_q] = vectors.get_disjoint_mut([p, q]).expect("p and q are different rows");
    for (at_p, at_q) in row_p.iter_mut().zip(row_q) {
        (*at_p, *at_q) = (cosine * *at_p - sine * *at_q, sine * *at_p + cosine * *at_q);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The matrix Bᵀ·B of a square B, which has no negative eigenvalue.
    fn covariance(n: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
        prop::collection::vec(prop::collection::vec(-2.0..2.0, n), n).prop_map(move |b: Vec<Vec<f64>>| {
            (0..n).map(|i| (0..n).map(|j| b.iter().map(|row| row[i] * row[j]).sum()).collect()).collect()
        })
    }

    fn product(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
        matrix.iter().map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
    }

    proptest! {
        #[test]
        fn vectors_are_turned_by_the_matrix_into_multiples_of_themselves(matrix in (1usize..9).prop_flat_map(covariance)) {
            let size = matrix.iter().flatten().fold(0.0, |a: f64, b| a.max(b.abs()));
            let Eigen { values, vectors } = decompose(matrix.clone());
            prop_assert!(values.is_sorted_by(|a, b| a >= b));
            for (i, (value, vector)) in values.iter().zip(&vectors).enumerate() {
                for (got, entry) in product(&matrix, vector).iter().zip(vector) {
                    prop_assert!((got - value * entry).abs() <= 1e-13 * size, "{got} {value} {entry}");
                }
                for (j, other) in vectors.iter().enumerate() {
                    let dot: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                    let expected = f64::from(u8::from(i == j));
                    prop_assert!((dot - expected).abs() <= 1e-13, "{dot}");
                }
            }
        }
    }

    #[test]
    fn small_eigenvalues_keep_their_digits() {
        // Two axes of very different scale, correlated by half: the determinant is known.
        let small = 1e-12;
        let Eigen { values, .. } = decompose(vec![vec![1.0, 0.5 * small], vec![0.5 * small, small * small]]);
        assert!((values[1] / (0.75 * small * small) - 1.0).abs() < 1e-14, "{values:?}");
    }

    #[test]
    fn matrices_of_low_rank_have_zeros_for_the_rest() {
        let n = 40;
        let Eigen { values, vectors } = decompose(vec![vec![1.0; n]; n]);
        assert!((values[0] - n as f64).abs() < 1e-12, "{values:?}");
        assert!(values[1..].iter().all(|value| value.abs() < 1e-13), "{values:?}");
        let even = (n as f64).sqrt().recip();
        assert!(vectors[0].iter().all(|entry| (entry.abs() - even).abs() < 1e-13), "{:?}", vectors[0]);
    }

    #[test]
    fn diagonal_and_empty_matrices_are_done() {
        let Eigen { values, vectors } = decompose(vec![vec![1.0, 0.0], vec![0.0, 3.0]]);
        assert_eq!((values, vectors), (vec![3.0, 1.0], vec![vec![0.0, 1.0], vec![1.0, 0.0]]));
        assert!(decompose(Vec::new()).values.is_empty());
        assert_eq!(decompose(vec![vec![0.0; 3]; 3]).values, [0.0; 3]);
    }
}
