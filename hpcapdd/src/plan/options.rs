//! Options that do not fit the destination.

use hpcap::{Error, Result};

use super::Destination;
use crate::cli::Cli;

/// Refuses options that do not fit the destination.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage), naming the option.
pub fn check_options(cli: &Cli, destination: &Destination) -> Result<()> {
    let many = [
        ("--files", cli.files.is_some()),
        ("--rotate-size", cli.rotate_size.is_some()),
        ("--rotate-time", cli.rotate_time.is_some()),
        ("--keep-age", cli.keep_age.is_some()),
        ("--keep-size", cli.keep_size.is_some()),
        ("--keep-free", cli.keep_free.is_some()),
        ("--keep-files", cli.keep_files.is_some()),
    ];
    let some = [
        ("--buffered", cli.buffered),
        ("--file-mode", cli.file_mode.is_some()),
        ("--file-group", cli.file_group.is_some()),
        ("--plain", cli.plain && cli.source.is_empty()),
        ("--compress", cli.compress.is_some()),
        ("--on-complete", cli.on_complete.is_some()),
    ];
    let refused: Vec<_> = match destination {
        Destination::Folder(_) => Vec::new(),
        Destination::File(_) => many.to_vec(),
        Destination::Null | Destination::Stdout => many.into_iter().chain(some).collect(),
    };
    match refused.into_iter().find(|(_, given)| *given) {
        Some((option, _)) if matches!(destination, Destination::File(_)) => Err(Error::usage(
            option,
            "this option is for many files, so DEST must be a folder (with --format pcapng for pcapng)",
        )),
        Some((option, _)) => Err(Error::usage(
            option,
            "this option is for files, so DEST must be a folder",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn options_about_files_need_a_folder() {
        for option in [
            "--files 1",
            "--rotate-time 1s",
            "--keep-free 1G",
            "--plain",
            "--buffered",
        ] {
            let line = format!("hpcapdd hpcap0 null {option}");
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(check_options(&cli, &Destination::Null).is_err(), "{option}");
            assert!(check_options(&cli, &Destination::Folder("/d".into())).is_ok());
        }
    }
}
