import { promisify } from "node:util";
import webpack from "webpack";

const stats = await promisify(webpack)({
  mode: "production",
  entry: { dedicated: "./js/dedicated.js", shared: "./js/shared.js" },
  output: { path: `${import.meta.dirname}/dist`, publicPath: "/" },
});
if (stats.hasErrors() || stats.hasWarnings())
  throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
