//! Batches for asynchronous programs, as a [`Stream`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::datatypes::SchemaRef;
use futures_core::stream::{FusedStream, Stream};

use crate::batch::Batch;
use crate::batches::Threads;
use crate::delivery::Sizes;
use crate::error::Error;
use crate::progress::RowMeter;
use crate::row_reader::Reading;

/// The batches of an input as a [`Stream`]. After an error it is at its end.
///
/// Threads of the loader's own make the batches ahead, as many as
/// [`with_threads`](crate::Loader::with_threads) says, and wake the task when the next one is there: polling neither
/// waits for them nor works for them, on whatever executor. They start with the first poll.
///
/// Dropping the stream stops the threads and waits until each is done with the batch that it is at, so that nothing
/// is read, and nothing reserved, behind it.
///
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
///
/// use chunked_loader::{FixedRows, Loader, Source};
/// use futures_core::Stream;
///
/// let csv = "id,city\n1,Oslo\n2,Bergen\n3,Oslo\n";
/// let loader = Loader::new(Source::spool("cities", csv.as_bytes(), &std::env::temp_dir(), &mut || false)?);
/// let scan = loader.scan()?;
/// let mut stream = pin!(loader.batch_stream(&scan, &[0, 1], Box::new(FixedRows(2))));
///
/// // An executor sleeps until it is woken; this one has nothing else to do.
/// let mut context = Context::from_waker(Waker::noop());
/// let mut rows = Vec::new();
/// loop {
///     match stream.as_mut().poll_next(&mut context) {
///         Poll::Ready(Some(batch)) => rows.push(batch?.num_rows()),
///         Poll::Ready(None) => break,
///         Poll::Pending => std::thread::yield_now(),
///     }
/// }
/// assert_eq!(rows, [2, 1]);
/// # Ok::<(), chunked_loader::Error>(())
/// ```
pub struct BatchStream {
    schema: SchemaRef,
    threads: Threads,
    meter: RowMeter,
    is_done: bool,
}

impl BatchStream {
    pub(crate) fn new(reading: Reading, sizes: Sizes, threads: usize, meter: RowMeter) -> BatchStream {
        let schema = Arc::clone(&reading.plan.schema);
        BatchStream {
            schema,
            threads: Threads::new(Arc::new(reading), sizes, threads),
            meter,
            is_done: false,
        }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Stream for BatchStream {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = self.threads.poll_next(context.waker()) else { return Poll::Pending };
        let counted = next.map(|next| {
            let batch = next?;
            self.meter.count(batch.num_rows())?;
            Ok(batch)
        });
        self.is_done = !matches!(counted, Some(Ok(_)));
        if self.is_done {
            // They are waited for when the stream is dropped, not here.
            self.threads.call_off();
        }
        Poll::Ready(counted)
    }
}

impl FusedStream for BatchStream {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}
