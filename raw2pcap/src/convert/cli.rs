//! The command line of `raw2pcap`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use hpcap::compress::{Compression, Ending, FileFormat};
use hpcap::pcapfile::Precision;
use hpcap::units::{parse_duration, parse_size};
use hpcap::{Error, Result, visible};
use hpcap_cli::Hint;

use super::new_file::is_special;
use super::signals::survive_file_size_limit;
use super::{Bound, Conversion, Format, Split, Target};
use crate::inputs::expand;

const AFTER: &str = "\
The files of one recording are read in sequence, and recordings are merged by time. raw2pcap converts \
every record of a damaged file, and prints where and how much it skipped. The summary counts the frames \
that the capture lost. pcapng also has them where they are missing (epb_dropcount and a comment), and in \
the statistics of each interface. Frames that the capture marked as duplicates have the comment \
'duplicate' in pcapng.

Two paths without -o are the form of the original HPCAP: raw2pcap IN PREFIX writes PREFIX_0.pcap.

Examples:
  raw2pcap capture/ -o all.pcapng
  raw2pcap 1763619462_hpcap0_0.raw -o - | tcpdump -nr -
  raw2pcap capture/ -o dns.pcap --from 2026-11-20T06:17Z --to +90s --filter 'udp port 53'
  raw2pcap capture/ -o part.pcap --split-size 1G

Exit codes: 0 done (a last record that the end of its file cuts is only a note), 1 failed, or damage was \
skipped, 2 usage.";

/// Options of other tools, with their names in raw2pcap.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["-r", "--read-file"],
        advice: "files to convert need no option: raw2pcap IN... -o OUT",
    },
    Hint {
        options: &["-F"],
        advice: "the format is --format pcap or pcapng; a name that ends in .pcapng is enough",
    },
    Hint {
        options: &["-A", "-B", "--start", "--duration"],
        advice: "a part of a recording is --from TIME --to TIME",
    },
    Hint {
        options: &[
            "-c",
            "--frames",
            "-C",
            "-G",
            "-W",
            "--rotate-size",
            "--rotate-time",
        ],
        advice: "files of a limited length are made by --split-frames N, --split-size SIZE and \
                 --split-time TIME",
    },
    Hint {
        options: &["-i", "--source", "--interface"],
        advice: "raw2pcap converts recordings; hpcapdd -i eth0 -w DEST captures",
    },
    Hint {
        options: &["--repair"],
        advice: "checkraw --repair mends damaged files; raw2pcap converts them as they are",
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    Pcap,
    Pcapng,
}

/// Converts RAW capture files to pcap or pcapng.
#[derive(Debug, Parser)]
#[command(name = "raw2pcap", version = hpcap_cli::VERSION, after_help = AFTER)]
pub struct Cli {
    /// RAW files, folders (every *.raw and *.raw.part below them), or - for standard input
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,
    /// Write the result to this file, or to standard output if OUT is -
    #[arg(short, long, visible_short_alias = 'w', value_name = "OUT")]
    output: Option<PathBuf>,
    /// Format of the output [default: by the ending of OUT, .pcap or .pcapng, alone or followed by .gz
    /// or .zst; pcap for -]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Write times in microseconds, for programs that read no others (pcap only)
    #[arg(long)]
    micro: bool,
    /// Convert only frames from this time on: 2026-11-20T06:17 (local time; UTC with Z at its end),
    /// seconds since 1970, or +10s after the first frame
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Convert only frames up to this time, or up to +90s after that of --from
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Convert only frames that match EXPR, in tcpdump's syntax
    #[arg(
        short,
        long,
        value_name = "EXPR",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// Leave out frames that the capture marked as duplicates
    #[arg(long)]
    no_duplicates: bool,
    /// Start a new file, OUT_0, OUT_1 and so on, before a file exceeds SIZE: 500M, 2G
    #[arg(long, value_name = "SIZE")]
    split_size: Option<String>,
    /// Start a new file when a file spans TIME: 60s, 5m, 1h
    #[arg(long, value_name = "TIME")]
    split_time: Option<String>,
    /// Start a new file after N frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    split_frames: Option<u64>,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    /// Print no progress bar and no summary
    #[arg(short, long)]
    quiet: bool,
}

impl Cli {
    /// Runs the conversion and returns the exit code.
    #[must_use]
    pub fn run(self) -> ExitCode {
        survive_file_size_limit();
        let quiet = self.quiet;
        match self
            .conversion()
            .and_then(|conversion| conversion.run(!quiet))
        {
            Ok(summary) => {
                if !quiet {
                    hpcap_cli::say(format_args!("raw2pcap: {}", visible(&summary.to_string())));
                }
                ExitCode::from(summary.exit_code())
            }
            Err(e) => {
                hpcap_cli::say(format_args!("raw2pcap: {e}"));
                ExitCode::from(e.exit_code())
            }
        }
    }

