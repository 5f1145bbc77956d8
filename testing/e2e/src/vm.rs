//! A virtual machine with the kernel module, software NICs and traffic, for one test.
//!
//! Commands are lines for the guest's shell; they must succeed. The test's folder is `/out` in
//! the guest. At the end the kernel must have had nothing to complain of.
//!
//! The environment: `HPCAP_REQUIRE_VM` makes a test fail that could not boot a machine, where it
//! would be skipped otherwise; `HPCAP_TEST_KERNEL` names the folder of a kernel to use instead of
//! Debian's 6.1; `HPCAP_TEST_SLOWNESS` says how many times slower than that one it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hpcap::Reason;
use hpcap_source::SourceSpec;
use tempfile::TempDir;
use vmlab::control::{Handler, Request};
use vmlab::kernel::Kernel;
use vmlab::machine::{Guest, Hugepages, Machine, Output, Running, Trouble, command};
use vmlab::traffic::{Fault, Lab, Record, proof};

use testkit::skip;

use crate::recording;

/// A command that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(300);
/// The poll thread asks the NIC for its counters this often, or a bit less.
const COUNTED: Duration = Duration::from_millis(300);
/// A ledger that has not changed for so long will not: what a test has lost on purpose is in none.
const SETTLED: Duration = Duration::from_secs(10);

/// What a test wants of a machine.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Memory in bytes.
    pub memory: u64,
    /// Processors.
    pub cpus: usize,
    /// NICs: `82599`, `82599vf`.
    pub nics: &'static [&'static str],
    /// Hugepages of 2 MiB.
    pub hugepages: u64,
    /// A disk of so many bytes at `/data`.
    pub disk: Option<u64>,
    /// How long the machine may live.
    pub limit: Duration,
    /// What else the kernel is told.
    pub arguments: &'static [&'static str],
    /// Parts of lines that it may say, although they look like trouble.
    pub tolerated: &'static [&'static str],
}

impl Wanted {
    const PLAIN: Self = Self {
        memory: 1 << 30,
        cpus: 1,
        nics: &[],
        hugepages: 0,
        disk: None,
        limit: Duration::from_secs(1200),
        arguments: &[],
        tolerated: &[],
    };
    /// A machine with one NIC, a physical function.
    pub const PF: Self = Self::with_nics(&["82599"]);

    /// A machine with these NICs, and everything else by default.
    #[must_use]
    pub const fn with_nics(nics: &'static [&'static str]) -> Self {
        Self {
            nics,
            ..Self::PLAIN
        }
    }
}

impl Default for Wanted {
    fn default() -> Self {
        Self::PLAIN
    }
}

/// How many times slower the guest is than Debian's kernel.
#[must_use]
pub fn slowness() -> u32 {
    let text = std::env::var("HPCAP_TEST_SLOWNESS");
    text.map_or(1, |text| text.parse().unwrap())
}

/// So many frames, rounds or calls; a part of them where everything is slower.
#[must_use]
pub fn scaled(number: u64) -> u64 {
    number / u64::from(slowness())
}

/// A machine that runs.
#[derive(Debug)]
pub struct Vm {
    guest: Guest,
    /// The NICs' other side.
    pub lab: Arc<Lab>,
    nics: &'static [&'static str],
    out: TempDir,
}

/// A command under way in the guest.
#[derive(Debug)]
pub struct Background {
    running: Running,
    line: String,
}

/// Frames by reason, as the ledger in sysfs says.
pub type Ledger = BTreeMap<String, u64>;

