export { Capture, type CaptureListener, type CaptureOptions, type CaptureStats, type Timer } from "./capture.js";
export { Direction } from "./pcapng.js";
