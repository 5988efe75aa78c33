#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hopfield_fuzz::files(bytes));
