/**
 * The two ends of a cable: a station (a guest's interface, the way out, a link to another machine) is plugged into a
 * switch and gets a wire.
 */
import type { Packet } from "./packet.js";

/** What is plugged in. It answers at once and never throws. */
export interface Station {
  /** For people: in lists, captures and logs. */
  readonly name: string;
  /** Takes a frame, or drops it for reasons of its own: true. False: there is no room now; it calls `wire.room()` when there is. */
  receive(packet: Packet): boolean;
  /** A batch of frames is over: the time to tell the guest. */
  settle(): void;
  /** What was refused for want of room may be sent again. */
  resume(): void;
}

/** What a station gets from a switch. */
export interface Wire {
  /**
   * Sends a frame. False: the one station that it is for has no room; the sender keeps it and sends it again after
   * `resume()`. Frames for several stations, and for one that is full for too long, are dropped instead.
   */
  send(packet: Packet): boolean;
  /** A batch of frames is over. */
  settle(): void;
  /** There is room again after a refusal. */
  room(): void;
  unplug(): void;
}
