//! The figures at `http://LOOPBACK:PORT/metrics`, for a collector on the same machine.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::locks::locked;
use crate::monitor::Monitor;

/// Answers `GET /metrics` with [`Monitor::openmetrics`] until it is dropped.
///
/// Clients are served one after the other by one thread, which the work never waits for. Each gets two seconds
/// from its first byte to its last, and the head of its request may have 8 KiB; the connection is closed after the answer. Another path is
/// answered 404, another method 405, a head that is too long 431, one that does not come 408, and what is no
/// request 400.
///
/// Nobody is asked who they are: only addresses of the loopback interface are taken, which other machines do
/// not reach.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use monitor::Monitor;
///
/// let monitor = Monitor::unbounded();
/// let server = monitor.serve_metrics("127.0.0.1:0".parse()?)?;
/// let mut client = TcpStream::connect(server.address())?;
/// client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("# EOF\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a server that is not kept ends at once"]
pub struct MetricsServer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    monitor: Monitor,
    address: SocketAddr,
    is_over: AtomicBool,
    /// The client that is being served, so that it can be let go of when the server ends.
    client: Mutex<Option<TcpStream>>,
}

/// For one client, all in all.
const PATIENCE: Duration = Duration::from_secs(2);
const MOST_HEAD: usize = 8 << 10;
/// What is read of a request's body before the connection is closed, so that the client gets to read the answer.
const MOST_BODY: usize = 64 << 10;

impl Monitor {
    /// Serves the figures over HTTP until the server is dropped. Port 0 takes a free one, which
    /// [`MetricsServer::address`] names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotLoopback`] for an address that other machines could reach, [`ErrorKind::Listen`] if the
    /// system does not give the address, [`ErrorKind::Thread`] if it gives no thread.
    pub fn serve_metrics(&self, address: SocketAddr) -> Result<MetricsServer, Error> {
        if !address.ip().is_loopback() {
            return Err(ErrorKind::NotLoopback { address }.into());
        }
        let listen = |source| Error::from(ErrorKind::Listen { address, source });
        let listener = TcpListener::bind(address).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (is_over, client) = Default::default();
        let shared = Arc::new(Shared { monitor: self.clone(), address, is_over, client });
        let thread = std::thread::Builder::new()
            .name("metrics-server".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run(&listener)
            })
            .map_err(|source| ErrorKind::Thread { source })?;
        Ok(MetricsServer { shared, thread: Some(thread) })
    }
}

impl MetricsServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.is_over.store(true, Ordering::SeqCst);
        if let Some(client) = &*locked(&self.shared.client) {
            let _ = client.shutdown(Shutdown::Both);
        }
        // It waits for a client, so it is given one. If the system has no descriptor for that, it is left to end
        // with the process.
        if TcpStream::connect_timeout(&self.shared.address, PATIENCE).is_ok() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for MetricsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsServer").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn run(&self, listener: &TcpListener) {
        loop {
            let accepted = listener.accept();
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            match accepted {
                Ok((stream, _)) => self.serve(stream),
                // A client that went away, or no descriptor to be had: trying again at once would spin.
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Whatever goes wrong with one client is its own affair.
    fn serve(&self, stream: TcpStream) {
        let Ok(handle) = stream.try_clone() else { return };
        *locked(&self.client) = Some(handle);
        // Either this sees that it is over, or whoever ends it sees the client.
        if !self.is_over.load(Ordering::SeqCst) {
            let _ = self.answer(Client { stream, deadline: Instant::now() + PATIENCE });
        }
        *locked(&self.client) = None;
    }

    fn answer(&self, mut client: Client) -> io::Result<()> {
        let mut head = [0; MOST_HEAD];
        let (status, body) = match client.read_head(&mut head) {
            Ok(Some(head)) => self.route(head),
            Ok(None) => ("431 Request Header Fields Too Large", String::new()),
            Err(error) if is_timeout(&error) => ("408 Request Timeout", String::new()),
            Err(error) => return Err(error),
        };
        let kind = match body.is_empty() {
            true => "text/plain; charset=utf-8",
            false => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        };
        let body = if body.is_empty() { format!("{status}\n") } else { body };
        let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
        );
        // Somebody who was too slow to ask has a moment more to hear why.
        client.deadline = client.deadline.max(Instant::now() + PATIENCE / 10);
        client.write_all((head + &body).as_bytes())?;
        client.close()
    }

    /// Status and body; an empty body stands for the status itself.
    fn route(&self, head: &[u8]) -> (&'static str, String) {
        let refused = |status| (status, String::new());
        let Some((method, path)) = request(head) else { return refused("400 Bad Request") };
        match (method, path) {
            ("GET", "/metrics") => ("200 OK", self.monitor.openmetrics()),
            (_, "/metrics") => refused("405 Method Not Allowed"),
            _ => refused("404 Not Found"),
        }
    }
}

/// Method and path of a request's first line.
fn request(head: &[u8]) -> Option<(&str, &str)> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    if words.next().is_some() || !is_method || !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return None;
    }
    // A client that takes this for a proxy names the host as well.
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    path.starts_with('/').then_some((method, path))
}

