//! Files of a recording: created as `.part`, written, sealed, and finished under their final name.

use std::cell::Cell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hpcap::compress::{Compression, FileFormat};
use hpcap::error::Context;
use hpcap::raw::index::Index;
use hpcap::raw::{FileName, PartFile, SourceName, name};
use hpcap::{Count, Error, Kind, QueueName, Result, Timestamp};

use nix::sys::resource::{Resource, getrlimit};

use crate::report::event::{FileComplete, Frames};
use crate::storage::access::Access;
use crate::storage::direct::DirectFile;
use crate::storage::error::StorageError;
use crate::storage::finish::compress::compress;
use crate::storage::retention::OwnFiles;

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
    /// Always [`StorageError::Passing`]: a folder can come back, and permissions can change.
    pub fn create(&self) -> std::result::Result<CaptureFile, StorageError> {
        let made = || -> Result<CaptureFile> {
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
            io.reserve(self.reserve_bytes, self.leave_bytes);
            Ok(CaptureFile {
                part,
                path,
                io,
                own: self.own.clone(),
                access: self.access,
                opened: Instant::now(),
            })
        };
        made().map_err(StorageError::of_open)
    }
}

/// A `.part` file that this recorder writes.
#[derive(Debug)]
pub struct CaptureFile {
    part: PartFile,
    path: PathBuf,
    io: DirectFile,
    own: OwnFiles,
    access: Access,
    opened: Instant,
}

impl CaptureFile {
    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Metadata of the open file, even if its path leads to another file by now.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn metadata(&self) -> std::io::Result<std::fs::Metadata> {
        self.io.file().metadata()
    }

    /// Whether the file has been removed, or its name leads to another one.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        is_gone(self.io.file(), &self.path)
    }

    /// Whether the file has no name any more, so that its content is lost.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }

    /// Time at which the file was created.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Writes `bytes` at offset `off`, except the first `done` bytes, which are in the file
    /// already.
    ///
    /// # Errors
    /// [`StorageError`]. `done` counts the bytes that are in the file.
    pub fn write(
        &mut self,
        bytes: &[u8],
        off: u64,
        done: &mut u64,
    ) -> std::result::Result<(), StorageError> {
        let before = *done;
        let result = self.io.write_all_at(bytes, off, done);
        self.io.start_writeback(off + before, *done - before);
        result.map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Sends all later writes through the page cache, because writes at a file's end are unaligned.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn make_buffered(&mut self) -> std::result::Result<(), StorageError> {
        self.io
            .make_buffered()
            .map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Returns a handle for writing the file from its start through the page cache.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn appender(&mut self) -> std::result::Result<std::fs::File, StorageError> {
        // The clone shares the flags of the file, so O_DIRECT must be off.
        self.make_buffered()?;
        self.io
            .file()
            .try_clone()
            .map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Fills `bytes` from offset `off`. Call [`CaptureFile::make_buffered`] first.
    ///
    /// # Errors
    /// Errors of the file system, and an end of the file before `bytes` is full.
    pub fn read(&self, bytes: &mut [u8], off: u64) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self.io.file(), bytes, off)
    }

    /// Cuts the file to `len` bytes, and frees the room that was reserved behind them.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn cut(&mut self, len: u64) -> std::result::Result<(), StorageError> {
        set_len(self.io.file(), len).map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Flushes the data to the disk.
    pub fn sync(&self) {
        // An error here appears again when the file is finished.
        let _ = self.io.file().sync_data();
    }

    /// Removes the file, of which nothing is needed.
    pub fn discard(self) {
        // If this fails, an empty .part remains.
        let _ = self.part.discard();
    }
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether `path` does not lead to `file` any more. If `path` cannot be looked at, it counts as
/// unchanged.
fn is_gone(file: &std::fs::File, path: &Path) -> bool {
    let Ok(ours) = file.metadata() else {
        return false;
    };
    match std::fs::symlink_metadata(path) {
        Ok(there) => (there.dev(), there.ino()) != (ours.dev(), ours.ino()),
        Err(e) => matches!(
            e.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
        ),
    }
}

/// The reason why a sealed file could not be finished.
#[derive(Debug)]
pub enum Unfinished {
    /// Somebody removed the file, so its frames are lost.
    Removed(Error),
    /// Somebody renamed the file, or took its disk away. The file is whole, wherever it is.
    Moved(Error),
    /// Finishing failed. The file stays as `.part`.
    Failed(Error),
}

impl From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Makes the error about a file that is not at its path any more.
#[must_use]
pub fn gone(path: &Path) -> Error {
    Error::new(
        Kind::NotFound,
        format!("go on writing {}", path.display()),
        "it is not there any more: somebody has removed, renamed or replaced it",
    )
}

/// Sets a file's length. Only shrinking frees the room that was reserved behind the end, so the
/// file first grows by a byte.
fn set_len(file: &std::fs::File, len: u64) -> std::io::Result<()> {
    file.set_len(len + 1)?;
    file.set_len(len)
}

/// A file with all its frames, which lacks only its final length and name.
#[derive(Debug)]
pub struct Sealed {
    /// The file, which is still open.
    pub file: CaptureFile,
    /// Final length of the file in bytes. The room that was reserved behind it is freed.
    pub len: u64,
    /// Frames in the file.
    pub frames: Count,
    /// Index of a RAW file; `None` for other formats.
    pub index: Option<Index>,
}

impl Sealed {
    /// Cuts the file to its length, flushes it to the disk, gives it its final name, and saves its
    /// index. Calls `meanwhile` now and then while the file is compressed. A failure to compress
    /// the file or to save its index is returned beside the finished file, because both can be
    /// repeated.
    ///
    /// # Errors
    /// [`Unfinished`], which says what became of the file.
    pub fn finish(
        self,
        meanwhile: &mut dyn FnMut(),
    ) -> std::result::Result<(FileComplete, Option<Error>), Unfinished> {
        let Self {
            file,
            mut len,
            frames,
            index,
        } = self;
        let CaptureFile {
            part,
            path,
            io,
            own,
            access,
            opened,
        } = file;
        let tried = || format!("finish {}", path.display());
        set_len(io.file(), len).context(tried)?;
        io.file().sync_data().context(tried)?;
        if is_gone(io.file(), &path) {
            let links = io.file().metadata().map_or(1, |meta| meta.nlink());
            return Err(match links {
                0 => Unfinished::Removed(
                    gone(&path).advise("the frames in it are counted as storage"),
                ),
                _ => Unfinished::Moved(gone(&path).advise("it is whole, wherever it is")),
            });
        }
        drop(io);
        let mut problem = None;
        let mut packed = None;
        if part.name().compression != Compression::None {
            match compress(&part, len, &own, meanwhile) {
                Ok(done) => packed = Some(done),
                Err(e) => problem = Some(e.advise("the file is kept as it is")),
            }
        }
        let path = match packed {
            Some((path, bytes)) => {
                len = bytes;
                access.give_beside(&path);
                path
            }
            None => part.finish()?.1,
        };
        if let Some(mut index) = index {
            index.file_bytes = len;
            problem = index.save(&path).err();
            access.give_beside(&hpcap::raw::index::path_for(&path));
        }
        // Flushes the name to the disk. Failures are ignored, because some file systems cannot sync
        // a folder.
        let _ = std::fs::File::open(folder_of(&path)).and_then(|f| f.sync_all());
        let complete = FileComplete {
            path,
            bytes: len,
            frames: Frames::from(frames),
            seconds: opened.elapsed().as_secs_f64(),
        };
        Ok((complete, problem))
    }
}
