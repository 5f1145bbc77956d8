//! The files of the rules.

/// Each rule's name and file. A test compares the list with the folder.
pub const RULES: &[(&str, &str)] = &[
    (
        "capture-damaged",
        include_str!("../../rules/capture-damaged.toml"),
    ),
    (
        "clock-source",
        include_str!("../../rules/clock-source.toml"),
    ),
    (
        "clock-unsynchronised",
        include_str!("../../rules/clock-unsynchronised.toml"),
    ),
    ("crc-errors", include_str!("../../rules/crc-errors.toml")),
    ("disk-slow", include_str!("../../rules/disk-slow.toml")),
    (
        "fragments-dropped",
        include_str!("../../rules/fragments-dropped.toml"),
    ),
    ("governor", include_str!("../../rules/governor.toml")),
    (
        "hardware-error",
        include_str!("../../rules/hardware-error.toml"),
    ),
    ("hugepages", include_str!("../../rules/hugepages.toml")),
    ("idle-states", include_str!("../../rules/idle-states.toml")),
    ("interrupts", include_str!("../../rules/interrupts.toml")),
    (
        "interrupts-wrong-node",
        include_str!("../../rules/interrupts-wrong-node.toml"),
    ),
    (
        "isolated-cores",
        include_str!("../../rules/isolated-cores.toml"),
    ),
    (
        "kernel-fault",
        include_str!("../../rules/kernel-fault.toml"),
    ),
    ("link-down", include_str!("../../rules/link-down.toml")),
    (
        "listener-behind",
        include_str!("../../rules/listener-behind.toml"),
    ),
    (
        "listener-demoted",
        include_str!("../../rules/listener-demoted.toml"),
    ),
    (
        "listener-stopped",
        include_str!("../../rules/listener-stopped.toml"),
    ),
    ("lockup", include_str!("../../rules/lockup.toml")),
    (
        "losses-nic-error",
        include_str!("../../rules/losses-nic-error.toml"),
    ),
    (
        "losses-nic-missed",
        include_str!("../../rules/losses-nic-missed.toml"),
    ),
    (
        "losses-no-listener",
        include_str!("../../rules/losses-no-listener.toml"),
    ),
    (
        "losses-ring-full",
        include_str!("../../rules/losses-ring-full.toml"),
    ),
    (
        "memory-exhausted",
        include_str!("../../rules/memory-exhausted.toml"),
    ),
    (
        "modules-differ",
        include_str!("../../rules/modules-differ.toml"),
    ),
    ("numa-node", include_str!("../../rules/numa-node.toml")),
    ("offloads", include_str!("../../rules/offloads.toml")),
    ("pause", include_str!("../../rules/pause.toml")),
    (
        "pause-received",
        include_str!("../../rules/pause-received.toml"),
    ),
    ("pause-sent", include_str!("../../rules/pause-sent.toml")),
    ("pcie-errors", include_str!("../../rules/pcie-errors.toml")),
    ("pcie-link", include_str!("../../rules/pcie-link.toml")),
    ("poll-thread", include_str!("../../rules/poll-thread.toml")),
    (
        "poll-thread-busy",
        include_str!("../../rules/poll-thread-busy.toml"),
    ),
    (
        "producer-silent",
        include_str!("../../rules/producer-silent.toml"),
    ),
    (
        "queue-unseen",
        include_str!("../../rules/queue-unseen.toml"),
    ),
    (
        "queues-unbalanced",
        include_str!("../../rules/queues-unbalanced.toml"),
    ),
    ("ring-length", include_str!("../../rules/ring-length.toml")),
    ("rx-missed", include_str!("../../rules/rx-missed.toml")),
    (
        "rx-missed-earlier",
        include_str!("../../rules/rx-missed-earlier.toml"),
    ),
    (
        "rx-missed-slot",
        include_str!("../../rules/rx-missed-slot.toml"),
    ),
    (
        "rx-missed-small-ring",
        include_str!("../../rules/rx-missed-small-ring.toml"),
    ),
    (
        "rx-no-buffer",
        include_str!("../../rules/rx-no-buffer.toml"),
    ),
    ("socket-full", include_str!("../../rules/socket-full.toml")),
    (
        "softnet-dropped",
        include_str!("../../rules/softnet-dropped.toml"),
    ),
    (
        "softnet-squeezed",
        include_str!("../../rules/softnet-squeezed.toml"),
    ),
    (
        "udp-buffer-errors",
        include_str!("../../rules/udp-buffer-errors.toml"),
    ),
    (
        "versions-differ",
        include_str!("../../rules/versions-differ.toml"),
    ),
];
