#!/bin/bash
# Our logs, judged by implementations that are not ours (crates tlog_tiles and signed_note): notes, tiles, proofs.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}/log-oracle
CARGO_TARGET_DIR=$target timeout 300 cargo run --quiet --locked --manifest-path tests/oracles/log/Cargo.toml
