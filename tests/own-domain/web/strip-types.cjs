// A loader for webpack, which does not understand TypeScript.
const { transformSync } = require("esbuild");

module.exports = (source) => transformSync(source, { loader: "ts", target: "es2022" }).code;
