//! The formats in which the kernel describes the records of its tracepoints.

use std::collections::BTreeMap;

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    offset: usize,
    size: usize,
    is_text: bool,
}

/// The record of a tracepoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Format {
    /// The number of the tracepoint.
    pub id: u16,
    fields: BTreeMap<String, Field>,
    /// The names that the kernel prints for numbers, such as reasons of drops.
    pub names: BTreeMap<u64, String>,
}

impl Format {
    /// Parses a file `format` of tracefs; `None` if it has no number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut format = Self::default();
        for line in text.lines() {
            let line = line.trim();
            if let Some(id) = line.strip_prefix("ID:") {
                format.id = id.trim().parse().ok()?;
            } else if let Some(field) = line.strip_prefix("field:") {
                format.fields.extend(parse_field(field));
            } else if let Some(print) = line.strip_prefix("print fmt:") {
                format.names = parse_names(print);
            }
        }
        (format.id != 0).then_some(format)
    }

    /// Whether records have the field `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Whether records have the field `name`, and it is a text.
    #[must_use]
    pub fn has_text(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|field| field.is_text)
    }

    /// Returns the number in field `name`; `None` if this record does not have it.
    #[must_use]
    pub fn number(&self, record: &[u8], name: &str) -> Option<u64> {
        let field = self.fields.get(name)?;
        let bytes = record.get(field.offset..field.offset.checked_add(field.size)?)?;
        let mut number = [0; 8];
        number.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(number))
    }

    /// Returns the text in field `name`; `None` if this record does not have it.
    #[must_use]
    pub fn text<'a>(&self, record: &'a [u8], name: &str) -> Option<&'a str> {
        if !self.has_text(name) {
            return None;
        }
        // The field has the place of the text in the record: its length, and its offset.
        let place = self.number(record, name)?;
        let offset = usize::try_from(place & 0xffff).ok()?;
        let length = usize::try_from((place >> 16) & 0xffff).ok()?;
        let bytes = record.get(offset..offset.checked_add(length)?)?;
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).ok()
    }
}

/// Parses `void * skbaddr; offset:8; size:8; signed:0;`.
fn parse_field(text: &str) -> Option<(String, Field)> {
    let mut parts = text.split(';').map(str::trim);
    let declaration = parts.next()?;
    let name = declaration.rsplit([' ', '*']).next()?;
    let mut number = |key: &str| {
        let part = parts.find_map(|part| part.strip_prefix(key))?;
        part.parse().ok()
    };
    let field = Field {
        offset: number("offset:")?,
        size: number("size:")?,
        is_text: declaration.starts_with("__data_loc char[]"),
    };
    let name = name.split('[').next()?;
    Some((name.to_owned(), field))
}

/// Parses the first list `{ 2, "NOT_SPECIFIED" }, { 0x3, "NO_SOCKET" }` of a description.
fn parse_names(text: &str) -> BTreeMap<u64, String> {
    let pairs = text.split('{').skip(1).filter_map(|pair| {
        let (number, name) = pair.split('}').next()?.split_once(',')?;
        let number = number.trim();
        let number = match number.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        Some((number, name.trim().trim_matches('"').to_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const FORMAT: &str = "\
name: kfree_skb
ID: 2310
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;

	field:void * skbaddr;	offset:8;	size:8;	signed:0;
	field:__data_loc char[] name;	offset:16;	size:4;	signed:0;
	field:enum skb_drop_reason reason;	offset:20;	size:4;	signed:0;

print fmt: \"skbaddr=%p reason: %s\", REC->skbaddr, __print_symbolic(REC->reason, { 2, \"NOT_SPECIFIED\" }, { 0x3, \"NO_SOCKET\" })
";

    #[test]
    fn fields_are_read_from_a_record() {
        let format = Format::parse(FORMAT).unwrap();
        let mut record = vec![0; 24];
        record[8..16].copy_from_slice(&0x1122_3344_5566_7788_u64.to_le_bytes());
        record[16..20].copy_from_slice(&((5_u32 << 16) | 24).to_le_bytes());
        record[20] = 3;
        record.extend(b"eth0\0");
        assert_eq!(format.id, 2310);
        assert_eq!(
            format.number(&record, "skbaddr"),
            Some(0x1122_3344_5566_7788)
        );
        assert_eq!(format.text(&record, "name"), Some("eth0"));
        let reason = format.number(&record, "reason").unwrap();
        assert_eq!(format.names[&reason], "NO_SOCKET");
        assert!(format.has("reason") && !format.has("location"));
    }

    #[test]
    fn short_record_and_odd_text_give_nothing() {
        let format = Format::parse(FORMAT).unwrap();
        for length in 0..24 {
            let record = vec![0xff; length];
            assert_eq!(format.text(&record, "name"), None);
            assert_eq!(format.number(&record, "reason"), None);
        }
        assert_eq!(Format::parse("ID: x\n"), None);
        assert_eq!(Format::parse("field:;offset:;\n"), None);
        assert!(
            Format::parse("ID:1\nprint fmt: {{{,}}}")
                .unwrap()
                .names
                .is_empty()
        );
    }
}
