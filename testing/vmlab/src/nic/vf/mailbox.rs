//! The mailbox between a virtual function and its physical function, and the answers of the
//! physical function.
//!
//! Datasheet, sections 7.10 and 8.3. The messages are the interface between the two drivers,
//! versions 1.0 to 1.4. This physical function trusts its guest and grants every request.

use std::collections::BTreeSet;

use crate::nic::tx::SHORTEST;

/// Number of words of VFMBMEM.
pub(super) const WORDS: usize = 16;

/// Bits of VFMAILBOX.
mod bits {
    /// The guest has written a message.
    pub(super) const REQ: u32 = 1 << 0;
    /// The guest owns the words.
    pub(super) const VFU: u32 = 1 << 2;
    /// There is a message for the guest.
    pub(super) const PFSTS: u32 = 1 << 4;
    /// The guest's message was read.
    pub(super) const PFACK: u32 = 1 << 5;
    /// The bits that reading clears: PFSTS, PFACK, RSTD.
    pub(super) const READ_CLEAR: u32 = 0xB0;
}

const SUCCESS: u32 = 1 << 31;
const FAILURE: u32 = 1 << 30;
/// Clear to send: the physical function accepts messages of the guest. Without this bit the link
/// never comes up.
const CTS: u32 = 1 << 29;
/// Position of the additional information in a message's first word.
const INFO_SHIFT: u32 = 16;
const INFO: u32 = 0xFF;

/// Messages of the guest.
mod ask {
    pub(super) const RESET: u32 = 0x01;
    pub(super) const SET_MAC_ADDR: u32 = 0x02;
    pub(super) const SET_MULTICAST: u32 = 0x03;
    pub(super) const SET_VLAN: u32 = 0x04;
    pub(super) const SET_LPE: u32 = 0x05;
    pub(super) const SET_MACVLAN: u32 = 0x06;
    pub(super) const API_NEGOTIATE: u32 = 0x08;
    pub(super) const GET_QUEUES: u32 = 0x09;
    pub(super) const UPDATE_XCAST_MODE: u32 = 0x0C;
    pub(super) const GET_LINK_STATE: u32 = 0x10;
}

/// A message of the physical function to its guests that something has changed.
const PF_CONTROL_MSG: u32 = 0x0100;
/// Newest accepted version, which is 1.4, as the drivers number it.
const API_NEWEST: u32 = 5;
const XCAST_MODE_ALLMULTI: u32 = 2;
const XCAST_MODE_PROMISC: u32 = 3;
/// Longest frame in bytes with FCS, until the guest requests longer ones.
const FRAME_MAX: usize = 1518;
/// Longest frame that the guest can request (MAXFRS has 16 bits, the 82599 accepts 15.5 KB).
const FRAME_LIMIT: u32 = 15_872;
const FCS: usize = 4;
const TAG: usize = 4;

/// The physical function, as far as this guest can see it.
#[derive(Debug, Clone)]
pub(super) struct Mailbox {
    words: [u32; WORDS],
    control: u32,
    permanent: [u8; 6],
    mac: [u8; 6],
    more_macs: Vec<[u8; 6]>,
    /// 12 bits of each multicast address that the guest wants.
    multicast: BTreeSet<u16>,
    vlans: BTreeSet<u16>,
    xcast_mode: u32,
    frame_max: usize,
}

impl Mailbox {
    /// Creates the mailbox of a guest with the MAC address `mac`.
    pub(super) fn new(mac: [u8; 6]) -> Self {
        Self {
            words: [0; WORDS],
            control: 0,
            permanent: mac,
            mac,
            more_macs: Vec::new(),
            multicast: BTreeSet::new(),
            vlans: BTreeSet::new(),
            xcast_mode: 0,
            frame_max: FRAME_MAX,
        }
    }

    /// Reads a word of VFMBMEM.
    pub(super) fn word(&self, index: usize) -> u32 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// Writes a word of VFMBMEM.
    pub(super) fn set_word(&mut self, index: usize, value: u32) {
        if let Some(word) = self.words.get_mut(index) {
            *word = value;
        }
    }

    /// Reads VFMAILBOX.
    pub(super) fn read_control(&mut self) -> u32 {
        let value = self.control;
        self.control &= !bits::READ_CLEAR;
        value
    }

    /// Writes VFMAILBOX.
    pub(super) fn write_control(&mut self, value: u32) {
        self.control = self.control & !bits::VFU | value & bits::VFU;
        if value & bits::REQ != 0 {
            self.answer();
            self.control |= bits::PFSTS | bits::PFACK;
        }
    }

