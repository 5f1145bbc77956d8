//! An installed Debian: its disk, its boots, and changes to the disk while the machine is off.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vmlab::machine::{Guest, Machine, NicSpec, System};
use vmlab::traffic::Lab;

/// Longest time that a machine lives. The processor of the guest is slow.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Mounts the disk `$1` at the folder `$2` with the packages of the folder `$3` in /out, and runs the script `$4` in it.
/// The mounts are in a namespace of their own, and are gone with the last process of the namespace.
const ENTER: &str = "mount -o loop \"$1\" \"$2\"
mount -t proc proc \"$2/proc\"
mount -t sysfs -o ro sysfs \"$2/sys\"
mount --rbind /dev \"$2/dev\"
mkdir -p \"$2/out\"
mount --bind \"$3\" \"$2/out\"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/ DEBIAN_FRONTEND=noninteractive \
    chroot \"$2\" sh -ec \"$4\"";

/// The disk of the machine, which stays over its boots, and the packages.
pub(crate) struct Debian {
    image: PathBuf,
    folder: tempfile::TempDir,
    packages: PathBuf,
    /// The folder with the kernel that the machine starts, and its first file system.
    kernel: PathBuf,
}

impl Debian {
    /// A machine on which no package of hpcap was ever installed.
    pub(crate) fn new() -> Self {
        let packages =
            std::env::var_os("HPCAP_PACKAGES").expect("make test-install sets HPCAP_PACKAGES");
        let image = System::debian().unwrap();
        let folder = tempfile::tempdir().unwrap();
        System::copy(&image, &folder.path().join("disk")).unwrap();
        Self {
            kernel: image.clone(),
            image,
            folder,
            packages: fs::canonicalize(Path::new(&packages)).unwrap(),
        }
    }

    /// Boots the machine, with two ports of an 82599.
    pub(crate) fn boot(&self) -> Guest {
        let started = Instant::now();
        let system = System::open(&self.kernel, &self.disk()).unwrap();
        let mut lab = Lab::new(None, self.folder.path());
        let mut machine = Machine::new(system.kernel().clone()).unwrap();
        for _ in 0..2 {
            let nic = "82599".parse::<NicSpec>().unwrap();
            machine = machine.lab_nic(nic, &mut lab).unwrap();
        }
        let guest = machine
            .system(system)
            .handler(Arc::new(lab))
            .out(&self.packages)
            .limit(Some(LIMIT))
            .log(self.folder.path().join("console"))
            // The key that DKMS signs with is not enrolled in a machine without firmware.
            .tolerate("module verification failed")
            // Some versions of the kernel warn in a test of their cryptography, whatever is installed.
            .tolerate("crypto_wait_for_test")
            .boot()
            .unwrap();
        say("boot", started);
        guest
    }

    /// Runs a script of the shell on the disk of the machine, which is off, at the speed of the host. A script
    /// that compiles needs a tenth of the time that it needs in the machine. Returns what the script printed.
    pub(crate) fn change(&self, packages: &Path, script: &str) -> String {
        let started = Instant::now();
        let root = self.folder.path().join("root");
        fs::create_dir_all(&root).unwrap();
        let done = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-ec", ENTER, "sh"])
            .args([&self.disk(), &root, packages])
            .arg(script)
            .output()
            .unwrap();
        let text = text(done.stdout, done.stderr);
        say(&format!("off: {}", first_line(script)), started);
        assert!(done.status.success(), "{}: {script}\n{text}", done.status);
        text
    }

    /// Makes the package `hpcap` in an older version, in the folder `older` of the packages. It has one more file.
    pub(crate) fn make_older_package(&self) {
        let script = "rm -rf older && mkdir older
dpkg-deb -R hpcap_*.deb older/tree
sed -i 's/^Version: .*/Version: 0.0.1-1/' older/tree/DEBIAN/control
mkdir -p older/tree/usr/share/hpcap
echo old >older/tree/usr/share/hpcap/of-the-older-version
dpkg-deb --root-owner-group -b older/tree older/hpcap.deb
rm -r older/tree";
        let mut shell = Command::new("sh");
        shell.args(["-ec", script]).current_dir(&self.packages);
        let made = shell.output().unwrap();
        assert!(made.status.success(), "{}", text(made.stdout, made.stderr));
    }

    /// Builds and signs the modules for every kernel that is installed on the disk.
    pub(crate) fn install_modules(&self) {
        let install =
            "apt-get -y --no-install-recommends install /out/hpcap-dkms_*.deb; apt-get clean";
        self.change(&self.packages, install);
    }

    /// Installs the next kernel as an upgrade of the distribution does, and starts it from now on.
    pub(crate) fn install_next_kernel(&mut self) -> String {
        let said = self.change(&self.image.join("upgrade"), "apt-get -y install /out/*.deb");
        let release = "ls /boot | sed -n 's/^vmlinuz-\\(6[.]12[.].*\\)/\\1/p'";
        let next = self.folder.path().join("next");
        fs::create_dir(&next).unwrap();
        let copy = format!(
            "r=$({release}); cp /boot/vmlinuz-$r /out/vmlinuz; cp /boot/initrd.img-$r /out/initrd; \
            echo $r >/out/release"
        );
        self.change(&next, &copy);
        self.kernel = next;
        said
    }

    /// Removes the next kernel and what was installed with it, and starts the first one again.
    pub(crate) fn remove_next_kernel(&mut self) {
        let before = fs::read_to_string(self.image.join("packages")).unwrap();
        let name = |line: &str| line.split(['\t', ':']).next().map(str::to_owned);
        let before: Vec<String> = before.lines().filter_map(name).collect();
        let upgrade = fs::read_dir(self.image.join("upgrade")).unwrap();
        let added: Vec<String> = upgrade
            .filter_map(|file| {
                let file = file.unwrap().file_name();
                file.to_str()?.split('_').next().map(str::to_owned)
            })
            .filter(|package| !before.contains(package))
            .collect();
        let purge = format!("apt-get -y purge {}", added.join(" "));
        self.change(&self.packages, &purge);
        self.kernel.clone_from(&self.image);
    }

    fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }
}

/// Prints how long a part of the test took.
fn say(part: &str, started: Instant) {
    println!("{:5} s  {part}", started.elapsed().as_secs());
}

fn first_line(script: &str) -> &str {
    script.lines().next().unwrap_or_default()
}

fn text(stdout: Vec<u8>, stderr: Vec<u8>) -> String {
    String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
}

/// Runs a script of the shell in the machine, which must succeed. Returns what it printed.
#[track_caller]
pub(crate) fn run(guest: &Guest, script: &str) -> String {
    let started = Instant::now();
    let done = guest.run(&["sh", "-ec", script], LIMIT).unwrap();
    let printed = text(done.stdout, done.stderr);
    say(first_line(script), started);
    if done.code != 0 {
        let journal = "journalctl -b --no-pager | grep hpcap | tail -30";
        let journal = guest.run(&["sh", "-c", journal], LIMIT);
        let journal = journal.map(|done| done.stdout).unwrap_or_default();
        let journal = String::from_utf8_lossy(&journal);
        panic!("exit code {}: {script}\n{printed}\n{journal}", done.code);
    }
    printed
}

/// Runs a script until it succeeds. The time limit of the machine ends what never does.
#[track_caller]
pub(crate) fn wait_for(guest: &Guest, script: &str) {
    run(guest, &format!("until {script}; do sleep 0.5; done"));
}
