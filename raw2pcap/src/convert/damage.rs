//! Reports damage in a file.

use hpcap::raw::{Damage, DamageKind};

use crate::progress::Progress;

/// Largest number of lines about damage that are printed for each file.
const DAMAGE_LINES: u64 = 20;

/// Whether the damage is only the end of a file that was not closed.
pub(super) fn is_tail(damage: &Damage, file_bytes: Option<u64>) -> bool {
    match damage.kind {
        DamageKind::CutHeader
        | DamageKind::CutRecord { .. }
        | DamageKind::CutPadding
        | DamageKind::PaddingTooLong { .. } => true,
        DamageKind::Unwritten => file_bytes == Some(damage.offset + damage.bytes),
        DamageKind::Unreadable => false,
    }
}

/// Prints damage as the line number `line` about `file`.
pub(super) fn print_damage(progress: &Progress, file: &str, damage: &Damage, line: u64) {
    let Damage {
        offset,
        bytes,
        kind,
    } = damage;
    let text = match kind {
        // 1.7 % of the original's files end in this way, without any loss.
        DamageKind::PaddingTooLong { .. } | DamageKind::CutPadding => return,
        DamageKind::Unreadable => {
            format!("{bytes} bytes from byte {offset} on are no records, skipped")
        }
        DamageKind::Unwritten => {
            format!("{bytes} bytes from byte {offset} on were never written, skipped")
        }
        DamageKind::CutHeader | DamageKind::CutRecord { .. } => {
            format!("it ends within its last record, at byte {offset}; {bytes} bytes skipped")
        }
    };
    match line.cmp(&DAMAGE_LINES) {
        std::cmp::Ordering::Less => progress.print_line(&format!("raw2pcap: {file}: {text}")),
        std::cmp::Ordering::Equal => progress.print_line(&format!(
            "raw2pcap: {file}: {text}; more such are not printed, see checkraw {file}"
        )),
        std::cmp::Ordering::Greater => {}
    }
}
