//! Tests of requests and replies, and of who may send which request.

use std::fs::File;
use std::os::fd::AsRawFd;

use hpcap::abi::{self, hpcap_attach};
use hpcap::{Contract, Kind, Result, Start};
use hpcap_ipc::connection::Connection;
use nix::unistd::{Uid, chown};

use crate::module::{Module, lossless, request};

/// Id of a user without privileges.
const USER: u32 = 12_345;

fn question(op: u32) -> hpcap_attach {
    hpcap_attach {
        magic: abi::HPCAP_ATTACH_MAGIC,
        abi_version: abi::HPCAP_ABI_VERSION,
        op,
        contract: abi::HPCAP_LOSSY,
        start: abi::HPCAP_START_NEWEST,
        ..hpcap_attach::zeroed()
    }
}

fn refusal(connection: &Connection, question: &hpcap_attach) -> hpcap::Error {
    connection.ask("try", question).map(drop).unwrap_err()
}

/// Runs `what` in a new thread, as [`USER`].
fn as_user<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    let become_user = || {
        // SAFETY: setresuid(2) as a bare system call changes only the calling thread, and no
        // memory. The thread remains this user until it ends.
        let done = unsafe { libc::syscall(libc::SYS_setresuid, USER, USER, USER) };
        assert_eq!(done, 0);
        what()
    };
    std::thread::scope(|scope| scope.spawn(become_user).join().unwrap())
}

#[test]
fn version_error_names_both_versions() {
    let Some(module) = Module::take() else { return };
    let other = hpcap_attach {
        abi_version: 4711,
        ..question(abi::HPCAP_OP_OBSERVE)
    };
    let error = refusal(&module.connection(), &other);
    assert_eq!(error.kind(), Kind::Version);
    let text = error.to_string();
    assert!(text.contains("ABI version 4711"), "{text}");
    assert!(
        text.contains(&format!("version {}", abi::HPCAP_ABI_VERSION)),
        "{text}"
    );
}

#[test]
fn senseless_requests_are_refused() {
    let Some(module) = Module::take() else { return };
    let attach = question(abi::HPCAP_OP_ATTACH);
    for wrong in [
        hpcap_attach {
            contract: 0,
            ..attach
        },
        hpcap_attach {
            contract: 3,
            ..attach
        },
        hpcap_attach { start: 0, ..attach },
        hpcap_attach { start: 4, ..attach },
    ] {
        assert_eq!(refusal(&module.connection(), &wrong).kind(), Kind::Usage);
    }
    for unknown in [
        question(0),
        question(9),
        hpcap_attach { magic: 1, ..attach },
    ] {
        assert_eq!(
            refusal(&module.connection(), &unknown).kind(),
            Kind::Version
        );
    }
    assert!(module.queue().listeners().is_empty());
}

