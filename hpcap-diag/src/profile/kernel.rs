//! The functions of the kernel and of its modules, from `/proc/kallsyms`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

use hpcap_host::Tree;

/// The module of functions that are in the kernel itself.
pub const KERNEL: &str = "kernel";
/// Functions that run softirqs, by version of the kernel.
const SOFTIRQ: [&str; 2] = ["handle_softirqs", "__do_softirq"];
/// Largest number of bytes of symbols that are read: ten times as many as a kernel of a distribution has.
const BYTES_MAX: u64 = 256 << 20;

/// A function of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its module, or [`KERNEL`].
    pub module: &'a str,
}

#[derive(Debug)]
struct Symbol {
    address: u64,
    name: Range<usize>,
    module: usize,
}

/// All functions of the running kernel.
#[derive(Debug, Default)]
pub struct KernelSymbols {
    symbols: Vec<Symbol>,
    names: String,
    modules: Vec<String>,
    softirq: Vec<Range<u64>>,
}

impl KernelSymbols {
    /// Reads the functions of the running kernel. The kernel hides the addresses from users without rights, and then
    /// there is none.
    #[must_use]
    pub fn read(tree: &Tree) -> Self {
        Self::from_file(&tree.path("/proc/kallsyms")).unwrap_or_default()
    }

    fn from_file(path: &Path) -> io::Result<Self> {
        let file = BufReader::new(io::Read::take(File::open(path)?, BYTES_MAX));
        let mut found = Self {
            modules: vec![KERNEL.to_owned()],
            ..Self::default()
        };
        for line in file.lines() {
            found.add(&line?);
        }
        found.symbols.sort_by_key(|symbol| symbol.address);
        found.softirq = SOFTIRQ
            .iter()
            .flat_map(|name| found.ranges_of(name))
            .collect();
        Ok(found)
    }

    /// Adds `ffffffff81000000 T name [module]`, if it is a function whose address is shown.
    fn add(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let mut word = || words.next();
        let (Some(address), Some(kind), Some(name)) = (word(), word(), word()) else {
            return;
        };
        let address = u64::from_str_radix(address, 16).unwrap_or(0);
        if address == 0 || !matches!(kind, "t" | "T" | "w" | "W") {
            return;
        }
        let module = word().map_or(KERNEL, |word| word.trim_matches(['[', ']']));
        let known = self.modules.iter().rposition(|known| known == module);
        let module = known.unwrap_or_else(|| {
            self.modules.push(module.to_owned());
            self.modules.len() - 1
        });
        let start = self.names.len();
        self.names.push_str(name);
        self.symbols.push(Symbol {
            address,
            name: start..self.names.len(),
            module,
        });
    }

    fn ranges_of(&self, name: &str) -> Vec<Range<u64>> {
        let ends = self.symbols.iter().map(|symbol| symbol.address);
        let named = |at: &usize| self.names.get(self.symbols[*at].name.clone()) == Some(name);
        (0..self.symbols.len())
            .filter(named)
            .map(|at| {
                let start = self.symbols[at].address;
                let end = ends.clone().skip(at).find(|address| *address > start);
                start..end.unwrap_or(u64::MAX)
            })
            .collect()
    }

    /// Whether the kernel hides its addresses from this process.
    #[must_use]
    pub fn are_hidden(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Whether code at `address` runs softirqs.
    #[must_use]
    pub fn runs_softirqs(&self, address: u64) -> bool {
        self.softirq.iter().any(|range| range.contains(&address))
    }

    /// Returns the function at `address`; `None` if it is unknown.
    #[must_use]
    pub fn function(&self, address: u64) -> Option<Function<'_>> {
        let after = self
            .symbols
            .partition_point(|symbol| symbol.address <= address);
        // Of several names of one address, the first is that which the kernel lists first.
        let last = self.symbols.get(after.checked_sub(1)?)?;
        let first = self
            .symbols
            .partition_point(|symbol| symbol.address < last.address);
        let symbol = self.symbols.get(first)?;
        Some(Function {
            name: self.names.get(symbol.name.clone())?,
            module: self.modules.get(symbol.module)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn symbols(text: &str) -> KernelSymbols {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        KernelSymbols::from_file(file.path()).unwrap()
    }

    #[test]
    fn function_is_the_one_that_begins_before() {
        let found = symbols(
            "ffffffffc0000100 t hpcap_poll_main\t[hpcap]\nffffffff81000000 T first\n\
             ffffffff81000010 T handle_softirqs\nffffffff81000010 t alias\nffffffff81000020 D data\n\
             ffffffff81000040 T last\n",
        );
        let name = |address| found.function(address).map(|f| (f.name, f.module));
        assert_eq!(name(0xffff_ffff_80ff_ffff), None);
        assert_eq!(name(0xffff_ffff_8100_000f), Some(("first", KERNEL)));
        assert_eq!(
            name(0xffff_ffff_8100_0010),
            Some(("handle_softirqs", KERNEL))
        );
        assert_eq!(
            name(0xffff_ffff_c000_0101),
            Some(("hpcap_poll_main", "hpcap"))
        );
        assert!(found.runs_softirqs(0xffff_ffff_8100_003f));
        assert!(!found.runs_softirqs(0xffff_ffff_8100_0040));
    }

    #[test]
    fn hidden_addresses_are_no_functions() {
        assert!(symbols("0000000000000000 T first\n0000000000000000 T last\n").are_hidden());
        assert!(symbols("no symbols\n\n").are_hidden());
    }
}
