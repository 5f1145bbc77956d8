//! The functions of programs, from their symbols and debug information.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use blazesym::symbolize::cache::{Cache, Process as CachedProcess};
use blazesym::symbolize::source::{Process, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};
use hpcap_host::Tree;

/// A place in a program: the function, and those that the compiler has put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPlace {
    /// The functions, from the outermost to the innermost; never empty.
    pub functions: Vec<String>,
    /// The file of the program or the library.
    pub module: String,
}

/// Code of a file in the memory of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mapping {
    addresses: Range<u64>,
    file: String,
}

/// Symbols of programs.
#[derive(Debug)]
pub struct UserSymbols {
    symbolizer: Symbolizer,
    mappings: HashMap<u32, Vec<Mapping>>,
}

impl UserSymbols {
    /// Remembers where the processes `pids` have which files, for the case that one ends during the profile.
    #[must_use]
    pub fn of(tree: &Tree, pids: impl Iterator<Item = u32>) -> Self {
        let symbolizer = Symbolizer::builder()
            .enable_code_info(true)
            .enable_inlined_fns(true)
            .enable_demangling(true)
            .build();
        let mut mappings = HashMap::new();
        for pid in pids {
            let maps = tree.text(format!("/proc/{pid}/maps")).unwrap_or_default();
            mappings.insert(pid, maps.lines().filter_map(mapping).collect());
            // The user may not look into a process, and then its places have no names.
            let _ = symbolizer.cache(&Cache::from(CachedProcess::new(pid.into())));
        }
        Self {
            symbolizer,
            mappings,
        }
    }

    /// Returns what is at each of `addresses` in process `pid`.
    #[must_use]
    pub fn places(&self, tree: &Tree, pid: u32, addresses: &[u64]) -> HashMap<u64, UserPlace> {
        let mut process = Process::new(pid.into());
        // These links lead to a program even if an update has replaced its file, but only root may follow them, and
        // they go with the process.
        process.map_files =
            nix::unistd::geteuid().is_root() && tree.has(format!("/proc/{pid}/maps"));
        process.perf_map = false;
        let symbolized = self
            .symbolizer
            .symbolize(&Source::Process(process), Input::AbsAddr(addresses));
        let symbolized = symbolized.into_iter().flatten().map(place);
        let unknown = std::iter::repeat_with(|| None);
        addresses
            .iter()
            .zip(symbolized.chain(unknown))
            .map(|(address, place)| {
                (
                    *address,
                    place.unwrap_or_else(|| self.unnamed(pid, *address)),
                )
            })
            .collect()
    }

    /// A place without a symbol: of such a program, only the file is known.
    fn unnamed(&self, pid: u32, address: u64) -> UserPlace {
        let mut mappings = self.mappings.get(&pid).into_iter().flatten();
        let mapping = mappings.find(|mapping| mapping.addresses.contains(&address));
        UserPlace {
            functions: vec!["(no symbol)".to_owned()],
            module: mapping.map_or_else(|| "?".to_owned(), |mapping| mapping.file.clone()),
        }
    }
}

/// Parses `55d0c0000000-55d0c0001000 r-xp 00000000 fe:00 1234   /usr/bin/hpcapd` if it is code.
fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_code = words.next()?.contains('x');
    let path = words.nth(3)?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    is_code.then_some(Mapping {
        addresses: number(start)?..number(end)?,
        file: path.rsplit('/').next()?.to_owned(),
    })
}

fn place(symbolized: Symbolized<'_>) -> Option<UserPlace> {
    let Symbolized::Sym(symbol) = symbolized else {
        return None;
    };
    let inlined = symbol.inlined.iter().map(|function| function.name.as_ref());
    let names = std::iter::once(symbol.name.as_ref()).chain(inlined);
    let file = symbol
        .module
        .as_deref()
        .and_then(|path| Path::new(path).file_name());
    Some(UserPlace {
        functions: names.map(short).collect(),
        module: file.map_or_else(
            || "?".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        ),
    })
}

/// Returns the name of a function without the hash that Rust adds, such as `::h0123456789abcdef`.
fn short(name: &str) -> String {
    let hash = name
        .len()
        .checked_sub(19)
        .and_then(|at| name.split_at_checked(at));
    let is_hash = |text: &str| {
        let digits = text.strip_prefix("::h");
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    match hash {
        Some((before, hash)) if is_hash(hash) => before.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn hash_of_a_name_is_left_out() {
        assert_eq!(short("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(short("a::b::x0123456789abcdef"), "a::b::x0123456789abcdef");
        assert_eq!(short("main"), "main");
    }

    #[test]
    fn code_without_symbols_has_its_file() {
        let line = "55d0c0000000-55d0c0001000 r-xp 00001000 fe:00 1234     /usr/bin/dash";
        let found = mapping(line).unwrap();
        assert_eq!(found.file, "dash");
        assert!(found.addresses.contains(&0x55d0_c000_0fff));
        for other in [
            line.replace("r-xp", "r--p"),
            "1-2 r-xp 0 0 0".into(),
            String::new(),
        ] {
            assert_eq!(mapping(&other), None);
        }
    }

    #[test]
    fn function_of_this_program_is_found() {
        #[inline(never)]
        fn wanted_function() {}
        let address = (wanted_function as fn()) as usize as u64;
        let pid = std::process::id();
        let tree = Tree::machine();
        let symbols = UserSymbols::of(&tree, std::iter::once(pid));
        let found = symbols.places(&tree, pid, &[address, 1]);
        let names = &found[&address].functions;
        assert!(
            names.iter().any(|name| name.ends_with("wanted_function")),
            "{names:?}"
        );
        assert_eq!(found[&1].functions, ["(no symbol)"]);
    }
}
