# Runs in a sandbox that sees a repository of ours (q), a pack of anybody's making (incoming) and the
# host's objects, read-only. `tips`, `stash`: ids that are to be reached; `known`: ids that the host has;
# `ends`: two commits to compare, or nothing.
exec </dev/null >/dev/null 2>errors
export GIT_DIR="$PWD/q" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_NO_LAZY_FETCH=1
export GIT_NO_REPLACE_OBJECTS=1 LC_ALL=C
if [ -e incoming ]; then
    git index-pack --stdin --strict --fsck-objects <incoming || exit 20
fi
sed 's/^/^/' known >not
git cat-file --batch-check='%(objectname) %(objecttype)' <tips >types || exit 21
cat tips stash not | git rev-list --objects --quiet --stdin || exit 22
: >commits; : >stashed; : >subjects
if [ -s tips ]; then
    cat tips not | git rev-list --topo-order --parents --stdin >commits || exit 23
    cat tips not | git log -z --format='%H %s' --stdin >subjects || exit 25
fi
if [ -s stash ]; then
    { cat stash not; sed 's/^/^/' tips; } | git rev-list --parents --stdin >stashed || exit 24
fi
diff='git diff-tree --raw --no-abbrev --no-renames --no-ext-diff --no-textconv -r'
cat commits stashed | $diff --stdin -m --root -z >changes || exit 26
: >differ
if [ -s ends ]; then
    # shellcheck disable=SC2046 # two ids
    $diff -z $(cat ends) >differ || exit 27
fi
cat commits stashed | $diff --stdin -m --root | grep '^:' | cut -d' ' -f3,4 | tr ' ' '\n' | sort -u | grep -v '^0*$' >ids
git cat-file --batch-check='%(objectname) %(objecttype) %(objectsize)' <ids |
    while read -r id type size; do
        if [ "$type" = blob ] && [ "$size" -le 8388608 ]; then echo "$id"; fi
    done | git cat-file --batch >blobs || exit 28
