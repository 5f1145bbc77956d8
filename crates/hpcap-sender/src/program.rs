//! What programs print when they have sent their frames.

use std::collections::BTreeMap;
use std::str::FromStr;

use hpcap_base::{Error, Result};

/// A program whose output is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `hpcap-bench send --json`: the number of frames in `sent` of the last object.
    HpcapBench,
    /// A script of `MoonGen` with libmoon's counters: for each device, `total N packets` of its last line with `TX`.
    MoonGen,
    /// The packet generator of Linux: `cat /proc/net/pktgen/IF` when it has ended, for one or several interfaces
    /// (Documentation/networking/pktgen.rst of Linux).
    Pktgen,
    /// `t-rex-64` in its stateful mode: `Total-tx-pkt` of the summary at its end.
    TRex,
    /// Any other command, whose last line has the number of frames and nothing else.
    Other,
}

/// The programs and their names.
const NAMES: [(Program, &str); 5] = [
    (Program::HpcapBench, "hpcap-bench"),
    (Program::MoonGen, "moongen"),
    (Program::Pktgen, "pktgen"),
    (Program::TRex, "trex"),
    (Program::Other, "other"),
];

impl Program {
    /// The names that [`Program::from_str`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }

    /// What the program prints at its end.
    pub(crate) fn prints(self) -> &'static str {
        match self {
            Self::HpcapBench => "a JSON object with \"sent\" (hpcap-bench send --json)",
            Self::MoonGen => "a line with \"TX\" and \"total N packets\" for a device",
            Self::Pktgen => "\"pkts-sofar: N\" and \"Result: OK\" for each interface",
            Self::TRex => "\"Total-tx-pkt : N pkts\"",
            Self::Other => "the number of frames alone on its last line",
        }
    }

    /// Finds the number of frames that were sent, or none if the output does not end as that of a program that has sent
    /// all of its frames.
    ///
    /// ```
    /// use hpcap_sender::Program;
    ///
    /// let output = "[Device: id=0] TX: 1.00 (StdDev 0.01) Mpps, 512 (StdDev 4) Mbit/s (672 Mbit/s with framing), \
    ///     total 10000000 packets with 640000000 bytes (incl. CRC)\n";
    /// assert_eq!(Program::MoonGen.sent(output), Some(10_000_000));
    /// assert_eq!(Program::MoonGen.sent("[Device: id=0] TX: 1.00 Mpps, 512 Mbit/s"), None);
    /// ```
    #[must_use]
    pub fn sent(self, output: &str) -> Option<u64> {
        match self {
            Self::HpcapBench => hpcap_bench(output),
            Self::MoonGen => moongen(output),
            Self::Pktgen => pktgen(output),
            Self::TRex => trex(output),
            Self::Other => output.trim_end().lines().next_back()?.trim().parse().ok(),
        }
    }
}

impl FromStr for Program {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(program, _)| *program).ok_or_else(|| {
            let known: Vec<&str> = Self::names().collect();
            Error::usage(
                format!("sender {name:?}"),
                format!("it is not one of {}", known.join(", ")),
            )
        })
    }
}

fn hpcap_bench(output: &str) -> Option<u64> {
    let objects = output
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut counts = objects.filter_map(|object| object["sent"]["frames"].as_u64());
    counts.next_back()
}

/// The number behind a text, up to the first byte that is no digit.
fn number_behind(line: &str, text: &str) -> Option<u64> {
    let rest = line.split_once(text)?.1.trim_start();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse().ok()
}

/// Removes the colours of a terminal: ESC, `[`, and what follows up to a letter.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        plain += end.map_or("", |end| &part[end + 1..]);
    }
    plain
}

fn moongen(output: &str) -> Option<u64> {
    let mut devices = BTreeMap::new();
    for line in output.lines().map(without_colours) {
        let Some((device, rest)) = line.trim_start().split_once(']') else {
            continue;
        };
        // A script may also count flows, whose frames are those of the devices.
        if !device.starts_with("[Device: ") || !rest.trim_start().starts_with("TX") {
            continue;
        }
        if let Some(frames) = number_behind(rest, "total ") {
            devices.insert(device.to_owned(), frames);
        }
    }
    sum(devices.into_values())
}

fn pktgen(output: &str) -> Option<u64> {
    let with = |text: &'static str| output.lines().filter(move |line| line.contains(text));
    let frames: Vec<u64> = with("pkts-sofar:")
        .filter_map(|line| number_behind(line, "pkts-sofar:"))
        .collect();
    // An interface that still sends, or whose sending was stopped, has no result that is "OK".
    let ended = with("Result: OK:").count();
    (ended == frames.len()).then(|| sum(frames.into_iter()))?
}

