import { createServer } from "node:http";
import { expect, it } from "vitest";
import { listen, stopListening } from "./listener-node.js";

it("outlives connections that the system cannot give it", async () => {
  const http = createServer();
  const port = await listen(http, "127.0.0.1", 0);
  for (let n = 0; n < 3; n++) http.emit("error", Object.assign(new Error("accept EMFILE"), { code: "EMFILE" }));
  expect([http.listening, port > 0]).toEqual([true, true]);
  await stopListening(http);
});
