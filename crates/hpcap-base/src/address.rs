//! Addresses of devices, interfaces and hosts.
//!
//! Each type reads the text that people and configurations write, and prints one canonical form of it, so that two
//! texts of one address compare as equal. A text that is not an address is refused as a whole ([`NotAnAddress`]); the
//! caller knows what the address was for, and makes the message.
//!
//! ```
//! use hpcap_base::address::{Address, MacAddress, PciAddress};
//!
//! // `lspci` leaves out domain 0.
//! let nic: PciAddress = "03:00.1".parse().unwrap();
//! assert_eq!(nic.to_string(), "0000:03:00.1");
//!
//! let mac: MacAddress = "02:11:AA:bb:cc:dd".parse().unwrap();
//! assert_eq!(mac.to_string(), "02:11:aa:bb:cc:dd");
//!
//! let address: Address = "192.0.2.1/24".parse().unwrap();
//! assert_eq!(address.prefix, 24);
//! assert!("192.0.2.1/33".parse::<Address>().is_err());
//! ```

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The address of a device on the PCI bus: domain, bus, device and function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// The domain.
    pub domain: u32,
    /// The bus in the domain.
    pub bus: u8,
    /// The device on the bus, 0 to 31.
    pub device: u8,
    /// The function of the device, 0 to 7.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

/// The text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnAddress;

/// Parses `digits` as a hexadecimal number of at most `most` digits, without a sign.
fn hexadecimal(digits: &str, most: usize) -> Result<u32, NotAnAddress> {
    let fits = (1..=most).contains(&digits.len());
    if !fits || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(NotAnAddress);
    }
    u32::from_str_radix(digits, 16).map_err(|_| NotAnAddress)
}

fn byte(digits: &str) -> Result<u8, NotAnAddress> {
    u8::try_from(hexadecimal(digits, 2)?).map_err(|_| NotAnAddress)
}

/// Parses `0000:03:00.0`, or `03:00.0` of domain 0.
impl FromStr for PciAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (place, function) = text.rsplit_once('.').ok_or(NotAnAddress)?;
        let (rest, device) = place.rsplit_once(':').ok_or(NotAnAddress)?;
        let (domain, bus) = match rest.split_once(':') {
            Some((domain, bus)) => (hexadecimal(domain, 8)?, bus),
            None => (0, rest),
        };
        let address = Self {
            domain,
            bus: byte(bus)?,
            device: byte(device)?,
            function: byte(function)?,
        };
        match address.device < 32 && address.function < 8 {
            true => Ok(address),
            false => Err(NotAnAddress),
        }
    }
}

/// The permanent MAC address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|b| format!("{b:02x}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

impl FromStr for MacAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let bytes: Result<Vec<u8>, _> = text.split(':').map(byte).collect();
        let bytes: [u8; 6] = bytes?.try_into().map_err(|_| NotAnAddress)?;
        Ok(Self(bytes))
    }
}

/// An IP address and the length of its network's prefix: `192.0.2.1/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// The number of bits that the addresses of the network share.
    pub prefix: u8,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (ip, prefix) = text.split_once('/').ok_or(NotAnAddress)?;
        let ip: IpAddr = ip.parse().map_err(|_| NotAnAddress)?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix: u8 = prefix.parse().map_err(|_| NotAnAddress)?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        match digits && prefix <= most {
            true => Ok(Self { ip, prefix }),
            false => Err(NotAnAddress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_are_read_as_written() {
        for text in ["0000:01:00.1", "10000:e1:1f.7"] {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), text);
        }
        assert_eq!(
            "03:00.0".parse::<PciAddress>().unwrap().to_string(),
            "0000:03:00.0"
        );
        for text in [
            "",
            "0000:01:20.0",
            "0000:01:00.8",
            "+0:01:00.0",
            "virtio2",
            "1-1:1.0",
        ] {
            assert_eq!(text.parse::<PciAddress>(), Err(NotAnAddress), "{text}");
        }
    }
}
