//! The events of money and of transfers, as a program in another language hears them while everything is restarted.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{path::Path, process::Command};

/// An official client that only listens, and what the doors say of the same transfers: `tests/python/listener.py`.
#[test]
fn a_listener_hears_every_fact_in_order_while_everything_is_restarted() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/listener.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_remit"))
        .args(["--transfers", "3000"])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{said}");
}
