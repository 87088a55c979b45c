//! The program `remit`; all of it is [`remit::cli`].

// Planted bugs are for tests: the product is not built with them.
const _: () = assert!(!remit_core::HAS_MUTANTS, "built with the feature `mutants`, which is for tests alone");

/// A frame is made by one thread and let go by another, thousands of times a second: what the system's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    remit::cli::main()
}
