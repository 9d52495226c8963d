export { nowhere } from "./nowhere.js";
export type {
  DatagramEvents,
  Listener,
  Outside,
  OutsideDatagrams,
  OutsideError,
  OutsideStream,
  Resolution,
  StreamEvents,
} from "./outside.js";
