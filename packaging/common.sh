# Shared by the scripts of a release: sourced, not run. The caller's first argument is the folder of the
# release, target/dist by default.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
work=${CARGO_TARGET_DIR:-$root/target}
out=${1:-$work/dist}
mkdir -p "$out"
out=$(cd "$out" && pwd)

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
machine=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')
target=$machine-unknown-linux-gnu

# The one date in everything that is made: that of the source.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
export LC_ALL=C TZ=UTC
umask 022
