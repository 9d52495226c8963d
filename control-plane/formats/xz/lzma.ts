// The LZMA decoder inside LZMA2 chunks: range coder, probability model and match copying.
//
// Follows the LZMA specification (the 7-Zip SDK's lzma-specification). The hot helpers load the range coder into locals
// and store it back once, because that is several times faster in V8 than fields touched per bit. Input past the end
// reads as zero and is noticed at the end of the symbol, so hostile data costs no more than good data.

const STATES = 12;
const POSITION_STATES = 16;
const PROB_BITS = 11;
const PROB_HALF = 1 << (PROB_BITS - 1);
const MOVE_BITS = 5;

// One array holds every probability; each group starts where the one before it ends.
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POSITION_STATES;
const IS_REP0 = IS_REP + STATES;
const IS_REP1 = IS_REP0 + STATES;
const IS_REP2 = IS_REP1 + STATES;
const IS_REP0_LONG = IS_REP2 + STATES;
const DISTANCE_SLOT = IS_REP0_LONG + STATES * POSITION_STATES;
const DISTANCE_SPECIAL = DISTANCE_SLOT + 4 * 64;
const DISTANCE_ALIGN = DISTANCE_SPECIAL + 128;
const LENGTH_MATCH = DISTANCE_ALIGN + 16;
const LENGTH_CHOICE = 0;
const LENGTH_CHOICE2 = 1;
const LENGTH_LOW = 2;
const LENGTH_MID = LENGTH_LOW + POSITION_STATES * 8;
const LENGTH_HIGH = LENGTH_MID + POSITION_STATES * 8;
const LENGTH_CODER_SIZE = LENGTH_HIGH + 256;
const LENGTH_REP = LENGTH_MATCH + LENGTH_CODER_SIZE;
const LITERAL = LENGTH_REP + LENGTH_CODER_SIZE;
const LITERAL_CODER_SIZE = 0x300;
/** LZMA2 allows lc + lp up to 4. */
const PROB_COUNT = LITERAL + (LITERAL_CODER_SIZE << 4);

const MIN_MATCH = 2;
const ALIGN_BITS = 4;
/** Distance slots below 4 are the distance itself; from 14 on the middle bits are not modelled. */
const FIRST_MODELLED_SLOT = 4;
const FIRST_DIRECT_SLOT = 14;

// Index into `LzmaDecoder.rc`.
const RANGE = 0;
const CODE = 1;
const POS = 2;

/** State that lives across the chunks of one LZMA2 stream. */
export class LzmaDecoder {
  readonly probs = new Uint16Array(PROB_COUNT);
  /** Range coder: range, code, input position. */
  readonly rc = new Int32Array(3);
  /** The four last match distances, minus one. */
  readonly reps = new Int32Array(4);
  state = 0;
  literalContextBits = 0;
  literalPositionMask = 0;
  positionMask = 0;

  constructor(readonly input: Uint8Array) {}

  /** Sets lc, lp and pb from their packed byte; false when it is out of range. */
  setProperties(packed: number): boolean {
    if (packed >= 9 * 5 * 5) return false;
    const lc = packed % 9;
    const lp = Math.floor(packed / 9) % 5;
    if (lc + lp > 4) return false;
    this.literalContextBits = lc;
    this.literalPositionMask = (1 << lp) - 1;
    this.positionMask = (1 << Math.floor(packed / 45)) - 1;
    return true;
  }

  /** Forgets the model and the match history, as a state reset asks. */
  reset(): void {
    this.probs.fill(PROB_HALF);
    this.reps.fill(0);
    this.state = 0;
  }

  /** Starts the range coder at `pos`; the first byte must be zero. */
  startRange(pos: number): boolean {
    const b = this.input;
    this.rc[RANGE] = -1;
    this.rc[CODE] = (b[pos + 1]! << 24) | (b[pos + 2]! << 16) | (b[pos + 3]! << 8) | b[pos + 4]!;
    this.rc[POS] = pos + 5;
    return b[pos] === 0;
  }

  /** True when the chunk's input is used up exactly and the range coder is at rest. */
  finishRange(end: number): boolean {
    normalize(this);
    return this.rc[POS] === end && this.rc[CODE] === 0;
  }
}

function normalize(d: LzmaDecoder): void {
  const { rc, input } = d;
  if (rc[RANGE]! >>> 24 !== 0) return;
  rc[RANGE] = rc[RANGE]! << 8;
  rc[CODE] = (rc[CODE]! << 8) | input[rc[POS]!++]!;
}

