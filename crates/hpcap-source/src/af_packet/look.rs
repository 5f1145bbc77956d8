//! Looks at the interface of a capture: it may go down, vanish and come back.

use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;

use super::AfPacket;
use super::socket::{Socket, delay_of};

impl AfPacket {
    /// Checks whether the interface exists and is up, and reads its counters.
    pub(super) fn look(&mut self) -> Result<()> {
        self.schedule.note_look();
        if self.interface.is_any() {
            // A capture of all interfaces is not bound to one, so nothing can go down or vanish.
            return Ok(());
        }
        let found = match &self.socket {
            Some(socket) if socket.is_bound()? => Interface::by_index(self.interface.index)?,
            _ => None,
        };
        let Some(interface) = found else {
            let Some(since) = self.presence.missing(&mut self.events) else {
                return Ok(());
            };
            // By then, the kernel has handed over the last block that it was filling.
            if since.elapsed() > delay_of(&self.spec) * 5 {
                self.close_drained()?;
            }
            return match self.socket {
                Some(_) => Ok(()),
                None => self.look_for_another(),
            };
        };
        self.losses.look(&interface);
        self.presence
            .found(&self.interface, &interface, &mut self.events);
        self.interface = interface;
        Ok(())
    }

    /// Closes the socket if its ring has no frames left. No frame may be lent during the call.
    fn close_drained(&mut self) -> Result<()> {
        self.release()?;
        if self.socket.as_ref().is_some_and(|s| s.ring.is_drained()) {
            self.count()?;
            self.losses.reached(u64::MAX);
            self.resumed = 0;
            self.socket = None;
        }
        Ok(())
    }

    /// Continues with another interface of the same name, if there is one by now.
    fn look_for_another(&mut self) -> Result<()> {
        let Some(interface) = Interface::by_name(&self.spec.interface)? else {
            return Ok(());
        };
        if self.spec.fanout.is_some() && !interface.is_up() {
            // An interface can join a fanout group only while it is up.
            return Ok(());
        }
        let link = interface.link()?;
        if link != self.link {
            return Err(Error::new(
                Kind::Format,
                format!("go on with {}", self.spec.interface),
                "an interface of another kind has taken its name, with frames of another link type",
            )
            .advise("start the capture anew"));
        }
        let socket = match Socket::open(&self.spec, &interface, link) {
            Ok(socket) => socket,
            // The interface was removed again or is not ready yet; the next look tries again.
            Err(e) if is_about_interface(e.os_error()) => return Ok(()),
            // Other members of the fanout group still have sockets on the old interface.
            Err(e) if self.spec.fanout.is_some() && e.os_error() == Some(libc::EINVAL) => {
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        self.losses.replaced(&interface);
        self.socket = Some(socket);
        self.presence.replaced(&interface, &mut self.events);
        self.interface = interface;
        Ok(())
    }
}

/// Returns whether the error means that the interface is down or gone.
pub(crate) fn is_about_interface(errno: Option<i32>) -> bool {
    matches!(errno, Some(libc::ENETDOWN | libc::ENODEV | libc::ENXIO))
}
