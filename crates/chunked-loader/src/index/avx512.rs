//! Masks by AVX-512: 64 bytes compared at once, straight into a mask.
#![allow(unsafe_code)] // Intrinsics. They need features of the processor, which the caller checks once.

use std::arch::x86_64::{
    __m128i, __m512i, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cvtepu8_epi32,
    _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_movepi8_mask,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_storeu_si512,
};

use super::IndexKernel;
use super::avx2::prefix_xor;
use super::masks::{Found, Marks, MaskKernel, Masks, index_with};
use super::survey::{Survey, survey_with};

/// Only made where the features are there.
#[derive(Clone, Copy)]
struct Avx512(());

#[inline(always)]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the load is of the 64 bytes and needs no alignment; an `Avx512` has shown AVX-512 to be there.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline(always)]
fn equal(bytes: __m512i, byte: u8) -> u64 {
    // SAFETY: AVX-512 BW is there, as for `load`.
    unsafe { _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte as i8)) }
}

impl MaskKernel for Avx512 {
    #[inline(always)]
    fn masks(self, bytes: &[u8; 64], marks: &Marks) -> Masks {
        let bytes = load(bytes);
        Masks {
            delimiter: equal(bytes, marks.delimiter),
            line_feed: equal(bytes, b'\n'),
            quote: equal(bytes, marks.quote),
            carriage_return: equal(bytes, b'\r'),
            // SAFETY: AVX-512 BW is there, as for `load`.
            has_high: unsafe { _mm512_movepi8_mask(bytes) } != 0,
        }
    }

    #[inline(always)]
    fn equal(self, bytes: &[u8; 64], byte: u8) -> u64 {
        equal(load(bytes), byte)
    }

    #[inline(always)]
    fn prefix_xor(self, mask: u64) -> u64 {
        prefix_xor(mask)
    }

    #[inline(always)]
    unsafe fn write_ends(self, to: *mut u32, at: u32, mask: u64) {
        let count = mask.count_ones() as usize;
        // SAFETY: AVX-512 VBMI2 is there, as BW is for `load`; each store begins at or before the last entry that stands
        // for a bit, or at the first one, and so ends within the room.
        unsafe {
            let places = _mm512_maskz_compress_epi8(mask, _mm512_loadu_si512(PLACES.as_ptr().cast()));
            let at = _mm512_set1_epi32(at as i32);
            let store = |part: usize, places: __m128i| {
                let ends = _mm512_add_epi32(_mm512_cvtepu8_epi32(places), at);
                _mm512_storeu_si512(to.add(16 * part).cast(), ends);
            };
            store(0, _mm512_castsi512_si128(places));
            // More than 16 fields in 64 bytes are rare.
            if count > 16 {
                store(1, _mm512_extracti32x4_epi32::<1>(places));
                if count > 32 {
                    store(2, _mm512_extracti32x4_epi32::<2>(places));
                    store(3, _mm512_extracti32x4_epi32::<3>(places));
                }
            }
        }
    }
}

/// The numbers of 64 bytes.
const PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let mut i = 0;
    while i < 64 {
        places[i] = i as u8;
        i += 1;
    }
    places
};

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
fn index_inner(padded: &[u8], marks: &Marks, ends: &mut Vec<u32>) -> Found {
    index_with(Avx512(()), padded, marks, ends)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
fn survey_inner(padded: &[u8], marks: &Marks, before: Option<u8>, behind: Option<u8>) -> Survey {
    survey_with(Avx512(()), padded, marks, before, behind)
}

pub(super) fn index(padded: &[u8], marks: &Marks, ends: &mut Vec<u32>) -> Found {
    debug_assert!(IndexKernel::Avx512.is_available());
    // SAFETY: `Index::new` has asserted that the kernel is available.
    unsafe { index_inner(padded, marks, ends) }
}

pub(super) fn survey(padded: &[u8], marks: &Marks, before: Option<u8>, behind: Option<u8>) -> Survey {
    debug_assert!(IndexKernel::Avx512.is_available());
    // SAFETY: `Index::new` has asserted that the kernel is available.
    unsafe { survey_inner(padded, marks, before, behind) }
}
