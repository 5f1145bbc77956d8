//! The steps of the demonstration.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::comparison::{Balance, not_compared};
use super::folder::Recording;
use super::program::{Lines, Program, wait_until};
use super::show::{self, Steps};
use super::{CABLE, GENERATED_PER_SECOND, Result, Settings, Verdict, counts, failed, pcap};

const QUEUE: &str = "hpcap0";

/// A demonstration under way.
#[derive(Debug)]
pub(super) struct Demonstration<'a> {
    settings: &'a Settings,
    recording: &'a Recording,
    scratch: &'a Path,
    steps: Steps,
}

/// The sender of the frames, and their number.
#[derive(Debug, Clone, Copy)]
enum Sender<'a> {
    /// The demonstration sent this number.
    Own(u64),
    /// Other programs sent frames on this interface. The kernel's counters rose by this number meanwhile.
    Others(&'a str, u64),
}

/// A daemon that serves the queue.
#[derive(Debug)]
struct Daemon {
    program: Program,
    /// Number of printed lines when it started.
    shown: usize,
}

impl<'a> Demonstration<'a> {
    pub(super) fn new(settings: &'a Settings, recording: &'a Recording, scratch: &'a Path) -> Self {
        Self {
            settings,
            recording,
            scratch,
            steps: Steps::default(),
        }
    }

    /// Captures what other programs send on `interface`.
    pub(super) fn of_interface(&self, interface: &str) -> Result<Verdict> {
        let seconds = self.settings.seconds;
        println!(
            "hpcap: {seconds} seconds of interface {interface}, recorded, checked and converted."
        );
        let before = kernel_count(interface)?;
        let daemon = self.start_daemon(&format!("af_packet:{interface}"))?;
        let duration = format!("{seconds}s");
        let recorder = self.start_recorder(&["--duration", &duration])?.wait()?;
        let meanwhile = kernel_count(interface)?.saturating_sub(before);
        self.finish(daemon, &recorder, Sender::Others(interface, meanwhile))
    }

    /// Sends frames over a virtual cable, which is in the network namespace of this thread.
    pub(super) fn of_cable(&self) -> Result<Verdict> {
        let seconds = self.settings.seconds;
        println!(
            "hpcap: {seconds} seconds of generated traffic over a virtual cable, recorded, checked,"
        );
        println!("converted, and compared with the ledger.");
        let [from, to] = CABLE;
        self.steps.next(&format!(
            "A virtual cable, {from} to {to}, in a network namespace of its own"
        ));
        show::command(&format!("ip link add {from} type veth peer name {to}"));
        let daemon = self.start_daemon(&format!("af_packet:{to}"))?;
        let mut recorder = self.start_recorder(&[])?;
        let sent = self.send_frames()?;
        // Frames that were lost on the way appear as a difference at the end.
        let _ = wait_until(|| counts::arrived(&self.status()) >= sent)?;
        show::command(
            "kill -INT $(pidof hpcapdd)       # stores what is in the ring, closes the file",
        );
        recorder.interrupt();
        self.finish(daemon, &recorder.wait()?, Sender::Own(sent))
    }

    /// Captures frames that hpcapd generates.
    pub(super) fn of_generator(&self) -> Result<Verdict> {
        let seconds = self.settings.seconds;
        println!(
            "hpcap: {seconds} seconds of traffic that hpcapd generates itself, recorded, checked and"
        );
        println!(
            "converted. (As root, where network namespaces can be made, it goes over a virtual cable.)"
        );
        // The number of frames gives about the wanted time. The daemon counts them from the first one.
        let sent = u64::from(seconds) * GENERATED_PER_SECOND;
        let source = format!("gen:size=imix,rate={GENERATED_PER_SECOND}pps,count={sent}");
        let daemon = self.start_daemon(&source)?;
        let recorder = self.start_recorder(&[])?.wait()?;
        self.finish(daemon, &recorder, Sender::Own(sent))
    }

