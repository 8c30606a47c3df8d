//! Masks by AVX2: 32 bytes compared at once, parities by a carry-less product.
#![allow(unsafe_code)] // Intrinsics. They need features of the processor, which the caller checks once.

use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
};

use super::IndexKernel;
use super::masks::{Found, Marks, MaskKernel, Masks, index_with};
use super::survey::{Survey, survey_with};

/// Only made where the features are there.
#[derive(Clone, Copy)]
struct Avx2(());

/// The two halves of 64 bytes.
#[inline(always)]
fn halves(bytes: &[u8; 64]) -> [__m256i; 2] {
    // SAFETY: both loads lie inside the 64 bytes and need no alignment; an `Avx2` has shown AVX2 to be there.
    unsafe { [_mm256_loadu_si256(bytes.as_ptr().cast()), _mm256_loadu_si256(bytes.as_ptr().add(32).cast())] }
}

#[inline(always)]
fn equal([low, high]: [__m256i; 2], byte: u8) -> [__m256i; 2] {
    // SAFETY: AVX2 is there, as for `halves`.
    unsafe {
        let pattern = _mm256_set1_epi8(byte as i8);
        [_mm256_cmpeq_epi8(low, pattern), _mm256_cmpeq_epi8(high, pattern)]
    }
}

/// The highest bits of 64 bytes.
#[inline(always)]
fn gather([low, high]: [__m256i; 2]) -> u64 {
    // SAFETY: AVX2 is there, as for `halves`.
    let (low, high) = unsafe { (_mm256_movemask_epi8(low), _mm256_movemask_epi8(high)) };
    u64::from(low as u32) | u64::from(high as u32) << 32
}

impl MaskKernel for Avx2 {
    #[inline(always)]
    fn masks(self, bytes: &[u8; 64], marks: &Marks) -> Masks {
        let halves = halves(bytes);
        let (quotes, returns) = (equal(halves, marks.quote), equal(halves, b'\r'));
        // SAFETY: AVX2 is there, as for `halves`.
        let rare = unsafe {
            let (low, high) =
                (_mm256_or_si256(quotes[0], returns[0]), _mm256_or_si256(quotes[1], returns[1]));
            _mm256_movemask_epi8(_mm256_or_si256(low, high)) != 0
        };
        // SAFETY: as above.
        let has_high = unsafe { _mm256_movemask_epi8(_mm256_or_si256(halves[0], halves[1])) != 0 };
        // Most 64 bytes have neither quote nor CR, and their masks take as long to move as those of the others.
        let (quote, carriage_return) = if rare { (gather(quotes), gather(returns)) } else { (0, 0) };
        Masks {
            delimiter: gather(equal(halves, marks.delimiter)),
            line_feed: gather(equal(halves, b'\n')),
            quote,
            carriage_return,
            has_high,
        }
    }

    #[inline(always)]
    fn equal(self, bytes: &[u8; 64], byte: u8) -> u64 {
        gather(equal(halves(bytes), byte))
    }

    #[inline(always)]
    fn prefix_xor(self, mask: u64) -> u64 {
        prefix_xor(mask)
    }
}

/// A carry-less product with all ones adds up, without carries, each bit and all below it.
#[inline(always)]
pub(super) fn prefix_xor(mask: u64) -> u64 {
    // SAFETY: PCLMULQDQ is there, as the callers' kernels have shown.
    unsafe {
        let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, mask as i64), _mm_set1_epi8(-1));
        _mm_cvtsi128_si64(product) as u64
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
fn index_inner(padded: &[u8], marks: &Marks, ends: &mut Vec<u32>) -> Found {
    index_with(Avx2(()), padded, marks, ends)
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
fn survey_inner(padded: &[u8], marks: &Marks, before: Option<u8>, behind: Option<u8>) -> Survey {
    survey_with(Avx2(()), padded, marks, before, behind)
}

pub(super) fn index(padded: &[u8], marks: &Marks, ends: &mut Vec<u32>) -> Found {
    debug_assert!(IndexKernel::Avx2.is_available());
    // SAFETY: `Index::new` has asserted that the kernel is available.
    unsafe { index_inner(padded, marks, ends) }
}

pub(super) fn survey(padded: &[u8], marks: &Marks, before: Option<u8>, behind: Option<u8>) -> Survey {
    debug_assert!(IndexKernel::Avx2.is_available());
    // SAFETY: `Index::new` has asserted that the kernel is available.
    unsafe { survey_inner(padded, marks, before, behind) }
}
