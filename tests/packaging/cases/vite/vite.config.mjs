export default {
  build: { rollupOptions: { input: ["plain.html", "domain.html", "url.html", "query.html", "react.html"] } },
};
