#!/usr/bin/env bash
# Node: npm test with a dependency, npx, a version manager's tree.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

make_package() {
    project "$1"
    cat >package.json <<'JSON'
{ "name": "sorting", "version": "1.0.0", "scripts": { "test": "node --test", "build": "node build.js" }, "dependencies": { "semver": "*" } }
JSON
    cat >sorting.test.js <<'JS'
const test = require("node:test"), assert = require("node:assert"), semver = require("semver");
const { Worker } = require("node:worker_threads"), { execFileSync } = require("node:child_process");
test("a dependency", () => assert.deepEqual(["2.0.0", "1.10.0", "1.9.0"].sort(semver.compare), ["1.9.0", "1.10.0", "2.0.0"]));
test("a worker", (t, done) => new Worker("process.exit(0)", { eval: true }).on("exit", (c) => done(c ? new Error(c) : undefined)));
test("a child", () => assert.equal(execFileSync(process.execPath, ["-p", "1+1"]).toString(), "2\n"));
JS
    echo 'require("fs").mkdirSync("dist", { recursive: true }); require("fs").writeFileSync("dist/out.js", "1")' >build.js
    printf 'node_modules\ndist\n' >.gitignore
    cp -a "$FUMEHOOD_TEST_CACHE/node/node_modules" "$FUMEHOOD_TEST_CACHE/node/package-lock.json" .
    rm -f node_modules/.package-lock.json
    commit_all
}

a_package_with_a_dependency() {
    make_package package
    said=$(inside -- npm test 2>&1) || { echo "$said" && return 1; }
    has "$said" "pass 3"
    live -- npm run build
    test -f dist/out.js
    same "npx of a local program" "1.2.3" "$(inside -- npx --no-install semver 1.2.3)"
    has "$(inside -- npm ls)" semver@
    same "status" "" "$(git status --porcelain)"
}

a_local_package_is_installed() {
    project local
    mkdir -p parts/one && echo '{"name":"one","version":"1.0.0"}' >parts/one/package.json && echo 'module.exports = 1' >parts/one/index.js
    echo '{"name":"whole","version":"1.0.0","dependencies":{"one":"file:parts/one"}}' >package.json
    inside -- npm install --no-audit
    same "required" 1 "$(inside -- node -p 'require("one")')"
    ends 1 inside -- npm install --no-audit left-pad
    lacks "$said" "ETIMEDOUT"
}

# As nvm lays it out: node and npm below the home, found on the path, shown through its closure.
a_version_manager() {
    local version tree
    version=$(node --version)
    tree=$HOME/.nvm/versions/node/$version
    mkdir -p "$tree/bin" "$tree/lib/node_modules"
    cp "$(readlink -f "$(command -v node)")" "$tree/bin/node"
    cp -a "$(npm root -g)/npm" "$tree/lib/node_modules/"
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$tree/bin/npm"
    ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$tree/bin/npx"
    mkdir -p "$tree/lib/node_modules/own" && printf '#!/usr/bin/env node\nconsole.log("own tool on", process.execPath)\n' >"$tree/lib/node_modules/own/cli.js"
    chmod +x "$tree/lib/node_modules/own/cli.js" && ln -sf ../lib/node_modules/own/cli.js "$tree/bin/own"
    export NVM_DIR=$HOME/.nvm PATH=$tree/bin:$PATH
    mkdir -p "$work/plain" && cd "$work/plain"
    same "without a preset" "own tool on $tree/bin/node" "$(inside -- own)"
    make_package managed
    same "node" "$tree/bin/node" "$(inside -- node -p process.execPath)"
    has "$(inside -- npm test 2>&1)" "pass 3"
    same "from the shell" "$tree/bin/node" "$(inside -- sh -c 'command -v node')"
    inside -- sh -c '! (echo >"$NVM_DIR"/planted)'
    rm -rf "$HOME/.nvm"
}

check 60 "npm test with a dependency, npm run, npx" a_package_with_a_dependency
check 60 "npm install of a local package; the network is off" a_local_package_is_installed
check 60 "a version manager's node in the home" a_version_manager
finish