    /// Tells the guest that the link has changed.
    pub(super) fn notify(&mut self) {
        self.words[0] = PF_CONTROL_MSG | CTS;
        self.control |= bits::PFSTS;
    }

    /// Answers the message in the words, and replaces it with the answer.
    fn answer(&mut self) {
        let message = self.words[0];
        let (number, info) = (message & 0xFFFF, message >> INFO_SHIFT & INFO);
        let granted = match number {
            ask::RESET => {
                *self = Self {
                    words: self.words,
                    control: self.control,
                    ..Self::new(self.permanent)
                };
                let [a, b, c, d, e, f] = self.mac;
                // This is the only answer without CTS, because the guest compares the whole word.
                self.words[0] = ask::RESET | SUCCESS;
                self.words[1] = u32::from_le_bytes([a, b, c, d]);
                self.words[2] = u32::from_le_bytes([e, f, 0, 0]);
                self.words[3] = 0;
                return;
            }
            ask::SET_MAC_ADDR => {
                self.mac = self.address();
                true
            }
            ask::SET_MULTICAST => {
                self.multicast = (0..info as usize)
                    .map(|n| (self.word(1 + n / 2) >> (16 * (n % 2)) & 0xFFF) as u16)
                    .collect();
                true
            }
            ask::SET_VLAN => {
                let vlan = (self.words[1] & 0xFFF) as u16;
                match info {
                    0 => _ = self.vlans.remove(&vlan),
                    _ => _ = self.vlans.insert(vlan),
                }
                true
            }
            ask::SET_LPE => {
                let granted = self.words[1] <= FRAME_LIMIT;
                if granted {
                    self.frame_max = (self.words[1] as usize).max(FRAME_MAX);
                }
                granted
            }
            ask::SET_MACVLAN => {
                // Address number 1 starts a new list, and number 0 means an empty list.
                if info <= 1 {
                    self.more_macs.clear();
                }
                if info > 0 {
                    self.more_macs.push(self.address());
                }
                true
            }
            ask::API_NEGOTIATE => self.words[1] <= API_NEWEST,
            ask::GET_QUEUES => {
                // The guest has one Tx queue, one Rx queue, no port VLAN, and no default queue.
                self.words[1..5].copy_from_slice(&[1, 1, 0, 0]);
                true
            }
            ask::UPDATE_XCAST_MODE => {
                self.xcast_mode = self.words[1].min(XCAST_MODE_PROMISC);
                self.words[1] = self.xcast_mode;
                true
            }
            ask::GET_LINK_STATE => {
                self.words[1] = 1;
                true
            }
            _ => false,
        };
        self.words[0] = message | CTS | if granted { SUCCESS } else { FAILURE };
    }

    /// Returns the MAC address in words 1 and 2.
    fn address(&self) -> [u8; 6] {
        let ([a, b, c, d], [e, f, ..]) = (self.words[1].to_le_bytes(), self.words[2].to_le_bytes());
        [a, b, c, d, e, f]
    }

