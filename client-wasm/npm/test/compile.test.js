// The compiler's message for a mistake names the right words.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The compiler's messages for `wrong.ts`, in the order of its lines. */
function complaints(compiler) {
  const args = [
    `node_modules/${compiler}/bin/tsc`,
    "--project",
    "test/tsconfig.wrong.json",
    "--pretty",
    "false",
  ];
  const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  return stdout.split(/^test\/wrong\.ts\(\d+,\d+\): /m).slice(1);
}

test("the compiler names the right topics, events, fields and domains", () => {
  for (const compiler of ["typescript", "typescript-5.6"]) {
    const said = complaints(compiler);
    const expected = [
      [/"staff:people"/, /`staff:person:\$\{string\}`/],
      [/Did you mean '"staff:people"'\?/],
      [/"staff:people"/, /`staff:person:\$\{string\}`/],
      [/"projects:all"/],
      [/'"person_promoted"' is not assignable to type .*"person_updated"/],
      [/Property 'uuid' is missing in type '\{ uid: string; \}' but required in type 'StaffPersonPayload'/],
      [/Property 'uid' does not exist.* Did you mean 'uuid'\?/],
      [/Property 'persons' does not exist.* Did you mean 'person'\?/],
      [/typeof import\(.*domains".*is not assignable to type 'string \| Domain</],
      [/Type '\["ulid", number\]' is not assignable to type 'FieldType'/],
      [/is missing the following properties from type 'Domain<.*: fingerprint, events/],
    ];
    assert.equal(said.length, expected.length, said.join("\n"));
    for (const [index, patterns] of expected.entries()) {
      for (const pattern of patterns) assert.match(said[index], pattern, compiler);
      assert.doesNotMatch(said[index], /never/, compiler);
    }
  }
});
