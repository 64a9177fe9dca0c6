// What the conformance suite found against what is expected: node judge.mjs VERSION RESULTS EXPECTED
// A check that fails and is not listed is a failure, and so is one that is listed and does not fail.
import { readdirSync, readFileSync } from 'node:fs';

const [version, results, file] = process.argv.slice(2);
const expected = new Set();
for (const line of readFileSync(file, 'utf8').split('\n')) {
  const [of, ...words] = line.replace(/#.*/, '').trim().split(/\s+/);
  if (of === version || of === 'both') expected.add(words.join(' '));
}
let passed = 0;
const failed = new Map();
const seen = new Set();
for (const folder of readdirSync(results)) {
  const scenario = folder.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*/, '');
  for (const check of JSON.parse(readFileSync(`${results}/${folder}/checks.json`, 'utf8'))) {
    if (check.status === 'SUCCESS') passed += 1;
    if (check.status !== 'FAILURE' && check.status !== 'WARNING') continue;
    const name = `${scenario} ${check.id}`;
    seen.add(name);
    if (!expected.has(name)) failed.set(name, check.errorMessage ?? '');
  }
}
for (const [name, why] of failed) console.log(`not ok: ${version} ${name}: ${why}`);
for (const name of expected) if (!seen.has(name)) {
  console.log(`not ok: ${version} ${name}: is listed as failing and does not`);
  failed.set(name, '');
}
if (passed === 0) failed.set('nothing', '');
console.log(`  ${version}: ${passed} checks hold, ${seen.size} fail as listed`);
console.log(`${passed} passed, ${failed.size} failed`);
process.exit(failed.size === 0 ? 0 : 1);
