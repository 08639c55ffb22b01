// The cases of tests/vectors/types.json: each value in each place. tests/every-type/src/cases.rs reads them in the same way.
import { readFileSync } from "node:fs";

const table = JSON.parse(readFileSync(new URL("../../../vectors/types.json", import.meta.url), "utf8"));

function* placed() {
  for (const type of table.types) {
    for (const place of table.places) {
      const at = (value, kind) => ({
        name: `${type.event} ${place.name}: ${value}`,
        event: type.event,
        payload: place.payload.replaceAll("GOOD", () => type.good).replaceAll("VALUE", () => value),
        kind,
        path: place.path,
        typed: true,
      });
      for (const kind of ["accepted", "refused", "unsayable", "mistyped"]) {
        for (const value of type[kind] ?? []) yield at(value, kind);
      }
      yield at("null", place.null || type.null ? "accepted" : "mistyped");
    }
  }
}

function whole({ name, event, payload, accepted, path = "", typed = true }) {
  return { name, event, payload, kind: accepted ? "accepted" : "mistyped", path, typed };
}

/** All cases, with the `kind` of the table. */
export const cases = [...placed(), ...table.payloads.map(whole)];
