//! Requests of programs in the guest, passed on to the host.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::port::Port;
use crate::channel::Kind;
use crate::control::SOCKET;

/// The clients that wait for an answer, by the number of their request.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: Mutex<HashMap<u32, UnixStream>>,
    next: AtomicU32,
}

impl Questions {
    /// Sends the host's answer to the client that made the request.
    pub(super) fn answer(&self, id: u32, body: Vec<u8>) {
        let asked = self
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        if let Some(mut stream) = asked {
            // The client may have ended. A small answer fits into the socket buffer, so this write
            // does not block.
            let _ = stream.write_all(&body);
        }
    }

    fn ask(&self, mut stream: UnixStream, port: &Port) -> io::Result<()> {
        let mut question = Vec::new();
        stream.read_to_end(&mut question)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(id, stream);
        drop(asked);
        port.send(Kind::Ask, id, &question)
    }
}

/// Starts to accept requests. A client writes its request, shuts down its sending direction, and
/// reads the answer until its end.
pub(super) fn listen(port: Arc<Port>) -> io::Result<Arc<Questions>> {
    let listener = UnixListener::bind(SOCKET)?;
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666))?;
    let questions = Arc::new(Questions::default());
    let taking = Arc::clone(&questions);
    let take = move || {
        for stream in listener.incoming().flatten() {
            let (taking, port) = (Arc::clone(&taking), Arc::clone(&port));
            let one = move || taking.ask(stream, &port);
            // If no thread can be started, the stream is dropped and the client sees the end of the
            // stream.
            let _ = thread::Builder::new()
                .name("question".to_owned())
                .spawn(one);
        }
    };
    thread::Builder::new()
        .name("questions".to_owned())
        .spawn(take)?;
    Ok(questions)
}
