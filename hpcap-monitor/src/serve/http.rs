//! Serves the metrics over HTTP, in a thread of its own.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hpcap::Result;
use hpcap::error::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use super::{Format, Published};

/// Most connections at once. Further ones wait.
const CONNECTIONS: usize = 32;
/// Longest time that a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest time of a connection, so that clients that read nothing do not stay.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// Pause after a connection could not be accepted, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The published state, shared between the sampling thread and the server.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Published>>);

impl Shared {
    /// Replaces the published state.
    pub fn set(&self, published: Published) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = published;
    }

    /// Returns the published state.
    #[must_use]
    pub fn get(&self) -> Published {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Starts to serve at `address`, and returns the address that is served, in which a port 0 is
/// replaced by a free port.
///
/// # Errors
/// Errors of the operating system, such as for an address in use.
pub fn start(address: SocketAddr, shared: Shared) -> Result<SocketAddr> {
    let tried = || format!("serve HTTP at {address}");
    let listener = TcpListener::bind(address).context(tried).map_err(|e| {
        e.or_advise("stop the other program, or give another address with --listen")
    })?;
    listener.set_nonblocking(true).context(tried)?;
    let served = listener.local_addr().context(tried)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context(tried)?;
    std::thread::Builder::new()
        .name("http".into())
        .spawn(move || runtime.block_on(serve(listener, shared)))
        .context(tried)?;
    Ok(served)
}

async fn serve(listener: TcpListener, shared: Shared) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&request, &shared);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off concerns nobody else.
            let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
            drop(permit);
        });
    }
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is served\n");
        let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let accept = request.headers().get(ACCEPT);
            let accept = accept
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let format = Format::accepted(accept);
            respond(
                StatusCode::OK,
                format.content_type(),
                shared.get().text(format),
            )
        }
        "/" => plain(
            StatusCode::OK,
            "hpcap-monitor: the metrics for Prometheus are at /metrics\n",
        ),
        _ => plain(StatusCode::NOT_FOUND, "there is / and /metrics\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", text.into())
}

fn respond(status: StatusCode, content: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static(content),
    );
    headers.insert(
        CACHE_CONTROL,
        hyper::header::HeaderValue::from_static("no-store"),
    );
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    /// Sends `request` and returns the whole answer.
    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn get(address: SocketAddr, path: &str, header: &str) -> String {
        ask(
            address,
            &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n"),
        )
    }

    fn server() -> SocketAddr {
        start(([127, 0, 0, 1], 0).into(), Shared::default()).unwrap()
    }

    #[test]
    fn metrics_have_the_format_that_was_asked_for() {
        let address = server();
        let plain = get(address, "/metrics", "");
        assert!(plain.starts_with("HTTP/1.1 200"), "{plain}");
        assert!(plain.contains("text/plain; version=0.0.4"), "{plain}");
        let open = get(
            address,
            "/metrics",
            "Accept: application/openmetrics-text;version=1.0.0\r\n",
        );
        assert!(
            open.contains("application/openmetrics-text; version=1.0.0"),
            "{open}"
        );
        assert!(open.ends_with("# EOF\n"), "{open}");
    }

    #[test]
    fn other_requests_are_refused() {
        let address = server();
        assert!(get(address, "/etc/passwd", "").starts_with("HTTP/1.1 404"));
        let post =
            "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert!(ask(address, post).starts_with("HTTP/1.1 405"));
        assert!(ask(address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    }

    #[test]
    fn silent_clients_keep_nobody_out() {
        let address = server();
        let silent: Vec<TcpStream> = (0..CONNECTIONS - 1)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        assert!(get(address, "/metrics", "").starts_with("HTTP/1.1 200"));
        drop(silent);
    }

    #[test]
    fn address_in_use_is_named() {
        let address = server();
        let error = start(address, Shared::default()).unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
