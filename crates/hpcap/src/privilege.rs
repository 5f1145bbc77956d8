//! What capturing without being root takes: the same advice wherever it is missing.

/// What to do where `program` lacks the capability that packet sockets take.
///
/// A program with a capability in its file gives it to everybody who may start it: it must not be
/// one that all users of the machine can start.
#[must_use]
pub fn packet_socket_advice(program: &str) -> String {
    format!(
        "it takes the capability CAP_NET_RAW. Run it as root;\n  \
         or as a service of its own user, with AmbientCapabilities=CAP_NET_RAW in its unit;\n  \
         or let the members of a group run it, and nobody else:\n    \
         install -g hpcap -m 0750 {program} /usr/local/bin/\n    \
         setcap cap_net_raw+ep /usr/local/bin/{program}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_opens_the_program_to_a_group_only() {
        let text = packet_socket_advice("hpcapd");
        for word in [
            "CAP_NET_RAW",
            "root",
            "AmbientCapabilities",
            "-m 0750 hpcapd",
            "setcap",
        ] {
            assert!(text.contains(word), "{text}");
        }
    }
}
