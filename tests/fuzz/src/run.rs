//! How every target is run: kept inputs first, then random ones, up to a number or a time.

use std::{
    env, fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use bolero::{BorrowedInput, ByteSliceGenerator, DefaultEngine, Driver, TestTarget, ValueGenerator};

/// The longest input that is made at random.
const BYTES_MAX: usize = 2_048;
/// A kept one is not cut below this.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// A run takes no longer than this, even where nothing is optimised.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Bytes as they are: a kept file is the input, and a random input is of any length.
struct Bytes;

impl ValueGenerator for Bytes {
    type Output = Input;

    fn generate<D: Driver>(&self, driver: &mut D) -> Option<Input> {
        driver.gen_from_bytes(|| (0, Some(BYTES_MAX)), |bytes| Some((bytes.len(), Input(bytes.to_vec()))))
    }
}

/// An input, shown as hexadecimal digits: `xxd -r -p` makes a file of them.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Runs a target with `bolero::check!()`, on `inputs` random inputs beside the kept ones; in a run that the environment bounds
/// by time, on as many as there is time for. Prints how many there were.
pub fn run(
    target: TestTarget<ByteSliceGenerator, DefaultEngine, BorrowedInput>,
    inputs: usize,
    test: fn(&[u8]),
) -> u64 {
    let count = AtomicU64::new(0);
    let target = match env::var_os("BOLERO_RANDOM_TEST_TIME_MS") {
        Some(_) => target,
        None => target.with_iterations(inputs).with_test_time(TIME_MAX),
    };
    // This version of bolero looks for a shorter input among others than the one that failed.
    let target = target.with_shrink_time(Duration::ZERO);
    target.with_generator(Bytes).with_max_len(KEPT_BYTES_MAX).for_each(|input: &Input| {
        count.fetch_add(1, Relaxed);
        test(&input.0);
    });
    let count = count.into_inner();
    println!("{count} inputs");
    count
}
