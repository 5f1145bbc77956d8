//! The RAW format: reader, writer, and what both must withstand.

mod check;
mod damage;
mod index;
mod integrity;
mod made;
mod original;
mod repair;
mod round_trip;
