//! A virtual machine with the kernel module, software NICs and traffic, for one test.
//!
//! Commands are lines for the guest's shell, and they must succeed. The test's folder is `/out` in
//! the guest. A test fails if the kernel reported a fault.
//!
//! Environment variables: with `HPCAP_REQUIRE_VM`, a test that cannot boot a machine fails instead of
//! being skipped. `HPCAP_TEST_KERNEL` is the folder of a kernel to use instead of Debian's 6.1, and
//! `HPCAP_TEST_SLOWNESS` is the factor by which that kernel is slower. After the time `HPCAP_TEST_UNTIL`, in seconds since
//! 1970, no machine boots any more: the tests that are left are skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hpcap::Reason;
use hpcap_source::SourceSpec;
use tempfile::TempDir;
use vmlab::control::{Handler, Request};
use vmlab::kernel::Kernel;
use vmlab::machine::{Guest, Hugepages, Machine, MachineError, Output, Running, command};
use vmlab::traffic::{Fault, Lab, Record, proof};

use testkit::skip;

use crate::recording;

mod wanted;

pub use wanted::Wanted;

/// Longest time that a command may take.
const TIME_LIMIT: Duration = Duration::from_secs(300);
/// Longest time between two reads of the NIC's counters by the poll thread.
const COUNTED: Duration = Duration::from_millis(300);
/// Beyond this many programs for each processor, limits do not grow any more.
const MOST_BUSY: u32 = 20;
/// The limit of a machine is this many times what the test says: each command has a limit of its own, and other programs
/// may begin to run beside the machine after it was started.
const MACHINE_LIMIT: u32 = 3;
/// After this time without a change, a ledger is complete. Frames that a test loses on purpose are in no
/// ledger, so the sum may stay below the number of frames sent.
const SETTLED: Duration = Duration::from_secs(10);

/// The most frames that QEMU loses when the driver of an `igb` switches reception on: those that wait on the wire. Until
/// the ring is ready, QEMU takes one at each write to some registers, without asking whether the NIC has room.
pub const LOST_BY_QEMU: u64 = 11;

/// Returns the factor by which the guest is slower than Debian's kernel.
#[must_use]
pub fn slowness() -> u32 {
    let text = std::env::var("HPCAP_TEST_SLOWNESS");
    text.map_or(1, |text| text.parse().unwrap())
}

/// Returns the time from which on no machine boots.
fn until() -> Option<SystemTime> {
    let seconds = std::env::var("HPCAP_TEST_UNTIL").ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse().unwrap()))
}

/// Returns how many programs want to run on each processor of this machine, at least 1.
fn busyness() -> u32 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load
        .split_once(' ')
        .and_then(|(one_minute, _)| one_minute.parse::<f64>().ok());
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    per_processor(load.unwrap_or(0.0), processors)
}

fn per_processor(load: f64, processors: usize) -> u32 {
    (1..MOST_BUSY)
        .take_while(|times| f64::from(*times) * processors as f64 <= load)
        .last()
        .unwrap_or(1)
}

/// Returns the longest time to wait for something that takes less than `limit` in Debian's kernel on an idle machine.
/// Such limits only end what hangs, so they grow with everything that slows a guest down.
#[must_use]
pub fn patience(limit: Duration) -> Duration {
    limit * slowness() * busyness()
}

/// Returns `number` frames, rounds or calls, or fewer of them in a slow guest.
#[must_use]
pub fn scaled(number: u64) -> u64 {
    number / u64::from(slowness())
}

/// A running machine.
#[derive(Debug)]
pub struct Vm {
    guest: Guest,
    /// The other end of the NICs' wires.
    pub lab: Arc<Lab>,
    nics: &'static [&'static str],
    out: TempDir,
}

/// A running command in the guest.
#[derive(Debug)]
pub struct Background {
    running: Running,
    line: String,
}

/// Frames by reason, as in the ledger in sysfs.
pub type Ledger = BTreeMap<String, u64>;

impl Vm {
    /// Boots the kernel of a series in a machine as it is `wanted`, passes it to `test`, and switches it off.
    /// Reports the skip where that is not possible.
    pub fn test(series: &str, wanted: &Wanted, test: impl FnOnce(&Self)) {
        if let Some(why) = wanted.unless.and_then(|condition| condition()) {
            return skip(why);
        }
        if until().is_some_and(|until| SystemTime::now() >= until) {
            return skip("the time for tests had ended before (HPCAP_TEST_UNTIL)");
        }
        let Some(vm) = Self::boot(series, wanted) else {
            return;
        };
        if let Some(capturing) = wanted.capturing {
            vm.load(capturing.driver, capturing.parameters, "mode=hpcap");
            vm.up("hpcap0");
        }
        test(&vm);
        vm.end();
    }

