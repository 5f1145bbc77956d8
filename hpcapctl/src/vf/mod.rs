//! `hpcapctl vf`: virtual functions of a port, for virtual machines and for the module hpcap_ixgbevf.

mod facts;

use std::fmt::Write;
use std::fs;

use clap::{Args, Subcommand, ValueEnum};
use hpcap::error::Context;
use hpcap::report::json_line;
use hpcap::{Error, Kind, Result};
use hpcap_host::{Interface, Tree};

pub use facts::Function;
use facts::Port;

/// What is done with virtual functions.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  hpcapctl vf list                   the ports that can have virtual functions, and those that they have
  hpcapctl vf create eth1 2          two virtual functions of eth1
  hpcapctl vf create eth1 0          none any more
  hpcapctl vf trust eth1 0 on        let virtual function 0 receive frames for other addresses

A virtual function captures every frame that its port gives it only if the port trusts it. An 82599 never gives
it unicast frames of other hosts. Virtual functions are gone after a restart of the machine.")]
pub enum VfCommand {
    /// Show ports and their virtual functions
    List(List),
    /// Give a port this number of virtual functions (root)
    Create(Create),
    /// Allow a virtual function to receive frames for other addresses, or forbid it (root)
    Trust(Trust),
}

/// Which ports are shown.
#[derive(Debug, Args)]
pub struct List {
    /// The port [default: all]
    interface: Option<String>,
    /// Print JSON, one virtual function a line
    #[arg(long)]
    json: bool,
}

