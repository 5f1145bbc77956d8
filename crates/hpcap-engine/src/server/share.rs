//! Limits on connections and slots. No user can take those of all other users, and all other users
//! together leave some to root and the producer's own user.

use hpcap::{Error, Kind, Result, abi};

/// The limits for one kind of resource of a queue.
#[derive(Debug)]
pub(super) struct Share {
    /// The resource's name, in the plural.
    what: &'static str,
    /// Number of units in all.
    all: usize,
    /// Number of units that only root and the producer's own user may take.
    reserved: usize,
    /// Largest number of units that any other user may take.
    per_user: usize,
    /// Advice for a user who gets no more.
    advice: &'static str,
}

/// Connections: one for each slot, and three times as many for clients that only observe.
pub(super) const CONNECTIONS: Share = Share {
    what: "connections",
    all: 4 * abi::HPCAP_SLOTS,
    reserved: 16,
    per_user: 48,
    advice: "end programs that look at the queue and are not needed",
};

/// Slots for listeners.
pub(super) const SLOTS: Share = Share {
    what: "slots for listeners",
    all: abi::HPCAP_SLOTS,
    reserved: 4,
    per_user: 12,
    advice: "`hpcapctl status` lists them; `hpcapctl kill QUEUE ID` ends one",
};

impl Share {
    /// Checks whether user `uid` may take one more unit. `taken` has the user of each unit in use.
    ///
    /// # Errors
    /// [`Kind::Full`]; the message says which limit was reached.
    pub(super) fn admit(
        &self,
        uid: u32,
        taken: impl Iterator<Item = u32> + Clone,
        tried: &str,
    ) -> Result<()> {
        let Self {
            what,
            all,
            reserved,
            per_user,
            advice,
        } = self;
        let full = |why: String| Err(Error::new(Kind::Full, tried, why).advise(*advice));
        if taken.clone().count() >= *all {
            return full(format!("all {all} {what} of the queue are taken"));
        }
        if is_preferred(uid) {
            return Ok(());
        }
        if taken.clone().filter(|other| *other == uid).count() >= *per_user {
            return full(format!(
                "user {uid} has {per_user} {what} of the queue, which is the most that one user gets"
            ));
        }
        let others = taken.filter(|other| !is_preferred(*other)).count();
        if others >= all - reserved {
            return full(format!(
                "all {what} of the queue but {reserved}, which are root's, are taken"
            ));
        }
        Ok(())
    }
}

/// Returns whether `uid` is root or the producer's own user.
fn is_preferred(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Admits `users` in turn until none gets any more. Returns how many units each has.
    fn fill(share: &Share, users: &[u32]) -> Vec<usize> {
        let mut taken: Vec<u32> = Vec::new();
        let mut before = usize::MAX;
        while before != taken.len() {
            before = taken.len();
            for user in users {
                if share.admit(*user, taken.iter().copied(), "try").is_ok() {
                    taken.push(*user);
                }
            }
        }
        let of = |user: &u32| taken.iter().filter(|other| *other == user).count();
        users.iter().map(of).collect()
    }

    // User ids that are neither root's nor that of the user who runs the test.
    const ANN: u32 = 4_000_000_001;
    const BOB: u32 = 4_000_000_002;
    const CAT: u32 = 4_000_000_003;

    #[test]
    fn one_user_gets_no_more_than_its_share() {
        assert_eq!(fill(&SLOTS, &[ANN]), [SLOTS.per_user]);
        assert_eq!(fill(&CONNECTIONS, &[ANN]), [CONNECTIONS.per_user]);
        let taken = vec![ANN; SLOTS.per_user];
        let refused = SLOTS.admit(ANN, taken.iter().copied(), "attach");
        assert_eq!(refused.unwrap_err().kind(), Kind::Full);
        assert!(SLOTS.admit(BOB, taken.into_iter(), "attach").is_ok());
    }

    #[test]
    fn many_users_leave_room_for_root() {
        for share in [&SLOTS, &CONNECTIONS] {
            let others: usize = fill(share, &[ANN, BOB, CAT]).iter().sum();
            assert_eq!(others, share.all - share.reserved);
            assert_eq!(fill(share, &[0]), [share.all]);
        }
    }
}
