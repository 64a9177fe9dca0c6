#!/usr/bin/env bash
# Rust: fumehood itself, offline, in its own sandbox; a crate by others.
# REAL_SOURCE is a copy of fumehood's source; REAL_FULL=1 takes the whole workspace.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

if [[ ${REAL_FULL:-0} == 1 ]]; then
    part=(--workspace --all-targets)
    tests=(-p fumehood-limits -p fumehood-policy -p fumehood-terminal -p fumehood-session)
else
    part=(-p fumehood-limits)
    tests=(-p fumehood-limits)
fi
export REAL_SECONDS=1500

fumehood_itself() {
    project fumehood
    cp -a "$REAL_SOURCE/." .
    commit_all
    live -- cargo build --offline -j2 "${part[@]}"
    # The watchdog's walk needs openat2, which the filter answers with ENOSYS.
    live -- cargo test --offline -j2 "${tests[@]}" --lib -- --skip watchdog::disk
    same "status" "" "$(git status --porcelain)"
    test -d target/debug
    rm -rf target
}

# A crate of the kind everything depends on, taken out of the registry's sources as downloaded.
a_crate_by_others() {
    local source
    source=$(find "$HOME/.cargo/registry/src" -maxdepth 2 -name 'itoa-1*' | sort | tail -n 1)
    test -n "$source"
    project itoa
    cp -a "$source/." .
    # Its own tests use crates that nobody here has downloaded.
    rm -rf benches tests Cargo.lock Cargo.toml.orig
    printf '[package]\nname = "itoa"\nversion = "1.0.0"\nedition = "2021"\n' >Cargo.toml
    mkdir -p tests
    printf '#[test]\nfn prints() { assert_eq!(itoa::Buffer::new().format(-42i64), "-42"); }\n' >tests/prints.rs
    said=$(inside -- cargo test --offline 2>&1) || { echo "$said" && return 1; }
    has "$said" "test prints ... ok"
}

the_compiler_alone() {
    project alone
    printf 'fn main() { println!("hello from {}", std::env::consts::ARCH); }\n' >main.rs
    inside -- rustc -O main.rs
    has "$(inside -- ./main)" "hello from"
    inside -- cargo new --vcs none made
    cd made
    has "$(inside -- cargo run --offline --quiet)" "Hello, world!"
    inside -- cargo fmt
    # The project's root has no Cargo.toml and the command is a shell, so the preset is named.
    has "$(inside --preset rust -- sh -c 'cargo metadata --offline --format-version 1 && touch src/lib.rs && cargo doc --offline' 2>&1)" target/doc
}

# The host's registry and toolchain are the host's: nothing inside changes them.
the_host_keeps_its_registry() {
    project registry
    echo 'registry-token-canary' >"$HOME/.cargo/credentials.toml"
    inside -- sh -xc '
        ! (echo >"$HOME"/.cargo/bin/cargo) || exit 1
        ! test -e "$HOME"/.cargo/credentials.toml || exit 1
        for f in "$HOME"/.cargo/registry/src/*; do ! touch "$f/planted" || exit 1; done'
    rm "$HOME/.cargo/credentials.toml"
}

# tool NAME [JSON]: a call of one of the shipped tools, as JSON; its status is the tool's.
tool() { timeout --foreground -k 3 250 "$FUMEHOOD_BIN" tool call "$1" "${2:-{\}}" --json; }

# Row 13 of the catalogue of hostile input: what a project's settings have cargo run is run inside, and stays there.
tools_on_a_hostile_project() {
    local canary=$HOME/canary-of-cargo name parts part
    project hostile
    mkdir -p src .cargo
    printf '[package]\nname = "hostile"\nversion = "1.0.0"\nedition = "2021"\n' >Cargo.toml
    printf '#[test]\nfn good() {}\n#[test]\nfn bad() { assert_eq!(1 + 1, 3); }\npub fn  f(){}\n' >src/lib.rs
    printf '#!/bin/sh\n: 2>/dev/null >"%s"\n: 2>/dev/null >"%s/ran"\nexec "$@"\n' "$canary" "$PWD" >wrapper.sh
    chmod +x wrapper.sh
    printf '[build]\nrustc-wrapper = "%s/wrapper.sh"\n' "$PWD" >.cargo/config.toml
    cat >build.rs <<RUST
fn main() {
    let _ = std::fs::write("$canary", "ran");
    let _ = std::fs::write("$PWD/ran", "ran");
    println!("cargo:warning=ran inside");
}
RUST
    # By hand it runs, and leaves its marks.
    cargo check --offline --quiet
    test -e "$canary"
    test -e ran
    rm -rf "$canary" ran target Cargo.lock
    for name in cargo_build cargo_test cargo_format; do
        said=$(tool "$name") || test "$name" = cargo_test
        case $name in
            cargo_build) parts=("ran inside" '"status":0') ;;
            cargo_test) parts=('"failed":1' '"passed":1' '"status":101') ;;
            cargo_format) parts=("kept back" '"status":0') ;;
        esac
        for part in "${parts[@]}"; do has "$said" "$part"; done
        test ! -e "$canary"
        test ! -e ran
        test ! -e target
    done
    has "$("$FUMEHOOD_BIN" diff)" "+pub fn f() {}"
    "$FUMEHOOD_BIN" discard
}

check 1600 "fumehood builds and tests itself offline (${part[*]})" fumehood_itself
check 120 "a crate by others: cargo test" a_crate_by_others
check 60 "rustc, cargo new, run, fmt" the_compiler_alone
check 600 "cargo's tools on a hostile project" tools_on_a_hostile_project
check 20 "the host's registry stays as it is" the_host_keeps_its_registry
finish
