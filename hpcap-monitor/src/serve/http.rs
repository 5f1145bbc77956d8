//! Serves the page and the metrics over HTTP, in a thread of its own.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hpcap::Result;
use hpcap::error::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Format, Published, listeners};

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
pub struct Shared {
    published: Arc<Mutex<Published>>,
    page: Arc<Mutex<Option<Page>>>,
}

/// The page of a sample. However many clients ask, each sample has one page.
#[derive(Debug, Clone)]
struct Page {
    samples: u64,
    nonce: String,
    html: Bytes,
}

impl Shared {
    /// Replaces the published state.
    pub fn set(&self, published: Published) {
        *self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = published;
    }

    /// Returns the published state.
    #[must_use]
    pub fn get(&self) -> Published {
        let published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        published.clone()
    }

    fn page(&self) -> Page {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let published = self.get();
        if let Some(page) = page
            .as_ref()
            .filter(|page| page.samples == published.samples)
        {
            return page.clone();
        }
        let nonce = nonce();
        let new = Page {
            samples: published.samples,
            html: Bytes::from(published.page(&nonce)),
            nonce,
        };
        *page = Some(new.clone());
        new
    }
}

/// Returns a random word that nobody can guess.
fn nonce() -> String {
    let mut bytes = [0; 16];
    // Without it, no style sheet has the word, and the page is plain.
    if getrandom::fill(&mut bytes).is_err() {
        return "none".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Starts to serve at `address` and at the socket `path`, and returns the address that is served, in which
/// a port 0 is replaced by a free port.
///
/// # Errors
/// Errors of the operating system, such as for an address in use.
pub fn start(
    address: Option<SocketAddr>,
    path: Option<&Path>,
    shared: Shared,
) -> Result<Option<SocketAddr>> {
    let tried = || "serve HTTP";
    let tcp = address.map(listeners::at_address).transpose()?;
    let unix = path.map(listeners::at_path).transpose()?;
    let served = tcp
        .as_ref()
        .map(TcpListener::local_addr)
        .transpose()
        .context(tried)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context(tried)?;
    std::thread::Builder::new()
        .name("http".into())
        .spawn(move || runtime.block_on(serve(tcp, unix, shared)))
        .context(tried)?;
    Ok(served)
}

async fn serve(tcp: Option<TcpListener>, unix: Option<UnixListener>, shared: Shared) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let at_address = async {
        if let Some(Ok(listener)) = tcp.map(tokio::net::TcpListener::from_std) {
            accept(&free, &shared, || async {
                listener.accept().await.map(|(stream, _)| stream)
            })
            .await;
        }
    };
    let at_path = async {
        if let Some(Ok(listener)) = unix.map(tokio::net::UnixListener::from_std) {
            accept(&free, &shared, || async {
                listener.accept().await.map(|(stream, _)| stream)
            })
            .await;
        }
    };
    tokio::join!(at_address, at_path);
}

async fn accept<S, F>(free: &Arc<Semaphore>, shared: &Shared, next: impl Fn() -> F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = std::io::Result<S>>,
{
    loop {
        let Ok(permit) = Arc::clone(free).acquire_owned().await else {
            return;
        };
        match next().await {
            Ok(stream) => {
                tokio::spawn(serve_client(stream, shared.clone(), permit));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve_client<S>(stream: S, shared: Shared, permit: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
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
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is served\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
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
            let text = shared.get().text(format);
            respond(StatusCode::OK, format.content_type(), text.into())
        }
        "/" => {
            let page = shared.page();
            let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", page.html);
            let policy = format!(
                "default-src 'none'; style-src 'nonce-{}'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'",
                page.nonce
            );
            if let Ok(policy) = HeaderValue::from_str(&policy) {
                response
                    .headers_mut()
                    .insert(CONTENT_SECURITY_POLICY, policy);
            }
            response
        }
        _ => plain(StatusCode::NOT_FOUND, "there is / and /metrics\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    respond(
        status,
        "text/plain; charset=utf-8",
        Bytes::from_static(text.as_bytes()),
    )
}

fn respond(status: StatusCode, content: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, content),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
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

    fn serve_at_free_port(shared: Shared) -> SocketAddr {
        let address = ([127, 0, 0, 1], 0).into();
        start(Some(address), None, shared).unwrap().unwrap()
    }

    fn server() -> SocketAddr {
        serve_at_free_port(Shared::default())
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
    fn page_may_load_nothing() {
        let answer = get(server(), "/", "");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert!(
            head.contains("content-type: text/html; charset=utf-8"),
            "{head}"
        );
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        let (_, rest) = head
            .split_once("default-src 'none'; style-src 'nonce-")
            .unwrap();
        let nonce = rest.split_once('\'').unwrap().0;
        assert!(
            nonce.len() == 32 && body.contains(&format!("<style nonce=\"{nonce}\">")),
            "{head}"
        );
        assert!(
            !head.contains("unsafe") && !body.contains("<script"),
            "{head}"
        );
        assert!(body.contains("There is no sample yet"), "{body}");
    }

    #[test]
    fn head_has_no_body() {
        let address = server();
        for path in ["/", "/metrics", "/other"] {
            let request = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = ask(address, &request);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 ") && body.is_empty(), "{answer}");
        }
    }

    #[test]
    fn samples_have_one_page_each() {
        let shared = Shared::default();
        let address = serve_at_free_port(shared.clone());
        let first = get(address, "/", "");
        let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        assert_eq!(body(&first), body(&get(address, "/", "")));
        shared.set(Published {
            samples: 7,
            ..Published::default()
        });
        assert!(get(address, "/", "").contains("7 samples"));
    }

    #[test]
    fn client_that_reads_nothing_delays_nobody() {
        let address = server();
        let mut stuck = TcpStream::connect(address).unwrap();
        for _ in 0..200 {
            stuck
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
        }
        assert!(get(address, "/", "").starts_with("HTTP/1.1 200"));
        drop(stuck);
    }

    #[test]
    fn socket_serves_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http");
        assert_eq!(start(None, Some(&path), Shared::default()).unwrap(), None);
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("hpcap_build_info"), "{answer}");
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
        let error = start(Some(address), None, Shared::default()).unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
