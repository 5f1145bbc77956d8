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

/// The folder that files are made in, and how.
#[derive(Debug, Clone)]
pub struct OutputFolder {
    base: PathBuf,
    /// The one file that was asked for, where it was.
    asked: Option<PathBuf>,
    format: FileFormat,
    compression: Compression,
    queue: QueueName,
    source: Option<SourceName>,
    own: OwnFiles,
    reserve_bytes: u64,
    /// Bytes of the disk that reserving leaves free.
    leave_bytes: u64,
    access: Access,
    direct: bool,
    last: Cell<Option<FileName>>,
}

impl OutputFolder {
    /// Files of `queue` below `base`, which is made if its parent exists.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it is no folder, and those of the file
    /// system when it cannot be made or written to.
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

    /// The one file `path` of `queue`, in a folder that must exist. What cannot stand in it gets
    /// its name with a number.
    ///
    /// # Errors
    /// When something of that name is there already, and those of [`OutputFolder::open`].
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

    /// Files are named after the source that this process captures from.
    #[must_use]
    pub fn named(mut self, source: Option<SourceName>) -> Self {
        self.source = source;
        self
    }

    /// The files that were made here.
    #[must_use]
    pub fn own_files(&self) -> OwnFiles {
        self.own.clone()
    }

    /// The same folder, for files of another queue.
    #[must_use]
    pub fn of(mut self, queue: QueueName) -> Self {
        self.queue = queue;
        self.last = Cell::new(None);
        self
    }

    /// Files of this format, compressed so when they are finished.
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

    /// Whether one file was asked for, and no folder.
    #[must_use]
    pub fn is_one_file(&self) -> bool {
        self.asked.is_some()
    }

    /// Bytes that this process may write to a file (`ulimit -f`).
    #[must_use]
    pub fn file_bytes_max(&self) -> u64 {
        getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(limit, _)| limit)
    }

    /// Reserves this much room for each file when it is made.
    #[must_use]
    pub fn reserving(mut self, bytes: u64) -> Self {
        self.reserve_bytes = bytes;
        self
    }

    /// Reserving leaves this much of the disk free.
    #[must_use]
    pub fn leaving(mut self, bytes: u64) -> Self {
        self.leave_bytes = bytes;
        self
    }

    /// Who may read the files.
    #[must_use]
    pub fn accessible(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Where the files go.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Makes the next file.
    ///
    /// # Errors
    /// [`StorageError::Passing`], whatever it is: a folder can come back, permissions can change.
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
                // It was there when the recording began; somebody has removed it since.
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
    /// Where it is now.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file system says of it, whatever its name leads to by now.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn metadata(&self) -> std::io::Result<std::fs::Metadata> {
        self.io.file().metadata()
    }

    /// Whether the file has been removed, or its name leads to another one.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        is_gone(self.io.file(), &self.path)
    }

    /// Whether nothing leads to the file any more: what was in it is lost.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }

    /// When it was made.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Writes `bytes` at `off`, going on behind the first `done` of them.
    ///
    /// # Errors
    /// What the failure means; `done` counts what is in the file.
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

    /// From now on through the page cache: for the unaligned writes of a file's end.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn make_buffered(&mut self) -> std::result::Result<(), StorageError> {
        self.io
            .make_buffered()
            .map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// The file, for writing from its start through the page cache.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn appender(&mut self) -> std::result::Result<std::fs::File, StorageError> {
        // The clone shares the flags.
        self.make_buffered()?;
        self.io
            .file()
            .try_clone()
            .map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Reads back what stands at `off`; call [`CaptureFile::make_buffered`] first.
    ///
    /// # Errors
    /// Those of the file system, or fewer bytes.
    pub fn read(&self, bytes: &mut [u8], off: u64) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self.io.file(), bytes, off)
    }

    /// Cuts it, and gives back what was reserved behind that.
    ///
    /// # Errors
    /// What the failure means.
    pub fn cut(&mut self, len: u64) -> std::result::Result<(), StorageError> {
        set_len(self.io.file(), len).map_err(|e| StorageError::of_write(&self.path, e))
    }

    /// Has the data reach the disk.
    pub fn sync(&self) {
        // An error here shows again when the file is finished.
        let _ = self.io.file().sync_data();
    }

    /// Removes it: nothing was stored in it.
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

/// Whether `path` does not lead to `file` any more. What cannot be looked at is taken as there.
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

/// A file that was sealed, and cannot be finished.
#[derive(Debug)]
pub enum Unfinished {
    /// Somebody removed it: its frames are lost.
    Removed(Error),
    /// Somebody gave it another name, or took its disk away: it is whole where it is.
    Moved(Error),
    /// It stays as `.part`.
    Failed(Error),
}

impl From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What is wrong with a file that is not there any more.
#[must_use]
pub fn gone(path: &Path) -> Error {
    Error::new(
        Kind::NotFound,
        format!("go on writing {}", path.display()),
        "it is not there any more: somebody has removed, renamed or replaced it",
    )
}

/// Sets a file's length. Only shrinking gives back what was reserved behind the end, hence the
/// detour.
fn set_len(file: &std::fs::File, len: u64) -> std::io::Result<()> {
    file.set_len(len + 1)?;
    file.set_len(len)
}

/// A file with all its frames, which lacks only its final length and name.
#[derive(Debug)]
pub struct Sealed {
    /// The file.
    pub file: CaptureFile,
    /// Its final length in bytes: what was reserved behind it is given back.
    pub len: u64,
    /// Frames in it.
    pub frames: Count,
    /// Where its blocks start, of a RAW file.
    pub index: Option<Index>,
}

impl Sealed {
    /// Cuts it to its length, has it reach the disk, gives it its name, and saves its index.
    /// `meanwhile` is called now and then while it is compressed. An index that cannot be saved,
    /// and a file that cannot be compressed, are reported beside it: both can be made again.
    ///
    /// # Errors
    /// Those of the file system; the file is still there as `.part`.
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
        // Brings the name to the disk; some file systems cannot sync a folder.
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
