//! The serial port to the host.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::at;
use crate::channel::{Kind, Message, PORT};

/// The port. Any thread may send, and one thread receives.
#[derive(Debug)]
pub(super) struct Port {
    reading: Mutex<BufReader<File>>,
    writing: Mutex<File>,
}

impl Port {
    pub(super) fn open() -> io::Result<Self> {
        let path = find(Path::new("/sys/class/virtio-ports"))?;
        let file = at(
            path.display(),
            OpenOptions::new().read(true).write(true).open(&path),
        )?;
        Ok(Self {
            reading: Mutex::new(BufReader::new(file.try_clone()?)),
            writing: Mutex::new(file),
        })
    }

    pub(super) fn send(&self, kind: Kind, id: u32, body: &[u8]) -> io::Result<()> {
        let mut file = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Message::write(kind, id, body, &mut *file)
    }

    pub(super) fn receive(&self) -> io::Result<Message> {
        let mut file = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        Message::read(&mut *file)
    }
}

/// Finds the device of the port by the name that the kernel shows.
fn find(class: &Path) -> io::Result<PathBuf> {
    for entry in at(class.display(), fs::read_dir(class))? {
        let entry = entry?;
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if name.trim_end() == PORT {
            return Ok(Path::new("/dev").join(entry.file_name()));
        }
    }
    let message = format!("no serial port is called {PORT}");
    Err(io::Error::new(io::ErrorKind::NotFound, message))
}