fn trex(output: &str) -> Option<u64> {
    let mut totals = output
        .lines()
        .filter(|line| line.trim_start().starts_with("Total-tx-pkt"));
    number_behind(totals.next_back()?, ":")
}

/// The sum, or none if there is nothing to add.
fn sum(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
    let first = numbers.next()?;
    numbers.try_fold(first, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moongen_adds_the_devices_and_leaves_flows_out() {
        let output = "\
[\u{1b}[1mINFO\u{1b}[0m]  Waiting for devices to come up...
[Device: id=0] \u{1b}[32mTX\u{1b}[0m: 14.46 Mpps, 7406 Mbit/s (9720 Mbit/s with framing)
[Flow] TX: 1.00 (StdDev 0.01) Mpps, 5 (StdDev 4) Mbit/s (6 Mbit/s with framing), total 7 packets with 448 bytes (incl. CRC)
[Device: id=1] \u{1b}[35mRX\u{1b}[0m: 0.00 (StdDev 0.00) Mpps, 0 (StdDev 0) Mbit/s (0 Mbit/s with framing), total 3 packets with 192 bytes (incl. CRC)
[Device: id=0] \u{1b}[32mTX\u{1b}[0m: 14.46 (StdDev 0.01) Mpps, 7406 (StdDev 4) Mbit/s (9720 Mbit/s with framing), total 144600000 packets with 9254400000 bytes (incl. CRC)
[Device: id=2] \u{1b}[32mTX\u{1b}[0m: 1.00 (StdDev 0.01) Mpps, 512 (StdDev 4) Mbit/s (672 Mbit/s with framing), total 400000 packets with 25600000 bytes (incl. CRC)
";
        assert_eq!(Program::MoonGen.sent(output), Some(145_000_000));
    }

    #[test]
    fn pktgen_counts_interfaces_that_have_ended() {
        let ended = "\
Params: count 1000000  min_pkt_size: 60  max_pkt_size: 60
     frags: 0  delay: 0  clone_skb: 0  ifname: eth1
Current:
     pkts-sofar: 1000000  errors: 12
     started: 1534853256071us  stopped: 1534861576098us idle: 70673us
Result: OK: 8320027(c8249354+d70673) usec, 1000000 (60byte,0frags)
  120191pps 57Mb/sec (57691680bps) errors: 12
";
        let sending = "Current:\n     pkts-sofar: 17  errors: 0\nResult: Running\n";
        assert_eq!(Program::Pktgen.sent(ended), Some(1_000_000));
        assert_eq!(Program::Pktgen.sent(&ended.repeat(2)), Some(2_000_000));
        assert_eq!(Program::Pktgen.sent(&format!("{ended}{sending}")), None);
        assert_eq!(Program::Pktgen.sent(""), None);
    }

    #[test]
    fn trex_has_its_summary_at_the_end() {
        let output = "\
 Total-Tx        :     766.07 bps
 summary stats \n --------------
 Total-pkt-drop       : 7 pkts
 Total-tx-bytes       : 6528 bytes
 Total-tx-pkt         : 102 pkts
 Total-rx-pkt         : 95 pkts
";
        assert_eq!(Program::TRex.sent(output), Some(102));
        assert_eq!(
            Program::TRex.sent(" Total-Tx        :     766.07 bps"),
            None
        );
    }

    #[test]
    fn hpcap_bench_and_others_end_with_their_count() {
        let json = "{\"source\":\"gen:\",\"sent\":{\"frames\":12,\"bytes\":720}}\n";
        assert_eq!(Program::HpcapBench.sent(json), Some(12));
        assert_eq!(Program::HpcapBench.sent("sent 12 frames"), None);
        assert_eq!(Program::Other.sent("1 2 3\n 42 \n\n"), Some(42));
        assert_eq!(Program::Other.sent("42 frames\n"), None);
        assert_eq!(Program::Other.sent(""), None);
    }

    #[test]
    fn programs_have_names() {
        for name in Program::names() {
            assert!(name.parse::<Program>().is_ok(), "{name}");
        }
        let error = "ixia".parse::<Program>().unwrap_err().to_string();
        assert!(
            error.contains("hpcap-bench, moongen, pktgen, trex, other"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_output_makes_a_parser_panic(
            output in "(\\[Device: id=[0-9]\\] TX: total [0-9]{0,25} |pkts-sofar: [0-9]{0,25}\n|Result: OK:\n|Total-tx-pkt : [0-9é]{0,25}|\u{1b}\\[[0-9]{0,3}é?|.|\n){0,20}"
        ) {
            for (program, _) in NAMES {
                let _ = program.sent(&output);
            }
        }
    }
}