impl Vm {
    /// Boots the kernel of a series. `None` when this test is to be skipped, which is said.
    #[must_use]
    pub fn boot(series: &str, wanted: &Wanted) -> Option<Self> {
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
            Err(Trouble::Missing(what)) if std::env::var_os("HPCAP_REQUIRE_VM").is_none() => {
                skip(&what.replace('\n', " "));
                None
            }
            Err(trouble) => panic!("{trouble}"),
        }
    }

    /// Boots the kernel of a series, loads the module with `parameters` and the driver of the NICs in
    /// hpcap mode, and brings `hpcap0` up. `None` when this test is to be skipped, as [`Vm::boot`] does.
    #[must_use]
    pub fn boot_capturing(
        series: &str,
        wanted: &Wanted,
        driver: &str,
        parameters: &str,
    ) -> Option<Self> {
        let vm = Self::boot(series, wanted)?;
        vm.load(driver, parameters, "mode=hpcap");
        vm.up("hpcap0");
        Some(vm)
    }

    fn start(kernel: &str, wanted: &Wanted) -> Result<Self, Trouble> {
        let kernel = Kernel::find(kernel)?;
        let ours = vmlab::kernel::build_folder()?
            .join("kmod")
            .join(&kernel.release);
        if !ours.join("hpcap.ko").exists() {
            let folder = kernel.folder.display();
            return Err(Trouble::Missing(format!(
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
            .limit(Some(wanted.limit * slowness()))
            // Caches that are not merged: a leak has a name.
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

    /// The host's path of a file in `/out`.
    #[must_use]
    pub fn out(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    /// Runs a line of the shell, whatever comes of it.
    #[must_use]
    pub fn attempt(&self, line: &str, patience: Duration) -> Output {
        let args = ["/bin/sh", "-e", "-u", "-c", line];
        match self.guest.run(&args, patience * slowness()) {
            Ok(output) => output,
            Err(trouble) => panic!("{line}: {trouble}"),
        }
    }

    /// Runs a line of the shell, which must succeed; what it printed.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        self.sh_for(line, PATIENCE)
    }

    /// [`Vm::sh`] with a patience of its own.
    #[track_caller]
    pub fn sh_for(&self, line: &str, patience: Duration) -> String {
        let output = self.attempt(line, patience);
        let (out, err) = texts(&output);
        assert_eq!(output.code, 0, "{line}\nstdout: {out}\nstderr: {err}");
        out
    }

    /// Runs a line of the shell, which must fail; what it printed on standard error.
    #[track_caller]
    pub fn refused(&self, line: &str) -> String {
        let output = self.attempt(line, PATIENCE);
        let (out, err) = texts(&output);
        assert_ne!(output.code, 0, "{line}\nstdout: {out}\nstderr: {err}");
        err
    }

    /// Starts a line of the shell.
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

    /// What the kernel has said.
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

    /// No module of ours is loaded.
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

    /// Starts a recorder of queue `queue` into `/out/FOLDER`; it is attached when this returns.
    #[must_use]
    pub fn recorder(&self, queue: &str, folder: &str) -> Background {
        let log = format!("/out/{folder}.json");
        let recorder = self.background(&format!(
            "echo $$ >/out/{folder}.pid; exec hpcapdd --json {queue} /out/{folder} >{log}"
        ));
        self.until(&format!("grep -q '\"event\":\"start\"' {log}"));
        recorder
    }

    /// Waits until the ledger has what the NICs of the machine have brought until now: delivered,
    /// missed, received damaged. A busy host may leave the guest no processor for seconds.
    pub fn settle(&self) {
        for (nic, kind) in self.nics.iter().enumerate() {
            let totals = self.record(nic).totals;
            let delivered = totals.all_delivered().frames;
            // A frame without an end takes the next one with it.
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
                if counted >= expected || since.elapsed() > SETTLED * slowness() {
                    break;
                }
                if counted != before {
                    (before, since) = (counted, std::time::Instant::now());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Ends a recorder, after all that the NICs count is in the ledger.
    pub fn end_recorder(&self, recorder: Background, folder: &str) {
        self.settle();
        if self.nics.is_empty() {
            // Whoever has no NIC in the lab waits for what it knows itself.
            std::thread::sleep(COUNTED * slowness());
        }
        self.sh(&format!("kill -INT $(cat /out/{folder}.pid)"));
        recorder.finish();
    }

    /// Sends `source` into a NIC, from its start to its end.
    pub fn traffic(&self, nic: usize, source: &str) {
        self.lab.start(nic, Some(&spec(source)), false).unwrap();
        self.traffic_ends(nic);
    }

    /// Sends `source` into a NIC as fast as possible, room or not.
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

    /// Something goes wrong with a NIC: `link-down`, `crc`, ...
    pub fn fault(&self, nic: usize, words: &str) {
        let mut words = words.split(' ').map(str::to_owned);
        let kind = words.next().unwrap();
        let fault = Fault::parse(&kind, &words.collect::<Vec<_>>()).unwrap();
        self.lab.fault(nic, fault).unwrap();
    }

    /// What became of the frames that were sent into a NIC.
    #[must_use]
    pub fn record(&self, nic: usize) -> Record {
        let mut record = self.lab.record(nic).unwrap();
        if record.totals.discarded.frames > 0 {
            record.recount().unwrap();
        }
        record
    }

    /// The ledger of a queue, from sysfs.
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

    /// Every frame that NIC `nic` was sent is in the files in `/out/FOLDER`, byte for byte, or
    /// in the ledger.
    #[track_caller]
    pub fn proves(&self, nic: usize, folder: &str) {
        let proof = proof::prove(&self.record(nic), &[self.out(folder)]).unwrap();
        let complaints: Vec<_> = proof.complaints().collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    /// The generated frames in `/out/FOLDER`, verified.
    #[must_use]
    pub fn generated(&self, folder: &str) -> recording::Generated {
        recording::generated(&recording::files(&self.out(folder)))
    }

    /// Switches the machine off. Nothing of ours must be in the way, and the kernel must not have
    /// complained at any time.
    #[track_caller]
    pub fn end(self) {
        let leaks = self.attempt("cat /sys/kernel/debug/kmemleak 2>/dev/null", PATIENCE);
        if leaks.code == 0 {
            let scan = "echo scan >/sys/kernel/debug/kmemleak";
            let line = format!("{scan}; sleep 1; {scan}; cat /sys/kernel/debug/kmemleak");
            let lost = self.sh(&line);
            assert!(!lost.contains("hpcap"), "{lost}");
        }
        if let Err(trouble) = self.guest.shutdown() {
            panic!("{trouble}");
        }
    }
}

impl Background {
    /// Waits for its end, which must be a good one; what it printed.
    #[track_caller]
    pub fn finish(self) -> String {
        self.exits(0)
    }

    /// Waits for its end with exit code `code`; what it printed.
    #[track_caller]
    pub fn exits(self, code: i32) -> String {
        let (ended, out, err) = self.ended();
        assert_eq!(ended, code, "stdout: {out}\nstderr: {err}");
        out
    }

    /// Waits for its end: exit code, standard output, standard error.
    #[must_use]
    pub fn ended(self) -> (i32, String, String) {
        let mut output = Output::default();
        let limit = Some(PATIENCE * slowness());
        let Output { stdout, stderr, .. } = &mut output;
        let ended = self.running.finish(limit, stdout, stderr);
        output.code = ended.unwrap_or_else(|trouble| panic!("{}: {trouble}", self.line));
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

/// All frames in a ledger.
#[must_use]
pub fn on_the_wire(ledger: &Ledger) -> u64 {
    Reason::ledger().iter().map(|r| ledger[r.name()]).sum()
}
