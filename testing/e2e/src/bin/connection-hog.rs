//! Takes as many slots and connections of a queue as possible, prints their numbers, and keeps them
//! until it is killed.

#![expect(clippy::unwrap_used, reason = "test support: a panic is a failed test")]

use std::path::Path;

use hpcap::abi::{self, hpcap_attach};
use hpcap_ipc::connection::Connection;

fn main() {
    let socket = std::env::args().nth(1).unwrap();
    let (mut kept, mut listeners, mut full) = (Vec::new(), 0, String::new());
    let refused = loop {
        // Requests slots as long as there are free ones, and then connections without a slot.
        let attaching = full.is_empty();
        let asked = hpcap_attach {
            magic: abi::HPCAP_ATTACH_MAGIC,
            abi_version: abi::HPCAP_ABI_VERSION,
            op: match attaching {
                true => abi::HPCAP_OP_ATTACH,
                false => abi::HPCAP_OP_OBSERVE,
            },
            contract: abi::HPCAP_LOSSY,
            start: abi::HPCAP_START_NEWEST,
            name: abi::field("hog"),
            ..hpcap_attach::zeroed()
        };
        let connection = Connection::to(Path::new(&socket)).unwrap();
        match connection.ask("take one more", &asked).map(drop) {
            Ok(()) if attaching => listeners += 1,
            Ok(()) => {}
            Err(e) if attaching => full = e.to_string(),
            Err(e) => break e,
        }
        kept.push(connection);
    };
    println!("{listeners} listeners, {} connections", kept.len());
    println!("{full}\nrefused: {refused}");
    loop {
        std::thread::park();
    }
}
