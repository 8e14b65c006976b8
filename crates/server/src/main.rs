//! The command line of kola.

fn main() -> std::process::ExitCode {
    kola::cli::main()
}
