//! Predictions for a flow.

use testkit::process::run;

use crate::lab::Lab;

const KEY: &str =
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa";

#[test]
fn flow_of_microsoft_reaches_its_queue() {
    let lab = Lab::new();
    let flow = "steer lo tcp 66.9.149.187:2794 161.142.100.80:1766";
    let line = format!("{flow} --key {KEY} --queues 7 --to-queue 5");
    let done = run(&mut lab.tool("rxtxcpu", &line)).exits(0);
    for expected in [
        "flow   tcp 66.9.149.187:2794 > 161.142.100.80:1766\n",
        "hash   0x51ccc178, Toeplitz of addresses and ports\n",
        "queue  1, entry 120 of 128\n",
        "rxqueue -f 'tcp and src host 66.9.149.187 and src port 2794 and dst host 161.142.100.80 and dst port 1766' lo\n",
        "ethtool -N lo flow-type tcp4 src-ip 66.9.149.187 dst-ip 161.142.100.80 src-port 2794 dst-port 1766 action 5\n",
        "ethtool -N lo delete NUMBER\n",
    ] {
        assert!(done.out.contains(expected), "{expected}: {}", done.out);
    }
}

#[test]
fn asymmetric_key_comes_with_a_remedy() {
    let lab = Lab::new();
    let flow = "steer lo tcp 66.9.149.187:2794 161.142.100.80:1766 --queues 64";
    let asymmetric = run(&mut lab.tool("rxtxcpu", &format!("{flow} --key {KEY}"))).exits(0);
    assert!(
        asymmetric.out.contains(": not the same"),
        "{}",
        asymmetric.out
    );
    let symmetric = vec!["6d:5a"; 20].join(":");
    let remedy = format!("ethtool -X lo hkey {symmetric}\n");
    assert!(asymmetric.out.contains(&remedy), "{}", asymmetric.out);
    assert!(asymmetric.out.contains("ethtool -X lo hkey 6d:5a:56:da:"));
    let remedied = run(&mut lab.tool("rxtxcpu", &format!("{flow} --key {symmetric}"))).exits(0);
    assert!(remedied.out.contains(": the same"), "{}", remedied.out);
    assert!(!remedied.out.contains("hkey"), "{}", remedied.out);
}

#[test]
fn prediction_that_cannot_be_made_is_refused() {
    let lab = Lab::new();
    let flow = "udp 10.0.0.1:5 10.0.0.2:6";
    for (line, code, word) in [
        (
            format!("steer lo {flow}"),
            1,
            "does not report an indirection table",
        ),
        (
            format!("steer lo {flow} --queues 2"),
            1,
            "--key KEY assumes it",
        ),
        (
            format!("steer lo {flow} --queues 2 --key 6d5"),
            2,
            "Invalid key '6d5'.",
        ),
        (format!("steer nosuch0 {flow}"), 1, "nosuch0"),
        (
            "steer lo udp 10.0.0.1:5 [::1]:6".to_owned(),
            2,
            "different versions of IP",
        ),
        ("steer lo udp 10.0.0.1 10.0.0.2".to_owned(), 2, "SOURCE"),
        ("steer lo".to_owned(), 2, "<PROTOCOL>"),
    ] {
        let refused = run(&mut lab.tool("rxtxcpu", &line)).exits(code);
        assert!(refused.out.is_empty(), "{line}: {}", refused.out);
        let _ = refused.says(&[word]);
    }
}
