/**
 * The xenbus handshake as every back end goes through it, as a pure state machine. The front end drives it with its state
 * key; we answer with ours. Some front ends stop at Initialised until we are Connected, others go to Connected at once:
 * both mean "my keys are there". [XEN] io/xenbus.h
 *
 *   front  1 ──────────────▶ 3 or 4 ─────────▶ 4     5 ────▶ 6
 *   back   1 ▶ 2 (negotiate)         ▶ 4 (connect)     ▶ 5      ▶ 6 (disconnect)
 */

/** States of either end; an open set as far as the guest's are concerned. */
export const XenbusState = {
  UNKNOWN: 0,
  INITIALISING: 1,
  INIT_WAIT: 2,
  INITIALISED: 3,
  CONNECTED: 4,
  CLOSING: 5,
  CLOSED: 6,
  RECONFIGURING: 7,
  RECONFIGURED: 8,
} as const;

export interface HandshakeState {
  /** What our state key says. */
  readonly own: number;
  /** Rings are mapped and events bound. */
  readonly connected: boolean;
  /** The toolstack wants the device to exist; cleared when it is being taken away. */
  readonly online: boolean;
}

export type HandshakeEvent =
  /** The device was made: our keys may be written. */
  | { readonly kind: "start" }
  /** The front end's state key changed (or may have). */
  | { readonly kind: "frontend"; readonly state: number }
  /** The answer to the effect "connect". */
  | { readonly kind: "connected" }
  /** Connecting or working failed: the guest's keys or ring are no good. */
  | { readonly kind: "failed" }
  /** The toolstack takes the device away. */
  | { readonly kind: "offline" };

export type HandshakeEffect =
  /** Write the keys that tell the front end what we can do. */
  | { readonly kind: "negotiate" }
  /** Read the front end's keys, map its rings, bind its event channel; then answer with "connected" or "failed". */
  | { readonly kind: "connect" }
  /** Unmap and unbind. */
  | { readonly kind: "disconnect" }
  | { readonly kind: "set-state"; readonly state: number }
  /** Both ends are closed and the device is not wanted any more: its keys may be removed. */
  | { readonly kind: "remove" };

export const INITIAL_HANDSHAKE: HandshakeState = { own: XenbusState.INITIALISING, connected: false, online: true };

type Step = [HandshakeState, readonly HandshakeEffect[]];

export function step(state: HandshakeState, event: HandshakeEvent): Step {
  switch (event.kind) {
    case "start":
      return enterInitWait(state);
    case "frontend":
      return onFrontend(state, event.state);
    case "connected":
      return moveTo({ ...state, connected: true }, XenbusState.CONNECTED);
    case "failed":
      return close(state, XenbusState.CLOSING);
    case "offline":
      return onOffline(state);
  }
}

function onFrontend(state: HandshakeState, frontend: number): Step {
  switch (frontend) {
    case XenbusState.INITIALISING:
      // The front end starts anew, after a crash kernel or an unbind.
      return state.own === XenbusState.CLOSED && state.online ? enterInitWait(state) : stay(state);
    case XenbusState.INITIALISED:
    case XenbusState.CONNECTED:
      return state.own === XenbusState.INIT_WAIT ? [state, [{ kind: "connect" }]] : stay(state);
    case XenbusState.CLOSING:
      return close(state, XenbusState.CLOSING);
    case XenbusState.CLOSED:
    case XenbusState.UNKNOWN:
      return onFrontendClosed(state);
    default:
      return stay(state);
  }
}

function onFrontendClosed(state: HandshakeState): Step {
  // Before it has begun, an absent front end is nothing to react to.
  if (state.own === XenbusState.INITIALISING || (state.own === XenbusState.INIT_WAIT && state.online))
    return stay(state);
  const [closed, effects] = close(state, XenbusState.CLOSED);
  return state.online ? [closed, effects] : [closed, [...effects, { kind: "remove" }]];
}

function onOffline(state: HandshakeState): Step {
  const offline = { ...state, online: false };
  if (state.own === XenbusState.CLOSED) return [offline, [{ kind: "remove" }]];
  return moveTo(offline, XenbusState.CLOSING);
}

function enterInitWait(state: HandshakeState): Step {
  const [next, effects] = moveTo(state, XenbusState.INIT_WAIT);
  return [next, [{ kind: "negotiate" }, ...effects]];
}

/** Goes to a closing state; what is connected is let go before the guest is told. */
function close(state: HandshakeState, own: number): Step {
  const [next, effects] = moveTo({ ...state, connected: false }, own);
  return [next, state.connected ? [{ kind: "disconnect" }, ...effects] : effects];
}

function moveTo(state: HandshakeState, own: number): Step {
  if (state.own === own) return stay(state);
  return [{ ...state, own }, [{ kind: "set-state", state: own }]];
}

const stay = (state: HandshakeState): Step => [state, []];
