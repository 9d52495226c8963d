/**
 * An interface's place at its switch. It stays while the guest's driver comes and goes, and with it the port's address,
 * counters, recordings and impairments; while no driver is there the link is down.
 */
import type { Packet, Port, Station, Wire } from "../net/index.js";

export class VifStation implements Station {
  #driver: Station | null = null;
  #isUp = true;
  #port: Port | null = null;

  constructor(readonly name: string) {}

  /** The port that it is plugged into. */
  set port(port: Port) {
    this.#port = port;
    this.#follow();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** What people want of the link. */
  setUp(up: boolean): void {
    this.#isUp = up;
    this.#follow();
  }

  /** The guest's driver is there. */
  connect(driver: Station): Wire {
    this.#driver = driver;
    this.#follow();
    const port = this.#port!;
    return {
      send: (packet) => port.send(packet),
      settle: () => port.settle(),
      room: () => port.room(),
      unplug: () => {
        if (this.#driver !== driver) return;
        this.#driver = null;
        port.room();
        this.#follow();
      },
    };
  }

  receive(packet: Packet): boolean {
    return this.#driver === null || this.#driver.receive(packet);
  }

  settle(): void {
    this.#driver?.settle();
  }

  resume(): void {
    this.#driver?.resume();
  }

  #follow(): void {
    this.#port?.setUp(this.#isUp && this.#driver !== null);
  }
}
