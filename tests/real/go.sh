#!/usr/bin/env bash
# Go: build, test, cgo, the build cache.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

make_module() {
    project "$1"
    printf 'module example.invalid/adding\n\ngo 1.19\n' >go.mod
    printf 'package main\n\nimport "fmt"\n\nfunc Add(a, b int) int { return a + b }\n\nfunc main() { fmt.Println(Add(1, 2)) }\n' >main.go
    printf 'package main\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n\tif Add(1, 2) != 3 {\n\t\tt.Fatal()\n\t}\n}\n' >main_test.go
    echo adding >.gitignore
    commit_all
}

build_and_test() {
    make_module "$1"
    inside -- go build ./...
    has "$(inside -- go test -v ./...)" "--- PASS: TestAdd"
    inside -- go vet ./...
    inside -- go build -o adding .
    same "outside" 3 "$(./adding)"
    same "status" "" "$(git status --porcelain)"
}

no_cache_on_the_host() {
    rm -rf "$HOME/.cache/go-build"
    build_and_test without-cache
    test ! -e "$HOME/.cache/go-build"
}

a_cache_on_the_host() {
    make_module warming
    go build ./...
    test -d "$HOME/.cache/go-build"
    find "$HOME/.cache/go-build" -type f -exec cksum {} + | sort >"$scratch/cache"
    build_and_test with-cache
    find "$HOME/.cache/go-build" -type f -exec cksum {} + | sort | diff "$scratch/cache" -
}

with_c() {
    project cgo
    printf 'module example.invalid/cgo\n\ngo 1.19\n' >go.mod
    printf 'package main\n\n// static int two(void) { return 2; }\nimport "C"\nimport "fmt"\n\nfunc main() { fmt.Println(C.two()) }\n' >main.go
    same "cgo" 2 "$(CGO_ENABLED=1 inside -- go run .)"
}

check 300 "go build, test, vet; no build cache on the host" no_cache_on_the_host
check 300 "go build, test, vet; a build cache on the host, unchanged" a_cache_on_the_host
check 300 "cgo" with_c
finish