function decodeBit(d: LzmaDecoder, index: number): number {
  const { probs, rc } = d;
  normalize(d);
  const prob = probs[index]!;
  const range = rc[RANGE]!;
  const code = rc[CODE]!;
  const bound = Math.imul(range >>> PROB_BITS, prob);
  if (code >>> 0 < bound >>> 0) {
    rc[RANGE] = bound;
    probs[index] = prob + ((2048 - prob) >> MOVE_BITS);
    return 0;
  }
  rc[RANGE] = range - bound;
  rc[CODE] = code - bound;
  probs[index] = prob - (prob >> MOVE_BITS);
  return 1;
}

/** Decodes `bits` bits, most significant first; the result has a leading one (the tree's node number). */
function decodeTree(d: LzmaDecoder, base: number, bits: number): number {
  const { probs, rc, input } = d;
  let range = rc[RANGE]!;
  let code = rc[CODE]!;
  let pos = rc[POS]!;
  let node = 1;
  for (let i = bits; i > 0; i--) {
    if (range >>> 24 === 0) {
      range <<= 8;
      code = (code << 8) | input[pos++]!;
    }
    const index = base + node;
    const prob = probs[index]!;
    const bound = Math.imul(range >>> PROB_BITS, prob);
    if (code >>> 0 < bound >>> 0) {
      range = bound;
      probs[index] = prob + ((2048 - prob) >> MOVE_BITS);
      node <<= 1;
    } else {
      range = (range - bound) | 0;
      code = (code - bound) | 0;
      probs[index] = prob - (prob >> MOVE_BITS);
      node = (node << 1) | 1;
    }
  }
  rc[RANGE] = range;
  rc[CODE] = code;
  rc[POS] = pos;
  return node;
}

/** Decodes `bits` bits, least significant first. */
function decodeReverseTree(d: LzmaDecoder, base: number, bits: number): number {
  let node = 1;
  let value = 0;
  for (let i = 0; i < bits; i++) {
    const bit = decodeBit(d, base + node);
    node = (node << 1) | bit;
    value |= bit << i;
  }
  return value;
}

/** Decodes `bits` equiprobable bits. */
function decodeDirect(d: LzmaDecoder, bits: number): number {
  const { rc } = d;
  let value = 0;
  for (let i = 0; i < bits; i++) {
    normalize(d);
    const half = rc[RANGE]! >>> 1;
    const code = rc[CODE]!;
    rc[RANGE] = half;
    const bit = code >>> 0 >= half ? 1 : 0;
    if (bit) rc[CODE] = code - half;
    value = (value << 1) | bit;
  }
  return value;
}

/** A literal after a match: the byte at the last distance steers the model until the first difference. */
function decodeMatchedLiteral(d: LzmaDecoder, base: number, matchByte: number): number {
  const { probs, rc, input } = d;
  let range = rc[RANGE]!;
  let code = rc[CODE]!;
  let pos = rc[POS]!;
  let symbol = 1;
  let match = matchByte << 1;
  let offset = 0x100;
  while (symbol < 0x100) {
    const matchBit = match & offset;
    const index = base + offset + matchBit + symbol;
    match <<= 1;
    if (range >>> 24 === 0) {
      range <<= 8;
      code = (code << 8) | input[pos++]!;
    }
    const prob = probs[index]!;
    const bound = Math.imul(range >>> PROB_BITS, prob);
    if (code >>> 0 < bound >>> 0) {
      range = bound;
      probs[index] = prob + ((2048 - prob) >> MOVE_BITS);
      symbol <<= 1;
      offset &= ~matchBit;
    } else {
      range = (range - bound) | 0;
      code = (code - bound) | 0;
      probs[index] = prob - (prob >> MOVE_BITS);
      symbol = (symbol << 1) | 1;
      offset &= matchBit;
    }
  }
  rc[RANGE] = range;
  rc[CODE] = code;
  rc[POS] = pos;
  return symbol;
}

function decodeLength(d: LzmaDecoder, base: number, positionState: number): number {
  if (decodeBit(d, base + LENGTH_CHOICE) === 0) {
    return MIN_MATCH + decodeTree(d, base + LENGTH_LOW + positionState * 8, 3) - 8;
  }
  if (decodeBit(d, base + LENGTH_CHOICE2) === 0) {
    return MIN_MATCH + 8 + decodeTree(d, base + LENGTH_MID + positionState * 8, 3) - 8;
  }
  return MIN_MATCH + 16 + decodeTree(d, base + LENGTH_HIGH, 8) - 256;
}