    /// Boots the kernel of a series. Reports the skip and returns `None` where that is not possible.
    fn boot(series: &str, wanted: &Wanted) -> Option<Self> {
        let kernel = match std::env::var("HPCAP_TEST_KERNEL") {
            Ok(folder) if series == "6.1" => folder,
            Ok(_) => {
                skip("this run is for another kernel");
                return None;
            }
            Err(_) => series.to_owned(),
        };
        match Self::start(&kernel, wanted) {
            Ok(vm) => Some(vm),
            Err(MachineError::Missing(what)) if std::env::var_os("HPCAP_REQUIRE_VM").is_none() => {
                skip(&what.replace('\n', " "));
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn start(kernel: &str, wanted: &Wanted) -> Result<Self, MachineError> {
        let kernel = Kernel::find(kernel)?;
        let ours = vmlab::kernel::build_folder()?
            .join("kmod")
            .join(&kernel.release);
        if !ours.join("hpcap.ko").exists() {
            let folder = kernel.folder.display();
            return Err(MachineError::Missing(format!(
                "{} has no hpcap.ko\n  Build it: scripts/kmod.sh {folder}",
                ours.display()
            )));
        }
        let out = tempfile::Builder::new().prefix("hpcap-vm-").tempdir();
        let out = out.unwrap();
        let mut machine = Machine::new(kernel)?
            .memory(wanted.memory)
            .cpus(wanted.cpus)
            .out(out.path())
            .limit(Some(patience(wanted.limit) * MACHINE_LIMIT))
            // Slab caches are not merged, so that a leaking cache can be named.
            .argument("slab_nomerge");
        for argument in wanted.arguments {
            machine = machine.argument(*argument);
        }
        for part in wanted.tolerated {
            machine = machine.tolerate(*part);
        }
        if wanted.hugepages > 0 {
            machine = machine.hugepages(Hugepages {
                size: 2 << 20,
                count: wanted.hugepages,
            });
        }
        if let Some(bytes) = wanted.disk {
            machine = machine.disk(bytes);
        }
        let mut lab = Lab::new(None, out.path());
        for nic in wanted.nics {
            machine = machine.lab_nic(nic.parse().unwrap(), &mut lab).unwrap();
        }
        let lab = Arc::new(lab);
        let guest = machine.handler(Arc::clone(&lab) as Arc<_>).boot()?;
        Ok(Self {
            guest,
            lab,
            nics: wanted.nics,
            out,
        })
    }

    /// Returns the path on the host of a file in `/out`.
    #[must_use]
    pub fn out(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    /// Runs a line of the shell, which may fail.
    #[must_use]
    pub fn attempt(&self, line: &str, limit: Duration) -> Output {
        let args = ["/bin/sh", "-e", "-u", "-c", line];
        match self.guest.run(&args, patience(limit)) {
            Ok(output) => output,
            Err(error) => panic!("{line}: {error}"),
        }
    }

    /// Runs a line of the shell, which must succeed. Returns its standard output.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        self.sh_for(line, TIME_LIMIT)
    }

    /// Runs a line of the shell as [`Vm::sh`] does, with another time limit.
    #[track_caller]
    pub fn sh_for(&self, line: &str, limit: Duration) -> String {
        let output = self.attempt(line, limit);
        let (out, err) = texts(&output);
        assert_eq!(output.code, 0, "{line}\nstdout: {out}\nstderr: {err}");
        out
    }

    /// Runs a line of the shell, which must fail. Returns its standard error.
    #[track_caller]
    pub fn refused(&self, line: &str) -> String {
        let output = self.attempt(line, TIME_LIMIT);
        let (out, err) = texts(&output);
        assert_ne!(output.code, 0, "{line}\nstdout: {out}\nstderr: {err}");
        err
    }

    /// Starts a line of the shell and does not wait for it.
    #[must_use]
    pub fn background(&self, line: &str) -> Background {
        let args = ["/bin/sh", "-e", "-u", "-c", line];
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let running = self.guest.start(&command(args)).unwrap();
        Background {
            running,
            line: line.to_owned(),
        }
    }

    /// Waits, in the guest, until a line of the shell succeeds.
    #[track_caller]
    pub fn until(&self, line: &str) {
        self.sh(&format!("until {line}; do sleep 0.02; done"));
    }

    /// Returns the console log of the kernel.
    #[must_use]
    pub fn console(&self) -> String {
        self.guest.console()
    }

    /// Loads the module with `parameters`, and the driver of the machine's NICs in hpcap mode;
    /// `hpcap0` and those after it are up afterwards.
    pub fn load(&self, driver: &str, parameters: &str, driver_parameters: &str) {
        self.sh(&format!("modprobe hpcap {parameters}"));
        self.sh(&format!("modprobe {driver} {driver_parameters}"));
    }

    /// Fails the test if a module of hpcap is loaded.
    #[track_caller]
    pub fn nothing_is_loaded(&self) {
        let modules = self.sh("lsmod");
        assert!(
            modules.lines().all(|line| !line.starts_with("hpcap")),
            "{modules}"
        );
    }

    /// Brings an interface up, and waits for its link.
    pub fn up(&self, interface: &str) {
        self.sh(&format!("ip link set {interface} up"));
        self.until(&format!("grep -q up /sys/class/net/{interface}/operstate"));
    }

    /// Starts a recorder of queue `queue` into `/out/FOLDER`, and waits until the recorder is attached.
    #[must_use]
    pub fn recorder(&self, queue: &str, folder: &str) -> Background {
        let log = format!("/out/{folder}.json");
        let recorder = self.background(&format!(
            "echo $$ >/out/{folder}.pid; exec hpcapdd --json {queue} /out/{folder} >{log}"
        ));
        let (pid, start) = (format!("/out/{folder}.pid"), "'\"event\":\"start\"'");
        let started = self.sh(&format!(
            "until grep -q {start} {log}; do \
             if [ -s {pid} ] && ! kill -0 $(cat {pid}); then grep -q {start} {log} || echo ended; break; fi; \
             sleep 0.02; done"
        ));
        if started.contains("ended") {
            let (code, out, err) = recorder.ended();
            panic!(
                "the recorder of {queue} ended with {code} before it attached\nstdout: {out}\nstderr: {err}"
            );
        }
        recorder
    }

    /// Waits until the ledger contains every frame that the NICs of the machine have delivered, missed or
    /// received damaged. On a busy host, the guest may not run for seconds.
    pub fn settle(&self) {
        for (nic, kind) in self.nics.iter().enumerate() {
            let totals = self.record(nic).totals;
            let delivered = totals.all_delivered().frames;
            // A frame without an end also spoils the next one.
            let spoiled = totals.spoiled.values().map(|amount| amount.frames).sum();
            let mut expected = delivered.saturating_sub(spoiled);
            if *kind == "82599" {
                expected += totals.missed.frames + totals.errors.frames;
            }
            let ledgers = format!("/sys/class/hpcap/hpcap_{nic}_*/ledger/*");
            let line =
                format!("cat {ledgers} 2>/dev/null | awk '{{ n += $1 }} END {{ print n + 0 }}'");
            let (mut before, mut since) = (u64::MAX, std::time::Instant::now());
            loop {
                let counted: u64 = self.sh(&line).trim().parse().unwrap();
                if counted >= expected || since.elapsed() > patience(SETTLED) {
                    break;
                }
                if counted != before {
                    (before, since) = (counted, std::time::Instant::now());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Ends a recorder after the ledger contains every frame that the NICs counted.
    pub fn end_recorder(&self, recorder: Background, folder: &str) {
        self.settle();
        if self.nics.is_empty() {
            // Without a NIC in the lab, the number of frames to wait for is unknown.
            std::thread::sleep(patience(COUNTED));
        }
        self.sh(&format!("kill -INT $(cat /out/{folder}.pid)"));
        recorder.finish();
    }

    /// Sends `source` into a NIC and waits until all of it was sent.
    pub fn traffic(&self, nic: usize, source: &str) {
        self.lab.start(nic, Some(&spec(source)), false).unwrap();
        self.traffic_ends(nic);
    }

    /// Sends `source` into a NIC as fast as possible, even while the NIC has no room.
    pub fn flood(&self, nic: usize, source: &str) {
        self.lab.start(nic, Some(&spec(source)), true).unwrap();
        self.traffic_ends(nic);
    }

    /// Starts to send `source` into a NIC.
    pub fn start_traffic(&self, nic: usize, source: &str) {
        self.lab.start(nic, Some(&spec(source)), false).unwrap();
    }

    /// Waits until the traffic into a NIC has ended by itself.
    pub fn traffic_ends(&self, nic: usize) {
        self.lab.handle(&Request::TrafficWait { nic }).unwrap();
    }

    /// Ends the traffic into a NIC.
    pub fn stop_traffic(&self, nic: usize) {
        self.lab.handle(&Request::TrafficStop { nic }).unwrap();
    }

    /// Injects a fault into a NIC, such as `link-down` or `crc`.
    pub fn fault(&self, nic: usize, words: &str) {
        let mut words = words.split(' ').map(str::to_owned);
        let kind = words.next().unwrap();
        let fault = Fault::parse(&kind, &words.collect::<Vec<_>>()).unwrap();
        self.lab.fault(nic, fault).unwrap();
    }

    /// Returns the outcome of the frames that were sent into a NIC.
    #[must_use]
    pub fn record(&self, nic: usize) -> Record {
        let mut record = self.lab.record(nic).unwrap();
        if record.totals.discarded.frames > 0 {
            record.recount().unwrap();
        }
        record
    }

    /// Returns the ledger of a queue, from sysfs.
    #[must_use]
    pub fn ledger(&self, device: &str) -> Ledger {
        let text = self.sh(&format!("cd /sys/class/hpcap/{device}/ledger; grep . *"));
        let count = |line: &str| {
            let (reason, count) = line.split_once(':').unwrap();
            let frames = count.split(' ').next().unwrap().parse().unwrap();
            (reason.to_owned(), frames)
        };
        text.lines().map(count).collect()
    }

    /// Fails the test unless every frame that was sent to NIC `nic` is in the files in `/out/FOLDER`, byte
    /// for byte, or in the ledger.
    #[track_caller]
    pub fn proves(&self, nic: usize, folder: &str) {
        let proof = proof::prove(&self.record(nic), &[self.out(folder)]).unwrap();
        let complaints: Vec<_> = proof.complaints().collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    /// Verifies the generated frames in `/out/FOLDER`.
    #[must_use]
    pub fn generated(&self, folder: &str) -> recording::Generated {
        recording::generated(&recording::files(&self.out(folder)))
    }

    /// Switches the machine off. Fails the test if the machine does not end, if memory of hpcap leaked, or
    /// if the kernel reported a fault at any time.
    fn end(self) {
        let leaks = self.attempt("cat /sys/kernel/debug/kmemleak 2>/dev/null", TIME_LIMIT);
        if leaks.code == 0 {
            let scan = "echo scan >/sys/kernel/debug/kmemleak";
            let line = format!("{scan}; sleep 1; {scan}; cat /sys/kernel/debug/kmemleak");
            let lost = self.sh(&line);
            assert!(!lost.contains("hpcap"), "{lost}");
        }
        if let Err(error) = self.guest.shutdown() {
            panic!("{error}");
        }
    }
}

impl Background {
    /// Waits until the command has ended with exit code 0. Returns its standard output.
    #[track_caller]
    pub fn finish(self) -> String {
        self.exits(0)
    }

    /// Waits until the command has ended with exit code `code`. Returns its standard output.
    #[track_caller]
    pub fn exits(self, code: i32) -> String {
        let (ended, out, err) = self.ended();
        assert_eq!(ended, code, "stdout: {out}\nstderr: {err}");
        out
    }

    /// Waits until the command has ended. Returns exit code, standard output and standard error.
    #[must_use]
    pub fn ended(self) -> (i32, String, String) {
        let mut output = Output::default();
        let limit = Some(patience(TIME_LIMIT));
        let Output { stdout, stderr, .. } = &mut output;
        let ended = self.running.finish(limit, stdout, stderr);
        output.code = ended.unwrap_or_else(|error| panic!("{}: {error}", self.line));
        let (out, err) = texts(&output);
        (output.code, out, err)
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn spec(source: &str) -> SourceSpec {
    source.parse().unwrap()
}

/// Returns the number of frames in a ledger.
#[must_use]
pub fn on_the_wire(ledger: &Ledger) -> u64 {
    Reason::ledger().iter().map(|r| ledger[r.name()]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_machine_stretches_limits() {
        assert_eq!(per_processor(0.0, 2), 1);
        assert_eq!(per_processor(3.9, 2), 1);
        assert_eq!(per_processor(4.0, 2), 2);
        assert_eq!(per_processor(31.0, 2), 15);
        assert_eq!(per_processor(1e9, 2), MOST_BUSY - 1);
        assert!(patience(TIME_LIMIT) >= TIME_LIMIT);
    }
}
