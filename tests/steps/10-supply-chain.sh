#!/bin/bash
# What comes in from outside: licences, duplicates, sources (deny.toml), and how much of it there is.
#
# cargo-deny is built once, pinned, into a cache (3 min 9 s on two cores); a check takes under a second.
set -euo pipefail
cd "$(dirname "$0")/../.."
. packaging/test/checks.sh

deny_version=0.20.2
target=${CARGO_TARGET_DIR:-$PWD/target}
cache=${FUMEHOOD_TEST_CACHE:-$target/test-cache}
deny=$cache/cargo-deny-$deny_version/bin/cargo-deny
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

need jq jq
need cc gcc
if [ ! -x "$deny" ]; then
    echo "building cargo-deny $deny_version, once, into $cache"
    CARGO_TARGET_DIR=$cache/build timeout 1500 cargo install --quiet --locked \
        --root "$cache/cargo-deny-$deny_version" --version "$deny_version" cargo-deny
    rm -rf "$cache/build"
fi
timeout 600 cargo fetch --quiet --locked

deny() {
    timeout 120 "$deny" --offline --locked --config "${deny_file:-deny.toml}" check "$@"
}

# The same checks with one line of deny.toml changed: they must notice.
deny_with() {
    local edit=$1
    shift
    sed "$edit" deny.toml >"$scratch/deny.toml"
    if cmp -s deny.toml "$scratch/deny.toml"; then
        echo "the edit changes nothing"
        return 0 # which is a failure: a refusal is expected
    fi
    deny_file=$scratch/deny.toml deny "$@"
}

# The packages in the shipped binary, ours left out.
shipped() {
    cargo tree --locked --edges normal --package fumehood --prefix none --format '{p}' |
        sed 's/ (.*//' | grep -v '^fumehood' | sort -u
}

read_counts() {
    shipped >"$scratch/shipped" || return
    now=$(wc -l <"$scratch/shipped")
    allowed=$(sed '/^#/d' packaging/dependencies.count)
}

within_count() {
    local allowed now
    read_counts || return
    echo "$now packages of others are in the binary, $allowed are allowed;"
    echo "if each new one is worth its trust, write the new number to packaging/dependencies.count"
    [ "$now" -le "$allowed" ]
}

count_is_tight() {
    local allowed now
    read_counts || return
    echo "there are fewer now: lower packaging/dependencies.count from $allowed to $now"
    [ "$now" -eq "$allowed" ]
}

# Every package of the lock file is ours or has a checksum from the one registry.
lock_is_pinned() {
    cargo metadata --locked --format-version 1 |
        jq -r '.packages[] | select(.source == null) | .name' | sort >"$scratch/ours" &&
        awk '/^name = / { name = $3; gsub(/"/, "", name); all[name] = 1 }
             /^checksum = / { pinned[name] = 1 }
             END { for (n in all) if (!(n in pinned)) print n }' Cargo.lock | sort >"$scratch/unpinned" &&
        diff "$scratch/ours" "$scratch/unpinned" &&
        [ "$(sed -n 's/^source = //p' Cargo.lock | sort -u | wc -l)" -eq 1 ]
}

# No HTTP client, no crash reporter, no metrics: what would have to be there for telemetry.
nothing_phones_home() {
    shipped >"$scratch/shipped" &&
        ! grep -E '^(reqwest|ureq|hyper|curl|isahc|attohttpc|sentry|opentelemetry|posthog)' "$scratch/shipped"
}

check "licences, duplicates and sources" deny licenses bans sources
refused "a licence that is not on the list is noticed" 'rejected|not explicitly allowed' \
    deny_with '/"MIT",/d' licenses
refused "a banned crate is noticed" 'banned' \
    deny_with 's/crate = "openssl-sys"/crate = "libc"/' bans
refused "a build script that nobody read is noticed" 'build script' \
    deny_with '/name = "rustix"/d' bans
check "each package of the lock file is ours or pinned by a checksum" lock_is_pinned
check "no more packages in the binary than agreed" within_count
check "nor fewer" count_is_tight
check "the binary holds no client that could phone home" nothing_phones_home
finish
