#!/bin/bash
# What the documents say is there: every row of docs/guarantees.md names a test or says that nothing holds it, every
# test that it or tests/README.md names exists, and every relative link leads to a file.
set -euo pipefail
cd "$(dirname "$0")/../.."
python3 - <<'PYTHON'
import pathlib, re, sys

passed, wrong = 0, []


def sources(place):
    if place.is_dir():
        return "\n".join(f.read_text() for f in sorted(place.rglob("*.rs")) if "target" not in f.parts)
    return place.read_text() if place.is_file() else ""


cache = {}


def of(name):
    """The Rust code that a name before `::` stands for: a file of tests/tests, and a crate."""
    if name not in cache:
        cache[name] = sources(pathlib.Path(f"tests/tests/{name}.rs")) + sources(pathlib.Path("crates") / name)
    return cache[name]


def exists(reference):
    if "::" not in reference:
        return pathlib.Path(reference).exists()
    name, test = reference.split("::", 1)
    start = test.rstrip("…*")
    if start != test:
        return re.search(rf"\bfn {re.escape(start)}", of(name)) is not None
    return re.search(rf"\bfn {re.escape(test)}\(", of(name)) is not None


def judge(where, what, is_so):
    global passed
    if is_so:
        passed += 1
    else:
        wrong.append(f"{where}: {what}")


for line in pathlib.Path("docs/guarantees.md").read_text().splitlines():
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    if len(cells) != 4 or cells[0] == "threat" or set(cells[0]) == {"-"}:
        continue
    where, named = f"docs/guarantees.md: {cells[0]}", re.findall(r"`([^`]+)`", cells[3])
    if not named:
        judge(where, "names no test, and something is said to hold it", cells[1].startswith("not held"))
    for reference in named:
        judge(where, f"{reference} does not exist", exists(reference))

text = pathlib.Path("tests/README.md").read_text()
for reference in re.findall(r"`([a-z_0-9]+::[^`]+)`", text):
    judge("tests/README.md", f"{reference} does not exist", exists(reference))
# Short for a test of the file named before it in the same row.
every = "\n".join(f.read_text() for f in sorted(pathlib.Path("tests/tests").glob("*.rs")))
for short in re.findall(r"`((?:e|codex|srt)[0-9][^`:]*)`", text):
    start = short.rstrip("…*")
    end = "" if start != short else r"\("
    judge("tests/README.md", f"{short} does not exist", re.search(rf"\bfn {re.escape(start)}{end}", every))

pages = [*pathlib.Path(".").glob("*.md"), *pathlib.Path("docs").glob("*.md"), *pathlib.Path("crates").glob("*/README.md")]
for page in [*pages, pathlib.Path("tests/README.md"), pathlib.Path("fuzz/README.md")]:
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in link and not link.startswith("mailto:"):
            judge(page, f"a link to {link}", (page.parent / link).exists())

for line in wrong:
    print(line)
print(f"{passed} passed, {len(wrong)} failed")
sys.exit(bool(wrong) or passed < 100)
PYTHON
