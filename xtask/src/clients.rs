//! `cargo xtask test --clients`: programs of others that are told what happens. Verifiers of webhooks
//! check what kola has signed, and clients of Supabase watch payments by the words of
//! docs/realtime.md. None of them reaches more than this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::contract::environment;
use crate::programs::{Program, output, without_proxies};
use crate::test::{apt_install, quiet};

/// Versions of `@supabase/supabase-js`, old and new: those of both framings, and one that compares the
/// names of tables.
const SUPABASE: [&str; 5] = ["2.57.4", "2.86.2", "2.90.1", "2.111.0", "2.119.1"];
/// A websocket for Node before version 22.
const WS: &str = "ws@8.23.0";
const STANDARDWEBHOOKS: &str = "standardwebhooks@1.1.1";
/// Python's verifiers, and its client of Supabase.
const PYTHON: [&str; 3] = ["standardwebhooks==1.1.0", "svix==2.9.1", "realtime==2.34.1"];

/// Everything with a server of its own.
pub fn run() -> anyhow::Result<()> {
    let target = crate::target_dir()?;
    let directory = target.join("clients");
    if !quiet(&["npm", "--version"]) {
        apt_install(&["npm"]);
    }
    let python = environment(&directory.join("python"), &PYTHON)?;
    crate::contract::built(&["kola"])?;
    let run = directory.join("run");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    std::fs::create_dir_all(&run)?;
    let kola = Kola { binary: target.join("debug/kola") };
    let stage = Stage::new(kola, python, &run)?;
    stage.verify_webhooks(&directory).context("webhooks")?;
    stage.watch_payments(&directory).context("realtime")
}

/// A server's database with a merchant, and where programs run.
struct Stage {
    kola: Kola,
    database: Database,
    python: PathBuf,
    run: PathBuf,
    merchant: String,
}

impl Stage {
    fn new(kola: Kola, python: PathBuf, run: &Path) -> anyhow::Result<Self> {
        let database = Database::Sqlite(run.join("kola.db"));
        let merchant = kola.merchant_create(&database, "Clients")?.to_string();
        Ok(Self { kola, database, python, run: run.to_owned(), merchant })
    }

    fn verify_webhooks(&self, directory: &Path) -> anyhow::Result<()> {
        let server = self.kola.serve(&self.database, 0, &[])?;
        let received = self.run.join("received.json");
        let mut python = self.python_script("webhooks.py");
        self.tell(&mut python, &format!("http://{}", server.address)).arg(&received);
        println!("{}", output(&mut python, None)?.trim());
        let modules = npm(&directory.join(STANDARDWEBHOOKS), &[STANDARDWEBHOOKS])?;
        let mut node = node_script(&modules, "verify.mjs")?;
        println!("{}", output(node.arg(&received), None)?.trim());
        server.stop()
    }

    fn watch_payments(&self, directory: &Path) -> anyhow::Result<()> {
        let page = std::fs::read_to_string(crate::root().join("docs/realtime.md"))?;
        let anon = self.kola.keys_anon(&self.database)?;
        let server = self.kola.serve(&self.database, 1, &[])?;
        let (address, url) = (server.address, format!("http://{}", server.address));
        let mut clients = vec![];
        for version in SUPABASE {
            let name = format!("@supabase/supabase-js@{version}");
            let modules = npm(&directory.join(format!("supabase-{version}")), &[&name, WS])?;
            std::fs::write(modules.join("watch.mjs"), block(&page, "realtime js")?)?;
            let mut node = node_script(&modules, "realtime.mjs")?;
            self.tell(&mut node, &url).env("ANON_KEY", &anon);
            clients.push((name, Program::start(node)?));
        }
        std::fs::write(self.run.join("watch.py"), block(&page, "realtime python")?)?;
        let mut python = self.python_script("realtime_client.py");
        self.tell(&mut python, &url).env("ANON_KEY", &anon);
        clients.push(("realtime of PyPI".to_owned(), Program::start(python)?));
        for (name, client) in &clients {
            client.says("ready").with_context(|| name.clone())?;
        }
        server.stop().context("a server with open sockets")?;
        let server = self.kola.serve_at(&self.database, 2, &address.to_string(), &[])?;
        for (name, client) in &clients {
            client.says("done").with_context(|| name.clone())?;
            println!("{name}: told from the recording to the end, and after a restart");
        }
        drop(clients);
        server.stop()
    }

    /// A program of ours in Python, which finds what is beside it and what was made for it.
    fn python_script(&self, name: &str) -> Command {
        let mut command = Command::new(self.python.join("bin/python3"));
        let (clients, networks) = (crate::root().join("xtask/clients"), "xtask/networks");
        let paths = [self.run.clone(), clients.clone(), crate::root().join(networks)];
        command.env("PYTHONPATH", std::env::join_paths(paths).unwrap_or_default());
        command.arg("-B").arg(clients.join(name));
        command
    }

    fn tell<'c>(&self, command: &'c mut Command, url: &str) -> &'c mut Command {
        without_proxies(command).env("KOLA_URL", url).env("MERCHANT", &self.merchant)
    }
}

/// Installs packages of npm by their exact versions, once, and answers the folder.
fn npm(folder: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let (list, wanted) = (folder.join("packages.txt"), packages.join("\n"));
    if std::fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return Ok(folder.to_owned());
    }
    println!("installing {}", packages.join(", "));
    std::fs::create_dir_all(folder)?;
    let mut command = Command::new("npm");
    command
        .args(["install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit"])
        .args(["--no-fund", "--loglevel", "error", "--save-exact"])
        .args(packages)
        .current_dir(folder)
        .stdin(Stdio::null());
    let status = command.status().context("npm")?;
    ensure!(status.success(), "npm install {} ended with {status}", packages.join(" "));
    std::fs::write(&list, wanted)?;
    Ok(folder.to_owned())
}

/// A program of ours in Node, copied to where it finds the packages.
fn node_script(modules: &Path, name: &str) -> anyhow::Result<Command> {
    let script = modules.join(name);
    std::fs::copy(crate::root().join("xtask/clients").join(name), &script)?;
    let mut command = Command::new("node");
    command.arg(script);
    Ok(command)
}

/// The code block of a page that follows a marker.
fn block<'p>(page: &'p str, marker: &str) -> anyhow::Result<&'p str> {
    let missing = || format!("docs/realtime.md has no block {marker:?}");
    let (_, rest) = page.split_once(&format!("<!-- {marker} -->\n```")).with_context(missing)?;
    let (_, code) = rest.split_once('\n').with_context(missing)?;
    code.split_once("```").map(|(code, _)| code).with_context(missing)
}
