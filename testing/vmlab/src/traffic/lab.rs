//! The NICs of a machine with their traffic and faults, which `lab` controls from the guest.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use hpcap::error::Context;
use hpcap::{Error, Result};
use hpcap_source::SourceSpec;
use serde_json::{Value, json};

use super::answer::Neighbour;
use super::fault::{Device, Fault};
use super::pace::Pace;
use super::record::Record;
use super::sender::{Nic, Sender};
use crate::control::{self, Handler, Request};
use crate::nic::Receive;
use crate::nic::faults::FrameFault;
use crate::nic::pf::Counts;
use crate::nic::socket::SocketWire;
use crate::pci::shared::Shared;

/// Control of a NIC from the host.
trait Handle: Send + Sync {
    fn set_link(&self, up: bool);
    fn add_frame_fault(&self, fault: FrameFault);
    fn stall(&self, stalled: bool);
    fn remove(&self);
    fn restore(&self);
    fn counts(&self) -> Counts;
}

impl<T: Device> Handle for Shared<T> {
    fn set_link(&self, up: bool) {
        self.bus().set_link(up);
    }
    fn add_frame_fault(&self, fault: FrameFault) {
        self.bus().add_frame_fault(fault);
    }
    fn stall(&self, stalled: bool) {
        self.bus().stall(stalled);
    }
    fn remove(&self) {
        self.bus().remove();
    }
    fn restore(&self) {
        self.bus().restore();
    }
    fn counts(&self) -> Counts {
        self.bus().counts()
    }
}

struct Port {
    /// `None` for a NIC that QEMU emulates.
    nic: Option<Arc<dyn Handle>>,
    sender: Sender,
}

/// The NICs of one machine.
pub struct Lab {
    ports: Vec<Port>,
    /// Source of traffic that is started without one.
    source: Option<SourceSpec>,
    folder: PathBuf,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab")
            .field("nics", &self.ports.len())
            .finish_non_exhaustive()
    }
}

impl Lab {
    /// Creates a lab without NICs. `source` is used for traffic that is started without a source.
    /// Frames of a live interface are written to `folder`, so that recordings can be compared with
    /// them.
    #[must_use]
    pub fn new(source: Option<SourceSpec>, folder: &Path) -> Self {
        Self {
            ports: Vec::new(),
            source,
            folder: folder.to_owned(),
        }
    }

