//! The destination in which files are created, and the properties of new files.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use hpcap::compress::{Compression, FileFormat};
use hpcap::error::Context;
use hpcap::raw::{FileName, PartFile, SourceName, name};
use hpcap::{Error, Kind, QueueName, Result, Timestamp};

use nix::sys::resource::{Resource, getrlimit};

use crate::storage::access::Access;
use crate::storage::direct::DirectFile;
use crate::storage::error::StorageError;
use crate::storage::file::{CaptureFile, Reservation};
use crate::storage::retention::OwnFiles;
use crate::storage::room::Room;

/// Bytes of room that a new file needs before it is created.
const FIRST_BYTES: u64 = 64 << 10;

/// The folder in which files are created, and the properties of new files.
#[derive(Debug, Clone)]
pub struct OutputFolder {
    base: PathBuf,
    /// Path of the one file that was asked for, if the destination is not a folder.
    asked: Option<PathBuf>,
    format: FileFormat,
    compression: Compression,
    queue: QueueName,
    source: Option<SourceName>,
    own: OwnFiles,
    reserve_bytes: u64,
    /// Bytes of the disk that stay free when room is reserved.
    leave_bytes: u64,
    room: Room,
    access: Access,
    direct: bool,
    last: Cell<Option<FileName>>,
}

