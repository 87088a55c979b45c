//! The program `remit`; all of it is [`remit::cli`].

fn main() -> std::process::ExitCode {
    remit::cli::main()
}