    /// Adds the next NIC. The other end of its wire has the address 10.0.N.1 and answers ARP and
    /// ping.
    ///
    /// # Errors
    /// Fails if the thread for the traffic cannot be started.
    pub fn add<T: Device + 'static>(&mut self, nic: &Arc<Shared<T>>) -> Result<()> {
        let number = self.ports.len();
        let neighbour = Neighbour::of(u8::try_from(number).unwrap_or(u8::MAX));
        nic.bus().set_wire(Box::new(neighbour));
        let wire: Nic = Arc::clone(nic) as Arc<Shared<dyn Receive>>;
        let record = Record::new(format!("nic{number}"), T::COUNTS_MISSED);
        self.ports.push(Port {
            nic: Some(Arc::clone(nic) as Arc<dyn Handle>),
            sender: Sender::new(record, wire, &self.folder)?,
        });
        Ok(())
    }

    /// Adds the next NIC, which QEMU emulates. `socket` is this end of its wire. The record says that all frames are
    /// delivered to queue 0, because only QEMU knows what the NIC does with them.
    ///
    /// # Errors
    /// Fails if the thread for the traffic cannot be started.
    pub fn add_socket(&mut self, socket: UnixDatagram) -> Result<()> {
        let name = format!("nic{}", self.ports.len());
        let wire = SocketWire::new(socket).context(|| format!("set up the wire of {name}"))?;
        let wire: Nic = Arc::new(Shared::new(wire));
        let record = Record::new(name, false);
        self.ports.push(Port {
            nic: None,
            sender: Sender::new(record, wire, &self.folder)?,
        });
        Ok(())
    }

    fn port(&self, nic: usize) -> Result<&Port> {
        self.ports.get(nic).ok_or_else(|| {
            let there = match self.ports.len() {
                0 => "this machine has no NIC of the lab".to_owned(),
                1 => "this machine has NIC 0 only".to_owned(),
                n => format!("this machine has NICs 0 to {}", n - 1),
            };
            Error::usage(format!("NIC {nic}"), there)
        })
    }

    /// Starts to send `source`, or the lab's own source, to NIC number `nic`.
    ///
    /// # Errors
    /// Fails if there is no such NIC or no source, if other traffic is being sent, or if the source
    /// fails.
    pub fn start(&self, nic: usize, source: Option<&SourceSpec>, flood: bool) -> Result<()> {
        let port = self.port(nic)?;
        let source = source.or(self.source.as_ref()).ok_or_else(|| {
            Error::usage(
                "traffic",
                "expected a source, such as gen:size=60,count=1000000",
            )
        })?;
        let pace = if flood { Pace::Flood } else { Pace::of(source) };
        port.sender.start(source, pace)
    }

    /// Starts to send the lab's own source to all NICs, to each as soon as it is up.
    ///
    /// # Errors
    /// Fails as [`start`](Self::start) does.
    pub fn begin(&self, flood: bool) -> Result<()> {
        (0..self.ports.len()).try_for_each(|nic| self.start(nic, None, flood))
    }

    /// Injects a fault into NIC number `nic`.
    ///
    /// # Errors
    /// Fails if there is no such NIC, or if a storm cannot be sent.
    pub fn fault(&self, nic: usize, fault: Fault) -> Result<()> {
        let number = nic;
        let Port { nic, sender } = self.port(nic)?;
        if let Fault::Storm(frames) = fault {
            return sender.storm(frames);
        }
        let nic = nic.as_ref().ok_or_else(|| {
            let why = "QEMU emulates this NIC: its only fault is storm";
            Error::usage(format!("a fault of NIC {number}"), why)
        })?;
        match fault {
            Fault::Link(up) => nic.set_link(up),
            Fault::Flap(time) => {
                nic.set_link(false);
                thread::sleep(time);
                nic.set_link(true);
            }
            Fault::Frame(fault) => nic.add_frame_fault(fault),
            Fault::Stall(stalled) => nic.stall(stalled),
            Fault::Remove => nic.remove(),
            Fault::Restore => nic.restore(),
            Fault::Storm(_) => {}
        }
        Ok(())
    }

    /// Returns the record of NIC number `nic` so far.
    ///
    /// # Errors
    /// Fails if there is no such NIC.
    pub fn record(&self, nic: usize) -> Result<Record> {
        Ok(self.port(nic)?.sender.record())
    }

    fn counts(&self, nic: usize) -> Result<Value> {
        let port = self.port(nic)?;
        let totals = port.sender.record().totals;
        let counts = port.nic.as_ref().map(|nic| nic.counts());
        let transmitted = counts.unwrap_or_default();
        Ok(json!({
            "nic": nic,
            "busy": port.sender.is_busy(),
            "offered": totals.offered,
            "delivered": totals.delivered,
            "missed": totals.missed,
            "filtered": totals.filtered,
            "errors": totals.errors,
            "spoiled": totals.spoiled,
            "down": totals.down,
            "discarded": totals.discarded,
            "transmitted": {
                "frames": transmitted.transmitted,
                "bytes": transmitted.transmitted_bytes,
            },
            "device": counts,
        }))
    }

    /// Ends all traffic, and all waiting for traffic, and writes the record of each NIC to
    /// `folder`: `nic0.record.json` and so on.
    ///
    /// # Errors
    /// Fails with errors of the file system.
    pub fn finish(&self, folder: &Path) -> Result<()> {
        for port in &self.ports {
            // An error that ended the traffic early was reported to the thread that waited for the
            // traffic.
            let _ = port.sender.stop();
            let mut record = port.sender.record();
            if record.totals.discarded.frames > 0 {
                record.recount()?;
            }
            record.write(&folder.join(format!("{}.record.json", record.nic)))?;
        }
        Ok(())
    }

    fn ask(&self, request: &Request) -> Result<Value> {
        match request {
            Request::TrafficStart { nic, spec, pace } => {
                let spec = spec.as_deref().map(str::parse).transpose()?;
                self.start(*nic, spec.as_ref(), *pace == control::Pace::Flood)?;
            }
            Request::TrafficWait { nic } => self.port(*nic)?.sender.wait()?,
            Request::TrafficStop { nic } => self.port(*nic)?.sender.stop()?,
            Request::Counts { nic: Some(nic) } => return self.counts(*nic),
            Request::Counts { nic: None } => {
                return (0..self.ports.len()).map(|nic| self.counts(nic)).collect();
            }
            Request::Fault {
                nic,
                kind,
                arguments,
            } => self.fault(*nic, Fault::parse(kind, arguments)?)?,
        }
        Ok(Value::Null)
    }
}

impl Handler for Lab {
    fn handle(&self, request: &Request) -> std::result::Result<Value, String> {
        self.ask(request).map_err(|e| e.to_string())
    }
}
