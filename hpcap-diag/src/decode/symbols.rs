//! The symbols and the debug information of a module.
//!
//! A module is a relocatable object: each of its sections starts at address 0, and the debug information has
//! a relocation for each address. Sections get addresses far from each other here, and relocations are applied while
//! the debug information is read.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use addr2line::Context;
use gimli::{EndianRcSlice, RelocateReader, RunTimeEndian, SectionId};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind};

use super::places::Place;

/// Distance of the addresses that two sections get.
const SECTION_BYTES: u64 = 1 << 32;

/// Why a file of a module is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It cannot be read, or is no module.
    Unreadable(String),
    /// It has no debug information.
    Stripped,
    /// It is of another build, as the build ids say.
    OtherBuildId {
        /// The build id of the file.
        found: String,
        /// The build id in the log.
        wanted: String,
    },
    /// It is of another build, because it has no such function, or one of another size.
    OtherFunction {
        /// Name of the function.
        function: String,
        /// Its size in the log.
        wanted: u64,
        /// Its size in the file, if it is there.
        found: Option<u64>,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::Stripped => f.write_str("it has no debug information (it was stripped)"),
            Self::OtherBuildId { found, wanted } => {
                write!(
                    f,
                    "is of another build: its build id is {found}, the log has {wanted}"
                )
            }
            Self::OtherFunction {
                function,
                wanted,
                found: Some(found),
            } => write!(
                f,
                "is of another build: {function} has {found:#x} bytes, in the log {wanted:#x}"
            ),
            Self::OtherFunction { function, .. } => {
                write!(f, "is of another build: it has no function {function}")
            }
        }
    }
}

/// A function of a module.
#[derive(Debug, Clone)]
struct Function {
    address: u64,
    size: u64,
}

/// A line of source code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The path of the file as the compiler recorded it.
    pub file: String,
    /// The number of the line.
    pub line: u32,
    /// The function.
    pub function: String,
    /// Whether the compiler has put this function into the one of the next line.
    pub is_inlined: bool,
}

/// Addresses and offsets in a section of debug information, by their places.
#[derive(Debug, Clone, Default)]
struct Relocations(Rc<HashMap<usize, u64>>);

impl gimli::Relocate for Relocations {
    fn relocate_address(&self, offset: usize, value: u64) -> gimli::Result<u64> {
        Ok(self.0.get(&offset).copied().unwrap_or(value))
    }

    fn relocate_offset(&self, offset: usize, value: usize) -> gimli::Result<usize> {
        match self.0.get(&offset) {
            None => Ok(value),
            Some(value) => gimli::ReaderOffset::from_u64(*value),
        }
    }
}

type Bytes = RelocateReader<EndianRcSlice<RunTimeEndian>, Relocations>;

