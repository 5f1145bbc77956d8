//! Serves the page and the metrics over HTTP, in a thread of its own.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
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

use super::{Format, Shared, listeners};

/// Largest number of connections at the same time. Further clients wait.
const CONNECTIONS: usize = 32;
/// Longest time that a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest time of a connection, so that clients that read nothing do not stay.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// Pause after a connection could not be accepted, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    // A client that breaks its connection must not disturb the others.
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
#[path = "http_tests.rs"]
mod tests;
