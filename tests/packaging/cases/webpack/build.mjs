import { promisify } from "node:util";
import webpack from "webpack";

const stats = await promisify(webpack)({
  mode: "production",
  entry: {
    plain: "./js/plain.js",
    domain: "./js/domain.js",
    url: "./js/url.js",
    query: "./js/query.js",
    react: "./js/react.js",
  },
  output: { path: `${import.meta.dirname}/dist`, publicPath: "/" },
});
if (stats.hasErrors() || stats.hasWarnings())
  throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
