//! Tests of this module.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::name::split_ending;

#[test]
fn files_of_one_second_do_not_collide() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, start) = (QueueName::new(0, 1), Timestamp::new(3700, 5));
    let mut a = PartFile::create(dir.path(), queue, start).unwrap();
    let b = PartFile::create(dir.path(), queue, start).unwrap();
    a.file.write_all(b"a").unwrap();
    assert_eq!(a.path(), dir.path().join("3600/3700_hpcap0_1.raw.part"));
    assert_eq!(b.path(), dir.path().join("3600/3700_hpcap0_1~01.raw.part"));
    let mode = fs::metadata(a.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
    // A file that has the final name is not overwritten.
    fs::write(dir.path().join("3600/3700_hpcap0_1.raw"), "other").unwrap();
    let (_, path) = a.finish().unwrap();
    assert_eq!(path, dir.path().join("3600/3700_hpcap0_1~01.raw"));
    assert_eq!(fs::read(&path).unwrap(), b"a");
    let (_, path) = b.finish().unwrap();
    assert_eq!(path, dir.path().join("3600/3700_hpcap0_1~02.raw"));
    assert_eq!(
        fs::read(dir.path().join("3600/3700_hpcap0_1.raw")).unwrap(),
        b"other"
    );
    let c = PartFile::create(dir.path(), queue, start).unwrap();
    assert_eq!(c.path(), dir.path().join("3600/3700_hpcap0_1~03.raw.part"));
    c.discard().unwrap();
    assert_eq!(fs::read_dir(dir.path().join("3600")).unwrap().count(), 3);
}
fn at(path: &Path) -> PartFile {
    let (_, format, compression) = split_ending(path.to_str().unwrap()).unwrap();
    let name = FileName {
        format,
        compression,
        ..FileName::new(1, QueueName::new(0, 0))
    };
    PartFile::create_at(path, name).unwrap()
}

#[test]
fn taken_name_gets_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcapng");
    for expected in ["x.pcapng", "x-1.pcapng", "x-2.pcapng"] {
        let file = at(&path);
        let part = dir.path().join(format!("{expected}.part"));
        assert_eq!(file.path(), part);
        assert_eq!(file.finish().unwrap().1, dir.path().join(expected));
    }
    let other = dir.path().join("x.cap");
    let error = PartFile::create_at(&other, FileName::new(1, QueueName::new(0, 0)));
    assert_eq!(error.unwrap_err().kind(), Kind::Usage);
}

#[test]
fn compressed_file_replaces_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcap.gz");
    let file = at(&path);
    assert_eq!(file.path(), dir.path().join("x.pcap.part"));
    let made = file.replace(|mut to| to.write_all(b"compressed")).unwrap();
    assert_eq!(made, path);
    assert_eq!(fs::read(&path).unwrap(), b"compressed");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn failed_compression_leaves_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = at(&dir.path().join("x.pcap.zst"));
    file.file.write_all(b"frames").unwrap();
    let full = |mut to: &File| {
        to.write_all(b"some")?;
        Err(io::ErrorKind::StorageFull.into())
    };
    assert_eq!(file.replace(full).unwrap_err().kind(), Kind::Full);
    let (_, path) = file.finish().unwrap();
    assert_eq!(path, dir.path().join("x.pcap"));
    assert_eq!(fs::read(&path).unwrap(), b"frames");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
