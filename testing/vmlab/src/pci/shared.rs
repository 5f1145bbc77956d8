//! A function that is accessed by its bus and its wire at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// A device behind one lock, where the bus has priority.
///
/// A virtual CPU stands still while it waits for a register, and the thread that sends traffic
/// would otherwise take the lock again at once, because a plain mutex is not fair. So the wire
/// waits while the bus waits. The wire holds the lock for one burst (about 64 frames, some ten
/// microseconds), never for longer, and never while it sleeps.
///
/// `Arc<Shared<Pf>>` coerces to `Arc<Shared<dyn Function>>`.
#[derive(Debug)]
pub struct Shared<T: ?Sized> {
    bus_waits: AtomicUsize,
    device: Mutex<T>,
}

impl<T> Shared<T> {
    /// Shares a device.
    pub fn new(device: T) -> Self {
        Self {
            bus_waits: AtomicUsize::new(0),
            device: Mutex::new(device),
        }
    }
}

impl<T: ?Sized> Shared<T> {
    /// Locks the device for the virtual machine's thread, or for another thread that reads or sets
    /// its state.
    pub fn bus(&self) -> MutexGuard<'_, T> {
        self.bus_waits.fetch_add(1, Ordering::Relaxed);
        // A panic under the lock is reported by another test. The registers stay usable.
        let guard = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        self.bus_waits.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Locks the device for the thread that sends frames, once per burst.
    pub fn wire(&self) -> MutexGuard<'_, T> {
        while self.bus_waits.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bus_access_precedes_next_burst() {
        for _ in 0..200 {
            let shared = Shared::new(0);
            thread::scope(|scope| {
                let burst = shared.wire();
                scope.spawn(|| *shared.bus() += 1);
                while shared.bus_waits.load(Ordering::Relaxed) == 0 {
                    thread::yield_now();
                }
                drop(burst);
                assert_eq!(*shared.wire(), 1, "the wire took the lock again at once");
            });
        }
    }
}
