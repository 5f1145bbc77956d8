//! The rings in `params.cfg`.

use hpcap_host::pages::Pages;

use super::reader::Reader;
use crate::model::Interface;
use crate::problem::excerpt;

/// Size in bytes of a page of the original's static memory.
const PAGE: u64 = 4096;

impl Reader<'_> {
    /// Mode 2: pages of the memory that the module itself contains.
    pub(super) fn static_ring(&mut self, number: usize, interface: &mut Interface) {
        let key = format!("pages{number}");
        let default = interface.ring_bytes;
        let otherwise = "a ring of 256M is made";
        interface.pages = Pages::Ordinary;
        if let Some((line, pages)) = self.number_in(&key, 0..=262_144, otherwise) {
            let bytes = u64::try_from(pages).unwrap_or(0) * PAGE;
            if bytes < 512 << 10 {
                let text =
                    format!("{pages} pages are less than the smallest ring, 512K; {otherwise}");
                self.remark(line, &key, text);
            } else {
                interface.ring_bytes = bytes;
            }
            if pages > 256 {
                let text = "the last version of the original has 256 pages for all interfaces, and \
                            does not load with more; here the ring has this size";
                self.remark(line, &key, text);
            }
        } else {
            interface.ring_bytes = default;
        }
    }

    /// Mode 3: hugepages.
    pub(super) fn huge_ring(&mut self, number: usize, interface: &mut Interface) {
        let key = format!("hugesize{number}");
        let otherwise = "a ring of 256M in hugepages is made, if there are enough";
        let Some((line, text)) = self.text(&key).map(|(line, text)| (line, text.to_owned())) else {
            let text = format!("mode 3 needs it; {otherwise}");
            self.remark(self.line(&key).unwrap_or(0), &key, text);
            return;
        };
        let (bytes, doubt) = read_size(&text);
        if let Some(doubt) = doubt {
            self.remark(line, &key, doubt);
        }
        let Some(bytes) = bytes.filter(|bytes| (512 << 10..=16 << 40).contains(bytes)) else {
            let text = format!(
                "{:?} is no size from 512K to 16T; {otherwise}",
                excerpt(&text)
            );
            self.remark(line, &key, text);
            return;
        };
        interface.pages = match bytes {
            bytes if bytes.is_multiple_of(1 << 30) => Pages::Huge1G,
            bytes if bytes.is_multiple_of(2 << 20) => Pages::Huge2M,
            _ => Pages::Auto,
        };
        interface.ring_bytes = bytes.next_multiple_of(PAGE);
        if interface.ring_bytes != bytes {
            self.remark(
                line,
                &key,
                "the size is no multiple of 4K; the next multiple is used",
            );
        }
        if !(4_u64 << 30).is_multiple_of(bytes) {
            let text = "the original damages frames in a buffer whose size does not divide 4G; here \
                        it is right";
            self.remark(line, &key, text);
        }
    }
}

/// The size that a text means, and what the original makes of it instead.
fn read_size(text: &str) -> (Option<u64>, Option<String>) {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return (None, None);
    }
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        "T" | "TB" => 40,
        _ => return (None, None),
    };
    let number: Option<u64> = digits.parse().ok();
    let bytes = number.and_then(|n| n.checked_mul(1 << shift));
    let doubt = match unit.len() {
        0 => Some(format!(
            "the original drops the last digit of a size without unit, and makes {} bytes of it; \
             here it is {digits} bytes",
            digits[..digits.len() - 1].trim_start_matches('0')
        )),
        1 if shift == 40 => Some(format!(
            "the original takes T for bytes; here it is {digits} TiB"
        )),
        2 => Some(format!(
            "the original takes {unit} for bytes; here it is {digits} {}iB",
            unit.to_ascii_uppercase().trim_end_matches('B')
        )),
        _ => None,
    };
    (bytes, doubt)
}
