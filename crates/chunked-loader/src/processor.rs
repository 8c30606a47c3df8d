//! What the loops over blocks may take for granted of the processor, as types, so that each is compiled for it.

/// A processor that a loop is compiled for.
pub(crate) trait Processor: Copy {
    /// Itself, if it has what [`IndexKernel::Avx2`](crate::IndexKernel::Avx2) needs.
    fn avx2(self) -> Option<WithAvx2>;
}

/// Any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyProcessor;

/// One that has what [`IndexKernel::Avx2`](crate::IndexKernel::Avx2) needs. Whoever holds one has checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WithAvx2(());

impl WithAvx2 {
    /// `None` if this processor is not one.
    pub(crate) fn if_it_is(kernel: crate::index::IndexKernel) -> Option<WithAvx2> {
        use crate::index::IndexKernel;
        debug_assert!(kernel.is_available());
        // The wider kernel needs all that the narrower one does, and an index is made by kernels that are there only.
        matches!(kernel, IndexKernel::Avx2 | IndexKernel::Avx512).then_some(WithAvx2(()))
    }

    /// What a processor of another kind does with one.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn is_not_there(self) -> ! {
        unreachable!("only x86-64 has AVX2, and whoever holds this has found it")
    }
}

impl Processor for AnyProcessor {
    #[inline(always)]
    fn avx2(self) -> Option<WithAvx2> {
        None
    }
}

impl Processor for WithAvx2 {
    #[inline(always)]
    fn avx2(self) -> Option<WithAvx2> {
        Some(self)
    }
}
