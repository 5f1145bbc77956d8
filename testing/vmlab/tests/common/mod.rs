//! Support for tests in virtual machines.

use std::process::Command;

use vmlab::kernel::Kernel;

/// Returns the kernel, or `None` if this host cannot boot it and the test may be skipped.
pub(crate) fn kernel(name: &str) -> Option<Kernel> {
    let qemu = Command::new("qemu-system-x86_64").arg("--version").output();
    let found = match qemu {
        Ok(_) => Kernel::find(name).map_err(|error| error.to_string()),
        Err(e) => Err(format!("qemu-system-x86_64: {e}")),
    };
    match found {
        Ok(kernel) => Some(kernel),
        Err(why) if std::env::var_os("HPCAP_REQUIRE_VM").is_some() => panic!("{why}"),
        Err(why) => {
            println!("skipped: virtual machines; {why}");
            None
        }
    }
}