    /// Returns whether the physical function passes a frame on to this guest.
    pub(super) fn passes(&self, frame: &[u8]) -> bool {
        let Some((to, rest)) = frame.split_first_chunk::<6>() else {
            return false;
        };
        let tag = match rest.get(6..10) {
            Some(&[0x81, 0x00, high, low]) => Some(u16::from_be_bytes([high, low]) & 0xFFF),
            _ => None,
        };
        let tag_bytes = if tag.is_some() { TAG } else { 0 };
        if frame.len() < SHORTEST || frame.len() + FCS > self.frame_max + tag_bytes {
            return false;
        }
        if self.xcast_mode >= XCAST_MODE_PROMISC {
            return true;
        }
        // The tag of VLAN 0 only carries a priority.
        if tag.is_some_and(|vlan| vlan != 0 && !self.vlans.contains(&vlan)) {
            return false;
        }
        match to {
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] => true,
            [first, _, _, _, e, f] if first & 1 != 0 => {
                let part = u16::from(*e) >> 4 | u16::from(*f) << 4;
                self.xcast_mode >= XCAST_MODE_ALLMULTI || self.multicast.contains(&part)
            }
            unicast => *unicast == self.mac || self.more_macs.contains(unicast),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

    /// Sends a message as ixgbevf does. Returns the words of the answer.
    fn ask(mailbox: &mut Mailbox, words: &[u32]) -> Vec<u32> {
        mailbox.write_control(bits::VFU);
        assert_eq!(mailbox.read_control() & bits::VFU, bits::VFU, "granted");
        for (n, word) in words.iter().enumerate() {
            mailbox.set_word(n, *word);
        }
        mailbox.write_control(bits::REQ);
        let status = mailbox.read_control();
        assert_eq!(status, bits::PFSTS | bits::PFACK);
        assert_eq!(mailbox.read_control(), 0, "cleared by reading");
        (0..WORDS).map(|n| mailbox.word(n)).collect()
    }

    fn frame(to: [u8; 6], len: usize) -> Vec<u8> {
        let mut frame = vec![0; len];
        frame[..6].copy_from_slice(&to);
        frame
    }

    #[test]
    fn reset_reports_address_only() {
        let mut mailbox = Mailbox::new(MAC);
        ask(&mut mailbox, &[ask::UPDATE_XCAST_MODE, XCAST_MODE_PROMISC]);
        let answer = ask(&mut mailbox, &[ask::RESET]);
        assert_eq!(answer[..4], [0x8000_0001, 0x0000_0002, 0x0000_0700, 0]);
        assert!(!mailbox.passes(&frame([4; 6], 60)));
    }

    #[test]
    fn mailbox_negotiates_version() {
        let mut mailbox = Mailbox::new(MAC);
        for version in [8, 7, 6] {
            let answer = ask(&mut mailbox, &[ask::API_NEGOTIATE, version])[0];
            assert_eq!(answer, ask::API_NEGOTIATE | FAILURE | CTS);
        }
        let answer = ask(&mut mailbox, &[ask::API_NEGOTIATE, 5])[0];
        assert_eq!(answer, ask::API_NEGOTIATE | SUCCESS | CTS);
        let queues = ask(&mut mailbox, &[ask::GET_QUEUES]);
        assert_eq!(queues[1..5], [1, 1, 0, 0]);
        assert_eq!(ask(&mut mailbox, &[ask::GET_LINK_STATE])[1], 1);
        assert_eq!(ask(&mut mailbox, &[0x55])[0], 0x55 | FAILURE | CTS);
    }

    #[test]
    fn filter_follows_requested_addresses() {
        let mut mailbox = Mailbox::new(MAC);
        let (other, group) = ([4, 1, 2, 3, 4, 5], [0x33, 0x33, 0, 0, 0x12, 0x34]);
        assert!(mailbox.passes(&frame(MAC, 60)));
        assert!(mailbox.passes(&frame([0xFF; 6], 60)));
        assert!(!mailbox.passes(&frame(other, 60)));
        assert!(!mailbox.passes(&frame(group, 60)));
        // The filter uses 12 bits of the last two bytes, as ixgbevf does.
        let part = 0x12 >> 4 | 0x34 << 4;
        ask(&mut mailbox, &[ask::SET_MULTICAST | 1 << INFO_SHIFT, part]);
        assert!(mailbox.passes(&frame(group, 60)));
        ask(
            &mut mailbox,
            &[ask::SET_MACVLAN | 1 << INFO_SHIFT, 0x0302_0104, 0x0504],
        );
        assert!(mailbox.passes(&frame(other, 60)));
        ask(&mut mailbox, &[ask::SET_MACVLAN]);
        assert!(!mailbox.passes(&frame(other, 60)));
        ask(&mut mailbox, &[ask::UPDATE_XCAST_MODE, XCAST_MODE_PROMISC]);
        assert!(mailbox.passes(&frame(other, 60)));
    }

    #[test]
    fn filter_follows_requested_vlans() {
        let mut mailbox = Mailbox::new(MAC);
        let mut tagged = frame(MAC, 64);
        tagged[12..16].copy_from_slice(&[0x81, 0, 0, 100]);
        assert!(!mailbox.passes(&tagged));
        ask(&mut mailbox, &[ask::SET_VLAN | 1 << INFO_SHIFT, 100]);
        assert!(mailbox.passes(&tagged));
        ask(&mut mailbox, &[ask::SET_VLAN, 100]);
        assert!(!mailbox.passes(&tagged));

        assert!(mailbox.passes(&frame(MAC, 60)));
        assert!(!mailbox.passes(&frame(MAC, 59)));
        assert!(mailbox.passes(&frame(MAC, 1514)));
        assert!(!mailbox.passes(&frame(MAC, 1515)));
        ask(&mut mailbox, &[ask::SET_LPE, 9018]);
        assert!(mailbox.passes(&frame(MAC, 9014)));
        let refused = ask(&mut mailbox, &[ask::SET_LPE, 20_000])[0];
        assert_eq!(refused & FAILURE, FAILURE);
    }

    #[test]
    fn link_change_sends_message() {
        let mut mailbox = Mailbox::new(MAC);
        mailbox.notify();
        assert_eq!(mailbox.read_control(), bits::PFSTS);
        assert_eq!(mailbox.word(0), 0x2000_0100);
    }
}