/// How many virtual functions a port gets.
#[derive(Debug, Args)]
pub struct Create {
    /// The port
    pub interface: String,
    /// The number of virtual functions
    pub count: u32,
    /// Replace virtual functions that a driver uses
    #[arg(long)]
    pub yes: bool,
    /// Only print what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// Whether a virtual function is trusted.
#[derive(Debug, Args)]
pub struct Trust {
    /// The port
    interface: String,
    /// The number of the virtual function
    function: u32,
    /// Whether it is trusted
    #[arg(value_enum)]
    state: Switch,
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Whether a virtual function is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// The virtual function is trusted
    On,
    /// The virtual function is not trusted
    Off,
}

/// Runs the command. Returns what to print.
///
/// # Errors
/// Errors of the driver, with what to do.
pub fn run(command: &VfCommand) -> Result<String> {
    let tree = Tree::machine();
    match command {
        VfCommand::List(options) => list(&tree, options.interface.as_deref(), options.json),
        VfCommand::Create(options) => create(&tree, options, |path, text| {
            fs::write(path, text).context(|| format!("write {text:?} to {}", path.display()))
        }),
        VfCommand::Trust(options) => trust(&tree, options),
    }
}

/// Describes the ports and their virtual functions.
///
/// # Errors
/// [`Kind::NotFound`] for a port that cannot have virtual functions.
pub fn list(tree: &Tree, only: Option<&str>, json: bool) -> Result<String> {
    let ports = match only {
        Some(name) => vec![Port::read(tree, name)?],
        None => Port::all(tree),
    };
    let mut text = String::new();
    for port in &ports {
        let functions = port.functions(tree);
        if json {
            for function in &functions {
                text += &json_line(function)?;
            }
            continue;
        }
        let _ = writeln!(
            text,
            "{}: {} of at most {} virtual functions, driver {}",
            port.name,
            functions.len(),
            port.limit,
            port.driver.as_deref().unwrap_or("unknown")
        );
        for function in &functions {
            let _ = writeln!(text, "  {function}");
        }
    }
    if ports.is_empty() && !json {
        text.push_str(
            "no port of this machine can have virtual functions: the NIC or its driver has no SR-IOV, or the \
             firmware has it switched off\n",
        );
    }
    Ok(text)
}

/// Gives a port virtual functions. `write` writes a text into a file of the kernel.
///
/// # Errors
/// [`Kind::Usage`] for more than the port can have; [`Kind::Busy`] if virtual functions are in use; errors of
/// the driver. The port then has as many as before.
pub fn create(
    tree: &Tree,
    wanted: &Create,
    mut write: impl FnMut(&std::path::Path, &str) -> Result<()>,
) -> Result<String> {
    let port = Port::read(tree, &wanted.interface)?;
    let count = wanted.count;
    let tried = || format!("give {} {count} virtual functions", port.name);
    if port.count == count {
        return Ok(format!(
            "nothing to do: {} has {count} virtual functions\n",
            port.name
        ));
    }
    if count > port.limit {
        let why = format!("the port can have {}", port.limit);
        return Err(Error::usage(tried(), why));
    }
    if port
        .driver
        .as_deref()
        .is_some_and(|d| d.starts_with("hpcap_"))
        && port.name.starts_with("hpcap")
    {
        let why = "the port captures, and takes all of its frames itself";
        return Err(Error::new(Kind::Busy, tried(), why)
            .advise("set mode = \"standard\" for it, and run hpcapctl restart"));
    }
    let used: Vec<String> = port
        .functions(tree)
        .iter()
        .filter(|function| function.driver.is_some())
        .map(ToString::to_string)
        .collect();
    if !used.is_empty() && !wanted.yes {
        let why = format!(
            "the port has {} virtual functions, which go away, and drivers use these:\n  {}",
            port.count,
            used.join("\n  ")
        );
        return Err(Error::new(Kind::Busy, tried(), why)
            .advise("stop the virtual machines and captures that use them, or give --yes"));
    }
    // The kernel changes the number only from and to 0.
    let mut numbers: Vec<u32> = Vec::new();
    if port.count > 0 {
        numbers.push(0);
    }
    if count > 0 {
        numbers.push(count);
    }
    let path = tree.path(port.file());
    if wanted.dry_run {
        return Ok(numbers
            .iter()
            .map(|number| format!("would write {number} to {}\n", path.display()))
            .collect());
    }
    for number in numbers {
        if let Err(e) = write(&path, &number.to_string()) {
            if port.count > 0 {
                write(&path, "0")?;
                write(&path, &port.count.to_string())?;
            }
            return Err(match e.kind() {
                Kind::Permission => e.advise("become root"),
                _ => e.advise(
                    "`journalctl -k` has the driver's reason: often the firmware has SR-IOV or the IOMMU off \
                     (intel_iommu=on), or no room for the memory of the functions (pci=realloc)",
                ),
            });
        }
    }
    let mut text = format!("{} has {count} virtual functions\n", port.name);
    if count > 0 {
        let _ = writeln!(
            text,
            "each has at most 2 queues; to capture with one: hpcapctl vf trust {} N on",
            port.name
        );
    }
    Ok(text)
}

fn trust(tree: &Tree, wanted: &Trust) -> Result<String> {
    let port = Port::read(tree, &wanted.interface)?;
    let interface = Interface::to_change(&port.name)?;
    let on = wanted.state == Switch::On;
    let verb = if on { "trusted" } else { "not trusted" };
    let what = format!("virtual function {} of {}", wanted.function, port.name);
    let all = interface.virtual_functions()?;
    let Some(found) = all.iter().find(|f| f.number == wanted.function) else {
        let why = format!("the port has {} virtual functions, from 0", all.len());
        return Err(Error::new(Kind::NotFound, format!("find {what}"), why)
            .advise(format!("hpcapctl vf create {} N", port.name)));
    };
    if found.trusted == Some(on) {
        return Ok(format!("nothing to do: {what} is {verb}\n"));
    }
    if wanted.dry_run {
        return Ok(format!("would make {what} {verb}\n"));
    }
    interface
        .set_trust(wanted.function, on)
        .map_err(|e| e.or_advise("the driver of the port cannot trust virtual functions"))?;
    Ok(format!(
        "{what} is {verb}; the virtual function learns of it when its interface is set down and up again\n"
    ))
}
