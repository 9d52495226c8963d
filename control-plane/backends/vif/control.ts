/** The control ring: the front end says how flows are to be spread over its queues. [XEN] io/netif.h "Control messages" */
import { PAGE_BYTES } from "../../core-link/index.js";
import type { EventChannel } from "../../evtchn/index.js";
import { TOEPLITZ_KEY_BYTES } from "../../net/index.js";
import type { BackRing } from "../../ring/index.js";
import type { BackendIo } from "../backend.js";
import {
  ALL_HASH_FLAGS,
  CONTROL_RESPONSE_BYTES,
  CONTROL_SLOT_BYTES,
  ControlRequest,
  ControlStatus,
  ControlType,
  readControlRequest,
  writeControlResponse,
} from "./codec.js";
import { MOST_MAPPING, type Steering } from "./steering.js";

const ENTRY_BYTES = 4;

export interface ControlParts {
  readonly io: BackendIo;
  readonly ring: BackRing;
  readonly steering: Steering;
  readonly queues: number;
  /** The front end broke the ring. */
  readonly broken: (why: string) => void;
}

export class ControlRing {
  channel: EventChannel | null = null;
  #paused = false;
  #stopped = false;
  readonly #request = new ControlRequest();
  readonly #slot = new Uint8Array(CONTROL_SLOT_BYTES);
  readonly #slotView = new DataView(this.#slot.buffer);
  readonly #response = new Uint8Array(CONTROL_RESPONSE_BYTES);
  readonly #responseView = new DataView(this.#response.buffer);

  constructor(private readonly parts: ControlParts) {}

  /** Carries out what is in the ring: once around at most, then the guest has to ask again. */
  look(): void {
    if (this.#paused || this.#stopped) return;
    const { ring } = this.parts;
    for (let budget = ring.slots; budget > 0; budget--) {
      const taken = ring.takeInto(this.#slot);
      if (taken === null) {
        this.#stopped = true;
        this.parts.broken("the control ring's request index is beyond the ring");
        return;
      }
      if (taken) this.#answer();
      else if (!ring.finalCheck()) break;
    }
    if (ring.publish()) this.channel?.notify();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.look();
  }

  stop(): void {
    this.#stopped = true;
    this.channel?.close();
    this.channel = null;
  }

  #answer(): void {
    readControlRequest(this.#slotView, this.#request);
    let data = 0;
    if (this.#request.type === ControlType.GET_HASH_FLAGS) data = ALL_HASH_FLAGS;
    if (this.#request.type === ControlType.GET_HASH_MAPPING_SIZE) data = MOST_MAPPING;
    writeControlResponse(this.#responseView, this.#request, this.#perform(), data);
    this.parts.ring.putResponse(this.#response);
  }

  #perform(): number {
    const { type, data } = this.#request;
    const { steering } = this.parts;
    const status = (isRight: boolean) => (isRight ? ControlStatus.SUCCESS : ControlStatus.INVALID_PARAMETER);
    switch (type) {
      case ControlType.GET_HASH_FLAGS:
      case ControlType.GET_HASH_MAPPING_SIZE:
        return ControlStatus.SUCCESS;
      case ControlType.SET_HASH_ALGORITHM:
        return status(steering.setAlgorithm(data[0]!));
      case ControlType.SET_HASH_FLAGS:
        return status(steering.setFlags(data[0]!));
      case ControlType.SET_HASH_KEY:
        return status(this.#setKey(data[0]!, data[1]!));
      case ControlType.SET_HASH_MAPPING_SIZE:
        return status(steering.setMappingSize(data[0]!));
      case ControlType.SET_HASH_MAPPING:
        return status(this.#setMapping(data[0]!, data[1]!, data[2]!));
      default:
        return ControlStatus.NOT_SUPPORTED;
    }
  }

  #setKey(ref: number, length: number): boolean {
    if (length > TOEPLITZ_KEY_BYTES) return false;
    const key = length === 0 ? new Uint8Array(0) : this.#copyOf(ref, length);
    return key !== null && this.parts.steering.setKey(key);
  }

  #setMapping(ref: number, count: number, from: number): boolean {
    const { steering, queues } = this.parts;
    if (count > PAGE_BYTES / ENTRY_BYTES || from + count > steering.mappingSize) return false;
    if (count === 0) return true;
    const bytes = this.#copyOf(ref, count * ENTRY_BYTES);
    if (bytes === null) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return steering.setMapping(
      Uint32Array.from({ length: count }, (_, entry) => view.getUint32(entry * ENTRY_BYTES, true)),
      from,
      queues,
    );
  }

  /** The first bytes of a page that the guest grants for this; null when it does not. */
  #copyOf(ref: number, length: number): Uint8Array | null {
    const { io } = this.parts;
    const address = io.mapPage(ref, true);
    if (address < 0) return null;
    const bytes = io.memory.copy(address, length);
    io.unmapPage(ref, true);
    return bytes;
  }
}
