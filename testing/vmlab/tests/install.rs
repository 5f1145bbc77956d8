//! The way from the packages to capturing with the kernel module, and back, on an installed Debian with systemd, udev and
//! DKMS. `make test-install` makes the image and the packages, and runs this test; it takes most of an hour's half.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vmlab::machine::{Guest, Machine, NicSpec, System};
use vmlab::traffic::Lab;

/// Longest time that a machine lives. The processor of the guest is slow, and DKMS compiles two drivers.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Files that every boot changes, whatever is installed.
const CHANGING: &str = "/(proc|sys|dev|run|tmp|host|out|var/(log|tmp|cache|lib/systemd)|root|lost\\+found)(/|$)\
    |^/etc/(machine-id|resolv.conf)$|^/var/lib/(apt|dpkg|dkms/mok)|^/lib/modules/[^/]*/modules\\.|^/boot/initrd\
    |^/usr/lib/modules/[^/]*/modules\\.";

/// The machine of a test: a disk that stays, and a folder for what the machine says.
struct Lane {
    image: PathBuf,
    folder: tempfile::TempDir,
    packages: PathBuf,
}

impl Lane {
    fn boot(&self) -> Guest {
        let started = Instant::now();
        let disk = self.folder.path().join("disk");
        let system = match disk.exists() {
            true => System::open(&self.image, &disk),
            false => System::copy(&self.image, &disk),
        };
        let system = system.unwrap();
        let mut lab = Lab::new(None, self.folder.path());
        let machine = Machine::new(system.kernel().clone()).unwrap();
        let nics = ["82599", "82599"].map(|model| model.parse::<NicSpec>().unwrap());
        let machine = nics.into_iter().fold(machine, |machine, nic| {
            machine.lab_nic(nic, &mut lab).unwrap()
        });
        let guest = machine
            .system(system)
            .handler(Arc::new(lab))
            .out(&self.packages)
            .limit(Some(LIMIT))
            .log(self.folder.path().join("console"))
            .tolerate("module verification failed")
            .boot()
            .unwrap();
        say("boot", started);
        guest
    }
}

fn say(part: &str, started: Instant) {
    println!("{part} took {} s", started.elapsed().as_secs());
}

/// Runs a script of the shell, which must succeed. Returns what it printed.
fn run(guest: &Guest, script: &str) -> String {
    let started = Instant::now();
    let done = guest.run(&["sh", "-ec", script], LIMIT).unwrap();
    let text = [done.stdout, done.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    say(script.lines().next().unwrap_or_default(), started);
    assert_eq!(done.code, 0, "{script}: {text}");
    text
}

/// Every file of the system with its mode, owner and target.
fn files(guest: &Guest) -> String {
    let list = format!("find / -xdev -printf '%p %M %u:%g %l\\n' | grep -vE '^{CHANGING}' | sort");
    run(guest, &list)
}

fn has(text: &str, expected: &str) {
    assert!(text.contains(expected), "{expected:?} is not in {text}");
}

#[test]
#[ignore = "takes long; make test-install"]
fn machine_is_as_before_after_purge() {
    let packages =
        std::env::var_os("HPCAP_PACKAGES").expect("make test-install sets HPCAP_PACKAGES");
    let lane = Lane {
        image: System::debian().unwrap(),
        folder: tempfile::tempdir().unwrap(),
        packages: fs::canonicalize(Path::new(&packages)).unwrap(),
    };

    // The packages, which build the modules.
    let guest = lane.boot();
    let before = files(&guest);
    run(
        &guest,
        "DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends install /out/hpcap*.deb",
    );
    let dkms = run(&guest, "dkms status hpcap; modinfo -F signer hpcap_ixgbe");
    has(&dkms, "installed");
    has(&dkms, "DKMS module signing key");

    // An install that a power cut stops.
    let script = "hpcapctl install enp0s8 --record & until [ -e /var/lib/hpcapctl/manifest.json ]; do :; done; sync";
    run(&guest, script);
    drop(guest);

    // The next run undoes what is left, and installs. The other port keeps its driver.
    let guest = lane.boot();
    let said = run(&guest, "hpcapctl install enp0s8 --record");
    has(&said, "the kernel module captures enp0s8");
    let links = run(&guest, "ip -br link");
    has(&links, "hpcap0");
    has(&links, "enp0s9");
    guest.shutdown().unwrap();

    // After the next boot, capture starts by itself.
    let guest = lane.boot();
    let links = run(
        &guest,
        "ip -br link; systemctl is-active hpcap-port@0000:00:08.0 hpcapdd-queue@hpcap0",
    );
    has(&links, "hpcap0");
    has(&links, "enp0s9");
    run(
        &guest,
        "/run/lab traffic start gen:size=60,count=1000; /run/lab traffic wait; sleep 3",
    );
    let status = run(&guest, "hpcapctl status hpcap0");
    has(&status, "captured");
    run(
        &guest,
        "hpcapctl set hpcap0 caplen=128; hpcapctl get hpcap0 | grep -w 128",
    );
    let listeners = run(&guest, "hpcapctl listeners hpcap0");
    has(&listeners, "hpcapdd");
    run(
        &guest,
        "hpcapctl kill hpcap0 \"$(hpcapctl listeners hpcap0 --json | sed -n 's/.*\"id\": *\\([0-9]*\\).*/\\1/p' | head -1)\"",
    );
    run(&guest, "checkraw /var/lib/hpcap/hpcap0");

    // And everything is as before.
    run(&guest, "hpcapctl uninstall; ip -br link | grep enp0s8");
    run(
        &guest,
        "rm -r /var/lib/hpcap; DEBIAN_FRONTEND=noninteractive apt-get -y purge hpcap hpcap-dkms",
    );
    let after = files(&guest);
    let differs: Vec<&str> = before
        .lines()
        .filter(|line| !after.contains(line))
        .chain(after.lines().filter(|line| !before.contains(line)))
        .collect();
    guest.shutdown().unwrap();
    assert!(differs.is_empty(), "{}", differs.join("\n"));
}