/** A match distance minus one, as a signed 32-bit value: negative means 2 GiB or more. */
function decodeDistance(d: LzmaDecoder, length: number): number {
  const lengthState = length < MIN_MATCH + 4 ? length - MIN_MATCH : 3;
  const slot = decodeTree(d, DISTANCE_SLOT + lengthState * 64, 6) - 64;
  if (slot < FIRST_MODELLED_SLOT) return slot;
  const bits = (slot >> 1) - 1;
  const high = (2 | (slot & 1)) << bits;
  if (slot < FIRST_DIRECT_SLOT) return high + decodeReverseTree(d, DISTANCE_SPECIAL + high - slot, bits);
  const middle = decodeDirect(d, bits - ALIGN_BITS) << ALIGN_BITS;
  return high + middle + decodeReverseTree(d, DISTANCE_ALIGN, ALIGN_BITS);
}

/** Decodes which old distance a repeated match uses and moves it to the front; 0 for the one-byte repeat, else its length. */
function decodeRepeat(d: LzmaDecoder, positionState: number): number {
  const { reps, state } = d;
  if (decodeBit(d, IS_REP0 + state) === 0) {
    if (decodeBit(d, IS_REP0_LONG + state * POSITION_STATES + positionState) === 0) return 0;
  } else {
    let distance = reps[1]!;
    if (decodeBit(d, IS_REP1 + state) === 1) {
      distance = reps[2]!;
      if (decodeBit(d, IS_REP2 + state) === 1) {
        distance = reps[3]!;
        reps[3] = reps[2]!;
      }
      reps[2] = reps[1]!;
    }
    reps[1] = reps[0]!;
    reps[0] = distance;
  }
  return decodeLength(d, LENGTH_REP, positionState);
}

function decodeMatch(d: LzmaDecoder, positionState: number): number {
  const { reps } = d;
  reps[3] = reps[2]!;
  reps[2] = reps[1]!;
  reps[1] = reps[0]!;
  const length = decodeLength(d, LENGTH_MATCH, positionState);
  reps[0] = decodeDistance(d, length);
  return length;
}

function decodeLiteral(d: LzmaDecoder, out: Uint8Array, pos: number, dictStart: number): number {
  const previous = pos > dictStart ? out[pos - 1]! : 0;
  const lc = d.literalContextBits;
  const context = (((pos - dictStart) & d.literalPositionMask) << lc) + (previous >> (8 - lc));
  const base = LITERAL + LITERAL_CODER_SIZE * context;
  const { state } = d;
  if (state < 7) {
    d.state = state < 4 ? 0 : state - 3;
    return decodeTree(d, base, 8);
  }
  d.state = state < 10 ? state - 3 : state - 6;
  return decodeMatchedLiteral(d, base, out[pos - d.reps[0]! - 1]!);
}

/**
 * Decodes symbols into `out[from, to)`; earlier bytes back to `dictStart` are the dictionary. `inputEnd` bounds the input.
 * False when the data is corrupt: a distance before the dictionary, a match past `to`, or input used up.
 */
export function decodeSymbols(
  d: LzmaDecoder,
  out: Uint8Array,
  from: number,
  to: number,
  dictStart: number,
  dictSize: number,
  inputEnd: number,
): boolean {
  const { rc, reps, positionMask } = d;
  let pos = from;
  while (pos < to) {
    if (rc[POS]! > inputEnd) return false;
    const positionState = (pos - dictStart) & positionMask;
    const { state } = d;
    if (decodeBit(d, IS_MATCH + state * POSITION_STATES + positionState) === 0) {
      out[pos] = decodeLiteral(d, out, pos, dictStart);
      pos++;
      continue;
    }
    let length: number;
    if (decodeBit(d, IS_REP + state) === 0) {
      length = decodeMatch(d, positionState);
      d.state = state < 7 ? 7 : 10;
    } else {
      length = decodeRepeat(d, positionState);
      d.state = length === 0 ? (state < 7 ? 9 : 11) : state < 7 ? 8 : 11;
      if (length === 0) length = 1;
    }
    const distance = reps[0]! >>> 0;
    if (distance >= pos - dictStart || distance >= dictSize || length > to - pos) return false;
    for (let source = pos - distance - 1, end = pos + length; pos < end; ) out[pos++] = out[source++]!;
  }
  return true;
}
