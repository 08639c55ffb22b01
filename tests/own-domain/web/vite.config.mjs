export default {
  server: { proxy: { "/v1": { target: "http://127.0.0.1:7700", ws: true } } },
  build: { target: "es2022" },
};
