//! The program `remit`; all of it is [`remit::cli`].

// Planted bugs are for tests: the product is not built with them.
const _: () = assert!(!remit_core::HAS_MUTANTS, "built with the feature `mutants`, which is for tests alone");

fn main() -> std::process::ExitCode {
    remit::cli::main()
}