    fn conversion(self) -> Result<Conversion> {
        let split = Split {
            bytes: self.split_size.as_deref().map(parse_size).transpose()?,
            time: self.split_time.as_deref().map(parse_duration).transpose()?,
            frames: self.split_frames,
        };
        if split.time.is_some_and(|time| time.is_zero()) || split.bytes == Some(0) {
            return Err(Error::usage(
                "--split-size or --split-time 0",
                "expected more than nothing",
            ));
        }
        let (inputs, target, format, compression) = match (self.output, self.inputs.as_slice()) {
            (Some(output), _) => {
                let (format, compression) = ending(&output, self.format)?;
                let target = target(output, split.is_some(), format, compression)?;
                (self.inputs, target, format, compression)
            }
            (None, [_, prefix]) => {
                let format = self.format.unwrap_or(FormatName::Pcap);
                let target = Target::Numbered {
                    stem: prefix.clone(),
                    extension: extension(format).into(),
                };
                let inputs = vec![self.inputs[0].clone()];
                (inputs, target, format, Compression::None)
            }
            (None, inputs) => return Err(no_output(inputs)),
        };
        if self.micro && format == FormatName::Pcapng {
            return Err(Error::usage(
                "--micro",
                "pcapng has its own resolution: leave it out, or use --format pcap",
            ));
        }
        let bound = |text: Option<String>| text.map(|text| Bound::parse(&text)).transpose();
        Ok(Conversion {
            inputs: expand(&inputs)?,
            target,
            format: match (format, self.micro) {
                (FormatName::Pcapng, _) => Format::Pcapng,
                (FormatName::Pcap, true) => Format::Pcap(Precision::Microseconds),
                (FormatName::Pcap, false) => Format::Pcap(Precision::Nanoseconds),
            },
            compression,
            split,
            from: bound(self.from)?,
            to: bound(self.to)?,
            filter: self.filter,
            no_duplicates: self.no_duplicates,
            force: self.force,
        })
    }
}

fn no_output(inputs: &[PathBuf]) -> Error {
    let error = Error::usage("no output", "expected -o FILE, or -o - for standard output");
    let is_capture = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default();
        ["pcap", "pcapng"]
            .iter()
            .any(|name| extension.eq_ignore_ascii_case(name))
    };
    match inputs.iter().find(|path| is_capture(path)) {
        Some(path) => error.advise(format!(
            "{0} is named as a capture file, and RAW files are converted; the other way round: \
             hpcapdd --source pcap:{0} DEST",
            path.display()
        )),
        None => error,
    }
}

/// Returns format and compression of the file `output`: from the ending of its name, or from
/// `asked`.
fn ending(output: &Path, asked: Option<FormatName>) -> Result<(FormatName, Compression)> {
    let has_no_name = output.as_os_str() == "-" || is_special(output);
    match (Ending::of(output), asked) {
        (Ok(ending), asked) => {
            let format = match ending.format {
                FileFormat::Pcapng => FormatName::Pcapng,
                _ => FormatName::Pcap,
            };
            if asked.is_some_and(|asked| asked != format) && !has_no_name {
                return Err(Error::usage(
                    format!("--format and the ending of {}", output.display()),
                    "they say different formats: leave out --format, or name another file",
                ));
            }
            Ok((asked.unwrap_or(format), ending.compression))
        }
        (Err(_), None) if has_no_name => Ok((FormatName::Pcap, Compression::None)),
        (Err(e), None) => Err(e.advise("--format pcap or --format pcapng allows any other name")),
        (Err(_), Some(asked)) => {
            let name = output.as_os_str().as_bytes();
            let compression = [Compression::Gzip, Compression::Zstd]
                .into_iter()
                .find(|c| name.ends_with(c.suffix().as_bytes()));
            Ok((asked, compression.unwrap_or_default()))
        }
    }
}

fn extension(format: FormatName) -> &'static str {
    match format {
        FormatName::Pcap => "pcap",
        FormatName::Pcapng => "pcapng",
    }
}

fn target(
    output: PathBuf,
    is_split: bool,
    format: FormatName,
    compression: Compression,
) -> Result<Target> {
    if output.as_os_str() == "-" {
        if is_split {
            return Err(Error::usage(
                "-o - with --split",
                "standard output is one file: name another",
            ));
        }
        return Ok(Target::Stdout);
    }
    if !is_split {
        return Ok(Target::File(output));
    }
    let ending = format!(".{}{}", extension(format), compression.suffix());
    let path = output.as_os_str().as_bytes();
    let has_ending = path
        .len()
        .checked_sub(ending.len())
        .is_some_and(|at| path[at..].eq_ignore_ascii_case(ending.as_bytes()));
    let (stem, extension) = if has_ending {
        path.split_at(path.len() - ending.len())
    } else {
        (path, ending.as_bytes())
    };
    Ok(Target::Numbered {
        stem: PathBuf::from(OsStr::from_bytes(stem)),
        extension: String::from_utf8_lossy(&extension[1..]).into_owned(),
    })
}