/// Sends a request as a 32-bit program does. Returns the result of ioctl(2), and the answer.
#[cfg(target_arch = "x86_64")]
fn ask_as_a_32_bit_program(device: &File, question: hpcap_attach) -> (i32, hpcap_attach) {
    // The number of ioctl(2) in Linux' table for 32-bit programs (arch/x86/entry/syscalls/syscall_32.tbl).
    const IOCTL: i32 = 54;
    let bytes = size_of::<hpcap_attach>();
    // SAFETY: a new mapping of this process, which overlaps no other one.
    let place = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            // A 32-bit program has addresses below 4 GiB.
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
            -1,
            0,
        )
    };
    assert_ne!(place, libc::MAP_FAILED);
    let message = place.cast::<hpcap_attach>();
    let mut result = IOCTL;
    // SAFETY: `message` is in the mapping, which has room for it and is aligned to a page. The interrupt enters the kernel
    // as in a 32-bit program; the kernel reads and writes at most `bytes` at `place`, and may change r8 to r11.
    // rbx, which the compiler keeps for itself, is restored.
    unsafe {
        message.write(question);
        std::arch::asm!(
            "push rbx",
            "mov ebx, {device:e}",
            "int 0x80",
            "pop rbx",
            device = in(reg) device.as_raw_fd(),
            inlateout("eax") result,
            in("ecx") abi::HPCAP_IOC_REQUEST,
            in("rdx") place,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
        let answer = message.read();
        libc::munmap(place, bytes);
        (result, answer)
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn request_of_a_32_bit_program_is_answered() {
    let Some(module) = Module::take() else { return };
    let device = File::open(module.path()).unwrap();
    let (result, answer) = ask_as_a_32_bit_program(&device, question(abi::HPCAP_OP_OBSERVE));
    assert_eq!((result, answer.error), (0, 0));
    let (result, _) = ask_as_a_32_bit_program(&device, question(9));
    assert_eq!(result, -libc::EINVAL);
}

#[test]
fn open_file_is_one_listener() {
    let Some(module) = Module::take() else { return };
    let connection = module.connection();
    connection
        .ask("attach", &question(abi::HPCAP_OP_ATTACH))
        .unwrap();
    let again = refusal(&connection, &question(abi::HPCAP_OP_ATTACH));
    assert_eq!(again.kind(), Kind::Busy);
    assert_eq!(module.queue().listeners().len(), 1);
    drop(connection);
    assert!(module.queue().listeners().is_empty());
}

#[test]
fn listener_33_is_refused() {
    let Some(module) = Module::take() else { return };
    let queue = module.queue();
    let wanted = request(Contract::Lossy, Start::Newest);
    let attached: Result<Vec<_>> = (0..abi::HPCAP_SLOTS)
        .map(|_| queue.attach(&wanted))
        .collect();
    let mut attached = attached.unwrap();
    let refused = queue.attach(&wanted).unwrap_err();
    assert_eq!(refused.kind(), Kind::Full);
    assert!(refused.to_string().contains("32 slots"), "{refused}");
    let gone = attached.remove(7).id();
    let id = queue.attach(&wanted).unwrap().id();
    assert!(id > gone, "an id is never used again");
}

#[test]
fn listener_name_is_one_line() {
    let Some(module) = Module::take() else { return };
    let connection = module.connection();
    let named = hpcap_attach {
        name: [b'\n'; 32],
        ..question(abi::HPCAP_OP_ATTACH)
    };
    connection.ask("attach", &named).unwrap();
    assert_eq!(module.queue().listeners()[0].program, "?".repeat(31));
}

#[test]
fn sysfs_escapes_names_of_listeners() {
    let Some(module) = Module::take() else { return };
    let connection = module.connection();
    let named = hpcap_attach {
        name: std::array::from_fn(|i| *b"a b\\\xc3\xa9\x9b2J".get(i).unwrap_or(&0)),
        ..question(abi::HPCAP_OP_ATTACH)
    };
    connection.ask("attach", &named).unwrap();
    let hostile = module.connection();
    let long = hpcap_attach {
        name: [0xff; 32],
        ..question(abi::HPCAP_OP_ATTACH)
    };
    hostile.ask("attach", &long).unwrap();

    let queue = module.path();
    let queue = queue.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read(format!("/sys/class/hpcap/{queue}/listeners")).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].ends_with(r" a b\x5c\xc3\xa9\x9b2J"), "{text}");
    let name = lines[1].rsplit(' ').next().unwrap();
    assert_eq!(name.len(), 53, "{text}");
    assert!(name.starts_with(r"\xff\xff"), "{text}");
}

#[test]
fn only_its_user_and_root_kill_a_listener() {
    let Some(module) = Module::take() else { return };
    chown(&module.path(), Some(Uid::from_raw(USER)), None).unwrap();
    let queue = module.queue();
    let ours = lossless(&queue);
    let theirs = as_user(|| {
        module
            .queue()
            .attach(&request(Contract::Lossless, Start::File))
    })
    .unwrap();
    assert_eq!(queue.listeners()[1].uid, USER);

    let refused = as_user(|| module.queue().kill(ours.id())).unwrap_err();
    assert_eq!(refused.kind(), Kind::Permission);
    assert!(refused.to_string().contains("user 0"), "{refused}");
    as_user(|| module.queue().kill(theirs.id())).unwrap();
    queue.kill(ours.id()).unwrap();
    assert!(queue.listeners().iter().all(|l| l.killed));
    assert_eq!(queue.kill(4711).unwrap_err().kind(), Kind::NotFound);

    let another = as_user(|| module.device().set_ring(1 << 20, None)).unwrap_err();
    assert_eq!(another.kind(), Kind::Permission);
    chown(&module.path(), Some(Uid::from_raw(0)), None).unwrap();
}
