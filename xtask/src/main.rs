//! `cargo xtask TASK`: what a developer runs, and what the Makefile calls.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use xtask::demo::{self, Verdict};
use xtask::{bench_report, completions, documents, licences, lint, page};

/// Tasks of the developers of hpcap.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write a man page for each program, and for each of its commands
    Man {
        /// Folder for the pages; it is created
        dir: PathBuf,
    },
    /// Write the completions for bash, zsh and fish
    Completions {
        /// Folder for one folder for each shell; it is created
        dir: PathBuf,
    },
    /// Capture some traffic, check and convert the files, and compare the ledger (make run)
    Demo(DemoArgs),
    /// Measure what docs/performance.md shows, and write its tables (make bench-report)
    BenchReport(BenchReportArgs),
    /// Compare the documents of the programs with their command lines
    CheckDocs,
    /// Write LICENSES/libraries.txt: the libraries in the programs, and their licences
    Licences,
    /// Check shell scripts, white space, paths, and what the documents name
    LintText,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Folder with hpcap's programs [default: the folder of this program]
    #[arg(long, value_name = "DIR")]
    tools: Option<PathBuf>,
    /// Interface to capture, instead of generated traffic
    #[arg(long, value_name = "IF")]
    interface: Option<String>,
    /// How long to capture
    #[arg(long, value_name = "N", default_value = "10", value_parser = parse_seconds)]
    seconds: u32,
    /// Folder for the files [default: demo in the build folder, emptied first]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct BenchReportArgs {
    /// Measure for a first look only: few loads, and one run of each
    #[arg(long)]
    quick: bool,
    /// Run only these measurements: instructions, ring, capture, daemon, sniff, tap
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
}

fn parse_seconds(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|seconds| (1..100_000).contains(seconds))
        .ok_or_else(|| "expected a number of seconds, such as 10".to_owned())
}

fn main() -> ExitCode {
    match Cli::parse().task {
        Task::Man { dir } => report_written(page::write_all(&dir), &dir),
        Task::Completions { dir } => report_written(completions::write_all(&dir), &dir),
        Task::Demo(arguments) => run_demo(arguments),
        Task::BenchReport(arguments) => run_bench_report(arguments),
        Task::CheckDocs => report_complaints(
            "check-docs",
            documents::compare_all(Path::new(".")),
            "the documents name the options that the programs have",
        ),
        Task::Licences => report_written(write_licences(Path::new(".")), Path::new("LICENSES")),
        Task::LintText => report_complaints(
            "lint-text",
            lint::check(Path::new(".")),
            "scripts and documents are clean",
        ),
    }
}

fn run_bench_report(arguments: BenchReportArgs) -> ExitCode {
    let folder = std::env::current_exe().and_then(|program| {
        let folder = program.parent().map(Path::to_owned);
        folder.ok_or_else(|| std::io::Error::other("this program is in no folder"))
    });
    let failed = folder.and_then(|tools| {
        bench_report::run(&bench_report::Settings {
            root: ".".into(),
            results: tools.join("bench-report"),
            tools,
            quick: arguments.quick,
            only: arguments.only,
        })
    });
    report_complaints(
        "bench-report",
        failed,
        "the tables of docs/performance.md are written",
    )
}

fn write_licences(root: &Path) -> std::io::Result<()> {
    std::fs::write(root.join(licences::FILE), licences::list(root)?)
}

fn report_written(written: std::io::Result<()>, dir: &Path) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: cannot write files into {}: {e}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn report_complaints<T: std::fmt::Display>(
    task: &str,
    complaints: std::io::Result<Vec<T>>,
    clean: &str,
) -> ExitCode {
    match complaints {
        Ok(complaints) if complaints.is_empty() => {
            println!("{task}: {clean}");
            ExitCode::SUCCESS
        }
        Ok(complaints) => {
            for complaint in complaints {
                eprintln!("{task}: {complaint}");
            }
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("{task}: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run_demo(arguments: DemoArgs) -> ExitCode {
    let own_folder = || Some(std::env::current_exe().ok()?.parent()?.to_owned());
    let Some(tools) = arguments.tools.or_else(own_folder) else {
        eprintln!("demo: cannot find the folder of this program: name one with --tools");
        return ExitCode::FAILURE;
    };
    let settings = demo::Settings {
        tools: std::path::absolute(&tools).unwrap_or(tools),
        interface: arguments.interface,
        seconds: arguments.seconds,
        dir: arguments.dir,
    };
    match demo::run(&settings) {
        Ok(Verdict::Agrees) => ExitCode::SUCCESS,
        Ok(Verdict::Differs) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            match error {
                demo::Error::Usage(_) => ExitCode::from(2),
                demo::Error::Failed(_) | demo::Error::Interrupted => ExitCode::FAILURE,
            }
        }
    }
}
