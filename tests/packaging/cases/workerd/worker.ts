import { hear } from "./src/hear.js";

export default {
  async fetch(request: Request): Promise<Response> {
    const server = new URL(request.url).searchParams.get("server") ?? "";
    return new Response(await hear(server).catch((error) => `${error.code}: ${error.message}`));
  },
};
