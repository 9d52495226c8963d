/** Small tools that every part of Domain0 uses. */
export {
  ByteView,
  ByteWriter,
  byteString,
  bytesOf,
  concatBytes,
  textOfByteString,
  utf8ByteString,
} from "./bytes.js";
export { type Clock, ManualClock, type Random, randomUuid, SeededRandom } from "./clock.js";
export { LogRing } from "./log.js";
export { err, type Failure, ok, type Result, unwrap } from "./result.js";
export { type Listener, tell } from "./tell.js";
