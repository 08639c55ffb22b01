import { allEntries } from "./entries.js";
import { hear } from "./hear.js";

allEntries();
console.log(await hear(process.env.SERVER ?? ""));