    /// Prepares one of hpcap's programs. The demonstration has sockets of its own, so it disturbs no running
    /// daemon.
    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.settings.tools.join(name));
        command.env("HPCAP_RUN_DIR", self.scratch.join("run"));
        command
    }

    /// Returns the state of the queue; `null` while there is none.
    fn status(&self) -> Value {
        let shown = self
            .tool("hpcapctl")
            .args(["status", QUEUE, "--json"])
            .output();
        shown
            .ok()
            .filter(|shown| shown.status.success())
            .and_then(|shown| serde_json::from_slice(&shown.stdout).ok())
            .unwrap_or_default()
    }

    fn start_daemon(&self, source: &str) -> Result<Daemon> {
        self.steps.next(&format!(
            "hpcapd takes the frames of {source} into a ring that programs share"
        ));
        show::command(&format!("hpcapd {source}"));
        let mut command = self.tool("hpcapd");
        command.arg(format!("{QUEUE}={source}"));
        let mut program = Program::start(command, Lines::Kept)?;
        let _ = wait_until(|| !self.status().is_null() || !program.is_running())?;
        let lines = program.lines();
        lines.iter().for_each(|line| show::quote(line));
        match program.is_running() {
            true => Ok(Daemon {
                program,
                shown: lines.len(),
            }),
            false => Err(failed("hpcapd did not start (see above)")),
        }
    }

    fn start_recorder(&self, options: &[&str]) -> Result<Program> {
        let dir = self.recording.dir().display().to_string();
        self.steps.next(&format!(
            "hpcapdd records the ring into RAW files under {dir}"
        ));
        let words = [&["hpcapdd", QUEUE, &dir], options].concat();
        show::command(&words.join(" "));
        let mut command = self.tool("hpcapdd");
        command.args(&words[1..]).arg("--progress");
        let mut program = Program::start(command, Lines::Shown)?;
        let attached =
            wait_until(|| counts::has_recorder(&self.status()) || !program.is_running())?;
        match attached {
            true => Ok(program),
            false => Err(failed("hpcapdd did not attach to the ring within a minute")),
        }
    }

    /// Sends frames into the cable. Returns how many.
    fn send_frames(&self) -> Result<u64> {
        let seconds = self.settings.seconds;
        let to = CABLE[0];
        let traffic = format!("gen:size=imix,rate=500M,duration={seconds}s");
        self.steps
            .next(&format!("The generator sends for {seconds} seconds"));
        show::command(&format!("hpcap-bench send {traffic} --to {to}"));
        let mut command = self.tool("hpcap-bench");
        command.args(["send", &traffic, "--to", to, "--json"]);
        let lines = Program::start(command, Lines::Kept)?.wait()?;
        let sent = counts::sent(&lines)
            .ok_or_else(|| failed("the generator does not say what it sent"))?;
        println!("   sent: {sent} frames");
        Ok(sent)
    }

    /// Checks and converts the files, ends the daemon, and compares all numbers.
    fn finish(&self, daemon: Daemon, recorder: &[String], sender: Sender<'_>) -> Result<Verdict> {
        let stored = counts::stored(recorder)
            .ok_or_else(|| failed("hpcapdd does not say what it stored"))?;
        let in_files = self.check_files()?;
        self.convert_files()?;
        self.steps.next("The first frames");
        pcap::show_first_frames(&self.recording.pcap());
        let daemon = self.stop_daemon(daemon)?;

        println!();
        let mut balance = Balance::new();
        match sender {
            Sender::Own(sent) => {
                let on_the_wire = counts::in_ledger_of_daemon(&daemon, "on the wire");
                let captured = counts::in_ledger_of_daemon(&daemon, "captured");
                balance.compare(
                    ("sent by the generator", sent),
                    ("on the wire, says the ledger", on_the_wire),
                );
                balance.compare(
                    ("captured, says hpcapd's ledger", captured),
                    ("stored by hpcapdd", stored),
                );
            }
            Sender::Others(interface, meanwhile) => {
                let captured = counts::in_ledger_of_recorder(recorder, "captured");
                let why = format!("nobody but the kernel counts the frames on {interface}");
                not_compared("on the wire", &why);
                println!(
                    "      (its counters rose by {meanwhile} meanwhile, frames before and after the recording included)"
                );
                balance.compare(
                    ("captured, says hpcapdd's ledger", captured),
                    ("stored by hpcapdd", stored),
                );
            }
        }
        balance.compare(
            ("stored by hpcapdd", stored),
            ("in the RAW files", in_files),
        );
        match pcap::count_frames(&self.recording.pcap()) {
            Some(in_pcap) => {
                balance.compare(("in the RAW files", in_files), ("in the pcap", in_pcap));
            }
            None => not_compared(
                "in the pcap",
                "neither tcpdump nor capinfos is here to count them",
            ),
        }
        println!();
        conclude(balance.verdict(), stored, sender);
        self.say_what_next();
        Ok(balance.verdict())
    }

    /// Reads every record of the files. Returns the number of frames in them.
    fn check_files(&self) -> Result<u64> {
        let dir = self.recording.dir();
        self.steps.next("checkraw reads every record of the files");
        show::command(&format!("checkraw {}", dir.display()));
        let mut command = self.tool("checkraw");
        command.arg(dir);
        Program::start(command, Lines::Shown)?.wait()?;
        let mut command = self.tool("checkraw");
        command.arg("--json").arg(dir);
        let report = Program::start(command, Lines::Kept)?.wait()?;
        counts::in_files(&report)
            .ok_or_else(|| failed("checkraw does not say how many frames there are"))
    }

    fn convert_files(&self) -> Result<()> {
        let (dir, pcap) = (self.recording.dir(), self.recording.pcap());
        self.steps
            .next("raw2pcap converts them, for Wireshark and everything else that reads pcap");
        show::command(&format!("raw2pcap {} -o {}", dir.display(), pcap.display()));
        let mut command = self.tool("raw2pcap");
        command.arg(dir).arg("-o").arg(pcap);
        Program::start(command, Lines::Shown)?.wait()?;
        Ok(())
    }

    /// Ends the daemon. Returns everything that it printed.
    fn stop_daemon(&self, daemon: Daemon) -> Result<Vec<String>> {
        self.steps
            .next("hpcapd ends, and its ledger says what became of every frame");
        let Daemon { mut program, shown } = daemon;
        // A daemon with a generator has ended already.
        if program.is_running() {
            show::command("kill -INT $(pidof hpcapd)");
            program.interrupt();
        }
        let lines = program.wait()?;
        lines.iter().skip(shown).for_each(|line| show::quote(line));
        Ok(lines)
    }

    fn say_what_next(&self) {
        let dir = self.recording.dir().display();
        let raw2pcap = self.settings.tools.join("raw2pcap");
        self.steps.next("What next");
        println!("   The files:      {dir} ({})", self.recording.size());
        println!(
            "   Look at them:   wireshark {}",
            self.recording.pcap().display()
        );
        println!(
            "   A second of it: {} --from +1s --to +2s {dir} -o second.pcap",
            raw2pcap.display()
        );
        if self.settings.interface.is_none() {
            println!("   Real traffic:   make run IFACE=eth0   (as root)");
        }
        println!("   Your own:       README.md has the everyday jobs, docs/ each tool");
    }
}

