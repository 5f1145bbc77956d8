//! QEMU's command line and process.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::{Machine, MachineError, System};
use crate::channel::PORT;
use crate::guest::{HOST_TAG, OUT_TAG};
use crate::kernel::{build_folder, host_command};

const PROGRAM: &str = "qemu-system-x86_64";

/// Slot of the first NIC on the bus. Other devices of the machine have the slots before it.
const FIRST_SLOT: usize = 8;

/// Number of slots in which an igb has room for the addresses of its virtual functions.
pub(super) const MOST_IGB: usize = 0x0f - FIRST_SLOT;

/// Largest number of NICs: the chip set has the last slots.
pub(super) const MOST_NICS: usize = 0x1f - FIRST_SLOT;

/// Open descriptors that QEMU inherits.
pub(super) struct Files {
    pub(super) initramfs: Vec<u8>,
    pub(super) disk: Option<File>,
    pub(super) channel: OwnedFd,
    pub(super) interrupts: OwnedFd,
    pub(super) nics: Vec<NicFile>,
}

/// QEMU's end of what a NIC is connected to.
pub(super) enum NicFile {
    /// The process that is the NIC.
    Model(OwnedFd),
    /// The wire of a NIC that QEMU emulates, with the NIC's MAC address.
    Igb([u8; 6], OwnedFd),
}

/// A running QEMU process. It ends with this program, or when this value is dropped.
#[derive(Debug)]
pub(super) struct Qemu {
    life: Arc<Lifetime>,
    keeper: Option<JoinHandle<()>>,
}

/// The process id, shared by all threads that may end QEMU.
#[derive(Debug)]
pub(super) struct Lifetime {
    /// `None` after the process has ended, when its id may belong to another process.
    pid: Mutex<Option<Pid>>,
}

