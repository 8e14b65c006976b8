//! The languages that the code examples need, and how they are installed.

use std::process::{Command, Stdio};

/// A language of the examples: a command that succeeds only if the examples can run, and the name
/// of Debian's package.
struct Runtime {
    name: &'static str,
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

/// Languages with a package are installed, because their packages are small. Those of Java and Node
/// are not, and curl and Python are nearly always installed: if they are missing, that is only
/// reported.
const RUNTIMES: [Runtime; 6] = [
    Runtime { name: "curl", probe: &["curl", "--version"], packages: &[] },
    Runtime {
        name: "Python with requests",
        probe: &["python3", "-c", "import requests"],
        packages: &[],
    },
    Runtime { name: "Node", probe: &["node", "--version"], packages: &[] },
    Runtime {
        name: "PHP with curl",
        probe: &["php", "-r", "curl_init() ?: exit(1);"],
        packages: &["php-cli", "php-curl"],
    },
    Runtime { name: "Java", probe: &["javac", "-version"], packages: &[] },
    Runtime { name: "Go", probe: &["go", "version"], packages: &["golang-go"] },
];

fn missing() -> Vec<&'static Runtime> {
    RUNTIMES.iter().filter(|runtime| !quiet(runtime.probe)).collect()
}

pub fn install() {
    let wanted: Vec<_> = missing().iter().flat_map(|runtime| runtime.packages).copied().collect();
    if !wanted.is_empty() {
        apt_install(&wanted);
    }
    // Only if there is Python at all.
    if quiet(&["python3", "--version"]) && !quiet(&["python3", "-c", "import requests"]) {
        install_requests();
    }
    for runtime in missing() {
        loud(&format!("{} is not on this machine: its examples will be SKIPPED", runtime.name));
    }
}

/// Installs the package `requests` by pip, or else Debian's package of it. Debian's own Python
/// refuses pip, and any other Python does not find Debian's packages.
fn install_requests() {
    let pip = [
        "python3",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--timeout",
        "20",
        "requests",
    ];
    if !quiet(&pip) {
        apt_install(&["python3-requests"]);
    }
}

pub fn apt_install(packages: &[&str]) {
    if !rustix::process::geteuid().is_root() || !quiet(&["apt-get", "--version"]) {
        loud(&format!(
            "cannot install {}: that needs root on Debian or Ubuntu",
            packages.join(" ")
        ));
        return;
    }
    println!("installing {}", packages.join(" "));
    // The update fails if one of several mirrors is unreachable. The installation may work anyway.
    apt(&["update"]);
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    if !apt(&install) {
        loud(&format!("could not install {}", packages.join(" ")));
    }
}

/// Runs apt-get. Its time-outs are short, so that a machine without a network does not wait for
/// minutes.
fn apt(arguments: &[&str]) -> bool {
    let options = [
        "-qq",
        "-o",
        "DPkg::Lock::Timeout=120",
        "-o",
        "Acquire::Retries=1",
        "-o",
        "Acquire::http::Timeout=20",
    ];
    Command::new("apt-get")
        .args(options)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub fn quiet(command: &[&str]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn loud(line: &str) {
    eprintln!("xtask: !!! {line} !!!");
}
