//! Interfaces that go down, vanish and come back, and those that must not be captured.

use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;

use super::capture::Capture;
use super::clock::Clock;
use super::pace::fastest;
use super::spec::AfXdpSpec;
use super::{AfXdp, in_use, pace};
use crate::af_packet::is_about_interface;

impl AfXdp {
    /// Checks whether the interface exists and is up, and reads its counters.
    pub(super) fn look(&mut self) -> Result<()> {
        self.schedule.note_look();
        let found = match &self.capture {
            Some(capture) if capture.watch.is_bound()? => {
                Interface::by_index(self.interface.index)?
            }
            _ => None,
        };
        let Some(interface) = found else {
            if self.presence.missing(&mut self.events).is_none() {
                return Ok(());
            }
            self.close_drained()?;
            return match self.capture {
                Some(_) => Ok(()),
                None => self.look_for_another(),
            };
        };
        self.losses.look(&interface);
        let has_come_up = self
            .presence
            .found(&self.interface, &interface, &mut self.events);
        if has_come_up {
            // The link may have another speed now.
            self.pace.link_changed(fastest(&interface));
        }
        self.interface = interface;
        Ok(())
    }

    /// Closes the sockets if their rings have no frames left. No frame may be lent during the call.
    fn close_drained(&mut self) -> Result<()> {
        self.release()?;
        self.count()?;
        let Some(capture) = &mut self.capture else {
            return Ok(());
        };
        let mut drained = true;
        for queue in &mut capture.queues {
            drained &= !queue.refresh();
        }
        if drained {
            for queue in &mut capture.queues {
                let missing = queue.take_missing();
                self.losses.missed(missing);
            }
            self.capture = None;
        }
        Ok(())
    }

    /// Continues with another interface of the same name, if there is one by now.
    fn look_for_another(&mut self) -> Result<()> {
        let Some(interface) = Interface::by_name(&self.spec.interface)? else {
            return Ok(());
        };
        check(&self.spec, &interface)?;
        let capture = match Capture::open(&self.spec, &interface) {
            Ok(capture) => capture,
            // The interface was removed again or is not ready yet; the next look tries again.
            Err(e) if is_about_interface(e.os_error()) => return Ok(()),
            Err(e) => return Err(e),
        };
        self.losses.replaced(&interface);
        self.unserved = 0;
        self.clock = Clock::new(capture.attached.cookie);
        self.pace = pace(&self.spec, &capture, &interface);
        self.taken = vec![0; capture.queues.len()];
        self.presence.replaced(&interface, &mut self.events);
        self.capture = Some(capture);
        self.interface = interface;
        Ok(())
    }
}

/// Fails if `interface` cannot be captured, or must not.
pub(super) fn check(spec: &AfXdpSpec, interface: &Interface) -> Result<()> {
    let tried = || format!("capture {} through AF_XDP", spec.interface);
    if interface.is_any() {
        return Err(
            Error::usage("source af_xdp:any", "AF_XDP captures one interface")
                .advise("af_packet:any captures all of them"),
        );
    }
    if !interface.link()?.has_addresses() {
        return Err(
            Error::new(Kind::Format, tried(), "its frames are not Ethernet").advise(format!(
                "-i {} captures it through AF_PACKET",
                spec.interface
            )),
        );
    }
    if spec.takeover {
        return Ok(());
    }
    match in_use::use_of(interface)? {
        None => Ok(()),
        Some(how) => Err(Error::new(
            Kind::Busy,
            tried(),
            format!(
                "this machine uses it: {how}; AF_XDP takes the frames away from the network \
                 stack, so connections over it, such as yours, would break"
            ),
        )
        .advise(format!(
            "-i {0} captures it and leaves the frames to the stack; af_xdp:{0},takeover=on takes \
             them all the same",
            spec.interface
        ))),
    }
}