impl Lifetime {
    pub(super) fn end(&self) {
        if let Some(pid) = *self.pid.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

impl Qemu {
    /// Starts QEMU. Returns the guest's console and QEMU's error output.
    pub(super) fn start(
        machine: &Machine,
        files: Files,
    ) -> Result<(Self, ChildStdout, ChildStderr), MachineError> {
        let (mut command, open) = command(machine, files)?;
        let (send, receive) = sync_channel(1);
        // The kernel kills QEMU when the thread that started it ends, so this thread runs as long
        // as QEMU.
        let keep = move || {
            let child = command.spawn();
            drop(command);
            drop(open);
            let (pid, ended) = match child {
                Ok(mut child) => {
                    let pid = pid_of(&child);
                    let pipes = child.stdout.take().zip(child.stderr.take());
                    let life = Arc::new(Lifetime {
                        pid: Mutex::new(Some(pid)),
                    });
                    let started = pipes.ok_or(io::ErrorKind::BrokenPipe.into());
                    let _ = send.send(started.map(|pipes| (Arc::clone(&life), pipes)));
                    (pid, (child, life))
                }
                Err(e) => {
                    let _ = send.send(Err(e));
                    return;
                }
            };
            let (mut child, life) = ended;
            // Until the process is reaped, no other process can get its id. The id is removed under
            // the lock before that.
            while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).is_err() {}
            *life.pid.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let _ = child.wait();
        };
        let keeper = thread::Builder::new().name("qemu".to_owned()).spawn(keep);
        let keeper = keeper.map_err(|e| MachineError::host(e.to_string()))?;
        let (life, (console, errors)) = match receive.recv() {
            Ok(Ok(started)) => started,
            Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => {
                let package = "of the package qemu-system-x86";
                return Err(MachineError::Missing(format!(
                    "{PROGRAM}, {package}, is not there"
                )));
            }
            Ok(Err(e)) => return Err(MachineError::host(format!("{PROGRAM}: {e}"))),
            Err(_) => return Err(MachineError::host(format!("{PROGRAM} was not started"))),
        };
        let qemu = Self {
            life,
            keeper: Some(keeper),
        };
        Ok((qemu, console, errors))
    }

    pub(super) fn life(&self) -> Arc<Lifetime> {
        Arc::clone(&self.life)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.life
            .pid
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }

    /// Waits until QEMU has ended.
    pub(super) fn wait(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.life.end();
        self.wait();
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Builds the command. Returns with it the descriptors that must stay open until QEMU has started.
fn command(machine: &Machine, files: Files) -> Result<(Command, Vec<OwnedFd>), MachineError> {
    let os = |e: io::Error| MachineError::host(e.to_string());
    let mut open = Vec::new();
    let mut keep = |fd: OwnedFd| {
        let number = fd.as_raw_fd();
        open.push(fd);
        number
    };
    let memory = machine.memory >> 20;
    let of_igb = |nic: &NicFile| matches!(nic, NicFile::Igb(..));
    let mut qemu = match files.nics.iter().any(of_igb) {
        true => Command::new(with_igb()?),
        false => host_command(PROGRAM),
    };
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
    ]);
    // Several processors take turns. Linux changes its own code while it runs, and devices move in the address space; a QEMU
    // that runs each processor in a thread now and then lets one of them run or access what was there before: the guest
    // dies of "Oops: int3" (QEMU 7.2), or QEMU of a failed assertion (QEMU 10, msix_table_mmio_write).
    let accelerator = match machine.cpus {
        1 => "tcg",
        _ => "tcg,thread=single",
    };
    qemu.args([
        "-accel",
        accelerator,
        "-cpu",
        "max",
        "-smp",
        &machine.cpus.to_string(),
    ]);
    qemu.args([
        "-m",
        &format!("{memory}M"),
        "-machine",
        "q35,memory-backend=memory",
    ]);
    // The memory is shared, so that a device in another process can access it.
    qemu.args([
        "-object",
        &format!("memory-backend-memfd,id=memory,size={memory}M,share=on"),
    ]);
    qemu.arg("-kernel").arg(machine.kernel.image());
    qemu.args([
        "-initrd",
        &format!(
            "/proc/self/fd/{}",
            keep(in_memory(&files.initramfs).map_err(os)?)
        ),
    ]);
    qemu.args(["-append", &arguments(machine).map_err(os)?]);
    // QEMU's standard output is the guest's console.
    qemu.args([
        "-chardev",
        "stdio,id=console,signal=off",
        "-serial",
        "chardev:console",
    ]);
    share(&mut qemu, HOST_TAG, Path::new("/"), "0x2", ",readonly=on");
    if let Some(out) = &machine.out {
        share(
            &mut qemu,
            OUT_TAG,
            &out.canonicalize().map_err(os)?,
            "0x3",
            "",
        );
    }
    socket(&mut qemu, "channel", keep(files.channel));
    qemu.args(["-device", "virtio-serial-pci,id=serial,addr=0x4"]);
    qemu.args([
        "-device",
        &format!("virtserialport,bus=serial.0,chardev=channel,name={PORT}"),
    ]);
    if let Some(disk) = files.disk {
        let path = format!("/proc/self/fd/{}", keep(disk.into()));
        let node = format!("driver=file,node-name=disk,filename={path},locking=off");
        qemu.args([
            "-blockdev",
            &node,
            "-device",
            "virtio-blk-pci,drive=disk,addr=0x5",
        ]);
    }
    // Interrupts of the NICs are sent through QEMU's qtest socket, because the protocol for devices
    // in other processes delivers interrupts only with KVM.
    socket(&mut qemu, "interrupts", keep(files.interrupts));
    qemu.args(["-object", "qtest,id=qtest0,chardev=interrupts,log=none"]);
    for (n, nic) in files.nics.into_iter().enumerate() {
        let slot = FIRST_SLOT + n;
        match nic {
            NicFile::Model(fd) => {
                let fd = keep(fd);
                let device = format!("x-pci-proxy-dev,id=nic{n},fd={fd},addr={slot:#x}");
                qemu.args(["-device", &device]);
            }
            NicFile::Igb(mac, fd) => {
                let wire = format!("dgram,id=wire{n},local.type=fd,local.str={}", keep(fd));
                let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
                let device = format!("igb,id=nic{n},netdev=wire{n},mac={mac},addr={slot:#x}");
                qemu.args(["-netdev", &wire, "-device", &device]);
            }
        }
    }
    if let Some(port) = machine.debugger {
        qemu.args(["-gdb", &format!("tcp:127.0.0.1:{port}"), "-S"]);
    }
    qemu.stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let inherited: Vec<RawFd> = open.iter().map(AsRawFd::as_raw_fd).collect();
    let parent = Pid::this();
    let before = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have ended before the line above.
        if Pid::parent() != parent {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for fd in &inherited {
            // SAFETY: the system call takes an open descriptor and no pointer, and is allowed
            // between fork and exec.
            if unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls, which are allowed between fork and exec, and
    // allocates nothing.
    unsafe { qemu.pre_exec(before) };
    // Signals of the terminal go to this program only, which then ends QEMU.
    qemu.process_group(0);
    Ok((qemu, open))
}

/// Returns the QEMU that emulates the NIC igb: the one that scripts/qemu.sh has unpacked, or the system's if that is new
/// enough.
fn with_igb() -> Result<PathBuf, MachineError> {
    let unpacked = match std::env::var_os("HPCAP_QEMU") {
        Some(folder) => PathBuf::from(folder),
        None => build_folder()?.join("qemu"),
    };
    let unpacked = unpacked.join(PROGRAM);
    if unpacked.exists() {
        return Ok(unpacked);
    }
    let mut system = host_command(PROGRAM);
    let program = PathBuf::from(system.get_program());
    let answer = system.args(["-device", "igb,help"]).output();
    if answer.is_ok_and(|answer| answer.stdout.starts_with(b"igb options")) {
        return Ok(program);
    }
    Err(MachineError::Missing(format!(
        "no QEMU here emulates the NIC igb: {} is not there, and the system's {PROGRAM} is older than 8.0\n  \
         Get it: scripts/qemu.sh fetch",
        unpacked.display()
    )))
}

fn share(qemu: &mut Command, tag: &str, path: &Path, slot: &str, more: &str) {
    let path = path.to_string_lossy().replace(',', ",,");
    // Files on different file systems of the host may have the same inode number.
    let options = format!("local,id={tag},path={path},security_model=none,multidevs=remap{more}");
    qemu.args(["-fsdev", &options]);
    let device = format!("virtio-9p-pci,fsdev={tag},mount_tag={tag},addr={slot}");
    qemu.args(["-device", &device]);
}

fn socket(qemu: &mut Command, id: &str, fd: RawFd) {
    qemu.args(["-chardev", &format!("socket,id={id},fd={fd}")]);
}

/// Builds the kernel's command line.
fn arguments(machine: &Machine) -> io::Result<String> {
    // While the kernel starts, only errors are printed, because a serial port is slow. An oops ends
    // the machine at once. Mitigations against other programs on the processor are expensive, and
    // the guest has no secrets.
    let fixed = "console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off audit=0";
    // The kernel does not test the timer interrupt, because this test fails on a busy host.
    let fixed = format!("{fixed} no_timer_check");
    // A host that is busy or paused for half a minute makes the guest's clock jump, and the kernel would
    // report that RCU or a processor had stalled. These are the longest limits that the kernel takes; a task
    // that hangs ends at the time limit of its test.
    let fixed = format!(
        "{fixed} rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60 sysctl.kernel.hung_task_timeout_secs=600"
    );
    let mut all: Vec<String> = fixed.split(' ').map(str::to_owned).collect();
    for pages in &machine.hugepages {
        all.push(format!("hugepagesz={}M", pages.size >> 20));
        all.push(format!("hugepages={}", pages.count));
    }
    if machine.debugger.is_some() {
        // Without KASLR, symbols have the addresses that the debugger expects.
        all.push("nokaslr".to_owned());
    }
    if machine.system.is_some() {
        all.extend(System::arguments().map_err(|e| io::Error::other(e.to_string()))?);
    }
    all.extend(machine.arguments.iter().cloned());
    Ok(all.join(" "))
}

/// Creates an anonymous file in memory.
fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create(c"initramfs", MFdFlags::MFD_CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    Ok(file.into())
}
