import { expect, it } from "vitest";
import { compiledPercent, describeVcpu, pcpusFor } from "./processors.js";

it("a machine has a pCPU for each core, but one where there are many, and no end of them nowhere", () => {
  expect([1, 2, 3, 4, 5, 8, 16, 17, 64].map(pcpusFor)).toEqual([1, 2, 3, 3, 4, 7, 15, 16, 16]);
});

it("a browser that does not tell gets one", () => {
  expect([undefined, Number.NaN, 0, -2].map(pcpusFor)).toEqual([1, 1, 1, 1]);
});

it("a vCPU that does not run is on no pCPU", () => {
  const vcpu = { id: 1, online: true, hardAffinity: [0, 1], softAffinity: [0, 1], instructions: 9 };
  expect(describeVcpu({ ...vcpu, state: "running", pcpu: 0, cpuSeconds: 12.34 })).toEqual([
    "1",
    "running",
    "0",
    "12.3",
  ]);
  expect(describeVcpu({ ...vcpu, state: "blocked", pcpu: null, cpuSeconds: 0 })).toEqual(["1", "blocked", "–", "0.0"]);
});

it("the share of compiled code is none before the first region", () => {
  expect(compiledPercent({ instructions: 100 })).toBe(0);
  expect(compiledPercent({ instructions: 200, jit: { region: 150, handler: 10, interpreter: 40 } })).toBe(75);
});
