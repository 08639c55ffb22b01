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
  // A page with React is mostly React DOM, and is just above the default of 244 KiB.
  performance: { maxAssetSize: 256 * 1024, maxEntrypointSize: 256 * 1024 },
  output: { path: `${import.meta.dirname}/dist`, publicPath: "/" },
});
if (stats.hasErrors() || stats.hasWarnings())
  throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
