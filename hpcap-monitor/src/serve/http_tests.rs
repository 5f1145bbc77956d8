//! Tests of the server with real connections.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::serve::Published;

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
fn metrics_have_the_requested_format() {
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
fn client_that_reads_nothing_delays_no_other() {
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
fn silent_clients_leave_room_for_others() {
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
