//! The module `hpcap_testnic` with two adapters without a NIC, each with a queue of frames of 1,000
//! bytes. While its interfaces are up, frames come as fast as they are taken, so none is missed on
//! a slow machine and none is lost to a full ring.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hpcap::raw::Event;
use hpcap::{Contract, Listener, Queue, QueueName, Request, Start};
use hpcap_ipc::connection::Connection;
use hpcap_ipc::device::{Device, dev_dir, device_path};

const PARAMETERS: &str = "/sys/module/hpcap_testnic/parameters";
const ARGUMENTS: [&str; 5] = [
    "hpcap_testnic",
    "adapters=2",
    "rate=10000",
    "size=1000",
    "up=0",
];

/// Position of a frame's number in its bytes, big endian.
const NUMBER: std::ops::Range<usize> = 44..52;

/// Held by the test that uses the module, so that tests run one after the other.
static ONE: Mutex<()> = Mutex::new(());

/// The module, locked for one test. At the start it is down, with a ring of 8 MiB.
pub(crate) struct Module {
    _one: MutexGuard<'static, ()>,
}

impl Module {
    /// Loads the module if necessary and resets it. `None` where these tests are skipped.
    pub(crate) fn take() -> Option<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        if std::env::var("HPCAP_TEST_PRODUCER").as_deref() != Ok("module") {
            println!("skipped: the device of the kernel module takes HPCAP_TEST_PRODUCER=module");
            return None;
        }
        if !Path::new(PARAMETERS).exists() {
            let loaded = Command::new("modprobe").args(ARGUMENTS).status().unwrap();
            assert!(loaded.success(), "modprobe {ARGUMENTS:?}");
        }
        let module = Self { _one: one };
        module.up(false);
        for queue in ["hpcap_0_0", "hpcap_1_0"] {
            // An earlier test may have removed adapter 1, so this error is ignored.
            let _ = fs::write(format!("/sys/class/hpcap/{queue}/when_full"), "hold");
        }
        module.device().set_ring(8 << 20, None).unwrap();
        Some(module)
    }

    /// Starts or stops the frames.
    pub(crate) fn up(&self, up: bool) {
        fs::write(format!("{PARAMETERS}/up"), if up { "1" } else { "0" }).unwrap();
    }

    /// Removes adapter 1 until the module is loaded again.
    pub(crate) fn remove_adapter_1(&self) {
        fs::write(format!("{PARAMETERS}/remove"), "1").unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        device_path(&dev_dir(), QueueName::new(0, 0))
    }

    pub(crate) fn device(&self) -> Device {
        Device::open(&self.path()).unwrap()
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection::to(&self.path()).unwrap()
    }

    pub(crate) fn queue(&self) -> Queue {
        Queue::open(QueueName::new(0, 0)).unwrap()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.up(false);
    }
}

pub(crate) fn request(contract: Contract, start: Start) -> Request {
    Request {
        contract,
        start,
        program: "test".into(),
    }
}

pub(crate) fn lossless(queue: &Queue) -> Listener {
    queue
        .attach(&request(Contract::Lossless, Start::File))
        .unwrap()
}

/// Reads `count` frames and checks that their numbers have no hole. Returns the numbers.
pub(crate) fn read_frames(listener: &mut Listener, count: u64) -> std::ops::Range<u64> {
    let mut first = None;
    let mut read = 0;
    while read < count {
        let waited = listener
            .wait(1, std::time::Duration::from_secs(30))
            .unwrap();
        assert_eq!(waited, hpcap::Waited::Ready);
        while let Some(event) = listener.next_record().unwrap() {
            let Event::Frame(frame) = event else { continue };
            assert_eq!((frame.len, frame.data.len()), (1000, 1000));
            let number = u64::from_be_bytes(frame.data[NUMBER].try_into().unwrap());
            assert_eq!(
                number,
                *first.get_or_insert(number) + read,
                "after {read} frames"
            );
            read += 1;
        }
        listener.ack().unwrap();
    }
    let first = first.unwrap();
    first..first + read
}