impl OutputFolder {
    /// A folder for the files of `queue` below `base`. Creates `base` if its parent exists.
    ///
    /// # Errors
    /// [`Kind::Usage`] if `base` is not a folder, and errors of the file system if it cannot be
    /// created or written to.
    pub fn open(base: &Path, queue: QueueName, direct: bool) -> Result<Self> {
        let tried = || format!("record into {}", base.display());
        match std::fs::create_dir(base) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::io(tried(), e)
                    .advise("its parent folder does not exist either; only DEST itself is made"));
            }
            Err(e) => return Err(Error::io(tried(), e)),
        }
        if !base.is_dir() {
            return Err(
                Error::new(Kind::Usage, tried(), "it is a file; a folder is expected")
                    .advise("give a folder, null, or - for pcapng on stdout"),
            );
        }
        let access = nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK;
        nix::unistd::access(base, access).context(tried)?;
        Ok(Self {
            base: base.to_owned(),
            asked: None,
            format: FileFormat::Raw,
            compression: Compression::None,
            queue,
            source: None,
            own: OwnFiles::default(),
            reserve_bytes: 0,
            leave_bytes: 0,
            room: Room::default(),
            access: Access::default(),
            direct,
            last: Cell::new(None),
        })
    }

    /// The one file `path` of `queue`, in a folder that must exist. If frames cannot go into the
    /// file any more, they go into one of the same name with a number.
    ///
    /// # Errors
    /// [`Kind::Usage`] if a file of that name exists already, finished or as `.part`;
    /// [`Kind::NotFound`] if the folder does not exist; and errors of [`OutputFolder::open`].
    pub fn open_file(path: &Path, queue: QueueName, direct: bool) -> Result<Self> {
        let tried = || format!("record into {}", path.display());
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(Error::new(
                Kind::NotFound,
                tried(),
                "its folder does not exist",
            ));
        }
        for taken in [path.to_owned(), name::part_of(path)] {
            if taken.symlink_metadata().is_ok() {
                return Err(Error::new(
                    Kind::Usage,
                    tried(),
                    format!("{} is there already", taken.display()),
                )
                .advise(
                    "nothing is ever overwritten: remove it, choose another name, or name a \
                     folder, in which files are named after their time",
                ));
            }
        }
        let mut this = Self::open(folder, queue, direct)?;
        this.asked = Some(path.to_owned());
        Ok(this)
    }

    /// Names the files after `source`, from which this process captures.
    #[must_use]
    pub fn named(mut self, source: Option<SourceName>) -> Self {
        self.source = source;
        self
    }

    /// The files that were created in this folder.
    #[must_use]
    pub fn own_files(&self) -> OwnFiles {
        self.own.clone()
    }

    /// Returns the same folder, for files of another queue.
    #[must_use]
    pub fn of(mut self, queue: QueueName) -> Self {
        self.queue = queue;
        self.last = Cell::new(None);
        self
    }

    /// Sets the format of the files, and how finished files are compressed.
    #[must_use]
    pub fn writing(mut self, format: FileFormat, compression: Compression) -> Self {
        (self.format, self.compression) = (format, compression);
        self
    }

    /// The format of the files.
    #[must_use]
    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// Whether the destination is one file, and not a folder.
    #[must_use]
    pub fn is_one_file(&self) -> bool {
        self.asked.is_some()
    }

    /// Largest file, in bytes, that this process may write (`ulimit -f`).
    #[must_use]
    pub fn file_bytes_max(&self) -> u64 {
        getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(limit, _)| limit)
    }

    /// Reserves `bytes` bytes of room for each file when it is created.
    #[must_use]
    pub fn reserving(mut self, bytes: u64) -> Self {
        self.reserve_bytes = bytes;
        self
    }

    /// Leaves `bytes` bytes of the disk free when room is reserved.
    #[must_use]
    pub fn leaving(mut self, bytes: u64) -> Self {
        self.leave_bytes = bytes;
        self
    }

    /// Takes the room of the files from `room`.
    #[must_use]
    pub fn within(mut self, room: Room) -> Self {
        self.room = room;
        self
    }

    /// The room of the files.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Sets the group and the mode of the files.
    #[must_use]
    pub fn accessible(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The folder of the files.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Creates the next file.
    ///
    /// # Errors
    /// The errors of [`OutputFolder::create_with_room`].
    pub fn create(&self) -> std::result::Result<CaptureFile, StorageError> {
        self.create_with_room(FIRST_BYTES)
    }

    /// Creates the next file, with room for `bytes` bytes. A caller that needs this room at once must
    /// ask for all of it here: if it gave the file up for want of room, it would give up the room
    /// that it got, too, and never get enough.
    ///
    /// # Errors
    /// [`StorageError::NoRoomYet`] if the limits of the folder leave no room for the file, otherwise
    /// [`StorageError::Passing`]: a folder can come back, and permissions can change.
    pub fn create_with_room(&self, bytes: u64) -> std::result::Result<CaptureFile, StorageError> {
        let mut claim = self.room.claim();
        if !claim.cover(bytes.max(FIRST_BYTES)) {
            return Err(StorageError::NoRoomYet);
        }
        let made = move || -> Result<CaptureFile> {
            let now = Timestamp::now();
            let same = |last: &FileName| self.asked.is_some() || last.start_sec == now.sec();
            let last = self.last.get().filter(same);
            let name = FileName {
                sequence: last.map_or(0, |last| last.sequence + 1),
                format: self.format,
                compression: self.compression,
                source: self.source,
                ..FileName::new(now.sec(), self.queue)
            };
            if self.asked.is_none() {
                // The folder existed when the recording began, but somebody may have removed it
                // since.
                let _ = std::fs::create_dir(&self.base);
            }
            let part = match &self.asked {
                Some(path) => PartFile::create_at(path, name)?,
                None => PartFile::create_from(&self.base, name)?,
            };
            self.last.set(Some(part.name()));
            self.own.add(part.file());
            claim.add(part.file());
            self.access.give_part(&part, self.asked.is_none())?;
            let path = part.path();
            let file = part
                .file()
                .try_clone()
                .context(|| format!("open {}", path.display()));
            let file = match file {
                Ok(file) => file,
                Err(e) => {
                    // The file is empty and would stay so.
                    let _ = part.discard();
                    return Err(e);
                }
            };
            let io = DirectFile::new(file, self.direct);
            let own = self.own.clone();
            let reservation = Reservation {
                bytes: 0,
                wanted: self.reserve_bytes,
                leave: self.leave_bytes,
            };
            Ok(CaptureFile::new(
                part,
                io,
                claim,
                reservation,
                own,
                self.access,
            ))
        };
        made().map_err(StorageError::of_open)
    }
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
