//! Advice on the privileges for capturing without root, the same in all programs.
//!
//! ```
//! let advice = hpcap::privilege::packet_socket_advice("my-capture");
//! assert!(advice.contains("setcap cap_net_raw+ep /usr/local/bin/my-capture"));
//! ```

/// Returns advice for a user whose `program` lacks the capability for packet sockets.
///
/// A capability of a program's file applies to every user who may start the program. The advice
/// must therefore restrict who may start it.
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

/// Returns advice for a user whose `program` lacks the capabilities for AF_XDP.
#[must_use]
pub fn af_xdp_advice(program: &str) -> String {
    format!(
        "it takes the capabilities CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF. Run it as root;\n  \
         or as a service of its own user, with AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN \
         CAP_BPF in its unit;\n  \
         or capture with af_packet:, for which {program} needs CAP_NET_RAW only"
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