/// A module with its debug information.
pub struct Module {
    build_id: Option<String>,
    functions: HashMap<String, Vec<Function>>,
    lines: Context<Bytes>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("build_id", &self.build_id)
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Reads the file of a module.
    pub(super) fn load(bytes: &[u8]) -> Result<Self, Unfit> {
        let unreadable = |e: &dyn fmt::Display| Unfit::Unreadable(e.to_string());
        let file = object::File::parse(bytes).map_err(|e| unreadable(&e))?;
        if file.section_by_name(".debug_info").is_none() {
            return Err(Unfit::Stripped);
        }
        let build_id = file.build_id().ok().flatten();
        let dwarf = gimli::Dwarf::load(|id| load_section(&file, id)).map_err(|e| unreadable(&e))?;
        Ok(Self {
            build_id: build_id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()),
            functions: functions(&file),
            lines: Context::from_dwarf(dwarf).map_err(|e| unreadable(&e))?,
        })
    }

    /// Checks that this is the build in which `place` is.
    pub(super) fn check(&self, place: &Place) -> Result<(), Unfit> {
        if let (Some(found), Some(wanted)) = (&self.build_id, &place.build_id)
            && found != wanted
        {
            return Err(Unfit::OtherBuildId {
                found: found.clone(),
                wanted: wanted.clone(),
            });
        }
        self.function(place).map(drop)
    }

    /// Returns the function of `place`, whose name may be that of several.
    fn function(&self, place: &Place) -> Result<&Function, Unfit> {
        let named = self
            .functions
            .get(&place.function)
            .map_or(&[][..], Vec::as_slice);
        let same = named.iter().find(|function| function.size == place.size);
        same.ok_or_else(|| Unfit::OtherFunction {
            function: place.function.clone(),
            wanted: place.size,
            found: named.first().map(|function| function.size),
        })
    }

    /// Returns the lines of `place`, the innermost inlined function first.
    pub(super) fn lines(&self, place: &Place) -> Result<Vec<SourceLine>, String> {
        self.check(place).map_err(|why| why.to_string())?;
        let function = self.function(place).map_err(|why| why.to_string())?;
        if place.offset > place.size {
            return Err("the place is behind the end of its function".to_owned());
        }
        // The address in a call trace is that after the call, which may belong to another line.
        let before = u64::from(!place.is_exact && place.offset > 0);
        let address = function.address.wrapping_add(place.offset - before);
        let unknown = || format!("the debug information has no line for {:#x}", place.offset);
        let frames = self.lines.find_frames(address).skip_all_loads();
        let mut frames = frames.map_err(|e| e.to_string())?;
        let mut lines: Vec<SourceLine> = Vec::new();
        while let Some(frame) = frames.next().map_err(|e| e.to_string())? {
            let name = frame.function.as_ref().and_then(|f| f.raw_name().ok());
            let Some(location) = frame.location else {
                continue;
            };
            lines.push(SourceLine {
                file: location.file.unwrap_or("?").to_owned(),
                line: location.line.unwrap_or(0),
                function: name.map_or_else(|| place.function.clone(), |name| name.into_owned()),
                is_inlined: true,
            });
        }
        lines.last_mut().ok_or_else(unknown)?.is_inlined = false;
        Ok(lines)
    }
}

/// The address that a section gets: that of code differs from all others, and debug information keeps 0.
fn base(section: &object::Section<'_, '_>) -> u64 {
    match section.kind() {
        SectionKind::Text => (section.index().0 as u64) * SECTION_BYTES,
        _ => 0,
    }
}

fn functions(file: &object::File<'_>) -> HashMap<String, Vec<Function>> {
    let mut functions: HashMap<String, Vec<Function>> = HashMap::new();
    for symbol in file.symbols() {
        let Some(index) = symbol.section_index() else {
            continue;
        };
        let (Ok(name), Ok(section)) = (symbol.name(), file.section_by_index(index)) else {
            continue;
        };
        if section.kind() == SectionKind::Text && symbol.size() > 0 {
            functions
                .entry(name.to_owned())
                .or_default()
                .push(Function {
                    address: base(&section).wrapping_add(symbol.address()),
                    size: symbol.size(),
                });
        }
    }
    functions
}

fn load_section(file: &object::File<'_>, id: SectionId) -> object::Result<Bytes> {
    let endian = match file.is_little_endian() {
        true => RunTimeEndian::Little,
        false => RunTimeEndian::Big,
    };
    let Some(section) = file.section_by_name(id.name()) else {
        let empty = EndianRcSlice::new(Rc::from([]), endian);
        return Ok(RelocateReader::new(empty, Relocations::default()));
    };
    let data = section.uncompressed_data()?;
    let mut values = HashMap::new();
    for (offset, relocation) in section.relocations() {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            continue;
        };
        let symbol = file.symbol_by_index(index)?;
        let of_section = match symbol.section_index() {
            Some(index) => base(&file.section_by_index(index)?),
            None => 0,
        };
        let target = of_section.wrapping_add(symbol.address());
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        values.insert(at, target.wrapping_add_signed(relocation.addend()));
    }
    let bytes = EndianRcSlice::new(Rc::from(&*data), endian);
    Ok(RelocateReader::new(bytes, Relocations(Rc::new(values))))
}
