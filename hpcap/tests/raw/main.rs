//! The RAW format: reader, writer, and what both must withstand.

mod damage;
mod integrity;
mod made;
mod original;
mod round_trip;
