//! The few commands of bpf(2) that the source needs: maps, programs, and links of a program to an
//! interface. Everything that they create is a file descriptor, so the kernel removes it when this
//! process ends, in whatever way.

use std::ffi::c_long;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The commands, as `enum bpf_cmd` numbers them.
#[derive(Debug, Clone, Copy)]
enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    ProgramLoad = 5,
    ProgramById = 13,
    Info = 15,
    LinkCreate = 28,
    LinkDetach = 34,
}

/// The kinds of maps, as `enum bpf_map_type` numbers them.
#[derive(Debug, Clone, Copy)]
pub(super) enum MapKind {
    /// Values in an array of the kernel.
    Array = 2,
    /// AF_XDP sockets by the number of the queue.
    Sockets = 17,
}

/// `BPF_PROG_TYPE_XDP`.
const PROGRAM_XDP: u32 = 6;
/// `BPF_XDP` of `enum bpf_attach_type`.
const ATTACH_XDP: u32 = 37;
/// `BPF_F_XDP_HAS_FRAGS`: the program copes with frames in several buffers (Linux 5.18).
const HAS_FRAGS: u32 = 1 << 5;
/// Longest name of a program or a map, with its final zero.
const NAME_BYTES: usize = 16;

/// The kernel would get the padding of the structures below, so they have none.
#[repr(C)]
struct MapCreate {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; NAME_BYTES],
}

#[repr(C)]
struct MapElement {
    map: u32,
    zero: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgramLoad {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_bytes: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; NAME_BYTES],
    interface: u32,
    attach: u32,
}

#[repr(C)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach: u32,
    flags: u32,
}

#[repr(C)]
struct LinkDetach {
    link: u32,
}

#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

#[repr(C)]
struct Info {
    object: u32,
    bytes: u32,
    info: u64,
}

