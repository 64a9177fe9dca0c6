#!/bin/bash
# What `fumehood audit export` prints, read by others: OTLP by protobuf's own reader with OpenTelemetry's messages, OCSF by
# a JSON Schema validator with OCSF 1.8.0's classes (Python packages). An event of every kind, and those of real runs.
set -uo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
fumehood=${FUMEHOOD_BIN:-$target/debug/fumehood}
w=$(mktemp -d "${TMPDIR:-/tmp}/fumehood-exports-XXXXXX")
trap 'rm -rf "$w"' EXIT

python=
for one in python3 python3.14 python3.13 python3.12 "${HOME}"/.pyenv/versions/3.1[2-9]*/bin/python3; do
    if "$one" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then python=$one; break; fi
done
[ -n "$python" ] || { echo "no Python of version 3.12 or later: install one"; exit 1; }
"$python" -m venv "$w/venv" && "$w/venv/bin/pip" install --quiet --disable-pip-version-check \
    opentelemetry-proto==1.45.2 ocsf-json-schema==1.2.0 jsonschema==4.26.0 || exit 1

mkdir -p "$w/samples" "$w/real" "$w/project" "$w/home" "$w/config" "$w/state" && chmod 700 "$w/home" "$w/config" "$w/state"
FUMEHOOD_EXPORT_SAMPLES=$w/samples cargo test --quiet --locked -p fumehood -- --ignored --exact audit::export::tests::samples \
    >"$w/out" 2>&1 || { cat "$w/out"; exit 1; }
in_account() {
    (cd "$w/project" && env -i PATH="$PATH" HOME="$w/home" XDG_CONFIG_HOME="$w/config" XDG_STATE_HOME="$w/state" \
        LANG=C.UTF-8 timeout 60 "$fumehood" "$@" 2>&1)
}
in_account run --live -- sh -c 'false; exit 3' >"$w/out"
in_account run --allow example.org --apply ask -- sh -c 'echo x >new; curl -sS -m 5 https://denied.example/' >"$w/out"
in_account apply --all >"$w/out" && in_account undo >"$w/out" || { cat "$w/out"; exit 1; }
for form in otel ocsf jsonl; do in_account audit export --$form >"$w/real/$form" || exit 1; done

cat >"$w/read.py" <<'PY'
import json, pathlib, sys
from google.protobuf import json_format
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

folder, least = pathlib.Path(sys.argv[1]), int(sys.argv[2])
counts = {}
passed = failed = 0

def check(name, problems):
    global passed, failed
    if problems:
        failed += 1
        print(f"not ok: {folder.name}: {name}: {problems[:5]}")
    else:
        passed += 1

problems = []
for number, line in enumerate((folder / "otel").read_text().splitlines()):
    record = json_format.Parse(line, LogsData()).resource_logs[0].scope_logs[0].log_records[0]
    if not (record.time_unix_nano > 1_700_000_000_000_000_000 and record.event_name.startswith("fumehood.")):
        problems.append(line)
    counts["otel"] = number + 1
check("otel", problems)

schema, classes, problems = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0")), {}, []
for number, line in enumerate((folder / "ocsf").read_text().splitlines()):
    event = json.loads(line)
    uid = event["class_uid"]
    if uid not in classes:
        name = schema.lookup_class_name_from_uid(class_uid=uid)
        classes[uid] = Draft202012Validator(schema.get_class_schema(class_name=name))
    problems += [f"{uid} {event['activity_id']} {e.message[:200]}" for e in classes[uid].iter_errors(event)]
    if event["type_uid"] != uid * 100 + event["activity_id"] or event["category_uid"] != uid // 1000:
        problems.append(line)
    counts["ocsf"] = number + 1
check("ocsf", problems)

# The validator does find what is wrong.
del event["metadata"]
check("an event without metadata is refused", [] if list(classes[uid].iter_errors(event)) else ["it is not"])

counts["jsonl"] = len([json.loads(line)["kind"] for line in (folder / "jsonl").read_text().splitlines()])
check("as many in each form", [] if len(set(counts.values())) == 1 and counts["ocsf"] >= least else [counts])
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
PY
passed=0 failed=0
for each in "samples 40" "real 10"; do
    read -r folder least <<<"$each"
    out=$("$w/venv/bin/python" "$w/read.py" "$w/$folder" "$least" 2>&1)
    echo "$out" | grep -v "passed,"
    read -r p f <<<"$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed/\1 \2/p' <<<"$out")"
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