fn is_timeout(error: &io::Error) -> bool {
    // Unix says the first, Windows the second.
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A connection with a deadline for all that is done with it.
struct Client {
    stream: TcpStream,
    deadline: Instant,
}

impl Client {
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            Some(left) => Ok(Some(left)),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(self.left()?)?;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// The request up to the empty line; `None` if that does not come within the buffer.
    fn read_head<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = self.read(&mut buffer[filled..])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // The end may lie across two reads.
            let from = filled.saturating_sub(3);
            filled += read;
            if let Some(end) = buffer[from..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                return Ok(Some(&buffer[..from + end]));
            }
        }
        Ok(None)
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(self.left()?)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that no more comes, and lets the client finish: closed with something unread, a connection is reset,
    /// and the answer may be lost with it.
    fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let (mut buffer, mut unread) = ([0; 4096], MOST_BODY);
        while unread > 0 {
            match self.read(&mut buffer)? {
                0 => break,
                read => unread = unread.saturating_sub(read),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve() -> (Monitor, MetricsServer) {
        let monitor = Monitor::unbounded();
        let server = monitor.serve_metrics("127.0.0.1:0".parse().unwrap()).unwrap();
        (monitor, server)
    }

    fn connect(server: &MetricsServer) -> TcpStream {
        let client = TcpStream::connect(server.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client
    }

    /// Status line, other header lines, and body.
    fn read_answer(client: &mut TcpStream) -> (String, String, String) {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let (status, headers) = head.split_once("\r\n").unwrap();
        let length = format!("Content-Length: {}\r\n", body.len());
        assert!(headers.contains(&length), "{headers}");
        (status.to_owned(), headers.to_owned(), body.to_owned())
    }

    fn ask(server: &MetricsServer, request: &[u8]) -> (String, String, String) {
        let mut client = connect(server);
        client.write_all(request).unwrap();
        read_answer(&mut client)
    }

    #[test]
    fn metrics_are_given_to_whoever_asks() {
        let (monitor, server) = serve();
        let _held = monitor.budget().consumer("batch").try_reserve(crate::Bytes(77)).unwrap();
        for request in [
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
            "GET /metrics?name=x HTTP/1.0\r\n\r\n",
            "GET http://localhost:9/metrics HTTP/1.1\r\n\r\n",
        ] {
            let (status, headers, body) = ask(&server, request.as_bytes());
            assert_eq!(status, "HTTP/1.1 200 OK");
            assert!(
                headers
                    .contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n")
            );
            assert!(body.contains("tidegate_memory_held_bytes{consumer=\"batch\"} 77\n"));
            assert!(body.ends_with("# EOF\n"));
        }
    }

    #[test]
    fn whatever_else_is_asked_is_refused() {
        let (_monitor, server) = serve();
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(MOST_HEAD));
        let post = format!("POST /metrics HTTP/1.1\r\nContent-Length: 9999\r\n\r\n{}", "b".repeat(9999));
        for (request, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET http://localhost HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("POST / HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            (&post, "405 Method Not Allowed"),
            ("GET /metrics\r\n\r\n", "400 Bad Request"),
            ("GET /metrics HTTP/2\r\n\r\n", "400 Bad Request"),
            ("GET metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
            ("G\u{e9}T /metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
            ("\r\n\r\n", "400 Bad Request"),
            (&long, "431 Request Header Fields Too Large"),
        ] {
            let (answered, headers, body) = ask(&server, request.as_bytes());
            assert_eq!(answered, format!("HTTP/1.1 {status}"), "{request:.40}");
            assert_eq!(body, format!("{status}\n"));
            assert_eq!(headers.contains("Allow: GET\r\n"), status.starts_with("405"));
        }
        let (status, ..) = ask(&server, b"GET /\xff HTTP/1.1\r\n\r\n");
        assert_eq!(status, "HTTP/1.1 400 Bad Request");
    }

    #[test]
    fn a_request_may_come_in_pieces() {
        let (_monitor, server) = serve();
        let mut client = connect(&server);
        for piece in ["GE", "T /metr", "ics HTTP/1.1\r", "\n\r", "\n"] {
            client.write_all(piece.as_bytes()).unwrap();
            client.flush().unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(read_answer(&mut client).0, "HTTP/1.1 200 OK");
    }

    #[test]
    fn slow_and_broken_clients_hold_nobody_for_long() {
        let (_monitor, server) = serve();
        // One says nothing, one goes away in the middle, one never reads.
        let mut silent = connect(&server);
        connect(&server).write_all(b"GET /met").unwrap();
        let deaf = connect(&server);
        (&deaf).write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(ask(&server, b"GET /metrics HTTP/1.1\r\n\r\n").0, "HTTP/1.1 200 OK");
        assert_eq!(read_answer(&mut silent).0, "HTTP/1.1 408 Request Timeout");
    }

    #[test]
    fn it_ends_at_once_though_a_client_is_slow() {
        let (_monitor, server) = serve();
        let address = server.address();
        let mut silent = connect(&server);
        silent.write_all(b"GET").unwrap();
        drop(server);
        // Let go of without an answer, and nobody listens any more.
        let mut rest = Vec::new();
        let _ = silent.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{rest:?}");
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn only_this_machine_is_served() {
        let monitor = Monitor::unbounded();
        for address in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0"] {
            let error = monitor.serve_metrics(address.parse().unwrap()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "metrics are not served at {address}, which other machines could reach; give an address of the \
                     loopback interface, such as 127.0.0.1:9464"
                )
            );
        }
        let (_other, server) = serve();
        let error = monitor.serve_metrics(server.address()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Listen { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            format!("metrics cannot be served at {}; give an address that is free", server.address())
        );
    }
}
