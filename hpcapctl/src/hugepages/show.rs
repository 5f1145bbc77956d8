//! `hpcapctl hugepages show`.

use std::fmt::Write;

use hpcap::report::json_line;
use hpcap::units::Bytes;
use hpcap::{Result, visible};
use hpcap_host::{HugeMount, HugePool, NumaNode, Tree};

/// Describes the pools of the machine and of each NUMA node, and the mounted hugetlbfs.
///
/// # Errors
/// [`hpcap::Kind::Io`] if a pool cannot be written as JSON.
pub fn show(tree: &Tree, json: bool) -> Result<String> {
    let mut pools = HugePool::of_machine(tree);
    for node in NumaNode::all(tree) {
        pools.extend(HugePool::of_node(tree, node.number));
    }
    if json {
        return pools.iter().map(json_line).collect();
    }
    if pools.is_empty() {
        return Ok("this kernel has no hugepages\n".into());
    }
    let mut out = String::from("pages      where       total      free    memory\n");
    for pool in &pools {
        let place = pool
            .node
            .map_or("machine".into(), |node| format!("node {node}"));
        let _ = writeln!(
            out,
            "{:<10} {place:<9} {:>7}   {:>7}    {}",
            Bytes(pool.page_bytes).to_string(),
            pool.total,
            pool.available(),
            Bytes(pool.total.saturating_mul(pool.page_bytes))
        );
    }
    for mount in HugeMount::all(tree) {
        let pages = mount
            .page_bytes
            .map_or("the default size".into(), |bytes| Bytes(bytes).to_string());
        let path = mount.path.display().to_string();
        let _ = writeln!(out, "hugetlbfs with pages of {pages} on {}", visible(&path));
    }
    Ok(out)
}
