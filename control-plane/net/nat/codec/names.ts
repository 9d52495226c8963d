/** Domain names as DNS writes them: labels with their lengths. [RFC 1035] 3.1 */

const MOST_LABEL = 63;
/** With lengths and the root's. */
const MOST_NAME = 255;

/** Bytes of a name without compression; null when it is no name. */
export function encodeName(name: string): Uint8Array | null {
  const text = name.endsWith(".") ? name.slice(0, -1) : name;
  const labels = text === "" ? [] : text.split(".");
  if (labels.some((l) => l.length === 0 || l.length > MOST_LABEL || /[^\x00-\xff]/.test(l))) return null;
  const bytes = labels.reduce((sum, l) => sum + l.length + 1, 1);
  if (bytes > MOST_NAME) return null;
  const encoded = new Uint8Array(bytes);
  let at = 0;
  for (const label of labels) {
    encoded[at++] = label.length;
    for (let i = 0; i < label.length; i++) encoded[at++] = label.charCodeAt(i);
  }
  return encoded;
}

export interface DecodedName {
  readonly labels: readonly string[];
  /** Where what follows begins. */
  readonly next: number;
}

/** A name without compression at `at`, bytes as characters; null when it is malformed or runs out. */
export function decodeName(bytes: Uint8Array, at: number): DecodedName | null {
  const labels: string[] = [];
  let next = at;
  while (next < bytes.length && next - at < MOST_NAME) {
    const length = bytes[next++]!;
    if (length === 0) return { labels, next };
    if (length > MOST_LABEL || next + length > bytes.length) return null;
    labels.push(String.fromCharCode(...bytes.subarray(next, next + length)));
    next += length;
  }
  return null;
}
