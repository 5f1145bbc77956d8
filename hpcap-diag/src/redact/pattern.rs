//! The patterns of what is replaced.

use super::Names;

/// The words in the names of secrets.
const SECRET_WORDS: &str = "passwords?|passwd|passphrase|secrets?|tokens?|psk|api[_-]?keys?|private[_-]?keys?|\
                            access[_-]?keys?|credentials?|snmp[_-]?community|bearer";

/// The ends of names of machines that are not known beforehand.
const DOMAINS: &str =
    "com|net|org|edu|gov|mil|int|info|local|localdomain|lan|internal|intranet|corp|home|arpa";

/// A replacement, which is not replaced again.
const OWN: &str = r"(?-u:(?P<own>(?:mac|ipv4|ipv6|host|user|mail|secret)-[0-9]+))";

/// The pattern of secrets, and of data of frames that the kernel prints when something about them is wrong.
pub(super) fn secrets() -> String {
    const VALUE: &str = r#""[^"\r\n]*"|'[^'\r\n]*'|[^\s,;"']+"#;
    // `password=x`, `"token": "x"`.
    let assigned = format!(
        r#"(?i-u:(?P<key>\b[a-z0-9_-]*(?:{SECRET_WORDS})[a-z0-9_]*["']?[ \t]*[=:][ \t]*)(?P<value>{VALUE}))"#
    );
    // `--token x`, and `password x` as in a netrc file.
    let spaced = format!(
        r"(?i-u:(?P<option>--?[a-z0-9_-]*(?:{SECRET_WORDS})[a-z0-9_]*[ \t]+|\b(?:password|passwd|passphrase|psk|bearer)[ \t]+)(?P<given>{VALUE}))"
    );
    [
        r"(?i-u:(?P<skb>\bskb (?:linear|headroom|tailroom|frag|fraglist))[^\n]*)",
        r"(?-u:(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)))",
        r"(?-u:://(?P<credentials>[^\s/@:]+:[^\s/@]+)@)",
        &assigned,
        &spaced,
    ]
    .join("|")
}

/// The pattern of hardware addresses in names of interfaces.
pub(super) fn kernel_names(names: &Names) -> String {
    with_names(vec![OWN.to_owned()], names.hardware())
}

/// The pattern of names of hosts, users and interfaces.
pub(super) fn names(names: &Names) -> String {
    let parts = vec![
        OWN.to_owned(),
        format!(r"(?i-u:(?P<mail>[a-z0-9._%+-]+@(?:[a-z0-9-]+\.)+(?:{DOMAINS})\b))"),
        r"(?i-u:/home/(?P<home>[^/\s:\x22',;]+))".to_owned(),
        format!(r"(?i-u:(?P<domain>\b(?:[a-z0-9_-]+\.)+(?:{DOMAINS})\b))"),
    ];
    with_names(parts, names.all())
}

fn with_names<'a>(mut parts: Vec<String>, names: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<String> = names.map(regex::escape).collect();
    if !known.is_empty() {
        parts.push(format!(r"(?i-u:(?P<name>\b(?:{})\b))", known.join("|")));
    }
    parts.join("|")
}

/// Whether a match of the pattern of addresses is a replacement.
pub(super) fn is_own(text: &str) -> bool {
    // An address has no letter beyond f, and every replacement has one.
    text.bytes()
        .any(|byte| byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit())
}

/// The pattern of anything in which an address can be: hexadecimal digits and what separates them.
pub(super) fn addresses() -> String {
    format!("{OWN}|{}", r"(?i-u:(?:(?:[0-9a-f]+[.:-]|::)[0-9a-f.:-]*))")
}

/// Whether `key` is the name of a secret.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "psk",
        "credential",
        "apikey",
    ]
    .iter()
    .any(|word| key.contains(word))
}
