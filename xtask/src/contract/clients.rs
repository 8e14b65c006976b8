//! Clients that are generated from the OpenAPI document. Each is generated, compiled, and plays the
//! four flows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::environment;
use crate::common::cargo;
use crate::test::{apt_install, quiet};

/// The generator of clients in Rust and Go. It runs on Java.
const OPENAPI_GENERATOR: &str = "openapi-generator-cli==7.26.0";
/// The generator of clients in Python.
const PYTHON_GENERATOR: &str = "openapi-python-client==0.29.1";
/// The generator of types in TypeScript, the client that uses them, the compiler, and the types of
/// Node.
const TYPESCRIPT: [&str; 4] = [
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "typescript@5.9.3",
    "@types/node@20.19.25",
];

/// What the clients need to know about the server.
pub struct Server<'a> {
    pub url: &'a str,
    /// A merchant with money, as the command line prints it.
    pub merchant: &'a str,
}

/// Generates a client in each language and plays the flows with it. A language that is not
/// installed is skipped, with a message.
pub fn run(directory: &Path, server: &Server<'_>) -> anyhow::Result<()> {
    let tools = environment(&directory.join("tools"), &[OPENAPI_GENERATOR, PYTHON_GENERATOR])?;
    let clients = Clients { directory, tools: tools.join("bin"), server };
    clients.python().context("the client in Python")?;
    if quiet(&["npm", "--version"]) {
        clients.typescript().context("the client in TypeScript")?
    } else {
        skipped("npm")
    }
    if !quiet(&["java", "-version"]) {
        skipped("java");
        return Ok(());
    }
    clients.rust().context("the client in Rust")?;
    if !quiet(&["go", "version"]) {
        apt_install(&["golang-go"]);
    }
    if quiet(&["go", "version"]) {
        clients.go().context("the client in Go")?
    } else {
        skipped("go")
    }
    Ok(())
}

fn skipped(program: &str) {
    eprintln!("xtask: !!! {program} is not on this machine: its generated client is SKIPPED !!!");
}

struct Clients<'a> {
    directory: &'a Path,
    /// The folder of the generators' programs.
    tools: PathBuf,
    server: &'a Server<'a>,
}

impl Clients<'_> {
    fn python(&self) -> anyhow::Result<()> {
        let folder = self.fresh("python")?;
        self.tool("openapi-python-client", &folder)
            .args(["generate", "--meta", "none", "--output-path", "kola_client", "--path"])
            .arg(document())
            .run_quietly()?;
        copy("flows.py", &folder.join("flows.py"))?;
        self.run_flows(self.tool("python3", &folder).arg("flows.py"), "Python")
    }

    fn typescript(&self) -> anyhow::Result<()> {
        let folder = self.fresh("typescript")?;
        std::fs::write(folder.join("package.json"), r#"{"private": true, "type": "module"}"#)?;
        run_in(&folder, "npm")
            .args(["install", "--silent", "--no-audit", "--no-fund"])
            .args(TYPESCRIPT)
            .run_quietly()?;
        let program = |name: &str| {
            run_in(&folder, &folder.join("node_modules/.bin").join(name).to_string_lossy())
        };
        program("openapi-typescript")
            .arg(document())
            .args(["--output", "kola.d.ts"])
            .run_quietly()?;
        copy("flows.ts", &folder.join("flows.ts"))?;
        program("tsc")
            .args([
                "--strict",
                "--skipLibCheck",
                "--target",
                "es2022",
                "--module",
                "nodenext",
                "flows.ts",
            ])
            .run_quietly()?;
        self.run_flows(run_in(&folder, "node").arg("flows.js"), "TypeScript")
    }

    fn rust(&self) -> anyhow::Result<()> {
        let folder = self.generated("rust", "packageName=kola,supportAsync=false")?;
        std::fs::create_dir_all(folder.join("examples"))?;
        copy("flows.rs", &folder.join("examples/flows.rs"))?;
        // The client has its own workspace. It needs no TLS, because the server is on this machine.
        let manifest = folder.join("Cargo.toml");
        std::fs::write(&manifest, std::fs::read_to_string(&manifest)? + "\n[workspace]\n")?;
        let built = self.directory.join("built");
        let mut build = cargo();
        build
            .current_dir(&folder)
            .stdin(Stdio::null())
            .args(["build", "--quiet", "--example", "flows", "--no-default-features"])
            .env("CARGO_TARGET_DIR", &built);
        build.env("RUSTFLAGS", "--allow warnings").run_quietly()?;
        self.run_flows(
            &mut run_in(&folder, &built.join("debug/examples/flows").to_string_lossy()),
            "Rust",
        )
    }

    fn go(&self) -> anyhow::Result<()> {
        let folder = self.generated("go", "packageName=kola,withGoMod=false")?;
        std::fs::remove_dir_all(folder.join("test"))?;
        std::fs::write(folder.join("go.mod"), "module example.test/kola\n\ngo 1.18\n")?;
        std::fs::create_dir_all(folder.join("flows"))?;
        copy("flows.go", &folder.join("flows/main.go"))?;
        run_in(&folder, "go").args(["build", "-o", "play", "./flows"]).run_quietly()?;
        self.run_flows(&mut run_in(&folder, &folder.join("play").to_string_lossy()), "Go")
    }

    /// Generates a client with openapi-generator, with options that users commonly set.
    fn generated(&self, language: &str, properties: &str) -> anyhow::Result<PathBuf> {
        let folder = self.fresh(language)?;
        self.tool("openapi-generator-cli", &folder)
            .args([
                "generate",
                "--generator-name",
                language,
                "--output",
                ".",
                "--additional-properties",
                properties,
            ])
            .arg("--input-spec")
            .arg(document())
            .run_quietly()?;
        Ok(folder)
    }

    fn fresh(&self, language: &str) -> anyhow::Result<PathBuf> {
        let folder = self.directory.join(language);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn tool(&self, name: &str, folder: &Path) -> Command {
        run_in(folder, &self.tools.join(name).to_string_lossy())
    }

    fn run_flows(&self, command: &mut Command, language: &str) -> anyhow::Result<()> {
        command
            .env("KOLA_URL", self.server.url)
            .env("MERCHANT", self.server.merchant)
            .run_quietly()?;
        println!("a generated client in {language} played the four flows");
        Ok(())
    }
}

fn document() -> PathBuf {
    crate::root().join("openapi.json")
}

fn copy(name: &str, to: &Path) -> anyhow::Result<()> {
    std::fs::copy(crate::root().join("xtask/contract/clients").join(name), to)
        .with_context(|| name.to_owned())?;
    Ok(())
}

fn run_in(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

trait RunQuietly {
    /// Runs the command. Its output is shown only if it fails.
    fn run_quietly(&mut self) -> anyhow::Result<()>;
}

impl RunQuietly for Command {
    fn run_quietly(&mut self) -> anyhow::Result<()> {
        let output =
            self.output().with_context(|| format!("{}", self.get_program().to_string_lossy()))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(
            output.status.success(),
            "{} ended with {}:\n{}{}",
            self.get_program().to_string_lossy(),
            output.status,
            said(&output.stdout),
            said(&output.stderr)
        );
        Ok(())
    }
}
