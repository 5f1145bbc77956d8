//! Compresses complete files in the thread that finishes files.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use hpcap::Result;
use hpcap::compress::Compressor;
use hpcap::raw::PartFile;

use crate::storage::retention::OwnFiles;
use crate::storage::room::Claim;

/// Bytes that are compressed at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Compresses the first `len` bytes of `part` into the file that its name asks for, adds that file
/// to `own` and to the room of `part`, and removes `part`. Returns the path of that file and its
/// length in bytes.
///
/// # Errors
/// Errors of the file system. `part` is then as it was.
pub fn compress(
    part: &PartFile,
    len: u64,
    own: &OwnFiles,
    claim: &Claim,
) -> Result<(PathBuf, u64)> {
    let mut bytes = 0;
    let path = part.replace(|to| {
        own.add(to);
        claim.add(to);
        let mut compressor = Compressor::new(to, part.name().compression)?;
        copy(part.file(), len, &mut compressor)?;
        compressor.finish()?;
        bytes = to.metadata()?.len();
        Ok(())
    })?;
    Ok((path, bytes))
}

fn copy(from: &File, len: u64, to: &mut impl Write) -> io::Result<()> {
    let mut view = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < len {
        let wanted = usize::try_from(len - at).map_or(PIECE_BYTES, |n| n.min(PIECE_BYTES));
        from.read_exact_at(&mut view[..wanted], at)?;
        to.write_all(&view[..wanted])?;
        at += wanted as u64;
    }
    Ok(())
}
