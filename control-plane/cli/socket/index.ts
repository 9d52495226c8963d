/** The control socket of `xl host`: both ends. */
export { answers, connectSocket, type RemoteHost } from "./client.js";
export { makeSocketFolder, socketAddress } from "./path.js";
export { type HostServer, serveSocket } from "./server.js";
