//! Measures what docs/performance.md shows, and writes the tables of that page.
//!
//! Each table of the page stands between two markers, with the command that measured it and the machine. What a
//! command prints is kept as a file, from which the tables are written. The text around the tables is written by people.

mod page;
mod tables;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use page::complaints;
use tables::{COMMANDS, Measured, TABLES};

/// The page, in the folder of the repository.
pub const PAGE: &str = "docs/performance.md";

/// What to measure, and where the files are.
#[derive(Debug)]
pub struct Settings {
    /// The folder of the repository.
    pub root: PathBuf,
    /// The folder with hpcap's programs.
    pub tools: PathBuf,
    /// The folder for what the commands print.
    pub results: PathBuf,
    /// Whether to run the short forms of the commands.
    pub quick: bool,
    /// Names of the commands to run; all of them if there is none.
    pub only: Vec<String>,
}

/// Runs the commands, and writes the tables of each as soon as it has ended, so that an interrupted report keeps what
/// it has. Returns what could not be measured; the page keeps the tables of it.
///
/// # Errors
/// When a folder, the page or a result cannot be written.
pub fn run(settings: &Settings) -> io::Result<Vec<String>> {
    let page = settings.root.join(PAGE);
    fs::create_dir_all(&settings.results)?;
    let mut failed = Vec::new();
    for unknown in settings.only.iter().filter(|name| !is_known(name)) {
        failed.push(format!("there is no measurement called {unknown:?}"));
    }
    for command in &COMMANDS {
        if !settings.only.is_empty() && !settings.only.iter().any(|name| name == command.name) {
            continue;
        }
        let line = command.line(settings.quick);
        eprintln!("bench-report: {line}");
        let written = measure(settings, command, line).and_then(|measured| {
            let mut text = fs::read_to_string(&page)?;
            for table in TABLES.iter().filter(|table| table.command == command.name) {
                let content = (table.write)(&measured).map_err(io::Error::other)?;
                text =
                    page::replace(&text, table.name, line, &content).map_err(io::Error::other)?;
            }
            fs::write(&page, text)
        });
        if let Err(e) = written {
            failed.push(format!("{line}: {e}"));
        }
    }
    Ok(failed)
}

fn is_known(name: &str) -> bool {
    COMMANDS.iter().any(|command| command.name == name)
}

/// Runs a command, and returns what it has measured.
fn measure(settings: &Settings, command: &tables::Command, line: &str) -> io::Result<Measured> {
    let mut words = line.split(' ');
    let program = settings.tools.join(words.next().unwrap_or_default());
    let mut process = Command::new(&program);
    process
        .args(words)
        .current_dir(&settings.root)
        .stdin(Stdio::null());
    let file = settings.results.join(command.name).with_extension("json");
    if command.writes_folder {
        let folder = settings.results.join(command.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        run_to_end(process.arg("--quiet").arg("--out").arg(&folder))?;
        fs::copy(folder.join(hpcap_bench::run::FILE), &file)?;
    } else {
        run_to_end(process.arg("--json").stdout(File::create(&file)?))?;
    }
    Measured::read(&file)
}

fn run_to_end(command: &mut Command) -> io::Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let status = command
        .status()
        .map_err(|e| io::Error::new(e.kind(), format!("cannot run {program}: {e}")))?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{program} ended with {status}"))),
    }
}
