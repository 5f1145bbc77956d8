//! The first program in the guest.
