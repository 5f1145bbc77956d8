//! Removes from a program what only debuggers read, which is nine tenths of the file. The guest's
//! slow processor would have to unpack it with the first file system.
//!
//! System V ABI, chapters 4 and 5: program headers describe what is loaded. Sections are only for
//! linkers and debuggers.

use std::io;

const MAGIC: &[u8] = b"\x7fELF\x02\x01";

// Offsets of fields in the 64-bit ELF header.
const PROGRAM_HEADERS: usize = 0x20;
const SECTION_HEADERS: usize = 0x28;
const PROGRAM_HEADER_BYTES: usize = 0x36;
const PROGRAM_HEADER_COUNT: usize = 0x38;
const SECTION_HEADER_COUNT: usize = 0x3c;
const END_OF_HEADER: usize = 0x40;

// Offsets of fields in a program header.
const OFFSET: usize = 0x08;
const FILE_BYTES: usize = 0x20;

/// Returns the program up to the last byte that is loaded.
pub(super) fn without_sections(mut program: Vec<u8>) -> io::Result<Vec<u8>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "not a program of 64 bits");
    if !program.starts_with(MAGIC) {
        return Err(bad());
    }
    let number = |at: usize, bytes: usize| -> io::Result<usize> {
        let bytes = at.checked_add(bytes).and_then(|end| program.get(at..end));
        let value = bytes
            .ok_or_else(bad)?
            .iter()
            .rev()
            .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        usize::try_from(value).map_err(|_| bad())
    };
    let headers = number(PROGRAM_HEADERS, 8)?;
    let (size, count) = (
        number(PROGRAM_HEADER_BYTES, 2)?,
        number(PROGRAM_HEADER_COUNT, 2)?,
    );
    let mut end = headers.checked_add(size * count).ok_or_else(bad)?;
    for n in 0..count {
        let header = headers + n * size;
        let last = number(header + OFFSET, 8)?.checked_add(number(header + FILE_BYTES, 8)?);
        end = end.max(last.ok_or_else(bad)?);
    }
    if end > program.len() {
        return Err(bad());
    }
    program.truncate(end);
    program[SECTION_HEADERS..SECTION_HEADERS + 8].fill(0);
    // These fields are the number of section headers and the index of the section with their names.
    program[SECTION_HEADER_COUNT..END_OF_HEADER].fill(0);
    Ok(program)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use testkit::process::write_program;

    use super::*;

    #[test]
    fn stripped_program_still_runs() {
        let program = fs::read("/bin/true").unwrap();
        let small = without_sections(program.clone()).unwrap();
        assert!(small.len() < program.len());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        write_program(&path, small);
        assert!(Command::new(&path).status().unwrap().success());
    }

    #[test]
    fn strip_refuses_other_files() {
        let mut bytes = fs::read("/bin/true").unwrap();
        assert!(without_sections(bytes[..100].to_vec()).is_err());
        assert!(without_sections(b"#!/bin/sh\n".to_vec()).is_err());
        bytes[PROGRAM_HEADERS..PROGRAM_HEADERS + 8].fill(0xff);
        assert!(without_sections(bytes).is_err());
    }
}
