//! Questions of programs in the guest, handed on to the host.

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

/// Who waits for which answer.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: Mutex<HashMap<u32, UnixStream>>,
    next: AtomicU32,
}

impl Questions {
    /// The host's answer, to whoever asked.
    pub(super) fn answer(&self, id: u32, body: Vec<u8>) {
        let asked = self
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        if let Some(mut stream) = asked {
            // Who asked may be gone; what is small fits into the socket without waiting.
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

/// Takes questions from now on. A client writes its question, shuts down its direction, and reads
/// the answer to the end.
pub(super) fn listen(port: Arc<Port>) -> io::Result<Arc<Questions>> {
    let listener = UnixListener::bind(SOCKET)?;
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666))?;
    let questions = Arc::new(Questions::default());
    let taking = Arc::clone(&questions);
    let take = move || {
        for stream in listener.incoming().flatten() {
            let (taking, port) = (Arc::clone(&taking), Arc::clone(&port));
            let one = move || taking.ask(stream, &port);
            // Without a thread the stream is dropped, which its client sees.
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