/// Says what the comparison shows.
fn conclude(verdict: Verdict, stored: u64, sender: Sender<'_>) {
    match (verdict, stored, sender) {
        (Verdict::Differs, _, _) => println!("   THE NUMBERS DO NOT AGREE."),
        (_, 0, Sender::Own(_)) => {
            println!("   There was no frame on the cable, so this shows nothing.");
        }
        (_, 0, Sender::Others(interface, _)) => {
            println!("   There was no frame on {interface}, so this shows nothing.");
        }
        (_, _, Sender::Own(_)) => {
            println!(
                "   The ledger balances: every frame that was sent is in the files or accounted for."
            );
        }
        (_, _, Sender::Others(interface, _)) => {
            println!(
                "   Every frame that hpcapdd was given is in the files. What {interface} lost before that is in the"
            );
            println!("   ledger as nic_missed and nic_error, as far as the kernel says.");
        }
    }
}

/// Returns how many frames the kernel has counted on an interface, received and sent.
fn kernel_count(interface: &str) -> Result<u64> {
    ["rx_packets", "tx_packets"]
        .iter()
        .try_fold(0, |sum, name| {
            let path = format!("/sys/class/net/{interface}/statistics/{name}");
            let text = std::fs::read_to_string(&path)
                .map_err(|e| failed(format!("cannot read {path}: {e}")))?;
            let count: u64 = text
                .trim()
                .parse()
                .map_err(|e| failed(format!("cannot understand {path}: {e}")))?;
            Ok(sum + count)
        })
}
