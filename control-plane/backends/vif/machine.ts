/**
 * When an interface's rings may be worked on, as pure state machines, one for each direction.
 *
 * What the guest sends:                          What it receives:
 *
 *            refused, or out of credit                       too few buffers           for too long
 *   running ──────────────────────────▶ waiting     ready ──────────────────▶ short ──────────────▶ stalled
 *      ▲ ──────────────────────────────────┘          ▲ ───────────────────────┘ ──────────────────────┘
 *            resumed, or credit is there                      buffers are there
 *
 * Either may be paused, which holds frames back, and stopped, which is the end.
 */

export interface TxState {
  readonly waitsFor: "nothing" | "wire" | "credit";
  readonly paused: boolean;
  readonly stopped: boolean;
}

export type TxEvent = "refused" | "resumed" | "spent" | "credited" | "pause" | "resume" | "stop";

/** look: requests may be waiting in the ring. */
export type TxEffect = "look";

export const INITIAL_TX: TxState = { waitsFor: "nothing", paused: false, stopped: false };

/** Whether the next request may be taken out of the ring. */
export const mayTake = ({ waitsFor, paused, stopped }: TxState): boolean =>
  waitsFor === "nothing" && !paused && !stopped;

export function stepTx(state: TxState, event: TxEvent): [TxState, readonly TxEffect[]] {
  switch (event) {
    case "refused":
      return [{ ...state, waitsFor: "wire" }, []];
    case "spent":
      return [{ ...state, waitsFor: "credit" }, []];
    case "resumed":
      return goOn(state, "wire");
    case "credited":
      return goOn(state, "credit");
    case "pause":
      return [{ ...state, paused: true }, []];
    case "resume":
      return lookIfAble({ ...state, paused: false });
    case "stop":
      return [{ ...state, stopped: true }, []];
  }
}

function goOn(state: TxState, from: TxState["waitsFor"]): [TxState, readonly TxEffect[]] {
  return state.waitsFor === from ? lookIfAble({ ...state, waitsFor: "nothing" }) : [state, []];
}

const lookIfAble = (state: TxState): [TxState, readonly TxEffect[]] => [state, mayTake(state) ? ["look"] : []];

export interface RxState {
  /** ready: frames are put into buffers. short: they are refused until there are buffers. stalled: dropped until then. */
  readonly phase: "ready" | "short" | "stalled";
  readonly paused: boolean;
  readonly stopped: boolean;
}

export type RxEvent = "short" | "buffers" | "expired" | "pause" | "resume" | "stop";

/** room: who was refused may try again. */
export type RxEffect = "start-timer" | "stop-timer" | "room";

export const INITIAL_RX: RxState = { phase: "ready", paused: false, stopped: false };

export function stepRx(state: RxState, event: RxEvent): [RxState, readonly RxEffect[]] {
  switch (event) {
    case "short":
      return state.phase === "ready" ? [{ ...state, phase: "short" }, ["start-timer"]] : [state, []];
    case "buffers":
      if (state.phase === "ready") return [state, []];
      return [{ ...state, phase: "ready" }, state.phase === "short" ? ["stop-timer", "room"] : []];
    case "expired":
      return state.phase === "short" ? [{ ...state, phase: "stalled" }, ["room"]] : [state, []];
    case "pause":
      return [{ ...state, paused: true }, []];
    case "resume":
      return [{ ...state, paused: false }, state.paused ? ["room"] : []];
    case "stop":
      return [{ ...state, stopped: true }, state.phase === "short" ? ["stop-timer"] : []];
  }
}
