//! Support for attaching gdb to the guest's kernel.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use crate::kernel::{Kernel, build_folder};
use crate::machine::{Guest, MachineError, command};

/// Files for gdb.
#[derive(Debug)]
pub(super) struct Debugger {
    port: u16,
    script: PathBuf,
    modules: PathBuf,
}

impl Debugger {
    /// Writes gdb's command file.
    pub(super) fn prepare(kernel: &Kernel, port: u16) -> Result<Self, MachineError> {
        let folder = build_folder()?.join("vmlab");
        let host = |e: io::Error| MachineError::Host(format!("{}: {e}", folder.display()));
        fs::create_dir_all(&folder).map_err(host)?;
        let this = Self {
            port,
            script: folder.join(format!("gdb-{port}.gdb")),
            modules: folder.join(format!("gdb-{port}-modules.gdb")),
        };
        fs::write(&this.script, this.script(&kernel.folder.join("vmlinux"))).map_err(host)?;
        fs::write(&this.modules, "").map_err(host)?;
        Ok(this)
    }

    fn script(&self, vmlinux: &Path) -> String {
        let symbols = if vmlinux.exists() {
            format!("file {}\n", vmlinux.display())
        } else {
            "echo The kernel has no symbols here: scripts/kernels.sh symbols SERIES gets them\\n\n"
                .to_owned()
        };
        format!(
            "set confirm off\nset breakpoint pending on\n{symbols}\
             define lab-modules\n  source {}\nend\n\
             document lab-modules\nThe symbols of the modules of hpcap that are loaded by now.\nend\n\
             target remote 127.0.0.1:{}\n",
            self.modules.display(),
            self.port,
        )
    }

    /// Prints the command that starts gdb.
    pub(super) fn invite(&self) {
        eprintln!("vmlab: the machine waits for a debugger; in another terminal:");
        eprintln!("  gdb -x {}", self.script.display());
        eprintln!(
            "  then `continue`; once a module is loaded, Ctrl-C and `lab-modules` for its symbols"
        );
    }

    /// Writes the addresses of modules to a file as they are loaded, while the guest runs.
    pub(super) fn follow(&self, guest: &Guest) -> Result<(), MachineError> {
        let host = |e: io::Error| MachineError::Host(format!("{}: {e}", self.modules.display()));
        let mut file = File::create(&self.modules).map_err(host)?;
        let args = ["lab", "symbols"].map(str::to_owned);
        let running = guest.start(&command(args.to_vec()))?;
        // The thread ends with the machine.
        let follow = move || drop(running.finish(None, &mut file, &mut io::sink()));
        thread::Builder::new().spawn(follow).map_err(host)?;
        Ok(())
    }
}
