/** A command line run in the process of a test, with what it prints. */
import { vi } from "vitest";
import { runProgram } from "../program.js";

export interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export async function xl(...args: string[]): Promise<Said> {
  const texts = { out: "", err: "" };
  const keep = (key: "out" | "err") => (data: string | Uint8Array, done?: unknown) => {
    texts[key] += typeof data === "string" ? data : Buffer.from(data).toString();
    if (typeof done === "function") done();
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(keep("out")),
    vi.spyOn(process.stderr, "write").mockImplementation(keep("err")),
  ];
  try {
    const status = await runProgram(args);
    return { status, ...texts };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
