//! Checks of the kernel and of hpcap's modules.

use hpcap_host::kernel::{self, Iommu, Module};

use super::{Facts, Outcome};

/// The series of Linux on which the tests of the modules run, one a line.
const TESTED: &str = include_str!("../../../../kmod/tested-series");

fn tested() -> Vec<&'static str> {
    TESTED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
}

pub(super) fn series(facts: &Facts) -> Vec<Outcome> {
    let Some(release) = &facts.release else {
        return vec![Outcome::unknown("the kernel does not say its release")];
    };
    let series = kernel::series(release).unwrap_or(release);
    vec![match tested().contains(&series) {
        true => Outcome::ok(format!("{release}; modules are tested on {series}")),
        false => Outcome::advice(format!(
            "{release}; modules are tested on {}, and the userspace engine works on any",
            tested().join(", ")
        )),
    }]
}

pub(super) fn headers(facts: &Facts) -> Vec<Outcome> {
    let (Some(release), Some(_)) = (&facts.release, facts.supported_nics().next()) else {
        return Vec::new();
    };
    vec![match kernel::has_headers(&facts.tree, release) {
        true => Outcome::ok(format!("those of {release} are installed")),
        false => Outcome::advice(format!("those of {release} are not installed"))
            .next(format!("apt install linux-headers-{release}")),
    }]
}

pub(super) fn modules(facts: &Facts) -> Vec<Outcome> {
    let loaded = Module::of_hpcap(&facts.tree);
    let core = loaded.iter().find(|module| module.name == "hpcap");
    let differs = loaded
        .iter()
        .find(|module| core.is_some_and(|core| core.version != module.version));
    if let (Some(core), Some(other)) = (core, differs) {
        let version = |module: &Module| module.version.clone().unwrap_or_else(|| "none".into());
        return vec![
            Outcome::problem(format!(
                "{} has version {}, and hpcap has {}",
                other.name,
                version(other),
                version(core)
            ))
            .next(format!(
                "rmmod {} hpcap; modprobe {}",
                other.name, other.name
            )),
        ];
    }
    let names: Vec<_> = loaded.iter().map(|module| module.name.as_str()).collect();
    vec![match (names.is_empty(), facts.supported_nics().next()) {
        (false, _) => Outcome::ok(format!("loaded: {}", names.join(", "))),
        (true, None) => Outcome::ok("none are loaded, and none are needed without such a NIC"),
        (true, Some(_)) => Outcome::advice("none of hpcap's modules is loaded")
            .next("modprobe hpcap_ixgbe mode=hpcap   (docs/driver.md says how to build it)"),
    }]
}

pub(super) fn secure_boot(facts: &Facts) -> Vec<Outcome> {
    vec![match kernel::secure_boot(&facts.tree) {
        None => Outcome::unknown("the firmware's variables cannot be read"),
        Some(false) => Outcome::ok("it is off"),
        Some(true) if Module::loaded(&facts.tree, "hpcap").is_some() => {
            Outcome::ok("it is on, and the modules are loaded")
        }
        Some(true) => Outcome::advice("it is on")
            .next("sign the modules: docs/driver.md#secure-boot; mokutil --import mok.der"),
    }]
}

pub(super) fn iommu(facts: &Facts) -> Vec<Outcome> {
    vec![match facts.iommu {
        Iommu::Off => Outcome::ok("there is none, or it is off"),
        Iommu::PassThrough => Outcome::ok("devices access memory directly"),
        Iommu::Translates => Outcome::advice("it translates the accesses of devices")
            .next("add iommu=pt to GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub; reboot"),
    }]
}