/// Makes the call. `attributes` must be the structure of `command`; pointers in it must stay valid
/// during the call.
fn call<T>(command: Command, attributes: &T) -> io::Result<c_long> {
    let bytes = size_of::<T>();
    // SAFETY: the kernel reads `bytes` bytes of the structure and follows the pointers that belong
    // to `command`, which the functions below take from references that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as c_long,
            std::ptr::from_ref(attributes),
            bytes,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Makes a call whose result is a new descriptor.
fn open<T>(command: Command, attributes: &T) -> io::Result<OwnedFd> {
    let fd = call(command, attributes)?;
    let fd = RawFd::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just opened the descriptor, with close-on-exec, and nothing else owns
    // it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor in the type of the fields above.
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn address<T>(value: &T) -> u64 {
    std::ptr::from_ref(value).addr() as u64
}

fn name_bytes(name: &str) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    for (to, from) in bytes[..NAME_BYTES - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// A map with keys of four bytes.
#[derive(Debug)]
pub(super) struct Map(OwnedFd);

impl Map {
    /// Creates a map of `entries` entries of `value_bytes` each: 4 for [`MapKind::Sockets`].
    pub(super) fn create(
        kind: MapKind,
        name: &str,
        value_bytes: u32,
        entries: u32,
    ) -> io::Result<Self> {
        open(
            Command::MapCreate,
            &MapCreate {
                kind: kind as u32,
                key_bytes: 4,
                value_bytes,
                entries,
                flags: 0,
                inner: 0,
                node: 0,
                name: name_bytes(name),
            },
        )
        .map(Self)
    }

    /// Puts `socket` under `key` into a map of sockets.
    pub(super) fn put_socket(&self, key: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        let value = number(socket);
        let element = MapElement {
            map: number(self.as_fd()),
            zero: 0,
            key: address(&key),
            value: address(&value),
            flags: 0,
        };
        call(Command::MapUpdate, &element).map(drop)
    }

    /// Takes the socket under `key` out of a map of sockets. One that is not there, or was closed, is no error.
    pub(super) fn remove_socket(&self, key: u32) -> io::Result<()> {
        let element = MapElement {
            map: number(self.as_fd()),
            zero: 0,
            key: address(&key),
            value: 0,
            flags: 0,
        };
        match call(Command::MapDelete, &element) {
            Err(e) if e.raw_os_error() != Some(libc::ENOENT) => Err(e),
            _ => Ok(()),
        }
    }

    /// Reads the number under key 0 of an array whose values have eight bytes.
    pub(super) fn first(&self) -> io::Result<u64> {
        let (key, mut value) = (0_u32, 0_u64);
        let element = MapElement {
            map: number(self.as_fd()),
            zero: 0,
            key: address(&key),
            value: std::ptr::from_mut(&mut value).addr() as u64,
            flags: 0,
        };
        call(Command::MapLookup, &element)?;
        // SAFETY: the kernel wrote the eight bytes of the value, which the compiler cannot see
        // because the structure has only its address.
        Ok(unsafe { std::ptr::from_ref(&value).read_volatile() })
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Loads an XDP program of the instructions `code`.
pub(super) fn load(name: &str, code: &[u64]) -> io::Result<OwnedFd> {
    let mut attributes = ProgramLoad {
        kind: PROGRAM_XDP,
        instructions: u32::try_from(code.len()).unwrap_or(u32::MAX),
        code: code.as_ptr().addr() as u64,
        license: c"MIT".as_ptr().addr() as u64,
        log_level: 0,
        log_bytes: 0,
        log: 0,
        kernel: 0,
        flags: HAS_FRAGS,
        name: name_bytes(name),
        interface: 0,
        attach: ATTACH_XDP,
    };
    match open(Command::ProgramLoad, &attributes) {
        // A kernel before 5.18 does not know the flag.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            attributes.flags = 0;
            open(Command::ProgramLoad, &attributes)
        }
        other => other,
    }
}

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the driver, before the kernel allocates anything for the frame (`XDP_FLAGS_DRV_MODE`).
    Driver,
    /// In the network stack, for drivers without XDP (`XDP_FLAGS_SKB_MODE`).
    Stack,
}

/// The link of a program to an interface. The program runs until this is dropped, or this process ends.
#[derive(Debug)]
pub(super) struct Link(OwnedFd);

impl Drop for Link {
    fn drop(&mut self) {
        let link = number(self.0.as_fd());
        // A process that was just forked has a copy of the descriptor until it executes its program, and would keep the
        // program there. An interface that is gone has none, which is no error here.
        let _ = call(Command::LinkDetach, &LinkDetach { link });
    }
}

/// Attaches `program` to the interface with this index.
pub(super) fn attach(program: BorrowedFd<'_>, interface: u32, place: Place) -> io::Result<Link> {
    open(
        Command::LinkCreate,
        &LinkCreate {
            program: number(program),
            interface,
            attach: ATTACH_XDP,
            flags: match place {
                Place::Stack => 1 << 1,
                Place::Driver => 1 << 2,
            },
        },
    )
    .map(Link)
}

/// Returns the name of the program with the kernel-wide number `id`; empty if it has none.
pub(super) fn program_name(id: u32) -> io::Result<String> {
    /// `struct bpf_prog_info` up to its name.
    const INFO_BYTES: usize = 80;
    const NAME_AT: usize = INFO_BYTES - NAME_BYTES;
    let program = open(
        Command::ProgramById,
        &ById {
            id,
            next: 0,
            flags: 0,
        },
    )?;
    let mut info = [0_u64; INFO_BYTES / 8];
    call(
        Command::Info,
        &Info {
            object: number(program.as_fd()),
            bytes: 80,
            info: std::ptr::from_mut(&mut info).addr() as u64,
        },
    )?;
    // SAFETY: the kernel wrote at most 80 bytes to the array, which the compiler cannot see because
    // the structure has only its address.
    let info = unsafe { std::ptr::from_ref(&info).read_volatile() };
    let bytes: Vec<u8> = info.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let name = bytes[NAME_AT..].split(|byte| *byte == 0).next();
    Ok(String::from_utf8_lossy(name.unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpcap_host::Interface;
    use testkit::network::{create_veth_pair, in_namespace};

    #[test]
    fn attributes_have_no_padding() {
        assert_eq!(size_of::<MapCreate>(), 7 * 4 + NAME_BYTES);
        assert_eq!(size_of::<MapElement>(), 2 * 4 + 3 * 8);
        assert_eq!(
            size_of::<ProgramLoad>(),
            2 * 4 + 2 * 8 + 2 * 4 + 8 + 2 * 4 + NAME_BYTES + 2 * 4
        );
        assert_eq!(size_of::<LinkCreate>(), 16);
        assert_eq!(size_of::<Info>(), 16);
    }

    /// A forked process has copies of all descriptors until it executes its program.
    #[test]
    fn dropped_link_leaves_despite_copies_of_its_descriptor() {
        in_namespace(|| {
            create_veth_pair("snd", "rx", 1500);
            let interface = Interface::required("rx").unwrap();
            // A program that passes everything.
            let code = [0x2_0000_00b7, 0x95];
            let attach = || {
                let program = load("passes", &code)?;
                attach(program.as_fd(), interface.index, Place::Driver)
            };
            let Ok(link) = attach() else {
                testkit::skip("this kernel attaches no XDP programs");
                return;
            };
            let _copy = link.0.try_clone().unwrap();
            assert!(attach().is_err());
            drop(link);
            assert!(attach().is_ok());
        });
    }

    #[test]
    fn long_name_is_cut() {
        assert_eq!(&name_bytes("hpcap_af_xdp_queue"), b"hpcap_af_xdp_qu\0");
    }
}
