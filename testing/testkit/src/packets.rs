//! Frames of the usual protocols, made header by header.

/// Returns `parts` one after the other.
#[must_use]
pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Returns an Ethernet frame of type `kind`.
#[must_use]
pub fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
    join(&[
        &[0, 0x10, 0x22, 0xfd, 0xc4, 0xd6],
        &[0, 0x11, 0x09, 0x61, 0xeb, 0x0e],
        &kind.to_be_bytes(),
        body,
    ])
}

/// Returns the body of a frame of type 0x8100 or 0x88a8.
#[must_use]
pub fn tag(control: u16, kind: u16, body: &[u8]) -> Vec<u8> {
    join(&[&control.to_be_bytes(), &kind.to_be_bytes(), body])
}

/// Returns an IPv4 packet, with `place` in its field of flags and fragment offset.
#[must_use]
pub fn ipv4_part(protocol: u8, place: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).unwrap();
    join(&[
        &[0x45, 0],
        &length.to_be_bytes(),
        &[0, 7],
        &place.to_be_bytes(),
        &[64, protocol, 0, 0],
        &[192, 168, 0, 48],
        &[192, 168, 4, 78],
        body,
    ])
}

/// Returns an IPv4 packet that is not a fragment.
#[must_use]
pub fn ipv4(protocol: u8, body: &[u8]) -> Vec<u8> {
    ipv4_part(protocol, 0, body)
}

/// Returns an IPv6 packet from 2001:db8::1 to 2001:db8::2.
#[must_use]
pub fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut source = [0; 16];
    source[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
    let mut destination = source;
    (source[15], destination[15]) = (1, 2);
    let length = u16::try_from(body.len()).unwrap();
    join(&[
        &[0x60, 0, 0, 0],
        &length.to_be_bytes(),
        &[next, 63],
        &source,
        &destination,
        body,
    ])
}

/// Returns an extension header of IPv6 of 8 bytes and `more` units of 8, and `body` after it.
#[must_use]
pub fn extension(next: u8, more: u8, body: &[u8]) -> Vec<u8> {
    join(&[&[next, more], &vec![0; 6 + 8 * usize::from(more)], body])
}

/// Returns a datagram of UDP.
#[must_use]
pub fn udp(source: u16, destination: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + body.len()).unwrap();
    join(&[
        &source.to_be_bytes(),
        &destination.to_be_bytes(),
        &length.to_be_bytes(),
        &[0, 0],
        body,
    ])
}

/// Returns a segment of TCP with the sequence number 1000, the acknowledgement 2000 and the window 500.
#[must_use]
pub fn tcp(source: u16, destination: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    join(&[
        &source.to_be_bytes(),
        &destination.to_be_bytes(),
        &1_000_u32.to_be_bytes(),
        &2_000_u32.to_be_bytes(),
        &[0x50, flags],
        &500_u16.to_be_bytes(),
        &[0; 4],
        body,
    ])
}

/// Returns one frame of each kind that the parser of packets (`hpcap-packet`) knows.
#[must_use]
pub fn one_of_each_kind() -> Vec<Vec<u8>> {
    let udp = udp(53, 40_000, &[9; 12]);
    let fragment = extension(17, 0, &udp);
    let gre = join(&[&[0x20, 0, 0x08, 0x00, 0, 0, 0, 5], &ipv4(17, &udp)]);
    vec![
        ethernet(0x0800, &ipv4(6, &tcp(80, 40_000, 0x12, &[]))),
        ethernet(0x0800, &ipv4(17, &udp)),
        ethernet(0x0800, &ipv4(1, &[8, 0, 0, 0, 0, 1, 0, 2, 5, 5])),
        ethernet(
            0x0800,
            &ipv4(132, &[0, 80, 0, 81, 0, 0, 0, 9, 0, 0, 0, 0, 3, 0]),
        ),
        ethernet(0x0800, &ipv4(47, &gre)),
        ethernet(0x0800, &ipv4_part(17, 0x2000, &udp)),
        ethernet(0x0800, &ipv4_part(17, 0x20b9, &[1; 16])),
        ethernet(0x86dd, &ipv6(17, &udp)),
        ethernet(0x86dd, &ipv6(0, &extension(60, 1, &extension(17, 0, &udp)))),
        ethernet(0x86dd, &ipv6(44, &fragment)),
        ethernet(0x86dd, &ipv6(58, &[128, 0, 0, 0, 0, 3, 0, 4])),
        ethernet(0x8100, &tag(0x6005, 0x0800, &ipv4(17, &udp))),
        ethernet(0x88a8, &tag(7, 0x8100, &tag(5, 0x86dd, &ipv6(17, &udp)))),
        ethernet(
            0x0806,
            &join(&[
                &[0, 1, 8, 0, 6, 4, 0, 1],
                &[2, 0, 0, 0, 0, 1, 10, 0, 0, 1],
                &[0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
            ]),
        ),
        ethernet(0x88cc, &[0x1b; 40]),
        ethernet(46, &[0x42, 0x42, 3]),
    ]
}
