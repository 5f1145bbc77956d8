//! The original's `params.cfg`: its sample, its quirks, and hostile variants.

use hpcap_config::params::import;
use hpcap_config::{Document, params};
use proptest::prelude::*;
use proptest::sample::select;

/// A file with the keys and values of the original's sample.
const SAMPLE: &str = "\
# HPCAP configuration
use_vf=0;
driver_type=ixgbe;
nrxq=1;
ntxq=1;
consumers=1;
nif=4;
ifs=hpcap0 xgb1;
mode0=3;
mode1=1;
mode2=1;
mode3=1;
core0=6;
core1=0;
core2=-1;
core3=-1;
dup0=0;
dup1=0;
dup2=0;
dup3=0;
vel0=10000;
vel1=10000;
vel2=1000;
vel3=1000;
caplen0=0;
caplen1=0;
caplen2=0;
caplen3=0;
pages0=1;
pages1=1;
pages2=1;
pages3=1;
hugesize0=2G;
hugesize1=2G;
hugesize2=2G;
hugesize3=2G;
ip1=192.168.1.2;
mask1=255.255.255.0;
monitor_enabled=1;
monitor_interval=1;
monitor_core=-1;
monitor_basedir=/var/log/hpcap;
";

fn shown(content: &[u8]) -> String {
    let import = import(content);
    let remarks: Vec<String> = import.remarks.iter().map(ToString::to_string).collect();
    format!("{}\n{}", import.config, remarks.join("\n"))
}

#[test]
fn sample_of_the_original_is_imported() {
    insta::assert_snapshot!(shown(SAMPLE.as_bytes()));
}

#[test]
fn every_quirk_is_reported() {
    let text = "\
driver_type=ixgbe
nif=3
nrxq=2
ntxq=4
consumers=2
ifs=hpcap0 hpcap1 xgb2 hpcap9 eth0
mode0=3
mode1=2
mode2=3 # huge
xmode2=1
core0=2
core1=3
core2=1
dup0=1
dup1=yes
vel0=25000
vel1=40000;comment
caplen0=4096
caplen1=128
caplen1=256
pages1=1
hugesize0=3G
ip0=10.0.0.1
hugesize7=1G
mode =1
just text
colour=red
basedir=/data
monitor_core=2
monitor_interval=0
monitor_basedir=log
";
    insta::assert_snapshot!(shown(text.as_bytes()));
}

#[test]
fn sizes_have_the_unit_of_the_original() {
    for (size, ring, doubt) in [
        ("2G", "ring = \"2G\"", ""),
        ("2g", "ring = \"2G\"", ""),
        ("1048576", "ring = \"1M\"", "104857 bytes"),
        ("2GB", "ring = \"2G\"", "takes GB for bytes"),
        ("1T", "ring = \"1T\"", "takes T for bytes"),
        ("3000M", "ring = \"3000M\"", "does not divide 4G"),
        ("1000001K", "pages = \"2M\"", ""),
        ("99999999999999999999G", "pages = \"2M\"", "no size"),
        ("G", "", "no size"),
        ("-2G", "", "no size"),
    ] {
        let text = format!("nif=1;\nifs=hpcap0;\nmode0=3;\nhugesize0={size};\n");
        let shown = shown(text.as_bytes());
        if size != "1000001K" && size != "99999999999999999999G" {
            assert!(shown.contains(ring), "{size}: {shown}");
        }
        assert!(shown.contains(doubt), "{size}: {shown}");
    }
}

#[test]
fn hostile_content_is_imported() {
    for content in [
        &b""[..],
        b"\xff\xfe\x00mode0=\x1b[2J",
        b"nif=99999999999999999999999999\n",
        b"nif=1000000000\nifs=hpcap0\n",
        b"mode18446744073709551616=3\nmode999999999=3\n",
        b"core0=9223372036854775807\nmode0=3\nnif=1\nifs=hpcap0\n",
        b"====\n;;;\n,,,\n=\n",
        b"ifs=hpcap99999999999999999999 xgb\nnif=2\n",
        b"mode0=3\r\nnif=1\r\nifs=hpcap0\r\n",
    ] {
        let shown = shown(content);
        assert!(
            !shown.contains(|c: char| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
    let long = format!("ifs={}\nnif=16\n", "hpcap1 ".repeat(20_000));
    assert!(!import(long.as_bytes()).remarks.is_empty());
}

fn any_params() -> impl Strategy<Value = String> {
    let keys = vec![
        "mode",
        "core",
        "dup",
        "vel",
        "caplen",
        "pages",
        "hugesize",
        "ip",
        "mask",
        "dir",
        "nif",
        "ifs",
        "nrxq",
        "ntxq",
        "driver_type",
        "monitor_core",
        "monitor_basedir",
        "basedir",
        "x",
        "monitor_interval",
        "monitor_enabled",
    ];
    let values = vec![
        "0",
        "1",
        "2",
        "3",
        "-1",
        "16",
        "64",
        "2048",
        "10000",
        "262144",
        "2G",
        "3G",
        "1T",
        "x",
        "hpcap0 xgb1 hpcap2",
        "ixgbe",
        "i40e",
        "ixgbevf",
        "10.0.0.1",
        "255.255.0.0",
        "/log",
        "",
        "99999999999999999999",
        "1;2",
        "1#",
        "513M",
        "1000001K",
    ];
    let line = (
        select(keys),
        prop_oneof!["", "[0-3]", "[0-9]{1,3}"],
        select(values),
    );
    let lines = proptest::collection::vec(line, 0..40);
    lines.prop_map(|lines| {
        lines
            .iter()
            .map(|(key, number, value)| format!("{key}{number}={value}\n"))
            .collect()
    })
}

proptest! {
    /// Whatever a file says, its import is a configuration without errors.
    #[test]
    fn import_is_always_valid(text in any_params()) {
        let import = import(text.as_bytes());
        let toml = import.config.to_string();
        let read = Document::parse("import", &toml).map(|d| d.config);
        prop_assert_eq!(read, Ok(import.config), "{}\n{}", text, toml);
    }

    /// No bytes make the import panic.
    #[test]
    fn any_bytes_are_imported(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let params::Import { config, .. } = import(&bytes);
        prop_assert!(Document::parse("import", &config.to_string()).is_ok());
    }
}
