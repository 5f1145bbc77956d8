//! `hpcapctl mirror`: copies of an interface's frames go out of another one.

use std::fmt::Write;

use clap::{Args, Subcommand, ValueEnum};
use hpcap::report::json_line;
use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;
use hpcap_host::interface::{Direction, Mirror};
use serde::Serialize;

/// The commands for mirrors.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  hpcapctl mirror add eth1 eth2                  send a copy of every frame of eth1 out of eth2
  hpcapctl mirror add eth1 eth2 --direction in   only of received frames
  hpcapctl mirror list                           the mirrors of this machine
  hpcapctl mirror delete eth1 eth2               end it

The kernel makes the copies (tc: matchall, mirred). No driver of an 82599 has the NIC do it. A mirror is gone
after a restart of the machine.")]
pub enum MirrorCommand {
    /// Send copies of the frames of an interface out of another one (root)
    Add(Pair),
    /// Show the mirrors of this machine, or of an interface
    List(List),
    /// End a mirror that `add` made (root)
    Delete(Pair),
}

/// Two interfaces.
#[derive(Debug, Args)]
pub struct Pair {
    /// The interface whose frames are copied
    from: String,
    /// The interface that sends the copies
    to: String,
    /// Which frames are copied
    #[arg(long, value_enum, default_value_t = Which::Both)]
    direction: Which,
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Which mirrors are shown.
#[derive(Debug, Args)]
pub struct List {
    /// The interface whose frames are copied [default: all]
    from: Option<String>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Which frames are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Received frames
    In,
    /// Sent frames
    Out,
    /// All frames
    Both,
}

impl Which {
    fn directions(self) -> &'static [Direction] {
        match self {
            Self::In => &[Direction::In],
            Self::Out => &[Direction::Out],
            Self::Both => &[Direction::In, Direction::Out],
        }
    }
}

/// A mirror for display.
#[derive(Debug, Serialize)]
struct Shown {
    from: String,
    to: String,
    direction: &'static str,
    /// Whether `hpcapctl mirror add` made it.
    own: bool,
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

/// Runs the command. Returns what to print.
///
/// # Errors
/// Errors of the kernel, with its reason. A mirror that cannot be made completely is not made.
pub fn run(command: &MirrorCommand) -> Result<String> {
    match command {
        MirrorCommand::Add(pair) => add(pair),
        MirrorCommand::List(list) => show(list),
        MirrorCommand::Delete(pair) => delete(pair),
    }
}

/// The mirrors of `from` to `to` in one direction.
fn find(from: &Interface, to: &Interface, direction: Direction) -> Result<Vec<Mirror>> {
    let all = from.mirrors()?.into_iter();
    Ok(all
        .filter(|m| m.direction == direction && m.to == to.index)
        .collect())
}

fn add(pair: &Pair) -> Result<String> {
    let (from, to) = (
        Interface::to_change(&pair.from)?,
        Interface::to_change(&pair.to)?,
    );
    check(&from, &to)?;
    let mut text = String::new();
    let mut made: Vec<Direction> = Vec::new();
    for direction in pair.direction.directions() {
        let what = format!("{} to {}, {}", from.name, to.name, word(*direction));
        if !find(&from, &to, *direction)?.is_empty() {
            let _ = writeln!(text, "there already: {what}");
        } else if pair.dry_run {
            let _ = writeln!(text, "would mirror {what}");
        } else if let Err(e) = from.add_mirror(*direction, &to) {
            for direction in made {
                for mirror in find(&from, &to, direction)? {
                    from.remove_mirror(&mirror)?;
                }
            }
            return Err(e);
        } else {
            made.push(*direction);
            let _ = writeln!(text, "mirrored {what}");
        }
    }
    if !pair.dry_run && !to.is_up() {
        let _ = writeln!(
            text,
            "{} is down and sends nothing: ip link set {} up",
            to.name, to.name
        );
    }
    Ok(text)
}

/// Refuses mirrors that would copy nothing, or copies of copies.
fn check(from: &Interface, to: &Interface) -> Result<()> {
    let tried = format!("mirror {} to {}", from.name, to.name);
    if from.index == to.index {
        return Err(Error::usage(
            tried,
            "an interface is not mirrored to itself",
        ));
    }
    if to.mirrors()?.iter().any(|mirror| mirror.to == from.index) {
        let why = format!(
            "{} is mirrored to {}, so that the copies would circulate",
            to.name, from.name
        );
        return Err(Error::new(Kind::Busy, tried, why)
            .advise(format!("hpcapctl mirror delete {} {}", to.name, from.name)));
    }
    let captures = |interface: &Interface| {
        let driver = interface.driver().map(|driver| driver.name);
        interface.name.starts_with("hpcap") && driver.is_some_and(|name| name.starts_with("hpcap_"))
    };
    for interface in [from, to] {
        if captures(interface) {
            let why = format!(
                "{} captures with hpcap's driver: the kernel neither gets its frames nor sends any there",
                interface.name
            );
            return Err(Error::new(Kind::Busy, tried, why).advise(
                "mirror on the switch, or attach several listeners to the queue: they share its frames",
            ));
        }
    }
    Ok(())
}

fn delete(pair: &Pair) -> Result<String> {
    let (from, to) = (
        Interface::to_change(&pair.from)?,
        Interface::to_change(&pair.to)?,
    );
    let mut text = String::new();
    for direction in pair.direction.directions() {
        for mirror in find(&from, &to, *direction)? {
            let what = format!("{} to {}, {}", from.name, to.name, word(*direction));
            if !mirror.is_ours() {
                let _ = writeln!(
                    text,
                    "left alone, because another program made it: {what} (tc filter show dev {})",
                    from.name
                );
            } else if pair.dry_run {
                let _ = writeln!(text, "would delete {what}");
            } else {
                from.remove_mirror(&mirror)?;
                let _ = writeln!(text, "deleted {what}");
            }
        }
    }
    if text.is_empty() {
        let _ = writeln!(
            text,
            "nothing to do: {} is not mirrored to {}",
            from.name, to.name
        );
    }
    Ok(text)
}

fn show(list: &List) -> Result<String> {
    let all = Interface::all()?;
    let name_of = |index| {
        let found = all.iter().find(|interface| interface.index == index);
        found.map_or_else(|| format!("interface {index}"), |i| i.name.clone())
    };
    let from: Vec<Interface> = match &list.from {
        Some(name) => vec![Interface::to_change(name)?],
        None => all.clone(),
    };
    let mut text = String::new();
    for interface in &from {
        for mirror in interface.mirrors()? {
            let shown = Shown {
                from: interface.name.clone(),
                to: name_of(mirror.to),
                direction: word(mirror.direction),
                own: mirror.is_ours(),
            };
            text += &match list.json {
                true => json_line(&shown)?,
                false => format!(
                    "{} to {}, {}{}\n",
                    shown.from,
                    shown.to,
                    shown.direction,
                    if shown.own {
                        ""
                    } else {
                        " (of another program)"
                    }
                ),
            };
        }
    }
    if text.is_empty() && !list.json {
        text.push_str("no interface is mirrored\n");
    }
    Ok(text)
}
