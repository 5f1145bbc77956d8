//! How connections and slots are shared out: no user can shut out the others, and no number of
//! users shuts out root and the producer's own user.

use hpcap::{Error, Kind, Result, abi};

/// Something that a queue has a limited number of.
#[derive(Debug)]
pub(super) struct Share {
    /// Its name, in the plural.
    what: &'static str,
    /// How many there are.
    all: usize,
    /// How many of them only root and the producer's own user get.
    reserved: usize,
    /// How many another user gets.
    per_user: usize,
    /// What to do where there are no more.
    advice: &'static str,
}

/// Clients with clients: all slots, and as many who only look.
pub(super) const CONNECTIONS: Share = Share {
    what: "connections",
    all: 4 * abi::HPCAP_SLOTS,
    reserved: 16,
    per_user: 48,
    advice: "end programs that look at the queue and are not needed",
};

/// Listeners.
pub(super) const SLOTS: Share = Share {
    what: "slots for listeners",
    all: abi::HPCAP_SLOTS,
    reserved: 4,
    per_user: 12,
    advice: "`hpcapctl status` lists them; `hpcapctl kill QUEUE ID` ends one",
};

impl Share {
    /// Judges whether user `uid` gets one more, beside those that the users in `taken` have.
    ///
    /// # Errors
    /// [`Kind::Full`], and whose limit it is.
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

/// Whether `uid` is root or the producer's own user.
fn is_preferred(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// Lets users in, in turn, until nobody gets in any more; how many each has then.
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

    // Users of tests are neither root nor who runs them.
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
