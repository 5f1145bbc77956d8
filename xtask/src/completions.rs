//! Completions for bash, zsh and fish.

use std::io;
use std::path::Path;

use clap_complete::{Shell, generate_to};

/// Shells with completions. `make install` knows their folders.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes the completions of all programs into `dir`, one folder for each shell.
///
/// # Errors
/// Returns an error of the file system.
pub fn write_all(dir: &Path) -> io::Result<()> {
    for shell in SHELLS {
        let folder = dir.join(shell.to_string());
        std::fs::create_dir_all(&folder)?;
        for mut program in crate::programs() {
            let name = program.get_name().to_owned();
            let file = generate_to(shell, &mut program, &name, &folder)?;
            if shell == Shell::Bash {
                // bash-completion loads the file that has exactly the name of the program.
                std::fs::rename(file, folder.join(name))?;
            }
        }
    }
    Ok(())
}
