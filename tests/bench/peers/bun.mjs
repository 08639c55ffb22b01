// Bun's publish (uWebSockets underneath): what a publisher says goes to every subscriber.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const isSubscriber = new URL(request.url).pathname === "/subscribe";
    return server.upgrade(request, { data: { isSubscriber } })
      ? undefined
      : new Response("no upgrade", { status: 400 });
  },
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    open(socket) {
      if (socket.data.isSubscriber) {
        socket.subscribe("all");
      }
    },
    message(socket, message) {
      if (!socket.data.isSubscriber) {
        server.publish("all", message);
      }
    },
  },
});

console.log(`listening on http://127.0.0.1:${server.port}`);
